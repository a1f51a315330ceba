//! Forms: JSON, urlencoded and multipart bodies become the same fields.

use percent_encoding::percent_decode;
use serde_json::{Map, Value, json};

use super::charset::{self, Charset};
use super::{Content, multipart};
use crate::error::Error;

pub use multipart::FILE;

/// The encodings of a form.
pub const ACCEPTED: &str =
    "application/json, application/x-www-form-urlencoded, multipart/form-data";

/// The most fields of a form. Those in another charset than UTF-8 are decoded one by one, by the platform.
pub(super) const MAX_FIELDS: usize = 1000;

pub(crate) fn malformed(what: &'static str) -> Error {
    Error::MalformedBody(what.into())
}

/// The fault of a form with more fields.
pub(super) fn too_many() -> Error {
    malformed("it has more than 1,000 fields")
}

/// The readable part of a form.
pub struct Form {
    /// Its fields by name.
    pub fields: Map<String, Value>,
    /// What is wrong with it.
    pub fault: Option<Error>,
}

/// The form that a parsed JSON body is.
pub(crate) fn of_json(parsed: Result<&Value, Error>) -> Form {
    match parsed.and_then(json_fields) {
        Ok(fields) => Form {
            fields,
            fault: None,
        },
        Err(error) => Form {
            fields: Map::new(),
            fault: Some(error),
        },
    }
}

/// Reads a form that is no JSON. The readable part of a refused form is shown to the visitor again.
pub(crate) fn read(content: Content<'_>) -> Form {
    let (pairs, fault) = match content.media_type().as_str() {
        "application/x-www-form-urlencoded" => urlencoded_fields(content),
        "multipart/form-data" => multipart::fields(content),
        kind => {
            let pairs = if kind == "text/plain" {
                lines(content)
            } else {
                Vec::new()
            };
            (
                pairs,
                Some(Error::UnsupportedMediaType {
                    accepted: ACCEPTED.into(),
                }),
            )
        }
    };
    Form {
        fields: collect_fields(pairs),
        fault,
    }
}

/// The last text of a field that is not blank, if the field was sent several times.
pub(crate) fn last(value: &Value) -> Option<&str> {
    let is_filled = |text: &&str| !text.trim().is_empty();
    match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).rfind(is_filled),
        value => value.as_str().filter(is_filled),
    }
}

/// The fields of a JSON object, with the names and line ends that a form would have. A number that a float would change
/// is a string.
fn json_fields(body: &Value) -> Result<Map<String, Value>, Error> {
    let Value::Object(object) = body else {
        return Err(malformed(
            "JSON: it is not an object with the form's fields",
        ));
    };
    let mut fields = Map::new();
    for (name, value) in object {
        match (name.strip_suffix("[]"), with_line_feeds(value)) {
            (Some(stem), Value::Array(values)) => fields.insert(stem.to_owned(), values.into()),
            (Some(stem), value) => fields.insert(stem.to_owned(), json!([value])),
            (None, value) => fields.insert(name.clone(), value),
        };
    }
    Ok(fields)
}

/// The value with LF in place of CR LF in a text or a list of texts.
fn with_line_feeds(value: &Value) -> Value {
    match value {
        Value::String(text) => text.replace("\r\n", "\n").into(),
        Value::Array(values) => values.iter().map(with_line_feeds).collect(),
        other => other.clone(),
    }
}

/// The pairs of a urlencoded form, in the charset that it declares or that fits, and what is wrong with it.
fn urlencoded_fields(content: Content<'_>) -> (Vec<(String, String)>, Option<Error>) {
    let decode = |part: &[u8]| {
        let spaced: Vec<u8> = part
            .iter()
            .map(|b| if *b == b'+' { b' ' } else { *b })
            .collect();
        percent_decode(&spaced).collect::<Vec<u8>>()
    };
    let mut sent = content
        .bytes
        .split(|b| *b == b'&')
        .filter(|pair| !pair.is_empty());
    let first = sent.by_ref().take(MAX_FIELDS);
    let pairs: Vec<(Vec<u8>, Vec<u8>)> = first
        .map(|pair| {
            let mut halves = pair.splitn(2, |b| *b == b'=').map(decode);
            let mut half = || halves.next().unwrap_or_default();
            (half(), half())
        })
        .collect();
    let fault = sent.next().map(|_| too_many());
    let own = pairs
        .iter()
        .find(|(name, _)| name == charset::FIELD.as_bytes());
    let declared = own.map_or_else(
        || charset::parameter(content.content_type, "charset").unwrap_or_default(),
        |(_, label)| String::from_utf8_lossy(label).into_owned(),
    );
    let charset = Charset::new(&declared, content.decoder);
    let decoded = pairs.iter();
    let decoded = decoded.map(|(name, value)| (charset.text(name), charset.text(value)));
    (decoded.collect(), fault)
}

/// The lines of a form with `enctype="text/plain"`. That format is ambiguous: good enough to show the values again.
fn lines(content: Content<'_>) -> Vec<(String, String)> {
    let text = Charset::new("", content.decoder).text(content.bytes);
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Collects pairs into an object. A name that was sent several times, as by check boxes, becomes an array. Browsers
/// send CR LF for each line end that was typed.
fn collect_fields(pairs: Vec<(String, String)>) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, value) in pairs.into_iter().filter(|(name, _)| name != charset::FIELD) {
        let value = value.replace("\r\n", "\n");
        let (name, many) = match name.strip_suffix("[]") {
            Some(stem) => (stem.to_owned(), true),
            None => (name, false),
        };
        match fields.get_mut(&name) {
            Some(Value::Array(values)) => values.push(value.into()),
            Some(first) => *first = json!([first.take(), value]),
            None if many => drop(fields.insert(name, json!([value]))),
            None => drop(fields.insert(name, value.into())),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::charset::Decoder;

    #[test]
    fn a_form_has_a_bounded_number_of_fields() {
        let part = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n";
        let kinds = [
            ("application/x-www-form-urlencoded", "&a=1&", ""),
            ("multipart/form-data; boundary=b", part, "--b--"),
        ];
        for (content_type, field, end) in kinds {
            for (sent, is_refused) in [(MAX_FIELDS, false), (MAX_FIELDS + 1, true)] {
                let body = field.repeat(sent) + end;
                let form = read(Content {
                    bytes: body.as_bytes(),
                    content_type,
                    decoder: Decoder::default(),
                });
                assert_eq!(form.fault.is_some(), is_refused, "{content_type}");
                let shown = form.fields["a"].as_array().map(Vec::len);
                assert_eq!(shown, Some(MAX_FIELDS), "{content_type}");
            }
        }
    }
}
