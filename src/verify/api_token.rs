//! API tokens: `rgt_`, 43 characters of randomness, `_`, six of a checksum. The database knows them by their SHA-256 and gives what
//! they open; the edge asks it once in half a minute.

use std::net::IpAddr;
use std::rc::Rc;

use base16ct::lower;
use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::own;
use crate::body::read_answer;
use crate::endpoint::{Access, Action, Route};
use crate::error::Error;
use crate::headers::Headers;
use crate::id::{self, NoRandomness, subscriber_prefix};
use crate::isolate::Edge;
use crate::isolate::api_tokens::{Grant, Known, TokenHash};
use crate::message::{Body, JSON, Outgoing, SendFault};
use crate::runtime::Platform;

/// How each of them begins.
const PREFIX: &str = "rgt_";
/// Characters of the random part, and of the checksum.
const RANDOM_CHARS: usize = 43;
const CHECKSUM_CHARS: usize = 6;
/// The first characters, by which an owner recognises a token.
const SHOWN_CHARS: usize = 10;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The most bytes of an answer of the database.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Exchanges may fill an eighth of the isolate's limit of waiting requests (`LIMITS`, `waiting`), however many addresses they come from.
/// They are apart from the share of anonymous callers: those must not keep out who has a token.
const EXCHANGES_PART: usize = 8;
/// Milliseconds between two looks of a request that waits for another one's exchange.
const PAUSE_MS: u32 = 20;

/// A token that has just been made.
pub struct Made {
    /// Its text, which its owner sees once.
    pub text: String,
    /// Its SHA-256 in hexadecimal digits.
    pub hash: String,
}

impl Made {
    /// The first characters.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.text.get(..SHOWN_CHARS).unwrap_or_default()
    }
}

/// Makes a token.
///
/// # Errors
/// [`NoRandomness`].
pub fn make() -> Result<Made, NoRandomness> {
    let random = base62(id::random::<32>()?, RANDOM_CHARS);
    let text = [PREFIX, &random, "_", &checksum(&random)].concat();
    let hash = lower::encode_string(&id::digest(&text));
    Ok(Made { text, hash })
}

/// A number in base 62, with leading zeros.
fn base62<const N: usize>(mut number: [u8; N], chars: usize) -> String {
    let mut digits = vec![b'0'; chars];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0;
        for byte in &mut number {
            let value = rest * 256 + usize::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or_default();
            rest = value % 62;
        }
        *digit = DIGITS.get(rest).copied().unwrap_or_default();
    }
    digits.into_iter().map(char::from).collect()
}

/// What typing errors change: no proof of anything.
fn checksum(random: &str) -> String {
    let digest = id::digest(random);
    let first: [u8; 4] = digest.first_chunk().copied().unwrap_or_default();
    base62(first, CHECKSUM_CHARS)
}

/// Whether a bearer token says that it is one of these.
pub(super) fn is_one(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// Whether it has the form of one, with the right checksum.
fn is_well_formed(text: &str) -> bool {
    let parts = text
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split_once('_'));
    parts.is_some_and(|(random, sum)| random.len() == RANDOM_CHARS && checksum(random) == sum)
}

/// What a token opens.
///
/// # Errors
/// [`Error::BadApiToken`] for one that is malformed or not live; 429 for an address that has sent too many of them, and while the
/// database is asked about many others; 502 to 504 if
/// the database does not answer.
pub(super) async fn exchange<P: Platform>(
    text: &str,
    address: Option<IpAddr>,
    edge: &Edge<P>,
) -> Result<Rc<Grant>, Error> {
    if !is_well_formed(text) {
        return Err(Error::BadApiToken);
    }
    let hash = id::digest(text);
    let deadline_ms = u64::from(edge.config.limits.deadline_ms);
    let give_up_ms = edge.platform.now_ms() + deadline_ms;
    loop {
        let now_ms = edge.platform.now_ms();
        let known = edge.api_tokens.borrow().find(&hash, now_ms);
        match known {
            Known::Grant(grant) => return Ok(grant),
            Known::Wrong => return Err(Error::BadApiToken),
            Known::InProgress if now_ms > give_up_ms => return Err(Error::UpstreamTimeout),
            Known::InProgress => edge.platform.sleep(PAUSE_MS).await,
            Known::Nothing => break,
        }
    }
    let most = (edge.config.limits.waiting / EXCHANGES_PART).max(1);
    // A token that was live when it was asked about last is no guess: what others send from its address must not end it.
    let is_guess = !edge.api_tokens.borrow().was_live(&hash);
    let address = address.map(subscriber_prefix);
    let now_ms = edge.platform.now_ms();
    if is_guess {
        let mut tokens = edge.api_tokens.borrow_mut();
        if tokens.asking(now_ms) >= most {
            return Err(Error::TooManyConcurrent);
        }
        if !tokens.suspect(address, now_ms) {
            return Err(Error::TooManyRequests);
        }
    }
    // Until the database has said whether it is wrong, also when the client hangs up.
    let _at_database = edge.platform.at_database();
    // Head and body of the answer have a deadline each.
    let asking = Asking::begin(hash, now_ms + 2 * deadline_ms, edge);
    let outcome = ask(&hash, edge).await;
    drop(asking);
    let mut tokens = edge.api_tokens.borrow_mut();
    if is_guess && !matches!(outcome, Ok(None)) {
        tokens.clear(address);
    }
    let grant = outcome?;
    tokens.store(hash, grant.clone(), edge.platform.now_ms());
    grant.ok_or(Error::BadApiToken)
}

/// Marks a token as being exchanged until it is dropped, also by a client that closes the connection.
struct Asking<'a, P> {
    hash: TokenHash,
    edge: &'a Edge<P>,
}

impl<'a, P> Asking<'a, P> {
    fn begin(hash: TokenHash, until_ms: u64, edge: &'a Edge<P>) -> Self {
        edge.api_tokens.borrow_mut().begin(hash, until_ms);
        Self { hash, edge }
    }
}

impl<P> Drop for Asking<'_, P> {
    fn drop(&mut self) {
        self.edge.api_tokens.borrow_mut().end(&self.hash);
    }
}

/// The database's answer.
#[derive(Deserialize)]
struct Exchanged {
    id: String,
    user_id: Option<String>,
    scopes: Value,
    account: Value,
    expires_at: u64,
}

/// Asks the database what a token opens; none for one that is not live.
async fn ask<P: Platform>(hash: &TokenHash, edge: &Edge<P>) -> Result<Option<Rc<Grant>>, Error> {
    edge.check_capacity()?;
    let _permit = edge.permit();
    let bearer = format!("Bearer {}", own::token(edge)?);
    let bearer = HeaderValue::from_str(&bearer);
    let bearer = bearer.map_err(|_| Error::Internal("the edge's token cannot be sent"))?;
    let mut headers = Headers::new();
    headers.insert("authorization", bearer);
    headers.insert("content-profile", HeaderValue::from_static("edge"));
    headers.insert("content-type", HeaderValue::from_static(JSON));
    headers.insert("accept", HeaderValue::from_static(JSON));
    if let Some(key) = edge.config.services.data_key() {
        headers.insert("apikey", key.clone());
    }
    let arguments = json!({ "token_hash": lower::encode_string(hash) });
    let deadline_ms = edge.config.limits.deadline_ms;
    let request = Outgoing {
        method: Method::POST,
        url: format!("{}/rpc/exchange_api_token", edge.config.postgrest_url),
        headers,
        body: Body::Bytes(arguments.to_string().into_bytes()),
        deadline_ms,
    };
    let sent = edge.platform.send(&request, &|| ()).await;
    let response = sent.map_err(|fault| match fault {
        SendFault::Timeout => Error::UpstreamTimeout,
        SendFault::Unreachable | SendFault::Body(_) => Error::UpstreamUnavailable,
    })?;
    match response.status {
        StatusCode::OK => {}
        StatusCode::SERVICE_UNAVAILABLE => return Err(Error::UpstreamUnavailable),
        StatusCode::GATEWAY_TIMEOUT => return Err(Error::UpstreamTimeout),
        _ => return Err(Error::UpstreamFailed),
    }
    let read = read_answer(response.body, MAX_ANSWER_BYTES, deadline_ms, edge);
    let bytes = read.await.map_err(|_| Error::UpstreamFailed)?;
    let found: Option<Exchanged> =
        serde_json::from_slice(&bytes).map_err(|_| Error::UpstreamFailed)?;
    Ok(found.map(|found| {
        Rc::new(Grant {
            id: found.id,
            user: found.user_id,
            scopes: found.scopes,
            account: found.account,
            expires_at: found.expires_at,
        })
    }))
}

/// The claim of the token that goes upstream. The call of an endpoint names its function: the database lets the token call no other
/// one.
pub(super) fn claim(grant: &Grant, route: &Route) -> Value {
    let mut claim = grant.scopes.clone();
    if let Some(fields) = claim.as_object_mut() {
        fields.insert("id".into(), grant.id.as_str().into());
        if let Action::Call(call) = &route.action {
            let call = json!({
                "endpoint": name_of(route), "system": route.system, "schema": call.schema, "function": call.function,
            });
            fields.insert("call".into(), call);
        }
    }
    claim
}

/// An endpoint as scopes name it.
fn name_of(route: &Route) -> String {
    format!("{} {}", route.method, route.pattern)
}

/// Refuses a route that the scope does not open.
///
/// # Errors
/// [`Error::ApiTokenScope`].
pub(super) fn check(grant: &Grant, route: &Route, method: &Method) -> Result<(), Error> {
    let is_user = grant.user.is_some();
    let is_named = || route.system.is_some() && grant.opens_endpoint(&name_of(route));
    let opens = match (&route.action, route.access) {
        // The database knows which system a schema belongs to.
        (Action::Relation | Action::Function, _) => is_user && grant.opens_systems(),
        (_, Access::Public | Access::Open | Access::Keyed | Access::User) => {
            let system = route.system.as_deref();
            is_user && (system.is_some_and(|name| grant.opens_system(name)) || is_named())
        }
        (_, Access::Worker | Access::Token) => is_named(),
        (_, Access::Service) => false,
    };
    let reads = matches!(*method, Method::GET | Method::HEAD);
    // A function of the data API runs in a transaction that writes nothing.
    let may = reads || grant.writes() || matches!(route.action, Action::Function);
    if opens && may {
        Ok(())
    } else {
        Err(Error::ApiTokenScope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_256_random_bits_and_a_checksum() {
        let made = make().unwrap();
        assert_eq!(made.text.len(), 4 + 43 + 1 + 6);
        assert!(is_one(&made.text) && is_well_formed(&made.text));
        assert_ne!(make().unwrap().text, made.text);
        assert_eq!(made.hash, lower::encode_string(&id::digest(&made.text)));
        assert!(made.prefix().len() == 10 && made.text.starts_with(made.prefix()));
        assert_eq!(base62([0; 32], RANDOM_CHARS), "0".repeat(43));
        assert_eq!(base62([0, 0, 0, 62], 3), "010");
        assert_eq!(base62([0, 0, 0, 61], 3), "00z");
        let most = base62([255; 32], RANDOM_CHARS);
        assert!(most > "7".repeat(43) && !most.starts_with('z'), "{most}");
    }

    #[test]
    fn a_mistyped_token_is_malformed() {
        let text = make().unwrap().text;
        let swapped = |at: usize| {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
            String::from_utf8(bytes).unwrap()
        };
        for at in 0..text.len() {
            assert!(!is_well_formed(&swapped(at)), "{at}");
        }
        let shorter = text.strip_suffix(char::is_alphanumeric).unwrap().to_owned();
        let later = text.replacen("rgt", "rg", 1);
        for other in [
            String::new(),
            "rgt_".into(),
            "rgt__".into(),
            later,
            shorter,
            format!("{text}0"),
        ] {
            assert!(!is_well_formed(&other), "{other}");
        }
    }
}
