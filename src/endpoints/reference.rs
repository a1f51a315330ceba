//! `/openapi.json`: a description of all endpoints in `OpenAPI` 3.1 and, for signed-in callers, of what they may use of the data API.
//! `/docs`: a page made of it. `dev/openapi.js` makes both at build time, of the manifests and of `endpoints.toml`.

use http::Method;

use crate::endpoint::{Action, Document, Route};

const OPENAPI: Document = Document {
    name: "openapi.json",
    content_type: "application/json; charset=utf-8",
    function: Some("data_api"),
};
const PAGE: Document = Document {
    name: "docs.html",
    content_type: "text/html; charset=utf-8",
    function: None,
};
const STYLE: Document = Document {
    name: "style.css",
    content_type: "text/css; charset=utf-8",
    function: None,
};
const SCRIPT: Document = Document {
    name: "filter.js",
    content_type: "text/javascript; charset=utf-8",
    function: None,
};

/// The endpoints.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/openapi.json", Action::Document(&OPENAPI)).open(),
        Route::new(Method::GET, "/docs", Action::Document(&PAGE)).public(),
        Route::new(Method::GET, "/docs/style.css", Action::Document(&STYLE)).public(),
        Route::new(Method::GET, "/docs/filter.js", Action::Document(&SCRIPT)).public(),
    ]
}
