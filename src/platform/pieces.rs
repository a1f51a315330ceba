//! The body of a service's answer, piece by piece. `entry.js` reads it and joins what arrives before the next piece's turn.

use futures_util::Stream;
use futures_util::stream::unfold;
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::web_sys::ReadableStream;

use super::waits::PromiseFuture;
use super::{bridge, float, read_fault};
use crate::message::ReadFault;

/// Closes the connection when nobody reads any more.
struct Reader(bridge::Pieces);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Reader {
    /// The next piece; empty at the end.
    async fn next(&self, wait_ms: u32) -> Result<Vec<u8>, ReadFault> {
        let piece = PromiseFuture::started(|wait| {
            self.0.next(wait, wait_ms);
            Ok(())
        });
        let piece = match piece {
            Ok(piece) => piece.await,
            Err(fault) => Err(fault),
        };
        let piece = piece.map_err(|fault| read_fault(&fault))?;
        let bytes = piece.dyn_ref::<Uint8Array>();
        Ok(bytes.map(Uint8Array::to_vec).unwrap_or_default())
    }
}

/// The pieces as a hook sees them. It ends after a fault.
pub(super) fn stream<F: Fn(usize) -> u32>(
    body: &ReadableStream,
    limit: usize,
    idle_ms: u32,
    turn: F,
) -> impl Stream<Item = Result<Vec<u8>, ReadFault>> + use<F> {
    let reader = bridge::pieces(body, float(limit), idle_ms).map(Reader);
    unfold(Some((reader, 0)), move |state| {
        let piece = state.map(|(reader, last)| (reader, turn(last)));
        async {
            let (reader, wait_ms) = piece?;
            let Ok(reader) = reader else {
                return Some((Err(ReadFault::Broken), None));
            };
            match reader.next(wait_ms).await {
                Ok(piece) if piece.is_empty() => None,
                Ok(piece) => {
                    let length = piece.len();
                    Some((Ok(piece), Some((Ok::<_, JsValue>(reader), length))))
                }
                Err(fault) => Some((Err(fault), None)),
            }
        }
    })
}
