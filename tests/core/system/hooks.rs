//! The Rust of the core's own tests: a hook that passes on what a stand-in of a service streams, and tells the database how it
//! ended. Only the cargo feature `test-hooks` compiles it.

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use http::Method;
use serde_json::{Value, json};

use crate::endpoint::StreamCall;
use crate::error::Error;
use crate::headers::Headers;
use crate::hooks::ServiceRequest;
use crate::message::{ReadFault, SendFault, json as answer};
use crate::registry::System;

catalogue! {
    REFUSED CONFLICT "ST001" "stream_refused" "The hook refuses" "Ask for something else."
}

/// The system.
pub const SYSTEM: System = System {
    name: "streams",
    errors: ROWS,
    handlers: &[],
    authenticate: &[],
    after_call: &[],
    streams: &[("pass_on", |call| Box::pin(pass_on(call)))],
    jobs: &[],
};

/// What the request's function has returned.
struct Options(Value);

impl Options {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn number(&self, name: &str, otherwise: u32) -> u32 {
        let number = self.0.get(name).and_then(Value::as_u64);
        number
            .and_then(|number| number.try_into().ok())
            .unwrap_or(otherwise)
    }
}

async fn pass_on(call: StreamCall<'_>) -> Result<(), Error> {
    let StreamCall {
        result,
        incoming,
        services,
        out,
    } = call;
    let options = Options(result);
    if let Some(Value::Array(signs)) = options.0.get("watch") {
        let signs = signs.iter().filter_map(Value::as_str);
        out.watch(&signs.map(str::to_owned).collect::<Vec<_>>());
    }
    match options.text("instead") {
        "refuse" => return Err(Error::with(&REFUSED, "as it was told")),
        "answer" => {
            out.answer(answer(
                http::StatusCode::ACCEPTED,
                &json!({"body": incoming.body.len()}),
            ));
            return Ok(());
        }
        "nothing" => return Ok(()),
        _ => {}
    }
    let request = ServiceRequest {
        variable: "STREAM_URL",
        method: Method::POST,
        path: options.text("id"),
        headers: Headers::new(),
        body: Vec::new(),
        deadline_ms: options.number("head_ms", 60_000),
        max_answer_bytes: usize::MAX,
    };
    let opened = services.open_stream(request, options.number("idle_ms", 60_000));
    let mut written = 0;
    let mut read = 0;
    let mut gone_ms = None;
    let end = match opened.await {
        Err(SendFault::Timeout) => "late",
        Err(_) => "unreachable",
        Ok((status, headers, mut pieces)) => {
            let mut head = Headers::new();
            if let Some(kind) = headers.get("content-type") {
                head.insert("content-type", kind.clone());
            }
            out.begin(status, head);
            loop {
                if out.is_gone() && gone_ms.is_none() {
                    gone_ms = Some(services.now_ms());
                }
                let next = match gone_ms {
                    None => match select(pieces.next(), out.gone()).await {
                        Either::Left((next, _)) => next,
                        Either::Right(_) => continue,
                    },
                    Some(gone_ms) => {
                        let spent_ms = services.now_ms().saturating_sub(gone_ms);
                        let drain_ms = u64::from(options.number("drain_ms", 0));
                        let Ok(left_ms) = u32::try_from(drain_ms.saturating_sub(spent_ms)) else {
                            break "dropped";
                        };
                        let late = Box::pin(services.sleep(left_ms));
                        match select(pieces.next(), late).await {
                            Either::Left((next, _)) => next,
                            Either::Right(_) => break "dropped",
                        }
                    }
                };
                match next {
                    None => break "whole",
                    Some(Err(ReadFault::Slow)) => break "slow",
                    Some(Err(_)) => break "broken",
                    Some(Ok(piece)) => {
                        read += piece.len();
                        let length = piece.len();
                        if gone_ms.is_none() && out.write(piece).await {
                            written += length;
                        }
                    }
                }
                if options.text("instead") == "break" {
                    return Err(Error::Internal("as it was told"));
                }
            }
        }
    };
    let outcome = json!({"end": end, "read": read, "written": written, "why_gone": out.why_gone()});
    let ended = json!({"id": options.text("id"), "outcome": outcome});
    services.call("test_stream_ended", &ended).await?;
    match end {
        "late" => Err(Error::UpstreamTimeout),
        "unreachable" => Err(Error::UpstreamUnavailable),
        _ => Ok(()),
    }
}
