//! Manifests: what each system is, as data. They are checked whole and brought into a compact form ([`compile`]), of which an
//! isolate reads at its start only what every request needs ([`read`]). The edge does not start with a wrong one, and says where
//! it is wrong.
//!
//! `dev/systems.js` makes them one JSON text, from `systems/<name>.toml`, and has the bundle compile it; docs/manifests.md
//! describes the fields.

mod build;
mod checks;
mod compact;
mod lines;
mod pages;
mod place;
mod stream;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::config::Variable;
use crate::endpoint::{Encoding, ErrorShape, Kind, Position, Route, SecretKind};
use crate::error::Error;
use crate::registry::{self, BadRoute, Job, Registry, System};

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
    /// The code that `OpenAI`'s API has for it.
    #[serde(default)]
    openai: String,
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
    stream: Option<String>,
    #[serde(default)]
    error_shape: ErrorShape,
    handler: Option<String>,
    authenticate: Option<String>,
    #[serde(default)]
    requires: Vec<String>,
    #[serde(default)]
    arguments: BTreeMap<String, ArgumentOf>,
    seal: Option<SealOf>,
    export: Option<ExportOf>,
    pages: Option<pages::PagesOf>,
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
    Worker,
    Token,
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
    #[serde(default, rename = "type")]
    kind: SecretKind,
    column: String,
    row: Option<String>,
    new_row: Option<String>,
    owner: String,
    min_bytes: usize,
    max_bytes: usize,
    fingerprint: Option<String>,
    #[serde(default)]
    hint: bool,
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

/// A range of error codes that one system has for itself.
#[derive(Clone)]
struct Codes {
    /// The first code.
    first: String,
    /// The last code.
    last: String,
}

/// What the manifests before another one have, and the core.
#[derive(Default)]
struct Before {
    schemas: Vec<String>,
    variables: Vec<String>,
    error_codes: Vec<Codes>,
    jobs: Vec<String>,
}

/// Reads manifests, with the code of `systems`, beside the core's own routes and jobs. `text` is a compact form of theirs, or a JSON
/// array, which is compiled first.
///
/// # Errors
/// [`Error::Misconfigured`], which names the manifest and the place in it.
pub fn read(
    text: &str,
    systems: &'static [System],
    routes: Vec<Route>,
    jobs: Vec<Job>,
) -> Result<Registry, Error> {
    if compact::is(text) {
        return compact::read(text, systems, routes, jobs);
    }
    let compiled = compile(text, systems, &routes, &jobs)?;
    compact::read(&compiled, systems, routes, jobs)
}

/// Checks the manifests of `text`, a JSON array, against each other, the code of `systems`, and the core's routes and jobs. Gives
/// their compact form.
///
/// # Errors
/// [`Error::Misconfigured`], which names the manifest and the place in it.
pub fn compile(
    text: &str,
    systems: &[System],
    routes: &[Route],
    jobs: &[Job],
) -> Result<String, Error> {
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
    let mut before = Before {
        jobs: jobs.iter().map(|job| job.name.clone()).collect(),
        ..Before::default()
    };
    let mut compact = compact::Writer::default();
    let mut made: Vec<Route> = Vec::new();
    // The index of the first route of each manifest.
    let mut firsts: Vec<(usize, String)> = Vec::new();
    for (at, raw) in listed.iter().enumerate() {
        let manifest: Manifest = parsed(raw).map_err(|fault| refused(file_name(raw, at), fault))?;
        let name = format!("systems/{}.toml", manifest.name);
        let code = systems.iter().find(|system| system.name == manifest.name);
        checks::check(&manifest, &before).map_err(|fault| refused(name.clone(), fault))?;
        firsts.push((made.len(), name.clone()));
        let raws: Raws<'_> = parsed(raw).map_err(|fault| refused(name.clone(), fault))?;
        compact.add(&manifest, &raws.endpoints);
        before.add(&manifest);
        let own = build::routes(manifest, code).map_err(|fault| refused(name.clone(), fault))?;
        checks::check_paths(&own, &routes.iter().chain(&made))
            .map_err(|fault| refused(name, fault))?;
        made.extend(own);
    }
    let all = routes.iter().chain(&made);
    let fits = registry::routers(all.map(|route| (&route.method, &*route.pattern)));
    fits.map_err(|BadRoute { index, why }| {
        let index = index.checked_sub(routes.len());
        let owner = index.and_then(|index| {
            let mut firsts = firsts.iter().rev();
            let (first, name) = firsts.find(|(first, _)| *first <= index)?;
            Some((index - first, name))
        });
        match owner {
            Some((at, name)) => {
                let place = format!("endpoints[{at}].path");
                refused(name.clone(), Fault(place, why))
            }
            None => Error::Internal("an endpoint's path cannot be served"),
        }
    })?;
    Ok(compact.text())
}

impl Before {
    fn add(&mut self, manifest: &Manifest) {
        self.schemas.extend(manifest.schemas.iter().cloned());
        let names = manifest.variables.iter().map(|one| one.name.clone());
        self.variables.extend(names);
        let codes = manifest.error_codes.iter();
        let codes = codes.filter_map(|text| Codes::read(text));
        self.error_codes.extend(codes);
        let names = manifest.jobs.iter().map(|job| job.name.clone());
        self.jobs.extend(names);
    }
}

/// The texts of a manifest's endpoints.
#[derive(Deserialize)]
struct Raws<'a> {
    #[serde(borrow, default)]
    endpoints: Vec<&'a RawValue>,
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

fn parsed<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, Fault> {
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
