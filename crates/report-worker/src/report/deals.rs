//! The closed deals: won and lost.

use super::build::{Item, Scene, business_date, effective_at, headline, moment, or_dash, row, section, shown};
use super::document::Section;
use crate::domain::changes::ChangeKind;
use crate::domain::money::SumTooLarge;
use crate::domain::position::Standing;
use crate::domain::record::Kind;

const COLUMNS: [&str; 5] = ["Company", "Owner", "Close date", "Closed", "Amount"];

/// The headlines and the tables of the deals that are news: closed now, and not told as such before.
pub(super) fn sections(items: &[Item], scene: &Scene<'_>) -> Result<(Vec<String>, Vec<Section>), SumTooLarge> {
    let mut headlines = Vec::new();
    let mut sections = Vec::new();
    for (standing, closed_by, title, one, many) in [
        (Standing::Won, ChangeKind::DealWon, "Won", "deal won", "deals won"),
        (Standing::Lost, ChangeKind::DealLost, "Lost", "deal lost", "deals lost"),
    ] {
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
        if let Some(section) = section(title, &COLUMNS, 1, rows)? {
            headlines.push(headline(&section, one, many));
            sections.push(section);
        }
    }
    Ok((headlines, sections))
}
