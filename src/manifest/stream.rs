//! What the manifest of an endpoint may say that answers with a stream of its own Rust.

use super::{Answer, Endpoint, Fault, Verb};

pub(super) fn check(endpoint: &Endpoint) -> Result<(), Fault> {
    if endpoint.stream.is_none() {
        return Ok(());
    }
    let is = |holds: bool, field: &str, what: &str| {
        if holds {
            Ok(())
        } else {
            Err(Fault(field.to_owned(), what.to_owned()))
        }
    };
    is(endpoint.call.is_some(), "stream", "needs call")?;
    let is_get = matches!(endpoint.method, Verb::Get);
    let wanted = "not for a GET: its HEAD would do the work for an answer without a body";
    is(!is_get, "stream", wanted)?;
    for (contradicts, field) in [
        (endpoint.answer != Answer::Ok, "answer"),
        (endpoint.after_call.is_some(), "after_call"),
        (endpoint.redirect.is_some(), "redirect"),
        (endpoint.line_limit.is_some(), "line_limit"),
        (endpoint.pages.is_some(), "pages"),
        (endpoint.answer_step_ms.is_some(), "answer_step_ms"),
    ] {
        is(!contradicts, field, "contradicts stream")?;
    }
    Ok(())
}
