//! What an endpoint is: method, path, who may call, the limit of the body, and what it does, as data.
//!
//! Systems list their endpoints; this file knows none of them.

use std::any::Any;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::rc::Rc;

use crate::headers::Headers;
use futures_util::future::LocalBoxFuture;
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::config::Config;
use crate::error::Error;
use crate::formats::charset::Decoder;
use crate::formats::form::{self, Form};
use crate::formats::lines::Batch;
use crate::formats::{Content, RawBody, is_lines, json, media_type};
use crate::hooks::{AfterCall, Authenticate, Out, Services};
use crate::message::{self, Body, Place, Response};
use crate::services::Service;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody; the edge ignores credentials.
    Public,
    /// Everybody; a token, if there is one, must be valid.
    Open,
    /// Holders of a publishable key or of a user's token.
    Keyed,
    /// Signed-in users.
    User,
    /// Servers, by a token of the role `service_role`.
    Service,
    /// Servers, and holders of an API token that names the endpoint.
    Worker,
    /// Holders of an API token that names the endpoint.
    Token,
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
    Page(MakePage),
    /// Answers without the database, from the body.
    Body(MakePage),
    /// Tells the caller of changed rows as they come.
    Changes,
    /// Checks whether the database and the issuers answer.
    Ready,
    /// Hands the request on to a service behind the edge.
    Service {
        /// The service.
        service: Service,
        /// Whether each request is an attempt to sign in, which is counted.
        attempts: bool,
    },
    /// Answers with a text that the build has made.
    Document(&'static Document),
}

/// A text for people and tools that `dev/openapi.js` has put beside the bundle.
pub struct Document {
    /// Its name there.
    pub name: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// The function of the schema `edge` that adds what a signed-in caller may use.
    pub function: Option<&'static str>,
}

/// Answers a request without the database.
pub type MakePage = fn(&Incoming, &Config) -> Result<Response<()>, Error>;

/// Turns a request into a function's arguments.
pub type MakeArguments = fn(&Incoming, &Config) -> Result<Plan, Error>;

/// Turns the outcome of a call into an answer.
pub type MakeAnswer = fn(&Incoming, Result<Value, Error>, &Config) -> Result<Response<()>, Error>;

/// Turns a batch of a body's lines into arguments of the function, beside those that the manifest lists.
pub type MakeBatch = fn(&Batch<'_>, &Incoming, &Config) -> Result<Map<String, Value>, Error>;

/// Answers with a stream, from the result of a call. Its work goes on after the client has hung up, for about 30 seconds on
/// Cloudflare. An error before the head is the answer; a later one is logged.
pub type StreamHook = for<'a> fn(StreamCall<'a>) -> LocalBoxFuture<'a, Result<(), Error>>;

/// What a hook has that answers with a stream.
pub struct StreamCall<'a> {
    /// The result of the call.
    pub result: Value,
    /// The request. A hook lets it go when it has read it: the body may be large, and the work may take long.
    pub incoming: Incoming,
    /// What the hook may do.
    pub services: Services<'a>,
    /// The answer.
    pub out: &'a dyn Out,
}

/// A body that is read line by line as it arrives. The function is called once for each batch of lines.
pub struct LineBody {
    /// The most bytes of a line.
    pub line_limit: usize,
    /// Translates a batch.
    pub translate: Option<MakeBatch>,
}

/// Where a function's arguments come from.
pub enum Arguments {
    /// From places in the request.
    Listed(Vec<Argument>),
    /// From code.
    Code(MakeArguments),
}

/// One argument of a function.
pub struct Argument {
    /// Its name.
    pub name: String,
    /// The places that may have it. The first one that does counts.
    pub sources: Vec<Source>,
    /// Its type.
    pub kind: Kind,
    /// Its value if no place has it. Without one the argument is left out, and the function's own default applies.
    pub default: Option<Value>,
    /// Whether a request without it is refused.
    pub required: bool,
}

/// A place in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A variable segment of the path.
    Path(String),
    /// A parameter of the query.
    Query(String),
    /// A header.
    Header(String),
    /// A field of the body's object.
    Field(String),
    /// The id of the signed-in user.
    User,
    /// The whole body.
    Body(BodyKind),
    /// Where the batch of lines stands in the body.
    Batch(Position),
}

/// A position in a body of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Position {
    /// The bytes before the batch.
    Start,
    /// The bytes up to the end of the batch.
    End,
    /// The number of its first line, from 1.
    Line,
}

/// How the whole body becomes an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyKind {
    /// Any JSON.
    Value {
        /// Fields of its object with e-mail addresses, whose domains become ASCII.
        email_fields: Vec<String>,
    },
    /// One object: of JSON, or of a form's fields.
    Object {
        /// The same.
        email_fields: Vec<String>,
    },
    /// A batch of events, each accepted or refused on its own.
    Batch,
    /// Lines of JSON, in as many calls as there are batches.
    Lines,
}

/// The type of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A text.
    #[default]
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A UUID.
    Uuid,
    /// An e-mail address. A domain that is not in ASCII is converted.
    Email,
    /// Any JSON; only from a body.
    Any,
}

/// An encoding of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// `application/json`
    Json,
    /// `application/x-www-form-urlencoded`
    Form,
    /// `multipart/form-data`
    Multipart,
    /// `application/x-ndjson`: a batch, which scripts' beacons may send as `text/plain`, or one object
    Ndjson,
}

/// The form of an endpoint's errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorShape {
    /// PostgREST's.
    #[default]
    Own,
    /// The same, with a field `error` as `OpenAI`'s API has it.
    OpenAi,
    /// The same, with the header by which clients of Supabase Auth know that `code` is one.
    #[serde(skip)]
    Auth,
}

/// How a function's result is answered.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// The result, with this status.
    Result(StatusCode),
    /// 204 without a body.
    NoContent,
    /// The result unread, however large. Errors before the call are answered as usual.
    Streamed,
    /// By code.
    Code(MakeAnswer),
}

impl Answer {
    /// Turns the outcome of a call into an answer.
    ///
    /// # Errors
    /// The outcome's.
    pub fn make(
        self,
        incoming: &Incoming,
        outcome: Result<Value, Error>,
        config: &Config,
    ) -> Result<Response<()>, Error> {
        match self {
            Self::Code(code) => code(incoming, outcome, config),
            Self::Result(status) => outcome.map(|result| message::json(status, &result)),
            Self::Streamed => outcome.map(|result| message::json(StatusCode::OK, &result)),
            Self::NoContent => outcome.map(|_| Response {
                status: StatusCode::NO_CONTENT,
                headers: Headers::new(),
                body: Body::Empty,
            }),
        }
    }
}

/// A secret in a request's body, which the edge seals before the call. The function gets it as `sealed`, with the number of
/// the key as `key_version`.
pub struct Seal {
    /// The field of the body's object that holds it. No field may stand beside it but those that are arguments.
    pub field: String,
    /// What the field holds.
    pub kind: SecretKind,
    /// Schema, table and column that are bound into the seal.
    pub column: String,
    /// The row that is bound into the seal.
    pub row: SealedRow,
    /// The argument with the owner of the row.
    pub owner: String,
    /// The fewest bytes of the secret.
    pub min_bytes: usize,
    /// The most bytes of the secret.
    pub max_bytes: usize,
    /// The variable with the key of the secret's `fingerprint`, if the function gets one.
    pub fingerprint: Option<String>,
    /// Whether the function gets the secret's `prefix`, its `last_four` characters, a `hint` of its provider, and a
    /// `shape_warning`.
    pub hint: bool,
}

/// The id of a sealed secret's row.
pub enum SealedRow {
    /// The argument of this name.
    Argument(String),
    /// A random UUID, which the function gets as the argument of this name.
    New(String),
}

/// What the field of a secret holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretKind {
    /// ASCII characters without a space.
    #[default]
    Token,
    /// Any text.
    Text,
    /// An object, which is sealed as JSON. The function gets the `names` of its fields.
    Object,
}

/// A text of any length. The function is called for one page of it after the other, each with `after`, and returns the page's
/// `text`, and as `next` what `after` is in the following call, or null if there is none.
pub struct Pages {
    /// The media type.
    pub content_type: String,
    /// The name of the file.
    pub file_name: String,
}

/// How often one caller may call an endpoint. The database counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// The name of what is counted.
    pub bucket: String,
    /// Calls a minute in the long run.
    pub per_minute: u32,
    /// Calls at once.
    pub burst: u32,
    /// Calls at once of all callers together whose address is not known.
    pub shared: u32,
}

/// A purpose endpoint: one database function, and a translation on either side.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent options of a manifest"
)]
pub struct Call {
    /// The function's schema.
    pub schema: Cow<'static, str>,
    /// The function's name.
    pub function: Cow<'static, str>,
    /// The token with which it is called.
    pub identity: Identity,
    /// The encodings of the body that it reads.
    pub accepts: Vec<Encoding>,
    /// If set, the body is read line by line as it arrives.
    pub lines: Option<LineBody>,
    /// Whether the database learns the `Idempotency-Key`.
    pub idempotent: bool,
    /// Whether people fill in its form in a browser. They see it again with their values if it is refused, so a body
    /// beyond the limit is read as well.
    pub is_form: bool,
    /// If set, Turnstile has to confirm a person, if it is configured. Its widget names this action.
    pub turnstile: Option<Cow<'static, str>>,
    /// Whether the database learns the verdict on the form timestamp. Needs [`Identity::Vouched`].
    pub form_timestamp: bool,
    /// Whether the database learns the kind of device. Needs [`Identity::Vouched`].
    pub device: bool,
    /// From the request to the function's arguments.
    pub arguments: Arguments,
    /// A secret that is sealed and added to the arguments.
    pub seal: Option<Seal>,
    /// From the function's result, or an error before it, to the answer.
    pub answer: Answer,
    /// If set, the answer is a text that the function gives in pages.
    pub pages: Option<Pages>,
    /// Where a browser that navigates goes after a success. If set, it gets a page for an error.
    pub redirect: Option<String>,
    /// Seconds for which the answer is cached and shared between anonymous callers.
    pub cache_seconds: Option<u32>,
    /// How often one caller may call it. Needs [`Identity::Vouched`].
    pub limit: Option<Limit>,
    /// How to answer while the database cannot be reached, if that is possible.
    pub fallback: Option<Fallback>,
    /// If set, the answer takes a multiple of so many milliseconds, so that its time does not reveal what the database
    /// found.
    pub answer_step_ms: Option<u32>,
    /// Continues with the result before `answer` gets it.
    pub after_call: Option<AfterCall>,
    /// If set, answers with a stream.
    pub stream: Option<StreamHook>,
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
            accepts: vec![Encoding::Json],
            lines: None,
            idempotent: false,
            is_form: false,
            turnstile: None,
            form_timestamp: false,
            device: false,
            arguments: Arguments::Listed(Vec::new()),
            seal: None,
            answer: Answer::Result(StatusCode::OK),
            pages: None,
            redirect: None,
            cache_seconds: None,
            limit: None,
            fallback: None,
            answer_step_ms: None,
            after_call: None,
            stream: None,
        }
    }
}

impl Call {
    /// The status of its answer, if that is the function's result or nothing, and nothing of the edge reads the result.
    pub(crate) fn relayed_status(&self) -> Option<StatusCode> {
        let is_read =
            self.redirect.is_some() || self.fallback.is_some() || self.after_call.is_some();
        match self.answer {
            Answer::Result(status) if !is_read => Some(status),
            Answer::NoContent if !is_read => Some(StatusCode::NO_CONTENT),
            _ => None,
        }
    }
}

/// An answer from a stale result of the database.
#[derive(Clone, Copy)]
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
    pub headers: Headers,
    /// The whole body; empty if it could not be read.
    pub body: RawBody,
    /// What counts its bytes in memory, until it is dropped.
    pub(crate) held: Option<Box<dyn Any>>,
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
    /// Whether a server calls, with `service_role`: its place is not its users'.
    pub is_server: bool,
    /// Decodes text that is not UTF-8.
    pub decoder: Decoder,
    /// The text of an API token that was made for the answer.
    pub(crate) made_token: OnceCell<String>,
    /// The body's JSON, once it has been parsed.
    pub(crate) read_json: OnceCell<Result<Value, Error>>,
    /// The body as a form, once it has been read.
    pub(crate) read_form: OnceCell<Form>,
}

impl Incoming {
    /// A header's value; empty if it is missing or not text.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        message::text(&self.headers, name).unwrap_or_default()
    }

    /// The media type of the body, in lower case.
    #[must_use]
    pub fn media_type(&self) -> String {
        media_type(self.header("content-type"))
    }

    /// The body, and what says how to read it. For a reader that parses it in a way of its own; all others share
    /// [`Incoming::json`], [`Incoming::form`] and [`Incoming::field`].
    #[must_use]
    pub fn content(&self) -> Content<'_> {
        Content {
            bytes: self.body.to_parse(),
            content_type: self.header("content-type"),
            decoder: self.decoder,
        }
    }

    /// The body's JSON, parsed once.
    ///
    /// # Errors
    /// 415 for another type; 400 for a body that is not JSON, names a field twice or contains a NUL.
    pub fn json(&self) -> Result<&Value, Error> {
        json::require(self.header("content-type"))?;
        let value = self.document()?;
        json::without_nul(value)?;
        Ok(value)
    }

    /// The JSON of a body whose type is JSON, or JSON lines; parsed once.
    fn document(&self) -> Result<&Value, Error> {
        let read = || json::document(self.content());
        let document = self.read_json.get_or_init(read);
        document.as_ref().map_err(Clone::clone)
    }

    /// Whether the body is JSON, or JSON lines.
    fn is_json(&self) -> bool {
        let kind = self.media_type();
        kind == "application/json" || is_lines(&kind)
    }

    /// The body as a form, read once.
    #[must_use]
    pub fn form(&self) -> &Form {
        self.read_form.get_or_init(|| {
            if self.is_json() {
                form::of_json(self.document())
            } else {
                form::read(self.content())
            }
        })
    }

    /// Whether the body cannot be read as JSON or as a form.
    pub(crate) fn is_unreadable(&self) -> bool {
        if self.is_json() {
            self.document().is_err()
        } else {
            self.form().fault.is_some()
        }
    }

    /// The text of a field of the form or of the JSON object, if the body could be read and the field is not blank.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let value = if self.is_json() {
            self.document().ok()?.get(name)?
        } else {
            self.form().fields.get(name)?
        };
        form::last(value)
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
    /// Variables of systems without which it answers 501.
    pub requires: Vec<String>,
    /// Checks who sent the request, by its whole body.
    pub authenticate: Option<Authenticate>,
    /// The form of its errors.
    pub error_shape: ErrorShape,
    /// What it does.
    pub action: Action,
    /// The system that it belongs to; none for the core's.
    pub system: Option<String>,
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
            requires: Vec::new(),
            authenticate: None,
            error_shape: ErrorShape::Own,
            action,
            system: None,
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
