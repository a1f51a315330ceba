//! `POST /v1/events`: what people do on sites and in apps becomes the one argument of `analytics.track_events`.

use http::StatusCode;
use serde_json::json;

use super::device;
use crate::respond;
use crate::rooms::batch;
use crate::route::{Call, Identity};

/// The endpoint.
pub static TRACK: Call = Call {
    schema: "analytics",
    function: "track_events",
    identity: Identity::Caller,
    for_people: false,
    arguments: |incoming, _| {
        // What the edge sees of who sends them.
        let device = device::of(incoming.header("user-agent"));
        let context = json!({
            "device_type": device.kind,
            "browser": device.browser,
            "os": device.os,
            "is_bot": device.is_bot,
            "region": incoming.place.region,
        });
        batch::arguments(incoming, &context.to_string())
    },
    answer: |_, outcome, _| outcome.map(|result| respond::json(StatusCode::ACCEPTED, &result)),
    fallback: None,
    streamed: false,
    then: None,
};
