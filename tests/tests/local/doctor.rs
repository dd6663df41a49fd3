//! `doctor` beside a running `local`, where much is wrong, and where nobody answers.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use end_to_end::{Ended, Local, command, now_ms, run};
use hubspot_simulator::{Clock, Settings, Simulator};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// Runs `doctor` with the environment of `local`; `variables` come on top.
async fn doctor(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let local = Local::command(folder);
    let environment = local.as_std().get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    let mut doctor = command("closing-bell");
    doctor.arg("doctor").args(arguments).current_dir(folder).envs(environment).envs(variables.iter().copied());
    run(doctor, b"").await
}

/// What is another in every run.
const FILTERS: [(&str, &str); 7] = [
    (r"number \d+", "number [layout]"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
    (r"\d+ MB", "[room] MB"),
    (r"\d+ (second|ms|minute)s?( ago)?", "[time]"),
    (r"\d{4}-\d\d-\d\d \S+Z", "[date]"),
    (r"\d+ of 625000", "[some] of 625000"),
    ("correlation id [0-9a-f-]+", "correlation id [id]"),
];

#[tokio::test]
async fn all_is_well_beside_a_running_local() {
    let simulator = Simulator::start(Settings::default()).await.unwrap();
    let local = Local::start(&simulator, &[]).await;
    let variables = [("WEBHOOK_URLS", local.url()), ("HUBSPOT_API_URL", &simulator.api_url())];
    let ended = doctor(local.folder(), &["--ring"], &variables).await;
    insta::with_settings!({filters => [&FILTERS[..], &[("; waiting: .*|, and is empty", " [depth]")]].concat()}, {
        insta::assert_snapshot!(ended.stdout, @"
        configuration   ok           `local` would start with it
        clock           ok           this machine's agrees with HubSpot's
        HubSpot token   ok           of account 62515001, in EUR and Europe/Berlin
        time zone       ok           reports are in the account's, Europe/Berlin
        deals           ok           the token may read them, and all properties are there
        invoices        ok           the token may read them, and all properties are there
        payments        ok           the token may read them, and all properties are there
        companies       ok           the token may read them
        owners          ok           the token may read them
        API version     ok           HubSpot answers 2026-09
        daily calls     ok           [some] of 625000 are left
        account         ok           the books are those of account 62515001
        client secrets  ok           one is live
        signature       ok           deliveries to http://127.0.0.1:[port]/webhooks/hubspot are admitted
        webhook URL     ok           http://127.0.0.1:[port]/webhooks/hubspot answers, and refuses an unsigned delivery with 401
        webhook GET     ok           it is refused with 405
        certificate     ok           none is needed for a URL on this machine
        test delivery   ok           http://127.0.0.1:[port]/webhooks/hubspot accepted it; the worker sets it aside
        queue           ok           queue.sqlite can be written [depth]
        dead letters    ok           none
        queue's disk    ok           [room] MB are free in .
        worker          ok           its last cycle ended [time] and took [time], with 0 problems
        books           ok           books.sqlite can be read and written
        books' layout   ok           number [layout], this version's
        books' disk     ok           [room] MB are free in .
        opening balance ok           open since [date] ([time])
        completeness    ok           all records were taken in from HubSpot [time]; the worker compares them every night
        records         ok           none has to be read
        mails           ok           all are sent
        mail            ok           for 2 recipients, as files in outbox
        reports         ok           closed-deals, invoices

        31 checks: 31 ok
        ");
    });
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    local
        .until("the test delivery is set aside", async || {
            local.books("SELECT count(*) FROM deliveries").await == 1
                && local.books("SELECT count(*) FROM due").await == 0
        })
        .await;
    let json: Value = serde_json::from_str(&doctor(local.folder(), &["--json"], &variables).await.stdout).unwrap();
    let states: Vec<_> = json.as_array().unwrap().iter().map(|check| check["state"].as_str().unwrap()).collect();
    assert_eq!((states.iter().filter(|state| **state == "ok").count(), states.len()), (30, 31), "{json}");
}

#[tokio::test]
async fn much_is_wrong_and_all_of_it_is_told_without_a_secret() {
    let clock = Clock::manual(now_ms() - 600_000);
    let simulator = Simulator::start(Settings { clock, ..Settings::default() }).await.unwrap();
    for scope in ["crm.objects.invoices.read", "crm.objects.commercepayments.read", "crm.objects.owners.read"] {
        simulator.account().deny_scope(scope);
    }
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("books.sqlite"), "no books but a text of more than a hundred bytes".repeat(9))
        .unwrap();
    fs::write(folder.path().join("queue.sqlite"), "no queue but a text of more than a hundred bytes".repeat(9))
        .unwrap();
    let variables = [
        ("WEBHOOK_URLS", simulator.api_url() + "/webhooks/hubspot"),
        ("HUBSPOT_API_URL", simulator.api_url()),
        ("HUBSPOT_CLIENT_SECRETS", "hush-new,hush-old".to_owned()),
        ("TIME_ZONE", "America/New_York".to_owned()),
        ("SMTP_URL", "smtps://bell:hush@127.0.0.1:1".to_owned()),
        ("POLL_INTERVAL", "often".to_owned()),
    ];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let ended = doctor(folder.path(), &["--ring"], &variables).await;
    insta::with_settings!({filters => FILTERS}, {
        insta::assert_snapshot!(ended.stdout, @"
        configuration   wrong        POLL_INTERVAL: not a duration such as 60s or 5m
                        └ fix        Correct POLL_INTERVAL for `local`
        clock           wrong        this machine's is [time] ahead of HubSpot's; signatures are refused when they are [time] off
                        └ fix        Set this machine's clock, and keep it right with NTP (`timedatectl set-ntp true`)
        HubSpot token   ok           of account 62515001, in EUR and Europe/Berlin
        time zone       warning      TIME_ZONE is America/New_York, and the account's is Europe/Berlin: days and months begin at other moments than in HubSpot
                        └ fix        Unset TIME_ZONE, unless reports are meant to be in another zone than HubSpot's own
        deals           ok           the token may read them, and all properties are there
        invoices        wrong        the token may not read invoices (HTTP 403 MISSING_SCOPES, correlation id [id])
                        └ fix        Add the scope crm.objects.invoices.read to requiredScopes in app-hsmeta.json, run `hs project upload` and install the app again (a legacy private app: Settings > Integrations > Private Apps > Scopes tab)
        payments        warning      the token may not read payments (HTTP 403 MISSING_SCOPES, correlation id [id]): receipts are told by invoices alone
                        └ fix        Add the scope crm.objects.commercepayments.read to requiredScopes in app-hsmeta.json, run `hs project upload` and install the app again (a legacy private app: Settings > Integrations > Private Apps > Scopes tab)
        companies       ok           the token may read them
        owners          warning      the token may not read owners (HTTP 403 MISSING_SCOPES, correlation id [id]): reports lack their names
                        └ fix        Add the scope crm.objects.owners.read to requiredScopes in app-hsmeta.json, run `hs project upload` and install the app again (a legacy private app: Settings > Integrations > Private Apps > Scopes tab)
        API version     ok           HubSpot answers 2026-09
        daily calls     ok           [some] of 625000 are left
        account         not checked  no books name theirs yet
        client secrets  warning      2 are live, as during a rotation: whoever has an older one can still ring
                        └ fix        Move the older ones from HUBSPOT_CLIENT_SECRETS to HUBSPOT_RETIRED_SECRETS, a day after HubSpot began to sign with the new one
        signature       ok           deliveries to http://127.0.0.1:[port]/webhooks/hubspot are admitted
        webhook URL     wrong        http://127.0.0.1:[port]/webhooks/hubspot answered 404 Not Found to an unsigned delivery: HubSpot would not get through
                        └ fix        Give HubSpot and WEBHOOK_URLS the URL whose path leads to the door (that of `local` is /webhooks/hubspot)
        webhook GET     ok           it is refused with 404
        certificate     ok           none is needed for a URL on this machine
        test delivery   not checked  http://127.0.0.1:[port]/webhooks/hubspot does not lead to the door
        queue           wrong        queue.sqlite cannot be written: (code: 26) file is not a database
                        └ fix        Let the user of `local` write queue.sqlite and the folder that it is in, or set QUEUE_FILE
        dead letters    not checked  the queue cannot be read
        queue's disk    ok           [room] MB are free in .
        worker          not checked  none runs on this machine; the metric Heartbeat tells of those elsewhere
        books           wrong        books.sqlite cannot be opened: (code: 26) file is not a database
                        └ fix        Set DATABASE_URL to the file of the books, and let this user read and write it and its folder
        books' disk     ok           [room] MB are free in .
        opening balance not checked  the books cannot be asked
        completeness    not checked  the books cannot be asked
        records         not checked  the books cannot be asked
        mails           not checked  the books cannot be asked
        mail            wrong        cannot connect to 127.0.0.1:[port]: Connection error: Connection refused (os error 111)
                        └ fix        Check host and port of SMTP_URL, and that this machine may reach them; clouds block port 25, so use 465 or 587
        reports         ok           closed-deals, invoices

        30 checks: 7 wrong, 4 warning, 8 not checked, 11 ok
        ");
    });
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), ""));
    assert!(!ended.stdout.contains("hush") && !ended.stdout.contains("pat-simulated"), "{}", ended.stdout);
    let right = [&variables[..], &[("POLL_INTERVAL", "1s"), ("HUBSPOT_ACCESS_TOKEN", "pat-revoked")]].concat();
    let ended = doctor(folder.path(), &["--json"], &right).await;
    assert_eq!(ended.code, Some(3));
    let checks: Value = serde_json::from_str(&ended.stdout).unwrap();
    let of = |name: &str| checks.as_array().unwrap().iter().find(|check| check["check"] == name).unwrap().clone();
    assert_eq!((&of("HubSpot token")["state"], &of("deals")["state"]), (&"wrong".into(), &"not_checked".into()));
    assert_eq!(of("clock")["state"], "ok", "a refusal has a date, too");
    for check in checks.as_array().unwrap() {
        let is_problem = matches!(check["state"].as_str(), Some("warning" | "wrong"));
        assert_eq!(check["fix"].is_string(), is_problem, "{check}");
    }
}

#[tokio::test]
async fn nobody_is_waited_for_longer_than_a_check_may_take() {
    // It takes every connection and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let folder = TempDir::new().unwrap();
    let variables = [
        ("WEBHOOK_URLS", format!("http://{address}/webhooks/hubspot")),
        ("HUBSPOT_API_URL", format!("http://{address}")),
        ("SMTP_URL", format!("smtp://{address}")),
    ];
    let began = Instant::now();
    let ended = doctor(folder.path(), &[], &variables.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    assert!(began.elapsed() < Duration::from_secs(13), "{:?}", began.elapsed());
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let wrong: Vec<&str> = ended.stdout.lines().filter(|line| line.get(16..21) == Some("wrong")).collect();
    insta::with_settings!({filters => FILTERS}, {
        insta::assert_snapshot!(wrong.join("\n"), @"
        HubSpot token   wrong        HubSpot does not answer: operation timed out
        webhook URL     wrong        http://127.0.0.1:[port]/webhooks/hubspot does not answer: operation timed out
        mail            wrong        the mail server gave no answer within [time]
        ");
    });
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "a look leaves nothing");
}
