//! Which answers may be cached and shared by anonymous callers: reads of relations that `CACHED_READS` lists, and results of
//! endpoints that say so. What goes upstream for them is what their name in the cache is made of, and nothing else: an
//! answer that depended on more of the first caller's request would be given to all others.

use crate::headers::Headers;
use base16ct::lower;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};

use super::mint;
use crate::endpoint::{Arguments, Call, Source};
use crate::error::Error;
use crate::id;
use crate::isolate::{Edge, Isolate};
use crate::message::text;
use crate::runtime::Platform;
use crate::verify::Caller;

/// The request headers that select an answer, besides the path and its query.
const KEYED: [&str; 5] = ["accept", "accept-profile", "prefer", "range", "range-unit"];

/// How to cache an answer.
pub(crate) struct Rule {
    /// Its name in the platform's cache.
    pub name: String,
    /// Its lifetime.
    pub seconds: u32,
    /// The request headers that select an answer beside those of every cached answer.
    pub headers: Vec<String>,
}

/// The rule for a call whose answer anonymous callers share, if its endpoint has one.
pub(super) fn of_call(call: &Call, caller: &Caller, arguments: &str) -> Option<Rule> {
    let seconds = call.cache_seconds.filter(|_| caller.token().is_none())?;
    let key = [&call.schema, &call.function, arguments].join("\0");
    Some(Rule {
        name: format!("calls/{}", lower::encode_string(&id::digest(&key))),
        seconds,
        headers: argument_headers(call),
    })
}

/// The headers that are arguments of a call.
fn argument_headers(call: &Call) -> Vec<String> {
    let Arguments::Listed(arguments) = &call.arguments else {
        return Vec::new();
    };
    let sources = arguments.iter().flat_map(|argument| &argument.sources);
    let headers = sources.filter_map(|source| match source {
        Source::Header(name) => Some(name.clone()),
        _ => None,
    });
    headers.collect()
}

/// The upstream headers of a read that is cached, from those of the read: the ones that its name in the cache is made
/// of, and a token that says nothing of the caller.
pub(super) fn headers<P: Platform>(of: &Headers, edge: &Edge<P>) -> Result<Headers, Error> {
    let mut headers = Headers::new();
    for name in KEYED {
        if let Some(value) = of.get(name) {
            headers.insert(HeaderName::from_static(name), value.clone());
        }
    }
    let bearer = HeaderValue::from_str(&format!("Bearer {}", mint::shared(edge)?));
    let bearer = bearer.map_err(|_| Error::Internal("the edge's token cannot be sent"))?;
    headers.insert(AUTHORIZATION, bearer);
    Ok(headers)
}

/// The rule for a read, if there is one. `path` and `headers` are those of the upstream request.
pub(super) fn rule(
    relation: &str,
    path: &str,
    headers: &Headers,
    isolate: &Isolate,
) -> Option<Rule> {
    if isolate.config.cached_reads.is_empty() {
        return None;
    }
    let schema = text(headers, "accept-profile")
        .or(isolate.config.schemas.first().map(String::as_str))
        .unwrap_or_default();
    let wanted = format!("{schema}.{relation}");
    let mut reads = isolate.config.cached_reads.iter();
    let (_, seconds) = reads.find(|(name, _)| *name == wanted)?;
    let mut key = format!("{schema}\n{path}");
    for name in KEYED {
        key.push('\n');
        key.push_str(text(headers, name).unwrap_or_default());
    }
    Some(Rule {
        name: format!("rows/{}", lower::encode_string(&id::digest(&key))),
        seconds: *seconds,
        headers: Vec::new(),
    })
}
