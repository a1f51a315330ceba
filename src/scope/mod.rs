//! Scope: turns a route, a caller and a request into the one upstream request that they allow, or refuses.
//!
//! The upstream request is rebuilt from parsed parts: nothing of the client's request is passed on by default.

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

/// Rules that tests and fuzz targets check a second time.
#[cfg(any(test, fuzzing))]
pub(crate) mod rules {
    pub(crate) use super::prefer::{Counts, Effect, rewrite as preferences};
    pub(crate) use super::query::Query;
    pub(crate) use super::relay::name;
}

/// Work that is allowed. Only [`narrow`] makes it.
pub struct Scoped<B> {
    work: Work<B>,
    writer: Option<String>,
}

impl<B> Scoped<B> {
    /// The work for `forward`, and the user who writes by it, if that has to be remembered.
    pub(crate) fn into_parts(self) -> (Work<B>, Option<String>) {
        (self.work, self.writer)
    }
}

/// The kinds of work that `forward` does.
pub(crate) enum Work<B> {
    /// Nothing upstream: the edge has the answer.
    Local(Response<()>),
    /// Forward the request, relay the answer.
    Relay {
        relay: Relay<B>,
        /// How to cache the answer.
        cache: Option<Rule>,
    },
    /// Call one function, translate the answer.
    Call {
        call: &'static Call,
        incoming: Box<Incoming>,
        relay: Relay<B>,
    },
    /// Export a relation page by page.
    Export(Pages),
    /// Check whether each service answers.
    Ready {
        database: Outgoing<B>,
        replica: Option<Outgoing<B>>,
    },
}

/// The caller whose share of PostgREST's connections a request uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sharer {
    /// A user, by id.
    User(String),
    /// An anonymous caller, by address; also uses the share of all anonymous callers.
    Anonymous(String),
}

/// A request to PostgREST, and how to treat its answer.
pub(crate) struct Relay<B> {
    pub outgoing: Outgoing<B>,
    /// The primary's address of the same resource, if `outgoing` goes to a replica.
    pub primary: Option<String>,
    /// The limit that the edge added to the query, which the answer must not mention.
    pub added_limit: Option<u64>,
    /// The number of question marks in the relation's name, and its encoded path, if PostgREST writes the name
    /// differently into headers.
    pub name: Option<(usize, String)>,
    /// The most bytes of the answer's body.
    pub answer_bytes: Option<usize>,
    /// PostgREST's root address, if it has to be asked whether it applies the limit of a write.
    pub limits_write: Option<String>,
    /// No user is signed in: errors come without hint and details.
    pub anonymous: bool,
    /// Whether the request counts as waiting, and is refused at the limit.
    pub counts_toward_limit: bool,
    /// Whose share it uses; none for the edge's own calls.
    pub sharer: Option<Sharer>,
}

impl<B> Relay<B> {
    /// A request whose answer needs no special treatment.
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

    /// A copy, if there is no body that the first one would use up.
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

/// Whose share of PostgREST's connections a request uses; none for the back office.
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

/// The most bytes of a route's body.
fn limit<P>(matched: &Matched, edge: &Edge<P>) -> usize {
    matched
        .route
        .body_limit
        .unwrap_or(edge.config.limits.body_bytes)
}

/// The token for PostgREST: the caller's own, or one of the edge for an anonymous caller.
fn upstream_token<P: Platform>(
    caller: &Caller,
    request: &Request<P::Body>,
    edge: &Edge<P>,
) -> Result<String, Error> {
    caller
        .token()
        .map_or_else(|| mint::anon(request, edge), |token| Ok(token.to_owned()))
}

/// The `apikey` of the query, if it served as the caller's key because no header had one.
fn query_api_key<B>(request: &Request<B>) -> Option<String> {
    if request.headers.contains_key("apikey") {
        return None;
    }
    verify::query_key(&request.query)
}

/// Sets a header whose name is the edge's and whose value has been vetted.
fn set(headers: &mut HeaderMap, name: &'static str, value: &str) -> Result<(), Error> {
    let value = HeaderValue::from_str(value).map_err(|_| Error::BadHeader {
        name,
        wanted: "visible ASCII",
    })?;
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
}

/// The `Idempotency-Key`, which the database stores with its write.
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

/// Passes on a W3C trace and the request's id. A malformed trace is left out: it is no reason to refuse a request.
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

/// Version 00 of <https://www.w3.org/TR/trace-context/>: `00-<32 hex>-<16 hex>-<2 hex>`, with ids other than zero.
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

/// The encoding of the body, in lower case; none if it is not encoded.
fn content_coding<B>(request: &Request<B>) -> Option<String> {
    let value = request.headers.get("content-encoding")?;
    let coding = value.to_str().unwrap_or("unreadable").trim();
    (!["", "identity"].contains(&coding)).then(|| coding.to_ascii_lowercase())
}

/// Reads the whole body into memory and decompresses it. The limit applies before and after decompression.
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
        ReadFault::Broken => Error::MalformedBody("it is not gzip, or it broke off".into()),
        fault => Error::of_body(fault, limit),
    })
}

/// The body to pass on unread. The platform enforces the declared length, or counts if there is none.
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
        // PostgREST does not read encoded bodies.
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
    fn only_a_well_formed_trace_is_passed_on() {
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
