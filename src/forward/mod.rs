//! Forward: the only place that calls PostgREST. What comes back is an answer to relay, or an error of ours.

mod cached;
mod export;
pub mod share;
mod sqlstate;
pub mod stale_if_error;

use std::cell::Cell;
use std::pin::pin;

use futures_util::future::{Either, join3, select};
use http::header::{CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::Value;

use crate::edge::{Body, Edge, Outgoing, Platform, ReadFault, Response, SendFault, text};
use crate::error::{Error, ErrorBody};
use crate::route::{Call, Incoming};
use crate::scope::{self, Relay, Scoped, Sharer, Work, replica};
use crate::systems;
use crate::verify::keys;

/// Milliseconds before a read is sent once more.
const RETRY_PAUSE_MS: u32 = 100;
/// Milliseconds in which the runtime notices that PostgREST 12 has closed a connection, as it does after each answer to `HEAD`.
const CLOSE_PAUSE_MS: u32 = 10;
/// Milliseconds within which a failure came at once.
const QUICK_MS: u64 = 500;
/// By this, a random byte divided is the part of a step that is added to it: up to a quarter.
const STEP_SPREAD: u32 = 1024;
/// Bytes that are read of an error's body.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// What PostgREST's server says of an exception that nobody has caught.
const CRASH: &[u8] = b"Something went wrong";
/// Bytes that are read of a function's result.
const MAX_RESULT_BYTES: usize = 1024 * 1024;

/// What came of the work.
pub enum Reply<B> {
    /// The edge's own answer.
    Local(Response<()>),
    /// PostgREST's answer.
    Relayed(Response<B>),
    /// PostgREST's answer as it is kept for others: its headers are chosen already.
    Final(Response<B>),
    /// A function's result, still to be put into the caller's words.
    Called {
        /// The endpoint.
        call: &'static Call,
        /// What it was told.
        incoming: Box<Incoming>,
        /// What the database said.
        outcome: Result<Value, Error>,
    },
    /// Which parts answer, by name.
    Ready(Vec<(&'static str, bool)>),
}

/// Does the work.
///
/// # Errors
/// 502, 503 and 504 for PostgREST's failures; its own 4xx as [`Error::Refused`].
pub async fn send<P: Platform>(
    scoped: Scoped<P::Body>,
    edge: &Edge<P>,
) -> Result<Reply<P::Body>, Error> {
    let (work, writer) = scoped.into_parts();
    let Some(name) = writer else {
        return perform(work, edge).await;
    };
    // Before, for the answer may be lost; after, for the write may have taken long.
    replica::remember(&name, edge);
    let reply = perform(work, edge).await;
    replica::remember(&name, edge);
    replica::announce(&name, edge).await;
    reply
}

async fn perform<P: Platform>(
    work: Work<P::Body>,
    edge: &Edge<P>,
) -> Result<Reply<P::Body>, Error> {
    match work {
        Work::Local(response) => Ok(Reply::Local(response)),
        Work::Relay { relay, cache: None } => send_on(relay, edge).await.map(Reply::Relayed),
        Work::Relay {
            relay,
            cache: Some(rule),
        } => cached::answer(rule, relay, edge).await.map(Reply::Final),
        Work::Call { call, relay, .. } if call.streamed => {
            send_on(relay, edge).await.map(Reply::Relayed)
        }
        Work::Call {
            call,
            incoming,
            relay,
        } => {
            let called = result(relay, edge);
            let outcome = match call.answer_step_ms {
                None => called.await,
                Some(step_ms) => align_to_step(called, step_ms, edge).await,
            };
            let outcome = match &call.fallback {
                None => outcome,
                Some(fallback) => stale_if_error::or_fallback(outcome, fallback, &incoming, edge),
            };
            let outcome = match (call.after_call, outcome) {
                (Some(after_call), Ok(result)) => {
                    systems::after_call(after_call, &result, edge).await
                }
                (_, outcome) => outcome,
            };
            Ok(Reply::Called {
                call,
                incoming,
                outcome,
            })
        }
        Work::Export(pages) => export::send(pages, edge).await.map(Reply::Final),
        Work::Ready { database, replica } => {
            // Not in line: a long one says nothing of the database.
            let ask = async |outgoing| {
                let relay = Relay {
                    counts_toward_limit: false,
                    ..Relay::plain(outgoing)
                };
                result(relay, edge).await.is_ok()
            };
            let replica = async {
                match replica {
                    Some(replica) => Some(ask(replica).await),
                    None => None,
                }
            };
            let keys = async {
                let issuers = &edge.config.issuers;
                for issuer in issuers {
                    keys::prepare(issuer, edge);
                }
                let mut all = true;
                for issuer in issuers {
                    all &= keys::reachable(issuer, edge).await;
                }
                all
            };
            // Together: each may take as long as a deadline.
            let (database, replica, keys) = join3(ask(database), replica, keys).await;
            let mut parts = vec![("database", database)];
            parts.extend(replica.map(|ready| ("replica", ready)));
            parts.push(("keys", keys));
            Ok(Reply::Ready(parts))
        }
    }
}

/// Waits for work, then for the end of the step in which it was done. The steps begin with the work and do not depend on it: an
/// answer at their end tells how many have passed and nothing else.
async fn align_to_step<P: Platform, T>(
    work: impl Future<Output = T>,
    step_ms: u32,
    edge: &Edge<P>,
) -> T {
    let mut work = pin!(work);
    loop {
        let step = pin!(edge.platform.sleep(step_ms));
        if let Either::Left((done, step)) = select(work.as_mut(), step).await {
            step.await;
            return done;
        }
    }
}

/// Sends, and sorts the failures out.
async fn send_on<P: Platform>(
    relay: Relay<P::Body>,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, Error> {
    let Relay {
        outgoing,
        primary,
        added_limit,
        name,
        answer_bytes,
        limits_write,
        anonymous,
        counts_toward_limit,
        sharer,
    } = relay;
    let permit = Cell::new(None);
    if counts_toward_limit {
        edge.check_capacity()?;
        // Whoever is still sending holds no place: slow clients could keep them all from everybody else.
        if !matches!(outgoing.body, Body::Upload { .. }) {
            permit.set(Some(edge.permit()));
        }
    }
    if let Some(address) = limits_write {
        refuse_ignored_limit(address, edge).await?;
    }
    let is_upload = matches!(outgoing.body, Body::Upload { .. });
    let permits = match &sharer {
        Some(sharer) => share::acquire(sharer, is_upload, edge).await?,
        None => share::Permits::default(),
    };
    let is_sent = Cell::new(!is_upload);
    let sent = || {
        is_sent.set(true);
        permit.set(Some(edge.permit()));
    };
    let id = text(&outgoing.headers, "x-request-id")
        .unwrap_or_default()
        .to_owned();
    let limit = match outgoing.body {
        Body::Upload { limit, .. } => limit,
        _ => 0,
    };
    let context = RefusalContext {
        anonymous,
        own_token: text(&outgoing.headers, "authorization").is_some_and(scope::is_made_here),
        of_text: matches!(outgoing.body, Body::Upload { .. })
            && text(&outgoing.headers, "content-type").is_some_and(is_decoded_text),
    };
    let full = as_get(&outgoing).map(|outgoing| HeadAsGet {
        outgoing,
        primary: primary.clone(),
        sharer,
    });
    let start_ms = edge.platform.now_ms();
    let answer = pin!(send_with_retry(outgoing, primary, &sent, edge));
    let mut response = share::hold_until_answered(permits, answer, &is_sent, edge)
        .await
        .map_err(|fault| match fault {
            SendFault::Unreachable => Error::UpstreamUnavailable,
            SendFault::Timeout => Error::UpstreamTimeout,
            SendFault::Body(fault) => Error::of_body(fault, limit),
        })?;
    // Whatever is no success is an error here, a redirect too: it would tell of PostgREST's address.
    if !response.status.is_success() && response.status != StatusCode::NOT_MODIFIED {
        let took_ms = edge.platform.now_ms().saturating_sub(start_ms);
        let full = full.filter(|_| may_repeat(response.status, took_ms));
        let refusal = read_refusal(response, full, edge).await;
        return Err(failure(&refusal, &context, &id, edge));
    }
    if let Some((marks, path)) = name {
        encode_name(&mut response.headers, marks, &path);
    }
    if let Some(limit) = added_limit {
        remove_added_limit(&mut response.headers, limit);
    }
    match answer_bytes {
        Some(limit) => bounded(response, limit, &id, edge).await,
        None => Ok(response),
    }
}

/// Refuses a limit on an update or a delete unless PostgREST heeds it: from version 13 on it writes every row that the filters
/// leave, without a word. It names its version in each of its answers, also in a refusal of a request without a token.
async fn refuse_ignored_limit<P: Platform>(address: String, edge: &Edge<P>) -> Result<(), Error> {
    let question = Outgoing {
        method: Method::HEAD,
        url: address,
        headers: HeaderMap::new(),
        body: Body::Empty,
        deadline_ms: edge.config.limits.deadline_ms,
    };
    let answer = edge.platform.send(question, &|| ()).await;
    let answer = answer.map_err(|_| Error::UpstreamUnavailable)?;
    let version = text(&answer.headers, "server").and_then(|name| name.strip_prefix("postgrest/"));
    match version.and_then(|version| version.split('.').next()) {
        Some("12") => Ok(()),
        _ => Err(Error::LimitedWrite),
    }
}

/// Holds an answer to so many bytes: by its declared length, or counted while it streams.
async fn bounded<P: Platform>(
    mut response: Response<P::Body>,
    limit: usize,
    id: &str,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, Error> {
    let too_large = || {
        let line = serde_json::json!({"event": "answer_too_large", "id": id, "limit": limit});
        edge.platform.log(&line.to_string());
        Error::AnswerTooLarge { limit }
    };
    let length = text(&response.headers, CONTENT_LENGTH.as_str());
    if let Some(length) = length.and_then(|text| text.parse::<usize>().ok()) {
        return if length > limit {
            Err(too_large())
        } else {
            Ok(response)
        };
    }
    response.body = match response.body {
        Body::Stream(stream) => match edge.platform.bounded(stream, limit, id).await {
            Ok(stream) => Body::Stream(stream),
            Err(ReadFault::TooLarge) => return Err(too_large()),
            Err(_) => return Err(Error::UpstreamFailed),
        },
        body => body,
    };
    Ok(response)
}

/// Puts the relation's path, as it has to be encoded, into the answer's addresses: PostgREST writes the name as it is, in bytes
/// that the runtime may have read as others. The query begins behind the question marks that are the name's own.
fn encode_name(headers: &mut HeaderMap, marks: usize, path: &str) {
    for header in [CONTENT_LOCATION, LOCATION] {
        let Some(address) = headers.get(&header).map(HeaderValue::as_bytes) else {
            continue;
        };
        let mut parts = address.splitn(marks + 2, |b| *b == b'?').skip(marks + 1);
        let address = match parts.next() {
            Some(query) => [path.as_bytes(), b"?", query].concat(),
            None => path.as_bytes().to_vec(),
        };
        if let Ok(address) = HeaderValue::from_bytes(&address) {
            headers.insert(header, address);
        }
    }
}

/// Whether a body of this type is text that PostgREST decodes itself: CSV, or a form.
fn is_decoded_text(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    ["text/csv", "application/x-www-form-urlencoded"]
        .iter()
        .any(|text| kind.eq_ignore_ascii_case(text))
}

/// Takes the limit that was added out of the answer's `Content-Location`.
fn remove_added_limit(headers: &mut HeaderMap, limit: u64) {
    let added = format!("limit={limit}");
    let Some((path, query)) =
        text(headers, "content-location").and_then(|location| location.split_once('?'))
    else {
        return;
    };
    let remaining: Vec<&str> = query.split('&').filter(|part| *part != added).collect();
    let location = if remaining.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", remaining.join("&"))
    };
    if let Ok(location) = HeaderValue::from_str(&location) {
        headers.insert(CONTENT_LOCATION, location);
    }
}

/// Sends; a read whose connection was refused is sent once more, for PostgREST may be just starting; one that a replica
/// cannot answer goes to the primary. A write is never sent twice: it may have arrived.
async fn send_with_retry<P: Platform>(
    outgoing: Outgoing<P::Body>,
    primary: Option<String>,
    sent: &dyn Fn(),
    edge: &Edge<P>,
) -> Result<Response<P::Body>, SendFault> {
    let is_read = matches!(outgoing.method, Method::GET | Method::HEAD);
    let again = is_read.then(|| outgoing.again()).flatten();
    let first = edge.platform.send(outgoing, sent).await;
    let Some(mut again) = again else {
        return first;
    };
    // A standby also cancels reads that are in the way of its recovery.
    let replica_is_down =
        primary.is_some() && matches!(&first, Ok(response) if response.status.is_server_error());
    if !replica_is_down && !matches!(first, Err(SendFault::Unreachable)) {
        return first;
    }
    match primary {
        Some(url) => again.url = url,
        None => edge.platform.sleep(RETRY_PAUSE_MS).await,
    }
    // A read has no body to be sent.
    edge.platform.send(again, &|| ()).await
}

/// The JSON that a function returned.
async fn result<P: Platform>(relay: Relay<P::Body>, edge: &Edge<P>) -> Result<Value, Error> {
    parsed(relay, MAX_RESULT_BYTES, edge).await
}

/// An answer's JSON, of so many bytes at most.
async fn parsed<P: Platform>(
    relay: Relay<P::Body>,
    limit: usize,
    edge: &Edge<P>,
) -> Result<Value, Error> {
    let response = send_on(relay, edge).await?;
    let bytes = bytes(response.body, limit, edge).await;
    bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or(Error::UpstreamFailed)
}

/// Calls a function of the edge's own that no request asks for.
///
/// # Errors
/// 502, 503 and 504 for PostgREST's failures; its own 4xx as [`Error::Refused`].
pub async fn call_own<P: Platform>(
    function: &str,
    arguments: &Value,
    edge: &Edge<P>,
) -> Result<Value, Error> {
    call_own_large(function, arguments, MAX_RESULT_BYTES, edge).await
}

/// The same, of a result of so many bytes at most; 502 also for one that is larger, or that cannot be read.
///
/// # Errors
/// Those of [`call_own`].
pub async fn call_own_large<P: Platform>(
    function: &str,
    arguments: &Value,
    limit: usize,
    edge: &Edge<P>,
) -> Result<Value, Error> {
    let call = scope::own_call(function, arguments.to_string(), edge)?;
    parsed(call, limit, edge).await
}

async fn bytes<P: Platform>(body: Body<P::Body>, limit: usize, edge: &Edge<P>) -> Option<Vec<u8>> {
    match body {
        Body::Bytes(bytes) => Some(bytes),
        Body::Stream(stream) => {
            let deadline_ms = edge.config.limits.deadline_ms;
            edge.platform.read(stream, limit, deadline_ms).await.ok()
        }
        Body::Empty | Body::Upload { .. } => Some(Vec::new()),
    }
}

/// A `HEAD` as a `GET`, for the sake of the body that names its error.
struct HeadAsGet<B> {
    outgoing: Outgoing<B>,
    /// The primary's address, where `outgoing` goes to a replica.
    primary: Option<String>,
    /// Whose share it takes from.
    sharer: Option<Sharer>,
}

/// The same request as a `GET`, of a `HEAD`.
fn as_get<B>(outgoing: &Outgoing<B>) -> Option<Outgoing<B>> {
    let again = outgoing
        .again()
        .filter(|again| again.method == Method::HEAD)?;
    Some(Outgoing {
        method: Method::GET,
        ..again
    })
}

/// What PostgREST says of a request that it refuses or fails at.
struct Refusal {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// Whether a `HEAD` that ended so may be sent again for the sake of its error's name: a refused one, and one that failed at
/// once. What took long, such as a statement that was cancelled, would take as long again.
fn may_repeat(status: StatusCode, took_ms: u64) -> bool {
    let has_meaning = matches!(
        status,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    );
    is_relayable(status) || status.is_server_error() && !has_meaning && took_ms < QUICK_MS
}

/// Reads the answer. One to a `HEAD` has no body: PostgREST 13 and newer name the error in `Proxy-Status` beside it, for an
/// older one the request is sent once more as the `GET` in `full`, to the same places, which ends for the same reason.
async fn read_refusal<P: Platform>(
    response: Response<P::Body>,
    full: Option<HeadAsGet<P::Body>>,
    edge: &Edge<P>,
) -> Refusal {
    let read = async |response: Response<P::Body>| Refusal {
        status: response.status,
        headers: response.headers,
        body: bytes(response.body, MAX_ERROR_BYTES, edge)
            .await
            .unwrap_or_default(),
    };
    let refusal = read(response).await;
    let is_unnamed = refusal.body.is_empty() && proxy_status_code(&refusal.headers).is_none();
    let Some(full) = full.filter(|_| is_unnamed) else {
        return refusal;
    };
    edge.platform.sleep(CLOSE_PAUSE_MS).await;
    let permits = match &full.sharer {
        Some(sharer) => share::acquire(sharer, false, edge).await,
        None => Ok(share::Permits::default()),
    };
    let Ok(permits) = permits else {
        return refusal;
    };
    let answer = pin!(send_with_retry(full.outgoing, full.primary, &|| (), edge));
    match share::hold_until_answered(permits, answer, &Cell::new(true), edge).await {
        Ok(response) if response.status == refusal.status => read(response).await,
        _ => refusal,
    }
}

/// Whether a status is for the caller to mend. 300 is PostgREST's for an embed or a function that is not the only one of its
/// name.
fn is_relayable(status: StatusCode) -> bool {
    status.is_client_error() || status == StatusCode::MULTIPLE_CHOICES
}

/// The code in the `Proxy-Status` of PostgREST 13 and newer.
fn proxy_status_code(headers: &HeaderMap) -> Option<&str> {
    text(headers, "proxy-status")?.strip_prefix("PostgREST; error=")
}

/// What of a request decides how its refusal is worded.
struct RefusalContext {
    /// Nobody is signed in.
    anonymous: bool,
    /// It carries a token of the edge's own.
    own_token: bool,
    /// Its body is text that PostgREST decodes.
    of_text: bool,
}

/// PostgREST's error as one of ours.
fn failure<P: Platform>(
    refusal: &Refusal,
    context: &RefusalContext,
    id: &str,
    edge: &Edge<P>,
) -> Error {
    let status = refusal.status;
    let is_crash = status == StatusCode::INTERNAL_SERVER_ERROR && refusal.body == CRASH;
    let body: Value = serde_json::from_slice(&refusal.body).unwrap_or_default();
    let code = body.get("code").and_then(Value::as_str);
    let code = code
        .or(proxy_status_code(&refusal.headers))
        .unwrap_or_default();
    let error = own_error(status, &body, code, context)
        .unwrap_or_else(|| relayed_error(refusal, &body, context.anonymous));
    if error != Error::UpstreamFailed {
        return error;
    }
    let line = serde_json::json!({"event": "upstream_failed", "id": id, "status": status.as_u16(), "code": code});
    edge.platform.log(&line.to_string());
    // It has no other words for a form or CSV that is no UTF-8.
    if context.of_text && is_crash {
        Error::MalformedBody("it is not UTF-8".into())
    } else {
        error
    }
}

/// The error that has a name of ours, whatever words PostgREST has for it; none for one that is relayed.
fn own_error(
    status: StatusCode,
    body: &Value,
    code: &str,
    context: &RefusalContext,
) -> Option<Error> {
    if sqlstate::is_application_code(code) && (is_relayable(status) || status.is_server_error()) {
        return None;
    }
    // No connection of PostgREST's pool became free.
    if code == "PGRST003" {
        return Some(Error::Overloaded);
    }
    // PostgREST does not take the edge's own token: keys or audiences differ, which is no fault of the caller's.
    if context.own_token && code.starts_with("PGRST30") {
        return Some(Error::UpstreamFailed);
    }
    let message = body.get("message").and_then(Value::as_str);
    if let Some(error) = sqlstate::error_for(code, message.unwrap_or_default()) {
        return Some(error);
    }
    if status == StatusCode::GATEWAY_TIMEOUT {
        return Some(Error::UpstreamTimeout);
    }
    // PostgREST says 400 with an empty code where PostgreSQL broke the connection in the middle of a statement.
    let broke = body.get("code").and_then(Value::as_str) == Some("");
    if status == StatusCode::SERVICE_UNAVAILABLE || broke {
        return Some(Error::UpstreamUnavailable);
    }
    (!is_relayable(status)).then_some(Error::UpstreamFailed)
}

/// A refusal in PostgREST's own words, or in those of an application behind it.
fn relayed_error(refusal: &Refusal, body: &Value, anonymous: bool) -> Error {
    let status = refusal.status;
    let field = |name: &str| body.get(name).and_then(Value::as_str);
    let code = field("code").or(proxy_status_code(&refusal.headers));
    // What an application says is meant for everybody; what the server says may describe the schema.
    let shows_all = !anonymous || code.is_some_and(sqlstate::is_application_code);
    let reason = status.canonical_reason().unwrap_or("Refused");
    let details = body.get("details").filter(|details| !details.is_null());
    let body = ErrorBody {
        code: code.unwrap_or(status.as_str()).to_owned().into(),
        message: field("message").unwrap_or(reason).to_owned().into(),
        details: details.filter(|_| shows_all).cloned(),
        hint: field("hint")
            .filter(|_| shows_all)
            .map(|hint| hint.to_owned().into()),
    };
    let headers = &refusal.headers;
    Error::Refused {
        status,
        body: Box::new(body),
        // PostgREST sends 0 with every 503.
        retry_after: text(headers, "retry-after")
            .and_then(|text| text.parse().ok())
            .filter(|seconds| *seconds > 0),
        range: headers
            .get(CONTENT_RANGE)
            .filter(|_| status == StatusCode::RANGE_NOT_SATISFIABLE)
            .cloned(),
    }
}
