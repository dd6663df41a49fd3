//! Where the books are: what `DATABASE_URL` says.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::roots;

/// What a MySQL URL may say after its question mark. The driver would pass over anything else in silence, a misspelt
/// `ssl-mode` too.
const PARAMETERS: [&str; 5] = ["ssl-mode", "ssl-ca", "ssl-cert", "ssl-key", "socket"];

const SSL_MODES: [&str; 5] = ["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"];

/// Where the books are.
#[derive(Debug, Clone)]
pub enum Books {
    /// A SQLite file; one process works on it.
    Sqlite(PathBuf),
    /// A database of MySQL or MariaDB; any number of processes work on it.
    MySql(MySqlUrl),
}

/// The URL of a MySQL or MariaDB database. It holds a password, so it shows only its server and its database.
#[derive(Clone)]
pub struct MySqlUrl(SecretString);

/// Why a text does not say where the books are. It never repeats the text: there may be a password in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BooksError {
    /// It is no URL, or one of something else.
    #[error(
        "not a database URL such as sqlite:books.sqlite or mysql://user:password@host:3306/books; in a password, \
         write special characters encoded, as %40 for @"
    )]
    Unknown,
    /// It is incomplete.
    #[error("the MySQL URL has no {0}; it is mysql://user:password@host:3306/books")]
    Missing(&'static str),
    /// It has a parameter that means nothing.
    #[error("the MySQL URL has the unknown parameter {0:?}; known are {known}", known = PARAMETERS.join(", "))]
    Parameter(String),
    /// Its `ssl-mode` is none.
    #[error("the MySQL URL's ssl-mode is none of {known}", known = SSL_MODES.join(", "))]
    SslMode,
}

impl FromStr for Books {
    type Err = BooksError;

    /// Reads `sqlite:PATH` or `mysql://user:password@host:3306/database`. Over the network a MySQL server has to show
    /// that it is the right one (`ssl-mode=VERIFY_IDENTITY`), unless the URL asks for something else. Amazon's own
    /// certificate authorities are known for its servers.
    fn from_str(text: &str) -> Result<Self, BooksError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.trim_start_matches("//");
            return if path.is_empty() { Err(BooksError::Unknown) } else { Ok(Self::Sqlite(PathBuf::from(path))) };
        }
        let mut url = Url::parse(text).map_err(|_| BooksError::Unknown)?;
        if !matches!(url.scheme(), "mysql" | "mariadb") {
            return Err(BooksError::Unknown);
        }
        let parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let given = |name: &str| parameters.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
        if let Some((unknown, _)) = parameters.iter().find(|(name, _)| !PARAMETERS.contains(&name.as_str())) {
            return Err(BooksError::Parameter(unknown.clone()));
        }
        if given("ssl-mode").is_some_and(|mode| !SSL_MODES.contains(&mode)) {
            return Err(BooksError::SslMode);
        }
        if url.username().is_empty() {
            return Err(BooksError::Missing("user"));
        }
        if url.path().trim_matches('/').is_empty() {
            return Err(BooksError::Missing("database"));
        }
        let here = given("socket").is_some() || url.host().ok_or(BooksError::Missing("host")).map(is_this_machine)?;
        if given("ssl-mode").is_none() && !here {
            url.query_pairs_mut().append_pair("ssl-mode", "VERIFY_IDENTITY");
        }
        let amazons = url.host_str().and_then(roots::of_server).filter(|_| given("ssl-ca").is_none());
        if let Some(authorities) = amazons {
            url.query_pairs_mut().append_pair("ssl-ca", &authorities);
        }
        Ok(Self::MySql(MySqlUrl(SecretString::from(String::from(url)))))
    }
}

/// Schemes that `url` knows nothing of have their addresses as names.
fn is_this_machine(host: Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

impl MySqlUrl {
    /// Whether the server is on this machine, so that nothing crosses a network.
    pub fn is_this_machine(&self) -> bool {
        let url = self.url();
        url.query_pairs().any(|(name, _)| name == "socket") || url.host().is_some_and(is_this_machine)
    }

    pub(super) fn url(&self) -> Url {
        Url::parse(self.0.expose_secret()).expect("it was made of one")
    }
}

impl fmt::Display for MySqlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url();
        write!(f, "mysql://{}", url.host_str().unwrap_or_default())?;
        if let Some(port) = url.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(url.path())
    }
}

impl fmt::Debug for MySqlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MySqlUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mysql(text: &str) -> MySqlUrl {
        match text.parse() {
            Ok(Books::MySql(url)) => url,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_password_is_never_shown() {
        let url = mysql("mysql://bell:hush@db.example.com:3307/books?ssl-ca=/etc/rds.pem");
        assert_eq!(
            format!("{url} {url:?}"),
            "mysql://db.example.com:3307/books MySqlUrl(mysql://db.example.com:3307/books)"
        );
        for wrong in [
            "mysql://bell:hush@db.example.com:hush/books",
            "mysql://bell:hush@db.example.com",
            "mysql://:hush@db.example.com/books",
            "mysql://bell:hush@/books",
            "mysql://bell:hush@db.example.com/books?ssl_mode=REQUIRED",
            "mysql://bell:hush@db.example.com/books?ssl-mode=hush",
            "postgres://bell:hush@db.example.com/books",
            "sqlite:",
            "hush",
        ] {
            let error = wrong.parse::<Books>().unwrap_err().to_string();
            assert!(!error.contains("hush"), "{wrong}: {error}");
        }
    }

    #[test]
    fn amazons_authorities_are_known_for_its_servers_unless_others_are_named() {
        let authority = |text: &str| {
            let url = mysql(text).url();
            url.query_pairs().find(|(name, _)| name == "ssl-ca").map(|(_, authority)| authority.into_owned())
        };
        let aurora = "mysql://bell:hush@bell.cluster-c1x.eu-central-1.rds.amazonaws.com:3306/books";
        assert!(authority(aurora).unwrap().starts_with("-----BEGIN CERTIFICATE-----\n"));
        assert_eq!(authority(&format!("{aurora}?ssl-ca=/etc/rds.pem")).as_deref(), Some("/etc/rds.pem"));
        assert_eq!(authority("mysql://bell@db.example.com/books"), None);
        assert_eq!(mysql(aurora).to_string(), "mysql://bell.cluster-c1x.eu-central-1.rds.amazonaws.com:3306/books");
    }

    #[test]
    fn a_server_over_the_network_has_to_show_who_it_is() {
        let mode = |text: &str| {
            let url = mysql(text).url();
            url.query_pairs().find(|(name, _)| name == "ssl-mode").map(|(_, mode)| mode.into_owned())
        };
        assert_eq!(mode("mysql://bell@db.example.com/books").as_deref(), Some("VERIFY_IDENTITY"));
        assert_eq!(mode("mariadb://bell@10.0.0.7/books").as_deref(), Some("VERIFY_IDENTITY"));
        assert_eq!(mode("mysql://bell@db.example.com/books?ssl-mode=REQUIRED").as_deref(), Some("REQUIRED"));
        for here in ["localhost", "127.0.0.1:3307", "[::1]"] {
            assert_eq!(mode(&format!("mysql://bell@{here}/books")), None, "{here}");
        }
        assert_eq!(mode("mysql://bell@db/books?socket=/run/mysqld.sock"), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (wrong, error) in [
            ("mysql://db.example.com/books", BooksError::Missing("user")),
            ("mysql://bell@db.example.com/", BooksError::Missing("database")),
            ("mysql://bell@db.example.com/books?sslmode=x", BooksError::Parameter("sslmode".to_owned())),
            ("mysql://bell@db.example.com/books?ssl-mode=verify", BooksError::SslMode),
            ("mysql:books", BooksError::Missing("user")),
        ] {
            assert_eq!(wrong.parse::<Books>().unwrap_err(), error, "{wrong}");
        }
        assert!(matches!("sqlite://a/b.sqlite".parse(), Ok(Books::Sqlite(path)) if *path == *"a/b.sqlite"));
    }
}
