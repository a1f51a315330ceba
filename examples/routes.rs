//! Prints every route of the bundle as JSON: method, path and, for a purpose endpoint, the database function that it calls and in whose
//! name. `npm run proof` compares them with the recorded decisions.

use rowgate::endpoint::{Action, Identity, Route};
use serde_json::{Value, json};

fn calls(route: &Route) -> Value {
    let Action::Call(call) = &route.action else {
        return Value::Null;
    };
    let identity = match call.identity {
        Identity::Caller => "caller",
        Identity::Vouched => "vouched",
        Identity::Edge => "edge",
    };
    json!({"function": format!("{}.{}", call.schema, call.function), "identity": identity})
}

fn main() -> Result<(), String> {
    let registry = rowgate::systems::registry().map_err(|bad| bad.why)?;
    let routes: Vec<Value> = registry
        .routes
        .iter()
        .map(|route| json!({"method": route.method.as_str(), "path": route.pattern, "calls": calls(route)}))
        .collect();
    println!("{}", Value::Array(routes));
    Ok(())
}
