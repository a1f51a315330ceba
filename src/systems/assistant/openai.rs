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
    pub fn end(&self, usage: Value, more: Value, into: &mut Vec<u8>) {
        if self.with_usage {
            let more = self.more.is_some().then_some(more);
            self.chunk(&json!([]), more, Some(usage), into);
        }
    }

    /// Writes what went wrong, in the place of the last chunk.
    pub fn error(&self, error: Value, more: Value, into: &mut Vec<u8>) {
        let mut chunk = Map::new();
        chunk.insert("error".into(), error);
        if self.more.is_some() {
            chunk.insert("rowgate".into(), more);
        }
        event(&chunk.into(), into);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The data of the events that were written.
    fn data(written: &[u8]) -> Vec<Value> {
        let events = crate::fuzzing::sse_events(written, &[]).unwrap();
        let read = |data: &String| serde_json::from_str(data).unwrap_or_else(|_| json!(data));
        events.iter().map(read).collect()
    }

    /// What a provider's chunks become.
    fn written(with_usage: bool, more: Option<Value>) -> Vec<Value> {
        let mut chunks = Chunks::new("t1", 1_795_766_400, "m", more, with_usage);
        let (mut said, mut parts) = (Said::new(), Vec::new());
        let stream = concat!(
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"obfuscation\":\"x\"}\n\n",
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\\nb\"},\"finish_reason\":null}]}\n\n",
            "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        );
        said.push(stream.as_bytes(), &mut parts).unwrap();
        let mut bytes = Vec::new();
        for part in parts {
            chunks.part(part, &mut bytes);
        }
        chunks.end(
            json!({"total_tokens": 3}),
            json!({"end": "whole"}),
            &mut bytes,
        );
        done(&mut bytes);
        data(&bytes)
    }

    #[test]
    fn chunks_are_those_of_openai() {
        let chunk = |delta: Value, reason: Value| {
            json!({
                "id": "chatcmpl-t1", "object": "chat.completion.chunk", "created": 1_795_766_400, "model": "m",
                "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}],
            })
        };
        let wanted = [
            chunk(json!({"role": "assistant"}), Value::Null),
            chunk(json!({"content": "a\nb"}), Value::Null),
            chunk(json!({}), json!("stop")),
            json!("[DONE]"),
        ];
        assert_eq!(written(false, None), wanted);
    }

    #[test]
    fn usage_comes_last_and_our_fields_first_and_last() {
        let all = written(true, Some(json!({"answer_id": "a"})));
        assert_eq!(all.len(), 5);
        assert_eq!(all[0]["rowgate"], json!({"answer_id": "a"}));
        assert_eq!(all[0]["usage"], Value::Null);
        assert!(all[1].get("rowgate").is_none() && all[2].get("rowgate").is_none());
        assert_eq!(all[3]["choices"], json!([]));
        assert_eq!(all[3]["usage"], json!({"total_tokens": 3}));
        assert_eq!(all[3]["rowgate"], json!({"end": "whole"}));
        let mut bytes = Vec::new();
        let chunks = Chunks::new("t1", 5, "m", Some(json!({})), true);
        chunks.error(json!({"code": "RG412"}), json!({"end": "cut"}), &mut bytes);
        assert_eq!(
            data(&bytes),
            [json!({"error": {"code": "RG412"}, "rowgate": {"end": "cut"}})]
        );
        // A client of OpenAI's API gets nothing that the API does not have.
        let plain = written(true, None);
        assert!(plain.iter().all(|chunk| chunk.get("rowgate").is_none()));
    }

    #[test]
    fn an_answer_in_one_object_has_all_that_was_said() {
        let mut said = Said::new();
        let mut parts = Vec::new();
        let call =
            r#"{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":"{}"}}"#;
        let stream = format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"reasoning\":\"Hm\",\"tool_calls\":[{call}]}},\"finish_reason\":\"tool_calls\"}}]}}\n\n"
        );
        said.push(stream.as_bytes(), &mut parts).unwrap();
        let whole = completion("t1", 5, "m", &said, &json!({"total_tokens": 3}));
        let choice = &whole["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls");
        assert_eq!(
            choice["message"],
            json!({
                "role": "assistant", "content": null, "refusal": null, "reasoning_content": "Hm",
                "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            })
        );
        assert_eq!(
            (&whole["id"], &whole["object"]),
            (&json!("chatcmpl-t1"), &json!("chat.completion"))
        );
    }
}
