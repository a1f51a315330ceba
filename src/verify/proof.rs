//! Checks the signature of a request's whole body, as webhooks have one.

use std::net::IpAddr;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::error::Error;
use crate::hooks::Proof;
use crate::id::subscriber_name;
use crate::isolate::{Edge, turns};
use crate::message::KB;
use crate::runtime::Platform;

/// Bytes of a long body that are hashed without a pause: less than a millisecond.
const PIECE_BYTES: usize = 128 * KB;

/// Whether one of the secrets has made one of the signatures.
///
/// # Errors
/// Those of the proof.
pub(super) async fn check<P: Platform>(
    proof: Proof<'_>,
    body: &[u8],
    address: Option<IpAddr>,
    edge: &Edge<P>,
) -> Result<(), Error> {
    for secret in proof.secrets.iter().filter(|secret| !secret.is_empty()) {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
            continue;
        };
        if turns::is_work(body.len()) {
            turns::before_signature(&subscriber_name(address), body.len(), edge).await;
        }
        mac.update(proof.prefix.as_bytes());
        for (number, piece) in body.chunks(PIECE_BYTES).enumerate() {
            if number > 0 {
                turns::give_way(edge).await;
            }
            mac.update(piece);
        }
        let mut signatures = proof.signatures.iter();
        if signatures.any(|one| mac.clone().verify_slice(one).is_ok()) {
            return proof.outcome;
        }
    }
    Err(proof.refusal)
}
