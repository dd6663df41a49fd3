//! A small endpoint as somebody might write it, right or with one defect.

use std::borrow::Cow;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::{RequestExt as _, http::HeaderValue};
use end_to_end::now_ms;
use hubspot_webhook::signature::{Secret, sign_v1, sign_v3};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) const SECRET: &str = "secret-of-the-small-server";

const MINUTES_5: i64 = 300_000;

/// What is wrong with a server; everything else about it is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// Hashes the JSON that it has parsed and written again.
    Reserialised,
    /// Leaves the query out of the URL, and takes whatever comes with one.
    QueryUnchecked,
    /// Checks a signature only if there is one.
    MissingSignatureAccepted,
    /// Compares as many characters as were sent.
    PrefixCompared,
    /// Compares without telling capitals from small letters.
    CaseIgnored,
    /// Knows only timestamps that are too old.
    FutureAccepted,
    /// Does not look at the time.
    NoFreshness,
    /// Reads the timestamp as a float, and refuses when its age is more than five minutes: `NaN` never is.
    FloatTimestamp,
    /// Goes by v1 when v3 is wrong.
    V1Fallback,
    /// Percent-decodes the whole URL.
    WholeUrlDecoded,
    /// Hashes the URL as it came, as HubSpot's own clients do.
    NothingDecoded,
    /// Believes `X-Forwarded-Host`.
    ForwardedHostTrusted,
    /// Takes the first of several headers.
    FirstHeaderTaken,
    /// Reads the body as text, with a sign in place of what is none.
    BodyAsText,
    /// Takes every method.
    AnyMethod,
    /// Takes every media type and coding.
    AnyMediaType,
}

/// A server on a port of its own; it ends with this value.
pub(crate) struct Server {
    url: String,
    _serving: JoinSet<()>,
}

#[derive(Clone)]
struct Setup {
    signed_url: String,
    defect: Option<Defect>,
}

impl Server {
    pub(crate) async fn start(defect: Option<Defect>) -> Self {
        Self::with(|url| Setup { signed_url: url.to_owned(), defect }).await
    }

    /// A right server behind a proxy: HubSpot calls another URL.
    pub(crate) async fn signed_for(url: &str) -> Self {
        Self::with(|_| Setup { signed_url: url.to_owned(), defect: None }).await
    }

    async fn with(setup: impl FnOnce(&str) -> Setup) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}/hooks/hubspot", listener.local_addr().expect("it is bound"));
        let router = Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(setup(&url));
        let mut serving = JoinSet::new();
        serving.spawn(async { axum::serve(listener, router).await.expect("it serves") });
        Self { url, _serving: serving }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

async fn answer(State(setup): State<Setup>, request: Request) -> StatusCode {
    let (head, body) = request.into_parts();
    let Ok(body) = Request::new(body).extract::<Bytes, _>().await else { return StatusCode::BAD_REQUEST };
    match setup.judge(&head, &body) {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(status) => status,
    }
}

impl Setup {
    fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    fn judge(&self, head: &Parts, body: &[u8]) -> Result<(), StatusCode> {
        const REFUSED: Result<(), StatusCode> = Err(StatusCode::UNAUTHORIZED);
        if head.method != Method::POST && !self.has(Defect::AnyMethod) {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        if !is_plain_json(&head.headers) && !self.has(Defect::AnyMediaType) {
            return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        if head.uri.query().is_some() && self.has(Defect::QueryUnchecked) {
            return Ok(());
        }
        let signature = self.header(&head.headers, "x-hubspot-signature-v3")?;
        let Some(timestamp) = self.header(&head.headers, "x-hubspot-request-timestamp")? else {
            let is_let_through = signature.is_none() && self.has(Defect::MissingSignatureAccepted);
            return if is_let_through { Ok(()) } else { REFUSED };
        };
        let Some(signature) = signature else {
            return if self.has(Defect::MissingSignatureAccepted) { Ok(()) } else { REFUSED };
        };
        if !self.is_fresh(timestamp) {
            return REFUSED;
        }
        let body = match self.defect {
            Some(Defect::Reserialised) => {
                let value: Value = serde_json::from_slice(body).map_err(|_| StatusCode::BAD_REQUEST)?;
                Cow::Owned(value.to_string().into_bytes())
            }
            Some(Defect::BodyAsText) => Cow::Owned(String::from_utf8_lossy(body).into_owned().into_bytes()),
            _ => Cow::Borrowed(body),
        };
        let secret = Secret::new(SECRET).expect("it is not empty");
        let (method, url) = (head.method.as_str(), self.url(head));
        // Nothing separates what is hashed: a URL behind the method is hashed without being decoded.
        let right = match self.defect {
            Some(Defect::WholeUrlDecoded) => {
                sign_v3(&secret, &format!("{method}{}", decoded(&url)), "", &body, timestamp)
            }
            Some(Defect::NothingDecoded) => sign_v3(&secret, &format!("{method}{url}"), "", &body, timestamp),
            _ => sign_v3(&secret, method, &url, &body, timestamp),
        };
        let matches = match self.defect {
            Some(Defect::PrefixCompared) => right.starts_with(signature),
            Some(Defect::CaseIgnored) => right.eq_ignore_ascii_case(signature),
            Some(Defect::V1Fallback) => {
                let v1 = self.header(&head.headers, "x-hubspot-signature")?;
                right == signature || v1 == Some(&sign_v1(&secret, &body))
            }
            _ => right == signature,
        };
        if matches { Ok(()) } else { REFUSED }
    }

    /// The URL that was called.
    fn url(&self, head: &Parts) -> String {
        let forged = head.headers.get("x-forwarded-host").and_then(|host| host.to_str().ok());
        let url = match forged.filter(|_| self.has(Defect::ForwardedHostTrusted)) {
            Some(host) => format!("http://{host}{}", head.uri.path()),
            None => self.signed_url.clone(),
        };
        head.uri.query().map_or(url.clone(), |query| format!("{url}?{query}"))
    }

    fn is_fresh(&self, timestamp: &str) -> bool {
        if self.has(Defect::FloatTimestamp) {
            return is_fresh_float(timestamp);
        }
        let is_number = timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let Some(stamp) = timestamp.parse::<i64>().ok().filter(|_| is_number) else { return false };
        let age = now_ms() - stamp;
        match self.defect {
            Some(Defect::NoFreshness) => true,
            Some(Defect::FutureAccepted) => age <= MINUTES_5,
            _ => (-MINUTES_5..=MINUTES_5).contains(&age),
        }
    }

    /// The one header of this name.
    fn header<'a>(&self, headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, StatusCode> {
        let mut values = headers.get_all(name).iter();
        let first = values.next();
        if values.next().is_some() && !self.has(Defect::FirstHeaderTaken) {
            return Err(StatusCode::UNAUTHORIZED);
        }
        first.map(|value| value.to_str().map_err(|_| StatusCode::UNAUTHORIZED)).transpose()
    }
}

#[expect(clippy::float_arithmetic, reason = "that is the defect")]
fn is_fresh_float(timestamp: &str) -> bool {
    let Ok(stamp) = timestamp.parse::<f64>() else { return false };
    let now: f64 = now_ms().to_string().parse().expect("digits");
    let is_stale = (now - stamp).abs() > 300_000.0;
    !is_stale
}

fn is_plain_json(headers: &HeaderMap) -> bool {
    let essence =
        |value: &HeaderValue| value.to_str().unwrap_or_default().split(';').next() == Some("application/json");
    headers.get(CONTENT_TYPE).is_some_and(essence) && !headers.contains_key(CONTENT_ENCODING)
}

/// Every escape decoded, once.
fn decoded(url: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = url.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = (*first == b'%').then(|| after.get(..2)).flatten().and_then(|hex| str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
