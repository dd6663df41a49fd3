//! How the columns of a section become those of a sheet, and what its totals are.

use std::collections::BTreeSet;

use super::super::document::{Document, Section};
use super::names::Names;
use super::words::SheetWords;
use super::{cells, holds_money, inert, number, sums};
use crate::domain::money::Sum;

use super::super::words::fill;

/// A column of a sheet. The numbers count [`Section::columns`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// The record's name, with its page behind it.
    Record,
    /// What is no money.
    Value(usize),
    /// Amounts of any currency.
    Amount(usize),
    /// The currency of the amount beside it, to filter and to add up by.
    Currency(usize),
    /// Amounts of one currency, where a row has several.
    AmountIn(usize, &'static str),
    /// Everything to know about the row.
    Notes,
}

/// The columns of a section's sheet.
///
/// Where each row has one amount, the currency stands beside it: SUMIFS and the filter tell currencies apart. Where a row has
/// sums in several, each currency has a column, which holds nothing else and is added up as it is.
pub(super) fn slots(section: &Section) -> Vec<Slot> {
    let mut slots = vec![Slot::Record];
    for column in 0..section.columns.len() {
        if !holds_money(section, column) {
            slots.push(Slot::Value(column));
        } else if cells(section, column).all(|value| sums(value).count() < 2) {
            slots.extend([Slot::Amount(column), Slot::Currency(column)]);
        } else {
            let totals = section.total.iter().filter(|total| total.column == column).flat_map(|total| &total.sums);
            let all = cells(section, column).flat_map(sums).chain(totals.copied());
            let currencies: BTreeSet<&'static str> = all.map(Sum::currency).collect();
            slots.extend(currencies.into_iter().map(|currency| Slot::AmountIn(column, currency)));
        }
    }
    slots.push(Slot::Notes);
    slots
}

/// The headings of a sheet, each once, as tables need them.
pub(super) fn headings(section: &Section, slots: &[Slot], words: &SheetWords) -> Vec<String> {
    let has_one_currency = slots.iter().filter(|slot| matches!(slot, Slot::Currency(_))).count() == 1;
    let mut names = Names::default();
    let title = |column: usize| section.columns[column].title.as_str();
    let heading = |slot: &Slot| match *slot {
        Slot::Record => section.record_column.clone(),
        Slot::Value(column) | Slot::Amount(column) => title(column).to_owned(),
        Slot::Currency(_) if has_one_currency => words.currency.to_owned(),
        Slot::Currency(column) => fill(words.currency_of, &[title(column)]),
        Slot::AmountIn(column, currency) => format!("{} {currency}", title(column)),
        Slot::Notes => words.notes.to_owned(),
    };
    slots.iter().map(|slot| names.column(&inert(&heading(slot)), " ")).collect()
}

/// True if a spreadsheet comes to exactly this sum when it adds up the column and rounds to the minor unit.
///
/// Each addition of doubles is off by at most 2⁻⁵³ of what has come together by then, so n of them are off by less than
/// n · 2⁻⁵³ of all amounts without their signs: below a quarter of a minor unit while that product stays under 2⁵¹.
pub(super) fn adds_up(section: &Section, column: usize, sum: Sum) -> bool {
    let (mut total, mut size, mut count) = (0_i128, 0_u128, 0_u128);
    for addend in cells(section, column).flat_map(sums).filter(|addend| addend.currency() == sum.currency()) {
        if number(addend).is_none() {
            return false;
        }
        total = total.saturating_add(addend.minor());
        size = size.saturating_add(addend.minor().unsigned_abs());
        count += 1;
    }
    total == sum.minor() && count.saturating_mul(size) < 1 << 51
}

/// How many characters the widest of what stands in a column needs, by its first rows.
pub(super) fn width(document: &Document, section: &Section, slot: Slot, heading: &str) -> usize {
    /// Rows that are looked at.
    const ROWS: usize = 500;
    /// For the arrow of the filter, and for the room beside texts.
    const ARROW: usize = 4;
    let locale = document.locale;
    let length = |text: &str| text.chars().count();
    let of_column = |column: usize| section.rows.iter().take(ROWS).filter_map(move |row| row.cells.get(column));
    let totals = |column: usize| {
        let total = section.total.iter().filter(move |total| total.column == column);
        total.flat_map(|total| &total.sums).map(|&sum| length(&locale.money(sum)) + 3).max()
    };
    let (widest, most) = match slot {
        Slot::Record => (section.rows.iter().take(ROWS).map(|row| length(&row.name) + 2).max(), 45),
        Slot::Value(column) => {
            (of_column(column).map(|cell| length(&locale.cell(&cell.value.clone().into())) + 2).max(), 36)
        }
        Slot::Amount(column) | Slot::AmountIn(column, _) => {
            let amounts = of_column(column).flat_map(|cell| sums(&cell.value));
            (amounts.map(|sum| length(&locale.money(sum)) + 1).max().max(totals(column)), 36)
        }
        Slot::Currency(_) => (None, 36),
        Slot::Notes => (of_column(0).next().map(|_| 40), 60),
    };
    widest.unwrap_or(0).max(length(heading) + ARROW).clamp(8, most)
}
