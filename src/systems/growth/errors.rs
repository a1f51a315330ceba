//! The errors of growth's Rust. Status, code, name, message, hint.

catalogue! {
    WEBHOOK_SIGNATURE_INVALID UNAUTHORIZED "RG211" "webhook_signature_invalid" "The app's secret did not sign this body" "Set WHATSAPP_APP_SECRET to the secret of the app whose webhook this is."
    WEBHOOK_VERIFY_TOKEN_INVALID FORBIDDEN "RG212" "webhook_verify_token_invalid" "The hub.verify_token does not match" "Enter the value of WHATSAPP_VERIFY_TOKEN, or the account's own, in the app's webhook settings."
    // The database raises these two as well; the edge answers alike without asking it.
    UNIT_INVALID UNPROCESSABLE_ENTITY "RG550" "experiment_unit_invalid" "The request names no user and no session to assign" "Send a session_id, a user_id or both."
    COUNTRY_INVALID UNPROCESSABLE_ENTITY "RG550" "experiment_unit_invalid" "The country is not a country code" "Send a code such as DE, or leave it out."
}
