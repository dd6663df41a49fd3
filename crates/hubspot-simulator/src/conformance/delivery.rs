//! A right delivery, changed, as the bytes of a request.

use hubspot_webhook::door::{CORRELATION_HEADER, SIGNATURE_HEADER, SIGNATURE_V3_HEADER, TIMESTAMP_HEADER};
use hubspot_webhook::signature::{Secret, sign_v1, sign_v2, sign_v3};

use super::cases::body;
use super::post::Target;

/// The header by which v1 and v2 are told apart.
pub(super) const VERSION_HEADER: &str = "X-HubSpot-Signature-Version";

/// How many milliseconds earlier a delivery may be signed, until a rewritten header differs from the right one.
const TRIES: i64 = 500;

/// One difference from a right delivery: v3 alone, one event, signed at the moment of posting.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Another body, rightly signed.
    Body(Vec<u8>),
    /// Another method, rightly signed.
    Method(&'static str),
    /// A query, signed and requested.
    Query(String),
    /// Another timestamp, made from the time of posting and rightly signed.
    Stamp(fn(i64) -> String),
    /// v1 beside v3, with the version header.
    V1,
    /// v2 beside v3, with the version header.
    V2,
    /// The body in chunks, without a length.
    Chunked,

    /// Signed for another URL.
    SignedUrl(fn(&str) -> String),
    /// Signed for another method.
    SignedMethod(&'static str),
    /// Signed with another secret.
    SignedWith(fn(&str) -> String),

    /// The body is another one than was signed.
    SentBody(fn(Vec<u8>) -> Vec<u8>),
    /// The query is another one than was signed.
    SentQuery(Option<&'static str>),
    /// A header has another value.
    Rewrite(&'static str, fn(&str) -> Vec<u8>),
    /// A header comes again, after the right one, with a value made from it.
    Again(&'static str, fn(&str) -> Vec<u8>),
    /// A header comes again, before the right one, with a value made from it.
    Before(&'static str, fn(&str) -> Vec<u8>),
    /// One more header, or another value of one that is there.
    Header(&'static str, Vec<u8>),
    /// A header comes under another name.
    Renamed(&'static str, &'static str),
    /// A header does not come.
    Without(&'static str),
    /// Every header is named otherwise.
    Names(fn(&str) -> String),
}

/// Headers in the order in which they are sent.
struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(given, _)| given.eq_ignore_ascii_case(name))
    }

    fn value(&self, name: &str) -> &str {
        let value = self.position(name).map_or(&[][..], |at| &self.0[at].1);
        str::from_utf8(value).unwrap_or_default()
    }

    fn set(&mut self, name: &str, value: Vec<u8>) {
        match self.position(name) {
            Some(at) => self.0[at].1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
    }

    fn insert(&mut self, beside: &str, offset: usize, value: Vec<u8>) {
        let at = self.position(beside).map_or(self.0.len(), |at| at + offset);
        self.0.insert(at, (beside.to_owned(), value));
    }
}

/// The request of a case, posted at `now_ms` (epoch milliseconds UTC). Where a rewritten header happens to be as before,
/// such as base64url in place of base64, it is signed some milliseconds earlier.
pub(super) fn request(target: &Target, signed_url: &str, secret: &str, changes: &[Change], now_ms: i64) -> Vec<u8> {
    let tried = (0..TRIES).find_map(|earlier| compose(target, signed_url, secret, changes, now_ms - earlier));
    tried.expect("no value of a header stays as it is for half a second")
}

/// The bytes, or none if a rewritten header is as it was.
fn compose(target: &Target, signed_url: &str, secret: &str, changes: &[Change], now_ms: i64) -> Option<Vec<u8>> {
    let (mut method, mut query, mut body, mut stamp) = ("POST", None, body::plain(now_ms), now_ms.to_string());
    for change in changes {
        match change {
            Change::Body(other) => body.clone_from(other),
            Change::Method(other) => method = other,
            Change::Query(other) => query = Some(other.as_str()),
            Change::Stamp(other) => stamp = other(now_ms),
            _ => {}
        }
    }
    let (mut signed_method, mut url, mut key) = (method, signed_url.to_owned(), secret.to_owned());
    for change in changes {
        match change {
            Change::SignedMethod(other) => signed_method = other,
            Change::SignedUrl(other) => url = other(&url),
            Change::SignedWith(other) => key = other(&key),
            _ => {}
        }
    }
    let url = query.map_or(url.clone(), |query| format!("{url}?{query}"));
    let key = Secret::new(key).expect("no case signs with an empty secret");

    let mut headers = Headers(Vec::new());
    headers.set("Host", target.authority().into());
    headers.set("User-Agent", "HubSpot Webhooks (conformance)".into());
    headers.set("Content-Type", "application/json".into());
    headers.set(CORRELATION_HEADER, crate::correlation_id().into());
    headers.set(SIGNATURE_V3_HEADER, sign_v3(&key, signed_method, &url, &body, &stamp).into());
    headers.set(TIMESTAMP_HEADER, stamp.into());
    let mut is_chunked = false;
    for change in changes {
        match change {
            Change::V1 => {
                headers.set(SIGNATURE_HEADER, sign_v1(&key, &body).into());
                headers.set(VERSION_HEADER, "v1".into());
            }
            Change::V2 => {
                headers.set(SIGNATURE_HEADER, sign_v2(&key, signed_method, &url, &body).into());
                headers.set(VERSION_HEADER, "v2".into());
            }
            Change::Chunked => is_chunked = true,
            Change::SentBody(other) => body = other(body),
            Change::SentQuery(other) => query = *other,
            Change::Rewrite(name, other) => {
                let (before, after) = (headers.value(name), other(headers.value(name)));
                if before.as_bytes() == after {
                    return None;
                }
                headers.set(name, after);
            }
            Change::Again(name, other) => headers.insert(name, 1, other(headers.value(name))),
            Change::Before(name, other) => headers.insert(name, 0, other(headers.value(name))),
            Change::Header(name, value) => headers.set(name, value.clone()),
            Change::Renamed(name, other) => {
                let value = headers.value(name).into();
                headers.remove(name);
                headers.set(other, value);
            }
            Change::Without(name) => headers.remove(name),
            Change::Names(other) => headers.0.iter_mut().for_each(|(name, _)| *name = other(name)),
            _ => {}
        }
    }
    let path = query.map_or(target.path().to_owned(), |query| format!("{}?{query}", target.path()));
    Some(write(method, &path, headers, &body, is_chunked))
}

/// HTTP/1.1 (RFC 9112), one request a connection.
fn write(method: &str, path: &str, headers: Headers, body: &[u8], is_chunked: bool) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
    for (name, value) in headers.0 {
        bytes.extend([name.as_bytes(), b": ", &value, b"\r\n"].concat());
    }
    if is_chunked {
        bytes.extend(b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
        for chunk in body.chunks(100) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend([chunk, b"\r\n"].concat());
        }
        bytes.extend(b"0\r\n\r\n");
    } else {
        bytes.extend(format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()).as_bytes());
        bytes.extend(body);
    }
    bytes
}
