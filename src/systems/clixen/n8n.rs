//! A client of n8n's public API, as far as deployments need it. <https://docs.n8n.io/api/>
//!
//! n8n refuses bodies with fields that its schemas do not name.

use crate::headers::Headers;
use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::tenancy;
use crate::error::Error;
use crate::hooks::{ServiceRequest, Services};
use crate::json::fields;
use crate::message::{Body, Response, SendFault, text};

/// The variable with n8n's address.
const URL: &str = "N8N_URL";
/// The variable with the address of its webhooks, if it differs.
const WEBHOOK_URL: &str = "N8N_WEBHOOK_URL";

/// Milliseconds that a request may take.
const DEADLINE_MS: u32 = 15_000;
/// The most bytes of an answer, which contains a whole workflow.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// The most pages of a list that are read, with 250 workflows each.
const MAX_PAGES: usize = 40;

/// A workflow, as far as deployments read n8n's answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    id: Option<String>,
    name: Option<String>,
    active: Option<bool>,
    active_version_id: Option<String>,
    is_archived: Option<bool>,
    #[serde(default)]
    settings: Value,
}

/// A page of a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    data: Vec<Value>,
    next_cursor: Option<String>,
}

/// Why n8n did not do what it was asked to do.
#[derive(Debug)]
pub struct Fault {
    /// The reason that the database stores with the deployment.
    pub reason: &'static str,
    /// n8n's status; 0 if it did not answer.
    pub status: u16,
    /// What the edge requested, and what n8n answered.
    pub message: String,
}

impl Fault {
    /// A fault with this reason, status and message.
    pub fn new(reason: &'static str, status: u16, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            reason,
            status,
            message,
        }
    }
}

/// The n8n of one deployment.
pub struct Client<'a> {
    services: Services<'a>,
    url: &'a str,
    key: &'a str,
}

impl<'a> Client<'a> {
    /// The configured n8n.
    ///
    /// # Errors
    /// [`Error::NotConfigured`] if there is none.
    pub fn of(services: Services<'a>) -> Result<Self, Error> {
        let variable = |name: &'static str| {
            services.text(name).ok_or(Error::NotConfigured {
                variable: name.into(),
            })
        };
        Ok(Self {
            services,
            url: variable(URL)?,
            key: variable("N8N_API_KEY")?,
        })
    }

    /// Creates a workflow and gives its id.
    pub async fn create(&self, workflow: &Value) -> Result<String, Fault> {
        let made = self.call(Method::POST, "", Some(workflow)).await?;
        let id = read(&made).and_then(|made: Known| made.id);
        id.filter(|id| is_id(id)).ok_or_else(|| {
            let message = "n8n did not return an id for the new workflow";
            Fault::new("unreachable", 200, message)
        })
    }

    /// Replaces a workflow; false if there is none of this id.
    pub async fn update(&self, id: &str, workflow: &Value) -> Result<bool, Fault> {
        found(
            self.call(Method::PUT, &format!("/{id}"), Some(workflow))
                .await,
        )
    }

    /// The id of the workflow whose name ends with `mark`.
    pub async fn find(&self, mark: &str) -> Result<Option<String>, Fault> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("limit", "250")
            .append_pair("excludePinnedData", "true")
            .append_pair("name", mark.trim());
        let query = query.finish();
        let mut cursor = String::new();
        for _ in 0..MAX_PAGES {
            let page: Listed = self.get(&format!("?{query}{cursor}")).await?;
            for listed in page.data {
                // A workflow that is passed over would be created once more.
                let workflow: Known = fields(listed).ok_or_else(unreadable)?;
                let name = workflow.name.as_deref().unwrap_or_default();
                // n8n searches by substring, so compare the whole mark.
                if name.ends_with(mark) && workflow.is_archived != Some(true) {
                    let id = workflow.id.filter(|id| is_id(id));
                    return id.ok_or_else(unreadable).map(Some);
                }
            }
            let Some(next) = page.next_cursor else {
                return Ok(None);
            };
            let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
            cursor = format!("&cursor={next}");
        }
        Ok(None)
    }

    /// Makes it serve: `publish`, or `activate` for an older n8n.
    pub async fn publish(&self, id: &str) -> Result<(), Fault> {
        self.newer_or_older(id, "publish", "activate").await
    }

    /// Stops it from serving.
    pub async fn unpublish(&self, id: &str) -> Result<(), Fault> {
        self.newer_or_older(id, "unpublish", "deactivate").await
    }

    async fn newer_or_older(&self, id: &str, newer: &str, older: &str) -> Result<(), Fault> {
        let nothing = json!({});
        let path = format!("/{id}/{newer}");
        match self.call(Method::POST, &path, Some(&nothing)).await {
            Err(Fault {
                status: 404 | 405, ..
            }) => {
                let path = format!("/{id}/{older}");
                self.call(Method::POST, &path, None).await.map(drop)
            }
            answer => answer.map(drop),
        }
    }

    /// Deletes it. A workflow that does not exist counts as deleted.
    pub async fn remove(&self, id: &str) -> Result<(), Fault> {
        found(self.call(Method::DELETE, &format!("/{id}"), None).await).map(drop)
    }

    /// Whether n8n reports that it serves.
    pub async fn serves(&self, id: &str) -> Result<bool, Fault> {
        let workflow = self.workflow(id).await?;
        Ok(workflow.active == Some(true) || workflow.active_version_id.is_some())
    }

    /// Whether a workflow allows `caller` to run it: n8n checks the settings of the called one.
    pub async fn allows_caller(&self, id: &str, caller: &str) -> Result<bool, Fault> {
        let settings = match self.workflow(id).await {
            Err(Fault { status: 404, .. }) => return Ok(false),
            answer => answer?.settings,
        };
        let mut callers = tenancy::text(&settings, "callerIds").split(',');
        let policy = tenancy::text(&settings, "callerPolicy");
        Ok(policy == "workflowsFromAList" && callers.any(|id| id.trim() == caller))
    }

    async fn workflow(&self, id: &str) -> Result<Known, Fault> {
        self.get(&format!("/{id}?excludePinnedData=true")).await
    }

    /// Whether a webhook is registered, without calling it: n8n answers a preflight with the registered methods. None
    /// if it does not say.
    pub async fn listens(&self, path: &str, method: &str) -> Option<bool> {
        let mut headers = Headers::new();
        let origin = HeaderValue::from_str(self.url).ok()?;
        headers.insert(http::header::ORIGIN, origin);
        let variable = self.webhooks();
        let response = self.send(variable, Method::OPTIONS, path, headers, None);
        let response = response.await.ok()?;
        let methods = text(&response.headers, "access-control-allow-methods")?;
        Some(methods.split(',').any(|listed| listed.trim() == method))
    }

    /// The variable with the address of webhooks.
    fn webhooks(&self) -> &'static str {
        match self.services.text(WEBHOOK_URL) {
            Some(_) => WEBHOOK_URL,
            None => URL,
        }
    }

    /// The public address of a webhook or a form, such as `webhook/<path>`.
    pub fn public(&self, path: &str) -> String {
        let address = self.services.text(WEBHOOK_URL).unwrap_or(self.url);
        format!("{address}/{path}")
    }

    /// Whether workflows of all users may use this credential of the instance.
    pub fn shares(&self, credential: &str) -> bool {
        let mut shared = self.services.list("N8N_CREDENTIALS").iter();
        shared.any(|id| id == "*" || id == credential)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Fault> {
        let answer = self.call(Method::GET, path, None).await?;
        read(&answer).ok_or_else(unreadable)
    }

    /// The body of a 2xx.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Vec<u8>, Fault> {
        let request = format!("{method} workflows");
        let mut headers = Headers::new();
        let key = HeaderValue::from_str(self.key)
            .map_err(|_| Fault::new("key", 0, "N8N_API_KEY is not a valid header value"))?;
        headers.insert("x-n8n-api-key", key);
        headers.insert("accept", HeaderValue::from_static("application/json"));
        if body.is_some() {
            let kind = HeaderValue::from_static("application/json");
            headers.insert(http::header::CONTENT_TYPE, kind);
        }
        let path = format!("api/v1/workflows{path}");
        let response = self.send(URL, method, &path, headers, body).await?;
        let status = response.status;
        let bytes = match response.body {
            Body::Bytes(bytes) => bytes,
            _ => Vec::new(),
        };
        if status.is_success() {
            return Ok(bytes);
        }
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let words = tenancy::text(&answer, "message");
        let words: String = words.chars().take(500).collect();
        let (reason, words) = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ("key", ""),
            StatusCode::CONFLICT => ("conflict", words.as_str()),
            StatusCode::BAD_REQUEST => ("rejected", words.as_str()),
            StatusCode::TOO_MANY_REQUESTS => ("unreachable", ""),
            _ if status.is_client_error() => ("rejected", ""),
            _ => ("unreachable", ""),
        };
        // Only what n8n says about the workflow is for its owner, and never the edge's key, even if n8n repeats it.
        let words = words.replace(self.key, "…");
        let message = format!("{request}: n8n answered {} {words}", status.as_u16());
        Err(Fault::new(reason, status.as_u16(), message.trim_end()))
    }

    async fn send(
        &self,
        variable: &str,
        method: Method,
        path: &str,
        headers: Headers,
        body: Option<&Value>,
    ) -> Result<Response<()>, Fault> {
        let request = ServiceRequest {
            variable,
            method,
            path,
            headers,
            body: body.map_or(Vec::new(), |body| body.to_string().into_bytes()),
            deadline_ms: DEADLINE_MS,
            max_answer_bytes: MAX_ANSWER_BYTES,
        };
        let response = self.services.send(request).await;
        response.map_err(|sent| match sent {
            SendFault::Body(_) => Fault::new("unreachable", 0, "n8n's answer broke off"),
            _ => Fault::new("unreachable", 0, "n8n did not answer"),
        })
    }
}

fn read<T: DeserializeOwned>(answer: &[u8]) -> Option<T> {
    serde_json::from_slice(answer).ok().and_then(fields)
}

fn unreadable() -> Fault {
    Fault::new("unreachable", 200, "n8n's answer cannot be read")
}

/// Whether the workflow existed.
fn found<T>(answer: Result<T, Fault>) -> Result<bool, Fault> {
    match answer {
        Ok(_) => Ok(true),
        Err(Fault { status: 404, .. }) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Whether it is a valid id: ids go into paths, and into a column with this form.
fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}
