//! JSON bodies: read so that nobody can mean two things, and nothing is in them that PostgreSQL cannot store.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::route::Incoming;

/// The JSON of a body that says it is JSON.
///
/// # Errors
/// 415 for another type, 400 for what is no JSON, names a field twice or holds a NUL.
pub fn body(incoming: &Incoming) -> Result<Value, Error> {
    if incoming.media_type() != "application/json" {
        let accepted = "application/json";
        return Err(Error::UnsupportedMediaType { accepted });
    }
    let value = parse(&incoming.body)?;
    if has_nul(&value) {
        return Err(nul());
    }
    Ok(value)
}

/// JSON whose objects name no field twice.
///
/// # Errors
/// [`Error::MalformedBody`].
pub fn parse(body: &[u8]) -> Result<Value, Error> {
    read(body).map_err(|error| Error::MalformedBody(format!("JSON: {error}").into()))
}

/// The same, with the error as it is.
///
/// # Errors
/// That of the parser.
pub fn read(json: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(json).map(|Unambiguous(value)| value)
}

/// The object that a text is, if it is one and names no field twice.
#[must_use]
pub fn object(text: &str) -> Option<Map<String, Value>> {
    match read(text.as_bytes()) {
        Ok(Value::Object(fields)) => Some(fields),
        _ => None,
    }
}

/// Refuses fields that hold a NUL.
///
/// # Errors
/// [`Error::MalformedBody`].
pub fn refuse_nul(fields: &Map<String, Value>) -> Result<(), Error> {
    if fields.keys().any(|key| key.contains('\0')) || fields.values().any(has_nul) {
        return Err(nul());
    }
    Ok(())
}

fn nul() -> Error {
    Error::MalformedBody("it contains a NUL character".into())
}

/// Text that PostgreSQL cannot store.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields
            .iter()
            .any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

/// JSON whose objects name no field twice, at any depth: which of the two is meant nobody can say.
struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(Unambiguous(item)) = access.next_element()? {
                    items.push(item);
                }
                Ok(items.into())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
                let mut fields = Map::new();
                while let Some((name, Unambiguous(value))) =
                    access.next_entry::<String, Unambiguous>()?
                {
                    if fields.insert(name, value).is_some() {
                        return Err(A::Error::custom("a field is named twice"));
                    }
                }
                Ok(fields.into())
            }
        }
        deserializer.deserialize_any(Any).map(Unambiguous)
    }
}
