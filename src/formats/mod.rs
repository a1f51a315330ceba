//! The formats of request bodies: JSON with one meaning, batches of events, and text in charsets other than UTF-8.

pub(crate) mod batch;
pub(crate) mod charset;
pub mod json;
pub mod storable;
