//! Deliveries and their events.

use jiff::Timestamp;

use super::{Store, StoreError, due, insert_new, retried};
use crate::domain::record::RecordKey;

/// A delivery to take in: what the door accepted, and what was found in it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Digest of all that was received; the same queue message has the same one.
    pub id: String,
    /// When the door received it.
    pub received_at: Timestamp,
    /// `v1`, `v2` or `v3`.
    pub signature_version: String,
    /// HubSpot's correlation id, where it sent one.
    pub correlation_id: Option<String>,
    /// The raw body.
    pub body: Vec<u8>,
    /// The events that could be read.
    pub events: Vec<DeliveredEvent>,
    /// What is not acted on.
    pub set_aside: Vec<SetAside>,
}

/// One event of a delivery.
#[derive(Debug, Clone)]
pub struct DeliveredEvent {
    /// The account.
    pub portal_id: i64,
    /// Made of HubSpot's own fields; a repeated event has the same one.
    pub dedupe_key: String,
    /// Its position in the body, from 0.
    pub member: usize,
    /// HubSpot's subscription type.
    pub subscription_type: String,
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

/// What taking in a delivery added to the books.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TakenIn {
    /// Events that were new.
    pub new_events: u64,
    /// Events that the books had already.
    pub repeated_events: u64,
    /// Members that were set aside.
    pub set_aside: u64,
}

impl Store {
    /// Stores a delivery, its events and what they make due, all or nothing. A delivery that is there already adds
    /// nothing.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn take_in(&self, delivery: &Delivery, now: Timestamp) -> Result<TakenIn, StoreError> {
        retried(|| self.take_in_once(delivery, now)).await
    }

    async fn take_in_once(&self, delivery: &Delivery, now: Timestamp) -> Result<TakenIn, StoreError> {
        let mut transaction = self.write().await?;
        let mut taken = TakenIn::default();
        let insert = sqlx::query(
            "INSERT INTO deliveries (id, received_at, taken_in_at, signature_version, correlation_id, body) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(&delivery.id)
        .bind(delivery.received_at.as_millisecond())
        .bind(now.as_millisecond())
        .bind(&delivery.signature_version)
        .bind(&delivery.correlation_id)
        .bind(&delivery.body);
        if !insert_new(&mut transaction, insert).await? {
            taken.repeated_events = delivery.events.len() as u64;
            return Ok(taken);
        }
        let mut asked = due::Asked::default();
        for event in &delivery.events {
            let insert = sqlx::query(
                "INSERT INTO events \
                 (portal_id, dedupe_key, delivery_id, member, subscription_type, occurred_at) VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(event.portal_id)
            .bind(&event.dedupe_key)
            .bind(&delivery.id)
            .bind(event.member as i64)
            .bind(&event.subscription_type)
            .bind(event.occurred_at.as_millisecond())
;
            if !insert_new(&mut transaction, insert).await? {
                taken.repeated_events += 1;
                continue;
            }
            taken.new_events += 1;
            for record in &event.records {
                asked.add(*record, event.wanted_as_of);
            }
        }
        for aside in &delivery.set_aside {
            taken.set_aside += 1;
            sqlx::query("INSERT INTO set_aside (delivery_id, member, cause, raw) VALUES (?, ?, ?, ?)")
                .bind(&delivery.id)
                .bind(aside.member as i64)
                .bind(&aside.cause)
                .bind(&aside.raw)
                .execute(&mut *transaction)
                .await?;
        }
        asked.store(&mut transaction, now).await?;
        transaction.commit().await?;
        Ok(taken)
    }

    /// How much was taken in since the books began: deliveries, events, members set aside.
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
