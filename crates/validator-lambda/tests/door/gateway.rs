//! Every shape of gateway event: the URL that HubSpot called is found in it, and nothing that the caller wrote changes it.

use std::collections::BTreeSet;

use data_encoding::BASE64;
use hubspot_webhook::door::{Keys, SIGNATURE_V3_HEADER, TIMESTAMP_HEADER};
use hubspot_webhook::envelope::{Envelope, Unverified};
use hubspot_webhook::signature::{Secret, sign_v3};
use lambda_runtime::{Context, LambdaEvent};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use validator_lambda::{Door, Event};

use crate::support::{Aws, NOW_MS, SECRET, Says, ask};

macro_rules! recorded {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../../../../tests/payloads/gateway/", $name, ".json")))),*]
    };
}

/// Every recorded event.
const EVENTS: [(&str, &str); 16] = recorded! {
    "rest_v1" "rest_custom_domain" "rest_base_path" "rest_stage_in_path" "rest_query" "rest_query_of_five" "rest_binary"
    "rest_not_utf8" "http_v2" "http_default_stage" "http_named_stage" "http_custom_domain_stage" "http_api_mapping"
    "http_escaped_path" "http_binary" "http_payload_1"
};

/// What HubSpot called, for every event that tells it.
const CALLED: [(&str, &str); 13] = [
    ("rest_v1", "https://k3x9qw71zb.execute-api.eu-central-1.amazonaws.com/prod/webhooks/hubspot"),
    ("rest_custom_domain", "https://hooks.example.com/webhooks/hubspot"),
    ("rest_base_path", "https://hooks.example.com/finance/crm/webhooks/hubspot"),
    ("rest_stage_in_path", "https://hooks.example.com/crm/prod/webhooks/hubspot"),
    (
        "rest_query",
        "https://k3x9qw71zb.execute-api.eu-central-1.amazonaws.com/prod/webhooks/hubspot\
         ?tag=%C3%A9&next=https%3A%2F%2Fa.example%2F%3Fx%3D1%26y%3D2&tag=b%20c",
    ),
    ("rest_binary", "https://k3x9qw71zb.execute-api.eu-central-1.amazonaws.com/prod/webhooks/hubspot"),
    ("http_v2", "https://hooks.example.com/webhooks/hubspot?tenant=7&b=2&a=1"),
    ("http_default_stage", "https://m4p8tz20ya.execute-api.eu-central-1.amazonaws.com/webhooks/hubspot"),
    ("http_named_stage", "https://m4p8tz20ya.execute-api.eu-central-1.amazonaws.com/live/webhooks/hubspot"),
    ("http_custom_domain_stage", "https://hooks.example.com/webhooks/hubspot"),
    ("http_escaped_path", "https://m4p8tz20ya.execute-api.eu-central-1.amazonaws.com/webhooks/caf%C3%A9%20100%25/a:b"),
    ("http_binary", "https://m4p8tz20ya.execute-api.eu-central-1.amazonaws.com/webhooks/hubspot"),
    ("http_payload_1", "https://hooks.example.com/finance/webhooks/hubspot"),
];

/// A door in front of an SQS that confirms everything.
struct Gate {
    door: Door,
    aws: Aws,
}

impl Gate {
    async fn new(webhook_urls: Option<&str>) -> Self {
        let aws = Aws::start(&[Says::Confirmed], &[]);
        let urls = webhook_urls.unwrap_or_default();
        Self { door: aws.door(&[("HUBSPOT_CLIENT_SECRETS", SECRET), ("WEBHOOK_URLS", urls)]).await, aws }
    }

    /// The status, and what was queued before it was given.
    async fn answer(&self, event: &str) -> (u16, Option<Envelope>) {
        let event: Event = serde_json::from_str(event).expect("every JSON is read");
        let status = self.door.answer(LambdaEvent::new(event, Context::default()), NOW_MS).await.reply.status();
        let keys = Keys::new(vec![secret()]).expect("one secret");
        let queued = self.aws.take_messages();
        assert!(queued.len() <= 1, "one event became {} messages", queued.len());
        let message = queued.first().map(|message| Unverified::decode(message).expect("a message of ours"));
        (status, message.map(|message| message.verify(&keys).expect("it was admitted")))
    }

    async fn status(&self, event: &Value) -> u16 {
        self.answer(&event.to_string()).await.0
    }
}

fn secret() -> Secret {
    Secret::new(SECRET).expect("it is not empty")
}

fn recorded(name: &str) -> Value {
    let (_, text) = EVENTS.iter().find(|(event, _)| *event == name).expect("a recorded event");
    serde_json::from_str(text).expect("a recorded event is JSON")
}

fn body(event: &Value) -> Vec<u8> {
    let text = event["body"].as_str().expect("a recorded event has a body");
    if event["isBase64Encoded"] == true { BASE64.decode(text.as_bytes()).expect("base64") } else { text.into() }
}

/// Sets a header as the gateway of this event writes it.
fn set_header(event: &mut Value, name: &str, value: &str) {
    if event["version"] == "2.0" {
        event["headers"][name.to_lowercase()] = json!(value);
    } else {
        event["headers"][name] = json!(value);
        event["multiValueHeaders"][name] = json!([value]);
    }
}

/// The event of a delivery that HubSpot sent to `url`.
fn signed(mut event: Value, url: &str) -> Value {
    let timestamp = NOW_MS.to_string();
    let signature = sign_v3(&secret(), "POST", url, &body(&event), &timestamp);
    set_header(&mut event, SIGNATURE_V3_HEADER, &signature);
    set_header(&mut event, TIMESTAMP_HEADER, &timestamp);
    event
}

#[tokio::test]
async fn every_shape_tells_the_url_that_hubspot_called() {
    let gate = Gate::new(None).await;
    for (name, url) in CALLED {
        let event = signed(recorded(name), url);
        let (status, envelope) = gate.answer(&event.to_string()).await;
        assert_eq!(status, 200, "{name}");
        let envelope = envelope.expect(name);
        assert_eq!((envelope.url(), envelope.body()), (url, body(&event).as_slice()), "{name}");
        assert_eq!(envelope.correlation_id(), Some("0198f3c1-6b7e-7d54-9c3f-2a4b8d1e0f77"), "{name}");
        let elsewhere = signed(recorded(name), &url.replacen("/webhooks", "/other", 1));
        assert_eq!(gate.status(&elsewhere).await, 401, "{name}");
    }
}

#[tokio::test]
async fn what_the_caller_writes_about_the_url_counts_for_nothing() {
    let gate = Gate::new(None).await;
    let forgeries = [
        ("Host", "evil.example"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Prefix", "/evil"),
    ];
    for (name, url) in CALLED {
        let mut event = recorded(name);
        for (header, value) in forgeries {
            set_header(&mut event, header, value);
        }
        assert_eq!(gate.status(&signed(event.clone(), url)).await, 200, "{name}");
        let (_, path) = url["https://".len()..].split_once('/').expect("a path");
        let host = url.trim_end_matches(path);
        for forged in [
            format!("https://evil.example/{path}"),
            url.replacen("https", "http", 1),
            format!("{host}evil/{path}"),
            format!("http://evil.example/evil/{path}"),
        ] {
            assert_eq!(gate.status(&signed(event.clone(), &forged)).await, 401, "{name}: {forged}");
        }
    }
}

#[tokio::test]
async fn a_query_in_parts_verifies_in_any_order_and_spelling_of_hubspots_table() {
    let gate = Gate::new(None).await;
    let host = "https://k3x9qw71zb.execute-api.eu-central-1.amazonaws.com/prod/webhooks/hubspot";
    let next = "next=https%3A%2F%2Fa.example%2F%3Fx%3D1%26y%3D2";
    for query in [
        format!("tag=%C3%A9&tag=b%20c&{next}"),
        format!("tag=b%20c&{next}&tag=%C3%A9"),
        format!("{next}&tag=b%20c&tag=%C3%A9"),
        "next=https://a.example/?x%3D1%26y%3D2&tag=%C3%A9&tag=b%20c".to_owned(),
    ] {
        let event = signed(recorded("rest_query"), &format!("{host}?{query}"));
        // The parts come in any order as well.
        let text = event.to_string();
        let values = r#""tag":["é","b c"]"#;
        assert!(text.contains(values), "{text}");
        for text in [text.clone(), text.replace(values, r#""tag":["b c","é"]"#)] {
            assert_eq!(gate.answer(&text).await.0, 200, "{query}");
        }
    }
    for query in ["", "?", "?tag=b%20c", "?tag=%C3%A9&tag=b%20c&next=https://a.example/"] {
        assert_eq!(gate.status(&signed(recorded("rest_query"), &format!("{host}{query}"))).await, 401, "{query}");
    }
}

#[tokio::test]
async fn what_an_event_does_not_tell_is_configured_and_the_log_says_so() {
    let query = "https://k3x9qw71zb.execute-api.eu-central-1.amazonaws.com/prod/webhooks/hubspot?e=0&d=1&c=2&b=3&a=4";
    let cases = [
        ("rest_query_of_five", query, "query parameters"),
        ("http_api_mapping", "https://hooks.example.com/finance/crm/webhooks/hubspot", "API mapping"),
        ("rest_query", "https://cdn.example.com/in?tag=%C3%A9&tag=b+c&next=1", ""),
        ("rest_custom_domain", "https://cdn.example.com/in", ""),
        ("rest_not_utf8", "https://cdn.example.com/in", "binaryMediaTypes"),
    ];
    for (name, url, hint) in cases {
        let event = signed(recorded(name), url);
        let seen = ask(&Gate::new(None).await.door, event.clone(), NOW_MS).await;
        assert_eq!(seen.reason(), (401, "signature_mismatch"), "{name}");
        let detail = seen.record["detail"].as_str().expect("every refusal has one");
        assert!(detail.contains(hint), "{detail}");
        assert_eq!(detail.contains("; "), !hint.is_empty(), "{detail}");
        let (status, envelope) = Gate::new(Some(url)).await.answer(&event.to_string()).await;
        assert_eq!((status, envelope.unwrap().url()), (200, url), "{name}");
    }
}

#[tokio::test]
async fn a_security_header_in_two_versions_is_refused_however_it_is_doubled() {
    let gate = Gate::new(None).await;
    for (name, url) in [CALLED[0], CALLED[7]] {
        for header in [SIGNATURE_V3_HEADER, TIMESTAMP_HEADER] {
            let right = signed(recorded(name), url);
            let rest = right["version"].is_null();
            let written = if rest { header.to_owned() } else { header.to_lowercase() };
            let value = right["headers"][&written].as_str().expect("it is signed").to_owned();
            // Two headers of one name: a list in payload 1.0, joined by a comma in 2.0.
            let mut twice = right.clone();
            if rest {
                twice["multiValueHeaders"][&written] = json!([value, value]);
            } else {
                twice["headers"][&written] = json!(format!("{value},{value}"));
            }
            assert_eq!(gate.status(&twice).await, 401, "{name}: {header}");
            // Two cases of one name, and one name twice.
            let list = if rest { "multiValueHeaders" } else { "headers" };
            let text = right.to_string();
            for other in [header.to_uppercase(), written.clone()] {
                let again = json!({ &other: &right[list][&written] }).to_string();
                let start = format!("\"{list}\":{{");
                assert_eq!(text.matches(&start).count(), 1);
                let doubled = text.replace(&start, &format!("{start}{},", &again[1..again.len() - 1]));
                assert_eq!(gate.answer(&doubled).await.0, 401, "{name}: {header} and {other}");
            }
            assert_eq!(gate.status(&right).await, 200);
        }
    }
    // In any case of its name, and from the list of single values where there is no other.
    let mut single = signed(recorded("rest_v1"), CALLED[0].1);
    single.as_object_mut().unwrap().remove("multiValueHeaders");
    assert_eq!(gate.status(&single).await, 200);
    let text = single.to_string().replace(SIGNATURE_V3_HEADER, "x-HUBSPOT-signature-V3");
    assert_eq!(gate.answer(&text).await.0, 200);
    // A header that is none of ours may hold what HTTP does not allow.
    single["headers"]["X-Note"] = json!("é\u{1}");
    assert_eq!(gate.status(&single).await, 200);
}

#[tokio::test]
async fn events_of_others_get_a_500() {
    let gate = Gate::new(Some("https://hooks.example.com/webhooks/hubspot")).await;
    let headers = json!({ "host": "hooks.example.com" });
    for event in [
        json!({}),
        json!(null),
        json!([1]),
        json!("POST"),
        json!({ "requestContext": {} }),
        // Application Load Balancer.
        json!({
            "requestContext": { "elb": { "targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:111122223333:t" } },
            "httpMethod": "POST", "path": "/webhooks/hubspot", "queryStringParameters": {}, "headers": headers,
            "body": "[]", "isBase64Encoded": false
        }),
        // WebSocket API.
        json!({
            "requestContext": {
                "routeKey": "$connect", "eventType": "CONNECT", "connectionId": "L0SM9cOFvHcCIhw=", "stage": "prod",
                "domainName": "k3x9qw71zb.execute-api.eu-central-1.amazonaws.com", "apiId": "k3x9qw71zb"
            },
            "headers": headers, "isBase64Encoded": false
        }),
        // VPC Lattice.
        json!({
            "version": "2.0", "path": "/webhooks/hubspot", "method": "POST", "headers": { "host": ["hooks.example.com"] },
            "requestContext": { "serviceArn": "arn:aws:vpc-lattice:eu-central-1:111122223333:service/svc-1" }
        }),
        // EventBridge and SQS.
        json!({ "version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {} }),
        json!({ "Records": [{ "messageId": "1", "body": "[]", "eventSource": "aws:sqs" }] }),
    ] {
        assert_eq!(gate.answer(&event.to_string()).await, (500, None), "{event}");
    }
    let mut torn = signed(recorded("http_binary"), "https://hooks.example.com/webhooks/hubspot");
    torn["body"] = json!("no base64");
    assert_eq!(gate.status(&torn).await, 500);
}

fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(entries) => {
            for (name, entry) in entries {
                pointers(entry, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(entries) => {
            for (number, entry) in entries.iter().enumerate() {
                pointers(entry, &format!("{at}/{number}"), found);
            }
        }
        _ => {}
    }
}

/// Puts `new` in the place of some value of the event; the second index finds a piece of the event itself.
fn mangle(event: &mut Value, place: Index, new: &Option<Value>, piece: Index) {
    let mut places = Vec::new();
    pointers(event, "", &mut places);
    let new =
        new.clone().unwrap_or_else(|| event.pointer(&places[piece.index(places.len())]).expect("it was found").clone());
    *event.pointer_mut(&places[place.index(places.len())]).expect("it was found") = new;
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        prop::sample::select(vec!["2.0", "POST", "$default", "prod", "https://", "a=1&b=2", "%", "?", "#"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,8}", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_event_makes_it_panic_or_accept_without_a_message(
        start in any::<Index>(),
        mangled in prop::collection::vec((any::<Index>(), prop::option::of(any_json()), any::<Index>()), 0..4),
        junk in any_json(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let gate = Gate::new(None).await;
            prop_assert_eq!(gate.answer(&junk.to_string()).await, (500, None));
            let (name, url) = *start.get(&CALLED);
            let mut event = signed(recorded(name), url);
            for (place, new, piece) in &mangled {
                mangle(&mut event, *place, new, *piece);
                let (status, envelope) = gate.answer(&event.to_string()).await;
                prop_assert!([200, 401, 405, 415, 500].contains(&status), "{status}: {event}");
                prop_assert_eq!(status == 200, envelope.is_some());
            }
            Ok(())
        })?;
    }
}

#[test]
fn every_recorded_event_is_in_a_test() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/payloads/gateway");
    let files = std::fs::read_dir(folder).expect("the folder of events");
    let files: BTreeSet<String> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap().replace(".json", "")).collect();
    assert_eq!(files, EVENTS.map(|(name, _)| name.to_owned()).into());
}
