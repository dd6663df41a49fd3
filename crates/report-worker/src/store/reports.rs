//! The reports as built, and what they have still to tell.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::mails::{OutgoingMail, write_mail};
use super::{Store, StoreError, insert_new, json, kind, retried, time, to_json};
use crate::domain::changes::Change;
use crate::domain::position::Position;
use crate::domain::record::RecordKey;

/// A change that an event-driven report has still to tell.
#[derive(Debug, Clone)]
pub struct PendingChange {
    /// Its number in the books.
    pub seq: i64,
    /// The change.
    pub change: Change,
    /// When the books learned of it.
    pub observed_at: Timestamp,
    /// True while its record is due: more may be coming.
    pub record_due: bool,
}

/// A report to store with its mail.
#[derive(Debug, Clone)]
pub struct NewReport {
    /// The same changes under the same name have the same id.
    pub id: String,
    /// The definition's name.
    pub name: String,
    /// Digest of the definition it was built by.
    pub definition_hash: String,
    /// What it says, as JSON.
    pub document: String,
    /// The changes it tells, by their numbers.
    pub changes: Vec<i64>,
    /// Where each record stands by this report.
    pub lines: Vec<(RecordKey, Position)>,
}

impl Store {
    /// What a report has still to tell, oldest first.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn pending(&self, report_name: &str) -> Result<Vec<PendingChange>, StoreError> {
        let rows: Vec<(i64, String, i64, Option<i64>)> = sqlx::query_as(
            "SELECT c.seq, c.`change`, c.observed_at, d.next_at FROM pending p \
             JOIN changes c ON c.seq = p.change_seq \
             LEFT JOIN due d ON d.portal_id = c.portal_id AND d.kind = c.kind AND d.record_id = c.record_id \
             WHERE p.report_name = ? ORDER BY c.seq",
        )
        .bind(report_name)
        .fetch_all(self.pool())
        .await?;
        rows.into_iter()
            .map(|(seq, change, observed_at, next_at)| {
                Ok(PendingChange {
                    seq,
                    change: json(&change, "changes", "change")?,
                    observed_at: time(observed_at, "changes", "observed_at")?,
                    record_due: next_at.is_some(),
                })
            })
            .collect()
    }

    /// Where each record stood by the newest report of this name that spoke of it, and when that was built.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn reported(
        &self,
        report_name: &str,
        keys: &[RecordKey],
    ) -> Result<BTreeMap<RecordKey, (Position, Timestamp)>, StoreError> {
        let mut reported = BTreeMap::new();
        for &key in keys {
            let row: Option<(String, i64)> = sqlx::query_as(
                "SELECT position, built_at FROM report_lines \
                 WHERE report_name = ? AND portal_id = ? AND kind = ? AND record_id = ? \
                 ORDER BY built_at DESC, report_id DESC LIMIT 1",
            )
            .bind(report_name)
            .bind(key.portal_id)
            .bind(key.kind.as_str())
            .bind(key.id)
            .fetch_optional(self.pool())
            .await?;
            if let Some((position, built_at)) = row {
                let position = json(&position, "report_lines", "position")?;
                reported.insert(key, (position, time(built_at, "report_lines", "built_at")?));
            }
        }
        Ok(reported)
    }

    /// The newest reports of this name that spoke of each of the records, at most five of each record; all of them oldest
    /// first.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn told_in(&self, report_name: &str, keys: &[RecordKey]) -> Result<Vec<String>, StoreError> {
        let mut reports = BTreeMap::new();
        for &key in keys {
            let rows: Vec<(String, i64)> = sqlx::query_as(
                "SELECT report_id, built_at FROM report_lines \
                 WHERE report_name = ? AND portal_id = ? AND kind = ? AND record_id = ? \
                 ORDER BY built_at DESC, report_id DESC LIMIT 5",
            )
            .bind(report_name)
            .bind(key.portal_id)
            .bind(key.kind.as_str())
            .bind(key.id)
            .fetch_all(self.pool())
            .await?;
            reports.extend(rows);
        }
        let mut reports: Vec<_> = reports.into_iter().map(|(id, built_at)| (built_at, id)).collect();
        reports.sort();
        Ok(reports.into_iter().map(|(_, id)| id).collect())
    }

    /// The changes of a record that reports of this name were given before, oldest first, whether they told them or not.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn settled(&self, report_name: &str, key: RecordKey) -> Result<Vec<Change>, StoreError> {
        let rows: Vec<(String,)> = sqlx::query_as(
            "SELECT c.`change` FROM changes c JOIN report_changes r ON r.change_seq = c.seq AND r.report_name = ? \
             WHERE c.portal_id = ? AND c.kind = ? AND c.record_id = ? ORDER BY c.seq",
        )
        .bind(report_name)
        .bind(key.portal_id)
        .bind(key.kind.as_str())
        .bind(key.id)
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(|(change,)| json(&change, "changes", "change")).collect()
    }

    /// Stores a report, what it says of which record, and its mail, all or nothing. Without a mail where there is nothing
    /// to tell: changes that undid each other are settled too. False if another worker has told one of its changes already; then nothing is stored.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn store_report(
        &self,
        report: &NewReport,
        mail: Option<&OutgoingMail>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        retried(|| self.store_report_once(report, mail, now)).await
    }

    async fn store_report_once(
        &self,
        report: &NewReport,
        mail: Option<&OutgoingMail>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let insert =
            sqlx::query("INSERT INTO reports (id, name, definition_hash, built_at, document) VALUES (?, ?, ?, ?, ?)")
                .bind(&report.id)
                .bind(&report.name)
                .bind(&report.definition_hash)
                .bind(now.as_millisecond())
                .bind(&report.document);
        insert_new(&mut transaction, insert).await?;
        for &seq in &report.changes {
            let insert =
                sqlx::query("INSERT INTO report_changes (report_name, change_seq, report_id) VALUES (?, ?, ?)")
                    .bind(&report.name)
                    .bind(seq)
                    .bind(&report.id);
            if !insert_new(&mut transaction, insert).await? {
                return Ok(false);
            }
            sqlx::query("DELETE FROM pending WHERE report_name = ? AND change_seq = ?")
                .bind(&report.name)
                .bind(seq)
                .execute(&mut *transaction)
                .await?;
        }
        for (key, position) in &report.lines {
            let (newest,): (Option<i64>,) = sqlx::query_as(
                "SELECT MAX(built_at) FROM report_lines \
                 WHERE report_name = ? AND portal_id = ? AND kind = ? AND record_id = ?",
            )
            .bind(&report.name)
            .bind(key.portal_id)
            .bind(key.kind.as_str())
            .bind(key.id)
            .fetch_one(&mut *transaction)
            .await?;
            // Lines of a record follow one another, even where two reports are built within one millisecond or the clock
            // has gone back: the next report compares with the newest.
            let built_at = newest.map_or(now.as_millisecond(), |newest| now.as_millisecond().max(newest + 1));
            sqlx::query(
                "INSERT INTO report_lines \
                 (report_name, portal_id, kind, record_id, built_at, report_id, position) VALUES (?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(&report.name)
            .bind(key.portal_id)
            .bind(key.kind.as_str())
            .bind(key.id)
            .bind(built_at)
            .bind(&report.id)
            .bind(to_json(position))
            .execute(&mut *transaction)
            .await?;
        }
        if let Some(mail) = mail {
            write_mail(&mut transaction, mail, Some(&report.id), (now, now)).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// A stored report's document, as JSON.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn document(&self, report_id: &str) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = sqlx::query_as("SELECT document FROM reports WHERE id = ?")
            .bind(report_id)
            .fetch_optional(self.pool())
            .await?;
        Ok(row.map(|(document,)| document))
    }

    /// The newest document of a report that was mailed, as JSON.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn newest_document(&self, report_name: &str) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = sqlx::query_as(
            "SELECT document FROM reports WHERE name = ? AND id IN (SELECT report_id FROM mails) \
             ORDER BY built_at DESC, id DESC LIMIT 1",
        )
        .bind(report_name)
        .fetch_optional(self.pool())
        .await?;
        Ok(row.map(|(document,)| document))
    }

    /// Which reports told a change of a record, for tests and messages: report id by change id.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn told(&self) -> Result<Vec<(RecordKey, String, String)>, StoreError> {
        let rows: Vec<(i64, String, i64, String, String)> = sqlx::query_as(
            "SELECT c.portal_id, c.kind, c.record_id, CAST(c.change_id AS CHAR), rc.report_id FROM report_changes rc \
             JOIN changes c ON c.seq = rc.change_seq ORDER BY c.seq",
        )
        .fetch_all(self.pool())
        .await?;
        rows.into_iter()
            .map(|(portal_id, word, id, change, report)| {
                Ok((RecordKey { portal_id, kind: kind(&word, "changes")?, id }, change, report))
            })
            .collect()
    }
}
