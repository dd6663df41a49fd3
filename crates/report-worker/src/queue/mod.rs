//! The queue between the door and the worker: SQS, or a file that keeps SQS's rules on one machine.
//!
//! Both hand a message out again when it was not deleted within its visibility timeout, in any order, and now and then
//! twice. Whoever receives must be able to take in the same message again.

mod checkup;
mod dead_letters;
mod embedded;
mod error;
mod glance;
mod sqs;

use std::time::Duration;

use jiff::Timestamp;

pub use self::checkup::SqsLook;
pub use self::dead_letters::{DeadLetterWalk, HeldLetter, Letter};
pub use self::embedded::{Embedded, EmbeddedSettings};
pub use self::error::QueueError;
pub use self::glance::{Glimpse, Waiting};
pub use self::sqs::Sqs;

/// The largest message in bytes of UTF-8, attributes included: 1 MiB (Amazon SQS, "message quotas").
pub const MAX_MESSAGE_BYTES: usize = 1_048_576;
/// The most messages one receive can hand out (Amazon SQS, `ReceiveMessage`).
pub const MAX_MESSAGES: usize = 10;
/// The longest a receive can wait (Amazon SQS, `WaitTimeSeconds`).
pub const MAX_WAIT: Duration = Duration::from_secs(20);
/// The cause of a dead letter that the queue itself moved, because its receive limit was reached.
pub const CAUSE_RECEIVE_LIMIT: &str = "received too many times without being deleted";

/// A queue of text messages with a second one for dead letters.
#[derive(Clone, Debug)]
pub enum Queue {
    /// A SQLite file on this machine.
    Embedded(Embedded),
    /// Two Amazon SQS standard queues.
    Sqs(Sqs),
}

/// A message that was handed out and is invisible to others until its visibility timeout ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Given by the queue when the message was sent; stays the same however often it is received.
    pub id: String,
    /// The text as it was sent.
    pub body: String,
    /// Names this one receive; another receive gives another receipt.
    pub receipt: String,
    /// How many times the message was handed out, this time included.
    pub receive_count: u32,
}

/// A message that a delete did not delete; it will be handed out again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotDeleted {
    /// The message's id.
    pub id: String,
    /// Why, in the queue's words.
    pub cause: String,
}

/// How much is in a queue. SQS calls its figures approximate; those of the embedded queue are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages that can be received now.
    pub waiting: u64,
    /// Messages handed out and not deleted yet.
    pub in_flight: u64,
    /// Messages that were given up.
    pub dead_letters: u64,
    /// Time since the oldest message was sent. SQS tells this to CloudWatch only, so it is known for the embedded queue.
    pub oldest_age: Option<Duration>,
}

/// A message that was given up, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The embedded queue keeps the message's id; SQS gives the copy a new one.
    pub id: String,
    /// Why it was given up: what [`Queue::move_to_dead_letters`] was told, or [`CAUSE_RECEIVE_LIMIT`].
    pub cause: String,
    /// The text as it was sent.
    pub body: String,
    /// When it was given up. UTC.
    pub moved_at: Timestamp,
}

impl Queue {
    /// Sends one message. `Ok` only once it is durable.
    ///
    /// # Errors
    ///
    /// A body that no queue takes (empty, above [`MAX_MESSAGE_BYTES`], a character outside SQS's rules), or the queue failing.
    pub async fn send(&self, body: &str, now: Timestamp) -> Result<(), QueueError> {
        check_body(body)?;
        match self {
            Self::Embedded(queue) => queue.send(body, now).await,
            Self::Sqs(queue) => queue.send(body).await,
        }
    }

    /// Receives up to `max` messages, at most [`MAX_MESSAGES`], and waits up to `wait`, at most [`MAX_WAIT`], for the first.
    ///
    /// # Errors
    ///
    /// The queue failing. Nothing is lost by it: what was handed out comes back after its visibility timeout.
    pub async fn receive(&self, max: usize, wait: Duration, now: Timestamp) -> Result<Vec<Message>, QueueError> {
        let (max, wait) = (max.clamp(1, MAX_MESSAGES), wait.min(MAX_WAIT));
        match self {
            Self::Embedded(queue) => queue.receive(max, wait, now).await,
            Self::Sqs(queue) => queue.receive(max, wait).await,
        }
    }

    /// Receives what is there without waiting: as much as `receives` receives can hand out. SQS is asked that often at
    /// once, and says of a queue with few messages now and then that it is empty.
    ///
    /// # Errors
    ///
    /// The queue failing in each of them. What was handed out all the same comes back after its visibility timeout.
    pub async fn receive_at_once(&self, receives: usize, now: Timestamp) -> Result<Vec<Message>, QueueError> {
        match self {
            Self::Embedded(queue) => queue.receive(MAX_MESSAGES * receives.max(1), Duration::ZERO, now).await,
            Self::Sqs(queue) => queue.receive_at_once(receives.max(1)).await,
        }
    }

    /// How long a receive has to wait so that no message means an empty queue. SQS asks all of its machines only for a
    /// receive that may wait (Amazon SQS, "short and long polling").
    pub fn wait_to_be_sure(&self) -> Duration {
        match self {
            Self::Embedded(_) => Duration::ZERO,
            Self::Sqs(_) => Duration::from_secs(1),
        }
    }

    /// How long a received message stays invisible to others.
    pub fn visibility_timeout(&self) -> Duration {
        match self {
            Self::Embedded(queue) => queue.visibility_timeout(),
            Self::Sqs(_) => sqs::VISIBILITY_TIMEOUT,
        }
    }

    /// Keeps messages invisible for a whole visibility timeout from `now` on. One that was received again since, or is gone,
    /// is left as it is.
    ///
    /// # Errors
    ///
    /// The queue failing.
    pub async fn keep(&self, messages: &[Message], now: Timestamp) -> Result<(), QueueError> {
        match self {
            Self::Embedded(queue) => queue.keep(messages, now).await,
            Self::Sqs(queue) => queue.keep(messages).await,
        }
    }

    /// Deletes messages by the receipts they came with and says which were not deleted. A message that is already gone
    /// counts as deleted.
    ///
    /// A receipt is good until the message is received again, also after its visibility timeout. After that the embedded
    /// queue refuses it; an SQS standard queue may say yes and keep the message.
    ///
    /// # Errors
    ///
    /// The queue failing; then each of the messages may or may not be deleted.
    pub async fn delete(&self, messages: &[Message]) -> Result<Vec<NotDeleted>, QueueError> {
        match self {
            Self::Embedded(queue) => queue.delete(messages).await,
            Self::Sqs(queue) => queue.delete(messages).await,
        }
    }

    /// Gives messages back at once, for the next receive. One that cannot be given back is logged and comes back by itself
    /// when its visibility timeout ends.
    ///
    /// # Errors
    ///
    /// The queue failing.
    pub async fn release(&self, messages: &[Message], now: Timestamp) -> Result<(), QueueError> {
        match self {
            Self::Embedded(queue) => queue.release(messages, now).await,
            Self::Sqs(queue) => queue.release(messages).await,
        }
    }

    /// Gives a message up: a copy with the cause goes to the dead letters, then the message is deleted. In SQS these are two
    /// steps, so a failure between them leaves both, never none. A message received again since is left to its new receiver.
    ///
    /// # Errors
    ///
    /// The queue failing.
    pub async fn move_to_dead_letters(&self, message: &Message, cause: &str, now: Timestamp) -> Result<(), QueueError> {
        match self {
            Self::Embedded(queue) => queue.move_to_dead_letters(message, cause, now).await,
            Self::Sqs(queue) => queue.move_to_dead_letters(message, cause).await,
        }
    }

    /// Counts what is in the queue.
    ///
    /// # Errors
    ///
    /// The queue failing.
    pub async fn depth(&self, now: Timestamp) -> Result<Depth, QueueError> {
        match self {
            Self::Embedded(queue) => queue.depth(now).await,
            Self::Sqs(queue) => queue.depth().await,
        }
    }

    /// Looks at dead letters without taking them out: the oldest `limit` of the embedded queue, or whichever of them, at most
    /// [`MAX_MESSAGES`], SQS shows at this moment.
    ///
    /// # Errors
    ///
    /// The queue failing.
    pub async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, QueueError> {
        match self {
            Self::Embedded(queue) => queue.dead_letters(limit).await,
            Self::Sqs(queue) => queue.dead_letters(limit).await,
        }
    }
}

/// SQS's rules for a message body (`SendMessage`), kept by the embedded queue too, so that what works on one machine
/// works in the cloud.
fn check_body(body: &str) -> Result<(), QueueError> {
    if body.is_empty() {
        return Err(QueueError::Empty);
    }
    if body.len() > MAX_MESSAGE_BYTES {
        return Err(QueueError::TooLarge { bytes: body.len(), limit: MAX_MESSAGE_BYTES });
    }
    match body.char_indices().find(|(_, character)| !is_carried(*character)) {
        Some((at, character)) => Err(QueueError::Character { code: u32::from(character), at }),
        None => Ok(()),
    }
}

/// Whether SQS carries this character: those of XML 1.0.
fn is_carried(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_held_to_the_rules_of_sqs() {
        let at_limit = "x".repeat(MAX_MESSAGE_BYTES);
        for good in ["x", "\t\r\n", "\u{7f}", "\u{fffd}", "🔔", at_limit.as_str()] {
            check_body(good).unwrap();
        }
        assert!(matches!(check_body(""), Err(QueueError::Empty)));
        let too_large = "é".repeat(MAX_MESSAGE_BYTES / 2 + 1);
        assert!(matches!(check_body(&too_large), Err(QueueError::TooLarge { bytes: 1_048_578, .. })));
        for (bad, expected) in [("é\0", 0), ("é\u{1b}", 0x1b), ("é\u{fffe}", 0xfffe), ("é\u{ffff}", 0xffff)] {
            assert!(matches!(check_body(bad), Err(QueueError::Character { code, at: 2 }) if code == expected));
        }
    }
}
