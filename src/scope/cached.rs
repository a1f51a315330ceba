//! Which reads may be cached: anonymous reads of relations that `CACHED_READS` lists.

use base16ct::lower;
use http::HeaderMap;

use crate::endpoint::Call;
use crate::id;
use crate::isolate::Isolate;
use crate::message::text;
use crate::verify::Caller;

/// The request headers that select an answer, besides the path and its query.
const KEYED: [&str; 5] = ["accept", "accept-profile", "prefer", "range", "range-unit"];

/// How to cache an answer.
pub(crate) struct Rule {
    /// Its name in the platform's cache.
    pub name: String,
    /// Its lifetime.
    pub seconds: u32,
}

/// The rule for a call whose answer anonymous callers share, if its endpoint has one.
pub(super) fn of_call(call: &Call, caller: &Caller, arguments: &str) -> Option<Rule> {
    let seconds = call.cache_seconds.filter(|_| caller.token().is_none())?;
    let key = [&call.schema, &call.function, arguments].join("\0");
    Some(Rule {
        name: format!("calls/{}", lower::encode_string(&id::digest(&key))),
        seconds,
    })
}

/// The rule for a read, if there is one. `path` and `headers` are those of the upstream request.
pub(super) fn rule(
    relation: &str,
    path: &str,
    headers: &HeaderMap,
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
    })
}
