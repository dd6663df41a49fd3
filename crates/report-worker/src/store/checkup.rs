//! A look at the books for `closing-bell doctor`, which changes nothing: no file is made and no table brought up to date.

use std::time::Duration;

use sqlx::any::{AnyConnectOptions, install_default_drivers};
use sqlx::{ConnectOptions, query, query_as};
use tokio::time::timeout;

use super::connect::{MYSQL_LAYOUT, MYSQL_SESSION, SQLITE_LAYOUT, SQLITE_SESSION, knock, pool, sqlite_options};
use super::{Books, Engine, Store, StoreError};

/// How long it is waited for another transaction to end.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// Books that were opened to be looked at.
#[derive(Debug)]
pub struct Look {
    /// The books. Only with [`Layout::Current`] can everything be asked of them.
    pub store: Store,
    /// How their tables are laid out.
    pub layout: Layout,
    /// Why they cannot be written, if they cannot.
    pub unwritable: Option<StoreError>,
    /// How the connection is encrypted; `None` for a file.
    pub tls: Option<Tls>,
}

/// The layout of the tables, by the number of its last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// There are no tables yet.
    Empty,
    /// That of an older version, or one that was interrupted; the next start brings it up to date.
    Older(i64),
    /// This version's.
    Current(i64),
    /// That of a newer version, which has added to what this one knows.
    Newer(i64),
}

/// What the server says of the connection's encryption.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The cipher; `None` without TLS.
    pub cipher: Option<String>,
    /// Until when the server's certificate is good, in its own words (`Nov 14 08:00:00 2027 GMT`).
    pub not_after: Option<String>,
}

impl Store {
    /// Opens books that are there, and looks at them.
    ///
    /// # Errors
    /// Fails where they cannot be opened or reached, or cannot be read.
    pub async fn look(books: &Books) -> Result<Look, StoreError> {
        install_default_drivers();
        let (engine, pool, known) = match books {
            Books::Sqlite(file) => {
                let failed = |source| StoreError::Open { file: file.clone(), source };
                let options = sqlite_options(file, "rw").map_err(failed)?;
                knock(&options, SQLITE_SESSION).await.map_err(failed)?;
                (Engine::Sqlite, pool(1, SQLITE_SESSION).connect_lazy_with(options), SQLITE_LAYOUT.last())
            }
            Books::MySql(url) => {
                let failed = |source| StoreError::Reach { books: url.to_string(), source };
                let options = AnyConnectOptions::from_url(&url.url()).map_err(failed)?;
                knock(&options, MYSQL_SESSION).await.map_err(failed)?;
                (Engine::MySql, pool(1, MYSQL_SESSION).connect_lazy_with(options), MYSQL_LAYOUT.last())
            }
        };
        let store = Self { engine, pool, _claim: None, login: None };
        let layout = store.layout(known.map_or(0, |(version, ..)| *version)).await?;
        let unwritable = match layout {
            Layout::Empty => None,
            _ => match timeout(WRITE_PATIENCE, store.try_to_write()).await {
                Ok(tried) => tried.err(),
                Err(_) => Some(StoreError::Database(sqlx::Error::PoolTimedOut)),
            },
        };
        let tls = match engine {
            Engine::Sqlite => None,
            Engine::MySql => {
                let (cipher, not_after) =
                    (store.status("Ssl_cipher").await?, store.status("Ssl_server_not_after").await?);
                Some(Tls { cipher, not_after })
            }
        };
        Ok(Look { store, layout, unwritable, tls })
    }

    async fn layout(&self, known: i64) -> Result<Layout, StoreError> {
        let tables = match self.engine {
            Engine::Sqlite => "SELECT COUNT(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'",
            Engine::MySql => {
                "SELECT COUNT(*) FROM information_schema.tables \
                 WHERE table_schema = DATABASE() AND table_name = '_sqlx_migrations'"
            }
        };
        let (tables,): (i64,) = query_as(tables).fetch_one(self.pool()).await?;
        if tables == 0 {
            return Ok(Layout::Empty);
        }
        let (found,): (Option<i64>,) =
            query_as("SELECT MAX(version) FROM _sqlx_migrations WHERE success = TRUE").fetch_one(self.pool()).await?;
        Ok(match found.unwrap_or_default() {
            0 => Layout::Empty,
            found if found < known => Layout::Older(found),
            found if found > known => Layout::Newer(found),
            found => Layout::Current(found),
        })
    }

    /// A statement that may be refused and changes nothing.
    async fn try_to_write(&self) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        query("UPDATE facts SET value = value WHERE name = ''").execute(&mut *transaction).await?;
        Ok(transaction.rollback().await?)
    }

    /// A status variable of this connection; `None` if it is empty.
    async fn status(&self, name: &'static str) -> Result<Option<String>, StoreError> {
        let question = format!("SHOW STATUS LIKE '{name}'");
        let row: Option<(String, String)> = query_as(sqlx::AssertSqlSafe(question)).fetch_optional(self.pool()).await?;
        Ok(row.map(|(_, value)| value).filter(|value| !value.is_empty()))
    }
}
