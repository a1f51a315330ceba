//! Which reads may be cached: anonymous reads of relations that `CACHED_READS` lists.

use http::HeaderMap;

use crate::config::Config;
use crate::edge;
use crate::systems;
use crate::verify::cache;

/// The request headers that select an answer, besides the path and its query.
const KEYED: [&str; 5] = ["accept", "accept-profile", "prefer", "range", "range-unit"];

/// How to cache an answer.
pub(crate) struct Rule {
    /// Its name in the platform's cache.
    pub name: String,
    /// Its lifetime.
    pub seconds: u32,
}

/// The rule for a read, if there is one. `path` and `headers` are those of the upstream request.
pub(super) fn rule(
    relation: &str,
    path: &str,
    headers: &HeaderMap,
    config: &Config,
) -> Option<Rule> {
    if config.cached_reads.is_empty() {
        return None;
    }
    let schema = edge::text(headers, "accept-profile").unwrap_or(systems::SCHEMAS[0]);
    let wanted = format!("{schema}.{relation}");
    let mut reads = config.cached_reads.iter();
    let (_, seconds) = reads.find(|(name, _)| *name == wanted)?;
    let mut key = format!("{schema}\n{path}");
    for name in KEYED {
        key.push('\n');
        key.push_str(edge::text(headers, name).unwrap_or_default());
    }
    Some(Rule {
        name: format!("read/{}", edge::hex(&cache::key(&key))),
        seconds: *seconds,
    })
}
