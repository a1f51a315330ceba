//! What the manifest of an endpoint may say that is answered in pages.

use serde::Deserialize;

use super::checks::is_file_name;
use super::{Answer, Endpoint, Fault};

/// A text of any length, which the function gives in pages.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PagesOf {
    pub(super) content_type: String,
    pub(super) file_name: String,
}

pub(super) fn check(endpoint: &Endpoint) -> Result<(), Fault> {
    let Some(pages) = &endpoint.pages else {
        return Ok(());
    };
    let is = |holds: bool, field: &str, what: &str| {
        if holds {
            Ok(())
        } else {
            Err(Fault(field.to_owned(), what.to_owned()))
        }
    };
    is(endpoint.call.is_some(), "pages", "needs call")?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"+.-/; =".contains(&b);
    let kind = &pages.content_type;
    let is_type = kind.contains('/') && kind.bytes().all(plain);
    let wanted = "a media type such as application/x-ndjson";
    is(is_type, "pages.content_type", wanted)?;
    let wanted = "letters, digits, ., _ and -";
    is(is_file_name(&pages.file_name), "pages.file_name", wanted)?;
    let wanted = "the edge sets after to what the page before gave as next, at first to null";
    let is_free = !endpoint.arguments.contains_key("after");
    is(is_free, "arguments.after", wanted)?;
    for (contradicts, field) in [
        (endpoint.answer != Answer::Ok, "answer"),
        (endpoint.handler.is_some(), "handler"),
        (endpoint.after_call.is_some(), "after_call"),
        (endpoint.redirect.is_some(), "redirect"),
        (endpoint.cache.is_some(), "cache"),
        (endpoint.answer_step_ms.is_some(), "answer_step_ms"),
        (endpoint.line_limit.is_some(), "line_limit"),
        (endpoint.idempotent, "idempotent"),
        (endpoint.seal.is_some(), "seal"),
        // It would count each page.
        (endpoint.limit.is_some(), "limit"),
    ] {
        is(!contradicts, field, "contradicts pages")?;
    }
    Ok(())
}
