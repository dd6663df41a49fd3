//! The events that HubSpot still has to deliver.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::events::Event;

/// Events on their way: fresh ones in the order of their changes, and those that wait for a moment.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    /// Rings when there is something new to send.
    pub(crate) changed: Notify,
    /// Events that were neither accepted nor given up.
    unsettled: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Without a target URL nobody is subscribed, and events fall away.
    target_url: Option<String>,
    fresh: VecDeque<Event>,
    /// By their moment, and in the order in which they began to wait.
    waiting: BTreeMap<(Instant, u64), Event>,
    waited: u64,
    /// Events since the start.
    total: u64,
}

impl Queue {
    fn wait(&mut self, events: impl IntoIterator<Item = Event>, until: Instant) {
        for event in events {
            self.waited += 1;
            self.waiting.insert((until, self.waited), event);
        }
    }
}

impl Outbox {
    pub(crate) fn new(target_url: Option<String>) -> Self {
        let queue = Mutex::new(Queue { target_url, ..Queue::default() });
        Self { queue, changed: Notify::new(), unsettled: watch::Sender::new(0) }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn target_url(&self) -> Option<String> {
        self.queue().target_url.clone()
    }

    pub(crate) fn set_target_url(&self, url: Option<String>) {
        self.queue().target_url = url;
    }

    pub(crate) fn total(&self) -> u64 {
        self.queue().total
    }

    /// Takes fresh events in.
    pub(crate) fn push(&self, events: Vec<Event>) {
        let mut queue = self.queue();
        if queue.target_url.is_none() || events.is_empty() {
            return;
        }
        queue.total += events.len() as u64;
        self.unsettled.send_modify(|count| *count += events.len());
        queue.fresh.extend(events);
        drop(queue);
        self.changed.notify_one();
    }

    /// Whether an event could leave now.
    pub(crate) fn has_due(&self, now: Instant) -> bool {
        let queue = self.queue();
        !queue.fresh.is_empty() || queue.waiting.first_key_value().is_some_and(|((due, _), _)| *due <= now)
    }

    /// Takes out up to `most` events: those whose moment has come, then fresh ones. A body is therefore not composed the
    /// same way when it is tried again.
    pub(crate) fn take(&self, most: usize, now: Instant, newest_first: bool) -> Vec<Event> {
        let mut queue = self.queue();
        let mut taken = Vec::new();
        while taken.len() < most && queue.waiting.first_key_value().is_some_and(|((due, _), _)| *due <= now) {
            taken.extend(queue.waiting.pop_first().map(|(_, event)| event));
        }
        while taken.len() < most {
            let next = if newest_first { queue.fresh.pop_back() } else { queue.fresh.pop_front() };
            let Some(event) = next else { break };
            taken.push(event);
        }
        taken
    }

    /// Keeps events until a moment.
    pub(crate) fn wait(&self, events: impl IntoIterator<Item = Event>, until: Instant) {
        self.queue().wait(events, until);
    }

    /// Lets every fresh event wait until a moment.
    pub(crate) fn hold_fresh(&self, until: Instant) {
        let mut queue = self.queue();
        let fresh = std::mem::take(&mut queue.fresh);
        queue.wait(fresh, until);
    }

    /// The next moment at which a waiting event is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.queue().waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// `count` events were accepted, given up or lost.
    pub(crate) fn settle(&self, count: usize) {
        self.unsettled.send_modify(|unsettled| *unsettled -= count);
    }

    /// Returns once no event is on its way.
    pub(crate) async fn drained(&self) {
        let mut unsettled = self.unsettled.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = unsettled.wait_for(|count| *count == 0).await;
    }
}
