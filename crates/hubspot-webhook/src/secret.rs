//! An app's client secret, and the texts in which secrets are handed over.

use std::fmt;

use hmac::{Hmac, KeyInit};
use serde_json::{Map, Value};
use sha2::Sha256;

/// An app's client secret, the key of its signatures. It prints as `[redacted]`.
#[derive(Clone)]
pub struct Secret {
    text: String,
    /// The state after the key: half of the work for a short body, done once.
    hmac: Hmac<Sha256>,
}

/// A client secret without a character, with which anybody could sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client secret is empty; copy it from the Auth tab of the HubSpot app")]
pub struct EmptySecret;

/// Why a text holds no secrets. None of these texts quotes a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// An entry without a character.
    #[error(transparent)]
    Empty(#[from] EmptySecret),
    /// It begins like JSON and goes on otherwise.
    #[error("it begins like JSON and is none; write the secret as plain text, or as {{\"client_secret\": \"…\"}}")]
    NotJson,
    /// JSON from which it is not clear what the secret is.
    #[error("its JSON does not say which value is the secret; name it `client_secret` (it has: {0})")]
    Unclear(String),
    /// A value that is neither a text nor a list of texts.
    #[error("the value of `{0}` in its JSON is neither a text nor a list of texts")]
    NotText(String),
}

impl Secret {
    /// Takes the secret as it is: nothing is trimmed.
    ///
    /// # Errors
    /// An empty secret is refused.
    pub fn new(secret: impl Into<String>) -> Result<Self, EmptySecret> {
        let text = secret.into();
        if text.is_empty() {
            return Err(EmptySecret);
        }
        let hmac = Hmac::new_from_slice(text.as_bytes()).expect("HMAC takes a key of any length");
        Ok(Self { text, hmac })
    }

    /// Reads the secrets in a variable or in a secret of AWS Secrets Manager, newest first: plain text, comma separated,
    /// or JSON as Secrets Manager's console and rotation functions write it. In JSON the secret is the only value, or the
    /// one that is named `client_secret` (also `clientSecret`, `HUBSPOT_CLIENT_SECRETS` and the like), and may be a list.
    ///
    /// # Errors
    /// An empty entry, and JSON that does not say which value is the secret. A text without entries is an empty list.
    pub fn list(text: &str) -> Result<Vec<Self>, SecretsError> {
        let text = text.trim();
        if !text.starts_with(['{', '[', '"']) {
            return plain(text);
        }
        match serde_json::from_str(text).map_err(|_| SecretsError::NotJson)? {
            Value::Object(members) => {
                let (name, value) = the_secret(&members)?;
                listed(name, value)
            }
            value => listed("the list", &value),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// A MAC that has read the key and nothing else.
    pub(crate) fn hmac(&self) -> Hmac<Sha256> {
        self.hmac.clone()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

fn plain(text: &str) -> Result<Vec<Secret>, SecretsError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split(',').map(|entry| Ok(Secret::new(entry.trim())?)).collect()
}

/// The member that is named like the secret, else the only one.
fn the_secret(members: &Map<String, Value>) -> Result<(&String, &Value), SecretsError> {
    let plain_name = |name: &str| name.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    let is_named = |name: &str| {
        let name = plain_name(name);
        let name = name.strip_prefix("hubspot").unwrap_or(&name);
        matches!(name.strip_suffix('s').unwrap_or(name), "clientsecret" | "secret")
    };
    let mut named = members.iter().filter(|(name, _)| is_named(name));
    match (named.next(), named.next()) {
        (Some(member), None) => Ok(member),
        (None, _) if members.len() == 1 => members.iter().next().ok_or(SecretsError::NotJson),
        _ => Err(SecretsError::Unclear(members.keys().map(String::as_str).collect::<Vec<_>>().join(", "))),
    }
}

fn listed(name: &str, value: &Value) -> Result<Vec<Secret>, SecretsError> {
    let not_text = || SecretsError::NotText(name.to_owned());
    match value {
        Value::String(text) => plain(text.trim()),
        Value::Array(entries) => {
            entries.iter().map(|entry| Ok(Secret::new(entry.as_str().ok_or_else(not_text)?.trim())?)).collect()
        }
        _ => Err(not_text()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        let secrets = Secret::list(text).map_err(|error| error.to_string())?;
        Ok(secrets.into_iter().map(|secret| secret.text).collect())
    }

    #[test]
    fn a_secret_is_neither_empty_nor_printed() {
        assert_eq!(Secret::new("").unwrap_err(), EmptySecret);
        assert_eq!(format!("{:?}", Secret::new(" s3cret ").unwrap()), "[redacted]");
        assert_eq!(Secret::new(" s3cret ").unwrap().text, " s3cret ");
    }

    #[test]
    fn plain_text_and_json_say_the_same() {
        for text in [
            "new,old",
            " new , old\n",
            r#"["new","old"]"#,
            r#""new, old""#,
            r#"{"client_secret":"new,old"}"#,
            r#"{"clientSecret":["new","old"],"app_id":"77"}"#,
            r#"{"HUBSPOT_CLIENT_SECRETS":" new,old ","rotated":1}"#,
            r#"{"username":"x","password":"y","secret":"new,old"}"#,
            "\n{\n \"anything\" : \"new,old\" }",
        ] {
            assert_eq!(read(text), Ok(vec!["new".to_owned(), "old".to_owned()]), "{text}");
        }
        assert_eq!(read("one"), Ok(vec!["one".to_owned()]));
        assert_eq!(read(" \n"), Ok(vec![]));
    }

    #[test]
    fn what_holds_no_secret_is_named_without_its_values() {
        let empty = EmptySecret.to_string();
        let cases = [
            ("new,,old", empty.as_str()),
            (r#"["new",""]"#, &empty),
            (
                r#"{"client_secret":"new"#,
                "it begins like JSON and is none; write the secret as plain text, or as {\"client_secret\": \"…\"}",
            ),
            (
                r#"{"username":"hidden","password":"hidden"}"#,
                "its JSON does not say which value is the secret; name it `client_secret` (it has: password, username)",
            ),
            (
                r#"{"client_secret":"hidden","secret":"hidden"}"#,
                "its JSON does not say which value is the secret; name it `client_secret` (it has: client_secret, secret)",
            ),
            ("{}", "its JSON does not say which value is the secret; name it `client_secret` (it has: )"),
            (
                r#"{"client_secret":{"a":"hidden"}}"#,
                "the value of `client_secret` in its JSON is neither a text nor a list of texts",
            ),
            ("[1]", "the value of `the list` in its JSON is neither a text nor a list of texts"),
        ];
        for (text, problem) in cases {
            assert_eq!(read(text), Err(problem.to_owned()), "{text}");
        }
    }
}
