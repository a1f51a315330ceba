//! The state of an isolate, and the edge as one request sees it.
//!
//! Each cache is a file here and defines what it keeps; the stages decide when to use it.

pub mod api_tokens;
pub mod attempts;
pub mod calls;
pub mod changes;
pub mod keys;
pub mod readiness;
pub mod recent;
pub mod shares;
pub mod stale_results;
pub mod tokens;
pub mod turns;
pub mod writers;

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::Rc;

use base16ct::lower;

use crate::config::Config;
use crate::error::Error;
use crate::id::{NoRandomness, random_id};
use crate::registry::Registry;
use crate::runtime::Platform;
use api_tokens::ApiTokens;
use attempts::Attempts;
use calls::Templates;
use changes::Changes;
use keys::KeyCache;
use readiness::Readiness;
use recent::Recent;
use shares::{LEASE_MARGIN_MS, Shares};
use stale_results::StaleResults;
use tokens::{Claims, HeaderCache, TokenCache, TokenHasher};
use turns::Turns;
use writers::Writers;

/// The state of an isolate across requests. No cell is ever borrowed across an await.
pub struct Isolate {
    /// The configuration, read once.
    pub config: Config,
    /// What the systems serve.
    pub registry: Registry,
    /// The issuers' public keys.
    pub keys: RefCell<KeyCache>,
    /// Recently verified tokens.
    pub verified: RefCell<TokenCache<Rc<Claims>>>,
    /// Tokens whose signature recently fitted none of the keys.
    pub forged: RefCell<TokenCache<()>>,
    /// Makes the keys by which both caches find tokens.
    pub token_hasher: TokenHasher,
    /// Recently exchanged API tokens.
    pub api_tokens: RefCell<ApiTokens>,
    /// Recent attempts to sign in.
    pub attempts: RefCell<Attempts>,
    /// Headers of recent tokens.
    pub token_headers: RefCell<HeaderCache>,
    /// Users who wrote recently.
    pub writers: RefCell<Writers>,
    /// Results of functions from which endpoints answer while the database cannot be reached.
    pub stale_results: RefCell<StaleResults>,
    /// What is the same in all calls of a function.
    pub calls: RefCell<Templates>,
    /// The listeners to changes of rows.
    pub changes: RefCell<Changes>,
    /// Whether the services behind the edge answer.
    pub readiness: RefCell<Readiness>,
    /// The edge's own tokens of this minute, by their claims.
    pub minted: RefCell<Recent>,
    /// The hashes of addresses of this day.
    pub addresses: RefCell<Recent>,
    /// The isolate's half of its request ids, and the number of ids so far.
    ids: RefCell<(String, u64)>,
    /// When the leases of the requests that wait for PostgREST end, in milliseconds since 1970.
    in_flight: RefCell<Vec<u64>>,
    /// How many of them each caller has.
    pub shares: RefCell<Shares>,
    /// The work of each caller on the thread.
    pub turns: RefCell<Turns>,
    /// The bytes of bodies that are read as they arrive.
    held_bytes: Rc<Cell<usize>>,
    /// The bytes of bodies that were decompressed as a whole.
    unzipped_bytes: Rc<Cell<usize>>,
}

impl Isolate {
    /// The state of a new isolate, without keys.
    #[must_use]
    pub fn new(config: Config, registry: Registry) -> Self {
        Self {
            config,
            registry,
            keys: RefCell::default(),
            verified: RefCell::default(),
            forged: RefCell::default(),
            token_hasher: TokenHasher::default(),
            api_tokens: RefCell::default(),
            attempts: RefCell::default(),
            token_headers: RefCell::default(),
            writers: RefCell::default(),
            stale_results: RefCell::default(),
            calls: RefCell::default(),
            changes: RefCell::default(),
            readiness: RefCell::default(),
            minted: RefCell::default(),
            addresses: RefCell::default(),
            ids: RefCell::default(),
            in_flight: RefCell::default(),
            shares: RefCell::default(),
            turns: RefCell::default(),
            held_bytes: Rc::default(),
            unzipped_bytes: Rc::default(),
        }
    }

    /// Counts the bytes that a body has in memory while it is read as it arrives.
    pub fn held(&self) -> HeldBytes {
        HeldBytes {
            all: self.held_bytes.clone(),
            own: 0,
        }
    }

    /// Counts the bytes that a body has in memory after it was decompressed as a whole.
    pub fn unzipped(&self) -> HeldBytes {
        HeldBytes {
            all: self.unzipped_bytes.clone(),
            own: 0,
        }
    }

    /// An id for a request without one: 32 hexadecimal digits, of which the first 16 are the isolate's and random.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn next_id(&self) -> Result<String, NoRandomness> {
        let (isolate, count) = &mut *self.ids.borrow_mut();
        if isolate.is_empty() {
            *isolate = random_id()?.chars().take(16).collect();
        }
        *count += 1;
        let count = lower::encode_string(&count.to_be_bytes());
        Ok([isolate.as_str(), &count].concat())
    }
}

/// Counts a request as waiting for PostgREST until it is dropped, or its lease ends: the runtime may drop a request without notice.
pub struct CapacityPermit<'a> {
    in_flight: &'a RefCell<Vec<u64>>,
    until_ms: u64,
}

impl Drop for CapacityPermit<'_> {
    fn drop(&mut self) {
        let mut in_flight = self.in_flight.borrow_mut();
        // Leases that end together are alike.
        let own = in_flight.iter().position(|until| *until == self.until_ms);
        if let Some(own) = own {
            in_flight.swap_remove(own);
        }
    }
}

/// The most bytes of bodies that an isolate has in memory while they arrive, and of those that were decompressed. It has 128 MB for
/// everything, and a batch on its way to the database needs several times its bytes.
pub(crate) const MAX_HELD_BYTES: usize = 16 * 1024 * 1024;

/// The bytes that one body has in memory, until it is dropped.
pub struct HeldBytes {
    all: Rc<Cell<usize>>,
    own: usize,
}

impl HeldBytes {
    /// Counts so many bytes instead of those before.
    ///
    /// # Errors
    /// [`Error::UploadBufferFull`] if all bodies together would have too many.
    pub fn set(&mut self, bytes: usize) -> Result<(), Error> {
        let others = self.all.get().saturating_sub(self.own);
        if bytes > self.own && others + bytes > MAX_HELD_BYTES {
            return Err(Error::UploadBufferFull);
        }
        self.all.set(others + bytes);
        self.own = bytes;
        Ok(())
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.all.set(self.all.get().saturating_sub(self.own));
    }
}

/// The log's line about a failure of the edge itself. `runtime` is what the platform says about it.
#[must_use]
pub fn internal_error_line(id: Option<&str>, cause: &str, runtime: Option<&str>) -> String {
    serde_json::json!({"event": "internal_error", "id": id, "message": cause, "runtime": runtime})
        .to_string()
}

/// The running edge as one request sees it: its isolate, and the platform.
#[derive(Clone)]
pub struct Edge<P> {
    isolate: Rc<Isolate>,
    /// The outside world.
    pub platform: P,
}

impl<P> Deref for Edge<P> {
    type Target = Isolate;

    fn deref(&self) -> &Isolate {
        &self.isolate
    }
}

impl<P: Platform> Edge<P> {
    /// The edge for one request.
    pub fn new(isolate: Rc<Isolate>, platform: P) -> Self {
        Self { isolate, platform }
    }

    /// Checks whether one more request may wait for PostgREST.
    ///
    /// # Errors
    /// [`Error::Overloaded`] at the limit: the queue would outlast the deadline.
    pub fn check_capacity(&self) -> Result<(), Error> {
        let most = self.config.limits.waiting;
        let mut in_flight = self.in_flight.borrow_mut();
        if in_flight.len() >= most {
            let now_ms = self.platform.now_ms();
            in_flight.retain(|until| *until > now_ms);
        }
        if in_flight.len() < most {
            Ok(())
        } else {
            Err(Error::Overloaded)
        }
    }

    /// Counts a request as waiting for PostgREST until the permit is dropped.
    pub fn permit(&self) -> CapacityPermit<'_> {
        // A request may ask for PostgREST's version first, and send a failed read again.
        let longest_ms = 4 * u64::from(self.config.limits.deadline_ms) + LEASE_MARGIN_MS;
        let until_ms = self.platform.now_ms() + longest_ms;
        self.in_flight.borrow_mut().push(until_ms);
        CapacityPermit {
            in_flight: &self.in_flight,
            until_ms,
        }
    }

    /// The edge for work that goes on when the request's client hangs up.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self::new(self.isolate.clone(), self.platform.apart())
    }

    /// Logs what the edge itself failed at. The client gets RG902 and the request's id, by which an operator finds this line.
    pub fn log_internal_error(&self, id: Option<&str>, cause: &str) {
        self.platform.log(&internal_error_line(id, cause, None));
    }

    /// Seconds since 1970.
    pub fn now(&self) -> u64 {
        self.platform.now_ms() / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::LEASE_MARGIN_MS;
    use crate::error::Error;
    use crate::fuzzing::native::edge;

    #[test]
    fn a_request_that_the_runtime_drops_without_notice_waits_no_longer_than_its_lease() {
        let edge = edge();
        let most = edge.config.limits.waiting;
        let mut permits: Vec<_> = (0..most).map(|_| edge.permit()).collect();
        assert_eq!(edge.check_capacity(), Err(Error::Overloaded));
        permits.pop();
        assert_eq!(edge.check_capacity(), Ok(()));
        let permit = permits.pop();
        permits.into_iter().for_each(std::mem::forget);
        let pass = |milliseconds: u64| *edge.platform.now_ms.borrow_mut() += milliseconds;
        pass(LEASE_MARGIN_MS);
        let later = [edge.permit(), edge.permit()];
        assert_eq!(edge.check_capacity(), Err(Error::Overloaded));
        pass(4 * u64::from(edge.config.limits.deadline_ms));
        assert_eq!(edge.check_capacity(), Ok(()));
        drop(permit);
        assert_eq!(edge.in_flight.borrow().len(), 2);
        drop(later);
        assert!(edge.in_flight.borrow().is_empty());
    }

    #[test]
    fn an_id_is_the_isolates_own_digits_and_a_number() {
        let [edge, other] = [edge(), edge()];
        let first = edge.next_id().unwrap();
        let (isolate, number) = first.split_at(16);
        assert!(isolate.bytes().all(|b| b.is_ascii_hexdigit()), "{first}");
        assert_eq!(number, "0000000000000001");
        for _ in 0..14 {
            edge.next_id().unwrap();
        }
        assert_eq!(
            edge.next_id().unwrap(),
            format!("{isolate}0000000000000010")
        );
        assert!(!other.next_id().unwrap().starts_with(isolate));
    }
}
