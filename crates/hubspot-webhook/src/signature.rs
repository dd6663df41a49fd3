//! HubSpot's request signatures, versions 1 to 3, exactly as HubSpot computes them.
//!
//! Source of the rules: HubSpot's developer documentation, "Validating requests from HubSpot". Everything is hashed as
//! bytes and nothing separates the parts, so each function takes the parts as they travelled.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER};
use hmac::Mac;
use sha2::{Digest, Sha256};

pub use crate::secret::{EmptySecret, Secret, SecretsError};

/// How far a v3 timestamp may lie from now, in milliseconds, in either direction. HubSpot documents five minutes for the
/// past and says nothing of the future, where the same five minutes allow for clocks that differ.
pub const FRESHNESS_MS: i64 = 300_000;

/// What a signature is compared as: the 32 bytes behind its text.
pub(crate) type Signature = [u8; 32];

/// A version of HubSpot's signature scheme. Only v3 covers the time, so only v3 stops a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureVersion {
    /// SHA-256 of secret and body.
    V1,
    /// SHA-256 of secret, method, URL and body.
    V2,
    /// HMAC-SHA256 of method, URL, body and timestamp.
    V3,
}

/// A version that is none of `v1`, `v2` and `v3`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no signature version; use v1, v2 or v3")]
pub struct UnknownVersion(String);

impl FromStr for SignatureVersion {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        match text {
            "v1" => Ok(Self::V1),
            "v2" => Ok(Self::V2),
            "v3" => Ok(Self::V3),
            other => Err(UnknownVersion(other.to_owned())),
        }
    }
}

impl fmt::Display for SignatureVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::V3 => "v3",
        })
    }
}

/// The value of `X-HubSpot-Signature` in version 1: lower-case hex.
pub fn sign_v1(secret: &Secret, body: &[u8]) -> String {
    HEXLOWER.encode(&digest_v1(secret, body))
}

/// The value of `X-HubSpot-Signature` in version 2: lower-case hex. The URL is hashed as it is.
pub fn sign_v2(secret: &Secret, method: &str, url: &str, body: &[u8]) -> String {
    HEXLOWER.encode(&digest_v2(secret, method, url, body))
}

/// The value of `X-HubSpot-Signature-v3`: base64 with padding. `timestamp` is the text of `X-HubSpot-Request-Timestamp`,
/// epoch milliseconds, and is hashed verbatim. Twelve escapes of the URL are decoded first, in one pass: those in the
/// table of that page, and no other.
pub fn sign_v3(secret: &Secret, method: &str, url: &str, body: &[u8], timestamp: &str) -> String {
    BASE64.encode(&digest_v3(secret, method, url, body, timestamp.as_bytes()))
}

pub(crate) fn digest_v1(secret: &Secret, body: &[u8]) -> Signature {
    sha256([secret.bytes(), body])
}

pub(crate) fn digest_v2(secret: &Secret, method: &str, url: &str, body: &[u8]) -> Signature {
    sha256([secret.bytes(), method.as_bytes(), url.as_bytes(), body])
}

pub(crate) fn digest_v3(secret: &Secret, method: &str, url: &str, body: &[u8], timestamp: &[u8]) -> Signature {
    let mut mac = secret.hmac();
    for part in [method.as_bytes(), decode_url(url).as_bytes(), body, timestamp] {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// SHA-256 over the parts, one after the other.
pub(crate) fn sha256<const N: usize>(parts: [&[u8]; N]) -> Signature {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// Decodes the twelve escapes that HubSpot decodes before it signs, and no other. HubSpot's table writes them in capitals;
/// RFC 3986 (2.1) makes `%3a` the same as `%3A`. One pass: `%253A` stays.
fn decode_url(url: &str) -> Cow<'_, str> {
    if !url.as_bytes().contains(&b'%') {
        return Cow::Borrowed(url);
    }
    let (mut decoded, mut rest) = (String::with_capacity(url.len()), url);
    let mut next = rest.find('%');
    while let Some(at) = next {
        decoded.push_str(&rest[..at]);
        let (text, length) = match rest.as_bytes().get(at + 1..at + 3).and_then(unescape) {
            Some(character) => (character, 3),
            None => ("%", 1),
        };
        decoded.push_str(text);
        rest = &rest[at + length..];
        next = rest.find('%');
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// The character behind two hex digits, for the twelve that HubSpot decodes.
fn unescape(digits: &[u8]) -> Option<&'static str> {
    Some(match [digits[0], digits[1].to_ascii_uppercase()] {
        [b'3', b'A'] => ":",
        [b'2', b'F'] => "/",
        [b'3', b'F'] => "?",
        [b'4', b'0'] => "@",
        [b'2', b'1'] => "!",
        [b'2', b'4'] => "$",
        [b'2', b'7'] => "'",
        [b'2', b'8'] => "(",
        [b'2', b'9'] => ")",
        [b'2', b'A'] => "*",
        [b'2', b'C'] => ",",
        [b'3', b'B'] => ";",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_twelve_escapes_are_decoded_in_one_pass() {
        let all: String = (0..=255).map(|byte| format!("%{byte:02X}")).collect();
        let kept: Vec<String> =
            (0..=255).map(|byte| format!("%{byte:02X}")).filter(|escape| decode_url(escape) == *escape).collect();
        assert_eq!(kept.len(), 256 - 12);
        assert_eq!(decode_url(&all).len(), 256 * 3 - 12 * 2);
        assert_eq!(decode_url("%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B"), ":/?@!$'()*,;");
        assert_eq!(decode_url("%3a%2f%3f%40%21%24%27%28%29%2a%2c%3b"), ":/?@!$'()*,;");
        assert_eq!(decode_url("%253A%20%2B%C3%A9é%%3A%3"), "%253A%20%2B%C3%A9é%:%3");
        assert_eq!(decode_url("%é%"), "%é%");
    }

    #[test]
    fn versions_read_back_as_written() {
        for version in [SignatureVersion::V1, SignatureVersion::V2, SignatureVersion::V3] {
            assert_eq!(version.to_string().parse(), Ok(version));
        }
        assert_eq!("V3".parse::<SignatureVersion>(), Err(UnknownVersion("V3".to_owned())));
    }
}
