//! Health checks: whether the edge itself runs, and whether the services behind it answer.

use http::{Method, StatusCode};

use crate::respond;
use crate::route::{Action, Route};

/// `/healthz` calls no other service; `/readyz` names each one and its state.
pub static ROUTES: [Route; 2] = [
    Route::new(
        Method::GET,
        "/healthz",
        Action::Page(|_, _| {
            Ok(respond::json(
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
];
