//! A small file that says when the last cycle ended and until when the next one may take, so that a health check asks neither
//! the queue nor the books: an idle worker wakes nobody, and a check every few seconds costs nothing.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A cycle that takes longer than this counts as stuck. Everything a cycle waits for outside has a time limit of its own, of
/// at most some minutes; and a worker that is ended in the middle goes on where it was.
pub const LONGEST_CYCLE: Duration = Duration::from_secs(15 * 60);

/// So many ticks may be missed: whoever pauses a container for a moment has not broken it.
const MISSED_TICKS: u32 = 3;

/// What a worker says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// When it was started, UTC.
    pub started_at: Timestamp,
    /// How many cycles it has finished.
    pub cycles: u64,
    /// Its last finished cycle.
    pub last: Option<Finished>,
    /// Before this moment the next cycle ends, UTC; else it is stuck.
    pub good_until: Timestamp,
}

/// A finished cycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// When it ended, UTC.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What went wrong in it, as many things.
    pub problems: u64,
}

/// Why there is no heartbeat.
#[derive(Debug, thiserror::Error)]
pub enum HeartbeatError {
    /// Nobody is at work here, or has never been.
    #[error("there is no heartbeat at {}; is the worker running here, with the same QUEUE_URL, QUEUE_FILE and TMPDIR?", file.display())]
    Missing {
        /// Where it should be.
        file: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("cannot {doing} the heartbeat at {}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The time is over.
    #[error("no cycle has ended since {since}; the next one was to end before {good_until}")]
    TooOld {
        /// When the last one ended, or the worker was started.
        since: Timestamp,
        /// When it was too late.
        good_until: Timestamp,
    },
}

impl Heartbeat {
    /// Of a worker that starts now.
    pub fn starting(interval: Duration, now: Timestamp) -> Self {
        Self { started_at: now, cycles: 0, last: None, good_until: good_until(interval, now) }
    }

    /// A cycle is finished.
    pub fn finished(&mut self, duration_ms: u64, problems: u64, interval: Duration, now: Timestamp) {
        self.cycles += 1;
        self.last = Some(Finished { at: now, duration_ms, problems });
        self.good_until = good_until(interval, now);
    }

    /// Writes it where a reader sees either the old one or the new one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, file: &Path) -> Result<(), HeartbeatError> {
        let text = serde_json::to_string(self).expect("times and numbers are JSON");
        let mut new = file.as_os_str().to_owned();
        new.push(format!(".{}", std::process::id()));
        let written = replace(Path::new(&new), file, text.as_bytes());
        written.map_err(|source| HeartbeatError::File { file: file.to_owned(), doing: "write", source })
    }

    /// Reads it.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn read(file: &Path) -> Result<Self, HeartbeatError> {
        let failed = |source: io::Error| match source.kind() {
            ErrorKind::NotFound => HeartbeatError::Missing { file: file.to_owned() },
            _ => HeartbeatError::File { file: file.to_owned(), doing: "read", source },
        };
        let text = fs::read(file).map_err(failed)?;
        serde_json::from_slice(&text).map_err(|error| failed(error.into()))
    }

    /// Whether the last cycle is young enough.
    ///
    /// # Errors
    /// It is not; the error says since when.
    pub fn check(&self, now: Timestamp) -> Result<(), HeartbeatError> {
        if now < self.good_until {
            return Ok(());
        }
        let since = self.last.as_ref().map_or(self.started_at, |last| last.at);
        Err(HeartbeatError::TooOld { since, good_until: self.good_until })
    }

    /// Takes it away: who has ended as asked is not late.
    pub fn remove(file: &Path) {
        // One that stays is too old soon.
        let _ = fs::remove_file(file);
    }
}

fn good_until(interval: Duration, now: Timestamp) -> Timestamp {
    let span = interval.saturating_mul(MISSED_TICKS).saturating_add(LONGEST_CYCLE);
    SignedDuration::try_from(span).ok().and_then(|span| now.checked_add(span).ok()).unwrap_or(Timestamp::MAX)
}

/// Writes a new file and puts it in the place of `file`. Never through a link: others may write in the folder of both.
fn replace(new: &Path, file: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::create_new(new)?.write_all(bytes)?;
    fs::rename(new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn three_ticks_and_the_longest_cycle_are_waited_for_and_no_longer() {
        let last = 18 * 60;
        let mut heartbeat = Heartbeat::starting(MINUTE, at(0));
        heartbeat.check(at(last - 1)).unwrap();
        assert!(heartbeat.check(at(last)).is_err(), "the first cycle has no end");
        heartbeat.finished(20, 0, MINUTE, at(600));
        heartbeat.check(at(600 + last - 1)).unwrap();
        insta::assert_snapshot!(
            heartbeat.check(at(600 + last)).unwrap_err(),
            @"no cycle has ended since 1970-01-01T00:10:00Z; the next one was to end before 1970-01-01T00:28:00Z"
        );
        let endless = Heartbeat::starting(Duration::MAX, at(0));
        assert_eq!(endless.good_until, Timestamp::MAX);
    }

    #[test]
    fn it_is_read_as_it_was_written_over_whatever_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("heartbeat");
        assert!(matches!(Heartbeat::read(&file), Err(HeartbeatError::Missing { .. })));
        let mut heartbeat = Heartbeat::starting(MINUTE, at(0));
        heartbeat.write(&file).unwrap();
        heartbeat.finished(1_234, 1, MINUTE, at(60));
        heartbeat.write(&file).unwrap();
        assert_eq!(Heartbeat::read(&file).unwrap(), heartbeat);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1, "nothing else is left behind");
        fs::write(&file, "half a heartb").unwrap();
        assert!(matches!(Heartbeat::read(&file), Err(HeartbeatError::File { doing: "read", .. })));
        Heartbeat::remove(&file);
        assert!(!file.exists());
        let missing = folder.path().join("no folder").join("heartbeat");
        assert!(matches!(heartbeat.write(&missing), Err(HeartbeatError::File { doing: "write", .. })));
    }

    #[test]
    fn a_link_that_somebody_has_put_there_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, victim) = (folder.path().join("heartbeat"), folder.path().join("victim"));
        fs::write(&victim, "untouched").unwrap();
        for name in ["heartbeat".to_owned(), format!("heartbeat.{}", std::process::id())] {
            std::os::unix::fs::symlink(&victim, folder.path().join(name)).unwrap();
        }
        Heartbeat::starting(MINUTE, at(0)).write(&file).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
        Heartbeat::read(&file).unwrap();
    }
}
