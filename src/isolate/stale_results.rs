//! Results of functions from which endpoints answer while the database cannot be reached.

use std::collections::HashMap;

use serde_json::Value;

/// Milliseconds after which a result is requested again.
const FRESH_MS: u64 = 60 * 1000;
/// Milliseconds for which a stale result may be used.
const STALE_MS: u64 = 60 * 60 * 1000;

/// Results by function, with the times of the last request and of the last result.
#[derive(Default)]
pub struct StaleResults(HashMap<String, Entry>);

#[derive(Default)]
struct Entry {
    asked_ms: u64,
    result: Option<(u64, Value)>,
}

impl StaleResults {
    /// The result of a function, if it is not too old.
    pub(crate) fn find(&self, function: &str, now_ms: u64) -> Option<&Value> {
        let (at_ms, result) = self.0.get(function)?.result.as_ref()?;
        (now_ms.saturating_sub(*at_ms) < STALE_MS).then_some(result)
    }

    /// Whether to request a result again: it was last requested a while ago. Counts as a request.
    pub(crate) fn is_due(&mut self, function: &str, now_ms: u64) -> bool {
        let Some(entry) = self.0.get_mut(function) else {
            let entry = Entry {
                asked_ms: now_ms,
                result: None,
            };
            self.0.insert(function.to_owned(), entry);
            return true;
        };
        let is_due = now_ms.saturating_sub(entry.asked_ms) >= FRESH_MS;
        if is_due {
            entry.asked_ms = now_ms;
        }
        is_due
    }

    /// Stores a result.
    pub(crate) fn store(&mut self, function: String, now_ms: u64, result: Value) {
        self.0.entry(function).or_default().result = Some((now_ms, result));
    }
}
