//! JSON bodies: accepts only documents that have one meaning and that PostgreSQL can store.

use serde_json::{Map, Value};

use super::{Content, charset, is_lines, media_type};
use crate::error::Error;
use crate::json::{has_nul, read};

/// The JSON of a body whose type is JSON.
///
/// # Errors
/// 415 for another type; 400 for a body that is not JSON, names a field twice or contains a NUL.
pub fn body(content: Content<'_>) -> Result<Value, Error> {
    require(content.content_type)?;
    let value = document(content)?;
    without_nul(&value)?;
    Ok(value)
}

/// The document of a body of JSON, or of JSON lines with a single one. It may contain a NUL.
///
/// # Errors
/// [`Error::MalformedBody`].
pub(crate) fn document(content: Content<'_>) -> Result<Value, Error> {
    let text = charset::json(content);
    if !is_lines(&content.media_type()) {
        return parse(&text);
    }
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut lines = lines.by_ref().filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    if lines.next().is_some() {
        let why = "it has more than one line: send one request for each object";
        return Err(Error::MalformedBody(why.into()));
    }
    parse(first)
}

/// Refuses a `Content-Type` other than JSON.
///
/// # Errors
/// [`Error::UnsupportedMediaType`].
pub fn require(content_type: &str) -> Result<(), Error> {
    if media_type(content_type) == "application/json" {
        return Ok(());
    }
    let accepted = "application/json".into();
    Err(Error::UnsupportedMediaType { accepted })
}

/// Refuses a value that contains a NUL.
///
/// # Errors
/// [`Error::MalformedBody`].
pub(crate) fn without_nul(value: &Value) -> Result<(), Error> {
    if has_nul(value) { Err(nul()) } else { Ok(()) }
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
