//! What is always true, over random histories: order, repeats and splitting of the deliveries cannot matter, and what was
//! sent plus all corrections is what one would count today.

use std::collections::BTreeMap;

use hubspot_simulator::Kind;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{Document, World, definitions, section};

/// One thing that happens. The first number chooses a record, modulo those that there are.
#[derive(Debug, Clone)]
enum Step {
    NewDeal {
        stage: &'static str,
        amount: &'static str,
        currency: &'static str,
    },
    Deal(usize, &'static str, &'static str),
    NewInvoice {
        billed: &'static str,
        currency: &'static str,
        status: &'static str,
    },
    Invoice(usize, &'static str, &'static str),
    Archive(Kind, usize),
    Restore(Kind, usize),
    Merge(usize, usize),
    /// Nothing happens for so many seconds, and the worker works.
    Pause(i64),
}

const CURRENCIES: [&str; 3] = ["EUR", "USD", "GBP"];
const AMOUNTS: [&str; 5] = ["100", "100.00", "0.1", "7.005", "1234567.89"];
const STAGES: [&str; 5] = ["contractsent", "closedwon", "closedlost", "141520872", "closedwon"];

/// What people do to the values of deals and invoices.
fn an_edit() -> impl Strategy<Value = Step> {
    let any = prop::sample::select::<&'static str>;
    prop_oneof![
        2 => (any(STAGES.to_vec()), any(AMOUNTS.to_vec()), any(CURRENCIES.to_vec()))
            .prop_map(|(stage, amount, currency)| Step::NewDeal { stage, amount, currency }),
        5 => (0..9usize, any(STAGES.to_vec())).prop_map(|(deal, stage)| Step::Deal(deal, "dealstage", stage)),
        3 => (0..9usize, any([&AMOUNTS[..], &[""]].concat())).prop_map(|(deal, amount)| Step::Deal(deal, "amount", amount)),
        1 => (0..9usize, any(CURRENCIES.to_vec())).prop_map(|(deal, code)| Step::Deal(deal, "deal_currency_code", code)),
        1 => (0..9usize, any(vec!["2026-11-20T09:00:00.000Z", "2026-12-01T09:00:00.000Z"]))
            .prop_map(|(deal, date)| Step::Deal(deal, "closedate", date)),
        2 => (any(AMOUNTS.to_vec()), any(CURRENCIES.to_vec()), any(vec!["draft", "open", "paid"]))
            .prop_map(|(billed, currency, status)| Step::NewInvoice { billed, currency, status }),
        4 => (0..9usize, any(vec!["open", "paid", "voided"])).prop_map(|(it, status)| Step::Invoice(it, "hs_invoice_status", status)),
        2 => (0..9usize, any(AMOUNTS.to_vec())).prop_map(|(it, billed)| Step::Invoice(it, "hs_amount_billed", billed)),
        2 => (0..9usize, any(vec!["0", "0.1", "50", "100"])).prop_map(|(it, paid)| Step::Invoice(it, "hs_amount_paid", paid)),
        1 => (0..9usize, any(CURRENCIES.to_vec())).prop_map(|(it, code)| Step::Invoice(it, "hs_currency", code)),
    ]
}

/// The same, with records that disappear and come back, and with time for the worker.
fn a_step() -> impl Strategy<Value = Step> {
    let kind = || prop::sample::select(vec![Kind::Deal, Kind::Invoice]);
    prop_oneof![
        12 => an_edit(),
        1 => (kind(), 0..9usize).prop_map(|(kind, it)| Step::Archive(kind, it)),
        1 => (kind(), 0..9usize).prop_map(|(kind, it)| Step::Restore(kind, it)),
        2 => (0..9usize, 0..9usize).prop_map(|(one, other)| Step::Merge(one, other)),
        5 => prop::sample::select(vec![0, 30, 200, 400]).prop_map(Step::Pause),
    ]
}

fn chosen(world: &World, kind: Kind, number: usize) -> Option<i64> {
    let ids = world.account().ids(kind);
    (!ids.is_empty()).then(|| ids[number % ids.len()])
}

/// Lets a step happen and answers with the events that HubSpot sends of it.
async fn happen(world: &mut World, step: &Step, archived: &mut Vec<(Kind, i64)>) -> Vec<Value> {
    world.clock.advance(1_000);
    let account = world.account().clone();
    match *step {
        Step::NewDeal { stage, amount, currency } => {
            let values = [("dealstage", stage), ("amount", amount), ("deal_currency_code", currency)];
            let deal = account.create(Kind::Deal, &values);
            vec![world.changed(Kind::Deal, deal, "amount"), world.event(Kind::Deal, deal, "creation", json!({}))]
        }
        Step::NewInvoice { billed, currency, status } => {
            let values = [("hs_amount_billed", billed), ("hs_currency", currency), ("hs_invoice_status", status)];
            let invoice = account.create(Kind::Invoice, &values);
            vec![world.event(Kind::Invoice, invoice, "creation", json!({}))]
        }
        Step::Deal(number, property, value) => edit(world, Kind::Deal, number, property, value, archived),
        Step::Invoice(number, property, value) => edit(world, Kind::Invoice, number, property, value, archived),
        Step::Archive(kind, number) => {
            let Some(id) = chosen(world, kind, number).filter(|id| !archived.contains(&(kind, *id))) else {
                return vec![];
            };
            archived.push((kind, id));
            account.archive(kind, id);
            vec![world.event(kind, id, "deletion", json!({}))]
        }
        Step::Restore(kind, number) => {
            let Some(id) = chosen(world, kind, number).filter(|id| archived.contains(&(kind, *id))) else {
                return vec![];
            };
            archived.retain(|it| *it != (kind, id));
            account.restore(kind, id);
            vec![world.event(kind, id, "restore", json!({}))]
        }
        Step::Merge(one, other) => {
            let (Some(winner), Some(loser)) = (chosen(world, Kind::Deal, one), chosen(world, Kind::Deal, other)) else {
                return vec![];
            };
            if winner == loser || [winner, loser].iter().any(|id| archived.contains(&(Kind::Deal, *id))) {
                return vec![];
            }
            account.merge(Kind::Deal, winner, loser);
            let details = json!({ "primaryObjectId": winner, "mergedObjectIds": [loser] });
            vec![world.event(Kind::Deal, winner, "merge", details)]
        }
        Step::Pause(_) => vec![],
    }
}

fn edit(
    world: &mut World,
    kind: Kind,
    number: usize,
    property: &str,
    value: &str,
    archived: &[(Kind, i64)],
) -> Vec<Value> {
    let Some(id) = chosen(world, kind, number).filter(|id| !archived.contains(&(kind, *id))) else { return vec![] };
    // What holds already is no change, and HubSpot says nothing of it.
    if world.account().value(kind, id, property).unwrap_or_default() == value {
        return vec![];
    }
    world.account().set(kind, id, &[(property, value)]);
    vec![world.changed(kind, id, property)]
}

/// Minor units by currency, as the section's total says.
fn totals(documents: &[Document], sections: &[&str]) -> BTreeMap<char, i128> {
    let mut sums = BTreeMap::new();
    for total in
        documents.iter().flat_map(|it| sections.iter().filter_map(|title| section(it, title))).flat_map(|it| &it.totals)
    {
        let minor: i128 = total.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
        let sign = if total.starts_with('−') { -1 } else { 1 };
        *sums.entry(total.trim_start_matches('−').chars().next().unwrap()).or_default() += sign * minor;
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}

/// What the account holds, counted anew: the amounts of records that are in one of these states.
fn counted(
    world: &World,
    kind: Kind,
    names: [&str; 3],
    states: &[&str],
    archived: &[(Kind, i64)],
) -> BTreeMap<char, i128> {
    let mut sums = BTreeMap::new();
    for id in world.account().ids(kind).into_iter().filter(|id| !archived.contains(&(kind, *id))) {
        let [state, amount, currency] = names.map(|name| world.account().value(kind, id, name).unwrap_or_default());
        if states.contains(&state.as_str()) && !amount.is_empty() {
            // By hand, so that this does not count with what it checks.
            let cents = match amount.as_str() {
                "100" | "100.00" => 10_000,
                "0.1" => 10,
                "7.005" => 700,
                "1234567.89" => 123_456_789,
                "40" => 4_000,
                other => panic!("{other} is no amount of these tests"),
            };
            let symbol = match currency.as_str() {
                "EUR" => '€',
                "USD" => '$',
                _ => '£',
            };
            *sums.entry(symbol).or_default() += cents;
        }
    }
    sums
}

fn minus(mut left: BTreeMap<char, i128>, right: &BTreeMap<char, i128>) -> BTreeMap<char, i128> {
    for (symbol, sum) in right {
        *left.entry(*symbol).or_default() -= sum;
    }
    left.retain(|_, sum| *sum != 0);
    left
}

const DEAL: [&str; 3] = ["dealstage", "amount", "deal_currency_code"];
const WON: [&str; 2] = ["closedwon", "141520872"];
const INVOICE: [&str; 3] = ["hs_invoice_status", "hs_amount_billed", "hs_currency"];
const OWED: [&str; 2] = ["open", "paid"];

fn before(account: &hubspot_simulator::Account) {
    for stage in ["closedwon", "contractsent"] {
        account.create(Kind::Deal, &[("dealname", stage), ("amount", "40"), ("dealstage", stage)]);
    }
    account.create(Kind::Invoice, &[("hs_amount_billed", "40"), ("hs_invoice_status", "open")]);
}

/// Plays a history with reports at random moments, and compares what they say together with what there is.
async fn sent_plus_corrections_is_what_there_is(steps: &[Step]) {
    let mut world = World::open(before).await;
    let mut archived = Vec::new();
    let opening = [counted(&world, Kind::Deal, DEAL, &WON, &[]), counted(&world, Kind::Invoice, INVOICE, &OWED, &[])];
    for step in steps {
        let events = happen(&mut world, step, &mut archived).await;
        if !events.is_empty() {
            world.deliver(&events).await;
        }
        if let Step::Pause(seconds) = step {
            assert_eq!(world.cycle_after(*seconds).await.problems, [""; 0]);
        }
    }
    // A merged record whose winner was archived before anybody looked is gone, which takes two more looks.
    for _ in 0..5 {
        assert_eq!(world.cycle_after(900).await.problems, [""; 0]);
    }
    let [deals, invoices] = opening;
    let sent = totals(&world.documents("closed-deals").await, &["Won", "Corrections"]);
    assert_eq!(sent, minus(counted(&world, Kind::Deal, DEAL, &WON, &archived), &deals), "deals");
    let sent = totals(&world.documents("invoices").await, &["Created", "Corrections"]);
    assert_eq!(sent, minus(counted(&world, Kind::Invoice, INVOICE, &OWED, &archived), &invoices), "invoices");
}

/// Days that are told in the morning after, and the month with the same figures.
const SCHEDULED: &str = "[reports.won]\nschedule = \"daily\"\nat = \"06:00\"\nsections = [\"won\", \"corrections\"]\n\
    [reports.month]\nschedule = \"monthly\"\nat = \"06:00\"\nsections = [\"won\", \"corrections\"]\n\
    [reports.created]\nschedule = \"daily\"\nat = \"06:00\"\nsections = [\"created\", \"corrections\"]";

/// Plays a history of some days, each of which is told on the next morning, and compares what all reports say together with
/// what there is, and the days of the month with the month.
async fn days_told_plus_corrections_are_what_there_is(steps: &[Step]) {
    let definitions = definitions(SCHEDULED).await;
    let mut world = World::open_with(|choice| choice.definitions = definitions, before).await;
    let mut archived = Vec::new();
    for step in steps {
        let step = match step {
            // Within the days that are told.
            Step::Deal(deal, "closedate", date) if date.contains("11-20") => {
                &Step::Deal(*deal, "closedate", "2026-11-25T09:00:00.000Z")
            }
            other => other,
        };
        let events = happen(&mut world, step, &mut archived).await;
        if !events.is_empty() {
            world.deliver(&events).await;
        }
        if let Step::Pause(seconds) = step {
            assert_eq!(world.cycle_after(*seconds * 100).await.problems, [""; 0]);
        }
    }
    for _ in 0..5 {
        assert_eq!(world.cycle_after(900).await.problems, [""; 0]);
    }
    for morning in ["2026-12-01T05:00:00Z", "2026-12-04T05:00:00Z"] {
        let morning: jiff::Timestamp = morning.parse().unwrap();
        if world.now() > morning {
            return;
        }
        world.clock.advance(morning.as_millisecond() - world.clock.now_ms());
        assert_eq!(world.cycle().await.problems, [""; 0]);
        let days = totals(&world.documents("won").await, &["Deals won", "Corrections"]);
        if world.documents("month").await.len() == 1 && morning.to_string().starts_with("2026-12-01") {
            assert_eq!(days, totals(&world.documents("month").await, &["Deals won"]), "the days and the month");
        } else {
            assert_eq!(days, counted(&world, Kind::Deal, DEAL, &WON, &archived), "deals");
        }
    }
    let created = totals(&world.documents("created").await, &["Invoices created", "Corrections"]);
    assert_eq!(created, counted(&world, Kind::Invoice, INVOICE, &OWED, &archived), "invoices");
}

/// Plays a history for two sets of books: one is told at once and in order, the other at the end, in any order, with any
/// repeats, split in any way.
async fn the_way_of_delivery_does_not_matter(steps: &[Step], order: &[prop::sample::Index], splits: &[usize]) {
    let mut world = World::open(before).await;
    let other = world.other_books().await;
    let mut events = Vec::new();
    for step in steps {
        let told = happen(&mut world, step, &mut Vec::new()).await;
        if !told.is_empty() {
            world.deliver(&told).await;
            assert_eq!(world.cycle().await.problems, [""; 0]);
        }
        events.extend(told);
    }
    if events.is_empty() {
        return;
    }
    // Every event at least once, in another order, and some again.
    let mut shuffled = Vec::new();
    for (rank, event) in order.iter().zip(&events) {
        shuffled.insert(rank.index(shuffled.len() + 1), event.clone());
    }
    shuffled.extend(order.iter().skip(events.len()).map(|again| again.get(&events).clone()));
    world.clock.advance(1_000);
    let in_order = std::mem::replace(&mut world.app, other);
    let mut rest = &shuffled[..];
    for split in splits.iter().cycle() {
        let (now, later) = rest.split_at((*split).min(rest.len()));
        if now.is_empty() {
            break;
        }
        world.deliver(now).await;
        if split % 2 == 0 {
            assert_eq!(world.cycle().await.problems, [""; 0]);
        }
        rest = later;
    }
    assert_eq!(world.cycle().await.problems, [""; 0]);
    const CHANGES: &str = "SELECT kind || record_id || ' ' || CAST(change_id AS CHAR) || ' ' || business_date || ' ' || effective_at \
                           FROM changes ORDER BY 1";
    let shuffled = (world.ask(CHANGES).await, world.app);
    world.app = in_order;
    assert_eq!(shuffled.0, world.ask(CHANGES).await);
    world.cycle_after(900).await;
    let expected = [world.documents("closed-deals").await, world.documents("invoices").await];
    world.app = shuffled.1;
    world.cycle().await;
    assert_eq!([world.documents("closed-deals").await, world.documents("invoices").await], expected);
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, max_shrink_iters: 60, ..ProptestConfig::default() })]

    /// Always: as sent, plus all corrections, is as counted anew; per currency, for deals and for invoices, wherever in
    /// the history reports were built.
    #[test]
    fn reports_add_up(steps in prop::collection::vec(a_step(), 5..40)) {
        run(sent_plus_corrections_is_what_there_is(&steps));
    }

    /// Always: the days as they were told, plus all corrections, are as counted anew, and they are the month.
    #[test]
    fn days_add_up(steps in prop::collection::vec(a_step(), 5..40)) {
        run(days_told_plus_corrections_are_what_there_is(&steps));
    }

    /// Always: any order, any repeats and any splitting of the deliveries give the same changes and the same reports.
    #[test]
    fn any_delivery_gives_the_same_books(
        steps in prop::collection::vec(an_edit(), 1..20),
        order in prop::collection::vec(any::<prop::sample::Index>(), 60..80),
        splits in prop::collection::vec(1..9usize, 4),
    ) {
        run(the_way_of_delivery_does_not_matter(&steps, &order, &splits));
    }
}
