//! Cached reads: stores anonymous answers in the platform's cache, with an `ETag` of their content.

use http::header::{CACHE_CONTROL, ETAG, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

use super::send_on;
use crate::edge::{self, Body, Edge, Platform, Response, text};
use crate::error::Error;
use crate::respond;
use crate::scope::{Relay, Rule};

/// The most bytes of an answer that is cached. A larger one is requested again and streamed.
const MAX_BYTES: usize = 1024 * 1024;
/// The header with the status of a cached answer: the platform's cache accepts no status but 200.
const STATUS: &str = "x-rowgate-status";
const UNTIL: &str = "x-rowgate-until";
/// The request headers on which an answer depends.
const VARIES: &str = "Accept, Accept-Profile, Apikey, Authorization, Prefer, Range";

/// The cached answer, or PostgREST's, which is cached for the next request.
pub(super) async fn answer<P: Platform>(
    rule: Rule,
    relay: Relay<P::Body>,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, Error> {
    if let Some(cached) = edge.platform.cache_get(&rule.name).await
        && let Some(response) = restored(cached, edge.platform.now_ms())
    {
        return Ok(response);
    }
    let again = relay.again();
    let mut response = send_on(relay, edge).await?;
    response.headers = respond::relayed_headers(&response.headers);
    let Body::Stream(stream) = response.body else {
        return Ok(response);
    };
    let deadline_ms = edge.config.limits.deadline_ms;
    let Ok(bytes) = edge.platform.read(stream, MAX_BYTES, deadline_ms).await else {
        let again = again.ok_or(Error::Internal("a read cannot be repeated"))?;
        let mut whole = send_on(again, edge).await?;
        whole.headers = respond::relayed_headers(&whole.headers);
        return Ok(whole);
    };
    let (status, mut headers) = (response.status, response.headers);
    let digest = edge::hex(Sha256::digest(&bytes).get(..16).unwrap_or_default());
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{digest}\"")) {
        headers.insert(ETAG, etag);
    }
    headers.insert(VARY, HeaderValue::from_static(VARIES));
    let until_ms = edge.platform.now_ms() + u64::from(rule.seconds) * 1000;
    store(&rule, status, &headers, &bytes, until_ms, edge);
    set_lifetime(&mut headers, u64::from(rule.seconds));
    Ok(Response {
        status,
        headers,
        body: Body::Bytes(bytes),
    })
}

/// Stores an answer in the background.
fn store<P: Platform>(
    rule: &Rule,
    status: StatusCode,
    headers: &HeaderMap,
    bytes: &[u8],
    until_ms: u64,
    edge: &Edge<P>,
) {
    let mut cached = headers.clone();
    cached.remove(VARY);
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

/// A cached answer in its original form; none if it has expired or lacks its headers.
fn restored<B>(cached: Response<B>, now_ms: u64) -> Option<Response<B>> {
    let number = |name| text(&cached.headers, name)?.parse::<u64>().ok();
    let until_ms = number(UNTIL)?;
    let status = StatusCode::from_u16(u16::try_from(number(STATUS)?).ok()?).ok()?;
    let left_ms = until_ms.checked_sub(now_ms).filter(|left| *left > 0)?;
    let mut headers = respond::allowed_headers(&cached.headers);
    headers.insert(VARY, HeaderValue::from_static(VARIES));
    set_lifetime(&mut headers, left_ms.div_ceil(1000));
    Some(Response {
        status,
        headers,
        body: cached.body,
    })
}

fn set_lifetime(headers: &mut HeaderMap, seconds: u64) {
    if let Ok(value) = HeaderValue::from_str(&format!("public, max-age={seconds}")) {
        headers.insert(CACHE_CONTROL, value);
    }
}
