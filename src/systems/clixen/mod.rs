//! clixen: a workflow builder with chat. Validates n8n workflows and talks to n8n. All state lives in the database.

mod deploy;
mod errors;
mod n8n;
mod tenancy;
mod validate;

use crate::registry::{Handler, System};

/// What the manifest refers to.
pub const SYSTEM: System = System {
    name: "clixen",
    errors: errors::ROWS,
    handlers: &[
        ("validate", Handler::Body(validate::answer)),
        (
            "deploy",
            Handler::Call {
                arguments: Some(deploy::deploy),
                answer: Some(deploy::answer),
                fallback: None,
            },
        ),
        (
            "rollback",
            Handler::Call {
                arguments: Some(deploy::rollback),
                answer: Some(deploy::answer),
                fallback: None,
            },
        ),
    ],
    authenticate: &[],
    after_call: &[
        ("run_deployment", |opened, services| {
            Box::pin(deploy::run_opened(opened, services))
        }),
        ("finish_deployments", |_, services| {
            Box::pin(deploy::finish_all(services))
        }),
    ],
    // The database does not talk to n8n.
    streams: &[],
    jobs: &[("finish_deployments", |services| {
        Box::pin(deploy::finish_all(services))
    })],
};
