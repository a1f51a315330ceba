//! Sealing: a secret leaves the edge only in a form that the database cannot read.
//!
//! It is encrypted with AES-256-GCM under a random key, and that key under the newest `KEK_<n>`. Both are bound to the
//! column, the row and the owner, so that a sealed secret cannot be opened in another place. docs/architecture.md
//! describes the format.

use std::fmt::Write as _;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::Value;

use super::arguments;
use crate::endpoint::{Argument, Incoming, Seal};
use crate::error::Error;
use crate::id::random;
use crate::isolate::Edge;
use crate::runtime::Platform;

/// The format's version.
const VERSION: &str = "v1";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;

/// Seals the secret in a request's body. Gives `arguments`, the text of an object, with what is sealed.
///
/// # Errors
/// 422 for a body that has no secret, [`Error::NotConfigured`] if there is no key to seal with.
pub(super) async fn seal<P: Platform>(
    seal: &Seal,
    listed: &[Argument],
    mut arguments: String,
    incoming: &Incoming,
    edge: &Edge<P>,
) -> Result<String, Error> {
    let secret = secret(seal, incoming.json()?)?;
    let sealing = edge.config.sealing_key.as_ref();
    let sealing = sealing.ok_or(Error::NotConfigured {
        variable: "KEK_1".into(),
    })?;
    let text = |name: &str| {
        let text = arguments::text_of(name, listed, incoming)?;
        text.ok_or(Error::Internal("a sealed secret has no row or no owner"))
    };
    let context = [
        VERSION,
        &seal.column,
        &text(&seal.row)?,
        &text(&seal.owner)?,
    ]
    .join("\0");
    let wrapping = format!("{context}\0KEK_{}", sealing.version);

    let key = random::<KEY_BYTES>()?;
    let wrapped = encrypt(&sealing.bytes, &wrapping, &key, edge).await?;
    let sealed = encrypt(&key, &context, secret.as_bytes(), edge).await?;
    // The text is a JSON object, and what is added has no character that JSON escapes.
    arguments.pop();
    let comma = if arguments.len() > 1 { "," } else { "" };
    let version = sealing.version;
    let _ = write!(
        arguments,
        "{comma}\"sealed\":\"{VERSION}.{wrapped}.{sealed}\",\"key_version\":{version}}}"
    );
    Ok(arguments)
}

/// The secret, which is the only field of the body.
fn secret<'a>(seal: &Seal, body: &'a Value) -> Result<&'a str, Error> {
    let fields = body.as_object().filter(|fields| fields.len() == 1);
    let given = fields.and_then(|fields| fields.get(&seal.field)?.as_str());
    let is_good = |text: &&str| {
        (seal.min_bytes..=seal.max_bytes).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic())
    };
    let wanted = || Error::BadSecret {
        wanted: format!(
            "{{\"{}\": \"...\"}}: {} to {} ASCII characters without a space",
            seal.field, seal.min_bytes, seal.max_bytes
        )
        .into(),
    };
    given.filter(is_good).ok_or_else(wanted)
}

/// `nonce.ciphertext`, each in base64url.
async fn encrypt<P: Platform>(
    key: &[u8],
    context: &str,
    data: &[u8],
    edge: &Edge<P>,
) -> Result<String, Error> {
    let nonce = random::<NONCE_BYTES>()?;
    let encrypted = edge.platform.encrypt(key, &nonce, context.as_bytes(), data);
    let encrypted = encrypted.await;
    let encrypted = encrypted.ok_or(Error::Internal("the secret cannot be sealed"))?;
    let text = Base64UrlUnpadded::encode_string;
    Ok(format!("{}.{}", text(&nonce), text(&encrypted)))
}
