//! Bodies and requests that HubSpot never sends, and what comes beside them.

use end_to_end::{Local, now_ms, secret, status};
use hubspot_simulator::{Account, Kind, Settings, Simulator};
use hubspot_webhook::signature::{sign_v1, sign_v3};
use jiff::Timestamp;
use report_worker::queue::{Embedded, EmbeddedSettings, Queue};
use reqwest::Method;

const SIGNATURE: &str = "X-HubSpot-Signature-v3";
const TIMESTAMP: &str = "X-HubSpot-Request-Timestamp";

/// Wins a deal of this name without telling anybody, and gives the event that HubSpot would tell.
fn won(account: &Account, name: &str) -> String {
    let occurred_at = now_ms();
    let deal = account.create(Kind::Deal, &[("dealname", name), ("amount", "100"), ("dealstage", "closedwon")]);
    format!(
        r#"{{"eventId":{deal},"subscriptionId":1,"portalId":62515001,"appId":7340112,"occurredAt":{occurred_at},
        "subscriptionType":"object.creation","attemptNumber":0,"objectId":{deal},"objectTypeId":"0-3"}}"#
    )
}

/// The account and the program; what is to be told is posted by hand.
async fn begin() -> (Simulator, Local) {
    let simulator = Simulator::start(Settings::default()).await.expect("it starts");
    let local = Local::start(&simulator, &[]).await;
    (simulator, local)
}

/// Waits until each of these deals is told as won.
async fn all_won(local: &Local, names: &[String]) {
    local
        .until("every deal is told", async || {
            let mails = local.mails();
            names.iter().all(|name| mails.iter().any(|mail| mail.row("WON", name).is_some()))
        })
        .await;
}

#[tokio::test]
async fn one_bad_member_holds_nothing_back() {
    let (simulator, local) = begin().await;
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    #[rustfmt::skip]
    let cases = [
        ("null", "[null,GOOD]".to_owned(), 1),
        ("numbers", "[7,-0,1e400,GOOD,0.1]".to_owned(), 4),
        ("words", r#"["","deal.creation",true,GOOD,false]"#.to_owned(), 4),
        ("arrays", "[[],[GOOD],GOOD]".to_owned(), 2),
        ("nothing in an object", "[{},GOOD]".to_owned(), 1),
        ("an object alone", "GOOD".to_owned(), 0),
        ("white space", "\u{20}\r\n[\t GOOD \n]\r\n".to_owned(), 0),
        ("deeply nested", format!("[{deep},{{\"subscriptionType\":\"deal.creation\",\"portalId\":{deep}}},GOOD]"), 2),
        ("the same event twice", "[GOOD,GOOD]".to_owned(), 0),
        ("a field twice", r#"[{"objectId":1,"objectId":"x","subscriptionType":"deal.creation","portalId":1},GOOD]"#.to_owned(), 1),
        ("beyond 2^63", r#"[{"portalId":62515001,"occurredAt":1,"subscriptionType":"deal.creation","objectId":9223372036854775808},GOOD]"#.to_owned(), 1),
        ("beyond 2^53", r#"[{"portalId":62515001,"occurredAt":1,"subscriptionType":"deal.creation","objectId":9007199254740993},GOOD]"#.to_owned(), 0),
        ("before 1970", r#"[{"portalId":62515001,"occurredAt":-1,"subscriptionType":"deal.creation","objectId":1},GOOD]"#.to_owned(), 1),
        ("beyond all time", r#"[{"portalId":62515001,"occurredAt":9223372036854775807,"subscriptionType":"deal.creation","objectId":1},GOOD]"#.to_owned(), 1),
        ("half a surrogate", r#"[{"portalId":62515001,"occurredAt":1,"subscriptionType":"\ud800","objectId":1},GOOD]"#.to_owned(), 1),
    ];
    let mut names = Vec::new();
    for (name, body, _) in &cases {
        assert_eq!(local.post(body.replace("GOOD", &won(simulator.account(), name))).await, 200, "{name}");
        names.push((*name).to_owned());
    }
    let text = won(simulator.account(), "ids as strings");
    let quoted = ["objectId", "portalId", "occurredAt"].iter().fold(text, |text, field| {
        let (before, after) = text.split_once(&format!("\"{field}\":")).unwrap();
        let (number, rest) = after.split_once(',').unwrap();
        format!("{before}\"{field}\":\"{number}\",{rest}")
    });
    assert_eq!(local.post(format!("[{quoted}]")).await, 200);
    names.push("ids as strings".to_owned());

    all_won(&local, &names).await;
    let aside: i64 = cases.iter().map(|(_, _, aside)| aside).sum();
    assert_eq!(local.books("SELECT count(*) FROM set_aside").await, aside);
    let exact = "SELECT count(*) FROM due WHERE kind = 'deal' AND record_id = 9007199254740993";
    assert_eq!(local.books(exact).await, 1, "not 9007199254740992");
    let (ended, _folder) = local.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[tokio::test]
async fn one_bad_delivery_holds_nothing_back_and_is_kept_with_its_cause() {
    let (simulator, local) = begin().await;
    let cases: [(&str, &[u8], Option<&str>); 12] = [
        ("empty", b"", Some("the body is empty")),
        ("white space only", b" \r\n", Some("the body is empty")),
        ("an empty array", b"[]", None),
        ("null", b"null", Some("the body is null, not an array of events")),
        ("a number", b"7", Some("the body is a number, not an array of events")),
        ("a string", b"\"x\"", Some("the body is a string, not an array of events")),
        ("half an array", b"[{\"objectId\":", Some("the body is not JSON at line 1, column 13")),
        ("two arrays", b"[][]", Some("the body is not JSON at line 1, column 3")),
        ("HTML", b"<html></html>", Some("the body is not JSON at line 1, column 1")),
        ("no UTF-8", b"[\"\xff\xfe\"]", Some("the body is not UTF-8 from byte 2 on")),
        ("zero bytes", b"\0\0\0", Some("the body is not JSON at line 1, column 1")),
        ("a byte order mark", b"\xef\xbb\xbf[]", Some("the body is not JSON at line 1, column 1")),
    ];
    let mut names = Vec::new();
    for (name, body, _) in cases {
        assert_eq!(local.post(body).await, 200, "{name}: the door parses nothing");
        let name = format!("after {name}");
        assert_eq!(local.post(format!("[{}]", won(simulator.account(), &name))).await, 200, "{name}");
        names.push(name);
    }
    all_won(&local, &names).await;

    let queue_file = local.queue_file();
    let (ended, _folder) = local.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let queue = Queue::Embedded(Embedded::open(queue_file, EmbeddedSettings::default()).await.unwrap());
    let mut causes: Vec<String> = queue.dead_letters(100).await.unwrap().into_iter().map(|dead| dead.cause).collect();
    let mut expected: Vec<String> = cases.iter().filter_map(|case| case.2).map(|why| format!("body: {why}")).collect();
    causes.sort();
    expected.sort();
    assert_eq!(causes, expected);
    let depth = queue.depth(Timestamp::from_millisecond(now_ms()).unwrap()).await.unwrap();
    assert_eq!((depth.waiting, depth.in_flight), (0, 0), "nothing is left behind");
}

#[tokio::test]
async fn what_is_not_rightly_signed_is_refused_with_its_reason() {
    let (simulator, mut local) = begin().await;
    let (secret, url) = (secret(), local.url().to_owned());
    let body = format!("[{}]", won(simulator.account(), "never told"));
    let base = || local.client().post(&url).body(body.clone());
    let signed_at = |ms: i64| {
        let timestamp = ms.to_string();
        base()
            .header(SIGNATURE, sign_v3(&secret, "POST", &url, body.as_bytes(), &timestamp))
            .header(TIMESTAMP, timestamp)
    };
    let now = now_ms().to_string();
    let v3 = sign_v3(&secret, "POST", &url, body.as_bytes(), &now);
    let elsewhere = sign_v3(&secret, "POST", "https://elsewhere.example/webhooks/hubspot", body.as_bytes(), &now);
    let got = sign_v3(&secret, "GET", &url, body.as_bytes(), &now);
    let v1 = sign_v1(&secret, body.as_bytes());
    let minutes = |count: i64| now_ms() + count * 60_000;
    let with =
        |headers: &[(&str, &str)]| headers.iter().fold(base(), |request, (name, value)| request.header(*name, *value));
    let cases = [
        ("signature_missing", 401, with(&[])),
        ("signature_missing", 401, with(&[(TIMESTAMP, &now)])),
        ("timestamp_missing", 401, with(&[(SIGNATURE, &v3)])),
        ("header_doubled", 401, with(&[(SIGNATURE, &v3), (SIGNATURE, &v3), (TIMESTAMP, &now)])),
        ("header_doubled", 401, with(&[(SIGNATURE, &v3), (TIMESTAMP, &now), (TIMESTAMP, &now)])),
        ("signature_mismatch", 401, with(&[(SIGNATURE, &elsewhere), (TIMESTAMP, &now)])),
        ("signature_mismatch", 401, with(&[(SIGNATURE, &got), (TIMESTAMP, &now)])),
        ("signature_malformed", 401, with(&[(SIGNATURE, "no-base64"), (TIMESTAMP, &now)])),
        ("timestamp_malformed", 401, with(&[(SIGNATURE, &v3), (TIMESTAMP, "soon")])),
        ("timestamp_too_old", 401, signed_at(minutes(-6))),
        ("timestamp_too_far_ahead", 401, signed_at(minutes(6))),
        ("older_signature_only", 401, with(&[("X-HubSpot-Signature", &v1), ("X-HubSpot-Signature-Version", "v1")])),
        (
            "media_type",
            415,
            with(&[(SIGNATURE, &v3), (TIMESTAMP, &now), ("Content-Type", "application/x-www-form-urlencoded")]),
        ),
        // What cannot be compressed is too much for a queue message, and this many bytes for any door.
        ("too_large", 413, local.delivery((0..1_200_000).map(|_| fastrand::u8(..)).collect::<Vec<_>>())),
        ("too_large", 413, local.delivery(vec![b' '; 6_500_000])),
    ];
    for (reason, expected, request) in cases {
        let before = local.log().matches(&format!("reason=\"{reason}\"")).count();
        assert_eq!(status(request).await, expected, "{reason}");
        let told = async || local.log().matches(&format!("reason=\"{reason}\"")).count() == before + 1;
        local.until("the reason is logged", told).await;
    }
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::HEAD] {
        assert_eq!(status(local.client().request(method.clone(), &url)).await, 405, "{method}");
    }
    for path in ["", "/", "/webhooks", "/status", "/webhooks/hubspot/"] {
        let elsewhere = url.replace("/webhooks/hubspot", path);
        assert_eq!(status(local.client().post(&elsewhere).body(body.clone())).await, 404, "{path:?}");
    }

    let last = won(simulator.account(), "told at last");
    assert_eq!(local.post(format!("[{last}]")).await, 200);
    all_won(&local, &["told at last".to_owned()]).await;
    assert_eq!(local.books("SELECT count(*) FROM deliveries").await, 1);
    let mails = local.mails();
    assert!(mails.iter().all(|mail| !mail.text.contains("never told")), "what was refused is told");
    assert_eq!(local.has_ended(), None);
}
