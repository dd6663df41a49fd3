//! What HubSpot's errors, limits and silences come to.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use report_worker::crm::{Crm, CrmError, CrmSettings, TOGETHER};
use report_worker::domain::record::Kind;
use secrecy::SecretString;
use serde_json::json;

use crate::fake::{Fake, Reply, batch, crm, deal, error, now, ok, status};
use crate::reading::found;

async fn fails(replies: impl IntoIterator<Item = Reply>) -> (CrmError, usize) {
    let fake = Fake::replying(replies).await;
    let error = fake.crm().read(Kind::Deal, 7, &[1], now(0)).await.unwrap_err();
    (error, fake.asked(|asked| asked.reads("0-3")).len())
}

fn limited(policy: &str) -> Reply {
    status(
        429,
        json!({
            "status": "error", "message": "You have reached your limit.", "errorType": "RATE_LIMIT",
            "correlationId": "c0ffee-2", "policyName": policy,
        }),
    )
}

#[tokio::test]
async fn trouble_that_passes_is_not_noticed() {
    for trouble in [
        status(500, json!({})),
        error(502, ""),
        error(423, "LOCKED"),
        limited("TEN_SECONDLY_ROLLING"),
        limited("TEN_SECONDLY_ROLLING").with("retry-after", "0"),
        Reply::Says(200, vec![], b"{\"results\": [".to_vec()),
        Reply::Says(503, vec![], b"<html>".to_vec()),
    ] {
        let fake = Fake::replying([trouble.clone(), trouble, batch(vec![deal(1, 0)])]).await;
        let reading = fake.crm().read(Kind::Deal, 7, &[1], now(0)).await.unwrap();
        assert_eq!(found(&reading, 1).key.id, 1);
        assert_eq!(reading.calls, 5, "two in vain are counted with the properties, the batch and the companies");
    }
}

#[tokio::test]
async fn trouble_that_stays_is_transient_after_three_attempts() {
    for trouble in [error(500, "INTERNAL_ERROR"), limited("TEN_SECONDLY_ROLLING"), ok(json!({"results": 1}))] {
        let (error, attempts) = fails(vec![trouble; 3]).await;
        assert!(error.is_transient() && !error.is_daily_limit(), "{error}");
        assert_eq!(attempts, 3);
    }
}

#[tokio::test]
async fn a_long_wait_is_left_to_the_caller() {
    let (error, attempts) = fails([limited("TEN_SECONDLY_ROLLING").with("retry-after", "120")]).await;
    assert_eq!((error.retry_after(), attempts), (Some(Duration::from_secs(120)), 1));
    let until = limited("x").with("date", "Sun, 22 Nov 2026 10:00:00 GMT");
    let (error, _) = fails([until.with("retry-after", "Sun, 22 Nov 2026 11:00:00 GMT")]).await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    let (error, attempts) = fails([error_477()]).await;
    assert!(error.is_transient() && error.retry_after() == Some(Duration::from_secs(86_400)) && attempts == 1);
}

fn error_477() -> Reply {
    error(477, "MIGRATION_IN_PROGRESS").with("retry-after", "86400")
}

#[tokio::test]
async fn the_daily_limit_is_not_run_against() {
    let (error, attempts) = fails([limited("DAILY")]).await;
    assert!(error.is_transient() && error.is_daily_limit() && attempts == 1);
}

#[tokio::test]
async fn an_empty_burst_window_is_waited_out() {
    let full = batch(vec![deal(1, 0)])
        .with("x-hubspot-ratelimit-max", "1")
        .with("x-hubspot-ratelimit-remaining", "0")
        .with("x-hubspot-ratelimit-interval-milliseconds", "80");
    let fake = Fake::replying([full, batch(vec![deal(1, 0)])]).await;
    let crm = fake.crm();
    let before = Instant::now();
    for _ in 0..2 {
        crm.read(Kind::Deal, 7, &[1], now(0)).await.unwrap();
    }
    assert!(before.elapsed() >= Duration::from_millis(80), "the second batch waits");
}

#[tokio::test]
async fn a_reply_that_demands_a_long_wait_is_obeyed_by_all_calls() {
    let fake = Fake::replying([limited("TEN_SECONDLY_ROLLING").with("retry-after", "120")]).await;
    let crm = fake.crm();
    assert_eq!(crm.closed_for(), None);
    crm.read(Kind::Deal, 7, &[1], now(0)).await.unwrap_err();
    let asked = fake.asked(|_| true).len();
    for error in [crm.account().await.unwrap_err(), crm.list(Kind::Deal, 7, None).await.unwrap_err()] {
        assert!(error.is_transient() && !error.is_daily_limit(), "{error}");
    }
    assert_eq!(fake.asked(|_| true).len(), asked);
    let wait = crm.closed_for().unwrap();
    assert!(Duration::from_secs(119) < wait && wait <= Duration::from_secs(120), "{wait:?}");
}

#[tokio::test]
async fn a_used_up_day_ends_at_midnight_in_the_accounts_zone() {
    let fake = Fake::start(|asked| {
        if asked.line.contains("/account-info/") {
            return Some(ok(json!({"portalId": 7, "companyCurrency": "EUR", "timeZone": "US/Eastern"})));
        }
        asked.reads("0-3").then(|| limited("DAILY").with("date", "Sun, 22 Nov 2026 10:00:00 GMT"))
    })
    .await;
    let crm = fake.crm();
    crm.account().await.unwrap();
    crm.read(Kind::Deal, 7, &[1], now(0)).await.unwrap_err();
    let asked = fake.asked(|_| true).len();
    let error = crm.stages().await.unwrap_err();
    assert!(error.is_transient() && error.is_daily_limit());
    assert_eq!(fake.asked(|_| true).len(), asked);
    // It is five in the morning in New York. A few seconds more keep several workers apart.
    let wait = crm.closed_for().unwrap().as_secs();
    assert!((19 * 3_600 - 1..=19 * 3_600 + 10).contains(&wait), "{wait} s");
    let text = error.to_string();
    assert!(
        text.starts_with("HubSpot is not asked to read the deal pipelines for another 684")
            && text.ends_with(" s: the day's calls are used up until midnight in the account's time zone"),
        "{text}"
    );
}

/// The ids from 1 on, in groups.
fn groups(last: i64) -> VecDeque<Vec<i64>> {
    let ids: Vec<i64> = (1..=last).collect();
    ids.chunks(TOGETHER).map(<[i64]>::to_vec).collect()
}

#[tokio::test]
async fn a_bad_id_among_many_batches_costs_only_itself() {
    let fake = Fake::start(|asked| {
        asked.reads("0-3").then(|| match asked.ids() {
            ids if ids.contains(&317) => error(400, "VALIDATION_ERROR"),
            ids => batch(ids.into_iter().map(|id| deal(id, 0)).collect()),
        })
    })
    .await;
    let mut readings = fake.crm().read_many(Kind::Deal, 7, groups(2_000), now(0));
    let (mut asked_for, mut found, mut failed) = (0, 0, Vec::new());
    while let Some((ids, reading)) = readings.next().await {
        let reading = reading.unwrap();
        asked_for += ids.len();
        found += reading.answers.len();
        failed.extend(reading.failed.into_keys());
    }
    assert_eq!((asked_for, found, failed), (2_000, 1_999, vec![317]));
}

#[tokio::test]
async fn after_an_error_no_further_group_is_begun_if_so_wished() {
    let fake = Fake::start(|asked| asked.reads("0-3").then(|| error(401, "INVALID_AUTHENTICATION"))).await;
    let mut readings = fake.crm().read_many(Kind::Deal, 7, groups(5_000), now(0));
    let mut errors = 0;
    while let Some((_, reading)) = readings.next().await {
        assert!(matches!(reading.unwrap_err(), CrmError::Unauthorized { .. }));
        errors += 1;
        readings.ask_no_more();
    }
    assert!((1..=16).contains(&errors), "{errors} of 50");
    assert_eq!(fake.asked(|asked| asked.reads("0-3")).len(), errors);
}

#[tokio::test]
async fn a_reply_that_never_comes_is_given_up_once() {
    let fake = Fake::replying([Reply::Never]).await;
    let settings = CrmSettings { request_timeout: Duration::from_millis(200), ..fake.settings() };
    let error = crm(settings).read(Kind::Deal, 7, &[1], now(0)).await.unwrap_err();
    assert!(error.is_transient() && matches!(error, CrmError::Unreachable { .. }), "{error:?}");
    assert_eq!(fake.asked(|asked| asked.reads("0-3")).len(), 1);
}

#[tokio::test]
async fn nobody_there_is_transient() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let fake = Fake::replying([]).await;
    let settings = CrmSettings { api_url: format!("http://{address}").parse().unwrap(), ..fake.settings() };
    let error = crm(settings).account().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let (error, _) = fails([Reply::Says(200, vec![], vec![b' '; (64 << 20) + 1])]).await;
    insta::assert_snapshot!(error, @"HubSpot's answer when asked to read deals is unusable: it is longer than 64 MiB");
}

#[tokio::test]
async fn a_redirect_does_not_get_the_token() {
    let other = Fake::replying([]).await;
    let location = other.settings().api_url.to_string();
    let (error, _) = fails([status(307, json!({})).with("location", &location)]).await;
    assert!(!error.is_transient() && other.asked(|_| true).is_empty(), "{error}");
}

#[tokio::test]
async fn a_wrong_address_does_not_make_records_gone() {
    for reply in [error(404, "OBJECT_NOT_FOUND"), Reply::Says(404, vec![], b"<h1>Not found</h1>".to_vec())] {
        let (error, _) = fails([reply]).await;
        assert!(!error.is_transient(), "{error}");
    }
}

#[tokio::test]
async fn what_was_read_before_the_trouble_is_kept() {
    let fake = Fake::start(|asked| {
        asked.reads("0-3").then(|| match asked.ids() {
            ids if ids.contains(&60) => error(500, ""),
            ids => batch(ids.into_iter().map(|id| deal(id, 0)).collect()),
        })
    })
    .await;
    let reading = fake.crm().read(Kind::Deal, 7, &(1..=60).collect::<Vec<_>>(), now(0)).await.unwrap();
    assert_eq!((reading.answers.len(), reading.failed.len()), (50, 0));
    assert!(reading.interrupted.is_some_and(|error| error.is_transient()));
}

#[tokio::test]
async fn errors_name_the_cause_and_no_secret() {
    let mut texts = Vec::new();
    for reply in [
        error(401, "INVALID_AUTHENTICATION"),
        error(403, "ACCOUNT_SUSPENDED"),
        error(404, ""),
        limited("DAILY"),
        error_477(),
    ] {
        texts.push(format!("{:#}", anyhow::Error::new(fails([reply]).await.0)));
    }
    let garbled = Reply::Says(200, vec![], br#"{"results": "Mrs Smith"}"#.to_vec());
    texts.push(format!("{:#}", anyhow::Error::new(fails(vec![garbled; 3]).await.0)));
    insta::assert_snapshot!(texts.join("\n"), @r"
    HubSpot does not accept the access token when asked to read deals (HTTP 401 INVALID_AUTHENTICATION, correlation id c0ffee-1); check HUBSPOT_ACCESS_TOKEN
    the access token may not read deals (HTTP 403 ACCOUNT_SUSPENDED, correlation id c0ffee-1); give the HubSpot app the scope crm.objects.deals.read
    HubSpot refuses to read deals (HTTP 404, correlation id c0ffee-1); check HUBSPOT_API_URL and HUBSPOT_API_VERSION
    HubSpot's daily limit does not let us read deals now (HTTP 429 RATE_LIMIT, correlation id c0ffee-2)
    HubSpot cannot read deals now (HTTP 477 MIGRATION_IN_PROGRESS, correlation id c0ffee-1)
    HubSpot's answer when asked to read deals is unusable: it is JSON of another shape at line 1, column 23
    ");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let refuse = |url: &str, version: &str, token: &str| {
        let settings = CrmSettings::new(url.parse().unwrap(), version.into(), SecretString::from(token));
        Crm::new(settings).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let texts = [
        refuse("http://api.hubapi.com", "2026-09", "pat-secret"),
        refuse("http://127.0.0.1:1", "v3", "pat-secret"),
        refuse("http://127.0.0.1:1", "2026-09", "pat-secret\n"),
        refuse("http://127.0.0.1:1", "2026-09", ""),
    ];
    insta::assert_snapshot!(texts.join("\n"), @r#"
    HUBSPOT_API_URL begins with http:// and leads to api.hubapi.com: the access token travels only over https, or over http to this machine itself (localhost, 127.0.0.1)
    HUBSPOT_API_VERSION is "v3", which is not a dated version such as 2026-09
    HUBSPOT_ACCESS_TOKEN is empty or has characters that no token has; copy it again
    HUBSPOT_ACCESS_TOKEN is empty or has characters that no token has; copy it again
    "#);
}
