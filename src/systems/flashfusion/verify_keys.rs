//! Verification of keys: asks a key's service whether it accepts the key.
//!
//! The outcome is a status. A service that is slow, away or not configured fails no request, and what it answers beside its status
//! is not read.

use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::keys::{KEYS, Stored, open};
use crate::error::Error;
use crate::headers::Headers;
use crate::hooks::{ServiceRequest, Services};
use crate::json::fields;

/// Milliseconds that a service has to answer.
const DEADLINE_MS: u32 = 5_000;
/// The most bytes of an answer: a list of models.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// How a service is asked.
struct Check {
    /// Its name in `private.key_services`.
    service: &'static str,
    /// The variable with its address.
    variable: &'static str,
    /// Below that address; nothing is changed or spent by reading it.
    path: &'static str,
    /// The header with the key.
    header: &'static str,
    /// What stands before the key.
    scheme: &'static str,
    /// A further header.
    more: Option<(&'static str, &'static str)>,
    /// What it answers to a key that it does not accept.
    refusals: &'static [StatusCode],
}

const REFUSALS: &[StatusCode] = &[StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];

const fn bearer(service: &'static str, variable: &'static str, path: &'static str) -> Check {
    Check {
        service,
        variable,
        path,
        header: "authorization",
        scheme: "Bearer ",
        more: None,
        refusals: REFUSALS,
    }
}

const CHECKS: [Check; 6] = [
    bearer("openai", "OPENAI_URL", "v1/models"),
    Check {
        header: "x-api-key",
        scheme: "",
        more: Some(("anthropic-version", "2023-06-01")),
        ..bearer("anthropic", "ANTHROPIC_URL", "v1/models?limit=1")
    },
    bearer("groq", "GROQ_URL", "openai/v1/models"),
    bearer("mistral", "MISTRAL_URL", "v1/models"),
    // Google takes the key in the query, too, where logs would have it. To a key that it does not know it answers 400.
    Check {
        header: "x-goog-api-key",
        scheme: "",
        refusals: &[
            StatusCode::BAD_REQUEST,
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
        ],
        ..bearer("google", "GOOGLE_AI_URL", "v1beta/models?pageSize=1")
    },
    bearer("stripe", "STRIPE_URL", "v1/account"),
];

/// Verifies the key of a row whose verification was requested, and gives the row as it is then.
///
/// # Errors
/// None: what fails is the outcome `unknown`.
pub async fn verify_key(found: &Value, services: Services<'_>) -> Result<Value, Error> {
    let mut row = found.clone();
    if found.get("verification").and_then(Value::as_str) != Some("requested") {
        return Ok(row);
    }
    let id = found.get("id").and_then(Value::as_str).unwrap_or_default();
    let outcome = verify(id, &mut row, services).await.unwrap_or("unknown");
    if let Some(fields) = row.as_object_mut() {
        fields.insert("verification".into(), outcome.into());
    }
    Ok(row)
}

/// The outcome: `valid`, `invalid`, `unavailable` if there is no service to ask, or `unknown` if it gave no clear answer.
async fn verify(id: &str, row: &mut Value, services: Services<'_>) -> Result<&'static str, Error> {
    let service = row.get("service_name").and_then(Value::as_str);
    let mut known = CHECKS.iter();
    let check = known.find(|check| Some(check.service) == service);
    let Some(check) = check.filter(|check| services.text(check.variable).is_some()) else {
        return Ok("unavailable");
    };
    let stored = json!({ "key_id": id });
    let stored = services.call("key_to_verify", &stored).await?;
    let stored: Stored = fields(stored).ok_or(Error::UpstreamFailed)?;
    let key = open(KEYS, stored, services).await?;
    let Some(is_valid) = accepts(check, &key, services).await else {
        return Ok("unknown");
    };
    let noted = json!({ "key_id": id, "is_valid": is_valid });
    let noted = services.call("key_verified", &noted).await?;
    if let (Some(shown), Value::Object(noted)) = (row.as_object_mut(), noted) {
        shown.extend(noted);
    }
    Ok(if is_valid { "valid" } else { "invalid" })
}

/// Whether a service accepts a key; none if it did not say.
async fn accepts(check: &Check, key: &str, services: Services<'_>) -> Option<bool> {
    let mut headers = Headers::new();
    let sent = HeaderValue::from_str(&format!("{}{key}", check.scheme)).ok()?;
    headers.insert(check.header, sent);
    headers.insert("accept", HeaderValue::from_static("application/json"));
    if let Some((name, value)) = check.more {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let request = ServiceRequest {
        variable: check.variable,
        method: Method::GET,
        path: check.path,
        headers,
        body: Vec::new(),
        deadline_ms: DEADLINE_MS,
        max_answer_bytes: MAX_ANSWER_BYTES,
    };
    let status = services.send(request).await.ok()?.status;
    if status.is_success() {
        Some(true)
    } else {
        check.refusals.contains(&status).then_some(false)
    }
}
