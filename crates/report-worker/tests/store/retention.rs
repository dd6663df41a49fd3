//! What is older than it is kept is deleted, by any number of workers, and nothing else is.

use std::path::Path;

use report_worker::store::{Books, DeliveredEvent, Delivery, Engine, Store};
use sqlx::Row;
use tokio::task::JoinSet;

use crate::mysql;
use crate::story::{at, delivery, event};

const PORTAL: i64 = 4242;

async fn each(folder: &Path) -> [Store; 2] {
    let books = [Books::Sqlite(folder.join("books.sqlite")), mysql::database().await];
    [Store::open(&books[0]).await.unwrap(), Store::open(&books[1]).await.unwrap()]
}

fn received(id: &str, seconds: i64, events: Vec<DeliveredEvent>) -> Delivery {
    Delivery { received_at: at(seconds), ..delivery(id, events) }
}

/// How many deliveries, keys of events, and members set aside there are.
async fn held(store: &Store) -> (u64, u64, u64) {
    let (deliveries, taken) = store.taken_in().await.unwrap();
    (deliveries, taken.new_events, taken.set_aside)
}

#[tokio::test]
async fn what_is_older_goes_with_what_was_set_aside_of_it_and_the_border_stays() {
    let folder = tempfile::tempdir().unwrap();
    for store in each(folder.path()).await {
        let other_account = DeliveredEvent { portal_id: 1, ..event("other", 1) };
        let all = [
            received("old", 9, vec![event("a", 8), event("b", 9)]),
            received("late", 10, vec![event("c", 9), event("d", 10), other_account]),
            received("new", 11, vec![event("e", 11)]),
        ];
        store.take_in(&all, at(20)).await.unwrap();
        assert_eq!(store.delete_deliveries(at(9)).await.unwrap(), 0);
        assert_eq!(store.delete_deliveries(at(10)).await.unwrap(), 1);
        assert_eq!(held(&store).await, (2, 6, 2));
        assert_eq!(store.delete_event_keys(PORTAL, at(10)).await.unwrap(), 3);
        assert_eq!(store.delete_event_keys(PORTAL, at(10)).await.unwrap(), 0);
        assert_eq!(held(&store).await, (2, 3, 2));
        let kept: Vec<(Vec<u8>,)> =
            sqlx::query_as("SELECT dedupe_key FROM events ORDER BY occurred_at").fetch_all(store.pool()).await.unwrap();
        let kept: Vec<u8> = kept.iter().map(|(key,)| key[0]).collect();
        assert_eq!(kept, *b"ode", "at the border they stay, and another account's are not ours");
        assert_eq!(store.delete_deliveries(at(99)).await.unwrap(), 2);
        assert_eq!(held(&store).await, (0, 3, 0));
    }
}

#[tokio::test]
async fn a_step_deletes_some_hundred_rows_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    for store in each(folder.path()).await {
        let all: Vec<Delivery> = (0..700)
            .map(|number| received(&format!("{number}"), number, vec![event(&format!("{number}"), number)]))
            .collect();
        store.take_in(&all, at(999)).await.unwrap();
        for expected in [512, 188, 0] {
            assert_eq!(store.delete_deliveries(at(700)).await.unwrap(), expected);
            assert_eq!(store.delete_event_keys(PORTAL, at(700)).await.unwrap(), expected);
        }
        let explain = match store.engine() {
            Engine::Sqlite => {
                "EXPLAIN QUERY PLAN SELECT id FROM deliveries WHERE received_at < 5 ORDER BY received_at LIMIT 9"
            }
            Engine::MySql => {
                "EXPLAIN FORMAT=JSON SELECT id FROM deliveries WHERE received_at < 5 ORDER BY received_at LIMIT 9"
            }
        };
        let row = sqlx::query(explain).fetch_one(store.pool()).await.unwrap();
        let plan: String = row.get(if store.engine() == Engine::Sqlite { 3 } else { 0 });
        assert!(plan.contains("deliveries_received"), "{plan}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_workers_delete_each_row_once_while_another_takes_in() {
    let books = mysql::database().await;
    let store = Store::open(&books).await.unwrap();
    let old: Vec<Delivery> = (0..3_000)
        .map(|number| received(&format!("{number}"), number % 7, vec![event(&format!("{number}"), number % 7)]))
        .collect();
    store.take_in(&old, at(10)).await.unwrap();
    let mut workers = JoinSet::new();
    for _ in 0..5 {
        let store = Store::open(&books).await.unwrap();
        workers.spawn(async move {
            let mut deleted = [0, 0];
            loop {
                let now = [
                    store.delete_deliveries(at(7)).await.unwrap(),
                    store.delete_event_keys(PORTAL, at(7)).await.unwrap(),
                ];
                deleted = [deleted[0] + now[0], deleted[1] + now[1]];
                if now == [0, 0] {
                    return deleted;
                }
            }
        });
    }
    for number in 0..50 {
        let id = format!("new {number}");
        store.take_in(&[received(&id, 7, vec![event(&id, 7)])], at(10)).await.unwrap();
    }
    let deleted = workers.join_all().await;
    assert_eq!(deleted.iter().fold((0, 0), |sum, it| (sum.0 + it[0], sum.1 + it[1])), (3_000, 3_000), "{deleted:?}");
    assert_eq!(held(&store).await, (50, 50, 50));
}
