//! Sums in the company currency: only at the rates that HubSpot recorded with the records, each named with its dates.

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use jiff::civil::Date;

use super::Page;
use crate::domain::ledger::{Line, Rate};
use crate::domain::money::{Amount, Money, Sum, SumTooLarge, Totals, decimal};
use crate::report::section::SectionKind;
use crate::report::words::fill;

/// A figure in the company currency.
pub(super) struct Converted {
    /// The sum of what is in it.
    pub(super) sum: Sum,
    /// How many amounts are not in it, because no rate was recorded with them.
    pub(super) without_rate: usize,
}

/// A figure's sum in the company currency; `None` where all of it is in that currency, or nothing else has a rate.
pub(super) fn converted(page: &Page<'_>, figure: SectionKind) -> Result<Option<Converted>, SumTooLarge> {
    let home = page.scene.rules.company_currency;
    let (mut totals, mut with_rate, mut without_rate) = (Totals::default(), 0, 0);
    for line in page.lines(figure) {
        let Some(money) = line.entry.money() else { continue };
        if money.currency() == home {
            totals.add(money)?;
            continue;
        }
        match convert(line, home) {
            Some((money, _)) => {
                totals.add(money)?;
                with_rate += 1;
            }
            None => without_rate += 1,
        }
    }
    let sum = totals.all_sums().into_iter().next().filter(|_| with_rate > 0);
    Ok(sum.map(|sum| Converted { sum, without_rate }))
}

/// What an entry is worth in the company currency, and the rate with its day.
fn convert<'l>(line: &'l Line, home: &str) -> Option<(Money, &'l Rate)> {
    let rate = line.face.rate.as_ref()?;
    Some((Amount::home(line.entry.money()?, &rate.rate, home)?.money.ok()?, rate))
}

/// `USD 0.92 (3 Nov 2026)`: the rates that figures were converted at with their dates; a currency with several has the lowest
/// and the highest, the first and the last.
pub(super) fn rates(page: &Page<'_>, figures: &[SectionKind]) -> Option<String> {
    let (words, home) = (page.words.period, page.scene.rules.company_currency);
    let mut rates: BTreeMap<&'static str, Vec<(BigDecimal, Date)>> = BTreeMap::new();
    for line in figures.iter().flat_map(|figure| page.lines(*figure)) {
        let Some(money) = line.entry.money().filter(|money| money.currency() != home) else { continue };
        let Some((_, rate)) = convert(line, home) else { continue };
        rates.entry(money.currency()).or_default().extend(decimal(&rate.rate).map(|number| (number, rate.since)));
    }
    let range = |one: String, other: String| if one == other { one } else { fill(words.home.range, &[&one, &other]) };
    let mut texts = Vec::new();
    for (currency, of) in &rates {
        let (low, high) = (of.iter().map(|(rate, _)| rate).min(), of.iter().map(|(rate, _)| rate).max());
        let (first, last) = (of.iter().map(|(_, day)| *day).min(), of.iter().map(|(_, day)| *day).max());
        if let (Some(low), Some(high), Some(first), Some(last)) = (low, high, first, last) {
            let locale = page.locale();
            let rate = range(locale.decimal(low), locale.decimal(high));
            texts.push(format!("{currency} {rate} ({})", range(locale.date(first), locale.date(last))));
        }
    }
    (!texts.is_empty()).then(|| fill(words.home.rates, &[&texts.join(page.words.semicolon)]))
}
