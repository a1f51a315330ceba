//! `POST /v1/events`: events of sites and apps become the one argument of `analytics.track_events`.

use http::StatusCode;

use super::device;
use crate::formats::batch;
use crate::respond;
use crate::route::{Call, Identity, Plan, Seen};

/// The endpoint.
pub static TRACK: Call = Call {
    schema: "analytics",
    function: "track_events",
    identity: Identity::Vouched,
    for_people: false,
    arguments: |incoming, _| {
        let device = device::of(incoming.header("user-agent"));
        let seen = Seen {
            device_type: Some(device.kind),
            browser: device.browser,
            os: device.os,
            is_bot: Some(device.is_bot),
            ..Seen::default()
        };
        Ok(Plan::CallVouched(batch::arguments(incoming)?, seen))
    },
    answer: |_, outcome, _| outcome.map(|result| respond::json(StatusCode::ACCEPTED, &result)),
    fallback: None,
    streamed: false,
    answer_step_ms: None,
    after_call: None,
};
