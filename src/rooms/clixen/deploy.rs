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

/// The lease is lost, or the database cannot be asked.
const INTERRUPTED: &str = "interrupted";
/// Characters that n8n keeps of a name.
const MOST_NAME: usize = 128;
/// Milliseconds between two looks at a webhook that is not there yet.
const PROBE_PAUSE_MS: u32 = 400;
/// Deployments and removals that one run of the job takes up.
const MOST_AT_ONCE: usize = 20;
/// Milliseconds after which a run of the job begins nothing more.
const MOST_JOB_MS: u64 = 120_000;
/// Webhooks of a workflow that are looked at, and milliseconds after which no further one is.
const MOST_PROBED: usize = 10;
const MOST_PROBE_MS: u64 = 20_000;
/// Bytes of a workflow: the database keeps at most as many.
const MOST_WORKFLOW: usize = 2 * 1024 * 1024;

/// `POST /v1/workflows/{id}/deploy`
pub static DEPLOY: Call = Call {
    arguments: |incoming, config| {
        // Whoever names a version does not mean this.
        if !incoming.body.is_empty() && json::body(incoming)? != json!({}) {
            return Err(Error::MalformedBody(
                "it takes no fields; /rollback takes {\"deployment_version\": 3}".into(),
            ));
        }
        opening(incoming, config, None)
    },
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
        "" => Err(Error::undeployed("gone", String::new())),
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
        // Somebody else ends it, or the job once the lease has run out.
        Err(Fault { reason, .. }) if reason == INTERRUPTED => {
            return Ok(claimed.get("deployment").cloned().unwrap_or_default());
        }
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

/// Takes up what was interrupted, and takes out of n8n what is gone here. Gives how many of each. What cannot be done now is left for
/// the next run, and keeps nothing else from being done.
///
/// # Errors
/// Those of asking what there is to do.
pub async fn finish_all<P: Platform>(edge: &Edge<P>) -> Result<Value, Error> {
    let n8n = Client::of(edge)?;
    let start_ms = edge.platform.now_ms();
    let in_time = || edge.platform.now_ms().saturating_sub(start_ms) < MOST_JOB_MS;
    let most = json!({ "most": MOST_AT_ONCE });
    let open = forward::call_own("unfinished_deployments", &most, edge).await?;
    let ids = |name: &str| -> Vec<String> {
        let listed = open.get(name).and_then(Value::as_array);
        let ids = listed.into_iter().flatten().filter_map(Value::as_str);
        ids.map(str::to_owned).collect()
    };
    let (mut deployments, mut removals, mut failed) = (0_u64, 0_u64, 0_u64);
    for id in ids("removals") {
        if !in_time() {
            break;
        }
        let is_out = take_out(&id, &n8n).await.is_ok();
        let noted = json!({ "n8n_workflow_id": id, "is_out": is_out });
        let noted = forward::call_own("removed_from_n8n", &noted, edge).await;
        let done = is_out && noted.is_ok();
        removals += u64::from(done);
        failed += u64::from(!done);
    }
    for id in ids("deployments") {
        if !in_time() {
            break;
        }
        let done = carry_out(&id, edge).await.is_ok();
        deployments += u64::from(done);
        failed += u64::from(!done);
    }
    Ok(json!({ "deployments": deployments, "removals": removals, "failed": failed }))
}

/// Takes out a workflow by its id in n8n, or by the mark that its name ends in.
async fn take_out<P: Platform>(id: &str, n8n: &Client<'_, P>) -> Result<(), Fault> {
    match id.strip_prefix("mark:") {
        None => n8n.remove(id).await,
        Some(mark) => match n8n.find(&format!(" [{mark}]")).await? {
            Some(id) => n8n.remove(&id).await,
            None => Ok(()),
        },
    }
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
        let Some(workflow) = self.workflow(false).await? else {
            return Err(interrupted());
        };
        let made = match self.made_of(workflow) {
            Ok(made) => made,
            Err(report) => return Ok(invalid(report)),
        };
        let id = self.save(&made.workflow).await?;
        let noted = json!({ "deployment_id": self.id, "lease": self.lease, "n8n_workflow_id": id });
        let noted = forward::call_own("note_deployment", &noted, self.edge).await;
        if !matches!(noted, Ok(Value::Bool(true))) {
            return Err(interrupted());
        }
        if let Err(mut fault) = self.start(&id, &made.webhooks).await {
            let serves = self.claimed.get("serves") == Some(&Value::Bool(true));
            let settled = if serves {
                self.put_back(&id).await
            } else {
                self.n8n.unpublish(&id).await.is_ok()
            };
            if serves {
                fault.message.push_str(if settled {
                    "; the version before serves again"
                } else {
                    "; which version serves is not certain"
                });
            }
            return Err(fault);
        }
        let addresses: Vec<String> = made
            .webhooks
            .iter()
            .map(|webhook| self.n8n.public(&webhook.path))
            .collect();
        Ok(json!({
            "status": "deployed", "n8n_workflow_id": id, "deployment_url": addresses.first(),
            "n8n_response": {"addresses": addresses},
        }))
    }

    /// What is to be sent, or with `before` what served until now; none if the lease is lost, or nothing did.
    async fn workflow(&self, before: bool) -> Result<Option<Value>, Fault> {
        let asked = json!({ "deployment_id": self.id, "lease": self.lease, "before": before });
        let asked =
            forward::call_own_large("deployment_workflow", &asked, MOST_WORKFLOW, self.edge);
        match asked.await {
            Ok(workflow) => Ok(Some(workflow).filter(|workflow| !workflow.is_null())),
            // It is there, but is no JSON that is read here: it will not be the next time, either.
            Err(Error::UpstreamFailed) => Err(Fault {
                reason: "invalid",
                status: 0,
                message: "The workflow cannot be read: it has more than 120 levels, a number beyond all bounds, or 2 MB".into(),
            }),
            Err(_) => Err(interrupted()),
        }
    }

    /// A workflow as n8n takes it, mended, and its webhooks; or what keeps it from being sent.
    fn made_of(&self, workflow: Value) -> Result<Made, validate::Report> {
        let given = workflow.clone();
        let fixed = validate::check(workflow, true).fixed;
        let left = validate::check(fixed.clone(), true);
        if !left.errors.is_empty() {
            return Err(left);
        }
        let deployment = &self.claimed["deployment"];
        let mut workflow = fixed;
        let id = text(deployment, "workflow_id");
        let webhooks = prepare(
            &mut workflow,
            &given,
            id,
            text(deployment, "user_id"),
            &|id| self.n8n.shares(id),
        );
        if let Some(fields) = workflow.as_object_mut() {
            fields.insert("name".into(), self.name().into());
        }
        Ok(Made { workflow, webhooks })
    }

    /// Makes it serve, and sees that it does.
    async fn start(&self, id: &str, webhooks: &[Webhook]) -> Result<(), Fault> {
        self.n8n.publish(id).await?;
        if self.is_up(id, webhooks).await? {
            return Ok(());
        }
        // n8n sometimes takes a workflow for active whose webhooks it has not registered: off and on again mends it.
        self.n8n.unpublish(id).await?;
        self.n8n.publish(id).await?;
        if self.is_up(id, webhooks).await? {
            return Ok(());
        }
        Err(Fault {
            reason: "not_registered",
            status: 200,
            message: "n8n says that the workflow is active, but its webhooks are not registered"
                .into(),
        })
    }

    /// Sends what served before once more. Whether it serves then.
    async fn put_back(&self, id: &str) -> bool {
        let Ok(Some(workflow)) = self.workflow(true).await else {
            return false;
        };
        let Ok(made) = self.made_of(workflow) else {
            return false;
        };
        matches!(self.n8n.update(id, &made.workflow).await, Ok(true))
            && self.start(id, &made.webhooks).await.is_ok()
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
        let start_ms = self.edge.platform.now_ms();
        let probed = webhooks.iter().filter(|webhook| webhook.is_plain());
        for webhook in probed.take(MOST_PROBED) {
            if self.edge.platform.now_ms().saturating_sub(start_ms) > MOST_PROBE_MS {
                break;
            }
            let url = self.n8n.public(&webhook.path);
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
        reason: INTERRUPTED,
        status: 0,
        message: String::new(),
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

/// A workflow as it goes to n8n.
struct Made {
    workflow: Value,
    webhooks: Vec<Webhook>,
}

/// Where a workflow listens.
struct Webhook {
    method: String,
    /// Below the address that the world calls: `webhook/<path>`, `form/<path>`.
    path: String,
}

impl Webhook {
    /// Whether it is a webhook whose path is a path and nothing else: n8n tells of those which are registered.
    fn is_plain(&self) -> bool {
        let path = self.path.strip_prefix("webhook/");
        path.is_some_and(|path| {
            path.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_./~".contains(&b))
        })
    }
}

/// Makes a workflow its owner's. n8n is one for all, with one namespace: addresses begin with a hash of the owner's id, ids of webhooks
/// become digests, and what points at others' (credentials that are not shared, workflows that may call it or are called on
/// errors) is left out. Gives where the nodes that are on listen.
fn prepare(
    workflow: &mut Value,
    given: &Value,
    workflow_id: &str,
    owner: &str,
    shares: &dyn Fn(&str) -> bool,
) -> Vec<Webhook> {
    let digest = edge::hex(&Sha256::digest(owner));
    let prefix = format!("u{}/", digest.get(..12).unwrap_or_default());
    if let Some(settings) = workflow.get_mut("settings").and_then(Value::as_object_mut) {
        for name in ["errorWorkflow", "callerPolicy", "callerIds"] {
            settings.remove(name);
        }
    }
    let mut listening = Vec::new();
    let given = given.get("nodes").and_then(Value::as_array);
    let nodes = workflow.get_mut("nodes").and_then(Value::as_array_mut);
    for (at, node) in nodes.into_iter().flatten().enumerate() {
        let given = given.and_then(|nodes| nodes.get(at));
        let given_id = given
            .map(|node| text(node, "webhookId"))
            .unwrap_or_default();
        own_ids(node, given_id, workflow_id);
        let credentials = node.get_mut("credentials").and_then(Value::as_object_mut);
        if let Some(credentials) = credentials {
            credentials.retain(|_, credential| shares(text(credential, "id")));
        }
        let served = match text(node, "type") {
            "n8n-nodes-base.webhook" => "webhook",
            "n8n-nodes-base.formTrigger" => "form",
            "@n8n/n8n-nodes-langchain.mcpTrigger" => "mcp",
            _ => continue,
        };
        let path = node
            .get_mut("parameters")
            .and_then(|all| all.get_mut("path"));
        if let Some(Value::String(path)) = path {
            // What n8n works out stands behind the prefix, too.
            *path = match path.strip_prefix('=') {
                Some(expression) => format!("={prefix}{expression}"),
                None => format!("{prefix}{}", path.trim_matches('/')),
            };
        }
        listening.extend(addresses(node, served));
    }
    listening
}

/// Makes a node's webhook id its workflow's: the same at each deployment, and never another workflow's.
fn own_ids(node: &mut Value, given_id: &str, workflow_id: &str) {
    let made = text(node, "webhookId").to_owned();
    if made.is_empty() {
        return;
    }
    let source = if given_id.is_empty() {
        text(node, "name")
    } else {
        given_id
    };
    let id = edge::digest_uuid(&format!("{workflow_id} {source}"));
    let path = node
        .get_mut("parameters")
        .and_then(|all| all.get_mut("path"));
    if let Some(path) = path
        && *path == made
    {
        *path = id.as_str().into();
    }
    if let Some(fields) = node.as_object_mut() {
        fields.insert("webhookId".into(), id.into());
    }
}

/// Where a node listens that is on, as far as no expression says it.
fn addresses(node: &Value, served: &str) -> Vec<Webhook> {
    if served != "webhook" {
        let path = node.get("parameters").map(|all| text(all, "path"));
        let path = path.filter(|path| !path.is_empty() && !path.starts_with('='));
        let is_on = node.get("disabled") != Some(&Value::Bool(true));
        let one = path.filter(|_| is_on).map(|path| Webhook {
            method: "GET".into(),
            path: format!("{served}/{path}"),
        });
        return one.into_iter().collect();
    }
    let found = validate::webhooks::of(node).into_iter();
    found
        .map(|webhook| Webhook {
            method: webhook.method.to_owned(),
            // With a variable in it n8n puts the node's id before it.
            path: if webhook.path.split('/').any(|part| part.starts_with(':')) {
                format!("webhook/{}/{}", webhook.id, webhook.path)
            } else {
                format!("webhook/{}", webhook.path)
            },
        })
        .collect()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}
