//! The people of a company, and what they do to its deals, invoices and payments: whatever the account lets them.

use std::collections::BTreeMap;

use fastrand::Rng;
use hubspot_simulator::{Account, Kind};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::life::{DAY, Tidings, Truth};
use crate::world::{NOW_MS, World};

/// Currencies, as often as they are met.
const CURRENCIES: [&str; 8] = ["EUR", "EUR", "EUR", "USD", "USD", "GBP", "JPY", "KWD"];

/// The pipelines with their stages: open, won, lost.
const PIPELINES: [(&str, [&str; 3]); 2] = [
    ("default", ["appointmentscheduled", "closedwon", "closedlost"]),
    ("73150024", ["141520871", "141520872", "141520873"]),
];

/// Owners, of whom the last one has left; and nobody.
const OWNERS: [&str; 5] = ["53118204", "53118377", "54902115", "49660981", ""];

const COMPANIES: [&str; 6] =
    ["Nordwind Energie", "Atelier Bleu", "Kestrel & Sons", "Müller Dach", "Osaka Tools", "Al Noor"];

/// An event of a record.
pub(crate) type Event = (Kind, i64, Value);

/// A record as its people see it.
#[derive(Debug, Clone)]
struct Thing {
    kind: Kind,
    id: i64,
    /// The pipeline of a deal.
    pipeline: usize,
    company: Option<usize>,
    archived: bool,
}

/// Everybody.
pub(crate) struct People {
    pub(crate) chance: Rng,
    things: Vec<Thing>,
    companies: Vec<i64>,
}

impl People {
    pub(crate) fn new(seed: u64) -> Self {
        Self { chance: Rng::with_seed(seed), things: Vec::new(), companies: Vec::new() }
    }

    /// What is in the account when the books are opened.
    pub(crate) fn before_the_books(&mut self, world: &World, truth: &mut Truth) {
        let past = world.account().in_the_past(NOW_MS - 40 * DAY);
        self.companies = COMPANIES.iter().map(|name| past.create(Kind::Company, &[("name", name)])).collect();
        for number in 0..60 {
            let at = NOW_MS - 30 * DAY + number * 3_600_000;
            let kind = if number % 2 == 0 { Kind::Deal } else { Kind::Invoice };
            let thing = self.found(&world.account().in_the_past(at), at, kind, truth);
            let later = at + self.chance.i64(1..20 * DAY / 2);
            let account = world.account().in_the_past(later);
            let values = self.other_values(&account, &thing, later);
            if Self::set(&account, thing.kind, thing.id, &values).is_some() {
                truth.values(later, &account, thing.kind, thing.id);
            }
            self.things.push(thing);
        }
    }

    /// One write, and what HubSpot has to tell of it.
    pub(crate) fn write(
        &mut self,
        world: &mut World,
        truth: &mut Truth,
        tidings: &mut Tidings,
        has_payments: bool,
    ) -> Vec<Event> {
        let account = world.account().clone();
        let at = account.now_ms();
        // Few records, so that each has a long history: it is changed most while it is young.
        if self.things.len() < 20 || self.chance.u8(..25) == 0 {
            let kind = if self.chance.bool() { Kind::Deal } else { Kind::Invoice };
            let thing = self.found(&account, at, kind, truth);
            let event = (kind, thing.id, world.event(kind, thing.id, "creation", json!({})));
            self.things.push(thing);
            return vec![event];
        }
        if self.chance.u8(..200) == 0 {
            let rate = format!("0.{}", self.chance.u32(800_000..=999_999));
            account.set_rate(self.chance.choice(["USD", "GBP"]).unwrap(), &rate);
        }
        let young = self.things.len().saturating_sub(120);
        let index = if self.chance.u8(..4) == 0 {
            self.chance.usize(..self.things.len())
        } else {
            self.chance.usize(young..self.things.len())
        };
        let thing = self.things[index].clone();
        let Thing { kind, id, .. } = thing;
        if thing.archived {
            self.things[index].archived = false;
            account.restore(kind, id);
            truth.event(at, "restore", kind, id, &Value::Null);
            let values = self.other_values(&account, &thing, at);
            let changed = Self::set(&account, kind, id, &values);
            truth.values(at, &account, kind, id);
            tidings.hurry(kind, id);
            // HubSpot does not say when a record was restored: one that is not changed at the same time is waited for.
            let Some(changed) = changed else {
                self.things[index].archived = true;
                account.archive(kind, id);
                truth.event(at, "archive", kind, id, &Value::Null);
                return vec![(kind, id, world.event(kind, id, "deletion", json!({})))];
            };
            let mut events = vec![(kind, id, world.event(kind, id, "restore", json!({})))];
            events.extend(changed.iter().map(|name| (kind, id, world.changed(kind, id, name))));
            return events;
        }
        match self.chance.u8(..100) {
            0..2 => {
                self.things[index].archived = true;
                account.archive(kind, id);
                truth.event(at, "archive", kind, id, &Value::Null);
                tidings.hurry(kind, id);
                return vec![(kind, id, world.event(kind, id, "deletion", json!({})))];
            }
            2..4 => {
                let alike = |other: &Thing| {
                    (other.kind, other.company, other.archived) == (kind, thing.company, false) && other.id != id
                };
                let others: Vec<usize> = (0..self.things.len()).filter(|at| alike(&self.things[*at])).collect();
                if let Some(&loser) = self.chance.choice(&others) {
                    let loser = self.things.remove(loser).id;
                    account.merge(kind, id, loser);
                    truth.event(at, "merge", kind, loser, &json!(id));
                    truth.values(at, &account, kind, id);
                    tidings.hurry(kind, id);
                    tidings.hurry(kind, loser);
                    let details = json!({ "primaryObjectId": id, "mergedObjectIds": [loser], "newObjectId": id });
                    let event = world.event(kind, id, "merge", details);
                    // It names both.
                    return vec![(kind, id, event.clone()), (kind, loser, event)];
                }
            }
            4..16 if kind == Kind::Invoice && has_payments => {
                if let Some(events) = self.pay(world, &account, &thing, at, truth) {
                    return events;
                }
            }
            _ => {}
        }
        let values = self.other_values(&account, &thing, at);
        if let Some((_, value)) = values.iter().find(|(name, _)| *name == "pipeline") {
            self.things[index].pipeline = usize::from(value != PIPELINES[0].0);
        }
        let Some(changed) = Self::set(&account, kind, id, &values) else { return Vec::new() };
        truth.values(at, &account, kind, id);
        changed.iter().map(|name| (kind, id, world.changed(kind, id, name))).collect()
    }

    /// Part of what is owed is paid, or all of it, or too much.
    fn pay(
        &mut self,
        world: &mut World,
        account: &Account,
        thing: &Thing,
        at: i64,
        truth: &mut Truth,
    ) -> Option<Vec<Event>> {
        let value = |name: &str| account.value(Kind::Invoice, thing.id, name).unwrap_or_default();
        let owed = value("hs_balance_due");
        if value("hs_invoice_status") != "open" || value("hs_amount_billed").len() > 15 || owed.starts_with('-') {
            return None;
        }
        let amount = if self.chance.bool() { owed } else { self.small_amount() };
        if amount == "0" {
            return None;
        }
        let payment = account.pay(thing.id, &amount, &format!("R-{at}"));
        truth.values(at, account, Kind::Payment, payment);
        truth.values(at, account, Kind::Invoice, thing.id);
        self.things.push(Thing { kind: Kind::Payment, id: payment, pipeline: 0, company: None, archived: false });
        Some(vec![
            (Kind::Payment, payment, world.event(Kind::Payment, payment, "creation", json!({}))),
            (Kind::Invoice, thing.id, world.changed(Kind::Invoice, thing.id, "hs_amount_paid")),
        ])
    }

    /// A new record.
    fn found(&mut self, account: &Account, at: i64, kind: Kind, truth: &mut Truth) -> Thing {
        let pipeline = usize::from(self.chance.u8(..3) == 0);
        let company = (kind == Kind::Deal && self.chance.u8(..5) > 0).then(|| self.chance.usize(..COMPANIES.len()));
        let (name, stages) = PIPELINES[pipeline];
        let mut values: BTreeMap<&'static str, String> = BTreeMap::new();
        let currency = self.chance.choice(CURRENCIES).unwrap().to_owned();
        match kind {
            Kind::Deal => {
                values.insert("pipeline", name.to_owned());
                values.insert("dealstage", stages[if self.chance.u8(..4) == 0 { 1 } else { 0 }].to_owned());
                values.insert("deal_currency_code", currency);
                values.insert("amount", self.amount());
                values.insert("hubspot_owner_id", self.chance.choice(OWNERS).unwrap().to_owned());
                if self.chance.bool() {
                    values.insert("closedate", self.day_near(at, 40));
                }
            }
            _ => {
                values.insert("hs_currency", currency);
                values.insert("hs_amount_billed", self.amount());
                values.insert("hs_invoice_status", self.chance.choice(["draft", "open", "open"]).unwrap().to_owned());
                values.insert("hs_invoice_date", self.day_near(at, 20));
                if self.chance.u8(..8) > 0 {
                    values.insert("hs_due_date", self.day_near(at, 60));
                }
                values.insert("hs_invoice_billable", (self.chance.u8(..8) > 0).to_string());
            }
        }
        let given: Vec<(&str, &str)> =
            values.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (*name, value.as_str())).collect();
        let id = account.create(kind, &given);
        let detail = company.map_or(Value::Null, |company| json!(COMPANIES[company]));
        truth.event(at, "create", kind, id, &detail);
        if let Some(company) = company {
            account.associate(kind, id, Kind::Company, self.companies[company]);
        }
        truth.values(at, account, kind, id);
        Thing { kind, id, pipeline, company, archived: false }
    }

    /// Sets what differs; tells which properties, if any.
    fn set(account: &Account, kind: Kind, id: i64, values: &[(&'static str, String)]) -> Option<Vec<&'static str>> {
        let before: Vec<_> = values.iter().map(|(name, _)| account.value(kind, id, name)).collect();
        let given: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        account.set(kind, id, &given);
        let differs = |(index, (name, _)): (usize, &(&'static str, String))| {
            (account.value(kind, id, name) != before[index]).then_some(*name)
        };
        let changed: Vec<&'static str> = values.iter().enumerate().filter_map(differs).collect();
        (!changed.is_empty()).then_some(changed)
    }

    /// What somebody changes of a record.
    fn other_values(&mut self, account: &Account, thing: &Thing, at: i64) -> Vec<(&'static str, String)> {
        let value = |name: &str| account.value(thing.kind, thing.id, name).unwrap_or_default();
        let stages = PIPELINES[thing.pipeline].1;
        match thing.kind {
            Kind::Deal => match self.chance.u8(..20) {
                0..9 => vec![("dealstage", stages[self.chance.usize(..3)].to_owned())],
                9..13 => vec![("amount", self.amount())],
                13..16 => vec![("closedate", self.day_near(at, 45))],
                16 => vec![("closedate", String::new())],
                17 => vec![("deal_currency_code", self.chance.choice(CURRENCIES).unwrap().to_owned())],
                18 => vec![("hubspot_owner_id", self.chance.choice(OWNERS).unwrap().to_owned())],
                _ => {
                    let (name, stages) = PIPELINES[self.chance.usize(..2)];
                    let stage = stages[self.chance.usize(..3)];
                    vec![("pipeline", name.to_owned()), ("dealstage", stage.to_owned()), ("amount", self.amount())]
                }
            },
            Kind::Invoice => match self.chance.u8(..20) {
                0..5 => {
                    let status = self.chance.choice(["draft", "open", "open", "paid", "voided"]).unwrap();
                    vec![("hs_invoice_status", status.to_owned())]
                }
                5..8 => {
                    let paid = value("hs_amount_billed");
                    vec![("hs_amount_paid", paid), ("hs_invoice_status", "paid".to_owned())]
                }
                8..11 => vec![("hs_amount_paid", self.small_amount())],
                11..14 => vec![("hs_amount_billed", self.amount())],
                14 => vec![("hs_currency", self.chance.choice(CURRENCIES).unwrap().to_owned())],
                15 => vec![("hs_invoice_date", self.day_near(at, 45))],
                16 => vec![("hs_due_date", self.day_near(at, 70))],
                17 => vec![("hs_due_date", String::new())],
                18 => vec![("hs_invoice_billable", self.chance.bool().to_string())],
                _ => vec![("hs_amount_paid", "0".to_owned()), ("hs_invoice_status", "open".to_owned())],
            },
            _ => match self.chance.u8(..10) {
                0..4 => vec![
                    ("hs_refunds_amount", self.small_amount()),
                    ("hs_latest_status", "partially_refunded".to_owned()),
                ],
                4 => {
                    vec![("hs_refunds_amount", value("hs_initial_amount")), ("hs_latest_status", "refunded".to_owned())]
                }
                5 => vec![("hs_refunds_amount", "0".to_owned()), ("hs_latest_status", "succeeded".to_owned())],
                6 => vec![("hs_latest_status", "failed".to_owned())],
                7 => vec![("hs_latest_status", self.chance.choice(["processing", "succeeded"]).unwrap().to_owned())],
                8 => vec![("hs_initiated_date", self.day_near(at, 40))],
                _ => vec![("hs_initial_amount", self.small_amount())],
            },
        }
    }

    /// An amount as people and imports write them: with any number of decimals, none at all, and now and then nonsense.
    fn amount(&mut self) -> String {
        match self.chance.u8(..40) {
            0 => String::new(),
            1 => "0".to_owned(),
            2 => "123456789012345678901234.56".to_owned(),
            3 => format!("-{}", self.small_amount()),
            4..8 => format!("{}.{}", self.chance.u32(..1_000_000), self.chance.u64(..10_000_000_000)),
            8..12 => format!("{}.{:02}5", self.chance.u32(..10_000), self.chance.u8(..100)),
            12 => format!("{}E+2", self.chance.u16(..1_000)),
            _ => format!("{}.{:02}", self.chance.u32(..100_000), self.chance.u8(..100)),
        }
    }

    fn small_amount(&mut self) -> String {
        match self.chance.u8(..4) {
            0 => self.chance.u16(1..5_000).to_string(),
            1 => format!("{}.{:03}", self.chance.u16(..5_000), self.chance.u16(1..1_000)),
            _ => format!("{}.{:02}", self.chance.u16(1..5_000), self.chance.u8(..100)),
        }
    }

    /// A day around a moment: as a civil day, or with a time of day.
    fn day_near(&mut self, at: i64, days: i64) -> String {
        let at = Timestamp::from_millisecond(at + self.chance.i64(-days * DAY..=days * DAY)).unwrap();
        if self.chance.bool() { at.strftime("%Y-%m-%d").to_string() } else { format!("{at:.3}") }
    }
}
