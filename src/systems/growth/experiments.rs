//! `/v1/experiments/…`: assigns variants and records exposures. The database does all of it; while it cannot be reached, a
//! unit gets the variants of a new one (`bucketing.rs`).

use serde_json::json;

use super::units::{self, Units};
use crate::config::Config;
use crate::endpoint::{Incoming, Plan};
use crate::error::Error;
use crate::formats::batch::{self, Item};
use crate::formats::json;

/// The arguments of `POST /v1/experiments/assign`.
pub fn assign(incoming: &Incoming, _: &Config) -> Result<Plan, Error> {
    let units = Units::of_call(incoming)?;
    let arguments = json!({
        "user_id": units.user_id,
        "session_id": units.session_id,
        "country": units.country,
    });
    Ok(Plan::Call(arguments.to_string()))
}

/// The arguments of `POST /v1/experiments/exposures`.
pub fn expose(incoming: &Incoming, _: &Config) -> Result<Plan, Error> {
    json::require(incoming.header("content-type"))?;
    let (units, exposures) = units::with_exposures(batch::text(incoming.body.to_parse())?)?;
    let mut arguments = json!({
        "user_id": units.user_id,
        "session_id": units.session_id,
        "country": units.country,
    })
    .to_string();
    // They replace the closing brace. Without a list the database words the error.
    arguments.pop();
    if let Some(exposures) = exposures {
        arguments.push_str(",\"exposures\":[");
        batch::write(&mut arguments, batch::elements(exposures).map(exposure));
        arguments.push(']');
    }
    Ok(Plan::Call(format!("{{\"exposures\":{arguments}}}}}")))
}

/// An exposure, refused if the number of an id has more than one spelling.
fn exposure(item: Item<'_>) -> Item<'_> {
    match item {
        Item::Event(text) if !units::ids_are_whole(text) => Item::Refused("malformed"),
        item => item,
    }
}
