//! What the systems serve, as data, and the code that they hand in. No stage knows a system.

use std::borrow::Cow;
use std::cell::OnceCell;

use http::Method;
use matchit::Router;
use percent_encoding::percent_decode_str;

use crate::config::Variable;
use crate::endpoint::{
    Fallback, MakeAnswer, MakeArguments, MakeBatch, MakePage, Route, Segments, StreamHook,
};
use crate::error::{Error, Row};
use crate::hooks::{AfterCall, Authenticate, JobBody};

/// What the core and the systems serve.
#[derive(Default)]
pub struct Registry {
    /// Schemas of the systems, which the data API serves. The first one is the default.
    pub schemas: Vec<String>,
    /// The variables of the systems.
    pub variables: Vec<Variable>,
    /// The variables without which some endpoint or job does not work, by system.
    pub needs: Vec<String>,
    /// The request headers that endpoints of the systems read beside the core's.
    pub request_headers: Vec<String>,
    /// The systems' error codes, their names and `OpenAI`'s codes for them, which may be empty: a line for each, with tabs between.
    pub error_names: String,
    /// The endpoints.
    pub routes: Routes,
    /// The scheduled jobs.
    pub jobs: Vec<Job>,
}

impl Registry {
    /// The name of an error code of a system.
    #[must_use]
    pub fn error_name(&self, code: &str) -> Option<&str> {
        self.error_fields(code)?.next()
    }

    /// The code that `OpenAI`'s API has for an error of a system.
    #[must_use]
    pub fn openai_code(&self, code: &str) -> Option<&str> {
        self.error_fields(code)?
            .nth(1)
            .filter(|own| !own.is_empty())
    }

    /// What is known of an error code of a system.
    fn error_fields(&self, code: &str) -> Option<std::str::Split<'_, char>> {
        let mut rows = self.error_names.lines();
        let fields = rows.find_map(|row| row.strip_prefix(code)?.strip_prefix('\t'))?;
        Some(fields.split('\t'))
    }
}

/// Routes by method and path. Where several patterns match a path, a fixed segment wins over a variable one.
#[derive(Default)]
pub struct Routes {
    list: Vec<Served>,
    /// Their methods, in the order in which they come first.
    methods: Vec<Method>,
    /// By the first segments of their paths.
    groups: Vec<(String, Group)>,
}

/// The routes whose paths have the same first segment. Their routers are made when a request first asks for one of them: those of all
/// routes would take a tenth of an isolate's start.
#[derive(Default)]
struct Group {
    /// Their indices in the list.
    members: Vec<usize>,
    routers: OnceCell<Routers>,
}

/// The index of each route in a list, by method and path. A router for each method: a path that one method serves may match
/// another pattern of another method.
type Routers = Vec<(Method, Router<usize>)>;

/// A route, which may be read when a request first asks for it.
pub struct Served {
    method: Method,
    pattern: Cow<'static, str>,
    route: OnceCell<Route>,
    read: Option<ReadRoute>,
}

/// Reads a route.
type ReadRoute = Box<dyn Fn() -> Result<Route, Error>>;

impl Served {
    /// A route that is read when a request first asks for it.
    #[must_use]
    pub fn unread(method: Method, pattern: String, read: ReadRoute) -> Self {
        Self {
            method,
            pattern: pattern.into(),
            route: OnceCell::new(),
            read: Some(read),
        }
    }

    /// The route.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn route(&self) -> Result<&Route, Error> {
        if let Some(route) = self.route.get() {
            return Ok(route);
        }
        let read = self.read.as_ref();
        let read = read.ok_or(Error::Internal("nothing reads a route"))?;
        let route = read()?;
        Ok(self.route.get_or_init(|| route))
    }
}

impl From<Route> for Served {
    fn from(route: Route) -> Self {
        Self {
            method: route.method.clone(),
            pattern: route.pattern.clone(),
            route: route.into(),
            read: None,
        }
    }
}

/// A route that cannot be served.
#[derive(Debug, PartialEq, Eq)]
pub struct BadRoute {
    /// Its index in the list.
    pub index: usize,
    /// Why it cannot be served.
    pub why: String,
}

/// The routers of routes with these methods and patterns.
///
/// # Errors
/// [`BadRoute`] for a pattern that is malformed or matches the same paths as an earlier one of its method.
pub(crate) fn routers<'a>(
    patterns: impl Iterator<Item = (&'a Method, &'a str)>,
) -> Result<Routers, BadRoute> {
    let mut by_method: Routers = Vec::new();
    for (index, (method, pattern)) in patterns.enumerate() {
        if !by_method.iter().any(|(own, _)| own == method) {
            by_method.push((method.clone(), Router::new()));
        }
        let mut routers = by_method.iter_mut();
        let router = routers.find(|(own, _)| own == method);
        let inserted = router.map(|(_, router)| router.insert(pattern, index));
        inserted.transpose().map_err(|error| BadRoute {
            index,
            why: error.to_string(),
        })?;
    }
    Ok(by_method)
}

impl Routes {
    /// Routes with these patterns, for which there are [`routers`].
    #[must_use]
    pub fn new(list: Vec<impl Into<Served>>) -> Self {
        let list: Vec<Served> = list.into_iter().map(Into::into).collect();
        let mut methods: Vec<Method> = Vec::new();
        let mut groups: Vec<(String, Group)> = Vec::new();
        for (index, one) in list.iter().enumerate() {
            if !methods.contains(&one.method) {
                methods.push(one.method.clone());
            }
            let first = group_of(&one.pattern);
            let known = groups.iter_mut().find(|(own, _)| own == first);
            if let Some((_, group)) = known {
                group.members.push(index);
            } else {
                let group = Group {
                    members: vec![index],
                    ..Group::default()
                };
                groups.push((first.to_owned(), group));
            }
        }
        Self {
            list,
            methods,
            groups,
        }
    }

    /// The routes that can be read, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.list.iter().filter_map(|one| one.route().ok())
    }

    /// The methods of the routes.
    pub fn methods(&self) -> impl Iterator<Item = &Method> {
        self.methods.iter()
    }

    /// The route of a method and a path. A segment that is not UTF-8 matches nothing.
    #[must_use]
    pub fn find(&self, method: &Method, path: &str) -> Option<(&Served, Segments)> {
        let groups = [group_of(path), VARIABLE];
        let mut found = groups
            .iter()
            .filter_map(|group| self.find_in(group, method, path));
        found.next()
    }

    fn find_in(&self, group: &str, method: &Method, path: &str) -> Option<(&Served, Segments)> {
        let (_, group) = self.groups.iter().find(|(own, _)| own == group)?;
        let members = || group.members.iter().filter_map(|at| self.list.get(*at));
        let made = || routers(members().map(|one| (&one.method, &*one.pattern)));
        let routers = group.routers.get_or_init(|| made().unwrap_or_default());
        let (_, router) = routers.iter().find(|(own, _)| own == method)?;
        let found = router.at(path).ok()?;
        let segments = found.params.iter().map(|(name, text)| {
            let text = percent_decode_str(text).decode_utf8().ok()?;
            Some((name, text))
        });
        Some((
            self.list.get(*group.members.get(*found.value)?)?,
            segments.collect::<Option<_>>()?,
        ))
    }
}

/// The group of the routes whose first segment is a variable one.
const VARIABLE: &str = "{";

/// The group of a path or a pattern: its first segment.
fn group_of(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or_default();
    if path.starts_with(VARIABLE) {
        return VARIABLE;
    }
    path.split_once('/').map_or(path, |(first, _)| first)
}

/// A scheduled job.
pub struct Job {
    /// The cron that runs it, one of `wrangler.toml`.
    pub cron: String,
    /// Its name in the log and in `private.job_runs`.
    pub name: String,
    /// Who does the work.
    pub by: Worker,
}

/// Who does the work of a job.
#[derive(Clone)]
pub enum Worker {
    /// A function of the database, which `edge.run_job` knows by the job's name.
    Database,
    /// The edge, if these variables are set.
    Edge(JobBody, Vec<String>),
}

/// The code that a system hands in. Its manifest refers to each piece by name.
pub struct System {
    /// Its name, which is that of its manifest and of its cargo feature.
    pub name: &'static str,
    /// The errors that its code raises. The manifest lists them, too.
    pub errors: &'static [&'static Row],
    /// Code of endpoints.
    pub handlers: &'static [(&'static str, Handler)],
    /// Checks of who sent a request; they run in verify.
    pub authenticate: &'static [(&'static str, Authenticate)],
    /// What continues with a function's result.
    pub after_call: &'static [(&'static str, AfterCall)],
    /// What answers with a stream.
    pub streams: &'static [(&'static str, StreamHook)],
    /// What jobs of the edge do.
    pub jobs: &'static [(&'static str, JobBody)],
}

/// Code of an endpoint.
#[derive(Clone, Copy)]
pub enum Handler {
    /// Answers without the database.
    Page(MakePage),
    /// Answers without the database, from the body.
    Body(MakePage),
    /// Translates to and from the database function that the manifest names. What is none is as the manifest says.
    Call {
        /// From the request to the arguments.
        arguments: Option<MakeArguments>,
        /// From the outcome to the answer.
        answer: Option<MakeAnswer>,
        /// The answer while the database cannot be reached.
        fallback: Option<Fallback>,
    },
    /// Reads the body as it arrives, and translates each batch of its lines into arguments of the function that the
    /// manifest names.
    Lines(MakeBatch),
}
