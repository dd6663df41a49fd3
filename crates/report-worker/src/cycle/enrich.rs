//! Due records are read from HubSpot, settled, and told as finance changes.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::books::{self, Books};
use super::{App, Summary, ledger};
use crate::crm::{self, CrmError, Reading};
use crate::domain::changes::{self, Change};
use crate::domain::record::{Answer, Kind, Record, RecordKey};
use crate::report::Definitions;
use crate::store::{Due, NewChange, Outcome, RecordState, StoreError, StoredRecord};

/// How many records are taken up in one go. Their readings follow one another without a gap, so that HubSpot's limit is
/// used to the full; more of them cost memory.
const AT_ONCE: u32 = 5_000;

/// How many of the records that reports wait for come before all others in a cycle.
const MOST_AWAITED: u32 = 1_000;

/// For how long records are read by this worker alone. One that is killed leaves them for so long; 5,000 records take half
/// a minute at the limit of the smallest account.
const CLAIM: SignedDuration = SignedDuration::from_mins(3);

/// After which time a reading that was too old is repeated; the last one holds for all further ones.
const SETTLING: [SignedDuration; 3] =
    [SignedDuration::from_secs(2), SignedDuration::from_secs(10), SignedDuration::from_secs(60)];

/// For how long HubSpot is given time to show what its event told. Then the reading is accepted as unsettled.
const SETTLED_WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// How far the stamps of an event and of the change it tells of may lie apart.
const A_MOMENT: SignedDuration = SignedDuration::from_millis(500);

/// After how many looks a record that is short of its event by a moment is taken as it is.
const LOOKS_FOR_A_MOMENT: u32 = 2;

/// How often a record that is not there is asked for again: some are readable only moments after their event (facts
/// 3.2). Then it is written down as gone.
const LOOKS_FOR_GONE: u32 = 2;

/// Reads what is due, for as long as a turn takes: first what reports wait for, then what has waited longest. HubSpot being
/// away stops a kind for this cycle; its records stay due.
pub(super) async fn enrich(app: &App, books: &Books, now: Timestamp, summary: &mut Summary) -> Result<(), StoreError> {
    if let Some(wait) = app.crm.closed_for() {
        // HubSpot said so, and that was told.
        summary.again_at(super::after(now, wait));
        return Ok(());
    }
    let (portal_id, turn) = (books.account.portal_id, Turn::begin(app));
    let mut kinds = Kind::ALL.to_vec();
    let mut first = app.store.awaited(portal_id, now, MOST_AWAITED).await?;
    while !kinds.is_empty() {
        let times = (now, now + CLAIM);
        let due = app.store.claim_due(portal_id, &kinds, &std::mem::take(&mut first), times, AT_ONCE).await?;
        for (kind, due) in by_kind(&due) {
            if !read(app, books, kind, &due, &turn, now, summary).await? {
                kinds.retain(|other| *other != kind);
            }
        }
        if due.is_empty() || turn.is_over() {
            break;
        }
    }
    if let (_, Some(next)) = app.store.waiting(portal_id).await? {
        summary.again_at(next);
    }
    Ok(())
}

/// How long a cycle reads, so that what is read is reported and sent, however much there is to read.
struct Turn {
    began: Instant,
    lasts: Duration,
}

impl Turn {
    fn begin(app: &App) -> Self {
        Self { began: Instant::now(), lasts: app.settings.reading_turn }
    }

    fn is_over(&self) -> bool {
        self.began.elapsed() >= self.lasts
    }
}

/// What is due by its kind; the kind that has waited longest comes first.
fn by_kind(due: &[Due]) -> Vec<(Kind, Vec<Due>)> {
    let mut kinds: Vec<(Kind, Vec<Due>)> = Vec::new();
    for due in due {
        match kinds.iter_mut().find(|(kind, _)| *kind == due.record.kind) {
            Some((_, same)) => same.push(due.clone()),
            None => kinds.push((due.record.kind, vec![due.clone()])),
        }
    }
    kinds
}

/// In groups of this size records are read: the more often HubSpot has failed over them, the smaller, until what it always
/// fails over is alone. What it never failed over comes first.
const TOGETHER: [usize; 3] = [crm::TOGETHER, 10, 1];

fn groups(due: &[Due]) -> VecDeque<Vec<i64>> {
    let mut by_size: [Vec<i64>; TOGETHER.len()] = Default::default();
    for due in due {
        by_size[(due.failures as usize).min(TOGETHER.len() - 1)].push(due.record.id);
    }
    by_size.iter().zip(TOGETHER).flat_map(|(ids, size)| ids.chunks(size).map(<[i64]>::to_vec)).collect()
}

/// After so many failures without an answer in between HubSpot is away, and none of it is the records' fault.
const AWAY_AFTER: usize = 3;

/// The longest time until a record that HubSpot fails over is asked for again.
const LONGEST_DELAY: Duration = Duration::from_secs(3_600);

/// How long a record is left alone that HubSpot has failed over so often before: 10 s, 30 s, then a minute and twice as
/// long each time. Up to half of it is added at random, so that those who failed together do not come back together.
fn delay(failures: u32) -> Duration {
    let delay = match failures {
        0 => Duration::from_secs(10),
        1 => Duration::from_secs(30),
        more => Duration::from_secs(60).saturating_mul(1 << (more - 2).min(16)).min(LONGEST_DELAY),
    };
    let jitter_ms = u64::try_from(delay.as_millis() / 2).unwrap_or(u64::MAX);
    delay + Duration::from_millis(fastrand::u64(0..=jitter_ms))
}

/// Whether HubSpot may fail in this way over some records and answer for others.
fn may_be_of_records(error: &CrmError) -> bool {
    matches!(error, CrmError::Unavailable { .. } | CrmError::Unreachable { .. } | CrmError::Garbled { .. })
}

/// Reads some records of one kind until the turn is over; false if HubSpot did not let us go on. What it fails over while
/// it answers for others is put off.
async fn read(
    app: &App,
    books: &Books,
    kind: Kind,
    due: &[Due],
    turn: &Turn,
    now: Timestamp,
    summary: &mut Summary,
) -> Result<bool, StoreError> {
    let mut readings = app.crm.read_many(kind, books.account.portal_id, groups(due), now);
    let mut due: BTreeMap<i64, &Due> = due.iter().map(|due| (due.record.id, due)).collect();
    let (mut goes_on, mut answers, mut told) = (true, false, false);
    // Groups that HubSpot has failed over: while it answered for others, and since its last answer.
    let (mut to_put_off, mut in_a_row) = (Vec::new(), Vec::new());
    loop {
        if !goes_on || turn.is_over() {
            readings.ask_no_more();
        }
        let next = app.stop.or(Duration::ZERO, readings.next()).await;
        goes_on &= next.is_some();
        let Some((ids, reading)) = next.flatten() else { break };
        let (unread, error) = match reading {
            Ok(reading) => {
                let answered = |id: &i64| reading.answers.contains_key(id) || reading.failed.contains_key(id);
                let (answered, others): (Vec<i64>, Vec<i64>) = ids.into_iter().partition(answered);
                let answered: Vec<&Due> = answered.iter().filter_map(|id| due.remove(id)).collect();
                if !answered.is_empty() {
                    answers = true;
                    to_put_off.append(&mut in_a_row);
                }
                (others, settle(app, books, &answered, reading, now, summary).await?)
            }
            Err(error) => (ids, Some(error)),
        };
        let Some(error) = error else { continue };
        if may_be_of_records(&error) {
            in_a_row.push(unread);
            goes_on &= in_a_row.len() < AWAY_AFTER;
        } else {
            goes_on = false;
        }
        if !told {
            summary.problem("enrich", error);
            told = true;
        }
    }
    goes_on &= answers || in_a_row.is_empty();
    if !goes_on {
        // Perhaps it was the fault of the first one after all, and it would be the first one again.
        in_a_row.truncate(1);
    }
    for ids in to_put_off.into_iter().chain(in_a_row) {
        let group: Vec<Due> = ids.iter().filter_map(|id| due.remove(id)).cloned().collect();
        put_off_failed(app, &group, now).await?;
    }
    let unread: Vec<Due> = due.into_values().cloned().collect();
    app.store.give_back(&unread).await?;
    Ok(goes_on)
}

/// Puts off a group that HubSpot has failed over.
async fn put_off_failed(app: &App, group: &[Due], now: Timestamp) -> Result<(), StoreError> {
    let failures = group.iter().map(|due| due.failures).max().unwrap_or_default();
    let next_at = super::after(now, delay(failures));
    if let [due] = group {
        tracing::warn!(record = %due.record, failures = failures + 1, %next_at, "HubSpot fails over this record; it waits");
    }
    app.store.put_off_failed(group, next_at).await
}

/// Writes down what was read of some records; gives back the error that kept others from being read.
async fn settle(
    app: &App,
    books: &Books,
    due: &[&Due],
    mut reading: Reading,
    now: Timestamp,
    summary: &mut Summary,
) -> Result<Option<CrmError>, StoreError> {
    summary.records_read += u64::from(reading.records_read);
    let books = &with_their_stages(app, books, &reading.answers, now).await;
    let keys: Vec<RecordKey> = due.iter().map(|due| due.record).collect();
    let earlier: BTreeMap<RecordKey, StoredRecord> =
        app.store.records(&keys).await?.into_iter().map(|stored| (stored.key, stored)).collect();
    let (mut outcomes, mut winners) = (Vec::new(), Vec::new());
    for &due in due {
        let id = due.record.id;
        let earlier = earlier.get(&due.record);
        if let Some(cause) = reading.failed.get(&id) {
            tracing::error!(record = %due.record, cause, "a record cannot be read; asked for again with its next event");
            outcomes.push(closed(due, RecordState::Unreadable, earlier, vec![], books));
            continue;
        }
        match reading.answers.remove(&id) {
            None => {}
            Some(Answer::Found(record)) => match wait_for(due, &record, earlier, now) {
                Some(next_at) => app.store.put_off(due, now, next_at).await?,
                None => outcomes.push(found(due, record, earlier, books)),
            },
            Some(Answer::Gone) if due.readings < LOOKS_FOR_GONE => {
                app.store.put_off(due, now, now + pause(due)).await?;
            }
            Some(Answer::Gone) => {
                tracing::warn!(record = %due.record, "HubSpot has no such record; written down as gone");
                outcomes.push(gone(due, earlier, now, books));
            }
            Some(Answer::Forbidden) => {
                tracing::warn!(record = %due.record, "the access token may not read this record; written down as forbidden");
                outcomes.push(closed(due, RecordState::Forbidden, earlier, vec![], books));
            }
            Some(Answer::MergedInto(into)) => {
                winners.push(RecordKey { id: into, ..due.record });
                let change = earlier
                    .and_then(|stored| stored.record.as_ref())
                    .map(|record| changes::merged(record, into, now, &books.rules()));
                let changes = change.into_iter().collect();
                outcomes.push(closed(due, RecordState::Merged { into }, earlier, changes, books));
            }
        }
    }
    for outcome in &mut outcomes {
        outcome.payments_follow = ledger::is_shown_anew(books, earlier.get(&outcome.stored.key), &outcome.stored);
    }
    let ledger = |stored: &StoredRecord, invoice: Option<&StoredRecord>| ledger::of(books, stored, invoice, now);
    summary.changes += app.store.settle(&outcomes, &winners, ledger, now).await?;
    Ok(reading.interrupted)
}

/// The books with the stages that the records name: a stage that nobody knows yet is asked for at once.
async fn with_their_stages(app: &App, books: &Books, answers: &BTreeMap<i64, Answer>, now: Timestamp) -> Books {
    let unknown = answers.values().any(|answer| match answer {
        Answer::Found(record) if record.key.kind == Kind::Deal => record
            .history
            .get("dealstage")
            .into_iter()
            .flatten()
            .any(|entry| !entry.value.is_empty() && books.stages.closing(&entry.value).is_none()),
        _ => false,
    });
    if unknown {
        books::forget(app).await;
        if let Ok(books) = books::known(app, now).await {
            return books;
        }
    }
    books.clone()
}

/// When to read again, if the reading is older than the event that asked for it and there is still time.
fn wait_for(due: &Due, record: &Record, earlier: Option<&StoredRecord>, now: Timestamp) -> Option<Timestamp> {
    let last = due.first_read_at.unwrap_or(now) + SETTLED_WITHIN;
    (is_older(due, record, earlier) && now < last).then(|| last.min(now + pause(due)))
}

/// True if neither the reading nor the books show what the event told.
///
/// Nobody promises that the event and the record's modification bear the same stamp. A record that stays short of the
/// event by a moment, in a look after 2 and another after 10 seconds, is what the event told.
fn is_older(due: &Due, record: &Record, earlier: Option<&StoredRecord>) -> bool {
    let (Some(wanted), None) = (due.wanted_as_of, record.archived_at) else { return false };
    let known = earlier.and_then(|stored| stored.record.as_ref()).map_or(record.updated_at, |known| known.updated_at);
    let short_by = wanted.duration_since(known.max(record.updated_at));
    short_by.is_positive() && (short_by > A_MOMENT || due.readings < LOOKS_FOR_A_MOMENT)
}

fn pause(due: &Due) -> SignedDuration {
    SETTLING[usize::try_from(due.readings).unwrap_or(usize::MAX).min(SETTLING.len() - 1)]
}

fn found(due: &Due, mut record: Record, earlier: Option<&StoredRecord>, books: &Books) -> Outcome {
    let before = earlier.and_then(|stored| stored.record.as_ref());
    let unsettled = is_older(due, &record, earlier);
    if let Some(newer) = earlier.filter(|_| before.is_some_and(|before| before.updated_at > record.updated_at)) {
        // What the books hold stays, with the histories; only the waiting ends.
        return outcome(due, StoredRecord { unsettled, ..newer.clone() }, vec![], books);
    }
    record.remember(before);
    let rules = books.rules();
    let mut changes = changes::from_history(&record, &rules);
    match (before.and_then(|record| record.archived_at), record.archived_at) {
        (None, Some(at)) if at > books.open_at => changes.push(changes::archived(&record, at, &rules)),
        (Some(at), None) => changes.push(changes::restored(&record, at, &rules)),
        _ => {}
    }
    let state = if record.archived_at.is_some() { RecordState::Archived } else { RecordState::Known };
    outcome(due, StoredRecord { key: due.record, state, record: Some(record), unsettled }, changes, books)
}

/// A record that is not there any more. What the books knew of it stays, closed.
fn gone(due: &Due, earlier: Option<&StoredRecord>, now: Timestamp, books: &Books) -> Outcome {
    let mut record = earlier.and_then(|stored| stored.record.clone());
    let mut changes = Vec::new();
    if let Some(record) = record.as_mut().filter(|record| record.archived_at.is_none()) {
        record.archived_at = Some(now);
        changes.push(changes::archived(record, now, &books.rules()));
    }
    let stored = StoredRecord { key: due.record, state: RecordState::Gone, record, unsettled: false };
    outcome(due, stored, changes, books)
}

/// The end of the waiting for a record that HubSpot does not show.
fn closed(
    due: &Due,
    state: RecordState,
    earlier: Option<&StoredRecord>,
    changes: Vec<Change>,
    books: &Books,
) -> Outcome {
    let record = earlier.and_then(|stored| stored.record.clone());
    outcome(due, StoredRecord { key: due.record, state, record, unsettled: false }, changes, books)
}

fn outcome(due: &Due, stored: StoredRecord, changes: Vec<Change>, books: &Books) -> Outcome {
    let shown = matches!(stored.state, RecordState::Known);
    let open_until = stored.record.as_ref().filter(|_| shown).and_then(|record| books::open_until(record, books));
    let changes = changes.into_iter().map(|change| new_change(change, &books.definitions)).collect();
    Outcome { due: due.clone(), stored, open_until, changes, payments_follow: false }
}

/// A change with the reports that have to tell it.
pub(super) fn new_change(change: Change, definitions: &Definitions) -> NewChange {
    let reports = definitions.reports.iter().filter(|report| report.tells(change.kind, change.record.kind));
    NewChange { reports: reports.map(|report| report.name.clone()).collect(), change }
}
