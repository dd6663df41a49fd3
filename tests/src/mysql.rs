//! Databases of a test's own on the MariaDB server that `cargo xtask test` starts.

use sqlx::{AssertSqlSafe, Connection, MySqlConnection};

/// The server's URL.
///
/// # Panics
/// If there is none.
pub fn mysql_server() -> String {
    std::env::var("CLOSING_BELL_TEST_MYSQL").expect("CLOSING_BELL_TEST_MYSQL names the MariaDB of `cargo xtask test`")
}

/// The URL of an empty database.
///
/// # Panics
/// If there is no server.
pub async fn mysql_database() -> String {
    mysql_database_on(&mysql_server()).await
}

/// The URL of an empty database on this server.
///
/// # Panics
/// If it does not answer.
pub async fn mysql_database_on(server: &str) -> String {
    let name = format!("bell_{:016x}", fastrand::u64(..));
    let mut connection = MySqlConnection::connect(server).await.expect("the server answers");
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(create).execute(&mut connection).await.expect("its administrator may make databases");
    connection.close().await.expect("it can be closed");
    format!("{server}/{name}")
}
