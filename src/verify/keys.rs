//! The issuers' public keys: fetched from the configured addresses only, filtered, cached, and bounded.

use std::rc::Rc;

use base16ct::lower;
use base64ct::{Base64UrlUnpadded, Encoding};
use futures_channel::oneshot;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::body::read_answer;
use crate::config::Issuer;
use crate::error::Error;
use crate::headers::Headers;
use crate::isolate::Edge;
use crate::isolate::keys::{DEADLINE_MS, Found};
use crate::json::read;
use crate::message::{Body, Outgoing, ReadFault};
use crate::public_key::{Algorithm, PublicKey};
use crate::runtime::Platform;

/// The most bytes of a key set.
const MAX_SET_BYTES: usize = 64 * 1024;
/// The most keys of a set that a log line names, and the most characters of each name.
const MAX_NAMED: usize = 20;
const MAX_KID_CHARS: usize = 128;
/// Milliseconds between two looks of a request that waits for another one's fetch, at first and at most: thousands that
/// look every few milliseconds would leave the isolate no time for the fetch itself.
const MIN_PAUSE_MS: u32 = 10;
const MAX_PAUSE_MS: u32 = 150;

/// The parameters of a JWK that are read (RFC 7517). A null counts as missing.
#[derive(Deserialize)]
struct Jwk<'a> {
    kty: &'a str,
    #[serde(borrow)]
    crv: Option<&'a str>,
    x: Option<&'a str>,
    y: Option<&'a str>,
    n: Option<&'a str>,
    e: Option<&'a str>,
    alg: Option<&'a str>,
    #[serde(rename = "use")]
    usage: Option<&'a str>,
    key_ops: Option<Vec<Value>>,
    kid: Option<String>,
}

/// The key of a JWK, or why it is not used.
fn usable(jwk: &Value) -> Result<PublicKey, &'static str> {
    let jwk = Jwk::deserialize(jwk).map_err(|_| "a parameter is missing or has the wrong type")?;
    if jwk.kty == "oct" {
        return Err("a shared secret");
    }
    let verifies = |ops: &Vec<Value>| ops.iter().any(|op| op == "verify");
    if jwk.usage.is_some_and(|usage| usage != "sig") || !jwk.key_ops.as_ref().is_none_or(verifies) {
        return Err("not for verifying signatures");
    }
    let by_type =
        Algorithm::of_type(jwk.kty, jwk.crv).ok_or("a type or curve that the edge does not use")?;
    let algorithm = match jwk.alg {
        None => by_type,
        Some(alg) => Algorithm::named(alg)
            .filter(|named| *named == by_type || by_type.is_of_rsa() && named.is_of_rsa())
            .ok_or("its type or curve does not fit its alg")?,
    };
    let made = match (jwk.kty, jwk.crv, jwk.x, jwk.y, jwk.n, jwk.e) {
        ("EC", Some(crv), Some(x), Some(y), ..) => {
            json!({"kty": "EC", "crv": crv, "x": x, "y": y})
        }
        ("OKP", Some(crv), Some(x), ..) => json!({"kty": "OKP", "crv": crv, "x": x}),
        ("RSA", .., Some(n), Some(e)) => {
            if !is_long_modulus(n) || is_one(e) {
                return Err(
                    "an RSA key under 2048 bits, or with an exponent that lets anybody sign",
                );
            }
            // A modulus may serve two algorithms: each is a key of its own.
            json!({"kty": "RSA", "n": n, "e": e, "alg": jwk.alg.unwrap_or("RS256")})
        }
        _ => return Err("a parameter is missing or has the wrong type"),
    };
    Ok(PublicKey {
        kid: jwk.kid,
        algorithm,
        jwk: made.to_string(),
    })
}

/// Whether a modulus has at least 2048 bits. Leading zeros, which could hide a shorter one, are not allowed (RFC 7518,
/// section 6.3.1.1).
fn is_long_modulus(n: &str) -> bool {
    let octets = Base64UrlUnpadded::decode_vec(n).unwrap_or_default();
    match octets.first() {
        None | Some(0) => false,
        Some(first) => octets.len() * 8 - first.leading_zeros() as usize >= 2048,
    }
}

/// Whether a public exponent is missing or 1, with which anybody can sign.
fn is_one(e: &str) -> bool {
    let octets = Base64UrlUnpadded::decode_vec(e).unwrap_or_default();
    matches!(octets.as_slice(), [] | [1] | [0, ..])
}

/// A key of a set that is not used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its index in the set.
    pub index: usize,
    /// Its `kid`, cut to [`MAX_KID_CHARS`].
    pub kid: Option<String>,
    /// Why it is not used.
    pub why: &'static str,
}

/// A parsed key set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    /// The usable keys, sorted: the same keys in another order are the same set.
    pub keys: Vec<PublicKey>,
    /// The keys that are not used.
    pub skipped: Vec<Skipped>,
}

/// Parses a key set; none if it is not one. Of several keys with the same `kid` and algorithm none is used, because it
/// would be unclear who signed.
#[must_use]
pub fn parse(json: &[u8]) -> Option<KeySet> {
    let set = read(json).ok()?;
    let entries = set.get("keys")?.as_array()?;
    let mut skipped = Vec::new();
    let mut found: Vec<(usize, PublicKey)> = Vec::new();
    let mut skip = |index: usize, kid: Option<&str>, why| {
        let kid = kid.map(|kid| kid.chars().take(MAX_KID_CHARS).collect());
        skipped.push(Skipped { index, kid, why });
    };
    for (index, jwk) in entries.iter().enumerate() {
        match usable(jwk) {
            Ok(key) => found.push((index, key)),
            Err(why) => skip(index, jwk.get("kid").and_then(Value::as_str), why),
        }
    }
    let is_ambiguous = |key: &PublicKey| {
        key.kid.is_some()
            && found.iter().any(|(_, other)| {
                other.kid == key.kid && other.algorithm == key.algorithm && other.jwk != key.jwk
            })
    };
    let mut keys: Vec<PublicKey> = Vec::new();
    for (index, key) in &found {
        if is_ambiguous(key) {
            skip(
                *index,
                key.kid.as_deref(),
                "another key has its kid and algorithm",
            );
        } else if !keys.contains(key) {
            let at = keys.partition_point(|other| other.jwk <= key.jwk);
            keys.insert(at, key.clone());
        }
    }
    Some(KeySet { keys, skipped })
}

/// Whether one of the issuer's keys made the signature; none if it has no key of this name and algorithm.
///
/// # Errors
/// [`Error::KeysUnavailable`] if there are no keys to verify with.
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

/// The time, in milliseconds since 1970, until which a verification by these keys holds: while they are fresh; while
/// their issuer cannot be reached, until the next fetch is allowed.
pub fn fresh_until_ms<P: Platform>(issuer: &Issuer, edge: &Edge<P>) -> u64 {
    let Some(url) = &issuer.jwks_url else {
        return u64::MAX;
    };
    let now_ms = edge.platform.now_ms();
    edge.keys.borrow().fresh_until_ms(url, now_ms)
}

/// Starts fetching an issuer's keys in the background, if there are none.
pub fn prepare<P: Platform>(issuer: &Issuer, edge: &Edge<P>) {
    let Some(url) = issuer.jwks_url.as_deref() else {
        return;
    };
    let found = edge
        .keys
        .borrow()
        .find(url, |_| true, edge.platform.now_ms());
    if matches!(found, Found::Fetch) {
        drop(fetch_in_background(url, edge));
    }
}

/// Whether the issuer has usable keys.
pub async fn reachable<P: Platform>(issuer: &Issuer, edge: &Edge<P>) -> bool {
    issuer.secret.is_some()
        || matches!(find(issuer, |_| true, edge).await, Ok(keys) if !keys.is_empty())
}

/// The issuer's keys that `wanted` selects, from the cache or fetched.
async fn find<P: Platform>(
    issuer: &Issuer,
    wanted: impl Fn(&PublicKey) -> bool,
    edge: &Edge<P>,
) -> Result<Vec<Rc<PublicKey>>, Error> {
    let Some(url) = issuer.jwks_url.as_deref() else {
        return Ok(Vec::new());
    };
    let give_up = edge.platform.now_ms() + u64::from(DEADLINE_MS);
    let mut pause_ms = MIN_PAUSE_MS;
    loop {
        let now = edge.platform.now_ms();
        let found = edge.keys.borrow().find(url, &wanted, now);
        match found {
            Found::Keys { keys, refresh } => {
                if refresh {
                    // The refresh runs in the background.
                    drop(fetch_in_background(url, edge));
                }
                return Ok(keys);
            }
            Found::None { known: true, .. } => return Ok(Vec::new()),
            Found::None { known: false, wait } => {
                return Err(Error::KeysUnavailable {
                    retry_after: wait.max(1),
                });
            }
            Found::InProgress if now > give_up => {
                return Err(Error::KeysUnavailable { retry_after: 1 });
            }
            // A promise of another request cannot be awaited in this one, so poll for its result.
            Found::InProgress => {
                edge.platform.sleep(pause_ms).await;
                pause_ms = (pause_ms * 3 / 2).min(MAX_PAUSE_MS);
            }
            Found::Fetch => {
                // An error means that the fetch ended without a result; the cache has what it found.
                let _ = fetch_in_background(url, edge).await;
            }
        }
    }
}

/// Fetches keys into the cache in the background, whether or not the client stays: a client that hangs up must not keep
/// others waiting. Keys that replace others invalidate all cached verifications.
fn fetch_in_background<P: Platform>(url: &str, edge: &Edge<P>) -> oneshot::Receiver<()> {
    edge.keys
        .borrow_mut()
        .mark_fetching(url, edge.platform.now_ms());
    let (done, fetched) = oneshot::channel();
    let (url, edge, platform) = (url.to_owned(), edge.clone(), edge.platform.clone());
    platform.background(async move {
        let fetched = fetch(&url, &edge).await;
        log_faults(&url, &fetched, &edge);
        // A set without a usable key is treated as a failed fetch.
        let keys = fetched.ok().map(|(_, set)| set.keys);
        let keys = keys.filter(|keys| !keys.is_empty());
        let now_ms = edge.platform.now_ms();
        if edge.keys.borrow_mut().store(&url, keys, now_ms) {
            edge.verified.borrow_mut().clear();
            edge.forged.borrow_mut().clear();
        }
        // The request that started the fetch may have ended.
        let _ = done.send(());
    });
    fetched
}

/// Logs which keys of a set are not used, once for each set however often it is fetched.
fn log_faults<P: Platform>(
    url: &str,
    fetched: &Result<(String, KeySet), &'static str>,
    edge: &Edge<P>,
) {
    let (digest, usable, skipped, why) = match fetched {
        Ok((digest, KeySet { keys, skipped })) => {
            let why = keys.is_empty().then_some("it has no usable key");
            (digest.as_str(), keys.len(), skipped.as_slice(), why)
        }
        Err(why) => (*why, 0, [].as_slice(), Some(*why)),
    };
    let is_faulty = why.is_some() || !skipped.is_empty();
    let fault = is_faulty.then(|| digest.to_owned());
    if !edge.keys.borrow_mut().is_new_fault(url, fault) {
        return;
    }
    let mut issuers = edge.config.issuers.iter();
    let issuer = issuers.find(|issuer| issuer.jwks_url.as_deref() == Some(url));
    let line = json!({
        "event": "keys_skipped",
        "issuer": issuer.map(|issuer| &issuer.issuer),
        "why": why,
        "usable": usable,
        "skipped": skipped.len(),
        "keys": skipped.get(..MAX_NAMED).unwrap_or(skipped),
    });
    edge.platform.log(&line.to_string());
}

/// The key set and a digest of its text, or why there is none.
async fn fetch<P: Platform>(url: &str, edge: &Edge<P>) -> Result<(String, KeySet), &'static str> {
    let request = Outgoing {
        method: Method::GET,
        url: url.to_owned(),
        headers: Headers::new(),
        body: Body::Empty,
        deadline_ms: DEADLINE_MS,
    };
    let start_ms = edge.platform.now_ms();
    let response = edge.platform.send(&request, &|| ()).await;
    let response = response.map_err(|_| "its address does not answer")?;
    if response.status != StatusCode::OK {
        return Err("its address does not answer with 200");
    }
    let spent_ms = edge.platform.now_ms().saturating_sub(start_ms);
    let left_ms = DEADLINE_MS.saturating_sub(u32::try_from(spent_ms).unwrap_or(u32::MAX));
    let bytes = read_answer(response.body, MAX_SET_BYTES, left_ms, edge).await;
    let bytes = bytes.map_err(|fault| match fault {
        ReadFault::TooLarge => "it has more than 64 KB",
        _ => "it did not arrive completely and in time",
    })?;
    let set = parse(&bytes).ok_or("it is not a key set")?;
    Ok((lower::encode_string(&Sha256::digest(&bytes)), set))
}
