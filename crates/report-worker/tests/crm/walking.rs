//! The walk over all records of a kind.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use report_worker::crm::{Crm, CrmError, Cursor};
use report_worker::domain::record::Kind;
use serde_json::json;

use crate::fake::{Asked, Fake, Reply, deal, error, ok};

/// The deals of an account: id and moment of modification, in microseconds.
type Deals = Vec<(i64, i64)>;

const SECOND: i64 = 1_000_000;

/// Answers a search as HubSpot does: filter and sort by milliseconds, offset, 200 at most, never beyond 10,000.
fn search(deals: &Deals, asked: &Asked) -> Reply {
    let filter = &asked.body["filterGroups"][0]["filters"][0];
    let since = filter["value"].as_str().map_or(0, |since| since.parse::<i64>().unwrap() - 1_790_000_000_000);
    let offset: usize = asked.body["after"].as_str().map_or(0, |after| after.parse().unwrap());
    let limit = usize::try_from(asked.body["limit"].as_u64().unwrap()).unwrap();
    if limit > 200 || offset + limit > 10_000 {
        return error(400, "VALIDATION_ERROR");
    }
    let mut found: Deals = deals.iter().copied().filter(|(_, stamp)| stamp / 1_000 >= since).collect();
    found.sort_by_key(|&(id, stamp)| (stamp / 1_000, id));
    let results = found.iter().skip(offset).take(limit).map(|&(id, stamp)| {
        let mut deal = deal(id, 0);
        let at = Timestamp::from_microsecond(1_790_000_000 * SECOND + stamp).unwrap();
        deal["properties"]["hs_lastmodifieddate"] = json!(at.to_string());
        deal
    });
    let mut body = json!({"total": found.len(), "results": Vec::from_iter(results)});
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
    let deals: Deals =
        (1..=10_300).map(|id| (id, if (5000..5700).contains(&id) { 170 } else { id / 30 } * SECOND)).collect();
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

#[tokio::test]
async fn a_walk_goes_from_millisecond_to_millisecond() {
    // One in each millisecond, then more than a page in one that are microseconds apart, then one in each again.
    let stamp = |id: i64| if (300..750).contains(&id) { 300_000 + id } else { id * 1_000 };
    let fake = account((1..=1_000).map(|id| (id, stamp(id))).collect()).await;
    let (ids, pages) = walk(&fake.crm()).await.unwrap();
    assert!(ids.iter().copied().eq(1..=1_000), "{} records", ids.len());
    assert!(pages < 9, "{pages} pages");
    let since = fake.asked(Asked::searches)[1].body["filterGroups"][0]["filters"][0]["value"].clone();
    assert_eq!(since, "1790000000200", "a page begins with the last of the page before");
}

#[tokio::test]
async fn an_empty_account_and_a_full_page_end_the_walk() {
    for count in [0, 1, 200] {
        let fake = account((1..=count).map(|id| (id, id * SECOND)).collect()).await;
        let (ids, pages) = walk(&fake.crm()).await.unwrap();
        assert_eq!((ids.len(), pages), (usize::try_from(count).unwrap(), 1));
    }
}

#[tokio::test]
async fn a_record_that_is_modified_meanwhile_pushes_no_other_off() {
    let deals = Arc::new(Mutex::new((1..=600).map(|id| (id, id * SECOND)).collect::<Deals>()));
    let shared = Arc::clone(&deals);
    let fake = Fake::start(move |asked| {
        asked.searches().then(|| {
            let mut deals = shared.lock().unwrap();
            let reply = search(&deals, asked);
            // After every page, the fifty oldest are modified and move to the end.
            deals.sort_by_key(|&(_, stamp)| stamp);
            let newest = deals.last().unwrap().1;
            if newest < 900 * SECOND {
                for (deal, second) in deals.iter_mut().zip(1..=50) {
                    deal.1 = newest + second * SECOND;
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
    let fake = account((1..=10_100).map(|id| (id, 5 * SECOND)).collect()).await;
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
