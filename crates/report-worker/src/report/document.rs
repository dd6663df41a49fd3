//! What a report says, before it is a mail or a sheet: values, not yet text, so that each reader gets them in its own way.

use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};

use super::locale::Locale;
use crate::domain::money::{Money, Sum};

/// A report, ready to be rendered. All record text in it is one inert line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The definition's name; files are named by it.
    pub name: String,
    /// The language and the manner of its numbers and dates.
    pub locale: Locale,
    /// The report's title.
    pub title: String,
    /// The mail's subject, which says the news.
    pub subject: String,
    /// The day or the period of the report in the reporting zone, in words.
    pub date: String,
    /// The figures that the report opens with.
    pub headlines: Vec<Headline>,
    /// The tables, corrections first.
    pub sections: Vec<Section>,
    /// What a reader must know to trust the figures.
    pub notes: Vec<String>,
}

/// Rows of a table that the books keep: a mail shows fewer, and all of them are in the files that went out with it. What an
/// engine takes at once is limited (MariaDB 16 MB, `max_allowed_packet`), and no report must fail for its length.
const KEPT_ROWS: usize = 1_000;

impl Document {
    /// The document as the books keep it, in JSON: of a long table the first rows, and how many more there were.
    pub fn into_json(mut self) -> String {
        for section in &mut self.sections {
            section.cut += section.rows.len().saturating_sub(KEPT_ROWS);
            section.rows.truncate(KEPT_ROWS);
        }
        serde_json::to_string(&self).expect("a document is plain text")
    }
}

/// A figure that a report opens with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headline {
    /// What is counted: `deals won`.
    pub label: String,
    /// How many.
    pub count: usize,
    /// The money, by currency.
    pub sums: Vec<Sum>,
    /// What is said instead of the sums where there is none to say, `no net effect`, or none that is exact, `≈ €1,234.50`; a
    /// sheet has such a sum as a number.
    pub instead: Option<String>,
    /// The same figure of the period before.
    pub before: Option<Before>,
}

/// A figure of the period before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// That period in words: `October 2026`.
    pub period: String,
    /// How many there were.
    pub count: usize,
    /// The money, by currency.
    pub sums: Vec<Sum>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// What it is called in every language: names of sheets' tables and of files.
    pub key: String,
    /// Its heading.
    pub title: String,
    /// The heading of the first column, which is the record's name.
    pub record_column: String,
    /// The columns after the first.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Row>,
    /// The sum of its money.
    pub total: Option<Total>,
    /// How many rows are not in the sum, because they have no amount that can be added up.
    pub left_out: usize,
    /// How many more rows there are than stand here.
    pub cut: usize,
    /// A picture of it.
    pub chart: Option<Chart>,
}

/// The sum of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// Which of [`Section::columns`] is summed.
    pub column: usize,
    /// The sum per currency.
    pub sums: Vec<Sum>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// What it is called in every language: columns of CSV files.
    pub key: String,
    /// Its heading.
    pub title: String,
    /// What stands in it.
    pub kind: ColumnKind,
}

/// What stands in a column; a cell may say something else where there is no such value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Words.
    Text,
    /// Civil dates.
    Date,
    /// Dates with a time of day in the reporting zone.
    Moment,
    /// Money, set right.
    Money,
    /// Whole numbers, set right.
    Count,
}

impl ColumnKind {
    /// True if its cells are figures, which are set right.
    pub fn is_figure(self) -> bool {
        matches!(self, Self::Money | Self::Count)
    }
}

/// One record in a table, or one line of a summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its page in HubSpot, where it has one.
    pub url: Option<String>,
    /// One cell for each column.
    pub cells: Vec<Cell>,
    /// What a reader must know about this row.
    pub notes: Vec<String>,
}

/// One value and what must be known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The value.
    pub value: Value,
    /// In brackets behind it: `no date in HubSpot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Nothing: a dash.
    Nothing,
    /// One inert line.
    Text(String),
    /// A civil date.
    Date(Date),
    /// A moment in the reporting zone, shown to the minute.
    Moment(DateTime),
    /// An amount.
    Money(Money),
    /// Sums, one for each currency.
    Sums(Vec<Sum>),
    /// A whole number.
    Count(i64),
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        Self { value, note: None }
    }
}

impl Cell {
    /// The same value with a note behind it.
    pub(super) fn noted(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }
}

/// A picture of a table: a bar for each of its labels, in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chart {
    /// What it shows, for those who do not see it.
    pub alt: String,
    /// The bars, from left to right.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    /// Below it: a day, a month, an owner; one inert line.
    pub label: String,
    /// How high it is.
    pub sum: Sum,
    /// True for the bar that the report is about.
    pub is_marked: bool,
}
