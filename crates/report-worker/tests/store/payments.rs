//! Payments are shown as their invoice is, and follow it.

use std::cell::RefCell;

use report_worker::domain::ledger::{Bookkeeping, Ledger};
use report_worker::domain::record::{Kind, Record, RecordKey};
use report_worker::store::{Books, Due, Outcome, RecordState, Store, StoredRecord};
use sqlx::AssertSqlSafe;

use crate::mysql;
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

fn ledger(stored: &StoredRecord, invoice: Option<&StoredRecord>) -> Ledger {
    let stages = stages();
    let rules = rules(&stages);
    let today = at(0).to_zoned(rules.zone.clone()).date();
    let page = Bookkeeping { rules, today, asked_for: &[].into() };
    let record = |stored: &StoredRecord| stored.record.clone().unwrap();
    page.ledger(&record(stored), None, invoice.map(record).as_ref(), false)
}

/// Settles invoice 7 with an owner; gives the payments that followed.
async fn settle(store: &Store, owner: &str, payments_follow: bool) -> Vec<i64> {
    let record = Record { key: key(Kind::Invoice, 7), owner: Some(owner.to_owned()), ..record(9, "", &[]) };
    let due = Due {
        record: record.key,
        generation: 1,
        wanted_as_of: None,
        first_read_at: None,
        readings: 0,
        failures: 0,
        next_at: at(0),
    };
    let stored = known(record);
    let followed = RefCell::new(Vec::new());
    let payment = |stored: &StoredRecord, invoice: &StoredRecord| {
        followed.borrow_mut().push(stored.key.id);
        Some(ledger(stored, Some(invoice)))
    };
    let outcome = Outcome { due, stored, open_until: None, changes: vec![], ledger: None, payments_follow };
    store.settle(&[outcome], &[], payment, at(10)).await.unwrap();
    followed.into_inner()
}

/// The owners by whom the payments are shown, in the order of their ids.
async fn owners(store: &Store) -> Vec<Option<String>> {
    let keys: Vec<RecordKey> = (1..=4).map(|id| key(Kind::Payment, id)).collect();
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
        let opened = payments.map(|stored| (stored.clone(), None, ledger(&stored, None)));
        store.open_with(&opened, &[], ("opening", &"its place"), at(0)).await.unwrap();
        assert_eq!(owners(&store).await, [None, None, None, None], "{books:?}");

        assert_eq!(settle(&store, "Ada", false).await, [0; 0]);
        assert_eq!(settle(&store, "Ada", true).await, [1, 4]);
        let ada = Some("Ada".to_owned());
        assert_eq!(owners(&store).await, [ada.clone(), None, None, ada], "{books:?}");

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
        assert_eq!(owners(&store).await, [bob.clone(), None, None, bob], "{books:?}");
    }
}
