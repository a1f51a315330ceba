//! A turn, as the database begins and ends it: who is asked what, and what became of it.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::said::{Said, Usage};
use crate::endpoint::Incoming;
use crate::error::Error;
use crate::formats::charset;
use crate::headers::Headers;
use crate::hooks::Services;
use crate::json::fields;

/// Milliseconds between the attempts to end a turn.
const END_PAUSES_MS: [u32; 3] = [500, 1500, 3000];

/// The fields about limits that the database may add to the answer.
const LIMIT_FIELDS: [&str; 5] = [
    "ratelimit",
    "ratelimit-limit",
    "ratelimit-policy",
    "ratelimit-remaining",
    "ratelimit-reset",
];

/// The fields whose keys have an order that matters: a model fills in a schema in the order of its fields.
const ORDERED: [&str; 2] = ["tools", "response_format"];

/// A field of a request.
#[derive(Serialize)]
#[serde(untagged)]
enum Field<'a> {
    Sent(&'a RawValue),
    Read(&'a Value),
}

/// What the database gives when a turn begins.
#[derive(Deserialize)]
pub struct Turn {
    /// Its id, which is that of the reservation.
    #[serde(rename = "turn")]
    pub id: String,
    pub tenant_id: String,
    pub conversation_id: Option<String>,
    pub question_id: Option<String>,
    /// The id that the stored answer will have.
    pub answer_id: Option<String>,
    #[serde(default)]
    pub provider: String,
    #[serde(default)]
    pub model: String,
    /// The request to the provider.
    pub body: Option<Map<String, Value>>,
    /// Fields of it as the client has sent them: the database does not keep the order of keys, in which models answer.
    #[serde(skip)]
    pub as_sent: HashMap<String, Box<RawValue>>,
    pub key: Option<Key>,
    /// Headers about limits.
    #[serde(default)]
    pub fields: Map<String, Value>,
    /// The answer, if the turn has ended before.
    pub stored: Option<Stored>,
    /// Whether a client of `OpenAI`'s API wants a stream, and in it what was used.
    #[serde(default)]
    pub stream: bool,
    #[serde(default)]
    pub include_usage: bool,
    // Only tests give these: docs/manifests.md, "Answers that Rust streams".
    pub watch: Option<Vec<String>>,
    pub save_ms: Option<u32>,
    pub drain_ms: Option<u32>,
    pub idle_ms: Option<u32>,
    pub head_ms: Option<u32>,
}

/// The sealed key of a tenant.
#[derive(Deserialize)]
pub struct Key {
    pub sealed: String,
    pub key_version: u32,
}

/// The answer of a turn that has ended.
#[derive(Deserialize)]
pub struct Stored {
    pub answer_id: Option<String>,
    #[serde(default)]
    pub content: String,
    pub finish_reason: Option<String>,
    pub model: Option<String>,
    #[serde(default)]
    pub prompt_tokens: u64,
    #[serde(default)]
    pub completion_tokens: u64,
    #[serde(default)]
    pub is_estimated: bool,
    pub end: String,
}

/// What became of a turn.
pub struct Outcome<'a> {
    pub end: &'static str,
    pub said: &'a Said,
    pub latency_ms: u64,
    pub first_token_ms: Option<u64>,
    /// What the provider says of a failure.
    pub error: Option<String>,
    pub why_gone: Option<&'static str>,
}

/// What the database has counted.
#[derive(Deserialize)]
pub struct Counted {
    pub answer_id: Option<String>,
    prompt_tokens: u64,
    completion_tokens: u64,
    #[serde(default)]
    pub is_estimated: bool,
    /// Whether this ended the turn. Another end came first if not, such as the one by the job.
    #[serde(default)]
    is_new: bool,
}

impl Counted {
    pub fn usage(&self) -> Value {
        let usage = Usage {
            prompt: self.prompt_tokens,
            completion: self.completion_tokens,
            reasoning: None,
        };
        usage.to_json()
    }
}

impl Counted {
    /// What a client gets while the database cannot be reached.
    pub fn unsettled(turn: &Turn, said: &Said) -> Self {
        Self {
            answer_id: turn.answer_id.clone(),
            prompt_tokens: said.usage.map_or(0, |usage| usage.prompt),
            completion_tokens: said.usage.map_or(0, |usage| usage.completion),
            is_estimated: said.usage.is_none(),
            is_new: true,
        }
    }
}

impl From<&Stored> for Counted {
    fn from(stored: &Stored) -> Self {
        Self {
            answer_id: stored.answer_id.clone(),
            is_new: true,
            prompt_tokens: stored.prompt_tokens,
            completion_tokens: stored.completion_tokens,
            is_estimated: stored.is_estimated,
        }
    }
}

impl Turn {
    /// The ids that a client of a conversation needs.
    pub fn ids(&self) -> Map<String, Value> {
        let ids = [
            ("conversation_id", &self.conversation_id),
            ("question_id", &self.question_id),
            ("answer_id", &self.answer_id),
        ];
        ids.into_iter()
            .map(|(name, id)| (name.to_owned(), json!(id)))
            .collect()
    }

    /// Keeps the fields whose keys have an order that matters, as the client has sent them. The question of a conversation has none.
    pub fn keep_order(&mut self, incoming: &Incoming) {
        let body = self.body.iter().flat_map(Map::keys);
        if body.clone().any(|name| ORDERED.contains(&name.as_str())) {
            let sent = serde_json::from_slice(&charset::json(incoming.content()));
            let mut sent: HashMap<String, Box<RawValue>> = sent.unwrap_or_default();
            sent.retain(|name, _| ORDERED.contains(&name.as_str()));
            self.as_sent = sent;
        }
    }

    /// The request to the provider as text. What the database has left out stays out.
    pub fn written(&self, body: &Map<String, Value>) -> Vec<u8> {
        let field = |(name, value)| {
            let name: &String = name;
            let sent = self.as_sent.get(name);
            (
                name,
                sent.map_or(Field::Read(value), |sent| Field::Sent(sent)),
            )
        };
        let fields: BTreeMap<&String, Field<'_>> = body.iter().map(field).collect();
        serde_json::to_vec(&fields).unwrap_or_default()
    }

    /// Adds what the tenant has left to the headers of the answer.
    pub fn add_limits(&self, headers: &mut Headers) {
        for name in LIMIT_FIELDS {
            let mut fields = self.fields.iter();
            let found = fields.find(|(given, _)| given.eq_ignore_ascii_case(name));
            let value = found.map(|(_, value)| match value {
                Value::String(text) => text.clone(),
                value => value.to_string(),
            });
            if let Some(Ok(value)) = value.map(|text| text.parse()) {
                headers.insert(name, value);
            }
        }
    }

    /// Stores what has been said so far, and that the turn goes on.
    pub async fn save(&self, content: String, services: Services<'_>) {
        let arguments = json!({"turn": self.id, "content": content});
        if let Err(error) = services.call("save_chat", &arguments).await {
            self.log("chat_not_saved", &error, services);
        }
    }

    /// Ends the turn once.
    ///
    /// # Errors
    /// Those of [`Services::call`].
    pub async fn end(&self, ended: &Value, services: Services<'_>) -> Result<Counted, Error> {
        let counted = services.call("end_chat", ended).await?;
        let counted: Counted = fields(counted).ok_or(Error::UpstreamFailed)?;
        if !counted.is_new {
            let line = json!({"event": "chat_ended_before", "turn": self.id});
            services.log(&line.to_string());
        }
        Ok(counted)
    }

    /// Ends the turn, and tries again while the database cannot be reached. The job of the database ends what stays open.
    pub async fn end_with_retry(&self, ended: &Value, services: Services<'_>) {
        let mut pauses = END_PAUSES_MS.into_iter();
        while let Err(error) = self.end(ended, services).await {
            match pauses.next().filter(|_| !error.status().is_client_error()) {
                Some(pause_ms) => services.sleep(pause_ms).await,
                None => return self.log("chat_not_ended", &error, services),
            }
        }
    }

    /// The arguments that end the turn.
    pub fn ended(&self, outcome: &Outcome<'_>) -> Value {
        let said = outcome.said;
        let calls = said.tool_calls();
        json!({
            "turn": self.id,
            "outcome": {
                "end": outcome.end,
                "content": said.text(),
                "reasoning": said.reasoning,
                "tool_calls": (!calls.is_empty()).then_some(calls),
                "finish_reason": said.finish_reason,
                "prompt_tokens": said.usage.map(|usage| usage.prompt),
                "completion_tokens": said.usage.map(|usage| usage.completion),
                "reasoning_tokens": said.usage.and_then(|usage| usage.reasoning),
                "model": said.model,
                "latency_ms": outcome.latency_ms,
                "first_token_ms": outcome.first_token_ms,
                "error": outcome.error,
                "upstream_id": said.id,
                "why_gone": outcome.why_gone,
            },
        })
    }

    fn log(&self, event: &str, error: &Error, services: Services<'_>) {
        let line = json!({"event": event, "turn": self.id, "code": error.body().code, "error": error.name()});
        services.log(&line.to_string());
    }
}
