//! The headers that scope reads of a request and writes for PostgREST.

use crate::headers::{Headers, X_REQUEST_ID};
use http::{HeaderName, HeaderValue};

use crate::error::Error;
use crate::message::Request;
use crate::verify;

/// The `apikey` of the query, if it served as the caller's key because no header had one.
pub(super) fn query_api_key<B>(request: &Request<B>) -> Option<String> {
    if request.headers.contains_key("apikey") {
        return None;
    }
    verify::query_key(&request.query)
}

/// Sets a header whose name is the edge's and whose value has been vetted.
pub(super) fn set(headers: &mut Headers, name: &'static str, value: &str) -> Result<(), Error> {
    let value = HeaderValue::from_str(value).map_err(|_| Error::BadHeader {
        name,
        wanted: "visible ASCII",
    })?;
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
}

/// The `Idempotency-Key`, which the database stores with its write.
pub(super) fn idempotency_key<B>(request: &Request<B>) -> Result<Option<&str>, Error> {
    let name = "idempotency-key";
    let wanted = "1 to 255 visible ASCII characters";
    let Some(value) = request.headers.get(name) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) => {
            Ok(Some(key))
        }
        _ => Err(Error::BadHeader { name, wanted }),
    }
}

/// Passes on a W3C trace and the request's id. A malformed trace is left out: it is no reason to refuse a request.
pub(super) fn set_trace<B>(headers: &mut Headers, request: &Request<B>) -> Result<(), Error> {
    let id = HeaderValue::from_str(&request.id).map_err(|_| Error::Internal("a bad request id"))?;
    headers.insert(&X_REQUEST_ID, id);
    let Some(parent) = request
        .header("traceparent")
        .filter(|parent| is_traceparent(parent))
    else {
        return Ok(());
    };
    set(headers, "traceparent", parent)?;
    match request
        .header("tracestate")
        .filter(|state| state.len() <= 512)
    {
        Some(state) => set(headers, "tracestate", state),
        None => Ok(()),
    }
}

/// Version 00 of <https://www.w3.org/TR/trace-context/>: `00-<32 hex>-<16 hex>-<2 hex>`, with ids other than zero.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &str, length: usize| {
        part.len() == length
            && part
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let real = |part: &str| part.bytes().any(|b| b != b'0');
    matches!(parts.as_slice(), ["00", trace, parent, flags]
        if hex(trace, 32) && hex(parent, 16) && hex(flags, 2) && real(trace) && real(parent))
}

#[cfg(test)]
mod tests {
    use super::is_traceparent;

    #[test]
    fn only_a_well_formed_trace_is_passed_on() {
        assert!(is_traceparent(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        ));
        for odd in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert!(!is_traceparent(odd), "{odd}");
        }
    }
}
