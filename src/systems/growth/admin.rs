//! `/v1/admin/…`: what administrators need besides the data API. The database decides who is one.

use super::address;
use crate::endpoint::{Call, Export, More, Plan};
use crate::error::Error;
use crate::formats::form::malformed;
use crate::formats::json;
use serde_json::{Value, json};

/// `GET /v1/admin/leads.csv`
pub fn leads() -> Export {
    Export {
        schema: "marketing".into(),
        relation: "leads_csv".into(),
        columns: [
            "id",
            "created_at",
            "updated_at",
            "email",
            "first_name",
            "last_name",
            "company_name",
            "phone_number",
            "source",
            "status",
            "notes",
            "interested_features",
            "utm_source",
            "utm_medium",
            "utm_campaign",
            "utm_content",
            "utm_term",
            "referrer",
            "landing_page",
            "country_code",
            "region",
            "city",
            "submission_count",
            "submissions_dropped",
            "is_spam",
            "spam_reason",
            "opt_in_status",
            "opted_in_at",
            "deleted_at",
        ]
        .map(Into::into)
        .into(),
        more: More {
            column: "metadata".into(),
            names: "lead_field_names".into(),
        },
        file_name: "leads.csv".into(),
    }
}

/// `POST /v1/admin/gdpr/export`
pub fn gdpr_export() -> Call {
    Call {
        arguments: |incoming, _| {
            let body = json::body(incoming.content())?;
            let (email, phones) = person(&body)?;
            Ok(Plan::Call(
                json!({ "email": email, "phones": phones }).to_string(),
            ))
        },
        streamed: true,
        ..Call::new("marketing", "gdpr_export_user_data")
    }
}

/// `POST /v1/admin/gdpr/erase`
pub fn gdpr_erase() -> Call {
    Call {
        arguments: |incoming, _| {
            let body = json::body(incoming.content())?;
            let (email, phones) = person(&body)?;
            // Records that only mention the person are erased only on explicit request.
            let mentions = match body.get("mentions") {
                None | Some(Value::Null) => false,
                Some(Value::Bool(mentions)) => *mentions,
                Some(_) => return Err(malformed("JSON: mentions must be true or false")),
            };
            Ok(Plan::Call(
                json!({ "email": email, "phones": phones, "mentions": mentions }).to_string(),
            ))
        },
        ..Call::new("marketing", "gdpr_delete_user_data")
    }
}

/// The address, and the phone numbers that the admin has confirmed. A JSON number stands for its digits.
///
/// An unreadable number is refused: an export or an erasure without it would look complete.
fn person(body: &Value) -> Result<(Option<String>, Option<Vec<String>>), Error> {
    let email = body.get("email").and_then(Value::as_str);
    let email =
        email.map(|typed| address::with_ascii_domain(typed).unwrap_or_else(|| typed.to_owned()));
    let phones = match body.get("phones") {
        None | Some(Value::Null) => None,
        Some(Value::Array(phones)) => Some(phones.iter().map(phone).collect::<Result<_, _>>()?),
        Some(_) => {
            return Err(malformed("JSON: phones must be a list of phone numbers"));
        }
    };
    Ok((email, phones))
}

fn phone(value: &Value) -> Result<String, Error> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(malformed("JSON: phones must be a list of phone numbers")),
    }
}
