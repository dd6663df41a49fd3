//! The real SMTP server of tests/services, which can be asked to misbehave.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::path::PathBuf;
use std::process::Stdio;

use mail_parser::{Message, MessageParser};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::python;

/// A running server. It ends with this value.
pub struct SmtpServer {
    _process: Child,
    stdin: ChildStdin,
    folder: TempDir,
    port: u64,
    ca_file: Option<String>,
}

/// A mail that the server took.
#[derive(Debug)]
pub struct Taken {
    /// Whom it was handed over for.
    pub recipients: Vec<String>,
    /// It, as it came.
    pub bytes: Vec<u8>,
}

impl SmtpServer {
    /// Starts it; the options are those of `smtp_server.py`.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("services/smtp_server.py");
        let mut process = Command::new(python())
            .arg(script)
            .arg(folder.path())
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        let told: Value = serde_json::from_str(&line).expect("the server says its port");
        let stdin = process.stdin.take().unwrap();
        let ca_file = told["ca_file"].as_str().map(str::to_owned);
        Self { _process: process, stdin, folder, port: told["port"].as_u64().unwrap(), ca_file }
    }

    /// `SMTP_URL` for it; `before` is what stands before the host.
    pub fn url(&self, before: &str) -> String {
        let ca_file = self.ca_file.as_ref().map_or(String::new(), |file| format!("?ca_file={file}"));
        format!("{before}127.0.0.1:{}{ca_file}", self.port)
    }

    /// Lets a slow server answer, now and from now on.
    pub async fn release(&mut self) {
        self.stdin.write_all(b"\n").await.unwrap();
    }

    /// Wants these credentials from now on.
    pub async fn wants(&mut self, credentials: &str) {
        self.stdin.write_all(format!("auth {credentials}\n").as_bytes()).await.unwrap();
    }

    /// Where its mails lie.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The mails that it took, in the order of their coming.
    pub fn taken(&self) -> Vec<Taken> {
        let read = |number: usize, kind: &str| std::fs::read(self.folder.path().join(format!("{number}.{kind}"))).ok();
        let people = |number| serde_json::from_slice::<Value>(&read(number, "json")?).ok();
        (1..)
            .map_while(|number| {
                let recipients = people(number)?["recipients"].as_array()?.clone();
                let recipients = recipients.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect();
                Some(Taken { recipients, bytes: read(number, "eml")? })
            })
            .collect()
    }
}

impl Taken {
    /// Its parts.
    ///
    /// # Panics
    /// If it is no mail.
    pub fn parsed(&self) -> Message<'_> {
        MessageParser::default().parse(&self.bytes).expect("a mail")
    }

    /// Its Message-ID.
    ///
    /// # Panics
    /// If it has none.
    pub fn message_id(&self) -> String {
        self.parsed().message_id().expect("every mail has one").to_owned()
    }

    /// Its text part.
    ///
    /// # Panics
    /// If it has none.
    pub fn text(&self) -> String {
        self.parsed().body_text(0).expect("every mail has a text part").into_owned()
    }
}
