//! `POST /v1/leads`: a form in any of three encodings becomes the one argument of `marketing.capture_lead`.
//!
//! This file reads encodings. What a lead is, which e-mail is good, what is spam and how repeats merge is the database's.

use std::fmt;

use futures_util::FutureExt as _;
use futures_util::stream;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use url::Url;

use super::forms;
use crate::config::Config;
use crate::edge::{Body, Response};
use crate::error::Error;
use crate::respond;
use crate::route::{Call, Incoming};

/// The endpoint.
pub static CAPTURE: Call = Call {
    schema: "marketing",
    function: "capture_lead",
    arguments,
    answer,
};

const ACCEPTED: &str = "application/json, application/x-www-form-urlencoded, multipart/form-data";

fn arguments(incoming: &Incoming) -> Result<Value, Error> {
    let fields = fields(incoming)?;
    if fields.keys().any(|key| key.contains('\0')) || fields.values().any(has_nul) {
        return Err(malformed("it contains a NUL character"));
    }
    Ok(json!({ "lead": fields }))
}

fn malformed(what: &'static str) -> Error {
    Error::MalformedBody(what.into())
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

/// The form's fields, whatever the encoding.
pub(super) fn fields(incoming: &Incoming) -> Result<Map<String, Value>, Error> {
    let media_type = incoming
        .content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match media_type.as_str() {
        "application/json" => json_fields(&incoming.body),
        "application/x-www-form-urlencoded" => urlencoded_fields(&incoming.body).map(gather),
        "multipart/form-data" => multipart_fields(incoming).map(gather),
        _ => Err(Error::UnsupportedMediaType { accepted: ACCEPTED }),
    }
}

/// A JSON object that names no field twice.
fn json_fields(body: &[u8]) -> Result<Map<String, Value>, Error> {
    struct Fields;
    impl<'de> Visitor<'de> for Fields {
        type Value = Map<String, Value>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a JSON object of the form's fields")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut fields = Map::new();
            while let Some((name, value)) = access.next_entry::<String, Value>()? {
                if fields.insert(name, value).is_some() {
                    return Err(A::Error::custom("a field is named twice"));
                }
            }
            Ok(fields)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let fields = deserializer
        .deserialize_map(Fields)
        .and_then(|fields| deserializer.end().map(|()| fields));
    fields.map_err(|error| Error::MalformedBody(format!("JSON: {error}").into()))
}

/// The pairs of a urlencoded form, which must be UTF-8 once decoded.
fn urlencoded_fields(body: &[u8]) -> Result<Vec<(String, String)>, Error> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("it is not UTF-8"))?;
    let decode = |part: &str| {
        let spaced = part.replace('+', " ");
        let decoded = percent_decode_str(&spaced)
            .decode_utf8()
            .map(std::borrow::Cow::into_owned);
        decoded.map_err(|_| malformed("a field is not UTF-8 once it is percent-decoded"))
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

/// The text parts of a multipart form. An empty file input is skipped; a file is refused, for it would be lost.
fn multipart_fields(incoming: &Incoming) -> Result<Vec<(String, String)>, Error> {
    let boundary = multer::parse_boundary(&incoming.content_type)
        .map_err(|_| malformed("the boundary is missing"))?;
    let body = stream::iter([Ok::<_, std::convert::Infallible>(incoming.body.clone())]);
    let mut form = multer::Multipart::new(body, boundary);
    let reading = async move {
        let mut pairs = Vec::new();
        while let Some(part) = form
            .next_field()
            .await
            .map_err(|_| malformed("it is not well-formed multipart"))?
        {
            let name = part
                .name()
                .ok_or_else(|| malformed("a part has no name"))?
                .to_owned();
            let is_file = part.file_name().is_some();
            let bytes = part
                .bytes()
                .await
                .map_err(|_| malformed("it is not well-formed multipart"))?;
            match (is_file, bytes.is_empty()) {
                (true, true) => {}
                (true, false) => return Err(malformed("it contains a file; this form takes none")),
                (false, _) => {
                    let text = String::from_utf8(bytes.to_vec())
                        .map_err(|_| malformed("a field is not UTF-8"))?;
                    pairs.push((name, text));
                }
            }
        }
        Ok(pairs)
    };
    // The whole body is in memory: there is nothing to wait for.
    reading
        .now_or_never()
        .unwrap_or_else(|| Err(malformed("it is not well-formed multipart")))
}

/// Pairs as an object. What is sent several times, as check boxes are, is an array. Line ends are what was typed: browsers
/// send each as CR LF.
fn gather(pairs: Vec<(String, String)>) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, value) in pairs {
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

/// 201 for scripts, 303 for browsers; the same for new, repeated and spam. A browser's error shows the form again with
/// what was typed.
fn answer(
    incoming: &Incoming,
    outcome: Result<Value, Error>,
    config: &Config,
) -> Result<Response<()>, Error> {
    match outcome {
        Ok(_) if incoming.wants_page => see_other(&next(incoming, config)),
        Ok(result) => Ok(respond::json(StatusCode::CREATED, &result)),
        Err(error) if incoming.wants_page => {
            forms::again(&error, &fields(incoming).unwrap_or_default(), config)
        }
        Err(error) => Err(error),
    }
}

fn see_other(location: &str) -> Result<Response<()>, Error> {
    let value = HeaderValue::from_str(location)
        .map_err(|_| Error::Internal("the redirect is no header value"))?;
    let mut response = Response {
        status: StatusCode::SEE_OTHER,
        headers: http::HeaderMap::new(),
        body: Body::Empty,
    };
    response.headers.insert(LOCATION, value);
    Ok(response)
}

/// The form's `_next` if it leads to an allowed origin, otherwise our own thanks.
fn next(incoming: &Incoming, config: &Config) -> String {
    let asked = fields(incoming)
        .ok()
        .and_then(|fields| fields.get("_next").and_then(Value::as_str).map(Url::parse));
    match asked {
        Some(Ok(url))
            if config
                .allowed_origins
                .contains(&url.origin().ascii_serialization()) =>
        {
            url.into()
        }
        _ => forms::THANKS.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use proptest::prelude::*;

    fn incoming(content_type: &str, body: &[u8]) -> Incoming {
        Incoming {
            content_type: content_type.into(),
            body: body.into(),
            wants_page: true,
        }
    }

    fn multipart(pairs: &[(String, String)]) -> Incoming {
        let parts = pairs.iter().map(|(name, value)| {
            format!("--XyZ\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        });
        let mut body: String = parts.collect();
        body.push_str("--XyZ--\r\n");
        incoming("multipart/form-data; boundary=XyZ", body.as_bytes())
    }

    proptest! {
        #[test]
        fn three_encodings_give_the_same_fields(
            pairs in proptest::collection::btree_map("[a-z_]{1,12}", "[^\\x00\\r]{0,40}", 0..8)
        ) {
            let pairs: Vec<(String, String)> = pairs.into_iter().collect();
            let object: Map<String, Value> = pairs.iter().map(|(k, v)| (k.clone(), v.clone().into())).collect();
            let json = incoming("application/json; charset=utf-8", Value::from(object.clone()).to_string().as_bytes());
            let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let urlencoded = incoming("application/x-www-form-urlencoded", encoded.as_bytes());
            prop_assert_eq!(fields(&json).unwrap(), object.clone());
            prop_assert_eq!(fields(&urlencoded).unwrap(), object.clone());
            prop_assert_eq!(fields(&multipart(&pairs)).unwrap(), object);
        }

        #[test]
        fn no_body_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..300), kind in 0..3) {
            let kinds = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=XyZ"];
            let _ = arguments(&incoming(kinds[usize::try_from(kind).unwrap()], &body));
        }
    }

    #[test]
    fn repeated_fields_are_arrays() {
        let form = incoming("application/x-www-form-urlencoded", b"a=1&b[]=2&a=3&a=4&c=");
        assert_eq!(
            Value::from(fields(&form).unwrap()),
            json!({"a": ["1", "3", "4"], "b": ["2"], "c": ""})
        );
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_a_reason() {
        let file = "--XyZ\r\nContent-Disposition: form-data; name=\"cv\"; filename=\"a.txt\"\r\n\r\nhello\r\n--XyZ--\r\n";
        let latin =
            b"--XyZ\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\xff\r\n--XyZ--\r\n";
        let multipart = "multipart/form-data; boundary=XyZ";
        let cases: [(&str, &[u8]); 14] = [
            ("application/json", b""),
            ("application/json", b"[]"),
            ("application/json", b"{\"a\":1"),
            ("application/json", b"{} {}"),
            ("application/json", b"{\"a\":1,\"a\":2}"),
            ("application/json", b"{\"a\":\"\\ud800\"}"),
            ("application/json", b"{\"a\":\"\xff\"}"),
            ("application/json", b"{\"a\":[{\"b\":\"\\u0000\"}]}"),
            ("application/x-www-form-urlencoded", b"a=%ff"),
            ("application/x-www-form-urlencoded", b"a=%00"),
            ("multipart/form-data", b""),
            (multipart, b"--XyZ\r\nnonsense"),
            (multipart, latin),
            (multipart, file.as_bytes()),
        ];
        for (content_type, body) in cases {
            let refused = arguments(&incoming(content_type, body));
            assert!(
                matches!(refused, Err(Error::MalformedBody(_))),
                "{content_type} {body:?}: {refused:?}"
            );
        }
        let deep = format!("{}{}", "{\"a\":".repeat(500), "}".repeat(500));
        assert!(arguments(&incoming("application/json", deep.as_bytes())).is_err());
        for content_type in ["text/plain", "", "application/jsonx"] {
            let refused = arguments(&incoming(content_type, b"{}"));
            assert!(
                matches!(refused, Err(Error::UnsupportedMediaType { .. })),
                "{content_type}"
            );
        }
    }

    #[test]
    fn next_leads_to_allowed_origins_only() {
        let config = config::tests::with("", "").ok().unwrap();
        let cases = [
            (
                "https://www.example.org/done?x=1",
                "https://www.example.org/done?x=1",
            ),
            ("http://localhost:3000", "http://localhost:3000/"),
            ("http://www.example.org/", forms::THANKS),
            ("https://www.example.org:444/", forms::THANKS),
            ("https://www.example.org.evil.test/", forms::THANKS),
            ("https://www.example.org@evil.test/", forms::THANKS),
            ("//www.example.org/", forms::THANKS),
            ("\\\\www.example.org", forms::THANKS),
            ("javascript:alert(1)", forms::THANKS),
            ("/elsewhere", forms::THANKS),
            ("", forms::THANKS),
        ];
        for (asked, wanted) in cases {
            let form = json!({ "_next": asked }).to_string();
            assert_eq!(
                next(&incoming("application/json", form.as_bytes()), &config),
                wanted,
                "{asked}"
            );
        }
    }
}
