use serde_json::{Value, json};

use super::*;
use crate::endpoint::{Access, Action, Arguments, Call, Identity, Incoming};
use crate::registry::Handler;
use crate::systems;
use http::Method;

/// The manifests of this repository, as they stand in their files.
pub(crate) fn files() -> Vec<Value> {
    let mut files: Vec<_> = std::fs::read_dir(format!("{}/systems", env!("CARGO_MANIFEST_DIR")))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    let read = |path| {
        let table: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
        serde_json::to_value(table).unwrap()
    };
    files.into_iter().map(read).collect()
}

/// The manifests of this repository as the edge gets them, without what only people and tools read.
pub(crate) fn own() -> Vec<Value> {
    let for_the_edge = |mut manifest: Value| {
        let fields = manifest.as_object_mut().unwrap();
        for name in [
            "about",
            "migrations",
            "default_schema",
            "docs",
            "definitions",
        ] {
            fields.remove(name);
        }
        for list in ["variables", "endpoints"] {
            for item in fields
                .get_mut(list)
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                let item = item.as_object_mut().unwrap();
                for name in ["about", "request", "response", "errors", "statuses"] {
                    item.remove(name);
                }
            }
        }
        manifest
    };
    files().into_iter().map(for_the_edge).collect()
}

fn hook(_: &Incoming, _: &crate::config::Config) -> Result<crate::endpoint::Plan, Error> {
    Err(Error::NotFound)
}

fn translate(
    _: &crate::formats::lines::Batch<'_>,
    _: &Incoming,
    _: &crate::config::Config,
) -> Result<serde_json::Map<String, Value>, Error> {
    Err(Error::NotFound)
}

const NOTES: System = System {
    name: "notes",
    errors: &[],
    handlers: &[
        (
            "code",
            Handler::Call {
                arguments: Some(hook),
                answer: None,
                fallback: None,
            },
        ),
        (
            "answers",
            Handler::Call {
                arguments: None,
                answer: Some(|_, _, _| Err(Error::NotFound)),
                fallback: None,
            },
        ),
        ("translate", Handler::Lines(translate)),
    ],
    authenticate: &[],
    after_call: &[],
    streams: &[("chat", |_| Box::pin(async { Ok(()) }))],
    jobs: &[],
};

fn with_notes(manifest: &Value) -> Result<Registry, Error> {
    read(
        &json!([manifest]).to_string(),
        &[NOTES],
        Vec::new(),
        Vec::new(),
    )
}

/// A manifest with one endpoint.
fn notes(endpoint: &Value) -> Value {
    json!({
        "name": "notes", "schemas": ["notes"], "request_headers": ["x-notes-by"],
        "error_codes": ["NT001-NT099"],
        "variables": [{"name": "NOTES_URL", "kind": "upstream"}],
        "errors": [{"code": "NT001", "name": "note_missing", "status": 404}],
        "jobs": [{"name": "clean_notes", "cron": "*/5 1-3 * 1,2 *", "by": "database"}],
        "endpoints": [endpoint],
    })
}

/// The fields of an endpoint that reads lines, with these.
fn lines(fields: &Value) -> Value {
    let mut made = json!({"line_limit": "64 KB", "accepts": ["ndjson"], "arguments": {"x": {"body": "lines"}}});
    for (name, value) in fields.as_object().unwrap() {
        made.as_object_mut()
            .unwrap()
            .insert(name.clone(), value.clone());
    }
    made
}

/// The fields of an endpoint that is answered in pages, with these.
fn pages(fields: &Value) -> Value {
    let mut made =
        json!({"pages": {"content_type": "application/x-ndjson", "file_name": "a.jsonl"}});
    let own = made.as_object_mut().unwrap();
    own.extend(fields.as_object().unwrap().clone());
    made
}

/// The fields of an endpoint that answers with a stream, with these.
fn streams(fields: &Value) -> Value {
    let mut made = json!({"stream": "chat"});
    let own = made.as_object_mut().unwrap();
    own.extend(fields.as_object().unwrap().clone());
    made
}

/// An endpoint that is right, with these fields replaced, or left out if null.
fn endpoint(fields: &Value) -> Value {
    let mut endpoint = json!({
        "method": "POST", "path": "/v1/notes/{id}", "access": "user", "body_limit": "64 KB", "call": "notes.add",
        "arguments": {
            "id": {"path": "id", "type": "uuid"}, "title": {"field": "title", "required": true},
            "page": {"query": "page", "type": "integer", "default": 1}, "note": {"header": "x-notes-by"},
        },
    });
    for (name, value) in fields.as_object().unwrap() {
        let own = endpoint.as_object_mut().unwrap();
        if value.is_null() {
            own.remove(name);
        } else {
            own.insert(name.clone(), value.clone());
        }
    }
    endpoint
}

fn the_call(registry: &Registry) -> (&Route, &Call) {
    let route = registry.routes.iter().next().unwrap();
    match &route.action {
        Action::Call(call) => (route, call),
        _ => panic!("it is no call"),
    }
}

/// The manifests of this repository are right for a bundle that has their Rust; for any other they name the feature that is
/// missing.
#[test]
fn the_manifests_of_this_repository_need_the_features_of_their_rust() {
    let left_out = [
        ("clixen", cfg!(not(feature = "clixen"))),
        ("flashfusion", cfg!(not(feature = "flashfusion"))),
        ("growth", cfg!(not(feature = "growth"))),
        ("observatory", cfg!(not(feature = "observatory"))),
    ];
    let compiled = |name: &str| !left_out.contains(&(name, true));
    for manifest in own() {
        let name = manifest["name"].as_str().unwrap();
        let read = systems::registry(&json!([manifest]).to_string());
        let refused = read
            .err()
            .map(|error| error.body().details.unwrap().to_string());
        match refused {
            None => assert!(compiled(name), "{name}"),
            Some(details) => {
                let feature = format!("cargo feature {name}");
                assert!(!compiled(name) && details.contains(&feature), "{details}");
            }
        }
    }
    let text = Value::from(own()).to_string();
    assert!(
        text.len() * 4 < MAX_BYTES,
        "{} bytes leave no room",
        text.len()
    );
}

#[test]
fn an_endpoint_becomes_a_route() {
    let registry = with_notes(&notes(&endpoint(
        &json!({"identity": "vouched", "idempotent": true}),
    )));
    let registry = registry.map_err(|error| error.body()).unwrap();
    let (route, call) = the_call(&registry);
    assert_eq!(
        (route.method.clone(), route.access, route.body_limit),
        (Method::POST, Access::User, Some(65536))
    );
    assert_eq!(
        (&*call.schema, &*call.function, call.identity),
        ("notes", "add", Identity::Vouched)
    );
    assert!(call.idempotent);
    let Arguments::Listed(arguments) = &call.arguments else {
        panic!("they are code");
    };
    assert_eq!(arguments.len(), 4);
    assert_eq!(registry.request_headers, ["x-notes-by"]);
    assert_eq!(registry.error_name("NT001"), Some("note_missing"));
    assert_eq!(registry.error_name("NT00"), None);
    assert_eq!(registry.jobs.len(), 1);
    let code = with_notes(&notes(&endpoint(
        &json!({"handler": "code", "arguments": null}),
    )));
    let code = code.map_err(|error| error.body()).unwrap();
    assert!(matches!(the_call(&code).1.arguments, Arguments::Code(_)));
    let streams = with_notes(&notes(&endpoint(
        &json!({"stream": "chat", "error_shape": "openai", "handler": "code", "arguments": null, "idempotent": true}),
    )));
    let streams = streams.map_err(|error| error.body()).unwrap();
    let (route, call) = the_call(&streams);
    assert!(call.stream.is_some());
    assert_eq!(route.error_shape, crate::endpoint::ErrorShape::OpenAi);
}

#[test]
fn the_compact_form_is_read_as_the_manifests_are() {
    let text = serde_json::to_string_pretty(&json!([notes(&endpoint(&json!({"requires": ["NOTES_URL"], "arguments": {"x": {"field": "x", "default": "a\tb\nc"}}})))])).unwrap();
    let compiled = compile(&text, &[NOTES], &[], &[]).map_err(|error| error.body());
    let compiled = compiled.unwrap();
    let registry = |text: &str| read(text, &[NOTES], Vec::new(), Vec::new());
    let [one, other] = [&text, &compiled].map(|text| registry(text).ok().unwrap());
    for registry in [&one, &other] {
        assert_eq!(registry.schemas, ["notes"]);
        assert_eq!(registry.request_headers, ["x-notes-by"]);
        assert_eq!(registry.error_name("NT001"), Some("note_missing"));
        let [variable] = registry.variables.as_slice() else {
            panic!("one variable");
        };
        assert_eq!(
            (variable.name.as_str(), variable.kind, variable.max_length),
            ("NOTES_URL", crate::config::Kind::Upstream, None)
        );
        let [job] = registry.jobs.as_slice() else {
            panic!("one job");
        };
        assert_eq!(
            (job.name.as_str(), job.cron.as_str()),
            ("clean_notes", "*/5 1-3 * 1,2 *")
        );
        let (route, call) = the_call(registry);
        assert_eq!(route.requires, ["NOTES_URL"]);
        let Arguments::Listed(arguments) = &call.arguments else {
            panic!("they are code");
        };
        assert_eq!(arguments[0].default, Some("a\tb\nc".into()));
    }
    for mixed_up in [
        compiled.replace("/v1/notes", "/v2/notes"),
        compiled.replace("rowgate ", "rowgate 1"),
        "rowgate 5".into(),
    ] {
        assert!(registry(&mixed_up).is_err(), "{mixed_up}");
    }
}

/// The details of a refusal.
fn refusal(manifest: &Value) -> String {
    match with_notes(manifest) {
        Ok(_) => String::new(),
        Err(error) => error.body().details.unwrap().as_str().unwrap().to_owned(),
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_wrong_endpoint_is_refused_with_its_place() {
    let argument = |argument: Value| json!({"arguments": {"x": argument}});
    let cases = [
        ("path", json!({"path": "v1/notes/{id}"})),
        ("path", json!({"path": "/v1//notes/{id}"})),
        ("path", json!({"path": "/v1/notes/{id}/a b"})),
        ("path", json!({"path": "/v1/notes/x{id}"})),
        ("path", json!({"path": "/rest/v1/{id}"})),
        ("path", json!({"path": "/healthz"})),
        ("path", json!({"path": "/v1/admin/gdpr/export"})),
        ("access", json!({"access": "everybody"})),
        ("method", json!({"method": "TRACE"})),
        ("body_limit", json!({"body_limit": "64"})),
        ("body_limit", json!({"body_limit": "1000 MB"})),
        ("body_limit", json!({"method": "GET", "arguments": {}})),
        ("call", json!({"call": null})),
        ("call", json!({"call": "add"})),
        ("call", json!({"call": "private.add"})),
        ("call", json!({"call": "notes.Add"})),
        ("handler", json!({"handler": "nothing"})),
        ("arguments", json!({"handler": "code"})),
        ("arguments", json!({"arguments": {"x": {"body": "lines"}}})),
        ("arguments", json!({"arguments": {"x": {"batch": "start"}}})),
        ("arguments.x.batch", argument(json!({"batch": "middle"}))),
        ("handler", json!({"handler": "translate"})),
        ("stream", json!({"stream": "nothing"})),
        ("error_shape", json!({"error_shape": "xml"})),
        ("stream", streams(&json!({"call": null}))),
        (
            "stream",
            streams(&json!({"method": "GET", "body_limit": null, "arguments": {}})),
        ),
        ("answer", streams(&json!({"answer": "stream"}))),
        ("answer", streams(&json!({"answer": "created"}))),
        ("redirect", streams(&json!({"redirect": "/thanks"}))),
        ("answer_step_ms", streams(&json!({"answer_step_ms": 5}))),
        ("after_call", streams(&json!({"after_call": "nothing"}))),
        ("line_limit", streams(&lines(&json!({})))),
        ("pages", streams(&pages(&json!({})))),
        (
            "stream",
            streams(&json!({"handler": "answers", "arguments": {}})),
        ),
        ("line_limit", lines(&json!({"line_limit": "9 MB"}))),
        (
            "line_limit",
            lines(
                &json!({"line_limit": "64 KB", "method": "GET", "body_limit": null, "arguments": {}}),
            ),
        ),
        ("accepts", lines(&json!({"accepts": ["json", "ndjson"]}))),
        ("arguments", lines(&json!({"arguments": {}}))),
        ("arguments", lines(&json!({"handler": "translate"}))),
        (
            "arguments",
            lines(&json!({"arguments": {"x": {"body": "lines"}, "y": {"field": "y"}}})),
        ),
        (
            "arguments.x.batch",
            lines(&json!({"arguments": {"x": {"batch": "line", "default": 1}}})),
        ),
        (
            "arguments.x.default",
            lines(&json!({"arguments": {"x": {"body": "lines", "default": []}}})),
        ),
        (
            "handler",
            lines(&json!({"handler": "code", "arguments": {}})),
        ),
        ("idempotent", lines(&json!({"idempotent": true}))),
        ("answer", lines(&json!({"answer": "stream"}))),
        ("redirect", lines(&json!({"redirect": "/thanks"}))),
        ("answer_step_ms", lines(&json!({"answer_step_ms": 5}))),
        ("after_call", lines(&json!({"after_call": "nothing"}))),
        (
            "authenticate",
            lines(&json!({"authenticate": "nothing", "access": "public"})),
        ),
        ("answer", pages(&json!({"answer": "stream"}))),
        ("answer", pages(&json!({"answer": "created"}))),
        ("redirect", pages(&json!({"redirect": "/thanks"}))),
        ("answer_step_ms", pages(&json!({"answer_step_ms": 5}))),
        ("after_call", pages(&json!({"after_call": "nothing"}))),
        ("idempotent", pages(&json!({"idempotent": true}))),
        ("line_limit", pages(&lines(&json!({})))),
        (
            "handler",
            pages(&json!({"handler": "code", "arguments": {}})),
        ),
        (
            "limit",
            pages(&json!({"limit": {"per_minute": 1}, "identity": "vouched"})),
        ),
        (
            "cache",
            pages(
                &json!({"method": "GET", "body_limit": null, "access": "public", "cache": 9, "arguments": {}}),
            ),
        ),
        (
            "arguments.after",
            pages(&json!({"arguments": {"after": {"query": "after"}}})),
        ),
        (
            "pages.content_type",
            json!({"pages": {"content_type": "text\n/csv", "file_name": "a.jsonl"}}),
        ),
        (
            "pages.file_name",
            json!({"pages": {"content_type": "text/csv", "file_name": "a\"b"}}),
        ),
        ("pages", json!({"pages": {"content_type": "text/csv"}})),
        ("after_call", json!({"after_call": "nothing"})),
        (
            "authenticate",
            json!({"authenticate": "nothing", "access": "public"}),
        ),
        ("authenticate", json!({"authenticate": "nothing"})),
        ("identity", json!({"identity": "edge"})),
        ("turnstile", json!({"turnstile": "note"})),
        ("form_timestamp", json!({"form_timestamp": true})),
        ("device", json!({"device": true})),
        ("form", json!({"form": true})),
        ("requires", json!({"requires": ["OTHER_URL"]})),
        ("redirect", json!({"redirect": "javascript:alert(1)"})),
        ("redirect", json!({"redirect": "//elsewhere.example/"})),
        ("redirect", json!({"redirect": "/\\elsewhere.example/"})),
        ("redirect", json!({"redirect": "/a\\b"})),
        ("limit", json!({"limit": {"per_minute": 1}})),
        (
            "limit.per_minute",
            json!({"limit": {"per_minute": 0}, "identity": "vouched"}),
        ),
        (
            "limit.burst",
            json!({"limit": {"per_minute": 1, "burst": 200_000}, "identity": "vouched"}),
        ),
        (
            "limit.hour",
            json!({"limit": {"per_minute": 1, "hour": 1}, "identity": "vouched"}),
        ),
        (
            "idempotent",
            json!({"method": "GET", "body_limit": null, "access": "public", "cache": 9, "arguments": {}, "idempotent": true}),
        ),
        (
            "redirect",
            json!({"redirect": "/thanks", "answer": "stream"}),
        ),
        ("cache", json!({"cache": 60})),
        (
            "cache",
            json!({"method": "GET", "body_limit": null, "access": "user", "cache": 60, "arguments": {}}),
        ),
        (
            "cache",
            json!({"method": "GET", "body_limit": null, "access": "public", "cache": 0, "arguments": {}}),
        ),
        ("answer_step_ms", json!({"answer_step_ms": 60000})),
        ("accepts", json!({"accepts": []})),
        ("accepts[0]", json!({"accepts": ["xml"]})),
        (
            "accepts",
            json!({"accepts": ["json", "ndjson"], "arguments": {"x": {"body": "value"}}}),
        ),
        (
            "turnstile",
            json!({"accepts": ["json", "ndjson"], "arguments": {"x": {"body": "batch"}}, "identity": "vouched", "turnstile": "x"}),
        ),
        ("accepts", json!({"arguments": {"x": {"body": "batch"}}})),
        (
            "accepts",
            json!({"accepts": ["json", "form"], "arguments": {"x": {"body": "batch"}}}),
        ),
        (
            "accepts",
            json!({"accepts": ["json", "form"], "arguments": {"x": {"body": "value"}}}),
        ),
        ("arguments", json!({"method": "GET", "body_limit": null})),
        (
            "arguments",
            json!({"arguments": {"x": {"body": "value"}, "y": {"body": "object"}}}),
        ),
        ("arguments.X", json!({"arguments": {"X": {"query": "x"}}})),
        ("arguments.x", argument(json!({}))),
        (
            "arguments.x",
            argument(json!({"path": "id", "query": "id"})),
        ),
        ("arguments.x.path", argument(json!({"path": "other"}))),
        ("arguments.x.path", argument(json!({"path": 5}))),
        (
            "arguments.x.header",
            argument(json!({"header": "authorization"})),
        ),
        ("arguments.x.header", argument(json!({"header": "apikey"}))),
        (
            "arguments.x.header",
            argument(json!({"header": "cf-connecting-ip"})),
        ),
        (
            "arguments.x.header",
            argument(json!({"header": "X-Notes-By"})),
        ),
        (
            "arguments.x.header",
            argument(json!({"header": "x-notes-other"})),
        ),
        ("arguments.x.header", argument(json!({"header": "x-other"}))),
        (
            "arguments.x.type",
            argument(json!({"query": "x", "type": "any"})),
        ),
        (
            "arguments.x.type",
            argument(json!({"query": "x", "type": "date"})),
        ),
        (
            "arguments.x.type",
            argument(json!({"body": "value", "type": "text"})),
        ),
        (
            "arguments.x.required",
            argument(json!({"query": "x", "required": true, "default": 1})),
        ),
        (
            "arguments.x.defaults",
            argument(json!({"query": "x", "defaults": 1})),
        ),
        (
            "arguments.x.caller",
            json!({"arguments": {"x": {"caller": "user"}}}),
        ),
        (
            "arguments.x.caller",
            json!({"identity": "vouched", "access": "key", "arguments": {"x": {"caller": "user"}}}),
        ),
        (
            "export",
            json!({"export": {"relation": "notes.all", "columns": ["id"], "more": {"column": "a", "names": "b"}, "file_name": "a.csv"}}),
        ),
    ];
    assert_eq!(refusal(&notes(&endpoint(&json!({})))), "");
    let limited = json!({"identity": "vouched", "limit": {"per_minute": 6, "burst": 10}});
    assert_eq!(refusal(&notes(&endpoint(&limited))), "");
    assert_eq!(refusal(&notes(&endpoint(&lines(&json!({}))))), "");
    assert_eq!(refusal(&notes(&endpoint(&pages(&json!({}))))), "");
    let translated = lines(&json!({"handler": "translate", "arguments": {"x": {"batch": "line"}}}));
    assert_eq!(refusal(&notes(&endpoint(&translated))), "");
    for (field, changed) in cases {
        let details = refusal(&notes(&endpoint(&changed)));
        let place = format!("systems/notes.toml: endpoints[0].{field}: ");
        assert!(details.starts_with(&place), "{changed}: {details}");
    }
    let unknown = refusal(&notes(&endpoint(&json!({"acces": "user"}))));
    assert!(
        unknown.starts_with("systems/notes.toml: endpoints[0].acces: unknown field `acces`"),
        "{unknown}"
    );
}

#[test]
fn a_sealed_secret_always_has_a_row_and_an_owner() {
    let sealed = |id: Value, owner: Value, more: Value| {
        let mut fields = json!({
            "identity": "vouched", "body_limit": null, "arguments": {"id": id, "owner": owner},
            "seal": {"field": "x", "column": "notes.keys.secret", "row": "id", "owner": "owner", "min_bytes": 1, "max_bytes": 9},
        });
        let own = fields.as_object_mut().unwrap();
        own.extend(more.as_object().unwrap().clone());
        refusal(&notes(&endpoint(&fields)))
    };
    let (id, user) = (json!({"path": "id"}), json!({"caller": "user"}));
    for owner in [
        user.clone(),
        json!({"query": "owner", "required": true, "type": "uuid"}),
        json!({"query": "owner", "default": ""}),
    ] {
        assert_eq!(sealed(id.clone(), owner, json!({})), "");
    }
    let key = json!({"access": "key"});
    let default = json!({"caller": "user", "default": ""});
    assert_eq!(sealed(id.clone(), default, key.clone()), "");
    let column = json!({"seal": {"field": "x", "column": "secret", "row": "id", "owner": "owner", "min_bytes": 1, "max_bytes": 9}});
    let cases = [
        (
            id.clone(),
            json!({"query": "owner"}),
            json!({}),
            "seal.owner",
        ),
        (
            id.clone(),
            json!({"query": "owner", "required": true, "type": "integer"}),
            json!({}),
            "seal.owner",
        ),
        (
            id.clone(),
            json!({"query": "owner", "default": 5}),
            json!({}),
            "seal.owner",
        ),
        (json!({"query": "id"}), user.clone(), json!({}), "seal.row"),
        (id.clone(), user.clone(), key, "arguments.owner.caller"),
        (
            id.clone(),
            json!({"query": "owner", "required": true}),
            json!({"identity": "caller"}),
            "seal",
        ),
        (id.clone(), user.clone(), column, "seal.column"),
        (
            id,
            user,
            json!({"seal": {"field": "x", "column": "notes.keys.secret", "row": "no", "owner": "owner", "min_bytes": 1, "max_bytes": 9}}),
            "seal.row",
        ),
    ];
    for (id, owner, more, place) in cases {
        let details = sealed(id.clone(), owner.clone(), more.clone());
        let wanted = format!("systems/notes.toml: endpoints[0].{place}: ");
        assert!(
            details.starts_with(&wanted),
            "{id} {owner} {more}: {details}"
        );
    }
}

#[test]
fn a_seal_adds_only_what_it_can() {
    let sealed = |seal: Value, arguments: Value| {
        let mut secret = json!({"field": "key", "column": "notes.keys.secret", "new_row": "key_id", "owner": "owner", "min_bytes": 16, "max_bytes": 99});
        let own = secret.as_object_mut().unwrap();
        own.extend(seal.as_object().unwrap().clone());
        own.retain(|_, value| !value.is_null());
        let mut listed = json!({"owner": {"caller": "user"}, "id": {"path": "id"}, "service": {"field": "service", "required": true}});
        let all = listed.as_object_mut().unwrap();
        all.extend(arguments.as_object().unwrap().clone());
        let fields =
            json!({"identity": "vouched", "body_limit": null, "arguments": listed, "seal": secret});
        let mut manifest = notes(&endpoint(&fields));
        manifest["variables"] = json!([{"name": "FINGERPRINT_KEY", "kind": "key"}, {"name": "A_SECRET", "kind": "secret"}]);
        refusal(&manifest)
    };
    let all = json!({"fingerprint": "FINGERPRINT_KEY", "hint": true});
    assert_eq!(sealed(all, json!({})), "");
    let object = json!({"type": "object", "row": "id", "new_row": null, "min_bytes": 2});
    assert_eq!(sealed(object, json!({})), "");
    assert_eq!(
        sealed(json!({}), json!({"prefix": {"field": "prefix"}})),
        ""
    );
    for (seal, arguments, place) in [
        (json!({"new_row": null}), json!({}), "seal.row"),
        (json!({"row": "id"}), json!({}), "seal.row"),
        (
            json!({"row": "service", "new_row": null}),
            json!({}),
            "seal.row",
        ),
        (json!({"owner": "service"}), json!({}), "seal.owner"),
        (json!({"new_row": "sealed"}), json!({}), "seal.new_row"),
        (json!({"new_row": "Key"}), json!({}), "seal.new_row"),
        (json!({"new_row": "service"}), json!({}), "seal"),
        (json!({}), json!({"sealed": {"query": "x"}}), "seal"),
        (
            json!({"hint": true}),
            json!({"prefix": {"query": "x"}}),
            "seal",
        ),
        (json!({}), json!({"other": {"field": "key"}}), "seal"),
        (json!({}), json!({"all": {"body": "object"}}), "seal"),
        (
            json!({"fingerprint": "KEK_1"}),
            json!({}),
            "seal.fingerprint",
        ),
        (
            json!({"fingerprint": "A_SECRET"}),
            json!({}),
            "seal.fingerprint",
        ),
        (
            json!({"hint": true, "min_bytes": 15}),
            json!({}),
            "seal.hint",
        ),
        (
            json!({"hint": true, "type": "object"}),
            json!({}),
            "seal.hint",
        ),
        (json!({"type": "number"}), json!({}), "seal.type"),
    ] {
        let details = sealed(seal.clone(), arguments.clone());
        let wanted = format!("systems/notes.toml: endpoints[0].{place}: ");
        assert!(
            details.starts_with(&wanted),
            "{seal} {arguments}: {details}"
        );
    }
}

#[test]
fn request_headers_are_the_system_s_own_or_known() {
    let listed = |names: Value| {
        let mut manifest = notes(&endpoint(&json!({"arguments": {}})));
        manifest["request_headers"] = names;
        refusal(&manifest)
    };
    let good = json!([
        "x-notes-by",
        "x-notes-a-1",
        "stripe-signature",
        "x-session-token"
    ]);
    assert_eq!(listed(good), "");
    for name in [
        "authorization",
        "cookie",
        "set-cookie",
        "apikey",
        "x-api-key",
        "x-amz-security-token",
        "x-forwarded-host",
        "x-forwarded-for",
        "x-real-ip",
        "true-client-ip",
        "cf-access-jwt-assertion",
        "cf-connecting-ipv6",
        "forwarded",
        "host",
        "x-notes-",
        "x-notes",
        "x-other-a",
        "x-notes-ü",
        "X-Notes-By",
        "",
    ] {
        let details = listed(json!([name]));
        let place = "systems/notes.toml: request_headers[0]: ";
        assert!(details.starts_with(place), "{name}: {details}");
    }
}

#[test]
fn a_path_of_the_core_or_of_another_system_is_not_served_by_any_method() {
    let core = || {
        let route = |method, path: &'static str| Route::new(method, path, Action::Ready);
        vec![
            route(Method::GET, "/healthz"),
            route(Method::POST, "/v1/people/{id}/export"),
            route(Method::GET, "/forms/"),
        ]
    };
    let with = |path: &str| {
        let manifest = notes(&endpoint(
            &json!({"path": path, "arguments": {}, "method": "PUT"}),
        ));
        let read = read(&json!([manifest]).to_string(), &[NOTES], core(), Vec::new());
        read.err().map(|error| error.body().details.unwrap())
    };
    for path in [
        "/v1/people/{id}/export",
        "/v1/people/me/export",
        "/v1/{a}/{b}/export",
        "/{all}",
        "/forms/",
    ] {
        let details = with(path).unwrap();
        let place = "systems/notes.toml: endpoints[0].path: the core or another system";
        assert!(
            details.as_str().unwrap().starts_with(place),
            "{path}: {details}"
        );
    }
    for path in [
        "/v1/people/{id}",
        "/v1/people/{id}/other",
        "/v1/{a}/b/c/d",
        "/forms/{a}",
    ] {
        assert_eq!(with(path), None, "{path}");
    }
}

#[test]
fn a_wrong_manifest_is_refused_with_its_place() {
    let cases = [
        ("name", json!({"name": "Notes"})),
        ("schemas[0]", json!({"schemas": ["private"]})),
        ("schemas[0]", json!({"schemas": ["pg_notes"]})),
        ("schemas[1]", json!({"schemas": ["notes", "notes"]})),
        ("request_headers[0]", json!({"request_headers": ["cookie"]})),
        (
            "variables[0].name",
            json!({"variables": [{"name": "ISSUERS", "kind": "text"}]}),
        ),
        (
            "variables[0].name",
            json!({"variables": [{"name": "KEK_1", "kind": "secret"}]}),
        ),
        (
            "variables[0].name",
            json!({"variables": [{"name": "notes", "kind": "text"}]}),
        ),
        (
            "variables[0].kind",
            json!({"variables": [{"name": "NOTES_URL", "kind": "number"}]}),
        ),
        (
            "variables[0].with",
            json!({"variables": [{"name": "NOTES_URL", "kind": "text", "with": ["OTHER"]}]}),
        ),
        (
            "variables[0].max_length",
            json!({"variables": [{"name": "NOTES_URL", "kind": "list", "max_length": 5}]}),
        ),
        ("name", json!({"name": "forwarded"})),
        ("error_codes[0]", json!({"error_codes": ["RG100-RG199"]})),
        ("error_codes[0]", json!({"error_codes": ["RG571"]})),
        ("error_codes[0]", json!({"error_codes": ["PGRST100"]})),
        ("error_codes[0]", json!({"error_codes": ["PT404"]})),
        ("error_codes[0]", json!({"error_codes": ["P0001"]})),
        ("error_codes[0]", json!({"error_codes": ["NT009-NT001"]})),
        ("error_codes[0]", json!({"error_codes": ["NT001-NT01"]})),
        ("error_codes[0]", json!({"error_codes": ["NT001-NU001"]})),
        ("error_codes[0]", json!({"error_codes": ["nt001"]})),
        ("error_codes[0]", json!({"error_codes": ["NOTES"]})),
        (
            "error_codes[1]",
            json!({"error_codes": ["NT001-NT009", "NT005-NT019"]}),
        ),
        ("errors[0].code", json!({"error_codes": []})),
        ("errors[0].code", json!({"error_codes": ["NT002-NT099"]})),
        (
            "errors[0].code",
            json!({"errors": [{"code": "RG101", "name": "note_missing"}]}),
        ),
        (
            "errors[0].name",
            json!({"errors": [{"code": "NT001", "name": "admin_required"}]}),
        ),
        (
            "errors[1].code",
            json!({"errors": [{"code": "NT001", "name": "a"}, {"code": "NT001", "name": "b"}]}),
        ),
        (
            "errors[0].name",
            json!({"errors": [{"code": "NT001", "name": "Note"}]}),
        ),
        (
            "errors[0].openai",
            json!({"errors": [{"code": "NT001", "name": "a", "openai": "a\tb"}]}),
        ),
        (
            "jobs[0].cron",
            json!({"jobs": [{"name": "clean_notes", "cron": "60 * * * *", "by": "database"}]}),
        ),
        (
            "jobs[0].cron",
            json!({"jobs": [{"name": "clean_notes", "cron": "@daily", "by": "database"}]}),
        ),
        (
            "jobs[0].name",
            json!({"jobs": [{"name": "clean_notes", "cron": "7 * * * *", "by": "edge"}]}),
        ),
        (
            "jobs[0].by",
            json!({"jobs": [{"name": "clean_notes", "cron": "7 * * * *", "by": "nobody"}]}),
        ),
        (
            "endpoints[1].path",
            json!({"endpoints": [endpoint(&json!({})), endpoint(&json!({"path": "/v1/notes/{note}", "arguments": {}}))]}),
        ),
        ("more", json!({"more": 1})),
    ];
    for (field, changed) in cases {
        let mut manifest = notes(&endpoint(&json!({})));
        manifest
            .as_object_mut()
            .unwrap()
            .extend(changed.as_object().unwrap().clone());
        let details = refusal(&manifest);
        let name = manifest["name"].as_str().unwrap();
        let place = format!("systems/{name}.toml: {field}: ");
        assert!(details.starts_with(&place), "{changed}: {details}");
    }
}

#[test]
fn systems_do_not_share_names() {
    let other = |changed: Value| {
        let mut manifest = json!({"name": "other", "schemas": ["other"]});
        manifest
            .as_object_mut()
            .unwrap()
            .extend(changed.as_object().unwrap().clone());
        json!([notes(&endpoint(&json!({}))), manifest]).to_string()
    };
    let cases = [
        ("schemas[0]", json!({"schemas": ["notes"]})),
        (
            "variables[0].name",
            json!({"variables": [{"name": "NOTES_URL", "kind": "text"}]}),
        ),
        ("error_codes[0]", json!({"error_codes": ["NT050-NT150"]})),
        (
            "jobs[0].name",
            json!({"jobs": [{"name": "clean_notes", "cron": "7 * * * *", "by": "database"}]}),
        ),
        (
            "endpoints[0].path",
            json!({"endpoints": [{"method": "POST", "path": "/v1/notes/{x}", "access": "open", "call": "other.x"}]}),
        ),
    ];
    for (field, changed) in cases {
        let refused = read(&other(changed), &[NOTES], Vec::new(), Vec::new())
            .err()
            .unwrap();
        let details = refused.body().details.unwrap();
        let place = format!("systems/other.toml: {field}: ");
        assert!(details.as_str().unwrap().starts_with(&place), "{details}");
    }
    assert!(read(&other(json!({})), &[NOTES], Vec::new(), Vec::new()).is_ok());
}

#[test]
fn a_text_that_is_no_list_of_manifests_is_refused() {
    for text in [
        "",
        "{}",
        "5",
        "[5]",
        "[{}]",
        "[{\"name\":\"notes\",\"name\":\"b\"}]",
        "[] []",
    ] {
        let refused = read(text, &[], Vec::new(), Vec::new()).err();
        assert!(
            matches!(refused, Some(Error::Misconfigured { .. })),
            "{text}"
        );
    }
    let large = format!("[{}]", " ".repeat(MAX_BYTES));
    assert!(read(&large, &[], Vec::new(), Vec::new()).is_err());
    assert!(read("[]", &[], Vec::new(), Vec::new()).is_ok());
}
