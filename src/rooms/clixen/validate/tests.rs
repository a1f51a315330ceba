//! What holds for any JSON, and for workflows that are nearly right. Each rule for itself is in `tests/e2e/validate.test.js`.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use super::*;

/// Reads a file of the crate.
fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The workflows of `tests/workflows/`, by name.
fn workflows() -> Vec<(String, Value)> {
    let folder = format!("{}/tests/workflows", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    files
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_str(&text).unwrap())
        })
        .collect()
}

fn is_mended(finding: &report::Finding) -> bool {
    finding.fix.starts_with("Take `fixed`")
}

/// What must hold of every report.
fn judge(workflow: &Value, deploys: bool) {
    let report = check(workflow.clone(), deploys);
    for finding in report.errors.iter().chain(&report.warnings) {
        assert!(finding.path.is_empty() || finding.path.starts_with('/'));
    }
    if report.fixed.is_null() {
        assert!(!report.errors.is_empty());
        return;
    }
    let fields: Vec<&String> = report.fixed.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["connections", "name", "nodes", "settings"]);
    let again = check(report.fixed.clone(), deploys);
    let mended: Vec<_> = again
        .errors
        .iter()
        .filter(|error| is_mended(error))
        .collect();
    assert!(mended.is_empty(), "{mended:#?}\nof {workflow}");
    if report.errors.iter().all(is_mended) {
        assert!(
            again.errors.is_empty(),
            "{:#?}\nof {workflow}",
            again.errors
        );
    }
    // What has been mended stays as it is.
    assert_eq!(again.fixed, report.fixed, "of {workflow}");
}

#[test]
fn every_code_is_documented_and_every_documented_code_exists() {
    let docs = read("docs/errors.md");
    let section = docs
        .split("## Findings of a workflow's validation")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let documented: Vec<&str> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let coded: BTreeSet<&str> = rules::ALL.iter().map(|rule| rule.code).collect();
    assert_eq!(coded.len(), rules::ALL.len());
    assert_eq!(documented.len(), coded.len());
    assert_eq!(documented.into_iter().collect::<BTreeSet<_>>(), coded);
}

#[test]
fn what_n8n_exports_has_no_errors() {
    let workflows = workflows();
    assert!(workflows.len() >= 30);
    for (name, workflow) in workflows {
        let report = check(workflow.clone(), false);
        assert!(report.errors.is_empty(), "{name}: {:#?}", report.errors);
        judge(&workflow, true);
    }
}

#[test]
fn a_megabyte_of_junk_is_answered_in_short() {
    let ends: Vec<Value> = (0..20_000)
        .map(|at| json!({ "node": format!("gone {at}") }))
        .collect();
    let long = "x".repeat(900_000);
    let node = |name: &str| json!({ "name": name, "type": "set" });
    for workflow in [
        json!({ "nodes": [node("a"), node("b")], "connections": { "a": { "main": [ends] } } }),
        json!({ "nodes": [node(&long), node(&long)], "connections": { &long: { "main": [[{ "node": "gone" }]] } } }),
        json!({ "nodes": vec![node("same"); 500], "connections": { "same": { "main": [ends] } } }),
        json!({ "nodes": vec![json!(null); 500] }),
        json!({ "nodes": vec![node("a"); 501] }),
    ] {
        let report = check(workflow.clone(), false);
        assert!(!report.errors.is_empty());
        let mut words = 0;
        for finding in report.errors.iter().chain(&report.warnings) {
            words += finding.path.len() + finding.message.len() + finding.fix.len();
        }
        assert!(words < 2_100_000, "{words}");
        let cut = report
            .warnings
            .iter()
            .filter(|found| found.code == "more_findings");
        assert!(cut.count() <= 1);
    }
}

#[test]
fn webhooks_are_told_by_method_path_and_id() {
    let node = |kind: &str, parameters: Value| json!({ "type": kind, "webhookId": "w", "parameters": parameters });
    let webhook = "n8n-nodes-base.webhook";
    let cases = [
        (
            node(webhook, json!({ "path": "/a/b/" })),
            vec![("GET", "a/b")],
        ),
        (
            node(
                webhook,
                json!({ "path": "a", "httpMethod": ["POST", "PUT", 5] }),
            ),
            vec![("POST", "a"), ("PUT", "a")],
        ),
        (node(webhook, json!({ "path": "={{ $json.a }}" })), vec![]),
        (
            node(webhook, json!({ "path": "a", "httpMethod": "={{ 1 }}" })),
            vec![],
        ),
        (node(webhook, json!({})), vec![]),
        (node("n8n-nodes-base.set", json!({ "path": "a" })), vec![]),
        (json!(null), vec![]),
    ];
    for (node, wanted) in cases {
        let found: Vec<(&str, &str)> = webhooks::of(&node)
            .into_iter()
            .map(|webhook| {
                assert_eq!(webhook.id, "w");
                (webhook.method, webhook.path)
            })
            .collect();
        assert_eq!(found, wanted, "{node}");
    }
}

/// A value that a JSON document may have, small.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        proptest::sample::select(WORDS).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        let key = prop_oneof![
            "[a-z]{0,6}".boxed(),
            proptest::sample::select(WORDS)
                .prop_map(str::to_owned)
                .boxed()
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(key, inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// What has a meaning somewhere.
const WORDS: &[&str] = &[
    "0",
    "1",
    "31",
    "1.0",
    "true",
    "main",
    "Main",
    "ai_tool",
    "error",
    "node",
    "nodes",
    "type",
    "index",
    "name",
    "id",
    "set",
    "agent",
    "nodes-base.if",
    "n8n-nodes-base.webhook",
    "n8n-nodes-base.stickyNote",
    "={{ 1 }}",
    "Webhook",
    "webhook",
    "If",
    "Code",
    "parameters",
    "connections",
    "settings",
    "typeVersion",
    "position",
    "conditions",
    "operator",
    "rules",
    "values",
    "path",
    "httpMethod",
    "webhookId",
    "disabled",
    "",
    "Sticky Note",
    "~/",
    "all",
];

/// How many values there are in one, itself counted.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// The n-th of them.
fn nth<'a>(value: &'a mut Value, n: &mut usize) -> Option<&'a mut Value> {
    if *n == 0 {
        return Some(value);
    }
    *n -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, n)),
        Value::Object(fields) => fields.values_mut().find_map(|field| nth(field, n)),
        _ => None,
    }
}

/// A change as people and models make them.
#[derive(Debug, Clone)]
enum Change {
    Replace(Value),
    Remove(Index),
    Rename(Index, &'static str),
    Repeat(Index),
    AsText,
    Unprefix,
    Flatten,
    ById,
}

fn change() -> impl Strategy<Value = Change> {
    let word = proptest::sample::select(WORDS);
    prop_oneof![
        any_json().prop_map(Change::Replace),
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), word).prop_map(|(at, word)| Change::Rename(at, word)),
        any::<Index>().prop_map(Change::Repeat),
        Just(Change::AsText),
        Just(Change::Unprefix),
        Just(Change::Flatten),
        Just(Change::ById),
    ]
}

fn apply(change: &Change, value: &mut Value, ids: &[(String, String)]) {
    match (change, &mut *value) {
        (Change::Replace(other), value) => *value = other.clone(),
        (Change::Remove(at), Value::Array(items)) if !items.is_empty() => {
            items.remove(at.index(items.len()));
        }
        (Change::Remove(at), Value::Object(fields)) if !fields.is_empty() => {
            let key = fields.keys().nth(at.index(fields.len())).unwrap().clone();
            fields.remove(&key);
        }
        (Change::Rename(at, word), Value::Object(fields)) if !fields.is_empty() => {
            let key = fields.keys().nth(at.index(fields.len())).unwrap().clone();
            let value = fields.remove(&key).unwrap();
            fields.insert((*word).to_owned(), value);
        }
        (Change::Repeat(at), Value::Array(items)) if !items.is_empty() => {
            items.push(items[at.index(items.len())].clone());
        }
        (Change::AsText, other @ (Value::Number(_) | Value::Bool(_))) => {
            *other = other.to_string().into();
        }
        (Change::Unprefix, Value::String(text)) => {
            *text = text.replace("n8n-nodes-base.", "nodes-base.");
        }
        (Change::Flatten, Value::Array(items)) if items.len() == 1 => {
            let only = items.remove(0);
            *value = only;
        }
        (Change::ById, Value::String(text)) => {
            if let Some((_, id)) = ids.iter().find(|(name, _)| name == text) {
                text.clone_from(id);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_json_gets_a_report(value in any_json(), deploys: bool) {
        judge(&value, deploys);
    }

    #[test]
    fn anything_in_the_place_of_nodes_and_connections_gets_a_report(
        nodes in prop::collection::vec(any_json(), 0..6),
        connections in any_json(),
        settings in any_json(),
        deploys: bool,
    ) {
        judge(&json!({ "nodes": nodes, "connections": connections, "settings": settings }), deploys);
    }

    #[test]
    fn what_is_mended_once_has_nothing_more_to_mend(
        which: Index,
        changes in prop::collection::vec((any::<Index>(), change()), 1..6),
        deploys: bool,
    ) {
        let workflows = WORKFLOWS.with(Clone::clone);
        let mut workflow = which.get(&workflows).1.clone();
        let ids: Vec<(String, String)> = workflow["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| (node["name"].as_str().unwrap().into(), node["id"].as_str().unwrap().into()))
            .collect();
        for (place, change) in &changes {
            let mut n = place.index(count(&workflow));
            if let Some(value) = nth(&mut workflow, &mut n) {
                apply(change, value, &ids);
            }
        }
        judge(&workflow, deploys);
    }
}

thread_local! {
    static WORKFLOWS: std::rc::Rc<Vec<(String, Value)>> = std::rc::Rc::new(workflows());
}
