//! Reading many records at once: several questions under way, as many as HubSpot's limits are worth.

use std::collections::VecDeque;

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::error::CrmError;
use super::{Crm, Reading};
use crate::domain::record::Kind;

/// How many records are read together: two of HubSpot's batches with history, and one question each for the names of
/// all.
const TOGETHER: usize = 100;

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
    /// Reads records of one kind, any number of them, a hundred together and several times that at once, begun in the order given. See
    /// [`read`](Self::read) for what is read and what `now` is for.
    ///
    /// Must be called within a tokio runtime.
    pub fn read_many(&self, kind: Kind, portal_id: i64, ids: &[i64], now: Timestamp) -> Readings {
        let rest = ids.chunks(TOGETHER).map(<[i64]>::to_vec).collect();
        let mut readings = Readings { crm: self.clone(), kind, portal_id, now, rest, under_way: JoinSet::new() };
        readings.begin();
        readings
    }
}

impl Readings {
    /// The next reading that is finished, with the ids that it was asked for, in no particular order; `None` at the end.
    ///
    /// After an error, or a reading that was interrupted, no further ids are asked for: what is under way is still
    /// given, and the others stay unread.
    pub async fn next(&mut self) -> Option<(Vec<i64>, Result<Reading, CrmError>)> {
        let (ids, reading) = match self.under_way.join_next().await? {
            Ok(read) => read,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        if reading.as_ref().map_or(true, |reading| reading.interrupted.is_some()) {
            self.ask_no_more();
        }
        self.begin();
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
