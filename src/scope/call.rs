//! Fixed calls of one database function, built by the postgrest crate from names of ours and vetted values, never sent by
//! it.

use http::{HeaderMap, Method};
use postgrest::Postgrest;
use serde_json::Value;

use super::{Work, idempotency_key, limit, read_body, set, set_trace, upstream_token};
use crate::edge::{Body, Edge, Outgoing, Platform, Request};
use crate::error::Error;
use crate::route::{Call, Incoming, Matched};
use crate::verify::Caller;

/// Reads the body and turns it into the call. What a purpose endpoint refuses it words itself.
pub(super) async fn prepare<P: Platform>(
    call: &'static Call,
    matched: &Matched,
    caller: &Caller,
    mut request: Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Work<P::Body>, Error> {
    let mut incoming = Incoming {
        content_type: request
            .header("content-type")
            .unwrap_or_default()
            .to_owned(),
        body: Vec::new(),
        referer: request.header("referer").unwrap_or_default().to_owned(),
        wants_page: wants_page(&request),
    };
    let read = read_body(&mut request, limit(matched, edge), edge).await;
    let arguments = read.and_then(|body| {
        incoming.body = body;
        (call.arguments)(&incoming)
    });
    let arguments = match arguments {
        Ok(arguments) => arguments,
        Err(error) => return (call.answer)(&incoming, Err(error), &edge.config).map(Work::Here),
    };
    let token = upstream_token(caller, &request, edge)?;
    let mut outgoing = build(
        &edge.config.postgrest_url,
        call.schema,
        call.function,
        &arguments,
        &token,
        &request.id,
        edge,
    )?;
    set_trace(&mut outgoing.headers, &request)?;
    if let Some(key) = idempotency_key(&request)? {
        set(&mut outgoing.headers, "idempotency-key", key)?;
    }
    // The browser's own words about itself: data to keep, nothing to trust.
    for name in ["user-agent", "referer"] {
        if let Some(value) = request
            .headers
            .get(name)
            .filter(|value| value.len() <= 1024)
        {
            outgoing.headers.insert(name, value.clone());
        }
    }
    Ok(Work::Call {
        call,
        incoming,
        outgoing,
    })
}

/// A page for a browser that navigates; JSON for everything else.
fn wants_page<B>(request: &Request<B>) -> bool {
    let accept = request.header("accept").unwrap_or_default();
    let navigates = request.header("sec-fetch-mode") == Some("navigate");
    !accept.contains("application/json") && (accept.contains("text/html") || navigates)
}

/// One call of `schema.function` at an address of PostgREST.
///
/// `token` is one that was verified or minted here: the crate panics on anything that is no header value.
pub(super) fn build<P: Platform>(
    address: &str,
    schema: &str,
    function: &str,
    arguments: &Value,
    token: &str,
    request_id: &str,
    edge: &Edge<P>,
) -> Result<Outgoing<P::Body>, Error> {
    let built = Postgrest::new(address)
        .schema(schema)
        .rpc(function, arguments.to_string())
        .auth(token)
        .build()
        .build()
        .map_err(|_| Error::Internal("the call cannot be built"))?;
    let mut headers = HeaderMap::new();
    for (name, value) in built.headers() {
        // The crate is on an older version of the header types.
        let name = http::HeaderName::from_bytes(name.as_str().as_bytes());
        let value = http::HeaderValue::from_bytes(value.as_bytes());
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(Error::Internal("the call's headers cannot be built"));
        };
        headers.insert(name, value);
    }
    set(&mut headers, "content-type", "application/json")?;
    set(&mut headers, "x-request-id", request_id)?;
    Ok(Outgoing {
        method: Method::POST,
        url: built.url().as_str().to_owned(),
        headers,
        body: Body::Bytes(
            built
                .body()
                .and_then(|body| body.as_bytes())
                .unwrap_or_default()
                .to_vec(),
        ),
        deadline_ms: edge.config.limits.deadline_ms,
    })
}
