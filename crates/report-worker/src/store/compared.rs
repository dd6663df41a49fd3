//! A comparison of the books with HubSpot: what was listed so far, and what was wrong with it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::AssertSqlSafe;

use super::facts::write_fact;
use super::{Store, StoreError, due, kind, retried, time, to_json};
use crate::domain::record::{Kind, RecordKey};

/// How many rows one statement names.
const AT_ONCE: usize = 200;

/// How the books hold a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is held as a record that HubSpot would list: neither archived, merged, gone nor unreadable.
    pub is_live: bool,
    /// HubSpot's last modification that the books have read.
    pub updated_at: Timestamp,
    /// Whether it is going to be read anyway.
    pub is_due: bool,
}

impl Store {
    /// How the books hold each of these records of one kind; those that they do not know are left out.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn standing(&self, portal_id: i64, of: Kind, ids: &[i64]) -> Result<BTreeMap<i64, Standing>, StoreError> {
        let mut standing = BTreeMap::new();
        for ids in ids.chunks(AT_ONCE) {
            let marks = vec!["?"; ids.len()].join(", ");
            let known = format!(
                "SELECT records.record_id, records.state, records.updated_at, due.next_at FROM records \
                 LEFT JOIN due ON due.portal_id = records.portal_id AND due.kind = records.kind \
                 AND due.record_id = records.record_id \
                 WHERE records.portal_id = ? AND records.kind = ? AND records.record_id IN ({marks})"
            );
            let mut query = sqlx::query_as(AssertSqlSafe(known)).bind(portal_id).bind(of.as_str());
            for id in ids {
                query = query.bind(*id);
            }
            let rows: Vec<(i64, String, i64, Option<i64>)> = query.fetch_all(self.pool()).await?;
            for (id, state, updated_at, next_at) in rows {
                let updated_at = time(updated_at, "records", "updated_at")?;
                standing.insert(id, Standing { is_live: state == "known", updated_at, is_due: next_at.is_some() });
            }
        }
        Ok(standing)
    }

    /// Whether a record is due.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn is_due(&self, record: RecordKey) -> Result<bool, StoreError> {
        let (count,): (i64,) = sqlx::query_as(
            "SELECT COUNT(*) FROM due WHERE portal_id = ? AND kind = ? AND record_id = ? AND next_at IS NOT NULL",
        )
        .bind(record.portal_id)
        .bind(record.kind.as_str())
        .bind(record.id)
        .fetch_one(self.pool())
        .await?;
        Ok(count > 0)
    }

    /// Writes down a page of a comparison: the records with what is wrong with them, which of them to read again, and how
    /// far the comparison has come: the name of that fact, what it was and what it is. False, and nothing is written, if it is
    /// another one by now.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn store_compared<P: serde::Serialize>(
        &self,
        walk: &str,
        page: &[(RecordKey, Option<String>)],
        ask_for: &[RecordKey],
        (fact, before, after): (String, &P, &P),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (fact, before, after) = (&fact, &to_json(before), &to_json(after));
        retried(|| self.store_compared_once(walk, page, ask_for, (fact, before, after), now)).await
    }

    async fn store_compared_once(
        &self,
        walk: &str,
        page: &[(RecordKey, Option<String>)],
        ask_for: &[RecordKey],
        (fact, before, after): (&str, &str, &str),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let here = sqlx::query("UPDATE facts SET value = ? WHERE name = ? AND value = ?");
        let here = here.bind(after).bind(fact).bind(before).execute(&mut *transaction).await?;
        if here.rows_affected() == 0 {
            return Ok(false);
        }
        for rows in page.chunks(AT_ONCE) {
            let marks = vec!["(?, ?, ?, ?, ?)"; rows.len()].join(", ");
            // The records at the border of two pages are listed twice.
            let written =
                format!("REPLACE INTO compared (walk, portal_id, kind, record_id, difference) VALUES {marks}");
            let mut query = sqlx::query(AssertSqlSafe(written));
            for (record, difference) in rows {
                query =
                    query.bind(walk).bind(record.portal_id).bind(record.kind.as_str()).bind(record.id).bind(difference);
            }
            query.execute(&mut *transaction).await?;
        }
        due::Asked::of(ask_for).store(&mut transaction, self.engine, now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Some of the records, by their ids from `after` on, that the books hold as live and have not read since `before`, that are not
    /// due, and that the comparison has not seen.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn unlisted(
        &self,
        walk: &str,
        portal_id: i64,
        of: Kind,
        before: Timestamp,
        after: i64,
    ) -> Result<Vec<i64>, StoreError> {
        let rows: Vec<(i64,)> = sqlx::query_as(
            "SELECT records.record_id FROM records \
             LEFT JOIN due ON due.portal_id = records.portal_id AND due.kind = records.kind \
             AND due.record_id = records.record_id \
             LEFT JOIN compared ON compared.walk = ? AND compared.portal_id = records.portal_id \
             AND compared.kind = records.kind AND compared.record_id = records.record_id \
             WHERE records.portal_id = ? AND records.kind = ? AND records.state = 'known' AND records.read_at < ? \
             AND due.next_at IS NULL AND compared.record_id IS NULL AND records.record_id > ? \
             ORDER BY records.record_id LIMIT 200",
        )
        .bind(walk)
        .bind(portal_id)
        .bind(of.as_str())
        .bind(before.as_millisecond())
        .bind(after)
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// What a comparison has found so far.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn differences(&self, walk: &str) -> Result<Vec<(RecordKey, String)>, StoreError> {
        let rows: Vec<(i64, String, i64, String)> = sqlx::query_as(
            "SELECT portal_id, kind, record_id, difference FROM compared WHERE walk = ? AND difference IS NOT NULL \
             ORDER BY portal_id, kind, record_id",
        )
        .bind(walk)
        .fetch_all(self.pool())
        .await?;
        let read = |(portal_id, word, id, difference): (i64, String, i64, String)| {
            Ok((RecordKey { portal_id, kind: kind(&word, "compared")?, id }, difference))
        };
        rows.into_iter().map(read).collect()
    }

    /// Ends a comparison: its pages are forgotten, its result is written.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn end_comparison<R: serde::Serialize>(
        &self,
        walk: &str,
        progress: &str,
        result: (&str, &R),
    ) -> Result<(), StoreError> {
        let value = &to_json(result.1);
        retried(|| async move {
            let mut transaction = self.write().await?;
            sqlx::query("DELETE FROM compared WHERE walk = ?").bind(walk).execute(&mut *transaction).await?;
            sqlx::query("DELETE FROM facts WHERE name = ?").bind(progress).execute(&mut *transaction).await?;
            write_fact(&mut transaction, result.0, value).await?;
            Ok(transaction.commit().await?)
        })
        .await
    }
}
