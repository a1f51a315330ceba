//! The code that systems hand to the core beside their endpoints: what continues with a function's result, what a job does,
//! and what proves who sent a request. A manifest refers to it by name.

use crate::headers::Headers;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::LocalBoxStream;
use http::{Method, StatusCode};
use serde_json::Value;

use crate::config::Config;
use crate::error::Error;
use crate::message::{Body, Outgoing, ReadFault, Response, SendFault};

/// The most bytes of a function's result, unless the hook says otherwise.
const MAX_RESULT_BYTES: usize = 1024 * 1024;

/// Continues with the result of a call, and gives what the endpoint answers with.
pub type AfterCall =
    for<'a> fn(&'a Value, Services<'a>) -> LocalBoxFuture<'a, Result<Value, Error>>;

/// Runs a job, and gives the number of rows by kind of work.
pub type JobBody = for<'a> fn(Services<'a>) -> LocalBoxFuture<'a, Result<Value, Error>>;

/// Reads what proves who sent a request. The edge checks it.
pub type Authenticate = for<'a> fn(&Signed<'a>, &'a Config) -> Result<Proof<'a>, Error>;

/// What a sealed secret is bound to. It opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    /// Schema, table and column, such as `notes.keys.secret`.
    pub column: &'a str,
    /// The row's id.
    pub row: &'a str,
    /// The id of the row's owner.
    pub owner: &'a str,
}

/// A sealed secret, as the database stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The sealed text.
    pub text: String,
    /// The number of the key that it is sealed under.
    pub key_version: u32,
}

/// A request whose sender is to be checked.
pub struct Signed<'a> {
    /// The request headers that the edge reads.
    pub headers: &'a Headers,
    /// Milliseconds since 1970.
    pub now_ms: u64,
}

/// What proves who sent a request: an HMAC-SHA256 of a prefix and the whole body.
pub struct Proof<'a> {
    /// The secrets, one of which has to have made it. An empty one makes none.
    pub secrets: Vec<&'a str>,
    /// What is signed in front of the body.
    pub prefix: String,
    /// The signatures that were sent, one of which has to fit.
    pub signatures: Vec<Vec<u8>>,
    /// The outcome if one fits.
    pub outcome: Result<(), Error>,
    /// The error if none fits.
    pub refusal: Error,
}

/// The body of a service's answer, piece by piece as it arrives. Dropping it closes the connection.
pub type Pieces<'a> = LocalBoxStream<'a, Result<Vec<u8>, ReadFault>>;

/// An answer that is sent while a hook works. Either a head and then pieces, or one whole answer.
pub trait Out {
    /// Sends the head. The body follows, until the hook ends.
    fn begin(&self, status: StatusCode, headers: Headers);

    /// Sends a whole answer.
    fn answer(&self, response: Response<()>);

    /// Sends a piece of the body once the client has taken those before. Whether the client is still there: what is written
    /// after it has gone, or before the head, is lost.
    fn write(&self, bytes: Vec<u8>) -> LocalBoxFuture<'_, bool>;

    /// Which signs show that the client has gone. `signal`: the runtime says so. `write`: a write fails, or is not taken within
    /// `upload_ms` of `LIMITS`. Both of them count unless this says otherwise.
    fn watch(&self, signs: &[String]);

    /// Whether the client has gone.
    fn is_gone(&self) -> bool;

    /// Ready when the client has gone. Of the sign `write` it knows only after a write.
    fn gone(&self) -> LocalBoxFuture<'_, ()>;

    /// The sign that showed it first, of those that count.
    fn why_gone(&self) -> Option<&'static str>;
}

/// What the platform and the database do for hooks.
pub trait Outside {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;

    /// Writes a line to the log.
    fn log(&self, line: &str);

    /// Waits for some time.
    fn sleep(&self, milliseconds: u32) -> LocalBoxFuture<'_, ()>;

    /// Calls a function of the schema `edge` in the edge's own name. A result of more than `limit` bytes is a 502.
    fn call<'a>(
        &'a self,
        function: &'a str,
        arguments: &'a Value,
        limit: usize,
    ) -> LocalBoxFuture<'a, Result<Value, Error>>;

    /// Seals a secret under the newest key.
    fn seal<'a>(
        &'a self,
        secret: &'a str,
        binding: &'a Binding<'a>,
    ) -> LocalBoxFuture<'a, Result<Sealed, Error>>;

    /// The same secret under the newest key.
    fn rewrap<'a>(
        &'a self,
        sealed: &'a Sealed,
        binding: &'a Binding<'a>,
    ) -> LocalBoxFuture<'a, Result<Sealed, Error>>;

    /// Opens a sealed secret.
    fn open<'a>(
        &'a self,
        sealed: &'a Sealed,
        binding: &'a Binding<'a>,
    ) -> LocalBoxFuture<'a, Result<String, Error>>;

    /// Sends a request, and reads at most `limit` bytes of the answer.
    fn send(
        &self,
        request: Outgoing<()>,
        limit: usize,
    ) -> LocalBoxFuture<'_, Result<Response<()>, SendFault>>;

    /// Sends a request, and gives the head of the answer and at most `limit` bytes of its body, in which no pause takes longer
    /// than `idle_ms`.
    fn open_stream(
        &self,
        request: Outgoing<()>,
        limit: usize,
        idle_ms: u32,
    ) -> LocalBoxFuture<'_, Result<(StatusCode, Headers, Pieces<'_>), SendFault>>;
}

/// What a hook may do: call the database's functions as the edge, call services at configured addresses, seal and open
/// secrets, read its variables, the clock and the log. It sees no keys of the edge, and no other part of a request.
#[derive(Clone, Copy)]
pub struct Services<'a> {
    outside: &'a dyn Outside,
    config: &'a Config,
}

/// A request of a hook to a service.
pub struct ServiceRequest<'a> {
    /// The variable of the kind `upstream` with the service's address; or one of the kind `upstreams`, a dot, and the name of the
    /// address in it.
    pub variable: &'a str,
    /// The method.
    pub method: Method,
    /// Path and query below that address, without the first slash.
    pub path: &'a str,
    /// All of its headers.
    pub headers: Headers,
    /// Its body; empty for none.
    pub body: Vec<u8>,
    /// Milliseconds that the service has to answer.
    pub deadline_ms: u32,
    /// The most bytes that are read of the answer.
    pub max_answer_bytes: usize,
}

impl<'a> Services<'a> {
    /// What a hook may do by these means.
    #[must_use]
    pub fn new(outside: &'a dyn Outside, config: &'a Config) -> Self {
        Self { outside, config }
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.outside.now_ms()
    }

    /// Writes a line to the log.
    pub fn log(&self, line: &str) {
        self.outside.log(line);
    }

    /// Waits for some time.
    pub async fn sleep(&self, milliseconds: u32) {
        self.outside.sleep(milliseconds).await;
    }

    /// A variable of a system.
    #[must_use]
    pub fn text(&self, variable: &str) -> Option<&'a str> {
        self.config.text(variable)
    }

    /// A variable of a system that holds a list.
    #[must_use]
    pub fn list(&self, variable: &str) -> &'a [String] {
        self.config.list(variable)
    }

    /// Calls a function of the schema `edge` in the edge's own name.
    ///
    /// # Errors
    /// 502, 503 and 504 for PostgREST's failures; its own 4xx as [`Error::Refused`].
    pub async fn call(&self, function: &str, arguments: &Value) -> Result<Value, Error> {
        self.call_large(function, arguments, MAX_RESULT_BYTES).await
    }

    /// The same for a result of at most `limit` bytes. A larger or unreadable one is a 502.
    ///
    /// # Errors
    /// Those of [`Services::call`].
    pub async fn call_large(
        &self,
        function: &str,
        arguments: &Value,
        limit: usize,
    ) -> Result<Value, Error> {
        self.outside.call(function, arguments, limit).await
    }

    /// Seals a secret under the newest `KEK_<n>`, bound to its place.
    ///
    /// # Errors
    /// [`Error::NotConfigured`] if there is no key to seal with.
    pub async fn seal(&self, secret: &str, binding: &Binding<'_>) -> Result<Sealed, Error> {
        self.outside.seal(secret, binding).await
    }

    /// Moves a sealed secret to the newest key, without opening it.
    ///
    /// # Errors
    /// Those of [`Services::open`].
    pub async fn rewrap(&self, sealed: &Sealed, binding: &Binding<'_>) -> Result<Sealed, Error> {
        self.outside.rewrap(sealed, binding).await
    }

    /// Opens a sealed secret. The text must reach no log, no error, no database and no cache.
    ///
    /// # Errors
    /// [`Error::NotConfigured`] if its `KEK_<n>` is not set; [`Error::Internal`] if it is damaged, or sealed for another place.
    pub async fn open(&self, sealed: &Sealed, binding: &Binding<'_>) -> Result<String, Error> {
        self.outside.open(sealed, binding).await
    }

    /// Calls a service. Its answer has a body of bytes, and no redirect is followed.
    ///
    /// # Errors
    /// [`SendFault`], also for a variable that is not set.
    pub async fn send(&self, request: ServiceRequest<'_>) -> Result<Response<()>, SendFault> {
        let limit = request.max_answer_bytes;
        self.outside.send(self.outgoing(request)?, limit).await
    }

    /// Calls a service, and gives status and headers of its answer, and the body as it arrives. A pause of the body may take
    /// `idle_ms`; a longer one is [`ReadFault::Slow`].
    ///
    /// # Errors
    /// Those of [`Services::send`].
    pub async fn open_stream(
        &self,
        request: ServiceRequest<'_>,
        idle_ms: u32,
    ) -> Result<(StatusCode, Headers, Pieces<'a>), SendFault> {
        let limit = request.max_answer_bytes;
        let outgoing = self.outgoing(request)?;
        self.outside.open_stream(outgoing, limit, idle_ms).await
    }

    fn outgoing(&self, request: ServiceRequest<'_>) -> Result<Outgoing<()>, SendFault> {
        let address = self.config.text(request.variable);
        let address = address.ok_or(SendFault::Unreachable)?;
        Ok(Outgoing {
            method: request.method,
            url: format!("{address}/{}", request.path),
            headers: request.headers,
            body: if request.body.is_empty() {
                Body::Empty
            } else {
                Body::Bytes(request.body)
            },
            deadline_ms: request.deadline_ms,
        })
    }
}
