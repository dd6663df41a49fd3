//! Configuration: the one room that reads the environment. Everything wrong is told at once, before anything starts.

mod database;
mod doctor;
pub(crate) mod nearest;
mod operator;
mod reader;
mod reports;
mod status_page;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hubspot_webhook::door::{Keys, TargetUrls};
use hubspot_webhook::signature::{Secret, SignatureVersion};
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use url::Url;

use self::database::database;
pub use self::doctor::{Parts, Role};
pub use self::operator::QueueConfig;
use self::operator::http_url;
pub use self::reader::{Environment, Problem, Problems};
use self::reader::{Reader, duration, list, read};
pub use self::status_page::StatusPageConfig;
use crate::crm::access_token;
use crate::domain::time::zone;
use crate::mailer::{Mailer, check_address};
use crate::report::Definitions;
use crate::secrets::Renewed;
use crate::store::Books;

/// Where `local` keeps its queue unless it is told otherwise.
const QUEUE_FILE: &str = "closing-bell-queue.sqlite";

const CLIENT_SECRETS: &str = "HUBSPOT_CLIENT_SECRETS";
const RETIRED_SECRETS: &str = "HUBSPOT_RETIRED_SECRETS";

/// What `closing-bell local` needs.
#[derive(Debug)]
pub struct LocalConfig {
    /// The URLs that HubSpot was given.
    pub urls: TargetUrls,
    /// Where the webhooks arrive.
    pub listen: SocketAddr,
    /// The page to look at.
    pub status_page: StatusPageConfig,
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
    pub keys: Renewed<Keys>,
    /// Where the books are.
    pub database: Renewed<Books>,
    /// The CRM.
    pub crm: CrmConfig,
    /// The mails.
    pub mail: MailConfig,
    /// The reports.
    pub reports: Definitions,
    /// The reporting zone, of `TIME_ZONE` or of the reports; `None` means the account's.
    pub zone: Option<TimeZone>,
    /// From one cycle to the next.
    pub poll_interval: Duration,
    /// When a record counts as quiet, so that its changes are reported.
    pub quiet: Duration,
    /// How long raw deliveries are kept; `None` means for ever.
    pub deliveries_kept_for: Option<SignedDuration>,
}

/// Where the CRM is and who asks.
#[derive(Debug, Clone)]
pub struct CrmConfig {
    /// The root of the API.
    pub api_url: Url,
    /// The dated version in its paths.
    pub api_version: String,
    /// The token that reads.
    pub access_token: Renewed<SecretString>,
}

/// Who gets mail, and how it goes out.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// How it goes out.
    pub mailer: Renewed<Mailer>,
    /// The sender, as in a From header.
    pub from: String,
    /// The recipients of the reports that name none; nobody where all do.
    pub to: Vec<String>,
    /// Who hears of trouble.
    pub owner: String,
}

impl LocalConfig {
    /// Reads the configuration of `local`.
    ///
    /// # Errors
    /// Every missing or wrong variable at once.
    pub async fn read(environment: &Environment) -> Result<Self, Problems> {
        read(environment, Self::from_reader).await
    }

    fn from_reader(reader: &mut Reader<'_>) -> Option<Self> {
        let urls = reader.required("WEBHOOK_URLS", "the exact URL that HubSpot posts to", |text| {
            text.parse::<TargetUrls>().map_err(|error| error.to_string())
        });
        let listen = reader.or("LISTEN", "127.0.0.1:8080", |text| {
            text.parse::<SocketAddr>().map_err(|_| "not an address and port such as 127.0.0.1:8080".to_owned())
        });
        let status_page = StatusPageConfig::read(reader, listen);
        let queue_file = reader.or("QUEUE_FILE", QUEUE_FILE, |text| Ok(PathBuf::from(text)));
        let work = WorkConfig::read(reader, Some("sqlite:closing-bell.sqlite"));
        let (listen, status_page) = (listen?, status_page?);
        Some(Self { urls: urls?, listen, status_page, queue_file: queue_file?, work: work? })
    }
}

impl WorkerConfig {
    /// Reads the configuration of `worker`. Nothing falls back to a local file because a variable is missing.
    ///
    /// # Errors
    /// Every missing or wrong variable at once.
    pub async fn read(environment: &Environment) -> Result<Self, Problems> {
        read(environment, Self::from_reader).await
    }

    fn from_reader(reader: &mut Reader<'_>) -> Option<Self> {
        let queue_url = reader.required("QUEUE_URL", "the URL of the SQS queue", http_url);
        let dead_letter_queue_url =
            reader.required("DEAD_LETTER_QUEUE_URL", "the URL of the SQS queue for dead letters", http_url);
        let folder = operator::folder(reader);
        let work = WorkConfig::read(reader, None);
        let allowed = reader.or("ALLOW_SQLITE_WITH_SQS", "no", |text| match text {
            "yes" => Ok(true),
            "no" => Ok(false),
            _ => Err("neither yes nor no".to_owned()),
        });
        if work.as_ref().is_some_and(|work| matches!(*work.database.now(), Books::Sqlite(_))) && allowed == Some(false)
        {
            reader.problem(
                "DATABASE_URL",
                "SQLite together with SQS would lose the books with the container; \
                 set ALLOW_SQLITE_WITH_SQS=yes where the file's disk stays",
            );
        }
        let (queue_url, dead_letter_queue_url) = (queue_url?, dead_letter_queue_url?);
        let heartbeat = operator::worker_heartbeat(&folder, &queue_url);
        Some(Self { queue_url, dead_letter_queue_url, heartbeat, work: work? })
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
        let reports = reports::read(reader);
        let mail = MailConfig::read(reader, reports.as_ref());
        let zone = time_zone(reader);
        let poll_interval = reader.or("POLL_INTERVAL", "60s", duration);
        let quiet = reader.or("QUIET_PERIOD", "5m", duration);
        let deliveries_kept_for = reader.or("DELIVERY_RETENTION", "400d", retention);
        Some(Self {
            keys: keys?,
            database: reader.renewed(database?, &["DATABASE_URL"], database::renewed),
            crm: crm?,
            mail: mail?,
            zone: zone?.or_else(|| reports.as_ref()?.zone.clone()),
            reports: reports?,
            poll_interval: poll_interval?,
            quiet: quiet?,
            deliveries_kept_for: deliveries_kept_for?,
        })
    }
}

impl CrmConfig {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let api_url = reader.or("HUBSPOT_API_URL", "https://api.hubapi.com", |text| {
            Url::parse(text).map_err(|_| "not a URL such as https://api.hubapi.com".to_owned())
        });
        let api_version = reader.or("HUBSPOT_API_VERSION", "2026-09", |text| Ok(text.to_owned()));
        let access_token = reader.required("HUBSPOT_ACCESS_TOKEN", "the token that reads the CRM", token);
        let access_token = reader.renewed(access_token?, &["HUBSPOT_ACCESS_TOKEN"], |_, _, text| token(text));
        Some(Self { api_url: api_url?, api_version: api_version?, access_token })
    }
}

impl MailConfig {
    /// Reads what `preview --send-to` needs.
    ///
    /// # Errors
    /// Every missing or wrong variable at once.
    pub async fn read_alone(environment: &Environment) -> Result<Self, Problems> {
        let config = |reader: &mut Reader<'_>| {
            let reports = reports::read(reader);
            Self::read(reader, reports.as_ref())
        };
        read(environment, config).await
    }

    /// `reports` are what the mails are for, as far as they can be read.
    fn read(reader: &mut Reader<'_>, reports: Option<&Definitions>) -> Option<Self> {
        let address = |text: &str| match check_address(text) {
            Ok(_) => Ok(text.trim().to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let mailer =
            reader.required("SMTP_URL", "smtps://user:password@host:465, smtp://host:587 or file:folder", mailer);
        let from = reader.required("MAIL_FROM", "the sender's address", address);
        let addresses = |text: &str| list(text).map(address).collect::<Result<Vec<_>, _>>();
        let to = if reports.is_some_and(|reports| reports.reports.iter().any(|report| report.to.is_empty())) {
            reader.required("MAIL_TO", "the finance team's addresses, comma separated", addresses)
        } else {
            reader.optional("MAIL_TO", addresses).map(Option::unwrap_or_default)
        };
        let owner = reader.optional("OWNER_EMAIL", address);
        let (mailer, from, to, owner) = (mailer?, from?, to?, owner?);
        let mailer = reader.renewed(mailer, &["SMTP_URL"], |_, _, text| self::mailer(text));
        // Somebody must hear of trouble; without an owner it is the first of the team.
        let team = || to.iter().chain(reports.into_iter().flat_map(|reports| &reports.reports).flat_map(|it| &it.to));
        let owner = owner.or_else(|| team().next().cloned())?;
        Some(Self { mailer, from, to, owner })
    }
}

/// The client secrets of `HUBSPOT_CLIENT_SECRETS` alone, for `send` and `verify`.
///
/// # Errors
/// What is missing or wrong.
pub async fn client_secrets(environment: &Environment) -> Result<Vec<Secret>, Problems> {
    read(environment, |reader| reader.required(CLIENT_SECRETS, "the app's client secret", secrets)).await
}

/// The reports alone, for `preview`.
///
/// # Errors
/// What is wrong with them.
pub async fn reports_alone(environment: &Environment) -> Result<Definitions, Problems> {
    read(environment, reports::read).await
}

/// What `report` needs.
#[derive(Debug)]
pub struct ReportConfig {
    /// Where the books are.
    pub books: Books,
    /// The reports.
    pub reports: Definitions,
    /// The reporting zone; `None` means the account's.
    pub zone: Option<TimeZone>,
    /// The mails, where one is to be made.
    pub mail: Option<MailConfig>,
}

impl ReportConfig {
    /// Reads it; `with_mail` where a mail is to be made.
    ///
    /// # Errors
    /// Every missing or wrong variable at once.
    pub async fn read_alone(environment: &Environment, with_mail: bool) -> Result<Self, Problems> {
        let config = |reader: &mut Reader<'_>| {
            let books = reader.or("DATABASE_URL", "sqlite:closing-bell.sqlite", database);
            let reports = reports::read(reader);
            let zone = time_zone(reader);
            let mail = if with_mail { Some(MailConfig::read(reader, reports.as_ref())?) } else { None };
            Some(Self {
                books: books?,
                zone: zone?.or_else(|| reports.as_ref()?.zone.clone()),
                reports: reports?,
                mail,
            })
        };
        read(environment, config).await
    }
}

/// The reporting zone of `TIME_ZONE`, where it is set.
fn time_zone(reader: &mut Reader<'_>) -> Option<Option<TimeZone>> {
    reader.optional("TIME_ZONE", |text| {
        zone(text).ok_or_else(|| "not an IANA time zone such as Europe/Berlin".to_owned())
    })
}

/// HubSpot and the books, for `reconcile`.
///
/// # Errors
/// Every missing or wrong variable at once.
pub async fn reconcile_alone(environment: &Environment) -> Result<(CrmConfig, Books), Problems> {
    let config = |reader: &mut Reader<'_>| {
        let crm = CrmConfig::read(reader);
        let books = reader.or("DATABASE_URL", "sqlite:closing-bell.sqlite", database);
        crm.zip(books)
    };
    read(environment, config).await
}

/// Where `DATABASE_URL` says that the books are, for `preview` and `status`.
///
/// # Errors
/// What is wrong with it.
pub async fn database_alone(environment: &Environment) -> Result<Books, Problems> {
    read(environment, |reader| reader.or("DATABASE_URL", "sqlite:closing-bell.sqlite", database)).await
}

fn keys(reader: &mut Reader<'_>) -> Option<Renewed<Keys>> {
    let live = reader.required(CLIENT_SECRETS, "the app's client secret", secrets);
    let retired = reader.optional(RETIRED_SECRETS, secrets);
    let versions = reader.or("HUBSPOT_SIGNATURE_VERSIONS", "v3", |text| {
        list(text)
            .map(|word| word.parse::<SignatureVersion>().map_err(|error| error.to_string()))
            .collect::<Result<Vec<_>, _>>()
    });
    let keys = Keys::new(live?).ok()?.with_versions(&versions?).with_retired(retired?.unwrap_or_default());
    Some(reader.renewed(keys, &[CLIENT_SECRETS, RETIRED_SECRETS], renewed_keys))
}

/// What is in the queue was signed with the secrets before, so these stay as retired ones.
fn renewed_keys(keys: &Keys, variable: &'static str, text: &str) -> Result<Keys, String> {
    if variable == RETIRED_SECRETS && text.is_empty() {
        return Ok(keys.clone());
    }
    let secrets = secrets(text)?;
    match variable {
        RETIRED_SECRETS => Ok(keys.clone().and_retired(secrets)),
        _ => keys.rotated(secrets).map_err(|error| error.to_string()),
    }
}

fn secrets(text: &str) -> Result<Vec<Secret>, String> {
    match Secret::list(text) {
        // Only JSON can be a text and hold none.
        Ok(secrets) if secrets.is_empty() => Err("it holds no secret".to_owned()),
        read => read.map_err(|error| error.to_string()),
    }
}

fn token(text: &str) -> Result<SecretString, String> {
    let what = "it has characters that no token has; give the token alone, as plain text such as pat-eu1-…";
    access_token(text).map_err(|_| what.to_owned())
}

fn mailer(text: &str) -> Result<Mailer, String> {
    Mailer::from_url(text).map_err(|error| error.to_string())
}

/// A dead letter may come back after 14 days in each of two queues, and a repeat of it must still meet its key.
const SHORTEST_RETENTION_DAYS: u16 = 60;

fn retention(text: &str) -> Result<Option<SignedDuration>, String> {
    if text == "forever" {
        return Ok(None);
    }
    match text.strip_suffix('d').and_then(|days| days.parse::<u16>().ok()) {
        Some(days) if days >= SHORTEST_RETENTION_DAYS => Ok(Some(SignedDuration::from_hours(i64::from(days) * 24))),
        Some(_) => Err(format!(
            "shorter than {SHORTEST_RETENTION_DAYS}d, which what comes back from the dead letters may need"
        )),
        None => Err("neither a number of days such as 400d nor forever".to_owned()),
    }
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

    #[tokio::test]
    async fn a_short_configuration_is_enough() {
        let config = LocalConfig::read(&Environment::of(&local())).await.unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.work.mail.to, ["cfo@example.com", "Books <books@example.com>"]);
        assert_eq!(config.work.mail.owner, "cfo@example.com");
        assert_eq!(config.work.poll_interval, Duration::from_secs(60));
        assert_eq!(config.work.quiet, Duration::from_secs(300));
        assert_eq!(config.work.deliveries_kept_for, Some(SignedDuration::from_hours(400 * 24)));
        assert!(matches!(&*config.work.database.now(), Books::Sqlite(file) if **file == *"closing-bell.sqlite"));
    }

    #[test]
    fn deliveries_are_kept_for_some_days_or_for_ever() {
        assert_eq!(retention("60d"), Ok(Some(SignedDuration::from_hours(60 * 24))));
        assert_eq!(retention("forever"), Ok(None));
        for wrong in ["59d", "0d", "-400d", "400", "65536d", "400h", "d", "ever", "never"] {
            assert!(retention(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn everything_missing_is_told_at_once() {
        let problems = WorkerConfig::read(&Environment::of(&[])).await.unwrap_err();
        insta::assert_snapshot!("everything_missing", problems.to_string());
    }

    #[tokio::test]
    async fn everything_wrong_is_told_at_once_and_no_secret_with_it() {
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
            ("DELIVERY_RETENTION", "59d"),
        ];
        let problems = LocalConfig::read(&Environment::of(&wrong)).await.unwrap_err().to_string();
        assert!(!problems.contains("hush"), "{problems}");
        insta::assert_snapshot!("everything_wrong", problems);
    }

    #[tokio::test]
    async fn a_list_without_a_secret_is_none() {
        for name in ["HUBSPOT_CLIENT_SECRETS", "HUBSPOT_RETIRED_SECRETS"] {
            let mut variables = local();
            variables.retain(|(given, _)| *given != name);
            variables.push((name, "[]"));
            let problems = LocalConfig::read(&Environment::of(&variables)).await.unwrap_err().to_string();
            assert!(problems.contains(name) && problems.contains("it holds no secret"), "{problems}");
        }
    }

    #[tokio::test]
    async fn sqlite_with_sqs_must_be_asked_for() {
        let mut variables = local();
        variables.extend([
            ("QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/1/bell"),
            ("DEAD_LETTER_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/1/dead"),
            ("DATABASE_URL", "sqlite:books.sqlite"),
        ]);
        let problems = WorkerConfig::read(&Environment::of(&variables)).await.unwrap_err().to_string();
        assert!(problems.contains("ALLOW_SQLITE_WITH_SQS=yes"), "{problems}");
        variables.push(("ALLOW_SQLITE_WITH_SQS", "yes"));
        WorkerConfig::read(&Environment::of(&variables)).await.unwrap();
        variables.pop();
        variables.push(("DATABASE_URL", "mysql://bell:hush@db.example.com/books"));
        let config = WorkerConfig::read(&Environment::of(&variables)).await.unwrap();
        assert!(!format!("{config:?}").contains("hush"), "{config:?}");
    }
}
