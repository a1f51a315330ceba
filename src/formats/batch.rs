//! Batches of events: one object, an array, an envelope or one object a line, as scripts and `sendBeacon` send them,
//! become the one argument of a database function.
//!
//! A bad event does not cost the good ones. The database decides what a valid event is. An event that it cannot even be
//! shown (no JSON, too large, with a NUL) is replaced by a word at its position.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::Content;
use crate::error::Error;
use crate::message::KB;

const ACCEPTED: &str = "application/json, text/plain, application/x-ndjson";
/// The most bytes of one event, as it was sent.
const MAX_EVENT_BYTES: usize = 32 * KB;

/// One element of a batch as it goes to the database.
pub enum Item<'a> {
    /// The text of an object that PostgreSQL can store.
    Event(&'a str),
    /// The word that stands for an event that cannot be stored.
    Refused(&'static str),
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

/// The events of a body. Each one is accepted or refused on its own.
///
/// # Errors
/// 415 for another media type, 400 for a body that has none of these forms.
pub fn items(content: Content<'_>) -> Result<Vec<Item<'_>>, Error> {
    let body = content.bytes;
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match content.media_type().as_str() {
        "application/json" => whole(body),
        "application/x-ndjson" | "application/jsonl" | "application/ndjson" => Ok(lines(body)),
        // `sendBeacon` sends a string as text/plain, and a Blob without a type without one.
        "text/plain" | "" => whole(body).or_else(|error| {
            let several = body.trim_ascii().contains(&b'\n');
            if several { Ok(lines(body)) } else { Err(error) }
        }),
        _ => Err(Error::UnsupportedMediaType {
            accepted: ACCEPTED.into(),
        }),
    }
}

/// One JSON document: an array, `{"events": [...]}`, or an event.
fn whole(body: &[u8]) -> Result<Vec<Item<'_>>, Error> {
    let text = json_text(body)?;
    Ok(list(text, "events").unwrap_or_else(|| vec![item(text)]))
}

/// The elements of an array, or of the only array of this name in an object. Each one is accepted or refused on its
/// own.
pub fn list<'a>(text: &'a str, name: &str) -> Option<Vec<Item<'a>>> {
    let array = if text.starts_with('[') {
        text
    } else {
        enveloped(text, name)?
    };
    Some(parts(array).into_iter().map(item).collect())
}

/// The array of this name in an object, if there is exactly one.
fn enveloped<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let mut found = parts(object).into_iter().filter_map(|field| {
        let value = field.strip_prefix('"')?.strip_prefix(name)?;
        let value = value.strip_prefix('"')?;
        value.trim_start().strip_prefix(':').map(str::trim_start)
    });
    let value = found.next()?;
    (value.starts_with('[') && found.next().is_none()).then_some(value)
}

/// The trimmed text of a body that is one JSON document.
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

/// The texts between the commas of a JSON array or object; empty for any other JSON.
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
            // Only an empty array or object has an empty part.
            let part = json.get(start..at).unwrap_or_default().trim();
            parts.extend((!part.is_empty()).then_some(part));
        }
        if ends || depth == 1 && start == 0 {
            start = at + 1;
        }
    }
    parts
}

/// Reads one JSON document a line and skips empty lines.
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

/// Whether every number of a JSON text has at most 400 characters and an exponent between -300 and 300. PostgreSQL
/// keeps all digits of a number, and refuses the whole batch for one with too many.
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
            // Of the words true and false only their `e` is collected here, and that does not start a number.
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

/// JSON that PostgreSQL can store: no NUL and no lone surrogate in any string, no number out of range, no field named
/// twice. Deserializing checks this and keeps nothing.
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
                // A Map, because the bundle contains its code already.
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
    use crate::formats::charset::Decoder;

    type Read = Result<Vec<String>, u16>;

    fn read(kind: &str, body: &[u8]) -> Read {
        let content = Content {
            bytes: body,
            content_type: kind,
            decoder: Decoder::default(),
        };
        let items = items(content).map_err(|error| error.status().as_u16())?;
        Ok(items
            .iter()
            .map(|item| match item {
                Item::Event(event) => (*event).to_owned(),
                Item::Refused(why) => format!("\"{why}\""),
            })
            .collect())
    }

    #[test]
    fn a_batch_in_any_form_is_split_into_events() {
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
    fn a_bad_event_keeps_its_position_and_costs_no_other() {
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
