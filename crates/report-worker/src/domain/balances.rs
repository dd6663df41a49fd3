//! What was owed on an invoice, day by day: the ageing of what is open needs no history then.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::changes::Rules;
use super::money::Amount;
use super::position::{Position, Standing};
use super::record::{Kind, Record};

/// What is owed on an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// What is left to pay; below zero where too much was paid.
    pub amount: Amount,
    /// The amount billed.
    pub billed: Amount,
    /// The invoice date, where it states one.
    pub date: Option<Date>,
    /// The day by which it is to be paid, where it states one.
    pub due: Option<Date>,
    /// False for an invoice that only tracks data (`hs_invoice_billable` is `false`).
    pub billable: bool,
}

impl Owed {
    /// True if it should have been paid by the end of a day; what is not billable is owed by nobody.
    pub fn is_past_due(&self, day: Date) -> bool {
        self.billable && self.due.is_some_and(|due| due < day)
    }
}

/// A run of days: from the end of the first one until the end of the other one, or still.
pub type Run = (Date, Option<Date>, Owed);

/// What was owed on an invoice at the end of each day of its life, by its history; equal days are one run. Records of
/// other kinds owe nothing.
///
/// An archived invoice is none of its concern: like all its figures, what was owed on it counts on no day any more.
pub fn balances(record: &Record, rules: &Rules<'_>) -> Vec<Run> {
    if record.key.kind != Kind::Invoice {
        return Vec::new();
    }
    let day = |at: Timestamp| at.to_zoned(rules.zone.clone()).date();
    let life = Position::over_time(record, rules);
    // Where clocks are set back over midnight, the day that comes again has ended already.
    let mut last = Date::MIN;
    let dated: Vec<(Date, Position)> = life
        .into_iter()
        .map(|(at, position)| {
            last = last.max(day(at));
            (last, position)
        })
        .collect();
    let ends = dated.chunk_by(|one, next| one.0 == next.0).filter_map(|day| day.last());
    let owed = ends.map(|(date, position)| (*date, owed(position)));
    let mut runs: Vec<Run> = Vec::new();
    for (date, owed) in owed {
        let last = runs.last_mut().filter(|(_, until, _)| until.is_none());
        if last.as_ref().map(|(_, _, was)| was) == owed.as_ref() {
            continue;
        }
        if let Some((_, until, _)) = last {
            *until = Some(date);
        }
        runs.extend(owed.map(|owed| (date, None, owed)));
    }
    runs
}

/// What is owed on an invoice that stands like this; `None` if it is settled, or not to be paid.
fn owed(position: &Position) -> Option<Owed> {
    if position.standing != Standing::Issued {
        return None;
    }
    let amount = position.owed();
    let settled = amount.money.as_ref().is_ok_and(|money| money.minor() == 0);
    let Position { amount: billed, date, due, billable, .. } = position.clone();
    (!settled).then_some(Owed { amount, billed, date, due, billable })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::changes::testing::{at, record, stages};

    const DAY: i64 = 86_400_000;

    fn runs(record: &Record) -> Vec<(String, String, String)> {
        let stages = stages();
        let rules = Rules { books_open_at: at(0), stages: &stages, zone: &TimeZone::UTC, company_currency: "EUR" };
        let text = |owed: Owed| owed.amount.money.map_or_else(|error| error.to_string(), |money| money.to_string());
        let until = |until: Option<Date>| until.map_or_else(String::new, |date| date.to_string());
        let all = balances(record, &rules).into_iter();
        all.map(|(from, to, owed)| (from.to_string(), until(to), text(owed))).collect()
    }

    #[test]
    fn what_is_owed_goes_down_with_what_is_paid() {
        let life = [
            ("hs_amount_billed", 10, "100"),
            ("hs_invoice_status", 10, "draft"),
            ("hs_invoice_status", DAY, "open"),
            ("hs_amount_paid", 3 * DAY, "30"),
            ("hs_amount_paid", 3 * DAY + 5, "40"),
            ("hs_amount_paid", 5 * DAY, "100"),
            ("hs_invoice_status", 5 * DAY, "paid"),
        ];
        let row = |from: &str, until: &str, owed: &str| (from.to_owned(), until.to_owned(), owed.to_owned());
        assert_eq!(
            runs(&record(Kind::Invoice, &life)),
            [row("1970-01-02", "1970-01-04", "€100.00"), row("1970-01-04", "1970-01-06", "€60.00")]
        );
        let odd = record(Kind::Invoice, &[("hs_amount_billed", 10, "much"), ("hs_invoice_status", 10, "open")]);
        assert_eq!(runs(&odd), [row("1970-01-01", "", "not a number")]);
    }

    fn a_life() -> impl Strategy<Value = Vec<(&'static str, i64, &'static str)>> {
        let step = prop_oneof![
            prop::sample::select(vec!["draft", "open", "paid", "voided"]).prop_map(|v| ("hs_invoice_status", v)),
            prop::sample::select(vec!["100", "250", ""]).prop_map(|v| ("hs_amount_billed", v)),
            prop::sample::select(vec!["0", "40", "100"]).prop_map(|v| ("hs_amount_paid", v)),
            prop::sample::select(vec!["EUR", "USD"]).prop_map(|v| ("hs_currency", v)),
        ];
        prop::collection::vec((step, 1..30 * 3_600_000_i64), 1..15).prop_map(|steps| {
            let mut ms = 0;
            let each = steps.into_iter().map(|((property, value), pause)| {
                ms += pause;
                (property, ms, value)
            });
            each.collect()
        })
    }

    proptest! {
        /// Always: at the end of each day, the run that holds the day says what the history says.
        #[test]
        fn each_day_is_as_the_history_tells(life in a_life()) {
            let stages = stages();
            let rules = Rules { books_open_at: at(0), stages: &stages, zone: &TimeZone::UTC, company_currency: "EUR" };
            let invoice = record(Kind::Invoice, &life);
            let runs = balances(&invoice, &rules);
            for day in 0..20 {
                let (today, end) = (date(1970, 1, 1).saturating_add(jiff::Span::new().days(day)), at((day + 1) * DAY - 1));
                let here = |(from, until, _): &&Run| *from <= today && until.is_none_or(|until| today < until);
                let held: Vec<&Owed> = runs.iter().filter(here).map(|(_, _, owed)| owed).collect();
                let told = Position::as_of(&invoice, end, &rules).as_ref().and_then(owed);
                prop_assert_eq!(held, told.iter().collect::<Vec<_>>(), "{}", today);
            }
        }
    }
}
