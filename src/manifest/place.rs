//! The place of a fault in a JSON text. The derived readers of manifests know only its line and column; readers that track
//! the place while they read would double the code of all of them.

use std::fmt::Write as _;

/// A step from a value into a part of it.
enum Step<'a> {
    /// A field, by its name as it is written; empty before the name is read.
    Field(&'a str),
    /// An element, by its index.
    Element(usize),
}

/// The path to the value or the name after which a reader stopped, such as `endpoints[2].call`. `line` and `column` are
/// those of its error. The text is valid JSON.
pub(super) fn path(text: &str, line: usize, column: usize) -> String {
    let before = text.split_inclusive('\n').take(line.saturating_sub(1));
    let end = before.map(str::len).sum::<usize>() + column;
    let mut path = String::new();
    for step in steps(text.get(..end).unwrap_or(text)) {
        // Writing to a string cannot fail.
        let _ = match step {
            Step::Field("") => Ok(()),
            Step::Field(name) if path.is_empty() => write!(path, "{name}"),
            Step::Field(name) => write!(path, ".{name}"),
            Step::Element(index) => write!(path, "[{index}]"),
        };
    }
    path
}

/// The steps to the end of the first part of a JSON text.
fn steps(text: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut awaits_name = false;
    let mut rest = text;
    while let Some(at) = rest.find(['{', '[', '}', ']', ',', ':', '"']) {
        let (token, after) = rest.split_at(at).1.split_at(1);
        rest = after;
        match (token, steps.last_mut()) {
            ("{", _) => steps.push(Step::Field("")),
            ("[", _) => steps.push(Step::Element(0)),
            ("}" | "]", _) => drop(steps.pop()),
            (",", Some(Step::Element(index))) => *index += 1,
            ("\"", last) => {
                let string = rest.split_at(string_bytes(rest)).0;
                rest = rest.get(string.len() + 1..).unwrap_or_default();
                if let (true, Some(Step::Field(name))) = (awaits_name, last) {
                    *name = string;
                }
            }
            _ => {}
        }
        awaits_name = match token {
            "{" => true,
            "," => matches!(steps.last(), Some(Step::Field(_))),
            "\"" => awaits_name,
            _ => false,
        };
    }
    steps
}

/// The bytes of a string before its closing quote.
fn string_bytes(text: &str) -> usize {
    let mut is_escaped = false;
    let closes = |byte: u8| {
        let closes = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        closes
    };
    text.bytes().position(closes).unwrap_or(text.len())
}
