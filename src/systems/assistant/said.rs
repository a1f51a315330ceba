//! What a provider says: reads the chunks of an OpenAI-compatible `/chat/completions`, and gathers the answer.
//!
//! Providers differ in where they send what. Tokens used come in the last chunk, in an ordinary one, before the last one, with
//! `choices` that are null, or not at all; errors come under 200; a stream may end without `[DONE]`. Some answer with one JSON object
//! although a stream was asked for. What no client of ours needs, such as padding, is left out.

use std::borrow::Cow;
use std::mem;

use serde_json::{Map, Value, json};

use crate::formats::sse::Events;
use crate::json::storable::storable;

/// The most bytes of an event, or of an answer that is no stream.
const MAX_EVENT_BYTES: usize = 4 * 1024 * 1024;
/// The most bytes of an answer's text. The longest message of a conversation has fewer.
const MAX_TEXT_BYTES: usize = 1024 * 1024;
/// The most tool calls of an answer.
const MAX_TOOL_CALLS: usize = 128;
/// The most characters of a name that a provider gives: of a model, of a reason.
const MAX_NAME: usize = 200;
/// The fields of a delta that are passed on.
const DELTA_FIELDS: [&str; 6] = [
    "role",
    "content",
    "refusal",
    "reasoning_content",
    "reasoning",
    "tool_calls",
];

/// Tokens that an answer has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub prompt: u64,
    pub completion: u64,
    /// How many of the completion's were not of the answer itself.
    pub reasoning: Option<u64>,
}

impl Usage {
    /// As `OpenAI`'s API writes it.
    pub fn to_json(self) -> Value {
        json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
        })
    }

    /// The numbers of a `usage` object; none if nothing was used, as some providers write before they know it.
    fn read(usage: &Value) -> Option<Self> {
        let number = |name: &str| {
            let number = usage.get(name)?;
            let whole = number.as_u64();
            // Some providers write 12.0.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a number of tokens"
            )]
            let whole = whole.or_else(|| number.as_f64().map(|number| number as u64));
            whole.filter(|tokens| *tokens <= 1_000_000_000)
        };
        let prompt = number("prompt_tokens").unwrap_or(0);
        let completion = number("completion_tokens").unwrap_or(0);
        // Where tokens of reasoning are not among those of the completion, the total has them.
        let total = number("total_tokens").unwrap_or(0);
        let completion = completion.max(total.saturating_sub(prompt));
        let reasoning = usage.pointer("/completion_tokens_details/reasoning_tokens");
        (prompt + completion > 0).then_some(Self {
            prompt,
            completion,
            reasoning: reasoning.and_then(Value::as_u64),
        })
    }
}

/// A part of an answer, to be passed on.
#[derive(Debug, Default, PartialEq)]
pub struct Part {
    /// The fields of its delta.
    pub delta: Map<String, Value>,
    /// How probable each token was, if the request asks for it.
    pub logprobs: Option<Value>,
    /// Why the answer ends, if it does.
    pub finish_reason: Option<String>,
}

impl Part {
    /// The text of a field of the delta; empty without one.
    pub fn text(&self, name: &str) -> &str {
        let text = self.delta.get(name).and_then(Value::as_str);
        text.unwrap_or_default()
    }

    /// What the model says of how it thinks.
    pub fn reasoning(&self) -> &str {
        match self.text("reasoning_content") {
            "" => self.text("reasoning"),
            text => text,
        }
    }
}

/// How a stream is written, which its first byte shows.
enum Reading {
    Unknown,
    /// Server-sent events.
    Events(Events),
    /// One JSON object, so far.
    Object(Vec<u8>),
}

/// The answer is longer than one may be.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

/// An answer as far as it has been read.
pub struct Said {
    reading: Reading,
    pub content: String,
    /// What the model says instead of content when it refuses.
    pub refusal: String,
    pub reasoning: String,
    /// The calls, each with its index and its fields; arguments are joined.
    tools: Vec<(u64, Map<String, Value>)>,
    /// How probable each token was.
    pub logprobs: Vec<Value>,
    /// Bytes of content, reasoning and arguments of tool calls.
    bytes: usize,
    pub finish_reason: Option<String>,
    /// The last numbers that were not null.
    pub usage: Option<Usage>,
    pub model: Option<String>,
    /// The provider's id of the answer.
    pub id: Option<String>,
    /// What the provider says of a failure under 200.
    pub error: Option<Value>,
    /// Whether `[DONE]` or a whole object came.
    pub is_done: bool,
}

impl Said {
    pub fn new() -> Self {
        Self {
            reading: Reading::Unknown,
            content: String::new(),
            refusal: String::new(),
            reasoning: String::new(),
            tools: Vec::new(),
            logprobs: Vec::new(),
            bytes: 0,
            finish_reason: None,
            usage: None,
            model: None,
            id: None,
            error: None,
            is_done: false,
        }
    }

    /// Whether the model has said nothing.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0 && self.tools.is_empty()
    }

    /// The text of the answer.
    pub fn text(&self) -> &str {
        if self.content.is_empty() {
            &self.refusal
        } else {
            &self.content
        }
    }

    /// Whether all of an answer has come.
    pub fn is_whole(&self) -> bool {
        self.error.is_none() && (self.is_done || self.finish_reason.is_some())
    }

    /// The tool calls, joined.
    pub fn tool_calls(&self) -> Vec<Value> {
        let calls = self.tools.iter();
        calls.map(|(_, call)| Value::Object(call.clone())).collect()
    }

    /// Reads bytes as they come, and adds to `parts` what they say.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn push(&mut self, bytes: &[u8], parts: &mut Vec<Part>) -> Result<(), TooLong> {
        if matches!(self.reading, Reading::Unknown) {
            let start = bytes.trim_ascii_start();
            match start.first() {
                None => return Ok(()),
                Some(b'{') => self.reading = Reading::Object(Vec::new()),
                Some(_) => self.reading = Reading::Events(Events::new(MAX_EVENT_BYTES)),
            }
        }
        match mem::replace(&mut self.reading, Reading::Unknown) {
            Reading::Unknown => Ok(()),
            Reading::Object(mut object) => {
                object.extend_from_slice(bytes);
                let fits = object.len() <= MAX_EVENT_BYTES;
                self.reading = Reading::Object(object);
                if fits { Ok(()) } else { Err(TooLong) }
            }
            Reading::Events(mut events) => {
                let mut data = Vec::new();
                let read = events.push(bytes, |one| data.push(one.to_owned()));
                self.reading = Reading::Events(events);
                for data in &data {
                    self.read(data, parts);
                }
                read.map_err(|_| TooLong)?;
                if self.bytes > MAX_TEXT_BYTES {
                    return Err(TooLong);
                }
                Ok(())
            }
        }
    }

    /// Ends the stream: reads what no blank line has ended, or the object.
    pub fn end(&mut self, parts: &mut Vec<Part>) {
        match mem::replace(&mut self.reading, Reading::Unknown) {
            Reading::Unknown => {}
            Reading::Events(events) => {
                let mut data = Vec::new();
                events.end(|one| data.push(one.to_owned()));
                for data in &data {
                    self.read(data, parts);
                }
            }
            Reading::Object(object) => {
                if let Some(object) = parsed(&String::from_utf8_lossy(&object)) {
                    self.read_chunk(&object, parts);
                    self.is_done = self.error.is_none();
                }
            }
        }
    }

    /// Reads the data of an event. Some providers put no blank lines between events, so that each line is one.
    fn read(&mut self, data: &str, parts: &mut Vec<Part>) {
        if let Some(chunk) = parsed(data) {
            self.read_chunk(&chunk, parts);
            return;
        }
        for line in data.lines() {
            if line.trim() == "[DONE]" {
                self.is_done = true;
            } else if let Some(chunk) = parsed(line) {
                self.read_chunk(&chunk, parts);
            }
        }
    }

    fn read_chunk(&mut self, chunk: &Value, parts: &mut Vec<Part>) {
        if self.is_done || self.error.is_some() {
            return;
        }
        let field = |name: &str| chunk.get(name).filter(|value| !value.is_null());
        let is_error = || field("object").and_then(Value::as_str) == Some("error");
        if let Some(error) = field("error").or_else(|| Some(chunk).filter(|_| is_error())) {
            self.error = Some(error.clone());
            return;
        }
        self.model = self.model.take().or_else(|| name(chunk.get("model")));
        self.id = self.id.take().or_else(|| name(chunk.get("id")));
        let choices = field("choices").and_then(Value::as_array);
        let mut choices = choices.into_iter().flatten();
        let choice = choices.find(|choice| index_of(choice).unwrap_or(0) == 0);
        let of_choice = choice.and_then(|choice| choice.get("usage"));
        let places = [
            chunk.get("usage"),
            of_choice,
            chunk.pointer("/x_groq/usage"),
        ];
        let usage = places.into_iter().flatten().find_map(Usage::read);
        self.usage = usage.or(self.usage);
        if let Some(choice) = choice {
            self.read_choice(choice, parts);
        }
    }

    fn read_choice(&mut self, choice: &Value, parts: &mut Vec<Part>) {
        let mut part = Part::default();
        let deltas = [choice.get("delta"), choice.get("message")];
        let delta = deltas.into_iter().flatten().find_map(Value::as_object);
        for name in DELTA_FIELDS {
            let Some(value) = delta.and_then(|delta| delta.get(name)) else {
                continue;
            };
            // Some providers send the same reasoning under both names.
            if name == "reasoning" && part.delta.contains_key("reasoning_content") {
                continue;
            }
            if let Some(value) = self.field(name, value) {
                part.delta.insert(name.to_owned(), value);
            }
        }
        let reason = name(choice.get("finish_reason")).filter(|_| self.finish_reason.is_none());
        if reason.as_deref() == Some("error") {
            self.error = Some(Value::Null);
            return;
        }
        if let Some(tokens) = choice
            .pointer("/logprobs/content")
            .and_then(Value::as_array)
        {
            self.logprobs.extend(tokens.iter().cloned());
            part.logprobs = choice.get("logprobs").cloned();
        }
        self.finish_reason = self.finish_reason.take().or_else(|| reason.clone());
        part.finish_reason = reason;
        if !part.delta.is_empty() || part.finish_reason.is_some() {
            parts.push(part);
        }
    }

    /// A field of a delta as it is passed on; none if it says nothing.
    fn field(&mut self, name: &str, value: &Value) -> Option<Value> {
        match name {
            "tool_calls" => {
                let calls = value.as_array()?.iter();
                let calls: Vec<Value> = calls.filter_map(|call| self.tool_call(call)).collect();
                (!calls.is_empty()).then(|| calls.into())
            }
            "role" => (value == "assistant").then(|| value.clone()),
            _ => {
                let text = text_of(value);
                if text.is_empty() {
                    return None;
                }
                self.bytes += text.len();
                match name {
                    "content" => self.content.push_str(&text),
                    "refusal" => self.refusal.push_str(&text),
                    _ => self.reasoning.push_str(&text),
                }
                Some(text.into_owned().into())
            }
        }
    }

    /// A part of a tool call, with its index, which some providers leave out.
    fn tool_call(&mut self, call: &Value) -> Option<Value> {
        let mut call = call.as_object()?.clone();
        let has_id = call.get("id").is_some_and(Value::is_string);
        let last = self.tools.last().map(|(index, _)| *index);
        let next = last.map_or(0, |last| last + 1);
        let implied = if has_id { next } else { last.unwrap_or(0) };
        let index = call.get("index").and_then(Value::as_u64).unwrap_or(implied);
        call.remove("index");
        let known = self.tools.iter().position(|(known, _)| *known == index);
        if known.is_none() {
            if self.tools.len() == MAX_TOOL_CALLS {
                return None;
            }
            self.tools.push((index, Map::new()));
        }
        let (_, whole) = match known {
            Some(at) => self.tools.get_mut(at)?,
            None => self.tools.last_mut()?,
        };
        self.bytes += join(whole, &call);
        call.insert("index".to_owned(), index.into());
        Some(call.into())
    }
}

/// Adds a part of a tool call to what has come of it: `arguments` of the function are joined, everything else stays as it first came.
/// Gives the bytes that it adds.
fn join(whole: &mut Map<String, Value>, part: &Map<String, Value>) -> usize {
    let mut bytes = 0;
    for (name, value) in part {
        match (whole.get_mut(name), value) {
            (Some(Value::Object(whole)), Value::Object(part)) => bytes += join(whole, part),
            (Some(Value::String(whole)), Value::String(part)) if name == "arguments" => {
                bytes += part.len();
                whole.push_str(part);
            }
            (Some(known), _) if !known.is_null() && known != "" => {}
            (_, value) => {
                bytes += value.to_string().len();
                whole.insert(name.clone(), value.clone());
            }
        }
    }
    bytes
}

/// JSON that PostgreSQL can store: NUL and halves of surrogate pairs are replaced.
fn parsed(text: &str) -> Option<Value> {
    serde_json::from_str(&storable(text))
        .ok()
        .filter(Value::is_object)
}

fn index_of(value: &Value) -> Option<u64> {
    value.get("index").and_then(Value::as_u64)
}

/// A short text; none for another value or an empty text.
fn name(value: Option<&Value>) -> Option<String> {
    let text = value.and_then(Value::as_str)?;
    let text: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_NAME)
        .collect();
    (!text.is_empty()).then_some(text)
}

/// The text of a field. Some providers send a list of parts.
fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => text.into(),
        Value::Array(parts) => {
            let texts = parts.iter().map(|part| part.get("text"));
            let texts = texts.map(|text| text.and_then(Value::as_str).unwrap_or_default());
            texts.collect::<String>().into()
        }
        _ => "".into(),
    }
}
