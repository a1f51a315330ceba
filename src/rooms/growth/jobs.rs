//! What the clock asks for: each cron of `wrangler.toml` names jobs, each job is one function of the database, which leaves a
//! row in `private.job_runs` for every run.

use serde_json::{Value, json};

use crate::edge::{Edge, Platform};
use crate::forward;

/// Jobs by their cron.
const CRONS: [(&str, &[&str]); 3] = [
    ("*/5 * * * *", &["process_pending_events"]),
    ("7 * * * *", &["abandon_inactive_sessions"]),
    ("17 3 * * *", &["make_event_partitions", "cleanup_old_data"]),
];

/// Runs of a job at one time, each of which deals with a part of what there is.
const MOST_RUNS: usize = 50;

/// Runs the jobs of a cron. What fails is logged and tried again by the next one.
pub async fn scheduled<P: Platform>(cron: &str, edge: &Edge<P>) {
    let jobs = CRONS.iter().find(|(known, _)| *known == cron);
    let Some((_, jobs)) = jobs else {
        let line = json!({"event": "unknown_cron", "cron": cron});
        edge.platform.log(&line.to_string());
        return;
    };
    for job in *jobs {
        run(job, edge).await;
    }
}

async fn run<P: Platform>(job: &str, edge: &Edge<P>) {
    for _ in 0..MOST_RUNS {
        let arguments = json!({ "job": job });
        let outcome = forward::call_own("run_job", &arguments, edge).await;
        let (line, more) = match outcome {
            Ok(result) => {
                let field = |name: &str| result.get(name).cloned().unwrap_or_default();
                let line = json!({"event": "job", "job": job, "rows": field("rows"), "error": field("error"), "skipped": field("skipped")});
                (line, field("more") == Value::Bool(true))
            }
            Err(error) => {
                let code = error.shape().code;
                (json!({"event": "job", "job": job, "error": code}), false)
            }
        };
        edge.platform.log(&line.to_string());
        if !more {
            return;
        }
    }
}
