//! The midnight step of the reporting zone: overdue, once per invoice and due date.

use hubspot_simulator::Kind;
use jiff::Timestamp;

use crate::world::{NOW_MS, World, row, section};

/// Moves the clock to a moment and runs a cycle there.
async fn at(world: &World, moment: &str) -> report_worker::cycle::Summary {
    let moment: Timestamp = moment.parse().unwrap();
    world.clock.advance(moment.as_millisecond() - world.clock.now_ms());
    let summary = world.cycle().await;
    assert_eq!(summary.problems, [""; 0]);
    summary
}

fn invoice<'v>(due: &'v str, billed: &'v str) -> [(&'static str, &'v str); 3] {
    [("hs_invoice_status", "open"), ("hs_amount_billed", billed), ("hs_due_date", due)]
}

#[tokio::test]
async fn an_invoice_is_overdue_from_midnight_in_berlin_once_per_due_date() {
    let mut id = 0;
    // The last millisecond of 24 November in Berlin.
    let mut world =
        World::open(|account| id = account.create(Kind::Invoice, &invoice("2026-11-24T22:59:59.999Z", "80"))).await;
    for (moment, expected) in [
        ("2026-11-24T22:59:59Z", 0),
        ("2026-11-24T23:00:00Z", 1),
        ("2026-11-24T23:10:00Z", 0),
        ("2026-11-25T23:10:00Z", 0),
    ] {
        assert_eq!(at(&world, moment).await.changes, expected, "{moment}");
    }
    let document = world.newest("invoices").await;
    assert_eq!(row(&document, "Overdue").cells[2..], ["24 Nov 2026", "25 Nov 2026 00:00", "€80.00", "€80.00"]);

    world.set(Kind::Invoice, id, &[("hs_due_date", "2026-11-30T22:59:59.999Z")]).await;
    assert_eq!(world.report().await.changes, 0);
    assert_eq!(at(&world, "2026-11-30T23:00:00Z").await.changes, 1, "another due date, another change");
    assert_eq!(at(&world, "2026-11-30T23:30:00Z").await.reports, 1);
}

#[tokio::test]
async fn nothing_is_overdue_that_was_before_or_is_paid_by_then() {
    let mut paid = 0;
    let mut world = World::open(|account| {
        account.create(Kind::Invoice, &invoice("2026-11-20T22:59:59.999Z", "10"));
        paid = account.create(Kind::Invoice, &invoice("2026-11-22T22:59:59.999Z", "20"));
        account.create(Kind::Invoice, &[("hs_invoice_status", "draft"), ("hs_due_date", "2026-11-22T22:59:59.999Z")]);
        let part = account.create(Kind::Invoice, &invoice("2026-11-22T22:59:59.999Z", "30"));
        account.set(Kind::Invoice, part, &[("hs_amount_paid", "12")]);
    })
    .await;
    world.set(Kind::Invoice, paid, &[("hs_amount_paid", "20"), ("hs_invoice_status", "paid")]).await;
    world.report().await;
    assert_eq!(at(&world, "2026-11-22T23:00:30Z").await.changes, 1);
    assert_eq!(at(&world, "2026-11-22T23:06:00Z").await.reports, 1);
    assert_eq!(row(&world.newest("invoices").await, "Overdue").cells[4..], ["€30.00", "€18.00"]);
}

#[tokio::test]
async fn paid_after_midnight_and_before_the_report_is_only_paid() {
    let mut id = 0;
    let mut world =
        World::open(|account| id = account.create(Kind::Invoice, &invoice("2026-11-22T22:59:59.999Z", "80"))).await;
    assert_eq!(at(&world, "2026-11-22T23:00:01Z").await.changes, 1);
    world.set(Kind::Invoice, id, &[("hs_amount_paid", "80"), ("hs_invoice_status", "paid")]).await;
    world.report().await;
    let document = world.newest("invoices").await;
    assert!(section(&document, "Paid").is_some() && section(&document, "Overdue").is_none());
}

#[tokio::test]
async fn midnight_moves_with_daylight_saving() {
    // Berlin's clocks go back on 25 October 2026: midnight is 22:00 UTC before and 23:00 UTC after.
    let october: Timestamp = "2026-10-20T10:00:00Z".parse().unwrap();
    let earlier = october.as_millisecond() - NOW_MS;
    let world = World::new(|_| {}).await;
    world.clock.advance(earlier);
    let account = world.account().in_the_past(world.clock.now_ms() - 3_600_000);
    account.create(Kind::Invoice, &invoice("2026-10-24T21:59:59.999Z", "24"));
    account.create(Kind::Invoice, &invoice("2026-10-25T22:59:59.999Z", "25"));
    world.cycle().await;
    for (moment, expected) in [
        ("2026-10-24T21:59:59Z", 0),
        ("2026-10-24T22:00:00Z", 1),
        ("2026-10-25T22:00:00Z", 0),
        ("2026-10-25T22:59:59Z", 0),
        ("2026-10-25T23:00:00Z", 1),
    ] {
        assert_eq!(at(&world, moment).await.changes, expected, "{moment}");
    }
    let since = world.ask("SELECT business_date FROM changes ORDER BY effective_at").await;
    assert_eq!(since, ["2026-10-25", "2026-10-26"]);
}

#[tokio::test]
async fn every_invoice_is_overdue_however_many_there_are() {
    let due = invoice("2026-11-22T22:59:59.999Z", "10");
    // Three times what is looked at in one go.
    let world = World::open(|account| {
        for _ in 0..600 {
            account.create(Kind::Invoice, &due);
        }
    })
    .await;
    assert_eq!(at(&world, "2026-11-22T23:00:30Z").await.changes, 600);
    assert_eq!(at(&world, "2026-11-23T23:00:30Z").await.changes, 0);
}
