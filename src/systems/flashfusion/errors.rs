//! The errors of flashfusion's Rust. Status, code, name, message, hint.

catalogue! {
    STRIPE_SIGNATURE_INVALID BAD_REQUEST "RG215" "stripe_signature_invalid" "No secret of this endpoint made this signature" "Set STRIPE_WEBHOOK_SECRET to the secret of this endpoint in Stripe, and pass the body on unchanged."
    STRIPE_SIGNATURE_TOO_OLD BAD_REQUEST "RG216" "stripe_signature_too_old" "The signature is more than 300 seconds away from now" "Send the event again; if all fail, correct the clock."
    STRIPE_FAILED BAD_GATEWAY "RG409" "stripe_failed" "Stripe did not do it" "Try again; with the same Idempotency-Key nothing is opened twice. If it fails again, ask the operator."
}
