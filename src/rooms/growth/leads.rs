//! `POST /v1/leads`: a form in any of three encodings becomes the one argument of `marketing.capture_lead`.
//!
//! This file reads encodings. What a lead is, which e-mail is good, what is spam and how repeats merge is the database's.

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use url::Url;

use super::{address, forms, multipart, stamp};
use crate::config::Config;
use crate::edge::{Body, Response};
use crate::error::Error;
use crate::respond;
use crate::rooms::json;
use crate::route::{ANSWER_STEP_MS, Call, Identity, Incoming, Plan, Seen};

/// The endpoint.
pub static CAPTURE: Call = Call {
    schema: "marketing",
    function: "capture_lead",
    identity: Identity::Vouched,
    for_people: true,
    arguments,
    answer,
    fallback: None,
    streamed: false,
    answer_step_ms: Some(ANSWER_STEP_MS),
    then: None,
};

/// The link of a message that asks whether an address is its owner's.
pub static CONFIRM: Call = Call {
    schema: "marketing",
    function: "confirm_lead",
    identity: Identity::Caller,
    for_people: false,
    arguments: |incoming, _| {
        let token = incoming.parameter("token").unwrap_or_default();
        // A NUL would be PostgreSQL's own error.
        let token = token.replace('\0', "");
        Ok(Plan::Ask(json!({ "token": token }).to_string()))
    },
    answer: |incoming, outcome, config| match outcome {
        Ok(_) if incoming.wants_page => forms::confirmed(config),
        Ok(result) => Ok(respond::json(StatusCode::OK, &result)),
        Err(error) if incoming.wants_page => forms::not_confirmed(&error, config),
        Err(error) => Err(error),
    },
    fallback: None,
    streamed: false,
    answer_step_ms: None,
    then: None,
};

/// Under which name the database is told of the address as it was typed, where its domain is not in ASCII.
const TYPED_EMAIL: &str = "_typed_email";

const ACCEPTED: &str = "application/json, application/x-www-form-urlencoded, multipart/form-data";

fn arguments(incoming: &Incoming, config: &Config) -> Result<Plan, Error> {
    let mut fields = fields(incoming)?;
    json::refuse_nul(&fields)?;
    put_domain_into_ascii(&mut fields);
    let stamp = fields.get(stamp::FIELD).and_then(Value::as_str);
    let seen = Seen {
        stamp: stamp.map(|text| stamp::judge(text, incoming.now_ms, config)),
        ..Seen::default()
    };
    Ok(Plan::Vouch(json!({ "lead": fields }).to_string(), seen))
}

/// Puts the address that mail goes to in the place of what was typed, which is kept beside it.
fn put_domain_into_ascii(fields: &mut Map<String, Value>) {
    // Whatever the form sends under this name is not the edge's.
    fields.remove(TYPED_EMAIL);
    // Of a field that was sent several times the last text counts.
    let typed = match fields.get("email") {
        Some(Value::Array(texts)) => {
            let texts = texts.iter().rev().filter_map(Value::as_str);
            texts.into_iter().find(|text| !text.trim().is_empty())
        }
        Some(text) => text.as_str(),
        None => None,
    };
    if let Some(ascii) = typed.and_then(address::with_ascii_domain)
        && let Some(typed) = fields.insert("email".to_owned(), ascii.into())
    {
        fields.insert(TYPED_EMAIL.to_owned(), typed);
    }
}

/// The token of Turnstile's widget, if the form has one.
pub fn turnstile_token(incoming: &Incoming) -> Option<String> {
    let fields = fields(incoming).ok()?;
    let token = fields.get("cf-turnstile-response")?.as_str()?;
    (!token.is_empty()).then(|| token.to_owned())
}

pub(super) fn malformed(what: &'static str) -> Error {
    Error::MalformedBody(what.into())
}

/// The form's fields, whatever the encoding.
pub(super) fn fields(incoming: &Incoming) -> Result<Map<String, Value>, Error> {
    match incoming.media_type().as_str() {
        "application/json" => json_fields(&incoming.body),
        "application/x-www-form-urlencoded" => urlencoded_fields(&incoming.body).map(gather),
        "multipart/form-data" => multipart::fields(incoming).map(gather),
        _ => Err(Error::UnsupportedMediaType { accepted: ACCEPTED }),
    }
}

/// The fields of a JSON object, under the names and with the line ends that a form's would have.
fn json_fields(body: &[u8]) -> Result<Map<String, Value>, Error> {
    let Value::Object(object) = json::parse(body)? else {
        return Err(malformed("JSON: it is no object of the form's fields"));
    };
    let mut fields = Map::new();
    for (name, value) in object {
        match (name.strip_suffix("[]"), with_line_feeds(value)) {
            (Some(stem), Value::Array(values)) => fields.insert(stem.to_owned(), values.into()),
            (Some(stem), value) => fields.insert(stem.to_owned(), json!([value])),
            (None, value) => fields.insert(name, value),
        };
    }
    Ok(fields)
}

/// A text, or a list of texts, with single line feeds for line ends.
fn with_line_feeds(value: Value) -> Value {
    match value {
        Value::String(text) => text.replace("\r\n", "\n").into(),
        Value::Array(values) => values.into_iter().map(with_line_feeds).collect(),
        other => other,
    }
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
            forms::again(&error, &typed(incoming), incoming.now_ms, config)
        }
        Err(error) => Err(error),
    }
}

/// What was typed, and the page it was typed on: the next post comes from another.
fn typed(incoming: &Incoming) -> Map<String, Value> {
    let mut fields = fields(incoming).unwrap_or_default();
    let referer = incoming.header("referer");
    if !referer.is_empty() {
        fields
            .entry("landing_page")
            .or_insert_with(|| referer.into());
    }
    fields
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
        Some(Ok(url)) if leads_to_allowed(&url, config) => url.into(),
        _ => forms::THANKS.to_owned(),
    }
}

fn leads_to_allowed(url: &Url, config: &Config) -> bool {
    // A blob's origin is that of the page that made it, so the scheme is looked at first.
    matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && config
            .allowed_origins
            .contains(&url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use proptest::prelude::*;

    fn incoming(content_type: &str, body: &[u8]) -> Incoming {
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", content_type.parse().unwrap());
        Incoming {
            headers,
            body: body.into(),
            wants_page: true,
            ..Incoming::default()
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

    /// What the database would be asked.
    fn asked(incoming: &Incoming) -> Result<String, Error> {
        let config = config::tests::with("", "").ok().unwrap();
        match arguments(incoming, &config)? {
            Plan::Ask(arguments) | Plan::Vouch(arguments, _) => Ok(arguments),
            Plan::Answer(_) | Plan::Seal(_) => Ok(String::new()),
        }
    }

    proptest! {
        #[test]
        fn three_encodings_give_the_same_fields(
            pairs in proptest::collection::btree_map("[a-z_]{1,12}", "[^\\x00]{0,40}", 0..8)
        ) {
            let pairs: Vec<(String, String)> = pairs.into_iter().collect();
            let object: Map<String, Value> = pairs.iter().map(|(k, v)| (k.clone(), v.clone().into())).collect();
            let wanted: Map<String, Value> = pairs.iter().map(|(k, v)| (k.clone(), v.replace("\r\n", "\n").into())).collect();
            let json = incoming("application/json; charset=utf-8", Value::from(object.clone()).to_string().as_bytes());
            let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let urlencoded = incoming("application/x-www-form-urlencoded", encoded.as_bytes());
            prop_assert_eq!(fields(&json).unwrap(), wanted.clone());
            prop_assert_eq!(fields(&urlencoded).unwrap(), wanted.clone());
            prop_assert_eq!(fields(&multipart(&pairs)).unwrap(), wanted);
        }

        #[test]
        fn no_body_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..300), kind in 0..3) {
            let kinds = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=XyZ"];
            let _ = fields(&incoming(kinds[usize::try_from(kind).unwrap()], &body));
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
        let cases: [(&str, &[u8]); 15] = [
            ("application/json", b""),
            ("application/json", b"[]"),
            ("application/json", b"{\"a\":1"),
            ("application/json", b"{} {}"),
            ("application/json", b"{\"a\":1,\"a\":2}"),
            ("application/json", b"{\"x\":[{\"a\":1,\"a\":2}]}"),
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
            let refused = asked(&incoming(content_type, body));
            assert!(
                matches!(refused, Err(Error::MalformedBody(_))),
                "{content_type} {body:?}: {refused:?}"
            );
        }
        let deep = format!("{}{}", "{\"a\":".repeat(500), "}".repeat(500));
        assert!(asked(&incoming("application/json", deep.as_bytes())).is_err());
        for content_type in ["text/plain", "", "application/jsonx"] {
            let refused = asked(&incoming(content_type, b"{}"));
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
            ("blob:https://www.example.org/x", forms::THANKS),
            ("https://user:pw@www.example.org/", forms::THANKS),
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
