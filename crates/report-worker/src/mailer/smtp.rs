//! One mail to one recipient over SMTP, step by step, so that it is known how far a failed one came.
//!
//! Until the message itself goes out nothing can have been delivered. From then on only a reply tells.

use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use tokio::time::timeout;

use super::compose::header_text;
use super::{Outcome, address};

/// How long the goodbye may take; the mail's fate is known by then.
const QUIT_TIMEOUT: Duration = Duration::from_secs(5);

/// An SMTP server and how to speak to it.
#[derive(Clone, Debug)]
pub struct Smtp {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) credentials: Option<Credentials>,
    pub(super) timeouts: Timeouts,
}

/// When TLS begins.
#[derive(Clone)]
pub(super) enum Encryption {
    /// With the first byte (RFC 8314, 3.3).
    FromTheStart(TlsParameters),
    /// With STARTTLS (RFC 3207), or nothing is sent.
    StartTls(TlsParameters),
    /// Never: the server is on this machine.
    None,
}

/// How long each step may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To reach the server; 15 seconds by default.
    pub connect: Duration,
    /// For the server's greeting and each of its replies; 60 seconds by default. RFC 5321, 4.5.3.2, asks for 5 minutes, meant for
    /// mail relays; here the mail is tried again, and nothing was delivered yet.
    pub command: Duration,
    /// To send the message and hear what became of it; 10 minutes by default, as RFC 5321, 4.5.3.2.6, demands: giving up
    /// earlier is how mails come to be delivered twice.
    pub message: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(15), command: Duration::from_secs(60), message: Duration::from_secs(600) }
    }
}

/// How far it is to a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To reach the server; with `smtps` also to encrypt.
    Connect,
    /// STARTTLS.
    Encrypt,
    /// To hear whether the server knows the user.
    Authenticate,
    /// To be known to the server: it refuses user or password.
    Credentials,
    /// To write as this sender.
    Sender,
}

/// What came of trying out a server without a mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TryOut {
    /// Host and port.
    pub server: String,
    /// The server's certificate, DER; `None` without TLS.
    pub certificate: Option<Vec<u8>>,
    /// Whether there are credentials, which the server took unless that step failed.
    pub authenticated: bool,
    /// The step that failed, and how.
    pub failed: Option<(Step, String)>,
}

impl std::fmt::Debug for Encryption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::FromTheStart(_) => "FromTheStart",
            Self::StartTls(_) => "StartTls",
            Self::None => "None",
        })
    }
}

impl Smtp {
    /// The same server with other timeouts.
    #[must_use]
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }

    pub(super) async fn send(&self, from: &str, recipient: &str, bytes: &[u8]) -> Outcome {
        let (from, recipient) = match (address::parse(from), address::parse(recipient)) {
            (Ok(from), Ok(recipient)) => (from.email, recipient.email),
            (Err(error), _) | (_, Err(error)) => return Outcome::Refused { reply: error.to_string() },
        };
        let mut connection = match self.connect().await {
            Ok(connection) => connection,
            Err((Step::Credentials, reply)) => return Outcome::Unauthenticated { reply },
            Err((_, reply)) => return Outcome::Deferred { reply },
        };
        let outcome = self.transact(&mut connection, from, recipient, bytes).await;
        if matches!(outcome, Outcome::Accepted { .. } | Outcome::Refused { .. }) {
            // Manners only: whether the server says goodbye changes nothing.
            let _ = timeout(QUIT_TIMEOUT, connection.quit()).await;
        }
        outcome
    }

    /// Does everything but hand over a mail: the server is told a sender and then that nothing follows. `from` is an
    /// address as [`check_address`](super::check_address) takes it.
    pub async fn try_out(&self, from: &str) -> TryOut {
        let mut tried = TryOut { server: format!("{}:{}", self.host, self.port), ..TryOut::default() };
        let mut connection = match self.reach().await {
            Ok(connection) => connection,
            Err(failed) => return TryOut { failed: Some(failed), ..tried },
        };
        if !matches!(self.encryption, Encryption::None) {
            tried.certificate = connection.peer_certificate().ok();
        }
        tried.failed = match self.authenticate(&mut connection).await {
            Err(failed) => Some(failed),
            Ok(()) => self.name_sender(&mut connection, from).await.err(),
        };
        tried.authenticated = self.credentials.is_some();
        let _ = timeout(QUIT_TIMEOUT, connection.quit()).await;
        tried
    }

    async fn name_sender(&self, connection: &mut AsyncSmtpConnection, from: &str) -> Result<(), (Step, String)> {
        let refused = |failure: String| (Step::Sender, format!("the sender is not accepted: {failure}"));
        let from = address::parse(from).map_err(|error| refused(error.to_string()))?.email;
        let command = self.timeouts.command;
        let said = within(command, connection.command(Mail::new(Some(from), vec![]))).await;
        said.map_err(|failure| refused(failure.to_string()))?;
        // Manners only: the goodbye would do the same.
        let _ = within(command, connection.command(Rset)).await;
        Ok(())
    }

    /// Connects, encrypts and authenticates. Whatever goes wrong here is about the server or the configuration, not about the
    /// mail: also a 5xx, such as 535 for wrong credentials (RFC 4954, 6), leaves the mail to be tried again.
    async fn connect(&self) -> Result<AsyncSmtpConnection, (Step, String)> {
        let mut connection = self.reach().await?;
        self.authenticate(&mut connection).await?;
        Ok(connection)
    }

    async fn reach(&self) -> Result<AsyncSmtpConnection, (Step, String)> {
        let Self { host, port, timeouts, .. } = self;
        let hello = ClientId::default();
        let tls = match &self.encryption {
            Encryption::FromTheStart(tls) => Some(tls.clone()),
            Encryption::StartTls(_) | Encryption::None => None,
        };
        // The greeting and the answer to EHLO come within this call.
        let connecting =
            AsyncSmtpConnection::connect_tokio1((host.as_str(), *port), Some(timeouts.connect), &hello, tls, None);
        let mut connection = within(timeouts.connect + timeouts.command * 2, connecting)
            .await
            .map_err(|failure| (Step::Connect, format!("cannot connect to {host}:{port}: {failure}")))?;
        if let Encryption::StartTls(tls) = &self.encryption {
            within(timeouts.command * 2, connection.starttls(tls.clone(), &hello)).await.map_err(|failure| {
                (Step::Encrypt, format!("cannot encrypt the connection to {host}:{port}: {failure}"))
            })?;
        }
        Ok(connection)
    }

    async fn authenticate(&self, connection: &mut AsyncSmtpConnection) -> Result<(), (Step, String)> {
        let Some(credentials) = &self.credentials else { return Ok(()) };
        let Self { host, port, .. } = self;
        let authenticating = connection.auth(DEFAULT_MECHANISMS, credentials);
        within(self.timeouts.command, authenticating).await.map(drop).map_err(|failure| {
            let step = match failure {
                Failure::Reply { code: 500.., .. } => Step::Credentials,
                Failure::Reply { .. } | Failure::Silence(_) => Step::Authenticate,
            };
            (step, format!("cannot authenticate at {host}:{port}: {failure}"))
        })
    }

    /// One mail transaction (RFC 5321, 3.3).
    async fn transact(
        &self,
        connection: &mut AsyncSmtpConnection,
        from: Address,
        recipient: Address,
        bytes: &[u8],
    ) -> Outcome {
        let command = self.timeouts.command;
        let eight_bit = !bytes.is_ascii() && connection.server_info().supports_feature(Extension::EightBitMime);
        let parameters = eight_bit.then_some(MailParameter::Body(MailBodyParameter::EightBitMime));
        let mail = Mail::new(Some(from), parameters.into_iter().collect());
        if let Err(failure) = within(command, connection.command(mail)).await {
            return failure.before_the_message();
        }
        if let Err(failure) = within(command, connection.command(Rcpt::new(recipient, Vec::new()))).await {
            return failure.before_the_message();
        }
        match within(command, connection.command(Data)).await {
            Ok(reply) if reply.has_code(354) => {}
            Ok(reply) => return Outcome::Deferred { reply: format!("unexpected reply to DATA: {}", said(&reply)) },
            Err(failure) => return failure.before_the_message(),
        }
        match within(self.timeouts.message, connection.message(bytes)).await {
            Ok(reply) => Outcome::Accepted { reply: said(&reply) },
            Err(failure) => failure.after_the_message(),
        }
    }
}

/// Why a step failed.
enum Failure {
    /// The server answered with this code and text.
    Reply { code: u16, text: String },
    /// There was no answer, or none that makes sense.
    Silence(String),
}

impl Failure {
    fn before_the_message(self) -> Outcome {
        match self {
            // 530 and its neighbours ask for (other) authentication: a fault of the configuration, not of the mail (RFC 4954, 6).
            Self::Reply { code: 530..=539, .. } => Outcome::Unauthenticated { reply: self.to_string() },
            Self::Reply { code: 500.., .. } => Outcome::Refused { reply: self.to_string() },
            Self::Reply { .. } | Self::Silence(_) => Outcome::Deferred { reply: self.to_string() },
        }
    }

    fn after_the_message(self) -> Outcome {
        match self {
            Self::Reply { .. } => self.before_the_message(),
            Self::Silence(cause) => Outcome::Unknown { cause },
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Reply { code, text } => write!(f, "{code} {text}"),
            Self::Silence(cause) => f.write_str(cause),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        match error.status() {
            Some(code) => Self::Reply { code: code.into(), text: header_text(&text) },
            None => Self::Silence(header_text(&error.to_string())),
        }
    }
}

async fn within<T>(limit: Duration, step: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
    match timeout(limit, step).await {
        Ok(done) => done.map_err(Failure::from),
        Err(_) => Err(Failure::Silence(format!("no answer within {limit:?}"))),
    }
}

/// A reply in one line.
fn said(reply: &Response) -> String {
    let lines: Vec<&str> = reply.message().collect();
    header_text(&format!("{} {}", reply.code(), lines.join(" ")))
}
