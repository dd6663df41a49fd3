//! A JSON document of which one member or another may not be what it should: read in one pass, judged afterwards.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The kinds of JSON values that a gateway event has anything to read in. Text without escapes is not copied.
#[derive(Debug, Default)]
pub(crate) enum Json<'de> {
    Text(Cow<'de, str>),
    Flag(bool),
    List(Vec<Json<'de>>),
    /// In their order, and with every repeated name.
    Object(Vec<(Cow<'de, str>, Json<'de>)>),
    /// null, or a number.
    #[default]
    Other,
}

impl<'de> Json<'de> {
    /// Takes a member out of an object; [`Json::Other`] if there is none of that name.
    pub(crate) fn take(&mut self, name: &str) -> Self {
        let Self::Object(members) = self else { return Self::Other };
        let member = members.iter_mut().find(|(member, _)| member == name);
        member.map(|(_, value)| std::mem::take(value)).unwrap_or_default()
    }

    pub(crate) fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.into_owned()),
            _ => None,
        }
    }

    pub(crate) fn flag(self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    /// The members of an object whose value is text, or each text in a list.
    pub(crate) fn texts(self) -> Vec<(String, String)> {
        let Self::Object(members) = self else { return Vec::new() };
        let mut texts = Vec::with_capacity(members.len());
        for (name, value) in members {
            match value {
                Self::Text(text) => texts.push((name.into_owned(), text.into_owned())),
                Self::List(values) => {
                    texts.extend(values.into_iter().filter_map(Self::text).map(|text| (name.to_string(), text)));
                }
                _ => {}
            }
        }
        texts
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Json<'de>, E> {
        Ok(Json::Flag(flag))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json<'de>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json<'de>, A::Error> {
        let mut members = Vec::with_capacity(16);
        while let Some((Json::Text(name), value)) = object.next_entry()? {
            members.push((name, value));
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Json<'_> {
        serde_json::from_str(text).unwrap()
    }

    fn pairs(texts: &[(&str, &str)]) -> Vec<(String, String)> {
        texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_member_is_what_it_is_and_never_an_error() {
        let mut event = read(r#"{"a":"ü\n","b":true,"c":null,"d":-1,"e":1.5,"f":7,"g":[],"a":"second"}"#);
        assert_eq!(event.take("b").flag(), Some(true));
        for other in ["c", "d", "e", "f", "g", "missing"] {
            assert_eq!(event.take(other).text(), None, "{other}");
        }
        assert_eq!(event.take("a").text().as_deref(), Some("ü\n"));
        assert_eq!(read("[]").take("a").flag(), None);
    }

    #[test]
    fn texts_keep_their_order_and_what_is_repeated() {
        let headers = read(r#"{"b":"1","a":["2","3"],"n":null,"l":[null,"4"],"o":{"x":"y"},"b":"5"}"#);
        assert_eq!(headers.texts(), pairs(&[("b", "1"), ("a", "2"), ("a", "3"), ("l", "4"), ("b", "5")]));
        assert_eq!(read("7").texts(), pairs(&[]));
    }
}
