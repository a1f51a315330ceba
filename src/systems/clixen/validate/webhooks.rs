//! Webhooks: the parts of their addresses.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::nodes::Node;
use super::report::Part::{At, Key};
use super::report::Report;
use super::report::Weight::{Error, FixedError};
use super::{fresh_id, places, rules, types};

/// Where a node listens.
#[derive(Debug, PartialEq, Eq)]
pub struct Webhook<'a> {
    /// The method.
    pub method: &'a str,
    /// The path below the endpoint, without surrounding slashes.
    pub path: Cow<'a, str>,
    /// The node's `webhookId`; empty if it has none.
    pub id: &'a str,
    /// The endpoint: `webhook`, `form` or `mcp`. n8n allows each path and method only once, whatever the endpoint.
    pub endpoint: &'static str,
}

impl Webhook<'_> {
    /// The path below the endpoint. If it contains a `:name`, n8n puts the node's id before it.
    pub fn address(&self) -> String {
        if self.path.split('/').any(|part| part.starts_with(':')) {
            format!("{}/{}", self.id, self.path)
        } else {
            self.path.to_string()
        }
    }
}

/// The webhooks of an enabled node whose path can be chosen and is not an expression.
pub fn of(node: &Value) -> Vec<Webhook<'_>> {
    if node.get("disabled") == Some(&Value::Bool(true)) {
        return Vec::new();
    }
    let kind = node.get("type").and_then(Value::as_str).unwrap_or_default();
    let version = node.get("typeVersion").and_then(Value::as_f64);
    let version = version.unwrap_or(1.0);
    let path = text_at(node, &["path"]);
    match kind {
        WEBHOOK => {
            let methods = methods(node).into_iter();
            at("webhook", node, methods.map(|method| (method, "")), path)
        }
        FORM if version < 2.0 => {
            let methods = [("GET", "/n8n-form"), ("POST", "/n8n-form")];
            at("webhook", node, methods, path)
        }
        FORM => {
            let option = text_at(node, &["options", "path"]);
            let path = if option.is_empty() { path } else { option };
            let id = node.get("webhookId").and_then(Value::as_str);
            let path = if path.is_empty() {
                id.unwrap_or_default()
            } else {
                path
            };
            at("form", node, [("GET", ""), ("POST", "")], path)
        }
        MCP if version < 2.0 => at("mcp", node, [("GET", "/sse"), ("POST", "/messages")], path),
        MCP => at(
            "mcp",
            node,
            [("GET", ""), ("POST", ""), ("DELETE", "")],
            path,
        ),
        _ => Vec::new(),
    }
}

const WEBHOOK: &str = "n8n-nodes-base.webhook";
const FORM: &str = "n8n-nodes-base.formTrigger";
const MCP: &str = "@n8n/n8n-nodes-langchain.mcpTrigger";

fn text_at<'v>(node: &'v Value, path: &[&str]) -> &'v str {
    let text = places::parameter(node, path).and_then(Value::as_str);
    text.unwrap_or_default().trim().trim_matches('/')
}

/// A webhook for each method, with the suffix that n8n adds to the path.
fn at<'v>(
    endpoint: &'static str,
    node: &'v Value,
    methods: impl IntoIterator<Item = (&'v str, &'static str)>,
    path: &'v str,
) -> Vec<Webhook<'v>> {
    if path.is_empty() || path.starts_with('=') {
        return Vec::new();
    }
    let id = node.get("webhookId").and_then(Value::as_str);
    let one = |(method, added): (&'v str, &str)| Webhook {
        method,
        path: if added.is_empty() {
            path.into()
        } else {
            format!("{path}{added}").into()
        },
        id: id.unwrap_or_default(),
        endpoint,
    };
    methods.into_iter().map(one).collect()
}

/// The methods of a webhook node that are not expressions.
fn methods(node: &Value) -> Vec<&str> {
    let methods: Vec<&Value> = match places::parameter(node, &["httpMethod"]) {
        Some(Value::Array(several)) => several.iter().collect(),
        one => vec![one.unwrap_or(&Value::Null)],
    };
    let methods = methods.into_iter().filter_map(|method| match method {
        Value::Null => Some("GET"),
        method => method.as_str().filter(|method| !method.starts_with('=')),
    });
    methods.collect()
}

/// Checks ids and paths, and that no two addresses are the same.
pub fn check(nodes: &mut [Node], report: &mut Report) {
    for (at, node) in nodes.iter_mut().enumerate() {
        if node.is_disabled() {
            continue;
        }
        if types::has_webhook_id(node) {
            complete(at, node, report);
            check_address(at, node, report);
        } else if report.is_for_deployment() && places::has_path(&node.value) {
            check_paths(at, node, report, &|_| true);
        }
    }
    check_ids(nodes, report);
    let mut seen = Map::new();
    for (at, node) in nodes.iter().enumerate() {
        for webhook in of(&node.value) {
            let address = [webhook.method, " ", &webhook.address()].concat();
            if seen.insert(address, Value::Null).is_some() {
                let path = [Key("nodes"), At(at), Key("parameters"), Key("path")];
                let names = [node.name(), &webhook.path];
                report.add(Error, &rules::WEBHOOK_PATH_DUPLICATE, &path, &names);
                // Changing the path fixes its other methods as well.
                break;
            }
        }
    }
}

/// The address of most triggers contains their `webhookId`, so it must be unique.
fn check_ids(nodes: &mut [Node], report: &mut Report) {
    let mut seen = Map::new();
    for (at, node) in nodes.iter_mut().enumerate() {
        let has_own_path = [WEBHOOK, FORM, MCP].contains(&node.full_type());
        if node.is_disabled() || has_own_path || !types::is_trigger(node) {
            continue;
        }
        let id = node.get("webhookId").and_then(Value::as_str);
        let id = id.unwrap_or_default().to_owned();
        if !id.is_empty() && seen.insert(id, Value::Null).is_some() {
            let path = [Key("nodes"), At(at), Key("webhookId")];
            report.add(
                FixedError,
                &rules::WEBHOOK_ID_DUPLICATE,
                &path,
                &[node.name()],
            );
            node.set("webhookId", fresh_id());
        }
    }
}

/// n8n's methods.
const METHODS: [&str; 6] = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"];

/// Reports invalid paths and unknown methods. n8n evaluates expressions.
fn check_address(at: usize, node: &Node, report: &mut Report) {
    let is_expression = |text: &str| text.starts_with('=');
    let is_path = |text: &str| {
        let bad = |c: char| c.is_control() || "\\?#%".contains(c);
        !text.contains(bad) && !text.split('/').any(|part| part == "." || part == "..")
    };
    check_paths(at, node, report, &is_path);
    if node.full_type() != WEBHOOK {
        return;
    }
    let known = |method: &Value| {
        method
            .as_str()
            .is_some_and(|text| is_expression(text) || METHODS.contains(&text))
    };
    let fits = match node.parameter("httpMethod") {
        None | Some(Value::Null) => true,
        Some(Value::Array(several)) => several.iter().all(known) && several.len() <= METHODS.len(),
        Some(one) => known(one),
    };
    if !fits {
        let rule = &rules::WEBHOOK_METHOD_UNKNOWN;
        let path = [Key("nodes"), At(at), Key("parameters"), Key("httpMethod")];
        report.add(Error, rule, &path, &[node.name()]);
    }
}

/// Checks that every parameter that may contain a path is a string, and that n8n need not evaluate anything to find it.
fn check_paths(at: usize, node: &Node, report: &mut Report, is_path: &dyn Fn(&str) -> bool) {
    let good = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.starts_with('=') || is_path(text),
        _ => false,
    };
    let mut wrong = |names: &[&str]| {
        let start = [Key("nodes"), At(at), Key("parameters")];
        let names = names.iter().map(|name| Key(name));
        let path: Vec<_> = start.into_iter().chain(names).collect();
        report.add(Error, &rules::WEBHOOK_PATH_INVALID, &path, &[node.name()]);
    };
    for names in places::PATHS {
        if places::parameter(&node.value, names).is_some_and(|path| !good(path)) {
            wrong(names);
        }
    }
    if node.parameter("options").is_some_and(places::is_computed) {
        wrong(&["options"]);
    }
}

fn complete(at: usize, node: &mut Node, report: &mut Report) {
    let is_missing = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(value) => value == "",
    };
    if is_missing(node.get("webhookId")) {
        let path = [Key("nodes"), At(at), Key("webhookId")];
        report.add_for_deployment(true, &rules::WEBHOOK_ID_MISSING, &path, &[node.name()]);
        node.set("webhookId", fresh_id());
    }
    let has_parameters = node.get("parameters").is_some_and(Value::is_object);
    // Without a path, n8n would give an MCP server or a form of version 1 the same one in all workflows.
    let needs_path = match node.full_type() {
        WEBHOOK | MCP => true,
        FORM => node.version() < 2.0,
        _ => false,
    };
    if needs_path && has_parameters && is_missing(node.parameter("path")) {
        let path = [Key("nodes"), At(at), Key("parameters"), Key("path")];
        report.add_for_deployment(true, &rules::WEBHOOK_PATH_MISSING, &path, &[node.name()]);
        // The path that n8n's editor starts with.
        let id = node.get("webhookId").cloned().unwrap_or_default();
        if let Some(Value::Object(parameters)) = node.value.get_mut("parameters") {
            parameters.insert("path".into(), id);
        }
    }
}
