//! The data API: rebuilds the upstream request from the relation's name, the parsed query and an allow-list of headers.

use crate::headers::Headers;
use futures_util::future::FutureExt as _;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, RANGE,
};
use http::{HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::headers::{idempotency_key, query_api_key, set, set_trace};
use super::mint::upstream_token;
use super::prefer::{self, Counts, Effect};
use super::query::{Query, cap_range, is_plain};
use super::work::{Relay, Work, sharer};
use super::{cached, replica};
use crate::body::{limit, pass_body};
use crate::endpoint::Action;
use crate::error::Error;
use crate::isolate::{Edge, turns};
use crate::message::{Body, Outgoing, Request};
use crate::route::Matched;
use crate::runtime::Platform;
use crate::verify::Caller;

/// Headers that are passed on unchanged.
static PASSED: [HeaderName; 6] = [
    ACCEPT,
    CONTENT_TYPE,
    IF_NONE_MATCH,
    RANGE,
    HeaderName::from_static("range-unit"),
    HeaderName::from_static("x-client-info"),
];

/// Characters that need no encoding in a path.
const WRITTEN: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// A path that is no resource of PostgREST: its refusal is short and asks nothing of the database.
const NO_RESOURCE: &str = "/-/version";
/// Bytes of a query that takes no turn.
const SHORT_QUERY: usize = 256;
/// The most bytes of a name in PostgreSQL.
const MAX_NAME_BYTES: usize = 63;

/// The name of the relation or function in a path.
fn segment<'a>(matched: &'a Matched<'_>) -> &'a str {
    let name = match matched.route.action {
        Action::Function => "function",
        _ => "relation",
    };
    matched.segments.get(name)
}

/// Rebuilds a request to the data API.
pub(super) async fn rebuild<P: Platform>(
    matched: &Matched<'_>,
    caller: &Caller,
    mut request: Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Work<P::Body>, Error> {
    let limits = &edge.config.limits;
    if address_bytes(&request.path, &request.query) > limits.uri_bytes {
        return Err(Error::UriTooLong {
            limit: limits.uri_bytes,
        });
    }
    let is_function = matches!(matched.route.action, Action::Function);
    let is_read = matches!(request.method, Method::GET | Method::HEAD);
    let name = name(segment(matched))?;
    refuse_conditions(&request, is_read)?;
    let mut query = Query::parse(&request.query, query_api_key(&request).as_deref())?;
    let sharer = sharer(caller, request.address);
    if request.query.len() > SHORT_QUERY
        && let Some(sharer) = &sharer
    {
        let turn = turns::before_query(sharer.name(), query.work_ms(), edge);
        turn.boxed_local().await;
    }
    query.check(limits.embed_depth, limits.embeds, is_function && is_read)?;
    let is_change = matches!(request.method, Method::PATCH | Method::DELETE);
    if is_change && !query.narrows() {
        return Err(Error::UnfilteredWrite);
    }
    let limits_write = is_change && (query.names("limit") || query.names("offset"));
    let anonymous = caller.token().is_none();
    let token = upstream_token(caller, &request, edge)?;
    let effect = Effect::of(&request.method, is_function);
    let prefer = prefer::rewrite(&request.headers, Counts::of(caller), effect)?;
    let mut headers = headers(&request, &token, &prefer, &edge.config.schemas)?;
    let mut added_limit = None;
    // A limit on a write would choose which rows are written.
    if is_function || request.method == Method::GET {
        let range = request
            .header("range")
            .filter(|_| request.method == Method::GET);
        let range = range.and_then(|range| cap_range(range, limits.rows));
        if query.cap_rows(limits.rows, range.is_some()) {
            added_limit = Some(limits.rows);
        }
        if let Some(range) = range {
            set(&mut headers, "range", &range)?;
        }
    }
    let replica = replica::address(caller, &request, edge).await?;
    let base = replica.unwrap_or(&edge.config.postgrest_url);
    let folder = if is_function { "rpc/" } else { "" };
    let mut root = ["/", folder].concat();
    root.extend(utf8_percent_encode(name, &WRITTEN));
    let mut path = root.clone();
    query.append_to(&mut path);
    let insists = request.headers.contains_key("x-read-preference");
    let cache = (anonymous && !insists && !is_function && request.method == Method::GET)
        .then(|| cached::rule(name, &path, &headers, edge))
        .flatten();
    if cache.is_some() {
        // `If-None-Match` is not among them: the edge answers it itself.
        headers = cached::headers(&headers, edge)?;
    }
    // `fetch` accepts no body with these methods, and PostgREST reads none.
    let body = if is_read {
        Body::Empty
    } else {
        pass_body(&mut request, limit(matched.route, edge), edge)?
    };
    let relay = Relay {
        outgoing: Outgoing {
            method: request.method,
            url: [base, path.as_str()].concat(),
            headers,
            body,
            deadline_ms: limits.deadline_ms,
        },
        // The address for a read that the replica refuses.
        primary: replica.map(|_| format!("{}{path}", edge.config.postgrest_url)),
        added_limit,
        name: root
            .contains('%')
            .then(|| (name.matches('?').count(), root)),
        answer_bytes: (limits.answer_bytes > 0 && !is_server(caller))
            .then_some(limits.answer_bytes),
        limits_write: limits_write.then(|| format!("{}{NO_RESOURCE}", edge.config.postgrest_url)),
        anonymous,
        reads_only: caller.reads_only(),
        counts_toward_limit: true,
        sharer,
        request_id: Some(request.id),
    };
    Ok(Work::Relay { relay, cache })
}

/// Whether the caller is a server, which sees every row; neither a user nor anonymous.
fn is_server(caller: &Caller) -> bool {
    caller.token().is_some() && !caller.is_user()
}

/// Bytes of path and query as the client sent them: the runtime writes `%27` for a quotation mark.
fn address_bytes(path: &str, query: &str) -> usize {
    let bytes = path.len() + query.len();
    // Looking for one character costs less than looking for a text.
    if query.contains('%') {
        bytes - 2 * query.matches("%27").count()
    } else {
        bytes
    }
}

/// A name that PostgreSQL can have: 1 to 63 bytes without control characters. Slashes, backslashes, `.` and `..` are
/// refused: however they are encoded, something on the way to PostgREST may read them as a part of the path.
pub(crate) fn name(text: &str) -> Result<&str, Error> {
    let unsafe_ = |c: char| c.is_control() || c == '/' || c == '\\';
    // The usual name, without a look at each character as such.
    if text.len() <= MAX_NAME_BYTES && is_plain(text) {
        return Ok(text);
    }
    if matches!(text, "" | "." | "..") || text.len() > MAX_NAME_BYTES || text.contains(unsafe_) {
        Err(Error::BadName)
    } else {
        Ok(text)
    }
}

/// Refuses a write that depends on the version of a row: PostgREST has no versions of rows, and would write
/// unconditionally.
fn refuse_conditions<B>(request: &Request<B>, is_read: bool) -> Result<(), Error> {
    let conditions = [IF_MATCH, IF_UNMODIFIED_SINCE, IF_NONE_MATCH];
    if !is_read
        && conditions
            .iter()
            .any(|name| request.headers.contains_key(name))
    {
        return Err(Error::ConditionalWrite);
    }
    Ok(())
}

fn headers<B>(
    request: &Request<B>,
    token: &str,
    prefer: &str,
    schemas: &[String],
) -> Result<Headers, Error> {
    let mut headers = Headers::new();
    for name in &PASSED {
        if let Some(value) = request.headers.get(name) {
            headers.insert(name, readable(name.as_str(), value)?.clone());
        }
    }
    if request
        .header("accept")
        .is_some_and(|accept| accept.to_ascii_lowercase().contains("vnd.pgrst.plan"))
    {
        return Err(Error::PlanRefused);
    }
    for name in ["accept-profile", "content-profile"] {
        if let Some(schema) = request.headers.get(name) {
            let served = schema
                .to_str()
                .ok()
                .filter(|schema| schemas.iter().any(|served| served == schema));
            let schema = served.ok_or_else(|| Error::UnknownSchema {
                served: schemas.join(", "),
            })?;
            set(&mut headers, name, schema)?;
        }
    }
    if !prefer.is_empty() {
        set(&mut headers, "prefer", prefer)?;
    }
    if let Some(key) = idempotency_key(request)? {
        set(&mut headers, "idempotency-key", key)?;
    }
    headers.insert(AUTHORIZATION, authorization(request, token)?);
    set_trace(&mut headers, request)?;
    Ok(headers)
}

/// The `Authorization` for PostgREST: the client's own, if that has this token.
fn authorization<B>(request: &Request<B>, token: &str) -> Result<HeaderValue, Error> {
    let sent = request.headers.get(AUTHORIZATION);
    let own =
        sent.filter(|value| value.as_bytes().strip_prefix(b"Bearer ") == Some(token.as_bytes()));
    if let Some(own) = own {
        return Ok(own.clone());
    }
    HeaderValue::from_str(&["Bearer ", token].concat()).map_err(|_| Error::BadHeader {
        name: "authorization",
        wanted: "visible ASCII",
    })
}

/// Checks that a header's value is text. PostgREST would still read a malformed value that the edge treats as missing.
fn readable<'a>(name: &'static str, value: &'a HeaderValue) -> Result<&'a HeaderValue, Error> {
    let wanted = "visible ASCII";
    match value.to_str() {
        Ok(_) => Ok(value),
        Err(_) => Err(Error::BadHeader { name, wanted }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzzing;

    proptest! {
        #[test]
        fn any_path_is_refused_or_contains_a_name(
            path in "/rest/v1/(rpc/)?([a-z_0-9]{0,20}|[a-z_][a-z_0-9]{60,66}|[a-zA-Z_%0-9./;\"-]{0,20}|\\PC{0,10})|(/[a-z%0-9._-]{0,12}){0,5}|\\PC{0,40}",
        ) {
            fuzzing::path(&path);
        }
    }

    #[test]
    fn every_name_that_postgresql_allows_is_served() {
        for good in [
            "projects",
            "_x",
            "User",
            "1a",
            "a-b",
            "a b",
            " ",
            "a.b",
            "...",
            "a\"b",
            "Größe",
            "顧客",
            "100%",
            "a?b#c",
            "%2F",
            "\u{1f600}",
            &"a".repeat(63),
        ] {
            assert_eq!(name(good), Ok(good));
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "rpc/x",
            "a\\b",
            "a\nb",
            "a\u{7f}",
            "a\u{85}b",
            "\0",
            &"a".repeat(64),
            &"ä".repeat(32),
        ] {
            assert_eq!(name(bad), Err(Error::BadName), "{bad}");
        }
    }

    #[test]
    fn a_quotation_mark_counts_as_one_byte() {
        assert_eq!(address_bytes("/a", "b=%27%27%20'"), 10);
    }
}
