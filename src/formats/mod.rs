//! The formats of request bodies: JSON with one meaning, forms in three encodings, batches of events, and text in
//! charsets other than UTF-8.

pub mod address;
pub(crate) mod batch;
pub(crate) mod charset;
pub mod form;
pub mod json;
mod multipart;

use charset::Decoder;

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
        let kind = self.content_type.split(';').next();
        kind.unwrap_or_default().trim().to_ascii_lowercase()
    }
}
