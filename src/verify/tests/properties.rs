//! Properties of all tokens, checked by rules that are written a second time.

use proptest::prelude::*;
use proptest::sample::select;

use super::native::ISSUERS;
use super::*;
use crate::fuzzing;

fn is_good(token: &str) -> bool {
    pollster::block_on(token::verify(token, &edge())).is_ok()
}

fn signed(issuer: &str, claims: &Value) -> String {
    if issuer == "https://hs.test" {
        hs256(claims)
    } else {
        es256(&json!({"alg": "ES256", "kid": "a"}), claims)
    }
}

/// A small JSON value.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A claim or a header parameter: mostly valid, or nearly valid, missing, or anything.
fn value(good: &[Value], near: &[Value]) -> impl Strategy<Value = Option<Value>> + use<> {
    prop_oneof![
        12 => select(good.to_vec()).prop_map(Some),
        3 => select(near.to_vec()).prop_map(Some),
        1 => Just(None),
        1 => any_json().prop_map(Some),
    ]
}

/// Seconds since 1970, mostly about now, or another value.
fn time() -> impl Strategy<Value = Option<Value>> {
    let by = |by: i64| json!(NOW.cast_signed() + by);
    let fractions = [-30.5, -29.5, 29.5, 30.5].map(|by| json!(NOW_FLOAT + by));
    let edges = [&[-31, -30, 30, 31].map(by)[..], &fractions].concat();
    let others = [json!(1e300), json!(-1), json!(NOW.to_string())];
    prop_oneof![
        1 => (-100_i64..100).prop_map(move |seconds| Some(by(seconds))),
        1 => value(&edges, &others),
    ]
}

/// Claims as a careless or a hostile issuer may sign them.
fn any_claims() -> impl Strategy<Value = (&'static str, Value)> {
    let hs = json!(ISSUERS[0].0);
    let es = json!(ISSUERS[1].0);
    let issuer = select(vec![ISSUERS[0].0, ISSUERS[0].0, ISSUERS[1].0]);
    let other_issuer = prop_oneof![9 => Just(None), 1 => value(&[hs, es], &[json!("https://hs.test/")]).prop_map(Some)];
    let mine = json!("authenticated");
    let aud = value(
        &[mine.clone(), json!(["other", mine])],
        &[
            json!("Authenticated"),
            json!(["other"]),
            json!([]),
            json!([mine, 1]),
        ],
    );
    let role = value(
        &[mine.clone(), mine, json!("anon"), json!("service_role")],
        &[json!("edge"), json!("Anon"), json!("")],
    );
    let sub = value(
        &[json!(SUB), json!("AAAAAAAA-aaaa-AAAA-aaaa-AAAAAAAAAAAA")],
        &[
            json!(""),
            json!("ada"),
            json!(format!("{{{SUB}}}")),
            json!(SUB.replace('-', "")),
        ],
    );
    let exp = prop_oneof![3 => Just(Some(json!(NOW + 60))), 1 => time()];
    let soft = || prop_oneof![3 => Just(None), 1 => time()];
    let extra = prop::collection::hash_map("[b-d_]{1,4}", any_json(), 0..3);
    (
        issuer,
        other_issuer,
        aud,
        role,
        sub,
        exp,
        soft(),
        soft(),
        extra,
    )
        .prop_map(
            |(issuer, other_issuer, aud, role, sub, exp, nbf, iat, extra)| {
                let iss = other_issuer.unwrap_or_else(|| Some(json!(issuer)));
                let read = ["iss", "aud", "role", "sub", "exp", "nbf", "iat"].map(str::to_owned);
                let read = read.into_iter().zip([iss, aud, role, sub, exp, nbf, iat]);
                let given = read.filter_map(|(name, value)| Some((name, value?)));
                (issuer, Value::Object(given.chain(extra).collect()))
            },
        )
}

/// Whether it is a user's UUID, checked character by character.
fn is_user(sub: &Value) -> bool {
    let sub = sub.as_str().unwrap_or_default();
    sub.len() == 36
        && sub.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

proptest! {
    /// No text is a valid token, and none causes a panic.
    #[test]
    fn no_text_is_a_valid_token(text in "\\PC{0,200}|[A-Za-z0-9_=.-]{0,300}") {
        prop_assert!(!is_good(&text));
    }

    /// Three parts of JSON without the key are not valid either.
    #[test]
    fn no_signature_can_be_guessed(
        alg in select(vec!["HS256", "ES256", "ES384", "RS256", "PS256", "EdDSA", "none"]),
        kid in proptest::option::of(select(vec!["a", "b"])),
        (issuer, claims) in any_claims(),
        signature in prop::collection::vec(any::<u8>(), 0..70),
    ) {
        let header = json!({"alg": alg, "kid": kid});
        let forged = format!("{}.{}", parts(&header, &claims), Base64UrlUnpadded::encode_string(&signature));
        prop_assert!(!is_good(&forged), "{} {}", issuer, forged);
    }

    /// Arbitrary bytes with a valid signature cause no panic, and are no token without the claims.
    #[test]
    fn a_valid_signature_alone_is_not_a_token(payload in prop::collection::vec(any::<u8>(), 0..100)) {
        prop_assert!(!is_good(&es256_bytes(&payload)));
    }

    /// Runs the fuzz target's function, so that it compiles and holds here as well.
    #[test]
    fn any_bytes_are_verified_by_the_rules(data in prop::collection::vec(any::<u8>(), 0..100)) {
        fuzzing::token(&data);
    }

    #[test]
    fn a_flipped_bit_makes_a_token_invalid(which in 0..2_usize, at in any::<prop::sample::Index>(), bit in 0..7_u32) {
        let issuer = ISSUERS[which].0;
        let good = signed(issuer, &claims(issuer));
        prop_assert!(is_good(&good));
        let mut bytes = good.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let flipped = String::from_utf8(bytes).unwrap();
        prop_assert!(!is_good(&flipped), "{}", flipped);
    }

    #[test]
    fn signed_claims_are_verified_by_the_rules((issuer, claims) in any_claims()) {
        let token = signed(issuer, &claims);
        let verified = ask_with(&edge(), &token);
        let user = is_user(&claims["sub"]);
        match fuzzing::role(issuer, &claims).filter(|role| *role != "authenticated" || user) {
            None => prop_assert!(verified.is_err(), "{} {}", issuer, claims),
            Some("anon") => prop_assert_eq!(verified.map(|caller| caller.token().is_none()), Ok(true)),
            Some(role) => {
                let caller = verified.unwrap();
                prop_assert_eq!(caller.token(), Some(token.as_str()));
                let sub = claims["sub"].as_str();
                let name = caller.name();
                prop_assert_eq!(name.as_deref(), if role == "service_role" { Some(role) } else { sub });
            }
        }
    }

    /// Headers with a valid signature, checked by the rules in `fuzzing`.
    #[test]
    fn signed_headers_are_verified_by_the_rules(
        alg in select(vec![json!("ES256"), json!("ES256"), json!("ES256"), json!("es256"), json!("ES384"), json!(null)]),
        kid in value(&[json!("a")], &[json!("A"), json!("")]),
        typ in value(&[json!("JWT"), json!("at+jwt"), json!("Application/jwt")], &[json!("dpop+jwt"), json!("jwt/")]),
        cty in prop_oneof![5 => Just(None), 1 => value(&[json!("json")], &[json!("JWT")])],
        odd in prop_oneof![5 => Just(None), 1 => (select(vec!["crit", "b64", "enc", "zip", "jwk"]), any_json()).prop_map(Some)],
    ) {
        let mut header = json!({"alg": alg});
        for (name, value) in [("kid", &kid), ("typ", &typ), ("cty", &cty)] {
            if let Some(value) = value {
                header[name] = value.clone();
            }
        }
        if let Some((name, value)) = &odd {
            header[*name] = value.clone();
        }
        let fits = alg == "ES256" && kid.is_none_or(|kid| kid.is_null() || kid == "a");
        let token = es256(&header, &claims("https://es.test"));
        prop_assert_eq!(is_good(&token), fits && fuzzing::is_header(&header), "{}", header);
    }
}

/// MACs are cheap to check, so every bit is tried.
#[test]
fn every_bit_of_a_token_matters() {
    let edge = edge();
    let good = hs256(&claims("https://hs.test"));
    for at in 0..good.len() {
        for bit in 0..7 {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let flipped = String::from_utf8(bytes).unwrap();
            let verified = pollster::block_on(token::verify(&flipped, &edge));
            assert!(verified.is_err(), "bit {bit} of character {at}");
        }
    }
}
