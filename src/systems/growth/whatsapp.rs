//! `/v1/whatsapp/webhook`, which Meta calls. The edge verifies the signature of the exact bytes; the database
//! interprets the changes. <https://developers.facebook.com/docs/graph-api/webhooks/getting-started>

use hmac::{Hmac, Mac};
use http::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::errors;
use crate::config::Config;
use crate::endpoint::{Incoming, Plan};
use crate::error::Error;
use crate::formats::batch;
use crate::hooks::Signed;
use crate::json::storable::storable;
use crate::message::{self, Response, text};

/// The header with the signature.
const SIGNATURE: &str = "x-hub-signature-256";

/// The arguments of `GET`: Meta verifies once that the address belongs to the account's owner.
pub fn verify(incoming: &Incoming, config: &Config) -> Result<Plan, Error> {
    let token = incoming.parameter("hub.verify_token").unwrap_or_default();
    if incoming.parameter("hub.mode").as_deref() != Some("subscribe") || token.is_empty() {
        return Err(Error::of(&errors::WEBHOOK_VERIFY_TOKEN_INVALID));
    }
    let agreed = config.text("WHATSAPP_VERIFY_TOKEN");
    // Comparing digests, so that the time does not reveal the token.
    if agreed.is_some_and(|agreed| Sha256::digest(agreed) == Sha256::digest(&token)) {
        return Ok(Plan::Answer(challenge(incoming)));
    }
    let token = token.replace('\0', "");
    Ok(Plan::Call(json!({ "token": token }).to_string()))
}

/// The answer to `GET`.
///
/// # Errors
/// The outcome's, or 403 if no account has the token.
pub fn verified(
    incoming: &Incoming,
    outcome: Result<Value, Error>,
    _: &Config,
) -> Result<Response<()>, Error> {
    match outcome? {
        Value::Bool(true) => Ok(challenge(incoming)),
        _ => Err(Error::of(&errors::WEBHOOK_VERIFY_TOKEN_INVALID)),
    }
}

/// Checks that Meta sent a webhook.
///
/// # Errors
/// 401 if the app's secret did not sign the body.
pub fn authenticate(signed: &Signed<'_>, config: &Config) -> Result<(), Error> {
    let secret = config.text("WHATSAPP_APP_SECRET").unwrap_or_default();
    let header = text(signed.headers, SIGNATURE).unwrap_or_default();
    if !secret.is_empty() && is_signed(signed.body, header, secret) {
        return Ok(());
    }
    Err(Error::with(
        &errors::WEBHOOK_SIGNATURE_INVALID,
        "X-Hub-Signature-256",
    ))
}

/// The arguments of `POST`: a webhook. Meta repeats it for days until it is answered with 200.
pub fn receive(incoming: &Incoming, _: &Config) -> Result<Plan, Error> {
    payload(incoming.body.to_parse())
}

/// The answer to `POST`.
///
/// # Errors
/// The outcome's.
pub fn received(
    _: &Incoming,
    outcome: Result<Value, Error>,
    _: &Config,
) -> Result<Response<()>, Error> {
    outcome.map(|_| message::json(StatusCode::OK, &json!({"status": "ok"})))
}

/// The challenge, which Meta expects as plain text.
fn challenge(incoming: &Incoming) -> Response<()> {
    let challenge = incoming.parameter("hub.challenge").unwrap_or_default();
    let challenge: String = challenge.chars().take(200).collect();
    message::bytes(StatusCode::OK, "text/plain; charset=utf-8", challenge)
}

/// Whether the header is `sha256=<hex>` with the body's HMAC under the app's secret.
fn is_signed(body: &[u8], header: &str, secret: &str) -> bool {
    let signature = header.strip_prefix("sha256=");
    let Some(Ok(signature)) = signature.map(base16ct::mixed::decode_vec) else {
        return false;
    };
    Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .is_ok_and(|mac| mac.chain_update(body).verify_slice(&signature).is_ok())
}

fn payload(body: &[u8]) -> Result<Plan, Error> {
    // A message may contain what PostgreSQL cannot store, and Meta would repeat a refused webhook for days.
    let payload = storable(batch::json_text(body)?);
    Ok(Plan::Call(format!("{{\"payload\":{payload}}}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_covers_the_exact_bytes() {
        let good = "sha256=0329a06b62cd16b33eb6792be8c60b158d89a2ee3a876fce9a881ebb488c0914";
        assert!(is_signed(b"test", good, "secret"));
        assert!(is_signed(b"test", &good.replace("cd16", "CD16"), "secret"));
        for (body, header, secret) in [
            ("test ", good, "secret"),
            ("test", good, "Secret"),
            ("test", good.trim_start_matches("sha256="), "secret"),
            ("test", good.strip_suffix("14").unwrap(), "secret"),
            ("test", good.strip_suffix("4").unwrap(), "secret"),
            ("test", &format!("{good}00"), "secret"),
            ("test", "sha256=", "secret"),
            ("test", "sha256=é", "secret"),
            ("test", "", "secret"),
        ] {
            assert!(!is_signed(body.as_bytes(), header, secret), "{header}");
        }
    }
}
