//! Deployments: `POST /v1/workflows/{id}/deploy` and `/rollback` open one in the caller's name, and run it in n8n as
//! the edge.
//!
//! The database records the progress, under a lease. A resumed deployment repeats every step: each step is idempotent.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::errors;
use super::n8n::{Client, Fault};
use super::tenancy::{self, Owned, Prepared, Subject, Webhook, allow_caller, text};
use super::validate::{self, Finding};
use crate::config::Config;
use crate::endpoint::{Incoming, Plan};
use crate::error::Error;
use crate::formats::json;
use crate::hooks::Services;
use crate::id::is_uuid;
use crate::json::fields;
use crate::message::{self, Response};

/// The reason of a lost lease, or of a database that cannot be reached.
const INTERRUPTED: &str = "interrupted";
/// Milliseconds between two probes of a webhook.
const PROBE_PAUSE_MS: u32 = 400;
/// The most deployments and removals that one run of the job handles.
const MAX_PER_RUN: usize = 20;
/// Milliseconds after which a run of the job starts no more work.
const MAX_JOB_MS: u64 = 120_000;
/// The most webhooks of a workflow that are probed, and the milliseconds after which no further one is.
const MAX_PROBED: usize = 10;
const MAX_PROBE_MS: u64 = 20_000;
/// The most bytes of a workflow; the database has the same limit.
const MAX_WORKFLOW_BYTES: usize = 2 * 1024 * 1024;

/// The result of `edge.claim_deployment`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Claimed {
    /// The row.
    deployment: Value,
    /// None if the deployment has ended or another request is running it. The other fields are then empty, too.
    lease: Option<String>,
    workflow_id: String,
    name: String,
    n8n_workflow_id: Option<String>,
    serves: bool,
    may_exist: bool,
}

/// The result of `edge.unfinished_deployments`: ids.
#[derive(Deserialize)]
struct Unfinished {
    deployments: Vec<String>,
    removals: Vec<String>,
}

/// The arguments of `POST /v1/workflows/{id}/deploy`.
pub fn deploy(incoming: &Incoming, _: &Config) -> Result<Plan, Error> {
    // A caller who names a version means /rollback.
    if !incoming.body.is_empty() && json::body(incoming.content())? != json!({}) {
        return Err(Error::MalformedBody(
            "it takes no fields; /rollback takes {\"deployment_version\": 3}".into(),
        ));
    }
    open_arguments(incoming, None)
}

/// The arguments of `POST /v1/workflows/{id}/rollback`.
pub fn rollback(incoming: &Incoming, _: &Config) -> Result<Plan, Error> {
    let version = if incoming.body.is_empty() {
        0
    } else {
        version(&json::body(incoming.content())?)?
    };
    open_arguments(incoming, Some(version))
}

fn open_arguments(incoming: &Incoming, version: Option<u64>) -> Result<Plan, Error> {
    let id = incoming.segments.get("id");
    if !is_uuid(id) {
        return Err(Error::NotFound);
    }
    let arguments = json!({ "workflow_id": id, "of_version": version });
    Ok(Plan::Call(arguments.to_string()))
}

/// The version of `{"deployment_version": 3}`; 0, for the previous one, if the body names none.
fn version(body: &Value) -> Result<u64, Error> {
    let named = match body.as_object() {
        Some(fields) if fields.is_empty() => return Ok(0),
        Some(fields) if fields.len() == 1 => fields.get("deployment_version"),
        _ => None,
    };
    let version = named.and_then(Value::as_u64);
    let fits = version.filter(|version| (1..=i64::MAX as u64).contains(version));
    fits.ok_or_else(|| {
        let wanted = "send {\"deployment_version\": <a number above 0>}, or nothing";
        Error::MalformedBody(wanted.into())
    })
}

/// 200 for a deployment that serves, 202 while it is in progress elsewhere, otherwise its error.
///
/// # Errors
/// The outcome's, or the deployment's.
pub fn answer(
    _: &Incoming,
    outcome: Result<Value, Error>,
    _: &Config,
) -> Result<Response<()>, Error> {
    let row = outcome?;
    match text(&row, "status") {
        "deployed" | "rolled_back" => Ok(message::json(StatusCode::OK, &row)),
        "failed" => {
            let response = row.get("n8n_response").unwrap_or(&Value::Null);
            let message = text(&row, "error_message").to_owned();
            Err(undeployed(text(response, "reason"), message))
        }
        "" => Err(undeployed("gone", String::new())),
        _ => Ok(message::json(StatusCode::ACCEPTED, &row)),
    }
}

/// Why a deployment failed: `reason` is the one that the database stored with it, `message` its particulars.
fn undeployed(reason: &str, message: String) -> Error {
    let row = match reason {
        "invalid" => &errors::WORKFLOW_INVALID,
        "gone" => &errors::WORKFLOW_NOT_FOUND,
        "conflict" => &errors::N8N_CONFLICT,
        "rejected" => &errors::N8N_REJECTED_WORKFLOW,
        _ => &errors::N8N_FAILED,
    };
    Error::with(row, message)
}

/// Runs the deployment that a call has opened.
///
/// # Errors
/// Those of [`run_deployment`].
pub async fn run_opened(opened: &Value, services: Services<'_>) -> Result<Value, Error> {
    run_deployment(text(opened, "id"), services).await
}

/// Runs an open deployment, unless it has ended or another request is running it. Gives its row.
///
/// # Errors
/// Those of calling the database. A failure of n8n is recorded in the row.
async fn run_deployment(id: &str, services: Services<'_>) -> Result<Value, Error> {
    let n8n = Client::of(services)?;
    let claimed = json!({ "deployment_id": id });
    let claimed = services.call("claim_deployment", &claimed).await?;
    let claimed: Claimed = fields(claimed).ok_or(Error::UpstreamFailed)?;
    let Some(lease) = &claimed.lease else {
        return Ok(claimed.deployment);
    };
    let deployment = Deployment {
        id,
        lease,
        claimed: &claimed,
        n8n,
        services,
    };
    let outcome = match deployment.attempt().await {
        Ok(outcome) => outcome,
        // The holder of the lease ends it, or the job does after the lease has run out.
        Err(Fault { reason, .. }) if reason == INTERRUPTED => return Ok(claimed.deployment),
        Err(Fault {
            reason,
            status,
            message,
        }) => {
            let response = json!({ "reason": reason, "status": status });
            json!({ "status": "failed", "error_message": message, "n8n_response": response })
        }
    };
    let end = json!({ "deployment_id": id, "lease": lease, "outcome": outcome });
    services.call("finish_deployment", &end).await
}

/// Resumes interrupted deployments, and removes from n8n what was deleted here. Gives the number of each. A failure is
/// left for the next run, and does not stop the others.
///
/// # Errors
/// Those of asking the database for the pending work.
pub async fn finish_all(services: Services<'_>) -> Result<Value, Error> {
    let n8n = Client::of(services)?;
    let start_ms = services.now_ms();
    let in_time = || services.now_ms().saturating_sub(start_ms) < MAX_JOB_MS;
    let max = json!({ "most": MAX_PER_RUN });
    let open = services.call("unfinished_deployments", &max).await?;
    let open: Unfinished = fields(open).ok_or(Error::UpstreamFailed)?;
    let (mut deployments, mut removals, mut failed) = (0_u64, 0_u64, 0_u64);
    for id in open.removals {
        if !in_time() {
            break;
        }
        let named = json!({ "n8n_workflow_id": id });
        match services.call("claim_removal", &named).await {
            Ok(Value::Bool(true)) => {}
            // A deployment has taken it up since it was listed, or another job removes it.
            Ok(_) => continue,
            Err(_) => {
                failed += 1;
                continue;
            }
        }
        let is_out = remove_workflow(&id, &n8n).await.is_ok();
        let noted = json!({ "n8n_workflow_id": id, "is_out": is_out });
        let noted = services.call("removed_from_n8n", &noted).await;
        let done = is_out && noted.is_ok();
        removals += u64::from(done);
        failed += u64::from(!done);
    }
    for id in open.deployments {
        if !in_time() {
            break;
        }
        let done = run_deployment(&id, services).await.is_ok();
        deployments += u64::from(done);
        failed += u64::from(!done);
    }
    Ok(json!({ "deployments": deployments, "removals": removals, "failed": failed }))
}

/// Removes a workflow by its id in n8n, or by the mark at the end of its name.
async fn remove_workflow(id: &str, n8n: &Client<'_>) -> Result<(), Fault> {
    match id.strip_prefix("mark:") {
        None => n8n.remove(id).await,
        Some(mark) => match n8n.find(&format!(" [{mark}]")).await? {
            Some(id) => n8n.remove(&id).await,
            None => Ok(()),
        },
    }
}

/// One attempt at a deployment.
struct Deployment<'a> {
    id: &'a str,
    lease: &'a str,
    claimed: &'a Claimed,
    n8n: Client<'a>,
    services: Services<'a>,
}

impl Deployment<'_> {
    /// Runs all steps, and gives the outcome for the database.
    async fn attempt(&self) -> Result<Value, Fault> {
        let Some(workflow) = self.workflow(false).await? else {
            return Err(interrupted());
        };
        let mut made = match self.prepare(workflow, &self.subject()).await? {
            Ok(made) => made,
            Err(outcome) => return Ok(outcome),
        };
        let known = self.subject().n8n_id;
        let id = self.save(&made.workflow).await?;
        let noted = json!({ "deployment_id": self.id, "lease": self.lease, "n8n_workflow_id": id });
        let noted = self.services.call("note_deployment", &noted).await;
        if !matches!(noted, Ok(Value::Bool(true))) {
            return Err(interrupted());
        }
        if known != Some(id.as_str()) && made.runs_itself {
            // Its id, which its own settings have to allow, is known only now.
            allow_caller(&mut made.workflow, &id);
            self.n8n.update(&id, &made.workflow).await?;
        }
        if let Err(mut fault) = self.activate(&id, &made).await {
            let serves = self.claimed.serves;
            let settled = if serves {
                self.restore_previous(&id).await
            } else {
                self.n8n.unpublish(&id).await.is_ok()
            };
            if serves {
                fault.message.push_str(if settled {
                    "; the version before serves again"
                } else {
                    "; it is unknown which version serves"
                });
            }
            return Err(fault);
        }
        let mut addresses: Vec<String> = Vec::new();
        for webhook in &made.webhooks {
            let address = self.n8n.public(&webhook.path);
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(json!({
            "status": "deployed", "n8n_workflow_id": id, "deployment_url": addresses.first(),
            "n8n_response": {"addresses": addresses},
        }))
    }

    /// The workflow that is deployed.
    fn subject(&self) -> Subject<'_> {
        Subject {
            id: &self.claimed.workflow_id,
            name: &self.claimed.name,
            n8n_id: self.claimed.n8n_workflow_id.as_deref(),
        }
    }

    /// The workflow to send or, with `before`, the one that served until now; none if the lease is lost or nothing
    /// served.
    async fn workflow(&self, before: bool) -> Result<Option<Value>, Fault> {
        let request = json!({ "deployment_id": self.id, "lease": self.lease, "before": before });
        let request = self
            .services
            .call_large("deployment_workflow", &request, MAX_WORKFLOW_BYTES);
        match request.await {
            Ok(workflow) => Ok(Some(workflow).filter(|workflow| !workflow.is_null())),
            // The database has it, but the edge cannot read it, and will not be able to at the next attempt.
            Err(Error::UpstreamFailed) => Err(Fault::new(
                "invalid",
                0,
                "The workflow cannot be read: it has more than 120 levels, a number out of range, or more than 2 MB",
            )),
            Err(_) => Err(interrupted()),
        }
    }

    /// Fixes a workflow and scopes it to its owner; or gives the outcome of one that cannot be sent.
    async fn prepare(
        &self,
        workflow: Value,
        subject: &Subject<'_>,
    ) -> Result<Result<Prepared, Value>, Fault> {
        let (given, _) = validate::unwrap_workflow(workflow);
        let fixed = validate::check(given.clone(), true).fixed;
        let left = validate::check(fixed.clone(), true);
        if !left.errors.is_empty() {
            return Ok(Err(refused(&left.errors)));
        }
        let own = self.own_workflows(&tenancy::named(&fixed)).await?;
        let foreign = tenancy::foreign(&fixed, &own);
        if !foreign.is_empty() {
            return Ok(Err(refused(&foreign)));
        }
        let mut made =
            tenancy::scope_to_owner(fixed, &given, subject, &own, &|id| self.n8n.shares(id));
        if let Some(fields) = made.workflow.as_object_mut() {
            fields.insert("name".into(), subject.name_in_n8n().into());
        }
        Ok(Ok(made))
    }

    /// What the owner has in n8n. The database answers to the holder of the lease.
    async fn own_workflows(&self, named: &[String]) -> Result<Owned, Fault> {
        let request = json!({ "deployment_id": self.id, "lease": self.lease, "named": named });
        let own = self.services.call("own_workflows", &request).await;
        own.ok().and_then(fields).ok_or_else(interrupted)
    }

    /// Allows it to run the workflows that it names, and makes it serve.
    async fn activate(&self, id: &str, made: &Prepared) -> Result<(), Fault> {
        for callee in made.calls.iter().filter(|callee| *callee != id) {
            self.allow_call(id, callee).await?;
        }
        self.start(id, &made.webhooks).await
    }

    /// Makes sure that a workflow of the same owner allows this one to run it: it may have been deployed earlier.
    async fn allow_call(&self, id: &str, callee: &str) -> Result<(), Fault> {
        if self.n8n.allows_caller(callee, id).await? {
            return Ok(());
        }
        let request =
            json!({ "deployment_id": self.id, "lease": self.lease, "n8n_workflow_id": callee });
        let request = self
            .services
            .call_large("called_workflow", &request, MAX_WORKFLOW_BYTES);
        let found = request.await.map_err(|_| interrupted())?;
        let subject = Subject {
            id: text(&found, "workflow_id"),
            name: text(&found, "name"),
            n8n_id: Some(callee),
        };
        let outdated = || {
            let name = subject.name;
            let message = format!(
                "\"{name}\" runs as part of this workflow and cannot be updated: deploy it first"
            );
            Fault::new("invalid", 0, message)
        };
        let workflow = found
            .get("workflow")
            .filter(|workflow| workflow.is_object());
        let workflow = workflow.cloned().ok_or_else(outdated)?;
        let made = self.prepare(workflow, &subject).await?;
        let made = made.map_err(|_| outdated())?;
        // If its settings allow only others or nobody, n8n refuses the call.
        if made.callers.iter().any(|caller| caller == id) {
            self.n8n.update(callee, &made.workflow).await?;
        }
        Ok(())
    }

    /// Publishes it, and makes sure that it serves.
    async fn start(&self, id: &str, webhooks: &[Webhook]) -> Result<(), Fault> {
        self.n8n.publish(id).await?;
        if self.is_serving(id, webhooks).await? {
            return Ok(());
        }
        // n8n sometimes reports a workflow as active without having registered its webhooks. Unpublishing and
        // publishing it again helps.
        self.n8n.unpublish(id).await?;
        self.n8n.publish(id).await?;
        if self.is_serving(id, webhooks).await? {
            return Ok(());
        }
        let message = "n8n reports the workflow as active, but has not registered its webhooks";
        Err(Fault::new("not_registered", 200, message))
    }

    /// Sends the workflow that served before. Tells whether it serves again.
    async fn restore_previous(&self, id: &str) -> bool {
        let Ok(Some(workflow)) = self.workflow(true).await else {
            return false;
        };
        let Ok(Ok(made)) = self.prepare(workflow, &self.subject()).await else {
            return false;
        };
        matches!(self.n8n.update(id, &made.workflow).await, Ok(true))
            && self.activate(id, &made).await.is_ok()
    }

    /// Sends the workflow, in place of the earlier one if n8n has it. Gives its id in n8n.
    async fn save(&self, workflow: &Value) -> Result<String, Fault> {
        let mut known = self.claimed.n8n_workflow_id.clone();
        if known.is_none() && self.claimed.may_exist {
            known = self.n8n.find(&self.subject().mark()).await?;
        }
        if let Some(id) = known
            && self.n8n.update(&id, workflow).await?
        {
            return Ok(id);
        }
        self.n8n.create(workflow).await
    }

    /// Whether it serves and its webhooks are registered.
    async fn is_serving(&self, id: &str, webhooks: &[Webhook]) -> Result<bool, Fault> {
        if !self.n8n.serves(id).await? {
            return Ok(false);
        }
        let start_ms = self.services.now_ms();
        let probed = webhooks.iter().filter(|webhook| webhook.is_plain());
        for webhook in probed.take(MAX_PROBED) {
            if self.services.now_ms().saturating_sub(start_ms) > MAX_PROBE_MS {
                break;
            }
            let mut listens = self.n8n.listens(&webhook.path, &webhook.method).await;
            for _ in 0..2 {
                if listens != Some(false) {
                    break;
                }
                self.services.sleep(PROBE_PAUSE_MS).await;
                listens = self.n8n.listens(&webhook.path, &webhook.method).await;
            }
            if listens == Some(false) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn interrupted() -> Fault {
    Fault::new(INTERRUPTED, 0, "")
}

/// The outcome of a workflow with these findings.
fn refused(findings: &[Finding]) -> Value {
    let messages = findings.iter().take(5);
    let messages: Vec<String> = messages
        .map(|finding| format!("{}: {}", finding.code, finding.message))
        .collect();
    json!({
        "status": "failed", "error_message": messages.join("; "),
        "n8n_response": {"reason": "invalid", "errors": findings},
    })
}
