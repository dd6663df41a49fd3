//! The closed deals: won and lost.

use super::build::{Item, Scene, Table, Words, business_date, effective_at, moment, or_dash, row, shown};
use crate::domain::changes::ChangeKind;
use crate::domain::money::SumTooLarge;
use crate::domain::position::Standing;
use crate::domain::record::Kind;

const COLUMNS: [&str; 5] = ["Company", "Owner", "Close date", "Closed", "Amount"];

const WON: Words = Words { title: "Won", short: "won", one: "deal won", many: "deals won" };
const LOST: Words = Words { title: "Lost", short: "lost", one: "deal lost", many: "deals lost" };

/// The tables of the deals that are news: closed now, and not told as such before.
pub(super) fn tables(items: &[Item], scene: &Scene<'_>) -> Result<Vec<Table>, SumTooLarge> {
    let mut tables = Vec::new();
    for (standing, closed_by, words) in
        [(Standing::Won, ChangeKind::DealWon, WON), (Standing::Lost, ChangeKind::DealLost, LOST)]
    {
        let rows = items
            .iter()
            .filter(|item| item.record.key.kind == Kind::Deal && item.now.standing == standing)
            .filter(|item| item.was.as_ref().is_none_or(|was| was.position.standing != standing))
            .filter_map(|item| {
                let at = effective_at(item, &[closed_by, ChangeKind::RecordRestored])?;
                let cells = vec![
                    or_dash(item.record.company.as_deref()),
                    or_dash(item.record.owner.as_deref()),
                    business_date(item, at, scene),
                    moment(at, scene),
                    shown(&item.now.amount),
                ];
                Some((row(item, scene, cells), item.now.amount.money.clone().ok()))
            })
            .collect();
        tables.extend(Table::new(&words, &COLUMNS, 1, rows)?);
    }
    Ok(tables)
}
