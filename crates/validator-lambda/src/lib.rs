//! The door in AWS: a gateway event is admitted or refused, and what is admitted becomes one SQS message.

mod config;
mod gateway;

use aws_sdk_sqs::Client;
use hubspot_webhook::door::{Keys, Request, TargetUrls, admit};
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
use lambda_http::http::HeaderValue;
use lambda_http::http::header::{ALLOW, CONTENT_TYPE};
use lambda_http::request::LambdaRequest;

pub use crate::config::Config;
use crate::gateway::Call;

/// Everything that one answer needs.
#[derive(Debug)]
pub struct Door {
    keys: Keys,
    urls: Option<TargetUrls>,
    queue_url: String,
    queue: Client,
}

impl Door {
    /// A door in front of the configured queue. The client's timeouts are the caller's to set: HubSpot waits 5 seconds.
    pub fn new(config: Config, queue: Client) -> Self {
        let Config { keys, urls, queue_url } = config;
        Self { keys, urls, queue_url, queue }
    }

    /// Answers one gateway event, received at `now_ms` (epoch milliseconds UTC), and logs one line. 200 says that SQS has
    /// the delivery. Any failure of ours is a 500 or 503, after which HubSpot tries again.
    pub async fn answer(&self, event: LambdaRequest, now_ms: i64) -> ApiGatewayProxyResponse {
        let Some(call) = Call::read(event) else {
            tracing::error!(status = 500, reason = "not_a_gateway_event", "event is from no API Gateway");
            return reply(500);
        };
        let body_size_bytes = call.body.len();
        let built = call.url.as_deref().map(|url| TargetUrls::new([url]));
        let Some(urls) = self.urls.as_ref().or(built.as_ref().and_then(|built| built.as_ref().ok())) else {
            tracing::error!(status = 500, reason = "target_url_unknown", "gateway gave no URL; set WEBHOOK_URLS");
            return reply(500);
        };
        let headers: Vec<(&str, &[u8])> =
            call.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let query = call.query.as_deref();
        let request = Request { method: &call.method, headers: &headers, body: &call.body, queries: query.as_slice() };
        let envelope = match admit(&request, &self.keys, urls, now_ms) {
            Ok(envelope) => envelope,
            Err(refusal) => {
                let (status, reason) = (refusal.status(), refusal.reason());
                tracing::warn!(status, reason, body_size_bytes, "delivery refused: {refusal}");
                return reply(status);
            }
        };
        let (delivery_id, secret, message) = (envelope.id(), envelope.matched_secret(), envelope.encode());
        let (message_size_bytes, correlation_id) = (message.len(), envelope.correlation_id());
        match self.queue.send_message().queue_url(&self.queue_url).message_body(message).send().await {
            Ok(sent) if sent.message_id().is_some() => {
                let message_id = sent.message_id();
                let secret = tracing::field::debug(secret);
                tracing::info!(
                    status = 200,
                    reason = "queued",
                    delivery_id,
                    message_id,
                    correlation_id,
                    secret,
                    body_size_bytes,
                    message_size_bytes,
                    "delivery queued"
                );
                reply(200)
            }
            unconfirmed => {
                let error = unconfirmed.map_or_else(anyhow::Error::from, |_| anyhow::anyhow!("SQS gave no message id"));
                tracing::error!(
                    status = 503,
                    reason = "queue_failed",
                    delivery_id,
                    correlation_id,
                    body_size_bytes,
                    message_size_bytes,
                    "delivery could not be queued: {error:#}"
                );
                reply(503)
            }
        }
    }
}

/// The same sentence for every cause, so that a caller learns nothing.
fn reply(status: u16) -> ApiGatewayProxyResponse {
    let sentence = match status {
        200 => "Accepted.",
        401 => "Not accepted.",
        405 => "Only POST is answered here.",
        413 => "The delivery is too large.",
        415 => "Only JSON is taken here.",
        _ => "Not available now; please try again.",
    };
    let mut response = ApiGatewayProxyResponse::default();
    response.status_code = status.into();
    response.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if status == 405 {
        response.headers.insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response.body = Some(sentence.into());
    response
}
