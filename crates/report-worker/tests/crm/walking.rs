//! The walk over all records of a kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use report_worker::crm::{Crm, CrmError, Cursor, ModifiedPage};
use report_worker::domain::record::Kind;
use serde_json::{Value, json};

use crate::fake::{Asked, Fake, Reply, deal, error, ok};

/// The deals of an account: id and second of modification.
type Deals = Vec<(i64, i64)>;

/// Answers a search as HubSpot does: filter, sort, offset, 200 at most, never beyond 10,000.
fn search(deals: &Deals, asked: &Asked) -> Reply {
    let bound = |operator: &str| {
        let filters = asked.body["filterGroups"][0]["filters"].as_array()?;
        let value = filters.iter().find(|filter| filter["operator"] == operator)?["value"].as_str()?;
        Some(value.parse::<i64>().unwrap() / 1000 - 1_790_000_000)
    };
    let (since, until) = (bound("GTE").unwrap_or(i64::MIN), bound("LT").unwrap_or(i64::MAX));
    let offset: usize = asked.body["after"].as_str().map_or(0, |after| after.parse().unwrap());
    let limit = usize::try_from(asked.body["limit"].as_u64().unwrap()).unwrap();
    if limit > 200 || offset + limit > 10_000 {
        return error(400, "VALIDATION_ERROR");
    }
    let mut found: Deals = deals.iter().copied().filter(|(_, second)| (since..until).contains(second)).collect();
    found.sort_by_key(|&(id, second)| (second, id));
    let results: Vec<Value> = found.iter().skip(offset).take(limit).map(|&(id, second)| deal(id, second)).collect();
    let mut body = json!({"total": found.len(), "results": results});
    if offset + limit < found.len() {
        body["paging"] = json!({"next": {"after": (offset + limit).to_string()}});
    }
    ok(body)
}

async fn walk(crm: &Crm) -> Result<(BTreeSet<i64>, usize), CrmError> {
    let mut ids = BTreeSet::new();
    let mut cursor: Option<Cursor> = None;
    let mut pages = 0;
    loop {
        let page = crm.list(Kind::Deal, 7, cursor).await?;
        pages += 1;
        ids.extend(page.records.iter().map(|record| record.key.id));
        // A walk is stored between its pages.
        let stored = serde_json::to_string(&page.next).unwrap();
        cursor = serde_json::from_str(&stored).unwrap();
        if cursor.is_none() {
            return Ok((ids, pages));
        }
    }
}

async fn account(deals: Deals) -> Fake {
    Fake::start(move |asked| asked.searches().then(|| search(&deals, asked))).await
}

#[tokio::test]
async fn a_walk_passes_ten_thousand_and_equal_stamps_at_the_border() {
    // Thirty share each second, so that every page ends among equals; 700 share one, more than three pages.
    let deals: Deals = (1..=10_300).map(|id| (id, if (5000..5700).contains(&id) { 170 } else { id / 30 })).collect();
    let fake = account(deals).await;
    let (ids, pages) = walk(&fake.crm()).await.unwrap();
    assert!(ids.iter().copied().eq(1..=10_300));
    assert!(pages < 70, "{pages} pages");
    insta::assert_json_snapshot!(fake.asked(Asked::searches)[1].body, @r#"
    {
      "filterGroups": [
        {
          "filters": [
            {
              "operator": "GTE",
              "propertyName": "hs_lastmodifieddate",
              "value": "1790000006000"
            }
          ]
        }
      ],
      "limit": 200,
      "properties": [
        "amount",
        "deal_currency_code",
        "closedate",
        "dealstage",
        "dealname",
        "hubspot_owner_id",
        "hs_lastmodifieddate"
      ],
      "sorts": [
        {
          "direction": "ASCENDING",
          "propertyName": "hs_lastmodifieddate"
        }
      ]
    }
    "#);
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

#[tokio::test]
async fn a_slice_of_time_is_walked_with_its_beginning_and_without_its_end() {
    let fake =
        account((1..=13_000).map(|id| (id, if (5000..5700).contains(&id) { 170 } else { id / 30 })).collect()).await;
    let crm = fake.crm();
    let (mut seen, mut cursor) = (BTreeMap::new(), None);
    loop {
        let page = crm.modified(Kind::Deal, second(10), second(400), cursor).await.unwrap();
        seen.extend(page.records);
        let stored = serde_json::to_string(&page.next).unwrap();
        cursor = serde_json::from_str(&stored).unwrap();
        if cursor.is_none() {
            break;
        }
    }
    assert!(seen.keys().copied().eq(300..12_000), "{} records", seen.len());
    assert_eq!((seen[&300], seen[&5_699], seen[&11_999]), (second(10), second(170), second(399)));
    insta::assert_json_snapshot!(fake.asked(Asked::searches)[0].body, @r#"
    {
      "filterGroups": [
        {
          "filters": [
            {
              "operator": "GTE",
              "propertyName": "hs_lastmodifieddate",
              "value": "1790000010000"
            },
            {
              "operator": "LT",
              "propertyName": "hs_lastmodifieddate",
              "value": "1790000400000"
            }
          ]
        }
      ],
      "limit": 200,
      "properties": [
        "hs_lastmodifieddate"
      ],
      "sorts": [
        {
          "direction": "ASCENDING",
          "propertyName": "hs_lastmodifieddate"
        }
      ]
    }
    "#);

    let nothing = crm.modified(Kind::Deal, second(500), second(501), None).await.unwrap();
    assert_eq!(nothing, ModifiedPage { records: vec![], next: None });
}

#[tokio::test]
async fn an_empty_account_and_a_full_page_end_the_walk() {
    for count in [0, 1, 200] {
        let fake = account((1..=count).map(|id| (id, id)).collect()).await;
        let (ids, pages) = walk(&fake.crm()).await.unwrap();
        assert_eq!((ids.len(), pages), (usize::try_from(count).unwrap(), 1));
    }
}

#[tokio::test]
async fn a_record_that_is_modified_meanwhile_pushes_no_other_off() {
    let deals = Arc::new(Mutex::new((1..=600).map(|id| (id, id)).collect::<Deals>()));
    let shared = Arc::clone(&deals);
    let fake = Fake::start(move |asked| {
        asked.searches().then(|| {
            let mut deals = shared.lock().unwrap();
            let reply = search(&deals, asked);
            // After every page, the fifty oldest are modified and move to the end.
            deals.sort_by_key(|&(_, second)| second);
            let newest = deals.last().unwrap().1;
            if newest < 900 {
                for (deal, second) in deals.iter_mut().zip(1..=50) {
                    deal.1 = newest + second;
                }
            }
            reply
        })
    })
    .await;
    let (ids, _) = walk(&fake.crm()).await.unwrap();
    assert!(ids.into_iter().eq(1..=600));
}

#[tokio::test]
async fn a_record_without_the_stamp_does_not_lead_past_others() {
    let fake = Fake::start(|asked| {
        asked.searches().then(|| match asked.body["after"].as_str() {
            None => {
                let mut bare = deal(1, 900);
                bare["properties"] = json!({});
                ok(json!({"total": 2, "results": [bare], "paging": {"next": {"after": "1"}}}))
            }
            Some(_) => ok(json!({"total": 2, "results": [deal(2, 5)]})),
        })
    })
    .await;
    assert_eq!(walk(&fake.crm()).await.unwrap(), ([1, 2].into(), 2));
    assert_eq!(fake.asked(Asked::searches)[1].body["filterGroups"], json!([]));
}

#[tokio::test]
async fn more_equals_than_a_search_can_list_are_an_error_and_not_a_gap() {
    let fake = account((1..=10_100).map(|id| (id, 5)).collect()).await;
    let error = walk(&fake.crm()).await.unwrap_err();
    assert!(!error.is_transient());
    insta::assert_snapshot!(error, @"more than 10000 deals were last modified in the same millisecond (2026-09-21T14:13:25Z), which HubSpot's search cannot list; touch some of them in HubSpot and try again");
}

#[tokio::test]
async fn an_unreadable_record_does_not_stop_the_walk() {
    let fake = Fake::start(|asked| {
        asked.searches().then(|| {
            let mut broken = deal(1, 0);
            broken["createdAt"] = json!(null);
            ok(json!({"total": 2, "results": [broken, deal(2, 0)]}))
        })
    })
    .await;
    let page = fake.crm().list(Kind::Deal, 7, None).await.unwrap();
    assert_eq!((page.records.len(), page.failed.len()), (1, 1));
    assert_eq!(page.failed[&1], "its createdAt is not a timestamp");
}
