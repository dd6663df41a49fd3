//! Answers of the CRM API: bodies as HubSpot words them.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::limits::Exceeded;

/// An answer before it becomes HTTP.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body }
    }

    /// HubSpot's error body.
    pub(crate) fn error(status: StatusCode, category: &str, message: impl Into<String>) -> Self {
        let body = json!({
            "status": "error",
            "message": message.into(),
            "correlationId": crate::correlation_id(),
            "category": category,
        });
        Self { status, body }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::error(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::error(StatusCode::NOT_FOUND, "OBJECT_NOT_FOUND", message)
    }

    pub(crate) fn unauthorized() -> Self {
        let message = "Authentication credentials not found. Send a bearer token of this account.";
        Self::error(StatusCode::UNAUTHORIZED, "INVALID_AUTHENTICATION", message)
    }

    pub(crate) fn missing_scope(scope: &str) -> Self {
        let message = "This app hasn't been granted all required scopes to make this call.";
        let mut reply = Self::error(StatusCode::FORBIDDEN, "MISSING_SCOPES", message);
        reply.body["errors"] = json!([{
            "message": "One or more of the following scopes are required.",
            "context": { "requiredGranularScopes": [scope] },
        }]);
        reply.body["links"] = json!({ "scopes": "https://developers.hubspot.com/scopes" });
        reply
    }

    /// HubSpot's 429: it has an `errorType` where other errors have a `category`, and a search names no policy.
    pub(crate) fn too_many(exceeded: Exceeded) -> Self {
        let (name, policy) = match exceeded {
            Exceeded::TenSecondly => ("ten_secondly_rolling", Some("TEN_SECONDLY_ROLLING")),
            Exceeded::Secondly => ("secondly", None),
            Exceeded::Daily => ("daily", Some("DAILY")),
        };
        let mut body = json!({
            "status": "error",
            "message": format!("You have reached your {name} limit."),
            "errorType": "RATE_LIMIT",
            "correlationId": crate::correlation_id(),
            "requestId": crate::correlation_id(),
        });
        if let Some(policy) = policy {
            body["policyName"] = policy.into();
        }
        Self { status: StatusCode::TOO_MANY_REQUESTS, body }
    }

    /// The answer to a batch: its errors stand in the body, and only older versions say so with 207.
    pub(crate) fn batch(results: Vec<Value>, errors: Vec<Value>, multi_status: bool, now: &str) -> Self {
        let mut body = json!({ "status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now });
        if errors.is_empty() {
            return Self::ok(body);
        }
        body["numErrors"] = errors.len().into();
        body["errors"] = errors.into();
        Self { status: if multi_status { StatusCode::MULTI_STATUS } else { StatusCode::OK }, body }
    }
}
