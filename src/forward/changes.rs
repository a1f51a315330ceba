//! Streams changes of rows to listeners, as server-sent events. Of all listeners of an isolate, the first whose timer finds that a poll
//! is due polls the database for all of them; the others find the answer in the isolate's state.

use std::pin::pin;
use std::rc::Rc;

use base64ct::{Base64UrlUnpadded, Encoding};
use futures_util::future::{Either, FutureExt as _, select};
use hmac::{Hmac, Mac};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{call_own_large, parsed};
use crate::error::{Error, LISTENERS_EXCEEDED};
use crate::headers::Headers;
use crate::id;
use crate::isolate::Edge;
use crate::isolate::changes::{Answer, Batch, Subscription, Unread};
use crate::message::{Body, Response};
use crate::runtime::{Platform, Writer};
use crate::scope::{self, Listener, Sharer};

/// The most bytes of an answer of the database.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// Milliseconds after which a quiet stream sends an id. A client that has closed its connection shows by the second of these writes.
const KEEP_ALIVE_MS: u64 = 5000;
/// Milliseconds without an answer of the database after which streams end: a client that connects again gets the error.
const MAX_FAILING_MS: u64 = 20_000;
/// Milliseconds after which a due poll shows that no listener is left that may poll.
const OVERDUE_MS: u64 = 3000;
/// Bytes of a cursor before it is sealed, and of the nonce.
const CURSOR_BYTES: usize = 8;
const NONCE_BYTES: usize = 12;

/// Begins a stream.
///
/// # Errors
/// 400 for a cursor of another table, or one that was not made here, 404 for a table without a change feed, 410 for a cursor that is too old, 429
/// for too many listeners.
pub(super) async fn send<P: Platform>(
    listener: Listener,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, Error> {
    let limits = &edge.config.limits;
    let slot = Slot::take(&listener.user, edge).ok_or(Error::of(&LISTENERS_EXCEEDED))?;
    let since = match &listener.since {
        None => None,
        Some((name, text)) => {
            let opened = unseal(text, &listener.table, edge).await;
            let wanted = "the id of an event of this table's changes, as it came";
            Some(opened.ok_or(Error::BadArgument {
                name: (*name).into(),
                wanted,
            })?)
        }
    };
    let table: Rc<str> = listener.table.as_str().into();
    let claims = Rc::new(listener.claims);
    let subscription = Subscription {
        group: [&listener.table, "\n", &claims.to_string()].concat().into(),
        claims,
        table,
        since: since.unwrap_or_default(),
    };
    let (user, request_id) = (&listener.user, &listener.request_id);
    let first = read_alone(&subscription, since, user, request_id, edge).await?;
    let mut response = Response {
        status: StatusCode::OK,
        headers: headers(),
        body: Body::Empty,
    };
    if listener.is_head {
        return Ok(response);
    }
    let (body, writer) = edge.platform.pushed(limits.upload_ms)?;
    response.body = Body::Stream(body);
    let stream = Stream {
        slot,
        subscription,
        user: listener.user,
        until_ms: listener.until_ms,
        request_id: listener.request_id,
        writer,
        edge: edge.apart(),
    };
    edge.platform.outlive(stream.run(first).boxed_local());
    Ok(response)
}

fn headers() -> Headers {
    let mut headers = Headers::new();
    let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
    headers.insert(CONTENT_TYPE, kind);
    let cache = HeaderValue::from_static("private, no-cache, no-store");
    headers.insert(CACHE_CONTROL, cache);
    // A buffer on the way would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers
}

/// What the database answers for one listener.
struct Missed {
    position: u64,
    has_more: bool,
    /// Each with its position.
    events: Vec<(u64, String)>,
}

/// Asks the database for one listener, within the user's share.
async fn read_alone<P: Platform>(
    subscription: &Subscription,
    since: Option<u64>,
    user: &str,
    request_id: &str,
    edge: &Edge<P>,
) -> Result<Missed, Error> {
    let (claims, table) = (&*subscription.claims, &*subscription.table);
    let subscriptions = json!([{"claims": claims, "table": table, "since": since}]);
    let arguments = json!({"subscriptions": subscriptions, "is_opening": true});
    let mut relay = scope::own_call("changes", arguments.to_string(), edge)?;
    relay.sharer = Some(Sharer::Named(user.to_owned()));
    relay.request_id = Some(request_id.to_owned());
    let answers = parsed(relay, MAX_ANSWER_BYTES, edge).await?;
    let now_ms = edge.platform.now_ms();
    edge.changes.borrow_mut().end_failing(now_ms);
    match answers.get(0).map(|answer| missed(answer, table)) {
        Some(Ok(missed)) => Ok(missed),
        _ => Err(Error::UpstreamFailed),
    }
}

/// Reads the answer for one listener; an error is the reason why its stream ends.
fn missed(answer: &Value, table: &str) -> Result<Missed, String> {
    if let Some(reason) = answer.get("end") {
        return Err(reason.as_str().unwrap_or_default().to_owned());
    }
    let position = answer.get("position").and_then(Value::as_u64);
    let events = answer.get("events").and_then(Value::as_array);
    let events = events.into_iter().flatten();
    Ok(Missed {
        position: position.unwrap_or_default(),
        has_more: answer.get("has_more").and_then(Value::as_bool) == Some(true),
        events: events.filter_map(|event| event_of(event, table)).collect(),
    })
}

/// An event as text, and its position.
fn event_of(event: &Value, table: &str) -> Option<(u64, String)> {
    let verb = event.get(0)?.as_str()?;
    let data = json!({"table": table, "key": event.get(1)?, "at": event.get(2)?});
    Some((
        event.get(3)?.as_u64()?,
        format!("event: {verb}\ndata: {data}\n\n"),
    ))
}

/// One of the listeners that its isolate and its user may have, until it is dropped.
struct Slot<P: Platform> {
    user: String,
    edge: Edge<P>,
}

impl<P: Platform> Slot<P> {
    fn take(user: &str, edge: &Edge<P>) -> Option<Self> {
        let limits = &edge.config.limits;
        let mut changes = edge.changes.borrow_mut();
        if changes.is_full(user, limits.listeners, limits.user_listeners) {
            return None;
        }
        changes.add_listener(user);
        drop(changes);
        Some(Self {
            user: user.to_owned(),
            edge: edge.clone(),
        })
    }
}

impl<P: Platform> Drop for Slot<P> {
    fn drop(&mut self) {
        self.edge.changes.borrow_mut().remove_listener(&self.user);
    }
}

/// A listener of a group, until it is dropped.
struct Member<'a, P: Platform> {
    group: &'a Rc<str>,
    edge: &'a Edge<P>,
    /// What it has had when it joined.
    position: u64,
}

impl<P: Platform> Drop for Member<'_, P> {
    fn drop(&mut self) {
        self.edge.changes.borrow_mut().leave(self.group);
    }
}

/// The end of a stream: its reason, or none if the client has gone.
type End = Option<Rc<str>>;

/// A stream that is open.
struct Stream<P: Platform> {
    slot: Slot<P>,
    subscription: Subscription,
    user: String,
    until_ms: u64,
    request_id: String,
    writer: P::Writer,
    edge: Edge<P>,
}

impl<P: Platform> Stream<P> {
    async fn run(self, first: Missed) {
        if let Some(reason) = self.stream(first).await {
            let end = format!("event: end\ndata: {}\n\n", json!({ "reason": &*reason }));
            self.write(end).await;
        }
        self.writer.close().await;
        drop(self.slot);
    }

    async fn stream(&self, first: Missed) -> End {
        // The database was asked once before the stream began.
        let mut polls = 1;
        match self.catch_up(first, &mut polls).await {
            Ok(member) => self.follow(&member, polls).await,
            Err(end) => end,
        }
    }

    /// Writes what the listener has missed, in parts, until it can join the others.
    async fn catch_up(&self, mut missed: Missed, polls: &mut usize) -> Result<Member<'_, P>, End> {
        let edge = &self.edge;
        let subscription = &self.subscription;
        let mut text = String::from("retry: 1000\n");
        if missed.events.is_empty() {
            self.push_id(&mut text, missed.position).await;
        }
        let data = json!({ "table": &*subscription.table });
        let ready = format!("event: ready\ndata: {data}\n\n");
        text.push_str(&ready);
        loop {
            self.push_events(&mut text, &missed).await;
            self.write(std::mem::take(&mut text)).await;
            // The rest is not read for nobody.
            if self.writer.is_gone() {
                return Err(None);
            }
            let Subscription {
                group,
                claims,
                table,
                ..
            } = subscription;
            let position = missed.position;
            let has_joined = !missed.has_more
                && edge
                    .changes
                    .borrow_mut()
                    .join(group, claims, table, position);
            if has_joined {
                return Ok(Member {
                    group,
                    edge,
                    position,
                });
            }
            if edge.platform.now_ms() >= self.until_ms {
                return Err(Some("expired".into()));
            }
            *polls += 1;
            let (user, request_id) = (&self.user, &self.request_id);
            let next = read_alone(subscription, Some(position), user, request_id, edge).await;
            match next {
                Ok(next) if *polls <= edge.config.limits.listener_polls => missed = next,
                // A client that connects again gets the error.
                _ => return Err(Some("again".into())),
            }
        }
    }

    /// Writes what polls find, until the stream ends.
    async fn follow(&self, member: &Member<'_, P>, mut polls: usize) -> End {
        let edge = &self.edge;
        let mut cursor = member.position;
        let mut text = String::new();
        let mut written_ms = edge.platform.now_ms();
        loop {
            let may_poll = polls < edge.config.limits.listener_polls;
            let has_polled = may_poll && self.poll_for_all().await;
            polls += usize::from(has_polled);
            let now_ms = edge.platform.now_ms();
            if now_ms >= self.until_ms {
                return Some("expired".into());
            }
            let before = cursor;
            let unread = edge.changes.borrow().unread(member.group, &mut cursor);
            match unread {
                Unread::Batches(batches) => {
                    for batch in batches {
                        push_batch(&mut text, &batch, before);
                    }
                }
                Unread::Behind => return Some("again".into()),
                Unread::End(reason) => return Some(reason),
            }
            if text.is_empty() && now_ms >= written_ms + KEEP_ALIVE_MS {
                text.push_str(":\n");
                self.push_id(&mut text, cursor).await;
                text.push('\n');
            }
            if !text.is_empty() {
                written_ms = now_ms;
                // If the client does not take it, the pause ends at once.
                self.write(std::mem::take(&mut text)).await;
            }
            let (pause_ms, failing_ms, overdue_ms) = {
                let changes = edge.changes.borrow();
                (
                    changes.pause_ms(has_polled, now_ms),
                    changes.failing_ms(now_ms),
                    changes.overdue_ms(now_ms),
                )
            };
            if failing_ms > MAX_FAILING_MS || !may_poll && overdue_ms > OVERDUE_MS {
                return Some("again".into());
            }
            let left_ms = self.until_ms.saturating_sub(now_ms);
            let pause_ms = pause_ms.min(u32::try_from(left_ms).unwrap_or(u32::MAX));
            let pause = pin!(edge.platform.sleep(pause_ms));
            let gone = pin!(self.writer.gone());
            if let Either::Right(_) = select(pause, gone).await {
                return None;
            }
        }
    }

    /// Polls the database for all listeners, if that is due and nobody does it. Whether it did.
    async fn poll_for_all(&self) -> bool {
        let edge = &self.edge;
        let now_ms = edge.platform.now_ms();
        let subscriptions = edge.changes.borrow_mut().start_poll(now_ms);
        let Some(subscriptions) = subscriptions else {
            return false;
        };
        let list = subscriptions
            .iter()
            .map(|one| json!({"claims": &*one.claims, "table": &*one.table, "since": one.since}));
        let arguments = json!({"subscriptions": list.collect::<Vec<_>>()});
        let answers = call_own_large("changes", &arguments, MAX_ANSWER_BYTES, edge).await;
        let answers = match answers {
            Ok(Value::Array(answers)) if answers.len() == subscriptions.len() => answers,
            other => {
                let code = other.err().map(|error| error.body().code);
                let line = json!({"event": "changes_failed", "code": code});
                edge.platform.log(&line.to_string());
                let now_ms = edge.platform.now_ms();
                edge.changes.borrow_mut().fail_poll(now_ms);
                return true;
            }
        };
        let mut has_more = false;
        let mut all = Vec::with_capacity(subscriptions.len());
        for (subscription, answer) in subscriptions.into_iter().zip(&answers) {
            let answer = match missed(answer, &subscription.table) {
                Err(reason) => Answer::End(reason),
                Ok(missed) => {
                    has_more |= missed.has_more;
                    let position = missed.position;
                    let batch = if missed.events.is_empty() {
                        None
                    } else {
                        let id = seal(position, &subscription.table, edge).await;
                        let at_ms = edge.platform.now_ms();
                        let id = id.unwrap_or_default();
                        Some(Batch::new(position, id, missed.events, at_ms))
                    };
                    Answer::Read { position, batch }
                }
            };
            all.push((subscription, answer));
        }
        let now_ms = edge.platform.now_ms();
        edge.changes.borrow_mut().finish_poll(all, has_more, now_ms);
        true
    }

    /// A client that does not take it counts as gone from then on.
    async fn write(&self, text: String) {
        self.writer.write(text.into_bytes()).await;
    }

    async fn push_id(&self, text: &mut String, cursor: u64) {
        if let Some(id) = seal(cursor, &self.subscription.table, &self.edge).await {
            text.push_str("id: ");
            text.push_str(&id);
            text.push('\n');
        }
    }

    async fn push_events(&self, text: &mut String, missed: &Missed) {
        let Some(((_, last), others)) = missed.events.split_last() else {
            return;
        };
        for (_, event) in others {
            text.push_str(event);
        }
        self.push_id(text, missed.position).await;
        text.push_str(last);
    }
}

/// The events that a listener has not had yet. Only the last one has an id: after a cut in between they all come again.
fn push_batch(text: &mut String, batch: &Batch, cursor: u64) {
    let new = batch
        .events
        .iter()
        .filter(|(position, _)| *position > cursor);
    let mut new = new.peekable();
    while let Some((_, event)) = new.next() {
        if new.peek().is_none() && !batch.id.is_empty() {
            text.push_str("id: ");
            text.push_str(&batch.id);
            text.push('\n');
        }
        text.push_str(event);
    }
}

/// A cursor as clients get it. It is sealed: a position shows when anybody last wrote.
async fn seal<P: Platform>(cursor: u64, table: &str, edge: &Edge<P>) -> Option<String> {
    let nonce: [u8; NONCE_BYTES] = id::random().ok()?;
    let key = key(edge)?;
    let data = cursor.to_be_bytes();
    let sealed = edge
        .platform
        .encrypt(&key, &nonce, table.as_bytes(), &data)
        .await?;
    Some(Base64UrlUnpadded::encode_string(
        &[nonce.as_slice(), &sealed].concat(),
    ))
}

/// The cursor of a client; none if it is not one of this table.
async fn unseal<P: Platform>(text: &str, table: &str, edge: &Edge<P>) -> Option<u64> {
    let bytes = Base64UrlUnpadded::decode_vec(text).ok()?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES)?;
    let key = key(edge)?;
    let data = edge
        .platform
        .decrypt(&key, nonce, table.as_bytes(), sealed)
        .await?;
    let cursor: [u8; CURSOR_BYTES] = data.try_into().ok()?;
    Some(u64::from_be_bytes(cursor))
}

/// The key of cursors, which all isolates derive from the signing key.
fn key<P: Platform>(edge: &Edge<P>) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(edge.config.signing_key.bytes()).ok()?;
    mac.update(b"rowgate cursors of changes");
    Some(mac.finalize().into_bytes().into())
}
