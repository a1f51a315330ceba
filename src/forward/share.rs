//! A fair share of PostgREST's connections: limits the requests that one caller, and all anonymous callers together,
//! have at PostgREST at once. A request whose client hangs up keeps its place until PostgREST has answered: PostgREST does not
//! cancel a statement whose client is gone. Further requests of an isolate wait here, roughly in order and for a short time, where they
//! hold no connection.
//!
//! Each waiting request checks by a timer of its own whether it may go on. A promise that another request settles would
//! be quicker. But under load the runtime sometimes ran the waiting request's code in the context of the other request,
//! and cancelled its fetches when the other request ended. Every place is a lease: the place of a request that the
//! runtime drops without notice expires.
//!
//! The database applies the same limits (`private.connection_shares`) across isolates and to callers that bypass the
//! edge.

use std::cell::Cell;
use std::pin::pin;

use futures_util::future::{Either, select};

use crate::error::Error;
use crate::isolate::Edge;
use crate::isolate::shares::{self, Admission, LEASE_MARGIN_MS, Permit, Times};
use crate::runtime::Platform;
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
/// The key of a caller's bodies that are read as they arrive, before the caller's name.
const BODIES: &str = "bodies of";
/// The same of a caller's answers in pages.
const DOWNLOADS: &str = "downloads of ";
/// Milliseconds for which either holds its place if the runtime drops it without notice.
const MAX_BODY_MS: u64 = 60 * 60 * 1000;

/// What one request has taken.
#[derive(Default)]
pub(super) struct Permits {
    own: Option<Permit>,
    of_all: Option<Permit>,
    /// One of the isolate's places for waiting requests.
    waiting: Option<Permit>,
}

impl Permits {
    fn is_empty(&self) -> bool {
        self.own.is_none() && self.of_all.is_none() && self.waiting.is_none()
    }
}

/// Acquires a permit of each share that a request uses, waiting for a short time if none is free.
///
/// # Errors
/// [`Error::TooManyConcurrent`] if none became free, or if too many of the caller's requests are waiting.
pub(super) async fn acquire<P: Platform>(
    sharer: &Sharer,
    is_upload: bool,
    edge: &Edge<P>,
) -> Result<Permits, Error> {
    let limits = &edge.config.limits;
    let longest_ms = max_use_ms(edge);
    let (name, connections) = share(sharer, edge);
    if let Sharer::Named(_) = sharer {
        return Ok(Permits {
            own: acquire_one(name, connections, longest_ms, edge).await?,
            ..Permits::default()
        });
    }
    // An upload does not wait for PostgREST yet.
    let waiting = if is_upload || limits.anonymous_connections == 0 {
        None
    } else {
        Some(reserve_waiting(edge)?)
    };
    let own = acquire_one(name, connections, longest_ms, edge).await?;
    // An upload takes as long as its client likes, so a slow one must not hold the others' share.
    let of_all = if is_upload {
        None
    } else {
        acquire_one(ANONYMOUS, limits.anonymous_connections, longest_ms, edge).await?
    };
    Ok(Permits {
        own,
        of_all,
        waiting,
    })
}

/// Acquires one of the places for bodies that a caller may send at once to be read as they arrive: as many as connections. Each
/// of their calls needs a permit of [`acquire`] besides.
///
/// # Errors
/// [`Error::TooManyConcurrent`] if none is free.
pub(super) fn acquire_body<P: Platform>(
    sharer: &Sharer,
    edge: &Edge<P>,
) -> Result<Option<Permit>, Error> {
    let (name, most) = share(sharer, edge);
    if most == 0 {
        return Ok(None);
    }
    let now_ms = edge.platform.now_ms();
    let permit = shares::join(edge, &format!("{BODIES} {name}"), most, now_ms);
    let permit = permit.ok_or(Error::TooManyConcurrent)?;
    let times = Times {
        now_ms,
        max_use_ms: MAX_BODY_MS,
    };
    match permit.check(most, times) {
        Admission::Now => Ok(Some(permit)),
        Admission::Later(_) => Err(Error::TooManyConcurrent),
    }
}

/// Acquires one of the places for answers that a caller may take in pages at once, waiting for a short time if none is free: as many as
/// connections. A page stays in memory until its client has taken it. Each of the calls needs a permit of [`acquire`] besides.
///
/// # Errors
/// [`Error::TooManyConcurrent`] if none became free.
pub(super) async fn acquire_download<P: Platform>(
    sharer: &Sharer,
    edge: &Edge<P>,
) -> Result<Option<Permit>, Error> {
    let (name, most) = share(sharer, edge);
    let name = [DOWNLOADS, name].concat();
    acquire_one(&name, most, MAX_BODY_MS, edge).await
}

/// The name of a share, and its connections.
fn share<'a, P: Platform>(sharer: &'a Sharer, edge: &Edge<P>) -> (&'a str, usize) {
    let limits = &edge.config.limits;
    let most = match sharer {
        Sharer::Named(_) => limits.caller_connections,
        Sharer::Anonymous(_) => limits.address_connections,
    };
    (sharer.name(), most)
}

/// Holds permits until PostgREST has answered and its connection is free. A client that sends its body slowly uses no
/// connection yet, and gives them up.
pub(super) async fn hold_until_answered<P: Platform, F: Future + Unpin>(
    permits: Permits,
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
fn reserve_waiting<P: Platform>(edge: &Edge<P>) -> Result<Permit, Error> {
    let limit = (edge.config.limits.waiting / ANONYMOUS_PART).max(1);
    let permit = join(ANONYMOUS_WAITING, usize::MAX, edge)?;
    match check(&permit, limit, max_use_ms(edge), edge) {
        Admission::Now => Ok(permit),
        Admission::Later(_) => Err(Error::TooManyConcurrent),
    }
}

async fn acquire_one<P: Platform>(
    name: &str,
    connections: usize,
    max_use_ms: u64,
    edge: &Edge<P>,
) -> Result<Option<Permit>, Error> {
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
        let pause_ms = match check(&permit, connections, max_use_ms, edge) {
            Admission::Now => return Ok(Some(permit)),
            Admission::Later(pause_ms) => pause_ms,
        };
        if edge.platform.now_ms() >= give_up_ms {
            return Err(Error::TooManyConcurrent);
        }
        edge.platform.sleep(pause_ms).await;
    }
}

/// Adds a request to a share's queue.
fn join<P: Platform>(name: &str, max_queue: usize, edge: &Edge<P>) -> Result<Permit, Error> {
    shares::join(edge, name, max_queue, edge.platform.now_ms()).ok_or(Error::TooManyConcurrent)
}

/// Whether a queued request may go on.
fn check<P: Platform>(
    permit: &Permit,
    connections: usize,
    max_use_ms: u64,
    edge: &Edge<P>,
) -> Admission {
    let now_ms = edge.platform.now_ms();
    permit.check(connections, Times { now_ms, max_use_ms })
}

/// The longest that a request can be at PostgREST, and a margin.
fn max_use_ms<P: Platform>(edge: &Edge<P>) -> u64 {
    let limits = &edge.config.limits;
    // A read that a replica refuses is sent to the primary, twice, and to the replica again: each with a deadline of its own, and one for
    // the refusal.
    let longest_ms = u64::from(limits.upload_ms) + 5 * u64::from(limits.deadline_ms);
    longest_ms + u64::from(MAX_WAIT_MS) + LEASE_MARGIN_MS
}
