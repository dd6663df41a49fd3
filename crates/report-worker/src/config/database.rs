//! `DATABASE_URL`, and the JSON that RDS and Aurora keep in AWS Secrets Manager in its place.

use data_encoding::HEXUPPER;
use serde_json::{Map, Value};

use crate::store::{Books, BooksError};

/// What may follow in the secret beside what AWS writes, under the names that the URL has for it.
const PARAMETERS: [&str; 2] = ["ssl-ca", "ssl-mode"];

/// MySQL's port, where the secret names none.
const PORT: u64 = 3306;

/// Reads a URL, or a database secret as AWS describes it ("JSON structure of AWS Secrets Manager secrets") and
/// `AWS::SecretsManager::SecretTargetAttachment` writes it: `engine`, `host`, `port`, `username`, `password`, `dbname`.
/// No error repeats a value.
pub(super) fn database(text: &str) -> Result<Books, String> {
    let told = |error: BooksError| error.to_string();
    if text.starts_with('{') { url_of(text)?.parse().map_err(told) } else { text.parse().map_err(told) }
}

/// Reads it again; the books are the same ones, so they stay in MySQL.
pub(super) fn renewed(_: &Books, _: &'static str, text: &str) -> Result<Books, String> {
    match database(text)? {
        Books::Sqlite(_) => Err("it names a SQLite file in place of a MySQL server".to_owned()),
        books @ Books::MySql(_) => Ok(books),
    }
}

fn url_of(json: &str) -> Result<String, String> {
    let members: Map<String, Value> =
        serde_json::from_str(json).map_err(|_| "it begins like JSON and is none".to_owned())?;
    let text = |name: &str| members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let missing: Vec<&str> =
        ["host", "username", "password", "dbname"].into_iter().filter(|name| text(name).is_none()).collect();
    if !missing.is_empty() {
        return Err(format!("its JSON lacks {}; a database secret of RDS has them", missing.join(", ")));
    }
    if text("engine").is_some_and(|engine| !matches!(engine, "mysql" | "mariadb" | "aurora-mysql" | "aurora")) {
        return Err("the `engine` in its JSON is neither MySQL nor MariaDB".to_owned());
    }
    let port = match members.get("port") {
        None => PORT,
        Some(Value::String(port)) => port.parse().map_err(|_| "the `port` in its JSON is no number".to_owned())?,
        Some(port) => port.as_u64().ok_or("the `port` in its JSON is no number")?,
    };
    let host = text("host").unwrap_or_default();
    if !host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')) {
        return Err("the `host` in its JSON is none".to_owned());
    }
    let encoded = |name: &str| text(name).map(percent_encoded).unwrap_or_default();
    let parameters = PARAMETERS.iter().filter_map(|name| Some(format!("{name}={}", percent_encoded(text(name)?))));
    let (user, password, name) = (encoded("username"), encoded("password"), encoded("dbname"));
    let parameters = parameters.collect::<Vec<_>>().join("&");
    let question = if parameters.is_empty() { "" } else { "?" };
    Ok(format!("mysql://{user}:{password}@{host}:{port}/{name}{question}{parameters}"))
}

/// Every byte that could mean something in a URL, the percent sign first of all.
fn percent_encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{}", HEXUPPER.encode(&[byte])),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_rds_is_a_url() {
        let secret = r#"{"engine":"mysql","host":"bell.cluster-x1.eu-central-1.rds.amazonaws.com","port":3306,
            "username":"bell","password":"p%41@ss/w:rd#?\u00fc\"","dbname":"books","dbClusterIdentifier":"bell"}"#;
        let url = "mysql://bell:p%2541%40ss%2Fw%3Ard%23%3F%C3%BC%22@bell.cluster-x1.eu-central-1.rds.amazonaws.com:3306/books";
        assert_eq!(url_of(secret).unwrap(), url);
        assert_eq!(
            database(secret).map(|books| format!("{books:?}")).unwrap(),
            "MySql(MySqlUrl(mysql://bell.cluster-x1.eu-central-1.rds.amazonaws.com:3306/books))"
        );
        let short = r#"{"host":"db","username":"bell","password":"x","dbname":"books","ssl-ca":"/etc/rds.pem"}"#;
        assert_eq!(url_of(short).unwrap(), "mysql://bell:x@db:3306/books?ssl-ca=%2Fetc%2Frds.pem");
        let text_port = r#"{"host":"db","port":"3307","username":"bell","password":"x","dbname":"books"}"#;
        assert_eq!(url_of(text_port).unwrap(), "mysql://bell:x@db:3307/books");
    }

    #[test]
    fn what_is_wrong_with_a_secret_is_named_without_its_values() {
        for (secret, problem) in [
            (r#"{"username":"bell","password":"hush""#, "it begins like JSON and is none"),
            (
                r#"{"username":"bell","password":"hush"}"#,
                "its JSON lacks host, dbname; a database secret of RDS has them",
            ),
            (
                r#"{"engine":"postgres","host":"db","username":"bell","password":"hush","dbname":"books"}"#,
                "the `engine` in its JSON is neither MySQL nor MariaDB",
            ),
            (
                r#"{"host":"db","port":true,"username":"bell","password":"hush","dbname":"books"}"#,
                "the `port` in its JSON is no number",
            ),
            (
                r#"{"host":"db/hush@x","username":"bell","password":"hush","dbname":"books"}"#,
                "the `host` in its JSON is none",
            ),
        ] {
            assert_eq!(database(secret).unwrap_err(), problem);
        }
        let books = database("mysql://bell:hush@127.0.0.1/books").unwrap();
        assert_eq!(
            renewed(&books, "DATABASE_URL", "sqlite:books.sqlite").unwrap_err(),
            "it names a SQLite file in place of a MySQL server"
        );
    }
}
