//! What a manifest may say: names, addresses and limits in themselves, and options that contradict each other.

use serde_json::Value;

use super::{
    Answer, ArgumentOf, Before, BodyOf, Caller, Codes, Endpoint, Fault, Identity, Manifest, SealOf,
    Verb,
};
use crate::config::{self, OWN_VARIABLES, is_name, is_reserved_schema};
use crate::endpoint::{Encoding, Kind, Route, SecretKind};
use crate::error::{DATABASE_NAMES, ROWS};

/// The core's headers that an argument may be. The others are credentials, addresses, or say how to read the request.
const ARGUMENT_HEADERS: [&str; 7] = [
    "accept-language",
    "origin",
    "referer",
    "traceparent",
    "user-agent",
    "x-client-info",
    "x-request-id",
];
/// Headers that a manifest may name beside `x-<system>-...`: signatures of webhooks with what they sign, session tokens that
/// a system issues itself, preferences of browsers, and forms of answers that clients ask for.
const KNOWN_HEADERS: [&str; 21] = [
    "dnt",
    "save-data",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-gpc",
    "stripe-signature",
    "svix-id",
    "svix-signature",
    "svix-timestamp",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "x-github-delivery",
    "x-github-event",
    "x-hub-signature-256",
    "x-session-token",
    "x-shopify-hmac-sha256",
    "x-slack-request-timestamp",
    "x-slack-signature",
    "x-vercel-ai-ui-message-stream",
];
/// First words of headers `x-...` that proxies and clouds write: with credentials, addresses and hosts. No system is called
/// so, because its own headers could not be told from these.
const FOREIGN_HEADERS: [&str; 16] = [
    "access",
    "amz",
    "amzn",
    "api",
    "appengine",
    "auth",
    "azure",
    "client",
    "cluster",
    "envoy",
    "forwarded",
    "goog",
    "ms",
    "original",
    "real",
    "vercel",
];
/// First characters of codes that PostgREST and PostgreSQL raise, and of those with which a function sets a status.
const SERVER_CODES: [&str; 6] = ["PGRST", "PT", "P0", "XX", "HV", "F0"];
/// Paths of the core.
const OWN_PATHS: [&str; 7] = [
    "/rest/",
    "/auth/",
    "/v1/admin/gdpr/",
    "/v1/tokens",
    "/v1/admin/keys/",
    "/healthz",
    "/readyz",
];
/// The fewest bytes of a secret of which a part is shown.
const MIN_HINT_BYTES: usize = 16;
/// The most bytes of a body.
pub(super) const MAX_BODY_BYTES: usize = 100_000_000;
/// The most seconds of a cached answer.
const MAX_CACHE_SECONDS: u32 = 86_400;
/// The most calls of a limit, a minute and at once.
const MAX_LIMIT: u32 = 100_000;
/// The most milliseconds of an answer's step.
const MAX_STEP_MS: u32 = 5000;

fn fault(place: impl Into<String>, what: impl Into<String>) -> Fault {
    Fault(place.into(), what.into())
}

/// Refuses with `what` unless `holds`.
fn must(holds: bool, place: impl FnOnce() -> String, what: &str) -> Result<(), Fault> {
    if holds {
        Ok(())
    } else {
        Err(fault(place(), what))
    }
}

const NAME_WANTED: &str = "lower-case letters, digits and _, at most 63";

/// Checks a manifest by itself and against what came before it.
pub(super) fn check(manifest: &Manifest, before: &Before) -> Result<(), Fault> {
    must(is_name(&manifest.name), || "name".into(), NAME_WANTED)?;
    for (at, schema) in manifest.schemas.iter().enumerate() {
        let place = || format!("schemas[{at}]");
        must(is_name(schema), place, NAME_WANTED)?;
        let reserved = "a schema of the core, of PostgreSQL or of Supabase";
        must(!is_reserved_schema(schema), place, reserved)?;
        let known = before.schemas.contains(schema) || repeats(&manifest.schemas, at, schema);
        must(
            !known,
            place,
            "another system has this schema, or it is listed twice",
        )?;
    }
    let foreign = FOREIGN_HEADERS.contains(&manifest.name.as_str());
    let wanted = "headers x-<name>-... belong to proxies and clouds: choose another name";
    must(!foreign, || "name".into(), wanted)?;
    for (at, name) in manifest.request_headers.iter().enumerate() {
        check_header(name, &manifest.name)
            .map_err(|what| fault(format!("request_headers[{at}]"), what))?;
    }
    check_variables(manifest, before)?;
    check_errors(manifest, before)?;
    for (at, job) in manifest.jobs.iter().enumerate() {
        must(
            is_name(&job.name),
            || format!("jobs[{at}].name"),
            NAME_WANTED,
        )?;
        let known = before.jobs.contains(&job.name);
        must(
            !known,
            || format!("jobs[{at}].name"),
            "another job has this name",
        )?;
        let wanted =
            "five fields of numbers, *, ranges, lists and steps: minute, hour, day, month, weekday";
        must(is_cron(&job.cron), || format!("jobs[{at}].cron"), wanted)?;
        check_requires(&job.requires, manifest)
            .map_err(|what| fault(format!("jobs[{at}].requires"), what))?;
    }
    for (at, endpoint) in manifest.endpoints.iter().enumerate() {
        check_endpoint(endpoint, manifest)
            .map_err(|Fault(field, what)| fault(format!("endpoints[{at}].{field}"), what))?;
    }
    Ok(())
}

/// Whether a value stands in a list before this position.
fn repeats<T: PartialEq>(list: &[T], at: usize, value: &T) -> bool {
    list.iter().take(at).any(|earlier| earlier == value)
}

/// Checks a header that a manifest lists.
fn check_header(name: &str, system: &str) -> Result<(), String> {
    let own = format!("x-{}-", system.replace('_', "-"));
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_own = name.strip_prefix(&own).is_some_and(|rest| !rest.is_empty());
    let is_good = name.len() <= 64 && name.bytes().all(plain);
    if is_good && (is_own || KNOWN_HEADERS.contains(&name)) {
        return Ok(());
    }
    Err(format!(
        "in lower case {own}..., or one of {}",
        KNOWN_HEADERS.join(", ")
    ))
}

fn check_variables(manifest: &Manifest, before: &Before) -> Result<(), Fault> {
    for (at, variable) in manifest.variables.iter().enumerate() {
        let place = || format!("variables[{at}].name");
        let name = variable.name.as_str();
        let is_valid = (2..=63).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_uppercase())
            && name
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        must(is_valid, place, "upper-case letters, digits and _")?;
        let is_own = OWN_VARIABLES.contains(&name) || name.starts_with("KEK_");
        must(!is_own, place, "a variable of the core")?;
        let names: Vec<&str> = manifest.variables.iter().map(|v| v.name.as_str()).collect();
        let known = before.variables.contains(&variable.name);
        let twice = known || repeats(&names, at, &name);
        must(
            !twice,
            place,
            "another system has this variable, or it is listed twice",
        )?;
        check_requires(&variable.with, manifest)
            .map_err(|what| fault(format!("variables[{at}].with"), what))?;
        let has_length = variable.max_length.is_some();
        let is_text = variable.kind == config::Kind::Text;
        let place = || format!("variables[{at}].max_length");
        must(!has_length || is_text, place, "only a text has a length")?;
    }
    Ok(())
}

/// Checks that names are those of the manifest's own variables.
fn check_requires(names: &[String], manifest: &Manifest) -> Result<(), String> {
    let known = |name: &String| manifest.variables.iter().any(|v| v.name == *name);
    match names.iter().find(|name| !known(name)) {
        None => Ok(()),
        Some(name) => Err(format!("{name} is not one of the manifest's variables")),
    }
}

/// Checks the ranges of a manifest's codes, and that its errors lie in them.
fn check_errors(manifest: &Manifest, before: &Before) -> Result<(), Fault> {
    let mut ranges: Vec<Codes> = Vec::new();
    for (at, text) in manifest.error_codes.iter().enumerate() {
        let place = || format!("error_codes[{at}]");
        let wanted = "one code, or the first and the last one, such as RG700-RG799";
        let range = Codes::read(text).ok_or_else(|| fault(place(), wanted))?;
        let own = ROWS.iter().map(|row| row.code);
        let own = own.chain(DATABASE_NAMES.iter().map(|(code, _)| *code));
        let taken = own.into_iter().find(|code| range.contains(code));
        let what = taken.map(|code| format!("the core has {code}"));
        must(what.is_none(), place, &what.unwrap_or_default())?;
        let known = before.error_codes.iter().chain(&ranges);
        let overlaps = known.into_iter().any(|known| known.overlaps(&range));
        let what = "overlaps with another range, of this system or of another one";
        must(!overlaps, place, what)?;
        ranges.push(range);
    }
    for (at, error) in manifest.errors.iter().enumerate() {
        let place = |field: &str| format!("errors[{at}].{field}");
        let codes: Vec<&str> = manifest.errors.iter().map(|e| e.code.as_str()).collect();
        let twice = repeats(&codes, at, &error.code.as_str());
        must(!twice, || place("code"), "the code is listed twice")?;
        let listed = ranges.iter().any(|range| range.contains(&error.code));
        must(listed, || place("code"), "stands in none of error_codes")?;
        must(is_name(&error.name), || place("name"), NAME_WANTED)?;
        let is_word = error.openai.is_empty() || is_name(&error.openai);
        must(is_word, || place("openai"), NAME_WANTED)?;
        let own = ROWS.iter().any(|row| row.name == error.name)
            || DATABASE_NAMES.iter().any(|(_, name)| *name == error.name);
        must(!own, || place("name"), "the core has an error of this name")?;
    }
    Ok(())
}

impl Codes {
    /// Reads `RG700-RG799`, or one code.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let stem = |code: &'_ str| code.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let is_code = (3..=10).contains(&first.len())
            && first.starts_with(|c: char| c.is_ascii_uppercase())
            && first
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            && !SERVER_CODES.iter().any(|prefix| first.starts_with(prefix));
        let is_range = first.len() == last.len()
            && stem(first) == stem(last)
            && first.get(..stem(first)) == last.get(..stem(last))
            && first <= last;
        (is_code && is_range && stem(first) < first.len()).then(|| Self {
            first: first.to_owned(),
            last: last.to_owned(),
        })
    }

    fn contains(&self, code: &str) -> bool {
        code.len() == self.first.len() && (self.first.as_str()..=self.last.as_str()).contains(&code)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.contains(&other.first) || other.contains(&self.first)
    }
}

/// Whether it is a cron as Cloudflare and crontab read it: numbers, `*`, ranges, lists and steps.
fn is_cron(text: &str) -> bool {
    const BOUNDS: [(u8, u8); 5] = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
    let fields: Vec<&str> = text.split(' ').collect();
    let number = |text: &str, (low, high): (u8, u8)| {
        text.parse::<u8>()
            .is_ok_and(|number| (low..=high).contains(&number))
    };
    let part = |text: &str, bounds| {
        let (range, step) = text
            .split_once('/')
            .map_or((text, None), |(r, s)| (r, Some(s)));
        let is_step = step.is_none_or(|step| number(step, (1, 59)));
        let is_range = match range.split_once('-') {
            Some((from, to)) => number(from, bounds) && number(to, bounds),
            None => range == "*" || number(range, bounds),
        };
        is_step && is_range
    };
    fields.len() == BOUNDS.len()
        && fields
            .iter()
            .zip(BOUNDS)
            .all(|(field, bounds)| field.split(',').all(|text| part(text, bounds)))
}

fn check_endpoint(endpoint: &Endpoint, manifest: &Manifest) -> Result<(), Fault> {
    check_path(&endpoint.path).map_err(|what| fault("path", what))?;
    check_requires(&endpoint.requires, manifest).map_err(|what| fault("requires", what))?;
    let is = |holds: bool, field: &str, what: &str| must(holds, || field.into(), what);
    let is_get = matches!(endpoint.method, Verb::Get);
    if let Some(limit) = &endpoint.body_limit {
        is(!is_get, "body_limit", "a GET has no body")?;
        let wanted = "a size such as 64 KB or 2 MB, at most 95 MB";
        is(size(limit).is_some(), "body_limit", wanted)?;
    }
    check_identity(endpoint)?;
    check_answer(endpoint)?;
    check_limit(endpoint)?;
    let wanted = "needs a handler that shows the form again";
    is(!endpoint.form || endpoint.handler.is_some(), "form", wanted)?;
    if let Some(name) = &endpoint.call {
        check_function(name, manifest).map_err(|what| fault("call", what))?;
        is(endpoint.export.is_none(), "export", "contradicts call")?;
    }
    check_arguments(endpoint, &manifest.name)?;
    super::lines::check(endpoint)?;
    super::pages::check(endpoint)?;
    super::stream::check(endpoint)?;
    check_seal(endpoint, manifest)?;
    check_export(endpoint, manifest)
}

/// Checks who calls, and what the edge vouches for.
fn check_identity(endpoint: &Endpoint) -> Result<(), Fault> {
    let is = |holds: bool, field: &str, what: &str| must(holds, || field.into(), what);
    let is_get = matches!(endpoint.method, Verb::Get);
    let is_vouched = endpoint.identity == Identity::Vouched;
    let wanted = "needs identity = \"vouched\": no other token carries what the edge has observed";
    is(
        is_vouched || endpoint.turnstile.is_none(),
        "turnstile",
        wanted,
    )?;
    is(
        is_vouched || !endpoint.form_timestamp,
        "form_timestamp",
        wanted,
    )?;
    is(is_vouched || !endpoint.device, "device", wanted)?;
    let wanted = "needs identity = \"vouched\": the data API serves a function that callers may execute themselves, with any arguments";
    is(is_vouched || endpoint.seal.is_none(), "seal", wanted)?;
    let of_tokens = matches!(endpoint.access, Caller::Worker | Caller::Token);
    let wanted = "needs call and identity = \"vouched\": only the edge's own token says what an API token opens";
    let is_call = endpoint.call.is_some() && is_vouched;
    is(is_call || !of_tokens, "access", wanted)?;
    for (name, argument) in &endpoint.arguments {
        if argument.caller.is_none() {
            continue;
        }
        let place = || format!("arguments.{name}.caller");
        must(is_vouched, place, wanted)?;
        let is_always =
            endpoint.access == Caller::User || argument.required || argument.default.is_some();
        let wanted = "needs access = \"user\", required or a default: other callers have no id, and the function's own default would apply";
        must(is_always, place, wanted)?;
    }
    let wanted =
        "needs authenticate: the edge calls in its own name only after it has verified the sender";
    let is_edge = endpoint.identity == Identity::Edge;
    is(
        !is_edge || endpoint.authenticate.is_some(),
        "identity",
        wanted,
    )?;
    if endpoint.authenticate.is_some() {
        is(!is_get, "authenticate", "a GET has no body to check")?;
        let wanted = "needs access = \"public\": the check itself says who sent the request";
        is(endpoint.access == Caller::Public, "authenticate", wanted)?;
    }
    Ok(())
}

/// Checks the answer, its cache and its redirect.
fn check_answer(endpoint: &Endpoint) -> Result<(), Fault> {
    let is = |holds: bool, field: &str, what: &str| must(holds, || field.into(), what);
    let is_get = matches!(endpoint.method, Verb::Get);
    if let Some(seconds) = endpoint.cache {
        let wanted = "1 to 86400 seconds";
        is((1..=MAX_CACHE_SECONDS).contains(&seconds), "cache", wanted)?;
        let shared = matches!(endpoint.access, Caller::Public | Caller::Open | Caller::Key);
        let wanted = "only for a GET that calls as the caller, for others than users and servers, with answer = \"ok\"";
        let is_plain = endpoint.answer == Answer::Ok
            && endpoint.identity == Identity::Caller
            && endpoint.after_call.is_none()
            && endpoint.handler.is_none()
            && endpoint.answer_step_ms.is_none();
        is(is_get && shared && is_plain, "cache", wanted)?;
        let wanted = "contradicts cache: an answer that callers share is none of a single request";
        is(!endpoint.idempotent, "idempotent", wanted)?;
    }
    let step = endpoint.answer_step_ms;
    is(
        step.is_none_or(|ms| (1..=MAX_STEP_MS).contains(&ms)),
        "answer_step_ms",
        "1 to 5000",
    )?;
    if let Some(redirect) = &endpoint.redirect {
        // Browsers read a second slash, or a backslash, as the beginning of another host.
        let is_path = redirect.starts_with('/') && !redirect.starts_with("//");
        let is_page = is_path || redirect.starts_with("https://");
        let is_plain = redirect.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        is(
            is_page && is_plain,
            "redirect",
            "a path of this site, or an https address",
        )?;
        is(
            !is_get,
            "redirect",
            "only for an endpoint that a form posts to",
        )?;
        is(
            endpoint.answer != Answer::Stream,
            "redirect",
            "contradicts answer = \"stream\"",
        )?;
    }
    let streams = endpoint.answer == Answer::Stream;
    is(
        !streams || endpoint.after_call.is_none(),
        "after_call",
        "contradicts answer = \"stream\"",
    )?;
    Ok(())
}

/// Checks a limit.
fn check_limit(endpoint: &Endpoint) -> Result<(), Fault> {
    let Some(limit) = &endpoint.limit else {
        return Ok(());
    };
    let is = |holds: bool, field: &str, what: &str| must(holds, || field.into(), what);
    let wanted =
        "needs call and identity = \"vouched\": the database applies the limit by the edge's token";
    let is_vouched = endpoint.call.is_some() && endpoint.identity == Identity::Vouched;
    is(is_vouched, "limit", wanted)?;
    let rates = [
        ("limit.per_minute", Some(limit.per_minute)),
        ("limit.burst", limit.burst),
        ("limit.shared", limit.shared),
    ];
    for (field, rate) in rates {
        let is_rate = rate.is_none_or(|rate| (1..=MAX_LIMIT).contains(&rate));
        is(is_rate, field, "1 to 100000")?;
    }
    Ok(())
}

/// Checks an export.
fn check_export(endpoint: &Endpoint, manifest: &Manifest) -> Result<(), Fault> {
    let is = |holds: bool, field: &str, what: &str| must(holds, || field.into(), what);
    let is_get = matches!(endpoint.method, Verb::Get);
    if let Some(export) = &endpoint.export {
        is(is_get, "export", "only for a GET")?;
        check_function(&export.relation, manifest)
            .map_err(|what| fault("export.relation", what))?;
        let names = [&export.more.column, &export.more.names];
        is(
            names.iter().all(|name| is_name(name)),
            "export.more",
            NAME_WANTED,
        )?;
        let all = export.columns.iter().all(|name| is_name(name));
        is(
            all && !export.columns.is_empty(),
            "export.columns",
            NAME_WANTED,
        )?;
        let file = is_file_name(&export.file_name);
        is(file, "export.file_name", "letters, digits, ., _ and -")?;
    }
    Ok(())
}

/// Whether a name can stand in `Content-Disposition` as it is.
pub(super) fn is_file_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    !name.is_empty() && name.bytes().all(plain)
}

/// Checks a path: segments of letters, digits, `-`, `.`, `_` and `~`, or variable ones, in braces.
fn check_path(path: &str) -> Result<(), String> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err("begins with a slash".into());
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let segments: Vec<&str> = rest.split('/').collect();
    let last = segments.len().saturating_sub(1);
    for (at, segment) in segments.iter().enumerate() {
        let is_good = match path_variable(segment) {
            Some(name) => is_name(name),
            // A path may end with a slash.
            None if segment.is_empty() => at == last && at > 0,
            None => segment.bytes().all(plain) && !matches!(*segment, "." | ".."),
        };
        if !is_good {
            return Err(format!(
                "{segment}: a segment has letters, digits, -, ., _ and ~, or is a name in braces"
            ));
        }
    }
    if OWN_PATHS.iter().any(|own| path.starts_with(own)) {
        return Err("belongs to the core".into());
    }
    Ok(())
}

/// Checks that the routes of a manifest serve no path that an earlier route serves, by whatever method.
pub(super) fn check_paths<'a>(
    routes: &[Route],
    before: &(impl Iterator<Item = &'a Route> + Clone),
) -> Result<(), Fault> {
    for (at, route) in routes.iter().enumerate() {
        let mut others = before.clone();
        let other = others.find(|other| meet(&route.pattern, &other.pattern));
        if let Some(other) = other {
            let what = format!(
                "the core or another system serves such paths: {}",
                other.pattern
            );
            return Err(fault(format!("endpoints[{at}].path"), what));
        }
    }
    Ok(())
}

/// Whether two patterns match a path in common.
fn meet(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('/'), other.split('/'));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) => {
                let fits = |variable: &str, text: &str| {
                    path_variable(variable).is_some() && !text.is_empty()
                };
                if a != b && !fits(a, b) && !fits(b, a) {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

/// The name of a variable segment.
fn path_variable(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// Checks `schema.name`, where the schema is one of the manifest's.
fn check_function(name: &str, manifest: &Manifest) -> Result<(), String> {
    let Some((schema, function)) = name.split_once('.') else {
        return Err("names a schema and what is in it, such as notes.add_note".into());
    };
    if !manifest.schemas.iter().any(|own| own == schema) {
        return Err(format!("{schema} is not one of the manifest's schemas"));
    }
    if is_name(function) {
        Ok(())
    } else {
        Err(NAME_WANTED.into())
    }
}

fn check_arguments(endpoint: &Endpoint, system: &str) -> Result<(), Fault> {
    let default = [Encoding::Json];
    let accepts = endpoint.accepts.as_deref().unwrap_or(&default);
    let whole = |kind| {
        let mut arguments = endpoint.arguments.values();
        arguments.any(|argument| argument.body == Some(kind))
    };
    let mut bodies = 0;
    let mut fields = 0;
    for (name, argument) in &endpoint.arguments {
        let place = |field: &str| format!("arguments.{name}{field}");
        must(is_name(name), || place(""), NAME_WANTED)?;
        check_argument(argument, &endpoint.path, system)
            .map_err(|Fault(f, what)| fault(place(&f), what))?;
        bodies += usize::from(argument.body.is_some());
        fields += usize::from(argument.field.is_some());
    }
    fields += usize::from(endpoint.seal.is_some());
    let is_get = matches!(endpoint.method, Verb::Get);
    let from_body = bodies + fields > 0;
    must(
        !(is_get && from_body),
        || "arguments".into(),
        "a GET has no body",
    )?;
    must(
        bodies <= 1,
        || "arguments".into(),
        "only one argument can be the body",
    )?;
    if endpoint.line_limit.is_some() {
        let alone = "a body of lines leaves no fields for other arguments";
        return must(fields == 0, || "arguments".into(), alone);
    }
    let is_batch = whole(BodyOf::Batch);
    let one = "a batch leaves no fields for other arguments";
    must(!is_batch || fields == 0, || "arguments".into(), one)?;
    let options = [
        ("turnstile", endpoint.turnstile.is_some()),
        ("form_timestamp", endpoint.form_timestamp),
        ("redirect", endpoint.redirect.is_some()),
    ];
    for (option, is_set) in options {
        let wanted = "reads fields of the body, which a batch does not have";
        must(!(is_batch && is_set), || option.into(), wanted)?;
    }
    let Some(accepts_place) = endpoint.accepts.is_some().then_some("accepts") else {
        // A batch has to say which encodings it takes, so that nobody has to know.
        let what = "a batch needs accepts = [\"json\", \"ndjson\"]";
        return must(!is_batch, || "accepts".into(), what);
    };
    let place = || accepts_place.to_owned();
    must(
        !is_get && !accepts.is_empty(),
        place,
        "a GET has no body, and an empty list accepts none",
    )?;
    let lines = accepts.contains(&Encoding::Ndjson);
    let forms = accepts.contains(&Encoding::Form) || accepts.contains(&Encoding::Multipart);
    let whole_batch = lines && !forms && accepts.contains(&Encoding::Json);
    let wanted = "a batch takes json and ndjson, and no form";
    must(!is_batch || whole_batch, place, wanted)?;
    let wanted =
        "body = \"value\" is JSON; a form or a line is body = \"object\", or its fields one by one";
    must(!(whole(BodyOf::Value) && (forms || lines)), place, wanted)
}

fn check_argument(argument: &ArgumentOf, path: &str, system: &str) -> Result<(), Fault> {
    let is = |holds: bool, field: &str, what: &str| must(holds, || field.into(), what);
    let places = [
        argument.path.is_some(),
        argument.query.is_some(),
        argument.header.is_some(),
        argument.field.is_some(),
        argument.caller.is_some(),
        argument.body.is_some(),
        argument.batch.is_some(),
    ];
    let count = places.into_iter().filter(|given| *given).count();
    is(
        count > 0,
        "",
        "comes from path, query, header, field, caller, body or batch",
    )?;
    let alone = argument.path.is_some()
        || argument.caller.is_some()
        || argument.body.is_some()
        || argument.batch.is_some();
    is(
        !alone || count == 1,
        "",
        "path, caller, body and batch have no second place beside them",
    )?;
    if let Some(name) = &argument.path {
        let is_there = path.contains(&format!("{{{name}}}"));
        is(
            is_there,
            ".path",
            "the path has no variable segment of this name",
        )?;
        is(
            argument.default.is_none(),
            ".default",
            "a path is never left out",
        )?;
    }
    if let Some(name) = &argument.header
        && !ARGUMENT_HEADERS.contains(&name.as_str())
    {
        check_header(name, system).map_err(|what| fault(".header", what))?;
    }
    let is_body = argument.body.is_some();
    is(
        !(is_body && argument.kind.is_some()),
        ".type",
        "a body has no type",
    )?;
    let is_position = argument.batch.is_some();
    is(
        !is_position || argument.kind.is_none() && argument.default.is_none(),
        ".batch",
        "is a whole number, and never left out",
    )?;
    let has_fields = matches!(argument.body, Some(BodyOf::Value | BodyOf::Object));
    let wanted = "only for body = \"value\" and \"object\"";
    is(
        argument.email_fields.is_empty() || has_fields,
        ".email_fields",
        wanted,
    )?;
    let only_field = argument.field.is_some() && count == 1;
    let is_any = argument.kind == Some(Kind::Any);
    is(
        !is_any || only_field,
        ".type",
        "any is only for a field of the body",
    )?;
    let is_batch = matches!(argument.body, Some(BodyOf::Batch | BodyOf::Lines));
    is(
        !is_batch || argument.default.is_none(),
        ".default",
        "a batch has no default",
    )?;
    is(
        !(argument.required && argument.default.is_some()),
        ".required",
        "contradicts default",
    )
}

/// Whether the platform reads a header for endpoints.
pub(super) fn is_read(header: &str, request_headers: &[String]) -> bool {
    ARGUMENT_HEADERS.contains(&header) || request_headers.iter().any(|name| name == header)
}

fn check_seal(endpoint: &Endpoint, manifest: &Manifest) -> Result<(), Fault> {
    let Some(seal) = &endpoint.seal else {
        return Ok(());
    };
    let is = |holds: bool, field: &str, what: &str| must(holds, || field.into(), what);
    let parts: Vec<&str> = seal.column.split('.').collect();
    let is_column = parts.len() == 3 && parts.iter().all(|part| is_name(part));
    is(
        is_column,
        "seal.column",
        "schema, table and column, such as notes.keys.secret",
    )?;
    is(
        seal.row.is_some() != seal.new_row.is_some(),
        "seal.row",
        "either row, the name of an argument, or new_row, the argument that gets a new id",
    )?;
    let row = seal.row.iter().map(|name| ("seal.row", name));
    for (field, name) in row.chain([("seal.owner", &seal.owner)]) {
        let argument = endpoint.arguments.get(name);
        is(argument.is_some(), field, "the name of an argument")?;
        let is_always = argument.is_some_and(|argument| {
            let of_user = argument.caller.is_some() && endpoint.access == Caller::User;
            let by_default = argument.default.as_ref().is_some_and(Value::is_string);
            let is_given = argument.path.is_some() || argument.required || of_user || by_default;
            is_given && argument.field.is_none()
        });
        let wanted = "an argument that is never left out, and no field: from the path, required, with a default text, or the user of access = \"user\"";
        is(is_always, field, wanted)?;
        let is_text = argument.is_some_and(|argument| {
            let kind = argument.kind.unwrap_or_default();
            matches!(kind, Kind::Text | Kind::Uuid)
        });
        is(is_text, field, "a text or a UUID")?;
    }
    let reads_secret = endpoint
        .arguments
        .values()
        .any(|a| a.body.is_some() || a.field.as_ref() == Some(&seal.field));
    is(
        !reads_secret,
        "seal",
        "no argument may be the secret, or the body with it",
    )?;
    let is_json = endpoint
        .accepts
        .as_deref()
        .is_none_or(|accepts| accepts == [Encoding::Json]);
    is(is_json, "accepts", "a secret stands in JSON")?;
    let sizes = 1 <= seal.min_bytes && seal.min_bytes <= seal.max_bytes && seal.max_bytes <= 65_536;
    is(
        sizes,
        "seal.min_bytes",
        "1 to max_bytes, which is at most 65536",
    )?;
    check_added(endpoint, seal, manifest)
}

/// Checks what a seal adds to the arguments.
fn check_added(endpoint: &Endpoint, seal: &SealOf, manifest: &Manifest) -> Result<(), Fault> {
    let is = |holds: bool, field: &str, what: &str| must(holds, || field.into(), what);
    let is_key = |name: &String| {
        let mut variables = manifest.variables.iter();
        variables.any(|variable| variable.name == *name && variable.kind == config::Kind::Key)
    };
    is(
        seal.fingerprint.as_ref().is_none_or(is_key),
        "seal.fingerprint",
        "one of the manifest's variables of the kind key",
    )?;
    let is_token = seal.kind == SecretKind::Token && seal.min_bytes >= MIN_HINT_BYTES;
    is(
        !seal.hint || is_token,
        "seal.hint",
        "only for a token of at least 16 bytes: a part of it is shown",
    )?;
    let names = [
        (true, "sealed"),
        (true, "key_version"),
        (seal.fingerprint.is_some(), "fingerprint"),
        (seal.hint, "prefix"),
        (seal.hint, "last_four"),
        (seal.hint, "hint"),
        (seal.hint, "shape_warning"),
        (seal.kind == SecretKind::Object, "names"),
    ];
    let mut added: Vec<&str> = names
        .into_iter()
        .filter_map(|(is_added, name)| is_added.then_some(name))
        .collect();
    if let Some(name) = &seal.new_row {
        let is_free = is_name(name) && !added.contains(&name.as_str());
        is(is_free, "seal.new_row", "the name of an argument")?;
        added.push(name);
    }
    let known = added
        .iter()
        .find(|name| endpoint.arguments.contains_key(**name));
    let what = known.map(|name| format!("{name} is added to the arguments"));
    must(what.is_none(), || "seal".into(), &what.unwrap_or_default())
}

/// The bytes of a size such as `64 KB`.
pub(super) fn size(text: &str) -> Option<usize> {
    let (number, unit) = text.split_once(' ')?;
    let factor = match unit {
        "KB" => 1024,
        "MB" => 1024 * 1024,
        _ => return None,
    };
    let bytes = number.parse::<usize>().ok()?.checked_mul(factor)?;
    (1..=MAX_BODY_BYTES).contains(&bytes).then_some(bytes)
}
