//! Mails to send: byte for byte, with one state per recipient.

use jiff::Timestamp;
use sqlx::Transaction;

use super::{BadValue, Db, Engine, Store, StoreError, insert_new, retried, time};

/// A mail to store.
#[derive(Debug, Clone)]
pub struct OutgoingMail {
    /// Its Message-ID, without angle brackets; every attempt to send it has the same one.
    pub message_id: String,
    /// The envelope sender.
    pub sender: String,
    /// Its subject, for messages.
    pub subject: String,
    /// The envelope recipients.
    pub recipients: Vec<String>,
    /// The message, RFC 5322.
    pub bytes: Vec<u8>,
}

/// How a mail to one recipient stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailState {
    /// To be sent.
    Waiting,
    /// Being sent. A process that dies now leaves it so, and nobody knows whether it arrived.
    Sending,
    /// Perhaps sent: the connection was lost after the message and before the answer. It is sent again.
    Unknown,
    /// The server took it.
    Sent,
    /// The server will not take it.
    Refused,
}

impl MailState {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Waiting, "waiting"),
        (Self::Sending, "sending"),
        (Self::Unknown, "unknown"),
        (Self::Sent, "sent"),
        (Self::Refused, "refused"),
    ];

    /// The word in the books.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("", |(_, word)| word)
    }

    pub(super) fn parse(word: &str) -> Result<Self, StoreError> {
        Self::ALL.iter().find(|(_, it)| *it == word).map(|(state, _)| *state).ok_or_else(|| StoreError::Unreadable {
            table: "mail_recipients",
            column: "state",
            source: BadValue::Word(word.to_owned()),
        })
    }
}

/// A mail to one recipient that is to be sent now.
#[derive(Debug, Clone)]
pub struct WaitingMail {
    /// Its Message-ID.
    pub message_id: String,
    /// The envelope sender.
    pub sender: String,
    /// The one recipient of this SMTP transaction.
    pub address: String,
    /// Its subject.
    pub subject: String,
    /// How often it was tried.
    pub attempts: u32,
    /// How it stands.
    pub state: MailState,
    /// True for a report; false for a mail to the owner about trouble.
    pub is_report: bool,
}

/// How a mail to one recipient stands, for messages.
#[derive(Debug, Clone)]
pub struct RecipientState {
    /// The mail's Message-ID.
    pub message_id: String,
    /// The recipient.
    pub address: String,
    /// Its subject.
    pub subject: String,
    /// How it stands.
    pub state: MailState,
    /// What SMTP said last.
    pub reply: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
}

/// Stores a mail to be sent from `now` on. Mails go out in the order of their creation.
pub(super) async fn write_mail(
    transaction: &mut Transaction<'static, Db>,
    mail: &OutgoingMail,
    report_id: Option<&str>,
    (created_at, now): (Timestamp, Timestamp),
) -> Result<(), StoreError> {
    let insert = sqlx::query(
        "INSERT INTO mails (message_id, report_id, sender, subject, created_at, bytes) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(&mail.message_id)
    .bind(report_id)
    .bind(&mail.sender)
    .bind(&mail.subject)
    .bind(created_at.as_millisecond())
    .bind(&mail.bytes);
    if !insert_new(transaction, insert).await? {
        return Ok(());
    }
    for address in &mail.recipients {
        let insert = sqlx::query(
            "INSERT INTO mail_recipients (message_id, address, state, attempts, next_at, changed_at) \
             VALUES (?, ?, 'waiting', 0, ?, ?)",
        )
        .bind(&mail.message_id)
        .bind(address)
        .bind(now.as_millisecond())
        .bind(now.as_millisecond());
        insert_new(transaction, insert).await?;
    }
    Ok(())
}

impl Store {
    /// True if the books hold a mail with this Message-ID, sent or to be sent.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn has_mail(&self, message_id: &str) -> Result<bool, StoreError> {
        let found: Option<(i64,)> = sqlx::query_as("SELECT created_at FROM mails WHERE message_id = ?")
            .bind(message_id)
            .fetch_optional(self.pool())
            .await?;
        Ok(found.is_some())
    }

    /// Stores a mail that belongs to no report. One with the same Message-ID is stored once.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn store_mail(&self, mail: &OutgoingMail, now: Timestamp) -> Result<(), StoreError> {
        retried(|| async move {
            let mut transaction = self.write().await?;
            write_mail(&mut transaction, mail, None, (now, now)).await?;
            Ok(transaction.commit().await?)
        })
        .await
    }

    /// Has a mail sent again, byte for byte, to all of its recipients but those that it is being sent to just now. Tells to
    /// how many.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn send_again(&self, message_id: &str, now: Timestamp) -> Result<u64, StoreError> {
        retried(|| async move {
            let queued = sqlx::query(
                "UPDATE mail_recipients SET state = 'waiting', attempts = 0, next_at = ?, changed_at = ? \
                 WHERE message_id = ? AND state <> 'sending'",
            )
            .bind(now.as_millisecond())
            .bind(now.as_millisecond())
            .bind(message_id)
            .execute(self.pool())
            .await?;
            Ok(queued.rows_affected())
        })
        .await
    }

    /// The mails to send by now, one per recipient, oldest first. What they say is in [`Self::mail_bytes`]: a mail may have
    /// megabytes of files, and many recipients.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn mails_to_send(&self, now: Timestamp, limit: u32) -> Result<Vec<WaitingMail>, StoreError> {
        type Row = (String, String, String, String, i64, String, Option<String>);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT m.message_id, m.sender, r.address, m.subject, r.attempts, r.state, m.report_id \
             FROM mail_recipients r \
             JOIN mails m ON m.message_id = r.message_id WHERE r.next_at <= ? \
             ORDER BY m.created_at, m.message_id, r.address LIMIT ?",
        )
        .bind(now.as_millisecond())
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.into_iter()
            .map(|(message_id, sender, address, subject, attempts, state, report_id)| {
                let (attempts, state) = (u32::try_from(attempts).unwrap_or(u32::MAX), MailState::parse(&state)?);
                let is_report = report_id.is_some();
                Ok(WaitingMail { message_id, sender, address, subject, attempts, state, is_report })
            })
            .collect()
    }

    /// A mail as it goes out, RFC 5322.
    ///
    /// # Errors
    /// Fails where the books cannot be read, or hold no such mail.
    pub async fn mail_bytes(&self, message_id: &str) -> Result<Vec<u8>, StoreError> {
        let select = sqlx::query_as("SELECT bytes FROM mails WHERE message_id = ?").bind(message_id);
        let (bytes,) = select.fetch_one(self.pool()).await?;
        Ok(bytes)
    }

    /// Claims a mail to one recipient for sending, and counts the attempt. False if another worker has claimed it since it
    /// was read; a claim that was never answered for ends at `until`.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn claim_mail(&self, mail: &WaitingMail, until: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
        retried(|| async move {
            let claimed = sqlx::query(
                "UPDATE mail_recipients SET state = 'sending', attempts = attempts + 1, next_at = ?, changed_at = ? \
                 WHERE message_id = ? AND address = ? AND attempts = ?",
            )
            .bind(until.as_millisecond())
            .bind(now.as_millisecond())
            .bind(&mail.message_id)
            .bind(&mail.address)
            .bind(i64::from(mail.attempts))
            .execute(self.pool())
            .await?;
            Ok(claimed.rows_affected() == 1)
        })
        .await
    }

    /// Moves the end of the caller's claim to `until`. False if the claim has ended meanwhile and another worker has taken
    /// the mail up.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn keep_mail(&self, mail: &WaitingMail, until: Timestamp) -> Result<bool, StoreError> {
        retried(|| async move {
            let kept = sqlx::query(
                "UPDATE mail_recipients SET next_at = ? \
                 WHERE message_id = ? AND address = ? AND state = 'sending' AND attempts = ?",
            )
            .bind(until.as_millisecond())
            .bind(&mail.message_id)
            .bind(&mail.address)
            .bind(i64::from(mail.attempts) + 1)
            .execute(self.pool())
            .await?;
            Ok(kept.rows_affected() == 1)
        })
        .await
    }

    /// Writes down how a claimed mail stands and what SMTP said; `next_at` is when to try again, if at all. Who has lost
    /// the claim to another worker has nothing to say any more, but that a server took the mail stays true.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn set_mail_state(
        &self,
        mail: &WaitingMail,
        state: MailState,
        reply: &str,
        next_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        retried(|| async move {
            sqlx::query(
                "UPDATE mail_recipients SET state = ?, reply = ?, next_at = ?, changed_at = ? \
                 WHERE message_id = ? AND address = ? AND (? = 'sent' OR (state = 'sending' AND attempts = ?))",
            )
            .bind(state.as_str())
            .bind(reply)
            .bind(next_at.map(Timestamp::as_millisecond))
            .bind(now.as_millisecond())
            .bind(&mail.message_id)
            .bind(&mail.address)
            .bind(state.as_str())
            .bind(i64::from(mail.attempts) + 1)
            .execute(self.pool())
            .await?;
            Ok(())
        })
        .await
    }

    /// Lets the mails be sent at once that a process which has ended was sending. Only where one process works on the
    /// books: nobody else can be sending them. Elsewhere the claims end by themselves.
    ///
    /// # Errors
    /// Fails where the books cannot be written.
    pub async fn take_up_interrupted_mails(&self, now: Timestamp) -> Result<u64, StoreError> {
        if self.engine != Engine::Sqlite {
            return Ok(0);
        }
        let interrupted = sqlx::query("UPDATE mail_recipients SET next_at = ? WHERE state = 'sending'")
            .bind(now.as_millisecond())
            .execute(self.pool())
            .await?;
        Ok(interrupted.rows_affected())
    }

    /// How all mails stand, oldest first.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn mail_states(&self) -> Result<Vec<RecipientState>, StoreError> {
        type Row = (String, String, String, String, Option<String>, i64);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT r.message_id, r.address, m.subject, r.state, r.reply, r.attempts FROM mail_recipients r \
             JOIN mails m ON m.message_id = r.message_id ORDER BY m.created_at, m.message_id, r.address",
        )
        .fetch_all(self.pool())
        .await?;
        rows.into_iter()
            .map(|(message_id, address, subject, state, reply, attempts)| {
                let (attempts, state) = (u32::try_from(attempts).unwrap_or(u32::MAX), MailState::parse(&state)?);
                Ok(RecipientState { message_id, address, subject, state, reply, attempts })
            })
            .collect()
    }

    /// The next instant at which a mail is to be sent, if any is.
    ///
    /// # Errors
    /// Fails where the books cannot be read.
    pub async fn next_mail_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let (next,): (Option<i64>,) =
            sqlx::query_as("SELECT MIN(next_at) FROM mail_recipients").fetch_one(self.pool()).await?;
        next.map(|ms| time(ms, "mail_recipients", "next_at")).transpose()
    }
}
