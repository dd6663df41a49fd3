//! The invoices and the money received for them.

use jiff::Timestamp;

use super::build::{
    Item, Scene, Table, Words, business_date, effective_at, is_closed_record, moment, or_dash, row, shown,
};
use super::document::Row;
use crate::domain::changes::ChangeKind;
use crate::domain::money::{Amount, Money, SumTooLarge};
use crate::domain::position::{Position, Standing};
use crate::domain::record::Kind;

type Figures = (Vec<String>, Option<Money>);

/// One sort of news about invoices: what puts an invoice into it, and its figures.
struct Sort {
    kind: ChangeKind,
    words: Words,
    columns: [&'static str; 6],
    figures: fn(&Item) -> Figures,
}

const SORTS: [Sort; 5] = [
    Sort {
        kind: ChangeKind::InvoiceCreated,
        words: Words { title: "Created", short: "created", one: "invoice created", many: "invoices created" },
        columns: ["Company", "Invoice date", "Due", "Created at", "Paid", "Billed"],
        figures: |item| (vec![shown_or_dash(&item.now.settled), shown(&item.now.amount)], billed(item)),
    },
    Sort {
        kind: ChangeKind::InvoicePaid,
        words: Words { title: "Paid", short: "paid", one: "invoice paid", many: "invoices paid" },
        columns: ["Company", "Invoice date", "Due", "Paid at", "Paid", "Billed"],
        figures: |item| (vec![shown_or_dash(&item.now.settled), shown(&item.now.amount)], billed(item)),
    },
    Sort {
        kind: ChangeKind::InvoicePartPaid,
        words: Words { title: "Part paid", short: "part paid", one: "invoice part paid", many: "invoices part paid" },
        columns: ["Company", "Invoice date", "Due", "Paid at", "Billed", "Paid so far"],
        figures: |item| (vec![shown(&item.now.amount), shown(&item.now.settled)], settled(item)),
    },
    Sort {
        kind: ChangeKind::InvoiceOverdue,
        words: Words { title: "Overdue", short: "overdue", one: "invoice overdue", many: "invoices overdue" },
        columns: ["Company", "Invoice date", "Due", "Since", "Billed", "Still to pay"],
        figures: |item| {
            let owed = owed(item);
            let text = owed.map_or_else(|| shown(&item.now.amount), |money| money.to_string());
            (vec![shown(&item.now.amount), text], owed)
        },
    },
    Sort {
        kind: ChangeKind::InvoiceVoided,
        words: Words { title: "Voided", short: "voided", one: "invoice voided", many: "invoices voided" },
        columns: ["Company", "Invoice date", "Due", "Voided at", "Paid", "Billed"],
        figures: |item| (vec![shown_or_dash(&item.now.settled), shown(&item.now.amount)], billed(item)),
    },
];

const RECEIVED: Words =
    Words { title: "Money received", short: "received", one: "payment received", many: "payments received" };
const REFUNDED: Words = Words { title: "Refunds", short: "refunded", one: "refund", many: "refunds" };

/// The tables of what is news about invoices and payments: what came, the money, then what is amiss.
pub(super) fn tables(items: &[Item], scene: &Scene<'_>) -> Result<Vec<Table>, SumTooLarge> {
    let (came, amiss) = SORTS.split_at(3);
    let mut tables = sorted(came, items, scene)?;
    let (mut received, mut refunded) = payments(items, scene);
    let by_invoice = receipts(items, scene);
    received.extend(by_invoice.0);
    refunded.extend(by_invoice.1);
    for (words, rows) in [(RECEIVED, received), (REFUNDED, refunded)] {
        tables.extend(Table::new(&words, &["Company", "Date", "When", "Amount"], 1, rows)?);
    }
    tables.extend(sorted(amiss, items, scene)?);
    Ok(tables)
}

fn sorted(sorts: &[Sort], items: &[Item], scene: &Scene<'_>) -> Result<Vec<Table>, SumTooLarge> {
    let mut tables = Vec::new();
    for sort in sorts {
        let rows = invoices(items, sort)
            .map(|(item, at)| {
                let (figures, money) = (sort.figures)(item);
                let mut row = invoice_row(item, at, figures, scene);
                if !item.now.billable {
                    row.notes.push("not billable, so not added up".to_owned());
                }
                if sort.kind == ChangeKind::InvoiceVoided {
                    row.notes.push("created and voided before anybody was told".to_owned());
                }
                (row, money.filter(|_| item.now.billable))
            })
            .collect();
        tables.extend(Table::new(&sort.words, &sort.columns, 2, rows)?);
    }
    Ok(tables)
}

/// The invoices that a table is about, and when each came into it. What was created and voided before anybody was told
/// is only voided, and what was told is corrected instead; what was part paid and is paid by now is only paid; what is
/// overdue and was paid is not.
fn invoices<'i>(items: &'i [Item], sort: &'i Sort) -> impl Iterator<Item = (&'i Item, Timestamp)> {
    items
        .iter()
        .filter(|item| item.record.key.kind == Kind::Invoice && !is_closed_record(&item.now))
        .filter(|item| match sort.kind {
            ChangeKind::InvoiceCreated => matches!(item.now.standing, Standing::Issued | Standing::Paid),
            ChangeKind::InvoicePartPaid | ChangeKind::InvoiceOverdue => item.now.standing == Standing::Issued,
            ChangeKind::InvoicePaid => item.now.standing == Standing::Paid && !was(item, Standing::Paid),
            _ => item.now.standing == Standing::Voided && !was_told(item),
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

fn was_told(item: &Item) -> bool {
    [Standing::Issued, Standing::Paid, Standing::Voided].into_iter().any(|standing| was(item, standing))
}

fn invoice_row(item: &Item, at: Timestamp, figures: Vec<String>, scene: &Scene<'_>) -> Row {
    let due = item.now.due.map_or_else(|| "—".to_owned(), |day| day.strftime("%-d %b %Y").to_string());
    let mut cells = vec![company(item), business_date(item, at, scene), due, moment(at, scene)];
    cells.extend(figures);
    row(item, scene, cells)
}

fn company(item: &Item) -> String {
    or_dash(item.invoice.as_ref().unwrap_or(&item.record).company.as_deref())
}

fn billed(item: &Item) -> Option<Money> {
    item.now.amount.money.clone().ok()
}

fn settled(item: &Item) -> Option<Money> {
    item.now.settled.money.clone().ok()
}

fn owed(item: &Item) -> Option<Money> {
    let billed = billed(item)?;
    let paid = settled(item).map_or(0, Money::minor);
    Money::from_minor(billed.minor().checked_sub(paid)?, billed.currency())
}

fn shown_or_dash(amount: &Amount) -> String {
    if amount.text.trim().is_empty() { "—".to_owned() } else { shown(amount) }
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
            let cells = vec![company(item), business_date(item, at, scene), moment(at, scene), shown(&item.now.amount)];
            received.push((row(item, scene, cells), billed(item)));
        }
        if let Some(at) = effective_at(ChangeKind::PaymentRefunded) {
            let before = item.was.as_ref().and_then(|was| was.position.settled.money.clone().ok());
            let money = difference(before, settled(item));
            let text = money.map_or_else(|| shown(&item.now.settled), |money| money.to_string());
            let cells = vec![company(item), day(at, scene), moment(at, scene), text];
            refunded.push((row(item, scene, cells), money));
        }
    }
    (received, refunded)
}

/// Money received and given back by the invoices' paid amounts, until the account keeps payment records.
fn receipts(items: &[Item], scene: &Scene<'_>) -> (Rows, Rows) {
    let (mut received, mut refunded) = (Vec::new(), Vec::new());
    for item in items.iter().filter(|item| item.record.key.kind == Kind::Invoice) {
        let settled = match scene.payments_since {
            None => Some(item.now.settled.clone()),
            // All that was paid until then was told by the first report after it.
            Some(since) if item.was.as_ref().is_some_and(|was| was.reported_at > Some(since)) => None,
            Some(since) => Position::as_of(&item.record, since, &scene.rules).map(|position| position.settled),
        };
        let now = settled.and_then(|settled| settled.money.ok());
        let Some(at) = item.changes.iter().map(|change| change.effective_at).max() else { continue };
        let before = item.was.as_ref().and_then(|was| was.position.settled.money.clone().ok());
        let cells = |money: Money| vec![company(item), day(at, scene), moment(at, scene), money.to_string()];
        let other_currency = before.zip(now).is_some_and(|(before, now)| before.currency() != now.currency());
        if let Some(back) = before.filter(|before| other_currency && before.minor() > 0) {
            refunded.push((row(item, scene, cells(back)), Some(back)));
        }
        let Some(money) = difference(before, now) else { continue };
        match money.minor() {
            0 => {}
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
fn day(at: Timestamp, scene: &Scene<'_>) -> String {
    at.to_zoned(scene.rules.zone.clone()).strftime("%-d %b %Y").to_string()
}

/// What came on top of an earlier amount in the same currency; in another currency, all of it.
fn difference(before: Option<Money>, now: Option<Money>) -> Option<Money> {
    let now = now?;
    let before = before.filter(|before| before.currency() == now.currency()).map_or(0, Money::minor);
    Money::from_minor(now.minor().checked_sub(before)?, now.currency())
}
