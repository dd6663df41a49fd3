//! TLS to the server, and a server that has to show who it is.

use report_worker::store::Store;

use crate::mysql;

/// Opens an empty database this way; says with which cipher, or everything that went wrong.
async fn cipher(host: &str, parameters: &str) -> Result<String, String> {
    let url = mysql::database_url().await.replace("127.0.0.1", host);
    let opened = Store::open(&format!("{url}?{parameters}").parse().unwrap()).await;
    let store = opened.map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
    let row: (String, String) = sqlx::query_as("SHOW STATUS LIKE 'Ssl_cipher'").fetch_one(store.pool()).await.unwrap();
    Ok(row.1)
}

#[tokio::test]
async fn a_server_is_trusted_by_its_certificate_and_its_name() {
    let certificate = std::env::var("CLOSING_BELL_TEST_MYSQL_CA").expect("run `cargo xtask test`");
    let trusted = format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={certificate}");
    assert!(cipher("127.0.0.1", &trusted).await.unwrap().starts_with("TLS_"));
    assert_eq!(cipher("127.0.0.1", "ssl-mode=DISABLED").await.unwrap(), "");

    let stranger = cipher("127.0.0.1", "ssl-mode=VERIFY_IDENTITY").await.unwrap_err();
    assert!(stranger.contains("invalid peer certificate: UnknownIssuer"), "{stranger}");
    let namesake = cipher("localhost", &trusted).await.unwrap_err();
    assert!(namesake.contains("certificate not valid for name \"localhost\""), "{namesake}");
}
