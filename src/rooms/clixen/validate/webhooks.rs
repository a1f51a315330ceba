//! Webhooks: what their addresses are made of.

use serde_json::{Map, Value};

use super::nodes::Node;
use super::report::Part::{At, Key};
use super::report::Report;
use super::report::Weight::Error;
use super::{fresh_id, rules, types};

/// The address of a webhook node.
#[derive(Debug, PartialEq, Eq)]
pub struct Webhook<'a> {
    /// The method.
    pub method: &'a str,
    /// The path behind `/webhook/`, without slashes around it; with `:name` in it, it stands behind the id.
    pub path: &'a str,
    /// The node's `webhookId`; empty if it has none.
    pub id: &'a str,
}

/// Those of a node; none where it is no enabled webhook, or an expression says what they are.
pub fn of(node: &Value) -> Vec<Webhook<'_>> {
    let text = |field: &str| node.get(field).and_then(Value::as_str).unwrap_or_default();
    let parameter = |name: &str| node.get("parameters").and_then(|all| all.get(name));
    let path = parameter("path")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let path = path.trim_matches('/');
    let is_one = text("type") == "n8n-nodes-base.webhook"
        && node.get("disabled") != Some(&Value::Bool(true));
    if !is_one || path.is_empty() || path.starts_with('=') {
        return Vec::new();
    }
    let methods: Vec<&Value> = match parameter("httpMethod") {
        Some(Value::Array(several)) => several.iter().collect(),
        one => vec![one.unwrap_or(&Value::Null)],
    };
    let methods = methods.into_iter().filter_map(|method| match method {
        Value::Null => Some("GET"),
        method => method.as_str().filter(|method| !method.starts_with('=')),
    });
    methods
        .map(|method| Webhook {
            method,
            path,
            id: text("webhookId"),
        })
        .collect()
}

/// Ids, paths, and no two of one address.
pub fn judge(nodes: &mut [Node], report: &mut Report) {
    for (at, node) in nodes.iter_mut().enumerate() {
        if types::has_webhook_id(node) && !node.is_disabled() {
            complete(at, node, report);
            judge_address(at, node, report);
        }
    }
    let mut seen = Map::new();
    for (at, node) in nodes.iter().enumerate() {
        for webhook in of(&node.value) {
            let address = [webhook.method, " ", webhook.path].concat();
            if seen.insert(address, Value::Null).is_some() {
                let path = [Key("nodes"), At(at), Key("parameters"), Key("path")];
                let names = [node.name(), webhook.path];
                report.add(Error, &rules::WEBHOOK_PATH_DUPLICATE, &path, &names);
            }
        }
    }
}

/// n8n's methods.
const METHODS: [&str; 6] = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"];

/// Paths that are none, and methods that n8n does not know. An expression is n8n's to work out.
fn judge_address(at: usize, node: &Node, report: &mut Report) {
    let is_expression = |text: &str| text.starts_with('=');
    let path_of = |name| [Key("nodes"), At(at), Key("parameters"), Key(name)];
    let is_path = |text: &str| {
        let bad = |c: char| c.is_control() || "\\?#%".contains(c);
        !text.contains(bad) && !text.split('/').any(|part| part == "." || part == "..")
    };
    let path = node.parameter("path").filter(|path| !path.is_null());
    let good = |path: &Value| {
        path.as_str()
            .is_some_and(|text| is_expression(text) || is_path(text))
    };
    if path.is_some_and(|path| !good(path)) {
        let rule = &rules::WEBHOOK_PATH_INVALID;
        report.add(Error, rule, &path_of("path"), &[node.name()]);
    }
    if node.full_type() != "n8n-nodes-base.webhook" {
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
        report.add(Error, rule, &path_of("httpMethod"), &[node.name()]);
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
    if node.full_type() == "n8n-nodes-base.webhook"
        && has_parameters
        && is_missing(node.parameter("path"))
    {
        let path = [Key("nodes"), At(at), Key("parameters"), Key("path")];
        report.add_for_deployment(true, &rules::WEBHOOK_PATH_MISSING, &path, &[node.name()]);
        // What n8n's editor begins with.
        let id = node.get("webhookId").cloned().unwrap_or_default();
        if let Some(Value::Object(parameters)) = node.value.get_mut("parameters") {
            parameters.insert("path".into(), id);
        }
    }
}
