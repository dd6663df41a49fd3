//! HubSpot, the store, the account that the books belong to: whatever is away, nothing is lost and the rest goes on.

use std::time::Duration;

use hubspot_simulator::{Kind, Settings, Simulator};
use report_worker::cycle::App;
use report_worker::store::{Engine, Store};
use sqlx::{AssertSqlSafe, raw_sql};

use crate::world::{PORTAL, World, crm};

/// The disk is full for this kind of writing, such as `INSERT ON deliveries`, where the books are so.
pub(crate) async fn fill_disk(world: &World, writing: &str, so: &str) {
    let trigger = match world.app.store.engine() {
        Engine::Sqlite => format!("WHEN {so} BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"),
        Engine::MySql => {
            format!("FOR EACH ROW IF {so} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the disk is full'; END IF")
        }
    };
    let name = writing.replace(' ', "_");
    let trigger = AssertSqlSafe(format!("CREATE TRIGGER {name} BEFORE {writing} {trigger}"));
    raw_sql(trigger).execute(world.app.store.pool()).await.unwrap();
}

pub(crate) async fn free_disk(world: &World) {
    for name in
        ["INSERT_ON_deliveries", "INSERT_ON_events", "INSERT_ON_compared", "UPDATE_ON_facts", "DELETE_ON_events"]
    {
        let drop = AssertSqlSafe(format!("DROP TRIGGER IF EXISTS {name}"));
        raw_sql(drop).execute(world.app.store.pool()).await.unwrap();
    }
}

#[tokio::test]
async fn while_hubspot_is_away_deliveries_are_taken_in_and_mails_are_sent() {
    for fault in ["server-error:1000", "garbage:1000", "timeout:1000", "rate-limit:1000", "unauthorized:1000"] {
        let mut world = World::open(|_| {}).await;
        world.create(Kind::Deal, &[("amount", "1"), ("dealstage", "closedwon")]).await;
        world.cycle().await;
        world.arm(fault);
        // Long enough for the remembered account to be asked for again.
        world.clock.advance(700_000);
        let deal = world.create(Kind::Deal, &[("amount", "2"), ("dealstage", "closedwon")]).await;
        let summary = world.cycle().await;
        assert_eq!((summary.deliveries, summary.records_read, summary.mails_sent), (1, 0, 1), "{fault}");
        assert_eq!(summary.problems.len(), 1, "{fault}: {:?}", summary.problems);
        assert!(summary.problems[0].starts_with("enrich: "), "{:?}", summary.problems);
        let (due, next_at) = world.app.store.waiting(PORTAL).await.unwrap();
        assert!(due == 1 && next_at.unwrap() <= world.now() + Duration::from_secs(15), "{fault}: it stays due");
        world.simulator.faults().clear();
        world.clock.advance(15_000);
        assert_eq!(world.report().await.mails_sent, 1, "{fault}");
        assert!(world.stored(report_worker::domain::record::Kind::Deal, deal).await.is_some());
    }
}

#[tokio::test]
async fn a_used_up_day_stops_all_questions_until_the_accounts_midnight_and_is_told_once() {
    let mut world = World::open(|_| {}).await;
    world.cycle().await;
    let calls = |world: &World| world.simulator.counters().api_calls.values().sum::<u64>();
    world.create(Kind::Deal, &[("amount", "1"), ("dealstage", "closedwon")]).await;
    world.arm("daily-limit:1");
    let before = calls(&world);
    let summary = world.cycle().await;
    assert_eq!((summary.deliveries, summary.records_read, calls(&world)), (1, 0, before + 1));
    assert!(matches!(&summary.problems[..], [problem] if problem.contains("HubSpot's daily limit")), "{summary:?}");
    // The account is in Berlin, where it is 11 o'clock.
    let wait_s = world.app.crm.closed_for().unwrap().as_secs();
    assert!((13 * 3_600 - 60..=13 * 3_600 + 10).contains(&wait_s), "{wait_s} s");
    let summary = world.cycle_after(60).await;
    assert_eq!((summary.problems.len(), calls(&world)), (0, before + 1));
    // The wait runs by the machine's clock, not by the test's.
    let again_in = summary.next_at.unwrap().duration_since(world.now());
    assert!((12..=13).contains(&again_in.as_hours()), "{again_in}");

    world.app.crm = crm(&world.simulator, &Settings::default().access_token);
    assert_eq!(world.cycle_after(60).await.changes, 1, "another process finds the record still due");
}

#[tokio::test]
async fn one_record_that_cannot_be_read_holds_nobody_back() {
    let mut world = World::open(|_| {}).await;
    for amount in ["1", "2", "3"] {
        world.create(Kind::Deal, &[("amount", amount), ("dealstage", "closedwon")]).await;
    }
    // The batch, and the question about the one by itself.
    world.arm("partial-read:2");
    let summary = world.cycle().await;
    assert_eq!((summary.changes, summary.problems.len()), (2, 1));
    assert_eq!(world.cycle_after(60).await.changes, 1);
}

#[tokio::test]
async fn without_the_store_messages_stay_in_the_queue_and_are_not_received_over_and_over() {
    let mut world = World::open_with(|choice| choice.queue.receive_limit = 3, |_| {}).await;
    for amount in ["1", "2"] {
        world.create(Kind::Deal, &[("amount", amount), ("dealstage", "closedwon")]).await;
    }
    // A delivery, and what says that the books can be written.
    fill_disk(&world, "INSERT ON deliveries", "TRUE").await;
    fill_disk(&world, "UPDATE ON facts", "TRUE").await;
    for _ in 0..30 {
        let summary = world.cycle_after(60).await;
        assert!(summary.problems[0].ends_with("the disk is full"), "{:?}", summary.problems);
        assert_eq!(summary.deliveries, 0);
    }
    free_disk(&world).await;
    let summary = world.cycle_after(60).await;
    assert_eq!((summary.deliveries, summary.changes, summary.problems.len()), (2, 2, 0));
    assert_eq!(world.app.queue.depth(world.now()).await.unwrap().dead_letters, 0);
}

#[tokio::test]
async fn a_store_that_fails_in_the_middle_gives_back_what_was_received() {
    let mut world = World::open(|_| {}).await;
    for amount in ["1", "2", "3"] {
        world.create(Kind::Deal, &[("amount", amount), ("dealstage", "closedwon")]).await;
    }
    // The second delivery fills the disk; from then on nothing can be written.
    let full = "(SELECT COUNT(*) FROM deliveries) = 1";
    fill_disk(&world, "INSERT ON deliveries", full).await;
    fill_disk(&world, "UPDATE ON facts", full).await;
    for _ in 0..3 {
        let summary = world.cycle_after(1).await;
        assert_eq!(summary.records_read, 0);
        assert!(summary.problems[0].starts_with("take in: ") && summary.problems[0].ends_with("the disk is full"));
    }
    assert_eq!(world.ask("SELECT CAST(COUNT(*) AS CHAR) FROM deliveries").await, ["1"]);
    let depth = world.app.queue.depth(world.now()).await.unwrap();
    assert_eq!((depth.waiting, depth.in_flight, depth.dead_letters), (2, 0, 0), "what was taken in is deleted");
    let messages = world.app.queue.receive(10, Duration::ZERO, world.now()).await.unwrap();
    let received: Vec<u32> = messages.iter().map(|message| message.receive_count).collect();
    assert_eq!(received, [2, 2], "nothing was received while the store was away");
    world.app.queue.release(&messages, world.now()).await.unwrap();
    free_disk(&world).await;
    assert_eq!(world.cycle_after(1).await.changes, 3);
}

#[tokio::test]
async fn a_delivery_that_the_store_does_not_take_holds_nobody_back() {
    let mut world = World::open(|_| {}).await;
    for amount in ["1", "2", "3"] {
        world.create(Kind::Deal, &[("amount", amount), ("dealstage", "closedwon")]).await;
        world.clock.advance(1_000);
    }
    fill_disk(&world, "INSERT ON events", "NEW.occurred_at % 10000 = 2000").await;
    let summary = world.cycle().await;
    assert_eq!((summary.deliveries, summary.changes), (2, 2));
    assert!(summary.problems.len() == 1 && summary.problems[0].ends_with("the disk is full"), "{:?}", summary.problems);
    assert_eq!(world.cycle().await.deliveries, 0);
    let depth = world.app.queue.depth(world.now()).await.unwrap();
    assert_eq!((depth.waiting, depth.in_flight, depth.dead_letters), (0, 1, 0), "it waits for its next turn");
    free_disk(&world).await;
    assert_eq!(world.cycle_after(120).await.changes, 1);
}

#[tokio::test]
async fn a_store_that_is_closed_keeps_the_messages_too() {
    let mut world = World::open(|_| {}).await;
    world.create(Kind::Deal, &[("amount", "1"), ("dealstage", "closedwon")]).await;
    world.app.store.pool().close().await;
    for _ in 0..3 {
        assert!(!world.cycle_after(400).await.problems.is_empty());
    }
    let depth = world.app.queue.depth(world.now()).await.unwrap();
    assert_eq!((depth.waiting, depth.in_flight, depth.dead_letters), (1, 0, 0));
    world.app.store = Store::open(&world.books).await.unwrap();
    assert_eq!(world.cycle_after(1).await.changes, 1);
}

#[tokio::test]
async fn the_token_of_another_account_is_a_clear_problem_and_eats_no_message() {
    let mut world = World::open(|_| {}).await;
    let token = Settings::default().access_token;
    let settings = Settings { portal_id: 4_242, clock: world.clock.clone(), ..Settings::default() };
    let other = Simulator::start(settings).await.unwrap();
    world.create(Kind::Deal, &[("amount", "1"), ("dealstage", "closedwon")]).await;
    let App { queue, store, mailer, settings, .. } = &world.app;
    let app = App::new(queue.clone(), store.clone(), crm(&other, &token), mailer.clone(), settings.clone());
    let own = std::mem::replace(&mut world.app, app);
    for _ in 0..3 {
        let summary = world.cycle_after(700).await;
        let expected = format!(
            "account: the access token belongs to HubSpot account 4242, the books to account {PORTAL}; \
             set the token of account {PORTAL}, or another DATABASE_URL for account 4242"
        );
        assert_eq!(summary.problems, [expected]);
    }
    let depth = world.app.queue.depth(world.now()).await.unwrap();
    assert_eq!((depth.waiting, depth.in_flight, depth.dead_letters), (1, 0, 0));
    world.app = own;
    assert_eq!(world.cycle_after(1).await.changes, 1);
}
