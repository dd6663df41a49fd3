//! Reads variables and gathers what is wrong with them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;

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
}

/// Everything that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl std::error::Error for Problems {}

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
}

impl<'e> Reader<'e> {
    pub(super) fn new(environment: &'e Environment) -> Self {
        Self { environment, problems: Vec::new() }
    }

    pub(super) fn problem(&mut self, variable: &'static str, what: impl Into<String>) {
        self.problems.push(Problem { variable, what: what.into() });
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
            self.problem(name, format!("not set; {meaning}"));
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
        let text = self.environment.get(name).unwrap_or(default);
        self.parsed(name, text, parse)
    }

    /// A variable that may be missing: `Some(None)`. A wrong one is a problem and gives `None`.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        if self.environment.get(&format!("{name}_ARN")).is_some() {
            self.problem(
                name,
                format!("{name}_ARN is set, but this version does not read Secrets Manager; set {name}"),
            );
            return None;
        }
        match self.environment.get(name) {
            None => Some(None),
            Some(text) => self.parsed(name, text, parse).map(Some),
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
                self.problem(name, what);
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

/// The members of a comma separated list.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim)
}

/// A duration such as `60s`, `5m` or `500ms`; `0s` is one too.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "not a duration such as 60s or 5m".to_owned();
    text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok()).ok_or_else(wrong)
}
