//! Bodies of lines: what is known before the body is read, and the call for each batch of its lines.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::work::{Relay, Sharer, Work, sharer};
use super::{arguments, call};
use crate::body::{Flow, flow};
use crate::endpoint::{Arguments, Call, Incoming, LineBody};
use crate::error::Error;
use crate::formats::is_lines;
use crate::formats::lines::Batch;
use crate::isolate::Edge;
use crate::message::Request;
use crate::runtime::Platform;
use crate::verify::Caller;

/// A body of lines, and what each call about it needs.
pub(crate) struct Lines<B> {
    pub call: Rc<Call>,
    pub incoming: Box<Incoming>,
    /// The body; none if it is empty.
    pub body: Option<Flow<B>>,
    /// The most bytes of a line.
    pub line_limit: usize,
    /// The request without its body.
    request: Request<B>,
    caller: Caller,
}

/// Checks everything but the body itself, which is still on its way.
pub(super) fn prepare<B>(
    (call, body): (&Rc<Call>, &LineBody),
    caller: &Caller,
    incoming: Incoming,
    mut request: Request<B>,
    limit: usize,
) -> Result<Work<B>, Error> {
    let kind = incoming.media_type();
    // A file without a type is what `curl --upload-file` sends.
    if !is_lines(&kind) && !["", "text/plain"].contains(&kind.as_str()) {
        return Err(Error::UnsupportedMediaType {
            accepted: "application/x-ndjson, application/jsonl, text/plain".into(),
        });
    }
    let flow = flow(&mut request, limit)?;
    let lines = Lines {
        call: call.clone(),
        incoming: Box::new(incoming),
        body: flow,
        line_limit: body.line_limit,
        request,
        caller: caller.clone(),
    };
    // A bad argument is refused before the body is read.
    lines.listed(&Batch::default())?;
    Ok(Work::Lines(Box::new(lines)))
}

impl<B> Lines<B> {
    /// The call for a batch.
    ///
    /// # Errors
    /// Those of the translation.
    pub(crate) fn relay<P: Platform<Body = B>>(
        &self,
        batch: &Batch<'_>,
        edge: &Edge<P>,
    ) -> Result<Relay<B>, Error> {
        let mut arguments = self.listed(batch)?;
        let translate = self.call.lines.as_ref().and_then(|lines| lines.translate);
        if let Some(translate) = translate {
            let broken = |_| Error::Internal("the arguments of a batch are not an object");
            let mut all: Map<String, Value> = serde_json::from_str(&arguments).map_err(broken)?;
            // Not `extend`, which would double what is new here in the bundle.
            for (name, value) in translate(batch, &self.incoming, &edge.config)? {
                all.insert(name, value);
            }
            arguments = Value::Object(all).to_string();
        }
        let parts = (&*self.incoming, &self.request, &self.caller);
        call::relay(&self.call, parts, arguments, false, edge)
    }

    fn listed(&self, batch: &Batch<'_>) -> Result<String, Error> {
        match &self.call.arguments {
            Arguments::Listed(listed) => {
                arguments::of(&self.call, listed, &self.incoming, Some(batch))
            }
            Arguments::Code(_) => Err(Error::Internal("a body of lines has listed arguments")),
        }
    }

    /// Whose share of bodies it uses.
    pub(crate) fn sharer(&self) -> Option<Sharer> {
        sharer(&self.caller, self.request.address)
    }
}

#[cfg(test)]
mod tests {
    use crate::headers::Headers;
    use http::Method;
    use serde_json::json;

    use super::*;
    use crate::config::Config;
    use crate::endpoint::{Access, Argument, Kind, Position, Source};
    use crate::fuzzing::native;
    use crate::message::Body;
    use crate::verify;

    fn translate(
        batch: &Batch<'_>,
        incoming: &Incoming,
        _: &Config,
    ) -> Result<Map<String, Value>, Error> {
        if batch.lines.is_empty() {
            return Err(Error::BadName);
        }
        let lines: Vec<String> = (batch.lines.iter().flatten())
            .map(|line| String::from_utf8_lossy(line).to_uppercase())
            .collect();
        let made = json!({"made": lines, "note": incoming.parameter("note")});
        Ok(made.as_object().cloned().unwrap())
    }

    #[test]
    fn code_translates_a_batch_beside_the_listed_arguments() {
        let edge = native::edge();
        let listed = |name: &str, source| Argument {
            name: name.into(),
            sources: vec![source],
            kind: Kind::Text,
            default: None,
            required: false,
        };
        let mut call = Call::new("any", "function");
        call.arguments = Arguments::Listed(vec![
            listed("file", Source::Query("file".into())),
            listed("start", Source::Batch(Position::Start)),
        ]);
        call.lines = Some(LineBody {
            line_limit: 100,
            translate: Some(translate),
        });
        let call = Rc::new(call);
        let mut headers = Headers::new();
        headers.insert("content-type", "application/jsonl".parse().unwrap());
        let request = Request {
            id: "test".into(),
            method: Method::POST,
            path: "/v1/any".into(),
            query: "file=a&note=b".into(),
            headers: headers.clone(),
            body: Some(Vec::new()),
            read: None,
            held: None,
            address: None,
        };
        let incoming = Incoming {
            headers,
            query: request.query.clone(),
            ..Incoming::default()
        };
        let caller = pollster::block_on(verify::caller(Access::Open, &request, &edge)).unwrap();
        let body = call.lines.as_ref().unwrap();
        let work = prepare((&call, body), &caller, incoming, request, 1000).unwrap();
        let Work::Lines(lines) = work else {
            panic!("it is no body of lines");
        };
        let batch = Batch {
            lines: vec![Some(b"one"), None, Some(b"two")],
            offsets: &[5, 9, 13],
            start: 5,
            ..Batch::default()
        };
        let relay = lines.relay(&batch, &edge).unwrap();
        let Body::Bytes(sent) = relay.outgoing.body else {
            panic!("it has no body");
        };
        let sent: Value = serde_json::from_slice(&sent).unwrap();
        assert_eq!(
            sent,
            json!({"file": "a", "start": 5, "made": ["ONE", "TWO"], "note": "b"})
        );
        let refused = lines.relay(&Batch::default(), &edge).err();
        assert_eq!(refused, Some(Error::BadName));
    }
}
