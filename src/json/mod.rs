//! JSON: reads only documents that have one meaning, and keeps every number as it was sent.

pub mod storable;

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess,
    Visitor,
};
use serde_json::{Map, Value};

use storable::exact_numbers;

/// The most objects and arrays of a document. In memory one with a single field takes 400 bytes, so 4 MB of them would take all that an
/// isolate has.
const MAX_NODES: u32 = 50_000;

/// Parses JSON whose objects name no field twice, with at most 50,000 objects and arrays. A number that a 64-bit float would change, such
/// as a phone number of 23 digits, becomes a string.
///
/// # Errors
/// The parser's.
pub fn read(json: &[u8]) -> Result<Value, serde_json::Error> {
    let text = std::str::from_utf8(json).map(exact_numbers);
    match text {
        // The rewritten text must not make JSON of something that was not JSON as sent.
        Ok(Cow::Owned(exact)) => {
            serde_json::from_slice::<IgnoredAny>(json).and_then(|_| unambiguous(&exact))
        }
        Ok(Cow::Borrowed(text)) => unambiguous(text),
        Err(error) => Err(serde_json::Error::custom(error)),
    }
}

/// Parses JSON whose objects name no field twice, with at most 50,000 objects and arrays. Numbers are read as 64-bit integers or floats.
///
/// # Errors
/// The parser's.
pub fn unambiguous(json: &str) -> Result<Value, serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_str(json);
    let value = Unambiguous(&Cell::new(MAX_NODES)).deserialize(&mut parser)?;
    parser.end()?;
    Ok(value)
}

/// The object that a text contains, if it is a JSON object that names no field twice.
#[must_use]
pub fn object(text: &str) -> Option<Map<String, Value>> {
    match read(text.as_bytes()) {
        Ok(Value::Object(fields)) => Some(fields),
        _ => None,
    }
}

/// The value as a type of serde's, if it is an object. An array is none: serde would read it as the fields in their order.
#[must_use]
pub fn fields<T: DeserializeOwned>(value: Value) -> Option<T> {
    match value {
        Value::Object(fields) => T::deserialize(fields).ok(),
        _ => None,
    }
}

/// Whether a value contains a NUL, which PostgreSQL cannot store.
#[must_use]
pub fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields
            .iter()
            .any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

/// Reads JSON whose objects name no field twice, at any depth: a duplicate has no defined meaning. It has the number of objects and
/// arrays that may follow.
#[derive(Clone, Copy)]
struct Unambiguous<'a>(&'a Cell<u32>);

impl Unambiguous<'_> {
    /// Counts an object or an array.
    fn count<E: serde::de::Error>(self) -> Result<(), E> {
        let left = self.0.get().checked_sub(1);
        let left = left.ok_or_else(|| E::custom("more than 50,000 objects and arrays"))?;
        self.0.set(left);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Unambiguous<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unambiguous<'_> {
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
        self.count()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self)? {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.count()?;
        let mut fields = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            if fields.insert(name, access.next_value_seed(self)?).is_some() {
                return Err(A::Error::custom("a field is named twice"));
            }
        }
        Ok(fields.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_a_float_would_round_become_strings() {
        let read = |json: &str| read(json.as_bytes()).map(|value| value.to_string());
        for (sent, wanted) in [
            (
                r#"{"a":16505550123165055501231}"#,
                r#"{"a":"16505550123165055501231"}"#,
            ),
            (
                r#"{"a":[1e999,9007199254740993]}"#,
                r#"{"a":["1e999","9007199254740993"]}"#,
            ),
            (r#"{"a":1.5,"b":-3}"#, r#"{"a":1.5,"b":-3}"#),
        ] {
            assert_eq!(read(sent).unwrap(), wanted);
        }
        for broken in [
            "{16505550123165055501231:1}",
            "[016505550123165055501231]",
            "[1.2.3456789012345678901234]",
            "[16505550123165055501231",
            "16505550123165055501231 5",
            r#"{"a":16505550123165055501231,"a":1}"#,
        ] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_document_has_a_bounded_number_of_objects_and_arrays() {
        let most = MAX_NODES as usize;
        let of = |count: usize| format!("[{}[]]", "{\"\":0},".repeat(count - 2));
        assert!(read(of(most).as_bytes()).is_ok());
        for text in [of(most + 1), format!("{{\"a\":{}}}", of(most))] {
            let error = read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("more than 50,000 objects"), "{error}");
        }
        let text = Value::from("{[".repeat(most));
        assert_eq!(read(text.to_string().as_bytes()).unwrap(), text);
    }

    #[test]
    fn what_is_not_utf_8_is_refused_before_it_is_parsed() {
        let error = read(b"[{},\"\xff\"]").unwrap_err().to_string();
        assert_eq!(error, "invalid utf-8 sequence of 1 bytes from index 5");
    }
}
