//! The configuration: reads named variables once per isolate into typed values, and refuses a bad one by its name.
//!
//! No stage reads a variable; they read this. Nothing here can be printed: types that hold secrets do not derive
//! `Debug`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64ct::{Base64UrlUnpadded, Encoding};
use http::HeaderValue;
use jwt_compact::alg::Hs256Key;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;
use crate::json;
use crate::services::{self, Service, Services};
use crate::url::Url;

/// The fewest bytes of an HMAC key (RFC 7518, section 3.2).
const MIN_KEY_BYTES: usize = 32;
/// Bytes of an AES-256 key.
const SEALING_KEY_BYTES: usize = 32;
/// The most characters of a system's text, if its manifest names no other limit.
const MAX_TEXT: usize = 2000;
/// The highest number in the name of a sealing key's variable.
const MAX_SEALING_KEYS: u32 = 99;

/// What the edge may do, and the services that it reaches.
pub struct Config {
    /// PostgREST's address without a slash at the end.
    pub postgrest_url: String,
    /// The address of a PostgREST on a read replica, if there is one.
    pub postgrest_read_url: Option<String>,
    /// Signs the edge's own tokens and keys the hashes of addresses.
    pub signing_key: SigningKey,
    /// Opaque keys that browsers may carry. Two may be live during a rotation.
    pub publishable_keys: Vec<String>,
    /// The trusted issuers of tokens.
    pub issuers: Vec<Issuer>,
    /// The audience of the edge's own tokens: PostgREST's `jwt-aud`.
    pub audience: String,
    /// Sites whose scripts may read answers and to which forms may redirect: scheme, host and port, compared exactly.
    pub allowed_origins: Vec<String>,
    /// The limits of a request.
    pub limits: Limits,
    /// Turnstile, which tells people from programs, if it is configured.
    pub turnstile: Option<Turnstile>,
    /// Seconds for which the platform caches anonymous reads, by `schema.relation`.
    pub cached_reads: Vec<(String, u32)>,
    /// The keys that seal secrets, `KEK_<n>`, with the highest number first.
    pub sealing_keys: Vec<SealingKey>,
    /// The services behind the edge beside PostgREST.
    pub services: Services,
    /// Schemas that the data API serves: those of the systems and of `SCHEMAS`. The first one is the default.
    pub schemas: Vec<String>,
    /// The variables of systems that are set, by name. Those with addresses by name are lists of the names; each address is a text
    /// of its own, under the variable's name, a dot and the address's.
    settings: BTreeMap<String, Setting>,
}

/// A variable of a system, as its manifest describes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Variables that must be set when this one is.
    #[serde(default)]
    pub with: Vec<String>,
    /// The most characters of a text.
    pub max_length: Option<usize>,
}

/// What a variable holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A text in one line.
    Text,
    /// A text that nobody may see.
    Secret,
    /// A key: at least 32 random bytes in base64url.
    Key,
    /// Texts, separated by commas.
    List,
    /// The http or https address of a service that the edge calls.
    Upstream,
    /// Such addresses by name.
    Upstreams,
    /// An address that pages link to: https, or http on a loopback address.
    Page,
}

impl Kind {
    const NAMES: [(Self, &str); 7] = [
        (Self::Text, "text"),
        (Self::Secret, "secret"),
        (Self::Key, "key"),
        (Self::List, "list"),
        (Self::Upstream, "upstream"),
        (Self::Upstreams, "upstreams"),
        (Self::Page, "page"),
    ];

    /// Its name in manifests.
    pub(crate) fn name(self) -> &'static str {
        let mut names = Self::NAMES.iter();
        names
            .find(|(kind, _)| *kind == self)
            .map_or("", |(_, name)| name)
    }

    /// The kind of a name in manifests.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let mut names = Self::NAMES.iter();
        names.find(|(_, own)| *own == name).map(|(kind, _)| *kind)
    }
}

/// The value of a system's variable.
enum Setting {
    Text(String),
    List(Vec<String>),
}

/// A key-encryption key, for AES-256-GCM.
pub struct SealingKey {
    /// The number in its variable's name.
    pub version: u32,
    /// 32 bytes.
    pub bytes: Vec<u8>,
}

/// The limits of a request: the variable `LIMITS`, a JSON object with any of these fields. The body limit of a purpose
/// endpoint stands in its route.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The most bytes of path and query in the data API.
    pub uri_bytes: usize,
    /// The most bytes of a body in the data API.
    pub body_bytes: usize,
    /// The most rows of an answer.
    pub rows: u64,
    /// The most levels of relations embedded in each other.
    pub embed_depth: usize,
    /// The most embedded relations in all.
    pub embeds: usize,
    /// The most bytes of an answer of the data API, except to a server; 0 for no limit.
    pub answer_bytes: usize,
    /// Milliseconds that PostgREST has to answer.
    pub deadline_ms: u32,
    /// Milliseconds that a client has to send its body.
    pub upload_ms: u32,
    /// Milliseconds that a service behind the edge has to answer.
    pub service_ms: u32,
    /// The most bytes of a body for storage.
    pub storage_bytes: usize,
    /// Milliseconds that a client has to send a body for storage.
    pub storage_upload_ms: u32,
    /// The most bytes of a body for a function.
    pub function_bytes: usize,
    /// The most attempts to sign in that one address makes at once; 0 for no limit.
    pub address_attempts: usize,
    /// The same for one account.
    pub account_attempts: usize,
    /// The most listeners to changes of rows that an isolate has at once.
    pub listeners: usize,
    /// The same for one user.
    pub user_listeners: usize,
    /// The most requests to the database that one listener sends, for itself and for all others.
    pub listener_polls: usize,
    /// The most requests of an isolate that may wait for PostgREST at once.
    pub waiting: usize,
    /// The most requests of one user that an isolate sends to PostgREST at once; 0 for no limit.
    pub caller_connections: usize,
    /// The same for one anonymous caller, by address.
    pub address_connections: usize,
    /// The same for all anonymous callers together.
    pub anonymous_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            uri_bytes: 16 * 1024,
            body_bytes: 1024 * 1024,
            rows: 1000,
            embed_depth: 4,
            embeds: 20,
            answer_bytes: 64 * 1024 * 1024,
            deadline_ms: 10_000,
            upload_ms: 30_000,
            service_ms: 60_000,
            // Supabase's own limit of a file, unless the project changes it.
            storage_bytes: 50 * 1024 * 1024,
            storage_upload_ms: 300_000,
            function_bytes: 10 * 1024 * 1024,
            address_attempts: 30,
            account_attempts: 10,
            listeners: 2000,
            user_listeners: 20,
            // Cloudflare lets one request cause a thousand others.
            listener_polls: 800,
            waiting: 500,
            caller_connections: 3,
            address_connections: 2,
            anonymous_connections: 7,
        }
    }
}

/// Cloudflare's Turnstile.
pub struct Turnstile {
    /// The site's secret.
    pub secret: String,
    /// The address that verifies Turnstile's tokens.
    pub url: String,
}

/// The edge's own key.
pub struct SigningKey {
    /// The raw bytes, at least 32.
    bytes: Vec<u8>,
    /// The same key, for signing tokens.
    pub hs256: Hs256Key,
}

impl SigningKey {
    /// The raw bytes, to derive other keys from.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// One trusted issuer: an entry of the `ISSUERS` array, `{"issuer","audience","roles"}` with either `"jwks_url"`
/// (asymmetric keys) or `"secret"` (HS256). An issuer that moves from a secret to keys has an entry for each.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// Compared exactly with `iss`.
    pub issuer: String,
    /// Compared exactly with `aud`. None for tokens without one, such as Supabase's legacy `anon` and `service_role`
    /// keys; such an issuer may not assert users.
    pub audience: Option<String>,
    /// The address of its public keys: https, or http on a loopback address.
    pub jwks_url: Option<String>,
    /// Its HS256 secret, at least 32 bytes.
    pub secret: Option<String>,
    /// The roles that its tokens may assert.
    pub roles: Vec<String>,
}

/// The roles that an issuer can be allowed to assert. The edge's own role is not among them.
const ISSUER_ROLES: [&str; 3] = ["anon", "authenticated", "service_role"];

impl Config {
    /// Reads the configuration through `variable`, which gives the text of a variable or secret. `schemas` and `variables` are
    /// those of the systems; only relations of these schemas, and of those in `SCHEMAS`, may be cached.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] with the name of the first variable that is missing or wrong.
    pub fn read(
        variable: impl Fn(&str) -> Option<String>,
        schemas: &[String],
        variables: &[Variable],
    ) -> Result<Self, Error> {
        let optional = |name: &'static str| variable(name).filter(|text| !text.trim().is_empty());
        let required = |name: &'static str, wanted: &'static str| {
            optional(name).ok_or_else(|| misconfigured(name, wanted))
        };
        let list = |name: &str| parts(&variable(name).unwrap_or_default());
        let schemas = served_schemas(schemas, list("SCHEMAS"))?;
        let project = optional("SUPABASE_URL");
        let project = project.map(|text| upstream("SUPABASE_URL", &text));
        let project = project.transpose()?;
        let project = project.as_deref();
        let postgrest_url = match (optional("POSTGREST_URL"), project) {
            (None, Some(project)) => [project, "/rest/v1"].concat(),
            (text, _) => {
                let wanted = "PostgREST's http or https address";
                let text = text.ok_or_else(|| misconfigured("POSTGREST_URL", wanted))?;
                upstream("POSTGREST_URL", &text)?
            }
        };
        let addresses = [
            optional("AUTH_URL"),
            optional("REALTIME_URL"),
            optional("STORAGE_URL"),
            optional("FUNCTIONS_URL"),
        ];
        let key = optional("SUPABASE_PUBLISHABLE_KEY");
        let services = services_behind(addresses, key, project, &postgrest_url)?;
        let mut publishable_keys = publishable_keys(list("PUBLISHABLE_KEYS"))?;
        publishable_keys.extend(services.key.clone());
        Ok(Self {
            postgrest_url,
            signing_key: signing_key(&required("EDGE_SIGNING_KEY", SIGNING_KEY_WANTED)?)?,
            publishable_keys,
            issuers: match (optional("ISSUERS"), project) {
                (None, Some(project)) => vec![issuer_of(project)?],
                (text, _) => {
                    let missing = || misconfigured("ISSUERS", ISSUERS_WANTED);
                    issuers(&text.ok_or_else(missing)?)?
                }
            },
            services,
            audience: optional("JWT_AUDIENCE").unwrap_or_else(|| "authenticated".to_owned()),
            allowed_origins: origins(list("ALLOWED_ORIGINS"))?,
            postgrest_read_url: optional("POSTGREST_READ_URL")
                .map(|text| upstream("POSTGREST_READ_URL", &text))
                .transpose()?,
            limits: optional("LIMITS")
                .map_or_else(|| Ok(Limits::default()), |text| limits(&text))?,
            turnstile: turnstile(optional("TURNSTILE_SECRET"), optional("TURNSTILE_URL"))?,
            cached_reads: optional("CACHED_READS")
                .map_or_else(|| Ok(Vec::new()), |text| cached_reads(&text, &schemas))?,
            settings: settings(&variable, variables)?,
            sealing_keys: sealing_keys(variable)?,
            schemas,
        })
    }

    /// The text of a system's variable, if it is set. `NAME.entry` is an address of one of the kind `upstreams`.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.settings.get(name)? {
            Setting::Text(text) => Some(text),
            Setting::List(_) => None,
        }
    }

    /// The texts of a system's variable of the kind `list`, or the names of one of the kind `upstreams`; none if it is not set.
    #[must_use]
    pub fn list(&self, name: &str) -> &[String] {
        match self.settings.get(name) {
            Some(Setting::List(list)) => list,
            _ => &[],
        }
    }

    /// Whether a variable of a system is set, or the core's [`FIRST_KEK`].
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.settings.contains_key(name) || (name == FIRST_KEK && !self.sealing_keys.is_empty())
    }

    /// The key with which new secrets are sealed.
    ///
    /// # Errors
    /// [`Error::NotConfigured`] if there is none.
    pub fn newest_kek(&self) -> Result<&SealingKey, Error> {
        let variable = || Error::NotConfigured {
            variable: FIRST_KEK.into(),
        };
        self.sealing_keys.first().ok_or_else(variable)
    }

    /// The `KEK_<n>` of a number.
    ///
    /// # Errors
    /// [`Error::NotConfigured`] with its name if it is not set.
    pub fn kek(&self, version: u32) -> Result<&SealingKey, Error> {
        let variable = || Error::NotConfigured {
            variable: format!("KEK_{version}").into(),
        };
        let mut keys = self.sealing_keys.iter();
        keys.find(|key| key.version == version).ok_or_else(variable)
    }

    /// Checks that these variables of a system are set.
    ///
    /// # Errors
    /// [`Error::NotConfigured`] with the name of the first one that is not.
    pub fn require(&self, names: &[String]) -> Result<(), Error> {
        match names.iter().find(|name| !self.settings.contains_key(*name)) {
            None => Ok(()),
            Some(missing) => Err(Error::NotConfigured {
                variable: missing.clone().into(),
            }),
        }
    }
}

/// The variable with the first key that secrets are sealed under.
pub const FIRST_KEK: &str = "KEK_1";

/// The names of the core's variables, which no system's variable may have. `KEK_<n>` are the core's, too.
pub const OWN_VARIABLES: [&str; 19] = [
    "SUPABASE_URL",
    "SUPABASE_PUBLISHABLE_KEY",
    "AUTH_URL",
    "REALTIME_URL",
    "STORAGE_URL",
    "FUNCTIONS_URL",
    "POSTGREST_URL",
    "POSTGREST_READ_URL",
    "EDGE_SIGNING_KEY",
    "PUBLISHABLE_KEYS",
    "ISSUERS",
    "JWT_AUDIENCE",
    "ALLOWED_ORIGINS",
    "LIMITS",
    "SCHEMAS",
    "TURNSTILE_SECRET",
    "TURNSTILE_URL",
    "CACHED_READS",
    "RATE_LIMITER",
];

/// The texts between commas.
fn parts(text: &str) -> Vec<String> {
    let parts = text.split(',').map(str::trim);
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

/// Whether it is the name of a schema, a function or an argument: lower-case letters, digits and `_`, 63 at most.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Schemas that the data API must not serve, one a line. A name that ends with `*` stands for all names that begin so.
const RESERVED_SCHEMAS: &str = include_str!("../systems/reserved_schemas.txt");

/// Whether a schema is the core's, PostgreSQL's or Supabase's, which the data API must not serve.
#[must_use]
pub fn is_reserved_schema(name: &str) -> bool {
    RESERVED_SCHEMAS
        .lines()
        .any(|reserved| match reserved.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == reserved,
        })
}

/// The schemas of the systems, and those of `SCHEMAS`.
fn served_schemas(of_systems: &[String], more: Vec<String>) -> Result<Vec<String>, Error> {
    let mut schemas = of_systems.to_vec();
    for name in more {
        if !is_name(&name) || is_reserved_schema(&name) {
            let wanted = "names of schemas, separated by commas: lower-case letters, digits and _, and none of the core's, PostgreSQL's or Supabase's";
            return Err(misconfigured("SCHEMAS", wanted));
        }
        if !schemas.contains(&name) {
            schemas.push(name);
        }
    }
    Ok(schemas)
}

/// The variables of systems that are set.
fn settings(
    variable: impl Fn(&str) -> Option<String>,
    variables: &[Variable],
) -> Result<BTreeMap<String, Setting>, Error> {
    let mut settings = BTreeMap::new();
    for described in variables {
        let text = variable(&described.name).filter(|text| !text.trim().is_empty());
        let Some(text) = text else {
            continue;
        };
        if described.kind == Kind::Upstreams {
            for (name, address) in upstreams(&described.name, &text)? {
                let name = [&described.name, ".", &name].concat();
                settings.insert(name, Setting::Text(address));
            }
        }
        settings.insert(described.name.clone(), setting(described, &text)?);
    }
    for described in variables
        .iter()
        .filter(|one| settings.contains_key(&one.name))
    {
        let mut needed = described.with.iter();
        if let Some(missing) = needed.find(|name| !settings.contains_key(*name)) {
            let wanted = format!("a value, since {} is set", described.name);
            return Err(misconfigured(missing.clone(), wanted));
        }
    }
    Ok(settings)
}

/// The value of a variable.
fn setting(described: &Variable, text: &str) -> Result<Setting, Error> {
    let name = &described.name;
    Ok(Setting::Text(match described.kind {
        Kind::List => return Ok(Setting::List(parts(text))),
        Kind::Upstreams => {
            let names = upstreams(name, text)?.into_iter().map(|(name, _)| name);
            return Ok(Setting::List(names.collect()));
        }
        Kind::Upstream => upstream(name, text)?,
        Kind::Page if is_safe_address(text.trim()) => text.trim().to_owned(),
        Kind::Page => {
            let wanted = "an https address, or http on a loopback address";
            return Err(misconfigured(name.clone(), wanted));
        }
        Kind::Secret => text.to_owned(),
        Kind::Key => {
            let key = key_bytes(text).ok_or_else(|| misconfigured(name.clone(), KEY_WANTED))?;
            // Kept as the text of the configuration is: without white space.
            Base64UrlUnpadded::encode_string(&key)
        }
        Kind::Text => {
            let text = text.trim();
            let max = described.max_length.unwrap_or(MAX_TEXT);
            if text.chars().count() > max || text.contains(char::is_control) {
                let wanted = format!("at most {max} characters, and no control characters");
                return Err(misconfigured(name.clone(), wanted));
            }
            text.to_owned()
        }
    }))
}

const TURNSTILE_URL: &str = "https://challenges.cloudflare.com/turnstile/v0/siteverify";
const SIGNING_KEY_WANTED: &str = "at least 32 random bytes in base64url, the same as the `k` of the key `edge` in PostgREST's jwt-secret";
const KEY_WANTED: &str = "at least 32 random bytes in base64url";
const UPSTREAMS_WANTED: &str = "pairs such as local=http://127.0.0.1:11434/v1, separated by commas: a name of lower-case letters, digits and _, each once, and an http or https address without query or credentials";
const SEALING_KEY_WANTED: &str = "32 random bytes in base64url";
const LIMITS_WANTED: &str = "a JSON object with any of uri_bytes, body_bytes, rows, embed_depth, embeds, answer_bytes, deadline_ms, upload_ms, service_ms, storage_bytes, storage_upload_ms, function_bytes, address_attempts, account_attempts, listeners, user_listeners, listener_polls, waiting, caller_connections, address_connections and anonymous_connections. Each is a number above 0; answer_bytes, the three of connections and the two of attempts may be 0 for no limit. Times are at most 300000; body_bytes and function_bytes at most 100000000, storage_bytes 2000000000";
const CACHED_READS_WANTED: &str =
    r#"a JSON object such as {"marketing.plans": 60}: 1 to 86400 seconds by schema.relation"#;
const ISSUERS_WANTED: &str =
    r#"a JSON array of {"issuer","audience","roles"} with "jwks_url" or "secret""#;

fn misconfigured(
    name: impl Into<Cow<'static, str>>,
    wanted: impl Into<Cow<'static, str>>,
) -> Error {
    Error::Misconfigured {
        name: name.into(),
        wanted: wanted.into(),
    }
}

fn upstream(variable: &str, text: &str) -> Result<String, Error> {
    let url = text.trim().trim_end_matches('/');
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['?', '#', '@', ' ']) => {
            Ok(url.to_owned())
        }
        _ => Err(misconfigured(
            variable.to_owned(),
            "an http or https address without query or credentials",
        )),
    }
}

/// The services behind the edge. `project` is the address of a Supabase project, and `key` its publishable key.
fn services_behind(
    addresses: [Option<String>; 4],
    key: Option<String>,
    project: Option<&str>,
    postgrest_url: &str,
) -> Result<Services, Error> {
    let mut services = Services::default();
    let places = services.addresses.iter_mut().zip(addresses);
    for ((place, own), service) in places.zip(Service::ALL) {
        let own = own.map(|text| upstream(service.variable(), &text));
        let of_project = || project.map(|project| [project, service.prefix()].concat());
        *place = own.transpose()?.or_else(of_project);
    }
    services.key = key.map(|key| key.trim().to_owned());
    if !services.key.as_deref().is_none_or(is_publishable) {
        let wanted = "the project's publishable key, `sb_publishable_...`, or its `anon` key; never a secret key";
        return Err(misconfigured("SUPABASE_PUBLISHABLE_KEY", wanted));
    }
    let of_project = |project: &str| {
        let rest = postgrest_url.strip_prefix(project);
        rest.is_some_and(|rest| rest.starts_with('/'))
    };
    if project.is_some_and(of_project) {
        let key = services.key.as_deref().map(HeaderValue::from_str);
        services.data_key = key.and_then(Result::ok);
    }
    Ok(services)
}

/// Whether it is a key that everybody may see: an opaque one, or a token of the role anon.
fn is_publishable(key: &str) -> bool {
    let is_anon = || services::claimed_role(key).is_some_and(|role| role == "anon");
    let is_opaque = is_opaque_key(key) && !services::is_secret_key(key);
    is_opaque || is_anon() && key.bytes().all(|b| b.is_ascii_graphic())
}

/// The issuer of a Supabase project.
fn issuer_of(project: &str) -> Result<Issuer, Error> {
    let issuer = [project, Service::Auth.prefix()].concat();
    let jwks_url = [&*issuer, "/.well-known/jwks.json"].concat();
    if !is_safe_address(&jwks_url) {
        let wanted = "https, or http on a loopback address, unless ISSUERS is set";
        return Err(misconfigured("SUPABASE_URL", wanted));
    }
    Ok(Issuer {
        issuer,
        audience: Some("authenticated".into()),
        jwks_url: Some(jwks_url),
        secret: None,
        roles: vec!["authenticated".into()],
    })
}

/// The addresses of services by name.
fn upstreams(variable: &str, text: &str) -> Result<Vec<(String, String)>, Error> {
    let mut addresses: Vec<(String, String)> = Vec::new();
    for part in parts(text) {
        let (name, address) = part.split_once('=').unwrap_or((&part, ""));
        let name = name.trim();
        let is_new = addresses.iter().all(|(known, _)| known != name);
        let address = upstream(variable, address).ok();
        match address.filter(|_| is_name(name) && is_new) {
            Some(address) => addresses.push((name.to_owned(), address)),
            None => {
                return Err(misconfigured(variable.to_owned(), UPSTREAMS_WANTED));
            }
        }
    }
    Ok(addresses)
}

fn turnstile(secret: Option<String>, url: Option<String>) -> Result<Option<Turnstile>, Error> {
    let url = url.unwrap_or_else(|| TURNSTILE_URL.to_owned());
    // The secret is sent to this address.
    if !is_safe_address(&url) {
        let wanted = "an https address, or http on a loopback address";
        return Err(misconfigured("TURNSTILE_URL", wanted));
    }
    Ok(secret.map(|secret| Turnstile { secret, url }))
}

fn limits(text: &str) -> Result<Limits, Error> {
    read_limits(text).ok_or_else(|| misconfigured("LIMITS", LIMITS_WANTED))
}

fn read_limits(text: &str) -> Option<Limits> {
    let limits: Limits = object(text)?;
    let sizes = [
        (limits.uri_bytes, 1, 64 * 1024),
        (limits.body_bytes, 1, 100_000_000),
        (limits.embed_depth, 1, 100),
        (limits.embeds, 1, 10_000),
        (limits.answer_bytes, 0, 2_000_000_000),
        (limits.storage_bytes, 1, 2_000_000_000),
        (limits.function_bytes, 1, 100_000_000),
        (limits.address_attempts, 0, 100_000),
        (limits.account_attempts, 0, 100_000),
        (limits.listeners, 1, 100_000),
        (limits.user_listeners, 1, 100_000),
        (limits.listener_polls, 1, 1_000_000),
        (limits.waiting, 1, 100_000),
        (limits.caller_connections, 0, 100_000),
        (limits.address_connections, 0, 100_000),
        (limits.anonymous_connections, 0, 100_000),
    ];
    let times = [
        limits.deadline_ms,
        limits.upload_ms,
        limits.service_ms,
        limits.storage_upload_ms,
    ];
    let fits = sizes
        .iter()
        .all(|(size, min, max)| (min..=max).contains(&size))
        && times.iter().all(|ms| (1..=300_000).contains(ms))
        && limits.rows > 0;
    fits.then_some(limits)
}

/// A JSON object that names no field twice, as a type of serde's.
fn object<T: DeserializeOwned>(text: &str) -> Option<T> {
    json::fields(json::object(text)?.into())
}

fn cached_reads(text: &str, schemas: &[String]) -> Result<Vec<(String, u32)>, Error> {
    read_cached_reads(text, schemas)
        .ok_or_else(|| misconfigured("CACHED_READS", CACHED_READS_WANTED))
}

fn read_cached_reads(text: &str, schemas: &[String]) -> Option<Vec<(String, u32)>> {
    let reads: BTreeMap<String, u32> = object(text)?;
    let fits = reads.iter().all(|(name, seconds)| {
        name.split_once('.').is_some_and(|(schema, relation)| {
            schemas.iter().any(|served| served == schema) && !relation.is_empty()
        }) && (1..=86_400).contains(seconds)
    });
    fits.then(|| reads.into_iter().collect())
}

/// The bytes of a key in base64url, if they are enough.
fn key_bytes(text: &str) -> Option<Vec<u8>> {
    let bytes = Base64UrlUnpadded::decode_vec(text.trim()).ok()?;
    (bytes.len() >= MIN_KEY_BYTES).then_some(bytes)
}

fn signing_key(text: &str) -> Result<SigningKey, Error> {
    let bytes =
        key_bytes(text).ok_or_else(|| misconfigured("EDGE_SIGNING_KEY", SIGNING_KEY_WANTED))?;
    Ok(SigningKey {
        hs256: Hs256Key::new(&bytes),
        bytes,
    })
}

fn sealing_keys(variable: impl Fn(&str) -> Option<String>) -> Result<Vec<SealingKey>, Error> {
    let set = (1..=MAX_SEALING_KEYS).rev().filter_map(|version| {
        let text = variable(&format!("KEK_{version}")).filter(|text| !text.trim().is_empty());
        Some((version, text?))
    });
    let read = |(version, text): (u32, String)| {
        let bytes = Base64UrlUnpadded::decode_vec(text.trim()).ok();
        let bytes = bytes.filter(|bytes| bytes.len() == SEALING_KEY_BYTES);
        let wanted = || misconfigured(format!("KEK_{version}"), SEALING_KEY_WANTED);
        let bytes = bytes.ok_or_else(wanted)?;
        Ok(SealingKey { version, bytes })
    };
    set.map(read).collect()
}

/// A dot would make a key look like a token, and a short key could be guessed.
fn is_opaque_key(key: &str) -> bool {
    key.len() >= 20
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}

fn publishable_keys(keys: Vec<String>) -> Result<Vec<String>, Error> {
    if keys.iter().all(|key| is_opaque_key(key)) {
        Ok(keys)
    } else {
        Err(misconfigured(
            "PUBLISHABLE_KEYS",
            "keys of at least 20 letters, digits, `_` or `-`, separated by commas",
        ))
    }
}

fn issuers(text: &str) -> Result<Vec<Issuer>, Error> {
    let wanted = || misconfigured("ISSUERS", ISSUERS_WANTED);
    let read = json::read(text.as_bytes()).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let wanted = format!("{ISSUERS_WANTED} (line {line}, column {column})");
        misconfigured("ISSUERS", wanted)
    })?;
    // serde would read an array as the fields of an entry in their order.
    let entries = read
        .as_array()
        .is_some_and(|all| all.iter().all(Value::is_object));
    if !entries {
        return Err(wanted());
    }
    let issuers: Vec<Issuer> = serde_json::from_value(read).map_err(|_| wanted())?;
    if issuers.is_empty() {
        return Err(misconfigured("ISSUERS", ISSUERS_WANTED));
    }
    for issuer in &issuers {
        let fault = |what: &str| {
            Err(misconfigured(
                "ISSUERS",
                format!("{}: {what}", issuer.issuer),
            ))
        };
        match (&issuer.jwks_url, &issuer.secret) {
            (Some(url), None) if !is_safe_address(url) => {
                return fault("jwks_url must be https, or http on a loopback address");
            }
            (None, Some(secret)) if secret.len() < MIN_KEY_BYTES => {
                return fault("secret must have at least 32 bytes");
            }
            (Some(_), None) | (None, Some(_)) => {}
            _ => return fault("exactly one of jwks_url and secret is needed"),
        }
        if issuer.issuer.is_empty() || issuer.audience.as_ref().is_some_and(String::is_empty) {
            return fault("issuer and audience must not be empty");
        }
        if issuer.audience.is_none() && issuer.roles.iter().any(|role| role == "authenticated") {
            return fault("an issuer of users' tokens needs an audience");
        }
        if issuer.roles.is_empty()
            || issuer
                .roles
                .iter()
                .any(|role| !ISSUER_ROLES.contains(&role.as_str()))
        {
            return fault("roles must be a list of anon, authenticated and service_role");
        }
        if issuers
            .iter()
            .filter(|other| {
                other.issuer == issuer.issuer && other.secret.is_some() == issuer.secret.is_some()
            })
            .count()
            > 1
        {
            return fault("has two entries with jwks_url, or two with secret");
        }
    }
    Ok(issuers)
}

/// Whether the edge may fetch keys from this address and send secrets to it.
fn is_safe_address(text: &str) -> bool {
    let Ok(url) = Url::new(text) else {
        return false;
    };
    let is_loopback = || matches!(&*url.hostname(), "127.0.0.1" | "localhost" | "[::1]");
    let is_safe = match &*url.protocol() {
        "https:" => true,
        "http:" => is_loopback(),
        _ => false,
    };
    is_safe && url.username().is_empty() && url.password().is_empty()
}

fn origins(origins: Vec<String>) -> Result<Vec<String>, Error> {
    // Origins become part of a header, where some characters that a host may contain have another meaning.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.:/[]_".contains(&b);
    // As browsers write it, or it would never match: lower case, no default port, no path.
    let good = |origin: &String| {
        origin.bytes().all(plain)
            && Url::new(origin).is_ok_and(|url| {
                matches!(&*url.protocol(), "http:" | "https:") && url.origin() == *origin
            })
    };
    if origins.iter().all(good) {
        Ok(origins)
    } else {
        Err(misconfigured(
            "ALLOWED_ORIGINS",
            "origins as browsers write them, such as https://www.example.org, separated by commas",
        ))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A complete configuration, with one variable replaced (or removed, if empty).
    pub(crate) fn with(name: &str, value: &str) -> Result<Config, Error> {
        let read = |variable: &str| {
            if variable == name {
                return (!value.is_empty()).then(|| value.to_owned());
            }
            let text = match variable {
                "POSTGREST_URL" => "http://127.0.0.1:3000/",
                "EDGE_SIGNING_KEY" => "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE",
                "ISSUERS" => {
                    r#"[{"issuer":"https://id.test","audience":"authenticated","secret":"0123456789012345678901234567890123456789","roles":["authenticated","anon","service_role"]}]"#
                }
                "PUBLISHABLE_KEYS" => "rgpub_0123456789abcdef",
                "ALLOWED_ORIGINS" => "https://www.example.org, http://localhost:3000",
                _ => return None,
            };
            Some(text.to_owned())
        };
        Config::read(read, &["marketing".into()], &variables())
    }

    /// A variable of each kind.
    fn variables() -> Vec<Variable> {
        let variable = |name: &str, kind| Variable {
            name: name.into(),
            kind,
            with: Vec::new(),
            max_length: (kind == Kind::Text).then_some(200),
        };
        vec![
            variable("A_NAME", Kind::Text),
            variable("A_SECRET", Kind::Secret),
            variable("SOME_IDS", Kind::List),
            Variable {
                with: vec!["A_SECRET".into()],
                ..variable("A_SERVICE", Kind::Upstream)
            },
            variable("A_PAGE", Kind::Page),
            variable("A_KEY", Kind::Key),
            variable("SOME_SERVICES", Kind::Upstreams),
        ]
    }

    #[test]
    fn variables_of_systems_are_read_by_name() {
        let cases = [
            ("A_NAME", " Ann ", "Ann"),
            ("A_SECRET", " s ", " s "),
            (
                "A_KEY",
                " MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE\n",
                "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE",
            ),
            (
                "A_PAGE",
                "https://www.example.org/x",
                "https://www.example.org/x",
            ),
        ];
        for (name, value, wanted) in cases {
            let config = with(name, value).ok().unwrap();
            assert_eq!(config.text(name), Some(wanted));
            assert_eq!(config.require(&[name.to_owned()]), Ok(()));
            let other = Error::NotConfigured {
                variable: "SOME_IDS".into(),
            };
            assert_eq!(config.require(&["SOME_IDS".to_owned()]), Err(other));
        }
        let config = with("SOME_IDS", "a, b,,").ok().unwrap();
        assert_eq!(config.list("SOME_IDS"), ["a", "b"]);
        assert!(config.list("A_NAME").is_empty() && config.text("A_NAME").is_none());
        let missing = with("A_SERVICE", "https://x.example");
        assert!(matches!(missing, Err(Error::Misconfigured { name, .. }) if name == "A_SECRET"));
    }

    #[test]
    fn addresses_of_services_are_read_by_name() {
        let config = with(
            "SOME_SERVICES",
            " one = https://one.example/v1/ ,two_2=http://10.0.0.1:8000,",
        );
        let config = config.ok().unwrap();
        assert_eq!(config.list("SOME_SERVICES"), ["one", "two_2"]);
        assert!(config.is_set("SOME_SERVICES") && config.text("SOME_SERVICES").is_none());
        let text = |name: &str| config.text(&["SOME_SERVICES.", name].concat());
        assert_eq!(text("one"), Some("https://one.example/v1"));
        assert_eq!(text("two_2"), Some("http://10.0.0.1:8000"));
        assert_eq!((text("three"), text("")), (None, None));
        for wrong in [
            "https://one.example",
            "one=",
            "one=one.example",
            "one=https://key@one.example",
            "One=https://one.example",
            "a.b=https://one.example",
            "one=https://one.example,one=https://two.example",
        ] {
            let refused = with("SOME_SERVICES", wrong);
            assert!(
                matches!(refused, Err(Error::Misconfigured { name, .. }) if name == "SOME_SERVICES"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn the_list_of_own_variables_is_complete() {
        let read = std::cell::RefCell::new(Vec::new());
        let variable = |name: &str| {
            read.borrow_mut().push(name.to_owned());
            let given = match name {
                "POSTGREST_URL" => "http://127.0.0.1:3000",
                "EDGE_SIGNING_KEY" => "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE",
                "ISSUERS" => r#"[{"issuer":"supabase","roles":["anon"],"jwks_url":"https://x"}]"#,
                _ => return None,
            };
            Some(given.to_owned())
        };
        assert!(Config::read(variable, &[], &[]).is_ok());
        let mut read = read.into_inner();
        read.retain(|name| !name.starts_with("KEK_"));
        // The binding of the rate limiter shares the namespace of variables.
        read.push("RATE_LIMITER".into());
        read.sort();
        read.dedup();
        let mut own = OWN_VARIABLES;
        own.sort_unstable();
        assert_eq!(read, own);
    }

    #[test]
    fn plain_tables_may_have_schemas_of_their_own() {
        let config = with("SCHEMAS", "notes, marketing").ok().unwrap();
        assert_eq!(config.schemas, ["marketing", "notes"]);
        for odd in [
            "private",
            "pg_catalog",
            "auth",
            "vault",
            "graphql_public",
            "Notes",
            "a.b",
            "a b",
        ] {
            assert!(with("SCHEMAS", odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_complete_configuration_is_read() {
        let config = with("", "").map_err(|error| error.body()).ok().unwrap();
        assert_eq!(config.postgrest_url, "http://127.0.0.1:3000");
        assert_eq!(config.audience, "authenticated");
        assert_eq!(config.allowed_origins.len(), 2);
    }

    #[test]
    fn optional_variables_are_read() {
        let config = with("LIMITS", r#"{"rows":5}"#).ok().unwrap();
        assert_eq!((config.limits.rows, config.limits.embed_depth), (5, 4));
        let config = with("LIMITS", r#"{"answer_bytes":0,"embeds":3}"#)
            .ok()
            .unwrap();
        assert_eq!((config.limits.answer_bytes, config.limits.embeds), (0, 3));
        let config = with("CACHED_READS", r#"{"marketing.plans":60}"#)
            .ok()
            .unwrap();
        assert_eq!(config.cached_reads, [("marketing.plans".to_owned(), 60)]);
        let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE";
        let config = with("KEK_12", key).ok().unwrap();
        let version = |key: Result<&SealingKey, Error>| key.ok().map(|key| key.version);
        assert_eq!(version(config.newest_kek()), Some(12));
        assert_eq!(version(config.kek(12)), Some(12));
        let missing = |variable: &'static str| {
            Err(Error::NotConfigured {
                variable: variable.into(),
            })
        };
        assert_eq!(config.kek(1).map(|_| ()), missing("KEK_1"));
        let without = with("", "").ok().unwrap();
        assert_eq!(without.newest_kek().map(|_| ()), missing("KEK_1"));
        let keys = r#"[{"issuer":"supabase","roles":["anon","service_role"],"secret":"0123456789012345678901234567890123456789"}]"#;
        assert_eq!(
            with("ISSUERS", keys).ok().unwrap().issuers[0].audience,
            None
        );
    }

    #[test]
    fn a_missing_or_wrong_variable_is_refused_by_name() {
        let one = |fields: &str| format!(r#"[{{"issuer":"i","audience":"a",{fields}}}]"#);
        let long = "0123456789012345678901234567890123456789";
        let cases = [
            ("POSTGREST_URL", String::new()),
            ("POSTGREST_URL", "127.0.0.1:3000".into()),
            ("POSTGREST_URL", "https://user@host".into()),
            ("EDGE_SIGNING_KEY", String::new()),
            ("EDGE_SIGNING_KEY", "c2hvcnQ".into()),
            ("EDGE_SIGNING_KEY", "not base64url !".into()),
            ("PUBLISHABLE_KEYS", "short".into()),
            ("PUBLISHABLE_KEYS", "looks.like.a.token.but.is.not".into()),
            ("ISSUERS", String::new()),
            ("ISSUERS", "[]".into()),
            ("ISSUERS", "{".into()),
            ("ISSUERS", "{}".into()),
            ("ISSUERS", "[5]".into()),
            ("ISSUERS", one(r#""roles":[5],"jwks_url":"https://x""#)),
            ("ISSUERS", one(r#""roles":["anon"],"jwks_url":5"#)),
            ("ISSUERS", one(r#""roles":["authenticated"]"#)),
            (
                "ISSUERS",
                one(&format!(r#""roles":["edge"],"secret":"{long}""#)),
            ),
            ("ISSUERS", one(&format!(r#""roles":[],"secret":"{long}""#))),
            ("ISSUERS", one(r#""roles":["anon"],"secret":"short""#)),
            (
                "ISSUERS",
                one(r#""roles":["anon"],"jwks_url":"http://example.org/jwks""#),
            ),
            (
                "ISSUERS",
                one(r#""roles":["anon"],"jwks_url":"http://127.0.0.1.example.org/jwks""#),
            ),
            (
                "ISSUERS",
                one(&format!(
                    r#""roles":["anon"],"jwks_url":"https://x","secret":"{long}""#
                )),
            ),
            (
                "ISSUERS",
                one(&format!(
                    r#""roles":["anon"],"secret":"{long}","algorithm":"none""#
                )),
            ),
            (
                "ISSUERS",
                format!(r#"[{{"issuer":"i","secret":"{long}","roles":["authenticated"]}}]"#),
            ),
            (
                "ISSUERS",
                format!(
                    r#"[{{"issuer":"i","audience":"a","secret":"{long}","roles":["anon"]}},{{"issuer":"i","audience":"b","secret":"{long}","roles":["anon"]}}]"#
                ),
            ),
            ("POSTGREST_READ_URL", "127.0.0.1:3001".into()),
            ("TURNSTILE_URL", "http://example.org/".into()),
            ("A_NAME", "x".repeat(201)),
            ("A_NAME", "two\nlines".into()),
            ("A_PAGE", "www.example.org".into()),
            ("A_PAGE", "javascript:alert(1)".into()),
            ("A_PAGE", "http://example.org/".into()),
            ("A_SERVICE", "127.0.0.1:5678".into()),
            ("LIMITS", "{".into()),
            ("LIMITS", r#"{"row":5}"#.into()),
            ("LIMITS", r#"{"rows":0}"#.into()),
            ("LIMITS", r#"{"embeds":0}"#.into()),
            ("LIMITS", r#"{"answer_bytes":-1}"#.into()),
            ("LIMITS", r#"{"rows":"5"}"#.into()),
            ("LIMITS", r#"{"rows":5,"rows":6}"#.into()),
            ("LIMITS", "[5]".into()),
            ("LIMITS", r#"{"deadline_ms":3000000}"#.into()),
            ("CACHED_READS", r#"{"private.x":5}"#.into()),
            ("CACHED_READS", r#"{"marketing":5}"#.into()),
            ("CACHED_READS", r#"{"marketing.plans":"5"}"#.into()),
            ("CACHED_READS", r#"{"marketing.plans":0}"#.into()),
            ("KEK_7", "c2hvcnQ".into()),
            ("ALLOWED_ORIGINS", "*".into()),
            ("ALLOWED_ORIGINS", "https://example.org/path".into()),
            ("ALLOWED_ORIGINS", "example.org".into()),
            ("ALLOWED_ORIGINS", "https://Example.org".into()),
            ("ALLOWED_ORIGINS", "https://example.org:443".into()),
            ("ALLOWED_ORIGINS", "https://example.org;script-src".into()),
            ("ALLOWED_ORIGINS", "https://müller.example".into()),
        ];
        for (variable, value) in cases {
            match with(variable, &value) {
                Err(Error::Misconfigured { name, .. }) => assert_eq!(name, variable, "{value}"),
                _ => panic!("{variable}={value} was not refused"),
            }
        }
    }
}
