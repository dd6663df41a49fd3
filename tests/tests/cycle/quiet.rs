//! The quiet period: a second edit is no second mail, and what was undone before anybody was told says nothing.

use hubspot_simulator::Kind;

use crate::world::{World, row};

#[tokio::test]
async fn a_deal_is_reported_five_minutes_after_its_last_change() {
    let mut world = World::open(|_| {}).await;
    let values = [("dealname", "Roof"), ("amount", "100"), ("dealstage", "closedwon")];
    let deal = world.create(Kind::Deal, &values).await;
    assert_eq!(world.cycle().await.changes, 1);
    assert_eq!(world.cycle_after(200).await.reports, 0);
    world.set(Kind::Deal, deal, &[("amount", "120")]).await;
    assert_eq!(world.cycle().await.changes, 1);
    let summary = world.cycle_after(299).await;
    assert_eq!(summary.reports, 0);
    assert_eq!(summary.next_at, Some(world.now() + jiff::SignedDuration::from_secs(1)));
    let summary = world.cycle_after(1).await;
    assert_eq!((summary.reports, summary.mails_sent), (1, 1));
    assert_eq!(world.subjects(), ["Closed deals: 1 won €120.00"]);
    assert_eq!(row(&world.newest("closed-deals").await, "Won").cells[4], "€120.00");
    assert!(world.cycle_after(3_600).await.is_idle());
}

#[tokio::test]
async fn a_deal_that_never_gets_quiet_is_reported_after_15_minutes() {
    let mut world = World::open(|_| {}).await;
    let deal = world.create(Kind::Deal, &[("amount", "1"), ("dealstage", "closedwon")]).await;
    world.cycle().await;
    for amount in ["2", "3", "4"] {
        world.clock.advance(240_000);
        world.set(Kind::Deal, deal, &[("amount", amount)]).await;
        assert_eq!(world.cycle().await.reports, 0);
    }
    assert_eq!(world.cycle_after(179).await.reports, 0);
    assert_eq!(world.cycle_after(1).await.reports, 1);
    assert_eq!(row(&world.newest("closed-deals").await, "Won").cells[4], "€4.00");
}

#[tokio::test]
async fn won_and_reopened_before_the_report_says_nothing_and_is_never_told_later() {
    let mut world = World::open(|_| {}).await;
    let deal = world.create(Kind::Deal, &[("dealname", "Roof"), ("amount", "100"), ("dealstage", "closedwon")]).await;
    world.cycle_after(60).await;
    world.set(Kind::Deal, deal, &[("dealstage", "contractsent")]).await;
    let summary = world.report().await;
    assert_eq!((summary.changes, summary.reports), (1, 0));
    assert_eq!(world.ask("SELECT CAST(COUNT(*) AS CHAR) FROM pending").await, ["0"]);
    world.set(Kind::Deal, deal, &[("amount", "130")]).await;
    assert!(world.report().await.reports == 0 && world.mails.sent().is_empty());

    world.set(Kind::Deal, deal, &[("dealstage", "closedwon")]).await;
    assert_eq!(world.report().await.reports, 1);
    assert_eq!(world.subjects(), ["Closed deals: 1 won €130.00"], "news, and no correction");
}

#[tokio::test]
async fn each_record_is_quiet_by_itself() {
    let mut world = World::open(|_| {}).await;
    world.create(Kind::Deal, &[("amount", "1"), ("dealstage", "closedwon")]).await;
    world.cycle().await;
    world.clock.advance(200_000);
    world.create(Kind::Deal, &[("amount", "2"), ("dealstage", "closedlost")]).await;
    world.cycle().await;
    assert_eq!(world.cycle_after(100).await.reports, 1);
    assert_eq!(world.cycle_after(200).await.reports, 1);
    assert_eq!(world.subjects(), ["Closed deals: 1 won €1.00", "Closed deals: 1 lost €2.00"]);
}
