//! Rules that hold for any input, written a second time: for the property tests, which send nearly valid input, and for
//! the targets of `fuzz/`, which send anything. Compiled for these two alone.
//!
//! Each public function takes input and panics if a rule is broken.
#![expect(
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "it is not in the bundle, and panics are what it is for"
)]

use crate::headers::Headers;
use base64ct::{Base64UrlUnpadded, Encoding};
use http::{HeaderValue, Method};
use serde_json::Value;

use crate::endpoint::Action;
use crate::formats::sse::{Events, TooLong};
use crate::route;
use crate::scope::rules::{Counts, Effect, Query, name, preferences};
use crate::{systems, verify};

pub(crate) mod native;

/// Tries a token in one of three ways, chosen by the first byte: as it is; its payload under a valid MAC; or its header
/// and payload, separated by a NUL, under a valid MAC or signature.
pub fn token(data: &[u8]) {
    is_good(data);
}

/// Whether the bytes make a valid token.
fn is_good(data: &[u8]) -> bool {
    let Some((way, rest)) = data.split_first() else {
        return false;
    };
    let [header, payload] = match rest.iter().position(|b| *b == 0) {
        Some(at) => [&rest[..at], &rest[at + 1..]],
        None => [br#"{"alg":"HS256"}"#.as_slice(), rest],
    };
    match way % 3 {
        0 => std::str::from_utf8(rest).is_ok_and(is_verified),
        1 => is_verified(&native::hs256_text(&native::joined(header, payload))),
        _ => is_verified(&native::es256_text(&native::joined(header, payload))),
    }
}

/// Verifies a token, and checks an accepted one again by the rules below.
fn is_verified(text: &str) -> bool {
    let verified = pollster::block_on(verify::token::verify(text, &native::edge()));
    let Ok(claims) = verified else {
        return false;
    };
    let parts: Vec<&str> = text.split('.').collect();
    assert!(parts.len() == 3 && text.len() <= 8192, "{text}");
    let decoded = |at: usize| Base64UrlUnpadded::decode_vec(parts[at]).unwrap();
    let header: Value = serde_json::from_slice(&decoded(0)).unwrap();
    let payload = match serde_json::from_slice::<Value>(&decoded(1)) {
        Ok(payload) => payload,
        // A claim that the edge skips may be nested more deeply than serde can hold.
        Err(error) if error.to_string().starts_with("recursion limit") => return true,
        Err(error) => panic!("{error}: {text}"),
    };
    assert!(is_header(&header), "{header}");
    let issuer = payload["iss"].as_str().unwrap();
    assert_eq!(
        role(issuer, &payload),
        Some(claims.role.as_str()),
        "{payload}"
    );
    let (signed, _) = text.rsplit_once('.').unwrap();
    let again = if issuer == native::ISSUERS[0].0 {
        native::hs256_text(signed)
    } else {
        // These signatures are deterministic.
        native::es256_text(signed)
    };
    assert_eq!(text, again);
    true
}

/// Every `alg` that a token may name.
const ALGORITHMS: [&str; 12] = [
    "HS256", "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
    "EdDSA", "Ed25519",
];

/// Whether a token's header is acceptable, whatever its key.
pub(crate) fn is_header(header: &Value) -> bool {
    let given = |name: &str| header.get(name).filter(|value| !value.is_null());
    let one_of = |name: &str, known: &[&str]| {
        given(name).is_none_or(|value| {
            let lower = value.as_str().map(str::to_ascii_lowercase);
            lower.is_some_and(|value| known.contains(&value.as_str()))
        })
    };
    ALGORITHMS.contains(&header["alg"].as_str().unwrap_or(""))
        && given("kid").is_none_or(|kid| kid.as_str().is_some_and(|kid| kid.len() <= 128))
        && one_of(
            "typ",
            &["jwt", "at+jwt", "application/jwt", "application/at+jwt"],
        )
        && one_of("cty", &["json"])
        && ["crit", "b64", "enc"]
            .iter()
            .all(|name| header.get(name).is_none())
}

/// The role that an issuer's claims give, if they are valid. The user is only checked to be a string, if present.
pub(crate) fn role<'a>(issuer: &str, claims: &'a Value) -> Option<&'a str> {
    let given = |name: &str| claims.get(name).filter(|value| !value.is_null());
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit 53 bits")]
    let now = native::NOW as f64;
    let past = |name: &str| {
        given(name).is_none_or(|time| time.as_f64().is_some_and(|time| time <= now + 30.0))
    };
    let for_us = match given("aud")? {
        Value::Array(names) => {
            names.iter().all(Value::is_string) && names.iter().any(|name| name == "authenticated")
        }
        name => name == "authenticated",
    };
    let role = given("role")?.as_str()?;
    let (_, roles) = native::ISSUERS.iter().find(|(name, _)| *name == issuer)?;
    let good = given("iss")? == issuer
        && for_us
        && roles.contains(&role)
        && given("exp")?.as_f64()? >= now - 30.0
        && past("nbf")
        && past("iat")
        && given("sub").is_none_or(Value::is_string);
    good.then_some(role)
}

/// A request's path: the stage accepts a name if and only if PostgreSQL does.
pub fn path(text: &str) {
    let registry = systems::registry("[]").ok().unwrap();
    for method in [Method::GET, Method::POST, Method::DELETE] {
        if let Ok(matched) = route::find(&registry.routes, &method, text)
            && matches!(matched.route.action, Action::Relation | Action::Function)
        {
            let names = ["relation", "function"].map(|name| matched.segments.get(name));
            let variable = names.concat();
            assert_eq!(name(&variable).is_ok(), is_name(&variable), "{variable}");
        }
    }
}

/// 1 to 63 bytes, checked one by one: no control character, no separator of paths, and neither `.` nor `..`.
fn is_name(text: &str) -> bool {
    let control = text.bytes().any(|b| b < b' ' || b == 0x7f)
        || text
            .as_bytes()
            .windows(2)
            .any(|pair| pair[0] == 0xc2 && pair[1] < 0xa0);
    let parts = text.bytes().any(|b| b == b'/' || b == b'\\');
    (1..64).contains(&text.len()) && !control && !parts && text != "." && text != ".."
}

/// A query string: the rewritten one has the same meaning, does not contain the key, and capping it again changes
/// nothing.
pub fn query(text: &str) {
    let Ok(mut query) = Query::parse(text, Some("key")) else {
        return;
    };
    let written = |query: &Query| {
        let mut url = String::new();
        query.append_to(&mut url);
        url
    };
    let read = |url: &str| Query::parse(url.strip_prefix('?').unwrap_or_default(), None).unwrap();
    let again = read(&written(&query));
    assert_eq!(again, query);
    assert_eq!(again.narrows(), query.narrows());
    assert_eq!(again.check(4, 20, false), query.check(4, 20, false));
    query.cap_rows(10, false);
    let capped = written(&query);
    // Nothing that would end the query, and not the key.
    assert!(capped.is_ascii() && !capped.contains(['#', ' ', '\r', '\n']));
    assert!(!capped.contains("?apikey=key&") && !capped.contains("&apikey=key&"));
    let mut twice = read(&capped);
    twice.cap_rows(10, false);
    assert_eq!(written(&twice), capped);
    for (name, value) in form_urlencoded::parse(capped.trim_start_matches('?').as_bytes()) {
        assert!(
            name.rsplit('.').next() != Some("limit") || is_bounded(&value),
            "{capped}"
        );
    }
}

/// A `limit` of at most 10, or a negative one. PostgREST treats a limit that it cannot read as none, and reads `(50)`.
fn is_bounded(limit: &str) -> bool {
    let number = limit.strip_prefix('-').unwrap_or(limit);
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    digits && (number != limit || number.parse::<u64>().is_ok_and(|rows| rows <= 10))
}

/// `Prefer` headers, one a line. The first byte chooses the kind of caller and the effect of the request.
pub fn prefer(data: &[u8]) {
    if let Some((who, values)) = data.split_first() {
        let counts = match who % 3 {
            0 => Counts::AsRequested,
            1 => Counts::Exact,
            _ => Counts::Estimated,
        };
        let effect = match who / 3 % 3 {
            0 => Effect::Reads,
            1 => Effect::Counted,
            _ => Effect::Uncounted,
        };
        prefer_values(values.split(|b| *b == b'\n'), counts, effect);
    }
}

/// The result contains known preferences only, and rewriting it again changes nothing. A protecting preference is
/// either kept or the request refused.
pub(crate) fn prefer_values<'a>(
    sent: impl Iterator<Item = &'a [u8]>,
    counts: Counts,
    effect: Effect,
) {
    let mut headers = Headers::new();
    for value in sent.filter_map(|value| HeaderValue::from_bytes(value).ok()) {
        headers.append("prefer", value);
    }
    let Ok(rewritten) = preferences(&headers, counts, effect) else {
        return;
    };
    let tokens: Vec<&str> = rewritten
        .split(", ")
        .filter(|token| !token.is_empty())
        .collect();
    for token in &tokens {
        assert!(is_preference(token), "{token}");
        let wanted = match counts {
            Counts::AsRequested => token,
            Counts::Exact => "count=exact",
            Counts::Estimated => "count=estimated",
        };
        assert!(!token.starts_with("count=") || *token == wanted);
    }
    let written = |text: &str| tokens.iter().any(|token| token.starts_with(text));
    let sent = headers.get("prefer").map_or(&[][..], HeaderValue::as_bytes);
    let sent = String::from_utf8_lossy(sent).to_ascii_lowercase();
    let name = |element: &str| {
        element
            .split(['=', ';'])
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let limits = sent
        .split(',')
        .any(|element| name(element) == "max-affected");
    if limits && !sent.contains('"') && effect == Effect::Counted {
        assert!(
            written("max-affected=") && written("handling=strict"),
            "{sent}: {rewritten}"
        );
        assert!(!written("timezone="));
    }
    assert!(!tokens.contains(&"tx=rollback"));
    let mut headers = Headers::new();
    headers.insert("prefer", HeaderValue::from_str(&rewritten).unwrap());
    assert_eq!(preferences(&headers, counts, effect), Ok(rewritten));
}

/// Whether PostgREST may get this preference.
fn is_preference(token: &str) -> bool {
    let parts: Vec<&str> = token.split('=').collect();
    let [name, value] = parts[..] else {
        return false;
    };
    let known: &[&str] = match name {
        "return" => &["minimal", "headers-only", "representation"],
        "count" => &["exact", "planned", "estimated"],
        "resolution" => &["merge-duplicates", "ignore-duplicates"],
        "missing" => &["default", "null"],
        "handling" => &["strict", "lenient"],
        "params" => &["single-object"],
        "tx" => &["commit"],
        "max-affected" => return value.parse::<u32>().is_ok() && !value.starts_with('+'),
        "timezone" => {
            return value
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "/_+-:".contains(c));
        }
        _ => &[],
    };
    known.contains(&value)
}

/// A stream of server-sent events: the first byte is the number of cuts, each of which has a byte after it. The events are the same
/// in every cut, and those that the rules below give.
pub fn sse(data: &[u8]) {
    let Some((count, rest)) = data.split_first() else {
        return;
    };
    let (cuts, stream) = rest.split_at(usize::from(*count % 32).min(rest.len()));
    let mut cuts: Vec<usize> = cuts
        .iter()
        .map(|cut| usize::from(*cut).min(stream.len()))
        .collect();
    cuts.sort_unstable();
    let wanted = wanted_sse_events(stream);
    assert_eq!(sse_events(stream, &cuts).as_ref(), Ok(&wanted));
    let every: Vec<usize> = (0..stream.len()).collect();
    assert_eq!(sse_events(stream, &every), Ok(wanted));
}

/// The data of a stream's events, read in pieces that end at these places.
pub(crate) fn sse_events(stream: &[u8], cuts: &[usize]) -> Result<Vec<String>, TooLong> {
    let mut events = Events::new(1024 * 1024);
    let mut found = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([stream.len()]) {
        events.push(&stream[start..end], |data| found.push(data.to_owned()))?;
        start = end;
    }
    events.end(|data| found.push(data.to_owned()));
    Ok(found)
}

/// The same, line by line as the specification says it, of the whole stream.
fn wanted_sse_events(stream: &[u8]) -> Vec<String> {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let mut ended = Vec::new();
    for (at, byte) in stream.iter().enumerate() {
        match byte {
            b'\r' => ended.push(b'\n'),
            b'\n' if at > 0 && stream[at - 1] == b'\r' => {}
            byte => ended.push(*byte),
        }
    }
    ended.extend(b"\n\n");
    let mut events = Vec::new();
    let mut data: Vec<Vec<u8>> = Vec::new();
    for line in ended.split(|byte| *byte == b'\n') {
        if line.is_empty() {
            if !data.is_empty() {
                events.push(String::from_utf8_lossy(&data.join(&b'\n')).into_owned());
                data.clear();
            }
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        if field == b"data" {
            data.push(value.strip_prefix(b" ").unwrap_or(value).to_vec());
        }
    }
    events
}

#[cfg(test)]
mod tests {
    /// A seed that the stage refuses would not help a fuzzer.
    #[test]
    fn the_seeds_pass_and_have_true_names() {
        let seeds = |target: &str| -> Vec<(String, Vec<u8>)> {
            let folder = format!("{}/fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
            let files = std::fs::read_dir(folder)
                .unwrap()
                .map(|file| file.unwrap().path());
            let read = |path: std::path::PathBuf| {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, std::fs::read(path).unwrap())
            };
            files.map(read).collect()
        };
        for (name, data) in seeds("token") {
            assert_eq!(super::is_good(&data), name.starts_with("good"), "{name}");
        }
        for (_, data) in seeds("prefer") {
            super::prefer(&data);
        }
        for (_, data) in seeds("sse") {
            super::sse(&data);
        }
        for (_, data) in seeds("path") {
            super::path(std::str::from_utf8(&data).unwrap());
        }
        for (_, data) in seeds("query") {
            super::query(std::str::from_utf8(&data).unwrap());
        }
    }
}
