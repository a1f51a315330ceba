//! `POST /v1/workflows/validate`: whether n8n would accept a workflow and run it. Each finding has a code of
//! `docs/errors.md`. `fixed` is the workflow with everything corrected that has only one correction, reduced to the
//! fields of n8n's API.
//!
//! Validation asks neither the database nor n8n. Unknown things (types of other packages, parameters, expressions) are
//! never errors.

mod connections;
mod graph;
mod nodes;
pub mod places;
mod report;
mod rules;
mod secrets;
mod settings;
mod types;
pub mod webhooks;

use http::StatusCode;
use serde_json::{Map, Value};

use crate::config::Config;
use crate::endpoint::Incoming;
use crate::error::Error;
use crate::formats::json;
use crate::id;
use crate::message::{self, Response};

use report::Part::{At, Key};
use report::Weight::{Error as Wrong, FixedError, FixedWarning};

pub use report::{Finding, Report};

/// The most nodes of a workflow.
const MAX_NODES: usize = 500;
/// The most connections of a workflow.
const MAX_CONNECTIONS: usize = 5000;
/// The most levels of objects and arrays, the workflow's own being the first.
const MAX_LEVELS: usize = 64;
/// The most characters of a workflow's name in n8n.
const MAX_NAME: usize = 128;
/// The most characters of a node's name. n8n has no limit; this one bounds the size of `fixed`, where connections by id
/// get names.
const MAX_NODE_NAME: usize = 255;
/// The most wrappers that are taken off a workflow.
const MAX_WRAPPERS: usize = 3;
/// The byte order mark that some editors put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Answers with the findings. `?deploy=true` adds the requirements of a deployment.
///
/// # Errors
/// 400 and 415 for a body that is not a JSON object.
pub fn answer(incoming: &Incoming, _: &Config) -> Result<Response<()>, Error> {
    let (workflow, was_wrapped) = unwrap_workflow(json::body(incoming.content())?);
    if !workflow.is_object() {
        let why = "it is not a workflow: send one JSON object for each workflow";
        return Err(Error::MalformedBody(why.into()));
    }
    let deploys = incoming.parameter("deploy").as_deref() == Some("true");
    let mut report = report_on(workflow, was_wrapped, deploys);
    if incoming.body.starts_with(BYTE_ORDER_MARK) {
        report.add(FixedWarning, &rules::BYTE_ORDER_MARK, &[], &[]);
    }
    let kind = "application/json; charset=utf-8";
    Ok(message::bytes(StatusCode::OK, kind, report.json()))
}

/// Checks a workflow as n8n's editor or API exports it. Requirements of a deployment are warnings unless `deploys` is
/// set.
///
/// `fixed` of the report is null if the nodes cannot be read at all.
pub fn check(workflow: Value, deploys: bool) -> Report {
    let (workflow, was_wrapped) = unwrap_workflow(workflow);
    report_on(workflow, was_wrapped, deploys)
}

/// Takes a workflow out of `[{...}]`, `{"data": {...}}` and `{"workflow": {...}}`, and tells whether it was in one of
/// them. A value without nodes is returned unchanged.
pub fn unwrap_workflow(sent: Value) -> (Value, bool) {
    let Some(wrappers) = wrappers(&sent, MAX_WRAPPERS) else {
        return (sent, false);
    };
    let mut workflow = sent;
    for _ in 0..wrappers {
        workflow = match workflow {
            Value::Array(mut items) => items.pop().unwrap_or_default(),
            Value::Object(mut fields) => {
                let inner = wrapping_field(&fields, MAX_WRAPPERS);
                inner
                    .and_then(|name| fields.remove(name))
                    .unwrap_or_default()
            }
            other => other,
        };
    }
    (workflow, wrappers > 0)
}

/// The number of wrappers around an object with `nodes`, if there is one.
fn wrappers(value: &Value, limit: usize) -> Option<usize> {
    match value {
        Value::Object(fields) if fields.contains_key("nodes") => Some(0),
        _ if limit == 0 => None,
        Value::Array(items) => match items.as_slice() {
            [only] => Some(wrappers(only, limit - 1)? + 1),
            _ => None,
        },
        Value::Object(fields) => {
            let inner = fields.get(wrapping_field(fields, limit)?)?;
            Some(wrappers(inner, limit - 1)? + 1)
        }
        _ => None,
    }
}

/// The field of a wrapper that contains the workflow.
fn wrapping_field(fields: &Map<String, Value>, limit: usize) -> Option<&'static str> {
    ["workflow", "data"].into_iter().find(|name| {
        let inner = fields.get(*name);
        inner.is_some_and(|inner| limit > 0 && wrappers(inner, limit - 1).is_some())
    })
}

fn report_on(mut workflow: Value, was_wrapped: bool, deploys: bool) -> Report {
    let mut report = Report::new(deploys);
    if was_wrapped {
        report.add(FixedWarning, &rules::WORKFLOW_WRAPPED, &[], &[]);
    }
    if deeper_than(&workflow, MAX_LEVELS) {
        report.add(Wrong, &rules::TOO_DEEP, &[], &[]);
    }
    // Moved, not copied: a copy would take most of the time.
    let Some(Value::Array(sent)) = workflow.get_mut("nodes").map(Value::take) else {
        report.add(Wrong, &rules::NODES_MISSING, &[Key("nodes")], &[]);
        return report;
    };
    if sent.len() > MAX_NODES {
        report.add(Wrong, &rules::TOO_MANY_NODES, &[Key("nodes")], &[]);
        return report;
    }
    // A short workflow could have a long `fixed`: an end that names a node by its id gets its name.
    let too_long = |node: &Value| {
        let name = node.get("name").and_then(Value::as_str);
        name.is_some_and(|name| name.chars().count() > MAX_NODE_NAME)
    };
    if let Some(at) = sent.iter().position(too_long) {
        let path = [Key("nodes"), At(at), Key("name")];
        report.add(Wrong, &rules::NODE_NAME_TOO_LONG, &path, &[]);
        return report;
    }
    if ends(workflow.get("connections")) > MAX_CONNECTIONS {
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
    let (mut nodes, names_are_unique) = nodes::read(sent, connections, &mut report);
    let connections = connections::read(connections, &nodes, &mut report);
    webhooks::check(&mut nodes, &mut report);
    for (at, node) in nodes.iter().enumerate() {
        types::check(at, node, &mut report);
        places::check(at, node, &mut report);
        if let Some(parameters) = node.get("parameters") {
            secrets::check(
                parameters,
                &mut vec![Key("nodes"), At(at), Key("parameters")],
                node.name(),
                &mut report,
            );
        }
    }
    graph::check_triggers(&nodes, &connections.links, &mut report);
    // If it is unclear which nodes are connected, further findings would be noise.
    if names_are_unique && connections.whole {
        graph::check(&nodes, &connections.links, &mut report);
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
            let cut: String = name.chars().take(MAX_NAME).collect();
            if cut.len() < name.len() {
                report.add(FixedError, &rules::NAME_TOO_LONG, &[Key("name")], &[]);
            }
            cut.into()
        }
        _ => {
            report.add(FixedError, &rules::NAME_MISSING, &[Key("name")], &[]);
            // The name that n8n's editor gives to a new workflow.
            "My workflow".into()
        }
    }
}

/// The number of elements in nested lists that are not lists themselves: each may be the end of a connection.
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

/// Whether a value has more than `levels` levels of objects and arrays. The JSON parser has bounded the recursion.
fn deeper_than(value: &Value, levels: usize) -> bool {
    let inner = |value: &Value| levels == 0 || deeper_than(value, levels - 1);
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(inner),
        Value::Object(fields) => levels == 0 || fields.values().any(inner),
        _ => false,
    }
}

/// A new random id in the form of a UUID: several users may deploy workflows made from one template.
fn fresh_id() -> Value {
    let made = id::random_uuid().map(|id| id.to_string());
    made.unwrap_or_default().into()
}

#[cfg(test)]
mod tests;
