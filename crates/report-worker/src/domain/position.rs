//! Where a record stands for finance: what a report says of it, and what the next report compares with.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::account::Closing;
use super::changes::{self, Rules};
use super::money::{Amount, Money};
use super::record::{Kind, Record};
use super::time::{BusinessDate, civil_date};

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A deal that is not closed.
    Open,
    /// A deal that is closed and won.
    Won,
    /// A deal that is closed and lost.
    Lost,
    /// An invoice that nobody was sent yet.
    Draft,
    /// An invoice that is open, wholly or partly.
    Issued,
    /// An invoice that is paid.
    Paid,
    /// An invoice that was voided.
    Voided,
    /// A payment that has not succeeded.
    Pending,
    /// A payment that succeeded, refunded or not.
    Received,
    /// Archived, deleted or gone.
    Archived,
    /// Merged into another record.
    Merged {
        /// The record that is left.
        into: i64,
    },
}

/// A record's standing, its figures and its dates at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Where it stands.
    pub standing: Standing,
    /// The deal's amount, the amount billed, or the amount of the payment.
    pub amount: Amount,
    /// What was paid on an invoice, or refunded of a payment.
    pub settled: Amount,
    /// The close date, the invoice date or the payment's date in the reporting zone, where the record states one.
    pub date: Option<Date>,
    /// When an invoice is due.
    pub due: Option<Date>,
    /// False for an invoice that only tracks data (`hs_invoice_billable` is `false`).
    pub billable: bool,
}

impl Position {
    /// Where a record stands as it was read.
    pub fn now(record: &Record, rules: &Rules<'_>) -> Self {
        let mut position = Self::from_values(record, |name| record.property(name), rules);
        if record.archived_at.is_some() {
            position.standing = Standing::Archived;
        }
        position
    }

    /// Where a record stood at a moment, by its history; `None` if it did not exist yet.
    pub fn as_of(record: &Record, at: Timestamp, rules: &Rules<'_>) -> Option<Self> {
        let mut values = changes::Values::default();
        let mut any = false;
        for step in changes::steps(record).iter().take_while(|step| step.entry.at <= at) {
            values.take(step);
            any = true;
        }
        any.then(|| Self::from_history(record, &values, rules))
    }

    /// Where a record stood since each moment at which a tracked property took a value, oldest first.
    pub fn over_time(record: &Record, rules: &Rules<'_>) -> Vec<(Timestamp, Self)> {
        let mut values = changes::Values::default();
        let steps = changes::steps(record);
        let moments = steps.chunk_by(|step, next| step.entry.at == next.entry.at);
        moments
            .map(|moment| {
                for step in moment {
                    values.take(step);
                }
                (moment[0].entry.at, Self::from_history(record, &values, rules))
            })
            .collect()
    }

    fn from_history<'r>(record: &'r Record, values: &changes::Values<'r>, rules: &Rules<'_>) -> Self {
        let tracked = record.key.kind.tracked_properties();
        let get = |name: &str| if tracked.contains(&name) { values.get(name) } else { record.property(name) };
        Self::from_values(record, get, rules)
    }

    fn from_values<'r>(record: &'r Record, get: impl Fn(&str) -> Option<&'r str>, rules: &Rules<'_>) -> Self {
        let date = |name| get(name).and_then(|text| civil_date(text, rules.zone));
        let currency = |name| get(name).unwrap_or(rules.company_currency);
        match record.key.kind {
            Kind::Deal => Self {
                standing: match changes::closing(record, get("dealstage"), rules) {
                    Closing::Open => Standing::Open,
                    Closing::Won => Standing::Won,
                    Closing::Lost => Standing::Lost,
                },
                amount: Amount::read(get("amount"), currency("deal_currency_code")),
                settled: Amount::read(None, currency("deal_currency_code")),
                date: date("closedate"),
                due: None,
                billable: true,
            },
            Kind::Invoice => Self {
                standing: match get("hs_invoice_status").unwrap_or_default() {
                    "" | "draft" => Standing::Draft,
                    "paid" => Standing::Paid,
                    "voided" | "cancelled" => Standing::Voided,
                    // The status is an open set (facts 3.4): what is neither draft, paid nor voided is owed.
                    _ => Standing::Issued,
                },
                amount: Amount::read(get("hs_amount_billed"), currency("hs_currency")),
                settled: Amount::read(get("hs_amount_paid"), currency("hs_currency")),
                date: date("hs_invoice_date"),
                due: date("hs_due_date"),
                billable: get("hs_invoice_billable") != Some("false"),
            },
            Kind::Payment => Self {
                standing: match get("hs_latest_status").unwrap_or_default() {
                    "succeeded" | "partially_refunded" | "refunded" => Standing::Received,
                    _ => Standing::Pending,
                },
                amount: Amount::read(get("hs_initial_amount"), currency("hs_currency_code")),
                settled: Amount::read(get("hs_refunds_amount"), currency("hs_currency_code")),
                date: date("hs_initiated_date"),
                due: None,
                billable: true,
            },
        }
    }

    /// What the record adds to its figure: the amount of a won deal, of an invoice that stands, of a payment received.
    /// `None` where it adds nothing, or where the amount cannot be added up.
    pub fn counted(&self) -> Option<Money> {
        match self.standing {
            Standing::Won | Standing::Issued | Standing::Paid | Standing::Received if self.billable => {
                self.amount.money.clone().ok()
            }
            _ => None,
        }
    }

    /// What is still to be paid of what was billed; where that is no money, what was billed as HubSpot says it.
    pub fn owed(&self) -> Amount {
        match (&self.amount.money, &self.settled.money) {
            (Ok(billed), Ok(paid)) if paid.minor() != 0 => {
                Amount::from_minor(i128::from(billed.minor()) - i128::from(paid.minor()), billed.currency())
            }
            _ => self.amount.clone(),
        }
    }

    /// The day the record counts on: the one it states, else the day of `at`.
    pub fn business_date(&self, at: Timestamp, rules: &Rules<'_>) -> BusinessDate {
        match self.date {
            Some(date) => BusinessDate { date, stated: true },
            None => BusinessDate::of(None, at, rules.zone),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::domain::changes::testing::{at, record, stages};

    #[test]
    fn a_position_is_known_for_each_moment_of_a_life() {
        let stages = stages();
        let rules = Rules { books_open_at: at(0), stages: &stages, zone: &TimeZone::UTC, company_currency: "EUR" };
        let mut deal = record(
            Kind::Deal,
            &[("dealstage", 10, "new"), ("amount", 15, "100"), ("dealstage", 20, "won"), ("amount", 30, "120")],
        );
        assert_eq!(Position::as_of(&deal, at(9), &rules), None, "it did not exist");
        let counted = |ms| Position::as_of(&deal, at(ms), &rules).unwrap().counted().map(|money| money.to_string());
        assert_eq!(counted(15), None, "open deals count nothing");
        assert_eq!(counted(20).as_deref(), Some("€100.00"));
        assert_eq!(counted(30).as_deref(), Some("€120.00"));
        assert_eq!(Position::as_of(&deal, at(30), &rules).unwrap(), Position::now(&deal, &rules));
        deal.archived_at = Some(at(40));
        assert_eq!(Position::now(&deal, &rules).counted(), None);
    }

    #[test]
    fn an_invoice_that_only_tracks_data_counts_nothing() {
        let stages = stages();
        let rules = Rules { books_open_at: at(0), stages: &stages, zone: &TimeZone::UTC, company_currency: "EUR" };
        let mut invoice = record(Kind::Invoice, &[("hs_amount_billed", 10, "80"), ("hs_invoice_status", 10, "open")]);
        assert!(Position::now(&invoice, &rules).counted().is_some());
        invoice.properties.insert("hs_invoice_billable".into(), "false".into());
        assert_eq!(Position::now(&invoice, &rules).counted(), None);
    }
}
