//! What ends the waiting for a record: gone, forbidden, archived, merged. A later event asks again.

use hubspot_simulator::Kind;
use report_worker::domain::record;
use report_worker::store::RecordState;

use crate::world::{PORTAL, World, row, titles};

const READ_DEALS: &str = "POST /crm/objects/deals/batch/read";

/// A world with a deal that was told as won.
async fn told(amount: &str) -> (World, i64) {
    let mut world = World::open(|_| {}).await;
    let values = [("dealname", "Roof"), ("amount", amount), ("dealstage", "closedwon")];
    let deal = world.create(Kind::Deal, &values).await;
    assert_eq!(world.report().await.reports, 1);
    (world, deal)
}

async fn state(world: &World, deal: i64) -> RecordState {
    world.stored(record::Kind::Deal, deal).await.unwrap().state
}

#[tokio::test]
async fn gone_is_written_down_after_two_more_looks() {
    let (mut world, deal) = told("100").await;
    world.account().delete_for_good(Kind::Deal, deal);
    let event = world.event(Kind::Deal, deal, "deletion", serde_json::json!({}));
    world.deliver(&[event]).await;
    for (wait, expected) in [(0, RecordState::Known), (2, RecordState::Known), (10, RecordState::Gone)] {
        let summary = world.cycle_after(wait).await;
        assert_eq!(state(&world, deal).await, expected, "after {wait} s more");
        assert_eq!(summary.changes, u64::from(expected == RecordState::Gone));
    }
    assert_eq!(world.app.store.waiting(PORTAL).await.unwrap(), (0, None));
    world.cycle_after(300).await;
    assert_eq!(row(&world.newest("closed-deals").await, "Corrections").cells[2..], ["€100.00", "archived", "−€100.00"]);

    let event = world.changed(Kind::Deal, deal, "amount");
    world.deliver(&[event]).await;
    let before = world.calls(READ_DEALS);
    world.cycle_after(1).await;
    assert!(world.calls(READ_DEALS) > before, "a later event asks again");
    for wait in [2, 10, 600] {
        assert_eq!(world.cycle_after(wait).await.changes, 0, "and it is gone only once");
    }
}

#[tokio::test]
async fn a_record_that_can_be_read_only_moments_after_its_event_is_not_gone() {
    let mut world = World::open(|_| {}).await;
    world.arm("late-record:11s");
    let deal = world.create(Kind::Deal, &[("amount", "5"), ("dealstage", "closedwon")]).await;
    for wait in [0, 2] {
        assert_eq!(world.cycle_after(wait).await.changes, 0);
        assert!(world.stored(record::Kind::Deal, deal).await.is_none());
    }
    assert_eq!(world.cycle_after(10).await.changes, 1);
    assert_eq!(state(&world, deal).await, RecordState::Known);
}

#[tokio::test]
async fn forbidden_ends_the_waiting_and_a_later_event_asks_again() {
    let (mut world, deal) = told("100").await;
    world.account().deny(Kind::Deal);
    world.set(Kind::Deal, deal, &[("amount", "150")]).await;
    let invoice = world.create(Kind::Invoice, &[("hs_amount_billed", "9"), ("hs_invoice_status", "open")]).await;
    let summary = world.cycle().await;
    assert_eq!(summary.problems, [""; 0]);
    assert_eq!((summary.changes, state(&world, deal).await), (1, RecordState::Forbidden), "the invoice goes on");
    assert!(world.stored(record::Kind::Invoice, invoice).await.is_some());
    assert_eq!(world.app.store.waiting(PORTAL).await.unwrap(), (0, None));
    world.account().allow(Kind::Deal);
    let event = world.changed(Kind::Deal, deal, "dealname");
    world.deliver(&[event]).await;
    assert_eq!(world.cycle_after(1).await.changes, 1, "the amount that changed meanwhile");
    assert_eq!(state(&world, deal).await, RecordState::Known);
}

#[tokio::test]
async fn archived_and_restored_are_told_each_time() {
    let (mut world, deal) = told("100").await;
    for _ in 0..2 {
        world.clock.advance(1_000);
        world.archive(Kind::Deal, deal).await;
        assert_eq!(world.report().await.reports, 1);
        assert_eq!(state(&world, deal).await, RecordState::Archived);
        let document = world.newest("closed-deals").await;
        assert_eq!(row(&document, "Corrections").cells[0], "archived");
        assert_eq!(row(&document, "Corrections").cells[2..], ["€100.00", "archived", "−€100.00"]);
        world.clock.advance(1_000);
        world.restore(Kind::Deal, deal).await;
        assert_eq!(world.report().await.reports, 1);
        assert_eq!(state(&world, deal).await, RecordState::Known);
        assert_eq!(row(&world.newest("closed-deals").await, "Won").cells[4], "€100.00");
    }
}

#[tokio::test]
async fn a_restored_invoice_counts_again() {
    let mut world = World::open(|_| {}).await;
    let invoice = world.create(Kind::Invoice, &[("hs_amount_billed", "80"), ("hs_invoice_status", "open")]).await;
    world.report().await;
    world.archive(Kind::Invoice, invoice).await;
    world.report().await;
    world.restore(Kind::Invoice, invoice).await;
    assert_eq!(world.report().await.reports, 1);
    let document = world.newest("invoices").await;
    assert_eq!(row(&document, "Corrections").cells[2..], ["archived", "€80.00", "€80.00"]);
}

#[tokio::test]
async fn a_merge_closes_the_loser_reads_the_winner_and_is_one_correction() {
    let (mut world, loser) = told("100").await;
    let values = [("dealname", "Barn"), ("amount", "70"), ("dealstage", "closedwon")];
    let winner = world.create(Kind::Deal, &values).await;
    world.report().await;
    world.account().set(Kind::Deal, winner, &[("amount", "90")]);
    world.merge(Kind::Deal, winner, loser).await;
    let summary = world.report().await;
    assert_eq!((summary.changes, summary.reports), (2, 1));
    assert_eq!(state(&world, loser).await, RecordState::Merged { into: winner });
    assert_eq!(state(&world, winner).await, RecordState::Known);
    let document = world.newest("closed-deals").await;
    assert_eq!(titles(&document), ["Corrections"]);
    let row = row(&document, "Corrections");
    assert_eq!(row.cells[2..], ["€170.00", "€90.00", "−€80.00"]);
    assert_eq!(row.notes[0], "merged from Roof");

    let event = world.changed(Kind::Deal, loser, "amount");
    world.deliver(&[event]).await;
    assert_eq!(world.report().await.changes, 0, "merged only once");
}

#[tokio::test]
async fn a_chain_of_merges_loses_no_loser() {
    let (mut world, first) = told("100").await;
    let second = world.create(Kind::Deal, &[("amount", "20"), ("dealstage", "closedwon")]).await;
    let third = world.create(Kind::Deal, &[("amount", "3"), ("dealstage", "closedwon")]).await;
    world.report().await;
    world.merge(Kind::Deal, second, first).await;
    world.cycle().await;
    world.clock.advance(1_000);
    world.merge(Kind::Deal, third, second).await;
    assert_eq!(world.report().await.reports, 1);
    assert_eq!(state(&world, first).await, RecordState::Merged { into: second });
    let document = world.newest("closed-deals").await;
    assert_eq!(row(&document, "Corrections").cells[2..], ["€123.00", "€3.00", "−€120.00"]);
}

#[tokio::test]
async fn a_lost_winner_that_is_won_since_is_counted_once() {
    let (mut world, loser) = told("100").await;
    let winner = world.create(Kind::Deal, &[("amount", "40"), ("dealstage", "closedlost")]).await;
    world.report().await;
    world.merge(Kind::Deal, winner, loser).await;
    world.set(Kind::Deal, winner, &[("dealstage", "closedwon")]).await;
    assert_eq!(world.report().await.reports, 1);
    let document = world.newest("closed-deals").await;
    assert_eq!(titles(&document), ["Corrections", "Won"]);
    assert_eq!(row(&document, "Corrections").cells[2..], ["€100.00", "—", "−€100.00"]);
    assert_eq!(row(&document, "Won").cells[4], "€40.00");
}
