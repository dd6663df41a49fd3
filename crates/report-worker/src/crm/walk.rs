//! Walking all records of a kind in the order of their last modification, for the opening balance and `reconcile`.
//!
//! Each page begins at the last stamp of the page before (`GTE`), not at an offset: a record that is modified during the
//! walk moves to the end, and with offsets everything behind it would move up by one, so that the first record of the
//! next page would be skipped. It also keeps clear of the 10,000 results that one search may list. The price is that
//! records at the border come twice. Offsets are used only inside one millisecond that fills a page.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::{CrmError, Flaw};
use super::limits::Budget;
use super::record::{self, parse_all};
use super::schema::instant;
use super::{Crm, task, wire};
use crate::domain::record::{Kind, Record};

/// How many results HubSpot's search gives at once.
const PAGE: usize = 200;

/// How many results one search can list in all; beyond, HubSpot answers 400.
const REACH: u64 = 10_000;

/// How long after a change HubSpot's search may not show it yet. HubSpot names no time ("a few moments").
pub const INDEX_LAG: SignedDuration = SignedDuration::from_mins(5);

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

/// One page of a walk over what was modified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModifiedPage {
    /// Ids, each with the moment of its last modification. Some may have been on an earlier page.
    pub records: Vec<(i64, Timestamp)>,
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
        let found = self.search(kind, since, None, after.as_deref(), &schema.all).await?;
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

    /// Lists one page of the records of a kind that were last modified from `from` on and before `until`, as ids with
    /// that moment (UTC), oldest first; from the beginning of the slice without a cursor.
    ///
    /// A record that is modified during the walk leaves the slice. Archived records are never listed. What was written
    /// within [`INDEX_LAG`] may be missing, so that the next slice has to begin that much before the end of this one.
    ///
    /// # Errors
    ///
    /// HubSpot did not answer as asked; or more than 10,000 records share one modification time.
    pub async fn modified(
        &self,
        kind: Kind,
        from: Timestamp,
        until: Timestamp,
        after: Option<Cursor>,
    ) -> Result<ModifiedPage, CrmError> {
        let Cursor { since, after } = after.unwrap_or(Cursor { since: Some(from), after: None });
        let since = since.map_or(from, |since| since.max(from));
        let found = self.search(kind, Some(since), Some(until), after.as_deref(), &[STAMP]).await?;
        let mut page = ModifiedPage { records: Vec::with_capacity(found.results.len()), next: None };
        for result in &found.results {
            let id = record::id(result).ok_or(CrmError::Garbled { task: task(kind).words, flaw: Flaw::NoId })?;
            let object: wire::Object =
                serde_json::from_str(result.get()).map_err(|error| CrmError::of_json(task(kind), &error))?;
            let stamp = object.properties.get(STAMP).and_then(|text| instant(text.0.as_deref()?));
            // HubSpot has matched the stamp; where it does not show it, the record counts as modified when the page begins.
            page.records.push((id, stamp.unwrap_or(since)));
        }
        if let Some(after) = wire::after(found.paging) {
            let last = page.records.iter().filter_map(|&(_, stamp)| whole_milliseconds(stamp)).max();
            page.next = Some(cursor_after(kind, last, Some(since), after)?);
        }
        Ok(page)
    }

    /// Makes one search: the records modified from `since` on and before `until`, oldest first.
    async fn search(
        &self,
        kind: Kind,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        after: Option<&str>,
        properties: &[&str],
    ) -> Result<wire::Found, CrmError> {
        let bound = |operator: &str, at: Timestamp| json!({"propertyName": STAMP, "operator": operator, "value": at.as_millisecond().to_string()});
        let filters: Vec<_> =
            [since.map(|at| bound("GTE", at)), until.map(|at| bound("LT", at))].into_iter().flatten().collect();
        let groups = if filters.is_empty() { json!([]) } else { json!([{"filters": filters}]) };
        let mut body = json!({
            "filterGroups": groups,
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

/// What a record was sorted by. Without the property there is none: any other date in its place could lead past records
/// that were not listed yet.
fn stamp(record: &Record) -> Option<Timestamp> {
    whole_milliseconds(instant(record.property(STAMP)?)?)
}

/// A stamp as the search compares it.
fn whole_milliseconds(stamp: Timestamp) -> Option<Timestamp> {
    Timestamp::from_millisecond(stamp.as_millisecond()).ok()
}
