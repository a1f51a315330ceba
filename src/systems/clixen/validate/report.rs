//! The findings, in words for a person or a language model.

use serde::Serialize;
use serde_json::Value;

use super::rules::{self, Rule};

/// The most bytes of all findings: an invalid workflow of a megabyte must not get an answer of thirty.
const MAX_BYTES: usize = 200_000;
/// The most characters of a name that are repeated in a message.
const MAX_NAME_CHARS: usize = 80;

/// A finding.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// A code of `docs/errors.md`.
    pub code: &'static str,
    /// What to do.
    pub fix: String,
    /// What is wrong.
    pub message: String,
    /// A JSON Pointer (RFC 6901) into the workflow as it was sent.
    pub path: String,
}

/// All findings, and the workflow in a form that n8n accepts if `fixed` corrects all errors.
#[derive(Debug, Default)]
pub struct Report {
    /// What n8n would refuse, or what would not run.
    pub errors: Vec<Finding>,
    /// What may be a mistake.
    pub warnings: Vec<Finding>,
    /// The corrected workflow: name, nodes, connections and settings.
    pub fixed: Value,
    deploys: bool,
    bytes: usize,
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// An error.
    Error,
    /// An error that `fixed` corrects.
    FixedError,
    /// A warning.
    Warning,
    /// A warning that does not apply to `fixed`.
    FixedWarning,
}

/// A step of a path.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// A field.
    Key(&'a str),
    /// An element.
    At(usize),
}

impl Report {
    /// An empty report.
    pub fn new(deploys: bool) -> Self {
        Self {
            deploys,
            ..Self::default()
        }
    }

    /// Whether the workflow is to be deployed.
    pub fn is_for_deployment(&self) -> bool {
        self.deploys
    }

    /// Adds a finding. `names` fill the placeholders of the rule's texts, in order.
    pub fn add(&mut self, weight: Weight, rule: &'static Rule, path: &[Part<'_>], names: &[&str]) {
        let is_error = matches!(weight, Weight::Error | Weight::FixedError);
        // Even beyond the limit, the first error is reported.
        if self.bytes > MAX_BYTES && !(is_error && self.errors.is_empty()) {
            return;
        }
        let mut names = names.iter();
        let message = filled(rule.message, &mut names);
        let mut fix = filled(rule.fix, &mut names);
        if matches!(weight, Weight::FixedError | Weight::FixedWarning) {
            fix.insert_str(0, "take `fixed`, or ");
        }
        if let Some(first) = fix.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let path = pointer(path);
        self.bytes += path.len() + message.len() + fix.len();
        let finding = Finding {
            code: rule.code,
            path,
            message,
            fix,
        };
        if is_error {
            self.errors.push(finding);
        } else {
            self.warnings.push(finding);
        }
        if self.bytes > MAX_BYTES {
            self.warnings.push(Finding {
                code: rules::MORE_FINDINGS.code,
                path: String::new(),
                message: filled(rules::MORE_FINDINGS.message, &mut [].iter()),
                fix: filled(rules::MORE_FINDINGS.fix, &mut [].iter()),
            });
        }
    }

    /// Adds a finding about a requirement of a deployment: a warning unless the workflow is to be deployed.
    pub fn add_for_deployment(
        &mut self,
        fixable: bool,
        rule: &'static Rule,
        path: &[Part<'_>],
        names: &[&str],
    ) {
        let weight = match (self.deploys, fixable) {
            (true, true) => Weight::FixedError,
            (true, false) => Weight::Error,
            (false, true) => Weight::FixedWarning,
            (false, false) => Weight::Warning,
        };
        self.add(weight, rule, path, names);
    }

    /// `{errors, fixed, valid, warnings}`
    pub fn json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Answer<'a> {
            errors: &'a [Finding],
            fixed: &'a Value,
            valid: bool,
            warnings: &'a [Finding],
        }
        let answer = Answer {
            errors: &self.errors,
            fixed: &self.fixed,
            valid: self.errors.is_empty(),
            warnings: &self.warnings,
        };
        serde_json::to_vec(&answer).unwrap_or_default()
    }
}

/// The text with each `{}` replaced by a name.
fn filled<'a>(words: &str, names: &mut impl Iterator<Item = &'a &'a str>) -> String {
    let mut parts = words.split("{}");
    let mut made = String::from(parts.next().unwrap_or_default());
    for part in parts {
        let name = names.next().copied().unwrap_or_default();
        match name
            .char_indices()
            .nth(MAX_NAME_CHARS)
            .and_then(|(end, _)| name.get(..end))
        {
            Some(start) => {
                made.push_str(start);
                made.push('…');
            }
            None => made.push_str(name),
        }
        made.push_str(part);
    }
    made
}

fn pointer(path: &[Part<'_>]) -> String {
    let mut text = String::new();
    for part in path {
        text.push('/');
        match part {
            Part::Key(key) => text.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Part::At(at) => text.push_str(&at.to_string()),
        }
    }
    text
}
