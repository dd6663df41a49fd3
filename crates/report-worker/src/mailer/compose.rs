//! A mail as RFC 5322 bytes: the same mail gives the same bytes, always.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use lettre::Message;
use lettre::message::header::{ContentTransferEncoding, ContentType, Date, HeaderName, HeaderValue};
use lettre::message::{self, Body, MultiPart, SinglePart};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::address::{self, AddressError};

/// The most characters of a subject or a name: what mail programs show and store. A deal's name may have 65,536, and a
/// header of that size is where servers begin to refuse; the whole name stands in the body.
const MAX_HEADER_CHARACTERS: usize = 255;

/// The most characters of an attachment's name before its ending: with four bytes each still below what file systems take.
const MAX_FILE_NAME_CHARACTERS: usize = 60;

/// The most mails that one names as those it follows: mail programs look at the last few, and servers refuse long headers.
const MAX_REFERENCES: usize = 20;

/// A mail before it is bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// `something@domain`, with or without angle brackets; the same for every repeat of this mail.
    pub message_id: String,
    /// Who sends it: an address, or a name and an address.
    pub from: String,
    /// Who gets it, each an address or a name and an address.
    pub to: Vec<String>,
    /// Who gets a copy that all can see.
    pub cc: Vec<String>,
    /// Any text. Control characters become spaces, and more than 255 characters are cut.
    pub subject: String,
    /// The `Date` header. UTC.
    pub date: Timestamp,
    /// The plain text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// The Message-IDs of the mails that this one follows, oldest first, so that mail programs show them together. It is
    /// the answer to the last, and names the last twenty.
    pub references: Vec<String>,
    /// What the mail is one of many of, as `closed-deals.example.com`: the `List-Id` that filters sort by (RFC 2919).
    pub list_id: Option<String>,
    /// What the HTML shows by `cid:`.
    pub images: Vec<InlineImage>,
    /// The files that come with it.
    pub attachments: Vec<Attachment>,
}

/// A PNG that the HTML part shows; what it says to those who do not see it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineImage {
    /// `something@domain`, the same only for the same image (RFC 2045, 7); the HTML shows it as `cid:something@domain`.
    pub content_id: String,
    /// The file.
    pub bytes: Vec<u8>,
}

/// A file that comes with a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its name in any script. What file systems or mail programs could take for more than a name becomes a hyphen.
    pub name: String,
    /// Its media type: `text/csv; charset=utf-8`.
    pub content_type: &'static str,
    /// The file, sent as base64.
    pub bytes: Vec<u8>,
}

/// Why a mail could not be composed.
#[derive(Debug, Error)]
pub enum ComposeError {
    /// An address in this header cannot be used.
    #[error("the mail's {header} header cannot be written")]
    Address {
        /// `From`, `To` or `Cc`.
        header: &'static str,
        /// Which address, and why.
        #[source]
        source: AddressError,
    },
    /// Nobody would get it.
    #[error("the mail has no recipient")]
    NoRecipient,
    /// Not of the form `something@domain` in plain ASCII (RFC 5322, 3.6.4).
    #[error("{id:?} cannot be a Message-ID or Content-ID, which is something@domain")]
    MessageId {
        /// What was given.
        id: String,
    },
    /// Not of the form `name.domain` in plain ASCII (RFC 2919, 2).
    #[error("{id:?} cannot be a List-Id, which is name.domain")]
    ListId {
        /// What was given.
        id: String,
    },
    /// Not a media type (RFC 2045, 5.1).
    #[error("{content_type:?} of an attachment is no media type")]
    ContentType {
        /// What was given.
        content_type: &'static str,
    },
    /// The library refused.
    #[error("the mail cannot be composed")]
    Library(#[source] lettre::error::Error),
}

/// Composes a mail: text and HTML as `multipart/alternative`; the HTML in a `multipart/related` with its images, where it
/// has some; all of it in a `multipart/mixed` with the attachments, where there are some. It is marked as sent by a program
/// (RFC 3834, and for Exchange, which does not know that: MS-OXCMAIL, X-Auto-Response-Suppress), so that nobody's
/// out-of-office answers it.
///
/// # Errors
///
/// An address, an identifier or a media type that cannot be written, named.
pub fn compose(mail: &Mail) -> Result<Vec<u8>, ComposeError> {
    let mailbox = |header, text: &str| address::parse(text).map_err(|source| ComposeError::Address { header, source });
    if mail.to.is_empty() {
        return Err(ComposeError::NoRecipient);
    }
    let message_id = bracketed(&mail.message_id)?;
    let raw = |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
    let mut builder = Message::builder()
        .header(Date::from(std::time::SystemTime::from(mail.date)))
        .message_id(Some(message_id.clone()))
        .from(mailbox("From", &mail.from)?)
        .subject(header_text(&mail.subject))
        .raw_header(raw("Auto-Submitted", "auto-generated"))
        .raw_header(raw("X-Auto-Response-Suppress", "OOF, AutoReply"));
    for recipient in &mail.to {
        builder = builder.to(mailbox("To", recipient)?);
    }
    for recipient in &mail.cc {
        builder = builder.cc(mailbox("Cc", recipient)?);
    }
    if let Some(id) = &mail.list_id {
        builder = builder.raw_header(raw("List-Id", &list_id(id)?));
    }
    let earlier = mail.references.iter().map(|id| bracketed(id)).collect::<Result<Vec<_>, _>>()?;
    if let Some(last) = earlier.last() {
        let newest = &earlier[earlier.len().saturating_sub(MAX_REFERENCES)..];
        builder = builder.in_reply_to(last.clone()).references(newest.join(" "));
    }
    let boundary = HEXLOWER.encode(&Sha256::digest(message_id))[..32].to_owned();
    builder.multipart(parts(mail, &boundary)?).map(|mail| mail.formatted()).map_err(ComposeError::Library)
}

/// The mail's body.
fn parts(mail: &Mail, boundary: &str) -> Result<MultiPart, ComposeError> {
    let mut body =
        multipart("alternative", &format!("=_{boundary}")).singlepart(part(ContentType::TEXT_PLAIN, &mail.text));
    let html = part(ContentType::TEXT_HTML, &mail.html);
    if mail.images.is_empty() {
        body = body.singlepart(html);
    } else {
        // RFC 2387, 3.1: the type of what is to be shown has to be said.
        let related = multipart("related; type=\"text/html\"", &format!("=_r_{boundary}"));
        let mut related = related.singlepart(html);
        for (number, image) in (1..).zip(&mail.images) {
            // The brackets are the library's to write.
            let id = bracketed(&image.content_id)?.trim_matches(['<', '>']).to_owned();
            let inline = message::Attachment::new_inline_with_name(id, format!("chart-{number}.png"));
            related = related.singlepart(inline.body(base64(&image.bytes), media_type("image/png")?));
        }
        body = body.multipart(related);
    }
    if mail.attachments.is_empty() {
        return Ok(body);
    }
    let mut mixed = multipart("mixed", &format!("=_m_{boundary}")).multipart(body);
    for attachment in &mail.attachments {
        let content_type = media_type(attachment.content_type)?;
        let file = message::Attachment::new(file_name(&attachment.name));
        mixed = mixed.singlepart(file.body(base64(&attachment.bytes), content_type));
    }
    Ok(mixed)
}

/// A multipart without parts. `=_` can occur neither in quoted-printable text nor in base64 (RFC 2045, 6.7 and 6.8), so no
/// body can contain a boundary that begins with it.
fn multipart(kind: &str, boundary: &str) -> MultiPart {
    let content_type = ContentType::parse(&format!("multipart/{kind}; boundary=\"{boundary}\""));
    MultiPart::builder().header(content_type.expect("the kinds are written here, and a boundary is plain")).build()
}

/// One part of text, always quoted-printable: short lines, safe on every server, and readable in the raw file.
fn part(content_type: ContentType, text: &str) -> SinglePart {
    let body =
        Body::new_with_encoding(text.to_owned(), ContentTransferEncoding::QuotedPrintable).unwrap_or_else(Body::new);
    SinglePart::builder().header(content_type).body(body)
}

fn base64(bytes: &[u8]) -> Body {
    Body::new_with_encoding(bytes.to_vec(), ContentTransferEncoding::Base64).unwrap_or_else(Body::new)
}

fn media_type(content_type: &'static str) -> Result<ContentType, ComposeError> {
    ContentType::parse(content_type).map_err(|_| ComposeError::ContentType { content_type })
}

/// A Message-ID in its angle brackets.
fn bracketed(id: &str) -> Result<String, ComposeError> {
    let bare = id.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap_or(id);
    match bare.split_once('@') {
        // Below the 998 characters that a line can have (RFC 5322, 2.1.1), since it cannot be folded.
        Some((left, right)) if is_plain(left) && is_plain(right) && bare.len() <= 900 => Ok(format!("<{bare}>")),
        _ => Err(ComposeError::MessageId { id: id.to_owned() }),
    }
}

/// A List-Id in its angle brackets; RFC 2919 gives it 255 characters.
fn list_id(id: &str) -> Result<String, ComposeError> {
    let is_listed = id.contains('.') && id.split('.').all(is_plain) && id.len() <= 255;
    if is_listed { Ok(format!("<{id}>")) } else { Err(ComposeError::ListId { id: id.to_owned() }) }
}

/// True for what may stand in an identifier as it is.
fn is_plain(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>@()[],;:\\\"".contains(&byte))
}

/// The name of a file as every system can have it: one line without marks of direction, and nothing in it that is a path,
/// a drive, a stream, a wildcard or a hidden file somewhere.
fn file_name(name: &str) -> String {
    let plain: String = one_line(name)
        .chars()
        .map(|c| if matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|') { '-' } else { c })
        .filter(|c| !matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{2060}' | '\u{feff}'))
        .collect();
    let plain = plain.trim_matches(['.', ' ']);
    let (stem, ending) = match plain.rsplit_once('.') {
        Some((stem, ending)) if ending.len() <= 5 => (stem, format!(".{ending}")),
        _ => (plain, String::new()),
    };
    let stem: String = stem.chars().take(MAX_FILE_NAME_CHARACTERS).collect();
    if stem.is_empty() { format!("report{ending}") } else { format!("{stem}{ending}") }
}

/// Text as a header can have it: one line, of a length that servers take.
pub(super) fn header_text(text: &str) -> String {
    let line = one_line(text);
    match line.char_indices().nth(MAX_HEADER_CHARACTERS) {
        None => line,
        Some(_) => line.chars().take(MAX_HEADER_CHARACTERS - 1).chain(['…']).collect(),
    }
}

/// One line without the marks that turn the direction of what follows, with which a deal's name could show the amount
/// behind it backwards, or a file's name its ending.
fn one_line(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let plain: String = text.chars().filter(|c| !turns(*c)).map(|c| if breaks(c) { ' ' } else { c }).collect();
    plain.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}
