//! The invoices and the money received for them.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::build::{
    ColumnOf, Item, Scene, Table, amount, business_date, effective_at, is_closed_record, moment, row, text,
};
use super::definition::Definition;
use super::document::{Cell, ColumnKind, Row, Value};
use super::section::SectionKind;
use super::words::{Columns, Noun, Nouns};
use crate::domain::changes::ChangeKind;
use crate::domain::money::{Amount, Money, SumTooLarge};
use crate::domain::position::{Position, Standing};
use crate::domain::record::Kind;

type Figures = (Vec<Cell>, Option<Money>);
type Heading = fn(&Columns) -> &'static str;

/// One sort of news about invoices: what puts an invoice into it, and its figures.
struct Sort {
    kind: ChangeKind,
    key: &'static str,
    noun: fn(&Nouns) -> &Noun,
    /// The headings of the moment and of the two figures.
    headings: [Heading; 3],
    figures: fn(&Item, &Scene<'_>) -> Figures,
}

const SORTS: [Sort; 5] = [
    Sort {
        kind: ChangeKind::InvoiceCreated,
        key: "created",
        noun: |nouns| &nouns.created,
        headings: [|columns| columns.created_at, |columns| columns.paid, |columns| columns.billed],
        figures: |item, scene| (vec![paid(&item.now.settled, scene), amount(&item.now.amount, scene)], billed(item)),
    },
    Sort {
        kind: ChangeKind::InvoicePaid,
        key: "paid",
        noun: |nouns| &nouns.paid,
        headings: [|columns| columns.paid_at, |columns| columns.paid, |columns| columns.billed],
        figures: |item, scene| (vec![paid(&item.now.settled, scene), amount(&item.now.amount, scene)], billed(item)),
    },
    Sort {
        kind: ChangeKind::InvoicePartPaid,
        key: "part-paid",
        noun: |nouns| &nouns.part_paid,
        headings: [|columns| columns.paid_at, |columns| columns.billed, |columns| columns.paid_so_far],
        figures: |item, scene| (vec![amount(&item.now.amount, scene), amount(&item.now.settled, scene)], settled(item)),
    },
    Sort {
        kind: ChangeKind::InvoiceOverdue,
        key: "overdue",
        noun: |nouns| &nouns.overdue,
        headings: [|columns| columns.since, |columns| columns.billed, |columns| columns.still_to_pay],
        figures: |item, scene| {
            let owed = owed(item);
            let still = owed.map_or_else(|| amount(&item.now.amount, scene), |money| Value::Money(money).into());
            (vec![amount(&item.now.amount, scene), still], owed)
        },
    },
    Sort {
        kind: ChangeKind::InvoiceVoided,
        key: "voided",
        noun: |nouns| &nouns.voided,
        headings: [|columns| columns.voided_at, |columns| columns.paid, |columns| columns.billed],
        figures: |item, scene| (vec![paid(&item.now.settled, scene), amount(&item.now.amount, scene)], billed(item)),
    },
];

const MONEY_COLUMNS: [ColumnOf; 4] = [
    (|columns| columns.company, ColumnKind::Text),
    (|columns| columns.date, ColumnKind::Date),
    (|columns| columns.when, ColumnKind::Moment),
    (|columns| columns.amount, ColumnKind::Money),
];

/// The tables of what is news about invoices and payments: what came, the money, then what is amiss.
pub(super) fn tables(definition: &Definition, items: &[Item], scene: &Scene<'_>) -> Result<Vec<Table>, SumTooLarge> {
    let (came, amiss) = SORTS.split_at(3);
    let nouns = &scene.words().nouns;
    let mut tables = sorted(came, definition, items, scene)?;
    let (mut received, mut refunded) = payments(items, scene);
    let by_invoice = receipts(items.iter().filter(|item| item.now.billable), scene);
    received.extend(by_invoice.0);
    refunded.extend(by_invoice.1);
    let money = [
        (ChangeKind::PaymentReceived, "received", &nouns.received, received),
        (ChangeKind::PaymentRefunded, "refunds", &nouns.refunded, refunded),
    ];
    for (_, key, noun, rows) in money.into_iter().filter(|(kind, ..)| definition.is_news(*kind)) {
        tables.extend(Table::new(key, noun, &MONEY_COLUMNS, rows, scene)?);
    }
    tables.extend(sorted(amiss, definition, items, scene)?);
    Ok(tables)
}

fn sorted(
    sorts: &[Sort],
    definition: &Definition,
    items: &[Item],
    scene: &Scene<'_>,
) -> Result<Vec<Table>, SumTooLarge> {
    let (notes, nouns) = (&scene.words().notes, &scene.words().nouns);
    let tells_created = definition.is_news(ChangeKind::InvoiceCreated);
    let mut tables = Vec::new();
    for sort in sorts.iter().filter(|sort| definition.is_news(sort.kind)) {
        let rows = invoices(definition, items, sort)
            .filter(|(item, _)| item.now.billable)
            .map(|(item, at)| {
                let (figures, money) = (sort.figures)(item, scene);
                let mut row = invoice_row(item, at, figures, scene);
                if sort.kind == ChangeKind::InvoiceVoided && tells_created && item.was.is_none() {
                    row.notes.push(notes.voided_untold.to_owned());
                }
                (row, money)
            })
            .collect();
        let [moment, first, last] = sort.headings;
        let columns: [ColumnOf; 6] = [
            (|columns| columns.company, ColumnKind::Text),
            (|columns| columns.invoice_date, ColumnKind::Date),
            (|columns| columns.due, ColumnKind::Date),
            (moment, ColumnKind::Moment),
            (first, ColumnKind::Money),
            (last, ColumnKind::Money),
        ];
        tables.extend(Table::new(sort.key, (sort.noun)(nouns), &columns, rows, scene)?);
    }
    Ok(tables)
}

/// What happened to invoices that only track data, in a table of their own that nothing is added up of; as news they are so
/// many, whatever happened to each.
pub(super) fn not_billable(definition: &Definition, items: &[Item], scene: &Scene<'_>) -> Option<Table> {
    const COLUMNS: [ColumnOf; 5] = [
        (|columns| columns.company, ColumnKind::Text),
        (|columns| columns.what_happened, ColumnKind::Text),
        (|columns| columns.date, ColumnKind::Date),
        (|columns| columns.when, ColumnKind::Moment),
        (|columns| columns.amount, ColumnKind::Money),
    ];
    if !definition.sections.contains(&SectionKind::NonBillable) {
        return None;
    }
    let nouns = &scene.words().nouns;
    let what = |noun: &Noun| Cell::from(Value::Text(noun.short_one.to_owned()));
    let mut rows = Vec::new();
    for sort in SORTS.iter().filter(|sort| definition.is_news(sort.kind)) {
        for (item, at) in invoices(definition, items, sort).filter(|(item, _)| !item.now.billable) {
            let figure = (sort.figures)(item, scene).0.pop();
            let what = what((sort.noun)(nouns));
            let mut cells = vec![company(item), what, business_date(item, at, scene), moment(at, scene)];
            cells.extend(figure);
            rows.push(row(item, scene, cells));
        }
    }
    let (received, refunded) = receipts(items.iter().filter(|item| !item.now.billable), scene);
    let money = [
        (ChangeKind::PaymentReceived, &nouns.received, received),
        (ChangeKind::PaymentRefunded, &nouns.refunded, refunded),
    ];
    for (_, noun, of) in money.into_iter().filter(|(kind, ..)| definition.is_news(*kind)) {
        rows.extend(of.into_iter().map(|(mut row, _)| {
            row.cells.insert(1, what(noun));
            row
        }));
    }
    let records: BTreeSet<_> = rows.iter().map(|row| row.url.clone()).collect();
    Table::apart(SectionKind::NonBillable.as_str(), &nouns.not_billable, &COLUMNS, rows, records.len(), scene)
}

/// The invoices that a table is about, and when each came into it. What was created and voided before anybody was told
/// is only voided, and what was told is corrected instead; what was part paid and is paid by now is only paid; what is
/// overdue and was paid is not.
fn invoices<'i>(
    definition: &'i Definition,
    items: &'i [Item],
    sort: &'i Sort,
) -> impl Iterator<Item = (&'i Item, Timestamp)> {
    items
        .iter()
        .filter(|item| item.record.key.kind == Kind::Invoice && !is_closed_record(&item.now))
        .filter(move |item| match sort.kind {
            ChangeKind::InvoiceCreated => matches!(item.now.standing, Standing::Issued | Standing::Paid),
            ChangeKind::InvoicePartPaid | ChangeKind::InvoiceOverdue => item.now.standing == Standing::Issued,
            ChangeKind::InvoicePaid => item.now.standing == Standing::Paid && !was(item, Standing::Paid),
            _ => item.now.standing == Standing::Voided && !was_told(definition, item),
        })
        .filter_map(|item| {
            // What was a draft again by the last report, or before any, comes anew when it is opened again.
            let comes_anew = item.was.is_none() || was(item, Standing::Draft);
            let kinds: &[ChangeKind] = match sort.kind {
                ChangeKind::InvoiceCreated if comes_anew => &[ChangeKind::InvoiceCreated, ChangeKind::InvoiceReopened],
                _ => std::slice::from_ref(&sort.kind),
            };
            effective_at(item, kinds).map(|at| (item, at))
        })
}

fn was(item: &Item, standing: Standing) -> bool {
    item.was.as_ref().is_some_and(|was| was.position.standing == standing)
}

fn was_told(definition: &Definition, item: &Item) -> bool {
    [Standing::Issued, Standing::Paid, Standing::Voided].into_iter().any(|standing| was(item, standing))
        && item.was.as_ref().is_some_and(|was| definition.has_told(was))
}

fn invoice_row(item: &Item, at: Timestamp, figures: Vec<Cell>, scene: &Scene<'_>) -> Row {
    let due = item.now.due.map_or(Value::Nothing, Value::Date).into();
    let mut cells = vec![company(item), business_date(item, at, scene), due, moment(at, scene)];
    cells.extend(figures);
    row(item, scene, cells)
}

fn company(item: &Item) -> Cell {
    text(item.invoice.as_ref().unwrap_or(&item.record).company.as_deref())
}

fn billed(item: &Item) -> Option<Money> {
    item.now.amount.money.clone().ok()
}

fn settled(item: &Item) -> Option<Money> {
    item.now.settled.money.clone().ok()
}

fn owed(item: &Item) -> Option<Money> {
    item.now.owed().money.ok()
}

/// What was paid, or nothing where HubSpot says nothing.
fn paid(settled: &Amount, scene: &Scene<'_>) -> Cell {
    if settled.text.trim().is_empty() { Value::Nothing.into() } else { amount(settled, scene) }
}

type Rows = Vec<(Row, Option<Money>)>;

/// Money received and refunded by the payment records, since the account keeps them.
fn payments(items: &[Item], scene: &Scene<'_>) -> (Rows, Rows) {
    let (mut received, mut refunded) = (Vec::new(), Vec::new());
    let Some(since) = scene.payments_since else { return (received, refunded) };
    let stands = |item: &&Item| item.record.key.kind == Kind::Payment && item.now.standing == Standing::Received;
    for item in items.iter().filter(stands) {
        let effective_at = |kind| effective_at(item, &[kind]).filter(|at| *at > since);
        if let Some(at) = effective_at(ChangeKind::PaymentReceived).filter(|_| !was(item, Standing::Received)) {
            let date = business_date(item, at, scene);
            let cells = vec![company(item), date, moment(at, scene), amount(&item.now.amount, scene)];
            received.push((row(item, scene, cells), billed(item)));
        }
        if let Some(at) = effective_at(ChangeKind::PaymentRefunded) {
            let before = item.was.as_ref().and_then(|was| was.position.settled.money.clone().ok());
            let money = difference(before, settled(item));
            let back = money.map_or_else(|| amount(&item.now.settled, scene), |money| Value::Money(money).into());
            let cells = vec![company(item), day(at, scene), moment(at, scene), back];
            refunded.push((row(item, scene, cells), money));
        }
    }
    (received, refunded)
}

/// Money received and given back by the invoices' paid amounts, until the account keeps payment records.
fn receipts<'i>(items: impl Iterator<Item = &'i Item>, scene: &Scene<'_>) -> (Rows, Rows) {
    let (mut received, mut refunded) = (Vec::new(), Vec::new());
    for item in items.filter(|item| item.record.key.kind == Kind::Invoice) {
        let settled = match scene.payments_since {
            None => Some(item.now.settled.clone()),
            // All that was paid until then was told by the first report after it.
            Some(since) if item.was.as_ref().is_some_and(|was| was.reported_at > Some(since)) => None,
            Some(since) => Position::as_of(&item.record, since, &scene.rules).map(|position| position.settled),
        };
        let now = settled.and_then(|settled| settled.money.ok());
        let Some(at) = item.changes.iter().map(|change| change.effective_at).max() else { continue };
        let before = item.was.as_ref().and_then(|was| was.position.settled.money.clone().ok());
        let cells = |money| vec![company(item), day(at, scene), moment(at, scene), Value::Money(money).into()];
        let other_currency = before.zip(now).is_some_and(|(before, now)| before.currency() != now.currency());
        if let Some(back) = before.filter(|before| other_currency && before.minor() > 0) {
            refunded.push((row(item, scene, cells(back)), Some(back)));
        }
        let Some(money) = difference(before, now) else { continue };
        // A report of that very moment told what was paid until then, and may have read of more, which the payment records tell.
        let was_told_then =
            item.was.as_ref().is_some_and(|was| was.reported_at.is_some_and(|at| Some(at) == scene.payments_since));
        match money.minor() {
            0 => {}
            ..0 if was_told_then => {}
            minor if minor > 0 => received.push((row(item, scene, cells(money)), Some(money))),
            minor => {
                let back = minor.checked_neg().and_then(|minor| Money::from_minor(minor, money.currency()));
                if let Some(back) = back {
                    refunded.push((row(item, scene, cells(back)), Some(back)));
                }
            }
        }
    }
    (received, refunded)
}

/// The day of a moment in the reporting zone.
fn day(at: Timestamp, scene: &Scene<'_>) -> Cell {
    Value::Date(at.to_zoned(scene.rules.zone.clone()).date()).into()
}

/// What came on top of an earlier amount in the same currency; in another currency, all of it.
fn difference(before: Option<Money>, now: Option<Money>) -> Option<Money> {
    let now = now?;
    let before = before.filter(|before| before.currency() == now.currency()).map_or(0, Money::minor);
    Money::from_minor(now.minor().checked_sub(before)?, now.currency())
}
