//! A wrong configuration is told whole, before anything starts.

use end_to_end::{Local, command, run};
use hubspot_simulator::{Settings, Simulator};
use tempfile::TempDir;

#[tokio::test]
async fn everything_missing_is_told_at_once() {
    let local = ["WEBHOOK_URLS", "HUBSPOT_CLIENT_SECRETS", "HUBSPOT_ACCESS_TOKEN", "SMTP_URL", "MAIL_FROM", "MAIL_TO"];
    let worker = [&["QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "DATABASE_URL"], &local[1..]].concat();
    for (name, expected) in [("local", &local[..]), ("worker", &worker)] {
        let folder = TempDir::new().unwrap();
        let mut bell = command("closing-bell");
        bell.arg(name).current_dir(folder.path());
        let ended = run(bell, b"").await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
        for variable in expected {
            assert!(ended.stderr.contains(&format!("\n  {variable}: not set; ")), "{variable}: {}", ended.stderr);
        }
        assert!(ended.stderr.contains(&format!(" {} problems:", expected.len())), "{}", ended.stderr);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "{name} has started something");
    }
}

#[tokio::test]
async fn everything_wrong_is_told_at_once_without_secrets() {
    let wrong = [
        ("WEBHOOK_URLS", "bell.example.com"),
        ("LISTEN", "eighty"),
        ("HUBSPOT_SIGNATURE_VERSIONS", "v4"),
        ("HUBSPOT_API_URL", "api"),
        ("DATABASE_URL", "mysql://root:hush-database@localhost"),
        ("SMTP_URL", "smtp://user:hush-mail@"),
        ("MAIL_FROM", "nobody"),
        ("MAIL_TO", "cfo@example.com,b"),
        ("TIME_ZONE", "Mars/Olympus"),
        ("POLL_INTERVAL", "often"),
        ("QUIET_PERIOD", "-5m"),
        ("HUBSPOT_CLIENT_SECRETS", ",hush-secret"),
        ("HUBSPOT_ACCESS_TOKEN_ARN", "arn:aws:secretsmanager:hush"),
    ];
    let folder = TempDir::new().unwrap();
    let mut local = Local::command(folder.path());
    local.envs(wrong).env("HUBSPOT_ACCESS_TOKEN", "hush-token");
    let ended = run(local, b"").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
    for (variable, _) in wrong {
        let line = format!("\n  {}: ", variable.trim_end_matches("_ARN"));
        assert!(ended.stderr.contains(&line), "{variable}: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("hush"), "{}", ended.stderr);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "it has started something");
}

#[tokio::test]
async fn a_second_process_on_the_same_sqlite_file_is_told_so_and_takes_nothing_up() {
    let simulator = Simulator::start(Settings::default()).await.unwrap();
    let first = Local::start(&simulator, &[]).await;
    let mut second = Local::command(first.folder());
    second.env("WEBHOOK_URLS", first.url()).env("LISTEN", "127.0.0.1:0").env("HUBSPOT_API_URL", simulator.api_url());
    let ended = run(second, b"").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("another process is at work on the books in books.sqlite; SQLite serves one"),
        "{}",
        ended.stderr
    );
    // Who only reads is let in.
    let mut preview = command("closing-bell");
    preview.args(["preview", "invoices"]).current_dir(first.folder()).env("DATABASE_URL", "sqlite:books.sqlite");
    let ended = run(preview, b"").await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    first.end().await;
}

#[tokio::test]
async fn sqlite_beside_sqs_has_to_be_asked_for() {
    let folder = TempDir::new().unwrap();
    let mut worker = command("closing-bell");
    worker.args(["worker", "--once"]).current_dir(folder.path()).envs([
        ("QUEUE_URL", "http://127.0.0.1:9/queue"),
        ("DEAD_LETTER_QUEUE_URL", "http://127.0.0.1:9/dead"),
        ("DATABASE_URL", "sqlite:books.sqlite"),
        ("HUBSPOT_CLIENT_SECRETS", "hush"),
        ("HUBSPOT_ACCESS_TOKEN", "hush"),
        ("SMTP_URL", "file:outbox"),
        ("MAIL_FROM", "bell@example.com"),
        ("MAIL_TO", "cfo@example.com"),
    ]);
    let ended = run(worker, b"").await;
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("ALLOW_SQLITE_WITH_SQS=yes"), "{}", ended.stderr);
}
