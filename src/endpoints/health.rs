//! Health checks: whether the edge itself runs, and whether the services behind it answer.

use http::{Method, StatusCode};

use crate::endpoint::{Action, Route};
use crate::message;

/// `/healthz` calls no other service; `/readyz` names each one and its state.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        Route::new(
            Method::GET,
            "/healthz",
            Action::Page(|_, _| {
                Ok(message::json(
                    StatusCode::OK,
                    &serde_json::json!({"status": "ok"}),
                ))
            }),
        )
        .public()
        .unguarded(),
        // Anybody may cause its call of the database, so it needs a working rate limiter.
        Route::new(Method::GET, "/readyz", Action::Ready)
            .public()
            .fail_closed(),
    ]
}
