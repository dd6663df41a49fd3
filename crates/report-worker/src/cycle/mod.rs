//! The one place that knows the order: take in, enrich, report, send, and delete what is old.
//!
//! [`run_once`] is a whole cycle and public, so that tests drive it with a time of their own; the loop around it is in
//! the commands. A step that fails leaves its work where it was and does not stop the steps that could go on.

mod archive;
mod books;
mod calendar;
mod enrich;
mod figures;
mod files;
mod hand;
mod histories;
mod ledger;
mod mail;
pub mod reconcile;
mod report;
mod retention;
mod schedule;
mod send;
mod stop;
mod take_in;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use self::archive::Archive;
pub use self::mail::{Addresses, MailError};
pub use self::schedule::PeriodError;
use hubspot_webhook::door::Keys;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::crm::Crm;
use crate::mailer::Mailer;
use crate::queue::{Message, Queue};
use crate::report::Definitions;
use crate::secrets::Renewed;
use crate::store::{Store, StoreError};

pub(crate) use self::books::opened;
pub(crate) use self::files::{of_revision, with_files};
pub(crate) use self::mail::inline;

/// Everything a cycle works with.
pub struct App {
    /// Where the deliveries wait.
    pub queue: Queue,
    /// The books.
    pub store: Store,
    /// HubSpot.
    pub crm: Crm,
    /// How mails go out.
    pub mailer: Renewed<Mailer>,
    /// What the cycle was told.
    pub settings: Settings,
    known: Mutex<Option<books::Fetched>>,
    memory: Lock<Memory>,
    sending: Lock<Option<send::Sending>>,
    stop: stop::Stop,
}

/// What is known without asking the books.
#[derive(Debug, Default)]
struct Memory {
    /// The books could be written when they were last asked.
    store_answers: bool,
    /// Nothing is due in them until then; `None` means that they have to be asked.
    rest: Option<Rest>,
}

/// A time in which there is nothing to do but what the queue brings.
#[derive(Debug, Clone, Copy)]
struct Rest {
    until: Timestamp,
    /// [`Summary::next_at`] of the cycle before it.
    next_at: Option<Timestamp>,
}

/// The books are asked this often whether anything is due in them, since other processes write there too. Whoever replaces a
/// killed worker asks at its start, so this may be rare: each time wakes a database that sleeps, for minutes.
const LONGEST_REST: SignedDuration = SignedDuration::from_hours(6);

/// How long a cycle reads records at a stretch, unless a test wants it otherwise. A mail waits no longer for them, and
/// HubSpot's limit hardly notices the pause.
pub const READING_TURN: Duration = Duration::from_secs(30);

/// How long a cycle takes in at a stretch, unless a test wants it otherwise. In a busy account the queue is never empty: something
/// comes while what came before is stored.
pub const TAKING_IN_TURN: Duration = Duration::from_secs(30);

/// What the cycle was told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The client secrets that verify a delivery again, retired ones included.
    pub keys: Renewed<Keys>,
    /// The sender of the mails, as in a From header.
    pub mail_from: String,
    /// The reports.
    pub definitions: Arc<Definitions>,
    /// The recipients of the reports that name none of their own.
    pub mail_to: Vec<String>,
    /// Who hears of trouble.
    pub owner: String,
    /// The reporting zone; `None` means the account's.
    pub zone: Option<TimeZone>,
    /// How long nothing must have happened to a record before its changes are reported; three times this at most.
    pub quiet: Duration,
    /// After how long reports and mails have their turn although more records are due: [`READING_TURN`].
    pub reading_turn: Duration,
    /// How long a cycle takes in at a stretch; [`TAKING_IN_TURN`].
    pub taking_in_turn: Duration,
    /// How long raw deliveries and the keys of events are kept; `None` means for ever.
    pub deliveries_kept_for: Option<SignedDuration>,
}

impl Settings {
    /// From whom the mails of reports come, and to whom they go.
    fn addresses(&self) -> Addresses<'_> {
        Addresses { from: &self.mail_from, to: &self.mail_to, owner: &self.owner }
    }
}

/// What a cycle did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Queue messages taken in.
    pub deliveries: u64,
    /// Events that were new.
    pub events: u64,
    /// Events that the books had already.
    pub repeated_events: u64,
    /// Members of deliveries that were set aside with their cause.
    pub set_aside: u64,
    /// Queue messages that can never be taken in, moved to the dead letters.
    pub dead_letters: u64,
    /// Records read from HubSpot.
    pub records_read: u64,
    /// Finance changes that were new.
    pub changes: u64,
    /// Reports built.
    pub reports: u64,
    /// Mails that a server took, counted per recipient.
    pub mails_sent: u64,
    /// Mails that were given up, counted per recipient.
    pub mails_given_up: u64,
    /// Raw deliveries deleted because they were older than they are kept.
    pub deliveries_deleted: u64,
    /// What went wrong, each with its causes. The work is still there.
    pub problems: Vec<String>,
    /// How long each step took, in milliseconds; `cycle` is all of them together.
    pub durations_ms: BTreeMap<&'static str, u64>,
    /// When there is something to do again, if that is known.
    #[serde(skip)]
    pub next_at: Option<Timestamp>,
}

impl Summary {
    /// True if the cycle found nothing to do.
    pub fn is_idle(&self) -> bool {
        *self == Self { next_at: self.next_at, durations_ms: self.durations_ms.clone(), ..Self::default() }
    }

    /// Adds another cycle's figures to this one's.
    pub fn add(&mut self, other: &Self) {
        self.deliveries += other.deliveries;
        self.events += other.events;
        self.repeated_events += other.repeated_events;
        self.set_aside += other.set_aside;
        self.dead_letters += other.dead_letters;
        self.records_read += other.records_read;
        self.changes += other.changes;
        self.reports += other.reports;
        self.mails_sent += other.mails_sent;
        self.mails_given_up += other.mails_given_up;
        self.deliveries_deleted += other.deliveries_deleted;
        self.problems.extend_from_slice(&other.problems);
        for (step, duration_ms) in &other.durations_ms {
            self.took(step, *duration_ms);
        }
        self.next_at = other.next_at;
    }

    fn problem(&mut self, step: &'static str, error: impl Into<anyhow::Error>) {
        let chain = chain(error);
        tracing::error!(step, error = %chain, "the step failed; its work is still there");
        self.problems.push(format!("{step}: {chain}"));
    }

    /// How many problems each step had.
    pub fn problems_by_step(&self) -> BTreeMap<&str, u64> {
        let mut steps = BTreeMap::new();
        for problem in &self.problems {
            *steps.entry(problem.split_once(':').map_or("", |(step, _)| step)).or_default() += 1;
        }
        steps
    }

    fn took(&mut self, step: &'static str, duration_ms: u64) {
        *self.durations_ms.entry(step).or_default() += duration_ms;
    }

    fn again_at(&mut self, at: Timestamp) {
        self.next_at = Some(self.next_at.map_or(at, |next| next.min(at)));
    }
}

/// Times one step after the other.
struct Stopwatch(Instant);

impl Stopwatch {
    /// Writes down the step that ends now; the next one begins.
    fn lap(&mut self, summary: &mut Summary, step: &'static str) {
        let began = std::mem::replace(&mut self.0, Instant::now());
        summary.took(step, milliseconds(self.0.duration_since(began)));
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// An error with its causes, on one line.
fn chain(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}

impl App {
    /// Puts the parts together.
    pub fn new(queue: Queue, store: Store, crm: Crm, mailer: impl Into<Renewed<Mailer>>, settings: Settings) -> Self {
        let mailer = mailer.into();
        let (known, memory, sending, stop) = (Mutex::new(None), Lock::default(), Lock::default(), stop::Stop::new());
        Self { queue, store, crm, mailer, settings, known, memory, sending, stop }
    }

    /// Asks the running cycle to end, and every later one: messages in hand go back to the queue, what is waited for
    /// outside is given up after a few seconds, and what is being written down is finished.
    pub fn stop(&self) {
        self.stop.ask();
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mails that go out beside the cycles, where the mail server takes its time.
    fn sending(&self) -> MutexGuard<'_, Option<send::Sending>> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs one cycle at the moment `now`, and asks the books what is due.
///
/// It never fails as a whole: what went wrong is in [`Summary::problems`], and the work it concerns is still in the
/// queue, due, pending or waiting.
pub async fn run_once(app: &App, now: Timestamp) -> Summary {
    app.memory().rest = None;
    run_when_due(app, now).await
}

/// Like [`run_once`], but leaves the books alone while the queue is empty and nothing in them is due yet, as the cycle
/// before found: an idle worker needs no database.
pub async fn run_when_due(app: &App, now: Timestamp) -> Summary {
    let began = Instant::now();
    let mut summary = Summary::default();
    // On the heap: with all its steps in it, the future is larger and deeper than what goes around it should carry.
    Box::pin(run_rested(app, now, &mut summary)).await;
    summary.took("cycle", milliseconds(began.elapsed()));
    summary
}

/// Waits for the mails that go out beside the cycles. Where there will be no further cycle, this is its end.
pub async fn finish(app: &App, summary: &mut Summary) {
    if let Err(error) = send::finish(app, summary).await {
        summary.problem("send", error);
    }
}

async fn run_rested(app: &App, now: Timestamp, summary: &mut Summary) {
    let is_sending = app.sending().is_some();
    let rest = app.memory().rest.filter(|rest| now < rest.until && !is_sending);
    let mut received = Vec::new();
    if let Some(rest) = rest {
        summary.next_at = rest.next_at;
        match take_in::look(app, now).await {
            Ok(messages) => received = messages,
            Err(error) => summary.problem("take in", error),
        }
        if received.is_empty() {
            return;
        }
        summary.next_at = None;
    }
    app.memory().rest = None;
    let mut next_midnight = run(app, received, now, summary).await;
    if !summary.problems.is_empty() && !app.stop.is_asked() && app.store.takes_new_login().await {
        // What failed for want of the password has left its work where it was.
        summary.problems.clear();
        next_midnight = run(app, Vec::new(), now, summary).await;
    }
    if let Some(midnight) = next_midnight.filter(|_| summary.problems.is_empty() && !app.stop.is_asked()) {
        let until = summary.next_at.into_iter().chain([midnight, now + LONGEST_REST]).min().unwrap_or(now);
        app.memory().rest = Some(Rest { until, next_at: summary.next_at });
    }
}

/// All steps, beginning with what was received already. Tells when the next day of the reporting zone begins, if all
/// could be done.
async fn run(app: &App, received: Vec<Message>, now: Timestamp, summary: &mut Summary) -> Option<Timestamp> {
    let began = tokio::time::Instant::now();
    let mut watch = Stopwatch(Instant::now());
    let mut worked = None;
    let known = books::known(app, now).await;
    watch.lap(summary, "account");
    match known {
        Ok(books) => {
            let drained = take_in::drain(app, &books, received, now, summary).await;
            watch.lap(summary, "take_in");
            let taken_in = match drained {
                Ok(all) => all,
                Err(error) => {
                    let store_is_away = matches!(error, take_in::TakeInError::Store(_));
                    summary.problem("take in", error);
                    // Nothing else could be written down either.
                    if store_is_away {
                        return None;
                    }
                    false
                }
            };
            if let Err(error) = work(app, &books, taken_in, now, summary, &mut watch).await {
                app.memory().store_answers = false;
                summary.problem("books", error);
                return None;
            }
            worked = Some(books);
        }
        Err(error) => {
            take_in::give_back(app, &received, now).await;
            if !matches!(error, books::BooksError::Ended) {
                summary.problem("account", error);
            }
        }
    }
    let sent = send::send(app, now, began, summary).await;
    watch.lap(summary, "send");
    if let Err(error) = sent {
        app.memory().store_answers = false;
        summary.problem("send", error);
        return None;
    }
    let books = worked?;
    let deleted = retention::delete_old(app, &books, now, summary).await;
    watch.lap(summary, "retention");
    if let Err(error) = deleted {
        app.memory().store_answers = false;
        summary.problem("retention", error);
    }
    calendar::next_midnight(&books, now)
}

/// Everything between taking in and sending. HubSpot being away is a problem of its step only. `taken_in` tells whether all
/// that was in the queue is in the books.
async fn work(
    app: &App,
    books: &books::Books,
    taken_in: bool,
    now: Timestamp,
    summary: &mut Summary,
    watch: &mut Stopwatch,
) -> Result<(), StoreError> {
    // Before the first record: empty books have nothing to make anew.
    let mut is_complete = ledger::keep(app, books, now, summary).await?;
    watch.lap(summary, "ledgers");
    let open = books::open(app, books, now).await;
    watch.lap(summary, "opening_balance");
    is_complete &= open.is_ok();
    match open {
        Ok(()) => {
            is_complete &= histories::ask(app, books, now, summary).await?;
            enrich::enrich(app, books, now, summary).await?;
            watch.lap(summary, "enrich");
        }
        Err(books::BooksError::Store(error)) => return Err(error),
        Err(books::BooksError::Ended) => return Ok(()),
        Err(error) => summary.problem("opening balance", error),
    }
    calendar::midnight(app, books, now, summary).await?;
    watch.lap(summary, "midnight");
    match reconcile::nightly(app, books, now, summary).await {
        Ok(()) => {}
        Err(books::BooksError::Store(error)) => return Err(error),
        Err(error) => summary.problem("reconcile", error),
    }
    watch.lap(summary, "reconcile");
    report::report(app, books, now, summary).await?;
    if is_complete {
        schedule::schedule(app, books, taken_in, now, summary).await?;
    }
    watch.lap(summary, "report");
    Ok(())
}

/// A span of time after a moment, at the latest at the end of time.
fn after(now: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span).ok().and_then(|span| now.checked_add(span).ok()).unwrap_or(Timestamp::MAX)
}
