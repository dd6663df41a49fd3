//! The closed deals: won and lost.

use super::build::{ColumnOf, Item, Scene, Table, amount, business_date, effective_at, moment, row, text};
use super::definition::Definition;
use super::document::ColumnKind as Kind;
use crate::domain::changes::ChangeKind;
use crate::domain::money::SumTooLarge;
use crate::domain::position::Standing;
use crate::domain::record;

const COLUMNS: [ColumnOf; 5] = [
    (|columns| columns.company, Kind::Text),
    (|columns| columns.owner, Kind::Text),
    (|columns| columns.close_date, Kind::Date),
    (|columns| columns.closed, Kind::Moment),
    (|columns| columns.amount, Kind::Money),
];

/// The tables of the deals that are news: closed now, and not told as such before.
pub(super) fn tables(definition: &Definition, items: &[Item], scene: &Scene<'_>) -> Result<Vec<Table>, SumTooLarge> {
    let nouns = &scene.words().nouns;
    let mut tables = Vec::new();
    for (key, standing, closed_by, noun) in [
        ("won", Standing::Won, ChangeKind::DealWon, &nouns.won),
        ("lost", Standing::Lost, ChangeKind::DealLost, &nouns.lost),
    ] {
        if !definition.is_news(closed_by) {
            continue;
        }
        let rows = items
            .iter()
            .filter(|item| item.record.key.kind == record::Kind::Deal && item.now.standing == standing)
            .filter(|item| item.was.as_ref().is_none_or(|was| was.position.standing != standing))
            .filter_map(|item| {
                let at = effective_at(item, &[closed_by, ChangeKind::RecordRestored])?;
                let cells = vec![
                    text(item.record.company.as_deref()),
                    text(item.record.owner.as_deref()),
                    business_date(item, at, scene),
                    moment(at, scene),
                    amount(&item.now.amount, scene),
                ];
                Some((row(item, scene, cells), item.now.amount.money.clone().ok()))
            })
            .collect();
        tables.extend(Table::new(key, noun, &COLUMNS, rows, scene)?);
    }
    Ok(tables)
}
