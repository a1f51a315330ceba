//! Signs the edge's own tokens.

use jwt_compact::alg::Hs256;
use jwt_compact::{AlgorithmExt, Claims, Header};
use serde::Serialize;

use crate::error::Error;
use crate::isolate::Edge;
use crate::runtime::Platform;

/// Seconds that a token lives.
pub const LIFETIME: u64 = 60;

const FAULT: Error = Error::Internal("the edge's token cannot be made");

/// The second since 1970 at which tokens of this minute begin. PostgREST's leeway of 30 seconds covers a token that is made at the
/// end of its minute.
pub fn minute<P: Platform>(edge: &Edge<P>) -> u64 {
    edge.now() / LIFETIME * LIFETIME
}

#[derive(Serialize)]
struct OwnClaims<'a> {
    aud: &'a str,
    role: &'static str,
    iat: u64,
    exp: u64,
}

/// A token of role `edge` for a call in the edge's own name.
///
/// # Errors
/// [`Error::Internal`].
pub fn token<P: Platform>(edge: &Edge<P>) -> Result<String, Error> {
    let iat = minute(edge);
    let claims = OwnClaims {
        aud: &edge.config.audience,
        role: "edge",
        iat,
        exp: iat + LIFETIME,
    };
    sign(iat, claims, edge)
}

/// Signs claims that begin at `iat`, or gives what was made of the same claims before.
///
/// # Errors
/// [`Error::Internal`].
pub fn sign<P: Platform>(
    iat: u64,
    claims: impl Serialize,
    edge: &Edge<P>,
) -> Result<String, Error> {
    let text = serde_json::to_string(&claims).map_err(|_| FAULT)?;
    if let Some(token) = edge.minted.borrow_mut().find(iat, &text) {
        return Ok(token.to_owned());
    }
    let header = Header::empty().with_key_id("edge");
    let key = &edge.config.signing_key.hs256;
    let token = Hs256.token(&header, &Claims::new(claims), key);
    let token = token.map_err(|_| FAULT)?;
    edge.minted.borrow_mut().keep(text, &token);
    Ok(token)
}
