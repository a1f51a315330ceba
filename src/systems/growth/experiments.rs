//! `/v1/experiments/…`: assigns variants, records exposures and reports results. The database does all of it; while it
//! cannot be reached, a unit gets the variants of a new one (`bucketing.rs`).

use serde_json::json;

use super::units::{self, Units};
use super::{answer_ok, bucketing};
use crate::error::Error;
use crate::formats::batch::{self, Item};
use crate::route::{Call, Identity, Plan};
use crate::verify::is_uuid;

/// `POST /v1/experiments/assign`
pub static ASSIGN: Call = Call {
    schema: "experiments",
    function: "auto_assign_experiments",
    identity: Identity::Vouched,
    for_people: false,
    arguments: |incoming, _| {
        let units = Units::of_call(incoming)?;
        let arguments = json!({
            "user_id": units.user_id,
            "session_id": units.session_id,
            "country": units.country,
        });
        Ok(Plan::Call(arguments.to_string()))
    },
    answer: answer_ok,
    fallback: Some(bucketing::FALLBACK),
    streamed: false,
    answer_step_ms: None,
    after_call: None,
};

/// `POST /v1/experiments/exposures`
pub static EXPOSE: Call = Call {
    schema: "experiments",
    function: "record_exposures",
    identity: Identity::Vouched,
    for_people: false,
    arguments: |incoming, _| {
        if incoming.media_type() != "application/json" {
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
    answer: answer_ok,
    fallback: None,
    streamed: false,
    answer_step_ms: None,
    after_call: None,
};

/// An exposure, refused if the number of an id has more than one spelling.
fn exposure(item: Item<'_>) -> Item<'_> {
    match item {
        Item::Event(text) if !units::ids_are_whole(text) => Item::Refused("malformed"),
        item => item,
    }
}

/// `GET /v1/experiments/{id}/results`
pub static RESULTS: Call = Call {
    schema: "experiments",
    function: "experiment_results",
    identity: Identity::Caller,
    for_people: false,
    arguments: |incoming, _| {
        let id = &incoming.variable;
        if !is_uuid(id) {
            return Err(Error::NotFound);
        }
        Ok(Plan::Call(json!({ "experiment_id": id }).to_string()))
    },
    answer: answer_ok,
    fallback: None,
    streamed: false,
    answer_step_ms: None,
    after_call: None,
};
