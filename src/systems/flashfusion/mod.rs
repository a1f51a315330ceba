//! flashfusion: a platform for AI apps and agents. The database holds all of its state and decides; the edge seals keys, and talks to
//! providers and to Stripe.

mod billing;
mod errors;
mod keys;
mod verify_keys;
mod webhook;

use crate::registry::{Handler, System};

/// What the manifest refers to.
pub const SYSTEM: System = System {
    name: "flashfusion",
    errors: errors::ROWS,
    handlers: &[(
        "billing_event",
        Handler::Call {
            arguments: Some(webhook::receive),
            answer: None,
            fallback: None,
        },
    )],
    authenticate: &[("stripe", webhook::authenticate)],
    after_call: &[
        ("checkout", |reference, services| {
            Box::pin(billing::checkout(reference, services))
        }),
        ("fetch_thin_events", |_, services| {
            Box::pin(billing::fetch_thin_events(services))
        }),
        ("portal", |reference, services| {
            Box::pin(billing::portal(reference, services))
        }),
        ("open_key", |found, services| {
            Box::pin(keys::open_key(found, services))
        }),
        ("open_environment", |found, services| {
            Box::pin(keys::open_environment(found, services))
        }),
        ("open_credentials", |found, services| {
            Box::pin(keys::open_credentials(found, services))
        }),
        ("verify_key", |found, services| {
            Box::pin(verify_keys::verify_key(found, services))
        }),
    ],
    streams: &[],
    jobs: &[("fetch_thin_events", |services| {
        Box::pin(billing::fetch_thin_events(services))
    })],
};
