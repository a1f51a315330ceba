//! Answers for browsers that navigate: the redirect after a form, and a page for an error.

use crate::headers::Headers;
use askama::Template;
use http::header::{CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY};
use http::{HeaderValue, StatusCode};

use crate::config::Config;
use crate::endpoint::Incoming;
use crate::error::Error;
use crate::message::{self, Body, Response};
use crate::url::Url;

/// The field of a form with the page to which it leads.
const NEXT: &str = "_next";

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{ title }}</title>
<main>
<h1>{{ title }}</h1>
{% if let Some(details) = details %}<p>{{ details }}</p>
{% endif %}{% if let Some(hint) = hint %}<p>{{ hint }}</p>
{% endif %}<p>Go back to correct it. The code of this error is {{ code }}.</p>
</main>
</html>
"#
)]
struct ErrorPage<'a> {
    title: &'a str,
    details: Option<&'a str>,
    hint: Option<&'a str>,
    code: &'a str,
}

/// 303 to an address.
///
/// # Errors
/// [`Error::Internal`] for an address that cannot stand in a header.
pub fn see_other(location: &str) -> Result<Response<()>, Error> {
    let value = HeaderValue::from_str(location)
        .map_err(|_| Error::Internal("the redirect is not a valid header value"))?;
    let mut response = Response {
        status: StatusCode::SEE_OTHER,
        headers: Headers::new(),
        body: Body::Empty,
    };
    response.headers.insert(LOCATION, value);
    Ok(response)
}

/// The form's `_next` if it leads to an allowed origin, otherwise the given address.
#[must_use]
pub fn next(incoming: &Incoming, otherwise: &str, config: &Config) -> String {
    match incoming.field(NEXT).map(Url::new) {
        Some(Ok(url)) if leads_to_allowed(&url, config) => url.href(),
        _ => otherwise.to_owned(),
    }
}

/// Whether an address belongs to an allowed site.
#[must_use]
pub fn leads_to_allowed(url: &Url, config: &Config) -> bool {
    // A blob's origin is that of the page that made it, so check the scheme first.
    matches!(&*url.protocol(), "http:" | "https:")
        && url.username().is_empty()
        && url.password().is_empty()
        && config.allowed_origins.contains(&url.origin())
}

/// A page that says what went wrong, under the error's status.
///
/// # Errors
/// [`Error::Internal`] if it cannot be rendered.
pub fn error_page(error: &Error) -> Result<Response<()>, Error> {
    let body = error.body();
    let page = ErrorPage {
        title: &body.message,
        details: body.details.as_ref().and_then(|details| details.as_str()),
        hint: body.hint.as_deref(),
        code: &body.code,
    };
    let html = page
        .render()
        .map_err(|_| Error::Internal("a page cannot be rendered"))?;
    let mut response = message::bytes(error.status(), "text/html; charset=utf-8", html);
    let policy = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'";
    let headers = &mut response.headers;
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    let referrer = HeaderValue::from_static("strict-origin-when-cross-origin");
    headers.insert(REFERRER_POLICY, referrer);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_page_is_escaped_and_runs_nothing() {
        let error = Error::MalformedBody("<script>alert(1)</script>".into());
        let response = error_page(&error).unwrap();
        let Body::Bytes(html) = response.body else {
            panic!("it has no body");
        };
        let html = String::from_utf8(html).unwrap();
        assert_eq!(response.status, StatusCode::BAD_REQUEST);
        assert!(
            html.contains("RG301") && !html.contains("<script"),
            "{html}"
        );
        assert!(
            response
                .headers
                .get(CONTENT_SECURITY_POLICY)
                .unwrap()
                .to_str()
                .unwrap()
                .contains("'none'")
        );
    }
}
