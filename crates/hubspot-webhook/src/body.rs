//! A delivery's body inside a queue message: base64, because SQS refuses most control characters and a body may hold any
//! byte; compressed before that where it helps. `base64 -d | gunzip` reads it in any shell.

use std::cell::RefCell;
use std::io::Read;

use data_encoding::BASE64;
use flate2::read::GzDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};

use crate::envelope::EnvelopeError;

/// The largest body that a delivery may have, in bytes: 6 MiB. Lambda takes no more from a gateway, base64 and
/// headers included. It also bounds what a queue message is unpacked to.
pub const MAX_BODY_BYTES: usize = 6 * 1024 * 1024;

/// Below this to compress takes longer than what it saves later.
const MIN_COMPRESSED_BYTES: usize = 2_048;

/// How far back gzip looks for a repetition, as a power of two of bytes: as far as it can.
const WINDOW_BITS: u8 = 15;

thread_local! {
    /// Kept, since a compressor is a quarter of a megabyte of zeros: for a batch of 100 events to make one costs half as much
    /// as to use it. At its fastest level, which shrinks such a batch to an eighth; the best would make it a twelfth for five
    /// times the work.
    static GZIP: RefCell<Compress> = RefCell::new(Compress::new_gzip(Compression::fast(), WINDOW_BITS));
}

const PLAIN: &str = "base64";
const COMPRESSED: &str = "gzip+base64";

/// A body, with the gzip it travelled in where it did. What it says is the plain one, so only that is compared.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) plain: Vec<u8>,
    pub(crate) gzip: Option<Vec<u8>>,
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self.plain == other.plain
    }
}

impl Eq for Body {}

/// A body as text, and the name of how it was made.
pub(crate) fn pack(body: &[u8]) -> (&'static str, String) {
    match compress(body) {
        Some(compressed) => (COMPRESSED, BASE64.encode(&compressed)),
        None => (PLAIN, BASE64.encode(body)),
    }
}

/// Reads what [`pack`] made.
pub(crate) fn unpack(encoding: &str, text: &str) -> Result<Body, EnvelopeError> {
    let decode = || BASE64.decode(text.as_bytes()).map_err(|_| EnvelopeError::BodyNotBase64);
    match encoding {
        PLAIN => Ok(Body { plain: decode()?, gzip: None }),
        COMPRESSED => {
            let gzip = decode()?;
            Ok(Body { plain: decompress(&gzip)?, gzip: Some(gzip) })
        }
        _ => Err(EnvelopeError::UnknownBodyEncoding),
    }
}

/// gzip, where it makes the body smaller and is worth its while.
fn compress(body: &[u8]) -> Option<Vec<u8>> {
    if body.len() < MIN_COMPRESSED_BYTES {
        return None;
    }
    GZIP.with_borrow_mut(|gzip| {
        gzip.reset();
        let mut compressed = Vec::with_capacity(body.len().saturating_sub(1));
        let status = gzip.compress_vec(body, &mut compressed, FlushCompress::Finish);
        matches!(status, Ok(Status::StreamEnd)).then_some(compressed)
    })
}

fn decompress(bytes: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    let mut body = Vec::with_capacity(said_bytes(bytes).min(MAX_BODY_BYTES + 1));
    // A few bytes can unpack to gigabytes, and nobody has checked a signature yet.
    let limit = MAX_BODY_BYTES as u64 + 1;
    GzDecoder::new(bytes).take(limit).read_to_end(&mut body).map_err(|_| EnvelopeError::BodyNotGzip)?;
    if body.len() > MAX_BODY_BYTES { Err(EnvelopeError::BodyTooLarge) } else { Ok(body) }
}

/// How large the body is, as gzip says at its end (RFC 1952, ISIZE): only a hint for how much room it needs.
fn said_bytes(gzip: &[u8]) -> usize {
    gzip.last_chunk().map_or(0, |said| usize::try_from(u32::from_le_bytes(*said)).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_compressed_where_that_makes_it_smaller() {
        let batch = include_bytes!("../../../tests/payloads/batch_of_100.json");
        let noise: Vec<u8> = (0..=255_u8).flat_map(|number| crate::signature::sha256([&[number]])).collect();
        for (body, encoding) in [
            (&[][..], PLAIN),
            (&[b' '; MIN_COMPRESSED_BYTES - 1], PLAIN),
            (&[b' '; MIN_COMPRESSED_BYTES], COMPRESSED),
            (&noise, PLAIN),
            (batch, COMPRESSED),
        ] {
            let (packed_as, text) = pack(body);
            assert_eq!(packed_as, encoding, "{} bytes", body.len());
            assert!(unpack(packed_as, &text).is_ok_and(|unpacked| unpacked.plain == body), "{} bytes", body.len());
        }
        assert!(pack(batch).1.len() * 4 < batch.len());
    }

    #[test]
    fn what_cannot_be_unpacked_is_named() {
        let gzip = |body: &[u8]| BASE64.encode(&compress(body).expect("it shrinks"));
        let too_large = gzip(&vec![b' '; MAX_BODY_BYTES + 1]);
        let unpacked = |encoding: &str, text: &str| unpack(encoding, text).map(|body| body.plain.len());
        assert_eq!(unpacked(COMPRESSED, &gzip(&vec![b' '; MAX_BODY_BYTES])), Ok(MAX_BODY_BYTES));
        assert_eq!(unpacked(COMPRESSED, &too_large), Err(EnvelopeError::BodyTooLarge));
        assert_eq!(unpacked(COMPRESSED, &BASE64.encode(b"[]")), Err(EnvelopeError::BodyNotGzip));
        assert_eq!(unpacked(COMPRESSED, &too_large[..too_large.len() / 2]), Err(EnvelopeError::BodyNotBase64));
        let whole = compress(&[b' '; MIN_COMPRESSED_BYTES]).expect("it shrinks");
        assert_eq!(unpacked(COMPRESSED, &BASE64.encode(&whole[..whole.len() - 1])), Err(EnvelopeError::BodyNotGzip));
        assert_eq!(unpacked(PLAIN, "*"), Err(EnvelopeError::BodyNotBase64));
        assert_eq!(unpacked("zstd", ""), Err(EnvelopeError::UnknownBodyEncoding));
    }
}
