//! The finance changes.

use jiff::Timestamp;
use sqlx::Transaction;

use super::records::NewChange;
use super::{Db, Store, StoreError, insert_new, retried, to_json};

/// Stores a change once; tells whether it was new. A new one is pending for the reports that have to tell it.
pub(super) async fn write_change(
    transaction: &mut Transaction<'static, Db>,
    new: &NewChange,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let change = &new.change;
    let insert = sqlx::query(
        "INSERT INTO changes \
         (portal_id, kind, record_id, change_id, change_kind, effective_at, business_date, observed_at, `change`) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(change.record.portal_id)
    .bind(change.record.kind.as_str())
    .bind(change.record.id)
    .bind(&change.id)
    .bind(change.kind.as_str())
    .bind(change.effective_at.as_millisecond())
    .bind(change.business_date.date.to_string())
    .bind(now.as_millisecond())
    .bind(to_json(change));
    if !insert_new(transaction, insert).await? {
        return Ok(false);
    }
    for report in &new.reports {
        sqlx::query(
            "INSERT INTO pending (report_name, change_seq) SELECT ?, seq FROM changes \
             WHERE portal_id = ? AND kind = ? AND record_id = ? AND change_id = ?",
        )
        .bind(report)
        .bind(change.record.portal_id)
        .bind(change.record.kind.as_str())
        .bind(change.record.id)
        .bind(&change.id)
        .execute(&mut **transaction)
        .await?;
    }
    Ok(true)
}

impl Store {
    /// Stores changes that no reading told of (the midnight step), all or nothing. Tells how many were new.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn store_changes(&self, changes: &[NewChange], now: Timestamp) -> Result<u64, StoreError> {
        retried(|| async move {
            let mut transaction = self.write().await?;
            let mut new_changes = 0;
            for new in changes {
                new_changes += u64::from(write_change(&mut transaction, new, now).await?);
            }
            transaction.commit().await?;
            Ok(new_changes)
        })
        .await
    }

    /// How many changes the books hold.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn change_count(&self) -> Result<u64, StoreError> {
        let (count,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM changes").fetch_one(self.pool()).await?;
        Ok(count.unsigned_abs())
    }
}
