//! Stories: what people do in the account, step by step, so that the caller decides when the next one happens.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::account::{Account, Kind};
use crate::clock::iso;

mod day;
mod load;

pub use self::day::{before_the_day, working_day};
pub use self::load::load;

/// How long to wait before a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// A breath: the next thing happens.
    Short,
    /// Until what happened so far has been reported: the step corrects it.
    UntilReported,
}

/// One thing that somebody does.
#[derive(Debug, Clone)]
pub struct Step {
    /// What happens, in plain words.
    pub label: String,
    /// How long to wait before it.
    pub pause: Pause,
    actions: Vec<Action>,
}

/// Names and values of properties.
type Values = Vec<(&'static str, String)>;

/// A write; records are called by their names.
#[derive(Debug, Clone)]
enum Action {
    /// Creates a record, for a company where there is one.
    Create { kind: Kind, values: Values, company: Option<&'static str> },
    /// Changes a record.
    Set { kind: Kind, name: String, values: Values },
    /// Associates an invoice with the deal it bills.
    Bill { invoice: String, deal: &'static str },
    /// A customer pays.
    Pay { invoice: String, amount: String, reference: String },
    /// Merges two records.
    Merge { kind: Kind, winner: &'static str, loser: &'static str },
    /// Archives a record.
    Archive { kind: Kind, name: String },
}

impl Step {
    /// Does it.
    ///
    /// # Panics
    /// When the steps before it were left out, so that a record it speaks of does not exist.
    pub fn run(&self, account: &Account) {
        for action in &self.actions {
            action.run(account);
        }
    }
}

impl Action {
    fn run(&self, account: &Account) {
        let id = |kind: Kind, name: &str| {
            account.find(kind, name).unwrap_or_else(|| panic!("the story has no {} called {name}", kind.singular()))
        };
        match self {
            Self::Create { kind, values, company } => {
                let record = account.create(*kind, &as_text(values));
                if let Some(company) = company {
                    account.associate(*kind, record, Kind::Company, id(Kind::Company, company));
                }
            }
            Self::Set { kind, name, values } => account.set(*kind, id(*kind, name), &as_text(values)),
            Self::Bill { invoice, deal } => {
                account.associate(Kind::Invoice, id(Kind::Invoice, invoice), Kind::Deal, id(Kind::Deal, deal));
            }
            Self::Pay { invoice, amount, reference } => {
                account.pay(id(Kind::Invoice, invoice), amount, reference);
            }
            Self::Merge { kind, winner, loser } => account.merge(*kind, id(*kind, winner), id(*kind, loser)),
            Self::Archive { kind, name } => account.archive(*kind, id(*kind, name)),
        }
    }
}

fn as_text<'a>(values: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    values.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn values(pairs: &[(&'static str, &str)]) -> Values {
    pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

fn create(kind: Kind, pairs: &[(&'static str, &str)], company: Option<&'static str>) -> Action {
    Action::Create { kind, values: values(pairs), company }
}

fn set(kind: Kind, name: &str, pairs: &[(&'static str, &str)]) -> Action {
    Action::Set { kind, name: name.to_owned(), values: values(pairs) }
}

fn step(label: impl Into<String>, actions: impl Into<Vec<Action>>) -> Step {
    Step { label: label.into(), pause: Pause::Short, actions: actions.into() }
}

/// The last millisecond of the day so many days from now, in the account's zone, as HubSpot keeps due dates.
fn end_of_day(account: &Account, days: i32) -> String {
    let zone = TimeZone::get(&account.settings().time_zone).unwrap_or(TimeZone::UTC);
    let now = Timestamp::from_millisecond(account.now_ms()).unwrap_or(Timestamp::UNIX_EPOCH);
    let midnight = now.to_zoned(zone).checked_add((days + 1).days()).and_then(|day| day.start_of_day());
    midnight.map_or_else(|_| iso(account.now_ms()), |midnight| iso(midnight.timestamp().as_millisecond() - 1))
}

/// An amount as people write it: `€12,300.00`. The amount is a decimal with two digits after its point.
fn money(amount: &str, currency: &str) -> String {
    let (whole, cents) = amount.split_once('.').unwrap_or((amount, "00"));
    let digits = whole.len();
    let grouped = whole.chars().enumerate().fold(String::new(), |mut text, (at, digit)| {
        if at > 0 && (digits - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
        text
    });
    let symbol = if currency == "USD" { "$" } else { "€" };
    format!("{symbol}{grouped}.{cents}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::Settings;
    use crate::clock::Clock;
    use crate::outbox::Outbox;

    fn account() -> (Account, Arc<Outbox>, Clock) {
        let clock = Clock::manual(1_795_341_600_000);
        let outbox = Arc::new(Outbox::new(Some("http://localhost/".to_owned())));
        let settings = Settings { clock: clock.clone(), ..Settings::default() };
        (Account::new(settings, outbox.clone()), outbox, clock)
    }

    #[test]
    fn money_is_written_as_people_write_it() {
        assert_eq!(money("12300.00", "EUR"), "€12,300.00");
        assert_eq!(money("999.95", "USD"), "$999.95");
        assert_eq!(money("1234567.05", "EUR"), "€1,234,567.05");
    }

    #[test]
    fn a_due_date_is_the_last_millisecond_of_its_day() {
        assert_eq!(end_of_day(&account().0, 14), "2026-12-06T22:59:59.999Z");
    }

    #[test]
    fn the_working_day_holds_everything_that_can_happen() {
        let (account, outbox, clock) = account();
        before_the_day(&account);
        assert_eq!(outbox.total(), 0, "what was there before is no news");
        for step in working_day(&account) {
            step.run(&account);
            clock.advance(1_000);
        }
        assert!(outbox.total() > 80, "{} events", outbox.total());
        let all = |kind: Kind, name: &str| -> Vec<String> {
            account.ids(kind).into_iter().filter_map(|id| account.value(kind, id, name)).collect()
        };
        let distinct = |kind: Kind, name: &str| all(kind, name).into_iter().collect::<BTreeSet<_>>();
        assert_eq!((account.ids(Kind::Deal).len(), account.ids(Kind::Invoice).len()), (11, 7));
        assert_eq!(distinct(Kind::Deal, "deal_currency_code"), BTreeSet::from(["EUR".to_owned(), "USD".to_owned()]));
        let states = ["draft", "open", "paid", "voided"].map(str::to_owned);
        assert_eq!(distinct(Kind::Invoice, "hs_invoice_status"), BTreeSet::from(states));
        let won = all(Kind::Deal, "hs_is_closed_won").iter().filter(|won| *won == "true").count();
        let lost = all(Kind::Deal, "hs_is_closed_lost").iter().filter(|lost| *lost == "true").count();
        assert_eq!((won, lost), (6, 2));
        let reopened = account.find(Kind::Deal, "Website relaunch").unwrap();
        assert_eq!(account.value(Kind::Deal, reopened, "hs_is_closed").as_deref(), Some("false"));
    }

    #[test]
    fn a_load_is_the_same_for_the_same_seed() {
        let labels = |seed| load(&account().0, 200, seed).into_iter().map(|step| step.label).collect::<Vec<_>>();
        assert_eq!(labels(7), labels(7));
        assert_ne!(labels(7), labels(8));
        let (account, outbox, _) = account();
        for step in load(&account, 200, 7) {
            step.run(&account);
        }
        assert_eq!(account.ids(Kind::Deal).len() + account.ids(Kind::Invoice).len(), 200);
        assert!(outbox.total() > 1_000, "{} events", outbox.total());
    }
}
