//! `closing-bell demo`: a working day in a simulated HubSpot account, and the mails it leads to.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use hubspot_simulator::story::{self, Pause};
use hubspot_simulator::{Kind, Settings, Simulator};
use hubspot_webhook::door::{Keys, TargetUrls};
use hubspot_webhook::signature::Secret;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;
use tokio::net::TcpListener;

use super::watch::told;
use super::{print, work};
use crate::config::{CrmConfig, MailConfig, WorkConfig};
use crate::cycle::{self, App, Summary};
use crate::endpoint::{self, Endpoint};
use crate::mailer::{Directory, Mailer};
use crate::queue::{Embedded, EmbeddedSettings, Queue};
use crate::report::Definitions;
use crate::secrets::Renewed;
use crate::status_page::{Progress, StatusPage};
use crate::store::{Books, MailState, Store};

/// From one step of the day to the next, so that one can watch; `--once` does not wait.
const STEP: Duration = Duration::from_millis(400);

/// From one cycle to the next.
const TICK: Duration = Duration::from_millis(100);

/// Where the status page is, unless somebody else is there.
const STATUS_LISTEN: &str = "127.0.0.1:8081";

/// When something has not arrived after this long, something is broken.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// End by itself after the last report
    #[arg(long)]
    once: bool,
    /// Print the summary of the day as JSON
    #[arg(long)]
    json: bool,
}

/// A running demo.
struct Demo {
    simulator: Simulator,
    app: App,
    webhook_url: String,
    clock: fn() -> Timestamp,
    totals: Summary,
    mails: Vec<Mailed>,
    progress: Progress,
    page_url: String,
}

/// A mail that lies in the outbox.
#[derive(serde::Serialize)]
struct Mailed {
    subject: String,
    file: PathBuf,
}

/// Plays the day; afterwards goes on until Ctrl-C, or ends if asked to.
pub(super) async fn run(args: Args, clock: fn() -> Timestamp) -> anyhow::Result<ExitCode> {
    let stop = work::stopped()?;
    tokio::pin!(stop);
    let folder = folder(clock())?;
    say(format_args!("Closing Bell's demo: a simulated HubSpot account, a working day, and its mails."));
    say(format_args!("The mails will lie in {}", folder.join("outbox").display()));
    let mut demo = Demo::start(&folder, clock).await?;
    say(format_args!("See how it stands in a browser: {}", demo.page_url));
    tokio::select! {
        done = demo.play(args.once) => done?,
        () = &mut stop => bail!("ended before the day was over; the mails so far are in {}", folder.join("outbox").display()),
    }
    print(&if args.json { demo.json().to_string() } else { demo.words(&folder) })?;
    if !args.once {
        demo.invite();
        tokio::select! {
            done = demo.go_on() => done?,
            () = &mut stop => say(format_args!("\nEnded as asked.")),
        }
    }
    demo.simulator.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// A folder for this run; earlier runs stay as they are.
fn folder(now: Timestamp) -> anyhow::Result<PathBuf> {
    let start = now.strftime("%Y-%m-%d-%H%M%S");
    for count in 1.. {
        let name = if count == 1 { start.to_string() } else { format!("{start}-{count}") };
        let folder = Path::new("closing-bell-demo").join(name);
        if !folder.exists() {
            let outbox = folder.join("outbox");
            std::fs::create_dir_all(&outbox).with_context(|| format!("cannot make the folder {}", outbox.display()))?;
            return Ok(folder);
        }
    }
    unreachable!("a count without end")
}

impl Demo {
    async fn start(folder: &Path, clock: fn() -> Timestamp) -> anyhow::Result<Self> {
        let settings = Settings::default();
        let secret = Secret::new(settings.client_secret.clone())?;
        let token = SecretString::from(settings.access_token.clone());
        let simulator = Simulator::start(settings).await?;
        story::before_the_day(simulator.account());

        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on this machine")?;
        let webhook_url = format!("http://{}/webhooks/hubspot", listener.local_addr()?);
        let keys = Renewed::from(Keys::new(vec![secret])?);
        let queue = Queue::Embedded(Embedded::open(folder.join("queue.sqlite"), EmbeddedSettings::default()).await?);
        let endpoint =
            Endpoint { keys: keys.clone(), urls: TargetUrls::new([&*webhook_url])?, queue: queue.clone(), clock };
        tokio::spawn(axum::serve(listener, endpoint::router(endpoint)).into_future());

        let database = Books::Sqlite(folder.join("books.sqlite"));
        let progress = Progress::starting(TICK, clock());
        let page = StatusPage {
            books: database.clone().into(),
            queue_file: folder.join("queue.sqlite"),
            progress: progress.clone(),
            zone: None,
            password: None,
            clock,
        };
        let store = Store::open_to_work(&database).await?;
        let config = WorkConfig {
            keys,
            database: database.into(),
            crm: CrmConfig {
                api_url: simulator.api_url().parse()?,
                api_version: "2026-09".to_owned(),
                access_token: token.into(),
            },
            mail: MailConfig {
                mailer: Mailer::Directory(Directory::new(folder.join("outbox"))).into(),
                from: "Closing Bell <bell@example.com>".to_owned(),
                to: vec!["Finance <finance@example.com>".to_owned()],
                owner: "owner@example.com".to_owned(),
            },
            reports: Definitions::built_in(),
            zone: None,
            poll_interval: TICK,
            quiet: Duration::ZERO,
            deliveries_kept_for: None,
        };
        let app = work::app(store, queue, config, clock()).await?;
        let listener = match TcpListener::bind(STATUS_LISTEN).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind("127.0.0.1:0").await.context("cannot listen on this machine")?,
        };
        let page_url = format!("http://{}/", listener.local_addr()?);
        tokio::spawn(page.serve(listener));
        Ok(Self {
            simulator,
            app,
            webhook_url,
            clock,
            totals: Summary::default(),
            mails: Vec::new(),
            progress,
            page_url,
        })
    }

    /// The day, from opening the books to the last report.
    async fn play(&mut self, in_a_hurry: bool) -> anyhow::Result<()> {
        // What was there before is in the books before the first webhook, and is never mailed as news.
        self.work_until_all_is_told().await?;
        self.simulator.set_target_url(&self.webhook_url);
        say(format_args!("The books are open. Every change now travels as a signed webhook to {}\n", self.webhook_url));
        for step in story::working_day(self.simulator.account()) {
            if step.pause == Pause::UntilReported {
                self.work_until_all_is_told().await?;
            } else if !in_a_hurry {
                tokio::time::sleep(STEP).await;
            }
            say(format_args!("  {}", step.label));
            step.run(self.simulator.account());
        }
        self.work_until_all_is_told().await
    }

    /// Delivers, takes in, reads, reports and sends until there is nothing left to do.
    async fn work_until_all_is_told(&mut self) -> anyhow::Result<()> {
        let all_told = async {
            loop {
                self.simulator.drained().await;
                let summary = self.one_cycle().await?;
                if summary.is_idle() && summary.next_at.is_none() {
                    return Ok(());
                }
                tokio::time::sleep(TICK).await;
            }
        };
        let told = tokio::time::timeout(PATIENCE, all_told).await;
        told.with_context(|| format!("not everything was reported within {} s", PATIENCE.as_secs()))?
    }

    async fn one_cycle(&mut self) -> anyhow::Result<Summary> {
        let summary = cycle::run_once(&self.app, (self.clock)()).await;
        self.progress.cycle_finished(told(&summary, TICK, (self.clock)()), TICK, (self.clock)());
        self.totals.add(&summary);
        if summary.mails_sent > 0 {
            self.show_new_mails().await?;
        }
        Ok(summary)
    }

    async fn show_new_mails(&mut self) -> anyhow::Result<()> {
        let states = self.app.store.mail_states().await?;
        let written = states.into_iter().filter(|mail| mail.state == MailState::Sent).filter_map(|mail| {
            let file = mail.reply.as_deref().and_then(|reply| reply.strip_prefix("written to ")).map(PathBuf::from)?;
            Some(Mailed { subject: mail.subject, file })
        });
        for mail in written.skip(self.mails.len()).collect::<Vec<_>>() {
            say(format_args!("    → mail: {}", mail.subject));
            self.mails.push(mail);
        }
        Ok(())
    }

    /// After the day: whatever is sent to the webhook's URL is worked on.
    async fn go_on(&mut self) -> anyhow::Result<()> {
        loop {
            self.one_cycle().await?;
            tokio::time::sleep(TICK).await;
        }
    }

    fn json(&self) -> serde_json::Value {
        let sent = self.simulator.counters();
        json!({
            "deliveries": { "sent": sent.deliveries, "accepted": sent.accepted, "refused": sent.refused },
            "events": self.totals.events,
            "records_read": self.totals.records_read,
            "changes": self.totals.changes,
            "mails": self.mails,
            "problems": self.totals.problems,
        })
    }

    fn words(&self, folder: &Path) -> String {
        let sent = self.simulator.counters();
        let totals = &self.totals;
        let mut text = format!(
            "\nWhat happened\n  HubSpot sent {} signed deliveries with {} events; {} were accepted, {} refused.\n  \
             {} records were read, {} finance changes found, {} mails written.\n\nWhere to look\n",
            sent.deliveries,
            totals.events,
            sent.accepted,
            sent.refused,
            totals.records_read,
            totals.changes,
            self.mails.len(),
        );
        for mail in &self.mails {
            text.push_str(&format!("  {}\n    {}\n", mail.subject, mail.file.display()));
        }
        for problem in &totals.problems {
            text.push_str(&format!("  problem: {problem}\n"));
        }
        text.push_str(&format!(
            "  Each .eml file opens in a mail program. The books are in {}.",
            folder.join("books.sqlite").display()
        ));
        text
    }

    /// Says what can be tried now.
    fn invite(&self) {
        let settings = Settings::default();
        let deal = self.simulator.account().ids(Kind::Deal).first().copied().unwrap_or(1);
        say(format_args!(
            "\nStill listening; Ctrl-C ends it. See how it stands: {}\nIn another terminal you can ring the bell yourself:\n  \
             HUBSPOT_CLIENT_SECRETS={} cargo run --release -- send --url {} \\\n    --portal-id {} --object-type deal \
             --object-id {deal} --property amount --value 1",
            self.page_url, settings.client_secret, self.webhook_url, settings.portal_id,
        ));
    }
}

/// Progress, for people.
fn say(line: std::fmt::Arguments<'_>) {
    // Where stderr is closed nobody is watching.
    let _ = writeln!(io::stderr(), "{line}");
}
