//! What the environment says. Everything wrong with it is reported at once.

use std::fmt::Display;
use std::fs;

use hubspot_webhook::door::TargetUrls;
use hubspot_webhook::signature::{Secret, SignatureVersion};

/// The door's configuration.
#[derive(Debug)]
pub struct Config {
    pub(crate) secrets: SecretsFrom,
    pub(crate) versions: Vec<SignatureVersion>,
    pub(crate) urls: Option<TargetUrls>,
    pub(crate) queue_url: String,
    /// Certificates, as PEM, that are trusted in place of Amazon's own.
    pub(crate) authorities: Option<Vec<u8>>,
}

/// Where the client secrets are.
#[derive(Debug)]
pub(crate) enum SecretsFrom {
    /// In the environment, newest first, at least one.
    Environment(Vec<Secret>),
    /// In AWS Secrets Manager, under this name or ARN.
    SecretsManager(String),
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
        let secrets = secrets(variable("HUBSPOT_CLIENT_SECRETS"), variable("HUBSPOT_CLIENT_SECRETS_ARN"));
        let secrets = noted(&mut problems, "HUBSPOT_CLIENT_SECRETS", secrets);
        let versions = versions(&variable("HUBSPOT_SIGNATURE_VERSIONS").unwrap_or_default());
        let versions = noted(&mut problems, "HUBSPOT_SIGNATURE_VERSIONS", versions);
        let urls = variable("WEBHOOK_URLS").map(|urls| noted(&mut problems, "WEBHOOK_URLS", urls.parse()));
        let queue_url = variable("QUEUE_URL").ok_or("it is missing; give the URL of the SQS queue");
        let queue_url = noted(&mut problems, "QUEUE_URL", queue_url);
        let authorities = variable("AWS_CA_BUNDLE").map(|path| authorities(&path)).transpose();
        let authorities = noted(&mut problems, "AWS_CA_BUNDLE", authorities);
        match (secrets, versions, queue_url, authorities) {
            (Some(secrets), Some(versions), Some(queue_url), Some(authorities)) if problems.is_empty() => {
                Ok(Self { secrets, versions, urls: urls.flatten(), queue_url, authorities })
            }
            _ => anyhow::bail!("the door cannot start:\n  {}", problems.join("\n  ")),
        }
    }
}

fn secrets(text: Option<String>, arn: Option<String>) -> Result<SecretsFrom, String> {
    match (text, arn) {
        (Some(text), None) => match Secret::list(&text) {
            Ok(secrets) if secrets.is_empty() => Err("it holds no secret".to_owned()),
            Ok(secrets) => Ok(SecretsFrom::Environment(secrets)),
            Err(problem) => Err(problem.to_string()),
        },
        (None, Some(arn)) => Ok(SecretsFrom::SecretsManager(arn.trim().to_owned())),
        (None, None) => Err("it is missing; give the app's client secret, or in HUBSPOT_CLIENT_SECRETS_ARN where AWS \
                             Secrets Manager has it"
            .to_owned()),
        (Some(_), Some(_)) => Err("HUBSPOT_CLIENT_SECRETS_ARN is set too; keep one of them".to_owned()),
    }
}

fn versions(text: &str) -> Result<Vec<SignatureVersion>, String> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    words.map(|word| word.parse().map_err(|problem| format!("{problem}"))).collect()
}

fn authorities(path: &str) -> Result<Vec<u8>, String> {
    let pem = fs::read(path).map_err(|error| format!("the file {path} cannot be read: {error}"))?;
    let holds_one = String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----");
    if holds_one { Ok(pem) } else { Err(format!("the file {path} holds no certificate as PEM")) }
}

fn noted<T, E: Display>(problems: &mut Vec<String>, name: &str, read: Result<T, E>) -> Option<T> {
    read.map_err(|problem| problems.push(format!("{name}: {problem}"))).ok()
}
