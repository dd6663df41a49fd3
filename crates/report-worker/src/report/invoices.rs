//! The invoices and the money received for them.

use jiff::Timestamp;

use super::build::{
    Item, Scene, business_date, effective_at, headline, is_closed_record, moment, or_dash, row, section, shown,
};
use super::document::{Row, Section};
use crate::domain::changes::ChangeKind;
use crate::domain::money::{Amount, Money, SumTooLarge};
use crate::domain::position::Standing;
use crate::domain::record::Kind;

type Figures = (Vec<String>, Option<Money>);

/// One table of invoices: what puts an invoice into it, and its figures.
struct Table {
    kind: ChangeKind,
    title: &'static str,
    words: (&'static str, &'static str),
    columns: [&'static str; 6],
    figures: fn(&Item) -> Figures,
}

const TABLES: [Table; 5] = [
    Table {
        kind: ChangeKind::InvoiceCreated,
        title: "Created",
        words: ("invoice created", "invoices created"),
        columns: ["Company", "Invoice date", "Due", "When", "Paid", "Billed"],
        figures: |item| (vec![shown_or_dash(&item.now.settled), shown(&item.now.amount)], billed(item)),
    },
    Table {
        kind: ChangeKind::InvoicePaid,
        title: "Paid",
        words: ("invoice paid", "invoices paid"),
        columns: ["Company", "Invoice date", "Due", "When", "Paid", "Billed"],
        figures: |item| (vec![shown_or_dash(&item.now.settled), shown(&item.now.amount)], billed(item)),
    },
    Table {
        kind: ChangeKind::InvoicePartPaid,
        title: "Part paid",
        words: ("invoice part paid", "invoices part paid"),
        columns: ["Company", "Invoice date", "Due", "When", "Billed", "Paid so far"],
        figures: |item| (vec![shown(&item.now.amount), shown(&item.now.settled)], settled(item)),
    },
    Table {
        kind: ChangeKind::InvoiceVoided,
        title: "Voided",
        words: ("invoice voided", "invoices voided"),
        columns: ["Company", "Invoice date", "Due", "When", "Paid", "Billed"],
        figures: |item| (vec![shown_or_dash(&item.now.settled), shown(&item.now.amount)], billed(item)),
    },
    Table {
        kind: ChangeKind::InvoiceOverdue,
        title: "Overdue",
        words: ("invoice overdue", "invoices overdue"),
        columns: ["Company", "Invoice date", "Due", "Since", "Billed", "Still to pay"],
        figures: |item| {
            let owed = owed(item);
            let text = owed.map_or_else(|| shown(&item.now.amount), |money| money.to_string());
            (vec![shown(&item.now.amount), text], owed)
        },
    },
];

/// The headlines and the tables of what is news about invoices and payments.
pub(super) fn sections(items: &[Item], scene: &Scene<'_>) -> Result<(Vec<String>, Vec<Section>), SumTooLarge> {
    let mut headlines = Vec::new();
    let mut sections = Vec::new();
    for table in &TABLES {
        let rows = invoices(items, table)
            .map(|(item, at)| {
                let (figures, money) = (table.figures)(item);
                let mut row = invoice_row(item, at, figures, scene);
                if !item.now.billable {
                    row.notes.push("not billable, so not added up".to_owned());
                }
                (row, money.filter(|_| item.now.billable))
            })
            .collect();
        if let Some(section) = section(table.title, &table.columns, 2, rows)? {
            headlines.push(headline(&section, table.words.0, table.words.1));
            sections.push(section);
        }
    }
    let (received, refunded) = if scene.has_payments { payments(items, scene) } else { receipts(items, scene) };
    for (rows, title, words) in [
        (received, "Money received", ("payment received", "payments received")),
        (refunded, "Refunds", ("refund", "refunds")),
    ] {
        if let Some(section) = section(title, &["Date", "When", "Amount"], 1, rows)? {
            headlines.push(headline(&section, words.0, words.1));
            sections.push(section);
        }
    }
    Ok((headlines, sections))
}

/// The invoices that a table is about, and when each came into it. What was created and voided before anybody was told
/// is only voided; what was part paid and is paid by now is only paid; what is overdue and was paid is not.
fn invoices<'i>(items: &'i [Item], table: &'i Table) -> impl Iterator<Item = (&'i Item, Timestamp)> {
    items
        .iter()
        .filter(|item| item.record.key.kind == Kind::Invoice && !is_closed_record(&item.now))
        .filter(|item| match table.kind {
            ChangeKind::InvoiceCreated => matches!(item.now.standing, Standing::Issued | Standing::Paid),
            ChangeKind::InvoicePartPaid | ChangeKind::InvoiceOverdue => item.now.standing == Standing::Issued,
            ChangeKind::InvoicePaid => item.now.standing == Standing::Paid,
            _ => item.now.standing == Standing::Voided,
        })
        .filter_map(|item| effective_at(item, &[table.kind]).map(|at| (item, at)))
}

fn invoice_row(item: &Item, at: Timestamp, figures: Vec<String>, scene: &Scene<'_>) -> Row {
    let company = item.record.company.as_deref().or_else(|| item.record.property("hs_invoice_latest_company_name"));
    let due = item.now.due.map_or_else(|| "—".to_owned(), |day| day.strftime("%-d %b %Y").to_string());
    let mut cells = vec![or_dash(company), business_date(item, at, scene), due, moment(at, scene)];
    cells.extend(figures);
    row(item, scene, cells)
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

/// Money received and refunded by the payment records.
fn payments(items: &[Item], scene: &Scene<'_>) -> (Rows, Rows) {
    let (mut received, mut refunded) = (Vec::new(), Vec::new());
    for item in items.iter().filter(|item| item.record.key.kind == Kind::Payment && !is_closed_record(&item.now)) {
        if let Some(at) = effective_at(item, &[ChangeKind::PaymentReceived]) {
            let cells = vec![business_date(item, at, scene), moment(at, scene), shown(&item.now.amount)];
            received.push((row(item, scene, cells), billed(item)));
        }
        if let Some(at) = effective_at(item, &[ChangeKind::PaymentRefunded]) {
            let before = item.was.as_ref().and_then(|was| was.position.settled.money.clone().ok());
            let money = difference(before, settled(item));
            let text = money.map_or_else(|| shown(&item.now.settled), |money| money.to_string());
            refunded.push((row(item, scene, vec![moment(at, scene), moment(at, scene), text]), money));
        }
    }
    (received, refunded)
}

/// Money received and given back by the invoices' paid amounts, for accounts without payment records.
fn receipts(items: &[Item], scene: &Scene<'_>) -> (Rows, Rows) {
    let (mut received, mut refunded) = (Vec::new(), Vec::new());
    for item in items.iter().filter(|item| item.record.key.kind == Kind::Invoice) {
        let before = item.was.as_ref().and_then(|was| was.position.settled.money.clone().ok());
        let Some(money) = difference(before, settled(item)) else { continue };
        let Some(at) = item.changes.iter().map(|change| change.effective_at).max() else { continue };
        let day = at.to_zoned(scene.rules.zone.clone()).strftime("%-d %b %Y").to_string();
        let cells = |money: Money| vec![day.clone(), moment(at, scene), money.to_string()];
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

/// What came on top of an earlier amount in the same currency; in another currency, all of it.
fn difference(before: Option<Money>, now: Option<Money>) -> Option<Money> {
    let now = now?;
    let before = before.filter(|before| before.currency() == now.currency()).map_or(0, Money::minor);
    Money::from_minor(now.minor().checked_sub(before)?, now.currency())
}
