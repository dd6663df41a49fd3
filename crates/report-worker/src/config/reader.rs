//! Reads variables and gathers what is wrong with them; a secret's text may be in AWS Secrets Manager.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::time::Duration;

use jiff::SignedDuration;
use secrecy::ExposeSecret;
use tokio::task::JoinSet;

use super::RETIRED_SECRETS;
use crate::secrets::{Part, Renew, Renewed, SecretsManager};

/// The variables whose text may be in AWS Secrets Manager, and the variables that say where.
const SECRETS: [(&str, &str); 7] = [
    ("HUBSPOT_CLIENT_SECRETS", "HUBSPOT_CLIENT_SECRETS_ARN"),
    (RETIRED_SECRETS, "HUBSPOT_RETIRED_SECRETS_ARN"),
    ("HUBSPOT_ACCESS_TOKEN", "HUBSPOT_ACCESS_TOKEN_ARN"),
    ("SMTP_URL", "SMTP_URL_ARN"),
    ("DATABASE_URL", "DATABASE_URL_ARN"),
    // No secret, but people's addresses; and a container has no file of its own.
    ("REPORTS_FILE", "REPORTS_FILE_ARN"),
    ("STATUS_PASSWORD", "STATUS_PASSWORD_ARN"),
];

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 1_000_000;

/// The environment variables of the process, read once.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process. One that is not Unicode is left out, as if it were not set.
    pub fn of_this_process() -> Self {
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(unicode).collect())
    }

    /// These variables and no others.
    pub fn of(variables: &[(&str, &str)]) -> Self {
        Self(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// A variable's value; an empty or blank one counts as not set.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

/// Something wrong with one variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong and what to do.
    pub what: String,
    /// Whether it may pass by itself: AWS Secrets Manager does not answer.
    pub is_transient: bool,
}

/// Everything that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl std::error::Error for Problems {}

impl Problems {
    /// Whether all of it may pass by itself, so that nothing is wrong with the configuration.
    pub fn are_transient(&self) -> bool {
        self.0.iter().all(|problem| problem.is_transient)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.0.len() == 1 { "problem" } else { "problems" };
        write!(f, "the configuration has {} {noun}:", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {}: {}", problem.variable, problem.what))
    }
}

/// Reads variables; each gives a value or a problem, and reading goes on.
pub(super) struct Reader<'e> {
    environment: &'e Environment,
    problems: Vec<Problem>,
    /// Of the variables that are asked for, those that Secrets Manager has.
    wanted: Wanted,
    /// What it has said.
    fetched: Option<Fetched>,
}

/// For a variable, the one that says where its text is, and the ARN or name in it.
type Wanted = BTreeMap<&'static str, (&'static str, String)>;

/// What AWS Secrets Manager has said.
struct Fetched {
    manager: SecretsManager,
    answers: BTreeMap<&'static str, Result<Part, Problem>>,
}

/// Reads a configuration. Where some of its secrets are in AWS Secrets Manager it is read twice: first to see which, then
/// with what they are, so that every problem is told at once.
///
/// # Errors
/// Every missing or wrong variable, and every secret that cannot be read.
pub(super) async fn read<T>(
    environment: &Environment,
    config: impl Fn(&mut Reader<'_>) -> Option<T>,
) -> Result<T, Problems> {
    let (config, problems) = look(environment, config).await;
    config.filter(|_| problems.is_empty()).ok_or(Problems(problems))
}

/// The same for what makes the best of a configuration: what it reads, and everything that is wrong.
pub(super) async fn look<T>(environment: &Environment, config: impl Fn(&mut Reader<'_>) -> T) -> (T, Vec<Problem>) {
    let mut reader = Reader::new(environment);
    let first = config(&mut reader);
    if reader.wanted.is_empty() {
        return (first, reader.problems);
    }
    let fetched = Some(fetch(reader.wanted).await);
    let mut reader = Reader { fetched, ..Reader::new(environment) };
    let second = config(&mut reader);
    (second, reader.problems)
}

/// Asks for all of them at once.
async fn fetch(wanted: Wanted) -> Fetched {
    let manager = SecretsManager::connect().await;
    let mut reading = JoinSet::new();
    for (variable, (arn_variable, arn)) in wanted {
        let manager = manager.clone();
        reading.spawn(async move {
            let problem = |what, is_transient| Problem { variable: arn_variable, what, is_transient };
            let is_needed = variable != RETIRED_SECRETS;
            let part = match Part::read(&manager, variable, arn, is_needed).await {
                Ok(Part { arn, text, .. }) if is_needed && text.expose_secret().is_empty() => {
                    Err(problem(format!("the secret {arn} in AWS Secrets Manager is empty"), false))
                }
                Ok(part) => Ok(part),
                Err(error) => {
                    let is_transient = error.is_transient();
                    Err(problem(format!("{:#}", anyhow::Error::from(error)), is_transient))
                }
            };
            (variable, part)
        });
    }
    Fetched { manager, answers: reading.join_all().await.into_iter().collect() }
}

impl<'e> Reader<'e> {
    pub(super) fn new(environment: &'e Environment) -> Self {
        Self { environment, problems: Vec::new(), wanted: BTreeMap::new(), fetched: None }
    }

    pub(super) fn problem(&mut self, variable: &'static str, what: impl Into<String>) {
        self.problems.push(Problem { variable, what: what.into(), is_transient: false });
    }

    /// A variable that must be there; `meaning` says what it is.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        meaning: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.optional(name, parse)?;
        if value.is_none() {
            let or_there = match arn_variable(name) {
                Some(arn) => format!(" (or {arn}: where AWS Secrets Manager has it)"),
                None => String::new(),
            };
            self.problem(name, format!("not set; {meaning}{or_there}"));
        }
        value
    }

    /// A variable with a default.
    pub(super) fn or<T>(
        &mut self,
        name: &'static str,
        default: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match self.text(name)? {
            Some(text) => self.parsed(name, &text, parse),
            None => self.parsed(name, default, parse),
        }
    }

    /// A variable that may be missing: `Some(None)`. A wrong one is a problem and gives `None`.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        match self.text(name)? {
            None => Some(None),
            Some(text) => self.parsed(name, &text, parse).map(Some),
        }
    }

    /// A file that a variable names, or whose text AWS Secrets Manager has: what messages call it, and what is in it.
    pub(super) fn file(&mut self, name: &'static str) -> Option<Option<(String, Vec<u8>)>> {
        let Some(text) = self.text(name)? else { return Some(None) };
        if self.is_fetched(name) {
            let secret = arn_variable(name).and_then(|arn| self.environment.get(arn)).unwrap_or_default();
            return Some(Some((secret.to_owned(), text.into_bytes())));
        }
        match file(&text) {
            Ok(bytes) => Some(Some((text, bytes))),
            Err(what) => {
                self.problem(name, format!("{text} {what}"));
                None
            }
        }
    }

    /// Something is wrong with a variable's text, wherever that is.
    pub(super) fn problem_with_text(&mut self, name: &'static str, what: impl Into<String>) {
        self.problem(arn_variable(name).filter(|_| self.is_fetched(name)).unwrap_or(name), what);
    }

    fn is_fetched(&self, name: &str) -> bool {
        self.fetched.as_ref().is_some_and(|fetched| fetched.answers.contains_key(name))
    }

    /// Reads what somebody else reads, too, and leaves it to them to say what is wrong with it.
    pub(super) fn aside<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let known = self.problems.len();
        let value = read(self).filter(|_| self.problems.len() == known);
        self.problems.truncate(known);
        value
    }

    /// What was made of these variables' texts; made anew by `renew` when Secrets Manager has other texts.
    pub(super) fn renewed<T>(&self, value: T, names: &[&str], renew: Renew<T>) -> Renewed<T> {
        let Some(fetched) = &self.fetched else { return value.into() };
        let parts: Vec<Part> =
            names.iter().filter_map(|&name| fetched.answers.get(name)?.as_ref().ok().cloned()).collect();
        if parts.is_empty() { value.into() } else { Renewed::from_parts(value, fetched.manager.clone(), parts, renew) }
    }

    /// A variable's text, from wherever it is; `None` if that is a problem, or has still to be asked for.
    fn text(&mut self, name: &'static str) -> Option<Option<String>> {
        let given = self.environment.get(name);
        let Some((variable, arn)) = arn_variable(name).and_then(|arn| Some((arn, self.environment.get(arn)?))) else {
            return Some(given.map(str::to_owned));
        };
        if given.is_some() {
            self.problem(name, format!("{variable} is set too; keep one of them"));
            return None;
        }
        let Some(fetched) = &self.fetched else {
            self.wanted.insert(name, (variable, arn.to_owned()));
            return None;
        };
        match fetched.answers.get(name)? {
            Ok(part) => Some(Some(part.text.expose_secret().to_owned()).filter(|text| !text.is_empty())),
            Err(problem) => {
                self.problems.push(problem.clone());
                None
            }
        }
    }

    fn parsed<T>(
        &mut self,
        name: &'static str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match parse(text) {
            Ok(value) => Some(value),
            Err(what) => {
                self.problem_with_text(name, what);
                None
            }
        }
    }

    /// The configuration, if nothing is wrong with it.
    pub(super) fn finish<T>(self, build: impl FnOnce() -> Option<T>) -> Result<T, Problems> {
        match build() {
            Some(config) if self.problems.is_empty() => Ok(config),
            _ => Err(Problems(self.problems)),
        }
    }
}

/// The variable that says where AWS Secrets Manager has the text of this one.
fn arn_variable(name: &str) -> Option<&'static str> {
    SECRETS.iter().find(|(variable, _)| *variable == name).map(|(_, arn)| *arn)
}

/// What is in a file; or why that cannot be told.
fn file(path: &str) -> Result<Vec<u8>, String> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) if bytes.len() as u64 > MAX_FILE => Err(format!("is larger than {} MB", MAX_FILE / 1_000_000)),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err::<_, std::io::Error>(error).map_err(|error| format!("cannot be read: {error}")),
    }
}

/// The members of a comma separated list.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim)
}

/// A duration such as `60s`, `5m` or `500ms`; `0s` is one too.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "not a duration such as 60s or 5m".to_owned();
    text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok()).ok_or_else(wrong)
}
