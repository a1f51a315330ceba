//! Bodies: read into memory, or passed on unread. Either way up to a limit.

use super::headers::{content_coding, declared_length};
use crate::endpoint::Route;
use crate::error::Error;
use crate::isolate::Edge;
use crate::message::{Body, ReadFault, Request};
use crate::runtime::Platform;

/// The most bytes of a route's body.
pub(super) fn limit<P>(route: &Route, edge: &Edge<P>) -> usize {
    route.body_limit.unwrap_or(edge.config.limits.body_bytes)
}

/// Reads the whole body into memory and decompresses it. The limit applies before and after decompression.
pub(super) async fn read_body<P: Platform>(
    request: &mut Request<P::Body>,
    limit: usize,
    edge: &Edge<P>,
) -> Result<Vec<u8>, Error> {
    let is_zipped = match content_coding(request).as_deref() {
        None => false,
        Some("gzip" | "x-gzip") => true,
        Some(_) => return Err(Error::UnsupportedEncoding { accepted: "gzip" }),
    };
    if declared_length(request)?.is_some_and(|length| length > limit) {
        return Err(Error::BodyTooLarge { limit });
    }
    let Some(body) = request.body.take() else {
        return Ok(Vec::new());
    };
    let deadline_ms = edge.config.limits.upload_ms;
    let read = edge.platform.read(body, limit, deadline_ms).await;
    let bytes = read.map_err(|fault| Error::of_body(fault, limit))?;
    if !is_zipped {
        return Ok(bytes);
    }
    let unzipped = edge.platform.unzip(&bytes, limit, deadline_ms).await;
    unzipped.map_err(|fault| match fault {
        ReadFault::Broken => Error::MalformedBody("it is not gzip, or it broke off".into()),
        fault => Error::of_body(fault, limit),
    })
}

/// The body to pass on unread. The platform enforces the declared length, or counts if there is none.
pub(super) fn pass_body<P: Platform>(
    request: &mut Request<P::Body>,
    limit: usize,
    edge: &Edge<P>,
) -> Result<Body<P::Body>, Error> {
    let length = declared_length(request)?;
    if length.is_some_and(|length| length > limit) {
        return Err(Error::BodyTooLarge { limit });
    }
    Ok(match request.body.take() {
        // PostgREST does not read encoded bodies.
        Some(_) if content_coding(request).is_some() => {
            return Err(Error::UnsupportedEncoding {
                accepted: "identity",
            });
        }
        Some(stream) if length != Some(0) => Body::Upload {
            stream,
            length,
            limit,
            deadline_ms: edge.config.limits.upload_ms,
        },
        _ => Body::Empty,
    })
}
