//! What an endpoint is: method, path, who may call, the limit of the body, and what it does, as data.
//!
//! Systems list their endpoints; this file knows none of them.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::rc::Rc;

use http::{HeaderMap, Method, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::config::Config;
use crate::error::Error;
use crate::formats::Content;
use crate::formats::charset::Decoder;
use crate::formats::form::{self, Form};
use crate::message::{self, Place, Response};

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
pub enum Action {
    /// Forwards the request to the relation in the path.
    Relation,
    /// Forwards the request to the function in the path.
    Function,
    /// Turns the body into the arguments of one database function.
    Call(Rc<Call>),
    /// Reads a whole relation page by page, and answers with all of it as CSV.
    Export(Rc<Export>),
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
    pub schema: Cow<'static, str>,
    /// The function's name.
    pub function: Cow<'static, str>,
    /// The token with which it is called.
    pub identity: Identity,
    /// Whether people fill in its form in a browser. They see it again with their values if it is refused, so a body
    /// beyond the limit is read as well.
    pub is_form: bool,
    /// If set, Turnstile has to confirm a person, if it is configured. Its widget names this action.
    pub turnstile: Option<Cow<'static, str>>,
    /// Whether the database learns the verdict on the form timestamp. Needs [`Identity::Vouched`].
    pub form_timestamp: bool,
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
    /// The name of the hook that continues with the result before `answer` gets it; see [`crate::hooks`].
    pub after_call: Option<Cow<'static, str>>,
}

impl Call {
    /// A call with the caller's own token and no arguments, answered with the result and 200.
    pub fn new(
        schema: impl Into<Cow<'static, str>>,
        function: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            schema: schema.into(),
            function: function.into(),
            identity: Identity::Caller,
            is_form: false,
            turnstile: None,
            form_timestamp: false,
            arguments: |_, _| Ok(Plan::Call("{}".to_owned())),
            answer: answer_ok,
            fallback: None,
            streamed: false,
            answer_step_ms: None,
            after_call: None,
        }
    }
}

/// The function's result, with 200.
///
/// # Errors
/// The outcome's.
pub fn answer_ok(
    _: &Incoming,
    outcome: Result<Value, Error>,
    _: &Config,
) -> Result<Response<()>, Error> {
    outcome.map(|result| message::json(StatusCode::OK, &result))
}

/// The function's result, with 201.
///
/// # Errors
/// The outcome's.
pub fn answer_created(
    _: &Incoming,
    outcome: Result<Value, Error>,
    _: &Config,
) -> Result<Response<()>, Error> {
    outcome.map(|result| message::json(StatusCode::CREATED, &result))
}

/// The function's result, with 202.
///
/// # Errors
/// The outcome's.
pub fn answer_accepted(
    _: &Incoming,
    outcome: Result<Value, Error>,
    _: &Config,
) -> Result<Response<()>, Error> {
    outcome.map(|result| message::json(StatusCode::ACCEPTED, &result))
}

/// An answer from a stale result of the database.
pub struct Fallback {
    /// The function of the schema `edge` that gives the result. It is called again once a minute.
    pub function: Cow<'static, str>,
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
    pub schema: Cow<'static, str>,
    /// The relation's name.
    pub relation: Cow<'static, str>,
    /// The names of the cells, for the first line of the CSV.
    pub columns: Vec<Cow<'static, str>>,
    /// Further fields of a row.
    pub more: More,
    /// The name of the file.
    pub file_name: Cow<'static, str>,
}

/// Fields of a row without a column of their own. They are an object in one column, which becomes a cell of JSON, or a
/// cell for each field.
pub struct More {
    /// The column.
    pub column: Cow<'static, str>,
    /// The function of the relation's schema that returns the names of the fields, an array of strings.
    pub names: Cow<'static, str>,
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

/// The variable segments of a path by their names in the route's pattern, decoded once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Segments(Vec<(String, String)>);

impl Segments {
    /// The segment of this name; empty if the pattern has none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(given, _)| given == name);
        found.map_or("", |(_, text)| text)
    }
}

impl<N: Into<String>, T: Into<String>> FromIterator<(N, T)> for Segments {
    fn from_iter<I: IntoIterator<Item = (N, T)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        Self(
            pairs
                .map(|(name, text)| (name.into(), text.into()))
                .collect(),
        )
    }
}

/// What a purpose endpoint sees of a request.
#[derive(Default)]
pub struct Incoming {
    /// The request headers that the edge reads.
    pub headers: HeaderMap,
    /// The whole body; empty if it could not be read.
    pub body: Vec<u8>,
    /// The variable segments of the path.
    pub segments: Segments,
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
    /// The body as a form, once it has been read.
    pub(crate) read_form: OnceCell<Form>,
}

impl Incoming {
    /// A header's value; empty if it is missing or not text.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        message::text(&self.headers, name).unwrap_or_default()
    }

    /// The body, and what says how to read it.
    #[must_use]
    pub fn content(&self) -> Content<'_> {
        Content {
            bytes: &self.body,
            content_type: self.header("content-type"),
            decoder: self.decoder,
        }
    }

    /// The body as a form, read once.
    #[must_use]
    pub fn form(&self) -> &Form {
        self.read_form.get_or_init(|| form::read(self.content()))
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
    /// Its path. A segment in braces matches any one segment.
    pub pattern: Cow<'static, str>,
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
    pub fn new(method: Method, pattern: impl Into<Cow<'static, str>>, action: Action) -> Self {
        Self {
            method,
            pattern: pattern.into(),
            access: Access::Keyed,
            body_limit: None,
            guard: Some(Guard::FailOpen),
            action,
        }
    }

    /// The same without the platform's rate limiter.
    #[must_use]
    pub fn unguarded(mut self) -> Self {
        self.guard = None;
        self
    }

    /// The same, refused while the rate limiter fails.
    #[must_use]
    pub fn fail_closed(mut self) -> Self {
        self.guard = Some(Guard::FailClosed);
        self
    }

    /// The same for everybody; a token, if there is one, must be valid.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.access = Access::Open;
        self
    }

    /// The same for everybody; credentials are ignored.
    #[must_use]
    pub fn public(mut self) -> Self {
        self.access = Access::Public;
        self
    }

    /// The same with another body limit, in bytes.
    #[must_use]
    pub fn body(mut self, bytes: usize) -> Self {
        self.body_limit = Some(bytes);
        self
    }
}
