//! The commands. Results go to stdout, everything else to stderr; the exit code is 0 done, 1 failed or refused, 2 wrong
//! usage or configuration, 3 something is wrong and was not repaired.

#[cfg(feature = "demo")]
mod demo;
mod doctor;
mod health;
mod local;
pub(crate) mod operator;
mod preview;
mod reconcile;
mod redrive;
mod report;
mod send;
pub(crate) mod status;
mod verify;
mod watch;
mod work;
mod worker;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use jiff::Timestamp;
use tracing_subscriber::filter::LevelFilter;

use crate::config::{Environment, Problems};

/// From HubSpot's webhooks to finance reports by email.
#[derive(Debug, Parser)]
#[command(name = "closing-bell", version = crate::VERSION, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play a working day on a simulated HubSpot account; no credentials needed
    #[cfg(feature = "demo")]
    Demo(demo::Args),
    /// Listen for webhooks and do everything else, on this machine
    Local,
    /// Poll SQS every minute and do the rest
    Worker(worker::Args),
    /// Render a report to files, or send it once
    Preview(preview::Args),
    /// Show a period's report as it was sent, send it again, or build it anew
    Report(report::Args),
    /// Compare the books with HubSpot, and list or take in what is missing
    Reconcile(reconcile::Args),
    /// Make a signed HubSpot delivery and post it to a URL
    Send(send::Args),
    /// Say whether a delivery's signature is valid, and if not, why
    Verify(verify::Args),
    /// Say how the queue, the books and the mails stand
    Status(status::Args),
    /// Check configuration, credentials, scopes and reachability, with one fix for each problem
    Doctor(doctor::Args),
    /// Exit with 0 if the worker here is well, else with 1; for containers
    Health,
    /// List the dead letters, or put them back into the queue
    Redrive(redrive::Args),
}

impl Cli {
    /// What is logged unless `RUST_LOG` says otherwise: the demo tells its story itself.
    pub fn log_level(&self) -> LevelFilter {
        match self.command {
            #[cfg(feature = "demo")]
            Command::Demo(_) => LevelFilter::WARN,
            _ => LevelFilter::INFO,
        }
    }
}

/// Runs the command; an error is told once, with all its causes in one line.
pub async fn run(cli: Cli, environment: &Environment, clock: fn() -> Timestamp) -> ExitCode {
    let now = clock();
    let outcome = match cli.command {
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::run(args, clock).await,
        Command::Local => local::run(environment, clock).await,
        Command::Worker(args) => worker::run(args, environment, clock).await,
        Command::Preview(args) => preview::run(args, environment, now).await,
        Command::Report(args) => report::run(args, environment, now).await,
        Command::Reconcile(args) => reconcile::run(args, environment, clock).await,
        Command::Send(args) => send::run(args, environment, now).await,
        Command::Verify(args) => verify::run(args, environment, now).await,
        Command::Status(args) => status::run(args, environment, now).await,
        Command::Doctor(args) => doctor::run(args, environment, clock).await,
        Command::Health => health::run(environment, now),
        Command::Redrive(args) => redrive::run(args, environment, clock).await,
    };
    outcome.unwrap_or_else(|error| {
        // Where stderr is closed nobody can be told; the exit code still is.
        let _ = writeln!(io::stderr(), "closing-bell: {error:#}");
        // Where only AWS Secrets Manager does not answer, nothing is wrong with the configuration.
        let wrong = error.downcast_ref::<Problems>().is_some_and(|problems| !problems.are_transient());
        if wrong || error.is::<WrongUsage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
    })
}

/// A command line that can be read and not be followed: exit code 2, like one that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct WrongUsage(String);

/// Prints a command's result. Unlike `println!` it does not panic where nobody reads it.
fn print(result: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{result}").context("the result cannot be written to stdout")
}
