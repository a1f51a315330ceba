//! Routes as data: method, path pattern, who may call, how much body, and what is done.
//!
//! A room lists its routes; nothing here knows any of them.

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
    /// Everybody; credentials are not looked at.
    Public,
    /// Everybody; a token that is presented must be good.
    Open,
    /// Holders of a publishable key or of a user's token.
    Keyed,
}

/// What holds while the platform's rate limiter fails. The database's own limits hold in either case.
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
    /// Hands the request on to a relation that the path names.
    Relation,
    /// Hands the request on to a function that the path names.
    Function,
    /// Turns the body into the arguments of one database function.
    Call(&'static Call),
    /// Reads a whole relation, page after page, and answers with all of it as CSV.
    Export(&'static Export),
    /// Is answered here.
    Page(fn(&Incoming, &Config) -> Result<Response<()>, Error>),
    /// Is answered here, once the body has been read.
    Body(fn(&Incoming, &Config) -> Result<Response<()>, Error>),
    /// Asks the database and the issuers whether they answer.
    Ready,
}

/// Puts an outcome into the caller's words.
pub type Answer = fn(&Incoming, Result<Value, Error>, &Config) -> Result<Response<()>, Error>;

/// The step of endpoints whose database function does more for a known e-mail address than for a new one: longer than the first
/// call of a database connection, which compiles the function.
pub const ANSWER_STEP_MS: u32 = 100;

/// A purpose endpoint: one database function, and the two translations around it.
pub struct Call {
    /// The function's schema.
    pub schema: &'static str,
    /// The function's name.
    pub function: &'static str,
    /// Whose token it is called with.
    pub identity: Identity,
    /// Whether a person has to be at the other end, where the edge is set up to find out.
    pub for_people: bool,
    /// From what was sent to the function's arguments, or to an answer that needs no database.
    pub arguments: fn(&Incoming, &Config) -> Result<Plan, Error>,
    /// From the function's result, or from what went wrong before it, to what the caller sees.
    pub answer: Answer,
    /// What is answered while the database cannot be reached, where that can be said without it.
    pub fallback: Option<Fallback>,
    /// Whether the result is handed on unread, however large; `answer` then words what goes wrong before the call.
    pub streamed: bool,
    /// Milliseconds of which the answer takes a whole multiple, so that its time does not tell what the database found.
    pub answer_step_ms: Option<u32>,
    /// What the edge does with the result before it is put into words.
    pub after_call: Option<AfterCall>,
}

/// Work of the edge's own that a function's result starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterCall {
    /// Carries the deployment out that has been opened.
    Deploy,
    /// Takes up the deployments that were interrupted.
    FinishDeployments,
}

/// An answer made of what the database has said a while ago.
pub struct Fallback {
    /// The function of the schema `edge` that says it. Its result is kept, and asked for anew once a minute.
    pub function: &'static str,
    /// Of its result and a request, what the endpoint's own function would give; none if that cannot be said.
    pub result: fn(&Incoming, &Value) -> Option<Value>,
}

/// Whom PostgREST takes a call for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The caller; anon without a token. For functions whose answer depends on nothing that the edge has verified.
    Caller,
    /// The edge, on behalf of a caller: a token of the edge's own names the verified user and carries what the edge has
    /// seen of the request. Only the role `edge` may execute the function.
    Vouched,
    /// The edge itself, which has checked by other means who calls.
    Edge,
}

/// What becomes of a request to a purpose endpoint.
pub enum Plan {
    /// The function is asked, with these arguments in JSON.
    Ask(String),
    /// The same of a function that is [`Identity::Vouched`], with what the endpoint has read out of the request.
    Vouch(String, Seen),
    /// A secret is sealed, and the function is asked to keep it.
    Seal(Box<Secret>),
    /// The answer is here.
    Answer(Response<()>),
}

/// What an endpoint has read out of a request and the database believes. It travels in the edge's own signed token, beside
/// where the request came from; in a body it would be anybody's claim.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The time stamp of a hosted form: `ok`, `fast` or `forged`; none if the form has none.
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
    /// Whether it is a program that reads pages by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_bot: Option<bool>,
}

/// What nobody but the edge may read, and where it is to be kept: sealed there it opens nowhere else.
pub struct Secret {
    /// The secret itself.
    pub text: String,
    /// The table, with its schema, and the column that it is said to be in.
    pub column: &'static str,
    /// The row's id, in lower case.
    pub row: String,
    /// Whose the row is.
    pub owner: String,
    /// The function's arguments, to which `sealed` and `key_version` are added.
    pub arguments: Map<String, Value>,
}

/// A relation that is read whole. Each row has an `id`, a `created_at` and, as `cells`, an array of texts.
pub struct Export {
    /// The relation's schema.
    pub schema: &'static str,
    /// The relation's name.
    pub relation: &'static str,
    /// The names of the cells, for the first line of the CSV.
    pub columns: &'static [&'static str],
    /// What a row has beside its cells.
    pub more: More,
    /// What the file is to be called.
    pub file_name: &'static str,
}

/// Fields of a row that have no column of their own: an object in one column, which is a cell of JSON, or gives a cell to each of the
/// names that are asked for first.
pub struct More {
    /// The column.
    pub column: &'static str,
    /// The function of the relation's schema that gives the names, an array of texts.
    pub names: &'static str,
}

/// What came of asking whether a person is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Human {
    /// Nobody asked.
    #[default]
    Unasked,
    /// One is.
    Verified,
    /// Nobody could say, and the request is from a page without scripts.
    Held,
}

/// Reads bytes as text in a charset of the Encoding Standard, by one of its labels; none if it has no such charset.
#[derive(Clone, Copy)]
pub struct Decoder(pub fn(&str, &[u8]) -> Option<String>);

impl Default for Decoder {
    /// One that knows none.
    fn default() -> Self {
        Self(|_, _| None)
    }
}

/// What a purpose endpoint is told of a request.
#[derive(Default)]
pub struct Incoming {
    /// Headers of the request that the edge reads.
    pub headers: HeaderMap,
    /// The whole body; empty where it could not be read.
    pub body: Vec<u8>,
    /// The path's variable part, decoded.
    pub variable: String,
    /// The query without its question mark, still percent-encoded.
    pub query: String,
    /// The caller is a browser that shows a page, not a script.
    pub wants_page: bool,
    /// Milliseconds since 1970.
    pub now_ms: u64,
    /// Where it came from.
    pub place: Place,
    /// Whether a person sent it.
    pub human: Human,
    /// The user, where one is signed in.
    pub user: Option<String>,
    /// How what is not UTF-8 is read.
    pub decoder: Decoder,
}

impl Incoming {
    /// A header's value; empty if it was not sent or is no text.
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
    /// Its method; a GET serves HEAD too.
    pub method: Method,
    /// Its path; a segment in braces stands for any one segment. There is one of them at most.
    pub pattern: &'static str,
    /// Where the pattern's variable segment begins, or its end: found once, for every request looks at every route.
    literal: usize,
    /// Who may call it.
    pub access: Access,
    /// The most body it takes, in bytes; none: what `LIMITS` says.
    pub body_limit: Option<usize>,
    /// Whether the platform's rate limiter stands in front of it, and what holds while the limiter fails.
    pub guard: Option<Guard>,
    /// What it does.
    pub action: Action,
}

impl Route {
    /// A route that nobody but holders of a key may call, with the usual limits.
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

    /// The same with nothing in front.
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

    /// The same for everybody, whose token, if any, must be good.
    #[must_use]
    pub const fn open(mut self) -> Self {
        self.access = Access::Open;
        self
    }

    /// The same for everybody, without a look at credentials.
    #[must_use]
    pub const fn public(mut self) -> Self {
        self.access = Access::Public;
        self
    }

    /// The same with another limit, in bytes.
    #[must_use]
    pub const fn body(mut self, bytes: usize) -> Self {
        self.body_limit = Some(bytes);
        self
    }

    /// The path's variable part, decoded once, if the path fits; an empty text if the pattern has none.
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

/// The bytes of a pattern before its variable segment.
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

/// A route, and what the path put into its pattern.
pub struct Matched {
    /// The route.
    pub route: &'static Route,
    /// The variable segment, decoded once.
    pub variable: String,
}

/// Finds the route of a request among all there are.
///
/// # Errors
/// [`Error::NotFound`], or [`Error::MethodNotAllowed`] where another method would do.
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

/// The methods of a path, as an `Allow` header has them.
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
    fn a_path_finds_its_route_and_its_variable_part() {
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
