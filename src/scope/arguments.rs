//! A function's arguments from the places in a request that a manifest lists.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::endpoint::{Argument, BodyKind, Call, Encoding, Incoming, Kind, Position, Source};
use crate::error::Error;
use crate::formats::form::{last, malformed};
use crate::formats::lines::Batch;
use crate::formats::{address, batch, is_lines, json};
use crate::id::is_uuid;
use crate::json::unambiguous;

/// The text of one argument that does not come from the body; none if it is left out.
///
/// # Errors
/// 400 for an argument, 404 for a path that cannot be one of the endpoint's.
pub(super) fn text_of(
    name: &str,
    arguments: &[Argument],
    incoming: &Incoming,
) -> Result<Option<String>, Error> {
    let Some(argument) = arguments.iter().find(|argument| argument.name == name) else {
        return Ok(None);
    };
    let body = Body::Unread;
    let value = body.value(argument, incoming)?;
    Ok(match value {
        Some(Part::Value(value)) => value.as_str().map(str::to_owned),
        Some(Part::Batch | Part::Lines(_)) | None => None,
    })
}

/// The arguments of a call, as the text of a JSON object. A body of lines gives those of one batch.
///
/// # Errors
/// 400 and 415 for a body, 400 for an argument, 404 for a path that cannot be one of the endpoint's.
pub(super) fn of(
    call: &Call,
    arguments: &[Argument],
    incoming: &Incoming,
    lines: Option<&Batch<'_>>,
) -> Result<String, Error> {
    let body = Body::read(call, arguments, incoming)?;
    let mut text = String::with_capacity(incoming.body.len() + 64);
    text.push('{');
    for argument in arguments {
        let of_lines = lines.and_then(|lines| Part::of_lines(argument, lines));
        let value = match of_lines {
            Some(part) => part,
            None => match body.value(argument, incoming)? {
                Some(part) => part,
                None => continue,
            },
        };
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&Value::from(argument.name.as_str()).to_string());
        text.push(':');
        match value {
            Part::Value(value) => text.push_str(&value.to_string()),
            Part::Batch => {
                text.push('[');
                batch::write(&mut text, batch::items(incoming.content())?);
                text.push(']');
            }
            Part::Lines(lines) => {
                text.push('[');
                batch::write(&mut text, lines.lines.iter().copied().map(batch::of_line));
                text.push(']');
            }
        }
    }
    text.push('}');
    Ok(text)
}

/// The value of an argument.
enum Part<'a> {
    Value(Cow<'a, Value>),
    /// The events of the body.
    Batch,
    /// A batch of the body's lines.
    Lines(&'a Batch<'a>),
}

impl<'a> Part<'a> {
    /// The value of an argument that a batch of lines has.
    fn of_lines(argument: &Argument, lines: &'a Batch<'a>) -> Option<Self> {
        let number = |number: u64| Self::Value(Cow::Owned(number.into()));
        argument.sources.iter().find_map(|source| match source {
            Source::Body(BodyKind::Lines) => Some(Self::Lines(lines)),
            Source::Batch(Position::Start) => Some(number(lines.start)),
            Source::Batch(Position::End) => Some(number(lines.end)),
            Source::Batch(Position::Line) => Some(number(lines.first_line)),
            _ => None,
        })
    }
}

/// The body, read once in the form in which the arguments need it.
enum Body<'a> {
    /// No argument reads it.
    Unread,
    /// Any JSON; none for an empty body.
    Json(Option<&'a Value>),
    /// The fields of a form in any encoding.
    Form(&'a Map<String, Value>),
}

impl<'a> Body<'a> {
    fn read(call: &Call, arguments: &[Argument], incoming: &'a Incoming) -> Result<Self, Error> {
        let sources = || arguments.iter().flat_map(|argument| &argument.sources);
        let mut fields = sources().filter(|source| {
            matches!(
                source,
                Source::Field(_) | Source::Body(BodyKind::Value { .. } | BodyKind::Object { .. })
            )
        });
        if fields.next().is_none() {
            return Ok(Self::Unread);
        }
        if incoming.body.is_empty() {
            let required = |argument: &Argument| {
                argument.required || has_body(argument) && argument.default.is_none()
            };
            // An empty body of a form has no fields.
            if call.accepts != [Encoding::Json] && is_form_type(incoming) {
                return Self::form(call, arguments, incoming);
            }
            if !arguments.iter().any(required) {
                return Ok(Self::Json(None));
            }
        }
        if call.accepts == [Encoding::Json] {
            let value = incoming.json()?;
            let needs_object = sources().any(|source| {
                matches!(
                    source,
                    Source::Field(_) | Source::Body(BodyKind::Object { .. })
                )
            });
            if needs_object && !value.is_object() {
                return Err(malformed("JSON: it is not an object"));
            }
            return Ok(Self::Json(Some(value)));
        }
        Self::form(call, arguments, incoming)
    }

    fn form(call: &Call, arguments: &[Argument], incoming: &'a Incoming) -> Result<Self, Error> {
        let kind = incoming.media_type();
        let reads = |encoding: &Encoding| {
            media_type(*encoding) == kind || *encoding == Encoding::Ndjson && is_lines(&kind)
        };
        if !call.accepts.iter().any(reads) {
            let accepted: Vec<&str> = call
                .accepts
                .iter()
                .map(|encoding| media_type(*encoding))
                .collect();
            let accepted = accepted.join(", ").into();
            return Err(Error::UnsupportedMediaType { accepted });
        }
        let form = incoming.form();
        if let Some(fault) = &form.fault {
            return Err(fault.clone());
        }
        // A text of its own loses its NULs; what is passed on whole must have none.
        let whole = |argument: &Argument| argument.kind == Kind::Any || has_body(argument);
        if arguments.iter().any(whole) {
            json::refuse_nul(&form.fields)?;
        }
        Ok(Self::Form(&form.fields))
    }

    /// The value of an argument, or its default; none to leave it out.
    fn value<'b>(
        &'b self,
        argument: &'b Argument,
        incoming: &Incoming,
    ) -> Result<Option<Part<'b>>, Error> {
        for source in &argument.sources {
            if *source == Source::Body(BodyKind::Batch) {
                return Ok(Some(Part::Batch));
            }
            if let Some(value) = self.at(source, argument, incoming)? {
                return Ok(Some(Part::Value(value)));
            }
        }
        if argument.required {
            return Err(bad(argument, "is missing"));
        }
        Ok(argument
            .default
            .as_ref()
            .map(|value| Part::Value(Cow::Borrowed(value))))
    }

    /// The value at a place in the request, if it has one.
    fn at<'b>(
        &'b self,
        source: &Source,
        argument: &Argument,
        incoming: &Incoming,
    ) -> Result<Option<Cow<'b, Value>>, Error> {
        let typed = |text: &str| typed(text.into(), argument.kind);
        match source {
            // A path that does not fit is no path of this endpoint.
            Source::Path(name) => typed(incoming.segments.get(name))
                .map(|value| Some(Cow::Owned(value)))
                .ok_or(Error::NotFound),
            Source::Query(name) => match incoming.parameter(name) {
                // As the data API: see `Query::parse`.
                Some(text) if text.contains('\0') => Err(Error::BadQuery("it contains a NUL")),
                Some(text) if counts(&text, argument.kind) => owned(typed(&text), argument),
                _ => Ok(None),
            },
            Source::Header(name) => match incoming.headers.get(name) {
                None => Ok(None),
                Some(value) => match value.to_str() {
                    Ok(text) if counts(text, argument.kind) => owned(typed(text), argument),
                    Ok(_) => Ok(None),
                    Err(_) => Err(bad(argument, wanted(argument.kind))),
                },
            },
            Source::User => Ok(incoming
                .user
                .as_ref()
                .map(|user| Cow::Owned(user.to_ascii_lowercase().into()))),
            Source::Field(name) => self.field(name, argument),
            Source::Body(BodyKind::Batch | BodyKind::Lines) | Source::Batch(_) => Ok(None),
            Source::Body(BodyKind::Value { email_fields } | BodyKind::Object { email_fields }) => {
                Ok(self
                    .whole()
                    .map(|value| with_ascii_domains(value, email_fields)))
            }
        }
    }

    fn whole(&self) -> Option<Cow<'_, Value>> {
        match self {
            Self::Unread => None,
            Self::Json(value) => value.map(Cow::Borrowed),
            Self::Form(fields) => Some(Cow::Owned(Value::Object((*fields).clone()))),
        }
    }

    fn field<'b>(
        &'b self,
        name: &str,
        argument: &Argument,
    ) -> Result<Option<Cow<'b, Value>>, Error> {
        let value = match self {
            Self::Unread => None,
            Self::Json(value) => value.and_then(|value| value.get(name)),
            Self::Form(fields) => fields.get(name),
        };
        let value = value.filter(|value| !value.is_null());
        let Some(value) = value else {
            return Ok(None);
        };
        if argument.kind == Kind::Any {
            return Ok(Some(Cow::Borrowed(value)));
        }
        // A form sends a field that is left blank, and may send one several times.
        let value = match (self, value) {
            (Self::Form(_), Value::Array(_) | Value::String(_)) => match last(value) {
                None => return Ok(None),
                Some(text) => text.into(),
            },
            _ => value.clone(),
        };
        owned(typed(value, argument.kind), argument)
    }
}

/// Whether the whole body is the argument.
fn has_body(argument: &Argument) -> bool {
    argument
        .sources
        .iter()
        .any(|source| matches!(source, Source::Body(_)))
}

fn is_form_type(incoming: &Incoming) -> bool {
    let kind = incoming.media_type();
    kind == media_type(Encoding::Form) || kind == media_type(Encoding::Multipart)
}

fn media_type(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Json => "application/json",
        Encoding::Form => "application/x-www-form-urlencoded",
        Encoding::Multipart => "multipart/form-data",
        Encoding::Ndjson => "application/x-ndjson",
    }
}

/// Whether a text is given: an empty one stands only for itself.
fn counts(text: &str, kind: Kind) -> bool {
    kind == Kind::Text || !text.trim().is_empty()
}

fn owned<'a>(value: Option<Value>, argument: &Argument) -> Result<Option<Cow<'a, Value>>, Error> {
    let value = value.ok_or_else(|| bad(argument, wanted(argument.kind)))?;
    Ok(Some(Cow::Owned(value)))
}

fn bad(argument: &Argument, wanted: &'static str) -> Error {
    Error::BadArgument {
        name: argument.name.clone().into(),
        wanted,
    }
}

fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "a text",
        Kind::Integer => "a whole number",
        Kind::Number => "a number",
        Kind::Boolean => "true or false",
        Kind::Uuid => "a UUID",
        Kind::Email => "an e-mail address",
        Kind::Any => "JSON",
    }
}

/// The value in the form of its type; none if it has another one. Forms, queries and headers send every type as text.
fn typed(value: Value, kind: Kind) -> Option<Value> {
    match (kind, value) {
        (Kind::Any, value) => Some(value),
        // PostgreSQL stores no NUL.
        (Kind::Text, Value::String(text)) if text.contains('\0') => {
            Some(text.replace('\0', "").into())
        }
        (Kind::Text, Value::String(text)) => Some(text.into()),
        (Kind::Email, Value::String(text)) => {
            let text = text.replace('\0', "");
            Some(address::with_ascii_domain(&text).unwrap_or(text).into())
        }
        (Kind::Text | Kind::Email, Value::Number(number)) => Some(number.to_string().into()),
        (Kind::Integer, Value::Number(number)) => number.is_i64().then(|| number.into()),
        (Kind::Integer, Value::String(text)) => text.trim().parse::<i64>().ok().map(Value::from),
        (Kind::Number, Value::Number(number)) => Some(number.into()),
        (Kind::Number, Value::String(text)) => {
            let value = unambiguous(text.trim()).ok()?;
            value.is_number().then_some(value)
        }
        (Kind::Boolean, Value::Bool(value)) => Some(value.into()),
        // A check box without a value of its own sends `on`.
        (Kind::Boolean, Value::String(text)) => match text.trim() {
            "true" | "on" => Some(true.into()),
            "false" => Some(false.into()),
            _ => None,
        },
        (Kind::Uuid, Value::String(text)) => {
            is_uuid(&text).then(|| text.to_ascii_lowercase().into())
        }
        _ => None,
    }
}

/// The value with ASCII domains in the addresses of these fields.
fn with_ascii_domains<'a>(value: Cow<'a, Value>, email_fields: &[String]) -> Cow<'a, Value> {
    email_fields.iter().fold(value, |mut value, name| {
        let typed = value.get(name).and_then(Value::as_str);
        if let Some(ascii) = typed.and_then(address::with_ascii_domain)
            && let Some(field) = value.to_mut().get_mut(name)
        {
            *field = ascii.into();
        }
        value
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::charset::Decoder;
    use crate::fuzzing::native::decode;
    use serde_json::json;

    fn argument(name: &str, sources: Vec<Source>, kind: Kind) -> Argument {
        Argument {
            name: name.into(),
            sources,
            kind,
            default: None,
            required: false,
        }
    }

    fn incoming(content_type: &str, body: &str) -> Incoming {
        let mut headers = crate::headers::Headers::new();
        headers.insert("content-type", content_type.parse().unwrap());
        headers.insert("x-count", "7".parse().unwrap());
        Incoming {
            headers,
            body: body.into(),
            query: "page=2&page=3&blank=&ratio=1.5".into(),
            segments: [("id", "00000000-0000-4000-8000-00000000000A")]
                .into_iter()
                .collect(),
            decoder: Decoder(decode),
            ..Incoming::default()
        }
    }

    fn made(
        accepts: &[Encoding],
        arguments: &[Argument],
        incoming: &Incoming,
    ) -> Result<Value, Error> {
        let call = Call {
            accepts: accepts.to_vec(),
            ..Call::new("any", "function")
        };
        of(&call, arguments, incoming, None).map(|text| serde_json::from_str(&text).unwrap())
    }

    const ALL: [Encoding; 3] = [Encoding::Json, Encoding::Form, Encoding::Multipart];

    #[test]
    fn arguments_come_from_their_places_with_their_types() {
        let arguments = [
            argument("id", vec![Source::Path("id".into())], Kind::Uuid),
            argument("page", vec![Source::Query("page".into())], Kind::Integer),
            argument("ratio", vec![Source::Query("ratio".into())], Kind::Number),
            argument(
                "count",
                vec![Source::Header("x-count".into())],
                Kind::Integer,
            ),
            argument("missing", vec![Source::Query("nothing".into())], Kind::Text),
            argument("blank", vec![Source::Query("blank".into())], Kind::Integer),
            Argument {
                default: Some(json!(1)),
                ..argument(
                    "defaulted",
                    vec![Source::Query("nothing".into())],
                    Kind::Integer,
                )
            },
        ];
        let wanted = json!({"id": "00000000-0000-4000-8000-00000000000a", "page": 2, "ratio": 1.5, "count": 7, "defaulted": 1});
        assert_eq!(
            made(&ALL, &arguments, &incoming("text/plain", "")).unwrap(),
            wanted
        );
    }

    #[test]
    fn three_encodings_give_the_same_fields() {
        let arguments = [
            argument("title", vec![Source::Field("title".into())], Kind::Text),
            argument("done", vec![Source::Field("done".into())], Kind::Boolean),
            argument("count", vec![Source::Field("count".into())], Kind::Integer),
            argument("mail", vec![Source::Field("mail".into())], Kind::Email),
        ];
        let multipart = "--X\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\na b\r\n--X\r\nContent-Disposition: form-data; name=\"done\"\r\n\r\ntrue\r\n--X\r\nContent-Disposition: form-data; name=\"count\"\r\n\r\n3\r\n--X\r\nContent-Disposition: form-data; name=\"mail\"\r\n\r\na@müller.example\r\n--X--\r\n";
        let bodies = [
            (
                "application/json",
                r#"{"title":"a b","done":true,"count":3,"mail":"a@müller.example","more":null}"#,
            ),
            (
                "application/x-www-form-urlencoded",
                "title=a+b&done=true&count=3&mail=a@m%C3%BCller.example&other=",
            ),
            ("multipart/form-data; boundary=X", multipart),
        ];
        for (kind, body) in bodies {
            let wanted = json!({"title": "a b", "done": true, "count": 3, "mail": "a@xn--mller-kva.example"});
            assert_eq!(
                made(&ALL, &arguments, &incoming(kind, body)).unwrap(),
                wanted,
                "{kind}"
            );
        }
    }

    #[test]
    fn a_parameter_with_a_nul_is_refused() {
        let arguments = [argument("q", vec![Source::Query("q".into())], Kind::Text)];
        let with = |query: &str| Incoming {
            query: query.into(),
            ..incoming("text/plain", "")
        };
        for query in ["q=a%00b", "q=%00", "p=1&q=%00&q=a"] {
            let refused = made(&ALL, &arguments, &with(query));
            assert!(matches!(refused, Err(Error::BadQuery(_))), "{query}");
        }
        assert_eq!(
            made(&ALL, &arguments, &with("q=a&other=%00")).unwrap(),
            json!({ "q": "a" })
        );
    }

    #[test]
    fn a_wrong_argument_is_refused_by_name() {
        let field = |kind| [argument("x", vec![Source::Field("x".into())], kind)];
        let cases = [
            (Kind::Integer, r#"{"x":1.5}"#),
            (Kind::Integer, r#"{"x":"one"}"#),
            (Kind::Boolean, r#"{"x":1}"#),
            (Kind::Uuid, r#"{"x":"a"}"#),
            (Kind::Text, r#"{"x":[]}"#),
            (Kind::Number, r#"{"x":"1e"}"#),
        ];
        for (kind, body) in cases {
            let refused = made(
                &[Encoding::Json],
                &field(kind),
                &incoming("application/json", body),
            );
            assert!(
                matches!(refused, Err(Error::BadArgument { name, .. }) if name == "x"),
                "{body}"
            );
        }
        let required = Argument {
            required: true,
            ..argument("x", vec![Source::Field("x".into())], Kind::Text)
        };
        let refused = made(
            &[Encoding::Json],
            &[required],
            &incoming("application/json", "{}"),
        );
        assert!(matches!(
            refused,
            Err(Error::BadArgument {
                wanted: "is missing",
                ..
            })
        ));
        let path = Incoming {
            segments: [("id", "x")].into_iter().collect(),
            ..incoming("", "")
        };
        let refused = made(
            &ALL,
            &[argument("id", vec![Source::Path("id".into())], Kind::Uuid)],
            &path,
        );
        assert_eq!(refused, Err(Error::NotFound));
    }

    #[test]
    fn a_body_becomes_one_argument() {
        let body = |kind| [argument("note", vec![Source::Body(kind)], Kind::Text)];
        let object = || BodyKind::Object {
            email_fields: vec!["mail".into()],
        };
        let value = || BodyKind::Value {
            email_fields: Vec::new(),
        };
        let json_only = [Encoding::Json];
        let sent = incoming("application/json", r#"{"mail":"a@müller.example","a":[1]}"#);
        let wanted = json!({"note": {"mail": "a@xn--mller-kva.example", "a": [1]}});
        assert_eq!(made(&ALL, &body(object()), &sent).unwrap(), wanted);
        assert_eq!(made(&json_only, &body(object()), &sent).unwrap(), wanted);
        let list = incoming("application/json", "[1]");
        assert_eq!(
            made(&json_only, &body(value()), &list).unwrap(),
            json!({"note": [1]})
        );
        assert!(matches!(
            made(&json_only, &body(object()), &list),
            Err(Error::MalformedBody(_))
        ));
        let lines = incoming("application/x-ndjson", "{\"a\":1}\n5\n");
        let both = [Encoding::Json, Encoding::Ndjson];
        let batch = made(&both, &body(BodyKind::Batch), &lines).unwrap();
        assert_eq!(batch, json!({"note": [{"a": 1}, "malformed"]}));
        for accepts in [&json_only[..], &[Encoding::Json, Encoding::Form]] {
            let multipart = incoming("multipart/form-data; boundary=X", "--X--");
            let refused = made(accepts, &body(object()), &multipart);
            assert!(
                matches!(refused, Err(Error::UnsupportedMediaType { .. })),
                "{accepts:?}"
            );
        }
        let empty = incoming("application/json", "");
        assert!(made(&json_only, &body(value()), &empty).is_err());
        let defaulted = [Argument {
            default: Some(json!({})),
            ..argument("note", vec![Source::Body(value())], Kind::Text)
        }];
        assert_eq!(
            made(&json_only, &defaulted, &empty).unwrap(),
            json!({"note": {}})
        );
    }
}
