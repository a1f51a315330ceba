//! `GrowthBook`'s hash and ranges, as `experiments.hash` and `private.variant_of` implement them in SQL. Computes the
//! variant of each running experiment without the database, and stores nothing. A unit with a different stored
//! assignment (set by hand, or from a time of higher coverage) gets the variant of its hash until the database is back.

use serde_json::{Value, json};

use super::units::{Units, is_country};
use crate::endpoint::{Fallback, Incoming};

/// The fallback of `POST /v1/experiments/assign`.
pub const FALLBACK: Fallback = Fallback {
    function: "running_experiments",
    result,
};

/// FNV-1a of 32 bits over UTF-16 code units, like `GrowthBook`'s JavaScript.
fn fnv1a32(text: &str) -> u32 {
    text.encode_utf16().fold(0x811c_9dc5, |hash, unit| {
        (hash ^ u32::from(unit)).wrapping_mul(0x0100_0193)
    })
}

/// The position of a unit, in thousandths (version 1) or ten-thousandths (version 2); none for an unknown version.
fn hash(seed: &str, value: &str, version: u64) -> Option<u32> {
    match version {
        1 => Some(fnv1a32(&format!("{value}{seed}")) % 1000),
        2 => {
            let first = fnv1a32(&format!("{seed}{value}"));
            Some(fnv1a32(&first.to_string()) % 10_000)
        }
        _ => None,
    }
}

/// The variant of a unit in a running experiment of `edge.running_experiments`; none if namespace, rules or coverage
/// exclude it. A range includes its first step and excludes its last one; the database has applied weights and coverage
/// to it.
fn variant<'a>(experiment: &'a Value, unit: &str, country: Option<&str>) -> Option<&'a str> {
    let has = |range: &Value, step: u32| {
        let bound = |name: &str| range.get(name)?.as_u64();
        let step = u64::from(step);
        bound("from").is_some_and(|from| from <= step) && bound("to").is_some_and(|to| step < to)
    };
    if let Some(range) = experiment
        .get("namespace")
        .filter(|range| range.is_object())
    {
        let step = hash(&format!("__{}", text(range, "id")?), unit, 1)?;
        if !has(range, step) {
            return None;
        }
    }
    let listed = |name: &str| {
        let codes = experiment.get(name)?.as_array()?;
        Some(
            codes
                .iter()
                .any(|code| country.is_some() && code.as_str() == country),
        )
    };
    if listed("countries") == Some(false) || listed("exclude_countries") == Some(true) {
        return None;
    }
    let version = experiment.get("hash_version")?.as_u64()?;
    let step = hash(text(experiment, "hash_seed")?, unit, version)?;
    let variants = experiment.get("variants")?.as_array()?;
    text(variants.iter().find(|range| has(range, step))?, "id")
}

fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

/// What `experiments.auto_assign_experiments` would return for a unit without a stored assignment.
fn result(incoming: &Incoming, running: &Value) -> Option<Value> {
    let units = Units::of_call(incoming).ok()?;
    // The database stores a user's id as a UUID, whose text is in lower case.
    let user = incoming.user.as_ref().map(|user| user.to_ascii_lowercase());
    let user = user.or(units.user_id);
    let session = units.session_id;
    let place = incoming.place.country.clone();
    let country = place.filter(|code| {
        !incoming.is_server && is_country(code) && *code == code.to_ascii_uppercase()
    });
    let country = country.or(units.country);
    let assignments: Vec<Value> = running
        .as_array()?
        .iter()
        .filter_map(|experiment| {
            let unit = match text(experiment, "unit")? {
                "user_id" => user.as_deref()?,
                _ => session.as_deref()?,
            };
            let variant = variant(experiment, unit, country.as_deref())?;
            Some(json!({
                "experiment_id": experiment.get("id"),
                "name": experiment.get("name"),
                "variant_id": variant,
                "bucket_version": experiment.get("bucket_version"),
                "is_control": text(experiment, "control") == Some(variant),
                "source": "hash",
            }))
        })
        .collect();
    Some(json!({ "assignments": assignments }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_matches_growthbooks_test_vectors() {
        for (seed, value, version, wanted) in [
            ("", "a", 1, 220),
            ("seed", "a", 2, 505),
            ("foo", "def", 2, 2019),
            ("seed", "josé", 2, 5199),
            ("seed", "Ünal", 2, 3329),
            ("seed", "用户", 2, 5360),
            ("seed", "👍", 2, 852),
            ("seed", "josé", 1, 803),
            ("seed", "Ünal", 1, 435),
            ("seed", "用户", 1, 445),
            ("seed", "👍", 1, 258),
        ] {
            assert_eq!(hash(seed, value, version), Some(wanted));
        }
        assert_eq!(hash("", "a", 3), None);
    }

    #[test]
    fn the_country_of_a_server_is_what_it_sends_and_never_its_own_place() {
        let running = json!([{
            "experiment_id": "x", "name": "x", "bucket_version": 1, "control": "a", "unit": "session_id",
            "countries": ["FR"], "hash_seed": "s", "hash_version": 2,
            "variants": [{ "id": "a", "from": 0, "to": 10_000 }],
        }]);
        for (is_server, place, sent, is_in) in [
            (true, "DE", "FR", true),
            (true, "FR", "DE", false),
            (true, "FR", "", false),
            (false, "FR", "DE", true),
            (false, "DE", "FR", false),
        ] {
            let mut headers = crate::headers::Headers::new();
            headers.insert("content-type", "application/json".parse().unwrap());
            let body = json!({ "session_id": "1", "country": sent }).to_string();
            let incoming = Incoming {
                headers,
                body: body.as_bytes().into(),
                place: crate::message::Place {
                    country: Some(place.into()),
                    ..Default::default()
                },
                is_server,
                ..Incoming::default()
            };
            let found = result(&incoming, &running).unwrap();
            let count = found["assignments"].as_array().unwrap().len();
            assert_eq!(count == 1, is_in, "{is_server} {place} {sent}");
        }
    }
}
