//! Looking at the dead letters, all of them, and putting them back.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_sqs::types::MessageSystemAttributeName;
use jiff::Timestamp;
use serde::Serialize;
use tokio::task::JoinSet;

use super::sqs::{self, CAUSE, Sqs};
use super::{Embedded, MAX_MESSAGES, Queue, QueueError};

/// How long SQS hides a dead letter from others once a walk has seen it: longer than a walk takes. A walk that is killed
/// leaves them hidden for the rest of it; whoever ends a walk gives them back at once.
const HIDDEN_FOR: Duration = Duration::from_secs(600);
/// A receive that waits asks all of SQS's servers, so that an empty answer means what it says (Amazon SQS, "long polling").
const WAIT: Duration = Duration::from_secs(1);

/// What one may see of a dead letter. Never its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// Names it until it is put back or deleted.
    pub id: String,
    /// Why it was given up.
    pub cause: String,
    /// When it was given up, UTC. What SQS moved by itself bears the time at which it was sent.
    pub at: Timestamp,
    /// Size of the body in bytes.
    pub size_bytes: u64,
    /// How often it was handed out, if that is known. SQS counts the looks at its dead letters too, and starts anew with
    /// those that the worker gave up.
    pub received: Option<u32>,
}

/// A dead letter that a walk has in hand.
#[derive(Debug)]
pub struct HeldLetter {
    /// What one may see of it.
    pub letter: Letter,
    hold: Hold,
}

#[derive(Debug)]
enum Hold {
    Row(i64),
    Receipt { receipt: String, body: String },
}

/// A walk over all dead letters that were there when it began. In SQS it hides them from others while it goes on, so it has
/// to be ended by [`DeadLetterWalk::end`].
#[derive(Debug)]
pub struct DeadLetterWalk {
    queue: Queue,
    begun: Timestamp,
    /// The last row that was seen of the embedded queue.
    after: i64,
    /// The receipts of what SQS has handed out; `None` for what is put back, which SQS may show once more.
    seen: BTreeMap<String, Option<String>>,
}

impl Queue {
    /// Begins a walk over the dead letters.
    pub fn walk_dead_letters(&self, now: Timestamp) -> DeadLetterWalk {
        DeadLetterWalk { queue: self.clone(), begun: now, after: 0, seen: BTreeMap::new() }
    }

    /// How many dead letters have which cause: all of the embedded queue, or those, at most [`MAX_MESSAGES`], that SQS shows
    /// at this moment.
    ///
    /// # Errors
    ///
    /// The queue failing.
    pub async fn dead_letter_causes(&self) -> Result<BTreeMap<String, u64>, QueueError> {
        match self {
            Self::Embedded(queue) => queue.dead_letter_causes().await,
            Self::Sqs(queue) => {
                let mut causes = BTreeMap::new();
                for letter in queue.dead_letters(MAX_MESSAGES).await? {
                    *causes.entry(letter.cause).or_default() += 1;
                }
                Ok(causes)
            }
        }
    }

    /// How many messages wait to be received; one call to SQS.
    ///
    /// # Errors
    ///
    /// The queue failing.
    pub async fn waiting(&self, now: Timestamp) -> Result<u64, QueueError> {
        match self {
            Self::Embedded(queue) => Ok(queue.depth(now).await?.waiting),
            Self::Sqs(queue) => Ok(queue.count(&queue.queue_url).await?.0),
        }
    }
}

impl DeadLetterWalk {
    /// The next dead letters, at most [`MAX_MESSAGES`]; none at the end. What is given up after the walk began is left out,
    /// so that a letter which is put back and dies again does not keep it going.
    ///
    /// # Errors
    ///
    /// The queue failing.
    pub async fn next(&mut self) -> Result<Vec<HeldLetter>, QueueError> {
        loop {
            let mut page = match &self.queue {
                Queue::Embedded(queue) => queue.dead_letters_after(self.after).await?,
                Queue::Sqs(queue) => queue.hold_dead_letters().await?,
            };
            page.retain(|held| match &held.hold {
                Hold::Row(row) => {
                    self.after = *row;
                    true
                }
                // One that comes again brings a newer receipt. When nothing else comes, the walk has gone all the way round.
                Hold::Receipt { receipt, .. } => match self.seen.get_mut(&held.letter.id) {
                    Some(known) => {
                        *known = known.take().map(|_| receipt.clone());
                        false
                    }
                    None => self.seen.insert(held.letter.id.clone(), Some(receipt.clone())).is_none(),
                },
            });
            let nothing_new = page.is_empty();
            page.retain(|held| held.letter.at <= self.begun);
            if nothing_new || !page.is_empty() {
                return Ok(page);
            }
        }
    }

    /// Puts letters back into the queue, each on its own: copied first, then deleted, so that a crash between the two leaves
    /// it in both. The embedded queue does it in one transaction. Tells what could not be put back, by its id.
    pub async fn put_back(&mut self, letters: Vec<HeldLetter>, now: Timestamp) -> Vec<(String, QueueError)> {
        let mut tasks = JoinSet::new();
        for held in letters {
            let queue = self.queue.clone();
            tasks.spawn(async move {
                let done = match (&queue, &held.hold) {
                    (Queue::Embedded(queue), Hold::Row(row)) => queue.put_back(*row, now).await,
                    (Queue::Sqs(queue), Hold::Receipt { receipt, body }) => queue.put_back(receipt, body).await,
                    _ => unreachable!("a walk holds letters of its own queue"),
                };
                (held.letter.id, done)
            });
        }
        let mut failed = Vec::new();
        for (id, done) in tasks.join_all().await {
            match done {
                Ok(()) if self.seen.contains_key(&id) => drop(self.seen.insert(id, None)),
                Ok(()) => {}
                Err(error) => failed.push((id, error)),
            }
        }
        failed
    }

    /// Ends the walk: shows to others again what it has hidden from them and not put back.
    pub async fn end(self) {
        let Queue::Sqs(queue) = self.queue else { return };
        let receipts: Vec<String> = self.seen.into_values().flatten().collect();
        for some in receipts.chunks(MAX_MESSAGES) {
            let mut tasks = JoinSet::new();
            for receipt in some {
                let (queue, receipt) = (queue.clone(), receipt.clone());
                tasks.spawn(async move { queue.show_dead_letter(&receipt).await });
            }
            for error in tasks.join_all().await.into_iter().filter_map(Result::err) {
                let (error, seconds) = (format!("{:#}", anyhow::Error::from(error)), HIDDEN_FOR.as_secs());
                tracing::warn!(error, seconds, "a dead letter stays hidden until this time is over");
            }
        }
    }
}

impl Embedded {
    async fn dead_letter_causes(&self) -> Result<BTreeMap<String, u64>, QueueError> {
        let rows: Vec<(String, i64)> = sqlx::query_as("SELECT cause, count(*) FROM dead_letters GROUP BY cause")
            .fetch_all(&self.pool)
            .await
            .map_err(|source| self.failed("read", source))?;
        Ok(rows.into_iter().map(|(cause, count)| (cause, count.unsigned_abs())).collect())
    }

    async fn dead_letters_after(&self, row: i64) -> Result<Vec<HeldLetter>, QueueError> {
        type Row = (i64, String, String, i64, i64, Option<u32>);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT sequence, id, cause, moved_at, octet_length(body), receive_count
             FROM dead_letters WHERE sequence > ? ORDER BY sequence LIMIT ?",
        )
        .bind(row)
        .bind(i64::try_from(MAX_MESSAGES).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await
        .map_err(|source| self.failed("read", source))?;
        let held = rows.into_iter().map(|(row, id, cause, moved_ms, size, received)| HeldLetter {
            letter: Letter {
                id,
                cause,
                at: Timestamp::from_millisecond(moved_ms).unwrap_or_default(),
                size_bytes: size.unsigned_abs(),
                received,
            },
            hold: Hold::Row(row),
        });
        Ok(held.collect())
    }

    async fn put_back(&self, row: i64, now: Timestamp) -> Result<(), QueueError> {
        let failed = |source| self.failed("put a dead letter back in", source);
        let mut transaction = self.begin("put a dead letter back in").await?;
        sqlx::query(
            "INSERT INTO messages (id, body, sent_at, visible_at)
             SELECT id, body, ?2, ?2 FROM dead_letters WHERE sequence = ?1",
        )
        .bind(row)
        .bind(now.as_millisecond())
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        sqlx::query("DELETE FROM dead_letters WHERE sequence = ?")
            .bind(row)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        self.sent.notify_one();
        Ok(())
    }
}

impl Sqs {
    /// Receives dead letters and hides them from others.
    async fn hold_dead_letters(&self) -> Result<Vec<HeldLetter>, QueueError> {
        let received = self
            .client
            .receive_message()
            .queue_url(&self.dead_letter_queue_url)
            .max_number_of_messages(i32::try_from(MAX_MESSAGES).unwrap_or(i32::MAX))
            .wait_time_seconds(i32::try_from(WAIT.as_secs()).unwrap_or(i32::MAX))
            .visibility_timeout(i32::try_from(HIDDEN_FOR.as_secs()).unwrap_or(i32::MAX))
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_attribute_names(CAUSE)
            .send()
            .await
            .map_err(|error| sqs::failed("receive from", &self.dead_letter_queue_url, error))?;
        let held = received.messages.unwrap_or_default().into_iter().map(|message| {
            let receipt = message.receipt_handle.clone().unwrap_or_default();
            let looks = message
                .attributes
                .as_ref()
                .and_then(|attributes| attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount))
                .and_then(|count| count.parse::<u32>().ok());
            let dead = sqs::read_dead_letter(message);
            HeldLetter {
                letter: Letter {
                    id: dead.id,
                    cause: dead.cause,
                    at: dead.moved_at,
                    size_bytes: dead.body.len() as u64,
                    // This look is not one of them.
                    received: looks.map(|looks| looks.saturating_sub(1)),
                },
                hold: Hold::Receipt { receipt, body: dead.body },
            }
        });
        Ok(held.collect())
    }

    async fn put_back(&self, receipt: &str, body: &str) -> Result<(), QueueError> {
        self.send(body).await?;
        let url = &self.dead_letter_queue_url;
        let deleted = self.client.delete_message().queue_url(url).receipt_handle(receipt).send().await;
        deleted.map(drop).map_err(|error| sqs::failed("delete from", url, error))
    }

    async fn show_dead_letter(&self, receipt: &str) -> Result<(), QueueError> {
        let url = &self.dead_letter_queue_url;
        let change = self.client.change_message_visibility().queue_url(url).receipt_handle(receipt);
        let shown = change.visibility_timeout(0).send().await;
        shown.map(drop).map_err(|error| sqs::failed("give back to", url, error))
    }
}
