//! The compact form of manifests: lines of fields between tabs, in the order in which an isolate needs them. An endpoint is a line
//! with its method, its path and its JSON, which is read when a request first asks for it.

use std::fmt::Write as _;
use std::hash::Hasher as _;
use std::rc::Rc;

use rustc_hash::FxHasher;
use serde_json::value::RawValue;

use super::{By, Endpoint, Manifest, ScheduledJob, build};
use crate::config::{FIRST_KEK, Kind, Variable};
use crate::endpoint::Route;
use crate::error::Error;
use crate::registry::{Job, Registry, Routes, Served, System};

/// The first word of the form. A number follows, and the form itself.
const FIRST_WORD: &str = "rowgate ";

/// What says which Rust has checked a form: `dev/build.js` gives a hash of all sources.
const SOURCES: &str = match option_env!("ROWGATE_SOURCES") {
    Some(sources) => sources,
    None => "",
};

const UNREADABLE: Error = Error::Internal("the compact form of the manifests cannot be read");

/// Whether a text is the compact form of manifests.
pub(super) fn is(text: &str) -> bool {
    text.starts_with(FIRST_WORD)
}

/// A number of a form and of the Rust that made it. It finds out about what got mixed up, and is no protection.
fn number(form: &str) -> String {
    let mut hasher = FxHasher::default();
    hasher.write(SOURCES.as_bytes());
    hasher.write(form.as_bytes());
    hasher.finish().to_string()
}

/// Writes the form.
#[derive(Default)]
pub(super) struct Writer {
    lines: String,
    endpoints: String,
}

impl Writer {
    /// Adds a manifest that has been checked. No name in it has a tab or a line break.
    pub(super) fn add(&mut self, manifest: &Manifest, endpoints: &[&RawValue]) {
        for schema in &manifest.schemas {
            line(&mut self.lines, &["schema", schema]);
        }
        for header in &manifest.request_headers {
            line(&mut self.lines, &["header", header]);
        }
        for variable in &manifest.variables {
            let Variable {
                name,
                kind,
                with,
                max_length,
            } = variable;
            let length = max_length.map(|length| length.to_string());
            let length = length.unwrap_or_default();
            let fields = ["variable", name, kind.name(), &length, &with.join(",")];
            line(&mut self.lines, &fields);
        }
        for error in &manifest.errors {
            let fields = ["error", &error.code, &error.name, &error.openai];
            line(&mut self.lines, &fields);
        }
        for job in &manifest.jobs {
            let by = match job.by {
                By::Database => "database",
                By::Edge => "edge",
            };
            let requires = job.requires.join(",");
            let fields = ["job", &manifest.name, &job.name, &job.cron, by, &requires];
            line(&mut self.lines, &fields);
        }
        let mut needs: Vec<&str> = Vec::new();
        for endpoint in &manifest.endpoints {
            needs.extend(endpoint.requires.iter().map(String::as_str));
            if let Some(seal) = &endpoint.seal {
                needs.push(FIRST_KEK);
                needs.extend(seal.fingerprint.as_deref());
            }
        }
        let of_jobs = manifest.jobs.iter().flat_map(|job| &job.requires);
        needs.extend(of_jobs.map(String::as_str));
        needs.sort_unstable();
        needs.dedup();
        line(&mut self.lines, &["needs", &needs.join(",")]);
        for (endpoint, raw) in manifest.endpoints.iter().zip(endpoints) {
            let method = build::method(endpoint.method);
            // Between values, line breaks and tabs mean nothing, and inside of strings they are escaped.
            let json = raw.get().replace(['\n', '\r', '\t'], " ");
            let path = &endpoint.path;
            let fields = ["endpoint", &manifest.name, method.as_str(), path, &json];
            line(&mut self.endpoints, &fields);
        }
    }

    /// The form.
    pub(super) fn text(self) -> String {
        let form = self.lines + &self.endpoints;
        format!("{FIRST_WORD}{}\n{form}", number(&form))
    }
}

fn line(text: &mut String, fields: &[&str]) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", fields.join("\t"));
}

/// Reads the form.
pub(super) fn read(
    text: &str,
    systems: &'static [System],
    routes: Vec<Route>,
    jobs: Vec<Job>,
) -> Result<Registry, Error> {
    let parts = text
        .strip_prefix(FIRST_WORD)
        .and_then(|text| text.split_once('\n'));
    let (given, form) = parts.ok_or(UNREADABLE)?;
    if given != number(form) {
        return Err(Error::Misconfigured {
            name: "systems.js".into(),
            wanted: "what this bundle made of the manifests: run `npm run build`".into(),
        });
    }
    let mut registry = Registry {
        jobs,
        ..Registry::default()
    };
    let mut served: Vec<Served> = routes.into_iter().map(Served::from).collect();
    let mut lines = form.lines().peekable();
    while let Some(line) = lines.next_if(|line| !line.starts_with("endpoint\t")) {
        registry.add(line, systems).ok_or(UNREADABLE)?;
    }
    let headers: Rc<[String]> = registry.request_headers.as_slice().into();
    for line in lines {
        served.push(endpoint(line, systems, &headers).ok_or(UNREADABLE)?);
    }
    registry.routes = Routes::new(served);
    Ok(registry)
}

impl Registry {
    /// Adds what a line says that is no endpoint's.
    fn add(&mut self, line: &str, systems: &[System]) -> Option<()> {
        let (kind, rest) = line.split_once('\t')?;
        let mut fields = rest.split('\t');
        match kind {
            "schema" => self.schemas.push(rest.to_owned()),
            "header" => self.request_headers.push(rest.to_owned()),
            "needs" => self.needs.extend(names(rest)),
            "error" => self.error_names.extend([rest, "\n"]),
            "variable" => self.variables.push(Variable {
                name: fields.next()?.to_owned(),
                kind: Kind::of_name(fields.next()?)?,
                max_length: fields.next()?.parse().ok(),
                with: names(fields.next()?),
            }),
            "job" => {
                let named = named(fields.next()?, systems);
                let job = ScheduledJob {
                    name: fields.next()?.to_owned(),
                    cron: fields.next()?.to_owned(),
                    by: match fields.next()? {
                        "database" => By::Database,
                        _ => By::Edge,
                    },
                    requires: names(fields.next()?),
                };
                self.jobs.push(build::job(&job, &named).ok()?);
            }
            _ => return None,
        }
        Some(())
    }
}

fn names(list: &str) -> Vec<String> {
    let names = list.split(',').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn named<'a>(system: &'a str, systems: &'a [System]) -> build::Named<'a> {
    let code = systems.iter().find(|known| known.name == system);
    build::Named { system, code }
}

/// The endpoint of a line.
fn endpoint(line: &str, systems: &'static [System], headers: &Rc<[String]>) -> Option<Served> {
    let mut fields = line.strip_prefix("endpoint\t")?.splitn(4, '\t');
    let system = fields.next()?.to_owned();
    let method = fields.next()?.parse().ok()?;
    let pattern = fields.next()?.to_owned();
    let json = fields.next()?.to_owned();
    let headers = Rc::clone(headers);
    let read = move || {
        let endpoint: Endpoint = serde_json::from_str(&json).map_err(|_| UNREADABLE)?;
        build::route(endpoint, &named(&system, systems), &headers).map_err(|_| UNREADABLE)
    };
    Some(Served::unread(method, pattern, Box::new(read)))
}
