//! `/v1/tokens`: users make, list and revoke their API tokens, and servers those of their workers. The text of a token is made here
//! and shown once; the database gets its hash.

use std::rc::Rc;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::config::Config;
use crate::endpoint::{
    Action, Answer, Argument, Arguments, Call, Identity, Incoming, Kind, Limit, Plan, Route, Source,
};
use crate::error::Error;
use crate::message::{self, KB, Response};
use crate::verify::api_token;

const TOKENS: &str = "/v1/tokens";
/// The fields of a request for a token.
const FIELDS: [&str; 5] = ["name", "systems", "endpoints", "access", "expires_at"];

/// The endpoints.
#[must_use]
pub fn routes() -> Vec<Route> {
    let vouched = |function: &'static str| Call {
        identity: Identity::Vouched,
        ..Call::new("edge", function)
    };
    let make = Call {
        arguments: Arguments::Code(arguments),
        answer: Answer::Code(answer),
        limit: Some(Limit {
            bucket: format!("POST {TOKENS}"),
            per_minute: 10,
            burst: 10,
            shared: 10,
        }),
        ..vouched("create_api_token")
    };
    let revoke = Call {
        arguments: Arguments::Listed(vec![Argument {
            name: "token_id".into(),
            sources: vec![Source::Path("id".into())],
            kind: Kind::Uuid,
            default: None,
            required: true,
        }]),
        ..vouched("revoke_api_token")
    };
    let route = |method, path, call| Route::new(method, path, Action::Call(Rc::new(call)));
    vec![
        route(Method::POST, TOKENS, make).body(16 * KB),
        route(Method::GET, TOKENS, vouched("api_tokens")),
        route(Method::DELETE, "/v1/tokens/{id}", revoke),
    ]
}

fn arguments(incoming: &Incoming, _: &Config) -> Result<Plan, Error> {
    let wanted = "an object of name, systems, endpoints, access and expires_at";
    let bad = |name: &str| Error::BadArgument {
        name: name.to_owned().into(),
        wanted,
    };
    let fields = incoming.json()?.as_object().ok_or_else(|| bad("body"))?;
    if let Some(other) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(bad(other));
    }
    let made = api_token::make()?;
    let mut arguments = fields.clone();
    arguments.retain(|_, value| !value.is_null());
    arguments.insert("token_hash".into(), made.hash.as_str().into());
    arguments.insert("prefix".into(), made.prefix().into());
    let _ = incoming.made_token.set(made.text);
    Ok(Plan::Call(Value::Object(arguments).to_string()))
}

/// The token's metadata and, this one time, its text.
fn answer(
    incoming: &Incoming,
    outcome: Result<Value, Error>,
    _: &Config,
) -> Result<Response<()>, Error> {
    let mut token = outcome?;
    if let Some(fields) = token.as_object_mut() {
        fields.insert("token".into(), json!(incoming.made_token.get()));
    }
    Ok(message::json(StatusCode::CREATED, &token))
}
