//! Books with a year in them: deals that are won, invoices that are paid in two parts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use jiff::civil::{Date, date};
use jiff::{Timestamp, ToSpan};
use report_worker::domain::account::{Account, Closing, Stage, Stages};
use report_worker::domain::changes::Rules;
use report_worker::domain::ledger::Bookkeeping;
use report_worker::domain::record::{HistoryEntry, Kind, Record, RecordKey};
use report_worker::store::{Books, RecordState, Store, StoredRecord};

/// How much is in the books.
#[derive(Clone, Copy)]
pub(crate) struct Year {
    /// Months, the last of which is November 2026.
    pub(crate) months: u32,
    pub(crate) changes_a_month: u32,
}

impl Year {
    pub(crate) fn changes(self) -> u32 {
        self.months * self.changes_a_month
    }
}

/// An invoice is created, part paid and paid, and each of two receipts is a line of its own.
const CHANGES_OF_AN_INVOICE: u32 = 5;
/// Records that are stored at a time.
const PAGE: usize = 500;

/// Makes the books, and tells how many nanoseconds each month took. Whole invoices are three quarters of the changes, deals
/// the rest.
pub(crate) async fn fill(file: &Path, year: Year) -> Result<Vec<u64>> {
    let account = Account {
        portal_id: 62_515_001,
        company_currency: "EUR".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        ui_domain: "app-eu1.hubspot.com".to_owned(),
    };
    let stages = Stages([("won".to_owned(), Stage { label: "Won".to_owned(), closing: Closing::Won })].into());
    let opened_at: Timestamp = "2020-01-01T00:00:00Z".parse()?;
    let store = Store::open(&Books::Sqlite(file.to_owned())).await?;
    store.set_fact("account", &account).await?;
    store.set_fact("stages", &stages).await?;
    store.set_fact("books_open_at", &opened_at).await?;
    let zone = jiff::tz::TimeZone::get(&account.time_zone)?;
    let asked_for = BTreeSet::new();
    let keeping = Bookkeeping {
        rules: Rules { books_open_at: opened_at, stages: &stages, zone: &zone, company_currency: "EUR" },
        today: date(2026, 12, 1),
        asked_for: &asked_for,
    };
    let invoices = year.changes_a_month * 3 / 4 / CHANGES_OF_AN_INVOICE;
    let deals = year.changes_a_month - invoices * CHANGES_OF_AN_INVOICE;
    let (mut page, mut ledgers, mut took) = (Vec::new(), BTreeMap::new(), Vec::new());
    for month in 0..year.months {
        let began = Instant::now();
        let first = date(2026, 11, 1).checked_sub(i64::from(month).months())?;
        for n in 0..deals + invoices {
            let id = i64::from(month * (deals + invoices) + n) + 1;
            let day = first.checked_add(i64::from(n % 24).days())?;
            let record = if n < deals { deal(&account, id, day) } else { invoice(&account, id, day) };
            let record = record.context("a day in 2026")?;
            let ledger = keeping.ledger(&record, None, None, false);
            let stored = StoredRecord { key: record.key, state: RecordState::Known, record: None, unsettled: false };
            page.push((stored, None));
            ledgers.insert(record.key, ledger);
            if page.len() == PAGE {
                let ledger = |stored: &StoredRecord, _: Option<&StoredRecord>| ledgers.get(&stored.key).cloned();
                store.open_with(&page, &[], ("filled", &id), ledger, opened_at).await?;
                page.clear();
                ledgers.clear();
            }
        }
        let ledger = |stored: &StoredRecord, _: Option<&StoredRecord>| ledgers.get(&stored.key).cloned();
        store.open_with(&page, &[], ("filled", &month), ledger, opened_at).await?;
        page.clear();
        ledgers.clear();
        took.push(u64::try_from(began.elapsed().as_nanos())?);
    }
    Ok(took)
}

fn deal(account: &Account, id: i64, day: Date) -> Option<Record> {
    let amount = format!("{}.{:02}", 100 + id % 90_000, id % 100);
    let values = [("amount", 0, amount.as_str()), ("closedate", 0, &day.to_string()), ("dealstage", 1, "won")];
    let mut record = record(account, Kind::Deal, id, day, &values)?;
    record.properties.insert("dealname".to_owned(), format!("Renewal of the service contract {id}"));
    Some(record)
}

fn invoice(account: &Account, id: i64, day: Date) -> Option<Record> {
    let (whole, half) = (format!("{}.50", 200 + id % 40_000), format!("{}.25", 100 + id % 40_000 / 2));
    let values = [
        ("hs_amount_billed", 0, whole.as_str()),
        ("hs_invoice_date", 0, &day.to_string()),
        ("hs_due_date", 0, &day.checked_add(30.days()).ok()?.to_string()),
        ("hs_invoice_status", 1, "open"),
        ("hs_amount_paid", 24, &half),
        ("hs_amount_paid", 72, &whole),
        ("hs_invoice_status", 72, "paid"),
    ];
    let mut record = record(account, Kind::Invoice, id, day, &values)?;
    record.properties.insert("hs_number".to_owned(), format!("INV-{id}"));
    Some(record)
}

/// A record whose history is property, hours after the day's noon, value.
fn record(account: &Account, kind: Kind, id: i64, day: Date, values: &[(&str, i64, &str)]) -> Option<Record> {
    let noon = day.at(12, 0, 0, 0).in_tz("UTC").ok()?.timestamp();
    let mut properties = BTreeMap::new();
    let mut history: BTreeMap<String, Vec<HistoryEntry>> = BTreeMap::new();
    for &(property, hours, value) in values {
        properties.insert(property.to_owned(), value.to_owned());
        history.entry(property.to_owned()).or_default().push(HistoryEntry {
            at: noon.checked_add(hours.hours()).ok()?,
            value: value.to_owned(),
            source: "CRM_UI".to_owned(),
            source_id: None,
        });
    }
    Some(Record {
        key: RecordKey { portal_id: account.portal_id, kind, id },
        properties,
        history,
        created_at: noon,
        updated_at: noon,
        archived_at: None,
        owner: Some(["Anna Keller", "Claire Dubois", "Jonas Weber"][usize::try_from(id % 3).ok()?].to_owned()),
        team: None,
        pipeline: None,
        company: Some(format!("Customer {} GmbH", id % 4_000)),
        invoice: None,
    })
}
