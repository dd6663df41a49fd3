//! Bodies: whatever its bytes are, the signature is over them. And the media types in which they must not come.

use serde_json::Value;

use super::super::Case;
use super::super::delivery::Change::{Body, Chunked, Header};
use super::{accept, refuse};
use crate::account::Kind;
use crate::events::{EventShape, Source, Subscription};

/// The portal and the app that the kit's events name, so that nobody takes them for his own.
const TEST_ID: i64 = 999_999_999;

/// `[]` through gzip.
const GZIPPED: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\x8b\x8e\x05\0\x29\xbb\x4c\x0d\x02\0\0\0";

/// A change of a deal's property, as HubSpot tells it.
fn event(now_ms: i64, deal: i64, property: &str, value: &str) -> Value {
    let subscriptions = Subscription::finance();
    let (portal_id, app_id, user_id) = (TEST_ID, TEST_ID, TEST_ID);
    let source =
        Source { portal_id, app_id, shape: EventShape::Generic, subscriptions: &subscriptions, user_id, at_ms: now_ms };
    let told = source.changes(Kind::Deal, deal, &[(property.to_owned(), value.to_owned())]);
    told.first().expect("the finance subscriptions listen to it").to_json()
}

/// One event, as compact JSON.
pub(in super::super) fn plain(now_ms: i64) -> Vec<u8> {
    Value::Array(vec![event(now_ms, TEST_ID, "dealstage", "closedwon")]).to_string().into_bytes()
}

/// One event with one more field, which is written as given.
fn with(now_ms: i64, field: &[u8]) -> Vec<u8> {
    let mut body = plain(now_ms);
    body.truncate(body.len() - 2);
    [&body, &b","[..], field, b"}]"].concat()
}

#[rustfmt::skip]
pub(super) fn cases(now_ms: i64) -> Vec<Case> {
    let bytes = "the signature is over the bytes as they came";
    let text = || String::from_utf8(plain(now_ms)).expect("JSON is UTF-8");
    let with = |field: &str| Body(with(now_ms, field.as_bytes()));
    let of = |events: Vec<Value>| Body(Value::Array(events).to_string().into());
    let reversed = {
        let mut fields: Vec<String> = text()[2..].trim_end_matches("}]").split(',').map(str::to_owned).collect();
        fields.reverse();
        format!("[{{{}}}]", fields.join(","))
    };
    vec![
        accept("body-pretty-printed", bytes, [Body(text().replace(",\"", ",\r\n\t\"").into())]),
        accept("body-white-space-around", bytes, [Body(format!(" \r\n\t{} \n", text()).into())]),
        accept("body-newline-at-end", bytes, [Body(format!("{}\n", text()).into())]),
        accept("body-keys-in-other-order", bytes, [Body(reversed.into())]),
        accept("body-key-twice", bytes, [with(r#""value":1,"value":2"#)]),
        accept("body-decimal-1-0", "1.0 is not 1", [with(r#""value":1.0"#)]),
        accept("body-decimal-1-10", "1.10 is not 1.1", [with(r#""value":1.10"#)]),
        accept("body-number-1e3", "1e3 is not 1000", [with(r#""value":1e3"#)]),
        accept("body-number-1e400", "beyond every float", [with(r#""value":1e400"#)]),
        accept("body-number-minus-0", "-0 is not 0", [with(r#""value":-0"#)]),
        accept("body-id-beyond-2-53", "no double holds 9007199254740993", [with(r#""value":9007199254740993"#)]),
        accept("body-id-beyond-2-64", "no integer type holds it", [with(r#""value":123456789012345678901234567890"#)]),
        accept("body-escaped-unicode", r"\u00e9 is not é", [with(r#""text":"caf\u00e9""#)]),
        accept("body-escaped-slash", r"\/ is not /", [with(r#""text":"a\/b""#)]),
        accept("body-half-surrogate", r"\ud800 is no character", [with(r#""text":"\ud800""#)]),
        accept("body-raw-utf8", "bytes, not characters", [with(r#""text":"café 你好""#)]),
        accept("body-emoji", "four bytes, two UTF-16 units", [with(r#""text":"🔔""#)]),
        accept("body-not-normalised", "e and an accent are not é", [with("\"text\":\"cafe\u{301}\"")]),
        accept("body-line-separator", "U+2028 may stand in JSON", [with("\"text\":\"\u{2028}\"")]),
        accept("body-percent", "a body is not URL-decoded", [with(r#""text":"100%25 %3A a+b""#)]),
        accept("body-html", "a body is not escaped", [with(r#""text":"<b>&amp;</b>""#)]),
        accept("body-bom", "a byte order mark is part of the bytes", [Body(format!("\u{feff}{}", text()).into())]),
        accept("body-zero-byte", "a zero byte ends nothing", [with("\"text\":\"a\0b\"")]),
        accept("body-not-utf8", bytes, [Body(self::with(now_ms, b"\"text\":\"\xff\xfe\""))]),
        // A right signature over nothing is still HubSpot's; whoever refuses it is only asked again, up to ten times.
        accept("body-empty", "v3 then covers no body, and is right", [Body(Vec::new())]),
        accept("body-empty-array", "up to 100 events can be none", [Body(b"[]".into())]),
        accept("body-of-100-events", "HubSpot's largest batch", [of((0..100).map(|deal| event(now_ms, TEST_ID + deal, "amount", "48200.10")).collect())]),
        accept("body-of-600-kb", "long property values come whole", [of(vec![event(now_ms, TEST_ID, "dealname", &"Harbour crane, ".repeat(40_000))])]),
        accept("body-chunked", "HTTP may bring it in chunks", [Chunked]),
    ]
}

#[rustfmt::skip]
pub(super) fn media_types() -> Vec<Case> {
    let form = || Body(b"portalId=999999999&subscriptionType=object.propertyChange&objectId=999999999".into());
    vec![
        accept("media-type-with-charset", "what many JSON clients send", [Header("Content-Type", b"application/json; charset=utf-8".into())]),
        accept("media-type-with-charset-caps", "parameters have no case here", [Header("Content-Type", b"application/json;charset=UTF-8".into())]),
        refuse("media-type-form", "HubSpot sends JSON only", [form(), Header("Content-Type", b"application/x-www-form-urlencoded".into())]),
        refuse("content-encoding-gzip", "HubSpot compresses nothing", [Body(GZIPPED.into()), Header("Content-Encoding", b"gzip".into())]),
    ]
}
