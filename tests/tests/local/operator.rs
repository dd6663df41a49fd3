//! `status`, `health` and `redrive` beside a running `local`, and where there is nothing to look at.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use end_to_end::{Ended, Local, command, run};
use hubspot_simulator::{Settings, Simulator};
use jiff::Timestamp;
use report_worker::queue::{Embedded, EmbeddedSettings, Queue};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Runs `closing-bell` in a folder, with the names of files that `Local` uses.
async fn bell(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut bell = command("closing-bell");
    bell.args(arguments)
        .current_dir(folder)
        .envs([("QUEUE_FILE", "queue.sqlite"), ("DATABASE_URL", "sqlite:books.sqlite")]);
    bell.envs(variables.iter().copied());
    run(bell, b"").await
}

fn parsed(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

fn now() -> Timestamp {
    Timestamp::from_millisecond(end_to_end::now_ms()).unwrap()
}

/// A queue with so many dead letters.
async fn dead(folder: &Path, count: usize) -> Queue {
    let queue = Embedded::open(folder.join("queue.sqlite"), EmbeddedSettings::default()).await.unwrap();
    let queue = Queue::Embedded(queue);
    let at: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
    for number in 0..count {
        queue.send(&format!("body {number}"), at).await.unwrap();
        let message = queue.receive(1, std::time::Duration::ZERO, at).await.unwrap().remove(0);
        queue.move_to_dead_letters(&message, "envelope: no \u{1b}[2J envelope", at).await.unwrap();
    }
    queue
}

#[tokio::test]
async fn beside_a_running_local() {
    let simulator = Simulator::start(Settings::default()).await.unwrap();
    let local = Local::start(&simulator, &[]).await;
    let folder = local.folder().to_owned();
    let well = bell(&folder, &["health"], &[]).await;
    assert_eq!((well.code, well.stdout.as_str(), well.stderr.as_str()), (Some(0), "", ""));

    for body in ["no JSON of Website relaunch", "half a JSON [", "[{}]"] {
        assert_eq!(local.post(body).await, 200);
    }
    let dead_letters =
        async || parsed(&bell(&folder, &["status", "--json"], &[]).await)["queue"]["dead_letters"].clone();
    local.until("two letters are dead", async || dead_letters().await == 2).await;
    let status = bell(&folder, &["status"], &[]).await;
    assert_eq!((status.code, status.stderr.as_str()), (Some(0), ""));
    insta::with_settings!({filters => [(r"\d+ (second|ms|minute)s?( ago)?", "[time]"), (r"\d{4}-\S+ \S+Z", "[date]")]}, {
        insta::assert_snapshot!(status.stdout, @"
        queue         empty; everything that was accepted is taken in
        dead letters  2; `closing-bell redrive --list` shows them
                           1 × body: the body is not JSON at line 1, column 1
                           1 × body: the body is not JSON at line 1, column 2
        worker        its last cycle ended [time] and took [time], with 0 problems
        last work     the last cycle that found any ended [time] and took [time]
        HubSpot       has not been asked since the worker was started
        books         open since [date] ([time])
        completeness  all records were taken in from HubSpot [time]; the worker compares them every night
        records       none has to be read
        changes       all are reported
        mails         all are sent
        ");
    });

    let listed = bell(&folder, &["redrive", "--list", "--json"], &[]).await;
    assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), ""));
    assert!(!listed.stdout.contains("Website relaunch"), "{listed:?}");
    let letters = parsed(&listed);
    let letters = letters.as_array().unwrap();
    assert_eq!(letters.len(), 2);
    assert!(letters.iter().all(|letter| letter["cause"].as_str().unwrap().starts_with("body: ")), "{letters:?}");
    assert!(
        letters.iter().all(|letter| letter["received"] == 1 && letter["size_bytes"].as_u64() > Some(50)),
        "{letters:?}"
    );

    // Nothing has been mended, so what is put back dies again.
    let all = bell(&folder, &["redrive", "--all"], &[]).await;
    assert_eq!((all.code, all.stdout.as_str()), (Some(0), "put back 2 dead letters\n"), "{all:?}");
    local.until("they are dead again", async || dead_letters().await == 2).await;

    let (ended, kept) = local.end().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "`local` prints no metrics");
    let ill = bell(kept.path(), &["health"], &[]).await;
    assert_eq!((ill.code, ill.stdout.as_str(), ill.stderr.lines().count()), (Some(1), "", 1), "{ill:?}");
    assert!(ill.stderr.starts_with("closing-bell: there is no heartbeat at queue.sqlite.heartbeat; "), "{ill:?}");
}

#[tokio::test]
async fn one_some_and_all_are_put_back_as_they_were() {
    let folder = TempDir::new().unwrap();
    let queue = dead(folder.path(), 23).await;
    let letters = parsed(&bell(folder.path(), &["redrive", "--list", "--json"], &[]).await);
    let ids: Vec<&str> = letters.as_array().unwrap().iter().map(|letter| letter["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 23);

    let some =
        bell(folder.path(), &["redrive", "--id", ids[22], "--id", ids[4], "--id", "nobody", "--json"], &[]).await;
    assert_eq!(some.code, Some(1), "{some:?}");
    let mut outcome = parsed(&some);
    let put_back = outcome["put_back"].take();
    assert_eq!(outcome, json!({ "put_back": null, "failed": [], "not_found": ["nobody"] }));
    let put_back: BTreeSet<&str> = put_back.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    assert_eq!(put_back, BTreeSet::from([ids[4], ids[22]]));
    let none = bell(folder.path(), &["redrive", "--id", "nobody"], &[]).await;
    assert_eq!(
        (none.code, none.stdout.as_str()),
        (Some(1), "put back 0 dead letters\nthere is no dead letter nobody\n")
    );
    let depth = queue.depth(now()).await.unwrap();
    assert_eq!((depth.waiting, depth.dead_letters), (2, 21));

    assert_eq!(bell(folder.path(), &["redrive", "--all"], &[]).await.code, Some(0));
    let mut bodies = Vec::new();
    loop {
        let messages = queue.receive(10, std::time::Duration::ZERO, now()).await.unwrap();
        if messages.is_empty() {
            break;
        }
        bodies.extend(messages.into_iter().map(|message| (message.body, message.receive_count)));
    }
    bodies.sort();
    let mut expected: Vec<_> = (0..23).map(|number| (format!("body {number}"), 1)).collect();
    expected.sort();
    assert_eq!(bodies, expected);
    let empty = bell(folder.path(), &["redrive", "--list"], &[]).await;
    assert_eq!((empty.code, empty.stdout.as_str()), (Some(0), "there are no dead letters\n"));
}

#[tokio::test]
async fn the_list_is_for_people_and_steers_no_terminal() {
    let folder = TempDir::new().unwrap();
    dead(folder.path(), 1).await;
    let list = bell(folder.path(), &["redrive", "--list"], &[]).await;
    insta::with_settings!({filters => [("[0-9a-f]{32}", "[id]"), (r"\(\d+ days ago\)", "(some days ago)")]}, {
        insta::assert_snapshot!(list.stdout, @"
        [id]
          cause     envelope: no �[2J envelope
          given up  2026-11-20 08:00:00Z (some days ago)
          size      6 bytes
          received  1

        1 dead letter
        ");
    });
}

#[tokio::test]
async fn where_nothing_is_nothing_is_made_and_all_of_it_is_told() {
    let folder = TempDir::new().unwrap();
    let status = bell(folder.path(), &["status"], &[]).await;
    assert_eq!(status.code, Some(1));
    insta::assert_snapshot!(status.stdout, @"
    worker        none runs on this machine; the metric Heartbeat tells of those elsewhere
    problem       there is no queue file queue.sqlite; set QUEUE_FILE as for `local`, or QUEUE_URL and DEAD_LETTER_QUEUE_URL
    problem       there are no books books.sqlite; is DATABASE_URL the worker's?
    ");
    let list = bell(folder.path(), &["redrive", "--list"], &[]).await;
    assert_eq!(list.code, Some(1));
    insta::assert_snapshot!(list.stderr, @"closing-bell: there is no queue file queue.sqlite; set QUEUE_FILE as for `local`, or QUEUE_URL and DEAD_LETTER_QUEUE_URL");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);

    fs::write(folder.path().join("books.sqlite"), "no books but a text of more than a hundred bytes".repeat(9))
        .unwrap();
    fs::write(folder.path().join("queue.sqlite"), "no queue but a text of more than a hundred bytes".repeat(9))
        .unwrap();
    fs::write(folder.path().join("queue.sqlite.heartbeat"), "no heartbeat").unwrap();
    let status = parsed(&bell(folder.path(), &["status", "--json"], &[]).await);
    assert_eq!((&status["queue"], &status["worker"], &status["books"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!(status["problems"].as_array().unwrap().len(), 3, "{status}");
}

#[tokio::test]
async fn wrong_usage_and_configuration() {
    let folder = TempDir::new().unwrap();
    for arguments in
        [&["redrive"][..], &["redrive", "--list", "--all"], &["redrive", "--all", "--id", "x"], &["redrive", "--id"]]
    {
        let ended = bell(folder.path(), arguments, &[]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", ended.stderr);
    }
    let two_queues = [("QUEUE_URL", "http://127.0.0.1:9/queue")];
    for (arguments, code) in [(&["redrive", "--all"][..], 2), (&["status"], 2), (&["health"], 1)] {
        let ended = bell(folder.path(), arguments, &two_queues).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{arguments:?}: {}", ended.stderr);
        for variable in ["QUEUE_FILE: set beside QUEUE_URL", "DEAD_LETTER_QUEUE_URL: not set"] {
            assert!(ended.stderr.contains(variable), "{arguments:?}: {}", ended.stderr);
        }
    }
}

#[tokio::test]
async fn an_old_heartbeat_is_told_in_one_line() {
    let folder = TempDir::new().unwrap();
    let heartbeat = json!({
        "started_at": "2026-11-20T08:00:00Z", "cycles": 1, "good_until": "2026-11-20T08:19:00Z",
        "last": { "at": "2026-11-20T08:01:00Z", "duration_ms": 7, "problems": 0 },
    });
    fs::write(folder.path().join("queue.sqlite.heartbeat"), heartbeat.to_string()).unwrap();
    let ended = bell(folder.path(), &["health"], &[]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    insta::assert_snapshot!(ended.stderr, @"closing-bell: no cycle has ended since 2026-11-20T08:01:00Z; the next one was to end before 2026-11-20T08:19:00Z");
}
