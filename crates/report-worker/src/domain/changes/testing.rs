//! Records, random lives and rules for the tests of the rules.

use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::domain::account::{Closing, Stage};

/// One step of a random life: a property, the millisecond, its value.
pub(crate) type Happening = (&'static str, i64, &'static str);

/// A random life of a record of a kind, with pauses of so many milliseconds between its steps.
pub(crate) fn a_life(kind: Kind, pauses: Range<i64>) -> impl Strategy<Value = Vec<Happening>> {
    const AMOUNTS: &[&str] = &["100", "100.00", "250", ""];
    const CURRENCIES: &[&str] = &["EUR", "USD"];
    const DATES: &[&str] = &["1970-01-02", "1970-01-05", ""];
    let values: &[(&'static str, &[&'static str])] = match kind {
        Kind::Deal => &[
            ("dealstage", &["new", "talk", "won", "won2", "lost"]),
            ("amount", AMOUNTS),
            ("deal_currency_code", CURRENCIES),
            ("closedate", DATES),
        ],
        Kind::Invoice => &[
            ("hs_invoice_status", &["draft", "open", "open", "paid", "voided"]),
            ("hs_amount_paid", &["0", "40", "100", "250.5", "some", ""]),
            ("hs_amount_billed", AMOUNTS),
            ("hs_currency", CURRENCIES),
            ("hs_invoice_date", DATES),
            ("hs_due_date", DATES),
            ("hs_invoice_billable", &["true", "true", "false"]),
        ],
        Kind::Payment => &[
            ("hs_latest_status", &["processing", "succeeded", "succeeded", "partially_refunded", "refunded"]),
            ("hs_initial_amount", AMOUNTS),
            ("hs_refunds_amount", &["0", "25", "100", ""]),
            ("hs_currency_code", CURRENCIES),
        ],
    };
    let step = prop::sample::select(values.to_vec()).prop_flat_map(|(property, values)| {
        prop::sample::select(values.to_vec()).prop_map(move |value| (property, value))
    });
    prop::collection::vec((step, pauses), 1..20).prop_map(|steps| {
        let mut ms = 0;
        let happened = steps.into_iter().map(|((property, value), pause)| {
            ms += pause;
            (property, ms, value)
        });
        happened.collect()
    })
}

/// A record as we know it after looking at it whenever so many steps of its life had happened, where HubSpot shows only
/// the newest values of a property; each time it is told what we knew. `None` if more was lost between two looks.
pub(crate) fn looked_at(
    kind: Kind,
    life: &[Happening],
    looks: &[usize],
    shown: usize,
    mut each: impl FnMut(&Record),
) -> Option<Record> {
    let mut looks: Vec<usize> = looks.iter().map(|look| look % life.len() + 1).collect();
    looks.push(life.len());
    looks.sort_unstable();
    if looks[0] > shown || looks.windows(2).any(|pair| pair[1] - pair[0] >= shown) {
        return None;
    }
    let mut known: Option<Record> = None;
    for look in looks {
        let mut read = record(kind, &life[..look]);
        for entries in read.history.values_mut() {
            let skip = entries.len().saturating_sub(shown);
            entries.drain(..skip);
        }
        read.remember(known.as_ref());
        each(&read);
        known = Some(read);
    }
    known
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap()
}

/// A record whose history is `(property, ms, value)`, read at the end of it.
pub(crate) fn record(kind: Kind, history: &[(&str, i64, &str)]) -> Record {
    let mut properties = BTreeMap::new();
    let mut by_property: BTreeMap<String, Vec<HistoryEntry>> = BTreeMap::new();
    let mut sorted = history.to_vec();
    sorted.sort_by_key(|(_, ms, _)| *ms);
    for (property, ms, value) in sorted {
        properties.insert(property.to_owned(), value.to_owned());
        by_property.entry(property.to_owned()).or_default().push(HistoryEntry {
            at: at(ms),
            value: value.to_owned(),
            source: "CRM_UI".into(),
            source_id: Some("userId:7".into()),
        });
    }
    properties.retain(|_, value| !value.is_empty());
    let newest = history.iter().map(|(_, ms, _)| *ms).max().unwrap_or(0);
    Record {
        key: RecordKey { portal_id: 1, kind, id: 5 },
        properties,
        history: by_property,
        created_at: at(history.iter().map(|(_, ms, _)| *ms).min().unwrap_or(0)),
        updated_at: at(newest),
        archived_at: None,
        owner: None,
        team: None,
        pipeline: None,
        company: None,
        invoice: None,
    }
}

pub(crate) fn stages() -> Stages {
    let stage = |label: &str, closing| Stage { label: label.to_owned(), closing };
    Stages(
        [
            ("new".to_owned(), stage("New", Closing::Open)),
            ("talk".to_owned(), stage("Talking", Closing::Open)),
            ("won".to_owned(), stage("Won", Closing::Won)),
            ("won2".to_owned(), stage("Won by partner", Closing::Won)),
            ("lost".to_owned(), stage("Lost", Closing::Lost)),
        ]
        .into(),
    )
}

/// The names of the changes since `open_ms`.
pub(crate) fn kinds(record: &Record, open_ms: i64) -> Vec<&'static str> {
    from_history(
        record,
        &Rules { books_open_at: at(open_ms), stages: &stages(), zone: &TimeZone::UTC, company_currency: "EUR" },
    )
    .iter()
    .map(|change| change.kind.as_str())
    .collect()
}
