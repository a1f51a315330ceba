//! Verify: turns the credentials of a request into a [`Caller`], or answers 401.
//!
//! An invalid credential is never ignored: a bad token is not "anonymous".

pub mod api_token;
pub mod keys;
pub mod own;
mod proof;
pub mod token;

use std::borrow::Cow;
use std::rc::Rc;

use futures_util::future::FutureExt as _;
use serde_json::Value;

use crate::body;
use crate::config::Config;
use crate::endpoint::{Access, Route};
use crate::error::{Error, TokenFault};
use crate::headers::Headers;
use crate::hooks::Signed;
use crate::id::is_uuid;
use crate::isolate::Edge;
use crate::isolate::api_tokens::Grant;
use crate::message::Request;
use crate::runtime::Platform;

/// Who is calling. Only [`caller`] makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller(Who);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    /// No user and no server.
    Anonymous,
    /// The holder of a verified token: a user, or a server with `service_role`.
    Holder {
        token: String,
        /// The user; none for a server.
        user: Option<String>,
    },
    /// The holder of an API token.
    ApiToken(ApiToken),
}

/// A live API token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// What it opens.
    pub grant: Rc<Grant>,
    /// The claim by which the database holds a request to the token's scope.
    pub claim: Value,
}

impl Caller {
    /// The verified token that goes upstream unchanged, if there is one.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        match &self.0 {
            Who::Anonymous => None,
            Who::Holder { token, .. } => Some(token),
            // Its text goes nowhere.
            Who::ApiToken(_) => Some(""),
        }
    }

    /// The caller's API token, if that is what it has sent. The edge mints a token for upstream.
    #[must_use]
    pub fn api_token(&self) -> Option<&ApiToken> {
        match &self.0 {
            Who::ApiToken(token) => Some(token),
            _ => None,
        }
    }

    /// Whether the caller has sent an API token that may only read.
    #[must_use]
    pub fn reads_only(&self) -> bool {
        self.api_token().is_some_and(|token| !token.grant.writes())
    }

    /// Whether the caller is a user, who sees only their own rows, and not a server, which sees all.
    #[must_use]
    pub fn is_user(&self) -> bool {
        self.user().is_some()
    }

    /// The user, if one is signed in.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match &self.0 {
            Who::Holder { user, .. } => user.as_deref(),
            Who::ApiToken(token) => token.grant.user.as_deref(),
            Who::Anonymous => None,
        }
    }

    /// The role of the caller's own token; `anon` without one.
    #[must_use]
    pub fn role(&self) -> &'static str {
        match &self.0 {
            Who::Anonymous => "anon",
            _ if self.is_user() => "authenticated",
            _ => "service_role",
        }
    }

    /// The name of a caller who is signed in: the user's id, that of a worker's API token, or the role of servers.
    #[must_use]
    pub fn name(&self) -> Option<Cow<'_, str>> {
        let name = match (&self.0, self.user()) {
            (Who::Anonymous, _) => return None,
            (_, Some(user)) => user,
            (Who::ApiToken(worker), None) => {
                return Some(["worker ", &worker.grant.id].concat().into());
            }
            (Who::Holder { .. }, None) => "service_role",
        };
        Some(name.into())
    }
}

/// What an `apikey` is.
enum Key {
    None,
    Publishable,
    Service(String),
}

/// Establishes who calls an endpoint and, where it has a check of its own, that this sender may.
///
/// # Errors
/// Those of [`caller`] and of the check; where the check reads the body, 400, 408, 413 and 415 for one that cannot be read, and 501 if it needs
/// a variable that is not set.
pub async fn admitted<P: Platform>(
    route: &Route,
    request: &mut Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Caller, Error> {
    let mut caller = caller(route.access, request, edge).await?;
    if let Who::ApiToken(token) = &mut caller.0 {
        api_token::check(&token.grant, route, &request.method)?;
        token.claim = api_token::claim(&token.grant, route);
    }
    if let Some(check) = route.authenticate {
        edge.config.require(&route.requires)?;
        let bytes = body::read_all(request, body::limit(route, edge), edge).await?;
        let signed = Signed {
            headers: &request.headers,
            now_ms: edge.platform.now_ms(),
        };
        let proof = check(&signed, &edge.config)?;
        let checked = proof::check(proof, &bytes, request.address, edge);
        checked.boxed_local().await?;
        request.read = Some(bytes);
    }
    Ok(caller)
}

/// Establishes who calls.
///
/// # Errors
/// 401 for an invalid credential, and for none where the access needs one; 403 for a caller that the access excludes and for a
/// `service_role` token from a browser, even beside a user's token; 503 while the issuer's keys are not available; for an API token also 429, if
/// its address sends too many wrong ones or many are being exchanged, and 502 to 504 if the database does not answer.
pub async fn caller<P: Platform>(
    access: Access,
    request: &Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Caller, Error> {
    if access == Access::Public {
        return Ok(Caller(Who::Anonymous));
    }
    let bearer = bearer(request)?;
    let api_key = api_key(request)?;
    let key = match &api_key {
        None => Key::None,
        Some(text) => classify(text, edge).await?,
    };
    // supabase-js sends the key in both places when no user is signed in.
    let user = bearer
        .filter(|token| Some(*token) != api_key.as_deref() && !is_publishable(token, &edge.config));
    // A page's source is readable by its visitors: no back-office token belongs there, in either place.
    let refuse_in_browser = |is_service: bool| {
        if is_service && is_from_browser(&request.headers) {
            return Err(Error::ServiceFromBrowser);
        }
        Ok(())
    };
    refuse_in_browser(matches!(key, Key::Service(_)))?;
    let who = match (user, key) {
        (Some(token), _) if api_token::is_one(token) => Who::ApiToken(ApiToken {
            grant: api_token::exchange(token, request.address, edge).await?,
            claim: Value::Null,
        }),
        (Some(token), _) => holder(token, edge).await?,
        (None, Key::Service(token)) => Who::Holder { token, user: None },
        (None, Key::None) if access == Access::Keyed && bearer.is_none() => {
            return Err(Error::NoApiKey);
        }
        (None, Key::Publishable | Key::None) => Who::Anonymous,
    };
    refuse_in_browser(match &who {
        Who::Anonymous => false,
        Who::Holder { user, .. } => user.is_none(),
        Who::ApiToken(token) => token.grant.user.is_none(),
    })?;
    allowed(access, &who)?;
    Ok(Caller(who))
}

/// Refuses a caller whom the access excludes.
fn allowed(access: Access, who: &Who) -> Result<(), Error> {
    let wanted = match access {
        Access::Public | Access::Open | Access::Keyed => return Ok(()),
        Access::User => "signed-in users",
        Access::Service => "servers, by a token of the role service_role",
        Access::Worker => "servers, and API tokens that name this endpoint",
        Access::Token => "API tokens that name this endpoint",
    };
    let is_for = match who {
        Who::Anonymous => return Err(Error::NoToken { wanted }),
        // Its scope decides.
        Who::ApiToken(_) => true,
        Who::Holder { user: Some(_), .. } => access == Access::User,
        Who::Holder { user: None, .. } => matches!(access, Access::Service | Access::Worker),
    };
    if is_for {
        Ok(())
    } else {
        Err(Error::NotForCaller { wanted })
    }
}

/// Whether a browser sent the request. Browsers set these headers themselves; pages and their scripts cannot.
/// `Sec-Fetch-Mode` is not among them: `fetch` of Node.js also sends it.
pub(crate) fn is_from_browser(headers: &Headers) -> bool {
    ["origin", "sec-fetch-site", "sec-fetch-dest"]
        .iter()
        .any(|name| headers.contains_key(*name))
}

/// The token of a well-formed `Authorization`, if there is one.
fn bearer<B>(request: &Request<B>) -> Result<Option<&str>, Error> {
    let Some(value) = request.headers.get("authorization") else {
        return Ok(None);
    };
    let text = str::from_utf8(value.as_bytes()).map_err(|_| Error::BadAuthorization)?;
    let (scheme, token) = text.split_once(' ').ok_or(Error::BadAuthorization)?;
    let one_word = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic() && b != b',');
    if scheme.eq_ignore_ascii_case("bearer") && one_word {
        Ok(Some(token))
    } else {
        Err(Error::BadAuthorization)
    }
}

/// The `apikey` of the header or, as supabase-js may send it, of the query.
fn api_key<B>(request: &Request<B>) -> Result<Option<Cow<'_, str>>, Error> {
    if let Some(value) = request.headers.get("apikey") {
        return value
            .to_str()
            .map(|text| Some(text.into()))
            .map_err(|_| Error::BadApiKey);
    }
    Ok(query_key(&request.query).map(Cow::Owned))
}

/// The `apikey` of a query, which counts if no header has one.
pub(crate) fn query_key(query: &str) -> Option<String> {
    fn decoded(text: &str) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
        form_urlencoded::parse(text.as_bytes()).next()
    }
    // Most names need no decoding.
    let is_key = |name: &str| {
        name == "apikey"
            || name.contains('%') && decoded(name).is_some_and(|(name, _)| name == "apikey")
    };
    let mut pairs = query.split('&');
    let pair = pairs.find(|pair| is_key(pair.split('=').next().unwrap_or_default()))?;
    decoded(pair).map(|(_, value)| value.into_owned())
}

fn is_publishable(text: &str, config: &Config) -> bool {
    config.publishable_keys.iter().any(|key| key == text)
}

/// Finds out what an `apikey` is.
async fn classify<P: Platform>(text: &str, edge: &Edge<P>) -> Result<Key, Error> {
    if is_publishable(text, &edge.config) {
        return Ok(Key::Publishable);
    }
    if !text.contains('.') {
        return Err(Error::BadApiKey);
    }
    match token::verify(text, edge).await?.role.as_str() {
        "anon" => Ok(Key::Publishable),
        "service_role" => Ok(Key::Service(text.to_owned())),
        _ => Err(Error::BadApiKey),
    }
}

/// The holder of a token, once it is verified. A token of the role anon is anonymous.
async fn holder<P: Platform>(text: &str, edge: &Edge<P>) -> Result<Who, Error> {
    let claims = token::verify(text, edge).await?;
    match claims.role.as_str() {
        "anon" => Ok(Who::Anonymous),
        "authenticated" if !claims.sub.as_deref().is_some_and(is_uuid) => {
            Err(Error::BadToken(TokenFault::Claims))
        }
        role => Ok(Who::Holder {
            token: text.to_owned(),
            user: claims.sub.clone().filter(|_| role != "service_role"),
        }),
    }
}

#[cfg(test)]
mod tests;
