//! Waiting for what the runtime will do: promises, timers, signals.
//!
//! `JsFuture` and `Delay` make closures for every wait and register each with the collector, which was a fifth of a
//! request's cost; and what they hold is never freed where a promise is never settled, as those of a client that hung up.
//! Here one function of an isolate hears of everything; a wait is a number, and forgotten with its future.

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
    fn set_timeout(heard: &Function, milliseconds: u32, id: u32, good: bool) -> i32;

    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timer: i32);
}

/// Puts a promise's `then` in `queueMicrotask`'s place, which every task is scheduled by: the runtime's own costs several
/// times as much. The promise belongs to no request, for it is made before there is one.
pub(crate) fn quicken_microtasks() {
    let settled = Promise::resolve(&JsValue::UNDEFINED);
    let then = Reflect::get(&settled, &"then".into()).unwrap_or_default();
    if let Some(then) = then.dyn_ref::<Function>() {
        // Where it cannot be replaced it is only slower.
        let _ = Reflect::set(
            &js_sys::global(),
            &"queueMicrotask".into(),
            &then.bind0(&settled),
        );
    }
}

thread_local! {
    static WAITS: RefCell<Waits> = RefCell::default();
    /// `(id, good, value)`.
    static HEAR: Function = {
        let hear: Closure<dyn FnMut(u32, bool, JsValue)> = Closure::new(hear);
        hear.into_js_value().unchecked_into()
    };
}

#[derive(Default)]
struct Waits {
    last: u32,
    open: HashMap<u32, State>,
}

enum State {
    Waiting(Option<Waker>),
    Heard(Result<JsValue, JsValue>),
}

/// Notes what has become of something. Of what nobody waits for any more nothing is kept.
fn hear(id: u32, good: bool, value: JsValue) {
    let waker = WAITS.with_borrow_mut(|waits| {
        let state = waits.open.get_mut(&id)?;
        let outcome = if good { Ok(value) } else { Err(value) };
        match mem::replace(state, State::Heard(outcome)) {
            State::Waiting(waker) => waker,
            State::Heard(_) => None,
        }
    });
    // Not while the table is borrowed: what is woken may drop other waits.
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn heard(id: u32, good: bool) -> Function {
    HEAR.with(|hear| {
        hear.unchecked_ref::<Bindable>()
            .bind(&JsValue::UNDEFINED, id, good)
    })
}

/// Ready once the runtime has done something.
pub(super) struct Wait {
    id: u32,
    timer: Option<i32>,
}

impl Wait {
    fn new() -> Self {
        let id = WAITS.with_borrow_mut(|waits| {
            waits.last = waits.last.wrapping_add(1);
            waits.open.insert(waits.last, State::Waiting(None));
            waits.last
        });
        Self { id, timer: None }
    }

    /// For what a promise is settled with.
    pub(super) fn of(promise: &Promise) -> Self {
        let wait = Self::new();
        promise
            .unchecked_ref::<Thenable>()
            .then(&heard(wait.id, true), &heard(wait.id, false));
        wait
    }

    /// For some time to pass.
    pub(super) fn milliseconds(milliseconds: u32) -> Self {
        let mut wait = Self::new();
        wait.timer = HEAR.with(|hear| Some(set_timeout(hear, milliseconds, wait.id, true)));
        wait
    }

    /// For a signal to be given. Nothing has to be taken back: the listener is as small as a number.
    ///
    /// # Errors
    /// The runtime's.
    pub(super) fn abort(signal: &AbortSignal) -> Result<Self, JsValue> {
        let wait = Self::new();
        if signal.aborted() {
            // It is given once, to those who listen.
            hear(wait.id, true, JsValue::UNDEFINED);
        } else {
            signal.add_event_listener_with_callback("abort", &heard(wait.id, true))?;
        }
        Ok(wait)
    }
}

impl Future for Wait {
    type Output = Result<JsValue, JsValue>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut old = None;
        let polled = WAITS.with_borrow_mut(|waits| match waits.open.get_mut(&self.id) {
            Some(State::Waiting(Some(waker))) if waker.will_wake(context.waker()) => Poll::Pending,
            Some(State::Waiting(waker)) => {
                old = waker.replace(context.waker().clone());
                Poll::Pending
            }
            Some(State::Heard(_)) => match waits.open.remove(&self.id) {
                Some(State::Heard(outcome)) => Poll::Ready(outcome),
                _ => Poll::Pending,
            },
            // Polled again after it was ready.
            None => Poll::Pending,
        });
        // Not while the table is borrowed: it may be the last that holds a task, and that task other waits.
        drop(old);
        polled
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let open = WAITS.with_borrow_mut(|waits| waits.open.remove(&self.id));
        if let (Some(State::Waiting(_)), Some(timer)) = (&open, self.timer) {
            clear_timeout(timer);
        }
        drop(open);
    }
}
