//! Bodies: read chunk by chunk, passed on, buffered, counted, decompressed and discarded, as far as possible in the
//! runtime's memory.

use std::cell::Cell;
use std::pin::pin;

use futures_util::future::{Either, select};
use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::web_sys::{self, ReadableStream, WritableStream};

use super::messages::unreachable;
use super::waits::{PromiseFuture, delay};
use super::{bridge, float, read_fault};
use crate::message::{MAX_WHOLE_BYTES, ReadFault, SendFault};

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
    let mut buffered = Buffered(0);
    let reading = read_chunks(stream, limit, deadline_ms, &mut buffered);
    let chunks = reading.await.map_err(SendFault::Body)?;
    let body = web_sys::Blob::new_with_u8_array_sequence(&chunks).map_err(unreachable)?;
    Ok((body, buffered))
}

/// Bytes of the first chunk of a buffered body. The next ones are as long as all before them: a client that sends byte by byte costs no
/// more chunks than another one.
const FIRST_CHUNK_BYTES: usize = 4 * 1024;

/// The chunks of a body, if all of it arrives within the deadline and the limit.
async fn read_chunks(
    stream: &ReadableStream,
    limit: usize,
    deadline_ms: u32,
    buffered: &mut Buffered,
) -> Result<Array, ReadFault> {
    let reader = ChunkReader::of(stream).map_err(|_| ReadFault::Broken)?;
    let mut deadline = pin!(delay(deadline_ms));
    let chunks = Array::new();
    let mut length = 0;
    loop {
        let size = length.clamp(FIRST_CHUNK_BYTES, MAX_CHUNK_BYTES as usize);
        // One byte over the limit is enough.
        let size = size.min(limit + 1 - length);
        if let Err(full) = buffered.add(size) {
            reader.release();
            return Err(full);
        }
        let size = u32::try_from(size).map_err(|_| ReadFault::TooLarge)?;
        let buffer = Uint8Array::new_with_length(size);
        let chunk = match select(pin!(reader.next_into(size, &buffer)), deadline.as_mut()).await {
            Either::Left((chunk, _)) => chunk.map_err(|_| ReadFault::Broken)?,
            // The reader keeps its lock: the rest of a slow body is not awaited again.
            Either::Right(_) => return Err(ReadFault::Slow),
        };
        length += chunk.length() as usize;
        if length > limit {
            // Released so that `drain_unread` can discard the rest of a client's body.
            reader.release();
            return Err(ReadFault::TooLarge);
        }
        chunks.push(&chunk);
        if chunk.length() < size {
            return Ok(chunks);
        }
    }
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

/// Both ends of a stream of the runtime.
pub(super) fn pipe(
    class: &str,
    argument: &JsValue,
) -> Result<(ReadableStream, WritableStream), JsValue> {
    let class: Function = Reflect::get(&js_sys::global(), &class.into())?.dyn_into()?;
    let both = Reflect::construct(&class, &Array::of1(argument))?;
    let readable = Reflect::get(&both, &"readable".into())?.dyn_into()?;
    let writable = Reflect::get(&both, &"writable".into())?.dyn_into()?;
    Ok((readable, writable))
}
