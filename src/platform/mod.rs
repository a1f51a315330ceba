//! The Workers runtime: implements [`Platform`] with `worker` and WebCrypto. Besides the entry point in `lib.rs`, only
//! this folder imports them.
//!
//! The state of an isolate is in `thread_local!`, as plain data, and never borrowed across an await.

mod bridge;
mod chunks;
mod crypto;
mod headers;
mod messages;
mod pieces;
mod pushed;
mod services;
mod tasks;
mod uploads;
mod waits;

use std::cell::{Cell, OnceCell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use futures_util::Stream;
use js_sys::{JsString, Reflect, Uint8Array};
use serde_json::Value;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::web_sys::{self, ReadableStream};
use worker::{Context, Env, console_error, worker_sys};

use crate::config::Config;
use crate::error::Error;
use crate::id;
use crate::isolate::{self, Edge, Isolate};
use crate::message::{Body, KB, Outgoing, Place, ReadFault, Request, Response, SendFault};
use crate::public_key::PublicKey;
use crate::registry::Registry;
use crate::runtime::{Admission, Platform};
use crate::{jobs, pipeline, respond, scope};
use chunks::Chunks;
use crypto::Direction;
use messages::{finish, incoming, is_read, request_headers_in, send};
use pushed::Pushed;
use uploads::drain_unread;
use waits::{PromiseFuture, delay};

/// The binding of Cloudflare's rate limiter, if there is one.
const RATE_LIMITER: &str = "RATE_LIMITER";

#[wasm_bindgen(raw_module = "./systems.js")]
extern "C" {
    /// The systems' manifests as one JSON text, which `dev/systems.js` writes beside the bundle.
    #[wasm_bindgen(thread_local_v2, js_name = default)]
    static MANIFESTS: JsString;
}

thread_local! {
    static NO_LIMITER: Cell<bool> = const { Cell::new(false) };
    static ISOLATE: OnceCell<Rc<Isolate>> = const { OnceCell::new() };
}

/// Makes the registry of the manifests' text.
pub type ReadManifests = fn(&str) -> Result<Registry, Error>;

/// The header names to which both sides of `entry.js` give the same marks, in the form of [`headers::mark_names`].
pub fn header_names(env: &Env, manifests: ReadManifests) -> String {
    match isolate(env, manifests) {
        Ok(isolate) => headers::mark_names(&isolate.registry.request_headers),
        Err(_) => headers::mark_names(&[]),
    }
}

/// A message that a browser sends by a WebSocket, as it is handed on; none if it must not be.
pub fn socket_message(text: &str) -> Option<String> {
    let isolate = ISOLATE.with(|cell| cell.get().cloned())?;
    scope::message(text, &isolate.config)
}

/// What the runtime hands over of a request.
pub struct Arrival {
    /// Its number.
    pub task: u32,
    /// The request itself.
    pub request: web_sys::Request,
    /// The bindings.
    pub env: Env,
    /// What may outlive the answer.
    pub context: worker_sys::Context,
    /// Method, URL and the headers that the edge reads.
    pub text: Vec<u8>,
    /// When it arrived, in milliseconds since 1970.
    pub now_ms: f64,
}

/// Answers one request of the runtime.
pub fn begin(arrival: Arrival, manifests: ReadManifests) {
    let Arrival {
        task,
        request,
        env,
        context,
        text,
        now_ms,
    } = arrival;
    let hung_up = Rc::new(Cell::new(false));
    let context = RequestContext {
        env,
        context: Some(context),
        request: Some((request, task)),
        listens: Cell::new(false),
        hung_up: hung_up.clone(),
        at_database: Cell::default(),
        line: RefCell::default(),
    };
    let text = String::from_utf8(text).unwrap_or_default();
    let answering = Box::pin(async move {
        if let Err(fault) = answer(task, &text, Rc::new(context), manifests).await {
            log_internal_error(None, "the runtime does not accept an error", Some(&fault));
            bridge::finish(task, "\n500\n", &JsValue::NULL);
        }
    });
    tasks::start(task, now_ms, hung_up, answering);
}

async fn answer(
    task: u32,
    text: &str,
    context: Rc<RequestContext>,
    manifests: ReadManifests,
) -> Result<(), JsValue> {
    let isolate = isolate(&context.env, manifests);
    let Some((request, _)) = &context.request else {
        return Ok(());
    };
    let id = || {
        let id = match &isolate {
            Ok(isolate) => isolate.next_id(),
            Err(_) => id::random_id(),
        };
        id.map_err(Error::from)
    };
    let incoming = match incoming(request, text, id) {
        Ok(incoming) => incoming,
        Err(error) => {
            if let Some(cause) = error.internal_cause() {
                log_internal_error(None, cause, None);
            }
            return finish(task, "", &respond::error(&error));
        }
    };
    match isolate {
        Ok(isolate) => {
            let edge = Edge::new(isolate, Workers(context));
            unless_hung_up(task, incoming, text, &edge).await
        }
        Err(error) => {
            log_misconfigured(&error);
            let mut response = respond::error(&error);
            respond::set_common_headers(&mut response, &incoming.headers, &incoming.id, None);
            finish(task, "", &response)
        }
    }
}

/// Logs what the edge itself failed at, and what the runtime says about it.
fn log_internal_error(id: Option<&str>, cause: &str, fault: Option<&JsValue>) {
    let runtime = fault.and_then(message);
    console_error!(
        "{}",
        isolate::internal_error_line(id, cause, runtime.as_deref())
    );
}

/// Logs why the edge does not start.
fn log_misconfigured(error: &Error) {
    console_error!("{}", fault(error));
}

/// What is wrong with the configuration or a manifest.
pub(crate) fn fault(error: &Error) -> String {
    let body = error.body();
    let details = body.details.as_ref().and_then(Value::as_str);
    format!("{}: {}", body.message, details.unwrap_or_default())
}

/// Runs the jobs of a cron.
pub async fn scheduled(cron: &str, env: Env, manifests: ReadManifests) {
    let isolate = match isolate(&env, manifests) {
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
        listens: Cell::default(),
        hung_up: Rc::default(),
        at_database: Cell::default(),
        line: RefCell::default(),
    };
    let edge = Edge::new(isolate, Workers(Rc::new(request_context)));
    jobs::run_scheduled(cron, &edge).await;
}

/// Answers, unless the client closes the connection first. Then the runtime ends the request and its fetches without
/// settling their promises: a future that awaits one would wait for ever, so it is dropped here. While the database works for the
/// request the runtime is made to wait, and the future goes on until the answer is there.
async fn unless_hung_up(
    task: u32,
    incoming: Request<ReadableStream>,
    text: &str,
    edge: &Edge<Workers>,
) -> Result<(), JsValue> {
    let (id, method) = (incoming.id.clone(), incoming.method.clone());
    let start_ms = edge.platform.now_ms();
    let context = &edge.platform.0;
    let is_logged = Cell::new(false);
    let mut answering = pin!(async {
        let response = pipeline::answer(incoming, edge).await;
        is_logged.set(!context.hung_up.get());
        if !response.status.is_success()
            && !is_read(&method)
            && let Some((request, _)) = &context.request
        {
            context.listen();
            drain_unread(request).await;
        }
        response
    });
    let mut stays = false;
    let response = poll_fn(|polled| {
        if context.hung_up.get() && !stays {
            stays = context.at_database.get() > 0 && context.stay(task);
            if !stays {
                return Poll::Ready(None);
            }
        }
        let answered = answering.as_mut().poll(polled);
        if stays && context.at_database.get() == 0 {
            return Poll::Ready(None);
        }
        answered.map(Some)
    });
    let response = response.await;
    if stays {
        bridge::ended(task);
    }
    let Some(response) = response else {
        if !is_logged.get() {
            let status = pipeline::CLIENT_CLOSED_REQUEST;
            pipeline::log(edge, &id, &method, status, None, start_ms);
        }
        // Nobody gets it.
        let gone = respond::error(&Error::Internal("the client has hung up"));
        return finish(task, &context.line.take(), &gone);
    };
    finish(task, &context.line.take(), &response).or_else(|fault| {
        let cause = "the runtime does not accept the answer";
        log_internal_error(Some(&id), cause, Some(&fault));
        let mut response = respond::error(&Error::Internal(cause));
        let headers = request_headers_in(text).unwrap_or_default();
        respond::set_common_headers(&mut response, &headers, &id, Some(&edge.config));
        finish(task, "", &response)
    })
}

/// The isolate's state, created at its first request. An incomplete configuration creates none.
fn isolate(env: &Env, manifests: ReadManifests) -> Result<Rc<Isolate>, Error> {
    if let Some(isolate) = ISOLATE.with(|cell| cell.get().cloned()) {
        return Ok(isolate);
    }
    let given = String::from_utf8(bridge::variables(env)).unwrap_or_default();
    let variable = |name: &str| {
        let mut texts = given.split('\0');
        while let (Some(own), Some(value)) = (texts.next(), texts.next()) {
            if own == name {
                return Some(value.to_owned());
            }
        }
        None
    };
    let text = MANIFESTS.with(|text| String::from_utf8(bridge::encoded(text)));
    let registry = manifests(&text.unwrap_or_default())?;
    let config = Config::read(variable, &registry.schemas, &registry.variables)?;
    let isolate = Rc::new(Isolate::new(config, registry));
    Ok(ISOLATE.with(|cell| cell.get_or_init(|| isolate).clone()))
}

/// Whether it is two letters, or Cloudflare's `T1` for Tor.
fn is_country(code: &str) -> bool {
    code.len() == 2
        && code
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
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

/// The Workers runtime as one request sees it.
#[derive(Clone)]
pub struct Workers(Rc<RequestContext>);

struct RequestContext {
    env: Env,
    /// Context and request are none in a scheduled run.
    context: Option<worker_sys::Context>,
    /// The request and the number of its task.
    request: Option<(web_sys::Request, u32)>,
    /// Whether a hang-up of the client is noticed.
    listens: Cell<bool>,
    /// Whether the client has hung up.
    hung_up: Rc<Cell<bool>>,
    /// How much of the request the database works on.
    at_database: Cell<usize>,
    /// The line of the log about the request; it crosses with the answer.
    line: RefCell<String>,
}

impl RequestContext {
    /// Listens for the client's hang-up. Call it before awaiting anything outside the isolate: the runtime never
    /// settles the promises of a request whose client is gone, and without this such a request stays in memory for
    /// ever. Requests that await nothing, such as most refusals, save its cost.
    fn listen(&self) {
        if let Some((request, task)) = &self.request
            && !self.listens.replace(true)
        {
            bridge::listen(request, *task);
        }
    }

    /// Makes the runtime wait for a task whose client has hung up, until [`bridge::ended`]. Whether it does.
    fn stay(&self, task: u32) -> bool {
        let context = self.context.as_ref();
        context.is_some_and(|context| context.wait_until(&bridge::unended(task)).is_ok())
    }
}

/// Work of the database for a request.
pub struct AtDatabase(Rc<RequestContext>);

impl AtDatabase {
    fn of(context: &Rc<RequestContext>) -> Self {
        context.at_database.update(|count| count + 1);
        Self(context.clone())
    }
}

impl Drop for AtDatabase {
    fn drop(&mut self) {
        self.0.at_database.update(|count| count.saturating_sub(1));
    }
}

impl Platform for Workers {
    type Body = ReadableStream;
    type Writer = Pushed;
    type AtDatabase = AtDatabase;

    fn now_ms(&self) -> u64 {
        tasks::now_ms()
    }

    fn log(&self, line: &str) {
        bridge::log(line);
    }

    fn log_request(&self, line: String) {
        self.0.line.replace(line);
    }

    fn at_database(&self) -> AtDatabase {
        AtDatabase::of(&self.0)
    }

    fn apart(&self) -> Self {
        let of = &self.0;
        Self(Rc::new(RequestContext {
            env: of.env.clone(),
            context: of.context.as_ref().map(|context| {
                let context: &JsValue = context.as_ref();
                context.clone().unchecked_into()
            }),
            request: of.request.clone(),
            listens: Cell::new(true),
            hung_up: Rc::default(),
            at_database: Cell::default(),
            line: RefCell::default(),
        }))
    }

    fn place(&self) -> Place {
        let cf = self.0.request.as_ref();
        let cf = cf.and_then(|(request, _)| Reflect::get(request, &"cf".into()).ok());
        // Outside of Cloudflare there is none. Asking what is no object throws an exception for each field.
        let Some(cf) = cf.filter(JsValue::is_object) else {
            return Place::default();
        };
        let field = |name: &str| Reflect::get(&cf, &name.into()).ok()?.as_string();
        Place {
            country: field("country").filter(|code| is_country(code)),
            region: field("region"),
            city: field("city"),
        }
    }

    async fn sleep(&self, milliseconds: u32) {
        self.0.listen();
        delay(milliseconds).await;
    }

    async fn verifies(&self, key: &PublicKey, data: &[u8], signature: &[u8]) -> bool {
        crypto::verifies(key, data, signature).await
    }

    async fn encrypt(
        &self,
        key: &[u8],
        nonce: &[u8],
        context: &[u8],
        data: &[u8],
    ) -> Option<Vec<u8>> {
        let encrypted = crypto::aes_gcm(Direction::Encrypt, key, nonce, context, data);
        encrypted.await.ok()
    }

    async fn decrypt(
        &self,
        key: &[u8],
        nonce: &[u8],
        context: &[u8],
        data: &[u8],
    ) -> Option<Vec<u8>> {
        let decrypted = crypto::aes_gcm(Direction::Decrypt, key, nonce, context, data);
        decrypted.await.ok()
    }

    async fn send(
        &self,
        request: &Outgoing<ReadableStream>,
        sent: &dyn Fn(),
    ) -> Result<Response<ReadableStream>, SendFault> {
        self.0.listen();
        send(request, sent).await
    }

    fn watched(&self, socket: ReadableStream) -> ReadableStream {
        bridge::watch_messages(&socket);
        socket
    }

    async fn read(
        &self,
        body: ReadableStream,
        limit: usize,
        deadline_ms: u32,
    ) -> Result<Vec<u8>, ReadFault> {
        self.0.listen();
        let bytes = read_whole(&body, limit, deadline_ms).await?;
        Ok(bytes.to_vec())
    }

    async fn read_request(
        &self,
        body: ReadableStream,
        declared: Option<usize>,
        limit: usize,
        deadline_ms: u32,
    ) -> Result<Vec<u8>, ReadFault> {
        self.0.listen();
        let is_small = declared.is_some_and(|length| length <= limit.min(SMALL_BODY_BYTES));
        let Some((request, _)) = self.0.request.as_ref().filter(|_| is_small) else {
            let reading = Reading(bridge::number());
            let arriving = bridge::read_arriving(reading.0, &body, float(limit), deadline_ms);
            let arriving = arriving.map_err(|fault| read_fault(&fault))?;
            let bytes = PromiseFuture::of(&arriving).await;
            let bytes = bytes.map_err(|fault| read_fault(&fault))?;
            return Ok(Uint8Array::new(&bytes).to_vec());
        };
        // The runtime reads no more than was declared, and without a reader's objects.
        let bytes = PromiseFuture::of(&bridge::read_request(request, deadline_ms)).await;
        let bytes = bytes.map_err(|fault| read_fault(&fault))?;
        Ok(Uint8Array::new(&bytes).to_vec())
    }

    async fn whole(
        &self,
        body: ReadableStream,
        limit: usize,
        deadline_ms: u32,
    ) -> Result<Body<ReadableStream>, ReadFault> {
        self.0.listen();
        let bytes = read_whole(&body, limit, deadline_ms).await?;
        // Bytes of JavaScript are a body like a stream of them.
        Ok(Body::Stream(bytes.unchecked_into()))
    }

    fn chunks(
        &self,
        body: ReadableStream,
        is_zipped: bool,
        limit: usize,
        idle_ms: u32,
    ) -> impl Stream<Item = Result<Vec<u8>, ReadFault>> {
        self.0.listen();
        let chunks = Chunks::of(&body, is_zipped, limit, idle_ms);
        chunks::stream(chunks)
    }

    fn pieces(
        &self,
        body: ReadableStream,
        limit: usize,
        idle_ms: u32,
        turn: impl Fn(usize) -> u32,
    ) -> impl Stream<Item = Result<Vec<u8>, ReadFault>> {
        pieces::stream(&body, limit, idle_ms, turn)
    }

    async fn bounded(
        &self,
        body: ReadableStream,
        limit: usize,
    ) -> Result<Body<ReadableStream>, ReadFault> {
        self.0.listen();
        let bounded = PromiseFuture::started(|wait| {
            bridge::bounded(wait, &body, float(limit));
            Ok(())
        });
        let bounded = match bounded {
            Ok(bounded) => bounded.await,
            Err(fault) => Err(fault),
        };
        let bounded = bounded.map_err(|fault| read_fault(&fault))?;
        // A stream for Rust; `entry.js` takes what it has made of it.
        Ok(Body::Stream(bounded.unchecked_into()))
    }

    async fn unzip(
        &self,
        body: &[u8],
        limit: usize,
        deadline_ms: u32,
        hold: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Vec<u8>, ReadFault> {
        self.0.listen();
        chunks::unzip(body, limit, deadline_ms, hold).await
    }

    async fn document(&self, name: &str) -> Option<String> {
        self.0.listen();
        let text = PromiseFuture::of(&bridge::document(name)).await;
        text.ok()?.as_string()
    }

    fn decode(label: &str, bytes: &[u8]) -> Option<String> {
        let decoder = web_sys::TextDecoder::new_with_label(label).ok()?;
        decoder.decode_with_u8_array(bytes).ok()
    }

    fn pushed(&self, idle_ms: u32) -> Result<(ReadableStream, Pushed), Error> {
        let request = self.0.request.as_ref();
        let (request, _) = request.ok_or(Error::Internal("a job has no client"))?;
        Pushed::start(request, idle_ms).map_err(|fault| {
            log_js_error("no_stream", &fault);
            Error::Internal("the runtime makes no stream")
        })
    }

    fn outlive(&self, work: impl Future<Output = ()> + 'static) {
        let task = bridge::number();
        if let Some(context) = &self.0.context {
            // Where the runtime refuses, the work ends with the request.
            let _ = context.wait_until(&bridge::unended(task));
        }
        // Not by `background`, whose futures run in the events of other requests, too: what they send would end with those.
        let work = Box::pin(async move {
            work.await;
            bridge::ended(task);
        });
        tasks::spawn(task, Rc::default(), work);
    }

    fn background(&self, work: impl Future<Output = ()> + 'static) {
        // Boxed: otherwise the bundle would contain the glue code once for each caller.
        let work: Pin<Box<dyn Future<Output = ()>>> = Box::pin(work);
        match &self.0.context {
            Some(context) => {
                let context: &JsValue = context.as_ref();
                Context::new(context.clone().unchecked_into()).wait_until(work);
            }
            None => worker::wasm_bindgen_futures::spawn_local(work),
        }
    }

    async fn admit(&self, key: impl FnOnce() -> Result<String, Error>) -> Result<Admission, Error> {
        // A binding comes and goes with a deployment, and so with the isolate.
        if NO_LIMITER.get() {
            return Ok(Admission::Granted);
        }
        let limiter = Reflect::get(self.0.env.as_ref(), &RATE_LIMITER.into()).unwrap_or_default();
        if limiter.is_undefined() {
            NO_LIMITER.set(true);
            return Ok(Admission::Granted);
        }
        self.0.listen();
        let success = services::ask_limiter(&limiter, &key()?).await;
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
        self.0.listen();
        services::cache_get(name).await
    }

    async fn cache_put(&self, name: &str, response: Response<()>, seconds: u32) {
        services::cache_put(name, response, seconds).await;
    }
}

/// A number of bytes for JavaScript.
#[expect(clippy::cast_precision_loss, reason = "limits are below 2^53")]
fn float(bytes: usize) -> f64 {
    bytes as f64
}

/// All bytes of a body, which stay with JavaScript.
async fn read_whole(
    body: &ReadableStream,
    limit: usize,
    deadline_ms: u32,
) -> Result<Uint8Array, ReadFault> {
    let reading = bridge::read_whole(body, float(limit), deadline_ms);
    let reading = reading.map_err(|fault| read_fault(&fault))?;
    let bytes = PromiseFuture::of(&reading).await;
    let bytes = bytes.map_err(|fault| read_fault(&fault))?;
    Ok(bytes.unchecked_into())
}

/// A body that is being read whole, until it is read or its client has gone.
struct Reading(u32);

impl Drop for Reading {
    fn drop(&mut self) {
        bridge::end_reading(self.0);
    }
}

/// Bytes of a request's body for which nothing is reserved while it arrives.
const SMALL_BODY_BYTES: usize = 64 * KB;

/// Why `entry.js` could not read a body.
fn read_fault(fault: &JsValue) -> ReadFault {
    match fault.as_string().as_deref() {
        Some("large") => ReadFault::TooLarge,
        Some("slow") => ReadFault::Slow,
        Some("full") => ReadFault::BufferFull,
        _ => ReadFault::Broken,
    }
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
