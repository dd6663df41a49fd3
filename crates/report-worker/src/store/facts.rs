//! Small facts about the books themselves.

use sqlx::Transaction;

use super::{Db, Store, StoreError, json, retried, to_json};

impl Store {
    /// Reads a fact; `None` if it was never written.
    ///
    /// # Errors
    /// Fails where the books cannot be read, or hold something else under this name.
    pub async fn fact<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let row: Option<(String,)> =
            sqlx::query_as("SELECT value FROM facts WHERE name = ?").bind(name).fetch_optional(self.pool()).await?;
        row.map(|(value,)| json(&value, "facts", "value")).transpose()
    }

    /// Writes a fact over what was there.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn set_fact<T: serde::Serialize>(&self, name: &str, value: &T) -> Result<(), StoreError> {
        let value = &to_json(value);
        retried(|| async move {
            let mut transaction = self.write().await?;
            write_fact(&mut transaction, name, value).await?;
            Ok(transaction.commit().await?)
        })
        .await
    }
}

pub(super) async fn write_fact(
    transaction: &mut Transaction<'static, Db>,
    name: &str,
    value: &str,
) -> Result<(), StoreError> {
    let updated = sqlx::query("UPDATE facts SET value = ? WHERE name = ?")
        .bind(value)
        .bind(name)
        .execute(&mut **transaction)
        .await?
        .rows_affected();
    if updated == 0 {
        sqlx::query("INSERT INTO facts (name, value) VALUES (?, ?)")
            .bind(name)
            .bind(value)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}
