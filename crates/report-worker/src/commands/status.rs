//! `closing-bell status`: how the queue, the worker, the books and the mails stand. Figures and times, nothing personal.

use std::collections::BTreeMap;
use std::process::ExitCode;

use jiff::Timestamp;
use serde::Serialize;

use super::operator::{ago, count, open, span};
use super::print;
use super::watch::{LAST_WORK, LastWork};
use crate::config::{Environment, QueueConfig, database_alone};
use crate::cycle;
use crate::cycle::reconcile::{self, Reconciled};
use crate::domain::record::Kind;
use crate::heartbeat::{Heartbeat, HeartbeatError};
use crate::queue::Queue;
use crate::store::{Books, Figures, Store, StoreError};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Looks at QUEUE_URL and DEAD_LETTER_QUEUE_URL if they are set, else at QUEUE_FILE, and at DATABASE_URL. \
                        Exit code: 0 all of it could be asked, 1 some of it could not, 2 for wrong usage or configuration."
)]
pub(super) struct Args {
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Everything that is told; what could not be asked is `None` and has a problem.
#[derive(Debug, Default, Serialize)]
struct Status {
    queue: Option<QueueStatus>,
    /// Of the worker on this machine; `None` where none runs.
    worker: Option<Heartbeat>,
    books: Option<BooksStatus>,
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct QueueStatus {
    waiting: u64,
    in_flight: u64,
    /// `None`: SQS tells it to CloudWatch only, and a receive would take messages from the worker.
    oldest_age_s: Option<u64>,
    dead_letters: u64,
    /// The dead letters by cause; SQS shows at most ten of them to one look.
    causes: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct BooksStatus {
    /// `None`: no cycle has opened them yet.
    pub(crate) open_at: Option<Timestamp>,
    /// Whether all records are in that were there when they were opened.
    pub(crate) opening_done: bool,
    /// The kinds that are not among them, because the access token may not read them.
    pub(crate) opening_left_out: Vec<Kind>,
    pub(crate) last_work: Option<LastWork>,
    /// The last comparison with HubSpot that came to its end.
    pub(crate) reconciled: Option<Reconciled>,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

/// Asks everything that can be asked, each on its own.
pub(super) async fn run(args: Args, environment: &Environment, now: Timestamp) -> anyhow::Result<ExitCode> {
    let config = QueueConfig::read_alone(environment)?;
    let database = database_alone(environment).await?;
    let mut status = Status::default();
    match Heartbeat::read(&config.heartbeat()) {
        Ok(heartbeat) => status.worker = Some(heartbeat),
        Err(HeartbeatError::Missing { .. }) => {}
        Err(error) => status.problem(error),
    }
    match queue(config, now).await {
        Ok(queue) => status.queue = Some(queue),
        Err(error) => status.problem(error),
    }
    match &database {
        Books::Sqlite(file) if !file.exists() => {
            status.problems.push(format!("there are no books {}; is DATABASE_URL the worker's?", file.display()));
        }
        _ => match books(&database).await {
            Ok(books) => status.books = Some(books),
            Err(error) => status.problem(error),
        },
    }
    print(&if args.json { serde_json::to_string(&status)? } else { words(&status, now) })?;
    Ok(if status.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Status {
    fn problem(&mut self, error: impl Into<anyhow::Error>) {
        self.problems.push(format!("{:#}", error.into()));
    }
}

async fn queue(config: QueueConfig, now: Timestamp) -> anyhow::Result<QueueStatus> {
    let queue: Queue = open(config).await?;
    let depth = queue.depth(now).await?;
    let causes = if depth.dead_letters > 0 { queue.dead_letter_causes().await? } else { BTreeMap::new() };
    Ok(QueueStatus {
        waiting: depth.waiting,
        in_flight: depth.in_flight,
        oldest_age_s: depth.oldest_age.map(|age| age.as_secs()),
        dead_letters: depth.dead_letters,
        causes,
    })
}

async fn books(database: &Books) -> anyhow::Result<BooksStatus> {
    Ok(BooksStatus::ask(&Store::open(database).await?).await?)
}

impl BooksStatus {
    /// Asks the books for all of it.
    pub(crate) async fn ask(store: &Store) -> Result<Self, StoreError> {
        Self::with(store, store.figures().await?).await
    }

    /// Asks the books for the rest, where the figures are known.
    pub(crate) async fn with(store: &Store, figures: Figures) -> Result<Self, StoreError> {
        let opening = cycle::opened(store).await?;
        Ok(Self {
            open_at: store.fact("books_open_at").await?,
            opening_done: opening.done,
            opening_left_out: opening.left_out,
            last_work: store.fact(LAST_WORK).await?,
            reconciled: store.fact(reconcile::RESULT).await?,
            figures,
        })
    }
}

/// One subject a line, each with a sentence.
fn words(status: &Status, now: Timestamp) -> String {
    let mut lines = Vec::new();
    let mut say = |subject: &str, sentence: String| lines.push(format!("{subject:<13} {sentence}"));
    if let Some(queue) = &status.queue {
        say("queue", waiting(queue));
        say("dead letters", dead_letters(queue));
    }
    say("worker", worker(status.worker.as_ref(), now));
    if let Some(books) = &status.books {
        say("last work", last_work(books, now));
        say("HubSpot", hubspot(books, now));
        say("books", opened(books, now));
        say("completeness", compared(books, now));
        say("records", records(&books.figures, now));
        say("changes", changes(&books.figures));
        say("mails", mails(&books.figures));
    }
    for problem in &status.problems {
        say("problem", problem.clone());
    }
    lines.join("\n")
}

fn waiting(queue: &QueueStatus) -> String {
    let deliveries = count(queue.waiting + queue.in_flight, "message");
    match (queue.waiting + queue.in_flight, queue.oldest_age_s) {
        (0, _) => "empty; everything that was accepted is taken in".to_owned(),
        (_, Some(age)) => format!("{deliveries}, {} in flight; the oldest was sent {} ago", queue.in_flight, span(age)),
        (_, None) => format!(
            "{deliveries}, {} in flight; how old the oldest is SQS tells only to CloudWatch \
             (ApproximateAgeOfOldestMessage)",
            queue.in_flight
        ),
    }
}

fn dead_letters(queue: &QueueStatus) -> String {
    if queue.dead_letters == 0 {
        return "none".to_owned();
    }
    let mut text = format!("{}; `closing-bell redrive --list` shows them", queue.dead_letters);
    let seen: u64 = queue.causes.values().sum();
    if seen < queue.dead_letters {
        text.push_str(&format!(", these are the causes of {seen}"));
    }
    for (cause, number) in &queue.causes {
        text.push_str(&format!("\n{:<13} {number:>6} × {cause}", ""));
    }
    text
}

pub(crate) fn worker(heartbeat: Option<&Heartbeat>, now: Timestamp) -> String {
    let Some(heartbeat) = heartbeat else {
        return "none runs on this machine; the metric Heartbeat tells of those elsewhere".to_owned();
    };
    let cycle = match &heartbeat.last {
        None => format!("started {}, and still in its first cycle", ago(heartbeat.started_at, now)),
        Some(last) => format!(
            "its last cycle ended {} and took {} ms, with {}",
            ago(last.at, now),
            last.duration_ms,
            count(last.problems, "problem")
        ),
    };
    if heartbeat.check(now).is_ok() { cycle } else { format!("stuck or ended: {cycle}") }
}

fn last_work(books: &BooksStatus, now: Timestamp) -> String {
    books.last_work.as_ref().map_or_else(
        || "no cycle has found anything to do yet".to_owned(),
        |work| format!("the last cycle that found any ended {} and took {} ms", ago(work.at, now), work.duration_ms),
    )
}

pub(crate) fn hubspot(books: &BooksStatus, now: Timestamp) -> String {
    match books.last_work.as_ref().and_then(|work| work.hubspot.as_ref()) {
        None => "has not been asked since the worker was started".to_owned(),
        Some(said) => match &said.problem {
            None => format!("answered {}", ago(said.at, now)),
            Some(problem) => format!("went wrong {}: {problem}", ago(said.at, now)),
        },
    }
}

pub(crate) fn opened(books: &BooksStatus, now: Timestamp) -> String {
    match books.open_at {
        None => "not open yet; the first cycle opens them".to_owned(),
        Some(at) if books.opening_done => {
            format!("open since {} ({})", at.strftime("%Y-%m-%d %H:%M:%SZ"), ago(at, now))
        }
        Some(at) => format!("opened {}; what was there before is still being taken in", ago(at, now)),
    }
}

pub(crate) fn compared(books: &BooksStatus, now: Timestamp) -> String {
    let said = |text: String, left_out: &[Kind]| {
        let left_out: Vec<&str> = left_out.iter().map(|kind| kind.as_str()).collect();
        if left_out.is_empty() {
            text
        } else {
            format!("{text}; the access token may not read: {}", left_out.join(", "))
        }
    };
    let Some(Reconciled { began_at, listed, found, repaired, left_out, .. }) = &books.reconciled else {
        return match books.open_at.filter(|_| books.opening_done) {
            // As the mails have it, the opening balance was the first comparison.
            Some(at) => {
                let all = format!(
                    "all records were taken in from HubSpot {}; the worker compares them every night",
                    ago(at, now)
                );
                said(all, &books.opening_left_out)
            }
            None => "not compared with HubSpot yet; the worker does so every night".to_owned(),
        };
    };
    let differed = match (found, repaired) {
        (0, _) => "the books agreed".to_owned(),
        (found, true) => format!("{found} differed and were read again"),
        (found, false) => format!("{found} differed and were left so"),
    };
    let all = format!("compared with HubSpot {}: of {} {differed}", ago(*began_at, now), count(*listed, "record"));
    said(all, left_out)
}

pub(crate) fn records(figures: &Figures, now: Timestamp) -> String {
    let due = match figures.due_at {
        None => "none has to be read".to_owned(),
        Some(at) if at <= now => format!("{} to read, the first was due {}", figures.due, ago(at, now)),
        Some(at) => format!("{} to read, the first at {}", figures.due, at.strftime("%H:%M:%SZ")),
    };
    match figures.unsettled {
        0 => due,
        unsettled => format!("{due}; of {unsettled} HubSpot never showed what it had told"),
    }
}

fn changes(figures: &Figures) -> String {
    match figures.pending {
        0 => "all are reported".to_owned(),
        pending => format!("{pending} wait for their report, until their records have been quiet"),
    }
}

pub(crate) fn mails(figures: &Figures) -> String {
    let some = |number: u64, text: &str| (number > 0).then(|| format!("{number} {text}"));
    let told: Vec<String> = [
        some(figures.mails_waiting, "to send"),
        some(figures.mails_unknown, "perhaps sent: nobody knows whether they arrived"),
        some(figures.mails_refused, "refused or given up; the owner was told"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if told.is_empty() { "all are sent".to_owned() } else { told.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::watch::HubSpot;
    use jiff::SignedDuration;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn now() -> Timestamp {
        at("2026-11-23T08:00:00Z")
    }

    fn books(figures: Figures, problem: Option<&str>) -> BooksStatus {
        let problem = problem.map(str::to_owned);
        BooksStatus {
            open_at: Some(at("2026-11-01T06:30:00Z")),
            opening_done: true,
            opening_left_out: Vec::new(),
            last_work: Some(LastWork {
                at: now() - SignedDuration::from_secs(200),
                duration_ms: 812,
                hubspot: Some(HubSpot { at: now() - SignedDuration::from_secs(200), problem }),
            }),
            reconciled: Some(Reconciled {
                began_at: now() - SignedDuration::from_hours(9),
                ended_at: now() - SignedDuration::from_hours(9),
                listed: 1_204,
                found: figures.due,
                repaired: true,
                left_out: vec![],
            }),
            figures,
        }
    }

    fn queue(waiting: u64, oldest_age_s: Option<u64>, causes: &[(&str, u64)], dead_letters: u64) -> QueueStatus {
        let causes = causes.iter().map(|(cause, number)| ((*cause).to_owned(), *number)).collect();
        QueueStatus { waiting, in_flight: 1, oldest_age_s, dead_letters, causes }
    }

    #[test]
    fn all_is_well() {
        let mut heartbeat = Heartbeat::starting(std::time::Duration::from_secs(60), at("2026-11-23T07:00:00Z"));
        heartbeat.finished(41, 0, std::time::Duration::from_secs(60), at("2026-11-23T07:59:30Z"));
        let status = Status {
            queue: Some(QueueStatus { in_flight: 0, ..queue(0, None, &[], 0) }),
            worker: Some(heartbeat),
            books: Some(books(Figures::default(), None)),
            problems: vec![],
        };
        insta::assert_snapshot!(words(&status, now()), @"
        queue         empty; everything that was accepted is taken in
        dead letters  none
        worker        its last cycle ended 30 seconds ago and took 41 ms, with 0 problems
        last work     the last cycle that found any ended 3 minutes ago and took 812 ms
        HubSpot       answered 3 minutes ago
        books         open since 2026-11-01 06:30:00Z (22 days ago)
        completeness  compared with HubSpot 9 hours ago: of 1204 records the books agreed
        records       none has to be read
        changes       all are reported
        mails         all are sent
        ");
    }

    #[test]
    fn much_is_wrong() {
        let figures = Figures {
            due: 7,
            due_at: Some(at("2026-11-23T07:20:00Z")),
            unsettled: 2,
            pending: 12,
            mails_waiting: 3,
            mails_unknown: 1,
            mails_refused: 1,
        };
        let causes = [("signature: signature_mismatch", 9), ("body: the body is not JSON at line 1, column 1", 1)];
        let status = Status {
            queue: Some(queue(230, Some(7_300), &causes, 40)),
            worker: Some(Heartbeat::starting(std::time::Duration::from_secs(60), at("2026-11-23T05:00:00Z"))),
            books: Some(books(figures, Some("enrich: HubSpot is away"))),
            problems: vec!["the books cannot be read".to_owned()],
        };
        insta::assert_snapshot!(words(&status, now()), @"
        queue         231 messages, 1 in flight; the oldest was sent 2 hours ago
        dead letters  40; `closing-bell redrive --list` shows them, these are the causes of 10
                           1 × body: the body is not JSON at line 1, column 1
                           9 × signature: signature_mismatch
        worker        stuck or ended: started 3 hours ago, and still in its first cycle
        last work     the last cycle that found any ended 3 minutes ago and took 812 ms
        HubSpot       went wrong 3 minutes ago: enrich: HubSpot is away
        books         open since 2026-11-01 06:30:00Z (22 days ago)
        completeness  compared with HubSpot 9 hours ago: of 1204 records 7 differed and were read again
        records       7 to read, the first was due 40 minutes ago; of 2 HubSpot never showed what it had told
        changes       12 wait for their report, until their records have been quiet
        mails         3 to send, 1 perhaps sent: nobody knows whether they arrived, 1 refused or given up; the owner was told
        problem       the books cannot be read
        ");
    }

    #[test]
    fn the_opening_was_the_first_comparison() {
        let opened = BooksStatus { reconciled: None, ..books(Figures::default(), None) };
        let left_out = BooksStatus { opening_left_out: vec![Kind::Payment], ..books(Figures::default(), None) };
        let left_out = BooksStatus { reconciled: None, ..left_out };
        let opening = BooksStatus { opening_done: false, reconciled: None, ..books(Figures::default(), None) };
        let told = [opened, left_out, opening].map(|books| compared(&books, now()));
        insta::assert_snapshot!(told.join("\n"), @r"
        all records were taken in from HubSpot 22 days ago; the worker compares them every night
        all records were taken in from HubSpot 22 days ago; the worker compares them every night; the access token may not read: payment
        not compared with HubSpot yet; the worker does so every night
        ");
    }

    #[test]
    fn little_is_known() {
        let nothing = BooksStatus {
            open_at: None,
            opening_done: false,
            last_work: None,
            reconciled: None,
            ..books(Figures::default(), None)
        };
        let status = Status { queue: Some(queue(4, None, &[], 0)), books: Some(nothing), ..Status::default() };
        insta::assert_snapshot!(words(&status, now()), @"
        queue         5 messages, 1 in flight; how old the oldest is SQS tells only to CloudWatch (ApproximateAgeOfOldestMessage)
        dead letters  none
        worker        none runs on this machine; the metric Heartbeat tells of those elsewhere
        last work     no cycle has found anything to do yet
        HubSpot       has not been asked since the worker was started
        books         not open yet; the first cycle opens them
        completeness  not compared with HubSpot yet; the worker does so every night
        records       none has to be read
        changes       all are reported
        mails         all are sent
        ");
    }
}
