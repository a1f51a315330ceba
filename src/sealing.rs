//! Sealed secrets: the format in which a secret leaves the edge, so that the database cannot read it.
//!
//! A secret is encrypted with AES-256-GCM under a random key, and that key under a `KEK_<n>`. Both are bound to the column,
//! the row and the owner, so a sealed secret does not open in another place. docs/architecture.md describes the format.

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::config::SealingKey;
use crate::error::Error;
use crate::hooks::{Binding, Sealed};
use crate::id::random;
use crate::isolate::Edge;
use crate::runtime::Platform;

/// The format's version.
const FORMAT: &str = "v1";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
/// The bytes that AES-GCM adds.
const TAG_BYTES: usize = 16;

/// What is random in a sealed secret. Tests fix it.
struct Randomness {
    key: [u8; KEY_BYTES],
    key_nonce: [u8; NONCE_BYTES],
    nonce: [u8; NONCE_BYTES],
}

/// Seals a secret under the newest key.
///
/// # Errors
/// [`Error::NotConfigured`] if there is no key to seal with.
pub async fn seal<P: Platform>(
    secret: &str,
    binding: &Binding<'_>,
    edge: &Edge<P>,
) -> Result<Sealed, Error> {
    let randomness = Randomness {
        key: random()?,
        key_nonce: random()?,
        nonce: random()?,
    };
    let kek = edge.config.newest_kek()?;
    seal_with(&randomness, secret, binding, kek, &edge.platform).await
}

async fn seal_with<P: Platform>(
    randomness: &Randomness,
    secret: &str,
    binding: &Binding<'_>,
    kek: &SealingKey,
    platform: &P,
) -> Result<Sealed, Error> {
    let Randomness {
        key,
        key_nonce,
        nonce,
    } = randomness;
    let context = context(binding);
    let wrapped = wrap(key, key_nonce, &context, kek, platform).await?;
    let data = platform.encrypt(key, nonce, context.as_bytes(), secret.as_bytes());
    let data = data.await.ok_or(NOT_ENCRYPTED)?;
    Ok(Sealed {
        text: [FORMAT, &wrapped, &encoded(nonce), &encoded(&data)].join("."),
        key_version: kek.version,
    })
}

/// Opens a sealed secret.
///
/// # Errors
/// [`Error::NotConfigured`] if its key is not set; [`Error::Internal`] if it is damaged, or sealed for another place.
pub async fn open<P: Platform>(
    sealed: &Sealed,
    binding: &Binding<'_>,
    edge: &Edge<P>,
) -> Result<String, Error> {
    let context = context(binding);
    let parts = Parts::read(&sealed.text).ok_or(DOES_NOT_OPEN)?;
    let kek = edge.config.kek(sealed.key_version)?;
    let key = parts.unwrap(&context, kek, &edge.platform).await?;
    let nonce = bytes(parts.nonce).ok_or(DOES_NOT_OPEN)?;
    let data = bytes(parts.data).ok_or(DOES_NOT_OPEN)?;
    let opened = edge
        .platform
        .decrypt(&key, &nonce, context.as_bytes(), &data);
    let opened = opened.await.ok_or(DOES_NOT_OPEN)?;
    String::from_utf8(opened).map_err(|_| DOES_NOT_OPEN)
}

/// The same secret under the newest key. Only its own key is decrypted, never the secret.
///
/// # Errors
/// Those of [`seal`] and [`open`].
pub async fn rewrap<P: Platform>(
    sealed: &Sealed,
    binding: &Binding<'_>,
    edge: &Edge<P>,
) -> Result<Sealed, Error> {
    let context = context(binding);
    let parts = Parts::read(&sealed.text).ok_or(DOES_NOT_OPEN)?;
    let old = edge.config.kek(sealed.key_version)?;
    let new = edge.config.newest_kek()?;
    let key = parts.unwrap(&context, old, &edge.platform).await?;
    let wrapped = wrap(&key, &random()?, &context, new, &edge.platform).await?;
    Ok(Sealed {
        text: [FORMAT, &wrapped, parts.nonce, parts.data].join("."),
        key_version: new.version,
    })
}

const NOT_ENCRYPTED: Error = Error::Internal("the secret cannot be sealed");
const DOES_NOT_OPEN: Error =
    Error::Internal("a sealed secret is damaged, or was sealed for another place");

/// The associated data of a secret.
fn context(binding: &Binding<'_>) -> String {
    [FORMAT, binding.column, binding.row, binding.owner].join("\0")
}

/// The associated data of a secret's own key.
fn key_context(context: &str, kek: &SealingKey) -> String {
    format!("{context}\0KEK_{}", kek.version)
}

/// A secret's own key, encrypted: `<nonce>.<key and tag>`.
async fn wrap<P: Platform>(
    key: &[u8],
    nonce: &[u8; NONCE_BYTES],
    context: &str,
    kek: &SealingKey,
    platform: &P,
) -> Result<String, Error> {
    let context = key_context(context, kek);
    let wrapped = platform.encrypt(&kek.bytes, nonce, context.as_bytes(), key);
    let wrapped = wrapped.await.ok_or(NOT_ENCRYPTED)?;
    Ok([encoded(nonce), encoded(&wrapped)].join("."))
}

/// The parts of a sealed secret, each in base64url.
struct Parts<'a> {
    key_nonce: &'a str,
    wrapped: &'a str,
    nonce: &'a str,
    data: &'a str,
}

impl<'a> Parts<'a> {
    /// The parts of a text; none if it is not in this format.
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split('.');
        if parts.next() != Some(FORMAT) {
            return None;
        }
        let read = Self {
            key_nonce: parts.next()?,
            wrapped: parts.next()?,
            nonce: parts.next()?,
            data: parts.next()?,
        };
        let sizes = bytes(read.key_nonce)?.len() == NONCE_BYTES
            && bytes(read.nonce)?.len() == NONCE_BYTES
            && bytes(read.wrapped)?.len() == KEY_BYTES + TAG_BYTES;
        (sizes && parts.next().is_none()).then_some(read)
    }

    /// The secret's own key.
    async fn unwrap<P: Platform>(
        &self,
        context: &str,
        kek: &SealingKey,
        platform: &P,
    ) -> Result<Vec<u8>, Error> {
        let context = key_context(context, kek);
        let nonce = bytes(self.key_nonce).ok_or(DOES_NOT_OPEN)?;
        let wrapped = bytes(self.wrapped).ok_or(DOES_NOT_OPEN)?;
        let key = platform.decrypt(&kek.bytes, &nonce, context.as_bytes(), &wrapped);
        key.await.ok_or(DOES_NOT_OPEN)
    }
}

fn encoded(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::native::{Native, edge, edge_serving};
    use crate::registry::Registry;
    use pollster::block_on;

    const BINDING: Binding<'static> = Binding {
        column: "notes.keys.secret",
        row: "0b0a1b9c-12de-4f00-8000-00000000000a",
        owner: "user-1",
    };

    /// So many bytes that count up.
    fn counted<const N: usize>(first: u8) -> [u8; N] {
        let mut next = first;
        [(); N].map(|()| {
            let byte = next;
            next = next.wrapping_add(1);
            byte
        })
    }

    /// An edge with these keys. The bytes of `KEK_<n>` count up from n.
    fn with_keys(versions: &'static [u8]) -> Edge<Native> {
        edge_serving(Registry::default(), move |name| {
            let version: u8 = name.strip_prefix("KEK_")?.parse().ok()?;
            let key = || encoded(&counted::<KEY_BYTES>(version));
            versions.contains(&version).then(key)
        })
    }

    fn sealed(secret: &str, binding: &Binding<'_>, edge: &Edge<Native>) -> Sealed {
        block_on(seal(secret, binding, edge)).unwrap()
    }

    /// Made with Node's crypto, which is OpenSSL's: `createCipheriv('aes-256-gcm', ...)` with the key, the nonces and the
    /// associated data of this test.
    const KNOWN: [(&str, u8, &str); 3] = [
        (
            "sk-ant-api03-known-answer",
            1,
            "v1.gIGCg4SFhoeIiYqL.rJcUvqSljfdrDrZxMIlioBnZL1Bsw64-C7pjQkTvRd0clVM1L-gZN5_0VQ3up2-X.yMnKy8zNzs_Q0dLT.HNhF_sHWE5oIzi0ktXKu-BHWcnorJRwCVpfC3TpWueb7stY6ThkKUzw",
        ),
        (
            "",
            7,
            "v1.gIGCg4SFhoeIiYqL.rVlb-TCXL6MO_8cvW0lgd-irhJN38NTJvrI9YBd74sflvqjqZgkwGJ4Pa6Jfkf9Y.yMnKy8zNzs_Q0dLT.xSynD3BBcwF9lhZwzne6kw",
        ),
        (
            "zoë 🔑\n{\"a\":1}",
            99,
            "v1.gIGCg4SFhoeIiYqL.6522cJK9csyFXUjy8kO3OrKtNUHWG97bVxcTSjbJ2AupRjpZs03PQ0uxnIhCZLW4.yMnKy8zNzs_Q0dLT.FdyrNI9SoW_prWY1-Tv6phuA7dG4qBmdA1pCh_rXo_Ba",
        ),
    ];

    #[test]
    fn known_answers_of_another_implementation() {
        let edge = with_keys(&[1, 7, 99]);
        for (secret, version, text) in KNOWN {
            let randomness = Randomness {
                key: counted(64),
                key_nonce: counted(128),
                nonce: counted(200),
            };
            let kek = edge.config.kek(version.into()).ok().unwrap();
            let made = seal_with(&randomness, secret, &BINDING, kek, &edge.platform);
            let made = block_on(made).unwrap();
            assert_eq!(made.text, text, "{secret}");
            assert_eq!(made.key_version, u32::from(version));
            assert_eq!(block_on(open(&made, &BINDING, &edge)).unwrap(), secret);
        }
    }

    #[test]
    fn a_secret_opens_in_its_own_place_and_nowhere_else() {
        let edge = with_keys(&[1, 2, 3]);
        let columns = ["notes.keys.secret", "notes.keys.other", "other.keys.secret"];
        let rows = ["row-1", "row-2", ""];
        let owners = ["user-1", "user-2", ""];
        let mut places = Vec::new();
        for column in columns {
            for row in rows {
                for owner in owners {
                    places.push(Binding { column, row, owner });
                }
            }
        }
        let versions: [&'static [u8]; 3] = [&[1], &[1, 2], &[1, 2, 3]];
        let mut all = Vec::new();
        for (place, binding) in places.iter().enumerate() {
            for newest in versions {
                let secret = format!("secret of {place}");
                all.push((place, sealed(&secret, binding, &with_keys(newest))));
            }
        }
        let (mut opened, mut refused) = (0, 0);
        for (place, one) in &all {
            for (other, binding) in places.iter().enumerate() {
                for key_version in 1..=3 {
                    let text = one.text.clone();
                    let moved = Sealed { text, key_version };
                    let outcome = block_on(open(&moved, binding, &edge));
                    if *place == other && key_version == one.key_version {
                        assert_eq!(outcome.unwrap(), format!("secret of {place}"));
                        opened += 1;
                    } else {
                        assert_eq!(outcome, Err(DOES_NOT_OPEN), "{place} {other} {key_version}");
                        refused += 1;
                    }
                }
            }
        }
        assert_eq!((opened, refused), (81, 81 * 81 - 81));
        // Nor do the key of one and the data of another open together.
        for (place, one) in &all {
            for (other_place, other) in all.iter().filter(|(_, other)| other != one) {
                let (own, others) = (Parts::read(&one.text), Parts::read(&other.text));
                let (Some(own), Some(others)) = (own, others) else {
                    panic!("{one:?} {other:?}");
                };
                let cover = [FORMAT, own.key_nonce, own.wrapped];
                let text = [&cover[..], &[others.nonce, others.data]]
                    .concat()
                    .join(".");
                for key_version in [one.key_version, other.key_version] {
                    let text = text.clone();
                    let mixed = Sealed { text, key_version };
                    for binding in [&places[*place], &places[*other_place]] {
                        assert_eq!(block_on(open(&mixed, binding, &edge)), Err(DOES_NOT_OPEN));
                    }
                }
            }
        }
    }

    #[test]
    fn a_damaged_text_does_not_open() {
        let edge = with_keys(&[1]);
        let good = sealed("secret", &BINDING, &edge);
        let flipped = (0..good.text.len()).map(|at| {
            let mut text = good.text.clone();
            let other = if text.as_bytes().get(at) == Some(&b'A') {
                "B"
            } else {
                "A"
            };
            text.replace_range(at..=at, other);
            text
        });
        let more = [
            String::new(),
            "v1....".into(),
            format!("{}.", good.text),
            format!("{} ", good.text),
            good.text.replace("v1", "v2"),
            good.text.rsplit_once('.').unwrap().0.to_owned(),
        ];
        for text in flipped.chain(more) {
            let damaged = Sealed {
                text: text.clone(),
                key_version: 1,
            };
            assert_eq!(
                block_on(open(&damaged, &BINDING, &edge)),
                Err(DOES_NOT_OPEN),
                "{text}"
            );
            // Rewrapping reads no secret, so it may pass on a damaged one, which still does not open.
            if let Ok(rewrapped) = block_on(rewrap(&damaged, &BINDING, &edge)) {
                assert_eq!(
                    block_on(open(&rewrapped, &BINDING, &edge)),
                    Err(DOES_NOT_OPEN),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn rewrapping_changes_the_key_s_cover_and_nothing_else() {
        let (old, both, new) = (with_keys(&[1]), with_keys(&[1, 2]), with_keys(&[2]));
        let first = sealed("secret", &BINDING, &old);
        let second = block_on(rewrap(&first, &BINDING, &both)).unwrap();
        assert_eq!((first.key_version, second.key_version), (1, 2));
        let (before, after) = (
            Parts::read(&first.text).unwrap(),
            Parts::read(&second.text).unwrap(),
        );
        assert_eq!((before.nonce, before.data), (after.nonce, after.data));
        assert_ne!(before.key_nonce, after.key_nonce);
        assert_ne!(before.wrapped, after.wrapped);
        assert_eq!(block_on(open(&first, &BINDING, &both)).unwrap(), "secret");
        assert_eq!(block_on(open(&second, &BINDING, &new)).unwrap(), "secret");
        let missing = |variable: &'static str| Error::NotConfigured {
            variable: variable.into(),
        };
        assert_eq!(
            block_on(open(&first, &BINDING, &new)),
            Err(missing("KEK_1"))
        );
        assert_eq!(
            block_on(rewrap(&first, &BINDING, &new)),
            Err(missing("KEK_1"))
        );
        assert_eq!(
            block_on(seal("secret", &BINDING, &edge())),
            Err(missing("KEK_1"))
        );
        let elsewhere = Binding {
            row: "another",
            ..BINDING
        };
        assert_eq!(
            block_on(rewrap(&first, &elsewhere, &both)),
            Err(DOES_NOT_OPEN)
        );
    }

    #[test]
    fn nothing_random_is_used_twice() {
        let edge = with_keys(&[1]);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let made = sealed("secret", &BINDING, &edge);
            for part in made.text.split('.').skip(1) {
                assert!(seen.insert(part.to_owned()), "{part}");
            }
        }
    }
}
