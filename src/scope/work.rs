//! The work that scope allows and forward does.

use std::net::IpAddr;
use std::rc::Rc;

use super::cached::Rule;
use super::changes::Listener;
use super::export::Pages;
use super::lines::Lines;
use super::pages::Paged;
use super::service::Handed;
use crate::endpoint::{Call, Document, Incoming};
use crate::error::Error;
use crate::id::subscriber_name;
use crate::message::{Outgoing, Response};
use crate::verify::Caller;

/// Work that is allowed. Only [`super::narrow`] makes it.
pub struct Scoped<B> {
    pub(super) work: Work<B>,
    pub(super) writer: Option<String>,
}

impl<B> Scoped<B> {
    /// The work for `forward`, and the user who writes by it, if that has to be remembered.
    pub(crate) fn into_parts(self) -> (Work<B>, Option<String>) {
        (self.work, self.writer)
    }
}

/// The kinds of work that `forward` does.
pub(crate) enum Work<B> {
    /// Nothing upstream: the edge has the answer.
    Local(Response<()>),
    /// Forward the request, relay the answer.
    Relay {
        relay: Relay<B>,
        /// How to cache the answer.
        cache: Option<Rule>,
    },
    /// Call one function, translate the answer.
    Call {
        call: Rc<Call>,
        incoming: Box<Incoming>,
        relay: Relay<B>,
        /// How to cache the result.
        cache: Option<Rule>,
    },
    /// Read a body of lines, and call one function for each batch of them.
    Lines(Box<Lines<B>>),
    /// Call one function for each page of the answer.
    Paged(Box<Paged<B>>),
    /// Answer a call that is refused before it is sent.
    Refused {
        call: Rc<Call>,
        incoming: Box<Incoming>,
        error: Error,
    },
    /// Export a relation page by page.
    Export(Box<Pages<B>>),
    /// Hand a request on to a service behind the edge, and its answer back.
    Service(Box<Handed<B>>),
    /// Answer with a text that the build has made, and with what a function adds for the caller.
    Document {
        document: &'static Document,
        more: Option<Relay<B>>,
    },
    /// Tell a listener of changed rows.
    Changes(Box<Listener>),
    /// Check whether each service answers.
    Ready {
        database: Outgoing<B>,
        replica: Option<Outgoing<B>>,
    },
}

/// The caller whose share of PostgREST's connections a request uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sharer {
    /// A user, or a worker without a user (a server's API token), by id.
    Named(String),
    /// An anonymous caller, by address; also uses the share of all anonymous callers.
    Anonymous(String),
}

/// A request to PostgREST, and how to treat its answer.
pub(crate) struct Relay<B> {
    pub outgoing: Outgoing<B>,
    /// The primary's address of the same resource, if `outgoing` goes to a replica.
    pub primary: Option<String>,
    /// The limit that the edge added to the query, which the answer must not mention.
    pub added_limit: Option<u64>,
    /// The number of question marks in the relation's name, and its encoded path, if PostgREST writes the name
    /// differently into headers.
    pub name: Option<(usize, String)>,
    /// The most bytes of the answer's body.
    pub answer_bytes: Option<usize>,
    /// An address of PostgREST, if it has to be asked whether it applies the limit of a write.
    pub limits_write: Option<String>,
    /// Errors come without hint and details: nobody is signed in, or the edge calls in its own name.
    pub anonymous: bool,
    /// The caller's API token may only read: the database's transaction is read-only.
    pub reads_only: bool,
    /// Whether the request counts as waiting, and is refused at the limit.
    pub counts_toward_limit: bool,
    /// Whose share it uses; none for the edge's own calls.
    pub sharer: Option<Sharer>,
    /// The request's id for the log, if `outgoing` does not have it.
    pub request_id: Option<String>,
}

impl<B> Relay<B> {
    /// A request whose answer needs no special treatment. Its errors come without hint and details: each caller that
    /// may see them is named where the request is made.
    pub(crate) fn plain(outgoing: Outgoing<B>) -> Self {
        Self {
            outgoing,
            primary: None,
            added_limit: None,
            name: None,
            answer_bytes: None,
            limits_write: None,
            anonymous: true,
            reads_only: false,
            counts_toward_limit: true,
            sharer: None,
            request_id: None,
        }
    }

    /// A copy, if there is no stream that the first one would use up.
    pub(crate) fn again(&self) -> Option<Self> {
        Some(Self {
            outgoing: self.outgoing.again()?,
            primary: self.primary.clone(),
            name: self.name.clone(),
            limits_write: self.limits_write.clone(),
            sharer: self.sharer.clone(),
            request_id: self.request_id.clone(),
            ..*self
        })
    }
}

impl Sharer {
    fn of_address(address: Option<IpAddr>) -> Self {
        Self::Anonymous(subscriber_name(address))
    }

    /// Its name: an id or an address.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Named(name) | Self::Anonymous(name) => name,
        }
    }
}

/// Whose share of PostgREST's connections a request uses; none for a server with `service_role`.
pub(super) fn sharer(caller: &Caller, address: Option<IpAddr>) -> Option<Sharer> {
    let Some(name) = caller.name() else {
        return Some(Sharer::of_address(address));
    };
    let is_server = !caller.is_user() && caller.api_token().is_none();
    (!is_server).then(|| Sharer::Named(name.into_owned()))
}

/// The same for a request whose caller may not have been established.
pub(crate) fn sharer_of_refusal(
    caller: Option<&Caller>,
    address: Option<IpAddr>,
) -> Option<Sharer> {
    match caller {
        Some(caller) => sharer(caller, address),
        None => Some(Sharer::of_address(address)),
    }
}
