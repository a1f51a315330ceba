//! Everything that the edge refuses or fails at, and the one catalogue that gives each error its status, code, name and text.
//!
//! The body has PostgREST's shape: `{"code","message","details","hint"}`. A code is `RG` and three digits; the first digit
//! names the stage: 1 route, 2 verify, 3 scope, 4 forward, 5 and 6 the database's own rules, 9 configuration. A name is for
//! people who read logs; the body does not carry it. `docs/errors.md` lists every code with its cause and what to do about it.

use std::borrow::Cow;

use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::Value;

use crate::headers::Headers;
use crate::id::NoRandomness;
use crate::message::ReadFault;

/// An error: what the client gets, and what the log calls it.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// The status.
    pub status: StatusCode,
    /// The code, which `docs/errors.md` lists.
    pub code: &'static str,
    /// The name in the log.
    pub name: &'static str,
    /// What went wrong.
    pub message: &'static str,
    /// What to do about it; empty for none.
    pub hint: &'static str,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u32>,
}

/// Makes a static of each row, and a list of all rows, `ROWS`. A row has status, code, name, message and hint and, if it may
/// be tried again, the seconds for `Retry-After` behind an arrow.
macro_rules! catalogue {
    ($($row:ident $status:ident $code:literal $name:literal $message:literal $hint:literal $(=> $retry:literal)?)*) => {
        $(
            #[doc = concat!("`", $code, "`")]
            pub static $row: $crate::error::Row = $crate::error::Row {
                status: http::StatusCode::$status,
                code: $code,
                name: $name,
                message: $message,
                hint: $hint,
                retry_after: catalogue!(@ $($retry)?),
            };
        )*
        /// All rows.
        pub static ROWS: &[&$crate::error::Row] = &[$(&$row),*];
    };
    (@) => { None };
    (@ $retry:literal) => { Some($retry) };
}

catalogue! {
    ENDPOINT_NOT_FOUND NOT_FOUND "RG101" "endpoint_not_found" "No such endpoint" "Check the path, to the last slash; the data API is /rest/v1/<table> and /rest/v1/rpc/<function>."
    METHOD_NOT_ALLOWED METHOD_NOT_ALLOWED "RG102" "method_not_allowed" "This endpoint does not take this method" "Use one of the allowed methods."
    SERVICE_NOT_CONFIGURED NOT_FOUND "RG103" "service_not_configured" "This service is not set up here" "Set the variable that the details name, or SUPABASE_URL, and deploy again."
    UPGRADE_REQUIRED UPGRADE_REQUIRED "RG104" "upgrade_required" "This endpoint opens WebSockets only" "Send `Upgrade: websocket`, as a WebSocket client does."

    AUTHORIZATION_MALFORMED UNAUTHORIZED "RG201" "authorization_malformed" "The Authorization header is not one Bearer token" "Send `Authorization: Bearer <token>` once, or leave it out."
    TOKEN_MALFORMED UNAUTHORIZED "RG202" "token_malformed" "The token is not an acceptable JWT" "Send the access token as the issuer gave it."
    TOKEN_SIGNATURE_INVALID UNAUTHORIZED "RG203" "token_signature_invalid" "The token's signature is not from a trusted key" "Sign in again at this project's issuer."
    TOKEN_EXPIRED UNAUTHORIZED "RG204" "token_expired" "The token has expired" "Refresh the session."
    TOKEN_NOT_YET_VALID UNAUTHORIZED "RG205" "token_not_yet_valid" "The token is not valid yet" "Check the clock of the machine that issued it."
    TOKEN_CLAIMS_REJECTED UNAUTHORIZED "RG206" "token_claims_rejected" "The token is not meant for this project" "It needs sub, exp, and the issuer, audience and role configured here."
    // The words of Supabase's gateway, which users of its client libraries know.
    API_KEY_MISSING UNAUTHORIZED "RG207" "api_key_missing" "No API key found in request" "No `apikey` request header or url param was found."
    API_KEY_INVALID UNAUTHORIZED "RG208" "api_key_invalid" "Invalid API key" "Double check the publishable key in the `apikey` header or url param; a user's token belongs in Authorization."
    SERVICE_TOKEN_FROM_BROWSER FORBIDDEN "RG209" "service_token_from_browser" "A service_role token must not be used from a browser" "Keep it on servers; browsers use the publishable key and a user's token. If a page contained it, replace it."
    ISSUER_KEYS_UNAVAILABLE SERVICE_UNAVAILABLE "RG210" "issuer_keys_unavailable" "The keys that verify tokens are not available at the moment" "Try again after the time in Retry-After."

    API_TOKEN_UNKNOWN UNAUTHORIZED "RG217" "api_token_unknown" "The API token is unknown, revoked or expired" "Send it as it was shown when it was made, or make a new one at POST /v1/tokens."
    API_TOKEN_SCOPE FORBIDDEN "RG219" "api_token_scope" "The API token does not open this" "Use a token with this system or endpoint in its scope, and with access = \"write\" to write."
    ORIGIN_NOT_ALLOWED FORBIDDEN "RG220" "origin_not_allowed" "Pages of this site may not open a connection here" "Add the site's origin to ALLOWED_ORIGINS."

    TOKEN_MISSING UNAUTHORIZED "RG213" "token_missing" "This endpoint needs a token" "Send `Authorization: Bearer <token>`."
    CALLER_NOT_ALLOWED FORBIDDEN "RG214" "caller_not_allowed" "This endpoint is not for this caller" "Send the token of a caller that the details name."

    BODY_MALFORMED BAD_REQUEST "RG301" "body_malformed" "The body cannot be read" "Send what the Content-Type says, in UTF-8."
    BODY_TOO_LARGE PAYLOAD_TOO_LARGE "RG302" "body_too_large" "The body is too large" "Send less, or send it in several requests."
    CONTENT_TYPE_UNSUPPORTED UNSUPPORTED_MEDIA_TYPE "RG303" "content_type_unsupported" "This endpoint does not read this Content-Type" "Set Content-Type to one of these."
    NAME_INVALID BAD_REQUEST "RG304" "name_invalid" "The path does not contain a valid name of a table, view or function" "A name has 1 to 63 bytes and no slash, backslash or control character."
    URL_TOO_LONG URI_TOO_LONG "RG305" "url_too_long" "The URL is too long" "Filter by fewer values, or call a function with a body."
    QUERY_MALFORMED BAD_REQUEST "RG306" "query_malformed" "The query string cannot be read" "Percent-encode names and values as UTF-8."
    FILTER_MISSING BAD_REQUEST "RG307" "filter_missing" "An update or a delete needs a filter" "Add a filter, such as id=eq.<id>."
    QUERY_PLAN_REFUSED NOT_ACCEPTABLE "RG308" "query_plan_refused" "Query plans are not served" "Ask for application/json or text/csv."
    HEADER_INVALID BAD_REQUEST "RG309" "header_invalid" "A header cannot be read" "Correct the header or leave it out."
    BODY_TIMEOUT REQUEST_TIMEOUT "RG310" "body_timeout" "The body did not arrive in time" "Send it again, without pauses."
    // The shortest period of Cloudflare\'s rate limiter.
    TOO_MANY_REQUESTS TOO_MANY_REQUESTS "RG311" "too_many_requests" "Too many requests" "Try again after the time in Retry-After." => 10
    RATE_LIMITER_UNAVAILABLE SERVICE_UNAVAILABLE "RG312" "rate_limiter_unavailable" "This endpoint is not available at the moment" "Try again after the time in Retry-After." => 5
    EMBED_TOO_DEEP BAD_REQUEST "RG313" "embed_too_deep" "Relations are embedded too deeply" "Ask for the deeper ones in a request of their own."
    UPLOAD_BUFFER_FULL SERVICE_UNAVAILABLE "RG314" "upload_buffer_full" "Too many bodies are arriving that have to be buffered" "Try again after the time in Retry-After; the data API buffers none with a Content-Length." => 5
    HUMAN_NOT_VERIFIED FORBIDDEN "RG315" "human_not_verified" "Turnstile did not confirm that a person sent this" "Show Turnstile's widget with the action that the details name, and send its fresh token as cf-turnstile-response."
    SECRET_INVALID UNPROCESSABLE_ENTITY "RG316" "secret_invalid" "This does not have the form of a secret" "Send it as its issuer gave it."
    TOO_MANY_EMBEDS BAD_REQUEST "RG320" "too_many_embeds" "Too many relations are embedded" "Ask for some of them in a request of their own."
    CAST_NOT_ALLOWED BAD_REQUEST "RG321" "cast_not_allowed" "Casts to this type are not allowed" "Cast to one of these, or cast in a view or a function."
    SYSTEM_COLUMN BAD_REQUEST "RG322" "system_column" "System columns are not served" "Name a column that the table defines."
    CONDITIONAL_WRITE PRECONDITION_FAILED "RG323" "conditional_write" "Writes cannot depend on the version of a row" "Leave the header out, and add a filter on a column that changes with each write, such as updated_at=eq.<the time that was read>."
    WRITE_LIMIT_UNSUPPORTED BAD_REQUEST "RG324" "write_limit_unsupported" "Updates and deletes cannot have a limit" "Filter by what the rows have in common, such as id=in.(<ids>)."
    ARGUMENT_INVALID BAD_REQUEST "RG325" "argument_invalid" "An argument is missing or has another type" "Send what the details name."
    CONTENT_ENCODING_UNSUPPORTED UNSUPPORTED_MEDIA_TYPE "RG330" "content_encoding_unsupported" "This endpoint does not read this Content-Encoding" "Send the body without Content-Encoding."
    LISTENERS_EXCEEDED TOO_MANY_REQUESTS "RG340" "listeners_exceeded" "There are too many listeners to changes" "Close a page or a connection that listens, or try again after the time in Retry-After." => 30
    // A tenth of the period in which the attempts of an account are given back.
    TOO_MANY_ATTEMPTS TOO_MANY_REQUESTS "RG334" "too_many_attempts" "Too many attempts to sign in" "Try again after the time in Retry-After." => 30
    // PostgREST's own code and words.
    SCHEMA_NOT_SERVED NOT_ACCEPTABLE "PGRST106" "schema_not_served" "The schema must be one of the following" "Name one in Accept-Profile or Content-Profile; supabase-js takes {db: {schema}}."

    DATABASE_UNAVAILABLE SERVICE_UNAVAILABLE "RG401" "database_unavailable" "The database cannot be reached at the moment" "Try again after the time in Retry-After." => 1
    DATABASE_TIMEOUT GATEWAY_TIMEOUT "RG402" "database_timeout" "The database did not answer in time" "Ask for less, or try again later; with the same Idempotency-Key nothing is written twice."
    DATABASE_FAILED BAD_GATEWAY "RG403" "database_failed" "The database failed" "Report it with the x-request-id."
    CAPACITY_EXCEEDED SERVICE_UNAVAILABLE "RG404" "capacity_exceeded" "Too many requests are waiting for the database" "Try again after the time in Retry-After." => 1
    ANSWER_TOO_LARGE BAD_REQUEST "RG406" "answer_too_large" "The answer is too large" "Ask for fewer rows, columns or embedded relations at once."
    TOO_MANY_CONCURRENT TOO_MANY_REQUESTS "RG407" "too_many_concurrent_requests" "Too many of your requests are in progress" "Send fewer at once; try again after the time in Retry-After." => 1
    RESULT_TOO_LARGE BAD_GATEWAY "RG408" "result_too_large" "The result is too large" "What the request wrote is kept: do not repeat it. Ask for less, of a write with Prefer: return=minimal. The author of an endpoint can return less, or set answer = \"stream\" in its manifest."
    SERVICE_UNAVAILABLE SERVICE_UNAVAILABLE "RG415" "service_unavailable" "The service behind this path cannot be reached at the moment" "Try again after the time in Retry-After." => 1
    SERVICE_TIMEOUT GATEWAY_TIMEOUT "RG416" "service_timeout" "The service behind this path did not answer in time" "Ask for less, or try again later."

    MISCONFIGURED INTERNAL_SERVER_ERROR "RG901" "misconfigured" "The edge is not configured" "Correct the variable, the secret or the manifest that the details name, and deploy again."
    INTERNAL_ERROR INTERNAL_SERVER_ERROR "RG902" "internal_error" "The edge failed" "Report it with the x-request-id."
    ENDPOINT_NOT_CONFIGURED NOT_IMPLEMENTED "RG903" "endpoint_not_configured" "This endpoint is not set up" "Set this variable or secret and deploy again."
}

/// Names of the codes that the core's migrations raise. The database chooses their status and text itself; the log names
/// them here. Those of the systems stand in their manifests.
pub const DATABASE_NAMES: [(&str, &str); 22] = [
    ("RG218", "api_token_ended"),
    ("RG501", "rate_limit_exceeded"),
    ("RG502", "idempotency_key_too_long"),
    ("RG503", "idempotency_key_reused"),
    ("RG511", "filter_missing_in_database"),
    ("RG517", "daily_allowance_exceeded"),
    ("RG518", "caller_connections_exceeded"),
    ("RG519", "anonymous_connections_exceeded"),
    ("RG520", "user_required"),
    ("RG521", "account_deleted"),
    ("RG570", "job_unknown"),
    ("RG571", "admin_required"),
    ("RG572", "gdpr_email_invalid"),
    ("RG912", "sealing_key_worn_out"),
    ("RG573", "limit_needs_volatile"),
    ("RG574", "budget_used_up"),
    ("RG575", "api_token_not_found"),
    ("RG576", "api_token_invalid"),
    ("RG577", "api_tokens_exceeded"),
    ("RG578", "standby_behind"),
    ("RG590", "changes_not_tracked"),
    ("RG591", "changes_too_old"),
];

/// The name of a code of the core; none for codes of systems, PostgREST and PostgreSQL.
#[must_use]
pub fn name_of(code: &str) -> Option<&'static str> {
    let of_edge = ROWS.iter().map(|row| (row.code, row.name));
    let mut names = of_edge.chain(DATABASE_NAMES);
    let (_, name) = names.find(|(known, _)| *known == code)?;
    Some(name)
}

/// Why a token was refused. The text that the client gets helps an honest owner and tells a forger nothing new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFault {
    /// Its size, encoding, header or algorithm is not that of a compact JWS that this edge accepts.
    Malformed,
    /// No trusted key made this signature.
    Signature,
    /// `exp` has passed.
    Expired,
    /// `nbf` or `iat` lies in the future.
    NotYetValid,
    /// `iss`, `aud`, `sub`, `exp` or `role` is missing or not accepted.
    Claims,
}

/// A refusal or a failure of the edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// No route has this path.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed {
        /// The methods that exist, as an `Allow` header lists them.
        allow: String,
    },
    /// `Authorization` is present but is not one `Bearer` token.
    BadAuthorization,
    /// The request carries a token that is not valid.
    BadToken(TokenFault),
    /// The request carries an API token that is malformed, or that the database does not know as a live one.
    BadApiToken,
    /// The scope of the API token does not open what is requested.
    ApiTokenScope,
    /// The request carries neither an `apikey` nor a user's token, and the route needs one.
    NoApiKey,
    /// The request carries an `apikey` that is not one of ours.
    BadApiKey,
    /// A `service_role` token came from a browser, as a bearer token or as an `apikey`.
    ServiceFromBrowser,
    /// The issuer's keys are not available at the moment.
    KeysUnavailable {
        /// Seconds until the edge fetches them again.
        retry_after: u32,
    },
    /// The body is not what its `Content-Type` says.
    MalformedBody(Cow<'static, str>),
    /// The body is larger than this route takes.
    BodyTooLarge {
        /// The route's limit in bytes.
        limit: usize,
    },
    /// The body did not arrive in time.
    SlowBody,
    /// The route does not read this `Content-Type`.
    UnsupportedMediaType {
        /// The types that it reads.
        accepted: Cow<'static, str>,
    },
    /// The route does not read this `Content-Encoding`.
    UnsupportedEncoding {
        /// The encoding that it reads, as an `Accept-Encoding` header names it; `identity` for none.
        accepted: &'static str,
    },
    /// A path segment cannot be the name of a relation or function.
    BadName,
    /// Path and query together are too long.
    UriTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The query string cannot be decoded.
    BadQuery(&'static str),
    /// An update or a delete would touch every row.
    UnfilteredWrite,
    /// The data API does not serve the schema. Code and words are PostgREST's.
    UnknownSchema {
        /// The schemas that it serves, separated by commas.
        served: String,
    },
    /// The request asks for a query plan.
    PlanRefused,
    /// A header that the edge reads is malformed.
    BadHeader {
        /// Its name.
        name: &'static str,
        /// What it must look like.
        wanted: &'static str,
    },
    /// Relations are embedded in each other too deeply.
    EmbedTooDeep {
        /// The highest number of levels.
        limit: usize,
    },
    /// Too many relations are embedded.
    TooManyEmbeds {
        /// The highest number in all.
        limit: usize,
    },
    /// A `select` casts to a type that is not on the list.
    CastRefused {
        /// The types on the list, separated by commas.
        served: String,
    },
    /// The request names a system column of PostgreSQL.
    SystemColumn {
        /// Its name.
        name: &'static str,
    },
    /// A write depends on the version of a row, and rows have no versions.
    ConditionalWrite,
    /// PostgREST would ignore the limit of a write.
    LimitedWrite,
    /// The answer to a read is larger than this caller may have.
    AnswerTooLarge {
        /// The caller's limit in bytes.
        limit: usize,
    },
    /// A function's result is larger than the edge reads, or the answer to a write larger than this caller may have.
    ResultTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The isolate buffers as many bytes of bodies without a declared length as it may.
    UploadBufferFull,
    /// Turnstile did not confirm a person, and the endpoint needs one.
    HumanNotVerified {
        /// The action that its widget must name.
        action: Cow<'static, str>,
    },
    /// What the caller wants to store as a secret does not have the form of one.
    BadSecret {
        /// What it must look like.
        wanted: Cow<'static, str>,
    },
    /// An argument of an endpoint is missing or has another type.
    BadArgument {
        /// Its name.
        name: Cow<'static, str>,
        /// What it must look like.
        wanted: &'static str,
    },
    /// The endpoint needs a token, and the request carries none.
    NoToken {
        /// Whom the endpoint is for.
        wanted: &'static str,
    },
    /// The endpoint is not for callers such as this one.
    NotForCaller {
        /// Whom it is for.
        wanted: &'static str,
    },
    /// An error that a system defines.
    Row {
        /// Its row.
        row: &'static Row,
        /// The particulars.
        details: Option<Cow<'static, str>>,
    },
    /// The endpoint needs a variable that is not set.
    NotConfigured {
        /// Its name.
        variable: Cow<'static, str>,
    },
    /// The platform's rate limiter refuses the request.
    TooManyRequests,
    /// The platform's rate limiter fails, and this route is closed without it.
    LimiterUnavailable,
    /// PostgREST cannot be reached, or says that it is not ready.
    UpstreamUnavailable,
    /// Too many requests wait for PostgREST here, or for a database connection there.
    Overloaded,
    /// The caller, or all anonymous callers together, have as many requests at PostgREST as they may.
    TooManyConcurrent,
    /// PostgREST did not answer within the deadline, or the database cancelled the statement.
    UpstreamTimeout,
    /// PostgREST failed, or gave an answer that the edge does not relay.
    UpstreamFailed,
    /// PostgREST or the database refused the request.
    Refused {
        /// PostgREST's status: 300 or 400 to 499; an application may choose a higher one.
        status: StatusCode,
        /// PostgREST's body, as far as this caller may see it.
        body: Box<ErrorBody>,
        /// Seconds after which to try again, where PostgREST names them.
        retry_after: Option<u32>,
        /// Its `Content-Range`, which gives the number of rows when a range lies beyond them.
        range: Option<HeaderValue>,
        /// Its headers about limits.
        limits: Box<Headers>,
    },
    /// A variable or a manifest is missing or wrong: the edge does not start.
    Misconfigured {
        /// The variable's name, or the manifest's.
        name: Cow<'static, str>,
        /// What it must hold.
        wanted: Cow<'static, str>,
    },
    /// The work on a body that is read as it arrives ended before the end of the body.
    Interrupted {
        /// Why.
        cause: Box<Error>,
        /// How far it got, as the answer says it.
        progress: Value,
    },
    /// The edge itself failed. The text is for the log; the client does not get it.
    Internal(&'static str),
}

/// The body of every error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorBody {
    /// The code to look up in `docs/errors.md`, or PostgREST's or PostgreSQL's own.
    pub code: Cow<'static, str>,
    /// What went wrong, in a sentence.
    pub message: Cow<'static, str>,
    /// The particulars: a text, or a list in some errors of PostgREST.
    pub details: Option<Value>,
    /// What to do about it.
    pub hint: Option<Cow<'static, str>>,
    /// What has been done: of a body that is read as it arrives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Value>,
    /// The same in the form of `OpenAI`'s API, at endpoints for its clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
}

impl Row {
    fn body(&self, details: Option<Cow<'static, str>>) -> ErrorBody {
        ErrorBody {
            code: self.code.into(),
            message: self.message.into(),
            details: details.map(|text| Value::String(text.into_owned())),
            hint: (!self.hint.is_empty()).then(|| self.hint.into()),
            progress: None,
            error: None,
        }
    }
}

impl Error {
    /// An error of a system.
    #[must_use]
    pub fn of(row: &'static Row) -> Self {
        Self::Row { row, details: None }
    }

    /// An error of a system, with its particulars.
    #[must_use]
    pub fn with(row: &'static Row, details: impl Into<Cow<'static, str>>) -> Self {
        let details = Some(details.into());
        Self::Row { row, details }
    }

    /// The error of a client's body that could not be read. `limit` is the number of bytes that it may have.
    #[must_use]
    pub fn of_body(fault: ReadFault, limit: usize) -> Self {
        match fault {
            ReadFault::TooLarge => Self::BodyTooLarge { limit },
            ReadFault::Broken => Self::MalformedBody("it broke off".into()),
            ReadFault::Slow => Self::SlowBody,
            ReadFault::BufferFull => Self::UploadBufferFull,
        }
    }

    /// What went wrong, wherever it did.
    #[must_use]
    pub fn cause(&self) -> &Self {
        match self {
            Self::Interrupted { cause, .. } => cause,
            error => error,
        }
    }

    /// The row of the catalogue; none for an error in the words of PostgREST or the database.
    fn row(&self) -> Option<&'static Row> {
        Some(match self {
            Self::NotFound => &ENDPOINT_NOT_FOUND,
            Self::MethodNotAllowed { .. } => &METHOD_NOT_ALLOWED,
            Self::BadAuthorization => &AUTHORIZATION_MALFORMED,
            Self::BadToken(TokenFault::Malformed) => &TOKEN_MALFORMED,
            Self::BadToken(TokenFault::Signature) => &TOKEN_SIGNATURE_INVALID,
            Self::BadToken(TokenFault::Expired) => &TOKEN_EXPIRED,
            Self::BadToken(TokenFault::NotYetValid) => &TOKEN_NOT_YET_VALID,
            Self::BadToken(TokenFault::Claims) => &TOKEN_CLAIMS_REJECTED,
            Self::BadApiToken => &API_TOKEN_UNKNOWN,
            Self::ApiTokenScope => &API_TOKEN_SCOPE,
            Self::NoApiKey => &API_KEY_MISSING,
            Self::BadApiKey => &API_KEY_INVALID,
            Self::ServiceFromBrowser => &SERVICE_TOKEN_FROM_BROWSER,
            Self::KeysUnavailable { .. } => &ISSUER_KEYS_UNAVAILABLE,
            Self::MalformedBody(_) => &BODY_MALFORMED,
            Self::BodyTooLarge { .. } => &BODY_TOO_LARGE,
            Self::SlowBody => &BODY_TIMEOUT,
            Self::UnsupportedMediaType { .. } => &CONTENT_TYPE_UNSUPPORTED,
            Self::UnsupportedEncoding { .. } => &CONTENT_ENCODING_UNSUPPORTED,
            Self::BadName => &NAME_INVALID,
            Self::UriTooLong { .. } => &URL_TOO_LONG,
            Self::BadQuery(_) => &QUERY_MALFORMED,
            Self::UnfilteredWrite => &FILTER_MISSING,
            Self::UnknownSchema { .. } => &SCHEMA_NOT_SERVED,
            Self::PlanRefused => &QUERY_PLAN_REFUSED,
            Self::BadHeader { .. } => &HEADER_INVALID,
            Self::EmbedTooDeep { .. } => &EMBED_TOO_DEEP,
            Self::TooManyEmbeds { .. } => &TOO_MANY_EMBEDS,
            Self::CastRefused { .. } => &CAST_NOT_ALLOWED,
            Self::SystemColumn { .. } => &SYSTEM_COLUMN,
            Self::ConditionalWrite => &CONDITIONAL_WRITE,
            Self::LimitedWrite => &WRITE_LIMIT_UNSUPPORTED,
            Self::AnswerTooLarge { .. } => &ANSWER_TOO_LARGE,
            Self::ResultTooLarge { .. } => &RESULT_TOO_LARGE,
            Self::UploadBufferFull => &UPLOAD_BUFFER_FULL,
            Self::HumanNotVerified { .. } => &HUMAN_NOT_VERIFIED,
            Self::BadSecret { .. } => &SECRET_INVALID,
            Self::BadArgument { .. } => &ARGUMENT_INVALID,
            Self::NoToken { .. } => &TOKEN_MISSING,
            Self::NotForCaller { .. } => &CALLER_NOT_ALLOWED,
            Self::Row { row, .. } => row,
            Self::NotConfigured { .. } => &ENDPOINT_NOT_CONFIGURED,
            Self::TooManyRequests => &TOO_MANY_REQUESTS,
            Self::LimiterUnavailable => &RATE_LIMITER_UNAVAILABLE,
            Self::UpstreamUnavailable => &DATABASE_UNAVAILABLE,
            Self::Overloaded => &CAPACITY_EXCEEDED,
            Self::TooManyConcurrent => &TOO_MANY_CONCURRENT,
            Self::UpstreamTimeout => &DATABASE_TIMEOUT,
            Self::UpstreamFailed => &DATABASE_FAILED,
            Self::Misconfigured { .. } => &MISCONFIGURED,
            Self::Internal(_) => &INTERNAL_ERROR,
            Self::Interrupted { cause, .. } => return cause.row(),
            Self::Refused { .. } => return None,
        })
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.cause() {
            Self::Refused { status, .. } => *status,
            error => error
                .row()
                .map_or(StatusCode::INTERNAL_SERVER_ERROR, |row| row.status),
        }
    }

    /// The name that the log gives this error, also where the core's migrations raise it; none for codes of systems that the
    /// database raises, of PostgREST and of PostgreSQL.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        match self.cause() {
            Self::Refused { body, .. } => name_of(&body.code),
            error => error.row().map(|row| row.name),
        }
    }

    /// What the log says of a failure of the edge itself.
    #[must_use]
    pub fn internal_cause(&self) -> Option<&'static str> {
        match self.cause() {
            Self::Internal(cause) => Some(cause),
            _ => None,
        }
    }

    /// Seconds for `Retry-After`, on 429 and 503.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        match self.cause() {
            Self::KeysUnavailable { retry_after } => Some(*retry_after),
            // Every 429 and 503 says when to try again, also those of an application that does not. A refusal with the fields of rate
            // limits and without a time lasts until somebody raises the limit.
            Self::Refused {
                status,
                retry_after,
                limits,
                ..
            } => {
                let passes = match *status {
                    StatusCode::TOO_MANY_REQUESTS => !limits.contains_key("ratelimit"),
                    status => status == StatusCode::SERVICE_UNAVAILABLE,
                };
                retry_after.or(passes.then_some(1))
            }
            error => error.row()?.retry_after,
        }
    }

    /// The body of the answer.
    #[must_use]
    pub fn body(&self) -> ErrorBody {
        match self {
            Self::Refused { body, .. } => (**body).clone(),
            Self::Interrupted { cause, progress } => ErrorBody {
                progress: Some(progress.clone()),
                ..cause.body()
            },
            error => error.row().unwrap_or(&INTERNAL_ERROR).body(error.details()),
        }
    }

    /// The particulars of an error of the edge.
    fn details(&self) -> Option<Cow<'static, str>> {
        Some(match self {
            Self::MethodNotAllowed { allow } => format!("Allowed: {allow}").into(),
            Self::MalformedBody(what) => what.clone(),
            Self::BodyTooLarge { limit } => {
                format!("This endpoint takes at most {limit} bytes").into()
            }
            Self::UnsupportedMediaType { accepted } => format!("It reads {accepted}").into(),
            Self::UnsupportedEncoding { accepted } => format!("It reads {accepted}").into(),
            Self::UriTooLong { limit } => format!("Path and query may have {limit} bytes").into(),
            Self::UnfilteredWrite => "Without a filter it would touch every row. select, order and limit are not filters, nor is a condition that every row meets".into(),
            Self::UnknownSchema { served } => served.clone().into(),
            Self::BadHeader { name, wanted } => format!("{name}: {wanted}").into(),
            Self::EmbedTooDeep { limit } => format!("At most {limit} levels are allowed").into(),
            Self::TooManyEmbeds { limit } => format!("At most {limit} in all are allowed").into(),
            Self::CastRefused { served } => format!("Allowed types: {served}").into(),
            Self::SystemColumn { name } => format!("{name} is a system column").into(),
            Self::ConditionalWrite => {
                "If-Match, If-None-Match and If-Unmodified-Since are for reads".into()
            }
            Self::LimitedWrite => "limit and offset need a PostgREST before version 13; later versions ignore them and write every row that the filters leave".into(),
            Self::AnswerTooLarge { limit } | Self::ResultTooLarge { limit } => format!("It may have {limit} bytes").into(),
            Self::Row { details, .. } => return details.clone(),
            Self::BadArgument { name, wanted } => format!("{name}: {wanted}").into(),
            Self::NoToken { wanted } | Self::NotForCaller { wanted } => {
                format!("It is for {wanted}").into()
            }
            Self::HumanNotVerified { action } => format!("The action is {action}").into(),
            Self::BadSecret { wanted } => wanted.clone(),
            Self::BadQuery(text) => (*text).into(),
            Self::LimiterUnavailable => "The rate limiter in front of it does not answer".into(),
            Self::Misconfigured { name, wanted } => format!("{name}: {wanted}").into(),
            Self::NotConfigured { variable } => format!("{variable} is not set").into(),
            _ => return None,
        })
    }
}

impl From<NoRandomness> for Error {
    fn from(_: NoRandomness) -> Self {
        Self::Internal("the platform has no randomness")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// The systems' manifests, by their files' names.
    fn manifests() -> Vec<(String, toml::Table)> {
        let folder = std::fs::read_dir(format!("{}/systems", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let files = folder.map(|file| file.unwrap().path());
        let files = files.filter(|path| path.extension().is_some_and(|end| end == "toml"));
        files
            .map(|path| {
                let text = std::fs::read_to_string(&path).unwrap();
                (path.display().to_string(), text.parse().unwrap())
            })
            .collect()
    }

    /// Reads a file of the crate.
    fn read(path: &str) -> String {
        std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    /// Every `RG` code in a text.
    fn codes(text: &str) -> BTreeSet<String> {
        text.match_indices("RG")
            .filter_map(|(at, _)| text.get(at..at + 5))
            .filter(|code| code.chars().skip(2).all(|c| c.is_ascii_digit()))
            .map(str::to_owned)
            .collect()
    }

    /// The rows of the tables in `docs/errors.md` that begin with a code: name and status by code.
    fn documented() -> BTreeMap<String, (String, String)> {
        let docs = read("docs/errors.md");
        let rows = docs.lines().filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, code, name, status, ..] = cells[..] else {
                return None;
            };
            let is_code = codes(code).len() == 1 || code == "PGRST106";
            is_code.then(|| (code.to_owned(), (name.replace('`', ""), status.to_owned())))
        });
        rows.collect()
    }

    /// Name and status by code, of the core and of the product's manifests: migrations of systems of somebody's own begin with 80 or more.
    /// The database chooses the statuses of the core's codes.
    fn catalogue() -> BTreeMap<String, (String, Option<String>)> {
        let of_database = DATABASE_NAMES
            .iter()
            .map(|(code, name)| ((*code).to_owned(), ((*name).to_owned(), None)));
        let of_edge = ROWS.iter().map(|row| {
            let status = Some(row.status.as_str().to_owned());
            (row.code.to_owned(), (row.name.to_owned(), status))
        });
        let mut product = manifests();
        product.retain(|(_, manifest)| manifest["migrations"].as_str() < Some("80"));
        let of_systems = product.into_iter().flat_map(|(_, manifest)| {
            let listed = manifest.get("errors").and_then(toml::Value::as_array);
            let listed = listed.cloned().unwrap_or_default();
            listed.into_iter().map(|error| {
                let text = |name: &str| error[name].as_str().unwrap().to_owned();
                let status = error
                    .get("status")
                    .and_then(toml::Value::as_integer)
                    .map_or("-".into(), |status| status.to_string());
                (text("code"), (text("name"), Some(status)))
            })
        });
        of_database.chain(of_edge).chain(of_systems).collect()
    }

    #[test]
    fn the_docs_list_every_error_with_its_name_and_status() {
        let documented = documented();
        let catalogue = catalogue();
        let known: Vec<&String> = catalogue.keys().collect();
        assert_eq!(documented.keys().collect::<Vec<_>>(), known);
        for (code, (name, status)) in &catalogue {
            let (documented_name, documented_status) = &documented[code];
            assert_eq!(documented_name, name, "{code}");
            if let Some(status) = status {
                assert_eq!(documented_status, status, "{code}");
            }
        }
        for code in codes(&read("docs/errors.md")) {
            assert!(
                catalogue.contains_key(&code),
                "{code} is not in the catalogue"
            );
        }
    }

    #[test]
    fn every_code_that_migrations_raise_has_a_name_where_they_belong() {
        // The migrations of the core have numbers that begin with 00.
        let mut raised: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for file in std::fs::read_dir(format!("{}/migrations", env!("CARGO_MANIFEST_DIR"))).unwrap()
        {
            let path = file.unwrap().path();
            let owner: String = path
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .chars()
                .take(2)
                .collect();
            let sql = std::fs::read_to_string(&path).unwrap();
            raised.entry(owner).or_default().extend(codes(&sql));
        }
        let mut named = BTreeMap::from([(
            "00".to_owned(),
            DATABASE_NAMES
                .iter()
                .map(|(code, _)| (*code).to_owned())
                .collect::<BTreeSet<_>>(),
        )]);
        for (_, manifest) in manifests() {
            let owner = manifest["migrations"].as_str().unwrap().to_owned();
            let errors = manifest.get("errors").and_then(toml::Value::as_array);
            let codes = errors
                .into_iter()
                .flatten()
                .map(|error| error["code"].as_str().unwrap().to_owned());
            named.insert(owner, codes.collect());
        }
        let of_core = named["00"].clone();
        for (owner, codes) in &raised {
            for code in codes {
                let has_name = of_core.contains(code)
                    || named.get(owner).is_some_and(|own| own.contains(code))
                    || name_of(code).is_some();
                assert!(
                    has_name,
                    "{code}, which migrations {owner} raise, has no name"
                );
            }
        }
        for (owner, codes) in &named {
            // Rust raises the others.
            for code in codes.iter().filter(|code| code.starts_with("RG5")) {
                assert!(
                    raised[owner].contains(code),
                    "no migration {owner} raises {code}"
                );
            }
        }
    }

    #[test]
    fn a_refusal_says_when_to_try_again_unless_its_limit_has_no_period() {
        let refused = |status, retry_after, fields: Option<&'static str>| {
            let mut limits = Headers::new();
            if let Some(fields) = fields {
                limits.insert("ratelimit", HeaderValue::from_static(fields));
            }
            let error = Error::Refused {
                status,
                body: Box::new(TOO_MANY_REQUESTS.body(None)),
                retry_after,
                range: None,
                limits: Box::new(limits),
            };
            error.retry_after()
        };
        let (many, down) = (
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
        );
        assert_eq!(refused(many, Some(9), Some("\"a\";r=0;t=9")), Some(9));
        assert_eq!(refused(many, None, Some("\"a\";r=0")), None);
        assert_eq!(refused(many, None, None), Some(1));
        assert_eq!(refused(down, None, Some("\"a\";r=0")), Some(1));
        assert_eq!(refused(StatusCode::CONFLICT, None, None), None);
    }

    #[test]
    fn a_code_and_a_name_stand_for_one_error() {
        let (mut seen_codes, mut seen_names) = (BTreeSet::new(), BTreeSet::new());
        for row in ROWS {
            assert!(seen_codes.insert(row.code), "{} is listed twice", row.code);
            assert!(seen_names.insert(row.name), "{} is listed twice", row.name);
        }
        for (code, name) in DATABASE_NAMES {
            assert!(seen_codes.insert(code), "{code} is listed twice");
            assert!(seen_names.insert(name), "{name} is listed twice");
            assert_eq!(name_of(code), Some(name), "{code} has two names");
        }
        let is_name = |name: &str| {
            name.bytes()
                .all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit())
        };
        assert!(seen_names.into_iter().all(is_name));
    }
}
