//! growth: the public site's side of the business. Here: capturing leads, and the hosted form for it.

mod forms;
mod leads;

use http::Method;

use crate::route::{Action, KB, Route};

/// Its endpoints. Fixed paths stand before the pattern that would swallow them.
pub static ROUTES: [Route; 4] = [
    Route::new(Method::POST, "/v1/leads", Action::Call(&leads::CAPTURE))
        .open()
        .body(64 * KB),
    Route::new(Method::GET, "/forms/thanks", Action::Page(forms::thanks)).public(),
    Route::new(Method::GET, "/forms/style.css", Action::Page(forms::style)).public(),
    Route::new(Method::GET, "/forms/{source}", Action::Page(forms::form)).public(),
];
