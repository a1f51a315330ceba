//! Answers that are made while they are sent: by a hook, or in pages. The work is none of the request's: it goes on when the client
//! hangs up, so that a hook can end what it has begun, and a call of the database keeps its place until it is answered.

use std::cell::{Cell, RefCell};
use std::pin::pin;

use futures_channel::oneshot;
use futures_util::Stream;
use futures_util::StreamExt as _;
use futures_util::future::{FutureExt as _, LocalBoxFuture, ready};
use http::StatusCode;
use serde_json::{Value, json};

use super::outside;
use crate::endpoint::{Incoming, StreamCall, StreamHook};
use crate::error::Error;
use crate::headers::Headers;
use crate::hooks::{Out, Services};
use crate::isolate::Edge;
use crate::message::{Body, KB, Response};
use crate::runtime::{Platform, Writer};
use crate::scope::Sharer;

/// Bytes of a page that a client has to take within the time for a client that takes nothing.
const WRITTEN_BYTES: usize = 64 * KB;

/// A body of pages, each of which is asked for when the client has taken the one before. It breaks off at an error. `place` is held
/// until its end.
///
/// # Errors
/// [`Error::Internal`].
pub(super) fn of_pages<P: Platform>(
    pages: impl Stream<Item = Result<Vec<u8>, Error>> + 'static,
    place: impl Sized + 'static,
    edge: &Edge<P>,
) -> Result<P::Body, Error> {
    let (body, writer) = edge.platform.pushed(edge.config.limits.upload_ms)?;
    let edge = edge.apart();
    let platform = edge.platform.clone();
    let work = async move {
        let _place = place;
        let mut pages = pin!(pages);
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    log_break(&error, &edge);
                    return writer.break_off();
                }
            };
            for piece in page.chunks(WRITTEN_BYTES) {
                if !writer.write(piece.to_vec()).await {
                    return;
                }
            }
        }
        writer.close().await;
    };
    platform.outlive(work.boxed_local());
    Ok(body)
}

/// Logs why an answer breaks off that has begun.
fn log_break<P: Platform>(error: &Error, edge: &Edge<P>) {
    let line = json!({
        "event": "stream_broke", "code": error.body().code, "error": error.name(),
        "message": error.internal_cause(),
    });
    edge.platform.log(&line.to_string());
}

/// Starts the hook, and answers with its head.
///
/// # Errors
/// The hook's, before it has given a head.
pub(super) async fn send<P: Platform>(
    hook: StreamHook,
    result: Value,
    incoming: Incoming,
    sharer: Option<Sharer>,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, Error> {
    let (body, writer) = edge.platform.pushed(edge.config.limits.upload_ms)?;
    let (head, answered) = oneshot::channel();
    let pushed = Pushed {
        head: RefCell::new(Some(head)),
        has_begun: Cell::new(false),
        writer,
    };
    let work = run(hook, result, incoming, sharer, edge.apart(), pushed);
    edge.platform.outlive(work.boxed_local());
    let answered = answered.await;
    let answer = answered.unwrap_or(Err(Error::Internal("a stream's hook is gone")))?;
    Ok(Response {
        status: answer.status,
        headers: answer.headers,
        body: match answer.body {
            Body::Stream(()) => Body::Stream(body),
            Body::Bytes(bytes) => Body::Bytes(bytes),
            Body::Empty | Body::Upload { .. } => Body::Empty,
        },
    })
}

/// Runs the hook to its end.
async fn run<P: Platform>(
    hook: StreamHook,
    result: Value,
    incoming: Incoming,
    sharer: Option<Sharer>,
    edge: Edge<P>,
    pushed: Pushed<P::Writer>,
) {
    let outside = outside::For {
        edge: &edge,
        sharer: sharer.as_ref(),
    };
    let outcome = hook(StreamCall {
        result,
        incoming,
        services: Services::new(&outside, &edge.config),
        out: &pushed,
    });
    let outcome = outcome.await;
    if pushed.has_begun.get() {
        if let Err(error) = outcome {
            log_break(&error, &edge);
        }
        pushed.writer.close().await;
    } else {
        let none = Error::Internal("a stream's hook has given no answer");
        pushed.send(Err(outcome.err().unwrap_or(none)));
    }
}

/// What the request waits for: an answer, whose body is a stream if the hook writes it.
type Answered = Result<Response<()>, Error>;

/// The answer as the hook sees it.
struct Pushed<W> {
    head: RefCell<Option<oneshot::Sender<Answered>>>,
    has_begun: Cell<bool>,
    writer: W,
}

impl<W> Pushed<W> {
    /// Answers, unless it has been done. Nobody may wait for it any more.
    fn send(&self, answer: Answered) -> bool {
        let head = self.head.take();
        head.is_some_and(|head| head.send(answer).is_ok())
    }
}

impl<W: Writer> Out for Pushed<W> {
    fn begin(&self, status: StatusCode, headers: Headers) {
        let sent = self.send(Ok(Response {
            status,
            headers,
            body: Body::Stream(()),
        }));
        if sent {
            self.has_begun.set(true);
        }
    }

    fn answer(&self, response: Response<()>) {
        self.send(Ok(response));
    }

    fn write(&self, bytes: Vec<u8>) -> LocalBoxFuture<'_, bool> {
        if self.has_begun.get() && !bytes.is_empty() {
            self.writer.write(bytes).boxed_local()
        } else {
            ready(self.has_begun.get() && !self.writer.is_gone()).boxed_local()
        }
    }

    fn watch(&self, signs: &[String]) {
        let has = |sign: &str| signs.iter().any(|one| one == sign);
        self.writer.watch(has("signal"), has("write"));
    }

    fn is_gone(&self) -> bool {
        self.writer.is_gone()
    }

    fn gone(&self) -> LocalBoxFuture<'_, ()> {
        self.writer.gone().boxed_local()
    }

    fn why_gone(&self) -> Option<&'static str> {
        self.writer.why_gone()
    }
}
