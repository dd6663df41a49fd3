//! What the operator's commands share: the queue that they look at, and times as people say them.

use anyhow::ensure;
use jiff::Timestamp;

use crate::config::QueueConfig;
use crate::queue::{Embedded, EmbeddedSettings, Queue, Sqs};

/// Opens the queue. One on this machine must be there: a new, empty one would say that all is well.
pub(super) async fn open(config: QueueConfig) -> anyhow::Result<Queue> {
    match config {
        QueueConfig::Sqs { queue_url, dead_letter_queue_url, .. } => {
            Ok(Queue::Sqs(Sqs::connect(queue_url, dead_letter_queue_url).await))
        }
        QueueConfig::File(file) => {
            ensure!(
                file.exists(),
                "there is no queue file {}; set QUEUE_FILE as for `local`, or QUEUE_URL and DEAD_LETTER_QUEUE_URL",
                file.display()
            );
            Ok(Queue::Embedded(Embedded::open(file, EmbeddedSettings::default()).await?))
        }
    }
}

/// A span as one says it: in its largest unit, rounded down.
pub(crate) fn span(seconds: u64) -> String {
    let (number, unit) = match seconds {
        ..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    count(number, unit)
}

/// How long ago a moment was.
pub(crate) fn ago(moment: Timestamp, now: Timestamp) -> String {
    match u64::try_from(now.duration_since(moment).as_secs()) {
        Ok(seconds) => format!("{} ago", span(seconds)),
        Err(_) => format!("at {moment}, which is still to come: do the clocks agree?"),
    }
}

/// `1 mail`, `2 mails`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_said_in_its_largest_unit() {
        let said = [0, 1, 59, 60, 3_599, 3_600, 172_799, 172_800].map(span);
        assert_eq!(
            said,
            ["0 seconds", "1 second", "59 seconds", "1 minute", "59 minutes", "1 hour", "47 hours", "2 days"]
        );
        assert_eq!(ago(Timestamp::UNIX_EPOCH, "1970-01-01T00:02:00Z".parse().unwrap()), "2 minutes ago");
    }
}
