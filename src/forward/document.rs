//! Texts that the build has made, with what a function adds to one for the caller.

use std::hash::Hasher as _;

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, REFERRER_POLICY, VARY,
};
use http::{HeaderValue, StatusCode};
use rustc_hash::FxHasher;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{bytes, result_fault, send_on};
use crate::endpoint::Document;
use crate::error::Error;
use crate::headers::Headers;
use crate::isolate::Edge;
use crate::message::{Body, Response};
use crate::runtime::Platform;
use crate::scope::Relay;

/// The most bytes that a function adds.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// The places in a text at which the function's schemas and paths are added: no JSON contains this character.
const PLACE: char = '\u{1e}';
/// A page loads nothing but files of this address; the style sheet has pictures of its own.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the function adds: the fields of two objects.
#[derive(Deserialize)]
struct More<'a> {
    #[serde(borrow)]
    schemas: &'a RawValue,
    #[serde(borrow)]
    paths: &'a RawValue,
}

/// Answers with the text.
///
/// # Errors
/// The errors of the function's call.
pub(super) async fn send<P: Platform>(
    document: &Document,
    more: Option<Relay<P::Body>>,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, Error> {
    let made = edge.platform.document(document.name).await;
    let made = made.ok_or(Error::Internal("the build has made no documents"))?;
    // Its first line is a digest of the rest.
    let (digest, text) = made.split_once('\n').unwrap_or_default();
    let mut headers = Headers::new();
    let (etag, body) = match more {
        None => {
            headers.insert(
                CACHE_CONTROL,
                HeaderValue::from_static("public, max-age=60"),
            );
            (format!("\"{digest}\""), text.replace(PLACE, ""))
        }
        Some(relay) => {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
            let added = bytes(send_on(relay, edge).await?.body, MAX_BYTES, edge).await;
            let added = added.map_err(|fault| result_fault(fault, MAX_BYTES))?;
            let mut hasher = FxHasher::default();
            hasher.write(&added);
            let body = joined(text, &added).ok_or(Error::UpstreamFailed)?;
            (format!("\"{digest}-{:016x}\"", hasher.finish()), body)
        }
    };
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| Error::Internal("a digest is no header"))
    };
    headers.insert(ETAG, value(&etag)?);
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(document.content_type),
    );
    if document.function.is_some() {
        headers.insert(VARY, HeaderValue::from_static("Apikey, Authorization"));
    }
    if document.content_type.starts_with("text/html") {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
    Ok(Response {
        status: StatusCode::OK,
        headers,
        body: Body::Bytes(body.into_bytes()),
    })
}

/// The text with what the function adds at the end of its schemas and of its paths, neither of which is empty.
fn joined(text: &str, added: &[u8]) -> Option<String> {
    let more: More<'_> = serde_json::from_slice(added).ok()?;
    let mut joined = String::with_capacity(text.len() + added.len());
    let mut parts = text.split(PLACE);
    joined.push_str(parts.next()?);
    for (object, part) in [more.schemas, more.paths].into_iter().zip(parts) {
        let fields = object.get().strip_prefix('{')?.strip_suffix('}')?.trim();
        if !fields.is_empty() {
            joined.push(',');
            joined.push_str(fields);
        }
        joined.push_str(part);
    }
    Some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_added_in_two_places() {
        let text = "{\"schemas\":{\"a\":1\u{1e}},\"paths\":{\"/b\":2\u{1e}}}";
        let of = |added: &str| joined(text, added.as_bytes());
        let all = of(r#"{"schemas":{"c":3},"paths":{"/d":4,"/e":{}}}"#);
        let wanted = r#"{"schemas":{"a":1,"c":3},"paths":{"/b":2,"/d":4,"/e":{}}}"#;
        assert_eq!(all.as_deref(), Some(wanted));
        let none = of(r#"{"schemas": {}, "paths": { }}"#);
        assert_eq!(
            none.as_deref(),
            Some(r#"{"schemas":{"a":1},"paths":{"/b":2}}"#)
        );
        for wrong in ["", "null", "{}", r#"{"schemas":[],"paths":{}}"#] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
