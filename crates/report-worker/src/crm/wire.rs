//! The JSON that HubSpot sends, as far as it is read.
//!
//! Lists of records are kept as raw JSON at first, so that one unreadable record does not take its whole batch along,
//! and so that a number is taken as the text HubSpot wrote and never passes through a float.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

/// A property's value: HubSpot's text, or the text of a number or a truth value; `null` and empty are no value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text(pub(super) Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let json = raw.get();
        let text = match json.as_bytes().first() {
            Some(b'{' | b'[') => return Err(de::Error::custom("a single value was expected")),
            Some(b'n') => None,
            Some(b'"') => Some(serde_json::from_str::<String>(json).map_err(de::Error::custom)?),
            _ => Some(json.to_owned()),
        };
        Ok(Self(text.filter(|text| !text.is_empty())))
    }
}

/// A record id, which HubSpot writes as a text here and as a number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(pub(super) i64);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?.0.unwrap_or_default();
        text.parse().map(Self).map_err(|_| de::Error::custom("an id was expected"))
    }
}

/// The reply to a batch read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Batch {
    #[serde(default)]
    pub(super) status: Text,
    pub(super) results: Vec<Box<RawValue>>,
    #[serde(default)]
    pub(super) num_errors: u64,
    #[serde(default)]
    pub(super) errors: Vec<BatchError>,
}

/// What a batch says about ids that it has no result for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchError {
    #[serde(default)]
    pub(super) category: Text,
    #[serde(default)]
    pub(super) correlation_id: Text,
    context: Option<Box<RawValue>>,
}

impl BatchError {
    /// Whether this is about a record: it names it, or does not say whom it is about.
    pub(super) fn concerns(&self, id: i64) -> bool {
        #[derive(Deserialize)]
        struct Context {
            ids: Vec<Id>,
        }
        let context = self.context.as_ref().and_then(|context| serde_json::from_str(context.get()).ok());
        context.is_none_or(|Context { ids }| ids.contains(&Id(id)))
    }
}

/// The reply to a search.
#[derive(Deserialize)]
pub(super) struct Found {
    pub(super) results: Vec<Box<RawValue>>,
    pub(super) paging: Option<Paging>,
}

/// The way to the next page.
#[derive(Deserialize)]
pub(super) struct Paging {
    pub(super) next: Option<Next>,
}

/// The mark of the next page.
#[derive(Deserialize)]
pub(super) struct Next {
    #[serde(default)]
    pub(super) after: Text,
}

/// The mark of the page after this one, if there is one.
pub(super) fn after(paging: Option<Paging>) -> Option<String> {
    paging?.next?.after.0
}

/// Only the id of a record, which can be read even if the rest cannot.
#[derive(Deserialize)]
pub(super) struct Head {
    pub(super) id: Id,
}

/// One record.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object {
    #[serde(default)]
    pub(super) properties: BTreeMap<String, Text>,
    #[serde(default)]
    pub(super) properties_with_history: Option<BTreeMap<String, Option<Vec<Past>>>>,
    #[serde(default)]
    pub(super) created_at: Text,
    #[serde(default)]
    pub(super) updated_at: Text,
    #[serde(default)]
    pub(super) archived: bool,
    #[serde(default)]
    pub(super) archived_at: Text,
}

/// One entry of a property's history.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Past {
    pub(super) value: Text,
    pub(super) timestamp: Text,
    pub(super) source_type: Text,
    pub(super) source_id: Text,
}

/// The account's details.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details {
    pub(super) portal_id: Id,
    pub(super) company_currency: String,
    pub(super) time_zone: String,
    #[serde(default)]
    pub(super) ui_domain: Text,
}

/// A list that has no pages.
#[derive(Deserialize)]
pub(super) struct All<T> {
    pub(super) results: Vec<T>,
}

/// A deal pipeline.
#[derive(Deserialize)]
pub(super) struct Pipeline {
    pub(super) id: String,
    #[serde(default)]
    pub(super) label: Text,
    pub(super) stages: Vec<PipelineStage>,
}

/// A stage of a pipeline.
#[derive(Deserialize)]
pub(super) struct PipelineStage {
    pub(super) id: String,
    #[serde(default)]
    pub(super) label: Text,
    #[serde(default)]
    pub(super) metadata: BTreeMap<String, Text>,
}

/// The definition of a property.
#[derive(Deserialize)]
pub(super) struct Property {
    pub(super) name: String,
    #[serde(default, rename = "type")]
    pub(super) form: Text,
}

/// A page of owners.
#[derive(Deserialize)]
pub(super) struct Owners {
    pub(super) results: Vec<Owner>,
    pub(super) paging: Option<Paging>,
}

/// A user or a queue that records can be assigned to.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Owner {
    pub(super) id: Id,
    #[serde(default)]
    pub(super) email: Text,
    #[serde(default)]
    pub(super) first_name: Text,
    #[serde(default)]
    pub(super) last_name: Text,
    #[serde(default)]
    pub(super) teams: Option<Vec<Team>>,
}

/// A team that an owner is in.
#[derive(Deserialize)]
pub(super) struct Team {
    #[serde(default)]
    pub(super) name: Text,
    #[serde(default)]
    pub(super) primary: Text,
}

/// The companies of one record.
#[derive(Deserialize)]
pub(super) struct Associated {
    pub(super) from: Head,
    #[serde(default)]
    pub(super) to: Vec<Association>,
}

/// One associated company.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Association {
    pub(super) to_object_id: Id,
    #[serde(default)]
    pub(super) association_types: Vec<AssociationType>,
}

/// In which way it is associated.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssociationType {
    #[serde(default)]
    pub(super) category: Text,
    pub(super) type_id: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_keeps_the_digits_it_was_written_with() {
        for (json, expected) in [
            ("null", None),
            (r#""""#, None),
            (r#""1234.50""#, Some("1234.50")),
            ("1234.50", Some("1234.50")),
            (
                "0.40000000000000002220446049250313080847263336181640625",
                Some("0.40000000000000002220446049250313080847263336181640625"),
            ),
            ("true", Some("true")),
            ("9007199254740993", Some("9007199254740993")),
            (r#""\u00e9 \"x\"""#, Some("é \"x\"")),
        ] {
            assert_eq!(serde_json::from_str::<Text>(json).unwrap().0.as_deref(), expected, "{json}");
        }
        assert!(serde_json::from_str::<Text>("[1]").is_err());
    }

    #[test]
    fn an_id_is_whole_and_may_exceed_a_float() {
        assert_eq!(serde_json::from_str::<Id>("9007199254740993").unwrap(), Id(9_007_199_254_740_993));
        assert_eq!(serde_json::from_str::<Id>(r#""9223372036854775807""#).unwrap(), Id(i64::MAX));
        for json in ["1.0", "1e3", "null", r#""""#, r#"" 1""#, "9223372036854775808"] {
            assert!(serde_json::from_str::<Id>(json).is_err(), "{json}");
        }
    }
}
