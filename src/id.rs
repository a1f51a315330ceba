//! Identifiers: random ones, UUIDs and digests.

use std::net::IpAddr;

use base16ct::lower;
use sha2::{Digest, Sha256};
use uuid::fmt::Hyphenated;
use uuid::{Builder, Uuid};

/// The platform has no source of randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRandomness;

/// Random bytes.
///
/// # Errors
/// [`NoRandomness`].
pub fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// An id for a request without one: 32 hexadecimal digits.
///
/// # Errors
/// [`NoRandomness`].
pub fn random_id() -> Result<String, NoRandomness> {
    Ok(lower::encode_string(&random::<16>()?))
}

/// A random UUID, of version 4.
///
/// # Errors
/// [`NoRandomness`].
pub fn random_uuid() -> Result<Uuid, NoRandomness> {
    Ok(Builder::from_random_bytes(random()?).into_uuid())
}

/// A UUID of version 8 derived from a text: the first 30 digits of its SHA-256, with the digits of version and variant
/// inserted. Webhooks of deployed workflows have such ids, so the derivation must not change.
#[must_use]
pub fn digest_uuid(text: &str) -> Uuid {
    let digest = digest(text);
    let bytes = digest.first_chunk().copied().unwrap_or_default();
    let digits = u128::from_be_bytes(bytes) >> 8;
    let (first, second, third) = (
        digits >> 72,
        (digits >> 60) & 0xfff,
        digits & ((1 << 60) - 1),
    );
    Uuid::from_u128((first << 80) | (8 << 76) | (second << 64) | (8 << 60) | third)
}

/// The SHA-256 of a text.
#[must_use]
pub fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Whether it is a UUID in its hyphenated form. A user's id must be one: tables store it so.
#[must_use]
pub fn is_uuid(text: &str) -> bool {
    text.len() == Hyphenated::LENGTH && Uuid::try_parse(text).is_ok()
}

/// The address of a subscriber: for IPv6 the /64 prefix, since a subscriber can use any address in it.
#[must_use]
pub fn subscriber_prefix(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & (u128::MAX << 64)).into()),
    }
}

/// The name of a caller of whom nothing else is known than the address.
#[must_use]
pub fn subscriber_name(address: Option<IpAddr>) -> String {
    address.map_or_else(
        || "nobody".to_owned(),
        |address| subscriber_prefix(address).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_derived_from_a_text() {
        let made = digest_uuid("slug 0b0a1b9c-0000-4000-8000-000000000000 Webhook").to_string();
        assert_eq!(made, "742ebced-ad9f-8d16-8677-dccd86f9ccf0");
        assert!(is_uuid(&made) && is_uuid(&made.to_uppercase()));
    }

    #[test]
    fn only_the_hyphenated_form_is_a_uuid() {
        let good = "0b0a1b9c-12de-4f00-8000-00000000000a";
        assert!(is_uuid(good));
        let others = [
            String::new(),
            good.replace('-', ""),
            format!("{{{good}}}"),
            format!("urn:uuid:{good}"),
            format!(" {good}"),
            good.replace('a', "g"),
            good.replace("b9c-", "b9-c"),
            good.replace("0a1", "é1"),
            good.replace('-', "_"),
        ];
        for text in others {
            assert!(!is_uuid(&text), "{text}");
        }
    }
}
