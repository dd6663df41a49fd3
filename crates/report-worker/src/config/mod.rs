//! Configuration: the one room that reads the environment. Everything wrong is told at once, before anything starts.

mod operator;
mod reader;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hubspot_webhook::door::{Keys, TargetUrls};
use hubspot_webhook::signature::{Secret, SignatureVersion};
use jiff::tz::TimeZone;
use secrecy::SecretString;
use url::Url;

pub use self::operator::QueueConfig;
use self::operator::http_url;
pub use self::reader::{Environment, Problem, Problems};
use self::reader::{Reader, duration, list};
use crate::domain::time::zone;
use crate::mailer::{Mailer, check_address};
use crate::store::{Books, BooksError};

/// Where `local` keeps its queue unless it is told otherwise.
const QUEUE_FILE: &str = "closing-bell-queue.sqlite";

/// What `closing-bell local` needs.
#[derive(Debug)]
pub struct LocalConfig {
    /// The URLs that HubSpot was given.
    pub urls: TargetUrls,
    /// Where the webhooks arrive.
    pub listen: SocketAddr,
    /// The embedded queue's file.
    pub queue_file: PathBuf,
    /// The rest.
    pub work: WorkConfig,
}

/// What `closing-bell worker` needs.
#[derive(Debug)]
pub struct WorkerConfig {
    /// The SQS queue.
    pub queue_url: String,
    /// The SQS queue for dead letters.
    pub dead_letter_queue_url: String,
    /// Where it leaves its heartbeat.
    pub heartbeat: PathBuf,
    /// The rest.
    pub work: WorkConfig,
}

/// What everything behind the queue needs.
#[derive(Debug)]
pub struct WorkConfig {
    /// The client secrets that verify a delivery again.
    pub keys: Keys,
    /// Where the books are.
    pub database: Books,
    /// The CRM.
    pub crm: CrmConfig,
    /// The mails.
    pub mail: MailConfig,
    /// The reporting zone; `None` means the account's.
    pub zone: Option<TimeZone>,
    /// From one cycle to the next.
    pub poll_interval: Duration,
    /// When a record counts as quiet, so that its changes are reported.
    pub quiet: Duration,
}

/// Where the CRM is and who asks.
#[derive(Debug, Clone)]
pub struct CrmConfig {
    /// The root of the API.
    pub api_url: Url,
    /// The dated version in its paths.
    pub api_version: String,
    /// The token that reads.
    pub access_token: SecretString,
}

/// Who gets mail, and how it goes out.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// How it goes out.
    pub mailer: Mailer,
    /// The sender, as in a From header.
    pub from: String,
    /// The recipients of the built-in reports.
    pub to: Vec<String>,
    /// Who hears of trouble.
    pub owner: String,
}

impl LocalConfig {
    /// Reads the configuration of `local`.
    ///
    /// # Errors
    /// Every missing or wrong variable at once.
    pub fn read(environment: &Environment) -> Result<Self, Problems> {
        let mut reader = Reader::new(environment);
        let urls = reader.required("WEBHOOK_URLS", "the exact URL that HubSpot posts to", |text| {
            text.parse::<TargetUrls>().map_err(|error| error.to_string())
        });
        let listen = reader.or("LISTEN", "127.0.0.1:8080", |text| {
            text.parse::<SocketAddr>().map_err(|_| "not an address and port such as 127.0.0.1:8080".to_owned())
        });
        let queue_file = reader.or("QUEUE_FILE", QUEUE_FILE, |text| Ok(PathBuf::from(text)));
        let work = WorkConfig::read(&mut reader, Some("sqlite:closing-bell.sqlite"));
        reader.finish(|| Some(Self { urls: urls?, listen: listen?, queue_file: queue_file?, work: work? }))
    }
}

impl WorkerConfig {
    /// Reads the configuration of `worker`. Nothing falls back to a local file because a variable is missing.
    ///
    /// # Errors
    /// Every missing or wrong variable at once.
    pub fn read(environment: &Environment) -> Result<Self, Problems> {
        let mut reader = Reader::new(environment);
        let queue_url = reader.required("QUEUE_URL", "the URL of the SQS queue", http_url);
        let dead_letter_queue_url =
            reader.required("DEAD_LETTER_QUEUE_URL", "the URL of the SQS queue for dead letters", http_url);
        let folder = operator::folder(&mut reader);
        let work = WorkConfig::read(&mut reader, None);
        let allowed = reader.or("ALLOW_SQLITE_WITH_SQS", "no", |text| match text {
            "yes" => Ok(true),
            "no" => Ok(false),
            _ => Err("neither yes nor no".to_owned()),
        });
        if work.as_ref().is_some_and(|work| matches!(work.database, Books::Sqlite(_))) && allowed == Some(false) {
            reader.problem(
                "DATABASE_URL",
                "SQLite together with SQS would lose the books with the container; \
                 set ALLOW_SQLITE_WITH_SQS=yes where the file's disk stays",
            );
        }
        reader.finish(|| {
            let (queue_url, dead_letter_queue_url) = (queue_url?, dead_letter_queue_url?);
            let heartbeat = operator::worker_heartbeat(&folder, &queue_url);
            Some(Self { queue_url, dead_letter_queue_url, heartbeat, work: work? })
        })
    }
}

impl WorkConfig {
    fn read(reader: &mut Reader<'_>, default_database: Option<&str>) -> Option<Self> {
        let keys = keys(reader);
        let database = match default_database {
            Some(default) => reader.or("DATABASE_URL", default, database),
            None => reader.required(
                "DATABASE_URL",
                "where the books are, such as mysql://user:password@host:3306/books",
                database,
            ),
        };
        let crm = CrmConfig::read(reader);
        let mail = MailConfig::read(reader);
        let zone = reader.optional("TIME_ZONE", |text| {
            zone(text).ok_or_else(|| "not an IANA time zone such as Europe/Berlin".to_owned())
        });
        let poll_interval = reader.or("POLL_INTERVAL", "60s", duration);
        let quiet = reader.or("QUIET_PERIOD", "5m", duration);
        Some(Self {
            keys: keys?,
            database: database?,
            crm: crm?,
            mail: mail?,
            zone: zone?,
            poll_interval: poll_interval?,
            quiet: quiet?,
        })
    }
}

impl CrmConfig {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let api_url = reader.or("HUBSPOT_API_URL", "https://api.hubapi.com", |text| {
            Url::parse(text).map_err(|_| "not a URL such as https://api.hubapi.com".to_owned())
        });
        let api_version = reader.or("HUBSPOT_API_VERSION", "2026-09", |text| Ok(text.to_owned()));
        let access_token = reader.required("HUBSPOT_ACCESS_TOKEN", "the token that reads the CRM", |text| {
            Ok(SecretString::from(text.to_owned()))
        });
        Some(Self { api_url: api_url?, api_version: api_version?, access_token: access_token? })
    }
}

impl MailConfig {
    /// Reads what `preview --send-to` needs.
    ///
    /// # Errors
    /// Every missing or wrong variable at once.
    pub fn read_alone(environment: &Environment) -> Result<Self, Problems> {
        let mut reader = Reader::new(environment);
        let mail = Self::read(&mut reader);
        reader.finish(|| mail)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let address = |text: &str| match check_address(text) {
            Ok(_) => Ok(text.trim().to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let mailer =
            reader.required("SMTP_URL", "smtps://user:password@host:465, smtp://host:587 or file:folder", |text| {
                Mailer::from_url(text).map_err(|error| error.to_string())
            });
        let from = reader.required("MAIL_FROM", "the sender's address", address);
        let to = reader.required("MAIL_TO", "the finance team's addresses, comma separated", |text| {
            list(text).map(address).collect::<Result<Vec<_>, _>>()
        });
        let owner = reader.optional("OWNER_EMAIL", address);
        let (mailer, from, to, owner) = (mailer?, from?, to?, owner?);
        // Somebody must hear of trouble; without an owner it is the first of the team.
        let owner = owner.or_else(|| to.first().cloned())?;
        Some(Self { mailer, from, to, owner })
    }
}

/// The client secrets of `HUBSPOT_CLIENT_SECRETS` alone, for `send` and `verify`.
///
/// # Errors
/// What is missing or wrong.
pub fn client_secrets(environment: &Environment) -> Result<Vec<Secret>, Problems> {
    let mut reader = Reader::new(environment);
    let found = reader.required("HUBSPOT_CLIENT_SECRETS", "the app's client secret", secrets);
    reader.finish(|| found)
}

/// HubSpot and the books, for `reconcile`.
///
/// # Errors
/// Every missing or wrong variable at once.
pub fn reconcile_alone(environment: &Environment) -> Result<(CrmConfig, Books), Problems> {
    let mut reader = Reader::new(environment);
    let crm = CrmConfig::read(&mut reader);
    let books = reader.or("DATABASE_URL", "sqlite:closing-bell.sqlite", database);
    reader.finish(|| crm.zip(books))
}

/// Where `DATABASE_URL` says that the books are, for `preview` and `status`.
///
/// # Errors
/// What is wrong with it.
pub fn database_alone(environment: &Environment) -> Result<Books, Problems> {
    let mut reader = Reader::new(environment);
    let books = reader.or("DATABASE_URL", "sqlite:closing-bell.sqlite", database);
    reader.finish(|| books)
}

fn keys(reader: &mut Reader<'_>) -> Option<Keys> {
    let live = reader.required("HUBSPOT_CLIENT_SECRETS", "the app's client secret", secrets);
    let retired = reader.optional("HUBSPOT_RETIRED_SECRETS", secrets);
    let versions = reader.or("HUBSPOT_SIGNATURE_VERSIONS", "v3", |text| {
        list(text)
            .map(|word| word.parse::<SignatureVersion>().map_err(|error| error.to_string()))
            .collect::<Result<Vec<_>, _>>()
    });
    let keys = Keys::new(live?).ok()?.with_versions(&versions?);
    Some(keys.with_retired(retired?.unwrap_or_default()))
}

fn secrets(text: &str) -> Result<Vec<Secret>, String> {
    match Secret::list(text) {
        // Only JSON can be a text and hold none.
        Ok(secrets) if secrets.is_empty() => Err("it holds no secret".to_owned()),
        read => read.map_err(|error| error.to_string()),
    }
}

fn database(text: &str) -> Result<Books, String> {
    text.parse().map_err(|error: BooksError| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Vec<(&'static str, &'static str)> {
        vec![
            ("WEBHOOK_URLS", "https://bell.example.com/webhooks/hubspot"),
            ("HUBSPOT_CLIENT_SECRETS", "new-secret,old-secret"),
            ("HUBSPOT_ACCESS_TOKEN", "pat-eu1-token"),
            ("SMTP_URL", "file:outbox"),
            ("MAIL_FROM", "Closing Bell <bell@example.com>"),
            ("MAIL_TO", "cfo@example.com, Books <books@example.com>"),
        ]
    }

    #[test]
    fn a_short_configuration_is_enough() {
        let config = LocalConfig::read(&Environment::of(&local())).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.work.mail.to, ["cfo@example.com", "Books <books@example.com>"]);
        assert_eq!(config.work.mail.owner, "cfo@example.com");
        assert_eq!(config.work.poll_interval, Duration::from_secs(60));
        assert_eq!(config.work.quiet, Duration::from_secs(300));
        assert!(matches!(config.work.database, Books::Sqlite(file) if *file == *"closing-bell.sqlite"));
    }

    #[test]
    fn everything_missing_is_told_at_once() {
        let problems = WorkerConfig::read(&Environment::of(&[])).unwrap_err();
        insta::assert_snapshot!("everything_missing", problems.to_string());
    }

    #[test]
    fn everything_wrong_is_told_at_once_and_no_secret_with_it() {
        let wrong = [
            ("WEBHOOK_URLS", "bell.example.com"),
            ("LISTEN", "8080"),
            ("HUBSPOT_CLIENT_SECRETS", ","),
            ("HUBSPOT_SIGNATURE_VERSIONS", "v4"),
            ("HUBSPOT_ACCESS_TOKEN", "pat-hush"),
            ("HUBSPOT_ACCESS_TOKEN_ARN", "arn:aws:x"),
            ("HUBSPOT_API_URL", "api"),
            ("DATABASE_URL", "mysql://root:hush@localhost/books?sslmode=hush"),
            ("SMTP_URL", "smtp://user:hush@"),
            ("MAIL_FROM", "nobody"),
            ("MAIL_TO", "a@example.com,b"),
            ("TIME_ZONE", "Mars/Olympus"),
            ("POLL_INTERVAL", "often"),
            ("QUIET_PERIOD", "-5m"),
        ];
        let problems = LocalConfig::read(&Environment::of(&wrong)).unwrap_err().to_string();
        assert!(!problems.contains("hush"), "{problems}");
        insta::assert_snapshot!("everything_wrong", problems);
    }

    #[test]
    fn a_list_without_a_secret_is_none() {
        for name in ["HUBSPOT_CLIENT_SECRETS", "HUBSPOT_RETIRED_SECRETS"] {
            let mut variables = local();
            variables.retain(|(given, _)| *given != name);
            variables.push((name, "[]"));
            let problems = LocalConfig::read(&Environment::of(&variables)).unwrap_err().to_string();
            assert!(problems.contains(name) && problems.contains("it holds no secret"), "{problems}");
        }
    }

    #[test]
    fn sqlite_with_sqs_must_be_asked_for() {
        let mut variables = local();
        variables.extend([
            ("QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/1/bell"),
            ("DEAD_LETTER_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/1/dead"),
            ("DATABASE_URL", "sqlite:books.sqlite"),
        ]);
        let problems = WorkerConfig::read(&Environment::of(&variables)).unwrap_err().to_string();
        assert!(problems.contains("ALLOW_SQLITE_WITH_SQS=yes"), "{problems}");
        variables.push(("ALLOW_SQLITE_WITH_SQS", "yes"));
        WorkerConfig::read(&Environment::of(&variables)).unwrap();
        variables.pop();
        variables.push(("DATABASE_URL", "mysql://bell:hush@db.example.com/books"));
        let config = WorkerConfig::read(&Environment::of(&variables)).unwrap();
        assert!(!format!("{config:?}").contains("hush"), "{config:?}");
    }
}
