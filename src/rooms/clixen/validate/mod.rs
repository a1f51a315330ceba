//! `POST /v1/workflows/validate`: would n8n take this workflow, and would it run? Each finding has a code of
//! `docs/errors.md`, and `fixed` is the workflow with all that can be mended without asking, cut to what n8n's API takes.
//!
//! Nothing is asked of the database or of n8n. What is not known (types of other packages, parameters, expressions) is never
//! an error.

mod connections;
mod graph;
mod nodes;
mod report;
mod rules;
mod secrets;
mod settings;
mod types;
pub mod webhooks;

use http::StatusCode;
use serde_json::{Map, Value};

use crate::config::Config;
use crate::edge::{self, Response};
use crate::error::Error;
use crate::respond;
use crate::rooms::json;
use crate::route::Incoming;

use report::Part::{At, Key};
use report::Weight::{Error as Wrong, Mended};

pub use report::Report;

/// The most nodes of a workflow.
const MOST_NODES: usize = 500;
/// The most connections of a workflow.
const MOST_CONNECTIONS: usize = 5000;
/// The most levels of objects and arrays, the workflow's own being the first.
const MOST_LEVELS: usize = 64;
/// The most characters of a workflow's name.
const LONGEST_NAME: usize = 255;

/// Answers with what is wrong. `?deploy=true` asks for what a deployment needs besides.
///
/// # Errors
/// 400 and 415 for what is no JSON object.
pub fn answer(incoming: &Incoming, _: &Config) -> Result<Response<()>, Error> {
    let workflow = json::body(incoming)?;
    if !workflow.is_object() {
        return Err(Error::MalformedBody("it is no JSON object".into()));
    }
    let deploys = incoming.parameter("deploy").as_deref() == Some("true");
    let report = check(workflow, deploys);
    // Faster than by way of a text, which counts at this size.
    let answer = serde_json::to_vec(&report.json()).unwrap_or_default();
    let kind = "application/json; charset=utf-8";
    Ok(respond::bytes(StatusCode::OK, kind, answer))
}

/// Checks a workflow as n8n's editor or API exports it. What only a deployment needs are warnings unless it is to be deployed.
///
/// `fixed` of the report is null where the nodes cannot be gone through at all.
pub fn check(mut workflow: Value, deploys: bool) -> Report {
    let mut report = Report::new(deploys);
    if deeper_than(&workflow, MOST_LEVELS) {
        report.add(Wrong, &rules::TOO_DEEP, &[], &[]);
    }
    // Taken, not copied: most of the time would be spent on that.
    let Some(Value::Array(sent)) = workflow.get_mut("nodes").map(Value::take) else {
        report.add(Wrong, &rules::NODES_MISSING, &[Key("nodes")], &[]);
        return report;
    };
    if sent.len() > MOST_NODES {
        report.add(Wrong, &rules::TOO_MANY_NODES, &[Key("nodes")], &[]);
        return report;
    }
    // What is short in the workflow could be long in `fixed`: an end that calls a node by its id is given its name.
    let too_long = |node: &Value| {
        let name = node.get("name").and_then(Value::as_str);
        name.is_some_and(|name| name.chars().count() > LONGEST_NAME)
    };
    if let Some(at) = sent.iter().position(too_long) {
        let path = [Key("nodes"), At(at), Key("name")];
        report.add(Wrong, &rules::NODE_NAME_TOO_LONG, &path, &[]);
        return report;
    }
    if ends(workflow.get("connections")) > MOST_CONNECTIONS {
        report.add(
            Wrong,
            &rules::TOO_MANY_CONNECTIONS,
            &[Key("connections")],
            &[],
        );
        return report;
    }
    let name = named(workflow.get("name"), &mut report);
    let settings = settings::read(workflow.get("settings"), &mut report);
    let connections = workflow.get("connections");
    let (mut nodes, told_apart) = nodes::read(sent, connections, &mut report);
    let connections = connections::read(connections, &nodes, &mut report);
    webhooks::judge(&mut nodes, &mut report);
    for (at, node) in nodes.iter().enumerate() {
        types::judge(at, node, &mut report);
        if let Some(parameters) = node.get("parameters") {
            secrets::look(
                parameters,
                &mut vec![Key("nodes"), At(at), Key("parameters")],
                node.name(),
                &mut report,
            );
        }
    }
    graph::judge_triggers(&nodes, &connections.links, &mut report);
    // Where it is not clear what is connected with what, more about it would be noise.
    if told_apart && connections.whole {
        graph::judge(&nodes, &connections.links, &mut report);
    }
    let mut fixed = Map::new();
    fixed.insert("name".into(), name);
    fixed.insert(
        "nodes".into(),
        nodes.into_iter().map(|node| node.value).collect(),
    );
    fixed.insert("connections".into(), connections.fixed);
    fixed.insert("settings".into(), settings);
    report.fixed = Value::Object(fixed);
    report
}

fn named(name: Option<&Value>, report: &mut Report) -> Value {
    match name {
        Some(Value::String(name)) if !name.is_empty() => {
            let cut: String = name.chars().take(LONGEST_NAME).collect();
            if cut.len() < name.len() {
                report.add(Mended, &rules::NAME_TOO_LONG, &[Key("name")], &[]);
            }
            cut.into()
        }
        _ => {
            report.add(Mended, &rules::NAME_MISSING, &[Key("name")], &[]);
            // What n8n's editor calls a new one.
            "My workflow".into()
        }
    }
}

/// How many elements the lists within a value have that are no lists: each may be the end of a connection.
fn ends(value: Option<&Value>) -> usize {
    match value {
        Some(Value::Array(items)) => {
            let inner: usize = items.iter().map(|item| ends(Some(item))).sum();
            let own = items.iter().filter(|item| !item.is_array()).count();
            own + inner
        }
        Some(Value::Object(fields)) => fields.values().map(|field| ends(Some(field))).sum(),
        _ => 0,
    }
}

/// Whether a value has more levels of objects and arrays. The reader of JSON has bounded them by then.
fn deeper_than(value: &Value, levels: usize) -> bool {
    let inner = |value: &Value| levels == 0 || deeper_than(value, levels - 1);
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(inner),
        Value::Object(fields) => levels == 0 || fields.values().any(inner),
        _ => false,
    }
}

/// An id that nothing else has, in the form of a UUID. Random, for what is made of one template may be deployed by many.
fn fresh_id() -> Value {
    let digits = edge::random_id().unwrap_or_default();
    let mut id = String::with_capacity(36);
    for (at, digit) in digits.chars().enumerate() {
        if [8, 12, 16, 20].contains(&at) {
            id.push('-');
        }
        id.push(match at {
            12 => '4',
            16 => 'a',
            _ => digit,
        });
    }
    id.into()
}

#[cfg(test)]
mod tests;
