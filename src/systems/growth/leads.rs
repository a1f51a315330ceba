//! `POST /v1/leads`: a form in any of three encodings becomes the one argument of `marketing.capture_lead`.
//!
//! `formats::form` reads the encodings. The database decides what a lead is, which address is valid, what is spam and how
//! repeated leads merge.

use http::StatusCode;
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::{Map, Value};

use super::forms;
use crate::browser;
use crate::config::Config;
use crate::endpoint::{Incoming, Plan};
use crate::error::Error;
use crate::formats::form::{self, last};
use crate::formats::{address, is_lines, json};
use crate::message::{self, Response};

const EMAIL: &str = "email";
/// The field with the address as it was typed, if its domain is not in ASCII.
const TYPED_EMAIL: &str = "_typed_email";

/// The arguments.
///
/// # Errors
/// 400 and 415 for a form that cannot be read.
pub fn arguments(incoming: &Incoming, _: &Config) -> Result<Plan, Error> {
    let fields = fields(incoming)?;
    json::refuse_nul(fields)?;
    let arguments = serde_json::to_string(&Arguments { lead: Lead(fields) });
    let arguments = arguments.map_err(|_| Error::Internal("a form cannot be written"))?;
    Ok(Plan::Call(arguments))
}

/// The fields of a form, or why it is refused.
fn fields(incoming: &Incoming) -> Result<&Map<String, Value>, Error> {
    if is_lines(&incoming.media_type()) {
        let accepted = form::ACCEPTED.into();
        return Err(Error::UnsupportedMediaType { accepted });
    }
    let form = incoming.form();
    match &form.fault {
        None => Ok(&form.fields),
        Some(fault) => Err(fault.clone()),
    }
}

#[derive(Serialize)]
struct Arguments<'a> {
    lead: Lead<'a>,
}

/// A form's fields. The typed address is replaced by one with its domain in ASCII, and what was typed gets a field of
/// its own.
struct Lead<'a>(&'a Map<String, Value>);

impl Serialize for Lead<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let typed = self.0.get(EMAIL);
        let ascii = typed.and_then(last).and_then(address::with_ascii_domain);
        let mut map = serializer.serialize_map(None)?;
        // A value that the form sends under the name TYPED_EMAIL is not the edge's.
        for (name, value) in self.0.iter().filter(|(name, _)| *name != TYPED_EMAIL) {
            match &ascii {
                Some(ascii) if name == EMAIL => map.serialize_entry(name, ascii)?,
                _ => map.serialize_entry(name, value)?,
            }
        }
        if ascii.is_some() {
            map.serialize_entry(TYPED_EMAIL, &typed)?;
        }
        map.end()
    }
}

/// 201 for scripts, 303 for browsers; the same for new leads, repeated ones and spam. A browser gets an error as the
/// form with its values.
///
/// # Errors
/// The outcome's, to a script.
pub fn answer(
    incoming: &Incoming,
    outcome: Result<Value, Error>,
    config: &Config,
) -> Result<Response<()>, Error> {
    match outcome {
        Ok(_) if incoming.wants_page => browser::see_other(&browser::next(
            incoming,
            &forms::thanks_address(incoming),
            config,
        )),
        Ok(result) => Ok(message::json(StatusCode::CREATED, &result)),
        Err(error) if incoming.wants_page => {
            forms::show_again(&error, &typed(incoming), incoming, config)
        }
        Err(error) => Err(error),
    }
}

/// The readable values, and the page on which they were typed: the next post comes from another page.
fn typed(incoming: &Incoming) -> Map<String, Value> {
    let mut fields = incoming.form().fields.clone();
    let referer = incoming.header("referer");
    if !referer.is_empty() {
        fields
            .entry("landing_page")
            .or_insert_with(|| referer.into());
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::formats::charset::Decoder;
    use crate::fuzzing::native::decode;
    use proptest::prelude::*;
    use serde_json::json;

    fn incoming(content_type: &str, body: &[u8]) -> Incoming {
        let mut headers = crate::headers::Headers::new();
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
            Plan::Call(arguments) => Ok(arguments),
            Plan::Answer(_) => Ok(String::new()),
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
            prop_assert_eq!(fields(&json).unwrap(), &wanted);
            prop_assert_eq!(fields(&urlencoded).unwrap(), &wanted);
            let multipart = multipart(&pairs);
            prop_assert_eq!(fields(&multipart).unwrap(), &wanted);
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
            Value::from(fields(&form).unwrap().clone()),
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
                browser::next(
                    &incoming("application/json", form.as_bytes()),
                    forms::THANKS,
                    &config
                ),
                wanted,
                "{sent}"
            );
        }
    }
}
