//! Every parameter of a node in which n8n takes something that all workflows of an instance share: an address, the id
//! of a workflow, the key of a store. A deployment scopes each of them to its owner, or refuses it.
//!
//! `dev/n8n-places.js` makes `tests/clixen/n8n/places.json` from n8n's own packages; a test fails for a parameter that
//! is missing here.

use serde_json::Value;

use super::nodes::Node;
use super::report::Part::{At, Key};
use super::report::Report;
use super::report::Weight::{Error, Warning};
use super::rules;
use super::types::{self, Package};
use crate::json as reader;

/// What a type of node takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// The whole path of an address, in [`PATHS`], or its `webhookId`.
    Path,
    /// The suffix of a waiting execution's address, in [`SUFFIX`]. The address contains the execution's id, so no other
    /// workflow can have it.
    Suffix,
    /// A workflow that it runs: [`called`].
    Workflow,
    /// The key of a store in n8n's memory, in [`KEY`].
    Key,
    /// Something that all users of the instance share, in these words.
    Shared(&'static str),
    /// Ids for n8n's API, used with a credential: they reach what the credential may reach.
    ByCredential,
}

/// Parameters that may hold a whole path.
pub const PATHS: [&[&str]; 2] = [&["path"], &["options", "path"]];
/// The parameter of [`Takes::Suffix`].
pub const SUFFIX: &[&str] = &["options", "webhookSuffix"];
/// The parameter of [`Takes::Key`], and n8n's default for it.
pub const KEY: (&str, &str) = ("memoryKey", "vector_store_key");
/// The deepest nesting of workflows within nodes; n8n has no limit.
const MAX_INLINE: usize = 3;

const DATA_TABLE: Takes = Takes::Shared("a data table of n8n");

/// The types that take something.
pub static TYPES: [(&str, Takes); 16] = [
    ("@n8n/n8n-nodes-langchain.chatTrigger", Takes::Path),
    ("@n8n/n8n-nodes-langchain.mcpTrigger", Takes::Path),
    (
        "@n8n/n8n-nodes-langchain.retrieverWorkflow",
        Takes::Workflow,
    ),
    ("@n8n/n8n-nodes-langchain.toolWorkflow", Takes::Workflow),
    ("@n8n/n8n-nodes-langchain.vectorStoreInMemory", Takes::Key),
    (
        "@n8n/n8n-nodes-langchain.vectorStoreInMemoryInsert",
        Takes::Key,
    ),
    (
        "@n8n/n8n-nodes-langchain.vectorStoreInMemoryLoad",
        Takes::Key,
    ),
    ("n8n-nodes-base.dataTable", DATA_TABLE),
    ("n8n-nodes-base.evaluation", DATA_TABLE),
    ("n8n-nodes-base.evaluationTrigger", DATA_TABLE),
    ("n8n-nodes-base.executeWorkflow", Takes::Workflow),
    ("n8n-nodes-base.formTrigger", Takes::Path),
    // An agent may run any workflow of the instance.
    (
        "n8n-nodes-base.messageAnAgent",
        Takes::Shared("an agent of n8n"),
    ),
    ("n8n-nodes-base.n8n", Takes::ByCredential),
    ("n8n-nodes-base.wait", Takes::Suffix),
    ("n8n-nodes-base.webhook", Takes::Path),
];

/// What a node takes, by its type. n8n makes tools of many nodes, and adds `Tool` to the type's name.
pub fn takes(node: &Value) -> Option<Takes> {
    let full = node.get("type").and_then(Value::as_str)?;
    let plain = full.strip_suffix("Tool").unwrap_or(full);
    let mut known = TYPES.iter();
    let (_, takes) = known.find(|(name, _)| *name == full || *name == plain)?;
    let is_of_data_table = *takes != DATA_TABLE || plain.ends_with("dataTable") || {
        let version = node.get("typeVersion").and_then(Value::as_f64);
        let source = parameter(node, &["source"]).and_then(Value::as_str);
        version.is_some_and(|version| version >= 4.6) && source != Some("googleSheets")
    };
    is_of_data_table.then_some(*takes)
}

/// Whether a node's [`PATHS`] may contain an address: for the known types of n8n, and for triggers of other packages.
pub fn has_path(node: &Value) -> bool {
    takes(node) == Some(Takes::Path) || is_foreign_trigger(node)
}

/// Whether a node of another package may have an address. The meaning of its parameters is unknown.
fn is_foreign_trigger(node: &Value) -> bool {
    let full = node.get("type").and_then(Value::as_str).unwrap_or_default();
    types::parted(full).0 == Package::Other
        && (full.ends_with("Trigger") || node.get("webhookId").is_some())
}

/// A parameter of a node.
pub fn parameter<'v>(node: &'v Value, path: &[&str]) -> Option<&'v Value> {
    let mut at = node.get("parameters")?;
    for name in path {
        at = at.get(name)?;
    }
    Some(at)
}

/// The workflow that a node runs.
#[derive(Debug)]
pub enum Called {
    /// None: the user has not chosen one.
    Nothing,
    /// The workflow that contains the node.
    Itself,
    /// The workflow with this id.
    Id(String),
    /// A workflow that is defined in the node.
    Inline(Value),
    /// Known to n8n only when it runs.
    Unknown,
}

/// The workflow that an enabled node runs, if its type runs one.
pub fn called(node: &Value) -> Option<Called> {
    if takes(node) != Some(Takes::Workflow) || node.get("disabled") == Some(&Value::Bool(true)) {
        return None;
    }
    let source = parameter(node, &["source"]).unwrap_or(&Value::Null);
    Some(match source.as_str() {
        Some("database") => by_id(node),
        None if source.is_null() => by_id(node),
        Some("parameter") => inline(node),
        _ => Called::Unknown,
    })
}

fn by_id(node: &Value) -> Called {
    let chosen = parameter(node, &["workflowId"]).unwrap_or(&Value::Null);
    match chosen.get("value").unwrap_or(chosen) {
        Value::Null => Called::Nothing,
        Value::Number(id) => Called::Id(id.to_string()),
        Value::String(text) if text.trim().is_empty() => Called::Nothing,
        Value::String(text) if !text.starts_with('=') => Called::Id(text.clone()),
        Value::String(text) if text.split_whitespace().eq(["={{", "$workflow.id", "}}"]) => {
            Called::Itself
        }
        Value::String(text) if text == "={{$workflow.id}}" => Called::Itself,
        _ => Called::Unknown,
    }
}

fn inline(node: &Value) -> Called {
    match parameter(node, &["workflowJson"]) {
        None | Some(Value::Null) => Called::Nothing,
        Some(Value::String(text)) if text.trim().is_empty() => Called::Nothing,
        Some(Value::String(text)) if !text.starts_with('=') => {
            match reader::read(text.as_bytes()) {
                Ok(workflow @ Value::Object(_)) => Called::Inline(workflow),
                _ => Called::Unknown,
            }
        }
        Some(_) => Called::Unknown,
    }
}

/// Whether the workflows that a node runs are known, including those run by a workflow within it.
fn is_known(node: &Value, limit: usize) -> bool {
    match called(node) {
        Some(Called::Unknown) => false,
        Some(Called::Inline(workflow)) => {
            let nodes = workflow.get("nodes").and_then(Value::as_array);
            let mut nodes = nodes.into_iter().flatten();
            limit > 0 && nodes.all(|node| is_known(node, limit - 1))
        }
        _ => true,
    }
}

/// Reports what a deployment cannot scope to an owner.
pub fn check(at: usize, node: &Node, report: &mut Report) {
    if node.is_disabled() {
        return;
    }
    let path = |names: &[&'static str]| {
        let names = names.iter().map(|name| Key(name));
        [Key("nodes"), At(at), Key("parameters")]
            .into_iter()
            .chain(names)
            .collect::<Vec<_>>()
    };
    let deploys = report.is_for_deployment();
    match takes(&node.value) {
        Some(Takes::Suffix) => {
            let options = parameter(&node.value, &["options"]);
            let suffix = parameter(&node.value, SUFFIX);
            if options.is_some_and(|options| is_computed(options) && deploys)
                || suffix.is_some_and(|suffix| !is_suffix(suffix, deploys))
            {
                let rule = &rules::WEBHOOK_SUFFIX_INVALID;
                report.add_for_deployment(false, rule, &path(SUFFIX), &[node.name()]);
            }
        }
        Some(Takes::Workflow) if deploys && !is_known(&node.value, MAX_INLINE) => {
            let rule = &rules::WORKFLOW_CALL_UNKNOWN;
            report.add(Error, rule, &path(&[]), &[node.name()]);
        }
        // It is not an error in a user's own n8n; the deployment refuses it.
        Some(Takes::Shared(what)) if deploys => {
            let names = [node.name(), what];
            let path = [Key("nodes"), At(at)];
            report.add(Warning, &rules::INSTANCE_SHARED, &path, &names);
        }
        _ => {}
    }
}

/// Whether n8n evaluates or unwraps a value before it reads it.
pub fn is_computed(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with('=')) || value.get("__rl").is_some()
}

fn is_suffix(suffix: &Value, deploys: bool) -> bool {
    let is_word = |text: &str| {
        !text.contains(|c: char| c.is_control() || "/\\?#%".contains(c))
            && ![".", ".."].contains(&text)
    };
    match suffix {
        Value::Null => true,
        Value::String(text) if text.starts_with('=') => !deploys,
        Value::String(text) => is_word(text),
        _ => false,
    }
}

/// What a node, or a workflow within it, uses that all users of the instance share.
pub fn shared(node: &Value) -> Option<&'static str> {
    if node.get("disabled") == Some(&Value::Bool(true)) {
        return None;
    }
    if let Some(Takes::Shared(what)) = takes(node) {
        return Some(what);
    }
    let Some(Called::Inline(workflow)) = called(node) else {
        return None;
    };
    workflow.get("nodes")?.as_array()?.iter().find_map(shared)
}
