//! What the door admits and refuses, what its envelopes survive.

use hubspot_webhook::door::{
    CORRELATION_HEADER, Keys, Refusal, Request, SIGNATURE_HEADER, SIGNATURE_V3_HEADER, Seal, TIMESTAMP_HEADER,
    TargetUrlError, TargetUrls, admit, check,
};
use hubspot_webhook::envelope::{
    Envelope, EnvelopeError, MAX_BODY_BYTES, MAX_MESSAGE_BYTES, MatchedSecret, Unverified,
};
use hubspot_webhook::signature::{FRESHNESS_MS, Secret, SignatureVersion, sign_v1, sign_v2, sign_v3};
use proptest::prelude::*;

const NOW_MS: i64 = 1_795_000_000_000;
const NOW: &str = "1795000000000";
const URL: &str = "https://hooks.example.com/webhooks/hubspot";
const BODY: &[u8] = b"[{\"eventId\":1}]";

fn secret(text: &str) -> Secret {
    Secret::new(text).expect("tests sign with something")
}

fn keys(live: &[&str]) -> Keys {
    Keys::new(live.iter().map(|text| secret(text)).collect()).expect("tests have a secret")
}

fn urls(url: &str) -> TargetUrls {
    TargetUrls::new([url]).expect("tests have a URL")
}

/// A delivery that the table below changes in one place at a time.
#[derive(Clone)]
struct Sent {
    method: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
    queries: &'static [&'static str],
}

impl Sent {
    fn v3(key: &str, url: &str, body: &[u8], timestamp: &str) -> Self {
        let signature = sign_v3(&secret(key), "POST", url, body, timestamp);
        let headers = [(SIGNATURE_V3_HEADER, signature), (TIMESTAMP_HEADER, timestamp.to_owned())];
        Self::with(headers, body)
    }

    fn older(signature: String, version: &str) -> Self {
        Self::with([(SIGNATURE_HEADER, signature), ("X-HubSpot-Signature-Version", version.to_owned())], BODY)
    }

    fn with(headers: [(&'static str, String); 2], body: &[u8]) -> Self {
        let headers = headers.map(|(name, value)| (name, value.into_bytes())).into();
        Self { method: "POST".to_owned(), headers, body: body.to_owned(), queries: &[] }
    }

    fn header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.headers.retain(|(given, _)| *given != name);
        self.also(name, value)
    }

    fn also(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name, value.as_ref().to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(given, _)| *given != name);
        self
    }

    fn queries(self, queries: &'static [&'static str]) -> Self {
        Self { queries, ..self }
    }

    fn admit(&self, keys: &Keys, urls: &TargetUrls, now_ms: i64) -> Result<Envelope, Refusal> {
        let headers: Vec<(&str, &[u8])> = self.headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        let request = Request { method: &self.method, headers: &headers, body: &self.body, queries: self.queries };
        admit(&request, keys, urls, now_ms)
    }
}

/// Bytes that no compression makes fewer.
fn incompressible(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn genuine() -> Sent {
    Sent::v3("newest", URL, BODY, NOW)
}

#[test]
fn every_refusal_has_its_cause() {
    let at = |timestamp: i64| Sent::v3("newest", URL, BODY, &timestamp.to_string());
    let stamped = |timestamp: &str| Sent::v3("newest", URL, BODY, timestamp);
    let signature = |text: &str| genuine().header(SIGNATURE_V3_HEADER, text);
    let v1 = Sent::older(sign_v1(&secret("newest"), BODY), "v1");
    let wrong_body = Sent { body: b"[{\"eventId\":2}]".to_vec(), ..genuine() };
    let right = String::from_utf8(genuine().headers[0].1.clone()).unwrap();
    let cases = [
        (Sent { method: "GET".to_owned(), ..genuine() }, "method_not_post"),
        (Sent { method: "post".to_owned(), ..genuine() }, "method_not_post"),
        (genuine().queries(&["a=\u{ffff}"]), "query_not_ascii"),
        (genuine().queries(&["a=b c"]), "query_not_ascii"),
        (genuine().queries(&["a=b", "a=b\0"]), "query_not_ascii"),
        (genuine().without(SIGNATURE_V3_HEADER).without(TIMESTAMP_HEADER), "signature_missing"),
        (genuine().without(SIGNATURE_V3_HEADER), "signature_missing"),
        (genuine().without(TIMESTAMP_HEADER), "timestamp_missing"),
        (v1.clone(), "older_signature_only"),
        (genuine().also("x-hubspot-signature-V3", &right), "header_doubled"),
        (genuine().also("x-hubspot-request-timestamp", NOW), "header_doubled"),
        (v1.also(SIGNATURE_HEADER, "0"), "header_doubled"),
        (signature("é"), "header_not_ascii"),
        (genuine().header(TIMESTAMP_HEADER, [b'1', 0xff]), "header_not_ascii"),
        (signature(""), "signature_malformed"),
        (signature(right.trim_end_matches('=')), "signature_malformed"),
        (signature(&format!("{right}{right}")), "signature_malformed"),
        (signature("AAAA"), "signature_malformed"),
        (signature(&sign_v1(&secret("newest"), BODY)), "signature_malformed"),
        (stamped(""), "timestamp_malformed"),
        (stamped("abc"), "timestamp_malformed"),
        (stamped("-1795000000000"), "timestamp_malformed"),
        (stamped("+1795000000000"), "timestamp_malformed"),
        (stamped("1795000000000.0"), "timestamp_malformed"),
        (stamped("0001795000000000"), "timestamp_malformed"),
        (stamped("99999999999999999999"), "timestamp_malformed"),
        (stamped("1795000000"), "timestamp_too_old"),
        (at(NOW_MS - FRESHNESS_MS - 1), "timestamp_too_old"),
        (at(NOW_MS + FRESHNESS_MS + 1), "timestamp_too_far_ahead"),
        (stamped("999999999999999"), "timestamp_too_far_ahead"),
        (wrong_body, "signature_mismatch"),
        (Sent::v3("stranger", URL, BODY, NOW), "signature_mismatch"),
        (Sent::v3("newest", "https://hooks.example.com/webhooks/hubspot/", BODY, NOW), "signature_mismatch"),
        (Sent::v3("newest", "http://hooks.example.com/webhooks/hubspot", BODY, NOW), "signature_mismatch"),
        (genuine().header(TIMESTAMP_HEADER, "1795000000001"), "signature_mismatch"),
        (genuine().queries(&["added=1"]), "signature_mismatch"),
        (genuine().queries(&["added=1", ""]), "signature_mismatch"),
        (Sent::v3("newest", URL, &incompressible(MAX_MESSAGE_BYTES * 3 / 4), NOW), "too_large"),
        (Sent::v3("newest", URL, &vec![b'x'; MAX_BODY_BYTES + 1], NOW), "too_large"),
        (genuine().header("Content-Type", "application/x-www-form-urlencoded"), "media_type"),
        (genuine().header("Content-Type", "text/plain"), "media_type"),
        (genuine().header("Content-Type", ""), "media_type"),
        (genuine().header("Content-Type", "json"), "media_type"),
        (genuine().header("content-type", "application/json").also("Content-Type", "text/html"), "media_type"),
        (genuine().header("content-encoding", "gzip"), "media_type"),
    ];
    for (number, (sent, reason)) in cases.iter().enumerate() {
        let refusal = sent.admit(&keys(&["newest", "older"]), &urls(URL), NOW_MS).expect_err(reason);
        assert_eq!(refusal.reason(), *reason, "case {number}");
        let status = match *reason {
            "method_not_post" => 405,
            "too_large" => 413,
            "media_type" => 415,
            _ => 401,
        };
        assert_eq!(refusal.status(), status);
    }
    for timestamp in [NOW_MS - FRESHNESS_MS, NOW_MS + FRESHNESS_MS] {
        assert!(at(timestamp).admit(&keys(&["newest"]), &urls(URL), NOW_MS).is_ok());
    }
    for extreme in [i64::MIN, i64::MAX] {
        assert!(genuine().admit(&keys(&["newest"]), &urls(URL), extreme).is_err());
    }
}

#[test]
fn the_secret_and_the_url_that_matched_are_known() {
    let keys = keys(&["newest", "older", "third"]).with_retired(vec![secret("retired")]);
    let urls: TargetUrls = format!("https://old.example.com/in, {URL}").parse().unwrap();
    for (key, matched) in
        [("newest", MatchedSecret::Newest), ("older", MatchedSecret::Older), ("third", MatchedSecret::Older)]
    {
        for url in ["https://old.example.com/in", URL] {
            let envelope = Sent::v3(key, url, BODY, NOW).admit(&keys, &urls, NOW_MS).unwrap();
            assert_eq!((envelope.matched_secret(), envelope.url()), (matched, url));
        }
    }
    // A v1 signature covers no URL, so every one matches; then the first counts.
    let v1 = Sent::older(sign_v1(&secret("older"), BODY), "v1");
    let envelope = v1.admit(&keys.clone().with_versions(&[SignatureVersion::V1]), &urls, NOW_MS).unwrap();
    assert_eq!((envelope.matched_secret(), envelope.url()), (MatchedSecret::Older, "https://old.example.com/in"));
    let retired = Sent::v3("retired", URL, BODY, NOW);
    assert_eq!(retired.admit(&keys, &urls, NOW_MS), Err(Refusal::SignatureMismatch));
}

#[test]
fn a_query_that_was_not_configured_is_part_of_the_signed_url() {
    let keys = keys(&["newest"]);
    let called = format!("{URL}?a=1&b=%3A");
    let sent = Sent::v3("newest", &called, BODY, NOW).queries(&["a=1&b=%3A"]);
    assert_eq!(sent.admit(&keys, &urls(URL), NOW_MS).unwrap().url(), called);
    assert_eq!(sent.admit(&keys, &urls(&called), NOW_MS).unwrap().url(), called);
    assert_eq!(sent.queries(&["b=%3A&a=1"]).admit(&keys, &urls(URL), NOW_MS), Err(Refusal::SignatureMismatch));
    let bare = format!("{URL}?");
    assert!(Sent::v3("newest", &bare, BODY, NOW).queries(&[""]).admit(&keys, &urls(URL), NOW_MS).is_ok());
}

#[test]
fn of_several_spellings_of_the_query_the_signed_one_counts() {
    let keys = keys(&["newest", "older"]);
    let both = TargetUrls::new([URL, "https://old.example.com/in", "https://old.example.com/in?fixed=1"]).unwrap();
    for query in ["a=1&b=2", "b=2&a=1"] {
        for url in [URL, "https://old.example.com/in"] {
            let called = format!("{url}?{query}");
            let sent = Sent::v3("older", &called, BODY, NOW).queries(&["a=1&b=2", "b=2&a=1"]);
            let envelope = sent.admit(&keys, &both, NOW_MS).unwrap();
            assert_eq!((envelope.url(), envelope.matched_secret()), (called.as_str(), MatchedSecret::Older));
        }
    }
    let fixed = Sent::v3("newest", "https://old.example.com/in?fixed=1", BODY, NOW).queries(&["a=1", "b=2"]);
    assert_eq!(fixed.admit(&keys, &both, NOW_MS).unwrap().url(), "https://old.example.com/in?fixed=1");
    let none = Sent::v3("newest", URL, BODY, NOW).queries(&["a=1&b=2", "b=2&a=1"]);
    assert_eq!(none.admit(&keys, &both, NOW_MS), Err(Refusal::SignatureMismatch));
}

#[test]
fn v3_decodes_the_escapes_of_hubspots_table() {
    let (configured, decoded) = ("https://x.example/a%2fb%3F?c=%253A%20", "https://x.example/a/b??c=%253A%20");
    assert!(Sent::v3("newest", decoded, BODY, NOW).admit(&keys(&["newest"]), &urls(configured), NOW_MS).is_ok());
    let v2 = Sent::older(sign_v2(&secret("newest"), "POST", decoded, BODY), "v2");
    let keys = keys(&["newest"]).with_versions(&[SignatureVersion::V2]);
    assert_eq!(v2.admit(&keys, &urls(configured), NOW_MS), Err(Refusal::SignatureMismatch));
}

#[test]
fn older_versions_count_where_they_are_switched_on_and_v3_did_not_come() {
    use SignatureVersion::{V1, V2, V3};
    let v1 = sign_v1(&secret("newest"), BODY);
    let v2 = sign_v2(&secret("newest"), "POST", URL, BODY);
    let admit = |sent: Sent, versions: &[SignatureVersion]| {
        let keys = keys(&["newest"]).with_versions(versions);
        sent.admit(&keys, &urls(URL), NOW_MS).map(|envelope| envelope.signature_version())
    };
    // The version header says the wrong thing each time.
    assert_eq!(admit(Sent::older(v1.clone(), "v3"), &[V1]), Ok(V1));
    assert_eq!(admit(Sent::older(v2.clone(), "v1"), &[V2]), Ok(V2));
    assert_eq!(admit(Sent::older(v1.clone(), "v2"), &[V3, V2, V1]), Ok(V1));
    assert_eq!(admit(Sent::older(v1.clone(), "v1"), &[V2, V3]), Err(Refusal::SignatureMismatch));
    assert_eq!(admit(Sent::older(v2, "v2"), &[V1]), Err(Refusal::SignatureMismatch));
    assert_eq!(admit(Sent::older(v1.to_uppercase(), "v1"), &[V1]), Err(Refusal::SignatureMalformed));
    assert_eq!(admit(Sent::older(v1.clone(), "v1"), &[V3]), Err(Refusal::OlderSignatureOnly));
    assert_eq!(admit(genuine().also(SIGNATURE_HEADER, "nonsense"), &[V1]), Ok(V3));
    // No way down from a v3 signature that is wrong, stale or incomplete.
    let both = |sent: Sent| sent.also(SIGNATURE_HEADER, &v1);
    let stale = Sent::v3("newest", URL, BODY, "1794999000000");
    assert_eq!(admit(both(stale), &[V1]), Err(Refusal::TimestampTooOld { age_ms: 1_000_000 }));
    assert_eq!(admit(both(Sent::v3("stranger", URL, BODY, NOW)), &[V1]), Err(Refusal::SignatureMismatch));
    assert_eq!(admit(both(genuine().without(TIMESTAMP_HEADER)), &[V1]), Err(Refusal::TimestampMissing));
    assert_eq!(admit(both(genuine().without(SIGNATURE_V3_HEADER)), &[V1]), Err(Refusal::SignatureMissing));
}

#[test]
fn what_is_not_verified_is_not_parsed() {
    for source in [include_str!("../src/door.rs"), include_str!("../src/signature.rs")] {
        assert!(!source.contains("serde"));
    }
}

#[test]
fn debug_texts_hold_no_body() {
    let envelope = genuine().admit(&keys(&["newest"]), &urls(URL), NOW_MS).unwrap();
    let text = format!("{envelope:?}");
    assert!(text.contains("of 15 bytes") && !text.contains("eventId") && !text.contains("91, 123"), "{text}");
}

#[test]
fn ids_are_kept_where_they_are_some() {
    let envelope = |sent: Sent| sent.admit(&keys(&["newest"]), &urls(URL), NOW_MS).unwrap();
    let correlation = |sent: Sent| envelope(sent).correlation_id().map(str::to_owned);
    assert_eq!(correlation(genuine()), None);
    assert_eq!(correlation(genuine().also("x-hubspot-correlation-id", "0f5c-77")), Some("0f5c-77".to_owned()));
    assert_eq!(correlation(genuine().also(CORRELATION_HEADER, "a").also(CORRELATION_HEADER, "b")), None);
    assert_eq!(correlation(genuine().also(CORRELATION_HEADER, "x".repeat(257))), None);
    assert_eq!(correlation(genuine().also(CORRELATION_HEADER, "\u{ffff}\n")), None);

    let (aws, w3c) =
        ("Root=1-6921f0aa-1a2b3c4d5e6f708192a3b4c5", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let traced = envelope(genuine().also("traceparent", w3c));
    assert_eq!(traced.trace_id(), Some(w3c));
    let traced = envelope(genuine().also("traceparent", w3c).also("x-amzn-trace-id", aws));
    assert_eq!(traced.trace_id(), Some(aws));
    let behind_the_queue = Unverified::decode(&traced.encode()).unwrap().verify(&keys(&["newest"])).unwrap();
    assert_eq!(behind_the_queue.trace_id(), Some(aws));
}

#[test]
fn json_by_any_name_is_admitted() {
    for json in
        ["application/json", "Application/JSON; charset=utf-8", "application/vnd.hubspot+JSON", " application/json ;x"]
    {
        let sent = genuine().also("content-type", json).also("Content-Encoding", "Identity");
        assert!(sent.admit(&keys(&["newest"]), &urls(URL), NOW_MS).is_ok(), "{json}");
    }
}

#[test]
fn a_check_judges_a_body_of_any_size() {
    let sent = Sent::v3("newest", URL, &incompressible(MAX_MESSAGE_BYTES), NOW);
    let (keys, urls) = (keys(&["next", "newest"]), urls(URL));
    let headers: Vec<(&str, &[u8])> = sent.headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
    let request = Request { method: "POST", headers: &headers, body: &sent.body, queries: &[] };
    let seal = Seal { version: SignatureVersion::V3, secret: MatchedSecret::Older };
    assert_eq!(check(&request, &keys, &urls, NOW_MS), Ok(seal));
    assert_eq!(check(&Request { method: "GET", ..request }, &keys, &urls, NOW_MS), Err(Refusal::MethodNotPost));
}

#[test]
fn the_largest_message_just_fits() {
    let length = |body: usize, correlation: usize| {
        let sent =
            Sent::v3("newest", URL, &incompressible(body), NOW).also(CORRELATION_HEADER, "c".repeat(correlation));
        sent.admit(&keys(&["newest"]), &urls(URL), NOW_MS).map(|envelope| envelope.encode().len())
    };
    // Base64 grows by four, so the correlation id fills up to the last byte.
    let filler = 4 + (MAX_MESSAGE_BYTES - length(1_024, 4).unwrap()) % 4;
    let body = 1_024 + (MAX_MESSAGE_BYTES - length(1_024, filler).unwrap()) / 4 * 3;
    assert_eq!(length(body, filler), Ok(MAX_MESSAGE_BYTES));
    let (bytes, limit) = (MAX_MESSAGE_BYTES + 1, MAX_MESSAGE_BYTES);
    assert_eq!(length(body, filler + 1), Err(Refusal::TooLarge { bytes, limit }));
}

#[test]
fn a_secret_that_was_retired_since_still_verifies() {
    let message = genuine().admit(&keys(&["newest"]), &urls(URL), NOW_MS).unwrap().encode();
    let verify = |keys: &Keys| Unverified::decode(&message).unwrap().verify(keys).map(|it| it.matched_secret());
    assert_eq!(verify(&keys(&["newest"])), Ok(MatchedSecret::Newest));
    assert_eq!(verify(&keys(&["next", "newest"])), Ok(MatchedSecret::Older));
    assert_eq!(verify(&keys(&["next"]).with_retired(vec![secret("newest")])), Ok(MatchedSecret::Retired));
    assert_eq!(verify(&keys(&["next"])), Err(Refusal::SignatureMismatch));
    let later = message.replace("\"received_at_ms\":1795000000000", "\"received_at_ms\":1795000300001");
    let refusal = Unverified::decode(&later).unwrap().verify(&keys(&["newest"])).unwrap_err();
    assert_eq!(refusal, Refusal::TimestampTooOld { age_ms: 300_001 });
}

#[test]
fn after_a_rotation_the_secrets_before_it_open_no_door_and_still_verify_what_they_admitted() {
    let message = genuine().admit(&keys(&["newest"]), &urls(URL), NOW_MS).unwrap().encode();
    let before = keys(&["newest", "older"]).with_retired(vec![secret("retired")]);
    let once = before.rotated(vec![secret("next"), secret("newest")]).unwrap();
    assert!(genuine().admit(&once, &urls(URL), NOW_MS).is_ok(), "it is still listed");
    let twice = once.rotated(vec![secret("next")]).unwrap().and_retired(vec![secret("ancient")]);
    assert_eq!(genuine().admit(&twice, &urls(URL), NOW_MS), Err(Refusal::SignatureMismatch));
    let verified = Unverified::decode(&message).unwrap().verify(&twice).unwrap();
    assert_eq!(verified.matched_secret(), MatchedSecret::Retired);
    assert!(twice.rotated(vec![]).is_err());

    let by = |key| Sent::older(sign_v1(&secret(key), BODY), "v1");
    let all = keys(&["next", "newest", "older", "retired", "ancient"]).with_versions(&[SignatureVersion::V1]);
    for key in ["next", "newest", "older", "retired", "ancient"] {
        let message = by(key).admit(&all, &urls(URL), NOW_MS).unwrap().encode();
        let twice = twice.clone().with_versions(&[SignatureVersion::V1]);
        assert!(Unverified::decode(&message).unwrap().verify(&twice).is_ok(), "{key}");
        let rotated = twice.rotated(vec![secret("another")]).unwrap();
        assert!(Unverified::decode(&message).unwrap().verify(&rotated).is_ok(), "the versions stay: {key}");
    }
}

#[test]
fn the_id_tells_attempts_apart_and_copies_not() {
    let id = |sent: Sent, now_ms| sent.admit(&keys(&["newest"]), &urls(URL), now_ms).unwrap().id();
    let first = id(genuine(), NOW_MS);
    assert_eq!(first.len(), 64);
    assert_eq!(first, id(genuine(), NOW_MS));
    assert_ne!(first, id(genuine(), NOW_MS + 1));
    assert_ne!(first, id(Sent::v3("newest", URL, BODY, "1795000000001"), NOW_MS));
}

/// Messages of this version wait in queues; this file must be read for ever.
#[test]
fn the_golden_message_is_read() {
    let golden = include_str!("../../../tests/payloads/envelope_v1.json").trim_end();
    let envelope = Unverified::decode(golden).unwrap().verify(&keys(&["golden-secret"])).unwrap();
    assert_eq!(envelope.encode(), golden);
    assert_eq!(envelope.id(), "3e1ebc1494e2cf51e95de4a7e4035e0eaa66d651b2a91d26c6b9a5dd378dc67c");
    assert_eq!((envelope.received_at_ms(), envelope.method()), (1_795_001_402_000, "POST"));
    assert_eq!(envelope.url(), "https://hooks.example.com/webhooks/hubspot?tenant=7");
    let signature = (SIGNATURE_V3_HEADER, "ZGmJII7pm7uTStPfKPtgFcucHiNBcxPPUJDjeCWpSeM=");
    assert_eq!(envelope.signature_headers(), [signature, (TIMESTAMP_HEADER, "1795001401500")]);
    assert_eq!(envelope.correlation_id(), Some("0198f3c1-6b7e-7d54-9c3f-2a4b8d1e0f77"));
    let body = str::from_utf8(envelope.body()).unwrap();
    assert!(body.starts_with("[{\"eventId\":3181526801,") && body.ends_with("\"Grün & Söhne 🎉\"}]\n"));
}

#[test]
fn the_golden_compressed_message_is_read() {
    let golden = include_str!("../../../tests/payloads/envelope_v1_gzip.json").trim_end();
    let envelope = Unverified::decode(golden).unwrap().verify(&keys(&["golden-secret"])).unwrap();
    assert_eq!(envelope.body().len(), 1591);
    assert_eq!(envelope.trace_id(), Some("Root=1-6921f0aa-1a2b3c4d5e6f708192a3b4c5"));
    let again = Unverified::decode(&envelope.encode()).unwrap().verify(&keys(&["golden-secret"]));
    assert_eq!(again, Ok(envelope));
}

#[test]
fn messages_that_are_no_envelope_are_named() {
    use EnvelopeError::{
        BodyNotBase64, BodyNotGzip, Missing, NoSignature, NotAnObject, UnknownBodyEncoding, UnknownVersion, WrongType,
    };
    let whole = genuine().admit(&keys(&["newest"]), &urls(URL), NOW_MS).unwrap().encode();
    let changed = |from: &str, to: &str| {
        assert!(whole.contains(from), "{from}");
        Unverified::decode(&whole.replace(from, to)).unwrap_err()
    };
    for text in ["", "null", "[]", "{", &whole[1..], &whole[..whole.len() - 1]] {
        assert_eq!(Unverified::decode(text).unwrap_err(), NotAnObject);
    }
    assert_eq!(changed("\"V1\"", "\"V2\""), UnknownVersion);
    assert_eq!(changed("\"base64\"", "\"zstd+base64\""), UnknownBodyEncoding);
    assert_eq!(changed("\"base64\"", "\"gzip+base64\""), BodyNotGzip);
    assert_eq!(changed("\"body\":\"", "\"body\":\"*"), BodyNotBase64);
    assert_eq!(changed("\"timestamp\"", "\"other\""), NoSignature);
    assert_eq!(changed("\"signature_v3\"", "\"signature\""), NoSignature);
    for name in ["envelope", "received_at_ms", "method", "url", "body_encoding", "body"] {
        assert_eq!(changed(&format!("\"{name}\":"), "\"other\":"), Missing(name));
        assert_eq!(changed(&format!("\"{name}\":"), &format!("\"{name}\":[],\"other\":")), WrongType(name));
    }
    assert!(Unverified::decode(&whole.replace("{\"envelope\"", "{\"added\":1,\"envelope\"")).is_ok());
}

#[test]
fn configurations_that_would_open_the_door_are_refused() {
    assert!(Keys::new(vec![]).is_err());
    assert_eq!(TargetUrls::new(Vec::<String>::new()), Err(TargetUrlError::None));
    assert_eq!(" , ".parse::<TargetUrls>(), Err(TargetUrlError::None));
    for url in ["", "hooks.example.com", "ftp://x.example", "https://", "https:///path", "HTTPS://x.example"] {
        assert_eq!(TargetUrls::new([url]), Err(TargetUrlError::NoHost(url.to_owned())));
    }
    for url in ["https://x.example/ä", "https://x.example/a b", "https://x.example/#a"] {
        assert_eq!(TargetUrls::new([url]), Err(TargetUrlError::Character(url.to_owned())));
    }
}

/// URLs without the twelve escapes, of which some differ in one bit and are still the same.
fn any_url() -> impl Strategy<Value = String> {
    "https?://[a-z0-9.:-]{1,20}(/[a-zA-Z0-9_~+-]{0,8}){0,4}(\\?[a-z0-9=&+:,;!$*()'@/?-]{0,20})?"
}

fn allowed_by_sqs(message: &str) -> bool {
    message.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..))
}

proptest! {
    #[test]
    fn what_is_signed_is_admitted_and_survives_the_queue(
        body: Vec<u8>, url in any_url(), key in ".{1,80}", now_ms in 0..1_000_000_000_000_000i64,
        age_ms in -FRESHNESS_MS..=FRESHNESS_MS, version in 1..=3, correlation in ".{0,20}",
    ) {
        let version: SignatureVersion = format!("v{version}").parse().unwrap();
        let signer = secret(&key);
        let timestamp = now_ms.saturating_sub(age_ms).clamp(0, 999_999_999_999_999).to_string();
        let sent = match version {
            SignatureVersion::V1 => Sent::older(sign_v1(&signer, &body), "v1"),
            SignatureVersion::V2 => Sent::older(sign_v2(&signer, "POST", &url, &body), "v2"),
            SignatureVersion::V3 => Sent::v3(&key, &url, &body, &timestamp),
        };
        let sent = Sent { body: body.clone(), ..sent }.also(CORRELATION_HEADER, &correlation);
        let keys = keys(&[&key]).with_versions(&[version]);
        let envelope = sent.admit(&keys, &urls(&url), now_ms).unwrap();
        prop_assert_eq!((envelope.body(), envelope.signature_version()), (body.as_slice(), version));
        let message = envelope.encode();
        prop_assert!(allowed_by_sqs(&message));
        prop_assert_eq!(Unverified::decode(&message).unwrap().verify(&keys).unwrap(), envelope);
    }

    #[test]
    fn one_flipped_bit_is_always_refused(
        body in prop::collection::vec(any::<u8>(), 1..200), url in any_url(), part in 0..5, place: prop::sample::Index,
        bit in 0..8u32,
    ) {
        let flip = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            *place.get_mut(&mut bytes) ^= 1u8 << bit;
            bytes
        };
        let mut sent = Sent::v3("newest", &url, &body, NOW);
        let mut target = url.clone();
        match part {
            0 => sent.body = flip(&body),
            1 => sent.headers[0].1 = flip(&sent.headers[0].1),
            2 => sent.headers[1].1 = flip(NOW.as_bytes()),
            3 => sent.method = String::from_utf8_lossy(&flip(b"POST")).into_owned(),
            _ => target = String::from_utf8_lossy(&flip(url.as_bytes())).into_owned(),
        }
        // A flipped URL that is none cannot even be configured.
        if let Ok(target) = TargetUrls::new([target]) {
            prop_assert!(sent.admit(&keys(&["newest"]), &target, NOW_MS).is_err());
        }
    }

    #[test]
    fn no_message_and_no_request_makes_it_panic(
        message: String, method: String, body: Vec<u8>, value: Vec<u8>, stamp: Vec<u8>, queries: Vec<String>, now_ms: i64,
    ) {
        prop_assert!(Unverified::decode(&message).is_err());
        let headers: [(&str, &[u8]); 2] = [(SIGNATURE_V3_HEADER, &value), (TIMESTAMP_HEADER, &stamp)];
        let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
        for method in [method.as_str(), "POST"] {
            let request = Request { method, headers: &headers, body: &body, queries: &queries };
            prop_assert!(admit(&request, &keys(&["newest"]), &urls(URL), now_ms).is_err());
        }
    }
}
