//! Reading records: in batches, one by one, page by page, and whom they are associated with.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::Reply;
use super::{Api, Request};
use crate::account::{Kind, Record, State, Wanted, association_types};
use crate::clock::iso;

/// Most pages of a list hold this many records.
const LIST_PAGE: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchRead {
    inputs: Vec<Input>,
    #[serde(default)]
    properties: Vec<String>,
    #[serde(default)]
    properties_with_history: Vec<String>,
}

/// HubSpot writes ids as text.
#[derive(Debug, Deserialize)]
struct Input {
    id: String,
}

impl Api {
    pub(super) fn batch_read(&self, kind: Kind, request: &Request) -> Result<Reply, Reply> {
        let asked: BatchRead = serde_json::from_value(request.json()?)
            .map_err(|error| Reply::invalid(format!("Invalid input JSON: {error}")))?;
        let limits = &self.account.settings().limits;
        let (most, why) = match asked.properties_with_history.is_empty() {
            true => (limits.batch, ""),
            false => (limits.batch_with_history, " when propertiesWithHistory is set"),
        };
        if asked.inputs.len() > most {
            return Err(Reply::invalid(format!(
                "No more than {most} objects can be read at once{why}; {} were asked for.",
                asked.inputs.len()
            )));
        }
        let wanted = Wanted {
            properties: asked.properties,
            history: asked.properties_with_history,
            without_nulls: self.faults.take("absent-nulls").is_some(),
        };
        let (now_ms, state) = (self.account.now_ms(), self.account.lock());
        let oldest = state.records.range((kind, 0)..=(kind, i64::MAX)).next().map(|((_, id), _)| id.to_string());
        if asked.inputs.iter().any(|input| Some(&input.id) == oldest.as_ref())
            && self.faults.take("poisoned-record").is_some()
        {
            return Err(Reply::error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "SERVER_ERROR",
                "Something went wrong on our side.",
            ));
        }
        let (mut seen, mut results, mut missing) = (BTreeSet::new(), Vec::new(), Vec::new());
        for Input { id } in &asked.inputs {
            match self
                .visible(&state, kind, id, now_ms)
                .filter(|record| record.archived_ms.is_some() == request.wants_archived())
            {
                Some(record) if seen.insert(record.id) => results.push(self.show(&state, record, &wanted, now_ms)),
                Some(_) => {}
                None => missing.push(id.clone()),
            }
        }
        let mut errors = Vec::new();
        if !results.is_empty() && self.faults.take("partial-read").is_some() {
            let left_out = results.swap_remove(fastrand::usize(..results.len()));
            errors.push(json!({
                "status": "error",
                "category": "INTERNAL_ERROR",
                "message": format!("Could not read this {} at the moment.", kind.singular()),
                "context": { "ids": [left_out["id"]] },
            }));
        }
        if !missing.is_empty() {
            errors.push(json!({
                "status": "error",
                "category": "OBJECT_NOT_FOUND",
                "message": format!("Could not get some {} objects, they may be deleted or not exist. Check that ids are valid.", kind.singular()),
                "context": { "ids": missing },
            }));
        }
        if self.faults.take("shuffled-results").is_some() {
            results.reverse();
        }
        let multi_status = match errors.is_empty() {
            false if self.faults.take("partial-207").is_some() => true,
            false if self.faults.take("errors-in-200").is_some() => false,
            _ => request.version.has_multi_status(),
        };
        Ok(Reply::batch(results, errors, multi_status, &iso(now_ms)))
    }

    pub(super) fn object(&self, kind: Kind, id: &str, request: &Request) -> Result<Reply, Reply> {
        let wanted = self.wanted(request);
        let (now_ms, state) = (self.account.now_ms(), self.account.lock());
        let record = self
            .visible(&state, kind, id, now_ms)
            .filter(|record| record.archived_ms.is_some() == request.wants_archived());
        let record = record.ok_or_else(|| Reply::not_found(format!("The {} {id} is not found.", kind.singular())))?;
        Ok(Reply::ok(self.show(&state, record, &wanted, now_ms)))
    }

    pub(super) fn list(&self, kind: Kind, request: &Request) -> Result<Reply, Reply> {
        let limit = request.limit(10, LIST_PAGE)?;
        let after = request.query.get("after").map_or(Ok(0), |text| text.parse::<i64>());
        let after = after.map_err(|_| Reply::invalid("after is not a cursor of an earlier page."))?;
        let wanted = self.wanted(request);
        let (now_ms, state) = (self.account.now_ms(), self.account.lock());
        let mut rest =
            state.records.range((kind, after)..=(kind, i64::MAX)).map(|(_, record)| record).filter(|record| {
                record.archived_ms.is_some() == request.wants_archived() && self.is_found(record, now_ms)
            });
        let page: Vec<Value> =
            rest.by_ref().take(limit).map(|record| self.show(&state, record, &wanted, now_ms)).collect();
        let next = rest.next().map(|record| record.id.to_string());
        Ok(Reply::ok(with_paging(json!({ "results": page }), next)))
    }

    pub(super) fn associations(&self, from: Kind, to: Kind, request: &Request) -> Result<Reply, Reply> {
        let asked: BatchRead = serde_json::from_value(request.json()?)
            .map_err(|error| Reply::invalid(format!("Invalid input JSON: {error}")))?;
        let most = self.account.settings().limits.association_batch;
        if asked.inputs.len() > most {
            return Err(Reply::invalid(format!(
                "No more than {most} inputs can be read at once; {} were given.",
                asked.inputs.len()
            )));
        }
        let types = association_types(from, to)
            .ok_or_else(|| Reply::invalid(format!("No association leads from {} to {}.", from.path(), to.path())))?;
        let (now, state) = (iso(self.account.now_ms()), self.account.lock());
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        for Input { id } in &asked.inputs {
            let record = id.parse().ok().and_then(|id| state.resolve(from, id));
            let linked = record.and_then(|record| state.associations.get(&(from, record.id, to)));
            let Some(linked) = linked.filter(|ids| !ids.is_empty()) else {
                errors.push(json!({
                    "status": "error",
                    "category": "OBJECT_NOT_FOUND",
                    "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                    "message": format!("No {} is associated with {} {id}.", to.singular(), from.singular()),
                    "context": { "fromObjectId": [id], "fromObjectType": [from.singular()], "toObjectType": [to.singular()] },
                }));
                continue;
            };
            // Only the first company is the primary one.
            let to = linked.iter().enumerate().map(|(at, id)| {
                let types = if at == 0 { types } else { &types[types.len() - 1..] };
                let primary = |index| (types.len() == 2 && index == 0).then_some("Primary");
                let types = types.iter().enumerate().map(|(index, type_id)| {
                    json!({ "category": "HUBSPOT_DEFINED", "typeId": type_id, "label": primary(index) })
                });
                json!({ "toObjectId": id, "associationTypes": types.collect::<Vec<_>>() })
            });
            results.push(json!({ "from": { "id": id }, "to": to.collect::<Vec<_>>() }));
        }
        // Unlike reads of records, this call answers 207 in every version.
        Ok(Reply::batch(results, errors, true, &now))
    }

    /// What the query of a single read or a list asks for.
    fn wanted(&self, request: &Request) -> Wanted {
        let names = |key: &str| {
            let text = request.query.get(key).map_or("", String::as_str);
            text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        Wanted {
            properties: names("properties"),
            history: names("propertiesWithHistory"),
            without_nulls: self.faults.take("absent-nulls").is_some(),
        }
    }

    fn visible<'a>(&self, state: &'a State, kind: Kind, id: &str, now_ms: i64) -> Option<&'a Record> {
        state.resolve(kind, id.parse().ok()?).filter(|record| self.is_found(record, now_ms))
    }

    fn is_found(&self, record: &Record, now_ms: i64) -> bool {
        let late_ms = self.faults.lag_ms("late-record");
        late_ms == 0 || record.created_ms + late_ms <= now_ms
    }

    /// A record as reads show it now, or as it was a moment ago.
    fn show(&self, state: &State, record: &Record, wanted: &Wanted, now_ms: i64) -> Value {
        let as_of_ms = match self.faults.lag_ms("stale-reads") {
            0 => i64::MAX,
            lag_ms => (now_ms - lag_ms).max(record.created_ms),
        };
        let defined = |name: &str| state.defines(record.kind, name);
        record.render(wanted, as_of_ms, self.account.settings().portal_id, defined)
    }
}

/// Adds the cursor of the next page, if there is one.
pub(super) fn with_paging(mut body: Value, after: Option<String>) -> Value {
    if let Some(after) = after {
        body["paging"] = json!({ "next": { "after": after } });
    }
    body
}
