//! Secrets that may change while the program runs: read from AWS Secrets Manager, and read again when authentication fails.
//!
//! Whoever uses a secret asks [`Renewed`] for it each time, and when it is refused asks for another one. A secret from a
//! plain variable is never another.

mod manager;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;

pub use self::manager::{SecretsManager, SecretsManagerError};

/// The least time between two attempts to read a secret again: what is refused is often refused many times in a row.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(10);

/// What a secret was made into, at its newest. Clones share it.
pub struct Renewed<T>(Arc<Inner<T>>);

struct Inner<T> {
    newest: RwLock<Arc<T>>,
    /// When Secrets Manager was last seen to have no newer one.
    read_at: RwLock<Instant>,
    source: Option<Source<T>>,
}

/// Where newer ones come from.
struct Source<T> {
    manager: SecretsManager,
    renew: Renew<T>,
    /// Locked while Secrets Manager is asked, so that a crowd of refusals is one question.
    state: Mutex<State>,
}

/// Makes another value out of the known one and the new text of a variable; or says, without quoting it, what is wrong.
pub type Renew<T> = fn(&T, variable: &'static str, text: &str) -> Result<T, String>;

struct State {
    parts: Vec<Part>,
    tried_at: Option<Instant>,
}

/// A variable's text in AWS Secrets Manager.
#[derive(Clone, Debug)]
pub struct Part {
    /// The variable that it stands in for, such as `SMTP_URL`.
    pub variable: &'static str,
    /// The secret's ARN or name.
    pub arn: String,
    /// What was read last; empty where there is no value and none is needed.
    pub text: SecretString,
    /// Whether there has to be a value.
    pub is_needed: bool,
}

impl Part {
    /// Reads the part for the first time.
    ///
    /// # Errors
    /// As [`SecretsManager::read`], but where there is no value and none is needed.
    pub async fn read(
        manager: &SecretsManager,
        variable: &'static str,
        arn: String,
        is_needed: bool,
    ) -> Result<Self, SecretsManagerError> {
        let unread = Self { variable, arn, text: SecretString::default(), is_needed };
        Ok(Self { text: unread.text_now(manager).await?, ..unread })
    }

    async fn text_now(&self, manager: &SecretsManager) -> Result<SecretString, SecretsManagerError> {
        match manager.read(&self.arn).await {
            Err(SecretsManagerError::Missing { .. }) if !self.is_needed => Ok(SecretString::default()),
            read => read,
        }
    }
}

/// What is known of a value that was refused.
#[derive(Debug)]
pub enum Renewal<T> {
    /// There is another one: try it.
    Changed(Arc<T>),
    /// There is no other one. The refusal stands.
    Same,
    /// Secrets Manager was asked a moment ago, or does not answer: there may be another one.
    Unknown,
}

impl<T> Renewed<T> {
    /// A value that is made again, by `renew`, when one of these parts has changed.
    pub fn from_parts(value: T, manager: SecretsManager, parts: Vec<Part>, renew: Renew<T>) -> Self {
        let state = Mutex::new(State { parts, tried_at: None });
        let source = Source { manager, renew, state };
        Self::of(value, Some(source))
    }

    fn of(value: T, source: Option<Source<T>>) -> Self {
        let (newest, read_at) = (RwLock::new(Arc::new(value)), RwLock::new(Instant::now()));
        Self(Arc::new(Inner { newest, read_at, source }))
    }

    /// The newest value.
    pub fn now(&self) -> Arc<T> {
        self.0.newest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there can ever be another value.
    pub fn is_renewable(&self) -> bool {
        self.0.source.is_some()
    }

    /// Whether it is time to ask again however well the value works: one that was taken away is never refused here.
    pub fn is_older_than(&self, age: Duration) -> bool {
        let read_at = *self.0.read_at.read().unwrap_or_else(PoisonError::into_inner);
        self.is_renewable() && read_at.elapsed() >= age
    }

    /// Asks for another value than this one, which was refused; at most once in ten seconds. While Secrets Manager cannot
    /// be asked, the last known value stays.
    pub async fn renew(&self, refused: &Arc<T>) -> Renewal<T> {
        let Some(source) = &self.0.source else { return Renewal::Same };
        let mut state = source.state.lock().await;
        let known = self.now();
        if !Arc::ptr_eq(&known, refused) {
            return Renewal::Changed(known);
        }
        if state.tried_at.is_some_and(|tried_at| tried_at.elapsed() < BETWEEN_ATTEMPTS) {
            return Renewal::Unknown;
        }
        state.tried_at = Some(Instant::now());
        let mut all_read = true;
        for part in &mut state.parts {
            let read = part.text_now(&source.manager).await;
            let Part { variable, text, .. } = part;
            match read {
                Ok(read) if read.expose_secret() == text.expose_secret() => {}
                Ok(read) => match (source.renew)(&self.now(), variable, read.expose_secret()) {
                    Ok(value) => {
                        tracing::info!(
                            variable,
                            "a secret has changed in AWS Secrets Manager; the new one is used now"
                        );
                        *text = read;
                        *self.0.newest.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
                    }
                    Err(what) => {
                        tracing::error!(variable, what, "a changed secret cannot be used; the last known one stays");
                        all_read = false;
                    }
                },
                Err(error) => {
                    let error = format!("{:#}", anyhow::Error::from(error));
                    tracing::warn!(variable, error, "a secret cannot be read again; the last known one stays");
                    all_read = false;
                }
            }
        }
        if all_read {
            *self.0.read_at.write().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
        let newest = self.now();
        if !Arc::ptr_eq(&newest, refused) {
            Renewal::Changed(newest)
        } else if all_read {
            Renewal::Same
        } else {
            Renewal::Unknown
        }
    }
}

impl<T> From<T> for Renewed<T> {
    /// A value that stays as it is.
    fn from(value: T) -> Self {
        Self::of(value, None)
    }
}

impl<T> Clone for Renewed<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: fmt::Debug> fmt::Debug for Renewed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.now().fmt(f)
    }
}
