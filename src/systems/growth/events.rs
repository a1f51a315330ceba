//! `POST /v1/events`: events of sites and apps become the one argument of `analytics.track_events`.

use super::device;
use crate::endpoint::{Call, Identity, Plan, Seen, answer_accepted};
use crate::formats::batch;

/// The endpoint.
pub fn track() -> Call {
    Call {
        identity: Identity::Vouched,
        arguments: |incoming, _| {
            let device = device::of(incoming.header("user-agent"));
            let seen = Seen {
                device_type: Some(device.kind),
                browser: device.browser,
                os: device.os,
                is_bot: Some(device.is_bot),
                ..Seen::default()
            };
            Ok(Plan::CallVouched(
                batch::arguments(incoming.content())?,
                seen,
            ))
        },
        answer: answer_accepted,
        ..Call::new("analytics", "track_events")
    }
}
