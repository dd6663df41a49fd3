//! The table of cases, one file a group. A case's `why` fits into a line of the printed table.

pub(super) mod body;
mod headers;
mod signature;
mod timestamp;
mod url;

use super::delivery::Change;
use super::{Case, Expected, Posted};

/// Every case with its group, in the order of the table. The first one is a plain, right delivery. A case that asks for a
/// URL other than `signed_url` is left out where that URL has no such other form.
pub(super) fn all(signed_url: &str, now_ms: i64) -> impl Iterator<Item = (&'static str, Case)> {
    let groups = [
        ("versions", signature::versions()),
        ("body", body::cases(now_ms)),
        ("headers", headers::cases()),
        ("timestamp", timestamp::cases()),
        ("media type", body::media_types()),
        ("query", url::query()),
        ("method", url::method()),
        ("URL", url::other_url()),
        ("tampering", signature::tampering()),
        ("repeats", repeats()),
    ];
    let is_the_same = |change: &Change| matches!(change, Change::SignedUrl(other) if other(signed_url) == signed_url);
    let has_a_point = |case: &Case| !case.changes.iter().any(is_the_same);
    let named = groups.into_iter().flat_map(|(group, cases)| cases.into_iter().map(move |case| (group, case)));
    named.filter(|(_, case)| has_a_point(case)).collect::<Vec<_>>().into_iter()
}

/// HubSpot repeats what it has no answer for, and has up to ten requests in flight.
fn repeats() -> Vec<Case> {
    let repeat = |name, why, posted| Case { posted, ..accept(name, why, []) };
    vec![
        repeat("repeat-same-delivery", "HubSpot repeats; the body alone tells no replay", Posted::InTurn(2)),
        repeat("repeat-ten-at-once", "HubSpot has 10 requests in flight", Posted::AtOnce(10)),
    ]
}

fn accept(name: impl Into<String>, why: &'static str, changes: impl Into<Vec<Change>>) -> Case {
    case(name, Expected::Accepted, why, changes)
}

fn refuse(name: impl Into<String>, why: &'static str, changes: impl Into<Vec<Change>>) -> Case {
    case(name, Expected::Refused, why, changes)
}

fn case(name: impl Into<String>, expected: Expected, why: &'static str, changes: impl Into<Vec<Change>>) -> Case {
    Case { name: name.into(), expected, why, posted: Posted::Once, changes: changes.into() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::conformance::delivery::request;
    use crate::conformance::table::NAME_COLUMNS;

    const URL: &str = "https://bell.example.com/webhooks/hubspot";
    /// What is left of a line of 100 columns.
    const WHY_COLUMNS: usize = 100 - "  FAIL  silence    ".len() - NAME_COLUMNS;
    const NOW_MS: i64 = 1_795_341_600_000;

    #[test]
    fn names_are_unique_and_everything_fits_into_the_table() {
        let mut names = BTreeSet::new();
        for (_, case) in all(URL, NOW_MS) {
            assert!(names.insert(case.name.clone()), "{} comes twice", case.name);
            let is_kebab = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(case.name.bytes().all(is_kebab), "{}", case.name);
            assert!(case.name.len() <= NAME_COLUMNS, "{}: {}", case.name, case.name.len());
            assert!(case.why.chars().count() <= WHY_COLUMNS, "{}: {}", case.name, case.why.chars().count());
        }
        assert!(names.len() > 150, "{}", names.len());
    }

    /// Without this, a case whose change does nothing would pass by being a right delivery.
    #[test]
    fn every_case_is_another_request() {
        let target = URL.parse().unwrap();
        let mut seen = BTreeSet::new();
        for (_, case) in all(URL, NOW_MS).filter(|(_, case)| case.posted == Posted::Once) {
            // The ids of event and request, which are else another one each time.
            fastrand::seed(7);
            let request = request(&target, URL, "secret", &case.changes, NOW_MS);
            assert!(seen.insert(request), "{} is the same request as a case before it", case.name);
        }
    }

    #[test]
    fn a_url_that_has_no_other_form_is_not_asked_for_it() {
        let names = |url| all(url, NOW_MS).map(|(_, case)| case.name).collect::<BTreeSet<_>>();
        let only = |one, other| names(one).difference(&names(other)).cloned().collect::<Vec<_>>();
        assert_eq!(only(URL, "https://bell.example.com/7/"), ["url-path-upper-case"]);
        assert_eq!(only(URL, "http://bell.example.com/x"), ["signed-for-http", "url-http-for-https"]);
    }
}
