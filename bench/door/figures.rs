//! Figures, ratios and targets: as tables, and as JSON.
//!
//! All are whole numbers of small units (nanoseconds, bytes), so a ratio is a division rounded down to a tenth or hundredth.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use serde_json::{Value, json};

use crate::function::Peer;
use crate::signatures::{Checker, Rates, SIZES};

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Unit {
    Nanoseconds,
    Bytes,
}

/// One quantity, of each peer that it was measured for.
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) unit: Unit,
    pub(crate) values: BTreeMap<Peer, u64>,
}

/// What issue 3 asks for, and what came out.
#[derive(Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) target: String,
    pub(crate) measured: String,
    pub(crate) met: bool,
}

impl Target {
    /// At most one `part`th of the other's.
    pub(crate) fn fraction(what: impl Into<String>, part: u64, ours: u64, other: u64) -> Self {
        let (what, target) = (what.into(), format!("at most 1/{part} of node's"));
        Self { what, target, measured: format!("1/{}", ratio(other, ours)), met: ours.saturating_mul(part) <= other }
    }

    pub(crate) fn at_most(what: impl Into<String>, unit: Unit, limit: u64, ours: u64) -> Self {
        let (target, measured) = (format!("at most {}", unit.spoken(limit)), unit.spoken(ours));
        Self { what: what.into(), target, measured, met: ours <= limit }
    }

    /// At least so many hundredths of the other's.
    pub(crate) fn hundredths(what: impl Into<String>, limit: u64, ours: u64, other: u64) -> Self {
        let share = ours.saturating_mul(100) / other.max(1);
        let [target, measured] = [limit, share].map(|share| format!("{}.{:02}", share / 100, share % 100));
        Self { what: what.into(), target: format!("at least {target} of openssl's"), measured, met: share >= limit }
    }
}

/// Everything that was measured.
pub(crate) struct Figures {
    pub(crate) lines: Vec<Line>,
    pub(crate) rates: Rates,
    pub(crate) targets: Vec<Target>,
    /// How to read the figures.
    pub(crate) notes: Vec<String>,
    /// What could not be measured, and why.
    pub(crate) problems: Vec<String>,
}

impl Figures {
    pub(crate) fn json(&self) -> Value {
        let lines = self.lines.iter().map(|line| {
            let values: BTreeMap<String, u64> =
                line.values.iter().map(|(peer, value)| (peer.to_string(), *value)).collect();
            json!({ "what": line.what, "unit": line.unit.to_string(), "values": values })
        });
        let rates = self.rates.iter().map(|((checker, size), rate)| {
            json!({ "checker": checker.name(), "body_bytes": size, "checks_per_second": rate })
        });
        let targets = self.targets.iter().map(|target| {
            let Target { what, target, measured, met } = target;
            json!({ "what": what, "target": target, "measured": measured, "met": met })
        });
        json!({
            "lambda": lines.collect::<Vec<_>>(),
            "signatures": rates.collect::<Vec<_>>(),
            "targets": targets.collect::<Vec<_>>(),
            "notes": self.notes,
            "problems": self.problems,
        })
    }
}

impl Display for Figures {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<58}{:>12}{:>12}{:>12}{:>12}", "Lambda", "ours", "echo", "node", "node/ours")?;
        for Line { what, unit, values } in &self.lines {
            let cell = |peer| values.get(&peer).map_or_else(|| "-".to_owned(), |value| unit.spoken(*value));
            let [ours, echo, node] = Peer::ALL.map(cell);
            let times = values.get(&Peer::Ours).zip(values.get(&Peer::Node));
            let times = times.map_or_else(String::new, |(ours, node)| ratio(*node, *ours));
            writeln!(f, "{what:<58}{ours:>12}{echo:>12}{node:>12}{times:>12}")?;
        }
        let [small, middle, large] = SIZES.map(|size| format!("{size} B"));
        writeln!(f, "\n{:<58}{small:>12}{middle:>12}{large:>12}", "Signature checks per second")?;
        let checkers: std::collections::BTreeSet<Checker> = self.rates.keys().map(|(checker, _)| *checker).collect();
        for checker in checkers {
            let cell = |size| self.rates.get(&(checker, size)).map_or_else(|| "-".to_owned(), u64::to_string);
            let [small, middle, large] = SIZES.map(cell);
            writeln!(f, "{:<58}{small:>12}{middle:>12}{large:>12}", checker.name())?;
        }
        writeln!(f, "\n{:<58}{:>12}   {:<30}", "Targets of issue 3", "measured", "target")?;
        for Target { what, target, measured, met } in &self.targets {
            writeln!(f, "{what:<58}{measured:>12}   {target:<30}{}", if *met { "met" } else { "MISSED" })?;
        }
        writeln!(f)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))?;
        self.problems.iter().try_for_each(|problem| writeln!(f, "not measured: {problem}"))
    }
}

impl Unit {
    fn spoken(self, value: u64) -> String {
        match self {
            Self::Nanoseconds => format!("{}.{:02} ms", value / 1_000_000, value % 1_000_000 / 10_000),
            Self::Bytes => format!("{}.{:02} MB", value / 1_000_000, value % 1_000_000 / 10_000),
        }
    }
}

impl Display for Unit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nanoseconds => "ns",
            Self::Bytes => "bytes",
        })
    }
}

/// How many times `other` is in `one`, in tenths.
fn ratio(one: u64, other: u64) -> String {
    let tenths = one.saturating_mul(10) / other.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_up_to_its_last_unit() {
        assert!(Target::fraction("cold", 20, 10, 200).met);
        assert_eq!(
            Target::fraction("cold", 20, 11, 200),
            Target {
                what: "cold".to_owned(),
                target: "at most 1/20 of node's".to_owned(),
                measured: "1/18.1".to_owned(),
                met: false
            }
        );
        assert!(Target::at_most("memory", Unit::Bytes, 10_000_000, 10_000_000).met);
        let memory = Target::at_most("memory", Unit::Bytes, 10_000_000, 10_010_000);
        assert_eq!((memory.measured.as_str(), memory.met), ("10.01 MB", false));
        assert!(Target::hundredths("checks", 95, 950, 1_000).met);
        let checks = Target::hundredths("checks", 95, 949, 1_000);
        assert_eq!((checks.measured.as_str(), checks.met), ("0.94", false));
    }

    #[test]
    fn what_was_not_measured_is_shown_as_such() {
        let line = Line {
            what: "cold".to_owned(),
            unit: Unit::Nanoseconds,
            values: [(Peer::Ours, 6_904_000), (Peer::Node, 267_000_000)].into(),
        };
        let figures = Figures {
            lines: vec![line],
            rates: Rates::new(),
            targets: vec![],
            notes: vec![],
            problems: vec!["echo: it ended".to_owned()],
        };
        let text = figures.to_string();
        let words: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(words, ["cold", "6.90", "ms", "-", "267.00", "ms", "38.6"]);
        assert!(text.ends_with("not measured: echo: it ended\n"), "{text}");
    }
}
