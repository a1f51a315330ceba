//! `POST /v1/telemetry`: what a user did in the builder, in the same batches as `/v1/events`.

use crate::endpoint::{Call, Identity, Plan, answer_accepted};
use crate::formats::batch;

/// The endpoint.
pub fn track() -> Call {
    Call {
        identity: Identity::Vouched,
        arguments: |incoming, _| batch::arguments(incoming.content()).map(Plan::Call),
        answer: answer_accepted,
        ..Call::new("clixen", "track_telemetry")
    }
}
