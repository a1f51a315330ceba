//! An edge without a Workers runtime: with a clock that tests set, an issuer with a secret (`https://hs.test`), one
//! with a key set (`https://es.test`), and their signatures.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::LazyLock;

use crate::headers::Headers;
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64ct::{Base64UrlUnpadded, Encoding};
use futures_util::{Stream, stream};
use hmac::{Hmac, Mac};
use http::StatusCode;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::config::Config;
use crate::error::Error;
use crate::isolate::{Edge, Isolate};
use crate::message::{Body, Outgoing, Place, ReadFault, Response, SendFault};
use crate::public_key::{Algorithm, PublicKey};
use crate::registry::Registry;
use crate::runtime::{Admission, Platform, Writer};

/// The time at the start, in seconds since 1970.
pub(crate) const NOW: u64 = 1_800_000_000;
/// A publishable key.
pub(crate) const KEY: &str = "rgpub_0123456789abcdef";
const SECRET: &str = "0123456789012345678901234567890123456789";

/// The issuers and the roles that each may assert.
pub(crate) const ISSUERS: [(&str, &[&str]); 2] = [
    (
        "https://hs.test",
        &["anon", "authenticated", "service_role"],
    ),
    ("https://es.test", &["authenticated"]),
];

/// The platform of the tests: with a clock that they set and a key server that counts its requests.
#[derive(Clone)]
pub(crate) struct Native(Rc<Outside>);

/// Decodes as the runtime does: both implement the Encoding Standard.
pub(crate) fn decode(label: &str, bytes: &[u8]) -> Option<String> {
    let encoding = encoding_rs::Encoding::for_label_no_replacement(label.as_bytes())?;
    Some(encoding.decode_with_bom_removal(bytes).0.into_owned())
}

impl std::ops::Deref for Native {
    type Target = Outside;

    fn deref(&self) -> &Outside {
        &self.0
    }
}

/// What tests set and what they count.
pub(crate) struct Outside {
    pub(crate) now_ms: RefCell<u64>,
    pub(crate) checked: RefCell<usize>,
    pub(crate) jwks: RefCell<Option<String>>,
    pub(crate) fetched: RefCell<usize>,
    /// The API tokens that the database knows as live ones, by their hashes.
    pub(crate) live: RefCell<Vec<String>>,
    /// The keys about which the rate limiter was asked.
    pub(crate) limited: RefCell<Vec<String>>,
    pub(crate) logged: RefCell<Vec<String>>,
}

/// A client that takes everything at once.
pub(crate) struct Taken;

impl Writer for Taken {
    async fn write(&self, _: Vec<u8>) -> bool {
        true
    }

    async fn close(&self) {}

    fn break_off(&self) {}

    fn watch(&self, _: bool, _: bool) {}

    fn is_gone(&self) -> bool {
        false
    }

    async fn gone(&self) {
        std::future::pending::<()>().await;
    }

    fn why_gone(&self) -> Option<&'static str> {
        None
    }
}

impl Platform for Native {
    type Body = Vec<u8>;
    type Writer = Taken;
    type AtDatabase = ();

    fn now_ms(&self) -> u64 {
        *self.now_ms.borrow()
    }

    fn place(&self) -> Place {
        Place::default()
    }

    fn log(&self, line: &str) {
        self.logged.borrow_mut().push(line.to_owned());
    }

    fn log_request(&self, line: String) {
        self.logged.borrow_mut().push(line);
    }

    async fn sleep(&self, milliseconds: u32) {
        *self.now_ms.borrow_mut() += u64::from(milliseconds);
    }

    fn at_database(&self) {}

    fn apart(&self) -> Self {
        self.clone()
    }

    async fn verifies(&self, key: &PublicKey, data: &[u8], signature: &[u8]) -> bool {
        *self.checked.borrow_mut() += 1;
        if key.algorithm != Algorithm::Es256 {
            return false;
        }
        let jwk: Value = serde_json::from_str(&key.jwk).unwrap();
        let coordinate =
            |name: &str| Base64UrlUnpadded::decode_vec(jwk[name].as_str().unwrap()).unwrap();
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        let (Ok(key), Ok(signature)) = (
            VerifyingKey::from_sec1_bytes(&point),
            Signature::from_slice(signature),
        ) else {
            return false;
        };
        key.verify(data, &signature).is_ok()
    }

    async fn encrypt(
        &self,
        key: &[u8],
        nonce: &[u8],
        context: &[u8],
        data: &[u8],
    ) -> Option<Vec<u8>> {
        let (cipher, nonce) = aes_gcm(key, nonce)?;
        let (msg, aad) = (data, context);
        cipher.encrypt(&nonce, Payload { msg, aad }).ok()
    }

    async fn decrypt(
        &self,
        key: &[u8],
        nonce: &[u8],
        context: &[u8],
        data: &[u8],
    ) -> Option<Vec<u8>> {
        let (cipher, nonce) = aes_gcm(key, nonce)?;
        let (msg, aad) = (data, context);
        cipher.decrypt(&nonce, Payload { msg, aad }).ok()
    }

    async fn send(
        &self,
        request: &Outgoing<Vec<u8>>,
        _: &dyn Fn(),
    ) -> Result<Response<Vec<u8>>, SendFault> {
        let body = if let Body::Bytes(asked) = &request.body {
            assert!(request.url.ends_with("/rpc/exchange_api_token"));
            let asked: Value = serde_json::from_slice(asked).unwrap();
            let mut live = self.live.borrow().clone().into_iter();
            let id = live.find(|hash| asked["token_hash"] == **hash);
            let expires_at = NOW + 3600;
            let grant = |id| json!({"id": id, "user_id": null, "scopes": {}, "account": {}, "expires_at": expires_at});
            json!(id.map(grant)).to_string()
        } else {
            assert_eq!(request.url, "https://es.test/jwks");
            *self.fetched.borrow_mut() += 1;
            self.jwks.borrow().clone().ok_or(SendFault::Unreachable)?
        };
        Ok(Response {
            status: StatusCode::OK,
            headers: Headers::new(),
            body: Body::Bytes(body.into_bytes()),
        })
    }

    fn watched(&self, socket: Vec<u8>) -> Vec<u8> {
        socket
    }

    async fn read(&self, body: Vec<u8>, _: usize, _: u32) -> Result<Vec<u8>, ReadFault> {
        Ok(body)
    }

    async fn read_request(
        &self,
        body: Vec<u8>,
        _: Option<usize>,
        _: usize,
        _: u32,
    ) -> Result<Vec<u8>, ReadFault> {
        Ok(body)
    }

    async fn whole(&self, body: Vec<u8>, _: usize, _: u32) -> Result<Body<Vec<u8>>, ReadFault> {
        Ok(Body::Bytes(body))
    }

    fn chunks(
        &self,
        body: Vec<u8>,
        is_zipped: bool,
        _: usize,
        _: u32,
    ) -> impl Stream<Item = Result<Vec<u8>, ReadFault>> {
        let chunks: Vec<_> = body.chunks(7).map(|chunk| Ok(chunk.to_vec())).collect();
        stream::iter(if is_zipped {
            vec![Err(ReadFault::Broken)]
        } else {
            chunks
        })
    }

    fn pieces(
        &self,
        body: Vec<u8>,
        limit: usize,
        idle_ms: u32,
        _: impl Fn(usize) -> u32,
    ) -> impl Stream<Item = Result<Vec<u8>, ReadFault>> {
        self.chunks(body, false, limit, idle_ms)
    }

    async fn bounded(&self, body: Vec<u8>, limit: usize) -> Result<Body<Vec<u8>>, ReadFault> {
        if body.len() > limit {
            return Err(ReadFault::TooLarge);
        }
        Ok(Body::Stream(body))
    }

    async fn unzip(
        &self,
        _: &[u8],
        _: usize,
        _: u32,
        _: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Vec<u8>, ReadFault> {
        Err(ReadFault::Broken)
    }

    async fn document(&self, name: &str) -> Option<String> {
        (name == "openapi.json")
            .then(|| "0\n{\"schemas\":{\"a\":1\u{1e}},\"paths\":{\"/b\":2\u{1e}}}".to_owned())
    }

    fn decode(label: &str, bytes: &[u8]) -> Option<String> {
        decode(label, bytes)
    }

    fn pushed(&self, _: u32) -> Result<(Vec<u8>, Taken), Error> {
        Ok((Vec::new(), Taken))
    }

    fn outlive(&self, work: impl Future<Output = ()> + 'static) {
        pollster::block_on(work);
    }

    fn background(&self, work: impl Future<Output = ()> + 'static) {
        pollster::block_on(work);
    }

    async fn admit(&self, key: impl FnOnce() -> Result<String, Error>) -> Result<Admission, Error> {
        self.limited.borrow_mut().push(key()?);
        Ok(Admission::Granted)
    }

    async fn cache_get(&self, _: &str) -> Option<Response<Vec<u8>>> {
        None
    }

    async fn cache_put(&self, _: &str, _: Response<()>, _: u32) {}
}

/// AES-256-GCM with a key, and a nonce of its size.
fn aes_gcm(key: &[u8], nonce: &[u8]) -> Option<(Aes256Gcm, Nonce<U12>)> {
    let nonce: [u8; 12] = nonce.try_into().ok()?;
    Some((
        <Aes256Gcm as aes_gcm::KeyInit>::new_from_slice(key).ok()?,
        nonce.into(),
    ))
}

/// The key set of `https://es.test`, made once: deriving a public key is slow.
static JWKS: LazyLock<String> = LazyLock::new(|| json!({"keys": [jwk("a")]}).to_string());

/// A new edge that trusts both issuers.
pub(crate) fn edge() -> Edge<Native> {
    let [hs, es] = ISSUERS;
    edge_of(&[with_secret(hs.0, hs.1), with_keys(es.0, es.1)])
}

/// An entry of `ISSUERS` with the secret.
pub(crate) fn with_secret(issuer: &str, roles: &[&str]) -> Value {
    json!({"issuer": issuer, "audience": "authenticated", "roles": roles, "secret": SECRET})
}

/// An entry of `ISSUERS` with the key set.
pub(crate) fn with_keys(issuer: &str, roles: &[&str]) -> Value {
    let url = "https://es.test/jwks";
    json!({"issuer": issuer, "audience": "authenticated", "roles": roles, "jwks_url": url})
}

/// A new edge that trusts these issuers.
pub(crate) fn edge_of(issuers: &[Value]) -> Edge<Native> {
    edge_with(issuers, Registry::default(), |_| None)
}

/// A new edge that serves what a registry has, with these variables beside its own.
#[cfg(test)]
pub(crate) fn edge_serving(
    registry: Registry,
    more: impl Fn(&str) -> Option<String>,
) -> Edge<Native> {
    let [hs, es] = ISSUERS;
    let issuers = [with_secret(hs.0, hs.1), with_keys(es.0, es.1)];
    edge_with(&issuers, registry, more)
}

fn edge_with(
    issuers: &[Value],
    registry: Registry,
    more: impl Fn(&str) -> Option<String>,
) -> Edge<Native> {
    let issuers = Value::from(issuers);
    let variable = |name: &str| match name {
        "POSTGREST_URL" => Some("http://127.0.0.1:3000".to_owned()),
        "EDGE_SIGNING_KEY" => Some("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE".to_owned()),
        "ISSUERS" => Some(issuers.to_string()),
        "PUBLISHABLE_KEYS" => Some(KEY.to_owned()),
        _ => more(name),
    };
    let platform = Native(Rc::new(Outside {
        now_ms: RefCell::new(NOW * 1000),
        checked: RefCell::new(0),
        jwks: RefCell::new(Some(JWKS.clone())),
        fetched: RefCell::new(0),
        live: RefCell::default(),
        limited: RefCell::default(),
        logged: RefCell::default(),
    }));
    let config = Config::read(variable, &registry.schemas, &registry.variables);
    let config = config.ok().unwrap();
    Edge::new(Rc::new(Isolate::new(config, registry)), platform)
}

fn signer() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).unwrap()
}

/// The public key of `https://es.test`, under any `kid`.
pub(crate) fn jwk(kid: &str) -> Value {
    let point = signer().verifying_key().to_encoded_point(false);
    let text = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
    json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": text(point.x().unwrap()), "y": text(point.y().unwrap())})
}

/// The signed part of a token: any header, any payload.
pub(crate) fn joined(header: &[u8], payload: &[u8]) -> String {
    let text = Base64UrlUnpadded::encode_string;
    format!("{}.{}", text(header), text(payload))
}

/// A token signed with the secret of `https://hs.test`.
pub(crate) fn hs256_text(signed: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    let mac = mac.chain_update(signed).finalize().into_bytes();
    format!("{signed}.{}", Base64UrlUnpadded::encode_string(&mac))
}

/// A token signed with the key of `https://es.test`.
pub(crate) fn es256_text(signed: &str) -> String {
    let signature: Signature = signer().sign(signed.as_bytes());
    format!(
        "{signed}.{}",
        Base64UrlUnpadded::encode_string(&signature.to_bytes())
    )
}
