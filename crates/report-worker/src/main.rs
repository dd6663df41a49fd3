//! `closing-bell`: reads the command line, the environment and the clock, once.

// From here to a byte of SQS is a long way of futures in futures.
#![recursion_limit = "256"]

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::Parser;
use report_worker::commands::{self, Cli};
use report_worker::config::Environment;
use tracing_subscriber::EnvFilter;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // RUST_LOG is the library's own variable: it reads it and says on stderr what of it cannot be read.
    let filter = EnvFilter::builder().with_default_directive(cli.log_level().into()).from_env_lossy();
    let colours = io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours).init();
    rustls::crypto::ring::default_provider().install_default().expect("nothing has installed another before main");
    commands::run(cli, &Environment::of_this_process(), now).await
}

/// Where the time comes from; everything else is told.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
