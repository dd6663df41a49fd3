//! Databases of a test's own on the server that `cargo xtask test` starts.

use report_worker::store::Books;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};

/// The server, as its administrator.
pub(crate) fn server() -> String {
    std::env::var("CLOSING_BELL_TEST_MYSQL").expect("CLOSING_BELL_TEST_MYSQL names the MariaDB of `cargo xtask test`")
}

/// An empty database.
pub(crate) async fn database() -> Books {
    database_url().await.parse().unwrap()
}

/// The URL of one.
pub(crate) async fn database_url() -> String {
    let name = format!("store_{:016x}", fastrand::u64(..));
    ask(&server(), format!("CREATE DATABASE {name}")).await;
    format!("{}/{name}", server())
}

/// Does a statement on a connection of its own.
pub(crate) async fn ask(url: &str, statement: String) {
    let mut connection = MySqlConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
