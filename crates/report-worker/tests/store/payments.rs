//! Payments are shown as their invoice is, and follow it.

use std::cell::RefCell;

use report_worker::domain::ledger::{Bookkeeping, Ledger};
use report_worker::domain::record::{Kind, Record, RecordKey};
use report_worker::store::{Books, Due, Outcome, RecordState, Store, StoredRecord};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};

use crate::mysql;
use crate::periods::somebody_waits;
use crate::story::{at, record, rules, stages};

const PORTAL: i64 = 4242;

fn key(kind: Kind, id: i64) -> RecordKey {
    RecordKey { portal_id: PORTAL, kind, id }
}

/// A payment of 20 euro.
fn payment(id: i64, invoice: Option<i64>) -> StoredRecord {
    let properties = [("hs_initial_amount", "20"), ("hs_currency_code", "EUR"), ("hs_latest_status", "succeeded")];
    let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let mut payment = Record { key: key(Kind::Payment, id), properties, invoice, ..record(9, "", &[]) };
    payment.remember(None);
    known(payment)
}

fn known(record: Record) -> StoredRecord {
    StoredRecord { key: record.key, state: RecordState::Known, record: Some(record), unsettled: false }
}

fn ledger(stored: &StoredRecord, invoice: Option<&StoredRecord>) -> Option<Ledger> {
    let stages = stages();
    let rules = rules(&stages);
    let today = at(0).to_zoned(rules.zone.clone()).date();
    let page = Bookkeeping { rules, today, asked_for: &[].into() };
    let record = |stored: &StoredRecord| stored.record.clone().unwrap();
    Some(page.ledger(&record(stored), None, invoice.map(record).as_ref(), false))
}

fn outcome(stored: StoredRecord, payments_follow: bool) -> Outcome {
    let due = Due {
        record: stored.key,
        generation: 1,
        wanted_as_of: None,
        first_read_at: None,
        readings: 0,
        failures: 0,
        next_at: at(0),
    };
    Outcome { due, stored, open_until: None, changes: vec![], payments_follow }
}

fn invoice(owner: &str) -> StoredRecord {
    known(Record { key: key(Kind::Invoice, 7), owner: Some(owner.to_owned()), ..record(9, "", &[]) })
}

/// Settles invoice 7 with an owner; gives the payments that followed.
async fn settle(store: &Store, owner: &str, payments_follow: bool) -> Vec<i64> {
    let followed = RefCell::new(Vec::new());
    let ledger = |stored: &StoredRecord, invoice: Option<&StoredRecord>| {
        followed.borrow_mut().extend((stored.key.kind == Kind::Payment).then_some(stored.key.id));
        ledger(stored, invoice)
    };
    store.settle(&[outcome(invoice(owner), payments_follow)], &[], ledger, at(10)).await.unwrap();
    followed.into_inner()
}

/// The owners by whom payments are shown.
async fn owners(store: &Store, payments: &[i64]) -> Vec<Option<String>> {
    let keys: Vec<RecordKey> = payments.iter().map(|id| key(Kind::Payment, *id)).collect();
    let mut snapshot = store.snapshot(PORTAL).await.unwrap();
    let mut lines = snapshot.lines_of(&keys).await.unwrap();
    snapshot.end().await.unwrap();
    keys.iter().map(|key| lines.remove(key).unwrap()[0].face.owner.as_deref().map(str::to_owned)).collect()
}

#[tokio::test]
async fn an_invoice_that_is_shown_otherwise_takes_its_payments_along() {
    let folder = tempfile::tempdir().unwrap();
    for books in [Books::Sqlite(folder.path().join("books.sqlite")), mysql::database().await] {
        let store = Store::open(&books).await.unwrap();
        let payments = [payment(1, Some(7)), payment(2, None), payment(3, Some(8)), payment(4, Some(7))];
        let opened = payments.map(|stored| (stored, None));
        store.open_with(&opened, &[], ("opening", &"its place"), ledger, at(0)).await.unwrap();
        assert_eq!(owners(&store, &[1, 2, 3, 4]).await, [None, None, None, None], "{books:?}");

        assert_eq!(settle(&store, "Ada", false).await, [0; 0]);
        assert_eq!(settle(&store, "Ada", true).await, [1, 4]);
        let ada = Some("Ada".to_owned());
        assert_eq!(owners(&store, &[1, 2, 3, 4]).await, [ada.clone(), None, None, ada], "{books:?}");

        // Books of a version that did not know which payments belong to an invoice.
        let drop_index = match books {
            Books::Sqlite(_) => "DROP INDEX payments_of_invoice",
            Books::MySql(_) => "DROP INDEX payments_of_invoice ON records",
        };
        let layout = "DELETE FROM _sqlx_migrations WHERE version = 7";
        for statement in [drop_index, "ALTER TABLE records DROP COLUMN invoice", layout] {
            sqlx::query(AssertSqlSafe(statement)).execute(store.pool()).await.unwrap();
        }
        store.pool().close().await;
        let store = Store::open(&books).await.unwrap();
        assert_eq!(settle(&store, "Bob", true).await, [1, 4], "{books:?}");
        let bob = Some("Bob".to_owned());
        assert_eq!(owners(&store, &[1, 2, 3, 4]).await, [bob.clone(), None, None, bob], "{books:?}");
    }
}

/// A payment and its invoice are settled at the same time by two workers. In SQLite one writes at a time.
#[tokio::test]
async fn a_payment_is_shown_as_its_invoice_is_whoever_comes_first() {
    let url = mysql::database_url().await;
    let store = Store::open(&url.parse().unwrap()).await.unwrap();
    let [mut other, mut watch] =
        [MySqlConnection::connect(&url).await.unwrap(), MySqlConnection::connect(&url).await.unwrap()];
    settle(&store, "Ada", false).await;
    // Where there is next to nothing, the server would look at all of it, and wait for what it need not know.
    let others = "INSERT INTO records (portal_id, kind, record_id, state, updated_at, read_at, unsettled) \
                  SELECT 4242, 'deal', seq, 'gone', 0, 0, 0 FROM seq_1_to_1000; ANALYZE TABLE records";
    sqlx::raw_sql(others).execute(&mut other).await.unwrap();
    // The other worker has changed the invoice, has seen no payment, and has not ended.
    let json = |stored: StoredRecord| serde_json::to_string(&stored.record).unwrap();
    let of = "WHERE portal_id = 4242 AND kind = ? AND record_id = ?";
    let change = AssertSqlSafe(format!("UPDATE records SET record = ? {of}"));
    sqlx::raw_sql("START TRANSACTION").execute(&mut other).await.unwrap();
    sqlx::query(change).bind(json(invoice("Bob"))).bind("invoice").bind(7).execute(&mut other).await.unwrap();
    let paid = [outcome(payment(1, Some(7)), false)];
    let mut settling = Box::pin(store.settle(&paid, &[], ledger, at(11)));
    tokio::select! {
        settled = &mut settling => panic!("settled meanwhile: {settled:?}"),
        () = somebody_waits(&mut watch) => {}
    }
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    settling.await.unwrap();
    assert_eq!(owners(&store, &[1]).await, [Some("Bob".to_owned())]);

    // The other worker has stored a second payment and has not ended.
    sqlx::raw_sql("START TRANSACTION").execute(&mut other).await.unwrap();
    let again = AssertSqlSafe(format!(
        "INSERT INTO records (portal_id, kind, record_id, state, updated_at, read_at, unsettled, invoice, record) \
         SELECT portal_id, kind, 2, state, updated_at, read_at, unsettled, invoice, ? FROM records {of}"
    ));
    let second = json(payment(2, Some(7)));
    sqlx::query(again).bind(second).bind("payment").bind(1).execute(&mut other).await.unwrap();
    let mut settling = Box::pin(settle(&store, "Cleo", true));
    tokio::select! {
        followed = &mut settling => panic!("settled meanwhile: {followed:?}"),
        () = somebody_waits(&mut watch) => {}
    }
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    assert_eq!(settling.await, [1, 2]);
}
