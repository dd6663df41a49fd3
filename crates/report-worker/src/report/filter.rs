//! Which records a report is about.

use std::collections::BTreeMap;
use std::fmt;

use bigdecimal::BigDecimal;

use crate::domain::ledger::Face;
use crate::domain::money::{Amount, decimal};
use crate::domain::record::Record;

/// The records of a report; an empty list, and no minimum, keeps nothing out. Names are compared without regard to case
/// and to white space around them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Deal pipelines, each by its label or its id.
    pub pipelines: Vec<String>,
    /// Owners, each by the full name or the id that HubSpot has; one without a name by the e-mail address.
    pub owners: Vec<String>,
    /// Primary teams of the owner, by name.
    pub teams: Vec<String>,
    /// ISO 4217 codes.
    pub currencies: Vec<String>,
    /// The least amount, in whatever currency the record has.
    pub minimum_amount: Option<Minimum>,
    /// For each property by its internal name, the values it may have.
    pub properties: BTreeMap<String, Vec<String>>,
}

/// The least amount that passes, exact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minimum(BigDecimal);

impl Minimum {
    /// Reads a decimal number such as `1000.00`.
    pub fn parse(text: &str) -> Option<Self> {
        decimal(text).map(Self)
    }

    /// An amount that cannot be read passes no minimum.
    fn takes(&self, amount: &Amount) -> bool {
        amount.money.is_ok() && decimal(&amount.text).is_some_and(|amount| amount >= self.0)
    }
}

impl fmt::Display for Minimum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.normalized().to_plain_string())
    }
}

impl Filter {
    /// True if a record with this amount passes every part. What a payment is for has its owner, so for a payment the
    /// record is that invoice, where the books have it.
    pub fn takes(&self, record: &Record, amount: &Amount) -> bool {
        let Record { pipeline, owner, team, .. } = record;
        let known = [pipeline, owner, team].map(Option::as_deref);
        self.passes(known, |name| record.property(name), amount)
    }

    /// The same of a record as the books show it.
    pub fn takes_face(&self, face: &Face, amount: &Amount) -> bool {
        let Face { pipeline, owner, team, .. } = face;
        let known = [pipeline, owner, team].map(Option::as_deref);
        self.passes(known, |name| face.property(name), amount)
    }

    fn passes<'r>(
        &self,
        [pipeline, owner, team]: [Option<&'r str>; 3],
        property: impl Fn(&str) -> Option<&'r str>,
        amount: &Amount,
    ) -> bool {
        let any = |wanted: &[String], known: &[Option<&str>]| {
            wanted.is_empty() || known.iter().flatten().any(|known| wanted.iter().any(|wanted| same(wanted, known)))
        };
        // A property with several options holds them as `EMEA;APAC`.
        let options = |name| property(name).into_iter().flat_map(|value| value.split(';').chain([value]));
        any(&self.pipelines, &[pipeline, property("pipeline")])
            && any(&self.owners, &[owner, property("hubspot_owner_id")])
            && any(&self.teams, &[team])
            && any(&self.currencies, &[Some(&amount.currency)])
            && self.minimum_amount.as_ref().is_none_or(|minimum| minimum.takes(amount))
            && self.properties.iter().all(|(name, values)| any(values, &options(name).map(Some).collect::<Vec<_>>()))
    }

    /// What it reads of a record that was shown as `was` and is shown as `now`, and that differs in words.
    pub fn differences(&self, was: &Face, now: &Face) -> Vec<Difference> {
        let known = [
            (Read::Owner, !self.owners.is_empty()),
            (Read::Team, !self.teams.is_empty()),
            (Read::Pipeline, !self.pipelines.is_empty()),
        ];
        let read = known.into_iter().filter(|(_, is_read)| *is_read).map(|(read, _)| read);
        read.chain(self.properties.keys().cloned().map(Read::Property))
            .filter_map(|read| {
                let [was, now] = [was, now].map(|face| read.of(face).map(str::to_owned));
                (was != now).then_some(Difference { read, was, now })
            })
            .collect()
    }

    /// True if it keeps nothing out.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Something that a filter reads and that a reader knows by a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// The owner.
    Owner,
    /// The owner's primary team.
    Team,
    /// The pipeline.
    Pipeline,
    /// A property, by its internal name.
    Property(String),
}

impl Read {
    /// What a record has there: a name, or the id of what HubSpot does not name.
    fn of<'f>(&self, face: &'f Face) -> Option<&'f str> {
        match self {
            Self::Owner => face.owner.as_deref().or_else(|| face.property("hubspot_owner_id")),
            Self::Team => face.team.as_deref(),
            Self::Pipeline => face.pipeline.as_deref().or_else(|| face.property("pipeline")),
            Self::Property(name) => face.property(name),
        }
    }
}

/// What was told of a record and is so no more, where a filter reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What the filter reads.
    pub read: Read,
    /// What it was; `None` where there was nothing.
    pub was: Option<String>,
    /// What it is.
    pub now: Option<String>,
}

/// The same name, however it is written.
pub(crate) fn same(left: &str, right: &str) -> bool {
    let folded = |text: &str| text.trim().chars().flat_map(char::to_lowercase).collect::<String>();
    folded(left) == folded(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::changes::testing::record;
    use crate::domain::record::Kind;
    use proptest::prelude::*;

    fn deal() -> Record {
        let mut deal = record(Kind::Deal, &[("amount", 10, "1000")]);
        deal.owner = Some("Zoë Keller".to_owned());
        (deal.team, deal.pipeline) = (Some("Field sales".to_owned()), Some("Sales Pipeline".to_owned()));
        for (name, value) in [("pipeline", "default"), ("hubspot_owner_id", "77"), ("region", "EMEA;APAC")] {
            deal.properties.insert(name.to_owned(), value.to_owned());
        }
        deal
    }

    fn list(values: &[&str]) -> Vec<String> {
        values.iter().map(|&value| value.to_owned()).collect()
    }

    #[test]
    fn each_part_keeps_out_what_it_does_not_name() {
        let (deal, amount) = (deal(), Amount::read(Some("1000"), "EUR"));
        let region = |values: &[&str]| [("region".to_owned(), list(values))].into();
        for (filter, expected) in [
            (Filter::default(), true),
            (Filter { pipelines: list(&["Renewals", " DEFAULT\u{a0}"]), ..Filter::default() }, true),
            (Filter { pipelines: list(&["Renewals"]), ..Filter::default() }, false),
            (Filter { pipelines: list(&["sales pipeline"]), ..Filter::default() }, true),
            (Filter { teams: list(&["Inside sales", "field Sales"]), ..Filter::default() }, true),
            (Filter { teams: list(&["Inside sales"]), ..Filter::default() }, false),
            (Filter { owners: list(&["ZOË keller"]), ..Filter::default() }, true),
            (Filter { owners: list(&["77"]), ..Filter::default() }, true),
            (Filter { owners: list(&["7"]), ..Filter::default() }, false),
            (Filter { currencies: list(&["eur"]), ..Filter::default() }, true),
            (Filter { currencies: list(&["USD"]), ..Filter::default() }, false),
            (Filter { properties: region(&["apac"]), ..Filter::default() }, true),
            (Filter { properties: region(&["EMEA;APAC"]), ..Filter::default() }, true),
            (Filter { properties: region(&["AMER"]), ..Filter::default() }, false),
            (Filter { currencies: list(&["EUR"]), owners: list(&["Nobody"]), ..Filter::default() }, false),
        ] {
            assert_eq!(filter.takes(&deal, &amount), expected, "{filter:?}");
        }
    }

    #[test]
    fn only_what_a_filter_reads_is_a_difference() {
        let face = |change: fn(&mut Record)| {
            let mut deal = deal();
            change(&mut deal);
            Face::of(&deal, None, &["region".to_owned()].into(), &jiff::tz::TimeZone::UTC)
        };
        let now = face(|deal| {
            (deal.owner, deal.team, deal.pipeline) = (None, None, Some("Renewals".to_owned()));
            deal.properties.remove("region");
            deal.properties.insert("hs_mrr".to_owned(), "5".to_owned());
        });
        let difference = |read, was: &str, now: Option<&str>| Difference {
            read,
            was: Some(was.to_owned()),
            now: now.map(str::to_owned),
        };
        let filter = Filter {
            owners: list(&["x"]),
            teams: list(&["x"]),
            pipelines: list(&["x"]),
            properties: [("region".to_owned(), list(&["EMEA"])), ("hs_arr".to_owned(), list(&["1"]))].into(),
            ..Filter::default()
        };
        let expected = [
            difference(Read::Owner, "Zoë Keller", Some("77")),
            difference(Read::Team, "Field sales", None),
            difference(Read::Pipeline, "Sales Pipeline", Some("Renewals")),
            difference(Read::Property("region".to_owned()), "EMEA;APAC", None),
        ];
        assert_eq!(filter.differences(&face(|_| {}), &now), expected);
        assert_eq!(filter.differences(&now, &now), []);
        let filter = Filter { currencies: list(&["EUR"]), ..Filter::default() };
        assert_eq!(filter.differences(&face(|_| {}), &now), []);
    }

    #[test]
    fn a_minimum_is_compared_exactly_and_nothing_unreadable_passes_it() {
        let filter = |minimum| Filter { minimum_amount: Minimum::parse(minimum), ..Filter::default() };
        for (minimum, text, currency, expected) in [
            ("1000.00", "1000", "EUR", true),
            ("1000.00", "999.999999999999999999999999", "EUR", false),
            ("0.3", "0.3000000000000000000000000000000001", "EUR", true),
            ("-5", "-4.99", "EUR", true),
            ("0", "", "EUR", false),
            ("0", "12,5", "EUR", false),
            ("0", "5", "XYZ", false),
            ("0", "1e40", "EUR", false),
        ] {
            assert_eq!(filter(minimum).takes(&deal(), &Amount::read(Some(text), currency)), expected, "{text}");
        }
        assert!(Minimum::parse("1.000,00").is_none() && Minimum::parse("").is_none());
    }

    proptest! {
        /// Always: a minimum keeps out what is less, to the last of 30 decimals.
        #[test]
        fn a_minimum_is_exact(whole in 0_u64..1_000_000, fraction in "[0-9]{29}", digit in 0_u8..9) {
            let (less, more) = (format!("{whole}.{fraction}{digit}"), format!("{whole}.{fraction}{}", digit + 1));
            let takes = |minimum: &str, amount: &str| Filter {
                minimum_amount: Minimum::parse(minimum),
                ..Filter::default()
            }.takes(&deal(), &Amount::read(Some(amount), "EUR"));
            prop_assert!(takes(&less, &more) && takes(&less, &less) && !takes(&more, &less));
        }
    }
}
