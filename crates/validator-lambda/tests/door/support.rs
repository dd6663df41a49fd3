//! A door in front of an SQS and a Secrets Manager that are faked at the socket, and what they have seen.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::Credentials;
use lambda_runtime::{Context, LambdaEvent};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use validator_lambda::{Config, Door};

pub(crate) const NOW_MS: i64 = 1_795_001_402_000;
pub(crate) const SECRET: &str = "gateway-secret";
pub(crate) const QUEUE_URL: &str = "https://sqs.eu-central-1.amazonaws.com/111122223333/deliveries";
pub(crate) const ARN: &str =
    "arn:aws:secretsmanager:eu-central-1:111122223333:secret:closing-bell-client-secrets-AbCdEf";

/// What a service says to one request.
#[derive(Clone)]
pub(crate) enum Says {
    /// SQS: it has the message.
    Confirmed,
    /// Secrets Manager: this is the secret.
    Secret(&'static str),
    /// Anything else.
    Answer(u16, &'static str),
    /// Nothing, as long as anybody waits.
    Nothing,
}

#[derive(Default)]
struct Services {
    queue: VecDeque<Says>,
    secrets: VecDeque<Says>,
    requests: Vec<(String, Value)>,
}

/// AWS on a socket, for as long as the process lives.
#[derive(Clone)]
pub(crate) struct Aws {
    url: String,
    services: Arc<Mutex<Services>>,
}

/// What the door said and logged.
pub(crate) struct Seen {
    pub(crate) status: i64,
    pub(crate) body: &'static str,
    pub(crate) record: Value,
    pub(crate) line: String,
}

impl Seen {
    pub(crate) fn reason(&self) -> (i64, &str) {
        assert_eq!(self.record["status"], self.status);
        (self.status, self.record["reason"].as_str().expect("every line has a reason"))
    }
}

impl Aws {
    /// Answers what is asked with the next of these; when they are used up, with the last again.
    pub(crate) fn start(queue: &[Says], secrets: &[Says]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (queue, secrets) = (queue.iter().cloned().collect(), secrets.iter().cloned().collect());
        let services = Arc::new(Mutex::new(Services { queue, secrets, requests: Vec::new() }));
        let (aws, told) = (Self { url, services: services.clone() }, services);
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                if let Some(answer) = told.lock().expect("nobody panicked").answer(read_request(&stream)) {
                    // A client that has given up does not read.
                    let _ = stream.write_all(answer.as_bytes());
                }
                open.push(stream);
            }
        });
        aws
    }

    /// The SDK with this AWS behind it, the way it finds it in Lambda but for the patience.
    pub(crate) async fn sdk(&self, patience: Duration) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .endpoint_url(&self.url)
            .credentials_provider(Credentials::new("id", "key", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(patience).build())
            .retry_config(RetryConfig::standard().with_max_attempts(2).with_initial_backoff(Duration::from_millis(1)))
            .load()
            .await
    }

    /// Opens a door with these variables over the usual ones.
    pub(crate) async fn try_door(&self, variables: &[(&str, &str)]) -> anyhow::Result<Door> {
        // Only a service that never answers is waited for as short as this.
        self.open(variables, Duration::from_millis(if self.is_silent() { 100 } else { 60_000 })).await
    }

    /// Opens a door that leaves AWS so much time for each attempt.
    pub(crate) async fn open(&self, variables: &[(&str, &str)], patience: Duration) -> anyhow::Result<Door> {
        let given = |name: &str| variables.iter().find(|(given, _)| *given == name).map(|(_, value)| value.to_string());
        let config = Config::read(|name| given(name).or_else(|| environment(name))).expect("a right configuration");
        Door::open(config, &self.sdk(patience).await, NOW_MS).await
    }

    fn is_silent(&self) -> bool {
        let services = self.services.lock().expect("nobody panicked");
        services.queue.iter().chain(&services.secrets).any(|says| matches!(says, Says::Nothing))
    }

    pub(crate) async fn door(&self, variables: &[(&str, &str)]) -> Door {
        self.try_door(variables).await.expect("the door opens")
    }

    /// What was asked of the operation, such as `AmazonSQS.SendMessage`.
    pub(crate) fn requests(&self, operation: &str) -> Vec<Value> {
        let services = self.services.lock().expect("nobody panicked");
        services.requests.iter().filter(|(asked, _)| asked == operation).map(|(_, body)| body.clone()).collect()
    }

    /// The bodies of the messages that SQS was given since they were asked for the last time.
    pub(crate) fn take_messages(&self) -> Vec<String> {
        let requests = std::mem::take(&mut self.services.lock().expect("nobody panicked").requests);
        requests.iter().filter_map(|(_, body)| body["MessageBody"].as_str().map(str::to_owned)).collect()
    }

    /// The messages that SQS was given.
    pub(crate) fn messages(&self) -> Vec<Value> {
        self.requests("AmazonSQS.SendMessage")
    }
}

impl Services {
    fn answer(&mut self, (operation, body): (String, Value)) -> Option<String> {
        let says = if operation.starts_with("AmazonSQS") { &mut self.queue } else { &mut self.secrets };
        let says = if says.len() > 1 { says.pop_front() } else { says.front().cloned() };
        let (status, text) = match says.expect("the test says what the service answers") {
            Says::Confirmed => {
                let message = body["MessageBody"].as_str().expect("a message");
                let md5 = data_encoding::HEXLOWER.encode(&Md5::digest(message));
                let id = "5fea7756-0ea4-451a-a703-a558b933e274";
                (200, json!({ "MessageId": id, "MD5OfMessageBody": md5 }).to_string())
            }
            Says::Secret(text) => (200, json!({ "Name": "client-secrets", "SecretString": text }).to_string()),
            Says::Answer(status, text) => (status, text.to_owned()),
            Says::Nothing => (0, String::new()),
        };
        self.requests.push((operation, body));
        let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", text.len());
        (status > 0).then_some(head + &text)
    }
}

fn read_request(stream: &TcpStream) -> (String, Value) {
    let mut reader = BufReader::new(stream);
    let (mut length, mut operation) = (0, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a request");
        let (name, value) = line.trim().split_once(':').unwrap_or((line.trim(), ""));
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().expect("a length"),
            "x-amz-target" => value.trim().clone_into(&mut operation),
            "" => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    (operation, serde_json::from_slice(&body).expect("the SDK speaks JSON"))
}

pub(crate) fn environment(name: &str) -> Option<String> {
    match name {
        "HUBSPOT_CLIENT_SECRETS" => Some(format!("next-secret, {SECRET}\n")),
        "QUEUE_URL" => Some(QUEUE_URL.to_owned()),
        _ => None,
    }
}

/// Gives the door one event, at this time.
pub(crate) async fn ask(door: &Door, event: Value, now_ms: i64) -> Seen {
    let mut context = Context::default();
    context.request_id = "8d1c7f6e-0000-4000-8000-000000000001".to_owned();
    let payload = serde_json::from_value(event).expect("a gateway event");
    let answer = door.answer(LambdaEvent::new(payload, context), now_ms).await;
    let line = answer.record.to_string();
    assert!(!line.contains('\n'), "{line}");
    for private in [SECRET, "next-secret", "3181526801", "332507367156"] {
        assert!(!line.contains(private), "{line}");
    }
    Seen {
        status: answer.reply.status().into(),
        body: answer.reply.body(),
        record: serde_json::from_str(&line).expect("a line of JSON"),
        line,
    }
}
