//! `closing-bell health`: whether the worker beside it finishes its cycles. For a container's health check.

use std::process::ExitCode;

use anyhow::anyhow;
use jiff::Timestamp;

use crate::config::{Environment, Problems, QueueConfig};
use crate::heartbeat::Heartbeat;

/// Asks the heartbeat file and nothing else. Docker reserves the exit code 2, so that a wrong configuration is 1 here too.
pub(super) fn run(environment: &Environment, now: Timestamp) -> anyhow::Result<ExitCode> {
    let config = QueueConfig::read_alone(environment).map_err(|Problems(problems)| {
        let told: Vec<String> = problems.iter().map(|it| format!("{}: {}", it.variable, it.what)).collect();
        anyhow!("the configuration is wrong: {}", told.join("; "))
    })?;
    Heartbeat::read(&config.heartbeat())?.check(now)?;
    Ok(ExitCode::SUCCESS)
}
