//! JSON bodies: accepts only documents that have one meaning and that PostgreSQL can store.

use serde_json::{Map, Value};

use super::{Content, charset};
use crate::error::Error;
use crate::json::{has_nul, read};

/// The JSON of a body whose type is JSON.
///
/// # Errors
/// 415 for another type; 400 for a body that is not JSON, names a field twice or contains a NUL.
pub fn body(content: Content<'_>) -> Result<Value, Error> {
    require(content)?;
    let value = parse(&charset::json(content))?;
    if has_nul(&value) {
        return Err(nul());
    }
    Ok(value)
}

/// Refuses a body whose type is not JSON.
///
/// # Errors
/// [`Error::UnsupportedMediaType`].
pub fn require(content: Content<'_>) -> Result<(), Error> {
    if content.media_type() == "application/json" {
        return Ok(());
    }
    let accepted = "application/json".into();
    Err(Error::UnsupportedMediaType { accepted })
}

/// Parses JSON whose objects name no field twice. A number that a 64-bit float would change becomes a string.
///
/// # Errors
/// [`Error::MalformedBody`].
pub fn parse(body: &[u8]) -> Result<Value, Error> {
    read(body).map_err(|error| Error::MalformedBody(format!("JSON: {error}").into()))
}

/// Refuses fields that contain a NUL.
///
/// # Errors
/// [`Error::MalformedBody`].
pub fn refuse_nul(fields: &Map<String, Value>) -> Result<(), Error> {
    if fields.keys().any(|key| key.contains('\0')) || fields.values().any(has_nul) {
        return Err(nul());
    }
    Ok(())
}

fn nul() -> Error {
    Error::MalformedBody("it contains a NUL character".into())
}
