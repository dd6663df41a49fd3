//! The webhook sender under HubSpot's delivery contract: up to 100 events a body, 10 requests in flight, 5 s for an
//! answer, and every failure retried up to 10 times over 24 h. Source: HubSpot's guide to webhooks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hubspot_webhook::signature::{Secret, sign_v1, sign_v2, sign_v3};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::clock::Clock;
use crate::counters::Tally;
use crate::events::Event;
use crate::faults::Faults;
use crate::outbox::Outbox;

/// Events in one body at most.
const BATCH: usize = 100;
/// Requests in flight at most.
const IN_FLIGHT: usize = 10;
/// How long events gather before a body leaves.
const GATHER: Duration = Duration::from_millis(30);
/// How far back the fault `stale-timestamp` dates a delivery.
const STALE_MS: i64 = 360_000;

/// Which signatures a delivery carries. Webhook subscriptions carry v1, workflow actions v2, both with the v3 pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignatureHeaders {
    /// What webhook subscriptions send.
    #[default]
    V1AndV3,
    /// What workflow actions send.
    V2AndV3,
    /// Only the v3 pair.
    V3,
    /// Only v1, as before 2022.
    V1,
}

/// The wait before retry `retry` (1 to 10), or none when it is time to give up. `random` varies it by up to 8 %; even at
/// their longest the ten waits stay within 24 h.
pub(crate) fn retry_delay(retry: u32, random: u64) -> Option<Duration> {
    const MINUTES: [u64; 10] = [1, 5, 15, 30, 60, 120, 180, 240, 300, 360];
    let minutes = *MINUTES.get(usize::try_from(retry).ok()?.checked_sub(1)?)?;
    Some(Duration::from_millis(minutes * 60 * (920 + random % 161)))
}

/// What a sender needs to know.
#[derive(Debug)]
pub(crate) struct Contract {
    pub(crate) secret: String,
    pub(crate) headers: SignatureHeaders,
    pub(crate) retry_speed: u32,
    pub(crate) timeout: Duration,
    pub(crate) clock: Clock,
}

/// The end of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver answered with this status.
    Answered(u16),
    /// No connection, or no answer in time.
    Failed,
}

impl Outcome {
    /// Whether HubSpot takes the delivery as accepted: any 2xx, and nothing else.
    pub fn is_accepted(self) -> bool {
        matches!(self, Self::Answered(200..=299))
    }
}

/// Signs deliveries and posts them; its clones are the same sender.
#[derive(Debug, Clone)]
pub struct Sender {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    contract: Contract,
    secret: Mutex<Secret>,
    wrong_secret: Secret,
    client: reqwest::Client,
    outbox: Arc<Outbox>,
    faults: Faults,
    tally: Arc<Tally>,
}

impl Sender {
    pub(crate) fn new(
        contract: Contract,
        outbox: Arc<Outbox>,
        faults: Faults,
        tally: Arc<Tally>,
    ) -> anyhow::Result<Self> {
        let secret = Mutex::new(Secret::new(contract.secret.clone())?);
        let wrong_secret = Secret::new(format!("{}-of-somebody-else", contract.secret))?;
        let client = || {
            reqwest::Client::builder()
                .timeout(contract.timeout)
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .user_agent("HubSpot Webhooks (simulated)")
        };
        // A machine without any CA certificates can still be rung over plain HTTP.
        let client = client().build().or_else(|_| client().tls_certs_only([]).build())?;
        Ok(Self { inner: Arc::new(Inner { contract, secret, wrong_secret, client, outbox, faults, tally }) })
    }

    /// Signs with another client secret from now on, as HubSpot does once its app's has been rotated.
    ///
    /// # Errors
    /// When it is empty.
    pub fn rotate_secret(&self, secret: &str) -> anyhow::Result<()> {
        *self.lock_secret() = Secret::new(secret)?;
        Ok(())
    }

    fn lock_secret(&self) -> MutexGuard<'_, Secret> {
        self.inner.secret.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signs a body now and posts it to the target URL, once, whatever it holds. Without a target URL it fails.
    pub async fn post(&self, body: Vec<u8>) -> Outcome {
        let Some(url) = self.inner.outbox.target_url() else { return Outcome::Failed };
        let faults = &self.inner.faults;
        let wrong = faults.take("wrong-signature").is_some();
        let late_ms = if faults.take("stale-timestamp").is_some() { STALE_MS } else { 0 };
        let timestamp = (self.inner.contract.clock.now_ms() - late_ms).to_string();
        let secret = &if wrong { self.inner.wrong_secret.clone() } else { self.lock_secret().clone() };
        let mut request = self
            .inner
            .client
            .post(&url)
            .header("content-type", "application/json")
            .header("x-hubspot-correlation-id", crate::correlation_id());
        let versions = self.inner.contract.headers;
        request = match versions {
            SignatureHeaders::V1AndV3 | SignatureHeaders::V1 => request
                .header("X-HubSpot-Signature", sign_v1(secret, &body))
                .header("X-HubSpot-Signature-Version", "v1"),
            SignatureHeaders::V2AndV3 => request
                .header("X-HubSpot-Signature", sign_v2(secret, "POST", &url, &body))
                .header("X-HubSpot-Signature-Version", "v2"),
            SignatureHeaders::V3 => request,
        };
        if versions != SignatureHeaders::V1 {
            request = request
                .header("X-HubSpot-Signature-v3", sign_v3(secret, "POST", &url, &body, &timestamp))
                .header("X-HubSpot-Request-Timestamp", &timestamp);
        }
        let outcome = match request.body(body).send().await {
            Ok(answer) => Outcome::Answered(answer.status().as_u16()),
            Err(error) => {
                tracing::debug!(error = %error.without_url(), "a delivery got no answer");
                Outcome::Failed
            }
        };
        self.inner.tally.count(|counters| {
            counters.deliveries += 1;
            match outcome {
                _ if outcome.is_accepted() => counters.accepted += 1,
                Outcome::Answered(_) => counters.refused += 1,
                Outcome::Failed => counters.failed += 1,
            }
        });
        outcome
    }

    /// Sends until it is dropped.
    pub(crate) async fn run(self) {
        let mut in_flight = JoinSet::new();
        let outbox = self.inner.outbox.clone();
        loop {
            while in_flight.len() < IN_FLIGHT {
                let late_ms = self.inner.faults.lag_ms("late-events");
                if late_ms > 0 {
                    outbox.hold_fresh(Instant::now() + Duration::from_millis(late_ms.unsigned_abs()));
                }
                let batch = self.next_batch();
                if batch.is_empty() {
                    break;
                }
                in_flight.spawn(self.clone().deliver(batch));
            }
            let due = outbox.next_due();
            tokio::select! {
                () = outbox.changed.notified() => sleep(GATHER).await,
                Some(_) = in_flight.join_next() => {}
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() && in_flight.len() < IN_FLIGHT => {}
            }
        }
    }

    /// The events of the next body, after the faults that concern single events and their order.
    fn next_batch(&self) -> Vec<Event> {
        let (outbox, faults) = (&self.inner.outbox, &self.inner.faults);
        loop {
            let now = Instant::now();
            if !outbox.has_due(now) {
                return Vec::new();
            }
            let mut batch = outbox.take(BATCH, now, faults.take("wrong-order").is_some());
            let taken = batch.len();
            batch.retain(|_| faults.take("lost-events").is_none());
            outbox.settle(taken - batch.len());
            for event in &mut batch {
                if faults.take("foreign-portal").is_some() {
                    event.make_foreign();
                }
            }
            if faults.take("shuffle-events").is_some() {
                fastrand::shuffle(&mut batch);
            }
            if !batch.is_empty() {
                return batch;
            }
        }
    }

    /// Posts one batch, and keeps its events for a retry unless it was accepted.
    async fn deliver(self, batch: Vec<Event>) {
        let Inner { outbox, faults, contract, tally, .. } = &*self.inner;
        let mut members: Vec<Value> = batch.iter().map(Event::to_json).collect();
        if faults.take("odd-events").is_some() {
            let odd = json!({ "eventId": 1, "subscriptionType": "object.somethingNew", "unheardOf": [true] });
            members.splice(0..0, [Value::Null, json!(7), odd]);
        }
        let body = Value::Array(members).to_string().into_bytes();
        if faults.take("duplicate-deliveries").is_some() {
            self.post(body.clone()).await;
        }
        if self.post(body).await.is_accepted() {
            return outbox.settle(batch.len());
        }
        let random = fastrand::u64(..);
        let now = Instant::now();
        for mut event in batch {
            event.attempt += 1;
            let Some(delay) = retry_delay(event.attempt, random) else {
                tally.count(|counters| counters.given_up += 1);
                outbox.settle(1);
                continue;
            };
            if faults.take("renumber-retries").is_some() {
                event.renumber();
            }
            outbox.wait([event], now + delay / contract.retry_speed.max(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_retries_stay_within_a_day() {
        let total = |random| (1..=10).map(|retry| retry_delay(retry, random).unwrap()).sum::<Duration>();
        let day = Duration::from_hours(24);
        assert!(total(160) <= day && total(160) > total(0) && total(0) > day / 2, "{:?} to {:?}", total(0), total(160));
        assert_eq!(retry_delay(1, 80), Some(Duration::from_mins(1)));
        assert_eq!((retry_delay(0, 0), retry_delay(11, 0)), (None, None));
    }

    #[test]
    fn each_wait_is_longer_than_the_one_before() {
        assert!((1..10).all(|retry| retry_delay(retry, 160) < retry_delay(retry + 1, 0)));
    }
}
