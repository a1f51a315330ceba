//! Prints every route of the bundle as JSON, for `npm run proof` to hold against what was decided: method, path and, of a purpose
//! endpoint, the database function that it asks and as whom.

use rowgate::route::{Action, Identity, Route};
use serde_json::{Value, json};

fn calls(route: &Route) -> Value {
    let Action::Call(call) = route.action else {
        return Value::Null;
    };
    let identity = match call.identity {
        Identity::Caller => "caller",
        Identity::Vouched => "vouched",
        Identity::Edge => "edge",
    };
    json!({"function": format!("{}.{}", call.schema, call.function), "identity": identity})
}

fn main() {
    let routes: Vec<Value> = rowgate::systems::ALL
        .iter()
        .copied()
        .flatten()
        .map(|route| json!({"method": route.method.as_str(), "path": route.pattern, "calls": calls(route)}))
        .collect();
    println!("{}", Value::Array(routes));
}
