//! The books as they are at one moment: what a period's report is read from, in parts and without being held up or changed by
//! whoever writes meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::{AssertSqlSafe, Transaction};

use super::ledger::{ONE_RECORD, balance, lines_of, told_lines};
use super::records::records_in;
use super::rows::{parts, statement};
use super::{BadValue, Db, Engine, Store, StoreError, StoredRecord, json, kind, time};
use crate::domain::changes::ChangeKind;
use crate::domain::ledger::{Balance, Face, Line, Vocabulary};
use crate::domain::record::{Kind, RecordKey};

/// How many rows are in memory at once as the engine gives them.
const ROWS: i64 = 2_000;

/// The books of one account at one moment. Nothing else should be asked of the books while it is there: those in SQLite have one
/// connection.
#[derive(Debug)]
pub struct Snapshot {
    transaction: Transaction<'static, Db>,
    engine: Engine,
    portal_id: i64,
    words: Vocabulary,
}

/// What a series told of a record that has changed since.
#[derive(Debug, Clone)]
pub struct Mark {
    /// The record.
    pub key: RecordKey,
    /// Which change it was read after. It is cleared only for that one.
    pub generation: i64,
    /// The lines as they were told, and those of days that were announced and not told yet.
    pub told: Vec<Line>,
}

/// What has happened to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Happened {
    /// The record.
    pub key: RecordKey,
    /// What.
    pub kind: ChangeKind,
    /// When, by HubSpot's clock.
    pub at: Timestamp,
}

impl Store {
    /// The books of an account as they are now.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn snapshot(&self, portal_id: i64) -> Result<Snapshot, StoreError> {
        let transaction = self.pool().begin_with(self.engine.begin_snapshot()).await?;
        Ok(Snapshot { transaction, engine: self.engine, portal_id, words: Vocabulary::default() })
    }
}

impl Snapshot {
    /// Ends it.
    ///
    /// # Errors
    /// Fails where the connection is lost.
    pub async fn end(self) -> Result<(), StoreError> {
        Ok(self.transaction.rollback().await?)
    }

    /// Gives every line of the days from `from` on and before `to`, by day and record.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn lines(&mut self, from: Date, to: Date, mut each: impl FnMut(Line)) -> Result<(), StoreError> {
        type Row = (i64, String, String, String);
        let mut day = from;
        while day < to {
            // Where the last part ended: the record, and how many of its lines were in it.
            let (mut from_id, mut taken) = (i64::MIN, 0);
            let mut last: Option<(RecordKey, String, Arc<Face>)> = None;
            loop {
                let rows: Vec<Row> = sqlx::query_as(
                    "SELECT record_id, kind, entry, face FROM entries WHERE portal_id = ? AND date = ? AND record_id >= ? \
                     ORDER BY record_id, kind, figure, n LIMIT ? OFFSET ?",
                )
                .bind(self.portal_id)
                .bind(day.to_string())
                .bind(from_id)
                .bind(ROWS)
                .bind(taken)
                .fetch_all(&mut *self.transaction)
                .await?;
                let is_last = i64::try_from(rows.len()).is_ok_and(|rows| rows < ROWS);
                for (id, word, entry, text) in rows {
                    let key = RecordKey { portal_id: self.portal_id, kind: kind(&word, "entries")?, id };
                    taken = if id == from_id { taken + 1 } else { 1 };
                    from_id = id;
                    let face = match last {
                        Some((of, ref known, ref face)) if of == key && *known == text => face.clone(),
                        _ => self.face(&text, "entries")?,
                    };
                    last = Some((key, text, face.clone()));
                    each(Line { key, entry: json(&entry, "entries", "entry")?, face });
                }
                if is_last {
                    break;
                }
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        Ok(())
    }

    fn face(&mut self, text: &str, table: &'static str) -> Result<Arc<Face>, StoreError> {
        let mut face: Face = json(text, table, "face")?;
        face.share(&mut self.words);
        Ok(Arc::new(face))
    }

    /// All lines of some records.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn lines_of(&mut self, keys: &[RecordKey]) -> Result<BTreeMap<RecordKey, Vec<Line>>, StoreError> {
        lines_of(&mut self.transaction, self.engine, keys).await
    }

    /// Some of the marks of a series, after a record, by kind and id.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn marks(&mut self, series: &str, of: Kind, after: i64, limit: u32) -> Result<Vec<Mark>, StoreError> {
        let rows: Vec<(i64, i64, String)> = sqlx::query_as(
            "SELECT record_id, generation, told FROM marks \
             WHERE portal_id = ? AND series = ? AND kind = ? AND record_id > ? ORDER BY record_id LIMIT ?",
        )
        .bind(self.portal_id)
        .bind(series)
        .bind(of.as_str())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.transaction)
        .await?;
        rows.into_iter()
            .map(|(id, generation, told)| {
                let key = RecordKey { portal_id: self.portal_id, kind: of, id };
                Ok(Mark { key, generation, told: told_lines(key, &told)? })
            })
            .collect()
    }

    /// Gives what was owed at the end of a day, invoice by invoice.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn owed(&mut self, day: Date, mut each: impl FnMut(Balance)) -> Result<(), StoreError> {
        type Row = (i64, String, String, String, String);
        let mut taken = 0;
        loop {
            let rows: Vec<Row> = sqlx::query_as(
                "SELECT record_id, from_date, until_date, owed, face FROM balances \
                 WHERE portal_id = ? AND until_date > ? AND from_date <= ? \
                 ORDER BY until_date, record_id, from_date LIMIT ? OFFSET ?",
            )
            .bind(self.portal_id)
            .bind(day.to_string())
            .bind(day.to_string())
            .bind(ROWS)
            .bind(taken)
            .fetch_all(&mut *self.transaction)
            .await?;
            let in_part = i64::try_from(rows.len()).unwrap_or(ROWS);
            for (id, from, until, owed, face) in rows {
                let key = RecordKey { portal_id: self.portal_id, kind: Kind::Invoice, id };
                let mut owed = balance(key, (&from, &until), &owed, &face)?;
                owed.face = self.face(&face, "balances")?;
                each(owed);
            }
            taken += in_part;
            if in_part < ROWS {
                return Ok(());
            }
        }
    }

    /// What has happened to some records that the books have learned of after a moment, in the order in which it happened.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn happened(&mut self, keys: &[RecordKey], after: Timestamp) -> Result<Vec<Happened>, StoreError> {
        type Row = (i64, String, i64, String, i64);
        let mut all = Vec::new();
        for part in parts(keys) {
            let before =
                "SELECT portal_id, kind, record_id, change_kind, effective_at FROM changes WHERE observed_at > ? AND (";
            let sql = statement(part, before, ONE_RECORD, " OR ", ") ORDER BY effective_at, seq");
            let mut query = sqlx::query_as(AssertSqlSafe(sql)).bind(after.as_millisecond());
            for key in part {
                query = query.bind(key.portal_id).bind(key.kind.as_str()).bind(key.id);
            }
            let rows: Vec<Row> = query.fetch_all(&mut *self.transaction).await?;
            for (portal_id, of, id, change, at) in rows {
                let key = RecordKey { portal_id, kind: kind(&of, "changes")?, id };
                let kind = ChangeKind::parse(&change).ok_or_else(|| {
                    let source = BadValue::Word(change);
                    StoreError::Unreadable { table: "changes", column: "change_kind", source }
                })?;
                all.push(Happened { key, kind, at: time(at, "changes", "effective_at")? });
            }
        }
        Ok(all)
    }

    /// Records, as [`Store::records`] gives them.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn records(&mut self, keys: &[RecordKey]) -> Result<Vec<StoredRecord>, StoreError> {
        records_in(&mut self.transaction, keys, "").await
    }
}
