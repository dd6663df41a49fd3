//! `closing-bell reconcile`, as a shell runs it beside a running `local`.

use end_to_end::{Ended, Local, command, now_ms, run};
use hubspot_simulator::{Kind, Settings, Simulator};
use serde_json::{Value, json};

const HOUR_MS: i64 = 3_600_000;

async fn reconcile(simulator: &Simulator, local: &Local, more: &[&str]) -> Ended {
    let mut bell = command("closing-bell");
    bell.arg("reconcile").args(more).current_dir(local.folder()).envs([
        ("HUBSPOT_API_URL", simulator.api_url().as_str()),
        ("HUBSPOT_ACCESS_TOKEN", &Settings::default().access_token),
        ("DATABASE_URL", "sqlite:books.sqlite"),
    ]);
    run(bell, b"").await
}

#[tokio::test]
async fn what_differs_is_listed_with_exit_code_3_and_repaired_when_asked() {
    let simulator = Simulator::start(Settings::default()).await.expect("a simulated account");
    let at = |ago| simulator.account().in_the_past(now_ms() - ago);
    let deal = at(3 * HOUR_MS).create(Kind::Deal, &[("amount", "100"), ("dealstage", "closedwon")]);
    let local = Local::start(&simulator, &[]).await;
    let agreed = reconcile(&simulator, &local, &[]).await;
    assert_eq!(agreed.code, Some(0), "{agreed:?}");
    assert!(agreed.stdout.starts_with("1 records compared with HubSpot as of "), "{agreed:?}");
    assert!(agreed.stdout.ends_with(": the books agree\n"), "{agreed:?}");

    at(HOUR_MS).set(Kind::Deal, deal, &[("amount", "250")]);
    let missing = at(HOUR_MS).create(Kind::Invoice, &[("hs_amount_billed", "7")]);
    let listed = reconcile(&simulator, &local, &[]).await;
    assert_eq!(listed.code, Some(3), "{listed:?}");
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert_eq!(lines[..2], [format!("deal {deal}: other amount"), format!("invoice {missing}: missing")]);
    assert!(lines[2].ends_with(": 2 differ; `reconcile --repair` has them read again"), "{listed:?}");

    let repaired = reconcile(&simulator, &local, &["--repair", "--json"]).await;
    assert_eq!(repaired.code, Some(0), "{repaired:?}");
    let result: Value = serde_json::from_str(&repaired.stdout).expect("JSON");
    assert_eq!(result["found"][1], json!({ "kind": "invoice", "id": missing, "difference": "missing" }));
    assert_eq!((&result["result"]["found"], &result["result"]["repaired"]), (&json!(2), &json!(true)));
    // A worker that rests looks into the books when the queue brings something.
    assert_eq!(local.post("[]").await, 200);
    local
        .until("the worker has read them", async || {
            local.books("SELECT count(*) FROM due WHERE next_at IS NOT NULL").await == 0
                && local.books("SELECT count(*) FROM records").await == 2
        })
        .await;
    assert_eq!(reconcile(&simulator, &local, &[]).await.code, Some(0));
}

#[tokio::test]
async fn nothing_is_compared_without_books_or_with_those_of_another_account() {
    let simulator = Simulator::start(Settings::default()).await.expect("a simulated account");
    let local = Local::start(&simulator, &[]).await;
    let other = Simulator::start(Settings { portal_id: 7, ..Settings::default() }).await.expect("another account");
    let refused = reconcile(&other, &local, &[]).await;
    assert_eq!(refused.code, Some(1));
    let cause = "closing-bell: the books are not those of HubSpot account 7, to which the access token belongs\n";
    assert_eq!(refused.stderr, cause);
    let mut nowhere = command("closing-bell");
    nowhere.arg("reconcile").env("HUBSPOT_ACCESS_TOKEN", "token").env("DATABASE_URL", "sqlite:/nowhere/books.sqlite");
    let nowhere = run(nowhere, b"").await;
    assert_eq!(nowhere.code, Some(1));
    assert!(nowhere.stderr.contains("there are no books in /nowhere/books.sqlite"), "{nowhere:?}");
    let mut unconfigured = command("closing-bell");
    unconfigured.arg("reconcile");
    let unconfigured = run(unconfigured, b"").await;
    assert_eq!(unconfigured.code, Some(2));
    assert!(unconfigured.stderr.contains("HUBSPOT_ACCESS_TOKEN"), "{unconfigured:?}");
}
