//! What the edge asks of Stripe: checkout and portal sessions, and the objects that thin events name.
//! <https://docs.stripe.com/api>

use form_urlencoded::Serializer;
use http::{HeaderValue, Method};
use serde_json::{Value, json};

use super::errors;
use crate::error::Error;
use crate::headers::Headers;
use crate::hooks::{ServiceRequest, Services};
use crate::json::has_nul;
use crate::message::Body;

/// The variable with the address of Stripe's API.
const URL: &str = "STRIPE_URL";
/// The variable with its key.
const KEY: &str = "STRIPE_API_KEY";
/// The variable with the page to which Stripe's pages lead back.
const RETURN_URL: &str = "BILLING_RETURN_URL";
/// The version whose forms the database reads; older ones, too.
const VERSION: HeaderValue = HeaderValue::from_static("2026-10-28.endive");

/// Milliseconds that a request may take.
const DEADLINE_MS: u32 = 10_000;
/// The most bytes of an answer.
const MAX_ANSWER_BYTES: usize = 512 * 1024;
/// The most objects that are fetched between two calls of the database.
const MAX_PER_BATCH: usize = 20;
/// Milliseconds after which a run of the job starts no more work.
const MAX_JOB_MS: u64 = 120_000;

/// Opens a checkout session for what `flashfusion.checkout_reference` gave. The user's id is its reference: the session's event tells which
/// user the customer is.
///
/// # Errors
/// 502 if Stripe does not open it.
pub async fn checkout(reference: &Value, services: Services<'_>) -> Result<Value, Error> {
    let user = text(reference, "user_id");
    let page = services.text(RETURN_URL).unwrap_or_default();
    let mut form = Serializer::new(String::new());
    form.append_pair("mode", "subscription")
        .append_pair("line_items[0][price]", text(reference, "price"))
        .append_pair("line_items[0][quantity]", "1")
        .append_pair("client_reference_id", user)
        .append_pair("metadata[rg_user]", user)
        .append_pair("subscription_data[metadata][rg_user]", user)
        .append_pair("success_url", &with_query(page, "checkout=success"))
        .append_pair("cancel_url", &with_query(page, "checkout=canceled"));
    match (text(reference, "customer"), text(reference, "email")) {
        ("", "") => {}
        ("", email) => drop(form.append_pair("customer_email", email)),
        (customer, _) => drop(form.append_pair("customer", customer)),
    }
    let form = form.finish();
    open(
        services,
        "v1/checkout/sessions",
        form,
        text(reference, "key"),
    )
    .await
}

/// Opens the customer portal for what `flashfusion.portal_reference` gave.
///
/// # Errors
/// 502 if Stripe does not open it.
pub async fn portal(reference: &Value, services: Services<'_>) -> Result<Value, Error> {
    let form = Serializer::new(String::new())
        .append_pair("customer", text(reference, "customer"))
        .append_pair("return_url", services.text(RETURN_URL).unwrap_or_default())
        .finish();
    open(services, "v1/billing_portal/sessions", form, "").await
}

/// Fetches the objects of thin events. A failure is left for a later run. Gives the number of each.
///
/// # Errors
/// Those of calling the database.
pub async fn fetch_thin_events(services: Services<'_>) -> Result<Value, Error> {
    let start_ms = services.now_ms();
    let (mut fetched, mut failed) = (0, 0);
    loop {
        let claimed = json!({ "most": MAX_PER_BATCH });
        let claimed = services.call("claim_billing_events", &claimed).await?;
        let claimed = claimed.as_array().map(Vec::as_slice).unwrap_or_default();
        let mut is_welcome = true;
        for event in claimed {
            if !is_welcome || services.now_ms().saturating_sub(start_ms) > MAX_JOB_MS {
                break;
            }
            let path = text(event, "path");
            let (status, object) = ask(services, Method::GET, path, String::new(), "").await;
            is_welcome = !matches!(status, 0 | 401 | 403 | 429);
            let end =
                json!({ "event_id": event.get("event_id"), "status": status, "object": object });
            services.call("finish_billing_event", &end).await?;
            if (200..300).contains(&status) {
                fetched += 1;
            } else {
                failed += 1;
            }
        }
        if claimed.len() < MAX_PER_BATCH || !is_welcome {
            return Ok(json!({ "fetched": fetched, "failed": failed }));
        }
    }
}

/// Opens a session, and gives its address.
async fn open(services: Services<'_>, path: &str, form: String, key: &str) -> Result<Value, Error> {
    let (status, session) = ask(services, Method::POST, path, form, key).await;
    match text(&session, "url") {
        url if (200..300).contains(&status) && url.starts_with("https://") => {
            Ok(json!({ "url": url }))
        }
        _ => {
            let error = session.get("error").unwrap_or(&Value::Null);
            services.log(&format!("stripe answered {status} to {path}"));
            let code: String = text(error, "code").chars().take(100).collect();
            Err(Error::with(
                &errors::STRIPE_FAILED,
                format!("{status} {code}").trim_end().to_owned(),
            ))
        }
    }
}

/// The status and the JSON of Stripe's answer; 0 and null for none.
async fn ask(
    services: Services<'_>,
    method: Method,
    path: &str,
    form: String,
    key: &str,
) -> (u16, Value) {
    let secret = services.text(KEY).unwrap_or_default();
    let Ok(mut bearer) = HeaderValue::from_str(&format!("Bearer {}", secret.trim())) else {
        return (0, Value::Null);
    };
    bearer.set_sensitive(true);
    let mut headers = Headers::new();
    headers.insert(http::header::AUTHORIZATION, bearer);
    headers.insert("stripe-version", VERSION);
    if !form.is_empty() {
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(http::header::CONTENT_TYPE, kind);
    }
    if let Ok(key) = HeaderValue::from_str(key)
        && !key.is_empty()
    {
        headers.insert("idempotency-key", key);
    }
    let request = ServiceRequest {
        variable: URL,
        method,
        path,
        headers,
        body: form.into_bytes(),
        deadline_ms: DEADLINE_MS,
        max_answer_bytes: MAX_ANSWER_BYTES,
    };
    let Ok(response) = services.send(request).await else {
        return (0, Value::Null);
    };
    let answer = match response.body {
        Body::Bytes(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
        _ => Value::Null,
    };
    // PostgreSQL cannot store a NUL.
    let answer = Some(answer).filter(|answer| !has_nul(answer));
    (response.status.as_u16(), answer.unwrap_or_default())
}

/// An address with one more parameter.
fn with_query(page: &str, parameter: &str) -> String {
    let join = if page.contains('?') { '&' } else { '?' };
    format!("{page}{join}{parameter}")
}

/// A field that is a text; empty if it is missing or not one.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
