//! Walking all records of a kind in the order of their last modification, for the opening balance and `reconcile`.
//!
//! Each page begins at the last stamp of the page before (`GTE`), not at an offset: a record that is modified during the
//! walk moves to the end, and with offsets everything behind it would move up by one, so that the first record of the
//! next page would be skipped. It also keeps clear of the 10,000 results that one search may list. The price is that
//! records at the border come twice. Offsets are used only inside one millisecond that fills a page.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::{CrmError, Flaw};
use super::limits::Budget;
use super::record::parse_all;
use super::schema::instant;
use super::{Crm, task, wire};
use crate::domain::record::{Kind, Record};

/// How many results HubSpot's search gives at once.
const PAGE: usize = 200;

/// How many results one search can list in all; beyond, HubSpot answers 400.
const REACH: u64 = 10_000;

const STAMP: &str = "hs_lastmodifieddate";

/// A place in a walk, which can be stored and taken up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The modification time from which on records are listed.
    since: Option<Timestamp>,
    /// HubSpot's mark inside a millisecond that fills more than a page.
    after: Option<String>,
}

/// One page of a walk.
#[derive(Debug)]
pub struct Page {
    /// The records, without history and without the names of owner and company. Some may have been on an earlier page.
    pub records: Vec<Record>,
    /// The records that cannot be read, each with its cause.
    pub failed: BTreeMap<i64, String>,
    /// Where the walk goes on; `None` at its end.
    pub next: Option<Cursor>,
}

impl Crm {
    /// Lists one page of a kind's records, oldest modification first; from the beginning without a cursor.
    ///
    /// Archived records are never listed, and what was written moments ago may be missing (HubSpot's page on search).
    ///
    /// # Errors
    ///
    /// HubSpot did not answer as asked; or more than 10,000 records share one modification time.
    pub async fn list(&self, kind: Kind, portal_id: i64, after: Option<Cursor>) -> Result<Page, CrmError> {
        let Cursor { since, after } = after.unwrap_or(Cursor { since: None, after: None });
        let schema = self.schema(kind, &mut 0).await?;
        let found = self.search(kind, since, after.as_deref(), &schema.all).await?;
        let (results, nameless) = parse_all(&found.results, portal_id, kind, &schema);
        if nameless > 0 {
            return Err(CrmError::Garbled { task: task(kind).words, flaw: Flaw::NoId });
        }
        let mut page = Page { records: Vec::new(), failed: BTreeMap::new(), next: None };
        for (id, result) in results {
            match result {
                Ok(record) => page.records.push(record),
                Err(cause) => drop(page.failed.insert(id, cause.to_string())),
            }
        }
        if let Some(after) = wire::after(found.paging) {
            page.next = Some(cursor_after(kind, page.records.iter().filter_map(stamp).max(), since, after)?);
        }
        Ok(page)
    }

    /// Makes one search: the records modified from `since` on, oldest first.
    async fn search(
        &self,
        kind: Kind,
        since: Option<Timestamp>,
        after: Option<&str>,
        properties: &[&str],
    ) -> Result<wire::Found, CrmError> {
        let groups = since.map(|since| {
            let filter = json!({"propertyName": STAMP, "operator": "GTE", "value": since.as_millisecond().to_string()});
            json!({"filters": [filter]})
        });
        let mut body = json!({
            "filterGroups": Vec::from_iter(groups),
            "sorts": [{"propertyName": STAMP, "direction": "ASCENDING"}],
            "properties": properties,
            "limit": PAGE,
        });
        if let Some(after) = after {
            body["after"] = json!(after);
        }
        let path = format!("/crm/objects/{}/{}/search", self.version, kind.type_id());
        self.http.post(task(kind).on(Budget::Search), &path, &body, &mut 0).await
    }
}

/// The place behind a page that has a successor; `last` is the latest stamp on it.
fn cursor_after(
    kind: Kind,
    last: Option<Timestamp>,
    since: Option<Timestamp>,
    after: String,
) -> Result<Cursor, CrmError> {
    match (since, last) {
        (since, Some(last)) if since.is_none_or(|since| since < last) => Ok(Cursor { since: Some(last), after: None }),
        (Some(stamp), _) if after.parse().is_ok_and(|offset: u64| offset >= REACH) => {
            Err(CrmError::TooManyAtOnce { kind, stamp })
        }
        (since, _) => Ok(Cursor { since, after: Some(after) }),
    }
}

/// What a record was sorted by, as the search compares it: in whole milliseconds. Without the property there is none: any
/// other date in its place could lead past records that were not listed yet.
fn stamp(record: &Record) -> Option<Timestamp> {
    Timestamp::from_millisecond(instant(record.property(STAMP)?)?.as_millisecond()).ok()
}
