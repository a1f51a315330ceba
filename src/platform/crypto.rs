//! WebCrypto: checks signatures, encrypts and decrypts.

use std::cell::RefCell;

use js_sys::{Array, Object, Reflect, Uint8Array};
use rustc_hash::FxHashMap;
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};
use worker::console_error;
use worker::web_sys::{self, CryptoKey};

use super::waits::PromiseFuture;
use super::{bridge, message};
use crate::public_key::{Algorithm, PublicKey};

/// The most imported keys that are cached; issuers have fewer.
const MAX_IMPORTED_KEYS: usize = 64;

thread_local! {
    /// By their parameters, which come from trusted issuers.
    static IMPORTED_KEYS: RefCell<FxHashMap<String, Option<ImportedKey>>> = RefCell::default();
}

/// A key of WebCrypto with everything that a check needs.
struct ImportedKey {
    parameters: Object,
    key: CryptoKey,
}

impl ImportedKey {
    /// Starts a check. What is checked is not copied into JavaScript's memory.
    fn check(&self, data: &[u8], signature: &[u8]) -> Result<PromiseFuture, JsValue> {
        PromiseFuture::started(|wait| {
            bridge::verify(wait, &self.parameters, &self.key, signature, data)
        })
    }
}

/// It has not been tried to import the key.
struct NotImported;

/// Starts a check; none if WebCrypto does not take the key or the signature.
fn check(
    key: &PublicKey,
    data: &[u8],
    signature: &[u8],
) -> Result<Option<PromiseFuture>, NotImported> {
    IMPORTED_KEYS.with_borrow(|known| {
        let imported = known.get(&key.jwk).ok_or(NotImported)?.as_ref();
        Ok(imported.and_then(|imported| imported.check(data, signature).ok()))
    })
}

pub(super) async fn verifies(key: &PublicKey, data: &[u8], signature: &[u8]) -> bool {
    let mut checking = check(key, data, signature);
    if checking.is_err() {
        import_once(key).await;
        checking = check(key, data, signature);
    }
    match checking {
        Ok(Some(checking)) => checking.await.is_ok(),
        Ok(None) | Err(NotImported) => false,
    }
}

/// Imports a key and caches the result, also the failure.
async fn import_once(key: &PublicKey) {
    let imported = import(key).await;
    if let Err(fault) = &imported {
        let kid: Option<String> = key.kid.as_ref().map(|kid| kid.chars().take(128).collect());
        console_error!(
            "{}",
            serde_json::json!({"event": "key_refused", "kid": kid, "message": message(fault)})
        );
    }
    let imported = imported.ok();
    IMPORTED_KEYS.with_borrow_mut(|known| {
        if known.len() >= MAX_IMPORTED_KEYS {
            known.clear();
        }
        known.insert(key.jwk.clone(), imported);
    });
}

async fn import(key: &PublicKey) -> Result<ImportedKey, JsValue> {
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    let subtle = scope.crypto()?.subtle();
    let parameters = parameters(key.algorithm)?;
    let jwk: Object = js_sys::JSON::parse(&key.jwk)?.unchecked_into();
    let usages = Array::of1(&"verify".into());
    let importing = subtle.import_key_with_object("jwk", &jwk, &parameters, false, &usages)?;
    Ok(ImportedKey {
        key: PromiseFuture::of(&importing).await?.dyn_into()?,
        parameters,
    })
}

/// What is done with a key.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    Encrypt,
    Decrypt,
}

/// Encrypts or decrypts with AES-256-GCM.
pub(super) async fn aes_gcm(
    direction: Direction,
    key: &[u8],
    nonce: &[u8],
    context: &[u8],
    data: &[u8],
) -> Result<Vec<u8>, JsValue> {
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    let subtle = scope.crypto()?.subtle();
    let parameters = Object::new();
    for (name, value) in [
        ("name", JsValue::from_str("AES-GCM")),
        ("iv", Uint8Array::from(nonce).into()),
        ("additionalData", Uint8Array::from(context).into()),
    ] {
        Reflect::set(&parameters, &JsValue::from_str(name), &value)?;
    }
    let usage = match direction {
        Direction::Encrypt => "encrypt",
        Direction::Decrypt => "decrypt",
    };
    let usages = Array::of1(&usage.into());
    let importing = subtle.import_key_with_object(
        "raw",
        &Uint8Array::from(key).into(),
        &parameters,
        false,
        &usages,
    )?;
    let key: CryptoKey = PromiseFuture::of(&importing).await?.dyn_into()?;
    let data = Uint8Array::from(data);
    let working = match direction {
        Direction::Encrypt => subtle.encrypt_with_object_and_js_u8_array(&parameters, &key, &data),
        Direction::Decrypt => subtle.decrypt_with_object_and_js_u8_array(&parameters, &key, &data),
    }?;
    Ok(Uint8Array::new(&PromiseFuture::of(&working).await?).to_vec())
}

/// An algorithm in WebCrypto's form, for importing a key and verifying with it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    named_curve: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    salt_length: Option<u8>,
}

fn parameters(algorithm: Algorithm) -> Result<Object, JsValue> {
    let with = |name, named_curve, hash, salt_length| Parameters {
        name,
        named_curve,
        hash,
        salt_length,
    };
    let ecdsa = |curve, hash| with("ECDSA", Some(curve), Some(hash), None);
    let pkcs1 = |hash| with("RSASSA-PKCS1-v1_5", None, Some(hash), None);
    // The salt is as long as the hash (RFC 7518, section 3.5).
    let pss = |hash, salt_length| with("RSA-PSS", None, Some(hash), Some(salt_length));
    let made = match algorithm {
        Algorithm::Es256 => ecdsa("P-256", "SHA-256"),
        Algorithm::Es384 => ecdsa("P-384", "SHA-384"),
        Algorithm::Es512 => ecdsa("P-521", "SHA-512"),
        Algorithm::Rs256 => pkcs1("SHA-256"),
        Algorithm::Rs384 => pkcs1("SHA-384"),
        Algorithm::Rs512 => pkcs1("SHA-512"),
        Algorithm::Ps256 => pss("SHA-256", 32),
        Algorithm::Ps384 => pss("SHA-384", 48),
        Algorithm::Ps512 => pss("SHA-512", 64),
        Algorithm::EdDsa => with("Ed25519", None, None, None),
        Algorithm::Hs256 => return Err("HS256 keys are not public".into()),
    };
    let text = serde_json::to_string(&made).map_err(|error| error.to_string())?;
    Ok(js_sys::JSON::parse(&text)?.unchecked_into())
}
