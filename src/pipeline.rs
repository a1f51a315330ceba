//! The path of a request: `handle` has the stages in order, and each line names what it can refuse.

use futures_util::future::FutureExt as _;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::json;

use crate::endpoint::ErrorShape;
use crate::error::Error;
use crate::isolate::{Edge, turns};
use crate::message::{Request, Response};
use crate::registry::Registry;
use crate::runtime::Platform;
use crate::verify::Caller;
use crate::{body, forward, respond, route, scope, verify};

static SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Answers a request. Every error becomes a response here, and nowhere else.
pub async fn answer<P: Platform>(request: Request<P::Body>, edge: &Edge<P>) -> Response<P::Body> {
    let request_headers = respond::request_headers(&request.headers);
    let (id, method) = (request.id.clone(), request.method.clone());
    let (address, bytes) = (request.address, body::expected_bytes(&request));
    let mut timing = Timing::start(edge);
    let mut shape = ErrorShape::Own;
    let mut caller = None;
    let outcome = handle(request, edge, &mut timing, &mut shape, &mut caller).await;
    // What PostgREST refuses has had a place there.
    let is_own = !matches!(outcome, Err(Error::Refused { .. }));
    let failed = outcome.as_ref().err().map(|error| Failed::of(error, edge));
    if let Some(cause) = outcome.as_ref().err().and_then(Error::internal_cause) {
        edge.log_internal_error(Some(&id), cause);
    }
    let mut response = outcome.unwrap_or_else(|error| match shape {
        ErrorShape::Own => respond::error(&error),
        ErrorShape::OpenAi => respond::error_of_openai(&error, &edge.registry),
        ErrorShape::Auth => respond::error_of_auth(&error),
    });
    if is_own
        && response.status.is_client_error()
        && let Some(refused) = scope::sharer_of_refusal(caller.as_ref(), address)
    {
        let turn = turns::before_refusal(refused.name(), bytes, edge);
        turn.boxed_local().await;
    }
    respond::not_modified(&mut response, &method, &request_headers);
    respond::set_common_headers(&mut response, &request_headers, &id, Some(&edge.config));
    if timing.exposed
        && let Ok(value) = HeaderValue::from_str(&timing.text)
    {
        response.headers.insert(&SERVER_TIMING, value);
    }
    let status = response.status.as_u16();
    log(edge, &id, &method, status, failed, timing.start_ms);
    response
}

/// The status in the log of a request whose client closed the connection before the answer; nginx uses the same.
pub const CLIENT_CLOSED_REQUEST: u16 = 499;

/// What the log says of an error.
pub struct Failed<'a> {
    code: String,
    /// The name of it, where the core or a manifest has one.
    name: Option<&'a str>,
}

impl<'a> Failed<'a> {
    fn of<P>(error: &Error, edge: &'a Edge<P>) -> Self {
        let code = error.body().code.into_owned();
        let of_system = || edge.registry.error_name(&code);
        Self {
            name: error.name().or_else(of_system),
            code,
        }
    }
}

/// Bytes that the line of a usual request fits into.
const LINE_BYTES: usize = 160;

/// Logs a request in one line. No path, no address: they may hold what a person typed.
pub fn log<P: Platform>(
    edge: &Edge<P>,
    id: &str,
    method: &Method,
    status: u16,
    failed: Option<Failed<'_>>,
    start_ms: u64,
) {
    let ms = edge.platform.now_ms().saturating_sub(start_ms);
    // The texts of a request without an error have nothing to escape.
    let escaped = failed.map(|failed| {
        let (code, name) = (json!(failed.code), json!(failed.name));
        (code.to_string(), name.to_string())
    });
    let (code, error) = match &escaped {
        Some((code, name)) => (code.as_str(), name.as_str()),
        None => ("null", "null"),
    };
    let mut line = String::with_capacity(LINE_BYTES);
    for part in [
        r#"{"event":"request","id":""#,
        id,
        r#"","method":""#,
        method.as_str(),
        r#"","status":"#,
        itoa::Buffer::new().format(status),
        r#","code":"#,
        code,
        r#","error":"#,
        error,
        r#","ms":"#,
        itoa::Buffer::new().format(ms),
        "}",
    ] {
        line.push_str(part);
    }
    edge.platform.log_request(line);
}

async fn handle<P: Platform>(
    mut request: Request<P::Body>,
    edge: &Edge<P>,
    timing: &mut Timing,
    shape: &mut ErrorShape,
    verified: &mut Option<Caller>,
) -> Result<Response<P::Body>, Error> {
    if request.method == Method::OPTIONS {
        return preflight(&edge.registry, &request);
    }
    let matched = route::find(&edge.registry.routes, &request.method, &request.path)?; // 404, 405
    *shape = matched.route.error_shape;
    // 401, 403, 429, 501 to 504; of a body that a signature is checked with: 400, 408, 413, 415
    let caller = verify::admitted(matched.route, &mut request, edge).await;
    let caller = caller.map(|caller| &*verified.insert(caller));
    timing.lap("verify", edge);
    timing.exposed = caller.as_ref().is_ok_and(|caller| caller.token().is_some());
    // 400, 403, 404, 406, 408, 412 to 415, 422, 426, 429, 501, 503
    let scoped = scope::narrow(&matched, caller, request, edge).await;
    timing.lap("scope", edge);
    let reply = forward::send(scoped?, edge).await; // 4xx of PostgREST, 400, 408, 413, 429, 502 to 504
    timing.lap("upstream", edge);
    respond::relay(reply?, &edge.config)
}

/// Answers a preflight for every path that exists.
fn preflight<B>(registry: &Registry, request: &Request<B>) -> Result<Response<B>, Error> {
    match route::find(&registry.routes, &Method::OPTIONS, &request.path) {
        Err(Error::NotFound) => Err(Error::NotFound),
        _ => Ok(Response {
            status: StatusCode::NO_CONTENT,
            ..respond::preflight(&request.headers, &registry.request_headers)
        }),
    }
}

/// How long the stages took, as a `Server-Timing` header. In milliseconds: the runtime's clock is no finer.
struct Timing {
    start_ms: u64,
    last_ms: u64,
    text: String,
    /// Whether the answer carries it. Only signed-in callers get it: to others the database's time may reveal whether a row exists.
    exposed: bool,
}

impl Timing {
    fn start<P: Platform>(edge: &Edge<P>) -> Self {
        let now = edge.platform.now_ms();
        Self {
            start_ms: now,
            last_ms: now,
            text: String::with_capacity(64),
            exposed: false,
        }
    }

    fn lap<P: Platform>(&mut self, stage: &str, edge: &Edge<P>) {
        let now = edge.platform.now_ms();
        let separator = if self.text.is_empty() { "" } else { ", " };
        let took_ms = now.saturating_sub(self.last_ms);
        for part in [
            separator,
            stage,
            ";dur=",
            itoa::Buffer::new().format(took_ms),
        ] {
            self.text.push_str(part);
        }
        self.last_ms = now;
    }
}
