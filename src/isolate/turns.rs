//! Turns on the isolate's one thread. What runs on it without a pause stands in front of everybody's requests, and so does
//! what is queued behind it: a caller with thirty connections would have thirty pieces of work in a row.
//!
//! So the pieces of one caller go apart: each counts so many milliseconds, several times what the thread needs for it, and the
//! next one waits until they have passed. A request waits by a timer of its own, during which the thread is free for others; a
//! promise that another request settles would run this one in the context of that one (`forward::share`). Nobody is refused,
//! because a client that is refused at once asks again at once; except for uploads, of which many may be of clients that have left.

use std::collections::HashMap;

use super::Edge;
use crate::error::Error;
use crate::message::{KB, MAX_WHOLE_BYTES};
use crate::runtime::Platform;

/// Milliseconds of work that a caller may have at once, without waiting.
const AT_ONCE_MS: u64 = 40;
/// The most milliseconds that a piece of work waits. Uploads wait for their turns among uploads before.
const MAX_WAIT_MS: u64 = 1000;
/// The most milliseconds of a caller's uploads that may be booked ahead, each of which waits for its turn. The runtime does not see that a
/// client has left until its body is read, so a client that leaves and comes again in a loop would have any number of uploads waiting.
const UPLOADS_AHEAD_MS: u64 = 10_000;
/// The most milliseconds that one of them counts: a client that has left sent no more than the buffers of its connection take, about 4 MB.
const MAX_UPLOAD_MS: u64 = 64;
/// The fewest, for one that is passed on as it arrives and for one that is read whole before: if its client has left, that is not sent.
const PASSED_UPLOAD_MS: u64 = 16;
const WHOLE_UPLOAD_MS: u64 = 1;
/// The most callers that are remembered. While all of them have work booked, others go without turns.
const MAX_CALLERS: usize = 8192;

/// Milliseconds that a refusal counts, and the bytes of its unread body that count one more: they are discarded.
const REFUSAL_MS: u64 = 4;
const BYTES_DISCARDED_IN_A_MS: usize = 64 * KB;

/// Bytes that are worked on without a turn.
const SMALL_BYTES: usize = 16 * KB;
/// Bytes of a longer body that count a millisecond: when it is parsed, checked and rewritten, and when secrets are taken out of its
/// lines.
const BYTES_READ_IN_A_MS: usize = 2 * KB;
const BYTES_OF_LINES_IN_A_MS: usize = 16 * KB;
/// The same of a function's result, which is only parsed.
const BYTES_PARSED_IN_A_MS: usize = 16 * KB;
/// Bytes of a body of lines that count a millisecond beside that when they arrive: decompressed, and split into lines. Blank lines are
/// in no batch.
const BYTES_SPLIT_IN_A_MS: usize = 64 * KB;
/// Bytes that count a millisecond when they are passed on between a client and a service.
const BYTES_PASSED_IN_A_MS: usize = 64 * KB;
/// The same when a signature of them is checked: they are read, copied and hashed.
const BYTES_SIGNED_IN_A_MS: usize = 16 * KB;
/// Milliseconds that a stream of a service counts when it begins: a chat.
const STREAM_MS: u64 = 20;
/// Milliseconds that a piece of a service's stream counts beside those of its bytes. What arrives before its turn is part of it, up to
/// 8 KB: a caller's streams together are slowed down above a megabyte a second.
const PIECE_MS: u64 = 2;

/// The work of an isolate's callers.
#[derive(Default)]
pub struct Turns {
    work: Booked,
    /// What each caller's uploads alone have booked.
    uploads: Booked,
}

/// By caller: when the work that has been booked has passed (GCRA).
#[derive(Default)]
struct Booked(HashMap<String, u64>);

impl Booked {
    /// None if too many callers have work booked.
    fn due(&mut self, caller: &str, now_ms: u64) -> Option<&mut u64> {
        if self.0.len() >= MAX_CALLERS && !self.0.contains_key(caller) {
            self.0.retain(|_, due| *due > now_ms);
            if self.0.len() >= MAX_CALLERS {
                return None;
            }
        }
        Some(self.0.entry(caller.to_owned()).or_default())
    }
}

impl Turns {
    /// Books a piece of work of a caller, and gives the milliseconds until its turn.
    fn book(&mut self, caller: &str, work_ms: u64, now_ms: u64) -> u32 {
        let Some(due) = self.work.due(caller, now_ms) else {
            return 0;
        };
        let begins = (*due).max(now_ms);
        let latest = now_ms + AT_ONCE_MS + MAX_WAIT_MS;
        *due = (begins + work_ms).min(latest);
        until(begins, now_ms)
    }

    /// Books an upload of a caller, and gives the milliseconds until its turn; none if too much is booked ahead.
    fn book_upload(&mut self, caller: &str, upload_ms: u64, now_ms: u64) -> Option<u32> {
        let Some(due) = self.uploads.due(caller, now_ms) else {
            return Some(0);
        };
        let begins = (*due).max(now_ms);
        if begins >= now_ms + UPLOADS_AHEAD_MS {
            return None;
        }
        *due = begins + upload_ms;
        Some(until(begins, now_ms))
    }
}

/// Milliseconds until work begins, of which a caller has some at once.
fn until(begins_ms: u64, now_ms: u64) -> u32 {
    let wait_ms = begins_ms.saturating_sub(now_ms + AT_ONCE_MS);
    u32::try_from(wait_ms).unwrap_or(u32::MAX)
}

const fn passing_ms(bytes: usize) -> u64 {
    (bytes / BYTES_PASSED_IN_A_MS) as u64
}

/// Milliseconds that an upload counts among those of its caller.
fn upload_ms(bytes: usize) -> u64 {
    let fewest = if bytes > MAX_WHOLE_BYTES {
        PASSED_UPLOAD_MS
    } else {
        WHOLE_UPLOAD_MS
    };
    passing_ms(bytes).clamp(fewest, MAX_UPLOAD_MS)
}

/// Waits until it is a caller's turn to be refused.
pub async fn before_refusal<P: Platform>(caller: &str, unread_bytes: usize, edge: &Edge<P>) {
    let discarded_ms = unread_bytes / BYTES_DISCARDED_IN_A_MS;
    wait(caller, REFUSAL_MS + discarded_ms as u64, edge).await;
}

/// Whether work on so many bytes takes a turn.
#[must_use]
pub const fn is_work(bytes: usize) -> bool {
    bytes > SMALL_BYTES
}

/// Waits until it is a caller's turn to have a body of so many bytes worked on.
pub async fn before_body<P: Platform>(caller: &str, bytes: usize, edge: &Edge<P>) {
    wait(caller, (bytes / BYTES_READ_IN_A_MS) as u64, edge).await;
}

/// The same for a batch of lines.
pub async fn before_lines<P: Platform>(caller: &str, bytes: usize, edge: &Edge<P>) {
    wait(caller, (bytes / BYTES_OF_LINES_IN_A_MS) as u64, edge).await;
}

/// Waits until it is a caller's turn to have what has arrived of a body of lines split. Takes the bytes that count from those that
/// are due.
pub async fn before_splitting<P: Platform>(caller: &str, due_bytes: &mut usize, edge: &Edge<P>) {
    let work_ms = *due_bytes / BYTES_SPLIT_IN_A_MS;
    if work_ms > 0 {
        *due_bytes %= BYTES_SPLIT_IN_A_MS;
        wait(caller, work_ms as u64, edge).await;
    }
}

/// Waits until it is a caller's turn to have the long body of a request passed on, unread: the runtime sends what has arrived without
/// a pause.
///
/// # Errors
/// [`Error::TooManyConcurrent`] if too much of the caller's uploads is booked ahead.
pub async fn before_upload<P: Platform>(
    caller: &str,
    bytes: usize,
    edge: &Edge<P>,
) -> Result<(), Error> {
    if !is_work(bytes) {
        return Ok(());
    }
    let now_ms = edge.platform.now_ms();
    let among_uploads = (edge.turns.borrow_mut()).book_upload(caller, upload_ms(bytes), now_ms);
    let wait_ms = among_uploads.ok_or(Error::TooManyConcurrent)?;
    if wait_ms > 0 {
        edge.platform.sleep(wait_ms).await;
    }
    wait(caller, passing_ms(bytes), edge).await;
    Ok(())
}

/// Waits until it is a caller's turn to have a long answer passed on, unread.
pub async fn before_passing<P: Platform>(caller: &str, bytes: usize, edge: &Edge<P>) {
    if is_work(bytes) {
        wait(caller, passing_ms(bytes), edge).await;
    }
}

/// Waits until it is a caller's turn to have a function's result parsed, if that is long.
pub async fn before_result<P: Platform>(caller: &str, bytes: usize, edge: &Edge<P>) {
    if is_work(bytes) {
        wait(caller, (bytes / BYTES_PARSED_IN_A_MS) as u64, edge).await;
    }
}

/// Waits until it is a caller's turn to have the signature of a long body checked.
pub async fn before_signature<P: Platform>(caller: &str, bytes: usize, edge: &Edge<P>) {
    wait(caller, (bytes / BYTES_SIGNED_IN_A_MS) as u64, edge).await;
}

/// Lets what has arrived for others go first, between two pieces of long work.
pub async fn give_way<P: Platform>(edge: &Edge<P>) {
    edge.platform.sleep(0).await;
}

/// Waits until it is a caller's turn to have a long query read, by the edge and by PostgREST.
pub async fn before_query<P: Platform>(caller: &str, work_ms: u64, edge: &Edge<P>) {
    wait(caller, work_ms, edge).await;
}

/// Waits until it is a caller's turn to begin a stream of a service.
pub async fn before_stream<P: Platform>(caller: &str, edge: &Edge<P>) {
    wait(caller, STREAM_MS, edge).await;
}

/// Books a piece of a service's stream after one of so many bytes, and gives the milliseconds until its turn.
pub fn until_piece<P: Platform>(caller: &str, last_bytes: usize, edge: &Edge<P>) -> u32 {
    let work_ms = PIECE_MS + (last_bytes / BYTES_READ_IN_A_MS) as u64;
    book(caller, work_ms, edge)
}

fn book<P: Platform>(caller: &str, work_ms: u64, edge: &Edge<P>) -> u32 {
    let now_ms = edge.platform.now_ms();
    edge.turns.borrow_mut().book(caller, work_ms, now_ms)
}

async fn wait<P: Platform>(caller: &str, work_ms: u64, edge: &Edge<P>) {
    let wait_ms = book(caller, work_ms, edge);
    if wait_ms > 0 {
        edge.platform.sleep(wait_ms).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_one_caller_go_apart_and_those_of_others_beside_them() {
        let mut turns = Turns::default();
        let waits: Vec<u32> = (0..14).map(|_| turns.book("a", 4, 1000)).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 8, 12]);
        assert_eq!(turns.book("b", 4, 1000), 0, "another caller");
        assert_eq!(turns.book("a", 4, 1010), 6, "ten milliseconds later");
        assert_eq!(turns.book("a", 4, 3000), 0, "all of it has passed");
    }

    #[test]
    fn a_piece_waits_the_longer_the_more_the_one_before_it_counted() {
        let mut turns = Turns::default();
        assert_eq!(turns.book("a", 100, 1000), 0);
        assert_eq!(turns.book("a", 1, 1000), 60);
        assert_eq!(turns.book("a", 1, 1000), 61);
    }

    #[test]
    fn nobody_waits_for_longer_than_the_longest_wait() {
        let mut turns = Turns::default();
        for _ in 0..10_000 {
            assert!(turns.book("a", 1000, 1000) <= 1000);
        }
        assert_eq!(turns.book("a", 1, 2040), 0, "nothing is owed for longer");
    }

    #[test]
    fn uploads_are_refused_only_beyond_what_ten_seconds_pass_on() {
        let mut turns = Turns::default();
        let mut booked = |now_ms| {
            let uploads = (0..300).map_while(|_| turns.book_upload("a", 50, now_ms));
            let waits: Vec<u32> = uploads.collect();
            (waits.len(), waits.last().copied())
        };
        assert_eq!(
            booked(1000),
            (200, Some(9910)),
            "the last one waits for its turn"
        );
        assert_eq!(booked(1000), (0, None));
        assert_eq!(booked(2000).0, 20, "a second later");
        assert_eq!(booked(20_000).0, 200, "all of it has passed");
        assert_eq!(
            turns.book_upload("b", 50, 1000),
            Some(0),
            "another caller does not wait"
        );
        assert_eq!(turns.book("a", 1, 1000), 0, "nor does other work");
    }

    #[test]
    fn an_upload_counts_by_its_bytes_between_the_fewest_and_the_most_milliseconds() {
        let bytes = [
            SMALL_BYTES + 1,
            128 * KB,
            128 * KB + 1,
            2048 * KB,
            50 * 1024 * KB,
        ];
        assert_eq!(bytes.map(upload_ms), [1, 2, 16, 32, 64]);
    }

    #[test]
    fn callers_are_bounded_and_those_whose_work_has_passed_are_forgotten_first() {
        let mut turns = Turns::default();
        assert_eq!(turns.book("busy", 1000, 1000), 0);
        for n in 0..3 * MAX_CALLERS as u64 {
            assert_eq!(turns.book(&n.to_string(), 1, 1000 + n / 100), 0);
            assert!(turns.work.0.len() <= MAX_CALLERS);
        }
        assert!(turns.book("busy", 1, 1300) > 0);
    }

    #[test]
    fn beyond_the_most_callers_those_who_have_work_booked_keep_their_turns() {
        let mut turns = Turns::default();
        for n in 0..=MAX_CALLERS {
            let caller = n.to_string();
            assert_eq!(turns.book(&caller, 1000, 1000), 0);
            assert_eq!(turns.book_upload(&caller, UPLOADS_AHEAD_MS, 1000), Some(0));
        }
        assert!(turns.book("0", 1, 1000) > 0);
        assert_eq!(turns.book_upload("0", 1, 1000), None);
        assert_eq!(turns.uploads.0.len(), MAX_CALLERS);
    }

    #[test]
    fn only_long_bodies_are_work() {
        assert!(!is_work(SMALL_BYTES));
        assert!(is_work(SMALL_BYTES + 1));
    }
}
