//! The systems: each one's endpoints, jobs and hooks in the folder of its name. The core names none of them; the entry
//! hands in what this file collects.

mod clixen;
mod growth;

use serde_json::Value;

use crate::endpoints::{data, health};
use crate::error::Error;
use crate::hooks::Hooks;
use crate::isolate::Edge;
use crate::jobs;
use crate::registry::{BadRoute, Registry, Routes};
use crate::runtime::Platform;

/// Schemas that the data API serves: PostgREST's `db-schemas` without the edge's own. The first one is the default.
pub const SCHEMAS: [&str; 6] = [
    "clixen",
    "marketing",
    "onboarding",
    "analytics",
    "experiments",
    "whatsapp",
];

/// What all systems serve.
///
/// # Errors
/// [`BadRoute`].
pub fn registry() -> Result<Registry, BadRoute> {
    let routes = [
        health::routes(),
        data::routes(),
        growth::routes(),
        clixen::routes(),
    ];
    Ok(Registry {
        schemas: SCHEMAS.map(Into::into).into(),
        routes: Routes::new(routes.into_iter().flatten().collect())?,
        jobs: [growth::jobs(), clixen::jobs(), jobs::own()]
            .into_iter()
            .flatten()
            .collect(),
    })
}

/// The hooks of all systems.
pub struct Systems;

impl Hooks for Systems {
    async fn after_call<P: Platform>(
        &self,
        name: &str,
        result: &Value,
        edge: &Edge<P>,
    ) -> Result<Value, Error> {
        clixen::after_call(name, result, edge).await
    }

    async fn run_job<P: Platform>(
        &self,
        name: &str,
        edge: &Edge<P>,
    ) -> Option<Result<Value, Error>> {
        clixen::run_job(name, edge).await
    }
}
