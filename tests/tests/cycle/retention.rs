//! Raw deliveries are deleted once a day when they are older than they are kept, and nobody waits for that.

use hubspot_simulator::Kind;
use jiff::Timestamp;
use report_worker::store::{DeliveredEvent, Delivery, RawBody};
use serde_json::json;

use crate::away::{fill_disk, free_disk};
use crate::world::{NOW_MS, PORTAL, World};

const DAY_MS: i64 = 86_400_000;

/// How many deliveries and keys of events there are.
async fn held(world: &World) -> (u64, u64) {
    let (deliveries, taken) = world.app.store.taken_in().await.unwrap();
    (deliveries, taken.new_events)
}

#[tokio::test]
async fn deliveries_are_deleted_the_day_after_their_last_one_and_a_repeat_is_no_news() {
    let mut world = World::open(|_| {}).await;
    let deal = world.account().create(Kind::Deal, &[("amount", "1"), ("dealstage", "closedwon")]);
    let won = [world.event(Kind::Deal, deal, "creation", json!({}))];
    world.deliver(&won).await;
    world.clock.advance(1);
    world.create(Kind::Deal, &[("amount", "2"), ("dealstage", "closedwon")]).await;
    let border = world.clock.now_ms();
    assert_eq!(world.report().await.mails_sent, 1);

    // The second one is exactly as old as deliveries are kept.
    world.clock.advance(border + 400 * DAY_MS - world.clock.now_ms());
    let summary = world.cycle().await;
    assert_eq!((summary.deliveries_deleted, summary.problems.len(), held(&world).await), (1, 0, (1, 1)));
    assert_eq!(world.cycle_after(60).await.deliveries_deleted, 0, "once a day");
    assert_eq!(world.cycle_after(86_400).await.deliveries_deleted, 1);
    assert_eq!(held(&world).await, (0, 0));

    world.deliver(&won).await;
    let summary = world.report().await;
    assert_eq!((summary.events, summary.records_read), (1, 1), "nobody knows any more that it was here");
    assert_eq!((summary.changes, summary.reports, summary.mails_sent), (0, 0, 0));
}

#[tokio::test]
async fn kept_for_ever_they_stay() {
    let mut world = World::open(|_| {}).await;
    world.app.settings.deliveries_kept_for = None;
    world.create(Kind::Deal, &[("amount", "1"), ("dealstage", "closedwon")]).await;
    world.report().await;
    assert!(world.cycle_after(9_000 * 86_400).await.deliveries_deleted == 0 && held(&world).await == (1, 1));
}

#[tokio::test]
async fn what_was_interrupted_goes_on_and_holds_no_mail_back() {
    let mut world = World::open(|_| {}).await;
    for amount in ["1", "2"] {
        world.create(Kind::Deal, &[("amount", amount), ("dealstage", "closedwon")]).await;
    }
    world.cycle().await;
    fill_disk(&world, "DELETE ON events", "TRUE").await;
    world.clock.advance(500 * DAY_MS);
    let summary = world.cycle().await;
    assert_eq!((summary.reports, summary.mails_sent, summary.deliveries_deleted), (1, 1, 2));
    assert!(matches!(&summary.problems[..], [problem] if problem.starts_with("retention: ")), "{summary:?}");
    assert_eq!(held(&world).await, (0, 2));
    free_disk(&world).await;
    assert_eq!((world.cycle_after(60).await.problems.len(), held(&world).await), (0, (0, 0)));
}

#[tokio::test]
async fn much_is_deleted_over_several_cycles() {
    let world = World::open(|_| {}).await;
    let received_at = Timestamp::from_millisecond(NOW_MS).unwrap();
    let (mut number, mut deliveries) = (0_u128, Vec::new());
    while number < 11_000 {
        let events = (0..100).map(|member| {
            number += 1;
            let dedupe_key = number.to_be_bytes();
            DeliveredEvent {
                portal_id: PORTAL,
                dedupe_key,
                member,
                occurred_at: received_at,
                records: vec![],
                wanted_as_of: None,
            }
        });
        deliveries.push(Delivery {
            events: events.collect(),
            id: number.to_be_bytes(),
            received_at,
            signature_version: "v3".to_owned(),
            correlation_id: None,
            body: RawBody::Plain(vec![]),
            set_aside: vec![],
        });
    }
    world.app.store.take_in(&deliveries, received_at).await.unwrap();
    world.clock.advance(401 * DAY_MS);
    let summary = world.cycle().await;
    assert_eq!((summary.deliveries_deleted, held(&world).await), (110, (0, 11_000 - 20 * 512)));
    assert!(summary.next_at.is_some_and(|next| next <= world.now()), "it goes on at once");
    let summary = world.cycle_when_due().await;
    assert_eq!((held(&world).await, summary.problems.len()), ((0, 0), 0));
    assert!(world.cycle_when_due().await.next_at.is_none_or(|next| next > world.now()));
}
