//! The errors of assistant's Rust. Status, code, name, message, hint.

catalogue! {
    PROVIDER_UNAVAILABLE SERVICE_UNAVAILABLE "RG410" "provider_unavailable" "The provider of the language model cannot be reached" "Try again after the time in Retry-After. If it fails again, ask the operator." => 5
    PROVIDER_TIMEOUT GATEWAY_TIMEOUT "RG411" "provider_timeout" "The provider of the language model did not answer in time" "Try again, or ask for a shorter answer."
    PROVIDER_FAILED BAD_GATEWAY "RG412" "provider_failed" "The provider of the language model did not answer" "Try again. If it fails again, ask an admin of the tenant to check provider, model and key."
    PROVIDER_BUSY TOO_MANY_REQUESTS "RG413" "provider_busy" "The provider of the language model takes no more requests at the moment" "Try again after the time in Retry-After." => 10
    PROVIDER_REFUSED UNPROCESSABLE_ENTITY "RG414" "provider_refused" "The provider of the language model does not accept this request" "Correct what the details name, such as the length of the conversation."
}
