//! The operator's commands on SQS: dead letters listed and put back, and a worker's metrics, heartbeat and status.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use end_to_end::{Ended, command, run, signal};
use hubspot_simulator::{Settings, Simulator};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::until;
use end_to_end::{Queues, aws_variables};

/// Runs `closing-bell` on these queues.
async fn bell(arguments: &[&str], queue_url: &str, dead_letter_url: &str, folder: &Path) -> Ended {
    let mut bell = command("closing-bell");
    bell.args(arguments).current_dir(folder).envs(aws_variables()).env("TMPDIR", folder);
    bell.env("QUEUE_URL", queue_url).env("DEAD_LETTER_QUEUE_URL", dead_letter_url);
    bell.env("DATABASE_URL", "sqlite:books.sqlite");
    run(bell, b"").await
}

fn parsed(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

fn ids(letters: &Value) -> BTreeSet<String> {
    letters.as_array().unwrap().iter().map(|letter| letter["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_dead_letter_is_listed_again_and_again_and_put_back() {
    let (queues, folder) = (Queues::create().await, tempfile::tempdir().unwrap());
    for number in 0..23 {
        // What SQS moves by itself has no cause.
        let cause = (number > 0).then(|| format!("envelope: broken {number}"));
        queues.send_dead(&format!("body {number}"), cause.as_deref()).await;
    }
    let bell = async |arguments: &[&str]| bell(arguments, &queues.url, &queues.dead_letter_url, folder.path()).await;
    let first = bell(&["redrive", "--list", "--json"]).await;
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""));
    assert!(!first.stdout.contains("body "), "{first:?}");
    let letters = parsed(&first);
    assert_eq!(ids(&letters).len(), 23);
    let of = |letters: &Value, cause: &str| {
        let mut found = letters.as_array().unwrap().iter().filter(|letter| letter["cause"] == cause);
        let letter = found.next().unwrap_or_else(|| panic!("{cause}: {letters}")).clone();
        assert!(found.next().is_none(), "{cause}: {letters}");
        letter
    };
    let moved_by_sqs = of(&letters, "received too many times without being deleted");
    assert_eq!((&moved_by_sqs["size_bytes"], &moved_by_sqs["received"]), (&json!(6), &json!(0)));
    let second = bell(&["redrive", "--list", "--json"]).await;
    assert_eq!(ids(&parsed(&second)), ids(&letters), "a look hides nothing");
    assert_eq!(of(&parsed(&second), "envelope: broken 7")["received"], 1);

    let (seventh, ninth) = (of(&letters, "envelope: broken 7"), of(&letters, "envelope: broken 9"));
    let chosen = [seventh["id"].as_str().unwrap(), ninth["id"].as_str().unwrap()];
    let some = bell(&["redrive", "--id", chosen[0], "--id", chosen[1]]).await;
    assert_eq!((some.code, some.stdout.as_str()), (Some(0), "put back 2 dead letters\n"), "{some:?}");
    assert_eq!(queues.count().await, (2, 21));
    let unknown = bell(&["redrive", "--id", chosen[0]]).await;
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.stdout.ends_with(&format!("\nthere is no dead letter {}\n", chosen[0])), "{unknown:?}");

    let rest = ids(&parsed(&bell(&["redrive", "--list", "--json"]).await));
    assert_eq!((rest.len(), rest.contains(chosen[0])), (21, false), "what was not chosen is shown at once");
    let all = bell(&["redrive", "--all"]).await;
    assert_eq!((all.code, all.stdout.as_str()), (Some(0), "put back 21 dead letters\n"), "{all:?}");
    assert_eq!(queues.count().await, (23, 0));
    let bodies: BTreeSet<String> = queues.take_all(23).await.into_iter().collect();
    assert_eq!(bodies, (0..23).map(|number| format!("body {number}")).collect());
}

#[tokio::test]
async fn what_cannot_be_copied_is_not_deleted() {
    let (queues, folder) = (Queues::create().await, tempfile::tempdir().unwrap());
    for body in ["one", "two", "three"] {
        queues.send_dead(body, None).await;
    }
    let no_queue = format!("{}-never-made", queues.url);
    let ended = bell(&["redrive", "--all"], &no_queue, &queues.dead_letter_url, folder.path()).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let told = ended.stdout.matches(&format!(" could not be put back: cannot send to the queue {no_queue}: ")).count();
    assert_eq!((told, queues.count().await), (3, (0, 3)), "{ended:?}");
    let listed = bell(&["redrive", "--list", "--json"], &no_queue, &queues.dead_letter_url, folder.path()).await;
    assert_eq!(ids(&parsed(&listed)).len(), 3, "and it is not hidden");

    let ended = bell(&["redrive", "--all"], &queues.url, &no_queue, folder.path()).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    let told = format!("closing-bell: cannot receive from the queue {no_queue}: ");
    assert!(ended.stderr.starts_with(&told), "{ended:?}");
}

#[tokio::test]
async fn a_letter_is_copied_before_it_is_deleted() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let heard = calls.clone();
    // An SQS that holds one dead letter and lets nobody delete it.
    let sqs = Router::new().route(
        "/",
        post(async move |headers: HeaderMap| {
            let action = headers["x-amz-target"].to_str().unwrap().trim_start_matches("AmazonSQS.").to_owned();
            let first = !heard.lock().unwrap().contains(&action);
            let answer = match action.as_str() {
                "ReceiveMessage" if first => {
                    (StatusCode::OK, json!({ "Messages": [{ "MessageId": "m", "ReceiptHandle": "r", "Body": "b" }] }))
                }
                "DeleteMessage" => (StatusCode::FORBIDDEN, json!({ "__type": "AccessDenied", "message": "no" })),
                _ => (StatusCode::OK, json!({})),
            };
            heard.lock().unwrap().push(action);
            (answer.0, answer.1.to_string())
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, sqs).into_future());
    let mut redrive = command("closing-bell");
    redrive.args(["redrive", "--all", "--json"]).envs(aws_variables()).env("AWS_ENDPOINT_URL", &url);
    redrive.env("QUEUE_URL", format!("{url}/1/queue")).env("DEAD_LETTER_QUEUE_URL", format!("{url}/1/dead"));
    let ended = run(redrive, b"").await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(parsed(&ended)["failed"][0]["id"], "m");
    let expected = ["ReceiveMessage", "SendMessage", "DeleteMessage", "ReceiveMessage", "ChangeMessageVisibility"];
    assert_eq!(*calls.lock().unwrap(), expected, "and then it is shown to others again");
}

#[tokio::test]
async fn a_worker_writes_metrics_and_a_heartbeat_and_status_tells_of_it() {
    let settings = Settings::default();
    let simulator = Simulator::start(settings.clone()).await.unwrap();
    let (queues, folder) = (Queues::create().await, tempfile::tempdir().unwrap());
    queues.send("no envelope").await;
    let (results, log) = (folder.path().join("stdout"), folder.path().join("stderr"));
    let mut worker = command("closing-bell");
    worker.arg("worker").current_dir(folder.path()).envs(aws_variables()).env("TMPDIR", folder.path());
    worker.envs([
        ("QUEUE_URL", queues.url.as_str()),
        ("DEAD_LETTER_QUEUE_URL", &queues.dead_letter_url),
        ("DATABASE_URL", "sqlite:books.sqlite"),
        ("ALLOW_SQLITE_WITH_SQS", "yes"),
        ("HUBSPOT_CLIENT_SECRETS", &settings.client_secret),
        ("HUBSPOT_ACCESS_TOKEN", &settings.access_token),
        ("HUBSPOT_API_URL", &simulator.api_url()),
        ("SMTP_URL", "file:outbox"),
        ("MAIL_FROM", "bell@example.com"),
        ("MAIL_TO", "finance@example.com"),
        ("POLL_INTERVAL", "100ms"),
    ]);
    worker.stdout(File::create(&results).unwrap()).stderr(File::create(&log).unwrap());
    let mut worker = worker.spawn().unwrap();
    let lines = || -> Vec<Value> {
        let text = fs::read_to_string(&results).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    };
    let seen = until("an idle cycle after one with a dead letter", async || {
        let lines = lines();
        let dead = lines.iter().position(|line| line["DeadLetters"] == 1)?;
        lines[dead..].iter().any(|line| line["DeadLetters"].is_null()).then_some(lines)
    })
    .await;
    let name = queues.url.rsplit('/').next().unwrap();
    for line in &seen {
        assert_eq!(
            (&line["Heartbeat"], &line["queue"], &line["QueueDepth"]),
            (&json!(1), &json!(name), &json!(0)),
            "{line}"
        );
        assert!(line["CycleTime"].is_u64() && line["durations_ms"]["cycle"].is_u64(), "{line}");
    }
    let bell = async |arguments: &[&str]| bell(arguments, &queues.url, &queues.dead_letter_url, folder.path()).await;
    let well = bell(&["health"]).await;
    assert_eq!((well.code, well.stderr.as_str()), (Some(0), ""));
    let status = parsed(&bell(&["status", "--json"]).await);
    assert_eq!((&status["problems"], &status["queue"]["dead_letters"]), (&json!([]), &json!(1)), "{status}");
    assert_eq!(status["queue"]["oldest_age_s"], Value::Null, "SQS does not tell");
    let causes = status["queue"]["causes"].as_object().unwrap();
    assert!(causes.keys().all(|cause| cause.starts_with("envelope: ")) && causes.len() == 1, "{status}");
    assert!(
        status["books"]["last_work"]["at"].is_string() && status["worker"]["cycles"].as_u64() >= Some(2),
        "{status}"
    );

    signal("TERM", &worker).await;
    assert_eq!(worker.wait().await.unwrap().code(), Some(0), "{}", fs::read_to_string(&log).unwrap());
    assert_eq!(bell(&["health"]).await.code, Some(1), "one that has ended is not well");
    assert!(fs::read_to_string(&log).unwrap().contains("durations_ms={"));
}
