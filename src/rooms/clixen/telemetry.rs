//! `POST /v1/telemetry`: what a user did in the builder, in batches as `/v1/events` takes them.

use http::StatusCode;
use serde_json::json;

use crate::respond;
use crate::rooms::batch;
use crate::route::{Call, Identity};

/// The endpoint.
pub static TRACK: Call = Call {
    schema: "clixen",
    function: "track_telemetry",
    identity: Identity::Caller,
    for_people: false,
    arguments: |incoming, _| {
        let context = json!({ "network": incoming.network });
        batch::arguments(incoming, &context.to_string())
    },
    answer: |_, outcome, _| outcome.map(|result| respond::json(StatusCode::ACCEPTED, &result)),
    fallback: None,
    streamed: false,
    then: None,
};
