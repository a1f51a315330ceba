//! What the platform and the database do for the hooks of systems.

use futures_util::future::{FutureExt as _, LocalBoxFuture};
use futures_util::stream::{self, StreamExt as _};
use http::StatusCode;
use serde_json::Value;

use super::call_own_large;
use crate::error::Error;
use crate::headers::Headers;
use crate::hooks::{Binding, Outside, Pieces, Sealed};
use crate::isolate::Edge;
use crate::message::{Body, Outgoing, ReadFault, Response, SendFault};
use crate::runtime::Platform;
use crate::sealing;

/// The edge for a hook.
pub(crate) struct For<'a, P>(pub &'a Edge<P>);

impl<P: Platform> Outside for For<'_, P> {
    fn now_ms(&self) -> u64 {
        self.0.platform.now_ms()
    }

    fn log(&self, line: &str) {
        self.0.platform.log(line);
    }

    fn sleep(&self, milliseconds: u32) -> LocalBoxFuture<'_, ()> {
        self.0.platform.sleep(milliseconds).boxed_local()
    }

    fn call<'a>(
        &'a self,
        function: &'a str,
        arguments: &'a Value,
        limit: usize,
    ) -> LocalBoxFuture<'a, Result<Value, Error>> {
        call_own_large(function, arguments, limit, self.0).boxed_local()
    }

    fn seal<'a>(
        &'a self,
        secret: &'a str,
        binding: &'a Binding<'a>,
    ) -> LocalBoxFuture<'a, Result<Sealed, Error>> {
        sealing::seal(secret, binding, self.0).boxed_local()
    }

    fn rewrap<'a>(
        &'a self,
        sealed: &'a Sealed,
        binding: &'a Binding<'a>,
    ) -> LocalBoxFuture<'a, Result<Sealed, Error>> {
        sealing::rewrap(sealed, binding, self.0).boxed_local()
    }

    fn open<'a>(
        &'a self,
        sealed: &'a Sealed,
        binding: &'a Binding<'a>,
    ) -> LocalBoxFuture<'a, Result<String, Error>> {
        sealing::open(sealed, binding, self.0).boxed_local()
    }

    fn send(
        &self,
        request: Outgoing<()>,
        limit: usize,
    ) -> LocalBoxFuture<'_, Result<Response<()>, SendFault>> {
        send(request, limit, self.0).boxed_local()
    }

    fn open_stream(
        &self,
        request: Outgoing<()>,
        limit: usize,
        idle_ms: u32,
    ) -> LocalBoxFuture<'_, Result<(StatusCode, Headers, Pieces<'_>), SendFault>> {
        open_stream(request, limit, idle_ms, self.0).boxed_local()
    }
}

async fn open_stream<P: Platform>(
    request: Outgoing<()>,
    limit: usize,
    idle_ms: u32,
    edge: &Edge<P>,
) -> Result<(StatusCode, Headers, Pieces<'_>), SendFault> {
    let response = answer(request, edge).await?;
    let pieces = match response.body {
        Body::Stream(body) => edge.platform.pieces(body, limit, idle_ms).boxed_local(),
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
    let bytes = match response.body {
        Body::Bytes(bytes) => bytes,
        Body::Stream(stream) => {
            let read = edge.platform.read(stream, limit, deadline_ms).await;
            read.map_err(SendFault::Body)?
        }
        Body::Empty | Body::Upload { .. } => Vec::new(),
    };
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
