//! Routes as data: method, path pattern, who may call, the limit of the body, and what the route does.
//!
//! Endpoints and systems list their routes; this file knows none of them.

use http::{HeaderMap, Method};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::config::Config;
use crate::edge::{self, Place, Response};
use crate::error::Error;

/// Bytes in a kilobyte, for body limits.
pub const KB: usize = 1024;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody; the edge ignores credentials.
    Public,
    /// Everybody; a token, if there is one, must be valid.
    Open,
    /// Holders of a publishable key or of a user's token.
    Keyed,
}

/// What happens while the platform's rate limiter fails. The database's own limits apply in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Requests go through.
    FailOpen,
    /// Requests are refused.
    FailClosed,
}

/// What a route does.
#[derive(Clone, Copy)]
pub enum Action {
    /// Forwards the request to the relation in the path.
    Relation,
    /// Forwards the request to the function in the path.
    Function,
    /// Turns the body into the arguments of one database function.
    Call(&'static Call),
    /// Reads a whole relation page by page, and answers with all of it as CSV.
    Export(&'static Export),
    /// Answers without the database.
    Page(fn(&Incoming, &Config) -> Result<Response<()>, Error>),
    /// Answers without the database, from the body.
    Body(fn(&Incoming, &Config) -> Result<Response<()>, Error>),
    /// Checks whether the database and the issuers answer.
    Ready,
}

/// Turns the outcome of a call into an answer.
pub type Answer = fn(&Incoming, Result<Value, Error>, &Config) -> Result<Response<()>, Error>;

/// The step of endpoints whose database function does more for a known e-mail address than for a new one. Longer than
/// the first call on a database connection, which compiles the function.
pub const ANSWER_STEP_MS: u32 = 100;

/// A purpose endpoint: one database function, and a translation on either side.
pub struct Call {
    /// The function's schema.
    pub schema: &'static str,
    /// The function's name.
    pub function: &'static str,
    /// The token with which it is called.
    pub identity: Identity,
    /// Whether Turnstile has to confirm a person, if it is configured.
    pub for_people: bool,
    /// From the request to the function's arguments, or to an answer that needs no database.
    pub arguments: fn(&Incoming, &Config) -> Result<Plan, Error>,
    /// From the function's result, or an error before it, to the answer.
    pub answer: Answer,
    /// How to answer while the database cannot be reached, if that is possible.
    pub fallback: Option<Fallback>,
    /// Whether the result is relayed unread, however large. `answer` then words only errors before the call.
    pub streamed: bool,
    /// If set, the answer takes a multiple of so many milliseconds, so that its time does not reveal what the database
    /// found.
    pub answer_step_ms: Option<u32>,
    /// What the edge does with the result before `answer` gets it.
    pub after_call: Option<AfterCall>,
}

/// Work of the edge that the result of a function starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterCall {
    /// Runs the deployment that was opened.
    Deploy,
    /// Resumes interrupted deployments.
    FinishDeployments,
}

/// An answer from a stale result of the database.
pub struct Fallback {
    /// The function of the schema `edge` that gives the result. It is called again once a minute.
    pub function: &'static str,
    /// What the endpoint's own function would return, computed from the request and the stale result; none if it cannot
    /// be computed.
    pub result: fn(&Incoming, &Value) -> Option<Value>,
}

/// The identity of a call for PostgREST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The caller, or anon without a token. For functions whose answer depends on nothing that the edge has verified.
    Caller,
    /// The edge on behalf of a caller: its own token names the verified user and carries what the edge has observed.
    /// Only the role `edge` may execute the function.
    Vouched,
    /// The edge itself, which has verified the caller by other means.
    Edge,
}

/// How to answer a request to a purpose endpoint.
pub enum Plan {
    /// Calls the function with these arguments in JSON.
    Call(String),
    /// The same for a function with [`Identity::Vouched`], with what the endpoint has observed.
    CallVouched(String, Seen),
    /// Seals a secret, and calls the function to store it.
    Seal(Box<Secret>),
    /// Answers without the database.
    Answer(Response<()>),
}

/// What an endpoint has observed of a request, for the database to trust. It travels in the edge's own signed token; in
/// a body anybody could claim it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The verdict on a hosted form's timestamp: `ok`, `fast` or `forged`; none for a form without one.
    #[serde(rename = "stamp", skip_serializing_if = "Option::is_none")]
    pub form_timestamp: Option<&'static str>,
    /// The kind of device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_type: Option<&'static str>,
    /// The browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser: Option<&'static str>,
    /// The operating system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<&'static str>,
    /// Whether it is a crawler or another program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_bot: Option<bool>,
}

/// A secret and the place where it is stored. It is sealed for that place, and cannot be opened at any other.
pub struct Secret {
    /// The secret itself.
    pub text: String,
    /// Schema, table and column that are bound into the seal.
    pub column: &'static str,
    /// The row's id, in lower case.
    pub row: String,
    /// The owner of the row.
    pub owner: String,
    /// The function's arguments, to which `sealed` and `key_version` are added.
    pub arguments: Map<String, Value>,
}

/// A relation that is exported whole. Each row has an `id`, a `created_at` and an array of strings, `cells`.
pub struct Export {
    /// The relation's schema.
    pub schema: &'static str,
    /// The relation's name.
    pub relation: &'static str,
    /// The names of the cells, for the first line of the CSV.
    pub columns: &'static [&'static str],
    /// Further fields of a row.
    pub more: More,
    /// The name of the file.
    pub file_name: &'static str,
}

/// Fields of a row without a column of their own. They are an object in one column, which becomes a cell of JSON, or a
/// cell for each field.
pub struct More {
    /// The column.
    pub column: &'static str,
    /// The function of the relation's schema that returns the names of the fields, an array of strings.
    pub names: &'static str,
}

/// Turnstile's verdict on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Human {
    /// Turnstile is not configured, or the endpoint does not use it.
    #[default]
    NotChecked,
    /// A person sent it.
    Verified,
    /// Unknown; the request comes from a page without scripts. The lead is stored for review and nothing is sent.
    PendingReview,
}

/// Decodes bytes in a charset of the Encoding Standard, named by one of its labels; none for an unknown charset.
#[derive(Clone, Copy)]
pub struct Decoder(pub fn(&str, &[u8]) -> Option<String>);

impl Default for Decoder {
    /// Knows no charset.
    fn default() -> Self {
        Self(|_, _| None)
    }
}

/// What a purpose endpoint sees of a request.
#[derive(Default)]
pub struct Incoming {
    /// The request headers that the edge reads.
    pub headers: HeaderMap,
    /// The whole body; empty if it could not be read.
    pub body: Vec<u8>,
    /// The variable segment of the path, decoded.
    pub variable: String,
    /// The query without its question mark, still percent-encoded.
    pub query: String,
    /// Whether the client is a browser that shows a page, not a script.
    pub wants_page: bool,
    /// Milliseconds since 1970.
    pub now_ms: u64,
    /// The place of the client.
    pub place: Place,
    /// Whether a person sent it.
    pub human: Human,
    /// The user, if one is signed in.
    pub user: Option<String>,
    /// Decodes text that is not UTF-8.
    pub decoder: Decoder,
}

impl Incoming {
    /// A header's value; empty if it is missing or not text.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        edge::text(&self.headers, name).unwrap_or_default()
    }

    /// The media type without its parameters, in lower case.
    #[must_use]
    pub fn media_type(&self) -> String {
        let kind = self.header("content-type").split(';').next();
        kind.unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// A parameter of the query, decoded.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        let found = pairs.find(|(given, _)| given == name);
        found.map(|(_, value)| value.into_owned())
    }
}

/// One endpoint.
pub struct Route {
    /// Its method. A GET route also serves HEAD.
    pub method: Method,
    /// Its path. A segment in braces matches any one segment; there is at most one.
    pub pattern: &'static str,
    /// The position of the pattern's variable segment, or its end. Computed once: every request looks at every route.
    literal: usize,
    /// Who may call it.
    pub access: Access,
    /// The most bytes of its body; none for the limit in `LIMITS`.
    pub body_limit: Option<usize>,
    /// Whether the platform's rate limiter guards it, and what happens while the limiter fails.
    pub guard: Option<Guard>,
    /// What it does.
    pub action: Action,
}

impl Route {
    /// A route for holders of a key, with the default limits.
    #[must_use]
    pub const fn new(method: Method, pattern: &'static str, action: Action) -> Self {
        Self {
            method,
            pattern,
            literal: literal(pattern),
            access: Access::Keyed,
            body_limit: None,
            guard: Some(Guard::FailOpen),
            action,
        }
    }

    /// The same without the platform's rate limiter.
    #[must_use]
    pub const fn unguarded(mut self) -> Self {
        self.guard = None;
        self
    }

    /// The same, refused while the rate limiter fails.
    #[must_use]
    pub const fn fail_closed(mut self) -> Self {
        self.guard = Some(Guard::FailClosed);
        self
    }

    /// The same for everybody; a token, if there is one, must be valid.
    #[must_use]
    pub const fn open(mut self) -> Self {
        self.access = Access::Open;
        self
    }

    /// The same for everybody; credentials are ignored.
    #[must_use]
    pub const fn public(mut self) -> Self {
        self.access = Access::Public;
        self
    }

    /// The same with another body limit, in bytes.
    #[must_use]
    pub const fn body(mut self, bytes: usize) -> Self {
        self.body_limit = Some(bytes);
        self
    }

    /// The variable segment, decoded once, if the path matches; an empty string if the pattern has none.
    fn matches(&self, path: &str) -> Option<String> {
        let (before, variable) = self.pattern.split_at(self.literal);
        let rest = path.strip_prefix(before)?;
        let Some((_, after)) = variable.split_once('}') else {
            return rest.is_empty().then(String::new);
        };
        let segment = rest.strip_suffix(after)?;
        if segment.is_empty() || segment.contains('/') {
            return None;
        }
        let decoded = percent_encoding::percent_decode_str(segment).decode_utf8();
        Some(decoded.ok()?.into_owned())
    }
}

/// The number of bytes of a pattern before its variable segment.
const fn literal(pattern: &str) -> usize {
    let mut rest = pattern.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        if *first == b'{' {
            break;
        }
        rest = others;
    }
    pattern.len() - rest.len()
}

/// A route, and the variable segment of the request's path.
pub struct Matched {
    /// The route.
    pub route: &'static Route,
    /// The variable segment, decoded once.
    pub variable: String,
}

/// Finds the route of a request.
///
/// # Errors
/// [`Error::NotFound`], or [`Error::MethodNotAllowed`] if the path has other methods.
pub fn find(
    routes: &'static [&'static [Route]],
    method: &Method,
    path: &str,
) -> Result<Matched, Error> {
    let wanted = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let fitting = |route: &'static Route| {
        route
            .matches(path)
            .map(|variable| Matched { route, variable })
    };
    let mut found: Vec<Matched> = routes
        .iter()
        .copied()
        .flatten()
        .filter_map(fitting)
        .collect();
    if let Some(at) = found
        .iter()
        .position(|matched| matched.route.method == *wanted)
    {
        return Ok(found.swap_remove(at));
    }
    if found.is_empty() {
        return Err(Error::NotFound);
    }
    Err(Error::MethodNotAllowed {
        allow: allowed(found.iter().map(|matched| &matched.route.method)),
    })
}

/// The methods of a path, as an `Allow` header lists them.
fn allowed<'a>(methods: impl Iterator<Item = &'a Method>) -> String {
    let mut names: Vec<&str> = methods.map(Method::as_str).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.dedup();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    static ROUTES: [Route; 5] = [
        Route::new(Method::GET, "/forms/thanks", Action::Ready),
        Route::new(Method::GET, "/forms/{source}", Action::Ready),
        Route::new(Method::POST, "/things/{name}", Action::Relation),
        Route::new(Method::DELETE, "/things/{name}", Action::Relation),
        Route::new(Method::PUT, "/things/{name}/token", Action::Relation),
    ];
    static ALL: [&[Route]; 1] = [&ROUTES];

    #[test]
    fn a_path_finds_its_route_and_variable_segment() {
        let cases = [
            (Method::GET, "/forms/thanks", Ok(("/forms/thanks", ""))),
            (Method::HEAD, "/forms/a%20b", Ok(("/forms/{source}", "a b"))),
            (Method::POST, "/things/x", Ok(("/things/{name}", "x"))),
            (
                Method::GET,
                "/things/x",
                Err(Error::MethodNotAllowed {
                    allow: "POST, DELETE, OPTIONS".into(),
                }),
            ),
            (
                Method::POST,
                "/forms/x",
                Err(Error::MethodNotAllowed {
                    allow: "GET, HEAD, OPTIONS".into(),
                }),
            ),
            (
                Method::PUT,
                "/things/x/token",
                Ok(("/things/{name}/token", "x")),
            ),
            (Method::PUT, "/things//token", Err(Error::NotFound)),
            (Method::PUT, "/things/x/y/token", Err(Error::NotFound)),
            (Method::PUT, "/things/x/token/", Err(Error::NotFound)),
            (Method::PUT, "/things/x/xtoken", Err(Error::NotFound)),
            (Method::GET, "/forms/thanksx/", Err(Error::NotFound)),
            (Method::GET, "/forms/", Err(Error::NotFound)),
            (Method::GET, "/forms/x/", Err(Error::NotFound)),
            (Method::GET, "/forms/x/y", Err(Error::NotFound)),
            (Method::GET, "/forms/%ff", Err(Error::NotFound)),
            (Method::GET, "//forms/x", Err(Error::NotFound)),
            (Method::GET, "/", Err(Error::NotFound)),
        ];
        for (method, path, wanted) in cases {
            let found = find(&ALL, &method, path).map(|m| (m.route.pattern, m.variable));
            assert_eq!(
                found,
                wanted.map(|(pattern, variable)| (pattern, variable.to_owned())),
                "{method} {path}"
            );
        }
    }
}
