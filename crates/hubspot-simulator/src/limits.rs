//! HubSpot's limits, and who has used them up.

use std::collections::VecDeque;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The limits of the API. The defaults are those of a private app in a Professional account. Source: HubSpot's usage
/// guidelines, and its guides to searching and to associations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls in ten rolling seconds.
    pub burst: usize,
    /// Calls until midnight in the account's zone.
    pub daily: u64,
    /// Association calls in ten rolling seconds.
    pub association_burst: usize,
    /// Searches in one second.
    pub search_per_second: usize,
    /// Ids in one batch read.
    pub batch: usize,
    /// Ids in one batch read that asks for history.
    pub batch_with_history: usize,
    /// Ids in one batch read of associations.
    pub association_batch: usize,
    /// Results on one page of a search.
    pub search_page: usize,
    /// Results that one search can reach.
    pub search_results: usize,
    /// Characters in the body of a search.
    pub search_body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            burst: 190,
            daily: 625_000,
            association_burst: 150,
            search_per_second: 5,
            batch: 100,
            batch_with_history: 50,
            association_batch: 1_000,
            search_page: 200,
            search_results: 10_000,
            search_body: 3_000,
        }
    }
}

/// The length of the rolling window for bursts, milliseconds.
pub(crate) const BURST_WINDOW_MS: i64 = 10_000;

/// Which limit a call counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Budget {
    Ordinary,
    Associations,
    Search,
}

/// Why a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exceeded {
    TenSecondly,
    Secondly,
    Daily,
}

/// What is left after a call, for the headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) burst: usize,
    pub(crate) daily: u64,
}

/// The calls that were let through lately.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    ordinary: VecDeque<i64>,
    associations: VecDeque<i64>,
    searches: VecDeque<i64>,
    today: u64,
    midnight_ms: i64,
}

impl Limiter {
    /// Counts a call at `now_ms`, or says which limit it would exceed.
    pub(crate) fn admit(
        &mut self,
        budget: Budget,
        limits: &Limits,
        zone: &TimeZone,
        now_ms: i64,
    ) -> Result<(), Exceeded> {
        if now_ms >= self.midnight_ms {
            self.today = 0;
            self.midnight_ms = next_midnight_ms(zone, now_ms);
        }
        if self.today >= limits.daily {
            return Err(Exceeded::Daily);
        }
        let (calls, window_ms, most, exceeded) = match budget {
            Budget::Ordinary => (&mut self.ordinary, BURST_WINDOW_MS, limits.burst, Exceeded::TenSecondly),
            Budget::Associations => {
                (&mut self.associations, BURST_WINDOW_MS, limits.association_burst, Exceeded::TenSecondly)
            }
            Budget::Search => (&mut self.searches, 1_000, limits.search_per_second, Exceeded::Secondly),
        };
        calls.retain(|at_ms| now_ms - at_ms < window_ms);
        if calls.len() >= most {
            return Err(exceeded);
        }
        calls.push_back(now_ms);
        self.today += 1;
        Ok(())
    }

    pub(crate) fn left(&self, limits: &Limits) -> Left {
        Left { burst: limits.burst.saturating_sub(self.ordinary.len()), daily: limits.daily.saturating_sub(self.today) }
    }
}

/// When the account's next day begins, epoch milliseconds UTC; never, for a moment that no calendar holds.
fn next_midnight_ms(zone: &TimeZone, now_ms: i64) -> i64 {
    let midnight =
        Timestamp::from_millisecond(now_ms).and_then(|now| now.to_zoned(zone.clone()).tomorrow()?.start_of_day());
    midnight.map_or(i64::MAX, |midnight| midnight.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_rolls() {
        let (mut limiter, limits) = (Limiter::default(), Limits { burst: 2, ..Limits::default() });
        let mut admit = |now_ms| limiter.admit(Budget::Ordinary, &limits, &TimeZone::UTC, now_ms);
        assert_eq!(admit(0), Ok(()));
        assert_eq!(admit(6_000), Ok(()));
        assert_eq!(admit(9_999), Err(Exceeded::TenSecondly));
        assert_eq!(admit(10_000), Ok(()));
        assert_eq!(admit(10_001), Err(Exceeded::TenSecondly));
        assert_eq!(admit(16_000), Ok(()));
    }

    #[test]
    fn the_day_ends_at_midnight_in_the_accounts_zone() {
        let (mut limiter, limits) = (Limiter::default(), Limits { daily: 1, ..Limits::default() });
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        // 2026-11-22T22:59:59Z is one second before midnight in Berlin.
        let late = 1_795_388_399_000;
        let mut admit = |now_ms| limiter.admit(Budget::Search, &limits, &berlin, now_ms);
        assert_eq!(admit(late), Ok(()));
        assert_eq!(admit(late + 999), Err(Exceeded::Daily));
        assert_eq!(admit(late + 1_000), Ok(()));
    }
}
