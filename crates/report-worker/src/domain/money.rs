//! Exact money: HubSpot's text as it came, rounded once to the minor units of its currency, summed in 128 bits.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bigdecimal::num_bigint::Sign;
use bigdecimal::{BigDecimal, RoundingMode};
use iso_currency::Currency;
use serde::{Deserialize, Serialize};

/// The longest amount that is read. HubSpot shows up to 53 decimals; a text far beyond is no amount.
const MAX_AMOUNT_CHARACTERS: usize = 200;

/// An amount in the minor units of a currency (cents, yen, fils).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "WireMoney", try_from = "WireMoney")]
pub struct Money {
    currency: Currency,
    minor: i64,
}

/// How [`Money`] is stored: the currency's code and whole minor units.
#[derive(Serialize, Deserialize)]
struct WireMoney {
    currency: String,
    minor: i64,
}

impl From<Money> for WireMoney {
    fn from(money: Money) -> Self {
        Self { currency: money.currency.code().to_owned(), minor: money.minor }
    }
}

impl TryFrom<WireMoney> for Money {
    type Error = AmountError;
    fn try_from(wire: WireMoney) -> Result<Self, AmountError> {
        let currency = Currency::from_code(&wire.currency).ok_or(AmountError::UnknownCurrency(wire.currency))?;
        Ok(Self { currency, minor: wire.minor })
    }
}

/// Why a text is not an amount that can be summed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum AmountError {
    /// No amount is set.
    #[error("no amount")]
    Missing,
    /// The text is no decimal number.
    #[error("not a number")]
    NotANumber,
    /// The amount does not fit 64 bits of minor units.
    #[error("too large to be added up")]
    TooLarge,
    /// The currency is not in ISO 4217, so nobody knows its minor units.
    #[error("currency {0} is not in ISO 4217")]
    UnknownCurrency(String),
}

/// An amount as HubSpot gave it, and what could be made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// HubSpot's text, unchanged; empty if there was none.
    pub text: String,
    /// The currency code as it came; upper case.
    pub currency: String,
    /// The amount in minor units, or why there is none.
    pub money: Result<Money, AmountError>,
    /// True if rounding to the minor units changed the value.
    pub rounded: bool,
}

impl Amount {
    /// Reads an amount. It is rounded once, half-even, to the minor units that ISO 4217 gives its currency.
    pub fn read(text: Option<&str>, currency: &str) -> Self {
        let text = text.unwrap_or_default().to_owned();
        let exact = match text.trim() {
            "" => Err(AmountError::Missing),
            number => decimal(number).ok_or(AmountError::NotANumber),
        };
        Self::of(text, exact, currency)
    }

    fn of(text: String, exact: Result<BigDecimal, AmountError>, currency: &str) -> Self {
        let currency = currency.trim().to_ascii_uppercase();
        match exact.and_then(|exact| Self::minor_units(&exact, &currency)) {
            Ok((money, rounded)) => Self { text, currency, money: Ok(money), rounded },
            Err(error) => Self { text, currency, money: Err(error), rounded: false },
        }
    }

    /// What money is worth in the home currency by a rate from its currency to that one, computed exactly and rounded
    /// once, half-even, to the home currency's minor units. `None` where the rate is no positive number.
    ///
    /// Source of rates: `hs_exchange_rate` of a deal (facts 3.8), see [`super::record::Record::exchange_rate`].
    pub fn home(amount: Money, rate: &str, home: &str) -> Option<Self> {
        let rate = decimal(rate).filter(|rate| rate.sign() == Sign::Plus)?;
        let exponent = amount.currency.exponent().unwrap_or(0);
        let exact = BigDecimal::new(amount.minor.into(), exponent.into()) * rate;
        Some(Self::of(exact.normalized().to_plain_string(), Ok(exact), home))
    }

    /// An amount that was computed, in whole minor units; beyond 64 bits, or in a currency that nobody knows, it is no
    /// money.
    pub fn from_minor(minor: i128, currency: &str) -> Self {
        let exponent = Currency::from_code(currency).and_then(Currency::exponent).unwrap_or(0);
        let money = i64::try_from(minor).map_err(|_| AmountError::TooLarge).and_then(|minor| {
            Money::from_minor(minor, currency).ok_or_else(|| AmountError::UnknownCurrency(currency.to_owned()))
        });
        let text = BigDecimal::new(minor.into(), exponent.into()).to_plain_string();
        Self { text, currency: currency.to_owned(), money, rounded: false }
    }

    fn minor_units(exact: &BigDecimal, currency: &str) -> Result<(Money, bool), AmountError> {
        let unknown = || AmountError::UnknownCurrency(currency.to_owned());
        let iso = Currency::from_code(currency).ok_or_else(unknown)?;
        let exponent = iso.exponent().ok_or_else(unknown)?;
        let rounded = exact.with_scale_round(i64::from(exponent), RoundingMode::HalfEven);
        let differs = rounded != *exact;
        let (digits, _) = rounded.into_bigint_and_exponent();
        let minor = i64::try_from(digits).map_err(|_| AmountError::TooLarge)?;
        Ok((Money { currency: iso, minor }, differs))
    }
}

/// Reads a decimal number of any length, with an exponent of at most two digits. Anything else is none.
pub(crate) fn decimal(text: &str) -> Option<BigDecimal> {
    let text = text.trim();
    let plain = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    let exponent = text.split_once(['e', 'E']).map_or("", |(_, exponent)| exponent.trim_start_matches(['+', '-']));
    // A number with a vast exponent is a few bytes long and would be written out in gigabytes.
    if !plain || text.len() > MAX_AMOUNT_CHARACTERS || exponent.len() > 2 {
        return None;
    }
    BigDecimal::from_str(text).ok()
}

impl Money {
    /// Money from whole minor units; `None` for a currency that is not in ISO 4217.
    pub fn from_minor(minor: i64, currency: &str) -> Option<Self> {
        Some(Self { currency: Currency::from_code(currency)?, minor })
    }

    /// Whole minor units.
    pub fn minor(self) -> i64 {
        self.minor
    }

    /// The ISO 4217 code.
    pub fn currency(self) -> &'static str {
        self.currency.code()
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Sum::from(*self).fmt(f)
    }
}

/// A sum in the minor units of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "WireSum", try_from = "WireSum")]
pub struct Sum {
    currency: Currency,
    minor: i128,
}

/// How [`Sum`] is stored. JSON's numbers end where many readers' do, so the minor units are text.
#[derive(Serialize, Deserialize)]
struct WireSum {
    currency: String,
    minor: String,
}

impl From<Sum> for WireSum {
    fn from(sum: Sum) -> Self {
        Self { currency: sum.currency().to_owned(), minor: sum.minor.to_string() }
    }
}

impl TryFrom<WireSum> for Sum {
    type Error = AmountError;
    fn try_from(wire: WireSum) -> Result<Self, AmountError> {
        let currency = Currency::from_code(&wire.currency).ok_or(AmountError::UnknownCurrency(wire.currency))?;
        Ok(Self { currency, minor: wire.minor.parse().map_err(|_| AmountError::NotANumber)? })
    }
}

impl From<Money> for Sum {
    fn from(money: Money) -> Self {
        Self { currency: money.currency, minor: i128::from(money.minor) }
    }
}

impl Sum {
    /// Whole minor units.
    pub fn minor(self) -> i128 {
        self.minor
    }

    /// The ISO 4217 code.
    pub fn currency(self) -> &'static str {
        self.currency.code()
    }

    /// How many decimals the currency has: 2 for the euro, 0 for the yen, 3 for the dinar.
    pub fn decimals(self) -> usize {
        usize::from(self.currency.exponent().unwrap_or(0))
    }

    /// The sign that people write for the currency, where it means no other.
    pub fn symbol(self) -> Option<&'static str> {
        match self.currency {
            Currency::EUR => Some("€"),
            Currency::USD => Some("$"),
            Currency::GBP => Some("£"),
            _ => None,
        }
    }

    /// The digits without sign: the whole units, grouped by `thousands`, then `decimal` and the minor units.
    pub fn digits(self, thousands: &str, decimal: &str) -> String {
        let decimals = self.decimals();
        let digits = format!("{:0>width$}", self.minor.unsigned_abs(), width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let mut text = grouped(whole, thousands);
        if decimals > 0 {
            text.push_str(decimal);
            text.push_str(fraction);
        }
        text
    }
}

/// `€45,300.00`: the sign, the symbol (or code where there is no symbol of its own), thousands, minor units.
impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor < 0 { "−" } else { "" };
        let digits = self.digits(",", ".");
        match self.symbol() {
            Some(symbol) => write!(f, "{sign}{symbol}{digits}"),
            None => write!(f, "{sign}{} {digits}", self.currency()),
        }
    }
}

/// Digits in groups of three from the right.
pub fn grouped(digits: &str, thousands: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push_str(thousands);
        }
        text.push(digit);
    }
    text
}

/// Sums per currency. Amounts of different currencies are never added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals(BTreeMap<Currency, i128>);

/// A sum went beyond 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sum in {0} does not fit 128 bits")]
pub struct SumTooLarge(pub &'static str);

impl Totals {
    /// Adds an amount to its currency's sum.
    ///
    /// # Errors
    /// Fails where the sum would not fit 128 bits; no sum ever wraps.
    pub fn add(&mut self, money: Money) -> Result<(), SumTooLarge> {
        self.add_minor(money.currency, i128::from(money.minor))
    }

    /// Takes an amount from its currency's sum.
    ///
    /// # Errors
    /// As [`Totals::add`].
    pub fn subtract(&mut self, money: Money) -> Result<(), SumTooLarge> {
        self.add_minor(money.currency, -i128::from(money.minor))
    }

    /// Adds the sums of others, each to its currency's.
    ///
    /// # Errors
    /// As [`Totals::add`].
    pub fn add_all(&mut self, others: &Self) -> Result<(), SumTooLarge> {
        others.0.iter().try_for_each(|(&currency, &minor)| self.add_minor(currency, minor))
    }

    fn add_minor(&mut self, currency: Currency, minor: i128) -> Result<(), SumTooLarge> {
        let sum = self.0.entry(currency).or_default();
        *sum = sum.checked_add(minor).ok_or(SumTooLarge(currency.code()))?;
        Ok(())
    }

    /// The ISO 4217 code and the sum in minor units of each currency that something was added in, by code.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, i128)> {
        self.0.iter().map(|(currency, minor)| (currency.code(), *minor))
    }

    /// A currency's sum in minor units, if something was added in it.
    pub fn get(&self, currency: &str) -> Option<i128> {
        self.0.get(&Currency::from_code(currency)?).copied()
    }

    /// True if nothing was added in any currency.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each currency's sum, by currency code; currencies whose sum is nothing are left out.
    pub fn sums(&self) -> Vec<Sum> {
        self.all_sums().into_iter().filter(|sum| sum.minor != 0).collect()
    }

    /// Each currency's sum, with those that are nothing.
    pub fn all_sums(&self) -> Vec<Sum> {
        self.0.iter().map(|(&currency, &minor)| Sum { currency, minor }).collect()
    }
}

/// Compares two amounts given as text; none counts as zero.
pub(crate) fn compare(left: Option<&str>, right: Option<&str>) -> Ordering {
    let number = |text: Option<&str>| text.and_then(decimal).unwrap_or_default();
    number(left).cmp(&number(right))
}

/// True if two texts are the same number, or the same text where one is no number.
pub(crate) fn same_number(left: &str, right: &str) -> bool {
    match (decimal(left), decimal(right)) {
        (Some(left), Some(right)) => left == right,
        _ => left.trim() == right.trim(),
    }
}

/// The sign of a number given as text; zero for none.
pub(crate) fn sign(text: &str) -> Ordering {
    compare(Some(text), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str, currency: &str) -> String {
        match Amount::read(Some(text), currency).money {
            Ok(money) => money.to_string(),
            Err(error) => format!("({error})"),
        }
    }

    #[test]
    fn amounts_are_rounded_once_to_their_currencys_minor_units() {
        for (text, currency, expected) in [
            ("45300", "EUR", "€45,300.00"),
            ("12300.5", "usd", "$12,300.50"),
            ("0.005", "EUR", "€0.00"),
            ("0.015", "EUR", "€0.02"),
            ("0.025", "EUR", "€0.02"),
            ("-1234.565", "GBP", "−£1,234.56"),
            ("0.40000000000000002220446049250313080847263336181640625", "EUR", "€0.40"),
            ("1234567", "JPY", "JPY 1,234,567"),
            ("1.2345", "KWD", "KWD 1.234"),
            ("1E+3", "EUR", "€1,000.00"),
            ("92233720368547758.07", "EUR", "€92,233,720,368,547,758.07"),
            ("92233720368547758.08", "EUR", "(too large to be added up)"),
            ("1e99", "EUR", "(too large to be added up)"),
            ("1e999999999", "EUR", "(not a number)"),
            ("12,5", "EUR", "(not a number)"),
            ("NaN", "EUR", "(not a number)"),
            ("", "EUR", "(no amount)"),
            ("5", "XYZ", "(currency XYZ is not in ISO 4217)"),
            ("5", "XAU", "(currency XAU is not in ISO 4217)"),
        ] {
            assert_eq!(shown(text, currency), expected, "{text} {currency}");
        }
    }

    #[test]
    fn a_rounding_that_changes_the_value_is_told() {
        assert!(!Amount::read(Some("10.5000"), "EUR").rounded);
        assert!(Amount::read(Some("10.505"), "EUR").rounded);
    }

    #[test]
    fn currencies_are_never_added_and_sums_never_wrap() {
        let mut totals = Totals::default();
        let most = Money::from_minor(i64::MAX, "EUR").unwrap();
        for _ in 0..3 {
            totals.add(most).unwrap();
        }
        totals.add(Money::from_minor(5, "USD").unwrap()).unwrap();
        let sums: Vec<String> = totals.sums().iter().map(Sum::to_string).collect();
        assert_eq!(sums, ["€276,701,161,105,643,274.21", "$0.05"]);
        let back: Vec<Sum> = serde_json::from_str(&serde_json::to_string(&totals.sums()).unwrap()).unwrap();
        assert_eq!(back, totals.sums());
        let mut full = Totals([(Currency::EUR, i128::MAX)].into());
        assert_eq!(full.add(most), Err(SumTooLarge("EUR")));
    }

    #[test]
    fn a_computed_amount_reads_as_itself() {
        for (minor, currency, text, shown) in [
            (-1_234_567, "EUR", "-12345.67", "−€12,345.67"),
            (-5, "USD", "-0.05", "−$0.05"),
            (-70, "JPY", "-70", "−JPY 70"),
            (15_005, "KWD", "15.005", "KWD 15.005"),
            (0, "KWD", "0.000", "KWD 0.000"),
        ] {
            let amount = Amount::from_minor(minor, currency);
            assert_eq!((amount.text.as_str(), amount.money.clone().unwrap().to_string().as_str()), (text, shown));
            assert_eq!(Amount::read(Some(text), currency), amount);
        }
        assert_eq!(Amount::from_minor(i128::from(i64::MAX) + 1, "EUR").money, Err(AmountError::TooLarge));
        assert_eq!(Amount::from_minor(1, "XYZ").money, Err(AmountError::UnknownCurrency("XYZ".into())));
    }

    #[test]
    fn a_rate_leads_home_exactly() {
        let home = |minor, currency, rate, home| {
            let amount = Amount::home(Money::from_minor(minor, currency).unwrap(), rate, home)?;
            let money = amount.money.map_or_else(|error| format!("({error})"), |money| money.to_string());
            Some(format!("{}{money} of {}", if amount.rounded { "about " } else { "" }, amount.text))
        };
        for (minor, currency, rate, to, expected) in [
            (231_005, "USD", "0.921659", "EUR", Some("about €2,129.08 of 2129.07837295")),
            (-231_005, "USD", "0.921659", "EUR", Some("about −€2,129.08 of -2129.07837295")),
            (1_000, "USD", "1", "USD", Some("$10.00 of 10")),
            (5, "EUR", "0.5", "EUR", Some("about €0.02 of 0.025")),
            (15, "EUR", "0.1", "EUR", Some("about €0.02 of 0.015")),
            (1_000_000, "JPY", "0.006021", "EUR", Some("€6,021.00 of 6021")),
            (100, "EUR", "166.0854", "JPY", Some("about JPY 166 of 166.0854")),
            (1, "KWD", "3.25", "KWD", Some("about KWD 0.003 of 0.00325")),
            (i64::MAX, "EUR", "1.01", "EUR", Some("(too large to be added up) of 93156057572233235.6507")),
            (100, "EUR", "1.1", "XYZ", Some("(currency XYZ is not in ISO 4217) of 1.1")),
            (100, "EUR", "0", "USD", None),
            (100, "EUR", "-1.1", "USD", None),
            (100, "EUR", "", "USD", None),
            (100, "EUR", "one", "USD", None),
        ] {
            assert_eq!(home(minor, currency, rate, to).as_deref(), expected, "{minor} {currency} {rate} {to}");
        }
    }

    #[test]
    fn totals_give_each_currencys_sum() {
        let mut totals = Totals::default();
        assert!(totals.is_empty());
        for (minor, currency) in [(-5, "USD"), (i64::MAX, "JPY"), (i64::MAX, "JPY"), (1_500, "KWD")] {
            totals.add(Money::from_minor(minor, currency).unwrap()).unwrap();
        }
        let twice = 2 * i128::from(i64::MAX);
        assert_eq!(totals.iter().collect::<Vec<_>>(), [("JPY", twice), ("KWD", 1_500), ("USD", -5)]);
        assert_eq!((totals.get("JPY"), totals.get("EUR"), totals.is_empty()), (Some(twice), None, false));
        let sums = totals.all_sums();
        let json = serde_json::to_string(&sums).unwrap();
        assert!(json.starts_with(r#"[{"currency":"JPY","minor":"18446744073709551614"}"#), "{json}");
        assert_eq!(serde_json::from_str::<Vec<Sum>>(&json).unwrap(), sums);
        assert_eq!(sums[1].to_string(), "KWD 1.500");
        assert!(serde_json::from_str::<Sum>(r#"{"currency":"XYZ","minor":1}"#).is_err());
    }

    proptest! {
        /// Always: an amount with the currency's own number of decimals is kept to the last digit, and comes back from
        /// the store as it was.
        #[test]
        fn amounts_are_exact(minor in any::<i64>()) {
            let text = format!("{}{}.{:02}", if minor < 0 { "-" } else { "" }, minor.unsigned_abs() / 100, minor.unsigned_abs() % 100);
            let amount = Amount::read(Some(&text), "EUR");
            prop_assert_eq!(amount.money.clone().map(Money::minor), Ok(minor));
            prop_assert!(!amount.rounded);
            let back: Amount = serde_json::from_str(&serde_json::to_string(&amount).unwrap()).unwrap();
            prop_assert_eq!(back, amount);
        }

        /// Always: no text, however odd, panics or eats the memory.
        #[test]
        fn any_text_is_an_amount_or_a_reason(text in "\\PC{0,40}", number in "[-+0-9.eE]{0,40}") {
            let _ = Amount::read(Some(&text), "EUR");
            let _ = Amount::read(Some(&number), "KWD");
        }
    }
}
