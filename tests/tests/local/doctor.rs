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
const FILTERS: [(&str, &str); 6] = [
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
    insta::with_settings!({filters => [&FILTERS[..], &[("waiting: .*|and is empty", "[depth]")]].concat()}, {
        insta::assert_snapshot!(ended.stdout, @"");
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
    assert_eq!((states.iter().filter(|state| **state == "ok").count(), states.len()), (29, 30), "{json}");
}

#[tokio::test]
async fn much_is_wrong_and_all_of_it_is_told_without_a_secret() {
    let clock = Clock::manual(now_ms() - 600_000);
    let simulator = Simulator::start(Settings { clock, ..Settings::default() }).await.unwrap();
    for scope in ["crm.objects.invoices.read", "crm.objects.commercepayments.read", "crm.objects.owners.read"] {
        simulator.account().deny(scope);
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
        insta::assert_snapshot!(ended.stdout, @"");
    });
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), ""));
    assert!(!ended.stdout.contains("hush") && !ended.stdout.contains("pat-simulated"), "{}", ended.stdout);
    let right = [&variables[..], &[("POLL_INTERVAL", "1s"), ("HUBSPOT_ACCESS_TOKEN", "pat-revoked")]].concat();
    let ended = doctor(folder.path(), &["--json"], &right).await;
    assert_eq!(ended.code, Some(3));
    let checks: Value = serde_json::from_str(&ended.stdout).unwrap();
    let of = |name: &str| checks.as_array().unwrap().iter().find(|check| check["check"] == name).unwrap().clone();
    assert_eq!((&of("HubSpot token")["state"], &of("deals")["state"]), (&"wrong".into(), &"not_checked".into()));
    assert_eq!(of("clock")["state"], "wrong", "a refusal has a date, too");
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
        insta::assert_snapshot!(wrong.join("\n"), @"");
    });
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "a look leaves nothing");
}
