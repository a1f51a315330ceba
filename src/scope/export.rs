//! A whole relation, page after page: each one begins where the one before has ended, so that rows that come and go
//! meanwhile neither repeat nor hide others.

use http::{HeaderMap, Method};
use serde_json::Value;

use super::query::Query;
use super::{Relay, sent_key, set, set_trace, upstream_token};
use crate::edge::{Body, Edge, Outgoing, Platform, Request};
use crate::error::Error;
use crate::route::Export;
use crate::verify::Caller;

/// Rows of a page.
const ROWS: u64 = 200;

/// What the caller may not choose: it is how the pages are made.
const OURS: [&str; 4] = ["select", "order", "limit", "offset"];

/// The pages of one relation, as one caller may see it.
pub(crate) struct Pages {
    pub export: &'static Export,
    address: String,
    query: Query,
    headers: HeaderMap,
}

/// Reads the filters and takes the caller's token.
pub(super) fn prepare<P: Platform>(
    export: &'static Export,
    caller: &Caller,
    request: &Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Pages, Error> {
    let limit = edge.config.limits.uri_bytes;
    if request.query.len() > limit {
        return Err(Error::UriTooLong { limit });
    }
    let query = Query::parse(&request.query, sent_key(request).as_deref())?;
    if OURS.iter().any(|name| query.names(name)) {
        return Err(Error::BadQuery(
            "an export has its own select and order, and no limit: only filters may be sent",
        ));
    }
    let mut headers = HeaderMap::new();
    let token = upstream_token(caller, request, edge)?;
    set(&mut headers, "authorization", &format!("Bearer {token}"))?;
    set(&mut headers, "accept-profile", export.schema)?;
    set_trace(&mut headers, request)?;
    Ok(Pages {
        export,
        address: format!("{}/{}", edge.config.postgrest_url, export.relation),
        query,
        headers,
    })
}

impl Pages {
    /// The page after a row, or the first.
    pub(crate) fn after<P: Platform>(
        &self,
        last: Option<&Value>,
        edge: &Edge<P>,
    ) -> Relay<P::Body> {
        let mut query = self.query.clone();
        let field = |name: &str| last?.get(name)?.as_str();
        if let (Some(id), Some(created_at)) = (field("id"), field("created_at")) {
            query.push(
                "or",
                format!(
                    "(created_at.lt.\"{created_at}\",and(created_at.eq.\"{created_at}\",id.lt.{id}))"
                ),
            );
        }
        query.push("select", "id,created_at,line".to_owned());
        query.push("order", "created_at.desc,id.desc".to_owned());
        query.push("limit", ROWS.to_string());
        let mut url = self.address.clone();
        query.append_to(&mut url);
        Relay::plain(Outgoing {
            method: Method::GET,
            url,
            headers: self.headers.clone(),
            body: Body::Empty,
            deadline_ms: edge.config.limits.deadline_ms,
        })
    }

    /// Whether a page of so many rows is the last.
    pub(crate) fn ends_with(rows: &[Value]) -> bool {
        (rows.len() as u64) < ROWS
    }
}
