//! A document as a workbook: the figures on the first sheet, then a sheet for each section.

use std::env;

use rust_xlsxwriter::utility::column_number_to_name;
use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format, Formula, Table, TableColumn, TableStyle, Url, Workbook, Worksheet, XlsxError,
};

use super::super::document::{Document, Row, Section, Value};
use super::super::words::fill;
use super::formats::{ABOUT, Formats};
use super::names::Names;
use super::table::{Slot, adds_up, headings, slots, width};
use super::words::{SheetWords, words};
use super::{inert, notes, number, plain, starts_formula, sums};
use crate::domain::money::Sum;

/// Rows of records on one sheet. Excel has 1,048,576; what follows goes on the next, and the totals below the last.
const SHEET_ROWS: usize = 1_000_000;

/// Rows from which on the sheets go through a temporary file: in memory a row takes about 3 kB until the file is written.
const MEMORY_ROWS: usize = 5_000;

/// Rows of a workbook that have links. Excel takes 65,530 on a sheet, and each costs 0.9 kB until the file is written.
pub(super) const LINKS: usize = 20_000;

/// Cells that are made a table, which costs 30 bytes each; a larger one only gets a filter.
const TABLE_CELLS: usize = 1_500_000;

/// The longest link that Excel opens, in UTF-16 units.
const LINK_UNITS: usize = 2_080;

/// A workbook that could not be written: the temporary folder is full or went away.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the workbook; is there room in the temporary folder?")]
pub struct WorkbookError(#[source] XlsxError);

/// The document as a workbook for Excel and LibreOffice (Office Open XML). The same document is always the same bytes.
///
/// Amounts are numbers in major units with their currency's format and decimals; one with more than the 15 digits that a
/// spreadsheet keeps is text, and said so. Totals are formulas whose cached values are the document's; where a formula could
/// not come to exactly that, the total stands there as a number, and said so. Record text is never a formula. Tall sheets are
/// written through a file in the temporary folder (`TMPDIR`), if there is one that can be written.
///
/// # Errors
/// Fails where the temporary file cannot be written.
pub fn xlsx(document: &Document) -> Result<Vec<u8>, WorkbookError> {
    workbook(document, SHEET_ROWS).map_err(WorkbookError)
}

/// A workbook with at most so many records on a sheet.
pub(super) fn workbook(document: &Document, sheet_rows: usize) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    workbook.set_properties(&properties(document)?);
    let is_tall = document.sections.iter().map(|section| section.rows.len()).sum::<usize>() > MEMORY_ROWS;
    let uses_file = is_tall && workbook.set_tempdir(env::temp_dir()).is_ok();
    let (mut formats, mut names, mut tables) = (Formats::of(document.locale), Names::default(), Names::default());
    let words = words(document.locale.language);
    let linked_rows = linked_rows(document.sections.iter().map(|section| section.rows.len()));
    super::summary::write(document, workbook.add_worksheet().set_name(names.sheet(words.summary))?, &mut formats)?;
    for section in &document.sections {
        let mut writer = Writer::new(document, section, words, &mut formats, linked_rows);
        let mut parts = section.rows.chunks(sheet_rows).peekable();
        loop {
            let rows = parts.next().unwrap_or_default();
            let sheet =
                if uses_file { workbook.add_worksheet_with_constant_memory()? } else { workbook.add_worksheet() };
            let name = names.sheet(words.tab(&section.key).unwrap_or(&section.title));
            sheet.set_name(&name)?;
            writer.set_up(sheet)?;
            writer.header(sheet, &tables.table(&section.key), rows.len())?;
            writer.rows(sheet, rows)?;
            writer.parts.push((name, rows.len()));
            if parts.peek().is_none() {
                writer.below(sheet, rows.len())?;
                break;
            }
        }
    }
    workbook.save_to_buffer()
}

/// How many rows of each sheet have links: all where there are few, else so many that long sheets share evenly what short
/// ones leave.
pub(super) fn linked_rows(rows: impl Iterator<Item = usize>) -> usize {
    let mut rows: Vec<usize> = rows.collect();
    rows.sort_unstable();
    let mut left = LINKS;
    for (index, of_section) in rows.iter().enumerate() {
        let share = left / (rows.len() - index);
        if *of_section > share {
            return share;
        }
        left -= of_section;
    }
    usize::MAX
}

/// The document says its day in words only, and the clock would make other bytes of the same document.
fn properties(document: &Document) -> Result<DocProperties, XlsxError> {
    Ok(DocProperties::new()
        .set_title(inert(&document.title))
        .set_subject(inert(&document.subject))
        .set_author("Closing Bell")
        .set_creation_datetime(&ExcelDateTime::from_ymd(1980, 1, 1)?))
}

/// The footer of printed pages.
pub(super) fn set_up_page(document: &Document, sheet: &mut Worksheet) {
    let said = format!("{} · {}", document.title, document.date);
    let said: String = inert(&said).chars().take(100).collect();
    sheet.set_paper_size(9).set_print_fit_to_pages(1, 0).set_footer(format!("&L{}&R&P / &N", said.replace('&', "&&")));
}

/// Writes text that is never a formula, not even once somebody edits its cell.
pub(super) fn write_text(sheet: &mut Worksheet, at: (u32, u16), text: &str, format: &Format) -> Result<(), XlsxError> {
    let text = inert(text);
    if text.trim_start().starts_with(starts_formula) {
        sheet.write_string_with_format(at.0, at.1, text, &format.clone().set_quote_prefix())?;
    } else if !text.is_empty() {
        sheet.write_string_with_format(at.0, at.1, text, format)?;
    }
    Ok(())
}

/// Writes an amount; false if it had to become text.
pub(super) fn write_sum(
    sheet: &mut Worksheet,
    at: (u32, u16),
    sum: Sum,
    formats: &mut Formats,
) -> Result<bool, XlsxError> {
    match number(sum) {
        Some(number) => sheet.write_number_with_format(at.0, at.1, number, formats.money(sum))?,
        None => sheet.write_string_with_format(at.0, at.1, plain(sum), &formats.long)?,
    };
    Ok(number(sum).is_some())
}

/// Writes an amount that is not exact; false if it had to become text.
pub(super) fn write_about(
    sheet: &mut Worksheet,
    at: (u32, u16),
    sum: Sum,
    formats: &Formats,
) -> Result<bool, XlsxError> {
    match number(sum) {
        Some(number) => sheet.write_number_with_format(at.0, at.1, number, &formats.about(sum))?,
        None => sheet.write_string_with_format(at.0, at.1, format!("{ABOUT}{}", plain(sum)), &formats.long)?,
    };
    Ok(number(sum).is_some())
}

/// Writes the sheets of a section.
struct Writer<'d> {
    document: &'d Document,
    section: &'d Section,
    words: &'static SheetWords,
    formats: &'d mut Formats,
    linked_rows: usize,
    slots: Vec<Slot>,
    headings: Vec<String>,
    /// The sheets that are written, each with the number of its rows.
    parts: Vec<(String, usize)>,
}

impl<'d> Writer<'d> {
    fn new(
        document: &'d Document,
        section: &'d Section,
        words: &'static SheetWords,
        formats: &'d mut Formats,
        linked_rows: usize,
    ) -> Self {
        let slots = slots(section);
        let headings = headings(section, &slots, words);
        Self { document, section, words, formats, linked_rows, slots, headings, parts: Vec::new() }
    }

    fn set_up(&self, sheet: &mut Worksheet) -> Result<(), XlsxError> {
        for (at, (&slot, heading)) in (0..).zip(self.slots.iter().zip(&self.headings)) {
            let width = width(self.document, self.section, slot, heading);
            sheet.set_column_width(at, u32::try_from(width).unwrap_or(u32::MAX))?;
        }
        set_up_page(self.document, sheet);
        sheet.set_landscape().set_repeat_rows(0, 0)?.set_freeze_panes(1, 1)?;
        Ok(())
    }

    /// The header of a sheet with so many rows below it.
    fn header(&self, sheet: &mut Worksheet, name: &str, rows: usize) -> Result<(), XlsxError> {
        let format = |slot: Slot| match slot {
            Slot::Amount(_) | Slot::AmountIn(..) => &self.formats.header_of_figures,
            Slot::Value(column) if self.section.columns[column].kind.is_figure() => &self.formats.header_of_figures,
            _ => &self.formats.header,
        };
        let headings = || self.headings.iter().zip(self.slots.iter().map(|&slot| format(slot)));
        let (last_row, last_column) = (row_number(rows), column_number(self.slots.len() - 1));
        if rows > 0 && rows * self.slots.len() <= TABLE_CELLS {
            let column = |(heading, format): (&String, &Format)| {
                TableColumn::new().set_header(heading).set_header_format(format)
            };
            let columns: Vec<TableColumn> = headings().map(column).collect();
            let table = Table::new().set_name(name).set_columns(&columns).set_style(TableStyle::Light1);
            sheet.add_table(0, 0, last_row, last_column, &table)?;
            return Ok(());
        }
        for (at, (heading, format)) in (0..).zip(headings()) {
            sheet.write_string_with_format(0, at, heading, format)?;
        }
        sheet.autofilter(0, 0, last_row, last_column)?;
        Ok(())
    }

    fn rows(&mut self, sheet: &mut Worksheet, rows: &[Row]) -> Result<(), XlsxError> {
        for (index, row) in rows.iter().enumerate() {
            let at = row_number(index + 1);
            self.name(sheet, at, row, index < self.linked_rows)?;
            let colon = self.document.locale.words().colon;
            let mut notes = self.notes(row, colon);
            for (place, slot) in (0..).zip(self.slots.clone()) {
                let (column, currency) = match slot {
                    Slot::Value(column) | Slot::Amount(column) | Slot::Currency(column) => (column, None),
                    Slot::AmountIn(column, currency) => (column, Some(currency)),
                    Slot::Record | Slot::Notes => continue,
                };
                let Some(value) = row.cells.get(column).map(|cell| &cell.value) else { continue };
                let sum = sums(value).find(|sum| currency.is_none_or(|currency| sum.currency() == currency));
                let is_exact = match (slot, sum) {
                    (Slot::Currency(_), Some(sum)) => {
                        sheet.write_string_with_format(at, place, sum.currency(), &self.formats.text)?;
                        true
                    }
                    (Slot::Currency(_) | Slot::AmountIn(..), None) => true,
                    (_, Some(sum)) => write_sum(sheet, (at, place), sum, self.formats)?,
                    (_, None) => self.value(sheet, (at, place), value)?,
                };
                if !is_exact {
                    notes.push(format!("{}{colon}{}", self.section.columns[column].title, self.words.too_long));
                }
            }
            let last = column_number(self.slots.len() - 1);
            write_text(sheet, (at, last), &notes.join(self.document.locale.words().semicolon), &self.formats.wrapped)?;
        }
        Ok(())
    }

    /// What is to know of a row, with what is no amount in a column that has one for each currency.
    fn notes(&self, row: &Row, colon: &str) -> Vec<String> {
        let mut notes = notes(self.section, row, colon);
        for (column, cell) in row.cells.iter().enumerate() {
            let is_spread = || self.slots.iter().any(|slot| matches!(slot, Slot::AmountIn(of, _) if *of == column));
            if let Value::Text(text) = &cell.value
                && is_spread()
            {
                notes.push(format!("{}{colon}{text}", self.section.columns[column].title));
            }
        }
        notes
    }

    fn name(&self, sheet: &mut Worksheet, at: u32, row: &Row, has_link: bool) -> Result<(), XlsxError> {
        let name = inert(&row.name);
        // Nothing that opens files or other parts of a workbook.
        let is_link = |url: &&str| {
            (url.starts_with("https://") || url.starts_with("http://"))
                && url.encode_utf16().count() <= LINK_UNITS
                && inert(url) == **url
        };
        match row.url.as_deref().filter(is_link) {
            Some(url) if has_link && !name.is_empty() => {
                let link = &self.formats.link;
                let quoted = name.trim_start().starts_with(starts_formula).then(|| link.clone().set_quote_prefix());
                sheet.write_url_with_options(at, 0, Url::new(url), name, "", Some(quoted.as_ref().unwrap_or(link)))?;
                Ok(())
            }
            _ => write_text(sheet, (at, 0), &name, &self.formats.text),
        }
    }

    /// Writes what is no money; false if a number had to become text.
    fn value(&self, sheet: &mut Worksheet, at: (u32, u16), value: &Value) -> Result<bool, XlsxError> {
        // Before March 1900 no two programs count days alike.
        let has_days = |year: i16, month: i8| (year, month) >= (1900, 3);
        match value {
            Value::Text(text) => write_text(sheet, at, text, &self.formats.text)?,
            Value::Date(date) if has_days(date.year(), date.month()) => {
                sheet.write_datetime_with_format(at.0, at.1, date, &self.formats.date)?;
            }
            Value::Date(date) => write_text(sheet, at, &date.to_string(), &self.formats.text)?,
            Value::Moment(moment) if has_days(moment.year(), moment.month()) => {
                sheet.write_datetime_with_format(at.0, at.1, moment, &self.formats.moment)?;
            }
            Value::Moment(moment) => write_text(sheet, at, &moment.to_string(), &self.formats.text)?,
            Value::Count(count) => {
                let digits = count.to_string();
                let kept = digits.trim_start_matches('-').len() <= super::DIGITS;
                match digits.parse::<f64>() {
                    Ok(number) if kept => sheet.write_number_with_format(at.0, at.1, number, &self.formats.count)?,
                    _ => sheet.write_string_with_format(at.0, at.1, digits, &self.formats.long)?,
                };
                return Ok(kept);
            }
            Value::Nothing | Value::Money(_) | Value::Sums(_) => {}
        }
        Ok(true)
    }

    /// What stands below the table on the last sheet, which has so many rows.
    fn below(&mut self, sheet: &mut Worksheet, rows: usize) -> Result<(), XlsxError> {
        // A row between, or Excel takes the totals for rows of the table.
        let mut at = row_number(rows + 2);
        let report_words = self.document.locale.words();
        if let Some(total) = self.section.total.as_ref().filter(|total| !total.sums.is_empty()) {
            for column in 0..self.slots.len() {
                sheet.write_blank(at - 1, column_number(column), &self.formats.rule)?;
            }
            let mut is_first = true;
            for &sum in &total.sums {
                let slot = |slot: &Slot| {
                    *slot == Slot::AmountIn(total.column, sum.currency()) || *slot == Slot::Amount(total.column)
                };
                let Some(place) = self.slots.iter().position(slot).map(column_number) else { continue };
                let has_own_row = matches!(self.slots[usize::from(place)], Slot::Amount(_));
                if !is_first && has_own_row {
                    at += 1;
                }
                if is_first || has_own_row {
                    sheet.write_string_with_format(at, 0, report_words.total, &self.formats.total)?;
                }
                is_first = false;
                if has_own_row {
                    sheet.write_string_with_format(at, place + 1, sum.currency(), &self.formats.total)?;
                }
                self.total(sheet, (at, place), sum, total.column, has_own_row)?;
            }
            at += 2;
        }
        let count = |count: usize| self.document.locale.count(i64::try_from(count).unwrap_or(i64::MAX));
        for (number, text) in [(self.section.left_out, report_words.not_added_up), (self.section.cut, self.words.cut)] {
            if number > 0 {
                write_text(sheet, (at, 0), &fill(text, &[&count(number)]), &self.formats.remark)?;
                at += 1;
            }
        }
        Ok(())
    }

    /// A total: a formula over the rows, or the number itself where a formula would not come to it.
    fn total(
        &mut self,
        sheet: &mut Worksheet,
        at: (u32, u16),
        sum: Sum,
        column: usize,
        by_currency: bool,
    ) -> Result<(), XlsxError> {
        let notes = column_number(self.slots.len() - 1);
        let Some(number) = number(sum) else {
            sheet.write_string_with_format(at.0, at.1, plain(sum), &self.formats.long_total)?;
            return write_text(sheet, (at.0, notes), self.words.too_long, &self.formats.remark);
        };
        if !adds_up(self.section, column, sum) {
            sheet.write_number_with_format(at.0, at.1, number, self.formats.total_of(sum))?;
            return write_text(sheet, (at.0, notes), self.words.as_reported, &self.formats.remark);
        }
        let here = self.parts.len();
        let sum_of = |(part, (name, rows)): (usize, &(String, usize))| {
            let place = if part + 1 == here { String::new() } else { format!("'{}'!", name.replace('\'', "''")) };
            let range = |column: u16| {
                let letters = column_number_to_name(column);
                format!("{place}${letters}$2:${letters}${}", rows + 1)
            };
            if by_currency {
                let (amounts, currencies, wanted) = (range(at.1), range(at.1 + 1), column_number_to_name(at.1 + 1));
                format!("SUMIFS({amounts},{currencies},${wanted}{})", at.0 + 1)
            } else {
                format!("SUM({})", range(at.1))
            }
        };
        let added: Vec<String> = self.parts.iter().enumerate().map(sum_of).collect();
        let formula = format!("=ROUND({},{})", added.join("+"), sum.decimals());
        let formula = Formula::new(formula).set_result(number.to_string());
        sheet.write_formula_with_format(at.0, at.1, formula, self.formats.total_of(sum))?;
        Ok(())
    }
}

fn row_number(row: usize) -> u32 {
    u32::try_from(row).expect("a sheet is cut before Excel's last row")
}

fn column_number(column: usize) -> u16 {
    u16::try_from(column).expect("a section has a few columns")
}
