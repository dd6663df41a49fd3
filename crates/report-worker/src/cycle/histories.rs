//! Histories that reports of periods need and that the opening balance has not: lists have none.
//!
//! What was closed or paid before the opening is dated by the last modification until it is read with its history. That must
//! not fall into a period that a report shows: the one that runs, or the one before it. So whatever was modified since the
//! beginning of that one is read again, at the opening and where a report is added later.
//!
//! The same where a filter is added that reads a property which no report has read before: what the books hold lacks it. Then
//! what is owed is read again as well, since every report shows it, however old it is.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::books::Books;
use super::{App, Summary};
use crate::domain::period::Period;
use crate::domain::record::Kind;
use crate::report::Trigger;
use crate::store::{StoreError, Which};

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
    /// They were read with these properties besides those that every report needs.
    #[serde(default)]
    properties: BTreeSet<String>,
    /// What is being asked for besides.
    further: Option<Further>,
}

/// Records that are asked for later than at the opening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Further {
    since: Timestamp,
    #[serde(default)]
    properties: BTreeSet<String>,
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
    app.store.set_fact(ASKED, &Asked { since, properties: books.asked_for.clone(), further: None }).await?;
    Ok(since)
}

/// Asks for what a report needs that was added after the opening. True once all is asked for.
pub(super) async fn ask(app: &App, books: &Books, now: Timestamp, summary: &mut Summary) -> Result<bool, StoreError> {
    let needed = needed_since(books, now);
    // Mostly: what was modified later came with its history.
    if needed >= books.open_at - OVERLAP && books.asked_for.is_empty() {
        return Ok(true);
    }
    let asked = app.store.fact::<Asked>(ASKED).await?;
    let unasked = Asked { since: books.open_at - OVERLAP, properties: BTreeSet::new(), further: None };
    let Asked { since, properties, further } = asked.unwrap_or(unasked);
    let lacks_property = !books.asked_for.is_subset(&properties);
    if needed >= since && !lacks_property {
        return Ok(true);
    }
    let suffices = |further: &Further| further.since <= needed && books.asked_for.is_subset(&further.properties);
    let mut further = further.filter(suffices).unwrap_or_else(|| {
        tracing::info!(since = %needed, "a report is new, or its filter is; what it needs is read again");
        let cursor = (Kind::ALL[0], i64::MIN);
        Further { since: needed.min(since), properties: books.asked_for.clone(), cursor }
    });
    let until = if lacks_property { Timestamp::MAX } else { since };
    for _ in 0..STEPS_A_CYCLE {
        if app.stop.is_asked() {
            return Ok(false);
        }
        let (of, after) = further.cursor;
        let which = Which { modified: further.since..until, or_owed: lacks_property };
        let keys = app.store.keys_of(books.account.portal_id, of, after, &which, AT_ONCE).await?;
        let next_kind = Kind::ALL.into_iter().skip_while(|kind| *kind != of).nth(1);
        let next = match keys.last() {
            Some(last) => Some((of, last.id)),
            None => next_kind.map(|kind| (kind, i64::MIN)),
        };
        let reached = match next {
            Some(cursor) => {
                Asked { since, properties: properties.clone(), further: Some(Further { cursor, ..further }) }
            }
            None => Asked { since: further.since, properties: further.properties, further: None },
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
