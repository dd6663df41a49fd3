//! Records that are to be looked at.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Executor, Transaction};

use super::rows::{parts, statement};
use super::{Db, Engine, Store, StoreError, kind, retried, time};
use crate::domain::record::{Kind, RecordKey};

/// A record that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The record.
    pub record: RecordKey,
    /// Which asking this is. It is cleared only for the one that was read, so an event during the read is not lost.
    pub generation: i64,
    /// A reading older than this is not good enough.
    pub wanted_as_of: Option<Timestamp>,
    /// When it was first read for this asking, if it was.
    pub first_read_at: Option<Timestamp>,
    /// How often it was read for this asking.
    pub readings: u32,
    /// How often HubSpot has failed over it, or over others that were asked for with it, since it was last read.
    pub failures: u32,
    /// Since when it is due.
    pub next_at: Timestamp,
}

/// Records asked for in one transaction: a hundred events on one record are one asking.
#[derive(Debug, Default)]
pub(super) struct Asked(BTreeMap<RecordKey, Option<Timestamp>>);

impl Asked {
    /// Records asked for without an event.
    pub(super) fn of(records: &[RecordKey]) -> Self {
        Self(records.iter().map(|record| (*record, None)).collect())
    }

    pub(super) fn add(&mut self, record: RecordKey, wanted_as_of: Option<Timestamp>) {
        let wanted = self.0.entry(record).or_default();
        *wanted = (*wanted).max(wanted_as_of);
    }

    pub(super) async fn store(
        self,
        transaction: &mut Transaction<'static, Db>,
        engine: Engine,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let before =
            "INSERT INTO due (portal_id, kind, record_id, generation, wanted_as_of, readings, next_at) VALUES ";
        let asked: Vec<_> = self.0.into_iter().collect();
        for part in parts(&asked) {
            let sql = statement(part, before, "(?, ?, ?, 1, ?, 0, ?)", ", ", engine.if_asked_for_before());
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (record, wanted_as_of) in part {
                query = query
                    .bind(record.portal_id)
                    .bind(record.kind.as_str())
                    .bind(record.id)
                    .bind(wanted_as_of.map(Timestamp::as_millisecond))
                    .bind(now.as_millisecond());
            }
            query.execute(&mut **transaction).await?;
        }
        Ok(())
    }
}

/// Clears a record for the asking that was read. A newer asking stays due.
pub(super) async fn clear(transaction: &mut Transaction<'static, Db>, due: &Due) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE due SET next_at = NULL, wanted_as_of = NULL, first_read_at = NULL, readings = 0, failures = 0 \
         WHERE portal_id = ? AND kind = ? AND record_id = ? AND generation = ?",
    )
    .bind(due.record.portal_id)
    .bind(due.record.kind.as_str())
    .bind(due.record.id)
    .bind(due.generation)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

impl Store {
    /// The records of these kinds that are due by now, longest waiting first.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn due(
        &self,
        portal_id: i64,
        kinds: &[Kind],
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Due>, StoreError> {
        longest_waiting(self.pool(), self.engine, portal_id, kinds, now, limit, "").await
    }

    /// The records that are due by now and have changes which a report has still to tell: it waits for them, longest
    /// waiting first.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn awaited(&self, portal_id: i64, now: Timestamp, limit: u32) -> Result<Vec<RecordKey>, StoreError> {
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT DISTINCT d.kind, d.record_id, d.next_at FROM pending p JOIN changes c ON c.seq = p.change_seq \
             JOIN due d ON d.portal_id = c.portal_id AND d.kind = c.kind AND d.record_id = c.record_id \
             WHERE d.portal_id = ? AND d.next_at <= ? ORDER BY d.next_at, d.record_id LIMIT ?",
        )
        .bind(portal_id)
        .bind(now.as_millisecond())
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(|(word, id, _)| Ok(RecordKey { portal_id, kind: kind(&word, "due")?, id })).collect()
    }

    /// What is due by now for this worker alone: of these kinds, `first` before all others, then longest waiting first.
    /// Until `until` nobody else is given them. A worker that is killed leaves no other trace than that. SQLite serves one
    /// worker, which needs no claim.
    ///
    /// # Errors
    /// Fails where the books cannot be read or written.
    pub async fn claim_due(
        &self,
        portal_id: i64,
        kinds: &[Kind],
        first: &[RecordKey],
        (now, until): (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<Due>, StoreError> {
        retried(|| async move {
            // Without a claim there is nothing to write.
            let mut transaction = match self.engine {
                Engine::Sqlite => self.pool.begin().await?,
                Engine::MySql => self.write().await?,
            };
            let lock = self.engine.for_update();
            let mut due = Vec::new();
            for part in parts(first) {
                due.extend(these(&mut *transaction, part, now, lock).await?);
            }
            due.retain(|due: &Due| kinds.contains(&due.record.kind));
            let known: BTreeSet<RecordKey> = due.iter().map(|due| due.record).collect();
            let others = longest_waiting(&mut *transaction, self.engine, portal_id, kinds, now, limit, lock).await?;
            due.extend(others.into_iter().filter(|due| !known.contains(&due.record)));
            due.truncate(limit as usize);
            if self.engine != Engine::Sqlite {
                move_to(&mut transaction, &due, until).await?;
            }
            transaction.commit().await?;
            Ok(due)
        })
        .await
    }

    /// How many records an event before this moment told of and that have not been read since as it said.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn unread(&self, portal_id: i64, told_before: Timestamp) -> Result<u64, StoreError> {
        self.count_due(portal_id, "wanted_as_of < ?", told_before).await
    }

    /// How many records are still to be read, but for those that only an event after this moment told of.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn still_due(&self, portal_id: i64, told_before: Timestamp) -> Result<u64, StoreError> {
        self.count_due(portal_id, "(wanted_as_of IS NULL OR wanted_as_of < ?)", told_before).await
    }

    async fn count_due(&self, portal_id: i64, wanted: &'static str, before: Timestamp) -> Result<u64, StoreError> {
        let index = self.engine.by_index(NEXT);
        let sql = format!("SELECT COUNT(*) FROM due{index} WHERE next_at IS NOT NULL AND portal_id = ? AND {wanted}");
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(portal_id).bind(before.as_millisecond());
        let (count,): (i64,) = query.fetch_one(self.pool()).await?;
        Ok(count.unsigned_abs())
    }

    /// Gives back what was claimed and not read, to the place that the longest waiting of them had.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn give_back(&self, claimed: &[Due]) -> Result<(), StoreError> {
        let Some(since) = claimed.iter().map(|due| due.next_at).min().filter(|_| self.engine != Engine::Sqlite) else {
            return Ok(());
        };
        retried(|| async move {
            let mut transaction = self.write().await?;
            move_to(&mut transaction, claimed, since).await?;
            Ok(transaction.commit().await?)
        })
        .await
    }

    /// Puts off a record that was read and not settled. A newer asking is left as it is.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn put_off(&self, due: &Due, read_at: Timestamp, next_at: Timestamp) -> Result<(), StoreError> {
        retried(|| async move {
            sqlx::query(
                "UPDATE due SET next_at = ?, readings = ?, failures = 0, first_read_at = COALESCE(first_read_at, ?) \
                 WHERE portal_id = ? AND kind = ? AND record_id = ? AND generation = ?",
            )
            .bind(next_at.as_millisecond())
            .bind(i64::from(due.readings) + 1)
            .bind(read_at.as_millisecond())
            .bind(due.record.portal_id)
            .bind(due.record.kind.as_str())
            .bind(due.record.id)
            .bind(due.generation)
            .execute(self.pool())
            .await?;
            Ok(())
        })
        .await
    }

    /// Puts off records that HubSpot failed over, and counts it. A newer asking is left as it is.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn put_off_failed(&self, due: &[Due], next_at: Timestamp) -> Result<(), StoreError> {
        retried(|| async move {
            let mut transaction = self.write().await?;
            update(&mut transaction, due, "failures = failures + 1, next_at", next_at).await?;
            Ok(transaction.commit().await?)
        })
        .await
    }

    /// How many records are due or being waited for, and the next instant at which one is; accounts other than this
    /// one do not count.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn waiting(&self, portal_id: i64) -> Result<(u64, Option<Timestamp>), StoreError> {
        let index = self.engine.by_index(NEXT);
        let sql = format!("SELECT COUNT(*), MIN(next_at) FROM due{index} WHERE portal_id = ? AND next_at IS NOT NULL");
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(portal_id);
        let (count, next): (i64, Option<i64>) = query.fetch_one(self.pool()).await?;
        Ok((count.unsigned_abs(), next.map(|ms| time(ms, "due", "next_at")).transpose()?))
    }
}

/// The columns of a [`Due`].
const COLUMNS: &str =
    "portal_id, kind, record_id, generation, wanted_as_of, first_read_at, readings, failures, next_at";

/// The index that holds what is due. Every record that was ever asked for has a row.
const NEXT: &str = "due_next";

type Row = (i64, String, i64, i64, Option<i64>, Option<i64>, i64, i64, i64);

async fn longest_waiting(
    from: impl Executor<'_, Database = Db>,
    engine: Engine,
    portal_id: i64,
    kinds: &[Kind],
    now: Timestamp,
    limit: u32,
    lock: &str,
) -> Result<Vec<Due>, StoreError> {
    let of = vec!["?"; kinds.len()].join(", ");
    let sql = format!(
        "SELECT {COLUMNS} FROM due{} WHERE portal_id = ? AND kind IN ({of}) AND next_at <= ? \
         ORDER BY next_at, record_id LIMIT ?{lock}",
        engine.by_index(NEXT)
    );
    let mut query = sqlx::query_as(AssertSqlSafe(sql)).bind(portal_id);
    for kind in kinds {
        query = query.bind(kind.as_str());
    }
    let rows: Vec<Row> = query.bind(now.as_millisecond()).bind(i64::from(limit)).fetch_all(from).await?;
    rows.into_iter().map(due_of).collect()
}

/// Those of these records that are due.
async fn these(
    from: impl Executor<'_, Database = Db>,
    records: &[RecordKey],
    now: Timestamp,
    lock: &str,
) -> Result<Vec<Due>, StoreError> {
    let before = format!("SELECT {COLUMNS} FROM due WHERE next_at <= ? AND (");
    let one = "(portal_id = ? AND kind = ? AND record_id = ?)";
    let sql = statement(records, &before, one, " OR ", &format!(") ORDER BY next_at, record_id{lock}"));
    let mut query = sqlx::query_as(AssertSqlSafe(sql)).bind(now.as_millisecond());
    for record in records {
        query = query.bind(record.portal_id).bind(record.kind.as_str()).bind(record.id);
    }
    let rows: Vec<Row> = query.fetch_all(from).await?;
    rows.into_iter().map(due_of).collect()
}

fn due_of(row: Row) -> Result<Due, StoreError> {
    let (portal_id, word, id, generation, wanted_as_of, first_read_at, readings, failures, next_at) = row;
    Ok(Due {
        record: RecordKey { portal_id, kind: kind(&word, "due")?, id },
        generation,
        wanted_as_of: wanted_as_of.map(|ms| time(ms, "due", "wanted_as_of")).transpose()?,
        first_read_at: first_read_at.map(|ms| time(ms, "due", "first_read_at")).transpose()?,
        readings: u32::try_from(readings).unwrap_or(u32::MAX),
        failures: u32::try_from(failures).unwrap_or(u32::MAX),
        next_at: time(next_at, "due", "next_at")?,
    })
}

/// Makes records due at another instant, but for those that were asked for again or are settled.
async fn move_to(transaction: &mut Transaction<'static, Db>, due: &[Due], at: Timestamp) -> Result<(), StoreError> {
    update(transaction, due, "next_at", at).await
}

async fn update(
    transaction: &mut Transaction<'static, Db>,
    due: &[Due],
    set: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let before = format!("UPDATE due SET {set} = ? WHERE next_at IS NOT NULL AND (");
    for part in parts(due) {
        let one = "(portal_id = ? AND kind = ? AND record_id = ? AND generation = ?)";
        let sql = statement(part, &before, one, " OR ", ")");
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(at.as_millisecond());
        for Due { record, generation, .. } in part {
            query = query.bind(record.portal_id).bind(record.kind.as_str()).bind(record.id).bind(*generation);
        }
        query.execute(&mut **transaction).await?;
    }
    Ok(())
}
