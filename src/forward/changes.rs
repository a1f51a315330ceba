//! Streams changes of rows to listeners, as server-sent events. Of all listeners of an isolate, the first whose timer finds that a poll
//! is due polls the database for all of them; the others find the answer in the isolate's state.

use std::pin::pin;
use std::rc::Rc;

use base64ct::{Base64UrlUnpadded, Encoding};
use futures_util::future::{Either, FutureExt as _, select};
use hmac::{Hmac, Mac};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::Sha256;

use super::parsed;
use crate::error::{Error, LISTENERS_EXCEEDED};
use crate::headers::Headers;
use crate::id;
use crate::isolate::changes::{Answer, Batch, Subscription, Unread};
use crate::isolate::{Edge, turns};
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
/// Events after which, between the answers for two groups, others go first.
const MAX_EVENTS_AT_ONCE: usize = 500;
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

/// What the database answers for one subscription.
#[derive(Deserialize)]
struct SubscriptionAnswer {
    /// Why its stream ends.
    end: Option<String>,
    position: Option<u64>,
    #[serde(default)]
    has_more: bool,
    #[serde(default)]
    events: Vec<Event>,
}

/// A change: what happened, the key of its row, when, and its position. There may be thousands: what is passed on is not read.
#[derive(Deserialize)]
struct Event(String, Box<RawValue>, Box<RawValue>, u64);

/// What a listener has missed.
struct Missed {
    position: u64,
    has_more: bool,
    /// Each with its position.
    events: Vec<(u64, String)>,
}

/// The arguments of `edge.changes`.
#[derive(Serialize)]
struct Query<'a> {
    subscriptions: Vec<SubscriptionQuery<'a>>,
    is_opening: bool,
}

/// One of the subscriptions: of a listener, or of a group.
#[derive(Serialize)]
struct SubscriptionQuery<'a> {
    claims: &'a Value,
    table: &'a str,
    since: Option<u64>,
}

fn query(subscription: &Subscription, since: Option<u64>) -> SubscriptionQuery<'_> {
    SubscriptionQuery {
        claims: &subscription.claims,
        table: &subscription.table,
        since,
    }
}

/// Asks the database, for a user and the user's request or for all.
async fn ask<P: Platform>(
    subscriptions: Vec<SubscriptionQuery<'_>>,
    is_opening: bool,
    user: Option<(&str, &str)>,
    edge: &Edge<P>,
) -> Result<Vec<SubscriptionAnswer>, Error> {
    let query = Query {
        subscriptions,
        is_opening,
    };
    let arguments = serde_json::to_string(&query).map_err(|_| Error::UpstreamFailed)?;
    drop(query);
    let mut relay = scope::own_call("changes", arguments, edge)?;
    if let Some((user, request_id)) = user {
        relay.sharer = Some(Sharer::Named(user.to_owned()));
        relay.request_id = Some(request_id.to_owned());
    }
    parsed(relay, MAX_ANSWER_BYTES, edge).await
}

/// Asks the database for one listener, within the user's share.
async fn read_alone<P: Platform>(
    subscription: &Subscription,
    since: Option<u64>,
    user: &str,
    request_id: &str,
    edge: &Edge<P>,
) -> Result<Missed, Error> {
    let queries = vec![query(subscription, since)];
    let answers = ask(queries, true, Some((user, request_id)), edge).await?;
    let answer = answers.into_iter().next().ok_or(Error::UpstreamFailed)?;
    let table = &subscription.table;
    let now_ms = edge.platform.now_ms();
    edge.changes.borrow_mut().end_failing(now_ms);
    missed(answer, table).map_err(|reason| {
        let line = json!({"event": "changes_failed", "reason": reason});
        edge.platform.log(&line.to_string());
        Error::UpstreamFailed
    })
}

/// The answer for one listener, with events as text; an error is the reason why its stream ends.
fn missed(answer: SubscriptionAnswer, table: &str) -> Result<Missed, String> {
    if let Some(reason) = answer.end {
        return Err(reason);
    }
    let table = Value::from(table).to_string();
    let events = answer.events.into_iter();
    let text = |Event(verb, key, at, position)| {
        let data = format_args!(r#"{{"table":{table},"key":{key},"at":{at}}}"#);
        (position, format!("event: {verb}\ndata: {data}\n\n"))
    };
    Ok(Missed {
        position: answer.position.unwrap_or_default(),
        has_more: answer.has_more,
        events: events.map(text).collect(),
    })
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
        let (mut has_polled, mut is_behind) = (false, false);
        loop {
            let may_poll = polls < edge.config.limits.listener_polls;
            let polls_now = may_poll && self.poll_for_all().await;
            // The one that polled last stays so while it writes in parts.
            has_polled = polls_now || is_behind && has_polled;
            is_behind = false;
            polls += usize::from(polls_now);
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
                let has_more = edge.changes.borrow().has_more(member.group, cursor);
                if has_more && !self.writer.is_gone() {
                    is_behind = true;
                    continue;
                }
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
        let queries = subscriptions.iter().map(|one| query(one, Some(one.since)));
        let answers = ask(queries.collect(), false, None, edge).await;
        let answers = match answers {
            Ok(answers) if answers.len() == subscriptions.len() => answers,
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
        let mut events_since_pause = 0;
        let mut all = Vec::with_capacity(subscriptions.len());
        for (subscription, answer) in subscriptions.into_iter().zip(answers) {
            let answer = match missed(answer, &subscription.table) {
                Err(reason) => Answer::End(reason),
                Ok(missed) => {
                    has_more |= missed.has_more;
                    events_since_pause += missed.events.len();
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
            if events_since_pause > MAX_EVENTS_AT_ONCE {
                events_since_pause = 0;
                turns::give_way(edge).await;
            }
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
