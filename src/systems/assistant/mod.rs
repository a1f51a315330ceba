//! assistant: companies, their people and their conversations with language models. The database holds all of its state and decides
//! who may ask what; the edge asks the provider and passes on the answer as it comes.

mod chat;
mod errors;
mod form;
mod openai;
mod provider;
mod said;
mod turn;
mod ui;

use crate::registry::{Handler, System};

/// What the manifest refers to.
pub const SYSTEM: System = System {
    name: "assistant",
    errors: errors::ROWS,
    handlers: &[(
        "chat_request",
        Handler::Call {
            arguments: Some(form::chat_request),
            answer: None,
            fallback: None,
        },
    )],
    authenticate: &[],
    after_call: &[],
    streams: &[
        ("chat", |call| Box::pin(chat::answer(call, form::of_chat))),
        ("completion", |call| {
            Box::pin(chat::answer(call, form::of_completion))
        }),
    ],
    jobs: &[],
};
