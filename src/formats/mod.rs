//! The formats of request bodies: JSON with one meaning, forms in three encodings, batches of events, lines that arrive bit
//! by bit, and text in charsets other than UTF-8; and of answers of services: server-sent events.

pub mod address;
pub(crate) mod batch;
pub(crate) mod charset;
pub mod form;
pub mod json;
pub mod lines;
mod multipart;
pub mod sse;

use charset::Decoder;

/// A whole body in memory. Its bytes are parsed once; whatever is read of it later comes from what was parsed.
#[derive(Default)]
pub struct RawBody(Vec<u8>);

impl RawBody {
    /// The bytes, to parse them.
    #[must_use]
    pub fn to_parse(&self) -> &[u8] {
        #[cfg(test)]
        tests::count();
        &self.0
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it begins with these bytes.
    #[must_use]
    pub fn starts_with(&self, bytes: &[u8]) -> bool {
        self.0.starts_with(bytes)
    }
}

impl<B: Into<Vec<u8>>> From<B> for RawBody {
    fn from(bytes: B) -> Self {
        Self(bytes.into())
    }
}

/// A body, and what says how to read it.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    /// The whole body.
    pub bytes: &'a [u8],
    /// The value of `Content-Type`; empty if it is missing or not text.
    pub content_type: &'a str,
    /// Decodes text that is not UTF-8.
    pub decoder: Decoder,
}

impl Content<'_> {
    /// The media type without its parameters, in lower case.
    #[must_use]
    pub fn media_type(&self) -> String {
        media_type(self.content_type)
    }
}

/// The media type of a `Content-Type` without its parameters, in lower case.
#[must_use]
pub fn media_type(content_type: &str) -> String {
    let kind = content_type.split(';').next();
    kind.unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a media type is one JSON document a line.
#[must_use]
pub fn is_lines(media_type: &str) -> bool {
    [
        "application/x-ndjson",
        "application/jsonl",
        "application/ndjson",
    ]
    .contains(&media_type)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    thread_local! {
        static PARSED: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn count() {
        PARSED.set(PARSED.get() + 1);
    }

    /// How often this thread has parsed a body since it was last asked.
    pub(crate) fn times_parsed() -> usize {
        PARSED.replace(0)
    }
}
