//! The listeners to changes of rows: who listens to which table, and what the database has said lately.
//!
//! All listeners of an isolate share what one of them has asked for. Only plain data is shared: a timer or an answer belongs to the
//! request that made it, and nobody else may wait for it.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use serde_json::Value;

/// Milliseconds between two questions to the database.
pub const TICK_MS: u64 = 500;
/// Milliseconds after which a question counts as lost, if its request has ended before the answer.
const LEASE_MS: u64 = 15_000;
/// Milliseconds for which what was said is kept for listeners that read slowly.
const KEPT_MS: u64 = 10_000;
/// Bytes that are kept of all that was said.
const MAX_KEPT_BYTES: usize = 16 * 1024 * 1024;

/// All listeners of an isolate.
#[derive(Default)]
pub struct Changes {
    groups: HashMap<Rc<str>, Group>,
    by_user: HashMap<String, usize>,
    listeners: usize,
    /// When the next question is due.
    due_ms: u64,
    /// Until when the question of a request counts as under way.
    asking_until_ms: Option<u64>,
    /// When questions began to fail, if the last one has.
    failing_since_ms: Option<u64>,
    failures: u32,
    kept_bytes: usize,
}

/// Listeners with the same claims to the same table.
struct Group {
    claims: Rc<Value>,
    table: Rc<str>,
    listeners: usize,
    /// Up to where the database was asked.
    to: u64,
    said: VecDeque<Rc<Said>>,
    /// The end of the last of `said` that is not kept any more.
    forgotten: u64,
    /// Why it is over.
    end: Option<Rc<str>>,
}

/// The events of one answer.
pub struct Said {
    /// The cursor behind them.
    pub to: u64,
    /// The same for clients.
    pub id: String,
    /// Each with its stamp.
    pub events: Vec<(u64, String)>,
    at_ms: u64,
}

impl Said {
    fn bytes(&self) -> usize {
        let events = self.events.iter().map(|(_, text)| text.len() + 40);
        events.sum::<usize>() + 200
    }
}

/// What a listener finds.
pub enum News {
    /// What it has not had yet.
    Said(Vec<Rc<Said>>),
    /// It has missed what is not kept any more.
    Behind,
    /// It is over.
    End(Rc<str>),
}

/// A question for one group.
pub struct Ask {
    /// The group.
    pub group: Rc<str>,
    /// The claims of its listeners.
    pub claims: Rc<Value>,
    /// Its table.
    pub table: Rc<str>,
    /// Up to where it has been asked.
    pub since: u64,
}

/// The answer for one group.
pub enum Answer {
    /// It is over.
    End(String),
    /// Up to where, and what was said.
    Said {
        /// Up to where.
        to: u64,
        /// None if nothing was said.
        said: Option<Said>,
    },
}

impl Said {
    /// Events that were said at a time.
    #[must_use]
    pub fn new(to: u64, id: String, events: Vec<(u64, String)>, at_ms: u64) -> Self {
        Self {
            to,
            id,
            events,
            at_ms,
        }
    }
}

impl Changes {
    /// Whether one more listener of a user would be too many.
    #[must_use]
    pub fn is_full(&self, user: &str, most: usize, most_of_user: usize) -> bool {
        let of_user = self.by_user.get(user).copied().unwrap_or_default();
        self.listeners >= most || of_user >= most_of_user
    }

    /// Counts a listener.
    pub fn count(&mut self, user: &str) {
        self.listeners += 1;
        *self.by_user.entry(user.to_owned()).or_default() += 1;
    }

    /// Counts it no more.
    pub fn discount(&mut self, user: &str) {
        self.listeners = self.listeners.saturating_sub(1);
        if let Some(count) = self.by_user.get_mut(user) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_user.remove(user);
            }
        }
    }

    /// Adds a listener that has had everything up to `to`. Whether that is not before what is kept: otherwise it has to ask by itself
    /// once more.
    pub fn join(&mut self, key: &Rc<str>, claims: &Rc<Value>, table: &Rc<str>, to: u64) -> bool {
        let group = self.groups.entry(key.clone()).or_insert_with(|| Group {
            claims: claims.clone(),
            table: table.clone(),
            listeners: 0,
            to,
            said: VecDeque::new(),
            forgotten: to,
            end: None,
        });
        if to < group.forgotten {
            return false;
        }
        group.listeners += 1;
        true
    }

    /// Removes a listener.
    pub fn leave(&mut self, key: &Rc<str>) {
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        group.listeners = group.listeners.saturating_sub(1);
        if group.listeners == 0 {
            let bytes: usize = group.said.iter().map(|said| said.bytes()).sum();
            self.kept_bytes = self.kept_bytes.saturating_sub(bytes);
            self.groups.remove(key);
        }
    }

    /// What a listener has not had yet that has had everything up to `cursor`, which moves.
    pub fn news(&self, key: &Rc<str>, cursor: &mut u64) -> News {
        let Some(group) = self.groups.get(key) else {
            return News::Behind;
        };
        if *cursor < group.forgotten {
            return News::Behind;
        }
        let said = group.said.iter().filter(|said| said.to > *cursor);
        let said: Vec<_> = said.cloned().collect();
        if said.is_empty()
            && let Some(why) = &group.end
        {
            return News::End(why.clone());
        }
        *cursor = group.to.max(*cursor);
        News::Said(said)
    }

    /// What to ask the database, if that is due and nobody does it.
    pub fn begin(&mut self, now_ms: u64) -> Option<Vec<Ask>> {
        let is_asked = self.asking_until_ms.is_some_and(|until| until > now_ms);
        if is_asked || now_ms < self.due_ms {
            return None;
        }
        let open = self
            .groups
            .iter()
            .filter(|(_, group)| group.end.is_none() && group.listeners > 0);
        let asks: Vec<_> = open
            .map(|(key, group)| Ask {
                group: key.clone(),
                claims: group.claims.clone(),
                table: group.table.clone(),
                since: group.to,
            })
            .collect();
        if asks.is_empty() {
            return None;
        }
        self.asking_until_ms = Some(now_ms + LEASE_MS);
        self.due_ms = now_ms + TICK_MS;
        Some(asks)
    }

    /// Stores the answers. `more` says that the database had more than one answer takes.
    pub fn end(&mut self, answers: Vec<(Ask, Answer)>, more: bool, now_ms: u64) {
        self.asking_until_ms = None;
        self.failing_since_ms = None;
        self.failures = 0;
        if more {
            self.due_ms = now_ms;
        }
        for (ask, answer) in answers {
            let Some(group) = self.groups.get_mut(&ask.group) else {
                continue;
            };
            while let Some(old) = group.said.front()
                && old.at_ms + KEPT_MS < now_ms
            {
                self.kept_bytes = self.kept_bytes.saturating_sub(old.bytes());
                group.forgotten = old.to;
                group.said.pop_front();
            }
            match answer {
                Answer::End(why) => group.end = Some(why.into()),
                // It is another group of the same name if its first listener came meanwhile.
                Answer::Said { to, said } if group.to == ask.since => {
                    group.to = to;
                    let Some(said) = said else { continue };
                    let bytes = said.bytes();
                    if self.kept_bytes + bytes > MAX_KEPT_BYTES {
                        group.forgotten = to;
                        continue;
                    }
                    self.kept_bytes += bytes;
                    group.said.push_back(Rc::new(said));
                }
                Answer::Said { .. } => {}
            }
        }
    }

    /// Notes that the database did not answer: the pauses grow.
    pub fn fail(&mut self, now_ms: u64) {
        self.asking_until_ms = None;
        self.failing_since_ms.get_or_insert(now_ms);
        self.failures = (self.failures + 1).min(4);
        self.due_ms = now_ms + (TICK_MS << self.failures);
    }

    /// For how many milliseconds the database has not answered.
    #[must_use]
    pub fn failing_ms(&self, now_ms: u64) -> u64 {
        self.failing_since_ms
            .map_or(0, |since| now_ms.saturating_sub(since))
    }

    /// For how many milliseconds a question has been due.
    #[must_use]
    pub fn overdue_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.due_ms)
    }

    /// Milliseconds after which a listener looks again: who has asked last asks again, and the others look when that is done. While a
    /// question is under way, its answer is near.
    #[must_use]
    pub fn pause_ms(&self, has_asked: bool, now_ms: u64) -> u32 {
        const BEHIND_MS: u64 = 60;
        let is_asked = self.asking_until_ms.is_some_and(|until| until > now_ms);
        let until_due = self.due_ms.saturating_sub(now_ms);
        let pause = match (is_asked, has_asked) {
            (true, _) => BEHIND_MS,
            (false, true) => until_due,
            (false, false) => until_due + BEHIND_MS,
        };
        u32::try_from(pause.clamp(1, 8 * TICK_MS)).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FIRST_MS: u64 = 1_000_000;

    fn key(name: &str) -> Rc<str> {
        name.into()
    }

    fn join(changes: &mut Changes, name: &str, to: u64) -> bool {
        let claims = Rc::new(json!({ "sub": name }));
        changes.join(&key(name), &claims, &"sample.projects".into(), to)
    }

    fn said(to: u64, text: &str, at_ms: u64) -> Said {
        Said::new(to, to.to_string(), vec![(to, text.to_owned())], at_ms)
    }

    /// One question, answered for all groups by the same events.
    fn tell(changes: &mut Changes, to: u64, text: &str, now_ms: u64) {
        let asks = changes.begin(now_ms).unwrap();
        let answers = asks.into_iter().map(|ask| {
            let said = Some(said(to, text, now_ms));
            (ask, Answer::Said { to, said })
        });
        changes.end(answers.collect(), false, now_ms);
    }

    fn news(changes: &Changes, name: &str, cursor: &mut u64) -> Option<Vec<u64>> {
        match changes.news(&key(name), cursor) {
            News::Said(said) => Some(said.iter().map(|said| said.to).collect()),
            News::Behind => None,
            News::End(why) => panic!("{why}"),
        }
    }

    #[test]
    fn one_question_asks_for_each_group_once() {
        let mut changes = Changes::default();
        assert!(changes.begin(FIRST_MS).is_none());
        for _ in 0..1000 {
            assert!(join(&mut changes, "a", 5));
        }
        assert!(join(&mut changes, "b", 5));
        let asks = changes.begin(FIRST_MS).unwrap();
        assert_eq!(asks.len(), 2);
        assert!(
            changes.begin(FIRST_MS + TICK_MS).is_none(),
            "one is under way"
        );
        let lost_ms = FIRST_MS + LEASE_MS;
        assert!(changes.begin(lost_ms).is_some(), "its request has ended");
    }

    #[test]
    fn each_listener_of_a_group_finds_what_it_has_not_had() {
        let mut changes = Changes::default();
        assert!(join(&mut changes, "a", 5));
        tell(&mut changes, 10, "one", FIRST_MS);
        assert!(join(&mut changes, "a", 10));
        tell(&mut changes, 20, "two", FIRST_MS + TICK_MS);
        let (mut first, mut second) = (5, 10);
        assert_eq!(news(&changes, "a", &mut first), Some(vec![10, 20]));
        assert_eq!(news(&changes, "a", &mut second), Some(vec![20]));
        assert_eq!(news(&changes, "a", &mut second), Some(vec![]));
    }

    #[test]
    fn who_has_missed_what_is_not_kept_has_to_ask_by_itself() {
        let mut changes = Changes::default();
        assert!(join(&mut changes, "a", 5));
        tell(&mut changes, 10, "one", FIRST_MS);
        tell(&mut changes, 20, "two", FIRST_MS + KEPT_MS + 1);
        assert_eq!(news(&changes, "a", &mut 5), None);
        assert!(!join(&mut changes, "a", 5));
        assert_eq!(news(&changes, "a", &mut 10), Some(vec![20]));
    }

    #[test]
    fn what_is_kept_is_bounded_and_goes_with_the_listeners() {
        let mut changes = Changes::default();
        assert!(join(&mut changes, "a", 5));
        let long = "x".repeat(MAX_KEPT_BYTES / 4);
        let mut now_ms = FIRST_MS;
        for to in 10..16 {
            tell(&mut changes, to, &long, now_ms);
            now_ms += TICK_MS;
            assert!(changes.kept_bytes <= MAX_KEPT_BYTES);
        }
        assert_eq!(news(&changes, "a", &mut 5), None);
        changes.leave(&key("a"));
        assert_eq!((changes.kept_bytes, changes.groups.len()), (0, 0));
    }

    #[test]
    fn the_pauses_grow_while_the_database_is_away() {
        let mut changes = Changes::default();
        assert!(join(&mut changes, "a", 5));
        let mut now_ms = FIRST_MS;
        for pause_ms in [1000, 2000, 4000, 8000, 8000] {
            assert!(changes.begin(now_ms).is_some());
            changes.fail(now_ms);
            assert!(changes.begin(now_ms + pause_ms - 1).is_none());
            now_ms += pause_ms;
        }
        assert_eq!(changes.failing_ms(now_ms), now_ms - FIRST_MS);
        tell(&mut changes, 10, "one", now_ms);
        assert_eq!(changes.failing_ms(now_ms), 0);
    }

    #[test]
    fn places_are_counted_by_isolate_and_user() {
        let mut changes = Changes::default();
        changes.count("a");
        changes.count("a");
        assert!(changes.is_full("a", 10, 2));
        assert!(!changes.is_full("b", 10, 2));
        assert!(changes.is_full("b", 2, 2));
        changes.discount("a");
        assert!(!changes.is_full("a", 10, 2));
    }
}
