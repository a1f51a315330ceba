//! A whole relation, page by page. Each page begins where the one before ended, so that rows inserted or deleted in the
//! meantime neither repeat nor hide others.

use std::rc::Rc;

use crate::headers::Headers;
use http::Method;
use serde_json::Value;

use super::headers::{query_api_key, set, set_trace};
use super::mint::upstream_token;
use super::query::Query;
use super::work::Relay;
use crate::endpoint::Export;
use crate::error::Error;
use crate::isolate::Edge;
use crate::message::{Body, Outgoing, Request};
use crate::runtime::Platform;
use crate::verify::Caller;

/// The rows of a page.
const ROWS: u64 = 200;

/// Parameters that the caller must not set, because they make the pages.
const OURS: [&str; 4] = ["select", "order", "limit", "offset"];

/// Parameters that choose the file's form; they are not filters.
const FIELDS: &str = "fields";
const BOM: &str = "bom";

/// The pages of one relation, as one caller may see it.
pub(crate) struct Pages {
    pub export: Rc<Export>,
    /// Whether each further field gets a column, instead of a cell of JSON for all of them.
    pub spread: bool,
    /// Whether the file begins with a byte order mark, without which some spreadsheets do not recognise UTF-8.
    pub marked: bool,
    base: String,
    query: Query,
    headers: Headers,
    anonymous: bool,
}

/// Reads the filters, and takes the caller's token.
pub(super) fn prepare<P: Platform>(
    export: &Rc<Export>,
    caller: &Caller,
    request: &Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Pages, Error> {
    let limit = edge.config.limits.uri_bytes;
    if request.query.len() > limit {
        return Err(Error::UriTooLong { limit });
    }
    let mut query = Query::parse(&request.query, query_api_key(request).as_deref())?;
    query.check(0, 0, false)?;
    let spread = match query.take(FIELDS).as_deref() {
        None | Some("json") => false,
        Some("columns") => true,
        Some(_) => return Err(Error::BadQuery("fields must be json or columns")),
    };
    let marked = match query.take(BOM).as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Error::BadQuery("bom must be true or false")),
    };
    if OURS.iter().any(|name| query.names(name)) {
        return Err(Error::BadQuery(
            "an export has its own select and order and no limit: send filters only",
        ));
    }
    let mut headers = Headers::new();
    let token = upstream_token(caller, request, edge)?;
    set(&mut headers, "authorization", &format!("Bearer {token}"))?;
    set(&mut headers, "accept-profile", &export.schema)?;
    set_trace(&mut headers, request)?;
    Ok(Pages {
        export: export.clone(),
        spread,
        marked,
        base: edge.config.postgrest_url.clone(),
        query,
        headers,
        anonymous: caller.token().is_none(),
    })
}

impl Pages {
    /// The page after a row, or the first page.
    pub(crate) fn after<P: Platform>(
        &self,
        last: Option<&Value>,
        edge: &Edge<P>,
    ) -> Relay<P::Body> {
        let mut query = self.query.clone();
        let field = |name: &str| last?.get(name)?.as_str();
        if let (Some(id), Some(created_at)) = (field("id"), field("created_at")) {
            // The rows before the page are those of an `or`, which no index leaves out.
            query.push("created_at", format!("lte.{created_at}"));
            query.push(
                "or",
                format!(
                    "(created_at.lt.\"{created_at}\",and(created_at.eq.\"{created_at}\",id.lt.{id}))"
                ),
            );
        }
        let select = format!("id,created_at,cells,{}", self.export.more.column);
        query.push("select", select);
        query.push("order", "created_at.desc,id.desc".to_owned());
        query.push("limit", ROWS.to_string());
        let mut url = format!("{}/{}", self.base, self.export.relation);
        query.append_to(&mut url);
        self.get(url, edge)
    }

    /// The names of the fields that get a column each.
    pub(crate) fn names<P: Platform>(&self, edge: &Edge<P>) -> Relay<P::Body> {
        self.get(
            format!("{}/rpc/{}", self.base, self.export.more.names),
            edge,
        )
    }

    fn get<P: Platform>(&self, url: String, edge: &Edge<P>) -> Relay<P::Body> {
        let outgoing = Outgoing {
            method: Method::GET,
            url,
            headers: self.headers.clone(),
            body: Body::Empty,
            deadline_ms: edge.config.limits.deadline_ms,
        };
        Relay {
            anonymous: self.anonymous,
            ..Relay::plain(outgoing)
        }
    }

    /// Whether these rows are the last page.
    pub(crate) fn ends_with(rows: &[Value]) -> bool {
        (rows.len() as u64) < ROWS
    }
}
