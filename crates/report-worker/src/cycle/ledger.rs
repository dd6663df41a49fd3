//! The ledgers: made with each record, and all of them anew where the rules by which they are made have changed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::books::Books;
use super::{App, Summary};
use crate::domain::account::Closing;
use crate::domain::ledger::{Bookkeeping, Face, Ledger};
use crate::domain::position::Standing;
use crate::domain::record::{Kind, RecordKey};
use crate::store::{RecordState, StoreError, StoredRecord};

/// Counts the rules by which a record's ledger is made: with another number all are made anew.
const RULES: u32 = 1;

/// The fact with the rules that the ledgers are kept by, and how far they are.
const KEPT_BY: &str = "ledgers";

/// How many records are done in one transaction.
const AT_ONCE: u32 = 256;

/// How many of these transactions a cycle makes; the next cycle, which follows at once, makes more.
const STEPS_A_CYCLE: usize = 40;

/// What the ledgers depend on besides the records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Basis {
    rules: u32,
    zone: String,
    company_currency: String,
    /// The properties that filters read.
    asked_for: Vec<String>,
    /// What the stages meant. A new one changes nothing: the records in it are read when it is met.
    stages: BTreeMap<String, Closing>,
}

impl Basis {
    fn of(books: &Books) -> Self {
        let stages = books.stages.0.iter().map(|(id, stage)| (id.clone(), stage.closing)).collect();
        Self {
            rules: RULES,
            zone: books.zone.iana_name().unwrap_or_default().to_owned(),
            company_currency: books.account.company_currency.clone(),
            asked_for: books.asked_for.iter().cloned().collect(),
            stages,
        }
    }

    /// True if what was made by this one would be made the same by another one.
    fn still_holds(&self, other: &Self) -> bool {
        let meant = self.stages.iter().all(|(id, closing)| other.stages.get(id) == Some(closing));
        meant && *self == Self { stages: self.stages.clone(), ..other.clone() }
    }
}

/// The ledgers, and the records that are done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    by: Basis,
    /// The last record that was made anew; `None` once all are.
    cursor: Option<(Kind, i64)>,
}

/// Makes all ledgers anew where the rules have changed, or where the books are older than their ledgers. True once they are
/// as the rules say: before that no report of a period is right.
pub(super) async fn keep(app: &App, books: &Books, now: Timestamp, summary: &mut Summary) -> Result<bool, StoreError> {
    let basis = Basis::of(books);
    let kept: Option<Kept> = app.store.fact(KEPT_BY).await?;
    let mut cursor = match kept {
        // A newer program is at it, or was: it knows better, and two would take turns for ever.
        Some(Kept { by, cursor }) if by.rules > RULES => return Ok(cursor.is_none()),
        Some(Kept { by, cursor }) if by.still_holds(&basis) => match cursor {
            None if by == basis => return Ok(true),
            None => {
                app.store.set_fact(KEPT_BY, &Kept { by: basis, cursor: None }).await?;
                return Ok(true);
            }
            Some(cursor) => cursor,
        },
        _ => {
            tracing::info!(zone = basis.zone, rules = basis.rules, "the ledgers of all records are made anew");
            (Kind::ALL[0], i64::MIN)
        }
    };
    for _ in 0..STEPS_A_CYCLE {
        if app.stop.is_asked() {
            return Ok(false);
        }
        let keys = app.store.keys_after(books.account.portal_id, cursor.0, cursor.1, AT_ONCE).await?;
        let next_kind = Kind::ALL.into_iter().skip_while(|kind| *kind != cursor.0).nth(1);
        let next = match keys.last() {
            Some(last) => Some((last.kind, last.id)),
            None => next_kind.map(|kind| (kind, i64::MIN)),
        };
        let kept = Kept { by: basis.clone(), cursor: next };
        post_anew(app, books, &keys, now, Some((KEPT_BY, &kept))).await?;
        match next {
            Some(next) => cursor = next,
            None => return Ok(true),
        }
    }
    summary.again_at(now);
    Ok(false)
}

/// Makes the ledgers of some records anew because a day has begun.
pub(super) async fn of_the_day(app: &App, books: &Books, keys: &[RecordKey], now: Timestamp) -> Result<(), StoreError> {
    post_anew(app, books, keys, now, None::<(&str, &Kept)>).await
}

async fn post_anew(
    app: &App,
    books: &Books,
    keys: &[RecordKey],
    now: Timestamp,
    fact: Option<(&str, &Kept)>,
) -> Result<(), StoreError> {
    app.store.post_anew(keys, |stored, invoice| of(books, stored, invoice, now), fact).await
}

/// The ledger of a record as the books hold it; `None` where nothing was ever read of it. `invoice` is the one that a
/// payment is for.
pub(super) fn of(
    books: &Books,
    stored: &StoredRecord,
    invoice: Option<&StoredRecord>,
    now: Timestamp,
) -> Option<Ledger> {
    let standing = match stored.state {
        RecordState::Merged { into } => Some(Standing::Merged { into }),
        RecordState::Archived | RecordState::Gone => Some(Standing::Archived),
        // What may not be read any more, or cannot be, is as it was.
        RecordState::Known | RecordState::Forbidden | RecordState::Unreadable => None,
    };
    let today = now.to_zoned(books.zone.clone()).date();
    let page = Bookkeeping { rules: books.rules(), today, asked_for: &books.asked_for };
    let invoice = invoice.and_then(|invoice| invoice.record.as_ref());
    Some(page.ledger(stored.record.as_ref()?, standing, invoice, stored.unsettled))
}

/// True for an invoice whose face is another one than before, which its payments have as well.
pub(super) fn is_shown_anew(books: &Books, before: Option<&StoredRecord>, now: &StoredRecord) -> bool {
    let face = |stored: &StoredRecord| Some(Face::of(stored.record.as_ref()?, None, &books.asked_for, &books.zone));
    now.key.kind == Kind::Invoice && before.and_then(face) != face(now)
}
