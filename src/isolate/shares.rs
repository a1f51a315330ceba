//! The requests that each caller has at PostgREST, and those that wait for it.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

/// Milliseconds after its last check that a waiting request keeps its place in the queue.
const QUEUE_LEASE_MS: u64 = 5000;
/// Milliseconds that the lease of a request at PostgREST lasts beyond the longest time that it can need.
pub(crate) const LEASE_MARGIN_MS: u64 = 60_000;

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
pub(crate) enum Admission {
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
pub(crate) struct Times {
    pub now_ms: u64,
    /// How long a request may be at PostgREST.
    pub max_use_ms: u64,
}

/// A request's place in a share: in its queue, then the right to use one connection. Dropping it gives the place back.
pub(crate) struct Permit<'a> {
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

impl Permit<'_> {
    /// Moves the request to PostgREST if it may go on; otherwise renews its place in the queue.
    pub(crate) fn check(&self, connections: usize, times: Times) -> Admission {
        let mut shares = self.shares.borrow_mut();
        shares
            .by_caller
            .get_mut(&self.name)
            .map_or(Admission::Behind(0), |share| {
                share.check(self.id, connections, times)
            })
    }
}

/// Adds a request to a share's queue; none if the queue is full.
pub(crate) fn join<'a>(
    shares: &'a RefCell<Shares>,
    name: &str,
    max_queue: usize,
    now_ms: u64,
) -> Option<Permit<'a>> {
    let mut all = shares.borrow_mut();
    let lease = all.lease(now_ms);
    let share = all.by_caller.entry(name.to_owned()).or_default();
    share.expire(now_ms);
    share.join(lease, max_queue)?;
    Some(Permit {
        shares,
        name: name.to_owned(),
        id: lease.id,
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
