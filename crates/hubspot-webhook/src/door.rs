//! The one decision about a delivery: admitted into an [`Envelope`], or refused for one named reason.
//!
//! Nothing here looks into the body: what is not signed is not read.

use std::borrow::Cow;
use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::body::Body;
use crate::envelope::{Delivery, Envelope, MAX_BODY_BYTES, MAX_MESSAGE_BYTES, MatchedSecret, Proof};
use crate::headers::{SecurityHeaders, is_graphic, only};
use crate::signature::{FRESHNESS_MS, Secret, Signature, SignatureVersion, digest_v1, digest_v2, digest_v3};

/// The header of a v1 or v2 signature.
pub const SIGNATURE_HEADER: &str = "X-HubSpot-Signature";
/// The header of a v3 signature.
pub const SIGNATURE_V3_HEADER: &str = "X-HubSpot-Signature-v3";
/// The header of the time that a v3 signature covers, in epoch milliseconds.
pub const TIMESTAMP_HEADER: &str = "X-HubSpot-Request-Timestamp";
/// The header by which HubSpot's support finds a request. Not signed.
pub const CORRELATION_HEADER: &str = "X-HubSpot-Correlation-Id";

/// Digits of the longest timestamp that is read: epoch milliseconds up to the year 33658.
const MAX_TIMESTAMP_DIGITS: usize = 15;
/// Longest correlation or trace id that is kept. They are unsigned, so they must not decide whether a delivery fits into
/// the queue; AWS's trace ids with their lineage take up to about 150.
const MAX_ID_BYTES: usize = 256;

/// The headers of a distributed trace's id: AWS X-Ray's, which API Gateway adds, and the one of W3C Trace Context.
const TRACE_HEADERS: [&str; 2] = ["X-Amzn-Trace-Id", "traceparent"];

/// What signatures are checked with: at least one live secret, and the versions that are accepted.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The live ones, newest first, then the retired ones.
    secrets: Vec<Secret>,
    live: usize,
    older_versions: Vec<SignatureVersion>,
}

/// A set of keys without a live secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no client secret; without one nothing can be checked")]
pub struct NoSecret;

impl Keys {
    /// Live secrets, newest first; during a rotation there are two. Accepts v3 only.
    ///
    /// # Errors
    /// An empty list is refused.
    pub fn new(live: Vec<Secret>) -> Result<Self, NoSecret> {
        if live.is_empty() {
            return Err(NoSecret);
        }
        Ok(Self { live: live.len(), secrets: live, older_versions: Vec::new() })
    }

    /// Adds secrets that are no longer live. They open no door: they only verify again what was admitted before.
    #[must_use]
    pub fn with_retired(mut self, retired: Vec<Secret>) -> Self {
        self.secrets.truncate(self.live);
        self.secrets.extend(retired);
        self
    }

    /// Adds further retired secrets; those that are there already stay once.
    #[must_use]
    pub fn and_retired(mut self, more: Vec<Secret>) -> Self {
        for secret in more {
            if self.secrets.iter().all(|known| known.bytes() != secret.bytes()) {
                self.secrets.push(secret);
            }
        }
        self
    }

    /// These secrets are live from now on, and those before them are retired: what they admitted still verifies.
    ///
    /// # Errors
    /// An empty list is refused.
    pub fn rotated(&self, live: Vec<Secret>) -> Result<Self, NoSecret> {
        let rotated = Self { older_versions: self.older_versions.clone(), ..Self::new(live)? };
        Ok(rotated.and_retired(self.secrets.clone()))
    }

    /// Accepts v2 and v1 where they are listed. v3 is always accepted, and a delivery that carries it is judged by it.
    #[must_use]
    pub fn with_versions(mut self, versions: &[SignatureVersion]) -> Self {
        self.older_versions =
            [SignatureVersion::V2, SignatureVersion::V1].into_iter().filter(|old| versions.contains(old)).collect();
        self
    }

    fn live(&self) -> &[Secret] {
        &self.secrets[..self.live]
    }

    fn matched(&self, index: usize) -> MatchedSecret {
        match index {
            0 => MatchedSecret::Newest,
            older if older < self.live => MatchedSecret::Older,
            _ => MatchedSecret::Retired,
        }
    }
}

/// The exact URLs that HubSpot is told to call; two while a change of URL is under way, since HubSpot caches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetUrls(Vec<String>);

/// A list of target URLs that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetUrlError {
    /// The list is empty.
    #[error("there is no target URL; give the one from the webhook settings of the HubSpot app")]
    None,
    /// Neither https nor http, or without a host.
    #[error("target URL `{0}` does not start with https://host or http://host")]
    NoHost(String),
    /// HubSpot sends neither fragments nor characters that a URL has to escape.
    #[error("target URL `{0}` holds a character that is never sent in a URL; write it percent-encoded, without `#`")]
    Character(String),
}

impl TargetUrls {
    /// The URLs as they stand in HubSpot's settings; they are compared as text and not normalised.
    ///
    /// # Errors
    /// An empty list, a URL without scheme and host, and one with characters that RFC 3986 does not allow.
    pub fn new<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> Result<Self, TargetUrlError> {
        let urls: Vec<String> = urls.into_iter().map(Into::into).collect();
        for url in &urls {
            let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            if host.is_none_or(|host| host.is_empty() || host.starts_with(['/', '?'])) {
                return Err(TargetUrlError::NoHost(url.clone()));
            }
            if url.contains('#') || !is_graphic(url.as_bytes()) {
                return Err(TargetUrlError::Character(url.clone()));
            }
        }
        if urls.is_empty() { Err(TargetUrlError::None) } else { Ok(Self(urls)) }
    }
}

impl FromStr for TargetUrls {
    type Err = TargetUrlError;

    /// Reads a comma separated list.
    fn from_str(list: &str) -> Result<Self, TargetUrlError> {
        Self::new(list.split(',').map(str::trim).filter(|url| !url.is_empty()))
    }
}

/// A request as an edge received it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The HTTP method, as it came.
    pub method: &'a str,
    /// Every header, in any case of its name; a repeated header is repeated here.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The bytes of the body, after the transfer encodings and before everything else.
    pub body: &'a [u8],
    /// The raw query string without its `?`; none at all if the request had no `?`. HubSpot signs the URL it called, query
    /// included, so a target URL that was configured without a query is checked with the one that came. An edge that is
    /// told the query only in parts lists every spelling it may have had, and the signature decides: whoever could sign
    /// one of them could sign the others.
    pub queries: &'a [&'a str],
}

impl<'a> Request<'a> {
    /// HubSpot's correlation id, for logs; left out if it is sent twice, long or not printable ASCII. It is not signed.
    pub fn correlation_id(&self) -> Option<&'a str> {
        self.id(CORRELATION_HEADER)
    }

    /// The id of the distributed trace that the request belongs to, AWS X-Ray's or W3C's, on the same terms.
    pub fn trace_id(&self) -> Option<&'a str> {
        TRACE_HEADERS.iter().find_map(|name| self.id(name))
    }

    fn id(&self, name: &'static str) -> Option<&'a str> {
        only(self.headers, name).filter(|value| value.len() <= MAX_ID_BYTES)
    }
}

/// Why a delivery is refused. The caller is told only the status; the reason is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// HubSpot only posts.
    #[error("the method is not POST")]
    MethodNotPost,
    /// Something else than JSON, or JSON that was encoded: HubSpot sends neither.
    #[error("the body is not declared as plain JSON by its Content-Type and Content-Encoding")]
    MediaType,
    /// The query string holds characters that are never sent in a URL.
    #[error("the query string is not printable ASCII")]
    QueryNotAscii,
    /// No signature at all.
    #[error("no signature header was sent")]
    SignatureMissing,
    /// A v1 or v2 signature where neither is switched on.
    #[error("only a v1 or v2 signature was sent, and neither version is switched on")]
    OlderSignatureOnly,
    /// A v3 signature without its time.
    #[error("no {TIMESTAMP_HEADER} header was sent")]
    TimestampMissing,
    /// Two headers, of which different readers would take different ones.
    #[error("the header {0} was sent more than once")]
    HeaderDoubled(&'static str),
    /// A security header with bytes outside printable ASCII.
    #[error("the header {0} is not printable ASCII")]
    HeaderNotAscii(&'static str),
    /// Not the text of 32 bytes.
    #[error("the signature is not the base64 (v3) or lower-case hex (v1, v2) of 32 bytes")]
    SignatureMalformed,
    /// Something else than digits, or too many.
    #[error("the timestamp is not a number of milliseconds in digits")]
    TimestampMalformed,
    /// Older than [`FRESHNESS_MS`].
    #[error("the timestamp is {age_ms} ms old when received; {FRESHNESS_MS} are allowed")]
    TimestampTooOld {
        /// Age at the time of receipt, in milliseconds.
        age_ms: i64,
    },
    /// Further ahead than [`FRESHNESS_MS`].
    #[error("the timestamp is {ahead_ms} ms ahead of the time of receipt; {FRESHNESS_MS} are allowed")]
    TimestampTooFarAhead {
        /// How far it lies ahead of the time of receipt, in milliseconds.
        ahead_ms: i64,
    },
    /// Well formed, and not made with any of our secrets over what we received.
    #[error("the signature matches none of the secrets and target URLs")]
    SignatureMismatch,
    /// Signed, but no queue message can carry it.
    #[error("the delivery takes {bytes} bytes where {limit} fit")]
    TooLarge {
        /// Size of the encoded envelope, or of the body where that alone is too much, in bytes.
        bytes: usize,
        /// [`MAX_MESSAGE_BYTES`] or [`MAX_BODY_BYTES`].
        limit: usize,
    },
}

impl Refusal {
    /// A stable name, for logs, metrics and `closing-bell verify`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::MethodNotPost => "method_not_post",
            Self::MediaType => "media_type",
            Self::QueryNotAscii => "query_not_ascii",
            Self::SignatureMissing => "signature_missing",
            Self::OlderSignatureOnly => "older_signature_only",
            Self::TimestampMissing => "timestamp_missing",
            Self::HeaderDoubled(_) => "header_doubled",
            Self::HeaderNotAscii(_) => "header_not_ascii",
            Self::SignatureMalformed => "signature_malformed",
            Self::TimestampMalformed => "timestamp_malformed",
            Self::TimestampTooOld { .. } => "timestamp_too_old",
            Self::TimestampTooFarAhead { .. } => "timestamp_too_far_ahead",
            Self::SignatureMismatch => "signature_mismatch",
            Self::TooLarge { .. } => "too_large",
        }
    }

    /// The HTTP status that the caller gets.
    pub fn status(&self) -> u16 {
        match self {
            Self::MethodNotPost => 405,
            Self::TooLarge { .. } => 413,
            Self::MediaType => 415,
            _ => 401,
        }
    }
}

/// What a right signature turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// The version of the signature that matched.
    pub version: SignatureVersion,
    /// Which of the secrets made it.
    pub secret: MatchedSecret,
}

/// Decides about one request. `now_ms` is the time of receipt, epoch milliseconds UTC.
///
/// # Errors
/// Exactly one [`Refusal`]: the first that applies, in the order method, media type, headers, query, form
/// of the signature, timestamp, signature, size.
pub fn admit(request: &Request<'_>, keys: &Keys, urls: &TargetUrls, now_ms: i64) -> Result<Envelope, Refusal> {
    let Judged { seal, proof, url } = judge(request, keys, urls, now_ms)?;
    let fits = |bytes, limit| if bytes > limit { Err(Refusal::TooLarge { bytes, limit }) } else { Ok(()) };
    fits(request.body.len(), MAX_BODY_BYTES)?;
    let envelope = Envelope::new(
        Delivery {
            received_at_ms: now_ms,
            method: request.method.to_owned(),
            url: url.into_owned(),
            // A signature that was found right is ASCII, and so are the digits of its time.
            proof: proof.map(|text| String::from_utf8_lossy(text).into_owned()),
            correlation_id: request.correlation_id().map(str::to_owned),
            trace_id: request.trace_id().map(str::to_owned),
            body: Body { plain: request.body.to_vec(), gzip: None },
        },
        seal,
    );
    fits(envelope.message_bytes(), MAX_MESSAGE_BYTES)?;
    Ok(envelope)
}

/// Checks the signature as [`admit`] does, of a request of any size, and makes no envelope.
///
/// # Errors
/// As [`admit`], but for the size.
pub fn check(request: &Request<'_>, keys: &Keys, urls: &TargetUrls, now_ms: i64) -> Result<Seal, Refusal> {
    judge(request, keys, urls, now_ms).map(|judged| judged.seal)
}

/// A judgement with what it was made by.
struct Judged<'a> {
    seal: Seal,
    proof: Proof<&'a [u8]>,
    /// The URL that was called.
    url: Cow<'a, str>,
}

fn judge<'a>(request: &Request<'a>, keys: &Keys, urls: &'a TargetUrls, now_ms: i64) -> Result<Judged<'a>, Refusal> {
    if request.method != "POST" {
        return Err(Refusal::MethodNotPost);
    }
    let proof = read_proof(request.headers, keys)?;
    if !request.queries.iter().all(|query| is_graphic(query.as_bytes())) {
        return Err(Refusal::QueryNotAscii);
    }
    let Request { method, body, .. } = *request;
    if request.queries.is_empty() {
        let (seal, url) = authenticate(&proof, method, &urls.0, body, now_ms, keys, keys.live())?;
        return Ok(Judged { seal, proof, url: Cow::Borrowed(&urls.0[url]) });
    }
    let mut called: Vec<Cow<'a, str>> = urls.0.iter().flat_map(|url| called_urls(url, request.queries)).collect();
    let (seal, url) = authenticate(&proof, method, &called, body, now_ms, keys, keys.live())?;
    Ok(Judged { seal, proof, url: called.swap_remove(url) })
}

/// Verifies again what was admitted: freshness against the time of receipt, and the retired secrets count too.
pub(crate) fn verify_again(delivery: &Delivery, keys: &Keys) -> Result<Seal, Refusal> {
    let Delivery { proof, method, url, body, received_at_ms, .. } = delivery;
    authenticate(
        &proof.map(String::as_bytes),
        method,
        std::slice::from_ref(url),
        &body.plain,
        *received_at_ms,
        keys,
        &keys.secrets,
    )
    .map(|(seal, _)| seal)
}

/// Checks the proof over every secret and URL, always all of them, so that the time taken tells nothing about which.
/// Answers also with the index of the URL.
fn authenticate<Url: AsRef<str>>(
    proof: &Proof<&[u8]>,
    method: &str,
    urls: &[Url],
    body: &[u8],
    received_at_ms: i64,
    keys: &Keys,
    secrets: &[Secret],
) -> Result<(Seal, usize), Refusal> {
    let (version, pair) = match proof {
        Proof::V3 { signature, timestamp } => {
            let given = decode(&BASE64, signature).ok_or_else(|| malformed(signature, SIGNATURE_V3_HEADER))?;
            check_freshness(timestamp, received_at_ms)?;
            let pair = matching(given, urls, secrets, |secret, url| digest_v3(secret, method, url, body, timestamp));
            (SignatureVersion::V3, pair.ok_or(Refusal::SignatureMismatch)?)
        }
        Proof::Older { signature } => {
            let given = decode(&HEXLOWER, signature).ok_or_else(|| malformed(signature, SIGNATURE_HEADER))?;
            let found = keys.older_versions.iter().find_map(|version| {
                let pair = matching(given, urls, secrets, |secret, url| match version {
                    SignatureVersion::V2 => digest_v2(secret, method, url, body),
                    _ => digest_v1(secret, body),
                });
                pair.map(|pair| (*version, pair))
            });
            found.ok_or(Refusal::SignatureMismatch)?
        }
    };
    Ok((Seal { version, secret: keys.matched(pair % secrets.len()) }, pair / secrets.len()))
}

/// The first pair of URL and secret whose signature is the given one. Every pair is tried and compared in constant time,
/// so that the time tells nothing about which one matched. How many there are follows from the configuration and from the
/// shape of the request, both of which the caller may know.
fn matching<Url: AsRef<str>>(
    given: Signature,
    urls: &[Url],
    secrets: &[Secret],
    sign: impl Fn(&Secret, &str) -> Signature,
) -> Option<usize> {
    let (none, mut found, mut pair) = (u64::MAX, u64::MAX, 0);
    for url in urls {
        for secret in secrets {
            let is_first = is_equal(sign(secret, url.as_ref()), given) & found.ct_eq(&none);
            found.conditional_assign(&pair, is_first);
            pair += 1;
        }
    }
    usize::try_from(found).ok().filter(|_| found != none)
}

/// In constant time, eight bytes at once.
fn is_equal(left: Signature, right: Signature) -> Choice {
    let differing = left.chunks_exact(8).zip(right.chunks_exact(8)).fold(0, |differing, (left, right)| {
        let word = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("chunks are of eight bytes"));
        differing | (word(left) ^ word(right))
    });
    differing.ct_eq(&0)
}

fn decode(encoding: &data_encoding::Encoding, text: &[u8]) -> Option<Signature> {
    let mut bytes = [0; 2 * size_of::<Signature>()];
    let length = encoding.decode_len(text.len()).ok().filter(|length| *length <= bytes.len())?;
    let length = encoding.decode_mut(text, &mut bytes[..length]).ok()?;
    bytes[..length].try_into().ok()
}

fn malformed(signature: &[u8], name: &'static str) -> Refusal {
    if is_graphic(signature) { Refusal::SignatureMalformed } else { Refusal::HeaderNotAscii(name) }
}

fn check_freshness(timestamp: &[u8], received_at_ms: i64) -> Result<(), Refusal> {
    if !is_graphic(timestamp) {
        return Err(Refusal::HeaderNotAscii(TIMESTAMP_HEADER));
    }
    if !(1..=MAX_TIMESTAMP_DIGITS).contains(&timestamp.len()) {
        return Err(Refusal::TimestampMalformed);
    }
    // Digits only: `parse` would take a sign too.
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0')).ok_or(Refusal::TimestampMalformed);
    let signed_at_ms = timestamp.iter().try_fold(0, |number, byte| Ok(number * 10 + digit(byte)?))?;
    match received_at_ms.saturating_sub(signed_at_ms) {
        age_ms if age_ms > FRESHNESS_MS => Err(Refusal::TimestampTooOld { age_ms }),
        age_ms if age_ms < -FRESHNESS_MS => Err(Refusal::TimestampTooFarAhead { ahead_ms: age_ms.saturating_neg() }),
        _ => Ok(()),
    }
}

/// Finds the signature that has to be right. A v3 header settles it: v1 and v2 know no time, so a fall back to them would
/// let anybody replay a delivery. `X-HubSpot-Signature-Version` is never read: it would let the caller choose.
fn read_proof<'a>(headers: &[(&str, &'a [u8])], keys: &Keys) -> Result<Proof<&'a [u8]>, Refusal> {
    let SecurityHeaders { older, v3, timestamp } = SecurityHeaders::find(headers)?;
    match (v3, timestamp, older) {
        (Some(signature), Some(timestamp), _) => Ok(Proof::V3 { signature, timestamp }),
        (Some(_), None, _) => Err(Refusal::TimestampMissing),
        (None, None, Some(_)) if keys.older_versions.is_empty() => Err(Refusal::OlderSignatureOnly),
        (None, None, Some(signature)) => Ok(Proof::Older { signature }),
        (None, _, _) => Err(Refusal::SignatureMissing),
    }
}

fn called_urls<'a>(target: &'a str, queries: &[&str]) -> Vec<Cow<'a, str>> {
    if queries.is_empty() || target.contains('?') {
        return vec![Cow::Borrowed(target)];
    }
    queries.iter().map(|query| Cow::Owned(format!("{target}?{query}"))).collect()
}
