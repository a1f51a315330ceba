//! A client's body, chunk by chunk as it arrives. Gzip is decompressed bit by bit.

use std::mem;
use std::pin::pin;

use futures_util::Stream;
use futures_util::future::{Either, ready, select};
use futures_util::stream::unfold;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsValue;
use worker::web_sys::{Blob, ReadableStream, WritableStreamDefaultWriter};

use super::uploads::{ChunkReader, MAX_CHUNK_BYTES, pipe};
use super::waits::{PromiseFuture, delay};
use crate::message::ReadFault;

/// Bytes of gzip that are decompressed at a time: at first, at least and at most. They become a thousand times as many at most, without a
/// pause for anybody's request, so a piece that becomes more than a chunk makes the next ones smaller. They grow again slowly: a
/// body must not swing between large pieces and what becomes large.
const FIRST_ZIPPED_BYTES: u32 = 1024;
const MIN_ZIPPED_BYTES: u32 = 64;
const MAX_ZIPPED_BYTES: u32 = 4 * 1024;
const ZIPPED_STEP_BYTES: u32 = 64;

/// How many pieces of gzip are written before the runtime has shown that it holds no more of what they became. So it holds 16 MB
/// at most.
const MAX_UNREAD_PIECES: usize = 4;

/// The chunks of a body.
pub(super) struct Chunks {
    body: ChunkReader,
    /// How many more bytes may arrive. Gzip may have any number of bytes that become none.
    left: usize,
    idle_ms: u32,
    /// Whether a read of the body may still be waiting.
    is_reading: bool,
    /// What the body is read into. One buffer for all chunks: the runtime would collect new ones late.
    buffer: Uint8Array,
    gunzip: Option<Gunzip>,
}

/// The runtime's decompression.
struct Gunzip {
    into: WritableStreamDefaultWriter,
    from: ChunkReader,
    buffer: Uint8Array,
    /// What has arrived and is not yet decompressed.
    zipped: Uint8Array,
    /// Bytes of a piece that is written, and what the last one has become so far.
    piece_bytes: u32,
    became_bytes: u32,
    /// Pieces that were written since there was last nothing to read.
    unread_pieces: usize,
    /// Whether nothing was written since a read that found less than it had room for.
    is_drained: bool,
}

impl Chunks {
    pub(super) fn of(
        body: &ReadableStream,
        is_zipped: bool,
        limit: usize,
        idle_ms: u32,
    ) -> Result<Self, JsValue> {
        Ok(Self {
            body: ChunkReader::of(body)?,
            left: limit,
            idle_ms,
            is_reading: false,
            buffer: new_buffer(),
            gunzip: is_zipped.then(Gunzip::start).transpose()?,
        })
    }

    /// The next chunk; empty at the end of the body.
    async fn next(&mut self) -> Result<Vec<u8>, ReadFault> {
        let Some(mut gunzip) = self.gunzip.take() else {
            let chunk = self.arrived().await?;
            let bytes = chunk.to_vec();
            self.buffer = Uint8Array::new(&chunk.buffer());
            return Ok(bytes);
        };
        let chunk = self.unzipped(&mut gunzip).await?;
        let bytes = chunk.to_vec();
        gunzip.buffer = Uint8Array::new(&chunk.buffer());
        self.gunzip = Some(gunzip);
        Ok(bytes)
    }

    /// The next bytes of the body itself.
    async fn arrived(&mut self) -> Result<Uint8Array, ReadFault> {
        self.is_reading = true;
        let read = pin!(self.body.next_into(1, &self.buffer));
        let arrived = match select(read, pin!(delay(self.idle_ms))).await {
            Either::Left((arrived, _)) => arrived.map_err(|_| ReadFault::Broken),
            // The rest of a slow body is not awaited again.
            Either::Right(_) => return Err(ReadFault::Slow),
        };
        self.is_reading = false;
        let arrived = arrived?;
        let left = self.left.checked_sub(arrived.length() as usize);
        self.left = left.ok_or(ReadFault::TooLarge)?;
        Ok(arrived)
    }

    /// Decompresses until there is a chunk. The runtime's own pipe would decompress all that arrives into its memory, however
    /// slowly it is read. So this writes only while there is nothing to read. A read that stays open for a turn of the event
    /// loop shows that; one that found less than it had room for suggests it, and saves the turn for a few pieces.
    async fn unzipped(&mut self, gunzip: &mut Gunzip) -> Result<Uint8Array, ReadFault> {
        let Gunzip {
            into,
            from,
            buffer,
            zipped,
            piece_bytes,
            became_bytes,
            unread_pieces,
            is_drained,
        } = gunzip;
        let mut unzipped = pin!(from.next_into(1, buffer));
        loop {
            let has_piece = zipped.length() > 0;
            let skips_turn = has_piece && *is_drained && *unread_pieces < MAX_UNREAD_PIECES;
            let turn = if skips_turn {
                Either::Left(ready(()))
            } else {
                Either::Right(delay(0))
            };
            if let Either::Left((chunk, _)) = select(unzipped.as_mut(), pin!(turn)).await {
                let chunk = chunk.map_err(|_| ReadFault::Broken)?;
                *is_drained = chunk.length() < MAX_CHUNK_BYTES;
                *became_bytes = became_bytes.saturating_add(chunk.length());
                return Ok(chunk);
            }
            if !skips_turn {
                *unread_pieces = 0;
            }
            if zipped.length() == 0 {
                self.buffer = Uint8Array::new(&zipped.buffer());
                *zipped = self.arrived().await?;
                if zipped.length() == 0 {
                    // If the gzip is incomplete, reading fails.
                    drop(PromiseFuture::of(&into.close()));
                    return unzipped.await.map_err(|_| ReadFault::Broken);
                }
            }
            *piece_bytes = next_piece_bytes(*piece_bytes, mem::take(became_bytes));
            let piece = zipped.subarray(0, (*piece_bytes).min(zipped.length()));
            *zipped = zipped.subarray(piece.length(), zipped.length());
            let written = PromiseFuture::of(&into.write_with_chunk(&piece)).await;
            written.map_err(|_| ReadFault::Broken)?;
            *unread_pieces += 1;
            *is_drained = false;
        }
    }
}

/// Bytes of the piece after one that has become so many.
fn next_piece_bytes(piece_bytes: u32, became_bytes: u32) -> u32 {
    if became_bytes <= MAX_CHUNK_BYTES {
        return (piece_bytes + ZIPPED_STEP_BYTES).min(MAX_ZIPPED_BYTES);
    }
    let in_a_chunk = u64::from(piece_bytes) * u64::from(MAX_CHUNK_BYTES) / u64::from(became_bytes);
    u32::try_from(in_a_chunk).map_or(MIN_ZIPPED_BYTES, |bytes| bytes.max(MIN_ZIPPED_BYTES))
}

/// Decompresses gzip that has all arrived, within a time.
pub(super) async fn unzip(
    zipped: &[u8],
    limit: usize,
    deadline_ms: u32,
    hold: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<u8>, ReadFault> {
    let parts = Array::of1(&Uint8Array::from(zipped));
    let zipped_stream = Blob::new_with_u8_array_sequence(&parts).map(|blob| blob.stream());
    let chunks =
        zipped_stream.and_then(|stream| Chunks::of(&stream, true, zipped.len(), deadline_ms));
    let mut chunks = chunks.map_err(|_| ReadFault::Broken)?;
    let mut deadline = pin!(delay(deadline_ms));
    let mut bytes = Vec::new();
    loop {
        let chunk = match select(pin!(chunks.next()), deadline.as_mut()).await {
            Either::Left((chunk, _)) => chunk?,
            Either::Right(_) => return Err(ReadFault::Slow),
        };
        if chunk.is_empty() {
            return Ok(bytes);
        }
        let length = bytes.len() + chunk.len();
        if length > limit {
            return Err(ReadFault::TooLarge);
        }
        if !hold(length) {
            return Err(ReadFault::BufferFull);
        }
        bytes.extend(chunk);
    }
}

fn new_buffer() -> Uint8Array {
    Uint8Array::new_with_length(MAX_CHUNK_BYTES)
}

impl Drop for Chunks {
    fn drop(&mut self) {
        if !self.is_reading {
            // For `drain_unread`, if the body is refused before its end.
            self.body.release();
        }
    }
}

impl Gunzip {
    fn start() -> Result<Self, JsValue> {
        let (from, into) = pipe("DecompressionStream", &"gzip".into())?;
        Ok(Self {
            into: into.get_writer()?,
            from: ChunkReader::of(&from)?,
            buffer: new_buffer(),
            zipped: new_buffer().subarray(0, 0),
            piece_bytes: FIRST_ZIPPED_BYTES,
            became_bytes: 0,
            unread_pieces: 0,
            is_drained: true,
        })
    }
}

/// The chunks as the stages see them. It ends after a fault.
pub(super) fn stream(
    chunks: Result<Chunks, JsValue>,
) -> impl Stream<Item = Result<Vec<u8>, ReadFault>> {
    unfold(Some(chunks), |state| async {
        let Ok(mut chunks) = state? else {
            return Some((Err(ReadFault::Broken), None));
        };
        match chunks.next().await {
            Ok(chunk) if chunk.is_empty() => None,
            Ok(chunk) => Some((Ok(chunk), Some(Ok(chunks)))),
            Err(fault) => Some((Err(fault), None)),
        }
    })
}
