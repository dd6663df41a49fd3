//! What HubSpot never managed to deliver is found by comparing, and then told like everything else.

use hubspot_simulator::Kind;
use report_worker::cycle::reconcile::{Comparison, ComparisonError, Reconciled};
use report_worker::domain::record;
use serde_json::json;

use crate::away::{fill_disk, free_disk};
use crate::world::{PORTAL, World};

/// Compares by hand, and gives what was found, without the ids.
pub(crate) async fn compare(world: &World, repair: bool) -> (Reconciled, Vec<String>) {
    let (store, crm) = (&world.app.store, &world.app.crm);
    let comparison = Comparison { store, crm, portal_id: PORTAL, walk: "by hand", repair };
    let mut progress = comparison.begin(world.now()).await.unwrap();
    while comparison.step(&mut progress, world.now()).await.unwrap() {}
    let (result, found) = comparison.end(progress, world.now()).await.unwrap();
    let told = |(record, difference): &(record::RecordKey, String)| format!("{} {difference}", record.kind);
    let mut found: Vec<String> = found.iter().map(told).collect();
    found.sort();
    (result, found)
}

#[tokio::test]
async fn whatever_was_never_delivered_is_found_once_and_told() {
    let (mut changed, mut gone, mut back, mut renamed) = (0, 0, 0, 0);
    let mut world = World::open(|account| {
        changed = account.create(Kind::Deal, &[("amount", "100"), ("dealstage", "closedwon")]);
        gone = account.create(Kind::Invoice, &[("hs_invoice_status", "open"), ("hs_amount_billed", "7")]);
        back = account.create(Kind::Deal, &[("amount", "5")]);
        renamed = account.create(Kind::Deal, &[("dealname", "Old")]);
    })
    .await;
    world.archive(Kind::Deal, back).await;
    world.report().await;
    assert_eq!(compare(&world, false).await.1, [""; 0], "nothing was lost so far");

    // No event of these reaches anybody.
    world.clock.advance(60_000);
    world.account().set(Kind::Deal, changed, &[("amount", "250")]);
    world.account().set(Kind::Deal, renamed, &[("dealname", "New")]);
    world.account().archive(Kind::Invoice, gone);
    world.account().restore(Kind::Deal, back);
    world.account().create(Kind::Deal, &[("amount", "9"), ("dealstage", "closedwon")]);
    assert_eq!(compare(&world, false).await.1, ["deal closed"], "the rest may have events on their way");

    world.clock.advance(600_001);
    let all = ["deal closed", "deal missing", "deal other amount", "invoice unlisted"];
    let (result, found) = compare(&world, false).await;
    assert_eq!((result.listed, result.found, result.repaired), (4, 4, false));
    assert_eq!(found, all);
    assert_eq!(world.cycle().await.records_read, 0, "it was only to be listed");

    assert_eq!(compare(&world, true).await.1, all);
    assert_eq!(compare(&world, true).await.1, [""; 0], "what is due is not missing");
    let mut summary = world.cycle().await;
    // An invoice that is not there is asked for again, as after a deletion.
    summary.add(&world.cycle_after(2).await);
    summary.add(&world.cycle_after(10).await);
    assert_eq!((summary.changes, summary.problems.len()), (4, 0));
    let mut changes = world.changes().await;
    changes.sort();
    let told_before = "record.archived";
    assert_eq!(changes, ["deal.amount_changed", "deal.won", told_before, "record.archived", "record.restored"]);
    world.clock.advance(3_600_000);
    assert_eq!(compare(&world, false).await.1, [""; 0]);
}

#[tokio::test]
async fn every_night_the_books_are_compared_and_repaired_by_themselves() {
    let mut deal = 0;
    let world =
        World::open(|account| deal = account.create(Kind::Deal, &[("amount", "100"), ("dealstage", "closedwon")]))
            .await;
    world.account().set(Kind::Deal, deal, &[("amount", "250")]);
    let searches = || world.calls("POST /crm/objects/deals/search");
    let after_opening = searches();
    // Twelve hours later it is 23:00 in Berlin, then 0:30.
    assert_eq!(world.cycle_after(12 * 3_600).await.changes, 0);
    assert_eq!(searches(), after_opening);
    let mut summary = world.cycle_after(5_400).await;
    assert_eq!(searches(), after_opening + 1);
    summary.add(&world.cycle_after(60).await);
    assert_eq!((summary.changes, summary.problems.len()), (1, 0));
    assert_eq!(searches(), after_opening + 1, "once a night");
    let result: Reconciled = world.app.store.fact("reconciled").await.unwrap().unwrap();
    assert_eq!((result.listed, result.found, result.repaired), (1, 1, true));
}

#[tokio::test]
async fn a_night_in_which_hubspot_cannot_be_asked_says_nothing_of_the_books() {
    let world = World::open(|account| {
        account.create(Kind::Invoice, &[("hs_amount_billed", "3")]);
    })
    .await;
    world.simulator.faults().arm("server-error:99".parse().unwrap());
    let summary = world.cycle_after(14 * 3_600).await;
    assert!(summary.problems.iter().any(|problem| problem.starts_with("reconcile: ")), "{:?}", summary.problems);
    assert_eq!(world.app.store.fact::<Reconciled>("reconciled").await.unwrap(), None);
    world.simulator.faults().clear();
    assert_eq!(world.cycle_after(60).await.problems, [""; 0]);
    assert!(world.app.store.fact::<Reconciled>("reconciled").await.unwrap().is_some());
}

#[tokio::test]
async fn an_interrupted_comparison_goes_on_where_it_was() {
    let world = World::open(|account| {
        for _ in 0..450 {
            account.create(Kind::Deal, &[]);
        }
    })
    .await;
    world.clock.advance(3_600_000);
    let (store, crm) = (&world.app.store, &world.app.crm);
    let comparison = Comparison { store, crm, portal_id: PORTAL, walk: "by hand", repair: false };
    let mut progress = comparison.begin(world.now()).await.unwrap();
    assert!(comparison.step(&mut progress, world.now()).await.unwrap());
    // The process ends here.
    world.clock.advance(60_000);
    let again = comparison.begin(world.now()).await.unwrap();
    assert_eq!((again.began_at, again.listed), (progress.began_at, 200));
    assert_eq!(compare(&world, false).await.1, [""; 0], "what the first part has listed is not taken for unlisted");
    let elsewhere = comparison.step(&mut progress, world.now()).await.unwrap_err().to_string();
    assert!(elsewhere.starts_with("another process goes on"), "one that was overtaken must not judge: {elsewhere}");
    world.clock.advance(1);
    let stale = comparison.begin(world.now()).await.unwrap();
    assert_eq!(stale.listed, 0, "that one came to its end");
}

/// The line of the newest report that says whether it is complete.
#[tokio::test]
async fn a_comparison_that_fails_over_what_is_unlisted_finds_it_the_next_time() {
    let mut gone = 0;
    let world = World::open(|account| gone = account.create(Kind::Invoice, &[("hs_invoice_status", "open")])).await;
    world.account().archive(Kind::Invoice, gone);
    world.clock.advance(3_600_000);
    let (store, crm) = (&world.app.store, &world.app.crm);
    let comparison = Comparison { store, crm, portal_id: PORTAL, walk: "by hand", repair: false };
    let mut progress = comparison.begin(world.now()).await.unwrap();
    fill_disk(&world, "INSERT ON compared", "NEW.difference = 'unlisted'").await;
    let failed = loop {
        match comparison.step(&mut progress, world.now()).await {
            Ok(more) => assert!(more, "it cannot come to its end"),
            Err(error) => break error,
        }
    };
    assert!(matches!(failed, ComparisonError::Store(_)), "{failed}");
    free_disk(&world).await;
    assert_eq!(compare(&world, false).await.1, ["invoice unlisted"]);
}

async fn completeness(world: &World) -> String {
    world.newest("closed-deals").await.notes.remove(0)
}

#[tokio::test]
async fn a_report_is_never_called_complete_when_hubspot_could_not_be_asked() {
    let closed = &[("amount", "1"), ("dealstage", "closedwon")];
    let mut world = World::open(|_| {}).await;
    world.create(Kind::Deal, closed).await;
    world.report().await;
    let line = completeness(&world).await;
    assert!(line.starts_with("Complete as of "), "the opening balance was a comparison: {line}");

    // A deal is read and waits for its report; of another one HubSpot tells, and is gone.
    world.create(Kind::Deal, closed).await;
    world.cycle().await;
    world.create(Kind::Deal, closed).await;
    world.arm("server-error:9999");
    assert_eq!(world.cycle_after(16 * 60).await.reports, 1);
    let unread = "Not known to be complete: 1 record that HubSpot told of could not be read yet.";
    assert_eq!(completeness(&world).await, unread);

    // Another one waits while two nights pass without a comparison.
    world.simulator.faults().clear();
    world.report().await;
    world.create(Kind::Deal, closed).await;
    world.cycle().await;
    world.arm("server-error:9999");
    assert_eq!(world.cycle_after(48 * 3_600).await.reports, 1);
    let line = completeness(&world).await;
    assert!(
        line.starts_with("Not known to be complete: the records could not be compared with HubSpot since "),
        "{line}"
    );
    assert!(!line.contains(';'), "{line}");

    // HubSpot is back.
    world.simulator.faults().clear();
    world.cycle_after(600).await;
    world.create(Kind::Deal, closed).await;
    world.report().await;
    let line = completeness(&world).await;
    assert!(line.starts_with("Complete as of "), "{line}");
}

/// A world in which a deal was won, and a quiet cycle after that has told of it.
async fn with_a_deal_won() -> (World, i64) {
    let mut world = World::open(|_| {}).await;
    let deal = world.create(Kind::Deal, &[("amount", "1"), ("dealstage", "closedwon")]).await;
    world.report().await;
    assert!(completeness(&world).await.starts_with("Complete as of "), "nothing speaks against it");
    (world, deal)
}

/// What the report of another deal says about being complete.
async fn next_completeness(world: &mut World) -> String {
    world.clock.advance(1_000);
    world.create(Kind::Deal, &[("amount", "2"), ("dealstage", "closedwon")]).await;
    assert_eq!(world.report().await.reports, 1);
    completeness(world).await
}

#[tokio::test]
async fn a_report_says_that_a_record_cannot_be_read() {
    let (mut world, deal) = with_a_deal_won().await;
    world.account().deny(Kind::Deal);
    world.clock.advance(1_000);
    world.set(Kind::Deal, deal, &[("amount", "3")]).await;
    world.cycle().await;
    world.account().allow(Kind::Deal);
    let line = "Not known to be complete: 1 record cannot be read from HubSpot and is as last read, or missing.";
    assert_eq!(next_completeness(&mut world).await, line);
    // HubSpot gives it out again, and tells of it.
    world.set(Kind::Deal, deal, &[("amount", "4")]).await;
    world.report().await;
    let line = next_completeness(&mut world).await;
    assert!(line.starts_with("Complete as of "), "{line}");
}

#[tokio::test]
async fn a_report_says_that_hubspot_did_not_show_what_it_told_until_the_next_comparison() {
    let (mut world, deal) = with_a_deal_won().await;
    world.clock.advance(10_000);
    let event = world.changed(Kind::Deal, deal, "amount");
    world.deliver(&[event]).await;
    for seconds in [0, 2, 10, 60, 60, 60, 60, 60] {
        world.cycle_after(seconds).await;
    }
    assert!(world.stored(record::Kind::Deal, deal).await.unwrap().unsettled);
    let line = "Not known to be complete: HubSpot did not show in time what it had told of 1 record.";
    assert_eq!(next_completeness(&mut world).await, line);
    world.cycle_at("2026-11-23T00:00:00Z").await;
    let line = next_completeness(&mut world).await;
    assert!(line.starts_with("Complete as of 23 Nov 2026 01:00"), "{line}");
}

#[tokio::test]
async fn a_report_says_that_events_could_not_be_understood_until_the_next_comparison() {
    let (mut world, deal) = with_a_deal_won().await;
    // What is of another account says nothing about this one.
    let foreign = world.event(Kind::Deal, deal, "creation", json!({ "portalId": PORTAL + 1 }));
    world.deliver_body(&format!("[null,{foreign},{{}}]")).await;
    let summary = world.cycle().await;
    assert_eq!(summary.set_aside, 3);
    let line = "Not known to be complete: 2 events that HubSpot sent since 22 Nov 2026 11:00 could not be understood.";
    assert_eq!(next_completeness(&mut world).await, line);
    world.cycle_at("2026-11-23T00:00:00Z").await;
    let line = next_completeness(&mut world).await;
    assert!(line.starts_with("Complete as of 23 Nov 2026 01:00"), "{line}");
}
