//! What a share link shows: JSON, or a page. The page runs no script, and no search engine keeps it.

use askama::Template;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, VARY};
use http::{HeaderValue, StatusCode};
use serde_json::Value;

use crate::browser;
use crate::config::Config;
use crate::endpoint::Incoming;
use crate::error::Error;
use crate::message::{self, Response};
use crate::respond;

const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "observatory/shared.html")]
struct Page<'a> {
    shared: &'a Value,
}

/// A text of an object; empty if it has none.
fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// An object of an object; null if it has none.
fn object<'a>(within: &'a Value, name: &str) -> &'a Value {
    within.get(name).unwrap_or(&Value::Null)
}

/// A list of an object.
fn list<'a>(object: &'a Value, name: &str) -> &'a [Value] {
    let list = object.get(name).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

/// What is called of a subagent: its type, its title or, without both, its id.
fn agent_name(agent: &Value) -> String {
    let known = ["type", "title"].map(|name| text(agent, name));
    let known: Vec<&str> = known.into_iter().filter(|name| !name.is_empty()).collect();
    if known.is_empty() {
        text(agent, "id").to_owned()
    } else {
        known.join(": ")
    }
}

/// The address of a page of the same link: of a subagent, unless `agent` is empty, and after a cursor, unless that is.
fn address(agent: &str, cursor: &str) -> String {
    let mut query = form_urlencoded::Serializer::for_suffix(String::from("?"), 1);
    for (name, value) in [("agent", agent), ("cursor", cursor)] {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    query.finish()
}

/// The day and the minute of a time.
fn time(object: &Value, name: &str) -> String {
    let time = text(object, name);
    time.get(..16).unwrap_or(time).replace('T', " ") + " UTC"
}

/// The answer to `GET /v1/shared/{token}`.
///
/// # Errors
/// The outcome's, to a script.
pub fn answer(
    incoming: &Incoming,
    outcome: Result<Value, Error>,
    _: &Config,
) -> Result<Response<()>, Error> {
    let mut response = match outcome {
        Ok(shared) if incoming.wants_page => {
            let html = Page { shared: &shared }.render();
            let html = html.map_err(|_| Error::Internal("a page cannot be rendered"))?;
            message::bytes(StatusCode::OK, "text/html; charset=utf-8", html)
        }
        Ok(shared) => message::json(StatusCode::OK, &shared),
        Err(error) if incoming.wants_page => {
            let mut page = browser::error_page(&error)?;
            respond::set_error_headers(&error, &mut page.headers);
            page
        }
        Err(error) => return Err(error),
    };
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (VARY, "Accept"),
    ];
    for (name, value) in headers {
        response
            .headers
            .insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// `GET /v1/shared/style.css`
#[expect(clippy::unnecessary_wraps, reason = "the shape of every page")]
pub fn style(_: &Incoming, _: &Config) -> Result<Response<()>, Error> {
    let css = include_str!("shared.css");
    let mut response = message::bytes(StatusCode::OK, "text/css; charset=utf-8", css);
    let hour = HeaderValue::from_static("public, max-age=3600");
    response.headers.insert(CACHE_CONTROL, hour);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_shows_what_was_said_and_runs_none_of_it() {
        let shared = json!({
            "title": "<b>Title</b>", "shared_at": "2026-11-27T00:38:28.1+00:00", "expires_at": "2026-12-27T00:38:28+00:00",
            "next": "1_x&y", "agent": null,
            "agents": [{ "id": "a&b", "type": "Explore", "title": "<i>Find" }, { "id": "c", "type": null, "title": null }],
            "messages": [
                { "role": "user", "at": "2026-11-26T10:00:00+00:00", "parts": [
                    { "type": "text", "text": "<script>alert(1)</script>" }, { "type": "image" } ] },
                { "role": "assistant", "at": null, "parts": [
                    { "type": "thinking", "text": "Hm" },
                    { "type": "tool", "name": "Bash", "status": "completed", "input": "ls", "output": "a\nb", "agent": "a&b" } ] },
            ],
        });
        let html = Page { shared: &shared }.render().unwrap();
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        for shown in [
            "2026-11-27 00:38 UTC",
            "(an image)",
            "Bash completed",
            "a\nb",
            "?cursor=1_x%26y",
            "?agent=a%26b\">What the subagent did",
            "?agent=a%26b\">Explore: &#60;i&#62;Find",
            "?agent=c\">c",
        ] {
            assert!(html.contains(shown), "{shown}: {html}");
        }
    }

    #[test]
    fn a_page_of_a_subagent_leads_to_its_next_page_and_back() {
        let shared = json!({
            "title": "Title", "next": "1_x", "messages": [], "agents": [],
            "agent": { "id": "a", "type": "Explore", "title": null },
        });
        let html = Page { shared: &shared }.render().unwrap();
        for shown in ["Subagent: Explore", "?agent=a&#38;cursor=1_x", "href=\"?\""] {
            assert!(html.contains(shown), "{shown}: {html}");
        }
    }
}
