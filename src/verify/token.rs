//! One token: parsed strictly, its signature checked with one trusted key, its claims against its issuer.
//!
//! The rules are those of RFC 8725. What jwt-compact leaves to its caller (`exp`, `nbf`, `iat`, `iss`, `aud`, `crit`,
//! `typ`) is checked here.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use jwt_compact::UntrustedToken;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use sha2::Sha256;

use super::keys;
use crate::config::Issuer;
use crate::error::{Error, TokenFault};
use crate::isolate::Edge;
use crate::isolate::tokens::{Claims, Header};
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

/// The claims that are read; all others are skipped. A null counts as missing; a claim that is named twice is an error.
#[derive(Deserialize)]
struct Payload {
    iss: Option<String>,
    /// A string or a list of strings.
    aud: Option<Value>,
    sub: Option<String>,
    role: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
}

/// A token that is good if its signature is.
struct Unverified<'a> {
    header: Header,
    issuer: &'a Issuer,
    claims: Claims,
    /// The time in milliseconds since 1970 at which it expires.
    exp_ms: u64,
    /// What is signed.
    signed: &'a str,
    signature: Vec<u8>,
}

/// Verifies a compact token against the configured issuers.
///
/// # Errors
/// [`Error::BadToken`] with the reason; [`Error::KeysUnavailable`] while its issuer's keys are not available.
pub async fn verify<P: Platform>(text: &str, edge: &Edge<P>) -> Result<Rc<Claims>, Error> {
    if text.len() > MAX_TOKEN_BYTES {
        return Err(Error::BadToken(TokenFault::Malformed));
    }
    let key = edge.token_hasher.key(text)?;
    let now_ms = edge.platform.now_ms();
    let known = edge.verified.borrow_mut().find(&key, now_ms);
    if let Some(claims) = known {
        return Ok(claims);
    }
    if edge.forged.borrow_mut().find(&key, now_ms).is_some() {
        return Err(Error::BadToken(TokenFault::Signature));
    }
    let token = read(text, edge)?;
    let epoch = edge.verified.borrow().epoch();
    let forged_epoch = edge.forged.borrow().epoch();
    let fits = match &token.issuer.secret {
        Some(secret) => Some(hs256_fits(token.signed, &token.signature, secret)),
        None => signature_fits(&token, edge).await?,
    };
    if fits != Some(true) {
        if fits.is_some() {
            let mut forged = edge.forged.borrow_mut();
            forged.store(&key, (), now_ms + FORGED_MS, forged_epoch);
        }
        return Err(Error::BadToken(TokenFault::Signature));
    }
    let claims = Rc::new(token.claims);
    let until_ms = keys::fresh_until_ms(token.issuer, edge).min(token.exp_ms);
    let mut verified = edge.verified.borrow_mut();
    verified.store(&key, claims.clone(), until_ms, epoch);
    Ok(claims)
}

/// Reads a token and checks all of it but the signature, which costs more than everything else: what fails here is refused
/// at once.
fn read<'a, P: Platform>(text: &'a str, edge: &'a Edge<P>) -> Result<Unverified<'a>, Error> {
    let malformed = || Error::BadToken(TokenFault::Malformed);
    let (signed, signature) = text.rsplit_once('.').ok_or_else(malformed)?;
    let (header, payload) = signed.split_once('.').ok_or_else(malformed)?;
    let header = header_of(header, edge)?;
    let payload = payload_of(payload).ok_or_else(malformed)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;

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
    let by_secret = header.algorithm == Algorithm::Hs256;
    let mut fitting = issuers().filter(|issuer| issuer.secret.is_some() == by_secret);
    let length = header.algorithm.signature_bytes();
    let issuer = fitting
        .next()
        .filter(|_| length.is_none_or(|length| length == signature.len()))
        .ok_or(Error::BadToken(TokenFault::Signature))?;
    let exp_ms = milliseconds(payload.exp.unwrap_or_default());
    let claims = check_claims(payload, issuer, edge.now())?;
    Ok(Unverified {
        header,
        issuer,
        claims,
        exp_ms,
        signed,
        signature,
    })
}

async fn signature_fits<P: Platform>(
    token: &Unverified<'_>,
    edge: &Edge<P>,
) -> Result<Option<bool>, Error> {
    let Header { algorithm, kid } = &token.header;
    let signed = token.signed.as_bytes();
    keys::fits(
        token.issuer,
        *algorithm,
        kid.as_deref(),
        signed,
        &token.signature,
        edge,
    )
    .await
}

/// The header with this text in base64, if the edge accepts it.
fn header_of<P: Platform>(text: &str, edge: &Edge<P>) -> Result<Header, Error> {
    if let Some(header) = edge.token_headers.borrow().find(text) {
        return Ok(header);
    }
    let header = parse_header(text)?;
    let mut cached = edge.token_headers.borrow_mut();
    cached.store(text, header.clone());
    Ok(header)
}

fn parse_header(text: &str) -> Result<Header, Error> {
    let malformed = || Error::BadToken(TokenFault::Malformed);
    // The payload has rules that the library does not know, and is read only once.
    let alone = format!("{text}..");
    let token: UntrustedToken<'_, Extra> =
        UntrustedToken::try_from(alone.as_str()).map_err(|_| malformed())?;
    check_header(token.header())?;
    Ok(Header {
        algorithm: Algorithm::named(token.algorithm()).ok_or_else(malformed)?,
        kid: token.header().key_id.as_deref().map(Rc::from),
    })
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

/// The claims in the middle part of a token; none if one of them has the wrong type. The bytes are checked to be UTF-8
/// first: given bytes, serde checks only the strings that it keeps. It also reads a list as a struct.
fn payload_of(text: &str) -> Option<Payload> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let json = str::from_utf8(&bytes).ok()?;
    let is_object = json
        .trim_start_matches([' ', '\t', '\r', '\n'])
        .starts_with('{');
    if !is_object {
        return None;
    }
    let payload: Payload = serde_json::from_str(json).ok()?;
    let is_audience = match &payload.aud {
        None | Some(Value::String(_)) => true,
        Some(Value::Array(names)) => names.iter().all(Value::is_string),
        Some(_) => false,
    };
    is_audience.then_some(payload)
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
