//! How headers may come, and what other headers must not do.

use hubspot_webhook::door::{CORRELATION_HEADER, SIGNATURE_V3_HEADER, TIMESTAMP_HEADER};

use super::super::Case;
use super::super::delivery::Change::{
    Again, Before, Header, Method, Names, Query, Renamed, Rewrite, SignedMethod, SignedUrl, Without,
};
use super::{accept, refuse};
use crate::conformance::cases::url::{FORGED_HOST, forged_host, forged_path, over_http, over_https};

/// A signature that is none, in the shape of one.
fn wrong(_: &str) -> Vec<u8> {
    b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into()
}

/// A name with every other letter in capitals.
fn mixed(name: &str) -> String {
    let letter = |(at, letter): (usize, char)| {
        if at % 2 == 0 { letter.to_ascii_lowercase() } else { letter.to_ascii_uppercase() }
    };
    name.chars().enumerate().map(letter).collect()
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let (v3, stamp) = (SIGNATURE_V3_HEADER, TIMESTAMP_HEADER);
    let forge = |name: &'static str, value: &str| Header(name, value.into());
    vec![
        accept("names-lower-case", "names have no case (RFC 9110)", [Names(str::to_lowercase)]),
        accept("names-upper-case", "names have no case (RFC 9110)", [Names(str::to_uppercase)]),
        accept("names-mixed-case", "names have no case (RFC 9110)", [Names(mixed)]),
        accept("white-space-round-signature", "HTTP trims it (RFC 9112, 5.1)", [Rewrite(v3, |right| format!(" \t{right}\t ").into())]),
        accept("white-space-round-timestamp", "HTTP trims it (RFC 9112, 5.1)", [Rewrite(stamp, |right| format!(" \t{right}\t ").into())]),
        accept("correlation-id-missing", "it is no part of the protocol", [Without(CORRELATION_HEADER)]),
        accept("correlation-id-empty", "it is not signed and must not decide", [Header(CORRELATION_HEADER, Vec::new())]),
        accept("correlation-id-strange", "it is not signed and must not decide", [Header(CORRELATION_HEADER, "<'%00${jndi:x}\"> é 🔔".into())]),
        accept("correlation-id-huge", "it is not signed and must not decide", [Header(CORRELATION_HEADER, vec![b'x'; 4_000])]),
        accept("correlation-id-doubled", "it is not signed and must not decide", [Again(CORRELATION_HEADER, |_| b"another".into())]),
        accept("forwarded-host-forged", "the caller wrote it: it changes nothing", [forge("X-Forwarded-Host", FORGED_HOST)]),
        accept("forwarded-proto-forged", "the caller wrote it: it changes nothing", [forge("X-Forwarded-Proto", "gopher")]),
        accept("forwarded-port-forged", "the caller wrote it: it changes nothing", [forge("X-Forwarded-Port", "1")]),
        accept("forwarded-prefix-forged", "the caller wrote it: it changes nothing", [forge("X-Forwarded-Prefix", "/forged")]),
        accept("forwarded-forged", "the caller wrote it: it changes nothing", [forge("Forwarded", "host=forged.example;proto=http")]),
        accept("original-url-forged", "the caller wrote it: it changes nothing", [forge("X-Original-URL", "/forged")]),
        accept("rewrite-url-forged", "the caller wrote it: it changes nothing", [forge("X-Rewrite-URL", "/forged")]),
        accept("unknown-header", "HubSpot may send more one day", [forge("X-HubSpot-Something-New", "1")]),
        accept("timestamp-of-another-name", "only the right name counts", [forge("X-HubSpot-Signature-Timestamp", "1")]),

        refuse("no-headers-of-hubspot", "anybody can post", [Without(v3), Without(stamp), Without(CORRELATION_HEADER)]),
        refuse("signature-missing", "without a signature it is nobody's", [Without(v3)]),
        refuse("timestamp-missing", "without a time it can be replayed", [Without(stamp)]),
        refuse("timestamp-under-another-name", "that name does not exist", [
            Renamed(stamp, "X-HubSpot-Signature-Timestamp")]),
        refuse("signature-empty", "nothing is no signature", [Header(v3, Vec::new())]),
        refuse("timestamp-emptied", "nothing is no time", [Header(stamp, Vec::new())]),
        refuse("both-empty", "nothing is no signature of nothing", [Header(v3, Vec::new()), Header(stamp, Vec::new())]),
        refuse("signature-doubled-same", "readers differ in which one they take", [Again(v3, |right| right.into())]),
        refuse("signature-doubled-wrong-last", "readers differ in which one they take", [Again(v3, wrong)]),
        refuse("signature-doubled-wrong-first", "readers differ in which one they take", [Before(v3, wrong)]),
        refuse("timestamp-doubled-same", "readers differ in which one they take", [Again(stamp, |right| right.into())]),
        refuse("timestamp-doubled-other-last", "readers differ in which one they take", [Again(stamp, |_| b"1795000000000".into())]),
        refuse("timestamp-doubled-other-first", "readers differ in which one they take", [Before(stamp, |_| b"1795000000000".into())]),
        refuse("signature-not-ascii", "base64 is ASCII", [Rewrite(v3, |right| format!("{}é=", &right[..42]).into())]),
        refuse("signature-not-utf8", "base64 is ASCII", [Rewrite(v3, |right| [right.as_bytes(), b"\xff"].concat())]),
        refuse("signature-blank-inside", "44 characters and no blank", [Rewrite(v3, |right| format!("{} {}", &right[..20], &right[20..]).into())]),
        refuse("signed-for-forwarded-host", "X-Forwarded-Host is the caller's", [SignedUrl(forged_host), forge("X-Forwarded-Host", FORGED_HOST)]),
        refuse("signed-for-host", "Host is the caller's", [SignedUrl(forged_host), forge("Host", FORGED_HOST)]),
        refuse("signed-for-forwarded", "Forwarded is the caller's", [SignedUrl(forged_host), forge("Forwarded", "host=forged.example")]),
        refuse("signed-for-http", "X-Forwarded-Proto is the caller's", [SignedUrl(over_http), forge("X-Forwarded-Proto", "http")]),
        refuse("signed-for-https", "X-Forwarded-Proto is the caller's", [SignedUrl(over_https), forge("X-Forwarded-Proto", "https")]),
        refuse("signed-for-original-url", "X-Original-URL is the caller's", [SignedUrl(forged_path), forge("X-Original-URL", "/forged")]),
        refuse("signed-for-rewrite-url", "X-Rewrite-URL is the caller's", [SignedUrl(forged_path), forge("X-Rewrite-URL", "/forged")]),
        refuse("method-override", "HubSpot posts, and overrides nothing", [
            Method("GET"), SignedMethod("POST"), forge("X-HTTP-Method-Override", "POST")]),
        refuse("signature-in-query", "the signature is a header", [Query("X-HubSpot-Signature-v3=AAAA".into()), Without(v3)]),
    ]
}
