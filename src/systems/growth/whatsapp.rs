//! `/v1/whatsapp/webhook`, which Meta calls. The edge verifies the signature of the exact bytes; the database
//! interprets the changes. <https://developers.facebook.com/docs/graph-api/webhooks/getting-started>

use http::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::errors;
use crate::config::Config;
use crate::endpoint::{Incoming, Plan};
use crate::error::Error;
use crate::formats::batch;
use crate::hooks::{Proof, Signed};
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

/// What proves that Meta sent a webhook: `sha256=<hex>` with the body's HMAC under the app's secret.
///
/// # Errors
/// 401 without a signature.
pub fn authenticate<'a>(signed: &Signed<'a>, config: &'a Config) -> Result<Proof<'a>, Error> {
    let invalid = || Error::with(&errors::WEBHOOK_SIGNATURE_INVALID, "X-Hub-Signature-256");
    let header = text(signed.headers, SIGNATURE).unwrap_or_default();
    let signature = header.strip_prefix("sha256=");
    let Some(Ok(signature)) = signature.map(base16ct::mixed::decode_vec) else {
        return Err(invalid());
    };
    Ok(Proof {
        secrets: config.text("WHATSAPP_APP_SECRET").into_iter().collect(),
        prefix: String::new(),
        signatures: vec![signature],
        outcome: Ok(()),
        refusal: invalid(),
    })
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

fn payload(body: &[u8]) -> Result<Plan, Error> {
    // A message may contain what PostgreSQL cannot store, and Meta would repeat a refused webhook for days.
    let payload = storable(batch::json_text(body)?);
    Ok(Plan::Call(format!("{{\"payload\":{payload}}}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::native;
    use crate::headers::Headers;

    #[test]
    fn the_signature_is_hexadecimal_behind_its_kind() {
        let edge = native::edge();
        let read = |header: &str| {
            let mut headers = Headers::new();
            if let Ok(value) = http::HeaderValue::from_str(header) {
                headers.insert(SIGNATURE, value);
            }
            let signed = Signed {
                headers: &headers,
                now_ms: 0,
            };
            let proof = authenticate(&signed, &edge.config);
            proof.map(|proof| proof.signatures).ok()
        };
        for header in ["sha256=03cd", "sha256=03CD"] {
            assert_eq!(read(header), Some(vec![vec![0x03, 0xcd]]), "{header}");
        }
        for header in ["03cd", "sha256=03c", "sha256=é", "sha1=03cd", ""] {
            assert_eq!(read(header), None, "{header}");
        }
    }
}
