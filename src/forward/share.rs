//! A fair share of PostgREST's connections: limits the requests that one caller, and all anonymous callers together,
//! have at PostgREST at once. Further requests of an isolate wait here, in order and for a short time, where they hold
//! no connection.
//!
//! The database applies the same limits (`private.connection_shares`) across isolates and to callers that bypass the
//! edge.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::rc::Rc;

use futures_util::future::{Either, select};

use crate::edge::{Edge, Platform};
use crate::error::Error;
use crate::scope::Sharer;

/// Milliseconds that a request waits for other requests of its caller.
const MAX_WAIT_MS: u32 = 5000;
/// Milliseconds that a request may hold a permit while its body is still arriving.
const MAX_UPLOAD_MS: u32 = 500;

/// The queue of one caller may fill an eighth of the isolate's limit of waiting requests (`LIMITS`, `waiting`), all
/// anonymous callers together half of it. The rest stays free for other callers.
const CALLER_PART: usize = 8;
const ANONYMOUS_PART: usize = 2;
/// Keys of what all anonymous callers share. No caller has such a name.
const ANONYMOUS: &str = "anonymous";
const ANONYMOUS_WAITING: &str = "places of anonymous";

/// The requests at PostgREST, by caller.
#[derive(Default)]
pub struct Shares(HashMap<String, Share>);

#[derive(Default)]
struct Share {
    in_flight: usize,
    queue: VecDeque<Rc<Waiter>>,
}

/// A request in the queue.
struct Waiter {
    granted: Cell<bool>,
    wake: Cell<Option<Box<dyn FnOnce()>>>,
}

/// The right to use one connection of a share. When it is dropped, the next request in the queue gets it.
pub(super) struct Permit<'a> {
    shares: &'a RefCell<Shares>,
    name: String,
}

impl Permits<'_> {
    fn is_empty(&self) -> bool {
        self.own.is_none() && self.of_all.is_none() && self.waiting.is_none()
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        release(self.shares, &self.name);
    }
}

/// The permits of one request.
#[derive(Default)]
pub(super) struct Permits<'a> {
    own: Option<Permit<'a>>,
    of_all: Option<Permit<'a>>,
    /// Its place among the waiting requests of all anonymous callers.
    waiting: Option<Permit<'a>>,
}

/// Passes a permit on to the next request in the queue.
fn release(shares: &RefCell<Shares>, name: &str) {
    let next = {
        let mut shares = shares.borrow_mut();
        let Some(share) = shares.0.get_mut(name) else {
            return;
        };
        let next = share.queue.pop_front();
        if next.is_none() {
            share.in_flight = share.in_flight.saturating_sub(1);
            if share.in_flight == 0 {
                shares.0.remove(name);
            }
        }
        next
    };
    if let Some(waiter) = next {
        waiter.granted.set(true);
        if let Some(wake) = waiter.wake.take() {
            wake();
        }
    }
}

/// A place in the queue. It is dropped with a request whose client hangs up: then it leaves the queue, or passes on the
/// permit that it was granted.
struct Queued<'a> {
    shares: &'a RefCell<Shares>,
    name: &'a str,
    waiter: Rc<Waiter>,
    taken: bool,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        if self.waiter.granted.get() {
            release(self.shares, self.name);
        } else if let Some(share) = self.shares.borrow_mut().0.get_mut(self.name) {
            share
                .queue
                .retain(|waiter| !Rc::ptr_eq(waiter, &self.waiter));
        }
    }
}

/// Acquires a permit of each share that a request uses, waiting for a short time if none is free.
///
/// # Errors
/// [`Error::TooManyConcurrent`] if none became free, or if too many of the caller's requests are waiting.
pub(super) async fn acquire<'a, P: Platform>(
    sharer: &Sharer,
    is_upload: bool,
    edge: &'a Edge<P>,
) -> Result<Permits<'a>, Error> {
    let limits = &edge.config.limits;
    match sharer {
        Sharer::User(name) => Ok(Permits {
            own: acquire_one(name, limits.caller_connections, edge).await?,
            ..Permits::default()
        }),
        Sharer::Anonymous(name) => {
            // An upload does not wait for PostgREST yet.
            let waiting = if is_upload || limits.anonymous_connections == 0 {
                None
            } else {
                Some(reserve_waiting(edge)?)
            };
            let own = acquire_one(name, limits.address_connections, edge).await?;
            // An upload takes as long as its client likes, so a slow one must not hold the others' share.
            let of_all = if is_upload {
                None
            } else {
                acquire_one(ANONYMOUS, limits.anonymous_connections, edge).await?
            };
            Ok(Permits {
                own,
                of_all,
                waiting,
            })
        }
    }
}

/// Holds permits until PostgREST has answered and its connection is free. A client that sends its body slowly uses no
/// connection yet, and gives them up.
pub(super) async fn hold_until_answered<P: Platform, F: Future + Unpin>(
    permits: Permits<'_>,
    answer: F,
    is_sent: &Cell<bool>,
    edge: &Edge<P>,
) -> F::Output {
    if is_sent.get() || permits.is_empty() {
        return answer.await;
    }
    match select(answer, pin!(edge.platform.sleep(MAX_UPLOAD_MS))).await {
        Either::Left((answered, _)) => answered,
        Either::Right(((), answer)) => {
            if is_sent.get() {
                return answer.await;
            }
            drop(permits);
            answer.await
        }
    }
}

/// Reserves one of the places of waiting anonymous requests.
fn reserve_waiting<P: Platform>(edge: &Edge<P>) -> Result<Permit<'_>, Error> {
    let limit = (edge.config.limits.waiting / ANONYMOUS_PART).max(1);
    let mut shares = edge.shares.borrow_mut();
    let share = shares.0.entry(ANONYMOUS_WAITING.to_owned()).or_default();
    if share.in_flight >= limit {
        return Err(Error::TooManyConcurrent);
    }
    share.in_flight += 1;
    Ok(Permit {
        shares: &edge.shares,
        name: ANONYMOUS_WAITING.to_owned(),
    })
}

async fn acquire_one<'a, P: Platform>(
    name: &str,
    connections: usize,
    edge: &'a Edge<P>,
) -> Result<Option<Permit<'a>>, Error> {
    if connections == 0 {
        return Ok(None);
    }
    let permit = || Permit {
        shares: &edge.shares,
        name: name.to_owned(),
    };
    let (woken, waiter) = {
        let mut shares = edge.shares.borrow_mut();
        let share = shares.0.entry(name.to_owned()).or_default();
        if share.in_flight < connections {
            share.in_flight += 1;
            return Ok(Some(permit()));
        }
        // Requests that wait for the share of all anonymous callers hold a place already.
        let queued = (edge.config.limits.waiting / CALLER_PART).max(1);
        if name != ANONYMOUS && share.queue.len() >= queued {
            return Err(Error::TooManyConcurrent);
        }
        let (wake, woken) = edge.platform.signal();
        let waiter = Rc::new(Waiter {
            granted: Cell::new(false),
            wake: Cell::new(Some(wake)),
        });
        share.queue.push_back(waiter.clone());
        (woken, waiter)
    };
    let mut queued = Queued {
        shares: &edge.shares,
        name,
        waiter,
        taken: false,
    };
    select(pin!(woken), pin!(edge.platform.sleep(MAX_WAIT_MS))).await;
    queued.taken = queued.waiter.granted.get();
    if queued.taken {
        Ok(Some(permit()))
    } else {
        Err(Error::TooManyConcurrent)
    }
}
