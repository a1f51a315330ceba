//! The data API: relations and functions, exactly as PostgREST serves them.

use http::Method;

use crate::endpoint::{Action, Route};

const RELATION: &str = "/rest/v1/{relation}";
const FUNCTION: &str = "/rest/v1/rpc/{function}";

/// The methods that PostgREST has for relations and for functions.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, RELATION, Action::Relation),
        Route::new(Method::POST, RELATION, Action::Relation),
        Route::new(Method::PATCH, RELATION, Action::Relation),
        Route::new(Method::PUT, RELATION, Action::Relation),
        Route::new(Method::DELETE, RELATION, Action::Relation),
        Route::new(Method::GET, FUNCTION, Action::Function),
        Route::new(Method::POST, FUNCTION, Action::Function),
    ]
}
