//! The data API: the upstream request is rebuilt from the relation's name, the parsed query and an allow-list of headers.

use http::header::{ACCEPT, CONTENT_TYPE, IF_NONE_MATCH, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::query::{Query, cap_range};
use super::{
    Relay, Work, cached, idempotency_key, limit, pass_body, replica, set, set_trace, upstream_token,
};
use crate::edge::{Body, Edge, Outgoing, Platform, Request};
use crate::error::Error;
use crate::rooms;
use crate::route::{Action, Matched};
use crate::verify::Caller;

/// Headers handed on as they are, beside those that are rewritten.
static PASSED: [HeaderName; 6] = [
    ACCEPT,
    CONTENT_TYPE,
    IF_NONE_MATCH,
    RANGE,
    HeaderName::from_static("range-unit"),
    HeaderName::from_static("x-client-info"),
];

/// Rebuilds a request to the data API.
pub(super) async fn rebuild<P: Platform>(
    matched: &Matched,
    caller: &Caller,
    mut request: Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Work<P::Body>, Error> {
    let limits = &edge.config.limits;
    if request.path.len() + request.query.len() > limits.uri_bytes {
        return Err(Error::UriTooLong {
            limit: limits.uri_bytes,
        });
    }
    let is_function = matches!(matched.route.action, Action::Function);
    let name = name(&matched.variable)?;
    let mut query = Query::parse(&request.query)?;
    if matches!(request.method, Method::PATCH | Method::DELETE) && !query.has_filter() {
        return Err(Error::UnfilteredWrite);
    }
    if query.embed_depth() > limits.embed_depth {
        return Err(Error::EmbedTooDeep {
            limit: limits.embed_depth,
        });
    }
    let anonymous = caller.token().is_none();
    let token = upstream_token(caller, &request, edge)?;
    let mut headers = headers(&request, &token, Counts::of(caller))?;
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
    let mut path = format!("/{folder}{name}");
    query.append_to(&mut path);
    let insists = request.headers.contains_key("x-read-preference");
    let cache = (anonymous && !insists && !is_function && request.method == Method::GET)
        .then(|| cached::rule(name, &path, &headers, &edge.config))
        .flatten();
    if cache.is_some() {
        // The edge answers this one itself.
        headers.remove("if-none-match");
    }
    // fetch takes no body with these, and PostgREST reads none.
    let body = match request.method {
        Method::GET | Method::HEAD => Body::Empty,
        _ => pass_body(&mut request, limit(matched, edge), edge)?,
    };
    let relay = Relay {
        outgoing: Outgoing {
            method: request.method,
            url: format!("{base}{path}"),
            headers,
            body,
            deadline_ms: limits.deadline_ms,
        },
        // Where a read that a replica refuses goes.
        primary: replica.map(|_| format!("{}{path}", edge.config.postgrest_url)),
        added_limit,
        anonymous,
        in_line: true,
    };
    Ok(Work::Relay { relay, cache })
}

/// A name as PostgreSQL folds it: `^[a-z_][a-z0-9_]*$`, at most 63 bytes.
pub(crate) fn name(text: &str) -> Result<&str, Error> {
    let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let goes_well = text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if starts_well && goes_well && text.len() <= 63 {
        Ok(text)
    } else {
        Err(Error::BadName)
    }
}

fn headers<B>(request: &Request<B>, token: &str, counts: Counts) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
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
                .filter(|schema| rooms::SCHEMAS.contains(schema));
            let schema = served.ok_or_else(|| Error::UnknownSchema {
                served: rooms::SCHEMAS.join(", "),
            })?;
            set(&mut headers, name, schema)?;
        }
    }
    if let Some(value) = request.headers.get("prefer") {
        readable("prefer", value)?;
    }
    refuse_unclear(&request.headers)?;
    let prefer = prefer(&request.headers, counts);
    if !prefer.is_empty() {
        set(&mut headers, "prefer", &prefer)?;
    }
    if let Some(key) = idempotency_key(request)? {
        set(&mut headers, "idempotency-key", key)?;
    }
    set(&mut headers, "authorization", &format!("Bearer {token}"))?;
    set_trace(&mut headers, request)?;
    Ok(headers)
}

/// A header's value that is text. What is none would be judged as absent here and read upstream.
fn readable<'a>(name: &'static str, value: &'a HeaderValue) -> Result<&'a HeaderValue, Error> {
    let wanted = "visible ASCII";
    match value.to_str() {
        Ok(_) => Ok(value),
        Err(_) => Err(Error::BadHeader { name, wanted }),
    }
}

/// Refuses a `Prefer` of which something would be dropped that the caller relies on: anything under `handling=strict`, and
/// a `max-affected` that is no number.
fn refuse_unclear(headers: &HeaderMap) -> Result<(), Error> {
    let name = "prefer";
    let tokens: Vec<&str> = preferences(headers).collect();
    let strict = tokens.contains(&"handling=strict");
    let dropped = |token: &&&str| !token.is_empty() && known(token, Counts::AsAsked).is_none();
    match tokens.iter().find(dropped) {
        Some(token) if token.starts_with("max-affected") => Err(Error::BadHeader {
            name,
            wanted: "max-affected=<number>",
        }),
        Some(_) if strict => Err(Error::BadHeader {
            name,
            wanted: "under handling=strict only preferences that are known here, without spaces around `=`",
        }),
        _ => Ok(()),
    }
}

/// The preferences that were sent, one by one.
fn preferences(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let sent = headers.get_all("prefer").into_iter();
    let sent = sent.filter_map(|value| value.to_str().ok());
    sent.flat_map(|value| value.split(',')).map(str::trim)
}

/// How rows may be counted. The planner's guess is of everybody's rows, whoever may see them: it would tell a user how many
/// others have. Nobody in particular may not make the database count a table row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    /// For servers, who see every row.
    AsAsked,
    /// For users.
    Exact,
    /// For nobody in particular: exact up to the most rows of an answer.
    Estimated,
}

impl Counts {
    fn of(caller: &Caller) -> Self {
        match (caller.token(), caller.is_user()) {
            (None, _) => Self::Estimated,
            (Some(_), true) => Self::Exact,
            (Some(_), false) => Self::AsAsked,
        }
    }
}

/// What of `Prefer` is known, rewritten.
pub(crate) fn prefer(headers: &HeaderMap, counts: Counts) -> String {
    let known = preferences(headers).filter_map(|token| known(token, counts));
    known.collect::<Vec<_>>().join(", ")
}

/// A preference as it goes on, if it is one that is known.
fn known(token: &str, counts: Counts) -> Option<&str> {
    let (name, value) = token.split_once('=')?;
    match (name, value) {
        ("count", "exact" | "planned" | "estimated") => Some(match counts {
            Counts::AsAsked => token,
            Counts::Exact => "count=exact",
            Counts::Estimated => "count=estimated",
        }),
        ("return", "minimal" | "headers-only" | "representation")
        | ("resolution", "merge-duplicates" | "ignore-duplicates")
        | ("missing", "default" | "null")
        | ("handling", "strict" | "lenient")
        | ("params", "single-object") => Some(token),
        ("max-affected", number) if number.parse::<u32>().is_ok() => Some(token),
        ("timezone", zone)
            if zone
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"/_+-".contains(&b)) =>
        {
            Some(token)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::fuzzing;

    /// A `Prefer` header of anything, and of what is nearly right.
    fn any_prefer() -> impl Strategy<Value = Vec<u8>> {
        let names = [
            "return",
            "count",
            "resolution",
            "missing",
            "handling",
            "params",
            "max-affected",
            "timezone",
            "tx",
            "role",
            "Return",
        ];
        let values = [
            "minimal",
            "representation",
            "headers-only",
            "exact",
            "planned",
            "estimated",
            "merge-duplicates",
            "default",
            "null",
            "strict",
            "single-object",
            "5",
            "+5",
            "-1",
            "4294967296",
            "Europe/Rome",
            "x y",
            "rollback",
            "\"minimal\"",
            "",
        ];
        let token = (
            select(names.to_vec()),
            select(values.to_vec()),
            "[ \t]?",
            "[ \t;]?",
        )
            .prop_map(|(name, value, before, after)| format!("{before}{name}={value}{after}"));
        prop_oneof![
            3 => prop::collection::vec(token, 0..6).prop_map(|tokens| tokens.join(",").into_bytes()),
            1 => prop::collection::vec(any::<u8>(), 0..60),
        ]
    }

    proptest! {
        #[test]
        fn any_path_is_refused_or_names_something(
            path in "/rest/v1/(rpc/)?([a-z_0-9]{0,20}|[a-z_][a-z_0-9]{60,66}|[a-zA-Z_%0-9./;\"-]{0,20}|\\PC{0,10})|(/[a-z%0-9._-]{0,12}){0,5}|\\PC{0,40}",
        ) {
            fuzzing::path(&path);
        }

        #[test]
        fn any_prefer_becomes_known_tokens_and_stays_so(
            sent in prop::collection::vec(any_prefer(), 0..3),
            counts in select(vec![Counts::AsAsked, Counts::Exact, Counts::Estimated]),
        ) {
            fuzzing::prefer_values(sent.iter().map(Vec::as_slice), counts);
        }
    }

    #[test]
    fn names_are_those_of_postgresql() {
        for good in ["projects", "_x", "a1_b2"] {
            assert_eq!(name(good), Ok(good));
        }
        for bad in [
            "",
            "Projects",
            "1a",
            "a-b",
            "a/b",
            "a b",
            "a.b",
            "a\"b",
            "ä",
            "rpc/x",
            "..",
            &"a".repeat(64),
        ] {
            assert_eq!(name(bad), Err(Error::BadName), "{bad}");
        }
    }

    #[test]
    fn prefer_keeps_what_is_known() {
        let mut headers = HeaderMap::new();
        headers.append(
            "prefer",
            "return=minimal, count=planned,tx=rollback".parse().unwrap(),
        );
        headers.append(
            "prefer",
            "role=service_role, max-affected=5".parse().unwrap(),
        );
        assert_eq!(
            prefer(&headers, Counts::Exact),
            "return=minimal, count=exact, max-affected=5"
        );
        assert_eq!(
            prefer(&headers, Counts::Estimated),
            "return=minimal, count=estimated, max-affected=5"
        );
    }
}
