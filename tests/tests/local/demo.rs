//! `closing-bell demo`, as somebody runs it who has just cloned the repository.

use std::path::Path;
use std::time::Duration;

use end_to_end::{Figures, Mail, command, run, signal};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::time::timeout;

/// With its pauses to watch, the day takes a quarter of a minute.
const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test]
async fn a_demo_once_ends_by_itself_and_sums_up() {
    let folder = TempDir::new().unwrap();
    let mut demo = command("closing-bell");
    demo.args(["demo", "--once", "--json"]).current_dir(folder.path());
    let ended = run(demo, b"").await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let summary: Value = serde_json::from_str(&ended.stdout).expect("stdout is JSON and nothing else");
    let number =
        |pointer: &str| summary.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}"));
    assert!(number("/deliveries/sent") > 0);
    assert_eq!(number("/deliveries/accepted"), number("/deliveries/sent"));
    assert_eq!(number("/deliveries/refused"), 0);
    assert!(number("/events") > 80 && number("/records_read") > 10 && number("/changes") > 15, "{summary}");
    assert_eq!(summary["problems"], Value::Array(vec![]));

    let mut mails = Vec::new();
    for entry in summary["mails"].as_array().unwrap() {
        let mail = Mail::read(&folder.path().join(entry["file"].as_str().unwrap()));
        assert_eq!(entry["subject"], mail.subject.as_str());
        assert!(ended.stderr.contains(&format!("→ mail: {}", mail.subject)), "{}", ended.stderr);
        mails.push(mail);
    }
    let outbox = mails[0].file.parent().unwrap();
    assert_eq!(end_to_end::mails_in(outbox).len(), mails.len(), "every mail in the outbox is in the summary");
    let figures = Figures::of_mails(&mails);
    assert_eq!((figures.received["USD"], figures.refunded["USD"]), (625_000, 12_000));
    for step in ["Anna Keller wins “Website relaunch”, €12,300.00", "Anna Keller reopens “Website relaunch”"]
    {
        assert!(ended.stderr.contains(step), "{step} in:\n{}", ended.stderr);
    }
    assert!(!ended.stderr.contains('\x1b') && !ended.stderr.contains(" ERROR "), "{}", ended.stderr);
}

#[tokio::test]
async fn a_demo_goes_on_until_ctrl_c() {
    let folder = TempDir::new().unwrap();
    let mut demo = command("closing-bell").arg("demo").current_dir(folder.path()).spawn().unwrap();
    let (mut stdout, stderr) = (demo.stdout.take().unwrap(), demo.stderr.take().unwrap());
    let mut progress = BufReader::new(stderr).lines();
    let invited = timeout(PATIENCE, async {
        while let Some(line) = progress.next_line().await.unwrap() {
            if line.starts_with("Still listening") {
                return line;
            }
        }
        panic!("it has ended without an invitation");
    });
    let invitation = invited.await.expect("the day is over");
    let url = invitation.rsplit(' ').next().unwrap();
    let page = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap().get(url);
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(page.contains("All is well") && page.contains("Closed deals: 3 won"), "{page}");
    signal("INT", &demo).await;
    let rest = async {
        while progress.next_line().await.unwrap().is_some() {}
        let mut results = String::new();
        stdout.read_to_string(&mut results).await.unwrap();
        (demo.wait().await.unwrap().code(), results)
    };
    let (code, results) = timeout(PATIENCE, rest).await.expect("it ends when asked to");
    assert_eq!(code, Some(0));
    assert!(results.contains("What happened") && results.contains("0 refused"), "{results}");
    let mut files = results.lines().map(str::trim).filter(|line| line.ends_with(".eml")).peekable();
    assert!(files.peek().is_some(), "{results}");
    for file in files {
        Mail::read(&folder.path().join(Path::new(file)));
    }
}
