//! The form timestamp: the signed time at which a hosted form was shown. A client that answers faster than a person
//! can, or sends a forged time, is a bot.

use base16ct::lower;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::config::Config;
use crate::endpoint::Incoming;

/// The form's hidden field.
pub const FIELD: &str = "_ts";

/// The fewest milliseconds in which a person fills in an address.
const MIN_MS: u64 = 2000;

/// Makes a timestamp: `<milliseconds since 1970>.<signature>`.
#[must_use]
pub fn sign(now_ms: u64, config: &Config) -> String {
    format!("{now_ms}.{}", signature(now_ms, config).unwrap_or_default())
}

/// The verdict on the timestamp of a form; none for a form without one.
pub(super) fn verdict(incoming: &Incoming, config: &Config) -> Option<&'static str> {
    let text = incoming.field(FIELD)?;
    Some(verify(text, incoming.now_ms, config))
}

/// The verdict on a timestamp that came back: `forged`, `fast` or `ok`. An old one is `ok`: people leave forms open.
fn verify(timestamp: &str, now_ms: u64, config: &Config) -> &'static str {
    let parts = timestamp.split_once('.');
    let made = parts.and_then(|(time, signed)| Some((time.parse::<u64>().ok()?, signed)));
    match made {
        Some((shown_ms, signed)) if signature(shown_ms, config).as_deref() == Some(signed) => {
            if now_ms.saturating_sub(shown_ms) < MIN_MS {
                "fast"
            } else {
                "ok"
            }
        }
        _ => "forged",
    }
}

fn signature(shown_ms: u64, config: &Config) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(config.signing_key.bytes()).ok()?;
    mac.update(format!("rowgate form {shown_ms}").as_bytes());
    let bytes = mac.finalize().into_bytes();
    bytes.get(..16).map(lower::encode_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::with;

    #[test]
    fn a_timestamp_is_ok_only_if_it_is_ours_and_old_enough() {
        let config = with("", "").ok().unwrap();
        let other = with(
            "EDGE_SIGNING_KEY",
            "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk",
        )
        .ok()
        .unwrap();
        let timestamp = sign(1_000_000, &config);
        let cases = [
            (timestamp.as_str(), 1_002_000, "ok"),
            (&timestamp, 1_001_999, "fast"),
            (&timestamp, 999_000, "fast"),
            (&timestamp, 9_000_000_000, "ok"),
            (
                &timestamp.replace("1000000", "1000001"),
                9_000_000,
                "forged",
            ),
            (&sign(1_000_000, &other), 9_000_000, "forged"),
            ("1000000", 9_000_000, "forged"),
            ("1000000.", 9_000_000, "forged"),
            (".", 9_000_000, "forged"),
            ("", 9_000_000, "forged"),
        ];
        for (text, now, wanted) in cases {
            assert_eq!(verify(text, now, &config), wanted, "{text} {now}");
        }
    }
}
