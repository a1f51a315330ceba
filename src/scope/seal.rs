//! Seals a secret of a request's body before the function is called, and says about it what the function may know.

use std::borrow::Cow;

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, Mac};
use serde_json::{Map, Value};
use sha2::Sha256;

use super::arguments;
use crate::config::Config;
use crate::endpoint::{Argument, Incoming, Seal, SealedRow, SecretKind, Source};
use crate::error::Error;
use crate::hooks::Binding;
use crate::id::random_uuid;
use crate::isolate::Edge;
use crate::runtime::Platform;
use crate::{sealing, secret_patterns};

/// The most first characters of a secret that the function gets.
const MAX_PREFIX: usize = 8;
/// The function gets so many last characters of a secret.
const LAST: usize = 4;

/// Seals the secret in a request's body. Gives `arguments`, the text of an object, with what is sealed.
///
/// # Errors
/// 422 for a body that has no secret, [`Error::NotConfigured`] if there is no key to seal with.
pub(super) async fn seal<P: Platform>(
    seal: &Seal,
    listed: &[Argument],
    arguments: String,
    incoming: &Incoming,
    edge: &Edge<P>,
) -> Result<String, Error> {
    let value = secret_value(seal, listed, incoming.json()?)?;
    let secret = secret(seal, value)?;
    let text = |name: &str| {
        let text = arguments::text_of(name, listed, incoming)?;
        text.ok_or(Error::Internal("a sealed secret has no row or no owner"))
    };
    let owner = text(&seal.owner)?;
    let mut more = Map::new();
    let row = match &seal.row {
        SealedRow::Argument(name) => text(name)?,
        SealedRow::New(name) => {
            let id = random_uuid()?.to_string();
            more.insert(name.clone(), id.as_str().into());
            id
        }
    };
    if let Some(variable) = &seal.fingerprint {
        let made = fingerprint(variable, &owner, &secret, &edge.config)?;
        more.insert("fingerprint".into(), made.into());
    }
    if seal.hint {
        describe(&secret, &mut more);
    }
    if let (SecretKind::Object, Some(fields)) = (seal.kind, value.as_object()) {
        let names: Vec<&str> = fields.keys().map(String::as_str).collect();
        more.insert("names".into(), names.into());
    }
    let binding = Binding {
        column: &seal.column,
        row: &row,
        owner: &owner,
    };
    let sealed = sealing::seal(&secret, &binding, edge).await?;
    more.insert("sealed".into(), sealed.text.into());
    more.insert("key_version".into(), sealed.key_version.into());
    Ok(joined(arguments, &Value::Object(more).to_string()))
}

/// An object with the fields of two, each the text of one; the second has some.
fn joined(mut first: String, second: &str) -> String {
    first.pop();
    if first.len() > 1 {
        first.push(',');
    }
    first.push_str(second.strip_prefix('{').unwrap_or_default());
    first
}

/// The secret's field of the body. No other field may stand there but those that are arguments.
fn secret_value<'a>(seal: &Seal, listed: &[Argument], body: &'a Value) -> Result<&'a Value, Error> {
    let others: Vec<&str> = listed
        .iter()
        .flat_map(|argument| &argument.sources)
        .filter_map(|source| match source {
            Source::Field(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    let is_known = |name: &String| *name == seal.field || others.contains(&name.as_str());
    let fields = body.as_object();
    let fields = fields.filter(|fields| fields.keys().all(is_known));
    let value = fields.and_then(|fields| fields.get(&seal.field));
    value.ok_or_else(|| {
        let more = match others.as_slice() {
            [] => String::new(),
            others => format!("; no fields beside it but {}", others.join(", ")),
        };
        wanted(seal, &more)
    })
}

/// The text that is sealed.
fn secret<'a>(seal: &Seal, value: &'a Value) -> Result<Cow<'a, str>, Error> {
    let is_token = |text: &&str| text.bytes().all(|b| b.is_ascii_graphic());
    let text = match seal.kind {
        SecretKind::Token => value.as_str().filter(is_token).map(Cow::Borrowed),
        SecretKind::Text => value.as_str().map(Cow::Borrowed),
        SecretKind::Object => value.is_object().then(|| value.to_string().into()),
    };
    text.filter(|text| (seal.min_bytes..=seal.max_bytes).contains(&text.len()))
        .ok_or_else(|| wanted(seal, ""))
}

fn wanted(seal: &Seal, more: &str) -> Error {
    let (value, of) = match seal.kind {
        SecretKind::Token => ("\"...\"", "ASCII characters without a space"),
        SecretKind::Text => ("\"...\"", "bytes of text"),
        SecretKind::Object => ("{...}", "bytes of JSON"),
    };
    let (field, min, max) = (&seal.field, seal.min_bytes, seal.max_bytes);
    Error::BadSecret {
        wanted: format!("{{\"{field}\": {value}}}: {min} to {max} {of}{more}").into(),
    }
}

/// By which the function finds a secret that its owner has stored already: HMAC-SHA-256 of owner, NUL and secret, in
/// hexadecimal. Equal secrets of two owners have different ones.
fn fingerprint(
    variable: &str,
    owner: &str,
    secret: &str,
    config: &Config,
) -> Result<String, Error> {
    let missing = || Error::NotConfigured {
        variable: variable.to_owned().into(),
    };
    let key = config.text(variable).ok_or_else(missing)?;
    let key = Base64UrlUnpadded::decode_vec(key).map_err(|_| missing())?;
    let mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| missing())?;
    let mac = mac.chain_update(owner).chain_update([0]);
    let mac = mac.chain_update(secret).finalize().into_bytes();
    Ok(base16ct::lower::encode_string(&mac))
}

/// Adds what people recognise a secret by. At most an eighth of a secret is its prefix.
fn describe(secret: &str, more: &mut Map<String, Value>) {
    let prefix = secret.get(..MAX_PREFIX.min(secret.len() / 8));
    let last = secret.len().checked_sub(LAST);
    let last = last.and_then(|start| secret.get(start..));
    let shape = secret_patterns::shape_of(secret);
    let provider = shape.as_ref().map(|found| found.provider);
    let warning = shape.and_then(|found| found.warning);
    for (name, value) in [
        ("prefix", prefix),
        ("last_four", last),
        ("hint", provider),
        ("shape_warning", warning),
    ] {
        more.insert(name.into(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use pollster::block_on;
    use serde_json::json;

    use super::*;
    use crate::config::{Kind, Variable};
    use crate::endpoint::Kind as ArgumentKind;
    use crate::fuzzing::native::{Native, edge_serving};
    use crate::registry::Registry;
    use crate::{hooks::Sealed, id::is_uuid};

    const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE";

    fn edge() -> Edge<Native> {
        let registry = Registry {
            variables: vec![Variable {
                name: "FINGERPRINT_KEY".into(),
                kind: Kind::Key,
                with: Vec::new(),
                max_length: None,
            }],
            ..Registry::default()
        };
        let keys = ["KEK_3", "FINGERPRINT_KEY"];
        edge_serving(registry, move |name| {
            keys.contains(&name).then(|| KEY.into())
        })
    }

    fn seal_of(kind: SecretKind) -> Seal {
        Seal {
            field: "key".into(),
            kind,
            column: "notes.keys.secret".into(),
            row: SealedRow::New("key_id".into()),
            owner: "owner".into(),
            min_bytes: 16,
            max_bytes: 64,
            fingerprint: Some("FINGERPRINT_KEY".into()),
            hint: kind == SecretKind::Token,
        }
    }

    fn listed() -> Vec<Argument> {
        let argument = |name: &str, source| Argument {
            name: name.into(),
            sources: vec![source],
            kind: ArgumentKind::Text,
            default: None,
            required: false,
        };
        vec![
            argument("service", Source::Field("service".into())),
            argument("owner", Source::User),
        ]
    }

    fn made(secret: &Seal, body: &Value) -> Result<Value, Error> {
        let mut headers = crate::headers::Headers::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        let incoming = Incoming {
            headers,
            body: body.to_string().as_str().into(),
            user: Some("u1".into()),
            ..Incoming::default()
        };
        let arguments = r#"{"owner":"u1"}"#.to_owned();
        let text = block_on(seal(secret, &listed(), arguments, &incoming, &edge()))?;
        Ok(serde_json::from_str(&text).unwrap())
    }

    fn opened(made: &Value) -> String {
        let binding = Binding {
            column: "notes.keys.secret",
            row: made["key_id"].as_str().unwrap(),
            owner: "u1",
        };
        let sealed = Sealed {
            text: made["sealed"].as_str().unwrap().into(),
            key_version: 3,
        };
        block_on(sealing::open(&sealed, &binding, &edge())).unwrap()
    }

    #[test]
    fn a_function_gets_what_it_may_know_of_a_secret() {
        let secret = "a-secret-of-20-bytes";
        let body = json!({"key": secret, "service": "x"});
        let first = made(&seal_of(SecretKind::Token), &body).unwrap();
        assert_eq!(opened(&first), secret);
        assert!(!first.to_string().contains(secret));
        assert!(is_uuid(first["key_id"].as_str().unwrap()));
        // HMAC-SHA-256 of `u1`, NUL and the secret, made with Node's crypto.
        let fingerprint = "f969fd8075f3eca9c8094caa63534a9533ce3100c7b164387a4a2d15bc22458a";
        let shown = json!({
            "owner": "u1", "key_version": 3, "fingerprint": fingerprint, "prefix": "a-", "last_four": "ytes",
            "hint": null, "shape_warning": null,
        });
        let mut rest = first.clone();
        let fields = rest.as_object_mut().unwrap();
        assert!(fields.remove("sealed").is_some() && fields.remove("key_id").is_some());
        assert_eq!(rest, shown);
        let second = made(&seal_of(SecretKind::Token), &body).unwrap();
        assert_eq!(second["fingerprint"], fingerprint);
        assert!(second["sealed"] != first["sealed"] && second["key_id"] != first["key_id"]);
        let groq = json!({"key": format!("gsk_{}", "a".repeat(52))});
        let groq = made(&seal_of(SecretKind::Token), &groq).unwrap();
        assert_eq!(
            (&groq["hint"], &groq["prefix"]),
            (&json!("groq"), &json!("gsk_aaa"))
        );
    }

    #[test]
    fn a_secret_may_be_a_text_or_an_object() {
        let text = "two words\nand a line of zoë";
        let sealed = made(&seal_of(SecretKind::Text), &json!({"key": text})).unwrap();
        assert_eq!(opened(&sealed), text);
        assert!(sealed.get("names").is_none() && sealed.get("prefix").is_none());
        let variables = json!({"URL": "x y", "TOKEN": "s3cret", "LIST": [1]});
        let sealed = made(&seal_of(SecretKind::Object), &json!({"key": variables})).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&opened(&sealed)).unwrap(),
            variables
        );
        assert_eq!(sealed["names"], json!(["LIST", "TOKEN", "URL"]));
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_repeated() {
        let good = "a-secret-of-20-bytes";
        let of = |kind, body: Value| {
            let Err(Error::BadSecret { wanted }) = made(&seal_of(kind), &body) else {
                panic!("{body} was not refused");
            };
            assert!(!wanted.contains(good), "{wanted}");
            wanted.into_owned()
        };
        for odd in [
            json!([]),
            json!({"service": "x"}),
            json!({"key": null}),
            json!({"key": 1_234_567_890_123_456_i64}),
            json!({"key": "short"}),
            json!({"key": "a secret with spaces"}),
            json!({"key": "a-secret-with-zoë"}),
            json!({"key": "x".repeat(65)}),
            json!({"key": {"a": good}}),
        ] {
            of(SecretKind::Token, odd);
        }
        of(SecretKind::Object, json!({"key": [good]}));
        of(SecretKind::Object, json!({"key": good}));
        of(SecretKind::Text, json!({"key": {"a": good}}));
        let other = of(SecretKind::Token, json!({"key": good, "servise": "x"}));
        assert!(
            other.ends_with("; no fields beside it but service"),
            "{other}"
        );
    }
}
