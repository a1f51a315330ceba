//! The Unicode back end of the crate idna. Native builds have the usual one. The bundle has one without tables, which would be a
//! tenth of it: there the runtime converts domains (`src/url.rs`), and the postgrest crate, which brings idna, gets addresses whose
//! host is in ASCII already.

#![no_std]

#[cfg(not(target_arch = "wasm32"))]
#[expect(
    deprecated,
    reason = "ICU has no other number of a class in a constant"
)]
mod icu;
#[cfg(not(target_arch = "wasm32"))]
pub use icu::*;

#[cfg(target_arch = "wasm32")]
mod without_tables;
#[cfg(target_arch = "wasm32")]
pub use without_tables::*;
