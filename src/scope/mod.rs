//! Scope: from a route, a caller and a request to the one upstream request that follows, or a refusal.
//!
//! What leaves here is rebuilt from parsed parts: nothing of the request travels on by default.

mod cached;
mod call;
mod conditions;
mod export;
mod grammar;
mod guard;
mod mint;
mod prefer;
mod query;
mod relay;
pub mod replica;
mod seal;
mod turnstile;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::edge::{Body, Edge, Outgoing, Platform, ReadFault, Request, Response};
use crate::error::Error;
use crate::route::{Action, Call, Incoming, Matched};
use crate::verify::{self, Caller};

pub(crate) use cached::Rule;
pub(crate) use export::Pages;
pub(crate) use guard::count_refused;
pub(crate) use mint::is_made_here;

/// The rules that a second pair of eyes looks at.
#[cfg(any(test, fuzzing))]
pub(crate) mod rules {
    pub(crate) use super::prefer::{Counts, Effect, rewrite as preferences};
    pub(crate) use super::query::Query;
    pub(crate) use super::relay::name;
}

/// What is to be done, and may be. Made by [`narrow`] only.
pub struct Scoped<B> {
    work: Work<B>,
    writer: Option<String>,
}

impl<B> Scoped<B> {
    /// What `forward` has to do, and who writes by it where that has to be remembered.
    pub(crate) fn into_parts(self) -> (Work<B>, Option<String>) {
        (self.work, self.writer)
    }
}

/// The kinds of work that `forward` does.
pub(crate) enum Work<B> {
    /// Nothing upstream: the answer is here.
    Local(Response<()>),
    /// Hand on, relay the answer.
    Relay {
        relay: Relay<B>,
        /// How the answer may be kept for others.
        cache: Option<Rule>,
    },
    /// Call one function, translate the answer.
    Call {
        call: &'static Call,
        incoming: Box<Incoming>,
        relay: Relay<B>,
    },
    /// Read a relation page by page.
    Export(Pages),
    /// Ask whether the parts answer.
    Ready {
        database: Outgoing<B>,
        replica: Option<Outgoing<B>>,
    },
}

/// Whose share of PostgREST's connections a request takes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sharer {
    /// A user, by name.
    User(String),
    /// An anonymous caller, by address: takes from the share of all of them, too.
    Anonymous(String),
}

/// A request to PostgREST, and what its answer needs.
pub(crate) struct Relay<B> {
    pub outgoing: Outgoing<B>,
    /// The primary's address of the same, where `outgoing` goes to a replica.
    pub primary: Option<String>,
    /// The limit that was added to the query, which the answer must not mention.
    pub added_limit: Option<u64>,
    /// The question marks of the relation's name and its encoded path, where PostgREST does not write the same into headers.
    pub name: Option<(usize, String)>,
    /// Bytes of the answer's body, at most.
    pub answer_bytes: Option<usize>,
    /// PostgREST's own address, where it has to be asked whether it heeds the limit of a write.
    pub limits_write: Option<String>,
    /// Nobody is signed in: errors are answered without hint and details.
    pub anonymous: bool,
    /// It waits in line with the others, and is refused where the line is too long.
    pub counts_toward_limit: bool,
    /// Whose share it takes from; none for what the edge asks by itself.
    pub sharer: Option<Sharer>,
}

impl<B> Relay<B> {
    /// One whose answer needs nothing.
    pub(crate) fn plain(outgoing: Outgoing<B>) -> Self {
        Self {
            outgoing,
            primary: None,
            added_limit: None,
            name: None,
            answer_bytes: None,
            limits_write: None,
            anonymous: false,
            counts_toward_limit: true,
            sharer: None,
        }
    }

    /// The same once more, if it has no body that would be used up.
    pub(crate) fn again(&self) -> Option<Self> {
        Some(Self {
            outgoing: self.outgoing.again()?,
            primary: self.primary.clone(),
            name: self.name.clone(),
            limits_write: self.limits_write.clone(),
            sharer: self.sharer.clone(),
            ..*self
        })
    }
}

/// Narrows a request to what its route and its caller allow.
///
/// # Errors
/// 400, 406, 408, 413, 414, 415, 429 and 503, each with what to do about it.
pub async fn narrow<P: Platform>(
    matched: &Matched,
    caller: &Caller,
    mut request: Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Scoped<P::Body>, Error> {
    if let Err(error) = guard::admit(matched.route, caller, &request, edge).await {
        let Action::Call(call) = matched.route.action else {
            return Err(error);
        };
        let work = call::refuse(call, matched, caller, request, error, edge).await?;
        return Ok(Scoped { work, writer: None });
    }
    let writer = replica::writer(caller, &request.method, edge);
    let work = match matched.route.action {
        Action::Page(page) => {
            let incoming = call::incoming(matched, caller, &request, edge);
            Work::Local(page(&incoming, &edge.config)?)
        }
        Action::Body(answer) => {
            let mut incoming = call::incoming(matched, caller, &request, edge);
            incoming.body = read_body(&mut request, limit(matched, edge), edge).await?;
            Work::Local(answer(&incoming, &edge.config)?)
        }
        Action::Ready => {
            let token = mint::edge(edge)?;
            let ask = |address: &str| {
                let nothing = "{}".to_owned();
                call::build(address, "edge", "ready", nothing, &token, &request.id, edge)
            };
            let replica = edge.config.postgrest_read_url.as_deref();
            Work::Ready {
                database: ask(&edge.config.postgrest_url)?,
                replica: replica.map(ask).transpose()?,
            }
        }
        Action::Relation | Action::Function => {
            relay::rebuild(matched, caller, request, edge).await?
        }
        Action::Call(call) => call::prepare(call, matched, caller, request, edge).await?,
        Action::Export(export) => Work::Export(export::prepare(export, caller, &request, edge)?),
    };
    Ok(Scoped { work, writer })
}

/// Whose share of PostgREST's connections a request takes from; none for the back office.
fn sharer<B>(caller: &Caller, request: &Request<B>) -> Option<Sharer> {
    if let Some(user) = caller.user() {
        return Some(Sharer::User(user.to_owned()));
    }
    match caller.token() {
        Some(_) => None,
        None => Some(Sharer::Anonymous(request.address.map_or_else(
            || "nobody".to_owned(),
            |address| mint::subscriber_prefix(address).to_string(),
        ))),
    }
}

/// A function of the edge's own that its clock asks for, not a request.
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

/// The most body that a route takes, in bytes.
fn limit<P>(matched: &Matched, edge: &Edge<P>) -> usize {
    matched
        .route
        .body_limit
        .unwrap_or(edge.config.limits.body_bytes)
}

/// The token that goes upstream: the caller's own, or one of the edge's for somebody who has none.
fn upstream_token<P: Platform>(
    caller: &Caller,
    request: &Request<P::Body>,
    edge: &Edge<P>,
) -> Result<String, Error> {
    caller
        .token()
        .map_or_else(|| mint::anon(request, edge), |token| Ok(token.to_owned()))
}

/// The key that came in the query and was taken for the caller's: only where none came in a header.
fn query_api_key<B>(request: &Request<B>) -> Option<String> {
    if request.headers.contains_key("apikey") {
        return None;
    }
    verify::query_key(&request.query)
}

/// Sets a header whose name is ours and whose value has been vetted.
fn set(headers: &mut HeaderMap, name: &'static str, value: &str) -> Result<(), Error> {
    let value = HeaderValue::from_str(value).map_err(|_| Error::BadHeader {
        name,
        wanted: "visible ASCII",
    })?;
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
}

/// The `Idempotency-Key`, which the database keeps with the write it belongs to.
fn idempotency_key<B>(request: &Request<B>) -> Result<Option<&str>, Error> {
    let name = "idempotency-key";
    let wanted = "1 to 255 visible ASCII characters";
    let Some(value) = request.headers.get(name) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) => {
            Ok(Some(key))
        }
        _ => Err(Error::BadHeader { name, wanted }),
    }
}

/// Hands a W3C trace on, with the request's id. A malformed one is left out: a trace is no reason to refuse a request.
fn set_trace<B>(headers: &mut HeaderMap, request: &Request<B>) -> Result<(), Error> {
    set(headers, "x-request-id", &request.id)?;
    let Some(parent) = request
        .header("traceparent")
        .filter(|parent| is_traceparent(parent))
    else {
        return Ok(());
    };
    set(headers, "traceparent", parent)?;
    match request
        .header("tracestate")
        .filter(|state| state.len() <= 512)
    {
        Some(state) => set(headers, "tracestate", state),
        None => Ok(()),
    }
}

/// Version 00 of <https://www.w3.org/TR/trace-context/>: `00-<32 hex>-<16 hex>-<2 hex>`, neither id all zeros.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &str, length: usize| {
        part.len() == length
            && part
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let real = |part: &str| part.bytes().any(|b| b != b'0');
    matches!(parts.as_slice(), ["00", trace, parent, flags]
        if hex(trace, 32) && hex(parent, 16) && hex(flags, 2) && real(trace) && real(parent))
}

/// The length that the request declares.
fn declared_length<B>(request: &Request<B>) -> Result<Option<usize>, Error> {
    let name = "content-length";
    match request.headers.get(name) {
        None => Ok(None),
        Some(value) => match value.to_str().ok().and_then(|text| text.parse().ok()) {
            Some(length) => Ok(Some(length)),
            None => Err(Error::BadHeader {
                name,
                wanted: "a number of bytes",
            }),
        },
    }
}

/// What the body is encoded in, in lower case; none if it is as it is.
fn content_coding<B>(request: &Request<B>) -> Option<String> {
    let value = request.headers.get("content-encoding")?;
    let coding = value.to_str().unwrap_or("unreadable").trim();
    (!["", "identity"].contains(&coding)).then(|| coding.to_ascii_lowercase())
}

/// Reads the whole body into memory, unzipped, no more than the route takes before and after that.
async fn read_body<P: Platform>(
    request: &mut Request<P::Body>,
    limit: usize,
    edge: &Edge<P>,
) -> Result<Vec<u8>, Error> {
    let is_zipped = match content_coding(request).as_deref() {
        None => false,
        Some("gzip" | "x-gzip") => true,
        Some(_) => return Err(Error::UnsupportedEncoding { accepted: "gzip" }),
    };
    if declared_length(request)?.is_some_and(|length| length > limit) {
        return Err(Error::BodyTooLarge { limit });
    }
    let Some(body) = request.body.take() else {
        return Ok(Vec::new());
    };
    let deadline_ms = edge.config.limits.upload_ms;
    let read = edge.platform.read(body, limit, deadline_ms).await;
    let bytes = read.map_err(|fault| Error::of_body(fault, limit))?;
    if !is_zipped {
        return Ok(bytes);
    }
    let unzipped = edge.platform.unzip(&bytes, limit, deadline_ms).await;
    unzipped.map_err(|fault| match fault {
        ReadFault::Broken => Error::MalformedBody("it is not gzip, or breaks off".into()),
        fault => Error::of_body(fault, limit),
    })
}

/// The body to hand on unread: the platform holds it to the declared length or, where there is none, counts.
fn pass_body<P: Platform>(
    request: &mut Request<P::Body>,
    limit: usize,
    edge: &Edge<P>,
) -> Result<Body<P::Body>, Error> {
    let length = declared_length(request)?;
    if length.is_some_and(|length| length > limit) {
        return Err(Error::BodyTooLarge { limit });
    }
    Ok(match request.body.take() {
        // PostgREST reads bodies as they are only.
        Some(_) if content_coding(request).is_some() => {
            return Err(Error::UnsupportedEncoding {
                accepted: "identity",
            });
        }
        Some(stream) if length != Some(0) => Body::Upload {
            stream,
            length,
            limit,
            deadline_ms: edge.config.limits.upload_ms,
        },
        _ => Body::Empty,
    })
}

#[cfg(test)]
mod tests {
    use super::is_traceparent;

    #[test]
    fn a_trace_is_handed_on_only_if_well_formed() {
        assert!(is_traceparent(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        ));
        for odd in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert!(!is_traceparent(odd), "{odd}");
        }
    }
}
