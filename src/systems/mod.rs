//! The systems that have Rust: each one's in the folder of its name, behind a cargo feature of the same name. The core names
//! none of them; the entry hands in what this file collects. What else a system is stands in its manifest.

#[cfg(feature = "clixen")]
mod clixen;
#[cfg(feature = "growth")]
mod growth;

use crate::endpoints::{data, health, person};
use crate::error::Error;
use crate::jobs;
use crate::manifest;
use crate::registry::{Registry, System};

/// The systems that are compiled in.
const SYSTEMS: &[System] = &[
    #[cfg(feature = "clixen")]
    clixen::SYSTEM,
    #[cfg(feature = "growth")]
    growth::SYSTEM,
];

/// What the core serves and, by their manifests, the systems.
///
/// # Errors
/// [`Error::Misconfigured`], which names the manifest and the place in it.
pub fn registry(manifests: &str) -> Result<Registry, Error> {
    let routes = [health::routes(), data::routes(), person::routes()];
    let routes = routes.into_iter().flatten().collect();
    manifest::read(manifests, SYSTEMS, routes, jobs::own())
}
