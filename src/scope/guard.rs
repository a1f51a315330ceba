//! The coarse guard: the platform's rate limiter, if one is bound, is asked before anything goes upstream. The
//! database's own limits decide in the end.

use super::mint;
use crate::endpoint::{Guard, Route};
use crate::error::{Error, TOO_MANY_ATTEMPTS};
use crate::isolate::Edge;
use crate::message::Request;
use crate::runtime::{Admission, Platform};
use crate::verify::Caller;

/// Counts a request on its route, for its user or for its hashed address. A request with a bad token counts for its
/// address: checking signatures is expensive. One that is refused for another reason does not count.
pub(super) async fn admit<P: Platform>(
    route: &Route,
    caller: &Result<&Caller, Error>,
    request: &Request<P::Body>,
    edge: &Edge<P>,
) -> Result<(), Error> {
    let name = match caller {
        Ok(caller) => caller.name(),
        Err(Error::BadToken(_) | Error::BadApiToken) => None,
        Err(_) => return Ok(()),
    };
    let who = || match name {
        Some(name) => Ok(format!("user {name}")),
        None => address(request, edge),
    };
    ask(route, who, edge).await
}

fn address<P: Platform>(request: &Request<P::Body>, edge: &Edge<P>) -> Result<String, Error> {
    Ok(mint::address_hash(request, edge)?
        .map_or_else(|| "nobody".to_owned(), |hash| format!("addr {hash}")))
}

/// Counts an attempt to sign in: for the address, unless a server sends for many, and for the account, in this isolate; for the
/// account also at the platform's limiter.
///
/// # Errors
/// [`TOO_MANY_ATTEMPTS`]; [`Error::TooManyRequests`] of the platform's limiter.
pub(super) async fn count_attempt<P: Platform>(
    account: Option<&str>,
    caller: &Caller,
    request: &Request<P::Body>,
    edge: &Edge<P>,
) -> Result<(), Error> {
    let limits = &edge.config.limits;
    let now_ms = edge.platform.now_ms();
    let account = account.map(|name| mint::account_hash(name, edge));
    let account = account.transpose()?;
    let keys = [
        (caller.role() != "service_role")
            .then(|| address(request, edge))
            .transpose()?
            .map(|key| (key, limits.address_attempts)),
        account
            .clone()
            .map(|hash| (["account ", &hash].concat(), limits.account_attempts)),
    ];
    for (key, most) in keys.iter().flatten() {
        if !edge.attempts.borrow_mut().count(key, *most, now_ms) {
            return Err(Error::of(&TOO_MANY_ATTEMPTS));
        }
    }
    let Some(account) = account else {
        return Ok(());
    };
    match edge
        .platform
        .admit(|| Ok(format!("account {account}")))
        .await?
    {
        Admission::Refused => Err(Error::TooManyRequests),
        Admission::Granted | Admission::Unknown => Ok(()),
    }
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
