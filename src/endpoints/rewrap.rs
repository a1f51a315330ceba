//! `POST /v1/admin/keys/rewrap`: moves sealed secrets to the newest `KEK_<n>`, a batch at a time. A client calls it with the
//! `after` of the answer before until that is null; without one it begins again with what is left.

use std::rc::Rc;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::Config;
use crate::endpoint::{Access, Action, Arguments, Call, Identity, Incoming, Plan, Route};
use crate::error::Error;
use crate::hooks::{Binding, Sealed, Services};
use crate::message::KB;

/// The most rows of a batch.
const MAX_ROWS: u32 = 200;

/// The endpoint.
#[must_use]
pub fn routes() -> Vec<Route> {
    let rewrap = Call {
        identity: Identity::Edge,
        arguments: Arguments::Code(arguments),
        after_call: Some(rewrap),
        ..Call::new("edge", "sealed_batch")
    };
    let mut route = Route::new(
        Method::POST,
        "/v1/admin/keys/rewrap",
        Action::Call(Rc::new(rewrap)),
    )
    .body(4 * KB);
    route.access = Access::Service;
    vec![route]
}

fn arguments(incoming: &Incoming, config: &Config) -> Result<Plan, Error> {
    let below = config.newest_kek()?.version;
    let after = if incoming.body.is_empty() {
        &Value::Null
    } else {
        incoming.json()?.get("after").unwrap_or(&Value::Null)
    };
    let arguments = json!({"after": after, "most": MAX_ROWS, "below": below});
    Ok(Plan::Call(arguments.to_string()))
}

/// A row of the batch.
#[derive(Deserialize)]
struct Item {
    relation: String,
    context: String,
    row: String,
    owner: String,
    sealed: String,
    key_version: u32,
}

fn rewrap<'a>(
    batch: &'a Value,
    services: Services<'a>,
) -> LocalBoxFuture<'a, Result<Value, Error>> {
    async move {
        let rows = batch.get("rows").and_then(Value::as_array);
        let mut stored = Vec::new();
        let mut failed = Vec::new();
        for value in rows.into_iter().flatten() {
            let Ok(row) = serde_json::from_value::<Item>(value.clone()) else {
                failed.push(json!({"relation": value.get("relation"), "row": value.get("row")}));
                continue;
            };
            let binding = Binding {
                column: &row.context,
                row: &row.row,
                owner: &row.owner,
            };
            let old = Sealed {
                text: row.sealed,
                key_version: row.key_version,
            };
            match services.rewrap(&old, &binding).await {
                Ok(new) => stored.push(json!({
                    "relation": row.relation, "row": row.row, "old": old.text, "sealed": new.text,
                    "key_version": new.key_version,
                })),
                // One damaged row costs that row; a missing key is the operator's to set first.
                Err(Error::Internal(_)) => {
                    failed.push(json!({"relation": row.relation, "row": row.row}));
                }
                Err(error) => return Err(error),
            }
        }
        let rewrapped = if stored.is_empty() {
            Value::from(0)
        } else {
            services
                .call("rewrapped", &json!({ "rows": stored }))
                .await?
        };
        Ok(json!({"rewrapped": rewrapped, "failed": failed, "after": batch.get("after")}))
    }
    .boxed_local()
}
