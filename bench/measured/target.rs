//! What an issue asks for, and what came out: a table, and JSON.

use std::fmt::{self, Display, Formatter};

use serde_json::{Value, json};

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unit {
    /// Nanoseconds, spoken as milliseconds.
    Time,
    /// Bytes, spoken as megabytes of 1,000,000.
    Bytes,
    /// Things.
    Count,
}

impl Unit {
    /// The figure for people.
    #[must_use]
    pub fn spoken(self, value: u64) -> String {
        match self {
            Self::Time => format!("{}.{:02} ms", value / 1_000_000, value % 1_000_000 / 10_000),
            Self::Bytes => format!("{}.{:02} MB", value / 1_000_000, value % 1_000_000 / 10_000),
            Self::Count => value.to_string(),
        }
    }

    /// What the bare figure is in, in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "ns",
            Self::Bytes => "bytes",
            Self::Count => "count",
        }
    }
}

/// One target, and what came out.
#[derive(Debug, PartialEq)]
pub struct Target {
    what: String,
    target: String,
    measured: String,
    met: bool,
}

impl Target {
    /// At most so much.
    pub fn at_most(what: impl Into<String>, unit: Unit, limit: u64, measured: u64) -> Self {
        let (target, spoken) = (format!("at most {}", unit.spoken(limit)), unit.spoken(measured));
        Self { what: what.into(), target, measured: spoken, met: measured <= limit }
    }

    /// At most one `part`th of the other's.
    pub fn fraction(what: impl Into<String>, part: u64, ours: u64, other: (&str, u64)) -> Self {
        let (whose, other) = other;
        let measured = format!("1/{}", ratio(other, ours));
        let target = format!("at most 1/{part} of {whose}");
        Self { what: what.into(), target, measured, met: ours.saturating_mul(part) <= other }
    }

    /// At least so many times the other's.
    pub fn times(what: impl Into<String>, times: u64, ours: u64, other: (&str, u64)) -> Self {
        let (whose, other) = other;
        let (target, measured) = (format!("at least {times} times {whose}"), ratio(ours, other));
        Self { what: what.into(), target, measured, met: ours >= other.saturating_mul(times) }
    }

    /// At least so many hundredths of the other's.
    pub fn hundredths(what: impl Into<String>, limit: u64, ours: u64, other: (&str, u64)) -> Self {
        let (whose, other) = other;
        let share = ours.saturating_mul(100) / other.max(1);
        let [target, measured] = [limit, share].map(two_digits);
        Self { what: what.into(), target: format!("at least {target} of {whose}"), measured, met: share >= limit }
    }

    /// At most so many hundredths of the other's.
    pub fn hundredths_at_most(what: impl Into<String>, limit: u64, ours: u64, other: u64) -> Self {
        let share = ours.saturating_mul(100).div_ceil(other.max(1));
        let [target, measured] = [limit, share].map(two_digits);
        Self { what: what.into(), target: format!("at most {target} times"), measured, met: share <= limit }
    }

    /// Not met unless this holds, too.
    #[must_use]
    pub fn and(self, holds: bool) -> Self {
        Self { met: self.met && holds, ..self }
    }

    /// At least so many hundredths of a per cent.
    pub fn share(what: impl Into<String>, limit: u64, part: u64, whole: u64) -> Self {
        let share = part.saturating_mul(10_000) / whole.max(1);
        let [target, measured] = [limit, share].map(percent);
        Self { what: what.into(), target: format!("at least {target}"), measured, met: share >= limit }
    }

    /// At most so many hundredths of a per cent.
    pub fn share_at_most(what: impl Into<String>, limit: u64, part: u64, whole: u64) -> Self {
        let share = part.saturating_mul(10_000).div_ceil(whole.max(1));
        let [target, measured] = [limit, share].map(percent);
        Self { what: what.into(), target: format!("at most {target}"), measured, met: share <= limit }
    }
}

/// The targets of an issue.
#[derive(Debug)]
pub struct Targets {
    issue: u32,
    all: Vec<Target>,
}

impl Targets {
    /// None yet.
    #[must_use]
    pub fn of_issue(issue: u32) -> Self {
        Self { issue, all: Vec::new() }
    }

    /// One more.
    pub fn push(&mut self, target: Target) {
        self.all.push(target);
    }

    /// As a list for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let each = self.all.iter().map(|Target { what, target, measured, met }| {
            json!({ "what": what, "target": target, "measured": measured, "met": met })
        });
        each.collect()
    }
}

impl Display for Targets {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let title = format!("Targets of issue {}", self.issue);
        writeln!(f, "{title:<58}{:>12}   {:<30}", "measured", "target")?;
        for Target { what, target, measured, met } in &self.all {
            writeln!(f, "{what:<58}{measured:>12}   {target:<30}{}", if *met { "met" } else { "MISSED" })?;
        }
        Ok(())
    }
}

/// How many times `other` is in `one`, in tenths, rounded down.
#[must_use]
pub fn ratio(one: u64, other: u64) -> String {
    let tenths = one.saturating_mul(10) / other.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Hundredths.
fn two_digits(hundredths: u64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Hundredths of a per cent.
fn percent(share: u64) -> String {
    format!("{} %", two_digits(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_up_to_its_last_unit() {
        let judged = |target: Target| (target.measured, target.met);
        let of = |measured: &str, met| (measured.to_owned(), met);
        assert_eq!(judged(Target::at_most("memory", Unit::Bytes, 10_000_000, 10_000_000)), of("10.00 MB", true));
        assert_eq!(judged(Target::at_most("memory", Unit::Bytes, 10_000_000, 10_010_000)), of("10.01 MB", false));
        assert_eq!(judged(Target::fraction("cold", 20, 10, ("node's", 200))), of("1/20.0", true));
        assert_eq!(judged(Target::fraction("cold", 20, 11, ("node's", 200))), of("1/18.1", false));
        assert_eq!(judged(Target::times("rate", 2, 200, ("node's", 100))), of("2.0", true));
        assert_eq!(judged(Target::times("rate", 2, 199, ("node's", 100))), of("1.9", false));
        assert_eq!(judged(Target::hundredths("checks", 95, 950, ("openssl's", 1_000))), of("0.95", true));
        assert_eq!(judged(Target::hundredths("checks", 95, 949, ("openssl's", 1_000))), of("0.94", false));
        assert_eq!(judged(Target::hundredths_at_most("slope", 110, 1_100, 1_000)), of("1.10", true));
        assert_eq!(judged(Target::hundredths_at_most("slope", 110, 1_101, 1_000)), of("1.11", false));
        assert_eq!(judged(Target::share("used", 9_500, 95, 100)), of("95.00 %", true));
        assert_eq!(judged(Target::share("used", 9_500, 94, 100)), of("94.00 %", false));
        assert_eq!(judged(Target::share_at_most("429", 10, 1, 1_000)), of("0.10 %", true));
        assert_eq!(judged(Target::share_at_most("429", 10, 1, 999)), of("0.11 %", false));
    }
}
