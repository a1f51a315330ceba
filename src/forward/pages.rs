//! A text of any length, which a function gives in pages. Each is asked for when the client has taken the one before, so that neither
//! the database nor the edge holds more than one.

use futures_util::stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde_json::Value;

use super::parsed;
use crate::error::Error;
use crate::headers::Headers;
use crate::isolate::Edge;
use crate::message::{Body, Response};
use crate::runtime::Platform;
use crate::scope::Paged;

/// The most bytes of a page, as the function returns it.
const MAX_PAGE_BYTES: usize = 32 * 1024 * 1024;

/// Answers once the first page is there, so that an error until then has its own status. A later one breaks the answer off.
///
/// # Errors
/// The errors of the first call.
pub(super) async fn send<P: Platform>(
    paged: Paged<P::Body>,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, Error> {
    let mut headers = Headers::new();
    if let Some(pages) = &paged.call.pages {
        if let Ok(kind) = HeaderValue::from_str(&pages.content_type) {
            headers.insert(CONTENT_TYPE, kind);
        }
        let name = format!("attachment; filename=\"{}\"", pages.file_name);
        if let Ok(name) = HeaderValue::from_str(&name) {
            headers.insert(CONTENT_DISPOSITION, name);
        }
    }
    let (text, next) = page(&paged, &Value::Null, edge).await?;
    let start = (edge.clone(), paged, next, Some(text));
    let pieces = stream::unfold(start, move |(edge, paged, next, ready)| async move {
        if let Some(text) = ready {
            return Some((Ok(text), (edge, paged, next, None)));
        }
        if next.is_null() {
            return None;
        }
        match page(&paged, &next, &edge).await {
            Ok((text, next)) => Some((Ok(text), (edge, paged, next, None))),
            Err(error) => Some((Err(error), (edge, paged, Value::Null, None))),
        }
    });
    Ok(Response {
        status: StatusCode::OK,
        headers,
        body: Body::Stream(edge.platform.streamed(pieces)),
    })
}

/// The text of a page, and where the next one begins; null if it is the last one.
async fn page<P: Platform>(
    paged: &Paged<P::Body>,
    after: &Value,
    edge: &Edge<P>,
) -> Result<(Vec<u8>, Value), Error> {
    let relay = paged.relay(after, edge)?;
    let mut page = parsed(relay, MAX_PAGE_BYTES, edge).await?;
    let next = page
        .get_mut("next")
        .map(Value::take)
        .ok_or(Error::UpstreamFailed)?;
    match page.get_mut("text").map(Value::take) {
        // A page that leads to itself would never end.
        Some(Value::String(text)) if next.is_null() || next != *after => {
            Ok((text.into_bytes(), next))
        }
        _ => Err(Error::UpstreamFailed),
    }
}
