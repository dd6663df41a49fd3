//! The books for whoever only looks at them, again and again, while a worker is at work: on connections of their own that
//! cannot write, in small questions whose cost does not follow the history.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::any::{AnyConnectOptions, install_default_drivers};
use sqlx::{AssertSqlSafe, ConnectOptions};

use super::connect::{pool, sqlite_options};
use super::{Books, Db, Engine, MailState, Store, StoreError, time};

/// Nothing is counted further than to here: who has as many sees that it is many.
pub const MOST_COUNTED: u64 = 10_000;

/// Of the newest changes so many are looked at, which are a few pages of the table.
const NEWEST_CHANGES: u64 = 1_000;

/// Set-aside members have no time of their own; those of so many newest deliveries are looked for.
const NEWEST_DELIVERIES: i64 = 2_000;

/// How many recipients of one mail are told.
const MOST_RECIPIENTS: i64 = 200;

/// How long it is waited for a connection: somebody sits before the page.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looking takes no lock in WAL; only who recovers a file after a crash is waited for.
const SQLITE_SESSION: &str = "PRAGMA busy_timeout = 2000; PRAGMA query_only = ON";

/// As for a worker, but read only, and no statement lasts.
const MYSQL_SESSION: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,PIPES_AS_CONCAT', \
     wait_timeout = 60 /*M!100100 , max_statement_time = 5 */ /*!80000 , max_execution_time = 5000 */; \
     SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY";

/// What the books count since some moment, and what waits in them now. No count is above [`MOST_COUNTED`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Glance {
    /// Deliveries received since then.
    pub deliveries: u64,
    /// When the newest of all was received, UTC.
    pub newest_delivery_at: Option<Timestamp>,
    /// Finance changes found since then, of the newest thousand.
    pub changes: u64,
    /// Reports mailed since then, each once.
    pub reports: u64,
    /// Records to be read from HubSpot, now or later.
    pub due: u64,
    /// When the first of them is to be read, UTC.
    pub due_at: Option<Timestamp>,
    /// Changes that a report has still to tell.
    pub pending: u64,
    /// Mails to send, counted per recipient.
    pub mails_waiting: u64,
    /// Mails of which nobody knows whether they arrived, counted per recipient.
    pub mails_unknown: u64,
}

/// A mail without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailHead {
    /// Its Message-ID, without angle brackets.
    pub message_id: String,
    /// The envelope sender.
    pub sender: String,
    /// Its subject.
    pub subject: String,
    /// When it was made, UTC.
    pub created_at: Timestamp,
    /// True for a report; false for a mail to the owner about trouble.
    pub is_report: bool,
    /// Its recipients by their address, at most two hundred.
    pub recipients: Vec<Recipient>,
}

/// How a mail stands with one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The address.
    pub address: String,
    /// How it stands.
    pub state: MailState,
    /// What SMTP said last.
    pub reply: Option<String>,
    /// How often it was tried.
    pub attempts: u64,
    /// Since when it stands so, UTC.
    pub changed_at: Timestamp,
    /// When it is tried again, UTC; `None` once there is nothing more to try.
    pub next_at: Option<Timestamp>,
}

/// A member of a delivery that was kept and not acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAsideEvent {
    /// When the delivery was received, UTC.
    pub received_at: Timestamp,
    /// Its position in the body, from 0.
    pub member: u64,
    /// Why.
    pub cause: String,
}

impl Store {
    /// Opens books that are there, to look at them beside the worker. The first question makes the connection.
    ///
    /// # Errors
    /// Fails where no such connection can be made up.
    pub fn to_glance_at(books: &Books) -> Result<Self, StoreError> {
        install_default_drivers();
        let (engine, session, options) = match books {
            Books::Sqlite(file) => {
                let failed = |source| StoreError::Open { file: file.clone(), source };
                (Engine::Sqlite, SQLITE_SESSION, sqlite_options(file, "ro").map_err(failed)?)
            }
            Books::MySql(url) => {
                let failed = |source| StoreError::Reach { books: url.to_string(), source };
                (Engine::MySql, MYSQL_SESSION, AnyConnectOptions::from_url(&url.url()).map_err(failed)?)
            }
        };
        let pool = pool(2, session).acquire_timeout(PATIENCE).idle_timeout(Duration::from_secs(10));
        Ok(Self { engine, pool: pool.connect_lazy_with(options), _claim: None, login: None })
    }

    /// Counts what happened since a moment, and what waits.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn glance(&self, since: Timestamp) -> Result<Glance, StoreError> {
        let since = Some(since.as_millisecond());
        let (newest,): (Option<i64>,) =
            sqlx::query_as("SELECT MAX(received_at) FROM deliveries").fetch_one(self.pool()).await?;
        let (due_at,): (Option<i64>,) = sqlx::query_as("SELECT MIN(next_at) FROM due").fetch_one(self.pool()).await?;
        let changes: (i64,) = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT COUNT(*) FROM (SELECT observed_at FROM changes ORDER BY seq DESC LIMIT {NEWEST_CHANGES}) newest \
             WHERE newest.observed_at >= ?"
        )))
        .bind(since)
        .fetch_one(self.pool())
        .await?;
        Ok(Glance {
            deliveries: self.count("deliveries WHERE received_at >= ?", since).await?,
            newest_delivery_at: newest.map(|ms| time(ms, "deliveries", "received_at")).transpose()?,
            changes: changes.0.unsigned_abs(),
            reports: self.count("mails WHERE created_at >= ? AND report_id IS NOT NULL", since).await?,
            due: self.count("due WHERE next_at IS NOT NULL", None).await?,
            due_at: due_at.map(|ms| time(ms, "due", "next_at")).transpose()?,
            pending: self.count("pending", None).await?,
            mails_waiting: self.count("mail_recipients WHERE state IN ('waiting', 'sending')", None).await?,
            mails_unknown: self.count("mail_recipients WHERE state = 'unknown'", None).await?,
        })
    }

    /// How many mails were refused or given up since a moment, counted per recipient.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn refused_since(&self, since: Timestamp) -> Result<u64, StoreError> {
        self.count("mail_recipients WHERE state = 'refused' AND changed_at >= ?", Some(since.as_millisecond())).await
    }

    /// Counts rows, but none after [`MOST_COUNTED`].
    async fn count(&self, rows: &'static str, since_ms: Option<i64>) -> Result<u64, StoreError> {
        let question = format!("SELECT COUNT(*) FROM (SELECT 1 AS one FROM {rows} LIMIT {MOST_COUNTED}) counted");
        let question = sqlx::query_as(AssertSqlSafe(question));
        let question = match since_ms {
            Some(since_ms) => question.bind(since_ms),
            None => question,
        };
        let (count,): (i64,) = question.fetch_one(self.pool()).await?;
        Ok(count.unsigned_abs())
    }

    /// The newest mails, or those before the mail of this time and Message-ID, newest first, each with its recipients.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn newest_mails(
        &self,
        before: Option<(Timestamp, &str)>,
        limit: usize,
    ) -> Result<Vec<MailHead>, StoreError> {
        let (at, id) = before.map_or((i64::MAX, ""), |(at, id)| (at.as_millisecond(), id));
        let rows: Vec<MailRow> = sqlx::query_as(
            "SELECT message_id, sender, subject, created_at, report_id FROM mails \
             WHERE created_at <= ? AND (created_at < ? OR message_id < ?) \
             ORDER BY created_at DESC, message_id DESC LIMIT ?",
        )
        .bind(at)
        .bind(at)
        .bind(id)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(self.pool())
        .await?;
        let ids: Vec<&str> = rows.iter().map(|(id, ..)| id.as_str()).collect();
        let mut recipients = self.recipients(&ids).await?;
        rows.iter().map(|row| head(row, recipients.remove(&row.0).unwrap_or_default())).collect()
    }

    /// A mail with its bytes, RFC 5322; `None` if there is none of this Message-ID.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn mail(&self, message_id: &str) -> Result<Option<(MailHead, Vec<u8>)>, StoreError> {
        type Row = (String, String, String, i64, Option<String>, Vec<u8>);
        let row: Option<Row> = sqlx::query_as(
            "SELECT message_id, sender, subject, created_at, report_id, bytes FROM mails WHERE message_id = ?",
        )
        .bind(message_id)
        .fetch_optional(self.pool())
        .await?;
        let Some((id, sender, subject, created_at, report_id, bytes)) = row else { return Ok(None) };
        let recipients = self.recipients(&[&id]).await?.remove(&id).unwrap_or_default();
        Ok(Some((head(&(id, sender, subject, created_at, report_id), recipients)?, bytes)))
    }

    async fn recipients(&self, ids: &[&str]) -> Result<BTreeMap<String, Vec<Recipient>>, StoreError> {
        let mut found = BTreeMap::new();
        for id in ids {
            type Row = (String, String, Option<String>, i64, i64, Option<i64>);
            let rows: Vec<Row> = sqlx::query_as::<Db, Row>(
                "SELECT address, state, reply, attempts, changed_at, next_at FROM mail_recipients \
                 WHERE message_id = ? ORDER BY address LIMIT ?",
            )
            .bind(id)
            .bind(MOST_RECIPIENTS)
            .fetch_all(self.pool())
            .await?;
            let of_mail: Result<Vec<_>, StoreError> = rows
                .into_iter()
                .map(|(address, state, reply, attempts, changed_at, next_at)| {
                    Ok(Recipient {
                        address,
                        state: MailState::parse(&state)?,
                        reply,
                        attempts: attempts.unsigned_abs(),
                        changed_at: time(changed_at, "mail_recipients", "changed_at")?,
                        next_at: next_at.map(|ms| time(ms, "mail_recipients", "next_at")).transpose()?,
                    })
                })
                .collect();
            found.insert((*id).to_owned(), of_mail?);
        }
        Ok(found)
    }

    /// What was set aside of the newest deliveries, newest first.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn newest_set_aside(&self, limit: usize) -> Result<Vec<SetAsideEvent>, StoreError> {
        let rows: Vec<(i64, i64, String)> = sqlx::query_as(
            "SELECT newest.received_at, s.member, s.cause FROM \
             (SELECT id, received_at FROM deliveries ORDER BY received_at DESC LIMIT ?) newest \
             JOIN set_aside s ON s.delivery_id = newest.id ORDER BY newest.received_at DESC, s.member LIMIT ?",
        )
        .bind(NEWEST_DELIVERIES)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(self.pool())
        .await?;
        rows.into_iter()
            .map(|(received_at, member, cause)| {
                let received_at = time(received_at, "deliveries", "received_at")?;
                Ok(SetAsideEvent { received_at, member: member.unsigned_abs(), cause })
            })
            .collect()
    }
}

/// Message-ID, sender, subject, time and report.
type MailRow = (String, String, String, i64, Option<String>);

fn head(
    (id, sender, subject, created_at, report): &MailRow,
    recipients: Vec<Recipient>,
) -> Result<MailHead, StoreError> {
    Ok(MailHead {
        message_id: id.clone(),
        sender: sender.clone(),
        subject: subject.clone(),
        created_at: time(*created_at, "mails", "created_at")?,
        is_report: report.is_some(),
        recipients,
    })
}
