//! What the simulator has done, in numbers.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// Counts since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Events that were made for subscribers, each counted once.
    pub events: u64,
    /// Deliveries posted, retries and duplicates too.
    pub deliveries: u64,
    /// Deliveries answered with 2xx.
    pub accepted: u64,
    /// Deliveries answered with anything else.
    pub refused: u64,
    /// Deliveries without an answer: no connection, or nothing in time.
    pub failed: u64,
    /// Events given up after the last retry.
    pub given_up: u64,
    /// CRM API calls by method and path, without the version.
    pub api_calls: BTreeMap<String, u64>,
    /// CRM API calls answered with 429.
    pub rate_limited: u64,
}

/// The counters while they run.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Counters>);

impl Tally {
    pub(crate) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn read(&self, events: u64) -> Counters {
        Counters { events, ..self.0.lock().unwrap_or_else(PoisonError::into_inner).clone() }
    }
}
