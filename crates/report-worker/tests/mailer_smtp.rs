//! Mails over SMTP to a real server, and what is known when it misbehaves.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use report_worker::mailer::{Mail, Mailer, Outcome, Timeouts, compose};
use serde_json::{Value, json};
use tempfile::TempDir;

const FROM: &str = "bell@example.com";
const ANNA: &str = "anna@example.com";
const ID: &str = "closed-deals.1@bell.example";

/// The server in tests/services, ended with the test.
struct Server {
    process: Child,
    folder: TempDir,
    port: u64,
    ca_file: Option<String>,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let python = std::env::var("CLOSING_BELL_TEST_PYTHON").expect("run `cargo xtask test`, it installs aiosmtpd");
        let folder = tempfile::tempdir().unwrap();
        let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/services/smtp_server.py");
        let mut process = Command::new(python)
            .arg(program)
            .arg(folder.path())
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).expect("the server says its port");
        let ca_file = told["ca_file"].as_str().map(str::to_owned);
        Self { process, folder, port: told["port"].as_u64().unwrap(), ca_file }
    }

    /// A mailer for this server. `before` is what stands before the host.
    fn mailer(&self, before: &str) -> Mailer {
        let ca_file = self.ca_file.as_ref().map_or(String::new(), |file| format!("?ca_file={file}"));
        Mailer::from_url(&format!("{before}127.0.0.1:{}{ca_file}", self.port)).unwrap()
    }

    /// The mails that the server took: sender and recipients, and the bytes.
    fn taken(&self) -> Vec<(Value, Vec<u8>)> {
        let read = |number: usize, kind: &str| std::fs::read(self.folder.path().join(format!("{number}.{kind}"))).ok();
        (1..)
            .map_while(|number| Some((serde_json::from_slice(&read(number, "json")?).unwrap(), read(number, "eml")?)))
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn mail() -> Vec<u8> {
    let mail = Mail {
        message_id: ID.to_owned(),
        from: format!("Closing Bell <{FROM}>"),
        to: vec![ANNA.to_owned(), "ben@example.com".to_owned()],
        cc: Vec::new(),
        subject: "Closed deals".to_owned(),
        date: "2026-11-22T17:00:00Z".parse().unwrap(),
        text: "One deal.\n.\nA line of one dot is no end, nor is it lost.".to_owned(),
        html: "<p>One deal.</p>".to_owned(),
        references: Vec::new(),
        list_id: None,
        images: Vec::new(),
        attachments: Vec::new(),
    };
    compose(&mail).unwrap()
}

async fn send(mailer: &Mailer, recipient: &str) -> Outcome {
    mailer.send(FROM, recipient, ID, &mail()).await
}

/// Short enough for a test; only ever waited for to its end where nothing answers.
fn impatient(mailer: Mailer) -> Mailer {
    let timeouts = Timeouts { message: Duration::from_millis(300), ..Timeouts::default() };
    match mailer {
        Mailer::Smtp(smtp) => Mailer::Smtp(smtp.with_timeouts(timeouts)),
        other => other,
    }
}

#[tokio::test]
async fn a_mail_arrives_byte_for_byte_with_its_own_recipient_only() {
    let server = Server::start(&[]);
    let outcome = send(&server.mailer("smtp://"), ANNA).await;
    assert_eq!(outcome, Outcome::Accepted { reply: "250 2.0.0 Taken as 1".to_owned() });
    let taken = server.taken();
    assert_eq!(taken[0].0, json!({"from": FROM, "recipients": [ANNA]}));
    assert_eq!(String::from_utf8_lossy(taken[0].1.trim_ascii_end()), String::from_utf8_lossy(mail().trim_ascii_end()));
}

#[tokio::test]
async fn one_refused_recipient_takes_nothing_from_the_others() {
    let server = Server::start(&["--refuse", "gone@example.com", "--defer", "later@example.com"]);
    let mailer = server.mailer("smtp://");
    let refused = Outcome::Refused { reply: "550 5.1.1 No such user here".to_owned() };
    assert_eq!(send(&mailer, "gone@example.com").await, refused);
    let deferred = Outcome::Deferred { reply: "451 4.7.1 Greylisted, try again later".to_owned() };
    assert_eq!(send(&mailer, "later@example.com").await, deferred);
    assert!(matches!(send(&mailer, ANNA).await, Outcome::Accepted { .. }));
    assert_eq!(server.taken().len(), 1);
}

#[tokio::test]
async fn a_refused_message_is_refused() {
    let server = Server::start(&["--refuse-data"]);
    let refused = Outcome::Refused { reply: "554 5.6.0 This message is not wanted".to_owned() };
    assert_eq!(send(&server.mailer("smtp://"), ANNA).await, refused);
}

#[tokio::test]
async fn a_server_that_dies_after_the_final_dot_leaves_it_unknown() {
    let server = Server::start(&["--dies-once"]);
    let mailer = server.mailer("smtp://");
    let outcome = send(&mailer, ANNA).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert!(matches!(send(&mailer, ANNA).await, Outcome::Accepted { .. }));
    // The repeat is the same mail, so the recipient's server can see that it is one.
    let taken = server.taken();
    assert_eq!((taken.len(), &taken[0]), (2, &taken[1]));
}

#[tokio::test]
async fn no_answer_to_the_message_leaves_it_unknown_and_a_late_one_is_waited_for() {
    let mut server = Server::start(&["--slow"]);
    let outcome = send(&impatient(server.mailer("smtp://")), ANNA).await;
    assert_eq!(outcome, Outcome::Unknown { cause: "no answer within 300ms".to_owned() });
    server.process.stdin.as_mut().unwrap().write_all(b"answer\n").unwrap();
    assert!(matches!(send(&server.mailer("smtp://"), ANNA).await, Outcome::Accepted { .. }));
}

#[tokio::test]
async fn no_server_and_a_silent_one_defer() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let Mailer::Smtp(smtp) = Mailer::from_url(&format!("smtp://{address}")).unwrap() else { panic!("it is SMTP") };
    let short = Duration::from_millis(100);
    let mailer = Mailer::Smtp(smtp.with_timeouts(Timeouts { connect: short, command: short, message: short }));
    let reply = format!("cannot connect to {address}: no answer within 300ms");
    assert_eq!(send(&mailer, ANNA).await, Outcome::Deferred { reply });
    drop(listener);
    match send(&mailer, ANNA).await {
        Outcome::Deferred { reply } => assert!(reply.contains("refused"), "{reply}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn starttls_with_credentials() {
    let server = Server::start(&["--starttls", "--auth", "bell:p@ss/w%rd"]);
    assert!(matches!(send(&server.mailer("smtp://bell:p%40ss%2Fw%25rd@"), ANNA).await, Outcome::Accepted { .. }));
    assert_eq!(server.taken().len(), 1);
}

#[tokio::test]
async fn implicit_tls_with_credentials() {
    let server = Server::start(&["--tls", "--auth", "bell:secret"]);
    assert!(matches!(send(&server.mailer("smtps://bell:secret@"), ANNA).await, Outcome::Accepted { .. }));
    assert_eq!(server.taken().len(), 1);
}

#[tokio::test]
async fn wrong_or_missing_credentials_are_told_apart_because_the_mail_is_not_at_fault() {
    let server = Server::start(&["--tls", "--auth", "bell:secret"]);
    for (before, start, code) in
        [("smtps://bell:wr0ng@", "cannot authenticate at 127.0.0.1:", "535 "), ("smtps://", "530 ", "530 ")]
    {
        match send(&server.mailer(before), ANNA).await {
            Outcome::Unauthenticated { reply } => {
                assert!(reply.starts_with(start) && reply.contains(code) && !reply.contains("wr0ng"), "{reply}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(server.taken().len(), 0);
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_and_a_missing_starttls_defer_and_send_nothing() {
    let tls = Server::start(&["--tls"]);
    let untrusting = Mailer::from_url(&format!("smtps://127.0.0.1:{}", tls.port)).unwrap();
    let plain = Server::start(&[]);
    let insisting =
        Mailer::from_url(&format!("smtp://127.0.0.1:{}?ca_file={}", plain.port, tls.ca_file.as_ref().unwrap()));
    for (mailer, expected) in [(untrusting, "certificate"), (insisting.unwrap(), "STARTTLS is not supported")] {
        match send(&mailer, ANNA).await {
            Outcome::Deferred { reply } => assert!(reply.contains(expected), "{reply}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((tls.taken().len(), plain.taken().len()), (0, 0));
}
