//! growth: the endpoints of a public site: leads, onboarding, events, experiments, `WhatsApp`.

mod access_token;
mod address;
mod admin;
mod bucketing;
mod consent;
mod device;
mod events;
mod experiments;
mod forms;
mod leads;
mod onboarding;
mod texts;
mod units;
mod whatsapp;

use std::rc::Rc;

use http::Method;

use crate::endpoint::{Action, Route};
use crate::message::KB;
use crate::registry::Job;

/// The endpoints.
pub fn routes() -> Vec<Route> {
    [form_routes(), visitor_routes(), owner_routes()]
        .into_iter()
        .flatten()
        .collect()
}

/// Forms and their pages.
fn form_routes() -> Vec<Route> {
    vec![
        Route::new(
            Method::POST,
            "/v1/leads",
            Action::Call(Rc::new(leads::capture())),
        )
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
            Action::Call(Rc::new(leads::confirm())),
        )
        .public()
        .body(4 * KB),
        Route::new(Method::GET, "/forms", Action::Page(forms::index)).public(),
        Route::new(Method::GET, "/forms/", Action::Page(forms::index)).public(),
        Route::new(Method::GET, "/forms/thanks", Action::Page(forms::thanks)).public(),
        Route::new(Method::GET, "/forms/style.css", Action::Page(forms::style)).public(),
        Route::new(Method::GET, "/forms/{source}", Action::Page(forms::form)).public(),
    ]
}

/// What visitors of a site do.
fn visitor_routes() -> Vec<Route> {
    vec![
        Route::new(
            Method::POST,
            "/v1/onboarding/sessions",
            Action::Call(Rc::new(onboarding::start())),
        )
        .open()
        .body(64 * KB),
        Route::new(
            Method::GET,
            "/v1/onboarding/session",
            Action::Call(Rc::new(onboarding::progress())),
        )
        .public(),
        Route::new(
            Method::PATCH,
            "/v1/onboarding/session",
            Action::Call(Rc::new(onboarding::step())),
        )
        .public()
        .body(64 * KB),
        Route::new(
            Method::POST,
            "/v1/onboarding/activities",
            Action::Call(Rc::new(onboarding::activity())),
        )
        .public()
        .body(64 * KB),
        Route::new(
            Method::POST,
            "/v1/events",
            Action::Call(Rc::new(events::track())),
        )
        .open()
        .body(512 * KB),
        Route::new(
            Method::POST,
            "/v1/experiments/assign",
            Action::Call(Rc::new(experiments::assign())),
        )
        .open()
        .body(16 * KB),
        Route::new(
            Method::POST,
            "/v1/experiments/exposures",
            Action::Call(Rc::new(experiments::expose())),
        )
        .open()
        .body(64 * KB),
    ]
}

/// `WhatsApp`, and what owners of a site ask for.
fn owner_routes() -> Vec<Route> {
    vec![
        Route::new(
            Method::GET,
            "/v1/experiments/{id}/results",
            Action::Call(Rc::new(experiments::results())),
        ),
        Route::new(
            Method::GET,
            "/v1/whatsapp/webhook",
            Action::Call(Rc::new(whatsapp::verify())),
        )
        .public(),
        // Meta sends in bursts from few addresses, and its signature proves the sender.
        Route::new(
            Method::POST,
            "/v1/whatsapp/webhook",
            Action::Call(Rc::new(whatsapp::receive())),
        )
        .public()
        .unguarded()
        .body(3 * 1024 * KB),
        Route::new(
            Method::PUT,
            "/v1/whatsapp/accounts/{id}/access-token",
            Action::Call(Rc::new(access_token::set())),
        )
        .body(8 * KB),
        Route::new(
            Method::DELETE,
            "/v1/whatsapp/accounts/{id}/access-token",
            Action::Call(Rc::new(access_token::remove())),
        ),
        Route::new(
            Method::GET,
            "/v1/admin/leads.csv",
            Action::Export(Rc::new(admin::leads())),
        ),
        Route::new(
            Method::POST,
            "/v1/admin/gdpr/export",
            Action::Call(Rc::new(admin::gdpr_export())),
        )
        .body(4 * KB),
        Route::new(
            Method::POST,
            "/v1/admin/gdpr/erase",
            Action::Call(Rc::new(admin::gdpr_erase())),
        )
        .body(4 * KB),
    ]
}

/// The scheduled jobs.
pub fn jobs() -> Vec<Job> {
    vec![
        Job::database("*/5 * * * *", "process_pending_events"),
        Job::database("7 * * * *", "abandon_inactive_sessions"),
        Job::database("17 3 * * *", "make_event_partitions"),
        Job::database("17 3 * * *", "cleanup_old_data"),
    ]
}
