//! What the books look like from outside: figures only.

use super::{Store, StoreError, time};
use jiff::Timestamp;
use serde::Serialize;

/// Figures about the books.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Records to be read from HubSpot, now or later.
    pub due: u64,
    /// When the first of them is to be read, UTC.
    pub due_at: Option<Timestamp>,
    /// Records that HubSpot never showed as their event told.
    pub unsettled: u64,
    /// Changes that a report has still to tell, counted once for each report.
    pub pending: u64,
    /// Mails to send, counted per recipient.
    pub mails_waiting: u64,
    /// Mails of which nobody knows whether they arrived, counted per recipient.
    pub mails_unknown: u64,
    /// Mails that were refused or given up, counted per recipient.
    pub mails_refused: u64,
}

impl Store {
    /// Counts what waits in the books and what was given up.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn figures(&self) -> Result<Figures, StoreError> {
        let count = |count: i64| count.unsigned_abs();
        let (due, due_at): (i64, Option<i64>) =
            sqlx::query_as("SELECT COUNT(*), MIN(next_at) FROM due WHERE next_at IS NOT NULL")
                .fetch_one(self.pool())
                .await?;
        let (unsettled,): (i64,) =
            sqlx::query_as("SELECT COUNT(*) FROM records WHERE unsettled = 1").fetch_one(self.pool()).await?;
        let (pending,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM pending").fetch_one(self.pool()).await?;
        let mails: Vec<(String, i64)> =
            sqlx::query_as("SELECT state, COUNT(*) FROM mail_recipients WHERE state <> 'sent' GROUP BY state")
                .fetch_all(self.pool())
                .await?;
        let in_states = |states: &[&str]| {
            mails.iter().filter(|(state, _)| states.contains(&state.as_str())).map(|(_, number)| count(*number)).sum()
        };
        Ok(Figures {
            due: count(due),
            due_at: due_at.map(|ms| time(ms, "due", "next_at")).transpose()?,
            unsettled: count(unsettled),
            pending: count(pending),
            mails_waiting: in_states(&["waiting", "sending"]),
            mails_unknown: in_states(&["unknown"]),
            mails_refused: in_states(&["refused"]),
        })
    }
}
