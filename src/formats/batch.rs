//! Batches: one object, an array, an envelope or a line each, as scripts and `sendBeacon` send them, become the one argument of a
//! database function.
//!
//! This file takes a batch apart without losing the good events to a bad one; what an event must be is the database's to say.
//! What it cannot even be shown (no JSON, too large, a NUL) goes as a word in its place.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::route::{Incoming, KB};

const ACCEPTED: &str = "application/json, text/plain, application/x-ndjson";
/// Bytes of one event, as it was sent.
const MAX_EVENT_BYTES: usize = 32 * KB;

/// An item of a batch as it goes on: its own text, or why it does not.
pub enum Item<'a> {
    /// The text of an object that PostgreSQL can store.
    Event(&'a str),
    /// A word in its place.
    Refused(&'static str),
}

/// The arguments `{"events": [...]}` of a batch.
///
/// # Errors
/// 415 for another type, 400 for a body that is none of these.
pub fn arguments(incoming: &Incoming) -> Result<String, Error> {
    let mut text = String::with_capacity(incoming.body.len() + 64);
    text.push_str("{\"events\":[");
    write(&mut text, items(incoming)?);
    text.push_str("]}");
    Ok(text)
}

/// Writes items as the elements of a JSON array.
pub fn write<'a>(text: &mut String, items: impl IntoIterator<Item = Item<'a>>) {
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        match item {
            Item::Event(event) => text.push_str(event),
            Item::Refused(why) => {
                text.push('"');
                text.push_str(why);
                text.push('"');
            }
        }
    }
}

/// The events of a body, each of them judged for itself.
fn items(incoming: &Incoming) -> Result<Vec<Item<'_>>, Error> {
    let body = incoming.body.as_slice();
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match incoming.media_type().as_str() {
        "application/json" => whole(body),
        "application/x-ndjson" | "application/jsonl" | "application/ndjson" => Ok(lines(body)),
        // What sendBeacon makes of a text, and of a Blob without a type.
        "text/plain" | "" => whole(body).or_else(|error| {
            let several = body.trim_ascii().contains(&b'\n');
            if several { Ok(lines(body)) } else { Err(error) }
        }),
        _ => Err(Error::UnsupportedMediaType { accepted: ACCEPTED }),
    }
}

/// One JSON document: an array, `{"events": [...]}`, or an event.
fn whole(body: &[u8]) -> Result<Vec<Item<'_>>, Error> {
    let text = json_text(body)?;
    Ok(list(text, "events").unwrap_or_else(|| vec![item(text)]))
}

/// The items of an array, or of the one array of this name in an object, each of them judged for itself.
pub fn list<'a>(text: &'a str, name: &str) -> Option<Vec<Item<'a>>> {
    let array = if text.starts_with('[') {
        text
    } else {
        enveloped(text, name)?
    };
    Some(parts(array).into_iter().map(item).collect())
}

/// The one array of this name in an object.
fn enveloped<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let mut found = parts(object).into_iter().filter_map(|field| {
        let value = field.strip_prefix('"')?.strip_prefix(name)?;
        let value = value.strip_prefix('"')?;
        value.trim_start().strip_prefix(':').map(str::trim_start)
    });
    let value = found.next()?;
    (value.starts_with('[') && found.next().is_none()).then_some(value)
}

/// The trimmed text of a body that is one JSON document, whatever it says.
///
/// # Errors
/// [`Error::MalformedBody`].
pub fn json_text(body: &[u8]) -> Result<&str, Error> {
    let text =
        std::str::from_utf8(body).map_err(|_| Error::MalformedBody("it is not UTF-8".into()))?;
    serde_json::from_slice::<IgnoredAny>(body)
        .map_err(|error| Error::MalformedBody(format!("JSON: {error}").into()))?;
    Ok(text.trim())
}

/// What stands between the commas of an array or an object that is known to be JSON; nothing of anything else.
fn parts(json: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut in_text, mut escaped, mut start) = (0_usize, false, false, 0);
    for (at, byte) in json.bytes().enumerate() {
        if in_text {
            in_text = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        let ends = depth == 1 && matches!(byte, b',' | b']' | b'}');
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if ends {
            // Only an empty array or object has a part without a text.
            let part = json.get(start..at).unwrap_or_default().trim();
            parts.extend((!part.is_empty()).then_some(part));
        }
        if ends || depth == 1 && start == 0 {
            start = at + 1;
        }
    }
    parts
}

/// A JSON document a line. Empty lines are none.
fn lines(body: &[u8]) -> Vec<Item<'_>> {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines
        .filter(|line| !line.is_empty())
        .map(|line| json_text(line).map_or(Item::Refused("malformed"), item))
        .collect()
}

fn item(event: &str) -> Item<'_> {
    if event.len() > MAX_EVENT_BYTES {
        return Item::Refused("too_large");
    }
    match serde_json::from_slice::<Storable>(event.as_bytes()) {
        Ok(Storable { is_object: true }) if numbers_fit(event) => Item::Event(event),
        _ => Item::Refused("malformed"),
    }
}

/// Whether every number of a JSON text has at most 400 characters and an exponent of at most 300, either way: PostgreSQL keeps
/// all digits of a number, and refuses a batch for one that has too many.
fn numbers_fit(json: &str) -> bool {
    let mut in_text = false;
    let mut escaped = false;
    let mut number = String::new();
    let fits = |number: &str| {
        let exponent = number.split_once(['e', 'E']).map(|(_, exponent)| exponent);
        let small = |exponent: &str| exponent.parse::<i32>().is_ok_and(|e| e.abs() <= 300);
        number.len() <= 400 && exponent.is_none_or(small)
    };
    for character in json.chars() {
        if in_text {
            in_text = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else if character.is_ascii_digit() || "+-.eE".contains(character) {
            // Of the words true and false only an `e` is left, which is no number.
            number.push(character);
        } else {
            if number.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && !fits(&number) {
                return false;
            }
            number.clear();
            in_text = character == '"';
        }
    }
    !number.starts_with(|c: char| c == '-' || c.is_ascii_digit()) || fits(&number)
}

/// JSON that PostgreSQL can store: no NUL and no half of a surrogate pair in any text, no number beyond reckoning, no field named
/// twice. Read through and not kept.
pub struct Storable {
    is_object: bool,
}

impl<'de> Deserialize<'de> for Storable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Storable;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Storable, E> {
                Ok(SCALAR)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Storable, E> {
                Ok(SCALAR)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Storable, E> {
                Ok(SCALAR)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Storable, E> {
                Ok(SCALAR)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Storable, E> {
                Ok(SCALAR)
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Storable, E> {
                if value.contains('\0') {
                    return Err(E::custom("it contains a NUL character"));
                }
                Ok(SCALAR)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Storable, A::Error> {
                while access.next_element::<Storable>()?.is_some() {}
                Ok(SCALAR)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Storable, A::Error> {
                // A map, for the code of one is there already.
                let mut names = Map::new();
                while let Some(name) = access.next_key::<String>()? {
                    if name.contains('\0') {
                        return Err(A::Error::custom("it contains a NUL character"));
                    }
                    if names.insert(name, Value::Null).is_some() {
                        return Err(A::Error::custom("a field is named twice"));
                    }
                    access.next_value::<Storable>()?;
                }
                Ok(Storable { is_object: true })
            }
        }
        deserializer.deserialize_any(Any)
    }
}

const SCALAR: Storable = Storable { is_object: false };

#[cfg(test)]
mod tests {
    use super::*;

    type Read = Result<Vec<String>, u16>;

    fn read(kind: &str, body: &[u8]) -> Read {
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", kind.parse().unwrap());
        let incoming = Incoming {
            headers,
            body: body.to_vec(),
            ..Incoming::default()
        };
        let items = items(&incoming).map_err(|error| error.status().as_u16())?;
        Ok(items
            .iter()
            .map(|item| match item {
                Item::Event(event) => (*event).to_owned(),
                Item::Refused(why) => format!("\"{why}\""),
            })
            .collect())
    }

    #[test]
    fn a_batch_is_taken_apart_whatever_its_form() {
        let both = Ok(vec![
            r#"{"name":"a"}"#.to_owned(),
            r#"{"name":"b"}"#.to_owned(),
        ]);
        let one = Ok(vec![r#"{"name":"a"}"#.to_owned()]);
        let cases: [(&str, &[u8], Read); 14] = [
            (
                "application/json",
                br#" [{"name":"a"},{"name":"b"}] "#,
                both.clone(),
            ),
            (
                "application/json; charset=utf-8",
                br#"{"events":[{"name":"a"},{"name":"b"}]}"#,
                both.clone(),
            ),
            ("application/json", br#"{"name":"a"}"#, one.clone()),
            (
                "application/json",
                b"\xef\xbb\xbf{\"name\":\"a\"}",
                one.clone(),
            ),
            ("application/json", br#"{"name":"a"}{"name":"b"}"#, Err(400)),
            (
                "application/json",
                b"{\"name\":\"a\"}\n{\"name\":\"b\"}",
                Err(400),
            ),
            ("application/json", b"", Err(400)),
            ("application/json", b"\xff", Err(400)),
            (
                "text/plain;charset=UTF-8",
                br#"[{"name":"a"},{"name":"b"}]"#,
                both.clone(),
            ),
            (
                "text/plain",
                b"{\"name\":\"a\"}\r\n\r\n{\"name\":\"b\"}\n",
                both.clone(),
            ),
            (
                "application/x-ndjson",
                b"{\"name\":\"a\"}\n{\"name\":\"b\"}",
                both,
            ),
            ("application/x-ndjson", b"{\"name\":\"a\"}", one),
            ("text/plain", b"hello", Err(400)),
            ("text/html", b"{}", Err(415)),
        ];
        for (kind, body, wanted) in cases {
            assert_eq!(
                read(kind, body),
                wanted,
                "{kind} {}",
                String::from_utf8_lossy(body)
            );
        }
    }

    #[test]
    fn an_envelope_is_an_object_with_one_list_of_events() {
        let inner = r#"{"name":"]},\"{[","x":[1,{"y":[]}]}"#;
        let cases = [
            (
                format!(r#"{{"events":[{inner},{inner}]}}"#),
                vec![inner, inner],
            ),
            (
                format!("{{ \"v\": [1, 2] ,\n\"events\" :\t[ {inner} ] }}"),
                vec![inner],
            ),
            (r#"{"events":[]}"#.to_owned(), vec![]),
            ("[]".to_owned(), vec![]),
            (" [ ] ".to_owned(), vec![]),
        ];
        for (body, wanted) in cases {
            assert_eq!(
                read("application/json", body.as_bytes()).unwrap(),
                wanted,
                "{body}"
            );
        }
        let events = [
            r#"{"events":5}"#,
            r#"{"events":{"a":[1]}}"#,
            r#"{"x":{"events":[1]}}"#,
            r#"{"x":"\"events\":[1]"}"#,
        ];
        for event in events {
            assert_eq!(read("application/json", event.as_bytes()).unwrap(), [event]);
        }
        let twice = r#"{"events":[{}],"events":[{}]}"#;
        assert_eq!(
            read("application/json", twice.as_bytes()).unwrap(),
            ["\"malformed\""]
        );
        for broken in [
            "[{}",
            "[{},]",
            "{\"events\":[{}]",
            "[{}]]",
            "[{}] 5",
            "{\"a\" 1}",
        ] {
            assert_eq!(
                read("application/json", broken.as_bytes()),
                Err(400),
                "{broken}"
            );
        }
    }

    #[test]
    fn a_bad_event_keeps_its_place_and_loses_no_other() {
        let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(MAX_EVENT_BYTES));
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let bad = [
            (r#"{"name":"\u0000"}"#, "malformed"),
            (r#"{"a":{"b\u0000":1}}"#, "malformed"),
            (r#"{"name":"\ud800"}"#, "malformed"),
            (r#"{"n":1e999}"#, "malformed"),
            (r#"{"n":1e-20000}"#, "malformed"),
            (
                &format!(r#"{{"n":0.{}1}}"#, "0".repeat(17_000)),
                "malformed",
            ),
            (r#"{"a":1,"a":2}"#, "malformed"),
            (r#"{"a":{"b":1,"b":1}}"#, "malformed"),
            ("5", "malformed"),
            ("[]", "malformed"),
            ("null", "malformed"),
            (&large, "too_large"),
        ];
        for (event, code) in bad {
            let body = format!(r#"[{{"name":"a"}},{event},{{"name":"b"}}]"#);
            let read = read("application/json", body.as_bytes()).unwrap();
            assert_eq!(
                read,
                [r#"{"name":"a"}"#, &format!("\"{code}\""), r#"{"name":"b"}"#],
                "{code}"
            );
        }
        let body = format!(
            "{{\"name\":\"a\"}}\n{{\nbroken\n\u{fffd}\n{{\"x\":{deep}}}\n{{\"name\":\"b\"}}"
        );
        let read = read("application/x-ndjson", body.as_bytes()).unwrap();
        assert_eq!(read.first().unwrap(), r#"{"name":"a"}"#);
        assert_eq!(read.last().unwrap(), r#"{"name":"b"}"#);
        assert_eq!(read.len(), 6);
        assert!(read[1..5].iter().all(|item| item == "\"malformed\""));
    }
}
