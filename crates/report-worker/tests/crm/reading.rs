//! Reading records: every id gets the answer that is its own.

use proptest::prelude::*;
use report_worker::crm::{CrmSettings, Reading};
use report_worker::domain::account::Closing;
use report_worker::domain::record::{Answer, Kind, Record};
use serde_json::json;

use crate::fake::{Asked, Fake, batch, crm, deal, error, now, ok, status};

async fn read(fake: &Fake, ids: &[i64]) -> Reading {
    fake.crm().read(Kind::Deal, 7, ids, now(0)).await.unwrap()
}

pub(crate) fn found(reading: &Reading, id: i64) -> &Record {
    match &reading.answers[&id] {
        Answer::Found(record) => record,
        other => panic!("{id}: {other:?}"),
    }
}

#[tokio::test]
async fn a_record_comes_with_values_history_and_its_key() {
    let fake = Fake::replying([batch(vec![deal(5, 0)])]).await;
    let reading = read(&fake, &[5]).await;
    insta::assert_json_snapshot!(found(&reading, 5), @r#"
    {
      "key": {
        "portal_id": 7,
        "kind": "deal",
        "id": 5
      },
      "properties": {
        "amount": "10.50",
        "dealname": "Deal 5",
        "hs_lastmodifieddate": "2026-09-21T14:13:20Z"
      },
      "history": {
        "amount": [
          {
            "at": "2026-09-21T14:13:20Z",
            "value": "10.50",
            "source": "CRM_UI",
            "source_id": null
          }
        ]
      },
      "created_at": "2026-01-01T00:00:00Z",
      "updated_at": "2026-09-21T14:13:20Z",
      "archived_at": null,
      "owner": null,
      "team": null,
      "pipeline": null,
      "company": null,
      "invoice": null
    }
    "#);
    let asked = &fake.asked(|asked| asked.reads("0-3"))[0];
    assert_eq!(asked.authorization, "Bearer pat-test-token");
    insta::assert_json_snapshot!(asked.body, @r#"
    {
      "inputs": [
        {
          "id": "5"
        }
      ],
      "properties": [
        "amount",
        "deal_currency_code",
        "closedate",
        "dealstage",
        "dealname",
        "hubspot_owner_id",
        "hs_lastmodifieddate"
      ],
      "propertiesWithHistory": [
        "amount",
        "deal_currency_code",
        "closedate",
        "dealstage"
      ]
    }
    "#);
}

#[tokio::test]
async fn many_ids_are_read_in_fifties_and_each_once() {
    let fake = Fake::start(|asked| {
        asked.reads("0-3").then(|| batch(asked.ids().iter().rev().map(|&id| deal(id, 0)).collect()))
    })
    .await;
    let mut ids: Vec<i64> = (1..=120).collect();
    ids.extend(1..=30);
    let reading = read(&fake, &ids).await;
    assert_eq!(fake.asked(|asked| asked.reads("0-3")).len(), 3);
    assert!((1..=120).all(|id| found(&reading, id).name() == format!("Deal {id}")));
    assert_eq!(reading.records_read, 120);
    // The properties, three batches, and the companies of all.
    assert_eq!(reading.calls, 5);
}

#[tokio::test]
async fn nothing_is_asked_for_no_ids() {
    let fake = Fake::replying([]).await;
    assert_eq!(read(&fake, &[]).await.calls, 0);
    assert!(fake.asked(|_| true).is_empty());
}

#[tokio::test]
async fn absent_ids_are_told_apart_as_merged_archived_and_gone() {
    for code in [200, 207] {
        let fake = Fake::start(move |asked| {
            let results = |ids: Vec<i64>| {
                let errors =
                    json!([{"status": "error", "category": "OBJECT_NOT_FOUND", "context": {"ids": ["2", "3", "4"]}}]);
                let results: Vec<_> = ids.into_iter().map(|id| deal(id, 0)).collect();
                status(code, json!({"status": "COMPLETE", "results": results, "numErrors": 1, "errors": errors}))
            };
            asked.reads("0-3").then(|| match (asked.is_archived(), asked.ids().as_slice()) {
                // The winner's record stands where the merged one was asked for.
                (false, [1, 2, 3, 4]) => results(vec![9, 1]),
                (false, [2]) => results(vec![9]),
                (true, [3, 4]) => {
                    let mut archived = deal(3, 0);
                    archived["archived"] = json!(true);
                    archived["archivedAt"] = json!("2026-11-20T10:00:00Z");
                    ok(json!({"status": "COMPLETE", "results": [archived]}))
                }
                (_, _) => results(vec![]),
            })
        })
        .await;
        let reading = read(&fake, &[1, 2, 3, 4]).await;
        assert_eq!(found(&reading, 1).archived_at, None);
        assert_eq!(reading.answers[&2], Answer::MergedInto(9));
        assert_eq!(found(&reading, 3).archived_at, "2026-11-20T10:00:00Z".parse().ok());
        assert_eq!(reading.answers[&4], Answer::Gone);
        assert_eq!((reading.answers.len(), reading.failed.len()), (4, 0));
    }
}

#[tokio::test]
async fn a_missing_result_proves_nothing_while_hubspot_reports_another_error() {
    for (reply, transient) in [
        (
            json!({"status": "COMPLETE", "results": [], "errors": [{"category": "INTERNAL_ERROR", "context": {"ids": ["1"]}}]}),
            true,
        ),
        (json!({"status": "COMPLETE", "results": [], "numErrors": 1}), true),
        (json!({"status": "PROCESSING", "results": []}), true),
        (json!({"status": "COMPLETE", "results": [], "errors": [{"category": "VALIDATION_ERROR"}]}), false),
        (json!({"status": "COMPLETE", "results": [{"properties": {}}]}), false),
    ] {
        let fake = Fake::replying([ok(reply.clone())]).await;
        match fake.crm().read(Kind::Deal, 7, &[1], now(0)).await {
            Err(error) => assert!(transient && error.is_transient(), "{reply} {error}"),
            Ok(reading) => assert!(!transient && reading.failed.contains_key(&1), "{reply} {reading:?}"),
        }
    }
}

#[tokio::test]
async fn an_error_about_one_archived_record_leaves_only_that_one_unread() {
    let fake = Fake::start(|asked| {
        let errors = json!([{"category": "INTERNAL_ERROR", "context": {"ids": ["1"]}}]);
        let reply = json!({"status": "COMPLETE", "results": [], "numErrors": 1, "errors": errors});
        asked.is_archived().then(|| status(207, reply))
    })
    .await;
    let reading = read(&fake, &[1, 2]).await;
    assert_eq!(reading.answers, [(2, Answer::Gone)].into());
    assert!(reading.failed.is_empty() && reading.interrupted.is_some_and(|error| error.is_transient()));
}

#[tokio::test]
async fn a_missing_scope_forbids_the_kind_without_trying_on() {
    let fake = Fake::replying([error(403, "MISSING_SCOPES")]).await;
    let ids: Vec<i64> = (1..=60).collect();
    let reading = read(&fake, &ids).await;
    assert!(ids.iter().all(|id| reading.answers[id] == Answer::Forbidden));
    let other = Fake::replying([error(403, "ACCOUNT_SUSPENDED")]).await;
    let error = other.crm().read(Kind::Deal, 7, &ids, now(0)).await.unwrap_err();
    assert!(!error.is_transient(), "only a missing scope is an answer about the records");
}

#[tokio::test]
async fn one_malformed_id_does_not_sink_the_others() {
    let fake = Fake::start(|asked| {
        asked.reads("0-3").then(|| match asked.ids() {
            ids if ids.contains(&-3) => error(400, "VALIDATION_ERROR"),
            ids => batch(ids.into_iter().map(|id| deal(id, 0)).collect()),
        })
    })
    .await;
    let ids: Vec<i64> = [-3].into_iter().chain(1..=49).collect();
    let reading = read(&fake, &ids).await;
    assert_eq!((reading.answers.len(), reading.failed.len()), (49, 1));
    insta::assert_snapshot!(reading.failed[&-3], @"HubSpot refuses to read deals (HTTP 400 VALIDATION_ERROR, correlation id c0ffee-1)");
    assert!(fake.asked(|asked| asked.reads("0-3")).len() <= 13, "halving takes a few calls");
}

#[tokio::test]
async fn a_broken_record_fails_alone() {
    let mut broken = deal(1, 0);
    broken["propertiesWithHistory"]["amount"][0]["timestamp"] = json!("yesterday");
    let mut odd = deal(2, 0);
    odd["properties"]["dealname"] = json!(["Mrs Smith"]);
    let fake = Fake::replying([batch(vec![broken, odd, deal(3, 0)])]).await;
    let reading = read(&fake, &[1, 2, 3]).await;
    assert_eq!(found(&reading, 3).key.id, 3);
    insta::assert_debug_snapshot!(reading.failed, @r#"
    {
        1: "the history of its amount has an entry whose timestamp is unreadable",
        2: "HubSpot's answer for it is unusable: it is JSON of another shape at line 1, column 121",
    }
    "#);
}

#[tokio::test]
async fn values_may_be_numbers_nulls_and_longer_than_a_float() {
    const HUGE: i64 = 9_007_199_254_740_993;
    let body = format!(
        r#"{{"results": [{{"id": {HUGE}, "properties": {{"amount": 0.40000000000000002220446049250313080847263336181640625,
        "dealname": null, "hs_is_closed": true, "closedate": 1795305600000, "dealstage": ""}},
        "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z"}}]}}"#
    );
    let fake = Fake::replying([crate::fake::Reply::Says(200, vec![], body.into_bytes())]).await;
    let reading = read(&fake, &[HUGE]).await;
    assert_eq!(fake.asked(|asked| asked.reads("0-3"))[0].ids(), [HUGE]);
    insta::assert_json_snapshot!(found(&reading, HUGE).properties, @r#"
    {
      "amount": "0.40000000000000002220446049250313080847263336181640625",
      "closedate": "2026-11-22T00:00:00Z",
      "hs_is_closed": "true"
    }
    "#);
}

#[tokio::test]
async fn definitions_that_may_not_be_read_leave_all_names_asked_for() {
    let fake = Fake::start(|asked| match &asked.line {
        line if line.contains("/crm/properties/") => Some(error(403, "MISSING_SCOPES")),
        _ => asked.reads("0-3").then(|| batch(vec![deal(1, 0)])),
    })
    .await;
    let reading = read(&fake, &[1]).await;
    assert_eq!(found(&reading, 1).property("amount"), Some("10.50"));
    let body = &fake.asked(|asked| asked.reads("0-3"))[0].body;
    let wanted =
        [Kind::Deal.tracked_properties(), Kind::Deal.dated_properties(), Kind::Deal.plain_properties()].concat().len();
    assert_eq!(body["properties"].as_array().unwrap().len(), wanted);
}

#[tokio::test]
async fn what_reports_filter_by_is_read_where_the_account_has_it() {
    let fake = Fake::start(|asked| match &asked.line {
        line if line.contains("/crm/properties/") => Some(ok(json!({"results": [
            {"name": "amount", "type": "number"}, {"name": "hs_exchange_rate", "type": "number"},
            {"name": "region", "type": "enumeration"},
        ]}))),
        _ => asked.reads("0-3").then(|| batch(vec![deal(1, 0)])),
    })
    .await;
    let wanted = ["region", "regoin", "amount"].map(str::to_owned).into();
    let crm = crm(CrmSettings { extra_properties: [(Kind::Deal, wanted)].into(), ..fake.settings() });
    crm.read(Kind::Deal, 7, &[1], now(0)).await.unwrap();
    let body = &fake.asked(|asked| asked.reads("0-3"))[0].body;
    assert_eq!(body["properties"], json!(["amount", "hs_exchange_rate", "region"]));
    assert_eq!(body["propertiesWithHistory"], json!(["amount", "hs_exchange_rate"]));
    crm.list(Kind::Deal, 7, None).await.unwrap();
    let search = &fake.asked(Asked::searches)[0].body;
    assert_eq!(search["properties"], json!(["amount", "hs_exchange_rate"]), "a search has room for 3,000 characters");
    let missing = crm.missing_properties(Kind::Deal).await.unwrap();
    assert_eq!(missing, ["deal_currency_code", "closedate", "dealstage", "regoin"]);
}

#[tokio::test]
async fn the_account_and_its_stages() {
    let fake = Fake::start(|asked| match asked.line.as_str() {
        "GET /account-info/2026-09/details" => Some(ok(json!({
            "portalId": 7, "timeZone": "US/Eastern", "companyCurrency": "USD", "utcOffset": "-05:00",
        }))),
        "GET /crm/pipelines/2026-09/deals" => Some(ok(json!({"results": [
            {"id": "default", "stages": [
                {"id": "a", "label": "Talking", "metadata": {"isClosed": "false", "probability": "0.2"}},
                {"id": "b", "label": "Won", "metadata": {"isClosed": "true", "probability": "1.0"}},
            ]},
            {"id": "other", "stages": [
                {"id": "c", "label": "Lost", "archived": true, "metadata": {"isClosed": true, "probability": 0.0}},
                {"id": "d", "label": "Bare"},
            ]},
        ]}))),
        _ => None,
    })
    .await;
    let account = fake.crm().account().await.unwrap();
    assert_eq!((account.portal_id, account.time_zone.as_str()), (7, "US/Eastern"));
    assert_eq!(account.record_url("0-3", 1), "https://app.hubspot.com/contacts/7/record/0-3/1");
    let stages = fake.crm().stages().await.unwrap();
    assert_eq!(
        ["a", "b", "c", "d", "e"].map(|id| stages.closing(id)),
        [Some(Closing::Open), Some(Closing::Won), Some(Closing::Lost), Some(Closing::Open), None]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever is missing, doubled, strange or out of order: an answer always carries the record of its own id.
    #[test]
    fn results_are_matched_by_id_and_never_by_position(
        ids in prop::collection::btree_set(1i64..200, 1..80),
        missing in prop::collection::btree_set(1i64..200, 0..60),
        strangers in prop::collection::vec(1000i64..1100, 0..5),
        seed in any::<u64>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let gone = missing.clone();
            let fake = Fake::start(move |asked| asked.reads("0-3").then(|| {
                let asked_for = asked.ids();
                let mut ids: Vec<i64> = asked_for.iter().copied().filter(|id| !gone.contains(id)).collect();
                if asked_for.len() > 1 {
                    ids.extend(&strangers);
                    ids.extend(ids.clone().first());
                }
                fastrand::Rng::with_seed(seed).shuffle(&mut ids);
                batch(ids.into_iter().map(|id| deal(id, 0)).collect())
            })).await;
            let ids: Vec<i64> = ids.into_iter().collect();
            let reading = read(&fake, &ids).await;
            assert!(reading.answers.keys().eq(&ids));
            for (id, answer) in &reading.answers {
                match answer {
                    Answer::Found(record) => {
                        assert_eq!((record.key.id, record.name()), (*id, format!("Deal {id}")));
                        assert!(!missing.contains(id));
                    }
                    answer => assert!(*answer == Answer::Gone && missing.contains(id), "{id} {answer:?}"),
                }
            }
        });
    }
}
