//! Properties of any JSON, and of nearly valid workflows. `tests/clixen/e2e/validate.test.js` tests each rule on its
//! own.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use super::places::Takes;
use super::*;
use crate::systems::clixen::tenancy;

/// Reads a file of the crate.
fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The workflows of `tests/clixen/workflows/`, by name.
fn workflows() -> Vec<(String, Value)> {
    let folder = format!("{}/tests/clixen/workflows", env!("CARGO_MANIFEST_DIR"));
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

fn is_fixed(finding: &report::Finding) -> bool {
    finding.fix.starts_with("Take `fixed`")
}

/// Properties of every report.
fn check_report(workflow: &Value, deploys: bool) {
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
    let unfixed: Vec<_> = again
        .errors
        .iter()
        .filter(|error| is_fixed(error))
        .collect();
    assert!(unfixed.is_empty(), "{unfixed:#?}\nof {workflow}");
    if report.errors.iter().all(is_fixed) {
        assert!(
            again.errors.is_empty(),
            "{:#?}\nof {workflow}",
            again.errors
        );
    }
    // A fixed workflow has nothing left to fix.
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
fn exports_of_n8n_have_no_errors() {
    let workflows = workflows();
    assert!(workflows.len() >= 30);
    for (name, workflow) in workflows {
        let report = check(workflow.clone(), false);
        assert!(report.errors.is_empty(), "{name}: {:#?}", report.errors);
        check_report(&workflow, true);
    }
}

#[test]
fn a_megabyte_of_junk_gets_a_short_answer() {
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
fn webhooks_are_distinguished_by_method_path_and_id() {
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
        (
            node("n8n-nodes-base.formTrigger", json!({ "path": "a" })),
            vec![("GET", "a/n8n-form"), ("POST", "a/n8n-form")],
        ),
        (
            node(
                "@n8n/n8n-nodes-langchain.mcpTrigger",
                json!({ "path": " /a " }),
            ),
            vec![("GET", "a/sse"), ("POST", "a/messages")],
        ),
        (json!(null), vec![]),
    ];
    for (node, wanted) in cases {
        let found = webhooks::of(&node);
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|webhook| {
                assert_eq!(webhook.id, "w");
                (webhook.method, webhook.path.as_ref())
            })
            .collect();
        assert_eq!(found, wanted, "{node}");
    }
}

/// Every parameter of n8n's own nodes, in several versions, in which it takes what all workflows of an instance share.
#[test]
fn every_shared_parameter_of_n8ns_nodes_is_known() {
    let listed: Value = serde_json::from_str(&read("tests/clixen/n8n/places.json")).unwrap();
    let listed = listed["places"].as_array().unwrap();
    assert!(listed.len() >= 15);
    for place in listed {
        let field = |name: &str| place[name].as_str().unwrap();
        let parameter: Vec<&str> = field("parameter").split('.').collect();
        let known = places::TYPES
            .iter()
            .find(|(name, _)| *name == field("type"));
        let known = known.map(|(_, takes)| *takes);
        let fits = match (field("kind"), known) {
            ("path", Some(Takes::Path)) => places::PATHS.contains(&parameter.as_slice()),
            ("suffix", Some(Takes::Suffix)) => places::SUFFIX == parameter,
            ("workflow", Some(Takes::Workflow)) => parameter == ["workflowId"],
            ("workflow", Some(Takes::ByCredential)) | ("shared", Some(Takes::Shared(_))) => true,
            ("key", Some(Takes::Key)) => parameter == [places::KEY.0],
            _ => false,
        };
        assert!(fits, "a deployment does not know {place}");
    }
    // And the list contains only what n8n has. A chat's address consists of its id alone.
    for (name, _) in &places::TYPES {
        let is_listed = listed.iter().any(|place| place["type"] == *name);
        assert!(is_listed || name.ends_with(".chatTrigger"), "{name}");
    }
}

/// What a deployment would send of these nodes, if it sends them.
fn own(nodes: &[Value]) -> Option<tenancy::Prepared> {
    let workflow = json!({ "name": "x", "nodes": nodes, "connections": {}, "settings": {} });
    let fixed = check(workflow.clone(), true).fixed;
    let mut left = check(fixed.clone(), true).errors;
    // The owner does not have these.
    left.retain(|error| !["connections_none", "node_alone"].contains(&error.code));
    let own = tenancy::Owned {
        slug: "uslug".into(),
        named: [("mine".to_owned(), "n8n1".to_owned())].into(),
        deployed: vec!["n8n1".into(), "n8n2".into()],
        had_error_workflow: false,
    };
    if !left.is_empty() || !tenancy::foreign(&fixed, &own).is_empty() {
        return None;
    }
    let subject = tenancy::Subject {
        id: "4b8f7a2e-0000-4000-8000-000000000000",
        name: "x",
        n8n_id: None,
    };
    Some(tenancy::scope_to_owner(
        fixed,
        &workflow,
        &subject,
        &own,
        &|_| false,
    ))
}

/// Whether every address, key and workflow in a node belongs to its owner.
fn is_own(node: &Value) -> bool {
    let begins = |text: &str| text.starts_with("uslug/") || text.starts_with("=uslug/");
    let parameter = |path: &[&str]| places::parameter(node, path).cloned().unwrap_or_default();
    let paths = places::PATHS.iter().all(|path| match parameter(path) {
        Value::Null => true,
        Value::String(text) => text.is_empty() || begins(&text),
        _ => false,
    });
    let is_known = !places::is_computed(&parameter(&["options"]));
    let key = parameter(&["memoryKey"]);
    let key = key
        .get("value")
        .unwrap_or(&key)
        .as_str()
        .is_some_and(begins);
    let calls = match places::called(node) {
        Some(places::Called::Id(id)) => id == "n8n1",
        Some(places::Called::Inline(inner)) => inner["nodes"]
            .as_array()
            .is_none_or(|nodes| nodes.iter().all(is_own)),
        Some(places::Called::Unknown) => false,
        _ => true,
    };
    let is_on = node["disabled"] != true;
    node.get("credentials").is_none_or(|all| all == &json!({}))
        && match places::takes(node) {
            Some(Takes::Path) => !is_on || (paths && is_known),
            Some(Takes::Key) => key,
            Some(Takes::Workflow) => calls,
            Some(Takes::Shared(_)) => !is_on,
            _ => !places::has_path(node) || !is_on || (paths && is_known),
        }
}

/// A small JSON value.
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

/// Strings with a meaning somewhere in a workflow.
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

/// Types that take something, and one of another package.
const TENANT_TYPES: &[&str] = &[
    "@n8n/n8n-nodes-langchain.chatTrigger",
    "@n8n/n8n-nodes-langchain.mcpTrigger",
    "@n8n/n8n-nodes-langchain.toolWorkflow",
    "@n8n/n8n-nodes-langchain.vectorStoreInMemory",
    "n8n-nodes-base.dataTable",
    "n8n-nodes-base.executeWorkflow",
    "n8n-nodes-base.executeWorkflowTool",
    "n8n-nodes-base.formTrigger",
    "n8n-nodes-base.wait",
    "n8n-nodes-base.webhook",
    "n8n-nodes-other.hookTrigger",
];

/// Parameters that may refer to another owner's things.
fn tenant_parameters() -> impl Strategy<Value = Value> {
    let text = proptest::sample::select(vec![
        "",
        " ",
        "/",
        "theirs",
        "=theirs",
        "={{ 'theirs' }}",
        "mine",
        "={{ $workflow.id }}",
        ":theirs",
        "uslug/a",
        r#"{"nodes": [{"type": "n8n-nodes-base.executeWorkflow", "parameters": {"workflowId": "theirs"}}]}"#,
        r#"{"nodes": [{"type": "n8n-nodes-base.executeWorkflow", "parameters": {"workflowId": "mine"}, "credentials": {"a": {"id": "theirs"}}}]}"#,
    ]);
    let value = prop_oneof![
        4 => text.clone().prop_map(Value::from),
        1 => any_json(),
        1 => text.prop_map(|text| json!({ "__rl": true, "mode": "id", "value": text })),
        1 => Just(json!({ "__rl": true, "mode": "id", "value": { "path": "theirs" } })),
    ]
    .boxed();
    let options = prop_oneof![
        value.clone(),
        value.clone().prop_map(|path| json!({ "path": path })),
        value
            .clone()
            .prop_map(|path| json!({ "webhookSuffix": path })),
    ];
    let source = proptest::sample::select(vec![
        "database",
        "parameter",
        "url",
        "localFile",
        "={{ 1 }}",
    ]);
    let field = |name: &'static str, value: BoxedStrategy<Value>| {
        prop::option::of(value).prop_map(move |value| value.map(|value| (name, value)))
    };
    (
        field("path", value.clone()),
        field("options", options.boxed()),
        field("__proto__", value.clone()),
        field("workflowId", value.clone()),
        field("workflowJson", value.clone()),
        field("memoryKey", value),
        field("source", source.prop_map(Value::from).boxed()),
    )
        .prop_map(|(a, b, c, d, e, f, g)| {
            let fields = [a, b, c, d, e, f, g].into_iter().flatten();
            fields
                .map(|(name, value)| (name.to_owned(), value))
                .collect()
        })
}

/// The number of values in a value, including itself.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// The n-th of these values.
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

/// A change as people and language models make it.
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
        check_report(&value, deploys);
    }

    #[test]
    fn any_nodes_and_connections_get_a_report(
        nodes in prop::collection::vec(any_json(), 0..6),
        connections in any_json(),
        settings in any_json(),
        deploys: bool,
    ) {
        check_report(&json!({ "nodes": nodes, "connections": connections, "settings": settings }), deploys);
    }

    #[test]
    fn a_deployed_workflow_is_scoped_to_its_owner(
        nodes in prop::collection::vec((any::<Index>(), tenant_parameters(), any::<bool>()), 1..4),
    ) {
        let nodes = nodes.into_iter().enumerate().map(|(at, (which, parameters, disabled))| json!({
            "id": at.to_string(), "name": at.to_string(), "webhookId": "theirs", "disabled": disabled,
            "type": which.get(TENANT_TYPES), "typeVersion": 2, "position": [0, 0], "parameters": parameters,
            "credentials": { "api": { "id": "theirs" } },
        }));
        let mut nodes: Vec<Value> = nodes.collect();
        nodes.push(json!({
            "id": "t", "name": "t", "type": "n8n-nodes-base.scheduleTrigger", "typeVersion": 1, "position": [0, 0], "parameters": {},
        }));
        if let Some(made) = own(&nodes) {
            for node in made.workflow["nodes"].as_array().unwrap() {
                prop_assert!(is_own(node), "{}", node);
                prop_assert_ne!(&node["webhookId"], "theirs");
                prop_assert!(node["parameters"].get("__proto__").is_none());
            }
            for webhook in made.webhooks {
                prop_assert!(!webhook.path.contains("theirs") || webhook.path.contains("/uslug/"), "{}", webhook.path);
            }
        }
    }

    #[test]
    fn a_fixed_workflow_has_nothing_left_to_fix(
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
        check_report(&workflow, deploys);
    }
}

thread_local! {
    static WORKFLOWS: std::rc::Rc<Vec<(String, Value)>> = std::rc::Rc::new(workflows());
}
