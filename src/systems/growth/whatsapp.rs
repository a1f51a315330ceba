//! `/v1/whatsapp/webhook`, which Meta calls. The edge verifies the signature of the exact bytes; the database
//! interprets the changes. <https://developers.facebook.com/docs/graph-api/webhooks/getting-started>

use hmac::{Hmac, Mac};
use http::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::endpoint::{Call, Identity, Incoming, Plan};
use crate::error::Error;
use crate::formats::batch;
use crate::json::storable::storable;
use crate::message::{self, Response};

/// `GET`: Meta verifies once that the address belongs to the account's owner.
pub fn verify() -> Call {
    Call {
        // Anybody can call this, so it uses the caller's share of connections.
        identity: Identity::Vouched,
        arguments: |incoming, config| {
            let token = incoming.parameter("hub.verify_token").unwrap_or_default();
            if incoming.parameter("hub.mode").as_deref() != Some("subscribe") || token.is_empty() {
                return Err(Error::BadVerifyToken);
            }
            let agreed = config.whatsapp.verify_token.as_deref();
            // Comparing digests, so that the time does not reveal the token.
            if agreed.is_some_and(|agreed| Sha256::digest(agreed) == Sha256::digest(&token)) {
                return Ok(Plan::Answer(challenge(incoming)));
            }
            let token = token.replace('\0', "");
            Ok(Plan::Call(json!({ "token": token }).to_string()))
        },
        answer: |incoming, outcome, _| match outcome? {
            Value::Bool(true) => Ok(challenge(incoming)),
            _ => Err(Error::BadVerifyToken),
        },
        ..Call::new("whatsapp", "verify_token_fits")
    }
}

/// `POST`: a webhook. Meta repeats it for days until it is answered with 200.
pub fn receive() -> Call {
    Call {
        identity: Identity::Edge,
        arguments: |incoming, config| {
            let secret = config.whatsapp.app_secret.as_deref();
            let secret = secret.ok_or(Error::NotConfigured {
                variable: "WHATSAPP_APP_SECRET",
            })?;
            if !is_signed(
                &incoming.body,
                incoming.header("x-hub-signature-256"),
                secret,
            ) {
                return Err(Error::BadSignature);
            }
            payload(&incoming.body)
        },
        answer: |_, outcome, _| {
            outcome.map(|_| message::json(StatusCode::OK, &json!({"status": "ok"})))
        },
        ..Call::new("whatsapp", "receive_webhook")
    }
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
