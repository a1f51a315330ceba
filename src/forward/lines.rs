//! A body of lines, read as it arrives: one call of the database for each batch of lines, one after the other.
//!
//! What has been stored stays stored. An error on the way says how far it got, and the client goes on from there.

use std::pin::pin;
use std::rc::Rc;

use futures_util::StreamExt as _;
use serde_json::{Map, Value};

use super::{Reply, result, share};
use crate::body::Flow;
use crate::error::Error;
use crate::formats::lines::Splitter;
use crate::isolate::{Edge, turns};
use crate::runtime::Platform;
use crate::scope::Lines;

/// Milliseconds after which a batch is sent although it is not full, so that the lines of a slow body are stored soon. Its age is
/// looked at when more of the body arrives: the lines of a client that pauses wait for its next bytes, at most `idle_ms`.
const MAX_BATCH_MS: u64 = 1000;

/// Stores the lines. The outcome is the sum of the calls' results, or the error that ended it.
pub(super) async fn send<P: Platform>(mut lines: Lines<P::Body>, edge: &Edge<P>) -> Reply<P::Body> {
    let mut done = Done::default();
    let body = lines.body.take();
    let outcome = match read(body, &lines, &mut done, edge).await {
        Ok(()) => Ok(done.progress()),
        Err(cause) => Err(Error::Interrupted {
            cause: Box::new(cause),
            progress: done.progress(),
        }),
    };
    Reply::Called {
        call: Rc::clone(&lines.call),
        incoming: lines.incoming,
        outcome,
    }
}

async fn read<P: Platform>(
    body: Option<Flow<P::Body>>,
    lines: &Lines<P::Body>,
    done: &mut Done,
    edge: &Edge<P>,
) -> Result<(), Error> {
    let sharer = lines.sharer();
    let _place = match &sharer {
        Some(sharer) => share::acquire_body(sharer, edge)?,
        None => None,
    };
    let mut held = edge.held();
    let mut splitter = Splitter::new(lines.line_limit);
    if let Some(Flow {
        stream,
        is_zipped,
        limit,
    }) = body
    {
        let idle_ms = edge.config.limits.upload_ms;
        let chunks = edge.platform.chunks(stream, is_zipped, limit, idle_ms);
        let mut chunks = pin!(chunks);
        let (mut length, mut due_bytes) = (0, 0);
        let mut begun_ms = edge.platform.now_ms();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|fault| Error::of_body(fault, limit))?;
            length += chunk.len();
            if length > limit {
                return Err(Error::BodyTooLarge { limit });
            }
            if let Some(sharer) = &sharer {
                due_bytes += chunk.len();
                turns::before_splitting(sharer.name(), &mut due_bytes, edge).await;
            }
            if !splitter.has_lines() {
                begun_ms = edge.platform.now_ms();
            }
            let mut rest = chunk.as_slice();
            loop {
                rest = splitter.take(rest);
                held.set(splitter.held_bytes())?;
                let is_old = begun_ms + MAX_BATCH_MS <= edge.platform.now_ms();
                let is_due = splitter.is_full() || is_old && splitter.has_lines();
                if !is_due {
                    break;
                }
                store(&mut splitter, lines, done, edge).await?;
                begun_ms = edge.platform.now_ms();
            }
        }
    }
    splitter.end_body();
    // A body without lines makes one call, too: the function says what it would have said about lines.
    if splitter.has_lines() || done.calls == 0 {
        store(&mut splitter, lines, done, edge).await?;
    }
    // Blank lines at the end are in no batch.
    done.reached(&splitter);
    Ok(())
}

/// Makes the call for a batch, and begins the next one.
async fn store<P: Platform>(
    splitter: &mut Splitter,
    lines: &Lines<P::Body>,
    done: &mut Done,
    edge: &Edge<P>,
) -> Result<(), Error> {
    let bytes = splitter.held_bytes();
    if turns::is_work(bytes)
        && let Some(sharer) = lines.sharer()
    {
        turns::before_lines(sharer.name(), bytes, edge).await;
    }
    let relay = lines.relay(&splitter.batch(), edge)?;
    add(&mut done.totals, result(relay, edge).await?);
    done.calls += 1;
    done.reached(splitter);
    splitter.next_batch();
    Ok(())
}

/// What has been stored.
#[derive(Default)]
struct Done {
    calls: usize,
    lines: u64,
    /// Bytes of the body, decompressed.
    offset: u64,
    totals: Value,
}

impl Done {
    fn reached(&mut self, splitter: &Splitter) {
        self.lines = splitter.line_count();
        self.offset = splitter.end();
    }

    /// The totals, with the lines and bytes of the body that have been stored.
    fn progress(&mut self) -> Value {
        let mut all = Map::new();
        match self.totals.take() {
            Value::Object(totals) => all = totals,
            Value::Null => {}
            other => {
                all.insert("result".into(), other);
            }
        }
        all.insert("lines".into(), self.lines.into());
        all.insert("offset".into(), self.offset.into());
        all.into()
    }
}

/// Adds a result to the totals: sums numbers, also those of objects inside. Of everything else the last one counts.
fn add(total: &mut Value, more: Value) {
    match (total, more) {
        (Value::Object(total), Value::Object(more)) => {
            for (name, value) in more {
                add(total.entry(name).or_insert(Value::Null), value);
            }
        }
        (total @ Value::Number(_), Value::Number(more)) => *total = sum(total, &more.into()),
        (total, more) => *total = more,
    }
}

fn sum(one: &Value, other: &Value) -> Value {
    let whole = one.as_i64().zip(other.as_i64());
    match whole.and_then(|(one, other)| one.checked_add(other)) {
        Some(sum) => sum.into(),
        None => (one.as_f64().unwrap_or_default() + other.as_f64().unwrap_or_default()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn results_are_summed_field_by_field() {
        let mut total = Value::Null;
        for more in [
            json!({"added": 2, "skipped": {"malformed": 1}, "session": "a", "cost": 0.5}),
            json!({"added": 3, "skipped": {"malformed": 1, "too_large": 4}, "session": "b", "cost": 1, "ids": [1]}),
            json!({"added": 0, "skipped": {}, "ids": [2]}),
        ] {
            add(&mut total, more);
        }
        assert_eq!(
            total,
            json!({"added": 5, "skipped": {"malformed": 2, "too_large": 4}, "session": "b", "cost": 1.5, "ids": [2]})
        );
    }

    #[test]
    fn a_sum_that_is_no_whole_number_of_64_bits_is_a_float() {
        assert_eq!(
            sum(&json!(i64::MAX), &json!(1)),
            json!(9.223_372_036_854_776e18)
        );
    }

    #[test]
    fn the_progress_has_the_totals_beside_the_position() {
        let done = |totals| {
            Done {
                totals,
                lines: 2,
                offset: 9,
                calls: 1,
            }
            .progress()
        };
        let position = json!({"lines": 2, "offset": 9});
        assert_eq!(done(Value::Null), position);
        assert_eq!(
            done(json!({"added": 1, "lines": 7})),
            json!({"added": 1, "lines": 2, "offset": 9})
        );
        assert_eq!(
            done(json!([1])),
            json!({"result": [1], "lines": 2, "offset": 9})
        );
    }
}
