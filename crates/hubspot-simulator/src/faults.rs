//! Faults that can be asked for by name: what HubSpot, its network or its signer may do to a program, in small doses.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

/// How a fault is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dose {
    /// The next so many calls or deliveries; the number if none is given.
    Times(u64),
    /// A time in milliseconds that passes after each write or for each call; the time if none is given.
    Lag(i64),
}

/// A fault in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The name it is asked for by.
    pub name: &'static str,
    /// Its measure, and how much comes without one.
    pub dose: Dose,
    /// What it does, in one line.
    pub about: &'static str,
}

const fn times(name: &'static str, default: u64, about: &'static str) -> Entry {
    Entry { name, dose: Dose::Times(default), about }
}

const fn lag(name: &'static str, default_ms: i64, about: &'static str) -> Entry {
    Entry { name, dose: Dose::Lag(default_ms), about }
}

/// Every fault: first the CRM API's, then those of the webhooks.
pub const CATALOGUE: &[Entry] = &[
    times("rate-limit", 3, "the next N calls answer 429, ten_secondly_rolling"),
    times("daily-limit", 3, "the next N calls answer 429, daily"),
    times("server-error", 3, "the next N calls answer 500, 502, 503 and 504 in turn"),
    times("timeout", 1, "the next N calls are never answered"),
    times("garbage", 2, "the next N calls answer 200 with a page of HTML or half a JSON text"),
    times("unauthorized", 1, "the next N calls answer 401 although the token is right"),
    times("locked", 1, "the next N calls answer 423"),
    times("partial-read", 1, "the next N batch reads leave out one record that exists and say so in errors"),
    times("poisoned-record", 100, "the next N batch reads that ask for the oldest record of a kind answer 500"),
    times("partial-207", 1, "the next N incomplete batch reads answer 207, whatever the version"),
    times("errors-in-200", 1, "the next N incomplete batch reads answer 200 with errors, whatever the version"),
    times("absent-nulls", 10, "the next N reads leave empty properties out instead of showing null"),
    times("shuffled-results", 3, "the next N batch reads answer in another order"),
    lag("slow-api", 300, "every call takes this long"),
    lag("stale-reads", 2_000, "for this long after a write, reads still show the values before it"),
    lag("late-record", 500, "for this long after its creation a record is not found"),
    lag("search-lag", 5_000, "search shows the account as it was this long ago"),
    times("duplicate-deliveries", 1, "the next N deliveries are sent twice"),
    times("shuffle-events", 3, "the events of the next N deliveries stand in random order"),
    times("wrong-order", 1, "the next N deliveries take the newest events first"),
    lag("late-events", 2_000, "every event leaves this long after its change"),
    times("lost-events", 1, "the next N events are never sent"),
    times("renumber-retries", 3, "the next N events that are retried come with another eventId"),
    times("wrong-signature", 1, "the next N deliveries are signed with another secret"),
    times("stale-timestamp", 1, "the next N deliveries carry a correctly signed timestamp six minutes old"),
    times("odd-events", 1, "the next N deliveries also carry null, a number and an event of an unknown type"),
    times("foreign-portal", 1, "the next N events name another portal"),
];

/// A fault and how much of it: `rate-limit:3`, `stale-reads:2s`, or only the name for the usual amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    name: &'static str,
    dose: Dose,
}

/// Why a text names no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// No fault has this name.
    #[error("`{name}` is no fault; known are {}", names())]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The amount cannot be read.
    #[error("`{amount}` is no amount for the fault {name}; use {}", match .expected { Dose::Times(_) => "a count such as 3", Dose::Lag(_) => "a time such as 2s or 500ms" })]
    Amount {
        /// The fault.
        name: &'static str,
        /// What was given.
        amount: String,
        /// How this fault is measured.
        expected: Dose,
    },
}

fn names() -> String {
    CATALOGUE.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ")
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (name, amount) = text.split_once(':').map_or((text, None), |(name, amount)| (name, Some(amount)));
        let entry = CATALOGUE.iter().find(|entry| entry.name == name);
        let Entry { name, dose, .. } = *entry.ok_or_else(|| FaultError::Unknown { name: name.to_owned() })?;
        let Some(amount) = amount else { return Ok(Self { name, dose }) };
        let read = match dose {
            Dose::Times(_) => amount.parse().ok().map(Dose::Times),
            Dose::Lag(_) => milliseconds(amount).map(Dose::Lag),
        };
        let dose = read.ok_or_else(|| FaultError::Amount { name, amount: amount.to_owned(), expected: dose })?;
        Ok(Self { name, dose })
    }
}

/// Reads `2s` or `500ms`.
fn milliseconds(text: &str) -> Option<i64> {
    let (number, factor) = match text.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (text.strip_suffix('s')?, 1_000),
    };
    number.parse::<u32>().ok().map(|number| i64::from(number) * factor)
}

/// The faults that are switched on; its clones are the same switches.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<BTreeMap<&'static str, Dose>>>);

impl Faults {
    /// Switches a fault on, in place of what was left of it.
    pub fn arm(&self, fault: Fault) {
        self.switches().insert(fault.name, fault.dose);
    }

    /// Switches every fault off.
    pub fn clear(&self) {
        self.switches().clear();
    }

    /// Whether every counted fault has happened as often as it was asked for. A test that has not met its fault proves
    /// nothing.
    pub fn are_used_up(&self) -> bool {
        self.switches().values().all(|dose| !matches!(dose, Dose::Times(left) if *left > 0))
    }

    /// Uses up one time of a counted fault. Answers with the number of the time, counted down to 1, if there is one left.
    pub(crate) fn take(&self, name: &'static str) -> Option<u64> {
        debug_assert!(CATALOGUE.iter().any(|entry| entry.name == name), "the catalogue lists every fault");
        match self.switches().get_mut(name) {
            Some(Dose::Times(left)) if *left > 0 => {
                *left -= 1;
                Some(*left + 1)
            }
            _ => None,
        }
    }

    /// The time of a lag, in milliseconds; 0 if it is off.
    pub(crate) fn lag_ms(&self, name: &'static str) -> i64 {
        debug_assert!(CATALOGUE.iter().any(|entry| entry.name == name), "the catalogue lists every fault");
        match self.switches().get(name) {
            Some(Dose::Lag(ms)) => *ms,
            _ => 0,
        }
    }

    fn switches(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Dose>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_with_and_without_its_amount() {
        let read = |text: &str| text.parse::<Fault>().map(|fault| fault.dose);
        assert_eq!(read("rate-limit:7"), Ok(Dose::Times(7)));
        assert_eq!(read("rate-limit"), Ok(Dose::Times(3)));
        assert_eq!(read("stale-reads:2s"), Ok(Dose::Lag(2_000)));
        assert_eq!(read("late-record:250ms"), Ok(Dose::Lag(250)));
    }

    #[test]
    fn what_is_no_fault_is_answered_with_what_is() {
        let error = "stale-read".parse::<Fault>().unwrap_err().to_string();
        assert!(error.starts_with("`stale-read` is no fault; known are rate-limit, "), "{error}");
        assert!(CATALOGUE.iter().all(|entry| error.contains(entry.name)), "{error}");
        let error = "stale-reads:2".parse::<Fault>().unwrap_err().to_string();
        assert_eq!(error, "`2` is no amount for the fault stale-reads; use a time such as 2s or 500ms");
    }

    #[test]
    fn a_counted_fault_ends() {
        let faults = Faults::default();
        faults.arm("garbage:2".parse().unwrap());
        assert!(!faults.are_used_up());
        assert_eq!([faults.take("garbage"), faults.take("garbage"), faults.take("garbage")], [Some(2), Some(1), None]);
        assert!(faults.are_used_up());
        assert_eq!(faults.lag_ms("slow-api"), 0);
    }
}
