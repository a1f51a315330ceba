//! Scheduled jobs. A system lists its jobs by cron; a job is one function of the database, or code of the edge, and
//! every run leaves a row in `private.job_runs`.

use serde_json::{Value, json};

use crate::error::Error;
use crate::forward;
use crate::forward::outside;
use crate::hooks::{JobBody, Services};
use crate::isolate::Edge;
use crate::registry::{Job, Worker};
use crate::runtime::Platform;

/// The most runs of a job at a time. Each run does a part of the pending work.
const MAX_RUNS: usize = 50;

/// The jobs of the core.
#[must_use]
pub fn own() -> Vec<Job> {
    let job = |cron: &str, name: &str| Job {
        cron: cron.into(),
        name: name.into(),
        by: Worker::Database,
    };
    vec![
        job("*/5 * * * *", "analyze_tables"),
        job("17 3 * * *", "clean_api_tokens"),
        job("7 * * * *", "clean_audit"),
        job("*/5 * * * *", "clean_changes"),
        job("7 * * * *", "clean_core"),
        job("*/5 * * * *", "release_reservations"),
    ]
}

/// Runs the jobs of a cron. A failure is logged, and the next cron tries again.
pub async fn run_scheduled<P: Platform>(cron: &str, edge: &Edge<P>) {
    let mut is_known = false;
    for job in edge.registry.jobs.iter().filter(|job| job.cron == cron) {
        is_known = true;
        match &job.by {
            Worker::Database => run_job(&job.name, edge).await,
            Worker::Edge(body, requires) if edge.config.require(requires).is_ok() => {
                run_own_job(&job.name, *body, edge).await;
            }
            Worker::Edge(..) => {}
        }
    }
    if !is_known {
        let line = json!({"event": "unknown_cron", "cron": cron});
        edge.platform.log(&line.to_string());
    }
}

/// Runs a job of the edge, and has the database record the run.
async fn run_own_job<P: Platform>(job: &str, body: JobBody, edge: &Edge<P>) {
    let start_ms = edge.platform.now_ms();
    let outside = outside::For { edge, sharer: None };
    let outcome = body(Services::new(&outside, &edge.config)).await;
    if let Some(cause) = outcome.as_ref().err().and_then(Error::internal_cause) {
        edge.log_internal_error(None, cause);
    }
    let error = outcome.as_ref().err().map(|error| error.body().code);
    let done = outcome.unwrap_or_default();
    let counts = done.as_object().into_iter().flatten();
    let rows: u64 = counts.filter_map(|(_, count)| count.as_u64()).sum();
    let line = json!({"event": "job", "job": job, "rows": rows, "error": error});
    edge.platform.log(&line.to_string());
    let took_ms = edge.platform.now_ms().saturating_sub(start_ms);
    let note = json!({"job": job, "took_ms": took_ms, "rows": rows, "error": error});
    if forward::call_own("note_job", &note, edge).await.is_err() {
        edge.platform
            .log(&json!({"event": "job_not_noted", "job": job}).to_string());
    }
}

async fn run_job<P: Platform>(job: &str, edge: &Edge<P>) {
    for _ in 0..MAX_RUNS {
        let arguments = json!({ "job": job });
        let outcome = forward::call_own("run_job", &arguments, edge).await;
        let (line, more) = match outcome {
            Ok(result) => {
                let field = |name: &str| result.get(name).cloned().unwrap_or_default();
                let line = json!({"event": "job", "job": job, "rows": field("rows"), "error": field("error"), "skipped": field("skipped")});
                (line, field("more") == Value::Bool(true))
            }
            Err(error) => {
                if let Some(cause) = error.internal_cause() {
                    edge.log_internal_error(None, cause);
                }
                let code = error.body().code;
                (json!({"event": "job", "job": job, "error": code}), false)
            }
        };
        edge.platform.log(&line.to_string());
        if !more {
            return;
        }
    }
}
