//! Stale results: what the database said a while ago, for endpoints that can answer from it while the database cannot
//! be reached.

use std::collections::HashMap;

use serde_json::Value;

use super::call_own;
use crate::edge::{Edge, Platform};
use crate::error::Error;
use crate::route::{Fallback, Incoming};

/// Milliseconds after which a result is requested again.
const FRESH_MS: u64 = 60 * 1000;
/// Milliseconds for which a stale result may be used.
const STALE_MS: u64 = 60 * 60 * 1000;

/// Results by function, with the times of the last request and of the last result.
#[derive(Default)]
pub struct StaleResults(HashMap<&'static str, Entry>);

#[derive(Default)]
struct Entry {
    asked_ms: u64,
    result: Option<(u64, Value)>,
}

/// The outcome of a call. If the database could not be reached, the answer from a stale result, if there is one.
pub(super) fn or_fallback<P: Platform>(
    outcome: Result<Value, Error>,
    fallback: &'static Fallback,
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
            let entry = results.0.get(fallback.function);
            let stored = entry.and_then(|entry| entry.result.as_ref());
            let stored = stored.filter(|(at, _)| now_ms.saturating_sub(*at) < STALE_MS);
            stored
                .and_then(|(_, result)| (fallback.result)(incoming, result))
                .ok_or(error)
        }
        refused => refused,
    }
}

/// Requests a new result in the background, once the stored one is no longer fresh.
fn refresh<P: Platform>(function: &'static str, now_ms: u64, edge: &Edge<P>) {
    {
        let mut results = edge.stale_results.borrow_mut();
        let entry = results.0.entry(function).or_default();
        if now_ms.saturating_sub(entry.asked_ms) < FRESH_MS {
            return;
        }
        entry.asked_ms = now_ms;
    }
    let (edge, platform) = (edge.clone(), edge.platform.clone());
    platform.background(async move {
        let nothing = Value::Object(serde_json::Map::new());
        // A failure leaves the stored result; the next request after a minute tries again.
        if let Ok(result) = call_own(function, &nothing, &edge).await {
            let mut results = edge.stale_results.borrow_mut();
            results.0.entry(function).or_default().result = Some((now_ms, result));
        }
    });
}
