//! What a signed-in caller may use of the data API: a call that adds it to a document.

use serde_json::json;

use super::call;
use super::work::Added;
use crate::endpoint::{Call, Document, Incoming};
use crate::error::Error;
use crate::isolate::Edge;
use crate::message::Request;
use crate::runtime::Platform;
use crate::verify::Caller;

/// The call, with the caller's own token; none for callers without one. What the function adds depends on the role alone. A document that is
/// kept needs no more of it, but the database still checks the caller.
pub(super) fn prepare<P: Platform>(
    document: &Document,
    caller: &Caller,
    request: &Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Option<Added<P::Body>>, Error> {
    let Some(function) = document.function.filter(|_| caller.token().is_some()) else {
        return Ok(None);
    };
    let is_user = caller.is_user();
    let now_ms = edge.platform.now_ms();
    let kept = edge.documents.borrow().find(is_user, now_ms);
    let schemas: &[String] = match kept {
        Some(_) => &[],
        None => &edge.config.schemas,
    };
    let call = Call::new("edge", function);
    let arguments = json!({ "schemas": schemas }).to_string();
    let incoming = Incoming::default();
    let call = call::relay(&call, (&incoming, request, caller), arguments, false, edge)?;
    Ok(Some(Added {
        is_user,
        call,
        kept,
    }))
}
