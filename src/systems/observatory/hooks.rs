//! Events that an agent reports while it works. The edge takes secrets out of them; the database interprets them.
//! <https://code.claude.com/docs/en/hooks>

use http::StatusCode;
use serde_json::Value;

use crate::config::Config;
use crate::endpoint::{Incoming, Plan};
use crate::error::Error;
use crate::formats::batch;
use crate::json::{self, storable::storable};
use crate::message::{self, Response};
use crate::secret_patterns::redact;

/// The arguments of the call: the event without secrets, and how many there were.
///
/// # Errors
/// 400 for a body that is not JSON, or that names a field twice.
pub fn arguments(incoming: &Incoming, _: &Config) -> Result<Plan, Error> {
    let (event, redactions) = redacted(incoming.body.to_parse())?;
    Ok(Plan::Call(format!(
        "{{\"event\":{event},\"redactions\":{redactions}}}"
    )))
}

/// The answer: nothing, because the agent obeys JSON as a decision, and shows any other text to its user as an error.
///
/// # Errors
/// The outcome's.
pub fn answer(
    _: &Incoming,
    outcome: Result<Value, Error>,
    _: &Config,
) -> Result<Response<()>, Error> {
    outcome.map(|_| message::bytes(StatusCode::OK, "text/plain; charset=utf-8", Vec::new()))
}

/// The JSON of a body without the secrets in its texts, as PostgreSQL can store it, and how many there were.
///
/// # Errors
/// 400 for a body that is not JSON, or that names a field twice.
pub fn redacted(body: &[u8]) -> Result<(String, u32), Error> {
    let sent = storable(batch::json_text(body)?);
    let value = json::unambiguous(&sent)
        .map_err(|error| Error::MalformedBody(format!("JSON: {error}").into()))?;
    let text = value.to_string();
    Ok(match redact(&text) {
        None => (text, 0),
        Some(found) => (
            found.text,
            found.counts.iter().map(|(_, count)| count).sum(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_however_they_are_written() {
        let key = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
        let cases = [
            format!(r#"{{"prompt":"use {key}"}}"#),
            format!(r#"{{"prompt":"use {}"}}"#, key.replace('g', "\\u0067")),
            format!(r#"{{"tool_response":{{"stdout":"a\n{key}\n"}}}}"#),
            format!(r#"{{"{key}":1}}"#),
            format!(r#"{{"tool_input":{{"content":"{{\"token\":\"{key}\"}}"}}}}"#),
        ];
        for body in cases {
            let (text, count) = redacted(body.as_bytes()).unwrap();
            assert!(!text.contains("0123456789abc"), "{text}");
            assert!(text.contains("[redacted:github]"), "{text}");
            assert_eq!(count, 1, "{body}");
        }
    }

    #[test]
    fn what_cannot_be_stored_is_replaced_and_what_is_no_json_refused() {
        let sent = r#"{"prompt":"a\u0000b\ud800","n":12345678901234567890}"#;
        let (text, count) = redacted(sent.as_bytes()).unwrap();
        assert_eq!(
            text,
            "{\"n\":\"12345678901234567890\",\"prompt\":\"a\u{fffd}b\u{fffd}\"}"
        );
        assert_eq!(count, 0);
        for broken in ["", "{", "{\"a\":1,\"a\":2}", "\u{1}"] {
            assert!(redacted(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
