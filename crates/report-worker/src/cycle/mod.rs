//! The one place that knows the order: take in, enrich, report, send.
//!
//! [`run_once`] is a whole cycle and public, so that tests drive it with a time of their own; the loop around it is in
//! the commands. A step that fails leaves its work where it was and does not stop the steps that could go on.

mod books;
mod calendar;
mod enrich;
pub mod reconcile;
mod report;
mod send;
mod take_in;

use std::time::Duration;

use hubspot_webhook::door::Keys;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::crm::Crm;
use crate::mailer::Mailer;
use crate::queue::Queue;
use crate::store::{Store, StoreError};

/// Everything a cycle works with.
pub struct App {
    /// Where the deliveries wait.
    pub queue: Queue,
    /// The books.
    pub store: Store,
    /// HubSpot.
    pub crm: Crm,
    /// How mails go out.
    pub mailer: Mailer,
    /// What the cycle was told.
    pub settings: Settings,
    known: Mutex<Option<books::Fetched>>,
}

/// What the cycle was told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The client secrets that verify a delivery again, retired ones included.
    pub keys: Keys,
    /// The sender of the mails, as in a From header.
    pub mail_from: String,
    /// The recipients of the reports.
    pub mail_to: Vec<String>,
    /// Who hears of trouble.
    pub owner: String,
    /// The reporting zone; `None` means the account's.
    pub zone: Option<TimeZone>,
    /// How long nothing must have happened to a record before its changes are reported; three times this at most.
    pub quiet: Duration,
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
    /// What went wrong, each with its causes. The work is still there.
    pub problems: Vec<String>,
    /// When there is something to do again, if that is known.
    #[serde(skip)]
    pub next_at: Option<Timestamp>,
}

impl Summary {
    /// True if the cycle found nothing to do.
    pub fn is_idle(&self) -> bool {
        *self == Self { next_at: self.next_at, ..Self::default() }
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
        self.problems.extend_from_slice(&other.problems);
        self.next_at = other.next_at;
    }

    fn problem(&mut self, step: &'static str, error: impl Into<anyhow::Error>) {
        let chain = chain(error);
        tracing::error!(step, error = %chain, "the step failed; its work is still there");
        self.problems.push(format!("{step}: {chain}"));
    }

    fn again_at(&mut self, at: Timestamp) {
        self.next_at = Some(self.next_at.map_or(at, |next| next.min(at)));
    }
}

/// An error with its causes, on one line.
fn chain(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}

impl App {
    /// Puts the parts together.
    pub fn new(queue: Queue, store: Store, crm: Crm, mailer: Mailer, settings: Settings) -> Self {
        Self { queue, store, crm, mailer, settings, known: Mutex::new(None) }
    }
}

/// Runs one cycle at the moment `now`.
///
/// It never fails as a whole: what went wrong is in [`Summary::problems`], and the work it concerns is still in the
/// queue, due, pending or waiting.
pub async fn run_once(app: &App, now: Timestamp) -> Summary {
    let mut summary = Summary::default();
    match books::known(app, now).await {
        Ok(books) => {
            if let Err(error) = take_in::drain(app, &books, now, &mut summary).await {
                let store_is_away = matches!(error, take_in::TakeInError::Store(_));
                summary.problem("take in", error);
                // Nothing else could be written down either.
                if store_is_away {
                    return summary;
                }
            }
            if let Err(error) = work(app, &books, now, &mut summary).await {
                summary.problem("books", error);
                return summary;
            }
        }
        Err(error) => summary.problem("account", error),
    }
    if let Err(error) = send::send(app, now, &mut summary).await {
        summary.problem("send", error);
    }
    summary
}

/// Everything between taking in and sending. HubSpot being away is a problem of its step only.
async fn work(app: &App, books: &books::Books, now: Timestamp, summary: &mut Summary) -> Result<(), StoreError> {
    match books::open(app, books, now).await {
        Ok(()) => enrich::enrich(app, books, now, summary).await?,
        Err(books::BooksError::Store(error)) => return Err(error),
        Err(error) => summary.problem("opening balance", error),
    }
    calendar::midnight(app, books, now, summary).await?;
    match reconcile::nightly(app, books, now, summary).await {
        Ok(()) => {}
        Err(books::BooksError::Store(error)) => return Err(error),
        Err(error) => summary.problem("reconcile", error),
    }
    report::report(app, books, now, summary).await
}

/// A span of time after a moment, at the latest at the end of time.
fn after(now: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span).ok().and_then(|span| now.checked_add(span).ok()).unwrap_or(Timestamp::MAX)
}
