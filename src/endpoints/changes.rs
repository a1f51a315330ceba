//! `GET /v1/changes`: streams changes of rows to signed-in users, as server-sent events.

use http::Method;

use crate::endpoint::{Access, Action, Route};

/// The endpoint.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![Route {
        access: Access::User,
        ..Route::new(Method::GET, "/v1/changes", Action::Changes)
    }]
}
