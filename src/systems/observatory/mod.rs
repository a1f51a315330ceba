//! observatory: sessions of coding agents, searchable, counted and shared. The database holds all of its state and decides; the edge
//! takes secrets out of what is sent before it is stored.

mod attachments;
mod audit;
mod errors;
mod hooks;
mod otlp;
mod shared;
mod transcripts;

use crate::registry::{Handler, System};

/// What the manifest refers to.
pub const SYSTEM: System = System {
    name: "observatory",
    errors: errors::ROWS,
    handlers: &[
        ("transcript", Handler::Lines(transcripts::batch)),
        (
            "session_file",
            Handler::Call {
                arguments: Some(attachments::arguments),
                answer: None,
                fallback: None,
            },
        ),
        (
            "shared",
            Handler::Call {
                arguments: None,
                answer: Some(shared::answer),
                fallback: None,
            },
        ),
        ("shared_style", Handler::Page(shared::style)),
        (
            "hook",
            Handler::Call {
                arguments: Some(hooks::arguments),
                answer: Some(hooks::answer),
                fallback: None,
            },
        ),
        (
            "otel_logs",
            Handler::Call {
                arguments: Some(otlp::arguments),
                answer: None,
                fallback: None,
            },
        ),
    ],
    authenticate: &[],
    after_call: &[
        ("seal_heads", |_, services| {
            Box::pin(audit::seal_heads(services))
        }),
        ("verify_heads", |found, services| {
            Box::pin(audit::verify_heads(found, services))
        }),
    ],
    streams: &[],
    jobs: &[("seal_audit_head", |services| {
        Box::pin(audit::seal_heads(services))
    })],
};
