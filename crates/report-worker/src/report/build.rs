//! From records and their changes to a document.

use jiff::Timestamp;

use super::completeness::completeness;
use super::corrections::corrections;
use super::definition::{Definition, Subject};
use super::document::{Document, Row, Section};
use super::text::one_line;
use super::{deals, invoices};
use crate::domain::account::Account;
use crate::domain::changes::{Change, ChangeKind, Rules};
use crate::domain::completeness::Completeness;
use crate::domain::money::{Amount, Money, SumTooLarge, Totals};
use crate::domain::position::{Position, Standing};
use crate::domain::record::Record;

/// The longest news in a subject, in characters: what lists of mails show on a wide screen.
const SUBJECT_CHARACTERS: usize = 110;

/// Where and when a report is built.
#[derive(Debug, Clone)]
pub struct Scene<'a> {
    /// The account.
    pub account: &'a Account,
    /// The rules that the changes were derived by, with the reporting zone.
    pub rules: Rules<'a>,
    /// The moment of building.
    pub now: Timestamp,
    /// Since when money received is counted by payment records: since the account has any. What was received before
    /// is counted by the invoices' paid amounts, so that nothing is counted by both.
    pub payments_since: Option<Timestamp>,
    /// Whether the books are known to hold what HubSpot has.
    pub completeness: &'a Completeness,
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
    /// The invoice that a payment is for, where the books have it.
    pub invoice: Option<Record>,
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
    let mut tables = match definition.subject {
        Subject::ClosedDeals => deals::tables(items, scene)?,
        Subject::Invoices => invoices::tables(items, scene)?,
    };
    let corrections = corrections(items, scene)?;
    let (news, headlines): (Vec<_>, Vec<_>) =
        tables.iter().chain(&corrections).map(|table| (table.news.clone(), table.headline.clone())).unzip();
    // In the figures the news comes first; the mail opens with what the reader was told wrongly.
    tables.splice(0..0, corrections);
    let date = scene.now.to_zoned(scene.rules.zone.clone()).strftime("%-d %b %Y").to_string();
    let document = Document {
        title: definition.title.to_owned(),
        subject: subject(definition.title, &news, &date),
        date,
        headlines,
        sections: tables.into_iter().map(|table| table.section).collect(),
        notes: vec![
            completeness(scene),
            format!(
                "Days are those of {}. Amounts are as in HubSpot at {}.",
                scene.rules.zone.iana_name().unwrap_or(&scene.account.time_zone),
                moment(scene.now, scene),
            ),
        ],
    };
    Ok(Built { is_empty: document.sections.is_empty(), document })
}

/// The subject says the news, as much of it as a list of mails shows.
fn subject(title: &str, news: &[String], date: &str) -> String {
    let mut text = format!("{title}: ");
    for (index, part) in news.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        if index > 0 && text.chars().count() + part.chars().count() > SUBJECT_CHARACTERS {
            text.push_str(" and more");
            break;
        }
        text.push_str(separator);
        text.push_str(part);
    }
    format!("{text} · {date}")
}

/// A table with what the subject and the head of the mail say of it.
pub(super) struct Table {
    /// For the subject: `3 won €45,300.00`.
    pub(super) news: String,
    /// For the head of the mail: `3 deals won: €45,300.00`.
    pub(super) headline: String,
    /// The table itself.
    pub(super) section: Section,
}

/// What a table is about, in words.
pub(super) struct Words {
    pub(super) title: &'static str,
    /// For the subject, after the count: `won`.
    pub(super) short: &'static str,
    /// One of them: `deal won`.
    pub(super) one: &'static str,
    /// Several: `deals won`.
    pub(super) many: &'static str,
}

impl Table {
    /// Makes a table with the sum of its money, or nothing where there are no rows. The last `figures` columns are
    /// figures.
    pub(super) fn new(
        words: &Words,
        columns: &[&str],
        figures: usize,
        rows: Vec<(Row, Option<Money>)>,
    ) -> Result<Option<Self>, SumTooLarge> {
        if rows.is_empty() {
            return Ok(None);
        }
        let (mut totals, mut left_out) = (Totals::default(), 0);
        for (_, money) in &rows {
            match money {
                Some(money) => totals.add(*money)?,
                None => left_out += 1,
            }
        }
        let (count, totals) = (rows.len(), totals.all_lines());
        let sum = totals.join(" and ");
        let noun = if count == 1 { words.one } else { words.many };
        let (between, colon) = if sum.is_empty() { ("", "") } else { (" ", ": ") };
        Ok(Some(Self {
            news: format!("{count} {}{between}{sum}", words.short),
            headline: format!("{count} {noun}{colon}{sum}"),
            section: Section {
                title: words.title.to_owned(),
                columns: columns.iter().map(|&column| column.to_owned()).collect(),
                figures,
                rows: rows.into_iter().map(|(row, _)| row).collect(),
                totals,
                left_out,
            },
        }))
    }
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
    let name = match &item.invoice {
        Some(invoice) => format!("Payment for {}", invoice.name()),
        None => item.record.name(),
    };
    Row {
        name: one_line(&name),
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

/// True if the record has stopped counting because it was archived or merged away.
pub(super) fn is_closed_record(position: &Position) -> bool {
    matches!(position.standing, Standing::Archived | Standing::Merged { .. })
}
