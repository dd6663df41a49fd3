//! Which signature counts, and everything that can be done to it and to what it covers.

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
use hubspot_webhook::door::{SIGNATURE_HEADER, SIGNATURE_V3_HEADER, TIMESTAMP_HEADER};

use super::super::Case;
use super::super::delivery::Change::{Header, Renamed, Rewrite, SentBody, SignedWith, Stamp, V1, V2, Without};
use super::super::delivery::VERSION_HEADER;
use super::timestamp::{LONG_AGO, TOO_OLD};
use super::{accept, refuse};

/// The alphabet of base64 (RFC 4648, 4).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What a v3 signature is the text of.
fn bytes(signature: &str) -> Vec<u8> {
    BASE64.decode(signature.as_bytes()).expect("a right signature is base64")
}

/// A v3 signature with one character replaced by the one `steps` further in the alphabet.
fn turned(signature: &str, at: usize, steps: usize) -> Vec<u8> {
    let mut text = signature.as_bytes().to_vec();
    let place = ALPHABET.iter().position(|letter| *letter == text[at]).expect("it is no padding");
    text[at] = ALPHABET[(place + steps) % 64];
    text
}

/// The first characters of a signature, and `A`s up to its length.
fn prefix(signature: &str, length: usize) -> Vec<u8> {
    format!("{:A<43}=", &signature[..length]).into_bytes()
}

#[rustfmt::skip]
pub(super) fn versions() -> Vec<Case> {
    let v3 = SIGNATURE_V3_HEADER;
    let wrong_v3 = || Rewrite(v3, |right| turned(right, 20, 1));
    vec![
        accept("v3-alone", "v3 is all that is needed", []),
        accept("v3-beside-v1", "what webhook subscriptions send", [V1]),
        accept("v3-beside-v2", "what workflow actions send", [V2]),
        accept("v3-beside-v2-called-v1", "the version header does not announce v3", [V2, Header(VERSION_HEADER, b"v1".into())]),
        accept("v3-beside-v1-called-v2", "the version header does not announce v3", [V1, Header(VERSION_HEADER, b"v2".into())]),
        accept("v3-called-v1-without-v1", "the version header must not choose the check", [Header(VERSION_HEADER, b"v1".into())]),
        accept("v3-beside-v1-called-nothing", "the version header must not choose the check", [V1, Without(VERSION_HEADER)]),
        accept("v3-called-v9", "an unknown version must not matter to v3", [V1, Header(VERSION_HEADER, b"v9".into())]),
        accept("v3-beside-garbage-v1", "right v3 settles it", [V1, Header(SIGNATURE_HEADER, b"garbage".into())]),
        accept("v3-beside-empty-v1", "right v3 settles it", [V1, Header(SIGNATURE_HEADER, Vec::new())]),
        refuse("v1-alone", "v1 covers no time: anybody can replay it", [V1, Without(v3), Without(TIMESTAMP_HEADER)]),
        refuse("v2-alone", "v2 covers no time: anybody can replay it", [V2, Without(v3), Without(TIMESTAMP_HEADER)]),
        refuse("v1-with-timestamp", "v1 does not cover the timestamp beside it", [V1, Without(v3)]),
        refuse("v2-with-timestamp", "v2 does not cover the timestamp beside it", [V2, Without(v3)]),
        refuse("v1-beside-wrong-v3", "no falling back to v1", [V1, wrong_v3()]),
        refuse("v2-beside-wrong-v3", "no falling back to v2", [V2, wrong_v3()]),
        refuse("v1-beside-empty-v3", "no falling back to v1", [V1, Header(v3, Vec::new())]),
        refuse("v1-beside-stale-v3", "no falling back when v3 is too old", [V1, Stamp(TOO_OLD)]),
        refuse("v2-beside-stale-v3", "no falling back when v3 is too old", [V2, Stamp(LONG_AGO)]),
        refuse("v1-beside-v3-no-timestamp", "no falling back when v3 has no time", [V1, Without(TIMESTAMP_HEADER)]),
        refuse("v3-value-in-v1-header", "that header carries v1 or v2", [
            Renamed(v3, SIGNATURE_HEADER), Header(VERSION_HEADER, b"v3".into())]),
        refuse("v3-as-hex", "v3 is base64", [Rewrite(v3, |right| HEXLOWER.encode(&bytes(right)).into())]),
        refuse("v3-as-upper-case-hex", "v3 is base64", [Rewrite(v3, |right| HEXUPPER.encode(&bytes(right)).into())]),
        refuse("v3-as-base64url", "v3 is standard base64, with + and /", [Rewrite(v3, |right| BASE64URL.encode(&bytes(right)).into())]),
        refuse("v3-without-padding", "v3 has 44 characters", [Rewrite(v3, |right| right[..43].into())]),
        refuse("v3-as-raw-text-of-base64", "v3 is encoded once", [Rewrite(v3, |right| BASE64.encode(right.as_bytes()).into())]),
        refuse("v3-with-prefix", "nothing stands before v3", [Rewrite(v3, |right| format!("sha256={right}").into())]),
    ]
}

#[rustfmt::skip]
pub(super) fn tampering() -> Vec<Case> {
    let v3 = SIGNATURE_V3_HEADER;
    let mut cases = vec![
        refuse("tampered-body-one-bit", "the signature covers every bit", [SentBody(|mut body| { let middle = body.len() / 2; body[middle] ^= 1; body })]),
        refuse("tampered-body-last-bit", "the signature covers the last byte", [SentBody(|mut body| { *body.last_mut().expect("a body") ^= 1; body })]),
        refuse("tampered-body-blank-appended", "the same JSON is another body", [SentBody(|body| [&body[..], b" "].concat())]),
        refuse("tampered-body-newline-appended", "the same JSON is another body", [SentBody(|body| [&body[..], b"\n"].concat())]),
        refuse("tampered-body-blank-before", "the same JSON is another body", [SentBody(|body| [b" ", &body[..]].concat())]),
        refuse("tampered-body-bom-before", "the same JSON is another body", [SentBody(|body| [b"\xef\xbb\xbf", &body[..]].concat())]),
        refuse("tampered-body-truncated", "the signature covers all of it", [SentBody(|mut body| { body.pop(); body })]),
        refuse("tampered-body-removed", "the signature covers all of it", [SentBody(|_| Vec::new())]),
        refuse("tampered-body-of-another", "a signature is good for one body", [SentBody(|body| {
            String::from_utf8_lossy(&body).replace("closedwon", "closedlost").into_bytes() })]),
        refuse("tampered-body-pretty-printed", "the same JSON is another body", [SentBody(|body| {
            String::from_utf8_lossy(&body).replace(",\"", ", \"").into_bytes() })]),

        refuse("signature-last-char", "every character counts", [Rewrite(v3, |right| turned(right, 42, 4))]),
        refuse("signature-first-char", "every character counts", [Rewrite(v3, |right| turned(right, 0, 1))]),
        refuse("signature-middle-char", "every character counts", [Rewrite(v3, |right| turned(right, 21, 1))]),
        refuse("signature-padding-char", "every character counts", [Rewrite(v3, |right| format!("{}A", &right[..43]).into())]),
        refuse("signature-spare-bits", "only one text stands for 32 bytes", [Rewrite(v3, |right| turned(right, 42, 1))]),
        refuse("signature-lengthened", "44 characters, no more", [Rewrite(v3, |right| format!("{right}A").into())]),
        refuse("signature-padded-more", "44 characters, no more", [Rewrite(v3, |right| format!("{right}==").into())]),
        refuse("signature-twice-in-one", "44 characters, no more", [Rewrite(v3, |right| right.repeat(2).into())]),
        refuse("signature-right-comma-wrong", "one signature, no list", [Rewrite(v3, |right| format!("{right}, {}", "A".repeat(44)).into())]),
        refuse("signature-wrong-comma-right", "one signature, no list", [Rewrite(v3, |right| format!("{}, {right}", "A".repeat(44)).into())]),
        refuse("signature-swapped-case", "base64 tells cases apart", [Rewrite(v3, |right| {
            right.bytes().map(|byte| if byte.is_ascii_alphabetic() { byte ^ 0x20 } else { byte }).collect() })]),
        refuse("signature-all-a", "32 zero bytes are no signature", [Header(v3, prefix("", 0))]),
        refuse("signature-null", "a word is no signature", [Header(v3, b"null".into())]),
        refuse("signature-star", "a wildcard is no signature", [Header(v3, b"*".into())]),
        refuse("signature-huge", "4,000 characters are no signature", [Header(v3, vec![b'A'; 4_000])]),

        refuse("secret-wrong", "somebody else's secret", [SignedWith(|_| "a-secret-of-somebody-else".into())]),
        refuse("secret-with-newline", "the secret, and nothing after it", [SignedWith(|secret| format!("{secret}\n"))]),
        refuse("secret-with-blank", "the secret, and nothing before it", [SignedWith(|secret| format!(" {secret}"))]),
        // HMAC fills a short key with zero bytes (RFC 2104), so a zero byte and nothing are the same key.
        refuse("secret-empty", "an empty secret opens nothing", [SignedWith(|_| "\0".into())]),
        refuse("secret-undefined", "an unset secret opens nothing", [SignedWith(|_| "undefined".into())]),
        refuse("tampered-timestamp-one-ms-later", "the signature covers the timestamp", [Rewrite(TIMESTAMP_HEADER, |stamp| {
            (stamp.parse::<i64>().expect("digits") + 1).to_string().into() })]),
        refuse("tampered-timestamp-zero-before", "the timestamp is hashed as text", [Rewrite(TIMESTAMP_HEADER, |stamp| format!("0{stamp}").into())]),
        refuse("tampered-timestamp-renewed", "a stale delivery cannot be dated anew", [Stamp(TOO_OLD), Rewrite(TIMESTAMP_HEADER, |stamp| {
            (stamp.parse::<i64>().expect("digits") + 310_000).to_string().into() })]),
    ];
    // A function pointer holds no length, so each length is written out.
    let cuts = [
        (1, Rewrite(v3, |right| right[..1].into())),
        (10, Rewrite(v3, |right| right[..10].into())),
        (42, Rewrite(v3, |right| right[..42].into())),
    ];
    let prefixes = [
        (1, Rewrite(v3, |right| prefix(right, 1))),
        (8, Rewrite(v3, |right| prefix(right, 8))),
        (16, Rewrite(v3, |right| prefix(right, 16))),
        (32, Rewrite(v3, |right| prefix(right, 32))),
        (42, Rewrite(v3, |right| prefix(right, 42))),
    ];
    let padded = [
        (2, Rewrite(v3, |right| format!("{}==", &right[..2]).into())),
        (10, Rewrite(v3, |right| format!("{}==", &right[..10]).into())),
    ];
    let beginning = "a right beginning is no signature";
    cases.extend(cuts.map(|(length, cut)| refuse(format!("signature-cut-to-{length}"), beginning, [cut])));
    cases.extend(prefixes.map(|(length, cut)| refuse(format!("signature-prefix-of-{length}"), beginning, [cut])));
    cases.extend(padded.map(|(length, cut)| refuse(format!("signature-prefix-{length}-padded"), beginning, [cut])));
    cases
}
