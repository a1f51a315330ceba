//! Runs the futures of requests. A task is polled in the event that woke it, without a promise or a microtask of its own.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use rustc_hash::FxHashMap;
use wasm_bindgen::prelude::wasm_bindgen;

use super::{bridge, milliseconds};

/// It answers the request itself (`entry.js`, `finish`), or outlives it.
type Answering = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    /// None while it is polled.
    answering: Option<Answering>,
    waker: Waker,
    /// Whether the client has hung up.
    hung_up: Rc<Cell<bool>>,
}

thread_local! {
    static INSTANCE: u32 = bridge::number();
    static TASKS: RefCell<FxHashMap<u32, Task>> = RefCell::default();
    /// Tasks that were woken.
    static WOKEN: RefCell<Vec<u32>> = RefCell::default();
    /// Whether `resume` runs or is about to.
    static RESUMING: Cell<bool> = const { Cell::new(false) };
    static CLOCK: Cell<Clock> = const { Cell::new(Clock::Outside) };
}

/// What is known of the time. In an event the runtime's clock stands still.
#[derive(Clone, Copy)]
enum Clock {
    /// No event is being handled.
    Outside,
    /// One is, and nobody has asked for its time.
    Unread,
    /// One is, at this millisecond since 1970.
    At(u64),
}

impl Clock {
    fn of(now_ms: Option<f64>) -> Self {
        now_ms.map_or(Self::Unread, |now_ms| Self::At(milliseconds(now_ms)))
    }
}

struct WakeTask(u32);

impl Wake for WakeTask {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        WOKEN.with_borrow_mut(|woken| woken.push(self.0));
        if !RESUMING.replace(true) {
            bridge::soon();
        }
    }
}

/// The time of the event, in milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let clock = CLOCK.get();
    if let Clock::At(known) = clock {
        return known;
    }
    let now_ms = milliseconds(js_sys::Date::now());
    if matches!(clock, Clock::Unread) {
        CLOCK.set(Clock::At(now_ms));
    }
    now_ms
}

/// Handles an event of the runtime, and continues the tasks that it woke.
pub(super) fn event(now_ms: Option<f64>, handle: impl FnOnce()) {
    CLOCK.set(Clock::of(now_ms));
    RESUMING.set(true);
    handle();
    resume();
    CLOCK.set(Clock::Outside);
}

/// Continues the tasks that were woken.
#[wasm_bindgen]
pub fn resume() {
    RESUMING.set(true);
    while let Some(task) = WOKEN.with_borrow_mut(Vec::pop) {
        poll(task);
    }
    RESUMING.set(false);
}

/// Continues a task whose client has hung up.
#[wasm_bindgen(js_name = hungUp)]
pub fn hung_up(task: u32) {
    let waker = TASKS.with_borrow(|tasks| {
        let task = tasks.get(&task)?;
        task.hung_up.set(true);
        Some(task.waker.clone())
    });
    if let Some(waker) = waker {
        event(None, || waker.wake());
    }
}

/// The number of this instance of the module. The generated code of every export replaces an instance that has trapped, but only
/// after it has written the arguments into the memory of the old one: `entry.js` calls this before it passes a text.
#[wasm_bindgen(js_name = startAfresh)]
#[must_use]
pub fn start_afresh() -> u32 {
    INSTANCE.with(|instance| *instance)
}

/// Starts a task.
pub(super) fn start(number: u32, now_ms: f64, hung_up: Rc<Cell<bool>>, answering: Answering) {
    CLOCK.set(Clock::of(Some(now_ms)));
    spawn(number, hung_up, answering);
    CLOCK.set(Clock::Outside);
}

/// Starts a task in the event of another one.
pub(super) fn spawn(number: u32, hung_up: Rc<Cell<bool>>, answering: Answering) {
    let task = Task {
        answering: Some(answering),
        waker: Arc::new(WakeTask(number)).into(),
        hung_up,
    };
    TASKS.with_borrow_mut(|tasks| tasks.insert(number, task));
    poll(number);
}

/// Continues a task.
fn poll(number: u32) {
    // Taken out of the table, which must not be borrowed meanwhile.
    let taken = TASKS.with_borrow_mut(|tasks| {
        let task = tasks.get_mut(&number)?;
        Some((task.answering.take()?, task.waker.clone()))
    });
    let Some((mut answering, waker)) = taken else {
        return;
    };
    if answering
        .as_mut()
        .poll(&mut Context::from_waker(&waker))
        .is_ready()
    {
        let task = TASKS.with_borrow_mut(|tasks| tasks.remove(&number));
        drop((task, answering));
    } else {
        TASKS.with_borrow_mut(|tasks| {
            if let Some(task) = tasks.get_mut(&number) {
                task.answering = Some(answering);
            }
        });
    }
}
