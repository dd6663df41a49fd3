//! One request to HubSpot: address, token, time limit, size limit, and the few repetitions that are worth it in place.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{AUTHORIZATION, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Response, redirect};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until};
use url::{Host, Url};

use super::CrmSettings;
use super::error::{CrmError, Flaw};

/// How often one request is made before its error is given to the caller, whose next cycle tries again anyway.
const ATTEMPTS: u32 = 3;

/// The longest wait inside a call; HubSpot's burst window is 10 seconds. What needs longer is left to the caller.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The longest body that is read, in bytes, so that garbage cannot fill the memory.
pub(super) const LONGEST_BODY: usize = 64 << 20;

/// What a request is for: the words for messages, and the scope that HubSpot wants for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task {
    /// What is being done, in the infinitive.
    pub(super) words: &'static str,
    /// The scope that the app needs.
    pub(super) scope: &'static str,
}

/// The connection to one HubSpot account.
pub(super) struct Http {
    client: Client,
    base: String,
    authorization: HeaderValue,
    retry_pause: Duration,
    free_at: Mutex<Instant>,
}

impl Http {
    pub(super) fn new(settings: &CrmSettings) -> Result<Self, CrmError> {
        let CrmSettings { api_url, access_token, .. } = settings;
        if !may_carry_a_token(api_url) {
            let host = api_url.host_str().unwrap_or("no host").to_owned();
            return Err(CrmError::Address { scheme: api_url.scheme().to_owned(), host });
        }
        let token = access_token.expose_secret();
        let mut authorization = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| CrmError::Token)?;
        if token.is_empty() || token.contains(char::is_whitespace) {
            return Err(CrmError::Token);
        }
        authorization.set_sensitive(true);
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
            authorization,
            retry_pause: settings.retry_pause,
            free_at: Mutex::new(Instant::now()),
        })
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
            let error = match self.ask_once(task, method.clone(), &url, body).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
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
        body: Option<&Value>,
    ) -> Result<T, CrmError> {
        let unreachable =
            |error: reqwest::Error| CrmError::Unreachable { task: task.words, source: error.without_url() };
        sleep_until(*self.free_at.lock().await).await;
        let mut request = self.client.request(method, url).header(AUTHORIZATION, self.authorization.clone());
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(unreachable)?;
        if let Some(pause) = burst_pause(response.headers()) {
            *self.free_at.lock().await = Instant::now() + pause;
        }
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let Some(bytes) = body_of(&mut response).await.map_err(unreachable)? else {
            return Err(CrmError::Garbled { task: task.words, flaw: Flaw::TooLong });
        };
        if status.is_success() {
            serde_json::from_slice(&bytes).map_err(|error| CrmError::of_json(task, &error))
        } else {
            Err(CrmError::of_reply(task, status.as_u16(), &bytes, retry_after))
        }
    }

    /// How long to wait before the request is made again; `None` if it is not.
    ///
    /// After a timeout it is not: that has cost its time already. Nor when the day's calls are used up.
    fn pause_after(&self, error: &CrmError, attempt: u32) -> Option<Duration> {
        if attempt >= ATTEMPTS || !error.is_transient() || error.was_costly() || error.is_daily_limit() {
            return None;
        }
        match error.retry_after() {
            Some(pause) => (pause <= LONGEST_WAIT).then_some(pause),
            None => {
                let pause = self.retry_pause * attempt;
                let jitter = u64::try_from(pause.as_millis() / 2).unwrap_or(u64::MAX);
                Some(pause + Duration::from_millis(fastrand::u64(0..=jitter)))
            }
        }
    }
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

/// How long the next request must wait because the burst limit's window has no calls left. Replies to searches have no
/// such headers.
fn burst_pause(headers: &HeaderMap) -> Option<Duration> {
    let number = |name| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    (number("x-hubspot-ratelimit-remaining")? == 0).then(|| {
        let interval = number("x-hubspot-ratelimit-interval-milliseconds").map(Duration::from_millis);
        interval.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)
    })
}

/// Reads `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3). A date is compared with the reply's own `Date`, so
/// that our clock need not agree with HubSpot's.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let sent = http_date(headers.get(DATE)?.to_str().ok()?)?;
    let until = http_date(value)?;
    Some(Duration::try_from(until.duration_since(sent)).unwrap_or_default())
}

fn http_date(text: &str) -> Option<Timestamp> {
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
    fn an_empty_burst_window_is_waited_for_and_never_long() {
        for (remaining, interval, expected) in [
            ("0", Some("2500"), Some(2_500)),
            ("0", None, Some(10_000)),
            ("0", Some("99999999"), Some(10_000)),
            ("1", Some("2500"), None),
            ("?", Some("2500"), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-hubspot-ratelimit-remaining", HeaderValue::from_static(remaining));
            if let Some(interval) = interval {
                headers.insert("x-hubspot-ratelimit-interval-milliseconds", HeaderValue::from_static(interval));
            }
            assert_eq!(burst_pause(&headers), expected.map(Duration::from_millis));
        }
    }
}
