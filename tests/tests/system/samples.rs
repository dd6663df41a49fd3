//! Documents that mails are looked at with: a month as a finance team gets it, and one that nobody should ever get.

use report_worker::report::{Document, Language};
use serde_json::{Value, json};

/// A monthly report with each kind of table, in a language. `rows` deals were won.
pub(crate) fn month(language: Language, rows: usize) -> Document {
    let german = language == Language::De;
    let word = |english: &'static str, other: &'static str| if german { other } else { english };
    let money = |minor: i64, currency: &str| json!({ "currency": currency, "minor": minor });
    let sum = |minor: i64, currency: &str| json!({ "currency": currency, "minor": minor.to_string() });
    let euro = |minor: i64| json!({ "value": { "money": money(minor, "EUR") } });
    let text = |text: &str| json!({ "value": { "text": text } });
    let before = |count: usize, sums: Value| json!({ "period": word("September 2026", "September 2026"), "count": count, "sums": sums });
    let column = |title: &str, kind: &str| json!({ "key": title, "title": title, "kind": kind });
    let columns = json!([
        column(word("Company", "Unternehmen"), "text"),
        column(word("Owner", "Zuständig"), "text"),
        column(word("Close date", "Abschlussdatum"), "date"),
        column(word("Amount", "Betrag"), "money"),
    ]);
    let companies = [
        "Müller & Söhne GmbH",
        "Northwind Traders",
        "Harbour Clinic",
        "Café Lumière 🌟",
        "شركة النور للتجارة",
        "株式会社山田製作所",
    ];
    let names = [
        "Website relaunch",
        "Warehouse scanners",
        "Framework agreement 2027",
        "Night shift rota",
        "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenlieferung",
    ];
    let deals: Vec<Value> = (0..rows)
        .map(|at| {
            json!({
                "name": names[at % names.len()], "url": format!("https://app-eu1.hubspot.com/contacts/4242/record/0-3/{at}"),
                "cells": [text(companies[at % companies.len()]), text("Anna Keller"), { "value": { "date": "2026-10-17" } }, euro(1_230_050 + 7_919 * at as i64)],
                "notes": if at % 7 == 3 { json!(["rounded; HubSpot says 12300.499"]) } else { json!([]) },
            })
        })
        .collect();
    let owner = |name: &str, count: i64, sums: Value| {
        json!({
            "name": name, "url": null, "cells": [{ "value": { "count": count } }, { "value": { "sums": sums } }], "notes": [],
        })
    };
    let bar = |label: &str, minor: i64, is_marked: bool| json!({ "label": label, "sum": sum(minor, "EUR"), "is_marked": is_marked });
    let months = if german {
        ["Mai", "Juni", "Juli", "Aug.", "Sept.", "Okt."]
    } else {
        ["May", "Jun", "Jul", "Aug", "Sep", "Oct"]
    };
    let bars = [2_810_000, 3_950_000, 1_200_000, 0, 4_030_000, 4_530_000];
    let bars: Vec<Value> =
        months.iter().zip(bars).enumerate().map(|(at, (label, minor))| bar(label, minor, at == 5)).collect();
    let document = json!({
        "name": "month", "locale": { "language": language, "dates": "local" },
        "title": word("Closed deals", "Abgeschlossene Deals"), "date": word("October 2026", "Oktober 2026"),
        "subject": word("3 deals closed, €45,300.00 · October 2026", "3 Deals abgeschlossen, 45.300,00 € · Oktober 2026"),
        "headlines": [
            { "label": word("deals won", "gewonnene Deals"), "count": rows, "sums": [sum(4_530_000, "EUR"), sum(84_000_000, "JPY"), sum(840_000, "USD")],
              "before": before(11, json!([sum(4_030_000, "EUR"), sum(990_000, "USD")])) },
            { "label": word("deals lost", "verlorene Deals"), "count": 4, "sums": [sum(99_000, "EUR")], "before": before(2, json!([sum(99_000, "EUR")])) },
            { "label": word("corrections", "Korrekturen"), "count": 2, "sums": [sum(-520_000, "EUR")] },
            { "label": word("refunds", "Erstattungen"), "count": 3, "sums": [], "before": before(2, json!([])) },
        ],
        "sections": [
            { "key": "corrections", "title": word("Corrections", "Korrekturen"), "record_column": word("Record", "Eintrag"),
              "columns": [column(word("What happened", "Was geschah"), "text"), column(word("When", "Wann"), "moment"), column(word("Was", "War"), "money"), column(word("Now", "Ist"), "money"), column(word("Net effect", "Nettoeffekt"), "money")],
              "rows": [
                { "name": "Fleet maintenance", "url": "https://app-eu1.hubspot.com/contacts/4242/record/0-3/104", "notes": [word("reported 22 Oct 2026 14:00", "berichtet am 22.10.2026 14:00")],
                  "cells": [text(word("reopened", "wieder geöffnet")), { "value": { "moment": "2026-10-28T12:00:00" } }, euro(520_000), text(word("open", "offen")), euro(-520_000)] },
                { "name": "Framework agreement 2027", "url": "https://app-eu1.hubspot.com/contacts/4242/record/0-3/105", "notes": [],
                  "cells": [text(word("close date moved", "Abschlussdatum verschoben")), { "value": { "moment": "2026-10-29T09:30:00" } }, euro(1_230_000), euro(1_230_000), { "value": "nothing" }] },
              ],
              "total": { "column": 4, "sums": [sum(-520_000, "EUR")] }, "left_out": 0, "cut": 0 },
            { "key": "by_month", "title": word("Won by owner", "Gewonnen nach Zuständigen"), "record_column": word("Owner", "Zuständig"),
              "columns": [column(word("Deals", "Deals"), "count"), column(word("Amount", "Betrag"), "money")],
              "rows": [owner("Anna Keller", 12, json!([sum(3_300_000, "EUR"), sum(840_000, "USD")])), owner("Tomasz Wójcik", 2, json!([sum(1_230_000, "EUR"), sum(84_000_000, "JPY")])), owner("Zoë Lefèvre", 0, json!([]))],
              "total": { "column": 1, "sums": [sum(4_530_000, "EUR"), sum(84_000_000, "JPY"), sum(840_000, "USD")] }, "left_out": 0, "cut": 0,
              "chart": { "alt": word("Won in EUR by month, May to October 2026: highest in October, €45,300.00", "Gewonnen in EUR nach Monaten, Mai bis Oktober 2026: am meisten im Oktober, 45.300,00 €"), "bars": bars } },
            { "key": "won", "title": word("Won", "Gewonnen"), "record_column": word("Record", "Eintrag"), "columns": columns, "rows": deals,
              "total": { "column": 3, "sums": [sum(4_530_000, "EUR"), sum(84_000_000, "JPY"), sum(840_000, "USD")] }, "left_out": 1, "cut": 0 },
        ],
        "notes": [
            word("Complete as of 1 Nov 2026 00:05, when all records were last compared with HubSpot.", "Vollständig nach dem Stand vom 01.11.2026 00:05, als zuletzt alle Einträge mit HubSpot verglichen wurden."),
            word("Days are those of Europe/Berlin. Amounts are as in HubSpot at 1 Nov 2026 00:10.", "Tage nach der Zeitzone Europe/Berlin. Beträge nach dem Stand in HubSpot am 01.11.2026 00:10."),
        ],
    });
    serde_json::from_value(document).unwrap()
}

/// The same text in every field that a stranger can write, and the largest figures that there are.
pub(crate) fn everywhere(text: &str, rows: usize) -> Document {
    let largest = json!({ "currency": "EUR", "minor": i128::MIN.to_string() });
    let before = json!({ "period": text, "count": 1, "sums": [{ "currency": "EUR", "minor": "1" }] });
    let cells = json!([
        { "value": { "text": text }, "note": text },
        { "value": { "date": "2026-10-17" }, "note": text },
        { "value": { "sums": [largest, { "currency": "KWD", "minor": "-1" }] }, "note": text },
        { "value": { "money": { "currency": "JPY", "minor": i64::MAX } } },
    ]);
    let row = json!({ "name": text, "url": "https://app.hubspot.com/", "cells": cells, "notes": [text, text] });
    let narrow = json!({ "name": text, "cells": [{ "value": { "count": 7 } }], "notes": [] });
    let section = |key: &str, columns: Value, rows: Vec<Value>| {
        json!({
            "key": key, "title": text, "record_column": text, "columns": columns, "rows": rows,
            "total": { "column": 0, "sums": [largest] }, "left_out": 3, "cut": 2,
            "chart": { "alt": text, "bars": [
                { "label": text, "sum": { "currency": "EUR", "minor": "700" }, "is_marked": true },
                { "label": text, "sum": largest, "is_marked": false },
            ] },
        })
    };
    let kinds = ["text", "date", "money", "money"].map(|kind| json!({ "key": kind, "title": text, "kind": kind }));
    let document = json!({
        "name": "hostile", "locale": { "language": "en", "dates": "local" }, "title": text, "subject": text, "date": text,
        "headlines": [
            { "label": text, "count": usize::MAX, "sums": [largest, { "currency": "JPY", "minor": i128::MAX.to_string() }], "before": before },
            { "label": text, "count": 0, "sums": [], "instead": text },
        ],
        "sections": [
            section("won", json!(kinds), vec![row.clone(); rows]),
            section("corrections", json!(kinds), vec![row; 2]),
            section("by_owner", json!([{ "key": "count", "title": "#", "kind": "count" }]), vec![narrow; 2]),
        ],
        "notes": [text, text],
    });
    serde_json::from_value(document).unwrap()
}
