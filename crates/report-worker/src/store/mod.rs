//! The books: deliveries, records, changes, reports and mails in SQL.
//!
//! Each method is one transaction of the program's work, so that a process killed anywhere leaves either all of it or
//! nothing. One enum for the engines, one folder of migrations for each; the SQL keeps to what SQLite, MySQL and
//! MariaDB share, but for the words in this file.

mod changes;
mod compared;
mod deliveries;
mod due;
mod facts;
mod mails;
mod records;
mod reports;
mod status;

pub use compared::Standing;
pub use deliveries::{DeliveredEvent, Delivery, SetAside, TakenIn};
pub use due::Due;
pub use mails::{MailState, OutgoingMail, RecipientState, WaitingMail};
pub use records::{NewChange, Outcome, RecordState, StoredRecord};
pub use reports::{NewReport, PendingChange};
pub use status::Figures;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Pool, SqlSafeStr, Transaction};

/// The engine that the SQL of this room speaks to.
type Db = sqlx::Sqlite;

/// Begins a transaction that will write: the lock is taken at once, so that it cannot fail half-way for want of it.
const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// How long a statement waits for another process to finish its transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "books", include_str!("migrations/sqlite/0001_books.sql")),
    (2, "comparison", include_str!("migrations/sqlite/0002_comparison.sql")),
];

/// The books, in one of the engines.
#[derive(Debug, Clone)]
pub enum Store {
    /// A SQLite file; one process works on it.
    Sqlite(Pool<Db>),
}

/// Why the books could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file could not be opened or created.
    #[error("the books in {file} cannot be opened; check DATABASE_URL, and that the folder exists and may be written")]
    Open {
        /// The file.
        file: PathBuf,
        /// What the engine said.
        #[source]
        source: sqlx::Error,
    },
    /// The tables could not be brought up to date.
    #[error("the books cannot be brought to the layout of this version; was a newer version here?")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A statement failed.
    #[error("the books cannot be read or written")]
    Database(#[from] sqlx::Error),
    /// A stored value is not what was once written.
    #[error("the books hold an unreadable value in {table}.{column}")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// What is wrong with it.
        #[source]
        source: BadValue,
    },
}

/// What is wrong with a stored value.
#[derive(Debug, thiserror::Error)]
pub enum BadValue {
    /// It is not the JSON that was written.
    #[error("not the JSON it should be")]
    Json(#[from] serde_json::Error),
    /// It is a word that this version does not know.
    #[error("no such word: {0}")]
    Word(String),
    /// It is no time.
    #[error("no such time")]
    Time(#[from] jiff::Error),
}

impl Store {
    /// Opens the books in a SQLite file, makes it if it is not there, and brings its tables up to date.
    ///
    /// # Errors
    /// Fails where the file cannot be opened, or was written by a newer version.
    pub async fn sqlite(file: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What is deleted from the queue must be on the disk here, even if the power goes.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await
            .map_err(|source| StoreError::Open { file: file.to_owned(), source })?;
        let migrations = MIGRATIONS.map(|(version, name, sql)| {
            Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
        });
        Migrator::with_migrations(migrations.into()).run(&pool).await?;
        Ok(Self::Sqlite(pool))
    }

    fn pool(&self) -> &Pool<Db> {
        let Self::Sqlite(pool) = self;
        pool
    }

    async fn write(&self) -> Result<Transaction<'static, Db>, StoreError> {
        Ok(self.pool().begin_with(BEGIN_WRITE).await?)
    }
}

/// Reads a stored time.
fn time(ms: i64, table: &'static str, column: &'static str) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms).map_err(|error| StoreError::Unreadable { table, column, source: error.into() })
}

/// Reads a stored JSON value.
fn json<T: serde::de::DeserializeOwned>(
    text: &str,
    table: &'static str,
    column: &'static str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Unreadable { table, column, source: error.into() })
}

/// Writes a value of ours as JSON.
fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own types have text keys and no failing serialisers")
}

/// Reads a stored kind of record.
fn kind(word: &str, table: &'static str) -> Result<crate::domain::record::Kind, StoreError> {
    crate::domain::record::Kind::parse(word).ok_or_else(|| StoreError::Unreadable {
        table,
        column: "kind",
        source: BadValue::Word(word.to_owned()),
    })
}
