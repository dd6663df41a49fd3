//! The figures of a day, once from the account by adding up what it holds, and once from the mails. They share no code with
//! the program.

use std::collections::BTreeMap;

use hubspot_simulator::{Account, Kind};

use crate::mail::{Mail, Section};

/// Minor units by currency, without those that are nothing.
pub type Sums = BTreeMap<String, i128>;

/// What finance wants to know, as far as both sides can say it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Deals won.
    pub won: Sums,
    /// Deals lost.
    pub lost: Sums,
    /// Invoices billed and not voided.
    pub billed: Sums,
    /// Payments received.
    pub received: Sums,
    /// What of them was refunded.
    pub refunded: Sums,
}

impl Figures {
    /// What the account holds now.
    pub fn of_account(account: &Account) -> Self {
        let sum = |kind: Kind, amount: &str, currency: &str, counts: &dyn Fn(i64) -> bool| {
            let mut sums = Sums::new();
            for id in account.ids(kind).into_iter().filter(|id| counts(*id)) {
                let Some(amount) = account.value(kind, id, amount) else { continue };
                let currency = account.value(kind, id, currency).unwrap_or_else(|| "EUR".to_owned());
                *sums.entry(currency).or_default() += cents(&amount);
            }
            without_nothing(sums)
        };
        let is = |kind: Kind, id: i64, name: &str, values: &[&str]| {
            account.value(kind, id, name).is_some_and(|value| values.contains(&value.as_str()))
        };
        let deals = |flag: &'static str| {
            sum(Kind::Deal, "amount", "deal_currency_code", &|id| is(Kind::Deal, id, flag, &["true"]))
        };
        let payments = |amount| sum(Kind::Payment, amount, "hs_currency_code", &|_| true);
        Self {
            won: deals("hs_is_closed_won"),
            lost: deals("hs_is_closed_lost"),
            billed: sum(Kind::Invoice, "hs_amount_billed", "hs_currency", &|id| {
                is(Kind::Invoice, id, "hs_invoice_status", &["open", "paid"])
            }),
            received: payments("hs_initial_amount"),
            refunded: payments("hs_refunds_amount"),
        }
    }

    /// What has come on top of `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let minus = |now: &Sums, before: &Sums| {
            let mut sums = now.clone();
            for (currency, minor) in before {
                *sums.entry(currency.clone()).or_default() -= minor;
            }
            without_nothing(sums)
        };
        Self {
            won: minus(&self.won, &before.won),
            lost: minus(&self.lost, &before.lost),
            billed: minus(&self.billed, &before.billed),
            received: minus(&self.received, &before.received),
            refunded: minus(&self.refunded, &before.refunded),
        }
    }

    /// What the mails add up to, corrections included.
    pub fn of_mails(mails: &[Mail]) -> Self {
        let sum = |report: &str, titles: &[&str]| {
            let mut sums = Sums::new();
            let of_report = mails.iter().filter(|mail| mail.message_id.starts_with(report));
            let sections = of_report.flat_map(|mail| &mail.sections);
            for section in sections.filter(|section| titles.contains(&section.title.as_str())) {
                for (currency, minor) in totals(section) {
                    *sums.entry(currency).or_default() += minor;
                }
            }
            without_nothing(sums)
        };
        Self {
            won: sum("closed-deals", &["WON", "CORRECTIONS"]),
            lost: sum("closed-deals", &["LOST"]),
            billed: sum("invoices", &["CREATED", "CORRECTIONS"]),
            received: sum("invoices", &["MONEY RECEIVED"]),
            refunded: sum("invoices", &["REFUNDS"]),
        }
    }
}

fn totals(section: &Section) -> impl Iterator<Item = (String, i128)> {
    section.totals.iter().map(|text| money(text))
}

/// Reads money as the mails write it, `−€12,300.50`.
fn money(text: &str) -> (String, i128) {
    let (sign, unsigned) = text.strip_prefix('−').map_or((1, text), |unsigned| (-1, unsigned));
    let number = unsigned.find(|c: char| c.is_ascii_digit()).expect("money has digits");
    let currency = match unsigned[..number].trim() {
        "€" => "EUR",
        "$" => "USD",
        code => code,
    };
    (currency.to_owned(), sign * cents(&unsigned[number..].replace(',', "")))
}

/// Reads a plain number with at most two decimals as hundredths, digit by digit.
fn cents(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(fraction.len() <= 2, "{text} has fractions of a cent");
    format!("{whole}{fraction:0<2}").parse().unwrap_or_else(|_| panic!("{text} is no plain number"))
}

fn without_nothing(mut sums: Sums) -> Sums {
    sums.retain(|_, minor| *minor != 0);
    sums
}
