//! Closed deals by owner, pipeline and company: a line for each and for each currency, so that a sheet can add them up.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Page, currencies, total};
use crate::domain::entries::Figure;
use crate::domain::ledger::Face;
use crate::domain::money::{Money, SumTooLarge};
use crate::report::build::ColumnOf;
use crate::report::document::{Cell, ColumnKind, Row, Section, Value};
use crate::report::period_figures::Tally;
use crate::report::section::SectionKind;
use crate::report::text::one_line;
use crate::report::words::Words;

/// Deals won and lost, of one name in one currency.
#[derive(Default)]
struct Closed {
    won: Tally,
    lost: Tally,
}

/// Of one name, by currency; what has no amount stands under none.
type ByCurrency = BTreeMap<Option<&'static str>, Closed>;

/// The closed deals by what a section groups them by, those with the most money won first.
pub(super) fn summary(page: &Page<'_>, section: SectionKind) -> Result<Option<Section>, SumTooLarge> {
    let mut groups: BTreeMap<(String, Option<&str>), ByCurrency> = BTreeMap::new();
    for line in page.lines(SectionKind::Won).chain(page.lines(SectionKind::Lost)) {
        let currency = line.entry.money().map(Money::currency);
        let closed = groups.entry(name(section, &line.face, page.words)).or_default().entry(currency).or_default();
        let is_won = line.entry.figure == Figure::Won;
        if is_won { &mut closed.won } else { &mut closed.lost }.add(&line.entry.amount)?;
    }
    if groups.is_empty() {
        return Ok(None);
    }
    let (won, lost) = (page.tally(SectionKind::Won)?, page.tally(SectionKind::Lost)?);
    let order = currencies(page.lines(SectionKind::Won).chain(page.lines(SectionKind::Lost)));
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_cached_key(|((name, _), group)| (Reverse(sums(group, &order)), name.clone()));
    let mut rows = Vec::new();
    for ((name, _), group) in &groups {
        for currency in order.iter().map(|code| Some(*code)).chain([None]) {
            let Some(closed) = group.get(&currency) else { continue };
            let sides = [(&won, &closed.won), (&lost, &closed.lost)];
            let shown = sides.into_iter().filter(|(all, _)| all.count > 0);
            let cells = shown.flat_map(|(_, tally)| [count(tally), money(tally)]).collect();
            rows.push(Row { name: name.clone(), url: None, cells, notes: Vec::new() });
        }
    }
    // What was not closed at all has no columns.
    let columns: [(&Tally, [ColumnOf; 2]); 2] = [
        (&won, [(|columns| columns.won, ColumnKind::Count), (|columns| columns.amount_won, ColumnKind::Money)]),
        (&lost, [(|columns| columns.lost, ColumnKind::Count), (|columns| columns.amount_lost, ColumnKind::Money)]),
    ];
    let columns: Vec<ColumnOf> =
        columns.into_iter().filter(|(all, _)| all.count > 0).flat_map(|(_, columns)| columns).collect();
    let titles = &page.words.period.titles;
    let (title, by) = match section {
        SectionKind::ByPipeline => (titles.by_pipeline, page.words.columns.pipeline),
        SectionKind::ByCompany => (titles.by_company, page.words.columns.company),
        _ => (titles.by_owner, page.words.columns.owner),
    };
    let summed = if won.count > 0 { &won } else { &lost };
    Ok(Some(Section {
        record_column: by.to_owned(),
        total: total(1, summed),
        left_out: usize::try_from(summed.left_out).unwrap_or(usize::MAX),
        ..page.section(section.as_str(), title, &columns, rows)
    }))
}

/// Whose deals these are, and by which id if names may be alike.
pub(super) fn name<'f>(section: SectionKind, face: &'f Face, words: &Words) -> (String, Option<&'f str>) {
    let none = &words.period.summaries;
    let (name, none, id) = match section {
        SectionKind::ByPipeline => (face.pipeline.as_deref().or(face.property("pipeline")), none.no_pipeline, None),
        SectionKind::ByCompany => (face.company.as_deref(), none.no_company, None),
        _ => (face.owner.as_deref(), none.no_owner, face.property("hubspot_owner_id")),
    };
    let named = name.map(one_line).filter(|name| !name.is_empty());
    // An owner whose name HubSpot does not tell is somebody all the same.
    let name = named.or_else(|| id.map(|id| format!("{} {}", words.columns.owner, one_line(id))));
    (name.unwrap_or_else(|| none.to_owned()), id)
}

/// What sorts a name: the money won in each currency, then the money lost.
fn sums(group: &ByCurrency, order: &[&'static str]) -> Vec<i128> {
    let of = |side: fn(&Closed) -> &Tally| {
        order
            .iter()
            .map(move |&code| group.get(&Some(code)).and_then(|it| side(it).totals.get(code)).unwrap_or_default())
    };
    of(|closed| &closed.won).chain(of(|closed| &closed.lost)).collect()
}

fn count(tally: &Tally) -> Cell {
    Value::Count(i64::try_from(tally.count).unwrap_or(i64::MAX)).into()
}

fn money(tally: &Tally) -> Cell {
    if tally.totals.is_empty() { Value::Nothing } else { Value::Sums(tally.totals.all_sums()) }.into()
}
