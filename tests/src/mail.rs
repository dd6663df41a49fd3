//! A mail as its reader has it, and the report in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mail_parser::MessageParser;

/// A mail of two parts.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Where it lies.
    pub file: PathBuf,
    /// Its bytes.
    pub raw: Vec<u8>,
    /// Its subject, decoded.
    pub subject: String,
    /// Its Message-ID without brackets.
    pub message_id: String,
    /// Its `Date`, epoch seconds UTC.
    pub date: i64,
    /// The sender's address.
    pub from: String,
    /// The recipients' addresses.
    pub to: Vec<String>,
    /// The names of its headers, as they come.
    pub headers: Vec<String>,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// The tables of the text part.
    pub sections: Vec<Section>,
}

/// A table of a report.
#[derive(Debug, Clone)]
pub struct Section {
    /// Its heading, in capitals.
    pub title: String,
    /// What it says of each record.
    pub rows: Vec<Row>,
    /// The sum per currency, as written.
    pub totals: Vec<String>,
}

/// What a report says of a record.
#[derive(Debug, Clone)]
pub struct Row {
    /// The record's name.
    pub name: String,
    /// Cells by column.
    pub cells: BTreeMap<String, String>,
    /// What stands in brackets below.
    pub notes: Vec<String>,
    /// The record's page.
    pub url: String,
}

/// The mails of a folder, by their file names. A folder that is not there yet has none.
///
/// # Panics
/// If one cannot be read.
pub fn mails_in(folder: &Path) -> Vec<Mail> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let files = entries.map(|entry| entry.expect("the folder is listed").path());
    let mut files: Vec<PathBuf> = files.filter(|file| file.extension().is_some_and(|end| end == "eml")).collect();
    files.sort();
    files.iter().map(|file| Mail::read(file)).collect()
}

impl Mail {
    /// Reads an `.eml` file.
    ///
    /// # Panics
    /// If it is no whole mail with both parts and the headers that a mail needs.
    pub fn read(file: &Path) -> Self {
        let raw = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let message = MessageParser::default().parse(&raw).expect("it is a mail");
        let addresses = |list: Option<&mail_parser::Address<'_>>| -> Vec<String> {
            let all = list.into_iter().flat_map(|list| list.iter());
            all.map(|one| one.address().expect("it has an address").to_owned()).collect()
        };
        assert_eq!((message.text_body_count(), message.html_body_count()), (1, 1), "{}", file.display());
        let text = message.body_text(0).expect("it has text").into_owned();
        Self {
            file: file.to_owned(),
            subject: message.subject().expect("it has a subject").to_owned(),
            message_id: message.message_id().expect("it has a Message-ID").to_owned(),
            date: message.date().expect("it has a date").to_timestamp(),
            from: addresses(message.from()).concat(),
            to: addresses(message.to()),
            headers: message.headers_raw().map(|(name, _)| name.to_owned()).collect(),
            html: message.body_html(0).expect("it has HTML").into_owned(),
            sections: sections(&text),
            text,
            raw,
        }
    }

    /// What it says of a record under a heading.
    pub fn row(&self, title: &str, name: &str) -> Option<&Row> {
        self.sections
            .iter()
            .filter(|section| section.title == title)
            .flat_map(|section| &section.rows)
            .find(|row| row.name == name)
    }
}

fn sections(text: &str) -> Vec<Section> {
    let lines: Vec<&str> = text.lines().collect();
    let mut sections: Vec<Section> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let next = lines.get(at + 1).copied().unwrap_or_default();
        if !line.is_empty() && !next.is_empty() && next.bytes().all(|byte| byte == b'-') {
            sections.push(Section { title: (*line).to_owned(), rows: Vec::new(), totals: Vec::new() });
            continue;
        }
        let Some(section) = sections.last_mut() else { continue };
        if let Some(told) = line.strip_prefix("  ") {
            let row = section.rows.last_mut().expect("what is told is told of a record");
            match (told.strip_prefix('('), told.split_once(": ")) {
                (Some(note), _) => row.notes.push(note.trim_end_matches(')').to_owned()),
                (None, _) if told.starts_with("https://") => told.clone_into(&mut row.url),
                (None, Some((column, cell))) => {
                    row.cells.insert(column.to_owned(), cell.to_owned());
                }
                (None, None) => panic!("{line:?} is neither a cell nor a note nor a link"),
            }
        } else if next.starts_with("  ") {
            let (cells, notes) = (BTreeMap::new(), Vec::new());
            section.rows.push(Row { name: (*line).to_owned(), cells, notes, url: String::new() });
        } else if let Some(totals) = line.strip_prefix("Total: ") {
            section.totals = totals.split(" and ").map(str::to_owned).collect();
        }
    }
    sections
}
