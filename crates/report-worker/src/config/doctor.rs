//! What `doctor` needs: everything that is wrong, and each part of the configuration that can be read all the same.

use hubspot_webhook::door::{Keys, TargetUrls};
use hubspot_webhook::signature::Secret;
use jiff::tz::TimeZone;

use super::operator::QueueConfig;
use super::reader::{Environment, Problem, Reader, list, look};
use super::{CLIENT_SECRETS, CrmConfig, LocalConfig, MailConfig, WorkerConfig, database, keys, reports, secrets, zone};
use crate::report::Definitions;
use crate::store::Books;

/// Which command the environment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `closing-bell local`.
    Local,
    /// `closing-bell worker`: an SQS queue is named.
    Worker,
}

/// The configuration in parts. `None` is a part that is missing or wrong; [`Parts::problems`] says why.
#[derive(Debug)]
pub struct Parts {
    /// Which command the rest is for.
    pub role: Role,
    /// What that command would say before it starts.
    pub problems: Vec<Problem>,
    /// The live client secrets, newest first.
    pub secrets: Option<Vec<Secret>>,
    /// What deliveries are checked with.
    pub keys: Option<Keys>,
    /// The URLs that HubSpot posts to; none for a worker that is not told.
    pub urls: Vec<String>,
    /// The queue.
    pub queue: Option<QueueConfig>,
    /// The books.
    pub books: Option<Books>,
    /// The CRM.
    pub crm: Option<CrmConfig>,
    /// The mails.
    pub mail: Option<MailConfig>,
    /// The reports.
    pub reports: Option<Definitions>,
    /// The reporting zone, if it is set.
    pub zone: Option<TimeZone>,
}

impl Parts {
    /// Reads what can be read.
    pub async fn read(environment: &Environment) -> Self {
        let (mut parts, problems) = look(environment, Self::from_reader).await;
        for problem in problems {
            // The queue's variables are looked at twice.
            if !parts.problems.contains(&problem) {
                parts.problems.push(problem);
            }
        }
        parts
    }

    fn from_reader(reader: &mut Reader<'_>) -> Self {
        let mut is_set = |name| reader.aside(|reader| reader.optional(name, |_| Ok(()))).flatten().is_some();
        let role = match is_set("QUEUE_URL") || is_set("DEAD_LETTER_QUEUE_URL") {
            true => Role::Worker,
            false => Role::Local,
        };
        // What the command itself would say.
        match role {
            Role::Local => drop(LocalConfig::from_reader(reader)),
            Role::Worker => drop(WorkerConfig::from_reader(reader)),
        }
        let queue = QueueConfig::from_reader(reader);
        let reports = reader.aside(reports::read);
        let urls = reader.aside(|reader| {
            reader.optional("WEBHOOK_URLS", |text| {
                text.parse::<TargetUrls>().map_err(|error| error.to_string())?;
                Ok(list(text).filter(|url| !url.is_empty()).map(str::to_owned).collect())
            })
        });
        Self {
            role,
            problems: Vec::new(),
            secrets: reader.aside(|reader| reader.optional(CLIENT_SECRETS, secrets)).flatten(),
            keys: reader.aside(keys).map(|keys| Keys::clone(&keys.now())),
            urls: urls.flatten().unwrap_or_default(),
            queue,
            books: reader.aside(|reader| match role {
                Role::Local => reader.or("DATABASE_URL", "sqlite:closing-bell.sqlite", database),
                Role::Worker => reader.required("DATABASE_URL", "", database),
            }),
            crm: reader.aside(CrmConfig::read),
            mail: reader.aside(|reader| MailConfig::read(reader, reports.as_ref())),
            zone: reader
                .aside(|reader| reader.optional("TIME_ZONE", |text| zone(text).ok_or_else(String::new)))
                .flatten()
                .or_else(|| reports.as_ref()?.zone.clone()),
            reports,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_right_is_read_beside_what_is_wrong() {
        let parts = Parts::read(&Environment::of(&[
            ("QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/1/bell"),
            ("HUBSPOT_CLIENT_SECRETS", "new,old"),
            ("HUBSPOT_ACCESS_TOKEN", "pat"),
            ("TIME_ZONE", "Mars/Olympus"),
            ("QUEUE_FILE", "queue.sqlite"),
        ]))
        .await;
        assert_eq!((parts.role, parts.secrets.map(|secrets| secrets.len())), (Role::Worker, Some(2)));
        assert!(parts.crm.is_some() && parts.keys.is_some() && parts.zone.is_none());
        assert!(parts.queue.is_none() && parts.books.is_none() && parts.mail.is_none() && parts.urls.is_empty());
        let told: Vec<&str> = parts.problems.iter().map(|problem| problem.variable).collect();
        let expected =
            ["DEAD_LETTER_QUEUE_URL", "DATABASE_URL", "SMTP_URL", "MAIL_FROM", "MAIL_TO", "TIME_ZONE", "QUEUE_FILE"];
        assert_eq!(told, expected);
    }
}
