//! Accounts receivable: what is owed at the end of a period's last day, by how long it is past due.

use std::collections::BTreeMap;

use super::{Page, total};
use crate::domain::ledger::Balance;
use crate::domain::money::{Money, SumTooLarge};
use crate::report::build::{ColumnOf, amount, text};
use crate::report::document::{ColumnKind, Row, Section, Value};
use crate::report::period_figures::Tally;
use crate::report::section::SectionKind;
use crate::report::words::Words;

/// The key of the list of open invoices.
pub(super) const OLDEST: &str = "oldest";

/// How many open invoices are listed.
const LISTED: usize = 10;

/// How long a balance is past due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bucket {
    Current,
    To30,
    To60,
    To90,
    Over90,
    NoDueDate,
}

impl Bucket {
    const ALL: [Self; 6] = [Self::Current, Self::To30, Self::To60, Self::To90, Self::Over90, Self::NoDueDate];

    fn of(days_past_due: Option<i32>) -> Self {
        match days_past_due {
            None => Self::NoDueDate,
            Some(..=0) => Self::Current,
            Some(1..=30) => Self::To30,
            Some(31..=60) => Self::To60,
            Some(61..=90) => Self::To90,
            Some(91..) => Self::Over90,
        }
    }

    fn name(self, words: &Words) -> &'static str {
        let words = &words.period.ageing;
        let [current, to_30, to_60, to_90, over_90] = words.buckets;
        match self {
            Self::Current => current,
            Self::To30 => to_30,
            Self::To60 => to_60,
            Self::To90 => to_90,
            Self::Over90 => over_90,
            Self::NoDueDate => words.no_due_date,
        }
    }
}

/// What is owed, with the days that it is past due; what is not billable is owed by nobody.
fn owed<'a>(page: &Page<'a>) -> impl Iterator<Item = (&'a Balance, Option<i32>)> + use<'a> {
    let last_day = page.last_day();
    let billable = page.figures.ageing.iter().filter(|balance| balance.owed.billable);
    billable.map(move |balance| (balance, balance.owed.due.map(|due| (last_day - due).get_days())))
}

/// What is past due.
pub(super) fn past_due(page: &Page<'_>) -> Result<Tally, SumTooLarge> {
    let (mut tally, last_day) = (Tally::default(), page.last_day());
    let mut past_due = page.figures.ageing.iter().filter(|balance| balance.owed.is_past_due(last_day));
    past_due.try_for_each(|balance| tally.add(&balance.owed.amount))?;
    Ok(tally)
}

/// The ageing, a line for each bucket and currency, and the open invoices that are due the longest.
pub(super) fn sections(page: &Page<'_>) -> Result<Vec<Section>, SumTooLarge> {
    let mut all = Tally::default();
    let mut table: BTreeMap<Option<&'static str>, BTreeMap<Bucket, Tally>> = BTreeMap::new();
    for (balance, days) in owed(page) {
        let money = balance.owed.amount.money.as_ref().ok();
        let buckets = table.entry(money.map(|money| money.currency())).or_default();
        buckets.entry(Bucket::of(days)).or_default().add(&balance.owed.amount)?;
        all.add(&balance.owed.amount)?;
    }
    if all.count == 0 {
        return Ok(Vec::new());
    }
    let mut rows = Vec::new();
    // What cannot be added up comes last.
    let (unknown, known): (Vec<_>, Vec<_>) = table.into_iter().partition(|(currency, _)| currency.is_none());
    for (currency, mut buckets) in known.into_iter().chain(unknown) {
        let nothing = currency.and_then(|code| Money::from_minor(0, code));
        for bucket in Bucket::ALL {
            let mut tally = buckets.remove(&bucket).unwrap_or_default();
            // Each currency shows all buckets, those that are empty too.
            match nothing {
                Some(nothing) if tally.count > 0 || bucket != Bucket::NoDueDate => tally.totals.add(nothing)?,
                _ if tally.count > 0 => {}
                _ => continue,
            }
            rows.push(line(page, bucket, &tally));
        }
    }
    let titles = &page.words.period.titles;
    const COLUMNS: [ColumnOf; 2] =
        [(|columns| columns.invoices, ColumnKind::Count), (|columns| columns.still_to_pay, ColumnKind::Money)];
    let ageing = Section {
        record_column: page.words.columns.past_due.to_owned(),
        total: total(1, &all),
        left_out: usize::try_from(all.left_out).unwrap_or(usize::MAX),
        ..page.section(SectionKind::Ageing.as_str(), titles.ageing, &COLUMNS, rows)
    };
    Ok(vec![ageing, oldest(page)])
}

fn line(page: &Page<'_>, bucket: Bucket, tally: &Tally) -> Row {
    let sums = tally.totals.all_sums();
    let money = if sums.is_empty() { Value::Text(page.words.amounts.missing.to_owned()) } else { Value::Sums(sums) };
    let count = Value::Count(i64::try_from(tally.count).unwrap_or(i64::MAX));
    Row {
        name: bucket.name(page.words).to_owned(),
        url: None,
        cells: vec![count.into(), money.into()],
        notes: Vec::new(),
    }
}

fn oldest(page: &Page<'_>) -> Section {
    const COLUMNS: [ColumnOf; 5] = [
        (|columns| columns.company, ColumnKind::Text),
        (|columns| columns.invoice_date, ColumnKind::Date),
        (|columns| columns.due, ColumnKind::Date),
        (|columns| columns.days_past_due, ColumnKind::Count),
        (|columns| columns.still_to_pay, ColumnKind::Money),
    ];
    let rows = owed(page).take(LISTED).map(|(balance, days)| {
        let date = |date: Option<_>| date.map_or(Value::Nothing, Value::Date).into();
        let mut row = page.record_row(balance.key, &balance.face);
        row.cells = vec![
            text(balance.face.company.as_deref()),
            date(balance.owed.date),
            date(balance.owed.due),
            days.map_or(Value::Nothing, |days| Value::Count(days.max(0).into())).into(),
            amount(&balance.owed.amount, page.scene),
        ];
        row
    });
    let rows: Vec<Row> = rows.collect();
    let cut = owed(page).count() - rows.len();
    Section { cut, ..page.section(OLDEST, page.words.period.titles.oldest, &COLUMNS, rows) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_ends_with_its_last_day() {
        let days = [-5, 0, 1, 30, 31, 60, 61, 90, 91, 5_000].map(|days| Bucket::of(Some(days)));
        use Bucket::{Current, Over90, To30, To60, To90};
        assert_eq!(days, [Current, Current, To30, To30, To60, To60, To90, To90, Over90, Over90]);
        assert_eq!(Bucket::of(None), Bucket::NoDueDate);
    }
}
