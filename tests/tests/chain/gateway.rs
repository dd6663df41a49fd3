//! What AWS puts around the Lambda: API Gateway's front for a REST API or an HTTP API, and the Runtime API that the function
//! polls.
//!
//! Sources: "Input format of a Lambda function for proxy integration" and "Working with AWS Lambda proxy integrations for
//! HTTP APIs" (API Gateway), "Using the Lambda runtime API".

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use data_encoding::BASE64;
use end_to_end::command;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::harness::start;
use crate::now;

/// The longest that API Gateway waits for a function.
const TIMEOUT: Duration = Duration::from_secs(29);

/// Each function answers one request at a time.
const INSTANCES: usize = 2;

/// The name by which the account of the gateway calls itself, whatever the caller's `Host` says.
pub(crate) const DOMAIN: &str = "k3x9qw71zb.execute-api.eu-central-1.amazonaws.com";

/// The path of the webhook, with the stage before it.
pub(crate) const PATH: &str = "/prod/webhooks/hubspot";

/// Which of its two kinds of events the gateway makes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Api {
    /// Payload 1.0 with `binaryMediaTypes: */*`: the query taken apart, every header as a list, and every body in base64.
    Rest,
    /// Payload 2.0: the query as it came, headers of one name joined with commas, and the body in base64 where it is no text.
    Http,
}

/// A gateway with its functions. All end with this value.
pub(crate) struct Gateway {
    front: SocketAddr,
    _servers: JoinSet<()>,
    _functions: Vec<Child>,
}

struct Invocation {
    id: String,
    event: Value,
}

struct Aws {
    invoke: mpsc::UnboundedSender<Invocation>,
    invoked: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    /// Who waits for the answer to which invocation; an error of the function is no answer.
    waiting: Mutex<HashMap<String, oneshot::Sender<Option<Value>>>>,
    api: Api,
}

impl Gateway {
    /// Starts the gateway and its functions. With `told_its_url` they have the front's address in `WEBHOOK_URLS`; without
    /// they go by what the gateway says of itself.
    pub(crate) async fn start(api: Api, told_its_url: bool, log: &FilePath, variables: &[(&str, String)]) -> Self {
        let (invoke, invoked) = mpsc::unbounded_channel();
        let aws = Arc::new(Aws { invoke, invoked: invoked.into(), waiting: Mutex::default(), api });
        let runtime_api = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .with_state(aws.clone());
        let mut servers = JoinSet::new();
        let runtime_api = serve(&mut servers, runtime_api).await;
        let front = serve(&mut servers, Router::new().fallback(call).with_state(aws)).await;
        let functions = (0..INSTANCES).map(|_| {
            let mut function = command("validator-lambda");
            function
                .env("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string())
                .env("AWS_LAMBDA_FUNCTION_NAME", "door")
                .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
                .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
                .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/door")
                .env("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/22/[$LATEST]1")
                .envs(variables.iter().map(|(name, value)| (*name, value)));
            if told_its_url {
                function.env("WEBHOOK_URLS", format!("http://{front}{PATH}"));
            }
            start(function, log)
        });
        Self { front, _functions: functions.collect(), _servers: servers }
    }

    /// The webhook's URL on this machine.
    pub(crate) fn url(&self) -> String {
        format!("http://{}{PATH}", self.front)
    }
}

async fn serve(servers: &mut JoinSet<()>, router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    servers.spawn(async { axum::serve(listener, router).await.unwrap() });
    address
}

/// Hands out an invocation; a function waits here until there is one.
async fn next(State(aws): State<Arc<Aws>>) -> Response {
    let Some(Invocation { id, event }) = aws.invoked.lock().await.recv().await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let deadline_ms = now().as_millisecond() + i64::try_from(TIMEOUT.as_millis()).unwrap();
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:111122223333:function:door".to_owned()),
    ];
    (headers, event.to_string()).into_response()
}

async fn response(State(aws): State<Arc<Aws>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    answered(&aws, &id, serde_json::from_slice(&body).ok())
}

async fn error(State(aws): State<Arc<Aws>>, Path(id): Path<String>) -> StatusCode {
    answered(&aws, &id, None)
}

fn answered(aws: &Aws, id: &str, answer: Option<Value>) -> StatusCode {
    // A caller that has hung up is not waiting any more.
    let _ = aws.waiting.lock().unwrap().remove(id).map(|caller| caller.send(answer));
    StatusCode::ACCEPTED
}

/// One HTTP request, as the gateway tells it to the function, and the function's answer.
async fn call(State(aws): State<Arc<Aws>>, request: Request<axum::body::Body>) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let id = format!("{:032x}", fastrand::u128(..));
    let event = match aws.api {
        Api::Rest => rest_event(&id, &head.method, &head.uri, &head.headers, &body),
        Api::Http => http_event(&id, &head.method, &head.uri, &head.headers, &body),
    };
    let (caller, answer) = oneshot::channel();
    aws.waiting.lock().unwrap().insert(id.clone(), caller);
    aws.invoke.send(Invocation { id, event }).unwrap();
    match tokio::time::timeout(TIMEOUT, answer).await {
        Ok(Ok(Some(answer))) => reply(&answer),
        Ok(_) => StatusCode::BAD_GATEWAY.into_response(),
        Err(_) => StatusCode::GATEWAY_TIMEOUT.into_response(),
    }
}

fn reply(answer: &Value) -> Response {
    let status = answer["statusCode"].as_u64().and_then(|code| StatusCode::from_u16(u16::try_from(code).ok()?).ok());
    let Some(status) = status else { return StatusCode::BAD_GATEWAY.into_response() };
    (status, answer["body"].as_str().unwrap_or_default().to_owned()).into_response()
}

/// The values of each name, in the order in which they came.
fn grouped(pairs: impl Iterator<Item = (String, String)>) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (name, value) in pairs {
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => groups.push((name, vec![value])),
        }
    }
    groups
}

fn header_values(headers: &HeaderMap) -> Vec<(String, Vec<String>)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    grouped(headers.iter().map(|(name, value)| (name.to_string(), text(value))))
}

/// The event of a REST API (payload 1.0).
fn rest_event(id: &str, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Value {
    let query = uri.query().unwrap_or_default();
    let query = grouped(url::form_urlencoded::parse(query.as_bytes()).into_owned());
    // The last of several values, and all of them; without any there is `null`.
    let last = |groups: &[(String, Vec<String>)]| {
        let last: Map<_, _> = groups.iter().map(|(name, values)| (name.clone(), json!(values.last()))).collect();
        if last.is_empty() { Value::Null } else { last.into() }
    };
    let all = |groups: &[(String, Vec<String>)]| {
        let all: Map<_, _> = groups.iter().map(|(name, values)| (name.clone(), json!(values))).collect();
        if all.is_empty() { Value::Null } else { all.into() }
    };
    let headers = header_values(headers);
    let path = uri.path().strip_prefix("/prod").unwrap_or(uri.path());
    json!({
        "resource": path, "path": path, "httpMethod": method.as_str(),
        "headers": last(&headers), "multiValueHeaders": all(&headers),
        "queryStringParameters": last(&query), "multiValueQueryStringParameters": all(&query),
        "pathParameters": null, "stageVariables": null,
        "requestContext": {
            "resourceId": "8f2k1m", "resourcePath": path, "httpMethod": method.as_str(), "path": uri.path(),
            "accountId": "111122223333", "protocol": "HTTP/1.1", "stage": "prod", "domainName": DOMAIN,
            "requestId": id, "apiId": "k3x9qw71zb", "identity": { "sourceIp": "203.0.113.40" },
        },
        // With binary media types for everything the gateway takes no body for text.
        "body": BASE64.encode(body), "isBase64Encoded": true,
    })
}

/// The event of an HTTP API (payload 2.0), with a stage that has a name.
fn http_event(id: &str, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Value {
    let joined: Map<_, _> =
        header_values(headers).into_iter().map(|(name, values)| (name, values.join(",").into())).collect();
    let text = str::from_utf8(body).ok();
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": uri.path(),
        "rawQueryString": uri.query().unwrap_or_default(), "headers": joined,
        "requestContext": {
            "accountId": "111122223333", "apiId": "k3x9qw71zb", "domainName": DOMAIN, "domainPrefix": "k3x9qw71zb",
            "http": {
                "method": method.as_str(), "path": uri.path(), "protocol": "HTTP/1.1", "sourceIp": "203.0.113.40",
                "userAgent": "",
            },
            "requestId": id, "routeKey": "$default", "stage": "prod", "time": "22/Nov/2026:20:00:00 +0000",
            "timeEpoch": now().as_millisecond(),
        },
        "body": text.map_or_else(|| BASE64.encode(body), str::to_owned), "isBase64Encoded": text.is_none(),
    })
}
