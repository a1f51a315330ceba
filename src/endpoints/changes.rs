//! `GET /v1/changes`: tells signed-in users of changed rows as they come, as server-sent events.

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
