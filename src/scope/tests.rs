//! Bodies are parsed once, by every endpoint in every encoding that it takes: what scope reads of a body and what the answer
//! reads of it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::headers::Headers;
use serde_json::{Value, json};

use super::*;
use crate::endpoint::{Access, Encoding, Segments};
use crate::formats::tests::times_parsed;
use crate::forward::Reply;
use crate::fuzzing::native::{self, KEY, NOW, Native};
use crate::id::digest;
use crate::isolate::api_tokens::Grant;
use crate::registry::Registry;
use crate::{config, manifest, respond, systems, verify};

const UUID: &str = "00000000-0000-4000-8000-000000000001";

/// A system whose endpoints read their bodies by all options at once.
fn options() -> Value {
    let all = json!({
        "method": "POST", "access": "open", "call": "every.option", "identity": "vouched", "redirect": "/thanks",
        "turnstile": "any", "form_timestamp": true, "device": true, "idempotent": true,
    });
    let with = |path: &str, more: Value| {
        let mut endpoint = all.clone();
        let fields = endpoint.as_object_mut().unwrap();
        fields.insert("path".into(), path.into());
        fields.extend(more.as_object().unwrap().clone());
        endpoint
    };
    let every = json!(["json", "form", "multipart", "ndjson"]);
    json!({
        "name": "every", "schemas": ["every"],
        "endpoints": [
            with("/v1/every/object", json!({"arguments": {"it": {"body": "object"}}})),
            with("/v1/every/value", json!({"arguments": {"it": {"body": "value"}}})),
            with("/v1/every/field", json!({"arguments": {"it": {"field": "it"}, "more": {"field": "more", "type": "any"}}})),
            with("/v1/every/form", json!({"accepts": every, "arguments": {"it": {"body": "object"}}})),
            with("/v1/every/fields", json!({"accepts": every, "arguments": {"it": {"field": "it"}}})),
            {
                "method": "POST", "path": "/v1/every/batch", "access": "open", "call": "every.option",
                "accepts": ["json", "ndjson"], "arguments": {"it": {"body": "batch"}},
            },
            {
                "method": "PUT", "path": "/v1/every/secrets/{id}", "access": "user", "call": "every.option", "identity": "vouched",
                "turnstile": "any", "arguments": {"id": {"path": "id"}, "owner": {"caller": "user"}},
                "seal": {"field": "it", "column": "every.secrets.it", "row": "id", "owner": "owner", "min_bytes": 1, "max_bytes": 9},
            },
        ],
    })
}

/// The bodies that the manifests give as examples, by method and path.
fn examples() -> BTreeMap<String, Vec<Value>> {
    let mut all = BTreeMap::new();
    for manifest in manifest::tests::files() {
        for endpoint in manifest["endpoints"].as_array().unwrap() {
            let text = |name: &str| endpoint[name].as_str().unwrap().to_owned();
            let given = endpoint["request"]["examples"].as_array();
            let given = given.into_iter().flatten();
            let bodies = given.map(|body| serde_json::from_str(body.as_str().unwrap()).unwrap());
            all.insert(text("method") + " " + &text("path"), bodies.collect());
        }
    }
    all
}

/// A body in an encoding, with its type; none for one that cannot be.
fn encoded(body: &Value, encoding: Encoding) -> Option<(&'static str, String)> {
    let fields = || {
        let fields = body.as_object()?.iter();
        let pairs = fields.map(|(name, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), text)
        });
        let more = [("_next", "/x"), ("_ts", "1.x")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        Some(pairs.chain(more).collect::<Vec<_>>())
    };
    Some(match encoding {
        Encoding::Json => ("application/json", body.to_string()),
        Encoding::Ndjson => ("application/x-ndjson", format!("{body}\n")),
        Encoding::Form => {
            let mut form = form_urlencoded::Serializer::new(String::new());
            let form = form.extend_pairs(fields()?).finish();
            ("application/x-www-form-urlencoded", form)
        }
        Encoding::Multipart => {
            let parts = fields()?.into_iter().map(|(name, value)| {
                format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
            });
            let parts: String = parts.collect();
            ("multipart/form-data; boundary=X", parts + "--X--\r\n")
        }
    })
}

/// A request of a caller with this role, or with this API token; without either with a key.
fn request(role: Option<&str>, is_browser: bool, kind: &str, body: &str) -> Request<Vec<u8>> {
    let mut headers = Headers::new();
    let mut set = |name: &'static str, value: &str| headers.insert(name, value.parse().unwrap());
    set("content-type", kind);
    if is_browser {
        set("accept", "text/html");
        set("sec-fetch-mode", "navigate");
    }
    match role {
        None => set("apikey", KEY),
        Some(token) if token.starts_with("rgt_") => {
            set("authorization", &format!("Bearer {token}"));
        }
        Some(role) => {
            let claims = json!({"iss": "https://hs.test", "aud": "authenticated", "sub": UUID, "role": role, "exp": NOW + 60});
            let signed = native::joined(br#"{"alg":"HS256"}"#, claims.to_string().as_bytes());
            let bearer = format!("Bearer {}", native::hs256_text(&signed));
            set("authorization", &bearer);
        }
    }
    Request {
        id: "test".into(),
        method: http::Method::POST,
        path: "/any".into(),
        query: String::new(),
        headers,
        body: Some(body.into()),
        read: None,
        held: None,
        address: "203.0.113.77".parse().ok(),
    }
}

fn edge() -> Edge<Native> {
    let mut manifests = manifest::tests::own();
    manifests.retain(|manifest| {
        let name = manifest["name"].as_str();
        !(name == Some("growth") && cfg!(not(feature = "growth"))
            || name == Some("clixen") && cfg!(not(feature = "clixen"))
            || name == Some("flashfusion") && cfg!(not(feature = "flashfusion"))
            || name == Some("observatory") && cfg!(not(feature = "observatory")))
    });
    manifests.push(options());
    let registry = systems::registry(&Value::from(manifests).to_string());
    let registry = registry.map_err(|error| error.body()).unwrap();
    let kinds: BTreeMap<String, config::Kind> = registry
        .variables
        .iter()
        .map(|variable| (variable.name.clone(), variable.kind))
        .collect();
    native::edge_serving(registry, move |name| match name {
        "TURNSTILE_SECRET" => Some("a secret".into()),
        "ALLOWED_ORIGINS" => Some("https://www.example.org".into()),
        "KEK_1" => Some("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE".into()),
        name => Some(match kinds.get(name)? {
            config::Kind::Key => "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE".into(),
            config::Kind::Upstream | config::Kind::Page => "https://other.example".into(),
            config::Kind::Upstreams => "other=https://other.example".into(),
            _ => "0123456789012345678901234567890123456789".into(),
        }),
    })
}

/// How often a request's body is parsed until its answer is made; none for a caller whom the endpoint refuses.
fn times(
    route: &crate::endpoint::Route,
    request: Request<Vec<u8>>,
    outcome: Result<Value, Error>,
    edge: &Edge<Native>,
) -> Option<usize> {
    let caller = pollster::block_on(verify::caller(route.access, &request, edge)).ok()?;
    let matched = Matched {
        route,
        segments: ["id", "source"]
            .map(|name| (name, UUID))
            .into_iter()
            .collect::<Segments>(),
    };
    times_parsed();
    let scoped = pollster::block_on(narrow(&matched, Ok(&caller), request, edge));
    let reply = match scoped.ok()?.into_parts().0 {
        Work::Call { call, incoming, .. } => Reply::Called {
            call,
            incoming,
            outcome,
        },
        Work::Refused {
            call,
            incoming,
            error,
        } => Reply::Called {
            call,
            incoming,
            outcome: Err(error),
        },
        _ => Reply::<()>::Local(crate::message::json(http::StatusCode::OK, &Value::Null)),
    };
    let _ = respond::relay(reply, &edge.config);
    Some(times_parsed())
}

fn takes(registry: &Registry) -> impl Iterator<Item = (&crate::endpoint::Route, Vec<Encoding>)> {
    registry.routes.iter().filter_map(|route| {
        let encodings = match &route.action {
            Action::Call(call) => call.accepts.clone(),
            Action::Body(_) => vec![Encoding::Json],
            _ => return None,
        };
        Some((route, encodings))
    })
}

/// The API token of a worker without a user, which the edge has exchanged.
fn worker(id: &str, edge: &Edge<Native>) -> String {
    let text = verify::api_token::make().ok().unwrap().text;
    let grant = Grant {
        id: id.into(),
        user: None,
        scopes: json!({}),
        account: Value::Null,
        expires_at: NOW + 60,
    };
    let mut api_tokens = edge.api_tokens.borrow_mut();
    api_tokens.store(digest(&text), Some(Rc::new(grant)), NOW * 1000);
    text
}

#[test]
fn the_rate_limiter_counts_each_worker_by_itself() {
    let edge = edge();
    let routes = &edge.registry.routes;
    let route = routes
        .iter()
        .find(|route| matches!(route.action, Action::Call(_)) && route.guard.is_some());
    let route = route.unwrap();
    let workers = [worker("1", &edge), worker("2", &edge)];
    let senders = [&*workers[0], &*workers[1], "service_role", "authenticated"];
    let keys = senders.map(|sender| {
        let request = request(Some(sender), false, "application/json", "{}");
        let caller = verify::caller(Access::Open, &request, &edge);
        let caller = pollster::block_on(caller).unwrap();
        let caller = Ok(&caller);
        let admitted = guard::admit(route, &caller, &request, &edge);
        pollster::block_on(admitted).unwrap();
        let keys = edge.platform.limited.take();
        let [key] = &keys[..] else {
            panic!("{keys:?}");
        };
        key.rsplit_once("user ").unwrap().1.to_owned()
    });
    assert_eq!(keys[..3], ["worker 1", "worker 2", "service_role"]);
    assert_eq!(keys[3].len(), 36);
}

#[test]
fn a_body_is_parsed_once() {
    let edge = edge();
    let examples = examples();
    let api_token = worker("1", &edge);
    let callers = [
        None,
        Some("authenticated"),
        Some("service_role"),
        Some(&*api_token),
    ];
    let mut read = BTreeSet::new();
    for (route, encodings) in takes(&edge.registry) {
        let name = format!("{} {}", route.method, route.pattern);
        let mut bodies = examples.get(&name).cloned().unwrap_or_default();
        bodies.extend([json!({"it": "a"}), json!({}), json!([{"it": "a"}])]);
        for encoding in encodings {
            let sent: Vec<_> = bodies
                .iter()
                .filter_map(|body| encoded(body, encoding))
                .collect();
            for (kind, body) in sent {
                for role in callers {
                    for (is_browser, outcome) in [
                        (false, Ok(json!({"status": "deployed"}))),
                        (true, Ok(json!({"status": "deployed"}))),
                        (true, Err(Error::NotFound)),
                    ] {
                        let request = request(role, is_browser, kind, &body);
                        let times = times(route, request, outcome, &edge);
                        let Some(times) = times else { continue };
                        assert!(times <= 1, "{name}, {encoding:?}: {times} times: {body}");
                        if times == 1 {
                            read.insert(format!("{name} {encoding:?}"));
                        }
                    }
                }
            }
        }
    }
    for (path, encodings) in [
        ("object", &[Encoding::Json][..]),
        ("value", &[Encoding::Json]),
        ("field", &[Encoding::Json]),
        ("batch", &[Encoding::Json, Encoding::Ndjson]),
        (
            "form",
            &[
                Encoding::Json,
                Encoding::Form,
                Encoding::Multipart,
                Encoding::Ndjson,
            ],
        ),
    ] {
        for encoding in encodings {
            let name = format!("POST /v1/every/{path} {encoding:?}");
            assert!(read.contains(&name), "{name} in {read:?}");
        }
    }
    assert!(read.contains("PUT /v1/every/secrets/{id} Json"), "{read:?}");
    for (name, bodies) in &examples {
        // A body of lines is read line by line, and parsed by nobody here.
        let has_lines = |route: &&crate::endpoint::Route| matches!(&route.action, Action::Call(call) if call.lines.is_some());
        let is_served = edge
            .registry
            .routes
            .iter()
            .filter(|route| !has_lines(route));
        let mut is_served = is_served.map(|route| format!("{} {}", route.method, route.pattern));
        if !bodies.is_empty() && is_served.any(|served| served == *name) {
            assert!(
                read.contains(&format!("{name} Json")),
                "{name} is never read"
            );
        }
    }
}
