//! `hubspot-simulator`: the simulated account as a program of its own, to point a worker, a browser or a load at.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use hubspot_simulator::conformance::{Kit, Target};
use hubspot_simulator::faults::{CATALOGUE, Dose};
use hubspot_simulator::story::{self, Pause};
use hubspot_simulator::{Clock, Fault, Settings, Simulator};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// As `closing-bell --version`: with the commit where whoever built it named one.
const VERSION: &str = match option_env!("CLOSING_BELL_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

/// A HubSpot account that behaves like the real one: CRM API, signed webhooks, limits and faults.
#[derive(Debug, Parser)]
#[command(version = VERSION, after_help = faults_help())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer the CRM API, and print its address and credentials as JSON.
    Serve {
        #[command(flatten)]
        setup: Setup,
    },
    /// Play a working day, or a load, against a webhook URL; print the counters as JSON at the end.
    Day {
        #[command(flatten)]
        setup: Setup,
        /// Where the webhooks go; they are signed for exactly this text.
        #[arg(long, value_name = "URL")]
        target: String,
        /// How many times faster than a person the day goes.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        speed: u32,
        /// How many times faster than HubSpot deliveries are retried: at 1000, 24 h last 86 s.
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
        retry_speed: u32,
        /// Play the random lives of so many records, without pauses, in place of the day.
        #[arg(long, value_name = "N")]
        records: Option<usize>,
        /// Where the random lives start from.
        #[arg(long, default_value_t = 1, requires = "records")]
        seed: u64,
        /// End once every webhook was accepted or given up.
        #[arg(long)]
        exit_when_drained: bool,
    },
    /// List the faults that can be asked for.
    Faults,
    /// Try every delivery that a webhook endpoint must accept, and every request that it must refuse.
    ///
    /// Posts some 240 requests to the endpoint and prints what came of them. 2xx is accepted, 4xx is refused; everything
    /// else fails: 3xx and 5xx, no answer within 5 s, a dropped connection. Exit code 0: all pass; 1: cases fail, and the
    /// end of the table names them; 2: wrong usage.
    ///
    /// What the endpoint accepts stays behind it: some 100 test deliveries, of deals 999999999 and up in portal 999999999.
    Conformance {
        /// The endpoint, without a query.
        #[arg(long, value_name = "URL")]
        target: Target,
        /// The app's client secret that the endpoint knows.
        #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
        secret: String,
        /// The URL that HubSpot calls, where a proxy before the endpoint changes it; the target's if not given.
        #[arg(long, value_name = "URL")]
        signed_url: Option<Target>,
        /// Print the results as JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct Setup {
    /// Where the API listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The app's client secret.
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,
    /// The access token that the API takes.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// The account's id.
    #[arg(long, value_name = "ID")]
    portal_id: Option<i64>,
    /// A fault, such as rate-limit:3 or stale-reads:2s; may be given several times.
    #[arg(long = "fault", value_name = "NAME")]
    faults: Vec<Fault>,
}

impl Setup {
    fn settings(self) -> Settings {
        let usual = Settings::default();
        Settings {
            listen: self.listen,
            client_secret: self.secret.unwrap_or(usual.client_secret),
            access_token: self.token.unwrap_or(usual.access_token),
            portal_id: self.portal_id.unwrap_or(usual.portal_id),
            faults: self.faults,
            ..usual
        }
    }
}

fn faults_help() -> String {
    let lines = CATALOGUE.iter().map(|entry| {
        let usage = match entry.dose {
            Dose::Times(times) => format!("{}:{times}", entry.name),
            Dose::Lag(ms) if ms % 1_000 == 0 => format!("{}:{}s", entry.name, ms / 1_000),
            Dose::Lag(ms) => format!("{}:{ms}ms", entry.name),
        };
        format!("  {usage:<24}{}", entry.about)
    });
    format!("Faults, with the amount that comes without one:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
    match run(Cli::parse().command).await {
        Ok(code) => code,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let ended = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    match command {
        Command::Conformance { target, secret, signed_url, json } => {
            let kit = Kit::new(target, signed_url, secret, Clock::System)?;
            let report = tokio::select! {
                report = kit.run() => report?,
                () = ended => anyhow::bail!("interrupted"),
            };
            print(&if json { serde_json::to_string(&report)? } else { report.to_string() });
            if report.failed > 0 {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Faults => print(&faults_help()),
        Command::Serve { setup } => {
            let settings = setup.settings();
            let mut shown = json!({
                "portal_id": settings.portal_id,
                "access_token": settings.access_token,
                "client_secret": settings.client_secret,
            });
            let simulator = Simulator::start(settings).await?;
            story::before_the_day(simulator.account());
            shown["api_url"] = simulator.api_url().into();
            print(&shown.to_string());
            ended.await;
            simulator.stop().await;
        }
        Command::Day { setup, target, speed, retry_speed, records, seed, exit_when_drained } => {
            let settings = Settings { target_url: Some(target), retry_speed, ..setup.settings() };
            let simulator = Simulator::start(settings).await?;
            say(&format!("CRM API at {}", simulator.api_url()));
            story::before_the_day(simulator.account());
            let played = async {
                play(&simulator, speed, records.map(|records| (records, seed))).await;
                if exit_when_drained {
                    simulator.drained().await;
                } else {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = played => {}
                () = ended => {}
            }
            let counters = simulator.counters();
            print(&serde_json::to_string(&counters)?);
            simulator.stop().await;
            if counters.given_up > 0 {
                say(&format!("{} events were given up", counters.given_up));
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Plays the day, or the load, and says each step.
async fn play(simulator: &Simulator, speed: u32, load: Option<(usize, u64)>) {
    let account = simulator.account();
    let steps = match load {
        Some((records, seed)) => story::load(account, records, seed),
        None => story::working_day(account),
    };
    for step in steps {
        let pause = match step.pause {
            _ if load.is_some() => Duration::ZERO,
            Pause::Short => Duration::from_millis(800),
            Pause::UntilReported => Duration::from_secs(20),
        };
        match pause {
            // A sleep of no time still lasts a millisecond, and a load has many thousand steps.
            Duration::ZERO => tokio::task::yield_now().await,
            pause => tokio::time::sleep(pause / speed).await,
        }
        step.run(account);
        say(&step.label);
    }
}

#[expect(clippy::print_stdout, reason = "results go to stdout")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "what happens is told on stderr")]
fn say(text: &str) {
    eprintln!("{text}");
}
