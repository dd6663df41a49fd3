//! What one can see of a request: one line of JSON, which is the log and in CloudWatch's embedded metric format the
//! metrics too (CloudWatch user guide, "Specification: Embedded metric format"). Never a body, a secret or a header's text
//! but the two ids.

use std::fmt;

use hubspot_webhook::envelope::MatchedSecret;
use serde::{Serialize, Serializer};

/// The namespace of the metrics.
const NAMESPACE: &str = "ClosingBell";

/// One request, as it is logged.
#[derive(Debug, Default, Serialize)]
pub struct Record {
    #[serde(rename = "_aws")]
    metrics: Metrics,
    level: Level,
    message: &'static str,
    /// The function's name: the dimension that tells two stacks of one account apart.
    function: String,
    /// The HTTP status of the answer.
    pub(crate) status: u16,
    /// `queued`, or why not: a refusal's or a failure's stable name.
    pub(crate) reason: &'static str,
    /// What a refusal or a failure has to say beyond its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// HubSpot's id of the request. Unsigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) correlation_id: Option<String>,
    /// Lambda's id of the invocation.
    request_id: String,
    /// The distributed trace that the request belongs to. Unsigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_id: Option<String>,
    /// The envelope's id, by which the worker knows the delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivery_id: Option<String>,
    /// SQS's id of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_id: Option<String>,
    /// `v1`, `v2` or `v3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signature_version: Option<String>,
    /// Which of the live secrets matched; while `older` comes, the old one is still in use.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "secret_name")]
    pub(crate) secret: Option<MatchedSecret>,
    /// Why newer secrets could not be read; the last known ones are used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secrets_problem: Option<String>,
    /// Size of the body as HubSpot sent it, in bytes.
    pub(crate) body_size_bytes: usize,
    /// Size of the queue message, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_size_bytes: Option<usize>,
    /// From the event to the answer, in milliseconds.
    pub(crate) duration_ms: u64,
    #[serde(rename = "Accepted", skip_serializing_if = "Option::is_none")]
    accepted: Option<u8>,
    #[serde(rename = "Refused", skip_serializing_if = "Option::is_none")]
    refused: Option<u8>,
    #[serde(rename = "Failed", skip_serializing_if = "Option::is_none")]
    failed: Option<u8>,
    /// How long SQS took to answer, in milliseconds.
    #[serde(rename = "QueueTime", skip_serializing_if = "Option::is_none")]
    pub(crate) queue_time_ms: Option<u64>,
    #[serde(rename = "ColdStart", skip_serializing_if = "Option::is_none")]
    cold_start: Option<u8>,
    #[serde(rename = "SecretsStale", skip_serializing_if = "Option::is_none")]
    secrets_stale: Option<u8>,
}

/// How loud a line is.
#[derive(Debug, Default, Clone, Copy, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Level {
    #[default]
    Info,
    Warn,
    Error,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metrics {
    /// Epoch milliseconds UTC.
    timestamp: i64,
    cloud_watch_metrics: Vec<Directive>,
}

/// Which members of the line are metrics, and by what they are told apart.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: &'static [&'static [&'static str]],
    metrics: [Metric; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

/// How a request ends.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// SQS has it.
    Queued,
    /// The caller's fault.
    Refused { status: u16, reason: &'static str, detail: String },
    /// Ours; HubSpot tries again.
    Failed { status: u16, reason: &'static str, detail: String },
}

impl Record {
    pub(crate) fn new(function: &str, request_id: &str, now_ms: i64, is_cold_start: bool) -> Self {
        let metrics = Metrics { timestamp: now_ms, cloud_watch_metrics: Vec::with_capacity(4) };
        let cold_start = is_cold_start.then_some(1);
        Self {
            metrics,
            function: function.to_owned(),
            request_id: request_id.to_owned(),
            cold_start,
            ..Self::default()
        }
    }

    /// Writes down how the request ended, and names the metrics that the line holds.
    pub(crate) fn end(&mut self, outcome: Outcome, duration_ms: u64) {
        const ALL: &[&[&str]] = &[&["function"]];
        const BY_REASON: &[&[&str]] = &[&["function"], &["function", "reason"]];
        const BY_SECRET: &[&[&str]] = &[&["function"], &["function", "secret"]];
        self.duration_ms = duration_ms;
        match outcome {
            Outcome::Queued => {
                (self.level, self.message) = (Level::Info, "a delivery is accepted");
                (self.status, self.reason, self.accepted) = (200, "queued", Some(1));
                self.metric("Accepted", "Count", BY_SECRET);
            }
            Outcome::Refused { status, reason, detail } => {
                (self.level, self.message) = (Level::Warn, "a delivery is refused");
                (self.status, self.reason, self.detail, self.refused) = (status, reason, Some(detail), Some(1));
                self.metric("Refused", "Count", BY_REASON);
            }
            Outcome::Failed { status, reason, detail } => {
                (self.level, self.message) = (Level::Error, "a delivery is not accepted; HubSpot tries again");
                (self.status, self.reason, self.detail, self.failed) = (status, reason, Some(detail), Some(1));
                self.metric("Failed", "Count", BY_REASON);
            }
        }
        if self.queue_time_ms.is_some() {
            self.metric("QueueTime", "Milliseconds", ALL);
        }
        if self.cold_start.is_some() {
            self.metric("ColdStart", "Count", ALL);
        }
        if self.secrets_problem.is_some() {
            self.secrets_stale = Some(1);
            self.metric("SecretsStale", "Count", ALL);
        }
    }

    fn metric(&mut self, name: &'static str, unit: &'static str, dimensions: &'static [&'static [&'static str]]) {
        let metrics = [Metric { name, unit }];
        self.metrics.cloud_watch_metrics.push(Directive { namespace: NAMESPACE, dimensions, metrics });
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

fn secret_name<S: Serializer>(secret: &Option<MatchedSecret>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match secret {
        Some(MatchedSecret::Newest) => "newest",
        Some(MatchedSecret::Older) => "older",
        Some(MatchedSecret::Retired) => "retired",
        None => "none",
    })
}
