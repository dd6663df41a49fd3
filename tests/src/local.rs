//! `closing-bell local` as a child process, with everything it keeps in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use hubspot_simulator::{Clock, Settings, Simulator};
use hubspot_webhook::door::{SIGNATURE_V3_HEADER, TIMESTAMP_HEADER};
use hubspot_webhook::signature::{Secret, sign_v3};
use reqwest::{Client, RequestBuilder};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, MySqlConnection};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpSocket;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};

use crate::mail::{Mail, mails_in};
use crate::{Ended, command};

/// When something has not come after this long, it does not come.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often a condition is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The time of the simulator and of the program, epoch milliseconds UTC.
pub fn now_ms() -> i64 {
    Clock::default().now_ms()
}

/// What a process has written so far, and the task that reads on.
#[derive(Debug)]
struct Pipe {
    text: watch::Receiver<String>,
    reading: JoinHandle<()>,
}

impl Pipe {
    fn read(pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (send, text) = watch::channel(String::new());
        let reading = tokio::spawn(async move {
            let mut lines = BufReader::new(pipe).lines();
            while let Some(line) = lines.next_line().await.expect("programs write UTF-8") {
                send.send_modify(|text| {
                    text.push_str(&line);
                    text.push('\n');
                });
            }
        });
        Self { text, reading }
    }

    async fn whole(self) -> String {
        self.reading.await.expect("it was read");
        self.text.borrow().clone()
    }
}

/// A running `closing-bell local`. It ends with this value, by its id.
#[derive(Debug)]
pub struct Local {
    child: Child,
    stdout: Pipe,
    stderr: Pipe,
    url: String,
    client: Client,
    /// Bound and never listened on: nobody else is given the port while the program needs it.
    _port: TcpSocket,
    folder: TempDir,
    /// The books' URL, where they are not in the folder.
    mysql: Option<String>,
}

impl Local {
    /// Starts it for a simulated account, as quick as it goes, and waits until its books are open. `variables` come on top.
    ///
    /// # Panics
    /// If it does not start; its stderr is told.
    pub async fn start(simulator: &Simulator, variables: &[(&str, &str)]) -> Self {
        let local = Self::launch(&simulator.api_url(), variables).await;
        local
            .until("the books are open", async || {
                local.books("SELECT count(*) FROM facts WHERE name = 'opening_done'").await == 1
            })
            .await;
        local
    }

    async fn launch(api_url: &str, variables: &[(&str, &str)]) -> Self {
        let port = TcpSocket::new_v4().expect("there are sockets");
        port.set_reuseaddr(true).expect("a fresh socket takes options");
        port.bind(([127, 0, 0, 1], 0).into()).expect("a port is free");
        let listen = port.local_addr().expect("it is bound").to_string();
        let url = format!("http://{listen}/webhooks/hubspot");
        let folder = TempDir::new().expect("there is a place for temporary files");
        let mut command = Self::command(folder.path());
        command.env("WEBHOOK_URLS", &url).env("LISTEN", &listen).env("HUBSPOT_API_URL", api_url);
        command.envs(variables.iter().copied());
        let mysql = variables.iter().find(|(name, url)| *name == "DATABASE_URL" && url.starts_with("mysql:"));
        let mysql = mysql.map(|(_, url)| (*url).to_owned());
        let mut child = command.spawn().expect("the program was found");
        let stdout = Pipe::read(child.stdout.take().expect("stdout is piped"));
        let stderr = Pipe::read(child.stderr.take().expect("stderr is piped"));
        let client = Client::builder().no_proxy().build().expect("there is a TLS provider");
        let mut local = Self { child, stdout, stderr, url, client, _port: port, folder, mysql };
        local.wait_for_log("listening for HubSpot's webhooks").await;
        local
    }

    /// The command, fully configured but for what only a test can know: `WEBHOOK_URLS`, `LISTEN` and `HUBSPOT_API_URL`.
    pub fn command(folder: &Path) -> Command {
        let simulated = Settings::default();
        let mut command = command("closing-bell");
        command.arg("local").current_dir(folder).envs([
            ("HUBSPOT_CLIENT_SECRETS", simulated.client_secret.as_str()),
            ("HUBSPOT_ACCESS_TOKEN", &simulated.access_token),
            ("QUEUE_FILE", "queue.sqlite"),
            ("DATABASE_URL", "sqlite:books.sqlite"),
            ("SMTP_URL", "file:outbox"),
            ("MAIL_FROM", "Closing Bell <bell@example.com>"),
            ("MAIL_TO", "Finance <finance@example.com>, cfo@example.com"),
            ("OWNER_EMAIL", "owner@example.com"),
            ("QUIET_PERIOD", "0s"),
            ("POLL_INTERVAL", "200ms"),
            ("STATUS_LISTEN", "127.0.0.1:0"),
        ]);
        command
    }

    /// Waits until the log holds this text.
    ///
    /// # Panics
    /// If the process ends or is silent about it.
    pub async fn wait_for_log(&mut self, text: &str) {
        let found =
            timeout(PATIENCE, self.stderr.text.wait_for(|log| log.contains(text))).await.is_ok_and(|it| it.is_ok());
        assert!(found, "the log does not say {text:?}:\n{}", self.log());
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.stderr.text.borrow().clone()
    }

    /// The URL that the webhooks go to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URL of the status page.
    ///
    /// # Panics
    /// If the log does not tell it.
    pub fn status_page(&self) -> String {
        let log = self.log();
        let line = log.lines().find(|line| line.contains("the status page is open")).expect("it is logged");
        line.split_whitespace().find_map(|word| word.strip_prefix("url=")).expect("with its URL").to_owned()
    }

    /// A client, for what HubSpot would never send.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Where it keeps everything.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file of its queue.
    pub fn queue_file(&self) -> PathBuf {
        self.folder().join("queue.sqlite")
    }

    /// The mails so far.
    pub fn mails(&self) -> Vec<Mail> {
        mails_in(&self.folder().join("outbox"))
    }

    /// A delivery of this body, rightly signed now.
    ///
    /// # Panics
    /// Never: the simulated secret is not empty.
    pub fn delivery(&self, body: impl Into<Vec<u8>>) -> RequestBuilder {
        let (body, timestamp) = (body.into(), now_ms().to_string());
        let signature = sign_v3(&secret(), "POST", &self.url, &body, &timestamp);
        let request = self.client.post(&self.url).header(SIGNATURE_V3_HEADER, signature);
        request.header(TIMESTAMP_HEADER, timestamp).body(body)
    }

    /// Posts a body, rightly signed now, and answers with the status.
    pub async fn post(&self, body: impl Into<Vec<u8>>) -> u16 {
        status(self.delivery(body)).await
    }

    /// Asks the books for a number.
    ///
    /// # Panics
    /// If they cannot answer.
    pub async fn books(&self, question: &'static str) -> i64 {
        let Some(url) = &self.mysql else { return ask(&self.folder().join("books.sqlite"), question).await };
        let mut connection = MySqlConnection::connect(url).await.expect("the server answers");
        let answer = sqlx::query_scalar(question).fetch_one(&mut connection).await.expect("it can be asked");
        connection.close().await.expect("it can be closed");
        answer
    }

    /// Waits until HubSpot has delivered all its events.
    ///
    /// # Panics
    /// If it cannot; the log is told.
    pub async fn drained(&self, simulator: &Simulator) {
        let drained = timeout(PATIENCE, simulator.drained()).await;
        assert!(
            drained.is_ok(),
            "HubSpot could not deliver all its events: {:?}\n{}",
            simulator.counters(),
            self.log()
        );
    }

    /// Waits until everything that was sent is in the books, every record read, every change told and every mail sent. Asked
    /// in the order of the path, so nothing can slip by between two questions.
    ///
    /// # Panics
    /// If that does not come.
    pub async fn all_told(&self, simulator: &Simulator) {
        self.drained(simulator).await;
        self.until("all is told", async || {
            ask(&self.queue_file(), "SELECT count(*) FROM messages").await == 0
                && self
                    .books(
                        "SELECT (SELECT count(*) FROM due WHERE next_at IS NOT NULL) + (SELECT count(*) FROM pending)
                         + (SELECT count(*) FROM mail_recipients WHERE state <> 'sent')",
                    )
                    .await
                    == 0
        })
        .await;
    }

    /// Waits until the condition holds.
    ///
    /// # Panics
    /// If it does not come to hold; the log is told.
    pub async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let mut look = interval(LOOK_AGAIN);
        let held = timeout(PATIENCE, async {
            while !condition().await {
                look.tick().await;
            }
        });
        assert!(held.await.is_ok(), "waiting in vain until {what}:\n{}", self.log());
    }

    /// How it has ended by itself, if it has.
    ///
    /// # Panics
    /// If the system does not know its own process.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the process is ours")
    }

    /// Asks it to end with SIGTERM, and waits for it. The folder stays until it is dropped.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn end(mut self) -> (Ended, TempDir) {
        signal("TERM", &self.child).await;
        let status =
            timeout(PATIENCE, self.child.wait()).await.expect("it ends when asked to").expect("it is our child");
        let ended = Ended { code: status.code(), stdout: self.stdout.whole().await, stderr: self.stderr.whole().await };
        (ended, self.folder)
    }
}

/// Sends a signal to a child by its id.
///
/// # Panics
/// If it has ended before.
pub async fn signal(name: &str, child: &Child) {
    let id = child.id().expect("it has not ended").to_string();
    let sent = Command::new("kill").args(["-s", name, &id]).status().await.expect("every Unix has kill");
    assert!(sent.success(), "process {id} cannot be reached");
}

/// The status that a request is answered with.
///
/// # Panics
/// If there is no answer.
pub async fn status(request: RequestBuilder) -> u16 {
    request.send().await.expect("every request is answered").status().as_u16()
}

/// The secret of the simulated app.
///
/// # Panics
/// Never: it is not empty.
pub fn secret() -> Secret {
    Secret::new(Settings::default().client_secret).expect("it is not empty")
}

async fn ask(file: &Path, question: &'static str) -> i64 {
    let options = SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(PATIENCE);
    let mut connection = options.connect().await.expect("the file is there");
    let answer = sqlx::query_scalar(question).fetch_one(&mut connection).await.expect("it can be asked");
    connection.close().await.expect("it can be closed");
    answer
}
