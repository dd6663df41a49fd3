//! The embedded queue for whoever only looks at it, again and again: on a connection of its own that cannot write, so that
//! nobody who sends or receives waits for it, and in questions that stop counting.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

use super::{Letter, QueueError};

/// Nothing is counted further than to here.
const MOST_COUNTED: i64 = 10_000;

/// An embedded queue that is looked at.
#[derive(Clone, Debug)]
pub struct Glimpse {
    file: PathBuf,
    pool: SqlitePool,
}

/// What is in the queue. No count is above ten thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Messages that were sent and not deleted yet, those in hand included.
    pub messages: u64,
    /// When the oldest of them was sent, UTC.
    pub oldest_at: Option<Timestamp>,
    /// Messages that were given up.
    pub dead_letters: u64,
}

impl Glimpse {
    /// Of the queue in `file`, which somebody else has opened. The first question makes the connection.
    pub fn of(file: impl AsRef<Path>) -> Self {
        let file = file.as_ref().to_path_buf();
        let options = SqliteConnectOptions::new().filename(&file).read_only(true).busy_timeout(Duration::from_secs(2));
        let pool = SqlitePoolOptions::new().max_connections(2).acquire_timeout(Duration::from_secs(5));
        Self { pool: pool.connect_lazy_with(options), file }
    }

    /// Counts what is in it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn waiting(&self) -> Result<Waiting, QueueError> {
        let (messages, oldest_ms, dead_letters): (i64, Option<i64>, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM (SELECT 1 FROM messages LIMIT ?1)),
                    (SELECT sent_at FROM messages ORDER BY sequence LIMIT 1),
                    (SELECT count(*) FROM (SELECT 1 FROM dead_letters LIMIT ?1))",
        )
        .bind(MOST_COUNTED)
        .fetch_one(&self.pool)
        .await
        .map_err(|source| self.failed(source))?;
        Ok(Waiting {
            messages: messages.unsigned_abs(),
            oldest_at: oldest_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()),
            dead_letters: dead_letters.unsigned_abs(),
        })
    }

    /// The newest dead letters, newest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn newest_dead_letters(&self, limit: usize) -> Result<Vec<Letter>, QueueError> {
        type Row = (String, String, i64, i64, Option<u32>);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, cause, moved_at, octet_length(body), receive_count
             FROM dead_letters ORDER BY sequence DESC LIMIT ?",
        )
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await
        .map_err(|source| self.failed(source))?;
        let letter = |(id, cause, moved_ms, size, received): Row| Letter {
            id,
            cause,
            at: Timestamp::from_millisecond(moved_ms).unwrap_or_default(),
            size_bytes: size.unsigned_abs(),
            received,
        };
        Ok(rows.into_iter().map(letter).collect())
    }

    fn failed(&self, source: sqlx::Error) -> QueueError {
        QueueError::File { file: self.file.clone(), doing: "look into", source }
    }
}
