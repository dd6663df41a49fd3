//! What a worker does not do: ask the books when there is nothing to ask for, lose its messages while it works, or go on
//! when it was asked to end.

use std::future::poll_fn;
use std::path::Path;
use std::task::Poll;
use std::time::{Duration, Instant};

use hubspot_simulator::Kind;
use report_worker::store::Store;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::world::World;

#[tokio::test]
async fn an_idle_worker_leaves_the_books_alone_until_something_is_due() {
    let mut world = World::open(|_| {}).await;
    let midnight = 13 * 3_600;
    assert!(world.cycle().await.is_idle());
    world.app.store.pool().close().await;
    for _ in 0..359 {
        world.clock.advance(60_000);
        assert_eq!(world.cycle_when_due().await.problems, [""; 0]);
    }
    world.clock.advance(60_000);
    assert_ne!(world.cycle_when_due().await.problems, [""; 0], "every six hours they are asked");
    let file = world.folder.path().join("books.sqlite");
    world.app.store = Store::sqlite(&file).await.unwrap();
    world.clock.advance((midnight - 6 * 3_600 - 600) * 1_000);
    assert_eq!(world.cycle_when_due().await.problems, [""; 0]);

    world.create(Kind::Deal, &[("amount", "1"), ("dealstage", "closedwon")]).await;
    let summary = world.cycle_when_due().await;
    assert_eq!((summary.deliveries, summary.changes, summary.mails_sent), (1, 1, 0));
    let next = summary.next_at.unwrap();
    assert_eq!(next, world.now() + Duration::from_secs(300), "then the record is quiet");
    world.app.store.pool().close().await;
    world.clock.advance(299_999);
    let summary = world.cycle_when_due().await;
    assert_eq!((summary.problems.len(), summary.next_at), (0, Some(next)));
    world.clock.advance(1);
    assert_ne!(world.cycle_when_due().await.problems, [""; 0]);
    world.app.store = Store::sqlite(&file).await.unwrap();
    assert_eq!(world.cycle_when_due().await.mails_sent, 1, "after trouble they are asked at once");
}

#[tokio::test]
async fn a_cycle_without_deliveries_writes_nothing() {
    let world = World::open(|_| {}).await;
    sqlx::query("PRAGMA query_only = ON").execute(world.app.store.pool()).await.unwrap();
    for _ in 0..3 {
        assert!(world.cycle_after(60).await.is_idle());
    }
}

#[tokio::test]
async fn asked_to_end_in_the_middle_it_finishes_what_it_writes_and_gives_the_rest_back() {
    let mut world = World::open(|_| {}).await;
    for _ in 0..30 {
        world.create(Kind::Deal, &[("amount", "1")]).await;
    }
    let held = hold(world.folder.path()).await;
    let mut cycle = Box::pin(world.cycle());
    run_until(&mut cycle, async || in_flight(world.folder.path()).await == 30).await;
    world.app.stop();
    held.close().await.unwrap();
    let summary = cycle.await;
    assert_eq!((summary.deliveries, summary.records_read, summary.problems.len()), (10, 0, 0));
    let depth = world.app.queue.depth(world.now()).await.unwrap();
    assert_eq!((depth.waiting, depth.in_flight), (20, 0));
}

#[tokio::test]
async fn asked_to_end_it_waits_for_nobody_outside() {
    let mut world = World::open(|_| {}).await;
    world.create(Kind::Deal, &[("amount", "1"), ("dealstage", "closedwon")]).await;
    let before = world.calls("POST /crm/objects/deals/batch/read");
    world.arm("slow-api:60000ms");
    let mut cycle = Box::pin(world.cycle());
    run_until(&mut cycle, async || world.calls("POST /crm/objects/deals/batch/read") > before).await;
    world.app.stop();
    let summary = cycle.await;
    assert_eq!((summary.deliveries, summary.records_read, summary.problems.len()), (1, 0, 0));
}

#[tokio::test]
async fn messages_stay_invisible_for_as_long_as_the_work_on_them_lasts() {
    let visibility = Duration::from_millis(200);
    let mut world = World::open_with(|choice| choice.queue.visibility_timeout = visibility, |_| {}).await;
    world.create(Kind::Deal, &[("amount", "1"), ("dealstage", "closedwon")]).await;
    let (folder, received_at) = (world.folder.path().to_owned(), world.clock.now_ms());
    let held = hold(&folder).await;
    let mut cycle = Box::pin(world.cycle());
    run_until(&mut cycle, async || visible_at(&folder).await > received_at + 1_000).await;
    held.close().await.unwrap();
    let summary = cycle.await;
    assert_eq!((summary.deliveries, summary.problems.len()), (1, 0));
    assert_eq!(world.app.queue.depth(world.now()).await.unwrap(), report_worker::queue::Depth::default());
}

/// Holds the books, so that nobody else can write there, until the connection is closed.
async fn hold(folder: &Path) -> SqliteConnection {
    let mut connection = SqliteConnectOptions::new().filename(folder.join("books.sqlite")).connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
    connection
}

async fn ask_the_queue(folder: &Path, question: &'static str) -> i64 {
    let mut connection = SqliteConnectOptions::new().filename(folder.join("queue.sqlite")).connect().await.unwrap();
    let answer = sqlx::query_scalar(question).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    answer
}

async fn in_flight(folder: &Path) -> i64 {
    ask_the_queue(folder, "SELECT count(*) FROM messages WHERE receipt IS NOT NULL").await
}

async fn visible_at(folder: &Path) -> i64 {
    ask_the_queue(folder, "SELECT visible_at FROM messages").await
}

/// Lets a cycle go on until something can be seen, and not to its end.
async fn run_until(cycle: &mut (impl Future<Output: std::fmt::Debug> + Unpin), seen: impl AsyncFn() -> bool) {
    let started = Instant::now();
    let mut look = Box::pin(async {
        while !seen().await {
            assert!(started.elapsed() < Duration::from_secs(20), "it is never seen");
            tokio::task::yield_now().await;
        }
    });
    poll_fn(|context| {
        if let Poll::Ready(summary) = std::pin::Pin::new(&mut *cycle).poll(context) {
            panic!("the cycle takes longer: {summary:?}");
        }
        look.as_mut().poll(context)
    })
    .await;
}
