//! An SQS API that passes everything on and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use reqwest::Client;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// It ends with this value.
pub(crate) struct Counted {
    url: String,
    calls: Arc<AtomicU64>,
    task: AbortHandle,
}

#[derive(Clone)]
struct Behind {
    client: Client,
    endpoint: String,
    calls: Arc<AtomicU64>,
}

impl Counted {
    /// In front of the API at `endpoint`.
    pub(crate) async fn start(endpoint: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (url, calls) = (format!("http://{}", listener.local_addr()?), Arc::<AtomicU64>::default());
        let client = Client::builder().no_proxy().build()?;
        let behind = Behind { client, endpoint: endpoint.to_owned(), calls: calls.clone() };
        let server = axum::serve(listener, Router::new().fallback(pass_on).with_state(behind));
        let task = tokio::spawn(server.into_future()).abort_handle();
        Ok(Self { url, calls, task })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(State(behind): State<Behind>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    behind.calls.fetch_add(1, Ordering::Relaxed);
    let mut request = behind.client.post(&behind.endpoint).body(body);
    for name in ["x-amz-target", "content-type"] {
        request = request.header(name, headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default());
    }
    match request.send().await {
        Ok(answer) => (answer.status(), answer.text().await.unwrap_or_default()),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()),
    }
}
