//! HTTP as the stages see it.
//!
//! A request arrives as [`Request`], goes upstream as [`Outgoing`] and comes back as [`Response`]. A body has the
//! platform's own type and passes through unread unless a stage has to read it.

use std::any::Any;
use std::net::IpAddr;

use crate::headers::Headers;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};

/// Bytes in a kilobyte, for body limits.
pub const KB: usize = 1024;

/// The most bytes of a body of declared length that is read whole before it is sent to a service, while there is room: that costs less
/// than a pipe.
pub(crate) const MAX_WHOLE_BYTES: usize = 128 * KB;

/// The request headers that the core reads. The platform hands over these and those of the systems' manifests, and takes out
/// the address.
pub const READ_HEADERS: &[&str] = &[
    "accept",
    "accept-language",
    "accept-profile",
    "access-control-request-headers",
    "access-control-request-method",
    "apikey",
    "authorization",
    "cache-control",
    "cf-connecting-ip",
    "content-encoding",
    "content-length",
    "content-profile",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-event-id",
    "origin",
    "prefer",
    "range",
    "range-unit",
    "referer",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "traceparent",
    "tracestate",
    "tus-resumable",
    "upgrade",
    "upload-defer-length",
    "upload-length",
    "upload-metadata",
    "upload-offset",
    "user-agent",
    "x-client-info",
    "x-metadata",
    "x-read-preference",
    "x-region",
    "x-request-id",
    "x-signature",
    "x-supabase-api-version",
    "x-upsert",
];

/// The names of usual answers, PostgREST's and the edge's. The platform hands over all headers of an answer; these cost less.
pub const ANSWER_HEADERS: &[&str] = &[
    "access-control-allow-credentials",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "cache-control",
    "content-location",
    "content-range",
    "date",
    "etag",
    "location",
    "preference-applied",
    "proxy-status",
    "retry-after",
    "server",
    "server-timing",
    "transfer-encoding",
    "vary",
    "www-authenticate",
    "x-content-type-options",
];

/// A request as it arrived.
pub struct Request<B> {
    /// Its id in logs, upstream and in the answer; see [`request_id`].
    pub id: String,
    /// The method.
    pub method: Method,
    /// The path, still percent-encoded.
    pub path: String,
    /// The query without its question mark, still percent-encoded; empty without a query.
    pub query: String,
    /// The headers that the edge reads and the client sent.
    pub headers: Headers,
    /// The body, if there is one and it has not been read.
    pub body: Option<B>,
    /// The whole body, if a check of its sender has read it.
    pub read: Option<Vec<u8>>,
    /// What counts the bytes of the body in memory, until it is dropped.
    pub held: Option<Box<dyn Any>>,
    /// The address of the client, as Cloudflare (or the platform in its place) gives it; never an IPv4 address written as IPv6.
    pub address: Option<IpAddr>,
}

impl<B> Request<B> {
    /// A header's value, if the client sent it and it is readable text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        text(&self.headers, name)
    }
}

/// A header's value, if it is present and readable text.
#[must_use]
pub fn text<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The client's own `x-request-id`, if it has 8 to 128 letters, digits, `-`, `_` or `.`.
#[must_use]
pub fn request_id(headers: &Headers) -> Option<String> {
    let well_formed = |id: &&str| {
        (8..=128).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let id = text(headers, "x-request-id").filter(well_formed)?;
    Some(id.to_owned())
}

/// The place of a client, as far as the platform knows it.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The country's two-letter code.
    pub country: Option<String>,
    /// The region's name.
    pub region: Option<String>,
    /// The city's name.
    pub city: Option<String>,
}

/// A body that the edge sends.
pub enum Body<B> {
    /// No body.
    Empty,
    /// Bytes that the edge made.
    Bytes(Vec<u8>),
    /// A stream of the platform, passed on unread.
    Stream(B),
    /// A client's stream, passed on unread up to a limit.
    Upload {
        /// The stream.
        stream: B,
        /// Its length in bytes, if the client declared it.
        length: Option<usize>,
        /// The limit in bytes.
        limit: usize,
        /// Whether a body that declares no length is read whole before it is sent.
        is_buffered: bool,
        /// Milliseconds that it may take to arrive.
        deadline_ms: u32,
    },
}

/// A request of the edge to PostgREST, an issuer or another service.
pub struct Outgoing<B> {
    /// The method.
    pub method: Method,
    /// The absolute URL.
    pub url: String,
    /// All of its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Body<B>,
    /// Milliseconds from the end of the body to the head of the answer; after them the edge gives up.
    pub deadline_ms: u32,
}

impl<B> Outgoing<B> {
    /// A copy, if there is no stream that the first one would use up.
    #[must_use]
    pub fn again(&self) -> Option<Self> {
        let body = match &self.body {
            Body::Empty => Body::Empty,
            Body::Bytes(bytes) => Body::Bytes(bytes.clone()),
            Body::Stream(_) | Body::Upload { .. } => return None,
        };
        Some(Self {
            method: self.method.clone(),
            url: self.url.clone(),
            headers: self.headers.clone(),
            body,
            deadline_ms: self.deadline_ms,
        })
    }
}

/// An answer: PostgREST's on its way in, or the edge's own on its way out.
pub struct Response<B> {
    /// The status.
    pub status: StatusCode,
    /// All of its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Body<B>,
}

/// An answer with a body of bytes.
#[must_use]
pub fn bytes<B>(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Vec<u8>>,
) -> Response<B> {
    let mut headers = Headers::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Response {
        status,
        headers,
        body: Body::Bytes(body.into()),
    }
}

/// The type of an answer in JSON.
pub const JSON: &str = "application/json; charset=utf-8";

/// An answer in JSON.
#[must_use]
pub fn json<B>(status: StatusCode, value: &serde_json::Value) -> Response<B> {
    bytes(status, JSON, value.to_string())
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendFault {
    /// The connection was refused or broke.
    Unreachable,
    /// The deadline passed.
    Timeout,
    /// The client's body could not be read to its end.
    Body(ReadFault),
}

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFault {
    /// It has more bytes than the limit.
    TooLarge,
    /// It broke off.
    Broken,
    /// It did not arrive in time.
    Slow,
    /// Other bodies fill the buffer.
    BufferFull,
}
