//! Comparing the books with HubSpot, record by record: by hand with `closing-bell reconcile`, and every night by itself.
//!
//! HubSpot gives up a webhook after a day of retries, and nobody hears of it. So all records are listed, by the walk of the
//! opening balance, and whatever the books do not know, hold with other figures, or hold as closed is made due; then it
//! goes the ordinary way. What the books hold as live and HubSpot does not list was archived, merged or deleted unheard.
//!
//! A comparison can be interrupted anywhere: each page is stored with the place where it ends.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::books::{self, Books, BooksError};
use super::{App, Summary};
use crate::crm::{Crm, Cursor};
use crate::domain::completeness::{Completeness, READ_WITHIN};
use crate::domain::record::{Kind, Record, RecordKey};
use crate::store::{Standing, Store, StoreError, StoredRecord};

/// What was modified later than this before now has an event on its way, and may be missing in HubSpot's search index.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_mins(10);

/// An interrupted comparison is taken up again for this long; then a new one says more.
const GOOD_FOR: SignedDuration = SignedDuration::from_hours(24);

/// How many pages a cycle compares: four seconds at HubSpot's five searches a second, so that nothing waits for long.
const PAGES_A_CYCLE: usize = 20;

/// The fact with the last result.
pub const RESULT: &str = "reconciled";

/// What is wrong with a record of the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// HubSpot lists it, and the books do not know it.
    Missing,
    /// HubSpot has another value in a property that figures come from.
    Property(String),
    /// HubSpot lists it, and the books hold it as archived, merged, gone or unreadable.
    Closed,
    /// The books hold it as live, and HubSpot does not list it.
    Unlisted,
}

impl Difference {
    fn word(&self) -> String {
        match self {
            Self::Missing => "missing".to_owned(),
            Self::Property(name) => format!("other {name}"),
            Self::Closed => "closed".to_owned(),
            Self::Unlisted => "unlisted".to_owned(),
        }
    }
}

/// A comparison while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// When it began.
    pub began_at: Timestamp,
    /// Kinds that are through.
    done: Vec<Kind>,
    /// Kinds that the access token may not read.
    left_out: Vec<Kind>,
    cursor: Option<Cursor>,
    /// Records that HubSpot has listed so far.
    pub listed: u64,
    /// Records that differ so far.
    pub found: u64,
}

/// What a comparison that came to its end has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    /// The books were compared with HubSpot as of this moment.
    pub began_at: Timestamp,
    /// When it was through.
    pub ended_at: Timestamp,
    /// Records that HubSpot listed.
    pub listed: u64,
    /// Records that differed.
    pub found: u64,
    /// Whether these were made due.
    pub repaired: bool,
    /// Kinds that the access token may not read.
    pub left_out: Vec<Kind>,
}

/// Who compares what with what.
pub struct Comparison<'a> {
    /// The books.
    pub store: &'a Store,
    /// HubSpot.
    pub crm: &'a Crm,
    /// The account.
    pub portal_id: i64,
    /// The name of the walk: two of different names do not disturb each other.
    pub walk: &'static str,
    /// Whether what differs is made due.
    pub repair: bool,
}

impl Comparison<'_> {
    fn fact(&self) -> String {
        format!("comparison.{}", self.walk)
    }

    /// Takes up the comparison that was interrupted, or begins one.
    ///
    /// # Errors
    /// The books cannot be read.
    pub async fn begin(&self, now: Timestamp) -> Result<Progress, StoreError> {
        let interrupted: Option<Progress> = self.store.fact(&self.fact()).await?;
        if let Some(progress) = interrupted.filter(|progress| now.duration_since(progress.began_at) < GOOD_FOR) {
            return Ok(progress);
        }
        let (done, left_out) = (Vec::new(), Vec::new());
        let progress = Progress { began_at: now, done, left_out, cursor: None, listed: 0, found: 0 };
        // What an older one has left is of no use.
        self.store.end_comparison(self.walk, "", (&self.fact(), &progress)).await?;
        Ok(progress)
    }

    /// Compares one page; false once there is nothing more to compare.
    ///
    /// # Errors
    /// HubSpot or the books cannot be asked. What was compared so far stays.
    pub async fn step(&self, progress: &mut Progress, now: Timestamp) -> Result<bool, ComparisonError> {
        let Some(kind) = Kind::ALL.into_iter().find(|kind| !progress.done.contains(kind)) else { return Ok(false) };
        // Another worker may have gone on, or come to the end and forgotten what was listed: then nothing is unlisted.
        if self.store.fact(&self.fact()).await?.as_ref() != Some(&*progress) {
            return Err(ComparisonError::Elsewhere);
        }
        let page = match self.crm.list(kind, self.portal_id, progress.cursor.clone()).await {
            Ok(page) => page,
            Err(error) if error.lacks_scope() => {
                progress.left_out.push(kind);
                progress.done.push(kind);
                self.store.set_fact(&self.fact(), progress).await?;
                return Ok(true);
            }
            Err(error) => return Err(error.into()),
        };
        let ids: Vec<i64> = page.records.iter().map(|record| record.key.id).collect();
        let standing = self.store.standing(self.portal_id, kind, &ids).await?;
        let stored = self.stored_if_newer(&page.records, &standing).await?;
        let mut compared = Vec::with_capacity(page.records.len());
        for record in &page.records {
            let recent = record.updated_at >= now - ON_ITS_WAY;
            let difference = match standing.get(&record.key.id) {
                _ if recent => None,
                None if self.store.is_due(record.key).await? => None,
                None => Some(Difference::Missing),
                Some(standing) if standing.is_due => None,
                Some(standing) if !standing.is_live => Some(Difference::Closed),
                Some(_) => stored.get(&record.key).and_then(|stored| other_property(stored, record)),
            };
            compared.push((record.key, difference.map(|difference| difference.word())));
        }
        // What HubSpot lists and nobody can read was listed all the same.
        let unreadable = page.failed.keys().map(|id| RecordKey { portal_id: self.portal_id, kind, id: *id });
        compared.extend(unreadable.map(|key| (key, None)));
        let listed = progress.listed + compared.len() as u64;
        if let Some(next) = page.next {
            let after = Progress { listed, cursor: Some(next), ..progress.clone() };
            self.write(compared, progress, after, now).await?;
            return Ok(true);
        }
        // The kind is through when what is unlisted has been found as well. Whoever is interrupted until then lists its last page
        // once more.
        let here = progress.clone();
        self.write(compared, progress, here, now).await?;
        self.find_unlisted(kind, progress, now).await?;
        let mut through = Progress { listed, cursor: None, ..progress.clone() };
        through.done.push(kind);
        self.write(Vec::new(), progress, through, now).await?;
        Ok(true)
    }

    /// Ends the comparison, and gives its result with what it found.
    ///
    /// # Errors
    /// The books cannot be read or written.
    pub async fn end(
        &self,
        progress: Progress,
        now: Timestamp,
    ) -> Result<(Reconciled, Vec<(RecordKey, String)>), StoreError> {
        let found = self.store.differences(self.walk).await?;
        let Progress { began_at, listed, left_out, .. } = progress;
        let count = found.len() as u64;
        let result = Reconciled { began_at, ended_at: now, listed, found: count, repaired: self.repair, left_out };
        self.store.end_comparison(self.walk, &self.fact(), (RESULT, &result)).await?;
        Ok((result, found))
    }

    /// The records of the books that HubSpot shows with another stamp. Most differ in nothing that matters here.
    async fn stored_if_newer(
        &self,
        records: &[Record],
        standing: &BTreeMap<i64, Standing>,
    ) -> Result<BTreeMap<RecordKey, StoredRecord>, StoreError> {
        let differs =
            |record: &&Record| standing.get(&record.key.id).is_some_and(|it| it.updated_at != record.updated_at);
        let keys: Vec<RecordKey> = records.iter().filter(differs).map(|record| record.key).collect();
        Ok(self.store.records(&keys).await?.into_iter().map(|stored| (stored.key, stored)).collect())
    }

    async fn find_unlisted(&self, kind: Kind, progress: &mut Progress, now: Timestamp) -> Result<(), ComparisonError> {
        let (before, mut after) = (progress.began_at - ON_ITS_WAY, i64::MIN);
        loop {
            let ids = self.store.unlisted(self.walk, self.portal_id, kind, before, after).await?;
            let Some(last) = ids.last() else { return Ok(()) };
            after = *last;
            let key = |id| RecordKey { portal_id: self.portal_id, kind, id };
            let unlisted = ids.into_iter().map(|id| (key(id), Some(Difference::Unlisted.word()))).collect();
            let here = progress.clone();
            self.write(unlisted, progress, here, now).await?;
        }
    }

    /// Writes down some records with what is wrong with them, and with it how far the comparison has come, unless another
    /// process has gone on meanwhile.
    async fn write(
        &self,
        compared: Vec<(RecordKey, Option<String>)>,
        progress: &mut Progress,
        mut after: Progress,
        now: Timestamp,
    ) -> Result<(), ComparisonError> {
        let differing: Vec<RecordKey> =
            compared.iter().filter(|(_, difference)| difference.is_some()).map(|(key, _)| *key).collect();
        after.found += differing.len() as u64;
        let ask_for: &[RecordKey] = if self.repair { &differing } else { &[] };
        let step = (self.fact(), &*progress, &after);
        if !self.store.store_compared(self.walk, &compared, ask_for, step, now).await? {
            return Err(ComparisonError::Elsewhere);
        }
        *progress = after;
        Ok(())
    }
}

/// Why a comparison stopped. It goes on where it was.
#[derive(Debug, thiserror::Error)]
pub enum ComparisonError {
    /// The books cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// HubSpot did not answer as asked.
    #[error(transparent)]
    Crm(#[from] crate::crm::CrmError),
    /// Another process is at the same comparison.
    #[error("another process goes on with the same comparison; try again when it is done")]
    Elsewhere,
}

/// The first property that figures come from in which the two differ.
fn other_property(stored: &StoredRecord, listed: &Record) -> Option<Difference> {
    let held = stored.record.as_ref()?;
    let value = |record: &Record, name: &str| record.property(name).unwrap_or_default().to_owned();
    let tracked = listed.key.kind.tracked_properties().iter();
    let other = tracked.copied().find(|name| value(held, name) != value(listed, name));
    other.map(|name| Difference::Property(name.to_owned()))
}

/// Compares some pages of tonight's comparison, and repairs. Once a day of the reporting zone.
pub(super) async fn nightly(app: &App, books: &Books, now: Timestamp, summary: &mut Summary) -> Result<(), BooksError> {
    let day = |at: Timestamp| at.to_zoned(books.zone.clone()).date();
    let last: Option<Reconciled> = app.store.fact(RESULT).await?;
    // The opening balance was such a walk, too.
    if day(last.map_or(books.open_at, |last| last.began_at)) >= day(now) {
        return Ok(());
    }
    let portal_id = books.account.portal_id;
    let comparison = Comparison { store: &app.store, crm: &app.crm, portal_id, walk: "nightly", repair: true };
    let mut progress = comparison.begin(now).await?;
    for _ in 0..PAGES_A_CYCLE {
        let more = match comparison.step(&mut progress, now).await {
            Ok(more) => more,
            Err(ComparisonError::Elsewhere) => return Ok(()),
            Err(ComparisonError::Store(error)) => return Err(error.into()),
            Err(ComparisonError::Crm(error)) => return Err(error.into()),
        };
        if !more {
            let (result, found) = comparison.end(progress, now).await?;
            let Reconciled { listed, .. } = result;
            tracing::info!(listed, found = found.len(), "the books were compared with HubSpot");
            for (record, difference) in found {
                tracing::warn!(%record, difference, "the books differed from HubSpot; the record is read again");
            }
            return Ok(());
        }
    }
    summary.again_at(now);
    Ok(())
}

/// What the books themselves know about being complete.
pub(super) async fn completeness(store: &Store, books: &Books, now: Timestamp) -> Result<Completeness, StoreError> {
    let last: Option<Reconciled> = store.fact(RESULT).await?;
    let (compared_at, left_different, left_out) = match last {
        Some(last) => (Some(last.began_at), if last.repaired { 0 } else { last.found }, last.left_out),
        // The opening balance was the first comparison.
        None => {
            let opened = books::opened(store).await?;
            (opened.done.then_some(books.open_at), 0, opened.left_out)
        }
    };
    // What was wrong before a comparison it has found; but for what was on its way.
    let (portal_id, since) = (books.account.portal_id, compared_at.unwrap_or(books.open_at) - ON_ITS_WAY);
    Ok(Completeness {
        compared_at,
        left_different,
        unread: store.unread(portal_id, now - READ_WITHIN).await?,
        unreadable: store.unreadable(portal_id, &left_out).await?,
        unsettled: store.unsettled(portal_id, since).await?,
        set_aside: store.set_aside_since(since).await?,
        left_out,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_has_a_word_of_its_own() {
        let all =
            [Difference::Missing, Difference::Property("amount".to_owned()), Difference::Closed, Difference::Unlisted];
        assert_eq!(all.map(|difference| difference.word()), ["missing", "other amount", "closed", "unlisted"]);
    }
}
