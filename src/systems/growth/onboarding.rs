//! `/v1/onboarding/…`: a session's token gives access to that session only. It comes in a header, never in an address,
//! and becomes an argument; the database decides what it opens.

use serde_json::{Value, json};

use super::address;
use crate::config::Config;
use crate::endpoint::answer_created;
use crate::endpoint::{ANSWER_STEP_MS, Call, Identity, Incoming, Plan};
use crate::error::Error;
use crate::formats::json;

/// `POST /v1/onboarding/sessions`
pub fn start() -> Call {
    Call {
        identity: Identity::Vouched,
        arguments: |incoming, _| {
            let mut session = if incoming.body.is_empty() {
                json!({})
            } else {
                json::body(incoming.content())?
            };
            if let Some(email) = session.get_mut("email")
                && let Some(ascii) = email.as_str().and_then(address::with_ascii_domain)
            {
                *email = ascii.into();
            }
            Ok(Plan::Call(json!({ "session": session }).to_string()))
        },
        answer: answer_created,
        answer_step_ms: Some(ANSWER_STEP_MS),
        ..Call::new("onboarding", "start")
    }
}

/// `GET /v1/onboarding/session`
pub fn progress() -> Call {
    Call {
        arguments: |incoming, _| {
            Ok(Plan::Call(
                json!({ "session_token": token(incoming) }).to_string(),
            ))
        },
        ..Call::new("onboarding", "progress")
    }
}

/// `PATCH /v1/onboarding/session`
pub fn step() -> Call {
    Call {
        arguments: |incoming, config| with_token("change", incoming, config),
        ..Call::new("onboarding", "step")
    }
}

/// `POST /v1/onboarding/activities`
pub fn activity() -> Call {
    Call {
        arguments: |incoming, config| with_token("activity", incoming, config),
        answer: answer_created,
        ..Call::new("onboarding", "activity")
    }
}

fn token(incoming: &Incoming) -> &str {
    incoming.header("x-session-token")
}

fn with_token(name: &'static str, incoming: &Incoming, _: &Config) -> Result<Plan, Error> {
    let mut arguments = json!({ "session_token": token(incoming) });
    if let Value::Object(fields) = &mut arguments {
        fields.insert(name.to_owned(), json::body(incoming.content())?);
    }
    Ok(Plan::Call(arguments.to_string()))
}
