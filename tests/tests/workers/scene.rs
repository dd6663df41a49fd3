//! The scene of every test here: an account, a door that keeps count, two queues, the books, a mail server, and worker
//! processes. Beside it an undisturbed worker with books of its own, which says what the books have to be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use end_to_end::{Figures, Mail, command, mails_in, mysql_database_on, mysql_server, now_ms, run, secret, signal};
use fastrand::Rng;
use hubspot_simulator::{Settings, Simulator, story};
use hubspot_webhook::door::{Keys, Request, TargetUrls, admit};
use hubspot_webhook::event;
use sqlx::mysql::MySqlPoolOptions;
use sqlx::{AssertSqlSafe, MySqlPool};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::harness::{start, until};
use crate::sqs_proxy::SqsProxy;
use end_to_end::SmtpServer;
use end_to_end::{Queues, aws_variables};

/// The answers of these must be the same as in the books of the undisturbed worker. Numbers of rows and moments of looking
/// are left out, since they tell of the way and not of the result.
const BOOKS: [&str; 4] = [
    "SELECT CONCAT_WS(' ', kind, record_id, HEX(change_id), change_kind, effective_at, business_date) FROM changes ORDER BY 1",
    "SELECT CONCAT_WS(' ', kind, record_id, state, merged_into, updated_at, unsettled, SHA1(record)) FROM records ORDER BY 1",
    "SELECT CONCAT_WS(' ', r.report_name, c.kind, c.record_id, HEX(c.change_id)) FROM report_changes r \
     JOIN changes c ON c.seq = r.change_seq ORDER BY 1",
    "SELECT CONCAT_WS(' ', record_id, due_date) FROM open_invoices ORDER BY 1",
];

const RECIPIENTS: [&str; 2] = ["finance@example.com", "cfo@example.com"];

/// What the door let in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Admitted {
    /// Halves of digests, as in the books, in hex.
    pub(crate) deliveries: BTreeSet<String>,
    pub(crate) events: BTreeSet<String>,
    pub(crate) messages: Vec<String>,
}

#[derive(Clone)]
struct Door {
    keys: Keys,
    urls: TargetUrls,
    admitted: Arc<Mutex<Admitted>>,
}

/// A worker process and the file of its log.
pub(crate) struct Worker {
    pub(crate) process: Child,
    log: PathBuf,
}

/// A queue pair and the books behind it.
struct Desk {
    queues: Queues,
    database: String,
    pool: MySqlPool,
}

pub(crate) struct Scene {
    pub(crate) simulator: Simulator,
    pub(crate) proxy: SqsProxy,
    pub(crate) smtp: SmtpServer,
    folder: TempDir,
    desk: Desk,
    undisturbed: Desk,
    before: Figures,
    admitted: Arc<Mutex<Admitted>>,
    workers_started: usize,
}

impl Desk {
    async fn new(server: &str) -> Self {
        let database = mysql_database_on(server).await;
        let pool = MySqlPoolOptions::new().max_connections(2).connect_lazy(&database).unwrap();
        Self { queues: Queues::create().await, database, pool }
    }

    async fn column(&self, question: &str) -> Vec<String> {
        let rows = sqlx::query_scalar::<_, Vec<u8>>(AssertSqlSafe(question.to_owned())).fetch_all(&self.pool).await;
        rows.unwrap().into_iter().map(|row| String::from_utf8(row).unwrap()).collect()
    }

    /// Whether everything that was in the queue is in the books, read, told and sent.
    async fn is_done(&self) -> bool {
        let waits = "SELECT (SELECT COUNT(*) FROM due WHERE next_at IS NOT NULL) + (SELECT COUNT(*) FROM pending) \
                     + (SELECT COUNT(*) FROM mail_recipients WHERE state <> 'sent')";
        self.queues.count().await.0 == 0
            && sqlx::query_scalar::<_, i64>(waits).fetch_one(&self.pool).await.unwrap() == 0
    }
}

impl Scene {
    /// The books are open, and nothing has happened since.
    pub(crate) async fn open(server: &str, smtp: &[&str]) -> Self {
        let simulator = Simulator::start(Settings { retry_speed: 3_000, ..Settings::default() }).await.unwrap();
        story::before_the_day(simulator.account());
        let admitted = Arc::default();
        let url = open_door(Arc::clone(&admitted)).await;
        simulator.set_target_url(url);
        let proxy = SqsProxy::start().await;
        let undisturbed_server = mysql_server();
        let scene = Self {
            before: Figures::of_account(simulator.account()),
            simulator,
            proxy,
            smtp: SmtpServer::start(smtp).await,
            folder: tempfile::tempdir().unwrap(),
            desk: Desk::new(server).await,
            undisturbed: Desk::new(&undisturbed_server).await,
            admitted,
            workers_started: 0,
        };
        for command in [scene.command(), scene.undisturbed_command()] {
            let mut command = command;
            command.arg("--once");
            let ended = run(command, b"").await;
            assert_eq!(ended.code, Some(0), "the books cannot be opened: {}", ended.stderr);
        }
        scene
    }

    /// Lives so many records, each write or two in a delivery of its own, and lets the door admit them.
    pub(crate) async fn happen(&self, records: usize, seed: u64) {
        let steps = story::load(self.simulator.account(), records, seed);
        for part in steps.chunks(2) {
            part.iter().for_each(|step| step.run(self.simulator.account()));
            self.simulator.drained().await;
        }
    }

    /// Puts on both queues what the door has admitted, one in four twice, in random order.
    pub(crate) async fn put_on_the_queues(&self, rng: &mut Rng) {
        let fresh = std::mem::take(&mut self.admitted.lock().unwrap().messages);
        let repeats: Vec<String> = fresh.iter().filter(|_| rng.u8(..4) == 0).cloned().collect();
        let mut all = [fresh, repeats].concat();
        rng.shuffle(&mut all);
        for message in &all {
            tokio::join!(self.desk.queues.send(message), self.undisturbed.queues.send(message));
        }
    }

    fn base(&self, endpoint: &str, desk: &Desk, smtp: &str) -> Command {
        let mut worker = command("closing-bell");
        worker
            .arg("worker")
            .current_dir(self.folder.path())
            .envs(aws_variables())
            .env("AWS_ENDPOINT_URL", endpoint)
            .envs([("QUEUE_URL", &desk.queues.url), ("DEAD_LETTER_QUEUE_URL", &desk.queues.dead_letter_url)])
            .env("DATABASE_URL", &desk.database)
            .env("HUBSPOT_CLIENT_SECRETS", Settings::default().client_secret)
            .env("HUBSPOT_ACCESS_TOKEN", Settings::default().access_token)
            .env("HUBSPOT_API_URL", self.simulator.api_url())
            .envs([("SMTP_URL", smtp), ("MAIL_FROM", "Closing Bell <bell@example.com>")])
            .env("MAIL_TO", RECIPIENTS.join(","))
            .envs([("POLL_INTERVAL", "200ms"), ("QUIET_PERIOD", "0s")])
            .env("TMPDIR", self.folder.path());
        worker
    }

    fn command(&self) -> Command {
        self.base(&self.proxy.url, &self.desk, &self.smtp.url("smtp://"))
    }

    fn undisturbed_command(&self) -> Command {
        let endpoint = std::env::var("AWS_ENDPOINT_URL").expect("run `cargo xtask test`");
        self.base(&endpoint, &self.undisturbed, "file:undisturbed")
    }

    /// Starts a worker; whether it is ready is not waited for.
    pub(crate) fn worker(&mut self) -> Worker {
        self.workers_started += 1;
        let log = self.log_of(self.workers_started);
        Worker { process: start(self.command(), &log), log }
    }

    fn log_of(&self, worker: usize) -> PathBuf {
        self.folder.path().join(format!("worker-{worker}.log"))
    }

    /// How many deliveries, records and mails are through so far.
    pub(crate) async fn progress(&self) -> i64 {
        let through = "SELECT (SELECT COUNT(*) FROM deliveries) + (SELECT COUNT(*) FROM due WHERE next_at IS NULL) \
                       + (SELECT COUNT(*) FROM mail_recipients WHERE state = 'sent')";
        sqlx::query_scalar(through).fetch_one(&self.desk.pool).await.unwrap()
    }

    /// Whether nothing is left for a worker to take up now.
    pub(crate) async fn all_is_claimed(&self) -> bool {
        let free = "SELECT (SELECT COUNT(*) FROM due WHERE next_at <= ?) + (SELECT COUNT(*) FROM pending) \
                    + (SELECT COUNT(*) FROM mail_recipients WHERE next_at <= ?)";
        let free = sqlx::query_scalar::<_, i64>(free).bind(now_ms()).bind(now_ms()).fetch_one(&self.desk.pool).await;
        self.queue_is_empty().await && free.unwrap() == 0
    }

    pub(crate) async fn queue_is_empty(&self) -> bool {
        self.desk.queues.count().await.0 == 0
    }

    pub(crate) async fn number(&self, question: &'static str) -> i64 {
        sqlx::query_scalar(question).fetch_one(&self.desk.pool).await.unwrap()
    }

    /// Ends the claims of workers that were killed, as their time would. Only while no worker is at work.
    pub(crate) async fn end_claims_of_the_dead(&self) {
        for claims in [
            "UPDATE due SET next_at = 0 WHERE next_at IS NOT NULL",
            "UPDATE mail_recipients SET next_at = 0 WHERE state = 'sending'",
        ] {
            sqlx::query(claims).execute(&self.desk.pool).await.unwrap();
        }
    }

    pub(crate) async fn deliveries_in_the_books(&self) -> i64 {
        sqlx::query_scalar("SELECT COUNT(*) FROM deliveries").fetch_one(&self.desk.pool).await.unwrap()
    }

    pub(crate) fn admitted(&self) -> Admitted {
        self.admitted.lock().unwrap().clone()
    }

    pub(crate) async fn is_done(&self) -> bool {
        self.desk.is_done().await
    }

    /// Everything is there exactly once, as in the books of one undisturbed worker. So many times at most was a worker
    /// interrupted in sending a mail, which is sent again then. Tells how many mails there are and how many were sent again.
    pub(crate) async fn check(&self, what: &str, interrupted: usize) -> (usize, usize) {
        let log = self.folder.path().join("undisturbed.log");
        let mut undisturbed = start(self.undisturbed_command(), &log);
        until("the undisturbed worker is done", async || self.undisturbed.is_done().await.then_some(())).await;
        signal("TERM", &undisturbed).await;
        assert!(undisturbed.wait().await.unwrap().success(), "{what}");

        assert_eq!(self.desk.queues.count().await, (0, 0), "{what}: messages and dead letters");
        let admitted = self.admitted();
        let hex = async |question| self.desk.column(question).await.into_iter().collect::<BTreeSet<_>>();
        assert_eq!(hex("SELECT LOWER(HEX(id)) FROM deliveries").await, admitted.deliveries, "{what}");
        assert_eq!(hex("SELECT LOWER(HEX(dedupe_key)) FROM events").await, admitted.events, "{what}");
        for question in BOOKS {
            let (ours, theirs) = (self.desk.column(question).await, self.undisturbed.column(question).await);
            assert_eq!(ours, theirs, "{what}: {question}");
        }
        let (mails, again) = self.check_mails(what).await;
        assert!(again <= interrupted, "{what}: {again} mails were sent again");
        let told = Figures::of_mails(&mails);
        assert_eq!(told, Figures::of_account(self.simulator.account()).since(&self.before), "{what}");
        (mails.len(), again)
    }

    /// Each mail of the books is with the server for each recipient, more than once only if it was tried more than once and
    /// then byte for byte the same. Gives back each once.
    async fn check_mails(&self, what: &str) -> (Vec<Mail>, usize) {
        let mut taken = BTreeMap::<_, Vec<Vec<u8>>>::new();
        for mail in self.smtp.taken() {
            assert_eq!(mail.recipients.len(), 1, "one transaction per recipient");
            taken.entry((mail.message_id(), mail.recipients[0].clone())).or_default().push(mail.bytes);
        }
        let rows: Vec<(String, String, String, i64)> =
            sqlx::query_as("SELECT message_id, address, state, attempts FROM mail_recipients")
                .fetch_all(&self.desk.pool)
                .await
                .unwrap();
        let of_the_books: BTreeSet<_> = rows.iter().map(|(id, address, ..)| (id.clone(), address.clone())).collect();
        assert_eq!(taken.keys().cloned().collect::<BTreeSet<_>>(), of_the_books, "{what}");
        let mut again = 0;
        for (id, address, state, attempts) in rows {
            let copies = &taken[&(id.clone(), address)];
            assert_eq!(state, "sent", "{what}: {id}");
            assert!(
                copies.len() <= usize::try_from(attempts).unwrap(),
                "{what}: {id} came more often than it was tried"
            );
            assert!(copies.iter().all(|copy| *copy == copies[0]), "{what}: {id} comes as two mails");
            again += copies.len() - 1;
        }
        let mut mails = mails_in(self.smtp.folder());
        mails.sort_by(|one, other| one.message_id.cmp(&other.message_id));
        mails.dedup_by(|one, other| one.message_id == other.message_id);
        (mails, again)
    }
}

impl Worker {
    /// SIGTERM; it ends well and says so.
    pub(crate) async fn end(mut self) {
        signal("TERM", &self.process).await;
        let ended = tokio::time::timeout(Duration::from_secs(20), self.process.wait()).await;
        let log = self.log();
        let status = ended.unwrap_or_else(|_| panic!("it does not end:\n{log}")).unwrap();
        // One that is asked before it listens for signals is ended by the system.
        let before_it_listened = !log.contains("a cycle is done") && status.code().is_none();
        let before_it_began = log.contains("ended as asked, before the books were open") && status.code() == Some(1);
        assert!(status.success() || before_it_listened || before_it_began, "{status}\n{log}");
    }

    /// SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Scene {
    /// A test that fails shows what its workers said.
    #[expect(clippy::print_stderr, reason = "what a test prints is shown when it fails")]
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for worker in 1..=self.workers_started {
            let log = std::fs::read_to_string(self.log_of(worker)).unwrap_or_default();
            let told: Vec<&str> = log.lines().filter(|line| !line.contains("a cycle is done")).collect();
            eprintln!("--- worker {worker}:\n{}", told.join("\n"));
        }
    }
}

/// Opens the door; what it admits is counted and kept for the queues.
async fn open_door(admitted: Arc<Mutex<Admitted>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhooks/hubspot", listener.local_addr().unwrap());
    let keys = Keys::new(vec![secret()]).unwrap();
    let door = Door { keys, urls: TargetUrls::new([url.clone()]).unwrap(), admitted };
    let router = Router::new().route("/webhooks/hubspot", post(enter)).with_state(door);
    tokio::spawn(axum::serve(listener, router).into_future());
    url
}

async fn enter(State(door): State<Door>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let request = Request { method: "POST", headers: &headers, body: &body, queries: &[] };
    let Ok(envelope) = admit(&request, &door.keys, &door.urls, now_ms()) else { return StatusCode::UNAUTHORIZED };
    let hex = |digest: [u8; 32]| data_encoding::HEXLOWER.encode(&digest[..16]);
    let mut admitted = door.admitted.lock().unwrap();
    admitted.deliveries.insert(hex(envelope.digest()));
    for event in event::parse(envelope.body()).unwrap() {
        admitted.events.insert(hex(event.unwrap().dedupe_key()));
    }
    admitted.messages.push(envelope.encode());
    StatusCode::OK
}
