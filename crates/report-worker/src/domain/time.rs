//! Stated time: when something happened, and on which day of the reporting zone it counts.

use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// The day a change counts on, and how it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusinessDate {
    /// The civil date in the reporting zone.
    pub date: Date,
    /// True if the record states the date itself; false if it is the day on which the change took effect.
    pub stated: bool,
}

impl BusinessDate {
    /// The date that a record states, or the day of `effective_at` in the reporting zone where it states none.
    pub fn of(stated: Option<&str>, effective_at: Timestamp, zone: &TimeZone) -> Self {
        match stated.and_then(|text| civil_date(text, zone)) {
            Some(date) => Self { date, stated: true },
            None => Self { date: effective_at.to_zoned(zone.clone()).date(), stated: false },
        }
    }
}

/// Reads a date that HubSpot shows.
///
/// A date without a time of day is a civil date and is never converted; an instant (ISO 8601, or epoch milliseconds) is
/// the day on which it falls in the reporting zone.
pub fn civil_date(text: &str, zone: &TimeZone) -> Option<Date> {
    let text = text.trim();
    if text.len() == 10 {
        return text.parse().ok();
    }
    instant(text).map(|at| at.to_zoned(zone.clone()).date())
}

/// Reads an instant that HubSpot shows: ISO 8601 with an offset, or epoch milliseconds as digits.
pub fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Timestamp::from_millisecond(text.parse().ok()?).ok();
    }
    text.parse().ok()
}

/// The first instant of a civil date in a zone. Where midnight does not exist, it is the first instant after the gap; a day
/// that does not exist at all begins where the next one does.
pub fn start_of_day(date: Date, zone: &TimeZone) -> Timestamp {
    let midnight = zone.to_ambiguous_timestamp(date.at(0, 0, 0, 0));
    let in_gap = matches!(midnight.offset(), AmbiguousOffset::Gap { .. });
    let Ok(start) = midnight.compatible() else {
        return if date.year() < 0 { Timestamp::MIN } else { Timestamp::MAX };
    };
    // Clocks may skip midnight from some time before it (Toronto 1919): the day begins with the change itself, not as long
    // after midnight as the clocks skipped.
    let after = start.checked_add(1.nanosecond()).unwrap_or(start);
    let change = zone.preceding(after).next().filter(|_| in_gap);
    change.map_or(start, |change| change.timestamp())
}

/// Finds a zone by its IANA name; old aliases (`US/Eastern`) are known too.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_civil_date_is_never_converted_and_an_instant_is() {
        let auckland = zone("Pacific/Auckland").unwrap();
        assert_eq!(civil_date("2026-11-22", &auckland).unwrap().to_string(), "2026-11-22");
        assert_eq!(civil_date("2026-11-22T23:30:00Z", &auckland).unwrap().to_string(), "2026-11-23");
        assert_eq!(civil_date("1795390200000", &zone("US/Eastern").unwrap()).unwrap().to_string(), "2026-11-22");
        assert_eq!(civil_date("tomorrow", &auckland), None);
        assert_eq!(civil_date("", &auckland), None);
    }

    #[test]
    fn a_change_counts_on_the_stated_date_or_on_the_day_it_took_effect() {
        let zone = zone("Europe/Berlin").unwrap();
        let effective_at: Timestamp = "2026-11-22T23:30:00Z".parse().unwrap();
        let stated = BusinessDate::of(Some("2026-11-01"), effective_at, &zone);
        assert_eq!((stated.date.to_string().as_str(), stated.stated), ("2026-11-01", true));
        let missing = BusinessDate::of(None, effective_at, &zone);
        assert_eq!((missing.date.to_string().as_str(), missing.stated), ("2026-11-23", false));
    }

    #[test]
    fn a_day_begins_even_where_midnight_does_not_exist() {
        // Beirut's clocks went from 23:59:59 to 01:00 on 26 March 2023.
        let beirut = zone("Asia/Beirut").unwrap();
        let start = start_of_day("2023-03-26".parse().unwrap(), &beirut);
        assert_eq!(start.to_zoned(beirut).time().to_string(), "01:00:00");
        // Toronto's went from 23:30 to 00:30 in 1919.
        let toronto = zone("America/Toronto").unwrap();
        let start = start_of_day("1919-03-31".parse().unwrap(), &toronto);
        assert_eq!(start.to_zoned(toronto).datetime().to_string(), "1919-03-31T00:30:00");
        assert_eq!(start_of_day(Date::MIN, &TimeZone::fixed(jiff::tz::offset(14))), Timestamp::MIN);
    }
}
