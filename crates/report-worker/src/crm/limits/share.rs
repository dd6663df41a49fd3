//! How much of the limit a worker takes that shares it with others.
//!
//! A worker has a quota of calls that HubSpot may be counting of it at any one time. One that keeps to its quota replaces
//! its calls one for one as they leave the window, so what all of them use together never exceeds the sum of the quotas,
//! however their calls lie in the window and however old their knowledge is. Only raising a quota needs care:
//!
//! - A worker takes a part of what is free, in proportion to its own part of what is used: [`TAKE`] in a second, for all
//!   workers together. Knowledge is as old as a reply takes, half a second or one, so that what all of them take in the
//!   meantime is less than what was free: they come near to the aim and do not pass it.
//! - It gives up a little all the time, and more of it the larger its part: one that has most of the limit gives to one
//!   that came later, and among equals what they give is found free and taken again at once.
//! - A quota that is not used is lost: it may pass the calls that are held by [`SLACK`] only, so that nobody else is
//!   using what it stands for when its owner comes back to it.
//!
//! What is left is chance, and what others do who know nothing of this. While a reply is on its way, they make as many
//! calls as they do in that time, while as many leave the window: the number that counts is where a random walk gets to.
//! [`CHANCE`] of its spread is left free, beside [`SPARE`]; beyond that no call is made, whatever the quota.

use std::time::Duration;

use tokio::time::Instant;

/// The part of what is free that all workers together take in a second, per mille.
const TAKE: u64 = 300;

/// Between which parts of what is used, per mille, a worker's own counts for what it takes: a new one must come to
/// something, and one with nearly everything must not take everything that it gives.
const PART: (u64, u64) = (120, 600);

/// The part of its quota that a worker gives up in a second, per mille.
const GIVE: u64 = 10;

/// What it gives up besides where it is nearly alone, per mille; it falls with the square of its part.
const GIVE_AS_LARGEST: u64 = 30;

/// How far a quota may be above the calls that are held, thousandths of a call.
const SLACK: u64 = 1_500;

/// The part of the limit that stays free, per mille.
const SPARE: u64 = 15;

/// How much stays free of what others may do meanwhile, in thousandths of its standard deviation.
const CHANCE: u64 = 1_500;

/// How old knowledge is besides the time that a reply takes, milliseconds: the time until the next call.
const PAUSE_MS: u64 = 600;

/// How far apart a quota is changed, and how much time counts at most, milliseconds.
const STEPS_MS: (u64, u64) = (50, 1_000);

/// How an account's limit is used, as far as a worker can know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    /// Calls that are allowed in a window.
    pub(super) max: u64,
    /// The worker's own calls in it.
    pub(super) own: u64,
    /// The calls of others.
    pub(super) foreign: u64,
    /// The length of the window.
    pub(super) length: Duration,
    /// How long replies take.
    pub(super) latency: Duration,
}

impl Usage {
    fn used(&self) -> u64 {
        (self.own + self.foreign).max(1)
    }

    /// How many calls must stay free for what others do meanwhile, in thousandths.
    fn chance(&self) -> u64 {
        let meanwhile = self.foreign * 1_000 * (millis(self.latency) + PAUSE_MS) / millis(self.length).max(1);
        (meanwhile * 1_000).isqrt() * CHANCE / 1_000
    }

    /// How many calls all should make together.
    fn aim(&self) -> u64 {
        ((self.max * 1_000).saturating_sub(self.max * SPARE + self.chance()) / 1_000).max(1)
    }

    /// How many calls of its own a worker may have in the window, whatever its quota.
    fn room(&self) -> u64 {
        (self.max * 1_000).saturating_sub((self.foreign + 1) * 1_000 + self.chance()) / 1_000
    }

    /// Whether more calls could be made.
    pub(super) fn has_room(&self) -> bool {
        self.own + self.foreign < self.aim()
    }

    /// A few calls, which a worker may make of once: most have no more to ask.
    fn few(&self) -> u64 {
        (self.max * 3 / 100).max(1)
    }
}

/// A worker's quota.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Share {
    /// In thousandths of a call.
    quota: u64,
    changed_at: Option<Instant>,
}

impl Share {
    /// Begins with a few calls, or with those that are held.
    pub(super) fn begin(&mut self, usage: &Usage, now: Instant) {
        *self = Self { quota: usage.own.max(usage.few()) * 1_000, changed_at: Some(now) };
    }

    /// Takes of what is free and gives up what is due since the last time.
    pub(super) fn adapt(&mut self, usage: &Usage, now: Instant) {
        let since = self.changed_at.map_or(0, |at| millis(now - at));
        if since < STEPS_MS.0 {
            return;
        }
        self.changed_at = Some(now);
        let ms = since.min(STEPS_MS.1);
        let (own, used, aim) = (usage.own, usage.used(), usage.aim());
        let part = own * 1_000 / used;
        let take = aim.saturating_sub(used) * part.clamp(PART.0, PART.1) * TAKE * ms / 1_000_000;
        let give = self.quota * (GIVE + GIVE_AS_LARGEST * part * part / 1_000_000) * ms / 1_000_000;
        let excess = used.saturating_sub(aim) * part * ms / 1_000;
        let quota = (self.quota + take).saturating_sub(give + excess);
        self.quota = quota.min(own * 1_000 + SLACK).max(usage.few() * 1_000);
    }

    /// How many calls may be held, and how far apart they follow one another: a little closer than the quota needs, so
    /// that they spread over the window and each brings news; closer still while much is free.
    pub(super) fn pace(&self, usage: &Usage) -> (u64, Duration) {
        let most = (self.quota / 1_000).min(usage.room()).max(1);
        let (used, aim) = (usage.used(), usage.aim());
        if usage.own < usage.few() && used + usage.few() <= aim {
            return (most, Duration::ZERO);
        }
        let crowd = u32::try_from(800 * used.min(aim) / aim).unwrap_or(800);
        (most, usage.length * crowd / u32::try_from(self.quota).unwrap_or(u32::MAX).max(1_000))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
