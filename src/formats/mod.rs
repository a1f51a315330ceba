//! What request bodies are written in: JSON that means one thing, batches of events, and text in other charsets than UTF-8.

pub mod batch;
pub mod charset;
pub mod json;
pub mod storable;
