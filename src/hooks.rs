//! The code that systems hand to the core. An endpoint or a job names its hook; no stage knows a system.

use serde_json::Value;

use crate::error::Error;
use crate::isolate::Edge;
use crate::runtime::Platform;

/// The hooks of all systems.
#[expect(
    async_fn_in_trait,
    reason = "one thread per isolate: no future has to be Send"
)]
pub trait Hooks {
    /// Continues with the result of a call whose `after_call` has this name.
    ///
    /// # Errors
    /// Those of the work.
    async fn after_call<P: Platform>(
        &self,
        name: &str,
        result: &Value,
        edge: &Edge<P>,
    ) -> Result<Value, Error>;

    /// Runs a job of the edge, and gives the number of rows by kind of work; none if it is not set up.
    ///
    /// # Errors
    /// Those of the work.
    async fn run_job<P: Platform>(
        &self,
        name: &str,
        edge: &Edge<P>,
    ) -> Option<Result<Value, Error>>;
}
