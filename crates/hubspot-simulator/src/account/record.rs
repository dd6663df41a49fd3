//! One record as its whole history, so that it can be shown as it was at any moment.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Kind;
use crate::clock::iso;

/// How many values of a property's history HubSpot shows.
const HISTORY_SHOWN: usize = 20;

/// One value that a property had.
#[derive(Debug, Clone)]
struct Entry {
    /// Empty: the property was cleared.
    value: String,
    at_ms: i64,
    /// The user that wrote it; none for HubSpot's own calculation.
    user_id: Option<i64>,
}

/// A CRM record.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    pub(crate) id: i64,
    pub(crate) created_ms: i64,
    pub(crate) archived_ms: Option<i64>,
    /// Oldest first.
    history: BTreeMap<String, Vec<Entry>>,
}

/// What a read asks for.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) properties: Vec<String>,
    pub(crate) history: Vec<String>,
    /// Leave out what is empty; otherwise it is `null`.
    pub(crate) without_nulls: bool,
}

impl Record {
    pub(crate) fn new(kind: Kind, id: i64, created_ms: i64) -> Self {
        Self { kind, id, created_ms, archived_ms: None, history: BTreeMap::new() }
    }

    /// The newest value; an empty one is none.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.value_at(name, i64::MAX)
    }

    /// The value as it was at a moment.
    pub(crate) fn value_at(&self, name: &str, as_of_ms: i64) -> Option<&str> {
        let entries = self.history.get(name)?;
        let entry = entries.iter().rev().find(|entry| entry.at_ms <= as_of_ms)?;
        Some(entry.value.as_str()).filter(|value| !value.is_empty())
    }

    /// The moment of the newest value.
    pub(crate) fn last_write_ms(&self) -> i64 {
        self.history.values().filter_map(|entries| Some(entries.last()?.at_ms)).max().unwrap_or(self.created_ms)
    }

    /// Writes a value, and says whether it is another one. A property never has two values at one moment: the later one
    /// is a millisecond younger.
    pub(crate) fn write(&mut self, name: &str, value: &str, at_ms: i64, user_id: Option<i64>) -> bool {
        if self.value(name).unwrap_or_default() == value {
            return false;
        }
        let entries = self.history.entry(name.to_owned()).or_default();
        let at_ms = entries.last().map_or(at_ms, |last| at_ms.max(last.at_ms + 1));
        entries.push(Entry { value: value.to_owned(), at_ms, user_id });
        true
    }

    /// The properties that have a value, with the newest.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.history.keys().filter_map(|name| Some((name.as_str(), self.value(name)?)))
    }

    /// The record as the API shows it, as of a moment. `defined` says which properties the account has.
    pub(crate) fn render(
        &self,
        wanted: &Wanted,
        as_of_ms: i64,
        portal_id: i64,
        defined: impl Fn(&str) -> bool,
    ) -> Value {
        let asked = wanted.properties.iter().chain(&wanted.history).map(String::as_str);
        let fallback = if wanted.properties.is_empty() { self.kind.default_properties() } else { &[] };
        let always = ["hs_object_id", "hs_lastmodifieddate", self.kind.created_property()];
        let names = asked.chain(fallback.iter().copied()).chain(always).filter(|name| defined(name));
        let properties: Map<String, Value> = names
            .map(|name| (name.to_owned(), self.value_at(name, as_of_ms).map_or(Value::Null, Value::from)))
            .filter(|(_, value)| !(wanted.without_nulls && value.is_null()))
            .collect();
        let created = iso(self.created_ms);
        let mut shown = json!({
            "id": self.id.to_string(),
            "properties": properties,
            "createdAt": created,
            "updatedAt": self.value_at("hs_lastmodifieddate", as_of_ms).unwrap_or(&created),
            "archived": self.archived_ms.is_some(),
            "url": format!("https://app.hubspot.com/contacts/{portal_id}/record/{}/{}", self.kind.object_type_id(), self.id),
        });
        if let Some(archived_ms) = self.archived_ms {
            shown["archivedAt"] = iso(archived_ms).into();
        }
        if !wanted.history.is_empty() {
            let names = wanted.history.iter().filter(|name| defined(name));
            shown["propertiesWithHistory"] =
                names.map(|name| (name.clone(), self.render_history(name, as_of_ms))).collect::<Map<_, _>>().into();
        }
        shown
    }

    /// Newest first, and no more than HubSpot keeps.
    fn render_history(&self, name: &str, as_of_ms: i64) -> Value {
        let entries = self.history.get(name).map_or(&[][..], Vec::as_slice);
        let newest_first = entries.iter().rev().filter(|entry| entry.at_ms <= as_of_ms).take(HISTORY_SHOWN);
        newest_first
            .map(|entry| match entry.user_id {
                Some(user_id) => json!({
                    "value": entry.value,
                    "timestamp": iso(entry.at_ms),
                    "sourceType": "CRM_UI",
                    "sourceId": format!("userId:{user_id}"),
                    "updatedByUserId": user_id,
                }),
                None => json!({
                    "value": entry.value,
                    "timestamp": iso(entry.at_ms),
                    "sourceType": "CALCULATED",
                    "sourceId": "CalculatedPropertyComputer",
                }),
            })
            .collect()
    }
}
