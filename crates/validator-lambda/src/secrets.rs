//! The client secrets, and how they are read again so that a rotation needs no restart.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;
use hubspot_webhook::door::Keys;
use hubspot_webhook::signature::{Secret, SignatureVersion};

use crate::config::SecretsFrom;

/// How old what was read may become, in milliseconds, before it is read again beside the next delivery.
const READ_AGAIN_AFTER_MS: i64 = 300_000;

/// The least time between two attempts to read, in milliseconds: strangers can send wrong signatures as often as they like.
const BETWEEN_ATTEMPTS_MS: i64 = 10_000;

/// How long one attempt to read may take: a connection that died while the process was frozen is soon given up.
const ATTEMPT: Duration = Duration::from_millis(700);

/// How long a reading may take with its second attempt. A cold start and a delivery with a wrong signature wait for it, and
/// SQS needs its time too before HubSpot hangs up.
const READING: Duration = Duration::from_millis(1_500);

/// What signatures are checked with now. The last known secrets stay as long as no newer ones can be read.
#[derive(Debug)]
pub(crate) struct Secrets {
    manager: Option<(Client, String)>,
    versions: Vec<SignatureVersion>,
    now: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    keys: Arc<Keys>,
    read_at_ms: i64,
    tried_at_ms: i64,
    /// Why the last attempt to read failed.
    problem: Option<String>,
}

impl Secrets {
    /// Reads the secrets for the first time.
    ///
    /// # Errors
    /// Secrets Manager does not answer, or with something that holds no secret: nothing could be checked.
    pub(crate) async fn open(
        from: SecretsFrom,
        versions: Vec<SignatureVersion>,
        aws: &SdkConfig,
        now_ms: i64,
    ) -> anyhow::Result<Self> {
        let (keys, manager) = match from {
            SecretsFrom::Environment(secrets) => (Keys::new(secrets)?.with_versions(&versions), None),
            SecretsFrom::SecretsManager(name) => {
                let timeouts = TimeoutConfig::builder()
                    .connect_timeout(ATTEMPT)
                    .operation_attempt_timeout(ATTEMPT)
                    .operation_timeout(READING)
                    .build();
                let client = Client::from_conf(Builder::from(aws).timeout_config(timeouts).build());
                let keys = read(&client, &name, &versions).await;
                (keys.context("the door cannot start: HUBSPOT_CLIENT_SECRETS_ARN")?, Some((client, name)))
            }
        };
        let known = Known { keys: Arc::new(keys), read_at_ms: now_ms, tried_at_ms: now_ms, problem: None };
        Ok(Self { manager, versions, now: Mutex::new(known) })
    }

    /// The keys to check with, and why they could not be read again if so.
    pub(crate) fn known(&self) -> (Arc<Keys>, Option<String>) {
        self.with(|known| (known.keys.clone(), known.problem.clone()))
    }

    /// Whether it is time to read them again, however well they work; then an attempt is counted.
    pub(crate) fn is_aged(&self, now_ms: i64) -> bool {
        self.with(|known| passed(known.read_at_ms, now_ms, READ_AGAIN_AFTER_MS)) && self.may_try(now_ms)
    }

    /// Whether they may be read again because a signature matches none of them; then an attempt is counted.
    pub(crate) fn may_try(&self, now_ms: i64) -> bool {
        self.manager.is_some()
            && self.with(|known| {
                let may = passed(known.tried_at_ms, now_ms, BETWEEN_ATTEMPTS_MS);
                if may {
                    known.tried_at_ms = now_ms;
                }
                may
            })
    }

    /// Reads them again; what cannot be read leaves the known ones as they are.
    pub(crate) async fn read_again(&self, now_ms: i64) {
        let Some((client, name)) = &self.manager else { return };
        let read = read(client, name, &self.versions).await;
        self.with(|known| match read {
            Ok(keys) => {
                known.keys = Arc::new(keys);
                known.read_at_ms = now_ms;
                known.problem = None;
            }
            Err(error) => known.problem = Some(format!("{error:#}")),
        });
    }

    fn with<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        // Nothing panics while it holds the lock, and what it guards is whole at any moment.
        look(&mut self.now.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether so much time lies between the two moments; a clock that was set back has passed everything.
fn passed(since_ms: i64, now_ms: i64, span_ms: i64) -> bool {
    !(0..span_ms).contains(&now_ms.saturating_sub(since_ms))
}

async fn read(client: &Client, name: &str, versions: &[SignatureVersion]) -> anyhow::Result<Keys> {
    let value =
        client.get_secret_value().secret_id(name).send().await.context("AWS Secrets Manager cannot be asked")?;
    let binary = || value.secret_binary().and_then(|bytes| str::from_utf8(bytes.as_ref()).ok());
    let text = value.secret_string().or_else(binary).context("the secret in AWS Secrets Manager is not a text")?;
    let keys = Secret::list(text).map_err(anyhow::Error::from).and_then(|secrets| Ok(Keys::new(secrets)?));
    Ok(keys.context("the secret in AWS Secrets Manager cannot be used")?.with_versions(versions))
}
