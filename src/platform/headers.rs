//! Headers: read from and written into one string of JSON, since every call into JavaScript is slow.

use std::borrow::Cow;
use std::fmt;

use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderName, HeaderValue};
use js_sys::Object;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserializer, Serialize, Serializer};
use wasm_bindgen::JsValue;
use worker::web_sys;

/// A header's value with one byte for each character. An invalid value is kept as a byte that is not text, for the
/// stage that reads the header to refuse.
fn header_value(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let value = if text.is_ascii() {
        HeaderValue::from_bytes(text.as_bytes())
    } else {
        let byte = |c| u8::try_from(u32::from(c)).unwrap_or(0xff);
        HeaderValue::from_bytes(&text.chars().map(byte).collect::<Vec<u8>>())
    };
    value.or_else(|_| HeaderValue::from_bytes(&[0xff]))
}

/// The headers whose names are wanted, read from one string.
pub(super) fn rust_headers(
    headers: &web_sys::Headers,
    wanted: impl Fn(&str) -> bool,
) -> Option<HeaderMap> {
    let object = Object::from_entries(headers).ok()?;
    let text = js_sys::JSON::stringify(&object).ok()?.as_string()?;
    let mut read = serde_json::Deserializer::from_slice(text.as_bytes());
    Entries(&wanted).deserialize(&mut read).ok()
}

/// Reads the wanted entries of an object of strings, without copying the others.
struct Entries<'a>(&'a dyn Fn(&str) -> bool);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = HeaderMap;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<HeaderMap, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = HeaderMap;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("headers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<HeaderMap, A::Error> {
        let mut made = HeaderMap::with_capacity(16);
        // A header's name contains no character that JSON escapes.
        while let Some(name) = access.next_key::<&str>()? {
            if (self.0)(name) {
                let name = HeaderName::from_bytes(name.as_bytes()).map_err(A::Error::custom)?;
                let value = header_value(&access.next_value::<String>()?);
                made.insert(name, value.map_err(A::Error::custom)?);
            } else {
                access.next_value::<IgnoredAny>()?;
            }
        }
        Ok(made)
    }
}

/// Turns a value into an object of JavaScript, passed as one string.
pub(super) fn object(value: &impl Serialize) -> Result<JsValue, JsValue> {
    let text = serde_json::to_string(value).map_err(|error| error.to_string())?;
    js_sys::JSON::parse(&text)
}

/// Headers as an object of JavaScript: the values of a name joined, with a character for each byte.
pub(super) struct Record<'a>(pub(super) &'a HeaderMap);

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.keys().map(|name| {
            let values = self.0.get_all(name).into_iter().map(characters);
            let joined = values.reduce(|joined, value| format!("{joined}, {value}").into());
            (name.as_str(), joined)
        }))
    }
}

fn characters(value: &HeaderValue) -> Cow<'_, str> {
    match value.to_str() {
        Ok(text) => text.into(),
        Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
    }
}
