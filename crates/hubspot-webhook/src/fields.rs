//! The fields of one event, read one by one, so that whatever was not asked for is kept.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Why a member of a body is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// `null`, a number, a string and the like.
    #[error("it is {0}, not an object")]
    NotAnObject(&'static str),
    /// Without this field there is no telling which record to look at.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// Ids and times are whole numbers from 0 on, as a number or as a string of digits.
    #[error("`{0}` is not a whole number from 0 on")]
    NotWhole(&'static str),
    /// Larger than the largest signed 64-bit integer.
    #[error("`{0}` is larger than 9223372036854775807")]
    OutOfRange(&'static str),
    /// Of another JSON type than HubSpot documents.
    #[error("`{0}` is of another type than HubSpot documents")]
    WrongType(&'static str),
    /// Nested too deeply, or a string that is no text.
    #[error("it is JSON that cannot be represented")]
    Unreadable,
}

/// What a JSON value is, in words.
pub(crate) fn kind(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// The fields that have not been read yet, in their own text, so that no number loses a digit. `null` is the same as
/// missing. Of a field that comes twice the last one counts, as in every common JSON reader. An event has a dozen: to look
/// through a list of them is quicker than to sort them.
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some((Name(name), value)) = map.next_entry()? {
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// A field's name, borrowed unless it is written with escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl<'a> Fields<'a> {
    pub(crate) fn read(member: &'a RawValue) -> Result<Self, MemberError> {
        match kind(member) {
            "an object" => serde_json::from_str(member.get()).map_err(|_| MemberError::Unreadable),
            other => Err(MemberError::NotAnObject(other)),
        }
    }

    /// A whole number that has to be there.
    pub(crate) fn need(&mut self, name: &'static str) -> Result<i64, MemberError> {
        self.whole(name)?.ok_or(MemberError::Missing(name))
    }

    /// A whole number, as a JSON number or a string of digits. It stays among the unread fields if it is none.
    pub(crate) fn whole(&mut self, name: &'static str) -> Result<Option<i64>, MemberError> {
        let read = self.present(name).map(|value| whole(value, name)).transpose()?;
        self.remove(name);
        Ok(read)
    }

    /// An array of whole numbers that has to be there.
    pub(crate) fn wholes(&mut self, name: &'static str) -> Result<Vec<i64>, MemberError> {
        let values = self.present(name).ok_or(MemberError::Missing(name))?;
        let values: Vec<&RawValue> = serde_json::from_str(values.get()).map_err(|_| MemberError::WrongType(name))?;
        self.remove(name);
        values.into_iter().map(|value| whole(value, name)).collect()
    }

    /// A string.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>, MemberError> {
        let read = self.present(name).map(|value| text(value).ok_or(MemberError::WrongType(name))).transpose()?;
        self.remove(name);
        Ok(read.map(Cow::into_owned))
    }

    /// A string that stays among the unread fields.
    pub(crate) fn peek_text(&self, name: &'static str) -> Option<String> {
        self.present(name).and_then(text).map(Cow::into_owned)
    }

    /// A string; a number or a boolean in its place is taken in its own text, digit by digit.
    pub(crate) fn scalar(&mut self, name: &'static str) -> Result<Option<String>, MemberError> {
        match self.present(name).map(|value| (kind(value), value.get())) {
            Some(("a number" | "a boolean", raw)) => {
                self.remove(name);
                Ok(Some(raw.to_owned()))
            }
            _ => self.text(name),
        }
    }

    /// Whatever was not read.
    pub(crate) fn rest(self) -> Result<Map<String, Value>, MemberError> {
        let read = |(name, raw): (Cow<'_, str>, &RawValue)| match text(raw) {
            Some(text) => Ok((name.into_owned(), Value::String(text.into_owned()))),
            None => Ok((name.into_owned(), serde_json::from_str(raw.get())?)),
        };
        self.0.into_iter().map(read).collect::<serde_json::Result<_>>().map_err(|_| MemberError::Unreadable)
    }

    fn present(&self, name: &str) -> Option<&'a RawValue> {
        let last = self.0.iter().rfind(|(known, _)| known == name);
        last.map(|(_, value)| *value).filter(|value| kind(value) != "null")
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }
}

/// The text of a string, `None` for anything else. Without escapes it stands there as it is.
fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let inner = value.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.as_bytes().contains(&b'\\') {
        return serde_json::from_str(value.get()).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

fn whole(value: &RawValue, name: &'static str) -> Result<i64, MemberError> {
    let digits = text(value).unwrap_or(Cow::Borrowed(value.get()));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(MemberError::NotWhole(name));
    }
    digits.parse().map_err(|_| MemberError::OutOfRange(name))
}
