//! A believable working day in a small company that sells in euro and dollars.

use super::{Action, Pause, Step, create, end_of_day, money, set, step};
use crate::account::{Account, Kind};
use crate::clock::iso;

/// Owner ids of the account's people.
const ANNA: &str = "53118204";
const TOMASZ: &str = "53118377";
const PRIYA: &str = "54902115";
const LARS: &str = "49660981";

const MUELLER: &str = "Müller & Söhne GmbH";
const KOLIBRI: &str = "Kolibri Logistik AG";
const BRIGHTWATER: &str = "Brightwater Inc.";
const NORTHGATE: &str = "Northgate Tools Ltd";
const LUMIERE: &str = "Café Lumière 🌟";

/// Milliseconds of a day, for moments long ago where an hour more or less does not matter.
const DAY_MS: i64 = 86_400_000;

fn new_deal(name: &str, amount: &str, currency: &str, owner: &str, company: &'static str) -> Action {
    let pairs = [("dealname", name), ("amount", amount), ("deal_currency_code", currency), ("hubspot_owner_id", owner)];
    create(Kind::Deal, &pairs, Some(company))
}

fn new_invoice(number: &str, title: &str, amount: &str, currency: &str, due: &str, company: &'static str) -> Action {
    let pairs = [
        ("hs_number", number),
        ("hs_title", title),
        ("hs_amount_billed", amount),
        ("hs_currency", currency),
        ("hs_due_date", due),
    ];
    create(Kind::Invoice, &pairs, Some(company))
}

fn stage(name: &str, id: &str) -> Action {
    set(Kind::Deal, name, &[("dealstage", id)])
}

fn status(number: &str, status: &str) -> Action {
    set(Kind::Invoice, number, &[("hs_invoice_status", status)])
}

fn pay(invoice: &str, amount: &str, reference: &str) -> Action {
    Action::Pay { invoice: invoice.to_owned(), amount: amount.to_owned(), reference: reference.to_owned() }
}

fn bill(invoice: &str, deal: &'static str) -> Action {
    Action::Bill { invoice: invoice.to_owned(), deal }
}

/// Fills the account with what is there before the day: companies, deals and invoices old and open. Nobody hears of it,
/// and it must never be reported as news.
pub fn before_the_day(account: &Account) {
    let days_ago = |days: i64| account.in_the_past(account.now_ms() - days * DAY_MS);
    let play = |days: i64, actions: &[Action]| {
        let past = days_ago(days);
        for action in actions {
            action.run(&past);
        }
    };
    let companies = [
        (MUELLER, "mueller-soehne.example", "Germany"),
        (KOLIBRI, "kolibri.example", "Switzerland"),
        (BRIGHTWATER, "brightwater.example", "United States"),
        (NORTHGATE, "northgate.example", "United Kingdom"),
        (LUMIERE, "lumiere.example", "France"),
    ];
    let companies = companies.map(|(name, domain, country)| {
        create(Kind::Company, &[("name", name), ("domain", domain), ("country", country)], None)
    });
    play(90, &companies);
    let due = |days: i32| end_of_day(account, days);
    play(45, &[new_deal("Legacy migration", "15000.00", "EUR", LARS, NORTHGATE)]);
    play(40, &[new_deal("Annual support 2026", "9600.00", "EUR", ANNA, NORTHGATE)]);
    play(30, &[stage("Legacy migration", "closedlost")]);
    play(
        26,
        &[
            new_deal("Website relaunch", "12300.00", "EUR", ANNA, MUELLER),
            new_deal("Fleet tracking pilot", "48750.50", "EUR", TOMASZ, KOLIBRI),
            new_invoice("INV-2041", "Annual support 2026", "9600.00", "EUR", &due(-12), NORTHGATE),
            new_invoice("INV-2042", "Design workshop", "4165.00", "EUR", &due(-3), MUELLER),
        ],
    );
    play(25, &[status("INV-2041", "open"), status("INV-2042", "open")]);
    play(
        14,
        &[
            stage("Annual support 2026", "closedwon"),
            new_deal("Warehouse scanners", "27499.99", "USD", PRIYA, BRIGHTWATER),
            new_deal("Tills for Café Lumière 🌟", "3180.40", "EUR", ANNA, LUMIERE),
            new_invoice("INV-2043", "Scanner pilot", "6250.00", "USD", &due(10), BRIGHTWATER),
        ],
    );
    let service = [
        ("dealname", "Wartungsvertrag Nord"),
        ("amount", "7840.75"),
        ("pipeline", "73150024"),
        ("dealstage", "141520871"),
        ("hubspot_owner_id", TOMASZ),
    ];
    play(12, &[create(Kind::Deal, &service, Some(KOLIBRI)), status("INV-2043", "open")]);
    play(10, &[pay("INV-2041", "9600.00", "PAY-7001"), stage("Website relaunch", "contractsent")]);
    play(2, &[stage("Fleet tracking pilot", "qualifiedtobuy"), stage("Warehouse scanners", "contractsent")]);
}

/// The day after [`before_the_day`]: about thirty steps. One deal is won and reopened after it was reported; its step asks
/// for [`Pause::UntilReported`].
pub fn working_day(account: &Account) -> Vec<Step> {
    let (eur, usd) = (|amount| money(amount, "EUR"), |amount| money(amount, "USD"));
    let due = |days| end_of_day(account, days);
    let in_two_weeks = iso(account.now_ms() + 14 * DAY_MS);
    vec![
        step(
            format!("Priya Nair opens a deal with {KOLIBRI}: “Chargers for the new depot”, {}", eur("18920.35")),
            [new_deal("Chargers for the new depot", "18920.35", "EUR", PRIYA, KOLIBRI)],
        ),
        step(
            format!("Anna Keller wins “Website relaunch”, {}", eur("12300.00")),
            [stage("Website relaunch", "closedwon")],
        ),
        step(
            format!("Priya Nair opens a deal with {BRIGHTWATER}: “Scanner spare parts”, {}", usd("2310.05")),
            [new_deal("Scanner spare parts", "2310.05", "USD", PRIYA, BRIGHTWATER)],
        ),
        step(
            format!("Invoice INV-2044 over {} is drafted for {MUELLER}", eur("6150.00")),
            [
                new_invoice("INV-2044", "Website relaunch, first half", "6150.00", "EUR", &due(14), MUELLER),
                bill("INV-2044", "Website relaunch"),
            ],
        ),
        step(
            format!("Priya Nair gives {BRIGHTWATER} a discount: “Warehouse scanners” is now {}", usd("26899.99")),
            [set(Kind::Deal, "Warehouse scanners", &[("amount", "26899.99")])],
        ),
        step(
            format!("Priya Nair wins “Warehouse scanners”, {}", usd("26899.99")),
            [stage("Warehouse scanners", "closedwon")],
        ),
        step("Invoice INV-2044 is sent", [status("INV-2044", "open")]),
        step(
            "Anna Keller sends the contract for “Tills for Café Lumière 🌟”",
            [stage("Tills for Café Lumière 🌟", "contractsent")],
        ),
        step(
            format!("{BRIGHTWATER} pays {} of invoice INV-2043", usd("2500.00")),
            [pay("INV-2043", "2500.00", "PAY-7002")],
        ),
        step(
            format!("Tomasz Wójcik loses “Fleet tracking pilot”, {}", eur("48750.50")),
            [stage("Fleet tracking pilot", "closedlost")],
        ),
        step(
            format!("Tomasz Wójcik wins “Wartungsvertrag Nord”, {}", eur("7840.75")),
            [stage("Wartungsvertrag Nord", "141520872")],
        ),
        step(
            format!("{MUELLER} pays the overdue invoice INV-2042, {}", eur("4165.00")),
            [pay("INV-2042", "4165.00", "PAY-7003")],
        ),
        step(
            "Somebody enters the chargers a second time",
            [new_deal("Depot chargers", "18920.35", "EUR", TOMASZ, KOLIBRI)],
        ),
        step(
            "Tomasz Wójcik merges the second entry into “Chargers for the new depot”",
            [Action::Merge { kind: Kind::Deal, winner: "Chargers for the new depot", loser: "Depot chargers" }],
        ),
        step(
            format!("Invoice INV-2045 over {} is made and sent to {BRIGHTWATER}", usd("13450.00")),
            [
                new_invoice("INV-2045", "Warehouse scanners, first half", "13450.00", "USD", &due(30), BRIGHTWATER),
                bill("INV-2045", "Warehouse scanners"),
                status("INV-2045", "open"),
            ],
        ),
        step(
            format!("Invoice INV-2046 over {} is made and sent to {NORTHGATE}", eur("880.60")),
            [new_invoice("INV-2046", "Travel costs", "880.60", "EUR", &due(14), NORTHGATE), status("INV-2046", "open")],
        ),
        step("Invoice INV-2046 went to the wrong address and is voided", [status("INV-2046", "voided")]),
        Step {
            pause: Pause::UntilReported,
            ..step(
                "Anna Keller reopens “Website relaunch”: the customer wants another offer",
                [set(Kind::Deal, "Website relaunch", &[("dealstage", "contractsent"), ("closedate", &in_two_weeks)])],
            )
        },
        step(
            format!("Anna Keller wins “Tills for Café Lumière 🌟”, {}", eur("3180.40")),
            [stage("Tills for Café Lumière 🌟", "closedwon")],
        ),
        step(
            format!("{BRIGHTWATER} pays the rest of invoice INV-2043, {}", usd("3750.00")),
            [pay("INV-2043", "3750.00", "PAY-7004")],
        ),
        step(
            format!("Priya Nair opens and wins “Emergency replacement” with {NORTHGATE}, {}", usd("1999.95")),
            [
                new_deal("Emergency replacement", "1999.95", "USD", PRIYA, NORTHGATE),
                stage("Emergency replacement", "closedwon"),
            ],
        ),
        step(
            "“Framework agreement 2027” is won, with no amount, no owner and no company",
            [
                create(Kind::Deal, &[("dealname", "Framework agreement 2027")], None),
                stage("Framework agreement 2027", "closedwon"),
            ],
        ),
        step(
            format!("{} of {BRIGHTWATER}'s first payment is refunded", usd("120.00")),
            [set(
                Kind::Payment,
                "PAY-7002",
                &[("hs_refunds_amount", "120.00"), ("hs_latest_status", "partially_refunded")],
            )],
        ),
        step(
            "Priya Nair moves the close date of “Chargers for the new depot” by two weeks",
            [set(Kind::Deal, "Chargers for the new depot", &[("closedate", &in_two_weeks)])],
        ),
        step(
            format!("Invoice INV-2047 over {} is drafted for {LUMIERE}, and stays a draft", eur("3180.40")),
            [
                new_invoice("INV-2047", "Tills", "3180.40", "EUR", &due(14), LUMIERE),
                bill("INV-2047", "Tills for Café Lumière 🌟"),
            ],
        ),
    ]
}
