//! What the books do not keep for ever: raw deliveries with what was set aside of them, and the keys of events.
//!
//! Each step is a transaction of some hundred rows, found by an index: it costs what it deletes, whatever there is. On MySQL
//! it passes over rows that another worker is deleting. SQLite uses the pages that come free for what comes next.

use jiff::Timestamp;
use sqlx::AssertSqlSafe;

use super::rows::{parts, statement};
use super::{Store, StoreError, retried};

/// The most rows that one step deletes of a table.
const AT_ONCE: i64 = 512;

impl Store {
    /// Deletes some of the deliveries that the door received before this moment, the oldest first, and what was set aside
    /// of them. Tells how many: 0 once there are none left, but for those that another worker is deleting.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn delete_deliveries(&self, received_before: Timestamp) -> Result<usize, StoreError> {
        let oldest = format!(
            "SELECT id FROM deliveries WHERE received_at < ? ORDER BY received_at LIMIT ?{}",
            self.engine.for_update()
        );
        let oldest = oldest.as_str();
        retried(|| async move {
            let mut transaction = self.write().await?;
            let ids: Vec<(Vec<u8>,)> = sqlx::query_as(AssertSqlSafe(oldest))
                .bind(received_before.as_millisecond())
                .bind(AT_ONCE)
                .fetch_all(&mut *transaction)
                .await?;
            for before in ["DELETE FROM set_aside WHERE delivery_id IN (", "DELETE FROM deliveries WHERE id IN ("] {
                for part in parts(&ids) {
                    let mut query = sqlx::query(AssertSqlSafe(statement(part, before, "?", ", ", ")")));
                    for (id,) in part {
                        query = query.bind(id.clone());
                    }
                    query.execute(&mut *transaction).await?;
                }
            }
            transaction.commit().await?;
            Ok(ids.len())
        })
        .await
    }

    /// Deletes the keys of some of an account's events that happened before this moment, the oldest first. Tells how many,
    /// as [`Store::delete_deliveries`] does.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn delete_event_keys(&self, portal_id: i64, occurred_before: Timestamp) -> Result<usize, StoreError> {
        let oldest = format!(
            "SELECT occurred_at, dedupe_key FROM events WHERE portal_id = ? AND occurred_at < ? \
             ORDER BY occurred_at, dedupe_key LIMIT ?{}",
            self.engine.for_update()
        );
        let oldest = oldest.as_str();
        retried(|| async move {
            let mut transaction = self.write().await?;
            let keys: Vec<(i64, Vec<u8>)> = sqlx::query_as(AssertSqlSafe(oldest))
                .bind(portal_id)
                .bind(occurred_before.as_millisecond())
                .bind(AT_ONCE)
                .fetch_all(&mut *transaction)
                .await?;
            for part in parts(&keys) {
                let one = "(portal_id = ? AND occurred_at = ? AND dedupe_key = ?)";
                let mut query =
                    sqlx::query(AssertSqlSafe(statement(part, "DELETE FROM events WHERE ", one, " OR ", "")));
                for (occurred_at, dedupe_key) in part {
                    query = query.bind(portal_id).bind(*occurred_at).bind(dedupe_key.clone());
                }
                query.execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
            Ok(keys.len())
        })
        .await
    }
}
