//! Several processes on the same books: one on a SQLite file, any number on a MySQL database.

use std::collections::BTreeSet;

use report_worker::domain::record::{Kind, RecordKey};
use report_worker::store::{Books, DeliveredEvent, NewReport, Store};
use sqlx::Row;
use sqlx::any::AnyRow;
use tokio::task::JoinSet;

use crate::mysql;
use crate::story::{at, delivery, event};

#[tokio::test]
async fn a_sqlite_file_is_worked_on_by_one_and_read_by_others() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("books.sqlite");
    let books = Books::Sqlite(file.clone());
    let at_work = Store::open_to_work(&books).await.unwrap();
    at_work.set_fact("here", &1).await.unwrap();
    let error = Store::open_to_work(&books).await.unwrap_err().to_string();
    let expected = format!(
        "another process is at work on the books in {}; SQLite serves one: end the other, or keep the books in MySQL \
         (DATABASE_URL)",
        file.display()
    );
    assert_eq!(error, expected);
    assert_eq!(Store::open(&books).await.unwrap().fact("here").await.unwrap(), Some(1));
    drop(at_work);
    Store::open_to_work(&books).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_in_each_others_way_are_done_again() {
    let books = mysql::database().await;
    let stores = [Store::open(&books).await.unwrap(), Store::open(&books).await.unwrap()];
    for round in 0..60 {
        // The same changes in opposite orders: each has what the other waits for.
        let changes: Vec<i64> = (round * 40..round * 40 + 40).collect();
        let mut workers = JoinSet::new();
        for (worker, store) in stores.iter().cloned().enumerate() {
            let mut changes = changes.clone();
            if worker == 1 {
                changes.reverse();
            }
            let report = NewReport {
                id: format!("{round} {worker}"),
                name: "deals".to_owned(),
                definition_hash: String::new(),
                document: String::new(),
                changes,
                lines: vec![],
            };
            workers.spawn(async move { store.store_report(&report, None, at(0)).await.unwrap() });
        }
        let told: Vec<bool> = workers.join_all().await;
        assert_eq!(told.iter().filter(|told| **told).count(), 1, "round {round}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_take_in_at_once_is_there_once() {
    let books = mysql::database().await;
    let mut workers = JoinSet::new();
    for worker in 0..5 {
        let store = Store::open(&books).await.unwrap();
        workers.spawn(async move {
            let mut new = 0;
            for number in 0..20 {
                // Half of the deliveries come to everybody, each time with an event of another one too.
                let id = if number % 2 == 0 { format!("{number}") } else { format!("{number} of {worker}") };
                let events = vec![event(&id, number), event(&format!("shared {number}"), number)];
                new += store.take_in(&[delivery(&id, events)], at(number)).await.unwrap().new_events;
                store.set_fact("newest", &number).await.unwrap();
            }
            new
        });
    }
    let new: u64 = workers.join_all().await.into_iter().sum();
    let store = Store::open(&books).await.unwrap();
    let (deliveries, taken) = store.taken_in().await.unwrap();
    assert_eq!((deliveries, taken.new_events, new), (10 + 50, 20 + 10 + 50, 20 + 10 + 50));
    let due = store.due(4242, &[Kind::Deal], at(99), 10).await.unwrap();
    assert_eq!((due.len(), due[0].wanted_as_of), (1, Some(at(19))), "all of them ask for one record");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_due_record_is_read_by_one_worker_until_its_claim_is_over() {
    let books = mysql::database().await;
    let store = Store::open(&books).await.unwrap();
    let events = (0..300).map(|number| {
        let record = RecordKey { portal_id: 4242, kind: Kind::Deal, id: 1_000 + number };
        DeliveredEvent { records: vec![record], ..event(&format!("{number}"), 1) }
    });
    store.take_in(&[delivery("all", events.collect())], at(1)).await.unwrap();
    let mut workers = JoinSet::new();
    for _ in 0..5 {
        let store = Store::open(&books).await.unwrap();
        workers.spawn(async move { store.claim_due(4242, &[Kind::Deal], &[], (at(2), at(60)), 100).await.unwrap() });
    }
    let claimed: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    let ids: BTreeSet<i64> = claimed.iter().map(|due| due.record.id).collect();
    assert_eq!((claimed.len(), ids.len()), (300, 300));
    let claim = async |seconds| store.claim_due(4242, &[Kind::Deal], &[], (at(seconds), at(99)), 999).await.unwrap();
    assert_eq!(claim(59).await, []);

    // Another event asks for one of them, one is given back, one is settled; the others' worker was killed.
    let again = DeliveredEvent { records: vec![claimed[0].record], ..event("again", 3) };
    store.take_in(&[delivery("again", vec![again])], at(4)).await.unwrap();
    store.give_back(&claimed[..2]).await.unwrap();
    store.put_off(&claimed[2], at(5), at(5_000)).await.unwrap();
    let (asked, given_back) = (claimed[0].record, claimed[1].record);
    let now: BTreeSet<RecordKey> = claim(6).await.iter().map(|due| due.record).collect();
    assert_eq!(now, [asked, given_back].into());
    assert_eq!(claim(60).await.len(), 297);
}

#[tokio::test]
async fn connections_that_the_server_has_closed_are_made_again() {
    let books = mysql::database().await;
    let store = Store::open(&books).await.unwrap();
    for round in 0..3 {
        store.set_fact("round", &round).await.unwrap();
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(store.pool().acquire().await.unwrap());
        }
        let mut ids = BTreeSet::new();
        for connection in &mut all {
            let row: AnyRow = sqlx::query("SELECT CONNECTION_ID()").fetch_one(&mut **connection).await.unwrap();
            ids.insert(row.get::<i64, _>(0));
        }
        drop(all);
        for id in ids {
            mysql::ask(&mysql::server(), format!("KILL {id}")).await;
        }
        assert_eq!(store.fact("round").await.unwrap(), Some(round));
    }
}
