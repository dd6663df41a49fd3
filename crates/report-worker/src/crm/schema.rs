//! Which properties are asked for, and how their values are written.
//!
//! Accounts differ in the properties they have, and HubSpot writes dates in several ways. Behind this module a date is
//! `YYYY-MM-DD` and a moment is an ISO 8601 instant in UTC.

use std::collections::{BTreeMap, BTreeSet};

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
    pub(super) with_history: Vec<&'static str>,
    /// All that are read of every account, those with history included.
    pub(super) all: Vec<&'static str>,
    /// What else the reports of this account ask for.
    pub(super) extra: Vec<String>,
    forms: BTreeMap<String, Form>,
}

impl Schema {
    /// Keeps what the account has of the properties that are wanted.
    pub(super) fn new(kind: Kind, extra: &BTreeSet<String>, properties: &[Property]) -> Self {
        let forms: BTreeMap<_, _> =
            properties.iter().map(|property| (property.name.clone(), form(property.form.0.as_deref()))).collect();
        let mut schema = Self::unknown(kind, extra);
        schema.with_history.retain(|&name| forms.contains_key(name));
        schema.all.retain(|&name| forms.contains_key(name));
        schema.extra.retain(|name| forms.contains_key(name));
        schema.forms = forms;
        schema
    }

    /// Asks for everything that is wanted, when the definitions may not be read.
    pub(super) fn unknown(kind: Kind, extra: &BTreeSet<String>) -> Self {
        let with_history = [kind.tracked_properties(), kind.dated_properties()].concat();
        let all = [&with_history, kind.plain_properties()].concat();
        let extra = extra.iter().filter(|name| !all.contains(&name.as_str())).cloned().collect();
        Self { with_history, all, extra, forms: BTreeMap::new() }
    }

    /// Those of the wanted properties that the account does not have.
    pub(super) fn missing<'w>(&self, wanted: &'w BTreeSet<String>) -> Vec<&'w str> {
        wanted.iter().map(String::as_str).filter(|&name| !self.forms.contains_key(name)).collect()
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

    /// What reports filter by: one of the account's own properties, one that is read anyway, and one that is not there.
    fn wanted() -> BTreeSet<String> {
        ["region", "hs_number", "regoin"].map(str::to_owned).into()
    }

    fn schema() -> Schema {
        let property = |name: &str, form: &str| {
            serde_json::from_value(serde_json::json!({"name": name, "type": form, "label": "x"})).unwrap()
        };
        Schema::new(
            Kind::Invoice,
            &wanted(),
            &[
                property("hs_due_date", "date"),
                property("hs_invoice_date", "datetime"),
                property("hs_number", "string"),
                property("region", "enumeration"),
            ],
        )
    }

    #[test]
    fn a_property_the_account_does_not_have_is_not_asked_for() {
        assert_eq!(schema().with_history, ["hs_invoice_date", "hs_due_date"]);
        assert_eq!(schema().all, ["hs_invoice_date", "hs_due_date", "hs_number"]);
        assert_eq!((schema().extra, schema().missing(&wanted())), (vec!["region".to_owned()], vec!["regoin"]));
        let unknown = Schema::unknown(Kind::Invoice, &wanted());
        assert!(unknown.all.contains(&"hs_amount_paid"));
        assert_eq!(unknown.extra, ["region", "regoin"]);
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
