//! Which properties are asked for, and how their values are written.
//!
//! Accounts differ in the properties they have, and HubSpot writes dates in several ways. Behind this module a date is
//! `YYYY-MM-DD` and a moment is an ISO 8601 instant in UTC.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::wire::Property;
use crate::domain::record::Kind;

/// What a property's definition says of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A civil date, which has no zone.
    Date,
    /// A moment.
    Instant,
    /// Anything else, or not known.
    Text,
}

/// The properties of one kind in one account.
#[derive(Debug)]
pub(super) struct Schema {
    /// Those read with their history.
    pub(super) tracked: Vec<&'static str>,
    /// All that are read, the tracked ones included.
    pub(super) all: Vec<&'static str>,
    forms: BTreeMap<String, Form>,
}

impl Schema {
    /// Keeps what the account has of the properties that are wanted.
    pub(super) fn new(kind: Kind, properties: &[Property]) -> Self {
        let forms: BTreeMap<_, _> =
            properties.iter().map(|property| (property.name.clone(), form(property.form.0.as_deref()))).collect();
        let mut schema = Self::unknown(kind);
        schema.tracked.retain(|&name| forms.contains_key(name));
        schema.all.retain(|&name| forms.contains_key(name));
        schema.forms = forms;
        schema
    }

    /// Asks for everything that is wanted, when the definitions may not be read.
    pub(super) fn unknown(kind: Kind) -> Self {
        let tracked = kind.tracked_properties().to_vec();
        let all = [kind.tracked_properties(), kind.plain_properties()].concat();
        Self { tracked, all, forms: BTreeMap::new() }
    }

    /// Writes a property's value in the one way that the domain knows. What cannot be read stays as it came.
    pub(super) fn normal(&self, property: &str, value: String) -> String {
        match self.forms.get(property) {
            Some(Form::Date) => date(&value).map_or(value, |date| date.to_string()),
            Some(Form::Instant) => instant(&value).map_or(value, |instant| instant.to_string()),
            Some(Form::Text) | None => value,
        }
    }
}

fn form(declared: Option<&str>) -> Form {
    match declared {
        Some("date") => Form::Date,
        Some("datetime") => Form::Instant,
        _ => Form::Text,
    }
}

/// Reads a date: as such, or as the midnight UTC by which HubSpot stands for one. It is never converted to a zone.
fn date(text: &str) -> Option<Date> {
    let midnight = instant(text).map(|instant| Zoned::new(instant, TimeZone::UTC).date());
    midnight.or_else(|| text.trim().parse().ok())
}

/// Reads a moment: ISO 8601 with an offset, or epoch milliseconds.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    match text.parse() {
        Ok(milliseconds) => Timestamp::from_millisecond(milliseconds).ok(),
        Err(_) => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        let property = |name: &str, form: &str| {
            serde_json::from_value(serde_json::json!({"name": name, "type": form, "label": "x"})).unwrap()
        };
        Schema::new(
            Kind::Invoice,
            &[
                property("hs_due_date", "date"),
                property("hs_invoice_date", "datetime"),
                property("hs_number", "string"),
            ],
        )
    }

    #[test]
    fn a_property_the_account_does_not_have_is_not_asked_for() {
        assert_eq!(schema().tracked, ["hs_invoice_date", "hs_due_date"]);
        assert_eq!(schema().all, ["hs_invoice_date", "hs_due_date", "hs_number"]);
        assert!(Schema::unknown(Kind::Invoice).all.contains(&"hs_amount_paid"));
    }

    #[test]
    fn dates_and_moments_are_written_in_one_way() {
        for (property, value, expected) in [
            ("hs_due_date", "2026-11-22", "2026-11-22"),
            ("hs_due_date", "2026-11-22T00:00:00Z", "2026-11-22"),
            ("hs_due_date", "2026-11-22T00:00:00.000Z", "2026-11-22"),
            ("hs_due_date", "1795305600000", "2026-11-22"),
            ("hs_due_date", "-86400000", "1969-12-31"),
            ("hs_due_date", "next week", "next week"),
            ("hs_invoice_date", "1795305600123", "2026-11-22T00:00:00.123Z"),
            ("hs_invoice_date", "2026-11-22T01:00:00.000+01:00", "2026-11-22T00:00:00Z"),
            ("hs_invoice_date", "2026-11-22", "2026-11-22"),
            ("hs_invoice_date", "99999999999999999", "99999999999999999"),
            ("hs_number", "1795305600000", "1795305600000"),
            ("unheard_of", "1795305600000", "1795305600000"),
        ] {
            assert_eq!(schema().normal(property, value.to_owned()), expected, "{property} {value}");
        }
    }
}
