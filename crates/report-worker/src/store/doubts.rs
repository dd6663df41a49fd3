//! What the books themselves know to speak against their figures, in questions that an index answers.

use jiff::Timestamp;
use sqlx::AssertSqlSafe;

use super::glance::MOST_COUNTED;
use super::{Store, StoreError, kind};
use crate::domain::record::Kind;

/// How the cause of an event begins that was set aside because it is of another account: it says nothing about this one.
pub const OF_ANOTHER_ACCOUNT: &str = "of account ";

impl Store {
    /// How many records HubSpot would not give out, or answered for with what makes no sense, when they were last asked for;
    /// those of the kinds that are `left_out` as a whole are not counted.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn unreadable(&self, portal_id: i64, left_out: &[Kind]) -> Result<u64, StoreError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT kind, COUNT(*) FROM records WHERE portal_id = ? AND state IN ('forbidden', 'unreadable') GROUP BY kind",
        )
        .bind(portal_id)
        .fetch_all(self.pool())
        .await?;
        let mut unreadable = 0;
        for (word, count) in rows {
            let is_told = left_out.contains(&kind(&word, "records")?);
            unreadable += if is_told { 0 } else { count.unsigned_abs() };
        }
        Ok(unreadable)
    }

    /// How many records that were read since a moment HubSpot never showed as their event told.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn unsettled(&self, portal_id: i64, since: Timestamp) -> Result<u64, StoreError> {
        // Only a record that was read as a live one can be so: whatever else it came to was told.
        let (count,): (i64,) = sqlx::query_as(
            "SELECT COUNT(*) FROM records WHERE portal_id = ? AND state = 'known' AND unsettled = 1 AND read_at >= ?",
        )
        .bind(portal_id)
        .bind(since.as_millisecond())
        .fetch_one(self.pool())
        .await?;
        Ok(count.unsigned_abs())
    }

    /// How many events of the deliveries received since a moment could not be read, but no more than [`MOST_COUNTED`].
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn set_aside_since(&self, since: Timestamp) -> Result<u64, StoreError> {
        let (count,): (i64,) = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT COUNT(*) FROM (SELECT 1 AS one FROM deliveries d JOIN set_aside s ON s.delivery_id = d.id \
             WHERE d.received_at >= ? AND s.cause NOT LIKE '{OF_ANOTHER_ACCOUNT}%' LIMIT {MOST_COUNTED}) counted"
        )))
        .bind(since.as_millisecond())
        .fetch_one(self.pool())
        .await?;
        Ok(count.unsigned_abs())
    }
}
