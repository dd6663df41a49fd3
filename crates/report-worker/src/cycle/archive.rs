//! The reports of periods beside the cycles: what `closing-bell report` shows, sends again and builds anew.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::books::{self, Books};
use super::mail::Addresses;
use super::schedule::{Desk, PeriodError};
use crate::domain::period::Period;
use crate::report::{Definition, Definitions, Document, Schedule};
use crate::store::{Store, StoreError, StoredPeriod};

/// How often a revision is tried that the worker is in the way of.
const TRIES: usize = 5;

/// The books, as the reports of periods are built from them.
pub struct Archive {
    store: Store,
    books: Books,
}

impl Archive {
    /// Opens it on the books; `None` where nobody has opened them yet. `zone` is the reporting zone, if it is configured.
    ///
    /// # Errors
    /// Fails where the books cannot be read, or name no zone.
    pub async fn of(
        store: Store,
        definitions: Definitions,
        zone: Option<TimeZone>,
    ) -> Result<Option<Self>, PeriodError> {
        let books = books::stored(&store, Arc::new(definitions), zone).await?;
        Ok(books.map(|books| Self { store, books }))
    }

    /// The day of the reporting zone.
    pub fn day(&self, at: Timestamp) -> Date {
        at.to_zoned(self.books.zone.clone()).date()
    }

    /// The reports.
    pub fn definitions(&self) -> &Definitions {
        &self.books.definitions
    }

    /// All reports of periods under a name, by period and then as they were built.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn periods(&self, name: &str) -> Result<Vec<StoredPeriod>, StoreError> {
        self.store.periods(self.books.account.portal_id, name).await
    }

    /// The books themselves.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The figures of a period that was not told yet, as they are so far. Nothing is stored.
    ///
    /// # Errors
    /// Fails where the books cannot be read, or a sum does not fit.
    pub async fn so_far(
        &self,
        (definition, schedule): (&Definition, &Schedule),
        period: Period,
        now: Timestamp,
    ) -> Result<Document, PeriodError> {
        let addresses = Addresses { from: "", to: &[], owner: "" };
        self.desk(definition, schedule, addresses, now).so_far(period).await
    }

    /// Builds a period of the definition's series anew, and stores it as its next revision with a mail that answers the
    /// first one. What it tells otherwise than its readers knew is its own corrections, and the reports after it need not
    /// correct that any more. `None` where the series has not told the period: another definition did, or nobody.
    ///
    /// # Errors
    /// Fails where the books cannot be read or written, a sum does not fit, or the mail cannot be composed.
    pub async fn revise(
        &self,
        (definition, schedule): (&Definition, &Schedule),
        addresses: Addresses<'_>,
        from: Date,
        now: Timestamp,
    ) -> Result<Option<StoredPeriod>, PeriodError> {
        let desk = self.desk(definition, schedule, addresses, now);
        let series = desk.series_id();
        let of_series = |told: Vec<StoredPeriod>| -> Vec<StoredPeriod> {
            told.into_iter().filter(|told| told.series == series && told.from == from).collect()
        };
        for _ in 0..TRIES {
            let told = of_series(self.periods(&definition.name).await?);
            let Some(newest) = told.last() else { return Ok(None) };
            let first_mail = told.iter().find_map(|told| told.mail.clone());
            if let Some(new) = desk.revise(newest, first_mail).await? {
                let told = of_series(self.periods(&definition.name).await?);
                return Ok(told.into_iter().find(|told| told.report_id == new.report_id));
            }
        }
        Err(PeriodError::Busy)
    }

    fn desk<'a>(
        &'a self,
        definition: &'a Definition,
        schedule: &'a Schedule,
        addresses: Addresses<'a>,
        now: Timestamp,
    ) -> Desk<'a> {
        Desk { store: &self.store, addresses, books: &self.books, definition, schedule, now }
    }
}
