//! Deliveries and their events.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Transaction};

use super::rows::{parts, statement};
use super::{Db, Engine, Store, StoreError, due, retried};
use crate::domain::record::RecordKey;

/// 128 bits of a SHA-256: enough that two different things never share one.
pub type Digest = [u8; 16];

/// A delivery to take in: what the door accepted, and what was found in it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Of all that was received; the same queue message has the same one.
    pub id: Digest,
    /// When the door received it.
    pub received_at: Timestamp,
    /// `v1`, `v2` or `v3`.
    pub signature_version: String,
    /// HubSpot's correlation id, where it sent one.
    pub correlation_id: Option<String>,
    /// The raw body.
    pub body: RawBody,
    /// The events that could be read.
    pub events: Vec<DeliveredEvent>,
    /// What is not acted on.
    pub set_aside: Vec<SetAside>,
}

/// A delivery's body, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawBody {
    /// As HubSpot sent it.
    Plain(Vec<u8>),
    /// The same in gzip (RFC 1952).
    Gzip(Vec<u8>),
}

impl RawBody {
    fn columns(&self) -> (&'static str, &[u8]) {
        match self {
            Self::Plain(bytes) => ("plain", bytes),
            Self::Gzip(bytes) => ("gzip", bytes),
        }
    }
}

/// One event of a delivery.
#[derive(Debug, Clone)]
pub struct DeliveredEvent {
    /// The account.
    pub portal_id: i64,
    /// Made of HubSpot's own fields; a repeated event has the same one, and the same `occurred_at`.
    pub dedupe_key: Digest,
    /// Its position in the body, from 0.
    pub member: usize,
    /// When it happened, by HubSpot's clock.
    pub occurred_at: Timestamp,
    /// The records to look at.
    pub records: Vec<RecordKey>,
    /// A reading of those records must not be older than this.
    pub wanted_as_of: Option<Timestamp>,
}

/// A member of a delivery that is kept and not acted on.
#[derive(Debug, Clone)]
pub struct SetAside {
    /// Its position in the body, from 0.
    pub member: usize,
    /// Why.
    pub cause: String,
    /// The member as it came.
    pub raw: String,
}

/// What taking in deliveries added to the books.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TakenIn {
    /// Events that were new.
    pub new_events: u64,
    /// Events that the books had already.
    pub repeated_events: u64,
    /// Members that were set aside.
    pub set_aside: u64,
}

/// An event with the delivery that it came in.
type Member<'a> = (&'a Delivery, &'a DeliveredEvent);

impl Store {
    /// Stores deliveries, their events and what they make due, all of them or nothing. A delivery that is there already
    /// adds nothing, nor does an event.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn take_in(&self, deliveries: &[Delivery], now: Timestamp) -> Result<TakenIn, StoreError> {
        retried(|| self.take_in_once(deliveries, now)).await
    }

    async fn take_in_once(&self, deliveries: &[Delivery], now: Timestamp) -> Result<TakenIn, StoreError> {
        let mut transaction = self.write().await?;
        let mut known = known(&mut transaction, deliveries).await?;
        let (new, repeated): (Vec<&Delivery>, Vec<&Delivery>) =
            deliveries.iter().partition(|delivery| known.insert(delivery.id));
        let mut taken = TakenIn::default();
        if store_deliveries(&mut transaction, self.engine, &new, now).await? < new.len() as u64 {
            return Err(StoreError::Overtaken);
        }
        taken.set_aside = store_set_aside(&mut transaction, self.engine, &new).await?;
        let mut events: Vec<Member<'_>> =
            new.iter().flat_map(|delivery| delivery.events.iter().map(move |event| (*delivery, event))).collect();
        // In the order of their table: neighbours share its pages, and two workers never wait for each other crosswise.
        events.sort_by_key(|(_, event)| (event.portal_id, event.occurred_at, event.dedupe_key));
        let mut asked = due::Asked::default();
        for part in parts(&events) {
            for (_, event) in store_events(&mut transaction, self.engine, part).await? {
                taken.new_events += 1;
                for record in &event.records {
                    asked.add(*record, event.wanted_as_of);
                }
            }
        }
        let all: usize = new.iter().chain(&repeated).map(|delivery| delivery.events.len()).sum();
        taken.repeated_events = all as u64 - taken.new_events;
        asked.store(&mut transaction, self.engine, now).await?;
        transaction.commit().await?;
        Ok(taken)
    }

    /// How much the books hold of what was taken in: deliveries, events, members set aside.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn taken_in(&self) -> Result<(u64, TakenIn), StoreError> {
        let count = |sql: &'static str| async move {
            let (count,): (i64,) = sqlx::query_as(sql).fetch_one(self.pool()).await?;
            Ok::<u64, StoreError>(count.unsigned_abs())
        };
        let deliveries = count("SELECT COUNT(*) FROM deliveries").await?;
        let new_events = count("SELECT COUNT(*) FROM events").await?;
        let set_aside = count("SELECT COUNT(*) FROM set_aside").await?;
        Ok((deliveries, TakenIn { new_events, repeated_events: 0, set_aside }))
    }
}

/// Which of these deliveries the books have already.
async fn known(
    transaction: &mut Transaction<'static, Db>,
    deliveries: &[Delivery],
) -> Result<BTreeSet<Digest>, StoreError> {
    let mut known = BTreeSet::new();
    for part in parts(deliveries) {
        let sql = statement(part, "SELECT id FROM deliveries WHERE id IN (", "?", ", ", ")");
        let mut query = sqlx::query_as(AssertSqlSafe(sql));
        for delivery in part {
            query = query.bind(delivery.id.to_vec());
        }
        let rows: Vec<(Vec<u8>,)> = query.fetch_all(&mut **transaction).await?;
        known.extend(rows.into_iter().filter_map(|(id,)| Digest::try_from(id).ok()));
    }
    Ok(known)
}

/// How many of them were added; the others are there already.
async fn store_deliveries(
    transaction: &mut Transaction<'static, Db>,
    engine: Engine,
    deliveries: &[&Delivery],
    now: Timestamp,
) -> Result<u64, StoreError> {
    let columns =
        "deliveries (id, received_at, taken_in_at, signature_version, correlation_id, body_encoding, body) VALUES ";
    let mut added = 0;
    for part in parts(deliveries) {
        let sql = statement(part, &format!("{} {columns}", engine.insert_new()), "(?, ?, ?, ?, ?, ?, ?)", ", ", "");
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for delivery in part {
            let (encoding, body) = delivery.body.columns();
            query = query
                .bind(delivery.id.to_vec())
                .bind(delivery.received_at.as_millisecond())
                .bind(now.as_millisecond())
                .bind(delivery.signature_version.clone())
                .bind(delivery.correlation_id.clone())
                .bind(encoding)
                .bind(body.to_vec());
        }
        added += query.execute(&mut **transaction).await?.rows_affected();
    }
    Ok(added)
}

async fn store_set_aside(
    transaction: &mut Transaction<'static, Db>,
    engine: Engine,
    deliveries: &[&Delivery],
) -> Result<u64, StoreError> {
    let all: Vec<(&Delivery, &SetAside)> =
        deliveries.iter().flat_map(|delivery| delivery.set_aside.iter().map(move |aside| (*delivery, aside))).collect();
    let before = format!("{} set_aside (delivery_id, member, cause, raw) VALUES ", engine.insert_new());
    for part in parts(&all) {
        let mut query = sqlx::query(AssertSqlSafe(statement(part, &before, "(?, ?, ?, ?)", ", ", "")));
        for (delivery, aside) in part {
            query = query
                .bind(delivery.id.to_vec())
                .bind(aside.member as i64)
                .bind(aside.cause.clone())
                .bind(aside.raw.clone());
        }
        query.execute(&mut **transaction).await?;
    }
    Ok(all.len() as u64)
}

/// Stores events and says which of them are new.
async fn store_events<'a, 'b>(
    transaction: &mut Transaction<'static, Db>,
    engine: Engine,
    events: &'b [Member<'a>],
) -> Result<Vec<&'b Member<'a>>, StoreError> {
    let before =
        format!("{} events (portal_id, occurred_at, dedupe_key, delivery_id, member) VALUES ", engine.insert_new());
    let mut query = sqlx::query(AssertSqlSafe(statement(events, &before, "(?, ?, ?, ?, ?)", ", ", "")));
    for (delivery, event) in events {
        query = query
            .bind(event.portal_id)
            .bind(event.occurred_at.as_millisecond())
            .bind(event.dedupe_key.to_vec())
            .bind(delivery.id.to_vec())
            .bind(event.member as i64);
    }
    let added = query.execute(&mut **transaction).await?.rows_affected();
    if added == events.len() as u64 {
        return Ok(events.iter().collect());
    }
    // Some were there. The rows say in which member of which delivery an event came first: what is new came in ours.
    let one = "(portal_id = ? AND occurred_at = ? AND dedupe_key = ?)";
    let sql = statement(events, "SELECT delivery_id, member FROM events WHERE ", one, " OR ", "");
    let mut query = sqlx::query_as(AssertSqlSafe(sql));
    for (_, event) in events {
        query = query.bind(event.portal_id).bind(event.occurred_at.as_millisecond()).bind(event.dedupe_key.to_vec());
    }
    let first: BTreeSet<(Vec<u8>, i64)> = query.fetch_all(&mut **transaction).await?.into_iter().collect();
    let is_new = |(delivery, event): &&Member<'_>| first.contains(&(delivery.id.to_vec(), event.member as i64));
    Ok(events.iter().filter(is_new).collect())
}
