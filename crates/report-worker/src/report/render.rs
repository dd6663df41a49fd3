//! A document as plain text and as HTML.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, context};

use super::document::{Document, Section};

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
            context! { document => Serde(document) },
        )
        .expect("the template is part of the program and is rendered by the tests")
}

/// The text part of the mail: everything the HTML says, one block per record.
pub fn plain_text(document: &Document) -> String {
    let mut text = format!("{} · {}\n", document.title, document.date);
    for headline in &document.headlines {
        text.push_str(&format!("  {headline}\n"));
    }
    for section in &document.sections {
        text.push_str(&section_text(section));
    }
    text.push('\n');
    for note in &document.notes {
        text.push_str(&format!("{note}\n"));
    }
    text
}

fn section_text(section: &Section) -> String {
    let mut text = format!("\n{}\n{}\n", section.title.to_uppercase(), "-".repeat(section.title.chars().count()));
    for row in &section.rows {
        text.push_str(&format!("\n{}\n", row.name));
        for (column, cell) in section.columns.iter().zip(&row.cells) {
            text.push_str(&format!("  {column}: {cell}\n"));
        }
        for note in &row.notes {
            text.push_str(&format!("  ({note})\n"));
        }
        text.push_str(&format!("  {}\n", row.url));
    }
    if !section.totals.is_empty() {
        text.push_str(&format!("\nTotal: {}\n", section.totals.join(" and ")));
    }
    if section.left_out > 0 {
        text.push_str(&format!("Not added up: {}\n", section.left_out));
    }
    text
}
