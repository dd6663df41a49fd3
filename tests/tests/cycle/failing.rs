//! HubSpot fails over some records and answers for others: those that it fails over wait, and nobody waits for them.

use std::time::Duration;

use hubspot_simulator::{Kind, Settings};
use report_worker::domain::record;
use report_worker::store::Due;
use serde_json::{Value, json};

use crate::world::{PORTAL, World, crm_within};

/// So many new deals whose events were delivered. HubSpot fails over the oldest record of a kind, which the first deal is.
async fn poisoned(deals: usize) -> (World, Vec<i64>) {
    let mut world = World::open(|account| {
        account.create(Kind::Invoice, &[]);
    })
    .await;
    world.app.crm = crm_within(&world.simulator, &Settings::default().access_token, Duration::from_secs(60));
    let ids: Vec<i64> = (0..deals).map(|_| world.account().create(Kind::Deal, &[("amount", "1")])).collect();
    let events: Vec<Value> = ids.iter().map(|id| world.event(Kind::Deal, *id, "creation", json!({}))).collect();
    for events in events.chunks(100) {
        world.deliver(events).await;
    }
    world.arm("poisoned-record:100000");
    (world, ids)
}

/// Everything that is due now or later.
async fn due(world: &World) -> Vec<Due> {
    let later = world.now() + Duration::from_secs(1_000_000);
    world.app.store.due(PORTAL, &record::Kind::ALL, later, 5_000).await.unwrap()
}

/// Until the last of what is due is to be read, in seconds.
async fn wait_s(world: &World) -> i64 {
    due(world)
        .await
        .iter()
        .map(|due| due.next_at.duration_since(world.now()).as_millis())
        .max()
        .map_or(0, |ms| i64::try_from(ms).unwrap() / 1_000)
}

#[tokio::test]
async fn what_hubspot_always_fails_over_is_left_alone_and_the_others_get_through() {
    let (mut world, deals) = poisoned(150).await;
    let invoice = world.create(Kind::Invoice, &[("hs_invoice_status", "open")]).await;
    let summary = world.cycle().await;
    assert_eq!((summary.records_read, due(&world).await.len()), (51, 100), "the other group, and the other kind");
    assert!(matches!(&summary.problems[..], [problem] if problem.starts_with("enrich: ")), "{summary:?}");
    assert!(world.stored(record::Kind::Invoice, invoice).await.is_some());
    // In tens, then alone, and then less and less often.
    for (left, seconds) in [(100, 10), (10, 30), (1, 60), (1, 120), (1, 240), (1, 480)] {
        let wait = wait_s(&world).await;
        assert!(due(&world).await.len() == left && (seconds..=seconds * 3 / 2).contains(&wait), "{left}: {wait} s");
        assert_eq!(world.cycle_after(wait).await.records_read, 0, "not before its time");
        world.cycle_after(1).await;
    }
    for _ in 0..4 {
        world.cycle_after(wait_s(&world).await + 1).await;
    }
    assert!((3_600..=5_400).contains(&wait_s(&world).await), "at most an hour and a half");

    // Asked for again it is read at once, but not together with others.
    for deal in &deals[..2] {
        world.set(Kind::Deal, *deal, &[("amount", "2")]).await;
    }
    assert_eq!(world.cycle().await.records_read, 1);
    assert!(matches!(&due(&world).await[..], [due] if due.record.id == deals[0] && due.failures > 8));
    world.simulator.faults().clear();
    let last = world.cycle_after(wait_s(&world).await + 1).await;
    assert_eq!((last.records_read, last.problems.len(), due(&world).await.len()), (1, 0, 0));
    let counted = world.ask("SELECT CAST(failures AS CHAR) FROM due WHERE failures > 0").await;
    assert!(counted.is_empty(), "what was read is as good as any other: {counted:?}");
}

#[tokio::test]
async fn what_is_alone_due_and_poisoned_is_taken_apart_too() {
    let (world, _) = poisoned(20).await;
    let mut read = 0;
    for _ in 0..3 {
        read += world.cycle_after(wait_s(&world).await + 1).await.records_read;
    }
    assert_eq!((read, due(&world).await.len()), (19, 1));
}

#[tokio::test]
async fn while_hubspot_is_away_it_is_nobodys_fault() {
    let (world, _) = poisoned(1_500).await;
    world.arm("server-error:1000000");
    for minute in 1..=3 {
        let summary = world.cycle_after(60).await;
        assert_eq!((summary.records_read, summary.problems.len()), (0, 1));
        let failed = due(&world).await.iter().filter(|due| due.failures > 0).count();
        assert!((1..=minute * 100).contains(&failed), "{failed} after {minute} min");
    }
    world.simulator.faults().clear();
    world.clock.advance(60_000);
    assert_eq!((world.cycle().await.problems.len(), due(&world).await.len()), (0, 0));
}
