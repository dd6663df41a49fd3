//! The reports of `REPORTS_FILE` that come after changes: what is in them, who gets them, and in which language.

use hubspot_simulator::Kind;
use mail_parser::{Address, Message, MessageParser};

use crate::world::{World, definitions, names, row, section, titles};

async fn world(toml: &str) -> World {
    let definitions = definitions(toml).await;
    World::open_with(|choice| choice.definitions = definitions, |_| {}).await
}

fn deal<'v>(name: &'v str, amount: &'v str) -> [(&'v str, &'v str); 3] {
    [("dealname", name), ("amount", amount), ("dealstage", "closedwon")]
}

/// The newest mail, and all who got it.
fn newest_mail(world: &World) -> (Vec<u8>, Vec<String>) {
    let sent = world.mails.sent();
    let newest = sent.last().expect("a mail");
    let of_it = sent.iter().filter(|mail| mail.message_id == newest.message_id);
    (newest.bytes.clone(), of_it.map(|mail| mail.recipient.clone()).collect())
}

fn read(bytes: &[u8]) -> Message<'_> {
    MessageParser::default().parse(bytes).unwrap()
}

fn people(list: Option<&Address<'_>>) -> Vec<String> {
    list.into_iter().flat_map(|list| list.iter()).map(|one| one.address().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_filter_keeps_records_out_until_they_pass_and_then_stays_with_them() {
    let toml = "[reports.big]\non = [\"deal.won\"]\nfilter.minimum_amount = \"1000\"\nfilter.currency = \"EUR\"";
    let mut world = world(toml).await;
    let small = world.create(Kind::Deal, &deal("Small", "999.99")).await;
    world.create(Kind::Deal, &deal("Big", "1000.00")).await;
    let dollars = [&deal("Dollars", "5000")[..], &[("deal_currency_code", "USD")]].concat();
    world.create(Kind::Deal, &dollars).await;
    assert_eq!(world.report().await.reports, 1);
    let document = world.newest("big").await;
    assert_eq!(names(section(&document, "Won").unwrap()), ["Big"]);

    world.set(Kind::Deal, small, &[("amount", "999")]).await;
    assert_eq!(world.report().await.reports, 0, "what is kept out is settled without a mail");
    assert_eq!(world.ask("SELECT CAST(COUNT(*) AS CHAR) FROM pending").await, ["0"]);

    world.set(Kind::Deal, small, &[("amount", "1500")]).await;
    assert_eq!(world.report().await.reports, 1, "it passes now, and nobody was told that it was won");
    let document = world.newest("big").await;
    assert_eq!(titles(&document), ["Won"], "what nobody was told is no correction");
    assert_eq!(row(&document, "Won").name, "Small");

    world.set(Kind::Deal, small, &[("amount", "10")]).await;
    assert_eq!(world.report().await.reports, 1, "what was told is corrected, though it passes no more");
    assert_eq!(row(&world.newest("big").await, "Corrections").cells[2..], ["€1,500.00", "€10.00", "−€1,490.00"]);
}

#[tokio::test]
async fn a_filter_knows_pipelines_by_label_and_any_property() {
    let toml = r#"
        [reports.new-business]
        on = "deal.won"
        filter = { pipeline = "sales pipeline", properties = { dealtype = ["newbusiness", "other"] } }
        [reports.renewals]
        on = "deal.won"
        filter = { pipeline = "Renewals" }
    "#;
    let mut world = world(toml).await;
    for (name, kind) in [("New", "newbusiness"), ("Old", "existingbusiness")] {
        let values = [&deal(name, "100")[..], &[("dealtype", kind), ("pipeline", "default")]].concat();
        world.create(Kind::Deal, &values).await;
    }
    assert_eq!(world.report().await.reports, 1);
    assert_eq!(row(&world.newest("new-business").await, "Won").name, "New");
}

#[tokio::test]
async fn only_what_is_listed_is_news_and_only_what_was_told_is_corrected() {
    let toml = "[reports.lost]\non = \"deal.lost\"\n[reports.dunning]\non = \"invoice.overdue\"";
    let mut world = world(toml).await;
    let values = [("dealname", "Roof"), ("amount", "100"), ("dealstage", "closedwon")];
    let deal = world.create(Kind::Deal, &values).await;
    let invoice = [("hs_number", "INV-1"), ("hs_amount_billed", "80"), ("hs_invoice_status", "open")];
    let invoice = world.create(Kind::Invoice, &invoice).await;
    assert_eq!(world.report().await.reports, 0, "neither is news here");
    world.set(Kind::Deal, deal, &[("amount", "120")]).await;
    world.set(Kind::Invoice, invoice, &[("hs_amount_billed", "90")]).await;
    assert_eq!(world.report().await.reports, 0, "and nobody was told of what is different now");

    world.set(Kind::Deal, deal, &[("dealstage", "closedlost")]).await;
    assert_eq!(world.report().await.reports, 1);
    assert_eq!(titles(&world.newest("lost").await), ["Lost"]);
    world.set(Kind::Deal, deal, &[("dealstage", "closedwon")]).await;
    assert_eq!(world.report().await.reports, 1, "a deal that was told as lost is not lost any more");
    let document = world.newest("lost").await;
    assert_eq!((titles(&document), row(&document, "Corrections").cells[0].as_str()), (vec!["Corrections"], "won"));
}

#[tokio::test]
async fn a_report_has_its_own_recipients_and_no_header_names_the_hidden_ones() {
    let toml = r#"
        [reports.board]
        on = "deal.won"
        title = "For the board"
        to = ["Board <board@example.com>"]
        cc = ["CFO <cfo@example.com>", "coo@example.com"]
        bcc = "archive@example.com"
        [reports.everybody]
        on = "invoice.created"
    "#;
    let mut world = world(toml).await;
    world.create(Kind::Deal, &deal("Roof", "100")).await;
    world.report().await;
    let (bytes, envelope) = newest_mail(&world);
    let mail = read(&bytes);
    assert_eq!(people(mail.to()), ["board@example.com"]);
    assert_eq!(people(mail.cc()), ["cfo@example.com", "coo@example.com"]);
    assert_eq!(envelope, ["archive@example.com", "board@example.com", "cfo@example.com", "coo@example.com"]);
    assert!(!String::from_utf8_lossy(&bytes).contains("archive@"), "a hidden recipient is in no header");
    assert!(mail.subject().unwrap().starts_with("For the board: 1 won €100.00"), "{:?}", mail.subject());

    world.create(Kind::Invoice, &[("hs_invoice_status", "open"), ("hs_amount_billed", "7")]).await;
    world.report().await;
    assert_eq!(newest_mail(&world).1, ["finance@example.com"], "who names nobody goes to MAIL_TO");
}

#[tokio::test]
async fn a_dry_run_goes_to_the_owner_alone_until_its_last_day_is_over() {
    let toml = r#"
        [reports.trial]
        on = "deal.won"
        to = "board@example.com"
        cc = "CFO <cfo@example.com>"
        bcc = "archive@example.com"
        dry_run_until = 2026-11-22
    "#;
    // It is 11 o'clock in Berlin on 22 November.
    let mut world = world(toml).await;
    world.create(Kind::Deal, &deal("Roof", "100")).await;
    world.report().await;
    let (bytes, envelope) = newest_mail(&world);
    let mail = read(&bytes);
    assert_eq!(
        (people(mail.to()), people(mail.cc()), envelope),
        (vec!["owner@example.com".into()], vec![], vec!["owner@example.com".into()])
    );
    assert!(mail.subject().unwrap().starts_with("Dry run: Trial: "), "{:?}", mail.subject());
    let line = "Dry run until 22 Nov 2026: only the owner got this mail. It would have gone to board@example.com, \
                cfo@example.com (cc) and archive@example.com (bcc).";
    for body in [mail.body_text(0), mail.body_html(0)] {
        let body = body.unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(body.contains(line), "{body}");
    }

    // Midnight in Berlin is 13 hours after.
    world.clock.advance(13 * 3_600_000);
    world.create(Kind::Deal, &deal("Cellar", "50")).await;
    world.report().await;
    let (bytes, envelope) = newest_mail(&world);
    assert_eq!(envelope, ["archive@example.com", "board@example.com", "cfo@example.com"]);
    assert!(!String::from_utf8_lossy(&bytes).contains("Dry run"));
}

#[tokio::test]
async fn a_german_report_is_german() {
    let toml =
        "language = \"de\"\n[reports.abschluss]\non = \"deal.won\"\n[reports.iso]\non = \"deal.won\"\ndates = \"iso\"";
    let mut world = world(toml).await;
    world.create(Kind::Deal, &deal("Dach", "12300.5")).await;
    assert_eq!(world.report().await.reports, 2);
    let mails = world.mails.sent();
    let texts: Vec<String> = mails.iter().map(|mail| read(&mail.bytes).body_text(0).unwrap().into_owned()).collect();
    assert!(texts.iter().all(|text| text.contains("12.300,50\u{a0}€")), "{texts:#?}");
    assert!(texts[0].contains("22.11.2026") && texts[1].contains("2026-11-22"), "{texts:#?}");
}
