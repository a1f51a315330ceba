//! The errors of assistant's Rust. Status, code, name, message, hint.

use crate::error::Error;

catalogue! {
    PROVIDER_UNAVAILABLE SERVICE_UNAVAILABLE "RG410" "provider_unavailable" "The provider of the language model cannot be reached" "Try again after the time in Retry-After. If it fails again, ask the operator." => 5
    PROVIDER_TIMEOUT GATEWAY_TIMEOUT "RG411" "provider_timeout" "The provider of the language model did not answer in time" "Try again, or ask for a shorter answer."
    PROVIDER_FAILED BAD_GATEWAY "RG412" "provider_failed" "The provider of the language model did not answer" "Try again. If it fails again, ask an admin of the tenant to check provider, model and key."
    PROVIDER_BUSY TOO_MANY_REQUESTS "RG413" "provider_busy" "The provider of the language model takes no more requests at the moment" "Try again after the time in Retry-After." => 10
    PROVIDER_REFUSED UNPROCESSABLE_ENTITY "RG414" "provider_refused" "The provider of the language model does not accept this request" "Correct what the details name."
    CONTEXT_LENGTH_EXCEEDED UNPROCESSABLE_ENTITY "RG417" "context_length_exceeded" "The request and its answer are longer than what the language model takes" "Send fewer or shorter messages, or ask for fewer tokens."
}

/// `OpenAI`'s code for an error in a stream that has begun, where it is not that of the status.
pub fn openai_code(error: &Error) -> Option<&'static str> {
    let row = &CONTEXT_LENGTH_EXCEEDED;
    (error.body().code == row.code).then_some(row.name)
}
