//! The edge's own tokens: 60 seconds, role `anon` or `edge` and nothing else.
//!
//! A token depends on the caller and the minute only, so that within its minute the same caller travels with the same
//! token: PostgREST's token cache keeps every distinct one.

use std::net::IpAddr;

use hmac::{Hmac, Mac};
use jwt_compact::alg::Hs256;
use jwt_compact::{AlgorithmExt, Claims, Header};
use serde::Serialize;
use sha2::Sha256;

use crate::edge::{self, Edge, Platform, Request};
use crate::error::Error;

/// Seconds that a token lives.
const LIFETIME: u64 = 60;
/// Seconds in a day, after which an address has another hash.
const DAY: u64 = 24 * 60 * 60;

#[derive(Serialize)]
struct Minted<'a> {
    aud: &'a str,
    role: &'static str,
    iat: u64,
    exp: u64,
    /// What only the edge knows. The database believes this claim and no header.
    #[serde(skip_serializing_if = "Option::is_none")]
    edge: Option<Origin<'a>>,
}

/// Where a request came from, without saying who it was.
#[derive(Serialize)]
struct Origin<'a> {
    /// The network: the first 24 bits of an IPv4 address, 48 of an IPv6 address.
    net: String,
    /// A keyed hash of the address, another one each day.
    addr: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
}

/// A token of role `anon` for a request of nobody in particular.
pub(super) fn anon<P: Platform>(
    request: &Request<P::Body>,
    edge: &Edge<P>,
) -> Result<String, Error> {
    let country = edge.platform.place().country;
    let origin = request
        .address
        .map(|address| origin(address, country.as_deref(), edge))
        .transpose()?;
    mint("anon", origin, edge)
}

/// A token of role `edge` for a call of the edge's own.
pub(super) fn edge<P: Platform>(edge: &Edge<P>) -> Result<String, Error> {
    mint("edge", None, edge)
}

fn mint<P: Platform>(
    role: &'static str,
    origin: Option<Origin<'_>>,
    edge: &Edge<P>,
) -> Result<String, Error> {
    // PostgREST's leeway of 30 seconds covers a token made at the end of its minute.
    let iat = edge.now() / LIFETIME * LIFETIME;
    let claims = Minted {
        aud: &edge.config.audience,
        role,
        iat,
        exp: iat + LIFETIME,
        edge: origin,
    };
    let header = Header::empty().with_key_id("edge");
    Hs256
        .token(
            &header,
            &Claims::new(claims),
            &edge.config.signing_key.hs256,
        )
        .map_err(|_| Error::Internal("the edge's token cannot be made"))
}

fn origin<'a, P: Platform>(
    address: IpAddr,
    country: Option<&'a str>,
    edge: &Edge<P>,
) -> Result<Origin<'a>, Error> {
    Ok(Origin {
        net: network(address),
        addr: hash(address, edge)?,
        country,
    })
}

/// The caller's address as a keyed hash, where the platform knows it.
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
    let address = address.to_canonical();
    let day = edge.now() / DAY;
    let mut mac = Hmac::<Sha256>::new_from_slice(edge.config.signing_key.bytes())
        .map_err(|_| Error::Internal("the signing key cannot be used"))?;
    mac.update(format!("rowgate address {day} {}", household(address)).as_bytes());
    let hash = mac.finalize().into_bytes();
    Ok(edge::hex(hash.get(..16).unwrap_or_default()))
}

/// The address as one subscriber has it: an IPv6 customer is given at least 64 bits to play with.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & (u128::MAX << 64)).into()),
    }
}

/// The network of an address: 24 bits of an IPv4 address, 48 of an IPv6 address.
pub(super) fn network(address: IpAddr) -> String {
    match address.to_canonical() {
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

/// The first part of every token made here: `{"alg":"HS256","kid":"edge"}`.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6ImVkZ2UifQ.";

/// Whether a request to PostgREST carries a token that was made here, by its `Authorization`.
pub(crate) fn is_made_here(authorization: &str) -> bool {
    let token = authorization.strip_prefix("Bearer ");
    token.is_some_and(|token| token.starts_with(HEADER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_the_edge_are_told_from_others() {
        let token = edge(&crate::fuzzing::native::edge()).unwrap();
        assert!(is_made_here(&format!("Bearer {token}")));
        let of_user = "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.x";
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
            assert_eq!(household(address).to_string(), home);
        }
    }
}
