//! The headers of PostgREST's answers that a client may see: what a stage stores in a cache, and what it answers.

use crate::headers::Headers;
use http::header::{CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, ETAG, LOCATION, WARNING};
use http::{HeaderName, HeaderValue};

use crate::message::text;

/// PostgREST's headers that a client may see.
static RELAYED: [HeaderName; 9] = [
    CONTENT_LOCATION,
    HeaderName::from_static("content-profile"),
    CONTENT_RANGE,
    CONTENT_TYPE,
    ETAG,
    LOCATION,
    HeaderName::from_static("preference-applied"),
    HeaderName::from_static("range-unit"),
    // PostgREST 16 and newer: what a later version will refuse.
    WARNING,
];

/// What a refusal says of limits (`private.rate_limit_fields`).
static LIMITS: [HeaderName; 5] = [
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-limit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("ratelimit-remaining"),
    HeaderName::from_static("ratelimit-reset"),
];

/// The headers of an answer that a client may see.
pub(crate) fn allowed_headers(from: &Headers) -> Headers {
    picked(&RELAYED, from)
}

/// The headers of a refusal about limits.
pub(crate) fn limit_headers(from: &Headers) -> Headers {
    picked(&LIMITS, from)
}

fn picked(names: &[HeaderName], from: &Headers) -> Headers {
    let mut allowed = Headers::new();
    for name in names {
        if let Some(value) = from.get(name) {
            allowed.insert(name, value.clone());
        }
    }
    allowed
}

/// The same with the prefix of the edge before PostgREST's paths.
pub(crate) fn relayed_headers(mut allowed: Headers) -> Headers {
    allowed.keep(&RELAYED);
    for name in [CONTENT_LOCATION, LOCATION] {
        let moved = text(&allowed, name.as_str())
            .filter(|path| path.starts_with('/'))
            .map(|path| ["/rest/v1", path].concat());
        if let Some(Ok(value)) = moved.map(|path| HeaderValue::from_str(&path)) {
            allowed.insert(name, value);
        }
    }
    allowed
}
