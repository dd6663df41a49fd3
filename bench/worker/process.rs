//! A program that is measured.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bench_measured::process;
use tokio::process::{Child, Command};
use tokio::time::{Instant, interval, timeout};

/// When nothing has happened for this long, nothing will.
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A running program. It is killed with this value.
pub(crate) struct Process {
    child: Child,
    pid: u32,
    log: String,
}

impl Process {
    /// Starts it with its output in a file.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let output = File::create(log)?;
        let child = command.stdout(output.try_clone()?).stderr(output).kill_on_drop(true).spawn();
        let child = child.context("the program cannot be started")?;
        let pid = child.id().context("the program has ended at once")?;
        Ok(Self { child, pid, log: log.display().to_string() })
    }

    /// Waits until the condition holds.
    pub(crate) async fn until(&mut self, what: &str, mut condition: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
        let (mut look, began) = (interval(LOOK_AGAIN), Instant::now());
        while !condition().await? {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status} before {what}; {} says why", self.log);
            }
            ensure!(began.elapsed() < PATIENCE, "waited in vain until {what}; {} says why", self.log);
            look.tick().await;
        }
        Ok(())
    }

    /// CPU time so far, user and system, of all threads, also of those that have ended: in steps of 10 ms.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        process::cpu(self.pid)
    }

    /// CPU time so far of the threads that still run, in nanoseconds as the scheduler counts them.
    pub(crate) fn cpu_of_threads(&self) -> Result<Duration> {
        process::cpu_of_threads(self.pid)
    }

    /// The most memory it has had, in bytes.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        process::peak_memory(self.pid)
    }

    /// What it has written.
    pub(crate) fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.log)?)
    }

    /// Asks it to end, and waits for it.
    pub(crate) async fn end(mut self) -> Result<()> {
        let asked = Command::new("kill").args(["-s", "TERM", &self.pid.to_string()]).status().await?;
        ensure!(asked.success(), "process {} cannot be reached", self.pid);
        timeout(PATIENCE, self.child.wait()).await.context("it does not end when asked to")??;
        Ok(())
    }
}
