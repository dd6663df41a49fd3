//! `REPORTS_FILE`: the reports in TOML. Everything wrong with it is told at once, each with file, line and key.

mod filter;
mod report;
mod table;
#[cfg(test)]
mod tests;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use toml::de::DeTable;

use self::report::report;
use self::table::{Faults, Found, Table, shortened};
use super::reader::Reader;
use crate::domain::period::Calendar;
use crate::domain::time::zone;
use crate::report::{Dates, Definitions, Language, Locale};

const FILE: &str = "REPORTS_FILE";

const KEYS: [&str; 6] = ["time_zone", "week_start", "fiscal_year_start", "language", "dates", "reports"];

const WEEKDAYS: [(Weekday, &str); 7] = [
    (Weekday::Monday, "monday"),
    (Weekday::Tuesday, "tuesday"),
    (Weekday::Wednesday, "wednesday"),
    (Weekday::Thursday, "thursday"),
    (Weekday::Friday, "friday"),
    (Weekday::Saturday, "saturday"),
    (Weekday::Sunday, "sunday"),
];

const MONTHS: [(u8, &str); 12] = [
    (1, "january"),
    (2, "february"),
    (3, "march"),
    (4, "april"),
    (5, "may"),
    (6, "june"),
    (7, "july"),
    (8, "august"),
    (9, "september"),
    (10, "october"),
    (11, "november"),
    (12, "december"),
];

/// What else decides about the reports.
#[derive(Debug, Default)]
struct Around {
    /// Somebody gets the reports that name nobody.
    mail_to_is_set: bool,
    /// The zone of `TIME_ZONE`.
    zone: Option<TimeZone>,
}

/// Reads the reports: those of `REPORTS_FILE`, else the built-in ones.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Definitions> {
    let Some((name, bytes)) = reader.file(FILE)? else { return Some(Definitions::built_in()) };
    let Ok(text) = std::str::from_utf8(&bytes) else {
        let line = bytes.utf8_chunks().next().map_or(1, |chunk| line(chunk.valid(), chunk.valid().len()));
        reader.problem_with_text(FILE, format!("{name}:{line}: is not UTF-8; save the file as UTF-8"));
        return None;
    };
    let around = Around {
        mail_to_is_set: reader.aside(|reader| reader.optional("MAIL_TO", |_| Ok(()))).flatten().is_some(),
        zone: reader.aside(|reader| reader.optional("TIME_ZONE", |text| zone(text).ok_or_else(String::new))).flatten(),
    };
    match definitions(text, &around) {
        Ok(definitions) => Some(definitions),
        Err(faults) => {
            for (line, what) in faults {
                reader.problem_with_text(FILE, format!("{name}:{line}: {what}"));
            }
            None
        }
    }
}

/// The reports that a text defines; or everything that is wrong with it, by line.
fn definitions(text: &str, around: &Around) -> Result<Definitions, Vec<(usize, String)>> {
    let (root, torn) = DeTable::parse_recoverable(text);
    let mut faults = Faults { is_torn: !torn.is_empty(), ..Faults::default() };
    let definitions = of_root(&Table::root(root.get_ref()), around, &mut faults);
    let syntax = torn.iter().map(|error| {
        let at = error.span().map_or(text.len(), |span| span.start);
        (line(text, at), format!("is not TOML: {}", error.message().replace('\n', " ")))
    });
    // What follows an error on its line is mostly its echo.
    let mut all: Vec<(usize, String)> = syntax.collect();
    all.sort_by_key(|(line, _)| *line);
    all.dedup_by_key(|(line, _)| *line);
    let torn_lines: Vec<usize> = all.iter().map(|(line, _)| *line).collect();
    let others = faults.found.into_iter().map(|(at, what)| (line(text, at), what));
    all.extend(others.filter(|(line, _)| !torn_lines.contains(line)));
    all.sort_by_key(|(line, _)| *line);
    if all.is_empty() { Ok(definitions) } else { Err(all) }
}

fn of_root(root: &Table<'_>, around: &Around, faults: &mut Faults) -> Definitions {
    root.only(&KEYS, faults);
    let zone = root.text("time_zone", "Europe/Berlin", faults).and_then(|found| time_zone(&found, around, faults));
    let week_start = root.word("week_start", &WEEKDAYS, faults);
    let fiscal_year_start = root.word("fiscal_year_start", &MONTHS, faults);
    let locale = Locale {
        language: root.word("language", &Language::ALL, faults).unwrap_or_default(),
        dates: root.word("dates", &Dates::ALL, faults).unwrap_or_default(),
    };
    let tables = root.table("reports", faults).map(|reports| reports.tables(faults));
    if tables.as_ref().is_none_or(Vec::is_empty) && faults.found.is_empty() {
        let what = "no report is defined; write a table for each, such as [reports.month-end], or unset REPORTS_FILE \
                    for the built-in ones";
        faults.missing(0, what);
    }
    let read = |(name, table): (&str, Table<'_>), faults: &mut Faults| {
        report(name, &table, locale, around.mail_to_is_set, faults)
    };
    let reports = tables.into_iter().flatten().filter_map(|table| read(table, faults)).collect();
    let plain = Calendar::default();
    let calendar = Calendar {
        week_start: week_start.unwrap_or(plain.week_start),
        fiscal_year_start: fiscal_year_start.unwrap_or(plain.fiscal_year_start),
    };
    Definitions { reports, zone, calendar }
}

fn time_zone(found: &Found<&str>, around: &Around, faults: &mut Faults) -> Option<TimeZone> {
    found.read(faults, |name| {
        let wrong = || format!("{} is no IANA time zone; write one such as \"Europe/Berlin\"", shortened(name));
        let zone = zone(name).ok_or_else(wrong)?;
        match &around.zone {
            Some(other) if *other != zone => Err(format!(
                "{name} contradicts TIME_ZONE, which is {}; keep one of them",
                other.iana_name().unwrap_or("another zone")
            )),
            _ => Ok(zone),
        }
    })
}

/// The line that a byte of a text is on, counted from 1.
fn line(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}
