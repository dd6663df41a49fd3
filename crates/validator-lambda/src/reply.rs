//! What the gateway gets to send back.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// An answer in the form that REST APIs and HTTP APIs both take ("Output format of a Lambda function for proxy
/// integration", API Gateway Developer Guide).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    status_code: u16,
    #[serde(serialize_with = "named")]
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    is_base64_encoded: bool,
}

const TEXT: (&str, &str) = ("content-type", "text/plain; charset=utf-8");

impl Reply {
    /// The same sentence for every cause, so that a caller learns nothing.
    pub(crate) fn with(status: u16) -> Self {
        let body = match status {
            200 => "Accepted.",
            401 => "Not accepted.",
            405 => "Only POST is answered here.",
            413 => "The delivery is too large.",
            415 => "Only JSON is taken here.",
            _ => "Not available now; please try again.",
        };
        let headers: &[_] = if status == 405 { &[TEXT, ("allow", "POST")] } else { &[TEXT] };
        Self { status_code: status, headers, body, is_base64_encoded: false }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status_code
    }

    /// The sentence that goes with it.
    pub fn body(&self) -> &'static str {
        self.body
    }
}

fn named<S: Serializer>(pairs: &[(&str, &str)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(pairs.len()))?;
    for (name, value) in pairs {
        map.serialize_entry(name, value)?;
    }
    map.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_what_the_gateway_reads() {
        assert_eq!(
            serde_json::to_string(&Reply::with(405)).unwrap(),
            r#"{"statusCode":405,"headers":{"content-type":"text/plain; charset=utf-8","allow":"POST"},"body":"Only POST is answered here.","isBase64Encoded":false}"#
        );
    }
}
