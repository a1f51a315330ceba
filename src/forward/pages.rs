//! A text of any length, which a function gives in pages. Each is asked for when the client has taken the one before, so that neither
//! the database nor the edge holds more than one.

use futures_util::stream::unfold;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use serde_json::Value;

use super::{parsed, share, stream};
use crate::error::Error;
use crate::headers::Headers;
use crate::isolate::Edge;
use crate::message::{Body, Response};
use crate::runtime::Platform;
use crate::scope::{Paged, Relay};

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
    let first = paged.relay(&Value::Null, edge)?;
    let place = match &first.sharer {
        Some(sharer) => share::acquire_download(sharer, edge).await?,
        None => None,
    };
    let (text, next) = page(first, &Value::Null, edge).await?;
    let is_head = paged.request.method == Method::HEAD;
    let start = (edge.apart(), paged, next, Some(text));
    let pieces = unfold(start, move |(edge, paged, next, ready)| async move {
        if let Some(text) = ready {
            return Some((Ok(text), (edge, paged, next, None)));
        }
        if next.is_null() {
            return None;
        }
        let page = match paged.relay(&next, &edge) {
            Ok(relay) => page(relay, &next, &edge).await,
            Err(error) => Err(error),
        };
        match page {
            Ok((text, next)) => Some((Ok(text), (edge, paged, next, None))),
            Err(error) => Some((Err(error), (edge, paged, Value::Null, None))),
        }
    });
    Ok(Response {
        status: StatusCode::OK,
        headers,
        body: if is_head {
            Body::Empty
        } else {
            Body::Stream(stream::of_pages(pieces, place, edge)?)
        },
    })
}

/// The text of the page after another one, and where the next one begins; null if it is the last one.
async fn page<P: Platform>(
    relay: Relay<P::Body>,
    after: &Value,
    edge: &Edge<P>,
) -> Result<(Vec<u8>, Value), Error> {
    let mut page: Value = parsed(relay, MAX_PAGE_BYTES, edge).await?;
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
