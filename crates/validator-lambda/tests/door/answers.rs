//! Gateway events in, SQS requests, answers and log lines out. AWS is faked at the socket.

use std::time::Duration;

use crate::support::{Aws, NOW_MS, QUEUE_URL, SECRET, Says, Seen, ask, environment};
use hubspot_webhook::door::Keys;
use hubspot_webhook::envelope::Unverified;
use hubspot_webhook::signature::Secret;
use serde_json::{Value, json};
use validator_lambda::Config;

const REST: &str = include_str!("../../../../tests/payloads/gateway/rest_v1.json");
const HTTP: &str = include_str!("../../../../tests/payloads/gateway/http_v2.json");
const DENIED: &str = r#"{"__type":"com.amazonaws.sqs#AccessDeniedException","message":"denied"}"#;
const THROTTLED: &str = r#"{"__type":"com.amazonaws.sqs#RequestThrottled","message":"slow down"}"#;
const NO_SUCH_QUEUE: &str = r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no such queue"}"#;

/// Asks a new door once; answers also with the messages that SQS was given.
async fn answer_with(event: Value, webhook_urls: Option<&str>, queue: &[Says]) -> (Seen, Vec<Value>) {
    let aws = Aws::start(queue, &[]);
    let variables: Vec<(&str, &str)> = webhook_urls.map(|urls| ("WEBHOOK_URLS", urls)).into_iter().collect();
    let seen = ask(&aws.door(&variables).await, event, NOW_MS).await;
    (seen, aws.messages())
}

async fn answer(event: Value) -> (Seen, Vec<Value>) {
    answer_with(event, None, &[Says::Confirmed]).await
}

fn event(text: &str) -> Value {
    serde_json::from_str(text).expect("a recorded event")
}

/// A recorded event with one of its values replaced.
fn changed(text: &str, pointer: &str, value: Value) -> Value {
    let mut event = event(text);
    *event.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
    event
}

#[tokio::test]
async fn both_kinds_of_events_become_one_message_that_verifies() {
    let keys = Keys::new(vec![Secret::new(SECRET).unwrap()]).unwrap();
    let rest = "https://k3x9qw71zb.execute-api.eu-central-1.amazonaws.com/prod/webhooks/hubspot";
    let http = "https://hooks.example.com/webhooks/hubspot?tenant=7&b=2&a=1";
    let body = event(REST)["body"].as_str().unwrap().to_owned();
    for (text, url) in [(REST, rest), (HTTP, http)] {
        let (seen, messages) = answer(event(text)).await;
        assert_eq!(seen.reason(), (200, "queued"));
        assert_eq!((seen.body, messages.len()), ("Accepted.", 1));
        assert_eq!(messages[0]["QueueUrl"], QUEUE_URL);
        let message = Unverified::decode(messages[0]["MessageBody"].as_str().unwrap()).unwrap();
        let envelope = message.verify(&keys).unwrap();
        assert_eq!((envelope.url(), envelope.received_at_ms()), (url, NOW_MS));
        assert_eq!(envelope.body(), body.as_bytes());
        assert_eq!(envelope.correlation_id(), Some("0198f3c1-6b7e-7d54-9c3f-2a4b8d1e0f77"));
        assert_eq!(seen.record["delivery_id"], envelope.id());
        assert_eq!(seen.record["trace_id"].as_str(), envelope.trace_id());
    }
}

#[tokio::test]
async fn what_the_caller_writes_about_the_url_changes_nothing() {
    for (header, value) in [("Host", "evil.example"), ("Host", "a b {"), ("X-Forwarded-Proto", "http")] {
        let mut forged = changed(REST, &format!("/headers/{header}"), json!(value));
        forged["multiValueHeaders"][header] = json!([value]);
        forged["headers"]["X-Forwarded-Host"] = json!("evil.example");
        assert_eq!(answer(forged).await.0.status, 200, "{header}: {value}");
    }
    let elsewhere = changed(REST, "/requestContext/domainName", json!("other.example"));
    assert_eq!(answer(elsewhere.clone()).await.0.reason(), (401, "signature_mismatch"));
    // A configured URL wins over the gateway's account of itself.
    let configured = "https://k3x9qw71zb.execute-api.eu-central-1.amazonaws.com/prod/webhooks/hubspot";
    assert_eq!(answer_with(elsewhere, Some(configured), &[Says::Confirmed]).await.0.status, 200);
    let (other, _) = answer_with(event(REST), Some("https://other.example/in"), &[]).await;
    assert_eq!(other.reason(), (401, "signature_mismatch"));
}

#[tokio::test]
async fn what_is_not_hubspots_is_refused_without_a_message() {
    let signature = "/multiValueHeaders/X-HubSpot-Signature-v3";
    let right = event(REST).pointer(signature).unwrap()[0].clone();
    let cases = [
        (changed(REST, "/httpMethod", json!("GET")), 405, "method_not_post"),
        (changed(HTTP, "/requestContext/http/method", json!("GET")), 405, "method_not_post"),
        (changed(REST, "/multiValueHeaders/Content-Type", json!(["text/xml"])), 415, "media_type"),
        (changed(REST, "/body", json!("[]")), 401, "signature_mismatch"),
        (changed(REST, "/body", Value::Null), 401, "signature_mismatch"),
        (changed(HTTP, "/isBase64Encoded", json!(false)), 401, "signature_mismatch"),
        (changed(HTTP, "/rawQueryString", json!("a=1&b=2&tenant=7")), 401, "signature_mismatch"),
        (changed(REST, signature, json!([])), 401, "signature_missing"),
        (changed(REST, signature, json!([right, right])), 401, "header_doubled"),
        (changed(REST, signature, json!(["e30="])), 401, "signature_malformed"),
        (
            changed(REST, "/multiValueHeaders/X-HubSpot-Request-Timestamp", json!(["1795001000000"])),
            401,
            "timestamp_too_old",
        ),
    ];
    for (event, status, reason) in cases {
        let (seen, messages) = answer(event).await;
        assert_eq!(seen.reason(), (status, reason));
        assert_eq!(messages, [] as [Value; 0]);
        assert_eq!(seen.record["correlation_id"], "0198f3c1-6b7e-7d54-9c3f-2a4b8d1e0f77");
        let sentence = match status {
            405 => "Only POST is answered here.",
            415 => "Only JSON is taken here.",
            _ => "Not accepted.",
        };
        assert_eq!(seen.body, sentence);
    }
}

#[tokio::test]
async fn nothing_is_accepted_until_sqs_confirms() {
    let id = r#"{"MessageId":"5fea7756-0ea4-451a-a703-a558b933e274"}"#;
    let other =
        r#"{"MessageId":"5fea7756-0ea4-451a-a703-a558b933e274","MD5OfMessageBody":"d41d8cd98f00b204e9800998ecf8427e"}"#;
    for (queue, reason) in [
        (&[Says::Answer(403, DENIED)][..], "queue_failed"),
        (&[Says::Answer(400, NO_SUCH_QUEUE)], "queue_failed"),
        (&[Says::Answer(500, "{}"), Says::Answer(503, "{}")], "queue_failed"),
        (&[Says::Answer(400, THROTTLED)], "queue_failed"),
        (&[Says::Answer(200, "not JSON")], "queue_failed"),
        (&[Says::Nothing], "queue_failed"),
        (&[Says::Answer(200, "{}")], "queue_unconfirmed"),
        (&[Says::Answer(200, id)], "queue_unconfirmed"),
        (&[Says::Answer(200, other)], "queue_unconfirmed"),
    ] {
        let (seen, _) = answer_with(event(REST), None, queue).await;
        assert_eq!(seen.reason(), (503, reason));
        assert_eq!(seen.body, "Not available now; please try again.");
    }
    let (second, messages) = answer_with(event(REST), None, &[Says::Answer(500, "{}"), Says::Confirmed]).await;
    assert_eq!((second.status, messages.len()), (200, 2));
}

#[tokio::test(start_paused = true)]
async fn whatever_is_waited_for_hubspot_is_answered_in_time() {
    let aws = Aws::start(&[Says::Nothing], &[]);
    let door = aws.open(&[], Duration::from_secs(60)).await.expect("the door opens");
    let began = tokio::time::Instant::now();
    let seen = ask(&door, event(REST), NOW_MS).await;
    assert_eq!(seen.reason(), (503, "too_slow"));
    assert_eq!(began.elapsed().as_millis() / 100, 37);
}

#[tokio::test]
async fn a_gateway_that_does_not_know_itself_needs_the_configured_url() {
    let lost = changed(REST, "/requestContext/domainName", Value::Null);
    assert_eq!(answer(lost).await.0.reason(), (500, "target_url_unknown"));
}

/// The metrics of a line as CloudWatch reads them: name, value and the sets of dimensions.
fn metrics(record: &Value) -> Vec<(String, Value, String)> {
    let directives = record["_aws"]["CloudWatchMetrics"].as_array().expect("directives");
    let told = directives.iter().map(|directive| {
        assert_eq!(directive["Namespace"], "ClosingBell");
        let sets = directive["Dimensions"].as_array().expect("a list");
        for dimension in sets.iter().flat_map(|set| set.as_array().expect("a list")) {
            assert!(record[dimension.as_str().expect("a name")].is_string(), "{dimension} is no member");
        }
        let name = directive["Metrics"][0]["Name"].as_str().expect("a name");
        (name.to_owned(), record[name].clone(), directive["Dimensions"].to_string())
    });
    told.collect()
}

#[tokio::test]
async fn a_line_is_the_log_and_the_metrics() {
    let aws = Aws::start(&[Says::Confirmed, Says::Confirmed, Says::Answer(403, DENIED)], &[]);
    let door = aws.door(&[]).await;
    let names = |seen: &Seen| metrics(&seen.record).into_iter().map(|(name, ..)| name).collect::<Vec<_>>();
    let accepted = ask(&door, event(REST), NOW_MS).await;
    assert_eq!(names(&accepted), ["Accepted", "QueueTime", "ColdStart"]);
    assert_eq!(metrics(&accepted.record)[0].2, r#"[["function"],["function","secret"]]"#);
    assert_eq!(accepted.record["_aws"]["Timestamp"], NOW_MS);
    for (member, value) in [
        ("level", json!("INFO")),
        ("secret", json!("older")),
        ("signature_version", json!("v3")),
        ("request_id", json!("8d1c7f6e-0000-4000-8000-000000000001")),
        ("message_id", json!("5fea7756-0ea4-451a-a703-a558b933e274")),
        ("body_size_bytes", json!(event(REST)["body"].as_str().unwrap().len())),
        ("message_size_bytes", json!(aws.messages()[0]["MessageBody"].as_str().unwrap().len())),
        ("Accepted", json!(1)),
        ("ColdStart", json!(1)),
    ] {
        assert_eq!(accepted.record[member], value, "{member}");
    }
    assert_eq!(names(&ask(&door, event(REST), NOW_MS).await), ["Accepted", "QueueTime"]);
    let failed = ask(&door, event(REST), NOW_MS).await;
    assert_eq!(
        (names(&failed), failed.record["level"].as_str()),
        (vec!["Failed".into(), "QueueTime".into()], Some("ERROR"))
    );
    assert!(failed.record["detail"].as_str().unwrap().contains("AccessDenied"), "{}", failed.line);
    let refused = ask(&door, changed(REST, "/httpMethod", json!("GET")), NOW_MS).await;
    let dimensions = r#"[["function"],["function","reason"]]"#.to_owned();
    assert_eq!(metrics(&refused.record), [("Refused".to_owned(), json!(1), dimensions)]);
}

#[test]
fn everything_wrong_with_the_configuration_is_said_at_once() {
    let wrong = |variables: &[(&str, &str)]| {
        let given = |name: &str| variables.iter().find(|(given, _)| *given == name).map(|(_, value)| value.to_string());
        Config::read(given).unwrap_err().to_string()
    };
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let text = wrong(&[
        ("HUBSPOT_CLIENT_SECRETS_ARN", " "),
        ("HUBSPOT_SIGNATURE_VERSIONS", "v3,v4"),
        ("WEBHOOK_URLS", "hooks.example.com"),
        ("AWS_CA_BUNDLE", file),
    ]);
    let named = ["HUBSPOT_CLIENT_SECRETS", "HUBSPOT_SIGNATURE_VERSIONS", "WEBHOOK_URLS", "QUEUE_URL", "AWS_CA_BUNDLE"];
    for name in named {
        assert!(text.contains(&format!("\n  {name}: ")), "{text}");
    }
    assert!(text.contains("HUBSPOT_CLIENT_SECRETS_ARN") && text.contains("holds no certificate"), "{text}");
    assert!(wrong(&[("AWS_CA_BUNDLE", "/no/such/file")]).contains("the file /no/such/file cannot be read"));
    for (secrets, problem) in [
        ("s3cret,,other", "the client secret is empty"),
        ("{\"a\":\"s3cret\",\"b\":\"s3cret\"}", "name it `client_secret`"),
        ("[]", "it holds no secret"),
    ] {
        let text = wrong(&[("HUBSPOT_CLIENT_SECRETS", secrets), ("QUEUE_URL", QUEUE_URL)]);
        assert!(text.contains("HUBSPOT_CLIENT_SECRETS: ") && text.contains(problem), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
    let both = wrong(&[("HUBSPOT_CLIENT_SECRETS", "s3cret"), ("HUBSPOT_CLIENT_SECRETS_ARN", "arn")]);
    assert!(both.contains("keep one of them"), "{both}");
    assert!(Config::read(environment).is_ok());
}
