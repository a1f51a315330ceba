//! One token: parsed strictly, its signature checked with one trusted key, its claims against its issuer.
//!
//! The rules are those of RFC 8725. What jwt-compact leaves to its caller (`exp`, `nbf`, `iat`, `iss`, `aud`, `crit`,
//! `typ`) is checked here.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, Mac};
use jwt_compact::UntrustedToken;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use sha2::Sha256;

use super::keys;
use crate::config::Issuer;
use crate::error::{Error, TokenFault};
use crate::id;
use crate::isolate::Edge;
use crate::isolate::tokens::Claims;
use crate::public_key::Algorithm;
use crate::runtime::Platform;

/// The most bytes of a token.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// The most bytes of a `kid`.
const MAX_KID_BYTES: usize = 128;
/// Seconds by which clocks may differ. PostgREST allows the same.
const LEEWAY: u64 = 30;
/// Milliseconds for which a token with a wrong signature is refused without another check. Short, in case the check
/// itself failed.
const FORGED_MS: u64 = 60 * 1000;

/// Header parameters that make a token unacceptable if they are present, with any value.
#[derive(Debug, Clone, Deserialize)]
struct Extra {
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
    #[serde(default, deserialize_with = "is_there")]
    b64: bool,
    #[serde(default, deserialize_with = "is_there")]
    enc: bool,
}

/// Not an `Option`, which treats a null as missing.
fn is_there<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

/// The claims that are read.
const READ: [&str; 7] = ["iss", "aud", "sub", "role", "exp", "nbf", "iat"];

/// The claims as they arrive.
struct Payload {
    iss: Option<String>,
    aud: Option<Value>,
    sub: Option<String>,
    role: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
}

/// Verifies a compact token against the configured issuers.
///
/// # Errors
/// [`Error::BadToken`] with the reason; [`Error::KeysUnavailable`] while its issuer's keys are not available.
pub async fn verify<P: Platform>(text: &str, edge: &Edge<P>) -> Result<Claims, Error> {
    let malformed = || Error::BadToken(TokenFault::Malformed);
    if text.len() > MAX_TOKEN_BYTES {
        return Err(malformed());
    }
    let key = id::digest(text);
    let now_ms = edge.platform.now_ms();
    let known = edge.verified.borrow_mut().find(&key, now_ms);
    if let Some(claims) = known {
        return Ok(claims);
    }
    if edge.forged.borrow_mut().find(&key, now_ms).is_some() {
        return Err(Error::BadToken(TokenFault::Signature));
    }
    let token: UntrustedToken<'_, Extra> =
        UntrustedToken::try_from(text).map_err(|_| malformed())?;
    let algorithm = Algorithm::named(token.algorithm()).ok_or_else(malformed)?;
    check_header(token.header())?;
    let payload = payload(text).ok_or_else(malformed)?;

    // The token names its issuer, but is believed only once one of that issuer's own keys fits.
    let claimed = payload.iss.as_deref();
    let issuers = || {
        let issuers = edge.config.issuers.iter();
        issuers.filter(|issuer| Some(issuer.issuer.as_str()) == claimed)
    };
    if issuers().next().is_none() {
        return Err(Error::BadToken(TokenFault::Claims));
    }
    // A secret is for HS256 only, whatever the token's header says.
    let by_secret = algorithm == Algorithm::Hs256;
    let issuer = issuers()
        .find(|issuer| issuer.secret.is_some() == by_secret)
        .ok_or(Error::BadToken(TokenFault::Signature))?;
    let epoch = edge.verified.borrow().epoch();
    let forged_epoch = edge.forged.borrow().epoch();
    let (signed, _) = text.rsplit_once('.').ok_or_else(malformed)?;
    let signature = token.signature_bytes();
    let fits = if let Some(secret) = &issuer.secret {
        Some(hs256_fits(signed, signature, secret))
    } else {
        let kid = token.header().key_id.as_deref();
        keys::fits(issuer, algorithm, kid, signed.as_bytes(), signature, edge).await?
    };
    if fits != Some(true) {
        if fits.is_some() {
            let mut forged = edge.forged.borrow_mut();
            forged.store(key, (), now_ms + FORGED_MS, forged_epoch);
        }
        return Err(Error::BadToken(TokenFault::Signature));
    }
    let exp = payload.exp.unwrap_or_default();
    let claims = check_claims(payload, issuer, edge.now())?;
    let until = keys::fresh_until_ms(issuer, edge).min(milliseconds(exp));
    let mut verified = edge.verified.borrow_mut();
    verified.store(key, claims.clone(), until, epoch);
    Ok(claims)
}

/// A claim's time in milliseconds; 0 for a time before 1970.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float is clamped by the cast"
)]
fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1000.0) as u64
}

/// Refuses header parameters that the edge would have to understand to be safe.
fn check_header(header: &jwt_compact::Header<Extra>) -> Result<(), Error> {
    let typ_known = header.token_type.as_deref().is_none_or(is_known_type);
    let kid_short = header
        .key_id
        .as_ref()
        .is_none_or(|kid| kid.len() <= MAX_KID_BYTES);
    let extra = &header.other_fields;
    if typ_known && kid_short && !extra.crit && !extra.b64 && !extra.enc {
        Ok(())
    } else {
        Err(Error::BadToken(TokenFault::Malformed))
    }
}

/// Whether it is the media type of a JWT; `application/` may be missing (RFC 7515, section 4.1.9).
fn is_known_type(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    let name = typ.strip_prefix("application/").unwrap_or(&typ);
    matches!(name, "jwt" | "at+jwt")
}

/// The claims that are read, by name. All others are skipped.
struct Read(Map<String, Value>);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Claims;
        impl<'de> Visitor<'de> for Claims {
            type Value = Read;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Read, A::Error> {
                let mut claims = Map::new();
                while let Some(name) = access.next_key::<String>()? {
                    if !READ.contains(&name.as_str()) {
                        access.next_value::<IgnoredAny>()?;
                    } else if claims.insert(name, access.next_value()?).is_some() {
                        return Err(A::Error::custom("a claim is named twice"));
                    }
                }
                Ok(Read(claims))
            }
        }
        deserializer.deserialize_map(Claims)
    }
}

/// The claims in the middle part of a token; none if one of them has the wrong type. The text is checked to be UTF-8
/// first: given bytes, serde checks only the strings that it keeps.
fn payload(text: &str) -> Option<Payload> {
    let middle = text.split('.').nth(1)?;
    let json = String::from_utf8(Base64UrlUnpadded::decode_vec(middle).ok()?).ok()?;
    let Read(mut claims) = serde_json::from_slice(json.as_bytes()).ok()?;
    let mut claim = |name: &str| claims.remove(name).filter(|value| !value.is_null());
    let aud = claim("aud");
    if let Some(Value::Array(names)) = &aud
        && !names.iter().all(Value::is_string)
    {
        return None;
    }
    if !matches!(aud, None | Some(Value::String(_) | Value::Array(_))) {
        return None;
    }
    let mut text = |name: &str| match claim(name) {
        None => Some(None),
        Some(Value::String(text)) => Some(Some(text)),
        Some(_) => None,
    };
    let (iss, sub, role) = (text("iss")?, text("sub")?, text("role")?);
    let mut time = |name: &str| claim(name).map_or(Some(None), |time| time.as_f64().map(Some));
    Some(Payload {
        iss,
        aud,
        sub,
        role,
        exp: time("exp")?,
        nbf: time("nbf")?,
        iat: time("iat")?,
    })
}

/// Whether an `aud`, a string or a list of strings, contains this audience.
fn has_audience(aud: &Value, wanted: &str) -> bool {
    match aud {
        Value::Array(names) => names.iter().any(|name| name == wanted),
        name => name == wanted,
    }
}

fn hs256_fits(signed: &str, signature: &[u8], secret: &str) -> bool {
    Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .is_ok_and(|mac| mac.chain_update(signed).verify_slice(signature).is_ok())
}

/// Checks the times with leeway, then issuer, audience, role and subject.
fn check_claims(payload: Payload, issuer: &Issuer, now: u64) -> Result<Claims, Error> {
    let fault = |fault| Err(Error::BadToken(fault));
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit 53 bits")]
    let (now, leeway) = (now as f64, LEEWAY as f64);
    let Some(exp) = payload.exp else {
        return fault(TokenFault::Claims);
    };
    if now > exp + leeway {
        return fault(TokenFault::Expired);
    }
    if [payload.nbf, payload.iat]
        .into_iter()
        .flatten()
        .any(|time| time > now + leeway)
    {
        return fault(TokenFault::NotYetValid);
    }
    let meant_for_us = match (&payload.aud, &issuer.audience) {
        (Some(aud), Some(wanted)) => has_audience(aud, wanted),
        (None, None) => true,
        _ => false,
    };
    if !meant_for_us {
        return fault(TokenFault::Claims);
    }
    match payload.role {
        Some(role) if issuer.roles.contains(&role) => Ok(Claims {
            role,
            sub: payload.sub.filter(|sub| !sub.is_empty()),
        }),
        _ => fault(TokenFault::Claims),
    }
}
