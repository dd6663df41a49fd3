//! The CRM API over HTTP: one door for every call, where token, faults, limits and scopes are checked in this order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use jiff::tz::TimeZone;
use serde_json::Value;
use tokio::sync::watch;

use self::call::{Call, Version};
use self::reply::Reply;
use crate::account::Account;
use crate::clock::http_date;
use crate::counters::Tally;
use crate::faults::Faults;
use crate::limits::{BURST_WINDOW_MS, Budget, Exceeded, Limiter};

mod call;
mod objects;
mod reply;
mod search;
mod settings;

/// Everything that answers need.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) account: Account,
    pub(crate) faults: Faults,
    pub(crate) tally: Arc<Tally>,
    pub(crate) zone: TimeZone,
    pub(crate) limiter: Mutex<Limiter>,
    /// Turns true when the server closes, so that no hanging call keeps it open.
    pub(crate) closing: watch::Receiver<bool>,
}

/// A request after its path was understood.
#[derive(Debug)]
struct Request {
    version: Version,
    query: HashMap<String, String>,
    body: Bytes,
}

impl Request {
    fn json(&self) -> Result<Value, Reply> {
        serde_json::from_slice(&self.body).map_err(|_| Reply::invalid("Invalid input JSON: the body cannot be read."))
    }

    fn wants_archived(&self) -> bool {
        self.query.get("archived").is_some_and(|text| text == "true")
    }

    /// A page size from the query.
    fn limit(&self, default: usize, most: usize) -> Result<usize, Reply> {
        let Some(text) = self.query.get("limit") else { return Ok(default) };
        let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
        limit.ok_or_else(|| Reply::invalid(format!("limit {text} is not within 1 and {most}.")))
    }
}

pub(crate) fn router(api: Arc<Api>) -> Router {
    Router::new().fallback(answer).with_state(api)
}

async fn answer(
    State(api): State<Arc<Api>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    query: Result<Query<HashMap<String, String>>, axum::extract::rejection::QueryRejection>,
    body: Bytes,
) -> Response {
    let (version, call) = match Call::parse(&method, uri.path()) {
        Ok(parsed) => parsed,
        Err(reply) => return http(reply, None),
    };
    api.tally.count(|counters| *counters.api_calls.entry(call.name()).or_default() += 1);
    let request = Request { version, query: query.map(|Query(query)| query).unwrap_or_default(), body };
    api.hang(Duration::from_millis(api.faults.lag_ms("slow-api").unsigned_abs())).await;
    if headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes) != Some(api.authorization().as_bytes()) {
        return http(Reply::unauthorized(), None);
    }
    if api.faults.take("timeout").is_some() {
        api.hang(Duration::from_secs(300)).await;
        return http(Reply::error(StatusCode::GATEWAY_TIMEOUT, "TIMEOUT", "The request took too long."), None);
    }
    if let Some(turn) = api.faults.take("garbage") {
        return garbage(turn);
    }
    let reply = match api.fault() {
        Some(reply) => reply,
        None => api.handle(&call, &request),
    };
    if reply.status == StatusCode::TOO_MANY_REQUESTS {
        api.tally.count(|counters| counters.rate_limited += 1);
    }
    let mut response = http(reply, (call.budget() == Budget::Ordinary).then_some(&*api));
    // The day's limit ends by the account's clock, which need not be the machine's.
    if let Ok(date) = HeaderValue::from_str(&http_date(api.account.now_ms())) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

impl Api {
    fn authorization(&self) -> String {
        format!("Bearer {}", self.account.lock().access_token)
    }

    /// Waits, unless the server closes.
    async fn hang(&self, duration: Duration) {
        let mut closing = self.closing.clone();
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
    }

    /// The answer of a fault that strikes any call.
    fn fault(&self) -> Option<Reply> {
        if self.faults.take("rate-limit").is_some() {
            return Some(Reply::too_many(Exceeded::TenSecondly));
        }
        if self.faults.take("daily-limit").is_some() {
            return Some(Reply::too_many(Exceeded::Daily));
        }
        if self.faults.take("unauthorized").is_some() {
            return Some(Reply::unauthorized());
        }
        if self.faults.take("locked").is_some() {
            let message = "This resource is locked while another process works on it. Wait at least 2 seconds.";
            return Some(Reply::error(StatusCode::LOCKED, "LOCKED", message));
        }
        let turn = self.faults.take("server-error")?;
        let status = [
            StatusCode::GATEWAY_TIMEOUT,
            StatusCode::INTERNAL_SERVER_ERROR,
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
        ][usize::try_from(turn % 4).unwrap_or_default()];
        Some(Reply::error(status, "SERVER_ERROR", "Something went wrong on our side."))
    }

    fn handle(&self, call: &Call, request: &Request) -> Reply {
        let limits = &self.account.settings().limits;
        let admitted = self.limiter().admit(call.budget(), limits, &self.zone, self.account.now_ms());
        if let Err(exceeded) = admitted {
            return Reply::too_many(exceeded);
        }
        if self.account.lock().denied.contains(call.scope()) {
            return Reply::missing_scope(call.scope());
        }
        let answered = match call {
            Call::BatchRead(kind) => self.batch_read(*kind, request),
            Call::Search(kind) => self.search(*kind, request),
            Call::List(kind) => self.list(*kind, request),
            Call::Object(kind, id) => self.object(*kind, id, request),
            Call::Associations(from, to) => self.associations(*from, *to, request),
            Call::Pipelines => Ok(self.pipelines()),
            Call::Owners => self.owners(request),
            Call::Owner(id) => self.owner(id, request),
            Call::Properties(kind) => Ok(self.properties(*kind)),
            Call::AccountDetails => Ok(self.account_details()),
            Call::ExchangeRates => Ok(self.exchange_rates()),
        };
        answered.unwrap_or_else(|refused| refused)
    }

    fn limiter(&self) -> std::sync::MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a reply; `limited_by` adds the headers that tell what is left, which searches and associations do not have.
fn http(reply: Reply, limited_by: Option<&Api>) -> Response {
    let mut response = Response::new(Body::from(reply.body.to_string()));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"));
    if let Some(id) = reply.body["correlationId"].as_str().and_then(|id| HeaderValue::from_str(id).ok()) {
        headers.insert("x-hubspot-correlation-id", id);
    }
    if let Some(api) = limited_by {
        let limits = &api.account.settings().limits;
        let left = api.limiter().left(limits);
        headers.insert("x-hubspot-ratelimit-daily", limits.daily.into());
        headers.insert("x-hubspot-ratelimit-daily-remaining", left.daily.into());
        headers.insert("x-hubspot-ratelimit-interval-milliseconds", BURST_WINDOW_MS.into());
        headers.insert("x-hubspot-ratelimit-max", limits.burst.into());
        headers.insert("x-hubspot-ratelimit-remaining", left.burst.into());
    }
    response
}

/// An answer that only pretends to be one.
fn garbage(turn: u64) -> Response {
    let (kind, text) = if turn.is_multiple_of(2) {
        ("text/html", "<!doctype html><title>Just a moment…</title><p>We are checking your browser.")
    } else {
        ("application/json", r#"{"status":"COMPLETE","results":[{"id":"33250"#)
    };
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
