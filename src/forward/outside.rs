//! What the platform and the database do for the hooks of systems.

use futures_util::future::{FutureExt as _, LocalBoxFuture};
use serde_json::Value;

use super::call_own_large;
use crate::error::Error;
use crate::hooks::Outside;
use crate::isolate::Edge;
use crate::message::{Body, Outgoing, ReadFault, Response, SendFault};
use crate::runtime::Platform;

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

    fn send(
        &self,
        request: Outgoing<()>,
        limit: usize,
    ) -> LocalBoxFuture<'_, Result<Response<()>, SendFault>> {
        send(request, limit, self.0).boxed_local()
    }
}

async fn send<P: Platform>(
    request: Outgoing<()>,
    limit: usize,
    edge: &Edge<P>,
) -> Result<Response<()>, SendFault> {
    let deadline_ms = request.deadline_ms;
    let request = Outgoing {
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: match request.body {
            Body::Bytes(bytes) => Body::Bytes(bytes),
            _ => Body::Empty,
        },
        deadline_ms,
    };
    let response = edge.platform.send(&request, &|| ()).await?;
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
