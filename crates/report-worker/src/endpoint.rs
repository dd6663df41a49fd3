//! The door on one machine: HTTP in, queue message out. The same decision as in AWS, [`door::admit`].

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::routing::post;
use hubspot_webhook::door::{self, Keys, Refusal, TargetUrls};
use hubspot_webhook::envelope::MAX_BODY_BYTES;
use jiff::Timestamp;

use crate::queue::Queue;
use crate::secrets::{Renewal, Renewed};

/// HubSpot gives up after 5 seconds, so whatever happens it is answered before.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// What is too big is read on up to here and thrown away: a caller that is cut off while it still writes never sees why.
const MAX_READ_BYTES: usize = 16 * 1024 * 1024;

/// Secrets of this age are read again beside a delivery, so that one that leaked soon opens no door.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(300);

/// What the endpoint works with.
#[derive(Clone)]
pub struct Endpoint {
    /// The secrets and versions that are good now.
    pub keys: Renewed<Keys>,
    /// The URLs that HubSpot was given.
    pub urls: TargetUrls,
    /// Where accepted deliveries go.
    pub queue: Queue,
    /// Tells the time.
    pub clock: fn() -> Timestamp,
}

/// Answers `POST /webhooks/hubspot` and nothing else.
pub fn router(endpoint: Endpoint) -> Router {
    Router::new().route("/webhooks/hubspot", post(deliver).fallback(not_post)).with_state(endpoint)
}

async fn not_post() -> (StatusCode, &'static str) {
    (StatusCode::METHOD_NOT_ALLOWED, "only POST\n")
}

async fn deliver(State(endpoint): State<Endpoint>, request: Request<Body>) -> (StatusCode, &'static str) {
    let answer = tokio::time::timeout(ANSWER_WITHIN, answer(&endpoint, request)).await;
    let status = answer.unwrap_or_else(|_| {
        tracing::error!(reason = "too_slow", "a delivery is not accepted in time; HubSpot tries again");
        StatusCode::SERVICE_UNAVAILABLE
    });
    (status, sentence(status))
}

async fn answer(endpoint: &Endpoint, request: Request<Body>) -> StatusCode {
    let (head, body) = request.into_parts();
    let body = match read(body).await {
        Ok(Some(body)) => body,
        Ok(None) => {
            tracing::warn!(reason = "too_large", limit_bytes = MAX_BODY_BYTES, "a delivery is refused");
            return StatusCode::PAYLOAD_TOO_LARGE;
        }
        Err(error) => {
            tracing::warn!(reason = "body_incomplete", %error, "a delivery is refused");
            return StatusCode::BAD_REQUEST;
        }
    };
    let headers: Vec<(&str, &[u8])> =
        head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let (method, query) = (head.method.as_str(), head.uri.query());
    let request = door::Request { method, headers: &headers, body: &body, queries: query.as_slice() };
    let now = (endpoint.clock)();
    let admit = |keys: &Keys| door::admit(&request, keys, &endpoint.urls, now.as_millisecond());
    let keys = endpoint.keys.now();
    if endpoint.keys.is_older_than(READ_AGAIN_AFTER) {
        let (renewed, known) = (endpoint.keys.clone(), keys.clone());
        // Nobody waits for it: the next delivery is judged by what has come.
        tokio::spawn(async move { renewed.renew(&known).await });
    }
    let mut admitted = admit(&keys);
    if matches!(admitted, Err(Refusal::SignatureMismatch))
        && let Renewal::Changed(keys) = endpoint.keys.renew(&keys).await
    {
        admitted = admit(&keys);
    }
    let envelope = match admitted {
        Ok(envelope) => envelope,
        Err(refusal) => {
            tracing::warn!(
                reason = refusal.reason(),
                correlation_id = request.correlation_id(),
                trace_id = request.trace_id(),
                size_bytes = body.len(),
                "a delivery is refused"
            );
            return StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::UNAUTHORIZED);
        }
    };
    // 2xx only once the queue has it: whatever goes wrong here is ours, and HubSpot tries again.
    match endpoint.queue.send(&envelope.encode(), now).await {
        Ok(()) => {
            tracing::info!(
                delivery_id = envelope.id(),
                correlation_id = envelope.correlation_id(),
                trace_id = envelope.trace_id(),
                size_bytes = body.len(),
                "a delivery is accepted"
            );
            StatusCode::OK
        }
        Err(error) => {
            tracing::error!(reason = "queue_failed", error = %anyhow::Error::from(error), "a delivery is not accepted; HubSpot tries again");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// Reads a body whole; `None` if it is larger than [`MAX_BODY_BYTES`].
async fn read(mut body: Body) -> Result<Option<Vec<u8>>, axum::Error> {
    let (mut kept, mut size) = (Vec::new(), 0);
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame?.into_data() else { continue };
        size += data.len();
        if size <= MAX_BODY_BYTES {
            kept.extend_from_slice(&data);
        } else if size <= MAX_READ_BYTES {
            kept = Vec::new();
        } else {
            break;
        }
    }
    Ok((size <= MAX_BODY_BYTES).then_some(kept))
}

/// Tells the caller what the status tells, and nothing more.
fn sentence(status: StatusCode) -> &'static str {
    match status {
        StatusCode::OK => "accepted\n",
        StatusCode::PAYLOAD_TOO_LARGE => "too large\n",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "only JSON\n",
        StatusCode::METHOD_NOT_ALLOWED => "only POST\n",
        StatusCode::SERVICE_UNAVAILABLE => "try again later\n",
        _ => "refused\n",
    }
}
