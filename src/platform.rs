//! The Workers runtime: what `edge::Platform` asks for, on `worker` and WebCrypto. Beside the entry point in
//! `lib.rs` the only file that imports them.
//!
//! State of an isolate is in `thread_local!`, plain, and never borrowed across an await.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::futures::JsFuture;
use worker::web_sys::{
    self, AbortController, CryptoKey, ReadableStream, ReadableStreamDefaultReader, TransformStream,
    TransformStreamDefaultController, WritableStream,
};
use worker::{Context, Date, Delay, Env, console_error, console_log};

use crate::config::Config;
use crate::edge::{
    self, Admission, Body, Edge, Isolate, Outgoing, Platform, READ_HEADERS, ReadFault, Request,
    Response, SendFault,
};
use crate::error::Error;
use crate::verify::keys::{Algorithm, PublicKey};
use crate::{path, respond};

/// Imported keys that are kept; more than all issuers have.
const MOST_IMPORTED: usize = 64;

/// The binding of Cloudflare's rate limiter, where there is one.
const RATE_LIMITER: &str = "RATE_LIMITER";
/// What names in the platform's cache begin with: a host that is nobody's.
const CACHE_PREFIX: &str = "https://rowgate.invalid/";

thread_local! {
    static ISOLATE: OnceCell<Rc<Isolate>> = const { OnceCell::new() };
    static IMPORTED: RefCell<HashMap<String, CryptoKey>> = RefCell::default();
}

/// Answers one request of the runtime.
pub async fn answer(
    request: worker::Request,
    env: Env,
    context: Context,
) -> worker::Result<worker::Response> {
    let incoming = match incoming(&request) {
        Ok(incoming) => incoming,
        Err(error) => return outgoing(respond::error(&error)),
    };
    match isolate(&env) {
        Ok(isolate) => {
            let platform = Workers(Rc::new((env, context)));
            outgoing(path::answer(incoming, &Edge::new(isolate, platform)).await)
        }
        Err(error) => {
            let shape = error.shape();
            console_error!("{}: {}", shape.message, shape.details.unwrap_or_default());
            let mut response = respond::error(&error);
            respond::finish(&mut response, &incoming.headers, &incoming.id, None);
            outgoing(response)
        }
    }
}

/// The isolate's state, made at its first request. A configuration that is not whole makes none.
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

/// What the stages read of a request.
fn incoming(request: &worker::Request) -> Result<Request<ReadableStream>, Error> {
    let inner = request.inner();
    let sent = inner.headers();
    let mut headers = HeaderMap::with_capacity(READ_HEADERS.len());
    for name in READ_HEADERS {
        if let Ok(Some(value)) = sent.get(name) {
            let value = HeaderValue::from_bytes(&header_bytes(&value));
            // One that cannot be a header's value is there all the same, for its reader to refuse as no text.
            if let Ok(value) = value.or_else(|_| HeaderValue::from_bytes(&[0xff])) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
    let url = inner.url();
    let query = url
        .split_once('?')
        .map_or("", |(_, rest)| rest.split('#').next().unwrap_or_default());
    Ok(Request {
        id: edge::request_id(&headers)?,
        method: Method::from_bytes(inner.method().as_bytes()).map_err(|_| Error::NotFound)?,
        path: request.path(),
        query: query.to_owned(),
        headers,
        body: inner.body(),
        address: sent
            .get("cf-connecting-ip")
            .ok()
            .flatten()
            .and_then(|text| text.parse().ok()),
        country: request
            .cf()
            .and_then(worker::Cf::country)
            .filter(|code| is_country(code)),
    })
}

/// Two letters, or Cloudflare's `T1` for Tor.
fn is_country(code: &str) -> bool {
    code.len() == 2
        && code
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// An answer as the runtime takes it. A stream is handed on without passing through this memory.
fn outgoing(response: Response<ReadableStream>) -> worker::Result<worker::Response> {
    Ok(js_response(response)?.into())
}

fn js_response(response: Response<ReadableStream>) -> Result<web_sys::Response, JsValue> {
    let init = web_sys::ResponseInit::new();
    init.set_status(response.status.as_u16());
    init.set_headers(&js_headers(&response.headers)?.into());
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

fn js_headers(headers: &HeaderMap) -> Result<web_sys::Headers, JsValue> {
    let made = web_sys::Headers::new()?;
    for (name, value) in headers {
        let text: String = value
            .as_bytes()
            .iter()
            .map(|byte| char::from(*byte))
            .collect();
        made.append(name.as_str(), &text)?;
    }
    Ok(made)
}

/// The Workers runtime, as one request has it: its bindings and its context.
#[derive(Clone)]
pub struct Workers(Rc<(Env, Context)>);

impl Platform for Workers {
    type Body = ReadableStream;

    fn now_ms(&self) -> u64 {
        Date::now().as_millis()
    }

    fn log(&self, line: &str) {
        console_log!("{line}");
    }

    async fn sleep(&self, milliseconds: u32) {
        Delay::from(Duration::from_millis(u64::from(milliseconds))).await;
    }

    async fn verifies(&self, key: &PublicKey, data: &[u8], signature: &[u8]) -> bool {
        verifies(key, data, signature).await.unwrap_or(false)
    }

    async fn send(
        &self,
        request: Outgoing<ReadableStream>,
    ) -> Result<Response<ReadableStream>, SendFault> {
        let response = send(request).await?;
        relayed(&response).ok_or(SendFault::Unreachable)
    }

    async fn read(
        &self,
        body: ReadableStream,
        limit: usize,
        deadline_ms: u32,
    ) -> Result<Vec<u8>, ReadFault> {
        let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
        let mut bytes = Vec::new();
        let mut deadline = pin!(self.sleep(deadline_ms));
        loop {
            let step = match select(JsFuture::from(reader.read()), deadline.as_mut()).await {
                Either::Left((step, _)) => step.map_err(|_| ReadFault::Broken)?,
                Either::Right(_) => return give_up(&reader, ReadFault::Slow).await,
            };
            let done = Reflect::get(&step, &"done".into()).map_err(|_| ReadFault::Broken)?;
            if done.is_truthy() {
                return Ok(bytes);
            }
            let chunk = Reflect::get(&step, &"value".into()).map_err(|_| ReadFault::Broken)?;
            let chunk: Uint8Array = chunk.dyn_into().map_err(|_| ReadFault::Broken)?;
            if bytes.len() + chunk.length() as usize > limit {
                return give_up(&reader, ReadFault::TooLarge).await;
            }
            bytes.extend(chunk.to_vec());
        }
    }

    fn background(&self, work: impl Future<Output = ()> + 'static) {
        self.0.1.wait_until(work);
    }

    async fn admit(&self, key: impl FnOnce() -> Result<String, Error>) -> Result<Admission, Error> {
        let limiter = Reflect::get(self.0.0.as_ref(), &RATE_LIMITER.into()).unwrap_or_default();
        if limiter.is_undefined() {
            return Ok(Admission::Granted);
        }
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

    async fn stored(&self, name: &str) -> Option<Response<ReadableStream>> {
        let kept = cache()
            .ok()?
            .match_with_str(&format!("{CACHE_PREFIX}{name}"));
        let kept = JsFuture::from(kept).await.ok()?;
        relayed(kept.dyn_ref()?)
    }

    async fn store(&self, name: &str, mut response: Response<()>, seconds: u32) {
        if let Ok(lifetime) = HeaderValue::from_str(&format!("max-age={seconds}")) {
            response.headers.insert(CACHE_CONTROL, lifetime);
        }
        let body = match response.body {
            Body::Bytes(bytes) => Body::Bytes(bytes),
            _ => Body::Empty,
        };
        let response = js_response(Response {
            status: response.status,
            headers: response.headers,
            body,
        });
        let Ok(response) = response else { return };
        let kept = async {
            let kept = cache()?.put_with_str(&format!("{CACHE_PREFIX}{name}"), &response);
            JsFuture::from(kept).await
        };
        if kept.await.is_err() {
            console_error!("{}", serde_json::json!({"event": "cache_failed"}));
        }
    }
}

/// Cloudflare's cache of this data centre.
fn cache() -> Result<web_sys::Cache, JsValue> {
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    Reflect::get(scope.caches()?.as_ref(), &"default".into())?.dyn_into()
}

/// `RATE_LIMITER.limit({key})`, and of its answer the `success`.
async fn ask_limiter(limiter: &JsValue, key: &str) -> Result<JsValue, JsValue> {
    let limit: Function = Reflect::get(limiter, &"limit".into())?.dyn_into()?;
    let options = Object::new();
    Reflect::set(&options, &"key".into(), &key.into())?;
    let asked: Promise = limit.call1(limiter, &options)?.dyn_into()?;
    Reflect::get(&JsFuture::from(asked).await?, &"success".into())
}

/// An answer as the stages read it.
fn relayed(response: &web_sys::Response) -> Option<Response<ReadableStream>> {
    Some(Response {
        status: StatusCode::from_u16(response.status()).ok()?,
        headers: rust_headers(&response.headers()),
        body: response.body().map_or(Body::Empty, Body::Stream),
    })
}

/// Stops reading. The rest is not wanted; whether the sender hears of it makes no difference here.
async fn give_up(
    reader: &ReadableStreamDefaultReader,
    fault: ReadFault,
) -> Result<Vec<u8>, ReadFault> {
    let _ = JsFuture::from(reader.cancel()).await;
    Err(fault)
}

/// Sends and waits for the answer's head. A body has a deadline of its own, so that a slow client is told apart from a
/// slow database; what comes after the head streams for as long as both sides like. When the client hangs up the runtime
/// ends the request, and this fetch with it.
async fn send(request: Outgoing<ReadableStream>) -> Result<web_sys::Response, SendFault> {
    let controller = AbortController::new().map_err(unreachable)?;
    let init = web_sys::RequestInit::new();
    init.set_method(request.method.as_str());
    init.set_redirect(web_sys::RequestRedirect::Manual);
    init.set_headers(&js_headers(&request.headers).map_err(unreachable)?.into());
    init.set_signal(Some(&controller.signal()));
    let mut upload = None;
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
            let started = Upload::start(&stream, length, limit).map_err(unreachable)?;
            init.set_body(&started.handed_on);
            upload = Some((started, deadline_ms));
        }
    }
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    let answer = JsFuture::from(scope.fetch_with_str_and_init(&request.url, &init));
    let outcome = in_time(answer, upload, request.deadline_ms).await;
    if outcome.is_err() {
        controller.abort();
    }
    outcome?.dyn_into().map_err(unreachable)
}

/// Waits for the body to be sent, if there is one, and then for the answer.
async fn in_time(
    answer: JsFuture,
    upload: Option<(Upload, u32)>,
    deadline_ms: u32,
) -> Result<JsValue, SendFault> {
    let mut answer = answer;
    if let Some((upload, upload_ms)) = upload {
        let slow = pin!(delay(upload_ms));
        match select(answer, select(upload.sent, slow)).await {
            Either::Left((answered, _)) => {
                return answered.map_err(|fault| {
                    upload
                        .too_large
                        .fault()
                        .unwrap_or_else(|| unreachable(fault))
                });
            }
            Either::Right((Either::Left((Ok(_), _)), waiting)) => answer = waiting,
            Either::Right((Either::Left((Err(_), _)), _)) => {
                return Err(upload.too_large.fault().unwrap_or(SendFault::BrokenBody));
            }
            Either::Right((Either::Right(_), _)) => return Err(SendFault::SlowBody),
        }
    }
    match select(answer, pin!(delay(deadline_ms))).await {
        Either::Left((answered, _)) => answered.map_err(unreachable),
        Either::Right(_) => Err(SendFault::Timeout),
    }
}

async fn delay(milliseconds: u32) {
    Delay::from(Duration::from_millis(u64::from(milliseconds))).await;
}

/// Mostly a refused connection, but a mistake of ours would look the same from outside.
#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn unreachable(fault: JsValue) -> SendFault {
    let name = Reflect::get(&fault, &"name".into()).unwrap_or_default();
    let line = serde_json::json!({"event": "fetch_failed", "name": name.as_string()});
    console_error!("{line}");
    SendFault::Unreachable
}

/// A body on its way from the client to PostgREST. Its chunks stay the runtime's: none is copied into this memory.
struct Upload {
    /// What the fetch sends.
    handed_on: ReadableStream,
    /// Settled once all of it has been sent, or it broke off.
    sent: JsFuture,
    /// Whether it had more bytes than it may.
    too_large: Flag,
}

#[derive(Clone, Default)]
struct Flag(Rc<Cell<bool>>);

impl Flag {
    fn fault(&self) -> Option<SendFault> {
        self.0.get().then_some(SendFault::TooLarge)
    }
}

impl Upload {
    fn start(
        stream: &ReadableStream,
        length: Option<usize>,
        limit: usize,
    ) -> Result<Self, JsValue> {
        let too_large = Flag::default();
        let (readable, writable) = match length {
            Some(length) => fixed_length(length)?,
            None => counted(limit, too_large.clone())?,
        };
        Ok(Self {
            sent: JsFuture::from(stream.pipe_to(&writable)),
            handed_on: readable,
            too_large,
        })
    }
}

/// The runtime's own pipe, which lets exactly so many bytes through.
fn fixed_length(length: usize) -> Result<(ReadableStream, WritableStream), JsValue> {
    let class: Function =
        Reflect::get(&js_sys::global(), &"FixedLengthStream".into())?.dyn_into()?;
    #[expect(clippy::cast_precision_loss, reason = "the limit is below 2^53")]
    let made = Reflect::construct(&class, &Array::of1(&(length as f64).into()))?;
    Ok((
        Reflect::get(&made, &"readable".into())?.dyn_into()?,
        Reflect::get(&made, &"writable".into())?.dyn_into()?,
    ))
}

/// A pipe that breaks when more bytes than the limit have passed. PostgREST reads a body to its end before it acts on
/// it, so that one that breaks does nothing.
fn counted(limit: usize, too_large: Flag) -> Result<(ReadableStream, WritableStream), JsValue> {
    let mut passed = 0;
    let pass = move |chunk: Uint8Array, onward: TransformStreamDefaultController| {
        passed += chunk.length() as usize;
        if passed > limit {
            too_large.0.set(true);
            return Err(JsValue::from_str("the body is too large"));
        }
        onward.enqueue_with_chunk(&chunk)
    };
    let pass: Closure<
        dyn FnMut(Uint8Array, TransformStreamDefaultController) -> Result<(), JsValue>,
    > = Closure::new(pass);
    let transformer = Object::new();
    // Freed with the stream, by the garbage collector.
    Reflect::set(&transformer, &"transform".into(), &pass.into_js_value())?;
    let pipe = TransformStream::new_with_transformer(&transformer)?;
    Ok((pipe.readable(), pipe.writable()))
}

/// A header's bytes, one for each character. What is no byte becomes one that no reader takes for text.
fn header_bytes(value: &str) -> Vec<u8> {
    value
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(0xff))
        .collect()
}

fn rust_headers(headers: &web_sys::Headers) -> HeaderMap {
    let mut made = HeaderMap::new();
    for entry in headers.entries() {
        let Ok(entry) = entry else { continue };
        let entry: Array = entry.unchecked_into();
        let (name, value) = (
            entry.get(0).as_string().unwrap_or_default(),
            entry.get(1).as_string().unwrap_or_default(),
        );
        let bytes = header_bytes(&value);
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_bytes(&bytes),
        ) {
            made.append(name, value);
        }
    }
    made
}

async fn verifies(key: &PublicKey, data: &[u8], signature: &[u8]) -> Result<bool, JsValue> {
    let subtle = subtle()?;
    let known = IMPORTED.with_borrow(|known| known.get(&key.jwk).cloned());
    let imported = if let Some(imported) = known {
        imported
    } else {
        import(key, &subtle).await?
    };
    let checking = subtle.verify_with_object_and_js_u8_array_and_js_u8_array(
        &parameters(key.algorithm)?,
        &imported,
        &Uint8Array::from(signature),
        &Uint8Array::from(data),
    )?;
    Ok(JsFuture::from(checking).await?.is_truthy())
}

fn subtle() -> Result<web_sys::SubtleCrypto, JsValue> {
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    Ok(scope.crypto()?.subtle())
}

/// Imports a key and keeps it.
async fn import(key: &PublicKey, subtle: &web_sys::SubtleCrypto) -> Result<CryptoKey, JsValue> {
    let jwk: Object = js_sys::JSON::parse(&key.jwk)?.unchecked_into();
    let usages = Array::of1(&"verify".into());
    let importing =
        subtle.import_key_with_object("jwk", &jwk, &parameters(key.algorithm)?, false, &usages)?;
    let imported: CryptoKey = JsFuture::from(importing).await?.dyn_into()?;
    IMPORTED.with_borrow_mut(|known| {
        if known.len() >= MOST_IMPORTED {
            known.clear();
        }
        known.insert(key.jwk.clone(), imported.clone());
    });
    Ok(imported)
}

/// WebCrypto's names for an algorithm.
fn parameters(algorithm: Algorithm) -> Result<Object, JsValue> {
    let fields: &[(&str, &str)] = match algorithm {
        Algorithm::Es256 => &[
            ("name", "ECDSA"),
            ("namedCurve", "P-256"),
            ("hash", "SHA-256"),
        ],
        Algorithm::Rs256 => &[("name", "RSASSA-PKCS1-v1_5"), ("hash", "SHA-256")],
        Algorithm::EdDsa => &[("name", "Ed25519")],
        Algorithm::Hs256 => return Err("HS256 keys are not public".into()),
    };
    let made = Object::new();
    for (name, value) in fields {
        Reflect::set(&made, &JsValue::from_str(name), &JsValue::from_str(value))?;
    }
    Ok(made)
}
