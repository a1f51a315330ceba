//! Cloudflare's Turnstile, which tells people from programs. The edge verifies its tokens if `TURNSTILE_SECRET` is set.
//!
//! <https://developers.cloudflare.com/turnstile/get-started/server-side-validation/>: a token is valid once, for 300
//! seconds.

use crate::headers::Headers;
use http::{HeaderValue, Method, StatusCode};
use serde_json::Value;

use crate::body::read_answer;
use crate::config::{Config, Turnstile};
use crate::endpoint::{Human, Incoming};
use crate::error::Error;
use crate::id;
use crate::isolate::Edge;
use crate::message::{Body, Outgoing};
use crate::runtime::Platform;
use crate::url::Url;

/// The most bytes of a token.
const MAX_TOKEN_BYTES: usize = 2048;
/// The most bytes of Turnstile's answer.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
/// Milliseconds that Turnstile has to answer.
const DEADLINE_MS: u32 = 5000;
/// The field of a form with the token of its widget.
const FIELD: &str = "cf-turnstile-response";

/// Verifies the request's token, whose widget must name `action`. A page without scripts cannot have one: its lead is stored for review. A script
/// without a valid token is refused, also if Turnstile cannot be reached.
pub(super) async fn ask<P: Platform>(
    action: &str,
    incoming: &Incoming,
    edge: &Edge<P>,
) -> Result<Human, Error> {
    let Some(turnstile) = &edge.config.turnstile else {
        return Ok(Human::NotChecked);
    };
    let token = token(incoming);
    if token.is_none() && incoming.wants_page {
        return Ok(Human::PendingReview);
    }
    let good = match token {
        Some(token) if token.len() <= MAX_TOKEN_BYTES => {
            verdict(turnstile, token, incoming.header("idempotency-key"), edge).await
        }
        _ => None,
    };
    match good {
        Some(verdict) if fits(&verdict, action, &edge.config) => Ok(Human::Verified),
        // Turnstile failed, which is not the fault of a person who filled in a page.
        None if incoming.wants_page => Ok(Human::PendingReview),
        _ => Err(Error::HumanNotVerified {
            action: action.to_owned().into(),
        }),
    }
}

/// The token of the widget, if a readable body has one.
fn token(incoming: &Incoming) -> Option<&str> {
    if incoming.is_unreadable() {
        return None;
    }
    incoming.field(FIELD)
}

/// Turnstile's answer; none if it gave none.
async fn verdict<P: Platform>(
    turnstile: &Turnstile,
    token: &str,
    key: &str,
    edge: &Edge<P>,
) -> Option<Value> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("secret", &turnstile.secret)
        .append_pair("response", token);
    if !key.is_empty() {
        // Turnstile repeats its answer for the same key: a retry after a lost answer has no other token.
        form.append_pair(
            "idempotency_key",
            &id::digest_uuid(&format!("{key}\n{token}")).to_string(),
        );
    }
    let form = form.finish();
    let mut headers = Headers::new();
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(http::header::CONTENT_TYPE, kind);
    let request = Outgoing {
        method: Method::POST,
        url: turnstile.url.clone(),
        headers,
        body: Body::Bytes(form.into_bytes()),
        deadline_ms: DEADLINE_MS,
    };
    let response = edge.platform.send(&request, &|| ()).await.ok()?;
    if response.status != StatusCode::OK {
        return None;
    }
    let body = read_answer(response.body, MAX_ANSWER_BYTES, DEADLINE_MS, edge).await;
    serde_json::from_slice(&body.ok()?).ok()
}

/// Whether the token was issued on an allowed site, for this action. The action of a widget that names none is an empty text.
fn fits(verdict: &Value, action: &str, config: &Config) -> bool {
    let text = |name: &str| {
        verdict
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let ours =
        |origin: &String| Url::new(origin).is_ok_and(|url| url.hostname() == text("hostname"));
    verdict.get("success") == Some(&Value::Bool(true))
        && text("action") == action
        && config.allowed_origins.iter().any(ours)
}
