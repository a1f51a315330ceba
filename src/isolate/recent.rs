//! Texts that are made of others with a key, such as tokens of the edge: the same ones are asked for again and again.

use std::collections::HashMap;

/// The most texts that are kept.
const MAX_TEXTS: usize = 2048;
/// The most bytes of a text that is kept, and of what it is made of.
const MAX_BYTES: usize = 4096;

/// What has been made in the current period, by what it is made of.
#[derive(Default)]
pub struct Recent {
    /// The number of the period.
    period: u64,
    made: HashMap<String, String>,
}

impl Recent {
    /// What has been made of a text in this period. Forgets what is of another period.
    pub(crate) fn find(&mut self, period: u64, of: &str) -> Option<&str> {
        if self.period != period {
            self.period = period;
            self.made.clear();
        }
        self.made.get(of).map(String::as_str)
    }

    /// Keeps what has been made of a text in the period of the last search.
    pub(crate) fn keep(&mut self, of: String, made: &str) {
        if of.len() + made.len() > MAX_BYTES {
            return;
        }
        if self.made.len() >= MAX_TEXTS {
            self.made.clear();
        }
        self.made.insert(of, made.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_for_their_period_and_bounded() {
        let mut recent = Recent::default();
        assert_eq!(recent.find(1, "a"), None);
        recent.keep("a".into(), "A");
        recent.keep("b".into(), &"B".repeat(MAX_BYTES));
        assert_eq!(recent.find(1, "a"), Some("A"));
        assert_eq!(recent.find(1, "b"), None);
        assert_eq!(recent.find(2, "a"), None);
        assert_eq!(recent.find(1, "a"), None);
        for n in 0..3 * MAX_TEXTS {
            recent.keep(n.to_string(), "N");
            assert!(recent.made.len() <= MAX_TEXTS);
            assert_eq!(recent.find(1, &n.to_string()), Some("N"));
        }
    }
}
