//! What the manifest of an endpoint may say that reads its body line by line.

use super::checks::size;
use super::{Answer, BodyOf, Endpoint, Fault, Verb};
use crate::endpoint::Encoding;

/// The most bytes of a line. A batch on its way to the database needs several times the bytes of its lines.
const MAX_LINE_BYTES: usize = 8 * 1024 * 1024;

pub(super) fn check(endpoint: &Endpoint) -> Result<(), Fault> {
    let is = |holds: bool, field: &str, what: &str| {
        if holds {
            Ok(())
        } else {
            Err(Fault(field.to_owned(), what.to_owned()))
        }
    };
    let mut arguments = endpoint.arguments.values();
    let takes_lines = arguments.any(|argument| argument.body == Some(BodyOf::Lines));
    let Some(limit) = &endpoint.line_limit else {
        let mut arguments = endpoint.arguments.values();
        let takes_position = arguments.any(|argument| argument.batch.is_some());
        let wanted = "body = \"lines\" and batch need line_limit, the most bytes of a line";
        return is(!takes_lines && !takes_position, "arguments", wanted);
    };
    let wanted = "a size such as 64 KB or 1 MB, at most 8 MB";
    let fits = size(limit).is_some_and(|bytes| bytes <= MAX_LINE_BYTES);
    is(fits, "line_limit", wanted)?;
    let is_get = matches!(endpoint.method, Verb::Get);
    is(!is_get, "line_limit", "a GET has no body")?;
    let only_lines = endpoint.accepts.as_deref() == Some(&[Encoding::Ndjson]);
    is(
        only_lines,
        "accepts",
        "line_limit needs accepts = [\"ndjson\"]",
    )?;
    let translated = endpoint.handler.is_some();
    let wanted =
        "the lines go nowhere: one argument is body = \"lines\", or a handler translates them";
    is(takes_lines != translated, "arguments", wanted)?;
    let streams = endpoint.answer == Answer::Stream;
    for (contradicts, field) in [
        // A call for each batch, so that one key would stand for several writes.
        (endpoint.idempotent, "idempotent"),
        (endpoint.turnstile.is_some(), "turnstile"),
        (endpoint.form_timestamp, "form_timestamp"),
        (endpoint.form, "form"),
        (streams, "answer"),
        (endpoint.redirect.is_some(), "redirect"),
        (endpoint.answer_step_ms.is_some(), "answer_step_ms"),
        (endpoint.after_call.is_some(), "after_call"),
        // It reads the whole body.
        (endpoint.authenticate.is_some(), "authenticate"),
        (endpoint.seal.is_some(), "seal"),
    ] {
        is(!contradicts, field, "contradicts line_limit")?;
    }
    Ok(())
}
