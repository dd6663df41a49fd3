//! The periods that figures are kept for: days, weeks, months, quarters and years of the reporting zone.
//!
//! A period is a run of civil dates, and a day belongs to exactly one period of each cadence, so periods tile whatever the
//! clocks do. Instants come in only where a report must know when a period is over.

use std::fmt;

use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use super::time::start_of_day;

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cadence {
    /// A civil day.
    Daily,
    /// Seven days from [`Calendar::week_start`].
    Weekly,
    /// A calendar month.
    Monthly,
    /// Three months of the fiscal year.
    Quarterly,
    /// The twelve months of the fiscal year.
    Yearly,
}

impl Cadence {
    /// Every cadence, the shortest first.
    pub const ALL: [Self; 5] = [Self::Daily, Self::Weekly, Self::Monthly, Self::Quarterly, Self::Yearly];

    /// The word that report definitions use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Quarterly => "quarterly",
            Self::Yearly => "yearly",
        }
    }

    /// The cadence with this word, if there is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cadence| cadence.as_str() == word)
    }

    /// What one period of this cadence is called.
    fn noun(self) -> &'static str {
        match self {
            Self::Daily => "day",
            Self::Weekly => "week",
            Self::Monthly => "month",
            Self::Quarterly => "quarter",
            Self::Yearly => "year",
        }
    }

    /// How many whole months a period has; none if it is counted in days.
    fn months(self) -> Option<i32> {
        match self {
            Self::Daily | Self::Weekly => None,
            Self::Monthly => Some(1),
            Self::Quarterly => Some(3),
            Self::Yearly => Some(12),
        }
    }
}

impl fmt::Display for Cadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where weeks and fiscal years begin.
///
/// A fiscal year is named by the calendar year it ends in: with April, FY2027 is 2026-04-01 to 2027-03-31. With January
/// it is the calendar year itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Calendar {
    /// The first day of a week.
    pub week_start: Weekday,
    /// The first month of a fiscal year, 1 to 12.
    pub fiscal_year_start: u8,
}

impl Default for Calendar {
    /// Weeks as in ISO 8601, fiscal years as the calendar's.
    fn default() -> Self {
        Self { week_start: Weekday::Monday, fiscal_year_start: 1 }
    }
}

impl Calendar {
    /// How many months of its fiscal year are over when a month begins.
    fn months_into_year(&self, month: Month) -> i32 {
        (month.0 + 1 - i32::from(self.fiscal_year_start)).rem_euclid(12)
    }

    /// The fiscal year that a month lies in, with what it is called before its number.
    fn fiscal_year(&self, month: Month) -> (&'static str, i32) {
        let last = month.plus(11 - self.months_into_year(month));
        (if self.fiscal_year_start == 1 { "" } else { "FY" }, last.year())
    }
}

/// A calendar month, counted from January of the year 0.
#[derive(Debug, Clone, Copy)]
struct Month(i32);

impl Month {
    fn of(date: Date) -> Self {
        Self(i32::from(date.year()) * 12 + i32::from(date.month()) - 1)
    }

    fn plus(self, months: i32) -> Self {
        Self(self.0 + months)
    }

    fn year(self) -> i32 {
        self.0.div_euclid(12)
    }

    fn number(self) -> i32 {
        self.0.rem_euclid(12) + 1
    }

    /// Its first day; beyond the calendar, the calendar's own first or last day.
    fn first(self) -> Date {
        let (year, month) = (i16::try_from(self.year()), i8::try_from(self.number()));
        let first = year.ok().zip(month.ok()).and_then(|(year, month)| Date::new(year, month, 1).ok());
        first.unwrap_or(if self.0 < 0 { Date::MIN } else { Date::MAX })
    }
}

/// A run of civil dates, half-open: `from` is its first day, `to` the first day after it.
///
/// The calendar ends with 9999-12-31, which no period contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Period {
    /// How long it is.
    pub cadence: Cadence,
    /// Its first day.
    pub from: Date,
    /// The first day after it.
    pub to: Date,
}

/// A text that names no period of a cadence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {noun}: write it like {example}, or as any day in it, like 2026-11-22{hint}")]
pub struct PeriodError {
    text: String,
    noun: &'static str,
    example: String,
    hint: String,
}

impl Period {
    /// The period that a date lies in.
    pub fn containing(cadence: Cadence, date: Date, calendar: &Calendar) -> Self {
        let (from, to) = match cadence.months() {
            None if cadence == Cadence::Daily => (date, date.saturating_add(1.day())),
            None => {
                let into = i64::from(calendar.week_start.until(date.weekday()));
                (date.saturating_sub(into.days()), date.saturating_add((7 - into).days()))
            }
            Some(months) => {
                let month = Month::of(date);
                let from = month.plus(-(calendar.months_into_year(month) % months));
                (from.first(), from.plus(months).first())
            }
        };
        Self { cadence, from, to }
    }

    /// The period after this one.
    #[must_use]
    pub fn next(&self, calendar: &Calendar) -> Self {
        Self::containing(self.cadence, self.to, calendar)
    }

    /// The period before this one.
    #[must_use]
    pub fn previous(&self, calendar: &Calendar) -> Self {
        Self::containing(self.cadence, self.from.saturating_sub(1.day()), calendar)
    }

    /// True if a day lies in this period.
    pub fn contains(&self, date: Date) -> bool {
        self.from <= date && date < self.to
    }

    /// The first instant of this period in a zone.
    pub fn start(&self, zone: &TimeZone) -> Timestamp {
        start_of_day(self.from, zone)
    }

    /// The first instant after this period in a zone. A day that a zone left out (Samoa's 30 December 2011) ends where
    /// it starts.
    pub fn end(&self, zone: &TimeZone) -> Timestamp {
        start_of_day(self.to, zone)
    }

    /// True if an instant falls on a day of this period.
    ///
    /// The civil date decides, as it does for [`super::time::BusinessDate`]. That is the same as lying between start and
    /// end, but for an hour that clocks set back over midnight show twice, as St John's did until 2011.
    pub fn contains_instant(&self, at: Timestamp, zone: &TimeZone) -> bool {
        self.contains(zone.to_datetime(at).date())
    }

    /// Its name, which sorts as the periods do and holds in file names: `2026-11-22`, `2026-W48`, `2026-11`, `2026-Q4`,
    /// `2026`.
    ///
    /// A week has its ISO 8601 number if weeks begin on Monday, else it is named by its first day: `2026-11-22-week`. A
    /// fiscal year that does not begin in January says so: `FY2027`, `FY2027-Q3`.
    pub fn name(&self, calendar: &Calendar) -> String {
        let month = Month::of(self.from);
        let (fiscal, year) = calendar.fiscal_year(month);
        match self.cadence {
            Cadence::Daily => self.from.to_string(),
            Cadence::Weekly if calendar.week_start == Weekday::Monday => {
                let week = self.from.iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Cadence::Weekly => format!("{}-week", self.from),
            Cadence::Monthly => format!("{:04}-{:02}", month.year(), month.number()),
            Cadence::Quarterly => format!("{fiscal}{year:04}-Q{}", calendar.months_into_year(month) / 3 + 1),
            Cadence::Yearly => format!("{fiscal}{year:04}"),
        }
    }

    /// Reads a period's name, or any day in it as `2026-11-22`.
    ///
    /// # Errors
    /// Tells how the periods of this cadence are written in this calendar.
    pub fn parse(cadence: Cadence, text: &str, calendar: &Calendar) -> Result<Self, PeriodError> {
        let text = text.trim();
        let period = day_in(cadence, text, calendar).map(|day| Self::containing(cadence, day, calendar));
        let is_day = text.parse().is_ok_and(|day: Date| day.to_string() == text);
        // A name is read leniently and must then be the very name, so that nothing is taken for something else.
        match period {
            Some(period) if is_day || period.name(calendar) == text => Ok(period),
            _ => Err(Self::error(cadence, text, calendar)),
        }
    }

    fn error(cadence: Cadence, text: &str, calendar: &Calendar) -> PeriodError {
        let hint = match cadence {
            Cadence::Weekly => format!("; weeks begin on {:?}", calendar.week_start),
            Cadence::Quarterly | Cadence::Yearly if calendar.fiscal_year_start != 1 => {
                format!("; fiscal years begin with month {}", calendar.fiscal_year_start)
            }
            _ => String::new(),
        };
        let example = Self::containing(cadence, Date::constant(2026, 11, 22), calendar).name(calendar);
        PeriodError { text: text.chars().take(40).collect(), noun: cadence.noun(), example, hint }
    }
}

/// A day in the period that a text may be the name of.
fn day_in(cadence: Cadence, text: &str, calendar: &Calendar) -> Option<Date> {
    if let Ok(day) = text.parse() {
        return Some(day);
    }
    // The first month of a fiscal year, which is named by the year it ends in.
    let fiscal = |text: &str| {
        let year: i16 = text.trim_start_matches("FY").parse().ok()?;
        let january = Month(i32::from(year) * 12);
        let first = january.plus(i32::from(calendar.fiscal_year_start) - 1);
        Some(if calendar.fiscal_year_start == 1 { first } else { first.plus(-12) })
    };
    match cadence {
        Cadence::Daily => None,
        Cadence::Weekly if calendar.week_start == Weekday::Monday => {
            let (year, week) = text.rsplit_once("-W")?;
            ISOWeekDate::new(year.parse().ok()?, week.parse().ok()?, Weekday::Monday).ok().map(ISOWeekDate::date)
        }
        Cadence::Weekly => text.strip_suffix("-week")?.parse().ok(),
        Cadence::Monthly => {
            let (year, month) = text.rsplit_once('-')?;
            Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()
        }
        Cadence::Quarterly => {
            let (year, quarter) = text.rsplit_once("-Q")?;
            let quarter: u8 = quarter.parse().ok()?;
            Some(fiscal(year)?.plus(3 * (i32::from(quarter) - 1)).first())
        }
        Cadence::Yearly => fiscal(text).map(Month::first),
    }
}

#[cfg(test)]
mod tests;
