//! A document as one CSV file: RFC 4180 in UTF-8, for imports and scripts.

use std::collections::BTreeMap;

use csv::{Terminator, WriterBuilder};

use super::super::document::{ColumnKind, Document, Section, Value};
use super::names::Names;
use super::{holds_money, inert, notes, plain, starts_formula, sums};

/// The columns that every file has, before those of its sections; `notes` stands last.
const FIRST: [&str; 4] = ["section", "row", "record", "url"];

/// What stands in front: Excel takes a file without it for one in the code page of its machine, and every umlaut breaks. What
/// reads CSV otherwise skips it (Python as `utf-8-sig`).
const BYTE_ORDER_MARK: &str = "\u{FEFF}";

/// All sections of a document in one file, a line for each row and further currency, with the same headings in every language.
///
/// Amounts are decimals with a point, in major units with the decimals of their currency, and its ISO 4217 code stands in a
/// column of its own; dates and moments are ISO 8601, moments in the reporting zone. Where a row has sums of several currencies
/// its further lines hold nothing else, so that columns can be added up; `row` counts the rows of a section and says which
/// lines belong together. What is no amount in a column of money is said in `notes`. Text that a spreadsheet would take for a
/// formula has an apostrophe before it.
pub fn csv(document: &Document) -> Vec<u8> {
    let keys: Vec<Vec<String>> = document.sections.iter().map(keys).collect();
    let mut places: BTreeMap<&str, Place> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for (section, keys) in document.sections.iter().zip(&keys) {
        for (column, key) in keys.iter().enumerate() {
            let place = places.entry(key).or_insert_with(|| {
                order.push(key);
                Place::default()
            });
            place.is_money |= holds_money(section, column);
        }
    }
    let mut header: Vec<String> = FIRST.map(str::to_owned).to_vec();
    for key in order {
        let place = places.entry(key).or_default();
        place.at = header.len();
        header.push(key.to_owned());
        if place.is_money {
            header.push(format!("{key}_currency"));
        }
    }
    header.push("notes".to_owned());
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(BYTE_ORDER_MARK.as_bytes().to_vec());
    let mut write = |line: &[String]| writer.write_record(line).expect("lines are equally long, and memory takes them");
    write(&header);
    for (section, keys) in document.sections.iter().zip(&keys) {
        let places: Vec<&Place> = keys.iter().filter_map(|key| places.get(key.as_str())).collect();
        for row in 0..section.rows.len() {
            lines(document, section, row, &places, header.len()).iter().for_each(|line| write(line));
        }
    }
    writer.into_inner().expect("memory takes every line")
}

/// Where a column of the document stands in the file.
#[derive(Debug, Default)]
struct Place {
    at: usize,
    /// True if the column after it holds the currency.
    is_money: bool,
}

/// The headings of a section's columns, each once.
fn keys(section: &Section) -> Vec<String> {
    let mut names = Names::default();
    for taken in FIRST.iter().chain(&["notes"]) {
        names.column(taken, "_");
    }
    section.columns.iter().map(|column| names.column(&inert(&column.key), "_")).collect()
}

/// The lines of a row: one, and another for each further currency.
fn lines(document: &Document, section: &Section, index: usize, places: &[&Place], width: usize) -> Vec<Vec<String>> {
    let row = &section.rows[index];
    let mut first = vec![String::new(); width];
    first[0] = text(&section.key);
    first[1] = (index + 1).to_string();
    first[2] = text(&row.name);
    first[3] = text(row.url.as_deref().unwrap_or_default());
    let mut lines = vec![first.clone()];
    first[4..].fill(String::new());
    let colon = document.locale.words().colon;
    let mut notes = notes(section, row, colon);
    for ((column, cell), place) in section.columns.iter().zip(&row.cells).zip(places) {
        match &cell.value {
            Value::Nothing => {}
            // A column of numbers or dates holds nothing else.
            Value::Text(said) if place.is_money || column.kind != ColumnKind::Text => {
                notes.push(format!("{}{colon}{said}", column.title));
            }
            Value::Text(said) => lines[0][place.at] = text(said),
            Value::Date(date) => lines[0][place.at] = date.to_string(),
            Value::Moment(moment) => lines[0][place.at] = moment.to_string(),
            Value::Count(count) => lines[0][place.at] = count.to_string(),
            money @ (Value::Money(_) | Value::Sums(_)) => {
                for (nth, sum) in sums(money).enumerate() {
                    if lines.len() == nth {
                        lines.push(first.clone());
                    }
                    lines[nth][place.at] = plain(sum);
                    lines[nth][place.at + 1] = sum.currency().to_owned();
                }
            }
        }
    }
    lines[0][width - 1] = text(&notes.join(document.locale.words().semicolon));
    lines
}

/// Text that stays text wherever it is opened.
///
/// A program that takes another character for the separator than this file (Excel does, where the comma is the decimal's)
/// splits fields at places that quotes do not guard: what follows there must be as inert as what stands first.
fn text(text: &str) -> String {
    let mut guarded = String::with_capacity(text.len());
    let mut is_start = true;
    for character in inert(text).chars() {
        if is_start && starts_formula(character) {
            guarded.push('\'');
        }
        is_start = match character {
            ',' | ';' | '|' => true,
            '"' => is_start,
            other => is_start && other.is_whitespace(),
        };
        guarded.push(character);
    }
    guarded
}
