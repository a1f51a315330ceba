//! The functions of `entry.js`: what the runtime does for the edge.

use js_sys::{JsString, Object, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::web_sys::{AbortController, CryptoKey, ReadableStream, Request, Response};

#[wasm_bindgen(raw_module = "./entry.js")]
extern "C" {
    /// A number that no task and no wait has.
    pub(super) fn number() -> u32;
    /// Answers the request of a task: `text` has a line for the log, the status and the headers. Gives what the runtime does not
    /// accept of it, or undefined.
    pub(super) fn finish(task: u32, text: &str, body: &JsValue) -> JsValue;
    /// The same with bytes, which are freed at once: a `Response` has a copy of its bytes
    /// (<https://fetch.spec.whatwg.org/#concept-bodyinit-extract>).
    #[wasm_bindgen(js_name = finish)]
    pub(super) fn finish_bytes(task: u32, text: &str, body: &[u8]) -> JsValue;
    /// Has [`super::tasks::hung_up`] called when the client of a request hangs up.
    pub(super) fn listen(request: &Request, task: u32);
    /// Has [`super::waits::settle`] called when the client of a request hangs up.
    pub(super) fn aborted(request: &Request, wait: u32);
    /// A promise that [`ended`] settles.
    pub(super) fn unended(task: u32) -> Promise;
    /// Settles the promise of a task.
    pub(super) fn ended(task: u32);
    /// Has [`super::tasks::resume`] called soon.
    pub(super) fn soon();
    /// Has [`super::waits::settle`] called with the outcome of a promise.
    pub(super) fn watch(promise: &Promise, wait: u32);
    /// Has [`super::waits::settle`] called: it is good if the key made the signature.
    #[wasm_bindgen(catch)]
    pub(super) fn verify(
        wait: u32,
        parameters: &Object,
        key: &CryptoKey,
        signature: &[u8],
        data: &[u8],
    ) -> Result<(), JsValue>;
    /// Has [`super::waits::settle`] called after some milliseconds.
    pub(super) fn timer(milliseconds: u32, wait: u32) -> i32;
    /// Status and headers of an answer of the runtime.
    #[wasm_bindgen(js_name = answerText)]
    pub(super) fn answer_text(answer: &Response) -> String;
    /// All headers of a request, also those that the edge does not read otherwise.
    #[wasm_bindgen(js_name = allHeaders)]
    pub(super) fn all_headers(request: &Request) -> String;
    /// Sends a request, whose method, URL and headers are in a text; [`super::waits::answered`] gets the head of its answer.
    pub(super) fn send(wait: u32, text: &str, body: &JsValue, milliseconds: u32)
    -> AbortController;
    /// The same with a body that declares no length, in pieces. [`super::waits::settle`] is called with `sent` when all of it has
    /// been sent; that fails with `large` or `broken`, or with what befell the other connection.
    #[wasm_bindgen(catch, js_name = sendPieces)]
    pub(super) fn send_pieces(
        wait: u32,
        sent: u32,
        text: &str,
        body: &ReadableStream,
        limit: f64,
    ) -> Result<AbortController, JsValue>;
    /// All bytes of a body; fails with `large` or `slow`.
    #[wasm_bindgen(catch, js_name = readWhole)]
    pub(super) fn read_whole(
        body: &ReadableStream,
        limit: f64,
        milliseconds: u32,
    ) -> Result<Promise, JsValue>;
    /// The same of a request's body, for which bytes are reserved while it arrives; fails with `full`, too.
    #[wasm_bindgen(catch, js_name = readArriving)]
    pub(super) fn read_arriving(
        reading: u32,
        body: &ReadableStream,
        limit: f64,
        milliseconds: u32,
    ) -> Result<Promise, JsValue>;
    /// Gives back what is reserved for a reading.
    #[wasm_bindgen(js_name = endReading)]
    pub(super) fn end_reading(reading: u32);
    /// Reads a body up to a number of bytes, and keeps none of them; fails with `slow`.
    #[wasm_bindgen(catch)]
    pub(super) fn discard(
        body: &ReadableStream,
        most: u32,
        milliseconds: u32,
    ) -> Result<Promise, JsValue>;
    /// All bytes of a request's body, whose length it declares; fails with `slow`.
    #[wasm_bindgen(js_name = readRequest)]
    pub(super) fn read_request(request: &Request, milliseconds: u32) -> Promise;
    /// The bytes of a body of this length, which it declares; fails with `slow`.
    #[wasm_bindgen(catch, js_name = readDeclared)]
    pub(super) fn read_declared(
        body: &ReadableStream,
        length: f64,
        milliseconds: u32,
    ) -> Result<Promise, JsValue>;
    /// Has every message of the client of a WebSocket read.
    #[wasm_bindgen(js_name = watchMessages)]
    pub(super) fn watch_messages(socket: &ReadableStream);
    /// Has [`super::waits::settle`] called with a body of at most `limit` bytes; fails with `large`.
    pub(super) fn bounded(wait: u32, body: &ReadableStream, limit: f64);
    /// Has a body read in pieces of at most so many bytes in all, with pauses of at most so many milliseconds.
    #[wasm_bindgen(catch)]
    pub(super) fn pieces(
        body: &ReadableStream,
        limit: f64,
        milliseconds: u32,
    ) -> Result<Pieces, JsValue>;
    /// The pieces of a body.
    pub(super) type Pieces;
    /// Has [`super::waits::settle`] called with the next piece, which begins after some milliseconds or later; nothing at the end.
    #[wasm_bindgen(method)]
    pub(super) fn next(this: &Pieces, wait: u32, milliseconds: u32);
    /// Reads no more, and closes the connection.
    #[wasm_bindgen(method)]
    pub(super) fn cancel(this: &Pieces);
    /// A long text in UTF-8: the runtime's encoder is faster than the generated code, above all before that is compiled.
    pub(super) fn encoded(text: &JsString) -> Vec<u8>;
    /// The variables and secrets among the bindings: names and values in turn, with a NUL after each.
    pub(super) fn variables(env: &Env) -> Vec<u8>;
    /// A text that the build has put beside the bundle; undefined if it has none of this name.
    pub(super) fn document(name: &str) -> Promise;
    /// An answer whose status and headers are in a text.
    #[wasm_bindgen(catch, js_name = respond)]
    pub(super) fn respond_bytes(text: &str, body: &[u8]) -> Result<Response, JsValue>;
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = clearTimeout)]
    pub(super) fn clear_timeout(timer: i32);
    #[wasm_bindgen(js_namespace = console)]
    pub(super) fn log(line: &str);
}
