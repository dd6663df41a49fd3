//! The end of what is not kept for ever, once a day of the reporting zone, after everything that somebody waits for.
//!
//! Keys of events go by their own time. Whatever comes again after that only makes its record due, and a record that is
//! read once more adds nothing.

use jiff::Timestamp;
use jiff::civil::Date;

use super::books::Books;
use super::{App, Summary};
use crate::store::StoreError;

/// The fact with the last day on which nothing was left to delete.
const DONE_ON: &str = "deleted_on";

/// How many steps a cycle takes in each table; the next cycle, which follows at once, takes more.
const STEPS_A_CYCLE: usize = 20;

/// Deletes the deliveries and the keys of events that are older than they are kept.
pub(super) async fn delete_old(
    app: &App,
    books: &Books,
    now: Timestamp,
    summary: &mut Summary,
) -> Result<(), StoreError> {
    let Some(before) = app.settings.deliveries_kept_for.and_then(|kept_for| now.checked_sub(kept_for).ok()) else {
        return Ok(());
    };
    let today = now.to_zoned(books.zone.clone()).date();
    if app.store.fact::<Date>(DONE_ON).await?.is_some_and(|done| done >= today) {
        return Ok(());
    }
    for _ in 0..STEPS_A_CYCLE {
        if app.stop.is_asked() {
            return Ok(());
        }
        let deliveries = app.store.delete_deliveries(before).await?;
        summary.deliveries_deleted += deliveries as u64;
        let keys = app.store.delete_event_keys(books.account.portal_id, before).await?;
        if deliveries + keys == 0 {
            return app.store.set_fact(DONE_ON, &today).await;
        }
    }
    summary.again_at(now);
    Ok(())
}
