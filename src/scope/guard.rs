//! The coarse guard: the platform's rate limiter, if one is bound, is asked before anything goes upstream. The
//! database's own limits decide in the end.

use super::mint;
use crate::endpoint::{Guard, Route};
use crate::error::{Error, TOO_MANY_ATTEMPTS};
use crate::isolate::Edge;
use crate::message::Request;
use crate::runtime::{Admission, Platform};
use crate::verify::Caller;

/// As many addresses as this may guess, with all of their attempts, codes that name no account.
const NAMELESS_ADDRESSES: usize = 10;

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

/// Counts an attempt to sign in: for the address, unless a server sends for many, and for each account, in this isolate; for the
/// accounts also at the platform's limiter. One that names no account, and could be about any, counts for all addresses together.
///
/// # Errors
/// [`TOO_MANY_ATTEMPTS`]; [`Error::TooManyRequests`] of the platform's limiter.
pub(super) async fn count_attempt<P: Platform>(
    accounts: &[String],
    is_nameless: bool,
    caller: &Caller,
    request: &Request<P::Body>,
    edge: &Edge<P>,
) -> Result<(), Error> {
    let limits = &edge.config.limits;
    let now_ms = edge.platform.now_ms();
    let mut keys = Vec::with_capacity(accounts.len() + 2);
    if caller.role() != "service_role" {
        keys.push((address(request, edge)?, limits.address_attempts));
        if is_nameless {
            let most = limits.address_attempts * NAMELESS_ADDRESSES;
            keys.push(("nameless".to_owned(), most));
        }
    }
    for name in accounts {
        let account = ["account ", &mint::account_hash(name, edge)?].concat();
        keys.push((account, limits.account_attempts));
    }
    for (key, most) in &keys {
        if !edge.attempts.borrow_mut().count(key, *most, now_ms) {
            return Err(Error::of(&TOO_MANY_ATTEMPTS));
        }
    }
    let accounts = keys.split_off(keys.len() - accounts.len());
    for (account, _) in accounts {
        if edge.platform.admit(|| Ok(account)).await? == Admission::Refused {
            return Err(Error::TooManyRequests);
        }
    }
    Ok(())
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
