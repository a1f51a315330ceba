//! Everything the edge itself can refuse or fail at, and the one place that gives each its status, code and words.
//!
//! The shape is PostgREST's: `{"code","message","details","hint"}`. Codes are `RG` and three digits; the first digit is
//! the stage: 1 route, 2 verify, 3 scope, 4 forward, 5 the database's own rules, 9 configuration. Each is in
//! `docs/errors.md`.

use std::borrow::Cow;

use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::Value;

use crate::edge::ReadFault;

/// Why a token was refused. Said to the client in words that help its honest owner and tell a forger nothing new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFault {
    /// Not a compact JWS this edge accepts: size, encoding, header, algorithm.
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
        /// The methods that do exist, as an `Allow` header has them.
        allow: String,
    },
    /// `Authorization` is present but is not one `Bearer` token.
    BadAuthorization,
    /// A token was presented and is not good.
    BadToken(TokenFault),
    /// Neither an `apikey` nor a user's token was presented where one is needed.
    NoApiKey,
    /// An `apikey` was presented and is not one of ours.
    BadApiKey,
    /// A `service_role` token came from a browser, as a bearer token or as an `apikey`.
    ServiceFromBrowser,
    /// The issuer's keys cannot be had at the moment.
    KeysUnavailable {
        /// Seconds after which they are asked for again.
        retry_after: u32,
    },
    /// The body is not what its `Content-Type` says.
    MalformedBody(Cow<'static, str>),
    /// The body is larger than this route takes.
    BodyTooLarge {
        /// The most this route takes, in bytes.
        limit: usize,
    },
    /// The body did not arrive in time.
    SlowBody,
    /// The `Content-Type` is not one this route reads.
    UnsupportedMediaType {
        /// The ones it does read.
        accepted: &'static str,
    },
    /// The `Content-Encoding` is not one this route reads.
    UnsupportedEncoding {
        /// The one it does read, as an `Accept-Encoding` header has it; `identity` for none.
        accepted: &'static str,
    },
    /// A path segment is no name of a relation or function.
    BadName,
    /// Path and query together are too long.
    UriTooLong {
        /// The most there may be, in bytes.
        limit: usize,
    },
    /// The query string cannot be decoded.
    BadQuery(&'static str),
    /// An update or a delete would touch every row.
    UnfilteredWrite,
    /// The schema is not served. Same code and words as PostgREST's.
    UnknownSchema {
        /// The ones that are, separated by commas.
        served: String,
    },
    /// Query plans are not served.
    PlanRefused,
    /// A header that the edge reads cannot be read.
    BadHeader {
        /// Its name.
        name: &'static str,
        /// What it must look like.
        wanted: &'static str,
    },
    /// Relations are embedded in each other too deeply.
    EmbedTooDeep {
        /// The most levels there may be.
        limit: usize,
    },
    /// Too many relations are embedded.
    TooManyEmbeds {
        /// The most there may be.
        limit: usize,
    },
    /// A `select` casts to a type that is not on the list.
    CastRefused {
        /// The types that are, separated by commas.
        served: String,
    },
    /// A column is named that PostgreSQL keeps for itself.
    SystemColumn {
        /// Its name.
        name: &'static str,
    },
    /// A write depends on a version that rows do not have.
    ConditionalWrite,
    /// The limit of a write would be ignored.
    LimitedWrite,
    /// An answer is larger than this caller may have.
    AnswerTooLarge {
        /// The most it may have, in bytes.
        limit: usize,
    },
    /// Too many bodies of undeclared length are on their way.
    UploadBufferFull,
    /// No person is known to be at the other end, where one has to be.
    HumanNotVerified,
    /// What is to be sealed cannot be a secret.
    BadSecret {
        /// What it must look like.
        wanted: &'static str,
    },
    /// A call of experiments names nobody.
    NoUnit {
        /// What is wrong with the ids.
        details: &'static str,
    },
    /// A call of experiments names a country that cannot be one.
    BadCountry,
    /// Meta's webhook is not signed by the app.
    BadSignature,
    /// Meta's webhook, or whoever says so, does not name the token that was agreed on.
    BadVerifyToken,
    /// The endpoint needs a variable that is not set.
    NotConfigured {
        /// Its name.
        variable: &'static str,
    },
    /// The platform's rate limiter says no.
    TooManyRequests,
    /// The platform's rate limiter fails, and this route is closed without it.
    LimiterUnavailable,
    /// PostgREST cannot be reached, or says it is not ready.
    UpstreamUnavailable,
    /// Too many requests wait for PostgREST, here or for a connection to the database there.
    Overloaded,
    /// The caller's other requests at PostgREST, or those of all anonymous callers, are as many as may be there at once.
    TooManyConcurrent,
    /// PostgREST did not answer within the deadline, or the database cancelled the statement.
    UpstreamTimeout,
    /// PostgREST failed, or answered what cannot be relayed.
    UpstreamFailed,
    /// PostgREST or the database refused: relayed in our own shape.
    Refused {
        /// PostgREST's status, 400 to 499 or 300; an application's own may be above.
        status: StatusCode,
        /// PostgREST's body.
        body: Box<ErrorBody>,
        /// Seconds after which to try again, where it named them.
        retry_after: Option<u32>,
        /// Its `Content-Range`, which says how many rows there are where a range is beyond them.
        range: Option<HeaderValue>,
    },
    /// A variable is missing or wrong: the edge does not start.
    Misconfigured {
        /// The variable's name.
        variable: &'static str,
        /// What it must hold.
        wanted: Cow<'static, str>,
    },
    /// The edge itself failed where it should not have.
    Internal(&'static str),
}

/// The body of every error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorBody {
    /// The code to look up in `docs/errors.md`, or PostgREST's or PostgreSQL's own.
    pub code: Cow<'static, str>,
    /// What went wrong, in a sentence.
    pub message: Cow<'static, str>,
    /// The particulars. PostgREST has a list for some.
    pub details: Option<Value>,
    /// What to do about it.
    pub hint: Option<Cow<'static, str>>,
}

/// Shorthand of the table below.
fn body(
    code: &'static str,
    message: &'static str,
    details: Option<Cow<'static, str>>,
    hint: &'static str,
) -> ErrorBody {
    ErrorBody {
        code: code.into(),
        message: message.into(),
        details: details.map(|text| Value::String(text.into_owned())),
        hint: (!hint.is_empty()).then(|| hint.into()),
    }
}

impl Error {
    /// Why a workflow could not be deployed, by the reason that its deployment was ended with, and in whose words.
    #[must_use]
    pub fn undeployed(reason: &str, message: String) -> Self {
        let (status, code, message_of_row, hint) = match reason {
            "invalid" => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "RG317",
                "The workflow cannot be deployed as it is",
                "Mend what is named; POST /v1/workflows/validate?deploy=true tells where and how.",
            ),
            "gone" => (
                StatusCode::NOT_FOUND,
                "RG522",
                "You have no such workflow",
                "It was deleted meanwhile.",
            ),
            "conflict" => (
                StatusCode::CONFLICT,
                "RG318",
                "n8n has a conflict with another workflow, or a review that is pending",
                "Choose another path for the webhook that is named, then deploy again.",
            ),
            "rejected" => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "RG319",
                "n8n refused the workflow",
                "Mend what n8n names, then deploy again.",
            ),
            _ => (
                StatusCode::BAD_GATEWAY,
                "RG405",
                "n8n could not be made to run the workflow",
                "Deploy again, with a new Idempotency-Key; if it stays, tell the operator.",
            ),
        };
        let body = body(code, message_of_row, Some(message.into()), hint);
        Self::Refused {
            status,
            body: Box::new(body),
            retry_after: None,
            range: None,
        }
    }

    /// What a client's body that could not be had is refused with, where it may have `limit` bytes.
    #[must_use]
    pub fn of_body(fault: ReadFault, limit: usize) -> Self {
        match fault {
            ReadFault::TooLarge => Self::BodyTooLarge { limit },
            ReadFault::Broken => Self::MalformedBody("it broke off".into()),
            ReadFault::Slow => Self::SlowBody,
            ReadFault::BufferFull => Self::UploadBufferFull,
        }
    }

    /// The status this error is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadAuthorization
            | Self::BadToken(_)
            | Self::NoApiKey
            | Self::BadApiKey
            | Self::BadSignature => StatusCode::UNAUTHORIZED,
            Self::ServiceFromBrowser | Self::HumanNotVerified | Self::BadVerifyToken => {
                StatusCode::FORBIDDEN
            }
            Self::NotConfigured { .. } => StatusCode::NOT_IMPLEMENTED,
            Self::TooManyRequests | Self::TooManyConcurrent => StatusCode::TOO_MANY_REQUESTS,
            Self::KeysUnavailable { .. }
            | Self::UpstreamUnavailable
            | Self::Overloaded
            | Self::LimiterUnavailable
            | Self::UploadBufferFull => StatusCode::SERVICE_UNAVAILABLE,
            Self::MalformedBody(_)
            | Self::BadName
            | Self::BadQuery(_)
            | Self::UnfilteredWrite
            | Self::EmbedTooDeep { .. }
            | Self::TooManyEmbeds { .. }
            | Self::CastRefused { .. }
            | Self::SystemColumn { .. }
            | Self::LimitedWrite
            | Self::AnswerTooLarge { .. }
            | Self::BadHeader { .. } => StatusCode::BAD_REQUEST,
            Self::ConditionalWrite => StatusCode::PRECONDITION_FAILED,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::UnsupportedMediaType { .. } | Self::UnsupportedEncoding { .. } => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Self::BadSecret { .. } | Self::NoUnit { .. } | Self::BadCountry => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::UriTooLong { .. } => StatusCode::URI_TOO_LONG,
            Self::UnknownSchema { .. } | Self::PlanRefused => StatusCode::NOT_ACCEPTABLE,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::UpstreamFailed => StatusCode::BAD_GATEWAY,
            Self::Refused { status, .. } => *status,
            Self::Misconfigured { .. } | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Seconds for `Retry-After`, on 429 and 503.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Self::KeysUnavailable { retry_after } => Some(*retry_after),
            Self::LimiterUnavailable | Self::UploadBufferFull => Some(5),
            // The shortest period that the limiter knows.
            Self::TooManyRequests => Some(10),
            Self::UpstreamUnavailable | Self::Overloaded | Self::TooManyConcurrent => Some(1),
            // Each 429 and 503 says when to come again, an application's own, too.
            Self::Refused {
                status,
                retry_after,
                ..
            } => retry_after.or(matches!(
                *status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
            )
            .then_some(1)),
            _ => None,
        }
    }

    /// The body this error is answered with.
    #[must_use]
    pub fn body(&self) -> ErrorBody {
        match self {
            Self::NotFound => body(
                "RG101",
                "No such endpoint",
                None,
                "Check the path, to the last slash; the data API is /rest/v1/<table> and /rest/v1/rpc/<function>.",
            ),
            Self::MethodNotAllowed { allow } => body(
                "RG102",
                "This endpoint does not take this method",
                Some(format!("Allowed: {allow}").into()),
                "Use one of the allowed methods.",
            ),
            Self::BadAuthorization => body(
                "RG201",
                "The Authorization header is not one Bearer token",
                None,
                "Send `Authorization: Bearer <token>` once, or leave it out.",
            ),
            Self::BadToken(fault) => token_body(*fault),
            // The words that Supabase's gateway uses, which its client libraries' users know.
            Self::NoApiKey => body(
                "RG207",
                "No API key found in request",
                None,
                "No `apikey` request header or url param was found.",
            ),
            Self::BadApiKey => body(
                "RG208",
                "Invalid API key",
                None,
                "Double check the publishable key in the `apikey` header or url param; a user's token belongs in Authorization.",
            ),
            Self::ServiceFromBrowser => body(
                "RG209",
                "A service_role token may not be used from a browser",
                None,
                "Keep it on servers; browsers use the publishable key and a user's token. If it was in a page, replace it.",
            ),
            Self::KeysUnavailable { .. } => body(
                "RG210",
                "The keys that check tokens cannot be had at the moment",
                None,
                "Try again after the time in Retry-After.",
            ),
            Self::BadSignature => body(
                "RG211",
                "The body is not signed by the app",
                Some("X-Hub-Signature-256".into()),
                "Set WHATSAPP_APP_SECRET to the secret of the app whose webhook this is.",
            ),
            Self::BadVerifyToken => body(
                "RG212",
                "The verify token is not the one that was agreed on",
                None,
                "Enter the value of WHATSAPP_VERIFY_TOKEN, or the account's own, in the app's webhook settings.",
            ),
            _ => self.scope_body(),
        }
    }

    /// The part of the table that belongs to `scope`.
    fn scope_body(&self) -> ErrorBody {
        match self {
            Self::MalformedBody(what) => body(
                "RG301",
                "The body cannot be read",
                Some(what.clone()),
                "Send what the Content-Type says, in UTF-8.",
            ),
            Self::BodyTooLarge { limit } => body(
                "RG302",
                "The body is too large",
                Some(format!("This endpoint takes at most {limit} bytes").into()),
                "Send less, or in several requests.",
            ),
            Self::SlowBody => body(
                "RG310",
                "The body did not arrive in time",
                None,
                "Send it again, all at once.",
            ),
            Self::UnsupportedMediaType { accepted } => body(
                "RG303",
                "This endpoint does not read this Content-Type",
                Some(format!("It reads {accepted}").into()),
                "Set Content-Type to one of these.",
            ),
            Self::BadName => body(
                "RG304",
                "This is no name of a table, view or function",
                None,
                "Names have 1 to 63 bytes, no slash, backslash or control character.",
            ),
            Self::UnsupportedEncoding { accepted } => body(
                "RG330",
                "This endpoint does not read this Content-Encoding",
                Some(format!("It reads {accepted}").into()),
                "Send the body as it is, without Content-Encoding.",
            ),
            Self::UriTooLong { limit } => body(
                "RG305",
                "The URL is too long",
                Some(format!("Path and query may have {limit} bytes").into()),
                "Filter by fewer values, or call a function with a body.",
            ),
            Self::BadQuery(what) => body(
                "RG306",
                "The query string cannot be read",
                Some((*what).into()),
                "Percent-encode names and values as UTF-8.",
            ),
            Self::UnfilteredWrite => body(
                "RG307",
                "An update or a delete needs a filter",
                Some(
                    "Without one it would touch every row; select, order and limit are no filters, nor is a condition that no row can fail"
                        .into(),
                ),
                "Add a filter, such as id=eq.<id>.",
            ),
            Self::UnknownSchema { served } => body(
                "PGRST106",
                "The schema must be one of the following",
                Some(served.clone().into()),
                "Name one in Accept-Profile or Content-Profile; supabase-js takes {db: {schema}}.",
            ),
            Self::PlanRefused => body(
                "RG308",
                "Query plans are not served",
                None,
                "Ask for application/json or text/csv.",
            ),
            Self::BadHeader { name, wanted } => body(
                "RG309",
                "A header cannot be read",
                Some(format!("{name}: {wanted}").into()),
                "Correct the header or leave it out.",
            ),
            Self::EmbedTooDeep { limit } => body(
                "RG313",
                "Relations are embedded too deeply",
                Some(format!("There may be {limit} levels").into()),
                "Ask for the deeper ones in a request of their own.",
            ),
            Self::TooManyEmbeds { .. }
            | Self::CastRefused { .. }
            | Self::SystemColumn { .. }
            | Self::ConditionalWrite
            | Self::LimitedWrite
            | Self::AnswerTooLarge { .. } => self.data_body(),
            Self::BadSecret { wanted } => body(
                "RG316",
                "This cannot be a secret to keep",
                Some((*wanted).into()),
                "Send it as its issuer gave it.",
            ),
            _ => self.guard_body(),
        }
    }

    /// The part of the table that belongs to the data API's queries and answers.
    fn data_body(&self) -> ErrorBody {
        match self {
            Self::TooManyEmbeds { limit } => body(
                "RG320",
                "Too many relations are embedded",
                Some(format!("There may be {limit} in all").into()),
                "Ask for some of them in a request of their own.",
            ),
            Self::CastRefused { served } => body(
                "RG321",
                "Nothing may be cast to this type",
                Some(format!("It may be one of {served}").into()),
                "Cast to one of these, or cast in a view or a function.",
            ),
            Self::SystemColumn { name } => body(
                "RG322",
                "System columns are not served",
                Some(format!("{name} is one").into()),
                "Name a column of the table's own.",
            ),
            Self::ConditionalWrite => body(
                "RG323",
                "Writes do not depend on versions of rows",
                Some("If-Match, If-None-Match and If-Unmodified-Since are for reads".into()),
                "Leave the header out, and add a filter on a column that changes with each write, such as updated_at=eq.<the time that was read>.",
            ),
            Self::LimitedWrite => body(
                "RG324",
                "Updates and deletes have no limit here",
                Some("PostgREST before version 13 is needed for limit and offset; later ones would write every row that the filters leave".into()),
                "Filter by what the rows have in common, such as id=in.(<ids>).",
            ),
            Self::AnswerTooLarge { limit } => body(
                "RG406",
                "The answer is too large",
                Some(format!("It may have {limit} bytes").into()),
                "Ask for fewer rows, columns or embedded relations at once.",
            ),
            _ => self.guard_body(),
        }
    }

    /// The part of the table that keeps too many, and machines, out.
    fn guard_body(&self) -> ErrorBody {
        match self {
            Self::UploadBufferFull => body(
                "RG314",
                "Too many bodies of unknown length are on their way",
                None,
                "Declare the Content-Length, or try again after the time in Retry-After.",
            ),
            Self::HumanNotVerified => body(
                "RG315",
                "It could not be verified that a person sent this",
                None,
                "Show Turnstile's widget with the action `lead` and send its fresh token as cf-turnstile-response.",
            ),
            Self::NoUnit { details } => body(
                "RG550",
                "There is nobody to assign",
                Some((*details).into()),
                "Send a session_id, a user_id or both.",
            ),
            Self::BadCountry => body(
                "RG550",
                "The country is not one",
                Some("A code of two letters".into()),
                "Send a code such as DE, or leave it out.",
            ),
            Self::TooManyRequests => body(
                "RG311",
                "Too many requests",
                None,
                "Try again after the time in Retry-After.",
            ),
            Self::LimiterUnavailable => body(
                "RG312",
                "This endpoint cannot be served at the moment",
                Some("The rate limiter in front of it does not answer".into()),
                "Try again after the time in Retry-After.",
            ),
            _ => self.forward_body(),
        }
    }

    /// The part of the table that belongs to `forward` and to the configuration.
    fn forward_body(&self) -> ErrorBody {
        match self {
            Self::UpstreamUnavailable => body(
                "RG401",
                "The database cannot be reached at the moment",
                None,
                "Try again after the time in Retry-After.",
            ),
            Self::UpstreamTimeout => body(
                "RG402",
                "The database did not answer in time",
                None,
                "Ask for less, or try again later; with the same Idempotency-Key nothing is written twice.",
            ),
            Self::Overloaded => body(
                "RG404",
                "Too many requests are waiting for the database",
                None,
                "Try again after the time in Retry-After.",
            ),
            Self::TooManyConcurrent => body(
                "RG407",
                "Too many of your requests are under way",
                None,
                "Send fewer at once; try again after the time in Retry-After.",
            ),
            Self::Refused { body, .. } => (**body).clone(),
            Self::Misconfigured { variable, wanted } => body(
                "RG901",
                "The edge is not configured",
                Some(format!("{variable}: {wanted}").into()),
                "Set this variable or secret and deploy again.",
            ),
            Self::NotConfigured { variable } => body(
                "RG903",
                "This endpoint is not set up",
                Some(format!("{variable} is not set").into()),
                "Set this variable or secret and deploy again.",
            ),
            Self::Internal(_) => body(
                "RG902",
                "The edge failed",
                None,
                "Report it with the x-request-id.",
            ),
            _ => body(
                "RG403",
                "The database failed",
                None,
                "Report it with the x-request-id.",
            ),
        }
    }
}

/// A code for each way a token can be bad, so that a log shows which.
fn token_body(fault: TokenFault) -> ErrorBody {
    let (code, message, hint) = match fault {
        TokenFault::Malformed => (
            "RG202",
            "The token is not an acceptable JWT",
            "Send the access token as the issuer gave it.",
        ),
        TokenFault::Signature => (
            "RG203",
            "The token's signature is not from a trusted key",
            "Sign in again at this project's issuer.",
        ),
        TokenFault::Expired => ("RG204", "The token has expired", "Refresh the session."),
        TokenFault::NotYetValid => (
            "RG205",
            "The token is not valid yet",
            "Check the clock of the machine that issued it.",
        ),
        TokenFault::Claims => (
            "RG206",
            "The token is not meant for this project",
            "It needs sub, exp, and the issuer, audience and role configured here.",
        ),
    };
    body(code, message, None, hint)
}

#[cfg(test)]
mod tests {
    /// Reads a file of the crate.
    fn read(path: &str) -> String {
        std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    /// Every `RG` code in a text.
    fn codes(text: &str) -> std::collections::BTreeSet<String> {
        text.match_indices("RG")
            .filter_map(|(at, _)| text.get(at..at + 5))
            .filter(|code| code.chars().skip(2).all(|c| c.is_ascii_digit()))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn every_code_is_documented_and_every_documented_code_exists() {
        let mut raised = codes(read("src/error.rs").split("#[cfg(test)]").next().unwrap());
        for file in std::fs::read_dir(format!("{}/migrations", env!("CARGO_MANIFEST_DIR"))).unwrap()
        {
            raised.extend(codes(
                &std::fs::read_to_string(file.unwrap().path()).unwrap(),
            ));
        }
        assert_eq!(codes(&read("docs/errors.md")), raised);
    }

    #[test]
    fn every_code_of_the_edge_names_one_error() {
        let source = read("src/error.rs");
        let source = source.split("#[cfg(test)]").next().unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for (at, _) in source.match_indices("\"RG") {
            let code = source.get(at..at + 7).unwrap();
            // What starts with 5 is the database's: the edge says the same before it asks.
            if code.ends_with('"') && !code.starts_with("\"RG5") {
                assert!(seen.insert(code), "{code} stands twice");
            }
        }
    }
}
