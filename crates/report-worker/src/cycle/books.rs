//! Whose books these are, since when, and the opening balance.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::schedule::PeriodError;
use super::{App, histories, ledger};
use crate::crm::{CrmError, Cursor};
use crate::domain::account::{Account, Stages};
use crate::domain::changes::Rules;
use crate::domain::record::{Kind, Record, RecordKey};
use crate::domain::time::{civil_date, zone};
use crate::report::Definitions;
use crate::store::{RecordState, Store, StoreError, StoredRecord};

/// How long the account and the stages are good before HubSpot is asked again.
const GOOD_FOR: SignedDuration = SignedDuration::from_mins(10);

/// The account, and the rules that the books are kept by.
#[derive(Debug, Clone)]
pub(super) struct Books {
    pub(super) account: Account,
    pub(super) stages: Stages,
    pub(super) zone: TimeZone,
    pub(super) open_at: Timestamp,
    pub(super) definitions: Arc<Definitions>,
    /// The properties that the reports' filters read besides those that every report does.
    pub(super) asked_for: BTreeSet<String>,
}

/// What HubSpot said, and when.
pub(super) struct Fetched {
    books: Books,
    at: Timestamp,
}

/// Why the books cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum BooksError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Crm(#[from] CrmError),
    #[error(
        "the access token belongs to HubSpot account {token}, the books to account {books}; \
         set the token of account {books}, or another DATABASE_URL for account {token}"
    )]
    OtherAccount { token: i64, books: i64 },
    #[error("the cycle was asked to end while HubSpot had not answered")]
    Ended,
    #[error("HubSpot names the account's time zone {0:?}, which is no IANA zone; set TIME_ZONE")]
    NoSuchZone(String),
}

impl Books {
    fn new(
        account: Account,
        stages: Stages,
        zone: TimeZone,
        open_at: Timestamp,
        definitions: Arc<Definitions>,
    ) -> Self {
        let asked_for = Kind::ALL.into_iter().flat_map(|kind| definitions.properties_of(kind)).collect();
        Self { account, stages, zone, open_at, definitions, asked_for }
    }

    pub(super) fn rules(&self) -> Rules<'_> {
        Rules {
            books_open_at: self.open_at,
            stages: &self.stages,
            zone: &self.zone,
            company_currency: &self.account.company_currency,
        }
    }
}

/// The account and the stages: as remembered, as HubSpot says, or as the books hold them while HubSpot is away.
pub(super) async fn known(app: &App, now: Timestamp) -> Result<Books, BooksError> {
    let mut known = app.known.lock().await;
    if let Some(fetched) = &*known
        && now.duration_since(fetched.at) < GOOD_FOR
    {
        return Ok(fetched.books.clone());
    }
    let account = account(app).await?;
    let stages = stages(app).await?;
    let zone = match &app.settings.zone {
        Some(zone) => zone.clone(),
        None => zone(&account.time_zone).ok_or_else(|| BooksError::NoSuchZone(account.time_zone.clone()))?,
    };
    let open_at = match app.store.fact("books_open_at").await? {
        Some(open_at) => open_at,
        None => {
            app.store.set_fact("books_open_at", &now).await?;
            tracing::info!(portal_id = account.portal_id, books_open_at = %now, "the books are opened");
            now
        }
    };
    let books = Books::new(account, stages, zone, open_at, Arc::clone(&app.settings.definitions));
    *known = Some(Fetched { books: books.clone(), at: now });
    Ok(books)
}

/// The same without HubSpot, as the books hold them; `None` where nobody has opened them yet.
pub(super) async fn stored(
    store: &Store,
    definitions: Arc<Definitions>,
    configured: Option<TimeZone>,
) -> Result<Option<Books>, PeriodError> {
    let Some(account) = store.fact::<Account>("account").await? else { return Ok(None) };
    let Some(open_at) = store.fact("books_open_at").await? else { return Ok(None) };
    let stages = store.fact("stages").await?.unwrap_or_default();
    let zone = configured.or_else(|| zone(&account.time_zone));
    let zone = zone.ok_or_else(|| PeriodError::NoSuchZone(account.time_zone.clone()))?;
    Ok(Some(Books::new(account, stages, zone, open_at, definitions)))
}

/// Forgets what is remembered, so that the next look asks HubSpot again.
pub(super) async fn forget(app: &App) {
    *app.known.lock().await = None;
}

async fn account(app: &App) -> Result<Account, BooksError> {
    let stored: Option<Account> = app.store.fact("account").await?;
    let asked = app.stop.or(Duration::ZERO, app.crm.account()).await.ok_or(BooksError::Ended)?;
    let account = match (asked, stored) {
        (Ok(account), Some(stored)) if account.portal_id != stored.portal_id => {
            return Err(BooksError::OtherAccount { token: account.portal_id, books: stored.portal_id });
        }
        (Ok(account), stored) => {
            if stored.as_ref() != Some(&account) {
                app.store.set_fact("account", &account).await?;
            }
            account
        }
        (Err(error), Some(stored)) => {
            tracing::warn!(error = %super::chain(error), "HubSpot cannot be asked for the account; going on with what the books know");
            stored
        }
        (Err(error), None) => return Err(error.into()),
    };
    Ok(account)
}

/// The stages of the pipelines, with those that HubSpot has deleted since: histories still name them.
async fn stages(app: &App) -> Result<Stages, BooksError> {
    let stored: Option<Stages> = app.store.fact("stages").await?;
    match (app.stop.or(Duration::ZERO, app.crm.stages()).await.ok_or(BooksError::Ended)?, stored) {
        (Ok(stages), stored) => {
            let mut all = stored.clone().unwrap_or_default();
            all.0.extend(stages.0);
            if stored.as_ref() != Some(&all) {
                app.store.set_fact("stages", &all).await?;
            }
            Ok(all)
        }
        (Err(error), Some(stored)) => {
            tracing::warn!(error = %super::chain(error), "HubSpot cannot be asked for the pipelines; going on with what the books know");
            Ok(stored)
        }
        // Deals are left out of the books, then; the other kinds go on.
        (Err(error), None) if error.lacks_scope() => Ok(Stages::default()),
        (Err(error), None) => Err(error.into()),
    }
}

/// How far the opening balance of a kind has come.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Opening {
    cursor: Option<Cursor>,
    done: bool,
    records: u64,
    /// Whether the access token may not read this kind.
    #[serde(default)]
    left_out: bool,
}

/// How the opening balance ended.
pub(crate) struct Opened {
    pub(crate) done: bool,
    /// Kinds that the access token may not read.
    pub(crate) left_out: Vec<Kind>,
}

/// Whether the opening balance is complete, and without which kinds.
pub(crate) async fn opened(store: &Store) -> Result<Opened, StoreError> {
    let mut opened = Opened { done: store.fact::<Timestamp>(OPENING_DONE).await?.is_some(), left_out: Vec::new() };
    for kind in Kind::ALL {
        let opening: Opening = store.fact(&opening_of(kind)).await?.unwrap_or_default();
        opened.left_out.extend(opening.left_out.then_some(kind));
    }
    Ok(opened)
}

/// The fact that says that the opening balance is complete, with when.
const OPENING_DONE: &str = "opening_done";

fn opening_of(kind: Kind) -> String {
    format!("opening.{kind}")
}

/// Takes in all records as they are, without changes. Resumable: each page is stored with the place where it ends.
pub(super) async fn open(app: &App, books: &Books, now: Timestamp) -> Result<(), BooksError> {
    if app.store.fact::<Timestamp>(OPENING_DONE).await?.is_some() {
        return Ok(());
    }
    let histories_since = histories::at_the_opening(app, books).await?;
    for kind in Kind::ALL {
        let name = opening_of(kind);
        let mut opening: Opening = app.store.fact(&name).await?.unwrap_or_default();
        while !opening.done {
            let asked = app.crm.list(kind, books.account.portal_id, opening.cursor.clone());
            let page = match app.stop.or(Duration::ZERO, asked).await.ok_or(BooksError::Ended)? {
                Ok(page) => page,
                Err(error) if error.lacks_scope() => {
                    tracing::warn!(%kind, error = %super::chain(error), "this kind of record is left out of the books");
                    (opening.done, opening.left_out) = (true, true);
                    app.store.set_fact(&name, &opening).await?;
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            for (id, cause) in &page.failed {
                tracing::warn!(%kind, id, cause, "a record cannot be read for the opening balance");
            }
            // A list names neither owner nor company, and has nothing that only a filter reads. What is owed is in every report
            // from now on, however old it is.
            let to_read: Vec<RecordKey> = page
                .records
                .iter()
                .filter(|record| record.updated_at >= histories_since || is_open(record))
                .map(|record| record.key)
                .collect();
            opening.records += page.records.len() as u64;
            opening.done = page.next.is_none();
            opening.cursor = page.next;
            let records: Vec<_> = page
                .records
                .into_iter()
                .map(|mut record| {
                    record.remember(None);
                    let open_until = open_until(&record, books);
                    let stored = StoredRecord {
                        key: record.key,
                        state: RecordState::Known,
                        record: Some(record),
                        unsettled: false,
                    };
                    (stored, open_until)
                })
                .collect();
            let ledger =
                |stored: &StoredRecord, invoice: Option<&StoredRecord>| ledger::of(books, stored, invoice, now);
            app.store.open_with(&records, &to_read, (&name, &opening), ledger, now).await?;
        }
        tracing::info!(%kind, records = opening.records, "the opening balance holds these records");
    }
    payments_since(&app.store, books, books.open_at).await?;
    app.store.set_fact(OPENING_DONE, &now).await?;
    Ok(())
}

/// Since when the account keeps payment records, as far as the books know at `now`; `None` if it keeps none.
pub(super) async fn payments_since(
    store: &Store,
    books: &Books,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let known = store.fact("payments_since").await?;
    if known.is_some() || store.known_records(books.account.portal_id, Kind::Payment).await? == 0 {
        return Ok(known);
    }
    store.set_fact("payments_since", &now).await?;
    Ok(Some(now))
}

/// The day an open invoice is due, for the midnight step.
pub(super) fn open_until(record: &Record, books: &Books) -> Option<jiff::civil::Date> {
    if is_open(record) { civil_date(record.property("hs_due_date")?, &books.zone) } else { None }
}

fn is_open(record: &Record) -> bool {
    record.key.kind == Kind::Invoice
        && record.archived_at.is_none()
        && record.property("hs_invoice_status") == Some("open")
}
