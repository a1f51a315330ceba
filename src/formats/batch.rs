//! Batches of events: one object, an array, an envelope or one object a line, as scripts and `sendBeacon` send them,
//! become the one argument of a database function.
//!
//! A bad event does not cost the good ones. The database decides what a valid event is. An event that it cannot even be
//! shown (no JSON, too large, with a NUL) is replaced by a word at its position.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{Content, is_lines};
use crate::error::Error;
use crate::json::storable::numbers;
use crate::json::{has_nul, unambiguous};
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
        kind if is_lines(kind) => Ok(lines(body)),
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

/// Several events in one object.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

/// One JSON document: an array, `{"events": [...]}`, or an event.
fn whole(body: &[u8]) -> Result<Vec<Item<'_>>, Error> {
    let text = text(body)?;
    // serde would read an array as the fields of an envelope in their order.
    let events = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).ok()
    } else {
        serde_json::from_str::<Envelope<'_>>(text)
            .ok()
            .map(|envelope| envelope.events)
    };
    match events {
        Some(events) => Ok(elements(events).collect()),
        None => json_text(body).map(|event| vec![item(event)]),
    }
}

/// The elements of an array. Each one is accepted or refused on its own.
pub fn elements(array: Vec<&RawValue>) -> impl Iterator<Item = Item<'_>> {
    array.into_iter().map(|element| item(element.get()))
}

/// The trimmed text of a body that is one JSON document.
///
/// # Errors
/// [`Error::MalformedBody`].
pub fn json_text(body: &[u8]) -> Result<&str, Error> {
    let text = text(body)?;
    serde_json::from_str::<IgnoredAny>(text)
        .map_err(|error| Error::MalformedBody(format!("JSON: {error}").into()))?;
    Ok(text.trim())
}

/// The text of a body.
///
/// # Errors
/// [`Error::MalformedBody`].
pub fn text(body: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(body).map_err(|_| Error::MalformedBody("it is not UTF-8".into()))
}

/// Reads one JSON document a line and skips empty lines.
fn lines(body: &[u8]) -> Vec<Item<'_>> {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines
        .filter(|line| !line.is_empty())
        .map(|line| json_text(line).map_or(MALFORMED, item))
        .collect()
}

/// The event of a line; none stands for a line that is too long.
#[must_use]
pub fn of_line(line: Option<&[u8]>) -> Item<'_> {
    match line {
        None => TOO_LARGE,
        Some(line) => text(line).map_or(MALFORMED, storable),
    }
}

const MALFORMED: Item<'static> = Item::Refused("malformed");
const TOO_LARGE: Item<'static> = Item::Refused("too_large");

fn item(event: &str) -> Item<'_> {
    if event.len() > MAX_EVENT_BYTES {
        return TOO_LARGE;
    }
    storable(event)
}

fn storable(event: &str) -> Item<'_> {
    let is_storable = unambiguous(event).is_ok_and(|value| value.is_object() && !has_nul(&value));
    if is_storable && numbers(event).all(fits) {
        Item::Event(event)
    } else {
        MALFORMED
    }
}

/// Whether a number has at most 400 characters and an exponent between -300 and 300. PostgreSQL keeps all digits of a
/// number, and refuses the whole batch for one with too many.
fn fits(number: &str) -> bool {
    let exponent = number.split_once(['e', 'E']).map(|(_, exponent)| exponent);
    let is_small = |exponent: &str| exponent.parse::<i32>().is_ok_and(|e| e.abs() <= 300);
    number.len() <= 400 && exponent.is_none_or(is_small)
}

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
