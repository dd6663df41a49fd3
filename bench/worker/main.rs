//! `cargo xtask bench worker`: the worker with a backlog on the embedded queue and on SQS, beside an SQS consumer in Node that
//! only parses and keeps, in one run.
//!
//! It measures and judges nothing: exit 0 whatever the figures. The account is the simulator, in this process, so that CPU
//! time and memory are those of the measured program alone. The SQS API is the one at `AWS_ENDPOINT_URL`; it is slower than
//! anything that is measured here, so CPU time counts and not the clock on the wall.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a command: progress on stderr, figures on stdout"
)]

mod backlog;
mod counted;
mod figures;
mod process;
mod runs;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use bench_measured::{Target, Unit};
use clap::Parser;
use hubspot_simulator::{Clock, Kind, Limits, Settings, Simulator};

use crate::backlog::Backlog;
use crate::figures::Figures;
use crate::runs::{Place, Worker, peer};

/// Measures the worker; `cargo xtask bench worker` builds what it needs and calls it.
#[derive(Parser)]
struct Arguments {
    /// The binary of `closing-bell`
    #[arg(long)]
    worker: PathBuf,
    /// The folder of Node's consumer, with its packages
    #[arg(long)]
    node: PathBuf,
    /// A fifth of everything
    #[arg(long)]
    quick: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How long before the records' last change the events begin: longer than there are events, a millisecond each.
const BEFORE_MS: i64 = 3_600_000;
/// Deals that the events are about.
const RECORDS: usize = 1_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments).await {
        Ok(figures) => {
            if arguments.json {
                println!("{:#}", figures.json());
            } else {
                print!("{figures}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: &Arguments) -> Result<Figures> {
    let endpoint = std::env::var("AWS_ENDPOINT_URL").context("AWS_ENDPOINT_URL names no SQS API")?;
    let (program, node) = (arguments.worker.canonicalize()?, arguments.node.canonicalize()?);
    let (few, many, limited, windows) =
        if arguments.quick { (200, 2_000, 15_000, 1) } else { (1_000, 10_000, 40_000, 3) };
    let mut figures = Figures::none();

    let account = Settings { limits: without_limits(), ..Settings::default() };
    let (simulator, deals, created_ms) = simulated(&account, RECORDS).await?;
    let mut backlog = Backlog::new(&account, &deals, created_ms - BEFORE_MS, Clock::default().now_ms())?;
    for (place, name) in [(Place::Embedded, "embedded queue"), (Place::Sqs, "SQS")] {
        eprintln!("==> {name}: {few}, {many} and again {few} deliveries of 100 events");
        let mut worker = Worker::new(&program, &simulator, &account, &endpoint, place).await?;
        let first = worker.drain(&mut backlog, few).await?;
        let large = worker.drain(&mut backlog, many).await?;
        let after = worker.drain(&mut backlog, few).await?;
        figures.run(&format!("ours, {name}, {few} deliveries"), &first);
        figures.run(&format!("ours, {name}, {many} deliveries"), &large);
        figures.run(&format!("ours, {name}, {few} more after them"), &after);
        figures.targets.push(Target::at_most(format!("peak memory, {name}"), Unit::Bytes, 32 << 20, large.peak_memory));
        let per_million = large.database.saturating_mul(1_000_000) / (first.events + large.events);
        let what = format!("database per million events, {name}");
        figures.targets.push(Target::at_most(what, Unit::Bytes, 300_000_000, per_million));
        let what = format!("cost per event at 10x history, {name}");
        figures.targets.push(Target::hundredths_at_most(
            what,
            110,
            first.events_per_cpu_second(),
            after.events_per_cpu_second(),
        ));
        if place == Place::Sqs {
            eprintln!("==> Node's consumer, SQS: {many} deliveries");
            let node = peer(&node, &endpoint, &mut backlog, many).await?;
            figures.run(&format!("node, {name}, {many} deliveries"), &node);
            figures.targets.push(Target::times(
                "events per CPU second, SQS",
                2,
                large.events_per_cpu_second(),
                ("node's", node.events_per_cpu_second()),
            ));
            eprintln!("==> Nothing to do");
            let (cpu, calls) = worker.idle().await?;
            figures.targets.push(Target::at_most("CPU of an idle cycle", Unit::Time, 5_000_000, nanoseconds(cpu)));
            figures.targets.push(Target::at_most("calls to SQS in ten idle cycles", Unit::Count, 20, calls));
        }
    }
    drop(simulator);

    eprintln!("==> HubSpot's limits: {limited} records to read");
    let account = Settings::default();
    let (simulator, deals, created_ms) = simulated(&account, limited).await?;
    let mut backlog = Backlog::new(&account, &deals, created_ms - BEFORE_MS, Clock::default().now_ms())?;
    let mut worker = Worker::new(&program, &simulator, &account, &endpoint, Place::Embedded).await?;
    let used = worker.saturate(&mut backlog, (limited / 100).try_into()?, windows).await?;
    let allowed = account.limits.burst as u64 * u64::from(windows);
    figures.targets.push(Target::share("calls of those HubSpot allows", 9_500, used.calls, allowed));
    figures.targets.push(Target::share_at_most("calls answered with 429", 10, used.rate_limited, used.all_calls));
    Ok(figures)
}

/// An account with so many deals, and when they were created: 30 seconds ago, epoch milliseconds UTC.
async fn simulated(account: &Settings, deals: usize) -> Result<(Simulator, Vec<i64>, i64)> {
    let simulator = Simulator::start(account.clone()).await?;
    let created_ms = Clock::default().now_ms() - 30_000;
    // HubSpot's search cannot list more than 10,000 records of one millisecond.
    let one = |number: usize| {
        let past = simulator.account().in_the_past(created_ms + i64::try_from(number / 1_000).unwrap_or_default());
        past.create(Kind::Deal, &[("dealname", "Bench"), ("amount", &number.to_string())])
    };
    let deals = (0..deals).map(one).collect();
    Ok((simulator, deals, created_ms))
}

fn without_limits() -> Limits {
    Limits { burst: 1_000_000, daily: 1_000_000_000, association_burst: 1_000_000, ..Limits::default() }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
