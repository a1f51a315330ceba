//! Answers as a UI message stream of the AI SDK, version 1: <https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol>.

use serde_json::{Value, json};

use super::openai::event;
use super::said::Part;

/// An answer as parts of a message.
pub struct Message {
    id: String,
    /// What the first part says of the message.
    metadata: Value,
    has_begun: bool,
    /// `text` or `reasoning`, of which the last part was.
    open: Option<&'static str>,
    /// How many texts there were.
    texts: u32,
}

impl Message {
    pub fn new(id: &str, metadata: Value) -> Self {
        Self {
            id: id.to_owned(),
            metadata,
            has_begun: false,
            open: None,
            texts: 0,
        }
    }

    /// Writes a part.
    pub fn part(&mut self, part: &Part, into: &mut Vec<u8>) {
        self.begin(into);
        self.text("reasoning", part.reasoning(), into);
        self.text("text", part.text("content"), into);
        self.text("text", part.text("refusal"), into);
    }

    /// Writes what went wrong.
    pub fn error(&mut self, text: Option<&Value>, into: &mut Vec<u8>) {
        self.begin(into);
        self.close(into);
        event(&json!({"type": "error", "errorText": text}), into);
    }

    /// Writes the end of the message.
    pub fn end(&mut self, reason: &str, metadata: &Value, into: &mut Vec<u8>) {
        self.begin(into);
        self.close(into);
        let finish = json!({"type": "finish", "finishReason": finish_reason(reason), "messageMetadata": metadata});
        event(&finish, into);
    }

    fn begin(&mut self, into: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.has_begun, true) {
            let start =
                json!({"type": "start", "messageId": self.id, "messageMetadata": self.metadata});
            event(&start, into);
        }
    }

    fn text(&mut self, kind: &'static str, text: &str, into: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if self.open != Some(kind) {
            self.close(into);
            self.open = Some(kind);
            self.texts += 1;
            self.event(kind, "start", None, into);
        }
        self.event(kind, "delta", Some(text), into);
    }

    fn close(&mut self, into: &mut Vec<u8>) {
        if let Some(kind) = self.open.take() {
            self.event(kind, "end", None, into);
        }
    }

    fn event(&self, kind: &str, what: &str, delta: Option<&str>, into: &mut Vec<u8>) {
        let kind = [kind, "-", what].concat();
        let mut part = json!({"type": kind, "id": self.texts.to_string()});
        if let (Some(fields), Some(delta)) = (part.as_object_mut(), delta) {
            fields.insert("delta".into(), delta.into());
        }
        event(&part, into);
    }
}

/// The SDK's name of why an answer ends.
fn finish_reason(reason: &str) -> &str {
    match reason {
        "stop" | "length" | "error" => reason,
        "content_filter" => "content-filter",
        "tool_calls" | "function_call" => "tool-calls",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::sse_events;

    fn part(name: &str, text: &str) -> Part {
        let mut part = Part::default();
        part.delta.insert(name.into(), text.into());
        part
    }

    fn data(written: &[u8]) -> Vec<Value> {
        let events = sse_events(written, &[]).unwrap();
        events
            .iter()
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }

    #[test]
    fn a_message_begins_and_ends_each_of_its_texts() {
        let mut message = Message::new("a1", json!({"conversation_id": "c1"}));
        let mut bytes = Vec::new();
        for (name, text) in [
            ("role", "assistant"),
            ("reasoning_content", "Hm"),
            ("reasoning", "?"),
            ("content", "a\n"),
            ("content", "b"),
            ("reasoning", "Again"),
            ("refusal", "No"),
        ] {
            message.part(&part(name, text), &mut bytes);
        }
        message.end("content_filter", &json!({"usage": 1}), &mut bytes);
        let delta =
            |kind: &str, id: &str, delta: &str| json!({"type": kind, "id": id, "delta": delta});
        let mark = |kind: &str, id: &str| json!({"type": kind, "id": id});
        let wanted = [
            json!({"type": "start", "messageId": "a1", "messageMetadata": {"conversation_id": "c1"}}),
            mark("reasoning-start", "1"),
            delta("reasoning-delta", "1", "Hm"),
            delta("reasoning-delta", "1", "?"),
            mark("reasoning-end", "1"),
            mark("text-start", "2"),
            delta("text-delta", "2", "a\n"),
            delta("text-delta", "2", "b"),
            mark("text-end", "2"),
            mark("reasoning-start", "3"),
            delta("reasoning-delta", "3", "Again"),
            mark("reasoning-end", "3"),
            mark("text-start", "4"),
            delta("text-delta", "4", "No"),
            mark("text-end", "4"),
            json!({"type": "finish", "finishReason": "content-filter", "messageMetadata": {"usage": 1}}),
        ];
        assert_eq!(data(&bytes), wanted);
    }

    #[test]
    fn an_error_ends_the_text_before_it() {
        let mut message = Message::new("a1", Value::Null);
        let mut bytes = Vec::new();
        message.part(&part("content", "a"), &mut bytes);
        message.error(Some(&json!("It broke off")), &mut bytes);
        message.end("error", &Value::Null, &mut bytes);
        let all = data(&bytes);
        let kinds: Vec<&str> = all
            .iter()
            .map(|part| part["type"].as_str().unwrap())
            .collect();
        assert_eq!(
            kinds,
            [
                "start",
                "text-start",
                "text-delta",
                "text-end",
                "error",
                "finish"
            ]
        );
        assert_eq!(all[4]["errorText"], "It broke off");
        for (reason, wanted) in [
            ("stop", "stop"),
            ("length", "length"),
            ("tool_calls", "tool-calls"),
            ("eos", "other"),
        ] {
            assert_eq!(finish_reason(reason), wanted);
        }
    }
}
