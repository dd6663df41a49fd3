//! The filter of a report.

use std::collections::BTreeMap;

use super::table::{Faults, Found, Table, shortened};
use crate::domain::money::Money;
use crate::report::{Filter, Minimum};

pub(super) const KEYS: [&str; 6] = ["pipeline", "owner", "team", "currency", "minimum_amount", "properties"];

/// The filter of a report; `None` if something is wrong with it.
pub(super) fn filter(report: &Table<'_>, faults: &mut Faults) -> Option<Filter> {
    if !report.has("filter") {
        return Some(Filter::default());
    }
    let known = faults.found.len();
    let table = report.table("filter", faults)?;
    table.only(&KEYS, faults);
    let names = |name, example, faults: &mut Faults| {
        let names = table.texts(name, example, faults).into_iter().flatten();
        names.map(|found| found.value.trim().to_owned()).collect::<Vec<_>>()
    };
    let filter = Filter {
        pipelines: names("pipeline", "Sales Pipeline", faults),
        owners: names("owner", "Anna Keller", faults),
        teams: names("team", "Field sales", faults),
        currencies: currencies(&table, faults),
        minimum_amount: minimum(&table, faults),
        properties: properties(&table, faults),
    };
    (faults.found.len() == known).then_some(filter)
}

fn currencies(table: &Table<'_>, faults: &mut Faults) -> Vec<String> {
    let read = |found: Found<&str>, faults: &mut Faults| {
        found.read(faults, |text| {
            let code = text.trim().to_ascii_uppercase();
            let is_known = Money::from_minor(0, &code).is_some();
            is_known
                .then_some(code)
                .ok_or_else(|| format!("{} is not in ISO 4217; write a code such as \"EUR\"", shortened(text)))
        })
    };
    let found = table.texts("currency", "EUR", faults).into_iter().flatten();
    found.filter_map(|found| read(found, faults)).collect()
}

/// Money is text: a float is no longer the number that somebody wrote.
fn minimum(table: &Table<'_>, faults: &mut Faults) -> Option<Minimum> {
    let found = table.text("minimum_amount", "1000.00", faults)?;
    found.read(faults, |text| {
        Minimum::parse(text).ok_or_else(|| format!("{} is no amount; write one such as \"1000.00\"", shortened(text)))
    })
}

fn properties(table: &Table<'_>, faults: &mut Faults) -> BTreeMap<String, Vec<String>> {
    let mut properties = BTreeMap::new();
    let Some(table) = table.table("properties", faults) else { return properties };
    for name in table.names() {
        // https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide: letters, digits and underscores.
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            let what = "is no property; write its internal name, which HubSpot shows in the property's settings";
            table.refuse(name, what, faults);
            continue;
        }
        let values = table.texts(name, "EMEA", faults).into_iter().flatten();
        properties.insert(name.to_owned(), values.map(|found| found.value.trim().to_owned()).collect());
    }
    properties
}
