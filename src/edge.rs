//! What the stages are given of the outside world, so that they are plain Rust and run natively in tests.
//!
//! A request comes in as [`Request`], goes upstream as [`Outgoing`] and comes back as [`Response`]. Bodies are of the
//! platform's own type and are handed on unread wherever nothing has to read them.

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

/// Headers of a request that the edge reads; the platform hands over no others, and of these it keeps the address.
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

/// The request's own `x-request-id` where it is 8 to 128 letters, digits, `-`, `_` or `.`.
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

/// A name for a request that has none: 32 hexadecimal digits.
///
/// # Errors
/// [`Error::Internal`] if the platform has no randomness.
pub fn random_id() -> Result<String, Error> {
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

/// A UUID of version 8 that is made of a text.
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

/// Where a request comes from, as far as the platform knows.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The country's two-letter code.
    pub country: Option<String>,
    /// The region's name.
    pub region: Option<String>,
    /// The city's name.
    pub city: Option<String>,
}

/// A body on its way out.
pub enum Body<B> {
    /// None.
    Empty,
    /// Bytes made here.
    Bytes(Vec<u8>),
    /// The platform's own stream, handed on unread.
    Stream(B),
    /// A client's stream, handed on unread and held to a size.
    Upload {
        /// The stream.
        stream: B,
        /// Its length in bytes, where it was declared.
        length: Option<usize>,
        /// The most bytes there may be.
        limit: usize,
        /// Milliseconds that it has to arrive.
        deadline_ms: u32,
    },
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
    /// Milliseconds for the answer's head once the body has been sent; then it is given up.
    pub deadline_ms: u32,
}

impl<B> Outgoing<B> {
    /// The same once more, if it has no body that would be used up.
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
    /// The client's body could not be had whole.
    Body(ReadFault),
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
    /// Too many bodies are being held.
    BufferFull,
}

/// What the platform's rate limiter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Go on; also where no limiter is configured.
    Granted,
    /// Too many.
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

    /// Where the request comes from.
    fn place(&self) -> Place;

    /// Writes a line to the log.
    fn log(&self, line: &str);

    /// Waits.
    async fn sleep(&self, milliseconds: u32);

    /// A wait that another request of the isolate ends, by the function that comes with it.
    fn signal(&self) -> (Box<dyn FnOnce()>, impl Future<Output = ()> + 'static);

    /// Whether `signature` over `data` was made by `key`.
    async fn verifies(&self, key: &PublicKey, data: &[u8], signature: &[u8]) -> bool;

    /// Encrypts by AES-256-GCM: `data` under `key`, bound to `context`. The tag is the last 16 bytes; none if it fails.
    async fn encrypt(
        &self,
        key: &[u8],
        nonce: &[u8],
        context: &[u8],
        data: &[u8],
    ) -> Option<Vec<u8>>;

    /// Sends a request; redirects are not followed. `sent` is called when an upload has gone out to its end.
    async fn send(
        &self,
        request: Outgoing<Self::Body>,
        sent: &dyn Fn(),
    ) -> Result<Response<Self::Body>, SendFault>;

    /// Reads a body of at most `limit` bytes, for at most `deadline_ms`; stops reading where there are more.
    async fn read(
        &self,
        body: Self::Body,
        limit: usize,
        deadline_ms: u32,
    ) -> Result<Vec<u8>, ReadFault>;

    /// A body that breaks off where it has more than `limit` bytes, which is logged under `id`. Of one that has more in its
    /// first pieces nothing is handed on.
    ///
    /// # Errors
    /// [`ReadFault::TooLarge`] where that is known at once, [`ReadFault::Broken`] where it breaks off by itself.
    async fn bounded(
        &self,
        body: Self::Body,
        limit: usize,
        id: &str,
    ) -> Result<Self::Body, ReadFault>;

    /// What a body of gzip stands for, at most `limit` bytes; stops where there are more.
    async fn unzip(
        &self,
        body: &[u8],
        limit: usize,
        deadline_ms: u32,
    ) -> Result<Vec<u8>, ReadFault>;

    /// Bytes as text in a charset of the Encoding Standard, by one of its labels; none if it has no such charset.
    fn decode(label: &str, bytes: &[u8]) -> Option<String>;

    /// A body that is made piece by piece, as it is read. It breaks off at an error.
    fn streamed(&self, pieces: impl Stream<Item = Result<Vec<u8>, Error>> + 'static) -> Self::Body;

    /// Goes on with work after the request has been answered.
    fn background(&self, work: impl Future<Output = ()> + 'static);

    /// Asks the rate limiter that stands in front of the database's own limits; the key is made only where there is one.
    ///
    /// # Errors
    /// Those of making the key.
    async fn admit(&self, key: impl FnOnce() -> Result<String, Error>) -> Result<Admission, Error>;

    /// What [`Platform::cache_put`] kept under this name: in this data centre, for as long as it was told to, or shorter.
    async fn cache_get(&self, name: &str) -> Option<Response<Self::Body>>;

    /// Keeps an answer with a body of bytes under a name. What cannot be kept is not.
    async fn cache_put(&self, name: &str, response: Response<()>, seconds: u32);
}

/// What an isolate knows across requests. No cell is ever borrowed across an await.
pub struct Isolate {
    /// Read once.
    pub config: Config,
    /// The issuers' public keys.
    pub keys: RefCell<KeyCache>,
    /// Tokens verified a moment ago.
    pub verified: RefCell<TokenCache<Claims>>,
    /// Tokens that none of the keys fitted a moment ago.
    pub forged: RefCell<TokenCache<()>>,
    /// Who wrote a moment ago.
    pub writers: RefCell<Writers>,
    /// What functions have said that answers can be made of while the database cannot be reached.
    pub stale_results: RefCell<StaleResults>,
    /// The first half of its requests' names, and how many there were.
    ids: RefCell<(String, u64)>,
    /// Requests that wait for PostgREST.
    in_flight: Cell<usize>,
    /// Whose they are.
    pub shares: RefCell<Shares>,
}

impl Isolate {
    /// One that has no keys yet.
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

    /// Whether somebody more may wait for PostgREST.
    ///
    /// # Errors
    /// [`Error::Overloaded`] if all places are taken: the queue behind them would outlast the deadline.
    pub fn check_capacity(&self) -> Result<(), Error> {
        if self.in_flight.get() < self.config.limits.waiting {
            Ok(())
        } else {
            Err(Error::Overloaded)
        }
    }

    /// A place among those that wait for PostgREST, given up when dropped.
    pub fn permit(&self) -> CapacityPermit<'_> {
        self.in_flight.set(self.in_flight.get() + 1);
        CapacityPermit(&self.in_flight)
    }

    /// A name for a request that has none: 32 hexadecimal digits, the first half the isolate's, random.
    ///
    /// # Errors
    /// [`Error::Internal`] if the platform has no randomness.
    pub fn next_id(&self) -> Result<String, Error> {
        let (isolate, count) = &mut *self.ids.borrow_mut();
        if isolate.is_empty() {
            *isolate = random_id()?.chars().take(16).collect();
        }
        *count += 1;
        Ok(format!("{isolate}{count:016x}"))
    }
}

/// A place among the requests that wait for PostgREST.
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

/// What a request is answered with: its isolate, and the outside as this request has it.
#[derive(Clone)]
pub struct Edge<P> {
    isolate: Rc<Isolate>,
    /// The outside.
    pub platform: P,
}

impl<P> Deref for Edge<P> {
    type Target = Isolate;

    fn deref(&self) -> &Isolate {
        &self.isolate
    }
}

impl<P: Platform> Edge<P> {
    /// For one request.
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
