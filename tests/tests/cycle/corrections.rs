//! What was reported and changes later appears as a correction in the next report: was, now, net effect.

use hubspot_simulator::Kind;
use mail_parser::{HeaderValue, MessageParser};

use crate::world::{World, row, section, titles};

/// A world with a deal of 100 euro that was told as won.
async fn told() -> (World, i64) {
    let mut world = World::open(|_| {}).await;
    let values =
        [("dealname", "Roof"), ("amount", "100"), ("dealstage", "closedwon"), ("closedate", "2026-11-20T09:00:00Z")];
    let deal = world.create(Kind::Deal, &values).await;
    assert_eq!(world.report().await.reports, 1);
    (world, deal)
}

#[tokio::test]
async fn a_told_deal_is_corrected() {
    type Case = (&'static [(&'static str, &'static str)], &'static str, [&'static str; 3], &'static [&'static str]);
    let cases: [Case; 6] = [
        (&[("dealstage", "contractsent")], "reopened", ["€100.00", "open", "−€100.00"], &["Corrections"]),
        (&[("amount", "130.50")], "amount changed", ["€100.00", "€130.50", "€30.50"], &["Corrections"]),
        (&[("amount", "")], "amount changed", ["€100.00", "no amount", "−€100.00"], &["Corrections"]),
        (
            &[("deal_currency_code", "USD")],
            "amount changed",
            ["€100.00", "$100.00", "−€100.00 and $100.00"],
            &["Corrections"],
        ),
        (&[("closedate", "2026-12-01T09:00:00Z")], "close date moved", ["€100.00", "€100.00", "—"], &["Corrections"]),
        (&[("dealstage", "closedlost")], "lost", ["€100.00", "lost", "−€100.00"], &["Corrections", "Lost"]),
    ];
    for (values, what, figures, sections) in cases {
        let (mut world, deal) = told().await;
        world.set(Kind::Deal, deal, values).await;
        assert_eq!(world.report().await.reports, 1, "{what}");
        let document = world.newest("closed-deals").await;
        assert_eq!(titles(&document), sections, "{what}");
        let row = row(&document, "Corrections");
        assert_eq!((row.name.as_str(), row.cells[0].as_str()), ("Roof", what));
        assert_eq!(row.cells[2..], figures, "{what}");
        assert!(row.notes.iter().any(|note| note.starts_with("reported 22 Nov 2026 ")), "{:?}", row.notes);
    }
}

#[tokio::test]
async fn corrections_alone_are_shown_under_the_mails_that_told_the_records() {
    let (mut world, deal) = told().await;
    let follows = |world: &World, at: usize| {
        let mails = world.mails.sent();
        let mail = MessageParser::default().parse(&mails[at].bytes).unwrap();
        let ids = |value: &HeaderValue<'_>| {
            value.as_text_list().unwrap_or_default().iter().map(ToString::to_string).collect()
        };
        let [answered, referred]: [Vec<String>; 2] = [ids(mail.in_reply_to()), ids(mail.references())];
        (answered, referred, mails[at].message_id.clone())
    };
    let (answered, referred, first) = follows(&world, 0);
    assert_eq!((answered, referred), (vec![], vec![]), "news follows nothing");

    world.set(Kind::Deal, deal, &[("amount", "130")]).await;
    assert_eq!(world.report().await.reports, 1);
    let (answered, referred, second) = follows(&world, 1);
    assert_eq!((answered, referred), (vec![first.clone()], vec![first.clone()]));

    let other = world.create(Kind::Deal, &[("amount", "7"), ("dealstage", "closedwon")]).await;
    world.set(Kind::Deal, deal, &[("amount", "140")]).await;
    assert_eq!(world.report().await.reports, 1);
    let (answered, _, third) = follows(&world, 2);
    assert_eq!(answered, [""; 0], "a correction among news comes with the news");

    world.set(Kind::Deal, other, &[("amount", "8")]).await;
    assert_eq!(world.report().await.reports, 1);
    let (answered, referred, fourth) = follows(&world, 3);
    assert_eq!((answered, referred), (vec![third.clone()], vec![third.clone()]));

    world.set(Kind::Deal, deal, &[("dealstage", "contractsent")]).await;
    world.set(Kind::Deal, other, &[("dealstage", "contractsent")]).await;
    assert_eq!(world.report().await.reports, 1);
    let (answered, referred, _) = follows(&world, 4);
    assert_eq!((answered, referred), (vec![fourth.clone()], vec![first, second, third, fourth]));
}

#[tokio::test]
async fn several_changes_are_one_correction_with_their_net_effect() {
    let (mut world, deal) = told().await;
    world.set(Kind::Deal, deal, &[("amount", "500")]).await;
    world.cycle_after(60).await;
    world.set(Kind::Deal, deal, &[("dealstage", "contractsent")]).await;
    world.cycle_after(60).await;
    world.set(Kind::Deal, deal, &[("dealstage", "closedwon"), ("amount", "80")]).await;
    assert_eq!(world.report().await.reports, 1);
    let document = world.newest("closed-deals").await;
    let row = row(&document, "Corrections");
    assert_eq!(row.cells[0], "amount changed, reopened, won");
    assert_eq!(row.cells[2..], ["€100.00", "€80.00", "−€20.00"]);
    assert_eq!(titles(&document), ["Corrections"], "no news: it was won before");
}

#[tokio::test]
async fn reports_at_the_same_moment_follow_one_another() {
    let mut world = World::open_with(|choice| choice.quiet = std::time::Duration::ZERO, |_| {}).await;
    let deal = world.create(Kind::Deal, &[("amount", "100"), ("dealstage", "closedwon")]).await;
    world.cycle().await;
    let mut was = "€100.00".to_owned();
    for amount in ["200", "300", "400", "500", "600"] {
        world.set(Kind::Deal, deal, &[("amount", amount)]).await;
        assert_eq!(world.cycle().await.reports, 1);
        let document = world.newest("closed-deals").await;
        assert_eq!(row(&document, "Corrections").cells[2], was);
        was = row(&document, "Corrections").cells[3].clone();
    }
}

#[tokio::test]
async fn what_stood_when_the_books_were_opened_is_corrected_as_such() {
    let mut deal = 0;
    let mut world = World::open(|account| {
        deal = account.create(Kind::Deal, &[("amount", "40"), ("dealstage", "closedwon")]);
    })
    .await;
    world.set(Kind::Deal, deal, &[("amount", "45")]).await;
    world.report().await;
    let document = world.newest("closed-deals").await;
    assert_eq!(row(&document, "Corrections").cells[2..], ["€40.00", "€45.00", "€5.00"]);
    assert_eq!(row(&document, "Corrections").notes, ["as it stood when the books were opened"]);
}

#[tokio::test]
async fn a_voided_invoice_is_taken_back_and_another_amount_corrected() {
    let mut world = World::open(|_| {}).await;
    let values = [("hs_amount_billed", "80"), ("hs_invoice_status", "open"), ("hs_currency", "USD")];
    let invoice = world.create(Kind::Invoice, &values).await;
    world.report().await;
    world.set(Kind::Invoice, invoice, &[("hs_amount_billed", "90")]).await;
    world.report().await;
    let document = world.newest("invoices").await;
    assert_eq!(row(&document, "Corrections").cells[2..], ["$80.00", "$90.00", "$10.00"]);
    world.set(Kind::Invoice, invoice, &[("hs_invoice_status", "voided")]).await;
    world.report().await;
    let document = world.newest("invoices").await;
    assert_eq!(titles(&document), ["Corrections"]);
    assert_eq!(row(&document, "Corrections").cells[2..], ["$90.00", "voided", "−$90.00"]);
}

#[tokio::test]
async fn the_same_amount_written_in_another_way_is_no_correction() {
    let mut world = World::open(|_| {}).await;
    let invoice = world.create(Kind::Invoice, &[("hs_amount_billed", "80"), ("hs_invoice_status", "open")]).await;
    world.report().await;
    world.set(Kind::Invoice, invoice, &[("hs_amount_billed", "80.00"), ("hs_amount_paid", "30")]).await;
    world.report().await;
    let document = world.newest("invoices").await;
    assert!(section(&document, "Part paid").is_some() && section(&document, "Corrections").is_none(), "{document:#?}");
}

#[tokio::test]
async fn an_invoice_that_no_longer_counts_is_taken_back() {
    let mut world = World::open(|_| {}).await;
    let invoice = world.create(Kind::Invoice, &[("hs_amount_billed", "80"), ("hs_invoice_status", "open")]).await;
    world.report().await;
    world.set(Kind::Invoice, invoice, &[("hs_invoice_billable", "false"), ("hs_amount_paid", "30")]).await;
    world.report().await;
    assert_eq!(row(&world.newest("invoices").await, "Corrections").cells[4], "−€80.00");
}

#[tokio::test]
async fn an_invoice_that_was_a_draft_again_comes_anew() {
    let mut world = World::open(|_| {}).await;
    let told = world.create(Kind::Invoice, &[("hs_amount_billed", "80"), ("hs_invoice_status", "open")]).await;
    world.report().await;
    world.set(Kind::Invoice, told, &[("hs_invoice_status", "draft")]).await;
    world.report().await;
    assert_eq!(row(&world.newest("invoices").await, "Corrections").cells[2..], ["€80.00", "draft", "−€80.00"]);
    world.set(Kind::Invoice, told, &[("hs_amount_billed", "95"), ("hs_invoice_status", "open")]).await;
    world.report().await;
    let document = world.newest("invoices").await;
    assert_eq!(titles(&document), ["Created"]);
    assert_eq!(document.sections[0].totals, ["€95.00"]);
}
