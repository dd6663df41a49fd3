//! Sample data, for looking at a report before there is anything to report.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, ToSpan};

use super::build::{Item, Scene, Was};
use crate::domain::changes::{Rules, from_history, overdue};
use crate::domain::position::Position;
use crate::domain::record::{HistoryEntry, Kind, Record, RecordKey};

/// Records that show each table of the reports, with corrections, in two currencies. Their histories are derived by the same
/// rules as real ones; `scene.rules` must know the stages `open`, `won` and `lost`.
pub fn sample(scene: &Scene<'_>) -> Vec<Item> {
    let before = scene.rules.books_open_at;
    let hour = |hours: i64| before + SignedDuration::from_hours(hours);
    let today = scene.now.to_zoned(scene.rules.zone.clone()).date();
    let [lately, yesterday, later] = [-2, -1, 28].map(|days: i64| today.saturating_add(days.days()).to_string());
    let deal = |id, name: &str, company: &str, history: &[(&str, Timestamp, &str)]| {
        let mut record = record(scene.account.portal_id, Kind::Deal, id, history);
        record.properties.insert("dealname".into(), name.into());
        record.owner = Some("Anna Keller".into());
        record.company = Some(company.into());
        record
    };
    let invoice = |id, number: &str, company: &str, history: &[(&str, Timestamp, &str)]| {
        let mut record = record(scene.account.portal_id, Kind::Invoice, id, history);
        record.properties.insert("hs_number".into(), number.into());
        record.company = Some(company.into());
        record
    };
    let records = [
        deal(
            101,
            "Website relaunch",
            "Müller & Söhne GmbH",
            &[("amount", hour(1), "12300.50"), ("closedate", hour(1), &lately), ("dealstage", hour(2), "won")],
        ),
        deal(
            102,
            "Warehouse scanners",
            "Northwind Traders",
            &[("amount", hour(1), "8400"), ("deal_currency_code", hour(1), "USD"), ("dealstage", hour(3), "won")],
        ),
        deal(103, "Night shift rota", "Harbour Clinic", &[("amount", hour(1), "990"), ("dealstage", hour(4), "lost")]),
        deal(
            104,
            "Fleet maintenance",
            "Kestrel Logistics",
            &[("amount", hour(-9), "5200"), ("dealstage", hour(-8), "won"), ("dealstage", hour(5), "open")],
        ),
        invoice(
            201,
            "INV-1001",
            "Müller & Söhne GmbH",
            &[
                ("hs_amount_billed", hour(1), "12300.50"),
                ("hs_invoice_date", hour(1), &lately),
                ("hs_due_date", hour(1), &later),
                ("hs_invoice_status", hour(2), "open"),
                ("hs_amount_paid", hour(6), "4000"),
            ],
        ),
        invoice(
            202,
            "INV-1002",
            "Northwind Traders",
            &[
                ("hs_amount_billed", hour(-9), "8400"),
                ("hs_currency", hour(-9), "USD"),
                ("hs_invoice_status", hour(-9), "open"),
                ("hs_amount_paid", hour(7), "8400"),
                ("hs_invoice_status", hour(7), "paid"),
            ],
        ),
        invoice(
            203,
            "INV-1003",
            "Harbour Clinic",
            &[
                ("hs_amount_billed", hour(-9), "450"),
                ("hs_invoice_status", hour(-9), "open"),
                ("hs_invoice_status", hour(8), "voided"),
            ],
        ),
        invoice(
            204,
            "INV-1004",
            "Kestrel Logistics",
            &[
                ("hs_amount_billed", hour(-9), "5200"),
                ("hs_invoice_date", hour(-9), &lately),
                ("hs_due_date", hour(-9), &yesterday),
                ("hs_invoice_status", hour(-9), "open"),
            ],
        ),
        invoice(
            205,
            "INV-1005",
            "Atelier Lumière",
            &[
                ("hs_amount_billed", hour(-9), "2400"),
                ("hs_invoice_status", hour(-9), "paid"),
                ("hs_amount_paid", hour(-9), "2400"),
                ("hs_amount_paid", hour(8), "2160"),
            ],
        ),
    ];
    // The books may have been opened today, and then what came to be overdue this midnight would be from before.
    let of_days = Rules { books_open_at: hour(-48), ..scene.rules.clone() };
    records
        .into_iter()
        .map(|record| Item {
            was: Position::as_of(&record, before, &scene.rules).map(|position| Was { position, reported_at: None }),
            now: Position::now(&record, &scene.rules),
            changes: from_history(&record, &scene.rules).into_iter().chain(overdue(&record, today, &of_days)).collect(),
            unsettled: false,
            invoice: None,
            record,
        })
        .collect()
}

pub(super) fn record(portal_id: i64, kind: Kind, id: i64, history: &[(&str, Timestamp, &str)]) -> Record {
    let mut properties = BTreeMap::new();
    let mut entries: BTreeMap<String, Vec<HistoryEntry>> = BTreeMap::new();
    for &(property, at, value) in history {
        properties.insert(property.to_owned(), value.to_owned());
        entries.entry(property.to_owned()).or_default().push(HistoryEntry {
            at,
            value: value.to_owned(),
            source: "SAMPLE".to_owned(),
            source_id: None,
        });
    }
    let moments = || history.iter().map(|(_, at, _)| *at);
    Record {
        key: RecordKey { portal_id, kind, id },
        properties,
        history: entries,
        created_at: moments().min().unwrap_or_default(),
        updated_at: moments().max().unwrap_or_default(),
        archived_at: None,
        owner: None,
        team: None,
        pipeline: None,
        company: None,
        invoice: None,
    }
}
