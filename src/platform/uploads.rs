//! Bodies: read chunk by chunk, passed on, buffered, counted, decompressed and discarded, as far as possible in the
//! runtime's memory.

use std::cell::Cell;
use std::pin::pin;

use futures_util::future::{Either, select};
use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::web_sys::{self, ReadableStream, ReadableStreamDefaultReader, WritableStream};

use super::messages::unreachable;
use super::waits::{PromiseFuture, delay};
use super::{bridge, float, read_fault};
use crate::message::{ReadFault, SendFault};

/// Bytes that are read of a body at a time at most.
pub(super) const MAX_CHUNK_BYTES: u32 = 64 * 1024;

#[wasm_bindgen]
extern "C" {
    /// A stream and its byte reader with workerd's own method that waits for a number of bytes: `web_sys` has neither.
    type ByteStream;
    #[wasm_bindgen(method, catch, js_name = getReader)]
    fn byte_reader(this: &ByteStream, options: &JsValue) -> Result<ByteReader, JsValue>;

    type ByteReader;
    #[wasm_bindgen(method, catch, js_name = readAtLeast)]
    fn read_at_least(this: &ByteReader, bytes: u32, into: &Uint8Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = releaseLock)]
    fn release_lock(this: &ByteReader) -> Result<(), JsValue>;
}

/// Reads a body chunk by chunk, without a copy of its bytes in wasm memory.
pub(super) struct ChunkReader(ByteReader);

impl ChunkReader {
    pub(super) fn of(stream: &ReadableStream) -> Result<Self, JsValue> {
        let options = Object::new();
        Reflect::set(&options, &"mode".into(), &"byob".into())?;
        let stream: &ByteStream = stream.unchecked_ref();
        stream.byte_reader(&options).map(Self)
    }

    /// Unlocks the stream for another reader. No read may be waiting.
    pub(super) fn release(&self) {
        // If it stays locked, nobody discards the rest of it.
        let _ = self.0.release_lock();
    }

    /// Reads at least `least` bytes, and up to the length of a buffer if they have arrived; fewer at the end of the body, and
    /// none after it. The buffer is given back with what was read into it and cannot be used otherwise.
    pub(super) async fn next_into(
        &self,
        least: u32,
        buffer: &Uint8Array,
    ) -> Result<Uint8Array, JsValue> {
        let step = self.0.read_at_least(least, buffer)?;
        let step = PromiseFuture::of(&step).await?;
        let value = Reflect::get(&step, &"value".into())?;
        // A stream that had ended before may give no bytes.
        Ok(value
            .dyn_into()
            .unwrap_or_else(|_| Uint8Array::new_with_length(0)))
    }
}

/// Bytes of a refused body that are read and discarded, and the milliseconds for it.
const MAX_DRAINED_BYTES: u32 = 8 * 1024 * 1024;
const DRAIN_MS: u32 = 2000;

/// Discards the rest of a request's body that no stage reads. A server that answers while its client still sends has to
/// close the connection, which would break the client's next request on it.
pub(super) async fn drain_unread(request: &web_sys::Request) {
    if let Some(body) = request.body().filter(|body| !body.locked())
        && let Ok(drained) = bridge::discard(&body, MAX_DRAINED_BYTES, DRAIN_MS)
    {
        // A body that is too long, too slow or broken costs its client the connection.
        let _ = PromiseFuture::of(&drained).await;
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

/// A body of declared length on its way from the client to PostgREST. The runtime's own pipe passes exactly `length`
/// bytes, without a copy in wasm memory.
pub(super) struct Upload {
    /// The body of the fetch.
    pub(super) handed_on: ReadableStream,
    /// Settled when the body has been sent completely, or broke off.
    pub(super) sent: PromiseFuture,
}

impl Upload {
    pub(super) fn start(stream: &ReadableStream, length: usize) -> Result<Self, JsValue> {
        let (handed_on, writable) = pipe("FixedLengthStream", &float(length).into())?;
        Ok(Self {
            handed_on,
            sent: PromiseFuture::of(&stream.pipe_to(&writable)),
        })
    }
}

/// The most bytes of a body of declared length that is read whole before it is sent: that costs less than a pipe.
const MAX_WHOLE_BYTES: usize = 128 * 1024;

/// The bytes of a body of declared length, which stay in JavaScript's memory; none if it is large, or if there is little room: a
/// pipe needs none.
pub(super) fn reserve(length: usize) -> Option<Buffered> {
    if length > MAX_WHOLE_BYTES || BUFFERED_BYTES.get() + length > MAX_BUFFERED_BYTES / 2 {
        return None;
    }
    let mut buffered = Buffered(0);
    buffered.add(length).ok().map(|()| buffered)
}

/// Reads a body of declared length. PostgREST gets none that breaks off.
pub(super) async fn read_declared(
    stream: &ReadableStream,
    length: usize,
    deadline_ms: u32,
) -> Result<JsValue, SendFault> {
    let body_fault = |fault: JsValue| SendFault::Body(read_fault(&fault));
    let reading = bridge::read_declared(stream, float(length), deadline_ms).map_err(body_fault)?;
    PromiseFuture::of(&reading).await.map_err(body_fault)
}

/// Buffers a body of unknown length; its chunks stay in the runtime's memory. PostgREST would accept a body that breaks
/// off as complete, so nothing is sent before its end has arrived.
pub(super) async fn buffer(
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
pub(super) struct Buffered(usize);

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

/// The runtime's own stream that decompresses gzip.
pub(super) fn gunzip() -> Result<JsValue, JsValue> {
    construct("DecompressionStream", &"gzip".into())
}

fn construct(class: &str, argument: &JsValue) -> Result<JsValue, JsValue> {
    let class: Function = Reflect::get(&js_sys::global(), &class.into())?.dyn_into()?;
    Reflect::construct(&class, &Array::of1(argument))
}

/// Both ends of a stream of the runtime.
pub(super) fn pipe(
    class: &str,
    argument: &JsValue,
) -> Result<(ReadableStream, WritableStream), JsValue> {
    let both = construct(class, argument)?;
    let readable = Reflect::get(&both, &"readable".into())?.dyn_into()?;
    let writable = Reflect::get(&both, &"writable".into())?.dyn_into()?;
    Ok((readable, writable))
}

/// Decompresses gzip that has all arrived.
pub(super) fn unzipped(body: &[u8]) -> Result<ReadableStream, JsValue> {
    let reader = gunzip()?;
    let zipped = web_sys::Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(body)))?;
    let zipped = zipped.stream();
    let pipe: Function = Reflect::get(&zipped, &"pipeThrough".into())?.dyn_into()?;
    pipe.call1(&zipped, &reader)?.dyn_into()
}

/// Passes the chunks of a body to `each` while they arrive within the deadline and the limit.
pub(super) async fn read_chunks(
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
