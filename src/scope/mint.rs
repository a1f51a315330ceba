//! The edge's own tokens: they live 60 seconds, and have the role `anon` or `edge`. There is one exception: the holder of an API
//! token of a user gets the role `authenticated`, with a claim `api_token` that the database compares with the token's row. The token of a
//! request whose body has still to arrive lives longer, by the time that it may take.
//!
//! What the edge has verified or observed of a request travels in their `edge` claim and nowhere else: the database
//! trusts that claim, and no header and no body.
//!
//! A token depends only on the caller, on these facts and on the minute. Within a minute a caller therefore has the
//! same token, since PostgREST's token cache keeps every distinct one, and the edge signs it once.

use std::borrow::Cow;
use std::net::IpAddr;

use base16ct::lower;
use hmac::{Hmac, Mac};
use serde::Serialize;
use serde_json::Value;
use sha2::Sha256;

use crate::endpoint::{Human, Limit, Seen};
use crate::error::Error;
use crate::isolate::Edge;
use crate::message::{Place, Request};
use crate::runtime::Platform;
use crate::verify::{Caller, own};

pub(super) use crate::id::subscriber_prefix;

/// Seconds in a day, after which the hash of an address changes.
const DAY: u64 = 24 * 60 * 60;

#[derive(Serialize)]
struct Minted<'a> {
    aud: &'a str,
    role: &'static str,
    /// The verified user on whose behalf the edge calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    iat: u64,
    exp: u64,
    /// The facts that only the edge knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    edge: Option<EdgeClaim<'a>>,
    /// What the API token of the caller opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_token: Option<&'a Value>,
    /// Of a token of a user only: the edge, and what the user's account says.
    #[serde(flatten)]
    of_user: Option<OfUser<'a>>,
}

#[derive(Serialize)]
struct OfUser<'a> {
    iss: &'static str,
    #[serde(flatten)]
    account: &'a Value,
}

/// The facts that the edge vouches for.
#[derive(Default, Serialize)]
struct EdgeClaim<'a> {
    /// The answer is for all anonymous callers.
    #[serde(skip_serializing_if = "is_false")]
    shared: bool,
    #[serde(flatten)]
    origin: Option<Origin<'a>>,
    #[serde(flatten)]
    vouched: Option<Vouched<'a>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Where a request came from, without identifying its sender.
#[derive(Serialize)]
struct Origin<'a> {
    /// The network: the first 24 bits of an IPv4 address, 48 of an IPv6 address.
    net: String,
    /// A keyed hash of the address, which changes each day.
    addr: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
}

/// The caller, and what the edge has observed of the request.
#[derive(Serialize)]
struct Vouched<'a> {
    /// The role of the caller's own token; `anon` without one.
    caller: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<&'a str>,
    /// Turnstile's verdict: `verified` or `held`; none if it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    human: Option<&'static str>,
    #[serde(flatten)]
    seen: Seen,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'a Limit>,
}

/// A token of role `anon` for an anonymous request.
pub(super) fn anon<P: Platform>(
    request: &Request<P::Body>,
    edge: &Edge<P>,
) -> Result<String, Error> {
    let arrival = arrival(request, edge);
    let country = edge.platform.place().country;
    let origin = origin(request, country.as_deref(), edge)?;
    let claim = origin.map(|origin| EdgeClaim {
        origin: Some(origin),
        ..EdgeClaim::default()
    });
    mint("anon", None, (claim, None, None), arrival, edge)
}

/// A token of role `anon` for an answer that all anonymous callers share. It says nothing of the one who asked first.
pub(super) fn shared<P: Platform>(edge: &Edge<P>) -> Result<String, Error> {
    let claim = EdgeClaim {
        shared: true,
        ..EdgeClaim::default()
    };
    mint("anon", None, (Some(claim), None, None), 0, edge)
}

/// The token for PostgREST: the caller's own, or one of the edge for an anonymous caller.
pub(super) fn upstream_token<'a, P: Platform>(
    caller: &'a Caller,
    request: &Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Cow<'a, str>, Error> {
    let Some(holder) = caller.api_token() else {
        let token = caller.token();
        return token.map_or_else(
            || anon(request, edge).map(Cow::Owned),
            |token| Ok(Cow::Borrowed(token)),
        );
    };
    // No worker without a user becomes a server: its endpoints are vouched for.
    if !caller.is_user() {
        return Err(Error::ApiTokenScope);
    }
    let of_user = OfUser {
        iss: "rowgate",
        account: &holder.grant.account,
    };
    let parts = (None, Some(&holder.claim), Some(of_user));
    let arrival = arrival(request, edge);
    mint("authenticated", caller.user(), parts, arrival, edge).map(Cow::Owned)
}

/// A token of role `edge` for a call on behalf of a verified caller.
pub(super) fn vouched<P: Platform>(
    caller: &Caller,
    request: &Request<P::Body>,
    (place, human, seen): (&Place, Human, Seen),
    limit: Option<&Limit>,
    edge: &Edge<P>,
) -> Result<String, Error> {
    let claim = EdgeClaim {
        shared: false,
        origin: origin(request, place.country.as_deref(), edge)?,
        vouched: Some(Vouched {
            caller: caller.role(),
            region: place.region.as_deref(),
            city: place.city.as_deref(),
            human: match human {
                Human::NotChecked => None,
                Human::Verified => Some("verified"),
                Human::PendingReview => Some("held"),
            },
            seen,
            limit,
        }),
    };
    let api_token = caller.api_token().map(|holder| &holder.claim);
    mint(
        "edge",
        caller.user(),
        (Some(claim), api_token, None),
        0,
        edge,
    )
}

/// What a token may carry beside its role and its user.
type Parts<'a> = (Option<EdgeClaim<'a>>, Option<&'a Value>, Option<OfUser<'a>>);

/// Seconds that a request's body may take to arrive. PostgREST may get the token after it.
fn arrival<P: Platform>(request: &Request<P::Body>, edge: &Edge<P>) -> u64 {
    if request.body.is_some() {
        u64::from(edge.config.limits.upload_ms).div_ceil(1000)
    } else {
        0
    }
}

/// Signs a token that lives `arrival` seconds longer than others.
fn mint<P: Platform>(
    role: &'static str,
    sub: Option<&str>,
    (claim, api_token, of_user): Parts<'_>,
    arrival: u64,
    edge: &Edge<P>,
) -> Result<String, Error> {
    let iat = own::minute(edge);
    let claims = Minted {
        aud: &edge.config.audience,
        role,
        sub,
        iat,
        exp: iat + own::LIFETIME + arrival,
        edge: claim,
        api_token,
        of_user,
    };
    own::sign(iat, claims, edge)
}

fn origin<'a, P: Platform>(
    request: &Request<P::Body>,
    country: Option<&'a str>,
    edge: &Edge<P>,
) -> Result<Option<Origin<'a>>, Error> {
    let Some(address) = request.address else {
        return Ok(None);
    };
    Ok(Some(Origin {
        net: network(address),
        addr: hash(address, edge)?,
        country,
    }))
}

/// The keyed hash of the client's address, if the platform knows it.
pub(super) fn address_hash<P: Platform>(
    request: &Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Option<String>, Error> {
    request
        .address
        .map(|address| hash(address, edge))
        .transpose()
}

fn hash<P: Platform>(address: IpAddr, edge: &Edge<P>) -> Result<String, Error> {
    let day = edge.now() / DAY;
    let text = format!("rowgate address {day} {}", subscriber_prefix(address));
    if let Some(hash) = edge.addresses.borrow_mut().find(day, &text) {
        return Ok(hash.to_owned());
    }
    let hash = keyed(&text, edge)?;
    edge.addresses.borrow_mut().keep(text, &hash);
    Ok(hash)
}

/// The keyed hash of the name of an account, an e-mail address or the like.
pub(super) fn account_hash<P: Platform>(name: &str, edge: &Edge<P>) -> Result<String, Error> {
    keyed(&["rowgate account ", name].concat(), edge)
}

/// A hash that nobody can make without the edge's key.
fn keyed<P: Platform>(text: &str, edge: &Edge<P>) -> Result<String, Error> {
    let mut mac = Hmac::<Sha256>::new_from_slice(edge.config.signing_key.bytes())
        .map_err(|_| Error::Internal("the signing key cannot be used"))?;
    mac.update(text.as_bytes());
    let hash = mac.finalize().into_bytes();
    Ok(lower::encode_string(hash.get(..16).unwrap_or_default()))
}

/// The network of an address: 24 bits of an IPv4 address, 48 of an IPv6 address.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => format!(
            "{}/24",
            std::net::Ipv4Addr::from(u32::from(v4) & (u32::MAX << 8))
        ),
        IpAddr::V6(v6) => format!(
            "{}/48",
            std::net::Ipv6Addr::from(u128::from(v6) & (u128::MAX << 80))
        ),
    }
}

/// The first part of every token minted here: `{"alg":"HS256","kid":"edge"}`.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6ImVkZ2UifQ.";

/// Whether an `Authorization` header carries a token that was minted here.
pub(crate) fn is_made_here(authorization: &[u8]) -> bool {
    let token = authorization.strip_prefix(b"Bearer ");
    token.is_some_and(|token| token.starts_with(HEADER.as_bytes()))
}

#[cfg(test)]
mod tests {
    use crate::headers::Headers;
    use base64ct::{Base64UrlUnpadded, Encoding};
    use http::Method;
    use serde_json::{Value, json};

    use super::*;
    use crate::endpoint::Access;
    use crate::fuzzing::native::{self, NOW, Native};
    use crate::verify;

    const SUB: &str = "11111111-1111-4111-8111-111111111111";

    fn request(role: Option<&str>) -> Request<Vec<u8>> {
        let mut headers = Headers::new();
        if let Some(role) = role {
            // A user's own claim of this name is not vouched for.
            let claims = json!({"iss": "https://hs.test", "aud": "authenticated", "sub": SUB, "role": role,
                "exp": NOW + 60, "edge": {"caller": "service_role", "net": "10.0.0.0/8"}});
            let signed = native::joined(br#"{"alg":"HS256"}"#, claims.to_string().as_bytes());
            let bearer = format!("Bearer {}", native::hs256_text(&signed));
            headers.insert("authorization", bearer.parse().unwrap());
        }
        Request {
            id: "test".into(),
            method: Method::POST,
            path: "/".into(),
            query: String::new(),
            headers,
            body: None,
            read: None,
            held: None,
            address: "203.0.113.77".parse().ok(),
        }
    }

    fn made(edge: &Edge<Native>, role: Option<&str>, human: Human, seen: Seen) -> String {
        let request = request(role);
        let caller = pollster::block_on(verify::caller(Access::Open, &request, edge)).unwrap();
        vouched(
            &caller,
            &request,
            (&Place::default(), human, seen),
            None,
            edge,
        )
        .unwrap()
    }

    fn claims(token: &str) -> Value {
        let payload = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&Base64UrlUnpadded::decode_vec(payload).unwrap()).unwrap()
    }

    #[test]
    fn a_vouched_token_names_the_caller_and_the_observations() {
        let edge = native::edge();
        let seen = Seen {
            form_timestamp: Some("ok"),
            ..Seen::default()
        };
        let cases = [
            (None, "anon", None),
            (Some("authenticated"), "authenticated", Some(SUB)),
            // A server is not a user, whatever its token's sub is.
            (Some("service_role"), "service_role", None),
        ];
        for (role, caller, sub) in cases {
            let claims = claims(&made(&edge, role, Human::PendingReview, seen));
            let addr = &claims["edge"]["addr"];
            assert_eq!(addr.as_str().map(str::len), Some(32));
            assert_eq!(
                claims["edge"],
                json!({"net": "203.0.113.0/24", "addr": addr, "caller": caller, "human": "held", "stamp": "ok"})
            );
            assert_eq!(claims["role"], "edge");
            assert_eq!(claims.get("sub").and_then(Value::as_str), sub);
            assert_eq!(claims.get("iss"), None);
            assert_eq!(
                claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
                60
            );
        }
    }

    #[test]
    fn a_caller_has_one_token_a_minute_for_the_same_facts() {
        let edge = native::edge();
        let user = Some("authenticated");
        let first = made(&edge, user, Human::NotChecked, Seen::default());
        *edge.platform.now_ms.borrow_mut() += 59_000;
        assert_eq!(made(&edge, user, Human::NotChecked, Seen::default()), first);
        assert_ne!(made(&edge, None, Human::NotChecked, Seen::default()), first);
        assert_ne!(made(&edge, user, Human::Verified, Seen::default()), first);
        // What one isolate keeps is what another one makes.
        let other = native::edge();
        assert_eq!(
            made(&other, user, Human::NotChecked, Seen::default()),
            first
        );
        *edge.platform.now_ms.borrow_mut() += 1000;
        assert_ne!(made(&edge, user, Human::NotChecked, Seen::default()), first);
        assert_ne!(made(&edge, None, Human::NotChecked, Seen::default()), first);
    }

    #[test]
    fn a_token_outlives_the_arrival_of_a_body() {
        let edge = native::edge();
        let mut request = request(None);
        let lifetime = |request: &Request<Vec<u8>>| {
            let claims = claims(&anon(request, &edge).unwrap());
            claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap()
        };
        assert_eq!(lifetime(&request), 60);
        request.body = Some(Vec::new());
        assert_eq!(lifetime(&request), 90);
    }

    #[test]
    fn tokens_of_the_edge_are_recognised() {
        let token = own::token(&native::edge()).unwrap();
        assert!(is_made_here(format!("Bearer {token}").as_bytes()));
        let of_user = b"Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.x";
        assert!(!is_made_here(of_user));
    }

    #[test]
    fn addresses_are_truncated() {
        let cases = [
            ("203.0.113.77", "203.0.113.0/24", "203.0.113.77"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48", "2001:db8:1:2::"),
            ("::1", "::/48", "::"),
        ];
        for (address, net, home) in cases {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(network(address), net);
            assert_eq!(subscriber_prefix(address).to_string(), home);
        }
    }
}
