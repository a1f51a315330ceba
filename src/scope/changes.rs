//! Who listens to changes of rows, of which table, and since when.

use base64ct::{Base64UrlUnpadded, Encoding};
use http::Method;
use serde_json::Value;

use crate::config::is_name;
use crate::error::{Error, TokenFault};
use crate::message::Request;
use crate::verify::Caller;

/// A request for changes of rows.
pub(crate) struct Listener {
    /// The claims of the caller's verified token.
    pub claims: Value,
    /// The user.
    pub user: String,
    /// When the token ends, in milliseconds since 1970.
    pub until_ms: u64,
    /// The table, with its schema.
    pub table: String,
    /// The cursor behind which it begins, and where the request has it; none for what changes from now on.
    pub since: Option<(&'static str, String)>,
    /// Whether only the head of the answer is wanted.
    pub is_head: bool,
    /// The request's id.
    pub request_id: String,
}

/// What a browser or a reader of its own sends when it connects again; it counts before `since`.
const LAST_EVENT_ID: &str = "Last-Event-ID";

/// Reads a request for changes.
pub(super) fn listener<B>(caller: &Caller, request: &Request<B>) -> Result<Listener, Error> {
    // Of an API token the database looks at the row for each request, and a stream is one request.
    if caller.api_token().is_some() {
        return Err(Error::ApiTokenScope);
    }
    let user = caller.user().unwrap_or_default().to_owned();
    let token = caller.token();
    let token = token.ok_or(Error::Internal("a user has no token"))?;
    let claims = claims_of(token).ok_or(Error::BadToken(TokenFault::Malformed))?;
    let exp = claims.get("exp").and_then(Value::as_f64).unwrap_or(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float is clamped by the cast"
    )]
    let until_ms = (exp * 1000.0) as u64;
    let mut table = None;
    let mut since = None;
    for (name, value) in form_urlencoded::parse(request.query.as_bytes()) {
        match &*name {
            "table" => table = Some(value.into_owned()),
            "since" => since = Some(("since", value.into_owned())),
            _ => {}
        }
    }
    let is_table = |text: &String| {
        let parts = text.split_once('.');
        parts.is_some_and(|(schema, name)| is_name(schema) && is_name(name))
    };
    let table = table.filter(is_table).ok_or(Error::BadArgument {
        name: "table".into(),
        wanted: "the name of a table with its schema, such as flashfusion.projects",
    })?;
    if let Some(last) = request.header("last-event-id").filter(|id| !id.is_empty()) {
        since = Some((LAST_EVENT_ID, last.to_owned()));
    }
    Ok(Listener {
        claims,
        user,
        until_ms,
        table,
        since: since.filter(|(_, text)| !text.is_empty()),
        is_head: request.method == Method::HEAD,
        request_id: request.id.clone(),
    })
}

/// The claims of a verified token. Those that verification skips may be unreadable: a number out of range, or a value that is nested too deeply.
fn claims_of(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    let payload = Base64UrlUnpadded::decode_vec(payload).ok()?;
    serde_json::from_slice(&payload).ok()
}
