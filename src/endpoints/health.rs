//! Health: is the edge itself up, and do the parts behind it answer.

use http::{Method, StatusCode};

use crate::respond;
use crate::route::{Action, Route};

/// `/healthz` asks nobody; `/readyz` names each part.
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
    // It asks the database for anybody who likes: not without a guard that works.
    Route::new(Method::GET, "/readyz", Action::Ready)
        .public()
        .fail_closed(),
];
