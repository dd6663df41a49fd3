//! Names that spreadsheets take: of sheets, of tables and of their columns.

use std::borrow::Cow;
use std::collections::BTreeSet;

/// The longest name of a sheet, in UTF-16 units.
const SHEET_NAME_UNITS: usize = 31;

/// Names that are unique to a program that takes `Won` and `WON` for the same.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// The name of a sheet: up to 31 characters in whole words, without those that formulas need, and not Excel's own
    /// `History`.
    pub(super) fn sheet(&mut self, title: &str) -> String {
        let plain: String = title
            .chars()
            .map(|c| if matches!(c, '[' | ']' | ':' | '*' | '?' | '/' | '\\') { ' ' } else { c })
            .collect();
        let plain = match plain.split_whitespace().collect::<Vec<_>>().join(" ").trim_matches(['\'', ' ']) {
            "" => "–".to_owned(),
            name if name.eq_ignore_ascii_case("history") => format!("{name}_"),
            name => name.to_owned(),
        };
        self.unique(|number| {
            let end = if number > 1 { format!(" ({number})") } else { String::new() };
            format!("{}{end}", shortened(&plain, SHEET_NAME_UNITS - end.len()))
        })
    }

    /// The name of a table: letters, digits and underscores, and nothing that could be the address of a cell.
    pub(super) fn table(&mut self, key: &str) -> String {
        let plain: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(200).collect();
        let letters = plain.bytes().take_while(u8::is_ascii_alphabetic).count();
        let is_address = letters <= 3 && plain[letters..].starts_with(|c: char| c.is_ascii_digit());
        let is_row_or_column = ["r", "c", "rc"].iter().any(|letters| plain.eq_ignore_ascii_case(letters));
        let is_name = (letters > 0 || plain.starts_with('_')) && !is_address && !is_row_or_column;
        let plain = if is_name { plain } else { format!("_{plain}") };
        self.unique(|number| if number > 1 { format!("{plain}_{number}") } else { plain.clone() })
    }

    /// The heading of a column, or the key of one.
    pub(super) fn column(&mut self, title: &str, separator: &str) -> String {
        let title = first_units(title, 200);
        self.unique(|number| match (number, title) {
            (1, "") => "–".to_owned(),
            (1, title) => title.to_owned(),
            _ => format!("{title}{separator}{number}"),
        })
    }

    fn unique(&mut self, name: impl Fn(usize) -> String) -> String {
        (1..).map(name).find(|name| self.0.insert(name.to_lowercase())).expect("only so many names are taken")
    }
}

/// A text in so many UTF-16 units; a longer one ends with its last whole word, if there is one, and `…`.
fn shortened(text: &str, units: usize) -> Cow<'_, str> {
    if first_units(text, units) == text {
        return Cow::Borrowed(text);
    }
    let start = first_units(text, units - 1);
    let is_whole = text[start.len()..].starts_with(' ');
    let words = start.rsplit_once(' ').filter(|_| !is_whole).map_or(start, |(words, _)| words);
    Cow::Owned(format!("{}…", words.trim_end_matches(['\'', ' '])))
}

/// As much of the start of a text as fits into so many UTF-16 units.
pub(super) fn first_units(text: &str, units: usize) -> &str {
    let mut left = units;
    for (at, character) in text.char_indices() {
        match left.checked_sub(character.len_utf16()) {
            Some(rest) => left = rest,
            None => return &text[..at],
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_xlsxwriter::utility::{check_name, check_sheet_name};

    use super::*;

    #[test]
    fn names_are_those_that_a_spreadsheet_takes() {
        let mut names = Names::default();
        for (title, name) in [
            ("Won", "Won"),
            ("won", "won (2)"),
            ("History", "History_"),
            ("Owed: 31/60 [days]?*\\", "Owed 31 60 days"),
            ("'quoted'", "quoted"),
            ("", "–"),
            ("Rechnungen, die seit Monaten so", "Rechnungen, die seit Monaten so"),
            ("Rechnungen, die seit Monaten schon", "Rechnungen, die seit Monaten…"),
            ("Zahlungserinnerungsverfahrensstand", "Zahlungserinnerungsverfahrenss…"),
            ("Teilweise bezahlte Rechnungen 2026", "Teilweise bezahlte Rechnungen…"),
            ("Teilweise bezahlte Rechnungen 2027", "Teilweise bezahlte… (2)"),
        ] {
            assert_eq!(names.sheet(title), name);
        }
        let mut names = Names::default();
        for (key, name) in [
            ("won", "won"),
            ("Won", "Won_2"),
            ("part_paid", "part_paid"),
            ("abc123", "_abc123"),
            ("r", "_r"),
            ("r1c1", "_r1c1"),
            ("1-30 days", "_1_30_days"),
            ("", "_"),
        ] {
            assert_eq!(names.table(key), name);
        }
    }

    proptest! {
        /// Always: whatever the title and the key, the names are valid and unique.
        #[test]
        fn any_text_becomes_a_name(texts in prop::collection::vec("[^\\p{Cc}]{0,40}|[a-zA-Z]{1,3}[0-9]{0,3}|[rRcC][0-9]?", 1..20)) {
            let (mut sheets, mut tables) = (Names::default(), Names::default());
            for text in &texts {
                prop_assert!(check_sheet_name(&sheets.sheet(text)).is_ok());
                prop_assert!(check_name(&tables.table(text)).is_ok());
            }
            prop_assert_eq!((sheets.0.len(), tables.0.len()), (texts.len(), texts.len()));
        }
    }
}
