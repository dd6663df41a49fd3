//! One of HubSpot's rolling windows, as one worker sees it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::share::{Share, Usage};
use super::{COUNTED_WITHIN, LONGEST_WAIT, Told};

/// How many calls a worker makes one after the other before it believes that it is alone: while no other call of its own
/// is under way, what a reply tells is exact.
const SOUNDINGS: u32 = 3;

/// How soon a worker looks again that waits for its share to grow.
const LOOKS_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The calls that HubSpot may be counting, and how many it may count.
#[derive(Debug)]
pub(super) struct Window {
    length: Duration,
    /// How many calls are allowed as far as HubSpot's documentation tells.
    most: u64,
    /// How many of them are made while no header tells more: halved by a 429, and raised again window by window.
    quota: u64,
    changed_at: Option<Instant>,
    knowledge: Knowledge,
    held: VecDeque<Held>,
    sent: u64,
    last_sent: Option<Instant>,
    under_way: usize,
    not_before: Option<Instant>,
    refusals: u32,
    refused_at: Option<Instant>,
    /// How long replies take, on the average of the last ones.
    latency: Duration,
    /// What is used while others use the limit too.
    share: Share,
    /// How many replies told of the limit since nothing was known.
    soundings: u32,
    /// Whether a call was seen to be counted later than [`COUNTED_WITHIN`].
    counts_late: bool,
}

/// A call that HubSpot may be counting.
#[derive(Debug)]
struct Held {
    number: u64,
    /// The latest moment at which it was counted.
    counted_by: Instant,
    answered: bool,
    /// How many calls were held with this one when it was sent.
    own: u64,
    sent: Instant,
}

/// What is known of the account's use of the limit.
#[derive(Debug, Clone, Copy)]
enum Knowledge {
    /// Nothing yet: one call finds out.
    Nothing,
    /// Replies do not tell.
    Untold,
    /// What a reply told.
    Told {
        max: u64,
        /// Calls that others must have made.
        foreign: u64,
        at: Instant,
        /// When a call of others was last seen.
        others_at: Option<Instant>,
    },
}

impl Window {
    /// A window whose state the replies tell; until they do, `most` calls are allowed.
    pub(super) fn told_by_headers(most: u64, length: Duration) -> Self {
        Self { knowledge: Knowledge::Nothing, ..Self::documented(most, length) }
    }

    /// A window that no header tells of.
    pub(super) fn documented(most: u64, length: Duration) -> Self {
        Self {
            length,
            most,
            quota: most,
            changed_at: None,
            knowledge: Knowledge::Untold,
            held: VecDeque::new(),
            sent: 0,
            last_sent: None,
            under_way: 0,
            not_before: None,
            refusals: 0,
            refused_at: None,
            latency: Duration::ZERO,
            share: Share::default(),
            soundings: 0,
            counts_late: false,
        }
    }

    /// Counts a call and gives its number; or says when to ask again, which is `None` for after the next reply.
    pub(super) fn enter(&mut self, now: Instant) -> Result<u64, Option<Instant>> {
        let length = self.length;
        let late = self.counts_late;
        self.held.retain(|call| late && !call.answered || call.counted_by + length > now);
        if let Some(at) = self.not_before.filter(|&at| now < at) {
            return Err(Some(at));
        }
        let shared = self.shared(now);
        if let Some(usage) = &shared {
            self.share.adapt(usage, now);
        }
        if self.sounds(now) && self.under_way > 0 {
            return Err(None);
        }
        let (most, gap) = self.pace(now);
        if let Some(at) = self.last_sent.map(|sent| sent + gap).filter(|&at| now < at) {
            return Err(Some(at));
        }
        if self.held.len() as u64 >= most {
            let counted = self.held.iter().filter(|call| call.answered || !late);
            let leaves = counted.map(|call| call.counted_by + length).min();
            let grows = shared.filter(Usage::has_room).map(|_| now + LOOKS_AGAIN_AFTER);
            return Err(leaves.into_iter().chain(grows).min());
        }
        self.sent += 1;
        self.under_way += 1;
        self.last_sent = Some(now);
        let own = self.held.len() as u64 + 1;
        let counted_by = now + COUNTED_WITHIN;
        self.held.push_back(Held { number: self.sent, counted_by, answered: false, own, sent: now });
        Ok(self.sent)
    }

    /// Whether one call at a time finds out how the limit is used.
    fn sounds(&self, now: Instant) -> bool {
        let lone_so_far = matches!(self.knowledge, Knowledge::Told { foreign: 0, .. }) && self.soundings < SOUNDINGS;
        self.knows_nothing(now) || lone_so_far
    }

    /// How many calls may be held, and how far apart they must be.
    fn pace(&self, now: Instant) -> (u64, Duration) {
        match self.knowledge {
            Knowledge::Nothing => (u64::MAX, Duration::ZERO),
            Knowledge::Untold => (self.quota, Duration::ZERO),
            Knowledge::Told { .. } if self.knows_nothing(now) => (u64::MAX, Duration::ZERO),
            Knowledge::Told { max, foreign, .. } if !self.sounds(now) && !self.is_alone(now) => {
                self.share.pace(&self.usage(max, foreign))
            }
            Knowledge::Told { max, .. } => (alone(max), Duration::ZERO),
        }
    }

    fn usage(&self, max: u64, foreign: u64) -> Usage {
        Usage { max, own: self.held.len() as u64, foreign, length: self.length, latency: self.latency }
    }

    /// How the limit is used, where others use it too.
    fn shared(&self, now: Instant) -> Option<Usage> {
        match self.knowledge {
            Knowledge::Told { max, foreign, at, .. } if now <= at + self.length && !self.is_alone(now) => {
                Some(self.usage(max, foreign))
            }
            _ => None,
        }
    }

    /// Takes note of a call's reply, with what its headers tell, or that none will come.
    pub(super) fn answered(&mut self, number: u64, reply: Option<Option<Told>>, now: Instant) {
        self.under_way -= 1;
        let (mut own, mut latency) = (self.held.len() as u64, Duration::ZERO);
        if let Ok(at) = self.held.binary_search_by_key(&number, |call| call.number) {
            let sent = self.held[at].sent;
            latency = now - sent;
            own = self.held[at].own;
            self.counts_late |= matches!(reply, Some(Some(told)) if self.misses_calls(told, number, sent, now));
            if self.is_alone(now) {
                // No less than what was counted of its own calls: those held then, and those sent until this one was
                // counted. Among others, it is better too little than too much.
                let counted_by = if self.counts_late { now } else { now.min(sent + COUNTED_WITHIN) };
                own += self.held.iter().skip(at + 1).filter(|call| call.sent <= counted_by).count() as u64;
            } else if self.counts_late {
                own = own.max(self.held.iter().filter(|call| call.answered).count() as u64 + 1);
            }
            let late = self.counts_late;
            let call = &mut self.held[at];
            call.answered = true;
            call.counted_by = if late { now } else { call.counted_by.min(now) };
        }
        match reply {
            Some(Some(told)) => {
                self.latency = (self.latency * 7 + latency) / 8;
                self.learn(told, own, now);
            }
            Some(None) if self.knows_nothing(now) => self.knowledge = Knowledge::Untold,
            _ => {}
        }
    }

    /// A good reply was had: what a 429 took away comes back, window by window.
    pub(super) fn went_well(&mut self, now: Instant) {
        self.refusals = 0;
        if self.quota < self.most && self.may_change(now) {
            self.quota = (self.quota + self.most.div_ceil(10)).min(self.most);
            self.changed_at = Some(now);
        }
    }

    fn learn(&mut self, told: Told, own: u64, now: Instant) {
        let Told { max, remaining, interval } = told;
        self.length = interval;
        let used = max.saturating_sub(remaining);
        let foreign = used.saturating_sub(own.min(alone(max)));
        let begins = self.knows_nothing(now);
        let was_alone = self.is_alone(now);
        let others_at = match self.knowledge {
            _ if foreign > 0 => Some(now),
            Knowledge::Told { others_at, .. } if !begins => others_at,
            _ => None,
        };
        self.soundings = if begins { 1 } else { self.soundings.saturating_add(1) };
        self.counts_late &= !begins;
        self.knowledge = Knowledge::Told { max, foreign, at: now, others_at };
        let usage = self.usage(max, foreign);
        match begins || was_alone {
            true => self.share.begin(&usage, now),
            false => self.share.adapt(&usage, now),
        }
    }

    /// Whether a reply tells of fewer calls than were sent long before its own, which HubSpot then counts later than
    /// [`COUNTED_WITHIN`]. After a 429 that cannot be said, since what is refused may not be counted at all.
    fn misses_calls(&self, told: Told, number: u64, sent: Instant, now: Instant) -> bool {
        let counted = |call: &&Held| call.sent + COUNTED_WITHIN <= sent && call.sent + self.length > now;
        let least = self.held.iter().take_while(|call| call.number < number).filter(counted).count() as u64;
        told.max.saturating_sub(told.remaining) < least
            && self.refused_at.is_none_or(|at| now > at + self.length + LONGEST_WAIT)
    }

    /// Takes note of a 429. `jitter` is in thousandths of the pause.
    pub(super) fn refused(&mut self, retry_after: Option<Duration>, pause: Duration, jitter: u32, now: Instant) {
        if let Knowledge::Told { max, .. } = self.knowledge {
            let own = self.held.len() as u64;
            self.learn(Told { max, remaining: 0, interval: self.length }, own, now);
        }
        // Calls under way together are refused together, which is one refusal.
        if self.not_before.is_some_and(|at| now < at) {
            return;
        }
        if self.may_change(now) {
            self.quota = (self.quota / 2).max(1);
            self.changed_at = Some(now);
        }
        let wait = retry_after.unwrap_or_else(|| pause.saturating_mul(1 << self.refusals.min(8)).min(self.length));
        self.refusals += 1;
        self.refused_at = Some(now);
        self.not_before = Some(now + wait + wait * jitter / 1_000);
    }

    /// Whether no calls of others were seen for a whole window, or none at all by the first replies: those tell of a whole
    /// window too.
    fn is_alone(&self, now: Instant) -> bool {
        match self.knowledge {
            Knowledge::Told { others_at: None, .. } => self.soundings >= SOUNDINGS,
            Knowledge::Told { others_at: Some(at), .. } => now > at + self.length,
            Knowledge::Nothing | Knowledge::Untold => true,
        }
    }

    fn may_change(&self, now: Instant) -> bool {
        self.changed_at.is_none_or(|at| now >= at + self.length)
    }

    fn knows_nothing(&self, now: Instant) -> bool {
        match self.knowledge {
            Knowledge::Nothing => true,
            Knowledge::Untold => false,
            Knowledge::Told { at, .. } => now > at + self.length,
        }
    }
}

/// How many calls a worker makes that has the limit for itself: all but one in a hundred, so that another worker's first
/// call gets through and is seen.
fn alone(max: u64) -> u64 {
    (max - max / 95).max(1)
}
