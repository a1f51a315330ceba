//! A fair share of PostgREST's connections: limits the requests that one caller, and all anonymous callers together,
//! have at PostgREST at once. Further requests of an isolate wait here, in order and for a short time, where they hold
//! no connection.
//!
//! A waiting request looks by a timer of its own whether its turn has come. A promise that another request settles would
//! be quicker, but the runtime then sometimes runs one request's code in the other's place, where its fetches end with
//! the other. A request that the runtime ends without a word gives back what it held when its lease ends.
//!
//! The database applies the same limits (`private.connection_shares`) across isolates and to callers that bypass the
//! edge.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::pin::pin;

use futures_util::future::{Either, select};

use crate::edge::{Edge, Platform};
use crate::error::Error;
use crate::scope::Sharer;

/// Milliseconds that a request waits for other requests of its caller.
const MAX_WAIT_MS: u32 = 5000;
/// Milliseconds that a request may hold a permit while its body is still arriving.
const MAX_UPLOAD_MS: u32 = 500;
/// Milliseconds between two looks of those at the head of a queue, as many as may be at PostgREST; those behind them
/// look less often.
const LOOK_MS: u32 = 4;
/// The longest time between two looks.
const MAX_LOOK_MS: u32 = 50;
/// Milliseconds that a lease lasts beyond the longest time that a request can need it.
const LEASE_MARGIN_MS: u64 = 60_000;

/// The queue of one caller may fill an eighth of the isolate's limit of waiting requests (`LIMITS`, `waiting`), all
/// anonymous callers together half of it. The rest stays free for other callers.
const CALLER_PART: usize = 8;
const ANONYMOUS_PART: usize = 2;
/// Keys of what all anonymous callers share. No caller has such a name.
const ANONYMOUS: &str = "anonymous";
const ANONYMOUS_WAITING: &str = "places of anonymous";

/// The requests at PostgREST and those that wait, by caller.
#[derive(Default)]
pub struct Shares {
    by_caller: HashMap<String, Share>,
    last_id: u64,
}

#[derive(Default)]
struct Share {
    at_postgrest: Vec<Lease>,
    queue: VecDeque<Lease>,
}

/// A request's place, until it is given back or has ended by itself.
#[derive(Clone, Copy)]
struct Lease {
    id: u64,
    until_ms: u64,
}

/// What a request finds in a share.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// It may go on.
    Now,
    /// So many requests wait before it.
    Behind(usize),
}

impl Share {
    /// Adds a request to the queue; none if it is full.
    fn join(&mut self, lease: Lease, max_queue: usize) -> Option<()> {
        (self.queue.len() < max_queue).then(|| self.queue.push_back(lease))
    }

    /// Moves a request from the queue to PostgREST if its turn has come. Of those at the head of the queue, as many as may
    /// be at PostgREST, the first that looks goes on: a free connection waits for none of them in particular.
    fn look(&mut self, id: u64, connections: usize, lease: Lease) -> Turn {
        let Some(position) = self.queue.iter().position(|each| each.id == id) else {
            return Turn::Behind(self.queue.len());
        };
        if self.at_postgrest.len() >= connections || position >= connections {
            return Turn::Behind(position);
        }
        self.queue.remove(position);
        self.at_postgrest.push(lease);
        Turn::Now
    }

    /// Forgets the request, and those whose leases have ended.
    fn forget(&mut self, id: u64, now_ms: u64) {
        let stays = |lease: &Lease| lease.id != id && lease.until_ms > now_ms;
        self.at_postgrest.retain(stays);
        self.queue.retain(stays);
    }
}

impl Shares {
    fn lease(&mut self, until_ms: u64) -> Lease {
        self.last_id += 1;
        Lease {
            id: self.last_id,
            until_ms,
        }
    }
}

/// A request's place in a share: in its queue, then the right to use one connection. Dropping it gives the place back.
pub(super) struct Permit<'a> {
    shares: &'a RefCell<Shares>,
    name: String,
    id: u64,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut shares = self.shares.borrow_mut();
        if let Some(share) = shares.by_caller.get_mut(&self.name) {
            share.forget(self.id, 0);
            if share.at_postgrest.is_empty() && share.queue.is_empty() {
                shares.by_caller.remove(&self.name);
            }
        }
    }
}

/// What one request has taken.
#[derive(Default)]
pub(super) struct Permits<'a> {
    own: Option<Permit<'a>>,
    of_all: Option<Permit<'a>>,
    /// One of the isolate's places for waiting requests.
    waiting: Option<Permit<'a>>,
}

impl Permits<'_> {
    fn is_empty(&self) -> bool {
        self.own.is_none() && self.of_all.is_none() && self.waiting.is_none()
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
    let permit = join(ANONYMOUS_WAITING, usize::MAX, edge)?;
    match look(&permit, limit, edge) {
        Turn::Now => Ok(permit),
        Turn::Behind(_) => Err(Error::TooManyConcurrent),
    }
}

async fn acquire_one<'a, P: Platform>(
    name: &str,
    connections: usize,
    edge: &'a Edge<P>,
) -> Result<Option<Permit<'a>>, Error> {
    if connections == 0 {
        return Ok(None);
    }
    // Requests that wait for the share of all anonymous callers hold a place already.
    let max_queue = if name == ANONYMOUS {
        usize::MAX
    } else {
        (edge.config.limits.waiting / CALLER_PART).max(1)
    };
    let give_up_ms = edge.platform.now_ms() + u64::from(MAX_WAIT_MS);
    let permit = join(name, max_queue, edge)?;
    loop {
        let rounds = match look(&permit, connections, edge) {
            Turn::Now => return Ok(Some(permit)),
            Turn::Behind(position) => u32::try_from(position / connections).unwrap_or(MAX_LOOK_MS),
        };
        if edge.platform.now_ms() >= give_up_ms {
            return Err(Error::TooManyConcurrent);
        }
        let pause_ms = rounds
            .saturating_add(1)
            .saturating_mul(LOOK_MS)
            .min(MAX_LOOK_MS);
        edge.platform.sleep(pause_ms).await;
    }
}

/// Adds a request to a share's queue.
fn join<'a, P: Platform>(
    name: &str,
    max_queue: usize,
    edge: &'a Edge<P>,
) -> Result<Permit<'a>, Error> {
    let now_ms = edge.platform.now_ms();
    let mut shares = edge.shares.borrow_mut();
    let lease = shares.lease(now_ms + u64::from(MAX_WAIT_MS) + LEASE_MARGIN_MS);
    let share = shares.by_caller.entry(name.to_owned()).or_default();
    share.forget(lease.id, now_ms);
    share
        .join(lease, max_queue)
        .ok_or(Error::TooManyConcurrent)?;
    Ok(Permit {
        shares: &edge.shares,
        name: name.to_owned(),
        id: lease.id,
    })
}

/// Whether a queued request may go on.
fn look<P: Platform>(permit: &Permit<'_>, connections: usize, edge: &Edge<P>) -> Turn {
    let limits = &edge.config.limits;
    let longest_ms = limits.upload_ms + limits.deadline_ms + MAX_WAIT_MS;
    let lease = Lease {
        id: permit.id,
        until_ms: edge.platform.now_ms() + u64::from(longest_ms) + LEASE_MARGIN_MS,
    };
    let mut shares = edge.shares.borrow_mut();
    shares
        .by_caller
        .get_mut(&permit.name)
        .map_or(Turn::Behind(0), |share| {
            share.look(permit.id, connections, lease)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(id: u64) -> Lease {
        Lease { id, until_ms: 100 }
    }

    #[test]
    fn the_head_of_the_queue_goes_on_as_places_become_free() {
        let mut share = Share::default();
        for id in 1..=5 {
            assert_eq!(share.join(lease(id), 5), Some(()));
        }
        assert_eq!(share.join(lease(6), 5), None, "the queue is full");
        assert_eq!(share.look(3, 2, lease(3)), Turn::Behind(2));
        assert_eq!(share.look(2, 2, lease(2)), Turn::Now);
        assert_eq!(share.look(1, 2, lease(1)), Turn::Now);
        assert_eq!(share.look(3, 2, lease(3)), Turn::Behind(0), "none is free");
        share.forget(1, 0);
        assert_eq!(share.look(5, 2, lease(5)), Turn::Behind(2));
        assert_eq!(share.look(4, 2, lease(4)), Turn::Now);
        assert_eq!(share.look(3, 2, lease(3)), Turn::Behind(0));
    }

    #[test]
    fn a_request_that_never_gives_its_place_back_loses_it() {
        let mut share = Share::default();
        for id in 1..=3 {
            share.join(lease(id), 9);
        }
        assert_eq!(share.look(1, 1, lease(1)), Turn::Now);
        share.forget(0, 99);
        assert_eq!(share.look(2, 1, lease(2)), Turn::Behind(0));
        share.forget(0, 100);
        assert!(share.at_postgrest.is_empty() && share.queue.is_empty());
    }
}
