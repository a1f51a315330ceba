//! clixen: a workflow builder with chat. Validates n8n workflows and talks to n8n. All state lives in the database.

mod deploy;
mod n8n;
mod telemetry;
mod tenancy;
mod validate;

use std::rc::Rc;

use http::Method;
use serde_json::Value;

use crate::endpoint::{Action, Route};
use crate::error::Error;
use crate::isolate::Edge;
use crate::message::KB;
use crate::registry::Job;
use crate::runtime::Platform;

/// The endpoints.
pub fn routes() -> Vec<Route> {
    vec![
        Route::new(
            Method::POST,
            "/v1/workflows/validate",
            Action::Body(validate::answer),
        )
        .body(1024 * KB),
        Route::new(
            Method::POST,
            "/v1/workflows/{id}/deploy",
            Action::Call(Rc::new(deploy::deploy())),
        )
        .body(4 * KB),
        Route::new(
            Method::POST,
            "/v1/workflows/{id}/rollback",
            Action::Call(Rc::new(deploy::rollback())),
        )
        .body(4 * KB),
        Route::new(
            Method::POST,
            "/v1/telemetry",
            Action::Call(Rc::new(telemetry::track())),
        )
        .body(512 * KB),
        Route::new(
            Method::POST,
            "/v1/jobs/finish_deployments",
            Action::Call(Rc::new(deploy::finish())),
        )
        .body(4 * KB),
    ]
}

/// The hook that runs the deployment that a call has opened.
const DEPLOY: &str = "deploy";
/// The hook and the job that resume interrupted deployments: the database does not talk to n8n.
const FINISH: &str = "finish_deployments";

/// The scheduled jobs.
pub fn jobs() -> Vec<Job> {
    vec![
        Job::edge("*/5 * * * *", "finish_deployments"),
        Job::database("17 3 * * *", "clean_telemetry"),
    ]
}

/// Continues with a function's result.
///
/// # Errors
/// Those of calling the database.
pub async fn after_call<P: Platform>(
    name: &str,
    result: &Value,
    edge: &Edge<P>,
) -> Result<Value, Error> {
    match name {
        DEPLOY => {
            let id = result.get("id").and_then(Value::as_str);
            deploy::run_deployment(id.unwrap_or_default(), edge).await
        }
        FINISH => deploy::finish_all(edge).await,
        _ => Err(Error::Internal("an endpoint names an unknown hook")),
    }
}

/// Runs a job, if n8n is configured.
pub async fn run_job<P: Platform>(name: &str, edge: &Edge<P>) -> Option<Result<Value, Error>> {
    edge.config.n8n.as_ref()?;
    Some(match name {
        FINISH => deploy::finish_all(edge).await,
        _ => Err(Error::Internal("a cron names an unknown job")),
    })
}
