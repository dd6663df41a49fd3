//! The language of a report, and how its numbers and dates are written.

use bigdecimal::BigDecimal;
use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};

use super::document::{Cell, Headline, Value};
use super::words::{self, Words, fill};
use crate::domain::money::{Sum, grouped};

/// A language that reports are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// English; numbers as `€45,300.00`, dates as `22 Nov 2026`.
    #[default]
    En,
    /// German; `45.300,00 €`, `22.11.2026`.
    De,
    /// French; `45 300,00 €`, `22/11/2026`.
    Fr,
}

impl Language {
    /// Every language with its word in definitions, ISO 639-1.
    pub const ALL: [(Self, &'static str); 3] = [(Self::En, "en"), (Self::De, "de"), (Self::Fr, "fr")];
}

/// How dates are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dates {
    /// As the language writes them.
    #[default]
    Local,
    /// ISO 8601: `2026-11-22`.
    Iso,
}

impl Dates {
    /// Every way to write dates, with its word in definitions.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Local, "local"), (Self::Iso, "iso")];
}

/// A language and how its dates are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locale {
    /// The language.
    pub language: Language,
    /// Its dates.
    pub dates: Dates,
}

/// A space that no line ends at.
const NO_BREAK: &str = "\u{A0}";

impl Locale {
    /// The texts of the language.
    pub(super) fn words(self) -> &'static Words {
        match self.language {
            Language::En => &words::EN,
            Language::De => &words::DE,
            Language::Fr => &words::FR,
        }
    }

    /// Money, with its symbol where the currency has one of its own, else with its code.
    pub fn money(self, sum: Sum) -> String {
        let (thousands, decimal) = match self.language {
            Language::En => return sum.to_string(),
            Language::De => (".", ","),
            Language::Fr => ("\u{202F}", ","),
        };
        let sign = if sum.minor() < 0 { "−" } else { "" };
        let unit = sum.symbol().unwrap_or_else(|| sum.currency());
        format!("{sign}{}{NO_BREAK}{unit}", sum.digits(thousands, decimal))
    }

    /// Sums of several currencies: `€12,300.50 and $8,400.00`.
    pub fn sums(self, sums: &[Sum]) -> String {
        self.list(&sums.iter().map(|&sum| self.money(sum)).collect::<Vec<_>>())
    }

    /// The same as changes, each with its sign: `+€250.00 and −$5.00`.
    pub(super) fn changes(self, sums: &[Sum]) -> String {
        let signed = |&sum: &Sum| format!("{}{}", if sum.minor() > 0 { "+" } else { "" }, self.money(sum));
        self.list(&sums.iter().map(signed).collect::<Vec<_>>())
    }

    /// A whole number.
    pub fn count(self, count: i64) -> String {
        let thousands = match self.language {
            Language::En => ",",
            Language::De => ".",
            Language::Fr => "\u{202F}",
        };
        let sign = if count < 0 { "−" } else { "" };
        format!("{sign}{}", grouped(&count.unsigned_abs().to_string(), thousands))
    }

    /// A decimal number with all of its digits: a rate.
    pub(super) fn decimal(self, number: &BigDecimal) -> String {
        let plain = number.normalized().to_plain_string();
        if self.language == Language::En { plain } else { plain.replace('.', ",") }
    }

    /// A day.
    pub fn date(self, date: Date) -> String {
        date.strftime(self.date_format()).to_string()
    }

    /// A moment, to the minute.
    pub fn moment(self, moment: DateTime) -> String {
        moment.strftime(&format!("{} %H:%M", self.date_format())).to_string()
    }

    fn date_format(self) -> &'static str {
        match (self.dates, self.language) {
            (Dates::Iso, _) => "%Y-%m-%d",
            (Dates::Local, Language::En) => "%-d %b %Y",
            (Dates::Local, Language::De) => "%d.%m.%Y",
            (Dates::Local, Language::Fr) => "%d/%m/%Y",
        }
    }

    /// Things in a row: `a, b and c`.
    pub(super) fn list(self, things: &[String]) -> String {
        match things {
            [] => String::new(),
            [only] => only.clone(),
            [all @ .., last] => format!("{} {} {last}", all.join(", "), self.words().and),
        }
    }

    /// What a mail says that only the owner got, of the last day of that and of those who would have got it.
    pub fn dry_run(self, until: Date, recipients: &[String]) -> String {
        fill(self.words().notes.dry_run, &[&self.date(until), &self.list(recipients)])
    }

    /// What a mail says of a file of so many bytes that it cannot carry.
    pub fn not_attached(self, name: &str, bytes: usize) -> String {
        let megabytes = i64::try_from(bytes.div_ceil(1_000_000)).unwrap_or(i64::MAX);
        fill(self.words().notes.not_attached, &[name, &self.count(megabytes)])
    }

    /// The subject of a mail that only the owner got.
    pub fn dry_run_subject(self, subject: &str) -> String {
        fill(self.words().notes.dry_run_subject, &[subject])
    }

    /// What a report says that is made of sample data; one that has a filter shows what that would keep out, too.
    pub fn sample_note(self, has_filter: bool) -> String {
        let notes = &self.words().notes;
        if has_filter { format!("{} {}", notes.sample, notes.sample_unfiltered) } else { notes.sample.to_owned() }
    }

    /// The subject of a report that is made of sample data.
    pub fn sample_subject(self, subject: &str) -> String {
        fill(self.words().notes.sample_subject, &[subject])
    }

    /// True if so many things are spoken of as of one: in French none is as one.
    pub(super) fn is_one(self, count: usize) -> bool {
        count == 1 || (count == 0 && self.language == Language::Fr)
    }

    /// A cell as its readers see it.
    pub fn cell(self, cell: &Cell) -> String {
        let value = match &cell.value {
            Value::Nothing => "—".to_owned(),
            Value::Text(text) => text.clone(),
            Value::Date(date) => self.date(*date),
            Value::Moment(moment) => self.moment(*moment),
            Value::Money(money) => self.money(Sum::from(*money)),
            Value::Sums(sums) if sums.is_empty() => "—".to_owned(),
            Value::Sums(sums) => self.sums(sums),
            Value::Count(count) => self.count(*count),
        };
        match &cell.note {
            Some(note) => format!("{value} ({note})"),
            None => value,
        }
    }

    /// A headline in one line: `2 deals won: €12,300.50 and $8,400.00`.
    pub fn headline(self, headline: &Headline) -> String {
        let count = self.count(i64::try_from(headline.count).unwrap_or(i64::MAX));
        let sums = headline.instead.clone().unwrap_or_else(|| self.sums(&headline.sums));
        let colon = if sums.is_empty() { "" } else { self.words().colon };
        format!("{count} {}{colon}{sums}", headline.label)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::domain::money::Money;

    #[test]
    fn each_language_writes_numbers_and_dates_its_own_way() {
        let sum = |minor, currency| Sum::from(Money::from_minor(minor, currency).unwrap());
        let mut lines = Vec::new();
        for (language, _) in Language::ALL {
            let locale = Locale { language, dates: Dates::Local };
            let sums = [sum(4_530_000, "EUR"), sum(-5, "USD"), sum(-1_234_567, "JPY"), sum(1_234, "KWD")];
            let shown = [locale.sums(&sums), locale.count(-12_345), locale.moment(date(2026, 11, 2).at(9, 5, 0, 0))];
            lines.push(shown.join(" | ").replace('\u{A0}', "~").replace('\u{202F}', "'"));
        }
        insta::assert_snapshot!(lines.join("\n"), @r"
        €45,300.00, −$0.05, −JPY 1,234,567 and KWD 1.234 | −12,345 | 2 Nov 2026 09:05
        45.300,00~€, −0,05~$, −1.234.567~JPY und 1,234~KWD | −12.345 | 02.11.2026 09:05
        45'300,00~€, −0,05~$, −1'234'567~JPY et 1,234~KWD | −12'345 | 02/11/2026 09:05
        ");
        let iso = Locale { language: Language::De, dates: Dates::Iso };
        assert_eq!(iso.date(date(2026, 11, 2)), "2026-11-02");
    }
}
