//! The forms of an answer, and which of them a client wants.

use http::HeaderValue;
use serde_json::{Map, Value, json};

use super::errors::openai_code;
use super::openai::{self, Chunks};
use super::said::{Part, Said};
use super::turn::{Counted, Turn};
use super::ui;
use crate::config::Config;
use crate::endpoint::{Incoming, Plan};
use crate::error::Error;
use crate::headers::Headers;
use crate::respond::openai_error;

/// What makes a part of a stream's body of a part of an answer.
pub enum Stream {
    OpenAi(Chunks),
    Ui(ui::Message),
}

/// The form of an answer.
pub enum Form {
    Stream(Stream),
    /// One object, when all has come.
    Object(MakeObject),
}

/// Makes the object of a whole answer: of the turn, its time in seconds, what was said, how it ended, and what was counted.
pub type MakeObject = fn(&Turn, u64, &Said, &str, &Counted) -> Value;

/// The form that a request asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Chunks,
    Ui,
    Object,
}

/// The arguments of `POST /v1/chat`. The form of the answer is refused here, before the database begins the turn.
///
/// # Errors
/// 400 for a form that there is not, 415 and 400 for a body that is no JSON object.
pub fn chat_request(incoming: &Incoming, _: &Config) -> Result<Plan, Error> {
    wanted(incoming)?;
    let body = incoming.json()?;
    if !body.is_object() {
        return Err(Error::MalformedBody("it is not a JSON object".into()));
    }
    // Not by `json!`, which would copy all of it.
    Ok(Plan::Call(format!("{{\"request\":{body}}}")))
}

fn wanted(incoming: &Incoming) -> Result<Wanted, Error> {
    let accept = incoming.header("accept");
    Ok(match incoming.parameter("format").as_deref() {
        Some("ui") => Wanted::Ui,
        Some("openai") => Wanted::Chunks,
        Some("json") => Wanted::Object,
        Some(_) => {
            return Err(Error::BadArgument {
                name: "format".into(),
                wanted: "ui, openai or json",
            });
        }
        None if !incoming.header("x-vercel-ai-ui-message-stream").is_empty() => Wanted::Ui,
        None if accept.contains("application/json") && !accept.contains("text/event-stream") => {
            Wanted::Object
        }
        None => Wanted::Chunks,
    })
}

/// The form of an answer in a conversation.
pub fn of_chat(turn: &Turn, incoming: &Incoming, created: u64) -> Form {
    match wanted(incoming) {
        Ok(Wanted::Ui) => {
            let id = turn.answer_id.as_deref().unwrap_or(&turn.id);
            let ids = turn.ids().into();
            Form::Stream(Stream::Ui(ui::Message::new(id, ids)))
        }
        Ok(Wanted::Object) => Form::Object(object),
        Ok(Wanted::Chunks) | Err(_) => {
            let ids = Some(turn.ids().into());
            let chunks = Chunks::new(&turn.id, created, &turn.model, ids, true);
            Form::Stream(Stream::OpenAi(chunks))
        }
    }
}

/// The form of an answer to a client of `OpenAI`'s API.
pub fn of_completion(turn: &Turn, _: &Incoming, created: u64) -> Form {
    if turn.stream {
        let usage = turn.include_usage;
        let chunks = Chunks::new(&turn.id, created, &turn.model, None, usage);
        return Form::Stream(Stream::OpenAi(chunks));
    }
    Form::Object(|turn, created, said, _, counted| {
        openai::completion(&turn.id, created, &turn.model, said, &counted.usage())
    })
}

/// An answer in a conversation as one object.
fn object(turn: &Turn, _: u64, said: &Said, end: &str, counted: &Counted) -> Value {
    let mut object = more(turn, end, counted);
    object.insert(
        "model".into(),
        json!(said.model.as_ref().unwrap_or(&turn.model)),
    );
    object.insert("content".into(), json!(said.text()));
    object.insert("finish_reason".into(), json!(said.finish_reason));
    object.insert("usage".into(), counted.usage());
    object.into()
}

/// What the end of an answer in a conversation says of it.
fn more(turn: &Turn, end: &str, counted: &Counted) -> Map<String, Value> {
    let mut more = turn.ids();
    more.insert("answer_id".into(), json!(counted.answer_id));
    more.insert("end".into(), end.into());
    more.insert("is_estimated".into(), counted.is_estimated.into());
    more
}

impl Stream {
    /// The headers of the answer.
    pub fn headers(&self) -> Headers {
        let mut headers = Headers::new();
        let set = [
            ("content-type", "text/event-stream; charset=utf-8"),
            ("cache-control", "private, no-cache, no-store"),
            // A buffer on the way would hold tokens back.
            ("x-accel-buffering", "no"),
        ];
        for (name, value) in set {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if matches!(self, Self::Ui(_)) {
            let version = HeaderValue::from_static("v1");
            headers.insert("x-vercel-ai-ui-message-stream", version);
        }
        headers
    }

    /// Writes a part.
    pub fn part(&mut self, part: Part, into: &mut Vec<u8>) {
        match self {
            Self::OpenAi(chunks) => chunks.part(part, into),
            Self::Ui(message) => message.part(&part, into),
        }
    }

    /// Writes the end of an answer: its name, and what went wrong.
    pub fn end(
        &mut self,
        turn: &Turn,
        said: &Said,
        (end, error): (&str, Option<&Error>),
        counted: &Counted,
        into: &mut Vec<u8>,
    ) {
        let usage = counted.usage();
        let more = more(turn, end, counted);
        match self {
            Self::OpenAi(chunks) => match error {
                Some(error) => {
                    chunks.error(openai_error(error, openai_code(error)), more.into(), into);
                }
                None => chunks.end(usage, more.into(), into),
            },
            Self::Ui(message) => {
                let reason = if let Some(error) = error {
                    message.error(openai_error(error, None).get("message"), into);
                    "error"
                } else {
                    said.finish_reason.as_deref().unwrap_or("stop")
                };
                let mut metadata = more;
                metadata.insert("usage".into(), usage);
                message.end(reason, &metadata.into(), into);
            }
        }
        openai::done(into);
    }
}
