//! Stored mails go out: one SMTP transaction and one state per recipient, under one Message-ID.

use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::mail::{domain_of, outgoing};
use super::stop::Stop;
use super::{App, Summary, after};
use crate::mailer::{Mail, Mailer, Outcome, compose};
use crate::secrets::{Renewal, Renewed};
use crate::store::{MailState, Store, StoreError, WaitingMail};

/// How many mails are looked at in one go.
const AT_ONCE: u32 = 50;

/// A mail that is being sent belongs to its sender for this long, and again each time that a quarter of it is over. So a mail
/// of a worker that died waits no longer than this, though an attempt may take a quarter of an hour (`mailer::Timeouts`);
/// and an attempt that can no longer be kept from the others is given up.
const HELD_FOR: Duration = Duration::from_secs(60);

/// So long a cycle waits for its mails. A mail server may take minutes for one; then they go on beside the next cycles.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the mail server is waited for after the cycle was asked to end.
const GRACE: Duration = Duration::from_secs(5);

/// The first wait after a failure that may pass; it doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(60);

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// After this many attempts, about three days, a mail is given up like a refused one (RFC 5321, 4.5.4.1, asks for
/// several days).
const MOST_ATTEMPTS: u32 = 76;

/// The mails that are going out.
pub(super) type Sending = JoinSet<Result<Summary, StoreError>>;

/// Sends what is to be sent by now, or goes on with what an earlier cycle has begun. `began` is the instant of `now`.
pub(super) async fn send(app: &App, now: Timestamp, began: Instant, summary: &mut Summary) -> Result<(), StoreError> {
    loop {
        let earlier = app.sending().take();
        let ends_it = earlier.is_none();
        let mut sending = earlier.unwrap_or_else(|| {
            let mut sending = JoinSet::new();
            sending.spawn(Post::of(app).send(now, began));
            sending
        });
        // As long as it is waited for here it ends with this cycle, however that ends.
        tokio::select! {
            biased;
            sent = sending.join_next() => count(sent, summary)?,
            () = lost_patience(app) => {
                *app.sending() = Some(sending);
                break;
            }
        }
        if ends_it {
            break;
        }
    }
    if let Some(next) = app.store.next_mail_at().await? {
        summary.again_at(next);
    }
    Ok(())
}

/// Waits for the mails that still go out beside the cycles.
pub(super) async fn finish(app: &App, summary: &mut Summary) -> Result<(), StoreError> {
    let earlier = app.sending().take();
    match earlier {
        Some(mut sending) => count(sending.join_next().await, summary),
        None => Ok(()),
    }
}

/// A cycle that was asked to end waits until the mails have seen that, too.
async fn lost_patience(app: &App) {
    sleep(PATIENCE).await;
    if app.stop.is_asked() {
        std::future::pending::<()>().await;
    }
}

fn count(
    sent: Option<Result<Result<Summary, StoreError>, tokio::task::JoinError>>,
    summary: &mut Summary,
) -> Result<(), StoreError> {
    match sent {
        None => {}
        Some(Ok(sent)) => {
            let sent = sent?;
            summary.mails_sent += sent.mails_sent;
            summary.mails_given_up += sent.mails_given_up;
            summary.problems.extend(sent.problems);
        }
        Some(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
    }
    Ok(())
}

/// What it takes to send, apart from the cycle.
struct Post {
    store: Store,
    mailer: Renewed<Mailer>,
    mail_from: String,
    owner: String,
    stop: Stop,
}

impl Post {
    fn of(app: &App) -> Self {
        Self {
            store: app.store.clone(),
            mailer: app.mailer.clone(),
            mail_from: app.settings.mail_from.clone(),
            owner: app.settings.owner.clone(),
            stop: app.stop.clone(),
        }
    }

    async fn send(self, now: Timestamp, began: Instant) -> Result<Summary, StoreError> {
        let mut summary = Summary::default();
        loop {
            let mails = self.store.mails_to_send(now, AT_ONCE).await?;
            if mails.is_empty() {
                return Ok(summary);
            }
            // The recipients of a mail follow one another, so one mail at a time is in memory.
            for of_one in mails.chunk_by(|one, next| one.message_id == next.message_id) {
                let bytes = self.store.mail_bytes(&of_one[0].message_id).await?;
                for mail in of_one {
                    if self.stop.is_asked() {
                        return Ok(summary);
                    }
                    self.send_one(mail, &bytes, now, began, &mut summary).await?;
                }
            }
        }
    }

    async fn send_one(
        &self,
        mail: &WaitingMail,
        bytes: &[u8],
        now: Timestamp,
        began: Instant,
        summary: &mut Summary,
    ) -> Result<(), StoreError> {
        let message_id = &mail.message_id;
        if mail.state == MailState::Sending {
            tracing::warn!(
                message_id,
                "a worker ended while it sent this mail; sending it again under the same Message-ID"
            );
        }
        let claimed_at = Instant::now();
        // The cycle may have been at work for long before it came to this.
        if !self.store.claim_mail(mail, after(now, began.elapsed() + HELD_FOR), now).await? {
            return Ok(());
        }
        let outcome = tokio::select! {
            biased;
            outcome = self.stop.or(GRACE, self.hand_over(mail, bytes)) => outcome.unwrap_or_else(|| Outcome::Unknown {
                cause: "the worker was asked to end while the mail server had not answered".to_owned(),
            }),
            () = self.keep(mail, now, began, claimed_at) => Outcome::Unknown {
                cause: "the mail server had not answered, and another worker may have taken the mail up".to_owned(),
            },
        };
        let uncertain = matches!(mail.state, MailState::Sending | MailState::Unknown);
        let attempts = mail.attempts + 1;
        let again = after(now, wait(attempts));
        let (state, reply, next_at) = match outcome {
            Outcome::Accepted { reply } => {
                summary.mails_sent += 1;
                (MailState::Sent, reply, None)
            }
            Outcome::Refused { reply } => (MailState::Refused, reply, None),
            Outcome::Deferred { reply } | Outcome::Unauthenticated { reply } if attempts >= MOST_ATTEMPTS => {
                (MailState::Refused, reply, None)
            }
            // An attempt that may have arrived is not made undone by a later one that did not.
            Outcome::Deferred { reply } | Outcome::Unauthenticated { reply } if uncertain => {
                (MailState::Unknown, reply, Some(again))
            }
            Outcome::Deferred { reply } | Outcome::Unauthenticated { reply } => {
                (MailState::Waiting, reply, Some(again))
            }
            Outcome::Unknown { cause } if attempts >= MOST_ATTEMPTS => (MailState::Unknown, cause, None),
            Outcome::Unknown { cause } => (MailState::Unknown, cause, Some(again)),
        };
        match state {
            MailState::Sent => tracing::info!(message_id, "a mail is sent"),
            _ if next_at.is_none() => tracing::error!(message_id, reply, attempts, "a mail is given up"),
            _ => {
                tracing::warn!(message_id, reply, attempts, state = state.as_str(), "a mail is not sent; trying again");
            }
        }
        if state != MailState::Sent && next_at.is_none() {
            summary.mails_given_up += 1;
            // Before the refusal is written down: a crash in between tells the owner, and the mail has one Message-ID.
            if mail.is_report {
                self.tell_owner(mail, &reply, now, summary).await?;
            }
        }
        self.store.set_mail_state(mail, state, &reply, next_at, now).await
    }

    /// One attempt; where the server refuses the credentials and there are new ones, a second with these.
    async fn hand_over(&self, mail: &WaitingMail, bytes: &[u8]) -> Outcome {
        let WaitingMail { sender, address, message_id, .. } = mail;
        let mailer = self.mailer.now();
        let outcome = mailer.send(sender, address, message_id, bytes).await;
        if matches!(outcome, Outcome::Unauthenticated { .. })
            && let Renewal::Changed(mailer) = self.mailer.renew(&mailer).await
        {
            return mailer.send(sender, address, message_id, bytes).await;
        }
        outcome
    }

    /// Keeps the claim to a mail, and ends when it could not.
    async fn keep(&self, mail: &WaitingMail, now: Timestamp, began: Instant, claimed_at: Instant) {
        let mut good_until = claimed_at + HELD_FOR;
        loop {
            tokio::time::sleep_until((Instant::now() + HELD_FOR / 4).min(good_until)).await;
            let asked_at = Instant::now();
            let until = after(now, began.elapsed() + HELD_FOR);
            match timeout_at(good_until, self.store.keep_mail(mail, until)).await {
                Ok(Ok(true)) => good_until = asked_at + HELD_FOR,
                Ok(Err(error)) => {
                    tracing::warn!(error = %super::chain(error), "the claim to a mail that is being sent cannot be renewed");
                }
                Ok(Ok(false)) | Err(_) => return,
            }
            if Instant::now() >= good_until {
                return;
            }
        }
    }

    /// Stores a mail to the owner about one that cannot be delivered.
    async fn tell_owner(
        &self,
        mail: &WaitingMail,
        reply: &str,
        now: Timestamp,
        summary: &mut Summary,
    ) -> Result<(), StoreError> {
        let digest = Sha256::digest(format!("{}\n{}", mail.message_id, mail.address));
        let text = format!(
            "This mail could not be delivered, and Closing Bell has given it up:\n\n  Subject:    {}\n  To:         {}\n  \
         Message-ID: <{}>\n\nThe mail server said:\n\n  {reply}\n\nMend the address or the mail server. The report is in the \
         books; the newest one of its name is sent once more by\n\n  closing-bell preview NAME --send-to ADDRESS\n",
            mail.subject, mail.address, mail.message_id,
        );
        let trouble = Mail {
            message_id: format!(
                "trouble-{}@{}",
                data_encoding::HEXLOWER.encode(&digest[..12]),
                domain_of(&self.mail_from)
            ),
            from: self.mail_from.clone(),
            to: vec![self.owner.clone()],
            cc: Vec::new(),
            subject: format!("Closing Bell could not deliver: {}", mail.subject),
            date: now,
            html: format!("<pre>{}</pre>", escaped(&text)),
            text,
            references: Vec::new(),
            list_id: None,
            images: Vec::new(),
            attachments: Vec::new(),
        };
        match compose(&trouble) {
            Ok(bytes) => self.store.store_mail(&outgoing(trouble, std::slice::from_ref(&self.owner), bytes), now).await,
            Err(error) => {
                summary.problem("send", error);
                Ok(())
            }
        }
    }
}

/// The wait after some attempts.
fn wait(attempts: u32) -> Duration {
    FIRST_WAIT.saturating_mul(1 << attempts.saturating_sub(1).min(10)).min(LONGEST_WAIT)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour() {
        let minutes: Vec<u64> = (1..=8).map(|attempts| wait(attempts).as_secs() / 60).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(wait(u32::MAX), LONGEST_WAIT);
    }
}
