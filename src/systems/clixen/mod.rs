//! clixen: a workflow builder with chat. What is kept is the database's; here is what checks workflows and what talks to n8n.

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

/// Its endpoints.
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

/// Goes on from a function's result.
///
/// # Errors
/// Those of asking the database.
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
