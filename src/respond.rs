//! Respond: what a client sees. Only allow-listed headers, one form of error body, CORS for exact origins, and no
//! caching of private answers.

use crate::headers::{Headers, X_REQUEST_ID};
use http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, IF_NONE_MATCH,
    ORIGIN, RETRY_AFTER, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, StatusCode};
use serde_json::Value;

use crate::browser;
use crate::config::Config;
use crate::endpoint::{Call, Incoming};
use crate::error::{Error, ErrorBody, TokenFault};
use crate::forward::{Fresh, Reply};
use crate::message::{Body, Response, bytes, json, text};
use crate::registry::Registry;
use crate::relayed::relayed_headers;

/// Headers that a script of an allowed origin may send, if its preflight does not ask for valid names itself.
const SENDABLE: &str = "accept, accept-profile, apikey, authorization, baggage, content-profile, content-type, \
    idempotency-key, if-none-match, prefer, range, range-unit, traceparent, tracestate, x-client-info, x-request-id, \
    x-read-preference, x-retry-count, x-supabase-api-version";

/// The most bytes of header names in a preflight. No browser sends more in a real request.
const MAX_REQUESTED_NAMES_BYTES: usize = 4096;

/// Headers that a script of an allowed origin may read.
const READABLE: &str = "content-location, content-profile, content-range, etag, location, preference-applied, \
    proxy-status, range-unit, ratelimit, ratelimit-limit, ratelimit-policy, ratelimit-remaining, ratelimit-reset, \
    retry-after, server-timing, warning, www-authenticate, x-request-id";

/// The same for an error of the edge to a client of Supabase Auth.
const READABLE_OF_AUTH: &str =
    "proxy-status, retry-after, www-authenticate, x-request-id, x-supabase-api-version";

/// The request headers on which every cached answer depends.
const VARIES: &str =
    "Accept, Accept-Profile, Apikey, Authorization, Prefer, Range, Range-Unit, X-Read-Preference";

/// Turns the outcome of the work into an answer.
///
/// # Errors
/// Those of the endpoint's `answer`.
pub fn relay<B>(reply: Reply<B>, config: &Config) -> Result<Response<B>, Error> {
    match reply {
        Reply::Local(response) => Ok(local(response)),
        Reply::Called {
            call,
            incoming,
            outcome,
        } => answer(&call, &incoming, outcome, config).map(local),
        Reply::Ready(known) => Ok(ready(&known.parts, known.missing)),
        Reply::Exported(response) => Ok(response),
        Reply::Relayed {
            mut response,
            fresh,
        } => {
            response.headers = relayed_headers(response.headers);
            if let Some(fresh) = fresh {
                set_lifetime(&mut response.headers, &fresh);
            }
            Ok(response)
        }
    }
}

/// The answer of a purpose endpoint. A browser that navigates is redirected after a success and gets a page for an error,
/// where the endpoint says so.
fn answer(
    call: &Call,
    incoming: &Incoming,
    outcome: Result<Value, Error>,
    config: &Config,
) -> Result<Response<()>, Error> {
    let Some(redirect) = call.redirect.as_ref().filter(|_| incoming.wants_page) else {
        return call.answer.make(incoming, outcome, config);
    };
    match outcome {
        Ok(_) => browser::see_other(&browser::next(incoming, redirect, config)),
        Err(error) => {
            let mut response = browser::error_page(&error)?;
            set_error_headers(&error, &mut response.headers);
            Ok(response)
        }
    }
}

/// An answer of the edge, which contains no stream of the platform.
fn local<B>(response: Response<()>) -> Response<B> {
    let body = match response.body {
        Body::Bytes(bytes) => Body::Bytes(bytes),
        Body::Empty | Body::Stream(()) | Body::Upload { .. } => Body::Empty,
    };
    Response {
        status: response.status,
        headers: response.headers,
        body,
    }
}

/// Lets clients and the caches between keep an answer that the edge has cached.
fn set_lifetime(headers: &mut Headers, fresh: &Fresh) {
    headers.insert(VARY, HeaderValue::from_static(VARIES));
    for name in &fresh.headers {
        if let Ok(name) = HeaderValue::from_str(name) {
            headers.append(VARY, name);
        }
    }
    if let Ok(value) = HeaderValue::from_str(&format!("public, max-age={}", fresh.seconds)) {
        headers.insert(CACHE_CONTROL, value);
    }
}

fn ready<B>(parts: &[(&'static str, bool)], missing: Vec<String>) -> Response<B> {
    let all = parts.iter().all(|(_, answers)| *answers);
    let mut checks = serde_json::Map::new();
    for (name, answers) in parts {
        let result = if *answers { "ok" } else { "unreachable" };
        checks.insert((*name).to_owned(), result.into());
    }
    let status = if all {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let mut body =
        serde_json::json!({"status": if all { "ready" } else { "not ready" }, "checks": checks});
    if let Some(fields) = body.as_object_mut()
        && !missing.is_empty()
    {
        fields.insert("missing".into(), missing.into());
    }
    let mut response = json(status, &body);
    if !all {
        response
            .headers
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// An error as an answer.
#[must_use]
pub fn error<B>(error: &Error) -> Response<B> {
    error_with(error, &error.body())
}

/// An error as an answer to clients of `OpenAI`'s API.
#[must_use]
pub fn error_of_openai<B>(error: &Error, registry: &Registry) -> Response<B> {
    let mut body = error.body();
    let code = registry.openai_code(&body.code);
    body.error = Some(openai_error(error, code));
    error_with(error, &body)
}

/// An error as an answer to clients of Supabase Auth. They read the `code` of answers that name a version of its API that has codes:
/// <https://supabase.com/docs/guides/auth/debugging/error-codes>.
#[must_use]
pub fn error_of_auth<B>(error: &Error) -> Response<B> {
    let mut response = self::error(error);
    let headers = &mut response.headers;
    let version = HeaderValue::from_static("2024-01-01");
    headers.insert("x-supabase-api-version", version);
    let readable = HeaderValue::from_static(READABLE_OF_AUTH);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, readable);
    response
}

fn error_with<B>(error: &Error, body: &ErrorBody) -> Response<B> {
    let body = serde_json::to_vec(body).unwrap_or_default();
    let mut response = bytes(error.status(), "application/json; charset=utf-8", body);
    set_error_headers(error, &mut response.headers);
    response
}

/// An error as `OpenAI`'s API words it. Its clients show the message and nothing else, so the particulars are in it. They act on its codes,
/// of which each status has at most one, unless a manifest names another: <https://platform.openai.com/docs/guides/error-codes>.
#[must_use]
pub fn openai_error(error: &Error, code: Option<&str>) -> Value {
    let (status, body) = (error.status(), error.body());
    let details = body.details.as_ref().and_then(Value::as_str);
    let message = match details {
        Some(details) => [&*body.message, ": ", details].concat(),
        None => body.message.to_string(),
    };
    let (kind, usual) = match status.as_u16() {
        401 => ("authentication_error", "invalid_api_key"),
        403 => ("permission_error", &*body.code),
        429 => ("rate_limit_error", "rate_limit_exceeded"),
        500.. => ("server_error", &*body.code),
        _ => ("invalid_request_error", &*body.code),
    };
    let code = code.unwrap_or(usual);
    // OpenAI gives this one as its type, too.
    let kind = if code == "insufficient_quota" {
        code
    } else {
        kind
    };
    serde_json::json!({"message": message, "type": kind, "param": null, "code": code})
}

/// An error's code in the header that PostgREST 13 and newer use, for answers to `HEAD`, which have no body.
fn proxy_status(code: &str) -> Option<HeaderValue> {
    let is_word = !code.is_empty() && code.bytes().all(is_token_byte);
    HeaderValue::from_str(&["PostgREST; error=", code].concat())
        .ok()
        .filter(|_| is_word)
}

/// Whether a character may stand in a header's name or another token (RFC 9110, section 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Sets the headers of an error, whatever its body.
pub fn set_error_headers(error: &Error, headers: &mut Headers) {
    let error = error.cause();
    if error.status() == StatusCode::UNAUTHORIZED {
        let challenge = match error {
            Error::BadToken(TokenFault::Expired) => {
                r#"Bearer error="invalid_token", error_description="expired""#
            }
            Error::BadToken(_) | Error::Refused { .. } => r#"Bearer error="invalid_token""#,
            _ => "Bearer",
        };
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if let Some(seconds) = error.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(name) = proxy_status(&error.body().code) {
        headers.insert("proxy-status", name);
    }
    if let Error::Refused { range, limits, .. } = error {
        if let Some(range) = range {
            headers.insert(CONTENT_RANGE, range.clone());
        }
        for (name, value) in limits.iter() {
            headers.insert(name, value.clone());
        }
    }
    if let Error::UnsupportedEncoding { accepted } = error {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(accepted));
    }
    if let Error::MethodNotAllowed { allow } = error
        && let Ok(value) = HeaderValue::from_str(allow)
    {
        headers.insert(ALLOW, value);
    }
}

/// The header names that a preflight asks for, if all of them are valid (RFC 9110, section 5.1).
fn requested_names(headers: &Headers) -> Option<HeaderValue> {
    let requested = text(headers, "access-control-request-headers")?;
    let names: Vec<&str> = requested
        .split(',')
        .map(|name| name.trim_matches([' ', '\t']))
        .filter(|name| !name.is_empty())
        .collect();
    let fits = requested.len() <= MAX_REQUESTED_NAMES_BYTES && !names.is_empty();
    if !fits || !names.iter().all(|name| name.bytes().all(is_token_byte)) {
        return None;
    }
    HeaderValue::from_str(&names.join(", ").to_ascii_lowercase()).ok()
}

/// The core's headers and those that endpoints of the systems read.
fn sendable(of_systems: &[String]) -> Option<HeaderValue> {
    let mut names = SENDABLE.to_owned();
    for name in of_systems {
        names.push_str(", ");
        names.push_str(name);
    }
    HeaderValue::from_str(&names).ok()
}

/// The answer to a preflight. It allows every header that the preflight asks for: pages and their tools add headers of
/// their own, and a header that the edge does not read has no effect. [`set_common_headers`] decides which origins are
/// allowed.
#[must_use]
pub fn preflight<B>(request_headers: &Headers, of_systems: &[String]) -> Response<B> {
    let mut headers = Headers::new();
    let names = requested_names(request_headers).or_else(|| sendable(of_systems));
    let names = names.unwrap_or(HeaderValue::from_static(SENDABLE));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
    headers.append(
        VARY,
        HeaderValue::from_static("Access-Control-Request-Headers"),
    );
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    Response {
        status: StatusCode::NO_CONTENT,
        headers,
        body: Body::Empty,
    }
}

/// The request headers on which the answer's headers depend: for [`not_modified`] and [`set_common_headers`].
#[must_use]
pub fn request_headers(headers: &Headers) -> Headers {
    let mut allowed = Headers::new();
    for name in [IF_NONE_MATCH, ORIGIN] {
        if let Some(value) = headers.get(&name) {
            allowed.insert(name, value.clone());
        }
    }
    allowed
}

/// Turns an answer into a 304 if the request's `If-None-Match` names its `ETag`.
pub fn not_modified<B>(response: &mut Response<B>, method: &Method, request_headers: &Headers) {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return;
    }
    let (Some(etag), Some(known)) = (
        text(&response.headers, "etag"),
        text(request_headers, "if-none-match"),
    ) else {
        return;
    };
    // A weak comparison, as RFC 9110 requires for reads.
    let same = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag;
    if response.status.is_success() && known.split(',').map(str::trim).any(same) {
        response.status = StatusCode::NOT_MODIFIED;
        response.body = Body::Empty;
        response.headers.remove(CONTENT_TYPE);
    }
}

/// Sets the headers that every answer has: the request's id, CORS, and no caching unless the answer allows it.
pub fn set_common_headers<B>(
    response: &mut Response<B>,
    request_headers: &Headers,
    id: &str,
    config: Option<&Config>,
) {
    let headers = &mut response.headers;
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    }
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(&X_REQUEST_ID, value);
    }
    let origin = text(request_headers, "origin").unwrap_or_default();
    let allowed = config.and_then(|config| {
        config
            .allowed_origins
            .iter()
            .find(|allowed| *allowed == origin)
    });
    match allowed.map(|origin| HeaderValue::from_str(origin)) {
        Some(Ok(origin)) => {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            // A beacon always requests credentials. The edge reads none: it has no cookies and no sessions.
            headers.insert(
                ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
            // A service behind the edge has a list of its own.
            if !headers.contains_key(ACCESS_CONTROL_EXPOSE_HEADERS) {
                headers.insert(
                    ACCESS_CONTROL_EXPOSE_HEADERS,
                    HeaderValue::from_static(READABLE),
                );
            }
        }
        _ => {
            for name in [
                ACCESS_CONTROL_ALLOW_METHODS,
                ACCESS_CONTROL_ALLOW_HEADERS,
                ACCESS_CONTROL_EXPOSE_HEADERS,
                ACCESS_CONTROL_MAX_AGE,
            ] {
                headers.remove(name);
            }
        }
    }
}
