//! The data API: the upstream request is rebuilt from the relation's name, the parsed query and an allow-list of headers.

use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use super::{DEADLINE_MS, idempotency_key, pass_body, set, set_trace, upstream_token};
use crate::edge::{Body, Edge, Outgoing, Platform, Request};
use crate::error::Error;
use crate::rooms;
use crate::route::{Action, KB, Matched};
use crate::verify::Caller;

/// Bytes that path and query may have together.
const MOST_URI_BYTES: usize = 8 * KB;

/// Headers handed on as they are, beside those that are rewritten.
const PASSED: [&str; 6] = [
    "accept",
    "content-type",
    "if-none-match",
    "range",
    "range-unit",
    "x-client-info",
];

/// Rebuilds a request to the data API.
pub(super) async fn rebuild<P: Platform>(
    matched: &Matched,
    caller: &Caller,
    mut request: Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Outgoing<P::Body>, Error> {
    if request.path.len() + request.query.len() > MOST_URI_BYTES {
        return Err(Error::UriTooLong {
            limit: MOST_URI_BYTES,
        });
    }
    let name = name(&matched.variable)?;
    let query = Query::parse(&request.query)?;
    if matches!(request.method, Method::PATCH | Method::DELETE) && !query.has_filter() {
        return Err(Error::UnfilteredWrite);
    }
    let token = upstream_token(caller, &request, edge)?;
    let headers = headers(&request, &token, caller.token().is_none())?;
    let folder = if matches!(matched.route.action, Action::Function) {
        "rpc/"
    } else {
        ""
    };
    let mut url = format!("{}/{folder}{name}", edge.config.postgrest_url);
    query.append_to(&mut url);
    // fetch takes no body with these, and PostgREST reads none.
    let body = match request.method {
        Method::GET | Method::HEAD => Body::Empty,
        _ => pass_body(&mut request, matched.route.body_limit, edge).await?,
    };
    Ok(Outgoing {
        method: request.method,
        url,
        headers,
        body,
        deadline_ms: DEADLINE_MS,
    })
}

/// A name as PostgreSQL folds it: `^[a-z_][a-z0-9_]*$`, at most 63 bytes.
fn name(text: &str) -> Result<&str, Error> {
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

fn headers<B>(request: &Request<B>, token: &str, anonymous: bool) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for name in PASSED {
        if let Some(value) = request.headers.get(name) {
            headers.insert(name, value.clone());
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
    let prefer = prefer(&request.headers, anonymous);
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

/// What of `Prefer` is known, rewritten. Nobody in particular may not make the database count a table row by row.
fn prefer(headers: &HeaderMap, anonymous: bool) -> String {
    let sent = headers
        .get_all("prefer")
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    let tokens = sent.flat_map(|value| value.split(',')).map(str::trim);
    let known = tokens.filter_map(|token| {
        let (name, value) = token.split_once('=')?;
        match (name, value) {
            ("count", "exact") if anonymous => Some("count=estimated"),
            ("return", "minimal" | "headers-only" | "representation")
            | ("count", "exact" | "planned" | "estimated")
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
    });
    known.collect::<Vec<_>>().join(", ")
}

/// A query, decoded once.
struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes names and values. The `apikey` ends here.
    fn parse(text: &str) -> Result<Self, Error> {
        let mut pairs = Vec::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let pair = (decode(name)?, decode(value)?);
            if pair.0 != "apikey" {
                pairs.push(pair);
            }
        }
        Ok(Self(pairs))
    }

    /// Whether something here narrows the rows of the relation itself, as PostgREST reads it.
    fn has_filter(&self) -> bool {
        let reserved = [
            "select",
            "order",
            "limit",
            "offset",
            "columns",
            "on_conflict",
        ];
        self.0.iter().any(|(name, _)| {
            // A dot leads into an embedded relation, whose filter leaves the rows of this one as they are. One behind an
            // arrow belongs to a key of a JSON document.
            let name = name.split("->").next().unwrap_or_default();
            let own = !name.contains('.') || matches!(name, "not.and" | "not.or");
            own && !reserved.contains(&name)
        })
    }

    fn append_to(&self, url: &mut String) {
        if self.0.is_empty() {
            return;
        }
        url.push('?');
        let start = url.len();
        form_urlencoded::Serializer::for_suffix(url, start).extend_pairs(&self.0);
    }
}

fn decode(text: &str) -> Result<String, Error> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(|_| Error::BadQuery("it is not UTF-8"))?;
    if decoded.contains('\0') {
        return Err(Error::BadQuery("it contains a NUL"));
    }
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn only_what_narrows_the_relation_is_a_filter() {
        let cases = [
            ("id=eq.1", true),
            ("or=(a.eq.1,b.eq.2)", true),
            ("not.and=(a.eq.1,b.eq.2)", true),
            ("data->>x=eq.1", true),
            ("data->>a.b=eq.1", true),
            ("workflows.data->>x=eq.1", false),
            ("", false),
            ("select=id", false),
            ("sel%65ct=id", false),
            ("order=id&limit=1&offset=0", false),
            ("columns=id&on_conflict=id", false),
            ("workflows.id=eq.1", false),
            ("workflows.or=(a.eq.1,b.eq.2)", false),
            ("apikey=x", false),
        ];
        for (text, wanted) in cases {
            assert_eq!(Query::parse(text).unwrap().has_filter(), wanted, "{text}");
        }
    }

    #[test]
    fn a_query_is_rebuilt_with_the_same_meaning_and_without_the_key() {
        let mut url = "http://db/projects".to_owned();
        Query::parse("select=*,a(b)&name=eq.a+b%26c&apikey=secret&n%C3%A4me=x")
            .unwrap()
            .append_to(&mut url);
        assert_eq!(
            url,
            "http://db/projects?select=*%2Ca%28b%29&name=eq.a+b%26c&n%C3%A4me=x"
        );
        assert!(matches!(Query::parse("a=%ff"), Err(Error::BadQuery(_))));
        assert!(matches!(Query::parse("a=%00"), Err(Error::BadQuery(_))));
    }

    #[test]
    fn prefer_keeps_what_is_known() {
        let mut headers = HeaderMap::new();
        headers.append(
            "prefer",
            "return=minimal, count=exact,tx=rollback".parse().unwrap(),
        );
        headers.append(
            "prefer",
            "role=service_role, max-affected=5".parse().unwrap(),
        );
        assert_eq!(
            prefer(&headers, false),
            "return=minimal, count=exact, max-affected=5"
        );
        assert_eq!(
            prefer(&headers, true),
            "return=minimal, count=estimated, max-affected=5"
        );
    }
}
