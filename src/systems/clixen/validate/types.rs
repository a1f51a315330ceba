//! Known facts about types: their package, which ones start a workflow, and how many outputs and inputs some have. For
//! all other types nothing is claimed.

use serde_json::Value;

use super::nodes::Node;
use super::report::Part::{self, At, Key};
use super::report::Report;
use super::report::Weight::{Error, Warning};
use super::rules;

const BASE: &str = "n8n-nodes-base.";
const LANGCHAIN: &str = "@n8n/n8n-nodes-langchain.";

/// Prefixes of type names in the second package, if the name ends there or a capital follows.
const LANGCHAIN_NAMES: [&str; 14] = [
    "agent",
    "chain",
    "chat",
    "document",
    "embeddings",
    "informationExtractor",
    "lm",
    "lmChat",
    "memory",
    "outputParser",
    "retriever",
    "textSplitter",
    "tool",
    "vectorStore",
];

/// Whether a type's name includes its package.
pub enum Packaged {
    /// It does.
    Yes,
    /// It does not; this is the full name.
    As(String),
    /// It is not a type.
    No,
}

/// Completes a type's name. Four in five errors are a missing or shortened package.
pub fn packaged(given: &str) -> Packaged {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let Some((package, name)) = given.rsplit_once('.') else {
        if !is_name(given) {
            return Packaged::No;
        }
        let goes_on = |start: &&str| {
            let rest = given.strip_prefix(*start);
            rest.is_some_and(|rest| {
                rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_uppercase())
            })
        };
        let langchain = LANGCHAIN_NAMES.iter().any(goes_on);
        return Packaged::As([if langchain { LANGCHAIN } else { BASE }, given].concat());
    };
    match package {
        _ if name.is_empty() || package.is_empty() => Packaged::No,
        "nodes-base" => Packaged::As([BASE, name].concat()),
        "nodes-langchain" | "n8n-nodes-langchain" | "@n8n/nodes-langchain" => {
            Packaged::As([LANGCHAIN, name].concat())
        }
        _ => Packaged::Yes,
    }
}

/// The package of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Package {
    /// n8n's first package.
    Base,
    /// n8n's second package.
    Langchain,
    /// Another package, or none.
    Other,
}

/// A type's package and its name within it.
pub fn parted(full: &str) -> (Package, &str) {
    if let Some(kind) = full.strip_prefix(BASE) {
        return (Package::Base, kind);
    }
    if let Some(kind) = full.strip_prefix(LANGCHAIN) {
        return (Package::Langchain, kind);
    }
    let kind = full.rsplit_once('.').map_or(full, |(_, kind)| kind);
    (Package::Other, kind)
}

/// The type's name, if it is in n8n's first package.
fn base(node: &Node) -> &str {
    if node.package == Package::Base {
        &node.kind
    } else {
        ""
    }
}

/// The type's name, if it is in the second.
fn langchain(node: &Node) -> &str {
    if node.package == Package::Langchain {
        &node.kind
    } else {
        ""
    }
}

/// Whether it is a note, which n8n does not run.
pub fn is_note(node: &Node) -> bool {
    base(node) == "stickyNote"
}

/// Whether it is known to start workflows.
pub fn is_trigger(node: &Node) -> bool {
    node.kind.ends_with("Trigger")
        || ["cron", "emailReadImap", "interval", "start", "webhook"].contains(&base(node))
}

/// Whether it may start workflows, as far as is known.
pub fn may_start(node: &Node) -> bool {
    is_trigger(node) || node.package == Package::Other
}

/// Whether n8n starts a workflow by it without a user in the editor.
pub fn starts_by_itself(node: &Node) -> bool {
    may_start(node)
        && !node.is_disabled()
        && !["manualTrigger", "start"].contains(&base(node))
        && langchain(node) != "manualChatTrigger"
}

/// Whether it requires a language model.
pub fn needs_model(node: &Node) -> bool {
    [
        "agent",
        "agentTool",
        "chainLlm",
        "chainRetrievalQa",
        "chainSummarization",
        "informationExtractor",
        "sentimentAnalysis",
        "textClassifier",
    ]
    .contains(&langchain(node))
}

/// Whether its address contains its `webhookId`.
pub fn has_webhook_id(node: &Node) -> bool {
    ["formTrigger", "webhook"].contains(&base(node))
        || ["chatTrigger", "mcpTrigger"].contains(&langchain(node))
}

/// Whether it has one output and one input for all parameters.
fn is_plain(kind: &str) -> bool {
    [
        "aggregate",
        "code",
        "filter",
        "httpRequest",
        "noOp",
        "set",
        "splitOut",
    ]
    .contains(&kind)
}

/// The number of main outputs, if it is known.
pub fn outputs(node: &Node) -> Option<usize> {
    let count = match base(node) {
        "if" => 2,
        "compareDatasets" => 4,
        "splitInBatches" if node.version() >= 3.0 => 2,
        "switch" if node.version() >= 3.0 => switch_outputs(node)?,
        "manualTrigger" | "merge" | "scheduleTrigger" => 1,
        plain if is_plain(plain) => 1,
        _ => return None,
    };
    Some(count + usize::from(node.has_error_output()))
}

/// One for each rule and possibly a fallback, or the number in a parameter.
fn switch_outputs(node: &Node) -> Option<usize> {
    match node
        .parameter("mode")
        .map_or(Some("rules"), Value::as_str)?
    {
        "expression" => number(node.parameter("numberOutputs"), 4),
        "rules" => {
            let rules = node.parameter("rules")?.get("values")?.as_array()?.len();
            if rules == 0 {
                return None;
            }
            let fallback = node
                .parameter("options")
                .and_then(|options| options.get("fallbackOutput"));
            match fallback.map(Value::as_str) {
                None | Some(Some("none")) => Some(rules),
                Some(Some("extra")) => Some(rules + 1),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The number of main inputs, if it is known.
pub fn inputs(node: &Node) -> Option<usize> {
    match base(node) {
        "merge" if node.version() >= 3.0 => number(node.parameter("numberInputs"), 2),
        "merge" | "compareDatasets" => Some(2),
        "if" | "splitInBatches" | "switch" => Some(1),
        plain => is_plain(plain).then_some(1),
    }
}

/// The number in a parameter; none if it is an expression.
fn number(value: Option<&Value>, default: usize) -> Option<usize> {
    match value {
        None => Some(default),
        Some(value) => usize::try_from(value.as_u64()?).ok(),
    }
}

/// Checks a node by its type.
pub fn check(at: usize, node: &Node, report: &mut Report) {
    let full = node.full_type();
    if node.package == Package::Other && matches!(packaged(full), Packaged::Yes) {
        let path = [Key("nodes"), At(at), Key("type")];
        report.add(
            Warning,
            &rules::NODE_TYPE_UNKNOWN,
            &path,
            &[full, node.name()],
        );
    }
    let version = node.version();
    match base(node) {
        "if" | "filter" if version >= 2.0 => {
            let path = [Key("nodes"), At(at), Key("parameters"), Key("conditions")];
            conditions(node, node.parameter("conditions"), &path, report);
        }
        "switch" if version >= 3.2 => {
            let rules = node
                .parameter("rules")
                .and_then(|rules| rules.get("values"));
            for (n, rule) in rules
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .enumerate()
            {
                let start = [Key("nodes"), At(at), Key("parameters"), Key("rules")];
                let path = [&start[..], &[Key("values"), At(n), Key("conditions")]].concat();
                conditions(node, rule.get("conditions"), &path, report);
            }
        }
        _ => {}
    }
}

/// Checks a filter of version 2: `{conditions: [{leftValue, rightValue, operator: {type, operation}}], combinator}`.
fn conditions(node: &Node, filter: Option<&Value>, path: &[Part<'_>], report: &mut Report) {
    let Some(Value::Object(filter)) = filter else {
        return;
    };
    let mut wrong = |more: &[Part<'_>]| {
        let path = [path, more].concat();
        report.add(Error, &rules::CONDITIONS_INVALID, &path, &[node.name()]);
    };
    match filter.get("conditions") {
        // n8n starts with nothing but options.
        None if filter
            .keys()
            .all(|key| key == "options" || key == "combinator") => {}
        Some(Value::Array(list)) => {
            for (n, condition) in list.iter().enumerate() {
                if !is_condition(condition) {
                    wrong(&[Key("conditions"), At(n)]);
                }
            }
        }
        Some(Value::String(_)) => {}
        _ => wrong(&[]),
    }
}

fn is_condition(condition: &Value) -> bool {
    const TYPES: [&str; 7] = [
        "any", "array", "boolean", "dateTime", "number", "object", "string",
    ];
    let is_expression = |value: &Value| value.as_str().is_some_and(|text| text.starts_with('='));
    let Some(operator) = condition.get("operator") else {
        return is_expression(condition);
    };
    let field = |name: &str| operator.get(name).and_then(Value::as_str);
    let typed = field("type").is_some_and(|kind| TYPES.contains(&kind) || kind.starts_with('='));
    is_expression(operator) || (typed && field("operation").is_some())
}
