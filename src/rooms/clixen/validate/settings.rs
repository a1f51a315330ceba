//! Settings, and the kinds of fields that n8n's closed schemas have.
//! <https://github.com/n8n-io/n8n/tree/master/packages/cli/src/public-api/v1/handlers/workflows/spec/schemas>

use serde_json::{Map, Value, json};

use super::report::Part::Key;
use super::report::Report;
use super::report::Weight::{Error, Mended, Settled};
use super::rules;
use crate::rooms::json as reader;

/// What a field must hold.
pub enum Kind {
    /// Text.
    Text,
    /// True or false.
    Flag,
    /// A number.
    Number,
    /// An object.
    Object,
    /// An array.
    List,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// What rules of its own look at.
    Own,
}

use Kind::{Flag, List, Number, OneOf, Text};

const SAVED: Kind = OneOf(&["all", "none"]);

/// The settings that n8n's API takes.
const KNOWN: [(&str, Kind); 17] = [
    (
        "callerPolicy",
        OneOf(&[
            "any",
            "none",
            "workflowsFromAList",
            "workflowsFromSameOwner",
        ]),
    ),
    (
        "redactionPolicy",
        OneOf(&["none", "non-manual", "manual-only", "all"]),
    ),
    ("availableInMCP", Flag),
    ("callerIds", Text),
    ("customTelemetryTags", List),
    ("errorWorkflow", Text),
    ("executionOrder", Text),
    ("executionTimeout", Number),
    ("saveDataErrorExecution", SAVED),
    ("saveDataSuccessExecution", SAVED),
    ("saveExecutionProgress", Flag),
    ("saveManualExecutions", Flag),
    ("timeSavedPerExecution", Number),
    ("timezone", Text),
    ("workerPoolOverrideEvaluation", Text),
    ("workerPoolOverrideManual", Text),
    ("workerPoolOverrideProduction", Text),
];

impl Kind {
    /// Whether it holds it.
    pub fn fits(&self, value: &Value) -> bool {
        match self {
            Text => value.is_string(),
            Flag => value.is_boolean(),
            Number => value.is_number(),
            Kind::Object => value.is_object(),
            List => value.is_array(),
            OneOf(known) => value.as_str().is_some_and(|text| known.contains(&text)),
            Kind::Own => true,
        }
    }

    /// The value in this kind, where a text plainly says it.
    pub fn mended(&self, value: &Value) -> Option<Value> {
        let text = value.as_str()?;
        let meant = reader::parse(text.as_bytes()).ok()?;
        (matches!(self, Flag | Number) && self.fits(&meant)).then_some(meant)
    }

    /// What to call it.
    pub fn words(&self) -> String {
        match self {
            OneOf(known) => return known.join(", "),
            Flag => "true or false",
            Number => "a number",
            Kind::Object => "an object",
            List => "an array",
            Text | Kind::Own => "a text",
        }
        .into()
    }
}

/// The settings as they go on.
pub fn read(sent: Option<&Value>, report: &mut Report) -> Value {
    let usual = || json!({ "executionOrder": "v1" });
    let path = [Key("settings")];
    let Some(Value::Object(fields)) = sent else {
        report.add(Mended, &rules::SETTINGS_MISSING, &path, &[]);
        return usual();
    };
    if fields.is_empty() {
        report.add(Settled, &rules::SETTINGS_EMPTY, &path, &[]);
        return usual();
    }
    let mut kept = Map::new();
    for (field, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let path = [Key("settings"), Key(field)];
        let Some((_, kind)) = KNOWN.iter().find(|(known, _)| known == field) else {
            report.add(Settled, &rules::SETTING_UNKNOWN, &path, &[field]);
            continue;
        };
        let mut put = |value: Value| kept.insert(field.clone(), value);
        if kind.fits(value) {
            put(value.clone());
            continue;
        }
        // Without these two more might be allowed than was meant.
        let matters = field.ends_with("Policy");
        let weight = if matters { Error } else { Mended };
        report.add(
            weight,
            &rules::SETTING_INVALID,
            &path,
            &[field, &kind.words()],
        );
        if matters {
            put(value.clone());
        } else if let Some(value) = kind.mended(value) {
            put(value);
        }
    }
    if kept.is_empty() {
        return usual();
    }
    Value::Object(kept)
}
