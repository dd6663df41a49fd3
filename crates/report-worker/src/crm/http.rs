//! One request to HubSpot: address, token, time limit, size limit, and the few repetitions that are worth it in place.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use reqwest::header::{AUTHORIZATION, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Response, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use url::{Host, Url};

use super::CrmSettings;
use super::error::{CrmError, Flaw};
use super::limits::{Budget, Gate, LONGEST_WAIT, Told};
use crate::secrets::{Renewal, Renewed};

/// How often one request is made before its error is given to the caller, whose next cycle tries again anyway.
const ATTEMPTS: u32 = 3;

/// How long HubSpot is left alone after the day's calls are used up, if it is not known when the account's day ends.
const UNKNOWN_MIDNIGHT: Duration = Duration::from_secs(3_600);

/// The longest body that is read, in bytes, so that garbage cannot fill the memory.
pub(super) const LONGEST_BODY: usize = 64 << 20;

/// What a request is for: the words for messages, and the scope that HubSpot wants for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task {
    /// What is being done, in the infinitive.
    pub(super) words: &'static str,
    /// The scope that the app needs.
    pub(super) scope: &'static str,
    /// The limit that it counts against.
    pub(super) budget: Budget,
}

impl Task {
    /// A task that counts against the burst limit.
    pub(super) const fn new(words: &'static str, scope: &'static str) -> Self {
        Self { words, scope, budget: Budget::Ordinary }
    }

    /// The same task, with another limit.
    pub(super) const fn on(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }
}

/// The connection to one HubSpot account.
pub(super) struct Http {
    client: Client,
    base: String,
    token: Renewed<SecretString>,
    retry_pause: Duration,
    pub(super) gate: Gate,
    zone: Mutex<Option<TimeZone>>,
}

impl Http {
    pub(super) fn new(settings: &CrmSettings) -> Result<Self, CrmError> {
        let CrmSettings { api_url, access_token, .. } = settings;
        if !may_carry_a_token(api_url) {
            let host = api_url.host_str().unwrap_or("no host").to_owned();
            return Err(CrmError::Address { scheme: api_url.scheme().to_owned(), host });
        }
        super::access_token(access_token.now().expose_secret())?;
        let mut client = Client::builder()
            .user_agent(concat!("closing-bell/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .timeout(settings.request_timeout);
        if api_url.scheme() == "http" {
            // A proxy would see the token of a plain request. Without TLS no certificates are needed, and a machine that
            // has none installed can still run the demo.
            client = client.no_proxy().tls_certs_only([]);
        }
        Ok(Self {
            client: client.build().map_err(CrmError::Client)?,
            base: api_url.as_str().trim_end_matches('/').to_owned(),
            token: access_token.clone(),
            retry_pause: settings.retry_pause,
            gate: Gate::new(settings.windows, settings.retry_pause),
            zone: Mutex::default(),
        })
    }

    /// Takes note of the account's time zone, in which HubSpot's days end.
    pub(super) fn keeps_days_of(&self, zone: &str) {
        *self.zone.lock().unwrap_or_else(PoisonError::into_inner) = TimeZone::get(zone).ok();
    }

    /// Asks for a page; `path` begins with a slash. Adds the requests made to `calls`.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        task: Task,
        path: &str,
        calls: &mut u32,
    ) -> Result<T, CrmError> {
        self.ask(task, Method::GET, path, None, calls).await
    }

    /// Posts a question; `path` begins with a slash. Adds the requests made to `calls`. All our POSTs only read, so
    /// repeating one is harmless.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        task: Task,
        path: &str,
        body: &Value,
        calls: &mut u32,
    ) -> Result<T, CrmError> {
        self.ask(task, Method::POST, path, Some(body), calls).await
    }

    /// Asks for a page once, outside the limits: for a look at whether it can be asked at all. Comes with the headers of
    /// the reply; without one there are none.
    pub(super) async fn look<T: DeserializeOwned>(&self, task: Task, path: &str) -> (HeaderMap, Result<T, CrmError>) {
        let unreachable =
            |error: reqwest::Error| CrmError::Unreachable { task: task.words, source: error.without_url() };
        let authorization = match bearer(&self.token.now()) {
            Ok(authorization) => authorization,
            Err(error) => return (HeaderMap::new(), Err(error)),
        };
        let request = self.client.get(format!("{}{path}", self.base)).header(AUTHORIZATION, authorization);
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return (HeaderMap::new(), Err(unreachable(error))),
        };
        let (headers, status) = (response.headers().clone(), response.status());
        let answer = match body_of(&mut response).await {
            Err(error) => Err(unreachable(error)),
            Ok(None) => Err(CrmError::Garbled { task: task.words, flaw: Flaw::TooLong }),
            Ok(Some(bytes)) if status.is_success() => {
                serde_json::from_slice(&bytes).map_err(|error| CrmError::of_json(task, &error))
            }
            Ok(Some(bytes)) => Err(CrmError::of_reply(task, status.as_u16(), &bytes, retry_after(&headers))),
        };
        (headers, answer)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        task: Task,
        method: Method,
        path: &str,
        body: Option<&Value>,
        calls: &mut u32,
    ) -> Result<T, CrmError> {
        let url = format!("{}{path}", self.base);
        let mut attempt = 1;
        loop {
            *calls += 1;
            let token = self.token.now();
            let error = match self.ask_once(task, method.clone(), &url, &token, body).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if matches!(error, CrmError::Unauthorized { .. })
                && let Renewal::Changed(_) = self.token.renew(&token).await
            {
                continue;
            }
            let Some(pause) = self.pause_after(&error, attempt) else { return Err(error) };
            tracing::debug!(task = task.words, attempt, pause_ms = pause.as_millis(), %error, "HubSpot is asked again");
            sleep(pause).await;
            attempt += 1;
        }
    }

    async fn ask_once<T: DeserializeOwned>(
        &self,
        task: Task,
        method: Method,
        url: &str,
        token: &SecretString,
        body: Option<&Value>,
    ) -> Result<T, CrmError> {
        let unreachable =
            |error: reqwest::Error| CrmError::Unreachable { task: task.words, source: error.without_url() };
        let mut pass = self.gate.enter(task.budget).await.map_err(|closed| CrmError::Closed {
            task: task.words,
            wait: closed.until.saturating_duration_since(Instant::now()),
            daily: closed.daily,
        })?;
        let mut request = self.client.request(method, url).header(AUTHORIZATION, bearer(token)?);
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(unreachable)?;
        pass.answered(told(response.headers()));
        let status = response.status();
        let (retry_after, sent) = (retry_after(response.headers()), date(response.headers()));
        let Some(bytes) = body_of(&mut response).await.map_err(unreachable)? else {
            return Err(CrmError::Garbled { task: task.words, flaw: Flaw::TooLong });
        };
        if status.is_success() {
            pass.went_well();
            return serde_json::from_slice(&bytes).map_err(|error| CrmError::of_json(task, &error));
        }
        let error = CrmError::of_reply(task, status.as_u16(), &bytes, retry_after);
        if error.is_daily_limit() {
            self.stay_away(self.until_midnight(sent), true);
        } else if let Some(wait) = retry_after.filter(|&wait| wait > LONGEST_WAIT && error.is_transient()) {
            self.stay_away(wait, false);
        } else if matches!(error, CrmError::RateLimited { .. }) {
            pass.refused(retry_after);
        }
        Err(error)
    }

    /// Asks HubSpot nothing for so long, and says so once.
    fn stay_away(&self, wait: Duration, daily: bool) {
        if self.gate.close(wait, daily) {
            tracing::warn!(wait_s = wait.as_secs(), daily, "HubSpot is not asked any more for so long, as it demands");
        }
    }

    /// How long it is until the account's midnight, when HubSpot counts the day's calls anew, and some seconds more, so
    /// that several workers do not come back at once. `sent` is the time of the reply.
    fn until_midnight(&self, sent: Option<Timestamp>) -> Duration {
        let zone = self.zone.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let midnight = sent.zip(zone).and_then(|(sent, zone)| {
            let midnight = sent.to_zoned(zone).tomorrow().ok()?.start_of_day().ok()?;
            Duration::try_from(midnight.timestamp().duration_since(sent)).ok()
        });
        midnight.map_or(UNKNOWN_MIDNIGHT, |wait| wait + Duration::from_millis(fastrand::u64(0..=10_000)))
    }

    /// How long to wait before the request is made again; `None` if it is not.
    ///
    /// After a timeout it is not: that has cost its time already. Nor when HubSpot said to stay away. After a 429 the gate
    /// does the waiting.
    fn pause_after(&self, error: &CrmError, attempt: u32) -> Option<Duration> {
        let stays_away = matches!(error, CrmError::Closed { .. }) || error.is_daily_limit();
        if attempt >= ATTEMPTS || !error.is_transient() || error.was_costly() || stays_away {
            return None;
        }
        match error.retry_after() {
            Some(pause) if pause > LONGEST_WAIT => None,
            _ if matches!(error, CrmError::RateLimited { .. }) => Some(Duration::ZERO),
            Some(pause) => Some(pause),
            None => {
                let pause = self.retry_pause * attempt;
                let jitter = u64::try_from(pause.as_millis() / 2).unwrap_or(u64::MAX);
                Some(pause + Duration::from_millis(fastrand::u64(0..=jitter)))
            }
        }
    }
}

/// A token as a header, which no log of the client shows.
fn bearer(token: &SecretString) -> Result<HeaderValue, CrmError> {
    let mut header = HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).map_err(|_| CrmError::Token)?;
    header.set_sensitive(true);
    Ok(header)
}

/// The body, or `None` if it is too long.
async fn body_of(response: &mut Response) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LONGEST_BODY {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// Whether a token may be sent there: over TLS, or without leaving this machine.
fn may_carry_a_token(url: &Url) -> bool {
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Domain(name))) => name == "localhost",
        ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
        ("http", Some(Host::Ipv6(address))) => address.is_loopback(),
        _ => false,
    }
}

/// What a reply tells of the burst limit. Replies to searches and about associations have no such headers.
fn told(headers: &HeaderMap) -> Option<Told> {
    let number = |name| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let max = number("x-hubspot-ratelimit-max").filter(|&max| (1..=1_000_000).contains(&max))?;
    let remaining = number("x-hubspot-ratelimit-remaining")?;
    let interval = number("x-hubspot-ratelimit-interval-milliseconds").map_or(LONGEST_WAIT, Duration::from_millis);
    Some(Told { max, remaining, interval: interval.min(LONGEST_WAIT) })
}

/// When the reply was sent, by HubSpot's clock.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(DATE)?.to_str().ok()?)
}

/// Reads `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3). A date is compared with the reply's own `Date`, so
/// that our clock need not agree with HubSpot's.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let (sent, until) = (date(headers)?, http_date(value)?);
    Some(Duration::try_from(until.duration_since(sent)).unwrap_or_default())
}

/// Reads a date as HTTP writes it (RFC 9110, 5.6.7).
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_travels_encrypted_or_not_at_all() {
        for (url, may) in [
            ("https://api.hubapi.com", true),
            ("https://127.0.0.1:1", true),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("http://localhost:8080", true),
            ("http://api.hubapi.com", false),
            ("http://localhost.example.com", false),
            ("http://127.0.0.1.example.com", false),
            ("http://10.0.0.1", false),
            ("ftp://localhost", false),
            ("unix:/run/x", false),
        ] {
            assert_eq!(may_carry_a_token(&url.parse().unwrap()), may, "{url}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        for (value, expected) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("Sun, 22 Nov 2026 10:00:30 GMT", Some(30)),
            ("Sun, 22 Nov 2026 09:00:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, HeaderValue::from_static("Sun, 22 Nov 2026 10:00:00 GMT"));
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
            assert_eq!(retry_after(&headers), expected.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn the_limit_is_read_from_headers_that_make_sense() {
        for (max, remaining, interval, expected) in [
            ("190", "0", Some("2500"), Some((190, 0, 2_500))),
            ("190", "189", None, Some((190, 189, 10_000))),
            ("190", "1", Some("99999999"), Some((190, 1, 10_000))),
            ("190", "?", Some("2500"), None),
            ("0", "0", Some("2500"), None),
            ("99999999999", "0", Some("2500"), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-hubspot-ratelimit-max", HeaderValue::from_static(max));
            headers.insert("x-hubspot-ratelimit-remaining", HeaderValue::from_static(remaining));
            if let Some(interval) = interval {
                headers.insert("x-hubspot-ratelimit-interval-milliseconds", HeaderValue::from_static(interval));
            }
            let told = told(&headers).map(|told| (told.max, told.remaining, told.interval.as_millis()));
            assert_eq!(told, expected, "{max} {remaining} {interval:?}");
        }
    }
}
