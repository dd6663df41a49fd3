//! The messages in hand: they stay invisible to other workers for as long as the work on them lasts.

use std::convert::Infallible;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use jiff::Timestamp;
use tokio::time::Instant;

use super::after;
use crate::queue::{Message, Queue};

/// Messages that were received together. They are in hand until the last copy of this is dropped.
#[derive(Clone)]
pub(super) struct Round(Arc<[Message]>);

impl Deref for Round {
    type Target = [Message];

    fn deref(&self) -> &[Message] {
        &self.0
    }
}

/// All rounds that somebody is at work on.
#[derive(Default)]
pub(super) struct Hand(Mutex<Vec<Weak<[Message]>>>);

impl Hand {
    pub(super) fn take(&self, messages: Vec<Message>) -> Round {
        let round: Arc<[Message]> = messages.into();
        let mut rounds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.retain(|round| round.strong_count() > 0);
        rounds.push(Arc::downgrade(&round));
        Round(round)
    }

    /// Extends the visibility of what is in hand each time that half of it is over. `now` is the moment of the call.
    pub(super) async fn keep(&self, queue: &Queue, now: Timestamp) -> Infallible {
        let started = Instant::now();
        loop {
            tokio::time::sleep(queue.visibility_timeout() / 2).await;
            for round in self.rounds() {
                if let Err(error) = queue.keep(&round, after(now, started.elapsed())).await {
                    tracing::warn!(error = %super::chain(error), "messages in hand may be handed out a second time");
                }
            }
        }
    }

    fn rounds(&self) -> Vec<Round> {
        let rounds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.iter().filter_map(Weak::upgrade).map(Round).collect()
    }
}
