//! Futures of what the runtime does: promises, timers and requests.
//!
//! `JsFuture` and `Delay` create closures for every future and register them with the garbage collector, which was a
//! fifth of a request's cost. They also leak if a promise is never settled, like those of a client that hung up. Here a
//! wait is a number in a table: `entry.js` calls [`settle`], [`answered`] or [`failed`] with it, and the future that is
//! dropped takes it out.

use std::cell::RefCell;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use js_sys::Promise;
use rustc_hash::FxHashMap;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::web_sys::{AbortController, ReadableStream};

use super::messages::answer;
use super::{bridge, float, tasks};
use crate::message::Response;

thread_local! {
    static OPEN: RefCell<FxHashMap<u32, State>> = RefCell::default();
}

enum State {
    Waiting(Option<Waker>),
    Settled(Outcome),
}

enum Outcome {
    Value(Result<JsValue, JsValue>),
    Answer(Result<Response<ReadableStream>, NoAnswer>),
}

/// Why there is no answer.
pub(super) enum NoAnswer {
    /// Its time is over.
    Late,
    /// The request failed.
    Failed(JsValue),
}

/// Stores an outcome for its future, or discards it if the future has been dropped.
fn store(wait: u32, outcome: Outcome) {
    let waker = OPEN.with_borrow_mut(|open| {
        let state = open.get_mut(&wait)?;
        match mem::replace(state, State::Settled(outcome)) {
            State::Waiting(waker) => waker,
            State::Settled(_) => None,
        }
    });
    // After the borrow of the table: the waker may drop other futures.
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Settles the wait for a promise or a timer.
#[wasm_bindgen]
pub fn settle(wait: u32, good: bool, value: JsValue) {
    let outcome = if good { Ok(value) } else { Err(value) };
    tasks::event(None, || store(wait, Outcome::Value(outcome)));
}

/// Settles the wait for an answer: `text` has its status and headers.
#[wasm_bindgen]
pub fn answered(wait: u32, text: &[u8], body: JsValue, now_ms: f64) {
    // Not an `Option`, which the generated code would put into the table of objects itself.
    let body = (!body.is_undefined()).then(|| body.unchecked_into());
    let answer = str::from_utf8(text)
        .ok()
        .and_then(|text| answer(text, body));
    let answer = answer.ok_or(NoAnswer::Failed(JsValue::UNDEFINED));
    tasks::event(Some(now_ms), || store(wait, Outcome::Answer(answer)));
}

/// Settles the wait for an answer that does not come; without a fault, its time is over.
#[wasm_bindgen]
pub fn failed(wait: u32, fault: Option<JsValue>) {
    // A request that is aborted fails, too, when nothing waits for it any more.
    if OPEN.with_borrow(|open| matches!(open.get(&wait), Some(State::Waiting(_)))) {
        let why = fault.map_or(NoAnswer::Late, NoAnswer::Failed);
        tasks::event(None, || store(wait, Outcome::Answer(Err(why))));
    }
}

/// A place in the table.
struct Wait(u32);

impl Wait {
    fn new() -> Self {
        let number = bridge::number();
        OPEN.with_borrow_mut(|open| open.insert(number, State::Waiting(None)));
        Self(number)
    }

    fn poll(&self, context: &Context<'_>) -> Poll<Outcome> {
        let mut old = None;
        let polled = OPEN.with_borrow_mut(|open| match open.get_mut(&self.0) {
            Some(State::Waiting(Some(waker))) if waker.will_wake(context.waker()) => Poll::Pending,
            Some(State::Waiting(waker)) => {
                old = waker.replace(context.waker().clone());
                Poll::Pending
            }
            Some(State::Settled(_)) => match open.remove(&self.0) {
                Some(State::Settled(outcome)) => Poll::Ready(outcome),
                _ => Poll::Pending,
            },
            // It was polled again after it was ready.
            None => Poll::Pending,
        });
        // After the borrow of the table: dropping the last reference to a task may drop other futures.
        drop(old);
        polled
    }

    /// Takes it out of the table; whether it was not settled.
    fn remove(&self) -> bool {
        let state = OPEN.with_borrow_mut(|open| open.remove(&self.0));
        matches!(state, Some(State::Waiting(_)))
    }
}

/// A future of a promise or a timer.
pub(super) struct PromiseFuture {
    wait: Wait,
    timer: Option<i32>,
}

impl PromiseFuture {
    /// The result of a promise.
    pub(super) fn of(promise: &Promise) -> Self {
        let wait = Wait::new();
        bridge::watch(promise, wait.0);
        Self { wait, timer: None }
    }

    /// What a call settles that gets the number of the wait.
    pub(super) fn started(start: impl FnOnce(u32) -> Result<(), JsValue>) -> Result<Self, JsValue> {
        let wait = Wait::new();
        let future = Self { wait, timer: None };
        start(future.wait.0)?;
        Ok(future)
    }

    /// Whether it is ready, without being polled.
    pub(super) fn is_settled(&self) -> bool {
        OPEN.with_borrow(|open| matches!(open.get(&self.wait.0), Some(State::Settled(_))))
    }

    /// Ready after some time.
    pub(super) fn milliseconds(milliseconds: u32) -> Self {
        let wait = Wait::new();
        let timer = Some(bridge::timer(milliseconds, wait.0));
        Self { wait, timer }
    }
}

impl Future for PromiseFuture {
    type Output = Result<JsValue, JsValue>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.wait.poll(context) {
            Poll::Ready(Outcome::Value(value)) => Poll::Ready(value),
            Poll::Ready(Outcome::Answer(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for PromiseFuture {
    fn drop(&mut self) {
        if self.wait.remove()
            && let Some(timer) = self.timer
        {
            bridge::clear_timeout(timer);
        }
    }
}

/// A future of the head of an answer. The request is aborted if nobody takes one.
pub(super) struct AnswerFuture {
    wait: Wait,
    controller: AbortController,
    is_taken: bool,
}

impl AnswerFuture {
    /// Sends a request: `text` has its method, URL and headers. Without `deadline_ms` it has no deadline of its own.
    pub(super) fn send(text: &str, body: &JsValue, deadline_ms: u32) -> Self {
        let wait = Wait::new();
        let controller = bridge::send(wait.0, text, body, deadline_ms);
        Self {
            wait,
            controller,
            is_taken: false,
        }
    }

    /// The same with a body that declares no length, and a future of its end.
    pub(super) fn send_pieces(
        text: &str,
        body: &ReadableStream,
        limit: usize,
    ) -> Result<(Self, PromiseFuture), JsValue> {
        let wait = Wait::new();
        let sent = PromiseFuture {
            wait: Wait::new(),
            timer: None,
        };
        let controller = bridge::send_pieces(wait.0, sent.wait.0, text, body, float(limit))?;
        let answer = Self {
            wait,
            controller,
            is_taken: false,
        };
        Ok((answer, sent))
    }
}

impl Future for AnswerFuture {
    type Output = Result<Response<ReadableStream>, NoAnswer>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.wait.poll(context) {
            Poll::Ready(Outcome::Answer(answer)) => {
                self.is_taken = answer.is_ok();
                Poll::Ready(answer)
            }
            Poll::Ready(Outcome::Value(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for AnswerFuture {
    fn drop(&mut self) {
        self.wait.remove();
        if !self.is_taken {
            self.controller.abort();
        }
    }
}

/// Waits for some time.
pub(super) async fn delay(milliseconds: u32) {
    // A timer has no result.
    let _ = PromiseFuture::milliseconds(milliseconds).await;
}
