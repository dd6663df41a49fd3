//! What can go wrong with a queue.

use std::path::PathBuf;

use thiserror::Error;

/// Why a queue did not do what it was asked to.
#[derive(Debug, Error)]
pub enum QueueError {
    /// No queue takes a message without text.
    #[error("an empty message cannot be queued")]
    Empty,
    /// The message is larger than SQS takes.
    #[error("a message of {bytes} bytes cannot be queued, the limit is {limit} bytes")]
    TooLarge {
        /// Size of the body in bytes of UTF-8.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The message has a character that SQS does not carry.
    #[error("a message with the character U+{code:04X} (at byte {at}) cannot be queued")]
    Character {
        /// The character's code point.
        code: u32,
        /// Where it stands, in bytes from the start.
        at: usize,
    },
    /// SQLite failed on the queue's file.
    #[error("cannot {doing} the queue file {}", file.display())]
    File {
        /// The queue's file.
        file: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What SQLite said.
        #[source]
        source: sqlx::Error,
    },
    /// The file is a database of something else.
    #[error("{} is not a queue file but another SQLite database; give the queue a file of its own", file.display())]
    NotAQueue {
        /// The file.
        file: PathBuf,
    },
    /// SQS refused, or was not reached.
    #[error("cannot {doing} the queue {queue_url}")]
    Sqs {
        /// The queue.
        queue_url: String,
        /// What was tried.
        doing: &'static str,
        /// Whether the same may work later.
        transient: bool,
        /// What SQS or the SDK said.
        #[source]
        source: Box<aws_sdk_sqs::Error>,
    },
}

impl QueueError {
    /// Whether the same call may work later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Empty | Self::TooLarge { .. } | Self::Character { .. } | Self::NotAQueue { .. } => false,
            Self::File { source, .. } => match source {
                sqlx::Error::Database(error) => {
                    // The primary result code is the low byte (SQLite, "Result and Error Codes"): BUSY, LOCKED, IOERR, FULL.
                    let code = error.code().and_then(|code| code.parse::<u32>().ok());
                    code.is_some_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13))
                }
                sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) => true,
                _ => false,
            },
            Self::Sqs { transient, .. } => *transient,
        }
    }
}
