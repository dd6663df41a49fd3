//! Queues and secrets of a test's own in the AWS that `cargo xtask test` starts, by clients that know nothing of ours.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use reqwest::Client;
use serde_json::{Value, json};

/// The APIs of AWS.
#[derive(Clone)]
pub struct Aws {
    client: Client,
    endpoint: String,
}

/// A queue and its dead letters, and the way to the rest of AWS.
#[derive(Clone)]
pub struct Queues {
    aws: Aws,
    /// The queue.
    pub url: String,
    /// Its dead letters.
    pub dead_letter_url: String,
}

/// What a program needs in its environment to reach the API.
pub fn aws_variables() -> Vec<(&'static str, String)> {
    ["AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
        .map(|name| (name, std::env::var(name).expect("run `cargo xtask test`")))
        .into()
}

impl Aws {
    /// Knows where they are.
    ///
    /// # Panics
    /// If nobody has started them.
    pub fn find() -> Self {
        // A client wants one, though it speaks no TLS; another part of the test may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        Self { client, endpoint: std::env::var("AWS_ENDPOINT_URL").expect("run `cargo xtask test`") }
    }

    /// Calls an action as its documentation says, in JSON of version `1.0` or `1.1`.
    pub async fn call(&self, action: &str, version: &str, body: Value) -> Value {
        let request = self
            .client
            .post(&self.endpoint)
            .header("x-amz-target", action)
            .header("content-type", format!("application/x-amz-json-{version}"))
            .body(body.to_string());
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{action}: {status} {text}");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    /// Puts a text into Secrets Manager; answers with its ARN.
    pub async fn create_secret(&self, text: &str) -> String {
        let secret = json!({ "Name": format!("chain-{:016x}", fastrand::u64(..)), "SecretString": text });
        let answer = self.call("secretsmanager.CreateSecret", "1.1", secret).await;
        answer["ARN"].as_str().unwrap().to_owned()
    }

    /// Gives a secret another text.
    pub async fn change_secret(&self, arn: &str, text: &str) {
        let value = json!({ "SecretId": arn, "SecretString": text });
        self.call("secretsmanager.PutSecretValue", "1.1", value).await;
    }
}

impl Queues {
    /// Makes both.
    pub async fn create() -> Self {
        let name = format!("chain-{:016x}", fastrand::u64(..));
        let mut queues = Self { aws: Aws::find(), url: String::new(), dead_letter_url: String::new() };
        queues.url = queues.create_one(&name).await;
        queues.dead_letter_url = queues.create_one(&format!("{name}-dead")).await;
        queues
    }

    /// Two that are there.
    pub fn at(url: &str, dead_letter_url: &str) -> Self {
        Self { aws: Aws::find(), url: url.to_owned(), dead_letter_url: dead_letter_url.to_owned() }
    }

    async fn create_one(&self, name: &str) -> String {
        self.call("CreateQueue", json!({ "QueueName": name })).await["QueueUrl"].as_str().unwrap().to_owned()
    }

    async fn call(&self, action: &str, body: Value) -> Value {
        self.aws.call(&format!("AmazonSQS.{action}"), "1.0", body).await
    }

    /// Puts a text into AWS Secrets Manager; answers with its ARN.
    pub async fn create_secret(&self, text: &str) -> String {
        self.aws.create_secret(text).await
    }

    /// Gives a secret another text.
    pub async fn change_secret(&self, arn: &str, text: &str) {
        self.aws.change_secret(arn, text).await;
    }

    /// Puts a message into the queue.
    pub async fn send(&self, body: &str) {
        self.call("SendMessage", json!({ "QueueUrl": self.url, "MessageBody": body })).await;
    }

    /// Puts a dead letter there; without a cause it is like one that SQS has moved by itself.
    pub async fn send_dead(&self, body: &str, cause: Option<&str>) {
        let cause = cause.map(|cause| json!({ "cause": { "DataType": "String", "StringValue": cause } }));
        let message = json!({
            "QueueUrl": self.dead_letter_url, "MessageBody": body, "MessageAttributes": cause.unwrap_or_else(|| json!({})),
        });
        self.call("SendMessage", message).await;
    }

    /// Receives until there are so many bodies.
    pub async fn take_all(&self, count: usize) -> Vec<String> {
        let mut bodies = Vec::new();
        while bodies.len() < count {
            let asked = json!({ "QueueUrl": self.url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 5 });
            let answer = self.call("ReceiveMessage", asked).await;
            let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
            assert!(!messages.is_empty(), "the queue has {} of {count}", bodies.len());
            bodies.extend(messages.iter().map(|message| message["Body"].as_str().unwrap().to_owned()));
        }
        bodies
    }

    /// How many messages the queue and the dead letters hold, visible or not.
    pub async fn count(&self) -> (u64, u64) {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let mut counts = Vec::new();
        for url in [&self.url, &self.dead_letter_url] {
            let asked = json!({ "QueueUrl": url, "AttributeNames": names });
            let answer = self.call("GetQueueAttributes", asked).await;
            let count = |name: &str| answer["Attributes"][name].as_str().and_then(|text| text.parse::<u64>().ok());
            counts.push(names.iter().map(|name| count(name).unwrap()).sum());
        }
        (counts[0], counts[1])
    }

    /// Body and cause of the dead letters, in no order.
    pub async fn dead_letters(&self) -> Vec<(String, String)> {
        let asked = json!({
            "QueueUrl": self.dead_letter_url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0,
            "MessageAttributeNames": ["All"],
        });
        let answer = self.call("ReceiveMessage", asked).await;
        let letters = answer["Messages"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        letters
            .iter()
            .map(|letter| (text(&letter["Body"]), text(&letter["MessageAttributes"]["cause"]["StringValue"])))
            .collect()
    }
}
