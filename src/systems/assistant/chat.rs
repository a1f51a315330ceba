//! A turn with a language model: asks the provider of the tenant, passes on each token as it comes, and settles what was used,
//! whatever becomes of the client, the provider and the database.

use std::mem;
use std::task::{Context, Poll};

use futures_util::future::{Either, LocalBoxFuture, poll_fn, select};
use futures_util::{FutureExt as _, StreamExt as _};
use http::StatusCode;

use super::errors::{PROVIDER_FAILED, PROVIDER_TIMEOUT};
use super::form::Form;
use super::provider::{self, Failure};
use super::said::{Part, Said, TooLong};
use super::turn::{Counted, Outcome, Stored, Turn};
use crate::endpoint::{Incoming, StreamCall};
use crate::error::{Error, Row};
use crate::hooks::{Out, Pieces, Services};
use crate::json::fields;
use crate::message::{ReadFault, json};

/// Milliseconds between the times that what was said is stored. After two minutes without one the database ends the turn.
const SAVE_MS: u32 = 5_000;
/// Milliseconds after a hang-up in which the provider may still say what was used. Cloudflare ends the work after 30 seconds.
const DRAIN_MS: u32 = 25_000;
/// The same after the end of an answer whose stream stays open.
const AFTER_END_MS: u64 = 5_000;
/// Milliseconds that an answer may take. Its reservation lasts longer.
const ANSWER_MS: u64 = 600_000;
/// Milliseconds after the provider's head in which an error is still answered with a status of its own, if no token comes before.
const FIRST_MS: u64 = 250;
/// Is sent to a client who has got nothing for a while: it holds the connection, and shows whether the client is still there.
const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// The form of an answer: of the turn, the request, and the time in seconds.
pub type FormOf = fn(&Turn, &Incoming, u64) -> Form;

/// Answers with what the provider says.
///
/// # Errors
/// Why there is no answer, or why it breaks off.
pub async fn answer(call: StreamCall<'_>, form_of: FormOf) -> Result<(), Error> {
    let StreamCall {
        result,
        incoming,
        services,
        out,
    } = call;
    let mut turn: Turn = fields(result).ok_or(Error::UpstreamFailed)?;
    turn.keep_order(&incoming);
    if let Some(signs) = &turn.watch {
        out.watch(signs);
    }
    let start_ms = services.now_ms();
    let form = form_of(&turn, &incoming, start_ms / 1000);
    drop(incoming);
    let mut said = Said::new();
    said.keeps_logprobs = matches!(form, Form::Object(_));
    let mut work = Work {
        turn: &turn,
        services,
        out,
        form,
        said,
        start_ms,
        first_token_ms: None,
        has_begun: false,
        is_hung_up: false,
        unsent: Vec::new(),
    };
    if let Some(stored) = &turn.stored {
        work.answer_again(stored).await;
        return Ok(());
    }
    let end = match work.ask().await {
        Some(Ok(pieces)) => work.pass_on(pieces).await,
        Some(Err(failure)) => failure.into(),
        None => End::named("hung_up"),
    };
    work.settle(end).await
}

/// How an answer ends.
struct End {
    /// The name that the database stores.
    name: &'static str,
    /// What the client gets of it, unless all is well.
    error: Option<Error>,
    note: Option<String>,
}

impl End {
    fn named(name: &'static str) -> Self {
        Self {
            name,
            error: None,
            note: None,
        }
    }

    fn with(name: &'static str, row: &'static Row, details: &'static str) -> Self {
        Self {
            name,
            error: Some(Error::with(row, details)),
            note: Some(details.to_owned()),
        }
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self {
            name: failure.end,
            error: Some(failure.error),
            note: failure.note,
        }
    }
}

/// What happens while an answer comes.
enum Event {
    /// A piece of the provider's answer, or its end.
    Piece(Option<Result<Vec<u8>, ReadFault>>),
    /// The client has taken what was written, or has gone.
    Written(bool),
    Gone,
    Tick,
}

/// What is waited for while an answer comes.
struct Waits<'a> {
    pieces: Pieces<'a>,
    /// None once the client has gone.
    gone: Option<LocalBoxFuture<'a, ()>>,
    tick: LocalBoxFuture<'a, ()>,
    writing: Option<LocalBoxFuture<'a, bool>>,
    saving: Option<LocalBoxFuture<'a, ()>>,
}

impl Waits<'_> {
    /// The next piece is read when the client has taken the one before.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        if let Some(gone) = &mut self.gone
            && gone.poll_unpin(context).is_ready()
        {
            return Poll::Ready(Event::Gone);
        }
        if let Some(writing) = &mut self.writing {
            if let Poll::Ready(is_there) = writing.poll_unpin(context) {
                return Poll::Ready(Event::Written(is_there));
            }
        } else if let Poll::Ready(piece) = self.pieces.poll_next_unpin(context) {
            return Poll::Ready(Event::Piece(piece));
        }
        if let Some(saving) = &mut self.saving
            && saving.poll_unpin(context).is_ready()
        {
            self.saving = None;
        }
        self.tick.poll_unpin(context).map(|()| Event::Tick)
    }
}

/// The work on an answer.
struct Work<'a> {
    turn: &'a Turn,
    services: Services<'a>,
    out: &'a dyn Out,
    form: Form,
    said: Said,
    start_ms: u64,
    first_token_ms: Option<u64>,
    /// Whether the head of a stream has been sent.
    has_begun: bool,
    /// Whether the client has gone before the answer was whole.
    is_hung_up: bool,
    /// What is still to be written.
    unsent: Vec<u8>,
}

impl<'a> Work<'a> {
    /// Asks the provider. Nothing if the client has gone and the provider does not answer for some time after it.
    async fn ask(&self) -> Option<Result<Pieces<'a>, Failure>> {
        let (turn, services) = (self.turn, self.services);
        let is_awaited = async {
            self.out.gone().await;
            services.sleep(turn.drain_ms.unwrap_or(DRAIN_MS)).await;
        };
        let saves = async {
            loop {
                services.sleep(turn.save_ms.unwrap_or(SAVE_MS)).await;
                turn.save(String::new(), services).await;
            }
        };
        let others = select(is_awaited.boxed_local(), saves.boxed_local());
        match select(provider::ask(turn, services).boxed_local(), others).await {
            Either::Left((asked, _)) => Some(asked),
            Either::Right(_) => None,
        }
    }

    /// Passes on an answer as it comes, until it ends.
    async fn pass_on(&mut self, pieces: Pieces<'a>) -> End {
        let save_ms = self.turn.save_ms.unwrap_or(SAVE_MS);
        let mut waits = Waits {
            pieces,
            gone: Some(self.out.gone()),
            tick: self.wait(FIRST_MS.min(save_ms.into())),
            writing: None,
            saving: None,
        };
        let mut deadline_ms = self.start_ms + ANSWER_MS;
        // Whether the end of the answer is being written, and whether the client has got it.
        let (mut is_ending, mut has_end) = (false, false);
        let mut is_quiet = true;
        let end = loop {
            let event = poll_fn(|context| waits.poll(context)).await;
            let now_ms = self.services.now_ms();
            match event {
                Event::Written(true) => {
                    waits.writing = None;
                    has_end |= is_ending;
                }
                Event::Gone | Event::Written(false) => {
                    waits.writing = None;
                    if waits.gone.take().is_some() {
                        self.is_hung_up = !has_end;
                        let drain_ms = self.turn.drain_ms.unwrap_or(DRAIN_MS);
                        deadline_ms = deadline_ms.min(now_ms + u64::from(drain_ms));
                        waits.tick = self.wait(deadline_ms.saturating_sub(now_ms));
                    }
                }
                Event::Tick => {
                    if now_ms >= deadline_ms {
                        break self.ended(Err(ReadFault::Slow));
                    }
                    if waits.saving.is_none() {
                        waits.saving = Some(self.save());
                    }
                    let is_waiting = waits.gone.is_some() && waits.writing.is_none();
                    if mem::replace(&mut is_quiet, true) && is_waiting && self.begin() {
                        waits.writing = Some(self.out.write(KEEP_ALIVE.to_vec()));
                    }
                    waits.tick = self.wait(u64::from(save_ms).min(deadline_ms - now_ms));
                }
                Event::Piece(piece) => {
                    let was_finished = self.said.finish_reason.is_some();
                    let read = self.read(piece);
                    let is_finished = self.said.finish_reason.is_some();
                    if is_finished && !was_finished {
                        deadline_ms = deadline_ms.min(now_ms + AFTER_END_MS);
                    }
                    if let Some(end) = read {
                        // An error that comes with the first tokens loses none of them.
                        if !self.said.is_empty() && waits.gone.is_some() {
                            self.begin();
                        }
                        break end;
                    }
                    if waits.gone.is_none() {
                        self.unsent.clear();
                        if is_finished && self.said.usage.is_some() {
                            break self.ended(Ok(()));
                        }
                    } else if !self.unsent.is_empty() && self.begin() {
                        is_quiet = false;
                        is_ending = is_finished;
                        let bytes = mem::take(&mut self.unsent);
                        waits.writing = Some(self.out.write(bytes));
                    }
                }
            }
        };
        // Two writes at once would be mixed.
        if let Some(writing) = waits.writing.take() {
            writing.await;
        }
        end
    }

    /// Reads a piece, and writes what the client gets of it into `unsent`. How the answer ends, if it does.
    fn read(&mut self, piece: Option<Result<Vec<u8>, ReadFault>>) -> Option<End> {
        let mut parts = Vec::new();
        let read = match piece {
            Some(Ok(bytes)) => match self.said.push(&bytes, &mut parts) {
                Ok(()) if self.said.is_done || self.said.error.is_some() => Some(Ok(())),
                Ok(()) => None,
                Err(TooLong) => Some(Err(ReadFault::TooLarge)),
            },
            Some(Err(fault)) => Some(Err(fault)),
            None => {
                self.said.end(&mut parts);
                Some(Ok(()))
            }
        };
        if !self.said.is_empty() && self.first_token_ms.is_none() {
            self.first_token_ms = Some(self.spent_ms());
        }
        self.add(parts);
        read.map(|read| self.ended(read))
    }

    fn add(&mut self, parts: Vec<Part>) {
        if let Form::Stream(stream) = &mut self.form {
            for part in parts {
                stream.part(part, &mut self.unsent);
            }
        }
    }

    /// How an answer ends of which no more is read.
    fn ended(&mut self, read: Result<(), ReadFault>) -> End {
        if self.is_hung_up {
            return End::named("hung_up");
        }
        if let Some(error) = &self.said.error {
            let mut end = End::from(provider::failed(error));
            if !self.said.is_empty() {
                end.name = "error";
            }
            return end;
        }
        if self.said.is_whole() {
            self.imply_finish_reason();
            return End::named("whole");
        }
        let failed = |name, details| End::with(name, &PROVIDER_FAILED, details);
        match read {
            Err(ReadFault::Slow) => {
                End::with("slow", &PROVIDER_TIMEOUT, "It said nothing for too long")
            }
            _ if !self.said.has_begun => failed("refused", "What it sent is no answer"),
            Err(ReadFault::TooLarge) => failed("cut", "Its answer is too long"),
            _ => failed("cut", "Its answer broke off"),
        }
    }

    /// Says why the answer ends, if the provider has not.
    fn imply_finish_reason(&mut self) {
        if self.said.finish_reason.is_none() {
            let has_calls = !self.said.tool_calls().is_empty();
            let reason = if has_calls { "tool_calls" } else { "stop" };
            self.said.finish_reason = Some(reason.to_owned());
            self.add(vec![Part {
                finish_reason: Some(reason.to_owned()),
                ..Part::default()
            }]);
        }
    }

    /// Sends the head of a stream, once. Whether the answer is a stream.
    fn begin(&mut self) -> bool {
        let Form::Stream(stream) = &self.form else {
            return false;
        };
        if !mem::replace(&mut self.has_begun, true) {
            let mut headers = stream.headers();
            self.turn.add_limits(&mut headers);
            self.out.begin(StatusCode::OK, headers);
        }
        true
    }

    fn spent_ms(&self) -> u64 {
        self.services.now_ms().saturating_sub(self.start_ms)
    }

    fn wait(&self, milliseconds: u64) -> LocalBoxFuture<'a, ()> {
        let services = self.services;
        let milliseconds = u32::try_from(milliseconds).unwrap_or(u32::MAX);
        async move { services.sleep(milliseconds).await }.boxed_local()
    }

    fn save(&self) -> LocalBoxFuture<'a, ()> {
        let (turn, services) = (self.turn, self.services);
        let content = self.said.text().to_owned();
        async move { turn.save(content, services).await }.boxed_local()
    }

    /// Ends the turn in the database, and the answer.
    async fn settle(mut self, end: End) -> Result<(), Error> {
        let (turn, services) = (self.turn, self.services);
        let ended = turn.ended(&Outcome {
            end: end.name,
            said: &self.said,
            latency_ms: self.spent_ms(),
            first_token_ms: self.first_token_ms,
            error: end.note,
            why_gone: self.out.why_gone(),
        });
        let error = end.error;
        let is_refused = error.is_some() && !self.has_begun;
        if is_refused || self.out.is_gone() {
            turn.end_with_retry(&ended, services).await;
            return error.map_or(Ok(()), Err);
        }
        // The client waits for one attempt only.
        let counted = turn.end(&ended, services).await;
        let is_settled = counted.is_ok();
        let counted = counted.unwrap_or_else(|_| Counted::unsettled(turn, &self.said));
        self.finish(end.name, error.as_ref(), &counted).await;
        if !is_settled {
            turn.end_with_retry(&ended, services).await;
        }
        error.map_or(Ok(()), Err)
    }

    /// Writes the end of the answer, or all of it if it is one object.
    async fn finish(&mut self, end: &str, error: Option<&Error>, counted: &Counted) {
        let (turn, said) = (self.turn, &self.said);
        match &mut self.form {
            Form::Stream(stream) => {
                stream.end(turn, said, (end, error), counted, &mut self.unsent);
                self.begin();
                self.out.write(mem::take(&mut self.unsent)).await;
            }
            Form::Object(make) => {
                let object = make(turn, self.start_ms / 1000, said, end, counted);
                let mut response = json(StatusCode::OK, &object);
                turn.add_limits(&mut response.headers);
                self.out.answer(response);
            }
        }
    }

    /// Gives the answer that is stored.
    async fn answer_again(&mut self, stored: &Stored) {
        let is_whole = stored.end == "whole";
        let implied = if is_whole { "stop" } else { "length" };
        let reason = stored.finish_reason.as_deref().unwrap_or(implied);
        let mut part = Part {
            finish_reason: Some(reason.to_owned()),
            ..Part::default()
        };
        part.delta
            .insert("content".into(), stored.content.as_str().into());
        self.said.content.clone_from(&stored.content);
        self.said.model.clone_from(&stored.model);
        self.said.finish_reason.clone_from(&part.finish_reason);
        self.add(vec![part]);
        self.finish(&stored.end, None, &stored.into()).await;
    }
}
