//! Results of recent verifications, so that a caller's next request costs a hash instead of a signature check. Valid
//! and forged tokens have separate caches: a flood of forged tokens evicts no valid one.
//!
//! A token is found by a hash of its signature and then compared as a whole. The hash has a random key of the isolate, so
//! that nobody can choose signatures whose hashes collide. Of two tokens with the same signature only the later one is
//! stored: a flood of them occupies one place and makes no search longer.
//!
//! Two generations bound each cache, in tokens and in bytes: a full young generation replaces the old one, and only
//! tokens that are used again survive. An entry lives until its token's `exp`, and no longer than the keys stay fresh, so
//! that a withdrawn key is noticed. New keys empty the cache.

use std::cell::OnceCell;
use std::hash::{DefaultHasher, Hasher};
use std::mem;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::id::{NoRandomness, random};
use crate::public_key::Algorithm;

/// Tokens in each of the two generations.
const MAX_TOKENS: usize = 4096;
/// Bytes of tokens in each of the two generations. A usual token has 500 to 1000.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Headers of tokens that are cached. An issuer has one for each of its keys.
const MAX_HEADERS: usize = 16;
/// The most bytes of a header that is cached.
const MAX_HEADER_BYTES: usize = 512;

/// What the edge needs of a verified token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The database role that it asserts; its issuer may assert it.
    pub role: String,
    /// The user, if the role is one of users.
    pub sub: Option<String>,
}

/// A token and the hash by which it is found.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    token: &'a str,
    hash: u64,
}

/// Hashes the tokens of an isolate.
#[derive(Default)]
pub struct TokenHasher(OnceCell<[u8; 16]>);

impl TokenHasher {
    /// The key of a token in the caches.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn key<'a>(&self, token: &'a str) -> Result<Key<'a>, NoRandomness> {
        let seed = if let Some(seed) = self.0.get() {
            seed
        } else {
            let seed = random()?;
            self.0.get_or_init(|| seed)
        };
        let (_, signature) = token.rsplit_once('.').unwrap_or_default();
        // SipHash, which hides the seed. Its own key is a constant.
        let mut hasher = DefaultHasher::new();
        hasher.write(seed);
        hasher.write(signature.as_bytes());
        let hash = hasher.finish();
        Ok(Key { token, hash })
    }
}

struct Entry<T> {
    token: Box<str>,
    outcome: T,
    /// The time in milliseconds since 1970 at which the token has to be verified again.
    until_ms: u64,
}

impl<T: Clone> Entry<T> {
    fn outcome(&self, now_ms: u64) -> Option<T> {
        (now_ms < self.until_ms).then(|| self.outcome.clone())
    }
}

struct Generation<T> {
    /// By the hashes of their keys, which nobody can choose.
    entries: FxHashMap<u64, Entry<T>>,
    /// Bytes of its tokens.
    bytes: usize,
}

impl<T> Default for Generation<T> {
    fn default() -> Self {
        Self {
            entries: FxHashMap::default(),
            bytes: 0,
        }
    }
}

impl<T> Generation<T> {
    fn find(&self, key: &Key<'_>) -> Option<&Entry<T>> {
        let entry = self.entries.get(&key.hash)?;
        (*entry.token == *key.token).then_some(entry)
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.entries.len() < MAX_TOKENS && self.bytes + bytes <= MAX_BYTES
    }

    fn remove(&mut self, key: &Key<'_>) -> Option<Entry<T>> {
        self.find(key)?;
        let entry = self.entries.remove(&key.hash)?;
        self.bytes -= entry.token.len();
        Some(entry)
    }

    fn insert(&mut self, hash: u64, entry: Entry<T>) {
        self.bytes += entry.token.len();
        if let Some(replaced) = self.entries.insert(hash, entry) {
            self.bytes -= replaced.token.len();
        }
    }
}

/// The cache of an isolate.
pub struct TokenCache<T> {
    young: Generation<T>,
    old: Generation<T>,
    /// How often the cache was cleared.
    cleared: u64,
}

impl<T> Default for TokenCache<T> {
    fn default() -> Self {
        Self {
            young: Generation::default(),
            old: Generation::default(),
            cleared: 0,
        }
    }
}

/// A period between two clearings; see [`TokenCache::store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch(u64);

impl<T: Clone> TokenCache<T> {
    /// The result for a token, if it is still valid.
    pub fn find(&mut self, key: &Key<'_>, now_ms: u64) -> Option<T> {
        if let Some(entry) = self.young.find(key) {
            return entry.outcome(now_ms);
        }
        let entry = self.old.remove(key)?;
        let outcome = entry.outcome(now_ms);
        self.insert(key.hash, entry);
        outcome
    }

    /// The current epoch, to be taken before a token is verified.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        Epoch(self.cleared)
    }

    /// Stores a result, unless the keys have changed since the given epoch: then an old key may have made it valid, or
    /// a new key would.
    pub fn store(&mut self, key: &Key<'_>, outcome: T, until_ms: u64, since: Epoch) {
        if since == self.epoch() {
            let token = key.token.into();
            let entry = Entry {
                token,
                outcome,
                until_ms,
            };
            self.insert(key.hash, entry);
        }
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.young = Generation::default();
        self.old = Generation::default();
        self.cleared += 1;
    }

    fn insert(&mut self, hash: u64, entry: Entry<T>) {
        if !self.young.has_room(entry.token.len()) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(hash, entry);
    }
}

/// A header of tokens that the edge accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The algorithm of the signature.
    pub algorithm: Algorithm,
    /// The name of the key.
    pub kid: Option<Rc<str>>,
}

/// Accepted headers by their text in base64, so that each is parsed once: the tokens of one key have the same header.
#[derive(Default)]
pub struct HeaderCache(Vec<(Box<str>, Header)>);

impl HeaderCache {
    /// The header with this text.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Header> {
        let mut cached = self.0.iter();
        let (_, header) = cached.find(|(known, _)| **known == *text)?;
        Some(header.clone())
    }

    /// Stores a header, unless it is unusually long.
    pub fn store(&mut self, text: &str, header: Header) {
        if text.len() > MAX_HEADER_BYTES {
            return;
        }
        // A sender of many headers makes the edge parse the usual ones again now and then.
        if self.0.len() >= MAX_HEADERS {
            self.0.clear();
        }
        self.0.push((text.into(), header));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        Claims {
            role: "authenticated".into(),
            sub: Some("u".into()),
        }
    }

    fn size<T>(cache: &TokenCache<T>) -> (usize, usize) {
        let generations = [&cache.young, &cache.old];
        for generation in generations {
            let tokens = generation.entries.values().map(|entry| entry.token.len());
            assert_eq!(generation.bytes, tokens.sum::<usize>());
        }
        let sum = |of: fn(&Generation<T>) -> usize| generations.map(of).iter().sum();
        (sum(|each| each.entries.len()), sum(|each| each.bytes))
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_tokens_in_use() {
        let mut cache = TokenCache::default();
        let hasher = TokenHasher::default();
        let often = hasher.key("h.p.often").unwrap();
        let now = cache.epoch();
        cache.store(&often, claims(), 100, now);
        for n in 0..10 * MAX_TOKENS {
            let token = format!("h.p.{n}");
            cache.store(&hasher.key(&token).unwrap(), claims(), 100, now);
            if n % 1000 == 0 {
                assert_eq!(cache.find(&often, 1), Some(claims()), "{n}");
            }
        }
        assert!(size(&cache).0 <= 2 * MAX_TOKENS);
        assert_eq!(
            cache.find(&hasher.key("h.p.0").unwrap(), 1),
            None,
            "a token that is not used is evicted"
        );
        cache.clear();
        assert_eq!(cache.find(&often, 1), None);
        cache.store(&often, claims(), 100, now);
        assert_eq!(
            cache.find(&often, 1),
            None,
            "it was verified in the epoch before"
        );
    }

    #[test]
    fn long_tokens_occupy_no_more_bytes() {
        let mut cache = TokenCache::default();
        let hasher = TokenHasher::default();
        let now = cache.epoch();
        let padding = "p".repeat(8000);
        for n in 0..4 * MAX_TOKENS {
            let token = format!("h.{padding}.{n}");
            cache.store(&hasher.key(&token).unwrap(), (), 100, now);
        }
        let (tokens, bytes) = size(&cache);
        assert!(bytes <= 2 * MAX_BYTES, "{bytes}");
        assert!(tokens > MAX_BYTES / 9000, "{tokens}");
    }

    #[test]
    fn an_entry_expires() {
        let mut cache = TokenCache::default();
        let hasher = TokenHasher::default();
        let key = hasher.key("a").unwrap();
        cache.store(&key, claims(), 100, cache.epoch());
        assert_eq!(cache.find(&key, 99), Some(claims()));
        assert_eq!(cache.find(&key, 100), None);
    }

    #[test]
    fn a_signature_alone_finds_nothing_and_evicts_nothing() {
        let mut cache = TokenCache::default();
        let hasher = TokenHasher::default();
        let key = |token: &'static str| hasher.key(token).unwrap();
        let now = cache.epoch();
        cache.store(&key("h.p.s"), 1, 100, now);
        let others = [
            "h.q.s", "i.p.s", ".p.s", "h.p.p.s", "h.s", ".s", "s", "h.p.t", "h.p.",
        ];
        for other in others {
            assert_eq!(cache.find(&key(other), 1), None, "{other}");
            assert_eq!(cache.find(&key("h.p.s"), 1), Some(1), "{other}");
        }
        // In the older generation as well.
        cache.old = mem::take(&mut cache.young);
        for other in others {
            assert_eq!(cache.find(&key(other), 1), None, "{other}");
        }
        assert_eq!(cache.find(&key("h.p.s"), 1), Some(1));
        // Tokens with the same signature share a place.
        for (outcome, other) in ["h.q.s", "h.qq.s", "i.p.s"].into_iter().enumerate() {
            cache.store(&key(other), outcome, 100, now);
            assert_eq!(cache.find(&key(other), 1), Some(outcome));
        }
        assert_eq!(cache.find(&key("h.p.s"), 1), None);
        assert_eq!(size(&cache), (1, 5));
    }

    #[test]
    fn nobody_can_predict_the_hash_of_a_signature() {
        let [first, second] = [(); 2].map(|()| TokenHasher::default());
        let hash = |hasher: &TokenHasher, token| hasher.key(token).unwrap().hash;
        assert_eq!(hash(&first, "h.p.s"), hash(&first, "i.q.s"));
        assert_ne!(hash(&first, "h.p.s"), hash(&first, "h.p.t"));
        assert_ne!(hash(&first, "h.p.s"), hash(&second, "h.p.s"));
    }

    #[test]
    fn the_headers_of_tokens_are_bounded() {
        let mut cache = HeaderCache::default();
        let header = |kid: &str| Header {
            algorithm: Algorithm::Es256,
            kid: Some(kid.into()),
        };
        for n in 0..10 * MAX_HEADERS {
            let text = n.to_string();
            assert_eq!(cache.find(&text), None);
            cache.store(&text, header(&text));
            assert_eq!(cache.find(&text), Some(header(&text)));
            assert!(cache.0.len() <= MAX_HEADERS);
        }
        let long = "x".repeat(MAX_HEADER_BYTES + 1);
        cache.store(&long, header("long"));
        assert_eq!(cache.find(&long), None);
    }
}
