//! The listeners to changes of rows: who listens to which table, and what the database has answered lately.
//!
//! One listener of an isolate polls the database for all of them. They share only plain data: a timer or an answer belongs to the request
//! that made it, and no other request may wait for it.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use serde_json::Value;

/// Milliseconds between two polls of the database.
pub const POLL_MS: u64 = 500;
/// Milliseconds after which a poll counts as lost: its request has ended before the answer.
const LEASE_MS: u64 = 15_000;
/// Milliseconds for which batches are retained for listeners that read slowly.
const RETENTION_MS: u64 = 10_000;
/// Bytes of batches after which a listener that reads slowly gets no more at once.
const MAX_UNREAD_BYTES: usize = 128 * 1024;
/// Bytes of all batches that are retained.
const MAX_RETAINED_BYTES: usize = 16 * 1024 * 1024;

/// All listeners of an isolate.
#[derive(Default)]
pub struct Changes {
    groups: HashMap<Rc<str>, Group>,
    by_user: HashMap<String, usize>,
    listeners: usize,
    /// When the next poll is due.
    next_poll_ms: u64,
    /// Until when the poll of a request counts as in flight.
    polling_until_ms: Option<u64>,
    /// Since when polls have failed, if the last one has.
    failing_since_ms: Option<u64>,
    failures: u32,
    retained_bytes: usize,
}

/// Listeners with the same claims to the same table.
struct Group {
    claims: Rc<Value>,
    table: Rc<str>,
    listeners: usize,
    /// The position up to which the database has answered.
    position: u64,
    batches: VecDeque<Rc<Batch>>,
    /// The position up to which batches are not retained any more.
    dropped_to: u64,
    /// Why the streams end.
    end_reason: Option<Rc<str>>,
}

/// The events of one answer.
pub struct Batch {
    /// The position behind them.
    pub position: u64,
    /// The position as clients get it, sealed.
    pub id: String,
    /// Each with its position.
    pub events: Vec<(u64, String)>,
    at_ms: u64,
}

impl Batch {
    fn bytes(&self) -> usize {
        let events = self.events.iter().map(|(_, text)| text.len() + 40);
        events.sum::<usize>() + 200
    }
}

/// What a listener has not had yet.
pub enum Unread {
    /// These batches.
    Batches(Vec<Rc<Batch>>),
    /// Something that is not retained any more.
    Behind,
    /// Nothing, and the stream ends for this reason.
    End(Rc<str>),
}

/// What a poll asks for one group.
pub struct Subscription {
    /// The group.
    pub group: Rc<str>,
    /// The claims of its listeners.
    pub claims: Rc<Value>,
    /// Its table.
    pub table: Rc<str>,
    /// The position up to which the database has answered.
    pub since: u64,
}

/// The answer for one group.
pub enum Answer {
    /// The streams end for this reason.
    End(String),
    /// The changes up to a position.
    Read {
        /// The position.
        position: u64,
        /// None without events.
        batch: Option<Batch>,
    },
}

impl Batch {
    /// Events that the database answered at a time.
    #[must_use]
    pub fn new(position: u64, id: String, events: Vec<(u64, String)>, at_ms: u64) -> Self {
        Self {
            position,
            id,
            events,
            at_ms,
        }
    }
}

impl Changes {
    /// Whether one more listener of a user would be too many.
    #[must_use]
    pub fn is_full(&self, user: &str, max: usize, max_of_user: usize) -> bool {
        let of_user = self.by_user.get(user).copied().unwrap_or_default();
        self.listeners >= max || of_user >= max_of_user
    }

    /// Counts a listener.
    pub fn add_listener(&mut self, user: &str) {
        self.listeners += 1;
        *self.by_user.entry(user.to_owned()).or_default() += 1;
    }

    /// Counts a listener no more.
    pub fn remove_listener(&mut self, user: &str) {
        self.listeners = self.listeners.saturating_sub(1);
        if let Some(count) = self.by_user.get_mut(user) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_user.remove(user);
            }
        }
    }

    /// Adds a listener that has had everything up to a position. False if it has missed a batch that is not retained any more: then it
    /// has to ask the database by itself once more.
    pub fn join(
        &mut self,
        key: &Rc<str>,
        claims: &Rc<Value>,
        table: &Rc<str>,
        position: u64,
    ) -> bool {
        let group = self.groups.entry(key.clone()).or_insert_with(|| Group {
            claims: claims.clone(),
            table: table.clone(),
            listeners: 0,
            position,
            batches: VecDeque::new(),
            dropped_to: position,
            end_reason: None,
        });
        if position < group.dropped_to {
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
            let bytes: usize = group.batches.iter().map(|batch| batch.bytes()).sum();
            self.retained_bytes = self.retained_bytes.saturating_sub(bytes);
            self.groups.remove(key);
        }
    }

    /// What a listener that has had everything up to `cursor` has not had yet, or the first of it. Moves the cursor.
    pub fn unread(&self, key: &Rc<str>, cursor: &mut u64) -> Unread {
        let Some(group) = self.groups.get(key) else {
            return Unread::Behind;
        };
        if *cursor < group.dropped_to {
            return Unread::Behind;
        }
        let first = *cursor;
        let unread = group.batches.iter().filter(|batch| batch.position > first);
        let mut batches = Vec::new();
        let mut bytes = 0;
        for batch in unread {
            if bytes > MAX_UNREAD_BYTES {
                return Unread::Batches(batches);
            }
            bytes += batch.bytes();
            *cursor = batch.position;
            batches.push(batch.clone());
        }
        if batches.is_empty()
            && let Some(why) = &group.end_reason
        {
            return Unread::End(why.clone());
        }
        *cursor = group.position.max(*cursor);
        Unread::Batches(batches)
    }

    /// Whether there is more for a listener that has had everything up to `cursor`.
    #[must_use]
    pub fn has_more(&self, key: &Rc<str>, cursor: u64) -> bool {
        let group = self.groups.get(key);
        group.is_some_and(|group| group.position > cursor)
    }

    /// Starts a poll if one is due and none is in flight: what to ask the database.
    pub fn start_poll(&mut self, now_ms: u64) -> Option<Vec<Subscription>> {
        let is_polling = self.polling_until_ms.is_some_and(|until| until > now_ms);
        if is_polling || now_ms < self.next_poll_ms {
            return None;
        }
        let open = self
            .groups
            .iter()
            .filter(|(_, group)| group.end_reason.is_none() && group.listeners > 0);
        let subscriptions: Vec<_> = open
            .map(|(key, group)| Subscription {
                group: key.clone(),
                claims: group.claims.clone(),
                table: group.table.clone(),
                since: group.position,
            })
            .collect();
        if subscriptions.is_empty() {
            return None;
        }
        self.polling_until_ms = Some(now_ms + LEASE_MS);
        self.next_poll_ms = now_ms + POLL_MS;
        Some(subscriptions)
    }

    /// Stores the answers. `has_more` says that the database had more than one answer takes.
    pub fn finish_poll(
        &mut self,
        answers: Vec<(Subscription, Answer)>,
        has_more: bool,
        now_ms: u64,
    ) {
        self.polling_until_ms = None;
        self.failing_since_ms = None;
        self.failures = 0;
        if has_more {
            self.next_poll_ms = now_ms;
        }
        for (subscription, answer) in answers {
            let Some(group) = self.groups.get_mut(&subscription.group) else {
                continue;
            };
            while let Some(old) = group.batches.front()
                && old.at_ms + RETENTION_MS < now_ms
            {
                self.retained_bytes = self.retained_bytes.saturating_sub(old.bytes());
                // A later batch that found no room may have been dropped before this one.
                group.dropped_to = group.dropped_to.max(old.position);
                group.batches.pop_front();
            }
            match answer {
                Answer::End(why) => group.end_reason = Some(why.into()),
                // It is another group of the same name if its first listener came meanwhile.
                Answer::Read { position, batch } if group.position == subscription.since => {
                    group.position = position;
                    let Some(batch) = batch else { continue };
                    let bytes = batch.bytes();
                    if self.retained_bytes + bytes > MAX_RETAINED_BYTES {
                        group.dropped_to = position;
                        continue;
                    }
                    self.retained_bytes += bytes;
                    group.batches.push_back(Rc::new(batch));
                }
                Answer::Read { .. } => {}
            }
        }
    }

    /// Notes that the database did not answer: the pauses grow.
    pub fn fail_poll(&mut self, now_ms: u64) {
        self.polling_until_ms = None;
        self.failing_since_ms.get_or_insert(now_ms);
        self.failures = (self.failures + 1).min(4);
        self.next_poll_ms = now_ms + (POLL_MS << self.failures);
    }

    /// Notes that the database answers a listener that begins: the others need not wait either.
    pub fn end_failing(&mut self, now_ms: u64) {
        if self.failing_since_ms.take().is_some() {
            self.failures = 0;
            self.next_poll_ms = now_ms;
        }
    }

    /// For how many milliseconds the database has not answered.
    #[must_use]
    pub fn failing_ms(&self, now_ms: u64) -> u64 {
        self.failing_since_ms
            .map_or(0, |since| now_ms.saturating_sub(since))
    }

    /// For how many milliseconds a poll has been due.
    #[must_use]
    pub fn overdue_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.next_poll_ms)
    }

    /// Milliseconds after which a listener looks again. The one that polled last polls again, and the others look shortly after. While a poll
    /// is in flight, its answer is near.
    #[must_use]
    pub fn pause_ms(&self, has_polled: bool, now_ms: u64) -> u32 {
        const BEHIND_MS: u64 = 60;
        let is_polling = self.polling_until_ms.is_some_and(|until| until > now_ms);
        let until_due = self.next_poll_ms.saturating_sub(now_ms);
        let pause = match (is_polling, has_polled) {
            (true, _) => BEHIND_MS,
            (false, true) => until_due,
            (false, false) => until_due + BEHIND_MS,
        };
        u32::try_from(pause.clamp(1, 8 * POLL_MS)).unwrap_or(1)
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

    fn join(changes: &mut Changes, name: &str, position: u64) -> bool {
        let claims = Rc::new(json!({ "sub": name }));
        changes.join(&key(name), &claims, &"sample.projects".into(), position)
    }

    fn batch(position: u64, text: &str, at_ms: u64) -> Batch {
        let events = vec![(position, text.to_owned())];
        Batch::new(position, position.to_string(), events, at_ms)
    }

    /// One poll, answered for all groups by the same events.
    fn poll(changes: &mut Changes, position: u64, text: &str, now_ms: u64) {
        let subscriptions = changes.start_poll(now_ms).unwrap();
        let answers = subscriptions.into_iter().map(|subscription| {
            let batch = Some(batch(position, text, now_ms));
            (subscription, Answer::Read { position, batch })
        });
        changes.finish_poll(answers.collect(), false, now_ms);
    }

    fn unread(changes: &Changes, name: &str, cursor: &mut u64) -> Option<Vec<u64>> {
        match changes.unread(&key(name), cursor) {
            Unread::Batches(batches) => Some(batches.iter().map(|batch| batch.position).collect()),
            Unread::Behind => None,
            Unread::End(why) => panic!("{why}"),
        }
    }

    #[test]
    fn one_poll_asks_for_each_group_once() {
        let mut changes = Changes::default();
        assert!(changes.start_poll(FIRST_MS).is_none());
        for _ in 0..1000 {
            assert!(join(&mut changes, "a", 5));
        }
        assert!(join(&mut changes, "b", 5));
        let subscriptions = changes.start_poll(FIRST_MS).unwrap();
        assert_eq!(subscriptions.len(), 2);
        assert!(
            changes.start_poll(FIRST_MS + POLL_MS).is_none(),
            "one is in flight"
        );
        let lost_ms = FIRST_MS + LEASE_MS;
        assert!(
            changes.start_poll(lost_ms).is_some(),
            "its request has ended"
        );
    }

    #[test]
    fn each_listener_of_a_group_finds_what_it_has_not_had() {
        let mut changes = Changes::default();
        assert!(join(&mut changes, "a", 5));
        poll(&mut changes, 10, "one", FIRST_MS);
        assert!(join(&mut changes, "a", 10));
        poll(&mut changes, 20, "two", FIRST_MS + POLL_MS);
        let (mut first, mut second) = (5, 10);
        assert_eq!(unread(&changes, "a", &mut first), Some(vec![10, 20]));
        assert_eq!(unread(&changes, "a", &mut second), Some(vec![20]));
        assert_eq!(unread(&changes, "a", &mut second), Some(vec![]));
    }

    #[test]
    fn a_listener_that_reads_slowly_gets_a_part_at_a_time() {
        let mut changes = Changes::default();
        assert!(join(&mut changes, "a", 5));
        let text = "x".repeat(MAX_UNREAD_BYTES / 2);
        for n in 1..=5 {
            poll(&mut changes, 10 * n, &text, FIRST_MS + n * POLL_MS);
        }
        let mut cursor = 5;
        assert_eq!(unread(&changes, "a", &mut cursor), Some(vec![10, 20]));
        assert!(changes.has_more(&key("a"), cursor));
        assert_eq!(unread(&changes, "a", &mut cursor), Some(vec![30, 40]));
        assert_eq!(unread(&changes, "a", &mut cursor), Some(vec![50]));
        assert!(!changes.has_more(&key("a"), cursor));
    }

    #[test]
    fn a_listener_that_has_missed_a_dropped_batch_has_to_ask_by_itself() {
        let mut changes = Changes::default();
        assert!(join(&mut changes, "a", 5));
        poll(&mut changes, 10, "one", FIRST_MS);
        poll(&mut changes, 20, "two", FIRST_MS + RETENTION_MS + 1);
        assert_eq!(unread(&changes, "a", &mut 5), None);
        assert!(!join(&mut changes, "a", 5));
        assert_eq!(unread(&changes, "a", &mut 10), Some(vec![20]));
    }

    #[test]
    fn a_batch_that_found_no_room_is_missed_although_an_earlier_one_expires_after_it() {
        let mut changes = Changes::default();
        assert!(join(&mut changes, "a", 5));
        poll(&mut changes, 10, "retained", FIRST_MS);
        let mut cursor = 5;
        assert_eq!(unread(&changes, "a", &mut cursor), Some(vec![10]));
        let too_long = "x".repeat(MAX_RETAINED_BYTES);
        poll(&mut changes, 20, &too_long, FIRST_MS + POLL_MS);
        poll(&mut changes, 30, "later", FIRST_MS + RETENTION_MS + 1);
        assert_eq!(unread(&changes, "a", &mut cursor), None);
        assert!(!join(&mut changes, "a", 10));
        assert_eq!(unread(&changes, "a", &mut 20), Some(vec![30]));
    }

    #[test]
    fn retained_batches_are_bounded_and_go_with_the_listeners() {
        let mut changes = Changes::default();
        assert!(join(&mut changes, "a", 5));
        let long = "x".repeat(MAX_RETAINED_BYTES / 4);
        let mut now_ms = FIRST_MS;
        for position in 10..16 {
            poll(&mut changes, position, &long, now_ms);
            now_ms += POLL_MS;
            assert!(changes.retained_bytes <= MAX_RETAINED_BYTES);
        }
        assert_eq!(unread(&changes, "a", &mut 5), None);
        changes.leave(&key("a"));
        assert_eq!((changes.retained_bytes, changes.groups.len()), (0, 0));
    }

    #[test]
    fn the_pauses_grow_while_the_database_is_away() {
        let mut changes = Changes::default();
        assert!(join(&mut changes, "a", 5));
        let mut now_ms = FIRST_MS;
        for pause_ms in [1000, 2000, 4000, 8000, 8000] {
            assert!(changes.start_poll(now_ms).is_some());
            changes.fail_poll(now_ms);
            assert!(changes.start_poll(now_ms + pause_ms - 1).is_none());
            now_ms += pause_ms;
        }
        assert_eq!(changes.failing_ms(now_ms), now_ms - FIRST_MS);
        assert!(changes.start_poll(now_ms).is_some());
        changes.fail_poll(now_ms);
        changes.end_failing(now_ms);
        assert_eq!(changes.failing_ms(now_ms), 0);
        poll(&mut changes, 10, "one", now_ms);
        assert_eq!(changes.failing_ms(now_ms), 0);
    }

    #[test]
    fn listeners_are_counted_by_isolate_and_user() {
        let mut changes = Changes::default();
        changes.add_listener("a");
        changes.add_listener("a");
        assert!(changes.is_full("a", 10, 2));
        assert!(!changes.is_full("b", 10, 2));
        assert!(changes.is_full("b", 2, 2));
        changes.remove_listener("a");
        assert!(!changes.is_full("a", 10, 2));
    }
}
