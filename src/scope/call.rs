//! Calls of one database function. The postgrest crate builds the request of each function once, from names of the edge; the
//! edge sends copies with the body and the token of each call.

use std::rc::Rc;

use crate::headers::Headers;
use http::Method;
use postgrest::Postgrest;

use super::headers::{idempotency_key, set, set_trace};
use super::mint::{self, upstream_token};
use super::pages::Paged;
use super::work::{Relay, Work, sharer};
use super::{arguments, cached, device, form_timestamp, in_turn, lines, seal, turnstile};
use crate::body::{limit, read_all};
use crate::endpoint::{Action, Answer, Arguments, Call, Identity, Incoming, Plan, Seen};
use crate::error::Error;
use crate::formats::RawBody;
use crate::formats::charset::Decoder;
use crate::isolate::Edge;
use crate::isolate::calls::Template;
use crate::message::{Body, KB, Outgoing, Place, Request};
use crate::route::Matched;
use crate::runtime::Platform;
use crate::url::Url;
use crate::verify::{Caller, own};

/// Milliseconds to wait for the database if an answer is possible without it.
const FALLBACK_MS: u32 = 2000;

/// The most bytes of a form that are read to show it again, if the endpoint accepts fewer.
const MAX_FORM_BYTES: usize = 256 * KB;

/// Whether a person filled in a form, who sees it again with its values if it is refused.
fn is_form(call: &Call, incoming: &Incoming) -> bool {
    call.is_form && incoming.wants_page
}

/// The answer of a purpose endpoint to a request that is refused before its body is read.
pub(super) async fn refuse<P: Platform>(
    call: &Rc<Call>,
    matched: &Matched<'_>,
    caller: &Caller,
    mut request: Request<P::Body>,
    error: Error,
    edge: &Edge<P>,
) -> Work<P::Body> {
    let mut incoming = incoming(matched, caller, &request, edge);
    if is_form(call, &incoming) {
        let read = read_all(&mut request, MAX_FORM_BYTES, edge).await;
        incoming.body = read.unwrap_or_default().into();
    }
    refused(call, incoming, error)
}

fn refused<B>(call: &Rc<Call>, incoming: Incoming, error: Error) -> Work<B> {
    Work::Refused {
        call: call.clone(),
        incoming: Box::new(incoming),
        error,
    }
}

/// What a purpose endpoint sees of a request before its body has been read.
pub(super) fn incoming<P: Platform>(
    matched: &Matched<'_>,
    caller: &Caller,
    request: &Request<P::Body>,
    edge: &Edge<P>,
) -> Incoming {
    // Only Rust of a system and the tokens that vouch for it read the place of the client, and asking the runtime for it takes as
    // long as parsing a body.
    let reads_place = match &matched.route.action {
        Action::Call(call) => {
            matches!(call.arguments, Arguments::Code(_))
                || matches!(call.answer, Answer::Code(_))
                || matches!(call.identity, Identity::Vouched)
        }
        _ => true,
    };
    Incoming {
        headers: request.headers.clone(),
        body: RawBody::default(),
        segments: matched.segments.clone(),
        query: request.query.clone(),
        wants_page: wants_page(request),
        now_ms: edge.platform.now_ms(),
        place: if reads_place {
            edge.platform.place()
        } else {
            Place::default()
        },
        user: caller.user().map(str::to_owned),
        is_server: caller.role() == "service_role",
        decoder: Decoder(P::decode),
        ..Incoming::default()
    }
}

/// Reads the body and builds the call. The endpoint words its own refusals.
pub(super) async fn prepare<P: Platform>(
    call: &Rc<Call>,
    matched: &Matched<'_>,
    caller: &Caller,
    mut request: Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Work<P::Body>, Error> {
    let mut incoming = incoming(matched, caller, &request, edge);
    if let Some(body) = &call.lines {
        let limit = limit(matched.route, edge);
        return lines::prepare((call, body), caller, incoming, request, limit);
    }
    let plan = plan(call, (matched, caller), &mut incoming, &mut request, edge).await;
    let arguments = match plan {
        Ok(Plan::Call(arguments)) => arguments,
        Ok(Plan::Answer(response)) => return Ok(Work::Local(response)),
        Err(error) => return Ok(refused(call, incoming, error)),
    };
    if call.pages.is_some() {
        return Ok(Work::Paged(Box::new(Paged {
            call: call.clone(),
            incoming: Box::new(incoming),
            arguments,
            request,
            caller: caller.clone(),
        })));
    }
    let cache = cached::of_call(call, caller, &arguments);
    let parts = (&incoming, &request, caller);
    Ok(Work::Call {
        relay: relay(call, parts, arguments, cache.is_some(), edge)?,
        call: call.clone(),
        incoming: Box::new(incoming),
        cache,
    })
}

/// The call of an endpoint's function with these arguments. Other callers get the result of one that is shared.
pub(super) fn relay<P: Platform>(
    call: &Call,
    (incoming, request, caller): (&Incoming, &Request<P::Body>, &Caller),
    arguments: String,
    is_shared: bool,
    edge: &Edge<P>,
) -> Result<Relay<P::Body>, Error> {
    let token = if is_shared {
        mint::shared(edge)?
    } else {
        let seen = seen(call, incoming, edge);
        token(call, caller, request, incoming, seen, edge)?
    };
    let sharer = match call.identity {
        Identity::Edge => None,
        Identity::Caller | Identity::Vouched => sharer(caller, request.address),
    };
    let mut outgoing = build(
        &edge.config.postgrest_url,
        &call.schema,
        &call.function,
        arguments,
        &token,
        &request.id,
        edge,
    )?;
    if is_shared {
        // The result must not depend on anything of this request but the arguments.
        outgoing.headers.remove("x-request-id");
    } else {
        describe(call, request, &mut outgoing.headers)?;
    }
    if call.fallback.is_some() {
        outgoing.deadline_ms = outgoing.deadline_ms.min(FALLBACK_MS);
    }
    Ok(Relay {
        anonymous: caller.token().is_none(),
        reads_only: caller.reads_only(),
        sharer,
        request_id: Some(request.id.clone()),
        ..Relay::plain(outgoing)
    })
}

/// Adds what a function may read of a request beside its arguments.
fn describe<B>(call: &Call, request: &Request<B>, headers: &mut Headers) -> Result<(), Error> {
    set_trace(headers, request)?;
    if call.idempotent
        && let Some(key) = idempotency_key(request)?
    {
        set(headers, "idempotency-key", key)?;
    }
    // The client's own description of itself: data to store, never to trust.
    for name in ["user-agent", "referer"] {
        let value = request.headers.get(name);
        if let Some(value) = value.filter(|value| value.len() <= 1024) {
            headers.insert(name, value.clone());
        }
    }
    Ok(())
}

/// What the edge observes of a request for the database, if the endpoint wants any of it.
fn seen<P: Platform>(call: &Call, incoming: &Incoming, edge: &Edge<P>) -> Option<Seen> {
    let mut seen = Seen::default();
    if call.form_timestamp {
        seen.form_timestamp = form_timestamp::verdict(incoming, &edge.config);
    }
    if call.device {
        let device = device::of(incoming.header("user-agent"));
        seen.device_type = Some(device.kind);
        seen.browser = device.browser;
        seen.os = device.os;
        seen.is_bot = Some(device.is_bot);
    }
    (call.form_timestamp || call.device).then_some(seen)
}

/// The token for the call.
fn token<P: Platform>(
    call: &Call,
    caller: &Caller,
    request: &Request<P::Body>,
    incoming: &Incoming,
    seen: Option<Seen>,
    edge: &Edge<P>,
) -> Result<String, Error> {
    match call.identity {
        Identity::Vouched => {
            let observed = (&incoming.place, incoming.human, seen.unwrap_or_default());
            mint::vouched(caller, request, observed, call.limit.as_ref(), edge)
        }
        // No other token carries observations and limits: they would be lost silently.
        _ if seen.is_some() || call.limit.is_some() => {
            Err(Error::Internal("the token cannot carry observations"))
        }
        Identity::Caller => upstream_token(caller, request, edge).map(Into::into),
        Identity::Edge => own::token(edge),
    }
}

async fn plan<P: Platform>(
    call: &Rc<Call>,
    (matched, caller): (&Matched<'_>, &Caller),
    incoming: &mut Incoming,
    request: &mut Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Plan, Error> {
    let limit = limit(matched.route, edge);
    let max_bytes = if is_form(call, incoming) {
        MAX_FORM_BYTES
    } else {
        limit
    };
    incoming.body = read_all(request, max_bytes.max(limit), edge).await?.into();
    incoming.held = request.held.take();
    if incoming.body.len() > limit {
        return Err(Error::BodyTooLarge { limit });
    }
    in_turn(incoming.body.len(), caller, request, edge).await;
    if let Some(action) = &call.turnstile {
        incoming.human = turnstile::ask(action, incoming, edge).await?;
    }
    let listed = match &call.arguments {
        Arguments::Code(code) => return code(incoming, &edge.config),
        Arguments::Listed(listed) => listed,
    };
    let made = arguments::of(call, listed, incoming, None)?;
    Ok(Plan::Call(match &call.seal {
        None => made,
        Some(secret) => seal::seal(secret, listed, made, incoming, edge).await?,
    }))
}

/// A call in the edge's own name, without a request behind it.
pub(super) fn own<P: Platform>(
    function: &str,
    arguments: String,
    id: &str,
    edge: &Edge<P>,
) -> Result<Outgoing<P::Body>, Error> {
    let token = own::token(edge)?;
    build(
        &edge.config.postgrest_url,
        "edge",
        function,
        arguments,
        &token,
        id,
        edge,
    )
}

/// Whether to answer with a page: for a browser that navigates. Everything else gets JSON.
fn wants_page<B>(request: &Request<B>) -> bool {
    let accept = request.header("accept").unwrap_or_default();
    let navigates = request.header("sec-fetch-mode") == Some("navigate");
    !accept.contains("application/json") && (accept.contains("text/html") || navigates)
}

/// What is the same in all calls of `schema.function` at an address of PostgREST.
fn template<P: Platform>(
    address: &str,
    schema: &str,
    function: &str,
    edge: &Edge<P>,
) -> Result<Rc<Template>, Error> {
    if let Some(known) = edge.calls.borrow().find(address, schema, function) {
        return Ok(known);
    }
    let unbuilt = || Error::Internal("the call cannot be built");
    // In the bundle the crate only reads hosts in ASCII: the runtime converts others.
    let ascii = Url::new(address).map_err(|_| unbuilt())?.href();
    let built = Postgrest::new(ascii.trim_end_matches('/'))
        .schema(schema)
        .rpc(function, "")
        .build()
        .build();
    let mut built = built.map_err(|_| unbuilt())?;
    let headers = Headers::from(std::mem::take(built.headers_mut()));
    let url = built.url().as_str().to_owned();
    let mut calls = edge.calls.borrow_mut();
    Ok(calls.store((address, schema, function), url, headers))
}

/// A call of `schema.function` at an address of PostgREST.
pub(super) fn build<P: Platform>(
    address: &str,
    schema: &str,
    function: &str,
    arguments: String,
    token: &str,
    request_id: &str,
    edge: &Edge<P>,
) -> Result<Outgoing<P::Body>, Error> {
    let template = template(address, schema, function, edge)?;
    let mut headers = template.headers.clone();
    set(&mut headers, "authorization", &format!("Bearer {token}"))?;
    set(&mut headers, "x-request-id", request_id)?;
    Ok(Outgoing {
        method: Method::POST,
        url: template.url.clone(),
        headers,
        body: Body::Bytes(arguments.into_bytes()),
        deadline_ms: edge.config.limits.deadline_ms,
    })
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64UrlUnpadded, Encoding};
    use serde_json::Value;

    use super::*;
    use crate::endpoint::{Access, Route, Segments};
    use crate::fuzzing::native;
    use crate::verify;

    /// The work for a form that is posted to an endpoint.
    fn prepared(call: Call, body: &str) -> Result<Work<Vec<u8>>, Error> {
        let edge = native::edge();
        let call = Rc::new(call);
        let route = Route::new(Method::POST, "/v1/any", Action::Call(call.clone())).open();
        let matched = Matched {
            route: &route,
            segments: Segments::default(),
        };
        let mut headers = Headers::new();
        let kind = "application/x-www-form-urlencoded";
        headers.insert("content-type", kind.parse().unwrap());
        let request = Request {
            id: "test".into(),
            method: Method::POST,
            path: "/v1/any".into(),
            query: String::new(),
            headers,
            body: Some(body.into()),
            read: None,
            held: None,
            address: None,
        };
        let caller = pollster::block_on(verify::caller(Access::Open, &request, &edge)).unwrap();
        pollster::block_on(prepare(&call, &matched, &caller, request, &edge))
    }

    fn with_timestamp(identity: Identity) -> Call {
        Call {
            identity,
            form_timestamp: true,
            ..Call::new("any", "function")
        }
    }

    #[test]
    fn any_endpoint_can_ask_for_the_form_timestamp() {
        for (body, wanted) in [("_ts=1.x&a=b", Some("forged")), ("a=b", None)] {
            let Ok(Work::Call { relay, .. }) = prepared(with_timestamp(Identity::Vouched), body)
            else {
                panic!("{body} was refused");
            };
            let token = relay
                .outgoing
                .headers
                .get("authorization")
                .unwrap()
                .to_str()
                .unwrap();
            let payload = Base64UrlUnpadded::decode_vec(token.split('.').nth(1).unwrap()).unwrap();
            let claims: Value = serde_json::from_slice(&payload).unwrap();
            assert_eq!(claims["edge"]["stamp"].as_str(), wanted, "{body}");
        }
    }

    #[test]
    fn calls_share_only_what_is_the_same_for_their_function() {
        let edge = native::edge();
        let calls = [
            ("http://a.test", "one", "f", "t1", "{}"),
            ("http://a.test", "two", "f", "t2", "[]"),
            ("http://b.test/x", "one", "f", "t3", "{}"),
            ("http://a.test", "one", "g", "t4", "{}"),
        ];
        for (address, schema, function, token, body) in [calls, calls].concat() {
            let call = build(address, schema, function, body.into(), token, token, &edge).unwrap();
            assert_eq!(call.url, format!("{address}/rpc/{function}"));
            let header = |name: &str| call.headers.get(name).unwrap().to_str().unwrap().to_owned();
            assert_eq!(header("content-profile"), schema);
            assert_eq!(header("content-type"), "application/json");
            assert_eq!(header("accept"), "application/json");
            assert_eq!(header("authorization"), format!("Bearer {token}"));
            assert_eq!(header("x-request-id"), token);
            assert!(matches!(call.body, Body::Bytes(bytes) if bytes == body.as_bytes()));
        }
    }

    #[test]
    fn a_token_that_cannot_carry_the_timestamp_is_refused() {
        let refused = prepared(with_timestamp(Identity::Caller), "_ts=1.x");
        assert!(matches!(refused, Err(Error::Internal(_))));
    }

    #[test]
    fn a_refused_call_goes_on_to_respond() {
        let call = Call {
            arguments: Arguments::Code(|_, _| Err(Error::BadName)),
            ..Call::new("any", "function")
        };
        let refused = prepared(call, "a=b");
        let wanted = Error::BadName;
        assert!(matches!(refused, Ok(Work::Refused { error, .. }) if error == wanted));
    }
}
