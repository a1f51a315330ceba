//! `POST /v1/events`: what people do on sites and in apps becomes the one argument of `analytics.track_events`.

use serde::Serialize;

use http::StatusCode;

use super::device::{self, Device};
use crate::error::Error;
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
        let context = Context {
            device: device::of(incoming.header("user-agent")),
            region: incoming.place.region.as_deref(),
        };
        let context = serde_json::to_string(&context)
            .map_err(|_| Error::Internal("events cannot be put together"))?;
        batch::arguments(incoming, &context)
    },
    answer: |_, outcome, _| outcome.map(|result| respond::json(StatusCode::ACCEPTED, &result)),
    fallback: None,
    streamed: false,
    then: None,
};

/// What the edge sees of who sends them.
#[derive(Serialize)]
struct Context<'a> {
    #[serde(flatten)]
    device: Device,
    region: Option<&'a str>,
}
