//! A document as a workbook and as CSV: values that can be added up, filtered and read by machines.

mod csv;
mod formats;
mod names;
mod summary;
mod table;
#[cfg(test)]
mod tests;
mod words;
mod xlsx;
mod zipped;

use std::borrow::Cow;

use super::document::{Row, Section, Value};
use super::text::is_unseen;
use crate::domain::money::Sum;

pub use self::csv::csv;
pub use self::xlsx::{WorkbookError, xlsx};
pub use self::zipped::zipped;

/// The most that a cell of Excel holds, in UTF-16 units.
const CELL_UNITS: usize = 32_767;

/// The digits that a spreadsheet keeps of a number.
const DIGITS: usize = 15;

/// The sums that a value is: none, one, or one for each of several currencies.
fn sums(value: &Value) -> impl Iterator<Item = Sum> {
    let (money, sums) = match value {
        Value::Money(money) => (Some(Sum::from(*money)), &[][..]),
        Value::Sums(sums) => (None, sums.as_slice()),
        _ => (None, &[][..]),
    };
    money.into_iter().chain(sums.iter().copied())
}

/// True if a column has to hold money.
fn holds_money(section: &Section, column: usize) -> bool {
    use super::document::ColumnKind::Money;
    section.columns[column].kind == Money || cells(section, column).any(|value| sums(value).next().is_some())
}

/// The values of a column, from the top.
fn cells(section: &Section, column: usize) -> impl Iterator<Item = &Value> {
    section.rows.iter().filter_map(move |row| row.cells.get(column)).map(|cell| &cell.value)
}

/// A sum in major units, as programs write it: `-1234.50`.
fn plain(sum: Sum) -> String {
    let sign = if sum.minor() < 0 { "-" } else { "" };
    format!("{sign}{}", sum.digits("", "."))
}

/// A sum in major units as the number of a spreadsheet; `None` if it has more digits than one keeps.
///
/// A decimal of up to 15 digits comes back from the double nearest to it, so it is shown and added up as it was. Zeros at
/// the end count: the double nearest to 33277965176663.800 has a 1 as its third decimal, and not every program hides it.
fn number(sum: Sum) -> Option<f64> {
    let digits = sum.minor().unsigned_abs().to_string();
    if digits.len() > DIGITS {
        return None;
    }
    plain(sum).parse().ok()
}

/// Everything to know about a row: its own notes, and those of its cells with the column they stand in.
fn notes(section: &Section, row: &Row, colon: &str) -> Vec<String> {
    let of_cells = section
        .columns
        .iter()
        .zip(&row.cells)
        .filter_map(|(column, cell)| cell.note.as_ref().map(|note| format!("{}{colon}{note}", column.title)));
    row.notes.iter().cloned().chain(of_cells).collect()
}

/// A text without characters that a file of text or XML cannot hold or a reader cannot see, cut to what a cell holds.
///
/// Record text came through [`super::text::one_line`] and has none; here nobody has to have thought of it.
fn inert(text: &str) -> Cow<'_, str> {
    let is_odd = |c: char| c.is_control() || is_unseen(c) || matches!(u32::from(c) & 0xFFFF, 0xFFFE | 0xFFFF);
    let mut text = Cow::Borrowed(text);
    if text.contains(is_odd) {
        let keep = |c: char| if c.is_control() { Some(' ') } else { (!is_odd(c)).then_some(c) };
        text = Cow::Owned(text.chars().filter_map(keep).collect());
    }
    let start = names::first_units(&text, CELL_UNITS);
    if start.len() < text.len() {
        text = Cow::Owned(format!("{}…", names::first_units(start, CELL_UNITS - 1)));
    }
    text
}

/// True for a character that makes a spreadsheet take what follows for a formula
/// (<https://owasp.org/www-community/attacks/CSV_Injection>).
fn starts_formula(character: char) -> bool {
    matches!(character, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠')
}
