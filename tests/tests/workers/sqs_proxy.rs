//! Between the workers and the SQS API: shortens visibility, lets single entries of a batch fail, and counts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What a dripping queue takes for a batch of deletes.
const DELETE_TIME: Duration = Duration::from_millis(40);

/// What passes through, and what is to be done with it.
#[derive(Clone)]
pub(crate) struct SqsProxy {
    client: Client,
    state: Arc<Mutex<Behaviour>>,
    pub(crate) url: String,
}

#[derive(Default)]
struct Behaviour {
    /// Instead of what a receive asks for, so that a killed worker's messages come back soon.
    visibility_seconds: Option<u64>,
    /// Hands out few messages at once and answers to deletes late, so that taking in has many middles.
    drips: bool,
    /// So many entries of delete batches are answered as failed; SQS keeps their messages.
    deletes_to_fail: usize,
    /// Deletes go nowhere and are never answered.
    holds_deletes: bool,
    deletes_held: u64,
    receives: u64,
    most_receives_of_a_message: u64,
}

impl SqsProxy {
    pub(crate) async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let proxy = Self { client, state: Arc::default(), url };
        let router = Router::new().fallback(answer).with_state(proxy.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        proxy
    }

    /// Received messages come back after so many seconds, whatever the worker asks for.
    pub(crate) fn shorten_visibility(&self, seconds: u64) {
        self.state.lock().unwrap().visibility_seconds = Some(seconds);
    }

    /// Hands out few messages at once, and takes its time over deletes.
    pub(crate) fn drip(&self) {
        self.state.lock().unwrap().drips = true;
    }

    /// The next so many entries of delete batches fail.
    pub(crate) fn fail_deletes(&self, entries: usize) {
        self.state.lock().unwrap().deletes_to_fail = entries;
    }

    /// How many entries are still to fail.
    pub(crate) fn deletes_to_fail(&self) -> usize {
        self.state.lock().unwrap().deletes_to_fail
    }

    /// From now on no delete arrives, and none is answered; or again as before.
    pub(crate) fn hold_deletes(&self, hold: bool) {
        self.state.lock().unwrap().holds_deletes = hold;
    }

    /// How many batches of deletes were held.
    pub(crate) fn deletes_held(&self) -> u64 {
        self.state.lock().unwrap().deletes_held
    }

    /// How often a receive was called.
    pub(crate) fn receives(&self) -> u64 {
        self.state.lock().unwrap().receives
    }

    /// The highest receive count that a message came with.
    pub(crate) fn most_receives_of_a_message(&self) -> u64 {
        self.state.lock().unwrap().most_receives_of_a_message
    }

    fn holds(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        state.deletes_held += u64::from(state.holds_deletes);
        state.holds_deletes
    }

    /// Takes the entries that are to fail out of a delete batch.
    fn refuse(&self, call: &mut Value) -> Vec<Value> {
        let mut state = self.state.lock().unwrap();
        let entries = call["Entries"].as_array_mut().unwrap();
        let count = state.deletes_to_fail.min(entries.len());
        state.deletes_to_fail -= count;
        let failure = |entry: Value| json!({ "Id": entry["Id"], "Code": "InternalError", "Message": "try again", "SenderFault": false });
        entries.drain(..count).map(failure).collect()
    }

    async fn forward(&self, headers: &HeaderMap, call: &Value) -> Option<(StatusCode, Value)> {
        let mut request = self.client.post(std::env::var("AWS_ENDPOINT_URL").expect("run `cargo xtask test`"));
        for name in ["x-amz-target", "content-type", "authorization", "x-amz-date"] {
            request = request.header(name, headers.get(name)?);
        }
        let answer = request.body(call.to_string()).send().await.ok()?;
        let (status, bytes) = (answer.status(), answer.bytes().await.ok()?);
        Some((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }
}

async fn answer(State(proxy): State<SqsProxy>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let mut call: Value = serde_json::from_slice(&body).expect("the AWS SDK speaks JSON");
    let action = headers["x-amz-target"].to_str().unwrap().trim_start_matches("AmazonSQS.").to_owned();
    let mut refused = Vec::new();
    match action.as_str() {
        "ReceiveMessage" => {
            let mut state = proxy.state.lock().unwrap();
            state.receives += 1;
            if let Some(seconds) = state.visibility_seconds {
                call["VisibilityTimeout"] = seconds.into();
            }
            if state.drips {
                call["MaxNumberOfMessages"] = 3.into();
            }
        }
        "DeleteMessageBatch" if proxy.holds() => return std::future::pending().await,
        "DeleteMessageBatch" => refused = proxy.refuse(&mut call),
        _ => {}
    }
    let nothing_left = !refused.is_empty() && call["Entries"].as_array().is_some_and(Vec::is_empty);
    let forwarded = if nothing_left { Some((StatusCode::OK, json!({}))) } else { proxy.forward(&headers, &call).await };
    let Some((status, mut answer)) = forwarded else { return (StatusCode::BAD_GATEWAY, String::new()) };
    if !refused.is_empty() {
        answer["Failed"] = refused.into();
    }
    let counts = answer["Messages"].as_array().into_iter().flatten();
    let counts = counts.filter_map(|message| message["Attributes"]["ApproximateReceiveCount"].as_str()?.parse().ok());
    let drips = proxy.state.lock().unwrap().drips;
    if drips && action == "DeleteMessageBatch" {
        tokio::time::sleep(DELETE_TIME).await;
    }
    if let Some(most) = counts.max() {
        let mut state = proxy.state.lock().unwrap();
        state.most_receives_of_a_message = state.most_receives_of_a_message.max(most);
    }
    (status, answer.to_string())
}
