//! The simulator's clock: the machine's, or one that a test turns by hand. The only place that reads the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// Where the simulated account takes its time from, epoch milliseconds UTC.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that stands still until it is advanced; its clones move with it.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now_ms`, epoch milliseconds UTC.
    pub fn manual(now_ms: i64) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(now_ms)))
    }

    /// The time, epoch milliseconds UTC.
    #[expect(clippy::disallowed_methods, reason = "the simulated account lives in real time; everything else asks it")]
    pub fn now_ms(&self) -> i64 {
        match self {
            Self::System => Timestamp::now().as_millisecond(),
            Self::Manual(now) => now.load(Ordering::SeqCst),
        }
    }

    /// Moves a manual clock by `ms`; the machine's clock goes its own way.
    pub fn advance(&self, ms: i64) {
        if let Self::Manual(now) = self {
            now.fetch_add(ms, Ordering::SeqCst);
        }
    }
}

/// HubSpot's way to write an instant: ISO 8601 in UTC with milliseconds.
pub(crate) fn iso(ms: i64) -> String {
    format!("{:.3}", Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// An instant as HTTP writes it in `Date` (RFC 9110, 5.6.7).
pub(crate) fn http_date(ms: i64) -> String {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Reads an instant as HubSpot takes it: ISO 8601, a date (midnight UTC), or epoch milliseconds.
pub(crate) fn parse_ms(text: &str) -> Option<i64> {
    if let Ok(ms) = text.parse() {
        return Some(ms);
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant.as_millisecond());
    }
    let midnight = text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(midnight.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_with_milliseconds() {
        assert_eq!(iso(1_795_341_600_000), "2026-11-22T10:00:00.000Z");
        assert_eq!(http_date(1_795_341_600_999), "Sun, 22 Nov 2026 10:00:00 GMT");
        assert_eq!(parse_ms("2026-11-22T10:00:00.000Z"), Some(1_795_341_600_000));
        assert_eq!(parse_ms("1795341600000"), Some(1_795_341_600_000));
        assert_eq!(parse_ms("2026-11-22"), Some(1_795_305_600_000));
        assert_eq!(parse_ms("soon"), None);
    }
}
