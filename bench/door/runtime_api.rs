//! The Lambda Runtime API for one function. Source: "Using the Lambda runtime API" (AWS Lambda's developer guide).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::AbortHandle;

/// Longer than any answer is waited for.
const DEADLINE: Duration = Duration::from_secs(60);

/// What the function did, and when.
#[derive(Debug)]
pub(crate) enum Moment {
    /// It asked for an event.
    Asked(Instant),
    /// It was given one.
    Given(Instant),
    Answered(Instant, Bytes),
    /// It could not start, or gave an error in place of an answer.
    Failed(String),
}

/// The server, which ends with this value.
pub(crate) struct RuntimeApi {
    pub(crate) address: SocketAddr,
    pub(crate) events: mpsc::UnboundedSender<Event>,
    pub(crate) moments: mpsc::UnboundedReceiver<Moment>,
    server: AbortHandle,
}

/// One event, and the time it is given until, epoch milliseconds UTC.
pub(crate) struct Event {
    pub(crate) body: String,
    pub(crate) now_ms: i64,
}

struct Shared {
    events: Mutex<mpsc::UnboundedReceiver<Event>>,
    moments: mpsc::UnboundedSender<Moment>,
}

impl RuntimeApi {
    pub(crate) async fn start() -> Result<Self> {
        let (events, receiver) = mpsc::unbounded_channel();
        let (sender, moments) = mpsc::unbounded_channel();
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(error))
            .with_state(Arc::new(Shared { events: receiver.into(), moments: sender }));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let listener = listener.tap_io(|stream| {
            // Without it an answer may wait for an acknowledgement; a stream that has ended needs no answer.
            let _ = stream.set_nodelay(true);
        });
        let server = tokio::spawn(axum::serve(listener, router).into_future()).abort_handle();
        Ok(Self { address, events, moments, server })
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    shared.note(Moment::Asked(Instant::now()));
    let Some(event) = shared.events.lock().await.recv().await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let deadline_ms = event.now_ms.saturating_add(DEADLINE.as_millis().try_into().expect("a minute fits"));
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", "5c7c2b6e-1f7e-4d55-8a35-0f4f3e6f2f11".to_owned()),
        ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:111122223333:function:door".to_owned()),
        ("lambda-runtime-trace-id", "Root=1-6922f3aa-3f1c5d2b4e6a7081920a3b4c;Sampled=0".to_owned()),
    ];
    shared.note(Moment::Given(Instant::now()));
    (headers, event.body).into_response()
}

async fn response(State(shared): State<Arc<Shared>>, Path(_): Path<String>, body: Bytes) -> StatusCode {
    shared.note(Moment::Answered(Instant::now(), body));
    StatusCode::ACCEPTED
}

async fn error(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    shared.note(Moment::Failed(String::from_utf8_lossy(&body).into_owned()));
    StatusCode::ACCEPTED
}

impl Shared {
    fn note(&self, moment: Moment) {
        // Nobody listens any more: the function has been measured and is being ended.
        let _ = self.moments.send(moment);
    }
}
