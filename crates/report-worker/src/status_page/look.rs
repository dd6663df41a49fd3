//! Asks everything that is shown, each on its own: where one does not answer, the rest is shown all the same.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;

use super::Shared;
use super::progress::Seen;
use crate::commands::status::BooksStatus;
use crate::domain::account::Account;
use crate::domain::time::{start_of_day, zone};
use crate::queue::{Letter, Waiting};
use crate::store::{Figures, Glance, MailHead, SetAsideEvent, Store, StoreError};

/// How many mails are on one page of the outbox.
pub(super) const MAILS: usize = 20;

/// How many dead letters and set-aside events are shown.
pub(super) const LETTERS: usize = 20;

/// How long a mail that was refused is counted, in days.
pub(super) const REFUSED_DAYS: i64 = 7;

/// Somebody sits before the page.
const PATIENCE: Duration = Duration::from_secs(8);

/// Everything that is shown of the line.
pub(super) struct Looked {
    pub(super) now: Timestamp,
    pub(super) zone: TimeZone,
    pub(super) progress: Seen,
    pub(super) queue: Result<(Waiting, Vec<Letter>), String>,
    pub(super) books: Result<BooksLook, String>,
}

/// What the books say.
pub(super) struct BooksLook {
    pub(super) status: BooksStatus,
    /// Of today.
    pub(super) glance: Glance,
    pub(super) refused: u64,
    pub(super) mails: Vec<MailHead>,
    pub(super) has_older: bool,
    /// True if these are not the newest ones.
    pub(super) has_newer: bool,
    pub(super) set_aside: Vec<SetAsideEvent>,
}

/// A mail, and the zone that its times are told in.
pub(super) struct OneMail {
    pub(super) head: MailHead,
    pub(super) bytes: Vec<u8>,
    pub(super) zone: TimeZone,
}

/// Looks at all of it; at the mails before that one, if one is given.
pub(super) async fn everything(shared: &Shared, before: Option<(Timestamp, String)>, now: Timestamp) -> Looked {
    let queue = async {
        let waiting = shared.queue.waiting().await?;
        let letters =
            if waiting.dead_letters > 0 { shared.queue.newest_dead_letters(LETTERS).await? } else { Vec::new() };
        anyhow::Ok((waiting, letters))
    };
    let books = async {
        let store = shared.books()?;
        let zone = reporting_zone(shared, &store).await?;
        anyhow::Ok((books(&store, &zone, before, now).await?, zone))
    };
    let (queue, books) = tokio::join!(patient("the queue does", queue), patient("the books do", books));
    let (books, zone) = match books {
        Ok((books, zone)) => (Ok(books), zone),
        Err(problem) => (Err(problem), shared.page.zone.clone().unwrap_or(TimeZone::UTC)),
    };
    Looked { now, zone, progress: shared.page.progress.seen(), queue, books }
}

/// A stored mail, if there is one of this Message-ID.
pub(super) async fn one_mail(shared: &Shared, message_id: &str) -> Result<Option<OneMail>, String> {
    patient("the books do", async {
        let store = shared.books()?;
        let Some((head, bytes)) = store.mail(message_id).await? else {
            return Ok(None);
        };
        Ok(Some(OneMail { head, bytes, zone: reporting_zone(shared, &store).await? }))
    })
    .await
}

async fn books(
    store: &Store,
    zone: &TimeZone,
    before: Option<(Timestamp, String)>,
    now: Timestamp,
) -> Result<BooksLook, StoreError> {
    let today = start_of_day(now.to_zoned(zone.clone()).date(), zone);
    let glance = store.glance(today).await?;
    let refused = store.refused_since(now - SignedDuration::from_hours(24 * REFUSED_DAYS)).await?;
    let figures = Figures {
        due: glance.due,
        due_at: glance.due_at,
        // Nobody counts these in a hurry; `status` does.
        unsettled: 0,
        pending: glance.pending,
        mails_waiting: glance.mails_waiting,
        mails_unknown: glance.mails_unknown,
        mails_refused: refused,
    };
    let mut mails = store.newest_mails(before.as_ref().map(|(at, id)| (*at, id.as_str())), MAILS + 1).await?;
    let has_older = mails.len() > MAILS;
    mails.truncate(MAILS);
    Ok(BooksLook {
        status: BooksStatus::with(store, figures).await?,
        refused,
        glance,
        mails,
        has_older,
        has_newer: before.is_some(),
        set_aside: store.newest_set_aside(LETTERS).await?,
    })
}

/// The zone of the reports; UTC until the account has told its own.
async fn reporting_zone(shared: &Shared, store: &Store) -> Result<TimeZone, StoreError> {
    if let Some(zone) = &shared.page.zone {
        return Ok(zone.clone());
    }
    let account: Option<Account> = store.fact("account").await?;
    Ok(account.and_then(|account| zone(&account.time_zone)).unwrap_or(TimeZone::UTC))
}

/// An answer, or why there is none, in words.
async fn patient<T>(what: &str, question: impl Future<Output = anyhow::Result<T>>) -> Result<T, String> {
    match timeout(PATIENCE, question).await {
        Ok(answer) => answer.map_err(|error| format!("{error:#}")),
        Err(_) => Err(format!("{what} not answer within {} s", PATIENCE.as_secs())),
    }
}
