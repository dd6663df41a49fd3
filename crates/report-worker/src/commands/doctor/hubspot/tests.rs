//! Every line that can be said of HubSpot.

use super::super::{State, words};
use super::*;
use crate::crm::ErrorReply;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn account(time_zone: &str) -> Account {
    Account {
        portal_id: 62_515_001,
        company_currency: "EUR".to_owned(),
        time_zone: time_zone.to_owned(),
        ui_domain: "app.hubspot.com".to_owned(),
    }
}

fn reply(status: u16) -> ErrorReply {
    ErrorReply { status, category: String::new(), correlation_id: String::new() }
}

fn error(status: u16) -> CrmError {
    let (task, reply) = ("read deals", reply(status));
    match status {
        401 => CrmError::Unauthorized { task, reply },
        403 => CrmError::Forbidden { task, scope: "crm.objects.deals.read", reply },
        429 => CrmError::RateLimited { task, reply, daily: true, retry_after: None },
        500.. => CrmError::Unavailable { task, reply, retry_after: None },
        _ => CrmError::Refused { task, reply },
    }
}

#[test]
fn a_clock_is_judged_by_the_second_that_hubspot_gives() {
    let sent = at("2026-11-23T08:00:00Z");
    let off = |seconds: i64| {
        let now = sent + SignedDuration::from_secs(seconds);
        judge_clock(Some(sent), now, now + SignedDuration::from_millis(200))
    };
    let slow = judge_clock(Some(sent), sent - SignedDuration::from_secs(400), sent + SignedDuration::from_secs(400));
    assert_eq!(slow.state, State::Ok, "a slow answer says nothing against the clock");
    let checks = [off(31), off(32), off(-31), off(-32), off(301), off(-301), judge_clock(None, sent, sent)];
    insta::assert_snapshot!(words(&checks), @"
    clock           ok           this machine's agrees with HubSpot's
    clock           warning      this machine's is 31 seconds ahead of HubSpot's
                    └ fix        Set this machine's clock, and keep it right with NTP (`timedatectl set-ntp true`)
    clock           ok           this machine's agrees with HubSpot's
    clock           warning      this machine's is 31 seconds behind HubSpot's
                    └ fix        Set this machine's clock, and keep it right with NTP (`timedatectl set-ntp true`)
    clock           wrong        this machine's is 5 minutes ahead of HubSpot's; signatures are refused when they are 5 minutes off
                    └ fix        Set this machine's clock, and keep it right with NTP (`timedatectl set-ntp true`)
    clock           wrong        this machine's is 5 minutes behind HubSpot's; signatures are refused when they are 5 minutes off
                    └ fix        Set this machine's clock, and keep it right with NTP (`timedatectl set-ntp true`)
    clock           not checked  HubSpot's time is not known without an answer

    7 checks: 2 wrong, 2 warning, 1 not checked, 2 ok
    ");
}

#[test]
fn a_token_that_does_not_work_is_told_with_its_cause() {
    let checks: Vec<Check> = [401, 403, 404, 503].map(|status| judge_token(&Err(error(status)))).into();
    insta::assert_snapshot!(words(&checks), @"
    HubSpot token   wrong        HubSpot does not accept the token (HTTP 401)
                    └ fix        Copy the access token again into HUBSPOT_ACCESS_TOKEN: in HubSpot under Development > Projects > the app > Auth tab (a legacy private app: Settings > Integrations > Private Apps > Auth tab)
    HubSpot token   wrong        the token may not read deals (HTTP 403)
                    └ fix        Add the scope oauth to the app, and install it in the account again
    HubSpot token   wrong        HubSpot refuses to read deals (HTTP 404)
                    └ fix        Set HUBSPOT_API_URL to https://api.hubapi.com and HUBSPOT_API_VERSION to 2026-09
    HubSpot token   warning      HubSpot cannot read deals now (HTTP 503)
                    └ fix        Run `closing-bell doctor` again in some minutes; status.hubspot.com tells of outages

    4 checks: 3 wrong, 1 warning
    ");
}

#[test]
fn another_zone_than_the_accounts_is_told() {
    let now = at("2026-11-23T08:00:00Z");
    let judge = |of_account: &str, reporting: Option<&str>| {
        let reporting = reporting.map(|name| TimeZone::get(name).unwrap());
        judge_zone(Some(&account(of_account)), reporting.as_ref(), now)
    };
    insta::assert_snapshot!(words(&[
        judge("Europe/Berlin", None),
        judge("US/Eastern", Some("America/New_York")),
        judge("Europe/Berlin", Some("Africa/Lagos")),
        judge("Mars/Olympus", None),
        judge_zone(None, None, now),
    ]), @"
    time zone       ok           reports are in the account's, Europe/Berlin
    time zone       ok           TIME_ZONE is the account's, US/Eastern
    time zone       warning      TIME_ZONE is Africa/Lagos, and the account's is Europe/Berlin: days and months begin at other moments than in HubSpot
                    └ fix        Unset TIME_ZONE, unless reports are meant to be in another zone than HubSpot's own
    time zone       warning      the account's, Mars/Olympus, is in no time zone database
                    └ fix        Set TIME_ZONE to the IANA name of the zone to report in, such as Europe/Berlin
    time zone       not checked  the account's is not known

    5 checks: 2 warning, 1 not checked, 2 ok
    ");
}

#[test]
fn each_scope_and_property_that_is_missing_is_told() {
    let denied = SUBJECTS.map(|(name, subject)| judge_subject(name, subject, Err(error(403))));
    let (name, deals) = SUBJECTS[0];
    let more = [
        judge_subject(name, deals, Ok(["amount", "closedate"].map(str::to_owned).to_vec())),
        judge_subject(name, deals, Err(error(401))),
        judge_subject(name, deals, Err(error(503))),
    ];
    insta::assert_snapshot!(words(&[&denied[..], &more].concat()), @"
    deals           wrong        the token may not read deals (HTTP 403)
                    └ fix        Add the scope crm.objects.deals.read to requiredScopes in app-hsmeta.json, run `hs project upload` and install the app again (a legacy private app: Settings > Integrations > Private Apps > Scopes tab)
    invoices        wrong        the token may not read deals (HTTP 403)
                    └ fix        Add the scope crm.objects.deals.read to requiredScopes in app-hsmeta.json, run `hs project upload` and install the app again (a legacy private app: Settings > Integrations > Private Apps > Scopes tab)
    payments        warning      the token may not read deals (HTTP 403): receipts are told by invoices alone
                    └ fix        Add the scope crm.objects.deals.read to requiredScopes in app-hsmeta.json, run `hs project upload` and install the app again (a legacy private app: Settings > Integrations > Private Apps > Scopes tab)
    companies       warning      the token may not read deals (HTTP 403): reports lack their names
                    └ fix        Add the scope crm.objects.deals.read to requiredScopes in app-hsmeta.json, run `hs project upload` and install the app again (a legacy private app: Settings > Integrations > Private Apps > Scopes tab)
    owners          warning      the token may not read deals (HTTP 403): reports lack their names
                    └ fix        Add the scope crm.objects.deals.read to requiredScopes in app-hsmeta.json, run `hs project upload` and install the app again (a legacy private app: Settings > Integrations > Private Apps > Scopes tab)
    deals           warning      the account has no property amount, closedate: no figure can come from it, and no report be filtered by it
                    └ fix        Look for amount, closedate in HubSpot under Settings > Properties, and restore what is archived
    deals           not checked  HubSpot does not accept the token (HTTP 401)
    deals           warning      HubSpot cannot read deals now (HTTP 503)
                    └ fix        Run `closing-bell doctor` again in some minutes

    8 checks: 2 wrong, 5 warning, 1 not checked
    ");
}

#[test]
fn the_version_and_the_calls_that_are_left() {
    let ends_at = Some(at("2027-09-30T00:00:00Z"));
    let (look, ending) = (Look::default(), Look { ends_at, ..Look::default() });
    insta::assert_snapshot!(words(&[
        judge_version("2026-09", &look, Err(&error(404))),
        judge_version("2025-09", &ending, Ok(())),
        judge_version("2027-03-beta", &look, Ok(())),
        judge_version("2026-09", &look, Err(&error(401))),
        judge_calls(Some((62_500, 625_000)), Ok(())),
        judge_calls(Some((62_499, 625_000)), Ok(())),
        judge_calls(Some((0, 625_000)), Err(&error(429))),
        judge_calls(None, Ok(())),
    ]), @"
    API version     wrong        HubSpot does not know 2026-09 (HTTP 404)
                    └ fix        Set HUBSPOT_API_VERSION to 2026-09, or to the newest dated version that a release of Closing Bell names
    API version     warning      HubSpot ends 2025-09 on 2027-09-30
                    └ fix        Set HUBSPOT_API_VERSION to 2026-09, or to the newest dated version that a release of Closing Bell names
    API version     warning      2027-03-beta may change any day
                    └ fix        Set HUBSPOT_API_VERSION to 2026-09, or to the newest dated version that a release of Closing Bell names
    API version     not checked  HubSpot did not answer 2026-09
    daily calls     ok           62500 of 625000 are left
    daily calls     warning      62499 of 625000 are left
                    └ fix        Find in HubSpot, in the Logs tab of each app, which one calls so often, and slow it down or raise the limit
    daily calls     wrong        the day's are used up until midnight in the account's time zone
                    └ fix        Find in HubSpot, in the Logs tab of each app, which one calls so often, and slow it down or raise the limit
    daily calls     not checked  HubSpot does not tell how many are left

    8 checks: 2 wrong, 3 warning, 2 not checked, 1 ok
    ");
}

#[test]
fn books_of_another_account_are_told() {
    let (mine, other) = (account("UTC"), Account { portal_id: 7, ..account("UTC") });
    insta::assert_snapshot!(words(&[
        same_account(Some(&mine), Some(&mine)),
        same_account(Some(&mine), Some(&other)),
        same_account(Some(&mine), None),
        same_account(None, Some(&other)),
    ]), @"
    account         ok           the books are those of account 62515001
    account         wrong        the books are those of account 7, and the token is of account 62515001
                    └ fix        Set HUBSPOT_ACCESS_TOKEN to a token of account 7, or DATABASE_URL to other books
    account         not checked  no books name theirs yet
    account         not checked  the token's is not known

    4 checks: 1 wrong, 2 not checked, 1 ok
    ");
}

#[tokio::test]
async fn settings_that_no_request_can_be_made_with_are_told() {
    let config = |url: &str, version: &str, token: &str| CrmConfig {
        api_url: url.parse().unwrap(),
        api_version: version.to_owned(),
        access_token: secrecy::SecretString::from(token).into(),
    };
    let mut told = Vec::new();
    for config in [
        config("http://api.hubapi.com", "2026-09", "pat"),
        config("https://api.hubapi.com", "v3", "pat"),
        config("https://api.hubapi.com", "2026-09", "p a t"),
    ] {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (checks, account) = checks(Some(&config), None, || Timestamp::UNIX_EPOCH).await;
        assert!(account.is_none() && checks.len() == 10, "{checks:?}");
        told.extend(checks.into_iter().filter(|check| check.fix.is_some()));
    }
    insta::assert_snapshot!(words(&told), @r#"
    HubSpot token   wrong        HUBSPOT_API_URL begins with http:// and leads to api.hubapi.com: the access token travels only over https, or over http to this machine itself (localhost, 127.0.0.1)
                    └ fix        Set HUBSPOT_API_URL to https://api.hubapi.com
    HubSpot token   wrong        HUBSPOT_API_VERSION is "v3", which is not a dated version such as 2026-09
                    └ fix        Set HUBSPOT_API_VERSION to 2026-09
    HubSpot token   wrong        HUBSPOT_ACCESS_TOKEN is empty or has characters that no token has; copy it again
                    └ fix        Copy the token again into HUBSPOT_ACCESS_TOKEN: in HubSpot the app's Auth tab shows it

    3 checks: 3 wrong
    "#);
}
