//! The headers that decide about a delivery, all found in one look: five looks were a tenth of the check of a short body.

use crate::door::{Refusal, SIGNATURE_HEADER, SIGNATURE_V3_HEADER, TIMESTAMP_HEADER};

const CONTENT_TYPE: &str = "Content-Type";
const CONTENT_ENCODING: &str = "Content-Encoding";

/// The security headers of a request, as they came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SecurityHeaders<'a> {
    /// The v1 or v2 signature.
    pub(crate) older: Option<&'a [u8]>,
    /// The v3 signature.
    pub(crate) v3: Option<&'a [u8]>,
    /// The time that the v3 signature covers.
    pub(crate) timestamp: Option<&'a [u8]>,
}

impl<'a> SecurityHeaders<'a> {
    /// Finds them, in any case of their names, in a request whose body is declared as plain JSON, or as nothing.
    ///
    /// # Errors
    /// Another media type; else a security header that is there twice: different readers would take different ones.
    pub(crate) fn find(headers: &[(&str, &'a [u8])]) -> Result<Self, Refusal> {
        const TYPE: usize = CONTENT_TYPE.len();
        const ENCODING: usize = CONTENT_ENCODING.len();
        const OLDER: usize = SIGNATURE_HEADER.len();
        const V3: usize = SIGNATURE_V3_HEADER.len();
        const TIMESTAMP: usize = TIMESTAMP_HEADER.len();
        let (mut older, mut v3, mut timestamp, mut doubled) = (None, None, None, None);
        for &(given, value) in headers {
            // No two of the five names are of one length.
            let (name, found) = match given.len() {
                TYPE if given.eq_ignore_ascii_case(CONTENT_TYPE) && !is_json(value) => return Err(Refusal::MediaType),
                ENCODING if given.eq_ignore_ascii_case(CONTENT_ENCODING) && !is_identity(value) => {
                    return Err(Refusal::MediaType);
                }
                OLDER => (SIGNATURE_HEADER, &mut older),
                V3 => (SIGNATURE_V3_HEADER, &mut v3),
                TIMESTAMP => (TIMESTAMP_HEADER, &mut timestamp),
                _ => continue,
            };
            if given.eq_ignore_ascii_case(name) && found.replace(value).is_some() {
                doubled = Some(name);
            }
        }
        match doubled {
            Some(name) => Err(Refusal::HeaderDoubled(name)),
            None => Ok(Self { older, v3, timestamp }),
        }
    }
}

/// The only value of a header, if that is printable ASCII: an id for whoever looks for the delivery.
pub(crate) fn only<'a>(headers: &[(&str, &'a [u8])], name: &'static str) -> Option<&'a str> {
    let mut values = headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
    let text = values.next().and_then(|value| str::from_utf8(value).ok());
    text.filter(|text| values.next().is_none() && is_graphic(text.as_bytes()))
}

/// Whether every character is one that a URL or a signature may hold.
pub(crate) fn is_graphic(text: &[u8]) -> bool {
    // Without a way out in the middle the compiler looks at many bytes at once.
    text.iter().fold(true, |graphic, byte| graphic & byte.is_ascii_graphic())
}

fn is_json(media_type: &[u8]) -> bool {
    let essence = media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let suffix = &essence[essence.len().saturating_sub(b"+json".len())..];
    essence.eq_ignore_ascii_case(b"application/json") || suffix.eq_ignore_ascii_case(b"+json")
}

fn is_identity(encoding: &[u8]) -> bool {
    encoding.trim_ascii().eq_ignore_ascii_case(b"identity")
}
