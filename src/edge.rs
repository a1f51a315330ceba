//! What the stages are given of the outside world, so that they are plain Rust and run natively in tests.
//!
//! A request comes in as [`Request`], goes upstream as [`Outgoing`] and comes back as [`Response`]. Bodies are of the
//! platform's own type and are handed on unread wherever nothing has to read them.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::net::IpAddr;

use http::{HeaderMap, Method, StatusCode};

use crate::config::Config;
use crate::error::Error;
use crate::verify::cache::TokenCache;
use crate::verify::keys::{KeyCache, PublicKey};

/// Headers of a request that the edge reads; the platform hands over no others.
pub const READ_HEADERS: [&str; 22] = [
    "accept",
    "accept-profile",
    "access-control-request-headers",
    "access-control-request-method",
    "apikey",
    "authorization",
    "content-length",
    "content-profile",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "origin",
    "prefer",
    "range",
    "range-unit",
    "referer",
    "sec-fetch-mode",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-client-info",
    "x-request-id",
];

/// A request as it came in.
pub struct Request<B> {
    /// Its name in logs, upstream and in the answer; see [`request_id`].
    pub id: String,
    /// The method.
    pub method: Method,
    /// The path, still percent-encoded.
    pub path: String,
    /// The query without its question mark, still percent-encoded; empty if there is none.
    pub query: String,
    /// Those of [`READ_HEADERS`] that were sent.
    pub headers: HeaderMap,
    /// The body, where there is one.
    pub body: Option<B>,
    /// The address that Cloudflare (or the platform in its place) says the request came from.
    pub address: Option<IpAddr>,
    /// Two-letter country code, where the platform knows it.
    pub country: Option<String>,
}

impl<B> Request<B> {
    /// A header's value, if it was sent and is readable text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        text(&self.headers, name)
    }
}

/// A header's value, if it is there and is readable text.
#[must_use]
pub fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The request's own `x-request-id` where it is 8 to 128 letters, digits, `-`, `_` or `.`; otherwise a new random one.
///
/// # Errors
/// [`Error::Internal`] if the platform has no randomness.
pub fn request_id(headers: &HeaderMap) -> Result<String, Error> {
    let well_formed = |id: &&str| {
        (8..=128).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    if let Some(id) = text(headers, "x-request-id").filter(well_formed) {
        return Ok(id.to_owned());
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Error::Internal("no randomness"))?;
    Ok(hex(&bytes))
}

/// Lowercase hexadecimal digits of bytes.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// A body on its way out.
pub enum Body<B> {
    /// None.
    Empty,
    /// Bytes made here.
    Bytes(Vec<u8>),
    /// The platform's own stream, handed on unread.
    Stream(B),
}

/// A request to PostgREST or to an issuer.
pub struct Outgoing<B> {
    /// The method.
    pub method: Method,
    /// The whole address.
    pub url: String,
    /// All headers it carries.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Body<B>,
    /// Milliseconds after which it is given up.
    pub deadline_ms: u32,
}

/// An answer: PostgREST's on its way in, the edge's own on its way out.
pub struct Response<B> {
    /// The status.
    pub status: StatusCode,
    /// All its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Body<B>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendFault {
    /// No connection, or it broke.
    Unreachable,
    /// The deadline passed.
    Timeout,
}

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFault {
    /// It has more bytes than asked for.
    TooLarge,
    /// It broke off.
    Broken,
    /// It did not arrive in time.
    Slow,
}

/// Milliseconds that a body has to arrive where it is read whole.
pub const READ_DEADLINE_MS: u32 = 10_000;

/// What only the platform can do.
#[expect(
    async_fn_in_trait,
    reason = "one thread per isolate: no future has to be Send"
)]
pub trait Platform {
    /// Its stream of bytes.
    type Body;

    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;

    /// Writes a line to the log.
    fn log(&self, line: &str);

    /// Waits.
    async fn sleep(&self, milliseconds: u32);

    /// Whether `signature` over `data` was made by `key`.
    async fn verifies(&self, key: &PublicKey, data: &[u8], signature: &[u8]) -> bool;

    /// Sends a request; redirects are not followed.
    async fn send(&self, request: Outgoing<Self::Body>) -> Result<Response<Self::Body>, SendFault>;

    /// Reads a body of at most `limit` bytes, for at most [`READ_DEADLINE_MS`]; stops reading where there are more.
    async fn read(&self, body: Self::Body, limit: usize) -> Result<Vec<u8>, ReadFault>;
}

/// An isolate: its configuration, its keys, its platform.
pub struct Edge<P> {
    /// Read once.
    pub config: Config,
    /// The issuers' public keys. Never borrowed across an await.
    pub keys: RefCell<KeyCache>,
    /// Tokens verified a moment ago. Never borrowed across an await.
    pub verified: RefCell<TokenCache>,
    /// The outside.
    pub platform: P,
}

impl<P: Platform> Edge<P> {
    /// An isolate that has no keys yet.
    pub fn new(config: Config, platform: P) -> Self {
        Self {
            config,
            keys: RefCell::default(),
            verified: RefCell::default(),
            platform,
        }
    }

    /// Seconds since 1970.
    pub fn now(&self) -> u64 {
        self.platform.now_ms() / 1000
    }
}
