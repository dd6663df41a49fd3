//! Money received: by payment records where the account has them, else by the invoices' paid amounts, never both.

use std::time::Duration;

use hubspot_simulator::{Account, Kind};
use report_worker::cycle;
use serde_json::json;

use crate::world::{NOW_MS, World, names, row, section};

const OPEN: [(&str, &str); 3] = [("hs_invoice_status", "open"), ("hs_amount_billed", "100"), ("hs_number", "INV-7")];

#[tokio::test]
async fn without_payment_records_the_paid_amounts_count() {
    let mut world = World::open(|_| {}).await;
    let invoice = world.create(Kind::Invoice, &OPEN).await;
    world.report().await;
    for (paid, status, title, amount) in [
        ("30", "open", "Money received", "€30.00"),
        ("100", "paid", "Money received", "€70.00"),
        ("80", "paid", "Refunds", "€20.00"),
    ] {
        world.set(Kind::Invoice, invoice, &[("hs_amount_paid", paid), ("hs_invoice_status", status)]).await;
        assert_eq!(world.report().await.reports, 1);
        let document = world.newest("invoices").await;
        let row = row(&document, title);
        assert_eq!((row.name.as_str(), row.cells.last().unwrap().as_str()), ("INV-7", amount));
    }
}

/// An account that kept a payment record before the books were opened.
fn with_a_payment(account: &Account) {
    let invoice = account.create(Kind::Invoice, &[("hs_invoice_status", "open"), ("hs_amount_billed", "9")]);
    account.pay(invoice, "9", "R-0");
}

#[tokio::test]
async fn the_first_payment_record_of_an_account_does_not_tell_a_receipt_again() {
    let mut world = World::open(|_| {}).await;
    let invoice = world.create(Kind::Invoice, &OPEN).await;
    world.report().await;
    let payment = world.account().pay(invoice, "30", "R-1");
    let paid = world.changed(Kind::Invoice, invoice, "hs_amount_paid");
    world.deliver(&[paid]).await;
    world.report().await;
    assert_eq!(section(&world.newest("invoices").await, "Money received").unwrap().totals, ["€30.00"]);
    let mails = world.subjects().len();
    let late = world.event(Kind::Payment, payment, "creation", json!({}));
    world.deliver(&[late]).await;
    world.report().await;
    assert_eq!(world.subjects().len(), mails, "it was told by the invoice");
    let second = world.account().pay(invoice, "20", "R-2");
    let events = [
        world.changed(Kind::Invoice, invoice, "hs_amount_paid"),
        world.event(Kind::Payment, second, "creation", json!({})),
    ];
    world.deliver(&events).await;
    world.report().await;
    assert_eq!(section(&world.newest("invoices").await, "Money received").unwrap().totals, ["€20.00"]);
}

/// What happens while the cycle that opens the books is at work is later than that cycle, and may be in its report all the same.
#[tokio::test]
async fn what_is_paid_while_the_books_are_opened_is_never_given_back() {
    let mut world = World::new(|choice| choice.quiet = Duration::ZERO).await;
    let past = world.account().in_the_past(NOW_MS - 86_400_000);
    with_a_payment(&past);
    let invoice = past.create(Kind::Invoice, &OPEN);
    let first = world.account().pay(invoice, "30", "R-1");
    let began_before = world.now() - Duration::from_secs(1);
    let summary = cycle::run_once(&world.app, began_before).await;
    assert_eq!((summary.reports, &summary.problems[..]), (1, &[][..]));
    world.clock.advance(60_000);
    let second = world.account().pay(invoice, "20", "R-2");
    let events = [
        world.event(Kind::Payment, first, "creation", json!({})),
        world.changed(Kind::Invoice, invoice, "hs_amount_paid"),
        world.event(Kind::Payment, second, "creation", json!({})),
    ];
    world.deliver(&events).await;
    assert_eq!(world.cycle().await.problems, [""; 0]);
    let documents = world.documents("invoices").await;
    assert!(documents.iter().all(|document| section(document, "Refunds").is_none()), "{documents:?}");
    let received = documents.iter().filter_map(|document| section(document, "Money received"));
    assert_eq!(received.flat_map(|section| section.totals.clone()).collect::<Vec<_>>(), ["€30.00", "€20.00"]);
}

#[tokio::test]
async fn a_payment_that_fails_after_all_is_taken_back() {
    let mut world = World::open(with_a_payment).await;
    let invoice = world.create(Kind::Invoice, &OPEN).await;
    let payment = world.account().pay(invoice, "30", "R-1");
    let created = world.event(Kind::Payment, payment, "creation", json!({}));
    world.deliver(&[created]).await;
    world.report().await;
    world.set(Kind::Payment, payment, &[("hs_latest_status", "failed")]).await;
    world.report().await;
    let document = world.newest("invoices").await;
    let taken_back = row(&document, "Corrections");
    assert_eq!((taken_back.name.as_str(), taken_back.cells[0].as_str()), ("Payment for INV-7", "failed"));
    assert_eq!(taken_back.cells.last().unwrap(), "−€30.00");
}

#[tokio::test]
async fn with_payment_records_only_they_count() {
    let mut world = World::open(with_a_payment).await;
    let invoice = world.create(Kind::Invoice, &OPEN).await;
    world.report().await;
    let payment = world.account().pay(invoice, "30", "R-1");
    let events = [
        world.changed(Kind::Invoice, invoice, "hs_amount_paid"),
        world.event(Kind::Payment, payment, "creation", json!({})),
    ];
    world.deliver(&events).await;
    assert_eq!(world.report().await.reports, 1);
    let document = world.newest("invoices").await;
    let received = section(&document, "Money received").unwrap();
    assert_eq!(names(received), ["Payment for INV-7"]);
    assert_eq!(received.totals, ["€30.00"]);
    assert!(section(&document, "Part paid").is_some());

    world.set(Kind::Payment, payment, &[("hs_refunds_amount", "10"), ("hs_latest_status", "partially_refunded")]).await;
    world.report().await;
    world.set(Kind::Payment, payment, &[("hs_refunds_amount", "30"), ("hs_latest_status", "refunded")]).await;
    world.report().await;
    let documents = world.documents("invoices").await;
    let refunds: Vec<&str> =
        documents[documents.len() - 2..].iter().map(|it| row(it, "Refunds").cells.last().unwrap().as_str()).collect();
    assert_eq!(refunds, ["€10.00", "€20.00"]);
}

#[tokio::test]
async fn a_paid_amount_that_follows_the_status_is_received_too() {
    let mut world = World::open(|_| {}).await;
    let invoice = world.create(Kind::Invoice, &OPEN).await;
    world.report().await;
    world.set(Kind::Invoice, invoice, &[("hs_invoice_status", "paid")]).await;
    world.report().await;
    world.set(Kind::Invoice, invoice, &[("hs_amount_paid", "100")]).await;
    assert_eq!(world.report().await.reports, 1);
    assert_eq!(row(&world.newest("invoices").await, "Money received").cells.last().unwrap(), "€100.00");
}

#[tokio::test]
async fn another_currency_gives_the_told_money_back_before_it_counts_anew() {
    let mut world = World::open(|_| {}).await;
    let invoice = world.create(Kind::Invoice, &[OPEN[0], OPEN[1], OPEN[2], ("hs_currency", "EUR")]).await;
    world.set(Kind::Invoice, invoice, &[("hs_amount_paid", "30")]).await;
    world.report().await;
    world.set(Kind::Invoice, invoice, &[("hs_currency", "USD")]).await;
    world.report().await;
    let document = world.newest("invoices").await;
    assert_eq!(section(&document, "Refunds").unwrap().totals, ["€30.00"]);
    assert_eq!(section(&document, "Money received").unwrap().totals, ["$30.00"]);
    assert_eq!(section(&document, "Corrections").unwrap().totals, ["−€100.00", "$100.00"]);
}
