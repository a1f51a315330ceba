//! Futures of promises, timers and signals of the runtime.
//!
//! `JsFuture` and `Delay` create closures for every future and register them with the garbage collector, which was a
//! fifth of a request's cost. They also leak if a promise is never settled, like those of a client that hung up. Here
//! one function of the isolate receives every result; a future is a number in a table, and leaves it when dropped.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::web_sys::AbortSignal;

#[wasm_bindgen]
extern "C" {
    type Thenable;
    #[wasm_bindgen(method)]
    fn then(this: &Thenable, settled: &Function, failed: &Function) -> JsValue;

    type Bindable;
    #[wasm_bindgen(method)]
    fn bind(this: &Bindable, itself: &JsValue, id: u32, good: bool) -> Function;

    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(settle: &Function, milliseconds: u32, id: u32, good: bool) -> i32;

    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timer: i32);
}

/// Replaces `queueMicrotask`, which schedules every task, by a promise's `then`: the runtime's own function costs
/// several times as much. The promise belongs to no request, since it is created before the first one.
pub(crate) fn replace_queue_microtask() {
    let settled = Promise::resolve(&JsValue::UNDEFINED);
    let then = Reflect::get(&settled, &"then".into()).unwrap_or_default();
    if let Some(then) = then.dyn_ref::<Function>() {
        // If it cannot be replaced, the edge is only slower.
        let _ = Reflect::set(
            &js_sys::global(),
            &"queueMicrotask".into(),
            &then.bind0(&settled),
        );
    }
}

thread_local! {
    static PENDING: RefCell<Pending> = RefCell::default();
    /// `(id, good, value)`.
    static SETTLE: Function = {
        let settle: Closure<dyn FnMut(u32, bool, JsValue)> = Closure::new(settle);
        settle.into_js_value().unchecked_into()
    };
}

#[derive(Default)]
struct Pending {
    last: u32,
    open: HashMap<u32, State>,
}

enum State {
    Waiting(Option<Waker>),
    Settled(Result<JsValue, JsValue>),
}

/// Stores a result for its future, or discards it if the future has been dropped.
fn settle(id: u32, good: bool, value: JsValue) {
    let waker = PENDING.with_borrow_mut(|pending| {
        let state = pending.open.get_mut(&id)?;
        let outcome = if good { Ok(value) } else { Err(value) };
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

fn settle_callback(id: u32, good: bool) -> Function {
    SETTLE.with(|settle| {
        settle
            .unchecked_ref::<Bindable>()
            .bind(&JsValue::UNDEFINED, id, good)
    })
}

/// A future of something that the runtime does.
pub(super) struct PromiseFuture {
    id: u32,
    timer: Option<i32>,
}

impl PromiseFuture {
    fn new() -> Self {
        let id = PENDING.with_borrow_mut(|pending| {
            pending.last = pending.last.wrapping_add(1);
            pending.open.insert(pending.last, State::Waiting(None));
            pending.last
        });
        Self { id, timer: None }
    }

    /// The result of a promise.
    pub(super) fn of(promise: &Promise) -> Self {
        let future = Self::new();
        promise.unchecked_ref::<Thenable>().then(
            &settle_callback(future.id, true),
            &settle_callback(future.id, false),
        );
        future
    }

    /// Ready after some time.
    pub(super) fn milliseconds(milliseconds: u32) -> Self {
        let mut future = Self::new();
        future.timer =
            SETTLE.with(|settle| Some(set_timeout(settle, milliseconds, future.id, true)));
        future
    }

    /// Ready when a signal is given. The listener need not be removed: it is as small as a number.
    ///
    /// # Errors
    /// The runtime's.
    pub(super) fn abort(signal: &AbortSignal) -> Result<Self, JsValue> {
        let future = Self::new();
        if signal.aborted() {
            // The event fires only once, so a signal that was given before needs this.
            settle(future.id, true, JsValue::UNDEFINED);
        } else {
            signal.add_event_listener_with_callback("abort", &settle_callback(future.id, true))?;
        }
        Ok(future)
    }
}

impl Future for PromiseFuture {
    type Output = Result<JsValue, JsValue>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut old = None;
        let polled = PENDING.with_borrow_mut(|pending| match pending.open.get_mut(&self.id) {
            Some(State::Waiting(Some(waker))) if waker.will_wake(context.waker()) => Poll::Pending,
            Some(State::Waiting(waker)) => {
                old = waker.replace(context.waker().clone());
                Poll::Pending
            }
            Some(State::Settled(_)) => match pending.open.remove(&self.id) {
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
}

impl Drop for PromiseFuture {
    fn drop(&mut self) {
        let open = PENDING.with_borrow_mut(|pending| pending.open.remove(&self.id));
        if let (Some(State::Waiting(_)), Some(timer)) = (&open, self.timer) {
            clear_timeout(timer);
        }
        drop(open);
    }
}

/// Waits for some time.
pub(super) async fn delay(milliseconds: u32) {
    // A timer has no result.
    let _ = PromiseFuture::milliseconds(milliseconds).await;
}
