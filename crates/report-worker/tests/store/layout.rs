//! The layout of the tables: made once, mended where a process was killed over it, and never taken back.

use std::path::Path;

use jiff::Timestamp;
use report_worker::domain::record::{Kind, RecordKey};
use report_worker::store::{Books, Store};
use tokio::task::JoinSet;

use crate::mysql;

async fn each(folder: &Path) -> [Books; 2] {
    [Books::Sqlite(folder.join("books.sqlite")), mysql::database().await]
}

#[tokio::test]
async fn books_of_a_newer_version_are_used_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for books in each(folder.path()).await {
        let store = Store::open(&books).await.unwrap();
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9000, 'from the future', TRUE, '', 0)",
        )
        .execute(store.pool())
        .await
        .unwrap();
        let add = "ALTER TABLE due ADD COLUMN since_the_future INTEGER NULL";
        sqlx::query(add).execute(store.pool()).await.unwrap();
        store.pool().close().await;
        let store = Store::open(&books).await.unwrap_or_else(|error| panic!("{books:?}: {error}"));
        let record = RecordKey { portal_id: 7, kind: Kind::Deal, id: 1 };
        let (now, later) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(60).unwrap());
        store.set_fact("walk", &"its place").await.unwrap();
        let step = async |before| {
            let step = ("walk".to_owned(), &before, &"the next place");
            store.store_compared("by hand", &[], &[record], step, now).await.unwrap()
        };
        assert_eq!(
            (step("another place").await, step("its place").await, step("its place").await),
            (false, true, false)
        );
        assert_eq!(store.due(7, &Kind::ALL, later, 9).await.unwrap()[0].record, record);
    }
}

#[tokio::test]
async fn tables_of_somebody_else_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for books in each(folder.path()).await {
        let store = Store::open(&books).await.unwrap();
        sqlx::query("UPDATE _sqlx_migrations SET checksum = 'x' WHERE version = 1")
            .execute(store.pool())
            .await
            .unwrap();
        let error = Store::open(&books).await.unwrap_err();
        let told = "the books cannot be brought to the layout of this version; does DATABASE_URL name something else?";
        assert_eq!(error.to_string(), told, "{books:?}");
    }
}

#[tokio::test]
async fn workers_that_start_at_once_make_the_tables_once() {
    let books = mysql::database().await;
    let mut opening = JoinSet::new();
    for _ in 0..8 {
        let books = books.clone();
        opening.spawn(async move { Store::open(&books).await.map(|_| ()) });
    }
    for outcome in opening.join_all().await {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn tables_half_made_are_made_whole() {
    let books = mysql::database().await;
    let store = Store::open(&books).await.unwrap();
    for statement in ["DROP TABLE facts", "DROP TABLE mails", "UPDATE _sqlx_migrations SET success = FALSE"] {
        sqlx::query(statement).execute(store.pool()).await.unwrap();
    }
    let store = Store::open(&books).await.unwrap();
    store.set_fact("here", &"again").await.unwrap();
    assert_eq!(store.fact::<String>("here").await.unwrap().as_deref(), Some("again"));
}

#[tokio::test]
async fn a_server_that_says_no_is_named_without_the_password() {
    let url = mysql::server().replace("root@", "nobody:hush@");
    let error = Store::open(&format!("{url}/books").parse().unwrap()).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(error.to_string().starts_with("the books in mysql://127.0.0.1:"), "{text}");
    assert!(text.contains("Access denied") && !text.contains("hush"), "{text}");
}
