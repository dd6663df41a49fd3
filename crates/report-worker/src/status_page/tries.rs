//! How often a password may be guessed: each network and each browser that once knew it has tries of its own, so that nobody
//! can use up the owner's.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many wrong passwords at once;
const TRIES: u32 = 10;

/// then another one after each of these.
const ANOTHER_AFTER: Duration = Duration::from_secs(6);

/// So many sources are remembered; all others share their tries.
const MOST_SOURCES: usize = 4_096;

/// Who tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// A browser that shows the mark which only the right password gives.
    Known,
    /// An address; of IPv6 the network of one subscriber, 64 bits.
    Network(IpAddr),
    /// One that cannot be remembered: too many others are at it.
    Other,
}

impl Source {
    pub(super) fn of(peer: IpAddr) -> Self {
        match peer {
            IpAddr::V4(_) => Self::Network(peer),
            IpAddr::V6(address) => Self::Network(IpAddr::V6((address.to_bits() >> 64 << 64).into())),
        }
    }
}

/// The tries of all sources. What is not in it has all of its tries.
#[derive(Debug, Default)]
pub(super) struct Tries(Mutex<HashMap<Source, Instant>>);

impl Tries {
    /// Takes one of the source's tries; an error says when there is another one. Give it back by [`Tries::was_right`].
    pub(super) fn take(&self, source: Source, now: Instant) -> Result<Source, Duration> {
        let mut full_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= MOST_SOURCES && !full_at.contains_key(&source) {
            full_at.retain(|_, at| *at > now);
        }
        let source = if full_at.len() < MOST_SOURCES || full_at.contains_key(&source) { source } else { Source::Other };
        let at = full_at.entry(source).or_insert(now);
        let missing = at.saturating_duration_since(now);
        match (missing + ANOTHER_AFTER).checked_sub(ANOTHER_AFTER * TRIES) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                *at = (*at).max(now) + ANOTHER_AFTER;
                Ok(source)
            }
        }
    }

    /// The password was right, so it was no try.
    pub(super) fn was_right(&self, source: Source) {
        let mut full_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = full_at.get_mut(&source) {
            *at -= ANOTHER_AFTER;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(last: u8) -> Source {
        Source::of(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn ten_at_once_then_ten_a_minute_and_the_right_one_costs_nothing() {
        let (tries, now) = (Tries::default(), Instant::now());
        for _ in 0..100 {
            let source = tries.take(network(1), now).unwrap();
            tries.was_right(source);
        }
        for _ in 0..TRIES {
            tries.take(network(1), now).unwrap();
        }
        assert_eq!(tries.take(network(1), now), Err(ANOTHER_AFTER));
        assert_eq!(tries.take(network(1), now + ANOTHER_AFTER / 2), Err(ANOTHER_AFTER / 2));
        // Nobody else pays for it.
        assert!(tries.take(network(2), now).is_ok() && tries.take(Source::Known, now).is_ok());
        assert!(tries.take(network(1), now + ANOTHER_AFTER).is_ok());
        assert!(tries.take(network(1), now + ANOTHER_AFTER).is_err());
    }

    #[test]
    fn a_subscriber_s_ipv6_addresses_are_one_and_many_sources_take_no_memory() {
        let of = |text: &str| Source::of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        let (tries, now) = (Tries::default(), Instant::now());
        let sources = (0..10_000_u32).map(|number| Source::of(IpAddr::from(number.to_be_bytes())));
        let taken = sources.filter(|source| tries.take(*source, now).is_ok()).count();
        assert_eq!(taken, MOST_SOURCES + TRIES as usize);
        assert!(tries.0.lock().unwrap().len() <= MOST_SOURCES + 1);
        assert!(tries.take(network(9), now + ANOTHER_AFTER).is_ok(), "the first sources are forgotten again");
    }
}
