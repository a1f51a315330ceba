//! `/v1/onboarding/…`: a session's token gives access to that session only. It comes in a header, never in an address,
//! and becomes an argument; the database decides what it opens.

use serde_json::{Value, json};

use super::{address, answer_created, answer_ok};
use crate::config::Config;
use crate::error::Error;
use crate::formats::json;
use crate::route::{ANSWER_STEP_MS, Call, Identity, Incoming, Plan};

/// `POST /v1/onboarding/sessions`
pub static START: Call = Call {
    schema: "onboarding",
    function: "start",
    identity: Identity::Vouched,
    for_people: false,
    arguments: |incoming, _| {
        let mut session = if incoming.body.is_empty() {
            json!({})
        } else {
            json::body(incoming)?
        };
        if let Some(email) = session.get_mut("email")
            && let Some(ascii) = email.as_str().and_then(address::with_ascii_domain)
        {
            *email = ascii.into();
        }
        Ok(Plan::Call(json!({ "session": session }).to_string()))
    },
    answer: answer_created,
    fallback: None,
    streamed: false,
    answer_step_ms: Some(ANSWER_STEP_MS),
    after_call: None,
};

/// `GET /v1/onboarding/session`
pub static PROGRESS: Call = Call {
    schema: "onboarding",
    function: "progress",
    identity: Identity::Caller,
    for_people: false,
    arguments: |incoming, _| {
        Ok(Plan::Call(
            json!({ "session_token": token(incoming) }).to_string(),
        ))
    },
    answer: answer_ok,
    fallback: None,
    streamed: false,
    answer_step_ms: None,
    after_call: None,
};

/// `PATCH /v1/onboarding/session`
pub static STEP: Call = Call {
    schema: "onboarding",
    function: "step",
    identity: Identity::Caller,
    for_people: false,
    arguments: |incoming, config| with_token("change", incoming, config),
    answer: answer_ok,
    fallback: None,
    streamed: false,
    answer_step_ms: None,
    after_call: None,
};

/// `POST /v1/onboarding/activities`
pub static ACTIVITY: Call = Call {
    schema: "onboarding",
    function: "activity",
    identity: Identity::Caller,
    for_people: false,
    arguments: |incoming, config| with_token("activity", incoming, config),
    answer: answer_created,
    fallback: None,
    streamed: false,
    answer_step_ms: None,
    after_call: None,
};

fn token(incoming: &Incoming) -> &str {
    incoming.header("x-session-token")
}

fn with_token(name: &'static str, incoming: &Incoming, _: &Config) -> Result<Plan, Error> {
    let mut arguments = json!({ "session_token": token(incoming) });
    if let Value::Object(fields) = &mut arguments {
        fields.insert(name.to_owned(), json::body(incoming)?);
    }
    Ok(Plan::Call(arguments.to_string()))
}
