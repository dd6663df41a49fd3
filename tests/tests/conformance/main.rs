//! The conformance kit: at the real door, at servers with planted defects, and where there is nobody.

mod defects;
mod server;

use std::collections::BTreeSet;

use end_to_end::{Ended, Local, command, failing_cases, run};
use hubspot_simulator::{Settings, Simulator};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use self::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn the_local_door_passes_every_case() {
    let simulator = Simulator::start(Settings::default()).await.expect("it starts");
    let local = Local::start(&simulator, &[]).await;
    assert_eq!(failing_cases(local.url(), &Settings::default().client_secret).await, BTreeSet::new());
}

async fn conformance(arguments: &[&str]) -> Ended {
    let mut kit = command("hubspot-simulator");
    kit.arg("conformance").args(arguments);
    run(kit, b"").await
}

#[tokio::test]
async fn the_table_names_what_fails_at_its_end() {
    let server = Server::start(Some(server::Defect::FutureAccepted)).await;
    let ended = conformance(&["--target", server.url(), "--secret", server::SECRET]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
    let (table, end) = ended.stdout.split_once("\n\n").expect("an empty line stands between them");
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    let failed = "\n  FAIL  204      timestamp-10-min-ahead           else it could be replayed until then\n";
    assert!(table.contains(failed), "{table}");
    let told =
        "\n  timestamp-10-min-ahead: answered 204; must be refused (4xx): else it could be replayed until then\n";
    assert!(end.contains(told), "{end}");
    assert_eq!(end.lines().count(), 1 + 3, "{end}");
}

#[tokio::test]
async fn behind_a_proxy_the_signed_url_is_the_one_that_hubspot_calls() {
    let public = "https://bell.example.com/hooks";
    let server = Server::signed_for(public).await;
    let arguments = ["--target", server.url(), "--secret", server::SECRET];
    let ended = conformance(&[&arguments[..], &["--signed-url", public]].concat()).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(
        ended.stdout.trim_end().ends_with(&format!("at {}, signed for {public}", server.url())),
        "{}",
        ended.stdout
    );
    assert_eq!(conformance(&arguments).await.code, Some(1));
}

#[tokio::test]
async fn an_endpoint_without_an_answer_is_one_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}/hooks", listener.local_addr().expect("it is bound"));
    let arguments = ["--target", &url, "--secret", "x"];

    // The first connection is only tried. It reads what comes on the second one before it drops it: else the kit could
    // not tell this from a connection that never was.
    let drops = async {
        let _tried = listener.accept().await.expect("a connection");
        let (mut stream, _) = listener.accept().await.expect("a connection");
        stream.read_u8().await.expect("a request");
    };
    let ((), ended) = tokio::join!(drops, conformance(&arguments));
    let told = format!("error: {url} takes connections, but a plain delivery got no HTTP answer: dropped\n");
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr), (Some(1), "", told));

    let ended = conformance(&arguments).await;
    let told = format!("error: {url} takes connections, but a plain delivery got no HTTP answer: silence\n");
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr),
        (Some(1), "", told),
        "the socket is open all the time"
    );

    drop(listener);
    let ended = conformance(&arguments).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert!(ended.stderr.starts_with(&format!("error: {url} cannot be reached: ")), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1);
}

#[tokio::test]
async fn wrong_usage_is_told_before_anything_is_posted() {
    for wrong in [
        ["--target", "http://127.0.0.1:1/?a=b", "--secret", "x"],
        ["--target", "127.0.0.1:1", "--secret", "x"],
        ["--target", "http://127.0.0.1:1/", "--secret", ""],
        ["--target", "http://127.0.0.1:1/", "--signed-url", "x"],
    ] {
        let ended = conformance(&wrong).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{wrong:?}: {}", ended.stderr);
    }
}
