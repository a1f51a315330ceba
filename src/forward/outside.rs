//! What the platform and the database do for the hooks of systems.

use futures_util::future::{FutureExt as _, LocalBoxFuture};
use futures_util::stream::{self, StreamExt as _};
use http::StatusCode;
use serde_json::Value;

use super::call_own_large;
use crate::body::read_answer;
use crate::error::Error;
use crate::headers::Headers;
use crate::hooks::{Binding, Outside, Pieces, Sealed};
use crate::isolate::{Edge, turns};
use crate::message::{Body, Outgoing, ReadFault, Response, SendFault};
use crate::runtime::Platform;
use crate::scope::{Sharer, replica};
use crate::sealing;

/// The edge for a hook.
pub(crate) struct For<'a, P> {
    pub edge: &'a Edge<P>,
    /// In whose turns the pieces of streams are passed on, and who writes after the answer has begun.
    pub sharer: Option<&'a Sharer>,
}

impl<P: Platform> For<'_, P> {
    /// The user for whom the hook writes, if that has to be remembered.
    fn writer(&self) -> Option<&str> {
        self.edge.config.postgrest_read_url.as_ref()?;
        match self.sharer? {
            Sharer::Named(name) => Some(name),
            Sharer::Anonymous(_) => None,
        }
    }
}

impl<P: Platform> Outside for For<'_, P> {
    fn now_ms(&self) -> u64 {
        self.edge.platform.now_ms()
    }

    fn log(&self, line: &str) {
        self.edge.platform.log(line);
    }

    fn sleep(&self, milliseconds: u32) -> LocalBoxFuture<'_, ()> {
        self.edge.platform.sleep(milliseconds).boxed_local()
    }

    fn call<'a>(
        &'a self,
        function: &'a str,
        arguments: &'a Value,
        limit: usize,
    ) -> LocalBoxFuture<'a, Result<Value, Error>> {
        let called = async move {
            let writing = self
                .writer()
                .map(|name| replica::Writing::begin(name, self.edge));
            let outcome = call_own_large(function, arguments, limit, self.edge).await;
            if let Some(writing) = writing {
                writing.end().await;
            }
            outcome
        };
        called.boxed_local()
    }

    fn seal<'a>(
        &'a self,
        secret: &'a str,
        binding: &'a Binding<'a>,
    ) -> LocalBoxFuture<'a, Result<Sealed, Error>> {
        sealing::seal(secret, binding, self.edge).boxed_local()
    }

    fn rewrap<'a>(
        &'a self,
        sealed: &'a Sealed,
        binding: &'a Binding<'a>,
    ) -> LocalBoxFuture<'a, Result<Sealed, Error>> {
        sealing::rewrap(sealed, binding, self.edge).boxed_local()
    }

    fn open<'a>(
        &'a self,
        sealed: &'a Sealed,
        binding: &'a Binding<'a>,
    ) -> LocalBoxFuture<'a, Result<String, Error>> {
        sealing::open(sealed, binding, self.edge).boxed_local()
    }

    fn send(
        &self,
        request: Outgoing<()>,
        limit: usize,
    ) -> LocalBoxFuture<'_, Result<Response<()>, SendFault>> {
        send(request, limit, self.edge).boxed_local()
    }

    fn open_stream(
        &self,
        request: Outgoing<()>,
        limit: usize,
        idle_ms: u32,
    ) -> LocalBoxFuture<'_, Result<(StatusCode, Headers, Pieces<'_>), SendFault>> {
        open_stream(request, limit, idle_ms, self).boxed_local()
    }
}

async fn open_stream<'a, P: Platform>(
    request: Outgoing<()>,
    limit: usize,
    idle_ms: u32,
    &For { edge, sharer }: &For<'a, P>,
) -> Result<(StatusCode, Headers, Pieces<'a>), SendFault> {
    let response = answer(request, edge).await?;
    let turn =
        move |bytes| sharer.map_or(0, |sharer| turns::until_piece(sharer.name(), bytes, edge));
    let pieces = match response.body {
        Body::Stream(body) => {
            let pieces = edge.platform.pieces(body, limit, idle_ms, turn);
            pieces.boxed_local()
        }
        Body::Bytes(bytes) => stream::iter([Ok(bytes)]).boxed_local(),
        Body::Empty | Body::Upload { .. } => stream::empty().boxed_local(),
    };
    Ok((response.status, response.headers, pieces))
}

async fn send<P: Platform>(
    request: Outgoing<()>,
    limit: usize,
    edge: &Edge<P>,
) -> Result<Response<()>, SendFault> {
    let deadline_ms = request.deadline_ms;
    let response = answer(request, edge).await?;
    let bytes = read_answer(response.body, limit, deadline_ms, edge).await;
    let bytes = bytes.map_err(SendFault::Body)?;
    if bytes.len() > limit {
        return Err(SendFault::Body(ReadFault::TooLarge));
    }
    Ok(Response {
        status: response.status,
        headers: response.headers,
        body: Body::Bytes(bytes),
    })
}

/// The answer of a service; its body is not read yet.
async fn answer<P: Platform>(
    request: Outgoing<()>,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, SendFault> {
    let request = Outgoing {
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: match request.body {
            Body::Bytes(bytes) => Body::Bytes(bytes),
            _ => Body::Empty,
        },
        deadline_ms: request.deadline_ms,
    };
    edge.platform.send(&request, &|| ()).await
}
