//! clixen: a workflow builder with chat. Workflows are checked here; everything that is kept is the database's.

mod validate;

use http::Method;

use crate::route::{Action, KB, Route};

/// Its endpoints.
pub static ROUTES: [Route; 1] = [Route::new(
    Method::POST,
    "/v1/workflows/validate",
    Action::Body(validate::answer),
)
.body(1024 * KB)];
