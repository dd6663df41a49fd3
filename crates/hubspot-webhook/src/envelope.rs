//! One delivery as one queue message: all that is needed to verify it again, and its body byte for byte.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::body::{Body, pack, unpack};
use crate::door::{self, Keys, Refusal, SIGNATURE_HEADER, SIGNATURE_V3_HEADER, Seal, TIMESTAMP_HEADER};
use crate::signature::{SignatureVersion, sha256};

pub use crate::body::MAX_BODY_BYTES;

/// The largest message that SQS takes, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1_048_576;

/// More than what a message holds beside its body and its texts.
const FRAME_BYTES: usize = 512;

/// A delivery whose signature was found right, by [`door::admit`] or by [`Unverified::verify`]: there is no other way to
/// make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    delivery: Delivery,
    seal: Seal,
}

/// A delivery read from a queue message and not verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified(Delivery);

/// What was received, without a judgement. Its body is no part of its `Debug` text: that ends up in logs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) received_at_ms: i64,
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) proof: Proof<String>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) trace_id: Option<String>,
    pub(crate) body: Body,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { received_at_ms, method, url, body, .. } = self;
        write!(f, "{method} {url} of {} bytes, received at {received_at_ms} ms", body.plain.len())
    }
}

/// The signature headers by which a delivery is judged.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Proof<Text> {
    V3 { signature: Text, timestamp: Text },
    Older { signature: Text },
}

impl<Text> Proof<Text> {
    /// The same headers in another form.
    pub(crate) fn map<'a, Other>(&'a self, form: impl Fn(&'a Text) -> Other) -> Proof<Other> {
        match self {
            Self::V3 { signature, timestamp } => Proof::V3 { signature: form(signature), timestamp: form(timestamp) },
            Self::Older { signature } => Proof::Older { signature: form(signature) },
        }
    }
}

/// Which of the secrets made the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchedSecret {
    /// The newest live secret.
    Newest,
    /// Another live secret: the rotation has not reached HubSpot yet.
    Older,
    /// A secret that was live when the delivery was received, and no longer is.
    Retired,
}

/// Why a queue message is no envelope. None of these texts quotes the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not a JSON object.
    #[error("the queue message is not a JSON object")]
    NotAnObject,
    /// A field is missing.
    #[error("the queue message has no `{0}`")]
    Missing(&'static str),
    /// A field is not of its type.
    #[error("`{0}` of the queue message is not of its type")]
    WrongType(&'static str),
    /// Written by a later program.
    #[error("this program reads envelopes of version V1 only; update it")]
    UnknownVersion,
    /// Written by a later program.
    #[error("this program reads bodies in base64 and gzip+base64 only; update it")]
    UnknownBodyEncoding,
    /// The body cannot be decoded.
    #[error("the body of the queue message is not base64")]
    BodyNotBase64,
    /// The body cannot be decompressed.
    #[error("the body of the queue message is not gzip")]
    BodyNotGzip,
    /// No door lets such a body in.
    #[error("the body of the queue message unpacks to more than {MAX_BODY_BYTES} bytes")]
    BodyTooLarge,
    /// Neither a v3 signature with its timestamp nor an older signature, or both.
    #[error("the queue message has no signature, or two")]
    NoSignature,
}

/// The text of a V1 message; the order of the fields is the order on the wire.
#[derive(Serialize)]
struct MessageV1<'a> {
    envelope: &'static str,
    received_at_ms: i64,
    method: &'a str,
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature_v3: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    body_encoding: &'static str,
    body: String,
}

impl Envelope {
    pub(crate) fn new(delivery: Delivery, seal: Seal) -> Self {
        Self { delivery, seal }
    }

    /// The queue message. It holds only characters that SQS takes.
    pub fn encode(&self) -> String {
        let Delivery { received_at_ms, method, url, proof, correlation_id, trace_id, body } = &self.delivery;
        let (signature_v3, timestamp, signature) = match proof {
            Proof::V3 { signature, timestamp } => (Some(signature.as_str()), Some(timestamp.as_str()), None),
            Proof::Older { signature } => (None, None, Some(signature.as_str())),
        };
        let (body_encoding, body) = pack(&body.plain);
        let message = MessageV1 {
            envelope: "V1",
            received_at_ms: *received_at_ms,
            method,
            url,
            signature_v3,
            timestamp,
            signature,
            correlation_id: correlation_id.as_deref(),
            trace_id: trace_id.as_deref(),
            body_encoding,
            body,
        };
        serde_json::to_string(&message).expect("strings and integers always make JSON")
    }

    /// The size of the queue message, in bytes; of one that surely fits, a size that it does not exceed, since to know
    /// more it would have to be encoded once for this alone.
    pub(crate) fn message_bytes(&self) -> usize {
        let Delivery { url, proof, correlation_id, trace_id, body, .. } = &self.delivery;
        let proof = match proof {
            Proof::V3 { signature, timestamp } => signature.len() + timestamp.len(),
            Proof::Older { signature } => signature.len(),
        };
        let id = |id: &Option<String>| id.as_ref().map_or(0, String::len);
        // JSON writes a character of these texts as two at most.
        let texts = 2 * (url.len() + proof + id(correlation_id) + id(trace_id));
        match FRAME_BYTES + texts + body.plain.len().div_ceil(3) * 4 {
            at_most if at_most <= MAX_MESSAGE_BYTES => at_most,
            _ => self.encode().len(),
        }
    }

    /// SHA-256 in hex over what was received and when: the same for every copy of one queue message, another one for the
    /// next attempt of the same delivery. The signature, which was found right, stands for the body.
    pub fn id(&self) -> String {
        HEXLOWER.encode(&self.digest())
    }

    /// The 32 bytes that [`Envelope::id`] writes in hex.
    pub fn digest(&self) -> [u8; 32] {
        let Delivery { received_at_ms, method, url, proof, .. } = &self.delivery;
        let (signature, timestamp) = match proof {
            Proof::V3 { signature, timestamp } => (signature.as_str(), timestamp.as_str()),
            Proof::Older { signature } => (signature.as_str(), ""),
        };
        // All of them are printable ASCII, so a line feed separates them without doubt.
        let received = format!("{received_at_ms}\n{method}\n{url}\n{signature}\n{timestamp}\n");
        sha256([received.as_bytes()])
    }

    /// When the door received the delivery, epoch milliseconds UTC.
    pub fn received_at_ms(&self) -> i64 {
        self.delivery.received_at_ms
    }

    /// The body, byte for byte as HubSpot sent it.
    pub fn body(&self) -> &[u8] {
        &self.delivery.body.plain
    }

    /// The body as gzip (RFC 1952), where the queue message carried it so: what is kept of it need not be packed again.
    pub fn gzip(&self) -> Option<&[u8]> {
        self.delivery.body.gzip.as_deref()
    }

    /// The HTTP method that was signed.
    pub fn method(&self) -> &str {
        &self.delivery.method
    }

    /// The URL that was signed: the target URL, with the query that came.
    pub fn url(&self) -> &str {
        &self.delivery.url
    }

    /// The headers by which the delivery was judged, with HubSpot's names.
    pub fn signature_headers(&self) -> Vec<(&'static str, &str)> {
        match &self.delivery.proof {
            Proof::V3 { signature, timestamp } => {
                vec![(SIGNATURE_V3_HEADER, signature), (TIMESTAMP_HEADER, timestamp)]
            }
            Proof::Older { signature } => vec![(SIGNATURE_HEADER, signature)],
        }
    }

    /// HubSpot's correlation id, if it came. It is not signed.
    pub fn correlation_id(&self) -> Option<&str> {
        self.delivery.correlation_id.as_deref()
    }

    /// The id of the distributed trace that the request belonged to, if it came. It is not signed.
    pub fn trace_id(&self) -> Option<&str> {
        self.delivery.trace_id.as_deref()
    }

    /// The version of the signature that matched.
    pub fn signature_version(&self) -> SignatureVersion {
        self.seal.version
    }

    /// Which of the secrets made the signature.
    pub fn matched_secret(&self) -> MatchedSecret {
        self.seal.secret
    }
}

impl Unverified {
    /// Reads a queue message. Fields it does not know are ignored, so that a newer door can be rolled out first.
    ///
    /// # Errors
    /// An [`EnvelopeError`] that names what is wrong with the message.
    pub fn decode(message: &str) -> Result<Self, EnvelopeError> {
        let fields: Map<String, Value> = serde_json::from_str(message).map_err(|_| EnvelopeError::NotAnObject)?;
        if text(&fields, "envelope")? != "V1" {
            return Err(EnvelopeError::UnknownVersion);
        }
        let optional = |name| optional_text(&fields, name).map(|text| text.map(str::to_owned));
        let proof = match (optional("signature_v3")?, optional("timestamp")?, optional("signature")?) {
            (Some(signature), Some(timestamp), None) => Proof::V3 { signature, timestamp },
            (None, None, Some(signature)) => Proof::Older { signature },
            _ => return Err(EnvelopeError::NoSignature),
        };
        let received_at = fields.get("received_at_ms").ok_or(EnvelopeError::Missing("received_at_ms"))?;
        Ok(Self(Delivery {
            received_at_ms: received_at.as_i64().ok_or(EnvelopeError::WrongType("received_at_ms"))?,
            method: text(&fields, "method")?.to_owned(),
            url: text(&fields, "url")?.to_owned(),
            proof,
            correlation_id: optional("correlation_id")?,
            trace_id: optional("trace_id")?,
            body: unpack(text(&fields, "body_encoding")?, text(&fields, "body")?)?,
        }))
    }

    /// Verifies the delivery again: the signature with the live and the retired secrets, the freshness against the time
    /// of receipt, however long the message has been waiting.
    ///
    /// # Errors
    /// The [`Refusal`] that [`door::admit`] would give.
    pub fn verify(self, keys: &Keys) -> Result<Envelope, Refusal> {
        let seal = door::verify_again(&self.0, keys)?;
        Ok(Envelope::new(self.0, seal))
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, EnvelopeError> {
    optional_text(fields, name)?.ok_or(EnvelopeError::Missing(name))
}

fn optional_text<'a>(fields: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, EnvelopeError> {
    fields.get(name).map(|value| value.as_str().ok_or(EnvelopeError::WrongType(name))).transpose()
}
