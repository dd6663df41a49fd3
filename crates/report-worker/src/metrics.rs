//! One line of figures in CloudWatch's embedded metric format: CloudWatch makes metrics of what the log's line holds, and no
//! call is made for them (CloudWatch user guide, "Specification: Embedded metric format"). Figures, and names that are ours;
//! never an address or a text of somebody else's.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The namespace of the metrics, the door's too.
const NAMESPACE: &str = "ClosingBell";

/// What a figure counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Time.
    Milliseconds,
}

/// A line in the making.
#[derive(Debug, Clone)]
pub struct Line {
    /// Dimensions by name: what tells one series of a metric from another.
    dimensions: Vec<&'static str>,
    metrics: Vec<Value>,
    members: Map<String, Value>,
    at: Timestamp,
}

impl Line {
    /// A line of this moment.
    pub fn new(message: &'static str, at: Timestamp) -> Self {
        let mut members = Map::new();
        members.insert("message".to_owned(), message.into());
        Self { dimensions: Vec::new(), metrics: Vec::new(), members, at }
    }

    /// Tells this line's metrics apart from others by `value`. Each new value is a new, paid series: none may be an id.
    #[must_use]
    pub fn of(mut self, dimension: &'static str, value: &str) -> Self {
        self.dimensions.push(dimension);
        self.with(dimension, value)
    }

    /// Adds a metric.
    #[must_use]
    pub fn metric(mut self, name: &'static str, unit: Unit, value: u64) -> Self {
        self.metrics.push(json!({ "Name": name, "Unit": format!("{unit:?}") }));
        self.with(name, value)
    }

    /// Adds a metric of things that happened, if any did: CloudWatch's sums take what is missing for nothing, and a series is
    /// paid for only while it comes.
    #[must_use]
    pub fn happened(self, name: &'static str, count: u64) -> Self {
        if count == 0 { self } else { self.metric(name, Unit::Count, count) }
    }

    /// Adds something that is only to be read, or asked for in CloudWatch Logs Insights.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directive = json!({
            "Namespace": NAMESPACE,
            "Dimensions": [self.dimensions],
            "Metrics": self.metrics,
        });
        let mut line = Map::new();
        let aws = json!({ "Timestamp": self.at.as_millisecond(), "CloudWatchMetrics": [directive] });
        line.insert("_aws".to_owned(), aws);
        line.extend(self.members.clone());
        write!(f, "{}", Value::Object(line))
    }
}
