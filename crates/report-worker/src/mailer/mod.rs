//! Mail: composed once into bytes, then handed to an SMTP server or written to a folder, one recipient at a time.
//!
//! SMTP cannot promise that a mail arrives exactly once. What can be known about a send is in [`Outcome`]; above all, when
//! the connection is lost after the message went out, the answer is [`Outcome::Unknown`] and never success.

mod address;
mod compose;
mod directory;
mod memory;
mod smtp;
mod url;

pub use self::address::{AddressError, check_address};
pub use self::compose::{Attachment, ComposeError, InlineImage, Mail, compose};
pub use self::directory::Directory;
pub use self::memory::{Memory, Sent};
pub use self::smtp::{Smtp, Step, Timeouts, TryOut};
pub use self::url::MailerUrlError;

/// Where mails go.
#[derive(Clone, Debug)]
pub enum Mailer {
    /// An SMTP server.
    Smtp(Smtp),
    /// A folder of `.eml` files.
    Directory(Directory),
    /// Kept in memory.
    Memory(Memory),
}

/// What is known about one mail to one recipient after a send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server has taken responsibility for the mail (RFC 5321, 6.1).
    Accepted {
        /// What it said.
        reply: String,
    },
    /// This mail will never go to this recipient: a 5xx reply about the sender, the recipient or the message.
    Refused {
        /// What the server said.
        reply: String,
    },
    /// Surely not delivered, and worth trying again: a 4xx reply, no connection, silence before the message was sent, or
    /// trouble with TLS.
    Deferred {
        /// What the server said, or what failed.
        reply: String,
    },
    /// Surely not delivered: the server refuses the credentials, or wants some. A fault of the configuration, which must not
    /// use up mails.
    Unauthenticated {
        /// What the server said.
        reply: String,
    },
    /// The connection was lost after the message went out: delivered or not, nobody knows. Repeat under the same Message-ID.
    Unknown {
        /// What failed.
        cause: String,
    },
}

impl Mailer {
    /// Reads `SMTP_URL`:
    ///
    /// - `smtps://user:password@host:465` speaks TLS from the first byte;
    /// - `smtp://user:password@host:587` insists on STARTTLS, except on a loopback host;
    /// - `?ca_file=PATH` after either trusts the certificates in that PEM file too, and then loopback is encrypted as well;
    /// - `file:folder` or `file:///absolute/folder` writes `.eml` files.
    ///
    /// User and password are optional and percent-encoded; the ports above are the defaults.
    ///
    /// # Errors
    ///
    /// The first mistake in the URL. No error repeats the user or the password.
    pub fn from_url(url: &str) -> Result<Self, MailerUrlError> {
        url::read(url)
    }

    /// Sends the composed `bytes` to one recipient, in one SMTP transaction. `from` and `recipient` are addresses as
    /// [`check_address`] takes them.
    pub async fn send(&self, from: &str, recipient: &str, message_id: &str, bytes: &[u8]) -> Outcome {
        match self {
            Self::Smtp(smtp) => smtp.send(from, recipient, bytes).await,
            Self::Directory(directory) => directory.send(message_id, bytes).await,
            Self::Memory(memory) => memory.send(from, recipient, message_id, bytes),
        }
    }
}
