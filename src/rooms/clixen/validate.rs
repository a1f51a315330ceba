//! Stub.
use serde_json::{Value, json};
pub struct Report {
    pub errors: Vec<Value>,
    pub fixed: Value,
}
impl Report {
    pub fn json(&self) -> Value {
        json!({"errors": self.errors})
    }
}
pub fn check(workflow: &Value, _deploys: bool) -> Report {
    Report {
        errors: vec![],
        fixed: workflow.clone(),
    }
}
