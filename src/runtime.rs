//! What the stages need of the runtime, so that they are plain Rust and run natively in tests.

use std::future::Future;

use futures_util::Stream;

use crate::error::Error;
use crate::message::{Body, Outgoing, Place, ReadFault, Response, SendFault};
use crate::public_key::PublicKey;

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

/// A body that is written while it is sent; [`crate::hooks::Out`] says what each of these does.
#[expect(
    async_fn_in_trait,
    reason = "one thread per isolate: no future has to be Send"
)]
pub trait Writer: 'static {
    /// Sends a piece once those before have been taken. Whether the client is still there.
    async fn write(&self, bytes: Vec<u8>) -> bool;

    /// Ends the body, once the client has taken it or has gone.
    async fn close(&self);

    /// Ends the body so that the client sees that it is incomplete.
    fn break_off(&self);

    /// Whether the runtime's signal shows that the client has gone, and whether a failing write does.
    fn watch(&self, signal: bool, write: bool);

    /// Whether the client has gone.
    fn is_gone(&self) -> bool;

    /// Ready when the client has gone.
    async fn gone(&self);

    /// The sign that showed it first: `signal` or `write`.
    fn why_gone(&self) -> Option<&'static str>;
}

/// What only the platform can do.
#[expect(
    async_fn_in_trait,
    reason = "one thread per isolate: no future has to be Send"
)]
pub trait Platform: Clone + 'static {
    /// Its stream of bytes.
    type Body;

    /// Writes a body.
    type Writer: Writer;

    /// Counts the request as one that the database works on.
    type AtDatabase;

    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;

    /// The place of the client.
    fn place(&self) -> Place;

    /// Writes a line to the log.
    fn log(&self, line: &str);

    /// Writes the line of the log about the request, at the latest with its answer.
    fn log_request(&self, line: String);

    /// Keeps the request alive when its client hangs up, until the value is dropped: the database does not end what it has begun.
    fn at_database(&self) -> Self::AtDatabase;

    /// The platform for work that goes on when the request's client hangs up.
    #[must_use]
    fn apart(&self) -> Self;

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

    /// Decrypts what [`Platform::encrypt`] made of the same key, nonce and context; none on failure.
    async fn decrypt(
        &self,
        key: &[u8],
        nonce: &[u8],
        context: &[u8],
        data: &[u8],
    ) -> Option<Vec<u8>>;

    /// Sends a request and follows no redirect. Calls `sent` when an upload has been sent completely.
    async fn send(
        &self,
        request: &Outgoing<Self::Body>,
        sent: &dyn Fn(),
    ) -> Result<Response<Self::Body>, SendFault>;

    /// The WebSocket that an answer has opened, with every message of the client read by [`crate::scope::message`].
    fn watched(&self, socket: Self::Body) -> Self::Body;

    /// Reads a body of at most `limit` bytes within `deadline_ms`; stops reading beyond either.
    async fn read(
        &self,
        body: Self::Body,
        limit: usize,
        deadline_ms: u32,
    ) -> Result<Vec<u8>, ReadFault>;

    /// The same for the request's own body, whose length it may declare.
    async fn read_request(
        &self,
        body: Self::Body,
        declared: Option<usize>,
        limit: usize,
        deadline_ms: u32,
    ) -> Result<Vec<u8>, ReadFault>;

    /// Reads a body as [`Platform::read`] does, to pass it on. Its bytes may stay with the platform.
    async fn whole(
        &self,
        body: Self::Body,
        limit: usize,
        deadline_ms: u32,
    ) -> Result<Body<Self::Body>, ReadFault>;

    /// The chunks of a body as they arrive; of a gzip body, decompressed, each at most 64 KB. The body may have at most `limit`
    /// bytes before decompression, and may pause for at most `idle_ms`.
    fn chunks(
        &self,
        body: Self::Body,
        is_zipped: bool,
        limit: usize,
        idle_ms: u32,
    ) -> impl Stream<Item = Result<Vec<u8>, ReadFault>>;

    /// The chunks of a service's answer as they arrive, within the same limits. It closes the connection when it is dropped.
    /// `turn` gives, by the bytes of the piece before, the milliseconds until the turn of the next one: what arrives meanwhile is
    /// joined, up to 8 KB.
    fn pieces(
        &self,
        body: Self::Body,
        limit: usize,
        idle_ms: u32,
        turn: impl Fn(usize) -> u32,
    ) -> impl Stream<Item = Result<Vec<u8>, ReadFault>>;

    /// A body that breaks off after `limit` bytes and then logs so under the id of the request that it answers. If its first chunk
    /// exceeds the limit, no byte is passed on.
    ///
    /// # Errors
    /// [`ReadFault::TooLarge`] if the first chunk exceeds the limit, [`ReadFault::Broken`] if the body itself breaks
    /// off.
    async fn bounded(&self, body: Self::Body, limit: usize) -> Result<Body<Self::Body>, ReadFault>;

    /// Decompresses a gzip body to at most `limit` bytes; stops beyond them. `hold` gets the length so far, and says whether there is room
    /// for it.
    async fn unzip(
        &self,
        body: &[u8],
        limit: usize,
        deadline_ms: u32,
        hold: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Vec<u8>, ReadFault>;

    /// A text that the build has put beside the bundle: a digest of it in the first line, and the text.
    async fn document(&self, name: &str) -> Option<String>;

    /// Decodes bytes in a charset of the Encoding Standard, named by one of its labels; none for an unknown charset.
    fn decode(label: &str, bytes: &[u8]) -> Option<String>;

    /// A body that is written while it is sent. A client that takes nothing of it for `idle_ms` has gone.
    ///
    /// # Errors
    /// [`Error::Internal`].
    fn pushed(&self, idle_ms: u32) -> Result<(Self::Body, Self::Writer), Error>;

    /// Work that goes on whether or not the request is answered and its client is there, as long as the runtime allows. Its sends
    /// and waits are those of the request.
    fn outlive(&self, work: impl Future<Output = ()> + 'static);

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
