//! The figures that `status` tells of, and the durations that every cycle leaves.

use hubspot_simulator::Kind;
use jiff::SignedDuration;
use report_worker::store::{Figures, MailState, OutgoingMail};

use crate::world::World;

#[tokio::test]
async fn what_waits_is_counted_until_it_is_done() {
    let mut deal = 0;
    let mut world = World::open(|account| deal = account.create(Kind::Deal, &[("amount", "100")])).await;
    assert_eq!(world.app.store.figures().await.unwrap(), Figures::default());
    world.arm("stale-reads:20s");
    world.set(Kind::Deal, deal, &[("dealstage", "closedwon")]).await;
    let summary = world.cycle().await;
    let again_at = world.now() + SignedDuration::from_secs(2);
    let due = Figures { due: 1, due_at: Some(again_at), ..Figures::default() };
    assert_eq!(world.app.store.figures().await.unwrap(), due);
    let steps: Vec<&str> = summary.durations_ms.keys().copied().collect();
    let all = "account cycle enrich ledgers midnight opening_balance reconcile report retention send take_in";
    assert_eq!(steps.join(" "), all);
    assert!(summary.durations_ms["cycle"] >= summary.durations_ms["enrich"]);

    for seconds in [2, 10, 60] {
        world.cycle_after(seconds).await;
    }
    let told = Figures { pending: 1, ..Figures::default() };
    assert_eq!(world.app.store.figures().await.unwrap(), told);
    let idle = world.cycle().await;
    assert!(idle.is_idle() && !idle.durations_ms.is_empty(), "durations are nothing that was done: {idle:?}");
    assert_eq!(world.cycle_after(300).await.mails_sent, 1);
    assert_eq!(world.app.store.figures().await.unwrap(), Figures::default());
}

#[tokio::test]
async fn what_nobody_knows_and_what_was_refused_is_counted_by_itself() {
    let mut deal = 0;
    let mut world = World::open(|account| deal = account.create(Kind::Deal, &[("amount", "100")])).await;
    let event = {
        world.clock.advance(10_000);
        world.changed(Kind::Deal, deal, "amount")
    };
    world.deliver(&[event]).await;
    world.cycle().await;
    world.cycle_after(300).await;
    let (store, now) = (world.app.store.clone(), world.now());
    let recipients = ["a", "b", "c", "d", "e"].map(|name| format!("{name}@example.com")).to_vec();
    let mail = OutgoingMail {
        message_id: "trouble@example.com".to_owned(),
        sender: "bell@example.com".to_owned(),
        subject: "Trouble".to_owned(),
        recipients,
        bytes: b"Subject: Trouble\r\n\r\n".to_vec(),
    };
    store.store_mail(&mail, now).await.unwrap();
    let mails = store.mails_to_send(now, 10).await.unwrap();
    let states = [MailState::Sending, MailState::Unknown, MailState::Refused, MailState::Sent];
    for (mail, state) in mails.iter().zip(states) {
        assert!(store.claim_mail(mail, now, now).await.unwrap());
        store.set_mail_state(mail, state, "250 said", None, now).await.unwrap();
    }
    let figures = store.figures().await.unwrap();
    assert_eq!((figures.mails_waiting, figures.mails_unknown, figures.mails_refused), (2, 1, 1));
    assert_eq!((figures.due, figures.unsettled), (0, 1));
}
