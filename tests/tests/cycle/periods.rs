//! Reports of periods: each day told on the next morning, what changes later corrected by the next report, each once whoever
//! builds it and whenever.

use hubspot_simulator::{Account, Kind};
use mail_parser::MessageParser;
use report_worker::cycle;
use report_worker::report::Definitions;
use serde_json::json;

use crate::world::{Document, NOW_MS, Row, World, definitions, names, row, section, titles};

const DAILY: &str = "[reports.daily]\nschedule = \"daily\"\nat = \"06:00\"\n\
                     sections = [\"won\", \"created\", \"ageing\", \"corrections\"]\n";

async fn world(toml: &str) -> World {
    let definitions = definitions(toml).await;
    World::open_with(|choice| choice.definitions = definitions, |_| {}).await
}

/// A deal that was won on 22 November.
async fn won(world: &mut World, name: &str, amount: &str) -> i64 {
    let date = ("closedate", "2026-11-22T09:00:00.000Z");
    world.create(Kind::Deal, &[("dealname", name), ("amount", amount), ("dealstage", "closedwon"), date]).await
}

/// The names of the corrected records with what was, what is, and the difference.
fn corrected(document: &Document) -> Vec<[String; 4]> {
    let rows = section(document, "Corrections").map(|section| &section.rows[..]).unwrap_or_default();
    // What stands in brackets says which figure it is and on which day.
    let cell = |row: &Row, back: usize| row.cells[row.cells.len() - back].split(" (").next().unwrap().to_owned();
    let mut rows: Vec<_> =
        rows.iter().map(|row| [row.name.clone(), cell(row, 3), cell(row, 2), cell(row, 1)]).collect();
    rows.sort();
    rows
}

fn rows(rows: &[[&str; 4]]) -> Vec<[String; 4]> {
    rows.iter().map(|row| row.map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_told_day_is_corrected_on_the_next_morning_and_once() {
    let mut world = world(DAILY).await;
    let mut deals = Vec::new();
    for (name, amount) in
        [("Reopened", "100"), ("Dollars", "200"), ("Later", "300"), ("Gone", "50"), ("One", "40"), ("Two", "70")]
    {
        deals.push(won(&mut world, name, amount).await);
    }
    let invoice = [("hs_number", "INV-1"), ("hs_amount_billed", "80"), ("hs_invoice_status", "open")];
    let invoice = world.create(Kind::Invoice, &invoice).await;
    assert_eq!(world.cycle_at("2026-11-23T04:59:59Z").await.reports, 0, "one second to six in Berlin");
    assert_eq!(world.cycle_at("2026-11-23T05:00:00Z").await.reports, 1);
    let first = world.newest("daily").await;
    assert_eq!(section(&first, "Deals won").unwrap().totals, ["€760.00"]);
    assert_eq!(section(&first, "Invoices created").unwrap().totals, ["€80.00"]);
    assert_eq!(corrected(&first), rows(&[]));

    let [reopened, dollars, later, gone, one, two] = deals[..] else { unreachable!("there are six") };
    world.set(Kind::Deal, reopened, &[("dealstage", "contractsent")]).await;
    world.set(Kind::Deal, dollars, &[("amount", "250"), ("deal_currency_code", "USD")]).await;
    world.set(Kind::Deal, later, &[("closedate", "2026-12-05T09:00:00.000Z")]).await;
    world.archive(Kind::Deal, gone).await;
    world.merge(Kind::Deal, one, two).await;
    world.set(Kind::Deal, one, &[("amount", "110")]).await;
    world.set(Kind::Invoice, invoice, &[("hs_invoice_status", "voided")]).await;
    won(&mut world, "Late", "5").await;
    world.cycle().await;
    assert_eq!(world.cycle_at("2026-11-24T05:00:00Z").await.reports, 1);
    let second = world.newest("daily").await;
    assert_eq!(
        corrected(&second),
        rows(&[
            ["Dollars", "€200.00", "$250.00", "−€200.00 and $250.00"],
            ["Gone", "€50.00", "—", "−€50.00"],
            ["INV-1", "€80.00", "—", "−€80.00"],
            ["Late", "—", "€5.00", "€5.00"],
            ["Later", "€300.00", "—", "−€300.00"],
            ["One", "€110.00", "€110.00", "€0.00"],
            ["Reopened", "€100.00", "—", "−€100.00"],
        ])
    );
    assert!(section(&second, "Deals won").is_none(), "{second:#?}");
    world.cycle_at("2026-11-25T05:00:00Z").await;
    assert_eq!(corrected(&world.newest("daily").await), rows(&[]), "what was corrected is told");
    // What was sent comes back as it was, and each period has one mail.
    assert_eq!(world.mails.sent().len(), 3);
}

#[tokio::test]
async fn what_recurs_and_what_is_overdue_stands_beside_the_period_before() {
    let toml =
        "[reports.daily]\nschedule = \"daily\"\nat = \"06:00\"\nsections = [\"figures\", \"recurring\", \"ageing\"]\n";
    let definitions = definitions(toml).await;
    // An hour before the books are opened, some of what was overdue for days is paid: its history says since when.
    let before = |account: &Account| {
        let old = [("hs_amount_billed", "30"), ("hs_invoice_status", "open"), ("hs_due_date", "2026-11-18")];
        let old = account.in_the_past(NOW_MS - 5 * 86_400_000).create(Kind::Invoice, &old);
        account.set(Kind::Invoice, old, &[("hs_amount_paid", "5")]);
    };
    let mut world = World::open_with(|choice| choice.definitions = definitions, before).await;
    let invoice = |number: &'static str, amount: &'static str, due: &'static str| {
        [
            ("hs_number", number),
            ("hs_amount_billed", amount),
            ("hs_invoice_status", "open"),
            ("hs_invoice_date", "2026-11-01"),
            ("hs_due_date", due),
        ]
    };
    let first = world.create(Kind::Invoice, &invoice("INV-1", "80.10", "2026-11-20")).await;
    world.create(Kind::Invoice, &invoice("INV-2", "20.20", "2026-11-23")).await;
    world
        .create(Kind::Invoice, &[invoice("INV-3", "9", "2026-11-20"), [("hs_invoice_billable", "false"); 5]].concat())
        .await;
    // What recurs is in the pipeline of service contracts, a twelfth of it each month.
    let deal = |day: &'static str, amount: &'static str| {
        [
            ("dealname", "Lease"),
            ("pipeline", "73150024"),
            ("dealstage", "141520872"),
            ("amount", amount),
            ("closedate", day),
        ]
    };
    world.create(Kind::Deal, &deal("2026-11-22T09:00:00.000Z", "903")).await;
    world.cycle_at("2026-11-23T05:00:00Z").await;
    let told = world.newest("daily").await.headlines;
    let recurring = "deal won with monthly recurring revenue (MRR)";
    let overdue = "2 invoices overdue on 22 Nov 2026: €105.10 | 1 €30.00";
    let first_day = [format!("1 {recurring}: €75.25 | 0"), overdue.to_owned()];
    assert_eq!(told, first_day);

    world.create(Kind::Deal, &deal("2026-11-23T09:00:00.000Z", "720")).await;
    world.set(Kind::Invoice, first, &[("hs_amount_paid", "30.05")]).await;
    world.cycle_at("2026-11-24T05:00:00Z").await;
    let told = world.newest("daily").await.headlines;
    let overdue = "2 invoices overdue on 23 Nov 2026: €75.05 | 2 €105.10";
    assert_eq!(told, [format!("1 {recurring}: €60.00 | 1 €75.25"), overdue.to_owned()]);

    world.set(Kind::Invoice, first, &[("hs_amount_paid", "80.10"), ("hs_invoice_status", "paid")]).await;
    world.cycle_at("2026-11-25T05:00:00Z").await;
    let told = world.newest("daily").await.headlines;
    let recurring = "deals won with monthly recurring revenue (MRR)";
    let overdue = "2 invoices overdue on 24 Nov 2026: €45.20 | 2 €75.05";
    assert_eq!(told, [format!("0 {recurring} | 1 €60.00"), overdue.to_owned()]);
}

#[tokio::test]
async fn a_worker_that_was_away_tells_each_period_in_its_order() {
    let mut world = world(DAILY).await;
    won(&mut world, "Roof", "100").await;
    let summary = world.cycle_at("2026-11-25T11:00:00Z").await;
    assert_eq!(summary.reports, 3, "the 22nd, the 23rd and the 24th");
    assert_eq!(
        world.ask("SELECT from_date FROM periods ORDER BY from_date").await,
        ["2026-11-22", "2026-11-23", "2026-11-24"]
    );
    let subjects = world
        .mails
        .sent()
        .iter()
        .map(|mail| MessageParser::default().parse(&mail.bytes).unwrap().subject().unwrap().to_owned())
        .collect::<Vec<_>>();
    assert!(subjects[0].contains("22") && subjects[2].contains("24"), "{subjects:?}");
}

#[tokio::test]
async fn two_workers_tell_a_period_once() {
    let mut world = world(&format!("{DAILY}[reports.month]\nschedule = \"monthly\"\nat = \"06:00\"")).await;
    won(&mut world, "Roof", "100").await;
    world.cycle().await;
    let colleague = world
        .colleague(definitions(&format!("{DAILY}[reports.month]\nschedule = \"monthly\"\nat = \"06:00\"")).await)
        .await;
    world.clock.advance(30 * 86_400_000);
    let (one, other) = tokio::join!(cycle::run_once(&world.app, world.now()), cycle::run_once(&colleague, world.now()));
    assert_eq!((one.problems, other.problems), (vec![], vec![]));
    assert_eq!(one.reports + other.reports, 31, "30 days, and a month");
    assert_eq!(world.ask("SELECT CAST(COUNT(*) AS CHAR) FROM mails").await, ["31"]);
    assert_eq!(world.mails.sent().len(), 31);
}

#[tokio::test]
async fn another_definition_begins_anew_and_the_same_one_goes_on() {
    let mut world = world(DAILY).await;
    let deal = won(&mut world, "Roof", "100").await;
    world.cycle_at("2026-11-23T05:00:00Z").await;
    let other = DAILY.replace("\"won\"", "\"won\", \"lost\"");
    let colleague = world.colleague(definitions(&other).await).await;
    world.set(Kind::Deal, deal, &[("amount", "120")]).await;
    world.cycle().await;
    // The new one has never told the deal.
    world.clock.advance(86_400_000);
    cycle::run_once(&colleague, world.now()).await;
    let document = world.newest("daily").await;
    assert_eq!((corrected(&document), titles(&document)), (rows(&[]), vec![]));
    // The old one corrects it, though another one has told the day as well.
    assert_eq!(world.cycle_after(1).await.reports, 1);
    assert_eq!(corrected(&world.newest("daily").await), rows(&[["Roof", "€100.00", "€120.00", "€20.00"]]));
    assert_eq!(world.ask("SELECT CAST(COUNT(*) AS CHAR) FROM series").await, ["2"]);
}

#[tokio::test]
async fn a_definition_that_changes_in_the_night_leaves_out_no_day() {
    let mut world = world(DAILY).await;
    won(&mut world, "Roof", "100").await;
    world.cycle().await;
    // After the end of the day and before its report.
    let other = DAILY.replace("\"won\"", "\"won\", \"lost\"");
    world.app = world.colleague(definitions(&other).await).await;
    world.cycle_at("2026-11-23T03:00:00Z").await;
    world.cycle_at("2026-11-23T05:00:00Z").await;
    assert_eq!(names(section(&world.newest("daily").await, "Deals won").unwrap()), ["Roof"]);
}

#[tokio::test]
async fn a_report_waits_half_an_hour_for_records_and_then_says_what_is_missing() {
    let mut world = world(DAILY).await;
    // HubSpot fails over the oldest deal.
    world.arm("poisoned-record:100000");
    won(&mut world, "Barn", "7").await;
    won(&mut world, "Roof", "100").await;
    for seconds in [0, 20, 60] {
        world.cycle_after(seconds).await;
    }
    for (moment, expected) in [("2026-11-23T05:00:00Z", 0), ("2026-11-23T05:29:59Z", 0), ("2026-11-23T05:30:00Z", 1)] {
        let moment: jiff::Timestamp = moment.parse().unwrap();
        world.clock.advance(moment.as_millisecond() - world.clock.now_ms());
        assert_eq!(world.cycle().await.reports, expected, "{moment}");
    }
    let document = world.newest("daily").await;
    assert_eq!(names(section(&document, "Deals won").unwrap()), ["Roof"]);
    assert!(
        document.notes.iter().any(|note| note.contains("1 record that HubSpot told of could not be read")),
        "{:?}",
        document.notes
    );
}

#[tokio::test]
async fn a_day_without_news_needs_no_mail_and_is_in_the_books() {
    let toml = DAILY.replace("\"ageing\", ", "") + "skip_if_empty = true";
    let mut world = world(&toml).await;
    assert_eq!(world.cycle_at("2026-11-23T05:00:00Z").await.reports, 0);
    assert_eq!(world.ask("SELECT CAST(COUNT(*) AS CHAR) FROM periods").await, ["1"]);
    let deal = won(&mut world, "Late", "5").await;
    world.cycle_at("2026-11-24T05:00:00Z").await;
    assert_eq!(world.mails.sent().len(), 1, "what is late is news");
    assert_eq!(row(&world.newest("daily").await, "Corrections").name, "Late");
    world.set(Kind::Deal, deal, &[("amount", "6")]).await;
    world.set(Kind::Deal, deal, &[("amount", "5")]).await;
    world.cycle_at("2026-11-25T05:00:00Z").await;
    assert_eq!(world.mails.sent().len(), 1, "what comes to nothing is none");
}

#[tokio::test]
async fn another_zone_makes_all_ledgers_anew_and_the_next_report_says_what_moved() {
    let mut world = world(DAILY).await;
    // Ten past eleven in the evening in Berlin is the next day in Auckland.
    world.cycle_at("2026-11-22T22:10:00Z").await;
    let deal = world.create(Kind::Deal, &[("dealname", "Roof"), ("amount", "100")]).await;
    world.set(Kind::Deal, deal, &[("dealstage", "closedwon")]).await;
    world.cycle_at("2026-11-23T05:00:00Z").await;
    let days = "SELECT date FROM entries";
    let before = world.ask(days).await;
    world.app.settings.zone = Some(jiff::tz::TimeZone::get("Pacific/Auckland").unwrap());
    let app = world.colleague(Definitions { zone: None, ..definitions(DAILY).await }).await;
    world.app = app;
    world.cycle().await;
    assert_eq!((before, world.ask(days).await), (vec!["2026-11-22".to_owned()], vec!["2026-11-23".to_owned()]));
}

#[tokio::test]
async fn what_a_filter_no_longer_takes_is_corrected_with_the_reason() {
    const ANNA: &str = "53118204";
    const PRIYA: &str = "54902115";
    let filter = "filter = { owner = [\"Anna Keller\"], minimum_amount = \"50\", properties = { dealtype = [\"newbusiness\"] } }";
    let mut world = world(&format!("{DAILY}{filter}")).await;
    let types = ["newbusiness", "existingbusiness"];
    let deals = [
        ("Handed on", ANNA, types[0]),
        ("Taken over", PRIYA, types[0]),
        ("Renewal", ANNA, types[0]),
        ("Less", ANNA, types[0]),
    ];
    let mut ids = Vec::new();
    for (name, owner, kind) in deals {
        let id = won(&mut world, name, "100").await;
        world.set(Kind::Deal, id, &[("hubspot_owner_id", owner), ("dealtype", kind)]).await;
        ids.push(id);
    }
    world.cycle_at("2026-11-23T05:00:00Z").await;
    assert_eq!(names(section(&world.newest("daily").await, "Deals won").unwrap()).len(), 3);

    world.clock.advance(1_000);
    world.set(Kind::Deal, ids[0], &[("hubspot_owner_id", PRIYA)]).await;
    world.set(Kind::Deal, ids[1], &[("hubspot_owner_id", ANNA)]).await;
    world.set(Kind::Deal, ids[2], &[("dealtype", types[1])]).await;
    world.set(Kind::Deal, ids[3], &[("amount", "40")]).await;
    world.cycle().await;
    world.cycle_at("2026-11-24T05:00:00Z").await;
    let document = world.newest("daily").await;
    let said = section(&document, "Corrections").unwrap().rows.iter();
    let mut said: Vec<_> = said.map(|row| (&*row.name, &*row.cells[0], row.notes.join("; "))).collect();
    said.sort();
    let (left, joined) = ("no longer in this report", "now in this report");
    let expected = [
        ("Handed on", left, "owner: Anna Keller → Priya Nair"),
        ("Less", "amount changed", "no longer passes the report’s filter"),
        ("Renewal", left, "dealtype: newbusiness → existingbusiness"),
        ("Taken over", joined, "owner: Priya Nair → Anna Keller"),
    ];
    assert_eq!(said, expected.map(|(name, what, why)| (name, what, why.to_owned())));
}

#[tokio::test]
async fn a_payment_follows_its_invoice_to_another_owner() {
    const ANNA: &str = "53118204";
    const PRIYA: &str = "54902115";
    let toml = "[reports.daily]\nschedule = \"daily\"\nat = \"06:00\"\nsections = [\"received\", \"corrections\"]\n\
                filter = { owner = [\"Anna Keller\"] }";
    let definitions = definitions(toml).await;
    let with_a_payment = |account: &Account| {
        let invoice = account.create(Kind::Invoice, &[("hs_invoice_status", "open"), ("hs_amount_billed", "9")]);
        account.pay(invoice, "9", "R-0");
    };
    let mut world = World::open_with(|choice| choice.definitions = definitions, with_a_payment).await;
    let values = [("hs_number", "INV-1"), ("hs_amount_billed", "80"), ("hs_invoice_status", "open")];
    let invoice = world.create(Kind::Invoice, &values).await;
    world.set(Kind::Invoice, invoice, &[("hubspot_owner_id", ANNA)]).await;
    let payment = world.account().pay(invoice, "80", "R-1");
    let created = world.event(Kind::Payment, payment, "creation", json!({}));
    world.deliver(&[created]).await;
    world.cycle_at("2026-11-23T05:00:00Z").await;
    let first = world.newest("daily").await;
    assert_eq!(names(section(&first, "Payments received").unwrap()), ["Payment for INV-1"]);
    // Nobody tells of the payment.
    world.set(Kind::Invoice, invoice, &[("hubspot_owner_id", PRIYA)]).await;
    world.cycle().await;
    world.cycle_at("2026-11-24T05:00:00Z").await;
    let document = world.newest("daily").await;
    assert_eq!(corrected(&document), rows(&[["Payment for INV-1", "€80.00", "—", "−€80.00"]]));
    assert_eq!(row(&document, "Corrections").notes, ["owner: Anna Keller → Priya Nair"]);
}
