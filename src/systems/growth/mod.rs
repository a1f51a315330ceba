//! growth: what the endpoints of a public site need beyond its manifest: forms and their pages, leads, experiments and
//! `WhatsApp`'s webhook.

mod bucketing;
mod consent;
mod errors;
mod experiments;
mod forms;
mod leads;
mod texts;
mod units;
mod whatsapp;

use crate::registry::{Handler, System};

/// What the manifest refers to.
pub const SYSTEM: System = System {
    name: "growth",
    errors: errors::ROWS,
    handlers: &[
        (
            "lead",
            Handler::Call {
                arguments: Some(leads::arguments),
                answer: Some(leads::answer),
                fallback: None,
            },
        ),
        (
            "confirm",
            Handler::Call {
                arguments: None,
                answer: Some(forms::confirm_answer),
                fallback: None,
            },
        ),
        ("confirm_page", Handler::Page(forms::confirm)),
        ("forms", Handler::Page(forms::index)),
        ("thanks_page", Handler::Page(forms::thanks)),
        ("style", Handler::Page(forms::style)),
        ("form", Handler::Page(forms::form)),
        (
            "assign",
            Handler::Call {
                arguments: Some(experiments::assign),
                answer: None,
                fallback: Some(bucketing::FALLBACK),
            },
        ),
        (
            "exposures",
            Handler::Call {
                arguments: Some(experiments::expose),
                answer: None,
                fallback: None,
            },
        ),
        (
            "verify_webhook",
            Handler::Call {
                arguments: Some(whatsapp::verify),
                answer: Some(whatsapp::verified),
                fallback: None,
            },
        ),
        (
            "receive_webhook",
            Handler::Call {
                arguments: Some(whatsapp::receive),
                answer: Some(whatsapp::received),
                fallback: None,
            },
        ),
    ],
    authenticate: &[("meta", whatsapp::authenticate)],
    after_call: &[],
    streams: &[],
    jobs: &[],
};
