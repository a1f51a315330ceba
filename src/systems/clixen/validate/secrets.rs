//! Secrets in parameters, where everybody who sees the workflow sees them: found by the formats of known issuers, and
//! by the names of headers. Expressions are not secrets.

use serde_json::{Map, Value};

use super::report::Part::{self, At, Key};
use super::report::Report;
use super::report::Weight::Warning;
use super::rules;

/// Prefixes of secrets, and the fewest letters, digits, `-`, `_` and `.` after each.
const FORMS: [(&str, usize); 17] = [
    ("sk-", 20),
    ("sk_live_", 16),
    ("rk_live_", 16),
    ("whsec_", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("ghp_", 30),
    ("gho_", 30),
    ("github_pat_", 30),
    ("glpat-", 20),
    ("AKIA", 16),
    ("AIza", 30),
    ("SG.", 40),
    ("hf_", 30),
    ("shpat_", 30),
    ("n8n_api_", 20),
    ("eyJ", 60),
];

/// The fewest characters of such a secret.
const MIN_SECRET_CHARS: usize = 20;

/// Headers, and parameters with a header's name, whose value is a secret.
const NAMES: [&str; 8] = [
    "api-key",
    "apikey",
    "api_key",
    "authorization",
    "password",
    "x-api-key",
    "x-auth-token",
    "x-access-token",
];

/// Searches the parameters of a node.
pub fn check<'a>(value: &'a Value, path: &mut Vec<Part<'a>>, node: &str, report: &mut Report) {
    let found = match value {
        Value::String(text) => text.len() >= MIN_SECRET_CHARS && has_secret(text),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                path.push(At(at));
                check(item, path, node, report);
                path.pop();
            }
            false
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                path.push(Key(key));
                check(value, path, node, report);
                path.pop();
            }
            is_secret_header(fields)
        }
        _ => false,
    };
    if found {
        report.add(Warning, &rules::SECRET_IN_PARAMETERS, path, &[node]);
    }
}

/// Whether a text contains a word in the format of a secret, or a private key.
fn has_secret(text: &str) -> bool {
    let is_word =
        |byte: &u8| matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.');
    let is_secret = |word: &[u8]| {
        FORMS.iter().any(|(start, least)| {
            word.len() >= start.len() + least && word.starts_with(start.as_bytes())
        })
    };
    // Most words are short.
    let mut words = text.as_bytes().split(|byte| !is_word(byte));
    words.any(|word| word.len() >= MIN_SECRET_CHARS && is_secret(word))
        || (text.len() > 100 && text.contains("PRIVATE KEY-----"))
}

/// Whether it is `{name: "Authorization", value: "..."}` with a literal value.
fn is_secret_header(fields: &Map<String, Value>) -> bool {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let name = text("name").to_ascii_lowercase();
    let value = text("value");
    // One word, or a scheme and one word: not a placeholder, and not a secret that has_secret reports already.
    let secret = value.rsplit(' ').next().unwrap_or_default();
    NAMES.contains(&name.as_str())
        && secret.len() >= 12
        && secret
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"{}<>$".contains(&b))
        && !has_secret(value)
}
