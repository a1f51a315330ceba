//! Answers in pages: the calls of a function, each of which begins where the one before ended.

use std::rc::Rc;

use serde_json::Value;

use super::call;
use super::work::Relay;
use crate::endpoint::{Call, Incoming};
use crate::error::Error;
use crate::isolate::Edge;
use crate::message::Request;
use crate::runtime::Platform;
use crate::verify::Caller;

/// An endpoint that is answered in pages, and what each call needs.
pub(crate) struct Paged<B> {
    pub call: Rc<Call>,
    pub incoming: Box<Incoming>,
    /// The arguments of the first call: the text of a JSON object.
    pub arguments: String,
    /// The request without its body.
    pub request: Request<B>,
    pub caller: Caller,
}

impl<B> Paged<B> {
    /// The call for the page that begins where another one ended, or for the first one. Each has a token of its own: a download may
    /// take longer than one is valid, and rights that have been revoked meanwhile are so for the rest.
    ///
    /// # Errors
    /// [`Error::Internal`] if the call cannot be built.
    pub(crate) fn relay<P: Platform<Body = B>>(
        &self,
        after: &Value,
        edge: &Edge<P>,
    ) -> Result<Relay<B>, Error> {
        let arguments = match self.arguments.strip_suffix('}') {
            Some("{") => format!("{{\"after\":{after}}}"),
            Some(others) => format!("{others},\"after\":{after}}}"),
            None => return Err(Error::Internal("the arguments of a page are not an object")),
        };
        let parts = (&*self.incoming, &self.request, &self.caller);
        call::relay(&self.call, parts, arguments, false, edge)
    }
}
