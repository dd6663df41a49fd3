//! From queue messages to deliveries and events in the books.

use std::time::{Duration, Instant};

use hubspot_webhook::door::{Keys, Refusal};
use hubspot_webhook::envelope::{Envelope, Unverified};
use hubspot_webhook::event::{self, Action, Event, ObjectType};
use jiff::Timestamp;

use super::books::Books;
use super::hand::{Hand, Round};
use super::{App, Summary};
use crate::domain::record::{Kind, RecordKey};
use crate::queue::{MAX_MESSAGES, Message, QueueError};
use crate::secrets::Renewal;
use crate::store::{DeliveredEvent, Delivery, Digest, OF_ANOTHER_ACCOUNT, RawBody, SetAside, StoreError, TakenIn};

/// The most messages in one cycle. Like its time this is bounded, so that an endless stream does not keep the reports waiting.
const MOST_IN_A_CYCLE: usize = 50_000;

/// The most receives at once. What they hand out is stored in one transaction.
const MOST_RECEIVES: usize = 4;

/// As many receives are made at once as hand out this much, going by the messages that came before; and the bodies of
/// this much are stored in one transaction, unpacked.
const BYTES_IN_HAND: usize = 4 * 1024 * 1024;

/// How long the queue is waited for after the cycle was asked to end.
const GRACE: Duration = Duration::from_secs(3);

/// HubSpot sends up to 100 events in a body. Whatever sends more that cannot be read does not fill the books with it.
const MOST_SET_ASIDE: usize = 100;

/// Written when the store is asked whether it takes anything. A store that cannot write must not cost the messages one
/// receive after the other.
const ANSWERED_AT: &str = "answered_at";

/// Why taking in stopped. Nothing is lost: what was not deleted comes back.
#[derive(Debug, thiserror::Error)]
pub(super) enum TakeInError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a message can never be taken in; this is the cause that goes with a dead letter.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("envelope: {0}")]
    Envelope(String),
    #[error("signature: {}", .0.reason())]
    Signature(Refusal),
    #[error("body: {0}")]
    Body(String),
}

/// What can neither be taken in nor given up. It comes back when its visibility timeout ends.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0} deliveries match no client secret that is known, and it is not known whether AWS Secrets Manager has a newer one; \
     they stay in the queue"
)]
struct InDoubt(u64);

/// Looks whether the queue has anything: no message means that it is empty.
pub(super) async fn look(app: &App, now: Timestamp) -> Result<Vec<Message>, QueueError> {
    let received = app.stop.or(GRACE, app.queue.receive(MAX_MESSAGES, app.queue.wait_to_be_sure(), now)).await;
    received.unwrap_or(Ok(Vec::new()))
}

/// Gives back what was received and will not be taken in now.
pub(super) async fn give_back(app: &App, messages: &[Message], now: Timestamp) {
    if messages.is_empty() {
        return;
    }
    if let Some(Err(error)) = app.stop.or(GRACE, app.queue.release(messages, now)).await {
        tracing::warn!(error = %super::chain(error), "messages come back only when their visibility timeout ends");
    }
}

/// Empties the queue, beginning with what was received already: receive, verify again, parse, store, and only then delete.
/// True if nothing is left in it.
pub(super) async fn drain(
    app: &App,
    books: &Books,
    received: Vec<Message>,
    now: Timestamp,
    summary: &mut Summary,
) -> Result<bool, TakeInError> {
    let hand = Hand::default();
    tokio::select! {
        biased;
        drained = drain_in_rounds(app, books, received, &hand, now, summary) => drained,
        never = hand.keep(&app.queue, now) => match never {},
    }
}

async fn drain_in_rounds(
    app: &App,
    books: &Books,
    received: Vec<Message>,
    hand: &Hand,
    now: Timestamp,
    summary: &mut Summary,
) -> Result<bool, TakeInError> {
    if let Err(error) = ask_the_store(app, now).await {
        give_back(app, &received, now).await;
        return Err(error.into());
    }
    let began = Instant::now();
    let mut round = hand.take(if received.is_empty() { look(app, now).await? } else { received });
    let mut taken = 0;
    while !round.is_empty() {
        if app.stop.is_asked() {
            give_back(app, &round, now).await;
            return Ok(false);
        }
        taken += round.len();
        let is_last = taken >= MOST_IN_A_CYCLE || began.elapsed() >= app.settings.taking_in_turn;
        let next = async {
            if is_last || app.stop.is_asked() {
                return Ok(Vec::new());
            }
            let received = app.stop.or(GRACE, app.queue.receive_at_once(receives_after(&round), now)).await;
            received.unwrap_or(Ok(Vec::new()))
        };
        let (stored, next) = tokio::join!(take_in_round(app, books, &round, now, summary), next);
        if let Err(error) = stored {
            give_back(app, &next.unwrap_or_default(), now).await;
            return Err(error);
        }
        if is_last {
            summary.again_at(now);
            return Ok(false);
        }
        let mut next = next?;
        if next.is_empty() && !app.stop.is_asked() {
            next = look(app, now).await?;
        }
        round = hand.take(next);
    }
    Ok(true)
}

/// How many receives to make at once after these messages: one, unless there were so many that there are probably more.
fn receives_after(messages: &[Message]) -> usize {
    if messages.len() < MAX_MESSAGES {
        return 1;
    }
    let bytes: usize = messages.iter().map(|message| message.body.len()).sum();
    let of_one_receive = (bytes / messages.len()).max(1) * MAX_MESSAGES;
    (BYTES_IN_HAND / of_one_receive).clamp(1, MOST_RECEIVES)
}

/// Once the store has failed, and when nobody has asked it yet, it has to show that it can be written.
async fn ask_the_store(app: &App, now: Timestamp) -> Result<(), StoreError> {
    if !app.memory().store_answers {
        app.store.set_fact(ANSWERED_AT, &now).await?;
        app.memory().store_answers = true;
    }
    Ok(())
}

/// Takes in some messages and deletes them from the queue.
async fn take_in_round(
    app: &App,
    books: &Books,
    round: &Round,
    now: Timestamp,
    summary: &mut Summary,
) -> Result<(), TakeInError> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let (mut keys, mut renewal, mut in_doubt, mut not_moved) = (app.settings.keys.now(), None, 0_u64, None);
    for (index, message) in round.iter().enumerate() {
        let mut taken = read(&message.body, &keys, books);
        if matches!(taken, Err(Unfit::Signature(Refusal::SignatureMismatch))) && renewal.is_none() {
            // All of the round was there before the secrets are read again, so once is enough for all of it.
            let asked = app.stop.or(GRACE, app.settings.keys.renew(&keys)).await.unwrap_or(Renewal::Unknown);
            if let Renewal::Changed(newer) = renewal.insert(asked) {
                keys = newer.clone();
                taken = read(&message.body, &keys, books);
            }
        }
        match taken {
            Ok((delivery, body_bytes)) => {
                batch.push((message, delivery));
                bytes += body_bytes;
            }
            Err(Unfit::Signature(Refusal::SignatureMismatch)) if matches!(renewal, Some(Renewal::Unknown)) => {
                in_doubt += 1;
            }
            Err(cause) => {
                let cause = cause.to_string();
                match app.queue.move_to_dead_letters(message, &cause, now).await {
                    Ok(()) => {
                        tracing::error!(
                            message_id = message.id,
                            cause,
                            "a queue message can never be taken in; moved to the dead letters"
                        );
                        summary.dead_letters += 1;
                    }
                    // It comes back after its visibility timeout, and holds nobody back.
                    Err(error) => not_moved = Some(error),
                }
            }
        }
        if bytes < BYTES_IN_HAND && index + 1 < round.len() {
            continue;
        }
        if let Err(error) = store(app, std::mem::take(&mut batch), now, summary).await {
            give_back(app, &round[index + 1..], now).await;
            return Err(error);
        }
        bytes = 0;
    }
    if in_doubt > 0 {
        summary.problem("take in", InDoubt(in_doubt));
    }
    if let Some(error) = not_moved {
        summary.problem("take in", error);
    }
    Ok(())
}

/// Stores deliveries together, or one by one where that fails, and deletes their messages. Gives back what was not
/// stored because the store is away.
async fn store(
    app: &App,
    batch: Vec<(&Message, Delivery)>,
    now: Timestamp,
    summary: &mut Summary,
) -> Result<(), TakeInError> {
    if batch.is_empty() {
        return Ok(());
    }
    let (messages, deliveries): (Vec<&Message>, Vec<Delivery>) = batch.into_iter().unzip();
    let (mut done, mut given_up) = (Vec::new(), None);
    match app.store.take_in(&deliveries, now).await {
        Ok(taken) => {
            count(&deliveries, taken, summary);
            done.extend(messages.into_iter().map(without_body));
        }
        Err(error) => {
            tracing::warn!(error = %super::chain(error), "deliveries cannot be stored together; trying them one by one");
            for (index, (message, delivery)) in messages.iter().zip(&deliveries).enumerate() {
                match store_one(app, delivery, now).await {
                    Ok(taken) => {
                        count(std::slice::from_ref(delivery), taken, summary);
                        done.push(without_body(message));
                    }
                    // It comes back after its visibility timeout, and holds nobody back.
                    Err(NotStored::Refused(error)) => summary.problem("take in", error),
                    Err(NotStored::StoreIsAway(error)) => {
                        let rest: Vec<Message> = messages[index..].iter().copied().map(without_body).collect();
                        give_back(app, &rest, now).await;
                        given_up = Some(error);
                        break;
                    }
                }
            }
        }
    }
    delete(app, &done).await?;
    given_up.map_or(Ok(()), |error| Err(error.into()))
}

/// Why one delivery by itself is not stored.
enum NotStored {
    Refused(StoreError),
    StoreIsAway(StoreError),
}

/// Stores one delivery. The store has refused it when it has done so twice and answers before, between and after: a
/// connection that broke says nothing about what was sent on it.
async fn store_one(app: &App, delivery: &Delivery, now: Timestamp) -> Result<TakenIn, NotStored> {
    let answers = async || {
        app.memory().store_answers = false;
        ask_the_store(app, now).await.map_err(NotStored::StoreIsAway)
    };
    let take_in = async || app.store.take_in(std::slice::from_ref(delivery), now).await;
    answers().await?;
    if let Ok(taken) = take_in().await {
        return Ok(taken);
    }
    answers().await?;
    match take_in().await {
        Ok(taken) => Ok(taken),
        Err(refused) => {
            answers().await?;
            Err(NotStored::Refused(refused))
        }
    }
}

fn count(deliveries: &[Delivery], taken: TakenIn, summary: &mut Summary) {
    for delivery in deliveries {
        if let Some(first) = delivery.set_aside.first() {
            tracing::warn!(
                delivery_id = data_encoding::HEXLOWER.encode(&delivery.id),
                set_aside = delivery.set_aside.len(),
                cause = first.cause,
                "members of a delivery are set aside"
            );
        }
    }
    summary.deliveries += deliveries.len() as u64;
    summary.events += taken.new_events;
    summary.repeated_events += taken.repeated_events;
    summary.set_aside += taken.set_aside;
}

/// What the queue has to know of a message to delete it or to take it back.
fn without_body(message: &Message) -> Message {
    let Message { id, receipt, receive_count, .. } = message;
    Message { id: id.clone(), body: String::new(), receipt: receipt.clone(), receive_count: *receive_count }
}

async fn delete(app: &App, done: &[Message]) -> Result<(), QueueError> {
    let not_deleted = app.stop.or(GRACE, app.queue.delete(done)).await.unwrap_or(Ok(Vec::new()))?;
    for message in not_deleted {
        tracing::warn!(
            message_id = message.id,
            cause = message.cause,
            "a message that was taken in could not be deleted; it will come again and add nothing"
        );
    }
    Ok(())
}

/// Decodes, verifies again and parses a message, and says how large its body is; or the cause why it can never be taken in.
fn read(message: &str, keys: &Keys, books: &Books) -> Result<(Delivery, usize), Unfit> {
    let unverified = Unverified::decode(message).map_err(|error| Unfit::Envelope(error.to_string()))?;
    let envelope = unverified.verify(keys).map_err(Unfit::Signature)?;
    let received_at = Timestamp::from_millisecond(envelope.received_at_ms())
        .map_err(|_| Unfit::Envelope("the time of receipt is out of range".to_owned()))?;
    tracing::debug!(
        delivery_id = envelope.id(),
        correlation_id = envelope.correlation_id(),
        trace_id = envelope.trace_id(),
        "a delivery verifies again"
    );
    let members = event::parse(envelope.body()).map_err(|error| Unfit::Body(error.to_string()))?;
    let bytes = envelope.body().len();
    Ok((delivery(&envelope, received_at, members, books), bytes))
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
                cause: format!(
                    "{OF_ANOTHER_ACCOUNT}{}; the access token is for {}",
                    event.portal_id, books.account.portal_id
                ),
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
        id: shortened(envelope.digest()),
        received_at,
        signature_version: envelope.signature_version().to_string(),
        correlation_id: envelope.correlation_id().map(str::to_owned),
        body: raw_body(envelope),
        events,
        set_aside,
    }
}

/// The body as the queue message carried it.
fn raw_body(envelope: &Envelope) -> RawBody {
    match envelope.gzip() {
        Some(gzip) => RawBody::Gzip(gzip.to_vec()),
        None => RawBody::Plain(envelope.body().to_vec()),
    }
}

/// The first half of a digest.
fn shortened(digest: [u8; 32]) -> Digest {
    let [first, _] = digest.as_chunks::<16>().0 else { unreachable!("twice 16 is 32") };
    *first
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
        dedupe_key: shortened(event.dedupe_key()),
        member,
        occurred_at,
        records,
        wanted_as_of,
    })
}
