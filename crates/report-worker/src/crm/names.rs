//! The names of owners, their teams, pipelines and companies, and the invoices of payments, which make a report readable.
//!
//! They are worth a few calls and no more: names are remembered for [`MEMORY`], and where the token may not read them
//! the records go without. What they must not do is fail a reading that succeeded otherwise for good.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::Crm;
use super::error::CrmError;
use super::http::Task;
use super::limits::Budget;
use super::record;
use super::wire::{self, All, Associated, Association, Head, Owner, Owners, Text};
use crate::domain::record::{Answer, Kind, Record};

/// How long a name, and the lack of permission to read names, is remembered.
const MEMORY: SignedDuration = SignedDuration::from_mins(10);

pub(super) const OWNERS: Task = Task::new("read owners", "crm.objects.owners.read");
pub(super) const COMPANIES: Task = Task::new("read companies", "crm.objects.companies.read");
const ASSOCIATIONS: Task =
    Task::new("read the companies of records", "crm.objects.companies.read").on(Budget::Associations);
const INVOICES: Task = Task::new("read the invoices of payments", "crm.objects.invoices.read").on(Budget::Associations);

/// What is remembered of names. Only owners and pipelines are locked while they are asked for: all of them come at once,
/// so that one question serves all readings.
#[derive(Default)]
pub(super) struct Names {
    owners: tokio::sync::Mutex<Remembered<i64, Person>>,
    pipelines: tokio::sync::Mutex<Remembered<String, String>>,
    companies: Mutex<Remembered<i64, String>>,
    refused: Mutex<BTreeMap<&'static str, Timestamp>>,
}

/// What an owner is called, and the primary team.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: Option<String>,
    pub(super) team: Option<String>,
}

/// Names by id, all as old as the oldest and forgotten at once. `None` is an id without a name, so that it is not asked
/// for again.
struct Remembered<K, N> {
    since: Option<Timestamp>,
    names: BTreeMap<K, Option<N>>,
}

impl<K, N> Default for Remembered<K, N> {
    fn default() -> Self {
        Self { since: None, names: BTreeMap::new() }
    }
}

impl<K: Ord, N: Clone> Remembered<K, N> {
    /// The ids that have to be asked for, after forgetting what is too old.
    fn unknown(&mut self, wanted: impl IntoIterator<Item = K>, now: Timestamp) -> BTreeSet<K> {
        if self.since.is_none_or(|since| !is_recent(since, now)) {
            *self = Self { since: Some(now), names: BTreeMap::new() };
        }
        wanted.into_iter().filter(|id| !self.names.contains_key(id)).collect()
    }

    fn learn(&mut self, asked: BTreeSet<K>, names: BTreeMap<K, Option<N>>) {
        self.names.extend(names);
        for id in asked {
            self.names.entry(id).or_insert(None);
        }
    }

    fn name(&self, id: &K) -> Option<N> {
        self.names.get(id).cloned().flatten()
    }
}

fn is_recent(since: Timestamp, now: Timestamp) -> bool {
    let age = now.duration_since(since);
    !age.is_negative() && age < MEMORY
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Names {
    fn may_ask(&self, task: Task, now: Timestamp) -> bool {
        lock(&self.refused).get(task.words).is_none_or(|&since| !is_recent(since, now))
    }

    /// Lets a transient error through, so that the records are read again, and turns a permanent one into no names. It
    /// is logged when it is new.
    fn or_none<T: Default>(&self, task: Task, now: Timestamp, result: Result<T, CrmError>) -> Result<T, CrmError> {
        match result {
            Ok(names) => {
                lock(&self.refused).remove(task.words);
                Ok(names)
            }
            Err(error) if error.is_transient() => Err(error),
            Err(error) => {
                if lock(&self.refused).insert(task.words, now).is_none() {
                    tracing::warn!(scope = task.scope, %error, "reports will lack some names of owners, teams, pipelines or companies");
                }
                Ok(T::default())
            }
        }
    }
}

impl Crm {
    /// Fills in the owners with their teams, the pipelines and the companies of the records that were found, and for
    /// payments the invoices.
    pub(super) async fn fill_names(
        &self,
        kind: Kind,
        answers: &mut BTreeMap<i64, Answer>,
        now: Timestamp,
        calls: &mut u32,
    ) -> Result<(), CrmError> {
        let mut records: Vec<&mut Record> = answers
            .values_mut()
            .filter_map(|answer| if let Answer::Found(record) = answer { Some(record) } else { None })
            .collect();
        let names = &self.names;
        {
            let mut known = names.owners.lock().await;
            let unknown = known.unknown(records.iter().filter_map(|record| owner_id(record)), now);
            if !unknown.is_empty() && names.may_ask(OWNERS, now) {
                let owners = names.or_none(OWNERS, now, self.owners(calls).await)?;
                known.learn(unknown, owners);
            }
            for record in &mut records {
                let Person { name, team } = owner_id(record).and_then(|id| known.name(&id)).unwrap_or_default();
                (record.owner, record.team) = (name, team);
            }
        }
        {
            let pipeline = |record: &Record| record.property("pipeline").map(str::to_owned);
            let mut known = names.pipelines.lock().await;
            let unknown = known.unknown(records.iter().filter_map(|record| pipeline(record)), now);
            if !unknown.is_empty() && names.may_ask(Self::PIPELINES, now) {
                let pipelines = names.or_none(Self::PIPELINES, now, self.pipelines(calls).await)?;
                known.learn(unknown, pipelines.into_iter().map(|it| (it.id, it.label.0)).collect());
            }
            for record in &mut records {
                record.pipeline = pipeline(record).and_then(|id| known.name(&id));
            }
        }

        // An archived record has no associations any more.
        let live: Vec<i64> =
            records.iter().filter(|record| record.archived_at.is_none()).map(|record| record.key.id).collect();
        let (task, to) =
            if kind == Kind::Payment { (INVOICES, Kind::Invoice.type_id()) } else { (ASSOCIATIONS, "0-2") };
        let mut associated = BTreeMap::new();
        if !live.is_empty() && names.may_ask(task, now) {
            associated = names.or_none(task, now, self.associated(task, kind, to, &live, calls).await)?;
        }
        if kind == Kind::Payment {
            // Whom a payment is from is known by its invoice.
            for record in &mut records {
                record.invoice = associated.get(&record.key.id).copied();
            }
            return Ok(());
        }
        let company_of = associated;
        let unknown = lock(&names.companies).unknown(company_of.values().copied(), now);
        if !unknown.is_empty() && names.may_ask(COMPANIES, now) {
            let companies = names.or_none(COMPANIES, now, self.companies(&unknown, calls).await)?;
            lock(&names.companies).learn(unknown, companies);
        }
        let known = lock(&names.companies);
        for record in &mut records {
            let company = company_of.get(&record.key.id).and_then(|id| known.name(id));
            record.company = company.or_else(|| record.property("hs_invoice_latest_company_name").map(str::to_owned));
        }
        Ok(())
    }

    /// All owners, former staff included, who are only listed as archived.
    async fn owners(&self, calls: &mut u32) -> Result<BTreeMap<i64, Option<Person>>, CrmError> {
        let mut names = BTreeMap::new();
        for archived in [true, false] {
            let mut seen = BTreeSet::new();
            let mut after = String::new();
            // A mark that comes twice would lead round in a circle.
            while seen.insert(after.clone()) {
                let path = format!("/crm/owners/{}?{}", self.version, owners_query(archived, &after));
                let page: Owners = self.http.get(OWNERS, &path, calls).await?;
                names.extend(page.results.into_iter().map(|owner| (owner.id.0, Some(person(owner)))));
                match wire::after(page.paging) {
                    Some(next) => after = next,
                    None => break,
                }
            }
        }
        Ok(names)
    }

    /// For each record that is associated with any of the other type, the one that matters most.
    async fn associated(
        &self,
        task: Task,
        kind: Kind,
        to: &str,
        ids: &[i64],
        calls: &mut u32,
    ) -> Result<BTreeMap<i64, i64>, CrmError> {
        let path = format!("/crm/associations/{}/{}/{to}/batch/read", self.version, kind.type_id());
        let mut associated = BTreeMap::new();
        for chunk in ids.chunks(1000) {
            let body = json!({ "inputs": inputs(chunk) });
            let batch: All<Associated> = self.http.post(task, &path, &body, calls).await?;
            associated.extend(batch.results.into_iter().filter_map(|Associated { from: Head { id }, to }| {
                let first = to.iter().min_by_key(|to| (rank(kind, to), to.to_object_id.0))?;
                Some((id.0, first.to_object_id.0))
            }));
        }
        Ok(associated)
    }

    async fn companies(&self, ids: &BTreeSet<i64>, calls: &mut u32) -> Result<BTreeMap<i64, Option<String>>, CrmError> {
        let path = format!("/crm/objects/{}/0-2/batch/read", self.version);
        let ids: Vec<i64> = ids.iter().copied().collect();
        let mut names = BTreeMap::new();
        for chunk in ids.chunks(100) {
            let body = json!({ "inputs": inputs(chunk), "properties": ["name"], "propertiesWithHistory": [] });
            let batch: wire::Batch = self.http.post(COMPANIES, &path, &body, calls).await?;
            names.extend(batch.results.iter().filter_map(|result| {
                let company: wire::Object = serde_json::from_str(result.get()).ok()?;
                Some((record::id(result)?, company.properties.get("name").and_then(|Text(name)| name.clone())))
            }));
        }
        Ok(names)
    }
}

pub(super) fn owners_query(archived: bool, after: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", "100").append_pair("archived", if archived { "true" } else { "false" });
    if !after.is_empty() {
        query.append_pair("after", after);
    }
    query.finish()
}

/// How a batch names its ids.
pub(super) fn inputs(ids: &[i64]) -> Value {
    ids.iter().map(|id| json!({"id": id.to_string()})).collect()
}

fn owner_id(record: &Record) -> Option<i64> {
    record.property("hubspot_owner_id")?.parse().ok()
}

pub(super) fn person(owner: Owner) -> Person {
    let parts: Vec<String> = [owner.first_name.0, owner.last_name.0].into_iter().flatten().collect();
    let name = parts.join(" ").trim().to_owned();
    let primary = owner.teams.into_iter().flatten().find(|team| team.primary.0.as_deref() == Some("true"));
    Person {
        name: if name.is_empty() { owner.email.0 } else { Some(name) },
        team: primary.and_then(|team| team.name.0),
    }
}

/// The place of a company or invoice among several: the primary one first. Source: HubSpot's list of association type
/// ids.
fn rank(kind: Kind, association: &Association) -> usize {
    let preferred: &[i64] = match kind {
        Kind::Deal => &[5, 341],
        Kind::Invoice => &[179],
        Kind::Payment => &[542],
    };
    let ranks = association.association_types.iter().filter_map(|it| {
        // An account's own labels have type ids of their own numbering.
        let own = it.category.0.as_deref().is_some_and(|category| category != "HUBSPOT_DEFINED");
        preferred.iter().position(|&type_id| type_id == it.type_id && !own)
    });
    ranks.min().unwrap_or(preferred.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_called_by_name_else_by_address() {
        for (owner, expected) in [
            (json!({"id": "1", "firstName": "Ada", "lastName": "Byron", "email": "a@example.com"}), Some("Ada Byron")),
            (json!({"id": "1", "firstName": "", "lastName": "Byron"}), Some("Byron")),
            (json!({"id": 1, "firstName": null, "lastName": " ", "email": "a@example.com"}), Some("a@example.com")),
            (json!({"id": "1"}), None),
        ] {
            assert_eq!(person(serde_json::from_str(&owner.to_string()).unwrap()).name.as_deref(), expected);
        }
    }

    #[test]
    fn an_owner_is_of_the_primary_team() {
        for (teams, expected) in [
            (
                json!([{"id": "7", "name": "DACH", "primary": false}, {"id": "8", "name": "Key", "primary": true}]),
                Some("Key"),
            ),
            (json!([{"id": "7", "name": "DACH", "primary": false}]), None),
            (json!([{"id": "8", "name": null, "primary": true}]), None),
            (json!([]), None),
            (json!(null), None),
        ] {
            let owner = json!({"id": "1", "teams": teams});
            assert_eq!(person(serde_json::from_str(&owner.to_string()).unwrap()).team.as_deref(), expected);
        }
    }

    #[test]
    fn the_primary_company_comes_first() {
        let rank = |types: Value| {
            let association = json!({"toObjectId": 7, "associationTypes": types});
            rank(Kind::Deal, &serde_json::from_str(&association.to_string()).unwrap())
        };
        let primary = rank(json!([{"typeId": 341}, {"typeId": 5, "category": "HUBSPOT_DEFINED"}]));
        let plain = rank(json!([{"typeId": 341, "category": "HUBSPOT_DEFINED"}]));
        let own = rank(json!([{"typeId": 5, "category": "USER_DEFINED"}]));
        assert!(primary < plain && plain < own && own == rank(json!([])));
    }

    #[test]
    fn a_name_is_remembered_for_ten_minutes() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let mut names = Remembered::<i64, String>::default();
        assert_eq!(names.unknown([1, 2], at(1000)), [1, 2].into());
        names.learn([1, 2].into(), [(1, Some("Ada".into()))].into());
        assert_eq!(names.unknown([1, 2, 3], at(1599)), [3].into());
        assert_eq!(names.unknown([1], at(1600)), [1].into());
        names.learn([1].into(), BTreeMap::new());
        assert_eq!(names.unknown([1], at(1000)), [1].into(), "a clock that was set back forgets");
    }
}
