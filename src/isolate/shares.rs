//! The requests that each caller has at PostgREST, and those that wait for it.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use super::{Edge, Isolate};

/// Milliseconds after its last check that a waiting request keeps its place in the queue.
const QUEUE_LEASE_MS: u64 = 5000;
/// Milliseconds that the lease of a request at PostgREST lasts beyond the longest time that it can need.
pub(crate) const LEASE_MARGIN_MS: u64 = 60_000;

/// The turn of a share in which nobody has waited yet, and the longest that counts, in milliseconds.
const FIRST_TURN_MS: f64 = 4.0;
const MAX_TURN_MS: f64 = 1000.0;
/// Milliseconds between two checks of a waiting request: at least, at most at the head of the queue, and at most behind it.
const MIN_PAUSE_MS: u32 = 4;
const MAX_HEAD_PAUSE_MS: u32 = 20;
const MAX_PAUSE_MS: u32 = 100;

/// The requests at PostgREST and those that wait, by caller.
#[derive(Default)]
pub struct Shares {
    by_caller: HashMap<String, Share>,
    last_id: u64,
    swept_ms: u64,
}

struct Share {
    at_postgrest: Vec<Lease>,
    queue: VecDeque<Lease>,
    /// Milliseconds from one request that goes on to the next, averaged over those that had to wait.
    turn_ms: f64,
    /// When the last request went on, if others waited then.
    last_turn_ms: Option<u64>,
}

impl Default for Share {
    fn default() -> Self {
        Self {
            at_postgrest: Vec::new(),
            queue: VecDeque::new(),
            turn_ms: FIRST_TURN_MS,
            last_turn_ms: None,
        }
    }
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
    /// It checks again after so many milliseconds.
    Later(u32),
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
            return Admission::Later(MIN_PAUSE_MS);
        };
        if self.at_postgrest.len() >= connections || position >= connections {
            if let Some(place) = self.queue.get_mut(position) {
                place.until_ms = times.now_ms + QUEUE_LEASE_MS;
            }
            return Admission::Later(self.pause_ms(position, connections));
        }
        self.queue.remove(position);
        if let Some(last_ms) = self.last_turn_ms {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of a queue")]
            let turn_ms = times.now_ms.saturating_sub(last_ms) as f64;
            self.turn_ms += (turn_ms.min(MAX_TURN_MS) - self.turn_ms) / 8.0;
        }
        self.last_turn_ms = (!self.queue.is_empty()).then_some(times.now_ms);
        let until_ms = times.now_ms + times.max_use_ms;
        self.at_postgrest.push(Lease { id, until_ms });
        Admission::Now
    }

    /// Milliseconds after which a waiting request checks again: at the head of the queue, so that one of them checks about
    /// twice in each turn; behind it, before the head is likely to be reached.
    fn pause_ms(&self, position: usize, connections: usize) -> u32 {
        let turns = match (position + 1).saturating_sub(connections) {
            0 => connections,
            behind => behind * 3 / 2,
        };
        #[expect(clippy::cast_precision_loss, reason = "places in a queue")]
        let pause_ms = self.turn_ms * turns as f64 / 2.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float is clamped by the cast"
        )]
        let pause_ms = pause_ms as u32;
        let most = if position < connections {
            MAX_HEAD_PAUSE_MS
        } else {
            MAX_PAUSE_MS
        };
        pause_ms.clamp(MIN_PAUSE_MS, most)
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
pub(crate) struct Permit {
    isolate: Rc<Isolate>,
    name: String,
    id: u64,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut shares = self.isolate.shares.borrow_mut();
        if let Some(share) = shares.by_caller.get_mut(&self.name) {
            share.remove(self.id);
            if share.is_empty() {
                shares.by_caller.remove(&self.name);
            }
        }
    }
}

impl Permit {
    /// Moves the request to PostgREST if it may go on; otherwise renews its place in the queue.
    pub(crate) fn check(&self, connections: usize, times: Times) -> Admission {
        let mut shares = self.isolate.shares.borrow_mut();
        shares
            .by_caller
            .get_mut(&self.name)
            .map_or(Admission::Later(MIN_PAUSE_MS), |share| {
                share.check(self.id, connections, times)
            })
    }
}

/// Adds a request to a share's queue; none if the queue is full.
pub(crate) fn join<P>(edge: &Edge<P>, name: &str, max_queue: usize, now_ms: u64) -> Option<Permit> {
    let mut all = edge.shares.borrow_mut();
    let lease = all.lease(now_ms);
    let share = all.by_caller.entry(name.to_owned()).or_default();
    share.expire(now_ms);
    share.join(lease, max_queue)?;
    Some(Permit {
        isolate: Rc::clone(&edge.isolate),
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

    fn waits(admission: &Admission) -> bool {
        matches!(admission, Admission::Later(_))
    }

    #[test]
    fn the_head_of_the_queue_goes_on_as_places_become_free() {
        let mut share = joined(1..=5);
        let until_ms = QUEUE_LEASE_MS;
        assert_eq!(share.join(Lease { id: 6, until_ms }, 5), None, "full");
        assert!(waits(&share.check(3, 2, at(0))));
        assert_eq!(share.check(2, 2, at(0)), Admission::Now);
        assert_eq!(share.check(1, 2, at(0)), Admission::Now);
        assert!(waits(&share.check(3, 2, at(0))), "none free");
        share.remove(1);
        assert!(waits(&share.check(5, 2, at(0))));
        assert_eq!(share.check(4, 2, at(0)), Admission::Now);
        assert!(waits(&share.check(3, 2, at(0))));
    }

    #[test]
    fn a_request_checks_the_more_often_the_sooner_its_turn_is_likely() {
        let mut share = joined(1..=1);
        share.queue.extend((2..=60).map(|id| Lease {
            id,
            until_ms: QUEUE_LEASE_MS,
        }));
        // Three at once, and a turn of 10 ms.
        let mut now_ms = 0;
        for id in 1..=40_u64 {
            share.remove(id.saturating_sub(3));
            assert_eq!(share.check(id, 3, at(now_ms)), Admission::Now);
            now_ms += 10;
        }
        assert!((9.0..=10.0).contains(&share.turn_ms), "{}", share.turn_ms);
        let mut pause_ms = |id: u64| match share.check(id, 3, at(now_ms)) {
            Admission::Later(pause_ms) => pause_ms,
            Admission::Now => 0,
        };
        assert!((12..=15).contains(&pause_ms(41)), "the head of the queue");
        assert!((12..=15).contains(&pause_ms(45)), "two turns behind it");
        assert_eq!(pause_ms(60), MAX_PAUSE_MS);
    }

    #[test]
    fn a_request_that_stops_checking_loses_its_place_in_the_queue() {
        let mut share = joined(1..=3);
        assert!(waits(&share.check(3, 1, at(1))));
        assert_eq!(share.check(3, 1, at(QUEUE_LEASE_MS)), Admission::Now);
        assert!(share.queue.is_empty());
    }

    #[test]
    fn a_request_that_never_gives_its_connection_back_loses_it() {
        let mut share = joined(1..=2);
        assert_eq!(share.check(1, 1, at(0)), Admission::Now);
        for now_ms in (0..60_000).step_by(1000) {
            assert!(waits(&share.check(2, 1, at(now_ms))));
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
