//! Both doors: one table of requests, given to the Lambda and to the local endpoint. They answer the same, and they queue
//! the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use hubspot_webhook::door::{
    CORRELATION_HEADER, Keys, SIGNATURE_HEADER, SIGNATURE_V3_HEADER, TIMESTAMP_HEADER, TargetUrls,
};
use hubspot_webhook::signature::{Secret, sign_v1, sign_v3};
use report_worker::endpoint::{self, Endpoint};
use report_worker::queue::{Embedded, EmbeddedSettings, Queue, Sqs};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::gateway::{Api, Gateway};
use crate::harness::until;
use crate::now;
use end_to_end::{Queues, aws_variables};

const SECRET: &str = "secret-of-both-doors";
/// What HubSpot calls, whichever door answers.
const CALLED: &str = "https://bell.example.com/webhooks/hubspot";

/// A request, and the status that both doors have to give it.
struct Row {
    name: &'static str,
    status: u16,
    method: Method,
    query: &'static str,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// A right delivery of a body, signed as if it had been called with `method` and `query` at `now + later_ms`.
fn row(
    name: &'static str,
    status: u16,
    method: &str,
    query: &'static str,
    later_ms: i64,
    body: impl Into<Vec<u8>>,
) -> Row {
    let (secret, body) = (Secret::new(SECRET).unwrap(), body.into());
    let stamp = (now().as_millisecond() + later_ms).to_string();
    let signature = sign_v3(&secret, method, &format!("{CALLED}{query}"), &body, &stamp);
    let row = Row { name, status, method: method.parse().unwrap(), query, headers: HeaderMap::new(), body };
    let row = row.with(SIGNATURE_V3_HEADER, signature).with(TIMESTAMP_HEADER, stamp);
    row.with(CORRELATION_HEADER, name).with("content-type", "application/json")
}

fn plain(name: &'static str, status: u16) -> Row {
    row(name, status, "POST", "", 0, r#"[{"eventId":1}]"#)
}

impl Row {
    fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_bytes(value.as_ref()).unwrap());
        self
    }

    fn again(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_bytes(value.as_ref()).unwrap());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }
}

/// Text that no compression makes small.
fn noise(length: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(length).collect()
}

#[rustfmt::skip]
fn rows(api: Api) -> Vec<Row> {
    let v1 = |row: &Row| sign_v1(&Secret::new(SECRET).unwrap(), &row.body);
    let minutes = 60_000;
    let with_v1 = |name, status| { let row = plain(name, status); let v1 = v1(&row); row.with(SIGNATURE_HEADER, v1) };
    let mut rows = vec![
        plain("plain", 200),
        with_v1("with v1", 200),
        plain("garbage for v1", 200).with(SIGNATURE_HEADER, "x"),
        plain("no correlation id", 200).without(CORRELATION_HEADER),
        plain("an empty correlation id", 200).with(CORRELATION_HEADER, ""),
        plain("a long correlation id", 200).with(CORRELATION_HEADER, "x".repeat(256)),
        plain("too long a correlation id", 200).with(CORRELATION_HEADER, "x".repeat(257)),
        plain("an odd correlation id", 200).with(CORRELATION_HEADER, "é 🔔"),
        plain("no content type", 200).without("content-type"),
        plain("a charset", 200).with("content-type", "application/json; charset=utf-8"),
        plain("identity", 200).with("content-encoding", "identity"),
        plain("a forged host", 200).with("x-forwarded-host", "forged.example"),
        row("four minutes old", 200, "POST", "", -4 * minutes, "[]"),
        row("four minutes ahead", 200, "POST", "", 4 * minutes, "[]"),
        row("an empty body", 200, "POST", "", 0, ""),
        row("no JSON", 200, "POST", "", 0, "\u{feff}<é\0🔔>\r\n"),
        row("600 kB", 200, "POST", "", 0, noise(600_000)),
        row("780 kB", 200, "POST", "", 0, noise(780_000)),
        row("a query", 200, "POST", "?source=hubspot", 0, "[]"),
        row("an escape of the table", 200, "POST", "?v=a%3Ab", 0, "[]"),
        row("1.2 MB", 413, "POST", "", 0, noise(1_200_000)),
        row("3 MB", 413, "POST", "", 0, noise(3_000_000)),
        plain("a form", 415).with("content-type", "application/x-www-form-urlencoded"),
        plain("gzip", 415).with("content-encoding", "gzip"),
        row("GET", 405, "GET", "", 0, "[]"),
        row("PUT", 405, "PUT", "", 0, "[]"),
        row("HEAD", 405, "HEAD", "", 0, ""),
        row("OPTIONS", 405, "OPTIONS", "", 0, ""),
        plain("no signature", 401).without(SIGNATURE_V3_HEADER),
        plain("no timestamp", 401).without(TIMESTAMP_HEADER),
        with_v1("v1 alone", 401).without(SIGNATURE_V3_HEADER).without(TIMESTAMP_HEADER),
        plain("an empty signature", 401).with(SIGNATURE_V3_HEADER, ""),
        plain("a doubled signature", 401).again(SIGNATURE_V3_HEADER, "x"),
        plain("a doubled timestamp", 401).again(TIMESTAMP_HEADER, "x"),
        plain("a signature beyond ASCII", 401).with(SIGNATURE_V3_HEADER, "é"),
        plain("half a signature", 401).with(SIGNATURE_V3_HEADER, "AAAA"),
        plain("somebody else's signature", 401).with(SIGNATURE_V3_HEADER, "A".repeat(43) + "="),
        plain("no number", 401).with(TIMESTAMP_HEADER, "NaN"),
        row("six minutes old", 401, "POST", "", -6 * minutes, "[]"),
        row("six minutes ahead", 401, "POST", "", 6 * minutes, "[]"),
        Row { query: "?added=1", ..plain("an added query", 401) },
        Row { query: "", ..row("a removed query", 401, "POST", "?a=1", 0, "[]") },
        Row { body: b"[]".into(), ..plain("another body", 401) },
        Row { body: noise(1_200_000).into(), ..plain("another body of 1.2 MB", 401) },
    ];
    // Each kind of API tells its function something that the other keeps to itself.
    rows.extend(match api {
        Api::Rest => vec![plain("a doubled correlation id", 200).again(CORRELATION_HEADER, "x")],
        Api::Http => vec![
            row("no UTF-8", 200, "POST", "", 0, b"\xff\xfe"),
            row("a query in its order", 200, "POST", "?b=%20+1&a&a=", 0, "[]"),
        ],
    });
    rows
}

/// The envelopes of a queue without the time of receipt, by the correlation id they came with.
async fn envelopes(queue: &Queue, count: usize) -> BTreeMap<String, Vec<Value>> {
    let mut envelopes: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut received = 0;
    until("every delivery is in the queue", async || {
        for message in queue.receive(10, Duration::ZERO, now()).await.unwrap() {
            let mut envelope: Value = serde_json::from_str(&message.body).unwrap();
            assert!(envelope["received_at_ms"].take().is_i64(), "{envelope}");
            let id = envelope["correlation_id"].as_str().unwrap_or_default().to_owned();
            envelopes.entry(id).or_default().push(envelope);
            received += 1;
        }
        (received >= count).then_some(())
    })
    .await;
    assert_eq!(queue.depth(now()).await.unwrap().waiting, 0, "nothing else is in the queue");
    // Several came without an id, and a queue has no order.
    envelopes.values_mut().for_each(|same| same.sort_by_key(Value::to_string));
    envelopes
}

/// Posts a row, and gives the status.
async fn status(client: &Client, url: &str, row: &Row) -> u16 {
    let request = client.request(row.method.clone(), format!("{url}{}", row.query));
    let answer = request.headers(row.headers.clone()).body(row.body.clone()).send().await;
    answer.unwrap_or_else(|error| panic!("{}: {error:?}", row.name)).status().as_u16()
}

async fn both_doors_do_the_same(api: Api) {
    let (queues, folder) = (Queues::create().await, tempfile::tempdir().unwrap());
    let mut variables = aws_variables();
    variables.extend([("QUEUE_URL", queues.url.clone()), ("HUBSPOT_CLIENT_SECRETS", SECRET.to_owned())]);
    variables.push(("WEBHOOK_URLS", CALLED.to_owned()));
    let gateway = Gateway::start(api, false, &folder.path().join("lambda.log"), &variables).await;
    let behind_lambda = Queue::Sqs(Sqs::connect(&queues.url, &queues.dead_letter_url).await);

    let embedded = Embedded::open(folder.path().join("queue.sqlite"), EmbeddedSettings::default()).await.unwrap();
    let behind_endpoint = Queue::Embedded(embedded);
    let keys = Keys::new(vec![Secret::new(SECRET).unwrap()]).unwrap();
    let urls = TargetUrls::new([CALLED]).unwrap();
    let endpoint = Endpoint { keys: keys.into(), urls, queue: behind_endpoint.clone(), clock: now };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let local = format!("http://{}/webhooks/hubspot", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async { axum::serve(listener, endpoint::router(endpoint)).await.unwrap() });

    let client = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let (mut differing, mut accepted) = (String::new(), 0);
    for row in rows(api) {
        let statuses = [status(&client, &gateway.url(), &row).await, status(&client, &local, &row).await];
        if statuses != [row.status; 2] {
            let [lambda, local] = statuses;
            writeln!(differing, "{}: Lambda {lambda}, local {local}, not {}", row.name, row.status).unwrap();
        }
        accepted += usize::from(row.status == 200);
    }
    assert_eq!(differing, "");
    let (lambda, local) = (envelopes(&behind_lambda, accepted).await, envelopes(&behind_endpoint, accepted).await);
    assert_eq!(lambda.keys().collect::<Vec<_>>(), local.keys().collect::<Vec<_>>());
    for (id, envelope) in &lambda {
        assert!(envelope == &local[id], "the envelopes of {id:?} differ");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_an_http_api_both_doors_do_the_same() {
    both_doors_do_the_same(Api::Http).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_rest_api_both_doors_do_the_same() {
    both_doors_do_the_same(Api::Rest).await;
}
