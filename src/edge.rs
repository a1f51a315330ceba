//! What the stages see of the outside world, so that they are plain Rust and run natively in tests.
//!
//! A request arrives as [`Request`], goes upstream as [`Outgoing`] and comes back as [`Response`]. A body has the
//! platform's own type and passes through unread unless a stage has to read it.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::future::Future;
use std::net::IpAddr;
use std::ops::Deref;
use std::rc::Rc;

use futures_util::Stream;
use http::{HeaderMap, Method, StatusCode};
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::error::Error;
use crate::forward::share::Shares;
use crate::forward::stale_if_error::StaleResults;
use crate::scope::replica::Writers;
use crate::verify::cache::TokenCache;
use crate::verify::keys::{KeyCache, PublicKey};
use crate::verify::token::Claims;

/// The request headers that the edge reads. The platform hands over no others, and of these it takes out the address.
pub const READ_HEADERS: &[&str] = &[
    "accept",
    "accept-language",
    "accept-profile",
    "access-control-request-headers",
    "access-control-request-method",
    "apikey",
    "authorization",
    "cf-connecting-ip",
    "content-encoding",
    "content-length",
    "content-profile",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
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
    "user-agent",
    "x-client-info",
    "x-hub-signature-256",
    "x-read-preference",
    "x-request-id",
    "x-session-token",
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
    /// The [`READ_HEADERS`] that the client sent.
    pub headers: HeaderMap,
    /// The body, if there is one.
    pub body: Option<B>,
    /// The address of the client, as Cloudflare (or the platform in its place) gives it.
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
pub fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The client's own `x-request-id`, if it has 8 to 128 letters, digits, `-`, `_` or `.`.
#[must_use]
pub fn request_id(headers: &HeaderMap) -> Option<String> {
    let well_formed = |id: &&str| {
        (8..=128).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let id = text(headers, "x-request-id").filter(well_formed)?;
    Some(id.to_owned())
}

/// An id for a request without one: 32 hexadecimal digits.
///
/// # Errors
/// [`Error::Internal`] if the platform has no source of randomness.
pub fn random_id() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Error::Internal("the platform has no randomness"))?;
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

/// A UUID of version 8 derived from a text.
#[must_use]
pub fn digest_uuid(text: &str) -> String {
    let digest = hex(&Sha256::digest(text));
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    let (first, second) = (part(0, 8), part(8, 12));
    format!(
        "{first}-{second}-8{}-8{}-{}",
        part(12, 15),
        part(15, 18),
        part(18, 30)
    )
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
    pub headers: HeaderMap,
    /// Its body.
    pub body: Body<B>,
    /// Milliseconds from the end of the body to the head of the answer; after them the edge gives up.
    pub deadline_ms: u32,
}

impl<B> Outgoing<B> {
    /// A copy, if there is no body that the first one would use up.
    #[must_use]
    pub fn again(&self) -> Option<Self> {
        matches!(self.body, Body::Empty).then(|| Self {
            method: self.method.clone(),
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: Body::Empty,
            deadline_ms: self.deadline_ms,
        })
    }
}

/// An answer: PostgREST's on its way in, or the edge's own on its way out.
pub struct Response<B> {
    /// The status.
    pub status: StatusCode,
    /// All of its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Body<B>,
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

/// The verdict of the platform's rate limiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The request may proceed, also where no limiter is configured.
    Granted,
    /// The limit is reached.
    Refused,
    /// The limiter itself failed.
    Unknown,
}

/// What only the platform can do.
#[expect(
    async_fn_in_trait,
    reason = "one thread per isolate: no future has to be Send"
)]
pub trait Platform: Clone + 'static {
    /// Its stream of bytes.
    type Body;

    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;

    /// The place of the client.
    fn place(&self) -> Place;

    /// Writes a line to the log.
    fn log(&self, line: &str);

    /// Waits for some time.
    async fn sleep(&self, milliseconds: u32);

    /// Whether `signature` over `data` was made by `key`.
    async fn verifies(&self, key: &PublicKey, data: &[u8], signature: &[u8]) -> bool;

    /// Encrypts `data` under `key` with AES-256-GCM and binds it to `context`. The last 16 bytes are the tag; none on
    /// failure.
    async fn encrypt(
        &self,
        key: &[u8],
        nonce: &[u8],
        context: &[u8],
        data: &[u8],
    ) -> Option<Vec<u8>>;

    /// Sends a request and follows no redirect. Calls `sent` when an upload has been sent completely.
    async fn send(
        &self,
        request: Outgoing<Self::Body>,
        sent: &dyn Fn(),
    ) -> Result<Response<Self::Body>, SendFault>;

    /// Reads a body of at most `limit` bytes within `deadline_ms`; stops reading beyond either.
    async fn read(
        &self,
        body: Self::Body,
        limit: usize,
        deadline_ms: u32,
    ) -> Result<Vec<u8>, ReadFault>;

    /// A body that breaks off after `limit` bytes and then logs so under `id`. If its first chunk exceeds the limit, no
    /// byte is passed on.
    ///
    /// # Errors
    /// [`ReadFault::TooLarge`] if the first chunk exceeds the limit, [`ReadFault::Broken`] if the body itself breaks
    /// off.
    async fn bounded(
        &self,
        body: Self::Body,
        limit: usize,
        id: &str,
    ) -> Result<Self::Body, ReadFault>;

    /// Decompresses a gzip body to at most `limit` bytes; stops beyond them.
    async fn unzip(
        &self,
        body: &[u8],
        limit: usize,
        deadline_ms: u32,
    ) -> Result<Vec<u8>, ReadFault>;

    /// Decodes bytes in a charset of the Encoding Standard, named by one of its labels; none for an unknown charset.
    fn decode(label: &str, bytes: &[u8]) -> Option<String>;

    /// A body that is produced chunk by chunk as the client reads it. It breaks off at an error.
    fn streamed(&self, pieces: impl Stream<Item = Result<Vec<u8>, Error>> + 'static) -> Self::Body;

    /// Continues work after the request has been answered.
    fn background(&self, work: impl Future<Output = ()> + 'static);

    /// Asks the rate limiter in front of the database's own limits. `key` runs only if a limiter is configured.
    ///
    /// # Errors
    /// The errors of `key`.
    async fn admit(&self, key: impl FnOnce() -> Result<String, Error>) -> Result<Admission, Error>;

    /// What [`Platform::cache_put`] stored under this name: in the same data centre, and for no longer than it asked
    /// for.
    async fn cache_get(&self, name: &str) -> Option<Response<Self::Body>>;

    /// Stores an answer with a body of bytes in the platform's cache. A failure is silent: it is only a cache.
    async fn cache_put(&self, name: &str, response: Response<()>, seconds: u32);
}

/// The state of an isolate across requests. No cell is ever borrowed across an await.
pub struct Isolate {
    /// The configuration, read once.
    pub config: Config,
    /// The issuers' public keys.
    pub keys: RefCell<KeyCache>,
    /// Recently verified tokens.
    pub verified: RefCell<TokenCache<Claims>>,
    /// Tokens whose signature recently fitted none of the keys.
    pub forged: RefCell<TokenCache<()>>,
    /// Users who wrote recently.
    pub writers: RefCell<Writers>,
    /// Results of functions from which endpoints answer while the database cannot be reached.
    pub stale_results: RefCell<StaleResults>,
    /// The isolate's half of its request ids, and the number of ids so far.
    ids: RefCell<(String, u64)>,
    /// The number of requests that wait for PostgREST.
    in_flight: Cell<usize>,
    /// How many of them each caller has.
    pub shares: RefCell<Shares>,
}

impl Isolate {
    /// The state of a new isolate, without keys.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            keys: RefCell::default(),
            verified: RefCell::default(),
            forged: RefCell::default(),
            writers: RefCell::default(),
            stale_results: RefCell::default(),
            ids: RefCell::default(),
            in_flight: Cell::default(),
            shares: RefCell::default(),
        }
    }

    /// Checks whether one more request may wait for PostgREST.
    ///
    /// # Errors
    /// [`Error::Overloaded`] at the limit: the queue would outlast the deadline.
    pub fn check_capacity(&self) -> Result<(), Error> {
        if self.in_flight.get() < self.config.limits.waiting {
            Ok(())
        } else {
            Err(Error::Overloaded)
        }
    }

    /// Counts a request as waiting for PostgREST until the permit is dropped.
    pub fn permit(&self) -> CapacityPermit<'_> {
        self.in_flight.set(self.in_flight.get() + 1);
        CapacityPermit(&self.in_flight)
    }

    /// An id for a request without one: 32 hexadecimal digits, of which the first 16 are the isolate's and random.
    ///
    /// # Errors
    /// [`Error::Internal`] if the platform has no source of randomness.
    pub fn next_id(&self) -> Result<String, Error> {
        let (isolate, count) = &mut *self.ids.borrow_mut();
        if isolate.is_empty() {
            *isolate = random_id()?.chars().take(16).collect();
        }
        *count += 1;
        Ok(format!("{isolate}{count:016x}"))
    }
}

/// Counts a request as waiting for PostgREST until it is dropped.
pub struct CapacityPermit<'a>(&'a Cell<usize>);

impl Drop for CapacityPermit<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// The log's line about a failure of the edge itself. `runtime` is what the platform says about it.
#[must_use]
pub fn internal_error_line(id: Option<&str>, cause: &str, runtime: Option<&str>) -> String {
    serde_json::json!({"event": "internal_error", "id": id, "message": cause, "runtime": runtime})
        .to_string()
}

/// The running edge as one request sees it: its isolate, and the platform.
#[derive(Clone)]
pub struct Edge<P> {
    isolate: Rc<Isolate>,
    /// The outside world.
    pub platform: P,
}

impl<P> Deref for Edge<P> {
    type Target = Isolate;

    fn deref(&self) -> &Isolate {
        &self.isolate
    }
}

impl<P: Platform> Edge<P> {
    /// The edge for one request.
    pub fn new(isolate: Rc<Isolate>, platform: P) -> Self {
        Self { isolate, platform }
    }

    /// Logs what the edge itself failed at. The client gets RG902 and the request's id, by which an operator finds this line.
    pub fn log_internal_error(&self, id: Option<&str>, cause: &str) {
        self.platform.log(&internal_error_line(id, cause, None));
    }

    /// Seconds since 1970.
    pub fn now(&self) -> u64 {
        self.platform.now_ms() / 1000
    }
}
