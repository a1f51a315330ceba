//! What a signed-in caller may use of the data API: a call that adds it to a document.

use serde_json::json;

use super::call;
use super::work::Relay;
use crate::endpoint::{Call, Document, Incoming};
use crate::error::Error;
use crate::isolate::Edge;
use crate::message::Request;
use crate::runtime::Platform;
use crate::verify::Caller;

/// The call, with the caller's own token; none for callers without one.
pub(super) fn prepare<P: Platform>(
    document: &Document,
    caller: &Caller,
    request: &Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Option<Relay<P::Body>>, Error> {
    let Some(function) = document.function.filter(|_| caller.token().is_some()) else {
        return Ok(None);
    };
    let call = Call::new("edge", function);
    let arguments = json!({ "schemas": edge.config.schemas }).to_string();
    let incoming = Incoming::default();
    call::relay(&call, (&incoming, request, caller), arguments, false, edge).map(Some)
}
