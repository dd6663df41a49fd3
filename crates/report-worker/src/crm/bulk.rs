//! Reading many records at once, in groups: several questions under way, as many as HubSpot's limits are worth.

use std::collections::VecDeque;

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::error::CrmError;
use super::{Crm, Reading};
use crate::domain::record::Kind;

/// How many records are best read together: two of HubSpot's batches with history, and one question each for the names of
/// all.
pub const TOGETHER: usize = 100;

/// How many such readings are under way or waiting to be taken, which bounds the memory. Each has one call under way, so
/// that the highest burst limit, 250 in 10 s, is used with answers that take up to 0.6 s.
pub(super) const READINGS: usize = 16;

/// Readings under way. They go on while their results are dealt with, and end when this is dropped.
pub struct Readings {
    crm: Crm,
    kind: Kind,
    portal_id: i64,
    now: Timestamp,
    rest: VecDeque<Vec<i64>>,
    under_way: JoinSet<(Vec<i64>, Result<Reading, CrmError>)>,
}

impl Crm {
    /// Reads groups of records of one kind, several at once, begun in the order given. See [`read`](Self::read) for what is
    /// read and what `now` is for; [`TOGETHER`] is the best size of a group.
    ///
    /// Must be called within a tokio runtime.
    pub fn read_many(&self, kind: Kind, portal_id: i64, groups: VecDeque<Vec<i64>>, now: Timestamp) -> Readings {
        let (crm, under_way) = (self.clone(), JoinSet::new());
        let mut readings = Readings { crm, kind, portal_id, now, rest: groups, under_way };
        readings.begin();
        readings
    }
}

impl Readings {
    /// The next reading that is finished, with the ids that it was asked for, in no particular order; `None` at the end.
    /// One that fails does not end the others.
    pub async fn next(&mut self) -> Option<(Vec<i64>, Result<Reading, CrmError>)> {
        self.begin();
        let (ids, reading) = match self.under_way.join_next().await? {
            Ok(read) => read,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        // At once, while this one is dealt with; after a failure it may be the caller's wish to ask no more.
        if reading.as_ref().is_ok_and(|reading| reading.interrupted.is_none()) {
            self.begin();
        }
        Some((ids, reading))
    }

    /// No further ids are asked for. What is under way is still given, and the others stay unread.
    pub fn ask_no_more(&mut self) {
        self.rest.clear();
    }

    fn begin(&mut self) {
        while self.under_way.len() < READINGS
            && let Some(ids) = self.rest.pop_front()
        {
            let (crm, kind, portal_id, now) = (self.crm.clone(), self.kind, self.portal_id, self.now);
            self.under_way.spawn(async move {
                let reading = crm.read(kind, portal_id, &ids, now).await;
                (ids, reading)
            });
        }
    }
}
