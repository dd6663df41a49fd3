//! A mail as RFC 5322 bytes: the same mail gives the same bytes, always.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use lettre::Message;
use lettre::message::header::{ContentTransferEncoding, ContentType, Date, HeaderName, HeaderValue};
use lettre::message::{Body, MultiPart, SinglePart};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::address::{self, AddressError};

/// The most characters of a subject or a name: what mail programs show and store. A deal's name may have 65,536, and a
/// header of that size is where servers begin to refuse; the whole name stands in the body.
const MAX_HEADER_CHARACTERS: usize = 255;

/// A mail before it is bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// `something@domain`, with or without angle brackets; the same for every repeat of this mail.
    pub message_id: String,
    /// Who sends it: an address, or a name and an address.
    pub from: String,
    /// Who gets it, each an address or a name and an address.
    pub to: Vec<String>,
    /// Any text. Control characters become spaces, and more than 255 characters are cut.
    pub subject: String,
    /// The `Date` header. UTC.
    pub date: Timestamp,
    /// The plain text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// The Message-ID of the mail that this one follows, so that mail programs show them together.
    pub in_reply_to: Option<String>,
}

/// Why a mail could not be composed.
#[derive(Debug, Error)]
pub enum ComposeError {
    /// An address in this header cannot be used.
    #[error("the mail's {header} header cannot be written")]
    Address {
        /// `From` or `To`.
        header: &'static str,
        /// Which address, and why.
        #[source]
        source: AddressError,
    },
    /// Nobody would get it.
    #[error("the mail has no recipient")]
    NoRecipient,
    /// Not of the form `something@domain` in plain ASCII (RFC 5322, 3.6.4).
    #[error("{id:?} cannot be a Message-ID, which is something@domain")]
    MessageId {
        /// What was given.
        id: String,
    },
    /// The library refused.
    #[error("the mail cannot be composed")]
    Library(#[source] lettre::error::Error),
}

/// Composes a `multipart/alternative` mail of text and HTML, marked as sent by a program (RFC 3834), so that nobody's
/// out-of-office answers it.
///
/// # Errors
///
/// An address or a Message-ID that cannot be written, named.
pub fn compose(mail: &Mail) -> Result<Vec<u8>, ComposeError> {
    let mailbox = |header, text: &str| address::parse(text).map_err(|source| ComposeError::Address { header, source });
    if mail.to.is_empty() {
        return Err(ComposeError::NoRecipient);
    }
    let message_id = bracketed(&mail.message_id)?;
    let auto_submitted = HeaderName::new_from_ascii_str("Auto-Submitted");
    let mut builder = Message::builder()
        .header(Date::from(std::time::SystemTime::from(mail.date)))
        .message_id(Some(message_id.clone()))
        .from(mailbox("From", &mail.from)?)
        .subject(header_text(&mail.subject))
        .raw_header(HeaderValue::new(auto_submitted, "auto-generated".to_owned()));
    for recipient in &mail.to {
        builder = builder.to(mailbox("To", recipient)?);
    }
    if let Some(earlier) = &mail.in_reply_to {
        let earlier = bracketed(earlier)?;
        builder = builder.in_reply_to(earlier.clone()).references(earlier);
    }
    // `=_` cannot occur in quoted-printable text (RFC 2045, 6.7), so no body can contain the boundary.
    let boundary = format!("=_{}", &HEXLOWER.encode(&Sha256::digest(message_id))[..32]);
    let parts = MultiPart::alternative()
        .boundary(boundary)
        .singlepart(part(ContentType::TEXT_PLAIN, &mail.text))
        .singlepart(part(ContentType::TEXT_HTML, &mail.html));
    Ok(builder.multipart(parts).map_err(ComposeError::Library)?.formatted())
}

/// One part, always quoted-printable: short lines, safe on every server, and readable in the raw file.
fn part(content_type: ContentType, text: &str) -> SinglePart {
    let body =
        Body::new_with_encoding(text.to_owned(), ContentTransferEncoding::QuotedPrintable).unwrap_or_else(Body::new);
    SinglePart::builder().header(content_type).body(body)
}

/// A Message-ID in its angle brackets.
fn bracketed(id: &str) -> Result<String, ComposeError> {
    let bare = id.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap_or(id);
    let is_plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>@()[],;:\\\"".contains(&byte))
    };
    match bare.split_once('@') {
        // Below the 998 characters that a line can have (RFC 5322, 2.1.1), since it cannot be folded.
        Some((left, right)) if is_plain(left) && is_plain(right) && bare.len() <= 900 => Ok(format!("<{bare}>")),
        _ => Err(ComposeError::MessageId { id: id.to_owned() }),
    }
}

/// Text as a header can have it: one line, of a length that servers take, and without the marks that turn the direction of
/// what follows, with which a deal's name could show the amount behind it backwards.
pub(super) fn header_text(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let plain: String = text.chars().filter(|c| !turns(*c)).map(|c| if breaks(c) { ' ' } else { c }).collect();
    let words = plain.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(MAX_HEADER_CHARACTERS) {
        None => words,
        Some(_) => words.chars().take(MAX_HEADER_CHARACTERS - 1).chain(['…']).collect(),
    }
}
