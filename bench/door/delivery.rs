//! A delivery as a REST API hands it to the function, signed at the moment it is given.

use anyhow::{Context, Result};
use hubspot_webhook::signature::{Secret, sign_v3};
use serde_json::{Value, json};

use crate::aws::SECRET;

const GATEWAY_EVENT: &str = include_str!("../../tests/payloads/gateway/rest_v1.json");
const BATCH: &str = include_str!("../../tests/payloads/batch_of_100.json");

/// What changes from one request to the next is the time, and with it the signature.
pub(crate) struct Delivery {
    event: Value,
    url: String,
    body: String,
    secret: Secret,
}

impl Delivery {
    /// A delivery of the first `count` events of tests/payloads/batch_of_100.json.
    pub(crate) fn of(count: usize) -> Result<Self> {
        let mut event: Value = serde_json::from_str(GATEWAY_EVENT)?;
        let context = &event["requestContext"];
        let (domain, path) = (context["domainName"].as_str(), context["path"].as_str());
        let (domain, path) = domain.zip(path).context("rest_v1.json has no domain name or path")?;
        let url = format!("https://{domain}{path}");
        let batch: Vec<Value> = serde_json::from_str(BATCH)?;
        let body = serde_json::to_string(batch.get(..count).context("the batch is smaller")?)?;
        event["body"] = json!(body);
        Ok(Self { event, url, body, secret: Secret::new(SECRET)? })
    }

    /// The body's size in bytes.
    pub(crate) fn body_bytes(&self) -> usize {
        self.body.len()
    }

    /// The gateway event at `now_ms`, epoch milliseconds UTC.
    pub(crate) fn at(&mut self, now_ms: i64) -> String {
        let timestamp = now_ms.to_string();
        let signature = sign_v3(&self.secret, "POST", &self.url, self.body.as_bytes(), &timestamp);
        for (name, value) in [("X-HubSpot-Request-Timestamp", timestamp), ("X-HubSpot-Signature-v3", signature)] {
            self.event["headers"][name] = json!(value);
            self.event["multiValueHeaders"][name] = json!([value]);
        }
        self.event.to_string()
    }
}
