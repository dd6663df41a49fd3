//! Opening the books: connections, the layout of the tables, and the one process of a SQLite file.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::mysql::MySqlDatabaseError;
use sqlx::{AnyConnection, ConnectOptions, Connection, Executor, SqlSafeStr};
use url::Url;

use super::{Books, Engine, Store, StoreError};
use crate::secrets::{Renewal, Renewed};

/// A MySQL server that sleeps while nobody asks (Aurora at zero capacity) takes up to a minute to answer the first time.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(75);

/// A connection that nobody uses is closed, so that the server may go to sleep between two cycles.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections of one worker to MySQL.
const MYSQL_CONNECTIONS: u32 = 4;

/// How long another process may take to bring the tables up to date, in seconds.
const LAYOUT_PATIENCE_S: i64 = 300;

/// How long the server may take to say whether it refuses the login; one that sleeps has been woken already.
const LOGIN_PATIENCE: Duration = Duration::from_secs(10);

/// The server's numbers for a login that is refused: wrong password, no password, expired password.
const REFUSED_LOGINS: [u16; 4] = [1045, 1698, 1820, 1862];

/// What is deleted from the queue must be on the disk here, even if the power goes; and a statement waits half a minute
/// for another process to finish its transaction.
pub(super) const SQLITE_SESSION: &str =
    "PRAGMA busy_timeout = 30000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL";

/// What a session needs on MySQL 8 and on MariaDB, whatever the server's defaults are.
///
/// - Nothing that does not fit is cut to fit, and `||` joins texts as in SQLite.
/// - A transaction sees what others have committed meanwhile, and takes no locks on gaps.
/// - A lock is waited for for 10 seconds; a transaction of a worker that has vanished without a word ends after a minute.
/// - A statement ends after a minute. The two servers have different words for that; each reads the other's as a comment.
pub(super) const MYSQL_SESSION: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,PIPES_AS_CONCAT', \
     innodb_lock_wait_timeout = 10, wait_timeout = 60 \
     /*M!100100 , max_statement_time = 60 */ /*!80000 , max_execution_time = 60000 */; \
     SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

pub(super) const SQLITE_LAYOUT: [(i64, &str, &str); 8] = [
    (1, "books", include_str!("migrations/sqlite/0001_books.sql")),
    (2, "comparison", include_str!("migrations/sqlite/0002_comparison.sql")),
    (3, "retention", include_str!("migrations/sqlite/0003_retention.sql")),
    (4, "failures", include_str!("migrations/sqlite/0004_failures.sql")),
    (5, "periods", include_str!("migrations/sqlite/0005_periods.sql")),
    (6, "status page", include_str!("migrations/sqlite/0006_status_page.sql")),
    (7, "payments", include_str!("migrations/sqlite/0007_payments.sql")),
    (8, "doubts", include_str!("migrations/sqlite/0008_doubts.sql")),
];
pub(super) const MYSQL_LAYOUT: [(i64, &str, &str); 8] = [
    (1, "books", include_str!("migrations/mysql/0001_books.sql")),
    (2, "comparison", include_str!("migrations/mysql/0002_comparison.sql")),
    (3, "retention", include_str!("migrations/mysql/0003_retention.sql")),
    (4, "failures", include_str!("migrations/mysql/0004_failures.sql")),
    (5, "periods", include_str!("migrations/mysql/0005_periods.sql")),
    (6, "status page", include_str!("migrations/mysql/0006_status_page.sql")),
    (7, "payments", include_str!("migrations/mysql/0007_payments.sql")),
    (8, "doubts", include_str!("migrations/mysql/0008_doubts.sql")),
];

impl Store {
    /// Opens the books, makes them if they are not there, and brings their tables up to date.
    ///
    /// # Errors
    /// Fails where they cannot be opened or reached, or hold tables that are not ours.
    pub async fn open(books: &Books) -> Result<Self, StoreError> {
        install_default_drivers();
        match books {
            Books::Sqlite(file) => {
                let failed = |source| StoreError::Open { file: file.clone(), source };
                let options = sqlite_options(file, "rwc").map_err(failed)?;
                knock(&options, SQLITE_SESSION).await.map_err(failed)?;
                let pool = pool(1, SQLITE_SESSION).connect_lazy_with(options);
                layout(&SQLITE_LAYOUT).run(&pool).await?;
                Ok(Self { engine: Engine::Sqlite, pool, _claim: None, login: None })
            }
            Books::MySql(url) => {
                let failed = |source| StoreError::Reach { books: url.to_string(), source };
                let options = AnyConnectOptions::from_url(&url.url()).map_err(failed)?;
                // A session of its own: it may take longer than a statement of the pool's.
                let first = AnyPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT);
                let first = first.connect_with(options.clone()).await.map_err(failed)?;
                update_mysql(&mut *first.acquire().await?).await?;
                first.close().await;
                let pool = pool(MYSQL_CONNECTIONS, MYSQL_SESSION).idle_timeout(IDLE_TIMEOUT).connect_lazy_with(options);
                Ok(Self { engine: Engine::MySql, pool, _claim: None, login: None })
            }
        }
    }

    /// Opens the books to work on them. A SQLite file is this process's alone until it ends, however it ends; others may
    /// still read it.
    ///
    /// # Errors
    /// As [`Store::open`], and where another process is at work on the file.
    pub async fn open_to_work(books: &Books) -> Result<Self, StoreError> {
        let claim = match books {
            Books::Sqlite(file) => Some(Arc::new(claim(file)?)),
            Books::MySql(_) => None,
        };
        Ok(Self { _claim: claim, ..Self::open(books).await? })
    }

    /// The same books, which take a new password from here when the server refuses the known one.
    #[must_use]
    pub fn with_login(self, login: &Renewed<Books>) -> Self {
        Self { login: Some(login.clone()).filter(Renewed::is_renewable), ..self }
    }

    /// After a failure: whether the server refuses the login and there is another one, with which new connections are made
    /// from now on. Then it is worth doing again what has failed.
    pub async fn takes_new_login(&self) -> bool {
        let Some(login) = &self.login else { return false };
        let books = login.now();
        let Books::MySql(url) = &*books else { return false };
        let Ok(options) = AnyConnectOptions::from_url(&url.url()) else { return false };
        match tokio::time::timeout(LOGIN_PATIENCE, options.connect()).await {
            Ok(Err(error)) if is_refused_login(&error) => {}
            Ok(Ok(connection)) => {
                // Manners only: it was never needed.
                let _ = connection.close().await;
                return false;
            }
            Ok(Err(_)) | Err(_) => return false,
        }
        let Renewal::Changed(books) = login.renew(&books).await else { return false };
        let Books::MySql(url) = &*books else { return false };
        let Ok(options) = AnyConnectOptions::from_url(&url.url()) else { return false };
        self.pool.set_connect_options(options);
        true
    }

    /// Opens the books in a SQLite file, as [`Store::open`] does.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn sqlite(file: &Path) -> Result<Self, StoreError> {
        Self::open(&Books::Sqlite(file.to_owned())).await
    }
}

fn is_refused_login(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let number = error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number);
    number.is_some_and(|number| REFUSED_LOGINS.contains(&number))
}

/// The lock is on a file of its own, since SQLite has locks of its own on the other.
fn claim(file: &Path) -> Result<File, StoreError> {
    let mut name = file.as_os_str().to_owned();
    name.push(".lock");
    let failed = |error: io::Error| StoreError::Open { file: file.to_owned(), source: error.into() };
    let lock = File::options().create(true).truncate(false).write(true).open(name).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::Taken { file: file.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// A path may hold what means something else in a URL.
pub(super) fn sqlite_options(file: &Path, mode: &str) -> Result<AnyConnectOptions, sqlx::Error> {
    let unusable = || sqlx::Error::Configuration("the path cannot be used".into());
    let path = Url::from_file_path(std::path::absolute(file)?).map_err(|()| unusable())?;
    let url = Url::parse(&format!("sqlite://{}?mode={mode}", path.path())).map_err(|_| unusable())?;
    AnyConnectOptions::from_url(&url)
}

/// Opens a connection of its own first: a pool would knock again and again, and in the end know only that time was up.
pub(super) async fn knock(options: &AnyConnectOptions, session: &'static str) -> Result<(), sqlx::Error> {
    let mut connection = options.connect().await?;
    connection.execute(session).await?;
    connection.close().await
}

pub(super) fn pool(connections: u32, session: &'static str) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(move |connection, _| Box::pin(async move { connection.execute(session).await.map(|_| ()) }))
}

/// Layouts are only ever added to, so that an older program works with a newer one as well: beside a new worker while that is
/// deployed, and after it where the new version is taken back.
fn layout(migrations: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migration = |&(version, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(migrations.iter().map(migration).collect());
    migrator.set_ignore_missing(true);
    migrator
}

/// One process after the other. The migrator's own lock is none on MariaDB: it waits for -1 seconds, which means for ever
/// to MySQL and not at all to MariaDB.
async fn update_mysql(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let (locked,): (Option<i64>,) = sqlx::query_as("SELECT GET_LOCK(SHA1(CONCAT('closing-bell ', DATABASE())), ?)")
        .bind(LAYOUT_PATIENCE_S)
        .fetch_one(&mut *connection)
        .await?;
    if locked != Some(1) {
        return Err(StoreError::LayoutLocked { seconds: LAYOUT_PATIENCE_S });
    }
    let mut migrator = layout(&MYSQL_LAYOUT);
    migrator.set_locking(false);
    let mut updated = migrator.run_direct(None, &mut *connection, false).await;
    if let Err(MigrateError::Dirty(_)) = updated {
        // Nobody else is at it now, so a process was killed in the middle. Every step can be done again.
        sqlx::query("DELETE FROM _sqlx_migrations WHERE success = FALSE").execute(&mut *connection).await?;
        updated = migrator.run_direct(None, &mut *connection, false).await;
    }
    sqlx::query("DO RELEASE_LOCK(SHA1(CONCAT('closing-bell ', DATABASE())))").execute(&mut *connection).await?;
    Ok(updated?)
}
