//! Prints every route of the bundle as JSON, for `npm run proof` to hold against what was decided.

fn main() {
    let routes: Vec<serde_json::Value> = rowgate::rooms::ALL
        .iter()
        .copied()
        .flatten()
        .map(|route| serde_json::json!({"method": route.method.as_str(), "path": route.pattern}))
        .collect();
    println!("{}", serde_json::Value::Array(routes));
}
