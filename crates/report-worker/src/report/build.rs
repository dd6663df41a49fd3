//! From records and their changes to a document.

use jiff::Timestamp;

use super::corrections::corrections;
use super::definition::{Definition, Subject};
use super::document::{Document, Row, Section};
use super::text::one_line;
use super::{deals, invoices};
use crate::domain::account::Account;
use crate::domain::changes::{Change, ChangeKind, Rules};
use crate::domain::money::{Amount, Money, SumTooLarge, Totals};
use crate::domain::position::{Position, Standing};
use crate::domain::record::Record;

/// Where and when a report is built.
#[derive(Debug, Clone)]
pub struct Scene<'a> {
    /// The account.
    pub account: &'a Account,
    /// The rules that the changes were derived by, with the reporting zone.
    pub rules: Rules<'a>,
    /// The moment of building.
    pub now: Timestamp,
    /// True if the account keeps payment records; then money received is counted by them, else by the invoices.
    pub has_payments: bool,
}

/// One record that a report speaks of.
#[derive(Debug, Clone)]
pub struct Item {
    /// The record as last read.
    pub record: Record,
    /// Where it stood before, if it existed.
    pub was: Option<Was>,
    /// Where it stands.
    pub now: Position,
    /// The changes to tell, oldest first. Empty for the winner of a merge that has no news of its own.
    pub changes: Vec<Change>,
    /// True if HubSpot never showed what an event told.
    pub unsettled: bool,
}

/// Where a record stood before a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Was {
    /// Its position then.
    pub position: Position,
    /// The report that said so; `None` if that is how it stood when the books were opened.
    pub reported_at: Option<Timestamp>,
}

/// A built report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// What it says.
    pub document: Document,
    /// True if it says nothing: changes that undid each other before anybody was told.
    pub is_empty: bool,
}

/// Builds a report.
///
/// # Errors
/// Fails where a sum would not fit 128 bits.
pub fn build(definition: &Definition, items: &[Item], scene: &Scene<'_>) -> Result<Built, SumTooLarge> {
    let corrections = corrections(items, scene)?;
    let corrected = corrections.as_ref().map_or(0, |section| section.rows.len());
    let (mut headlines, mut sections) = match definition.subject {
        Subject::ClosedDeals => deals::sections(items, scene)?,
        Subject::Invoices => invoices::sections(items, scene)?,
    };
    let mut news = headlines.clone();
    if let Some(section) = corrections {
        let net = if section.totals.is_empty() { "no net effect".to_owned() } else { section.totals.join(" and ") };
        let noun = if corrected == 1 { "correction" } else { "corrections" };
        headlines.push(format!("{corrected} {noun}: {net}"));
        news.push(format!("{corrected} {noun}"));
        sections.insert(0, section);
    }
    let date = scene.now.to_zoned(scene.rules.zone.clone()).strftime("%-d %b %Y").to_string();
    let subject = format!("{}: {} · {date}", definition.title, news.join(", ").replace(": ", " "));
    let document = Document {
        title: definition.title.to_owned(),
        subject,
        headlines,
        date,
        sections,
        notes: vec![format!(
            "Days are those of {}. Amounts are as in HubSpot at {}.",
            scene.account.time_zone,
            moment(scene.now, scene),
        )],
    };
    Ok(Built { is_empty: document.sections.is_empty(), document })
}

/// A row for an item: its name, its page and what must be known about it.
pub(super) fn row(item: &Item, scene: &Scene<'_>, cells: Vec<String>) -> Row {
    let mut notes = Vec::new();
    for amount in [&item.now.amount, &item.now.settled] {
        if amount.rounded {
            notes.push(format!("rounded; HubSpot says {}", one_line(&amount.text)));
        }
    }
    if item.unsettled {
        notes.push("HubSpot did not show the announced change within 5 minutes; figures as last read".to_owned());
    }
    Row {
        name: one_line(&item.record.name()),
        url: scene.account.record_url(item.record.key.kind.type_id(), item.record.key.id),
        cells,
        notes,
    }
}

/// An amount as it is shown: money, or HubSpot's text and why it is not added up.
pub(super) fn shown(amount: &Amount) -> String {
    match &amount.money {
        Ok(money) => money.to_string(),
        Err(error) if amount.text.trim().is_empty() => error.to_string(),
        Err(error) => format!("{} {} ({error})", one_line(&amount.text), one_line(&amount.currency)),
    }
}

/// What is shown where a record says nothing.
pub(super) fn or_dash(text: Option<&str>) -> String {
    text.map(one_line).filter(|text| !text.is_empty()).unwrap_or_else(|| "—".to_owned())
}

/// The business date of an item, marked where it is not the record's own.
pub(super) fn business_date(item: &Item, at: Timestamp, scene: &Scene<'_>) -> String {
    let date = item.now.business_date(at, &scene.rules);
    let text = date.date.strftime("%-d %b %Y").to_string();
    if date.stated { text } else { format!("{text} (no date in HubSpot)") }
}

/// A moment in the reporting zone, to the minute.
pub(super) fn moment(at: Timestamp, scene: &Scene<'_>) -> String {
    at.to_zoned(scene.rules.zone.clone()).strftime("%-d %b %Y %H:%M").to_string()
}

/// When the newest of the changes of these kinds took effect.
pub(super) fn effective_at(item: &Item, kinds: &[ChangeKind]) -> Option<Timestamp> {
    item.changes.iter().filter(|change| kinds.contains(&change.kind)).map(|change| change.effective_at).max()
}

/// Makes a section with the sum of its money, or nothing where there are no rows.
pub(super) fn section(
    title: &str,
    columns: &[&str],
    figures: usize,
    rows: Vec<(Row, Option<Money>)>,
) -> Result<Option<Section>, SumTooLarge> {
    if rows.is_empty() {
        return Ok(None);
    }
    let mut totals = Totals::default();
    for money in rows.iter().filter_map(|(_, money)| *money) {
        totals.add(money)?;
    }
    Ok(Some(Section {
        title: title.to_owned(),
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
        figures,
        rows: rows.into_iter().map(|(row, _)| row).collect(),
        totals: totals.all_lines(),
    }))
}

/// `3 deals won: €45,300.00`, with the sums joined.
pub(super) fn headline(section: &Section, one: &str, many: &str) -> String {
    let count = section.rows.len();
    let noun = if count == 1 { one } else { many };
    if section.totals.is_empty() {
        format!("{count} {noun}")
    } else {
        format!("{count} {noun}: {}", section.totals.join(" and "))
    }
}

/// True if the record has stopped counting because it was archived or merged away.
pub(super) fn is_closed_record(position: &Position) -> bool {
    matches!(position.standing, Standing::Archived | Standing::Merged { .. })
}
