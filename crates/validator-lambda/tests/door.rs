//! Gateway events in, SQS requests and answers out. SQS is faked at the socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Config as SqsConfig, Credentials, Region};
use hubspot_webhook::door::Keys;
use hubspot_webhook::envelope::Unverified;
use hubspot_webhook::signature::Secret;
use serde_json::{Value, json};
use validator_lambda::{Config, Door};

const NOW_MS: i64 = 1_795_001_402_000;
const SECRET: &str = "gateway-secret";
const REST: &str = include_str!("../../../tests/payloads/gateway/rest_v1.json");
const HTTP: &str = include_str!("../../../tests/payloads/gateway/http_v2.json");

const SENT: &str = r#"{"MessageId":"5fea7756-0ea4-451a-a703-a558b933e274"}"#;
const DENIED: &str = r#"{"__type":"com.amazonaws.sqs#AccessDeniedException","message":"denied"}"#;

/// What the door said, what SQS was asked for, and what was logged.
struct Seen {
    status: i64,
    body: String,
    requests: Vec<Value>,
    log: Vec<Value>,
}

impl Seen {
    fn reason(&self) -> (i64, &str) {
        assert_eq!(self.log.len(), 1, "{:?}", self.log);
        assert_eq!(self.log[0]["fields"]["status"], self.status);
        (self.status, self.log[0]["fields"]["reason"].as_str().expect("every line has a reason"))
    }
}

/// SQS on a socket, as long as somebody connects. It answers each request with the next of `answers`, then it is silent.
fn sqs(answers: &'static [(u16, &'static str)]) -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let (seen, requests) = channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.expect("a connection");
            if seen.send(read_request(&stream)).is_err() {
                return;
            }
            if let Some((status, body)) = answers.get(number) {
                let head =
                    format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all((head + body).as_bytes()).expect("the client reads");
            }
            open.push(stream);
        }
    });
    (url, requests)
}

fn read_request(stream: &TcpStream) -> Value {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a request");
        match line.trim().to_ascii_lowercase().strip_prefix("content-length: ") {
            Some(digits) => length = digits.parse().expect("a length"),
            None if line.trim().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    serde_json::from_slice(&body).expect("the SDK speaks JSON")
}

fn environment(name: &str) -> Option<String> {
    match name {
        "HUBSPOT_CLIENT_SECRETS" => Some(format!("next-secret, {SECRET}\n")),
        "QUEUE_URL" => Some("https://sqs.eu-central-1.amazonaws.com/111122223333/deliveries".to_owned()),
        _ => None,
    }
}

async fn answer_with(event: Value, webhook_urls: Option<&str>, answers: &'static [(u16, &'static str)]) -> Seen {
    let (endpoint, requests) = sqs(answers);
    // Only a server that never answers is waited for as short as this.
    let patience = Duration::from_millis(if answers.is_empty() { 100 } else { 60_000 });
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(patience).build();
    let client = Client::from_conf(
        SqsConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .endpoint_url(endpoint)
            .credentials_provider(Credentials::new("id", "key", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(2).with_initial_backoff(Duration::from_millis(1)))
            .build(),
    );
    let config = Config::read(|name| match name {
        "WEBHOOK_URLS" => webhook_urls.map(str::to_owned),
        _ => environment(name),
    });
    let door = Door::new(config.expect("a right configuration"), client);
    let event = serde_json::from_value(event).expect("a gateway event");

    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let response = door.answer(event, NOW_MS).await;
    drop(guard);

    let text = String::from_utf8(log.0.lock().expect("nobody panicked").clone()).expect("logs are UTF-8");
    for private in [SECRET, "next-secret", "3181526801", "332507367156"] {
        assert!(!text.contains(private), "{text}");
    }
    Seen {
        status: response.status_code,
        body: String::from_utf8_lossy(&response.body.expect("every answer has a sentence")).into_owned(),
        requests: requests.try_iter().collect(),
        log: text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect(),
    }
}

async fn answer(event: Value) -> Seen {
    answer_with(event, None, &[(200, SENT)]).await
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panicked").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
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
        let seen = answer(event(text)).await;
        assert_eq!(seen.reason(), (200, "queued"));
        assert_eq!((seen.body.as_str(), seen.requests.len()), ("Accepted.", 1));
        assert_eq!(seen.requests[0]["QueueUrl"], environment("QUEUE_URL").unwrap());
        let message = Unverified::decode(seen.requests[0]["MessageBody"].as_str().unwrap()).unwrap();
        let envelope = message.verify(&keys).unwrap();
        assert_eq!((envelope.url(), envelope.received_at_ms()), (url, NOW_MS));
        assert_eq!(envelope.body(), body.as_bytes());
        assert_eq!(envelope.correlation_id(), Some("0198f3c1-6b7e-7d54-9c3f-2a4b8d1e0f77"));
        assert_eq!(seen.log[0]["fields"]["delivery_id"], envelope.id());
    }
}

#[tokio::test]
async fn what_the_caller_writes_about_the_url_changes_nothing() {
    for (header, value) in [("Host", "evil.example"), ("Host", "a b {"), ("X-Forwarded-Proto", "http")] {
        let mut forged = changed(REST, &format!("/headers/{header}"), json!(value));
        forged["multiValueHeaders"][header] = json!([value]);
        forged["headers"]["X-Forwarded-Host"] = json!("evil.example");
        assert_eq!(answer(forged).await.status, 200, "{header}: {value}");
    }
    let elsewhere = changed(REST, "/requestContext/domainName", json!("other.example"));
    assert_eq!(answer(elsewhere.clone()).await.reason(), (401, "signature_mismatch"));
    // A configured URL wins over the gateway's account of itself.
    let configured = "https://k3x9qw71zb.execute-api.eu-central-1.amazonaws.com/prod/webhooks/hubspot";
    assert_eq!(answer_with(elsewhere, Some(configured), &[(200, SENT)]).await.status, 200);
    let other = answer_with(event(REST), Some("https://other.example/in"), &[]).await;
    assert_eq!(other.reason(), (401, "signature_mismatch"));
}

#[tokio::test]
async fn what_is_not_hubspots_is_refused_without_a_message() {
    let signature = "/multiValueHeaders/X-HubSpot-Signature-v3";
    let right = event(REST).pointer(signature).unwrap()[0].clone();
    let cases = [
        (changed(REST, "/httpMethod", json!("GET")), 405, "method_not_post"),
        (changed(HTTP, "/requestContext/http/method", json!("GET")), 405, "method_not_post"),
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
        let seen = answer(event).await;
        assert_eq!(seen.reason(), (status, reason));
        assert_eq!(seen.requests, [] as [Value; 0]);
        assert_eq!(seen.body, if status == 405 { "Only POST is answered here." } else { "Not accepted." });
    }
}

#[tokio::test]
async fn nothing_is_accepted_until_sqs_confirms() {
    let answers: [&'static [(u16, &'static str)]; 4] =
        [&[(403, DENIED)], &[(500, "{}"), (503, "{}")], &[(200, "{}")], &[]];
    for answers in answers {
        let seen = answer_with(event(REST), None, answers).await;
        assert_eq!(seen.reason(), (503, "queue_failed"), "{answers:?}");
        assert_eq!(seen.body, "Not available now; please try again.");
    }
    let second = answer_with(event(REST), None, &[(500, "{}"), (200, SENT)]).await;
    assert_eq!((second.status, second.requests.len()), (200, 2));
}

#[tokio::test]
async fn a_gateway_that_does_not_know_itself_needs_the_configured_url() {
    let lost = changed(REST, "/requestContext/domainName", Value::Null);
    assert_eq!(answer(lost).await.reason(), (500, "target_url_unknown"));
}

#[test]
fn everything_wrong_with_the_configuration_is_said_at_once() {
    let wrong = Config::read(|name| match name {
        "HUBSPOT_SIGNATURE_VERSIONS" => Some("v3,v4".to_owned()),
        "WEBHOOK_URLS" => Some("hooks.example.com".to_owned()),
        _ => None,
    });
    let text = wrong.unwrap_err().to_string();
    for name in ["HUBSPOT_CLIENT_SECRETS", "HUBSPOT_SIGNATURE_VERSIONS", "WEBHOOK_URLS", "QUEUE_URL"] {
        assert!(text.contains(&format!("\n  {name}: ")), "{text}");
    }
    let empty = Config::read(|name| match name {
        "HUBSPOT_CLIENT_SECRETS" => Some("s3cret,,other".to_owned()),
        name => environment(name),
    });
    let text = empty.unwrap_err().to_string();
    assert!(text.contains("HUBSPOT_CLIENT_SECRETS: ") && !text.contains("s3cret"), "{text}");
    assert!(Config::read(environment).is_ok());
}
