//! What the books keep of each record so that a period's figures need no history: its lines by civil date, and what was owed
//! on it from which day until which.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::balances::{Owed, balances};
use super::changes::Rules;
use super::entries::{Entry, entries};
use super::money::Amount;
use super::position::Standing;
use super::record::{Kind, Record, RecordKey};
use super::time::civil_date;

/// A text that many lines share: an owner, a company, a pipeline.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(Arc<str>);

impl Deref for Word {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Word {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(String::deserialize(deserializer)?.into()))
    }
}

/// Words that were met before, so that each is kept once.
#[derive(Debug, Default)]
pub struct Vocabulary(BTreeSet<Word>);

impl Vocabulary {
    /// The one copy of a word.
    fn share(&mut self, word: &mut Word) {
        match self.0.get(word) {
            Some(known) => *word = known.clone(),
            None => drop(self.0.insert(word.clone())),
        }
    }
}

/// An exchange rate, as HubSpot's text, and the day in the reporting zone since which it is this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// The rate.
    pub rate: Word,
    /// Its day.
    pub since: Date,
}

/// What a report shows of a record, filters by and groups by, as it was last read. What a payment is for has its owner and
/// its company, so a payment has the face of its invoice where the books have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Face {
    /// What people call it; a payment is called by its invoice, and by `payment 5` where the books have none.
    pub name: String,
    /// The name of its company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<Word>,
    /// The full name of its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Word>,
    /// The name of its owner's primary team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Word>,
    /// The label of its pipeline; where HubSpot does not tell that, its id stands in the properties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<Word>,
    /// The rate from its currency to the company's that HubSpot recorded with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// When an invoice is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Date>,
    /// Properties by their names, as HubSpot's text: [`Face::PROPERTIES`], those that a filter asks for, and the record's
    /// own amount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<(Word, Word)>,
    /// True if HubSpot never showed what an event told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsettled: bool,
}

impl Face {
    /// The properties that reports group by and sum besides the amounts.
    pub const PROPERTIES: [&str; 4] = ["pipeline", "hubspot_owner_id", "hs_mrr", "hs_arr"];

    /// The face of a record. `asked_for` are the names of further properties that filters read.
    pub fn of(record: &Record, invoice: Option<&Record>, asked_for: &BTreeSet<String>, zone: &TimeZone) -> Self {
        let shown = invoice.unwrap_or(record);
        let names = Self::PROPERTIES.into_iter().chain(asked_for.iter().map(String::as_str));
        let shown_ones = names.filter_map(|name| Some((name.into(), shown.property(name)?.into())));
        let amount = amount_property(record.key.kind);
        let own = amount.and_then(|name| Some((name.into(), record.property(name)?.into())));
        let word = |text: &Option<String>| text.as_deref().map(Word::from);
        Self {
            name: shown.name(),
            company: word(&shown.company).or_else(|| shown.property("hs_invoice_latest_company_name").map(Word::from)),
            owner: word(&shown.owner),
            team: word(&shown.team),
            pipeline: word(&shown.pipeline),
            rate: shown
                .exchange_rate()
                .map(|(rate, since)| Rate { rate: rate.into(), since: since.to_zoned(zone.clone()).date() }),
            due: record.property("hs_due_date").and_then(|text| civil_date(text, zone)),
            properties: shown_ones.chain(own).collect(),
            unsettled: false,
        }
    }

    /// The value of a property, if it has one.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(it, _)| &**it == name).map(|(_, value)| &**value)
    }

    /// Keeps each word once.
    pub fn share(&mut self, vocabulary: &mut Vocabulary) {
        for word in [&mut self.company, &mut self.owner, &mut self.team, &mut self.pipeline].into_iter().flatten() {
            vocabulary.share(word);
        }
        for (name, value) in &mut self.properties {
            vocabulary.share(name);
            vocabulary.share(value);
        }
    }

    /// True if filters and sums see no difference between the two: what differs is only shown.
    fn counts_as(&self, other: &Self) -> bool {
        (&self.owner, &self.team, &self.pipeline, &self.rate)
            == (&other.owner, &other.team, &other.pipeline, &other.rate)
            && self.properties == other.properties
    }
}

/// The property with the amount of a record some of whose entries have another one.
fn amount_property(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Deal => None,
        Kind::Invoice => Some("hs_amount_billed"),
        Kind::Payment => Some("hs_initial_amount"),
    }
}

/// One entry of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The record.
    pub key: RecordKey,
    /// What it adds to which figure, and on which day.
    pub entry: Entry,
    /// The record as it is shown.
    pub face: Arc<Face>,
}

impl Line {
    /// The day that it counts on.
    pub fn date(&self) -> Date {
        self.entry.date.date
    }

    /// The amount of the record, of which the entry may be a part: what an amount must be at least is asked of this.
    pub fn amount_of_record(&self) -> Cow<'_, Amount> {
        match amount_property(self.key.kind).and_then(|name| self.face.property(name)) {
            Some(text) => Cow::Owned(Amount::read(Some(text), &self.entry.amount.currency)),
            None => Cow::Borrowed(&self.entry.amount),
        }
    }

    /// True if reports say the same whichever of the two they tell, but for words.
    pub fn counts_as(&self, other: &Self) -> bool {
        self.key == other.key && self.entry == other.entry && self.face.counts_as(&other.face)
    }
}

/// What was owed on an invoice at the end of each day of a run of days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// The invoice.
    pub key: RecordKey,
    /// The first day at whose end it was owed.
    pub from: Date,
    /// The first day at whose end it was owed no more, or something else was; `None` while it is owed.
    pub until: Option<Date>,
    /// What was owed.
    pub owed: Owed,
    /// The invoice as it is shown.
    pub face: Arc<Face>,
}

/// All that the books keep of a record for the reports of periods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Its lines.
    pub lines: Vec<Line>,
    /// What was owed on it.
    pub balances: Vec<Balance>,
}

/// What ledgers are made by, besides the records.
#[derive(Debug, Clone)]
pub struct Bookkeeping<'a> {
    /// The rules, with the reporting zone.
    pub rules: Rules<'a>,
    /// The day of the reporting zone: nothing is overdue before its day has come.
    pub today: Date,
    /// The names of properties that filters read besides [`Face::PROPERTIES`].
    pub asked_for: &'a BTreeSet<String>,
}

impl Bookkeeping<'_> {
    /// The ledger of a record. `standing` is where it stands if that is not as it was last read: archived or merged away,
    /// and then there is nothing in it. `invoice` is the invoice that a payment is for.
    pub fn ledger(
        &self,
        record: &Record,
        standing: Option<Standing>,
        invoice: Option<&Record>,
        unsettled: bool,
    ) -> Ledger {
        let face = Face::of(record, invoice, self.asked_for, self.rules.zone);
        let (key, face) = (record.key, Arc::new(Face { unsettled, ..face }));
        let lines = entries(record, standing, self.today, &self.rules);
        let runs = if standing.is_none() { balances(record, &self.rules) } else { Vec::new() };
        Ledger {
            lines: lines.into_iter().map(|entry| Line { key, entry, face: face.clone() }).collect(),
            balances: runs
                .into_iter()
                .map(|(from, until, owed)| Balance { key, from, until, owed, face: face.clone() })
                .collect(),
        }
    }
}
