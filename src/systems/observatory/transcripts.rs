//! Bodies of `POST /v1/transcripts`: lines of JSON of any agent, without the secrets in them.
//!
//! A line is checked for being one JSON object, and otherwise left as it was sent: the database reads it, and gives it back.

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::config::Config;
use crate::endpoint::Incoming;
use crate::error::Error;
use crate::formats::lines::Batch;
use crate::json::storable::storable;
use crate::secret_patterns::redact;

/// What the database gets for a batch of lines: `lines`, as texts, `offsets`, where they begin in the body, and `redactions`.
///
/// # Errors
/// None: a bad line costs that line.
#[expect(
    clippy::unnecessary_wraps,
    reason = "handlers of lines may refuse a batch"
)]
pub fn batch(batch: &Batch<'_>, _: &Incoming, _: &Config) -> Result<Map<String, Value>, Error> {
    let mut lines = Vec::with_capacity(batch.lines.len());
    let mut skipped = Map::new();
    let mut by_line = Map::new();
    let mut by_provider = Map::new();
    let last = batch.lines.len().saturating_sub(1);
    for (index, line) in batch.lines.iter().enumerate() {
        let value = match read(*line) {
            Ok(text) => {
                let mut secrets = 0;
                let text = match redact(text) {
                    None => storable(text).into_owned(),
                    Some(redacted) => {
                        for (provider, count) in redacted.counts {
                            secrets += count;
                            add(&mut by_provider, provider, count);
                        }
                        storable(&redacted.text).into_owned()
                    }
                };
                if secrets > 0 {
                    by_line.insert(index.to_string(), secrets.into());
                }
                text.into()
            }
            Err(reason) => {
                let is_torn = batch.is_torn && index == last;
                let reason = if is_torn { "unfinished" } else { reason };
                skipped.insert(index.to_string(), reason.into());
                Value::Null
            }
        };
        lines.push(value);
    }
    let mut redactions = Map::new();
    redactions.insert("lines".into(), by_line.into());
    redactions.insert("by".into(), by_provider.into());
    redactions.insert("skipped".into(), skipped.into());
    let mut arguments = Map::new();
    arguments.insert("lines".into(), lines.into());
    arguments.insert("offsets".into(), batch.offsets.into());
    arguments.insert("redactions".into(), redactions.into());
    Ok(arguments)
}

/// The text of a line that is a JSON object, or why it is skipped.
fn read(line: Option<&[u8]>) -> Result<&str, &'static str> {
    let line = line.ok_or("too_large")?;
    let text = std::str::from_utf8(line).map_err(|_| "malformed")?;
    let is_object = text.starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok();
    if is_object {
        Ok(text)
    } else {
        Err("malformed")
    }
}

/// Adds to a number of an object.
fn add(counts: &mut Map<String, Value>, name: &str, count: u32) {
    let known = counts.get(name).and_then(Value::as_u64).unwrap_or(0);
    counts.insert(name.to_owned(), (known + u64::from(count)).into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::native;
    use serde_json::json;

    fn made(lines: Vec<Option<&[u8]>>, is_torn: bool) -> Value {
        let offsets: Vec<u64> = (0..lines.len() as u64).map(|at| at * 10).collect();
        let one = Batch {
            lines,
            offsets: &offsets,
            is_torn,
            ..Batch::default()
        };
        let edge = native::edge();
        batch(&one, &Incoming::default(), &edge.config)
            .unwrap()
            .into()
    }

    #[test]
    fn lines_stay_as_they_were_sent_but_for_their_secrets() {
        let key = format!("ghp_{}", "a1B2".repeat(9));
        let secret = format!("{{\"b\": 1.50, \"a\": \"x\\n{key} {key}\"}}");
        let made = made(
            vec![
                Some(b"{\"b\": 1.50,  \"a\": \"\\u00e9\"}"),
                Some(secret.as_bytes()),
            ],
            false,
        );
        assert_eq!(
            made,
            json!({
                "lines": [
                    "{\"b\": 1.50,  \"a\": \"\\u00e9\"}",
                    "{\"b\": 1.50, \"a\": \"x\\n[redacted:github] [redacted:github]\"}",
                ],
                "offsets": [0, 10],
                "redactions": {"lines": {"1": 2}, "by": {"github": 2}, "skipped": {}},
            })
        );
    }

    #[test]
    fn a_key_that_is_written_with_escapes_is_taken_out() {
        let line = format!("{{\"a\": \"\\u0067hp_{}\", \"b\": 1.50}}", "a1B2".repeat(9));
        let made = made(vec![Some(line.as_bytes())], false);
        assert_eq!(
            made.pointer("/lines/0"),
            Some(&json!("{\"a\": \"[redacted:github]\", \"b\": 1.50}"))
        );
        assert_eq!(made.pointer("/redactions/lines/0"), Some(&json!(1)));
    }

    #[test]
    fn bad_lines_are_skipped_with_the_reason() {
        let lines: Vec<Option<&[u8]>> = vec![
            None,
            Some(b"{"),
            Some(b"[]"),
            Some(b"1"),
            Some(b"{\"a\": \"\xff\"}"),
            Some(b"{} {}"),
            Some(b"{\"a\": \"\x01\"}"),
            Some(b"{\"uuid\": \"a\\u0000b\\ud800\", \"n\": 1e999}"),
            Some(b"{\"torn\": \"li"),
        ];
        let skipped = |made: &Value| made.pointer("/redactions/skipped").cloned().unwrap();
        let complete = made(lines.clone(), false);
        assert_eq!(
            skipped(&complete),
            json!({
                "0": "too_large", "1": "malformed", "2": "malformed", "3": "malformed", "4": "malformed", "5": "malformed",
                "6": "malformed", "8": "malformed",
            })
        );
        assert_eq!(
            complete.pointer("/lines/7"),
            Some(&json!("{\"uuid\": \"a\\ufffdb\\ufffd\", \"n\": \"1e999\"}"))
        );
        let torn = made(lines, true);
        assert_eq!(
            torn.pointer("/redactions/skipped/8"),
            Some(&json!("unfinished"))
        );
        assert_eq!(
            torn.pointer("/redactions/skipped/1"),
            Some(&json!("malformed"))
        );
    }

    #[test]
    fn a_last_line_without_a_line_feed_is_whole_if_it_is_an_object() {
        let made = made(vec![Some(b"{}")], true);
        assert_eq!(made.pointer("/lines"), Some(&json!(["{}"])));
        assert_eq!(made.pointer("/redactions/skipped"), Some(&json!({})));
    }
}
