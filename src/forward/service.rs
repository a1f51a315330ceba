//! The answers of the services behind the edge: handed back with an allow-list of headers, their bodies unread.

use http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_DISPOSITION,
    CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    EXPIRES, LAST_MODIFIED, LINK, LOCATION, RETRY_AFTER, VARY,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};

use crate::error::{Error, Row, SERVICE_TIMEOUT, SERVICE_UNAVAILABLE};
use crate::headers::Headers;
use crate::isolate::{Edge, turns};
use crate::message::{Body, Response, SendFault, text};
use crate::runtime::Platform;
use crate::scope::Handed;
use crate::services::Service;

/// Headers of a service's answer that a client gets: those that the clients of supabase-js and of resumable uploads (tus) read, and
/// those of files.
static RELAYED: [HeaderName; 28] = [
    ACCEPT_RANGES,
    CACHE_CONTROL,
    CONTENT_DISPOSITION,
    CONTENT_LANGUAGE,
    CONTENT_RANGE,
    CONTENT_SECURITY_POLICY,
    CONTENT_TYPE,
    ETAG,
    EXPIRES,
    LAST_MODIFIED,
    LINK,
    LOCATION,
    RETRY_AFTER,
    VARY,
    HeaderName::from_static("tus-extension"),
    HeaderName::from_static("tus-max-size"),
    HeaderName::from_static("tus-resumable"),
    HeaderName::from_static("tus-version"),
    HeaderName::from_static("upload-defer-length"),
    HeaderName::from_static("upload-expires"),
    HeaderName::from_static("upload-length"),
    HeaderName::from_static("upload-metadata"),
    HeaderName::from_static("upload-offset"),
    HeaderName::from_static("x-relay-error"),
    HeaderName::from_static("x-robots-tag"),
    HeaderName::from_static("x-sb-error-code"),
    HeaderName::from_static("x-supabase-api-version"),
    HeaderName::from_static("x-total-count"),
];

/// Those of them, and of the edge, that a script of an allowed origin may read.
const READABLE: &str = "accept-ranges, content-disposition, content-length, content-range, etag, link, location, \
    proxy-status, retry-after, tus-extension, tus-max-size, tus-resumable, tus-version, upload-defer-length, upload-expires, \
    upload-length, upload-metadata, upload-offset, www-authenticate, x-relay-error, x-request-id, x-sb-error-code, \
    x-supabase-api-version, x-total-count";

/// Headers of a function's answer that no client gets although they begin with `x-`: a web server before the edge would obey them,
/// and what proxies before the function say is not for clients.
const OBEYED: [&str; 6] = [
    "x-accel-",
    "x-envoy-",
    "x-forwarded-",
    "x-litespeed-",
    "x-reproxy-",
    "x-sendfile",
];

/// Parts of a `Content-Type` for which a browser runs scripts, as scripts of the edge's own address. The uploader of a file chooses its
/// type, and browsers find a type also in a list or before something that is no parameter: the text is searched, not parsed.
const ACTIVE: [&str; 5] = ["+xml", "/xml", "html", "multipart/", "xsl"];

/// Sends a request to a service, and gives its answer.
pub(super) async fn send<P: Platform>(
    handed: Handed<P::Body>,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, Error> {
    let Handed {
        outgoing,
        service,
        body_limit,
        is_watched,
        sharer,
        body_bytes,
    } = handed;
    if let Some(sharer) = &sharer {
        turns::before_upload(sharer.name(), body_bytes, edge).await?;
    }
    let answer = edge.platform.send(&outgoing, &|| ()).await;
    let mut response = answer.map_err(|fault| match fault {
        SendFault::Unreachable => failed(&SERVICE_UNAVAILABLE, service),
        SendFault::Timeout => failed(&SERVICE_TIMEOUT, service),
        SendFault::Body(fault) => Error::of_body(fault, body_limit),
    })?;
    // What a gateway in between says; a function may say the same itself.
    let is_gateway = service != Service::Functions;
    match response.status.as_u16() {
        504 | 524 if is_gateway => return Err(failed(&SERVICE_TIMEOUT, service)),
        // From 520 on: what Cloudflare says for a server that it does not reach. It stands before projects of Supabase.
        502 | 503 | 520..=523 | 525..=527 | 530 if is_gateway => {
            return Err(failed(&SERVICE_UNAVAILABLE, service));
        }
        // No client can be given such a status.
        600.. => return Err(failed(&SERVICE_UNAVAILABLE, service)),
        _ => {}
    }
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        response.headers = Headers::new();
        response.body = match response.body {
            Body::Stream(socket) if is_watched => Body::Stream(edge.platform.watched(socket)),
            body => body,
        };
        return Ok(response);
    }
    let base = edge.config.services.address(service)?;
    let is_head = outgoing.method == Method::HEAD;
    let length = text(&response.headers, CONTENT_LENGTH.as_str()).filter(|_| !is_head);
    let bytes = length.and_then(|length| length.parse().ok());
    if let Some((sharer, bytes)) = sharer.as_ref().zip(bytes) {
        turns::before_passing(sharer.name(), bytes, edge).await;
    }
    response.headers = relayed(&response.headers, is_head, service, base)?;
    Ok(response)
}

fn failed(row: &'static Row, service: Service) -> Error {
    Error::with(row, service.name())
}

/// The headers of an answer that a client gets.
fn relayed(from: &Headers, is_head: bool, service: Service, base: &str) -> Result<Headers, Error> {
    let mut headers = Headers::with_capacity(16);
    let length = CONTENT_LENGTH;
    // The runtime knows the length of a body; an answer to HEAD has none.
    for name in RELAYED.iter().chain(is_head.then_some(&length)) {
        if let Some(value) = from.get(name) {
            headers.insert(name, value.clone());
        }
    }
    let moved = text(from, "location").and_then(|place| own_place(place, service, base));
    if let Some(place) = moved {
        let value = HeaderValue::from_str(&place);
        let value = value.map_err(|_| Error::Internal("a redirect cannot be sent"))?;
        headers.insert(LOCATION, value);
    }
    let kind = from.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let kind = String::from_utf8_lossy(kind.unwrap_or_default()).to_ascii_lowercase();
    let is_active = ACTIVE.iter().any(|part| kind.contains(part));
    if is_active && !headers.contains_key(CONTENT_SECURITY_POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    }
    let mut readable = READABLE.to_owned();
    if service == Service::Functions {
        for (name, value) in from.iter() {
            let own = name.as_str();
            let is_obeyed = OBEYED.iter().any(|family| own.starts_with(family));
            if own.starts_with("x-") && !is_obeyed && !headers.contains_key(own) {
                headers.insert(name, value.clone());
                readable.push_str(", ");
                readable.push_str(own);
            }
        }
    }
    let readable = HeaderValue::from_str(&readable);
    let readable = readable.unwrap_or(HeaderValue::from_static(READABLE));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, readable);
    Ok(headers)
}

/// The edge's own address of a place that a service names by its own one: a client could not reach it there, and must not go
/// around the edge. None for a place elsewhere.
fn own_place(place: &str, service: Service, base: &str) -> Option<String> {
    let host_on = |url: &str| url.split_once("://").map(|(_, rest)| rest.to_owned());
    let base = host_on(base)?;
    let folder = base.find('/').map_or("", |at| base.split_at(at).1);
    let rest = match host_on(place) {
        // A front may have another scheme.
        Some(place) => place.strip_prefix(&base)?.to_owned(),
        None if place.starts_with('/') && !place.starts_with("//") => {
            place.strip_prefix(folder).unwrap_or(place).to_owned()
        }
        None => return None,
    };
    let is_below = rest.is_empty() || rest.starts_with(['/', '?']);
    is_below.then(|| [service.prefix(), &rest].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_of_a_service_becomes_one_of_the_edge() {
        let cases = [
            (
                "http://s:5000",
                "http://s:5000/upload/x",
                Some("/storage/v1/upload/x"),
            ),
            (
                "http://s:5000",
                "/upload/x?y",
                Some("/storage/v1/upload/x?y"),
            ),
            (
                "https://p.co/storage/v1",
                "http://p.co/storage/v1/upload/x",
                Some("/storage/v1/upload/x"),
            ),
            (
                "https://p.co/storage/v1",
                "/storage/v1/upload/x",
                Some("/storage/v1/upload/x"),
            ),
            (
                "https://p.co/storage/v1",
                "https://p.co/storage/v10/x",
                None,
            ),
            (
                "https://p.co/storage/v1",
                "https://www.example.org/x?y=https://p.co/storage/v1/",
                None,
            ),
            ("https://p.co/storage/v1", "//www.example.org/x", None),
            ("https://p.co/storage/v1", "x", None),
            ("https://p.co", "https://p.co.example.org/x", None),
        ];
        for (base, place, wanted) in cases {
            let found = own_place(place, Service::Storage, base);
            assert_eq!(found.as_deref(), wanted, "{base} {place}");
        }
    }

    #[test]
    fn only_listed_headers_come_back_and_documents_run_nothing() {
        let mut from = Headers::new();
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("content-length", "5"),
            ("set-cookie", "a=b"),
            ("server", "x"),
            ("vary", "Accept"),
            ("location", "http://s/x"),
        ] {
            from.insert(name, HeaderValue::from_static(value));
        }
        let headers = relayed(&from, false, Service::Storage, "http://s").unwrap();
        assert_eq!(text(&headers, "content-security-policy"), Some("sandbox"));
        assert_eq!(text(&headers, "location"), Some("/storage/v1/x"));
        assert_eq!(text(&headers, "vary"), Some("Accept"));
        for absent in ["set-cookie", "server", "content-length"] {
            assert!(!headers.contains_key(absent), "{absent}");
        }
        let headers = relayed(&from, true, Service::Storage, "http://s").unwrap();
        assert_eq!(text(&headers, "content-length"), Some("5"));
        from.insert("x-mine", HeaderValue::from_static("y"));
        from.insert("x-accel-redirect", HeaderValue::from_static("/etc"));
        let headers = relayed(&from, false, Service::Functions, "http://s").unwrap();
        assert_eq!(text(&headers, "x-mine"), Some("y"));
        let readable = text(&headers, "access-control-expose-headers").unwrap();
        assert!(readable.ends_with(", x-mine"), "{readable}");
        let other = relayed(&from, false, Service::Storage, "http://s").unwrap();
        for absent in [(&headers, "x-accel-redirect"), (&other, "x-mine")] {
            assert!(!absent.0.contains_key(absent.1), "{}", absent.1);
        }
    }

    #[test]
    fn a_type_for_which_a_browser_may_run_scripts_is_put_in_a_sandbox() {
        let policy = |kind: &str| {
            let mut from = Headers::new();
            from.insert("content-type", HeaderValue::from_str(kind).unwrap());
            let headers = relayed(&from, false, Service::Storage, "http://s").unwrap();
            text(&headers, "content-security-policy").map(str::to_owned)
        };
        for active in [
            "TEXT/HTML",
            "image/png, text/html",
            "text/html x",
            "text/html(x)",
            "text/html; name=\u{e4}",
            "application/xhtml+xml",
            "application/rss+xml",
            "application/mathml+xml;charset=utf-8",
            "image/svg+xml",
            "text/xsl",
            "multipart/x-mixed-replace; boundary=a",
        ] {
            assert_eq!(policy(active).as_deref(), Some("sandbox"), "{active}");
        }
        let office = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        for other in [office, "image/png", "application/pdf", "text/plain"] {
            assert_eq!(policy(other), None, "{other}");
        }
    }
}
