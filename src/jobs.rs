//! Scheduled jobs. Each cron of `wrangler.toml` names jobs. A job is one function of the database, or of the edge, and
//! every run leaves a row in `private.job_runs`.

use serde_json::{Value, json};

use crate::edge::{Edge, Platform};
use crate::error::Error;
use crate::forward;
use crate::systems::clixen;

/// Jobs by their cron.
const CRONS: [(&str, &[&str]); 3] = [
    (
        "*/5 * * * *",
        &["process_pending_events", FINISH_DEPLOYMENTS],
    ),
    ("7 * * * *", &["abandon_inactive_sessions"]),
    (
        "17 3 * * *",
        &[
            "make_event_partitions",
            "cleanup_old_data",
            "clean_audit",
            "clean_telemetry",
        ],
    ),
];

/// The job that the edge does itself, since the database does not talk to n8n.
const FINISH_DEPLOYMENTS: &str = "finish_deployments";

/// The most runs of a job at a time. Each run does a part of the pending work.
const MAX_RUNS: usize = 50;

/// Runs the jobs of a cron. A failure is logged, and the next cron tries again.
pub async fn run_scheduled<P: Platform>(cron: &str, edge: &Edge<P>) {
    let jobs = CRONS.iter().find(|(known, _)| *known == cron);
    let Some((_, jobs)) = jobs else {
        let line = json!({"event": "unknown_cron", "cron": cron});
        edge.platform.log(&line.to_string());
        return;
    };
    for job in *jobs {
        if *job == FINISH_DEPLOYMENTS {
            finish_deployments(edge).await;
        } else {
            run_job(job, edge).await;
        }
    }
}

/// Resumes interrupted deployments, if n8n is configured, and has the database record the run.
async fn finish_deployments<P: Platform>(edge: &Edge<P>) {
    if edge.config.n8n.is_none() {
        return;
    }
    let start_ms = edge.platform.now_ms();
    let outcome = clixen::finish_all(edge).await;
    if let Some(cause) = outcome.as_ref().err().and_then(Error::internal_cause) {
        edge.log_internal_error(None, cause);
    }
    let error = outcome.as_ref().err().map(|error| error.body().code);
    let done = outcome.unwrap_or_default();
    let counts = done.as_object().into_iter().flatten();
    let rows: u64 = counts.filter_map(|(_, count)| count.as_u64()).sum();
    let line = json!({"event": "job", "job": FINISH_DEPLOYMENTS, "rows": rows, "error": error});
    edge.platform.log(&line.to_string());
    let took_ms = edge.platform.now_ms().saturating_sub(start_ms);
    let note = json!({"job": FINISH_DEPLOYMENTS, "took_ms": took_ms, "rows": rows, "error": error});
    if forward::call_own("note_job", &note, edge).await.is_err() {
        edge.platform
            .log(&json!({"event": "job_not_noted", "job": FINISH_DEPLOYMENTS}).to_string());
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
