//! One of HubSpot's rolling windows, as one worker sees it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::{AIM, COUNTED_WITHIN, Told, WARY_AIM};

/// The latency up to which a worker takes more than half of what is free in one window, milliseconds.
const PROMPT_MS: u64 = 200;

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
}

/// A call that HubSpot may be counting.
#[derive(Debug)]
struct Held {
    number: u64,
    /// The latest moment at which it was counted.
    counted_by: Instant,
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
        /// When a call of others was last seen; at first, when the first reply came: one window shows whether there are any.
        others_at: Instant,
    },
}

/// How calls may follow one another.
enum Pace {
    /// One at a time.
    Singly,
    /// So many in the window, and so far apart.
    Calls { most: u64, gap: Duration },
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
        }
    }

    /// Counts a call and gives its number; or says when to ask again, which is `None` for after the next reply.
    pub(super) fn enter(&mut self, now: Instant) -> Result<u64, Option<Instant>> {
        let length = self.length;
        self.held.retain(|call| call.counted_by + length > now);
        if let Some(at) = self.not_before.filter(|&at| now < at) {
            return Err(Some(at));
        }
        match self.pace(now) {
            Pace::Singly if self.under_way > 0 => return Err(None),
            Pace::Singly => {}
            Pace::Calls { most, gap } => {
                if let Some(at) = self.last_sent.map(|sent| sent + gap).filter(|&at| now < at) {
                    return Err(Some(at));
                }
                if self.held.len() as u64 >= most {
                    return Err(self.held.iter().map(|call| call.counted_by + length).min());
                }
            }
        }
        self.sent += 1;
        self.under_way += 1;
        self.last_sent = Some(now);
        let own = self.held.len() as u64 + 1;
        self.held.push_back(Held { number: self.sent, counted_by: now + COUNTED_WITHIN, own, sent: now });
        Ok(self.sent)
    }

    fn pace(&self, now: Instant) -> Pace {
        match self.knowledge {
            Knowledge::Nothing => Pace::Singly,
            Knowledge::Untold => Pace::Calls { most: self.quota, gap: Duration::ZERO },
            Knowledge::Told { at, .. } if now > at + self.length => Pace::Singly,
            Knowledge::Told { max, .. } if self.is_alone(now) => Pace::Calls { most: alone(max), gap: Duration::ZERO },
            Knowledge::Told { max, foreign, .. } => self.among_others(max, foreign, now),
        }
    }

    /// The pace of a worker that shares the limit, whose others use `foreign` calls of `max`.
    fn among_others(&self, max: u64, foreign: u64, now: Instant) -> Pace {
        let wary = self.refused_at.is_some_and(|at| now < at + self.length * 3);
        let aim = max * if wary { WARY_AIM } else { AIM } / 100;
        let own = self.held.len() as u64;
        let used = own + foreign;
        let few = max / 20;
        // A tenth of one's own share is given up, and what is free may be taken; less of it where replies are slow and
        // tell of the past. In thousandths of a call.
        let kept = own * 900 * aim / used.max(aim).max(1);
        let latency_ms = u64::try_from(self.latency.as_millis()).unwrap_or(u64::MAX / 2);
        let share = kept + aim.saturating_sub(used) * 1_000 * PROMPT_MS / (PROMPT_MS + latency_ms);
        let gap = match own < few && used + few <= aim {
            true => Duration::ZERO,
            // Ten in a window at least: who does not ask does not hear of what the others leave free.
            false => self.length * 100 / u32::try_from(share / 10).unwrap_or(u32::MAX).max(1_000),
        };
        // What was sent in a burst must leave the window before more follows.
        let most = (share * 11 / 10_000 + 1).min(max.saturating_sub(foreign + 1)).max(1);
        Pace::Calls { most, gap }
    }

    /// Takes note of a call's reply, with what its headers tell, or that none will come.
    pub(super) fn answered(&mut self, number: u64, reply: Option<Option<Told>>, now: Instant) {
        self.under_way -= 1;
        let (mut own, mut latency) = (self.held.len() as u64, Duration::ZERO);
        let alone = self.is_alone(now);
        if let Ok(at) = self.held.binary_search_by_key(&number, |call| call.number) {
            let call = &mut self.held[at];
            call.counted_by = call.counted_by.min(now);
            // Where a worker is alone, this must be no less than what was counted of its own calls: those held then and
            // those sent since. Among others, it is better too little than too much.
            own = if alone { call.own + (self.sent - number) } else { call.own };
            latency = now - call.sent;
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
        let others_at = match self.knowledge {
            Knowledge::Told { others_at, .. } if foreign == 0 && !self.knows_nothing(now) => others_at,
            _ => now,
        };
        self.knowledge = Knowledge::Told { max, foreign, at: now, others_at };
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

    /// Whether no calls of others were seen for a whole window.
    fn is_alone(&self, now: Instant) -> bool {
        match self.knowledge {
            Knowledge::Told { others_at, .. } => now > others_at + self.length,
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
