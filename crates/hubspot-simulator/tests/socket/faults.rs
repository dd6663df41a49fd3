//! Every fault of the API, once.

use std::time::Duration;

use hubspot_simulator::Kind;
use serde_json::{Value, json};

use crate::World;

const DEALS: &str = "/crm/objects/2026-09/deals/batch/read";
const OWNERS: &str = "/crm/owners/2026-09";

async fn statuses(world: &World, calls: usize) -> Vec<u16> {
    let mut seen = Vec::new();
    for _ in 0..calls {
        seen.push(world.get(OWNERS).await.0.as_u16());
    }
    seen
}

#[tokio::test]
async fn faults_of_any_call_end_after_their_count() {
    let world = World::new(|settings| settings.faults = vec!["rate-limit:2".parse().unwrap()]).await;
    assert_eq!(statuses(&world, 3).await, [429, 429, 200]);
    world.arm("daily-limit:1");
    assert_eq!(world.get(OWNERS).await.1["policyName"], "DAILY");
    world.arm("server-error:4");
    assert_eq!(statuses(&world, 5).await, [504, 503, 502, 500, 200]);
    world.arm("unauthorized:1");
    assert_eq!(statuses(&world, 2).await, [401, 200]);
    world.arm("locked:1");
    assert_eq!(statuses(&world, 2).await, [423, 200]);
    world.arm("locked:9");
    world.simulator.faults().clear();
    assert_eq!(statuses(&world, 1).await, [200]);
    world.simulator.stop().await;
}

#[tokio::test]
async fn garbage_is_no_json() {
    let world = World::new(|_| ()).await;
    world.arm("garbage:2");
    let mut texts = Vec::new();
    for _ in 0..2 {
        let answer = world.request("GET", OWNERS, None).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        texts.push(answer.text().await.unwrap());
    }
    assert!(texts[0].starts_with("<!doctype html>"), "{}", texts[0]);
    assert!(texts.iter().all(|text| serde_json::from_str::<Value>(text).is_err()));
    world.simulator.stop().await;
}

#[tokio::test]
async fn a_hanging_call_is_never_answered_and_does_not_hold_up_the_end() {
    let world = World::new(|_| ()).await;
    world.arm("timeout:1");
    let call = world.request("GET", OWNERS, None).timeout(Duration::from_millis(150)).send().await;
    assert!(call.unwrap_err().is_timeout());
    world.arm("slow-api:300s");
    let slow = world.request("GET", OWNERS, None).timeout(Duration::from_millis(100)).send().await;
    assert!(slow.unwrap_err().is_timeout());
    world.simulator.stop().await;
}

#[tokio::test]
async fn batch_reads_have_faults_of_their_own() {
    let world = World::new(|_| ()).await;
    let account = world.simulator.account();
    let ids: Vec<_> = (0..3).map(|_| account.create(Kind::Deal, &[]).to_string()).collect();
    let inputs = |ids: &[String]| ids.iter().map(|id| json!({ "id": id })).collect::<Value>();
    let body = json!({ "inputs": inputs(&ids), "properties": ["amount"] });
    let order = |answer: &Value| {
        answer["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| record["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };

    world.arm("partial-read:1");
    let (status, answer) = world.post(DEALS, body.clone()).await;
    assert_eq!((status.as_u16(), order(&answer).len(), &answer["numErrors"]), (200, 2, &json!(1)));
    let left_out = answer["errors"][0]["context"]["ids"][0].as_str().unwrap().to_owned();
    assert!(ids.contains(&left_out) && !order(&answer).contains(&left_out));

    world.arm("shuffled-results:1");
    let (_, answer) = world.post(DEALS, body.clone()).await;
    assert_eq!(order(&answer), ids.iter().rev().cloned().collect::<Vec<_>>());

    world.arm("absent-nulls:1");
    let (_, answer) = world.post(DEALS, body.clone()).await;
    assert_eq!(answer["results"][0]["properties"].get("amount"), None);
    let (_, answer) = world.post(DEALS, body).await;
    assert_eq!(answer["results"][0]["properties"].get("amount"), Some(&Value::Null));

    let missing = json!({ "inputs": [{ "id": "1" }] });
    world.arm("partial-207:1");
    assert_eq!(world.post(DEALS, missing.clone()).await.0, 207);
    assert_eq!(world.post(DEALS, missing.clone()).await.0, 200);
    world.arm("errors-in-200:1");
    let older = "/crm/objects/2026-03/deals/batch/read";
    assert_eq!(world.post(older, missing.clone()).await.0, 200);
    assert_eq!(world.post(older, missing).await.0, 207);
    world.simulator.stop().await;
}

#[tokio::test]
async fn lags_show_the_account_as_it_was() {
    let world = World::new(|_| ()).await;
    let account = world.simulator.account();
    let deal = account.create(Kind::Deal, &[("amount", "1")]);
    world.clock.advance(60_000);
    account.set(Kind::Deal, deal, &[("amount", "2")]);
    world.clock.advance(1_000);
    let amount = async || {
        let body = json!({ "inputs": [{ "id": deal.to_string() }], "properties": ["amount"], "propertiesWithHistory": ["amount"] });
        let (_, answer) = world.post(DEALS, body).await;
        let record = &answer["results"][0];
        (
            record["properties"]["amount"].clone(),
            record["updatedAt"].clone(),
            record["propertiesWithHistory"]["amount"].as_array().unwrap().len(),
        )
    };
    world.arm("stale-reads:2s");
    assert_eq!(amount().await, (json!("1"), json!("2026-11-22T10:00:00.000Z"), 1));
    world.clock.advance(1_000);
    assert_eq!(amount().await, (json!("2"), json!("2026-11-22T10:01:00.000Z"), 2));

    world.arm("late-record:500ms");
    let late = account.create(Kind::Deal, &[]);
    let path = format!("/crm/objects/2026-09/deals/{late}");
    assert_eq!(world.get(&path).await.0, 404);
    world.clock.advance(500);
    assert_eq!(world.get(&path).await.0, 200);

    world.arm("search-lag:5s");
    let found = async || world.post("/crm/objects/2026-09/deals/search", json!({})).await.1["total"].clone();
    assert_eq!(found().await, json!(1));
    world.clock.advance(4_500);
    assert_eq!(found().await, json!(2));
    world.simulator.stop().await;
}
