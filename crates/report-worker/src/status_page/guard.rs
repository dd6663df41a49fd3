//! Who may look, and what a browser may make of the answer.
//!
//! Without a password the page is on a loopback address, and the name that was asked for has to be local: a stranger's web page
//! could have its own name resolve to 127.0.0.1 and read the answer in the user's browser (DNS rebinding). What a reverse proxy
//! passed on is refused too, since it makes strangers look local. With a password neither matters.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use data_encoding::{BASE64, HEXLOWER};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use super::connections::Peer;
use super::tries::{Source, Tries};
use crate::secrets::{Renewal, Renewed};

/// Everything comes from the page's own paths; nothing may show the page in itself.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
     frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What every answer says.
const HEADERS: [(header::HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// What an answer says unless it has something else to say of it.
const DEFAULTS: [(header::HeaderName, &str); 2] =
    [(header::CONTENT_SECURITY_POLICY, POLICY), (header::X_FRAME_OPTIONS, "DENY")];

/// What reverse proxies add.
const FORWARDED: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// Set in a browser that has shown the right password: its tries are its own from then on. It opens nothing.
const MARK: &str = "closing-bell-browser";

/// Decides who may look.
#[derive(Debug)]
pub(super) struct Guard {
    password: Option<Renewed<SecretString>>,
    tries: Tries,
}

/// Why somebody may not.
enum Refusal {
    Method,
    Name,
    Proxy,
    Password,
    TooMany(Duration),
}

/// Asks the guard, and dresses the answer.
pub(super) async fn guard(
    State(guard): State<Arc<Guard>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let (mut response, mark) = match guard.admit(request.method(), request.uri(), request.headers(), peer).await {
        Ok(mark) => (next.run(request).await, mark),
        Err(refusal) => (refusal.into_response(), None),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Some(mark) = mark.and_then(|mark| HeaderValue::from_str(&mark).ok()) {
        headers.insert(header::SET_COOKIE, mark);
    }
    response
}

impl Guard {
    pub(super) fn new(password: Option<Renewed<SecretString>>) -> Self {
        Self { password, tries: Tries::default() }
    }

    /// Whether this request is answered; with the mark that the browser is to be given, if it has none.
    async fn admit(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Result<Option<String>, Refusal> {
        let mark = match &self.password {
            Some(password) => self.knows(password, headers, peer).await?,
            None => {
                is_local(uri, headers)?;
                None
            }
        };
        if matches!(*method, Method::GET | Method::HEAD) { Ok(mark) } else { Err(Refusal::Method) }
    }

    async fn knows(
        &self,
        password: &Renewed<SecretString>,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Result<Option<String>, Refusal> {
        // Who brings no password is asked for it, and has not guessed.
        let given = given(headers).ok_or(Refusal::Password)?;
        let known = password.now();
        let is_marked = cookie(headers).is_some_and(|shown| same(shown.as_bytes(), mark(&known).as_bytes()));
        let source = if is_marked { Source::Known } else { Source::of(peer) };
        let source = self.tries.take(source, Instant::now()).map_err(Refusal::TooMany)?;
        let mut right = known;
        if !same(&given, right.expose_secret().as_bytes()) {
            let Renewal::Changed(newer) = password.renew(&right).await else { return Err(Refusal::Password) };
            if !same(&given, newer.expose_secret().as_bytes()) {
                return Err(Refusal::Password);
            }
            right = newer;
        }
        self.tries.was_right(source);
        let cookie = || format!("{MARK}={}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict", mark(&right));
        Ok((!is_marked).then(cookie))
    }
}

/// The password of HTTP Basic (RFC 7617), whatever the user is called.
fn given(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, credentials) = value.split_at_checked(6)?;
    let decoded = BASE64.decode(credentials.trim_ascii()).ok().filter(|_| scheme.eq_ignore_ascii_case(b"basic "))?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some(decoded[colon + 1..].to_vec())
}

/// Compares in a time that tells neither where two texts differ nor how long they are.
fn same(one: &[u8], other: &[u8]) -> bool {
    Sha256::digest(one).ct_eq(&Sha256::digest(other)).into()
}

/// What only the password gives, and what does not give the password.
fn mark(password: &SecretString) -> String {
    let digest = Sha256::new().chain_update(MARK).chain_update("\0").chain_update(password.expose_secret()).finalize();
    HEXLOWER.encode(&digest)
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut marks = cookies.flat_map(|value| value.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    marks.find(|(name, _)| *name == MARK).map(|(_, value)| value)
}

/// Whether the request was made for a name of this machine, and came straight to it.
fn is_local(uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let named = [host, uri.authority().map(Authority::as_str)];
    if host.is_none() || hosts.next().is_some() || !named.into_iter().flatten().all(is_loopback_name) {
        return Err(Refusal::Name);
    }
    if FORWARDED.iter().any(|name| headers.contains_key(*name)) { Err(Refusal::Proxy) } else { Ok(()) }
}

/// `localhost`, `127.0.0.1` or `[::1]`, with any port: that of an SSH tunnel is another one.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "nothing can be changed here: only GET\n"),
            Self::Name => {
                (StatusCode::FORBIDDEN, "ask for it as 127.0.0.1 or localhost, on this machine or by an SSH tunnel\n")
            }
            Self::Proxy => (
                StatusCode::FORBIDDEN,
                "a proxy makes everybody look local: set STATUS_PASSWORD to have the page behind one\n",
            ),
            Self::Password => (StatusCode::UNAUTHORIZED, "the password is that of STATUS_PASSWORD\n"),
            Self::TooMany(_) => {
                (StatusCode::TOO_MANY_REQUESTS, "too many wrong passwords from there; try again later\n")
            }
        };
        let mut response = (status, text).into_response();
        let headers = response.headers_mut();
        match self {
            Self::Method => drop(headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"))),
            Self::Password => {
                let realm = HeaderValue::from_static("Basic realm=\"Closing Bell\", charset=\"UTF-8\"");
                headers.insert(header::WWW_AUTHENTICATE, realm);
            }
            Self::TooMany(wait) => drop(headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1))),
            Self::Name | Self::Proxy => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_and_no_others() {
        for local in
            ["localhost", "LOCALHOST:8081", "127.0.0.1", "127.0.0.1:9000", "127.1.2.3:80", "[::1]", "[::1]:8081"]
        {
            assert!(is_loopback_name(local), "{local}");
        }
        for strange in [
            "",
            ":8081",
            "bell.example.com",
            "localhost.example.com",
            "127.0.0.1.example.com:8081",
            "localhost:8081.example.com",
            "localhost.",
            "10.0.0.1:8081",
            "0.0.0.0:8081",
            "[::]:8081",
            "user@localhost",
            "2130706433",
            "0x7f.1",
        ] {
            assert!(!is_loopback_name(strange), "{strange}");
        }
    }
}
