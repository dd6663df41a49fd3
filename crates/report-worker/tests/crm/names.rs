//! The names of owners and companies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use report_worker::domain::record::Kind;
use serde_json::{Value, json};

use crate::fake::{Asked, Fake, Reply, batch, deal, error, now, ok};
use crate::reading::found;

fn is_owners(asked: &Asked) -> bool {
    asked.line.starts_with("GET /crm/owners/2026-09")
}

fn is_associations(asked: &Asked) -> bool {
    asked.line.starts_with("POST /crm/associations/2026-09/")
}

fn owned(id: i64, owner: i64) -> Value {
    let mut deal = deal(id, 0);
    deal["properties"]["hubspot_owner_id"] = json!(owner.to_string());
    deal
}

fn association(from: i64, to: &[(i64, i64)]) -> Value {
    let to: Vec<Value> = to
        .iter()
        .map(|(id, type_id)| {
            let types = json!([{"category": "HUBSPOT_DEFINED", "typeId": type_id, "label": null}]);
            json!({"toObjectId": id, "associationTypes": types})
        })
        .collect();
    json!({"from": {"id": from.to_string()}, "to": to})
}

/// Deals 1 to 3: two owners on two pages and one who left; a primary company among others.
fn account(asked: &Asked) -> Option<Reply> {
    let line = asked.line.as_str();
    if line == "GET /crm/owners/2026-09?limit=100&archived=false" {
        return Some(ok(json!({
            "results": [{"id": "11", "firstName": "Ada", "lastName": "Byron", "email": "ada@example.com"}],
            "paging": {"next": {"after": "a b&c"}},
        })));
    } else if line == "GET /crm/owners/2026-09?limit=100&archived=false&after=a+b%26c" {
        return Some(ok(json!({"results": [{"id": "12", "firstName": "", "email": "grace@example.com"}]})));
    } else if line == "GET /crm/owners/2026-09?limit=100&archived=true" {
        return Some(ok(json!({"results": [{"id": "13", "firstName": "Former", "lastName": "Staff"}]})));
    } else if asked.reads("0-3") {
        let deals = [owned(1, 11), owned(2, 12), owned(3, 13), owned(4, 99), deal(5, 0)];
        return Some(batch(
            deals.into_iter().zip(1..).filter(|(_, id)| asked.ids().contains(id)).map(|(d, _)| d).collect(),
        ));
    } else if is_associations(asked) {
        return Some(ok(json!({
            "results": [
                association(3, &[(9_007_199_254_740_993, 341)]),
                association(1, &[(51, 341), (52, 5), (53, 341)]),
                association(2, &[(54, 341), (51, 341)]),
                association(4, &[]),
            ],
            "numErrors": 1, "errors": [{"category": "OBJECT_NOT_FOUND", "message": "no company for 5"}],
        })));
    } else if asked.reads("0-2") {
        let company = |id: i64, name: &str| json!({"id": id.to_string(), "properties": {"name": name}});
        return Some(ok(json!({"results": [
            company(9_007_199_254_740_993, "Huge"), company(52, "Roof & Sons"), company(51, "Bricks"),
        ]})));
    }
    None
}

#[tokio::test]
async fn owners_and_primary_companies_are_named() {
    let fake = Fake::start(account).await;
    let crm = fake.crm();
    let reading = crm.read(Kind::Deal, 7, &[1, 2, 3, 4, 5], now(0)).await.unwrap();
    let names: Vec<_> =
        (1..=5).map(|id| (found(&reading, id).owner.as_deref(), found(&reading, id).company.as_deref())).collect();
    assert_eq!(
        names,
        [
            (Some("Ada Byron"), Some("Roof & Sons")),
            (Some("grace@example.com"), Some("Bricks")),
            (Some("Former Staff"), Some("Huge")),
            (None, None),
            (None, None),
        ]
    );

    // Names are remembered, the unknown owner 99 as well, until they are ten minutes old.
    let counts = || (fake.asked(is_owners).len(), fake.asked(|asked| asked.reads("0-2")).len());
    assert_eq!(counts(), (3, 1));
    crm.read(Kind::Deal, 7, &[1, 4], now(9)).await.unwrap();
    assert_eq!(counts(), (3, 1));
    crm.read(Kind::Deal, 7, &[1], now(10)).await.unwrap();
    assert_eq!(counts(), (6, 2));
}

#[tokio::test]
async fn owners_have_a_team_and_deals_a_pipeline() {
    let fake = Fake::start(|asked| {
        let line = asked.line.as_str();
        if line == "GET /crm/owners/2026-09?limit=100&archived=false" {
            let teams =
                json!([{"id": "7", "name": "DACH", "primary": false}, {"id": "8", "name": "Key", "primary": true}]);
            return Some(ok(json!({"results": [
                {"id": "11", "firstName": "Ada", "teams": teams}, {"id": "12", "firstName": "Grace"},
            ]})));
        } else if line == "GET /crm/pipelines/2026-09/deals" {
            return Some(ok(json!({"results": [{"id": "default", "label": "Sales", "stages": []}]})));
        }
        asked.reads("0-3").then(|| {
            let in_pipeline = |id: i64, owner, pipeline: &str| {
                let mut deal = owned(id, owner);
                deal["properties"]["pipeline"] = json!(pipeline);
                deal
            };
            batch(vec![in_pipeline(1, 11, "default"), in_pipeline(2, 12, "deleted"), deal(3, 0)])
        })
    })
    .await;
    let crm = fake.crm();
    let reading = crm.read(Kind::Deal, 7, &[1, 2, 3], now(0)).await.unwrap();
    let shown: Vec<_> =
        (1..=3).map(|id| (found(&reading, id).team.as_deref(), found(&reading, id).pipeline.as_deref())).collect();
    assert_eq!(shown, [(Some("Key"), Some("Sales")), (None, None), (None, None)]);

    // Like other names, a pipeline's is remembered, the unknown one as well, until it is ten minutes old.
    let pipelines = || fake.asked(|asked| asked.line == "GET /crm/pipelines/2026-09/deals").len();
    crm.read(Kind::Deal, 7, &[1, 2, 3], now(9)).await.unwrap();
    assert_eq!(pipelines(), 1);
    crm.read(Kind::Deal, 7, &[1, 2, 3], now(10)).await.unwrap();
    assert_eq!(pipelines(), 2);
}

#[tokio::test]
async fn an_owner_who_is_new_is_asked_for_at_once() {
    let hired = Arc::new(AtomicBool::new(false));
    let knows = Arc::clone(&hired);
    let fake = Fake::start(move |asked| {
        if is_owners(asked) {
            let new = json!({"id": "21", "firstName": "New"});
            return Some(ok(json!({"results": if knows.load(Ordering::SeqCst) { vec![new] } else { vec![] }})));
        }
        asked.reads("0-3").then(|| batch(asked.ids().iter().map(|&id| owned(id, id + 10)).collect()))
    })
    .await;
    let crm = fake.crm();
    crm.read(Kind::Deal, 7, &[10], now(0)).await.unwrap();
    hired.store(true, Ordering::SeqCst);
    let reading = crm.read(Kind::Deal, 7, &[11], now(1)).await.unwrap();
    assert_eq!(found(&reading, 11).owner.as_deref(), Some("New"));
}

#[tokio::test]
async fn names_that_may_not_be_read_stop_nothing() {
    let fake = Fake::start(|asked| match asked {
        asked if is_owners(asked) || is_associations(asked) => Some(error(403, "MISSING_SCOPES")),
        asked => account(asked),
    })
    .await;
    let crm = fake.crm();
    for minutes in [0, 1] {
        let reading = crm.read(Kind::Deal, 7, &[1], now(minutes)).await.unwrap();
        assert_eq!((&found(&reading, 1).owner, &found(&reading, 1).company), (&None, &None));
    }
    assert_eq!((fake.asked(is_owners).len(), fake.asked(is_associations).len()), (1, 1), "not asked again at once");
    crm.read(Kind::Deal, 7, &[1], now(11)).await.unwrap();
    assert_eq!((fake.asked(is_owners).len(), fake.asked(is_associations).len()), (2, 2));

    let only_companies = Fake::start(|asked| match asked {
        asked if asked.reads("0-2") => Some(error(403, "MISSING_SCOPES")),
        asked => account(asked),
    })
    .await;
    let reading = only_companies.crm().read(Kind::Deal, 7, &[1], now(0)).await.unwrap();
    assert_eq!((found(&reading, 1).owner.as_deref(), &found(&reading, 1).company), (Some("Ada Byron"), &None));
}

#[tokio::test]
async fn names_that_fail_for_now_leave_the_records_due() {
    let fake = Fake::start(|asked| if is_associations(asked) { Some(error(500, "")) } else { account(asked) }).await;
    let error = fake.crm().read(Kind::Deal, 7, &[1], now(0)).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn an_invoice_without_a_company_falls_back_to_its_own_word() {
    let fake = Fake::start(|asked| {
        asked.reads("0-53").then(|| {
            let mut invoice = deal(1, 0);
            invoice["properties"] = json!({"hs_invoice_latest_company_name": "Bricks", "hs_due_date": "1795305600000"});
            batch(vec![invoice])
        })
    })
    .await;
    let reading = fake.crm().read(Kind::Invoice, 7, &[1], now(0)).await.unwrap();
    assert_eq!(found(&reading, 1).company.as_deref(), Some("Bricks"));
    assert_eq!(found(&reading, 1).property("hs_due_date"), Some("2026-11-22"));
}

#[tokio::test]
async fn a_payment_knows_its_invoice_and_costs_no_company() {
    let fake = Fake::start(|asked| {
        if asked.line == "POST /crm/associations/2026-09/0-101/0-53/batch/read" {
            return Some(ok(json!({"results": [association(1, &[(61, 99), (62, 542)])]})));
        }
        asked.reads("0-101").then(|| batch(asked.ids().iter().map(|&id| deal(id, 0)).collect()))
    })
    .await;
    let reading = fake.crm().read(Kind::Payment, 7, &[1, 2], now(0)).await.unwrap();
    assert_eq!((found(&reading, 1).invoice, found(&reading, 2).invoice), (Some(62), None));
    assert_eq!(fake.asked(is_associations).len(), 1);
}
