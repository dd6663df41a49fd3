//! What the environment says. Everything wrong with it is reported at once.

use std::fmt::Display;

use hubspot_webhook::door::{Keys, TargetUrls};
use hubspot_webhook::signature::{Secret, SignatureVersion};

/// The door's configuration.
#[derive(Debug)]
pub struct Config {
    pub(crate) keys: Keys,
    pub(crate) urls: Option<TargetUrls>,
    pub(crate) queue_url: String,
}

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// One error that names every variable that is missing or wrong, and never a secret.
    pub fn from_env() -> anyhow::Result<Self> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads any environment; an empty variable is the same as none.
    ///
    /// # Errors
    /// As [`Config::from_env`].
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let secrets = list(&variable("HUBSPOT_CLIENT_SECRETS").unwrap_or_default(), |text| Secret::new(text));
        let keys = noted(&mut problems, "HUBSPOT_CLIENT_SECRETS", secrets)
            .and_then(|secrets| noted(&mut problems, "HUBSPOT_CLIENT_SECRETS", Keys::new(secrets)));
        let versions = variable("HUBSPOT_SIGNATURE_VERSIONS").unwrap_or_default();
        let versions =
            noted(&mut problems, "HUBSPOT_SIGNATURE_VERSIONS", list(&versions, str::parse::<SignatureVersion>));
        let urls = variable("WEBHOOK_URLS").map(|urls| noted(&mut problems, "WEBHOOK_URLS", urls.parse()));
        let queue_url = variable("QUEUE_URL").ok_or("it is missing; give the URL of the SQS queue");
        let queue_url = noted(&mut problems, "QUEUE_URL", queue_url);
        match (keys, versions, urls.unwrap_or_default(), queue_url) {
            (Some(keys), Some(versions), urls, Some(queue_url)) if problems.is_empty() => {
                Ok(Self { keys: keys.with_versions(&versions), urls, queue_url })
            }
            _ => anyhow::bail!("the door cannot start:\n  {}", problems.join("\n  ")),
        }
    }
}

/// Reads a comma separated list; without a text it has no entries.
fn list<T, E>(text: &str, read: impl Fn(&str) -> Result<T, E>) -> Result<Vec<T>, E> {
    if text.is_empty() { Ok(Vec::new()) } else { text.split(',').map(|entry| read(entry.trim())).collect() }
}

fn noted<T, E: Display>(problems: &mut Vec<String>, name: &str, read: Result<T, E>) -> Option<T> {
    read.map_err(|problem| problems.push(format!("{name}: {problem}"))).ok()
}
