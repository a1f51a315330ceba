//! Sealing: a secret leaves the edge only in a form that the database cannot read.
//!
//! It is encrypted with AES-256-GCM under a random key, and that key under the newest `KEK_<n>`. Both are bound to the
//! column, the row and the owner, so that a sealed secret cannot be opened in another place. docs/architecture.md
//! describes the format.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::Value;

use crate::endpoint::Secret;
use crate::error::Error;
use crate::id::random;
use crate::isolate::Edge;
use crate::runtime::Platform;

/// The format's version.
const VERSION: &str = "v1";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;

/// The arguments of the function that stores the secret, in JSON: the given ones, `sealed` and `key_version`.
///
/// # Errors
/// [`Error::NotConfigured`] if there is no key to seal with.
pub(super) async fn seal<P: Platform>(secret: Secret, edge: &Edge<P>) -> Result<String, Error> {
    let sealing = edge.config.sealing_key.as_ref();
    let sealing = sealing.ok_or(Error::NotConfigured { variable: "KEK_1" })?;
    let context = [VERSION, secret.column, &secret.row, &secret.owner].join("\0");
    let wrapping = format!("{context}\0KEK_{}", sealing.version);

    let key = random::<KEY_BYTES>()?;
    let wrapped = encrypt(&sealing.bytes, &wrapping, &key, edge).await?;
    let sealed = encrypt(&key, &context, secret.text.as_bytes(), edge).await?;
    let mut arguments = secret.arguments;
    arguments.insert(
        "sealed".into(),
        format!("{VERSION}.{wrapped}.{sealed}").into(),
    );
    arguments.insert("key_version".into(), sealing.version.into());
    Ok(Value::Object(arguments).to_string())
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
