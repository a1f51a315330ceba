//! Forward: the only place that calls PostgREST. What comes back is an answer to relay, or an error of ours.

use http::{Method, StatusCode};
use serde_json::Value;

use crate::edge::{Body, Edge, Outgoing, Platform, Response, SendFault, text};
use crate::error::{Error, Shape};
use crate::route::{Call, Incoming};
use crate::scope::{Scoped, Work};
use crate::verify::keys;

/// Milliseconds before a read is sent once more.
const RETRY_PAUSE_MS: u32 = 100;
/// Bytes that are read of an error's body.
const MOST_ERROR_BYTES: usize = 64 * 1024;
/// Bytes that are read of a function's result.
const MOST_RESULT_BYTES: usize = 1024 * 1024;

/// What came of the work.
pub enum Reply<B> {
    /// The edge's own answer.
    Here(Response<()>),
    /// PostgREST's answer.
    Relayed(Response<B>),
    /// A function's result, still to be put into the caller's words.
    Called {
        /// The endpoint.
        call: &'static Call,
        /// What it was told.
        incoming: Incoming,
        /// What the database said.
        outcome: Result<Value, Error>,
    },
    /// Which parts answer, by name.
    Ready(Vec<(&'static str, bool)>),
}

/// Does the work.
///
/// # Errors
/// 502, 503 and 504 for PostgREST's failures; its own 4xx as [`Error::Refused`].
pub async fn send<P: Platform>(
    scoped: Scoped<P::Body>,
    edge: &Edge<P>,
) -> Result<Reply<P::Body>, Error> {
    match scoped.into_work() {
        Work::Here(response) => Ok(Reply::Here(response)),
        Work::Relay {
            outgoing,
            anonymous,
        } => relay(outgoing, anonymous, edge).await.map(Reply::Relayed),
        Work::Call {
            call,
            incoming,
            outgoing,
        } => {
            let outcome = result(outgoing, edge).await;
            Ok(Reply::Called {
                call,
                incoming,
                outcome,
            })
        }
        Work::Ready { outgoing } => {
            let database = result(outgoing, edge).await.is_ok();
            let mut all_keys = true;
            for issuer in &edge.config.issuers {
                all_keys &= keys::reachable(issuer, edge).await;
            }
            Ok(Reply::Ready(vec![
                ("database", database),
                ("keys", all_keys),
            ]))
        }
    }
}

/// Sends, and sorts the failures out.
async fn relay<P: Platform>(
    outgoing: Outgoing<P::Body>,
    anonymous: bool,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, Error> {
    let id = text(&outgoing.headers, "x-request-id")
        .unwrap_or_default()
        .to_owned();
    let response = send_patiently(outgoing, edge)
        .await
        .map_err(|fault| match fault {
            SendFault::Unreachable => Error::UpstreamUnavailable,
            SendFault::Timeout => Error::UpstreamTimeout,
        })?;
    if response.status.is_client_error() || response.status.is_server_error() {
        return Err(failure(response, anonymous, &id, edge).await);
    }
    Ok(response)
}

/// Sends; a read whose connection was refused is sent once more, for PostgREST may be just starting. A write never is: it
/// may have arrived.
async fn send_patiently<P: Platform>(
    outgoing: Outgoing<P::Body>,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, SendFault> {
    let again = matches!(outgoing.method, Method::GET | Method::HEAD).then(|| Outgoing {
        method: outgoing.method.clone(),
        url: outgoing.url.clone(),
        headers: outgoing.headers.clone(),
        body: Body::Empty,
        deadline_ms: outgoing.deadline_ms,
    });
    match (edge.platform.send(outgoing).await, again) {
        (Err(SendFault::Unreachable), Some(again)) => {
            edge.platform.sleep(RETRY_PAUSE_MS).await;
            edge.platform.send(again).await
        }
        (result, _) => result,
    }
}

/// The JSON that a function returned.
async fn result<P: Platform>(outgoing: Outgoing<P::Body>, edge: &Edge<P>) -> Result<Value, Error> {
    let response = relay(outgoing, false, edge).await?;
    let bytes = bytes(response.body, MOST_RESULT_BYTES, edge).await;
    bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or(Error::UpstreamFailed)
}

async fn bytes<P: Platform>(body: Body<P::Body>, limit: usize, edge: &Edge<P>) -> Option<Vec<u8>> {
    match body {
        Body::Empty => Some(Vec::new()),
        Body::Bytes(bytes) => Some(bytes),
        Body::Stream(stream) => edge.platform.read(stream, limit).await.ok(),
    }
}

/// PostgREST's error as one of ours.
async fn failure<P: Platform>(
    response: Response<P::Body>,
    anonymous: bool,
    id: &str,
    edge: &Edge<P>,
) -> Error {
    let status = response.status;
    let retry_after = text(&response.headers, "retry-after").and_then(|text| text.parse().ok());
    let body = bytes(response.body, MOST_ERROR_BYTES, edge)
        .await
        .unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let field = |name: &str| {
        body.get(name)
            .and_then(Value::as_str)
            .map(|text| text.to_owned().into())
    };
    let code = body.get("code").and_then(Value::as_str).unwrap_or_default();
    if code == "57014" || status == StatusCode::GATEWAY_TIMEOUT {
        return Error::UpstreamTimeout;
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return Error::UpstreamUnavailable;
    }
    if status.is_server_error() {
        let line = serde_json::json!({"event": "upstream_failed", "id": id, "status": status.as_u16(), "code": code});
        edge.platform.log(&line.to_string());
        return Error::UpstreamFailed;
    }
    let reason = status.canonical_reason().unwrap_or("Refused");
    // What the edge's own functions say is meant for everybody; what the server says may describe the schema.
    let told = !anonymous || code.starts_with("RG");
    let shape = Shape {
        code: if code.is_empty() {
            status.as_u16().to_string().into()
        } else {
            code.to_owned().into()
        },
        message: field("message").unwrap_or_else(|| reason.into()),
        details: field("details").filter(|_| told),
        hint: field("hint").filter(|_| told),
    };
    Error::Refused {
        status,
        shape,
        retry_after,
    }
}
