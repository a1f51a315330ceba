//! `/v1/experiments/…`: assigns variants, records exposures and reports results. The database does all of it; while it
//! cannot be reached, a unit gets the variants of a new one (`bucketing.rs`).

use serde_json::json;

use super::bucketing;
use super::units::{self, Units};
use crate::endpoint::{Call, Identity, Plan};
use crate::error::Error;
use crate::formats::batch::{self, Item};
use crate::id::is_uuid;

/// `POST /v1/experiments/assign`
pub fn assign() -> Call {
    Call {
        identity: Identity::Vouched,
        arguments: |incoming, _| {
            let units = Units::of_call(incoming)?;
            let arguments = json!({
                "user_id": units.user_id,
                "session_id": units.session_id,
                "country": units.country,
            });
            Ok(Plan::Call(arguments.to_string()))
        },
        fallback: Some(bucketing::fallback()),
        ..Call::new("experiments", "auto_assign_experiments")
    }
}

/// `POST /v1/experiments/exposures`
pub fn expose() -> Call {
    Call {
        identity: Identity::Vouched,
        arguments: |incoming, _| {
            if incoming.content().media_type() != "application/json" {
                let accepted = "application/json";
                return Err(Error::UnsupportedMediaType { accepted });
            }
            let text = batch::json_text(&incoming.body)?;
            // Units for all exposures that do not name their own.
            let units = Units::read(text)?;
            let mut arguments = json!({
                "user_id": units.user_id,
                "session_id": units.session_id,
                "country": units.country,
            })
            .to_string();
            // They replace the closing brace. Without a list the database words the error.
            arguments.pop();
            if let Some(items) = batch::list(text, "exposures") {
                arguments.push_str(",\"exposures\":[");
                batch::write(&mut arguments, items.into_iter().map(exposure));
                arguments.push(']');
            }
            Ok(Plan::Call(format!("{{\"exposures\":{arguments}}}}}")))
        },
        ..Call::new("experiments", "record_exposures")
    }
}

/// An exposure, refused if the number of an id has more than one spelling.
fn exposure(item: Item<'_>) -> Item<'_> {
    match item {
        Item::Event(text) if !units::ids_are_whole(text) => Item::Refused("malformed"),
        item => item,
    }
}

/// `GET /v1/experiments/{id}/results`
pub fn results() -> Call {
    Call {
        arguments: |incoming, _| {
            let id = incoming.segments.get("id");
            if !is_uuid(id) {
                return Err(Error::NotFound);
            }
            Ok(Plan::Call(json!({ "experiment_id": id }).to_string()))
        },
        ..Call::new("experiments", "experiment_results")
    }
}
