//! What a report says, before it is a mail.

use serde::{Deserialize, Serialize};

/// A report as text, ready to be rendered. All record text in it is one inert line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The report's title.
    pub title: String,
    /// The mail's subject, which says the news.
    pub subject: String,
    /// The day of the report in the reporting zone.
    pub date: String,
    /// The figures in words: `3 deals won: €45,300.00`.
    pub headlines: Vec<String>,
    /// The tables, corrections first.
    pub sections: Vec<Section>,
    /// What a reader must know to trust the figures.
    pub notes: Vec<String>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// The columns after the first, which is the record's name; the last ones are figures.
    pub columns: Vec<String>,
    /// How many of the last columns are figures, set right.
    pub figures: usize,
    /// The rows.
    pub rows: Vec<Row>,
    /// The sum per currency.
    pub totals: Vec<String>,
    /// How many rows are not in the sum, because they have no amount that can be added up.
    pub left_out: usize,
}

/// One record in a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The record's name.
    pub name: String,
    /// Its page in HubSpot.
    pub url: String,
    /// One cell for each column.
    pub cells: Vec<String>,
    /// What a reader must know about this row.
    pub notes: Vec<String>,
}
