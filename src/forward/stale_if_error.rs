//! Stale results: what the database said a while ago, for endpoints that can answer from it while the database cannot
//! be reached.

use serde_json::Value;

use super::call_own;
use crate::endpoint::{Fallback, Incoming};
use crate::error::Error;
use crate::isolate::Edge;
use crate::runtime::Platform;

/// The outcome of a call. If the database could not be reached, the answer from a stale result, if there is one.
pub(super) fn or_fallback<P: Platform>(
    outcome: Result<Value, Error>,
    fallback: &Fallback,
    incoming: &Incoming,
    edge: &Edge<P>,
) -> Result<Value, Error> {
    let now_ms = edge.platform.now_ms();
    match outcome {
        Ok(result) => {
            refresh(fallback.function, now_ms, edge);
            Ok(result)
        }
        Err(error) if error.status().is_server_error() => {
            let results = edge.stale_results.borrow();
            let stored = results.find(fallback.function, now_ms);
            stored
                .and_then(|result| (fallback.result)(incoming, result))
                .ok_or(error)
        }
        refused => refused,
    }
}

/// Requests a new result in the background, once the stored one is no longer fresh.
fn refresh<P: Platform>(function: &str, now_ms: u64, edge: &Edge<P>) {
    if !edge.stale_results.borrow_mut().is_due(function, now_ms) {
        return;
    }
    let (function, edge, platform) = (function.to_owned(), edge.apart(), edge.platform.clone());
    platform.background(async move {
        let nothing = Value::Object(serde_json::Map::new());
        // A failure leaves the stored result; the next request after a minute tries again.
        if let Ok(result) = call_own(&function, &nothing, &edge).await {
            let mut results = edge.stale_results.borrow_mut();
            results.store(function, now_ms, result);
        }
    });
}
