//! Cached reads and results: stores anonymous answers in the platform's cache, with an `ETag` of their content.

use crate::headers::Headers;
use base16ct::lower;
use http::header::{CONTENT_TYPE, ETAG};
use http::{HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

use super::{Fresh, Reply, send_on};
use crate::error::Error;
use crate::isolate::Edge;
use crate::message::{Body, JSON, Response, text};
use crate::relayed::allowed_headers;
use crate::runtime::Platform;
use crate::scope::{Relay, Rule};

/// The most bytes of an answer that is cached. A larger one is requested again and streamed.
const MAX_BYTES: usize = 1024 * 1024;
/// The header with the status of a cached answer: the platform's cache accepts no status but 200.
const STATUS: &str = "x-rowgate-status";
const UNTIL: &str = "x-rowgate-until";

/// The cached answer, or PostgREST's, which is cached for the next request.
pub(super) async fn answer<P: Platform>(
    rule: Rule,
    relay: Relay<P::Body>,
    edge: &Edge<P>,
) -> Result<Reply<P::Body>, Error> {
    if let Some(reply) = cached(&rule, edge).await {
        return Ok(reply);
    }
    let again = relay.again();
    let response = send_on(relay, edge).await?;
    let deadline_ms = edge.config.limits.deadline_ms;
    let bytes = match response.body {
        Body::Bytes(bytes) => Some(bytes),
        Body::Stream(stream) => {
            let read = edge.platform.read(stream, MAX_BYTES, deadline_ms).await;
            read.ok()
        }
        Body::Empty | Body::Upload { .. } => return Ok(Reply::of(response)),
    };
    let Some(bytes) = bytes.filter(|bytes| bytes.len() <= MAX_BYTES) else {
        let again = again.ok_or(Error::Internal("a read cannot be repeated"))?;
        return send_on(again, edge).await.map(Reply::of);
    };
    let headers = allowed_headers(&response.headers);
    Ok(fresh(rule, response.status, headers, bytes, edge))
}

/// The cached result of a call, or the function's, which is cached for the next request. It looks like the result of a
/// call that is not cached.
pub(super) async fn result<P: Platform>(
    rule: Rule,
    relay: Relay<P::Body>,
    edge: &Edge<P>,
) -> Result<Reply<P::Body>, Error> {
    if let Some(reply) = cached(&rule, edge).await {
        return Ok(reply);
    }
    let bytes = super::result_bytes(send_on(relay, edge).await?, edge).await?;
    let mut headers = Headers::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    Ok(fresh(rule, StatusCode::OK, headers, bytes, edge))
}

/// A new answer, which is stored.
fn fresh<P: Platform>(
    rule: Rule,
    status: StatusCode,
    mut headers: Headers,
    bytes: Vec<u8>,
    edge: &Edge<P>,
) -> Reply<P::Body> {
    let digest = lower::encode_string(Sha256::digest(&bytes).get(..16).unwrap_or_default());
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{digest}\"")) {
        headers.insert(ETAG, etag);
    }
    let seconds = u64::from(rule.seconds);
    let until_ms = edge.platform.now_ms() + seconds * 1000;
    store(&rule, status, &headers, &bytes, until_ms, edge);
    Reply::Relayed {
        response: Response {
            status,
            headers,
            body: Body::Bytes(bytes),
        },
        fresh: Some(Fresh {
            seconds,
            headers: rule.headers,
        }),
    }
}

/// Stores an answer in the background.
fn store<P: Platform>(
    rule: &Rule,
    status: StatusCode,
    headers: &Headers,
    bytes: &[u8],
    until_ms: u64,
    edge: &Edge<P>,
) {
    let mut cached = headers.clone();
    cached.insert(STATUS, HeaderValue::from(status.as_u16()));
    cached.insert(UNTIL, HeaderValue::from(until_ms));
    let cached = Response {
        status: StatusCode::OK,
        headers: cached,
        body: Body::Bytes(bytes.to_vec()),
    };
    let (name, seconds, platform) = (rule.name.clone(), rule.seconds, edge.platform.clone());
    edge.platform
        .background(async move { platform.cache_put(&name, cached, seconds).await });
}

/// The cached answer in its original form; none if it has expired or lacks its headers.
async fn cached<P: Platform>(rule: &Rule, edge: &Edge<P>) -> Option<Reply<P::Body>> {
    let cached = edge.platform.cache_get(&rule.name).await?;
    let number = |name| text(&cached.headers, name)?.parse::<u64>().ok();
    let until_ms = number(UNTIL)?;
    let status = StatusCode::from_u16(u16::try_from(number(STATUS)?).ok()?).ok()?;
    let left_ms = until_ms.checked_sub(edge.platform.now_ms())?;
    if left_ms == 0 {
        return None;
    }
    Some(Reply::Relayed {
        response: Response { status, ..cached },
        fresh: Some(Fresh {
            seconds: left_ms.div_ceil(1000),
            headers: rule.headers.clone(),
        }),
    })
}
