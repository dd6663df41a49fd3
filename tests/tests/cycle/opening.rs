//! The opening balance: everything as it is, without a word of it as news.

use hubspot_simulator::{Kind, Limits};
use jiff::Timestamp;
use report_worker::domain::record;

use crate::world::{NOW_MS, PORTAL, World, definitions, row, section, titles};

const SEARCH_DEALS: &str = "POST /crm/objects/deals/search";

#[tokio::test]
async fn nothing_from_before_is_mailed() {
    let mut deal = 0;
    let mut world = World::open(|account| {
        deal = account.create(Kind::Deal, &[("amount", "40"), ("dealstage", "closedwon")]);
        let invoice = account.create(Kind::Invoice, &[("hs_amount_billed", "80"), ("hs_invoice_status", "open")]);
        account.pay(invoice, "80", "R-1");
        // Moments before the books are opened.
        account.in_the_past(NOW_MS - 60_000).create(Kind::Deal, &[("amount", "7"), ("dealstage", "closedlost")]);
    })
    .await;
    for kind in [record::Kind::Deal, record::Kind::Invoice, record::Kind::Payment] {
        assert!(world.app.store.known_records(PORTAL, kind).await.unwrap() > 0, "{kind}");
    }
    assert!(world.cycle_after(1_000).await.is_idle());
    world.set(Kind::Deal, deal, &[("dealname", "Roof")]).await;
    assert_eq!(world.report().await.changes, 0);
    assert!(world.mails.sent().is_empty());
}

/// Lists name nobody, and reports show and filter what is owed by owner and company.
#[tokio::test]
async fn what_is_still_owed_is_known_with_its_owner_and_company() {
    let owner = ("hubspot_owner_id", "53118204");
    let mut invoices = [0; 2];
    let world = World::open(|account| {
        let invoice = |status| [("hs_amount_billed", "80"), ("hs_invoice_status", status), owner];
        invoices = ["open", "paid"].map(|status| account.create(Kind::Invoice, &invoice(status)));
    })
    .await;
    let [open, paid] = invoices;
    let owner_of = async |id| world.stored(record::Kind::Invoice, id).await.and_then(|stored| stored.record?.owner);
    assert!(owner_of(open).await.is_some());
    assert_eq!(owner_of(paid).await, None, "nothing speaks of it before it changes");
}

#[tokio::test]
async fn the_walk_goes_on_where_it_stopped_and_finds_what_changed_meanwhile() {
    // The account lets two searches a second pass, so the walk stops after two pages in each cycle.
    let world = World::new(|choice| choice.account.limits = Limits { search_per_second: 2, ..Limits::default() }).await;
    let deals: Vec<i64> = (0..500)
        .map(|count| {
            world.account().in_the_past(NOW_MS - 9_000_000 + count * 1_000).create(Kind::Deal, &[("amount", "5")])
        })
        .collect();
    let summary = world.cycle().await;
    assert!(summary.problems[0].starts_with("opening balance: HubSpot's rate limit"), "{:?}", summary.problems);
    let done = world.app.store.known_records(PORTAL, record::Kind::Deal).await.unwrap();
    assert!((201..500).contains(&done), "{done}");
    // One that is in the books already and one that is not are won now, and nobody hears of it.
    world.clock.advance(10_000);
    for deal in [deals[0], deals[499]] {
        world.account().set(Kind::Deal, deal, &[("dealstage", "closedwon"), ("dealname", "Roof")]);
    }
    let searches = world.calls(SEARCH_DEALS);
    world.cycle_after(60).await;
    assert!(world.calls(SEARCH_DEALS) - searches <= 3, "it does not begin again");
    for _ in 0..3 {
        world.cycle_after(60).await;
    }
    assert_eq!(world.app.store.known_records(PORTAL, record::Kind::Deal).await.unwrap(), 500);
    world.cycle_after(300).await;
    assert_eq!(world.subjects(), ["Closed deals: 2 won €10.00"]);
}

#[tokio::test]
async fn a_kind_without_scope_is_left_out_and_the_others_go_on() {
    for denied in [Kind::Deal, Kind::Invoice, Kind::Payment] {
        let world = World::new(|_| {}).await;
        let past = world.account().in_the_past(NOW_MS - 3_600_000);
        past.create(Kind::Deal, &[("amount", "1")]);
        let invoice = past.create(Kind::Invoice, &[("hs_amount_billed", "80"), ("hs_invoice_status", "open")]);
        past.pay(invoice, "80", "R-1");
        past.deny(denied);
        assert_eq!(world.cycle().await.problems, [""; 0], "{denied:?}");
        for (of, kind) in [
            (Kind::Deal, record::Kind::Deal),
            (Kind::Invoice, record::Kind::Invoice),
            (Kind::Payment, record::Kind::Payment),
        ] {
            let known = world.app.store.known_records(PORTAL, kind).await.unwrap();
            assert_eq!(known, u64::from(of != denied), "{kind} without {denied:?}");
        }
    }
}

#[tokio::test]
async fn a_record_first_seen_later_comes_with_its_history_since_the_books_were_opened() {
    let world = World::new(|_| {}).await;
    let past = world.account().in_the_past(NOW_MS - 3_600_000);
    let values = [("dealname", "Roof"), ("amount", "40"), ("dealstage", "closedwon")];
    let deal = past.create(Kind::Deal, &values);
    world.arm("search-lag:7200s");
    world.cycle().await;
    let mut world = world;
    world.simulator.faults().clear();
    assert!(world.stored(record::Kind::Deal, deal).await.is_none(), "the search did not show it");
    world.clock.advance(1_000);
    world.account().set(Kind::Deal, deal, &[("amount", "45")]);
    world.clock.advance(1_000);
    world.set(Kind::Deal, deal, &[("dealname", "Roof and barn")]).await;
    world.report().await;
    assert_eq!(world.changes().await, ["deal.amount_changed"], "that it was won is from before");
    let document = world.newest("closed-deals").await;
    assert_eq!(titles(&document), ["Corrections"]);
    assert_eq!(row(&document, "Corrections").cells[2..], ["€40.00", "€45.00", "€5.00"]);
}

#[tokio::test]
async fn what_was_paid_before_the_opening_is_dated_by_its_history_in_the_first_report() {
    let monthly =
        definitions("[reports.month]\nschedule = \"monthly\"\nat = \"06:00\"\nsections = [\"paid\", \"received\"]")
            .await;
    let world = World::new(|choice| choice.definitions = monthly).await;
    let past = |moment: &str| world.account().in_the_past(moment.parse::<Timestamp>().unwrap().as_millisecond());
    // Each was touched again after it was paid; the first one in the month that the report is of.
    for (number, paid, touched) in [
        ("INV-1", "2026-10-30T10:00:00Z", "2026-11-05T10:00:00Z"),
        ("INV-2", "2026-11-03T10:00:00Z", "2026-11-10T10:00:00Z"),
        ("INV-3", "2026-10-02T10:00:00Z", "2026-10-20T10:00:00Z"),
        ("INV-4", "2026-09-02T10:00:00Z", "2026-09-20T10:00:00Z"),
    ] {
        let values = [("hs_number", number), ("hs_amount_billed", "80"), ("hs_invoice_status", "open")];
        let invoice = past("2026-08-10T10:00:00Z").create(Kind::Invoice, &values);
        past(paid).set(Kind::Invoice, invoice, &[("hs_amount_paid", "80"), ("hs_invoice_status", "paid")]);
        past(touched).set(Kind::Invoice, invoice, &[("hs_title", "Roof")]);
    }
    world.cycle().await;
    // What no report will show is dated by the last modification.
    let days = "SELECT DISTINCT date FROM entries WHERE figure IN ('invoice_paid', 'invoice_receipt') ORDER BY date";
    assert_eq!(world.ask(days).await, ["2026-09-20", "2026-10-02", "2026-10-30", "2026-11-03"]);
    world.cycle_at("2026-12-01T05:00:00Z").await;
    let document = world.newest("month").await;
    for title in ["Invoices paid", "Payments received"] {
        let row = row(&document, title);
        let day = row.cells.iter().any(|cell| cell.starts_with("3 Nov 2026"));
        assert!(row.name == "INV-2" && day, "{title}: {row:?}");
    }
}

#[tokio::test]
async fn a_report_that_is_added_later_gets_the_histories_that_it_needs() {
    let mut world = World::new(|_| {}).await;
    let at = |moment: &str| moment.parse::<Timestamp>().unwrap().as_millisecond();
    let past = |moment| world.account().in_the_past(at(moment));
    let values = [("hs_amount_billed", "40"), ("hs_invoice_status", "open")];
    let paid = [("hs_amount_paid", "40"), ("hs_invoice_status", "paid")];
    let invoice = past("2025-08-10T10:00:00Z").create(Kind::Invoice, &values);
    past("2025-08-12T10:00:00Z").set(Kind::Invoice, invoice, &paid);
    past("2026-02-02T10:00:00Z").set(Kind::Invoice, invoice, &[("hs_number", "INV-7")]);
    let older = past("2024-08-10T10:00:00Z").create(Kind::Invoice, &values);
    past("2024-09-12T10:00:00Z").set(Kind::Invoice, older, &paid);
    world.cycle().await;
    world.cycle_after(60).await;
    let days = "SELECT date FROM entries WHERE figure = 'invoice_receipt' ORDER BY date";
    assert_eq!(world.ask(days).await, ["2024-09-12", "2026-02-02"], "a list tells of the last modification only");
    let reads = world.calls("POST /crm/objects/invoices/batch/read");
    let yearly = "[reports.year]\nschedule = \"yearly\"\nat = \"06:00\"";
    world.app = world.colleague(definitions(yearly).await).await;
    world.cycle_after(60).await;
    assert_eq!(world.ask(days).await, ["2024-09-12", "2025-08-12"]);
    // What is older than the year before is as it was, and nothing is asked for again.
    assert_eq!(world.calls("POST /crm/objects/invoices/batch/read"), reads + 1);
    world.cycle_after(60).await;
    assert_eq!(world.calls("POST /crm/objects/invoices/batch/read"), reads + 1);
}

#[tokio::test]
async fn a_filter_that_is_added_later_knows_what_is_owed_and_what_was_just_won() {
    let mut world = World::new(|_| {}).await;
    let past = world.account().in_the_past(NOW_MS - 400 * 86_400_000);
    for (number, comments) in [("INV-1", "Rent"), ("INV-2", "Sale")] {
        let values = [("hs_amount_billed", "80"), ("hs_invoice_status", "open"), ("hs_comments", comments)];
        past.create(Kind::Invoice, &[&values[..], &[("hs_number", number)]].concat());
    }
    world.cycle().await;
    world.clock.advance(1_000);
    for (name, kind) in [("Roof", "newbusiness"), ("Renewal", "existingbusiness")] {
        let values = [("dealname", name), ("amount", "5"), ("dealstage", "closedwon"), ("dealtype", kind)];
        world.create(Kind::Deal, &values).await;
    }
    world.cycle().await;
    let filtered = |sections, properties| {
        format!(
            "schedule = \"daily\"\nat = \"06:00\"\nsections = [{sections}]\nfilter = {{ properties = {{ {properties} }} }}"
        )
    };
    let toml = format!(
        "[reports.rent]\n{}\n[reports.new]\n{}",
        filtered("\"ageing\"", "hs_comments = [\"Rent\"]"),
        filtered("\"won\"", "dealtype = [\"newbusiness\"]")
    );
    world.app = world.colleague(definitions(&toml).await).await;
    world.cycle_after(60).await;
    let reads = world.calls("POST /crm/objects/invoices/batch/read");
    world.cycle_at("2026-11-23T05:00:00Z").await;
    assert_eq!(world.calls("POST /crm/objects/invoices/batch/read"), reads, "they were asked for once");
    for (report, title, expected) in [("rent", "Oldest open invoices", "INV-1"), ("new", "Deals won", "Roof")] {
        let document = world.newest(report).await;
        let named: Vec<&str> = section(&document, title).unwrap().rows.iter().map(|row| &*row.name).collect();
        assert_eq!(named, [expected], "{report}");
    }
}
