//! The queue of one machine: a SQLite file of its own that keeps SQS's rules.
//!
//! Every change is one transaction that is on the disk when it returns (`synchronous = FULL`), so a killed process loses
//! nothing that it said it had. Several handles, also of several processes, can share one file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Sqlite, Transaction};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{CAUSE_RECEIVE_LIMIT, DeadLetter, Depth, Message, NotDeleted, QueueError};

/// The layout of the file, step by step; `PRAGMA user_version` counts the steps taken. A step once released never changes, and
/// only adds: a release before it goes on with what it finds.
const LAYOUT: [&str; 2] =
    [include_str!("layout/0001_messages.sql"), include_str!("layout/0002_dead_letters_received.sql")];
/// `PRAGMA application_id` of a queue file ("CBQ1"), so that a database of something else is never taken for one.
const APPLICATION_ID: i64 = 0x4342_5131;
/// SQLite's code for what another connection is in the way of.
const BUSY: &str = "5";
/// Takes the write lock at once: a transaction that reads first and then has to wait for it could fail as outdated.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// A queue in a SQLite file.
#[derive(Clone, Debug)]
pub struct Embedded {
    file: PathBuf,
    settings: EmbeddedSettings,
    /// One connection: SQLite writes one transaction at a time anyway, and so they line up here in order.
    pub(super) pool: SqlitePool,
    /// Wakes a waiting receive of this process.
    pub(super) sent: Arc<Notify>,
}

/// What can be chosen about an embedded queue.
#[derive(Clone, Debug)]
pub struct EmbeddedSettings {
    /// How long a received message stays invisible to others; 120 seconds by default.
    pub visibility_timeout: Duration,
    /// A message handed out this often goes to the dead letters by itself; 1000 by default. Only a backstop: what cannot be
    /// taken in is moved by its receiver, with a cause.
    pub receive_limit: u32,
    /// How often a waiting receive looks for what another process sent; every second by default.
    pub look_again: Duration,
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self { visibility_timeout: Duration::from_secs(120), receive_limit: 1000, look_again: Duration::from_secs(1) }
    }
}

impl Embedded {
    /// Opens the queue in `file`, which is created if it is missing; its folder must exist.
    ///
    /// # Errors
    ///
    /// A file that cannot be opened or belongs to something else. Each names the file.
    pub async fn open(file: impl AsRef<Path>, settings: EmbeddedSettings) -> Result<Self, QueueError> {
        let file = file.as_ref().to_path_buf();
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .busy_timeout(Duration::from_secs(30))
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool =
            connect(options).await.map_err(|source| QueueError::File { file: file.clone(), doing: "open", source })?;
        let queue = Self { file, settings, pool, sent: Arc::new(Notify::new()) };
        queue.bring_up_to_date().await?;
        Ok(queue)
    }

    async fn bring_up_to_date(&self) -> Result<(), QueueError> {
        let failed = |source| self.failed("prepare", source);
        let mut transaction = self.begin("prepare").await?;
        let (application, tables): (i64, i64) =
            sqlx::query_as("SELECT application_id, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id")
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed)?;
        if application != APPLICATION_ID && (application, tables) != (0, 0) {
            return Err(QueueError::NotAQueue { file: self.file.clone() });
        }
        let version: i64 =
            sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await.map_err(failed)?;
        let taken = usize::try_from(version).unwrap_or(usize::MAX);
        // None where a newer release has taken more.
        let steps = LAYOUT.get(taken..).unwrap_or_default();
        if !steps.is_empty() {
            for step in steps {
                sqlx::raw_sql(*step).execute(&mut *transaction).await.map_err(failed)?;
            }
            let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {};", LAYOUT.len());
            sqlx::raw_sql(AssertSqlSafe(marks)).execute(&mut *transaction).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Gives back at once what a process that has ended had received and not deleted. Only for a queue that one process
    /// receives from: nobody else can be at work on it. Tells how many messages these were.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub async fn take_up_interrupted(&self, now: Timestamp) -> Result<u64, QueueError> {
        let given_back = sqlx::query("UPDATE messages SET visible_at = ?1 WHERE visible_at > ?1")
            .bind(now.as_millisecond())
            .execute(&self.pool)
            .await
            .map_err(|source| self.failed("give back to", source))?;
        Ok(given_back.rows_affected())
    }

    pub(super) async fn send(&self, body: &str, now: Timestamp) -> Result<(), QueueError> {
        sqlx::query("INSERT INTO messages (body, sent_at, visible_at) VALUES (?1, ?2, ?2)")
            .bind(body)
            .bind(now.as_millisecond())
            .execute(&self.pool)
            .await
            .map_err(|source| self.failed("write", source))?;
        self.sent.notify_one();
        Ok(())
    }

    pub(super) async fn receive(&self, max: usize, wait: Duration, now: Timestamp) -> Result<Vec<Message>, QueueError> {
        let started = Instant::now();
        loop {
            // The caller's clock, moved on by the time spent waiting here.
            let now_ms = now.as_millisecond() + milliseconds(started.elapsed().min(wait));
            let messages = self.receive_now(max, now_ms).await?;
            let left = wait.saturating_sub(started.elapsed());
            if !messages.is_empty() || left.is_zero() {
                return Ok(messages);
            }
            let pause = self.until_next_visible(now_ms).await?.min(left).min(self.settings.look_again);
            // Either way it looks again: a message was sent, one has become visible, or another process may have sent.
            let _ = tokio::time::timeout(pause, self.sent.notified()).await;
        }
    }

    /// Hands out what is visible. What was handed out too often goes to the dead letters instead, and the next ones are
    /// looked at: the work follows what is handed out, however much is waiting.
    async fn receive_now(&self, max: usize, now_ms: i64) -> Result<Vec<Message>, QueueError> {
        let failed = |source| self.failed("read", source);
        let mut transaction = self.begin("read").await?;
        let mut messages = Vec::new();
        while messages.is_empty() {
            let rows: Vec<(String, String, String, u32)> = sqlx::query_as(
                "UPDATE messages
                 SET visible_at = ?2, receive_count = receive_count + 1, receipt = lower(hex(randomblob(16)))
                 WHERE sequence IN
                   (SELECT sequence FROM messages WHERE visible_at <= ?1 ORDER BY visible_at, sequence LIMIT ?3)
                 RETURNING id, body, receipt, receive_count",
            )
            .bind(now_ms)
            .bind(now_ms + milliseconds(self.settings.visibility_timeout))
            .bind(i64::try_from(max).unwrap_or(i64::MAX))
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed)?;
            if rows.is_empty() {
                break;
            }
            for (id, body, receipt, receive_count) in rows {
                if receive_count > self.settings.receive_limit {
                    // This time it is handed out to nobody.
                    let why = (CAUSE_RECEIVE_LIMIT, receive_count - 1);
                    give_up(&mut transaction, &id, &receipt, why, now_ms).await.map_err(failed)?;
                } else {
                    messages.push(Message { id, body, receipt, receive_count });
                }
            }
        }
        transaction.commit().await.map_err(failed)?;
        Ok(messages)
    }

    /// How long until a message in flight becomes visible again, at least one millisecond.
    async fn until_next_visible(&self, now_ms: i64) -> Result<Duration, QueueError> {
        let next: Option<i64> = sqlx::query_scalar("SELECT min(visible_at) FROM messages")
            .fetch_one(&self.pool)
            .await
            .map_err(|source| self.failed("read", source))?;
        Ok(next.map_or(Duration::MAX, |at| {
            Duration::from_millis(u64::try_from(at.saturating_sub(now_ms)).unwrap_or(0).max(1))
        }))
    }

    pub(super) async fn delete(&self, messages: &[Message]) -> Result<Vec<NotDeleted>, QueueError> {
        let failed = |source| self.failed("delete from", source);
        let mut transaction = self.begin("delete from").await?;
        let mut not_deleted = Vec::new();
        for message in messages {
            let deleted = sqlx::query("DELETE FROM messages WHERE id = ? AND receipt = ?")
                .bind(&message.id)
                .bind(&message.receipt)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
            if deleted.rows_affected() == 0 {
                let still_there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT * FROM messages WHERE id = ?)")
                    .bind(&message.id)
                    .fetch_one(&mut *transaction)
                    .await
                    .map_err(failed)?;
                if still_there {
                    let cause = "it was received again since, with another receipt".to_owned();
                    not_deleted.push(NotDeleted { id: message.id.clone(), cause });
                }
            }
        }
        transaction.commit().await.map_err(failed)?;
        Ok(not_deleted)
    }

    pub(super) fn visibility_timeout(&self) -> Duration {
        self.settings.visibility_timeout
    }

    pub(super) async fn keep(&self, messages: &[Message], now: Timestamp) -> Result<(), QueueError> {
        let until = now.as_millisecond() + milliseconds(self.settings.visibility_timeout);
        let longer = "UPDATE messages SET visible_at = ?3 WHERE id = ?1 AND receipt = ?2 AND visible_at < ?3";
        self.set_visible_at(messages, longer, until, "keep messages of").await
    }

    pub(super) async fn release(&self, messages: &[Message], now: Timestamp) -> Result<(), QueueError> {
        let shorter = "UPDATE messages SET visible_at = ?3 WHERE id = ?1 AND receipt = ?2 AND visible_at > ?3";
        self.set_visible_at(messages, shorter, now.as_millisecond(), "give back to").await?;
        self.sent.notify_one();
        Ok(())
    }

    async fn set_visible_at(
        &self,
        messages: &[Message],
        update: &'static str,
        visible_at: i64,
        doing: &'static str,
    ) -> Result<(), QueueError> {
        let failed = |source| self.failed(doing, source);
        let mut transaction = self.begin(doing).await?;
        for message in messages {
            sqlx::query(update)
                .bind(&message.id)
                .bind(&message.receipt)
                .bind(visible_at)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    pub(super) async fn move_to_dead_letters(
        &self,
        message: &Message,
        cause: &str,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        let failed = |source| self.failed("move a dead letter in", source);
        let mut transaction = self.begin("move a dead letter in").await?;
        let moved_ms = now.as_millisecond();
        give_up(&mut transaction, &message.id, &message.receipt, (cause, message.receive_count), moved_ms)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    pub(super) async fn depth(&self, now: Timestamp) -> Result<Depth, QueueError> {
        let now_ms = now.as_millisecond();
        let (waiting, in_flight, oldest, dead_letters): (i64, i64, Option<i64>, i64) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE visible_at <= ?1), count(*) FILTER (WHERE visible_at > ?1), min(sent_at),
                    (SELECT count(*) FROM dead_letters)
             FROM messages",
        )
        .bind(now_ms)
        .fetch_one(&self.pool)
        .await
        .map_err(|source| self.failed("read", source))?;
        let count = |count: i64| u64::try_from(count).unwrap_or_default();
        Ok(Depth {
            waiting: count(waiting),
            in_flight: count(in_flight),
            dead_letters: count(dead_letters),
            oldest_age: oldest.map(|sent_at| Duration::from_millis(count(now_ms - sent_at))),
        })
    }

    pub(super) async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, QueueError> {
        let rows: Vec<(String, String, String, i64)> =
            sqlx::query_as("SELECT id, cause, body, moved_at FROM dead_letters ORDER BY sequence LIMIT ?")
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(&self.pool)
                .await
                .map_err(|source| self.failed("read", source))?;
        Ok(rows
            .into_iter()
            .map(|(id, cause, body, moved_ms)| {
                let moved_at = Timestamp::from_millisecond(moved_ms).unwrap_or_default();
                DeadLetter { id, cause, body, moved_at }
            })
            .collect())
    }

    pub(super) async fn begin(&self, doing: &'static str) -> Result<Transaction<'static, Sqlite>, QueueError> {
        self.pool.begin_with(BEGIN).await.map_err(|source| self.failed(doing, source))
    }

    pub(super) fn failed(&self, doing: &'static str, source: sqlx::Error) -> QueueError {
        QueueError::File { file: self.file.clone(), doing, source }
    }
}

/// Two processes that open a new file at the same moment both want to switch it to a write-ahead log, and there SQLite does
/// not wait for the other but says at once that it is busy.
async fn connect(options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    let mut tries_left = 100_u32;
    loop {
        match SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await {
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(BUSY) && tries_left > 0 => {
                tries_left -= 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            opened => return opened,
        }
    }
}

/// Moves a message to the dead letters, unless it was received again since.
async fn give_up(
    transaction: &mut Transaction<'static, Sqlite>,
    id: &str,
    receipt: &str,
    (cause, received): (&str, u32),
    moved_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO dead_letters (id, body, cause, sent_at, moved_at, receive_count)
         SELECT id, body, ?3, sent_at, ?4, ?5 FROM messages WHERE id = ?1 AND receipt = ?2",
    )
    .bind(id)
    .bind(receipt)
    .bind(cause)
    .bind(moved_ms)
    .bind(received)
    .execute(&mut **transaction)
    .await?;
    let deleted = sqlx::query("DELETE FROM messages WHERE id = ? AND receipt = ?").bind(id).bind(receipt);
    deleted.execute(&mut **transaction).await?;
    Ok(())
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
