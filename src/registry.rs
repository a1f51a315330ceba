//! What the systems serve, as data. The entry hands it in; no stage knows a system.

use std::borrow::Cow;

use crate::endpoint::Route;

/// What the systems serve.
#[derive(Default)]
pub struct Registry {
    /// Schemas that the data API serves: PostgREST's `db-schemas` without the edge's own. The first one is the default.
    pub schemas: Vec<Cow<'static, str>>,
    /// The endpoints. A fixed path precedes a pattern that would match it.
    pub routes: Vec<Route>,
    /// The scheduled jobs.
    pub jobs: Vec<Job>,
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
