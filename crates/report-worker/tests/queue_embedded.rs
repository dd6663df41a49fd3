//! The embedded queue keeps SQS's rules, whatever happens in between.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use report_worker::queue::{CAUSE_RECEIVE_LIMIT, Embedded, EmbeddedSettings, Message, Queue, QueueError};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;

const NO_WAIT: Duration = Duration::ZERO;
const VISIBILITY: i64 = 120;

async fn open(file: &Path) -> Queue {
    Queue::Embedded(Embedded::open(file, EmbeddedSettings::default()).await.unwrap())
}

/// The queue's file, past the queue.
async fn file_of(file: &Path) -> SqlitePool {
    SqlitePool::connect_with(SqliteConnectOptions::new().filename(file).create_if_missing(true)).await.unwrap()
}

async fn sql(file: &Path, sql: &'static str) {
    let pool = file_of(file).await;
    sqlx::raw_sql(sql).execute(&pool).await.unwrap();
    pool.close().await;
}

/// Seconds after the start of the story.
fn at(seconds: i64) -> Timestamp {
    "2026-11-22T17:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body.as_str()).collect()
}

#[tokio::test]
async fn a_message_comes_back_when_its_visibility_timeout_ends() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(&folder.path().join("queue")).await;
    queue.send("ring", at(0)).await.unwrap();

    let first = queue.receive(10, NO_WAIT, at(0)).await.unwrap();
    assert_eq!(queue.receive(10, NO_WAIT, at(VISIBILITY - 1)).await.unwrap(), []);
    let depth = queue.depth(at(VISIBILITY - 1)).await.unwrap();
    assert_eq!((depth.waiting, depth.in_flight), (0, 1));
    assert_eq!(depth.oldest_age, Some(Duration::from_secs(119)));
    assert_eq!(queue.depth(at(VISIBILITY)).await.unwrap().waiting, 1);

    let second = queue.receive(10, NO_WAIT, at(VISIBILITY)).await.unwrap();
    assert_eq!((first[0].receive_count, second[0].receive_count), (1, 2));
    assert_ne!(first[0].receipt, second[0].receipt);

    let refused = queue.delete(&first).await.unwrap();
    assert_eq!(refused[0].id, first[0].id, "an old receipt deletes nothing");
    queue.release(&first, at(130)).await.unwrap();
    queue.move_to_dead_letters(&first[0], "old", at(130)).await.unwrap();
    let depth = queue.depth(at(130)).await.unwrap();
    assert_eq!((depth.in_flight, depth.dead_letters), (1, 0), "nor does it give back or move");

    assert_eq!(queue.delete(&second).await.unwrap(), []);
    assert_eq!(queue.delete(&second).await.unwrap(), [], "what is gone counts as deleted");
    assert_eq!(queue.depth(at(130)).await.unwrap().oldest_age, None);
}

#[tokio::test]
async fn what_a_process_that_ended_held_is_taken_up_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue");
    let queue = open(&file).await;
    queue.send("held", at(0)).await.unwrap();
    queue.receive(1, NO_WAIT, at(0)).await.unwrap();
    queue.send("waiting", at(1)).await.unwrap();
    drop(queue);

    let queue = Embedded::open(&file, EmbeddedSettings::default()).await.unwrap();
    assert_eq!(queue.take_up_interrupted(at(2)).await.unwrap(), 1);
    let messages = Queue::Embedded(queue).receive(10, NO_WAIT, at(2)).await.unwrap();
    assert_eq!(bodies(&messages).into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(["held", "waiting"]));
}

#[tokio::test]
async fn a_late_delete_still_counts_while_nobody_else_has_the_message() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(&folder.path().join("queue")).await;
    queue.send("ring", at(0)).await.unwrap();
    let late = queue.receive(1, NO_WAIT, at(0)).await.unwrap();
    assert_eq!(queue.delete(&late).await.unwrap(), []);
    assert_eq!(queue.receive(1, NO_WAIT, at(VISIBILITY * 2)).await.unwrap(), []);
}

#[tokio::test]
async fn after_too_many_receives_a_message_is_a_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    let settings = EmbeddedSettings { receive_limit: 2, ..EmbeddedSettings::default() };
    let queue = Queue::Embedded(Embedded::open(folder.path().join("queue"), settings).await.unwrap());
    queue.send("poison", at(0)).await.unwrap();
    queue.receive(1, NO_WAIT, at(0)).await.unwrap();
    queue.receive(1, NO_WAIT, at(VISIBILITY)).await.unwrap();
    assert_eq!(queue.receive(1, NO_WAIT, at(VISIBILITY * 2 - 1)).await.unwrap(), []);
    assert_eq!(queue.dead_letters(9).await.unwrap(), [], "its second receiver still has it");
    assert_eq!(queue.receive(1, NO_WAIT, at(VISIBILITY * 2)).await.unwrap(), []);
    let dead = queue.dead_letters(9).await.unwrap();
    assert_eq!((dead[0].cause.as_str(), dead[0].body.as_str()), (CAUSE_RECEIVE_LIMIT, "poison"));
    assert_eq!(dead[0].moved_at, at(VISIBILITY * 2));
    assert_eq!(queue.depth(at(300)).await.unwrap().waiting, 0);
}

#[tokio::test]
async fn a_receive_takes_ten_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(&folder.path().join("queue")).await;
    for number in 0..12 {
        queue.send(&number.to_string(), at(0)).await.unwrap();
    }
    assert_eq!(queue.receive(100, NO_WAIT, at(0)).await.unwrap().len(), 10);
    assert_eq!(queue.receive(0, NO_WAIT, at(0)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_waiting_receive_wakes_for_what_is_sent_and_for_what_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    // Never looking by itself, so that only the wake-up under test can end the wait in time.
    let settings = EmbeddedSettings {
        visibility_timeout: Duration::from_millis(50),
        look_again: Duration::from_secs(3600),
        ..EmbeddedSettings::default()
    };
    let queue = Queue::Embedded(Embedded::open(folder.path().join("queue"), settings).await.unwrap());
    let wait = Duration::from_secs(20);
    let started = std::time::Instant::now();
    let (received, ()) = tokio::join!(queue.receive(1, wait, at(0)), send_to_waiting(&queue, &queue));
    assert_eq!(bodies(&received.unwrap()), ["ring"]);
    let back = queue.receive(1, wait, at(0)).await.unwrap();
    assert_eq!((bodies(&back), back[0].receive_count), (vec!["ring"], 2));
    assert!(started.elapsed() < wait, "it waited to the end instead");
}

#[tokio::test]
async fn what_another_process_sends_ends_a_wait() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (open(&folder.path().join("queue")).await, open(&folder.path().join("queue")).await);
    let wait = Duration::from_secs(20);
    let started = std::time::Instant::now();
    let (received, ()) = tokio::join!(here.receive(1, wait, at(0)), send_to_waiting(&here, &there));
    assert_eq!(bodies(&received.unwrap()), ["ring"]);
    assert!(started.elapsed() < wait, "it waited to the end instead");
}

/// Sends through `sender` once a receive of `receiver`, started before, has found nothing and waits: the two take turns at
/// the one connection of `receiver`, and a receive looks twice.
async fn send_to_waiting(receiver: &Queue, sender: &Queue) {
    for _ in 0..10 {
        receiver.depth(at(0)).await.unwrap();
    }
    sender.send("ring", at(0)).await.unwrap();
}

#[tokio::test]
async fn what_was_sent_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue");
    let queue = open(&file).await;
    for body in ["waiting", "in flight", "dead"] {
        queue.send(body, at(0)).await.unwrap();
    }
    let messages = queue.receive(10, NO_WAIT, at(0)).await.unwrap();
    let of = |body: &str| messages.iter().find(|message| message.body == body).unwrap().clone();
    queue.release(&[of("waiting")], at(1)).await.unwrap();
    queue.move_to_dead_letters(&of("dead"), "cause", at(1)).await.unwrap();
    let before = queue.depth(at(2)).await.unwrap();
    drop(queue);

    let queue = open(&file).await;
    assert_eq!(queue.depth(at(2)).await.unwrap(), before);
    assert_eq!(bodies(&queue.receive(10, NO_WAIT, at(2)).await.unwrap()), ["waiting"]);
    assert_eq!(queue.delete(&[of("in flight")]).await.unwrap(), []);
    assert_eq!(queue.dead_letters(9).await.unwrap()[0].body, "dead");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_handles_on_one_file_never_share_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue");
    // Opened at the same moment, both may have to lay the file out.
    let (one, other) = tokio::join!(open(&file), open(&file));
    for number in 0..60 {
        let queue = if number % 2 == 0 { &one } else { &other };
        queue.send(&number.to_string(), at(0)).await.unwrap();
    }
    let drain = |queue: Queue| {
        tokio::spawn(async move {
            let mut seen = Vec::new();
            loop {
                let messages = queue.receive(3, NO_WAIT, at(0)).await.unwrap();
                if messages.is_empty() {
                    return seen;
                }
                seen.extend(messages.into_iter().map(|message| message.body));
            }
        })
    };
    let (here, there) = tokio::join!(drain(one), drain(other));
    let seen = [here.unwrap(), there.unwrap()].concat();
    assert_eq!(seen.len(), 60);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 60);
}

#[tokio::test]
async fn a_file_that_is_no_queue_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let open = async |name: &str| Embedded::open(folder.path().join(name), EmbeddedSettings::default()).await;
    sql(&folder.path().join("store"), "CREATE TABLE deals (id INTEGER)").await;
    assert!(matches!(open("store").await, Err(QueueError::NotAQueue { .. })));

    std::fs::write(folder.path().join("text"), "this is not a database at all".repeat(100)).unwrap();
    for (name, transient) in [("text", false), ("no/such/folder", false)] {
        let error = open(name).await.unwrap_err();
        assert!(matches!(error, QueueError::File { .. }), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(error.is_transient(), transient, "{error:?}");
    }
}

#[tokio::test]
async fn a_queue_of_an_older_release_goes_on_with_its_dead_letters() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue");
    sql(&file, include_str!("../src/queue/layout/0001_messages.sql")).await;
    let rest = "INSERT INTO dead_letters VALUES (1, 'old', 'é', 'envelope: none', 1, 2);
                PRAGMA application_id = 1128419633; PRAGMA user_version = 1;";
    sql(&file, rest).await;

    let queue = open(&file).await;
    let mut walk = queue.walk_dead_letters(at(0));
    let page = walk.next().await.unwrap();
    let letter = &page[0].letter;
    assert_eq!((letter.id.as_str(), letter.size_bytes, letter.received), ("old", 2, None));
    assert!(walk.put_back(page, at(0)).await.is_empty());
    assert!(walk.next().await.unwrap().is_empty());
    let messages = queue.receive(10, NO_WAIT, at(0)).await.unwrap();
    assert_eq!((bodies(&messages), messages[0].receive_count), (vec!["é"], 1));
}

#[tokio::test]
async fn a_queue_of_a_newer_release_goes_on_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue");
    open(&file).await.send("before the update", at(0)).await.unwrap();
    let future = "ALTER TABLE messages ADD COLUMN since_the_future TEXT; CREATE TABLE of_the_future (id INTEGER);
                  PRAGMA user_version = 7;";
    sql(&file, future).await;

    let queue = open(&file).await;
    queue.send("after it was taken back", at(1)).await.unwrap();
    let messages = queue.receive(10, NO_WAIT, at(1)).await.unwrap();
    assert_eq!(bodies(&messages), ["before the update", "after it was taken back"]);
    queue.move_to_dead_letters(&messages[0], "still broken", at(1)).await.unwrap();
    assert_eq!(queue.delete(&messages[1..]).await.unwrap(), []);
    let depth = queue.depth(at(1)).await.unwrap();
    assert_eq!((depth.waiting, depth.in_flight, depth.dead_letters), (0, 0, 1));
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&file_of(&file).await).await.unwrap();
    assert_eq!(version, 7, "so the newer release need not take its steps again");
}

#[tokio::test]
async fn what_dies_while_a_walk_goes_on_is_left_for_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(&folder.path().join("queue")).await;
    let die = async |at: Timestamp| {
        let message = queue.receive(1, NO_WAIT, at).await.unwrap().remove(0);
        queue.move_to_dead_letters(&message, "still broken", at).await.unwrap();
    };
    queue.send("ring", at(0)).await.unwrap();
    die(at(0)).await;
    let mut walk = queue.walk_dead_letters(at(1));
    let page = walk.next().await.unwrap();
    assert!(walk.put_back(page, at(2)).await.is_empty());
    die(at(2)).await;
    assert!(walk.next().await.unwrap().is_empty());
    let causes = queue.dead_letter_causes().await.unwrap();
    assert_eq!(causes, BTreeMap::from([("still broken".to_owned(), 1)]));
    assert_eq!(queue.walk_dead_letters(at(2)).next().await.unwrap().len(), 1);
}

/// One thing that can happen. Numbers choose among the receipts handed out so far.
#[derive(Clone, Debug)]
enum Step {
    Send,
    Receive(usize),
    Delete(prop::sample::Index),
    Release(prop::sample::Index),
    GiveUp(prop::sample::Index),
    TimePasses(i64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Send),
        4 => (1..=10_usize).prop_map(Step::Receive),
        2 => any::<prop::sample::Index>().prop_map(Step::Delete),
        2 => any::<prop::sample::Index>().prop_map(Step::Release),
        1 => any::<prop::sample::Index>().prop_map(Step::GiveUp),
        3 => (1..=150_i64).prop_map(Step::TimePasses),
        1 => Just(Step::Reopen),
    ]
}

/// What must be true of one message that is neither deleted nor given up.
#[derive(Default)]
struct Expected {
    visible_at: i64,
    receive_count: u32,
    receipt: String,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_nothing_invisible_is_handed_out(steps in vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(follow(&steps))?;
    }
}

/// Follows the steps beside a model of plain maps.
async fn follow(steps: &[Step]) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue");
    let mut queue = open(&file).await;
    let mut live: BTreeMap<String, Expected> = BTreeMap::new();
    let mut dead: BTreeSet<String> = BTreeSet::new();
    let mut handed_out: Vec<Message> = Vec::new();
    let (mut now, mut sent) = (0, 0);
    for step in steps {
        // A receipt is good as long as it is the latest of a message that is still there.
        let chosen = |index: &prop::sample::Index| (!handed_out.is_empty()).then(|| index.get(&handed_out).clone());
        let is_good = |live: &BTreeMap<String, Expected>, message: &Message| {
            live.get(&message.body).is_some_and(|expected| expected.receipt == message.receipt)
        };
        match step {
            Step::Send => {
                queue.send(&sent.to_string(), at(now)).await.unwrap();
                live.insert(sent.to_string(), Expected { visible_at: now, ..Expected::default() });
                sent += 1;
            }
            Step::Receive(max) => {
                let visible = live.values().filter(|expected| expected.visible_at <= now).count();
                let received = queue.receive(*max, NO_WAIT, at(now)).await.unwrap();
                prop_assert_eq!(received.len(), visible.min(*max));
                for message in received {
                    let expected = live.get_mut(&message.body);
                    prop_assert!(expected.is_some(), "handed out again after it was done with: {:?}", message);
                    let expected = expected.unwrap();
                    prop_assert!(expected.visible_at <= now, "handed out while invisible: {:?}", message);
                    prop_assert_eq!(message.receive_count, expected.receive_count + 1);
                    *expected = Expected {
                        visible_at: now + VISIBILITY,
                        receive_count: message.receive_count,
                        receipt: message.receipt.clone(),
                    };
                    handed_out.push(message);
                }
            }
            Step::Delete(index) => {
                if let Some(message) = chosen(index) {
                    let refused = queue.delete(std::slice::from_ref(&message)).await.unwrap();
                    if is_good(&live, &message) {
                        live.remove(&message.body);
                    }
                    prop_assert_eq!(refused.len(), usize::from(live.contains_key(&message.body)));
                }
            }
            Step::Release(index) => {
                if let Some(message) = chosen(index) {
                    queue.release(std::slice::from_ref(&message), at(now)).await.unwrap();
                    if is_good(&live, &message) {
                        let expected = live.get_mut(&message.body).unwrap();
                        expected.visible_at = expected.visible_at.min(now);
                    }
                }
            }
            Step::GiveUp(index) => {
                if let Some(message) = chosen(index) {
                    queue.move_to_dead_letters(&message, "given up", at(now)).await.unwrap();
                    if is_good(&live, &message) {
                        live.remove(&message.body);
                        dead.insert(message.body);
                    }
                }
            }
            Step::TimePasses(seconds) => now += seconds,
            Step::Reopen => {
                drop(queue);
                queue = open(&file).await;
            }
        }
        let depth = queue.depth(at(now)).await.unwrap();
        prop_assert_eq!(depth.waiting + depth.in_flight, live.len() as u64);
    }

    let mut left = BTreeSet::new();
    loop {
        let received = queue.receive(10, NO_WAIT, at(now + VISIBILITY)).await.unwrap();
        if received.is_empty() {
            break;
        }
        for message in received {
            prop_assert!(left.insert(message.body), "handed out twice within its visibility timeout");
        }
    }
    prop_assert_eq!(left, live.into_keys().collect::<BTreeSet<_>>());
    let letters = queue.dead_letters(usize::MAX).await.unwrap();
    prop_assert_eq!(letters.into_iter().map(|letter| letter.body).collect::<BTreeSet<_>>(), dead);
    Ok(())
}
