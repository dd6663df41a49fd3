//! Search: filters, one sort, pages, and the ends that HubSpot sets to it.

use std::cmp::Ordering;
use std::str::FromStr;

use bigdecimal::BigDecimal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::objects::with_paging;
use super::reply::Reply;
use super::{Api, Request};
use crate::account::{Kind, Record, Wanted};
use crate::clock::parse_ms;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Search {
    #[serde(default)]
    filter_groups: Vec<Group>,
    #[serde(default)]
    sorts: Vec<Value>,
    #[serde(default)]
    properties: Vec<String>,
    #[serde(default = "ten")]
    limit: usize,
    #[serde(default)]
    after: Option<Value>,
}

fn ten() -> usize {
    10
}

#[derive(Debug, Deserialize)]
struct Group {
    filters: Vec<Filter>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    property_name: String,
    operator: Operator,
    #[serde(default)]
    value: String,
    #[serde(default)]
    high_value: String,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Operator {
    Eq,
    Neq,
    Gt,
    Gte,
    Lt,
    Lte,
    Between,
    In,
    HasProperty,
    NotHasProperty,
}

impl Filter {
    /// HubSpot lets no filter on a value but `NEQ` match a record without one.
    fn matches(&self, actual: Option<&str>) -> bool {
        let is = |expected: &str| actual.map(|actual| compare(actual, expected));
        match self.operator {
            Operator::Eq => is(&self.value) == Some(Ordering::Equal),
            Operator::Neq => is(&self.value) != Some(Ordering::Equal),
            Operator::Gt => is(&self.value) == Some(Ordering::Greater),
            Operator::Gte => is(&self.value).is_some_and(Ordering::is_ge),
            Operator::Lt => is(&self.value) == Some(Ordering::Less),
            Operator::Lte => is(&self.value).is_some_and(Ordering::is_le),
            Operator::Between => {
                is(&self.value).is_some_and(Ordering::is_ge) && is(&self.high_value).is_some_and(Ordering::is_le)
            }
            Operator::In => self.values.iter().any(|value| is(value) == Some(Ordering::Equal)),
            Operator::HasProperty => actual.is_some(),
            Operator::NotHasProperty => actual.is_none(),
        }
    }
}

/// Orders two values: as numbers or instants where both are, otherwise as text without regard to case.
fn compare(one: &str, other: &str) -> Ordering {
    if let (Ok(one), Ok(other)) = (BigDecimal::from_str(one), BigDecimal::from_str(other)) {
        return one.cmp(&other);
    }
    if let (Some(one), Some(other)) = (parse_ms(one), parse_ms(other)) {
        return one.cmp(&other);
    }
    one.to_lowercase().cmp(&other.to_lowercase())
}

impl Api {
    pub(super) fn search(&self, kind: Kind, request: &Request) -> Result<Reply, Reply> {
        let limits = &self.account.settings().limits;
        if String::from_utf8_lossy(&request.body).chars().count() > limits.search_body {
            return Err(Reply::invalid(format!("The search is longer than {} characters.", limits.search_body)));
        }
        let search: Search = serde_json::from_value(request.json()?)
            .map_err(|error| Reply::invalid(format!("Invalid input JSON: {error}")))?;
        let filters = search.filter_groups.iter().map(|group| group.filters.len());
        if search.filter_groups.len() > 5 || filters.clone().any(|count| count > 6) || filters.sum::<usize>() > 18 {
            return Err(Reply::invalid("A search takes 5 filterGroups of 6 filters, and 18 filters in total."));
        }
        if search.sorts.len() > 1 {
            return Err(Reply::invalid("A search takes one sort."));
        }
        if !(1..=limits.search_page).contains(&search.limit) {
            return Err(Reply::invalid(format!("limit {} is not within 1 and {}.", search.limit, limits.search_page)));
        }
        let offset = match &search.after {
            None => 0,
            Some(after) => after
                .as_str()
                .map_or_else(|| after.as_u64().and_then(|n| usize::try_from(n).ok()), |text| text.parse().ok())
                .ok_or_else(|| Reply::invalid("after is not a cursor of an earlier page."))?,
        };
        if offset.saturating_add(search.limit) > limits.search_results {
            return Err(Reply::invalid(format!("A search reaches no more than {} results.", limits.search_results)));
        }

        let state = self.account.lock();
        let names = search.filter_groups.iter().flat_map(|group| &group.filters).map(|filter| &filter.property_name);
        if let Some(unknown) = names.into_iter().find(|name| !state.defines(kind, name)) {
            return Err(Reply::invalid(format!(
                "There was a problem with the request: no property is called {unknown}."
            )));
        }
        let as_of_ms = match self.faults.lag_ms("search-lag") {
            0 => i64::MAX,
            lag_ms => self.account.now_ms() - lag_ms,
        };
        let found = |record: &Record| {
            let matches = |filter: &Filter| filter.matches(record.value_at(&filter.property_name, as_of_ms));
            search.filter_groups.is_empty()
                || search.filter_groups.iter().any(|group| group.filters.iter().all(matches))
        };
        let indexed = |record: &&Record| record.archived_ms.is_none() && record.created_ms <= as_of_ms && found(record);
        let mut hits: Vec<&Record> =
            state.records.range((kind, 0)..=(kind, i64::MAX)).map(|(_, record)| record).filter(indexed).collect();
        if let Some(sort) = search.sorts.first() {
            let name = sort["propertyName"].as_str().or_else(|| sort.as_str()).unwrap_or("hs_object_id");
            let key = |record: &Record| record.value_at(name, as_of_ms).unwrap_or_default().to_owned();
            hits.sort_by(|one, other| compare(&key(one), &key(other)));
            if sort["direction"] == "DESCENDING" {
                hits.reverse();
            }
        }
        let total = hits.len();
        let wanted = Wanted { properties: search.properties, ..Wanted::default() };
        let portal_id = self.account.settings().portal_id;
        let show = |record: &Record| record.render(&wanted, as_of_ms, portal_id, |name| state.defines(kind, name));
        let page: Vec<Value> = hits.into_iter().skip(offset).take(search.limit).map(show).collect();
        let next = offset + page.len();
        let body = json!({ "total": total, "results": page });
        Ok(Reply::ok(with_paging(body, (next < total).then(|| next.to_string()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_compare_as_what_they_are() {
        assert_eq!(compare("9", "10.50"), Ordering::Less);
        assert_eq!(compare("2026-11-22T10:00:00.000Z", "1795341600000"), Ordering::Equal);
        assert_eq!(compare("Open", "open"), Ordering::Equal);
    }

    #[test]
    fn a_record_without_the_value_only_matches_its_absence() {
        let filter = |operator: &str| -> Filter {
            serde_json::from_value(json!({ "propertyName": "amount", "operator": operator, "value": "5" })).unwrap()
        };
        let matching =
            ["EQ", "NEQ", "GT", "LTE", "HAS_PROPERTY", "NOT_HAS_PROPERTY"].map(|op| filter(op).matches(None));
        assert_eq!(matching, [false, true, false, false, false, true]);
    }
}
