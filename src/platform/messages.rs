//! Requests and answers: between the runtime's form and the stages'.

use std::net::IpAddr;
use std::pin::pin;

use crate::headers::Headers;
use futures_util::future::{Either, select};
use http::{Method, StatusCode};
use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use worker::web_sys::{self, ReadableStream};

use super::uploads::{Upload, buffer, read_declared, reserve};
use super::waits::{AnswerFuture, NoAnswer, PromiseFuture, delay};
use super::{bridge, headers, log_js_error, message, read_fault};
use crate::error::Error;
use crate::message::{Body, Outgoing, ReadFault, Request, Response, SendFault, request_id};
use crate::services::Service;

/// Bytes that the text of a usual request or answer fits into.
const TEXT_BYTES: usize = 1024;

/// The most bytes of a body that is sent as a text.
const MAX_TEXT_BYTES: usize = 4096;

/// The header in which Cloudflare puts the client's address.
const ADDRESS: &str = "cf-connecting-ip";

/// Whether requests of this method have no body.
pub(super) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// What the stages read of a request, whose method, URL and headers are in a text.
pub(super) fn incoming(
    request: &web_sys::Request,
    text: &str,
    id: impl FnOnce() -> Result<String, Error>,
) -> Result<Request<ReadableStream>, Error> {
    let broken = || Error::Internal("the runtime's request cannot be read");
    let (method, rest) = text.split_once('\n').ok_or_else(broken)?;
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| Error::NotFound)?;
    let (url, rest) = rest.split_once('\n').ok_or_else(broken)?;
    let (path, query) = path_and_query(url).ok_or_else(broken)?;
    let mut headers = if Service::of_path(path) == Some(Service::Functions) {
        headers::read(&bridge::all_headers(request))
    } else {
        headers::read(rest)
    }
    .ok_or_else(broken)?;
    // Removed, so that nothing reads the address as a header: only the platform may say where a request comes from.
    let address = headers.remove(ADDRESS);
    Ok(Request {
        id: request_id(&headers).map_or_else(id, Ok)?,
        body: if is_read(&method) {
            None
        } else {
            request.body()
        },
        read: None,
        held: None,
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        address: address.and_then(|address| read_address(address.to_str().ok()?)),
    })
}

/// An address; of an IPv4 client in its own form, also where a front that listens for IPv6 writes it as `::ffff:203.0.113.7`.
fn read_address(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.parse().ok()?;
    Some(address.to_canonical())
}

/// The headers in the text of a request.
pub(super) fn request_headers_in(text: &str) -> Option<Headers> {
    let (_method, rest) = text.split_once('\n')?;
    let (_url, rest) = rest.split_once('\n')?;
    headers::read(rest)
}

/// Path and query of an absolute URL, which the runtime has normalised.
fn path_and_query(url: &str) -> Option<(&str, &str)> {
    let (_, rest) = url.split_once(':')?;
    let rest = rest.strip_prefix("//")?;
    let ends_host = |byte: u8| matches!(byte, b'/' | b'?' | b'#');
    let end = rest.bytes().position(ends_host).unwrap_or(rest.len());
    let (_, rest) = rest.split_at_checked(end)?;
    let rest = rest.split('#').next().unwrap_or_default();
    Some(rest.split_once('?').unwrap_or((rest, "")))
}

/// Answers a request with a line in the log. A stream passes without a copy in wasm memory. An error is what the runtime does
/// not accept of the answer; the request then waits still.
pub(super) fn finish(
    task: u32,
    line: &str,
    response: &Response<ReadableStream>,
) -> Result<(), JsValue> {
    let mut text = String::with_capacity(TEXT_BYTES);
    text.push_str(line);
    text.push('\n');
    write_answer(response, &mut text);
    let fault = match &response.body {
        Body::Empty | Body::Upload { .. } => bridge::finish(task, &text, &JsValue::NULL),
        Body::Bytes(bytes) => bridge::finish_bytes(task, &text, bytes),
        Body::Stream(stream) => bridge::finish(task, &text, stream),
    };
    if fault.is_undefined() {
        Ok(())
    } else {
        Err(fault)
    }
}

/// Turns an answer without a stream into the runtime's.
pub(super) fn outgoing(response: &Response<()>) -> Result<web_sys::Response, JsValue> {
    let mut text = String::with_capacity(TEXT_BYTES);
    write_answer(response, &mut text);
    let bytes = match &response.body {
        Body::Bytes(bytes) => bytes.as_slice(),
        _ => &[],
    };
    bridge::respond_bytes(&text, bytes)
}

/// Status and headers of an answer.
fn write_answer<B>(response: &Response<B>, text: &mut String) {
    text.push_str(response.status.as_str());
    text.push('\n');
    headers::write(&response.headers, text);
}

/// Turns an answer of the runtime into that of the stages.
pub(super) fn relayed(response: &web_sys::Response) -> Option<Response<ReadableStream>> {
    answer(&bridge::answer_text(response), response.body())
}

/// An answer of the runtime, whose status and headers are in a text.
pub(super) fn answer(text: &str, body: Option<ReadableStream>) -> Option<Response<ReadableStream>> {
    let (status, rest) = text.split_once('\n')?;
    Some(Response {
        status: StatusCode::from_bytes(status.as_bytes()).ok()?,
        headers: headers::read(rest)?,
        body: body.map_or(Body::Empty, Body::Stream),
    })
}

/// Sends a request and waits for the head of its answer. A body has a deadline of its own, so that a slow client is
/// distinguished from a slow database. The body of the answer has no deadline.
pub(super) async fn send(
    request: &Outgoing<ReadableStream>,
    sent: &dyn Fn(),
) -> Result<Response<ReadableStream>, SendFault> {
    let mut text = String::with_capacity(TEXT_BYTES);
    text.push_str(request.method.as_str());
    text.push('\n');
    text.push_str(&request.url);
    text.push('\n');
    headers::write(&request.headers, &mut text);
    let within = async |body: &JsValue| {
        let answer = AnswerFuture::send(&text, body, request.deadline_ms);
        answer.await.map_err(fault)
    };
    match &request.body {
        Body::Empty => within(&JsValue::UNDEFINED).await,
        Body::Bytes(bytes) => {
            // A short text is an object of JavaScript's own heap; bytes would need memory beside it.
            let text = std::str::from_utf8(bytes).ok();
            match text.filter(|text| text.len() <= MAX_TEXT_BYTES) {
                Some(text) => within(&JsValue::from_str(text)).await,
                None => within(&Uint8Array::from(bytes.as_slice())).await,
            }
        }
        Body::Stream(stream) => within(stream).await,
        Body::Upload {
            stream,
            length: Some(length),
            deadline_ms,
            ..
        } => {
            if let Some(_reserved) = reserve(*length) {
                let body = read_declared(stream, *length, *deadline_ms).await?;
                sent();
                return within(&body).await;
            }
            let upload = Upload::start(stream, *length).map_err(unreachable)?;
            let answer = AnswerFuture::send(&text, &upload.handed_on, 0);
            in_time(answer, upload.sent, *deadline_ms, sent, request.deadline_ms).await
        }
        Body::Upload {
            stream,
            limit,
            is_buffered: false,
            deadline_ms,
            ..
        } => {
            let sending = AnswerFuture::send_pieces(&text, stream, *limit);
            let (answer, pieces) = sending.map_err(unreachable)?;
            in_time(answer, pieces, *deadline_ms, sent, request.deadline_ms).await
        }
        Body::Upload {
            stream,
            limit,
            deadline_ms,
            ..
        } => {
            let (body, buffered) = buffer(stream, *limit, *deadline_ms).await?;
            sent();
            let answer = within(&body).await;
            drop(buffered);
            answer
        }
    }
}

/// Waits for a body to be sent, and then for the answer.
async fn in_time(
    mut answer: AnswerFuture,
    upload: PromiseFuture,
    upload_ms: u32,
    sent: &dyn Fn(),
    deadline_ms: u32,
) -> Result<Response<ReadableStream>, SendFault> {
    let slow = pin!(delay(upload_ms));
    match select(answer, select(upload, slow)).await {
        Either::Left((answered, _)) => {
            return answered.map_err(|why| match why {
                NoAnswer::Failed(fault) => upload_fault(fault),
                NoAnswer::Late => SendFault::Timeout,
            });
        }
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
    match select(answer, pin!(delay(deadline_ms))).await {
        Either::Left((answered, _)) => answered.map_err(fault),
        Either::Right(_) => Err(SendFault::Timeout),
    }
}

fn fault(why: NoAnswer) -> SendFault {
    match why {
        NoAnswer::Late => SendFault::Timeout,
        NoAnswer::Failed(fault) => unreachable(fault),
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
    // Of pieces it is known.
    if fault.is_string() {
        return SendFault::Body(read_fault(&fault));
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
