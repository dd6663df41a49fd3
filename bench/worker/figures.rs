//! Figures and targets: as tables, and as JSON. All are whole numbers of small units.

use std::fmt::{self, Display, Formatter};

use serde_json::{Value, json};

use crate::runs::Run;

/// What a figure counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    /// Nanoseconds.
    Time,
    Bytes,
    Count,
}

/// What issue 6 asks for, and what came out.
#[derive(Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) target: String,
    pub(crate) measured: String,
    pub(crate) met: bool,
}

impl Target {
    pub(crate) fn at_most(what: impl Into<String>, unit: Unit, limit: u64, measured: u64) -> Self {
        let (target, spoken) = (format!("at most {}", unit.spoken(limit)), unit.spoken(measured));
        Self { what: what.into(), target, measured: spoken, met: measured <= limit }
    }

    /// At most so many hundredths of the other's.
    pub(crate) fn hundredths_at_most(what: impl Into<String>, limit: u64, ours: u64, other: u64) -> Self {
        let share = ours.saturating_mul(100) / other.max(1);
        let [target, measured] = [limit, share].map(|share| format!("{}.{:02}", share / 100, share % 100));
        Self { what: what.into(), target: format!("at most {target} times"), measured, met: share <= limit }
    }

    /// At least so many hundredths of a per cent.
    pub(crate) fn share(what: impl Into<String>, limit: u64, part: u64, whole: u64) -> Self {
        let share = part.saturating_mul(10_000) / whole.max(1);
        let target = format!("at least {}", percent(limit));
        Self { what: what.into(), target, measured: percent(share), met: share >= limit }
    }

    /// At most so many hundredths of a per cent.
    pub(crate) fn share_at_most(what: impl Into<String>, limit: u64, part: u64, whole: u64) -> Self {
        let share = part.saturating_mul(10_000).div_ceil(whole.max(1));
        let target = format!("at most {}", percent(limit));
        Self { what: what.into(), target, measured: percent(share), met: share <= limit }
    }
}

/// Everything that was measured.
#[derive(Default)]
pub(crate) struct Figures {
    runs: Vec<(String, Run)>,
    pub(crate) targets: Vec<Target>,
}

impl Figures {
    pub(crate) fn run(&mut self, what: &str, run: &Run) {
        let (memory, rate) = (Unit::Bytes.spoken(run.peak_memory), run.events_per_cpu_second());
        eprintln!("    {what}: {rate} events per CPU second, {memory}");
        self.runs.push((what.to_owned(), *run));
    }

    pub(crate) fn json(&self) -> Value {
        let runs = self.runs.iter().map(|(what, run)| {
            json!({
                "what": what, "events": run.events, "wall_ms": run.wall.as_millis(), "cpu_ms": run.cpu.as_millis(),
                "cpu_with_reading_ms": run.whole_cpu.as_millis(), "peak_memory_bytes": run.peak_memory,
                "database_bytes": run.database
            })
        });
        let targets = self.targets.iter().map(|target| {
            let Target { what, target, measured, met } = target;
            json!({ "what": what, "target": target, "measured": measured, "met": met })
        });
        json!({ "runs": runs.collect::<Vec<_>>(), "targets": targets.collect::<Vec<_>>() })
    }
}

impl Display for Figures {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let head = ["events/s", "events/CPU s", "CPU s/million", "all CPU s/m.", "peak memory", "database"];
        write!(f, "{:<42}", "Backlog")?;
        head.iter().try_for_each(|column| write!(f, "{column:>14}"))?;
        writeln!(f)?;
        for (what, run) in &self.runs {
            let per_million = |spent: std::time::Duration| {
                let hundredths = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX) * 100_000 / run.events;
                format!("{}.{:02}", hundredths / 100, hundredths % 100)
            };
            let wall = u64::try_from(run.wall.as_millis()).unwrap_or(u64::MAX).max(1);
            let cells = [
                (run.events * 1_000 / wall).to_string(),
                run.events_per_cpu_second().to_string(),
                per_million(run.cpu),
                per_million(run.whole_cpu),
                Unit::Bytes.spoken(run.peak_memory),
                Unit::Bytes.spoken(run.database),
            ];
            write!(f, "{what:<42}")?;
            cells.iter().try_for_each(|cell| write!(f, "{cell:>14}"))?;
            writeln!(f)?;
        }
        writeln!(f, "\n{:<58}{:>12}   {:<30}", "Targets of issue 6", "measured", "target")?;
        for Target { what, target, measured, met } in &self.targets {
            writeln!(f, "{what:<58}{measured:>12}   {target:<30}{}", if *met { "met" } else { "MISSED" })?;
        }
        writeln!(
            f,
            "\nTaking in is counted until the queue is empty, with the start of the program and what it reads meanwhile; `all` \
             until every\nrecord is read and told. Node's consumer parses and keeps each event once, nothing else. A database \
             counts all events so far."
        )
    }
}

impl Unit {
    fn spoken(self, value: u64) -> String {
        match self {
            Self::Time => format!("{}.{:02} ms", value / 1_000_000, value % 1_000_000 / 10_000),
            Self::Bytes => format!("{}.{:02} MB", value / 1_000_000, value % 1_000_000 / 10_000),
            Self::Count => value.to_string(),
        }
    }
}

/// Hundredths of a per cent.
fn percent(share: u64) -> String {
    format!("{}.{:02} %", share / 100, share % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_up_to_its_last_unit() {
        assert!(Target::at_most("memory", Unit::Bytes, 10, 10).met);
        assert!(!Target::at_most("memory", Unit::Bytes, 10, 11).met);
        assert!(Target::hundredths_at_most("slope", 110, 110, 100).met);
        assert!(!Target::hundredths_at_most("slope", 110, 111, 100).met);
        assert!(Target::share("used", 9_500, 95, 100).met);
        assert!(!Target::share("used", 9_500, 94, 100).met);
        assert!(Target::share_at_most("429", 10, 1, 1_000).met);
        let some = Target::share_at_most("429", 10, 1, 999);
        assert_eq!((some.measured.as_str(), some.met), ("0.11 %", false));
    }
}
