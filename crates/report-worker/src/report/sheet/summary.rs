//! The first sheet: the figures that the report opens with, and what a reader must know to trust them.

use std::collections::BTreeMap;

use rust_xlsxwriter::{Worksheet, XlsxError};

use super::super::document::{Document, Headline};
use super::formats::Formats;
use super::inert;
use super::words::words;
use super::xlsx::{set_up_page, write_about, write_sum, write_text};
use crate::domain::money::Sum;

/// Characters that fit into a line across the sheet, a few fewer for letters that are wide.
const LINE: usize = 95;

/// Pixels of a line.
const LINE_HEIGHT: usize = 20;

/// Fills the sheet. Where a figure has several currencies, each has a row.
pub(super) fn write(document: &Document, sheet: &mut Worksheet, formats: &mut Formats) -> Result<(), XlsxError> {
    let words = words(document.locale.language);
    set_up_page(document, sheet);
    write_text(sheet, (0, 0), &document.title, &formats.title)?;
    write_text(sheet, (1, 0), &document.date, &formats.subtitle)?;
    let before = document.headlines.iter().find_map(|headline| headline.before.as_ref());
    for (column, width) in (0..).zip([34_u8, 9, 20, 10, 9, 20]) {
        sheet.set_column_width(column, width)?;
    }
    let mut at = 3;
    let titles = [words.figure, words.count, words.amount, words.currency, words.count, words.amount];
    for (column, title) in (0..).zip(titles).take(if before.is_some() { 6 } else { 4 }) {
        let is_figure = matches!(column, 1 | 2 | 4 | 5);
        let format = if is_figure { &formats.header_of_figures } else { &formats.header };
        sheet.write_string_with_format(at, column, title, format)?;
    }
    if let Some(before) = before {
        sheet.merge_range(at - 1, 4, at - 1, 5, &inert(&before.period), &formats.period)?;
    }
    for headline in &document.headlines {
        at = figure(sheet, at + 1, headline, formats)?;
    }
    at += 2;
    sheet.write_string_with_format(at, 0, words.notes, &formats.header)?;
    for note in &document.notes {
        at += 1;
        let note = inert(note);
        let lines = note.chars().count().div_ceil(LINE).clamp(1, 20);
        sheet.merge_range(at, 0, at, 5, &note, &formats.wrapped)?;
        sheet.set_row_height_pixels(at, u32::try_from(lines * LINE_HEIGHT).unwrap_or(u32::MAX))?;
    }
    Ok(())
}

/// Writes a figure from this row on, and says which was its last.
fn figure(sheet: &mut Worksheet, first: u32, headline: &Headline, formats: &mut Formats) -> Result<u32, XlsxError> {
    let mut sums: BTreeMap<&str, [Option<Sum>; 2]> = BTreeMap::new();
    for &sum in &headline.sums {
        sums.entry(sum.currency()).or_default()[0] = Some(sum);
    }
    for &sum in headline.before.iter().flat_map(|before| &before.sums) {
        sums.entry(sum.currency()).or_default()[1] = Some(sum);
    }
    write_text(sheet, (first, 0), &headline.label, &formats.text)?;
    let mut count = |column, count: usize, formats: &Formats| {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        sheet.write_number_with_format(first, column, count, &formats.count).map(|_| ())
    };
    count(1, headline.count, formats)?;
    if let Some(before) = &headline.before {
        count(4, before.count, formats)?;
    }
    let is_about = headline.instead.is_some();
    if let Some(instead) = headline.instead.as_ref().filter(|_| headline.sums.is_empty()) {
        write_text(sheet, (first, 2), instead, &formats.long)?;
    }
    let mut last = first;
    for (row, (currency, [now, before])) in (first..).zip(&sums) {
        last = row;
        sheet.write_string_with_format(row, 3, *currency, &formats.text)?;
        for (column, sum, is_about) in [(2, now, is_about), (5, before, false)] {
            match *sum {
                Some(sum) if is_about => write_about(sheet, (row, column), sum, formats)?,
                Some(sum) => write_sum(sheet, (row, column), sum, formats)?,
                None => continue,
            };
        }
    }
    Ok(last)
}
