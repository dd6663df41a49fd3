//! What the operator's commands need: which queue, and where its worker leaves its heartbeat.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use url::Url;

use super::reader::{Environment, Problems, Reader};

/// Memory that a container may write although its root file system is read only.
const SHARED_MEMORY: &str = "/dev/shm";

/// The queue that a command looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueConfig {
    /// The queue of `worker`.
    Sqs {
        /// The SQS queue.
        queue_url: String,
        /// The SQS queue for dead letters.
        dead_letter_queue_url: String,
        /// Where `worker` leaves its heartbeat.
        heartbeat: PathBuf,
    },
    /// The queue of `local`.
    File(PathBuf),
}

impl QueueConfig {
    /// Reads which queue is meant: that of `QUEUE_URL` if it is set, else the file of `local`.
    ///
    /// # Errors
    /// Every missing or wrong variable at once; also where both kinds of queue are named.
    pub fn read_alone(environment: &Environment) -> Result<Self, Problems> {
        let mut reader = Reader::new(environment);
        let config = Self::from_reader(&mut reader);
        reader.finish(|| config)
    }

    /// The same, where more than the queue is read.
    pub(super) fn from_reader(reader: &mut Reader<'_>) -> Option<Self> {
        let file = reader.optional("QUEUE_FILE", |text| Ok(PathBuf::from(text)));
        let has_url = reader.optional("QUEUE_URL", |_| Ok(())).flatten().is_some();
        if !has_url && reader.optional("DEAD_LETTER_QUEUE_URL", |_| Ok(())).flatten().is_none() {
            return file.map(|file| Self::File(file.unwrap_or_else(|| PathBuf::from(super::QUEUE_FILE))));
        }
        if file.flatten().is_some() {
            reader.problem("QUEUE_FILE", "set beside QUEUE_URL; unset the one that is not meant");
        }
        let queue_url = reader.required("QUEUE_URL", "the URL of the SQS queue", http_url);
        let dead_letter_queue_url =
            reader.required("DEAD_LETTER_QUEUE_URL", "the URL of the SQS queue for dead letters", http_url);
        let folder = folder(reader);
        let (queue_url, dead_letter_queue_url) = (queue_url?, dead_letter_queue_url?);
        let heartbeat = worker_heartbeat(&folder, &queue_url);
        Some(Self::Sqs { queue_url, dead_letter_queue_url, heartbeat })
    }

    /// The file in which whoever works on this queue leaves its heartbeat.
    pub fn heartbeat(&self) -> PathBuf {
        match self {
            Self::Sqs { heartbeat, .. } => heartbeat.clone(),
            Self::File(file) => {
                let mut name = file.as_os_str().to_owned();
                name.push(".heartbeat");
                name.into()
            }
        }
    }
}

/// A URL as it is given: a normalised one may be another queue.
pub(super) fn http_url(text: &str) -> Result<String, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(text.to_owned()),
        _ => Err("not an http(s) URL".to_owned()),
    }
}

/// Where small files go that need not last: `TMPDIR`, else the machine's shared memory, which even a container with a
/// read-only root may write, else `/tmp`.
pub(super) fn folder(reader: &mut Reader<'_>) -> PathBuf {
    let chosen = reader.optional("TMPDIR", |text| Ok(PathBuf::from(text))).flatten();
    let shared = || Some(PathBuf::from(SHARED_MEMORY)).filter(|folder| folder.is_dir());
    chosen.or_else(shared).unwrap_or_else(|| PathBuf::from("/tmp"))
}

/// Workers on different queues do not share it, though they share a machine.
pub(super) fn worker_heartbeat(folder: &Path, queue_url: &str) -> PathBuf {
    let digest = Sha256::digest(queue_url);
    folder.join(format!("closing-bell-{}.heartbeat", data_encoding::HEXLOWER.encode(&digest[..8])))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: (&str, &str) = ("QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/1/bell");
    const DEAD: (&str, &str) = ("DEAD_LETTER_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/1/dead");

    fn read(variables: &[(&str, &str)]) -> Result<QueueConfig, Problems> {
        QueueConfig::read_alone(&Environment::of(variables))
    }

    #[test]
    fn the_queue_is_the_file_of_local_unless_a_url_is_set() {
        assert_eq!(read(&[]).unwrap(), QueueConfig::File("closing-bell-queue.sqlite".into()));
        let file = read(&[("QUEUE_FILE", "data/queue")]).unwrap();
        assert_eq!(file.heartbeat(), PathBuf::from("data/queue.heartbeat"));
        let sqs = read(&[URL, DEAD, ("TMPDIR", "/scratch")]).unwrap();
        assert_eq!(sqs.heartbeat().parent(), Some(Path::new("/scratch")));
        let other = read(&[("QUEUE_URL", DEAD.1), DEAD, ("TMPDIR", "/scratch")]).unwrap();
        assert_ne!(sqs.heartbeat(), other.heartbeat());
    }

    #[test]
    fn half_a_queue_and_two_queues_are_problems() {
        for (variables, wrong) in [
            (&[URL][..], "DEAD_LETTER_QUEUE_URL"),
            (&[DEAD], "QUEUE_URL"),
            (&[URL, DEAD, ("QUEUE_FILE", "queue")], "QUEUE_FILE"),
            (&[("QUEUE_URL", "bell"), DEAD], "QUEUE_URL"),
        ] {
            let problems = read(variables).unwrap_err();
            assert_eq!(problems.0.iter().map(|problem| problem.variable).collect::<Vec<_>>(), [wrong]);
        }
    }
}
