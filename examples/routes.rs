//! Prints every route of the bundle as JSON: method, path and, for a purpose endpoint, the database function that it calls and in whose
//! name. Reads the systems' manifests as one JSON text, as the bundle gets them. `npm run proof` compares the routes with the recorded
//! decisions.

use std::io::{Read as _, stdin};

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
    let mut manifests = String::new();
    let read = stdin().read_to_string(&mut manifests);
    read.map_err(|error| error.to_string())?;
    let registry = rowgate::systems::registry(&manifests);
    let registry =
        registry.map_err(|error| error.body().details.unwrap_or_default().to_string())?;
    let routes: Vec<Value> = registry
        .routes
        .iter()
        .map(|route| json!({"method": route.method.as_str(), "path": route.pattern, "calls": calls(route)}))
        .collect();
    println!("{}", Value::Array(routes));
    Ok(())
}
