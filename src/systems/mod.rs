//! The systems that have Rust: each one's in the folder of its name, behind a cargo feature of the same name. The core names
//! none of them; the entry hands in what this file collects. What else a system is stands in its manifest.

#[cfg(feature = "assistant")]
mod assistant;
#[cfg(feature = "clixen")]
mod clixen;
#[cfg(feature = "flashfusion")]
mod flashfusion;
#[cfg(feature = "growth")]
mod growth;
#[cfg(feature = "observatory")]
mod observatory;
#[cfg(feature = "test-hooks")]
#[path = "../../tests/core/system/hooks.rs"]
mod test_hooks;

use crate::endpoint::Route;
use crate::endpoints::{changes, data, health, person, reference, rewrap, services, tokens};
use crate::error::Error;
use crate::jobs;
use crate::manifest;
use crate::registry::{Registry, System};

/// The systems that are compiled in.
const SYSTEMS: &[System] = &[
    #[cfg(feature = "assistant")]
    assistant::SYSTEM,
    #[cfg(feature = "clixen")]
    clixen::SYSTEM,
    #[cfg(feature = "flashfusion")]
    flashfusion::SYSTEM,
    #[cfg(feature = "growth")]
    growth::SYSTEM,
    #[cfg(feature = "observatory")]
    observatory::SYSTEM,
    #[cfg(feature = "test-hooks")]
    test_hooks::SYSTEM,
];

/// What the core serves and, by their manifests, the systems.
///
/// # Errors
/// [`Error::Misconfigured`], which names the manifest and the place in it.
pub fn registry(manifests: &str) -> Result<Registry, Error> {
    manifest::read(manifests, SYSTEMS, own_routes(), jobs::own())
}

/// The compact form of manifests, which [`registry`] reads without checking them again.
///
/// # Errors
/// [`Error::Misconfigured`], which names the manifest and the place in it.
pub fn compile(manifests: &str) -> Result<String, Error> {
    manifest::compile(manifests, SYSTEMS, &own_routes(), &jobs::own())
}

/// The routes of the core.
fn own_routes() -> Vec<Route> {
    let routes = [
        health::routes(),
        data::routes(),
        person::routes(),
        tokens::routes(),
        rewrap::routes(),
        services::routes(),
        reference::routes(),
        changes::routes(),
    ];
    routes.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Access, Action};

    #[test]
    fn endpoints_toml_describes_the_endpoints_of_the_core() {
        let text = include_str!("../endpoints/endpoints.toml");
        let mut described: Vec<[&str; 3]> = Vec::new();
        for part in text.split("[[endpoints]]\n").skip(1) {
            let field = |name: &str| {
                let find = |line: &'static str| line.strip_prefix(name)?.strip_prefix(" = \"");
                let value = part.lines().find_map(find).unwrap();
                value.strip_suffix('"').unwrap()
            };
            described.push([field("method"), field("path"), field("access")]);
        }
        let mut routes = own_routes();
        // Their list has what describes them.
        routes.retain(|route| !matches!(route.action, Action::Service { .. }));
        let mut served: Vec<[&str; 3]> = routes
            .iter()
            .map(|route| {
                let access = match route.access {
                    Access::Public => "public",
                    Access::Open => "open",
                    Access::Keyed => "key",
                    Access::User => "user",
                    Access::Service => "service",
                    Access::Worker => "worker",
                    Access::Token => "token",
                };
                [route.method.as_str(), &*route.pattern, access]
            })
            .collect();
        described.sort_unstable();
        served.sort_unstable();
        assert_eq!(described, served);
    }
}
