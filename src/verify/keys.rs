//! The issuers' public keys: fetched from the configured address only, filtered, cached, and bounded.

use std::collections::HashMap;

use base64ct::{Base64UrlUnpadded, Encoding};
use futures_channel::oneshot;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::config::Issuer;
use crate::edge::{Body, Edge, Outgoing, Platform};
use crate::error::Error;
use crate::rooms;

/// Milliseconds for which fetched keys are used without asking again.
const FRESH_MS: u64 = 10 * 60 * 1000;
/// Milliseconds for which they serve on while their issuer cannot be reached.
const STALE_MS: u64 = 60 * 60 * 1000;
/// Milliseconds between two fetches from one issuer, failed ones included.
const PAUSE_MS: u64 = 30 * 1000;
/// Milliseconds that a fetch may take.
const DEADLINE_MS: u32 = 5000;
/// Bytes that a key set may have.
const MOST_BYTES: usize = 64 * 1024;

/// Algorithms that tokens may be signed with. Nothing else is ever tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256 and a secret from the configuration.
    Hs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// By its `alg`, compared exactly.
    #[must_use]
    pub fn named(alg: &str) -> Option<Self> {
        match alg {
            "HS256" => Some(Self::Hs256),
            "ES256" => Some(Self::Es256),
            "RS256" => Some(Self::Rs256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// A key that may check signatures of one algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Its name in the set.
    pub kid: Option<String>,
    /// The one algorithm it serves.
    pub algorithm: Algorithm,
    /// The public parameters as a JWK in JSON, made here from the parsed ones.
    pub jwk: String,
}

/// The key of a JWK, if it is one that may check signatures here.
fn usable(jwk: &Value) -> Option<PublicKey> {
    // None for what is no text at all; a null is not there.
    let text = |name: &str| match jwk.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(value) => value.as_str().map(Some),
    };
    let for_signatures = text("use")?.is_none_or(|usage| usage == "sig")
        && match jwk.get("key_ops") {
            None | Some(Value::Null) => true,
            Some(ops) => ops.as_array()?.iter().any(|op| op == "verify"),
        };
    let (x, y, n, e) = (text("x")?, text("y")?, text("n")?, text("e")?);
    let (algorithm, made) = match (text("kty")??, text("crv")?) {
        ("EC", Some("P-256")) => (
            Algorithm::Es256,
            json!({"kty": "EC", "crv": "P-256", "x": x?, "y": y?}),
        ),
        ("OKP", Some("Ed25519")) => (
            Algorithm::EdDsa,
            json!({"kty": "OKP", "crv": "Ed25519", "x": x?}),
        ),
        ("RSA", None) if n.is_some_and(is_long_modulus) => {
            (Algorithm::Rs256, json!({"kty": "RSA", "n": n?, "e": e?}))
        }
        _ => return None,
    };
    let alg_fits = text("alg")?.is_none_or(|alg| Algorithm::named(alg) == Some(algorithm));
    let kid = text("kid")?.map(str::to_owned);
    (for_signatures && alg_fits).then(|| PublicKey {
        kid,
        algorithm,
        jwk: made.to_string(),
    })
}

/// Whether a modulus has 2048 bits at least. One with zeros in front, which could hide that it has fewer, is no modulus
/// (RFC 7518, section 6.3.1.1).
fn is_long_modulus(n: &str) -> bool {
    let octets = Base64UrlUnpadded::decode_vec(n).unwrap_or_default();
    match octets.first() {
        None | Some(0) => false,
        Some(first) => octets.len() * 8 - first.leading_zeros() as usize >= 2048,
    }
}

/// The usable keys of a key set; none if it is no key set, has none, or names two keys alike.
#[must_use]
pub fn parse(json: &[u8]) -> Option<Vec<PublicKey>> {
    let set = rooms::json::read(json).ok()?;
    let mut keys: Vec<PublicKey> = Vec::new();
    for key in set.get("keys")?.as_array()?.iter().filter_map(usable) {
        // The same keys in another order are the same keys.
        let at = keys.partition_point(|other| other.jwk <= key.jwk);
        keys.insert(at, key);
    }
    let twice = keys.iter().enumerate().any(|(at, key)| {
        key.kid.is_some() && keys.iter().skip(at + 1).any(|other| other.kid == key.kid)
    });
    (!keys.is_empty() && !twice).then_some(keys)
}

/// What an isolate knows of one issuer's keys.
#[derive(Default)]
struct Known {
    keys: Vec<PublicKey>,
    /// When they came.
    fetched_ms: u64,
    /// When they were last asked for.
    asked_ms: Option<u64>,
    /// A fetch is under way.
    fetching: bool,
}

/// The keys of all issuers, by their address.
#[derive(Default)]
pub struct KeyCache(HashMap<String, Known>);

/// What the cache has for a token.
enum Found {
    Keys {
        keys: Vec<PublicKey>,
        /// They serve, but it is time to ask for new ones.
        refresh: bool,
    },
    /// Another request is fetching; its result is worth waiting for.
    Wait,
    /// Nothing fits, and it is time to ask.
    Ask,
    /// Nothing fits, and it is too early to ask again.
    Nothing {
        /// Keys are there, though none that fits.
        known: bool,
        /// Seconds until it is time.
        wait: u32,
    },
}

impl KeyCache {
    fn find(&self, url: &str, wanted: impl Fn(&PublicKey) -> bool, now_ms: u64) -> Found {
        let Some(known) = self.0.get(url) else {
            return Found::Ask;
        };
        let age = now_ms.saturating_sub(known.fetched_ms);
        let keys: Vec<PublicKey> = known
            .keys
            .iter()
            .filter(|key| age < STALE_MS && wanted(key))
            .cloned()
            .collect();
        let may_ask = known
            .asked_ms
            .is_none_or(|asked| now_ms.saturating_sub(asked) >= PAUSE_MS);
        // A fetch whose request was given up by its client never reports back.
        let fetching = known.fetching
            && known
                .asked_ms
                .is_some_and(|asked| now_ms.saturating_sub(asked) <= u64::from(DEADLINE_MS));
        match (keys.is_empty(), fetching, may_ask) {
            (false, ..) => Found::Keys {
                keys,
                refresh: age >= FRESH_MS && may_ask && !fetching,
            },
            (true, true, _) => Found::Wait,
            (true, false, true) => Found::Ask,
            (true, false, false) => Found::Nothing {
                known: !known.keys.is_empty() && age < STALE_MS,
                wait: known.asked_ms.map_or(0, |asked| {
                    let left = (asked + PAUSE_MS).saturating_sub(now_ms);
                    u32::try_from(left.div_ceil(1000)).unwrap_or(u32::MAX)
                }),
            },
        }
    }

    fn start(&mut self, url: &str, now_ms: u64) {
        let known = self.0.entry(url.to_owned()).or_default();
        known.fetching = true;
        known.asked_ms = Some(now_ms);
    }

    /// Takes what a fetch brought. A failed one never replaces good keys. Tells whether they replace others.
    fn finish(&mut self, url: &str, keys: Option<Vec<PublicKey>>, now_ms: u64) -> bool {
        let known = self.0.entry(url.to_owned()).or_default();
        known.fetching = false;
        let Some(keys) = keys else {
            return false;
        };
        known.fetched_ms = now_ms;
        let changed = !known.keys.is_empty() && known.keys != keys;
        known.keys = keys;
        changed
    }
}

/// Whether one of the issuer's keys made the signature; none if it has no key of that name.
///
/// # Errors
/// [`Error::KeysUnavailable`] if there are no keys to check with.
pub async fn fits<P: Platform>(
    issuer: &Issuer,
    algorithm: Algorithm,
    kid: Option<&str>,
    signed: &[u8],
    signature: &[u8],
    edge: &Edge<P>,
) -> Result<Option<bool>, Error> {
    let wanted = |key: &PublicKey| {
        key.algorithm == algorithm && (kid.is_none() || key.kid.as_deref() == kid)
    };
    let keys = find(issuer, wanted, edge).await?;
    for key in &keys {
        if edge.platform.verifies(key, signed, signature).await {
            return Ok(Some(true));
        }
    }
    Ok((!keys.is_empty()).then_some(false))
}

/// Until when, in milliseconds since 1970, what these keys have verified need not be verified again: while they are
/// fresh; while their issuer cannot be reached, until it may be asked again.
pub fn fresh_until_ms<P: Platform>(issuer: &Issuer, edge: &Edge<P>) -> u64 {
    let Some(url) = &issuer.jwks_url else {
        return u64::MAX;
    };
    let now_ms = edge.platform.now_ms();
    edge.keys.borrow().0.get(url).map_or(0, |known| {
        (known.fetched_ms + FRESH_MS)
            .max(now_ms + PAUSE_MS)
            .min(known.fetched_ms + STALE_MS)
    })
}

/// Begins to fetch an issuer's keys where none are known. Nobody waits for it.
pub fn prepare<P: Platform>(issuer: &Issuer, edge: &Edge<P>) {
    let Some(url) = issuer.jwks_url.as_deref() else {
        return;
    };
    let found = edge
        .keys
        .borrow()
        .find(url, |_| true, edge.platform.now_ms());
    if matches!(found, Found::Ask) {
        drop(ask(url, edge));
    }
}

/// Whether the issuer's keys are there or can be had.
pub async fn reachable<P: Platform>(issuer: &Issuer, edge: &Edge<P>) -> bool {
    issuer.secret.is_some()
        || matches!(find(issuer, |_| true, edge).await, Ok(keys) if !keys.is_empty())
}

/// The issuer's keys that are wanted, from the cache or fetched.
async fn find<P: Platform>(
    issuer: &Issuer,
    wanted: impl Fn(&PublicKey) -> bool,
    edge: &Edge<P>,
) -> Result<Vec<PublicKey>, Error> {
    let Some(url) = issuer.jwks_url.as_deref() else {
        return Ok(Vec::new());
    };
    let give_up = edge.platform.now_ms() + u64::from(DEADLINE_MS);
    loop {
        let now = edge.platform.now_ms();
        let found = edge.keys.borrow().find(url, &wanted, now);
        match found {
            Found::Keys { keys, refresh } => {
                if refresh {
                    // Nobody waits for it.
                    drop(ask(url, edge));
                }
                return Ok(keys);
            }
            Found::Nothing { known: true, .. } => return Ok(Vec::new()),
            Found::Nothing { known: false, wait } => {
                return Err(Error::KeysUnavailable {
                    retry_after: wait.max(1),
                });
            }
            Found::Wait if now > give_up => {
                return Err(Error::KeysUnavailable { retry_after: 1 });
            }
            // A promise of another request cannot be awaited in this one, so its result is polled for.
            Found::Wait => edge.platform.sleep(10).await,
            Found::Ask => {
                // An error means that it has ended without a word; what it has found is in the cache.
                let _ = ask(url, edge).await;
            }
        }
    }
}

/// Fetches keys into the cache, whether or not the client waits for its answer: whoever hung up at the right moment would
/// otherwise keep everybody else waiting. Other keys than before end what the ones
/// before have verified.
fn ask<P: Platform>(url: &str, edge: &Edge<P>) -> oneshot::Receiver<()> {
    edge.keys.borrow_mut().start(url, edge.platform.now_ms());
    let (done, asked) = oneshot::channel();
    let (url, edge, platform) = (url.to_owned(), edge.clone(), edge.platform.clone());
    platform.background(async move {
        let keys = fetch(&url, &edge).await;
        let now_ms = edge.platform.now_ms();
        if edge.keys.borrow_mut().finish(&url, keys, now_ms) {
            edge.verified.borrow_mut().clear();
            edge.forged.borrow_mut().clear();
        }
        // Whoever asked may have hung up.
        let _ = done.send(());
    });
    asked
}

async fn fetch<P: Platform>(url: &str, edge: &Edge<P>) -> Option<Vec<PublicKey>> {
    let request = Outgoing {
        method: Method::GET,
        url: url.to_owned(),
        headers: HeaderMap::new(),
        body: Body::Empty,
        deadline_ms: DEADLINE_MS,
    };
    let start_ms = edge.platform.now_ms();
    let response = edge.platform.send(request, &|| ()).await.ok()?;
    if response.status != StatusCode::OK {
        return None;
    }
    match response.body {
        Body::Bytes(bytes) => parse(&bytes),
        Body::Stream(body) => {
            let spent_ms = edge.platform.now_ms().saturating_sub(start_ms);
            let left_ms = DEADLINE_MS.saturating_sub(u32::try_from(spent_ms).unwrap_or(u32::MAX));
            let bytes = edge.platform.read(body, MOST_BYTES, left_ms).await;
            parse(&bytes.ok()?)
        }
        Body::Empty | Body::Upload { .. } => None,
    }
}
