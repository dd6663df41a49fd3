//! Periods tile the calendar, in every zone.

use jiff::SignedDuration;
use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::domain::time::zone;

const WEEKDAYS: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

fn calendars() -> impl Iterator<Item = Calendar> {
    WEEKDAYS
        .into_iter()
        .flat_map(|week_start| (1..=12).map(move |fiscal_year_start| Calendar { week_start, fiscal_year_start }))
}

fn april() -> Calendar {
    Calendar { week_start: Weekday::Sunday, fiscal_year_start: 4 }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn periods_have_names_that_stay() {
    let (plain, day) = (Calendar::default(), date(2026, 11, 22));
    for (calendar, cadence, name, from, to) in [
        (plain, Cadence::Daily, "2026-11-22", "2026-11-22", "2026-11-23"),
        (plain, Cadence::Weekly, "2026-W47", "2026-11-16", "2026-11-23"),
        (plain, Cadence::Monthly, "2026-11", "2026-11-01", "2026-12-01"),
        (plain, Cadence::Quarterly, "2026-Q4", "2026-10-01", "2027-01-01"),
        (plain, Cadence::Yearly, "2026", "2026-01-01", "2027-01-01"),
        (april(), Cadence::Weekly, "2026-11-22-week", "2026-11-22", "2026-11-29"),
        (april(), Cadence::Quarterly, "FY2027-Q3", "2026-10-01", "2027-01-01"),
        (april(), Cadence::Yearly, "FY2027", "2026-04-01", "2027-04-01"),
    ] {
        let period = Period::containing(cadence, day, &calendar);
        assert_eq!(period.name(&calendar), name);
        assert_eq!((period.from.to_string(), period.to.to_string()), (from.to_owned(), to.to_owned()), "{name}");
    }
    let new_year = Period::containing(Cadence::Weekly, date(2027, 1, 1), &plain);
    assert_eq!(new_year.name(&plain), "2026-W53", "the ISO year, not the calendar's");
    assert_eq!(Cadence::ALL.map(|cadence| Cadence::parse(cadence.as_str())), Cadence::ALL.map(Some));
}

#[test]
fn a_text_that_is_no_period_is_told_how_to_be_one() {
    let error = |cadence, text, calendar| Period::parse(cadence, text, &calendar).unwrap_err().to_string();
    assert_eq!(
        error(Cadence::Quarterly, "2026-Q4", april()),
        "\"2026-Q4\" is not a quarter: write it like FY2027-Q3, or as any day in it, like 2026-11-22; \
         fiscal years begin with month 4"
    );
    assert_eq!(
        error(Cadence::Weekly, "2026-W47", april()),
        "\"2026-W47\" is not a week: write it like 2026-11-22-week, or as any day in it, like 2026-11-22; \
         weeks begin on Sunday"
    );
    for (cadence, text) in [
        (Cadence::Daily, "2026-02-30"),
        (Cadence::Daily, "2026-11-22T10:00:00"),
        (Cadence::Weekly, "2026-W54"),
        (Cadence::Weekly, "2025-W53"),
        (Cadence::Monthly, "2026-13"),
        (Cadence::Monthly, "2026-1"),
        (Cadence::Quarterly, "2026-Q5"),
        (Cadence::Quarterly, "2026-Q0"),
        (Cadence::Quarterly, "FY2026-Q1"),
        (Cadence::Yearly, "FY2026"),
        (Cadence::Yearly, "99999"),
        (Cadence::Yearly, "2026-11"),
        (Cadence::Yearly, ""),
    ] {
        assert!(Period::parse(cadence, text, &Calendar::default()).is_err(), "{cadence} {text}");
    }
    let wrong_day = Period::parse(Cadence::Weekly, "2026-11-23-week", &april());
    assert!(wrong_day.is_err(), "a week is named by its own first day only");
}

#[test]
fn a_day_that_never_was_is_empty_and_its_neighbours_touch() {
    for (name, skipped) in [("Pacific/Apia", date(2011, 12, 30)), ("Pacific/Kwajalein", date(1993, 8, 21))] {
        let (zone, calendar) = (zone(name).unwrap(), Calendar::default());
        let day = Period::containing(Cadence::Daily, skipped, &calendar);
        assert_eq!(day.start(&zone), day.end(&zone), "{name}");
        assert_eq!(day.previous(&calendar).end(&zone), day.next(&calendar).start(&zone), "{name}");
        assert!(!day.contains_instant(day.start(&zone), &zone), "{name}");
        assert!(day.next(&calendar).contains_instant(day.start(&zone), &zone), "{name}");
        let before = day.start(&zone) - SignedDuration::from_nanos(1);
        assert!(day.previous(&calendar).contains_instant(before, &zone), "{name}");
    }
}

#[test]
fn the_ends_of_the_calendar_are_no_panic() {
    for calendar in calendars() {
        for cadence in Cadence::ALL {
            for day in [Date::MIN, Date::MAX, date(-1, 1, 1), date(9999, 12, 1)] {
                let period = Period::containing(cadence, day, &calendar);
                let _ = (period.next(&calendar), period.previous(&calendar), period.name(&calendar));
                assert!(period.start(&TimeZone::UTC) <= period.end(&TimeZone::UTC));
            }
        }
    }
}

/// Always: for every calendar, each period follows the one before without a gap or an overlap, contains its own days and
/// no other, and is the union of whole shorter periods.
#[test]
fn periods_tile_the_calendar() {
    for calendar in calendars() {
        for cadence in Cadence::ALL {
            let mut period = Period::containing(cadence, date(2019, 12, 1), &calendar);
            while period.to < date(2036, 1, 1) {
                let next = period.next(&calendar);
                assert_eq!((next.from, next.previous(&calendar)), (period.to, period));
                assert!(period.from < period.to);
                assert_eq!(Period::containing(cadence, period.to.yesterday().unwrap(), &calendar), period);
                assert_eq!(Period::parse(cadence, &period.name(&calendar), &calendar), Ok(period));
                period = next;
            }
        }
        let parts = |part, whole| {
            let mut period = Period::containing(whole, date(2019, 12, 1), &calendar);
            while period.to < date(2036, 1, 1) {
                for edge in [period.from, period.to] {
                    assert_eq!(Period::containing(part, edge, &calendar).from, edge, "{part} {whole}");
                }
                period = period.next(&calendar);
            }
        };
        parts(Cadence::Monthly, Cadence::Quarterly);
        parts(Cadence::Quarterly, Cadence::Yearly);
    }
}

/// Always: in every zone of the IANA database, around every change of its clocks from 2020 to 2035, an instant lies
/// in one day, one week, one month, one quarter and one year: between the start and the end of the one, and of no other.
#[test]
fn each_instant_is_in_one_period_in_every_zone() {
    let (calendar, end) = (april(), at("2036-01-01T00:00:00Z"));
    let mut changes = 0;
    let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    assert!(names.len() > 500, "{} zones", names.len());
    for name in names {
        let zone = zone(&name).unwrap();
        let transitions: Vec<_> =
            zone.following(at("2020-01-01T00:00:00Z")).map(|it| it.timestamp()).take_while(|it| *it < end).collect();
        changes += transitions.len();
        for transition in transitions {
            for hours in [-25, -2, -1, 0, 1, 25] {
                for nanos in [-1, 0] {
                    let instant = transition + SignedDuration::from_hours(hours) + SignedDuration::from_nanos(nanos);
                    is_in_one_period(instant, &zone, &calendar);
                }
            }
            // The edges of the day itself, whatever the clocks did around midnight.
            let day = Period::containing(Cadence::Daily, zone.to_datetime(transition).date(), &calendar);
            for edge in [day.start(&zone), day.end(&zone)] {
                is_in_one_period(edge, &zone, &calendar);
                is_in_one_period(edge - SignedDuration::from_nanos(1), &zone, &calendar);
            }
        }
    }
    assert!(changes > 5_000, "{changes} changes of the clocks");
}

#[track_caller]
fn is_in_one_period(instant: Timestamp, zone: &TimeZone, calendar: &Calendar) {
    let day = zone.to_datetime(instant).date();
    for cadence in [Cadence::Daily, Cadence::Weekly, Cadence::Monthly] {
        let period = Period::containing(cadence, day, calendar);
        let (start, end) = (period.start(zone), period.end(zone));
        assert!(start <= instant && instant < end, "{instant} {cadence} {zone:?}: {start} to {end}");
        assert!(period.contains_instant(instant, zone));
        let (before, after) = (period.previous(calendar), period.next(calendar));
        assert!(!before.contains_instant(instant, zone) && !after.contains_instant(instant, zone));
    }
}

proptest! {
    /// Always: any instant in any zone is in one period of each cadence, and any day of it reads as that period.
    #[test]
    fn any_instant_in_any_zone(
        second in 1_577_836_800i64..2_082_758_400,
        name in prop::sample::select(jiff::tz::db().available().map(|name| name.to_string()).collect::<Vec<_>>()),
        week_start in prop::sample::select(WEEKDAYS.to_vec()),
        fiscal_year_start in 1..=12u8,
    ) {
        let (instant, zone) = (Timestamp::from_second(second).unwrap(), zone(&name).unwrap());
        let calendar = Calendar { week_start, fiscal_year_start };
        is_in_one_period(instant, &zone, &calendar);
        let day = zone.to_datetime(instant).date();
        for cadence in Cadence::ALL {
            let period = Period::containing(cadence, day, &calendar);
            prop_assert!(period.start(&zone) <= instant && instant < period.end(&zone));
            prop_assert_eq!(Period::parse(cadence, &day.to_string(), &calendar).unwrap(), period);
        }
    }

    /// Always: no text panics, and what is read is what was written.
    #[test]
    fn any_text_is_a_period_or_a_reason(text in "(FY)?[-0-9QW]{0,12}(-week)?", fiscal_year_start in 1..=12u8) {
        let calendar = Calendar { fiscal_year_start, ..Calendar::default() };
        for cadence in Cadence::ALL {
            if let Ok(period) = Period::parse(cadence, &text, &calendar) {
                prop_assert!(period.name(&calendar) == text || text.parse::<Date>().is_ok());
            }
        }
    }
}
