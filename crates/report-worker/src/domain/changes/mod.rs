//! Finance changes, derived from HubSpot's own property history.
//!
//! A change is one entry of a property's history that means something to finance. Because the entries carry HubSpot's
//! time and value, how often the record was looked at cannot matter: the same history always gives the same changes.

mod deal;
mod invoice;
mod payment;

pub(super) use deal::closing;
pub use invoice::overdue;

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
    const ALL: [(Self, &'static str); 21] = [
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
pub(crate) mod testing {
    //! Records and rules for the tests of the rules.

    use super::*;
    use crate::domain::account::{Closing, Stage};

    pub(crate) fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    /// A record whose history is `(property, ms, value)`, read at the end of it.
    pub(crate) fn record(kind: Kind, history: &[(&str, i64, &str)]) -> Record {
        let mut properties = BTreeMap::new();
        let mut by_property: BTreeMap<String, Vec<HistoryEntry>> = BTreeMap::new();
        let mut sorted = history.to_vec();
        sorted.sort_by_key(|(_, ms, _)| *ms);
        for (property, ms, value) in sorted {
            properties.insert(property.to_owned(), value.to_owned());
            by_property.entry(property.to_owned()).or_default().push(HistoryEntry {
                at: at(ms),
                value: value.to_owned(),
                source: "CRM_UI".into(),
                source_id: Some("userId:7".into()),
            });
        }
        properties.retain(|_, value| !value.is_empty());
        let newest = history.iter().map(|(_, ms, _)| *ms).max().unwrap_or(0);
        Record {
            key: RecordKey { portal_id: 1, kind, id: 5 },
            properties,
            history: by_property,
            created_at: at(history.iter().map(|(_, ms, _)| *ms).min().unwrap_or(0)),
            updated_at: at(newest),
            archived_at: None,
            owner: None,
            company: None,
            invoice: None,
        }
    }

    pub(crate) fn stages() -> Stages {
        let stage = |label: &str, closing| Stage { label: label.to_owned(), closing };
        Stages(
            [
                ("new".to_owned(), stage("New", Closing::Open)),
                ("talk".to_owned(), stage("Talking", Closing::Open)),
                ("won".to_owned(), stage("Won", Closing::Won)),
                ("won2".to_owned(), stage("Won by partner", Closing::Won)),
                ("lost".to_owned(), stage("Lost", Closing::Lost)),
            ]
            .into(),
        )
    }

    /// The names of the changes since `open_ms`.
    pub(crate) fn kinds(record: &Record, open_ms: i64) -> Vec<&'static str> {
        from_history(
            record,
            &Rules { books_open_at: at(open_ms), stages: &stages(), zone: &TimeZone::UTC, company_currency: "EUR" },
        )
        .iter()
        .map(|change| change.kind.as_str())
        .collect()
    }
}

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

    fn a_life() -> impl Strategy<Value = Vec<(&'static str, i64, &'static str)>> {
        let step = prop_oneof![
            prop::sample::select(vec!["new", "talk", "won", "won2", "lost"]).prop_map(|v| ("dealstage", v)),
            prop::sample::select(vec!["100", "100.00", "250", ""]).prop_map(|v| ("amount", v)),
            prop::sample::select(vec!["EUR", "USD"]).prop_map(|v| ("deal_currency_code", v)),
            prop::sample::select(vec!["2026-11-22", "2026-12-01"]).prop_map(|v| ("closedate", v)),
        ];
        prop::collection::vec((step, 1..50i64), 1..20).prop_map(|steps| {
            let mut ms = 0;
            steps
                .into_iter()
                .map(|((property, value), pause)| {
                    ms += pause;
                    (property, ms, value)
                })
                .collect()
        })
    }

    proptest! {
        /// Always: how often we looked cannot matter. Reading a deal after any of its steps, and any number of times,
        /// gives the same changes as reading it once at the end, even where HubSpot shows only the newest values.
        #[test]
        fn looking_more_often_changes_nothing(life in a_life(), looks in prop::collection::vec(0..20usize, 0..6), shown in 3..20usize) {
            let stages = stages();
            let rules = Rules { books_open_at: at(0), stages: &stages, zone: &TimeZone::UTC, company_currency: "EUR" };
            let whole: BTreeSet<String> = from_history(&record(Kind::Deal, &life), &rules).into_iter().map(|c| c.id).collect();
            let mut looks: Vec<usize> = looks.into_iter().map(|look| look % life.len() + 1).collect();
            looks.push(life.len());
            looks.sort_unstable();
            // Between two looks never more happens than HubSpot keeps, or else something is really lost.
            prop_assume!(looks.windows(2).all(|pair| pair[1] - pair[0] < shown) && looks[0] <= shown);
            let mut seen = BTreeSet::new();
            let mut known: Option<Record> = None;
            for look in looks {
                let mut read = record(Kind::Deal, &life[..look]);
                for entries in read.history.values_mut() {
                    let skip = entries.len().saturating_sub(shown);
                    entries.drain(..skip);
                }
                read.remember(known.as_ref());
                seen.extend(from_history(&read, &rules).into_iter().map(|c| c.id));
                known = Some(read);
            }
            prop_assert_eq!(seen, whole);
        }
    }
}
