//! A relation as CSV, page by page, each asked for when the client has taken the one before: of a million rows there is never
//! more here than one page.

use futures_util::stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use super::parsed;
use crate::edge::{Body, Edge, Platform, Response};
use crate::error::Error;
use crate::scope::Pages;

/// Bytes that a page may have.
const MOST_PAGE_BYTES: usize = 32 * 1024 * 1024;

/// What is to be sent next.
enum Next {
    Page(Vec<Value>),
    After(Value),
    Nothing,
}

/// The answer, once its first page is there: until then an error is still one.
///
/// # Errors
/// Those of reading the first page.
pub(super) async fn send<P: Platform>(
    pages: Pages,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, Error> {
    let first = page(&pages, None, edge).await?;
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("text/csv; charset=utf-8");
    headers.insert(CONTENT_TYPE, kind);
    let name = format!("attachment; filename=\"{}\"", pages.export.file_name);
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    let header = format!("{}\r\n", pages.export.header).into_bytes();
    let start = (edge.clone(), pages, Next::Page(first), header);
    let pieces = stream::unfold(start, |(edge, pages, next, mut piece)| async move {
        let rows = match next {
            Next::Nothing => return None,
            Next::Page(rows) => Ok(rows),
            Next::After(row) => page(&pages, Some(&row), &edge).await,
        };
        let mut rows = match rows {
            Ok(rows) => rows,
            Err(error) => return Some((Err(error), (edge, pages, Next::Nothing, Vec::new()))),
        };
        for row in &rows {
            let line = row.get("line").and_then(Value::as_str).unwrap_or_default();
            piece.extend_from_slice(line.as_bytes());
            piece.extend_from_slice(b"\r\n");
        }
        let is_last = Pages::ends_with(&rows);
        let next = match rows.pop() {
            Some(row) if !is_last => Next::After(row),
            _ => Next::Nothing,
        };
        Some((Ok(piece), (edge, pages, next, Vec::new())))
    });
    Ok(Response {
        status: StatusCode::OK,
        headers,
        body: Body::Stream(edge.platform.streamed(pieces)),
    })
}

async fn page<P: Platform>(
    pages: &Pages,
    last: Option<&Value>,
    edge: &Edge<P>,
) -> Result<Vec<Value>, Error> {
    match parsed(pages.after(last, edge), MOST_PAGE_BYTES, edge).await? {
        Value::Array(rows) => Ok(rows),
        _ => Err(Error::UpstreamFailed),
    }
}
