//! Mails kept in memory, for whoever wants to look at them.

use std::sync::{Arc, Mutex, PoisonError};

use super::Outcome;

/// Keeps every mail that it is given; clones share what they keep.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    sent: Arc<Mutex<Vec<Sent>>>,
}

/// One mail to one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The sender's address.
    pub from: String,
    /// The recipient's address.
    pub recipient: String,
    /// The mail's Message-ID.
    pub message_id: String,
    /// The mail.
    pub bytes: Vec<u8>,
}

impl Memory {
    /// What was sent so far, oldest first.
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn send(&self, from: &str, recipient: &str, message_id: &str, bytes: &[u8]) -> Outcome {
        let [from, recipient, message_id] = [from, recipient, message_id].map(str::to_owned);
        let sent = Sent { from, recipient, message_id, bytes: bytes.to_vec() };
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
        Outcome::Accepted { reply: "kept in memory".to_owned() }
    }
}
