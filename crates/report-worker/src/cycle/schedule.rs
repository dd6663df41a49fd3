//! Periods that are over become reports: one after the other, each once, complete or marked as not.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::books::{self, Books};
use super::figures::{FiguresError, Told, View};
use super::files::of_revision;
use super::mail::{Addresses, Letter, MailError};
use super::{App, Summary, reconcile};
use crate::domain::completeness::Completeness;
use crate::domain::money::SumTooLarge;
use crate::domain::period::Period;
use crate::report::{Definition, Document, PeriodFigures, Scene, Schedule, Trigger, build_period};
use crate::store::{NewPeriod, OutgoingMail, Series, Store, StoreError, StoredPeriod};

/// How long a report waits for records that HubSpot told of before it was due, since it first had to.
const PATIENCE: SignedDuration = SignedDuration::from_mins(30);

/// Builds the reports of all periods that are over. `taken_in` tells whether all that was in the queue is in the books.
pub(super) async fn schedule(
    app: &App,
    books: &Books,
    taken_in: bool,
    now: Timestamp,
    summary: &mut Summary,
) -> Result<(), StoreError> {
    for definition in &books.definitions.reports {
        let Trigger::Schedule(schedule) = &definition.trigger else { continue };
        let desk = Desk { store: &app.store, addresses: app.settings.addresses(), books, definition, schedule, now };
        while !app.stop.is_asked() {
            match desk.build_next(taken_in, summary).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(PeriodError::Store(error)) => return Err(error),
                Err(error) => {
                    summary.problem("report", error);
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Why the report of a period cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum PeriodError {
    /// The books cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The figures do not fit.
    #[error(transparent)]
    Sum(#[from] SumTooLarge),
    /// There is no mail to be made of it.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The account names a zone that is none.
    #[error("HubSpot names the account's time zone {0:?}, which is no IANA zone; set TIME_ZONE")]
    NoSuchZone(String),
    /// The worker stores one report of the series after the other.
    #[error("the worker is building reports of the same series; try again when it is done")]
    Busy,
}

impl From<FiguresError> for PeriodError {
    fn from(error: FiguresError) -> Self {
        match error {
            FiguresError::Store(error) => Self::Store(error),
            FiguresError::Sum(error) => Self::Sum(error),
        }
    }
}

/// A scheduled report, and all that it takes to build it.
pub(super) struct Desk<'a> {
    pub(super) store: &'a Store,
    pub(super) addresses: Addresses<'a>,
    pub(super) books: &'a Books,
    pub(super) definition: &'a Definition,
    pub(super) schedule: &'a Schedule,
    pub(super) now: Timestamp,
}

impl Desk<'_> {
    /// Builds the next report, if it is due and nothing is waited for. True if there may be another one.
    async fn build_next(&self, taken_in: bool, summary: &mut Summary) -> Result<bool, PeriodError> {
        let (portal_id, now) = (self.books.account.portal_id, self.now);
        let series = self.series().await?;
        let period = self.period(series.built_through);
        let due_at = self.due_at(period);
        if now < due_at {
            summary.again_at(due_at);
            return Ok(false);
        }
        let unread = self.store.still_due(portal_id, due_at).await?;
        if unread > 0 || !taken_in {
            let until = series.waiting_since.unwrap_or(now).saturating_add(PATIENCE).unwrap_or(Timestamp::MAX);
            if now < until {
                self.store.begin_waiting(portal_id, &series, now).await?;
                summary.again_at(until);
                return Ok(false);
            }
        }
        let evidence = self.evidence().await?;
        self.store.announce(portal_id, &series.id, period.to).await?;
        let (figures, told) = {
            let mut snapshot = self.store.snapshot(portal_id).await?;
            let told = self.view(&evidence).first(&mut snapshot, &series, period).await?;
            snapshot.end().await?;
            told
        };
        let told = (PeriodFigures { unread, ..figures }, told);
        let (new, mail) = self.report(&series, told, &evidence, Vec::new())?;
        if self.store.store_period(portal_id, &new, mail.as_ref(), now).await? {
            summary.reports += u64::from(mail.is_some());
            let (from, to) = new.days;
            tracing::info!(report = self.definition.name, report_id = new.report_id, %from, %to, "a report is built");
        }
        Ok(true)
    }

    /// What a period's report would say now. Of a running one, its figures so far.
    pub(super) async fn so_far(&self, period: Period) -> Result<Document, PeriodError> {
        let evidence = self.evidence().await?;
        let mut snapshot = self.store.snapshot(self.books.account.portal_id).await?;
        let figures = self.view(&evidence).so_far(&mut snapshot, period, self.today()).await?;
        snapshot.end().await?;
        Ok(build_period(self.definition, &figures, &self.scene(&evidence))?.document)
    }

    /// Builds a sent period anew and stores it with a mail that answers the first one. `None` if another process has stored
    /// something of the series meanwhile.
    pub(super) async fn revise(
        &self,
        newest: &StoredPeriod,
        first_mail: Option<String>,
    ) -> Result<Option<NewPeriod>, PeriodError> {
        let portal_id = self.books.account.portal_id;
        let Some(series) = self.store.series(portal_id, &newest.series).await? else { return Ok(None) };
        let evidence = self.evidence().await?;
        let period = self.period(newest.from);
        let told = {
            let mut snapshot = self.store.snapshot(portal_id).await?;
            let told = self.view(&evidence).anew(&mut snapshot, &series, period, newest.revision + 1).await?;
            snapshot.end().await?;
            told
        };
        let (new, mail) = self.report(&series, told, &evidence, first_mail.into_iter().collect())?;
        let stored = self.store.store_period(portal_id, &new, mail.as_ref(), self.now).await?;
        Ok(Some(new).filter(|_| stored))
    }

    /// The report that these figures are, with its mail.
    fn report(
        &self,
        series: &Series,
        (figures, told): Told,
        evidence: &Evidence,
        follows: Vec<String>,
    ) -> Result<(NewPeriod, Option<OutgoingMail>), PeriodError> {
        let built = build_period(self.definition, &figures, &self.scene(evidence))?;
        let PeriodFigures { period, revision, .. } = figures;
        // A workbook takes as much memory as the figures did.
        drop(figures);
        let report_id = report_id(&series.id, period, revision);
        let is_told = !(built.is_empty && self.definition.skip_if_empty);
        let letter = Letter {
            definition: self.definition,
            document: &built.document,
            report_id: &report_id,
            of: &of_revision(&period.name(&self.books.definitions.calendar), revision),
            follows,
            today: self.today(),
            now: self.now,
        };
        let mail = if is_told { Some(letter.mail(self.addresses)?) } else { None };
        let new = NewPeriod {
            series: series.clone(),
            report_id,
            name: self.definition.name.clone(),
            definition_hash: self.hash(),
            days: (period.from, period.to),
            revision,
            document: built.document.into_json(),
            told,
        };
        Ok((new, mail))
    }

    /// The day of the reporting zone.
    fn today(&self) -> Date {
        self.now.to_zoned(self.books.zone.clone()).date()
    }

    fn hash(&self) -> String {
        self.definition.hash(&self.books.definitions.calendar, &self.books.zone)
    }

    fn period(&self, day: Date) -> Period {
        Period::containing(self.schedule.cadence, day, &self.books.definitions.calendar)
    }

    /// When the report of a period goes out: at its time of the first day after it.
    fn due_at(&self, period: Period) -> Timestamp {
        let due = period.to.to_datetime(self.schedule.at).to_zoned(self.books.zone.clone());
        due.map_or(Timestamp::MAX, |due| due.timestamp())
    }

    /// The id of the definition's series.
    pub(super) fn series_id(&self) -> String {
        format!("{}-{}", self.definition.name, &self.hash()[..12])
    }

    /// The series of the definition as it is now, begun where it is new.
    ///
    /// It begins with the period that is running, and nothing before is ever owed. Where it follows on another definition of
    /// the same name whose last report was still to come, it begins with that one's period, so that no change of a definition
    /// leaves out a period.
    async fn series(&self) -> Result<Series, StoreError> {
        let portal_id = self.books.account.portal_id;
        let id = self.series_id();
        loop {
            if let Some(series) = self.store.series(portal_id, &id).await? {
                return Ok(series);
            }
            let running = self.period(self.today());
            let last = running.previous(&self.books.definitions.calendar);
            let earlier = self.store.newest_series(portal_id, &self.definition.name).await?;
            let owed = earlier.is_some_and(|earlier| earlier.built_through < running.from);
            let from = if owed { last.from } else { running.from };
            self.store.begin_series(portal_id, (&id, &self.definition.name), from, self.now).await?;
            tracing::info!(report = self.definition.name, series = id, %from, "a series of reports begins");
        }
    }

    async fn evidence(&self) -> Result<Evidence, StoreError> {
        Ok(Evidence {
            completeness: reconcile::completeness(self.store, self.books, self.now).await?,
            payments_since: books::payments_since(self.store, self.books, self.now).await?,
        })
    }

    fn view(&self, evidence: &Evidence) -> View<'_> {
        let calendar = &self.books.definitions.calendar;
        View { definition: self.definition, calendar, payments_since: evidence.payments_since }
    }

    fn scene<'s>(&'s self, evidence: &'s Evidence) -> Scene<'s> {
        Scene {
            account: &self.books.account,
            rules: self.books.rules(),
            locale: self.definition.locale,
            now: self.now,
            payments_since: evidence.payments_since,
            completeness: &evidence.completeness,
        }
    }
}

/// What the books know about themselves.
struct Evidence {
    completeness: Completeness,
    payments_since: Option<Timestamp>,
}

/// The same series, period and revision are the same report.
fn report_id(series: &str, period: Period, revision: u32) -> String {
    let digest = Sha256::digest(format!("{series} {} {} {revision}", period.from, period.to));
    data_encoding::HEXLOWER.encode(&digest[..12])
}
