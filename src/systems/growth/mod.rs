//! growth: the endpoints of a public site: leads, onboarding, events, experiments, `WhatsApp`.

mod access_token;
mod address;
mod admin;
mod bucketing;
mod consent;
mod device;
mod events;
mod experiments;
mod form_timestamp;
mod forms;
mod leads;
mod multipart;
mod onboarding;
mod texts;
mod units;
mod whatsapp;

pub use leads::turnstile_token;

use http::{Method, StatusCode};
use serde_json::Value;

use crate::config::Config;
use crate::edge::Response;
use crate::error::Error;
use crate::respond;
use crate::route::{Action, Incoming, KB, Route};

/// The endpoints. A fixed path precedes a pattern that would match it.
pub static ROUTES: [Route; 23] = [
    Route::new(Method::POST, "/v1/leads", Action::Call(&leads::CAPTURE))
        .open()
        .body(64 * KB),
    Route::new(
        Method::GET,
        "/v1/leads/confirm",
        Action::Page(forms::confirm),
    )
    .public(),
    Route::new(
        Method::POST,
        "/v1/leads/confirm",
        Action::Call(&leads::CONFIRM),
    )
    .public()
    .body(4 * KB),
    Route::new(Method::GET, "/forms", Action::Page(forms::index)).public(),
    Route::new(Method::GET, "/forms/", Action::Page(forms::index)).public(),
    Route::new(Method::GET, "/forms/thanks", Action::Page(forms::thanks)).public(),
    Route::new(Method::GET, "/forms/style.css", Action::Page(forms::style)).public(),
    Route::new(Method::GET, "/forms/{source}", Action::Page(forms::form)).public(),
    Route::new(
        Method::POST,
        "/v1/onboarding/sessions",
        Action::Call(&onboarding::START),
    )
    .open()
    .body(64 * KB),
    Route::new(
        Method::GET,
        "/v1/onboarding/session",
        Action::Call(&onboarding::PROGRESS),
    )
    .public(),
    Route::new(
        Method::PATCH,
        "/v1/onboarding/session",
        Action::Call(&onboarding::STEP),
    )
    .public()
    .body(64 * KB),
    Route::new(
        Method::POST,
        "/v1/onboarding/activities",
        Action::Call(&onboarding::ACTIVITY),
    )
    .public()
    .body(64 * KB),
    Route::new(Method::POST, "/v1/events", Action::Call(&events::TRACK))
        .open()
        .body(512 * KB),
    Route::new(
        Method::POST,
        "/v1/experiments/assign",
        Action::Call(&experiments::ASSIGN),
    )
    .open()
    .body(16 * KB),
    Route::new(
        Method::POST,
        "/v1/experiments/exposures",
        Action::Call(&experiments::EXPOSE),
    )
    .open()
    .body(64 * KB),
    Route::new(
        Method::GET,
        "/v1/experiments/{id}/results",
        Action::Call(&experiments::RESULTS),
    ),
    Route::new(
        Method::GET,
        "/v1/whatsapp/webhook",
        Action::Call(&whatsapp::VERIFY),
    )
    .public(),
    // Meta sends in bursts from few addresses, and its signature proves the sender.
    Route::new(
        Method::POST,
        "/v1/whatsapp/webhook",
        Action::Call(&whatsapp::RECEIVE),
    )
    .public()
    .unguarded()
    .body(3 * 1024 * KB),
    Route::new(
        Method::PUT,
        "/v1/whatsapp/accounts/{id}/access-token",
        Action::Call(&access_token::SET),
    )
    .body(8 * KB),
    Route::new(
        Method::DELETE,
        "/v1/whatsapp/accounts/{id}/access-token",
        Action::Call(&access_token::REMOVE),
    ),
    Route::new(
        Method::GET,
        "/v1/admin/leads.csv",
        Action::Export(&admin::LEADS),
    ),
    Route::new(
        Method::POST,
        "/v1/admin/gdpr/export",
        Action::Call(&admin::GDPR_EXPORT),
    )
    .body(4 * KB),
    Route::new(
        Method::POST,
        "/v1/admin/gdpr/erase",
        Action::Call(&admin::GDPR_ERASE),
    )
    .body(4 * KB),
];

/// The function's result, with 200.
fn answer_ok(
    _: &Incoming,
    outcome: Result<Value, Error>,
    _: &Config,
) -> Result<Response<()>, Error> {
    outcome.map(|result| respond::json(StatusCode::OK, &result))
}

/// The function's result, with 201.
fn answer_created(
    _: &Incoming,
    outcome: Result<Value, Error>,
    _: &Config,
) -> Result<Response<()>, Error> {
    outcome.map(|result| respond::json(StatusCode::CREATED, &result))
}
