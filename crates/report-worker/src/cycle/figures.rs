//! The figures of a period from the books: the lines of its days, what is late, and what was owed.
//!
//! All of it is read from one snapshot, taken after the period was announced: whatever is settled later leaves a mark, and
//! the next report tells it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::domain::entries::{Correction, Entry, Figure, difference};
use crate::domain::ledger::{Balance, Face, Line};
use crate::domain::money::SumTooLarge;
use crate::domain::period::{Calendar, Period};
use crate::domain::record::{Kind, RecordKey};
use crate::report::{CorrectedRecord, Definition, PeriodFigures, Recurring, Refiltered, SectionKind, Sums, Tally};
use crate::store::{Mark, NowTold, RecordState, Series, Snapshot, StoreError};

/// How many marks are read at once.
const MARKS: u32 = 500;

/// Why a period has no figures.
#[derive(Debug, thiserror::Error)]
pub(super) enum FiguresError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sum(#[from] SumTooLarge),
}

/// Which lines a report shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) definition: &'a Definition,
    pub(super) calendar: &'a Calendar,
    /// Since when money received is counted by payments; before, and without, by invoices.
    pub(super) payments_since: Option<Timestamp>,
}

/// What a report tells of a period, and what stands told of the marked records with it.
pub(super) type Told = (PeriodFigures, Vec<NowTold>);

impl View<'_> {
    /// True if the report shows the line. Money received is counted once.
    fn shows(&self, line: &Line) -> bool {
        let is_counted = match line.entry.figure {
            Figure::InvoiceReceipt | Figure::InvoiceRefund => {
                self.payments_since.is_none_or(|since| line.entry.at <= since)
            }
            Figure::PaymentReceived | Figure::PaymentRefund => {
                self.payments_since.is_some_and(|since| line.entry.at > since)
            }
            _ => true,
        };
        is_counted && self.definition.shows(line.entry.figure) && self.takes(line)
    }

    /// True if the line passes the report's filter.
    fn takes(&self, line: &Line) -> bool {
        self.definition.filter.takes_face(&line.face, &line.amount_of_record())
    }

    /// What is late of a marked record: the difference between what was told of some days and what is so.
    fn late(&self, told: &[Line], now: &[Line], days: &Range<Date>) -> Vec<Correction> {
        let of_days = |lines: &[Line]| -> Vec<Entry> {
            let told = lines.iter().filter(|line| days.contains(&line.date()) && self.shows(line));
            told.map(|line| line.entry.clone()).collect()
        };
        difference(&of_days(told), &of_days(now))
    }

    /// How the filter came to let in what is late, or to keep it out: the line is there as it was told and as it is, and
    /// one of the two passes.
    fn refiltered(&self, late: &[Correction], told: &[Line], now: &[Line], days: &Range<Date>) -> Option<Refiltered> {
        late.iter().filter(|late| late.was.is_some() != late.now.is_some()).find_map(|late| {
            let passes = late.now.is_some();
            let is_it = |line: &&Line| line.entry.figure == late.figure && days.contains(&line.date());
            let was = told.iter().filter(is_it).find(|line| self.takes(line) != passes)?;
            let is = now.iter().filter(is_it).find(|line| self.takes(line) == passes)?;
            Some(Refiltered { passes, differences: self.definition.filter.differences(&was.face, &is.face) })
        })
    }

    /// The figures of a period, of a running one up to today.
    async fn figures(&self, books: &mut Snapshot, period: Period, today: Date) -> Result<PeriodFigures, FiguresError> {
        let before = period.previous(self.calendar);
        let (mut sums_before, mut recurring_before): (BTreeMap<Figure, Sums>, _) = Default::default();
        let (mut past_due_before, mut added) = (Tally::default(), Ok(()));
        let add = |line: Line| {
            if added.is_ok() && self.shows(&line) {
                let sums = sums_before.entry(line.entry.figure).or_default();
                added = sums.add(&line.entry).and_then(|()| Recurring::add(&mut recurring_before, &line));
            }
        };
        books.lines(before.from, before.to, add).await?;
        let mut lines = Vec::new();
        books.lines(period.from, period.to, |line| lines.extend(Some(line).filter(|line| self.shows(line)))).await?;
        let mut ageing = Vec::new();
        if self.definition.sections.contains(&SectionKind::Ageing) {
            let shows = |balance: &Balance| self.definition.filter.takes_face(&balance.face, &balance.owed.billed);
            let last = period.to.yesterday().unwrap_or(period.from).min(today);
            books.owed(last, |balance| ageing.extend(Some(balance).filter(shows))).await?;
            ageing.sort_by_key(|balance| (balance.owed.due.is_none(), balance.owed.due, balance.key));
            let last = before.to.yesterday().unwrap_or(before.from);
            let add = |balance: Balance| {
                if added.is_ok() && shows(&balance) && balance.owed.is_past_due(last) {
                    added = past_due_before.add(&balance.owed.amount);
                }
            };
            books.owed(last, add).await?;
        }
        added?;
        let (calendar, revision, is_over, unread) = (*self.calendar, 1, true, 0);
        let corrections = Vec::new();
        Ok(PeriodFigures {
            period,
            before,
            calendar,
            revision,
            is_over,
            lines,
            sums_before,
            recurring_before,
            past_due_before,
            corrections,
            ageing,
            unread,
        })
    }

    /// The figures of a running period so far.
    pub(super) async fn so_far(
        &self,
        books: &mut Snapshot,
        period: Period,
        today: Date,
    ) -> Result<PeriodFigures, FiguresError> {
        Ok(PeriodFigures { is_over: false, ..self.figures(books, period, today).await? })
    }

    /// The figures of a period that was announced, with what is late of the periods before it.
    pub(super) async fn first(
        &self,
        books: &mut Snapshot,
        series: &Series,
        period: Period,
    ) -> Result<Told, FiguresError> {
        let mut figures = self.figures(books, period, Date::MAX).await?;
        let (mut told, mut late) = (Vec::new(), Vec::new());
        for_marks(books, series, |mark, now| {
            let earlier = series.from..period.from;
            let corrections = self.late(&mark.told, &now, &earlier);
            let refiltered = self.refiltered(&corrections, &mark.told, &now, &earlier);
            let days = series.from..period.to;
            let stand = now.iter().filter(|line| days.contains(&line.date()) && line.entry.figure.is_corrected());
            let lines = stand.cloned().collect();
            late.extend(Late::of(&mark, &now, corrections, refiltered));
            told.push(NowTold { key: mark.key, generation: mark.generation, lines });
        })
        .await?;
        figures.corrections = corrected(books, late, series.built_at).await?;
        Ok((figures, told))
    }

    /// The figures of a period that was told before, as they are now, with what of it was told otherwise. The later reports
    /// of the series need not correct it any more.
    pub(super) async fn anew(
        &self,
        books: &mut Snapshot,
        series: &Series,
        period: Period,
        revision: u32,
    ) -> Result<Told, FiguresError> {
        let figures = self.figures(books, period, Date::MAX).await?;
        let (mut told, mut late) = (Vec::new(), Vec::new());
        for_marks(books, series, |mark, now| {
            let days = period.from..period.to;
            let corrections = self.late(&mark.told, &now, &days);
            let refiltered = self.refiltered(&corrections, &mark.told, &now, &days);
            late.extend(Late::of(&mark, &now, corrections, refiltered));
            let here = |line: &&Line| period.contains(line.date()) && line.entry.figure.is_corrected();
            let other_days = mark.told.iter().filter(|line| !period.contains(line.date()));
            let lines = other_days.chain(now.iter().filter(here)).cloned().collect();
            told.push(NowTold { key: mark.key, generation: mark.generation, lines });
        })
        .await?;
        let corrections = corrected(books, late, series.built_at).await?;
        Ok((PeriodFigures { revision, corrections, ..figures }, told))
    }
}

/// Gives each mark of a series with the lines that its record has now.
async fn for_marks(
    books: &mut Snapshot,
    series: &Series,
    mut each: impl FnMut(Mark, Vec<Line>),
) -> Result<(), StoreError> {
    for kind in Kind::ALL {
        let mut after = i64::MIN;
        loop {
            let marks = books.marks(&series.id, kind, after, MARKS).await?;
            let Some(last) = marks.last() else { break };
            after = last.key.id;
            let keys: Vec<RecordKey> = marks.iter().map(|mark| mark.key).collect();
            let mut now = books.lines_of(&keys).await?;
            for mark in marks {
                let now = now.remove(&mark.key).unwrap_or_default();
                each(mark, now);
            }
        }
    }
    Ok(())
}

/// A record of which something was told otherwise.
struct Late {
    key: RecordKey,
    face: Arc<Face>,
    corrections: Vec<Correction>,
    refiltered: Option<Refiltered>,
}

impl Late {
    /// What is late of a marked record, if anything is.
    fn of(mark: &Mark, now: &[Line], corrections: Vec<Correction>, refiltered: Option<Refiltered>) -> Option<Self> {
        let face = now.last().or(mark.told.last())?.face.clone();
        (!corrections.is_empty()).then_some(Self { key: mark.key, face, corrections, refiltered })
    }
}

/// Adds what has happened to the records since, and puts those that were merged with the one that is left.
async fn corrected(
    books: &mut Snapshot,
    late: Vec<Late>,
    since: Timestamp,
) -> Result<Vec<CorrectedRecord>, StoreError> {
    let winners = winners(books, &late).await?;
    let happened = books.happened(&late.iter().map(|late| late.key).collect::<Vec<_>>(), since).await?;
    let mut left: Vec<RecordKey> = late.iter().map(|late| survivor(late.key, &winners)).collect();
    left.retain(|key| late.iter().all(|late| late.key != *key));
    let mut faces: BTreeMap<RecordKey, Arc<Face>> = BTreeMap::new();
    for (key, lines) in books.lines_of(&left).await? {
        faces.extend(lines.last().map(|line| (key, line.face.clone())));
    }
    faces.extend(late.iter().map(|late| (late.key, late.face.clone())));
    let mut records: BTreeMap<RecordKey, CorrectedRecord> = BTreeMap::new();
    for Late { key, face, corrections, refiltered } in late {
        let left = survivor(key, &winners);
        let record = records.entry(left).or_insert_with(|| {
            let face = faces.get(&left).unwrap_or(&face).clone();
            CorrectedRecord {
                key: left,
                face,
                corrections: vec![],
                kinds: vec![],
                refiltered: None,
                changed_at: None,
                merged: vec![],
            }
        });
        record.corrections.extend(corrections);
        // What was merged away has no lines any more, and so says nothing here.
        record.refiltered = record.refiltered.take().or(refiltered);
        record.merged.extend((left != key).then(|| face.name.clone()));
        for happened in happened.iter().filter(|happened| happened.key == key) {
            if !record.kinds.contains(&happened.kind) {
                record.kinds.push(happened.kind);
            }
            record.changed_at = record.changed_at.max(Some(happened.at));
        }
    }
    Ok(records.into_values().collect())
}

/// Into which record each was merged, of these and of those that they were merged into.
async fn winners(books: &mut Snapshot, late: &[Late]) -> Result<BTreeMap<RecordKey, RecordKey>, StoreError> {
    let mut winners = BTreeMap::new();
    let mut asked: Vec<RecordKey> = late.iter().map(|late| late.key).collect();
    while !asked.is_empty() {
        let mut next = Vec::new();
        for part in asked.chunks(MARKS as usize) {
            for stored in books.records(part).await? {
                if let RecordState::Merged { into } = stored.state {
                    let winner = RecordKey { id: into, ..stored.key };
                    winners.insert(stored.key, winner);
                    next.push(winner);
                }
            }
        }
        next.retain(|key| !winners.contains_key(key));
        asked = next;
    }
    Ok(winners)
}

/// The record that is left in the end.
fn survivor(mut key: RecordKey, winners: &BTreeMap<RecordKey, RecordKey>) -> RecordKey {
    // No chain is longer than there are links.
    for _ in winners {
        match winners.get(&key) {
            Some(winner) => key = *winner,
            None => break,
        }
    }
    key
}

#[cfg(test)]
mod tests;
