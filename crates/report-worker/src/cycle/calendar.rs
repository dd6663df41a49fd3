//! The midnight step of the reporting zone: what becomes true because a day is over.

use jiff::Timestamp;
use jiff::civil::Date;

use super::books::Books;
use super::enrich::new_change;
use super::{App, Summary, ledger};
use crate::domain::changes::overdue;
use crate::store::StoreError;

const DONE_UNTIL: &str = "overdue_until";

/// How many invoices are in memory at once. Who never pays stays among them.
const AT_ONCE: u32 = 256;

/// Writes the invoices that are overdue since the last midnight, once a day. An interrupted step begins anew, and adds nothing
/// to what it has written.
pub(super) async fn midnight(
    app: &App,
    books: &Books,
    now: Timestamp,
    summary: &mut Summary,
) -> Result<(), StoreError> {
    let today = now.to_zoned(books.zone.clone()).date();
    if app.store.fact::<Date>(DONE_UNTIL).await?.is_some_and(|done| done >= today) {
        return Ok(());
    }
    let (portal_id, rules, mut after) = (books.account.portal_id, books.rules(), i64::MIN);
    loop {
        if app.stop.is_asked() {
            return Ok(());
        }
        let keys = app.store.open_invoices_due_before(portal_id, today, after, AT_ONCE).await?;
        let Some(last) = keys.last() else { break };
        after = last.id;
        let changes: Vec<_> = app
            .store
            .records(&keys)
            .await?
            .iter()
            .filter_map(|stored| overdue(stored.record.as_ref()?, today, &rules))
            .map(|change| new_change(change, &books.definitions))
            .collect();
        ledger::of_the_day(app, books, &keys, now).await?;
        summary.changes += app.store.store_changes(&changes, now).await?;
    }
    app.store.set_fact(DONE_UNTIL, &today).await
}

/// When the next day of the reporting zone begins, unless that is beyond the end of time.
pub(super) fn next_midnight(books: &Books, now: Timestamp) -> Option<Timestamp> {
    let tomorrow = now.to_zoned(books.zone.clone()).date().tomorrow().ok()?;
    Some(tomorrow.to_zoned(books.zone.clone()).ok()?.timestamp())
}
