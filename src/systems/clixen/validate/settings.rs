//! Settings, and the types of fields in n8n's closed schemas.
//! <https://github.com/n8n-io/n8n/tree/master/packages/cli/src/public-api/v1/handlers/workflows/spec/schemas>

use serde_json::{Map, Value, json};

use super::report::Part::Key;
use super::report::Report;
use super::report::Weight::{Error, FixedError, FixedWarning};
use super::rules;
use crate::json as reader;

/// The type of a field.
pub enum Kind {
    /// Text.
    Text,
    /// True or false.
    Flag,
    /// A number.
    Number,
    /// An object.
    Object,
    /// A list of `{"key", "value"}`, both strings.
    Tags,
    /// `{"tag": [...]}` with such a list.
    TagList,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// Checked by a rule of its own.
    Own,
}

use Kind::{Flag, Number, OneOf, Tags, Text};

const SAVED: Kind = OneOf(&["all", "none"]);

/// The settings in n8n's API.
const KNOWN: [(&str, Kind); 17] = [
    ("binaryMode", OneOf(&["separate", "combined"])),
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
    ("credentialResolverId", Text),
    ("customTelemetryTags", Tags),
    ("errorWorkflow", Text),
    ("executionOrder", Text),
    ("executionTimeout", Number),
    ("saveDataErrorExecution", SAVED),
    ("saveDataSuccessExecution", SAVED),
    ("saveExecutionProgress", Flag),
    ("saveManualExecutions", Flag),
    ("timeSavedMode", OneOf(&["fixed", "dynamic"])),
    ("timeSavedPerExecution", Number),
    ("timezone", Text),
];

impl Kind {
    /// Whether a value has this type.
    pub fn fits(&self, value: &Value) -> bool {
        match self {
            Text => value.is_string(),
            Flag => value.is_boolean(),
            Number => value.is_number(),
            Kind::Object => value.is_object(),
            Tags => value.as_array().is_some_and(|tags| tags.iter().all(is_tag)),
            Kind::TagList => value.as_object().is_some_and(|fields| {
                let mut fields = fields.iter();
                fields.all(|(name, tags)| name == "tag" && Tags.fits(tags))
            }),
            OneOf(known) => value.as_str().is_some_and(|text| known.contains(&text)),
            Kind::Own => true,
        }
    }

    /// The value converted to this type, if a string clearly contains it.
    pub fn converted(&self, value: &Value) -> Option<Value> {
        let text = value.as_str()?;
        let meant = reader::read(text.as_bytes()).ok()?;
        (matches!(self, Flag | Number) && self.fits(&meant)).then_some(meant)
    }

    /// The type in words.
    pub fn words(&self) -> String {
        match self {
            OneOf(known) => return known.join(", "),
            Flag => "true or false",
            Number => "a number",
            Kind::Object => "an object",
            Tags => "a list of {\"key\", \"value\"}, both texts",
            Kind::TagList => "{\"tag\": [...]} with a list of {\"key\", \"value\"}, both texts",
            Text | Kind::Own => "a text",
        }
        .into()
    }
}

fn is_tag(tag: &Value) -> bool {
    tag.as_object().is_some_and(|fields| {
        let texts = |name: &str| fields.get(name).is_some_and(Value::is_string);
        fields.len() == 2 && texts("key") && texts("value")
    })
}

/// The settings in n8n's form.
pub fn read(sent: Option<&Value>, report: &mut Report) -> Value {
    let usual = || json!({ "executionOrder": "v1" });
    let path = [Key("settings")];
    let Some(Value::Object(fields)) = sent else {
        report.add(FixedError, &rules::SETTINGS_MISSING, &path, &[]);
        return usual();
    };
    if fields.is_empty() {
        report.add(FixedWarning, &rules::SETTINGS_EMPTY, &path, &[]);
        return usual();
    }
    let mut accepted = Map::new();
    for (field, value) in fields {
        let path = [Key("settings"), Key(field)];
        let Some((_, kind)) = KNOWN.iter().find(|(known, _)| known == field) else {
            report.add(FixedWarning, &rules::SETTING_UNKNOWN, &path, &[field]);
            continue;
        };
        let mut put = |value: Value| accepted.insert(field.clone(), value);
        if kind.fits(value) {
            put(value.clone());
            continue;
        }
        // Without a policy more might be allowed than was intended, so an invalid one is an error. A null can only mean
        // the default.
        let is_policy = field.ends_with("Policy") && !value.is_null();
        let weight = if is_policy { Error } else { FixedError };
        report.add(
            weight,
            &rules::SETTING_INVALID,
            &path,
            &[field, &kind.words()],
        );
        if is_policy {
            put(value.clone());
        } else if let Some(value) = kind.converted(value) {
            put(value);
        }
    }
    if accepted.is_empty() {
        return usual();
    }
    Value::Object(accepted)
}
