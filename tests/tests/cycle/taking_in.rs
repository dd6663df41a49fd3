//! Events only say which record to look at; what can never be taken in is put aside with its cause.

use hubspot_simulator::Kind;
use hubspot_webhook::door::Keys;
use hubspot_webhook::signature::Secret;
use report_worker::domain::record;
use serde_json::json;
use sqlx::{AnyConnection, Connection};

use crate::world::{PORTAL, World, envelope, keys};

const READ_DEALS: &str = "POST /crm/objects/deals/batch/read";

#[tokio::test]
async fn a_hundred_events_on_one_deal_are_one_read() {
    let mut deal = 0;
    let mut world = World::open(|account| deal = account.create(Kind::Deal, &[("dealname", "Roof")])).await;
    world.account().set(Kind::Deal, deal, &[("amount", "100"), ("dealstage", "closedwon")]);
    for _ in 0..10 {
        let events: Vec<_> = (0..10).map(|_| world.changed(Kind::Deal, deal, "amount")).collect();
        world.deliver(&events).await;
    }
    let before = world.calls(READ_DEALS);
    let summary = world.cycle().await;
    assert_eq!((summary.deliveries, summary.events, summary.records_read, summary.changes), (10, 100, 1, 1));
    assert_eq!(world.calls(READ_DEALS), before + 1);
    assert_eq!(world.cycle_after(60).await.records_read, 0, "nothing is left to read");
}

#[tokio::test]
async fn another_accounts_events_are_set_aside_with_the_cause_and_never_read() {
    let mut deal = 0;
    let mut world = World::open(|account| deal = account.create(Kind::Deal, &[])).await;
    let foreign = world.event(Kind::Deal, deal, "creation", json!({ "portalId": PORTAL + 1 }));
    let own = world.event(Kind::Deal, deal, "creation", json!({}));
    world.deliver(std::slice::from_ref(&foreign)).await;
    let summary = world.cycle().await;
    assert_eq!((summary.set_aside, summary.events, summary.records_read), (1, 0, 0));
    let cause = format!("of account {}; the access token is for {PORTAL}", PORTAL + 1);
    assert_eq!(world.ask("SELECT cause FROM set_aside").await, [cause]);
    assert!(world.ask("SELECT CAST(portal_id AS CHAR) FROM events").await.is_empty());

    world.deliver(&[foreign, own]).await;
    let summary = world.cycle_after(1).await;
    assert_eq!((summary.set_aside, summary.events, summary.records_read), (1, 1, 1), "its neighbour goes on");
}

#[tokio::test]
async fn what_can_never_be_taken_in_is_a_dead_letter_and_its_batch_goes_on() {
    let mut deal = 0;
    let mut world = World::open(|account| deal = account.create(Kind::Deal, &[])).await;
    let (queue, now) = (world.app.queue.clone(), world.now());
    let other_keys = Keys::new(vec![Secret::new("of-somebody-else").unwrap()]).unwrap();
    queue.send("no envelope at all", now).await.unwrap();
    queue.send(&envelope("[]", "of-somebody-else", &other_keys, now), now).await.unwrap();
    queue.send(&envelope("half a JSON [", "simulated-client-secret", &keys(), now), now).await.unwrap();
    let odd = world.changed(Kind::Deal, deal, "amount");
    world.deliver_body(&format!("[null, 7, {odd}, {{}}]")).await;
    let summary = world.cycle().await;
    assert_eq!(summary.problems, [""; 0]);
    assert_eq!((summary.dead_letters, summary.deliveries, summary.events, summary.set_aside), (3, 1, 1, 3));
    assert_eq!(summary.records_read, 1);
    let causes: Vec<String> = queue.dead_letters(10).await.unwrap().into_iter().map(|dead| dead.cause).collect();
    assert!(causes[0].starts_with("envelope: "), "{causes:?}");
    assert_eq!(causes[1..], ["signature: signature_mismatch", "body: the body is not JSON at line 1, column 1"]);
    let depth = queue.depth(now).await.unwrap();
    assert_eq!((depth.waiting, depth.in_flight, depth.dead_letters), (0, 0, 3));
}

#[tokio::test]
async fn what_cannot_even_become_a_dead_letter_holds_nobody_back() {
    let mut world = World::open(|_| {}).await;
    let (queue, now) = (world.app.queue.clone(), world.now());
    queue.send("no envelope at all", now).await.unwrap();
    world.create(Kind::Deal, &[("amount", "1"), ("dealstage", "closedwon")]).await;
    queue.send("nor is this", now).await.unwrap();
    let file = format!("sqlite:{}", world.folder.path().join("queue.sqlite").display());
    let mut dead_letters = AnyConnection::connect(&file).await.unwrap();
    let full = "CREATE TRIGGER full BEFORE INSERT ON dead_letters BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
    sqlx::raw_sql(full).execute(&mut dead_letters).await.unwrap();
    let summary = world.cycle().await;
    assert_eq!((summary.deliveries, summary.changes, summary.dead_letters), (1, 1, 0));
    assert!(matches!(&summary.problems[..], [problem] if problem.ends_with("the disk is full")), "{summary:?}");
    let depth = queue.depth(now).await.unwrap();
    assert_eq!((depth.waiting, depth.in_flight, depth.dead_letters), (0, 2, 0), "both come back");
    sqlx::raw_sql("DROP TRIGGER full").execute(&mut dead_letters).await.unwrap();
    assert_eq!(world.cycle_after(120).await.dead_letters, 2);
}

#[tokio::test]
async fn a_delivery_and_an_event_that_come_again_add_nothing() {
    let mut deal = 0;
    let mut world = World::open(|account| deal = account.create(Kind::Deal, &[])).await;
    let (first, second) = (world.changed(Kind::Deal, deal, "amount"), world.changed(Kind::Deal, deal, "dealname"));
    world.deliver(&[first.clone(), second.clone()]).await;
    world.deliver(&[first.clone(), second.clone()]).await;
    assert_eq!(world.cycle().await.events, 2);
    let mut again = second;
    again["attemptNumber"] = json!(1);
    world.clock.advance(1_000);
    world.deliver(&[again, first]).await;
    let summary = world.cycle().await;
    assert_eq!((summary.events, summary.repeated_events, summary.records_read), (0, 2, 0));
    assert!(world.stored(record::Kind::Deal, deal).await.is_some());
}

#[tokio::test]
async fn a_body_full_of_nonsense_does_not_fill_the_books() {
    let mut deal = 0;
    let mut world = World::open(|account| deal = account.create(Kind::Deal, &[("amount", "100")])).await;
    let event = world.changed(Kind::Deal, deal, "amount");
    world.deliver_body(&format!("[{}{event}]", "null,".repeat(150))).await;
    let summary = world.cycle().await;
    assert_eq!((summary.set_aside, summary.events, summary.records_read), (101, 1, 1));
    assert_eq!(
        world.ask("SELECT cause FROM set_aside WHERE raw = ''").await,
        ["50 further members cannot be read; the delivery's body has them"]
    );
}
