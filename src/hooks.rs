//! The code that systems hand to the core beside their endpoints: what continues with a function's result, what a job does,
//! and what proves who sent a request. A manifest refers to it by name.

use crate::headers::Headers;
use futures_util::future::LocalBoxFuture;
use http::Method;
use serde_json::Value;

use crate::config::Config;
use crate::error::Error;
use crate::message::{Body, Outgoing, Response, SendFault};

/// The most bytes of a function's result, unless the hook says otherwise.
const MAX_RESULT_BYTES: usize = 1024 * 1024;

/// Continues with the result of a call, and gives what the endpoint answers with.
pub type AfterCall =
    for<'a> fn(&'a Value, Services<'a>) -> LocalBoxFuture<'a, Result<Value, Error>>;

/// Runs a job, and gives the number of rows by kind of work.
pub type JobBody = for<'a> fn(Services<'a>) -> LocalBoxFuture<'a, Result<Value, Error>>;

/// Checks who sent a request, by its headers and its whole body.
pub type Authenticate = fn(&Signed<'_>, &Config) -> Result<(), Error>;

/// A request whose sender is to be checked.
pub struct Signed<'a> {
    /// The request headers that the edge reads.
    pub headers: &'a Headers,
    /// The whole body.
    pub body: &'a [u8],
    /// Milliseconds since 1970.
    pub now_ms: u64,
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

    /// Sends a request, and reads at most `limit` bytes of the answer.
    fn send(
        &self,
        request: Outgoing<()>,
        limit: usize,
    ) -> LocalBoxFuture<'_, Result<Response<()>, SendFault>>;
}

/// What a hook may do: call the database's functions as the edge, call services at configured addresses, read its variables,
/// the clock and the log. It sees no keys of the edge, and no other part of a request.
#[derive(Clone, Copy)]
pub struct Services<'a> {
    outside: &'a dyn Outside,
    config: &'a Config,
}

/// A request of a hook to a service.
pub struct ServiceRequest<'a> {
    /// The variable of the kind `upstream` with the service's address.
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

    /// Calls a service. Its answer has a body of bytes, and no redirect is followed.
    ///
    /// # Errors
    /// [`SendFault`], also for a variable that is not set.
    pub async fn send(&self, request: ServiceRequest<'_>) -> Result<Response<()>, SendFault> {
        let address = self.config.text(request.variable);
        let address = address.ok_or(SendFault::Unreachable)?;
        let outgoing = Outgoing {
            method: request.method,
            url: format!("{address}/{}", request.path),
            headers: request.headers,
            body: if request.body.is_empty() {
                Body::Empty
            } else {
                Body::Bytes(request.body)
            },
            deadline_ms: request.deadline_ms,
        };
        self.outside.send(outgoing, request.max_answer_bytes).await
    }
}
