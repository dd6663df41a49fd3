//! One story, told to both kinds of queue.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use report_worker::queue::{Depth, Embedded, EmbeddedSettings, Message, Queue, Sqs};

const NO_WAIT: Duration = Duration::ZERO;

#[tokio::test]
async fn the_embedded_queue_tells_the_story() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Embedded::open(folder.path().join("queue.sqlite"), EmbeddedSettings::default()).await.unwrap();
    tell(&Queue::Embedded(queue)).await;
}

#[tokio::test]
async fn sqs_tells_the_story() {
    tell(&Queue::Sqs(sqs("story").await)).await;
}

#[tokio::test]
async fn sqs_says_which_message_it_did_not_delete() {
    let queue = Queue::Sqs(sqs("not-deleted").await);
    queue.send("stays", now()).await.unwrap();
    queue.send("goes", now()).await.unwrap();
    let mut messages = receive_all(&queue, 2).await;
    let stays = messages.iter_mut().find(|message| message.body == "stays").unwrap();
    stays.receipt = "not a receipt".to_owned();
    let stays = stays.id.clone();
    let not_deleted = queue.delete(&messages).await.unwrap();
    let ids: Vec<&str> = not_deleted.iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(ids, [stays.as_str()]);
    assert!(not_deleted[0].cause.starts_with("ReceiptHandleIsInvalid"), "{not_deleted:?}");
}

#[tokio::test]
async fn a_missing_queue_is_an_error_that_names_it_and_stays() {
    let missing = sqs_url("this-one-was-never-made");
    let queue = Queue::Sqs(Sqs::connect(&missing, &missing).await);
    let error = queue.depth(now()).await.unwrap_err();
    assert!(!error.is_transient());
    assert_eq!(error.to_string(), format!("cannot count the queue {missing}"));
}

async fn tell(queue: &Queue) {
    let bodies = ["first\r\nwith é and 🔔", "second", "third"];
    for body in bodies {
        queue.send(body, now()).await.unwrap();
    }
    assert_eq!(counts(queue).await, (3, 0, 0));

    let messages: BTreeMap<String, Message> =
        receive_all(queue, 3).await.into_iter().map(|message| (message.body.clone(), message)).collect();
    let [first, second, third] = bodies.map(|body| &messages[body]);
    assert!([first, second, third].iter().all(|message| message.receive_count == 1));
    assert_eq!(counts(queue).await, (0, 3, 0));
    assert_eq!(queue.receive(10, NO_WAIT, now()).await.unwrap(), [], "what was handed out is invisible");

    assert_eq!(queue.delete(std::slice::from_ref(first)).await.unwrap(), []);
    assert_eq!(queue.delete(&[]).await.unwrap(), []);

    queue.release(std::slice::from_ref(second), now()).await.unwrap();
    let again = receive_all(queue, 1).await.remove(0);
    assert_eq!((&again.id, &again.body, again.receive_count), (&second.id, &second.body, 2));
    assert_ne!(again.receipt, second.receipt);

    queue.move_to_dead_letters(third, "not readable: \u{1b} line 1", now()).await.unwrap();
    assert_eq!(counts(queue).await, (0, 1, 1));
    let dead = queue.dead_letters(10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].body, "third");
    assert!(dead[0].cause.starts_with("not readable: ") && dead[0].cause.ends_with(" line 1"), "{dead:?}");
    assert_eq!(queue.dead_letters(10).await.unwrap().len(), 1, "looking takes nothing out");

    assert_eq!(queue.delete(&[again]).await.unwrap(), []);
    assert_eq!(counts(queue).await, (0, 0, 1));

    let (received, sent) =
        tokio::join!(queue.receive(10, Duration::from_secs(20), now()), queue.send("while it waits", now()));
    sent.unwrap();
    let received = received.unwrap();
    assert_eq!(received[0].body, "while it waits");
    assert_eq!(queue.delete(&received).await.unwrap(), []);

    // More than one receive hands out; SQS need not show all of it at once.
    for number in 0..25 {
        queue.send(&number.to_string(), now()).await.unwrap();
    }
    let mut messages = Vec::new();
    while messages.len() < 25 {
        messages.extend(queue.receive_at_once(3, now()).await.unwrap());
    }
    let bodies: BTreeSet<&str> = messages.iter().map(|message| message.body.as_str()).collect();
    assert_eq!((messages.len(), bodies.len()), (25, 25));
    queue.keep(&messages, now()).await.unwrap();
    assert_eq!(counts(queue).await, (0, 25, 1), "what is in hand stays there");
    assert_eq!(queue.delete(&messages).await.unwrap(), []);
    assert_eq!(queue.receive(1, queue.wait_to_be_sure(), now()).await.unwrap(), []);
}

/// Receives until there are `count`: SQS may hand out fewer at a time than it has.
async fn receive_all(queue: &Queue, count: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    while messages.len() < count {
        let received = queue.receive(10, Duration::from_secs(2), now()).await.unwrap();
        assert!(!received.is_empty(), "the queue has {} of {count}", messages.len());
        messages.extend(received);
    }
    messages
}

async fn counts(queue: &Queue) -> (u64, u64, u64) {
    let Depth { waiting, in_flight, dead_letters, .. } = queue.depth(now()).await.unwrap();
    (waiting, in_flight, dead_letters)
}

fn now() -> Timestamp {
    "2026-11-22T17:00:00Z".parse().unwrap()
}

/// A pair of new queues in the emulator.
async fn sqs(name: &str) -> Sqs {
    endpoint();
    // Its own client: creating queues is the template's business, not the worker's.
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_config::defaults(aws_config::BehaviorVersion::v2026_01_12()).http_client(http).load().await;
    let client = aws_sdk_sqs::Client::new(&config);
    let unique = format!("{name}-{}", std::process::id());
    let mut urls = Vec::new();
    for name in [unique.clone(), format!("{unique}-dead")] {
        urls.push(client.create_queue().queue_name(name).send().await.unwrap().queue_url.unwrap());
    }
    Sqs::connect(&urls[0], &urls[1]).await
}

fn sqs_url(name: &str) -> String {
    format!("{}/000000000000/{name}", endpoint())
}

fn endpoint() -> String {
    std::env::var("AWS_ENDPOINT_URL").expect("run `cargo xtask test`, it starts the SQS emulator")
}
