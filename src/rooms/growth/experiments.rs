//! `/v1/experiments/…`: which variants a unit gets, that it has seen them, and what came of it. All of it is the database's; while
//! that cannot be reached, variants are what they would be for somebody new (`bucketing.rs`).

use serde_json::json;

use super::{as_it_is, bucketing};
use crate::error::Error;
use crate::rooms::json;
use crate::route::{Call, Identity, Plan};
use crate::verify::is_uuid;

/// `POST /v1/experiments/assign`
pub static ASSIGN: Call = Call {
    schema: "experiments",
    function: "auto_assign_experiments",
    identity: Identity::Caller,
    for_people: false,
    arguments: |incoming, _| {
        let unit = json::body(incoming)?;
        let field = |name: &str| unit.get(name).cloned().unwrap_or_default();
        let arguments = json!({
            "user_id": field("user_id"),
            "session_id": field("session_id"),
            "country": field("country"),
        });
        Ok(Plan::Ask(arguments.to_string()))
    },
    answer: as_it_is,
    fallback: Some(bucketing::FALLBACK),
    streamed: false,
    then: None,
};

/// `POST /v1/experiments/exposures`
pub static EXPOSE: Call = Call {
    schema: "experiments",
    function: "record_exposures",
    identity: Identity::Caller,
    for_people: false,
    arguments: |incoming, _| {
        let exposures = json::body(incoming)?;
        Ok(Plan::Ask(json!({ "exposures": exposures }).to_string()))
    },
    answer: as_it_is,
    fallback: None,
    streamed: false,
    then: None,
};

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
        Ok(Plan::Ask(json!({ "experiment_id": id }).to_string()))
    },
    answer: as_it_is,
    fallback: None,
    streamed: false,
    then: None,
};
