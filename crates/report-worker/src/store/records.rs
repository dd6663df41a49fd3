//! The records as last read.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Transaction};

use super::changes::write_change;
use super::due::{self, Due};
use super::facts::write_fact;
use super::ledger::{self, ONE_RECORD, STILL};
use super::rows::{parts, statement};
use super::{BadValue, Db, Store, StoreError, insert_new, json, kind, retried, to_json};
use crate::domain::changes::Change;
use crate::domain::ledger::Ledger;
use crate::domain::record::{Kind, Record, RecordKey};

/// What asking for a record came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordState {
    /// It was read.
    Known,
    /// It was read and is archived.
    Archived,
    /// It was merged into another one.
    Merged {
        /// The id of the record that is left.
        into: i64,
    },
    /// There is none.
    Gone,
    /// The token may not read it.
    Forbidden,
    /// HubSpot's answer about it makes no sense, and asking again would not help.
    Unreadable,
}

impl RecordState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Archived => "archived",
            Self::Merged { .. } => "merged",
            Self::Gone => "gone",
            Self::Forbidden => "forbidden",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A record as the books hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Which record.
    pub key: RecordKey,
    /// What asking for it came to.
    pub state: RecordState,
    /// The record as it was last readable, with the histories; `None` if it never was.
    pub record: Option<Record>,
    /// True if HubSpot never showed what the event told.
    pub unsettled: bool,
}

/// A change to store, and the event-driven reports that have to tell it.
#[derive(Debug, Clone)]
pub struct NewChange {
    /// The change.
    pub change: Change,
    /// Names of reports.
    pub reports: Vec<String>,
}

/// The outcome of one reading.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was due.
    pub due: Due,
    /// The record after it.
    pub stored: StoredRecord,
    /// The due date of an invoice that is open, for the midnight step.
    pub open_until: Option<Date>,
    /// The changes that its history tells of; those that are in the books already are not stored again.
    pub changes: Vec<NewChange>,
    /// True for an invoice that is shown otherwise than before: its payments, which are shown as it is, follow.
    pub payments_follow: bool,
}

/// Which records are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Which {
    /// Those that were last modified in this time, by HubSpot's clock.
    pub modified: Range<Timestamp>,
    /// And of invoices those on which something is owed.
    pub or_owed: bool,
}

impl Store {
    /// Reads records, in the order of the keys; those that were never asked for are missing.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn records(&self, keys: &[RecordKey]) -> Result<Vec<StoredRecord>, StoreError> {
        let mut transaction = self.pool().begin().await?;
        records_in(&mut transaction, keys, "").await
    }

    /// Stores what was read of records of one kind and the changes it tells of, clears what was due, and asks for the
    /// winners of merges, all or nothing. No older version replaces a newer one. `ledger` gives what a record adds to the
    /// figures of the periods, a payment together with its invoice; `None` where nothing was ever read of it. Tells how many
    /// changes were new.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn settle(
        &self,
        outcomes: &[Outcome],
        ask_for: &[RecordKey],
        ledger: impl Fn(&StoredRecord, Option<&StoredRecord>) -> Option<Ledger>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        retried(|| self.settle_once(outcomes, ask_for, &ledger, now)).await
    }

    async fn settle_once(
        &self,
        outcomes: &[Outcome],
        ask_for: &[RecordKey],
        ledger: impl Fn(&StoredRecord, Option<&StoredRecord>) -> Option<Ledger>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut transaction = self.write().await?;
        let (mut new_changes, mut written, mut shown_anew) = (0, Vec::new(), Vec::new());
        for outcome in outcomes {
            if write_record(&mut transaction, &outcome.stored, outcome.open_until, now).await? {
                written.push(&outcome.stored);
                shown_anew.extend(outcome.payments_follow.then_some(outcome.stored.key));
            }
            for new in &outcome.changes {
                new_changes += u64::from(write_change(&mut transaction, new, now).await?);
            }
            due::clear(&mut transaction, &outcome.due).await?;
        }
        let following = ledger::payments_of(&mut transaction, self.engine, &shown_anew).await?;
        written.extend(&following);
        ledger::post_of(&mut transaction, self.engine, &written, ledger).await?;
        due::Asked::of(ask_for).store(&mut transaction, self.engine, now).await?;
        transaction.commit().await?;
        Ok(new_changes)
    }

    /// Stores a page of the opening balance: records as they are, without changes, and how far the walk has come. A
    /// record that the books hold already stays as it is. `ask_for` is made due; `ledger` is as in [`Store::settle`].
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn open_with<C: serde::Serialize>(
        &self,
        records: &[(StoredRecord, Option<Date>)],
        ask_for: &[RecordKey],
        cursor: (&str, &C),
        ledger: impl Fn(&StoredRecord, Option<&StoredRecord>) -> Option<Ledger>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (fact, value, ledger) = (cursor.0, &to_json(cursor.1), &ledger);
        retried(|| async move {
            let mut transaction = self.write().await?;
            let mut written = Vec::new();
            for (stored, open_until) in records {
                if insert_record(&mut transaction, stored, now).await? {
                    write_open_invoice(&mut transaction, stored.key, *open_until).await?;
                    written.push(stored);
                }
            }
            ledger::post_of(&mut transaction, self.engine, &written, ledger).await?;
            due::Asked::of(ask_for).store(&mut transaction, self.engine, now).await?;
            write_fact(&mut transaction, fact, value).await?;
            Ok(transaction.commit().await?)
        })
        .await
    }

    /// Some of the invoices that are open and were due before a day, after an id, in the order of their ids.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn open_invoices_due_before(
        &self,
        portal_id: i64,
        day: Date,
        after: i64,
        limit: u32,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let rows: Vec<(i64,)> = sqlx::query_as(
            "SELECT record_id FROM open_invoices WHERE portal_id = ? AND due_date < ? AND record_id > ? \
             ORDER BY record_id LIMIT ?",
        )
        .bind(portal_id)
        .bind(day.to_string())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().map(|(id,)| RecordKey { portal_id, kind: Kind::Invoice, id }).collect())
    }

    /// The keys of some records of a kind, after an id, in the order of their ids. Those that are archived, merged or gone are
    /// not among them.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn keys_of(
        &self,
        portal_id: i64,
        of: Kind,
        after: i64,
        which: &Which,
        limit: u32,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let or_owed = if which.or_owed && of == Kind::Invoice {
            format!(
                "OR EXISTS (SELECT 1 FROM balances b WHERE b.portal_id = records.portal_id \
                 AND b.record_id = records.record_id AND b.until_date = '{STILL}')"
            )
        } else {
            String::new()
        };
        let sql = format!(
            "SELECT record_id FROM records WHERE portal_id = ? AND kind = ? AND record_id > ? AND state = 'known' \
             AND ((updated_at >= ? AND updated_at < ?) {or_owed}) ORDER BY record_id LIMIT ?"
        );
        let rows: Vec<(i64,)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(portal_id)
            .bind(of.as_str())
            .bind(after)
            .bind(which.modified.start.as_millisecond())
            .bind(which.modified.end.as_millisecond())
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await?;
        Ok(rows.into_iter().map(|(id,)| RecordKey { portal_id, kind: of, id }).collect())
    }

    /// How many records of a kind the books hold that could be read.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn known_records(&self, portal_id: i64, of: Kind) -> Result<u64, StoreError> {
        let (count,): (i64,) = sqlx::query_as(
            "SELECT COUNT(*) FROM records WHERE portal_id = ? AND kind = ? AND state IN ('known', 'archived')",
        )
        .bind(portal_id)
        .bind(of.as_str())
        .fetch_one(self.pool())
        .await?;
        Ok(count.unsigned_abs())
    }
}

fn read_state(word: &str, merged_into: Option<i64>) -> Result<RecordState, StoreError> {
    Ok(match (word, merged_into) {
        ("known", _) => RecordState::Known,
        ("archived", _) => RecordState::Archived,
        ("merged", Some(into)) => RecordState::Merged { into },
        ("gone", _) => RecordState::Gone,
        ("forbidden", _) => RecordState::Forbidden,
        ("unreadable", _) => RecordState::Unreadable,
        _ => {
            let source = BadValue::Word(word.to_owned());
            return Err(StoreError::Unreadable { table: "records", column: "state", source });
        }
    })
}

/// The records with these keys, in their order; with `lock` at the end of the statement.
pub(super) async fn records_in(
    transaction: &mut Transaction<'static, Db>,
    keys: &[RecordKey],
    lock: &str,
) -> Result<Vec<StoredRecord>, StoreError> {
    type Row = (i64, String, i64, String, Option<i64>, i64, Option<String>);
    let mut found = BTreeMap::new();
    for part in parts(keys) {
        let before = "SELECT portal_id, kind, record_id, state, merged_into, unsettled, record FROM records WHERE ";
        let mut query = sqlx::query_as(AssertSqlSafe(statement(part, before, ONE_RECORD, " OR ", lock)));
        for key in part {
            query = query.bind(key.portal_id).bind(key.kind.as_str()).bind(key.id);
        }
        let rows: Vec<Row> = query.fetch_all(&mut **transaction).await?;
        for (portal_id, word, id, state, merged_into, unsettled, record) in rows {
            let key = RecordKey { portal_id, kind: kind(&word, "records")?, id };
            let record = record.map(|text| json(&text, "records", "record")).transpose()?;
            let state = read_state(&state, merged_into)?;
            found.insert(key, StoredRecord { key, state, record, unsettled: unsettled != 0 });
        }
    }
    Ok(keys.iter().filter_map(|key| found.remove(key)).collect())
}

/// Stores a record, unless the books hold a newer version of it; tells whether it was stored.
async fn write_record(
    transaction: &mut Transaction<'static, Db>,
    stored: &StoredRecord,
    open_until: Option<Date>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    // Another worker may insert it between the two; then its version is compared with as well.
    let written = update_record(transaction, stored, now).await?
        || insert_record(transaction, stored, now).await?
        || update_record(transaction, stored, now).await?;
    if written {
        write_open_invoice(transaction, stored.key, open_until).await?;
    }
    Ok(written)
}

const UPDATE_RECORD: &str = "UPDATE records SET state = ?, merged_into = ?, updated_at = ?, read_at = ?, unsettled = ?, invoice = ?, record = ? \
     WHERE portal_id = ? AND kind = ? AND record_id = ? AND updated_at <= ?";

const INSERT_RECORD: &str = "INSERT INTO records \
     (state, merged_into, updated_at, read_at, unsettled, invoice, record, portal_id, kind, record_id) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

async fn update_record(
    transaction: &mut Transaction<'static, Db>,
    stored: &StoredRecord,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let update = bind_record(UPDATE_RECORD, stored, now).bind(updated_at(stored));
    Ok(update.execute(&mut **transaction).await?.rows_affected() > 0)
}

async fn insert_record(
    transaction: &mut Transaction<'static, Db>,
    stored: &StoredRecord,
    now: Timestamp,
) -> Result<bool, StoreError> {
    insert_new(transaction, bind_record(INSERT_RECORD, stored, now)).await
}

fn updated_at(stored: &StoredRecord) -> i64 {
    stored.record.as_ref().map_or(0, |record| record.updated_at.as_millisecond())
}

/// Both statements begin with the same columns.
fn bind_record<'q>(sql: &'static str, stored: &StoredRecord, now: Timestamp) -> Query<'q, Db, AnyArguments> {
    let merged_into = if let RecordState::Merged { into } = stored.state { Some(into) } else { None };
    sqlx::query(sql)
        .bind(stored.state.as_str())
        .bind(merged_into)
        .bind(updated_at(stored))
        .bind(now.as_millisecond())
        .bind(i64::from(stored.unsettled))
        .bind(stored.record.as_ref().and_then(|record| record.invoice))
        .bind(stored.record.as_ref().map(to_json))
        .bind(stored.key.portal_id)
        .bind(stored.key.kind.as_str())
        .bind(stored.key.id)
}

async fn write_open_invoice(
    transaction: &mut Transaction<'static, Db>,
    key: RecordKey,
    open_until: Option<Date>,
) -> Result<(), StoreError> {
    if key.kind != Kind::Invoice {
        return Ok(());
    }
    sqlx::query("DELETE FROM open_invoices WHERE portal_id = ? AND record_id = ?")
        .bind(key.portal_id)
        .bind(key.id)
        .execute(&mut **transaction)
        .await?;
    if let Some(day) = open_until {
        sqlx::query("INSERT INTO open_invoices (portal_id, record_id, due_date) VALUES (?, ?, ?)")
            .bind(key.portal_id)
            .bind(key.id)
            .bind(day.to_string())
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}
