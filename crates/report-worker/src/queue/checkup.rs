//! A look at how the SQS queues are set up, for `closing-bell doctor`. Nothing is received.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName as Name;
use serde_json::Value;

use super::sqs::failed;
use super::{QueueError, Sqs};

/// What SQS says of a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SqsLook {
    /// Its ARN, which is the same however its URL is written.
    pub arn: String,
    /// Messages that can be received now, about.
    pub waiting: u64,
    /// Messages handed out and not deleted yet, about.
    pub in_flight: u64,
    /// How long a message is kept.
    pub retention: Duration,
    /// Whether messages are encrypted where they lie, with SQS's own key or one of KMS.
    pub encrypted: bool,
    /// The ARN of the queue to which SQS itself moves what is received too often.
    pub dead_letters_to: Option<String>,
}

impl Sqs {
    /// Asks for the attributes of the queue and of the one for dead letters.
    pub async fn look(&self) -> [Result<SqsLook, QueueError>; 2] {
        let (queue, dead_letters) =
            tokio::join!(self.look_at(&self.queue_url), self.look_at(&self.dead_letter_queue_url));
        [queue, dead_letters]
    }

    async fn look_at(&self, queue_url: &str) -> Result<SqsLook, QueueError> {
        let asked = self.client.get_queue_attributes().queue_url(queue_url).attribute_names(Name::All).send().await;
        let attributes = asked.map_err(|error| failed("look at", queue_url, error))?.attributes.unwrap_or_default();
        let text = |name: Name| attributes.get(&name).map(String::as_str).unwrap_or_default();
        let number = |name: Name| text(name).parse().unwrap_or_default();
        let policy: Value = serde_json::from_str(text(Name::RedrivePolicy)).unwrap_or_default();
        Ok(SqsLook {
            arn: text(Name::QueueArn).to_owned(),
            waiting: number(Name::ApproximateNumberOfMessages),
            in_flight: number(Name::ApproximateNumberOfMessagesNotVisible),
            retention: Duration::from_secs(number(Name::MessageRetentionPeriod)),
            encrypted: text(Name::SqsManagedSseEnabled) == "true" || !text(Name::KmsMasterKeyId).is_empty(),
            dead_letters_to: policy["deadLetterTargetArn"].as_str().map(str::to_owned),
        })
    }
}
