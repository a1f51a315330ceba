//! The Workers runtime: what `edge::Platform` asks for, on `worker` and WebCrypto. Beside the entry point in
//! `lib.rs` the only file that imports them.
//!
//! State of an isolate is in `thread_local!`, plain, and never borrowed across an await.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::futures::JsFuture;
use worker::web_sys::{self, AbortSignal, CryptoKey, ReadableStream, ReadableStreamDefaultReader};
use worker::{Date, Delay, Env, console_error, console_log};

use crate::config::Config;
use crate::edge::{
    self, Body, Edge, Outgoing, Platform, READ_DEADLINE_MS, READ_HEADERS, ReadFault, Request,
    Response, SendFault,
};
use crate::error::Error;
use crate::verify::keys::{Algorithm, PublicKey};
use crate::{path, respond};

/// Imported keys that are kept; more than all issuers have.
const MOST_IMPORTED: usize = 64;

thread_local! {
    static EDGE: OnceCell<Rc<Edge<Workers>>> = const { OnceCell::new() };
    static IMPORTED: RefCell<HashMap<String, CryptoKey>> = RefCell::default();
}

/// Answers one request of the runtime.
pub async fn answer(request: worker::Request, env: &Env) -> worker::Result<worker::Response> {
    let incoming = match incoming(&request) {
        Ok(incoming) => incoming,
        Err(error) => return outgoing(respond::error(&error)),
    };
    match isolate(env) {
        Ok(edge) => outgoing(path::answer(incoming, &edge).await),
        Err(error) => {
            let shape = error.shape();
            console_error!("{}: {}", shape.message, shape.details.unwrap_or_default());
            let mut response = respond::error(&error);
            respond::finish(&mut response, &incoming.headers, &incoming.id, None);
            outgoing(response)
        }
    }
}

/// The isolate's edge, made at its first request. A configuration that is not whole makes none.
fn isolate(env: &Env) -> Result<Rc<Edge<Workers>>, Error> {
    if let Some(edge) = EDGE.with(|cell| cell.get().cloned()) {
        return Ok(edge);
    }
    let variable = |name: &str| {
        let value = Reflect::get(env.as_ref(), &JsValue::from_str(name)).ok()?;
        value.as_string()
    };
    let edge = Rc::new(Edge::new(Config::read(variable)?, Workers));
    Ok(EDGE.with(|cell| cell.get_or_init(|| edge).clone()))
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
    let init = web_sys::ResponseInit::new();
    init.set_status(response.status.as_u16());
    init.set_headers(&js_headers(&response.headers)?.into());
    let made = match response.body {
        Body::Empty => web_sys::Response::new_with_opt_str_and_init(None, &init),
        Body::Bytes(mut bytes) => {
            web_sys::Response::new_with_opt_u8_array_and_init(Some(&mut bytes), &init)
        }
        Body::Stream(stream) => {
            web_sys::Response::new_with_opt_readable_stream_and_init(Some(&stream), &init)
        }
    };
    Ok(made?.into())
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

/// The Workers runtime.
pub struct Workers;

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
        let response = send(request).await.map_err(|fault| {
            let name = Reflect::get(&fault, &"name".into())
                .ok()
                .and_then(|name| name.as_string());
            if name.as_deref() == Some("TimeoutError") {
                return SendFault::Timeout;
            }
            // Mostly a refused connection, but a mistake of ours would look the same from outside.
            console_error!(
                "{}",
                serde_json::json!({"event": "fetch_failed", "name": name})
            );
            SendFault::Unreachable
        })?;
        let status = StatusCode::from_u16(response.status()).map_err(|_| SendFault::Unreachable)?;
        Ok(Response {
            status,
            headers: rust_headers(&response.headers()),
            body: response.body().map_or(Body::Empty, Body::Stream),
        })
    }

    async fn read(&self, body: ReadableStream, limit: usize) -> Result<Vec<u8>, ReadFault> {
        let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
        let mut bytes = Vec::new();
        let mut deadline = pin!(self.sleep(READ_DEADLINE_MS));
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
}

/// Stops reading. The rest is not wanted; whether the sender hears of it makes no difference here.
async fn give_up(
    reader: &ReadableStreamDefaultReader,
    fault: ReadFault,
) -> Result<Vec<u8>, ReadFault> {
    let _ = JsFuture::from(reader.cancel()).await;
    Err(fault)
}

async fn send(request: Outgoing<ReadableStream>) -> Result<web_sys::Response, JsValue> {
    let init = web_sys::RequestInit::new();
    init.set_method(request.method.as_str());
    init.set_redirect(web_sys::RequestRedirect::Manual);
    init.set_headers(&js_headers(&request.headers)?.into());
    init.set_signal(Some(&AbortSignal::timeout_with_u32(request.deadline_ms)));
    match &request.body {
        Body::Empty => {}
        Body::Bytes(bytes) => init.set_body(&Uint8Array::from(bytes.as_slice())),
        Body::Stream(stream) => init.set_body(stream),
    }
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    JsFuture::from(scope.fetch_with_str_and_init(&request.url, &init))
        .await?
        .dyn_into()
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
