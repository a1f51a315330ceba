//! Read replicas. Reads go to a replica, if there is one, but for five seconds after a write the reads of the same user
//! go to the primary, so that users always see their own writes.
//!
//! An isolate remembers recent writers, and tells the other isolates of its data centre through the platform's cache. A
//! client that needs a stronger guarantee sends `x-read-preference: primary`.

use std::borrow::Cow;

use crate::headers::Headers;
use base16ct::lower;
use futures_util::future::FutureExt as _;
use http::{HeaderValue, Method, StatusCode};

use crate::error::Error;
use crate::id;
use crate::isolate::Edge;
use crate::isolate::writers::LAG_SECONDS;
use crate::message::{Body, Request, Response};
use crate::runtime::Platform;
use crate::verify::Caller;

/// The replica's address, if it may answer this request.
pub(super) async fn address<'a, P: Platform>(
    caller: &Caller,
    request: &Request<P::Body>,
    edge: &'a Edge<P>,
) -> Result<Option<&'a str>, Error> {
    let insists = match request.header("x-read-preference") {
        None if request.headers.contains_key("x-read-preference") => return Err(bad_header()),
        None => false,
        Some("primary") => true,
        Some(_) => return Err(bad_header()),
    };
    let Some(replica) = edge.config.postgrest_read_url.as_deref() else {
        return Ok(None);
    };
    if insists || !matches!(request.method, Method::GET | Method::HEAD) {
        return Ok(None);
    }
    let Some(name) = caller.name() else {
        return Ok(Some(replica));
    };
    let wrote = edge.writers.borrow().wrote(&name, edge.platform.now_ms())
        || edge.platform.cache_get(&cache_name(&name)).await.is_some();
    Ok((!wrote).then_some(replica))
}

fn bad_header() -> Error {
    Error::BadHeader {
        name: "x-read-preference",
        wanted: "`primary`, or leave it out",
    }
}

/// Has a replica answer also if it is behind.
pub(crate) fn accept_behind(headers: &mut Headers) {
    headers.insert("x-read-preference", HeaderValue::from_static("replica"));
}

/// The user who writes by a request, if that has to be remembered.
pub(super) fn writer<P: Platform>(
    caller: &Caller,
    method: &Method,
    edge: &Edge<P>,
) -> Option<String> {
    edge.config.postgrest_read_url.as_ref()?;
    if matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    caller.name().map(Cow::into_owned)
}

/// A write of a user, until it is done. It counts from its end, also if that comes after a hang-up: what is dropped before
/// [`Writing::end`] is announced by work of its own.
pub(crate) struct Writing<'a, P: Platform> {
    name: &'a str,
    has_ended: bool,
    edge: &'a Edge<P>,
}

impl<'a, P: Platform> Writing<'a, P> {
    /// A write that begins. It is remembered at once, because its answer may be lost.
    pub(crate) fn begin(name: &'a str, edge: &'a Edge<P>) -> Self {
        remember(name, edge);
        Self {
            name,
            has_ended: false,
            edge,
        }
    }

    /// It has ended; it may have taken long.
    pub(crate) async fn end(mut self) {
        remember(self.name, self.edge);
        announce(self.name, self.edge).await;
        self.has_ended = true;
    }
}

impl<P: Platform> Drop for Writing<'_, P> {
    fn drop(&mut self) {
        if !self.has_ended {
            remember(self.name, self.edge);
            let (name, edge) = (self.name.to_owned(), self.edge.apart());
            let work = async move { announce(&name, &edge).await };
            self.edge.platform.outlive(work.boxed_local());
        }
    }
}

/// Remembers a write in this isolate.
fn remember<P: Platform>(name: &str, edge: &Edge<P>) {
    let now_ms = edge.platform.now_ms();
    edge.writers.borrow_mut().note(name, now_ms);
}

/// Tells the other isolates of this data centre about a write.
async fn announce<P: Platform>(name: &str, edge: &Edge<P>) {
    let nothing = Response {
        status: StatusCode::OK,
        headers: Headers::new(),
        body: Body::Empty,
    };
    edge.platform
        .cache_put(&cache_name(name), nothing, LAG_SECONDS)
        .await;
}

/// The name of a writer in the platform's cache.
fn cache_name(name: &str) -> String {
    format!("wrote/{}", lower::encode_string(&id::digest(name)))
}
