//! `cargo xtask bench door`: the door beside a bare Lambda and a Node Lambda, on the Lambda Runtime API, in one run.
//!
//! It measures and judges nothing: exit 0 whatever the figures, exit 1 only when something could not be measured. This
//! program is the Runtime API and AWS at once. It runs on one thread, so that the function has the other core to itself,
//! and CPU time and memory are those of the function's process alone.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a command: progress on stderr, figures on stdout"
)]

mod aws;
mod delivery;
mod figures;
mod function;
mod lambda;
mod package;
mod runtime_api;
mod signatures;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use bench_measured::{Target, Targets, Unit};
use clap::Parser;

use crate::aws::{Authority, Aws, Sqs};
use crate::figures::{Figures, Line};
use crate::function::{Peer, SecretIn, Workshop};
use crate::lambda::{BATCHES, Cold, ColdStart, Silence, Warm, WarmRun};
use crate::package::Sizes;
use crate::signatures::{Checker, SIZES};

/// Measures the door; `cargo xtask bench door` builds what it needs and calls it.
#[derive(Parser)]
struct Arguments {
    /// The binary of validator-lambda
    #[arg(long)]
    lambda: PathBuf,
    /// A Python that has HubSpot's official client
    #[arg(long)]
    python: PathBuf,
    /// The folder of Node's function, with its packages, in a folder that may be written to
    #[arg(long)]
    node: PathBuf,
    /// Half as many of everything
    #[arg(long)]
    quick: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How often each thing is done.
struct Counts {
    /// Fresh processes of each peer, for each place of the secret.
    cold_starts: usize,
    /// Requests of each batch size before anything counts.
    warm_up: usize,
    warm_requests: usize,
    signature_rounds: usize,
}

impl Counts {
    const FULL: Self = Self { cold_starts: 15, warm_up: 300, warm_requests: 2_000, signature_rounds: 5 };
    const QUICK: Self = Self { cold_starts: 7, warm_up: 100, warm_requests: 1_000, signature_rounds: 3 };
}

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
            ExitCode::from(u8::from(!figures.problems.is_empty()))
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: &Arguments) -> Result<Figures> {
    let counts = if arguments.quick { Counts::QUICK } else { Counts::FULL };
    let node = arguments.node.canonicalize().context("--node is no folder")?;
    let folder = node.parent().context("--node has no folder above it")?.to_owned();
    let echo = std::env::current_exe()?.with_file_name("bench-door-echo");
    let authority = Authority::new(&folder)?;
    let workshop = Workshop { folder, ours: arguments.lambda.clone(), echo, node, authority };
    let aws = Aws::start(&workshop.authority, Sqs::Answering).await?;
    let mut problems = Vec::new();

    eprintln!("==> A queue that never answers: ours");
    let ours = lambda::silence(&workshop, Peer::Ours).await;
    eprintln!("==> Cold starts: {} of each", counts.cold_starts);
    let cold = lambda::cold(&workshop, &aws, &counts, &mut problems).await;
    eprintln!("==> Warm requests: {} of each size to each", counts.warm_requests);
    let warm = lambda::warm(&workshop, &aws, &counts, &mut problems).await;
    eprintln!("==> A queue that never answers: node, cut off after {} s", lambda::CUT_OFF.as_secs());
    let node = lambda::silence(&workshop, Peer::Node).await;
    eprintln!("==> Packages");
    let sizes = package::sizes(&workshop, &arguments.python, &mut problems);
    eprintln!("==> Signatures");
    let rates = signatures::measure(&workshop, &arguments.python, &counts, &mut problems);

    let mut figures =
        Figures { lines: Vec::new(), rates, targets: Targets::of_issue(3), notes: notes(&warm), problems };
    figures.add_cold(&cold);
    figures.add_warm(&warm);
    figures.add_sizes(&sizes);
    figures.add_rates();
    figures.add_silence(ours, node);
    Ok(figures)
}

fn notes(warm: &WarmRun) -> Vec<String> {
    let bodies: Vec<String> =
        warm.body_bytes.iter().map(|(batch, bytes)| format!("{batch} in {bytes} bytes")).collect();
    vec![
        "Cold: medians of fresh processes, each in its turn; `best` is the quickest. TLS to SQS (and Secrets Manager) included.".to_owned(),
        format!("Bodies, events: {}. CPU is user and system time of the function's process.", bodies.join(", ")),
        "Node's memory, start and CPU are those of node with a Runtime API loop smaller than AWS's; its zip is without node, which AWS brings.".to_owned(),
        "Echo neither checks nor queues.".to_owned(),
    ]
}

impl Figures {
    fn line(&mut self, what: impl Into<String>, unit: Unit, values: impl Iterator<Item = (Peer, u64)>) {
        self.lines.push(Line { what: what.into(), unit, values: values.collect() });
    }

    /// The values of ours and node in the last line, if both were measured.
    fn last_pair(&self) -> Option<(u64, u64)> {
        let values = &self.lines.last()?.values;
        values.get(&Peer::Ours).copied().zip(values.get(&Peer::Node).copied())
    }

    fn add_cold(&mut self, cold: &Cold) {
        for secret in SecretIn::BOTH {
            let place = match secret {
                SecretIn::Environment => "secret in the environment",
                SecretIn::SecretsManager => "secret in Secrets Manager",
            };
            let starts = || Peer::ALL.into_iter().filter_map(|peer| Some((peer, cold.get(&(secret, peer))?)));
            let sorted = |of: fn(&ColdStart) -> Duration| {
                starts().map(move |(peer, starts)| {
                    let mut times: Vec<u64> = starts.iter().map(|start| nanoseconds(of(start))).collect();
                    times.sort_unstable();
                    (peer, times)
                })
            };
            let median = |(peer, times): (Peer, Vec<u64>)| (peer, times[times.len() / 2]);
            self.line(format!("start until ready, {place}"), Unit::Time, sorted(|start| start.ready).map(median));
            self.line(format!("first answer, {place}"), Unit::Time, sorted(|start| start.answer).map(median));
            if let Some((ours, node)) = self.last_pair() {
                self.targets.push(Target::fraction(format!("cold, {place}"), 20, ours, ("node's", node)));
            }
            let best = sorted(|start| start.answer).map(|(peer, times)| (peer, times[0]));
            self.line(format!("first answer, {place}, best"), Unit::Time, best);
            let peak =
                starts().map(|(peer, starts)| (peer, starts.iter().map(|start| start.peak_memory).max().unwrap_or(0)));
            self.line(format!("peak memory after it, {place}"), Unit::Bytes, peak);
        }
    }

    fn add_warm(&mut self, warm: &WarmRun) {
        for batch in BATCHES {
            let events = if batch == 1 { "1 event".to_owned() } else { format!("{batch} events") };
            let figures = || {
                let measured = move |peer| Some((peer, warm.figures.get(&(batch, peer))?));
                Peer::ALL.into_iter().filter_map(measured).filter(|(_, figures)| !figures.latencies.is_empty())
            };
            let percentile = |hundredths: usize| {
                figures().map(move |(peer, Warm { latencies, .. })| {
                    (peer, nanoseconds(latencies[latencies.len() * hundredths / 100]))
                })
            };
            self.line(format!("warm p50, {events}"), Unit::Time, percentile(50));
            self.line(format!("warm p99, {events}"), Unit::Time, percentile(99));
            let cpu = figures().map(|(peer, Warm { latencies, cpu })| {
                (peer, nanoseconds(*cpu).saturating_mul(1_000) / latencies.len() as u64)
            });
            let what = format!("CPU per 1,000 requests, {events}");
            self.line(&what, Unit::Time, cpu);
            if let Some((ours, node)) = self.last_pair() {
                self.targets.push(Target::fraction(what, 5, ours, ("node's", node)));
            }
        }
        let peak = warm.peak_memory.iter().map(|(peer, bytes)| (*peer, *bytes));
        self.line("peak memory after all warm requests", Unit::Bytes, peak);
        if let Some(ours) = warm.peak_memory.get(&Peer::Ours) {
            self.targets.push(Target::at_most("peak memory", Unit::Bytes, 10_000_000, *ours));
        }
    }

    fn add_sizes(&mut self, sizes: &Sizes) {
        self.line("zip", Unit::Bytes, sizes.iter().map(|(peer, bytes)| (*peer, *bytes)));
        if let Some(ours) = sizes.get(&Peer::Ours) {
            self.targets.push(Target::at_most("zip", Unit::Bytes, 3_000_000, *ours));
        }
    }

    /// Both read the same bytes: openssl's figure is for as many as are signed, not for the body alone.
    fn add_rates(&mut self) {
        for size in SIZES {
            let rate = |checker| self.rates.get(&(checker, size)).copied();
            if let Some((ours, openssl)) = rate(Checker::Check).zip(rate(Checker::OpensslSigned)) {
                let what = format!("signature checks, {size} B");
                self.targets.push(Target::hundredths(what, 95, ours, ("openssl's", openssl)));
            }
        }
    }

    fn add_silence(&mut self, ours: Result<Silence>, node: Result<Silence>) {
        match ours {
            Ok(Silence::Answered { after, status }) => {
                let what = format!("SQS never answers: {status} after");
                let target = Target::at_most(what, Unit::Time, 4_000_000_000, nanoseconds(after));
                self.targets.push(target.and(status >= 500));
            }
            Ok(Silence::CutOff) => self.problems.push("ours gave no answer when SQS never answered".to_owned()),
            Err(error) => self.problems.push(format!("ours, SQS never answers: {error:#}")),
        }
        match node {
            Ok(Silence::CutOff) => {
                self.notes
                    .push(format!("SQS never answers: node had no answer after {} s.", lambda::CUT_OFF.as_secs()));
            }
            Ok(Silence::Answered { after, status }) => {
                self.notes.push(format!("SQS never answers: node answered {status} after {} ms.", after.as_millis()));
            }
            Err(error) => self.problems.push(format!("node, SQS never answers: {error:#}")),
        }
    }
}

/// Nothing here takes the 584 years that do not fit.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Epoch milliseconds UTC.
#[expect(clippy::disallowed_methods, reason = "the one place of this program where the time is read")]
fn now_ms() -> Result<i64> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis().try_into()?)
}
