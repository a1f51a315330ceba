//! Headers as lines of the text in which requests and answers cross between JavaScript and WebAssembly (`entry.js`).

use std::str::Split;

use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderName, HeaderValue};

/// A header's value with one byte for each character. An invalid value is kept as a byte that is not text, for the
/// stage that reads the header to refuse.
fn header_value(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let value = if text.is_ascii() {
        HeaderValue::from_str(text)
    } else {
        let byte = |c| u8::try_from(u32::from(c)).unwrap_or(0xff);
        HeaderValue::from_bytes(&text.chars().map(byte).collect::<Vec<u8>>())
    };
    value.or_else(|_| HeaderValue::from_bytes(&[0xff]))
}

/// Reads the headers in the rest of a text.
pub(super) fn read(lines: &mut Split<'_, char>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(16);
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.insert(name, header_value(value).ok()?);
    }
    Some(headers)
}

/// Writes headers to a text: the values of a name joined, with a character for each byte.
pub(super) fn write(headers: &HeaderMap, text: &mut String) {
    for name in headers.keys() {
        text.push_str(name.as_str());
        text.push('\n');
        for (place, value) in headers.get_all(name).into_iter().enumerate() {
            if place > 0 {
                text.push_str(", ");
            }
            match value.to_str() {
                Ok(value) => text.push_str(value),
                Err(_) => text.extend(value.as_bytes().iter().copied().map(char::from)),
            }
        }
        text.push('\n');
    }
}
