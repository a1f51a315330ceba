//! Manifests: what each system is, as data. They are read when an isolate starts, checked whole, and become the
//! [`Registry`]. The edge does not start with a wrong one, and says where it is wrong.
//!
//! `dev/systems.js` writes them as one JSON text from `systems/<name>.toml`; docs/manifests.md describes the fields.

mod build;
mod checks;
mod lines;
mod place;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::config::Variable;
use crate::endpoint::{Encoding, Kind, Position, Route};
use crate::error::Error;
use crate::registry::{BadRoute, Job, Registry, Routes, System};

/// The most bytes of all manifests.
const MAX_BYTES: usize = 256 * 1024;

/// One system's manifest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    name: String,
    #[serde(default)]
    schemas: Vec<String>,
    #[serde(default)]
    request_headers: Vec<String>,
    /// Ranges of codes, such as `RG700-RG799`.
    #[serde(default)]
    error_codes: Vec<String>,
    #[serde(default)]
    variables: Vec<Variable>,
    #[serde(default)]
    errors: Vec<ErrorName>,
    #[serde(default)]
    jobs: Vec<ScheduledJob>,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

/// An error that the system's SQL or Rust raises.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorName {
    code: String,
    name: String,
    /// None for a code that stands only inside an answer.
    status: Option<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduledJob {
    name: String,
    cron: String,
    by: By,
    #[serde(default)]
    requires: Vec<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum By {
    Database,
    Edge,
}

#[expect(clippy::struct_excessive_bools, reason = "independent options")]
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Endpoint {
    method: Verb,
    path: String,
    access: Caller,
    body_limit: Option<String>,
    line_limit: Option<String>,
    #[serde(default)]
    rate_limit: RateLimit,
    call: Option<String>,
    #[serde(default)]
    identity: Identity,
    accepts: Option<Vec<Encoding>>,
    #[serde(default)]
    idempotent: bool,
    turnstile: Option<String>,
    #[serde(default)]
    form_timestamp: bool,
    #[serde(default)]
    form: bool,
    #[serde(default)]
    device: bool,
    #[serde(default)]
    answer: Answer,
    redirect: Option<String>,
    cache: Option<u32>,
    limit: Option<LimitOf>,
    answer_step_ms: Option<u32>,
    after_call: Option<String>,
    handler: Option<String>,
    authenticate: Option<String>,
    #[serde(default)]
    requires: Vec<String>,
    #[serde(default)]
    arguments: BTreeMap<String, ArgumentOf>,
    seal: Option<SealOf>,
    export: Option<ExportOf>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Caller {
    Public,
    Open,
    Key,
    User,
    Service,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RateLimit {
    #[default]
    Open,
    Closed,
    None,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Identity {
    #[default]
    Caller,
    Vouched,
    Edge,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    #[default]
    Ok,
    Created,
    Accepted,
    NoContent,
    Stream,
}

/// Where an argument comes from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ArgumentOf {
    path: Option<String>,
    query: Option<String>,
    header: Option<String>,
    field: Option<String>,
    caller: Option<OfCaller>,
    body: Option<BodyOf>,
    batch: Option<Position>,
    #[serde(default, rename = "type")]
    kind: Option<Kind>,
    default: Option<Value>,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    email_fields: Vec<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OfCaller {
    User,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BodyOf {
    Value,
    Object,
    Batch,
    Lines,
}

/// How often one caller may call an endpoint.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitOf {
    per_minute: u32,
    burst: Option<u32>,
    shared: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SealOf {
    field: String,
    column: String,
    row: String,
    owner: String,
    min_bytes: usize,
    max_bytes: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportOf {
    relation: String,
    columns: Vec<String>,
    more: MoreOf,
    file_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MoreOf {
    column: String,
    names: String,
}

/// A fault in a manifest: its place, and what is wrong there.
struct Fault(String, String);

/// Reads the manifests of `text`, a JSON array, with the code of `systems`, beside the core's own routes and jobs.
///
/// # Errors
/// [`Error::Misconfigured`], which names the manifest and the place in it.
pub fn read(
    text: &str,
    systems: &[System],
    routes: Vec<Route>,
    jobs: Vec<Job>,
) -> Result<Registry, Error> {
    let refused = |name: String, Fault(place, what): Fault| {
        let place = if place.is_empty() {
            place
        } else {
            place + ": "
        };
        Error::Misconfigured {
            name: name.into(),
            wanted: (place + &what).into(),
        }
    };
    let whole = |what: String| refused("systems/*.toml".into(), Fault(String::new(), what));
    if text.len() > MAX_BYTES {
        return Err(whole(format!("they may have {MAX_BYTES} bytes")));
    }
    let listed: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|error| whole(error.to_string()))?;
    let mut registry = Registry {
        jobs,
        ..Registry::default()
    };
    let mut routes = routes;
    // The index of the first route of each manifest. Those before are the core's.
    let mut firsts: Vec<(usize, String)> = Vec::new();
    for (at, raw) in listed.iter().enumerate() {
        let manifest: Manifest = parsed(raw).map_err(|fault| refused(file_name(raw, at), fault))?;
        let name = format!("systems/{}.toml", manifest.name);
        let code = systems.iter().find(|system| system.name == manifest.name);
        checks::check(&manifest, &registry).map_err(|fault| refused(name.clone(), fault))?;
        firsts.push((routes.len(), name.clone()));
        let made = build::add(manifest, code, &mut registry);
        let made = made.map_err(|fault| refused(name.clone(), fault))?;
        checks::check_paths(&made, &routes).map_err(|fault| refused(name, fault))?;
        routes.extend(made);
    }
    registry.routes = Routes::new(routes).map_err(|BadRoute { index, why }| {
        let owner = firsts.iter().rev().find(|(first, _)| *first <= index);
        match owner {
            Some((first, name)) => {
                let place = format!("endpoints[{}].path", index - first);
                refused(name.clone(), Fault(place, why))
            }
            None => Error::Internal("an endpoint's path cannot be served"),
        }
    })?;
    Ok(registry)
}

/// The name of a manifest's file, for a manifest that cannot be read.
fn file_name(raw: &RawValue, at: usize) -> String {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    match serde_json::from_str::<Named>(raw.get()) {
        Ok(Named { name }) => format!("systems/{name}.toml"),
        Err(_) => format!("systems/*.toml[{at}]"),
    }
}

fn parsed<T: DeserializeOwned>(raw: &RawValue) -> Result<T, Fault> {
    serde_json::from_str(raw.get()).map_err(|error| {
        let mut what = error.to_string();
        // The position is one in the JSON text, which nobody has seen.
        if let Some(at) = what.rfind(" at line ") {
            what.truncate(at);
        }
        Fault(place::path(raw.get(), error.line(), error.column()), what)
    })
}

#[cfg(test)]
pub(crate) mod tests;
