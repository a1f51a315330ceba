//! Deployments: `POST /v1/workflows/{id}/deploy` and `/rollback` open one as the caller, and carry it out in n8n as the edge.
//!
//! The database keeps how far it has come, under a lease. Whoever takes up one that was interrupted does every step again: each
//! can be done twice and leaves what doing it once leaves.

use http::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::n8n::{Client, Fault};
use super::validate;
use crate::config::Config;
use crate::edge::{self, Edge, Platform, Response};
use crate::error::Error;
use crate::forward;
use crate::respond;
use crate::rooms::json;
use crate::route::{Call, Identity, Incoming, Plan, Then};
use crate::verify::is_uuid;

/// Characters that n8n keeps of a name.
const MOST_NAME: usize = 128;
/// Milliseconds between two looks at a webhook that is not there yet.
const PROBE_PAUSE_MS: u32 = 400;
/// Deployments and removals that one run of the job takes up.
const MOST_AT_ONCE: usize = 20;

/// `POST /v1/workflows/{id}/deploy`
pub static DEPLOY: Call = Call {
    arguments: |incoming, config| opening(incoming, config, None),
    ..call("open_deployment", Then::Deploy)
};

/// `POST /v1/workflows/{id}/rollback`
pub static ROLLBACK: Call = Call {
    arguments: |incoming, config| {
        let version = if incoming.body.is_empty() {
            0
        } else {
            version(&json::body(incoming)?)?
        };
        opening(incoming, config, Some(version))
    },
    ..call("open_deployment", Then::Deploy)
};

/// `POST /v1/jobs/finish_deployments`, for the back office, where no clock asks.
pub static FINISH: Call = Call {
    answer: |_, outcome, _| outcome.map(|done| respond::json(StatusCode::OK, &done)),
    ..call("may_finish_deployments", Then::FinishDeployments)
};

const fn call(function: &'static str, then: Then) -> Call {
    Call {
        schema: "clixen",
        function,
        identity: Identity::Caller,
        for_people: false,
        arguments: |_, config| {
            is_set_up(config)?;
            Ok(Plan::Ask("{}".into()))
        },
        answer,
        fallback: None,
        streamed: false,
        then: Some(then),
    }
}

fn is_set_up(config: &Config) -> Result<(), Error> {
    let variable = "N8N_URL";
    match config.n8n {
        Some(_) => Ok(()),
        None => Err(Error::NotSetUp { variable }),
    }
}

fn opening(incoming: &Incoming, config: &Config, version: Option<u64>) -> Result<Plan, Error> {
    is_set_up(config)?;
    let id = &incoming.variable;
    if !is_uuid(id) {
        return Err(Error::NotFound);
    }
    let arguments = json!({ "workflow_id": id, "of_version": version });
    Ok(Plan::Ask(arguments.to_string()))
}

/// The version of `{"deployment_version": 3}`; 0, for the one before, if it names none.
fn version(body: &Value) -> Result<u64, Error> {
    let odd = Error::MalformedBody(
        "send {\"deployment_version\": <a number above 0>}, or nothing".into(),
    );
    let Some(fields) = body.as_object() else {
        return Err(odd);
    };
    match fields.get("deployment_version") {
        None if fields.is_empty() => Ok(0),
        Some(version) if fields.len() == 1 => version
            .as_u64()
            .filter(|version| (1..=i64::MAX as u64).contains(version))
            .ok_or(odd),
        _ => Err(odd),
    }
}

/// What became of it: 200 if it serves, 202 while somebody else is at it, else the reason.
fn answer(_: &Incoming, outcome: Result<Value, Error>, _: &Config) -> Result<Response<()>, Error> {
    let row = outcome?;
    match text(&row, "status") {
        "deployed" | "rolled_back" => Ok(respond::json(StatusCode::OK, &row)),
        "failed" => {
            let reason = row.get("n8n_response").map(|said| text(said, "reason"));
            let message = text(&row, "error_message").to_owned();
            Err(Error::undeployed(reason.unwrap_or_default(), message))
        }
        "" => Err(Error::undeployed(
            "interrupted",
            "The workflow was deleted meanwhile".into(),
        )),
        _ => Ok(respond::json(StatusCode::ACCEPTED, &row)),
    }
}

/// Carries a deployment out that has been opened, unless it is over or somebody else is at it. Gives its row.
///
/// # Errors
/// Those of asking the database. What goes wrong in n8n is in the row.
pub async fn carry_out<P: Platform>(id: &str, edge: &Edge<P>) -> Result<Value, Error> {
    let n8n = Client::of(edge)?;
    let claimed =
        forward::call_own("claim_deployment", &json!({ "deployment_id": id }), edge).await?;
    let Some(lease) = claimed.get("lease").cloned() else {
        return Ok(claimed.get("deployment").cloned().unwrap_or_default());
    };
    let deployment = Deployment {
        id,
        lease: &lease,
        claimed: &claimed,
        n8n,
        edge,
    };
    let outcome = match deployment.attempt().await {
        Ok(outcome) => outcome,
        Err(Fault {
            reason,
            status,
            message,
        }) => {
            let said = json!({ "reason": reason, "status": status });
            json!({ "status": "failed", "error_message": message, "n8n_response": said })
        }
    };
    let end = json!({ "deployment_id": id, "lease": lease, "outcome": outcome });
    forward::call_own("finish_deployment", &end, edge).await
}

/// Takes up what was interrupted, and takes out of n8n what is gone here. Gives how many of each.
///
/// # Errors
/// Those of asking the database.
pub async fn finish_all<P: Platform>(edge: &Edge<P>) -> Result<Value, Error> {
    let most = json!({ "most": MOST_AT_ONCE });
    let open = forward::call_own("unfinished_deployments", &most, edge).await?;
    let ids = |name: &str| -> Vec<String> {
        let listed = open.get(name).and_then(Value::as_array);
        let ids = listed.into_iter().flatten().filter_map(Value::as_str);
        ids.map(str::to_owned).collect()
    };
    let mut done = [0_u64; 2];
    for id in ids("deployments") {
        carry_out(&id, edge).await?;
        done[0] += 1;
    }
    let n8n = Client::of(edge)?;
    for id in ids("removals") {
        // What n8n cannot do now is due again later.
        if n8n.remove(&id).await.is_ok() {
            let removed = json!({ "n8n_workflow_id": id });
            forward::call_own("removed_from_n8n", &removed, edge).await?;
            done[1] += 1;
        }
    }
    let [deployments, removals] = done;
    Ok(json!({ "deployments": deployments, "removals": removals }))
}

/// One attempt at a deployment.
struct Deployment<'a, P> {
    id: &'a str,
    lease: &'a Value,
    claimed: &'a Value,
    n8n: Client<'a, P>,
    edge: &'a Edge<P>,
}

impl<P: Platform> Deployment<'_, P> {
    /// The whole way, to the outcome that the database keeps.
    async fn attempt(&self) -> Result<Value, Fault> {
        let workflow = &self.claimed["workflow"];
        let mut sent = validate::check(workflow.clone(), true).fixed;
        let left = validate::check(sent.clone(), true);
        if !left.errors.is_empty() {
            return Ok(invalid(left));
        }
        let deployment = &self.claimed["deployment"];
        keep_ids(&mut sent, workflow, text(deployment, "workflow_id"));
        let webhooks = prepare(&mut sent, text(deployment, "user_id"));
        if let Some(fields) = sent.as_object_mut() {
            fields.insert("name".into(), self.name().into());
        }

        let id = self.save(&sent).await?;
        let noted = json!({ "deployment_id": self.id, "lease": self.lease, "n8n_workflow_id": id });
        let noted = forward::call_own("note_deployment", &noted, self.edge).await;
        if !matches!(noted, Ok(Value::Bool(true))) {
            return Err(interrupted());
        }
        self.n8n.publish(&id).await?;
        if !self.is_up(&id, &webhooks).await? {
            // n8n sometimes takes a workflow for active whose webhooks it has not registered: off and on again mends it.
            self.n8n.unpublish(&id).await?;
            self.n8n.publish(&id).await?;
            if !self.is_up(&id, &webhooks).await? {
                // What is said not to serve does not; what served before goes on as well as it can.
                if self.claimed.get("serves") == Some(&Value::Bool(false)) {
                    self.n8n.unpublish(&id).await?;
                }
                return Err(Fault {
                    reason: "not_registered",
                    status: 200,
                    message:
                        "n8n says that the workflow is active, but its webhooks are not registered"
                            .into(),
                });
            }
        }
        let url = match webhooks.first() {
            Some(webhook) => self.n8n.webhook(&webhook.path),
            None => self.n8n.address(&format!("workflow/{id}")),
        };
        Ok(json!({
            "status": "deployed", "n8n_workflow_id": id, "deployment_url": url,
            "n8n_response": {"webhooks": webhooks.iter().map(|w| self.n8n.webhook(&w.path)).collect::<Vec<_>>()},
        }))
    }

    /// The name in n8n: the workflow's own, and a mark by which it is found again, also under another name.
    fn name(&self) -> String {
        let mark = self.mark();
        let name = text(self.claimed, "name").chars();
        let name: String = name.take(MOST_NAME - mark.len()).collect();
        name + &mark
    }

    /// What its name ends in: a part of its id. Whatever a user writes before it, nobody's else ends so.
    fn mark(&self) -> String {
        let id = text(&self.claimed["deployment"], "workflow_id").replace('-', "");
        format!(" [{}]", id.get(..16).unwrap_or_default())
    }

    /// Sends the workflow, to where it was before if n8n has it. Gives its id there.
    async fn save(&self, workflow: &Value) -> Result<String, Fault> {
        let mut known = self.claimed["n8n_workflow_id"].as_str().map(str::to_owned);
        if known.is_none() && self.claimed["may_exist"] == Value::Bool(true) {
            known = self.n8n.find(&self.mark()).await?;
        }
        if let Some(id) = known
            && self.n8n.update(&id, workflow).await?
        {
            return Ok(id);
        }
        self.n8n.create(workflow).await
    }

    /// Whether it serves, and listens wherever it says so.
    async fn is_up(&self, id: &str, webhooks: &[Webhook]) -> Result<bool, Fault> {
        if !self.n8n.serves(id).await? {
            return Ok(false);
        }
        for webhook in webhooks
            .iter()
            .filter(|webhook| !webhook.path.contains(':'))
        {
            let url = self.n8n.webhook(&webhook.path);
            let mut listens = self.n8n.listens(&url, &webhook.method).await;
            for _ in 0..2 {
                if listens != Some(false) {
                    break;
                }
                self.edge.platform.sleep(PROBE_PAUSE_MS).await;
                listens = self.n8n.listens(&url, &webhook.method).await;
            }
            if listens == Some(false) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn interrupted() -> Fault {
    Fault {
        reason: "interrupted",
        status: 0,
        message: "Somebody else carries this deployment on".into(),
    }
}

/// The outcome of a workflow that n8n would not run.
fn invalid(report: validate::Report) -> Value {
    let errors = report.json().get("errors").cloned().unwrap_or_default();
    let told = errors.as_array().into_iter().flatten().take(5);
    let told: Vec<String> = told
        .map(|finding| format!("{}: {}", text(finding, "code"), text(finding, "message")))
        .collect();
    json!({
        "status": "failed", "error_message": told.join("; "),
        "n8n_response": {"reason": "invalid", "errors": errors},
    })
}

/// Makes the webhook ids that validation has made up the same at each deployment: they are in addresses that others have.
fn keep_ids(fixed: &mut Value, given: &Value, workflow_id: &str) {
    let given = given.get("nodes").and_then(Value::as_array);
    let fixed = fixed.get_mut("nodes").and_then(Value::as_array_mut);
    let pairs = given.into_iter().flatten().zip(fixed.into_iter().flatten());
    for (at, (given, fixed)) in pairs.enumerate() {
        let made = text(fixed, "webhookId").to_owned();
        if made.is_empty() || made == text(given, "webhookId") {
            continue;
        }
        let id = edge::digest_uuid(&format!("{workflow_id} {at}"));
        let Some(node) = fixed.as_object_mut() else {
            continue;
        };
        if let Some(path) = node
            .get_mut("parameters")
            .and_then(|all| all.get_mut("path"))
            && *path == made
        {
            *path = id.as_str().into();
        }
        node.insert("webhookId".into(), id.into());
    }
}

/// Where a workflow listens.
struct Webhook {
    method: String,
    path: String,
}

/// Gives every webhook a path that is its owner's: n8n knows each path once, whoever's it is. Gives where those that are on listen.
fn prepare(workflow: &mut Value, owner: &str) -> Vec<Webhook> {
    let digest = edge::hex(&Sha256::digest(owner));
    let prefix = format!("u{}/", digest.get(..12).unwrap_or_default());
    let mut listening = Vec::new();
    let nodes = workflow.get_mut("nodes").and_then(Value::as_array_mut);
    for node in nodes.into_iter().flatten() {
        let path = text(node.get("parameters").unwrap_or(&Value::Null), "path");
        let path = path.trim_matches('/');
        // An expression is n8n's to work out.
        if text(node, "type") != "n8n-nodes-base.webhook"
            || path.is_empty()
            || path.starts_with('=')
        {
            continue;
        }
        let path = format!("{prefix}{path}");
        if let Some(kept) = node
            .get_mut("parameters")
            .and_then(|all| all.get_mut("path"))
        {
            *kept = path.into();
        }
        listening.extend(
            validate::webhooks::of(node)
                .into_iter()
                .map(|webhook| Webhook {
                    method: webhook.method.to_owned(),
                    // With a variable in it n8n puts the node's id before it.
                    path: if webhook.path.contains(':') {
                        format!("{}/{}", webhook.id, webhook.path)
                    } else {
                        webhook.path.to_owned()
                    },
                }),
        );
    }
    listening
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}
