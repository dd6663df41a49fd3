//! The runs: each starts a program on a backlog, waits until it is through, and asks the kernel what that cost.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use hubspot_simulator::{Settings, Simulator};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::backlog::{Backlog, EVENTS, Queue};
use crate::counted::Counted;
use crate::process::Process;

/// HubSpot counts calls in windows of this length.
const WINDOW: Duration = Duration::from_secs(10);

/// How long an idle worker is looked at.
const IDLE: Duration = Duration::from_secs(10);

/// Where the deliveries wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Embedded,
    Sqs,
}

/// What a backlog cost until the queue was empty.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) events: u64,
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    /// Until every record was read, too; as `cpu` for the peer.
    pub(crate) whole_cpu: Duration,
    pub(crate) peak_memory: u64,
    /// The database's files, in bytes, once the program has ended.
    pub(crate) database: u64,
}

impl Run {
    /// Events taken in for one second of CPU time.
    pub(crate) fn events_per_cpu_second(&self) -> u64 {
        let milliseconds = u64::try_from(self.cpu.as_millis()).unwrap_or(u64::MAX).max(1);
        self.events.saturating_mul(1_000) / milliseconds
    }
}

/// The worker with books of its own, which stay from one run to the next.
pub(crate) struct Worker<'a> {
    program: &'a Path,
    simulator: &'a Simulator,
    account: &'a Settings,
    endpoint: &'a str,
    folder: TempDir,
    place: Place,
    queue: Queue,
}

impl<'a> Worker<'a> {
    /// Makes its queue, and lets it open its books: that belongs to no backlog.
    pub(crate) async fn new(
        program: &'a Path,
        simulator: &'a Simulator,
        account: &'a Settings,
        endpoint: &'a str,
        place: Place,
    ) -> Result<Self> {
        let folder = TempDir::new()?;
        let sqs = Queue::sqs(endpoint).await?;
        let mut worker = Self { program, simulator, account, endpoint, folder, place, queue: sqs };
        let mut process = worker.start("60s", endpoint)?;
        let books = worker.books();
        process
            .until("its books are open", async || {
                Ok(ask(&books, "SELECT count(*) FROM facts WHERE name = 'opening_done'").await.is_ok_and(|it| it == 1))
            })
            .await?;
        process.end().await?;
        if place == Place::Embedded {
            worker.queue = Queue::embedded(&worker.folder.path().join("queue.sqlite")).await?;
        }
        Ok(worker)
    }

    fn books(&self) -> PathBuf {
        self.folder.path().join("books.sqlite")
    }

    fn start(&self, interval: &str, endpoint: &str) -> Result<Process> {
        let mut command = Command::new(self.program);
        let command = command.current_dir(self.folder.path()).env_clear().envs([
            ("HUBSPOT_CLIENT_SECRETS", self.account.client_secret.as_str()),
            ("HUBSPOT_ACCESS_TOKEN", &self.account.access_token),
            ("HUBSPOT_API_URL", &self.simulator.api_url()),
            ("DATABASE_URL", "sqlite:books.sqlite"),
            ("SMTP_URL", "file:outbox"),
            ("MAIL_FROM", "Closing Bell <bell@example.com>"),
            ("MAIL_TO", "finance@example.com"),
            ("OWNER_EMAIL", "owner@example.com"),
            ("POLL_INTERVAL", interval),
        ]);
        match (self.place, &self.queue) {
            (Place::Sqs, Queue::Sqs(sqs)) => {
                command.arg("worker").env("QUEUE_URL", &sqs.url).env("DEAD_LETTER_QUEUE_URL", &sqs.dead_letter_url);
                command.env("ALLOW_SQLITE_WITH_SQS", "yes").envs(aws(endpoint));
            }
            _ => {
                let url = "http://127.0.0.1/webhooks/hubspot";
                command.arg("local").env("QUEUE_FILE", "queue.sqlite").env("WEBHOOK_URLS", url);
                command.env("LISTEN", "127.0.0.1:0");
            }
        }
        Process::start(command, &self.folder.path().join("worker.log"))
    }

    /// Fills the queue, and lets the worker empty it and read every record.
    pub(crate) async fn drain(&mut self, backlog: &mut Backlog<'_>, deliveries: u64) -> Result<Run> {
        self.queue.fill(backlog, deliveries).await?;
        let (mut process, began) = (self.start("1s", self.endpoint)?, Instant::now());
        let queue = &mut self.queue;
        process.until("the queue is empty", async || Ok(queue.count().await? == 0)).await?;
        let (wall, cpu) = (began.elapsed(), process.cpu()?);
        let books = self.books();
        process.until("every record is read", async || Ok(due(&books).await? == 0)).await?;
        let (whole_cpu, peak_memory) = (process.cpu()?, process.peak_memory()?);
        process.end().await?;
        let database = size(&books)?;
        Ok(Run { events: deliveries * EVENTS, wall, cpu, whole_cpu, peak_memory, database })
    }

    /// CPU time of one cycle without anything to do, and the calls to SQS that ten of them make.
    pub(crate) async fn idle(&self) -> Result<(Duration, u64)> {
        let counted = Counted::start(self.endpoint).await?;
        let mut process = self.start("1s", counted.url())?;
        process.until("it has finished a cycle", async || Ok(counted.calls() > 0)).await?;
        // The first cycles look at everything once.
        sleep(Duration::from_secs(3)).await;
        let (cpu, calls) = (process.cpu_of_threads()?, counted.calls());
        sleep(IDLE).await;
        let (cpu, calls) = (process.cpu_of_threads()?.saturating_sub(cpu), counted.calls() - calls);
        process.end().await?;
        Ok((cpu / u32::try_from(IDLE.as_secs())?, calls))
    }

    /// Lets it read inside the account's limits, more than fits into so many windows of ten seconds.
    pub(crate) async fn saturate(
        &mut self,
        backlog: &mut Backlog<'_>,
        deliveries: u64,
        windows: u32,
    ) -> Result<Saturation> {
        self.queue.fill(backlog, deliveries).await?;
        // Searches and associations have limits of their own.
        let is_limited = |name: &str| !name.contains("search") && !name.contains("associations");
        let counters = || self.simulator.counters();
        let all =
            || counters().api_calls.iter().filter(|(name, _)| is_limited(name)).map(|(_, calls)| calls).sum::<u64>();
        // The process that opened the books has asked, too: its calls have left the window when this one begins.
        sleep(WINDOW).await;
        let (before, limited) = (all(), counters().rate_limited);
        let mut process = self.start("1s", self.endpoint)?;
        process.until("it asks HubSpot", async || Ok(all() > before)).await?;
        // A little less, so that nothing of the next window is counted.
        sleep(WINDOW * windows - Duration::from_millis(200)).await;
        let calls = all() - before;
        let books = self.books();
        process.until("every record is read", async || Ok(due(&books).await? == 0)).await?;
        process.end().await?;
        let rate_limited = counters().rate_limited - limited;
        Ok(Saturation { calls, all_calls: all() - before, rate_limited })
    }
}

/// How an account's limit was used.
pub(crate) struct Saturation {
    /// In the windows that were watched.
    pub(crate) calls: u64,
    pub(crate) all_calls: u64,
    pub(crate) rate_limited: u64,
}

/// Lets the consumer in Node empty a queue of its own.
pub(crate) async fn peer(node: &Path, endpoint: &str, backlog: &mut Backlog<'_>, deliveries: u64) -> Result<Run> {
    let (folder, mut queue) = (TempDir::new()?, Queue::sqs(endpoint).await?);
    queue.fill(backlog, deliveries).await?;
    let books = folder.path().join("books.sqlite");
    let Queue::Sqs(sqs) = &queue else { unreachable!("it was made as SQS") };
    let mut command = Command::new("node");
    command.arg("index.mjs").current_dir(node).env("QUEUE_URL", &sqs.url).env("BOOKS", &books).envs(aws(endpoint));
    let (mut process, began) = (Process::start(&mut command, &folder.path().join("node.log"))?, Instant::now());
    process.until("the queue is empty", async || Ok(queue.count().await? == 0)).await?;
    let (wall, cpu, peak_memory) = (began.elapsed(), process.cpu()?, process.peak_memory()?);
    let kept = ask(&books, "SELECT count(*) FROM events").await?;
    anyhow::ensure!(kept.unsigned_abs() == deliveries * EVENTS, "Node kept {kept} events; {}", process.log()?);
    process.end().await?;
    Ok(Run { events: deliveries * EVENTS, wall, cpu, whole_cpu: cpu, peak_memory, database: size(&books)? })
}

fn aws(endpoint: &str) -> [(&str, &str); 4] {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "nobody"),
        ("AWS_SECRET_ACCESS_KEY", "nothing"),
    ]
}

async fn due(books: &Path) -> Result<i64> {
    ask(books, "SELECT count(*) FROM due WHERE next_at IS NOT NULL").await
}

async fn ask(books: &Path, question: &'static str) -> Result<i64> {
    let options = SqliteConnectOptions::new().filename(books).busy_timeout(Duration::from_secs(60)).read_only(true);
    Ok(sqlx::query_scalar(question).fetch_one(&mut options.connect().await?).await?)
}

/// A database with what belongs to it.
fn size(books: &Path) -> Result<u64> {
    let name = books.to_str().context("a temporary folder has a readable name")?;
    let sizes = ["", "-wal"].map(|end| std::fs::metadata(format!("{name}{end}")).map_or(0, |file| file.len()));
    Ok(sizes.iter().sum())
}
