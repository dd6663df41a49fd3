//! How often HubSpot may be asked: as often as it allows, and no oftener.
//!
//! HubSpot counts calls in rolling windows. [`Limiter`] keeps the list of the calls that HubSpot may still be counting,
//! so that a worker that is alone uses the whole limit and meets no 429. A call is counted somewhere between being sent
//! and being answered; it is held to be in the window until that long after its answer, at most [`COUNTED_WITHIN`] after
//! it was sent, which costs 3 % of the limit when HubSpot is slow and 1 % when it answers within 100 ms.
//!
//! A worker knows that it is alone when its first three calls, made one after the other, tell of no others: each reply
//! tells of a whole window. A call of others that is seen later ends that for a window.
//!
//! Several workers share the account's limit and know of one another only by the headers of HubSpot's replies: what is
//! used beyond a worker's own calls is used by others. [`share`] has the rule by which they come to equal shares. Nothing
//! has to be agreed upon through the database, and a worker that dies leaves its share to the others within one window.
//!
//! Time is an argument. The rules that are HubSpot's: usage guidelines (burst, daily), guides to associations and to
//! searching (limits of their own, without headers).

mod gate;
mod share;
mod window;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

pub(super) use gate::Gate;
use window::Window;

/// How many calls are under way at once, at most. HubSpot names no such limit; this one bounds memory, and lets the
/// highest burst limit, 250 in 10 s, be used with answers that take 0.8 s.
const PLACES: usize = 20;

/// The longest wait inside a call; HubSpot's burst window is 10 seconds. What needs longer is left to the caller.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Within which time of being sent a call is counted by HubSpot, which counts before it works on the answer.
const COUNTED_WITHIN: Duration = Duration::from_millis(300);

/// Which of HubSpot's limits a call counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Budget {
    /// The burst limit, which every reply tells.
    Ordinary,
    /// 150 calls in 10 s (100 in a Free or Starter account).
    Associations,
    /// 5 calls in 1 s. Searches walk; they give way to the reading of records that reports wait for.
    Search,
}

/// The times of the limits that no header tells.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// The time in which five searches may be made.
    pub search: Duration,
    /// The time in which 150 requests about associations may be made.
    pub associations: Duration,
}

impl Default for Windows {
    /// Those that HubSpot documents: a second, and ten.
    fn default() -> Self {
        Self { search: Duration::from_secs(1), associations: Duration::from_secs(10) }
    }
}

/// What a reply's headers tell of the burst limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// Calls that are allowed in one window.
    pub(super) max: u64,
    /// Calls that are left in it, whoever made the others.
    pub(super) remaining: u64,
    /// The length of the window.
    pub(super) interval: Duration,
}

/// A time during which HubSpot is not asked at all, because it said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed {
    /// Its end.
    pub(super) until: Instant,
    /// Whether the day's calls are used up.
    pub(super) daily: bool,
}

/// Whether a call may be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// It may; this is its ticket.
    Go(Ticket),
    /// It may not before this moment.
    At(Instant),
    /// It may when another call has ended.
    AfterAnother,
    /// It may not for long.
    Closed(Closed),
}

/// The right to make one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticket {
    budget: Budget,
    number: u64,
}

/// Everything that one process knows about the limits of one account.
#[derive(Debug)]
struct Limiter {
    ordinary: Window,
    associations: Window,
    searches: Window,
    under_way: usize,
    /// Calls other than searches that wait to be made.
    waiting: usize,
    closed: Option<Closed>,
    rng: fastrand::Rng,
}

impl Limiter {
    /// Knows the limits that HubSpot documents.
    fn new(windows: Windows, rng: fastrand::Rng) -> Self {
        Self {
            ordinary: Window::told_by_headers(100, Duration::from_secs(10)),
            associations: Window::documented(150, windows.associations),
            searches: Window::documented(5, windows.search),
            under_way: 0,
            waiting: 0,
            closed: None,
            rng,
        }
    }

    fn window(&mut self, budget: Budget) -> &mut Window {
        match budget {
            Budget::Ordinary => &mut self.ordinary,
            Budget::Associations => &mut self.associations,
            Budget::Search => &mut self.searches,
        }
    }

    /// Asks to make a call. One that may go is counted, and must be told of by [`answered`](Self::answered) and then [`end`](Self::end).
    fn enter(&mut self, budget: Budget, now: Instant) -> Entry {
        if let Some(closed) = self.closed(now) {
            return Entry::Closed(closed);
        }
        let kept_free = if budget == Budget::Search { self.waiting } else { 0 };
        if self.under_way + kept_free >= PLACES {
            return Entry::AfterAnother;
        }
        let entry = self.window(budget).enter(now);
        match entry {
            Ok(number) => {
                self.under_way += 1;
                Entry::Go(Ticket { budget, number })
            }
            Err(Some(at)) => Entry::At(at),
            Err(None) => Entry::AfterAnother,
        }
    }

    /// Takes note of a reply, with what its headers tell; or that none will come, and HubSpot may have counted the call.
    fn answered(&mut self, ticket: Ticket, reply: Option<Option<Told>>, now: Instant) {
        self.window(ticket.budget).answered(ticket.number, reply, now);
    }

    /// Takes note that a call has ended, its reply read.
    fn end(&mut self) {
        self.under_way -= 1;
    }

    /// Takes note of a 429: nothing is asked for as long as HubSpot says, else for `pause`, longer each time, and a
    /// random part of it more.
    fn refused(&mut self, budget: Budget, retry_after: Option<Duration>, pause: Duration, now: Instant) {
        let jitter = self.rng.u32(0..=500);
        self.window(budget).refused(retry_after, pause, jitter, now);
    }

    /// Asks nothing for so long. True if that is news.
    fn close(&mut self, wait: Duration, daily: bool, now: Instant) -> bool {
        let news = self.closed(now).is_none();
        let until = now + wait;
        if self.closed.is_none_or(|closed| closed.until < until) {
            self.closed = Some(Closed { until, daily });
        }
        news
    }

    fn closed(&self, now: Instant) -> Option<Closed> {
        self.closed.filter(|closed| now < closed.until)
    }
}
