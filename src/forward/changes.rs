//! Tells listeners of changed rows, as server-sent events. Of all listeners of an isolate, the first whose timer finds that a
//! question is due asks the database for all of them; the others find its answer in the isolate's state.

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
use crate::isolate::changes::{Answer, Ask, News, Said};
use crate::message::{Body, Response};
use crate::runtime::{Platform, Writer};
use crate::scope::{self, Listener, Sharer};

/// The most bytes of an answer of the database.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// Milliseconds after which a quiet stream says that it is there. A client that has closed its connection shows by the second of these
/// writes.
const KEEP_ALIVE_MS: u64 = 5000;
/// Questions that one request may ask for all: Cloudflare counts the requests that each causes.
const MAX_QUESTIONS: u32 = 800;
/// Milliseconds without an answer of the database after which streams end: who connects again gets the error.
const MAX_FAILING_MS: u64 = 20_000;
/// Milliseconds after which nobody else asks any more, if a question is due for so long.
const OVERDUE_MS: u64 = 3000;
/// Bytes of a cursor before it is sealed, and of the nonce.
const CURSOR_BYTES: usize = 8;
const NONCE_BYTES: usize = 12;

/// Begins a stream.
///
/// # Errors
/// 400 for a cursor that is none of this table, 404 for a table whose changes are not told, 410 for a cursor that is too old, 429
/// for too many listeners.
pub(super) async fn send<P: Platform>(
    listener: Listener,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, Error> {
    let limits = &edge.config.limits;
    let place = Place::take(&listener.user, edge).ok_or(Error::of(&LISTENERS_EXCEEDED))?;
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
    let ask = Ask {
        group: [&listener.table, "\n", &claims.to_string()].concat().into(),
        claims,
        table,
        since: since.unwrap_or_default(),
    };
    let begun = begin(&ask, since, &listener.user, &listener.request_id, edge).await?;
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
        place,
        ask,
        user: listener.user,
        until_ms: listener.until_ms,
        request_id: listener.request_id,
        writer,
        edge: edge.clone(),
    };
    edge.platform.outlive(stream.run(begun).boxed_local());
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

/// What a question gives.
struct Begun {
    to: u64,
    more: bool,
    events: Vec<(u64, String)>,
}

/// Asks for one listener, within the user's share.
async fn begin<P: Platform>(
    ask: &Ask,
    since: Option<u64>,
    user: &str,
    request_id: &str,
    edge: &Edge<P>,
) -> Result<Begun, Error> {
    let asks = json!([{"claims": &*ask.claims, "table": &*ask.table, "since": since}]);
    let arguments = json!({"asks": asks, "begins": true});
    let mut relay = scope::own_call("changes", arguments.to_string(), edge)?;
    relay.sharer = Some(Sharer::User(user.to_owned()));
    relay.request_id = Some(request_id.to_owned());
    let answers = parsed(relay, MAX_ANSWER_BYTES, edge).await?;
    match answers.get(0).map(|answer| read(answer, &ask.table)) {
        Some(Ok(begun)) => Ok(begun),
        _ => Err(Error::UpstreamFailed),
    }
}

/// Reads the answer for one listener; an error is the reason why it is over.
fn read(answer: &Value, table: &str) -> Result<Begun, String> {
    if let Some(why) = answer.get("end") {
        return Err(why.as_str().unwrap_or_default().to_owned());
    }
    let events = answer.get("events").and_then(Value::as_array);
    let events = events.into_iter().flatten();
    Ok(Begun {
        to: answer.get("to").and_then(Value::as_u64).unwrap_or_default(),
        more: answer.get("more").and_then(Value::as_bool) == Some(true),
        events: events.filter_map(|event| event_of(event, table)).collect(),
    })
}

/// An event as text, and its stamp.
fn event_of(event: &Value, table: &str) -> Option<(u64, String)> {
    let verb = event.get(0)?.as_str()?;
    let data = json!({"table": table, "key": event.get(1)?, "at": event.get(2)?});
    Some((
        event.get(3)?.as_u64()?,
        format!("event: {verb}\ndata: {data}\n\n"),
    ))
}

/// The place of a listener among those of its isolate and its user, until it is dropped.
struct Place<P: Platform> {
    user: String,
    edge: Edge<P>,
}

impl<P: Platform> Place<P> {
    fn take(user: &str, edge: &Edge<P>) -> Option<Self> {
        let limits = &edge.config.limits;
        let mut changes = edge.changes.borrow_mut();
        if changes.is_full(user, limits.listeners, limits.user_listeners) {
            return None;
        }
        changes.count(user);
        drop(changes);
        Some(Self {
            user: user.to_owned(),
            edge: edge.clone(),
        })
    }
}

impl<P: Platform> Drop for Place<P> {
    fn drop(&mut self) {
        self.edge.changes.borrow_mut().discount(&self.user);
    }
}

/// A listener's place in its group, until it is dropped.
struct Member<'a, P: Platform> {
    group: &'a Rc<str>,
    edge: &'a Edge<P>,
}

impl<P: Platform> Drop for Member<'_, P> {
    fn drop(&mut self) {
        self.edge.changes.borrow_mut().leave(self.group);
    }
}

/// A stream that is open.
struct Stream<P: Platform> {
    place: Place<P>,
    ask: Ask,
    user: String,
    until_ms: u64,
    request_id: String,
    writer: P::Writer,
    edge: Edge<P>,
}

impl<P: Platform> Stream<P> {
    async fn run(self, begun: Begun) {
        let why = self.tell(begun).await;
        if let Some(why) = why {
            let end = format!("event: end\ndata: {}\n\n", json!({ "reason": &*why }));
            self.write(end).await;
        }
        self.writer.close().await;
        drop(self.place);
    }

    /// Tells everything until the stream is over, and gives the reason; none if the client has gone.
    async fn tell(&self, mut begun: Begun) -> Option<Rc<str>> {
        let edge = &self.edge;
        let ready = format!(
            "event: ready\ndata: {}\n\n",
            json!({ "table": &*self.ask.table })
        );
        let mut text = String::from("retry: 1000\n");
        if begun.events.is_empty() {
            self.push_id(&mut text, begun.to).await;
        }
        text.push_str(&ready);
        let _member = loop {
            self.push_events(&mut text, &begun).await;
            if !self.write(std::mem::take(&mut text)).await {
                return None;
            }
            let joined = !begun.more
                && edge.changes.borrow_mut().join(
                    &self.ask.group,
                    &self.ask.claims,
                    &self.ask.table,
                    begun.to,
                );
            if joined {
                break Member {
                    group: &self.ask.group,
                    edge,
                };
            }
            let more = begin(
                &self.ask,
                Some(begun.to),
                &self.user,
                &self.request_id,
                edge,
            );
            match more.await {
                Ok(next) => begun = next,
                // Who connects again gets the error.
                Err(_) => return Some("again".into()),
            }
        };
        let mut cursor = begun.to;
        let mut questions = 0;
        let mut written_ms = edge.platform.now_ms();
        loop {
            let has_asked = self.ask_for_all(&mut questions).await;
            let now_ms = edge.platform.now_ms();
            if now_ms >= self.until_ms {
                return Some("expired".into());
            }
            let before = cursor;
            let news = edge.changes.borrow().news(&self.ask.group, &mut cursor);
            match news {
                News::Said(said) => {
                    for said in said {
                        push_said(&mut text, &said, before);
                    }
                }
                News::Behind => return Some("again".into()),
                News::End(why) => return Some(why),
            }
            if text.is_empty() && now_ms >= written_ms + KEEP_ALIVE_MS {
                text.push_str(":\n");
                self.push_id(&mut text, cursor).await;
                text.push('\n');
            }
            if !text.is_empty() {
                written_ms = now_ms;
                if !self.write(std::mem::take(&mut text)).await {
                    return None;
                }
            }
            let (pause_ms, failing_ms, overdue_ms) = {
                let changes = edge.changes.borrow();
                (
                    changes.pause_ms(has_asked, now_ms),
                    changes.failing_ms(now_ms),
                    changes.overdue_ms(now_ms),
                )
            };
            if failing_ms > MAX_FAILING_MS || questions >= MAX_QUESTIONS && overdue_ms > OVERDUE_MS
            {
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

    /// Asks the database for all listeners, if that is due and nobody does it. Whether it did.
    async fn ask_for_all(&self, questions: &mut u32) -> bool {
        if *questions >= MAX_QUESTIONS {
            return false;
        }
        let edge = &self.edge;
        let now_ms = edge.platform.now_ms();
        let asks = edge.changes.borrow_mut().begin(now_ms);
        let Some(asks) = asks else { return false };
        *questions += 1;
        let list = asks
            .iter()
            .map(|ask| json!({"claims": &*ask.claims, "table": &*ask.table, "since": ask.since}));
        let arguments = json!({"asks": list.collect::<Vec<_>>()});
        let answers = call_own_large("changes", &arguments, MAX_ANSWER_BYTES, edge).await;
        let answers = match answers {
            Ok(Value::Array(answers)) if answers.len() == asks.len() => answers,
            other => {
                let code = other.err().map(|error| error.body().code);
                let line = json!({"event": "changes_failed", "code": code});
                edge.platform.log(&line.to_string());
                let now_ms = edge.platform.now_ms();
                edge.changes.borrow_mut().fail(now_ms);
                return true;
            }
        };
        let mut more = false;
        let mut all = Vec::with_capacity(asks.len());
        for (ask, answer) in asks.into_iter().zip(&answers) {
            let answer = match read(answer, &ask.table) {
                Err(why) => Answer::End(why),
                Ok(begun) => {
                    more |= begun.more;
                    let to = begun.to;
                    let said = if begun.events.is_empty() {
                        None
                    } else {
                        let id = seal(to, &ask.table, edge).await.unwrap_or_default();
                        let at_ms = edge.platform.now_ms();
                        Some(Said::new(to, id, begun.events, at_ms))
                    };
                    Answer::Said { to, said }
                }
            };
            all.push((ask, answer));
        }
        let now_ms = edge.platform.now_ms();
        edge.changes.borrow_mut().end(all, more, now_ms);
        true
    }

    async fn write(&self, text: String) -> bool {
        self.writer.write(text.into_bytes()).await
    }

    async fn push_id(&self, text: &mut String, cursor: u64) {
        if let Some(id) = seal(cursor, &self.ask.table, &self.edge).await {
            text.push_str("id: ");
            text.push_str(&id);
            text.push('\n');
        }
    }

    async fn push_events(&self, text: &mut String, begun: &Begun) {
        let Some(((_, last), others)) = begun.events.split_last() else {
            return;
        };
        for (_, event) in others {
            text.push_str(event);
        }
        self.push_id(text, begun.to).await;
        text.push_str(last);
    }
}

/// The events that a listener has not had yet. Only the last one has an id: after a cut in between they all come again.
fn push_said(text: &mut String, said: &Said, cursor: u64) {
    let new = said.events.iter().filter(|(stamp, _)| *stamp > cursor);
    let mut new = new.peekable();
    while let Some((_, event)) = new.next() {
        if new.peek().is_none() && !said.id.is_empty() {
            text.push_str("id: ");
            text.push_str(&said.id);
            text.push('\n');
        }
        text.push_str(event);
    }
}

/// A cursor as clients get it. It is sealed: it tells when anybody last changed something.
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
