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
/// The most bytes of how probable its tokens were, where they are kept: of 5,000 tokens with 20 others each.
const MAX_LOGPROBS_BYTES: usize = 8 * 1024 * 1024;
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
        let number = |fields: &Value, name: &str| {
            let number = fields.get(name)?;
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
        let prompt = number(usage, "prompt_tokens").unwrap_or(0);
        let completion = number(usage, "completion_tokens").unwrap_or(0);
        // Where tokens of reasoning are not among those of the completion, the total has them, or they are more.
        let total = number(usage, "total_tokens").unwrap_or(0);
        let mut completion = completion.max(total.saturating_sub(prompt));
        let details = usage.get("completion_tokens_details");
        let reasoning = details.and_then(|details| number(details, "reasoning_tokens"));
        if let Some(more) = reasoning.filter(|reasoning| *reasoning > completion) {
            completion += more;
        }
        (prompt + completion > 0).then_some(Self {
            prompt,
            completion,
            reasoning,
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
    /// How probable each token was, if that is kept: a stream has passed it on.
    pub logprobs: Vec<Value>,
    pub keeps_logprobs: bool,
    logprobs_bytes: usize,
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
    /// Whether there was any chunk of an answer.
    pub has_begun: bool,
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
            keeps_logprobs: true,
            logprobs_bytes: 0,
            bytes: 0,
            finish_reason: None,
            usage: None,
            model: None,
            id: None,
            error: None,
            is_done: false,
            has_begun: false,
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
                if self.bytes > MAX_TEXT_BYTES || self.logprobs_bytes > MAX_LOGPROBS_BYTES {
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
                    self.is_done = self.error.is_none() && self.has_begun;
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
        self.has_begun |= chunk.get("choices").is_some();
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
            if self.keeps_logprobs {
                let bytes = tokens.iter().map(|token| token.to_string().len());
                self.logprobs_bytes += bytes.sum::<usize>();
                self.logprobs.extend(tokens.iter().cloned());
            }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is said by a stream in these pieces.
    fn said_in<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Said, Vec<Part>) {
        let (mut said, mut parts) = (Said::new(), Vec::new());
        for piece in pieces {
            said.push(piece, &mut parts).unwrap();
        }
        said.end(&mut parts);
        (said, parts)
    }

    fn said(stream: &str) -> (Said, Vec<Part>) {
        said_in([stream.as_bytes()])
    }

    /// A stream of events with this data.
    fn events(data: &[&str]) -> String {
        let events = data.iter().map(|data| ["data: ", data, "\n\n"].concat());
        events.collect()
    }

    fn text(content: &str) -> String {
        json!({"id": "c1", "model": "m-1", "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": null}], "usage": null}).to_string()
    }

    const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    const USAGE: &str =
        r#"{"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":5,"total_tokens":25}}"#;

    fn counted(said: &Said) -> Option<(u64, u64)> {
        said.usage.map(|usage| (usage.prompt, usage.completion))
    }

    #[test]
    fn usage_is_found_wherever_it_stands() {
        let (a, b) = (text("a"), text("b"));
        let usage = r#"{"prompt_tokens":20,"completion_tokens":5}"#;
        let with = |chunk: &str| chunk.replace(r#""usage":null"#, &format!(r#""usage":{usage}"#));
        let in_choice = format!(
            r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"stop","usage":{usage}}}]}}"#
        );
        let groq = format!(
            r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"stop"}}],"x_groq":{{"usage":{usage}}}}}"#
        );
        let null_choices = USAGE.replace("[]", "null");
        for stream in [
            events(&[&a, &b, STOP, USAGE, "[DONE]"]),
            events(&[&a, &b, STOP, &null_choices, "[DONE]"]),
            events(&[&a, &b, STOP, &USAGE.replace(r#""choices":[],"#, "")]),
            events(&[&a, &with(&b), STOP, "[DONE]"]),
            events(&[&a, USAGE, &b, STOP, "[DONE]"]),
            events(&[
                &a,
                USAGE,
                &b,
                STOP,
                r#"{"choices":[],"usage":null}"#,
                "[DONE]",
            ]),
            events(&[&with(&a).replace("20", "1"), &b, STOP, USAGE]),
            events(&[
                USAGE,
                &a,
                &b,
                STOP,
                r#"{"usage":{"prompt_tokens":0,"completion_tokens":0}}"#,
            ]),
            events(&[&a, &b, &in_choice, "[DONE]"]),
            events(&[&a, &b, &groq, "[DONE]"]),
        ] {
            let (said, _) = said(&stream);
            assert_eq!(
                (said.content.as_str(), counted(&said)),
                ("ab", Some((20, 5))),
                "{stream}"
            );
            assert!(said.is_whole(), "{stream}");
        }
        let (never, _) = said(&events(&[&a, STOP, "[DONE]"]));
        assert_eq!(counted(&never), None);
        // Reasoning that is only in the total, and numbers with a fraction.
        let (total, _) = said(&events(&[
            r#"{"usage":{"prompt_tokens":20.0,"completion_tokens":5,"total_tokens":125,"completion_tokens_details":{"reasoning_tokens":100}}}"#,
        ]));
        assert_eq!(counted(&total), Some((20, 105)));
        assert_eq!(total.usage.unwrap().reasoning, Some(100));
        // Reasoning that is neither in the completion nor in a total, and a number that is none.
        let of = |reasoning: &str| {
            let usage = format!(
                r#"{{"usage":{{"prompt_tokens":20,"completion_tokens":5,"completion_tokens_details":{{"reasoning_tokens":{reasoning}}}}}}}"#
            );
            counted(&said(&events(&[&usage])).0)
        };
        assert_eq!(of("100"), Some((20, 105)));
        assert_eq!(of("4"), Some((20, 5)));
        assert_eq!(of("18446744073709551615"), Some((20, 5)));
        for odd in ["-1", "1e300", "\"5\"", "{}"] {
            let usage =
                format!(r#"{{"usage":{{"prompt_tokens":{odd},"completion_tokens":{odd}}}}}"#);
            assert_eq!(counted(&said(&events(&[&usage])).0), None, "{odd}");
        }
    }

    #[test]
    fn an_answer_is_whole_with_a_reason_or_done() {
        let a = text("a");
        for (stream, is_whole) in [
            (events(&[&a, STOP, "[DONE]"]), true),
            (events(&[&a, STOP]), true),
            (events(&[&a, "[DONE]"]), true),
            (events(&[&a]), false),
            (events(&[]), false),
            (events(&[&a, STOP, r#"{"error":{"message":"no"}}"#]), false),
            (format!("data: {a}\ndata: {STOP}\ndata: [DONE]\n"), true),
            (format!("<html>{a}</html>"), false),
            (r#"{"status":"ok"}"#.to_owned(), false),
        ] {
            assert_eq!(said(&stream).0.is_whole(), is_whole, "{stream}");
        }
    }

    #[test]
    fn errors_under_200_are_found() {
        let a = text("a");
        for (stream, content, code) in [
            (
                events(&[
                    &a,
                    r#"{"error":{"code":502,"message":"Provider disconnected"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#,
                ]),
                "a",
                json!(502),
            ),
            (
                events(&[
                    &a,
                    r#"{"choices":[{"delta":{},"finish_reason":"error"}]}"#,
                    &text("b"),
                ]),
                "a",
                Value::Null,
            ),
            (
                events(&[r#"{"object":"error","message":"no","code":400}"#]),
                "",
                json!(400),
            ),
            (
                r#"{"error":{"code":"context_length_exceeded","message":"too long"}}"#.to_owned(),
                "",
                json!("context_length_exceeded"),
            ),
            (" \n{\n\"error\": \"no\"}".to_owned(), "", Value::Null),
        ] {
            let (said, _) = said(&stream);
            let error = said.error.as_ref().expect(&stream);
            assert_eq!(said.content, content, "{stream}");
            assert_eq!(
                error.get("code").cloned().unwrap_or_default(),
                code,
                "{stream}"
            );
            assert!(!said.is_whole());
        }
    }

    #[test]
    fn one_object_is_an_answer_as_well() {
        let object = r#"{"id":"c1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello","tool_calls":[{"id":"t1","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":5}}"#;
        let (said, parts) = said(object);
        assert!(said.is_whole() && said.is_done);
        assert_eq!(
            (said.content.as_str(), counted(&said)),
            ("Hello", Some((20, 5)))
        );
        assert_eq!(parts.len(), 1);
        assert_eq!(said.tool_calls()[0]["function"]["name"], "f");
        assert_eq!(parts[0].delta["tool_calls"][0]["index"], 0);
    }

    #[test]
    fn parts_of_tool_calls_are_joined_by_index() {
        let call = |delta: &str| {
            format!(r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{delta}]}}}}]}}"#)
        };
        let stream = events(&[
            &call(
                r#"{"index":0,"id":"t1","type":"function","function":{"name":"look","arguments":""}}"#,
            ),
            &call(r#"{"index":0,"function":{"arguments":"{\"a\""}}"#),
            &call(
                r#"{"index":1,"id":"t2","type":"function","function":{"name":"find","arguments":"{"}}"#,
            ),
            &call(
                r#"{"index":0,"function":{"arguments":":1}"}},{"index":1,"function":{"arguments":"}"}}"#,
            ),
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        ]);
        let (joined, parts) = said(&stream);
        let wanted = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
        assert_eq!(
            joined.tool_calls(),
            [
                wanted("t1", "look", r#"{"a":1}"#),
                wanted("t2", "find", "{}")
            ]
        );
        assert_eq!(parts.len(), 5);
        // Without an index, an id begins a call.
        let stream = events(&[
            &call(r#"{"id":"t1","type":"function","function":{"name":"look","arguments":"{}"}}"#),
            &call(r#"{"id":"t2","type":"function","function":{"name":"find","arguments":"{"}}"#),
            &call(r#"{"function":{"arguments":"}"}}"#),
        ]);
        let (implied, parts) = said(&stream);
        assert_eq!(
            implied.tool_calls(),
            [wanted("t1", "look", "{}"), wanted("t2", "find", "{}")]
        );
        assert_eq!(parts[2].delta["tool_calls"][0]["index"], 1);
        let many: Vec<String> = (0..200)
            .map(|at| call(&format!(r#"{{"index":{at},"id":"t"}}"#)))
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(said(&events(&many)).0.tool_calls().len(), MAX_TOOL_CALLS);
    }

    #[test]
    fn reasoning_is_kept_apart_and_padding_left_out() {
        let delta = |delta: Value| {
            json!({"choices": [{"index": 0, "delta": delta}], "obfuscation": "x8Kq", "system_fingerprint": "fp"}).to_string()
        };
        let stream = events(&[
            &delta(json!({"role": "assistant", "content": ""})),
            &delta(json!({"reasoning_content": "Hm", "reasoning": "Hm"})),
            &delta(json!({"reasoning": ", well", "reasoning_details": [{"type": "x"}]})),
            &delta(
                json!({"content": [{"type": "text", "text": "So"}, {"type": "thinking", "thinking": []}], "obfuscation": "y"}),
            ),
            &delta(json!({"content": null, "refusal": null})),
            STOP,
        ]);
        let (said, parts) = said(&stream);
        assert_eq!(
            (said.reasoning.as_str(), said.content.as_str()),
            ("Hm, well", "So")
        );
        let deltas: Vec<Value> = parts.iter().map(|part| part.delta.clone().into()).collect();
        let wanted = json!([{"role": "assistant"}, {"reasoning_content": "Hm"}, {"reasoning": ", well"}, {"content": "So"}, {}]);
        assert_eq!(Value::from(deltas), wanted);
    }

    #[test]
    fn what_postgresql_cannot_store_is_replaced() {
        let stream = events(&[
            r#"{"choices":[{"delta":{"content":"a\u0000b\ud83dc"}}]}"#,
            STOP,
        ]);
        assert_eq!(said(&stream).0.content, "a\u{fffd}b\u{fffd}c");
    }

    #[test]
    fn only_the_first_choice_counts() {
        let two = r#"{"choices":[{"index":1,"delta":{"content":"no"}},{"index":0,"delta":{"content":"yes"}}]}"#;
        let other = r#"{"choices":[{"index":1,"delta":{"content":"no"},"finish_reason":"stop"}]}"#;
        let (said, _) = said(&events(&[two, other]));
        assert_eq!((said.content.as_str(), said.is_whole()), ("yes", false));
    }

    #[test]
    fn an_endless_answer_is_refused() {
        let long = text(&"x".repeat(100_000));
        let (mut said, mut parts) = (Said::new(), Vec::new());
        let refused = (0..20).find(|_| said.push(events(&[&long]).as_bytes(), &mut parts).is_err());
        assert_eq!(refused, Some(10));
        let tokens = json!({"token": "x", "logprob": -0.1, "top_logprobs": [{"token": "x".repeat(100_000)}]});
        let probable =
            json!({"choices": [{"delta": {"content": "x"}, "logprobs": {"content": [tokens]}}]})
                .to_string();
        for (keeps_logprobs, wanted) in [(true, Some(83)), (false, None)] {
            let mut said = Said::new();
            said.keeps_logprobs = keeps_logprobs;
            let refused = (0..200).find(|_| {
                said.push(events(&[&probable]).as_bytes(), &mut parts)
                    .is_err()
            });
            assert_eq!(
                (refused, said.logprobs.is_empty()),
                (wanted, !keeps_logprobs)
            );
        }
        let mut said = Said::new();
        let refused = (0..1000).find(|_| said.push(&[b'x'; 10_000], &mut parts).is_err());
        assert!(refused.is_some());
        let mut said = Said::new();
        said.push(b"{", &mut parts).unwrap();
        let refused = (0..1000).find(|_| said.push(&[b' '; 10_000], &mut parts).is_err());
        assert!(refused.is_some());
    }

    proptest! {
        #[test]
        fn any_cuts_say_the_same(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12), crlf in any::<bool>()) {
            let mut stream = [": OPENROUTER PROCESSING\n\n", &events(&[&text("Hé"), &text("llo 用\u{1f600}"), STOP, USAGE, "[DONE]"])].concat();
            if crlf {
                stream = stream.replace('\n', "\r\n");
            }
            let stream = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
            cuts.sort_unstable();
            let ends = cuts.iter().copied().chain([stream.len()]);
            let starts = [0].into_iter().chain(cuts.iter().copied());
            let (said, parts) = said_in(starts.zip(ends).map(|(start, end)| &stream[start..end]));
            prop_assert_eq!(said.content.as_str(), "Héllo 用\u{1f600}");
            prop_assert_eq!(counted(&said), Some((20, 5)));
            prop_assert_eq!((parts.len(), said.is_done), (3, true));
        }

        #[test]
        fn nothing_that_a_provider_sends_panics(data in prop::collection::vec("[\\[\\]{}:,\"a-z0-9\\\\ \n]{0,40}", 0..20)) {
            let data: Vec<&str> = data.iter().map(String::as_str).collect();
            said(&events(&data));
            said(&data.concat());
        }
    }
}
