//! Finance changes, derived from HubSpot's own property history.
//!
//! A change is one entry of a property's history that means something to finance. Because the entries carry HubSpot's
//! time and value, how often the record was looked at cannot matter: the same history always gives the same changes.

mod deal;
mod invoice;
mod payment;

pub(super) use deal::closing;
pub use invoice::overdue;
pub(super) use payment::has_refund_amounts;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::account::Stages;
use super::record::{HistoryEntry, Kind, Record, RecordKey};
use super::time::BusinessDate;

/// What happened, in the words of the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ChangeKind {
    /// A deal reached a won stage.
    DealWon,
    /// A deal reached a lost stage.
    DealLost,
    /// A closed deal went back to an open stage.
    DealReopened,
    /// The amount or the currency of a won deal changed.
    DealAmountChanged,
    /// The close date of a won deal moved to another day.
    DealCloseDateMoved,
    /// An invoice has its first status other than draft.
    InvoiceCreated,
    /// Something was paid on an invoice, but not all.
    InvoicePartPaid,
    /// An invoice is paid.
    InvoicePaid,
    /// An invoice was voided.
    InvoiceVoided,
    /// A paid or voided invoice is open again.
    InvoiceReopened,
    /// The amount billed, the currency or the billing of an invoice changed, or what was paid went down, or rose after it
    /// was paid.
    InvoiceAmountChanged,
    /// An invoice that was created is a draft again.
    InvoiceDrafted,
    /// The invoice date moved to another day.
    InvoiceDateMoved,
    /// An open invoice passed its due date with a balance.
    InvoiceOverdue,
    /// A payment succeeded.
    PaymentReceived,
    /// A payment that had succeeded has not.
    PaymentFailed,
    /// The amount or the currency of a payment that was received changed.
    PaymentAmountChanged,
    /// A payment was refunded, wholly or partly, or a refund was taken back.
    PaymentRefunded,
    /// A record was merged into another.
    RecordMerged,
    /// A record was archived or deleted.
    RecordArchived,
    /// An archived record is back.
    RecordRestored,
}

impl ChangeKind {
    /// Every kind with its stable name.
    pub(crate) const ALL: [(Self, &'static str); 21] = [
        (Self::DealWon, "deal.won"),
        (Self::DealLost, "deal.lost"),
        (Self::DealReopened, "deal.reopened"),
        (Self::DealAmountChanged, "deal.amount_changed"),
        (Self::DealCloseDateMoved, "deal.close_date_moved"),
        (Self::InvoiceCreated, "invoice.created"),
        (Self::InvoicePartPaid, "invoice.part_paid"),
        (Self::InvoicePaid, "invoice.paid"),
        (Self::InvoiceVoided, "invoice.voided"),
        (Self::InvoiceReopened, "invoice.reopened"),
        (Self::InvoiceAmountChanged, "invoice.amount_changed"),
        (Self::InvoiceDrafted, "invoice.drafted"),
        (Self::InvoiceDateMoved, "invoice.date_moved"),
        (Self::InvoiceOverdue, "invoice.overdue"),
        (Self::PaymentReceived, "payment.received"),
        (Self::PaymentFailed, "payment.failed"),
        (Self::PaymentAmountChanged, "payment.amount_changed"),
        (Self::PaymentRefunded, "payment.refunded"),
        (Self::RecordMerged, "record.merged"),
        (Self::RecordArchived, "record.archived"),
        (Self::RecordRestored, "record.restored"),
    ];

    /// The stable name, as in report definitions and in the books.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// The kind with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, it)| *it == name).map(|(kind, _)| *kind)
    }
}

/// One finance change of one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The record.
    pub record: RecordKey,
    /// What makes it this change and no other within its record: property, time and value.
    pub id: String,
    /// What happened.
    pub kind: ChangeKind,
    /// The value before, as HubSpot's text; `None` if the property had none.
    pub was: Option<String>,
    /// The value since, as HubSpot's text.
    pub value: String,
    /// When it took effect, by HubSpot's clock.
    pub effective_at: Timestamp,
    /// The day it counts on in the reporting zone.
    pub business_date: BusinessDate,
    /// HubSpot's source of the value (`CRM_UI`, `API`, …), or ours (`LOOK`, `CALENDAR`).
    pub source: String,
}

impl Change {
    /// The identity of a change within its record. A repeated derivation gives the same one, so it is stored once.
    fn id(kind: ChangeKind, entry: &HistoryEntry, property: &str) -> String {
        format!("{}:{property}@{}={}", kind.as_str(), entry.at.as_millisecond(), shortened(&entry.value))
    }

    fn standing(record: RecordKey, kind: ChangeKind, what: &str, at: Timestamp, date: BusinessDate) -> Self {
        Self {
            record,
            id: format!("{}:{what}", kind.as_str()),
            kind,
            was: None,
            value: what.to_owned(),
            effective_at: at,
            business_date: date,
            source: "HUBSPOT".to_owned(),
        }
    }
}

/// A value is part of a key, and a text property may hold 65,536 characters.
fn shortened(value: &str) -> String {
    value.chars().take(64).collect()
}

/// What the rules need to know besides the record.
#[derive(Debug, Clone)]
pub struct Rules<'a> {
    /// Since when the books are kept; nothing from before is ever news.
    pub books_open_at: Timestamp,
    /// What the deal stages mean.
    pub stages: &'a Stages,
    /// The reporting zone.
    pub zone: &'a TimeZone,
    /// The currency of deals that state none.
    pub company_currency: &'a str,
}

/// All finance changes that a record's history tells of since the books were opened, oldest first.
pub fn from_history(record: &Record, rules: &Rules<'_>) -> Vec<Change> {
    let mut changes = match record.key.kind {
        Kind::Deal => deal::changes(record, rules),
        Kind::Invoice => invoice::changes(record, rules),
        Kind::Payment => payment::changes(record, rules),
    };
    changes.retain(|change| change.effective_at > rules.books_open_at);
    changes
}

/// The change that closes a record as merged into another.
pub fn merged(record: &Record, winner: i64, at: Timestamp, rules: &Rules<'_>) -> Change {
    let date = BusinessDate::of(None, at, rules.zone);
    Change::standing(record.key, ChangeKind::RecordMerged, &winner.to_string(), at, date)
}

/// The change of a record that is archived, deleted or gone.
pub fn archived(record: &Record, at: Timestamp, rules: &Rules<'_>) -> Change {
    let date = BusinessDate::of(None, at, rules.zone);
    Change::standing(record.key, ChangeKind::RecordArchived, &at.as_millisecond().to_string(), at, date)
}

/// The change of a record that was archived at a moment and can be read again. Each archiving ends once; when, HubSpot
/// does not tell, and restoring need not be a modification.
pub fn restored(record: &Record, archived_at: Timestamp, rules: &Rules<'_>) -> Change {
    let at = record.updated_at.max(archived_at);
    let date = BusinessDate::of(None, at, rules.zone);
    Change::standing(record.key, ChangeKind::RecordRestored, &archived_at.as_millisecond().to_string(), at, date)
}

/// One step of a record's life: a tracked property took a value.
pub(super) struct Step<'r> {
    pub(super) property: &'static str,
    pub(super) entry: &'r HistoryEntry,
}

/// The tracked properties' histories as one sequence in time; see [`Kind::tracked_properties`] for ties.
pub(super) fn steps(record: &Record) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = record
        .key
        .kind
        .tracked_properties()
        .iter()
        .flat_map(|&property| {
            record.history.get(property).into_iter().flatten().map(move |entry| Step { property, entry })
        })
        .collect();
    steps.sort_by_key(|step| step.entry.at);
    steps
}

/// The values that the tracked properties have at one moment of the walk.
#[derive(Debug, Clone, Default)]
pub(super) struct Values<'r>(BTreeMap<&'static str, &'r str>);

impl<'r> Values<'r> {
    /// The value of a property; empty is none.
    pub(super) fn get(&self, property: &str) -> Option<&'r str> {
        self.0.get(property).copied().filter(|value| !value.is_empty())
    }

    /// Takes a step and tells the value before it.
    pub(super) fn take(&mut self, step: &Step<'r>) -> Option<&'r str> {
        self.0.insert(step.property, &step.entry.value).filter(|value| !value.is_empty())
    }
}

impl Step<'_> {
    fn change(&self, record: &Record, kind: ChangeKind, was: Option<&str>, date: BusinessDate) -> Change {
        Change {
            record: record.key,
            id: Change::id(kind, self.entry, self.property),
            kind,
            was: was.map(str::to_owned),
            value: self.entry.value.clone(),
            effective_at: self.entry.at,
            business_date: date,
            source: self.entry.source.clone(),
        }
    }
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::testing::*;
    use super::*;

    #[test]
    fn every_kind_has_one_name() {
        let names: BTreeSet<_> = ChangeKind::ALL.iter().map(|(_, name)| name).collect();
        assert_eq!(names.len(), ChangeKind::ALL.len());
        for (kind, name) in ChangeKind::ALL {
            assert_eq!(ChangeKind::parse(name), Some(kind));
        }
    }

    /// Payments of an account that tells refunds by their amounts, from the first look on.
    fn a_kind_and_life() -> impl Strategy<Value = (Kind, Vec<Happening>)> {
        prop::sample::select(Kind::ALL.to_vec()).prop_flat_map(|kind| {
            a_life(kind, 1..50).prop_map(move |mut life| {
                if kind == Kind::Payment {
                    life.insert(0, ("hs_refunds_amount", 0, "0"));
                }
                (kind, life)
            })
        })
    }

    proptest! {
        /// Always: how often we looked cannot matter. Reading a record after any of its steps, and any number of times,
        /// gives the same changes as reading it once at the end, even where HubSpot shows only the newest values.
        #[test]
        fn looking_more_often_changes_nothing(
            (kind, life) in a_kind_and_life(),
            looks in prop::collection::vec(0..20usize, 0..6),
            shown in 3..20usize,
        ) {
            let stages = stages();
            let rules = Rules { books_open_at: at(0), stages: &stages, zone: &TimeZone::UTC, company_currency: "EUR" };
            let ids = |record: &Record| from_history(record, &rules).into_iter().map(|change| change.id).collect::<Vec<_>>();
            let whole = ids(&record(kind, &life)).into_iter().collect::<BTreeSet<_>>();
            let mut seen = BTreeSet::new();
            let last = looked_at(kind, &life, &looks, shown, |read| seen.extend(ids(read)));
            // More happened between two looks than HubSpot keeps: something is really lost.
            prop_assume!(last.is_some());
            prop_assert_eq!(seen, whole);
        }
    }
}
