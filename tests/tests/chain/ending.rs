//! `closing-bell worker` beside an SQS that counts its calls: how little it does when there is nothing to do, and how soon
//! it ends when it is asked to.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::HeaderMap;
use end_to_end::{command, signal};
use hubspot_simulator::{Kind, Settings, Simulator};
use hubspot_webhook::door::{Keys, Request, TargetUrls, admit};
use hubspot_webhook::signature::{Secret, sign_v3};
use serde_json::{Value, json};
use tokio::process::Child;

use crate::harness::{start, until};
use end_to_end::SmtpServer;

/// Well inside of the 30 seconds after which ECS kills a container that sets nothing else.
const SOON: Duration = Duration::from_secs(10);

const URL: &str = "https://bell.example.com/webhooks/hubspot";

/// An SQS whose queue holds what a test puts in. What is received stays received.
#[derive(Clone, Default)]
struct Counting {
    calls: Arc<Mutex<Vec<(Instant, String)>>>,
    messages: Arc<Mutex<Vec<String>>>,
}

impl Counting {
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let sqs = self.clone();
        let answer = move |headers: HeaderMap| async move { sqs.answer(headers["x-amz-target"].to_str().unwrap()) };
        tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
        url
    }

    fn answer(&self, target: &str) -> String {
        self.calls.lock().unwrap().push((Instant::now(), target.to_owned()));
        let message = |(index, body): (usize, String)| json!({ "MessageId": index.to_string(), "ReceiptHandle": "receipt", "Body": body });
        let answer = match target {
            "AmazonSQS.ReceiveMessage" => {
                let messages: Vec<Value> =
                    std::mem::take(&mut *self.messages.lock().unwrap()).into_iter().enumerate().map(message).collect();
                json!({ "Messages": messages })
            }
            _ => json!({ "Successful": [], "Failed": [] }),
        };
        answer.to_string()
    }

    fn calls(&self) -> Vec<(Instant, String)> {
        self.calls.lock().unwrap().clone()
    }
}

fn worker(folder: &Path, simulator: &Simulator, sqs: &str, smtp: &str) -> Child {
    worker_with(folder, simulator, sqs, smtp, &format!("sqlite:{}", folder.join("books.sqlite").display()))
}

fn worker_with(folder: &Path, simulator: &Simulator, sqs: &str, smtp: &str, database: &str) -> Child {
    let mut worker = command("closing-bell");
    worker
        .arg("worker")
        .envs([("AWS_ENDPOINT_URL", sqs), ("AWS_REGION", "us-east-1")])
        .envs([("AWS_ACCESS_KEY_ID", "nobody"), ("AWS_SECRET_ACCESS_KEY", "nothing")])
        .envs([("QUEUE_URL", format!("{sqs}/1/queue")), ("DEAD_LETTER_QUEUE_URL", format!("{sqs}/1/dead"))])
        .env("DATABASE_URL", database)
        .env("ALLOW_SQLITE_WITH_SQS", "yes")
        .env("HUBSPOT_CLIENT_SECRETS", Settings::default().client_secret)
        .env("HUBSPOT_ACCESS_TOKEN", Settings::default().access_token)
        .env("HUBSPOT_API_URL", simulator.api_url())
        .envs([("SMTP_URL", smtp), ("MAIL_FROM", "bell@example.com"), ("MAIL_TO", "finance@example.com")])
        .envs([("QUIET_PERIOD", "0s"), ("POLL_INTERVAL", "1s")]);
    start(worker, &folder.join("log"))
}

/// SIGTERM; and the process says in time that it ended well.
async fn end(mut worker: Child, folder: &Path) {
    let asked = Instant::now();
    signal("TERM", &worker).await;
    let status = worker.wait().await.unwrap();
    let log = std::fs::read_to_string(folder.join("log")).unwrap();
    assert!(status.success() && asked.elapsed() < SOON, "{status} after {:?}\n{log}", asked.elapsed());
    assert!(log.contains("ended as asked"), "{log}");
}

/// A queue message about this deal.
fn message(deal: i64) -> String {
    let settings = Settings::default();
    let now_ms = crate::now().as_millisecond();
    let event = json!([{
        "eventId": 1, "portalId": settings.portal_id, "appId": 7, "occurredAt": now_ms, "attemptNumber": 0,
        "subscriptionType": "deal.propertyChange", "objectId": deal, "propertyName": "dealstage",
    }]);
    let (body, stamp, secret) = (event.to_string(), now_ms.to_string(), Secret::new(settings.client_secret).unwrap());
    let signature = sign_v3(&secret, "POST", URL, body.as_bytes(), &stamp);
    let headers = [("x-hubspot-signature-v3", signature.as_bytes()), ("x-hubspot-request-timestamp", stamp.as_bytes())];
    let request = Request { method: "POST", headers: &headers, body: body.as_bytes(), queries: &[] };
    let (keys, urls) = (Keys::new(vec![secret]).unwrap(), TargetUrls::new([URL]).unwrap());
    admit(&request, &keys, &urls, now_ms).unwrap().encode()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_cycle_is_one_call_to_sqs_and_none_to_hubspot() {
    let (folder, sqs) = (tempfile::tempdir().unwrap(), Counting::default());
    let simulator = Simulator::start(Settings::default()).await.unwrap();
    let url = sqs.start().await;
    let worker = worker(folder.path(), &simulator, &url, "file:outbox");
    until("the first cycles are over", async || (sqs.calls().len() >= 3).then_some(())).await;
    let (before, asked_hubspot) = (sqs.calls().len(), simulator.counters().api_calls);
    until("more cycles are over", async || (sqs.calls().len() >= before + 5).then_some(())).await;
    let calls = &sqs.calls()[before - 1..];
    for pair in calls.windows(2) {
        assert!(pair[1].0 - pair[0].0 > Duration::from_millis(900), "{calls:?}");
        assert_eq!(pair[1].1, "AmazonSQS.ReceiveMessage");
    }
    assert_eq!(simulator.counters().api_calls, asked_hubspot);
    end(worker, folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_soon_though_hubspot_does_not_answer() {
    let (folder, sqs) = (tempfile::tempdir().unwrap(), Counting::default());
    let simulator = Simulator::start(Settings::default()).await.unwrap();
    let deal = simulator.account().create(Kind::Deal, &[("dealname", "Roof")]);
    let url = sqs.start().await;
    let worker = worker(folder.path(), &simulator, &url, "file:outbox");
    until("the first cycles are over", async || (sqs.calls().len() >= 3).then_some(())).await;
    simulator.faults().arm("timeout:1000".parse().unwrap());
    let name = "POST /crm/objects/deals/batch/read";
    let before = simulator.counters().api_calls.get(name).copied().unwrap_or_default();
    sqs.messages.lock().unwrap().push(message(deal));
    let asked = async || simulator.counters().api_calls.get(name).is_some_and(|calls| *calls > before).then_some(());
    until("HubSpot is asked", asked).await;
    end(worker, folder.path()).await;
    assert!(sqs.calls().iter().any(|(_, target)| target == "AmazonSQS.DeleteMessageBatch"), "it is in the books");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_soon_though_the_mail_server_does_not_answer() {
    let (folder, sqs) = (tempfile::tempdir().unwrap(), Counting::default());
    let server = SmtpServer::start(&["--slow"]).await;
    let simulator = Simulator::start(Settings::default()).await.unwrap();
    let deal = simulator.account().create(Kind::Deal, &[("dealname", "Roof"), ("amount", "1")]);
    let url = sqs.start().await;
    let worker = worker(folder.path(), &simulator, &url, &server.url("smtp://"));
    until("the first cycles are over", async || (sqs.calls().len() >= 3).then_some(())).await;
    simulator.account().set(Kind::Deal, deal, &[("dealstage", "closedwon")]);
    sqs.messages.lock().unwrap().push(message(deal));
    until("the mail is with the server", async || (!server.taken().is_empty()).then_some(())).await;
    end(worker, folder.path()).await;
    let store = report_worker::store::Store::sqlite(&folder.path().join("books.sqlite")).await.unwrap();
    let state = store.mail_states().await.unwrap().remove(0);
    assert_eq!(state.state, report_worker::store::MailState::Unknown, "never success");
    assert!(state.reply.unwrap().contains("was asked to end"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_soon_though_the_database_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(Settings::default()).await.unwrap();
    let database = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("mysql://bell:secret@{}/books", database.local_addr().unwrap());
    let mut worker = worker_with(folder.path(), &simulator, "http://127.0.0.1:1", "file:outbox", &url);
    let (_connection, _) = database.accept().await.unwrap();
    let asked = Instant::now();
    signal("TERM", &worker).await;
    let status = worker.wait().await.unwrap();
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    // An exit code and no signal: it listened. The first process of a container would not have ended otherwise.
    assert!(status.code() == Some(1) && asked.elapsed() < SOON, "{status} after {:?}\n{log}", asked.elapsed());
    assert!(log.contains("ended as asked, before the books were open"), "{log}");
}
