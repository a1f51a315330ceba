//! The provider of a tenant: asks an OpenAI-compatible `/chat/completions`, and says what a refusal means.
//!
//! The address comes from the configuration. The tenant's key is opened for the request alone; what a provider says of a failure
//! reaches nobody with it, and is not relayed where it may name the account.

use std::pin::pin;

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};

use super::errors::{
    CONTEXT_LENGTH_EXCEEDED, PROVIDER_BUSY, PROVIDER_FAILED, PROVIDER_REFUSED, PROVIDER_TIMEOUT,
    PROVIDER_UNAVAILABLE,
};
use super::turn::Turn;
use crate::error::Error;
use crate::headers::Headers;
use crate::hooks::{Binding, Pieces, Sealed, ServiceRequest, Services};
use crate::message::{SendFault, text};
use crate::secret_patterns::redact;

/// The variable with the providers' addresses.
const URLS: &str = "LLM_PROVIDER_URLS";
/// What a tenant's key is bound to.
const KEY_COLUMN: &str = "assistant.tenants.provider_key";
/// Milliseconds until the head of an answer, in all attempts. A local model may have to be loaded first.
const HEAD_MS: u32 = 100_000;
/// The longest pause of an answer, in milliseconds.
const IDLE_MS: u32 = 60_000;
/// The most bytes of an answer, whose chunks are many times as long as their texts.
const MAX_ANSWER_BYTES: usize = 128 * 1024 * 1024;
/// The most bytes of a refusal, and milliseconds in which it must come.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;
const REFUSAL_MS: u32 = 5_000;
/// The most characters of a provider's words that are passed on.
const MAX_MESSAGE: usize = 300;
/// The most seconds of a provider's `Retry-After` that are passed on.
const MAX_RETRY_SECONDS: u32 = 3600;
/// How often a request is changed to what a provider takes.
const MAX_CHANGES: u32 = 2;

/// Why there is no answer.
pub struct Failure {
    /// What the database stores: `refused` or `unreachable`.
    pub end: &'static str,
    /// What the client gets.
    pub error: Error,
    /// What the database stores beside it.
    pub note: Option<String>,
}

impl Failure {
    fn unreachable(error: Error) -> Self {
        Self {
            end: "unreachable",
            error,
            note: None,
        }
    }

    fn refused(error: Error, note: impl Into<String>) -> Self {
        Self {
            end: "refused",
            error,
            note: Some(note.into()),
        }
    }
}

/// Asks the provider, and gives the body of its answer.
pub async fn ask<'a>(turn: &Turn, services: Services<'a>) -> Result<Pieces<'a>, Failure> {
    let variable = [URLS, ".", &turn.provider].concat();
    if services.text(&variable).is_none() {
        let details = format!("{URLS} has no address of the provider {}", turn.provider);
        let error = Error::with(&PROVIDER_UNAVAILABLE, details);
        return Err(Failure::unreachable(error));
    }
    let key = open_key(turn, services).await;
    let key = key.map_err(Failure::unreachable)?;
    let headers = headers(key.as_deref()).map_err(Failure::unreachable)?;
    let mut body = turn.body.clone().unwrap_or_default();
    body.insert("stream".into(), true.into());
    body.insert("stream_options".into(), json!({"include_usage": true}));
    let start_ms = services.now_ms();
    for change in 0.. {
        let spent_ms = services.now_ms().saturating_sub(start_ms);
        let left_ms = u64::from(turn.head_ms.unwrap_or(HEAD_MS)).saturating_sub(spent_ms);
        let request = ServiceRequest {
            variable: &variable,
            method: Method::POST,
            path: "chat/completions",
            headers: headers.clone(),
            body: turn.written(&body),
            deadline_ms: u32::try_from(left_ms).unwrap_or(HEAD_MS).max(1),
            max_answer_bytes: MAX_ANSWER_BYTES,
        };
        let opened = services.open_stream(request, turn.idle_ms.unwrap_or(IDLE_MS));
        let (status, headers, pieces) = opened.await.map_err(|fault| {
            Failure::unreachable(Error::of(match fault {
                SendFault::Unreachable => &PROVIDER_UNAVAILABLE,
                SendFault::Timeout => &PROVIDER_TIMEOUT,
                SendFault::Body(_) => &PROVIDER_FAILED,
            }))
        })?;
        if status.is_success() {
            return Ok(pieces);
        }
        let refusal = read_refusal(pieces, services).await;
        if change == MAX_CHANGES || !adapt(status, &refusal, &mut body) {
            return Err(refused(status, &headers, &refusal, key.as_deref()));
        }
    }
    Err(Failure::unreachable(Error::Internal("no request was sent")))
}

/// The tenant's key; none if it has none, as of models on the operator's own machines.
async fn open_key(turn: &Turn, services: Services<'_>) -> Result<Option<String>, Error> {
    let Some(key) = &turn.key else {
        return Ok(None);
    };
    let sealed = Sealed {
        text: key.sealed.clone(),
        key_version: key.key_version,
    };
    let binding = Binding {
        column: KEY_COLUMN,
        row: &turn.tenant_id,
        owner: &turn.tenant_id,
    };
    services.open(&sealed, &binding).await.map(Some)
}

fn headers(key: Option<&str>) -> Result<Headers, Error> {
    let mut headers = Headers::new();
    for (name, value) in [
        ("content-type", "application/json"),
        ("accept", "text/event-stream, application/json"),
        // Tokens that are compressed come late.
        ("accept-encoding", "identity"),
        ("user-agent", "rowgate"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(key) = key {
        let bearer = HeaderValue::from_str(&["Bearer ", key].concat());
        let bearer = bearer.map_err(|_| Error::Internal("a provider's key fits no header"))?;
        headers.insert("authorization", bearer);
    }
    Ok(headers)
}

/// Reads what a provider says of a refusal, as far as it comes in time.
async fn read_refusal(mut pieces: Pieces<'_>, services: Services<'_>) -> Value {
    let mut bytes = Vec::new();
    let reading = async {
        while let Some(Ok(piece)) = pieces.next().await {
            bytes.extend_from_slice(&piece);
            if bytes.len() > MAX_REFUSAL_BYTES {
                break;
            }
        }
    };
    match select(pin!(reading), pin!(services.sleep(REFUSAL_MS))).await {
        Either::Left(_) | Either::Right(_) => {}
    }
    serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into())
}

/// Changes a request to what a provider takes, if it refuses a field for which there is another way. Whether it did.
fn adapt(status: StatusCode, refusal: &Value, body: &mut Map<String, Value>) -> bool {
    if !matches!(status.as_u16(), 400 | 422) {
        return false;
    }
    let words = refusal.to_string();
    if words.contains("stream_options") || words.contains("include_usage") {
        return body.remove("stream_options").is_some();
    }
    // OpenAI's newer models take the limit under this name only.
    if words.contains("max_completion_tokens")
        && let Some(limit) = body.remove("max_tokens")
    {
        body.insert("max_completion_tokens".into(), limit);
        return true;
    }
    false
}

/// What a provider's refusal means to the client.
fn refused(status: StatusCode, headers: &Headers, refusal: &Value, key: Option<&str>) -> Failure {
    let code = status.as_u16();
    let answered = format!("The provider answered {code}");
    let no_credit = code == 402 || refusal.to_string().contains("insufficient_quota");
    let error = match code {
        // Their words name the account, and parts of the key.
        401 | 403 => Error::with(
            &PROVIDER_FAILED,
            answered.clone() + ": it does not accept the tenant's key",
        ),
        _ if no_credit => Error::with(
            &PROVIDER_FAILED,
            answered.clone() + ": the tenant's account has no credit",
        ),
        429 => busy(headers),
        400 | 413 | 422 => {
            let words = words(refusal, key).map(|words| [": ", &words].concat());
            let row = if is_too_long(refusal) {
                &CONTEXT_LENGTH_EXCEEDED
            } else {
                &PROVIDER_REFUSED
            };
            Error::with(row, answered.clone() + words.as_deref().unwrap_or_default())
        }
        404 => Error::with(
            &PROVIDER_FAILED,
            answered.clone()
                + ": it does not know the model, or the address is not that of its API",
        ),
        500 if is_too_long(refusal) => Error::with(&CONTEXT_LENGTH_EXCEEDED, answered.clone()),
        408 | 504 | 524 => Error::with(&PROVIDER_TIMEOUT, answered.clone()),
        500.. => Error::with(&PROVIDER_UNAVAILABLE, answered.clone()),
        _ => Error::with(&PROVIDER_FAILED, answered.clone()),
    };
    Failure::refused(error, answered)
}

/// Whether a provider refuses a request for its length: `OpenAI`'s code and words, which others use too, and those of llama.cpp.
fn is_too_long(refusal: &Value) -> bool {
    let words = refusal.to_string();
    let signs = [
        "context_length_exceeded",
        "maximum context length",
        "exceed_context_size_error",
        "Context size has been exceeded",
    ];
    signs.iter().any(|sign| words.contains(sign))
}

/// The provider's limit, with the time that it names.
fn busy(headers: &Headers) -> Error {
    let error = Error::of(&PROVIDER_BUSY);
    let seconds = text(headers, "retry-after").and_then(|text| text.trim().parse::<u32>().ok());
    match seconds {
        None => error,
        Some(seconds) => Error::Refused {
            status: error.status(),
            body: Box::new(error.body()),
            retry_after: Some(seconds.clamp(1, MAX_RETRY_SECONDS)),
            range: None,
            limits: Box::default(),
        },
    }
}

/// What an error under 200 means: `OpenRouter` and others give it the status that it would have had.
pub fn failed(error: &Value) -> Failure {
    let code = error.get("code");
    let status = code.and_then(|code| {
        let number = code.as_u64().or_else(|| code.as_str()?.parse().ok())?;
        let number = u16::try_from(number)
            .ok()
            .filter(|code| (400..600).contains(code))?;
        StatusCode::from_u16(number).ok()
    });
    let row = if is_too_long(error) {
        &CONTEXT_LENGTH_EXCEEDED
    } else if let Some(status) = status {
        return refused(status, &Headers::new(), &Value::Null, None);
    } else {
        &PROVIDER_FAILED
    };
    // Without digits it is no key.
    let is_name = |text: &&str| {
        (1..60).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphabetic() || b"_.".contains(&b))
    };
    let names = [code, error.get("type")].into_iter().flatten();
    let name = names.filter_map(Value::as_str).find(is_name);
    let said = [
        "The provider reported an error",
        name.map_or("", |_| ": "),
        name.unwrap_or_default(),
    ];
    let said = said.concat();
    Failure::refused(Error::with(row, said.clone()), said)
}

/// A provider's own words, in one short line without secrets.
fn words(refusal: &Value, key: Option<&str>) -> Option<String> {
    let error = refusal.get("error").unwrap_or(refusal);
    let places = [
        error.get("message"),
        error.get("detail"),
        refusal.get("message"),
        Some(error),
    ];
    let said = places.into_iter().flatten().find_map(Value::as_str)?;
    let said = match key {
        Some(key) => said.replace(key, "[redacted]"),
        None => said.to_owned(),
    };
    let said = redact(&said).map_or(said, |clean| clean.text);
    let said: String = said
        .split(|c: char| c.is_control())
        .collect::<Vec<_>>()
        .join(" ");
    let said: String = said.trim().chars().take(MAX_MESSAGE).collect();
    (!said.is_empty()).then_some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, refusal: &Value, key: Option<&str>) -> Error {
        let status = StatusCode::from_u16(status).unwrap();
        refused(status, &Headers::new(), refusal, key).error
    }

    fn details(error: &Error) -> String {
        let details = error.body().details.unwrap_or_default();
        details.as_str().unwrap_or_default().to_owned()
    }

    #[test]
    fn each_refusal_has_a_meaning() {
        let named = |kind: &str| json!({"error": {"message": "no", "type": kind, "code": kind}});
        let other = named("x");
        for (status, refusal, wanted) in [
            (400, &other, (422, "RG414")),
            (401, &other, (502, "RG412")),
            (402, &other, (502, "RG412")),
            (403, &other, (502, "RG412")),
            (404, &other, (502, "RG412")),
            (408, &other, (504, "RG411")),
            (413, &other, (422, "RG414")),
            (400, &named("context_length_exceeded"), (422, "RG417")),
            (400, &named("exceed_context_size_error"), (422, "RG417")),
            (
                400,
                &json!({"object": "error", "message": "This model's maximum context length is 4096 tokens."}),
                (422, "RG417"),
            ),
            (422, &other, (422, "RG414")),
            (429, &other, (429, "RG413")),
            (429, &named("insufficient_quota"), (502, "RG412")),
            (302, &other, (502, "RG412")),
            (418, &other, (502, "RG412")),
            (500, &other, (503, "RG410")),
            (
                500,
                &json!({"error": {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}}),
                (422, "RG417"),
            ),
            (503, &other, (503, "RG410")),
            (504, &other, (504, "RG411")),
            (529, &other, (503, "RG410")),
        ] {
            let error = failure(status, refusal, None);
            let got = (error.status().as_u16(), &*error.body().code);
            assert_eq!(got, wanted, "{status}");
            let waits = matches!(error.status().as_u16(), 429 | 503);
            assert_eq!(error.retry_after().is_some(), waits, "{status}");
        }
    }

    #[test]
    fn the_time_of_a_busy_provider_is_passed_on() {
        for (given, wanted) in [
            ("20", 20),
            ("0", 1),
            ("999999", 3600),
            ("Wed, 21 Oct 2026 07:28:00 GMT", 10),
            ("-1", 10),
        ] {
            let mut headers = Headers::new();
            headers.insert("retry-after", HeaderValue::from_str(given).unwrap());
            let error = refused(StatusCode::TOO_MANY_REQUESTS, &headers, &Value::Null, None).error;
            assert_eq!(error.retry_after(), Some(wanted), "{given}");
            assert_eq!(error.body().code, "RG413");
        }
    }

    #[test]
    fn no_key_and_no_account_is_passed_on() {
        let key = "an-unusual-key-of-no-known-shape-0123456789";
        let known = ["sk-proj-", &"A".repeat(74), "T3BlbkFJ", &"B".repeat(74)].concat();
        let told = |status: u16, words: &str| {
            details(&failure(
                status,
                &json!({"error": {"message": words}}),
                Some(key),
            ))
        };
        let words = told(
            400,
            &format!("line one\r\n\tkey {key} and {known}, \u{7}done"),
        );
        assert!(
            words.starts_with("The provider answered 400: line one"),
            "{words}"
        );
        assert!(
            words.ends_with(" done") && !words.contains(key) && !words.contains("T3BlbkFJ"),
            "{words}"
        );
        assert!(!words.contains(char::is_control));
        for status in [401, 403, 429, 500] {
            assert!(
                !told(status, "org-secret").contains("org-secret"),
                "{status}"
            );
        }
        assert!(told(422, &"x".repeat(10_000)).len() < 400);
        for (refusal, wanted) in [
            (json!({"error": "a text"}), "a text"),
            (json!({"message": "at the top"}), "at the top"),
            (json!({"detail": "fastapi"}), "fastapi"),
            (json!("plain"), "plain"),
        ] {
            assert_eq!(
                details(&failure(400, &refusal, None)),
                format!("The provider answered 400: {wanted}")
            );
        }
        assert_eq!(
            details(&failure(400, &json!({"error": {}}), None)),
            "The provider answered 400"
        );
    }

    #[test]
    fn a_request_is_changed_once_for_each_field() {
        let body = || {
            let Value::Object(body) =
                json!({"stream_options": {"include_usage": true}, "max_tokens": 5, "stream": true})
            else {
                panic!("no object");
            };
            body
        };
        let bad = StatusCode::BAD_REQUEST;
        // Databricks, Mistral and Azure.
        for words in [
            json!({"message": "json: unknown field \"stream_options\""}),
            json!({"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"]}]}),
            json!({"error": {"message": "Unrecognized request argument supplied: include_usage"}}),
        ] {
            let mut body = body();
            assert!(adapt(bad, &words, &mut body), "{words}");
            assert!(!body.contains_key("stream_options") && body.contains_key("max_tokens"));
            assert!(!adapt(bad, &words, &mut body));
        }
        let words = json!({"error": {"message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."}});
        let mut newer = body();
        assert!(adapt(bad, &words, &mut newer));
        assert_eq!(
            (newer.get("max_tokens"), newer.get("max_completion_tokens")),
            (None, Some(&json!(5)))
        );
        assert!(!adapt(bad, &words, &mut newer));
        assert!(!adapt(
            bad,
            &json!({"error": {"message": "too long"}}),
            &mut body()
        ));
        assert!(!adapt(
            StatusCode::UNAUTHORIZED,
            &json!("stream_options"),
            &mut body()
        ));
    }

    #[test]
    fn an_error_in_a_stream_has_the_status_that_it_names() {
        for (error, wanted, details_wanted) in [
            (json!({"code": 429, "message": "org-secret"}), "RG413", ""),
            (json!({"code": "502"}), "RG410", "The provider answered 502"),
            (
                json!({"code": 400, "message": "org-secret"}),
                "RG414",
                "The provider answered 400",
            ),
            (
                json!({"type": "overloaded_error", "message": "org-secret"}),
                "RG412",
                "The provider reported an error: overloaded_error",
            ),
            (
                json!({"code": "context_length_exceeded", "message": "org-secret"}),
                "RG417",
                "The provider reported an error: context_length_exceeded",
            ),
            // It might be the key.
            (
                json!({"code": "an-odd-key-0123456789", "type": "sk-0123456789abcdef"}),
                "RG412",
                "The provider reported an error",
            ),
            (
                json!({"code": 7, "type": "<b>"}),
                "RG412",
                "The provider reported an error",
            ),
            (
                json!("org-secret"),
                "RG412",
                "The provider reported an error",
            ),
            (Value::Null, "RG412", "The provider reported an error"),
        ] {
            let failure = failed(&error);
            assert_eq!(
                (
                    &*failure.error.body().code,
                    details(&failure.error).as_str()
                ),
                (wanted, details_wanted),
                "{error}"
            );
            assert!(!failure.note.unwrap().contains("org-secret"));
            assert_eq!(failure.end, "refused");
        }
    }
}
