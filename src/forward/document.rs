//! Texts that the build has made, with what a function adds to one for the caller.

use std::hash::Hasher as _;
use std::rc::Rc;

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
use crate::isolate::documents::Joined;
use crate::isolate::{Edge, turns};
use crate::message::{Body, Response};
use crate::runtime::Platform;
use crate::scope::Added;

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
    more: Option<Added<P::Body>>,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, Error> {
    let mut headers = Headers::new();
    let (etag, body) = if let Some(added) = more {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        let joined = of_role(document, added, edge).await?;
        (joined.etag.clone(), joined.text.clone())
    } else {
        let made = made(document, edge).await?;
        let (digest, text) = made.split_once('\n').unwrap_or_default();
        headers.insert(
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=60"),
        );
        (format!("\"{digest}\""), text.replace(PLACE, ""))
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

/// The text that the build has made. Its first line is a digest of the rest.
async fn made<P: Platform>(document: &Document, edge: &Edge<P>) -> Result<String, Error> {
    let made = edge.platform.document(document.name).await;
    made.ok_or(Error::Internal("the build has made no documents"))
}

/// The text as callers of a role get it. The database is asked in any case, since it checks the caller.
async fn of_role<P: Platform>(
    document: &Document,
    Added {
        is_user,
        call,
        kept,
    }: Added<P::Body>,
    edge: &Edge<P>,
) -> Result<Rc<Joined>, Error> {
    if let Some(sharer) = &call.sharer {
        turns::before_document(sharer.name(), edge).await;
    }
    let added = bytes(send_on(call, edge).await?.body, MAX_BYTES, edge).await;
    let added = added.map_err(|fault| result_fault(fault, MAX_BYTES))?;
    if let Some(kept) = kept {
        return Ok(kept);
    }
    let made = made(document, edge).await?;
    let (digest, text) = made.split_once('\n').unwrap_or_default();
    let mut hasher = FxHasher::default();
    hasher.write(&added);
    let joined = Rc::new(Joined {
        etag: format!("\"{digest}-{:016x}\"", hasher.finish()),
        text: joined(text, &added).ok_or(Error::UpstreamFailed)?,
    });
    let now_ms = edge.platform.now_ms();
    let mut documents = edge.documents.borrow_mut();
    documents.keep(is_user, joined.clone(), now_ms);
    Ok(joined)
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
