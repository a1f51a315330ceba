//! `POST /v1/leads`: a form in any of three encodings becomes the one argument of `marketing.capture_lead`.
//!
//! This file reads encodings. The database decides what a lead is, which address is valid, what is spam and how
//! repeated leads merge.

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use percent_encoding::percent_decode;
use serde_json::{Map, Value, json};
use url::Url;

use super::{address, form_timestamp, forms, multipart};
use crate::config::Config;
use crate::edge::{Body, Response};
use crate::error::Error;
use crate::formats::charset::{self, Charset};
use crate::formats::json;
use crate::respond;
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
    after_call: None,
};

/// `POST /v1/leads/confirm`: the button on the page to which the link of a message leads. The page itself, `GET` of the
/// same address, changes nothing, because mail programs and scanners open links by themselves.
pub static CONFIRM: Call = Call {
    schema: "marketing",
    function: "confirm_lead",
    identity: Identity::Caller,
    for_people: false,
    arguments: |incoming, _| {
        let in_body = read(incoming)
            .fields
            .get("token")
            .and_then(last)
            .map(str::to_owned);
        let token = in_body.or_else(|| incoming.parameter("token"));
        // PostgreSQL would answer a NUL with an error of its own.
        let token = token.unwrap_or_default().replace('\0', "");
        Ok(Plan::Call(json!({ "token": token }).to_string()))
    },
    answer: |incoming, outcome, config| match outcome {
        Ok(_) if incoming.wants_page => forms::confirmed(incoming, config),
        Ok(result) => Ok(respond::json(StatusCode::OK, &result)),
        Err(error) if incoming.wants_page => forms::not_confirmed(&error, incoming, config),
        Err(error) => Err(error),
    },
    fallback: None,
    streamed: false,
    answer_step_ms: None,
    after_call: None,
};

/// The field with the address as it was typed, if its domain is not in ASCII.
const TYPED_EMAIL: &str = "_typed_email";

const ACCEPTED: &str = "application/json, application/x-www-form-urlencoded, multipart/form-data";

fn arguments(incoming: &Incoming, config: &Config) -> Result<Plan, Error> {
    let mut fields = fields(incoming)?;
    json::refuse_nul(&fields)?;
    put_domain_into_ascii(&mut fields);
    let timestamp = fields.get(form_timestamp::FIELD).and_then(last);
    let seen = Seen {
        form_timestamp: timestamp.map(|text| form_timestamp::verify(text, incoming.now_ms, config)),
        ..Seen::default()
    };
    Ok(Plan::CallVouched(
        json!({ "lead": fields }).to_string(),
        seen,
    ))
}

/// Replaces the typed address by one with its domain in ASCII, and stores what was typed in a field of its own.
fn put_domain_into_ascii(fields: &mut Map<String, Value>) {
    // A value that the form sends under this name is not the edge's.
    fields.remove(TYPED_EMAIL);
    let typed = fields.get("email").and_then(last);
    if let Some(ascii) = typed.and_then(address::with_ascii_domain)
        && let Some(typed) = fields.insert("email".to_owned(), ascii.into())
    {
        fields.insert(TYPED_EMAIL.to_owned(), typed);
    }
}

/// The token of Turnstile's widget, if the form has one.
pub fn turnstile_token(incoming: &Incoming) -> Option<String> {
    let fields = fields(incoming).ok()?;
    let token = fields.get("cf-turnstile-response").and_then(last)?;
    (!token.is_empty()).then(|| token.to_owned())
}

pub(super) fn malformed(what: &'static str) -> Error {
    Error::MalformedBody(what.into())
}

/// The readable part of a form.
pub(super) struct Form {
    /// Its fields by name.
    pub fields: Map<String, Value>,
    /// What is wrong with it.
    pub fault: Option<Error>,
}

/// The fields of a form in any encoding.
pub(super) fn fields(incoming: &Incoming) -> Result<Map<String, Value>, Error> {
    let Form { fields, fault } = read(incoming);
    fault.map_or(Ok(fields), Err)
}

/// Reads a form in any encoding. The readable part of a refused form is shown to the visitor again.
pub(super) fn read(incoming: &Incoming) -> Form {
    let (pairs, fault) = match incoming.media_type().as_str() {
        "application/json" => {
            return match json_fields(&charset::json(incoming)) {
                Ok(fields) => Form {
                    fields,
                    fault: None,
                },
                Err(error) => Form {
                    fields: Map::new(),
                    fault: Some(error),
                },
            };
        }
        "application/x-www-form-urlencoded" => (urlencoded_fields(incoming), None),
        "multipart/form-data" => multipart::fields(incoming),
        kind => {
            let pairs = if kind == "text/plain" {
                lines(incoming)
            } else {
                Vec::new()
            };
            (
                pairs,
                Some(Error::UnsupportedMediaType { accepted: ACCEPTED }),
            )
        }
    };
    Form {
        fields: collect_fields(pairs),
        fault,
    }
}

/// The last text of a field that is not blank, if the field was sent several times.
pub(super) fn last(value: &Value) -> Option<&str> {
    let is_filled = |text: &&str| !text.trim().is_empty();
    match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).rfind(is_filled),
        value => value.as_str().filter(is_filled),
    }
}

/// The fields of a JSON object, with the names and line ends that a form would have. A number that a float would change
/// is a string.
fn json_fields(body: &[u8]) -> Result<Map<String, Value>, Error> {
    let Value::Object(object) = json::parse(body)? else {
        return Err(malformed(
            "JSON: it is not an object with the form's fields",
        ));
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

/// Replaces CR LF by LF in a text or a list of texts.
fn with_line_feeds(value: Value) -> Value {
    match value {
        Value::String(text) => text.replace("\r\n", "\n").into(),
        Value::Array(values) => values.into_iter().map(with_line_feeds).collect(),
        other => other,
    }
}

/// The pairs of a urlencoded form, in the charset that it declares or that fits.
fn urlencoded_fields(incoming: &Incoming) -> Vec<(String, String)> {
    let decode = |part: &[u8]| {
        let spaced: Vec<u8> = part
            .iter()
            .map(|b| if *b == b'+' { b' ' } else { *b })
            .collect();
        percent_decode(&spaced).collect::<Vec<u8>>()
    };
    let pairs = incoming
        .body
        .split(|b| *b == b'&')
        .filter(|pair| !pair.is_empty());
    let pairs: Vec<(Vec<u8>, Vec<u8>)> = pairs
        .map(|pair| {
            let mut halves = pair.splitn(2, |b| *b == b'=').map(decode);
            let mut half = || halves.next().unwrap_or_default();
            (half(), half())
        })
        .collect();
    let own = pairs
        .iter()
        .find(|(name, _)| name == charset::FIELD.as_bytes());
    let declared = own.map_or_else(
        || charset::parameter(incoming.header("content-type"), "charset").unwrap_or_default(),
        |(_, label)| String::from_utf8_lossy(label).into_owned(),
    );
    let charset = Charset::new(&declared, incoming.decoder);
    pairs
        .iter()
        .map(|(name, value)| (charset.text(name), charset.text(value)))
        .collect()
}

/// The lines of a form with `enctype="text/plain"`. That format is ambiguous: good enough to show the values again.
fn lines(incoming: &Incoming) -> Vec<(String, String)> {
    let text = Charset::new("", incoming.decoder).text(&incoming.body);
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

/// 201 for scripts, 303 for browsers; the same for new leads, repeated ones and spam. A browser gets an error as the
/// form with its values.
fn answer(
    incoming: &Incoming,
    outcome: Result<Value, Error>,
    config: &Config,
) -> Result<Response<()>, Error> {
    match outcome {
        Ok(_) if incoming.wants_page => see_other(&next(incoming, config)),
        Ok(result) => Ok(respond::json(StatusCode::CREATED, &result)),
        Err(error) if incoming.wants_page => {
            forms::show_again(&error, &typed(incoming), incoming, config)
        }
        Err(error) => Err(error),
    }
}

/// The readable values, and the page on which they were typed: the next post comes from another page.
fn typed(incoming: &Incoming) -> Map<String, Value> {
    let mut fields = read(incoming).fields;
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
        .map_err(|_| Error::Internal("the redirect is not a valid header value"))?;
    let mut response = Response {
        status: StatusCode::SEE_OTHER,
        headers: http::HeaderMap::new(),
        body: Body::Empty,
    };
    response.headers.insert(LOCATION, value);
    Ok(response)
}

/// The form's `_next` if it leads to an allowed origin, otherwise the hosted page.
fn next(incoming: &Incoming, config: &Config) -> String {
    let fields = read(incoming).fields;
    let requested = fields.get("_next").and_then(last).map(Url::parse);
    match requested {
        Some(Ok(url)) if leads_to_allowed(&url, config) => url.into(),
        _ => forms::thanks_address(incoming),
    }
}

/// Whether an address belongs to an allowed site.
pub(super) fn leads_to_allowed(url: &Url, config: &Config) -> bool {
    // A blob's origin is that of the page that made it, so check the scheme first.
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
    use crate::fuzzing::native::decode;
    use crate::route::Decoder;
    use proptest::prelude::*;

    fn incoming(content_type: &str, body: &[u8]) -> Incoming {
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", content_type.parse().unwrap());
        Incoming {
            headers,
            body: body.into(),
            wants_page: true,
            decoder: Decoder(decode),
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

    /// The arguments of the database function.
    fn arguments_of(incoming: &Incoming) -> Result<String, Error> {
        let config = config::tests::with("", "").ok().unwrap();
        match arguments(incoming, &config)? {
            Plan::Call(arguments) | Plan::CallVouched(arguments, _) => Ok(arguments),
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
        fn no_body_causes_a_panic(body in proptest::collection::vec(any::<u8>(), 0..300), kind in 0..3) {
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
    fn an_unreadable_form_is_refused_with_a_reason() {
        let file = "--XyZ\r\nContent-Disposition: form-data; name=\"cv\"; filename=\"a.txt\"\r\n\r\nhello\r\n--XyZ--\r\n";
        let multipart = "multipart/form-data; boundary=XyZ";
        let cases: [(&str, &[u8]); 13] = [
            ("application/json", b""),
            ("application/json", b"[]"),
            ("application/json", b"{\"a\":1"),
            ("application/json", b"{} {}"),
            ("application/json", b"{\"a\":1,\"a\":2}"),
            ("application/json", b"{\"x\":[{\"a\":1,\"a\":2}]}"),
            ("application/json", b"{\"a\":\"\\ud800\"}"),
            ("application/json", b"{\"a\":\"\xff\"}"),
            ("application/json", b"{\"a\":[{\"b\":\"\\u0000\"}]}"),
            ("application/x-www-form-urlencoded", b"a=%00"),
            ("multipart/form-data", b""),
            (multipart, b"--XyZ\r\nnonsense"),
            (multipart, file.as_bytes()),
        ];
        for (content_type, body) in cases {
            let refused = arguments_of(&incoming(content_type, body));
            assert!(
                matches!(refused, Err(Error::MalformedBody(_))),
                "{content_type} {body:?}: {refused:?}"
            );
        }
        let deep = format!("{}{}", "{\"a\":".repeat(500), "}".repeat(500));
        assert!(arguments_of(&incoming("application/json", deep.as_bytes())).is_err());
        for content_type in ["text/plain", "", "application/jsonx"] {
            let refused = arguments_of(&incoming(content_type, b"{}"));
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
        for (sent, wanted) in cases {
            let form = json!({ "_next": sent }).to_string();
            assert_eq!(
                next(&incoming("application/json", form.as_bytes()), &config),
                wanted,
                "{sent}"
            );
        }
    }
}
