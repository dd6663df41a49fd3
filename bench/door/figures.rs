//! Figures, ratios and targets: as tables, and as JSON.
//!
//! All are whole numbers of small units (nanoseconds, bytes), so a ratio is a division rounded down to a tenth or hundredth.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use bench_measured::{Targets, Unit, ratio};
use serde_json::{Value, json};

use crate::function::Peer;
use crate::signatures::{Checker, Rates, SIZES};

/// One quantity, of each peer that it was measured for.
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) unit: Unit,
    pub(crate) values: BTreeMap<Peer, u64>,
}

/// Everything that was measured.
pub(crate) struct Figures {
    pub(crate) lines: Vec<Line>,
    pub(crate) rates: Rates,
    pub(crate) targets: Targets,
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
            json!({ "what": line.what, "unit": line.unit.name(), "values": values })
        });
        let rates = self.rates.iter().map(|((checker, size), rate)| {
            json!({ "checker": checker.name(), "body_bytes": size, "checks_per_second": rate })
        });
        json!({
            "lambda": lines.collect::<Vec<_>>(),
            "signatures": rates.collect::<Vec<_>>(),
            "targets": self.targets.json(),
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
        write!(f, "\n{}", self.targets)?;
        writeln!(f)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))?;
        self.problems.iter().try_for_each(|problem| writeln!(f, "not measured: {problem}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_shown_as_such() {
        let line = Line {
            what: "cold".to_owned(),
            unit: Unit::Time,
            values: [(Peer::Ours, 6_904_000), (Peer::Node, 267_000_000)].into(),
        };
        let figures = Figures {
            lines: vec![line],
            rates: Rates::new(),
            targets: Targets::of_issue(3),
            notes: vec![],
            problems: vec!["echo: it ended".to_owned()],
        };
        let text = figures.to_string();
        let words: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(words, ["cold", "6.90", "ms", "-", "267.00", "ms", "38.6"]);
        assert!(text.ends_with("not measured: echo: it ended\n"), "{text}");
    }
}
