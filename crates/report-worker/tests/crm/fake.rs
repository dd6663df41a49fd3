//! A HubSpot of few words: a server on a socket that answers what a test tells it to, and remembers what it was asked.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use jiff::Timestamp;
use report_worker::crm::{Crm, CrmSettings};
use secrecy::SecretString;
use serde_json::{Value, json};

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Method and path with query, as in `POST /crm/objects/2026-09/0-3/batch/read`.
    pub(crate) line: String,
    /// The JSON that was posted.
    pub(crate) body: Value,
    /// The `Authorization` header.
    pub(crate) authorization: String,
}

impl Asked {
    /// The ids in a batch's `inputs`.
    pub(crate) fn ids(&self) -> Vec<i64> {
        let inputs = self.body["inputs"].as_array().unwrap();
        inputs.iter().map(|input| input["id"].as_str().unwrap().parse().unwrap()).collect()
    }

    pub(crate) fn is_archived(&self) -> bool {
        self.line.ends_with("?archived=true")
    }

    pub(crate) fn reads(&self, type_id: &str) -> bool {
        self.line.starts_with(&format!("POST /crm/objects/2026-09/{type_id}/batch/read"))
    }

    pub(crate) fn searches(&self) -> bool {
        self.line.ends_with("/search")
    }
}

/// What the server says.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Status, headers, body.
    Says(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Nothing, ever.
    Never,
}

pub(crate) fn ok(body: Value) -> Reply {
    status(200, body)
}

pub(crate) fn status(status: u16, body: Value) -> Reply {
    Reply::Says(status, Vec::new(), body.to_string().into_bytes())
}

impl Reply {
    pub(crate) fn with(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Says(status, mut headers, body) => {
                headers.push((name, value.to_owned()));
                Self::Says(status, headers, body)
            }
            Self::Never => Self::Never,
        }
    }
}

/// The server, which ends with the test's runtime.
pub(crate) struct Fake {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

struct Shared<F> {
    answer: F,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    /// Starts a server that answers every request by `answer`; where it has no answer, as an empty account would.
    pub(crate) async fn start<F: Fn(&Asked) -> Option<Reply> + Send + Sync + 'static>(answer: F) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::new(Shared { answer, asked: Arc::clone(&asked) });
        let router = Router::new().fallback(serve::<F>).with_state(shared);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, asked }
    }

    /// Starts a server that gives these replies to batch reads of deals, one after the other, and then knows no deals.
    pub(crate) async fn replying(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
        Self::start(move |asked| if asked.reads("0-3") { replies.lock().unwrap().pop_front() } else { None }).await
    }

    pub(crate) fn settings(&self) -> CrmSettings {
        let url = format!("http://{}", self.address).parse().unwrap();
        let mut settings = CrmSettings::new(url, "2026-09".into(), SecretString::from("pat-test-token"));
        settings.retry_pause = Duration::ZERO;
        settings.windows.search = Duration::ZERO;
        settings
    }

    pub(crate) fn crm(&self) -> Crm {
        crm(self.settings())
    }

    /// The requests so far that a test cares about.
    pub(crate) fn asked(&self, which: impl Fn(&Asked) -> bool) -> Vec<Asked> {
        self.asked.lock().unwrap().iter().filter(|asked| which(asked)).cloned().collect()
    }
}

pub(crate) fn crm(settings: CrmSettings) -> Crm {
    static TLS: Once = Once::new();
    TLS.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    Crm::new(settings).unwrap()
}

async fn serve<F: Fn(&Asked) -> Option<Reply> + Send + Sync + 'static>(
    State(shared): State<Arc<Shared<F>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let authorization = headers.get("authorization").map_or("", |value| value.to_str().unwrap());
    let asked = Asked {
        line: format!("{method} {uri}"),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        authorization: authorization.to_owned(),
    };
    shared.asked.lock().unwrap().push(asked.clone());
    match (shared.answer)(&asked).unwrap_or_else(|| empty_account(&asked)) {
        Reply::Never => std::future::pending().await,
        Reply::Says(status, headers, body) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Body::from(body)).unwrap()
        }
    }
}

/// An account whose properties are defined as HubSpot's are, and which has nothing else.
fn empty_account(asked: &Asked) -> Reply {
    if !asked.line.contains("/crm/properties/") {
        return ok(json!({"status": "COMPLETE", "results": []}));
    }
    let property = |(name, form)| json!({"name": name, "type": form});
    let properties = [
        ("dealname", "string"),
        ("dealstage", "enumeration"),
        ("amount", "number"),
        ("deal_currency_code", "enumeration"),
        ("closedate", "datetime"),
        ("hubspot_owner_id", "enumeration"),
        ("hs_lastmodifieddate", "datetime"),
        ("hs_invoice_status", "enumeration"),
        ("hs_due_date", "date"),
        ("hs_invoice_latest_company_name", "string"),
    ];
    ok(json!({"results": properties.map(property)}))
}

/// A deal that was modified at this second.
pub(crate) fn deal(id: i64, second: i64) -> Value {
    let at = Timestamp::from_second(1_790_000_000 + second).unwrap().to_string();
    json!({
        "id": id.to_string(),
        "properties": {"dealname": format!("Deal {id}"), "amount": "10.50", "hs_lastmodifieddate": at},
        "propertiesWithHistory": {"amount": [{"value": "10.50", "timestamp": at, "sourceType": "CRM_UI"}]},
        "createdAt": "2026-01-01T00:00:00.000Z",
        "updatedAt": at,
        "archived": false,
    })
}

/// A complete batch.
pub(crate) fn batch(results: Vec<Value>) -> Reply {
    ok(json!({"status": "COMPLETE", "results": results, "startedAt": "x", "completedAt": "y"}))
}

/// HubSpot's error body.
pub(crate) fn error(code: u16, category: &str) -> Reply {
    let message = "Something about Mrs Smith";
    status(code, json!({"status": "error", "message": message, "category": category, "correlationId": "c0ffee-1"}))
}

/// The time of the tests, some minutes into the day.
pub(crate) fn now(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_795_300_000 + minutes * 60).unwrap()
}
