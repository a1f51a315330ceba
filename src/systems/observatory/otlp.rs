//! Logs of OpenTelemetry, as JSON. The edge takes secrets out of them; the database interprets them, and writes the answer.
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

use super::hooks::redacted;
use crate::config::Config;
use crate::endpoint::{Incoming, Plan};
use crate::error::Error;
use crate::formats::json;

/// The arguments of the call: the request of the exporter without secrets.
///
/// # Errors
/// 415 for another encoding, such as protobuf; 400 for a body that is not JSON, or that names a field twice.
pub fn arguments(incoming: &Incoming, _: &Config) -> Result<Plan, Error> {
    json::require(incoming.header("content-type"))?;
    let (request, _) = redacted(incoming.body.to_parse())?;
    Ok(Plan::Call(format!("{{\"request\":{request}}}")))
}
