//! What the worker in this process has done since it was started; told by it after each cycle.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::heartbeat::Heartbeat;

/// How far the worker is. Clones share it.
#[derive(Debug, Clone)]
pub struct Progress(Arc<Mutex<Seen>>);

/// What was told last.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) heartbeat: Heartbeat,
    pub(super) next_at: Option<Timestamp>,
    pub(super) records_read: u64,
    pub(super) problems: Vec<String>,
}

/// A cycle that has ended.
#[derive(Debug, Clone, Default)]
pub struct Cycle {
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Records read from HubSpot.
    pub records_read: u64,
    /// What went wrong in it, each with its causes.
    pub problems: Vec<String>,
    /// When the next one begins, UTC.
    pub next_at: Option<Timestamp>,
}

impl Progress {
    /// Of a worker that starts now and pauses so long between two cycles.
    pub fn starting(interval: Duration, now: Timestamp) -> Self {
        let heartbeat = Heartbeat::starting(interval, now);
        Self(Arc::new(Mutex::new(Seen { heartbeat, next_at: None, records_read: 0, problems: Vec::new() })))
    }

    /// A cycle has ended.
    pub fn cycle_finished(&self, cycle: Cycle, interval: Duration, now: Timestamp) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let problems = u64::try_from(cycle.problems.len()).unwrap_or(u64::MAX);
        seen.heartbeat.finished(cycle.duration_ms, problems, interval, now);
        seen.next_at = cycle.next_at;
        seen.records_read += cycle.records_read;
        seen.problems = cycle.problems;
    }

    pub(super) fn seen(&self) -> Seen {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
