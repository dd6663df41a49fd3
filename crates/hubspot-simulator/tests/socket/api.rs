//! The CRM API without faults: shapes, limits and refusals.

use hubspot_simulator::{Kind, Limits};
use serde_json::{Value, json};

use crate::{NOW_MS, World};

const DEALS: &str = "/crm/objects/2026-09/deals/batch/read";

fn inputs(ids: impl IntoIterator<Item = i64>) -> Value {
    ids.into_iter().map(|id| json!({ "id": id.to_string() })).collect()
}

fn category(answer: &(reqwest::StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["category"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_batch_read_shows_what_was_asked_for_and_its_history() {
    let world = World::new(|_| ()).await;
    let account = world.simulator.account();
    let deal = account.create(Kind::Deal, &[("dealname", "Scanner & “co” 🎉"), ("amount", "10.00")]);
    for cents in 1..=25 {
        world.clock.advance(1_000);
        account.set(Kind::Deal, deal, &[("amount", &format!("10.{cents:02}"))]);
    }
    let body = json!({ "inputs": inputs([deal]), "properties": ["dealname", "closedate", "no_such"], "propertiesWithHistory": ["amount"] });
    let (status, answer) = world.post("/crm/objects/2026-03/0-3/batch/read", body).await;
    assert_eq!((status.as_u16(), &answer["status"], answer.get("numErrors")), (200, &json!("COMPLETE"), None));
    let record = &answer["results"][0];
    assert_eq!(record["id"], json!(deal.to_string()));
    let properties = json!({
        "amount": "10.25",
        "closedate": null,
        "createdate": "2026-11-22T10:00:00.000Z",
        "dealname": "Scanner & “co” 🎉",
        "hs_lastmodifieddate": "2026-11-22T10:00:25.000Z",
        "hs_object_id": deal.to_string(),
    });
    assert_eq!(record["properties"], properties);
    assert_eq!(record["updatedAt"], "2026-11-22T10:00:25.000Z");
    let history = record["propertiesWithHistory"]["amount"].as_array().unwrap();
    assert_eq!(history.len(), 20);
    assert_eq!(
        history[0],
        json!({ "value": "10.25", "timestamp": "2026-11-22T10:00:25.000Z", "sourceType": "CRM_UI", "sourceId": "userId:12118204", "updatedByUserId": 12_118_204 })
    );
    let (_, answer) = world.post(DEALS, json!({ "inputs": inputs([deal]) })).await;
    let names: Vec<_> = answer["results"][0]["properties"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        names,
        [
            "amount",
            "closedate",
            "createdate",
            "dealname",
            "dealstage",
            "hs_lastmodifieddate",
            "hs_object_id",
            "pipeline"
        ]
    );
    world.simulator.stop().await;
}

#[tokio::test]
async fn missing_archived_merged_and_deleted_records_are_told_apart() {
    let world = World::new(|_| ()).await;
    let account = world.simulator.account();
    let [kept, archived, loser, gone] =
        ["kept", "archived", "loser", "gone"].map(|name| account.create(Kind::Deal, &[("dealname", name)]));
    account.archive(Kind::Deal, archived);
    account.merge(Kind::Deal, kept, loser);
    account.delete_for_good(Kind::Deal, gone);
    let body = json!({ "inputs": inputs([loser, archived, gone, kept]) });

    let (status, answer) = world.post(DEALS, body.clone()).await;
    assert_eq!((status.as_u16(), answer["results"].as_array().unwrap().len()), (200, 1));
    assert_eq!(answer["results"][0]["id"], json!(kept.to_string()));
    assert_eq!(answer["numErrors"], 1);
    assert_eq!(answer["errors"][0]["category"], "OBJECT_NOT_FOUND");
    assert_eq!(answer["errors"][0]["context"]["ids"], json!([archived.to_string(), gone.to_string()]));

    let (status, answer) = world.post("/crm/objects/2025-09/deals/batch/read?archived=true", body).await;
    assert_eq!((status.as_u16(), answer["results"].as_array().unwrap().len()), (207, 1));
    assert_eq!(answer["results"][0]["archived"], true);
    assert_eq!(answer["results"][0]["archivedAt"], "2026-11-22T10:00:00.000Z");

    let (_, answer) = world.get("/crm/objects/2026-09/deals?archived=true").await;
    assert_eq!(answer["results"].as_array().unwrap().len(), 1);
    let (_, answer) = world.get(&format!("/crm/objects/2026-09/deals/{loser}?properties=dealname")).await;
    assert_eq!(answer["properties"]["dealname"], "kept");
    account.restore(Kind::Deal, archived);
    let (status, _) = world.get(&format!("/crm/objects/2026-09/deals/{archived}")).await;
    assert_eq!(status, 200);
    assert_eq!(category(&world.get(&format!("/crm/objects/2026-09/deals/{gone}")).await), (404, "OBJECT_NOT_FOUND"));
    world.simulator.stop().await;
}

#[tokio::test]
async fn batches_have_their_sizes() {
    let world = World::new(|_| ()).await;
    let read = |count, history: Value| {
        world.post(DEALS, json!({ "inputs": inputs(1..=count), "propertiesWithHistory": history }))
    };
    assert_eq!(read(100, json!([])).await.0, 200);
    assert_eq!(category(&read(101, json!([])).await), (400, "VALIDATION_ERROR"));
    assert_eq!(read(50, json!(["amount"])).await.0, 200);
    assert_eq!(category(&read(51, json!(["amount"])).await), (400, "VALIDATION_ERROR"));
    let associations = "/crm/associations/2026-09/deals/companies/batch/read";
    let refused = world.post(associations, json!({ "inputs": inputs(1..=1_001) })).await;
    assert_eq!(category(&refused), (400, "VALIDATION_ERROR"));
    world.simulator.stop().await;
}

#[tokio::test]
async fn what_is_not_allowed_is_refused_with_its_reason() {
    let world = World::new(|_| ()).await;
    let url = format!("{}{DEALS}", world.simulator.api_url());
    let answer = world.client.post(url).bearer_auth("pat-wrong").send().await.unwrap();
    assert_eq!(answer.status(), 401);
    let body: Value = answer.json().await.unwrap();
    assert_eq!((&body["status"], &body["category"]), (&json!("error"), &json!("INVALID_AUTHENTICATION")));
    assert!(body["message"].is_string() && body["correlationId"].as_str().unwrap().len() == 36);

    world.simulator.account().deny(Kind::Invoice);
    let refused = world.post("/crm/objects/2026-09/invoices/batch/read", json!({ "inputs": [] })).await;
    assert_eq!(category(&refused), (403, "MISSING_SCOPES"));
    let scopes = &refused.1["errors"][0]["context"]["requiredGranularScopes"];
    assert_eq!(*scopes, json!(["crm.objects.invoices.read"]));

    for path in ["/crm/objects/2024-01/deals/1", "/crm/v3/objects/deals/1", "/nowhere", "/"] {
        assert_eq!(category(&world.get(path).await), (404, "OBJECT_NOT_FOUND"), "{path}");
    }
    assert_eq!(category(&world.get("/crm/objects/2026-09/unicorns/1").await), (400, "VALIDATION_ERROR"));
    assert_eq!(world.get(DEALS).await.0, 405);
    assert_eq!(category(&world.post(DEALS, json!({ "inputs": [{ "id": 5 }] })).await), (400, "VALIDATION_ERROR"));
    world.simulator.stop().await;
}

#[tokio::test]
async fn the_rolling_window_counts_down_in_the_headers_and_ends_in_429() {
    let world = World::new(|settings| settings.limits = Limits { burst: 2, daily: 3, ..Limits::default() }).await;
    let call = async || {
        let answer = world.request("GET", "/crm/owners/2026-09", None).send().await.unwrap();
        let header = |name: &str| answer.headers()[format!("x-hubspot-ratelimit-{name}")].to_str().unwrap().to_owned();
        let left = [header("remaining"), header("daily-remaining")];
        assert_eq!([header("max"), header("daily"), header("interval-milliseconds")], ["2", "3", "10000"]);
        (answer.status().as_u16(), left, answer.json::<Value>().await.unwrap()["policyName"].clone())
    };
    let left = |burst: &str, daily: &str| [burst.to_owned(), daily.to_owned()];
    assert_eq!(call().await, (200, left("1", "2"), Value::Null));
    assert_eq!(call().await, (200, left("0", "1"), Value::Null));
    assert_eq!(call().await, (429, left("0", "1"), json!("TEN_SECONDLY_ROLLING")));
    world.clock.advance(10_000);
    assert_eq!(call().await, (200, left("1", "0"), Value::Null));
    assert_eq!(call().await, (429, left("1", "0"), json!("DAILY")));
    world.clock.advance(24 * 3_600_000);
    assert_eq!(call().await.0, 200);
    assert_eq!(world.simulator.counters().rate_limited, 2);
    assert_eq!(world.simulator.counters().api_calls["GET /crm/owners"], 6);
    world.simulator.stop().await;
}

#[tokio::test]
async fn search_filters_sorts_and_pages() {
    let world = World::new(|settings| settings.limits.search_per_second = 100).await;
    let account = world.simulator.account();
    for number in 1..=12 {
        let amount = (number * 100).to_string();
        account.in_the_past(NOW_MS + number * 1_000).create(Kind::Deal, &[("amount", &amount)]);
    }
    let archived = account.create(Kind::Deal, &[("amount", "700")]);
    account.archive(Kind::Deal, archived);
    let amounts = async |filters: Value| {
        let sort = json!([{ "propertyName": "hs_lastmodifieddate", "direction": "ASCENDING" }]);
        let body =
            json!({ "filterGroups": [{ "filters": filters }], "sorts": sort, "limit": 3, "properties": ["amount"] });
        let (_, answer) = world.post("/crm/objects/2026-09/deals/search", body).await;
        let shown = answer["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| record["properties"]["amount"].as_str().unwrap().to_owned());
        (answer["total"].as_u64().unwrap(), shown.collect::<Vec<_>>(), answer["paging"]["next"]["after"].clone())
    };
    let stamp = json!((NOW_MS + 4_000).to_string());
    let late = json!([{ "propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": stamp }]);
    assert_eq!(amounts(late).await, (9, ["400", "500", "600"].map(str::to_owned).to_vec(), json!("3")));
    let between = json!([{ "propertyName": "amount", "operator": "BETWEEN", "value": "900", "highValue": "1000" }]);
    assert_eq!(amounts(between).await, (2, ["900", "1000"].map(str::to_owned).to_vec(), Value::Null));
    let one_of = json!([{ "propertyName": "amount", "operator": "IN", "values": ["100", "700"] }]);
    assert_eq!(amounts(one_of).await, (2, ["100", "700"].map(str::to_owned).to_vec(), Value::Null));
    let strict = json!([{ "propertyName": "amount", "operator": "GT", "value": "100" }, { "propertyName": "amount", "operator": "LT", "value": "300.00" }]);
    assert_eq!(amounts(strict).await, (1, vec!["200".to_owned()], Value::Null));
    world.simulator.stop().await;
}

#[tokio::test]
async fn search_has_its_ends() {
    let world = World::new(|_| ()).await;
    let search = async |body: Value| world.post("/crm/objects/2026-09/deals/search", body).await;
    let refusals = [
        json!({ "limit": 201 }),
        json!({ "limit": 200, "after": "9900" }),
        json!({ "filterGroups": [{ "filters": [{ "propertyName": "amount", "operator": "EQ", "value": "9".repeat(3_000) }] }] }),
        json!({ "sorts": ["amount", "closedate"] }),
    ];
    for body in refusals {
        assert_eq!(category(&search(body).await), (400, "VALIDATION_ERROR"));
    }
    let answer = world
        .request("POST", "/crm/objects/2026-09/deals/search", Some(json!({ "limit": 200, "after": "9800" })))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().keys().any(|name| name.as_str().contains("ratelimit")));
    let refused = search(json!({})).await;
    assert_eq!((refused.0.as_u16(), &refused.1["message"]), (429, &json!("You have reached your secondly limit.")));
    assert_eq!((&refused.1["errorType"], refused.1.get("policyName")), (&json!("RATE_LIMIT"), None));
    world.simulator.stop().await;
}

#[tokio::test]
async fn the_account_describes_itself() {
    let world = World::new(|_| ()).await;
    let (_, details) = world.get("/account-info/2026-03/details").await;
    assert_eq!((&details["portalId"], &details["timeZone"]), (&json!(62_515_001), &json!("Europe/Berlin")));
    assert_eq!((&details["companyCurrency"], &details["additionalCurrencies"]), (&json!("EUR"), &json!(["USD"])));
    assert_eq!((&details["utcOffset"], &details["utcOffsetMilliseconds"]), (&json!("+01:00"), &json!(3_600_000)));
    let (_, pipelines) = world.get("/crm/pipelines/2026-09/deals").await;
    let won = &pipelines["results"][1]["stages"][1];
    assert_eq!(won["metadata"], json!({ "isClosed": "true", "probability": "1" }));
    let (_, rates) = world.get("/settings/currencies/2026-09/exchange-rates/current").await;
    assert_eq!(rates["results"][0]["conversionRate"], json!(0.921_659));
    let (_, properties) = world.get("/crm/properties/2026-09/invoices").await;
    let due =
        properties["results"].as_array().unwrap().iter().find(|property| property["name"] == "hs_due_date").unwrap();
    assert_eq!((&due["type"], &due["fieldType"]), (&json!("datetime"), &json!("date")));

    let (_, first) = world.get("/crm/owners/2026-09?limit=2").await;
    let after = first["paging"]["next"]["after"].as_str().unwrap();
    let (_, second) = world.get(&format!("/crm/owners/2026-09?limit=2&after={after}")).await;
    assert_eq!((second["results"].as_array().unwrap().len(), second.get("paging")), (1, None));
    let (_, former) = world.get("/crm/owners/2026-09?archived=true").await;
    assert_eq!(
        (&former["results"][0]["lastName"], &former["results"][0]["userId"]),
        (&json!("Østergaard"), &Value::Null)
    );
    assert_eq!(former["results"][0].get("teams"), None, "who is in no team has no list of them");
    assert_eq!(first["results"][0]["lastName"], "Keller");
    let teams = first["results"][0]["teams"].as_array().unwrap();
    assert_eq!((teams.len(), &teams[1]), (2, &json!({"id": "48110237", "name": "DACH", "primary": true})));
    world.simulator.stop().await;
}

#[tokio::test]
async fn associations_name_ids_in_two_types() {
    let world = World::new(|settings| settings.limits.association_burst = 2).await;
    let account = world.simulator.account();
    let (deal, lonely, company) =
        (account.create(Kind::Deal, &[]), account.create(Kind::Deal, &[]), account.create(Kind::Company, &[]));
    account.associate(Kind::Deal, deal, Kind::Company, company);
    let (status, answer) = world
        .post("/crm/associations/2026-09/deals/companies/batch/read", json!({ "inputs": inputs([deal, lonely]) }))
        .await;
    assert_eq!(status, 207);
    let expected = json!([{
        "from": { "id": deal.to_string() },
        "to": [{ "toObjectId": company, "associationTypes": [
            { "category": "HUBSPOT_DEFINED", "typeId": 5, "label": "Primary" },
            { "category": "HUBSPOT_DEFINED", "typeId": 341, "label": null },
        ] }],
    }]);
    assert_eq!(answer["results"], expected);
    assert_eq!(answer["errors"][0]["subCategory"], "crm.associations.NO_ASSOCIATIONS_FOUND");
    assert_eq!(answer["errors"][0]["context"]["fromObjectId"], json!([lonely.to_string()]));

    let path = "/crm/associations/2026-09/companies/0-3/batch/read";
    let read = async || world.request("POST", path, Some(json!({ "inputs": inputs([company]) }))).send().await.unwrap();
    let back: Value = read().await.json().await.unwrap();
    assert_eq!(back["results"][0]["to"][0]["toObjectId"], json!(deal));
    let refused = read().await;
    assert_eq!((refused.status().as_u16(), refused.headers().get("x-hubspot-ratelimit-max")), (429, None));
    world.simulator.stop().await;
}
