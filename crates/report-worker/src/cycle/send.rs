//! Stored mails go out: one SMTP transaction and one state per recipient, under one Message-ID.

use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::report::{domain_of, outgoing};
use super::{App, Summary, after};
use crate::mailer::{Mail, Outcome, compose};
use crate::secrets::Renewal;
use crate::store::{MailState, StoreError, WaitingMail};

/// How many mails are looked at in one go.
const AT_ONCE: u32 = 50;

/// A mail that is being sent belongs to its sender for this long: more than connecting, all commands and the answer to
/// the message may take. A process that died meanwhile leaves it as perhaps sent.
const HELD_FOR: Duration = Duration::from_secs(20 * 60);

/// How long the mail server is waited for after the cycle was asked to end.
const GRACE: Duration = Duration::from_secs(5);

/// The first wait after a failure that may pass; it doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(60);

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// After this many attempts, about three days, a mail is given up like a refused one (RFC 5321, 4.5.4.1, asks for
/// several days).
const MOST_ATTEMPTS: u32 = 76;

/// Sends what is to be sent by now.
pub(super) async fn send(app: &App, now: Timestamp, summary: &mut Summary) -> Result<(), StoreError> {
    loop {
        let mails = app.store.mails_to_send(now, AT_ONCE).await?;
        if mails.is_empty() {
            break;
        }
        for mail in mails {
            if app.stop.is_asked() {
                return Ok(());
            }
            send_one(app, &mail, now, summary).await?;
        }
    }
    if let Some(next) = app.store.next_mail_at().await? {
        summary.again_at(next);
    }
    Ok(())
}

async fn send_one(app: &App, mail: &WaitingMail, now: Timestamp, summary: &mut Summary) -> Result<(), StoreError> {
    let message_id = &mail.message_id;
    if mail.state == MailState::Sending {
        tracing::warn!(
            message_id,
            "a worker ended while it sent this mail; sending it again under the same Message-ID"
        );
    }
    if !app.store.claim_mail(mail, after(now, HELD_FOR), now).await? {
        return Ok(());
    }
    let outcome = app.stop.or(GRACE, hand_over(app, mail)).await.unwrap_or_else(|| Outcome::Unknown {
        cause: "the worker was asked to end while the mail server had not answered".to_owned(),
    });
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
        Outcome::Deferred { reply } | Outcome::Unauthenticated { reply } => (MailState::Waiting, reply, Some(again)),
        Outcome::Unknown { cause } if attempts >= MOST_ATTEMPTS => (MailState::Unknown, cause, None),
        Outcome::Unknown { cause } => (MailState::Unknown, cause, Some(again)),
    };
    match state {
        MailState::Sent => tracing::info!(message_id, "a mail is sent"),
        _ if next_at.is_none() => tracing::error!(message_id, reply, attempts, "a mail is given up"),
        _ => tracing::warn!(message_id, reply, attempts, state = state.as_str(), "a mail is not sent; trying again"),
    }
    if state != MailState::Sent && next_at.is_none() {
        summary.mails_given_up += 1;
        // Before the refusal is written down: a crash in between tells the owner, and the mail has one Message-ID.
        if mail.is_report {
            tell_owner(app, mail, &reply, now, summary).await?;
        }
    }
    app.store.set_mail_state(mail, state, &reply, next_at, now).await
}

/// One attempt; where the server refuses the credentials and there are new ones, a second with these.
async fn hand_over(app: &App, mail: &WaitingMail) -> Outcome {
    let WaitingMail { sender, address, message_id, bytes, .. } = mail;
    let mailer = app.mailer.now();
    let outcome = mailer.send(sender, address, message_id, bytes).await;
    if matches!(outcome, Outcome::Unauthenticated { .. })
        && let Renewal::Changed(mailer) = app.mailer.renew(&mailer).await
    {
        return mailer.send(sender, address, message_id, bytes).await;
    }
    outcome
}

/// The wait after some attempts.
fn wait(attempts: u32) -> Duration {
    FIRST_WAIT.saturating_mul(1 << attempts.saturating_sub(1).min(10)).min(LONGEST_WAIT)
}

/// Stores a mail to the owner about one that cannot be delivered.
async fn tell_owner(
    app: &App,
    mail: &WaitingMail,
    reply: &str,
    now: Timestamp,
    summary: &mut Summary,
) -> Result<(), StoreError> {
    let digest = Sha256::digest(format!("{}\n{}", mail.message_id, mail.address));
    let settings = &app.settings;
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
            domain_of(&settings.mail_from)
        ),
        from: settings.mail_from.clone(),
        to: vec![settings.owner.clone()],
        subject: format!("Closing Bell could not deliver: {}", mail.subject),
        date: now,
        html: format!("<pre>{}</pre>", escaped(&text)),
        text,
        in_reply_to: None,
    };
    match compose(&trouble) {
        Ok(bytes) => app.store.store_mail(&outgoing(trouble, std::slice::from_ref(&settings.owner), bytes), now).await,
        Err(error) => {
            summary.problem("send", error);
            Ok(())
        }
    }
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
