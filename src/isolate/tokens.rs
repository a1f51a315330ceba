//! Results of recent verifications, so that a caller's next request costs a hash instead of a signature check. Valid
//! and forged tokens have separate caches: a flood of forged tokens evicts no valid one.
//!
//! Two generations bound each cache: a full young generation replaces the old one, and only tokens that are used again
//! survive. An entry lives until its token's `exp`, and no longer than the keys stay fresh, so that a withdrawn key is
//! noticed. New keys empty the cache.

use std::collections::HashMap;

/// Tokens in each of the two generations. Both generations of verified tokens take about 2 MB.
const MAX_TOKENS: usize = 4096;

/// What the edge needs of a verified token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The database role that it asserts; its issuer may assert it.
    pub role: String,
    /// The user, if the role is one of users.
    pub sub: Option<String>,
}

/// The hash of a token ([`crate::id::digest`]), which cannot be used as the token.
pub type Key = [u8; 32];

struct Entry<T> {
    outcome: T,
    /// The time in milliseconds since 1970 at which the token has to be verified again.
    until_ms: u64,
}

/// The cache of an isolate.
pub struct TokenCache<T> {
    young: HashMap<Key, Entry<T>>,
    old: HashMap<Key, Entry<T>>,
    /// How often the cache was cleared.
    cleared: u64,
}

impl<T> Default for TokenCache<T> {
    fn default() -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            cleared: 0,
        }
    }
}

/// A period between two clearings; see [`TokenCache::store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch(u64);

impl<T: Clone> TokenCache<T> {
    /// The result for a token, if it is still valid.
    pub fn find(&mut self, key: &Key, now_ms: u64) -> Option<T> {
        if !self.young.contains_key(key) {
            let entry = self.old.remove(key)?;
            self.insert(*key, entry);
        }
        let entry = self.young.get(key)?;
        (now_ms < entry.until_ms).then(|| entry.outcome.clone())
    }

    /// The current epoch, to be taken before a token is verified.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        Epoch(self.cleared)
    }

    /// Stores a result, unless the keys have changed since the given epoch: then an old key may have made it valid, or
    /// a new key would.
    pub fn store(&mut self, key: Key, outcome: T, until_ms: u64, since: Epoch) {
        if since == self.epoch() {
            self.insert(key, Entry { outcome, until_ms });
        }
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.cleared += 1;
    }

    fn insert(&mut self, key: Key, entry: Entry<T>) {
        if self.young.len() >= MAX_TOKENS {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::digest as key;

    fn claims() -> Claims {
        Claims {
            role: "authenticated".into(),
            sub: Some("u".into()),
        }
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_tokens_in_use() {
        let mut cache = TokenCache::default();
        let often = key("often");
        let now = cache.epoch();
        cache.store(often, claims(), 100, now);
        for n in 0..10 * MAX_TOKENS {
            cache.store(key(&n.to_string()), claims(), 100, now);
            if n % 1000 == 0 {
                assert_eq!(cache.find(&often, 1), Some(claims()), "{n}");
            }
        }
        assert!(cache.young.len() + cache.old.len() <= 2 * MAX_TOKENS);
        assert_eq!(
            cache.find(&key("0"), 1),
            None,
            "a token that is not used is evicted"
        );
        cache.clear();
        assert_eq!(cache.find(&often, 1), None);
        cache.store(often, claims(), 100, now);
        assert_eq!(
            cache.find(&often, 1),
            None,
            "it was verified in the epoch before"
        );
    }

    #[test]
    fn an_entry_expires() {
        let mut cache = TokenCache::default();
        cache.store(key("a"), claims(), 100, cache.epoch());
        assert_eq!(cache.find(&key("a"), 99), Some(claims()));
        assert_eq!(cache.find(&key("a"), 100), None);
    }
}
