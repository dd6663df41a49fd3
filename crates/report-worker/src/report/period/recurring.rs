//! Recurring revenue of the deals won, where HubSpot has it.

use super::{Page, total};
use crate::domain::money::{Amount, SumTooLarge};
use crate::report::build::{ColumnOf, amount, text};
use crate::report::document::{ColumnKind, Row, Section, Value};
use crate::report::period_figures::{Recurring, Tally, recurs};
use crate::report::section::SectionKind;

/// How many deals won have such revenue, and how much.
pub(super) fn tallies(page: &Page<'_>) -> Result<Recurring, SumTooLarge> {
    let mut recurring = Recurring::default();
    page.lines(SectionKind::Won).try_for_each(|line| recurring.add(line))?;
    Ok(recurring)
}

/// The deals won with what recurs of them.
pub(super) fn section(page: &Page<'_>) -> Result<Option<Section>, SumTooLarge> {
    let Recurring { mrr, arr } = tallies(page)?;
    let properties: [(&str, Tally, ColumnOf); 2] = [
        (Recurring::ARR, arr, (|columns| columns.arr, ColumnKind::Money)),
        (Recurring::MRR, mrr, (|columns| columns.mrr, ColumnKind::Money)),
    ];
    let mut columns: Vec<ColumnOf> =
        vec![(|columns| columns.company, ColumnKind::Text), (|columns| columns.owner, ColumnKind::Text)];
    let mut present = Vec::new();
    for (property, tally, column) in properties {
        if tally.count > 0 {
            present.push((property, tally));
            columns.push(column);
        }
    }
    let Some((_, summed)) = present.last() else { return Ok(None) };
    let mut rows: Vec<Row> = Vec::new();
    for line in page.lines(SectionKind::Won) {
        let amounts: Vec<_> = present.iter().map(|(property, _)| recurs(line, property)).collect();
        if amounts.iter().all(Option::is_none) {
            continue;
        }
        let mut row = page.record_row(line.key, &line.face);
        row.cells = vec![text(line.face.company.as_deref()), text(line.face.owner.as_deref())];
        let shown = |read: Option<Amount>| read.map_or_else(|| Value::Nothing.into(), |read| amount(&read, page.scene));
        row.cells.extend(amounts.into_iter().map(shown));
        rows.push(row);
    }
    Ok(Some(Section {
        total: total(columns.len() - 1, summed),
        left_out: usize::try_from(summed.left_out).unwrap_or(usize::MAX),
        ..page.section(SectionKind::Recurring.as_str(), page.words.period.titles.recurring, &columns, rows)
    }))
}
