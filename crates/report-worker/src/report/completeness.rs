//! The line at a report's end that says whether it is complete.

use super::build::{Scene, moment};
use crate::domain::record::Kind;

/// `Complete as of …`, or everything that speaks against it.
pub(super) fn completeness(scene: &Scene<'_>) -> String {
    let known = scene.completeness;
    let Some(compared_at) = known.compared_at else {
        return "Not known to be complete: the records that HubSpot had before are still being taken in.".to_owned();
    };
    let compared_at = moment(compared_at, scene);
    if known.is_known(scene.now, scene.rules.zone) {
        return format!("Complete as of {compared_at}, when all records were last compared with HubSpot.");
    }
    let mut doubts = Vec::new();
    if known.is_stale(scene.now, scene.rules.zone) {
        doubts.push(format!("the records could not be compared with HubSpot since {compared_at}"));
    }
    match known.left_different {
        0 => {}
        1 => doubts.push(format!("1 record differed from HubSpot at {compared_at} and was not read again")),
        many => doubts.push(format!("{many} records differed from HubSpot at {compared_at} and were not read again")),
    }
    match known.unread {
        0 => {}
        1 => doubts.push("1 record that HubSpot told of could not be read yet".to_owned()),
        many => doubts.push(format!("{many} records that HubSpot told of could not be read yet")),
    }
    if !known.left_out.is_empty() {
        let kinds: Vec<&str> = known.left_out.iter().copied().map(plural).collect();
        doubts.push(format!("HubSpot does not let Closing Bell read {}", kinds.join(" and ")));
    }
    format!("Not known to be complete: {}.", doubts.join("; "))
}

fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Deal => "deals",
        Kind::Invoice => "invoices",
        Kind::Payment => "payments",
    }
}
