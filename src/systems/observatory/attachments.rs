//! Files beside a transcript (`POST /v1/transcripts/files`): outputs of tools, and what says which tool started a subagent. Their secrets
//! are taken out before they are stored.

use serde_json::json;

use super::errors;
use crate::config::Config;
use crate::endpoint::{Incoming, Plan};
use crate::error::Error;
use crate::secret_patterns::redact;

/// The arguments of the call: the file as text, and where it lies.
///
/// # Errors
/// 415 for a file that is not UTF-8, 400 for a parameter with a NUL.
pub fn arguments(incoming: &Incoming, _: &Config) -> Result<Plan, Error> {
    let bytes = incoming.body.to_parse();
    let text = std::str::from_utf8(bytes).map_err(|_| Error::of(&errors::FILE_NOT_TEXT))?;
    let redacted = redact(text);
    let secrets: u32 = redacted
        .iter()
        .flat_map(|redacted| &redacted.counts)
        .map(|(_, count)| count)
        .sum();
    let clean = redacted.as_ref().map_or(text, |redacted| &redacted.text);
    let parameter = |name: &str| match incoming.parameter(name) {
        Some(text) if text.contains('\0') => Err(Error::BadQuery("it contains a NUL")),
        given => Ok(given),
    };
    let arguments = json!({
        "file": parameter("file")?.unwrap_or_default(),
        "session": parameter("session")?,
        "project": parameter("project")?,
        // PostgreSQL stores no NUL.
        "content": clean.replace('\0', "\u{fffd}"),
        "bytes": bytes.len(),
        "redactions": secrets,
    });
    Ok(Plan::Call(arguments.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::native;
    use serde_json::Value;

    fn made(body: &[u8]) -> Result<Value, Error> {
        let incoming = Incoming {
            body: body.to_vec().into(),
            query: "file=a%2Ftool-results%2Fb.txt&session=a".into(),
            ..Incoming::default()
        };
        match arguments(&incoming, &native::edge().config)? {
            Plan::Call(text) => Ok(serde_json::from_str(&text).unwrap()),
            Plan::Answer(_) => panic!("it answers"),
        }
    }

    #[test]
    fn a_file_loses_its_secrets_and_what_cannot_be_stored() {
        let key = format!("ghp_{}", "a1B2".repeat(9));
        let body = format!("one\0 {key}\n");
        assert_eq!(
            made(body.as_bytes()).unwrap(),
            json!({
                "file": "a/tool-results/b.txt", "session": "a", "project": null, "content": "one\u{fffd} [redacted:github]\n",
                "bytes": body.len(), "redactions": 1,
            })
        );
    }

    #[test]
    fn a_file_that_is_no_text_is_refused() {
        assert_eq!(
            made(b"\xff\xfe").unwrap_err(),
            Error::of(&errors::FILE_NOT_TEXT)
        );
    }
}
