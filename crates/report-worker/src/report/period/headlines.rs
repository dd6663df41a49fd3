//! The figures that a report opens with, each with that of the period before.

use super::{Page, ageing, corrections, home, noun_of, recurring, section_of};
use crate::domain::entries::Figure;
use crate::domain::money::SumTooLarge;
use crate::report::document::{Before, Headline, Section};
use crate::report::period_figures::{Recurring, Tally};
use crate::report::section::SectionKind;
use crate::report::words::{Noun, fill};

/// A headline and the section that it is of; what is said in the company currency besides is of [`SectionKind::Figures`].
pub(super) type Of = (SectionKind, Headline);

/// The sections that have a headline of their own, in the order of their headlines.
const FIGURES: [SectionKind; 8] = [
    SectionKind::Won,
    SectionKind::Lost,
    SectionKind::Created,
    SectionKind::Received,
    SectionKind::Paid,
    SectionKind::PartPaid,
    SectionKind::Refunds,
    SectionKind::Voided,
];

/// The order of the news in a subject: what a reader wants to know first.
const NEWS: [SectionKind; 11] = [
    SectionKind::Won,
    SectionKind::Corrections,
    SectionKind::Received,
    SectionKind::Paid,
    SectionKind::PartPaid,
    SectionKind::Voided,
    SectionKind::Created,
    SectionKind::Refunds,
    SectionKind::Lost,
    SectionKind::Overdue,
    SectionKind::Recurring,
];

/// The headlines of what the report shows.
pub(super) fn headlines(page: &Page<'_>) -> Result<Vec<Of>, SumTooLarge> {
    let mut headlines = Vec::new();
    for figure in FIGURES.into_iter().filter(|figure| is_shown(page, *figure)) {
        let (tally, before) = (page.tally(figure)?, before(page, &tally_before(page, figure)?));
        if is_nothing(&tally, before.as_ref()) {
            continue;
        }
        let noun = Figure::ALL.into_iter().find(|it| section_of(*it) == figure).map(|it| noun_of(it, page.words));
        let Some(noun) = noun else { continue };
        let headline = headline(page, noun, &tally);
        let converted = in_home_currency(page, figure, &headline)?;
        headlines.push((figure, Headline { before, ..headline }));
        headlines.extend(converted.map(|headline| (SectionKind::Figures, headline)));
    }
    if is_shown(page, SectionKind::Recurring) {
        let (Recurring { mrr, arr }, was) = (recurring::tallies(page)?, &page.figures.recurring_before);
        let (by_month, by_year) = ((&page.words.period.mrr, mrr, &was.mrr), (&page.words.period.arr, arr, &was.arr));
        // What recurs each month is told of the same revenue as what recurs each year: one of them is said, if there is
        // any now by what there is, and never one against the other.
        let is_by_year =
            if by_month.1.count + by_year.1.count > 0 { by_month.1.count == 0 } else { was.mrr.count == 0 };
        let (noun, tally, was) = if is_by_year { by_year } else { by_month };
        let before = before(page, was);
        if !is_nothing(&tally, before.as_ref()) {
            headlines.push((SectionKind::Recurring, Headline { before, ..headline(page, noun, &tally) }));
        }
    }
    if is_shown(page, SectionKind::Overdue) {
        let tally = ageing::past_due(page)?;
        // The opening reads again, with its history, what was modified since the period before the one that ran then. What was
        // owed further back nobody knows: an invoice is dated by its last modification, and would seem not to have been owed.
        let (zone, opened) = (page.scene.rules.zone, page.scene.rules.books_open_at);
        let is_known = opened.to_zoned(zone.clone()).date() < page.figures.period.to;
        let before = before(page, &page.figures.past_due_before).filter(|_| is_known);
        if !is_nothing(&tally, before.as_ref()) {
            let headline = headline(page, &page.words.nouns.overdue, &tally);
            let day = page.locale().date(page.last_day());
            let label = fill(page.words.period.as_of, &[&headline.label, &day]);
            headlines.push((SectionKind::Overdue, Headline { label, before, ..headline }));
        }
    }
    if is_shown(page, SectionKind::Corrections) {
        headlines.extend(corrections::headline(page)?.map(|headline| (SectionKind::Corrections, headline)));
    }
    Ok(headlines)
}

/// True if a report shows a figure: it has the section, or one that is made from the same, or no section but the figures.
fn is_shown(page: &Page<'_>, figure: SectionKind) -> bool {
    use SectionKind as S;
    let of = |sections: &[S]| sections.iter().any(|section| page.has(*section));
    let only_figures = page.definition.sections.iter().all(|section| *section == S::Figures);
    let same: &[S] = match figure {
        // What was paid on invoices is told with the money received.
        S::Paid | S::PartPaid if is_shown(page, S::Received) => return false,
        S::Won | S::Lost => &[S::ByOwner, S::ByPipeline, S::ByCompany],
        S::Overdue => &[S::Ageing],
        _ => &[],
    };
    only_figures || page.has(figure) || of(same)
}

fn headline(page: &Page<'_>, noun: &Noun, tally: &Tally) -> Headline {
    let count = usize::try_from(tally.count).unwrap_or(usize::MAX);
    let label = page.noun(noun, count).to_owned();
    Headline { label, count, sums: tally.totals.all_sums(), instead: None, before: None }
}

/// The same figure of the period before; a period that is not over is not set against one that is.
fn before(page: &Page<'_>, tally: &Tally) -> Option<Before> {
    page.figures.is_over.then(|| Before {
        period: page.name_of(&page.figures.before),
        count: usize::try_from(tally.count).unwrap_or(usize::MAX),
        sums: tally.totals.all_sums(),
    })
}

/// True if there is nothing to say of a figure, neither now nor then.
fn is_nothing(tally: &Tally, before: Option<&Before>) -> bool {
    tally.count == 0 && before.is_none_or(|before| before.count == 0)
}

/// What the books have of a section's figures in the period before.
pub(super) fn tally_before(page: &Page<'_>, figure: SectionKind) -> Result<Tally, SumTooLarge> {
    let mut tally = Tally::default();
    for (_, sums) in page.figures.sums_before.iter().filter(|(it, _)| section_of(**it) == figure) {
        tally.add_all(&sums.billable)?;
    }
    Ok(tally)
}

/// The figure in the company currency, where some of it is in others.
fn in_home_currency(page: &Page<'_>, figure: SectionKind, of: &Headline) -> Result<Option<Headline>, SumTooLarge> {
    let words = &page.words.period.home;
    let Some(converted) = home::converted(page, figure)? else { return Ok(None) };
    let label = fill(words.converted, &[&of.label]);
    let label = match converted.without_rate {
        0 => label,
        1 => fill(words.without_one, &[&label]),
        many => fill(words.without_many, &[&label, &many.to_string()]),
    };
    let about = format!("≈ {}", page.locale().money(converted.sum));
    Ok(Some(Headline { label, count: of.count, sums: vec![converted.sum], instead: Some(about), before: None }))
}

/// The figures that the headlines give in the company currency.
pub(super) fn converted(page: &Page<'_>) -> Vec<SectionKind> {
    FIGURES.into_iter().filter(|figure| is_shown(page, *figure)).collect()
}

/// What the subject says, the most important first: `3 deals won €45,300.00`. Where the tables that are news have no headline
/// of their own, it says which there are, and how long: `Not billable (2)`.
pub(super) fn news(page: &Page<'_>, headlines: &[Of], tables: &[&Section]) -> Result<Vec<String>, SumTooLarge> {
    let locale = page.locale();
    let count = |count: usize| locale.count(i64::try_from(count).unwrap_or(i64::MAX));
    let mut news = Vec::new();
    for kind in NEWS {
        for (_, headline) in headlines.iter().filter(|(of, headline)| *of == kind && headline.count > 0) {
            let sums = match (kind, &headline.instead, headline.sums.as_slice()) {
                (SectionKind::Corrections, ..) => format!("({})", corrections::news(page)?),
                (_, Some(instead), _) => instead.clone(),
                (_, None, sums @ [_, _, _, ..]) => fill(page.words.period.in_currencies, &[&sums.len().to_string()]),
                (_, None, sums) => locale.sums(sums),
            };
            news.push(format!("{} {} {sums}", count(headline.count), headline.label).trim_end().to_owned());
        }
    }
    if news.is_empty() {
        // The rows of the ageing are its buckets; what is in them is listed besides.
        let listed = tables.iter().filter(|table| table.key != SectionKind::Ageing.as_str());
        news.extend(listed.map(|table| format!("{} ({})", table.title, count(table.rows.len() + table.cut))));
    }
    Ok(if news.is_empty() { vec![page.words.period.nothing_new.to_owned()] } else { news })
}
