//! A reading older than the event is repeated, for up to five minutes, and never replaces a newer one.

use hubspot_simulator::Kind;
use jiff::SignedDuration;
use report_worker::domain::record::{self, RecordKey};
use report_worker::store::{DeliveredEvent, Delivery, RawBody};
use serde_json::json;

use crate::world::{PORTAL, World, row, titles};

const READ_DEALS: &str = "POST /crm/objects/deals/batch/read";

/// Runs cycles every second and tells after how many seconds a deal was read.
async fn reads(world: &World, seconds: i64) -> Vec<i64> {
    let mut reads = Vec::new();
    for second in 0..seconds {
        let before = world.calls(READ_DEALS);
        assert_eq!(world.cycle().await.problems, [""; 0]);
        reads.extend((world.calls(READ_DEALS) > before).then_some(second));
        world.clock.advance(1_000);
    }
    reads
}

#[tokio::test]
async fn an_old_reading_is_repeated_after_2_10_and_60_seconds() {
    let mut deal = 0;
    let mut world = World::open(|account| deal = account.create(Kind::Deal, &[("amount", "100")])).await;
    world.arm("stale-reads:20s");
    world.set(Kind::Deal, deal, &[("dealstage", "closedwon")]).await;
    assert_eq!(reads(&world, 100).await, [0, 2, 12, 72]);
    assert_eq!(world.changes().await, ["deal.won"]);
    assert!(!world.stored(record::Kind::Deal, deal).await.unwrap().unsettled);
}

#[tokio::test]
async fn after_five_minutes_a_reading_is_accepted_and_the_report_says_so() {
    let mut deal = 0;
    let mut world = World::open(|account| deal = account.create(Kind::Deal, &[("amount", "100")])).await;
    world.set(Kind::Deal, deal, &[("dealstage", "closedwon")]).await;
    world.cycle().await;
    world.clock.advance(10_000);
    // HubSpot shows the deal as it was after it was won and before its amount changed, and never anything newer.
    let event = world.changed(Kind::Deal, deal, "amount");
    world.deliver(&[event]).await;
    assert_eq!(reads(&world, 400).await, [0, 2, 12, 72, 132, 192, 252, 300]);
    assert!(world.stored(record::Kind::Deal, deal).await.unwrap().unsettled);
    let note = "HubSpot did not show the announced change within 5 minutes; figures as last read";
    assert_eq!(row(&world.newest("closed-deals").await, "Won").notes, [note]);
}

#[tokio::test]
async fn an_event_stamped_a_moment_after_its_change_is_settled_after_two_more_looks() {
    let mut deal = 0;
    let mut world = World::open(|account| deal = account.create(Kind::Deal, &[("amount", "100")])).await;
    world.set(Kind::Deal, deal, &[("dealstage", "closedwon")]).await;
    world.cycle().await;
    // HubSpot will never show anything newer than the won stage; this event is stamped half a second later.
    world.clock.advance(500);
    let event = world.changed(Kind::Deal, deal, "amount");
    world.deliver(&[event]).await;
    assert_eq!(reads(&world, 100).await, [0, 2, 12]);
    assert!(!world.stored(record::Kind::Deal, deal).await.unwrap().unsettled);
}

#[tokio::test]
async fn a_deletion_that_still_reads_as_live_is_waited_for() {
    let mut deal = 0;
    let mut world = World::open(|account| deal = account.create(Kind::Deal, &[("dealstage", "closedwon")])).await;
    world.clock.advance(10_000);
    let event = world.event(Kind::Deal, deal, "deletion", json!({ "changeFlag": "DELETED" }));
    world.deliver(&[event]).await;
    assert_eq!(reads(&world, 2).await, [0]);
    world.account().archive(Kind::Deal, deal);
    assert_eq!(reads(&world, 1).await, [0]);
    assert_eq!(world.changes().await, ["record.archived"]);
}

#[tokio::test]
async fn a_reading_from_before_the_newest_one_is_unsettled_too_and_replaces_nothing() {
    let mut deal = 0;
    let mut world = World::open(|account| deal = account.create(Kind::Deal, &[("amount", "100")])).await;
    world.set(Kind::Deal, deal, &[("dealstage", "closedwon")]).await;
    world.cycle().await;
    let newest = world.stored(record::Kind::Deal, deal).await.unwrap();
    world.arm("stale-reads:1800s");
    // What may not move the modification time is not waited for.
    let event = world.event(
        Kind::Deal,
        deal,
        "associationChange",
        json!({
            "fromObjectId": deal, "toObjectId": 5, "fromObjectTypeId": "0-3", "toObjectTypeId": "0-2",
        }),
    );
    world.deliver(&[event]).await;
    assert_eq!(world.cycle_after(1).await.records_read, 1);
    assert_eq!(world.stored(record::Kind::Deal, deal).await.unwrap(), newest);
    world.set(Kind::Deal, deal, &[("amount", "250")]).await;
    assert_eq!(reads(&world, 400).await.last(), Some(&300));
    let stored = world.stored(record::Kind::Deal, deal).await.unwrap();
    assert_eq!((stored.record, stored.unsettled), (newest.record, true));
}

#[tokio::test]
async fn an_event_during_the_read_is_not_lost() {
    let mut deal = 0;
    let mut world = World::open(|account| deal = account.create(Kind::Deal, &[("amount", "100")])).await;
    world.set(Kind::Deal, deal, &[("dealstage", "closedwon")]).await;
    world.arm("slow-api:500ms");
    let before = world.calls(READ_DEALS);
    let cycle = world.cycle();
    tokio::pin!(cycle);
    let asked = async {
        while world.calls(READ_DEALS) == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = &mut cycle => panic!("the reading takes longer"),
        () = asked => {}
    }
    let occurred_at = world.now();
    let event = DeliveredEvent {
        portal_id: PORTAL,
        dedupe_key: [1; 16],
        member: 0,
        occurred_at,
        records: vec![RecordKey { portal_id: PORTAL, kind: record::Kind::Deal, id: deal }],
        wanted_as_of: Some(occurred_at),
    };
    let delivery = Delivery {
        id: [2; 16],
        received_at: occurred_at,
        signature_version: "v3".into(),
        correlation_id: None,
        body: RawBody::Plain(vec![]),
        events: vec![event],
        set_aside: vec![],
    };
    world.app.store.take_in(&[delivery], occurred_at).await.unwrap();
    assert_eq!(cycle.await.records_read, 2, "the deal is read again in the same cycle");
    assert_eq!(world.app.store.waiting(PORTAL).await.unwrap(), (0, None));
}

#[tokio::test]
async fn nothing_is_reported_while_a_record_is_waited_for_but_for_15_minutes_at_most() {
    let mut deal = 0;
    let mut world = World::open(|account| deal = account.create(Kind::Deal, &[("amount", "100")])).await;
    world.set(Kind::Deal, deal, &[("dealstage", "closedwon")]).await;
    let won_at = world.now();
    world.cycle().await;
    // Every four minutes HubSpot announces something that it does not show.
    for _ in 0..3 {
        world.clock.advance(240_000);
        let event = world.changed(Kind::Deal, deal, "amount");
        world.deliver(&[event]).await;
        assert_eq!(world.cycle().await.reports, 0);
    }
    let summary = world.cycle_after(179).await;
    assert_eq!(summary.reports, 0, "a second before the 15 minutes are over");
    assert!(summary.next_at.is_some_and(|next| next <= won_at + SignedDuration::from_mins(15)));
    assert_eq!(world.cycle_after(1).await.reports, 1);
    assert_eq!(titles(&world.newest("closed-deals").await), ["Won"]);
}
