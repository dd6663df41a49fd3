//! The account: its records, and what people do to them. Every write keeps history and tells the subscribers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use bigdecimal::BigDecimal;
use std::str::FromStr;

use self::directory::Directory;
pub use self::directory::{Owner, Pipeline, Stage, Team};
pub use self::kind::Kind;
pub(crate) use self::kind::association_types;
pub use self::property::Property;
pub(crate) use self::record::{Record, Wanted};
use crate::Settings;
use crate::clock::{Clock, iso, parse_ms};
use crate::events::{Event, Source};
use crate::outbox::Outbox;

mod directory;
mod kind;
mod property;
mod record;

/// A handle on the simulated account; its clones are the same account.
#[derive(Debug, Clone)]
pub struct Account {
    shared: Arc<Shared>,
    /// Writes happen at this moment and nobody hears of them; none is now.
    past_ms: Option<i64>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    outbox: Arc<Outbox>,
    state: Mutex<State>,
}

/// Everything that the account holds.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) records: BTreeMap<(Kind, i64), Record>,
    /// From a loser to its winner.
    merged: HashMap<(Kind, i64), i64>,
    /// Who is associated with whom, in both directions.
    pub(crate) associations: BTreeMap<(Kind, i64, Kind), Vec<i64>>,
    names: HashMap<(Kind, String), i64>,
    pub(crate) denied: BTreeSet<String>,
    /// What a call has to show.
    pub(crate) access_token: String,
    pub(crate) directory: Directory,
    pub(crate) properties: BTreeMap<Kind, Vec<Property>>,
    next_id: i64,
}

impl State {
    /// The record behind an id; the id of a merged-away record leads to the winner.
    pub(crate) fn resolve(&self, kind: Kind, id: i64) -> Option<&Record> {
        self.records.get(&(kind, self.survivor(kind, id)))
    }

    fn survivor(&self, kind: Kind, mut id: i64) -> i64 {
        while let Some(winner) = self.merged.get(&(kind, id)) {
            id = *winner;
        }
        id
    }

    pub(crate) fn defines(&self, kind: Kind, name: &str) -> bool {
        self.properties[&kind].iter().any(|property| property.name == name)
    }

    fn record(&mut self, kind: Kind, id: i64) -> &mut Record {
        let id = self.survivor(kind, id);
        self.records.get_mut(&(kind, id)).unwrap_or_else(|| panic!("the account has no {} {id}", kind.singular()))
    }

    /// Brings what HubSpot calculates up to date, and the stamp of the last change.
    fn settle(&mut self, kind: Kind, id: i64, at_ms: i64) {
        let record = &self.records[&(kind, id)];
        let value = |name: &str| record.value(name).map(str::to_owned);
        let calculated = property::calculate(kind, value, &self.directory, at_ms);
        let record = self.record(kind, id);
        for (name, value) in calculated {
            record.write(name, &value, at_ms, None);
        }
        record.write("hs_lastmodifieddate", &iso(at_ms), at_ms, None);
    }
}

impl Account {
    pub(crate) fn new(settings: Settings, outbox: Arc<Outbox>) -> Self {
        let state = State {
            records: BTreeMap::new(),
            merged: HashMap::new(),
            associations: BTreeMap::new(),
            names: HashMap::new(),
            denied: BTreeSet::new(),
            access_token: settings.access_token.clone(),
            directory: Directory::new(&settings.company_currency, &settings.additional_currencies),
            properties: Kind::ALL.into_iter().map(|kind| (kind, property::catalogue(kind))).collect(),
            // Ids do not fit into 32 bits: a program that thinks otherwise shall find out here.
            next_id: 332_507_367_000,
        };
        Self { shared: Arc::new(Shared { settings, outbox, state: Mutex::new(state) }), past_ms: None }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// The account's clock, epoch milliseconds UTC.
    pub fn now_ms(&self) -> i64 {
        self.clock().now_ms()
    }

    fn clock(&self) -> &Clock {
        &self.shared.settings.clock
    }

    /// The same account, for writing what happened at `at_ms` (epoch milliseconds UTC), before the app was installed:
    /// nobody hears of it.
    #[must_use]
    pub fn in_the_past(&self, at_ms: i64) -> Self {
        Self { past_ms: Some(at_ms), ..self.clone() }
    }

    fn at_ms(&self) -> i64 {
        self.past_ms.unwrap_or_else(|| self.now_ms())
    }

    /// The moment of a write to a record that exists: no two writes share one, so that a stale read shows a write whole or
    /// not at all, with the stamp that belongs to it.
    fn next_ms(&self, state: &mut State, kind: Kind, id: i64) -> i64 {
        self.at_ms().max(state.record(kind, id).last_write_ms() + 1)
    }

    /// Queues what the subscribers hear of a write.
    fn tell(&self, at_ms: i64, user_id: i64, events: impl FnOnce(&Source<'_>) -> Vec<Event>) {
        if self.past_ms.is_some() {
            return;
        }
        let settings = self.settings();
        self.shared.outbox.push(events(&Source {
            portal_id: settings.portal_id,
            app_id: settings.app_id,
            shape: settings.event_shape,
            subscriptions: &settings.subscriptions,
            user_id,
            at_ms,
        }));
    }

    /// Creates a record with HubSpot's defaults for what is not given, and answers with its id. A value that is a date or
    /// an instant is ISO 8601 or epoch milliseconds.
    ///
    /// # Panics
    /// When the account does not define a property.
    pub fn create(&self, kind: Kind, properties: &[(&str, &str)]) -> i64 {
        let at_ms = self.at_ms();
        let mut state = self.lock();
        state.next_id += fastrand::i64(1..40);
        let id = state.next_id;
        let mut record = Record::new(kind, id, at_ms);
        record.write("hs_object_id", &id.to_string(), at_ms, None);
        record.write(kind.created_property(), &iso(at_ms), at_ms, None);
        state.records.insert((kind, id), record);
        let home = self.settings().company_currency.clone();
        let (today, number) =
            (iso(at_ms), format!("INV-{}", 1000 + state.records.range((kind, 0)..=(kind, id)).count()));
        let defaults: &[(&str, &str)] = match kind {
            Kind::Deal => {
                &[("pipeline", "default"), ("dealstage", "appointmentscheduled"), ("deal_currency_code", home.as_str())]
            }
            Kind::Invoice => &[
                ("hs_number", number.as_str()),
                ("hs_invoice_status", "draft"),
                ("hs_currency", home.as_str()),
                ("hs_invoice_date", today.as_str()),
                ("hs_amount_paid", "0"),
                ("hs_invoice_billable", "true"),
            ],
            Kind::Payment => &[
                ("hs_latest_status", "succeeded"),
                ("hs_currency_code", home.as_str()),
                ("hs_initiated_date", today.as_str()),
                ("hs_fees_amount", "0"),
                ("hs_refunds_amount", "0"),
            ],
            Kind::Company => &[],
        };
        let missing = defaults.iter().filter(|(name, _)| !properties.iter().any(|(given, _)| given == name));
        let given: Vec<_> = properties.iter().chain(missing).copied().collect();
        let (changed, user_id) = self.write(&mut state, kind, id, &given, at_ms);
        drop(state);
        self.tell(at_ms, user_id, |source| source.creation(kind, id, &changed));
        id
    }

    /// Changes a record; `""` clears a property. A deal that closes gets its close date from HubSpot if none is given.
    ///
    /// # Panics
    /// When there is no such record, or the account does not define a property.
    pub fn set(&self, kind: Kind, id: i64, properties: &[(&str, &str)]) {
        let mut state = self.lock();
        let id = state.survivor(kind, id);
        let at_ms = self.next_ms(&mut state, kind, id);
        let (changed, user_id) = self.write(&mut state, kind, id, properties, at_ms);
        drop(state);
        self.tell(at_ms, user_id, |source| source.changes(kind, id, &changed));
    }

    /// Writes values, and answers with those that changed and the user who changed them.
    fn write(
        &self,
        state: &mut State,
        kind: Kind,
        id: i64,
        properties: &[(&str, &str)],
        at_ms: i64,
    ) -> (Vec<(String, String)>, i64) {
        let now = iso(at_ms);
        let mut given = properties.to_vec();
        let stage = |state: &State, id: &str| state.directory.stage(id).is_some_and(|stage| stage.closed);
        let was_closed = state.record(kind, id).value("hs_is_closed") == Some("true");
        let closes = given.iter().any(|(name, value)| *name == "dealstage" && stage(state, value)) && !was_closed;
        if closes && !given.iter().any(|(name, _)| *name == "closedate") {
            given.push(("closedate", &now));
        }
        let owner = given.iter().find(|(name, _)| *name == "hubspot_owner_id").map(|(_, id)| *id);
        let owner = owner.or_else(|| state.records[&(kind, id)].value("hubspot_owner_id"));
        let user_id = state.directory.user_of(owner);
        let mut changed = Vec::new();
        for (name, value) in given {
            let definition = state.properties[&kind].iter().find(|property| property.name == name);
            let definition = definition.unwrap_or_else(|| panic!("{} have no property {name}", kind.path()));
            let is_instant = definition.data_type == "datetime";
            let value = parse_ms(value).filter(|_| is_instant).map_or_else(|| value.to_owned(), iso);
            if state.record(kind, id).write(name, &value, at_ms, Some(user_id)) {
                if name == kind.name_property() {
                    state.names.insert((kind, value.clone()), id);
                }
                changed.push((name.to_owned(), value));
            }
        }
        if !changed.is_empty() {
            state.settle(kind, id, at_ms);
        }
        (changed, user_id)
    }

    /// Merges `loser` into `winner`: its id answers with the winner from now on, and the winner takes what it lacks.
    ///
    /// # Panics
    /// When one of the records does not exist, or both are the same.
    pub fn merge(&self, kind: Kind, winner: i64, loser: i64) {
        let mut state = self.lock();
        let (winner, loser) = (state.survivor(kind, winner), state.survivor(kind, loser));
        assert_ne!(winner, loser, "a record cannot be merged with itself");
        let at_ms = self.next_ms(&mut state, kind, winner);
        let gone =
            state.records.remove(&(kind, loser)).unwrap_or_else(|| panic!("there is no {} {loser}", kind.singular()));
        state.merged.insert((kind, loser), winner);
        let kept = state.record(kind, winner);
        let merged_ids = match kept.value("hs_merged_object_ids") {
            Some(earlier) => format!("{earlier};{loser}"),
            None => loser.to_string(),
        };
        let missing: Vec<_> = gone.values().filter(|(name, _)| kept.value(name).is_none()).collect();
        for (name, value) in &missing {
            kept.write(name, value, at_ms, None);
        }
        kept.write("hs_merged_object_ids", &merged_ids, at_ms, None);
        state.settle(kind, winner, at_ms);
        let moved: Vec<_> = state
            .associations
            .range((kind, loser, Kind::Deal)..=(kind, loser, Kind::Company))
            .map(|(key, ids)| (key.2, ids.clone()))
            .collect();
        for (other, ids) in moved {
            state.associations.remove(&(kind, loser, other));
            for id in ids {
                let back = state.associations.entry((other, id, kind)).or_default();
                back.retain(|id| *id != loser);
                link(&mut state, (kind, winner), (other, id));
            }
        }
        let user_id = state.directory.user_of(state.records[&(kind, winner)].value("hubspot_owner_id"));
        drop(state);
        self.tell(at_ms, user_id, |source| source.merge(kind, winner, loser, missing.len()));
    }

    /// Moves a record to the recycling bin.
    ///
    /// # Panics
    /// When there is no such record.
    pub fn archive(&self, kind: Kind, id: i64) {
        let at_ms = self.at_ms();
        let mut state = self.lock();
        let record = state.record(kind, id);
        let id = record.id;
        record.archived_ms = Some(at_ms);
        drop(state);
        self.tell(at_ms, 0, |source| source.deletion(kind, id));
    }

    /// Takes a record out of the recycling bin.
    ///
    /// # Panics
    /// When there is no such record.
    pub fn restore(&self, kind: Kind, id: i64) {
        let at_ms = self.at_ms();
        let mut state = self.lock();
        let record = state.record(kind, id);
        let id = record.id;
        record.archived_ms = None;
        drop(state);
        self.tell(at_ms, 0, |source| source.restore(kind, id));
    }

    /// Deletes a record for good: from now on it is not found, archived or not.
    pub fn delete_for_good(&self, kind: Kind, id: i64) {
        let at_ms = self.at_ms();
        let removed = self.lock().records.remove(&(kind, id));
        if removed.is_some_and(|record| record.archived_ms.is_none()) {
            self.tell(at_ms, 0, |source| source.deletion(kind, id));
        }
    }

    /// Associates two records, in both directions.
    ///
    /// # Panics
    /// When HubSpot has no such association.
    pub fn associate(&self, from: Kind, from_id: i64, to: Kind, to_id: i64) {
        let types = [(from, to), (to, from)].map(|(from, to)| {
            let types = association_types(from, to);
            *types.and_then(<[u32]>::last).unwrap_or_else(|| panic!("no association leads from {from:?} to {to:?}"))
        });
        let at_ms = self.at_ms();
        let mut state = self.lock();
        link(&mut state, (from, from_id), (to, to_id));
        if from == Kind::Invoice && to == Kind::Company {
            let name = state.record(to, to_id).value("name").unwrap_or_default().to_owned();
            state.record(from, from_id).write("hs_invoice_latest_company_name", &name, at_ms, None);
        }
        drop(state);
        self.tell(at_ms, 0, |source| source.association((from, from_id), (to, to_id), types));
    }

    /// A customer pays on an invoice: a payment appears, the paid amount grows, and a settled invoice becomes `paid`.
    /// `amount` is in the invoice's currency. Answers with the payment's id.
    ///
    /// # Panics
    /// When there is no such invoice, or the amount is no decimal.
    pub fn pay(&self, invoice: i64, amount: &str, reference: &str) -> i64 {
        let value = |name: &str| self.value(Kind::Invoice, invoice, name).unwrap_or_else(|| "0".to_owned());
        let decimal = |text: &str| BigDecimal::from_str(text).expect("amounts of payments are decimals");
        let paid = decimal(&value("hs_amount_paid")) + decimal(amount);
        let status = if paid >= decimal(&value("hs_amount_billed")) { "paid" } else { "open" };
        let paid = paid.to_plain_string();
        let payment = self.create(
            Kind::Payment,
            &[
                ("hs_reference_number", reference),
                ("hs_initial_amount", amount),
                ("hs_currency_code", &value("hs_currency")),
                ("hs_payment_method_type", "bank_transfer"),
            ],
        );
        self.associate(Kind::Payment, payment, Kind::Invoice, invoice);
        let now = iso(self.at_ms());
        let changes = [("hs_amount_paid", paid.as_str()), ("hs_invoice_status", status), ("hs_payment_date", &now)];
        self.set(Kind::Invoice, invoice, &changes);
        payment
    }

    /// Gives the app another token: calls with the one before it answer 401.
    pub fn rotate_token(&self, token: &str) {
        self.lock().access_token = token.to_owned();
    }

    /// Takes the scope for a kind away from the token: its reads answer 403.
    pub fn deny(&self, kind: Kind) {
        self.deny_scope(kind.scope());
    }

    /// Takes any scope away from the token, for example `settings.currencies.read`.
    pub fn deny_scope(&self, scope: &str) {
        self.lock().denied.insert(scope.to_owned());
    }

    /// Gives the token back the scope for a kind.
    pub fn allow(&self, kind: Kind) {
        self.lock().denied.remove(kind.scope());
    }

    /// What a property holds now; none when the record is gone or the property empty.
    pub fn value(&self, kind: Kind, id: i64, name: &str) -> Option<String> {
        self.lock().resolve(kind, id)?.value(name).map(str::to_owned)
    }

    /// The record that was last given this name: a deal's or company's name, an invoice's number, a payment's reference.
    pub fn find(&self, kind: Kind, name: &str) -> Option<i64> {
        self.lock().names.get(&(kind, name.to_owned())).copied()
    }

    /// The ids of a kind's records, archived ones too, in the order of creation.
    pub fn ids(&self, kind: Kind) -> Vec<i64> {
        self.lock().records.range((kind, 0)..=(kind, i64::MAX)).map(|((_, id), _)| *id).collect()
    }

    /// Adds a person.
    pub fn add_owner(&self, owner: Owner) {
        self.lock().directory.owners.push(owner);
    }

    /// The account's people, former ones too.
    pub fn owners(&self) -> Vec<Owner> {
        self.lock().directory.owners.clone()
    }

    /// Adds a deal pipeline.
    pub fn add_pipeline(&self, pipeline: Pipeline) {
        self.lock().directory.pipelines.push(pipeline);
    }

    /// Sets how much of the company's currency one unit of another is worth, for writes from now on.
    ///
    /// # Panics
    /// When the rate is no decimal.
    pub fn set_rate(&self, currency: &str, rate: &str) {
        let rate = BigDecimal::from_str(rate).expect("exchange rates are decimals");
        self.lock().directory.rates.insert(currency.to_owned(), rate);
    }

    /// Adds a property, such as an account's own.
    pub fn define(&self, kind: Kind, property: Property) {
        self.lock().properties.entry(kind).or_default().push(property);
    }

    /// Removes a property, as accounts differ in what they have.
    pub fn undefine(&self, kind: Kind, name: &str) {
        self.lock().properties.entry(kind).or_default().retain(|property| property.name != name);
    }
}

fn link(state: &mut State, from: (Kind, i64), to: (Kind, i64)) {
    for (one, other) in [(from, to), (to, from)] {
        let ids = state.associations.entry((one.0, one.1, other.0)).or_default();
        if !ids.contains(&other.1) {
            ids.push(other.1);
        }
    }
}

#[cfg(test)]
mod tests;
