//! From a checked manifest to routes and jobs, with the code that they name.

use std::borrow::Cow;
use std::rc::Rc;

use http::{Method, StatusCode};

use super::checks::{is_read, size};
use super::{
    Answer, ArgumentOf, BodyOf, By, Caller, Endpoint, ErrorName, Fault, Identity, Manifest,
    OfCaller, RateLimit, ScheduledJob, SealOf, Verb,
};
use crate::endpoint::{
    self, Access, Action, Argument, Arguments, BodyKind, Call, Encoding, Export, Guard, Limit,
    LineBody, More, Pages, Route, Seal, SealedRow, Source,
};
use crate::hooks::Authenticate;
use crate::registry::{Handler, Job, System, Worker};

/// The systems of this repository that have Rust, each behind a cargo feature of its name.
const FEATURES: [&str; 5] = [
    "assistant",
    "clixen",
    "flashfusion",
    "growth",
    "observatory",
];

/// The routes of a manifest's endpoints, of which none is wrong, nor what the manifest says of its Rust.
pub(super) fn routes(manifest: Manifest, code: Option<&System>) -> Result<Vec<Route>, Fault> {
    let named = Named {
        system: &manifest.name,
        code,
    };
    for row in code.map_or(&[][..], |code| code.errors) {
        let lists = |error: &ErrorName| {
            error.code == row.code
                && error.name == row.name
                && error.status == Some(row.status.as_u16())
        };
        if !manifest.errors.iter().any(lists) {
            let (code, name, status) = (row.code, row.name, row.status.as_u16());
            let what =
                format!("{code} {name} {status}, which the system's Rust raises, is missing");
            return Err(Fault("errors".into(), what));
        }
    }
    for (at, one) in manifest.jobs.iter().enumerate() {
        job(one, &named).map_err(|what| Fault(format!("jobs[{at}].name"), what))?;
    }
    let mut routes = Vec::with_capacity(manifest.endpoints.len());
    for (at, endpoint) in manifest.endpoints.into_iter().enumerate() {
        let route = route(endpoint, &named, &manifest.request_headers);
        let place = |Fault(field, what)| Fault(format!("endpoints[{at}].{field}"), what);
        routes.push(route.map_err(place)?);
    }
    Ok(routes)
}

/// A job with its code.
pub(super) fn job(job: &ScheduledJob, named: &Named<'_>) -> Result<Job, String> {
    let by = match job.by {
        By::Database => Worker::Database,
        By::Edge => {
            let body = named.find("job", &job.name, |system| system.jobs)?;
            Worker::Edge(body, job.requires.clone())
        }
    };
    Ok(Job {
        cron: job.cron.clone(),
        name: job.name.clone(),
        by,
    })
}

/// The code of a manifest's system.
pub(super) struct Named<'a> {
    pub(super) system: &'a str,
    pub(super) code: Option<&'a System>,
}

impl Named<'_> {
    /// The code of this name in one of the system's tables.
    fn find<T: Copy + 'static>(
        &self,
        what: &str,
        name: &str,
        table: impl Fn(&System) -> &'static [(&'static str, T)],
    ) -> Result<T, String> {
        let Self { system, code } = self;
        let Some(code) = code else {
            return Err(if FEATURES.contains(system) {
                format!("{name} is Rust: compile the bundle with the cargo feature {system}")
            } else {
                format!("{name} is Rust, and the bundle has none for the system {system}")
            });
        };
        let mut listed = table(code).iter();
        let found = listed.find(|(known, _)| *known == name);
        found
            .map(|(_, value)| *value)
            .ok_or_else(|| format!("the system has no {what} of the name {name}"))
    }
}

pub(super) fn route(
    endpoint: Endpoint,
    named: &Named<'_>,
    headers: &[String],
) -> Result<Route, Fault> {
    let in_field = |field: &'static str| move |what| Fault(field.to_owned(), what);
    let method = method(endpoint.method);
    let handler = endpoint.handler.as_ref().map(|name| {
        let found = named.find("handler", name, |system| system.handlers);
        found.map_err(in_field("handler"))
    });
    let authenticate = endpoint.authenticate.as_ref().map(|name| {
        let found = named.find("check", name, |system| system.authenticate);
        found.map_err(in_field("authenticate"))
    });
    let authenticate: Option<Authenticate> = authenticate.transpose()?;
    let access = match endpoint.access {
        Caller::Public => Access::Public,
        Caller::Open => Access::Open,
        Caller::Key => Access::Keyed,
        Caller::User => Access::User,
        Caller::Service => Access::Service,
        Caller::Worker => Access::Worker,
        Caller::Token => Access::Token,
    };
    let guard = match endpoint.rate_limit {
        RateLimit::Open => Some(Guard::FailOpen),
        RateLimit::Closed => Some(Guard::FailClosed),
        RateLimit::None => None,
    };
    let limit = endpoint.body_limit.as_deref().and_then(size);
    let mut requires = endpoint.requires.clone();
    let fingerprint = endpoint
        .seal
        .as_ref()
        .and_then(|seal| seal.fingerprint.clone());
    requires.extend(fingerprint);
    let path = endpoint.path.clone();
    let error_shape = endpoint.error_shape;
    let action = action(endpoint, handler.transpose()?, named, headers)?;
    let mut route = Route::new(method, path, action);
    route.access = access;
    route.guard = guard;
    route.body_limit = limit;
    route.requires = requires;
    route.authenticate = authenticate;
    route.error_shape = error_shape;
    route.system = Some(named.system.to_owned());
    Ok(route)
}

pub(super) fn method(verb: Verb) -> Method {
    match verb {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
        Verb::Put => Method::PUT,
        Verb::Patch => Method::PATCH,
        Verb::Delete => Method::DELETE,
    }
}

fn action(
    endpoint: Endpoint,
    handler: Option<Handler>,
    named: &Named<'_>,
    headers: &[String],
) -> Result<Action, Fault> {
    let fault = |field: &str, what: &str| Fault(field.to_owned(), what.to_owned());
    match (handler, &endpoint.call, &endpoint.export) {
        (Some(Handler::Page(page)), None, None) => Ok(Action::Page(page)),
        (Some(Handler::Body(answer)), None, None) => Ok(Action::Body(answer)),
        (Some(Handler::Page(_) | Handler::Body(_)), _, _) => Err(fault(
            "handler",
            "it answers without the database: leave out call and export",
        )),
        (_, Some(_), _) => {
            call(endpoint, handler, named, headers).map(|call| Action::Call(Rc::new(call)))
        }
        (None, None, Some(_)) => Ok(Action::Export(Rc::new(export(endpoint)?))),
        _ => Err(fault(
            "call",
            "an endpoint needs a function to call, an export, or a handler",
        )),
    }
}

/// Schema and name of `schema.name`.
fn qualified(name: &str) -> (String, String) {
    let (schema, name) = name.split_once('.').unwrap_or_default();
    (schema.to_owned(), name.to_owned())
}

fn export(endpoint: Endpoint) -> Result<Export, Fault> {
    let export = endpoint.export;
    let export = export.ok_or_else(|| Fault("export".into(), "is missing".into()))?;
    let (schema, relation) = qualified(&export.relation);
    Ok(Export {
        schema: schema.into(),
        relation: relation.into(),
        columns: export.columns.into_iter().map(Cow::Owned).collect(),
        more: More {
            column: export.more.column.into(),
            names: export.more.names.into(),
        },
        file_name: export.file_name.into(),
    })
}

fn call(
    endpoint: Endpoint,
    handler: Option<Handler>,
    named: &Named<'_>,
    headers: &[String],
) -> Result<Call, Fault> {
    let (schema, function) = qualified(endpoint.call.as_deref().unwrap_or_default());
    let mut call = Call::new(schema, function);
    call.identity = match endpoint.identity {
        Identity::Caller => endpoint::Identity::Caller,
        Identity::Vouched => endpoint::Identity::Vouched,
        Identity::Edge => endpoint::Identity::Edge,
    };
    call.accepts = endpoint.accepts.unwrap_or_else(|| vec![Encoding::Json]);
    call.lines = line_body(endpoint.line_limit.as_deref().and_then(size), handler)?;
    call.idempotent = endpoint.idempotent;
    call.is_form = endpoint.form;
    call.turnstile = endpoint.turnstile.map(Cow::Owned);
    call.form_timestamp = endpoint.form_timestamp;
    call.device = endpoint.device;
    call.answer = match endpoint.answer {
        Answer::Ok => endpoint::Answer::Result(StatusCode::OK),
        Answer::Created => endpoint::Answer::Result(StatusCode::CREATED),
        Answer::Accepted => endpoint::Answer::Result(StatusCode::ACCEPTED),
        Answer::NoContent => endpoint::Answer::NoContent,
        Answer::Stream => endpoint::Answer::Streamed,
    };
    call.pages = endpoint.pages.map(|pages| Pages {
        content_type: pages.content_type,
        file_name: pages.file_name,
    });
    call.redirect = endpoint.redirect;
    call.cache_seconds = endpoint.cache;
    call.answer_step_ms = endpoint.answer_step_ms;
    call.limit = endpoint.limit.map(|limit| {
        let burst = limit.burst.unwrap_or(limit.per_minute);
        Limit {
            bucket: format!("{} {}", method(endpoint.method), endpoint.path),
            per_minute: limit.per_minute,
            burst,
            shared: limit.shared.unwrap_or(burst),
        }
    });
    call.after_call = match &endpoint.after_call {
        None => None,
        Some(name) => {
            let found = named.find("hook", name, |system| system.after_call);
            Some(found.map_err(|what| Fault("after_call".into(), what))?)
        }
    };
    call.stream = match &endpoint.stream {
        None => None,
        Some(name) => {
            let found = named.find("stream", name, |system| system.streams);
            Some(found.map_err(|what| Fault("stream".into(), what))?)
        }
    };
    call.seal = endpoint.seal.map(sealed);
    let listed = !endpoint.arguments.is_empty() || call.seal.is_some();
    let arguments = endpoint.arguments.into_iter();
    let arguments: Result<Vec<Argument>, Fault> = arguments
        .map(|(name, of)| {
            if let Some(header) = of.header.as_deref().filter(|name| !is_read(name, headers)) {
                let what = format!("{header} is not one of the manifest's request_headers");
                return Err(Fault(format!("arguments.{name}.header"), what));
            }
            Ok(argument(name, of))
        })
        .collect();
    call.arguments = Arguments::Listed(arguments?);
    if let Some(Handler::Call {
        arguments,
        answer,
        fallback,
    }) = handler
    {
        let fault = |field: &str, what: &str| Err(Fault(field.to_owned(), what.to_owned()));
        if let Some(code) = arguments {
            if listed {
                return fault("arguments", "the handler makes the arguments");
            }
            call.arguments = Arguments::Code(code);
        }
        if call.stream.is_some() && (answer.is_some() || fallback.is_some()) {
            return fault("stream", "the handler makes the answer");
        }
        if let Some(code) = answer {
            if !matches!(call.answer, endpoint::Answer::Result(StatusCode::OK))
                || call.redirect.is_some()
            {
                return fault(
                    "answer",
                    "the handler makes the answer: leave out answer and redirect",
                );
            }
            call.answer = endpoint::Answer::Code(code);
        }
        call.fallback = fallback;
    }
    Ok(call)
}

fn sealed(seal: SealOf) -> Seal {
    let row = seal.row.map(SealedRow::Argument);
    let new_row = || SealedRow::New(seal.new_row.unwrap_or_default());
    Seal {
        field: seal.field,
        kind: seal.kind,
        column: seal.column,
        row: row.unwrap_or_else(new_row),
        owner: seal.owner,
        min_bytes: seal.min_bytes,
        max_bytes: seal.max_bytes,
        fingerprint: seal.fingerprint,
        hint: seal.hint,
    }
}

/// How the lines of a body are read; none for an endpoint that reads its body whole.
fn line_body(
    line_limit: Option<usize>,
    handler: Option<Handler>,
) -> Result<Option<LineBody>, Fault> {
    let translate = match handler {
        Some(Handler::Lines(translate)) => Some(translate),
        _ => None,
    };
    let fault = |what: &str| Err(Fault("handler".into(), what.into()));
    match line_limit {
        None if translate.is_some() => fault("it translates lines, and needs line_limit"),
        Some(_) if handler.is_some() && translate.is_none() => {
            fault("it does not translate lines: leave out line_limit")
        }
        _ => Ok(line_limit.map(|line_limit| LineBody {
            line_limit,
            translate,
        })),
    }
}

fn argument(name: String, of: ArgumentOf) -> Argument {
    let email_fields = of.email_fields;
    let sources = [
        of.path.map(Source::Path),
        of.field.map(Source::Field),
        of.query.map(Source::Query),
        of.header.map(Source::Header),
        of.caller.map(|OfCaller::User| Source::User),
        of.body.map(|kind| {
            Source::Body(match kind {
                BodyOf::Value => BodyKind::Value { email_fields },
                BodyOf::Object => BodyKind::Object { email_fields },
                BodyOf::Batch => BodyKind::Batch,
                BodyOf::Lines => BodyKind::Lines,
            })
        }),
        of.batch.map(Source::Batch),
    ];
    Argument {
        name,
        sources: sources.into_iter().flatten().collect(),
        kind: of.kind.unwrap_or_default(),
        default: of.default,
        required: of.required,
    }
}
