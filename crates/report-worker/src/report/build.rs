//! From records and their changes to a document.

use jiff::Timestamp;

use super::completeness::completeness;
use super::corrections::corrections;
use super::definition::Definition;
use super::document::{Cell, Column, ColumnKind, Document, Headline, Row, Section, Total, Value};
use super::locale::Locale;
use super::text::one_line;
use super::words::{Columns, EN, Noun, Words, fill};
use super::{deals, invoices};
use crate::domain::account::Account;
use crate::domain::changes::{Change, ChangeKind, Rules};
use crate::domain::completeness::Completeness;
use crate::domain::money::{Amount, AmountError, Money, SumTooLarge, Totals};
use crate::domain::position::{Position, Standing};
use crate::domain::record::Record;

/// The longest news in a subject, in characters: what lists of mails show on a wide screen.
const SUBJECT_CHARACTERS: usize = 112;

/// Where and when a report is built.
#[derive(Debug, Clone)]
pub struct Scene<'a> {
    /// The account.
    pub account: &'a Account,
    /// The rules that the changes were derived by, with the reporting zone.
    pub rules: Rules<'a>,
    /// The language, and how numbers and dates are written.
    pub locale: Locale,
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

impl Scene<'_> {
    /// The texts of the report's language.
    pub(super) fn words(&self) -> &'static Words {
        self.locale.words()
    }

    /// A moment as the report shows it.
    pub(super) fn shown_moment(&self, at: Timestamp) -> String {
        self.locale.moment(at.to_zoned(self.rules.zone.clone()).datetime())
    }
}

/// Builds a report.
///
/// # Errors
/// Fails where a sum would not fit 128 bits.
pub fn build(definition: &Definition, items: &[Item], scene: &Scene<'_>) -> Result<Built, SumTooLarge> {
    let mut tables = deals::tables(definition, items, scene)?;
    tables.extend(invoices::tables(definition, items, scene)?);
    let corrections = corrections(definition, items, scene)?;
    let apart = invoices::not_billable(definition, items, scene);
    // What is not billable is news only where there is no other.
    let only = apart.iter().filter(|_| tables.is_empty() && corrections.is_none());
    let (news, headlines): (Vec<_>, Vec<_>) =
        tables.iter().chain(&corrections).chain(only).map(|table| (table.news.clone(), table.headline.clone())).unzip();
    // In the figures the news comes first; the mail opens with what the reader was told wrongly.
    tables.splice(0..0, corrections);
    tables.extend(apart);
    let words = scene.words();
    let title = definition.title(words);
    let date = scene.locale.date(scene.now.to_zoned(scene.rules.zone.clone()).date());
    let document = Document {
        name: definition.name.clone(),
        locale: scene.locale,
        subject: subject(&title, &news, &date, words),
        title,
        date,
        headlines,
        sections: tables.into_iter().map(|table| table.section).collect(),
        notes: vec![completeness(scene), days_and_amounts(scene)],
    };
    Ok(Built { is_empty: document.sections.is_empty(), document })
}

/// Whose days these are, and as of when the amounts stand.
pub(super) fn days_and_amounts(scene: &Scene<'_>) -> String {
    let zone = scene.rules.zone.iana_name().unwrap_or(&scene.account.time_zone);
    fill(scene.words().days_and_amounts, &[zone, &scene.shown_moment(scene.now)])
}

/// The subject says the news, as much of it as a list of mails shows.
pub(super) fn subject(title: &str, news: &[String], date: &str, words: &Words) -> String {
    let mut text = format!("{title}{}", words.colon);
    for (index, part) in news.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        if index > 0 && text.chars().count() + part.chars().count() > SUBJECT_CHARACTERS {
            text.push_str(&format!(" {}", words.and_more));
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
    /// For the head of the mail.
    pub(super) headline: Headline,
    /// The table itself.
    pub(super) section: Section,
}

/// A column of a table: which of the headings, and what stands in it.
pub(super) type ColumnOf = (fn(&Columns) -> &'static str, ColumnKind);

/// The columns with their headings in the report's language.
pub(super) fn columns(columns: &[ColumnOf], words: &Words) -> Vec<Column> {
    let column = |&(title, kind): &ColumnOf| Column {
        key: title(&EN.columns).to_lowercase().replace(' ', "_"),
        title: title(&words.columns).to_owned(),
        kind,
    };
    columns.iter().map(column).collect()
}

impl Table {
    /// Makes a table with the sum of its money, which stands in the last column, or nothing where there are no rows.
    pub(super) fn new(
        key: &str,
        noun: &Noun,
        columns_of: &[ColumnOf],
        rows: Vec<(Row, Option<Money>)>,
        scene: &Scene<'_>,
    ) -> Result<Option<Self>, SumTooLarge> {
        let (mut totals, mut left_out) = (Totals::default(), 0);
        for (_, money) in &rows {
            match money {
                Some(money) => totals.add(*money)?,
                None => left_out += 1,
            }
        }
        let (count, sums, rows) = (rows.len(), totals.all_sums(), rows.into_iter().map(|(row, _)| row).collect());
        let total = (!sums.is_empty()).then(|| Total { column: columns_of.len() - 1, sums: sums.clone() });
        let table = Self::apart(key, noun, columns_of, rows, count, scene);
        Ok(table.map(|table| Self {
            news: format!("{} {}", table.news, scene.locale.sums(&sums)).trim_end().to_owned(),
            headline: Headline { sums, ..table.headline },
            section: Section { total, left_out, ..table.section },
        }))
    }

    /// Makes a table whose money is not added up, about so many records, or nothing where there are no rows.
    pub(super) fn apart(
        key: &str,
        noun: &Noun,
        columns_of: &[ColumnOf],
        rows: Vec<Row>,
        count: usize,
        scene: &Scene<'_>,
    ) -> Option<Self> {
        let words = scene.words();
        let one = scene.locale.is_one(count);
        let (label, short) = if one { (noun.one, noun.short_one) } else { (noun.many, noun.short_many) };
        (!rows.is_empty()).then(|| Self {
            news: format!("{count} {short}"),
            headline: Headline { label: label.to_owned(), count, sums: Vec::new(), instead: None, before: None },
            section: Section {
                key: key.to_owned(),
                title: noun.title.to_owned(),
                record_column: words.columns.record.to_owned(),
                columns: columns(columns_of, words),
                rows,
                total: None,
                left_out: 0,
                cut: 0,
                chart: None,
            },
        })
    }
}

/// A row for an item: its name, its page and what must be known about it.
pub(super) fn row(item: &Item, scene: &Scene<'_>, cells: Vec<Cell>) -> Row {
    let words = &scene.words().notes;
    let mut notes = Vec::new();
    for amount in [&item.now.amount, &item.now.settled] {
        if amount.rounded {
            notes.push(fill(words.rounded, &[&one_line(&amount.text)]));
        }
    }
    if item.unsettled {
        notes.push(words.unsettled.to_owned());
    }
    let name = match &item.invoice {
        Some(invoice) => fill(words.payment_for, &[&invoice.name()]),
        None => item.record.name(),
    };
    Row {
        name: one_line(&name),
        url: Some(scene.account.record_url(item.record.key.kind.type_id(), item.record.key.id)),
        cells,
        notes,
    }
}

/// An amount: money, or HubSpot's text and why it is not added up.
pub(super) fn amount(amount: &Amount, scene: &Scene<'_>) -> Cell {
    let words = &scene.words().amounts;
    let error = match &amount.money {
        Ok(money) => return Value::Money(*money).into(),
        Err(AmountError::Missing) => words.missing.to_owned(),
        Err(AmountError::NotANumber) => words.not_a_number.to_owned(),
        Err(AmountError::TooLarge) => words.too_large.to_owned(),
        Err(AmountError::UnknownCurrency(currency)) => fill(words.unknown_currency, &[&one_line(currency)]),
    };
    if amount.text.trim().is_empty() {
        return Value::Text(error).into();
    }
    let text = format!("{} {}", one_line(&amount.text), one_line(&amount.currency));
    Cell::from(Value::Text(text)).noted(error)
}

/// A record's text as one inert line, or nothing.
pub(super) fn text(text: Option<&str>) -> Cell {
    match text.map(one_line).filter(|text| !text.is_empty()) {
        Some(text) => Value::Text(text),
        None => Value::Nothing,
    }
    .into()
}

/// The business date of an item, marked where it is not the record's own.
pub(super) fn business_date(item: &Item, at: Timestamp, scene: &Scene<'_>) -> Cell {
    let date = item.now.business_date(at, &scene.rules);
    let cell = Cell::from(Value::Date(date.date));
    if date.stated { cell } else { cell.noted(scene.words().notes.no_date) }
}

/// A moment in the reporting zone.
pub(super) fn moment(at: Timestamp, scene: &Scene<'_>) -> Cell {
    Value::Moment(at.to_zoned(scene.rules.zone.clone()).datetime()).into()
}

/// When the newest of the changes of these kinds took effect.
pub(super) fn effective_at(item: &Item, kinds: &[ChangeKind]) -> Option<Timestamp> {
    item.changes.iter().filter(|change| kinds.contains(&change.kind)).map(|change| change.effective_at).max()
}

/// True if the record has stopped counting because it was archived or merged away.
pub(super) fn is_closed_record(position: &Position) -> bool {
    matches!(position.standing, Standing::Archived | Standing::Merged { .. })
}
