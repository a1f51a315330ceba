//! Tests of the stage, on the platform of [`crate::fuzzing::native`].

use crate::headers::Headers;
use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, Mac};
use http::{HeaderValue, Method};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::Sha256;

use super::keys::{KeySet, parse};
use super::*;
use crate::fuzzing::native::{self, NOW, Native, edge, es256_text, hs256_text, jwk};
use crate::hooks::Proof;
use crate::id;
use crate::message::text;
use crate::registry::Registry;
use crate::{config, endpoint};

mod properties;

const NOW_FLOAT: f64 = 1_800_000_000.0;
const SUB: &str = "11111111-1111-4111-8111-111111111111";

/// Valid claims.
fn claims(issuer: &str) -> Value {
    json!({"iss": issuer, "aud": "authenticated", "sub": SUB, "role": "authenticated", "exp": NOW + 60})
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn parts(header: &Value, claims: &Value) -> String {
    native::joined(header.to_string().as_bytes(), claims.to_string().as_bytes())
}

fn hs256(claims: &Value) -> String {
    hs256_text(&parts(&json!({"alg": "HS256"}), claims))
}

fn es256(header: &Value, claims: &Value) -> String {
    es256_text(&parts(header, claims))
}

/// A signed token with any payload.
fn es256_bytes(payload: &[u8]) -> String {
    let header = br#"{"alg":"ES256"}"#;
    es256_text(&native::joined(header, payload))
}

fn request(headers: &[(&'static str, &str)]) -> Request<Vec<u8>> {
    let mut map = Headers::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_str(value).unwrap());
    }
    Request {
        id: "test".into(),
        method: Method::GET,
        path: "/".into(),
        query: String::new(),
        headers: map,
        body: None,
        read: None,
        held: None,
        address: None,
    }
}

#[test]
fn a_live_api_token_is_exchanged_again_whatever_its_address_sends() {
    let edge = edge();
    let address = "203.0.113.7".parse().ok();
    let exchange =
        |text: &str| pollster::block_on(api_token::exchange(text, address, &edge)).map(|_| ());
    let pass = |seconds: u64| *edge.platform.now_ms.borrow_mut() += seconds * 1000;
    let wrong_until_refused = || {
        let refused = (0..100).find_map(|_| {
            exchange(&api_token::make().unwrap().text)
                .err()
                .filter(|error| *error != Error::BadApiToken)
        });
        assert_eq!(refused, Some(Error::TooManyRequests));
    };
    let live: Vec<_> = (0..30).map(|_| api_token::make().unwrap()).collect();
    let hashes = live.iter().map(|made| made.hash.clone());
    edge.platform.live.borrow_mut().extend(hashes);
    for made in &live {
        assert_eq!(exchange(&made.text), Ok(()));
    }
    wrong_until_refused();
    for _ in 0..3 {
        pass(31);
        wrong_until_refused();
        for made in &live {
            assert_eq!(exchange(&made.text), Ok(()));
        }
    }
    // One whose request was dropped without notice is asked about again.
    pass(31);
    let now_ms = edge.platform.now_ms();
    let mut tokens = edge.api_tokens.borrow_mut();
    tokens.begin(id::digest(&live[0].text), now_ms + 5000);
    drop(tokens);
    assert_eq!(exchange(&live[0].text), Ok(()));
    // One that is revoked counts as any other.
    let revoked = edge.platform.live.borrow_mut().pop().unwrap();
    let revoked = live.iter().find(|made| made.hash == revoked).unwrap();
    pass(31);
    wrong_until_refused();
    assert_eq!(exchange(&revoked.text), Err(Error::BadApiToken));
    pass(31);
    wrong_until_refused();
    assert_eq!(exchange(&revoked.text), Err(Error::TooManyRequests));
}

fn ask(
    edge: &Edge<Native>,
    access: Access,
    headers: &[(&'static str, &str)],
) -> Result<Caller, Error> {
    pollster::block_on(caller(access, &request(headers), edge))
}

fn ask_with(edge: &Edge<Native>, token: &str) -> Result<Caller, Error> {
    ask(
        edge,
        Access::Keyed,
        &[("authorization", &format!("Bearer {token}"))],
    )
}

fn fault(edge: &Edge<Native>, token: &str) -> Option<TokenFault> {
    match ask_with(edge, token) {
        Ok(_) => None,
        Err(Error::BadToken(fault)) => Some(fault),
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn a_valid_token_goes_upstream_unchanged() {
    let edge = edge();
    let header = json!({"alg": "ES256", "kid": "a", "typ": "JWT"});
    for token in [
        hs256(&claims("https://hs.test")),
        es256(&header, &claims("https://es.test")),
    ] {
        assert_eq!(
            ask_with(&edge, &token).unwrap().token(),
            Some(token.as_str())
        );
    }
}

#[test]
fn claims_are_checked_against_their_issuer() {
    let edge = edge();
    let good = claims("https://hs.test");
    let cases = [
        (good.clone(), None),
        (
            with(good.clone(), "aud", json!(["other", "authenticated"])),
            None,
        ),
        (with(good.clone(), "exp", json!(NOW - 29)), None),
        (
            with(good.clone(), "exp", json!(NOW - 31)),
            Some(TokenFault::Expired),
        ),
        (with(good.clone(), "exp", json!(NOW_FLOAT - 29.75)), None),
        (
            with(good.clone(), "exp", json!(NOW_FLOAT - 30.25)),
            Some(TokenFault::Expired),
        ),
        (with(good.clone(), "nbf", json!(NOW_FLOAT + 29.75)), None),
        (
            with(good.clone(), "nbf", json!(NOW_FLOAT + 30.25)),
            Some(TokenFault::NotYetValid),
        ),
        (with(good.clone(), "nbf", json!(NOW + 29)), None),
        (
            with(good.clone(), "nbf", json!(NOW + 31)),
            Some(TokenFault::NotYetValid),
        ),
        (
            with(good.clone(), "iat", json!(NOW + 31)),
            Some(TokenFault::NotYetValid),
        ),
        (
            with(good.clone(), "exp", json!("never")),
            Some(TokenFault::Malformed),
        ),
        (without(good.clone(), "exp"), Some(TokenFault::Claims)),
        (without(good.clone(), "iss"), Some(TokenFault::Claims)),
        (
            with(good.clone(), "iss", json!("https://hs.test/")),
            Some(TokenFault::Claims),
        ),
        (without(good.clone(), "aud"), Some(TokenFault::Claims)),
        (
            with(good.clone(), "aud", json!("Authenticated")),
            Some(TokenFault::Claims),
        ),
        (without(good.clone(), "sub"), Some(TokenFault::Claims)),
        (
            with(good.clone(), "sub", json!("auth0|1")),
            Some(TokenFault::Claims),
        ),
        (
            with(
                good.clone(),
                "sub",
                json!("11111111-1111-4111-8111-11111111111g"),
            ),
            Some(TokenFault::Claims),
        ),
        (without(good.clone(), "role"), Some(TokenFault::Claims)),
        (
            with(good.clone(), "role", json!("postgres")),
            Some(TokenFault::Claims),
        ),
        (
            with(good.clone(), "role", json!("edge")),
            Some(TokenFault::Claims),
        ),
        // The other issuer's name under this issuer's key.
        (claims("https://es.test"), Some(TokenFault::Signature)),
    ];
    for (claims, wanted) in cases {
        assert_eq!(fault(&edge, &hs256(&claims)), wanted, "{claims}");
    }
}

#[test]
fn forged_and_malformed_tokens_are_refused() {
    let edge = edge();
    let good = claims("https://es.test");
    let header = |name: &str, value: Value| with(json!({"alg": "ES256", "kid": "a"}), name, value);
    let other: Signature = SigningKey::from_slice(&[8; 32]).unwrap().sign(b"x");
    let signed = parts(&header("typ", json!("JWT")), &good);
    let cases = [
        (es256(&header("typ", json!("at+jwt")), &good), None),
        (
            es256(&without(header("kid", json!("a")), "kid"), &good),
            None,
        ),
        (
            es256(&header("kid", json!("b")), &good),
            Some(TokenFault::Signature),
        ),
        (
            es256(&header("kid", json!("x".repeat(129))), &good),
            Some(TokenFault::Malformed),
        ),
        (
            es256(&header("alg", json!("none")), &good),
            Some(TokenFault::Malformed),
        ),
        (
            es256(&header("alg", json!("es256")), &good),
            Some(TokenFault::Malformed),
        ),
        (
            es256(&header("alg", json!("RS256")), &good),
            Some(TokenFault::Signature),
        ),
        (
            es256(&header("alg", json!("HS256")), &good),
            Some(TokenFault::Signature),
        ),
        (
            es256(&header("crit", json!(["exp"])), &good),
            Some(TokenFault::Malformed),
        ),
        (
            es256(&header("b64", json!(false)), &good),
            Some(TokenFault::Malformed),
        ),
        (
            es256(&header("enc", json!("A128GCM")), &good),
            Some(TokenFault::Malformed),
        ),
        (
            es256(&header("crit", json!(null)), &good),
            Some(TokenFault::Malformed),
        ),
        (
            es256(&header("b64", json!(null)), &good),
            Some(TokenFault::Malformed),
        ),
        (
            es256(&header("enc", json!(null)), &good),
            Some(TokenFault::Malformed),
        ),
        (
            es256(&header("typ", json!("dpop+jwt")), &good),
            Some(TokenFault::Malformed),
        ),
        (es256(&header("typ", json!("application/JWT")), &good), None),
        (
            es256(&header("typ", json!("application/application/jwt")), &good),
            Some(TokenFault::Malformed),
        ),
        (
            format!("{}.", parts(&json!({"alg": "none"}), &good)),
            Some(TokenFault::Malformed),
        ),
        (format!("{signed}."), Some(TokenFault::Signature)),
        (
            format!(
                "{signed}.{}",
                Base64UrlUnpadded::encode_string(&other.to_bytes())
            ),
            Some(TokenFault::Signature),
        ),
        (
            format!("{}=", es256(&header("typ", json!("JWT")), &good)),
            Some(TokenFault::Malformed),
        ),
        ("a.b.c".into(), Some(TokenFault::Malformed)),
        ("..".into(), Some(TokenFault::Malformed)),
        ("x".repeat(8193), Some(TokenFault::Malformed)),
        (
            es256(
                &header("typ", json!("JWT")),
                &with(good.clone(), "pad", json!("x".repeat(8192))),
            ),
            Some(TokenFault::Malformed),
        ),
    ];
    for (token, wanted) in cases {
        assert_eq!(fault(&edge, &token), wanted, "{token}");
    }
}

#[test]
fn an_issuer_may_have_a_secret_and_keys_with_roles_of_their_own() {
    let iss = "https://moving.test";
    let entries = [
        native::with_secret(iss, &["anon", "authenticated"]),
        native::with_keys(iss, &["authenticated", "service_role"]),
    ];
    let claims = |role: &str| with(claims(iss), "role", json!(role));
    let header = |alg: &str| json!({"alg": alg});
    let cases = [
        (hs256(&claims("authenticated")), None),
        (hs256(&claims("anon")), None),
        (hs256(&claims("service_role")), Some(TokenFault::Claims)),
        (es256(&header("ES256"), &claims("authenticated")), None),
        (es256(&header("ES256"), &claims("service_role")), None),
        (
            es256(&header("ES256"), &claims("anon")),
            Some(TokenFault::Claims),
        ),
        (
            es256(&header("HS256"), &claims("authenticated")),
            Some(TokenFault::Signature),
        ),
        (
            hs256_text(&parts(&header("ES256"), &claims("authenticated"))),
            Some(TokenFault::Signature),
        ),
        (
            hs256_text(&parts(&header("RS256"), &claims("authenticated"))),
            Some(TokenFault::Signature),
        ),
    ];
    let [first, second] = entries.clone();
    for entries in [entries, [second, first]] {
        let edge = native::edge_of(&entries);
        for (token, wanted) in &cases {
            assert_eq!(fault(&edge, token), *wanted, "{token}");
        }
    }
}

#[test]
fn claims_must_be_one_object_in_utf8() {
    let edge = edge();
    let good = claims("https://es.test").to_string();
    let beside = |text: &[u8]| [b"{\"x\":\"", text, b"\",", &good.as_bytes()[1..]].concat();
    let listed = json!([
        "https://es.test",
        "authenticated",
        SUB,
        "authenticated",
        NOW + 60,
        null,
        null
    ]);
    let cases = [
        (good.clone().into_bytes(), None),
        (format!(" \r\n\t{good}\n").into_bytes(), None),
        (beside("ä".as_bytes()), None),
        (beside(b"\xff"), Some(TokenFault::Malformed)),
        (beside(b"\xed\xa0\x80"), Some(TokenFault::Malformed)),
        (listed.to_string().into_bytes(), Some(TokenFault::Malformed)),
        (
            format!("\u{feff}{good}").into_bytes(),
            Some(TokenFault::Malformed),
        ),
        (
            format!("{good}{good}").into_bytes(),
            Some(TokenFault::Malformed),
        ),
        (Vec::new(), Some(TokenFault::Malformed)),
    ];
    for (payload, wanted) in cases {
        let text = String::from_utf8_lossy(&payload);
        assert_eq!(fault(&edge, &es256_bytes(&payload)), wanted, "{text}");
    }
}

#[test]
fn a_valid_mac_does_not_excuse_bad_claims() {
    let edge = edge();
    let good = claims("https://hs.test");
    let cases = [
        (with(good.clone(), "nbf", json!(null)), None),
        (with(good.clone(), "iat", json!(null)), None),
        (with(good.clone(), "exp", json!(1e300)), None),
        (
            with(good.clone(), "exp", json!(null)),
            Some(TokenFault::Claims),
        ),
    ];
    for (claims, wanted) in cases {
        assert_eq!(fault(&edge, &hs256(&claims)), wanted, "{claims}");
    }
    let token = hs256(&good);
    let (signed, mac) = token.rsplit_once('.').unwrap();
    let mac = Base64UrlUnpadded::decode_vec(mac).unwrap();
    for length in [0, 1, 16, 31] {
        let token = format!(
            "{signed}.{}",
            Base64UrlUnpadded::encode_string(&mac[..length])
        );
        assert_eq!(
            fault(&edge, &token),
            Some(TokenFault::Signature),
            "{length}"
        );
    }
}

#[test]
fn a_token_has_at_most_8192_bytes() {
    let edge = edge();
    let lengths: Vec<usize> = (5900..6000)
        .map(|pad| {
            let token = hs256(&with(
                claims("https://hs.test"),
                "pad",
                json!("x".repeat(pad)),
            ));
            let wanted = (token.len() > 8192).then_some(TokenFault::Malformed);
            assert_eq!(fault(&edge, &token), wanted, "{}", token.len());
            token.len()
        })
        .collect();
    assert!(
        lengths.contains(&8192) && lengths.contains(&8193),
        "{lengths:?}"
    );
}

#[test]
fn a_bad_authorization_is_never_anonymous() {
    let edge = edge();
    let key = ("apikey", "rgpub_0123456789abcdef");
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Basic dTpw",
        "Bearer a, Bearer b",
        "Bearer  a.b.c",
    ] {
        for access in [Access::Open, Access::Keyed] {
            assert_eq!(
                ask(&edge, access, &[("authorization", value), key]),
                Err(Error::BadAuthorization),
                "{value}"
            );
        }
    }
    assert_eq!(ask(&edge, Access::Keyed, &[]), Err(Error::NoApiKey));
    assert_eq!(
        ask(
            &edge,
            Access::Keyed,
            &[("apikey", "rgpub_other_0123456789")]
        ),
        Err(Error::BadApiKey)
    );
    assert_eq!(
        ask(&edge, Access::Open, &[("apikey", "rgpub_other_0123456789")]),
        Err(Error::BadApiKey)
    );
}

#[test]
fn a_key_in_both_headers_is_not_a_user() {
    let edge = edge();
    let key = "rgpub_0123456789abcdef";
    let bearer = format!("Bearer {key}");
    assert_eq!(
        ask(
            &edge,
            Access::Keyed,
            &[("apikey", key), ("authorization", &bearer)]
        )
        .unwrap()
        .token(),
        None
    );
    assert_eq!(
        ask(&edge, Access::Keyed, &[("authorization", &bearer)])
            .unwrap()
            .token(),
        None
    );
    let anon = hs256(&without(
        with(claims("https://hs.test"), "role", json!("anon")),
        "sub",
    ));
    let bearer = format!("Bearer {anon}");
    assert_eq!(
        ask(
            &edge,
            Access::Keyed,
            &[("apikey", &anon), ("authorization", &bearer)]
        )
        .unwrap()
        .token(),
        None
    );
    let mut request = request(&[]);
    request.query = format!("select=id&apikey={key}");
    assert!(pollster::block_on(caller(Access::Keyed, &request, &edge)).is_ok());
}

#[test]
fn a_service_token_is_for_servers() {
    let edge = edge();
    let service = hs256(&without(
        with(claims("https://hs.test"), "role", json!("service_role")),
        "sub",
    ));
    let bearer = format!("Bearer {service}");
    let headers = [
        ("apikey", service.as_str()),
        ("authorization", bearer.as_str()),
    ];
    assert_eq!(
        ask(&edge, Access::Keyed, &headers).unwrap().token(),
        Some(service.as_str())
    );
    let user = format!("Bearer {}", hs256(&claims("https://hs.test")));
    let beside_a_user = [headers[0], ("authorization", user.as_str())];
    assert!(ask(&edge, Access::Keyed, &beside_a_user).unwrap().is_user());
    let publishable = [("apikey", "rgpub_0123456789abcdef"), headers[1]];
    let fetch_mode = ("sec-fetch-mode", "cors");
    for browsers in [
        ("origin", "https://www.example.org"),
        ("origin", "null"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
        ("sec-fetch-dest", "empty"),
    ] {
        for [first, second] in [headers, beside_a_user, publishable] {
            let from_server = [first, second, fetch_mode];
            assert!(ask(&edge, Access::Keyed, &from_server).is_ok());
            let from_browser = [first, second, fetch_mode, browsers];
            let called = ask(&edge, Access::Keyed, &from_browser);
            assert_eq!(called, Err(Error::ServiceFromBrowser), "{browsers:?}");
        }
    }
}

#[test]
fn keys_are_fetched_rarely_and_survive_failed_fetches() {
    let edge = edge();
    let fetched = |edge: &Edge<Native>| *edge.platform.fetched.borrow();
    let later =
        |edge: &Edge<Native>, seconds: u64| *edge.platform.now_ms.borrow_mut() += seconds * 1000;
    let token = |kid: &str| {
        es256(
            &json!({"alg": "ES256", "kid": kid}),
            &with(claims("https://es.test"), "exp", json!(NOW + 100_000)),
        )
    };
    for _ in 0..5 {
        assert_eq!(fault(&edge, &token("a")), None);
        assert_eq!(fault(&edge, &token("unknown")), Some(TokenFault::Signature));
    }
    assert_eq!(
        fetched(&edge),
        1,
        "an unknown kid right after a fetch causes none"
    );
    later(&edge, 31);
    *edge.platform.jwks.borrow_mut() = Some(json!({"keys": [jwk("a"), jwk("b")]}).to_string());
    assert_eq!(fault(&edge, &token("b")), None, "a rotated key is found");
    assert_eq!(fetched(&edge), 2);
    later(&edge, 601);
    for bad in [
        None,
        Some("{}".to_owned()),
        Some(r#"{"keys":[]}"#.to_owned()),
        Some("x".to_owned()),
    ] {
        *edge.platform.jwks.borrow_mut() = bad;
        assert_eq!(
            fault(&edge, &token("b")),
            None,
            "a failed fetch replaces no good keys"
        );
        later(&edge, 31);
    }
    assert_eq!(fetched(&edge), 6);
    later(&edge, 3600);
    assert_eq!(
        ask_with(&edge, &token("b")),
        Err(Error::KeysUnavailable { retry_after: 30 }),
        "they are not used for ever"
    );
}

#[test]
fn only_usable_keys_of_a_set_are_used() {
    let parsed = |keys: Value| parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
    let set = |keys: Value| parsed(keys).keys.len();
    let rsa = |octets: &[u8]| {
        let n = Base64UrlUnpadded::encode_string(octets);
        json!({"kty": "RSA", "n": n, "e": "AQAB"})
    };
    let padded = [vec![0; 200], vec![0xff; 128]].concat();
    let of_2047_bits = [vec![0x7f], vec![0xff; 255]].concat();
    assert_eq!(set(json!([jwk("a"), jwk("b")])), 2);
    assert_eq!(set(json!([])), 0);
    for no_set in ["", "x", "[]", "null", "{}", r#"{"keys":{}}"#] {
        assert_eq!(parse(no_set.as_bytes()), None, "{no_set}");
    }
    let long = || rsa(&[0xff; 256]);
    for unfit in [
        json!({"kty": "oct", "k": "c2VjcmV0", "kid": "o"}),
        with(jwk("b"), "crv", json!("P-224")),
        with(jwk("b"), "crv", json!("secp256k1")),
        with(jwk("b"), "alg", json!("RS256")),
        with(jwk("b"), "alg", json!("ES384")),
        with(jwk("b"), "alg", json!("HS256")),
        with(jwk("b"), "alg", json!(256)),
        with(jwk("b"), "use", json!("enc")),
        with(jwk("b"), "key_ops", json!(["sign"])),
        without(jwk("b"), "y"),
        rsa(&[0xff; 255]),
        rsa(&padded),
        rsa(&of_2047_bits),
        with(long(), "n", json!("=".repeat(342))),
        with(long(), "e", json!("AQ")),
        with(long(), "e", json!("AAAB")),
        with(long(), "e", json!("")),
        with(long(), "alg", json!("ES256")),
        with(long(), "alg", json!("RSA-OAEP")),
        without(long(), "e"),
        json!("nonsense"),
        json!(null),
    ] {
        let KeySet { keys, skipped } = parsed(json!([jwk("a"), unfit]));
        let indices: Vec<usize> = skipped.iter().map(|skipped| skipped.index).collect();
        assert_eq!((keys.len(), indices), (1, vec![1]), "{unfit}");
    }
    for fit in [
        with(with(jwk("b"), "alg", json!(null)), "use", json!(null)),
        with(jwk("b"), "key_ops", json!(["sign", "verify"])),
        with(jwk("b"), "crv", json!("P-384")),
        with(jwk("b"), "crv", json!("P-521")),
        json!({"kty": "OKP", "crv": "Ed25519", "x": "a", "alg": "Ed25519"}),
        long(),
        rsa(&[0x01; 512]),
        with(long(), "alg", json!("PS512")),
    ] {
        assert_eq!(set(json!([jwk("a"), fit])), 2, "{fit}");
    }
}

#[test]
fn keys_with_the_same_name_are_used_if_they_are_unambiguous() {
    let parsed = |keys: Value| parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
    let rsa = |alg: &str, first: u8| {
        let n = Base64UrlUnpadded::encode_string(&[vec![first], vec![0xff; 255]].concat());
        json!({"kty": "RSA", "n": n, "e": "AQAB", "kid": "a", "alg": alg})
    };
    let other = with(jwk("a"), "x", jwk("a")["y"].clone());
    let nameless = [without(jwk("a"), "kid"), without(other.clone(), "kid")];
    let cases = [
        (json!([jwk("a"), jwk("a")]), 1, vec![], "the same key twice"),
        (
            json!([jwk("a"), rsa("RS256", 0xff)]),
            2,
            vec![],
            "of two types",
        ),
        (
            json!([rsa("RS256", 0xff), rsa("PS256", 0xff)]),
            2,
            vec![],
            "one modulus for two algorithms",
        ),
        (
            json!([rsa("RS256", 0xff), rsa("RS512", 0xfe)]),
            2,
            vec![],
            "for two algorithms",
        ),
        (
            json!([jwk("a"), with(jwk("a"), "crv", json!("P-384"))]),
            2,
            vec![],
            "on two curves",
        ),
        (json!([jwk("a"), other]), 0, vec![0, 1], "ambiguous"),
        (
            json!([jwk("b"), jwk("a"), rsa("RS256", 0xff), other]),
            2,
            vec![1, 3],
            "ambiguous, beside others",
        ),
        (json!(nameless), 2, vec![], "without a name, each is tried"),
    ];
    for (keys, used, skipped, what) in cases {
        let set = parsed(keys);
        let indices: Vec<usize> = set.skipped.iter().map(|skipped| skipped.index).collect();
        assert_eq!((set.keys.len(), indices), (used, skipped), "{what}");
    }
}

#[test]
fn the_usable_part_of_a_set_is_used_and_its_faults_are_logged_once() {
    let edge = edge();
    let later = |seconds: u64| *edge.platform.now_ms.borrow_mut() += seconds * 1000;
    let serve =
        |keys: Value| *edge.platform.jwks.borrow_mut() = Some(json!({ "keys": keys }).to_string());
    let logged = || {
        let lines = std::mem::take(&mut *edge.platform.logged.borrow_mut());
        let lines = lines
            .iter()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.collect::<Vec<_>>()
    };
    let ask = |kid: &str| {
        let claims = with(claims("https://es.test"), "exp", json!(NOW + 100_000));
        ask_with(&edge, &es256(&json!({"alg": "ES256", "kid": kid}), &claims)).err()
    };
    let unknown = Some(Error::BadToken(TokenFault::Signature));
    assert_eq!(ask("a"), None);
    assert_eq!(logged(), Vec::<Value>::new());

    // After a rotation two keys share the old one's name: the new one works, the others do not.
    let other = with(jwk("a"), "x", jwk("a")["y"].clone());
    let secret = json!({"kty": "oct", "k": "c2VjcmV0", "kid": "s"});
    serve(json!([jwk("a"), other, jwk("b"), secret]));
    later(31);
    assert_eq!(ask("b"), None);
    assert_eq!(ask("a"), unknown);
    let ambiguous = "another key has its kid and algorithm";
    let line = json!({
        "event": "keys_skipped", "issuer": "https://es.test", "why": null, "usable": 1, "skipped": 3,
        "keys": [
            {"index": 3, "kid": "s", "why": "a shared secret"},
            {"index": 0, "kid": "a", "why": ambiguous},
            {"index": 1, "kid": "a", "why": ambiguous},
        ],
    });
    assert_eq!(logged(), vec![line.clone()]);
    for _ in 0..3 {
        later(601);
        assert_eq!(ask("b"), None);
    }
    assert_eq!(logged(), Vec::<Value>::new(), "once for each set");

    // A set without usable keys replaces nothing.
    for (text, why) in [
        (Some(r#"{"keys":[]}"#), "it has no usable key"),
        (Some("x"), "it is not a key set"),
        (None, "its address does not answer"),
    ] {
        *edge.platform.jwks.borrow_mut() = text.map(str::to_owned);
        for _ in 0..2 {
            later(601);
            assert_eq!(ask("b"), None, "{why}");
        }
        let lines = logged();
        assert_eq!(lines.len(), 1, "{why}");
        assert_eq!(lines[0]["why"], why);
        // Stale keys work for an hour: fetch good ones in between.
        serve(json!([jwk("b")]));
        later(601);
        assert_eq!(ask("b"), None);
        assert_eq!(logged(), Vec::<Value>::new(), "a good set is not logged");
    }
}

#[test]
fn a_verified_token_is_cached_until_it_or_the_keys_expire() {
    let edge = edge();
    let checked = |edge: &Edge<Native>| *edge.platform.checked.borrow();
    let later = |seconds: u64| *edge.platform.now_ms.borrow_mut() += seconds * 1000;
    let header = json!({"alg": "ES256", "kid": "a"});
    let token = es256(
        &header,
        &with(claims("https://es.test"), "exp", json!(NOW + 5000)),
    );
    for _ in 0..3 {
        assert_eq!(fault(&edge, &token), None);
    }
    assert_eq!(checked(&edge), 1);
    let before = checked(&edge);
    later(601);
    assert_eq!(fault(&edge, &token), None);
    assert_eq!(
        checked(&edge),
        before + 1,
        "it is checked again once the keys are no longer fresh"
    );
    assert_eq!(*edge.platform.fetched.borrow(), 2);
    *edge.platform.jwks.borrow_mut() = Some(json!({"keys": [jwk("b")]}).to_string());
    later(601);
    assert_eq!(
        fault(&edge, &token),
        None,
        "keys are refreshed in the background: the first request does not wait"
    );
    assert_eq!(
        fault(&edge, &token),
        Some(TokenFault::Signature),
        "its key is withdrawn"
    );
    *edge.platform.jwks.borrow_mut() = Some(json!({"keys": [jwk("a")]}).to_string());
    later(601);
    assert_eq!(fault(&edge, &token), None);
    let before = checked(&edge);
    *edge.platform.jwks.borrow_mut() = None;
    later(601);
    for _ in 0..3 {
        assert_eq!(fault(&edge, &token), None);
    }
    assert_eq!(
        checked(&edge),
        before + 1,
        "while the issuer is away it is checked again after each pause"
    );
    later(5000 - 4 * 601 + 31);
    assert_eq!(fault(&edge, &token), Some(TokenFault::Expired));
}

#[test]
fn a_forged_token_is_cached_for_a_minute_and_no_longer_than_the_keys() {
    let edge = edge();
    let checked = || *edge.platform.checked.borrow();
    let later = |seconds: u64| *edge.platform.now_ms.borrow_mut() += seconds * 1000;
    let claims = with(claims("https://es.test"), "exp", json!(NOW + 5000));
    let mut forged = es256(&json!({"alg": "ES256", "kid": "a"}), &claims);
    // The signature of another token.
    let others = es256(
        &json!({"alg": "ES256", "kid": "a"}),
        &with(claims.clone(), "jti", json!(1)),
    );
    forged.truncate(forged.rfind('.').unwrap());
    forged.push('.');
    forged.push_str(others.rsplit_once('.').unwrap().1);
    for _ in 0..3 {
        assert_eq!(fault(&edge, &forged), Some(TokenFault::Signature));
    }
    assert_eq!(checked(), 1);
    later(61);
    assert_eq!(fault(&edge, &forged), Some(TokenFault::Signature));
    assert_eq!(checked(), 2);

    // A token of an unknown key is not remembered: the key may be published later.
    let early = es256(&json!({"alg": "ES256", "kid": "b"}), &claims);
    assert_eq!(fault(&edge, &early), Some(TokenFault::Signature));
    *edge.platform.jwks.borrow_mut() = Some(json!({"keys": [jwk("b")]}).to_string());
    later(31);
    assert_eq!(fault(&edge, &early), None);

    // New keys clear the cache: to them the token may be valid.
    assert_eq!(
        edge.forged
            .borrow_mut()
            .find(&edge.token_hasher.key(&forged).unwrap(), 0),
        None
    );
}

/// Reads `t=<seconds>,v1=<hex>[,v1=<hex>...]`: an HMAC of `<seconds>.<body>` by one of several secrets, five minutes old at most.
/// Stripe signs its webhooks so.
fn timestamped<'a>(signed: &Signed<'a>, config: &'a Config) -> Result<Proof<'a>, Error> {
    let header = text(signed.headers, "stripe-signature").ok_or(Error::BadAuthorization)?;
    let parts = || header.split(',').filter_map(|part| part.split_once('='));
    let (_, time) = parts().find(|(name, _)| *name == "t").unwrap();
    let is_recent = (signed.now_ms / 1000).abs_diff(time.parse().unwrap()) <= 300;
    let sent = parts().filter(|(name, _)| *name == "v1");
    let secrets = config.list("WEBHOOK_SECRETS");
    Ok(Proof {
        secrets: secrets.iter().map(String::as_str).collect(),
        prefix: format!("{time}."),
        signatures: sent
            .filter_map(|(_, hex)| base16ct::mixed::decode_vec(hex).ok())
            .collect(),
        outcome: is_recent.then_some(()).ok_or(Error::NoApiKey),
        refusal: Error::BadAuthorization,
    })
}

#[test]
fn a_signature_may_cover_its_time_and_be_made_by_one_of_several_secrets() {
    let registry = Registry {
        variables: vec![config::Variable {
            name: "WEBHOOK_SECRETS".into(),
            kind: config::Kind::List,
            with: Vec::new(),
            max_length: None,
        }],
        ..Registry::default()
    };
    let edge = native::edge_serving(registry, |name| {
        (name == "WEBHOOK_SECRETS").then(|| "whsec_old, whsec_new".into())
    });
    let mut route = Route::new(Method::POST, "/hook", endpoint::Action::Ready);
    route.access = Access::Public;
    route.requires = vec!["WEBHOOK_SECRETS".into()];
    route.authenticate = Some(timestamped);
    let signature = |secret: &str, time: u64| {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        let mac = mac.chain_update(format!("{time}.{{\"id\": 1}}")).finalize();
        format!("v1={}", base16ct::lower::encode_string(&mac.into_bytes()))
    };
    let old = signature("whsec_old", NOW);
    let new = signature("whsec_new", NOW);
    let foreign = signature("whsec_foreign", NOW);
    for (header, is_good) in [
        (format!("t={NOW},{new}"), true),
        (format!("t={NOW},{old}"), true),
        (format!("t={NOW},{foreign},{new},v0=1"), true),
        (format!("t={NOW},{foreign}"), false),
        (format!("t={},{new}", NOW + 1), false),
        (
            format!("t={},{}", NOW - 300, signature("whsec_new", NOW - 300)),
            true,
        ),
        (
            format!("t={},{}", NOW - 301, signature("whsec_new", NOW - 301)),
            false,
        ),
        (
            format!("t={},{}", NOW + 301, signature("whsec_new", NOW + 301)),
            false,
        ),
    ] {
        let mut sent = request(&[("stripe-signature", &header)]);
        sent.read = Some(b"{\"id\": 1}".to_vec());
        let admitted = pollster::block_on(admitted(&route, &mut sent, &edge));
        assert_eq!(admitted.is_ok(), is_good, "{header}");
    }
}

#[test]
fn a_signature_covers_prefix_and_body_to_the_last_byte() {
    let edge = edge();
    let check = |secrets: &[&'static str], prefix: &str, body: &[u8], signatures: &[Vec<u8>]| {
        let proof = Proof {
            secrets: secrets.to_vec(),
            prefix: prefix.to_owned(),
            signatures: signatures.to_vec(),
            outcome: Ok(()),
            refusal: Error::BadAuthorization,
        };
        pollster::block_on(proof::check(proof, body, None, &edge))
    };
    let sign = |secret: &str, text: &[u8]| {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.chain_update(text).finalize().into_bytes().to_vec()
    };
    // The longest is hashed in several pieces, of which the last one is no whole one.
    for length in [0, 1, 128 * 1024, 300_001] {
        let body = vec![b'x'; length];
        let good = sign("secret", &[b"time.", body.as_slice()].concat());
        let none = sign("", &[b"time.", body.as_slice()].concat());
        let mut other = good.clone();
        other[31] ^= 1;
        let longer = [good.as_slice(), &[0]].concat();
        let signatures = vec![other.clone(), good.clone()];
        let check = |secrets: &[&'static str], prefix: &str, signatures: &[Vec<u8>]| {
            check(secrets, prefix, &body, signatures).is_ok()
        };
        assert!(check(&["secret"], "time.", &signatures), "{length}");
        assert!(check(&["new", "secret"], "time.", &signatures), "{length}");
        for wrong in [
            vec![],
            vec![other],
            vec![good[..31].to_vec()],
            vec![longer],
            vec![vec![]],
        ] {
            assert!(!check(&["secret"], "time.", &wrong), "{length} {wrong:?}");
        }
        assert!(!check(&["Secret"], "time.", &signatures), "{length}");
        assert!(!check(&[], "time.", &signatures), "{length}");
        assert!(!check(&[""], "time.", &[none]), "an empty secret");
        assert!(!check(&["secret"], "time", &signatures), "{length}");
    }
    let one = [sign("secret", b"time.body")];
    assert!(check(&["secret"], "time.", b"bodY", &one).is_err());
    assert!(check(&["secret"], "", b"time.body", &one).is_ok());
}

/// The token with a signature that nobody made.
fn unsigned(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let length = Base64UrlUnpadded::decode_vec(signature).unwrap().len();
    let signature = Base64UrlUnpadded::encode_string(&vec![1; length]);
    format!("{signed}.{signature}")
}

#[test]
fn what_fails_without_its_signature_is_refused_before_it_is_checked() {
    let edge = edge();
    let header = json!({"alg": "ES256", "kid": "a"});
    let good = claims("https://es.test");
    let token = |name: &str, value: Value| es256(&header, &with(good.clone(), name, value));
    let under = |name: &str, value: Value| es256(&with(header.clone(), name, value), &good);
    let (signed, _) = es256(&header, &good)
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let short = format!("{signed}.{}", Base64UrlUnpadded::encode_string(&[1; 63]));
    let cases = [
        (under("alg", json!("none")), TokenFault::Malformed),
        (under("typ", json!("dpop+jwt")), TokenFault::Malformed),
        (under("crit", json!(["exp"])), TokenFault::Malformed),
        (under("kid", json!("x".repeat(129))), TokenFault::Malformed),
        (token("exp", json!("soon")), TokenFault::Malformed),
        (under("alg", json!("HS256")), TokenFault::Signature),
        (under("alg", json!("ES384")), TokenFault::Signature),
        (short, TokenFault::Signature),
        (token("exp", json!(NOW - 31)), TokenFault::Expired),
        (token("exp", json!(null)), TokenFault::Claims),
        (token("nbf", json!(NOW + 31)), TokenFault::NotYetValid),
        (token("iat", json!(NOW + 31)), TokenFault::NotYetValid),
        (
            token("iss", json!("https://other.test")),
            TokenFault::Claims,
        ),
        (token("aud", json!("other")), TokenFault::Claims),
        (token("role", json!("service_role")), TokenFault::Claims),
    ];
    for (token, wanted) in cases {
        let forged = if wanted == TokenFault::Signature {
            token
        } else {
            unsigned(&token)
        };
        assert_eq!(fault(&edge, &forged), Some(wanted), "{forged}");
    }
    assert_eq!(*edge.platform.checked.borrow(), 0);
    assert_eq!(*edge.platform.fetched.borrow(), 0, "no keys are needed");
    assert_eq!(
        fault(&edge, &unsigned(&es256(&header, &good))),
        Some(TokenFault::Signature)
    );
    assert_eq!(*edge.platform.checked.borrow(), 1);
}

#[test]
fn a_cached_token_is_compared_as_a_whole() {
    let edge = edge();
    for issuer in ["https://hs.test", "https://es.test"] {
        let sign = |claims: &Value| match issuer {
            "https://hs.test" => hs256(claims),
            _ => es256(&json!({"alg": "ES256", "kid": "a"}), claims),
        };
        let good = sign(&claims(issuer));
        let other = sign(&with(
            claims(issuer),
            "sub",
            json!("22222222-2222-4222-8222-222222222222"),
        ));
        assert_eq!(fault(&edge, &good), None);
        let (_, signature) = good.rsplit_once('.').unwrap();
        let (signed, _) = other.rsplit_once('.').unwrap();
        for _ in 0..2 {
            let forged = format!("{signed}.{signature}");
            assert_eq!(fault(&edge, &forged), Some(TokenFault::Signature));
            assert_eq!(ask_with(&edge, &good).unwrap().user(), Some(SUB));
        }
        let before = *edge.platform.checked.borrow();
        assert_eq!(fault(&edge, &good), None);
        assert_eq!(
            *edge.platform.checked.borrow(),
            before,
            "it is still cached"
        );
    }
}

#[test]
fn a_header_that_is_read_once_is_still_checked_with_each_issuer() {
    let edge = edge();
    let header = json!({"alg": "ES256", "kid": "a"});
    let by_keys = claims("https://es.test");
    let by_secret = claims("https://hs.test");
    for _ in 0..2 {
        assert_eq!(fault(&edge, &es256(&header, &by_keys)), None);
        assert_eq!(
            fault(&edge, &es256(&header, &by_secret)),
            Some(TokenFault::Signature)
        );
        let mac = hs256_text(&parts(&header, &by_keys));
        assert_eq!(fault(&edge, &mac), Some(TokenFault::Signature));
        // Nor is one header taken for another.
        assert_eq!(fault(&edge, &hs256(&by_secret)), None);
        let other = with(header.clone(), "kid", json!("b"));
        assert_eq!(
            fault(&edge, &es256(&other, &by_keys)),
            Some(TokenFault::Signature)
        );
    }
}

#[test]
fn an_api_key_is_found_in_a_query_however_it_is_written() {
    // As a whole query is decoded, pair by pair.
    let decoded = |query: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let found = pairs.find(|(name, _)| name == "apikey");
        found.map(|(_, value)| value.into_owned())
    };
    for (query, wanted) in [
        ("apikey=k", Some("k")),
        ("a=1&apikey=k", Some("k")),
        ("&&apikey=k&apikey=l", Some("k")),
        ("%61pikey=k", Some("k")),
        ("%61%70%69%6B%65%79=k+%2B%26%3D", Some("k +&=")),
        ("apikey", Some("")),
        ("%61pikey", Some("")),
        ("apikey=", Some("")),
        ("apikey=a=b", Some("a=b")),
        ("apikey=%ff", Some("\u{fffd}")),
        ("", None),
        ("apikey%3Dk", None),
        ("APIKEY=k", None),
        ("apikey+=k", None),
        ("+apikey=k", None),
        ("%2561pikey=k", None),
        ("apikey%00=k", None),
        ("a=apikey&b=%61pikey=k", None),
        ("=apikey", None),
        ("apikey;a=k", None),
    ] {
        assert_eq!(query_key(query).as_deref(), wanted, "{query}");
        assert_eq!(decoded(query).as_deref(), wanted, "{query}");
    }
}
