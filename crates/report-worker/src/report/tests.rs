//! What the reports say, figure by figure.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::*;
use crate::domain::account::{Account, Closing, Stage, Stages};
use crate::domain::changes::{self, Rules, from_history};
use crate::domain::completeness::Completeness;
use crate::domain::position::{Position, Standing};
use crate::domain::record::{Kind, Record};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn account() -> Account {
    Account {
        portal_id: 4242,
        company_currency: "EUR".into(),
        time_zone: "Europe/Berlin".into(),
        ui_domain: "app-eu1.hubspot.com".into(),
    }
}

fn stages() -> Stages {
    let stage = |closing| Stage { label: String::new(), closing };
    Stages(
        [("open", Closing::Open), ("won", Closing::Won), ("lost", Closing::Lost)]
            .map(|(id, closing)| (id.to_owned(), stage(closing)))
            .into(),
    )
}

fn complete_as_of(moment: &str) -> Completeness {
    Completeness { compared_at: Some(at(moment)), ..Completeness::default() }
}

/// Builds a report from the sample, after `edit` has had its way with it.
fn built(name: &str, edit: impl FnOnce(&mut Vec<Item>, &Scene<'_>)) -> Built {
    built_in(Locale::default(), name, edit)
}

fn built_in(locale: Locale, name: &str, edit: impl FnOnce(&mut Vec<Item>, &Scene<'_>)) -> Built {
    in_scene(locale, |scene| {
        let definitions = Definitions::built_in();
        let definition = definitions.named(name).unwrap();
        let mut items = sample(scene);
        items.retain(|item| definition.is_about(item.record.key.kind));
        edit(&mut items, scene);
        build(definition, &items, scene).unwrap()
    })
}

/// Does something on the evening of the day on which the books were opened.
fn in_scene<R>(locale: Locale, then: impl FnOnce(&Scene<'_>) -> R) -> R {
    let (account, stages, zone) = (account(), stages(), TimeZone::get("Europe/Berlin").unwrap());
    let rules =
        Rules { books_open_at: at("2026-11-22T06:00:00Z"), stages: &stages, zone: &zone, company_currency: "EUR" };
    let completeness = complete_as_of("2026-11-21T23:05:00Z");
    let now = at("2026-11-22T17:30:00Z");
    then(&Scene { account: &account, rules, locale, now, payments_since: None, completeness: &completeness })
}

/// What stands in a table's first row.
fn cells(section: &Section) -> Vec<String> {
    section.rows[0].cells.iter().map(|cell| Locale::default().cell(cell)).collect()
}

/// What stands below a table.
fn totals(section: &Section) -> String {
    section.total.as_ref().map_or_else(String::new, |total| Locale::default().sums(&total.sums))
}

fn as_is(_: &mut Vec<Item>, _: &Scene<'_>) {}

#[test]
fn the_closed_deals_report_reads_well() {
    let document = built("closed-deals", as_is).document;
    insta::assert_snapshot!(document.subject, @"Closed deals: 2 won €12,300.50 and $8,400.00, 1 lost €990.00, 1 correction (−€5,200.00) · 22 Nov 2026");
    insta::assert_snapshot!("closed_deals_text", render(&document, false).text);
}

#[test]
fn the_books_keep_the_beginning_of_a_long_table() {
    let mut document = built("closed-deals", as_is).document;
    let short = document.clone();
    assert_eq!(serde_json::from_str::<Document>(&document.clone().into_json()).unwrap(), short);
    let section = &mut document.sections[0];
    let row = section.rows[0].clone();
    section.rows.resize(1_003, row);
    let kept: Document = serde_json::from_str(&document.into_json()).unwrap();
    assert_eq!((kept.sections[0].rows.len(), kept.sections[0].cut), (1_000, 3));
    assert_eq!(kept.sections[1..], short.sections[1..]);
}

#[test]
fn the_invoices_report_reads_well() {
    let document = built("invoices", as_is).document;
    insta::assert_snapshot!("invoices_text", render(&document, false).text);
}

#[test]
fn a_report_is_wholly_in_its_language() {
    for (language, word) in [(Language::De, "de"), (Language::Fr, "fr")] {
        for name in ["closed-deals", "invoices"] {
            let document = built_in(Locale { language, dates: Dates::Local }, name, as_is).document;
            insta::assert_snapshot!(
                format!("{name}_{word}"),
                format!("{}\n\n{}", document.subject, render(&document, false).text)
            );
        }
    }
}

#[test]
fn the_html_part_is_whole() {
    insta::assert_snapshot!("closed_deals_html", render(&built("closed-deals", as_is).document, false).html);
}

#[test]
fn record_text_stays_inert() {
    let hostile = "<script>alert(1)</script>{{ 7*7 }}\r\nBcc: thief@example.com \u{202E}gpj.exe\" onload=\"x";
    let document = built("closed-deals", |items, _| {
        for item in items {
            item.record.properties.insert("dealname".into(), hostile.into());
            item.record.owner = Some(hostile.into());
            item.record.company = Some(hostile.into());
            item.record.properties.insert("amount".into(), hostile.into());
        }
    })
    .document;
    let html = render(&document, false).html;
    assert!(!html.contains("<script>alert") && !html.contains("\" onload"), "markup must be escaped");
    assert!(html.contains("&lt;script&gt;alert(1)&lt;"), "and still be there to read");
    assert!(html.contains("{{ 7*7 }}") && !html.contains("49 Bcc"), "template syntax is text");
    let text = render(&document, false).text;
    assert!(!text.contains('\r') && !text.contains("\nBcc") && !text.contains('\u{202E}'));
}

/// Replaces the sample by one deal with this history, told as won before.
fn one_told_deal(items: &mut Vec<Item>, scene: &Scene<'_>, edit: impl FnOnce(&mut Record)) {
    items.retain(|item| item.record.name() == "Website relaunch");
    let item = &mut items[0];
    item.was = Some(Was { position: item.now.clone(), reported_at: Some(at("2026-11-22T12:00:00Z")) });
    edit(&mut item.record);
    item.now = Position::now(&item.record, &scene.rules);
    item.changes = from_history(&item.record, &scene.rules);
}

#[test]
fn a_told_deal_that_is_archived_is_taken_back() {
    let section = built("closed-deals", |items, scene| {
        one_told_deal(items, scene, |deal| deal.archived_at = Some(at("2026-11-22T15:00:00Z")));
        items[0].changes = vec![changes::archived(&items[0].record, at("2026-11-22T15:00:00Z"), &scene.rules)];
    })
    .document
    .sections
    .remove(0);
    assert_eq!(section.title, "Corrections");
    assert_eq!(cells(&section), ["archived", "22 Nov 2026 16:00", "€12,300.50", "archived", "−€12,300.50"]);
    assert_eq!(totals(&section), "−€12,300.50");
}

#[test]
fn another_currency_nets_each_currency_by_itself() {
    let section = built("closed-deals", |items, scene| {
        one_told_deal(items, scene, |deal| {
            deal.properties.insert("deal_currency_code".into(), "USD".into());
        });
    })
    .document
    .sections
    .remove(0);
    assert_eq!(cells(&section)[2..], ["€12,300.50", "$12,300.50", "−€12,300.50 and $12,300.50"]);
}

#[test]
fn a_merge_nets_to_one_correction() {
    let built = built("closed-deals", |items, scene| {
        items.retain(|item| ["Website relaunch", "Fleet maintenance"].contains(&item.record.name().as_str()));
        let winner = items[0].record.key.id;
        let won = items[0].now.clone();
        items[0].was = Some(Was { position: won, reported_at: Some(at("2026-11-22T12:00:00Z")) });
        items[0].changes.clear();
        let loser = &mut items[1];
        loser.now.standing = Standing::Merged { into: winner };
        loser.changes = vec![changes::merged(&loser.record, winner, at("2026-11-22T15:00:00Z"), &scene.rules)];
    });
    let section = &built.document.sections[0];
    assert_eq!(section.rows.len(), 1);
    assert_eq!(section.rows[0].name, "Website relaunch");
    assert_eq!(cells(section)[2..], ["€17,500.50", "€12,300.50", "−€5,200.00"]);
    assert_eq!(section.rows[0].notes[0], "merged from Fleet maintenance");
}

#[test]
fn what_was_undone_before_anybody_was_told_says_nothing() {
    let built = built("closed-deals", |items, scene| {
        items.retain(|item| item.record.name() == "Fleet maintenance");
        items[0].was = None;
        items[0].now = Position::now(&items[0].record, &scene.rules);
    });
    assert!(built.is_empty);
}

#[test]
fn a_deal_without_anything_is_shown_and_not_added_up() {
    let section = built("closed-deals", |items, scene| {
        items.retain(|item| item.record.name() == "Website relaunch");
        let item = &mut items[0];
        item.was = None;
        item.record.properties.retain(|name, _| name == "dealstage");
        item.record.history.retain(|name, _| name == "dealstage");
        item.record.owner = None;
        item.record.company = None;
        item.now = Position::now(&item.record, &scene.rules);
    })
    .document
    .sections
    .remove(0);
    assert_eq!(section.rows[0].name, "deal 101");
    let expected = ["—", "—", "22 Nov 2026 (no date in HubSpot)", "22 Nov 2026 09:00", "no amount"];
    assert_eq!(cells(&section), expected);
    assert!(section.total.is_none());
}

#[test]
fn amounts_that_cannot_be_added_up_are_shown_as_they_came() {
    for (amount, currency, shown, totals) in [
        ("0.40000000000000002220446049250313080847263336181640625", "EUR", "€0.40", "€0.40"),
        ("12", "ZZZ", "12 ZZZ (currency ZZZ is not in ISO 4217)", ""),
        ("1e30", "EUR", "1e30 EUR (too large to be added up)", ""),
        ("lots", "EUR", "lots EUR (not a number)", ""),
    ] {
        let section = built("closed-deals", |items, scene| {
            items.retain(|item| item.record.name() == "Website relaunch");
            let item = &mut items[0];
            item.was = None;
            item.record.properties.insert("amount".into(), amount.into());
            item.record.properties.insert("deal_currency_code".into(), currency.into());
            item.now = Position::now(&item.record, &scene.rules);
        })
        .document
        .sections
        .remove(0);
        assert_eq!(cells(&section)[4], shown);
        assert_eq!(self::totals(&section), totals);
    }
}

#[test]
fn a_report_says_whether_it_is_complete_and_why_not() {
    let (account, stages, zone) = (account(), stages(), TimeZone::get("Europe/Berlin").unwrap());
    let books_open_at = at("2026-11-18T06:00:00Z");
    let line_in = |language, completeness: &Completeness| {
        let rules = Rules { books_open_at, stages: &stages, zone: &zone, company_currency: "EUR" };
        let now = at("2026-11-22T17:30:00Z");
        let locale = Locale { language, ..Locale::default() };
        let scene = Scene { account: &account, rules, locale, now, payments_since: None, completeness };
        build(&Definitions::built_in().reports[0], &[], &scene).unwrap().document.notes.remove(0)
    };
    let line = |completeness: &Completeness| line_in(Language::En, completeness);
    let fresh = complete_as_of("2026-11-21T23:05:00Z");
    let lines = [
        line(&fresh),
        line(&complete_as_of("2026-11-20T22:59:00Z")),
        line(&Completeness { compared_at: None, ..fresh.clone() }),
        line(&Completeness { left_different: 1, unread: 1, ..fresh.clone() }),
        line(&Completeness { left_different: 2, unread: 7, ..complete_as_of("2026-11-19T23:05:00Z") }),
        line(&Completeness { left_out: vec![Kind::Invoice, Kind::Payment], ..fresh.clone() }),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r"
    Complete as of 22 Nov 2026 00:05, when all records were last compared with HubSpot.
    Not known to be complete: the records could not be compared with HubSpot since 20 Nov 2026 23:59.
    Not known to be complete: the records that HubSpot had before are still being taken in.
    Not known to be complete: 1 record differed from HubSpot at 22 Nov 2026 00:05 and was not read again; 1 record that HubSpot told of could not be read yet.
    Not known to be complete: the records could not be compared with HubSpot since 20 Nov 2026 00:05; 2 records differed from HubSpot at 20 Nov 2026 00:05 and were not read again; 7 records that HubSpot told of could not be read yet.
    Not known to be complete: HubSpot does not let Closing Bell read invoices and payments.
    ");
    let one = Completeness { unreadable: 1, unsettled: 1, set_aside: 1, ..fresh.clone() };
    let many = Completeness { unreadable: 1_200, unsettled: 3, set_aside: 4, ..fresh };
    let lines = Language::ALL.map(|(language, _)| [&one, &many].map(|known| line_in(language, known)).join("\n"));
    insta::assert_snapshot!(lines.join("\n"), @"
    Not known to be complete: 1 record cannot be read from HubSpot and is as last read, or missing; HubSpot did not show in time what it had told of 1 record; 1 event that HubSpot sent since 22 Nov 2026 00:05 could not be understood.
    Not known to be complete: 1,200 records cannot be read from HubSpot and are as last read, or missing; HubSpot did not show in time what it had told of 3 records; 4 events that HubSpot sent since 22 Nov 2026 00:05 could not be understood.
    Vollständigkeit nicht gesichert: 1 Datensatz lässt sich aus HubSpot nicht lesen und steht auf dem zuletzt gelesenen Stand oder fehlt; HubSpot hat nicht rechtzeitig gezeigt, was es zu 1 Datensatz gemeldet hatte; 1 Ereignis, das HubSpot seit 22.11.2026 00:05 gesendet hat, war nicht zu verstehen.
    Vollständigkeit nicht gesichert: 1.200 Datensätze lassen sich aus HubSpot nicht lesen und stehen auf dem zuletzt gelesenen Stand oder fehlen; HubSpot hat nicht rechtzeitig gezeigt, was es zu 3 Datensätzen gemeldet hatte; 4 Ereignisse, die HubSpot seit 22.11.2026 00:05 gesendet hat, waren nicht zu verstehen.
    Complétude non assurée : 1 enregistrement ne peut pas être lu dans HubSpot et figure tel que lu en dernier, ou manque ; HubSpot n’a pas montré à temps ce qu’il avait annoncé pour 1 enregistrement ; 1 événement envoyé par HubSpot depuis le 22/11/2026 00:05 n’a pas pu être compris.
    Complétude non assurée : 1 200 enregistrements ne peuvent pas être lus dans HubSpot et figurent tels que lus en dernier, ou manquent ; HubSpot n’a pas montré à temps ce qu’il avait annoncé pour 3 enregistrements ; 4 événements envoyés par HubSpot depuis le 22/11/2026 00:05 n’ont pas pu être compris.
    ");
}

/// Adds an invoice of 100 euros that only tracks data: not billable since 7:00 UTC, when it was issued.
fn add_not_billable(items: &mut Vec<Item>, scene: &Scene<'_>, then: &[(&str, Timestamp, &str)]) {
    let issued = at("2026-11-22T07:00:00Z");
    let mut history = vec![
        ("hs_amount_billed", issued, "100"),
        ("hs_invoice_billable", issued, "false"),
        ("hs_invoice_status", issued, "open"),
    ];
    history.extend(then);
    let record = sample::record(scene.account.portal_id, Kind::Invoice, 209, &history);
    let now = Position::now(&record, &scene.rules);
    let changes = from_history(&record, &scene.rules);
    items.push(Item { record, was: None, now, changes, unsettled: false, invoice: None });
}

#[test]
fn invoices_that_are_not_billable_stand_apart() {
    let later = at("2026-11-22T09:00:00Z");
    let paid = [("hs_amount_paid", later, "100"), ("hs_invoice_status", later, "paid")];
    let plain = built("invoices", as_is).document;
    let mut document = built("invoices", |items, scene| add_not_billable(items, scene, &paid)).document;
    assert_eq!((&document.subject, &document.headlines), (&plain.subject, &plain.headlines));
    let apart = document.sections.pop().unwrap();
    assert_eq!(document.sections, plain.sections, "the tables of the others are as they are without it");
    assert_eq!((&*apart.key, &*apart.title, &apart.total, apart.left_out), ("non-billable", "Not billable", &None, 0));
    let rows = apart.rows.iter().map(|row| {
        assert!(row.notes.is_empty() && row.name == "invoice 209");
        row.cells.iter().map(|cell| Locale::default().cell(cell)).collect::<Vec<_>>().join(" | ")
    });
    insta::assert_snapshot!(rows.collect::<Vec<_>>().join("\n"), @r"
    — | created | 22 Nov 2026 (no date in HubSpot) | 22 Nov 2026 08:00 | €100.00
    — | paid | 22 Nov 2026 (no date in HubSpot) | 22 Nov 2026 10:00 | €100.00
    — | received | 22 Nov 2026 | 22 Nov 2026 10:00 | €100.00
    ");
    for (language, _) in Language::ALL {
        let locale = Locale { language, dates: Dates::Local };
        let subject = built_in(locale, "invoices", |items, scene| {
            items.clear();
            add_not_billable(items, scene, &paid);
        })
        .document
        .subject;
        let word = locale.words().nouns.not_billable.short_one;
        assert!(subject.contains(&format!("1 {word} ·")), "it is one, whatever happened to it: {subject}");
    }
}

#[test]
fn what_is_not_billable_is_told_only_by_reports_that_have_such_a_section() {
    in_scene(Locale::default(), |scene| {
        let mut items = Vec::new();
        add_not_billable(&mut items, scene, &[]);
        let mut created = Definition::on("created", vec![changes::ChangeKind::InvoiceCreated]);
        assert!(!build(&created, &items, scene).unwrap().is_empty);
        created.sections.retain(|section| *section != SectionKind::NonBillable);
        assert!(build(&created, &items, scene).unwrap().is_empty);
    });
}

#[test]
fn an_invoice_was_voided_before_anybody_was_told_only_where_that_is_so() {
    use changes::ChangeKind as K;
    in_scene(Locale::default(), |scene| {
        let mut items = sample(scene);
        items.retain(|item| item.record.name() == "INV-1003");
        let is_said = |kinds: &[K], items: &[Item]| {
            let section =
                build(&Definition::on("voided", kinds.to_vec()), items, scene).unwrap().document.sections.remove(0);
            assert_eq!((section.key.as_str(), section.rows.len()), ("voided", 1));
            section.rows[0].notes.iter().any(|note| note == Locale::default().words().notes.voided_untold)
        };
        assert!(!is_said(&[K::InvoiceVoided], &items), "it was in the books when they were opened");
        items[0].was = None;
        assert!(!is_said(&[K::InvoiceVoided], &items), "this report tells nobody what is created");
        assert!(is_said(&[K::InvoiceCreated, K::InvoiceVoided], &items));
    });
}
