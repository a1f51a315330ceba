//! Scope: turns a route, a caller and a request into the one upstream request that they allow, or refuses.
//!
//! The upstream request is rebuilt from parsed parts: nothing of the client's request is passed on by default.

mod arguments;
mod cached;
mod call;
mod changes;
mod conditions;
mod device;
mod document;
mod export;
pub mod form_timestamp;
mod grammar;
mod guard;
mod headers;
mod lines;
mod mint;
mod pages;
mod prefer;
mod query;
mod relay;
pub mod replica;
mod seal;
mod service;
mod turnstile;
mod work;

use futures_util::future::FutureExt as _;

use crate::body::{self, read_all};
use crate::endpoint::Action;
use crate::error::Error;
use crate::isolate::{Edge, turns};
use crate::message::Request;
use crate::route::Matched;
use crate::runtime::Platform;
use crate::verify::{Caller, own};

pub(crate) use cached::Rule;
pub(crate) use changes::Listener;
pub(crate) use export::Pages;
pub(crate) use lines::Lines;
pub(crate) use mint::is_made_here;
pub(crate) use pages::Paged;
pub(crate) use service::Handed;
pub use service::message;
pub use work::Scoped;
pub(crate) use work::{Relay, Sharer, Work, sharer_of_refusal};

/// Rules that tests and fuzz targets check a second time.
#[cfg(any(test, fuzzing))]
pub(crate) mod rules {
    pub(crate) use super::prefer::{Counts, Effect, rewrite as preferences};
    pub(crate) use super::query::Query;
    pub(crate) use super::relay::name;
}

#[cfg(test)]
mod tests;

/// Narrows a request to what its route and its caller allow. Without a caller it counts the refused request, and gives
/// the error.
///
/// # Errors
/// The error of `caller`; 400, 403, 404, 406, 408, 412 to 415, 422, 426, 429, 501 and 503, each with what to do about it.
pub async fn narrow<P: Platform>(
    matched: &Matched<'_>,
    caller: Result<&Caller, Error>,
    mut request: Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Scoped<P::Body>, Error> {
    let admitted = guard::admit(matched.route, &caller, &request, edge).await;
    let caller = match caller {
        Ok(caller) => caller,
        Err(error) => return Err(admitted.err().unwrap_or(error)),
    };
    let admitted = admitted.and_then(|()| edge.config.require(&matched.route.requires));
    if let Err(error) = admitted {
        let Action::Call(call) = &matched.route.action else {
            return Err(error);
        };
        let work = call::refuse(call, matched, caller, request, error, edge).await;
        return Ok(Scoped { work, writer: None });
    }
    let mut writer = replica::writer(caller, &request.method, edge);
    let work = match &matched.route.action {
        Action::Page(page) => {
            let incoming = call::incoming(matched, caller, &request, edge);
            Work::Local(page(&incoming, &edge.config)?)
        }
        Action::Body(answer) => {
            let mut incoming = call::incoming(matched, caller, &request, edge);
            let limit = body::limit(matched.route, edge);
            incoming.body = read_all(&mut request, limit, edge).await?.into();
            in_turn(incoming.body.len(), caller, &request, edge).await;
            Work::Local(answer(&incoming, &edge.config)?)
        }
        Action::Ready => {
            let token = own::token(edge)?;
            let ask = |address: &str| {
                let nothing = "{}".to_owned();
                call::build(address, "edge", "ready", nothing, &token, &request.id, edge)
            };
            let address = edge.config.postgrest_read_url.as_deref();
            let mut replica = address.map(ask).transpose()?;
            if let Some(question) = &mut replica {
                replica::accept_behind(&mut question.headers);
            }
            Work::Ready {
                database: ask(&edge.config.postgrest_url)?,
                replica,
            }
        }
        Action::Document(document) => Work::Document {
            document,
            more: document::prepare(document, caller, &request, edge)?,
        },
        Action::Changes => Work::Changes(Box::new(changes::listener(caller, &request)?)),
        Action::Relation | Action::Function => {
            relay::rebuild(matched, caller, request, edge).await?
        }
        Action::Call(call) => call::prepare(call, matched, caller, request, edge).await?,
        Action::Service { service, attempts } => {
            let counts = *attempts;
            let handed = service::hand_on(*service, counts, caller, request, edge);
            Work::Service(Box::new(handed.boxed_local().await?))
        }
        Action::Export(export) => {
            Work::Export(Box::new(export::prepare(export, caller, request, edge)?))
        }
    };
    if matches!(work, Work::Refused { .. }) {
        // Nothing is written.
        writer = None;
    }
    Ok(Scoped { work, writer })
}

/// Waits until it is the caller's turn to have a long body worked on; servers have no turns.
async fn in_turn<P: Platform>(
    bytes: usize,
    caller: &Caller,
    request: &Request<P::Body>,
    edge: &Edge<P>,
) {
    if turns::is_work(bytes)
        && let Some(sharer) = work::sharer(caller, request.address)
    {
        let turn = turns::before_body(sharer.name(), bytes, edge);
        turn.boxed_local().await;
    }
}

/// A call of a function in the edge's own name, without a request behind it.
///
/// # Errors
/// [`Error::Internal`] if the call cannot be built.
pub(crate) fn own_call<P: Platform>(
    function: &str,
    arguments: String,
    edge: &Edge<P>,
) -> Result<Relay<P::Body>, Error> {
    let outgoing = call::own(function, arguments, &edge.next_id()?, edge)?;
    Ok(Relay::plain(outgoing))
}
