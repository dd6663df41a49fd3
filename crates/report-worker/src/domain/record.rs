//! A record as HubSpot showed it, with the history of its properties.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The kinds of record the books are kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A deal, object type `0-3`.
    Deal,
    /// An invoice, object type `0-53`.
    Invoice,
    /// A commerce payment, object type `0-101`.
    Payment,
}

impl Kind {
    /// Every kind, in the order in which records are read.
    pub const ALL: [Self; 3] = [Self::Deal, Self::Invoice, Self::Payment];

    /// The word the books and the messages use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deal => "deal",
            Self::Invoice => "invoice",
            Self::Payment => "payment",
        }
    }

    /// The kind with this word, if there is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// HubSpot's object type id, which works in every CRM path.
    pub fn type_id(self) -> &'static str {
        match self {
            Self::Deal => "0-3",
            Self::Invoice => "0-53",
            Self::Payment => "0-101",
        }
    }

    /// The properties whose history finance changes come from.
    ///
    /// The status stands after the amounts: where one save wrote several properties at the same millisecond, the amounts
    /// are in place before the status that makes them count. What was paid stands after the status, since only an invoice
    /// that was created can be part paid.
    pub fn tracked_properties(self) -> &'static [&'static str] {
        match self {
            Self::Deal => &["amount", "deal_currency_code", "closedate", "dealstage"],
            Self::Invoice => &[
                "hs_amount_billed",
                "hs_currency",
                "hs_invoice_billable",
                "hs_invoice_date",
                "hs_due_date",
                "hs_invoice_status",
                "hs_amount_paid",
            ],
            Self::Payment => &["hs_initial_amount", "hs_currency_code", "hs_refunds_amount", "hs_latest_status"],
        }
    }

    /// The properties that are read with their history only to know since when a value is so. No finance change comes
    /// from them, and HubSpot calculates them, so that no webhook tells of them.
    pub fn dated_properties(self) -> &'static [&'static str] {
        match self {
            Self::Deal => &["hs_exchange_rate"],
            Self::Invoice | Self::Payment => &[],
        }
    }

    /// The properties that are read for the reports, without history.
    pub fn plain_properties(self) -> &'static [&'static str] {
        match self {
            Self::Deal => &[
                "dealname",
                "pipeline",
                "hubspot_owner_id",
                "hs_is_closed",
                "hs_is_closed_won",
                "amount_in_home_currency",
                "hs_mrr",
                "hs_arr",
                "hs_lastmodifieddate",
            ],
            Self::Invoice => &[
                "hs_number",
                "hs_title",
                "hs_balance_due",
                "hs_invoice_latest_company_name",
                "hubspot_owner_id",
                "hs_lastmodifieddate",
            ],
            Self::Payment => &["hs_initiated_date", "hs_createdate", "hs_lastmodifieddate"],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names one record of one account. Every key of the books begins with the portal id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordKey {
    /// The HubSpot account.
    pub portal_id: i64,
    /// What sort of record.
    pub kind: Kind,
    /// HubSpot's record id.
    pub id: i64,
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)
    }
}

/// One value that a property had, and since when.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When the property took this value, by HubSpot's clock.
    pub at: Timestamp,
    /// The value as HubSpot's text; empty when it was cleared.
    pub value: String,
    /// Where the value came from: HubSpot's `sourceType` (`CRM_UI`, `API`, …), or [`HistoryEntry::LOOK`].
    pub source: String,
    /// HubSpot's id of who or what wrote it, where it is given.
    pub source_id: Option<String>,
}

impl HistoryEntry {
    /// The source of an entry that was not in HubSpot's history but seen by looking at the record.
    pub const LOOK: &str = "LOOK";
}

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Which record.
    pub key: RecordKey,
    /// The properties that have a value. An empty or missing property is absent.
    pub properties: BTreeMap<String, String>,
    /// The history of the tracked and the dated properties, oldest first.
    pub history: BTreeMap<String, Vec<HistoryEntry>>,
    /// When it was created in HubSpot.
    pub created_at: Timestamp,
    /// When it was last modified in HubSpot.
    pub updated_at: Timestamp,
    /// When it was archived, if it is.
    pub archived_at: Option<Timestamp>,
    /// The full name of its owner, where it has one that HubSpot knows.
    pub owner: Option<String>,
    /// The name of its owner's primary team, where the owner has one.
    pub team: Option<String>,
    /// The label of its pipeline, where it is in one that HubSpot knows.
    pub pipeline: Option<String>,
    /// The name of its company, where one is associated.
    pub company: Option<String>,
    /// The id of the invoice that a payment is for, where one is associated.
    pub invoice: Option<i64>,
}

impl Record {
    /// The value of a property, if it has one.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }

    /// What people call it: the deal's name, the invoice's number; else the kind and the id.
    pub fn name(&self) -> String {
        let name = match self.key.kind {
            Kind::Deal => self.property("dealname"),
            Kind::Invoice => self.property("hs_number").or_else(|| self.property("hs_title")),
            Kind::Payment => None,
        };
        name.filter(|name| !name.trim().is_empty()).map_or_else(|| self.key.to_string(), str::to_owned)
    }

    /// The rate from a deal's currency to the company's as HubSpot recorded it, and since when it is this one.
    ///
    /// `None` where HubSpot gives no rate, as for deals without a currency of their own and in accounts with a single one.
    pub fn exchange_rate(&self) -> Option<(&str, Timestamp)> {
        let rate = self.property("hs_exchange_rate")?;
        let last = self.history.get("hs_exchange_rate")?.last().filter(|entry| entry.value == rate)?;
        Some((rate, last.at))
    }

    /// Adds to this reading what the books already knew of the histories.
    ///
    /// HubSpot keeps a bounded number of values per property, so what an earlier reading saw stays. A property with history
    /// that has a value but no history at all gets one entry, dated by the last modification: comparing looks only
    /// fills gaps.
    pub fn remember(&mut self, earlier: Option<&Record>) {
        let kind = self.key.kind;
        for &property in kind.tracked_properties().iter().chain(kind.dated_properties()) {
            let mut entries = self.history.remove(property).unwrap_or_default();
            let known = earlier.and_then(|record| record.history.get(property)).cloned().unwrap_or_default();
            if entries.is_empty() {
                let now = self.properties.get(property).cloned().unwrap_or_default();
                let last = known.last().map_or("", |entry| entry.value.as_str());
                if now != last {
                    entries.push(HistoryEntry {
                        at: self.updated_at,
                        value: now,
                        source: HistoryEntry::LOOK.to_owned(),
                        source_id: None,
                    });
                }
            }
            // Within one millisecond the order is the one in which they were given: what HubSpot no longer shows was first.
            let mut all: Vec<_> = known
                .into_iter()
                .filter(|entry| !entries.iter().any(|it| it.at == entry.at && it.value == entry.value))
                .collect();
            all.append(&mut entries);
            all.sort_by_key(|entry| entry.at);
            let entries = all;
            if !entries.is_empty() {
                self.history.insert(property.to_owned(), entries);
            }
        }
    }
}

/// What asking HubSpot for one record came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly every answer is a record")]
pub enum Answer {
    /// The record as it is, archived or not.
    Found(Record),
    /// It was merged away; HubSpot answered with the record that is left.
    MergedInto(i64),
    /// There is no such record (404).
    Gone,
    /// The token may not read it (403).
    Forbidden,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(ms: i64, value: &str) -> HistoryEntry {
        HistoryEntry {
            at: Timestamp::from_millisecond(ms).unwrap(),
            value: value.into(),
            source: "CRM_UI".into(),
            source_id: None,
        }
    }

    fn deal(updated_ms: i64, stage: &str, history: Vec<HistoryEntry>) -> Record {
        Record {
            key: RecordKey { portal_id: 1, kind: Kind::Deal, id: 2 },
            properties: [("dealstage".to_owned(), stage.to_owned())].into(),
            history: [("dealstage".to_owned(), history)].into(),
            created_at: Timestamp::from_millisecond(0).unwrap(),
            updated_at: Timestamp::from_millisecond(updated_ms).unwrap(),
            archived_at: None,
            owner: None,
            team: None,
            pipeline: None,
            company: None,
            invoice: None,
        }
    }

    #[test]
    fn what_hubspot_no_longer_shows_is_remembered() {
        let mut first = deal(20, "b", vec![entry(10, "a"), entry(20, "b")]);
        first.remember(None);
        let mut second = deal(30, "c", vec![entry(20, "b"), entry(30, "c")]);
        second.remember(Some(&first));
        let values: Vec<_> = second.history["dealstage"].iter().map(|entry| entry.value.as_str()).collect();
        assert_eq!(values, ["a", "b", "c"]);
    }

    #[test]
    fn the_order_within_a_millisecond_is_hubspots() {
        let mut first = deal(20, "a", vec![entry(10, "c"), entry(10, "b"), entry(20, "z"), entry(20, "a")]);
        first.remember(None);
        let mut second = deal(20, "a", vec![entry(20, "z"), entry(20, "a")]);
        second.remember(Some(&first));
        for record in [first, second] {
            let values: Vec<_> = record.history["dealstage"].iter().map(|entry| entry.value.as_str()).collect();
            assert_eq!(values, ["c", "b", "z", "a"]);
        }
    }

    #[test]
    fn a_property_without_history_is_filled_by_looking() {
        let mut first = deal(20, "a", vec![]);
        first.remember(None);
        assert_eq!(first.history["dealstage"][0].source, HistoryEntry::LOOK);
        let mut same = deal(30, "a", vec![]);
        same.remember(Some(&first));
        assert_eq!(same.history["dealstage"].len(), 1, "nothing new was seen");
        let mut other = deal(40, "b", vec![]);
        other.remember(Some(&same));
        assert_eq!(other.history["dealstage"].len(), 2);
    }

    #[test]
    fn an_exchange_rate_is_dated_by_its_last_entry() {
        let mut deal = deal(30, "a", vec![]);
        assert_eq!(deal.exchange_rate(), None);
        deal.properties.insert("hs_exchange_rate".into(), "0.92".into());
        deal.history.insert("hs_exchange_rate".into(), vec![entry(10, "0.91"), entry(20, "0.92")]);
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        assert_eq!(deal.exchange_rate(), Some(("0.92", at(20))));
        let mut later = Record { updated_at: at(40), ..deal.clone() };
        later.history.clear();
        later.remember(Some(&deal));
        assert_eq!(later.exchange_rate(), Some(("0.92", at(20))), "it is remembered");
        later.properties.insert("hs_exchange_rate".into(), "0.93".into());
        assert_eq!(later.exchange_rate(), None, "nobody knows since when");
    }

    #[test]
    fn a_record_that_was_stored_before_teams_and_pipelines_is_read() {
        let mut stored = serde_json::to_value(deal(1, "a", vec![])).unwrap();
        let fields = stored.as_object_mut().unwrap();
        assert!(fields.remove("team").is_some() && fields.remove("pipeline").is_some());
        assert_eq!(serde_json::from_value::<Record>(stored).unwrap(), deal(1, "a", vec![]));
    }

    #[test]
    fn a_record_without_a_name_is_called_by_its_id() {
        let mut record = deal(1, "a", vec![]);
        assert_eq!(record.name(), "deal 2");
        record.properties.insert("dealname".into(), "  ".into());
        assert_eq!(record.name(), "deal 2");
        record.properties.insert("dealname".into(), "Roof".into());
        assert_eq!(record.name(), "Roof");
    }
}
