//! A whole relation, page by page. Each page begins where the one before ended, so that rows inserted or deleted in the
//! meantime neither repeat nor hide others.

use std::rc::Rc;

use crate::headers::Headers;
use http::Method;
use serde_json::Value;

use super::headers::{query_api_key, set, set_trace};
use super::mint::upstream_token;
use super::query::Query;
use super::work::{Relay, Sharer, sharer};
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
pub(crate) struct Pages<B> {
    pub export: Rc<Export>,
    /// Whether each further field gets a column, instead of a cell of JSON for all of them.
    pub spread: bool,
    /// Whether the file begins with a byte order mark, without which some spreadsheets do not recognise UTF-8.
    pub marked: bool,
    query: Query,
    /// The request without its body.
    pub request: Request<B>,
    pub caller: Caller,
}

/// Reads the filters.
pub(super) fn prepare<P: Platform>(
    export: &Rc<Export>,
    caller: &Caller,
    request: Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Pages<P::Body>, Error> {
    let limit = edge.config.limits.uri_bytes;
    if request.query.len() > limit {
        return Err(Error::UriTooLong { limit });
    }
    let mut query = Query::parse(&request.query, query_api_key(&request).as_deref())?;
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
    Ok(Pages {
        export: export.clone(),
        spread,
        marked,
        query,
        request,
        caller: caller.clone(),
    })
}

impl<B> Pages<B> {
    /// The page after a row, or the first page.
    ///
    /// # Errors
    /// [`Error::Internal`] if the request cannot be built.
    pub(crate) fn after<P: Platform<Body = B>>(
        &self,
        last: Option<&Value>,
        edge: &Edge<P>,
    ) -> Result<Relay<B>, Error> {
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
        let mut url = format!("{}/{}", edge.config.postgrest_url, self.export.relation);
        query.append_to(&mut url);
        self.get(url, edge)
    }

    /// The names of the fields that get a column each.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn names<P: Platform<Body = B>>(&self, edge: &Edge<P>) -> Result<Relay<B>, Error> {
        let names = &self.export.more.names;
        self.get(format!("{}/rpc/{names}", edge.config.postgrest_url), edge)
    }

    /// Each request has a token of its own: an export may take longer than one is valid.
    fn get<P: Platform<Body = B>>(&self, url: String, edge: &Edge<P>) -> Result<Relay<B>, Error> {
        let mut headers = Headers::new();
        let token = upstream_token(&self.caller, &self.request, edge)?;
        set(&mut headers, "authorization", &format!("Bearer {token}"))?;
        set(&mut headers, "accept-profile", &self.export.schema)?;
        set_trace(&mut headers, &self.request)?;
        let outgoing = Outgoing {
            method: Method::GET,
            url,
            headers,
            body: Body::Empty,
            deadline_ms: edge.config.limits.deadline_ms,
        };
        Ok(Relay {
            anonymous: self.caller.token().is_none(),
            reads_only: self.caller.reads_only(),
            sharer: self.sharer(),
            request_id: Some(self.request.id.clone()),
            ..Relay::plain(outgoing)
        })
    }

    /// Whose share of connections the export uses.
    pub(crate) fn sharer(&self) -> Option<Sharer> {
        sharer(&self.caller, self.request.address)
    }

    /// Whether these rows are the last page.
    pub(crate) fn ends_with(rows: &[Value]) -> bool {
        (rows.len() as u64) < ROWS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Access, More};
    use crate::fuzzing::native::{self, KEY};
    use crate::verify;

    #[test]
    fn each_page_has_a_token_of_its_own_time() {
        let edge = native::edge();
        let mut headers = Headers::new();
        headers.insert("apikey", KEY.parse().unwrap());
        let request = Request {
            id: "test".into(),
            method: Method::GET,
            path: "/".into(),
            query: String::new(),
            headers,
            body: None,
            read: None,
            held: None,
            address: None,
        };
        let caller = pollster::block_on(verify::caller(Access::Keyed, &request, &edge)).unwrap();
        let more = More {
            column: "more".into(),
            names: "names".into(),
        };
        let export = Rc::new(Export {
            schema: "sample".into(),
            relation: "rows".into(),
            columns: Vec::new(),
            more,
            file_name: "rows.csv".into(),
        });
        let pages = prepare(&export, &caller, request, &edge).unwrap();
        let token = || {
            let page = pages.after(None, &edge).unwrap();
            page.outgoing.headers.get("authorization").cloned()
        };
        let first = token();
        assert!(first.is_some());
        assert_eq!(token(), first);
        *edge.platform.now_ms.borrow_mut() += 120_000;
        assert_ne!(token(), first);
    }
}
