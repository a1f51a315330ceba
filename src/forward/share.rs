//! A fair share of PostgREST's connections: limits the requests that one caller, and all anonymous callers together,
//! have at PostgREST at once. Further requests of an isolate wait here, roughly in order and for a short time, where they
//! hold no connection.
//!
//! Each waiting request checks by a timer of its own whether it may go on. A promise that another request settles would
//! be quicker. But under load the runtime sometimes ran the waiting request's code in the context of the other request,
//! and cancelled its fetches when the other request ended. Every place is a lease: the place of a request that the
//! runtime drops without notice expires.
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
/// Milliseconds between two checks of those at the head of a queue, as many as may be at PostgREST; those behind them
/// check less often.
const CHECK_MS: u32 = 4;
/// The longest time between two checks.
const MAX_CHECK_MS: u32 = 50;
/// Milliseconds after its last check that a waiting request keeps its place in the queue.
const QUEUE_LEASE_MS: u64 = 5000;
/// Milliseconds that the lease of a request at PostgREST lasts beyond the longest time that it can need.
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
    swept_ms: u64,
}

#[derive(Default)]
struct Share {
    at_postgrest: Vec<Lease>,
    queue: VecDeque<Lease>,
}

/// A request's place, until it is given back or expires.
#[derive(Clone, Copy)]
struct Lease {
    id: u64,
    until_ms: u64,
}

/// What a request finds in a share.
#[derive(Debug, PartialEq, Eq)]
enum Admission {
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

    /// Moves a request from the queue to PostgREST if it may go on; otherwise renews its place in the queue. Of those at the
    /// head of the queue, as many as may be at PostgREST, the first that checks goes on.
    fn check(&mut self, id: u64, connections: usize, times: Times) -> Admission {
        self.expire(times.now_ms);
        let Some(position) = self.queue.iter().position(|each| each.id == id) else {
            return Admission::Behind(self.queue.len());
        };
        if self.at_postgrest.len() >= connections || position >= connections {
            if let Some(place) = self.queue.get_mut(position) {
                place.until_ms = times.now_ms + QUEUE_LEASE_MS;
            }
            return Admission::Behind(position);
        }
        self.queue.remove(position);
        let until_ms = times.now_ms + times.max_use_ms;
        self.at_postgrest.push(Lease { id, until_ms });
        Admission::Now
    }

    fn remove(&mut self, id: u64) {
        self.at_postgrest.retain(|lease| lease.id != id);
        self.queue.retain(|lease| lease.id != id);
    }

    fn expire(&mut self, now_ms: u64) {
        self.at_postgrest.retain(|lease| lease.until_ms > now_ms);
        self.queue.retain(|lease| lease.until_ms > now_ms);
    }

    fn is_empty(&self) -> bool {
        self.at_postgrest.is_empty() && self.queue.is_empty()
    }
}

impl Shares {
    /// A new lease. Once a minute it forgets the callers whose leases have all expired.
    fn lease(&mut self, now_ms: u64) -> Lease {
        if self.swept_ms + LEASE_MARGIN_MS < now_ms {
            self.swept_ms = now_ms;
            self.by_caller.retain(|_, share| {
                share.expire(now_ms);
                !share.is_empty()
            });
        }
        self.last_id += 1;
        Lease {
            id: self.last_id,
            until_ms: now_ms + QUEUE_LEASE_MS,
        }
    }
}

/// What a check needs to know of time, in milliseconds.
#[derive(Clone, Copy)]
struct Times {
    now_ms: u64,
    /// How long a request may be at PostgREST.
    max_use_ms: u64,
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
            share.remove(self.id);
            if share.is_empty() {
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
    match check(&permit, limit, edge) {
        Admission::Now => Ok(permit),
        Admission::Behind(_) => Err(Error::TooManyConcurrent),
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
        let rounds = match check(&permit, connections, edge) {
            Admission::Now => return Ok(Some(permit)),
            Admission::Behind(position) => {
                u32::try_from(position / connections).unwrap_or(MAX_CHECK_MS)
            }
        };
        if edge.platform.now_ms() >= give_up_ms {
            return Err(Error::TooManyConcurrent);
        }
        let pause_ms = rounds
            .saturating_add(1)
            .saturating_mul(CHECK_MS)
            .min(MAX_CHECK_MS);
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
    let lease = shares.lease(now_ms);
    let share = shares.by_caller.entry(name.to_owned()).or_default();
    share.expire(now_ms);
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
fn check<P: Platform>(permit: &Permit<'_>, connections: usize, edge: &Edge<P>) -> Admission {
    let limits = &edge.config.limits;
    // A read of a replica that fails is sent to the primary, with a deadline of its own.
    let longest_ms = u64::from(limits.upload_ms) + 2 * u64::from(limits.deadline_ms);
    let times = Times {
        now_ms: edge.platform.now_ms(),
        max_use_ms: longest_ms + u64::from(MAX_WAIT_MS) + LEASE_MARGIN_MS,
    };
    let mut shares = edge.shares.borrow_mut();
    shares
        .by_caller
        .get_mut(&permit.name)
        .map_or(Admission::Behind(0), |share| {
            share.check(permit.id, connections, times)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(ids: std::ops::RangeInclusive<u64>) -> Share {
        let mut share = Share::default();
        for id in ids {
            let until_ms = QUEUE_LEASE_MS;
            assert_eq!(share.join(Lease { id, until_ms }, 5), Some(()));
        }
        share
    }

    const fn at(now_ms: u64) -> Times {
        let max_use_ms = 60_000;
        Times { now_ms, max_use_ms }
    }

    #[test]
    fn the_head_of_the_queue_goes_on_as_places_become_free() {
        let mut share = joined(1..=5);
        let until_ms = QUEUE_LEASE_MS;
        assert_eq!(share.join(Lease { id: 6, until_ms }, 5), None, "full");
        assert_eq!(share.check(3, 2, at(0)), Admission::Behind(2));
        assert_eq!(share.check(2, 2, at(0)), Admission::Now);
        assert_eq!(share.check(1, 2, at(0)), Admission::Now);
        assert_eq!(share.check(3, 2, at(0)), Admission::Behind(0), "none free");
        share.remove(1);
        assert_eq!(share.check(5, 2, at(0)), Admission::Behind(2));
        assert_eq!(share.check(4, 2, at(0)), Admission::Now);
        assert_eq!(share.check(3, 2, at(0)), Admission::Behind(0));
    }

    #[test]
    fn a_request_that_stops_checking_loses_its_place_in_the_queue() {
        let mut share = joined(1..=3);
        assert_eq!(share.check(3, 1, at(1)), Admission::Behind(2));
        assert_eq!(share.check(3, 1, at(QUEUE_LEASE_MS)), Admission::Now);
        assert!(share.queue.is_empty());
    }

    #[test]
    fn a_request_that_never_gives_its_connection_back_loses_it() {
        let mut share = joined(1..=2);
        assert_eq!(share.check(1, 1, at(0)), Admission::Now);
        for now_ms in (0..60_000).step_by(1000) {
            assert_eq!(share.check(2, 1, at(now_ms)), Admission::Behind(0));
        }
        assert_eq!(share.check(2, 1, at(60_000)), Admission::Now);
    }

    #[test]
    fn callers_whose_leases_have_expired_are_forgotten() {
        let mut shares = Shares::default();
        shares.by_caller.insert("gone".to_owned(), joined(1..=1));
        let now_ms = LEASE_MARGIN_MS + 1;
        shares.lease(now_ms);
        assert!(shares.by_caller.is_empty());
    }
}
