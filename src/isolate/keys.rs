//! The issuers' public keys as an isolate knows them.

use std::collections::HashMap;
use std::rc::Rc;

use crate::public_key::PublicKey;

/// Milliseconds for which fetched keys are fresh.
const FRESH_MS: u64 = 10 * 60 * 1000;
/// Milliseconds for which they may be used while their issuer cannot be reached.
const STALE_MS: u64 = 60 * 60 * 1000;
/// Milliseconds between two fetches from one issuer, including failed ones.
const PAUSE_MS: u64 = 30 * 1000;
/// Milliseconds that a fetch may take.
pub(crate) const DEADLINE_MS: u32 = 5000;
/// What an isolate knows about one issuer's keys.
#[derive(Default)]
struct Known {
    keys: Vec<Rc<PublicKey>>,
    /// When they were fetched.
    fetched_ms: u64,
    /// When the last fetch began.
    attempted_ms: Option<u64>,
    /// A fetch is in progress.
    fetching: bool,
    /// The last set or failure that was logged.
    logged: Option<String>,
}

/// The keys of all issuers, by their address.
#[derive(Default)]
pub struct KeyCache(HashMap<String, Known>);

/// The cache's answer for a token.
pub(crate) enum Found {
    Keys {
        keys: Vec<Rc<PublicKey>>,
        /// The keys may be used, but are no longer fresh.
        refresh: bool,
    },
    /// Another request is fetching; wait for its result.
    InProgress,
    /// No key fits, and a fetch is allowed.
    Fetch,
    /// No key fits, and it is too early for another fetch.
    None {
        /// There are keys, but none that fits.
        known: bool,
        /// Seconds until a fetch is allowed.
        wait: u32,
    },
}

impl KeyCache {
    pub(crate) fn find(
        &self,
        url: &str,
        wanted: impl Fn(&PublicKey) -> bool,
        now_ms: u64,
    ) -> Found {
        let Some(known) = self.0.get(url) else {
            return Found::Fetch;
        };
        let age = now_ms.saturating_sub(known.fetched_ms);
        let keys: Vec<Rc<PublicKey>> = known
            .keys
            .iter()
            .filter(|key| age < STALE_MS && wanted(key))
            .cloned()
            .collect();
        let may_fetch = known
            .attempted_ms
            .is_none_or(|attempted| now_ms.saturating_sub(attempted) >= PAUSE_MS);
        // A fetch whose request the runtime dropped never reports back.
        let fetching = known.fetching
            && known.attempted_ms.is_some_and(|attempted| {
                now_ms.saturating_sub(attempted) <= u64::from(DEADLINE_MS)
            });
        match (keys.is_empty(), fetching, may_fetch) {
            (false, ..) => Found::Keys {
                keys,
                refresh: age >= FRESH_MS && may_fetch && !fetching,
            },
            (true, true, _) => Found::InProgress,
            (true, false, true) => Found::Fetch,
            (true, false, false) => Found::None {
                known: !known.keys.is_empty() && age < STALE_MS,
                wait: known.attempted_ms.map_or(0, |attempted| {
                    let left = (attempted + PAUSE_MS).saturating_sub(now_ms);
                    u32::try_from(left.div_ceil(1000)).unwrap_or(u32::MAX)
                }),
            },
        }
    }

    pub(crate) fn mark_fetching(&mut self, url: &str, now_ms: u64) {
        let known = self.0.entry(url.to_owned()).or_default();
        known.fetching = true;
        known.attempted_ms = Some(now_ms);
    }

    /// Whether the log does not have this fault yet. `fault` is none for a set without one.
    pub(crate) fn is_new_fault(&mut self, url: &str, fault: Option<String>) -> bool {
        let known = self.0.entry(url.to_owned()).or_default();
        let is_new = fault.is_some() && known.logged != fault;
        known.logged = fault;
        is_new
    }

    /// Stores the result of a fetch. A failed one never replaces usable keys. Tells whether other keys were replaced.
    pub(crate) fn store(&mut self, url: &str, keys: Option<Vec<PublicKey>>, now_ms: u64) -> bool {
        let known = self.0.entry(url.to_owned()).or_default();
        known.fetching = false;
        let Some(keys) = keys else {
            return false;
        };
        let keys: Vec<Rc<PublicKey>> = keys.into_iter().map(Rc::new).collect();
        known.fetched_ms = now_ms;
        let changed = !known.keys.is_empty() && known.keys != keys;
        known.keys = keys;
        changed
    }

    /// The time, in milliseconds since 1970, until which a verification by these keys holds: while they are fresh; while
    /// their issuer cannot be reached, until the next fetch is allowed.
    pub(crate) fn fresh_until_ms(&self, url: &str, now_ms: u64) -> u64 {
        self.0.get(url).map_or(0, |known| {
            (known.fetched_ms + FRESH_MS)
                .max(now_ms + PAUSE_MS)
                .min(known.fetched_ms + STALE_MS)
        })
    }
}
