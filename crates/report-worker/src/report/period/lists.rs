//! The tables that list entries: deals won and lost, invoices by what happened to them, money received and refunded.

use std::cmp::Reverse;

use super::{Page, capitalised, currencies, noun_of, states_its_day, total};
use crate::domain::ledger::Line;
use crate::domain::money::{Money, SumTooLarge};
use crate::report::build::{ColumnOf, amount, moment, text};
use crate::report::document::{Cell, ColumnKind, Row, Section, Value};
use crate::report::section::SectionKind;
use crate::report::text::one_line;
use crate::report::words::{Columns, fill};

/// A column and what stands in it.
struct Listed {
    title: fn(&Columns) -> &'static str,
    kind: ColumnKind,
    cell: fn(&Line, &Page<'_>) -> Cell,
}

impl Listed {
    const fn text(title: fn(&Columns) -> &'static str, cell: fn(&Line, &Page<'_>) -> Cell) -> Self {
        Self { title, kind: ColumnKind::Text, cell }
    }

    /// The day that an entry counts on, marked where it is not the record's own.
    const fn day(title: fn(&Columns) -> &'static str) -> Self {
        let cell = |line: &Line, page: &Page<'_>| {
            let cell = Cell::from(Value::Date(line.date()));
            let is_own = line.entry.date.stated || !states_its_day(line.entry.figure);
            if is_own { cell } else { cell.noted(page.words.notes.no_date) }
        };
        Self { title, kind: ColumnKind::Date, cell }
    }

    /// When it happened.
    const fn moment(title: fn(&Columns) -> &'static str) -> Self {
        Self { title, kind: ColumnKind::Moment, cell: |line, page| moment(line.entry.at, page.scene) }
    }

    const fn money(title: fn(&Columns) -> &'static str) -> Self {
        Self { title, kind: ColumnKind::Money, cell: |line, page| amount(&line.entry.amount, page.scene) }
    }
}

const COMPANY: Listed = Listed::text(|columns| columns.company, |line, _| text(line.face.company.as_deref()));
const OWNER: Listed = Listed::text(|columns| columns.owner, |line, _| text(line.face.owner.as_deref()));
const WHAT: Listed = Listed::text(
    |columns| columns.what_happened,
    |line, page| Value::Text(noun_of(line.entry.figure, page.words).short_one.to_owned()).into(),
);
const DUE: Listed = Listed {
    title: |columns| columns.due,
    kind: ColumnKind::Date,
    cell: |line, _| line.face.due.map_or(Value::Nothing, Value::Date).into(),
};

const DEALS: [Listed; 5] = [
    COMPANY,
    OWNER,
    Listed::day(|columns| columns.close_date),
    Listed::moment(|columns| columns.closed),
    Listed::money(|columns| columns.amount),
];
const CREATED: [Listed; 5] = [
    COMPANY,
    Listed::day(|columns| columns.invoice_date),
    DUE,
    Listed::moment(|columns| columns.created_at),
    Listed::money(|columns| columns.billed),
];
const PAID: [Listed; 4] =
    [COMPANY, DUE, Listed::moment(|columns| columns.paid_at), Listed::money(|columns| columns.billed)];
const PART_PAID: [Listed; 4] =
    [COMPANY, DUE, Listed::moment(|columns| columns.paid_at), Listed::money(|columns| columns.paid_so_far)];
const VOIDED: [Listed; 4] =
    [COMPANY, DUE, Listed::moment(|columns| columns.voided_at), Listed::money(|columns| columns.billed)];
const OVERDUE: [Listed; 4] =
    [COMPANY, DUE, Listed::day(|columns| columns.since), Listed::money(|columns| columns.still_to_pay)];
const MONEY: [Listed; 4] = [
    COMPANY,
    Listed::day(|columns| columns.date),
    Listed::moment(|columns| columns.when),
    Listed::money(|columns| columns.amount),
];
const NOT_BILLABLE: [Listed; 5] = [
    COMPANY,
    WHAT,
    Listed::day(|columns| columns.date),
    Listed::moment(|columns| columns.when),
    Listed::money(|columns| columns.amount),
];

/// The list of a section's entries with their sum, or nothing where there are none.
pub(super) fn list(page: &Page<'_>, section: SectionKind) -> Result<Option<Section>, SumTooLarge> {
    let mut lines: Vec<&Line> = page.lines(section).collect();
    let Some(first) = lines.first() else { return Ok(None) };
    let columns: &[Listed] = match section {
        SectionKind::Created => &CREATED,
        SectionKind::Paid => &PAID,
        SectionKind::PartPaid => &PART_PAID,
        SectionKind::Voided => &VOIDED,
        SectionKind::Overdue => &OVERDUE,
        SectionKind::Received | SectionKind::Refunds => &MONEY,
        _ => &DEALS,
    };
    let title = match section {
        SectionKind::Overdue => page.words.period.titles.became_overdue.to_owned(),
        _ => capitalised(noun_of(first.entry.figure, page.words).many),
    };
    if matches!(section, SectionKind::Won | SectionKind::Lost) {
        largest_first(&mut lines);
    }
    let tally = page.tally(section)?;
    let mut table = table(page, section, &title, columns, &lines);
    table.total = total(columns.len() - 1, &tally);
    table.left_out = usize::try_from(tally.left_out).unwrap_or(usize::MAX);
    Ok(Some(table))
}

/// What happened to invoices that only track data: listed, and in no sum.
pub(super) fn not_billable(page: &Page<'_>) -> Option<Section> {
    let lines: Vec<&Line> = page.figures.lines.iter().filter(|line| !line.entry.billable).collect();
    let title = page.words.nouns.not_billable.title;
    (!lines.is_empty()).then(|| table(page, SectionKind::NonBillable, title, &NOT_BILLABLE, &lines))
}

/// Largest amounts first, each currency by itself, the most frequent first; what has no amount comes last.
fn largest_first(lines: &mut [&Line]) {
    let order = currencies(lines.iter().copied());
    lines.sort_by_cached_key(|line| {
        let money = line.entry.money();
        let place = money.and_then(|money| order.iter().position(|code| *code == money.currency()));
        (place.unwrap_or(order.len()), Reverse(money.map(Money::minor)), line.key)
    });
}

fn table(page: &Page<'_>, section: SectionKind, title: &str, columns: &[Listed], lines: &[&Line]) -> Section {
    let rows = lines.iter().map(|line| row(page, line, columns)).collect();
    let columns: Vec<ColumnOf> = columns.iter().map(|column| (column.title, column.kind)).collect();
    page.section(section.as_str(), title, &columns, rows)
}

fn row(page: &Page<'_>, line: &Line, columns: &[Listed]) -> Row {
    let mut row = page.record_row(line.key, &line.face);
    row.cells = columns.iter().map(|column| (column.cell)(line, page)).collect();
    let read = &line.entry.amount;
    if read.rounded {
        row.notes.insert(0, fill(page.words.notes.rounded, &[&one_line(&read.text)]));
    }
    row
}
