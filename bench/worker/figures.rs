//! Figures and targets: as tables, and as JSON. All are whole numbers of small units.

use std::fmt::{self, Display, Formatter};

use bench_measured::{Targets, Unit};
use serde_json::{Value, json};

use crate::runs::Run;

/// Everything that was measured.
pub(crate) struct Figures {
    runs: Vec<(String, Run)>,
    pub(crate) targets: Targets,
}

impl Figures {
    pub(crate) fn none() -> Self {
        Self { runs: Vec::new(), targets: Targets::of_issue(6) }
    }

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
        json!({ "runs": runs.collect::<Vec<_>>(), "targets": self.targets.json() })
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
        write!(f, "\n{}", self.targets)?;
        writeln!(
            f,
            "\nTaking in is counted until the queue is empty, with the start of the program and what it reads meanwhile; `all` \
             until every\nrecord is read and told. Node's consumer parses and keeps each event once, nothing else. A database \
             counts all events so far."
        )
    }
}
