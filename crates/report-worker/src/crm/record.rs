//! From one result on the wire to a [`Record`].

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::error::Flaw;
use super::schema::{Schema, instant};
use super::wire::{Head, Object, Past, Text};
use crate::domain::record::{HistoryEntry, Kind, Record, RecordKey};

/// Why one record among others cannot be used, without its contents.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Unreadable {
    #[error("HubSpot's answer for it is unusable: {0}")]
    Json(Flaw),
    #[error("its {0} is not a timestamp")]
    Stamp(&'static str),
    #[error("the history of its {0} has an entry whose timestamp is unreadable")]
    History(String),
}

/// The id of a result, if it has one.
pub(super) fn id(result: &RawValue) -> Option<i64> {
    serde_json::from_str(result.get()).ok().map(|head: Head| head.id.0)
}

/// Reads a result whose id is known. Names are filled in later.
///
/// A broken history fails the record rather than dropping the entry: a change that is missing without a word is worse
/// than a record that somebody is told about.
pub(super) fn parse(result: &RawValue, key: RecordKey, schema: &Schema) -> Result<Record, Unreadable> {
    let object: Object = serde_json::from_str(result.get()).map_err(|error| Unreadable::Json(Flaw::of_json(&error)))?;
    let stamp = |name, text: Text| text.0.as_deref().and_then(instant).ok_or(Unreadable::Stamp(name));
    let updated_at = stamp("updatedAt", object.updated_at)?;
    let archived_at = match (object.archived, object.archived_at) {
        (false, _) => None,
        (true, Text(None)) => Some(updated_at),
        (true, text) => Some(stamp("archivedAt", text)?),
    };
    let mut history = BTreeMap::new();
    for (property, past) in object.properties_with_history.unwrap_or_default() {
        let past = past.unwrap_or_default();
        if !past.is_empty() && schema.with_history.contains(&property.as_str()) {
            let entries = entries(&property, past, schema)?;
            history.insert(property, entries);
        }
    }
    let values = object.properties.into_iter().filter_map(|(property, value)| {
        let value = schema.normal(&property, value.0?);
        Some((property, value))
    });
    Ok(Record {
        key,
        properties: values.collect(),
        history,
        created_at: stamp("createdAt", object.created_at)?,
        updated_at,
        archived_at,
        owner: None,
        team: None,
        pipeline: None,
        company: None,
        invoice: None,
    })
}

/// Reads the results of a list, each for itself: by id the records, or why they are unreadable; and how many have no
/// id.
pub(super) fn parse_all(
    results: &[Box<RawValue>],
    portal_id: i64,
    kind: Kind,
    schema: &Schema,
) -> (BTreeMap<i64, Result<Record, Unreadable>>, usize) {
    let mut records = BTreeMap::new();
    let mut nameless = 0;
    for result in results {
        match id(result) {
            Some(id) => {
                records.insert(id, parse(result, RecordKey { portal_id, kind, id }, schema));
            }
            None => nameless += 1,
        }
    }
    (records, nameless)
}

/// Sorts a history oldest first. HubSpot's is newest first, which also tells the order within one millisecond.
fn entries(property: &str, past: Vec<Past>, schema: &Schema) -> Result<Vec<HistoryEntry>, Unreadable> {
    let entries = past.into_iter().rev().map(|past| {
        let at = past.timestamp.0.as_deref().and_then(instant);
        Ok(HistoryEntry {
            at: at.ok_or_else(|| Unreadable::History(property.to_owned()))?,
            value: past.value.0.map(|value| schema.normal(property, value)).unwrap_or_default(),
            source: past.source_type.0.unwrap_or_default(),
            source_id: past.source_id.0,
        })
    });
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(|entry| entry.at);
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;

    const KEY: RecordKey = RecordKey { portal_id: 1, kind: Kind::Deal, id: 2 };

    fn read(result: &Value) -> Result<Record, Unreadable> {
        let raw = RawValue::from_string(result.to_string()).unwrap();
        parse(&raw, KEY, &Schema::unknown(Kind::Deal, &BTreeSet::new()))
    }

    fn deal(history: Value) -> Value {
        json!({
            "id": "2",
            "properties": {"amount": 12, "hs_is_closed": true, "dealname": null, "dealstage": ""},
            "propertiesWithHistory": history,
            "createdAt": "2026-11-01T08:00:00.000Z",
            "updatedAt": "2026-11-22T08:00:00.000Z",
        })
    }

    #[test]
    fn values_are_texts_and_nothing_is_no_value() {
        let record = read(&deal(json!(null))).unwrap();
        assert_eq!(
            record.properties,
            [("amount", "12"), ("hs_is_closed", "true")].map(|(k, v)| (k.into(), v.into())).into()
        );
        assert_eq!((record.history.len(), record.archived_at), (0, None));
    }

    #[test]
    fn a_history_is_oldest_first_and_keeps_a_clearing() {
        let record = read(&deal(json!({
            "amount": [
                {"value": null, "timestamp": "2026-11-22T08:00:00.000Z", "sourceType": "CRM_UI", "sourceId": "userId:1"},
                {"value": "second", "timestamp": "2026-11-21T08:00:00Z", "sourceType": "API"},
                {"value": "first", "timestamp": "2026-11-21T08:00:00Z", "sourceType": "API"},
            ],
            "dealstage": [], "closedate": null, "not_asked_for": [{"value": "x", "timestamp": "broken"}],
        })))
        .unwrap();
        let values: Vec<_> = record.history["amount"].iter().map(|entry| entry.value.as_str()).collect();
        assert_eq!(values, ["first", "second", ""]);
        assert_eq!(record.history["amount"][2].source_id.as_deref(), Some("userId:1"));
        assert_eq!(record.history.len(), 1);
    }

    #[test]
    fn a_broken_record_says_what_is_broken() {
        let broken = deal(json!({"amount": [{"value": "1", "timestamp": "yesterday"}]}));
        assert_eq!(read(&broken), Err(Unreadable::History("amount".into())));
        let mut broken = deal(json!({}));
        broken["createdAt"] = json!("");
        assert_eq!(read(&broken), Err(Unreadable::Stamp("createdAt")));
        broken["properties"]["amount"] = json!({"a": "Mrs Smith"});
        let error = read(&broken).unwrap_err();
        assert!(matches!(error, Unreadable::Json(_)) && !error.to_string().contains("Smith"), "{error}");
    }

    #[test]
    fn an_archived_record_has_a_date_in_any_case() {
        let mut archived = deal(json!({}));
        archived["archived"] = json!(true);
        assert_eq!(read(&archived).unwrap().archived_at, "2026-11-22T08:00:00Z".parse().ok());
        archived["archivedAt"] = json!("2026-11-22T09:00:00Z");
        assert_eq!(read(&archived).unwrap().archived_at, "2026-11-22T09:00:00Z".parse().ok());
    }
}
