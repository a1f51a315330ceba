//! Forward: the only place that calls PostgREST. It gives an answer to relay, or an error of the edge.

mod cached;
mod changes;
mod document;
mod export;
mod lines;
pub(crate) mod outside;
mod pages;
mod service;
pub mod share;
mod sqlstate;
pub mod stale_if_error;
mod stream;

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;

use crate::headers::Headers;
use futures_util::future::{FutureExt as _, LocalBoxFuture, join3};
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, LOCATION,
};
use http::{HeaderValue, Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::body::read_answer;
use crate::endpoint::{Answer, Call, Incoming};
use crate::error::{Error, ErrorBody};
use crate::formats::media_type;
use crate::hooks::Services;
use crate::id;
use crate::isolate::readiness::{Next, Ready};
use crate::isolate::{Edge, turns};
use crate::message::{Body, JSON, Outgoing, ReadFault, Response, SendFault, text};
use crate::relayed::limit_headers;
use crate::runtime::Platform;
use crate::scope::{self, Relay, Rule, Scoped, Sharer, Work, replica};
use crate::verify::keys;

/// Milliseconds before a read is sent again.
const RETRY_PAUSE_MS: u32 = 100;
/// How often a `HEAD` is sent again at once. PostgREST 12 closes a connection after each answer to `HEAD` and says
/// nothing, so the next `HEAD` may be sent on a closed one; each attempt uses one of them up.
const MAX_HEAD_RETRIES: usize = 8;
/// What `request.begin` says on a standby that is behind.
const STANDBY_BEHIND: &str = "RG578";
/// Milliseconds until the first look of a request that waits for what another one is asking the services. Each pause is twice as long.
const READY_PAUSE_MS: u32 = 50;
/// The longest pause: thousands may wait for a database that does not answer.
const MAX_READY_PAUSE_MS: u32 = 800;
/// A failure within so many milliseconds came at once.
const QUICK_MS: u64 = 500;
/// A random byte divided by this is the part of a step by which the step is longer: up to a quarter.
const STEP_SPREAD: u32 = 1024;
/// The most bytes that are read of an error's body.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// The body of PostgREST's server for an uncaught exception.
const CRASH: &[u8] = b"Something went wrong";
/// The most bytes of a function's result.
const MAX_RESULT_BYTES: usize = 1024 * 1024;
/// The same for a hook that answers with a stream: it may hold a whole conversation.
const MAX_STREAM_RESULT_BYTES: usize = 8 * MAX_RESULT_BYTES;

/// The outcome of the work.
pub enum Reply<B> {
    /// An answer that the edge made without PostgREST.
    Local(Response<()>),
    /// PostgREST's answer.
    Relayed {
        /// The answer with PostgREST's headers.
        response: Response<B>,
        /// How clients may cache it, if the edge does.
        fresh: Option<Fresh>,
    },
    /// What the edge makes while it is sent.
    Exported(Response<B>),
    /// The result of a function, which the endpoint translates into its answer.
    Called {
        /// The endpoint.
        call: Rc<Call>,
        /// What the endpoint knows of the request.
        incoming: Box<Incoming>,
        /// The function's result.
        outcome: Result<Value, Error>,
    },
    /// Whether the services behind the edge answer.
    Ready(Ready),
}

/// How clients may cache an answer.
pub struct Fresh {
    /// For how long, in seconds.
    pub seconds: u64,
    /// The request headers that select it beside those of every cached answer.
    pub headers: Vec<String>,
}

impl<B> Reply<B> {
    /// An answer that the edge does not cache.
    fn of(response: Response<B>) -> Self {
        Self::Relayed {
            response,
            fresh: None,
        }
    }
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
    let writing = replica::Writing::begin(&name, edge);
    let reply = perform(work, edge).await;
    writing.end().await;
    reply
}

/// The work of a forwarded read or write. All other work is boxed: its futures are large, and the future of every request would be
/// as large.
async fn perform<P: Platform>(
    work: Work<P::Body>,
    edge: &Edge<P>,
) -> Result<Reply<P::Body>, Error> {
    match work {
        Work::Local(response) => Ok(Reply::Local(response)),
        Work::Relay { relay, cache: None } => send_on(relay, edge).await.map(Reply::of),
        Work::Relay {
            relay,
            cache: Some(rule),
        } => cached::answer(rule, relay, edge).boxed_local().await,
        Work::Refused {
            call,
            incoming,
            error,
        } => Ok(Reply::Called {
            call,
            incoming,
            outcome: Err(error),
        }),
        Work::Call {
            call,
            incoming,
            relay,
            cache,
        } => {
            called(call, incoming, relay, cache, edge)
                .boxed_local()
                .await
        }
        Work::Lines(lines) => Ok(lines::send(*lines, edge).boxed_local().await),
        Work::Paged(paged) => {
            let sent = pages::send(*paged, edge).boxed_local().await;
            sent.map(Reply::Exported)
        }
        Work::Export(pages) => {
            let exported = export::send(*pages, edge).boxed_local().await;
            exported.map(Reply::Exported)
        }
        Work::Service(handed) => {
            let handed_on = service::send(*handed, edge).boxed_local().await;
            handed_on.map(Reply::Exported)
        }
        Work::Document { document, more } => {
            let sent = document::send(document, more, edge).boxed_local().await;
            sent.map(Reply::Exported)
        }
        Work::Changes(listener) => {
            let begun = changes::send(*listener, edge).boxed_local().await;
            begun.map(Reply::Exported)
        }
        Work::Ready { database, replica } => {
            let known = ready(database, replica, edge).boxed_local().await;
            Ok(Reply::Ready(known))
        }
    }
}

/// Calls the function of an endpoint.
async fn called<P: Platform>(
    call: Rc<Call>,
    incoming: Box<Incoming>,
    relay: Relay<P::Body>,
    cache: Option<Rule>,
    edge: &Edge<P>,
) -> Result<Reply<P::Body>, Error> {
    if let Some(rule) = cache {
        return cached::result(rule, relay, edge).await;
    }
    if matches!(call.answer, Answer::Streamed) {
        let response = send_on(relay, edge).await?;
        return Ok(Reply::of(streamed(response)));
    }
    if let Some(hook) = call.stream {
        let sharer = relay.sharer.clone();
        if let Some(sharer) = &sharer {
            turns::before_stream(sharer.name(), edge).await;
        }
        let result = parsed(relay, MAX_STREAM_RESULT_BYTES, edge).await?;
        let response = stream::send(hook, result, *incoming, sharer, edge).await?;
        return Ok(Reply::Exported(response));
    }
    if let Some(status) = call.relayed_status() {
        let called = relayed_result(relay, status, edge);
        let response = in_steps(called, call.answer_step_ms, edge).await?;
        return Ok(Reply::of(response));
    }
    let outcome = in_steps(result(relay, edge), call.answer_step_ms, edge).await;
    let outcome = match &call.fallback {
        None => outcome,
        Some(fallback) => stale_if_error::or_fallback(outcome, fallback, &incoming, edge),
    };
    let outcome = match (call.after_call, outcome) {
        (Some(hook), Ok(result)) => {
            let outside = outside::For { edge, sharer: None };
            hook(&result, Services::new(&outside, &edge.config)).await
        }
        (_, outcome) => outcome,
    };
    Ok(Reply::Called {
        call,
        incoming,
        outcome,
    })
}

/// Whether each service answers. Many who want to know it use one connection of PostgREST, and none of a share: a flood of anonymous
/// callers must not make a load balancer think that the edge is down.
async fn ready<P: Platform>(
    database: Outgoing<P::Body>,
    replica: Option<Outgoing<P::Body>>,
    edge: &Edge<P>,
) -> Ready {
    let came_ms = edge.platform.now_ms();
    let longest_ms = u64::from(edge.config.limits.deadline_ms) * 3;
    let mut pause_ms = READY_PAUSE_MS;
    loop {
        let now_ms = edge.platform.now_ms();
        let next = edge
            .readiness
            .borrow_mut()
            .next(came_ms, now_ms, longest_ms);
        match next {
            Next::Answer(known) => return known,
            Next::Ask => break,
            Next::Wait => edge.platform.sleep(pause_ms).await,
        }
        pause_ms = (pause_ms * 2).min(MAX_READY_PAUSE_MS);
    }
    let asking = AskingServices(edge);
    // It goes on when its client hangs up: others wait for it.
    let _at_database = edge.platform.at_database();
    let known = ask_services(database, replica, edge).await;
    let now_ms = edge.platform.now_ms();
    edge.readiness.borrow_mut().answered(&known, now_ms);
    drop(asking);
    known
}

/// The one request that asks the services, until it is dropped.
struct AskingServices<'a, P>(&'a Edge<P>);

impl<P> Drop for AskingServices<'_, P> {
    fn drop(&mut self) {
        self.0.readiness.borrow_mut().ended();
    }
}

/// Asks each service whether it answers. That does not count toward the limit of waiting requests: a long queue here says nothing
/// about the database.
async fn ask_services<P: Platform>(
    database: Outgoing<P::Body>,
    replica: Option<Outgoing<P::Body>>,
    edge: &Edge<P>,
) -> Ready {
    let ask = async |outgoing| {
        let relay = Relay {
            counts_toward_limit: false,
            ..Relay::plain(outgoing)
        };
        result(relay, edge).await.ok()
    };
    let replica = async {
        match replica {
            Some(replica) => Some(ask(replica).await.is_some()),
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
    // Concurrently: each check may take as long as a deadline.
    let (database, replica, keys) = join3(ask(database), replica, keys).await;
    let mut parts = vec![("database", database.is_some())];
    parts.extend(replica.map(|ready| ("replica", ready)));
    parts.push(("keys", keys));
    // They stop nothing that can do without them.
    let needs = edge.registry.needs.iter();
    let missing = needs.filter(|name| !edge.config.is_set(name));
    let mut missing: Vec<String> = missing.cloned().collect();
    // A key that is due, because the newest one has encrypted too often.
    let due = database.as_ref().and_then(|known| known.get("missing"));
    let due = due.and_then(Value::as_array).into_iter().flatten();
    missing.extend(due.filter_map(|name| name.as_str().map(str::to_owned)));
    missing.sort_unstable();
    missing.dedup();
    Ready { parts, missing }
}

/// A function's result as the answer of an endpoint, unread: PostgREST's headers describe its own interface.
fn streamed<B>(response: Response<B>) -> Response<B> {
    let mut headers = Headers::new();
    if let Some(kind) = response.headers.get(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, kind.clone());
    }
    let is_part = response.status == StatusCode::PARTIAL_CONTENT;
    Response {
        status: if is_part {
            StatusCode::OK
        } else {
            response.status
        },
        headers,
        body: response.body,
    }
}

/// Runs work, in steps if the endpoint has them.
async fn in_steps<P: Platform, T>(
    work: impl Future<Output = Result<T, Error>>,
    step_ms: Option<u32>,
    edge: &Edge<P>,
) -> Result<T, Error> {
    match step_ms {
        None => work.await,
        Some(step_ms) => align_to_step(work.boxed_local(), step_ms, edge).await,
    }
}

/// Runs work, then waits for the end of the current step. Steps begin with the work and do not depend on it, so that
/// the time of the answer reveals only the number of steps. A step is longer than `step_ms` by a random time: clients
/// that began together would otherwise stay together, and all others would wait behind them at each step.
async fn align_to_step<P: Platform, T>(
    work: LocalBoxFuture<'_, Result<T, Error>>,
    step_ms: u32,
    edge: &Edge<P>,
) -> Result<T, Error> {
    let [spread] = id::random()?;
    let step_ms = step_ms + step_ms * u32::from(spread) / STEP_SPREAD;
    let start_ms = edge.platform.now_ms();
    let done = work.await;
    // One timer, and none for each step: a timer costs as much as the parsing of a body.
    let took_ms = edge.platform.now_ms().saturating_sub(start_ms);
    edge.platform.sleep(rest_of_step(took_ms, step_ms)).await;
    done
}

/// Milliseconds to the end of a step.
fn rest_of_step(took_ms: u64, step_ms: u32) -> u32 {
    let over = took_ms % u64::from(step_ms.max(1));
    step_ms - u32::try_from(over).unwrap_or_default()
}

/// Sends a request and turns every failure into an error.
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
        reads_only,
        counts_toward_limit,
        sharer,
        request_id,
    } = relay;
    let permit = Cell::new(None);
    if counts_toward_limit {
        edge.check_capacity()?;
        // A client that is still sending holds no permit: slow clients could otherwise take all of them.
        if !matches!(outgoing.body, Body::Upload { .. }) {
            permit.set(Some(edge.permit()));
        }
    }
    if let Some(address) = limits_write {
        refuse_ignored_limit(address, edge).boxed_local().await?;
    }
    let is_upload = matches!(outgoing.body, Body::Upload { .. });
    let permits = match &sharer {
        Some(sharer) => share::acquire(sharer, is_upload, edge).await?,
        None => share::Permits::default(),
    };
    let is_sent = Cell::new(!is_upload);
    // PostgREST drops an upload that breaks off, and goes on with all else.
    let at_database = Cell::new((!is_upload).then(|| edge.platform.at_database()));
    let sent = || {
        is_sent.set(true);
        permit.set(Some(edge.permit()));
        at_database.set(Some(edge.platform.at_database()));
    };
    let id = request_id
        .or_else(|| text(&outgoing.headers, "x-request-id").map(str::to_owned))
        .unwrap_or_default();
    let limit = match outgoing.body {
        Body::Upload { limit, .. } => limit,
        _ => 0,
    };
    let is_read = is_read(&outgoing.method);
    let context = RefusalContext {
        anonymous,
        bearer: match outgoing.headers.get(AUTHORIZATION) {
            _ if reads_only => Bearer::ReadsOnly,
            Some(sent) if scope::is_made_here(sent.as_bytes()) => Bearer::Edge,
            _ => Bearer::Caller,
        },
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
    let answered = share::hold_until_answered(permits, answer, &is_sent, edge).await;
    at_database.set(None);
    let mut response = answered.map_err(|fault| match fault {
        SendFault::Unreachable => Error::UpstreamUnavailable,
        SendFault::Timeout => Error::UpstreamTimeout,
        SendFault::Body(fault) => Error::of_body(fault, limit),
    })?;
    // Everything but success is an error, also a redirect, which would reveal PostgREST's address.
    if !response.status.is_success() && response.status != StatusCode::NOT_MODIFIED {
        let took_ms = edge.platform.now_ms().saturating_sub(start_ms);
        let full = full.filter(|_| may_repeat(response.status, took_ms));
        let refusal = read_refusal(response, full, edge).boxed_local().await;
        return Err(failure(&refusal, &context, &id, edge));
    }
    if let Some((marks, path)) = name {
        encode_name(&mut response.headers, marks, &path);
    }
    if let Some(limit) = added_limit {
        remove_added_limit(&mut response.headers, limit);
    }
    match answer_bytes {
        Some(limit) => bounded(response, limit, is_read, &id, edge).await,
        None => Ok(response),
    }
}

/// Refuses a limit on an update or a delete unless PostgREST applies it: version 13 and newer ignore it and write every
/// row that the filters leave. PostgREST names its version in every answer, even in the refusal of a request without a
/// token.
async fn refuse_ignored_limit<P: Platform>(address: String, edge: &Edge<P>) -> Result<(), Error> {
    let question = Outgoing {
        // Not HEAD, after which PostgREST 12 closes the connection on which the write would be sent.
        method: Method::GET,
        url: address,
        headers: Headers::new(),
        body: Body::Empty,
        deadline_ms: edge.config.limits.deadline_ms,
    };
    let answer = send_with_retry(question, None, &|| (), edge).await;
    let answer = answer.map_err(|_| Error::UpstreamUnavailable)?;
    let version = text(&answer.headers, "server").and_then(|name| name.strip_prefix("postgrest/"));
    let applies = version.is_some_and(|version| version.split('.').next() == Some("12"));
    discard(Ok(answer), edge).await;
    if applies {
        Ok(())
    } else {
        Err(Error::LimitedWrite)
    }
}

/// Whether a request changes nothing.
fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Limits the bytes of an answer: by its declared length, or by counting while it streams. What another request than a read has
/// written is committed by then: a refusal of the request would have its client write it again.
async fn bounded<P: Platform>(
    mut response: Response<P::Body>,
    limit: usize,
    is_read: bool,
    id: &str,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, Error> {
    let too_large = || {
        let line = serde_json::json!({"event": "answer_too_large", "id": id, "limit": limit});
        edge.platform.log(&line.to_string());
        if is_read {
            Error::AnswerTooLarge { limit }
        } else {
            Error::ResultTooLarge { limit }
        }
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
        Body::Stream(stream) => match edge.platform.bounded(stream, limit).await {
            Ok(body) => body,
            Err(ReadFault::TooLarge) => return Err(too_large()),
            Err(_) => return Err(Error::UpstreamFailed),
        },
        body => body,
    };
    Ok(response)
}

/// Puts the relation's encoded path into the answer's addresses: PostgREST writes the name unencoded, in bytes that the
/// runtime may have decoded differently. `marks` is the number of question marks in the name itself; the query begins
/// after them.
fn encode_name(headers: &mut Headers, marks: usize, path: &str) {
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

/// Whether PostgREST itself decodes bodies of this type as text: CSV and forms.
fn is_decoded_text(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    ["text/csv", "application/x-www-form-urlencoded"]
        .iter()
        .any(|text| kind.eq_ignore_ascii_case(text))
}

/// Removes the limit that the edge added from the answer's `Content-Location`.
fn remove_added_limit(headers: &mut Headers, limit: u64) {
    let mut number = itoa::Buffer::new();
    let added = ["limit=", number.format(limit)].concat();
    let Some((path, query)) =
        text(headers, "content-location").and_then(|location| location.split_once('?'))
    else {
        return;
    };
    let remaining: Vec<&str> = query.split('&').filter(|part| *part != added).collect();
    let location = if remaining.is_empty() {
        path.to_owned()
    } else {
        [path, &remaining.join("&")].join("?")
    };
    if let Ok(location) = HeaderValue::from_str(&location) {
        headers.insert(CONTENT_LOCATION, location);
    }
}

/// Whether PostgREST did not answer, or failed.
fn has_failed<B>(answer: &Result<Response<B>, SendFault>) -> bool {
    match answer {
        Ok(response) => response.status.is_server_error(),
        Err(fault) => matches!(fault, SendFault::Unreachable),
    }
}

/// Whether PostgREST, or its database, is away. One that is only busy answers 504, and a statement that fails 500: neither makes an older
/// state right.
fn is_down<B>(answer: &Result<Response<B>, SendFault>) -> bool {
    let is_away = |status| {
        matches!(
            status,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE
        )
    };
    match answer {
        Ok(response) => is_away(response.status),
        Err(fault) => matches!(fault, SendFault::Unreachable),
    }
}

/// Sends a request. A read whose connection was refused is sent again, since PostgREST may be starting; a read that a
/// replica cannot answer goes to the primary. A write is never sent twice: it may have arrived.
async fn send_with_retry<P: Platform>(
    mut outgoing: Outgoing<P::Body>,
    primary: Option<String>,
    sent: &dyn Fn(),
    edge: &Edge<P>,
) -> Result<Response<P::Body>, SendFault> {
    if let Some(key) = edge.config.services.data_key() {
        outgoing.headers.insert("apikey", key.clone());
    }
    let first = send_once(&outgoing, sent, edge).await;
    if !is_read(&outgoing.method) {
        return first;
    }
    match primary {
        Some(primary) => {
            ask_primary(outgoing, primary, first, edge)
                .boxed_local()
                .await
        }
        None if matches!(first, Err(SendFault::Unreachable)) => send_again(&outgoing, edge).await,
        None => first,
    }
}

/// Sends a request once. PostgREST 12 closes a connection after each answer to `HEAD`: such a request is sent until it finds another one.
async fn send_once<P: Platform>(
    outgoing: &Outgoing<P::Body>,
    sent: &dyn Fn(),
    edge: &Edge<P>,
) -> Result<Response<P::Body>, SendFault> {
    let mut answer = edge.platform.send(outgoing, sent).await;
    if outgoing.method == Method::HEAD {
        for _ in 0..MAX_HEAD_RETRIES {
            if !matches!(answer, Err(SendFault::Unreachable)) {
                break;
            }
            answer = edge.platform.send(outgoing, sent).await;
        }
    }
    answer
}

/// Sends a read again, a moment later. It has no body, so nothing has to be reported as sent.
async fn send_again<P: Platform>(
    outgoing: &Outgoing<P::Body>,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, SendFault> {
    edge.platform.sleep(RETRY_PAUSE_MS).await;
    send_once(outgoing, &|| (), edge).await
}

/// The primary's answer to a read that a replica does not answer: it is down, cancels a read that blocks its recovery, or is behind
/// (`request.begin`, RG578). If the primary is down as well, a replica that is behind answers with what it has.
async fn ask_primary<P: Platform>(
    mut outgoing: Outgoing<P::Body>,
    primary: String,
    first: Result<Response<P::Body>, SendFault>,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, SendFault> {
    let is_behind =
        matches!(&first, Ok(response) if response.status == StatusCode::MISDIRECTED_REQUEST);
    if !is_behind && !has_failed(&first) {
        return first;
    }
    discard(first, edge).await;
    let address = std::mem::replace(&mut outgoing.url, primary);
    let mut second = send_once(&outgoing, &|| (), edge).await;
    if matches!(second, Err(SendFault::Unreachable)) {
        second = send_again(&outgoing, edge).await;
    }
    if !is_behind || !is_down(&second) {
        return second;
    }
    outgoing.url = address;
    replica::accept_behind(&mut outgoing.headers);
    let third = send_once(&outgoing, &|| (), edge).await;
    if has_failed(&third) {
        return second;
    }
    discard(second, edge).await;
    third
}

/// Reads an answer that nobody gets to its end, so that its connection is free again.
async fn discard<P: Platform>(answer: Result<Response<P::Body>, SendFault>, edge: &Edge<P>) {
    if let Ok(answer) = answer {
        let _ = bytes(answer.body, MAX_ERROR_BYTES, edge).await;
    }
}

/// The JSON that a function returned.
async fn result<P: Platform>(relay: Relay<P::Body>, edge: &Edge<P>) -> Result<Value, Error> {
    parsed(relay, MAX_RESULT_BYTES, edge).await
}

/// A function's result as the answer of an endpoint. What PostgREST declares to be JSON passes as it is: parsing it would cost
/// time, and would change large numbers.
async fn relayed_result<P: Platform>(
    relay: Relay<P::Body>,
    status: StatusCode,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, Error> {
    let response = send_on(relay, edge).await?;
    let body = match response.body {
        Body::Stream(stream) if is_json(&response.headers) => {
            let deadline_ms = edge.config.limits.deadline_ms;
            let whole = edge.platform.whole(stream, MAX_RESULT_BYTES, deadline_ms);
            whole
                .await
                .map_err(|fault| result_fault(fault, MAX_RESULT_BYTES))?
        }
        body => Body::Bytes(result_bytes(Response { body, ..response }, edge).await?),
    };
    let mut headers = Headers::new();
    if status == StatusCode::NO_CONTENT {
        return Ok(Response {
            status,
            headers,
            body: Body::Empty,
        });
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    Ok(Response {
        status,
        headers,
        body,
    })
}

/// The bytes of a function's result, as PostgREST wrote it if it declares JSON.
async fn result_bytes<P: Platform>(
    response: Response<P::Body>,
    edge: &Edge<P>,
) -> Result<Vec<u8>, Error> {
    let limit = MAX_RESULT_BYTES;
    if response.status != StatusCode::NO_CONTENT && is_json(&response.headers) {
        let bytes = bytes(response.body, limit, edge).await;
        return bytes.map_err(|fault| result_fault(fault, limit));
    }
    let result: Value = parse(response, limit, None, edge).await?;
    Ok(result.to_string().into_bytes())
}

/// Whether an answer is declared to be JSON.
fn is_json(headers: &Headers) -> bool {
    text(headers, CONTENT_TYPE.as_str()).is_some_and(|kind| media_type(kind) == "application/json")
}

/// Why a function's result could not be read.
fn result_fault(fault: ReadFault, limit: usize) -> Error {
    match fault {
        ReadFault::TooLarge => Error::ResultTooLarge { limit },
        _ => Error::UpstreamFailed,
    }
}

/// The JSON of an answer of at most `limit` bytes.
async fn parsed<T: DeserializeOwned, P: Platform>(
    relay: Relay<P::Body>,
    limit: usize,
    edge: &Edge<P>,
) -> Result<T, Error> {
    let sharer = relay.sharer.clone();
    let response = send_on(relay, edge).await?;
    parse(response, limit, sharer.as_ref(), edge).await
}

/// The same of an answer that is there, in the turns of a caller.
async fn parse<T: DeserializeOwned, P: Platform>(
    response: Response<P::Body>,
    limit: usize,
    sharer: Option<&Sharer>,
    edge: &Edge<P>,
) -> Result<T, Error> {
    if response.status == StatusCode::NO_CONTENT {
        // The function returns void.
        return serde_json::from_value(Value::Null).map_err(|_| Error::UpstreamFailed);
    }
    let bytes = bytes(response.body, limit, edge).await;
    let bytes = bytes.map_err(|fault| result_fault(fault, limit))?;
    if let Some(sharer) = sharer {
        turns::before_result(sharer.name(), bytes.len(), edge).await;
    }
    serde_json::from_slice(&bytes).map_err(|_| Error::UpstreamFailed)
}

/// Calls a function in the edge's own name, without a request behind it.
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

/// The same for a result of at most `limit` bytes. A larger or unreadable one is a 502.
async fn call_own_large<P: Platform>(
    function: &str,
    arguments: &Value,
    limit: usize,
    edge: &Edge<P>,
) -> Result<Value, Error> {
    let call = scope::own_call(function, arguments.to_string(), edge)?;
    parsed(call, limit, edge)
        .await
        .map_err(|error| match error {
            Error::ResultTooLarge { .. } => Error::UpstreamFailed,
            error => error,
        })
}

async fn bytes<P: Platform>(
    body: Body<P::Body>,
    limit: usize,
    edge: &Edge<P>,
) -> Result<Vec<u8>, ReadFault> {
    read_answer(body, limit, edge.config.limits.deadline_ms, edge).await
}

/// A `HEAD` repeated as a `GET`, whose body names the error.
struct HeadAsGet<B> {
    outgoing: Outgoing<B>,
    /// The primary's address, if `outgoing` goes to a replica.
    primary: Option<String>,
    /// The caller whose share of connections it uses.
    sharer: Option<Sharer>,
}

/// The `GET` of a `HEAD`.
fn as_get<B>(outgoing: &Outgoing<B>) -> Option<Outgoing<B>> {
    if outgoing.method != Method::HEAD {
        return None;
    }
    Some(Outgoing {
        method: Method::GET,
        ..outgoing.again()?
    })
}

/// PostgREST's answer to a request that it refuses or fails at.
struct Refusal {
    status: StatusCode,
    headers: Headers,
    body: Vec<u8>,
}

/// Whether to repeat a `HEAD` for the sake of its error code: if PostgREST refused it, or failed at once. What took
/// long, such as a cancelled statement, would take as long again.
fn may_repeat(status: StatusCode, took_ms: u64) -> bool {
    let has_meaning = matches!(
        status,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    );
    is_relayable(status) || status.is_server_error() && !has_meaning && took_ms < QUICK_MS
}

/// Reads a refusal. The answer to a `HEAD` has no body: PostgREST 13 and newer name the error in `Proxy-Status`; for an
/// older one the request is repeated as the `GET` in `full`, to the same address, and fails for the same reason.
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
    let permits = match &full.sharer {
        Some(sharer) => share::acquire(sharer, false, edge).await,
        None => Ok(share::Permits::default()),
    };
    let Ok(permits) = permits else {
        return refusal;
    };
    let at_database = edge.platform.at_database();
    let answer = pin!(send_with_retry(full.outgoing, full.primary, &|| (), edge));
    let answered = share::hold_until_answered(permits, answer, &Cell::new(true), edge).await;
    drop(at_database);
    match answered {
        Ok(response) if response.status == refusal.status => read(response).await,
        _ => refusal,
    }
}

/// Whether the edge relays a status to the caller. PostgREST answers 300 for an ambiguous embed or function.
fn is_relayable(status: StatusCode) -> bool {
    status.is_client_error() || status == StatusCode::MULTIPLE_CHOICES
}

/// The code in the `Proxy-Status` of PostgREST 13 and newer.
fn proxy_status_code(headers: &Headers) -> Option<&str> {
    text(headers, "proxy-status")?.strip_prefix("PostgREST; error=")
}

/// Whose token a request carries upstream.
#[derive(PartialEq, Eq)]
enum Bearer {
    /// The caller's own.
    Caller,
    /// One of the edge.
    Edge,
    /// One of the edge, for an API token that may only read.
    ReadsOnly,
}

/// The facts about a request that decide the wording of its refusal.
struct RefusalContext {
    /// No user is signed in.
    anonymous: bool,
    /// Whose token it carries.
    bearer: Bearer,
    /// Its body is text that PostgREST decodes.
    of_text: bool,
}

/// Whether an application chose a code and its words for callers: by its form, or because a manifest lists it.
fn is_application_code<P>(code: &str, edge: &Edge<P>) -> bool {
    sqlstate::is_application_code(code) || edge.registry.error_name(code).is_some()
}

/// Turns PostgREST's error into one of the edge.
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
    if code == STANDBY_BEHIND {
        // The primary's address leads to a standby.
        return Error::UpstreamUnavailable;
    }
    let is_application = is_application_code(code, edge);
    let own = if is_application && (is_relayable(status) || status.is_server_error()) {
        None
    } else {
        own_error(status, &body, code, context)
    };
    // An application writes its words for all callers; the server's may describe the schema.
    let shows_all = is_application || !context.anonymous;
    let error = own.unwrap_or_else(|| relayed_error(refusal, &body, shows_all));
    if error != Error::UpstreamFailed {
        return error;
    }
    let line = serde_json::json!({"event": "upstream_failed", "id": id, "status": status.as_u16(), "code": code});
    edge.platform.log(&line.to_string());
    // PostgREST crashes on a form or CSV that is not UTF-8, and says nothing else about it.
    if context.of_text && is_crash {
        Error::MalformedBody("it is not UTF-8".into())
    } else {
        error
    }
}

/// The edge's own error for one of PostgREST's; none if PostgREST's is relayed.
fn own_error(
    status: StatusCode,
    body: &Value,
    code: &str,
    context: &RefusalContext,
) -> Option<Error> {
    // The data API names served schemas only, so PostgREST and the edge are set up differently.
    if code == "PGRST106" {
        return Some(Error::UpstreamFailed);
    }
    // No connection of PostgREST's pool became free.
    if code == "PGRST003" {
        return Some(Error::Overloaded);
    }
    // PostgREST rejects the edge's own token: keys or audiences differ, which the caller cannot correct.
    if context.bearer != Bearer::Caller && code.starts_with("PGRST30") {
        return Some(Error::UpstreamFailed);
    }
    // A write in a read-only transaction, which PostgREST answers with 405.
    if context.bearer == Bearer::ReadsOnly && code == "25006" {
        return Some(Error::ApiTokenScope);
    }
    let message = body.get("message").and_then(Value::as_str);
    if let Some(error) = sqlstate::error_for(code, message.unwrap_or_default()) {
        return Some(error);
    }
    if status == StatusCode::GATEWAY_TIMEOUT {
        return Some(Error::UpstreamTimeout);
    }
    // PostgREST answers 400 with an empty code if PostgreSQL closed the connection during a statement.
    let broke = body.get("code").and_then(Value::as_str) == Some("");
    if status == StatusCode::SERVICE_UNAVAILABLE || broke {
        return Some(Error::UpstreamUnavailable);
    }
    (!is_relayable(status)).then_some(Error::UpstreamFailed)
}

/// A refusal in the words of PostgREST, or of an application in the database.
fn relayed_error(refusal: &Refusal, body: &Value, shows_all: bool) -> Error {
    let status = refusal.status;
    let field = |name: &str| body.get(name).and_then(Value::as_str);
    let code = field("code").or(proxy_status_code(&refusal.headers));
    let reason = status.canonical_reason().unwrap_or("Refused");
    let details = body.get("details").filter(|details| !details.is_null());
    let body = ErrorBody {
        code: code.unwrap_or(status.as_str()).to_owned().into(),
        message: field("message").unwrap_or(reason).to_owned().into(),
        details: details.filter(|_| shows_all).cloned(),
        hint: field("hint")
            .filter(|_| shows_all)
            .map(|hint| hint.to_owned().into()),
        progress: None,
        error: None,
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
        limits: Box::new(limit_headers(headers)),
    }
}
