//! The queue: whether it can be asked, what waits in it, and how it is set up; and the worker that works on it.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::super::operator::{count, span};
use super::super::status;
use super::{Check, chain, folder_of, room, try_to_write_into, within};
use crate::config::QueueConfig;
use crate::heartbeat::{Heartbeat, HeartbeatError};
use crate::queue::{Depth, Embedded, EmbeddedSettings, Queue, Sqs, SqsLook};

const QUEUE: &str = "queue";
const DEAD_LETTERS: &str = "dead letters";
const SETUP: &str = "queue setup";
const DISK: &str = "queue's disk";
const WORKER: &str = "worker";

/// What waits longer than a worker may take for a cycle is waiting for no worker.
const TOO_OLD: Duration = crate::heartbeat::LONGEST_CYCLE;

const NO_CERTIFICATES: &str = "the system's CA certificates are missing";

/// How long both queues have to keep a message: a long weekend and a holiday must not lose any (SQS allows no more).
const FOURTEEN_DAYS: Duration = Duration::from_secs(14 * 86_400);

/// All checks of the queue, and whether a worker is alive beside it.
pub(super) async fn checks(config: Option<&QueueConfig>, now: Timestamp) -> Vec<Check> {
    let Some(config) = config else {
        let why = "QUEUE_URL, DEAD_LETTER_QUEUE_URL or QUEUE_FILE are missing or wrong";
        return [QUEUE, DEAD_LETTERS, WORKER].map(|name| Check::not_checked(name, why)).into();
    };
    let mut checks = match config {
        QueueConfig::Sqs { queue_url, dead_letter_queue_url, .. } => {
            let [queue, dead_letters] = look(queue_url.clone(), dead_letter_queue_url.clone()).await;
            judge_sqs(queue, dead_letters)
        }
        QueueConfig::File(file) => of_file(file, now).await,
    };
    checks.push(judge_worker(Heartbeat::read(&config.heartbeat()), now));
    checks
}

/// In a task of its own: the SDK panics where the system has no CA certificates, and the other checks go on.
async fn look(queue_url: String, dead_letter_queue_url: String) -> [Looked; 2] {
    let urls = [queue_url.clone(), dead_letter_queue_url.clone()];
    let looking = tokio::spawn(within(async move {
        let sqs = Sqs::connect(queue_url, dead_letter_queue_url).await;
        anyhow::Ok(sqs.look().await.map(|look| look.map_err(chain)))
    }));
    let cause = match looking.await {
        Ok(Ok(looks)) => return looks,
        Ok(Err(silence)) => silence.to_string(),
        Err(_) => NO_CERTIFICATES.to_owned(),
    };
    urls.map(|url| Err(format!("cannot look at the queue {url}: {cause}")))
}

async fn of_file(file: &Path, now: Timestamp) -> Vec<Check> {
    if !file.exists() {
        let told = format!("there is no {} yet; `local` makes it", file.display());
        let queue = match try_to_write_into(folder_of(file)) {
            Ok(()) => Check::ok(QUEUE, told),
            Err(error) => unwritable(file, &error.to_string()),
        };
        return vec![queue, Check::not_checked(DEAD_LETTERS, "there is no queue yet"), room(DISK, file)];
    }
    let depth = within(async {
        let queue = Queue::Embedded(Embedded::open(file, EmbeddedSettings::default()).await?);
        // Giving nothing back is a transaction that writes, and changes nothing.
        queue.release(&[], now).await?;
        queue.depth(now).await
    });
    match depth.await {
        Ok(depth) => vec![judge_file(file, &depth), judge_dead_letters(depth.dead_letters), room(DISK, file)],
        Err(error) => vec![
            unwritable(file, &error.root_cause().to_string()),
            Check::not_checked(DEAD_LETTERS, "the queue cannot be read"),
            room(DISK, file),
        ],
    }
}

fn unwritable(file: &Path, cause: &str) -> Check {
    let fix =
        format!("Let the user of `local` write {} and the folder that it is in, or set QUEUE_FILE", file.display());
    Check::wrong(QUEUE, format!("{} cannot be written: {cause}", file.display()), fix)
}

fn judge_file(file: &Path, depth: &Depth) -> Check {
    let waiting = depth.waiting + depth.in_flight;
    let age = depth.oldest_age.filter(|_| waiting > 0).unwrap_or_default();
    let told = match waiting {
        0 => format!("{} can be written, and is empty", file.display()),
        _ => format!(
            "{} can be written; waiting: {}, the oldest for {}",
            file.display(),
            count(waiting, "message"),
            span(age.as_secs())
        ),
    };
    if age > TOO_OLD {
        return Check::warning(QUEUE, told, "Start `closing-bell local`, or read in its log what holds it up");
    }
    Check::ok(QUEUE, told)
}

fn judge_dead_letters(letters: u64) -> Check {
    if letters == 0 {
        return Check::ok(DEAD_LETTERS, "none");
    }
    Check::warning(
        DEAD_LETTERS,
        count(letters, "dead letter"),
        "Read the causes with `closing-bell redrive --list`, mend them, and run `closing-bell redrive --all`",
    )
}

type Looked = Result<SqsLook, String>;

fn judge_sqs(queue: Looked, dead_letters: Looked) -> Vec<Check> {
    let unasked = |name, variable, cause: String| {
        let fix = match cause.ends_with(NO_CERTIFICATES) {
            true => "Install them (`apt-get install ca-certificates`)".to_owned(),
            false => format!(
                "Check {variable} and AWS_REGION, and let the role of this task do sqs:GetQueueAttributes on that queue"
            ),
        };
        Check::wrong(name, cause, fix)
    };
    let asked = match &queue {
        Ok(look) => Check::ok(
            QUEUE,
            format!(
                "{} wait and {} are in flight; how old the oldest is CloudWatch tells (ApproximateAgeOfOldestMessage)",
                look.waiting, look.in_flight
            ),
        ),
        Err(cause) => unasked(QUEUE, "QUEUE_URL", cause.clone()),
    };
    let dead = match &dead_letters {
        Ok(look) => judge_dead_letters(look.waiting + look.in_flight),
        Err(cause) => unasked(DEAD_LETTERS, "DEAD_LETTER_QUEUE_URL", cause.clone()),
    };
    let setup = match (&queue, &dead_letters) {
        (Ok(queue), Ok(dead)) => judge_setup(queue, dead),
        _ => vec![Check::not_checked(SETUP, "not both queues can be asked")],
    };
    [asked, dead].into_iter().chain(setup).collect()
}

/// One line for all that is right, and one for each thing that is not.
fn judge_setup(queue: &SqsLook, dead: &SqsLook) -> Vec<Check> {
    let mut problems = Vec::new();
    if queue.arn == dead.arn {
        problems.push(Check::wrong(
            SETUP,
            "the queue is its own dead-letter queue: what cannot be taken in would come back for ever",
            "Set DEAD_LETTER_QUEUE_URL to another queue than QUEUE_URL",
        ));
    } else if queue.dead_letters_to.as_ref() != Some(&dead.arn) {
        problems.push(Check::warning(
            SETUP,
            "SQS itself does not move what is received too often to DEAD_LETTER_QUEUE_URL",
            "Give the queue a redrive policy to that queue with a maxReceiveCount of 1000",
        ));
    }
    for (name, look) in [("the queue", queue), ("the dead-letter queue", dead)] {
        if look.retention < FOURTEEN_DAYS {
            problems.push(Check::warning(
                SETUP,
                format!("{name} keeps a message for {}, and could for 14 days", span(look.retention.as_secs())),
                format!("Set MessageRetentionPeriod of {name} to 1209600"),
            ));
        }
        if !look.encrypted {
            problems.push(Check::warning(
                SETUP,
                format!("{name} is not encrypted where it lies, and deliveries hold your customers' data"),
                format!("Set SqsManagedSseEnabled of {name} to true"),
            ));
        }
    }
    if problems.is_empty() {
        problems.push(Check::ok(SETUP, "both queues are encrypted, keep messages for 14 days, and are two"));
    }
    problems
}

fn judge_worker(heartbeat: Result<Heartbeat, HeartbeatError>, now: Timestamp) -> Check {
    let heartbeat = match heartbeat {
        Ok(heartbeat) => heartbeat,
        Err(HeartbeatError::Missing { .. }) => {
            return Check::not_checked(WORKER, status::worker(None, now));
        }
        Err(error) => {
            let fix = "Let this user read the folder of the heartbeat: TMPDIR, or that of QUEUE_FILE";
            return Check::warning(WORKER, chain(error), fix);
        }
    };
    let told = status::worker(Some(&heartbeat), now);
    match heartbeat.check(now) {
        Ok(()) => Check::ok(WORKER, told),
        Err(_) => Check::wrong(WORKER, told, "Restart the worker, and read in its log what the last cycle waited for"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::*;
    use jiff::SignedDuration;

    fn look(arn: &str) -> SqsLook {
        SqsLook {
            arn: arn.to_owned(),
            waiting: 3,
            in_flight: 1,
            retention: FOURTEEN_DAYS,
            encrypted: true,
            dead_letters_to: Some("dead".to_owned()),
        }
    }

    #[test]
    fn two_queues_as_they_should_be() {
        let dead = SqsLook { waiting: 0, in_flight: 0, dead_letters_to: None, ..look("dead") };
        insta::assert_snapshot!(words(&judge_sqs(Ok(look("bell")), Ok(dead))), @"
        queue           ok           3 wait and 1 are in flight; how old the oldest is CloudWatch tells (ApproximateAgeOfOldestMessage)
        dead letters    ok           none
        queue setup     ok           both queues are encrypted, keep messages for 14 days, and are two

        3 checks: 3 ok
        ");
    }

    #[test]
    fn everything_that_can_be_wrong_with_them() {
        let poor = |arn| SqsLook {
            retention: Duration::from_secs(345_600),
            encrypted: false,
            dead_letters_to: None,
            ..look(arn)
        };
        let denied = || Err("cannot look at the queue: AccessDenied".to_owned());
        let mut checks = judge_sqs(Ok(poor("bell")), Ok(poor("dead")));
        checks.extend(judge_sqs(Ok(look("bell")), Ok(look("bell"))).split_off(2));
        checks.extend(judge_sqs(denied(), denied()));
        insta::assert_snapshot!(words(&checks), @"
        queue           ok           3 wait and 1 are in flight; how old the oldest is CloudWatch tells (ApproximateAgeOfOldestMessage)
        dead letters    warning      4 dead letters
                        └ fix        Read the causes with `closing-bell redrive --list`, mend them, and run `closing-bell redrive --all`
        queue setup     warning      SQS itself does not move what is received too often to DEAD_LETTER_QUEUE_URL
                        └ fix        Give the queue a redrive policy to that queue with a maxReceiveCount of 1000
        queue setup     warning      the queue keeps a message for 4 days, and could for 14 days
                        └ fix        Set MessageRetentionPeriod of the queue to 1209600
        queue setup     warning      the queue is not encrypted where it lies, and deliveries hold your customers' data
                        └ fix        Set SqsManagedSseEnabled of the queue to true
        queue setup     warning      the dead-letter queue keeps a message for 4 days, and could for 14 days
                        └ fix        Set MessageRetentionPeriod of the dead-letter queue to 1209600
        queue setup     warning      the dead-letter queue is not encrypted where it lies, and deliveries hold your customers' data
                        └ fix        Set SqsManagedSseEnabled of the dead-letter queue to true
        queue setup     wrong        the queue is its own dead-letter queue: what cannot be taken in would come back for ever
                        └ fix        Set DEAD_LETTER_QUEUE_URL to another queue than QUEUE_URL
        queue           wrong        cannot look at the queue: AccessDenied
                        └ fix        Check QUEUE_URL and AWS_REGION, and let the role of this task do sqs:GetQueueAttributes on that queue
        dead letters    wrong        cannot look at the queue: AccessDenied
                        └ fix        Check DEAD_LETTER_QUEUE_URL and AWS_REGION, and let the role of this task do sqs:GetQueueAttributes on that queue
        queue setup     not checked  not both queues can be asked

        11 checks: 3 wrong, 6 warning, 1 not checked, 1 ok
        ");
    }

    #[tokio::test]
    async fn a_file_is_there_or_can_be_made_or_neither() {
        let (folder, now) = (tempfile::tempdir().unwrap(), "2026-11-23T08:00:00Z".parse().unwrap());
        let file = folder.path().join("queue.sqlite");
        let mut checks = of_file(&file, now).await;
        assert!(!file.exists(), "a look makes nothing");
        let queue = Queue::Embedded(Embedded::open(&file, EmbeddedSettings::default()).await.unwrap());
        checks.extend(of_file(&file, now).await);
        queue.send("a delivery", now - SignedDuration::from_hours(3)).await.unwrap();
        checks.extend(of_file(&file, now).await);
        let other = folder.path().join("other.sqlite");
        std::fs::write(&other, "no queue but a text of more than a hundred bytes".repeat(9)).unwrap();
        checks.extend(of_file(&other, now).await);
        checks.extend(of_file(&folder.path().join("no/queue.sqlite"), now).await);
        checks.retain(|check| check.check != DISK);
        let told = words(&checks).replace(&folder.path().display().to_string(), "[folder]");
        insta::assert_snapshot!(told, @"
        queue           ok           there is no [folder]/queue.sqlite yet; `local` makes it
        dead letters    not checked  there is no queue yet
        queue           ok           [folder]/queue.sqlite can be written, and is empty
        dead letters    ok           none
        queue           warning      [folder]/queue.sqlite can be written; waiting: 1 message, the oldest for 3 hours
                        └ fix        Start `closing-bell local`, or read in its log what holds it up
        dead letters    ok           none
        queue           wrong        [folder]/other.sqlite cannot be written: (code: 26) file is not a database
                        └ fix        Let the user of `local` write [folder]/other.sqlite and the folder that it is in, or set QUEUE_FILE
        dead letters    not checked  the queue cannot be read
        queue           wrong        [folder]/no/queue.sqlite cannot be written: No such file or directory (os error 2)
                        └ fix        Let the user of `local` write [folder]/no/queue.sqlite and the folder that it is in, or set QUEUE_FILE
        dead letters    not checked  there is no queue yet

        10 checks: 2 wrong, 1 warning, 3 not checked, 4 ok
        ");
    }

    #[test]
    fn a_worker_is_alive_or_not_or_elsewhere() {
        let now = "2026-11-23T08:00:00Z".parse().unwrap();
        let started = |ago| Heartbeat::starting(Duration::from_secs(60), now - SignedDuration::from_mins(ago));
        let missing = HeartbeatError::Missing { file: "/dev/shm/heartbeat".into() };
        let denied = HeartbeatError::File {
            file: "/dev/shm/heartbeat".into(),
            doing: "read",
            source: std::io::ErrorKind::PermissionDenied.into(),
        };
        let checks = [Ok(started(1)), Ok(started(60)), Err(missing), Err(denied)].map(|it| judge_worker(it, now));
        insta::assert_snapshot!(words(&checks), @"
        worker          ok           started 1 minute ago, and still in its first cycle
        worker          wrong        stuck or ended: started 1 hour ago, and still in its first cycle
                        └ fix        Restart the worker, and read in its log what the last cycle waited for
        worker          not checked  none runs on this machine; the metric Heartbeat tells of those elsewhere
        worker          warning      cannot read the heartbeat at /dev/shm/heartbeat: permission denied
                        └ fix        Let this user read the folder of the heartbeat: TMPDIR, or that of QUEUE_FILE

        4 checks: 1 wrong, 1 warning, 1 not checked, 1 ok
        ");
    }
}
