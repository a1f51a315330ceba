//! Sealed values of users: opens what the database has released to a worker.
//!
//! The database decides who may have a value, and counts the use in the same transaction. It returns the sealed text; the place to
//! which the text must be bound stands here and in the row, so a text that was moved to another row, owner or column does not
//! open.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::hooks::{Binding, Sealed, Services};
use crate::json::{self, fields};

/// What the keys of users are bound to.
pub const KEYS: &str = "flashfusion.user_api_keys.key";
/// What the environment variables of deployments are bound to.
const ENVIRONMENTS: &str = "flashfusion.deployments.environment_variables";
/// What the credentials of integrations are bound to.
const CREDENTIALS: &str = "flashfusion.integrations.credentials";

/// A sealed value and its place.
#[derive(Deserialize)]
pub struct Stored {
    row: String,
    owner: String,
    sealed: String,
    key_version: u32,
}

/// What the database releases to a worker.
#[derive(Deserialize)]
struct Released {
    stored: Value,
    answer: Map<String, Value>,
}

/// Opens a sealed value of a column.
///
/// # Errors
/// Those of [`Services::open`].
pub async fn open(column: &str, stored: Stored, services: Services<'_>) -> Result<String, Error> {
    let sealed = Sealed {
        text: stored.sealed,
        key_version: stored.key_version,
    };
    let binding = Binding {
        column,
        row: &stored.row,
        owner: &stored.owner,
    };
    services.open(&sealed, &binding).await
}

/// Gives a worker a key.
///
/// # Errors
/// Those of [`open`].
pub async fn open_key(found: &Value, services: Services<'_>) -> Result<Value, Error> {
    release(found, KEYS, "key", string, services).await
}

/// Gives a worker the environment variables of a deployment.
///
/// # Errors
/// Those of [`open`].
pub async fn open_environment(found: &Value, services: Services<'_>) -> Result<Value, Error> {
    release(found, ENVIRONMENTS, "environment", object, services).await
}

/// Gives a worker the credentials of an integration.
///
/// # Errors
/// Those of [`open`].
pub async fn open_credentials(found: &Value, services: Services<'_>) -> Result<Value, Error> {
    release(found, CREDENTIALS, "credentials", object, services).await
}

/// The text that was sealed.
fn string(text: &str) -> Value {
    text.into()
}

/// The object that was sealed as text.
fn object(text: &str) -> Value {
    json::object(text).map_or(Value::Null, Value::Object)
}

/// The answer with the opened value under a name.
async fn release(
    found: &Value,
    column: &str,
    name: &str,
    read: fn(&str) -> Value,
    services: Services<'_>,
) -> Result<Value, Error> {
    let released: Released = fields(found.clone()).ok_or(Error::UpstreamFailed)?;
    let stored: Stored = fields(released.stored).ok_or(Error::UpstreamFailed)?;
    let mut answer = released.answer;
    let opened = open(column, stored, services).await?;
    answer.insert(name.to_owned(), read(&opened));
    Ok(Value::Object(answer))
}
