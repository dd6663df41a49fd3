//! A document as plain text and as HTML.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, context};
use serde::Serialize;

use super::document::{Document, Section};
use super::locale::Locale;
use super::words::fill;

/// A table as its readers see it.
#[derive(Serialize)]
struct Shown<'d> {
    title: &'d str,
    record_column: &'d str,
    columns: Vec<ShownColumn<'d>>,
    rows: Vec<ShownRow<'d>>,
    /// The word and the sum.
    total: Option<(&'static str, String)>,
    left_out: Option<String>,
}

#[derive(Serialize)]
struct ShownColumn<'d> {
    title: &'d str,
    is_figure: bool,
}

#[derive(Serialize)]
struct ShownRow<'d> {
    name: &'d str,
    url: Option<&'d str>,
    cells: Vec<String>,
    notes: &'d [String],
}

impl<'d> Shown<'d> {
    fn new(section: &'d Section, locale: Locale) -> Self {
        let words = locale.words();
        let total = section.total.as_ref().map(|total| (words.total, locale.sums(&total.sums)));
        let left_out = locale.count(i64::try_from(section.left_out).unwrap_or(i64::MAX));
        Self {
            title: &section.title,
            record_column: &section.record_column,
            columns: section
                .columns
                .iter()
                .map(|column| ShownColumn { title: &column.title, is_figure: column.kind.is_figure() })
                .collect(),
            rows: section
                .rows
                .iter()
                .map(|row| ShownRow {
                    name: &row.name,
                    url: row.url.as_deref(),
                    cells: row.cells.iter().map(|cell| locale.cell(cell)).collect(),
                    notes: &row.notes,
                })
                .collect(),
            total,
            left_out: (section.left_out > 0).then(|| fill(words.not_added_up, &[&left_out])),
        }
    }
}

fn shown(document: &Document) -> Vec<Shown<'_>> {
    document.sections.iter().map(|section| Shown::new(section, document.locale)).collect()
}

fn headlines(document: &Document) -> Vec<String> {
    document.headlines.iter().map(|headline| document.locale.headline(headline)).collect()
}

/// The HTML part of the mail. Record text is escaped by the engine, wherever it stands.
pub fn html(document: &Document) -> String {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("these are the standard delimiters"));
    environment
        .render_named_str(
            "report.html",
            include_str!("templates/report.html"),
            context! {
                language => Serde(document.locale.language),
                document => Serde(document),
                headlines => headlines(document),
                sections => Serde(shown(document)),
                sent_by => document.locale.words().sent_by,
            },
        )
        .expect("the template is part of the program and is rendered by the tests")
}

/// The text part of the mail: everything the HTML says, one block per record.
pub fn plain_text(document: &Document) -> String {
    let mut text = format!("{} · {}\n", document.title, document.date);
    for headline in headlines(document) {
        text.push_str(&format!("  {headline}\n"));
    }
    for section in shown(document) {
        text.push_str(&section_text(&section, document.locale));
    }
    text.push('\n');
    for note in &document.notes {
        text.push_str(&format!("{note}\n"));
    }
    text
}

fn section_text(section: &Shown<'_>, locale: Locale) -> String {
    let mut text = format!("\n{}\n{}\n", section.title.to_uppercase(), "-".repeat(section.title.chars().count()));
    let colon = locale.words().colon;
    for row in &section.rows {
        text.push_str(&format!("\n{}\n", row.name));
        for (column, cell) in section.columns.iter().zip(&row.cells) {
            text.push_str(&format!("  {}{colon}{cell}\n", column.title));
        }
        for note in row.notes {
            text.push_str(&format!("  ({note})\n"));
        }
        if let Some(url) = row.url {
            text.push_str(&format!("  {url}\n"));
        }
    }
    if let Some((word, sum)) = &section.total {
        text.push_str(&format!("\n{word}{colon}{sum}\n"));
    }
    if let Some(left_out) = &section.left_out {
        text.push_str(&format!("{left_out}\n"));
    }
    text
}
