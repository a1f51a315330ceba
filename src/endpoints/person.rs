//! `/v1/admin/gdpr/...`: what an administrator does for a person: the export and the erasure of their data. The database
//! decides who is an administrator, and the systems say in it where they keep persons' data.

use std::rc::Rc;

use http::Method;
use serde_json::{Value, json};

use crate::config::Config;
use crate::endpoint::{Action, Answer, Arguments, Call, Incoming, Plan, Route};
use crate::error::Error;
use crate::formats::address;
use crate::formats::form::malformed;
use crate::message::KB;

/// The endpoints.
#[must_use]
pub fn routes() -> Vec<Route> {
    let export = Call {
        arguments: Arguments::Code(export_arguments),
        answer: Answer::Streamed,
        ..Call::new("edge", "export_person")
    };
    let erase = Call {
        arguments: Arguments::Code(erase_arguments),
        ..Call::new("edge", "erase_person")
    };
    vec![
        Route::new(
            Method::POST,
            "/v1/admin/gdpr/export",
            Action::Call(Rc::new(export)),
        )
        .body(4 * KB),
        Route::new(
            Method::POST,
            "/v1/admin/gdpr/erase",
            Action::Call(Rc::new(erase)),
        )
        .body(4 * KB),
    ]
}

fn export_arguments(incoming: &Incoming, _: &Config) -> Result<Plan, Error> {
    let (email, phones) = person(incoming.json()?)?;
    let arguments = json!({ "email": email, "phones": phones });
    Ok(Plan::Call(arguments.to_string()))
}

fn erase_arguments(incoming: &Incoming, _: &Config) -> Result<Plan, Error> {
    let body = incoming.json()?;
    let (email, phones) = person(body)?;
    // Records that only mention the person are erased only on explicit request.
    let mentions = match body.get("mentions") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(mentions)) => *mentions,
        Some(_) => return Err(malformed("JSON: mentions must be true or false")),
    };
    let arguments = json!({ "email": email, "phones": phones, "mentions": mentions });
    Ok(Plan::Call(arguments.to_string()))
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
