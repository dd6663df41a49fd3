//! Where calls wait until they may be made.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::{Budget, Closed, Entry, Limiter, Ticket, Told, Windows};

/// The door to HubSpot, which all calls of a process pass.
#[derive(Debug)]
pub(in super::super) struct Gate {
    limiter: Mutex<Limiter>,
    changed: Notify,
    pause: Duration,
}

/// The right to make one call, which ends when this is dropped.
#[derive(Debug)]
pub(in super::super) struct Pass<'a> {
    gate: &'a Gate,
    ticket: Ticket,
    answered: bool,
}

impl Gate {
    /// `pause` is the first wait after a 429 that names none.
    pub(in super::super) fn new(windows: Windows, pause: Duration) -> Self {
        let limiter = Mutex::new(Limiter::new(windows, fastrand::Rng::new()));
        Self { limiter, changed: Notify::new(), pause }
    }

    /// Waits until a call may be made.
    ///
    /// # Errors
    ///
    /// HubSpot said to stay away for longer than is waited for.
    pub(in super::super) async fn enter(&self, budget: Budget) -> Result<Pass<'_>, Closed> {
        let _waiting = (budget != Budget::Search).then(|| Waiting::new(self));
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let entry = self.limiter().enter(budget, Instant::now());
            match entry {
                Entry::Go(ticket) => return Ok(Pass { gate: self, ticket, answered: false }),
                Entry::Closed(closed) => return Err(closed),
                Entry::AfterAnother => changed.await,
                Entry::At(at) => tokio::select! {
                    () = sleep_until(at) => {}
                    () = changed => {}
                },
            }
        }
    }

    /// Stays away for so long. True if that is news.
    pub(in super::super) fn close(&self, wait: Duration, daily: bool) -> bool {
        let news = self.limiter().close(wait, daily, Instant::now());
        self.changed.notify_waiters();
        news
    }

    /// For how long HubSpot is not asked at all.
    pub(in super::super) fn closed_for(&self) -> Option<Duration> {
        let now = Instant::now();
        self.limiter().closed(now).map(|closed| closed.until - now)
    }

    fn limiter(&self) -> MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// Takes note that a reply has begun, with what its headers tell of the burst limit.
    pub(in super::super) fn answered(&mut self, told: Option<Told>) {
        self.answered = true;
        self.gate.limiter().answered(self.ticket, Some(told), Instant::now());
        self.gate.changed.notify_waiters();
    }

    /// Takes note of a 429.
    pub(in super::super) fn refused(&self, retry_after: Option<Duration>) {
        self.gate.limiter().refused(self.ticket.budget, retry_after, self.gate.pause, Instant::now());
    }

    /// Takes note of a reply that is no error.
    pub(in super::super) fn went_well(&self) {
        self.gate.limiter().window(self.ticket.budget).went_well(Instant::now());
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut limiter = self.gate.limiter();
        if !self.answered {
            limiter.answered(self.ticket, None, Instant::now());
        }
        limiter.end();
        drop(limiter);
        self.gate.changed.notify_waiters();
    }
}

/// A call that waits, and that searches leave a place for.
struct Waiting<'a>(&'a Gate);

impl<'a> Waiting<'a> {
    fn new(gate: &'a Gate) -> Self {
        gate.limiter().waiting += 1;
        Self(gate)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.limiter().waiting -= 1;
        self.0.changed.notify_waiters();
    }
}
