//! The files of a report's mail, and what of them a mail can carry.

use std::borrow::Cow;

use super::mail::MailError;
use crate::mailer::Attachment;
use crate::report::{Attachment as Kind, Definition, Document, Rendered, csv, render, xlsx, zipped};

/// The media types (IANA) of workbooks (ECMA-376), CSV (RFC 4180) and archives.
const WORKBOOK: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const CSV: &str = "text/csv; charset=utf-8";
const ZIP: &str = "application/zip";

/// A CSV file of more bytes comes as an archive, in which it is a small part of its size.
const LARGEST_CSV: usize = 1_000_000;

/// All files of a mail together, in bytes. As base64 they grow by more than a third, and then the mail is below the lowest limit
/// that is common, Postfix's 10,240,000 bytes (`message_size_limit`), and below what MariaDB takes in one statement, 16 MB
/// (`max_allowed_packet`).
const MOST_BYTES: usize = 7_000_000;

/// A document as a mail shows it, and the files that come with it, such as `month-end-2026-11.xlsx`. The largest are left out
/// until the others fit into a mail, which says so.
pub(crate) fn with_files(
    definition: &Definition,
    document: &Document,
    of: &str,
) -> Result<(Rendered, Vec<Attachment>), MailError> {
    let made = definition.attachments.iter().map(|kind| file(*kind, definition, document, of));
    let (attached, too_large) = fitting(made.collect::<Result<_, _>>()?, MOST_BYTES);
    let not_attached = |file: &Attachment| definition.locale.not_attached(&file.name, file.bytes.len());
    let mut document = Cow::Borrowed(document);
    if !too_large.is_empty() {
        document.to_mut().notes.splice(0..0, too_large.iter().map(not_attached));
    }
    Ok((render(&document, !attached.is_empty()), attached))
}

/// What a period's files are named by: that of a new revision must not take the place of the one before.
pub(crate) fn of_revision(period: &str, revision: u32) -> String {
    if revision == 1 { period.to_owned() } else { format!("{period}-r{revision}") }
}

fn file(kind: Kind, definition: &Definition, document: &Document, of: &str) -> Result<Attachment, MailError> {
    let name = |ending: &str| format!("{}-{of}.{ending}", definition.name);
    let (name, content_type, bytes) = match kind {
        Kind::Xlsx => (name("xlsx"), WORKBOOK, xlsx(document).map_err(MailError::Workbook)?),
        Kind::Csv => match csv(document) {
            long if long.len() > LARGEST_CSV => (name("csv.zip"), ZIP, zipped(&name("csv"), &long)),
            bytes => (name("csv"), CSV, bytes),
        },
    };
    Ok(Attachment { name, content_type, bytes })
}

/// The files that are no more than so many bytes together, and the others, largest first.
fn fitting(mut files: Vec<Attachment>, most: usize) -> (Vec<Attachment>, Vec<Attachment>) {
    let mut too_large = Vec::new();
    while files.iter().map(|file| file.bytes.len()).sum::<usize>() > most {
        let largest = (0..files.len()).max_by_key(|index| files[*index].bytes.len()).unwrap_or_default();
        too_large.push(files.remove(largest));
    }
    (files, too_large)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use jiff::civil::time;

    use super::*;
    use crate::domain::period::Cadence;
    use crate::report::{Locale, Row, Schedule, Section, Trigger};

    /// A table of so many rows of a hundred bytes, in which nothing repeats itself.
    fn document(rows: usize) -> Document {
        let mut random = fastrand::Rng::with_seed(7);
        let name = std::iter::repeat_with(|| (0..100).map(|_| random.alphanumeric()).collect::<String>());
        let row = |name| Row { name, url: None, cells: vec![], notes: vec![] };
        let section = Section {
            key: "won".to_owned(),
            title: "Deals won".to_owned(),
            record_column: "Deal".to_owned(),
            columns: vec![],
            rows: name.take(rows).map(row).collect(),
            total: None,
            left_out: 0,
            cut: 0,
            chart: None,
        };
        Document {
            name: "month-end".to_owned(),
            locale: Locale::default(),
            title: String::new(),
            subject: String::new(),
            date: String::new(),
            headlines: vec![],
            sections: vec![section],
            notes: vec![],
        }
    }

    fn with_csv(document: &Document) -> (Rendered, Vec<Attachment>) {
        let trigger = Trigger::Schedule(Schedule { cadence: Cadence::Monthly, at: time(7, 0, 0, 0) });
        let definition = Definition { attachments: vec![Kind::Csv], ..Definition::new("month-end", trigger) };
        with_files(&definition, document, "2026-11").unwrap()
    }

    #[test]
    fn a_long_csv_file_comes_as_an_archive_and_one_that_no_mail_can_carry_is_named() {
        let (_, attached) = with_csv(&document(8_000));
        assert_eq!((attached[0].name.as_str(), attached[0].content_type), ("month-end-2026-11.csv", CSV));

        let long = document(11_000);
        let (rendered, attached) = with_csv(&long);
        assert_eq!((attached[0].name.as_str(), attached[0].content_type), ("month-end-2026-11.csv.zip", ZIP));
        assert!(!rendered.text.contains("not attached"));
        let mut archive = zip::ZipArchive::new(Cursor::new(&attached[0].bytes)).unwrap();
        let mut unpacked = Vec::new();
        archive.by_name("month-end-2026-11.csv").unwrap().read_to_end(&mut unpacked).unwrap();
        assert_eq!((archive.len(), unpacked), (1, csv(&long)));

        let (rendered, attached) = with_csv(&document(100_000));
        assert!(attached.is_empty());
        let told = rendered.text.lines().find(|line| line.contains("not attached")).unwrap();
        insta::assert_snapshot!(told, @"month-end-2026-11.csv.zip is not attached: its 8 MB are more than many mail servers take. A shorter period, a filter or fewer sections make it smaller.");
    }

    #[test]
    fn the_largest_files_are_left_out_until_the_others_fit() {
        let file = |(name, length): &(&str, usize)| Attachment {
            name: (*name).to_owned(),
            content_type: CSV,
            bytes: vec![0; *length],
        };
        for (sizes, fit, too_large) in [
            (&[][..], &[][..], &[][..]),
            (&[("a", 4), ("b", 3)], &["a", "b"], &[]),
            (&[("a", 4), ("b", 4)], &["a"], &["b"]),
            (&[("a", 3), ("b", 9), ("c", 5)], &["a"], &["b", "c"]),
            (&[("a", 8)], &[], &["a"]),
        ] {
            let (fits, others) = fitting(sizes.iter().map(file).collect(), 7);
            let is = |files: &[Attachment], names: &[&str]| files.iter().map(|file| &file.name).eq(names);
            assert!(is(&fits, fit) && is(&others, too_large), "{sizes:?}");
        }
    }
}
