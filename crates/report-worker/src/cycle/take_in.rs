//! From queue messages to deliveries and events in the books.

use std::time::Duration;

use hubspot_webhook::envelope::{Envelope, Unverified};
use hubspot_webhook::event::{self, Action, Event, ObjectType};
use jiff::Timestamp;

use super::books::Books;
use super::{App, Summary};
use crate::domain::record::{Kind, RecordKey};
use crate::queue::{MAX_MESSAGES, Message, QueueError};
use crate::store::{DeliveredEvent, Delivery, SetAside, StoreError};

/// The most receives in one cycle, so that an endless stream does not keep the reports waiting for ever.
const MAX_RECEIVES: usize = 500;

/// HubSpot sends up to 100 events in a body. Whatever sends more that cannot be read does not fill the books with it.
const MOST_SET_ASIDE: usize = 100;

/// Why taking in stopped. Nothing is lost: what was not deleted comes back.
#[derive(Debug, thiserror::Error)]
pub(super) enum TakeInError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Empties the queue: receive, verify again, parse, store, and only then delete.
pub(super) async fn drain(app: &App, books: &Books, now: Timestamp, summary: &mut Summary) -> Result<(), TakeInError> {
    // A store that cannot write must not cost the messages one receive after the other.
    app.store.set_fact("took_in_at", &now).await?;
    for _ in 0..MAX_RECEIVES {
        let messages = app.queue.receive(MAX_MESSAGES, Duration::ZERO, now).await?;
        if messages.is_empty() {
            return Ok(());
        }
        take_in_all(app, books, &messages, now, summary).await?;
    }
    summary.again_at(now);
    Ok(())
}

async fn take_in_all(
    app: &App,
    books: &Books,
    messages: &[Message],
    now: Timestamp,
    summary: &mut Summary,
) -> Result<(), TakeInError> {
    let mut done = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let delivery = match read(&message.body, app, books) {
            Ok(delivery) => delivery,
            Err(cause) => {
                tracing::error!(
                    message_id = message.id,
                    cause,
                    "a queue message can never be taken in; moved to the dead letters"
                );
                app.queue.move_to_dead_letters(message, &cause, now).await?;
                summary.dead_letters += 1;
                continue;
            }
        };
        match app.store.take_in(&delivery, now).await {
            Ok(taken) => {
                if let Some(first) = delivery.set_aside.first() {
                    let (delivery_id, cause) = (&delivery.id, &first.cause);
                    tracing::warn!(
                        delivery_id,
                        set_aside = taken.set_aside,
                        cause,
                        "members of a delivery are set aside"
                    );
                }
                summary.deliveries += 1;
                summary.events += taken.new_events;
                summary.repeated_events += taken.repeated_events;
                summary.set_aside += taken.set_aside;
                done.push(message.clone());
            }
            Err(error) => {
                // The store is away: nothing more is received until it answers, and what is held goes back at once.
                app.queue.release(&messages[index..], now).await?;
                app.queue.delete(&done).await?;
                return Err(error.into());
            }
        }
    }
    for not_deleted in app.queue.delete(&done).await? {
        tracing::warn!(
            message_id = not_deleted.id,
            cause = not_deleted.cause,
            "a message that was taken in could not be deleted; it will come again and add nothing"
        );
    }
    Ok(())
}

/// Decodes, verifies again and parses a message; or the cause why it can never be taken in.
fn read(message: &str, app: &App, books: &Books) -> Result<Delivery, String> {
    let unverified = Unverified::decode(message).map_err(|error| format!("envelope: {error}"))?;
    let envelope =
        unverified.verify(&app.settings.keys).map_err(|refusal| format!("signature: {}", refusal.reason()))?;
    let received_at = Timestamp::from_millisecond(envelope.received_at_ms())
        .map_err(|_| "envelope: the time of receipt is out of range".to_owned())?;
    tracing::debug!(
        delivery_id = envelope.id(),
        correlation_id = envelope.correlation_id(),
        trace_id = envelope.trace_id(),
        "a delivery verifies again"
    );
    let members = event::parse(envelope.body()).map_err(|error| format!("body: {error}"))?;
    Ok(delivery(&envelope, received_at, members, books))
}

fn delivery(
    envelope: &Envelope,
    received_at: Timestamp,
    members: Vec<Result<Event, event::BadMember>>,
    books: &Books,
) -> Delivery {
    let (mut events, mut set_aside) = (Vec::new(), Vec::new());
    let (count, mut beyond) = (members.len(), 0);
    for (index, member) in members.into_iter().enumerate() {
        match member {
            Ok(event) if event.portal_id != books.account.portal_id => set_aside.push(SetAside {
                member: index,
                cause: format!("of account {}; the access token is for {}", event.portal_id, books.account.portal_id),
                raw: format!("{} {}", event.subscription_type, event.occurred_at_ms),
            }),
            Ok(event) => match delivered(index, &event) {
                Some(delivered) => events.push(delivered),
                None => set_aside.push(SetAside {
                    member: index,
                    cause: "occurredAt is out of range".to_owned(),
                    raw: format!("{} {}", event.subscription_type, event.occurred_at_ms),
                }),
            },
            Err(bad) if set_aside.len() < MOST_SET_ASIDE => {
                set_aside.push(SetAside { member: bad.index, cause: bad.cause.to_string(), raw: bad.raw });
            }
            Err(_) => beyond += 1,
        }
    }
    if beyond > 0 {
        let cause = format!("{beyond} further members cannot be read; the delivery's body has them");
        set_aside.push(SetAside { member: count, cause, raw: String::new() });
    }
    Delivery {
        id: envelope.id(),
        received_at,
        signature_version: envelope.signature_version().to_string(),
        correlation_id: envelope.correlation_id().map(str::to_owned),
        body: envelope.body().to_vec(),
        events,
        set_aside,
    }
}

/// What an event asks for: the records to look at, and how new a reading must be.
///
/// Only what moves a record's modification time can be waited for, and a deletion, since an archived record ends the
/// wait: a merge, a restore or an association may not show in it.
fn delivered(member: usize, event: &Event) -> Option<DeliveredEvent> {
    let occurred_at = Timestamp::from_millisecond(event.occurred_at_ms).ok()?;
    let wanted_as_of =
        matches!(event.action, Action::Creation | Action::PropertyChange | Action::Deletion).then_some(occurred_at);
    let records = event
        .objects
        .iter()
        .filter_map(|object| {
            let kind = match object.object_type {
                ObjectType::Deal => Kind::Deal,
                ObjectType::Invoice => Kind::Invoice,
                ObjectType::Payment => Kind::Payment,
                _ => return None,
            };
            Some(RecordKey { portal_id: event.portal_id, kind, id: object.id })
        })
        .collect();
    Some(DeliveredEvent {
        portal_id: event.portal_id,
        dedupe_key: event.dedupe_key(),
        member,
        subscription_type: event.subscription_type.clone(),
        occurred_at,
        records,
        wanted_as_of,
    })
}
