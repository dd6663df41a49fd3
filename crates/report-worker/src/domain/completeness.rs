//! Whether the books are known to hold everything that HubSpot has.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::record::Kind;

/// A record that HubSpot has told of is read within seconds; after this long something is in the way.
pub const READ_WITHIN: SignedDuration = SignedDuration::from_mins(15);

/// What speaks for and against the books being complete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completeness {
    /// When all records were last compared with HubSpot, or taken from it; `None` while that is going on for the first time.
    pub compared_at: Option<Timestamp>,
    /// Records that differed then and were left so.
    pub left_different: u64,
    /// Kinds that the access token may not read.
    pub left_out: Vec<Kind>,
    /// Records that HubSpot told of longer than [`READ_WITHIN`] ago and that are still to be read.
    pub unread: u64,
    /// Records that HubSpot does not give out, or not so that they can be read.
    pub unreadable: u64,
    /// Records that were read since the comparison and that HubSpot never showed as it told of them.
    pub unsettled: u64,
    /// Events received since the comparison that could not be read: of which records they told nobody knows.
    pub set_aside: u64,
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
            && self.left_out.is_empty()
            && [self.left_different, self.unread, self.unreadable, self.unsettled, self.set_aside] == [0; 5]
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
        let completeness = Completeness { compared_at: Some(at("2026-11-21T23:05:00Z")), ..Completeness::default() };
        // Five past midnight on the 22nd in Berlin: good through the 23rd.
        assert!(completeness.is_known(at("2026-11-23T22:59:59Z"), &zone));
        assert!(completeness.is_stale(at("2026-11-23T23:00:00Z"), &zone));
        assert!(!completeness.is_known(at("2026-11-23T23:00:00Z"), &zone));
    }

    #[test]
    fn one_doubt_is_enough() {
        let now = at("2026-11-22T12:00:00Z");
        let sure = Completeness { compared_at: Some(now), ..Completeness::default() };
        assert!(sure.is_known(now, &TimeZone::UTC));
        for doubtful in [
            Completeness { compared_at: None, ..sure.clone() },
            Completeness { left_different: 1, ..sure.clone() },
            Completeness { left_out: vec![Kind::Payment], ..sure.clone() },
            Completeness { unread: 1, ..sure.clone() },
            Completeness { unreadable: 1, ..sure.clone() },
            Completeness { unsettled: 1, ..sure.clone() },
            Completeness { set_aside: 1, ..sure.clone() },
        ] {
            assert!(!doubtful.is_known(now, &TimeZone::UTC), "{doubtful:?}");
        }
    }
}
