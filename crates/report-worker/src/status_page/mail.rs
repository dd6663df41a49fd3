//! A stored mail taken apart: what its RFC 5322 bytes show, and the files that hang on it.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use jiff::Timestamp;
use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders, PartType};
use serde::Serialize;

/// Images that may stand in a mail: what can be shown and not do anything.
const IMAGES: [&str; 4] = ["gif", "jpeg", "png", "webp"];

/// What a mail shows.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    /// The HTML part, with the images that came along in it.
    pub(super) html: Option<String>,
    /// The plain text part.
    pub(super) text: Option<String>,
    /// The attached files.
    pub(super) files: Vec<File>,
}

/// An attached file.
#[derive(Debug, Serialize)]
pub(super) struct File {
    /// Which part of the mail it is.
    pub(super) number: usize,
    /// What it is called.
    pub(super) name: String,
    /// Its size, as one says it.
    pub(super) size: String,
}

impl Rendered {
    /// Takes a mail apart. What is no mail shows nothing.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let Some(message) = MessageParser::default().parse(bytes) else { return Self::default() };
        let html = message.html_bodies().find_map(|part| match &part.body {
            PartType::Html(html) => Some(in_new_windows(&with_images(&message, html))),
            _ => None,
        });
        let text = message.text_bodies().find_map(|part| match &part.body {
            PartType::Text(text) => Some(text.replace("\r\n", "\n")),
            _ => None,
        });
        let files = message.attachments.iter().map(|&id| id as usize).filter_map(|number| {
            let part = message.parts.get(number)?;
            (!is_inline_image(part)).then(|| File {
                number,
                name: name(part, number),
                size: size(part.contents().len()),
            })
        });
        Self { html, text, files: files.collect() }
    }
}

/// Name, media type and content of an attached file.
pub(super) fn attachment(bytes: &[u8], number: usize) -> Option<(String, String, Vec<u8>)> {
    let message = MessageParser::default().parse(bytes)?;
    let is_attached = message.attachments.iter().any(|&id| id as usize == number);
    let part = message.parts.get(number).filter(|part| is_attached && !is_inline_image(part))?;
    Some((name(part, number), media_type(part), part.contents().to_vec()))
}

/// The images that the HTML names by their Content-ID (RFC 2392) are put into it: a mail must load nothing. Only where an
/// attribute begins with it; text has no plain quotes.
fn with_images(message: &Message<'_>, html: &str) -> String {
    let mut shown = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find("cid:") {
        let (before, reference) = rest.split_at(at);
        let quote =
            before.chars().next_back().filter(|quote| matches!(quote, '"' | '\'') && before[..at - 1].ends_with('='));
        let id = quote.and_then(|quote| reference.split_once(quote)).map(|(reference, _)| &reference[4..]);
        let image = id.and_then(|id| image(message, id).map(|image| (image, 4 + id.len())));
        shown.push_str(before);
        let length = match image {
            Some((image, length)) => {
                shown.push_str(&image);
                length
            }
            None => {
                shown.push_str("cid:");
                4
            }
        };
        rest = &reference[length..];
    }
    shown + rest
}

fn image(message: &Message<'_>, id: &str) -> Option<String> {
    let bare = |id: &str| id.trim_start_matches('<').trim_end_matches('>').to_owned();
    let part = message.parts.iter().find(|part| part.content_id().is_some_and(|found| bare(found) == id))?;
    is_image(part).then(|| format!("data:{};base64,{}", media_type(part), BASE64.encode(part.contents())))
}

/// A link in the mail opens beside it and not in its frame.
fn in_new_windows(html: &str) -> String {
    let lower = html.to_ascii_lowercase();
    let head_end = lower.find("<head").and_then(|at| Some(at + lower[at..].find('>')? + 1));
    let (before, after) = html.split_at(head_end.unwrap_or(0));
    format!("{before}<base target=\"_blank\">{after}")
}

fn is_image(part: &MessagePart<'_>) -> bool {
    part.content_type().is_some_and(|kind| {
        let is_known = |kind: &str| IMAGES.iter().any(|known| kind.eq_ignore_ascii_case(known));
        kind.ctype().eq_ignore_ascii_case("image") && kind.subtype().is_some_and(is_known)
    })
}

fn is_inline_image(part: &MessagePart<'_>) -> bool {
    let is_attached = part.content_disposition().is_some_and(mail_parser::ContentType::is_attachment);
    is_image(part) && part.content_id().is_some() && !is_attached
}

fn name(part: &MessagePart<'_>, number: usize) -> String {
    part.attachment_name().map_or_else(|| format!("part-{number}"), str::to_owned)
}

/// What the mail says that the part is, if it says so in plain words (RFC 2045, 5.1).
fn media_type(part: &MessagePart<'_>) -> String {
    let is_token = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let said = part.content_type().and_then(|kind| Some((kind.ctype(), kind.subtype()?)));
    match said.filter(|(kind, subtype)| is_token(kind) && is_token(subtype)) {
        Some((kind, subtype)) => format!("{kind}/{subtype}").to_ascii_lowercase(),
        None => "application/octet-stream".to_owned(),
    }
}

fn size(bytes: usize) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    }
}

/// A mail's name in the page's addresses: its Message-ID, in characters that need no escaping.
pub(super) fn key(message_id: &str) -> String {
    BASE64URL_NOPAD.encode(message_id.as_bytes())
}

/// The Message-ID that a key stands for.
pub(super) fn message_id(key: &str) -> Option<String> {
    String::from_utf8(BASE64URL_NOPAD.decode(key.as_bytes()).ok()?).ok()
}

/// A mail's place in the outbox, for the address of the next page.
pub(super) fn place(created_at: Timestamp, message_id: &str) -> String {
    format!("{}.{}", created_at.as_millisecond(), key(message_id))
}

/// What [`place`] has written.
pub(super) fn read_place(text: &str) -> Option<(Timestamp, String)> {
    let (ms, key) = text.split_once('.')?;
    Some((Timestamp::from_millisecond(ms.parse().ok()?).ok()?, message_id(key)?))
}

/// Content-Disposition for a file of this name: plain for old programs, and whole (RFC 6266, RFC 8187).
pub(super) fn disposition(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let whole: String = name
        .bytes()
        .map(|byte| if is_plain(char::from(byte)) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// mixed(alternative(text, related(html, image)), file): what mail programs send.
    fn mail(html: &str) -> String {
        format!(
            "Subject: a\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n\
             --m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
             --a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nplain \u{20ac}\r\n\
             --a\r\nContent-Type: multipart/related; boundary=r\r\n\r\n\
             --r\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n\
             --r\r\nContent-Type: image/png\r\nContent-ID: <chart@bell>\r\nContent-Disposition: inline\r\n\
             Content-Transfer-Encoding: base64\r\n\r\niVBORw0K\r\n\
             --r\r\nContent-Type: image/svg+xml\r\nContent-ID: <drawing@bell>\r\n\r\n<svg/>\r\n--r--\r\n--a--\r\n\
             --m\r\nContent-Type: text/csv; name=\"x\"\r\nContent-Disposition: attachment; filename*=UTF-8''M%C3%BCller%22.csv\r\n\r\na,b\r\n--m--\r\n"
        )
    }

    #[test]
    fn all_parts_are_found_and_images_put_in() {
        let bytes = mail("<html><head><title>t</title></head><img src=\"cid:chart@bell\"><img src='cid:nobody'>");
        let shown = Rendered::of(bytes.as_bytes());
        assert_eq!(
            shown.html.unwrap().trim_end(),
            "<html><head><base target=\"_blank\"><title>t</title></head>\
             <img src=\"data:image/png;base64,iVBORw0K\"><img src='cid:nobody'>"
        );
        assert_eq!(shown.text.unwrap().trim_end(), "plain \u{20ac}");
        let files: Vec<_> = shown.files.iter().map(|file| (file.name.as_str(), file.size.as_str())).collect();
        assert_eq!(files, [("part-6", "6 bytes"), ("Müller\".csv", "3 bytes")]);
        let (name, kind, content) = attachment(bytes.as_bytes(), shown.files[1].number).unwrap();
        assert_eq!((name.as_str(), kind.as_str(), content.as_slice()), ("Müller\".csv", "text/csv", &b"a,b"[..]));
        assert!(attachment(bytes.as_bytes(), 99).is_none() && attachment(bytes.as_bytes(), 0).is_none());
    }

    #[test]
    fn text_that_speaks_of_an_image_stays_text() {
        let html = "<p>cid:chart@bell (cid:chart@bell) =&quot;cid:chart@bell&quot; x\"cid:chart@bell\" <img src=\"cid:drawing@bell\">";
        let shown = Rendered::of(mail(html).as_bytes()).html.unwrap();
        assert!(shown.contains(html), "{shown}");
        assert!(Rendered::of(b"").html.is_none());
    }

    #[test]
    fn names_of_files_steer_no_header() {
        assert_eq!(
            disposition("M\u{fc}ller\"\r\n.csv"),
            "attachment; filename=\"M_ller___.csv\"; filename*=UTF-8''M%C3%BCller%22%0D%0A.csv"
        );
        let id = "closed-deals.2026@bell.example";
        assert_eq!(message_id(&key(id)).as_deref(), Some(id));
        let at = Timestamp::from_millisecond(1_795_420_800_000).unwrap();
        assert_eq!(read_place(&place(at, id)), Some((at, id.to_owned())));
        for wrong in ["", ".", "1", "x.YQ", "1.#", "99999999999999999.YQ"] {
            assert_eq!(read_place(wrong), None, "{wrong}");
        }
    }
}
