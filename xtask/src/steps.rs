//! The steps of a task: a headline before each, its time after it, one summary line at the end; all on stderr.

use std::error::Error;
use std::fmt;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// One run of a task.
pub(crate) struct Steps {
    task: &'static str,
    started: Instant,
    times: Vec<String>,
    failed: Vec<&'static str>,
}

impl Steps {
    pub(crate) fn of(task: &'static str) -> Self {
        Self { task, started: Instant::now(), times: Vec::new(), failed: Vec::new() }
    }

    /// Does one step, and says why when it fails. `name` stands in the summary, `headline` says what is happening now.
    pub(crate) fn step<T>(
        &mut self,
        name: &'static str,
        headline: &str,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        eprintln!("==> {headline}");
        let started = Instant::now();
        let outcome = work();
        self.times.push(format!("{name} {}", spoken(started.elapsed())));
        if let Err(error) = &outcome {
            eprintln!("error: {error:#}");
            self.failed.push(name);
        }
        outcome
    }

    /// The summary line.
    pub(crate) fn summarise(&self) {
        let (task, total, times) = (self.task, spoken(self.started.elapsed()), self.times.join(", "));
        let outcome = match self.failed.as_slice() {
            [] => "passed".to_owned(),
            failed => format!("FAILED ({})", failed.join(", ")),
        };
        eprintln!("==> xtask {task}: {outcome} in {total}: {times}");
    }
}

/// `12.3 s` or `2 min 05 s`.
fn spoken(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{}.{} s", time.as_secs(), time.subsec_millis() / 100),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// A program that ran and said no.
#[derive(Debug)]
struct Ended {
    program: String,
    status: ExitStatus,
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` ended with {}", self.program, self.status)
    }
}

impl Error for Ended {}

/// What xtask exits with after `error`: what the failed program ended with, else 1.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    let code = error.downcast_ref::<Ended>().and_then(|ended| ended.status.code());
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Runs a program to its end; anything but success is an error.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let program = spelled(command);
    let status = command.status().with_context(|| format!("cannot start `{program}`"))?;
    if status.success() { Ok(()) } else { Err(Ended { program, status }.into()) }
}

/// The command as one would type it.
fn spelled(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failed_program_decides_the_exit_code() {
        let error = succeed(Command::new("python3").args(["-c", "import sys; sys.exit(101)"])).unwrap_err();
        assert_eq!(error.to_string(), "`python3 -c import sys; sys.exit(101)` ended with exit status: 101");
        assert_eq!(exit_code(&error), ExitCode::from(101));
        assert_eq!(exit_code(&error.context("while testing")), ExitCode::from(101));
        assert_eq!(exit_code(&anyhow::anyhow!("no such thing")), ExitCode::from(1));
    }

    #[test]
    fn times_are_spoken() {
        assert_eq!(spoken(Duration::from_millis(12_345)), "12.3 s");
        assert_eq!(spoken(Duration::from_secs(125)), "2 min 05 s");
    }
}
