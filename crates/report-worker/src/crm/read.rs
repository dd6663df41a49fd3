//! Reading records by their ids, with history. Results are matched by id, never by position.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::error::{CrmError, ErrorReply};
use super::http::Task;
use super::names::inputs;
use super::record::{Unreadable, parse_all};
use super::schema::Schema;
use super::wire::{self, BatchError};
use super::{Crm, task};
use crate::domain::record::{Answer, Kind, Record};

/// HubSpot reads at most this many records at once with the history of their properties.
const BATCH: usize = 50;

/// What reading some records came to.
///
/// An id that is neither in `answers` nor in `failed` was not read: it stays due, and `interrupted` says why.
#[derive(Debug, Default)]
pub struct Reading {
    /// What HubSpot said of each record.
    pub answers: BTreeMap<i64, Answer>,
    /// The records that cannot be read, and will not be by trying again, each with its cause.
    pub failed: BTreeMap<i64, String>,
    /// The error that kept some ids from being read.
    pub interrupted: Option<CrmError>,
    /// How many requests were made.
    pub calls: u32,
    /// How many records came back.
    pub records_read: u32,
}

impl Crm {
    /// Reads records of one kind, any number of them, with the names of their owners and companies.
    ///
    /// `now` only decides how old a remembered name is. A missing scope for the records themselves answers
    /// [`Answer::Forbidden`]; one for owners or companies leaves the names out and is logged once.
    ///
    /// # Errors
    ///
    /// Nothing could be read, or the names not for now; all ids stay due. An error that comes after the first answers
    /// is in [`Reading::interrupted`].
    pub async fn read(&self, kind: Kind, portal_id: i64, ids: &[i64], now: Timestamp) -> Result<Reading, CrmError> {
        if ids.is_empty() {
            return Ok(Reading::default());
        }
        let mut reading = Reading::default();
        let schema = self.schema(kind, &mut reading.calls).await?;
        let mut reader = Reader { crm: self, task: task(kind), kind, portal_id, schema, reading };
        let ids: Vec<i64> = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        for chunk in ids.chunks(BATCH) {
            match reader.read_chunk(chunk).await {
                Ok(()) => {}
                Err(error) if error.lacks_scope() => {
                    reader.forbid(&ids);
                    break;
                }
                Err(error) => {
                    reader.reading.interrupted = Some(error);
                    break;
                }
            }
        }
        let mut reading = reader.reading;
        let is_empty = reading.answers.is_empty() && reading.failed.is_empty();
        if is_empty && let Some(error) = reading.interrupted {
            return Err(error);
        }
        self.fill_names(kind, &mut reading.answers, now, &mut reading.calls).await?;
        Ok(reading)
    }
}

/// One reading under way.
struct Reader<'a> {
    crm: &'a Crm,
    task: Task,
    kind: Kind,
    portal_id: i64,
    schema: Arc<Schema>,
    reading: Reading,
}

impl Reader<'_> {
    /// Reads up to [`BATCH`] ids. A batch that is refused because of one of them is halved until that one is alone.
    async fn read_chunk(&mut self, chunk: &[i64]) -> Result<(), CrmError> {
        let mut parts = vec![chunk];
        let mut absent = Vec::new();
        while let Some(part) = parts.pop() {
            match (self.ask(part, false).await, part) {
                (Ok(batch), [id]) => absent.extend(self.settle_one(*id, batch)),
                (Ok(mut batch), _) => {
                    for alone in part.chunks(1).rev() {
                        match batch.records.remove(&alone[0]) {
                            Some(record) => self.settle(alone[0], record),
                            // Asked for by itself, its answer tells whether it was merged, is archived, or is gone.
                            None => parts.push(alone),
                        }
                    }
                }
                (Err(error), [id]) if error.is_bad_request() => self.fail(*id, &error),
                (Err(error), _) if error.is_bad_request() => {
                    let (left, right) = part.split_at(part.len() / 2);
                    parts.extend([right, left]);
                }
                (Err(error), _) => return Err(error),
            }
        }
        self.read_archived(&absent).await
    }

    /// Looks for ids among the archived records; those that are not there either are gone.
    async fn read_archived(&mut self, ids: &[i64]) -> Result<(), CrmError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut batch = match self.ask(ids, true).await {
            Ok(batch) => batch,
            Err(error) if error.is_bad_request() => {
                ids.iter().for_each(|&id| self.fail(id, &error));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for &id in ids {
            match batch.records.remove(&id) {
                Some(record) => self.settle(id, record),
                None => self.conclude(id, batch.absence(self.task, id)),
            }
        }
        Ok(())
    }

    /// Takes the reply to a question about a single id; gives the id back if no such record is live.
    fn settle_one(&mut self, id: i64, mut batch: Batch) -> Option<i64> {
        if let Some(record) = batch.records.remove(&id) {
            self.settle(id, record);
            return None;
        }
        let mut others = batch.records.keys();
        match (others.next(), others.next(), batch.absence(self.task, id)) {
            (Some(&winner), None, _) => self.answer(id, Answer::MergedInto(winner)),
            (Some(_), Some(_), _) => self.fail(id, "HubSpot answered with several other records"),
            (None, _, Absence::Proven) => return Some(id),
            (None, _, other) => self.conclude(id, other),
        }
        None
    }

    /// Takes a result that is there.
    fn settle(&mut self, id: i64, record: Result<Record, Unreadable>) {
        self.reading.records_read += 1;
        match record {
            Ok(record) => self.answer(id, Answer::Found(record)),
            Err(cause) => self.fail(id, cause),
        }
    }

    /// Takes a missing result for what it means.
    fn conclude(&mut self, id: i64, absence: Absence) {
        match absence {
            Absence::Proven => self.answer(id, Answer::Gone),
            Absence::Forbidden => self.answer(id, Answer::Forbidden),
            Absence::Refused(cause) => self.fail(id, cause),
            Absence::Unexplained(error) => self.reading.interrupted = Some(error),
        }
    }

    fn answer(&mut self, id: i64, answer: Answer) {
        self.reading.answers.insert(id, answer);
    }

    fn fail(&mut self, id: i64, cause: impl ToString) {
        self.reading.failed.insert(id, cause.to_string());
    }

    /// Answers for all ids that have no answer yet.
    fn forbid(&mut self, ids: &[i64]) {
        for &id in ids {
            if !self.reading.failed.contains_key(&id) {
                self.reading.answers.entry(id).or_insert(Answer::Forbidden);
            }
        }
    }

    async fn ask(&mut self, ids: &[i64], archived: bool) -> Result<Batch, CrmError> {
        let (version, type_id) = (&self.crm.version, self.kind.type_id());
        let path =
            format!("/crm/objects/{version}/{type_id}/batch/read{}", if archived { "?archived=true" } else { "" });
        let Schema { with_history, all, extra, .. } = &*self.schema;
        let properties: Vec<&str> = all.iter().copied().chain(extra.iter().map(String::as_str)).collect();
        let body = json!({
            "inputs": inputs(ids),
            "properties": properties,
            "propertiesWithHistory": with_history,
        });
        let batch = self.crm.http.post(self.task, &path, &body, &mut self.reading.calls).await?;
        Ok(Batch::new(batch, self.portal_id, self.kind, &self.schema))
    }
}

/// A batch whose results were told apart by id.
struct Batch {
    records: BTreeMap<i64, Result<Record, Unreadable>>,
    nameless: usize,
    finished: bool,
    num_errors: u64,
    errors: Vec<BatchError>,
}

/// What it means that a batch has no result for an id.
enum Absence {
    /// There is no such record.
    Proven,
    /// The token may not read it.
    Forbidden,
    /// HubSpot will not read it.
    Refused(String),
    /// It may be there.
    Unexplained(CrmError),
}

impl Batch {
    fn new(batch: wire::Batch, portal_id: i64, kind: Kind, schema: &Schema) -> Self {
        let (records, nameless) = parse_all(&batch.results, portal_id, kind, schema);
        let finished = batch.status.0.is_none_or(|status| status == "COMPLETE");
        Self { records, nameless, finished, num_errors: batch.num_errors, errors: batch.errors }
    }

    /// What it means that there is no result for `id`. Only an empty place that HubSpot explains by the record not
    /// being there, or does not remark upon at all, proves it.
    fn absence(&self, task: Task, id: i64) -> Absence {
        let unexplained = |category: Option<&str>, correlation_id: Option<&str>| {
            let reply = ErrorReply::new(207, category.map(str::to_owned), correlation_id.map(str::to_owned));
            Absence::Unexplained(CrmError::Unavailable { task: task.words, reply, retry_after: None })
        };
        if self.nameless > 0 {
            return Absence::Refused("HubSpot answered with a record that has no readable id".to_owned());
        }
        if !self.finished || (self.num_errors > 0 && self.errors.is_empty()) {
            return unexplained(None, None);
        }
        let other =
            |error: &&BatchError| error.concerns(id) && error.category.0.as_deref() != Some(ErrorReply::NOT_FOUND);
        let Some(error) = self.errors.iter().find(other) else { return Absence::Proven };
        match error.category.0.as_deref() {
            Some(ErrorReply::MISSING_SCOPES) => Absence::Forbidden,
            Some("VALIDATION_ERROR") => {
                Absence::Refused("HubSpot refuses to read it within a batch (VALIDATION_ERROR)".to_owned())
            }
            category => unexplained(category, error.correlation_id.0.as_deref()),
        }
    }
}
