//! Bodies: read into memory, passed on unread, or read as they arrive. In each case up to a limit.

use crate::endpoint::Route;
use crate::error::Error;
use crate::isolate::{Edge, MAX_HELD_BYTES};
use crate::message::{Body, KB, ReadFault, Request};
use crate::runtime::Platform;

/// Bytes of a decompressed body that do not count.
const UNCOUNTED_BYTES: usize = 64 * KB;

/// The most bytes of a route's body.
pub(crate) fn limit<P>(route: &Route, edge: &Edge<P>) -> usize {
    route.body_limit.unwrap_or(edge.config.limits.body_bytes)
}

/// The whole body, which verify may have read already.
pub(crate) async fn read_all<P: Platform>(
    request: &mut Request<P::Body>,
    limit: usize,
    edge: &Edge<P>,
) -> Result<Vec<u8>, Error> {
    match request.read.take() {
        Some(bytes) => Ok(bytes),
        None => read_body(request, limit, edge).await,
    }
}

/// Reads the whole body into memory and decompresses it. The limit applies before and after decompression. What has been decompressed
/// counts as long as it is there: its client has sent a thousandth of it.
async fn read_body<P: Platform>(
    request: &mut Request<P::Body>,
    limit: usize,
    edge: &Edge<P>,
) -> Result<Vec<u8>, Error> {
    let is_zipped = is_zipped(request)?;
    let declared = declared_length(request)?;
    if declared.is_some_and(|length| length > limit) {
        return Err(Error::BodyTooLarge { limit });
    }
    let Some(body) = request.body.take() else {
        return Ok(Vec::new());
    };
    let deadline_ms = edge.config.limits.upload_ms;
    let read = edge
        .platform
        .read_request(body, declared, limit, deadline_ms);
    let read = read.await;
    let bytes = read.map_err(|fault| Error::of_body(fault, limit))?;
    if !is_zipped {
        return Ok(bytes);
    }
    // All of them together have no more.
    let limit = limit.min(MAX_HELD_BYTES);
    let mut counted = edge.unzipped();
    let mut hold = |length: usize| length <= UNCOUNTED_BYTES || counted.set(length).is_ok();
    let unzipped = edge
        .platform
        .unzip(&bytes, limit, deadline_ms, &mut hold)
        .await;
    let unzipped = unzipped.map_err(|fault| match fault {
        ReadFault::Broken => Error::MalformedBody("it is not gzip, or it broke off".into()),
        fault => Error::of_body(fault, limit),
    })?;
    request.held = Some(Box::new(counted));
    Ok(unzipped)
}

/// A body that is read as it arrives.
pub(crate) struct Flow<B> {
    pub stream: B,
    pub is_zipped: bool,
    /// The most bytes, before and after decompression.
    pub limit: usize,
}

/// The body to read as it arrives; none if it is empty.
pub(crate) fn flow<B>(request: &mut Request<B>, limit: usize) -> Result<Option<Flow<B>>, Error> {
    let is_zipped = is_zipped(request)?;
    if declared_length(request)?.is_some_and(|length| length > limit) {
        return Err(Error::BodyTooLarge { limit });
    }
    let stream = request.body.take();
    Ok(stream.map(|stream| Flow {
        stream,
        is_zipped,
        limit,
    }))
}

/// Whether the body is gzip.
fn is_zipped<B>(request: &Request<B>) -> Result<bool, Error> {
    match content_coding(request).as_deref() {
        None => Ok(false),
        Some("gzip" | "x-gzip") => Ok(true),
        Some(_) => Err(Error::UnsupportedEncoding { accepted: "gzip" }),
    }
}

/// The body to pass on unread. The platform enforces the declared length, or counts if there is none.
pub(crate) fn pass_body<P: Platform>(
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
            is_buffered: true,
            deadline_ms: edge.config.limits.upload_ms,
        },
        _ => Body::Empty,
    })
}

/// The body to hand on to a service unread, encoded as it is, within some milliseconds.
pub(crate) fn hand_on<B>(
    request: &mut Request<B>,
    limit: usize,
    deadline_ms: u32,
) -> Result<Body<B>, Error> {
    let length = declared_length(request)?;
    if length.is_some_and(|length| length > limit) {
        return Err(Error::BodyTooLarge { limit });
    }
    let stream = request.body.take().filter(|_| length != Some(0));
    Ok(stream.map_or(Body::Empty, |stream| Body::Upload {
        stream,
        length,
        limit,
        is_buffered: false,
        deadline_ms,
    }))
}

/// The length that the request declares.
fn declared_length<B>(request: &Request<B>) -> Result<Option<usize>, Error> {
    let name = "content-length";
    match request.headers.get(name) {
        None => Ok(None),
        Some(value) => match value.to_str().ok().and_then(|text| text.parse().ok()) {
            Some(length) => Ok(Some(length)),
            None => Err(Error::BadHeader {
                name,
                wanted: "a number of bytes",
            }),
        },
    }
}

/// Bytes that a body of undeclared length counts before it has been read: one in pieces costs several times what one costs whose length
/// the runtime knows.
const UNDECLARED_BYTES: usize = 4 * 1024 * KB;

/// The bytes that a request's body is expected to have.
pub(crate) fn expected_bytes<B>(request: &Request<B>) -> usize {
    if request.body.is_none() {
        return 0;
    }
    let declared = declared_length(request).ok().flatten();
    declared.unwrap_or(UNDECLARED_BYTES)
}

/// All bytes of an answer.
pub(crate) async fn read_answer<P: Platform>(
    body: Body<P::Body>,
    limit: usize,
    deadline_ms: u32,
    edge: &Edge<P>,
) -> Result<Vec<u8>, ReadFault> {
    match body {
        Body::Bytes(bytes) => Ok(bytes),
        Body::Stream(stream) => edge.platform.read(stream, limit, deadline_ms).await,
        Body::Empty | Body::Upload { .. } => Ok(Vec::new()),
    }
}

/// The encoding of the body, in lower case; none if it is not encoded.
fn content_coding<B>(request: &Request<B>) -> Option<String> {
    let value = request.headers.get("content-encoding")?;
    let coding = value.to_str().unwrap_or("unreadable").trim();
    (!["", "identity"].contains(&coding)).then(|| coding.to_ascii_lowercase())
}
