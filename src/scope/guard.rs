//! The coarse guard: the platform's rate limiter, if one is bound, is asked before anything goes upstream. The
//! database's own limits decide in the end.

use super::mint;
use crate::edge::{Admission, Edge, Platform, Request};
use crate::error::Error;
use crate::route::{Guard, Route};
use crate::verify::Caller;

/// Counts a request on its route, for its user or for its hashed address.
pub(super) async fn admit<P: Platform>(
    route: &Route,
    caller: &Caller,
    request: &Request<P::Body>,
    edge: &Edge<P>,
) -> Result<(), Error> {
    let who = || match caller.name() {
        Some(name) => Ok(format!("user {name}")),
        None => address(request, edge),
    };
    ask(route, who, edge).await
}

/// Counts a request with a bad token for its hashed address: checking signatures is expensive.
pub(crate) async fn count_refused<P: Platform>(
    route: &Route,
    request: &Request<P::Body>,
    edge: &Edge<P>,
) -> Result<(), Error> {
    ask(route, || address(request, edge), edge).await
}

fn address<P: Platform>(request: &Request<P::Body>, edge: &Edge<P>) -> Result<String, Error> {
    Ok(mint::address_hash(request, edge)?
        .map_or_else(|| "nobody".to_owned(), |hash| format!("addr {hash}")))
}

async fn ask<P: Platform>(
    route: &Route,
    who: impl FnOnce() -> Result<String, Error>,
    edge: &Edge<P>,
) -> Result<(), Error> {
    let Some(guard) = route.guard else {
        return Ok(());
    };
    let key = || Ok(format!("{} {} {}", route.method, route.pattern, who()?));
    match (edge.platform.admit(key).await?, guard) {
        (Admission::Granted, _) | (Admission::Unknown, Guard::FailOpen) => Ok(()),
        (Admission::Refused, _) => Err(Error::TooManyRequests),
        (Admission::Unknown, Guard::FailClosed) => Err(Error::LimiterUnavailable),
    }
}
