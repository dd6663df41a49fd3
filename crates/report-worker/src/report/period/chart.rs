//! The picture of a report: what came on which day or in which month, or by whom in a period of few days.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;

use super::{Page, capitalised, currencies, names, noun_of, summaries};
use crate::domain::ledger::Line;
use crate::domain::money::{Money, SumTooLarge, Totals};
use crate::domain::period::Cadence;
use crate::report::document::{Bar, Chart};
use crate::report::section::SectionKind;
use crate::report::words::fill;

/// The most bars that stand for owners; the others share one.
const OWNERS: usize = 8;

/// The picture of the first section that lends itself to one, and which section that is: in the currency that most entries
/// have, since money of several currencies has no common height.
pub(super) fn chart(page: &Page<'_>) -> Result<Option<(SectionKind, Chart)>, SumTooLarge> {
    use SectionKind as S;
    let deals: &[S] = match page.figures.period.cadence {
        Cadence::Daily | Cadence::Weekly => &[S::ByOwner, S::Won, S::ByPipeline, S::ByCompany],
        _ => &[S::Won, S::ByOwner, S::ByPipeline, S::ByCompany],
    };
    let candidates = [(S::Won, deals), (S::Received, &[S::Received]), (S::Created, &[S::Created])];
    for (figure, sections) in candidates {
        let section = sections.iter().find(|&&section| page.has(section));
        if let Some(section) = section
            && let Some(chart) = of(page, figure)?
        {
            return Ok(Some((*section, chart)));
        }
    }
    Ok(None)
}

/// The picture of a figure, unless it would show nothing, or something that is no height.
fn of(page: &Page<'_>, figure: SectionKind) -> Result<Option<Chart>, SumTooLarge> {
    let order = currencies(page.lines(figure));
    let Some(&currency) = order.first() else { return Ok(None) };
    let lines: Vec<(&Line, Money)> = page
        .lines(figure)
        .filter_map(|line| line.entry.money().filter(|money| money.currency() == currency).map(|money| (line, money)))
        .collect();
    let words = page.words.period;
    let (bars, sentence) = match page.figures.period.cadence {
        Cadence::Daily | Cadence::Weekly => (by_owner(page, figure, &lines)?, words.chart.by_owner),
        Cadence::Monthly => (by_day(page, &lines)?, words.chart.by_day),
        Cadence::Quarterly | Cadence::Yearly => (by_month(page, &lines)?, words.chart.by_month),
    };
    let heights = || bars.iter().map(|(_, _, totals)| totals.get(currency).unwrap_or_default());
    let highest = heights().max().unwrap_or_default();
    if heights().filter(|height| *height != 0).count() < 2 || heights().any(|height| height < 0) {
        return Ok(None);
    }
    let mut alt = String::new();
    let mut drawn = Vec::new();
    for (label, name, totals) in bars {
        let Some(sum) = totals.all_sums().into_iter().next() else { continue };
        let is_marked = alt.is_empty() && sum.minor() == highest;
        if is_marked {
            let what = lines.first().map_or("", |(line, _)| noun_of(line.entry.figure, page.words).many);
            let shown = [&capitalised(what), &page.date(), currency, &name, &page.locale().money(sum)];
            alt = fill(sentence, &shown.map(|text: &str| text));
        }
        drawn.push(Bar { label, sum, is_marked });
    }
    if order.len() > 1 {
        alt = format!("{alt}{}{}", page.words.semicolon, words.chart.other_currencies);
    }
    Ok(Some(Chart { alt, bars: drawn }))
}

/// Bars: what stands below each, what it is called in a sentence, and how high it is.
type Bars = Vec<(String, String, Totals)>;

fn by_day(page: &Page<'_>, lines: &[(&Line, Money)]) -> Result<Bars, SumTooLarge> {
    let days = std::iter::successors(Some(page.figures.period.from), |day| Some(day.saturating_add(1.day())));
    let days = days.take_while(|day| page.figures.period.contains(*day));
    over_time(lines, days.map(|day| (day, day.day().to_string(), page.locale().date(day))))
}

fn by_month(page: &Page<'_>, lines: &[(&Line, Money)]) -> Result<Bars, SumTooLarge> {
    let months = std::iter::successors(Some(page.figures.period.from), |day| Some(day.saturating_add(1.month())));
    let months = months.take_while(|day| page.figures.period.contains(*day));
    over_time(
        lines,
        months.map(|first| {
            let name = format!("{} {}", names::month(first, page.locale()), first.year());
            (first, names::month_short(first, page.locale()).to_owned(), name)
        }),
    )
}

/// A bar for each run of days that begins with one of these.
fn over_time(
    lines: &[(&Line, Money)],
    firsts: impl Iterator<Item = (Date, String, String)>,
) -> Result<Bars, SumTooLarge> {
    let mut bars: BTreeMap<Date, (String, String, Totals)> =
        firsts.map(|(first, label, name)| (first, (label, name, Totals::default()))).collect();
    // A day on which nothing came has a height, too: none.
    let nothing = lines.first().and_then(|(_, money)| Money::from_minor(0, money.currency()));
    for ((_, _, totals), nothing) in bars.values_mut().zip(nothing.into_iter().cycle()) {
        totals.add(nothing)?;
    }
    for (line, money) in lines {
        if let Some((_, (_, _, totals))) = bars.range_mut(..=line.date()).next_back() {
            totals.add(*money)?;
        }
    }
    Ok(bars.into_values().collect())
}

fn by_owner(page: &Page<'_>, figure: SectionKind, lines: &[(&Line, Money)]) -> Result<Bars, SumTooLarge> {
    let mut owners: BTreeMap<(String, Option<&str>), Totals> = BTreeMap::new();
    for (line, money) in lines.iter().filter(|_| figure == SectionKind::Won) {
        owners.entry(summaries::name(SectionKind::ByOwner, &line.face, page.words)).or_default().add(*money)?;
    }
    let mut bars: Bars = owners.into_iter().map(|((name, _), totals)| (name.clone(), name, totals)).collect();
    bars.sort_by_key(|(_, _, totals)| std::cmp::Reverse(totals.iter().next().map(|(_, minor)| minor)));
    if bars.len() > OWNERS {
        let mut others = Totals::default();
        for (_, _, totals) in bars.split_off(OWNERS - 1) {
            others.add_all(&totals)?;
        }
        let name = page.words.period.chart.others.to_owned();
        bars.push((name.clone(), name, others));
    }
    Ok(bars)
}
