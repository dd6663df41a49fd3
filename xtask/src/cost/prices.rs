//! Exact dollars, and the table of prices in `infra/prices.yaml`.

use std::collections::BTreeMap;
use std::iter::Sum;
use std::ops::Add;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::template::Node;

/// Digits of a dollar behind the point that a price may have.
const DIGITS: usize = 12;
const DOLLAR: u128 = 10_u128.pow(12);

/// An amount of dollars, in millionths of millionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Dollars(u128);

impl Dollars {
    fn parse(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !(part.is_empty() || digits(part)) || part.len() > DIGITS {
            return None;
        }
        let part: u128 = format!("{part:0<DIGITS$}").parse().ok()?;
        whole.parse::<u128>().ok()?.checked_mul(DOLLAR)?.checked_add(part).map(Self)
    }

    /// Whole cents, rounded up: a bill that is foreseen must not be too small.
    pub(super) fn cents(self) -> u128 {
        self.0.div_ceil(DOLLAR / 100)
    }
}

impl Add for Dollars {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sum for Dollars {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

/// So many of `one` units, parts of a unit included: `of(256 * 730, 1024)` are 182.5.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quantity {
    parts: u128,
    one: u128,
}

impl Quantity {
    pub(super) fn of(parts: u128, one: u128) -> Self {
        Self { parts, one }
    }
}

impl From<u128> for Quantity {
    fn from(units: u128) -> Self {
        Self::of(units, 1)
    }
}

#[derive(Debug)]
struct Price {
    dollars: Dollars,
    per: u128,
    free: u128,
}

/// What things cost.
#[derive(Debug)]
pub(super) struct Prices {
    pub(super) dated: String,
    pub(super) region: String,
    prices: BTreeMap<String, Price>,
}

impl Prices {
    pub(super) fn read(file: &Path) -> Result<Self> {
        Self::of(&Node::read(file)?).with_context(|| format!("{} cannot be used", file.display()))
    }

    fn of(root: &Node) -> Result<Self> {
        let word =
            |key: &str| root.at(key).and_then(Node::text).map(str::to_owned).with_context(|| format!("no `{key}`"));
        let mut prices = BTreeMap::new();
        for (name, node) in root.at("prices").context("no `prices`")?.entries() {
            let whole = |key: &str, unset: u128| node.at(key).map_or(Some(unset), |node| node.text()?.parse().ok());
            let dollars = node.at("price").and_then(Node::text).and_then(Dollars::parse);
            let price = dollars.zip(whole("per", 1).filter(|per| *per > 0)).zip(whole("free", 0));
            let ((dollars, per), free) = price.with_context(|| {
                format!("the price `{name}` is not {{price: \"0.40\", per: 1000000, free: 0}} with whole numbers")
            })?;
            prices.insert(name.clone(), Price { dollars, per, free });
        }
        ensure!(!prices.is_empty(), "it holds no price");
        Ok(Self { dated: word("dated")?, region: word("region")?, prices })
    }

    /// A month's bill with nothing on it.
    pub(super) fn bill(&self) -> Running<'_> {
        Running { prices: self, free: self.prices.iter().map(|(name, price)| (name.as_str(), price.free)).collect() }
    }
}

/// A bill that is added up: it knows what is left of the units that are free.
#[derive(Debug)]
pub(super) struct Running<'a> {
    prices: &'a Prices,
    free: BTreeMap<&'a str, u128>,
}

impl Running<'_> {
    /// What so many units more cost.
    pub(super) fn add(&mut self, name: &str, quantity: impl Into<Quantity>) -> Result<Dollars> {
        let missing = || format!("there is no price `{name}`");
        let price = self.prices.prices.get(name).with_context(missing)?;
        let free = self.free.get_mut(name).with_context(missing)?;
        let Quantity { parts, one } = quantity.into();
        let taken = parts.div_ceil(one).min(*free);
        *free -= taken;
        let paid = parts.saturating_sub(taken * one);
        let dollars = paid.checked_mul(price.dollars.0).with_context(|| format!("too many of `{name}`"))?;
        Ok(Dollars(dollars.div_ceil(price.per * one)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Prices> {
        Prices::of(&Node::parse(text)?)
    }

    #[test]
    fn dollars_are_exact() {
        assert_eq!(Dollars::parse("0.0000166667"), Some(Dollars(16_666_700)));
        assert_eq!(Dollars::parse("5").map(Dollars::cents), Some(500));
        assert_eq!(Dollars::parse("0.010000000001").map(Dollars::cents), Some(2));
        for wrong in ["", ".5", "-1", "1e3", "0,5", "0.1234567890123"] {
            assert_eq!(Dollars::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_free_is_not_paid() {
        let prices = parsed("{dated: today, region: here, prices: {call: {price: '0.40', per: 1000, free: 500}}}");
        let prices = prices.unwrap();
        let mut bill = prices.bill();
        let mut cents = |calls: u128| bill.add("call", calls).unwrap().cents();
        assert_eq!([cents(0), cents(400), cents(1_100), cents(1_000), cents(1_001)], [0, 0, 40, 40, 41]);
        assert_eq!(prices.bill().add("call", Quantity::of(3_000, 2)).unwrap().cents(), 40);
        assert_eq!(prices.bill().add("cal", 1).unwrap_err().to_string(), "there is no price `cal`");
    }

    #[test]
    fn a_price_that_is_none_is_named() {
        for wrong in ["{price: '0,4'}", "{per: 1000}", "{price: '1', per: 0}", "{price: '1', free: some}"] {
            let text = format!("{{dated: today, region: here, prices: {{call: {wrong}}}}}");
            let error = parsed(&text).unwrap_err().to_string();
            assert!(error.starts_with("the price `call` is not"), "{error}");
        }
    }
}
