//! Answers as `OpenAI`'s chat completions API gives them: <https://platform.openai.com/docs/api-reference/chat>.

use serde_json::{Map, Value, json};

use super::said::{Part, Said};

/// Writes an event.
pub fn event(data: &Value, into: &mut Vec<u8>) {
    into.extend_from_slice(b"data: ");
    into.extend_from_slice(data.to_string().as_bytes());
    into.extend_from_slice(b"\n\n");
}

/// Ends the events.
pub fn done(into: &mut Vec<u8>) {
    into.extend_from_slice(b"data: [DONE]\n\n");
}

/// An answer as chunks.
pub struct Chunks {
    id: String,
    created: u64,
    model: String,
    /// What the first and the last chunk say beyond `OpenAI`'s.
    more: Option<Value>,
    /// Whether the last chunk says what was used.
    with_usage: bool,
    has_begun: bool,
}

impl Chunks {
    pub fn new(
        turn: &str,
        created: u64,
        model: &str,
        more: Option<Value>,
        with_usage: bool,
    ) -> Self {
        Self {
            id: id(turn),
            created,
            model: model.to_owned(),
            more,
            with_usage,
            has_begun: false,
        }
    }

    /// Writes a part.
    pub fn part(&mut self, mut part: Part, into: &mut Vec<u8>) {
        let more = if self.has_begun {
            part.delta.remove("role");
            None
        } else {
            part.delta.insert("role".into(), "assistant".into());
            self.more.clone()
        };
        self.has_begun = true;
        let choice = json!({
            "index": 0,
            "delta": part.delta,
            "logprobs": part.logprobs,
            "finish_reason": part.finish_reason,
        });
        self.chunk(&json!([choice]), more, None, into);
    }

    /// Writes the last chunk, after all parts.
    pub fn end(&self, usage: Value, more: Option<Value>, into: &mut Vec<u8>) {
        if self.with_usage {
            let more = more.filter(|_| self.more.is_some());
            self.chunk(&json!([]), more, Some(usage), into);
        }
    }

    fn chunk(
        &self,
        choices: &Value,
        more: Option<Value>,
        usage: Option<Value>,
        into: &mut Vec<u8>,
    ) {
        let mut chunk = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        });
        if let Some(fields) = chunk.as_object_mut() {
            if self.with_usage {
                fields.insert("usage".into(), usage.unwrap_or_default());
            }
            fields.extend(more.map(|more| ("rowgate".to_owned(), more)));
        }
        event(&chunk, into);
    }
}

/// An answer in one object.
pub fn completion(turn: &str, created: u64, model: &str, said: &Said, usage: &Value) -> Value {
    let text = |text: &str| (!text.is_empty()).then(|| Value::from(text));
    let mut message = Map::new();
    message.insert("role".into(), "assistant".into());
    message.insert("content".into(), text(&said.content).unwrap_or_default());
    message.insert("refusal".into(), text(&said.refusal).unwrap_or_default());
    message.extend(text(&said.reasoning).map(|text| ("reasoning_content".to_owned(), text)));
    let tools = said.tool_calls();
    if !tools.is_empty() {
        message.insert("tool_calls".into(), tools.into());
    }
    let logprobs = (!said.logprobs.is_empty()).then(|| json!({"content": said.logprobs}));
    json!({
        "id": id(turn),
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{
            "index": 0,
            "message": message,
            "logprobs": logprobs,
            "finish_reason": said.finish_reason.as_deref().unwrap_or("stop"),
        }],
        "usage": usage,
    })
}

fn id(turn: &str) -> String {
    ["chatcmpl-", turn].concat()
}
