//! Scopes a workflow to its owner. All users share one n8n with one namespace: paths get the owner's slug as a prefix,
//! ids of webhooks become digests, and references to others' credentials and workflows are removed or refused.
//!
//! The database says what the owner has: nothing here decides whose a workflow is.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::validate::Finding;
use super::validate::places::{self, Called, Takes};
use super::validate::webhooks;
use crate::id;

/// The most characters of a name in n8n.
const MAX_NAME: usize = 128;

/// What the database says about a deployment's owner.
#[derive(Debug, Default, Deserialize)]
pub struct Owned {
    /// The prefix of the owner's paths, unique to the owner.
    pub slug: String,
    /// Those of the requested ids that are workflows of the owner, with their ids in n8n.
    pub named: BTreeMap<String, String>,
    /// The ids in n8n of all of the owner's workflows there.
    pub deployed: Vec<String>,
    /// Whether the previous deployment names an error workflow.
    pub had_error_workflow: bool,
}

/// The workflow that is being prepared.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its id in the database.
    pub id: &'a str,
    /// Its name in the database.
    pub name: &'a str,
    /// Its id in n8n, if it has one.
    pub n8n_id: Option<&'a str>,
}

impl Subject<'_> {
    /// The name in n8n: the workflow's own, and a mark that identifies it even after it is renamed.
    pub fn name_in_n8n(&self) -> String {
        let mark = self.mark();
        let name: String = self.name.chars().take(MAX_NAME - mark.len()).collect();
        name + &mark
    }

    /// The mark at the end of its name in n8n: a part of its id. Whatever users call their workflows, no other name
    /// ends with it.
    pub fn mark(&self) -> String {
        let id = self.id.replace('-', "");
        format!(" [{}]", id.get(..16).unwrap_or_default())
    }
}

/// A workflow ready for n8n.
pub struct Prepared {
    /// Name, nodes, connections and settings.
    pub workflow: Value,
    /// Where it listens.
    pub webhooks: Vec<Webhook>,
    /// The ids in n8n of the workflows that it runs.
    pub calls: BTreeSet<String>,
    /// The ids in n8n of the workflows that may run it.
    pub callers: Vec<String>,
    /// Whether it runs itself, and is allowed to.
    pub runs_itself: bool,
}

/// Where a workflow listens.
pub struct Webhook {
    /// The method.
    pub method: String,
    /// The path below n8n's public address: `webhook/<path>`, `form/<path>`.
    pub path: String,
}

impl Webhook {
    /// Whether it is a webhook with a fixed path, whose registration n8n reports.
    pub fn is_plain(&self) -> bool {
        let path = self.path.strip_prefix("webhook/");
        path.is_some_and(|path| {
            path.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_./~".contains(&b))
        })
    }
}

/// The ids of workflows that a workflow names: in its settings, in its nodes, and in workflows within them.
pub fn named(workflow: &Value) -> Vec<String> {
    let mut ids = BTreeSet::new();
    let setting = |name: &str| text(&workflow["settings"], name);
    ids.extend(listed(setting("callerIds")));
    ids.insert(setting("errorWorkflow").trim().to_owned());
    collect(workflow, &mut ids);
    ids.remove("");
    ids.into_iter().collect()
}

fn listed(ids: &str) -> impl Iterator<Item = String> {
    ids.split(',').map(|id| id.trim().to_owned())
}

fn collect(workflow: &Value, ids: &mut BTreeSet<String>) {
    for node in nodes(workflow) {
        match places::called(node) {
            Some(Called::Id(id)) => {
                ids.insert(id);
            }
            Some(Called::Inline(workflow)) => collect(&workflow, ids),
            _ => {}
        }
    }
}

fn nodes(workflow: &Value) -> impl Iterator<Item = &Value> {
    let nodes = workflow.get("nodes").and_then(Value::as_array);
    nodes.into_iter().flatten()
}

/// Findings that prevent a deployment: nodes that run a workflow of another owner, or that use something shared by all
/// users of the instance. A workflow of another owner and a missing one get the same answer.
pub fn foreign(workflow: &Value, own: &Owned) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, node) in nodes(workflow).enumerate() {
        let name = text(node, "name");
        if let Some(id) = foreign_call(node, own) {
            findings.push(Finding {
                code: "workflow_not_yours",
                path: format!("/nodes/{at}/parameters/workflowId"),
                message: format!("The node \"{name}\" runs the workflow \"{id}\", and you have not deployed a workflow with this id."),
                fix: "Deploy the workflow that it runs, and name it by its id or its n8n_workflow_id.".into(),
            });
        }
        if let Some(what) = places::shared(node) {
            findings.push(Finding {
                code: "instance_shared",
                path: format!("/nodes/{at}"),
                message: format!("The node \"{name}\" uses {what}, which all users share."),
                fix: "Keep the data in a database of your own, and use a credential for it.".into(),
            });
        }
    }
    findings
}

fn foreign_call(node: &Value, own: &Owned) -> Option<String> {
    match places::called(node)? {
        Called::Id(id) => (!own.named.contains_key(&id)).then_some(id),
        Called::Inline(workflow) => nodes(&workflow).find_map(|node| foreign_call(node, own)),
        _ => None,
    }
}

/// Scopes a workflow without [`foreign`] findings to its owner. `given` is the workflow as sent: it shows which webhook
/// ids validation made.
pub fn scope_to_owner(
    mut workflow: Value,
    given: &Value,
    subject: &Subject<'_>,
    own: &Owned,
    shares: &dyn Fn(&str) -> bool,
) -> Prepared {
    let mut rewriter = Rewriter {
        subject,
        own,
        shares,
        calls: BTreeSet::new(),
        callers: Vec::new(),
        runs_itself: false,
    };
    let mut webhooks = Vec::new();
    let mut sources = BTreeSet::new();
    let given = given.get("nodes").and_then(Value::as_array);
    let nodes = workflow.get_mut("nodes").and_then(Value::as_array_mut);
    for (at, node) in nodes.into_iter().flatten().enumerate() {
        remove_prototypes(node);
        let given = given.and_then(|nodes| nodes.get(at));
        let given_id = given.map_or("", |node| text(node, "webhookId"));
        rewriter.scope_webhook_id(node, given_id, &mut sources);
        rewriter.scope_places(node);
        rewriter.scope_references(node);
        webhooks.extend(addresses(node));
    }
    rewriter.settings(&mut workflow);
    Prepared {
        workflow,
        webhooks,
        calls: rewriter.calls,
        callers: rewriter.callers,
        runs_itself: rewriter.runs_itself,
    }
}

/// Allows another workflow to run this one.
pub fn allow_caller(workflow: &mut Value, caller: &str) {
    let settings = workflow.get_mut("settings").and_then(Value::as_object_mut);
    let Some(settings) = settings else { return };
    let callers = settings.get("callerIds").and_then(Value::as_str);
    let mut callers: Vec<String> = listed(callers.unwrap_or_default())
        .filter(|id| !id.is_empty() && id != caller)
        .collect();
    callers.push(caller.to_owned());
    settings.insert("callerPolicy".into(), "workflowsFromAList".into());
    settings.insert("callerIds".into(), callers.join(",").into());
}

struct Rewriter<'a> {
    subject: &'a Subject<'a>,
    own: &'a Owned,
    shares: &'a dyn Fn(&str) -> bool,
    calls: BTreeSet<String>,
    callers: Vec<String>,
    runs_itself: bool,
}

impl Rewriter<'_> {
    /// Replaces a node's webhook id. The new one is the same at each deployment, never that of another workflow, and
    /// cannot be computed from the ids of the user and the workflow alone.
    fn scope_webhook_id(&self, node: &mut Value, given_id: &str, sources: &mut BTreeSet<String>) {
        let made = text(node, "webhookId").to_owned();
        if made.is_empty() {
            return;
        }
        let name = text(node, "name");
        // A copied node has the id of its original.
        let is_first = !given_id.is_empty() && sources.insert(given_id.to_owned());
        let source = if is_first { given_id } else { name };
        let text = format!("{} {} {source}", self.own.slug, self.subject.id);
        let id = id::digest_uuid(&text).to_string();
        for path in places::PATHS {
            if let Some(path) = parameter_mut(node, path)
                && *path == made
            {
                *path = id.as_str().into();
            }
        }
        if let Some(fields) = node.as_object_mut() {
            fields.insert("webhookId".into(), id.into());
        }
    }

    /// Prefixes paths, and keys of stores in n8n's memory, with the owner's slug.
    fn scope_places(&self, node: &mut Value) {
        if places::has_path(node) {
            for path in places::PATHS {
                if let Some(Value::String(path)) = parameter_mut(node, path)
                    && !path.is_empty()
                {
                    *path = self.prefixed(path);
                }
            }
        }
        if places::takes(node) == Some(Takes::Key) {
            let (name, default) = places::KEY;
            let parameters = node.get_mut("parameters").and_then(Value::as_object_mut);
            let Some(parameters) = parameters else { return };
            let key = parameters.entry(name).or_insert(Value::Null);
            if let Some(inner) = key.get_mut("value") {
                *inner = self.prefixed(inner.as_str().unwrap_or(default)).into();
            } else {
                *key = self.prefixed(key.as_str().unwrap_or(default)).into();
            }
        }
    }

    /// An expression gets the slug as a prefix as well.
    fn prefixed(&self, text: &str) -> String {
        let slug = &self.own.slug;
        match text.strip_prefix('=') {
            Some(expression) => format!("={slug}/{expression}"),
            None => format!("{slug}/{}", text.trim_matches('/')),
        }
    }

    /// Removes credentials that are not shared, and replaces ids of workflows by their ids in n8n.
    fn scope_references(&mut self, node: &mut Value) {
        let credentials = node.get_mut("credentials").and_then(Value::as_object_mut);
        if let Some(credentials) = credentials {
            credentials.retain(|_, credential| (self.shares)(text(credential, "id")));
        }
        let is_on = node.get("disabled") != Some(&Value::Bool(true));
        self.runs_itself |= is_on && text(node, "type") == "n8n-nodes-base.errorTrigger";
        match places::called(node) {
            Some(Called::Itself) => self.runs_itself = true,
            Some(Called::Id(id)) => {
                let Some(id) = self.own.named.get(&id) else {
                    return;
                };
                self.runs_itself |= self.subject.n8n_id == Some(id);
                self.calls.insert(id.clone());
                if let Some(chosen) = parameter_mut(node, &["workflowId"]) {
                    match chosen.get_mut("value") {
                        Some(value) => *value = id.as_str().into(),
                        None => *chosen = id.as_str().into(),
                    }
                }
            }
            Some(Called::Inline(mut workflow)) => {
                let nodes = workflow.get_mut("nodes").and_then(Value::as_array_mut);
                for node in nodes.into_iter().flatten() {
                    remove_prototypes(node);
                    self.scope_places(node);
                    self.scope_references(node);
                }
                if let Some(text) = parameter_mut(node, &["workflowJson"]) {
                    *text = strip_inline(&workflow).to_string().into();
                }
            }
            _ => {}
        }
    }

    /// Sets the error workflow to its id in n8n, and who may run this one: nobody, or workflows of the same owner.
    /// Always sets both, because n8n merges settings and would keep an omitted one.
    fn settings(&mut self, workflow: &mut Value) {
        let has_entry = nodes(workflow).any(is_entry);
        let settings = workflow.get_mut("settings").and_then(Value::as_object_mut);
        let Some(settings) = settings else { return };
        let mut take = |name: &str| match settings.remove(name) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let policy = take("callerPolicy");
        let wanted = take("callerIds");
        let error_workflow = take("errorWorkflow");
        match self.own.named.get(error_workflow.trim()) {
            Some(id) => {
                self.calls.insert(id.clone());
                settings.insert("errorWorkflow".into(), id.as_str().into());
            }
            None if self.own.had_error_workflow => {
                settings.insert("errorWorkflow".into(), "".into());
            }
            None => {}
        }
        self.runs_itself &= has_entry && policy != "none";
        settings.insert("callerPolicy".into(), "none".into());
        if !has_entry || policy == "none" {
            return;
        }
        let wanted: BTreeSet<&String> = listed(&wanted)
            .filter_map(|id| self.own.named.get(&id))
            .collect();
        let itself = self.subject.n8n_id;
        let callers = self.own.deployed.iter().filter(|id| {
            let is_itself = itself == Some(id.as_str());
            (is_itself && self.runs_itself)
                || (!is_itself && (policy != "workflowsFromAList" || wanted.contains(id)))
        });
        self.callers = callers.cloned().collect();
        if !self.callers.is_empty() {
            settings.insert("callerPolicy".into(), "workflowsFromAList".into());
            settings.insert("callerIds".into(), self.callers.join(",").into());
        }
    }
}

/// The allowed fields of a workflow within a node. Not its id: n8n would run it under that id, with the data and
/// permissions of the workflow that has it. And no settings by which n8n decides who may run what.
fn strip_inline(workflow: &Value) -> Value {
    let mut made = Map::new();
    for name in ["name", "nodes", "connections"] {
        if let Some(value) = workflow.get(name) {
            made.insert(name.into(), value.clone());
        }
    }
    let mut settings = Map::new();
    for name in ["executionOrder", "timezone"] {
        let value = workflow.get("settings").and_then(|all| all.get(name));
        if let Some(value) = value {
            settings.insert(name.into(), value.clone());
        }
    }
    made.insert("settings".into(), Value::Object(settings));
    Value::Object(made)
}

/// Removes `__proto__` fields, which would give an object other fields when JavaScript copies it.
fn remove_prototypes(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(remove_prototypes),
        Value::Object(fields) => {
            fields.remove("__proto__");
            fields.values_mut().for_each(remove_prototypes);
        }
        _ => {}
    }
}

/// Whether other workflows can start this one here.
fn is_entry(node: &Value) -> bool {
    let entries = [
        "n8n-nodes-base.errorTrigger",
        "n8n-nodes-base.executeWorkflowTrigger",
    ];
    entries.contains(&text(node, "type")) && node.get("disabled") != Some(&Value::Bool(true))
}

/// A parameter to change.
fn parameter_mut<'v>(node: &'v mut Value, path: &[&str]) -> Option<&'v mut Value> {
    let mut at = node.get_mut("parameters")?;
    for name in path {
        at = at.get_mut(name)?;
    }
    Some(at)
}

/// Where an enabled node listens, as far as no expression decides it.
fn addresses(node: &Value) -> Vec<Webhook> {
    let found = webhooks::of(node).into_iter();
    found
        .map(|webhook| Webhook {
            method: webhook.method.to_owned(),
            path: format!("{}/{}", webhook.endpoint, webhook.address()),
        })
        .collect()
}

/// A string field of an object; empty if it is not a string.
pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}
