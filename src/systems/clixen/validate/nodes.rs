//! The nodes one by one: the fields that n8n's API accepts and requires, and unique names and ids.

use serde_json::{Map, Value, json};

use super::connections::leads_nowhere;
use super::report::Part::{At, Key};
use super::report::Report;
use super::report::Weight::{Error, FixedError, FixedWarning};
use super::settings::Kind::{self, Flag, Number, Object, Own, TagList, Text};
use super::types::Package;
use super::{fresh_id, rules, types};

/// The fields of a node in n8n's API.
const KNOWN: [(&str, Kind); 19] = [
    ("id", Own),
    ("name", Own),
    ("type", Own),
    ("typeVersion", Own),
    ("position", Own),
    ("parameters", Own),
    ("alwaysOutputData", Flag),
    ("continueOnFail", Flag),
    ("credentials", Object),
    ("customTelemetryTags", TagList),
    ("disabled", Flag),
    ("executeOnce", Flag),
    ("maxTries", Number),
    ("notes", Text),
    ("notesInFlow", Flag),
    ("onError", Text),
    ("retryOnFail", Flag),
    ("waitBetweenTries", Number),
    ("webhookId", Text),
];

/// A node in n8n's form.
pub struct Node {
    /// An object, unless something else was sent.
    pub value: Value,
    /// The package of its type.
    pub package: Package,
    /// The type without its package. Stored, because every rule asks for it.
    pub kind: String,
}

impl Node {
    fn new(value: Value) -> Self {
        let full = value.get("type").and_then(Value::as_str);
        let (package, kind) = types::parted(full.unwrap_or_default());
        let kind = kind.to_owned();
        Self {
            value,
            package,
            kind,
        }
    }

    /// A field.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.value.get(field)
    }

    /// Sets a field.
    pub fn set(&mut self, field: &str, value: Value) {
        if let Value::Object(fields) = &mut self.value {
            fields.insert(field.to_owned(), value);
        }
    }

    fn text(&self, field: &str) -> &str {
        self.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Its name; empty if the node is not an object.
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// Its type with the package, such as `n8n-nodes-base.set`.
    pub fn full_type(&self) -> &str {
        self.text("type")
    }

    /// The version of its type.
    pub fn version(&self) -> f64 {
        self.get("typeVersion")
            .and_then(Value::as_f64)
            .unwrap_or(1.0)
    }

    /// A parameter.
    pub fn parameter(&self, name: &str) -> Option<&Value> {
        self.get("parameters")?.get(name)
    }

    /// Whether n8n skips it.
    pub fn is_disabled(&self) -> bool {
        self.get("disabled") == Some(&Value::Bool(true))
    }

    /// Whether it has an additional output for errors.
    pub fn has_error_output(&self) -> bool {
        self.text("onError") == "continueErrorOutput"
    }
}

/// The nodes in n8n's form, in their order, and whether their names are unique.
pub fn read(
    sent: Vec<Value>,
    connections: Option<&Value>,
    report: &mut Report,
) -> (Vec<Node>, bool) {
    let mut nodes: Vec<Node> = sent
        .into_iter()
        .enumerate()
        .map(|(at, node)| Node::new(read_node(at, node, report)))
        .collect();
    let names_are_unique = distinguish_names(&mut nodes, connections, report);
    let mut ids = Map::new();
    for (at, node) in nodes.iter_mut().enumerate() {
        let id = node.text("id").to_owned();
        if !id.is_empty() && ids.insert(id, Value::Null).is_some() {
            report.add(
                FixedError,
                &rules::NODE_ID_DUPLICATE,
                &[Key("nodes"), At(at), Key("id")],
                &[node.name()],
            );
            node.set("id", fresh_id());
        }
    }
    (nodes, names_are_unique)
}

fn read_node(at: usize, sent: Value, report: &mut Report) -> Value {
    let Value::Object(fields) = sent else {
        report.add(Error, &rules::NODE_INVALID, &[Key("nodes"), At(at)], &[]);
        return sent;
    };
    let label = label(at, &fields);
    let mut accepted = Map::new();
    for (field, mut value) in fields {
        let path = [Key("nodes"), At(at), Key(&field)];
        let Some((_, kind)) = KNOWN.iter().find(|(known, _)| *known == field) else {
            let names = [field.as_str(), &label];
            report.add(FixedWarning, &rules::NODE_FIELD_UNKNOWN, &path, &names);
            continue;
        };
        if value.is_null() {
            // Required fields are checked below.
            if !matches!(kind, Own) {
                let names = [field.as_str(), &label, &kind.words()];
                report.add(FixedError, &rules::NODE_FIELD_INVALID, &path, &names);
            }
            continue;
        }
        if !kind.fits(&value) {
            let converted = kind.converted(&value);
            let weight = if converted.is_some() {
                FixedError
            } else {
                Error
            };
            let names = [field.as_str(), &label, &kind.words()];
            report.add(weight, &rules::NODE_FIELD_INVALID, &path, &names);
            value = converted.unwrap_or(value);
        }
        accepted.insert(field, value);
    }
    check_required(at, &mut accepted, &label, report);
    Value::Object(accepted)
}

/// A label for a node that may have no name.
fn label(at: usize, fields: &Map<String, Value>) -> String {
    match fields.get("name") {
        Some(Value::String(name)) if !name.is_empty() => name.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => format!("#{}", at + 1),
    }
}

/// Checks the fields that a node must have.
fn check_required(at: usize, accepted: &mut Map<String, Value>, label: &str, report: &mut Report) {
    let mut add = |weight, rule, field: &str, names: &[&str]| {
        report.add(weight, rule, &[Key("nodes"), At(at), Key(field)], names);
    };
    match accepted.get("id") {
        Some(Value::String(id)) if !id.is_empty() => {}
        id => {
            add(FixedError, &rules::NODE_ID_MISSING, "id", &[label]);
            let id = number_as_text(id).unwrap_or_else(fresh_id);
            accepted.insert("id".into(), id);
        }
    }
    match accepted.get("name") {
        Some(Value::String(name)) if !name.is_empty() => {}
        name => {
            add(FixedError, &rules::NODE_NAME_MISSING, "name", &[label]);
            // Nodes without a name get one when all other names are known.
            let name = number_as_text(name).unwrap_or_default();
            accepted.insert("name".into(), name);
        }
    }
    match accepted.get("type") {
        Some(Value::String(given)) if !given.is_empty() => match types::packaged(given) {
            types::Packaged::Yes => {}
            types::Packaged::As(full) => {
                let names = [given, label, &full];
                add(FixedError, &rules::NODE_TYPE_PREFIX, "type", &names);
                accepted.insert("type".into(), full.into());
            }
            types::Packaged::No => {
                add(Error, &rules::NODE_TYPE_INVALID, "type", &[label, given]);
            }
        },
        _ => add(Error, &rules::NODE_TYPE_MISSING, "type", &[label]),
    }
    let above_zero = |value: &Value| value.as_f64().is_some_and(|version| version > 0.0);
    let version = accepted.get("typeVersion");
    if !version.is_some_and(above_zero) {
        let rule = &rules::NODE_TYPE_VERSION_MISSING;
        add(FixedError, rule, "typeVersion", &[label]);
        let meant = version.and_then(|version| Number.converted(version));
        let meant = meant.filter(above_zero).unwrap_or_else(|| json!(1));
        accepted.insert("typeVersion".into(), meant);
    }
    let is_position = |value: &Value| {
        let numbers = value.as_array();
        numbers.is_some_and(|both| both.len() == 2 && both.iter().all(Value::is_number))
    };
    if !accepted.get("position").is_some_and(is_position) {
        add(
            FixedError,
            &rules::NODE_POSITION_INVALID,
            "position",
            &[label],
        );
        accepted.insert("position".into(), json!([at * 220, 300]));
    }
    match accepted.get("parameters") {
        Some(Value::Object(_)) => {}
        Some(given) if *given != json!([]) => {
            let rule = &rules::NODE_PARAMETERS_INVALID;
            add(Error, rule, "parameters", &[label]);
        }
        _ => {
            let rule = &rules::NODE_PARAMETERS_MISSING;
            add(FixedError, rule, "parameters", &[label]);
            accepted.insert("parameters".into(), json!({}));
        }
    }
}

fn number_as_text(value: Option<&Value>) -> Option<Value> {
    let number = value.filter(|value| value.is_number())?;
    Some(number.to_string().into())
}

/// Gives every node a unique name, unless a connection could mean another node of that name. Tells whether all names
/// are unique then.
fn distinguish_names(nodes: &mut [Node], connections: Option<&Value>, report: &mut Report) -> bool {
    let mut taken = Map::new();
    let mut unnamed = Vec::new();
    let mut repeated = Vec::new();
    // A sticky note gives way to a node.
    for notes in [false, true] {
        for (at, node) in nodes.iter().enumerate() {
            if !node.value.is_object() || types::is_note(node) != notes {
                continue;
            }
            if node.name().is_empty() {
                unnamed.push(at);
            } else if taken.insert(node.name().to_owned(), Value::Null).is_some() {
                repeated.push(at);
            }
        }
    }
    let mentioned = if repeated.is_empty() {
        Map::new()
    } else {
        mentioned(connections)
    };
    let mut names_are_unique = true;
    for at in repeated {
        let Some(node) = nodes.get_mut(at) else {
            continue;
        };
        let unclear = !types::is_note(node) && mentioned.contains_key(node.name());
        names_are_unique &= !unclear;
        report.add(
            if unclear { Error } else { FixedError },
            &rules::NODE_NAME_DUPLICATE,
            &[Key("nodes"), At(at), Key("name")],
            &[node.name()],
        );
        if !unclear {
            let name = fresh_name(node.name(), &mut taken);
            node.set("name", name);
        }
    }
    for at in unnamed {
        if let Some(node) = nodes.get_mut(at) {
            let kind = node.kind.as_str();
            let base = if kind.is_empty() { "Node" } else { kind };
            let name = fresh_name(base, &mut taken);
            node.set("name", name);
        }
    }
    names_are_unique
}

/// The first free name of `<base> 2`, `<base> 3`, …. `taken` also stores the last number of each base.
fn fresh_name(base: &str, taken: &mut Map<String, Value>) -> Value {
    let last = taken.get(base).and_then(Value::as_u64);
    let mut number = last.unwrap_or(1);
    loop {
        number += 1;
        let name = format!("{base} {number}");
        if !taken.contains_key(&name) {
            taken.insert(name.clone(), Value::Null);
            taken.insert(base.to_owned(), number.into());
            return name.into();
        }
    }
}

/// Every string in the connections that may be the name of a node.
fn mentioned(connections: Option<&Value>) -> Map<String, Value> {
    fn collect(value: &Value, names: &mut Map<String, Value>) {
        match value {
            Value::String(name) => {
                names.insert(name.clone(), Value::Null);
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
            Value::Object(fields) => {
                // `fixed` omits the others, so they must not make a name ambiguous.
                for (name, value) in fields.iter().filter(|(_, value)| !leads_nowhere(value)) {
                    names.insert(name.clone(), Value::Null);
                    collect(value, names);
                }
            }
            _ => {}
        }
    }
    let mut names = Map::new();
    if let Some(connections) = connections {
        collect(connections, &mut names);
    }
    names
}
