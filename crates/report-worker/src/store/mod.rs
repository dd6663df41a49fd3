//! The books: deliveries, records, changes, reports and mails in SQL.
//!
//! Each method is one transaction of the program's work, so that a process killed anywhere leaves either all of it or
//! nothing; where another worker's transaction was in the way, it is done again as a whole. One text of each statement for
//! SQLite, MySQL and MariaDB; where they differ (opening, the layout, the first word of a transaction) is in `connect` and
//! in this file.

mod books;
mod changes;
mod checkup;
mod compared;
mod connect;
mod deliveries;
mod doubts;
mod due;
mod facts;
mod glance;
mod ledger;
mod mails;
mod periods;
mod records;
mod reports;
mod retention;
mod roots;
mod rows;
mod snapshot;
mod status;

pub use books::{Books, BooksError, MySqlUrl};
pub use checkup::{Layout, Look, Tls};
pub use compared::Standing;
pub use deliveries::{DeliveredEvent, Delivery, Digest, RawBody, SetAside, TakenIn};
pub use doubts::OF_ANOTHER_ACCOUNT;
pub use due::Due;
pub use glance::{Glance, MOST_COUNTED, MailHead, Recipient, SetAsideEvent};
pub use mails::{MailState, OutgoingMail, RecipientState, WaitingMail};
pub use periods::{NewPeriod, NowTold, Series, StoredPeriod};
pub use records::{NewChange, Outcome, RecordState, StoredRecord, Which};
pub use reports::{NewReport, PendingChange};
pub use snapshot::{Happened, Mark, Snapshot};
pub use status::Figures;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::any::AnyArguments;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::query::Query;
use sqlx::{AnyPool, Transaction};

use crate::secrets::Renewed;

/// What the SQL of this room speaks to: the engine is chosen when the books are opened.
type Db = sqlx::Any;

/// How often a transaction is tried that others are in the way of.
const TRIES: u64 = 6;

/// MySQL's numbers for what is over when the transaction is done again: a deadlock, and a lock that was waited for too long.
const COLLISIONS: [u16; 2] = [1213, 1205];

/// The books, in one of the engines.
#[derive(Debug, Clone)]
pub struct Store {
    engine: Engine,
    pool: AnyPool,
    /// The claim to a SQLite file; it ends with the last clone.
    _claim: Option<Arc<File>>,
    /// Where a new password comes from.
    login: Option<Renewed<Books>>,
}

/// What keeps the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// SQLite.
    Sqlite,
    /// MySQL or MariaDB.
    MySql,
}

impl Engine {
    /// Begins a transaction that will write. SQLite's takes the lock at once, so that it cannot fail half-way for want of it.
    fn begin_write(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::MySql => "START TRANSACTION",
        }
    }

    /// Locks the rows that a transaction reads to write them, and leaves out those that another one is writing.
    fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::MySql => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// Locks the rows that a transaction reads and that nobody must change until it ends.
    fn exclusively(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::MySql => " FOR UPDATE",
        }
    }

    /// Locks the rows that a transaction reads against those who want to change them, and lets others read them as well.
    fn in_share_mode(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::MySql => " LOCK IN SHARE MODE",
        }
    }

    /// Has a statement use an index. SQLite guesses without statistics, and takes the first column of a primary key for a
    /// better choice than all columns of an index: in the books of one account, that is every row.
    fn by_index(self, index: &'static str) -> String {
        match self {
            Self::Sqlite => format!(" INDEXED BY {index}"),
            Self::MySql => format!(" FORCE INDEX ({index})"),
        }
    }

    /// Begins a transaction that only reads, and sees the books as they are at one moment.
    fn begin_snapshot(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::MySql => {
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
            }
        }
    }

    /// What becomes of a mark that is there: what was told stays, and who has read it knows that there is more.
    fn if_marked_before(self) -> &'static str {
        match self {
            Self::Sqlite => {
                " ON CONFLICT (portal_id, series, kind, record_id) DO UPDATE SET generation = marks.generation + 1"
            }
            Self::MySql => " ON DUPLICATE KEY UPDATE generation = generation + 1",
        }
    }

    /// Adds rows, but for those that are there already; `rows_affected` counts what was added. MySQL's words would also cut
    /// what does not fit, so only for tables in which everything fits.
    fn insert_new(self) -> &'static str {
        match self {
            Self::Sqlite => "INSERT OR IGNORE INTO",
            Self::MySql => "INSERT IGNORE INTO",
        }
    }

    /// What becomes of a due record that has a row: another asking, which wants no less than the one before.
    fn if_asked_for_before(self) -> &'static str {
        match self {
            Self::Sqlite => {
                " ON CONFLICT (portal_id, kind, record_id) DO UPDATE SET \
                 generation = due.generation + 1, readings = 0, first_read_at = NULL, next_at = excluded.next_at, \
                 wanted_as_of = CASE WHEN due.wanted_as_of IS NULL OR due.wanted_as_of < excluded.wanted_as_of \
                 THEN excluded.wanted_as_of ELSE due.wanted_as_of END"
            }
            // MariaDB has no other word than VALUES for the row that could not be inserted.
            Self::MySql => {
                " ON DUPLICATE KEY UPDATE \
                 generation = generation + 1, readings = 0, first_read_at = NULL, next_at = VALUES(next_at), \
                 wanted_as_of = CASE WHEN wanted_as_of IS NULL OR wanted_as_of < VALUES(wanted_as_of) \
                 THEN VALUES(wanted_as_of) ELSE wanted_as_of END"
            }
        }
    }
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
    /// The server could not be reached.
    #[error("the books in {books} cannot be opened; check DATABASE_URL, that the server runs, and the user's rights")]
    Reach {
        /// Server and database.
        books: String,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// Another process works on the file.
    #[error(
        "another process is at work on the books in {file}; SQLite serves one: end the other, or keep the books in MySQL \
         (DATABASE_URL)"
    )]
    Taken {
        /// The file.
        file: PathBuf,
    },
    /// Another process has not finished with the tables.
    #[error("another process has been bringing the books to its layout for {seconds} s; try again when it is done")]
    LayoutLocked {
        /// How long it was waited for.
        seconds: i64,
    },
    /// The tables could not be brought up to date.
    #[error("the books cannot be brought to the layout of this version; does DATABASE_URL name something else?")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// Another worker has taken in the same delivery meanwhile; the next look finds it.
    #[error("another worker is taking in the same delivery")]
    Overtaken,
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

impl StoreError {
    /// Whether another transaction was in the way, so that the same one may succeed now. A key that has come in between
    /// the look and the writing is one too: the next look finds it.
    fn is_collision(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return matches!(self, Self::Overtaken) };
        let number = error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number);
        error.is_unique_violation() || number.is_some_and(|number| COLLISIONS.contains(&number))
    }
}

impl Store {
    /// What keeps the books.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The connections, for questions that no method asks.
    pub fn pool(&self) -> &AnyPool {
        &self.pool
    }

    async fn write(&self) -> Result<Transaction<'static, Db>, StoreError> {
        Ok(self.pool.begin_with(self.engine.begin_write()).await?)
    }
}

/// Does a transaction, and where others were in its way does it again as a whole, a few times.
async fn retried<T, F>(transaction: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for tried in 1..TRIES {
        match transaction().await {
            Err(error) if error.is_collision() => {
                tracing::debug!(%error, tried, "another transaction was in the way");
                tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=20 * tried))).await;
            }
            outcome => return outcome,
        }
    }
    transaction().await
}

/// Inserts a row whose key may be there already; tells whether it was new. Not by the engines' words for that: MySQL's
/// (`INSERT IGNORE`) would also cut what does not fit.
async fn insert_new(
    transaction: &mut Transaction<'static, Db>,
    insert: Query<'_, Db, AnyArguments>,
) -> Result<bool, StoreError> {
    match insert.execute(&mut **transaction).await {
        Ok(_) => Ok(true),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Reads a stored time.
fn time(ms: i64, table: &'static str, column: &'static str) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms).map_err(|error| StoreError::Unreadable { table, column, source: error.into() })
}

/// Reads a stored day.
fn date(text: &str, table: &'static str, column: &'static str) -> Result<Date, StoreError> {
    text.parse().map_err(|error: jiff::Error| StoreError::Unreadable { table, column, source: error.into() })
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
