//! Amazon SQS: two standard queues, one for the messages and one for the dead letters.
//!
//! Region, endpoint and credentials come from where the SDK looks for them (`AWS_REGION`, `AWS_ENDPOINT_URL`, the task's role).

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageAttributeValue,
    MessageSystemAttributeName, QueueAttributeName,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use jiff::Timestamp;
use tokio::task::JoinSet;

use super::{
    CAUSE_RECEIVE_LIMIT, DeadLetter, Depth, MAX_MESSAGE_BYTES, MAX_MESSAGES, Message, NotDeleted, QueueError,
    is_carried,
};

/// The message attribute of a dead letter that says why it is one.
pub(super) const CAUSE: &str = "cause";
const CAUSE_TYPE: &str = "String";
/// Longer than the longest wait of a receive, so that a quiet queue is not taken for a dead connection.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// Three attempts, with the pauses between them.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(100);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a received message stays invisible to others, whatever the queue's own setting is.
pub(super) const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(120);

/// A client of two SQS queues.
#[derive(Clone, Debug)]
pub struct Sqs {
    pub(super) client: aws_sdk_sqs::Client,
    pub(super) queue_url: String,
    pub(super) dead_letter_queue_url: String,
}

impl Sqs {
    /// Prepares the client. Nothing is sent yet: a wrong URL or missing credentials show with the first call.
    pub async fn connect(queue_url: impl Into<String>, dead_letter_queue_url: impl Into<String>) -> Self {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let config = aws_config::defaults(aws_config::BehaviorVersion::v2026_01_12())
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .load()
            .await;
        Self {
            client: aws_sdk_sqs::Client::new(&config),
            queue_url: queue_url.into(),
            dead_letter_queue_url: dead_letter_queue_url.into(),
        }
    }

    pub(super) async fn send(&self, body: &str) -> Result<(), QueueError> {
        let sent = self.client.send_message().queue_url(&self.queue_url).message_body(body).send().await;
        sent.map(drop).map_err(|error| failed("send to", &self.queue_url, error))
    }

    pub(super) async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Message>, QueueError> {
        let received = self
            .client
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(i32::try_from(max).unwrap_or(i32::MAX))
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(VISIBILITY_TIMEOUT))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .send()
            .await
            .map_err(|error| failed("receive from", &self.queue_url, error))?;
        Ok(received.messages.unwrap_or_default().into_iter().map(read_message).collect())
    }

    pub(super) async fn receive_at_once(&self, receives: usize) -> Result<Vec<Message>, QueueError> {
        let mut running = JoinSet::new();
        for _ in 0..receives {
            let queue = self.clone();
            running.spawn(async move { queue.receive(MAX_MESSAGES, Duration::ZERO).await });
        }
        let (mut messages, mut first_error) = (Vec::new(), None);
        for received in running.join_all().await {
            match received {
                Ok(received) => messages.extend(received),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        match first_error {
            Some(error) if messages.is_empty() => Err(error),
            _ => Ok(messages),
        }
    }

    pub(super) async fn delete(&self, messages: &[Message]) -> Result<Vec<NotDeleted>, QueueError> {
        let mut not_deleted = Vec::new();
        for batch in messages.chunks(MAX_MESSAGES) {
            let entries = batch.iter().enumerate().map(|(index, message)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
                entry.receipt_handle(&message.receipt).build().expect("id and receipt are set")
            });
            let answer = self
                .client
                .delete_message_batch()
                .queue_url(&self.queue_url)
                .set_entries(Some(entries.collect()))
                .send()
                .await
                .map_err(|error| failed("delete from", &self.queue_url, error))?;
            for failure in answer.failed {
                // An answer about an entry that was never asked for says nothing about our messages.
                if let Some(message) = failure.id.parse().ok().and_then(|index: usize| batch.get(index)) {
                    let cause = format!("{}: {}", failure.code, failure.message.unwrap_or_default());
                    not_deleted.push(NotDeleted { id: message.id.clone(), cause });
                }
            }
        }
        Ok(not_deleted)
    }

    pub(super) async fn release(&self, messages: &[Message]) -> Result<(), QueueError> {
        let not_given_back = self.set_visibility(messages, Duration::ZERO, "give back to").await?;
        if not_given_back > 0 {
            tracing::warn!(count = not_given_back, "messages come back only when their visibility timeout ends");
        }
        Ok(())
    }

    pub(super) async fn keep(&self, messages: &[Message]) -> Result<(), QueueError> {
        let not_kept = self.set_visibility(messages, VISIBILITY_TIMEOUT, "keep messages of").await?;
        tracing::debug!(messages = messages.len(), not_kept, "messages in hand stay invisible");
        Ok(())
    }

    /// Sets how long messages stay invisible from now on. Tells for how many it could not.
    async fn set_visibility(
        &self,
        messages: &[Message],
        timeout: Duration,
        doing: &'static str,
    ) -> Result<usize, QueueError> {
        let mut failures = 0;
        for batch in messages.chunks(MAX_MESSAGES) {
            let entries = batch.iter().enumerate().map(|(index, message)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(index.to_string());
                let entry = entry.receipt_handle(&message.receipt).visibility_timeout(seconds(timeout));
                entry.build().expect("id and receipt are set")
            });
            let answer = self
                .client
                .change_message_visibility_batch()
                .queue_url(&self.queue_url)
                .set_entries(Some(entries.collect()))
                .send()
                .await
                .map_err(|error| failed(doing, &self.queue_url, error))?;
            failures += answer.failed.len();
        }
        Ok(failures)
    }

    pub(super) async fn move_to_dead_letters(&self, message: &Message, cause: &str) -> Result<(), QueueError> {
        let cause = fitting_cause(cause, message.body.len()).map(|cause| {
            let value = MessageAttributeValue::builder().data_type(CAUSE_TYPE).string_value(cause);
            (CAUSE.to_owned(), value.build().expect("the data type is set"))
        });
        self.client
            .send_message()
            .queue_url(&self.dead_letter_queue_url)
            .message_body(&message.body)
            .set_message_attributes(cause.map(|attribute| [attribute].into()))
            .send()
            .await
            .map_err(|error| failed("send to", &self.dead_letter_queue_url, error))?;
        let deleted =
            self.client.delete_message().queue_url(&self.queue_url).receipt_handle(&message.receipt).send().await;
        deleted.map(drop).map_err(|error| failed("delete from", &self.queue_url, error))
    }

    pub(super) async fn depth(&self) -> Result<Depth, QueueError> {
        let (waiting, in_flight) = self.count(&self.queue_url).await?;
        let (dead, dead_in_flight) = self.count(&self.dead_letter_queue_url).await?;
        Ok(Depth { waiting, in_flight, dead_letters: dead + dead_in_flight, oldest_age: None })
    }

    /// Visible and invisible messages of one queue.
    pub(super) async fn count(&self, queue_url: &str) -> Result<(u64, u64), QueueError> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(queue_url)
            .set_attribute_names(Some(names.to_vec()))
            .send()
            .await
            .map_err(|error| failed("count", queue_url, error))?;
        let attributes = answer.attributes.unwrap_or_default();
        let [visible, invisible] =
            names.map(|name| attributes.get(&name).and_then(|count| count.parse().ok()).unwrap_or_default());
        Ok((visible, invisible))
    }

    pub(super) async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, QueueError> {
        let received = self
            .client
            .receive_message()
            .queue_url(&self.dead_letter_queue_url)
            .max_number_of_messages(i32::try_from(limit.clamp(1, MAX_MESSAGES)).unwrap_or(i32::MAX))
            .visibility_timeout(0)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_attribute_names(CAUSE)
            .send()
            .await
            .map_err(|error| failed("receive from", &self.dead_letter_queue_url, error))?;
        Ok(received.messages.unwrap_or_default().into_iter().map(read_dead_letter).collect())
    }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

fn read_message(message: aws_sdk_sqs::types::Message) -> Message {
    let count =
        message.attributes.and_then(|a| a.get(&MessageSystemAttributeName::ApproximateReceiveCount)?.parse().ok());
    Message {
        id: message.message_id.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
        receipt: message.receipt_handle.unwrap_or_default(),
        receive_count: count.unwrap_or(1),
    }
}

pub(super) fn read_dead_letter(message: aws_sdk_sqs::types::Message) -> DeadLetter {
    let cause = message.message_attributes.and_then(|mut a| a.remove(CAUSE)?.string_value);
    let sent_ms = message.attributes.and_then(|a| a.get(&MessageSystemAttributeName::SentTimestamp)?.parse().ok());
    DeadLetter {
        id: message.message_id.unwrap_or_default(),
        // What SQS moves by itself carries no attribute of ours.
        cause: cause.unwrap_or_else(|| CAUSE_RECEIVE_LIMIT.to_owned()),
        body: message.body.unwrap_or_default(),
        moved_at: sent_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default(),
    }
}

/// The cause as an attribute can carry it. An attribute counts towards the size of its message, so beside a body at the limit
/// there is little or no room; characters SQS does not carry become spaces.
fn fitting_cause(cause: &str, body_bytes: usize) -> Option<String> {
    let room = MAX_MESSAGE_BYTES.saturating_sub(body_bytes + CAUSE.len() + CAUSE_TYPE.len());
    let cause = &cause[..cause.floor_char_boundary(room)];
    let cause: String = cause.chars().map(|c| if is_carried(c) { c } else { ' ' }).collect();
    (!cause.is_empty()).then_some(cause)
}

/// Puts an SDK error into ours while it still shows whether trying again makes sense.
pub(super) fn failed<E>(doing: &'static str, queue_url: &str, error: SdkError<E, HttpResponse>) -> QueueError
where
    E: ProvideErrorMetadata,
    aws_sdk_sqs::Error: From<SdkError<E, HttpResponse>>,
{
    let transient = match &error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => true,
        SdkError::ServiceError(error) => {
            let throttled = error.err().code().is_some_and(|code| code.contains("Throttl"));
            throttled || matches!(error.raw().status().as_u16(), 429 | 500..)
        }
        _ => false,
    };
    let source = Box::new(aws_sdk_sqs::Error::from(error));
    QueueError::Sqs { queue_url: queue_url.to_owned(), doing, transient, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_cut_to_what_fits_beside_its_body() {
        let overhead = "causeString".len();
        assert_eq!(fitting_cause("bad\0json", 10).as_deref(), Some("bad json"));
        assert_eq!(fitting_cause("größer", MAX_MESSAGE_BYTES - overhead - 4).as_deref(), Some("grö"));
        assert_eq!(fitting_cause("größer", MAX_MESSAGE_BYTES - overhead - 3).as_deref(), Some("gr"));
        assert_eq!(fitting_cause("größer", MAX_MESSAGE_BYTES), None);
        assert_eq!(fitting_cause("", 1), None);
    }
}
