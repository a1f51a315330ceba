//! Connections: `{"<source>": {"<port>": [[{"node": "<target>", "type": "<port>", "index": 0}]]}}`, where the outer
//! list is by output. A connection in another form is converted if its meaning is clear, and left as sent otherwise.

use serde_json::{Map, Value, json};

use super::nodes::Node;
use super::report::Part::{self, At, Key};
use super::report::Report;
use super::report::Weight::{Error, FixedError, Warning};
use super::rules;

/// n8n's ports, and the port for errors of older workflows.
const PORTS: [&str; 14] = [
    "main",
    "error",
    "ai_agent",
    "ai_chain",
    "ai_document",
    "ai_embedding",
    "ai_languageModel",
    "ai_memory",
    "ai_outputParser",
    "ai_reranker",
    "ai_retriever",
    "ai_textSplitter",
    "ai_tool",
    "ai_vectorStore",
];

/// The highest output that a number in the place of a port can mean.
const MAX_OUTPUTS: usize = 32;

/// A connection whose two ends exist.
pub struct Link<'a> {
    /// The index of the source among the nodes.
    pub from: usize,
    /// The index of the target.
    pub to: usize,
    /// The port where it starts, one of [`PORTS`].
    pub port: &'static str,
    /// The output, from 0.
    pub output: usize,
    /// The port where it arrives.
    pub kind: &'static str,
    /// The input, from 0.
    pub input: usize,
    /// Its place in the workflow as sent.
    pub path: Vec<Part<'a>>,
}

/// The result of reading.
pub struct Connections<'a> {
    /// The connections that could be read.
    pub links: Vec<Link<'a>>,
    /// All connections in n8n's form.
    pub fixed: Value,
    /// Whether every connection could be read.
    pub whole: bool,
}

/// Reads all connections.
pub fn read<'a>(sent: Option<&'a Value>, nodes: &[Node], report: &mut Report) -> Connections<'a> {
    let path = [Key("connections")];
    let mut reader = Reader {
        names: Names::of(nodes),
        report,
        fixed: Map::new(),
        links: Vec::new(),
        whole: true,
    };
    match sent {
        Some(Value::Object(sources)) => {
            for (source, ports) in sources {
                reader.source(source, ports);
            }
        }
        Some(other) if !other.is_null() && !leads_nowhere(other) => {
            reader
                .report
                .add(Error, &rules::CONNECTIONS_INVALID, &path, &[]);
            return Connections {
                links: Vec::new(),
                fixed: other.clone(),
                whole: false,
            };
        }
        _ => reader
            .report
            .add(FixedError, &rules::CONNECTIONS_MISSING, &path, &[]),
    }
    Connections {
        links: reader.links,
        fixed: Value::Object(reader.fixed),
        whole: reader.whole,
    }
}

/// Whether it contains no end of a connection.
pub(super) fn leads_nowhere(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().all(leads_nowhere),
        Value::Object(fields) => fields.values().all(leads_nowhere) && !fields.contains_key("node"),
        _ => false,
    }
}

/// Whether n8n reads it as a port without connections: a list of empty lists and nulls.
fn is_list_of_lists(outputs: &Value) -> bool {
    let is_empty = |ends: &Value| ends.is_null() || *ends == json!([]);
    outputs
        .as_array()
        .is_some_and(|outputs| outputs.iter().all(is_empty))
}

fn port(name: &str) -> Option<&'static str> {
    PORTS.into_iter().find(|port| *port == name)
}

/// The port of this name in any case.
fn port_meant(name: &str) -> Option<&'static str> {
    PORTS
        .into_iter()
        .find(|port| port.eq_ignore_ascii_case(name))
}

/// The nodes by the ways in which connections refer to them: name, id, name in another case. If several nodes have a
/// name, it finds the first.
struct Names<'n> {
    nodes: &'n [Node],
    exact: Map<String, Value>,
    ids: Map<String, Value>,
    folded: Map<String, Value>,
}

impl<'n> Names<'n> {
    fn of(nodes: &'n [Node]) -> Self {
        let mut made = Self {
            nodes,
            exact: Map::new(),
            ids: Map::new(),
            folded: Map::new(),
        };
        for (at, node) in nodes.iter().enumerate().rev() {
            let name = node.name();
            if name.is_empty() {
                continue;
            }
            made.exact.insert(name.to_owned(), at.into());
            if let Some(id) = node.get("id").and_then(Value::as_str) {
                made.ids.insert(id.to_owned(), at.into());
            }
            // Null if two names differ only in case.
            let place = made.folded.entry(folded(name));
            place
                .and_modify(|at| *at = Value::Null)
                .or_insert_with(|| at.into());
        }
        made
    }

    fn place(map: &Map<String, Value>, key: &str) -> Option<usize> {
        usize::try_from(map.get(key)?.as_u64()?).ok()
    }

    fn name(&self, at: usize) -> &'n str {
        self.nodes.get(at).map(Node::name).unwrap_or_default()
    }

    /// The node that a reference means, and the rule that the reference breaks.
    fn find(&self, called: &str) -> Option<(usize, Option<&'static rules::Rule>)> {
        if let Some(at) = Self::place(&self.exact, called) {
            return Some((at, None));
        }
        if let Some(at) = Self::place(&self.ids, called) {
            return Some((at, Some(&rules::CONNECTION_BY_ID)));
        }
        let at = Self::place(&self.folded, &folded(called))?;
        Some((at, Some(&rules::CONNECTION_NAME_INEXACT)))
    }
}

fn folded(name: &str) -> String {
    name.trim().to_ascii_lowercase()
}

struct Reader<'a, 'r> {
    names: Names<'r>,
    report: &'r mut Report,
    fixed: Map<String, Value>,
    links: Vec<Link<'a>>,
    whole: bool,
}

impl<'a, 'r> Reader<'a, 'r> {
    /// Leaves what cannot be read as it was sent.
    fn leave(&mut self, source: &str, name: &str, value: &Value) {
        self.whole = false;
        let ports = self.fixed.entry(source).or_insert_with(|| json!({}));
        if let Value::Object(ports) = ports {
            ports.insert(name.to_owned(), value.clone());
        }
    }

    /// Adds an end to an output.
    fn put(&mut self, source: &str, port: &str, output: usize, end: Value) {
        let ports = self.fixed.entry(source).or_insert_with(|| json!({}));
        let Value::Object(ports) = ports else { return };
        let outputs = ports.entry(port).or_insert_with(|| json!([]));
        let Value::Array(outputs) = outputs else {
            return;
        };
        while outputs.len() <= output {
            outputs.push(json!([]));
        }
        if let Some(Value::Array(ends)) = outputs.get_mut(output) {
            ends.push(end);
        }
    }

    fn source(&mut self, called: &'a str, ports: &'a Value) {
        let path = [Key("connections"), Key(called)];
        let Some((from, inexact)) = self.names.find(called) else {
            if leads_nowhere(ports) {
                self.report
                    .add(FixedError, &rules::CONNECTION_STALE, &path, &[called]);
            } else {
                let rule = &rules::CONNECTION_SOURCE_UNKNOWN;
                self.report.add(Error, rule, &path, &[called]);
                self.fixed.insert(called.to_owned(), ports.clone());
                self.whole = false;
            }
            return;
        };
        let name = self.names.name(from);
        if let Some(rule) = inexact {
            self.report.add(FixedError, rule, &path, &[name, called]);
        }
        match ports {
            Value::Object(ports) => {
                for (port, outputs) in ports {
                    let path = [Key("connections"), Key(called), Key(port)];
                    self.port(from, name, port, outputs, &path);
                }
            }
            // A list without a port belongs to main, the only port of most nodes.
            Value::Array(_) if !leads_nowhere(ports) => {
                self.report
                    .add(FixedError, &rules::CONNECTION_SHAPE, &path, &[name]);
                self.port(from, name, "main", ports, &path);
            }
            // n8n refuses a null or a list without connections, and omitting it changes nothing.
            _ if leads_nowhere(ports) => {
                self.report
                    .add(FixedError, &rules::CONNECTION_SHAPE, &path, &[name]);
            }
            _ => {
                self.report
                    .add(Error, &rules::CONNECTION_SHAPE, &path, &[name]);
                self.leave(name, "main", ports);
            }
        }
    }

    fn port(
        &mut self,
        from: usize,
        source: &'r str,
        called: &str,
        outputs: &'a Value,
        path: &[Part<'a>],
    ) {
        if leads_nowhere(outputs) {
            if !is_list_of_lists(outputs) {
                self.report
                    .add(FixedError, &rules::CONNECTION_SHAPE, path, &[source]);
            }
            return;
        }
        let Value::Array(outputs_sent) = outputs else {
            self.report
                .add(Error, &rules::CONNECTION_SHAPE, path, &[source]);
            self.leave(source, called, outputs);
            return;
        };
        // A list is missing, and only one meaning is possible.
        let only = match outputs_sent.as_slice() {
            [end @ (Value::Object(_) | Value::String(_))] => Some(end),
            _ => None,
        };
        let is_list = |output: &Value| output.is_array() || output.is_null();
        if only.is_none() && !outputs_sent.iter().all(is_list) {
            self.report
                .add(Error, &rules::CONNECTION_SHAPE, path, &[source]);
            self.leave(source, called, outputs);
            return;
        }
        let (start, first) = match (port(called), meant(called, outputs_sent.len())) {
            (Some(port), _) => (port, 0),
            (None, Some((port, first))) => {
                let rule = &rules::CONNECTION_PORT_UNKNOWN;
                self.report.add(FixedError, rule, path, &[source, called]);
                (port, first)
            }
            (None, None) => {
                let rule = &rules::CONNECTION_PORT_UNKNOWN;
                self.report.add(Error, rule, path, &[source, called]);
                self.leave(source, called, outputs);
                return;
            }
        };
        let end_of = |reader: &mut Self, output, end, path| {
            reader.end(from, source, (start, output), end, path);
        };
        if let Some(end) = only {
            self.report
                .add(FixedError, &rules::CONNECTION_SHAPE, path, &[source]);
            end_of(self, first, end, joined(path, &[At(0)]));
            return;
        }
        for (output, ends) in outputs_sent.iter().enumerate() {
            for (n, end) in ends.as_array().into_iter().flatten().enumerate() {
                end_of(
                    self,
                    first + output,
                    end,
                    joined(path, &[At(output), At(n)]),
                );
            }
        }
    }

    fn end(
        &mut self,
        from: usize,
        source: &'r str,
        (port, output): (&'static str, usize),
        end: &'a Value,
        path: Vec<Part<'a>>,
    ) {
        let called = match end {
            Value::String(called) => Some(called.as_str()),
            end => end.get("node").and_then(Value::as_str),
        };
        let Some(called) = called else {
            self.report
                .add(Error, &rules::CONNECTION_SHAPE, &path, &[source]);
            self.whole = false;
            return self.put(source, port, output, end.clone());
        };
        let at = |field| joined(&path, &[Key(field)]);
        let Some((to, inexact)) = self.names.find(called) else {
            let rule = &rules::CONNECTION_TARGET_UNKNOWN;
            self.report.add(Error, rule, &at("node"), &[called, source]);
            self.whole = false;
            return self.put(source, port, output, end.clone());
        };
        let target = self.names.name(to);
        // A number, or a string with one: 1, 1.0, "1".
        let index = end.get("index").filter(|index| !index.is_null());
        let number = index.map_or(Ok(0), |index| {
            index
                .to_string()
                .trim_matches('"')
                .trim_end_matches(".0")
                .parse()
        });
        let Ok(input) = number else {
            let rule = &rules::CONNECTION_INDEX_INVALID;
            self.report
                .add(Error, rule, &at("index"), &[source, target]);
            self.whole = false;
            return self.put(source, port, output, end.clone());
        };
        if let Some(rule) = inexact {
            self.report
                .add(FixedError, rule, &at("node"), &[target, called]);
        }
        let kind = match end.get("type") {
            None | Some(Value::Null) => None,
            Some(given) => given.as_str().and_then(self::port).or_else(|| {
                let given = given.to_string();
                let given = given.trim_matches('"');
                let rule = &rules::CONNECTION_TYPE_UNKNOWN;
                self.report
                    .add(FixedError, rule, &at("type"), &[source, target, given]);
                Some(port)
            }),
        };
        let is_complete = kind.is_some() && index.is_some_and(Value::is_u64);
        if end.is_string() {
            self.report
                .add(FixedError, &rules::CONNECTION_SHAPE, &path, &[source]);
        } else if !is_complete {
            let rule = &rules::CONNECTION_INCOMPLETE;
            self.report.add(FixedError, rule, &path, &[source, target]);
        }
        let kind = kind.unwrap_or(port);
        if kind != port {
            let rule = &rules::CONNECTION_TYPE_DIFFERS;
            let names = [source, target, port, kind];
            self.report.add(Warning, rule, &at("type"), &names);
        }
        let fixed = json!({ "node": target, "type": kind, "index": input });
        self.put(source, port, output, fixed);
        self.links.push(Link {
            from,
            to,
            port,
            output,
            kind,
            input,
            path,
        });
    }
}

/// The port and the first output that an unknown name means: `Main`; `1` for the second output of main.
fn meant(called: &str, outputs: usize) -> Option<(&'static str, usize)> {
    if let Some(port) = port_meant(called) {
        return Some((port, 0));
    }
    let number = called.parse().ok().filter(|number| *number < MAX_OUTPUTS)?;
    (number == 0 || outputs == 1).then_some(("main", number))
}

fn joined<'a>(path: &[Part<'a>], more: &[Part<'a>]) -> Vec<Part<'a>> {
    [path, more].concat()
}
