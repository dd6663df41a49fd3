//! What speaks against the figures is counted by an index, in every engine.

use report_worker::domain::record::Kind;
use report_worker::store::{Books, Engine, SetAside, Store};
use sqlx::Row;

use crate::mysql;
use crate::story::{at, delivery, event};

const PORTAL: i64 = 4242;

/// A record as it may be left: its number, its kind, its state, whether it is unsettled, and when it was read.
const RECORDS: [(i64, &str, &str, bool, i64); 8] = [
    (1, "deal", "known", false, 30),
    (2, "deal", "known", true, 9),
    (3, "deal", "known", true, 10),
    (4, "invoice", "known", true, 30),
    (5, "deal", "forbidden", false, 5),
    (6, "deal", "unreadable", false, 30),
    (7, "invoice", "unreadable", false, 30),
    (8, "invoice", "gone", false, 30),
];

#[tokio::test]
async fn what_speaks_against_the_figures_is_counted_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    for books in [Books::Sqlite(folder.path().join("books.sqlite")), mysql::database().await] {
        let store = Store::open(&books).await.unwrap();
        for portal in [PORTAL, 1] {
            for (id, kind, state, unsettled, read_at) in RECORDS {
                let insert = "INSERT INTO records (portal_id, kind, record_id, state, updated_at, read_at, unsettled) \
                              VALUES (?, ?, ?, ?, 0, ?, ?)";
                let insert = sqlx::query(insert).bind(portal).bind(kind).bind(id).bind(state);
                let insert = insert.bind(at(read_at).as_millisecond()).bind(i64::from(unsettled));
                insert.execute(store.pool()).await.unwrap();
            }
        }
        assert_eq!(store.unreadable(PORTAL, &[]).await.unwrap(), 3);
        assert_eq!(store.unreadable(PORTAL, &[Kind::Invoice]).await.unwrap(), 2, "that they are not read is said");
        assert_eq!(store.unsettled(PORTAL, at(10)).await.unwrap(), 2);
        assert_eq!(store.unsettled(PORTAL, at(31)).await.unwrap(), 0);

        let set_aside = |member, cause: &str| SetAside { member, cause: cause.to_owned(), raw: String::new() };
        for (id, received) in [("a", 9), ("b", 10), ("c", 11)] {
            let mut delivery = delivery(id, vec![event(id, received)]);
            delivery.received_at = at(received);
            delivery.set_aside =
                vec![set_aside(1, "not an object"), set_aside(2, "of account 7; the access token is for 9")];
            store.take_in(&[delivery], at(20)).await.unwrap();
        }
        assert_eq!(store.set_aside_since(at(10)).await.unwrap(), 2);
        assert_eq!(store.set_aside_since(at(12)).await.unwrap(), 0);

        let (explain, column) = match store.engine() {
            Engine::Sqlite => ("EXPLAIN QUERY PLAN", 3),
            Engine::MySql => ("EXPLAIN FORMAT=JSON", 0),
        };
        let wanted = [
            ("state IN ('forbidden', 'unreadable')", ["records_unreadable", "records_state"]),
            ("state = 'known' AND unsettled = 1 AND read_at >= 5", ["records_unsettled", "records_state"]),
        ];
        for (which, indexes) in wanted {
            let sql = format!("{explain} SELECT COUNT(*) FROM records WHERE portal_id = 4242 AND {which}");
            let row = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(store.pool()).await.unwrap();
            let plan: String = row.get(column);
            assert!(indexes.iter().any(|index| plan.contains(index)), "{plan}");
        }
    }
}
