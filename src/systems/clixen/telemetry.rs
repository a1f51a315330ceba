//! `POST /v1/telemetry`: what a user did in the builder, in the same batches as `/v1/events`.

use http::StatusCode;

use crate::formats::batch;
use crate::respond;
use crate::route::{Call, Identity, Plan};

/// The endpoint.
pub static TRACK: Call = Call {
    schema: "clixen",
    function: "track_telemetry",
    identity: Identity::Vouched,
    for_people: false,
    arguments: |incoming, _| batch::arguments(incoming).map(Plan::Call),
    answer: |_, outcome, _| outcome.map(|result| respond::json(StatusCode::ACCEPTED, &result)),
    fallback: None,
    streamed: false,
    answer_step_ms: None,
    after_call: None,
};
