//! The door in AWS: a gateway event is admitted or refused, and what is admitted becomes one SQS message.

mod aws;
mod config;
mod gateway;
mod json;
mod record;
mod reply;
mod secrets;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use hubspot_webhook::door::{Refusal, Request, TargetUrls, admit};
use hubspot_webhook::envelope::Envelope;
use lambda_runtime::LambdaEvent;
use md5::{Digest, Md5};

pub use crate::aws::sdk;
pub use crate::config::Config;
pub use crate::gateway::Event;
use crate::record::Outcome;
pub use crate::record::Record;
pub use crate::reply::Reply;
use crate::secrets::Secrets;

/// HubSpot hangs up after 5 seconds; whatever happens it is answered before, the gateway's part included.
const ANSWER_WITHIN: Duration = Duration::from_millis(3_700);

/// Everything that one answer needs.
#[derive(Debug)]
pub struct Door {
    secrets: Secrets,
    urls: Option<TargetUrls>,
    queue_url: String,
    queue: Client,
    /// The first caller has waited for this already.
    opening_took: Duration,
    has_answered: AtomicBool,
}

/// An answer, and what is to be logged of it.
#[derive(Debug)]
pub struct Answer {
    /// For the gateway.
    pub reply: Reply,
    /// For stdout, as one line.
    pub record: Record,
}

impl Door {
    /// A door in front of the configured queue. `now_ms` is epoch milliseconds UTC.
    ///
    /// # Errors
    /// The secrets are in AWS Secrets Manager and cannot be read: without one nothing can be checked.
    pub async fn open(config: Config, aws: &SdkConfig, now_ms: i64) -> anyhow::Result<Self> {
        let Config { secrets, versions, urls, queue_url, .. } = config;
        let began = Instant::now();
        let secrets = Secrets::open(secrets, versions, aws, now_ms).await?;
        let (queue, opening_took) = (Client::new(aws), began.elapsed());
        Ok(Self { secrets, urls, queue_url, queue, opening_took, has_answered: AtomicBool::new(false) })
    }

    /// Answers one gateway event, received at `now_ms` (epoch milliseconds UTC), within 4 seconds. 200 says that SQS has
    /// the delivery. Any failure of ours is a 500 or 503, after which HubSpot tries again.
    pub async fn answer(&self, event: LambdaEvent<Event>, now_ms: i64) -> Answer {
        let began = Instant::now();
        let LambdaEvent { payload, context } = event;
        let is_cold_start = !self.has_answered.swap(true, Ordering::Relaxed);
        let mut record = Record::new(&context.env_config.function_name, &context.request_id, now_ms, is_cold_start);
        let waited = if is_cold_start { self.opening_took } else { Duration::ZERO };
        let left = ANSWER_WITHIN.saturating_sub(waited);
        let outcome = tokio::time::timeout(left, self.decide(payload, now_ms, &mut record)).await;
        let outcome = outcome.unwrap_or_else(|_| failed(503, "too_slow", "there was no time left"));
        record.end(outcome, millis(began));
        Answer { reply: Reply::with(record.status), record }
    }

    async fn decide(&self, event: Event, now_ms: i64, record: &mut Record) -> Outcome {
        let Some(call) = event.into_call() else {
            return failed(500, "not_a_gateway_event", "the event is from no API Gateway");
        };
        record.body_size_bytes = call.body.len();
        let built = TargetUrls::new(&call.urls).ok();
        let Some(urls) = self.urls.as_ref().or(built.as_ref()) else {
            return failed(500, "target_url_unknown", "the gateway gave no URL; set WEBHOOK_URLS");
        };
        let headers: Vec<(&str, &[u8])> =
            call.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let queries: Vec<&str> = call.queries.iter().map(String::as_str).collect();
        let request = Request { method: &call.method, headers: &headers, body: &call.body, queries: &queries };
        record.correlation_id = request.correlation_id().map(str::to_owned);
        record.trace_id = request.trace_id().map(str::to_owned);
        match self.admit(&request, urls, now_ms, record).await {
            // The secrets are read again beside the call to SQS and waited for: what is left undone when the answer is
            // given freezes with the process.
            Ok(envelope) if self.secrets.is_aged(now_ms) => {
                let read_again = self.secrets.read_again(now_ms);
                tokio::join!(self.send(&envelope, record), read_again).0
            }
            Ok(envelope) => self.send(&envelope, record).await,
            Err(refusal) => {
                let (status, reason) = (refusal.status(), refusal.reason());
                let hint = call.hint.filter(|_| refusal == Refusal::SignatureMismatch);
                let detail = hint.map_or_else(|| refusal.to_string(), |hint| format!("{refusal}; {hint}"));
                Outcome::Refused { status, reason, detail }
            }
        }
    }

    /// Decides with the known secrets, and once more with newer ones if the signature matches none of those.
    async fn admit(
        &self,
        request: &Request<'_>,
        urls: &TargetUrls,
        now_ms: i64,
        record: &mut Record,
    ) -> Result<Envelope, Refusal> {
        let mut judge = || {
            let (keys, problem) = self.secrets.known();
            record.secrets_problem = problem;
            admit(request, &keys, urls, now_ms)
        };
        match judge() {
            Err(Refusal::SignatureMismatch) if self.secrets.may_try(now_ms) => {
                self.secrets.read_again(now_ms).await;
                judge()
            }
            decided => decided,
        }
    }

    async fn send(&self, envelope: &Envelope, record: &mut Record) -> Outcome {
        let message = envelope.encode();
        let md5 = data_encoding::HEXLOWER.encode(&Md5::digest(&message));
        record.delivery_id = Some(envelope.id());
        record.signature_version = Some(envelope.signature_version().to_string());
        record.secret = Some(envelope.matched_secret());
        record.message_size_bytes = Some(message.len());
        let began = Instant::now();
        let sent = self.queue.send_message().queue_url(&self.queue_url).message_body(message).send().await;
        record.queue_time_ms = Some(millis(began));
        match sent {
            // Only what names the message and has seen the same bytes says that SQS has it.
            Ok(sent) if sent.message_id().is_some() && sent.md5_of_message_body() == Some(md5.as_str()) => {
                record.message_id = sent.message_id;
                Outcome::Queued
            }
            Ok(_) => failed(503, "queue_unconfirmed", "SQS answered without the message's id and its MD5"),
            Err(error) => failed(503, "queue_failed", format_args!("{:#}", anyhow::Error::from(error))),
        }
    }
}

fn failed(status: u16, reason: &'static str, detail: impl std::fmt::Display) -> Outcome {
    Outcome::Failed { status, reason, detail: detail.to_string() }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
