//! Load: any number of records with random lives, interleaved as they would be in a busy account.

use fastrand::Rng;

use super::{Action, Step, create, end_of_day, money, set, step};
use crate::account::{Account, Kind};

/// The lives of `records` new deals and invoices, one write a step, the same for the same seed (and the same account).
/// Steps of different records alternate; those of one record keep their order.
pub fn load(account: &Account, records: usize, seed: u64) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed);
    let owners: Vec<String> = account.owners().iter().map(|owner| owner.id.to_string()).collect();
    let due = end_of_day(account, 14);
    let mut lives: Vec<_> = (1..=records)
        .map(|number| {
            let life = if rng.u8(..10) < 6 {
                deal(&mut rng, seed, number, &owners)
            } else {
                invoice(&mut rng, seed, number, &due)
            };
            life.into_iter()
        })
        .collect();
    let mut steps = Vec::new();
    while !lives.is_empty() {
        let at = rng.usize(..lives.len());
        match lives[at].next() {
            Some(step) => steps.push(step),
            None => drop(lives.swap_remove(at)),
        }
    }
    steps
}

/// An amount of up to 99,999.99.
fn amount(rng: &mut Rng) -> String {
    format!("{}.{:02}", rng.u32(1..100_000), rng.u32(..100))
}

fn currency(rng: &mut Rng) -> &'static str {
    if rng.u8(..4) == 0 { "USD" } else { "EUR" }
}

fn deal(rng: &mut Rng, seed: u64, number: usize, owners: &[String]) -> Vec<Step> {
    let name = format!("Load deal {seed}-{number}");
    let (sum, currency) = (amount(rng), currency(rng));
    let mut pairs = vec![("dealname", name.as_str()), ("deal_currency_code", currency)];
    // Some have no amount, some belong to nobody.
    if rng.u8(..30) > 0 {
        pairs.push(("amount", &sum));
    }
    if let Some(owner) = rng.choice(owners).filter(|_| rng.u8(..20) > 0) {
        pairs.push(("hubspot_owner_id", owner));
    }
    let mut life =
        vec![step(format!("“{name}” is opened, {}", money(&sum, currency)), [create(Kind::Deal, &pairs, None)])];
    let mut change = |label: &str, property, value: &str| {
        life.push(step(format!("“{name}” {label}"), [set(Kind::Deal, &name, &[(property, value)])]));
    };
    for _ in 0..rng.u8(..4) {
        if rng.bool() {
            change("moves on", "dealstage", rng.choice(["qualifiedtobuy", "contractsent"]).unwrap_or("contractsent"));
        } else {
            change("gets another amount", "amount", &amount(rng));
        }
    }
    match rng.u8(..20) {
        0..=8 => {
            change("is won", "dealstage", "closedwon");
            if rng.u8(..7) == 0 {
                change("is reopened", "dealstage", "contractsent");
            }
        }
        9..=13 => change("is lost", "dealstage", "closedlost"),
        14 => life.push(step(format!("“{name}” is archived"), [Action::Archive { kind: Kind::Deal, name }])),
        _ => {}
    }
    life
}

fn invoice(rng: &mut Rng, seed: u64, number: usize, due: &str) -> Vec<Step> {
    let name = format!("LOAD-{seed}-{number}");
    let (whole, cents, currency) = (rng.u32(2..100_000), rng.u32(..100), currency(rng));
    let billed = format!("{whole}.{cents:02}");
    let pairs =
        [("hs_number", name.as_str()), ("hs_amount_billed", &billed), ("hs_currency", currency), ("hs_due_date", due)];
    let mut life = vec![step(
        format!("Invoice {name} over {} is drafted", money(&billed, currency)),
        [create(Kind::Invoice, &pairs, None)],
    )];
    if rng.u8(..10) == 0 {
        return life;
    }
    let status = |to: &str| [set(Kind::Invoice, &name, &[("hs_invoice_status", to)])];
    life.push(step(format!("Invoice {name} is sent"), status("open")));
    let pay = |amount: String, part: u8| {
        let label = format!("{} of invoice {name} are paid", money(&amount, currency));
        step(label, [Action::Pay { invoice: name.clone(), amount, reference: format!("{name}-{part}") }])
    };
    match rng.u8(..10) {
        0 => life.push(step(format!("Invoice {name} is voided"), status("voided"))),
        1..=3 => {
            let first = rng.u32(1..whole);
            life.push(pay(format!("{first}.00"), 1));
            life.push(pay(format!("{}.{cents:02}", whole - first), 2));
        }
        4..=7 => life.push(pay(billed.clone(), 1)),
        _ => {}
    }
    life
}
