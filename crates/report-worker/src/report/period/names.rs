//! What periods are called in each language.

use jiff::civil::Date;

use crate::domain::period::{Cadence, Calendar, Period};
use crate::report::locale::Locale;
use crate::report::words::fill;

/// A period in words: `22 Nov 2026`, `week of 16 Nov 2026`, `October 2026`, `Q3 2026`, `FY2027`.
pub(super) fn in_words(period: &Period, calendar: &Calendar, locale: Locale) -> String {
    let words = locale.words().period;
    let name = period.name(calendar);
    // A fiscal year is a year of its own where it does not begin in January.
    let year =
        |year: &str| year.strip_prefix("FY").map_or_else(|| year.to_owned(), |year| fill(words.fiscal_year, &[year]));
    match period.cadence {
        Cadence::Daily => locale.date(period.from),
        Cadence::Weekly => fill(words.week_of, &[&locale.date(period.from)]),
        Cadence::Monthly => format!("{} {}", month(period.from, locale), period.from.year()),
        Cadence::Quarterly => match name.split_once("-Q") {
            Some((of, quarter)) => fill(words.quarter, &[quarter, &year(of)]),
            None => name,
        },
        Cadence::Yearly => year(&name),
    }
}

/// The month that a day lies in.
pub(super) fn month(day: Date, locale: Locale) -> &'static str {
    named(&locale.words().period.months, day)
}

/// The month that a day lies in, where there is little room.
pub(super) fn month_short(day: Date, locale: Locale) -> &'static str {
    named(&locale.words().period.months_short, day)
}

fn named(months: &[&'static str; 12], day: Date) -> &'static str {
    let index = usize::try_from(day.month() - 1).expect("months count from 1");
    months[index]
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::report::locale::{Dates, Language};

    #[test]
    fn a_period_has_a_name_in_each_language() {
        let fiscal = Calendar { fiscal_year_start: 4, ..Calendar::default() };
        let mut lines = Vec::new();
        for (language, _) in Language::ALL {
            let locale = Locale { language, dates: Dates::Local };
            let name = |cadence, calendar: &Calendar| {
                in_words(&Period::containing(cadence, date(2026, 10, 14), calendar), calendar, locale)
            };
            let plain = Cadence::ALL.map(|cadence| name(cadence, &Calendar::default())).join(" | ");
            lines.push(format!("{plain} | {} | {}", name(Cadence::Quarterly, &fiscal), name(Cadence::Yearly, &fiscal)));
        }
        insta::assert_snapshot!(lines.join("\n"), @r"
        14 Oct 2026 | week of 12 Oct 2026 | October 2026 | Q4 2026 | 2026 | Q3 FY2027 | FY2027
        14.10.2026 | Woche vom 12.10.2026 | Oktober 2026 | 4. Quartal 2026 | 2026 | 3. Quartal GJ 2027 | GJ 2027
        14/10/2026 | semaine du 12/10/2026 | octobre 2026 | T4 2026 | 2026 | T3 exercice 2027 | exercice 2027
        ");
    }
}
