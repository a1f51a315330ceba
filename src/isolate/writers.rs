//! Users who wrote recently.

use std::collections::HashMap;

/// Seconds by which a replica may lag behind a write.
pub(crate) const LAG_SECONDS: u32 = 5;
/// The most writers that are remembered.
const MAX_WRITERS: usize = 10_000;

/// Recent writers, and the time in milliseconds since 1970 until which they read from the primary.
#[derive(Default)]
pub struct Writers {
    until: HashMap<String, u64>,
    /// Until when everybody does: there were more writers than are remembered.
    all_until: u64,
}

impl Writers {
    /// Whether a user wrote recently.
    pub(crate) fn wrote(&self, name: &str, now_ms: u64) -> bool {
        now_ms < self.all_until || self.until.get(name).is_some_and(|until| now_ms < *until)
    }

    /// Remembers that a user wrote.
    pub(crate) fn note(&mut self, name: &str, now_ms: u64) {
        let until = now_ms + u64::from(LAG_SECONDS) * 1000;
        if self.until.len() >= MAX_WRITERS {
            self.until.retain(|_, until| now_ms < *until);
        }
        if self.until.len() >= MAX_WRITERS {
            self.until.clear();
            self.all_until = until;
        }
        self.until.insert(name.to_owned(), until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_are_forgotten_in_time_and_bounded() {
        let mut writers = Writers::default();
        writers.note("a", 1000);
        assert!(writers.wrote("a", 5999) && !writers.wrote("a", 6000) && !writers.wrote("b", 1000));
        for n in 0..3 * MAX_WRITERS {
            writers.note(&n.to_string(), 7000);
            assert!(writers.until.len() <= MAX_WRITERS && writers.wrote(&n.to_string(), 7000));
        }
        assert!(writers.wrote("0", 11_999), "nobody who wrote is forgotten");
        assert!(!writers.wrote("0", 12_000));
    }
}
