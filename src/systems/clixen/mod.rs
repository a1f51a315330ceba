//! clixen: a workflow builder with chat. Validates n8n workflows and talks to n8n. All state lives in the database.

mod deploy;
mod n8n;
mod telemetry;
mod tenancy;
mod validate;

use http::Method;
use serde_json::Value;

use crate::edge::{Edge, Platform};
use crate::error::Error;
use crate::route::{Action, AfterCall, KB, Route};

pub(crate) use deploy::finish_all;

/// The endpoints.
pub static ROUTES: [Route; 5] = [
    Route::new(
        Method::POST,
        "/v1/workflows/validate",
        Action::Body(validate::answer),
    )
    .body(1024 * KB),
    Route::new(
        Method::POST,
        "/v1/workflows/{id}/deploy",
        Action::Call(&deploy::DEPLOY),
    )
    .body(4 * KB),
    Route::new(
        Method::POST,
        "/v1/workflows/{id}/rollback",
        Action::Call(&deploy::ROLLBACK),
    )
    .body(4 * KB),
    Route::new(
        Method::POST,
        "/v1/telemetry",
        Action::Call(&telemetry::TRACK),
    )
    .body(512 * KB),
    Route::new(
        Method::POST,
        "/v1/jobs/finish_deployments",
        Action::Call(&deploy::FINISH),
    )
    .body(4 * KB),
];

/// Continues with a function's result.
///
/// # Errors
/// Those of calling the database.
pub(crate) async fn after_call<P: Platform>(
    after_call: AfterCall,
    result: &Value,
    edge: &Edge<P>,
) -> Result<Value, Error> {
    match after_call {
        AfterCall::Deploy => {
            let id = result.get("id").and_then(Value::as_str);
            deploy::run_deployment(id.unwrap_or_default(), edge).await
        }
        AfterCall::FinishDeployments => deploy::finish_all(edge).await,
    }
}
