//! Whether the books are known to hold everything that HubSpot has.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::record::Kind;

/// A record that HubSpot has told of is read within seconds; after this long something is in the way.
pub const READ_WITHIN: SignedDuration = SignedDuration::from_mins(15);

/// What speaks for and against the books being complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completeness {
    /// When all records were last compared with HubSpot, or taken from it; `None` while that is going on for the first time.
    pub compared_at: Option<Timestamp>,
    /// Records that differed then and were left so.
    pub left_different: u64,
    /// Kinds that the access token may not read.
    pub left_out: Vec<Kind>,
    /// Records that HubSpot told of longer than [`READ_WITHIN`] ago and that are still to be read.
    pub unread: u64,
}

impl Completeness {
    /// True if the last comparison is older than it should be: there is one every night of the reporting zone.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp, zone: &TimeZone) -> bool {
        let day = |at: Timestamp| at.to_zoned(zone.clone()).date();
        self.compared_at.is_some_and(|at| day(at) < day(now).saturating_sub(1.day()))
    }

    /// True if nothing speaks against it.
    #[must_use]
    pub fn is_known(&self, now: Timestamp, zone: &TimeZone) -> bool {
        self.compared_at.is_some()
            && !self.is_stale(now, zone)
            && self.left_different == 0
            && self.left_out.is_empty()
            && self.unread == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_comparison_is_good_through_the_next_day_of_the_zone() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let completeness = Completeness {
            compared_at: Some(at("2026-11-21T23:05:00Z")),
            left_different: 0,
            left_out: vec![],
            unread: 0,
        };
        // Five past midnight on the 22nd in Berlin: good through the 23rd.
        assert!(completeness.is_known(at("2026-11-23T22:59:59Z"), &zone));
        assert!(completeness.is_stale(at("2026-11-23T23:00:00Z"), &zone));
        assert!(!completeness.is_known(at("2026-11-23T23:00:00Z"), &zone));
    }

    #[test]
    fn one_doubt_is_enough() {
        let now = at("2026-11-22T12:00:00Z");
        let sure = Completeness { compared_at: Some(now), left_different: 0, left_out: vec![], unread: 0 };
        assert!(sure.is_known(now, &TimeZone::UTC));
        for doubtful in [
            Completeness { compared_at: None, ..sure.clone() },
            Completeness { left_different: 1, ..sure.clone() },
            Completeness { left_out: vec![Kind::Payment], ..sure.clone() },
            Completeness { unread: 1, ..sure.clone() },
        ] {
            assert!(!doubtful.is_known(now, &TimeZone::UTC), "{doubtful:?}");
        }
    }
}
