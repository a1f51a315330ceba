//! `/v1/billing/webhook`, which Stripe calls. The edge verifies the signature of the exact bytes; the database interprets the events.
//! <https://docs.stripe.com/webhooks#verify-manually>

use super::errors;
use crate::config::Config;
use crate::endpoint::{Incoming, Plan};
use crate::error::Error;
use crate::formats::batch;
use crate::hooks::{Proof, Signed};
use crate::json::storable::storable;
use crate::message::text;

/// The variable with the secrets: Stripe signs with the old and the new one while a secret is rolled.
const SECRETS: &str = "STRIPE_WEBHOOK_SECRET";
/// The seconds that the time of a signature may differ from now, in either direction.
const TOLERANCE: u64 = 300;
/// The most signatures of a header that are looked at.
const MAX_SIGNATURES: usize = 16;

/// What proves that Stripe sent an event: time and body are signed, and the time is not far away.
///
/// # Errors
/// 500 for secrets that cannot be Stripe's; 400 without a time or a signature.
pub fn authenticate<'a>(signed: &Signed<'a>, config: &'a Config) -> Result<Proof<'a>, Error> {
    let secrets = config.list(SECRETS);
    check_secrets(secrets)?;
    let header = text(signed.headers, "stripe-signature").unwrap_or_default();
    let invalid = || Error::with(&errors::STRIPE_SIGNATURE_INVALID, "Stripe-Signature");
    let Signature { time, ones } = read(header).ok_or_else(invalid)?;
    // Only who has a secret learns that the time is wrong.
    let seconds: Option<u64> = time.parse().ok();
    let is_near = |seconds: u64| seconds.abs_diff(signed.now_ms / 1000) <= TOLERANCE;
    Ok(Proof {
        secrets: secrets.iter().map(String::as_str).collect(),
        prefix: [time, "."].concat(),
        signatures: ones,
        outcome: if seconds.is_some_and(is_near) {
            Ok(())
        } else {
            Err(Error::of(&errors::STRIPE_SIGNATURE_TOO_OLD))
        },
        refusal: invalid(),
    })
}

/// The arguments of the call: the event as it was sent.
///
/// # Errors
/// 400 for a body that is not JSON.
pub fn receive(incoming: &Incoming, _: &Config) -> Result<Plan, Error> {
    // An event may contain what PostgreSQL cannot store, and Stripe would repeat a refused one for days.
    let event = storable(batch::json_text(incoming.body.to_parse())?);
    Ok(Plan::Call(format!("{{\"event\":{event}}}")))
}

/// Refuses secrets with which every signature would fail, and names why: they are copied by hand.
fn check_secrets(secrets: &[String]) -> Result<(), Error> {
    let wanted = |wanted: String| Error::Misconfigured {
        name: SECRETS.into(),
        wanted: wanted.into(),
    };
    if secrets.is_empty() {
        return Err(wanted("at least one secret, separated by commas".into()));
    }
    match secrets
        .iter()
        .position(|one| one.contains(char::is_whitespace))
    {
        None => Ok(()),
        Some(at) => Err(wanted(format!(
            "secrets without white space; number {} has some inside",
            at + 1
        ))),
    }
}

/// What a header says.
struct Signature<'a> {
    /// The time, in digits as they were signed.
    time: &'a str,
    /// The signatures of the scheme `v1`. Others, such as `v0`, prove nothing.
    ones: Vec<Vec<u8>>,
}

/// Reads `t=<seconds>,v1=<hex>[,v1=<hex>...]`, in any order. None without a time, with two, or without a `v1`.
fn read(header: &str) -> Option<Signature<'_>> {
    let mut time = None;
    let mut ones = Vec::new();
    for (scheme, value) in header
        .split(',')
        .filter_map(|part| part.trim().split_once('='))
    {
        match scheme {
            "t" if time.is_some() => return None,
            "t" => time = Some(value),
            "v1" if ones.len() < MAX_SIGNATURES => {
                ones.extend(base16ct::mixed::decode_vec(value).ok());
            }
            _ => {}
        }
    }
    let time =
        time.filter(|time| !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit()))?;
    (!ones.is_empty()).then_some(Signature { time, ones })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_in_any_order() {
        let read = |header| read(header).map(|found| (found.time.to_owned(), found.ones.len()));
        let good = Some(("12".to_owned(), 1));
        for header in [
            "t=12,v1=ab",
            "v1=ab,t=12",
            " t=12 , v0=00, v1=AB ",
            "x,t=12,v1=ab,v1=zz,v2=ab",
        ] {
            assert_eq!(read(header), good, "{header}");
        }
        for header in [
            "",
            "t=12",
            "v1=ab",
            "t=12,v0=ab",
            "t=,v1=ab",
            "t=+12,v1=ab",
            "t=12,t=13,v1=ab",
            "t=12,v1=é",
            "t=1 2,v1=ab",
        ] {
            assert_eq!(read(header), None, "{header}");
        }
    }

    #[test]
    fn secrets_are_checked_and_named_by_their_place() {
        let check = |secrets: &[&str]| {
            let secrets: Vec<String> = secrets.iter().map(|&one| one.to_owned()).collect();
            check_secrets(&secrets)
        };
        assert_eq!(check(&["whsec_a", "whsec_b"]), Ok(()));
        for (secrets, wanted) in [
            (vec![], "at least one"),
            (vec!["whsec_a", "whsec_ b"], "number 2"),
            (vec!["whsec\u{a0}a"], "number 1"),
        ] {
            let Err(Error::Misconfigured { name, wanted: said }) = check(&secrets) else {
                panic!("{secrets:?}");
            };
            assert!(name == SECRETS && said.contains(wanted), "{said}");
        }
    }
}
