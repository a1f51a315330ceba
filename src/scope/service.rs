//! The services behind the edge: rebuilds a request for one of them from its path, its query and an allow-list of headers.

use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE, REFERER, USER_AGENT,
};
use http::{HeaderName, Method};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::headers::{set, set_trace};
use super::work::{Sharer, sharer};
use super::{guard, mint};
use crate::body::{self, read_all};
use crate::config::Config;
use crate::error::{Error, ORIGIN_NOT_ALLOWED, UPGRADE_REQUIRED};
use crate::headers::Headers;
use crate::isolate::Edge;
use crate::json;
use crate::message::{Body, KB, Outgoing, Request};
use crate::runtime::Platform;
use crate::services::{Service, is_secret_key};
use crate::verify::{self, Caller, is_from_browser};

/// A request to a service, and what its answer depends on.
pub(crate) struct Handed<B> {
    pub outgoing: Outgoing<B>,
    pub service: Service,
    /// The number of bytes that the client's body may have.
    pub body_limit: usize,
    /// Whether a browser opens a WebSocket: what it sends is read.
    pub is_watched: bool,
    /// In whose turns long bodies are passed on.
    pub sharer: Option<Sharer>,
    /// Bytes of the client's body.
    pub body_bytes: usize,
}

/// Request headers that are handed on unchanged: those that the clients of supabase-js send, and those of the protocol for
/// resumable uploads (tus).
static PASSED: [HeaderName; 24] = [
    ACCEPT,
    ACCEPT_LANGUAGE,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_TYPE,
    IF_MATCH,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_RANGE,
    RANGE,
    REFERER,
    USER_AGENT,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("tus-resumable"),
    HeaderName::from_static("upload-defer-length"),
    HeaderName::from_static("upload-length"),
    HeaderName::from_static("upload-metadata"),
    HeaderName::from_static("upload-offset"),
    HeaderName::from_static("x-client-info"),
    HeaderName::from_static("x-metadata"),
    HeaderName::from_static("x-region"),
    HeaderName::from_static("x-signature"),
    HeaderName::from_static("x-supabase-api-version"),
    HeaderName::from_static("x-upsert"),
];

/// Request headers that no function gets from a client: credentials, which the edge has checked and sets itself; what says where a
/// request comes from, which only the platform and the edge know; what belongs to one connection (RFC 9110, section 7.6.1) or to the
/// browser's rules for other origins, which the edge enforces; what asks for another method or path.
const WITHHELD: [&str; 29] = [
    "accept-encoding",
    "apikey",
    "authorization",
    "baggage",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "origin",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "upgrade",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-real-ip",
    "x-request-id",
];
/// What the names of further ones begin with: those of Cloudflare, Supabase's gateway and other proxies.
const WITHHELD_FAMILIES: [&str; 12] = [
    "access-control-",
    "cdn-",
    "cf-",
    "fastly-",
    "proxy-",
    "sb-",
    "sec-",
    "x-amzn-",
    "x-envoy-",
    "x-forwarded-",
    "x-original-",
    "x-rewrite-",
];

/// The parameters of a WebSocket's address that are handed on.
const SOCKET_PARAMETERS: [&str; 2] = ["vsn", "log_level"];
/// The most bytes of a body for accounts.
const AUTH_BYTES: usize = 64 * KB;
/// The fields of a message that may have a token: Realtime reads the older name, too.
const TOKEN_FIELDS: [&str; 2] = ["access_token", "user_token"];
/// The path of the WebSocket.
const SOCKET: &str = "/websocket";
/// The path at which sessions begin, and are renewed.
const TOKEN: &str = "/token";
/// The path of a user's own account, and the fields of its body that somebody may guess.
const USER: &str = "/user";
const USER_SECRETS: [&str; 2] = ["nonce", "current_password"];
/// The path at which a code becomes a session, and the field by which a code names no account: a hash of both.
const VERIFY: &str = "/verify";
const CODE_HASH: &str = "token_hash";

/// Rebuilds a request for a service, and counts it if it is an attempt to sign in.
pub(super) async fn hand_on<P: Platform>(
    service: Service,
    attempts: bool,
    caller: &Caller,
    mut request: Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Handed<P::Body>, Error> {
    let config = &edge.config;
    let address = config.services.address(service)?;
    // They are for the data API and for endpoints of the systems.
    if caller.api_token().is_some() {
        return Err(Error::ApiTokenScope);
    }
    let limit = config.limits.uri_bytes;
    if request.path.len() + request.query.len() > limit {
        return Err(Error::UriTooLong { limit });
    }
    let path = request.path.strip_prefix(service.prefix());
    let path = path.filter(|path| is_plain(path)).ok_or(Error::NotFound)?;
    let is_socket = service == Service::Realtime && path == SOCKET;
    let (is_user, verifies) = (path == USER, path == VERIFY);
    let is_renewal = path == TOKEN && is_renewal(&request.query);
    let mut url = match service {
        // A server of one's own has its WebSocket below `/socket`, and the rest beside that.
        Service::Realtime if !is_socket => address.strip_suffix("/socket").unwrap_or(address),
        _ => address,
    }
    .to_owned();
    url.push_str(path);
    let mut headers = headers(service, &request)?;
    let mut query = handed_on_query(&request.query, is_socket);
    let token = match caller.token() {
        Some(token) => Some(token.to_owned()),
        None => own_token(service, &request, edge)?,
    };
    if let Some(token) = token {
        set(&mut headers, "authorization", &["Bearer ", &token].concat())?;
    }
    if is_socket {
        check_upgrade(&request, config)?;
        set(&mut headers, "upgrade", "websocket")?;
    }
    if let Some(key) = service_key(service, caller, &request, config) {
        if is_socket {
            let mut pairs = form_urlencoded::Serializer::new(query);
            query = pairs.append_pair("apikey", &key).finish();
        } else {
            set(&mut headers, "apikey", &key)?;
        }
    }
    if !query.is_empty() {
        url.push('?');
        url.push_str(&query);
    }
    let limits = &config.limits;
    let (body_limit, upload_ms) = match service {
        Service::Auth => (AUTH_BYTES, limits.upload_ms),
        Service::Realtime => (limits.body_bytes, limits.upload_ms),
        Service::Storage => (limits.storage_bytes, limits.storage_upload_ms),
        Service::Functions => (limits.function_bytes, limits.upload_ms),
    };
    let expected_bytes = body::expected_bytes(&request);
    let is_read = matches!(request.method, Method::GET | Method::HEAD);
    let body = if is_read {
        Body::Empty
    } else if attempts {
        // Read as the service reads it: a form could say something else than the query.
        headers.remove(CONTENT_ENCODING);
        set(&mut headers, "content-type", "application/json")?;
        Body::Bytes(read_all(&mut request, body_limit, edge).await?)
    } else {
        body::hand_on(&mut request, body_limit, upload_ms)?
    };
    // What has been read is not passed on.
    let body_bytes = match body {
        Body::Upload { .. } => expected_bytes,
        _ => 0,
    };
    if attempts && !is_renewal {
        let fields = match &body {
            Body::Bytes(bytes) => fields(bytes)?,
            _ => Map::new(),
        };
        let names = |name: &&str| values(&fields, name).next().is_some();
        if !is_user || USER_SECRETS.iter().any(names) {
            let mut accounts = accounts(&fields)?;
            let is_nameless = verifies && (accounts.is_empty() || names(&CODE_HASH));
            accounts.extend(caller.user().map(str::to_owned));
            guard::count_attempt(&accounts, is_nameless, caller, &request, edge).await?;
        }
    }
    Ok(Handed {
        is_watched: is_socket && is_from_browser(&request.headers),
        sharer: sharer(caller, request.address),
        body_bytes,
        outgoing: Outgoing {
            method: request.method,
            url,
            headers,
            body,
            deadline_ms: limits.service_ms,
        },
        service,
        body_limit,
    })
}

/// The token of callers without one: the project's key, if it is a token. Storage takes no request without a token; where no
/// gateway makes one of the key, it is the edge's own, as for PostgREST.
fn own_token<P: Platform>(
    service: Service,
    request: &Request<P::Body>,
    edge: &Edge<P>,
) -> Result<Option<String>, Error> {
    let services = &edge.config.services;
    if let Some(token) = services.key_token() {
        return Ok(Some(token.to_owned()));
    }
    let needs_one = service == Service::Storage && services.key.is_none();
    needs_one.then(|| mint::anon(request, edge)).transpose()
}

/// The key that a service wants as `apikey`: the project's, or a server's own. A realtime server without a gateway knows the keys
/// of its clients.
fn service_key<B>(
    service: Service,
    caller: &Caller,
    request: &Request<B>,
    config: &Config,
) -> Option<String> {
    let own = config.services.key.clone();
    if service != Service::Realtime {
        return own;
    }
    if let Some(token) = caller.token().filter(|_| !caller.is_user()) {
        return Some(token.to_owned());
    }
    let sent = || request.header("apikey").map(str::to_owned);
    own.or_else(sent)
        .or_else(|| verify::query_key(&request.query))
}

/// Whether a path, decoded, names no folder above, in whatever way a server may read it.
fn is_plain(path: &str) -> bool {
    let decoded = percent_decode_str(path).collect::<Vec<u8>>();
    let mut segments = decoded.split(|byte| b"/\\".contains(byte));
    segments.all(|segment| !matches!(segment, b"." | b".."))
        && !decoded.iter().any(u8::is_ascii_control)
}

/// Whether a function gets a header: it defines its own ones, as its callers expect of `functions.invoke`.
fn is_for_function(name: &str) -> bool {
    // Servers that hand headers on as variables of the environment take the two for one.
    let name = &*name.replace('_', "-");
    !WITHHELD.contains(&name)
        && !WITHHELD_FAMILIES
            .iter()
            .any(|family| name.starts_with(family))
}

fn copy_passed<B>(request: &Request<B>, headers: &mut Headers) -> Result<(), Error> {
    for name in &PASSED {
        if let Some(value) = request.headers.get(name) {
            let wanted = "visible ASCII";
            let value = value.to_str().map_err(|_| Error::BadHeader {
                name: name.as_str(),
                wanted,
            })?;
            set(headers, name.as_str(), value)?;
        }
    }
    Ok(())
}

fn headers<B>(service: Service, request: &Request<B>) -> Result<Headers, Error> {
    let mut headers = Headers::with_capacity(16);
    if service == Service::Functions {
        for (name, value) in request.headers.iter() {
            if is_for_function(name.as_str()) {
                headers.insert(name, value.clone());
            }
        }
    } else {
        copy_passed(request, &mut headers)?;
    }
    // The services' own limits are by address, and all requests come from the edge.
    if let Some(address) = request.address {
        set(&mut headers, "x-forwarded-for", &address.to_string())?;
    }
    set_trace(&mut headers, request)?;
    Ok(headers)
}

/// The query without the key, which the edge has read.
fn handed_on_query(query: &str, is_socket: bool) -> String {
    let is_handed_on = |pair: &&str| {
        let name = form_urlencoded::parse(pair.as_bytes()).next();
        let name = name.map(|(name, _)| name).unwrap_or_default();
        if is_socket {
            SOCKET_PARAMETERS.contains(&&*name)
        } else {
            name != "apikey"
        }
    };
    let pairs: Vec<&str> = query.split('&').filter(is_handed_on).collect();
    pairs.join("&")
}

/// Refuses what opens no WebSocket, and pages of other sites: a browser asks nobody before it opens one.
fn check_upgrade<B>(request: &Request<B>, config: &Config) -> Result<(), Error> {
    let upgrade = request.header("upgrade").unwrap_or_default();
    if request.method != Method::GET || !upgrade.eq_ignore_ascii_case("websocket") {
        return Err(Error::of(&UPGRADE_REQUIRED));
    }
    let Some(origin) = request.headers.get("origin") else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    if config
        .allowed_origins
        .iter()
        .any(|allowed| allowed == origin)
    {
        return Ok(());
    }
    Err(Error::of(&ORIGIN_NOT_ALLOWED))
}

/// Whether a session is renewed or completed by a long secret, which nobody guesses. The first value counts, as for Auth.
fn is_renewal(query: &str) -> bool {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let grant = pairs.find(|(name, _)| name == "grant_type");
    grant.is_some_and(|(_, grant)| matches!(&*grant, "refresh_token" | "pkce"))
}

fn malformed() -> Error {
    Error::MalformedBody("JSON: one object that names no field twice".into())
}

/// The fields of the body of an attempt.
fn fields(body: &[u8]) -> Result<Map<String, Value>, Error> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    match json::read(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(malformed()),
    }
}

/// The values of a field whose name is in lower case. Auth reads names in other cases, too, and takes `ſ` for an `s` (Go's
/// `encoding/json`).
fn values<'a>(
    fields: &'a Map<String, Value>,
    name: &'a str,
) -> impl Iterator<Item = &'a Value> + 'a {
    let is_named = move |own: &str| own.replace('ſ', "s").to_lowercase() == name;
    let named = fields.iter().filter(move |(own, _)| is_named(own));
    named.map(|(_, value)| value)
}

/// The accounts that an attempt names, each in one spelling.
fn accounts(fields: &Map<String, Value>) -> Result<Vec<String>, Error> {
    let mut accounts = Vec::new();
    for name in ["email", "phone"] {
        let mut found = values(fields, name);
        let value = found.next().and_then(Value::as_str);
        if found.next().is_some() {
            return Err(malformed());
        }
        let value = spelled(value.unwrap_or_default());
        if !value.is_empty() {
            accounts.push(value);
        }
    }
    Ok(accounts)
}

/// The one spelling of an address or a number. Auth takes each letter's lower case by itself, as here, and reads a number without its
/// spaces and its plus (supabase/auth: `strings.ToLower` in validateEmail, formatPhoneNumber).
fn spelled(name: &str) -> String {
    let letters = name.chars().filter(|letter| !letter.is_whitespace());
    let lower = letters.map(|letter| letter.to_lowercase().next().unwrap_or(letter));
    lower.skip_while(|letter| *letter == '+').collect()
}

/// A message that a browser sends by a WebSocket, as it is handed on; none if it must not be: a back-office token has no business
/// in a page. A publishable key in the place of a token becomes the project's.
#[must_use]
pub fn message(text: &str, config: &Config) -> Option<String> {
    let Ok(mut message) = json::unambiguous(text) else {
        // The service reads no other one either, or reads it otherwise.
        return None;
    };
    let payload = match &mut message {
        Value::Array(parts) => parts.get_mut(4),
        message => message.get_mut("payload"),
    };
    let Some(Value::Object(payload)) = payload else {
        return Some(text.to_owned());
    };
    let key = config.services.key.as_deref();
    let mut is_changed = false;
    for name in TOKEN_FIELDS {
        let Some(token) = payload.get_mut(name) else {
            continue;
        };
        let sent = token.as_str().unwrap_or_default();
        if is_secret_key(sent) {
            return None;
        }
        if key != Some(sent) && config.publishable_keys.iter().any(|key| key == sent) {
            *token = key.map_or(Value::Null, Value::from);
            is_changed = true;
        }
    }
    Some(if is_changed {
        message.to_string()
    } else {
        text.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::tests::with;
    use crate::fuzzing::native::{KEY, joined};

    #[test]
    fn a_path_leads_nowhere_else() {
        for good in ["/object/a/b%20c.txt", "/x/..%2e./y", "/x//y", "/%2525"] {
            assert!(is_plain(good), "{good}");
        }
        for bad in [
            "/a/%2e%2e/b",
            "/a/..%2fb",
            "/a%5c..%5cb",
            "/a/%00",
            "/./a",
            "/a%0d",
        ] {
            assert!(!is_plain(bad), "{bad}");
        }
    }

    #[test]
    fn a_function_gets_headers_of_its_own_and_none_of_the_edge_s() {
        for own in [
            "my-custom-header",
            "x-mine",
            "content-type",
            "stripe-signature",
            "x-client-info",
            "x-amz-sns-message-type",
        ] {
            assert!(is_for_function(own), "{own}");
        }
        for withheld in [
            "cookie",
            "authorization",
            "apikey",
            "host",
            "forwarded",
            "x-forwarded-for",
            "cf-connecting-ip",
            "x-real-ip",
            "x_real_ip",
            "x_forwarded-for",
            "x-amzn-oidc-data",
            "sec-fetch-site",
            "sb-project-ref",
        ] {
            assert!(!is_for_function(withheld), "{withheld}");
        }
    }

    #[test]
    fn the_key_is_no_part_of_the_query_that_is_handed_on() {
        let query = "a=1&apikey=x&%61pikey=y&b=%26";
        assert_eq!(handed_on_query(query, false), "a=1&b=%26");
        let query = "apikey=x&vsn=2.0.0&token=t&log_level=info";
        assert_eq!(handed_on_query(query, true), "vsn=2.0.0&log_level=info");
        assert_eq!(handed_on_query("", false), "");
    }

    #[test]
    fn an_account_has_one_spelling() {
        let found = |body: &str| fields(body.as_bytes()).and_then(|fields| accounts(&fields));
        let of = |body: &str| found(body).unwrap();
        let ada = ["ada@example.org"];
        assert_eq!(of(r#"{"EMAIL":"ada@example.org"}"#), ada);
        let both = of(r#"{"email":" Ada@Example.org ","phone":"+1"}"#);
        assert_eq!(both, ["ada@example.org", "1"]);
        assert_eq!(of(r#"{"email":"","phone":"+491"}"#), ["491"]);
        assert_eq!(of(r#"{"phone":" + 4 9\u00a01 "}"#), ["491"]);
        // Letters with another lower case in a word than by themselves.
        let odd = ["\u{3c3}i@example.org"];
        assert_eq!(of("{\"email\":\"\u{3a3}\u{130}@example.org\"}"), odd);
        assert_eq!(of("{\"email\":\"\u{3c3}I@example.org\"}"), odd);
        for none in ["", r#"{"email":5}"#, r#"{"token_hash":"x"}"#] {
            assert!(of(none).is_empty(), "{none}");
        }
        for odd in [
            "[]",
            "email=a",
            r#"{"email":"a","email":"b"}"#,
            r#"{"email":"a","Email":"b"}"#,
        ] {
            assert!(found(odd).is_err(), "{odd}");
        }
        let long_s = fields("{\"CURRENT_PA\u{17f}SWORD\":1}".as_bytes()).unwrap();
        assert_eq!(values(&long_s, "current_password").count(), 1);
        assert!(!is_renewal("grant_type=password&grant_type=refresh_token"));
        assert!(is_renewal("grant_type=refresh_token") && !is_renewal("grant_type=password"));
    }

    #[test]
    fn no_message_of_a_browser_carries_a_back_office_token() {
        let config = with("SUPABASE_PUBLISHABLE_KEY", "sb_publishable_0123456789");
        let config = config.ok().unwrap();
        let role = |role: &str| {
            let payload = json!({ "role": role }).to_string();
            [&*joined(b"{}", payload.as_bytes()), ".x"].concat()
        };
        let join =
            |token: &str| json!(["1", "1", "realtime:a", "phx_join", {"access_token": token}]);
        let renewed = |token: &str| json!({"topic": "realtime:a", "event": "access_token", "payload": {"access_token": token}});
        let older =
            |token: &str| json!(["1", "1", "realtime:a", "phx_join", {"user_token": token}]);
        for make in [&join as &dyn Fn(&str) -> Value, &renewed, &older] {
            let good = make(&role("authenticated")).to_string();
            assert_eq!(message(&good, &config), Some(good.clone()));
            for secret in [role("service_role"), "sb_secret_x".into()] {
                assert_eq!(message(&make(&secret).to_string(), &config), None);
            }
            let own = make(KEY).to_string();
            let project = make("sb_publishable_0123456789").to_string();
            assert_eq!(message(&own, &config), Some(project));
        }
        let escaped = join(&role("service_role"))
            .to_string()
            .replace("access", r"\u0061ccess");
        assert_eq!(message(&escaped, &config), None);
        assert_eq!(message("no JSON", &config), None);
        let twice = r#"["1","1","t","phx_join",{"access_token":"a","access_token":"b"}]"#;
        assert_eq!(message(twice, &config), None);
        let heartbeat = r#"[null,"5","phoenix","heartbeat",{}]"#;
        assert_eq!(message(heartbeat, &config).as_deref(), Some(heartbeat));
    }
}
