//! The Workers runtime: implements `edge::Platform` with `worker` and WebCrypto. Besides the entry point in `lib.rs`,
//! only this folder imports them.
//!
//! The state of an isolate is in `thread_local!`, as plain data, and never borrowed across an await.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use futures_util::future::{Either, select};
use futures_util::{Stream, StreamExt as _};
use http::header::{CACHE_CONTROL, InvalidHeaderValue};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserializer, Serialize, Serializer};
use serde_json::Value;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::web_sys::{
    self, AbortController, CryptoKey, ReadableStream, ReadableStreamDefaultReader, WritableStream,
};
use worker::{Context, Env, console_error, console_log};

use crate::config::Config;
use crate::edge::{
    self, Admission, Body, Edge, Isolate, Outgoing, Place, Platform, READ_HEADERS, ReadFault,
    Request, Response, SendFault,
};
use crate::error::Error;
use crate::verify::keys::{Algorithm, PublicKey};
use crate::{jobs, pipeline, respond};
use promise::PromiseFuture;

pub(crate) mod promise;

/// The most imported keys that are cached; issuers have fewer.
const MAX_IMPORTED_KEYS: usize = 64;

/// The header in which Cloudflare puts the client's address.
const ADDRESS: &str = "cf-connecting-ip";
/// The binding of Cloudflare's rate limiter, if there is one.
const RATE_LIMITER: &str = "RATE_LIMITER";
/// The prefix of names in the platform's cache: a host that nobody owns.
const CACHE_PREFIX: &str = "https://rowgate.invalid/";

thread_local! {
    static ISOLATE: OnceCell<Rc<Isolate>> = const { OnceCell::new() };
    static CACHE_FAILED: Cell<bool> = const { Cell::new(false) };
    static IMPORTED_KEYS: RefCell<HashMap<String, Option<ImportedKey>>> = RefCell::default();
}

/// Answers one request of the runtime.
pub async fn answer(request: web_sys::Request, env: Env, context: Context) -> web_sys::Response {
    let isolate = isolate(&env);
    let id = match &isolate {
        Ok(isolate) => isolate.next_id(),
        Err(_) => edge::random_id(),
    };
    let answered = match id.and_then(|id| incoming(&request, id)) {
        Ok(incoming) => {
            let request_context = RequestContext {
                env,
                context: Some(context),
                request: Some(request),
                hang_up: RefCell::default(),
            };
            answer_read(incoming, isolate, &Rc::new(request_context)).await
        }
        Err(error) => {
            if let Some(cause) = error.internal_cause() {
                log_internal_error(None, cause, None);
            }
            outgoing(respond::error(&error))
        }
    };
    answered.unwrap_or_else(|fault| {
        log_internal_error(None, "the runtime does not accept an error", Some(&fault));
        web_sys::Response::error()
    })
}

/// Answers a request that could be read.
async fn answer_read(
    incoming: Request<ReadableStream>,
    isolate: Result<Rc<Isolate>, Error>,
    request_context: &Rc<RequestContext>,
) -> Result<web_sys::Response, JsValue> {
    match isolate {
        Ok(isolate) => {
            let edge = Edge::new(isolate, Workers(request_context.clone()));
            unless_hung_up(incoming, request_context, &edge).await
        }
        Err(error) => {
            log_misconfigured(&error);
            let mut response = respond::error(&error);
            respond::set_common_headers(&mut response, &incoming.headers, &incoming.id, None);
            outgoing(response)
        }
    }
}

/// Logs what the edge itself failed at, and what the runtime says about it.
fn log_internal_error(id: Option<&str>, cause: &str, fault: Option<&JsValue>) {
    let runtime = fault.and_then(message);
    console_error!(
        "{}",
        edge::internal_error_line(id, cause, runtime.as_deref())
    );
}

/// Logs why the edge does not start.
fn log_misconfigured(error: &Error) {
    let body = error.body();
    let details = body.details.as_ref().and_then(Value::as_str);
    console_error!("{}: {}", body.message, details.unwrap_or_default());
}

/// Runs the jobs of a cron.
pub async fn scheduled(cron: &str, env: Env) {
    let isolate = match isolate(&env) {
        Ok(isolate) => isolate,
        Err(error) => {
            log_misconfigured(&error);
            return;
        }
    };
    let request_context = RequestContext {
        env,
        context: None,
        request: None,
        hang_up: RefCell::default(),
    };
    let edge = Edge::new(isolate, Workers(Rc::new(request_context)));
    jobs::run_scheduled(cron, &edge).await;
}

/// Answers, unless the client closes the connection first. Then the runtime ends the request and its fetches without
/// settling their promises: a future that awaits one would wait for ever, so it is dropped here.
async fn unless_hung_up(
    incoming: Request<ReadableStream>,
    request_context: &RequestContext,
    edge: &Edge<Workers>,
) -> Result<web_sys::Response, JsValue> {
    let (id, method) = (incoming.id.clone(), incoming.method.clone());
    let start_ms = edge.platform.now_ms();
    let mut answering = pin!(pipeline::answer(incoming, edge));
    let response = poll_fn(|context| {
        if let Poll::Ready(response) = answering.as_mut().poll(context) {
            return Poll::Ready(Some(response));
        }
        match &mut *request_context.hang_up.borrow_mut() {
            Some(hang_up) => Pin::new(hang_up).poll(context).map(|_| None),
            None => Poll::Pending,
        }
    });
    let Some(response) = response.await else {
        pipeline::log(
            edge,
            &id,
            &method,
            pipeline::CLIENT_CLOSED_REQUEST,
            None,
            start_ms,
        );
        return web_sys::Response::new();
    };
    if !response.status.is_success()
        && !is_read(&method)
        && let Some(request) = &request_context.request
    {
        drain_unread(request).await;
    }
    outgoing(response).or_else(|fault| {
        let cause = "the runtime does not accept the answer";
        log_internal_error(Some(&id), cause, Some(&fault));
        let request = request_context.request.as_ref();
        let headers = request.and_then(|request| rust_headers(&request.headers(), |_| true));
        let mut response = respond::error(&Error::Internal(cause));
        let headers = headers.unwrap_or_default();
        respond::set_common_headers(&mut response, &headers, &id, Some(&edge.config));
        outgoing(response)
    })
}

/// Whether requests of this method have no body.
fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// The isolate's state, created at its first request. An incomplete configuration creates none.
fn isolate(env: &Env) -> Result<Rc<Isolate>, Error> {
    if let Some(isolate) = ISOLATE.with(|cell| cell.get().cloned()) {
        return Ok(isolate);
    }
    let variable = |name: &str| {
        let value = Reflect::get(env.as_ref(), &JsValue::from_str(name)).ok()?;
        value.as_string()
    };
    let isolate = Rc::new(Isolate::new(Config::read(variable)?));
    Ok(ISOLATE.with(|cell| cell.get_or_init(|| isolate).clone()))
}

/// What the stages read of a request. Every call into JavaScript is slow, so all headers come in one string.
fn incoming(request: &web_sys::Request, id: String) -> Result<Request<ReadableStream>, Error> {
    let broken = || Error::Internal("the runtime's request cannot be read");
    let method = Method::from_bytes(request.method().as_bytes()).map_err(|_| Error::NotFound)?;
    let mut headers =
        rust_headers(&request.headers(), |name| READ_HEADERS.contains(&name)).ok_or_else(broken)?;
    // Removed, so that nothing reads the address as a header: only the platform may say where a request comes from.
    let address = headers.remove(ADDRESS);
    let url = request.url();
    let (path, query) = path_and_query(&url).ok_or_else(broken)?;
    Ok(Request {
        id: edge::request_id(&headers).unwrap_or(id),
        body: if is_read(&method) {
            None
        } else {
            request.body()
        },
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        address: address.and_then(|address| address.to_str().ok()?.parse().ok()),
    })
}

/// Path and query of an absolute URL, which the runtime has normalised.
fn path_and_query(url: &str) -> Option<(&str, &str)> {
    let (_, rest) = url.split_once("://")?;
    let rest = rest
        .find(['/', '?', '#'])
        .map_or("", |at| rest.split_at(at).1);
    let rest = rest.split('#').next().unwrap_or_default();
    Some(rest.split_once('?').unwrap_or((rest, "")))
}

/// Whether it is two letters, or Cloudflare's `T1` for Tor.
fn is_country(code: &str) -> bool {
    code.len() == 2
        && code
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// Turns an answer into the runtime's. A stream passes without a copy in wasm memory.
fn outgoing(response: Response<ReadableStream>) -> Result<web_sys::Response, JsValue> {
    #[derive(Serialize)]
    struct Init<'a> {
        status: u16,
        headers: Record<'a>,
    }
    let init = object(&Init {
        status: response.status.as_u16(),
        headers: Record(&response.headers),
    })?;
    let init: web_sys::ResponseInit = init.unchecked_into();
    match response.body {
        Body::Empty | Body::Upload { .. } => {
            web_sys::Response::new_with_opt_str_and_init(None, &init)
        }
        Body::Bytes(mut bytes) => {
            web_sys::Response::new_with_opt_u8_array_and_init(Some(&mut bytes), &init)
        }
        Body::Stream(stream) => {
            web_sys::Response::new_with_opt_readable_stream_and_init(Some(&stream), &init)
        }
    }
}

/// The Workers runtime as one request sees it.
#[derive(Clone)]
pub struct Workers(Rc<RequestContext>);

struct RequestContext {
    env: Env,
    /// Context and request are none in a scheduled run.
    context: Option<Context>,
    request: Option<web_sys::Request>,
    /// Ready when the client hangs up, once something listens.
    hang_up: RefCell<Option<PromiseFuture>>,
}

impl RequestContext {
    /// Listens for the client's hang-up. Call it before awaiting anything outside the isolate: the runtime never
    /// settles the promises of a request whose client is gone, and without this such a request stays in memory for
    /// ever. Requests that await nothing, such as most refusals, save its cost.
    fn listen(&self) -> Result<(), JsValue> {
        let mut hang_up = self.hang_up.borrow_mut();
        if let Some(request) = self.request.as_ref().filter(|_| hang_up.is_none()) {
            *hang_up = Some(PromiseFuture::abort(&request.signal())?);
        }
        Ok(())
    }
}

impl Platform for Workers {
    type Body = ReadableStream;

    fn now_ms(&self) -> u64 {
        milliseconds(js_sys::Date::now())
    }

    fn log(&self, line: &str) {
        console_log!("{line}");
    }

    fn place(&self) -> Place {
        let cf = self.0.request.as_ref();
        let cf = cf.and_then(|request| Reflect::get(request, &"cf".into()).ok());
        let cf = cf.unwrap_or_default();
        let field = |name: &str| Reflect::get(&cf, &name.into()).ok()?.as_string();
        Place {
            country: field("country").filter(|code| is_country(code)),
            region: field("region"),
            city: field("city"),
        }
    }

    async fn sleep(&self, milliseconds: u32) {
        let _ = self.0.listen();
        delay(milliseconds).await;
    }

    async fn verifies(&self, key: &PublicKey, data: &[u8], signature: &[u8]) -> bool {
        verifies(key, data, signature).await.unwrap_or(false)
    }

    async fn encrypt(
        &self,
        key: &[u8],
        nonce: &[u8],
        context: &[u8],
        data: &[u8],
    ) -> Option<Vec<u8>> {
        encrypt(key, nonce, context, data).await.ok()
    }

    async fn send(
        &self,
        request: Outgoing<ReadableStream>,
        sent: &dyn Fn(),
    ) -> Result<Response<ReadableStream>, SendFault> {
        self.0.listen().map_err(unreachable)?;
        let response = send(request, sent).await?;
        relayed(&response).ok_or(SendFault::Unreachable)
    }

    async fn read(
        &self,
        body: ReadableStream,
        limit: usize,
        deadline_ms: u32,
    ) -> Result<Vec<u8>, ReadFault> {
        self.0.listen().map_err(|_| ReadFault::Broken)?;
        let mut bytes = Vec::new();
        read_chunks(&body, limit, deadline_ms, |chunk| {
            bytes.extend(chunk.to_vec());
            Ok(())
        })
        .await?;
        Ok(bytes)
    }

    async fn bounded(
        &self,
        body: ReadableStream,
        limit: usize,
        id: &str,
    ) -> Result<ReadableStream, ReadFault> {
        self.0.listen().map_err(|_| ReadFault::Broken)?;
        let chunks = ChunkReader::of(&body).map_err(|_| ReadFault::Broken)?;
        // Most answers end within their first chunk and need no counting stream.
        let first = chunks.next(CHUNK_BYTES, CHUNK_BYTES).await;
        let first = first.map_err(|_| ReadFault::Broken)?;
        if first.length() as usize > limit {
            return Err(ReadFault::TooLarge);
        }
        if first.length() < CHUNK_BYTES {
            return whole(&first).map_err(|_| ReadFault::Broken);
        }
        Ok(counted(chunks, first, limit, id.to_owned()))
    }

    async fn unzip(
        &self,
        body: &[u8],
        limit: usize,
        deadline_ms: u32,
    ) -> Result<Vec<u8>, ReadFault> {
        self.0.listen().map_err(|_| ReadFault::Broken)?;
        let unzipped = unzipped(body).map_err(|_| ReadFault::Broken)?;
        let mut bytes = Vec::new();
        read_chunks(&unzipped, limit, deadline_ms, |chunk| {
            bytes.extend(chunk.to_vec());
            Ok(())
        })
        .await?;
        Ok(bytes)
    }

    fn decode(label: &str, bytes: &[u8]) -> Option<String> {
        let decoder = web_sys::TextDecoder::new_with_label(label).ok()?;
        decoder.decode_with_u8_array(bytes).ok()
    }

    fn streamed(
        &self,
        chunks: impl Stream<Item = Result<Vec<u8>, Error>> + 'static,
    ) -> ReadableStream {
        let chunks = chunks.map(|chunk| match chunk {
            Ok(bytes) => Ok(Uint8Array::from(bytes.as_slice()).into()),
            Err(error) => {
                let code = error.body().code;
                console_error!(
                    "{}",
                    serde_json::json!({
                        "event": "stream_broke", "code": code, "error": error.name(),
                        "message": error.internal_cause(),
                    })
                );
                Err(JsValue::from_str(&code))
            }
        });
        wasm_streams::ReadableStream::from_stream(chunks)
            .into_raw()
            .unchecked_into()
    }

    fn background(&self, work: impl Future<Output = ()> + 'static) {
        // Boxed: otherwise the bundle would contain the glue code once for each caller.
        let work: Pin<Box<dyn Future<Output = ()>>> = Box::pin(work);
        match &self.0.context {
            Some(context) => context.wait_until(work),
            None => worker::wasm_bindgen_futures::spawn_local(work),
        }
    }

    async fn admit(&self, key: impl FnOnce() -> Result<String, Error>) -> Result<Admission, Error> {
        let limiter = Reflect::get(self.0.env.as_ref(), &RATE_LIMITER.into()).unwrap_or_default();
        if limiter.is_undefined() {
            return Ok(Admission::Granted);
        }
        // It fails on a runtime without the signal; the limiter can be asked all the same.
        let _ = self.0.listen();
        let success = ask_limiter(&limiter, &key()?).await;
        Ok(match success.ok().and_then(|success| success.as_bool()) {
            Some(true) => Admission::Granted,
            Some(false) => Admission::Refused,
            None => {
                console_error!("{}", serde_json::json!({"event": "rate_limiter_failed"}));
                Admission::Unknown
            }
        })
    }

    async fn cache_get(&self, name: &str) -> Option<Response<ReadableStream>> {
        let _ = self.0.listen();
        let cached = cache()
            .ok()?
            .match_with_str(&format!("{CACHE_PREFIX}{name}"));
        let cached = PromiseFuture::of(&cached).await.ok()?;
        relayed(cached.dyn_ref()?)
    }

    async fn cache_put(&self, name: &str, mut response: Response<()>, seconds: u32) {
        if let Ok(lifetime) = HeaderValue::from_str(&format!("max-age={seconds}")) {
            response.headers.insert(CACHE_CONTROL, lifetime);
        }
        let body = match response.body {
            Body::Bytes(bytes) => Body::Bytes(bytes),
            _ => Body::Empty,
        };
        let response = outgoing(Response {
            status: response.status,
            headers: response.headers,
            body,
        });
        let Ok(response) = response else { return };
        let cached = async {
            let cached = cache()?.put_with_str(&format!("{CACHE_PREFIX}{name}"), &response);
            PromiseFuture::of(&cached).await
        };
        // A runtime without a cache fails at every call, so log it once.
        if cached.await.is_err() && !CACHE_FAILED.replace(true) {
            console_error!("{}", serde_json::json!({"event": "cache_failed"}));
        }
    }
}

/// Bytes that are read of an answer before it is passed on, and at most at a time.
const CHUNK_BYTES: u32 = 16 * 1024;
const MAX_CHUNK_BYTES: u32 = 64 * 1024;

#[wasm_bindgen]
extern "C" {
    /// A stream and its byte reader with workerd's own method that waits for a number of bytes: `web_sys` has neither.
    type ByteStream;
    #[wasm_bindgen(method, catch, js_name = getReader)]
    fn byte_reader(this: &ByteStream, options: &JsValue) -> Result<ByteReader, JsValue>;

    type ByteReader;
    #[wasm_bindgen(method, catch, js_name = readAtLeast)]
    fn read_at_least(this: &ByteReader, bytes: u32, into: &Uint8Array) -> Result<Promise, JsValue>;
}

/// Reads a body chunk by chunk, without a copy of its bytes in wasm memory.
struct ChunkReader(ByteReader);

impl ChunkReader {
    fn of(stream: &ReadableStream) -> Result<Self, JsValue> {
        let options = Object::new();
        Reflect::set(&options, &"mode".into(), &"byob".into())?;
        let stream: &ByteStream = stream.unchecked_ref();
        stream.byte_reader(&options).map(Self)
    }

    /// Reads at least `least` bytes, and up to `most` if they have arrived; fewer at the end of the body, and none
    /// after it.
    async fn next(&self, least: u32, most: u32) -> Result<Uint8Array, JsValue> {
        let step = self
            .0
            .read_at_least(least, &Uint8Array::new_with_length(most))?;
        let step = PromiseFuture::of(&step).await?;
        let value = Reflect::get(&step, &"value".into())?;
        // A stream that had ended before may give no bytes.
        Ok(value
            .dyn_into()
            .unwrap_or_else(|_| Uint8Array::new_with_length(0)))
    }
}

/// A stream of bytes that have all arrived.
fn whole(bytes: &Uint8Array) -> Result<ReadableStream, JsValue> {
    let response = web_sys::Response::new_with_opt_js_u8_array(Some(bytes))?;
    response.body().ok_or(JsValue::NULL)
}

/// A stream of a body whose first chunk has been read. It breaks off after `limit` bytes.
fn counted(chunks: ChunkReader, first: Uint8Array, limit: usize, id: String) -> ReadableStream {
    let start = Some((chunks, Some(first), limit, id));
    let chunks = futures_util::stream::unfold(start, |state| async {
        let (chunks, first, left, id) = state?;
        let chunk = match first {
            Some(first) => Ok(first),
            None => chunks.next(1, MAX_CHUNK_BYTES).await,
        };
        let chunk = match chunk {
            Ok(chunk) if chunk.length() == 0 => return None,
            Ok(chunk) => chunk,
            Err(fault) => return Some((Err(fault), None)),
        };
        let Some(left) = left.checked_sub(chunk.length() as usize) else {
            let line = serde_json::json!({"event": "answer_too_large", "id": id});
            console_error!("{line}");
            return Some((Err("the answer is too large".into()), None));
        };
        Some((Ok(chunk.into()), Some((chunks, None, left, id))))
    });
    wasm_streams::ReadableStream::from_stream(chunks)
        .into_raw()
        .unchecked_into()
}

/// Cloudflare's cache of this data centre.
fn cache() -> Result<web_sys::Cache, JsValue> {
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    Reflect::get(scope.caches()?.as_ref(), &"default".into())?.dyn_into()
}

/// A time in JavaScript's form.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "milliseconds since 1970, whole and positive"
)]
fn milliseconds(time: f64) -> u64 {
    time as u64
}

/// Calls `RATE_LIMITER.limit({key})` and gives the `success` of its result.
async fn ask_limiter(limiter: &JsValue, key: &str) -> Result<JsValue, JsValue> {
    let limit: Function = Reflect::get(limiter, &"limit".into())?.dyn_into()?;
    let options = Object::new();
    Reflect::set(&options, &"key".into(), &key.into())?;
    let verdict: Promise = limit.call1(limiter, &options)?.dyn_into()?;
    Reflect::get(&PromiseFuture::of(&verdict).await?, &"success".into())
}

/// Turns an answer of the runtime into that of the stages.
fn relayed(response: &web_sys::Response) -> Option<Response<ReadableStream>> {
    Some(Response {
        status: StatusCode::from_u16(response.status()).ok()?,
        headers: rust_headers(&response.headers(), |_| true)?,
        body: response.body().map_or(Body::Empty, Body::Stream),
    })
}

/// Bytes of a refused body that are read and discarded, and the milliseconds for it.
const MAX_DRAINED_BYTES: usize = 8 * 1024 * 1024;
const DRAIN_MS: u32 = 2000;

/// Discards the rest of a request's body that no stage reads. A server that answers while its client still sends has to
/// close the connection, which would break the client's next request on it.
async fn drain_unread(request: &web_sys::Request) {
    if let Some(body) = request.body().filter(|body| !body.locked()) {
        drain(&body.get_reader().unchecked_into()).await;
    }
}

async fn drain(reader: &ReadableStreamDefaultReader) {
    let mut deadline = pin!(delay(DRAIN_MS));
    let mut length = 0;
    while length <= MAX_DRAINED_BYTES {
        match select(pin!(next_chunk(reader)), deadline.as_mut()).await {
            Either::Left((Ok(Some(chunk)), _)) => length += chunk.length() as usize,
            Either::Left(_) | Either::Right(_) => return,
        }
    }
}

/// The next chunk of a body; none at its end.
async fn next_chunk(reader: &ReadableStreamDefaultReader) -> Result<Option<Uint8Array>, ReadFault> {
    let step = PromiseFuture::of(&reader.read()).await;
    let step = step.map_err(|_| ReadFault::Broken)?;
    let field = |name: &str| Reflect::get(&step, &name.into()).map_err(|_| ReadFault::Broken);
    if field("done")?.is_truthy() {
        return Ok(None);
    }
    let chunk = field("value")?.dyn_into();
    chunk.map(Some).map_err(|_| ReadFault::Broken)
}

/// Sends a request and waits for the head of its answer. A body has a deadline of its own, so that a slow client is
/// distinguished from a slow database. The body of the answer has no deadline.
async fn send(
    request: Outgoing<ReadableStream>,
    sent: &dyn Fn(),
) -> Result<web_sys::Response, SendFault> {
    #[derive(Serialize)]
    struct Init<'a> {
        method: &'a str,
        redirect: &'static str,
        headers: Record<'a>,
    }
    let init = object(&Init {
        method: request.method.as_str(),
        redirect: "manual",
        headers: Record(&request.headers),
    });
    let init = init.map_err(unreachable)?;
    let init: web_sys::RequestInit = init.unchecked_into();
    let mut fetching = Fetching(Some(AbortController::new().map_err(unreachable)?));
    init.set_signal(fetching.0.as_ref().map(AbortController::signal).as_ref());
    let mut upload = None;
    let mut buffered = None;
    match request.body {
        Body::Empty => {}
        Body::Bytes(bytes) => init.set_body(&Uint8Array::from(bytes.as_slice())),
        Body::Stream(stream) => init.set_body(&stream),
        Body::Upload {
            stream,
            length,
            limit,
            deadline_ms,
        } => {
            if let Some(length) = length {
                let started = Upload::start(&stream, length).map_err(unreachable)?;
                init.set_body(&started.handed_on);
                upload = Some((started, deadline_ms));
            } else {
                let (body, reservation) = buffer(&stream, limit, deadline_ms).await?;
                init.set_body(body.as_ref());
                buffered = Some(reservation);
                sent();
            }
        }
    }
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    let answer = PromiseFuture::of(&scope.fetch_with_str_and_init(&request.url, &init));
    let answer = in_time(answer, upload, sent, request.deadline_ms).await?;
    drop(buffered);
    fetching.0 = None;
    answer.dyn_into().map_err(unreachable)
}

/// A fetch that is aborted when its future is dropped before the answer's head has arrived.
struct Fetching(Option<AbortController>);

impl Drop for Fetching {
    fn drop(&mut self) {
        if let Some(controller) = &self.0 {
            controller.abort();
        }
    }
}

/// Waits for the body to be sent, if there is one, and then for the answer.
async fn in_time(
    answer: PromiseFuture,
    upload: Option<(Upload, u32)>,
    sent: &dyn Fn(),
    deadline_ms: u32,
) -> Result<JsValue, SendFault> {
    let mut answer = answer;
    if let Some((upload, upload_ms)) = upload {
        let slow = pin!(delay(upload_ms));
        match select(answer, select(upload.sent, slow)).await {
            Either::Left((answered, _)) => return answered.map_err(upload_fault),
            // A body that could not be sent also ends the fetch, unless it has been answered already.
            Either::Right((Either::Left((Err(fault), _)), waiting)) => {
                return match select(waiting, pin!(delay(SETTLE_MS))).await {
                    Either::Left((Ok(answered), _)) => Ok(answered),
                    _ => Err(upload_fault(fault)),
                };
            }
            Either::Right((Either::Left((Ok(_), _)), waiting)) => {
                sent();
                answer = waiting;
            }
            Either::Right((Either::Right(_), _)) => return Err(SendFault::Body(ReadFault::Slow)),
        }
    }
    match select(answer, pin!(delay(deadline_ms))).await {
        Either::Left((answered, _)) => answered.map_err(unreachable),
        Either::Right(_) => Err(SendFault::Timeout),
    }
}

/// Milliseconds in which a fetch with a broken body ends.
const SETTLE_MS: u32 = 1000;

/// Why an upload failed. The runtime does not say which of the two connections broke, and the log must not blame
/// PostgREST for a client that went away.
#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn upload_fault(fault: JsValue) -> SendFault {
    if message(&fault).is_some_and(|message| message.contains("FixedLengthStream")) {
        return SendFault::Body(ReadFault::Broken);
    }
    log_js_error("upload_failed", &fault);
    SendFault::Unreachable
}

async fn delay(milliseconds: u32) {
    // A timer has no result.
    let _ = PromiseFuture::milliseconds(milliseconds).await;
}

/// Usually a refused connection; a mistake of the edge would look the same here.
#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn unreachable(fault: JsValue) -> SendFault {
    log_js_error("fetch_failed", &fault);
    SendFault::Unreachable
}

/// Logs an error of JavaScript.
fn log_js_error(event: &str, fault: &JsValue) {
    let line = serde_json::json!({
        "event": event, "name": text_of(fault, "name"), "message": message(fault),
    });
    console_error!("{line}");
}

/// The message of a JavaScript error.
fn message(fault: &JsValue) -> Option<String> {
    text_of(fault, "message")
}

fn text_of(object: &JsValue, name: &str) -> Option<String> {
    let value = Reflect::get(object, &name.into()).unwrap_or_default();
    value.as_string()
}

/// A body of declared length on its way from the client to PostgREST. The runtime's own pipe passes exactly `length`
/// bytes, without a copy in wasm memory.
struct Upload {
    /// The body of the fetch.
    handed_on: ReadableStream,
    /// Settled when the body has been sent completely, or broke off.
    sent: PromiseFuture,
}

impl Upload {
    fn start(stream: &ReadableStream, length: usize) -> Result<Self, JsValue> {
        let class: Function =
            Reflect::get(&js_sys::global(), &"FixedLengthStream".into())?.dyn_into()?;
        #[expect(clippy::cast_precision_loss, reason = "the limit is below 2^53")]
        let length = Array::of1(&(length as f64).into());
        let pipe = Reflect::construct(&class, &length)?;
        let writable: WritableStream = Reflect::get(&pipe, &"writable".into())?.dyn_into()?;
        Ok(Self {
            handed_on: Reflect::get(&pipe, &"readable".into())?.dyn_into()?,
            sent: PromiseFuture::of(&stream.pipe_to(&writable)),
        })
    }
}

/// Buffers a body of unknown length; its chunks stay in the runtime's memory. PostgREST would accept a body that breaks
/// off as complete, so nothing is sent before its end has arrived.
async fn buffer(
    stream: &ReadableStream,
    limit: usize,
    deadline_ms: u32,
) -> Result<(web_sys::Blob, Buffered), SendFault> {
    let chunks = Array::new();
    let mut buffered = Buffered(0);
    let reading = read_chunks(stream, limit, deadline_ms, |chunk| {
        buffered.add(chunk.length() as usize)?;
        chunks.push(chunk);
        Ok(())
    });
    reading.await.map_err(SendFault::Body)?;
    let body = web_sys::Blob::new_with_u8_array_sequence(&chunks).map_err(unreachable)?;
    Ok((body, buffered))
}

/// The most bytes of bodies that an isolate buffers at a time: it has 128 MB for everything.
const MAX_BUFFERED_BYTES: usize = 16 * 1024 * 1024;

thread_local! {
    static BUFFERED_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// The bytes that one body has in the buffer.
struct Buffered(usize);

impl Buffered {
    fn add(&mut self, bytes: usize) -> Result<(), ReadFault> {
        if BUFFERED_BYTES.get() + bytes > MAX_BUFFERED_BYTES {
            return Err(ReadFault::BufferFull);
        }
        BUFFERED_BYTES.set(BUFFERED_BYTES.get() + bytes);
        self.0 += bytes;
        Ok(())
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        BUFFERED_BYTES.set(BUFFERED_BYTES.get().saturating_sub(self.0));
    }
}

/// Decompresses gzip with the runtime's own stream.
fn unzipped(body: &[u8]) -> Result<ReadableStream, JsValue> {
    let class: Function =
        Reflect::get(&js_sys::global(), &"DecompressionStream".into())?.dyn_into()?;
    let reader = Reflect::construct(&class, &Array::of1(&"gzip".into()))?;
    let zipped = web_sys::Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(body)))?;
    let zipped = zipped.stream();
    let pipe: Function = Reflect::get(&zipped, &"pipeThrough".into())?.dyn_into()?;
    pipe.call1(&zipped, &reader)?.dyn_into()
}

/// Passes the chunks of a body to `each` while they arrive within the deadline and the limit.
async fn read_chunks(
    stream: &ReadableStream,
    limit: usize,
    deadline_ms: u32,
    mut each: impl FnMut(&Uint8Array) -> Result<(), ReadFault>,
) -> Result<(), ReadFault> {
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut deadline = pin!(delay(deadline_ms));
    let mut length = 0;
    loop {
        let chunk = match select(pin!(next_chunk(&reader)), deadline.as_mut()).await {
            Either::Left((chunk, _)) => chunk?,
            // The reader keeps its lock: the rest of a slow body is not awaited again.
            Either::Right(_) => return Err(ReadFault::Slow),
        };
        let Some(chunk) = chunk else { return Ok(()) };
        length += chunk.length() as usize;
        if length > limit {
            // Released so that `drain_unread` can discard the rest of a client's body.
            reader.release_lock();
            return Err(ReadFault::TooLarge);
        }
        each(&chunk)?;
    }
}

/// A header's value with one byte for each character. An invalid value is kept as a byte that is not text, for the
/// stage that reads the header to refuse.
fn header_value(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let value = if text.is_ascii() {
        HeaderValue::from_bytes(text.as_bytes())
    } else {
        let byte = |c| u8::try_from(u32::from(c)).unwrap_or(0xff);
        HeaderValue::from_bytes(&text.chars().map(byte).collect::<Vec<u8>>())
    };
    value.or_else(|_| HeaderValue::from_bytes(&[0xff]))
}

/// The headers whose names are wanted, read from one string.
fn rust_headers(headers: &web_sys::Headers, wanted: impl Fn(&str) -> bool) -> Option<HeaderMap> {
    let object = Object::from_entries(headers).ok()?;
    let text = js_sys::JSON::stringify(&object).ok()?.as_string()?;
    let mut read = serde_json::Deserializer::from_slice(text.as_bytes());
    Entries(&wanted).deserialize(&mut read).ok()
}

/// Reads the wanted entries of an object of strings, without copying the others.
struct Entries<'a>(&'a dyn Fn(&str) -> bool);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = HeaderMap;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<HeaderMap, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = HeaderMap;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("headers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<HeaderMap, A::Error> {
        let mut made = HeaderMap::with_capacity(16);
        // A header's name contains no character that JSON escapes.
        while let Some(name) = access.next_key::<&str>()? {
            if (self.0)(name) {
                let name = HeaderName::from_bytes(name.as_bytes()).map_err(A::Error::custom)?;
                let value = header_value(&access.next_value::<String>()?);
                made.insert(name, value.map_err(A::Error::custom)?);
            } else {
                access.next_value::<IgnoredAny>()?;
            }
        }
        Ok(made)
    }
}

/// Turns a value into an object of JavaScript, passed as one string.
fn object(value: &impl Serialize) -> Result<JsValue, JsValue> {
    let text = serde_json::to_string(value).map_err(|error| error.to_string())?;
    js_sys::JSON::parse(&text)
}

/// Headers as an object of JavaScript: the values of a name joined, with a character for each byte.
struct Record<'a>(&'a HeaderMap);

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.keys().map(|name| {
            let values = self.0.get_all(name).into_iter().map(characters);
            let joined = values.reduce(|joined, value| format!("{joined}, {value}").into());
            (name.as_str(), joined)
        }))
    }
}

fn characters(value: &HeaderValue) -> Cow<'_, str> {
    match value.to_str() {
        Ok(text) => text.into(),
        Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
    }
}

/// A key of WebCrypto with everything that a check needs.
#[derive(Clone)]
struct ImportedKey {
    subtle: web_sys::SubtleCrypto,
    parameters: Object,
    key: CryptoKey,
}

async fn verifies(key: &PublicKey, data: &[u8], signature: &[u8]) -> Result<bool, JsValue> {
    let known = IMPORTED_KEYS.with_borrow(|known| known.get(&key.jwk).cloned());
    let imported = match known {
        Some(imported) => imported,
        None => import_once(key).await,
    };
    let Some(imported) = imported else {
        return Ok(false);
    };
    let checking = imported
        .subtle
        .verify_with_object_and_js_u8_array_and_js_u8_array(
            &imported.parameters,
            &imported.key,
            &Uint8Array::from(signature),
            &Uint8Array::from(data),
        )?;
    Ok(PromiseFuture::of(&checking).await?.is_truthy())
}

/// Imports a key and caches the result, also the failure.
async fn import_once(key: &PublicKey) -> Option<ImportedKey> {
    let imported = import(key).await;
    if let Err(fault) = &imported {
        let kid: Option<String> = key.kid.as_ref().map(|kid| kid.chars().take(128).collect());
        console_error!(
            "{}",
            serde_json::json!({"event": "key_refused", "kid": kid, "message": message(fault)})
        );
    }
    let imported = imported.ok();
    IMPORTED_KEYS.with_borrow_mut(|known| {
        if known.len() >= MAX_IMPORTED_KEYS {
            known.clear();
        }
        known.insert(key.jwk.clone(), imported.clone());
    });
    imported
}

async fn import(key: &PublicKey) -> Result<ImportedKey, JsValue> {
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    let subtle = scope.crypto()?.subtle();
    let parameters = parameters(key.algorithm)?;
    let jwk: Object = js_sys::JSON::parse(&key.jwk)?.unchecked_into();
    let usages = Array::of1(&"verify".into());
    let importing = subtle.import_key_with_object("jwk", &jwk, &parameters, false, &usages)?;
    Ok(ImportedKey {
        key: PromiseFuture::of(&importing).await?.dyn_into()?,
        subtle,
        parameters,
    })
}

async fn encrypt(
    key: &[u8],
    nonce: &[u8],
    context: &[u8],
    data: &[u8],
) -> Result<Vec<u8>, JsValue> {
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    let subtle = scope.crypto()?.subtle();
    let parameters = Object::new();
    for (name, value) in [
        ("name", JsValue::from_str("AES-GCM")),
        ("iv", Uint8Array::from(nonce).into()),
        ("additionalData", Uint8Array::from(context).into()),
    ] {
        Reflect::set(&parameters, &JsValue::from_str(name), &value)?;
    }
    let usages = Array::of1(&"encrypt".into());
    let importing = subtle.import_key_with_object(
        "raw",
        &Uint8Array::from(key).into(),
        &parameters,
        false,
        &usages,
    )?;
    let key: CryptoKey = PromiseFuture::of(&importing).await?.dyn_into()?;
    let encrypting =
        subtle.encrypt_with_object_and_js_u8_array(&parameters, &key, &Uint8Array::from(data))?;
    Ok(Uint8Array::new(&PromiseFuture::of(&encrypting).await?).to_vec())
}

/// An algorithm in WebCrypto's form, for importing a key and verifying with it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    named_curve: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    salt_length: Option<u8>,
}

fn parameters(algorithm: Algorithm) -> Result<Object, JsValue> {
    let with = |name, named_curve, hash, salt_length| Parameters {
        name,
        named_curve,
        hash,
        salt_length,
    };
    let ecdsa = |curve, hash| with("ECDSA", Some(curve), Some(hash), None);
    let pkcs1 = |hash| with("RSASSA-PKCS1-v1_5", None, Some(hash), None);
    // The salt is as long as the hash (RFC 7518, section 3.5).
    let pss = |hash, salt_length| with("RSA-PSS", None, Some(hash), Some(salt_length));
    let made = match algorithm {
        Algorithm::Es256 => ecdsa("P-256", "SHA-256"),
        Algorithm::Es384 => ecdsa("P-384", "SHA-384"),
        Algorithm::Es512 => ecdsa("P-521", "SHA-512"),
        Algorithm::Rs256 => pkcs1("SHA-256"),
        Algorithm::Rs384 => pkcs1("SHA-384"),
        Algorithm::Rs512 => pkcs1("SHA-512"),
        Algorithm::Ps256 => pss("SHA-256", 32),
        Algorithm::Ps384 => pss("SHA-384", 48),
        Algorithm::Ps512 => pss("SHA-512", 64),
        Algorithm::EdDsa => with("Ed25519", None, None, None),
        Algorithm::Hs256 => return Err("HS256 keys are not public".into()),
    };
    Ok(object(&made)?.unchecked_into())
}
