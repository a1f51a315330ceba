//! Attempts to sign in, counted for each address and each account: what guesses passwords and codes is held here before a service
//! is asked. Each isolate counts by itself.

use std::collections::HashMap;

/// Milliseconds in which all attempts of a key are given back.
const PERIOD_MS: u64 = 5 * 60 * 1000;
/// The most keys that are stored. A full list forgets the keys that have used less than half of their attempts: made-up names must not
/// give an account under attack its attempts back. If no key can be forgotten, the list starts anew.
const MAX_KEYS: usize = 8192;

/// The attempts of an isolate.
#[derive(Default)]
pub struct Attempts {
    /// By key: when it has all attempts again (GCRA).
    due: HashMap<String, u64>,
}

impl Attempts {
    /// Counts an attempt of a key that may make `most` of them at once; false if it has none left. 0 is no limit.
    #[must_use]
    pub fn count(&mut self, key: &str, most: usize, now_ms: u64) -> bool {
        let Ok(most) = u64::try_from(most) else {
            return true;
        };
        let Some(refill_ms) = PERIOD_MS.checked_div(most) else {
            return true;
        };
        let due = self.due.get(key).copied().unwrap_or_default().max(now_ms);
        if due - now_ms > refill_ms * (most - 1) {
            return false;
        }
        if self.due.len() >= MAX_KEYS && !self.due.contains_key(key) {
            self.due.retain(|_, due| *due > now_ms + PERIOD_MS / 2);
            if self.due.len() >= MAX_KEYS {
                self.due.clear();
            }
        }
        self.due.insert(key.to_owned(), due + refill_ms);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_so_many_attempts_at_once_and_gets_them_back() {
        let mut attempts = Attempts::default();
        for _ in 0..10 {
            assert!(attempts.count("a", 10, 0));
        }
        assert!(!attempts.count("a", 10, 0));
        assert!(attempts.count("b", 10, 0), "another key");
        assert!(!attempts.count("a", 10, PERIOD_MS / 10 - 1));
        assert!(attempts.count("a", 10, PERIOD_MS / 10));
        assert!(!attempts.count("a", 10, PERIOD_MS / 10));
        for _ in 0..10 {
            assert!(attempts.count("a", 10, 3 * PERIOD_MS));
        }
        for _ in 0..1000 {
            assert!(attempts.count("a", 0, 0), "no limit");
        }
        for n in 0..3 * MAX_KEYS {
            assert!(attempts.count(&n.to_string(), 1, 0));
            assert!(attempts.due.len() <= MAX_KEYS);
        }
    }

    #[test]
    fn made_up_names_do_not_give_a_key_its_attempts_again() {
        let mut attempts = Attempts::default();
        for _ in 0..10 {
            assert!(attempts.count("ada", 10, 0));
        }
        for n in 0..3 * MAX_KEYS {
            assert!(attempts.count(&n.to_string(), 10, 0));
        }
        assert!(!attempts.count("ada", 10, 0));
    }
}
