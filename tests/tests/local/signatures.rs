//! Bodies as HubSpot sends them, signed as HubSpot's own client signs them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use end_to_end::{Local, now_ms, status};
use hubspot_simulator::{Settings, Simulator};
use hubspot_webhook::event;
use hubspot_webhook::signature::{Secret, sign_v3};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The account of the recorded bodies.
const PORTAL_ID: i64 = 48_210_377;

fn payloads() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("payloads")
}

/// Every recorded body, with its name.
fn bodies() -> Vec<(String, Vec<u8>)> {
    let events = fs::read_dir(payloads().join("events"))
        .expect("payloads are there")
        .map(|entry| entry.expect("they are listed").path());
    let mut files: Vec<PathBuf> = events.chain([payloads().join("batch_of_100.json")]).collect();
    files.sort();
    assert!(files.len() > 25, "{files:?}");
    files
        .iter()
        .map(|file| {
            (
                file.file_name().expect("it is a file").to_string_lossy().into_owned(),
                fs::read(file).expect("it can be read"),
            )
        })
        .collect()
}

/// Lets HubSpot's official Python client sign bodies with v3.
async fn signed_by_hubspots_client(secret: &str, url: &str, timestamp: &str, bodies: &[&str]) -> Vec<String> {
    const SIGN: &str = "import json, sys\nfrom hubspot.utils.signature import Signature\ngiven = json.load(sys.stdin)\n\
        print(json.dumps([Signature.get_signature(given['secret'], body, 'v3', given['url'], 'POST', given['timestamp']) \
        for body in given['bodies']]))";
    let python =
        std::env::var("CLOSING_BELL_TEST_PYTHON").expect("run `cargo xtask test`, it installs HubSpot's client");
    let mut command = Command::new(python);
    command.args(["-c", SIGN]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut client = command.spawn().expect("Python is there");
    let given = json!({ "secret": secret, "url": url, "timestamp": timestamp, "bodies": bodies }).to_string();
    let mut stdin = client.stdin.take().expect("stdin is piped");
    stdin.write_all(given.as_bytes()).await.expect("the client reads");
    drop(stdin);
    let output = client.wait_with_output().await.expect("it is our child");
    assert!(output.status.success(), "HubSpot's client has failed");
    serde_json::from_slice(&output.stdout).expect("it writes JSON")
}

#[tokio::test]
async fn recorded_bodies_are_accepted_as_signed_and_refused_as_tampered() {
    let settings = Settings { portal_id: PORTAL_ID, ..Settings::default() };
    let secret = settings.client_secret.clone();
    let simulator = Simulator::start(settings).await.unwrap();
    let local = Local::start(&simulator, &[]).await;
    let (url, timestamp, bodies) = (local.url(), now_ms().to_string(), bodies());
    let texts: Vec<&str> = bodies.iter().map(|(_, body)| std::str::from_utf8(body).unwrap()).collect();
    let signatures = signed_by_hubspots_client(&secret, url, &timestamp, &texts).await;
    let post = async |body: &[u8], signature: &str, timestamp: &str| {
        let request = local.client().post(url).header("X-HubSpot-Signature-v3", signature);
        status(request.header("X-HubSpot-Request-Timestamp", timestamp).body(body.to_vec())).await
    };
    let thief = Secret::new("somebody else's").unwrap();
    for ((name, body), signature) in bodies.iter().zip(&signatures) {
        let mut flipped = body.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let later = (timestamp.parse::<i64>().unwrap() + 1).to_string();
        let stolen = sign_v3(&thief, "POST", url, body, &timestamp);
        assert_eq!(post(&flipped, signature, &timestamp).await, 401, "{name}: one bit of the body");
        assert_eq!(post(&[body, &b" "[..]].concat(), signature, &timestamp).await, 401, "{name}: one more blank");
        assert_eq!(post(body, signature, &later).await, 401, "{name}: another time");
        assert_eq!(post(body, &stolen, &timestamp).await, 401, "{name}: another secret");
        assert_eq!(post(body, signature, &timestamp).await, 200, "{name}");
    }

    let deliveries = i64::try_from(bodies.len()).unwrap();
    local.until("all are taken in", async || local.books("SELECT count(*) FROM deliveries").await >= deliveries).await;
    let events = bodies.iter().flat_map(|(_, body)| event::parse(body).unwrap()).map(Result::unwrap);
    let distinct: BTreeSet<[u8; 32]> =
        events.filter(|event| event.portal_id == PORTAL_ID).map(|event| event.dedupe_key()).collect();
    assert_eq!(local.books("SELECT count(*) FROM deliveries").await, deliveries, "nothing tampered is in the books");
    let counted = usize::try_from(local.books("SELECT count(*) FROM events").await).unwrap();
    assert_eq!(counted, distinct.len());
    assert_eq!(local.books("SELECT count(*) FROM set_aside").await, 0);
    // None of these records exists in the simulated account, so there is nothing to tell.
    assert_eq!(local.mails().len(), 0);
}

#[tokio::test]
async fn older_signatures_of_hubspots_client_are_accepted_where_they_are_switched_on() {
    let vectors: Value =
        serde_json::from_slice(&fs::read(payloads().join("signed_by_hubspot_client.json")).unwrap()).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    let all = |name: &str| {
        let values: BTreeSet<&str> = cases.iter().map(|case| case[name].as_str().unwrap()).collect();
        values.into_iter().collect::<Vec<_>>().join(",")
    };
    let simulator = Simulator::start(Settings::default()).await.unwrap();
    let variables = [
        ("HUBSPOT_SIGNATURE_VERSIONS", "v3,v2,v1"),
        ("HUBSPOT_CLIENT_SECRETS", &all("secret")),
        ("WEBHOOK_URLS", &all("uri")),
    ];
    let mut local = Local::start(&simulator, &variables).await;
    let post = async |body: &str, header: &str, signature: &str, timestamp: &str| {
        let request = local.client().post(local.url()).header(header, signature).body(body.to_owned());
        status(request.header("X-HubSpot-Request-Timestamp", timestamp)).await
    };
    // Version 3 settles it, and these were signed days ago.
    let stale = cases.iter().step_by(20);
    for case in stale {
        let text = |name: &str| case[name].as_str().unwrap();
        assert_eq!(post(text("body"), "X-HubSpot-Signature-v3", text("v3"), text("timestamp")).await, 401, "{case}");
    }
    let mut accepted = 0;
    for case in cases {
        let text = |name: &str| case[name].as_str().unwrap();
        let signed = async |body: &str, version: &str| {
            status(local.client().post(local.url()).header("X-HubSpot-Signature", text(version)).body(body.to_owned()))
                .await
        };
        let by_method = if text("method") == "POST" { 200 } else { 401 };
        assert_eq!(signed(text("body"), "v1").await, 200, "{case}");
        assert_eq!(signed(text("body"), "v2").await, by_method, "{case}");
        let tampered = format!("{} ", text("body"));
        assert_eq!([signed(&tampered, "v1").await, signed(&tampered, "v2").await], [401, 401], "{case}");
        accepted += if by_method == 200 { 2 } else { 1 };
    }
    assert!(accepted > 400, "{accepted}");
    let taken_in = async || {
        let foreign = "SELECT count(*) FROM deliveries WHERE signature_version NOT IN ('v1', 'v2')";
        local.books(foreign).await == 0 && local.books("SELECT count(*) FROM deliveries").await > 200
    };
    local.until("what was accepted is taken in", taken_in).await;
    assert_eq!(local.has_ended(), None);
}
