//! Recurring revenue of the deals won, where HubSpot has it.

use super::{Page, total};
use crate::domain::ledger::Line;
use crate::domain::money::{Amount, AmountError, SumTooLarge};
use crate::report::build::{ColumnOf, amount, text};
use crate::report::document::{ColumnKind, Row, Section, Value};
use crate::report::period_figures::Tally;
use crate::report::section::SectionKind;

/// HubSpot's properties for what recurs each month and each year, calculated from a deal's line items.
pub(super) const MRR: &str = "hs_mrr";
/// See [`MRR`].
pub(super) const ARR: &str = "hs_arr";

/// What recurs of a deal: none where HubSpot says nothing, or zero.
fn recurs(line: &Line, property: &str) -> Option<Amount> {
    let amount = Amount::read(line.face.property(property), &line.entry.amount.currency);
    let is_none = match &amount.money {
        Ok(money) => money.minor() == 0,
        Err(error) => *error == AmountError::Missing,
    };
    (!is_none).then_some(amount)
}

/// How many deals won have such revenue, and how much.
pub(super) fn tally(page: &Page<'_>, property: &str) -> Result<Tally, SumTooLarge> {
    let mut tally = Tally::default();
    let mut amounts = page.lines(SectionKind::Won).filter_map(|line| recurs(line, property));
    amounts.try_for_each(|amount| tally.add(&amount))?;
    Ok(tally)
}

/// The deals won with what recurs of them.
pub(super) fn section(page: &Page<'_>) -> Result<Option<Section>, SumTooLarge> {
    let properties: [(&str, ColumnOf); 2] =
        [(ARR, (|columns| columns.arr, ColumnKind::Money)), (MRR, (|columns| columns.mrr, ColumnKind::Money))];
    let mut columns: Vec<ColumnOf> =
        vec![(|columns| columns.company, ColumnKind::Text), (|columns| columns.owner, ColumnKind::Text)];
    let mut present = Vec::new();
    for (property, column) in properties {
        let tally = tally(page, property)?;
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
