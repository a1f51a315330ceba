//! The whole request path on one screen; each line names what it can refuse.

use http::{Method, StatusCode};

use crate::edge::{Edge, Platform, Request, Response};
use crate::error::Error;
use crate::{forward, respond, rooms, route, scope, verify};

/// Answers a request; every error is turned into a response here.
pub async fn answer<P: Platform>(request: Request<P::Body>, edge: &Edge<P>) -> Response<P::Body> {
    let start = edge.platform.now_ms();
    let (asked, id, method) = (
        request.headers.clone(),
        request.id.clone(),
        request.method.clone(),
    );
    let outcome = handle(request, edge).await;
    let code = outcome
        .as_ref()
        .err()
        .map(|error| error.shape().code.into_owned());
    let mut response = outcome.unwrap_or_else(|error| respond::error(&error));
    respond::finish(&mut response, &asked, &id, Some(&edge.config));
    // No path, no address: they may hold what a person typed.
    let line = serde_json::json!({
        "event": "request", "id": id, "method": method.as_str(), "status": response.status.as_u16(),
        "code": code, "ms": edge.platform.now_ms().saturating_sub(start),
    });
    edge.platform.log(&line.to_string());
    response
}

async fn handle<P: Platform>(
    request: Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, Error> {
    if request.method == Method::OPTIONS {
        return preflight(&request);
    }
    let matched = route::find(&rooms::ALL, &request.method, &request.path)?; // 404, 405
    let caller = verify::caller(matched.route.access, &request, edge).await?; // 401, 403, 503
    let scoped = scope::narrow(&matched, &caller, request, edge).await?; // 400, 406, 413, 414, 415
    let reply = forward::send(scoped, edge).await?; // 4xx of PostgREST, 502, 503, 504
    respond::relay(reply, &edge.config)
}

/// A preflight is answered for every path that exists.
fn preflight<B>(request: &Request<B>) -> Result<Response<B>, Error> {
    match route::find(&rooms::ALL, &Method::OPTIONS, &request.path) {
        Err(Error::NotFound) => Err(Error::NotFound),
        _ => Ok(Response {
            status: StatusCode::NO_CONTENT,
            ..respond::preflight()
        }),
    }
}
