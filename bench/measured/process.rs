//! CPU time and memory of a process that runs, from the kernel.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// CPU time so far, user and system, of all threads, also of those that have ended: in steps of 10 ms.
///
/// # Errors
/// The process is gone.
pub fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name, which may hold anything.
    let fields = stat.rsplit_once(')').context("/proc/PID/stat has no name")?.1;
    let ticks: Option<u64> = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks.context("/proc/PID/stat counts no CPU time")? * 10))
}

/// CPU time so far of the threads that still run, in nanoseconds as the scheduler counts them.
///
/// # Errors
/// The process is gone, or the kernel does not count.
pub fn cpu_of_threads(pid: u32) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the two looks.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let run_ns = text.split_whitespace().next().and_then(|count| count.parse().ok());
        sum += Duration::from_nanos(run_ns.context("schedstat does not begin with a number")?);
    }
    ensure!(!sum.is_zero(), "the kernel counts no CPU time in /proc/{pid}/task/*/schedstat");
    Ok(sum)
}

/// The most memory it has had, in bytes.
///
/// # Errors
/// The process is gone.
pub fn peak_memory(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let kilobytes: u64 = peak.context("/proc/PID/status names no VmHWM")?.parse()?;
    Ok(kilobytes * 1024)
}
