//! Histories that reports of periods need and that the opening balance has not: lists have none.
//!
//! What was closed or paid before the opening is dated by the last modification until it is read with its history. That must
//! not fall into a period that a report shows: the one that runs, or the one before it. So whatever was modified since the
//! beginning of that one is read again, at the opening and where a report is added later.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::books::Books;
use super::{App, Summary};
use crate::domain::period::Period;
use crate::domain::record::Kind;
use crate::report::Trigger;
use crate::store::StoreError;

/// HubSpot's clock and ours differ, and its search index lags: whatever was modified this shortly before the books were
/// opened is read again.
const OVERLAP: SignedDuration = SignedDuration::from_mins(5);

/// The fact with what was asked for.
const ASKED: &str = "histories";

/// How many records are asked for in one transaction.
const AT_ONCE: u32 = 500;

/// How many of these transactions a cycle makes; the next cycle, which follows at once, makes more.
const STEPS_A_CYCLE: usize = 40;

/// Which records were asked for with their histories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    /// All that were modified since.
    since: Timestamp,
    /// What is being asked for besides.
    further: Option<Further>,
}

/// Records that are asked for later than at the opening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Further {
    since: Timestamp,
    /// The last record that was asked for.
    cursor: (Kind, i64),
}

/// Since when histories are needed by the reports there are.
fn needed_since(books: &Books, now: Timestamp) -> Timestamp {
    let (today, calendar) = (now.to_zoned(books.zone.clone()).date(), &books.definitions.calendar);
    let cadences = books.definitions.reports.iter().filter_map(|definition| match definition.trigger {
        Trigger::Schedule(schedule) => Some(schedule.cadence),
        Trigger::On(_) => None,
    });
    cadences
        .map(|cadence| Period::containing(cadence, today, calendar).previous(calendar).start(&books.zone))
        .fold(books.open_at - OVERLAP, Timestamp::min)
}

/// Since when whatever was modified is to be read again, although the opening lists it.
pub(super) async fn at_the_opening(app: &App, books: &Books) -> Result<Timestamp, StoreError> {
    if let Some(asked) = app.store.fact::<Asked>(ASKED).await? {
        return Ok(asked.since);
    }
    let since = needed_since(books, books.open_at);
    app.store.set_fact(ASKED, &Asked { since, further: None }).await?;
    Ok(since)
}

/// Asks for what a report needs that was added after the opening. True once all is asked for.
pub(super) async fn ask(app: &App, books: &Books, now: Timestamp, summary: &mut Summary) -> Result<bool, StoreError> {
    let needed = needed_since(books, now);
    // Mostly: what was modified later came with its history.
    if needed >= books.open_at - OVERLAP {
        return Ok(true);
    }
    let asked = app.store.fact::<Asked>(ASKED).await?;
    let Asked { since, further } = asked.unwrap_or(Asked { since: books.open_at - OVERLAP, further: None });
    if needed >= since {
        return Ok(true);
    }
    let mut further = further.filter(|further| further.since <= needed).unwrap_or_else(|| {
        tracing::info!(since = %needed, "a report is new; what it needs is read with its history");
        Further { since: needed, cursor: (Kind::ALL[0], i64::MIN) }
    });
    for _ in 0..STEPS_A_CYCLE {
        if app.stop.is_asked() {
            return Ok(false);
        }
        let (of, after) = further.cursor;
        let modified = further.since..since;
        let keys = app.store.keys_modified(books.account.portal_id, of, after, modified, AT_ONCE).await?;
        let next_kind = Kind::ALL.into_iter().skip_while(|kind| *kind != of).nth(1);
        let next = match keys.last() {
            Some(last) => Some((of, last.id)),
            None => next_kind.map(|kind| (kind, i64::MIN)),
        };
        let reached = match next {
            Some(cursor) => Asked { since, further: Some(Further { cursor, ..further }) },
            None => Asked { since: further.since, further: None },
        };
        app.store.open_with(&[], &keys, (ASKED, &reached), |_, _| None, now).await?;
        match reached.further {
            Some(reached) => further = reached,
            None => return Ok(true),
        }
    }
    summary.again_at(now);
    Ok(false)
}
