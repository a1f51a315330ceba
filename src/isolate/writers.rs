//! Users who wrote recently.

use std::collections::HashMap;

/// Seconds by which a replica may lag behind a write.
pub(crate) const LAG_SECONDS: u32 = 5;
/// The most writers that are remembered.
const MAX_WRITERS: usize = 10_000;

/// Recent writers, and the time in milliseconds since 1970 until which they read from the primary.
#[derive(Default)]
pub struct Writers(HashMap<String, u64>);

impl Writers {
    /// Whether a user wrote recently.
    pub(crate) fn wrote(&self, name: &str, now_ms: u64) -> bool {
        self.0.get(name).is_some_and(|until| now_ms < *until)
    }

    /// Remembers that a user wrote.
    pub(crate) fn note(&mut self, name: &str, now_ms: u64) {
        if self.0.len() >= MAX_WRITERS {
            self.0.retain(|_, until| now_ms < *until);
        }
        // With more writers than this at once, losing the replica's guarantee for some is better than running out of
        // memory.
        if self.0.len() >= MAX_WRITERS {
            self.0.clear();
        }
        self.0
            .insert(name.to_owned(), now_ms + u64::from(LAG_SECONDS) * 1000);
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
            writers.note(&n.to_string(), 2000);
            assert!(writers.0.len() <= MAX_WRITERS && writers.wrote(&n.to_string(), 2000));
        }
    }
}
