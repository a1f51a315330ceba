//! Requests and answers: between the runtime's form and the stages'.

use std::pin::pin;

use futures_util::future::{Either, select};
use http::{Method, StatusCode};
use js_sys::Uint8Array;
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};
use worker::web_sys::{self, AbortController, ReadableStream};

use super::headers::{Record, object, rust_headers};
use super::timers::{PromiseFuture, delay};
use super::uploads::{Upload, buffer};
use super::{log_js_error, message};
use crate::error::Error;
use crate::message::{
    Body, Outgoing, READ_HEADERS, ReadFault, Request, Response, SendFault, request_id,
};

/// The header in which Cloudflare puts the client's address.
const ADDRESS: &str = "cf-connecting-ip";

/// Whether requests of this method have no body.
pub(super) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// What the stages read of a request; `more_headers` are those that systems read. Every call into JavaScript is slow, so all headers come in one string.
pub(super) fn incoming(
    request: &web_sys::Request,
    id: String,
    more_headers: &[String],
) -> Result<Request<ReadableStream>, Error> {
    let broken = || Error::Internal("the runtime's request cannot be read");
    let method = Method::from_bytes(request.method().as_bytes()).map_err(|_| Error::NotFound)?;
    let is_read_header =
        |name: &str| READ_HEADERS.contains(&name) || more_headers.iter().any(|more| more == name);
    let mut headers = rust_headers(&request.headers(), is_read_header).ok_or_else(broken)?;
    // Removed, so that nothing reads the address as a header: only the platform may say where a request comes from.
    let address = headers.remove(ADDRESS);
    let url = request.url();
    let (path, query) = path_and_query(&url).ok_or_else(broken)?;
    Ok(Request {
        id: request_id(&headers).unwrap_or(id),
        body: if is_read(&method) {
            None
        } else {
            request.body()
        },
        read: None,
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

/// Turns an answer into the runtime's. A stream passes without a copy in wasm memory.
pub(super) fn outgoing(response: Response<ReadableStream>) -> Result<web_sys::Response, JsValue> {
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

/// Turns an answer of the runtime into that of the stages.
pub(super) fn relayed(response: &web_sys::Response) -> Option<Response<ReadableStream>> {
    Some(Response {
        status: StatusCode::from_u16(response.status()).ok()?,
        headers: rust_headers(&response.headers(), |_| true)?,
        body: response.body().map_or(Body::Empty, Body::Stream),
    })
}

/// Sends a request and waits for the head of its answer. A body has a deadline of its own, so that a slow client is
/// distinguished from a slow database. The body of the answer has no deadline.
pub(super) async fn send(
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

/// Usually a refused connection; a mistake of the edge would look the same here.
#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
pub(super) fn unreachable(fault: JsValue) -> SendFault {
    log_js_error("fetch_failed", &fault);
    SendFault::Unreachable
}
