//! The services behind the edge: rebuilds a request for one of them from its path, its query and an allow-list of headers.

use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE, REFERER, USER_AGENT,
};
use http::{HeaderName, Method};
use percent_encoding::percent_decode_str;
use serde_json::Value;

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
    let body_bytes = body::expected_bytes(&request);
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
    if attempts && !is_renewal(&request.query) {
        let account = match &body {
            Body::Bytes(bytes) => account(bytes)?,
            _ => None,
        };
        let account = account.or_else(|| caller.user().map(str::to_owned));
        guard::count_attempt(account.as_deref(), caller, &request, edge).await?;
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

/// The account that an attempt is about, in one spelling. Auth reads names of fields in upper case, too.
fn account(body: &[u8]) -> Result<Option<String>, Error> {
    if body.is_empty() {
        return Ok(None);
    }
    let malformed = || Error::MalformedBody("JSON: one object that names no field twice".into());
    let Ok(Value::Object(fields)) = json::read(body) else {
        return Err(malformed());
    };
    let mut account = None;
    for name in ["email", "phone"] {
        let mut found = fields.iter().filter(|(own, _)| own.to_lowercase() == name);
        let value = found.next().and_then(|(_, value)| value.as_str());
        if found.next().is_some() {
            return Err(malformed());
        }
        let value = spelled(value.unwrap_or_default());
        if account.is_none() && !value.is_empty() {
            account = Some(value);
        }
    }
    Ok(account)
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
        let of = |body: &str| account(body.as_bytes()).unwrap();
        let ada = Some("ada@example.org".to_owned());
        assert_eq!(of(r#"{"EMAIL":"ada@example.org"}"#), ada);
        assert_eq!(of(r#"{"email":" Ada@Example.org ","phone":"+1"}"#), ada);
        assert_eq!(of(r#"{"email":"","phone":"+491"}"#), Some("491".to_owned()));
        assert_eq!(of(r#"{"phone":" + 4 9\u00a01 "}"#), Some("491".to_owned()));
        // Letters with another lower case in a word than by themselves.
        let odd = Some("\u{3c3}i@example.org".to_owned());
        assert_eq!(of("{\"email\":\"\u{3a3}\u{130}@example.org\"}"), odd);
        assert_eq!(of("{\"email\":\"\u{3c3}I@example.org\"}"), odd);
        for none in ["", r#"{"email":5}"#, r#"{"token_hash":"x"}"#] {
            assert_eq!(of(none), None, "{none}");
        }
        for odd in [
            "[]",
            "email=a",
            r#"{"email":"a","email":"b"}"#,
            r#"{"email":"a","Email":"b"}"#,
        ] {
            assert!(account(odd.as_bytes()).is_err(), "{odd}");
        }
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
