//! A body that is written while it is sent, through the runtime's own stream: a write ends when the runtime takes the bytes to
//! send them. It notices that the client has gone by the request's signal, and by a write that fails or is not taken in time; the
//! runtime tells a stream of JavaScript about neither.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use js_sys::{Promise, Uint8Array};
use wasm_bindgen::JsValue;
use worker::web_sys::{ReadableStream, Request, WritableStreamDefaultWriter};

use super::bridge;
use super::uploads::pipe;
use super::waits::PromiseFuture;
use crate::runtime::Writer;

/// The end of the body that is written.
pub struct Pushed {
    into: WritableStreamDefaultWriter,
    /// Ready when the client hangs up.
    signal: RefCell<PromiseFuture>,
    /// Whether it has been taken out of the table of waits.
    is_aborted: Cell<bool>,
    /// Whether a write has failed: the stream takes no more.
    is_broken: Cell<bool>,
    idle_ms: u32,
    watches_signal: Cell<bool>,
    watches_write: Cell<bool>,
    why_gone: Cell<Option<&'static str>>,
}

impl Pushed {
    /// The body, and what writes it.
    pub(super) fn start(
        request: &Request,
        idle_ms: u32,
    ) -> Result<(ReadableStream, Self), JsValue> {
        let (body, writable) = pipe("IdentityTransformStream", &JsValue::UNDEFINED)?;
        let signal = PromiseFuture::started(|wait| {
            bridge::aborted(request, wait);
            Ok(())
        })?;
        let pushed = Self {
            into: writable.get_writer()?,
            signal: RefCell::new(signal),
            is_aborted: Cell::default(),
            is_broken: Cell::default(),
            idle_ms,
            watches_signal: Cell::new(true),
            watches_write: Cell::new(true),
            why_gone: Cell::default(),
        };
        Ok((body, pushed))
    }

    /// The same as [`Writer::gone`].
    fn poll_gone(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_gone() {
            return Poll::Ready(());
        }
        if self.watches_signal.get() {
            let mut signal = self.signal.borrow_mut();
            if Pin::new(&mut *signal).poll(context).is_ready() {
                self.is_aborted.set(true);
                self.why_gone.set(Some("signal"));
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// Waits for what the stream does, unless the client goes first or lets it wait for too long. Whether it is done.
    async fn taken(&self, step: &Promise) {
        // Its fault is only a sign that the client has gone. Nobody waits for it then: a write that is not taken never ends.
        let mut step = PromiseFuture::of(step);
        let mut late = PromiseFuture::milliseconds(self.idle_ms);
        let is_done = poll_fn(|context| {
            if let Poll::Ready(done) = Pin::new(&mut step).poll(context) {
                return Poll::Ready(done.is_ok());
            }
            let is_over =
                self.poll_gone(context).is_ready() || Pin::new(&mut late).poll(context).is_ready();
            if is_over {
                Poll::Ready(false)
            } else {
                Poll::Pending
            }
        });
        if is_done.await {
            return;
        }
        if self.watches_write.get() && self.why_gone.get().is_none() {
            self.why_gone.set(Some("write"));
        }
        // A client that does not read is still connected. This ends its connection, and may itself never end.
        self.break_off();
    }
}

impl Writer for Pushed {
    async fn write(&self, bytes: Vec<u8>) -> bool {
        if !self.is_gone() && !self.is_broken.get() {
            let chunk = Uint8Array::from(bytes.as_slice());
            drop(bytes);
            self.taken(&self.into.write_with_chunk(&chunk)).await;
        }
        !self.is_gone()
    }

    async fn close(&self) {
        if !self.is_gone() && !self.is_broken.get() {
            self.taken(&self.into.close()).await;
        }
    }

    fn break_off(&self) {
        self.is_broken.set(true);
        drop(PromiseFuture::of(&self.into.abort()));
    }

    fn watch(&self, signal: bool, write: bool) {
        self.watches_signal.set(signal);
        self.watches_write.set(write);
    }

    fn is_gone(&self) -> bool {
        let is_aborted = self.is_aborted.get() || self.signal.borrow().is_settled();
        if is_aborted && self.watches_signal.get() && self.why_gone.get().is_none() {
            self.why_gone.set(Some("signal"));
        }
        self.why_gone.get().is_some()
    }

    async fn gone(&self) {
        poll_fn(|context| self.poll_gone(context)).await;
    }

    fn why_gone(&self) -> Option<&'static str> {
        self.why_gone.get()
    }
}
