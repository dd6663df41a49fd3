//! What can go wrong between us and HubSpot, and whether trying again can help.
//!
//! The texts name the call, HubSpot's category and its correlation id, which is what HubSpot's support asks for. They
//! never hold the token, a body or a record's contents: HubSpot's own `message` repeats values, so it is left out.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::error::Category;

use super::http::Task;
use super::wire::Text;
use crate::domain::record::Kind;

/// Why HubSpot could not be asked, or did not answer as asked.
#[derive(Debug, thiserror::Error)]
pub enum CrmError {
    /// The address would send the token in clear text over a network, or is not HTTP.
    #[error(
        "HUBSPOT_API_URL begins with {scheme}:// and leads to {host}: the access token travels only over https, or \
         over http to this machine itself (localhost, 127.0.0.1)"
    )]
    Address {
        /// The scheme that was configured.
        scheme: String,
        /// The host that was configured.
        host: String,
    },
    /// The API version is not one of HubSpot's dated ones.
    #[error("HUBSPOT_API_VERSION is {0:?}, which is not a dated version such as 2026-09")]
    Version(String),
    /// The token cannot be put into a header.
    #[error("HUBSPOT_ACCESS_TOKEN is empty or has characters that no token has; copy it again")]
    Token,
    /// The HTTP client could not be made, for example without any trusted root certificates.
    #[error("the HTTP client for HubSpot could not be set up")]
    Client(#[source] reqwest::Error),
    /// HubSpot does not know the token (401).
    #[error("HubSpot does not accept the access token when asked to {task} ({reply}); check HUBSPOT_ACCESS_TOKEN")]
    Unauthorized {
        /// What was asked.
        task: &'static str,
        /// What HubSpot said.
        reply: ErrorReply,
    },
    /// The token may not do this (403).
    #[error("the access token may not {task} ({reply}); give the HubSpot app the scope {scope}")]
    Forbidden {
        /// What was asked.
        task: &'static str,
        /// The scope that allows it.
        scope: &'static str,
        /// What HubSpot said.
        reply: ErrorReply,
    },
    /// Too many calls (429).
    #[error("HubSpot's {} limit does not let us {task} now ({reply})", if *daily { "daily" } else { "rate" })]
    RateLimited {
        /// What was asked.
        task: &'static str,
        /// What HubSpot said.
        reply: ErrorReply,
        /// Whether the day's calls are used up, which only the account's midnight mends.
        daily: bool,
        /// How long HubSpot asks to wait, if it says.
        retry_after: Option<Duration>,
    },
    /// HubSpot said to stay away, so it was not asked at all.
    #[error(
        "HubSpot is not asked to {task} for another {} s: {}",
        wait.as_secs(),
        if *daily { "the day's calls are used up until midnight in the account's time zone" } else { "it said to stay away for so long" }
    )]
    Closed {
        /// What would have been asked.
        task: &'static str,
        /// For how long HubSpot is not asked.
        wait: Duration,
        /// Whether the day's calls are used up.
        daily: bool,
    },
    /// HubSpot is in trouble, or the records are locked (408, 423, 477, 5xx, or an error inside a batch).
    #[error("HubSpot cannot {task} now ({reply})")]
    Unavailable {
        /// What was asked.
        task: &'static str,
        /// What HubSpot said.
        reply: ErrorReply,
        /// How long HubSpot asks to wait, if it says.
        retry_after: Option<Duration>,
    },
    /// HubSpot refuses the request as it is (any other status).
    #[error("HubSpot refuses to {task} ({reply}){}", reply.advice())]
    Refused {
        /// What was asked.
        task: &'static str,
        /// What HubSpot said.
        reply: ErrorReply,
    },
    /// No answer: no connection, a broken one, or the time was up.
    #[error("HubSpot did not answer when asked to {task}; check HUBSPOT_API_URL and the way to it")]
    Unreachable {
        /// What was asked.
        task: &'static str,
        /// The cause, without the URL.
        #[source]
        source: reqwest::Error,
    },
    /// An answer with a good status that is not what it should be.
    #[error("HubSpot's answer when asked to {task} is unusable: {flaw}")]
    Garbled {
        /// What was asked.
        task: &'static str,
        /// What is wrong with it, without its contents.
        flaw: Flaw,
    },
    /// More records share one modification time than a search can list.
    #[error(
        "more than 10000 {kind}s were last modified in the same millisecond ({stamp}), which HubSpot's search cannot \
         list; touch some of them in HubSpot and try again"
    )]
    TooManyAtOnce {
        /// The kind of record.
        kind: Kind,
        /// The shared modification time.
        stamp: jiff::Timestamp,
    },
}

impl CrmError {
    /// Whether the same request may succeed later. Only the cycle reads this.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. }
                | Self::Closed { .. }
                | Self::Unavailable { .. }
                | Self::Unreachable { .. }
                | Self::Garbled { .. }
        )
    }

    /// Whether the day's calls are used up: nothing helps before midnight in the account's time zone.
    pub fn is_daily_limit(&self) -> bool {
        matches!(self, Self::RateLimited { daily: true, .. } | Self::Closed { daily: true, .. })
    }

    /// How long HubSpot asks to wait, if it says.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Unavailable { retry_after, .. } => *retry_after,
            Self::Closed { wait, .. } => Some(*wait),
            _ => None,
        }
    }

    /// Whether the request has cost so much time that it is not made again at once.
    pub(super) fn was_costly(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => source.is_timeout(),
            Self::Garbled { flaw, .. } => *flaw == Flaw::TooLong,
            _ => false,
        }
    }

    /// Whether HubSpot found fault with what was asked (400), such as one malformed id among fifty.
    pub(super) fn is_bad_request(&self) -> bool {
        matches!(self, Self::Refused { reply: ErrorReply { status: 400, .. }, .. })
    }

    /// Whether the request was refused because a scope is missing.
    pub fn lacks_scope(&self) -> bool {
        matches!(self, Self::Forbidden { reply, .. } if reply.category == ErrorReply::MISSING_SCOPES)
    }

    /// Reads a reply whose status is not a success. Source: HubSpot's page on error handling.
    pub(super) fn of_reply(task: Task, status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let body: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
        let reply = ErrorReply::new(status, body.category.0.or(body.error_type.0), body.correlation_id.0);
        let Task { words: task, scope, .. } = task;
        match status {
            401 => Self::Unauthorized { task, reply },
            403 => Self::Forbidden { task, scope, reply },
            429 => {
                let daily = body.policy_name.0.is_some_and(|policy| policy.eq_ignore_ascii_case("DAILY"));
                Self::RateLimited { task, reply, daily, retry_after }
            }
            408 | 423 | 477 | 500.. => Self::Unavailable { task, reply, retry_after },
            _ => Self::Refused { task, reply },
        }
    }

    /// Says that a body was not the JSON it should be.
    pub(super) fn of_json(task: Task, error: &serde_json::Error) -> Self {
        Self::Garbled { task: task.words, flaw: Flaw::of_json(error) }
    }
}

/// What is wrong with an answer, said without its contents (serde's own words would quote them).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// Not JSON, or not the JSON that HubSpot documents.
    Json {
        /// Whether it is JSON at all.
        valid: bool,
        /// The line in the body, from 1.
        line: usize,
        /// The column in that line, from 1.
        column: usize,
    },
    /// Longer than any answer should be.
    TooLong,
    /// A record in it has no id.
    NoId,
}

impl Flaw {
    pub(super) fn of_json(error: &serde_json::Error) -> Self {
        Self::Json { valid: error.classify() == Category::Data, line: error.line(), column: error.column() }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json { valid: true, line, column } => {
                write!(f, "it is JSON of another shape at line {line}, column {column}")
            }
            Self::Json { valid: false, line, column } => {
                write!(f, "it stops being JSON at line {line}, column {column}")
            }
            Self::NoId => f.write_str("a record in it has no id"),
            Self::TooLong => write!(f, "it is longer than {} MiB", super::http::LONGEST_BODY >> 20),
        }
    }
}

/// What HubSpot's error body says that is safe to repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorReply {
    /// The HTTP status.
    pub status: u16,
    /// HubSpot's category (`MISSING_SCOPES`, `VALIDATION_ERROR`); empty when it gave none.
    pub category: String,
    /// HubSpot's correlation id; empty when it gave none.
    pub correlation_id: String,
}

impl ErrorReply {
    pub(super) const MISSING_SCOPES: &str = "MISSING_SCOPES";
    pub(super) const NOT_FOUND: &str = "OBJECT_NOT_FOUND";

    pub(super) fn new(status: u16, category: Option<String>, correlation_id: Option<String>) -> Self {
        Self { status, category: word(category), correlation_id: word(correlation_id) }
    }

    /// What to look at when HubSpot does not seem to be at the address.
    fn advice(&self) -> &'static str {
        match self.status {
            300..=399 | 404 => "; check HUBSPOT_API_URL and HUBSPOT_API_VERSION",
            _ => "",
        }
    }
}

impl fmt::Display for ErrorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        if !self.category.is_empty() {
            write!(f, " {}", self.category)?;
        }
        if !self.correlation_id.is_empty() {
            write!(f, ", correlation id {}", self.correlation_id)?;
        }
        Ok(())
    }
}

/// Keeps of a text from outside what an identifier consists of, so that it can neither forge a log line nor carry data.
fn word(text: Option<String>) -> String {
    let text = text.unwrap_or_default();
    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).take(64).collect()
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ErrorBody {
    category: Text,
    error_type: Text,
    correlation_id: Text,
    policy_name: Text,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_decides_whether_trying_again_can_help() {
        let task = Task::new("read deals", "crm.objects.deals.read");
        for (status, transient) in [
            (301, false),
            (400, false),
            (401, false),
            (403, false),
            (404, false),
            (408, true),
            (414, false),
            (423, true),
            (429, true),
            (477, true),
            (500, true),
            (502, true),
            (503, true),
            (521, true),
            (524, true),
        ] {
            assert_eq!(CrmError::of_reply(task, status, b"", None).is_transient(), transient, "{status}");
        }
    }

    #[test]
    fn an_error_repeats_hubspots_identifiers_and_nothing_else() {
        let task = Task::new("read deals", "crm.objects.deals.read");
        let body = br#"{"status":"error","message":"Roof for Mrs Smith","category":"MISSING_SCOPES\nforged","correlationId":"ab-1"}"#;
        insta::assert_snapshot!(
            CrmError::of_reply(task, 403, body, None),
            @"the access token may not read deals (HTTP 403 MISSING_SCOPESforged, correlation id ab-1); give the HubSpot app the scope crm.objects.deals.read"
        );
    }
}
