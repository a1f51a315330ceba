//! What the systems serve, as data. The entry hands it in; no stage knows a system.

use std::borrow::Cow;

use http::Method;
use matchit::Router;
use percent_encoding::percent_decode_str;

use crate::endpoint::{Route, Segments};

/// What the systems serve.
#[derive(Default)]
pub struct Registry {
    /// Schemas that the data API serves: PostgREST's `db-schemas` without the edge's own. The first one is the default.
    pub schemas: Vec<Cow<'static, str>>,
    /// The endpoints.
    pub routes: Routes,
    /// The scheduled jobs.
    pub jobs: Vec<Job>,
}

/// Routes by method and path. Where several patterns match a path, a fixed segment wins over a variable one.
#[derive(Default)]
pub struct Routes {
    list: Vec<Route>,
    /// The index of each route in `list`, by method and path. A router for each method: a path that one method serves
    /// may match another pattern of another method.
    by_method: Vec<(Method, Router<usize>)>,
}

/// A route that cannot be served.
#[derive(Debug, PartialEq, Eq)]
pub struct BadRoute {
    /// Its index in the list.
    pub index: usize,
    /// Why it cannot be served.
    pub why: String,
}

impl Routes {
    /// Routes with these patterns.
    ///
    /// # Errors
    /// [`BadRoute`] for a pattern that is malformed or matches the same paths as an earlier one of its method.
    pub fn new(list: Vec<Route>) -> Result<Self, BadRoute> {
        let mut by_method: Vec<(Method, Router<usize>)> = Vec::new();
        for (index, route) in list.iter().enumerate() {
            if !by_method.iter().any(|(method, _)| *method == route.method) {
                by_method.push((route.method.clone(), Router::new()));
            }
            let mut routers = by_method.iter_mut();
            let router = routers.find(|(method, _)| *method == route.method);
            let inserted = router.map(|(_, router)| router.insert(&*route.pattern, index));
            inserted.transpose().map_err(|error| BadRoute {
                index,
                why: error.to_string(),
            })?;
        }
        Ok(Self { list, by_method })
    }

    /// The routes, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.list.iter()
    }

    /// The methods of the routes.
    pub fn methods(&self) -> impl Iterator<Item = &Method> {
        self.by_method.iter().map(|(method, _)| method)
    }

    /// The route of a method and a path. A segment that is not UTF-8 matches nothing.
    #[must_use]
    pub fn find(&self, method: &Method, path: &str) -> Option<(&Route, Segments)> {
        let (_, router) = self.by_method.iter().find(|(own, _)| own == method)?;
        let found = router.at(path).ok()?;
        let segments = found.params.iter().map(|(name, text)| {
            let text = percent_decode_str(text).decode_utf8().ok()?;
            Some((name, text))
        });
        Some((
            self.list.get(*found.value)?,
            segments.collect::<Option<_>>()?,
        ))
    }
}

/// A scheduled job.
pub struct Job {
    /// The cron that runs it, one of `wrangler.toml`.
    pub cron: Cow<'static, str>,
    /// Its name in the log and in `private.job_runs`.
    pub name: Cow<'static, str>,
    /// Who does the work.
    pub by: Worker,
}

/// Who does the work of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worker {
    /// A function of the database, which `edge.run_job` knows by the job's name.
    Database,
    /// The edge, by the hook of the job's name; see [`crate::hooks`].
    Edge,
}

impl Job {
    /// A job of the database.
    pub fn database(
        cron: impl Into<Cow<'static, str>>,
        name: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            cron: cron.into(),
            name: name.into(),
            by: Worker::Database,
        }
    }

    /// A job of the edge.
    pub fn edge(cron: impl Into<Cow<'static, str>>, name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            by: Worker::Edge,
            ..Self::database(cron, name)
        }
    }
}
