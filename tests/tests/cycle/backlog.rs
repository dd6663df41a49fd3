//! More is due than a cycle reads: reports and mails have their turn all the same, and what they wait for comes first.

use std::time::Duration;

use hubspot_simulator::{Kind, Settings};
use report_worker::domain::record::{self, RecordKey};
use report_worker::store::Engine;
use serde_json::{Value, json};

use crate::world::{PORTAL, World, crm_within};

/// As many readings as are begun at once, of a hundred records each.
const AT_ONCE: u64 = 1_600;

/// A world whose turns end at once, with so many new deals whose events were delivered.
async fn behind(world: &mut World, deals: usize) {
    world.app.settings.reading_turn = Duration::ZERO;
    // A thousand records at once take the simulator its time.
    world.app.crm = crm_within(&world.simulator, &Settings::default().access_token, Duration::from_secs(60));
    let ids: Vec<i64> = (0..deals).map(|_| world.account().create(Kind::Deal, &[("amount", "1")])).collect();
    let events: Vec<Value> = ids.iter().map(|id| world.event(Kind::Deal, *id, "creation", json!({}))).collect();
    for events in events.chunks(100) {
        world.deliver(events).await;
    }
}

async fn due(world: &World) -> u64 {
    world.app.store.waiting(PORTAL).await.unwrap().0
}

#[tokio::test]
async fn a_mail_goes_out_before_the_backlog_is_read() {
    let mut world = World::open(|_| {}).await;
    world.create(Kind::Deal, &[("amount", "1"), ("dealstage", "closedwon")]).await;
    world.cycle().await;
    world.clock.advance(300_000);
    behind(&mut world, 1_700).await;
    let invoice = world.create(Kind::Invoice, &[("hs_invoice_status", "open")]).await;
    let summary = world.cycle().await;
    assert_eq!((summary.records_read, summary.reports, summary.mails_sent), (AT_ONCE + 1, 1, 1));
    assert!(world.stored(record::Kind::Invoice, invoice).await.is_some(), "no kind waits behind another");
    assert!(summary.next_at.is_some_and(|next| next <= world.now()), "the next cycle begins at once");
    assert_eq!(due(&world).await, 100);
    assert_eq!((world.cycle_when_due().await.problems.len(), due(&world).await), (0, 0));
    assert!(world.cycle_when_due().await.next_at.is_none_or(|next| next > world.now()));
}

#[tokio::test]
async fn a_queue_that_is_never_empty_does_not_keep_the_reports_waiting() {
    let mut world = World::open(|_| {}).await;
    world.app.settings.taking_in_turn = Duration::ZERO;
    world.create(Kind::Deal, &[("amount", "1"), ("dealstage", "closedwon")]).await;
    world.cycle().await;
    world.clock.advance(300_000);
    for _ in 0..50 {
        world.create(Kind::Deal, &[("amount", "1")]).await;
    }
    let summary = world.cycle().await;
    assert!((1..50).contains(&summary.deliveries), "{summary:?}");
    assert_eq!((summary.reports, summary.mails_sent), (1, 1));
    assert!(summary.next_at.is_some_and(|next| next <= world.now()), "the next cycle begins at once");
    let mut deliveries = summary.deliveries;
    while deliveries < 50 {
        let summary = world.cycle_when_due().await;
        assert!(summary.deliveries > 0, "{deliveries} of 50");
        deliveries += summary.deliveries;
    }
}

#[tokio::test]
async fn what_a_report_waits_for_is_read_first() {
    let mut world = World::open(|_| {}).await;
    let deal = world.create(Kind::Deal, &[("amount", "1"), ("dealstage", "closedwon")]).await;
    world.cycle().await;
    world.clock.advance(290_000);
    behind(&mut world, 3_300).await;
    world.cycle().await;
    world.clock.advance(5_000);
    world.set(Kind::Deal, deal, &[("amount", "2")]).await;
    let summary = world.cycle().await;
    assert_eq!((summary.records_read, summary.changes, due(&world).await), (AT_ONCE, 1, 101));
    assert_eq!(world.cycle_after(300).await.mails_sent, 1);
}

#[tokio::test]
async fn what_was_claimed_and_not_read_keeps_its_place() {
    let mut world = World::open(|_| {}).await;
    behind(&mut world, 1_700).await;
    let since = world.now();
    world.cycle().await;
    world.clock.advance(60_000);
    let due = world.app.store.due(PORTAL, &record::Kind::ALL, world.now(), 1_000).await.unwrap();
    assert_eq!((due.len(), due[0].next_at, due[99].next_at), (100, since, since));
    let [one, other] = [due[7].record, due[3].record];
    let unknown = RecordKey { id: 1, ..one };
    let times = (world.now(), world.now() + Duration::from_secs(60));
    let claim = async |limit| {
        world.app.store.claim_due(PORTAL, &record::Kind::ALL, &[unknown, one, other], times, limit).await.unwrap()
    };
    let claimed: Vec<RecordKey> = claim(3).await.iter().map(|due| due.record).collect();
    assert_eq!(claimed, [one, other, due[0].record]);
    let left = if world.app.store.engine() == Engine::MySql { 97 } else { 100 };
    assert_eq!(claim(999).await.len(), left);
}
