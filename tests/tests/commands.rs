//! `closing-bell send` and `verify`, as a shell runs them.

use std::collections::BTreeMap;
use std::fs;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::post;
use end_to_end::{Ended, command, run};
use hubspot_webhook::door::{Keys, Request, TargetUrls, admit};
use hubspot_webhook::event::{self, Action};
use hubspot_webhook::signature::{Secret, SignatureVersion, sign_v1, sign_v2, sign_v3};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const NOW_MS: i64 = 1_795_000_000_000;
const NOW: &str = "1795000000000";
const URL: &str = "https://hooks.example.com/webhooks/hubspot";

/// Runs `closing-bell` with these client secrets.
async fn bell(secrets: &str, arguments: &[&str], input: &[u8]) -> Ended {
    let mut bell = command("closing-bell");
    bell.args(arguments).env("HUBSPOT_CLIENT_SECRETS", secrets);
    run(bell, input).await
}

fn parsed(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// A door that keeps what it admits; its clock stands at [`NOW_MS`].
struct Door {
    url: String,
    kept: UnboundedReceiver<Kept>,
}

struct Kept {
    headers: BTreeMap<String, String>,
    body: Bytes,
}

#[derive(Clone)]
struct Lock {
    keys: Keys,
    urls: TargetUrls,
    kept: UnboundedSender<Kept>,
}

impl Door {
    async fn open(secret: &str, versions: &[SignatureVersion]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let url = format!("http://{address}/webhooks/hubspot");
        let (keep, kept) = unbounded_channel();
        let keys = Keys::new(vec![Secret::new(secret).expect("it has a character")])
            .expect("there is one")
            .with_versions(versions);
        let lock = Lock { keys, urls: TargetUrls::new([&url]).expect("it is a URL"), kept: keep };
        let router = Router::new().route("/webhooks/hubspot", post(receive)).with_state(lock);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, kept }
    }
}

async fn receive(State(lock): State<Lock>, uri: Uri, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let pairs: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let query = uri.query();
    let request = Request { method: "POST", headers: &pairs, body: &body, queries: query.as_slice() };
    match admit(&request, &lock.keys, &lock.urls, NOW_MS) {
        Ok(_) => {
            let text = |(name, value): (&str, &[u8])| (name.to_owned(), String::from_utf8_lossy(value).into_owned());
            lock.kept
                .send(Kept { headers: pairs.into_iter().map(text).collect(), body: body.clone() })
                .expect("the test runs");
            (StatusCode::ACCEPTED, "kept\n".to_owned())
        }
        Err(refusal) => (StatusCode::from_u16(refusal.status()).expect("it is a status"), refusal.reason().to_owned()),
    }
}

#[tokio::test]
async fn what_hubspots_client_signed_is_valid() {
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/payloads/signed_by_hubspot_client.json");
    let vectors: Value = serde_json::from_slice(&fs::read(vectors).unwrap()).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    let posts = cases.iter().filter(|case| case["method"] == "POST" && case["timestamp"] == NOW);
    // Every fifth meets each URL, each secret and each body; the library's own tests take them all.
    let some: Vec<&Value> = posts.step_by(5).collect();
    assert!(some.len() >= 10, "{}", some.len());
    for case in some {
        let text = |name: &str| case[name].as_str().unwrap();
        for version in ["v1", "v2", "v3"] {
            let arguments = ["verify", "--signature-version", version, "--method", "POST", "--url", text("uri")];
            let rest = ["--timestamp", NOW, "--now", NOW, "--signature", text(version)];
            let all = [&arguments[..], &rest].concat();
            let newest = bell(text("secret"), &all, text("body").as_bytes()).await;
            assert_eq!((newest.code, &*newest.stdout), (Some(0), "valid: the newest secret matches\n"), "{case}");
            let older = bell(&format!("newer,{}", text("secret")), &all, text("body").as_bytes()).await;
            assert_eq!((older.code, &*older.stdout), (Some(0), "valid: the older secret matches\n"), "{case}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_named_as_the_door_names_it() {
    let secret = Secret::new("s3cret").unwrap();
    let body = b"[{\"eventId\":1}]";
    let (v1, v2) = (sign_v1(&secret, body), sign_v2(&secret, "POST", URL, body));
    let v3 = sign_v3(&secret, "POST", URL, body, NOW);
    let at = |timestamp: &str| sign_v3(&secret, "POST", URL, body, timestamp);
    let (old, ahead) = ("1794999699999", "1795000300001");
    let other_url = "https://hooks.example.com/webhooks/hubspot/";
    #[rustfmt::skip]
    let cases = [
        ("v3", "POST", URL, Some(NOW), v3.as_str(), "tampered", "signature_mismatch"),
        ("v3", "POST", other_url, Some(NOW), &v3, "", "signature_mismatch"),
        ("v3", "POST", URL, Some("1795000000001"), &v3, "", "signature_mismatch"),
        ("v3", "POST", URL, Some(old), &at(old), "", "timestamp_too_old"),
        ("v3", "POST", URL, Some(ahead), &at(ahead), "", "timestamp_too_far_ahead"),
        ("v3", "POST", URL, Some("soon"), &at("soon"), "", "timestamp_malformed"),
        ("v3", "POST", URL, Some("-1"), &at("-1"), "", "timestamp_malformed"),
        ("v3", "POST", URL, None, &v3, "", "timestamp_missing"),
        ("v3", "POST", URL, Some(NOW), "", "", "signature_malformed"),
        ("v3", "POST", URL, Some(NOW), "-", "", "signature_malformed"),
        ("v3", "POST", URL, Some(NOW), "é", "", "header_not_ascii"),
        ("v3", "POST", URL, Some(NOW), &v2, "", "signature_malformed"),
        ("v3", "GET", URL, Some(NOW), &v3, "", "method_not_post"),
        ("v3", "POST", "https://hooks.example.com/?a=é", Some(NOW), &v3, "", "query_not_ascii"),
        ("v2", "POST", URL, None, &v1, "", "signature_mismatch"),
        ("v1", "POST", URL, None, &v2, "", "signature_mismatch"),
        ("v1", "POST", URL, None, &v1, "tampered", "signature_mismatch"),
        ("v2", "POST", other_url, None, &v2, "", "signature_mismatch"),
        ("v2", "POST", URL, None, &v3, "", "signature_malformed"),
    ];
    for (version, method, url, timestamp, signature, tampered, reason) in cases {
        let mut arguments = vec!["verify", "--signature-version", version, "--method", method, "--url", url];
        arguments.extend(["--now", NOW, "--signature", signature]);
        arguments.extend(timestamp.iter().flat_map(|timestamp| ["--timestamp", timestamp]));
        let input = [body, tampered.as_bytes()].concat();
        let told = bell("s3cret", &arguments, &input).await;
        assert_eq!(told.code, Some(1), "{reason}: {told:?}");
        assert!(told.stdout.starts_with(&format!("{reason}: ")), "{reason}: {told:?}");
        arguments.push("--json");
        let told = bell("s3cret", &arguments, &input).await;
        assert_eq!(
            (told.code, &parsed(&told)["reason"], &parsed(&told)["valid"]),
            (Some(1), &json!(reason), &json!(false))
        );
    }
}

#[tokio::test]
async fn no_body_is_an_empty_one_and_json_names_the_secret() {
    let signature = sign_v3(&Secret::new("old").unwrap(), "POST", URL, b"", NOW);
    let arguments = ["verify", "--signature-version", "v3", "--method", "POST", "--url", URL, "--json"];
    let mut bell = command("closing-bell");
    bell.args(arguments).args(["--timestamp", NOW, "--now", NOW, "--signature", &signature]);
    let output = bell.env("HUBSPOT_CLIENT_SECRETS", "new,old").output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "{\"secret\":\"older\",\"valid\":true}\n");
}

#[tokio::test]
async fn a_sent_event_of_any_kind_is_admitted_and_read() {
    let mut door = Door::open("s3cret", &[]).await;
    let url = door.url.clone();
    let types =
        [("deal", "0-3"), ("invoice", "0-53"), ("payment", "0-101"), ("contact", "0-1"), ("2-12345", "2-12345")];
    for (object_type, id) in types {
        let arguments = ["send", "--url", &url, "--object-type", object_type, "--object-id", "332507367156"];
        let rest = ["--property", "amount", "--value", "-1.50", "--count", "3", "--timestamp", NOW];
        let sent = bell("s3cret,older", &[&arguments[..], &rest].concat(), b"").await;
        assert_eq!((sent.code, &*sent.stdout), (Some(0), &*format!("202 Accepted from {url}\nkept\n")), "{sent:?}");
        let events = event::parse(&door.kept.try_recv().unwrap().body).unwrap();
        let events: Vec<_> = events.into_iter().map(Result::unwrap).collect();
        let numbers: Vec<i64> = events.iter().map(|event| event.event_id.unwrap()).collect();
        assert!(numbers[0] != numbers[1] && numbers[1] != numbers[2], "{numbers:?}");
        assert_eq!(events[0].occurred_at_ms + 2, events[2].occurred_at_ms);
        assert_eq!((events.len(), &events[0].action, events[0].portal_id), (3, &Action::PropertyChange, 62_515));
        assert_eq!(events[0].objects[0].to_string(), format!("{id}/332507367156"));
        assert_eq!(events[0].property_value.as_deref(), Some("-1.50"));
    }
    let classic =
        ["send", "--url", &url, "--subscription-type", "deal.creation", "--object-id", "7", "--portal-id", "9"];
    let sent = bell("s3cret", &[&classic[..], &["--timestamp", NOW, "--json"]].concat(), b"").await;
    let body = door.kept.try_recv().unwrap().body;
    let (answer, length) = (parsed(&sent), body.len());
    assert_eq!(
        answer,
        json!({ "url": url, "bytes_sent": length, "status": 202, "accepted": true, "answer": "kept\n" })
    );
    let mut event: Value = serde_json::from_slice(&body).unwrap();
    for name in ["eventId", "occurredAt"] {
        assert!(event[0].as_object_mut().unwrap().remove(name).unwrap().is_i64());
    }
    let rest = json!({ "subscriptionType": "deal.creation", "portalId": 9, "objectId": 7, "attemptNumber": 0,
        "changeFlag": "CREATED", "changeSource": "INTEGRATION" });
    assert_eq!(event, json!([rest]));
}

#[tokio::test]
async fn a_file_is_sent_byte_for_byte() {
    let mut door = Door::open("s3cret", &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let every_byte: Vec<u8> = (0..=255).collect();
    for body in [&b""[..], b"[ {\"objectId\" : 1.0} ]\r\n", b"[{\"eventId\":", b"\xff\xfe\x00[]", &every_byte] {
        let file = folder.path().join("body");
        fs::write(&file, body).unwrap();
        for (file, input) in [(file.to_str().unwrap(), &b"not this"[..]), ("-", body)] {
            let sent = bell("s3cret", &["send", "--url", &door.url, "--file", file, "--timestamp", NOW], input).await;
            assert_eq!(sent.code, Some(0), "{sent:?}");
            assert_eq!(door.kept.try_recv().unwrap().body, body);
        }
    }
}

#[tokio::test]
async fn v3_comes_with_v1_as_from_hubspot_and_older_versions_alone() {
    let mut door = Door::open("s3cret", &[SignatureVersion::V1, SignatureVersion::V2]).await;
    for (version, expected) in [
        ("v3", &["v1", "x-hubspot-request-timestamp", "x-hubspot-signature", "x-hubspot-signature-v3"][..]),
        ("v2", &["v2", "x-hubspot-signature"]),
        ("v1", &["v1", "x-hubspot-signature"]),
    ] {
        let arguments = ["send", "--url", &door.url, "--file", "-", "--timestamp", NOW, "--signature-version", version];
        let sent = bell("s3cret", &arguments, b"[]").await;
        assert_eq!(sent.code, Some(0), "{version}: {sent:?}");
        let mut headers = door.kept.try_recv().unwrap().headers;
        headers.retain(|name, _| name.starts_with("x-hubspot-"));
        let announced = headers.remove("x-hubspot-signature-version").unwrap();
        let names: Vec<&str> = [announced.as_str()].into_iter().chain(headers.keys().map(String::as_str)).collect();
        assert_eq!(names, expected);
        if version == "v3" {
            assert_eq!(headers["x-hubspot-signature"], sign_v1(&Secret::new("s3cret").unwrap(), b"[]"));
        }
    }
}

#[tokio::test]
async fn sent_now_is_fresh_now() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (tell, mut told) = unbounded_channel();
    let router = Router::new().route("/", post(async move |headers: HeaderMap| drop(tell.send(headers))));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let sent = bell("s3cret", &["send", "--url", &url, "--file", "-"], b"[]").await;
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let headers = told.try_recv().unwrap();
    let text = |name: &str| headers[name].to_str().unwrap();
    let arguments = ["verify", "--signature-version", "v3", "--method", "POST", "--url", &url];
    let (timestamp, signature) = (text("x-hubspot-request-timestamp"), text("x-hubspot-signature-v3"));
    let rest = ["--timestamp", timestamp, "--signature", signature];
    let verified = bell("s3cret", &[&arguments[..], &rest].concat(), b"[]").await;
    assert_eq!(verified.stdout, "valid: the newest secret matches\n");
}

#[tokio::test]
async fn a_door_that_refuses_or_is_not_there_is_exit_code_1() {
    let mut door = Door::open("s3cret", &[]).await;
    let event = ["--object-id", "1"];
    let arguments = ["send", "--url", &door.url, "--timestamp", "1794999699999"];
    let stale = bell("s3cret", &[&arguments[..], &event].concat(), b"").await;
    assert_eq!(
        (stale.code, &*stale.stdout),
        (Some(1), &*format!("401 Unauthorized from {}\ntimestamp_too_old\n", door.url))
    );
    assert!(stale.stderr.contains(&format!("{} did not accept the delivery", door.url)), "{stale:?}");
    let arguments = ["send", "--url", &door.url, "--timestamp", NOW, "--json"];
    let stranger = bell("another", &[&arguments[..], &event].concat(), b"").await;
    assert_eq!((stranger.code, &parsed(&stranger)["answer"]), (Some(1), &json!("signature_mismatch")));
    assert_eq!(parsed(&stranger)["accepted"], false);
    door.kept.try_recv().err().expect("nothing was admitted");

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}/webhooks/hubspot");
    let unheard = bell("s3cret", &[&["send", "--url", &url][..], &event].concat(), b"").await;
    assert_eq!((unheard.code, &*unheard.stdout), (Some(1), ""));
    assert!(unheard.stderr.starts_with(&format!("closing-bell: no answer from {url}; check ")), "{unheard:?}");
    assert_eq!(unheard.stderr.lines().count(), 1, "{unheard:?}");
}

#[tokio::test]
async fn a_door_has_as_long_as_hubspot_gives_it() {
    // Connections are taken by the system and never by anybody who answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let ended = bell("s3cret", &["send", "--url", &url, "--object-id", "1"], b"").await;
    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""));
    assert!(ended.stderr.starts_with(&format!("closing-bell: {url} did not answer within 5s")), "{ended:?}");
}

#[tokio::test]
async fn wrong_usage_and_configuration_are_exit_code_2() {
    let send = ["send", "--url", URL];
    let verify = ["verify", "--signature-version", "v3", "--method", "POST", "--url", URL, "--signature", "x"];
    for arguments in [&[&send[..], &["--object-id", "1"]].concat()[..], &verify] {
        let ended = bell("", arguments, b"").await;
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""));
        assert!(ended.stderr.contains("HUBSPOT_CLIENT_SECRETS: not set"), "{ended:?}");
    }
    for (arguments, named) in [
        (&["send", "--object-id", "1"][..], "--url"),
        (&["send", "--url", "hooks.example.com", "--object-id", "1"], "https://host"),
        (&["send", "--url", "https://a b/", "--object-id", "1"], "percent-encoded"),
        (&send, "--object-id"),
        (&[&send[..], &["--object-id", "x"]].concat(), "--object-id"),
        (&[&send[..], &["--object-id", "1", "--object-type", "deals"]].concat(), "--object-type"),
        (&[&send[..], &["--object-id", "1", "--value", "1"]].concat(), "--property"),
        (&[&send[..], &["--object-id", "1", "--signature-version", "v4"]].concat(), "use v1, v2 or v3"),
        (&[&send[..], &["--object-id", "1", "--timestamp", "soon"]].concat(), "--timestamp"),
        (&[&send[..], &["--file", "-", "--count", "2"]].concat(), "--count"),
        (&[&send[..], &["--file", "no such file"]].concat(), "--file no such file cannot be read"),
        (&[&send[..], &["--no-such-option"]].concat(), "--no-such-option"),
        (&[&verify[..], &["--now", "later"]].concat(), "--now"),
        (&["verify", "--signature-version", "v3", "--method", "POST", "--url", URL], "--signature"),
        (&["no-such-command"], "no-such-command"),
        (&[], "Usage"),
    ] {
        let ended = bell("s3cret", arguments, b"").await;
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(named), "{arguments:?}: {ended:?}");
        assert!(!ended.stderr.contains("s3cret"), "{ended:?}");
    }
}

#[tokio::test]
async fn help_says_all_there_is() {
    for (name, arguments) in [
        ("help", &["--help"][..]),
        ("help_redrive", &["redrive", "--help"]),
        ("help_send", &["send", "--help"]),
        ("help_verify", &["verify", "--help"]),
    ] {
        let ended = bell("", arguments, b"").await;
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
        insta::assert_snapshot!(name, ended.stdout);
    }
}

#[tokio::test]
async fn every_program_says_its_version() {
    for name in ["closing-bell", "hubspot-simulator"] {
        let mut program = command(name);
        program.arg("--version");
        let ended = run(program, b"").await;
        let said = format!("{name} {}", env!("CARGO_PKG_VERSION"));
        assert!(ended.code == Some(0) && ended.stdout.starts_with(&said), "{ended:?}");
    }
}

#[tokio::test]
async fn the_example_of_a_configuration_lacks_nothing_but_the_secrets() {
    let example = include_str!("../../infra/closing-bell.env.example");
    let mut bell = command("closing-bell");
    let lines = example.lines().filter(|line| !line.starts_with('#'));
    bell.arg("local").envs(lines.map(|line| line.split_once('=').expect("a line is a variable")));
    let ended = run(bell, b"").await;
    let told = ended.stderr.lines().skip(1).filter_map(|line| line.trim_start().split_once(": not set"));
    let lacking: Vec<&str> = told.map(|(name, _)| name).collect();
    assert_eq!(lacking, ["HUBSPOT_CLIENT_SECRETS", "HUBSPOT_ACCESS_TOKEN"], "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 3, "{}", ended.stderr);
    assert_eq!(ended.code, Some(2));
}
